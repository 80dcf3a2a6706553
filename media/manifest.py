"""The list of a prompt directory: `manifest.yaml` tells what each file says, in which language."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import yaml
from msgspec import Struct

from media.synthesis import LEVEL

#: The prompts that are shipped.
SHIPPED: Final = Path(__file__).resolve().parent.parent / "ivr_flows" / "prompts"

FILE: Final = "manifest.yaml"

#: By libyaml where it is there, in a tenth of the time.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ManifestError(Exception):
    """The manifest is missing or unfit."""


class Spoken(Struct, frozen=True, forbid_unknown_fields=True):
    """One prompt: its name below the directory, its language, and what it says."""

    name: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[\w-][\w.-]*(/[\w-][\w.-]*)*$")]
    language: str
    text: str
    #: What the synthesiser is given where it would misread the text.
    spoken: str = ""


class Music(Struct, frozen=True, forbid_unknown_fields=True):
    """A loop of chords, each of `bar` seconds (no less than one fades), with a plucked figure of their notes."""

    name: str
    bar: Annotated[float, msgspec.Meta(ge=2.5)]
    chords: list[list[int]]
    figure: list[int]


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole list."""

    prompts: list[Spoken]
    music: list[Music] = []
    #: Root mean square of the music in dBFS; speech always has the same.
    level: float = LEVEL

    def entries(self) -> Iterator[Spoken | Music]:
        """Return all of it."""
        yield from self.prompts
        yield from self.music


def load_manifest(directory: Path = SHIPPED) -> Manifest:
    """Return the manifest of a prompt directory; ManifestError when there is none or it is unfit."""
    path = directory / FILE
    try:
        text = path.read_text(encoding="utf-8")
        manifest = msgspec.convert(yaml.load(text, _LOADER), Manifest)  # noqa: S506 - either loader is a safe one
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ManifestError(f"{path}: {error}") from None
    seen: set[str] = set()
    for entry in manifest.entries():
        if entry.name in seen:
            raise ManifestError(f"{path}: {entry.name} is there twice")
        seen.add(entry.name)
    return manifest
