"""Makes the prompts of a manifest with espeak-ng, and music with sox; no part of the running switch.

python -m media.make_prompts                          all the shipped ones
python -m media.make_prompts zh/welcome               only these
python -m media.make_prompts --missing                only those of which there is no file
python -m media.make_prompts --directory DIR ...      those of another directory with a manifest.yaml
python -m media.make_prompts --check                  list length, level and peak of the files there are
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import subprocess
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from media import audio_files
from media.audio_files import RATE
from media.manifest import SHIPPED, Manifest, ManifestError, Music, Spoken, load_manifest
from media.synthesis import EspeakSynthesiser, SpeechError, Synthesiser

# A prompt is made ahead of time: there is no hurry.
_TIMEOUT: Final = 30.0


class ToolError(Exception):
    """A tool is missing or failed."""


def speak(prompt: Spoken, synthesiser: Synthesiser) -> bytes:
    """Return a prompt spoken, at 8 kHz, without silence around it."""

    async def rendered() -> bytes:
        async with asyncio.timeout(_TIMEOUT):
            return await synthesiser.pcm(prompt.spoken or prompt.text, prompt.language)

    try:
        return asyncio.run(rendered())
    except (SpeechError, TimeoutError) as error:
        raise ToolError(f"{prompt.name}: {error or 'took too long'}") from None


def compose(music: Music) -> array[int]:
    """Return a loop: what sounds beyond its end is mixed into its beginning, so it has no seam."""
    bar = round(music.bar * RATE)
    mix = [0] * (bar * len(music.chords))
    for number, chord in enumerate(music.chords):
        start = number * bar
        for semitones in chord:
            _mix(mix, start, _pad(_hertz(semitones), music.bar + 2))
        step = bar // len(music.figure)
        for place, degree in enumerate(music.figure):
            _mix(mix, start + place * step, _pluck(_hertz(chord[degree] + 12)))
    # Half of full scale is room enough: the level is set afterwards.
    scale = 16384 / max(map(abs, mix))
    return array("h", [round(sample * scale) for sample in mix])


def describe(path: Path) -> str:
    """Return length, level and peak of a file in one line."""
    pcm = audio_files.read(path, max_seconds=900)
    level, peak = audio_files.decibels(pcm)
    return f"{len(pcm) / 2 / RATE:6.2f} s  level {level:6.1f} dBFS  peak {peak:6.1f} dBFS"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or check the prompts; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m media.make_prompts", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help='such as "zh/welcome"; all when none is given')
    parser.add_argument("--directory", type=Path, default=SHIPPED, help="where manifest.yaml is (%(default)s)")
    parser.add_argument("--missing", action="store_true", help="leave the files there are alone")
    parser.add_argument("--check", action="store_true", help="only describe the files there are")
    options = parser.parse_args(arguments)
    try:
        manifest = load_manifest(options.directory)
        entries = _chosen(manifest, options.names)
        if options.check:
            _check(options.directory, entries)
        else:
            if options.missing:
                entries = [entry for entry in entries if not _path(options.directory, entry).is_file()]
            _make(options.directory, entries, manifest.level)
    except (ManifestError, ToolError, audio_files.AudioError) as error:
        print(f"make_prompts: {error}", file=sys.stderr)
        return 1
    return 0


def _chosen(manifest: Manifest, names: Sequence[str]) -> list[Spoken | Music]:
    """Return the named entries, or all, by name."""
    entries = {entry.name: entry for entry in manifest.entries()}
    if unknown := set(names) - set(entries):
        raise ManifestError(f"not in the manifest: {', '.join(sorted(unknown))}")
    return [entries[name] for name in sorted(set(names) or entries)]


def _path(directory: Path, entry: Spoken | Music) -> Path:
    """Return where an entry's file is made."""
    return directory / f"{entry.name}.wav"


def _make(directory: Path, entries: Sequence[Spoken | Music], level: float) -> None:
    """Make and describe entries."""
    synthesiser = EspeakSynthesiser()
    for entry in entries:
        if isinstance(entry, Music):
            pcm = audio_files.levelled(compose(entry).tobytes(), level)
        else:
            pcm = speak(entry, synthesiser)
        audio_files.write_wav(_path(directory, entry), pcm)
        print(f"{entry.name:32}{describe(_path(directory, entry))}")


def _check(directory: Path, entries: Sequence[Spoken | Music]) -> None:
    """Describe the files of entries."""
    for entry in entries:
        path = _path(directory, entry)
        if not path.is_file():
            raise ManifestError(f"{path} is missing")
        print(f"{entry.name:32}{describe(path)}")


def _hertz(semitones: int) -> float:
    """Return a note's frequency from its distance to middle C."""
    return 261.626 * 2 ** (semitones / 12)


def _pad(frequency: float, seconds: float) -> array[int]:
    """Return a soft tone that swells for two seconds and fades for two and a half."""
    synth = ["synth", f"{seconds}", "sine", f"{frequency:.3f}", "sine", f"{2 * frequency:.3f}"]
    # The octave above at a fifth of the strength gives it a little colour.
    return _samples("sox", "-D", "-n", *_raw(), *synth, "remix", "1v0.8,2v0.16", "fade", "h", "2", f"{seconds}", "2.5")


def _pluck(frequency: float) -> array[int]:
    """Return a plucked string, softer than the chord below it."""
    synth = ["synth", "2.5", "pluck", f"{frequency:.3f}", "lowpass", "1800", "vol", "0.5"]
    return _samples("sox", "-D", "-n", *_raw(), *synth, "fade", "h", "0.01", "2.5", "1.5")


def _mix(mix: list[int], start: int, samples: array[int]) -> None:
    """Add samples to a loop from a place on, around its end."""
    for offset, sample in enumerate(samples, start):
        mix[offset % len(mix)] += sample


def _raw() -> tuple[str, ...]:
    """Return sox's arguments for raw samples on its standard output."""
    return ("-t", "raw", "-r", str(RATE), "-e", "signed", "-b", "16", "-c", "1", "-")


def _samples(*command: str) -> array[int]:
    """Return the samples a command writes."""
    return array("h", _run(*command))


def _run(program: str, *arguments: str) -> bytes:
    """Run a tool and return what it wrote."""
    path = shutil.which(program)
    if path is None:
        raise ToolError(f"{program} is not installed; try: apt install {program}")
    done = subprocess.run([path, *arguments], capture_output=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise ToolError(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
