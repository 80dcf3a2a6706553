"""Makes the shipped prompts from their manifest with espeak-ng and sox; no part of the running switch.

python -m media.make_prompts                 all of them
python -m media.make_prompts zh/welcome      only these
python -m media.make_prompts --check         list length, level and peak of the files there are
"""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import wave
from array import array
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import msgspec
import yaml
from msgspec import Struct

RATE: Final = 8000
DIRECTORY: Final = Path(__file__).resolve().parent.parent / "ivr_flows" / "prompts"

# Quieter than this at either end is silence to be cut; a breath of it is put back.
_TRIM: Final = ("silence", "1", "0.01", "0.3%", "reverse", "silence", "1", "0.01", "0.3%", "reverse")
_PAD: Final = ("pad", "0.05", "0.1")


class ManifestError(Exception):
    """The manifest or a tool is missing or unfit."""


class Voice(Struct, frozen=True, forbid_unknown_fields=True):
    """A voice of the synthesiser, with its speed in words a minute."""

    voice: str
    speed: int


class Spoken(Struct, frozen=True, forbid_unknown_fields=True):
    """One prompt: its name below the directory, its language, and what it says."""

    name: str
    language: str
    text: str
    #: What the synthesiser reads where it would misread the text.
    spoken: str = ""


class Music(Struct, frozen=True, forbid_unknown_fields=True):
    """A loop of chords, each of `bar` seconds (no less than one fades), with a plucked figure of their notes."""

    name: str
    bar: Annotated[float, msgspec.Meta(ge=2.5)]
    chords: list[list[int]]
    figure: list[int]


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole list."""

    level: float
    voices: dict[str, Voice]
    prompts: list[Spoken]
    music: list[Music]


def load_manifest(directory: Path = DIRECTORY) -> Manifest:
    """Return the manifest of a prompt directory."""
    path = directory / "manifest.yaml"
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Manifest)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ManifestError(f"{path}: {error}") from None


def speak(prompt: Spoken, voice: Voice) -> array[int]:
    """Return a prompt spoken, at 8 kHz, without silence around it."""
    with TemporaryDirectory() as scratch:
        wav = Path(scratch) / "spoken.wav"
        text = prompt.spoken or prompt.text
        _run("espeak-ng", "-v", voice.voice, "-s", str(voice.speed), "-w", str(wav), text)
        # A telephone carries nothing below 200 Hz, where only hum and plosives are.
        return _samples("sox", "-D", str(wav), *_raw(), "highpass", "200", "rate", "-v", str(RATE), *_TRIM, *_PAD)


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


def level(samples: array[int], decibels: float) -> array[int]:
    """Return samples at that root mean square in dBFS, or as near as a peak of -1 dBFS lets them come."""
    gain = 10 ** (decibels / 20) * 32768 / _rms(samples)
    gain = min(gain, 10 ** (-1 / 20) * 32768 / max(map(abs, samples)))
    return array("h", [round(sample * gain) for sample in samples])


def write_wav(path: Path, samples: array[int]) -> None:
    """Write samples as 8 kHz mono 16-bit PCM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())


def describe(path: Path) -> str:
    """Return length, level and peak of a file in one line."""
    with wave.open(str(path), "rb") as file:
        samples = array("h", file.readframes(file.getnframes()))
        rate = file.getframerate()
    peak = 20 * math.log10((max(map(abs, samples), default=0) or 1) / 32768)
    rms = 20 * math.log10(_rms(samples) / 32768)
    return f"{len(samples) / rate:6.2f} s  level {rms:6.1f} dBFS  peak {peak:6.1f} dBFS"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make or check the prompts; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m media.make_prompts", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help='such as "zh/welcome"; all when none is given')
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where manifest.yaml is (%(default)s)")
    parser.add_argument("--check", action="store_true", help="only describe the files there are")
    options = parser.parse_args(arguments)
    try:
        manifest = load_manifest(options.directory)
        _make(manifest, options.directory, set(options.names), only_check=options.check)
    except ManifestError as error:
        print(f"make_prompts: {error}", file=sys.stderr)
        return 1
    return 0


def _make(manifest: Manifest, directory: Path, names: set[str], *, only_check: bool) -> None:
    """Make and describe the named entries, or all."""
    entries: dict[str, Spoken | Music] = {prompt.name: prompt for prompt in manifest.prompts}
    entries.update({music.name: music for music in manifest.music})
    if unknown := names - set(entries):
        raise ManifestError(f"not in the manifest: {', '.join(sorted(unknown))}")
    for name in sorted(names or entries):
        path = directory / f"{name}.wav"
        if not only_check:
            entry = entries[name]
            made = compose(entry) if isinstance(entry, Music) else speak(entry, manifest.voices[entry.language])
            write_wav(path, level(made, manifest.level))
        elif not path.is_file():
            raise ManifestError(f"{path} is missing")
        print(f"{name:24}{describe(path)}")


def _rms(samples: array[int]) -> float:
    """Return the root mean square of samples, never zero."""
    return math.sqrt(sum(sample * sample for sample in samples) / max(1, len(samples))) or 1.0


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
        raise ManifestError(f"{program} is not installed; try: apt install espeak-ng sox")
    done = subprocess.run([path, *arguments], capture_output=True, check=False)  # noqa: S603 - our own arguments
    if done.returncode:
        raise ManifestError(f"{program} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
