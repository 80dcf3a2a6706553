"""Prompts in a row are one file for rtpengine."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import pytest

from media.prompts import PromptStore
from media.rtpengine.sounds import Sounds


async def told(sounds: Sounds, *names: str) -> tuple[str, str]:
    """What is told of these prompts."""
    future: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
    sounds.get(names, lambda *found: future.set_result(found))
    return await asyncio.wait_for(future, 10)


async def test_prompts_in_a_row_are_one_file(tmp_path: Path) -> None:
    """Of their whole length, written once, told at once the next time."""
    sounds = Sounds(tmp_path / "sounds", PromptStore([]))
    file, missing = await told(sounds, "tone:400:0.3", "silence:0.2")
    assert missing == ""
    with wave.open(file) as written:
        assert written.getparams()[:4] == (1, 2, 8000, 4000)
    told_now: list[str] = []
    sounds.get(("tone:400:0.3", "silence:0.2"), lambda file, missing: told_now.append(file))
    assert told_now == [file]
    assert [path.name for path in (tmp_path / "sounds").iterdir()] == [Path(file).name]


async def test_a_prompt_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Nothing is written."""
    sounds = Sounds(tmp_path / "sounds", PromptStore([tmp_path]))
    assert await told(sounds, "silence:0.2", "zh/none") == ("", "zh/none")
    assert not (tmp_path / "sounds").exists()


async def test_without_a_directory_there_is_no_file(tmp_path: Path) -> None:
    """Somebody else has to play it."""
    (tmp_path / "sounds").write_text("not a directory")
    sounds = Sounds(tmp_path / "sounds", PromptStore([]))
    assert await told(sounds, "silence:0.2") == ("", "")


@pytest.mark.parametrize(
    ("names", "kept"), [(("zh/a",), True), ((), False), (("zh/a", "recording:voicemail/x"), False)]
)
def test_messages_of_mailboxes_are_not_copied(names: tuple[str, ...], kept: bool) -> None:
    """They are read where they are."""
    assert Sounds.keeps(names) is kept
