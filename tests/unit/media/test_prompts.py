"""Prompts: wav files as frames, the store that finds them, and the ones we ship."""

from __future__ import annotations

import time
import wave
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from media import audio_files, g711, prompts
from media.manifest import SHIPPED as DIRECTORY
from media.manifest import Music, Spoken, load_manifest
from media.prompts import (
    Prompt,
    PromptError,
    PromptFormatError,
    PromptMissingError,
    PromptNameError,
    PromptStore,
    PromptUnreadyError,
    from_pcm,
    load_wav,
)
from media.speech_name import file_of
from tests.unit.media.sound_files import spectrum_peak, write_sine

MANIFEST = load_manifest()
ENTRIES: list[Spoken | Music] = [*MANIFEST.prompts, *MANIFEST.music]


def write_wav(path: Path, pcm: bytes, *, rate: int = 8000, channels: int = 1, width: int = 2) -> Path:
    """Write a wav file, with its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(pcm)
    return path


def pcm_of(*values: int) -> bytes:
    """Return samples as bytes."""
    return array("h", values).tobytes()


def test_a_wav_becomes_frames_of_both_codecs(tmp_path: Path) -> None:
    """Frames are 160 octets, and the last is filled with each law's silence."""
    prompt = load_wav(write_wav(tmp_path / "a.wav", pcm_of(*range(-1000, -750))))
    assert set(prompt.frames) == {"PCMA", "PCMU"}
    for codec in ("PCMA", "PCMU"):
        first, last = prompt.frames[codec]
        assert (len(first), len(last)) == (160, 160)
        assert last[90:] == bytes([g711.SILENCE[codec]]) * 70
    assert first + last[:90] == g711.encode("PCMU", pcm_of(*range(-1000, -750)))
    assert prompt.seconds == 0.04


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (160, 1), (161, 2), (320, 2)])
def test_the_number_of_frames(samples: int, frames: int) -> None:
    """No frame is added to audio that fills its last one, and nothing is no frame."""
    prompt = from_pcm(bytes(2 * samples))
    assert [len(prompt.frames[codec]) for codec in ("PCMA", "PCMU")] == [frames, frames]


def test_half_a_sample_at_the_end_is_dropped() -> None:
    """A file cut in the middle of a sample still plays."""
    assert from_pcm(bytes(321)).seconds == 0.02


@pytest.mark.parametrize(
    ("form", "what"),
    [
        ({"rate": 44100}, "44100 Hz, 1 channel"),
        ({"channels": 2}, "8000 Hz, 2 channel"),
        ({"width": 1}, "8 bit instead of 8000 Hz, 1, 16"),
    ],
)
def test_another_format_is_refused_with_the_remedy(tmp_path: Path, form: dict[str, int], what: str) -> None:
    """The error says what, where, and how to convert it."""
    path = write_wav(tmp_path / "a.wav", bytes(320), **form)
    with pytest.raises(PromptFormatError, match=what) as caught:
        load_wav(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    assert "sox a.wav -r 8000 -c 1 -b 16 out.wav" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"OggS" + bytes(100), b"RIFF\x24\0\0\0WAVEjunk"])
def test_what_is_no_wav_is_refused(tmp_path: Path, content: bytes) -> None:
    """Other and truncated files are named, not tracebacks."""
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(PromptFormatError, match="no PCM wav file"):
        load_wav(path)


def test_a_file_shorter_than_its_header_says_plays_what_is_there(tmp_path: Path) -> None:
    """A recording that was cut off is not lost."""
    path = write_wav(tmp_path / "a.wav", bytes(3200))
    path.write_bytes(path.read_bytes()[:-1600])
    assert load_wav(path).seconds == 0.1


def test_a_file_without_audio_is_refused(tmp_path: Path) -> None:
    """An empty recording is a mistake, and could not be looped."""
    with pytest.raises(PromptFormatError, match="holds no audio"):
        load_wav(write_wav(tmp_path / "a.wav", b""))


def test_a_file_of_hours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a whole opera to be encoded."""
    monkeypatch.setattr(prompts, "MAX_SECONDS", 1)
    path = write_wav(tmp_path / "a.wav", bytes(16002))
    with pytest.raises(PromptFormatError, match="longer than 1 s"):
        load_wav(path)


def test_a_long_prompt_loads_quickly(tmp_path: Path) -> None:
    """30 seconds take less than 100 ms for both codecs together."""
    path = write_wav(tmp_path / "a.wav", bytes(range(256)) * 1875)
    begin = time.process_time()
    assert load_wav(path).seconds == 30
    assert time.process_time() - begin < 0.1


def store_of(tmp_path: Path, *names: str, cache_bytes: int = prompts.CACHE_BYTES) -> PromptStore:
    """Return a store over one directory with one-frame files of these names."""
    for name in names:
        write_wav(tmp_path / f"{name}.wav", bytes(320))
    return PromptStore([tmp_path], cache_bytes=cache_bytes)


def test_the_first_directory_wins(tmp_path: Path) -> None:
    """An installation's own recordings replace the shipped ones by name."""
    write_wav(tmp_path / "own" / "zh" / "welcome.wav", bytes(320))
    write_wav(tmp_path / "shipped" / "zh" / "welcome.wav", bytes(640))
    write_wav(tmp_path / "shipped" / "zh" / "goodbye.wav", bytes(640))
    store = PromptStore([tmp_path / "own", str(tmp_path / "shipped")])
    assert store.get("zh/welcome").seconds == 0.02
    assert store.get("zh/goodbye").seconds == 0.04
    assert store.find("zh/goodbye") == tmp_path / "shipped" / "zh" / "goodbye.wav"
    assert store.names() == ["zh/goodbye", "zh/welcome"]


def test_a_missing_prompt_names_the_directories(tmp_path: Path) -> None:
    """Whoever reads the log knows where to put the file."""
    store = PromptStore([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(PromptMissingError) as caught:
        store.get("zh/nothing")
    assert str(caught.value) == f"prompt 'zh/nothing' not found; searched {tmp_path / 'a'}, {tmp_path / 'b'}"
    assert (caught.value.name, caught.value.searched) == ("zh/nothing", (tmp_path / "a", tmp_path / "b"))
    with pytest.raises(PromptMissingError, match="searched no directory at all"):
        PromptStore([]).get("zh/nothing")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../secret",
        "zh/../../secret",
        "zh//welcome",
        "zh/welcome/",
        ".hidden",
        "zh/.hidden",
        "..",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\n",
        "C:x",
        "~root/x",
        "x" * 201,
    ],
)
def test_names_cannot_leave_the_directories(tmp_path: Path, name: str) -> None:
    """What is no plain relative name is refused before any file is looked for."""
    write_wav(tmp_path / "secret.wav", bytes(320))
    write_wav(tmp_path / "in" / ".hidden.wav", bytes(320))
    with pytest.raises(PromptNameError, match="is no prompt name"):
        PromptStore([tmp_path / "in"]).get(name)


@pytest.mark.parametrize("name", ["a", "zh/welcome", "门店/欢迎", "v1.2/say-this_now"])
def test_names_may_be_of_any_script(tmp_path: Path, name: str) -> None:
    """Letters, digits, dots, dashes and underscores in any number of parts."""
    assert store_of(tmp_path, name).get(name).seconds == 0.02


def test_a_prompt_is_read_once(tmp_path: Path) -> None:
    """The same frames are given again, also after the file is gone, until they are forgotten."""
    store = store_of(tmp_path, "a")
    first = store.get("a")
    (tmp_path / "a.wav").unlink()
    assert store.get("a") is first
    store.forget()
    with pytest.raises(PromptMissingError):
        store.get("a")


def test_the_least_recently_used_is_dropped(tmp_path: Path) -> None:
    """What is kept stays below the limit; what was used last stays."""
    store = store_of(tmp_path, "a", "b", "c", cache_bytes=2 * 2 * 193)
    a, b = store.get("a"), store.get("b")
    assert store.get("a") is a
    store.get("c")
    assert store.get("a") is a
    assert store.get("b") is not b


def test_a_prompt_larger_than_the_limit_is_played_all_the_same(tmp_path: Path) -> None:
    """The limit empties the rest, never refuses a call its prompt."""
    store = store_of(tmp_path, "a", cache_bytes=1)
    store.get("tone:busy")
    assert store.get("a").seconds == 0.02


def test_tones_are_had_by_name(tmp_path: Path) -> None:
    """A tone needs no file."""
    store = PromptStore([])
    assert store.get("tone:ringback").seconds == 5.0
    assert store.get("silence:0.5") == Prompt({"PCMA": (b"\xd5" * 160,) * 25, "PCMU": (b"\xff" * 160,) * 25})
    with pytest.raises(PromptNameError, match="is no tone"):
        store.get("tone:nothing")


def test_preloading_reads_all_and_reports_the_broken(tmp_path: Path) -> None:
    """One bad file stops nothing; files that no name reaches are not looked at."""
    store = store_of(tmp_path, "a", "zh/b", ".hidden/c")
    (tmp_path / "broken.wav").write_bytes(b"no wav")
    (tmp_path / "readme.txt").write_text("no prompt")
    assert store.names() == ["a", "broken", "zh/b"]
    assert [type(error) for error in store.preload()] == [PromptFormatError]
    for name in ("a", "zh/b"):
        (tmp_path / f"{name}.wav").unlink()
        assert store.get(name).seconds == 0.02


def test_a_directory_that_is_not_there_holds_no_prompts(tmp_path: Path) -> None:
    """A configured directory may be made later."""
    assert PromptStore([tmp_path / "later"]).preload() == []


def test_a_file_that_cannot_be_read_is_a_prompt_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights and disks fail too, and a call must survive it."""

    def refuse(path: Path) -> Prompt:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(prompts, "load_wav", refuse)
    with pytest.raises(PromptError, match="Permission denied"):
        store_of(tmp_path, "a").get("a")


# --- speech, and files that have to be converted ---

SPEECH = "speech:" + "0123456789abcdef" * 4


def test_speech_that_appears_later_is_found(tmp_path: Path) -> None:
    """A name that was missing a moment ago is looked for again."""
    store = PromptStore([], speech=tmp_path)
    with pytest.raises(PromptMissingError):
        store.get(SPEECH)
    path = file_of(tmp_path, SPEECH)
    assert path is not None
    path.write_bytes(g711.encode("PCMA", pcm_of(*range(-1000, -600))))
    found = store.get(SPEECH)
    assert b"".join(found.frames["PCMA"])[:400] == g711.encode("PCMA", pcm_of(*range(-1000, -600)))
    assert b"".join(found.frames["PCMU"])[:400] == path.read_bytes().translate(g711.ALAW_TO_ULAW)
    assert found.frames["PCMU"][-1][80:] == b"\xff" * 80
    assert found.seconds == 0.06


@pytest.mark.parametrize("name", ["speech:", "speech:../../etc/passwd", "speech:" + "A" * 64, "speech:" + "0" * 63])
def test_other_names_of_speech_are_refused(tmp_path: Path, name: str) -> None:
    """Only a digest names a file of the cache."""
    with pytest.raises(PromptNameError):
        PromptStore([], speech=tmp_path).get(name)


def test_without_a_cache_there_is_no_speech() -> None:
    """A worker started without one says so."""
    with pytest.raises(PromptMissingError, match="no directory at all"):
        PromptStore([]).get(SPEECH)


def test_an_empty_or_endless_file_of_speech_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut-off or foreign file is a prompt error, not a crash."""
    monkeypatch.setattr(prompts, "MAX_SECONDS", 1)
    path = file_of(tmp_path, SPEECH)
    assert path is not None
    for content, what in ((b"", "holds no audio"), (bytes(8001), "longer than 1 s")):
        path.write_bytes(content)
        with pytest.raises(PromptError, match=what):
            PromptStore([], speech=tmp_path).get(SPEECH)


def test_ten_seconds_of_speech_are_read_at_once(tmp_path: Path) -> None:
    """What is rendered during calls is read within the loop that paces them: 2 ms at most."""
    path = file_of(tmp_path, SPEECH)
    assert path is not None
    path.write_bytes(bytes(range(250)) * 320)
    spent = []
    for _ in range(5):
        begin = time.process_time()
        assert PromptStore([], speech=tmp_path).get(SPEECH).seconds == 10
        spent.append(time.process_time() - begin)
    assert min(spent) < 0.002


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_files_of_other_formats_are_converted_at_the_start(tmp_path: Path, suffix: str) -> None:
    """Afterwards they are as good as any, also for another store that reads what the first one made."""
    write_sine(tmp_path / "own" / "zh" / f"hello{suffix}", rate=44100)
    store = PromptStore([tmp_path / "own"], converted=tmp_path / "converted")
    assert store.names() == ["zh/hello"]
    assert store.preload() == []
    found = PromptStore([tmp_path / "own"], converted=tmp_path / "converted").get("zh/hello")
    assert found.seconds == pytest.approx(1.0, abs=0.1)
    assert spectrum_peak(g711.decode("PCMU", b"".join(found.frames["PCMU"]))) == pytest.approx(1000, abs=2)


def test_a_file_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restarted worker finds what was made; a changed file is converted anew and the old conversion goes."""
    path = write_sine(tmp_path / "own" / "a.flac", seconds=1)
    PromptStore([tmp_path / "own"], converted=tmp_path / "converted").preload()
    first = list((tmp_path / "converted").iterdir())
    read = audio_files.read
    calls: list[Path | bytes] = []

    def counted(source: Path | bytes, *, max_seconds: float) -> bytes:
        calls.append(source)
        return read(source, max_seconds=max_seconds)

    monkeypatch.setattr(audio_files, "read", counted)
    store = PromptStore([tmp_path / "own"], converted=tmp_path / "converted")
    assert (store.preload(), calls) == ([], [])
    write_sine(path, seconds=2)
    store.forget()
    assert (store.preload(), calls) == ([], [path])
    assert store.get("a").seconds == 2
    second = list((tmp_path / "converted").iterdir())
    assert (len(first), len(second)) == (1, 1)
    assert first != second


def test_an_unconverted_file_is_refused_while_calls_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording put there during the day is named; decoding it would stall every call of the worker."""
    store = PromptStore([tmp_path], converted=tmp_path / "converted")
    assert store.preload() == []
    monkeypatch.setattr(audio_files, "read", None)
    for path in (write_sine(tmp_path / "a.mp3"), write_sine(tmp_path / "b.wav")):
        with pytest.raises(PromptUnreadyError, match="converted at the start") as caught:
            store.get(path.stem)
        assert caught.value.path == path


def test_without_a_place_for_conversions_the_remedy_is_told(tmp_path: Path) -> None:
    """As ever for a wav of another rate; and an mp3 names the missing directory."""
    write_sine(tmp_path / "a.mp3")
    write_sine(tmp_path / "b.wav")
    errors = PromptStore([tmp_path]).preload()
    assert [type(error) for error in errors] == [PromptFormatError, PromptFormatError]
    assert "no directory for what comes of it" in str(errors[0])
    assert "sox b.wav -r 8000" in str(errors[1])


def test_what_cannot_be_converted_is_reported(tmp_path: Path) -> None:
    """A broken file stops nothing, and no empty conversion is left."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "broken.ogg").write_bytes(b"OggS" + bytes(100))
    write_sine(tmp_path / "own" / "good.ogg")
    store = PromptStore([tmp_path / "own"], converted=tmp_path / "converted")
    errors = store.preload()
    assert len(errors) == 1
    assert "broken.ogg: cannot be read as audio" in str(errors[0])
    assert store.get("good").seconds == pytest.approx(1)
    assert len(list((tmp_path / "converted").iterdir())) == 1


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker starts all the same."""

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    write_sine(tmp_path / "own" / "a.ogg")
    monkeypatch.setattr(audio_files, "write", full)
    errors = PromptStore([tmp_path / "own"], converted=tmp_path / "converted").preload()
    assert ["No space left on device" in str(error) for error in errors] == [True]


def test_a_ready_wav_wins_over_other_formats(tmp_path: Path) -> None:
    """Within a directory formats have an order, so that a name is never two prompts."""
    write_sine(tmp_path / "a.mp3", seconds=3)
    write_wav(tmp_path / "a.wav", bytes(320))
    (tmp_path / "b.al").write_bytes(b"\xd5" * 480)
    store = PromptStore([tmp_path], converted=tmp_path / "converted")
    assert store.preload() == []
    assert (store.get("a").seconds, store.get("b").seconds) == (0.02, 0.06)


# --- what is shipped ---


def shipped(name: str) -> list[int]:
    """Return the samples of a shipped file, after checking its format."""
    with wave.open(str(DIRECTORY / f"{name}.wav"), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return array("h", file.readframes(file.getnframes())).tolist()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_shipped_file_sounds_and_is_not_clipped(entry: Spoken | Music) -> None:
    """8 kHz mono 16-bit, at the manifest's level, with headroom, and not silent for long."""
    found = shipped(entry.name)
    rms = (sum(sample * sample for sample in found) / len(found)) ** 0.5
    assert rms == pytest.approx(32768 * 10 ** (MANIFEST.level / 20), rel=0.05)
    assert 4000 < max(map(abs, found)) < 32768 * 0.9
    quietest = min(max(map(abs, found[at : at + 8000])) for at in range(0, len(found) - 4000, 4000))
    assert quietest > 500


@pytest.mark.parametrize("entry", MANIFEST.prompts, ids=lambda entry: entry.name)
def test_a_shipped_prompt_is_short_and_trimmed(entry: Spoken) -> None:
    """Nobody listens for more than eight seconds, and speech begins and ends within 200 ms of the file's ends."""
    found = shipped(entry.name)
    assert 0.7 * 8000 <= len(found) <= 8 * 8000
    assert max(map(abs, found[:1600])) > 300
    assert max(map(abs, found[-1600:])) > 300
    assert entry.name.startswith(f"{entry.language}/")


def test_each_language_has_every_prompt() -> None:
    """A flow can be switched to the other language by its prefix alone."""
    names = {
        language: {entry.name.removeprefix(f"{language}/") for entry in MANIFEST.prompts if entry.language == language}
        for language in ("zh", "en")
    }
    assert names["zh"] == names["en"]
    assert names["zh"] >= {
        "welcome",
        "enter_extension",
        "wrong_extension",
        "no_input",
        "connecting",
        "busy",
        "no_answer",
        "unavailable",
        "failed",
        "goodbye",
        "again",
    }


def test_every_file_is_in_the_manifest_and_all_are_small() -> None:
    """No file is left over, and the whole folder is below 6 MB."""
    assert PromptStore([DIRECTORY]).names() == sorted(entry.name for entry in ENTRIES)
    assert sum(path.stat().st_size for path in DIRECTORY.rglob("*") if path.is_file()) < 6_000_000


def test_music_on_hold_repeats_without_a_click() -> None:
    """The step over the seam is no larger than steps within, and whole frames make the loop exact."""
    found = shipped("music/hold")
    assert 20 * 8000 <= len(found) <= 24 * 8000
    assert len(found) % 160 == 0
    largest = max(abs(b - a) for a, b in pairwise(found))
    assert abs(found[0] - found[-1]) <= largest
    levels = [sum(sample * sample for sample in part) for part in (found[-1600:], found[:1600])]
    assert 0.2 < levels[0] / levels[1] < 5


def test_every_shipped_prompt_loads() -> None:
    """The store reads the whole folder without a complaint."""
    assert PromptStore([DIRECTORY]).preload() == []
