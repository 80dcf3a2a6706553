"""Plain lines to the person at the terminal; a terminal that has gone away stops nobody."""

from __future__ import annotations

import contextlib
import sys


def say(line: str) -> None:
    """A line of information, to standard output."""
    with contextlib.suppress(OSError, ValueError):
        print(line, flush=True)


def complain(line: str) -> None:
    """A line about something that is wrong, to standard error."""
    with contextlib.suppress(OSError, ValueError):
        print(f"switchboard: {line}", file=sys.stderr, flush=True)
