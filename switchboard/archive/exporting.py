"""A recording as a plain file for an operator, whatever form it is kept in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from media.recording_files import AudioReader
from media.recording_keys import KeyRing

_PIECE: Final = 1 << 18


def export(path: Path, keys: Path, target: Path) -> int:
    """Write the recording that records know as `path` to a new file, readable by its owner alone; how many octets.

    Raises OSError; then there is no file. One that is there already is left as it is.
    """
    with AudioReader(path, KeyRing(keys)) as reader:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for at in range(0, reader.size, _PIECE):
                    file.write(reader.read(at, _PIECE))
        except OSError:
            target.unlink(missing_ok=True)
            raise
        return reader.size
