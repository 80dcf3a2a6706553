"""The offer/answer model of RFC 3264 for one G.711 audio stream with telephone-events."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from media.sdp import (
    DIRECTIONS,
    Direction,
    Media,
    SdpError,
    Session,
    find_attribute,
    find_direction,
    parse_address,
    parse_sdp,
)

_OCTET: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# What a gateway sends: one audio stream to a unicast address (not 0.0.0.0), its attributes in the m= section.
_match_usual: Final = re.compile(
    rb"v=0\r\n(?:o=[^\r\n]*\r\n)?(?:s=[^\r\n]*\r\n)?"
    rb"c=IN IP4 ((?:22[0-3]|2[01][0-9]|1[0-9]{2}|[1-9][0-9]?)(?:\." + _OCTET + rb"){3})\r\n"
    rb"(?:t=[^\r\n]*\r\n)?m=audio ([1-9][0-9]{0,3}|[1-5][0-9]{4}) RTP/AVP ([0-9]{1,3}(?: [0-9]{1,3}){0,15})\r\n"
    rb"((?:a=[^\r\n]{0,64}\r\n){0,16})\Z"
).match

CodecName = Literal["PCMU", "PCMA"]

#: What we speak, and the static payload types of RFC 3551 §6.
STATIC: Final[dict[CodecName, int]] = {"PCMU": 0, "PCMA": 8}

_STATIC_NAMES: Final = {"0": "PCMU/8000", "8": "PCMA/8000"}
#: Payload types by their only spelling: "08" or "+8" would be answered with a number the peer did not write.
_PAYLOAD_TYPES: Final = {str(number): number for number in range(128)}
#: Encoding names are compared without case; one channel may be written or left out (RFC 8866 §6.6).
_CODECS: Final[dict[str, CodecName]] = {
    "PCMU/8000": "PCMU",
    "PCMU/8000/1": "PCMU",
    "PCMA/8000": "PCMA",
    "PCMA/8000/1": "PCMA",
}
_EVENTS: Final = ("TELEPHONE-EVENT/8000", "TELEPHONE-EVENT/8000/1")
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound to

# RFC 3261 §20.43: warn-codes.
_BAD_PROTOCOL: Final = 302
_NO_MEDIA: Final = 304
_NO_FORMAT: Final = 305

_REVERSED: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


class Codec(Struct, frozen=True, gc=False):
    """An audio codec under one payload type number."""

    name: CodecName
    payload_type: int


PCMU: Final = Codec("PCMU", 0)
PCMA: Final = Codec("PCMA", 8)


class Remote(Struct, frozen=True, gc=False):
    """What the peer's description says of its audio stream."""

    address: str
    port: int
    #: Those of our codecs that it lists, in its order.
    audio: tuple[Codec, ...]
    event_pt: int | None
    #: As seen by the peer; c=0.0.0.0 takes "send" from us (RFC 3264 §8.4).
    direction: Direction
    ptime: int
    #: The m-line that is used, and the media types of the others by their position.
    index: int
    other_media: tuple[tuple[int, str], ...]
    #: Where it wants RTCP, 0: one above the port (RFC 3605); whether it would have it on the port (RFC 5761).
    rtcp_port: int = 0
    rtcp_mux: bool = False

    @property
    def held(self) -> bool:
        """True when the peer does not want to receive from us (RFC 3264 §8.4)."""
        return self.direction == "sendonly" or self.direction == "inactive"


class Agreement(Struct, frozen=True, gc=False):
    """One stream as both sides agreed on it, seen from us; payload types per direction (RFC 3264 §6.1)."""

    codec: CodecName
    send_pt: int
    receive_pt: int
    send_event_pt: int | None
    receive_event_pt: int | None
    send: bool
    receive: bool
    address: str
    port: int
    ptime: int
    rtcp_port: int = 0
    rtcp_mux: bool = False


def read_remote(body: bytes) -> Remote:
    """Return what the first usable audio m-line of an offer or answer says.

    A description without one raises SdpError with status 488 and the warn-code that tells why.
    """
    usual = _match_usual(body)
    if usual is not None:
        audio, event_pt, direction, ptime, rtcp = _read_lines(usual[3], usual[4])
        if audio:
            return Remote(usual[1].decode(), int(usual[2]), audio, event_pt, direction, ptime, 0, (), *rtcp)
    session = parse_sdp(body)
    refusal: SdpError | None = None
    for index, media in enumerate(session.media):
        try:
            return _read_media(session, media, index)
        except SdpError as error:
            if refusal is None or media.kind == "audio":
                refusal = error
    raise refusal or SdpError("no m= line", status=488, warning=_NO_MEDIA)


# A gateway sends the same lines in all its calls; their length is bounded by the pattern.
@lru_cache(maxsize=256)
def _read_lines(formats: bytes, lines: bytes) -> tuple[tuple[Codec, ...], int | None, Direction, int, tuple[int, bool]]:
    """Return our codecs, the payload type of events, direction, ptime and RTCP of a usual description."""
    attributes = [line[2:].rstrip() for line in lines.decode("utf-8", "surrogateescape").split("\r\n")]
    audio, event_pt = _read_formats(formats.decode().split(" "), attributes)
    direction = find_direction(attributes) or "sendrecv"
    return audio, event_pt, direction, _read_ptime(attributes), _read_rtcp(attributes)


def _read_media(session: Session, media: Media, index: int) -> Remote:
    """Return what one m-line says, or raise SdpError when it is none we can use."""
    if media.kind != "audio":
        raise SdpError(f"no audio: {media.kind}", status=488, warning=_NO_MEDIA)
    if media.port == 0:
        raise SdpError("audio with port 0", status=488, warning=_NO_MEDIA, section="RFC 3264 §6")
    if media.protocol != "RTP/AVP":
        raise SdpError(f"transport {media.protocol}, only RTP/AVP", status=488, warning=_BAD_PROTOCOL)
    connection = session.connection_of(media)
    if connection is None:
        raise SdpError("no c= line for the audio", section="RFC 8866 §5.7")
    address = parse_address(connection)
    audio, event_pt = _read_formats(media.formats, media.attributes)
    if not audio:
        raise SdpError("no codec of ours", status=488, warning=_NO_FORMAT)
    direction = session.direction(media)
    if address in _UNSPECIFIED:
        direction = "sendonly" if direction in ("sendrecv", "sendonly") else "inactive"
    others = tuple([(i, m.kind) for i, m in enumerate(session.media) if i != index])
    ptime = _read_ptime(media.attributes)
    rtcp = _read_rtcp(media.attributes)
    return Remote(address, media.port, audio, event_pt, direction, ptime, index, others, *rtcp)


def _read_formats(formats: list[str], attributes: list[str]) -> tuple[tuple[Codec, ...], int | None]:
    """Return our codecs in the order of the m-line, and the payload type of telephone-event/8000."""
    names = dict(_STATIC_NAMES)
    # Of two rtpmaps for one number the first counts.
    for text in reversed(attributes):
        if text.startswith("rtpmap:"):
            number, *name = text[7:].split() or [""]
            names[number] = name[0].upper() if name else ""
    audio: list[Codec] = []
    event_pt: int | None = None
    for text in formats:
        encoding = names.pop(text, "")
        if encoding in _CODECS:
            if text in _PAYLOAD_TYPES:
                audio.append(Codec(_CODECS[encoding], _PAYLOAD_TYPES[text]))
        elif encoding in _EVENTS and event_pt is None:
            event_pt = _PAYLOAD_TYPES.get(text)
    return tuple(audio), event_pt


def _read_ptime(attributes: list[str]) -> int:
    """Return a=ptime in milliseconds; 20 where it is missing or absurd (RFC 3551 §4.2)."""
    text = find_attribute(attributes, "ptime")
    if text and text.isdecimal() and text.isascii() and len(text) < 4 and 10 <= int(text) <= 200:
        return int(text)
    return 20


def _read_rtcp(attributes: list[str]) -> tuple[int, bool]:
    """Return the port of a=rtcp, 0 where there is none, and whether there is a=rtcp-mux.

    An address there is not followed: reports go where the audio goes.
    """
    words = (find_attribute(attributes, "rtcp") or "").split()
    port = int(words[0]) if words and len(words[0]) < 6 and words[0].isdecimal() and words[0].isascii() else 0
    return port if port < 65536 else 0, find_attribute(attributes, "rtcp-mux") is not None


def choose(remote: Remote, ours: tuple[str, ...]) -> Codec | None:
    """Return the peer's most wanted codec that is also among `ours`, or None (RFC 3264 §6.1)."""
    for codec in remote.audio:
        if codec.name in ours:
            return codec
    return None


def event_payload_type(codecs: tuple[Codec, ...], wanted: int = 101) -> int:
    """Return `wanted`, or the highest dynamic number that none of the codecs of an offer uses."""
    taken = {codec.payload_type for codec in codecs}
    return wanted if wanted not in taken else max(set(range(96, 128)) - taken)


def answer_direction(offered: Direction, willing: Direction = "sendrecv") -> Direction:
    """Return the direction to answer: what was offered, mirrored, as far as we will (RFC 3264 §6.1)."""
    mirrored = _REVERSED[offered]
    if mirrored == willing or willing == "sendrecv":
        return mirrored
    if mirrored == "sendrecv":
        return willing
    return "inactive"


def agree_as_answerer(remote: Remote, codec: Codec, event_pt: int | None, direction: Direction) -> Agreement:
    """Return the stream after we answered the peer's offer with that codec and direction."""
    return _agree(remote, codec, codec.payload_type, event_pt, direction, remote.rtcp_mux)


def agree_as_offerer(
    remote: Remote, offered: tuple[Codec, ...], event_pt: int | None, direction: Direction = "sendrecv"
) -> Agreement:
    """Return the stream after the peer answered our offer; SdpError 488 when it took none of our codecs."""
    for codec in remote.audio:
        # Where a codec was offered under two numbers the peer sends under the one it repeats.
        for ours in sorted(offered, key=lambda ours: ours != codec):
            if ours.name == codec.name:
                return _agree(remote, codec, ours.payload_type, event_pt, direction)
    raise SdpError("answer takes no codec of the offer", status=488, warning=_NO_FORMAT)


def _agree(
    remote: Remote, codec: Codec, receive_pt: int, event_pt: int | None, direction: Direction, rtcp_mux: bool = False
) -> Agreement:
    """Put both descriptions together: we send as the peer numbered it, and receive as we did."""
    events = remote.event_pt is not None and event_pt is not None
    return Agreement(
        codec.name,
        codec.payload_type,
        receive_pt,
        remote.event_pt if events else None,
        event_pt if events else None,
        direction in ("sendrecv", "sendonly") and remote.direction in ("sendrecv", "recvonly"),
        direction in ("sendrecv", "recvonly") and remote.direction in ("sendrecv", "sendonly"),
        remote.address,
        remote.port,
        remote.ptime,
        remote.rtcp_port,
        rtcp_mux,
    )


def build_offer(
    *,
    session_id: int,
    version: int,
    address: str,
    port: int,
    codecs: tuple[Codec, ...],
    event_pt: int | None,
    direction: Direction = "sendrecv",
    previous: bytes = b"",
) -> bytes:
    """Return an offer of one audio stream (RFC 3264 §5).

    `previous` is the last body this same peer sent in the dialog: a new offer keeps the m-lines in their
    places, those we rejected with port 0 (RFC 3264 §8).
    """
    head = _head(session_id, version, address)
    return (head + _in_place(previous, _audio(port, codecs, event_pt, direction))).encode("ascii")


def build_answer(
    remote_offer_body: bytes,
    *,
    session_id: int,
    version: int,
    address: str,
    port: int,
    codec: Codec,
    event_pt: int | None,
    direction: Direction,
    rtcp_mux: bool = False,
) -> bytes:
    """Return an answer that takes the first usable audio m-line and rejects the others (RFC 3264 §6).

    The body must be one that read_remote took. Its m-lines keep their order; of its text only media types and
    transport protocols are repeated. `rtcp_mux` only where it was offered (RFC 5761 §5.1.1).
    """
    head = _head(session_id, version, address)
    audio = _audio(port, (codec,), event_pt, direction) + ("a=rtcp-mux\r\n" if rtcp_mux else "")
    return (head + _in_place(remote_offer_body, audio)).encode("ascii")


def _in_place(body: bytes, audio: str) -> str:
    """Return our audio section in the place of the m-line it belongs to, the others of the body rejected."""
    if body.count(b"\nm=") < 2:
        return audio
    index = read_remote(body).index
    return "".join([audio if place == index else _rejected(media) for place, media in enumerate(parse_sdp(body).media)])


def _head(session_id: int, version: int, address: str) -> str:
    """Return the session level of a description of ours."""
    family = "IP6" if ":" in address else "IP4"
    return f"v=0\r\no=- {session_id} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"


def _audio(port: int, codecs: tuple[Codec, ...], event_pt: int | None, direction: Direction) -> str:
    """Return the audio section of a description of ours."""
    formats, lines = _lines_of(codecs, event_pt, direction)
    return f"m=audio {port} RTP/AVP{formats}\r\n{lines}"


@lru_cache(maxsize=256)
def _lines_of(codecs: tuple[Codec, ...], event_pt: int | None, direction: Direction) -> tuple[str, str]:
    """Return the payload types of an m= line of ours, and the attributes below it."""
    formats = "".join([f" {codec.payload_type}" for codec in codecs])
    lines = "".join([f"a=rtpmap:{codec.payload_type} {codec.name}/8000\r\n" for codec in codecs])
    if event_pt is not None:
        formats += f" {event_pt}"
        lines += f"a=rtpmap:{event_pt} telephone-event/8000\r\na=fmtp:{event_pt} 0-15\r\n"
    return formats, f"{lines}a=ptime:20\r\na={DIRECTIONS[direction]}\r\n"


def _rejected(media: Media) -> str:
    """Return a section with port 0; its format is ignored but must be there (RFC 3264 §6)."""
    if media.protocol.startswith("RTP/"):
        return f"m={media.kind} 0 {media.protocol} 0\r\n"
    return f"m={media.kind} 0 {media.protocol} {'t38' if media.kind == 'image' else '*'}\r\n"
