"""What an agent has to be able to do for a caller, and how that relaxes while the caller waits.

    requirement = step *("then" step "after" duration)
    step        = "any" / all-of *("or" all-of)
    all-of      = condition *("and" condition)
    condition   = skill [(">=" / ">" / "=" / "<=" / "<") level]      ; a skill alone: at least level 1
    duration    = number ["s" / "m" / "h"]                           ; of waiting in all, rising from step to step
    level       = "0" ... "10"                                       ; who lacks a skill has it at level 0

`en>=3 and zh or vip>=2 then en after 30s then any after 1m`. The empty text is met by anybody. Nothing can fail
once it is read; what has been read is kept, so that the same text is the same object.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NoReturn

import msgspec

MAX_LENGTH: Final = 400
MAX_LEVEL: Final = 10

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<word>[^\W\d][\w-]*)|(?P<number>\d+[^\W_]*)|(?P<symbol>>=|<=|==|[=<>])|(?P<end>$))"
)
_WORDS: Final = ("and", "or", "then", "after", "any")
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}
_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    ">=": operator.ge, ">": operator.gt, "=": operator.eq, "<=": operator.le, "<": operator.lt
}  # fmt: skip


class RequirementError(ValueError):
    """A text that is no requirement: what is wrong, at which column (from 1), and what to write instead."""

    def __init__(self, message: str, column: int, suggestion: str = "") -> None:
        super().__init__(message, column, suggestion)
        self.message = message
        self.column = column
        self.suggestion = suggestion

    def __str__(self) -> str:
        return f"column {self.column}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


class Condition(msgspec.Struct, frozen=True):
    """A skill compared with a level."""

    skill: str
    compare: str
    level: int

    def met(self, skills: Mapping[str, int]) -> bool:
        """Whether these skills suffice."""
        return _COMPARE[self.compare](skills.get(self.skill, 0), self.level)


class Step(msgspec.Struct, frozen=True):
    """What is required from `after` seconds of waiting on: one of several, each of which wants all its conditions.

    Without any everybody will do. A step is a value: what is found out for one holds for an equal one.
    """

    after: float = 0.0
    either: tuple[tuple[Condition, ...], ...] = ()

    @property
    def anybody(self) -> bool:
        """Whether it requires nothing."""
        return not self.either

    def met(self, skills: Mapping[str, int]) -> bool:
        """Whether these skills suffice."""
        return not self.either or any(_all(every, skills) for every in self.either)

    def mastery(self, skills: Mapping[str, int]) -> int:
        """How well these skills fit: the most that the levels of an alternative come to; 0 when nothing is required."""
        fitting = (every for every in self.either if _all(every, skills))
        return max((sum(skills.get(one.skill, 0) for one in every) for every in fitting), default=0)


class Requirement(msgspec.Struct, frozen=True):
    """Steps in the order in which they begin to hold; the first holds at once."""

    steps: tuple[Step, ...] = (Step(),)

    def at(self, waited: float) -> Step:
        """What is required after that many seconds."""
        found = self.steps[0]
        for step in self.steps[1:]:
            if waited < step.after:
                break
            found = step
        return found

    def met(self, skills: Mapping[str, int], waited: float) -> bool:
        """Whether these skills suffice after that many seconds."""
        return self.at(waited).met(skills)

    def relaxes_after(self, waited: float) -> float | None:
        """The seconds of waiting at which the next step begins; None: what holds now holds for ever."""
        return next((step.after for step in self.steps if step.after > waited), None)

    @property
    def skills(self) -> frozenset[str]:
        """Every skill it names."""
        return frozenset(one.skill for step in self.steps for every in step.either for one in every)


ANYBODY: Final = Requirement()


@lru_cache(maxsize=4096)
def parse_requirement(text: str) -> Requirement:
    """Read a requirement; RequirementError says what is wrong where."""
    if len(text) > MAX_LENGTH:
        raise RequirementError(f"longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    return _Reader(text).read() if text.strip() else ANYBODY


def _all(every: tuple[Condition, ...], skills: Mapping[str, int]) -> bool:
    return all(one.met(skills) for one in every)


class _Reader:
    """Recursive descent over the grammar on top."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next()

    def read(self) -> Requirement:
        steps = [self._step()]
        while self._takes("then"):
            step = self._step()
            if not self._takes("after"):
                self._fail("a step after 'then' says when it begins", "end it with 'after 30s'")
            column = self._column
            after = self._duration()
            if after <= steps[-1].after:
                raise RequirementError("steps begin one after the other", column, f"more than {steps[-1].after:g}s")
            steps.append(Step(float(after), step.either))
        if self._kind != "end":
            if steps[-1].anybody and self._shown in ("and", "or"):
                self._fail("'any' stands alone", "leave out one of the two")
            self._fail(f"unexpected '{self._shown}'", _near(self._shown, ("and", "or", "then")))
        return Requirement(tuple(steps))

    def _step(self) -> Step:
        if self._takes("any"):
            return Step()
        either = [self._all_of()]
        while self._takes("or"):
            either.append(self._all_of())
        return Step(0.0, tuple(either))

    def _all_of(self) -> tuple[Condition, ...]:
        every = [self._condition()]
        while self._takes("and"):
            every.append(self._condition())
        return tuple(every)

    def _condition(self) -> Condition:
        if self._kind != "word" or self._shown in _WORDS:
            hint = "'any' stands alone" if self._shown == "any" else "e.g. en>=3"
            self._fail(f"expected a skill, found {self._found}", hint)
        skill = self._shown
        self._next()
        if self._kind != "symbol":
            return Condition(skill, ">=", 1)
        compare = self._shown.replace("==", "=")
        self._next()
        if self._kind != "number" or not self._shown.isdecimal() or int(self._shown) > MAX_LEVEL:
            self._fail(f"expected a level, found {self._found}", f"0 to {MAX_LEVEL}")
        level = int(self._shown)
        self._next()
        return Condition(skill, compare, level)

    def _duration(self) -> int:
        match = re.fullmatch(r"([0-9]{1,6})([smh]?)", self._shown) if self._kind == "number" else None
        if match is None:
            self._fail(f"expected a duration, found {self._found}", "e.g. 30s, 5m or 1h")
        self._next()
        return int(match[1]) * _SECONDS[match[2]]

    def _takes(self, word: str) -> bool:
        taken = self._kind == "word" and self._shown == word
        if taken:
            self._next()
        return taken

    def _next(self) -> None:
        self._kind, self._shown, self._column = next(self._tokens)

    @property
    def _found(self) -> str:
        return f"'{self._shown}'" if self._shown else "the end"

    def _fail(self, message: str, suggestion: str = "") -> NoReturn:
        raise RequirementError(message, self._column, suggestion)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise RequirementError(f"'{text[at]}' has no meaning here", at + 1, "e.g. en>=3 and zh>=1")
        kind = match.lastgroup or "end"
        yield kind, match[kind], match.start(kind) + 1
        at = match.end()


def _near(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word.lower(), known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"go on with {', '.join(known[:-1])} or {known[-1]}"
