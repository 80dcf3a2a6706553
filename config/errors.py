"""What is wrong with a configuration, and where: always one line a person can act on."""

from __future__ import annotations

from collections.abc import Iterable


class ConfigError(Exception):
    """A configuration that cannot be used; ``str()`` is one line: where, what, what to do."""

    def __init__(self, file: str, line: int | None, column: int | None, message: str, hint: str | None = None) -> None:
        super().__init__(file, line, column, message, hint)
        self.file = file
        self.line = line
        self.column = column
        self.message = message
        self.hint = hint

    @property
    def place(self) -> str:
        """The place as ``file:line:column``, as far as it is known."""
        parts = [self.file]
        if self.line is not None:
            parts.append(str(self.line))
            if self.column is not None:
                parts.append(str(self.column))
        return ":".join(parts)

    def __str__(self) -> str:
        text = f"{self.place}: {self.message}"
        if self.hint:
            text += f"; {self.hint}"
        return " ".join(text.split())


def suggestion(word: str, known: Iterable[str]) -> str | None:
    """``did you mean 'x'?`` for a word that is nearly one of the known ones."""
    import difflib  # only needed when something is wrong

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else None
