"""The tool that makes the shipped prompts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from media import audio_files, make_prompts
from media.make_prompts import main

MANIFEST = """
level: -20
prompts:
  - {name: en/hello, language: en, text: Hello there.}
music:
  - {name: music/short, bar: 3, chords: [[0, 4], [-1, 3]], figure: [0, 1]}
"""

needs_tools = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("sox")), reason="espeak-ng and sox are not installed"
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory with a small manifest."""
    (tmp_path / "manifest.yaml").write_text(MANIFEST)
    return tmp_path


@needs_tools
def test_prompts_and_music_are_made(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each entry becomes a file at the manifest's level, and a line tells its length, level and peak."""
    assert main(["--directory", str(directory)]) == 0
    made = capsys.readouterr().out
    assert (directory / "en" / "hello.wav").is_file()
    assert (directory / "music" / "short.wav").stat().st_size == 44 + 2 * 6 * 8000
    assert made.count("level  -20.0 dBFS") == 2
    assert main(["--directory", str(directory), "--check"]) == 0
    assert capsys.readouterr().out == made


@needs_tools
def test_one_prompt_is_made_by_name(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name on the command line leaves the others alone."""
    assert main(["--directory", str(directory), "en/hello"]) == 0
    assert not (directory / "music").exists()
    assert capsys.readouterr().out.startswith("en/hello ")


def test_a_failing_tool_is_reported(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the tool said is shown in one line, not a traceback."""
    program = directory / "bin" / "espeak-ng"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no such voice >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    assert main(["--directory", str(directory), "en/hello"]) == 1
    assert "make_prompts: en/hello: espeak-ng failed: no such voice" in capsys.readouterr().err


@needs_tools
def test_only_missing_ones_are_made(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A studio's recording is not written over."""
    audio_files.write_wav(directory / "en" / "hello.wav", bytes(1600))
    assert main(["--directory", str(directory), "--missing"]) == 0
    assert capsys.readouterr().out.split()[0] == "music/short"
    assert (directory / "en" / "hello.wav").stat().st_size == 1644


def test_a_missing_tool_is_named_with_the_remedy(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without espeak-ng nothing is written, and the error says what to install."""
    monkeypatch.setattr(shutil, "which", lambda program: None)
    assert main(["--directory", str(directory), "en/hello"]) == 1
    assert "espeak-ng is not installed, so texts are not spoken; try: apt install espeak-ng" in capsys.readouterr().err
    assert not (directory / "en").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["en/other", "en/another"], "not in the manifest: en/another, en/other"),
        (["--check"], "hello.wav is missing"),
    ],
)
def test_what_is_not_there_is_named(
    directory: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown names and missing files end with status 1 and a line."""
    assert main(["--directory", str(directory), *arguments]) == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    [
        None,
        "level: [",
        "level: -20",
        MANIFEST.replace("text:", "txt:"),
        MANIFEST.replace("-20", "loud"),
        MANIFEST.replace("bar: 3", "bar: 2"),
        MANIFEST.replace("en/hello", "../hello"),
        MANIFEST.replace("music/short", "en/hello"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path: Path, text: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing, unreadable or misspelt manifest is named with what is wrong in it."""
    if text is not None:
        (tmp_path / "manifest.yaml").write_text(text)
    assert main(["--directory", str(tmp_path), "--check"]) == 1
    assert str(tmp_path / "manifest.yaml") in capsys.readouterr().err


def test_a_silent_file_is_described(tmp_path: Path) -> None:
    """The check of a broken file shows its level instead of failing on it."""
    audio_files.write_wav(tmp_path / "a.wav", bytes(1600))
    assert make_prompts.describe(tmp_path / "a.wav") == "  0.10 s  level  -90.3 dBFS  peak  -90.3 dBFS"


def test_help_tells_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    """--help names the tool's purpose and options."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "with espeak-ng, and music with sox" in shown
    assert "--check" in shown
