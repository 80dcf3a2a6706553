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
from collections.abc import Callable

from ivr_flows.errors import ExpressionError, did_you_mean
from ivr_flows.reckoning import ARITHMETIC, COMPARE, FUNCTIONS, MAX_DIGITS, equal, integer, is_time, reckon
from ivr_flows.scope import Readable, Scope, Value
from ivr_flows.text import MAX_SOURCE, Text

__all__ = [
    "COUNTER",
    "FUNCTIONS",
    "KEYWORDS",
    "MAX_DEPTH",
    "MAX_DIGITS",
    "MAX_SOURCE",
    "Condition",
    "Expression",
    "Readable",
    "Scope",
    "Text",
    "Value",
]

Operand = Callable[[Scope], Value]

MAX_DEPTH = 20
COUNTER = "visits"
KEYWORDS = frozenset({"and", "or", "not", "in"})

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"[^"\\]*"|'[^'\\]*')|(?P<integer>\d+)|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)?)"""
    r"""|(?P<symbol>==|!=|<=|>=|[<>(),+\-*/%]))""",
)


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
            return 1 if any(equal(value, choice(scope)) for choice in choices) else 0

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

        def total(scope: Scope) -> Value:
            value = first(scope)
            for do, operand in rest:
                value = reckon(do, value, operand(scope))
            return value

        return total

    def _factor(self) -> Operand:
        if self._accept("-"):
            inner = self._deeper(self._factor)
            return lambda s: reckon(ARITHMETIC["-"], 0, inner(s))
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
        if function == "between" and kind == "string" and not is_time(text[1:-1]):
            raise ExpressionError(f"{text} is not a time of day; write '09:00'")


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
    value = integer(text)
    if value is None:
        raise ExpressionError(f"a number has at most {MAX_DIGITS} digits; write longer ones as 'text'")
    return value
