"""What is wrong with a flow, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ExpressionError(ValueError):
    """A condition or a text with variables cannot be read."""


class FlowError(Exception):
    """A flow file cannot be used; its text is one line that names the place.

    `code` names the kind of fault and never changes; `others` holds what else is wrong in the same file, in the
    order of its lines.
    """

    def __init__(
        self,
        file: str,
        line: int,
        column: int,
        message: str,
        suggestion: str = "",
        others: tuple[FlowError, ...] = (),
        *,
        code: str = "invalid",
    ) -> None:
        super().__init__(file, line, column, message, suggestion)
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.suggestion = suggestion
        self.others = others
        self.code = code

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}; {self.suggestion}" if self.suggestion else f"{place}: {self.message}"

    @property
    def all(self) -> tuple[FlowError, ...]:
        """Every fault found in the file, this one first."""
        return (self, *self.others)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the nearest of the known words, or an empty text."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else ""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that looks most like this one; empty when none is near."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.55)
    return near[0] if near else ""
