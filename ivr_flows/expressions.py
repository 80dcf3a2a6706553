"""Conditions and texts with variables: a small language of our own, bounded in size, without side effects.

    condition  = and-term *("or" and-term)
    and-term   = not-term *("and" not-term)
    not-term   = "not" not-term / "(" condition ")" / comparison
    comparison = operand [("==" / "!=" / "<" / "<=" / ">" / ">=") operand / ["not"] "in" choices]
    choices    = "(" operand *("," operand) ")" / operand          ; one operand: is it part of that text?
    operand    = name / "visits." node / string / integer

An integer and a text of digits compare as integers; two texts compare as texts. A variable nobody has set is
the empty text. An operand alone is true unless it is empty or zero. Nothing here can fail once it is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ivr_flows.errors import ExpressionError

Value = str | int
Variables = Mapping[str, Value]
Visits = Mapping[str, int]
Operand = Callable[[Variables, Visits], Value]
Test = Callable[[Variables, Visits], bool]

MAX_SOURCE = 500
MAX_DEPTH = 20
MAX_DIGITS = 18  # keeps every integer within 64 bits
COUNTER = "visits"
KEYWORDS = frozenset({"and", "or", "not", "in"})

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"\\]*"|'[^'\\]*')|(?P<integer>-?\d+)|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)?)"""
    r"""|(?P<symbol>==|!=|<=|>=|<|>|\(|\)|,))""",
)
_INTEGER = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}\Z")
_BRACE = re.compile(r"[{}]")
_VARIABLE = re.compile(r"[^\W\d]\w*\Z")


class Condition:
    """A condition that has been read; call `holds` with a position's variables."""

    __slots__ = ("counters", "holds", "names", "source")

    def __init__(self, source: str) -> None:
        reader = _Reader(source)
        self.source = source
        self.holds = reader.read()
        self.names = frozenset(reader.names)
        self.counters = frozenset(reader.counters)


class Text:
    """A text with `{variable}` places; call `fill` with a position's variables."""

    __slots__ = ("_parts", "names", "source")

    def __init__(self, source: str) -> None:
        if len(source) > MAX_SOURCE:
            raise ExpressionError(f"longer than {MAX_SOURCE} characters")
        self.source = source
        self._parts: list[tuple[bool, str]] = []
        rest = source
        while rest:
            plain, opened, rest = rest.partition("{")
            if "}" in plain:
                raise ExpressionError("'}' without '{'")
            if plain:
                self._parts.append((False, plain))
            if opened:
                name, closed, rest = rest.partition("}")
                if not closed or not _VARIABLE.match(name):
                    raise ExpressionError("a variable is written {name}")
                self._parts.append((True, name))
        self.names = frozenset(text for is_name, text in self._parts if is_name)

    def fill(self, variables: Variables) -> str:
        """Return the text with every variable in its place; one that nobody has set is empty."""
        return "".join([str(variables.get(text, "")) if is_name else text for is_name, text in self._parts])


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

    def read(self) -> Test:
        test = self._either()
        if self._peek():
            raise ExpressionError(f"unexpected '{self._peek()}'")
        return test

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

    def _either(self) -> Test:
        terms = [self._both()]
        while self._accept("or"):
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else lambda v, n: any(term(v, n) for term in terms)

    def _both(self) -> Test:
        terms = [self._negated()]
        while self._accept("and"):
            terms.append(self._negated())
        return terms[0] if len(terms) == 1 else lambda v, n: all(term(v, n) for term in terms)

    def _negated(self) -> Test:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExpressionError(f"nested deeper than {MAX_DEPTH}")
        if self._accept("not"):
            inner = self._negated()
            test: Test = lambda v, n: not inner(v, n)  # noqa: E731 - a closure like its neighbours
        elif self._accept("("):
            test = self._either()
            self._expect(")")
        else:
            test = self._comparison()
        self._depth -= 1
        return test

    def _comparison(self) -> Test:
        left = self._operand()
        if operator := self._accept(*COMPARE):
            compare, right = COMPARE[operator], self._operand()
            return lambda v, n: compare(left(v, n), right(v, n))
        if self._accept("not"):
            self._expect("in")
            among = self._choices(left)
            return lambda v, n: not among(v, n)
        if self._accept("in"):
            return self._choices(left)
        return lambda v, n: bool(left(v, n))

    def _choices(self, left: Operand) -> Test:
        if not self._accept("("):
            whole = self._operand()
            return lambda v, n: str(left(v, n)) in str(whole(v, n))
        choices = [self._operand()]
        while self._accept(","):
            choices.append(self._operand())
        self._expect(")")

        def among(variables: Variables, visits: Visits) -> bool:
            value = left(variables, visits)
            return any(_equal(value, choice(variables, visits)) for choice in choices)

        return among

    def _operand(self) -> Operand:
        if self._at == len(self._tokens):
            raise ExpressionError("a variable, a 'text' or a number is missing at the end")
        kind, text = self._tokens[self._at]
        if kind == "symbol" or (text in KEYWORDS and kind == "name"):
            raise ExpressionError(f"a variable, a 'text' or a number is missing before '{text}'")
        self._at += 1
        if kind == "name":
            return self._name(text)
        constant: Value = text[1:-1] if kind == "string" else _integer(text)
        return lambda v, n: constant

    def _name(self, text: str) -> Operand:
        space, dot, node = text.partition(".")
        if not dot:
            self.names.add(text)
            return lambda v, n: v.get(text, "")
        if space != COUNTER:
            raise ExpressionError(f"'{text}': only {COUNTER}.<node> has a dot")
        self.counters.add(node)
        return lambda v, n: n.get(node, 0)


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


def _integer(text: str) -> int:
    if not _INTEGER.match(text):
        raise ExpressionError(f"a number has at most {MAX_DIGITS} digits; write longer ones as 'text'")
    return int(text)


def _alike(left: Value, right: Value) -> tuple[Value, Value] | None:
    """Bring an integer and a text of digits to integers; None when they cannot be compared."""
    if isinstance(left, str) == isinstance(right, str):
        return left, right
    if not _INTEGER.match(str(left)) or not _INTEGER.match(str(right)):
        return None
    return int(left), int(right)


def _equal(left: Value, right: Value) -> bool:
    pair = _alike(left, right)
    return pair is not None and pair[0] == pair[1]


def _less(left: Value, right: Value) -> bool:
    pair = _alike(left, right)
    return pair is not None and pair[0] < pair[1]  # type: ignore[operator]  # _alike gives two of one type


def _at_most(left: Value, right: Value) -> bool:
    return _less(left, right) or _equal(left, right)


COMPARE: dict[str, Callable[[Value, Value], bool]] = {
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    "<": _less,
    "<=": _at_most,
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _at_most(right, left),
}
