"""The JSON file beside a recording: how long, which gaps, where silence is meant, and the checksum."""

from __future__ import annotations

import json
import os
from pathlib import Path


def sidecar_of(path: Path) -> Path:
    """The file that tells about `path`."""
    return path.with_name(path.name.removesuffix(".wav") + ".json")


def read_sidecar(sidecar: Path) -> dict[str, object]:
    """What a sidecar tells; nothing when there is none that can be read."""
    try:
        found = json.loads(sidecar.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_sidecar(sidecar: Path, about: dict[str, object]) -> None:
    """Replaces a sidecar as a whole; raises OSError."""
    fresh = sidecar.with_name(f"{sidecar.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(about, file, indent=1)
        fresh.replace(sidecar)
    except OSError:
        # Of a disk that is full an empty file would stay for ever.
        fresh.unlink(missing_ok=True)
        raise
