"""The prompts that come with the program, measured: as long, as loud and as quick as what people listen to."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from media import audio_files
from media.audio_files import RATE
from media.manifest import SHIPPED, Spoken, load_manifest
from media.synthesis import LEVEL

PROMPTS = load_manifest().prompts
QUIET = 200
"""The highest sample of what is no speech."""
PACE = {"zh": (r"[㐀-鿿]", 2.5, 5.0), "en": (r"[A-Za-z]+", 1.8, 4.2)}
"""Syllables of Chinese, words of English; a second has at least and at most so many."""


class Heard(NamedTuple):
    """A prompt as it sounds."""

    prompt: Spoken
    samples: NDArray[np.int32]

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return len(self.samples) / RATE


@pytest.fixture(scope="module")
def heard() -> list[Heard]:
    """All of them."""
    files = [audio_files.read(SHIPPED / f"{prompt.name}.wav", max_seconds=60.0) for prompt in PROMPTS]
    return [
        Heard(prompt, np.frombuffer(pcm, "<i2").astype(np.int32)) for prompt, pcm in zip(PROMPTS, files, strict=True)
    ]


def test_each_is_there_in_each_language() -> None:
    """With a text of that language."""
    names = {(prompt.language, prompt.name.partition("/")[2]) for prompt in PROMPTS}
    assert {name for language, name in names if language == "zh"} == {
        name for language, name in names if language == "en"
    }
    for prompt in PROMPTS:
        assert bool(re.search(PACE["zh"][0], prompt.text)) is (prompt.language == "zh"), prompt.name


def test_they_are_equally_loud_and_none_is_clipped(heard: list[Heard]) -> None:
    """Within half a decibel."""
    for prompt, samples in heard:
        level, peak = audio_files.decibels(samples.astype("<i2").tobytes())
        assert level == pytest.approx(LEVEL, abs=0.5), prompt.name
        assert peak < -0.9, prompt.name


def test_they_begin_and_end_at_once_and_do_not_break_off(heard: list[Heard]) -> None:
    """A short rest on either side, no longer pause between, and an end in silence."""
    for prompt, samples in heard:
        loud = np.flatnonzero(np.abs(samples) > QUIET)
        assert loud[0] / RATE < 0.1, prompt.name
        assert 0.05 < (len(samples) - loud[-1]) / RATE < 0.2, prompt.name
        assert np.diff(loud).max() / RATE < 0.5, prompt.name


def test_they_are_spoken_at_a_pace_that_can_be_followed(heard: list[Heard]) -> None:
    """Neither drawled nor gabbled, and short."""
    for one in heard:
        sign, least, most = PACE[one.prompt.language]
        pace = len(re.findall(sign, one.prompt.text)) / one.seconds
        assert least < pace < most, (one.prompt.name, pace)
        assert 0.5 < one.seconds < 8.0, one.prompt.name
