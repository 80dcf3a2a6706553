"""G.711 by table: shape, silence, and conversion between the laws."""

from __future__ import annotations

import math
import time
from array import array

import pytest

from media import g711

LAWS: tuple[g711.CodecName, ...] = ("PCMU", "PCMA")


def samples(codec: g711.CodecName, codes: bytes) -> list[int]:
    """Return decoded samples as numbers."""
    return array("h", g711.decode(codec, codes)).tolist()


@pytest.mark.parametrize("codec", LAWS)
def test_every_code_comes_back(codec: g711.CodecName) -> None:
    """Encoding a decoded code gives the code, but for mu-law's negative zero, which has no sample of its own."""
    codes = bytes(range(256))
    back = g711.encode(codec, g711.decode(codec, codes))
    assert [(a, b) for a, b in zip(codes, back, strict=True) if a != b] == ([(0x7F, 0xFF)] if codec == "PCMU" else [])


@pytest.mark.parametrize(
    ("codec", "pcm", "code"),
    [
        ("PCMA", 0, 0xD5),
        ("PCMA", -1, 0x55),
        ("PCMA", 32767, 0xAA),
        ("PCMA", -32768, 0x2A),
        ("PCMU", 0, 0xFF),
        ("PCMU", -1, 0x7F),
        ("PCMU", 32767, 0x80),
        ("PCMU", -32768, 0x00),
    ],
)
def test_the_ends_and_the_middle(codec: g711.CodecName, pcm: int, code: int) -> None:
    """Zero and full scale have the codes of G.711 Tables 1 and 2."""
    assert g711.encode(codec, array("h", [pcm]).tobytes()) == bytes([code])


@pytest.mark.parametrize("codec", LAWS)
def test_the_error_is_that_of_the_law(codec: g711.CodecName) -> None:
    """A sine comes back with the 38 dB of signal to noise that G.711 is made for."""
    sine = [round(8000 * math.sin(n / 3)) for n in range(8000)]
    back = samples(codec, g711.encode(codec, array("h", sine).tobytes()))
    noise = sum((a - b) ** 2 for a, b in zip(sine, back, strict=True))
    assert 10 * math.log10(sum(a * a for a in sine) / noise) > 37.5


@pytest.mark.parametrize("codec", LAWS)
def test_silence_is_the_smallest_positive_value(codec: g711.CodecName) -> None:
    """A frame filled with it is inaudible."""
    assert 0 <= samples(codec, bytes([g711.SILENCE[codec]]))[0] <= 8


def magnitudes(table: bytes, from_mask: int, to_mask: int) -> list[int]:
    """Return a conversion as a list over magnitudes."""
    return [table[magnitude ^ from_mask] ^ to_mask for magnitude in range(128)]


def test_conversion_follows_tables_3_and_4() -> None:
    """Spot values of G.711 Tables 3 and 4 at every change of their pattern, for both signs."""
    up = {0: 1, 7: 15, 8: 16, 24: 32, 25: 32, 31: 35, 32: 36, 44: 48, 45: 48, 47: 49, 48: 50}
    up |= {61: 63, 62: 64, 63: 64, 64: 65, 79: 80, 80: 80, 81: 81, 127: 127}
    down = {0: 0, 1: 0, 15: 7, 16: 8, 31: 23, 32: 24, 35: 30, 36: 32, 47: 43, 48: 45, 49: 47, 50: 48}
    down |= {63: 61, 64: 63, 65: 64, 79: 78, 80: 79, 81: 81, 127: 127}
    for alaw_mask, ulaw_mask in ((0xD5, 0xFF), (0x55, 0x7F)):
        to_ulaw = magnitudes(g711.ALAW_TO_ULAW, alaw_mask, ulaw_mask)
        to_alaw = magnitudes(g711.ULAW_TO_ALAW, ulaw_mask, alaw_mask)
        assert {key: to_ulaw[key] for key in up} == up
        assert {key: to_alaw[key] for key in down} == down
        # The two tables undo each other except where one law is coarser than the other.
        assert [m for m in range(128) if to_alaw[to_ulaw[m]] != m] == [25, 27, 29, 31, 44, 46, 62, 80]
        assert [m for m in range(128) if to_ulaw[to_alaw[m]] != m] == [0, 2, 4, 6, 8, 10, 12, 14]


@pytest.mark.parametrize(
    ("table", "source", "target"),
    [(g711.ALAW_TO_ULAW, "PCMA", "PCMU"), (g711.ULAW_TO_ALAW, "PCMU", "PCMA")],
)
def test_conversion_keeps_sign_order_and_value(table: bytes, source: g711.CodecName, target: g711.CodecName) -> None:
    """No converted value is further off than a step of the coarser law, none changes its sign or its order."""
    before = samples(source, bytes(range(256)))
    after = samples(target, table)
    assert len(table) == 256
    assert all(a * b >= 0 and abs(a - b) <= max(16, abs(a) / 16) for a, b in zip(before, after, strict=True))
    ordered = [b for _, b in sorted(zip(before, after, strict=True))]
    assert ordered == sorted(ordered)


@pytest.mark.parametrize("codec", LAWS)
def test_thirty_seconds_encode_in_a_tenth_of_one(codec: g711.CodecName) -> None:
    """A long prompt does not stall the worker that loads it."""
    pcm = bytes(range(256)) * 1875
    begin = time.process_time()
    codes = g711.encode(codec, pcm)
    assert time.process_time() - begin < 0.1
    assert len(codes) == 30 * 8000
