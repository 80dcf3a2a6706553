"""Deleting audio for good: the file goes in all its forms, and what is beside it tells when and why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from media.recorder.sidecar import read_sidecar, sidecar_of, write_sidecar
from media.recording_files import remove


class Deletion(NamedTuple):
    """When a recording was deleted, in UTC microseconds, by whom and why."""

    at_us: int
    by: str
    why: str


def erase_recording(path: Path, deletion: Deletion) -> None:
    """Delete the recording that records know as `path`, and mark it; raises OSError."""
    remove(path)
    sidecar = sidecar_of(path)
    at = datetime.fromtimestamp(deletion.at_us / 1e6, UTC).isoformat()
    mark = {"at": at, "by": deletion.by, "why": deletion.why}
    write_sidecar(sidecar, read_sidecar(sidecar) | {"deleted": mark})


def erase_message(directory: Path, path: Path) -> None:
    """Delete a voice message with all that is beside it, and nothing that is not below `directory`; raises OSError."""
    if path.resolve().is_relative_to(directory.resolve()):
        remove(path)
        sidecar_of(path).unlink(missing_ok=True)


def deleted_at(path: Path) -> datetime | None:
    """When a recording was deleted, as its mark tells."""
    mark = read_sidecar(sidecar_of(path)).get("deleted")
    try:
        return datetime.fromisoformat(mark["at"]) if isinstance(mark, dict) else None
    except (LookupError, TypeError, ValueError):
        return None
