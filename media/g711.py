"""G.711 A-law and mu-law by table; PCM is signed 16-bit little-endian."""

from __future__ import annotations

import sys
from array import array
from typing import Final, Literal

CodecName = Literal["PCMU", "PCMA"]

#: Samples of 20 ms at 8 kHz, which is also the octets of a frame.
FRAME: Final = 160
#: One code of silence: the smallest positive value of each law.
SILENCE: Final[dict[str, int]] = {"PCMU": 0xFF, "PCMA": 0xD5}


def _alaw_encoder() -> bytes:
    """Return the A-law code of every sample, indexed by the sample modulo 65,536 (G.711 Table 1)."""
    half = b"".join(bytes([code]) * (16 << max(0, (code >> 4) - 1)) for code in range(128))
    return _both_signs(half, positive=0x80 ^ 0x55, negative=0x55)


def _ulaw_encoder() -> bytes:
    """Return the mu-law code of every sample, indexed by the sample modulo 65,536 (G.711 Table 2)."""
    # Interval 0 is half as wide as its segment's others; what is over the last decision value is clipped.
    half = b"".join(bytes([code]) * (4 if code == 0 else 8 << (code >> 4)) for code in range(128))
    half += bytes([127]) * (32768 - len(half))
    return _both_signs(half, positive=0xFF, negative=0x7F)


def _both_signs(half: bytes, *, positive: int, negative: int) -> bytes:
    """Return a table of all samples from one of magnitudes; -1 mirrors 0, as in ITU-T's own software."""
    codes = range(128)
    upper = half.translate(bytes(code ^ positive for code in codes) + bytes(128))
    lower = half.translate(bytes(code ^ negative for code in codes) + bytes(128))
    return upper + lower[::-1]


def _alaw_value(code: int) -> int:
    """Return the sample of an A-law code: the middle of its interval (G.711 Table 1)."""
    code ^= 0x55
    segment = code >> 4 & 7
    magnitude = (code & 15) << 4 | 8
    if segment:
        magnitude = (magnitude | 256) << segment - 1
    return magnitude if code & 0x80 else -magnitude


def _ulaw_value(code: int) -> int:
    """Return the sample of a mu-law code: the middle of its interval (G.711 Table 2)."""
    code ^= 0xFF
    magnitude = (((code & 15) << 3 | 0x84) << (code >> 4 & 7)) - 0x84
    return -magnitude if code & 0x80 else magnitude


_ENCODERS: Final[dict[str, bytes]] = {"PCMU": _ulaw_encoder(), "PCMA": _alaw_encoder()}
_VALUES: Final[dict[str, list[int]]] = {
    "PCMU": [_ulaw_value(code) for code in range(256)],
    "PCMA": [_alaw_value(code) for code in range(256)],
}
# Low and high octets apart: two translations and two strided copies decode without a loop.
_LOW: Final = {name: bytes(value & 255 for value in values) for name, values in _VALUES.items()}
_HIGH: Final = {name: bytes(value >> 8 & 255 for value in values) for name, values in _VALUES.items()}

# G.711 Tables 3 and 4: which magnitude of one law stands for which of the other; signs are kept.
# Going through samples instead would turn -0 into +0 and shift faint negative values.
_ALAW_AS_ULAW: Final = (
    *range(1, 16, 2), *range(16, 32), 32, 32, 33, 33, 34, 34, 35, 35, *range(36, 48), 48, 48, 49, 49,
    *range(50, 64), 64, 64, *range(65, 81), *range(80, 128),
)  # fmt: skip
_ULAW_AS_ALAW: Final = (
    *(magnitude // 2 for magnitude in range(16)), *range(8, 24), *range(24, 32, 2), *range(32, 44), 45, 47,
    *range(48, 62), 63, *range(64, 80), *range(81, 128),
)  # fmt: skip

#: For bytes.translate: A-law codes to mu-law codes and back.
ALAW_TO_ULAW: Final = bytes(
    _ALAW_AS_ULAW[(code ^ 0x55) & 0x7F] ^ (0xFF if code & 0x80 else 0x7F) for code in range(256)
)
ULAW_TO_ALAW: Final = bytes(_ULAW_AS_ALAW[~code & 0x7F] ^ (0xD5 if code & 0x80 else 0x55) for code in range(256))


def encode(codec: CodecName, pcm: bytes) -> bytes:
    """Return the codes of 16-bit little-endian samples."""
    samples = array("h", pcm)
    if sys.byteorder == "big":  # pragma: no cover - no such machine runs the tests
        samples.byteswap()
    return bytes(map(_ENCODERS[codec].__getitem__, samples))


def decode(codec: CodecName, codes: bytes) -> bytes:
    """Return the 16-bit little-endian samples of codes."""
    pcm = bytearray(2 * len(codes))
    pcm[::2] = codes.translate(_LOW[codec])
    pcm[1::2] = codes.translate(_HIGH[codec])
    return bytes(pcm)
