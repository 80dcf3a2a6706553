"""Complaints of a worker: one line each on standard error, which the supervisor collects."""

from __future__ import annotations

import sys


def complain(text: str) -> None:
    """Writes one line; a full or closed pipe is no reason to stop the audio."""
    try:
        sys.stderr.write(f"media {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
