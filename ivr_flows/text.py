"""Texts with variables."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

from ivr_flows.errors import ExpressionError, did_you_mean
from ivr_flows.scope import Readable, Value

MAX_SOURCE = 500

_PLACE = re.compile(r"(?P<name>[^\W\d]\w*)(?:\|(?P<form>[^\W\d]\w*))?\Z")


class Text:
    """A text with `{variable}` places; call `fill` with the variables.

    With `forms`, a place may say how its value is read out: `{amount|money}`.
    """

    __slots__ = ("_parts", "names", "source")

    def __init__(self, source: str, forms: frozenset[str] = frozenset()) -> None:
        if not isinstance(source, str):
            raise ExpressionError("expected text; put it in quotes")
        if len(source) > MAX_SOURCE:
            raise ExpressionError(f"longer than {MAX_SOURCE} characters")
        self.source = source
        self._parts: list[tuple[str, str, str]] = []  # plain text, or a name and a form
        rest = source
        while rest:
            plain, opened, rest = rest.partition("{")
            if "}" in plain:
                raise ExpressionError("'}' without '{'")
            if plain:
                self._parts.append((plain, "", ""))
            if opened:
                place, closed, rest = rest.partition("}")
                match = _PLACE.match(place)
                if not closed or match is None:
                    raise ExpressionError("a variable is written {name}" + (" or {name|form}" if forms else ""))
                if match["form"] and not forms:
                    raise ExpressionError(f"{{{place}}}: only what is spoken has forms; write {{{match['name']}}}")
                if match["form"] and match["form"] not in forms:
                    known = did_you_mean(match["form"], forms) or f"one of {', '.join(sorted(forms))}"
                    raise ExpressionError(f"'{match['form']}' is not a way to read out a value; {known}")
                self._parts.append(("", match["name"], match["form"] or ""))
        self.names = frozenset(name for _, name, _ in self._parts if name)

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Every place's variable and form, in order."""
        return tuple((name, form) for _, name, form in self._parts if name)

    def fill(self, variables: Readable) -> str:
        """Return the text with every variable in its place; one that nobody has set is empty."""
        return "".join([plain or str(variables.get(name, "")) for plain, name, _ in self._parts])

    def fill_url(self, variables: Readable) -> str:
        """Return the text as a URL: what variables bring is quoted, but where the text begins with one."""
        parts = []
        for index, (plain, name, _) in enumerate(self._parts):
            value = plain or str(variables.get(name, ""))
            parts.append(value if plain or not index else quote(value, safe="", errors="replace"))
        return "".join(parts)

    def read_out(self, variables: Readable, read: Callable[[str, str], str]) -> str:
        """Return the text with every value as `read(value, form)` makes it."""
        return "".join([plain or read(str(variables.get(name, "")), form) for plain, name, form in self._parts])

    def whole(self, variables: Readable) -> Value:
        """Return the text; the very value, where the text is one place and nothing else."""
        if len(self._parts) == 1 and self._parts[0][1]:
            return variables.get(self._parts[0][1], "")
        return self.fill(variables)
