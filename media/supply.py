"""Prompts that manifests name and of which there is no file: spoken before the first call, or else a tone.

What is made lies in a directory of its own, to be searched last, so that a recording takes its place by being there.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from media import audio_files, g711, tones
from media.manifest import FILE, ManifestError, Spoken, load_manifest
from media.prompts import PromptMissingError, PromptStore
from media.speech import STAND_IN, SpeechCache, SpeechError
from media.speech_name import SUFFIX, file_of

# So many names are spelt out in a notice; the rest is counted.
_NAMED: Final = 12


class Supply(Struct, frozen=True):
    """What was done about missing prompts."""

    spoken: tuple[str, ...] = ()
    """Names that are spoken by the synthesiser."""
    toned: tuple[str, ...] = ()
    """Names in whose place a tone sounds."""
    notices: tuple[str, ...] = ()
    """What the operator is to be told, a line each."""


async def supply(directories: Sequence[Path], made: Path, speech: SpeechCache) -> Supply:
    """Make what the manifests of prompt directories name and no directory has, into the directory `made`.

    What was made earlier and is not missing any more is deleted. Never raises for a bad manifest, text or disk:
    notices say what is wrong.
    """
    notices: list[str] = []
    missing = _missing(directories, notices)
    spoken: list[str] = []
    toned: list[str] = []
    reasons: list[str] = []
    try:
        for entry in missing:
            path = made / f"{entry.name}{SUFFIX}"
            try:
                name = await speech.render(entry.spoken or entry.text, entry.language)
                rendered = file_of(speech.directory, name)
                assert rendered is not None
                audio_files.write(path, rendered.read_bytes())
                spoken.append(entry.name)
            except SpeechError as error:
                if str(error) not in reasons:
                    reasons.append(str(error))
                audio_files.write(path, g711.encode("PCMA", tones.synthesise(STAND_IN)))
                toned.append(entry.name)
        _discard_all_but(made, {f"{entry.name}{SUFFIX}" for entry in missing})
    except OSError as error:
        notices.append(f"missing prompts cannot be made: {error.filename or made}: {error.strerror}")
    if toned:
        notices.append(f"a tone sounds in place of {_listed(toned)}: {'; '.join(reasons)}")
    return Supply(tuple(spoken), tuple(toned), tuple(notices))


def _missing(directories: Sequence[Path], notices: list[str]) -> list[Spoken]:
    """Return the prompts named in manifests of which there is no file; the first directory's text counts."""
    store = PromptStore(directories)
    missing: dict[str, Spoken] = {}
    for directory in directories:
        if not (directory / FILE).is_file():
            continue
        try:
            manifest = load_manifest(directory)
        except ManifestError as error:
            notices.append(str(error))
            continue
        for entry in manifest.prompts:
            try:
                store.find(entry.name)
            except PromptMissingError:
                missing.setdefault(entry.name, entry)
    return list(missing.values())


def _discard_all_but(made: Path, current: set[str]) -> None:
    """Delete what was made and is not needed any more, and directories that are empty then."""
    if not made.is_dir():
        return
    for path in made.rglob(f"*{SUFFIX}"):
        if path.relative_to(made).as_posix() not in current:
            path.unlink(missing_ok=True)
    for path in made.iterdir():
        if path.is_dir() and not any(inside.is_file() for inside in path.rglob("*")):
            shutil.rmtree(path, ignore_errors=True)


def _listed(names: Sequence[str]) -> str:
    """Return names as a list of bounded length."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
