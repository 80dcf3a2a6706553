"""What rendered speech is called in commands, and where its file lies."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PREFIX: Final = "speech:"
#: Raw A-law at 8 kHz, as other tools call it too.
SUFFIX: Final = ".al"

is_digest: Final = re.compile(r"[0-9a-f]{64}").fullmatch


def file_of(directory: Path, name: str) -> Path | None:
    """Return the file "speech:…" stands for, whether it is there or not; None when the name is none of speech."""
    digest = name.removeprefix(PREFIX)
    return directory / f"{digest}{SUFFIX}" if name != digest and is_digest(digest) else None
