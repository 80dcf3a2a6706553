"""Who hears whom in a room: roles, laws, saturation, thirty-two parties."""

from __future__ import annotations

import os

import numpy as np
import pytest

from media.g711 import FRAME, SILENCE, CodecName, decode, encode
from media.mixing import Blend, Part
from tests.support.tones import level_of, sine

LEVEL = 3000.0
TONES = (313, 439, 563, 701, 857, 1009)


def samples(codec: CodecName, codes: bytes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Codes as numbers."""
    return np.frombuffer(decode(codec, codes), "<i2").astype(np.int64)


def mixed(parts: list[Part], said: list[bytes]) -> list[bytes]:
    """What each part hears while each says a whole number of frames."""
    blend = Blend(parts)
    heard = [b""] * len(parts)
    for at in range(0, len(said[0]), FRAME):
        frames = blend.mix([said[talker][at : at + FRAME] for talker in blend.talkers])
        heard = [before + frame for before, frame in zip(heard, frames, strict=True)]
    return heard


COACHED = [Part("PCMA"), Part("PCMU"), Part("PCMA", "coach", 1), Part("PCMU", "listener")]

MATRIX = {
    "one alone": ([Part("PCMA")], [""]),
    "two": ([Part("PCMA"), Part("PCMA")], ["1", "0"]),
    "three of both laws": ([Part("PCMA"), Part("PCMU"), Part("PCMA")], ["12", "02", "01"]),
    "a listener": ([Part("PCMA"), Part("PCMU", "listener"), Part("PCMA")], ["2", "02", "0"]),
    "a coach is heard by the coached alone": (COACHED, ["1", "02", "01", "01"]),
    "two coaches of two": (
        [Part("PCMA"), Part("PCMA"), Part("PCMU", "coach", 0), Part("PCMA", "coach", 1)],
        ["12", "03", "01", "01"],
    ),
    "two coaches of one": ([Part("PCMA"), Part("PCMA", "coach", 0), Part("PCMA", "coach", 0)], ["12", "0", "0"]),
    "a coach of nobody here": ([Part("PCMA"), Part("PCMA"), Part("PCMA", "coach")], ["1", "0", "01"]),
    "a coached listener": ([Part("PCMA"), Part("PCMU", "listener"), Part("PCMA", "coach", 1)], ["", "02", "0"]),
    "a coached coach": ([Part("PCMA"), Part("PCMA", "coach", 0), Part("PCMA", "coach", 1)], ["1", "02", "0"]),
    "listeners alone": ([Part("PCMA", "listener"), Part("PCMU", "listener")], ["", ""]),
    "the order does not matter": (
        [Part("PCMU", "coach", 3), Part("PCMA", "listener"), Part("PCMA"), Part("PCMU")],
        ["23", "23", "3", "02"],
    ),
}


@pytest.mark.parametrize("name", MATRIX)
def test_each_hears_whom_it_should(name: str) -> None:
    """Each tone with its strength where it should be, nothing of it elsewhere."""
    parts, heard = MATRIX[name]
    said = [sine(TONES[n], 0.4, part.codec, LEVEL) for n, part in enumerate(parts)]
    for part, whom, codes in zip(parts, heard, mixed(parts, said), strict=True):
        for n in range(len(parts)):
            level = level_of(TONES[n], codes, part.codec)
            if str(n) in whom:
                assert level == pytest.approx(LEVEL, rel=0.03)
            else:
                assert level < 0.01 * LEVEL


@pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
def test_of_two_each_hears_the_other_untouched(codec: CodecName) -> None:
    """No coding noise is added where nothing is summed; of mu-law only minus nought becomes nought."""
    a, b = os.urandom(1600).replace(b"\x7f", b"\xff"), bytes(range(128, 255)) * 20
    a, b = a[:1600], b[:1600]
    assert mixed([Part(codec), Part(codec)], [a, b]) == [b, a]


def test_sums_are_exact_and_saturate() -> None:
    """To the sample, as a plain loop sums them; of what is louder than the loudest the loudest."""
    random = np.random.default_rng(3)
    said = [random.integers(-32768, 32768, 800).astype("<i2") for _ in range(5)]
    codes = [encode("PCMA", each.tobytes()) for each in said]
    heard = mixed([Part("PCMA") for _ in said], codes)
    values = [samples("PCMA", each) for each in codes]
    for n, codes_heard in enumerate(heard):
        total = sum(values[m] for m in range(5) if m != n)
        expected = np.clip(total, -32768, 32767).astype("<i2")
        assert codes_heard == encode("PCMA", expected.tobytes())
    loud = [sine(425, 0.1, "PCMU", 32000) for _ in range(3)]
    peak = samples("PCMU", mixed([Part("PCMU")] * 3, loud)[0])
    assert peak.max() == 32124
    assert peak.min() == -32124


def test_thirty_two_parties_hear_one_another() -> None:
    """Each all others to the sample."""
    random = np.random.default_rng(4)
    laws: list[CodecName] = ["PCMA" if n % 3 else "PCMU" for n in range(32)]
    codes = [random.integers(0, 256, FRAME, dtype=np.uint8).tobytes() for _ in laws]
    values = [samples(law, said) // 16 for law, said in zip(laws, codes, strict=True)]
    quiet = [encode(law, value.astype("<i2").tobytes()) for law, value in zip(laws, values, strict=True)]
    values = [samples(law, said) for law, said in zip(laws, quiet, strict=True)]
    heard = mixed([Part(law) for law in laws], quiet)
    total = sum(values)
    for n, law in enumerate(laws):
        expected = np.clip(total - values[n], -32768, 32767).astype("<i2")
        assert heard[n] == encode(law, expected.tobytes())


def test_who_says_nothing_adds_nothing() -> None:
    """Not even the least step that A-law's code of silence is; where all are silent that code is heard."""
    parts = [Part("PCMA") for _ in range(32)]
    parts[31] = Part("PCMU", "listener")
    blend = Blend(parts)
    voice = sine(425, 0.02)
    frames: list[bytes | None] = [None] * 31
    assert blend.mix(frames) == [bytes([SILENCE[part.codec]]) * FRAME for part in parts]
    for others in (None, bytes([SILENCE["PCMA"]]) * FRAME):
        heard = blend.mix([voice if n == 5 else others for n in range(31)])
        assert heard[0] == voice
        assert heard[5] == bytes([SILENCE["PCMA"]]) * FRAME


def test_who_hears_the_same_shares_it() -> None:
    """Listeners of one law get one frame, whatever their number."""
    blend = Blend([Part("PCMA"), Part("PCMA"), *[Part("PCMA", "listener")] * 10, *[Part("PCMU", "listener")] * 10])
    assert len(blend._heard_laws) == 4


@pytest.mark.parametrize("name", MATRIX)
def test_while_one_speaks_the_others_hear_just_that(name: str) -> None:
    """As it was said, where the law is the same; by the tables of G.711 where it is not."""
    parts, heard = MATRIX[name]
    blend = Blend(parts)
    for nth, speaker in enumerate(blend.talkers):
        law = parts[speaker].codec
        voice = sine(TONES[speaker], 0.02, law, LEVEL)
        said = [voice if n == nth else None for n in range(len(blend.talkers))]
        for n, frame in enumerate(blend.mix(said)):
            if str(speaker) not in heard[n]:
                assert frame == bytes([SILENCE[parts[n].codec]]) * FRAME
            elif parts[n].codec == law:
                assert frame == voice
            else:
                assert np.abs(samples(parts[n].codec, frame) - samples(law, voice)).max() <= 128
