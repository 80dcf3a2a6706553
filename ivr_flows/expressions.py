"""Conditions, values and texts with variables: a small language of our own, bounded in size, without side effects.

    expression = and-term *("or" and-term)
    and-term   = not-term *("and" not-term)
    not-term   = "not" not-term / comparison
    comparison = sum [("==" / "!=" / "<" / "<=" / ">" / ">=") sum / ["not"] "in" choices]
    choices    = "(" sum *("," sum) ")" / sum                      ; one sum: is it part of that text?
    sum        = product *(("+" / "-") product)
    product    = factor *(("*" / "/" / "%") factor)
    factor     = "-" factor / "(" expression ")" / function "(" [expression *("," expression)] ")"
               / name / "visits." node / string / integer

An integer and a text of digits compare as integers; two texts compare as texts. A variable nobody has set is the
empty text. Something alone is true unless it is empty or zero; a comparison is worth 1 or 0. Arithmetic is done on
integers and texts of digits; anything else, a result beyond 18 digits, and what is divided by zero, is the empty
text. Division rounds down. Nothing here can fail once it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import quote

from ivr_flows.clock import TIMELESS, Clock, LocalTime
from ivr_flows.errors import ExpressionError, did_you_mean

Value = str | int


class Readable(Protocol):
    """Where variables are read from: a dict, or a `Scope`."""

    def get(self, name: str, default: Value, /) -> Value:
        """Return a variable's value, or the default."""


class Scope:
    """What an expression sees: variables, among them secret ones, counted visits, and the time."""

    __slots__ = ("_local", "clock", "now", "secrets", "variables", "visits")

    def __init__(
        self,
        variables: Mapping[str, Value],
        secrets: Mapping[str, Value] | None = None,
        visits: Mapping[str, int] | None = None,
        clock: Clock = TIMELESS,
        now: float = 0.0,
    ) -> None:
        self.variables = variables
        self.secrets = secrets or {}
        self.visits = visits or {}
        self.clock = clock
        self.now = now
        self._local: LocalTime | None = None

    def get(self, name: str, default: Value, /) -> Value:
        """Return a variable's value, or the default."""
        value = self.variables.get(name)
        return self.secrets.get(name, default) if value is None else value

    @property
    def local(self) -> LocalTime:
        """The local time, asked for once."""
        if self._local is None:
            self._local = self.clock.local(self.now)
        return self._local


Operand = Callable[[Scope], Value]

MAX_SOURCE = 500
MAX_DEPTH = 20
MAX_DIGITS = 18  # keeps every integer within 64 bits
COUNTER = "visits"
KEYWORDS = frozenset({"and", "or", "not", "in"})

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"\\]*"|'[^'\\]*')|(?P<integer>\d+)|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)?)"""
    r"""|(?P<symbol>==|!=|<=|>=|[<>(),+\-*/%]))""",
)
_INTEGER = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}\Z")
_PLACE = re.compile(r"(?P<name>[^\W\d]\w*)(?:\|(?P<form>[^\W\d]\w*))?\Z")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]\Z|24:00\Z")
_LIMIT = 10**MAX_DIGITS


class Expression:
    """A value that is worked out during a call, as `value`; as a condition it `holds` or not.

    It is written as an expression, as a whole number, or as `{text: "a text with {variables}"}`.
    """

    __slots__ = ("_value", "counters", "names", "source")

    def __init__(self, written: object) -> None:
        self.counters: frozenset[str] = frozenset()
        self.names: frozenset[str] = frozenset()
        self._value: Operand
        if isinstance(written, dict) and written.keys() == {"text"} and isinstance(written["text"], str):
            text = Text(written["text"])
            self.source, self.names, self._value = text.source, text.names, text.fill
            return
        if isinstance(written, int) and not isinstance(written, bool):
            written = str(written)
        if not isinstance(written, str):
            raise ExpressionError("expected an expression, a whole number or {text: ...}")
        reader = _Reader(written)
        self.source = written
        self._value = reader.read()
        self.names, self.counters = frozenset(reader.names), frozenset(reader.counters)

    def value(self, scope: Scope) -> Value:
        """Work it out."""
        return self._value(scope)


class Condition:
    """A condition that has been read; it holds or not."""

    __slots__ = ("_value", "counters", "names", "source")

    def __init__(self, source: str) -> None:
        if not isinstance(source, str):
            raise ExpressionError("expected text; put it in quotes")
        reader = _Reader(source)
        self.source = source
        self._value = reader.read()
        self.names = frozenset(reader.names)
        self.counters = frozenset(reader.counters)

    def holds(self, scope: Scope) -> bool:
        """Whether it is true."""
        return bool(self._value(scope))


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
                    raise ExpressionError(f"'{match['form']}' is no way to read a value out; {known}")
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


# --- reading ---


class _Reader:
    """Recursive descent over the grammar on top; makes closures, so that nothing is parsed during a call."""

    def __init__(self, source: str) -> None:
        if len(source) > MAX_SOURCE:
            raise ExpressionError(f"longer than {MAX_SOURCE} characters")
        self.names: set[str] = set()
        self.counters: set[str] = set()
        self._tokens = _tokens(source)
        self._at = 0
        self._depth = 0

    def read(self) -> Operand:
        value = self._either()
        if self._peek():
            raise ExpressionError(f"unexpected '{self._peek()}'")
        return value

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _accept(self, *words: str) -> str:
        """Take the next token if it is one of these bare words or symbols."""
        if self._at < len(self._tokens):
            kind, text = self._tokens[self._at]
            if kind != "string" and text in words:
                self._at += 1
                return text
        return ""

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            found = f"'{self._peek()}'" if self._peek() else "the end"
            raise ExpressionError(f"expected '{word}', found {found}")

    def _either(self) -> Operand:
        terms = [self._both()]
        while self._accept("or"):
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else lambda s: 1 if any(term(s) for term in terms) else 0

    def _both(self) -> Operand:
        terms = [self._negated()]
        while self._accept("and"):
            terms.append(self._negated())
        return terms[0] if len(terms) == 1 else lambda s: 1 if all(term(s) for term in terms) else 0

    def _negated(self) -> Operand:
        if not self._accept("not"):
            return self._comparison()
        inner = self._deeper(self._negated)
        return lambda s: 0 if inner(s) else 1

    def _deeper(self, read: Callable[[], Operand]) -> Operand:
        self._depth += 1
        if self._depth >= MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}")
        value = read()
        self._depth -= 1
        return value

    def _comparison(self) -> Operand:
        left = self._sum()
        if operator := self._accept(*COMPARE):
            compare, right = COMPARE[operator], self._sum()
            return lambda s: 1 if compare(left(s), right(s)) else 0
        if self._accept("not"):
            self._expect("in")
            among = self._choices(left)
            return lambda s: 0 if among(s) else 1
        if self._accept("in"):
            return self._choices(left)
        return left

    def _choices(self, left: Operand) -> Operand:
        if not self._accept("("):
            whole = self._sum()
            return lambda s: 1 if str(left(s)) in str(whole(s)) else 0
        choices = [self._sum()]
        while self._accept(","):
            choices.append(self._sum())
        self._expect(")")

        def among(scope: Scope) -> Value:
            value = left(scope)
            return 1 if any(_equal(value, choice(scope)) for choice in choices) else 0

        return among

    def _sum(self) -> Operand:
        return self._chain(self._product, "+", "-")

    def _product(self) -> Operand:
        return self._chain(self._factor, "*", "/", "%")

    def _chain(self, term: Callable[[], Operand], *operators: str) -> Operand:
        first = term()
        rest: list[tuple[Callable[[int, int], Value], Operand]] = []
        while operator := self._accept(*operators):
            rest.append((ARITHMETIC[operator], term()))
        if not rest:
            return first

        def reckon(scope: Scope) -> Value:
            value = first(scope)
            for do, operand in rest:
                value = _reckon(do, value, operand(scope))
            return value

        return reckon

    def _factor(self) -> Operand:
        if self._accept("-"):
            inner = self._deeper(self._factor)
            return lambda s: _reckon(ARITHMETIC["-"], 0, inner(s))
        if self._accept("("):
            value = self._deeper(self._either)
            self._expect(")")
            return value
        if self._at == len(self._tokens):
            raise ExpressionError("a variable, a 'text' or a number is missing at the end")
        kind, text = self._tokens[self._at]
        if kind == "symbol" or (text in KEYWORDS and kind == "name"):
            raise ExpressionError(f"a variable, a 'text' or a number is missing before '{text}'")
        self._at += 1
        if kind == "name":
            return self._call(text) if self._accept("(") else self._name(text)
        constant: Value = text[1:-1] if kind == "string" else _literal(text)
        return lambda s: constant

    def _name(self, text: str) -> Operand:
        space, dot, node = text.partition(".")
        if not dot:
            self.names.add(text)
            return lambda s: s.get(text, "")
        if space != COUNTER:
            raise ExpressionError(f"'{text}': only {COUNTER}.<node> has a dot")
        self.counters.add(node)
        return lambda s: s.visits.get(node, 0)

    def _call(self, name: str) -> Operand:
        function = FUNCTIONS.get(name)
        if function is None:
            known = did_you_mean(name, FUNCTIONS) or f"there are {', '.join(sorted(FUNCTIONS))}"
            raise ExpressionError(f"no function '{name}'; {known}")
        least, most, do = function
        given: list[Operand] = []
        while not self._accept(")"):
            if given:
                self._expect(",")
            self._literal_time(name)
            given.append(self._deeper(self._either))
        if not least <= len(given) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise ExpressionError(f"{name}() takes {wanted} value{'' if wanted == '1' else 's'}, not {len(given)}")
        return lambda s: do(s, *[value(s) for value in given])

    def _literal_time(self, function: str) -> None:
        """Refuse a time of day that never comes."""
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        if function == "between" and kind == "string" and not _TIME.match(text[1:-1]):
            raise ExpressionError(f"{text} is no time of day; write '09:00'")


def _tokens(source: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(source.rstrip())
    while at < end:
        match = _TOKEN.match(source, at)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"cannot read '{source[at:end].strip()[:20]}'")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return tokens


def _literal(text: str) -> int:
    if not _INTEGER.match(text):
        raise ExpressionError(f"a number has at most {MAX_DIGITS} digits; write longer ones as 'text'")
    return int(text)


# --- working out ---


def _integer(value: Value) -> int | None:
    """Return an integer or a text of digits as an integer."""
    if isinstance(value, int):
        return value
    return int(value) if _INTEGER.match(value) else None


def _alike(left: Value, right: Value) -> tuple[Value, Value] | None:
    """Bring an integer and a text of digits to integers; None when they cannot be compared."""
    if isinstance(left, str) == isinstance(right, str):
        return left, right
    first, second = _integer(left), _integer(right)
    return None if first is None or second is None else (first, second)


def _equal(left: Value, right: Value) -> bool:
    pair = _alike(left, right)
    return pair is not None and pair[0] == pair[1]


def _less(left: Value, right: Value) -> bool:
    pair = _alike(left, right)
    return pair is not None and pair[0] < pair[1]  # type: ignore[operator]  # _alike gives two of one type


def _at_most(left: Value, right: Value) -> bool:
    return _less(left, right) or _equal(left, right)


def _reckon(do: Callable[[int, int], Value], left: Value, right: Value) -> Value:
    first, second = _integer(left), _integer(right)
    if first is None or second is None:
        return ""
    result = do(first, second)
    return result if isinstance(result, int) and -_LIMIT < result < _LIMIT else ""


COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _less,
    "<=": _at_most,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _at_most(right, left),
}
ARITHMETIC: dict[str, Callable[[int, int], Value]] = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": lambda left, right: left // right if right else "",
    "%": lambda left, right: left % right if right else "",
}


def _part(scope: Scope, text: Value, start: Value, count: Value = _LIMIT) -> Value:
    """Characters counted from 1; a negative start counts from the end."""
    whole, first, many = str(text), _integer(start), _integer(count)
    if not first or many is None or many < 1:
        return ""
    at = first - 1 if first > 0 else max(len(whole) + first, 0)
    return whole[at : at + many]


def _number(scope: Scope, value: Value) -> Value:
    number = _integer(value)
    return "" if number is None else number


def _between(scope: Scope, start: Value, end: Value) -> Value:
    """From the first time of day up to the second, the next day's where that is the earlier one."""
    now, first, last = scope.local.time, str(start), str(end)
    if not now or not _TIME.match(first) or not _TIME.match(last):
        return 0
    within = first <= now < last if first < last else now >= first or now < last
    return 1 if within else 0


FUNCTIONS: dict[str, tuple[int, int, Callable[..., Value]]] = {
    "len": (1, 1, lambda s, x: len(str(x))),
    "lower": (1, 1, lambda s, x: str(x).lower()),
    "upper": (1, 1, lambda s, x: str(x).upper()),
    "starts": (2, 2, lambda s, x, y: 1 if str(x).startswith(str(y)) else 0),
    "ends": (2, 2, lambda s, x, y: 1 if str(x).endswith(str(y)) else 0),
    "part": (2, 3, _part),
    "number": (1, 1, _number),
    "has": (1, 1, lambda s, x: 1 if str(x) else 0),
    "now_time": (0, 0, lambda s: s.local.time),
    "now_date": (0, 0, lambda s: s.local.date),
    "weekday": (0, 0, lambda s: s.local.weekday),
    "workday": (0, 0, lambda s: 1 if s.local.workday else 0),
    "holiday": (0, 0, lambda s: s.local.holiday),
    "between": (2, 2, _between),
}
"""Fewest and most values each takes, and what it does."""
