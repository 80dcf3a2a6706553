"""Prompts that manifests name and no file has."""

from __future__ import annotations

from pathlib import Path

import pytest

from media import audio_files, g711, tones
from media.prompts import PromptStore
from media.speech import NoSynthesiser, SpeechCache, SpeechError
from media.supply import Supply, supply

MANIFEST = """
prompts:
  - {name: zh/there, language: zh, text: 有}
  - {name: zh/gone, language: zh, text: 没有, spoken: mei2you3}
  - {name: en/gone, language: en, text: Gone.}
"""


class Speaker:
    """Says each text as so many frames as it has characters, and refuses one language."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def identity(self, language: str) -> str:
        """Only two languages are spoken."""
        if language not in ("zh", "en"):
            raise SpeechError(f"no voice speaks {language}")
        return "speaker"

    def unavailable(self) -> str:
        """It is there."""
        return ""

    def prepare(self) -> None:
        """Need nothing."""

    async def pcm(self, text: str, language: str) -> bytes:
        """Silence."""
        self.texts.append(text)
        return bytes(320 * len(text))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a prompt directory with a manifest and one of its three files."""
    directory = tmp_path / "own"
    audio_files.write_wav(directory / "zh" / "there.wav", bytes(320))
    (directory / "manifest.yaml").write_text(MANIFEST)
    return directory


async def test_missing_prompts_are_spoken(tmp_path: Path, own: Path) -> None:
    """They are found after all recordings; what is there already is left alone."""
    speaker = Speaker()
    made = tmp_path / "made"
    done = await supply([own], made, SpeechCache(tmp_path / "speech", speaker))
    assert done == Supply(spoken=("zh/gone", "en/gone"))
    assert speaker.texts == ["mei2you3", "Gone."]
    store = PromptStore([own, made])
    assert [store.get(name).seconds for name in ("zh/there", "zh/gone", "en/gone")] == [0.02, 0.16, 0.1]


async def test_the_next_start_renders_nothing_anew(tmp_path: Path, own: Path) -> None:
    """A changed text is spoken; one that has a recording by now is dropped with its directory."""
    speaker = Speaker()
    cache = SpeechCache(tmp_path / "speech", speaker)
    made = tmp_path / "made"
    await supply([own], made, cache)
    (own / "manifest.yaml").write_text(MANIFEST.replace("mei2you3", "mei2"))
    audio_files.write_wav(own / "en" / "gone.wav", bytes(640))
    done = await supply([own], made, cache)
    assert done.spoken == ("zh/gone",)
    assert speaker.texts == ["mei2you3", "Gone.", "mei2"]
    assert sorted(path.relative_to(made).as_posix() for path in made.rglob("*")) == ["zh", "zh/gone.al"]
    store = PromptStore([own, made])
    assert (store.get("zh/gone").seconds, store.get("en/gone").seconds) == (0.08, 0.04)


async def test_without_a_synthesiser_a_tone_sounds(tmp_path: Path, own: Path) -> None:
    """The notice names the prompts and says why; with an engine the next start replaces the tones."""
    made = tmp_path / "made"
    done = await supply([own], made, SpeechCache(tmp_path / "speech", NoSynthesiser()))
    assert (done.spoken, done.toned) == ((), ("zh/gone", "en/gone"))
    assert done.notices == (
        "a tone sounds in place of zh/gone, en/gone: texts are not spoken, because the engine is set to none",
    )
    beep = g711.encode("PCMA", tones.synthesise("tone:beep"))
    assert b"".join(PromptStore([own, made]).get("zh/gone").frames["PCMA"]) == beep
    done = await supply([own], made, SpeechCache(tmp_path / "speech", Speaker()))
    assert done.notices == ()
    assert PromptStore([own, made]).get("zh/gone").seconds == 0.16


async def test_a_text_nobody_can_speak_is_named(tmp_path: Path, own: Path) -> None:
    """The others are spoken all the same."""
    (own / "manifest.yaml").write_text(MANIFEST.replace("language: en", "language: fr"))
    done = await supply([own], tmp_path / "made", SpeechCache(tmp_path / "speech", Speaker()))
    assert (done.spoken, done.toned) == (("zh/gone",), ("en/gone",))
    assert done.notices == ("a tone sounds in place of en/gone: no voice speaks fr",)


async def test_the_first_directory_says_the_text(tmp_path: Path, own: Path) -> None:
    """Directories without a manifest, and bad ones, do not keep the switch from starting."""
    first, bad = tmp_path / "first", tmp_path / "bad"
    for directory in (first, bad):
        directory.mkdir()
    (first / "manifest.yaml").write_text("prompts: [{name: en/gone, language: en, text: Nothing here.}]")
    (bad / "manifest.yaml").write_text("prompts: 1")
    speaker = Speaker()
    places = [first, bad, tmp_path / "none", own]
    done = await supply(places, tmp_path / "made", SpeechCache(tmp_path / "speech", speaker))
    assert speaker.texts == ["Nothing here.", "mei2you3"]
    assert [str(bad / "manifest.yaml") in notice for notice in done.notices] == [True]


async def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path, own: Path) -> None:
    """The switch starts without these prompts."""
    (tmp_path / "made").write_text("a file")
    done = await supply([own], tmp_path / "made", SpeechCache(tmp_path / "speech", Speaker()))
    assert done.spoken == ()
    assert done.notices[0].startswith("missing prompts cannot be made: ")


async def test_a_long_list_is_cut(tmp_path: Path) -> None:
    """A notice fits on a screen."""
    own = tmp_path / "own"
    own.mkdir()
    lines = "\n".join(f"  - {{name: p{number}, language: en, text: P.}}" for number in range(30))
    (own / "manifest.yaml").write_text(f"prompts:\n{lines}\n")
    done = await supply([own], tmp_path / "made", SpeechCache(tmp_path / "speech", NoSynthesiser()))
    assert len(done.toned) == 30
    assert "p11 and 18 more:" in done.notices[0]


async def test_nothing_missing_makes_nothing(tmp_path: Path) -> None:
    """Not even a directory."""
    done = await supply([tmp_path], tmp_path / "made", SpeechCache(tmp_path / "speech", NoSynthesiser()))
    assert done == Supply()
    assert not (tmp_path / "made").exists()
