"""What an audio m-line lists: codecs by name, clock rate, channels and parameters under payload types (RFC 8866 §6.6).

Beside codecs there are formats that share the stream of one: telephone-events at a codec's clock rate (RFC 4733
§2.5.1.1) and comfort noise (RFC 3389). Codecs that nobody here can decode are kept as they were described, so that two
peers who share one can have it.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from msgspec import Struct

from media.sdp import find_attribute

ANY: Final = "any"
"""In a list of codecs: whatever else both sides share, passed through as it is."""
MAX_FMTP: Final = 200
"""Characters of a format's parameters; longer ones are not passed on, nor is their codec."""
MAX_PTIME: Final = 200
MIN_RATE: Final = 8000
"""The slowest clock of any audio format (RFC 3551 Table 4)."""


class Codec(Struct, frozen=True, array_like=True, gc=False, cache_hash=True):
    """An audio codec, or another format of the stream, under one payload type number."""

    name: str
    payload_type: int
    rate: int = 8000
    """The clock of its timestamps, in Hz."""
    channels: int = 1
    fmtp: str = ""
    """What its describer wants to receive."""

    @property
    def rtpmap(self) -> str:
        """Its encoding name, clock rate and channels."""
        return f"{self.name}/{self.rate}" if self.channels == 1 else f"{self.name}/{self.rate}/{self.channels}"


PCMU: Final = Codec("PCMU", 0)
PCMA: Final = Codec("PCMA", 8)
G722: Final = Codec("G722", 9)
"""Of 16 kHz, though its clock is said to be 8 kHz (RFC 3551 §4.5.2)."""
OPUS: Final = Codec("opus", 111, 48000, 2, "useinbandfec=1")
"""Always 48 kHz and two channels, whatever is in it (RFC 7587 §7)."""

OURS: Final[dict[str, Codec]] = {codec.name: codec for codec in (PCMU, PCMA, G722, OPUS)}
"""What we can decode and encode, with the payload types we prefer, by name."""

_OWN_KINDS: Final = {codec.rtpmap.upper(): codec for codec in OURS.values()} | {
    f"{codec.rtpmap.upper()}/1": codec for codec in (PCMU, PCMA, G722)
}
# RFC 3551 Table 4: formats that need no rtpmap.
_STATIC: Final = {
    "0": "PCMU/8000", "3": "GSM/8000", "4": "G723/8000", "5": "DVI4/8000", "6": "DVI4/16000", "7": "LPC/8000",
    "8": "PCMA/8000", "9": "G722/8000", "12": "QCELP/8000", "13": "CN/8000", "15": "G728/8000", "16": "DVI4/11025",
    "17": "DVI4/22050", "18": "G729/8000",
}  # fmt: skip
#: Payload types by their only spelling: "08" or "+8" would be answered with a number the peer did not write.
_PAYLOAD_TYPES: Final = {str(number): number for number in range(128)}
#: No codecs: packets of these mean something only together with others.
_NO_CODECS: Final = frozenset({"TELEPHONE-EVENT", "TONE", "CN", "RED", "RTX", "PARITYFEC", "ULPFEC", "FLEXFEC"})
#: Parameters that change what is in a packet: with other values it is another codec (RFC 4867 §8.1, RFC 3952 §5).
_FRAMING: Final = ("octet-align", "crc", "interleaving", "robust-sorting", "mode")


class Formats(NamedTuple):
    """The formats of one m-line: its codecs in order, telephone-events by clock rate, comfort noise."""

    audio: tuple[Codec, ...]
    events: dict[int, int]
    noise_pt: int | None


def read_formats(formats: list[str], attributes: list[str]) -> Formats:
    """Return what the formats of an m-line stand for; those that cannot be understood are left out."""
    names = dict(_STATIC)
    parameters: dict[str, str] = {}
    # Of two lines for one number the first counts.
    for text in reversed(attributes):
        if text.startswith("rtpmap:"):
            number, *name = text[7:].split() or [""]
            names[number] = name[0] if name else ""
        elif text.startswith("fmtp:"):
            number, _, value = text[5:].strip().partition(" ")
            parameters[number] = value.strip()
    audio: list[Codec] = []
    events: dict[int, int] = {}
    noise_pt: int | None = None
    for text in formats:
        payload_type = _PAYLOAD_TYPES.get(text)
        codec = _codec(names.pop(text, ""), payload_type, parameters.get(text, ""))
        if codec is None:
            continue
        kind = codec.name.upper()
        if kind not in _NO_CODECS:
            audio.append(codec)
        elif kind == "TELEPHONE-EVENT" and codec.channels == 1:
            events.setdefault(codec.rate, codec.payload_type)
        elif kind == "CN" and codec.rate == 8000 and noise_pt is None:
            noise_pt = codec.payload_type
    return Formats(tuple(audio), events, noise_pt)


def _codec(encoding: str, payload_type: int | None, fmtp: str) -> Codec | None:
    """Return the format with this rtpmap; None for what is no name with a clock rate."""
    if payload_type is None or not encoding:
        return None
    own = _OWN_KINDS.get(encoding.upper())
    if own is not None:
        return Codec(own.name, payload_type, own.rate, own.channels, _clean(fmtp) or "")
    name, _, rest = encoding.partition("/")
    rate, _, channels = rest.partition("/")
    parameters = _clean(fmtp)
    if not (_is_token(name) and _is_number(rate) and _is_number(channels or "1")) or parameters is None:
        return None
    if int(rate) < MIN_RATE:
        return None
    if name in OURS and (int(rate) != OURS[name].rate or name != OPUS.name):
        # At another clock or with more channels it is none of ours, and is not to be taken for one by its name, of
        # which capitals say nothing (RFC 8866 §6.6).
        name = name.swapcase()
    return Codec(name, payload_type, int(rate), int(channels or 1), parameters)


def _clean(fmtp: str) -> str | None:
    """Return parameters that may be passed on: visible ASCII, not too long; else None."""
    return fmtp if len(fmtp) <= MAX_FMTP and fmtp.isascii() and fmtp.isprintable() else None


def _is_token(text: str) -> bool:
    return 0 < len(text) <= 32 and text.isascii() and text.replace("-", "").replace("_", "").replace(".", "").isalnum()


def _is_number(text: str) -> bool:
    return 0 < len(text) <= 6 and text.isascii() and text.isdecimal() and int(text) > 0


def same_codec(a: Codec, b: Codec) -> bool:
    """Return whether packets of one can be passed on as those of the other, but for the payload type."""
    if a.rate != b.rate or a.channels != b.channels or (a.name != b.name and a.name.upper() != b.name.upper()):
        return False
    return a.name in OURS or a.fmtp == b.fmtp or all(_parameter(a, name) == _parameter(b, name) for name in _FRAMING)


def _parameter(codec: Codec, name: str) -> str:
    for field in codec.fmtp.split(";"):
        key, _, value = field.strip().partition("=")
        if key.lower() == name:
            return value if value != "0" else ""
    return ""


def is_wanted(codec: Codec, names: tuple[str, ...]) -> bool:
    """Return whether a list of codec names has room for a codec."""
    return codec.name in names or ANY in names


def is_ours(codec: Codec, names: tuple[str, ...]) -> bool:
    """Return whether a codec may be transcoded by us: it is listed by its name, and we can."""
    return codec.name in names and codec.name in OURS


def free_payload_type(taken: set[int], wanted: int) -> int:
    """Return `wanted`, or the highest dynamic number that is not taken."""
    return wanted if wanted not in taken else max(set(range(96, 128)) - taken)


def read_ptime(attributes: list[str], name: str = "ptime", default: int = 20) -> int:
    """Return a=ptime, or a=maxptime, in milliseconds; `default` where it is missing or absurd (RFC 3551 §4.2)."""
    text = find_attribute(attributes, name)
    if text and text.isdecimal() and text.isascii() and len(text) < 4 and 10 <= int(text) <= MAX_PTIME:
        return int(text)
    return default
