"""Texts rendered while calls go on, and the cache of them."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from media import speech
from media.prompts import PromptStore
from media.speech import NoSynthesiser, SpeechCache, SpeechError, SpeechUnavailableError, Synthesiser
from media.speech_name import file_of

SECOND = bytes(16000)


class Speaker:
    """A synthesiser whose speech is ready when the test says so."""

    def __init__(self, pcm: bytes = SECOND) -> None:
        self.voice = "one"
        self.missing = ""
        self.texts: list[str] = []
        self.cancelled = 0
        self.ready = asyncio.Event()
        self.ready.set()
        self._pcm = pcm

    def identity(self, language: str) -> str:
        """One voice for all languages."""
        return f"speaker {self.voice}"

    def unavailable(self) -> str:
        """What the test says."""
        return self.missing

    def prepare(self) -> None:
        """Need nothing."""

    async def pcm(self, text: str, language: str) -> bytes:
        """One second, once the test lets it."""
        self.texts.append(text)
        try:
            await self.ready.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self._pcm


@pytest.fixture
def speaker() -> Speaker:
    """Return a synthesiser that answers at once."""
    return Speaker()


def cache_of(tmp_path: Path, synthesiser: Synthesiser, **options: float) -> SpeechCache:
    """Return a cache in a directory that is not there yet."""
    return SpeechCache(tmp_path / "speech", synthesiser, **options)  # type: ignore[arg-type]


def wav_file(name: str, cache: SpeechCache) -> Path:
    """Return the file of a name."""
    path = file_of(cache.directory, name)
    assert path is not None
    return path


async def test_a_text_is_rendered_once(tmp_path: Path, speaker: Speaker) -> None:
    """The second caller finds what the first one waited for, and a new cache finds it in the directory."""
    cache = cache_of(tmp_path, speaker)
    name = cache.name_of("您好", "zh")
    assert not cache.cached(name)
    assert await cache.render("您好", "zh") == name
    assert cache.cached(name)
    assert await cache.render("您好", "zh") == name
    assert await cache_of(tmp_path, speaker).render(" 您好\n", "zh") == name
    assert speaker.texts == ["您好"]
    assert PromptStore([], speech=cache.directory).get(name).seconds == 1.0


async def test_files_are_for_the_switch_alone(tmp_path: Path, speaker: Speaker) -> None:
    """What callers are told is nobody else's business: 0700 and 0600."""
    cache = cache_of(tmp_path, speaker)
    path = wav_file(await cache.render("您好", "zh"), cache)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_name_stands_for_text_language_and_voice(tmp_path: Path, speaker: Speaker) -> None:
    """Whatever changes the sound changes the name; the name tells nothing of the text."""
    cache = cache_of(tmp_path, speaker)
    names = [cache.name_of("one", "en"), cache.name_of("two", "en"), cache.name_of("one", "zh")]
    speaker.voice = "two"
    names.append(cache.name_of("one", "en"))
    assert len(set(names)) == 4
    assert all(name.startswith("speech:") and len(name) == 71 and "one" not in name for name in names)


async def test_callers_of_one_text_share_its_rendering(tmp_path: Path, speaker: Speaker) -> None:
    """A caller who hangs up does not take it from the others."""
    speaker.ready.clear()
    cache = cache_of(tmp_path, speaker)
    first, second = (asyncio.create_task(cache.render("您好", "zh")) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    speaker.ready.set()
    assert cache.cached(await second)
    assert (speaker.texts, speaker.cancelled) == (["您好"], 0)


async def test_only_so_many_are_rendered_at_once(tmp_path: Path, speaker: Speaker) -> None:
    """The third of three waits until one of two is done."""
    speaker.ready.clear()
    cache = cache_of(tmp_path, speaker, parallel=2)
    tasks = [asyncio.create_task(cache.render(text, "en")) for text in ("one", "two", "three")]
    for _ in range(5):
        await asyncio.sleep(0)
    assert speaker.texts == ["one", "two"]
    speaker.ready.set()
    await asyncio.gather(*tasks)
    assert speaker.texts == ["one", "two", "three"]


async def test_a_slow_synthesiser_is_stopped(tmp_path: Path, speaker: Speaker) -> None:
    """Waiting for a turn counts as well: nobody waits longer than the timeout."""
    speaker.ready.clear()
    cache = cache_of(tmp_path, speaker, timeout=0.02, parallel=1)
    results = await asyncio.gather(*(cache.render(text, "en") for text in ("one", "two")), return_exceptions=True)
    assert [str(result) for result in results] == ["no speech within 0.02 s"] * 2
    # In the moment between the two ends the second may get its turn.
    assert speaker.texts in (["one"], ["one", "two"])
    assert speaker.cancelled == len(speaker.texts)
    speaker.ready.set()
    assert cache.cached(await cache.render("one", "en"))


async def test_too_many_waiting_texts_are_refused(
    tmp_path: Path, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is bounded."""
    monkeypatch.setattr(speech, "_MAX_WAITING", 2)
    speaker.ready.clear()
    cache = cache_of(tmp_path, speaker)
    waiting = [asyncio.create_task(cache.render(text, "en")) for text in ("one", "two")]
    await asyncio.sleep(0)
    with pytest.raises(SpeechError, match="too many texts"):
        await cache.render("three", "en")
    speaker.ready.set()
    await asyncio.gather(*waiting)


async def test_closing_ends_what_is_being_rendered(tmp_path: Path, speaker: Speaker) -> None:
    """No task and no process outlives the switch."""
    speaker.ready.clear()
    cache = cache_of(tmp_path, speaker)
    task = asyncio.create_task(cache.render("one", "en"))
    for _ in range(3):
        await asyncio.sleep(0)
    await cache.close()
    assert speaker.cancelled == 1
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("text", ["", " \n\t", "[[]]", "x" * 1001])
async def test_what_cannot_be_said_is_refused(tmp_path: Path, speaker: Speaker, text: str) -> None:
    """Nothing, and endless texts; the error does not repeat the text."""
    with pytest.raises(SpeechError) as caught:
        await cache_of(tmp_path, speaker).render(text, "en")
    assert "xxx" not in str(caught.value)
    assert speaker.texts == []


async def test_commands_to_the_synthesiser_are_taken_out(tmp_path: Path, speaker: Speaker) -> None:
    """Phoneme brackets, tags and control characters of a backend's text are not passed on."""
    await cache_of(tmp_path, speaker).render("a [[h@]] <break/> b\x1b[0m", "en")
    assert speaker.texts == ["a h@ break/ b 0m"]


async def test_half_a_character_is_no_fault(tmp_path: Path, speaker: Speaker) -> None:
    """JSON can hold what no encoding has."""
    await cache_of(tmp_path, speaker).render("one\ud800two", "en")
    assert speaker.texts == ["one?two"]


async def test_a_synthesiser_that_says_nothing_is_an_error(tmp_path: Path) -> None:
    """An empty file would be a silent call."""
    with pytest.raises(SpeechError, match="silent"):
        await cache_of(tmp_path, Speaker(b"")).render("one", "en")


async def test_a_disk_that_cannot_be_written_is_an_error_of_speech(tmp_path: Path, speaker: Speaker) -> None:
    """The call goes on without the text."""
    (tmp_path / "speech").write_text("a file where the directory should be")
    with pytest.raises(SpeechError, match="File exists"):
        await cache_of(tmp_path, speaker).render("one", "en")


async def test_an_error_nobody_waits_for_is_not_reported_by_the_loop(tmp_path: Path) -> None:
    """The caller hung up, and then the synthesiser failed."""
    speaker = Speaker(b"")
    speaker.ready.clear()
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    task = asyncio.create_task(cache_of(tmp_path, speaker).render("one", "en"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    speaker.ready.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert reported == []


# --- the directory's size ---


async def test_the_least_recently_used_is_dropped(tmp_path: Path, speaker: Speaker) -> None:
    """A second of speech is 8000 octets; three fit, and asking for a name is a use."""
    cache = cache_of(tmp_path, speaker, cache_bytes=26_000)
    names = [await cache.render(text, "en") for text in ("one", "two", "three")]
    for age, name in enumerate(reversed(names), 1):
        os.utime(wav_file(name, cache), (1000 - age, 1000 - age))
    assert cache.cached(names[0])
    fourth = await cache.render("four", "en")
    assert [cache.cached(name) for name in (*names, fourth)] == [True, False, False, True]


async def test_a_use_is_noted_once_in_a_while(
    tmp_path: Path, speaker: Speaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that hundreds of callers hear is looked for in the directory every half a minute."""
    clock = [1000.0]
    monkeypatch.setattr("media.speech.time", SimpleNamespace(monotonic=lambda: clock[0]))
    cache = cache_of(tmp_path, speaker)
    name = await cache.render("one", "en")
    assert cache.cached(name)
    file = wav_file(name, cache)
    for later, noted in ((29.0, False), (31.0, True), (60.0, False)):
        clock[0] = 1000.0 + later
        os.utime(file, (1.0, 1.0))
        assert cache.cached(name)
        assert (file.stat().st_mtime > 1.0) is noted
    clock[0] = 1100.0
    file.unlink()
    assert not cache.cached(name)


async def test_a_restarted_cache_counts_what_is_there(tmp_path: Path, speaker: Speaker) -> None:
    """The bound holds over restarts; files of others are neither counted nor deleted."""
    cache = cache_of(tmp_path, speaker)
    for text in ("one", "two", "three"):
        await cache.render(text, "en")
    foreign = cache.directory / "notes.al"
    foreign.write_bytes(bytes(100_000))
    await cache_of(tmp_path, speaker, cache_bytes=16_000).render("four", "en")
    kept = [path for path in cache.directory.iterdir() if path != foreign]
    assert foreign.exists()
    assert kept == [wav_file(cache.name_of("four", "en"), cache)]


async def test_what_was_just_rendered_is_never_dropped(tmp_path: Path, speaker: Speaker) -> None:
    """Even where nothing fits: the caller waits for it."""
    cache = cache_of(tmp_path, speaker, cache_bytes=1)
    assert cache.cached(await cache.render("one", "en"))
    assert cache.cached(await cache.render("two", "en"))
    assert not cache.cached(cache.name_of("one", "en"))


@pytest.mark.parametrize("name", ["zh/welcome", "speech:../x", "tone:beep"])
def test_only_names_of_speech_can_be_asked_for(tmp_path: Path, speaker: Speaker, name: str) -> None:
    """A mistake of the program is told."""
    with pytest.raises(SpeechError, match="is no name of speech"):
        cache_of(tmp_path, speaker).cached(name)


# --- without a synthesiser ---


async def test_without_a_synthesiser_only_what_is_rendered_is_had(tmp_path: Path, speaker: Speaker) -> None:
    """The notice goes with the error, and what was rendered before still plays."""
    cache = cache_of(tmp_path, speaker)
    await cache.render("one", "en")
    speaker.missing = "nothing speaks here; install something"
    assert cache.unavailable() == speaker.missing
    assert cache.cached(await cache.render("one", "en"))
    with pytest.raises(SpeechUnavailableError, match="install something"):
        await cache.render("two", "en")


async def test_the_engine_none(tmp_path: Path) -> None:
    """An installation may want no speech at all."""
    cache = cache_of(tmp_path, NoSynthesiser())
    assert "set to none" in cache.unavailable()
    assert cache.name_of("one", "en").startswith("speech:")
    with pytest.raises(SpeechUnavailableError):
        await cache.render("one", "en")
    with pytest.raises(SpeechUnavailableError):
        await NoSynthesiser().pcm("one", "en")
