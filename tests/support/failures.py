"""What a failed test comes down to, in a few lines: of a long output often only the end is kept."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.switch import RECENT

PROJECT: Final = Path(__file__).parents[2]
TITLE: Final = "in short"
LEAVES, LINES, WIDTH = 3, 10, 240
"""Of a group so many exceptions, of each so many lines of so many characters."""


_file: list[Path] = []


def begin(file: Path) -> None:
    """A test of a file begins: the switches of the files before it have nothing to do with it."""
    if _file != [file]:
        _file[:] = [file]
        RECENT.clear()


def in_short(error: BaseException) -> str:
    """Each exception of a group, or the one there is, with the test's line; then what its switches warned of."""
    lines: list[str] = []
    for leaf in list(_leaves(error))[:LEAVES]:
        lines += [f"{_place(leaf)}", *_cut(f"{type(leaf).__name__}: {leaf}")]
    for switch in RECENT:
        lines += [f"{switch.directory.name}: {line}" for line in _cut(switch.last_words())]
    return "\n".join(lines)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _leaves(one)
    else:
        yield error


def _place(error: BaseException) -> str:
    """The innermost line of the project that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(str(PROJECT / "tests"))] or frames
    if not own:
        return "nowhere"
    frame = own[-1]
    return f"{frame.filename.removeprefix(f'{PROJECT}/')}:{frame.lineno} in {frame.name}: {frame.line}"


def _cut(text: str) -> list[str]:
    lines = [line[:WIDTH] for line in text.splitlines() if line.strip()]
    return lines if len(lines) <= LINES else [*lines[: LINES - 3], "...", *lines[-2:]]
