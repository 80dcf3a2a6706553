"""Nodes that ask the caller to press keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from ivr_flows.nodes.base import DTMF, MAX_ENTRY, Duration, Exit, Length, NodeBase, OneKey, Path, Retries
from ivr_flows.prompt import Prompt

Key = Annotated[str, msgspec.Meta(min_length=1, max_length=1)]
Keys = Annotated[str, msgspec.Meta(min_length=1, max_length=len(DTMF))]


class MenuNode(NodeBase, OneKey, frozen=True, tag="menu", kw_only=True):
    """Let the caller choose by one key; with `into`, that key is kept as well."""

    prompts: tuple[Prompt, ...] = ()
    keys: dict[str, str]
    on_timeout: str
    on_invalid: str
    timeout: Duration = Duration(5.0)
    retries: Retries = 0
    retry_prompts: tuple[Prompt, ...] = ()
    barge_in: bool = True
    into: str | None = None

    def exits(self) -> Iterator[Exit]:
        """Yield every key's exit, `on_invalid` and `on_timeout`."""
        for key, target in self.keys.items():
            yield Exit(("keys", key), target, True)
        yield Exit(("on_timeout",), self.on_timeout, False)
        yield Exit(("on_invalid",), self.on_invalid, True)

    def sets(self) -> Iterator[str]:
        """Yield `into` where it is given."""
        if self.into is not None:
            yield self.into

    @property
    def listens(self) -> bool:
        """A menu waits for a key."""
        return True

    @property
    def first_timeout(self) -> float:
        """Seconds to wait for the key."""
        return self.timeout

    @property
    def choices(self) -> str:
        """The keys of the menu."""
        return "".join(self.keys)


class CollectNode(NodeBase, frozen=True, tag="collect", kw_only=True):
    """Take an entry of digits into the variable `into`; a `secret` one is never written down or recorded.

    An entry is over at `max` digits, at a terminator, or when `digit_timeout` passes. Shorter than `min` it
    is invalid; a terminator before any digit is ignored unless `min` is 0. A failed attempt is repeated
    `retries` times. Without `barge_in` the prompt is heard to its end; keys pressed meanwhile count after it.
    """

    into: str
    next: str
    on_timeout: str
    on_invalid: str
    max: Length
    min: Annotated[int, msgspec.Meta(ge=0, le=MAX_ENTRY)] = 1
    prompts: tuple[Prompt, ...] = ()
    terminators: str = ""
    first_timeout: Duration = Duration(5.0)
    digit_timeout: Duration = Duration(3.0)
    retries: Retries = 0
    retry_prompts: tuple[Prompt, ...] = ()
    barge_in: bool = True
    secret: bool = False

    def exits(self) -> Iterator[Exit]:
        """Yield `next`, `on_invalid` (both need keys) and `on_timeout`."""
        yield Exit(("next",), self.next, True)
        yield Exit(("on_timeout",), self.on_timeout, False)
        yield Exit(("on_invalid",), self.on_invalid, True)

    def sets(self) -> Iterator[str]:
        """Yield `into`."""
        yield self.into

    @property
    def listens(self) -> bool:
        """An entry waits for keys."""
        return True

    @property
    def choices(self) -> str:
        """Any digit may come."""
        return ""

    @property
    def escape(self) -> str:
        """There is no other way out."""
        return ""


class ConsentNode(NodeBase, OneKey, frozen=True, tag="consent", kw_only=True):
    """Ask whether the caller agrees, such as to being recorded; silence and wrong keys are no agreement."""

    prompts: tuple[Prompt, ...]
    accepted: str
    declined: str
    on_timeout: str | None = None
    accept: Key = "1"
    decline: Key = "2"
    timeout: Duration = Duration(5.0)
    retries: Retries = 0
    retry_prompts: tuple[Prompt, ...] = ()
    barge_in: bool = True

    def __post_init__(self) -> None:
        """Refuse one key for both answers."""
        if self.accept == self.decline:
            raise ValueError(f"'{self.accept}' cannot both accept and decline")

    def exits(self) -> Iterator[Exit]:
        """Yield `accepted`, `declined` and `on_timeout`; without the last, silence leads to `declined`."""
        yield Exit(("accepted",), self.accepted, True)
        yield Exit(("declined",), self.declined, self.on_timeout is not None)
        if self.on_timeout is not None:
            yield Exit(("on_timeout",), self.on_timeout, False)

    @property
    def listens(self) -> bool:
        """It waits for a key."""
        return True

    @property
    def first_timeout(self) -> float:
        """Seconds to wait for the key."""
        return self.timeout

    @property
    def choices(self) -> str:
        """The two answers."""
        return self.accept + self.decline


class Question(msgspec.Struct, OneKey, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One question of a survey, answered by one of `keys`; its answer is a variable of its name as well."""

    name: str
    prompts: tuple[Prompt, ...]
    keys: Keys = "12345"
    retries: Retries = 0
    retry_prompts: tuple[Prompt, ...] = ()
    timeout: Duration | None = None
    """The survey's where it is not given."""

    @property
    def first_timeout(self) -> float:
        """Seconds to wait for the key."""
        return self.timeout or 5.0

    @property
    def barge_in(self) -> bool:
        """Who knows the answer need not hear the question."""
        return True

    @property
    def choices(self) -> str:
        """The possible answers."""
        return self.keys


class SurveyNode(NodeBase, frozen=True, tag="survey", kw_only=True):
    """Ask questions one after another; one that is not answered is passed over, `on_none` is for no answer at all."""

    questions: Annotated[tuple[Question, ...], msgspec.Meta(min_length=1, max_length=20)]
    next: str
    on_none: str
    timeout: Duration = Duration(5.0)

    def __post_init__(self) -> None:
        """Give the survey's timeout to the questions that have none of their own."""
        questions = [
            question if question.timeout else msgspec.structs.replace(question, timeout=self.timeout)
            for question in self.questions
        ]
        msgspec.structs.force_setattr(self, "questions", tuple(questions))

    def exits(self) -> Iterator[Exit]:
        """Yield `next` (which needs keys) and `on_none`."""
        yield Exit(("next",), self.next, True)
        yield Exit(("on_none",), self.on_none, False)

    def prompts_by_place(self) -> Iterator[tuple[Path, Prompt]]:
        """Yield the prompts of every question."""
        for at, question in enumerate(self.questions):
            for index, prompt in enumerate(question.prompts):
                yield ("questions", at, "prompts", index), prompt
            for index, prompt in enumerate(question.retry_prompts):
                yield ("questions", at, "retry_prompts", index), prompt

    def sets(self) -> Iterator[str]:
        """Yield the names of the questions."""
        for question in self.questions:
            yield question.name

    @property
    def listens(self) -> bool:
        """It waits for keys."""
        return True
