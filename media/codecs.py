"""Decoders and encoders by a codec's name; PCM is signed 16-bit little-endian, of 8 or 16 kHz as its user wants it.

G.722 and Opus take and give either rate themselves, so that nothing is resampled: a leg of G.711 makes it 8 kHz, which
costs half. Their libraries are asked for when the first one is needed; `missing` tells what a configuration lacks.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol, cast

from media import g711
from media.g711 import CodecName

FRAME_MS: Final = 20
CODED: Final = frozenset({"G722", "opus"})
"""Codecs with a state: their packets mean something only in their order."""
KNOWN: Final = frozenset({"PCMA", "PCMU"}) | CODED

COMPLEXITY: Final = 5
"""Of 10 for the Opus encoder: at 8 kHz half the CPU of 10, and nothing that a telephone would tell."""
BITRATE: Final[dict[int, int]] = {8000: 24_000, 16_000: 32_000}
"""Bits a second of Opus, by the sampling rate. At the 11,000 that libopus takes by itself for 8 kHz there is no room
for FEC: with one packet in twenty lost, MOS-LQO is 4.1 instead of 4.5; without loss it is 0.3 less.
"""
EXPECTED_LOSS: Final = 5
"""Per cent of loss that Opus is told to provide for where the peer takes FEC."""
_MAX_OPUS_MS: Final = 120
_VOIP, _LOW_DELAY = 2048, 2051


class CodecMissingError(Exception):
    """The library of a codec is not installed."""


class Decoder(Protocol):
    """Turns the packets of one stream, in their order, into samples."""

    def decode(self, payload: bytes) -> bytes:
        """The samples of a packet; none for one that cannot be decoded."""

    def recover(self, following: bytes, samples: int) -> bytes | None:
        """Samples of the lost packet before `following`, which may hold them too; None where it does not."""

    def conceal(self, samples: int) -> bytes | None:
        """What the codec itself makes up for a loss, or for a pause of the sender; None where it cannot."""


class Encoder(Protocol):
    """Turns samples into the packets of one stream."""

    def encode(self, pcm: bytes) -> bytes:
        """A packet of 20 ms."""


class _G711:
    def __init__(self, law: CodecName) -> None:
        self._law = law
        self._encode: Callable[[bytes], bytes] | None = None

    def decode(self, payload: bytes) -> bytes:
        return g711.decode(self._law, payload)

    def recover(self, following: bytes, samples: int) -> bytes | None:
        return None

    def conceal(self, samples: int) -> bytes | None:
        return None

    def encode(self, pcm: bytes) -> bytes:
        if self._encode is None:
            self._encode = _table_of(self._law)
        return self._encode(pcm)


class _G722:
    """64 kbit/s; each direction has a state of its own, so one object serves one direction."""

    def __init__(self, rate: int) -> None:
        self._state = _library("G722").G722(rate, 64000)

    def decode(self, payload: bytes) -> bytes:
        return cast(bytes, self._state.decode(payload).tobytes()) if payload else b""

    def recover(self, following: bytes, samples: int) -> bytes | None:
        return None

    def conceal(self, samples: int) -> bytes | None:
        return None

    def encode(self, pcm: bytes) -> bytes:
        return cast(bytes, self._state.encode(array("h", pcm)))


class _OpusDecoder:
    def __init__(self, rate: int) -> None:
        library = _library("opuslib_next")
        self._errors: type[Exception] = library.exceptions.OpusError
        self._state = library.Decoder(rate, 1)
        self._most = rate * _MAX_OPUS_MS // 1000

    def decode(self, payload: bytes) -> bytes:
        return self._run(payload, self._most, fec=False) if payload else b""

    def recover(self, following: bytes, samples: int) -> bytes | None:
        return self._run(following, samples, fec=True) or None

    def conceal(self, samples: int) -> bytes | None:
        return self._run(b"", samples, fec=False) or None

    def _run(self, payload: bytes, samples: int, *, fec: bool) -> bytes:
        try:
            return cast(bytes, self._state.decode(payload, samples, fec))
        except self._errors:
            return b""


class _OpusEncoder:
    """Its first packet is of CELT, after which a decoder forgets what SILK it has heard before (RFC 6716 §4.5.2).

    Else the decoder of a peer who has heard another encoder would be in another state than this one thinks.
    """

    def __init__(self, rate: int, fmtp: str) -> None:
        library = _library("opuslib_next")
        self._state = state = library.Encoder(rate, 1, _VOIP)
        self._first: Any = library.Encoder(rate, 1, _LOW_DELAY)
        self._first.bitrate = BITRATE[rate]
        self._samples = rate * FRAME_MS // 1000
        state.complexity = COMPLEXITY
        wanted = parameters(fmtp)
        if wanted.get("useinbandfec") == "1":
            state.inband_fec = 1
            state.packet_loss_perc = EXPECTED_LOSS
        most = wanted.get("maxaveragebitrate", "")
        peers = int(most[:7]) if most.isdecimal() else 0
        state.bitrate = min(peers, BITRATE[rate]) if 6000 <= peers <= 510000 else BITRATE[rate]

    def encode(self, pcm: bytes) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return cast(bytes, first.encode(pcm, self._samples))
        return cast(bytes, self._state.encode(pcm, self._samples))


def decoder(codec: str, rate: int = 8000) -> Decoder:
    """A decoder of one stream that gives samples at `rate`; raises CodecMissingError, KeyError for no codec of ours."""
    if codec == "G722":
        return _G722(rate)
    return _OpusDecoder(rate) if codec == "opus" else _G711(_law(codec))


def encoder(codec: str, rate: int = 8000, fmtp: str = "") -> Encoder:
    """An encoder of one stream that takes samples at `rate`; `fmtp` is what the peer said of the codec."""
    if codec == "G722":
        return _G722(rate)
    return _OpusEncoder(rate, fmtp) if codec == "opus" else _G711(_law(codec))


def parameters(fmtp: str) -> dict[str, str]:
    """The fields of an a=fmtp value."""
    fields = [field.strip().partition("=") for field in fmtp.split(";")]
    return {key.lower(): value for key, _, value in fields}


def missing(codecs: tuple[str, ...]) -> dict[str, str]:
    """The codecs that cannot be had here, each with what there is to be installed."""
    lacking = {}
    for codec in codecs:
        if codec in CODED:
            try:
                decoder(codec)
            except CodecMissingError as error:
                lacking[codec] = str(error)
    return lacking


def _law(codec: str) -> CodecName:
    if codec == "PCMA":
        return "PCMA"
    if codec == "PCMU":
        return "PCMU"
    raise KeyError(codec)


@cache
def _table_of(law: CodecName) -> Callable[[bytes], bytes]:
    """As g711.encode, in a third of the time, for those who encode a lot."""
    # Processes that only know prompts do without it.
    import numpy as np

    samples = np.arange(1 << 16, dtype=np.uint16).astype("<u2").tobytes()
    codes = np.frombuffer(g711.encode(law, samples), np.uint8)
    return lambda pcm: codes[np.frombuffer(pcm, "<u2")].tobytes()


_PACKAGES: Final = {"G722": "the Python package G722", "opuslib_next": "libopus (Debian: libopus0) and opuslib-next"}


# The libraries have no types.
def _library(name: str) -> Any:
    """A module that is there where its package, and what that needs, is installed."""
    try:
        return import_module(name)
    # One of them raises a plain Exception where its shared library is missing.
    except Exception as error:
        raise CodecMissingError(_PACKAGES[name]) from error
