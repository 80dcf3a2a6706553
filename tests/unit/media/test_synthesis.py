"""Engines that speak texts."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
from pathlib import Path

import pytest

from media import g711, pinyin, synthesis
from media.audio_files import decibels
from media.prompts import PromptStore
from media.speech import SpeechCache
from media.synthesis import EspeakSynthesiser, SpeechError, SpeechUnavailableError, Voice
from tests.unit.media.sound_files import encoded, sine

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


async def test_a_missing_program_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the notice knows what to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    engine = EspeakSynthesiser()
    assert engine.unavailable().endswith("try: apt install espeak-ng")
    with pytest.raises(SpeechUnavailableError, match="apt install espeak-ng"):
        await engine.pcm("one", "en")


def program(tmp_path: Path, script: str, *, shell: str = "/bin/sh") -> str:
    """Return a program that stands in for espeak-ng."""
    path = tmp_path / "espeak"
    path.write_text(f"#!{shell}\n{script}\n")
    path.chmod(0o755)
    return str(path)


async def test_the_text_is_not_in_the_list_of_processes(tmp_path: Path) -> None:
    """It goes to standard input, Chinese as pinyin; the arguments are voice and speed."""
    (tmp_path / "speech.wav").write_bytes(encoded(sine(500, 1, 22050), 22050, "WAV"))
    engine = EspeakSynthesiser(
        {"zh": Voice("cmn+f1", 150)},
        program=program(tmp_path, f'cd {tmp_path}; echo "$@" > arguments; cat > text; cat speech.wav'),
    )
    pcm = await engine.pcm("-v 您好，一二", "zh-CN")
    assert (tmp_path / "arguments").read_text() == "-v cmn+f1 -s 150 --stdin --stdout\n"
    assert (tmp_path / "text").read_text() == "- V nin2 hao3, yi1 er4"
    assert decibels(pcm)[0] == pytest.approx(-20, abs=0.1)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo unknown voice >&2; exit 1", "failed: unknown voice"),
        ("exit 3", "failed: status 3"),
        ("exit 0", "failed: status 0"),
        ("echo no audio", "the synthesiser's audio cannot be read"),
    ],
)
async def test_a_failing_program_is_an_error(tmp_path: Path, script: str, reason: str) -> None:
    """What it said is told in a line."""
    with pytest.raises(SpeechError, match=reason):
        await EspeakSynthesiser(program=program(tmp_path, script)).pcm("one", "en")


async def test_a_hanging_program_is_killed(tmp_path: Path) -> None:
    """After the timeout no process is left."""
    engine = EspeakSynthesiser(program=program(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600"))
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    with pytest.raises(SpeechError, match="no speech within"):
        await SpeechCache(tmp_path, engine, timeout=0.5).render("one", "en")
    gc.collect()
    assert reported == []
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


async def test_a_text_given_up_before_its_turn_starts_no_process(tmp_path: Path) -> None:
    """The thread that would start it comes too late."""
    run = synthesis._Run([program(tmp_path, f"touch {tmp_path}/started")])
    run.stop()
    with pytest.raises(SpeechError, match="stopped before"):
        run.output("one")
    assert not (tmp_path / "started").exists()


async def test_a_program_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    """A broken installation is told like a missing one."""
    path = program(tmp_path, "", shell="/nonexistent/shell")
    with pytest.raises(SpeechError, match="failed: No such file"):
        await EspeakSynthesiser(program=path).pcm("one", "en")


async def test_the_dictionary_is_loaded_before_the_first_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first caller waits no longer than the others; without an engine nothing is loaded."""
    given: list[str] = []

    def spoken(text: str) -> str:
        given.append(text)
        return text

    monkeypatch.setattr(pinyin, "spoken", spoken)
    await SpeechCache(tmp_path, EspeakSynthesiser(program=program(tmp_path, "exit 1"))).prepare()
    assert given == ["好"]
    await SpeechCache(tmp_path, EspeakSynthesiser({"en": Voice("en", 150)}, program=program(tmp_path, ""))).prepare()
    await SpeechCache(tmp_path, EspeakSynthesiser(program="/nonexistent/espeak")).prepare()
    assert given == ["好"]


def test_a_foreign_language_is_refused() -> None:
    """The error says which there are."""
    with pytest.raises(SpeechError, match="there are en, zh"):
        EspeakSynthesiser().identity("fr")


@needs_espeak
@pytest.mark.parametrize(("text", "language"), [("您的订单金额是十二元五角。", "zh"), ("Your order is 12.", "en")])
async def test_speech_is_as_loud_as_the_prompts(text: str, language: str) -> None:
    """-20 dBFS, within the voice's band, without a second of silence at its ends."""
    pcm = await EspeakSynthesiser().pcm(text, language)
    assert decibels(pcm)[0] == pytest.approx(-20, abs=1.0)
    assert 1.0 < len(pcm) / 16000 < 5.0
    assert decibels(pcm[:3200])[1] > -40


@needs_espeak
async def test_a_text_is_heard_by_its_name(tmp_path: Path) -> None:
    """From words to frames of both codecs."""
    cache = SpeechCache(tmp_path, EspeakSynthesiser(), timeout=20.0)
    name = await cache.render("前面还有两位。", "zh")
    prompt = PromptStore([], speech=cache.directory).get(name)
    assert prompt.seconds > 0.8
    assert decibels(g711.decode("PCMA", b"".join(prompt.frames["PCMA"])))[0] == pytest.approx(-20, abs=1.5)
