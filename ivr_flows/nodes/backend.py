"""Nodes that ask the customer's own servers, or leave a wish with the switch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from ivr_flows.errors import ExpressionError
from ivr_flows.expressions import Readable, Text
from ivr_flows.nodes.base import MAX_ENTRY, Duration, Exit, Length, NodeBase, Path, Reading, Status, Word
from ivr_flows.nodes.entry import Key
from ivr_flows.prompt import Prompt

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
_Template = Text | int | float | bool | None | list["_Template"] | dict[str, "_Template"]

_DOTTED = re.compile(r"[^.\s]+(?:\.[^.\s]+)*\Z")


class JsonTemplate:
    """A JSON value whose texts may have variables; a text that is one variable and nothing else keeps its type."""

    __slots__ = ("_template", "names")

    def __init__(self, written: object) -> None:
        names: set[str] = set()
        self._template = _templated(written, names)
        self.names = frozenset(names)

    def fill(self, variables: Readable) -> bytes:
        """Return the value as JSON."""
        return msgspec.json.encode(_filled(self._template, variables))


def _templated(value: object, names: set[str]) -> _Template:
    if isinstance(value, str):
        text = Text(value)
        names |= text.names
        return text
    if isinstance(value, list):
        return [_templated(item, names) for item in value]
    if isinstance(value, dict):
        return {key: _templated(item, names) for key, item in value.items()}
    assert value is None or isinstance(value, int | float)
    return value


def _filled(template: _Template, variables: Readable) -> Json:
    if isinstance(template, Text):
        return template.whole(variables)
    if isinstance(template, list):
        return [_filled(item, variables) for item in template]
    if isinstance(template, dict):
        return {key: _filled(item, variables) for key, item in template.items()}
    return template


class JsonPath:
    """Where in an answer a value stands: "data.items.0.status"; a number counts in a list, from 0."""

    __slots__ = ("_steps", "source")

    def __init__(self, source: str) -> None:
        if not isinstance(source, str) or not _DOTTED.match(source):
            raise ExpressionError("expected a path such as data.items.0.status")
        self.source = source
        self._steps = tuple(
            (step, int(step) if step.isdecimal() and len(step) < 6 else -1) for step in source.split(".")
        )

    def find(self, body: object) -> object:
        """Return what stands there; None when nothing does."""
        for key, index in self._steps:
            if isinstance(body, dict):
                body = body.get(key)
            elif isinstance(body, list) and 0 <= index < len(body):
                body = body[index]
            else:
                return None
        return body


class HttpNode(NodeBase, frozen=True, tag="http", kw_only=True):
    """Ask a server; from its JSON, `set` takes variables by path, and what is not there is empty.

    An answer of 2xx goes on at `next`, another status where `on_status` says, or at `on_error`. `retries` are made
    within `timeout`, and only for methods that may be repeated.
    """

    url: Text
    next: str
    on_error: str
    on_timeout: str | None = None
    on_status: dict[Status, str] = msgspec.field(default_factory=dict)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, Text] = msgspec.field(default_factory=dict)
    json: JsonTemplate | None = None
    timeout: Duration = Duration(3.0)
    retries: Annotated[int, msgspec.Meta(ge=0, le=5)] = 0
    set: dict[str, JsonPath] = msgspec.field(default_factory=dict)
    waiting: tuple[Prompt, ...] = msgspec.field(name="while", default=())

    def exits(self) -> Iterator[Exit]:
        """Yield `next`, `on_error`, `on_timeout` and every status."""
        yield Exit(("next",), self.next, False)
        yield Exit(("on_error",), self.on_error, False)
        if self.on_timeout is not None:
            yield Exit(("on_timeout",), self.on_timeout, False)
        for status, target in self.on_status.items():
            yield Exit(("on_status", status), target, False)

    def prompts_by_place(self) -> Iterator[tuple[Path, Prompt]]:
        """Yield what is heard meanwhile."""
        for index, prompt in enumerate(self.waiting):
            yield ("while", index), prompt

    def reads(self) -> Iterator[tuple[Path, Reading]]:
        """Yield the body's texts as well."""
        yield from NodeBase.reads(self)
        if self.json is not None:
            yield ("json",), self.json

    def sets(self) -> Iterator[str]:
        """Yield the variables taken from the answer."""
        yield from self.set


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a caller is asked for who does not call from a number of their own."""

    method: Word
    """Tells the backend what the digits are: phone, id_card, order, ..."""
    prompts: tuple[Prompt, ...]
    max: Length
    min: Annotated[int, msgspec.Meta(ge=1, le=MAX_ENTRY)] = 1
    retry_prompts: tuple[Prompt, ...] = ()
    terminators: str = ""
    first_timeout: Duration = Duration(8.0)
    digit_timeout: Duration = Duration(4.0)
    barge_in: bool = True


class IdentifyNode(NodeBase, frozen=True, tag="identify", kw_only=True):
    """Find out who calls: by the calling number, else by an entry that the backend compares.

    The backend is sent `{"step": "number", "caller"}` and answers `{"own": true or false, "subject"}`, then
    `{"step": "verify", "caller", "method", "digits"}` and answers `{"verified": true or false, "subject"}`. Any
    other answer, or none, leads to `unavailable` at once. The variables `identity` and `subject` hold the outcome.
    """

    url: Text
    ask: Ask
    own_number: str
    verified: str
    failed: str
    unavailable: str
    skipped: str | None = None
    skip_key: Key | None = None
    headers: dict[str, Text] = msgspec.field(default_factory=dict)
    timeout: Duration = Duration(2.0)
    attempts: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    waiting: tuple[Prompt, ...] = msgspec.field(name="while", default=())

    def __post_init__(self) -> None:
        """Refuse a way to skip that leads nowhere."""
        if (self.skip_key is None) != (self.skipped is None):
            raise ValueError("give both 'skip_key:' and 'skipped:', or neither")
        if self.ask.min > self.ask.max:
            raise ValueError(f"ask: min {self.ask.min} is more than max {self.ask.max}")

    def exits(self) -> Iterator[Exit]:
        """Yield an exit for each outcome."""
        yield Exit(("own_number",), self.own_number, False)
        yield Exit(("verified",), self.verified, True)
        yield Exit(("failed",), self.failed, False)
        yield Exit(("unavailable",), self.unavailable, False)
        if self.skipped is not None:
            yield Exit(("skipped",), self.skipped, True)

    def prompts_by_place(self) -> Iterator[tuple[Path, Prompt]]:
        """Yield what is asked, and what is heard while the backend is."""
        for field in ("prompts", "retry_prompts"):
            for index, prompt in enumerate(getattr(self.ask, field)):
                yield ("ask", field, index), prompt
        for index, prompt in enumerate(self.waiting):
            yield ("while", index), prompt

    def sets(self) -> Iterator[str]:
        """Yield what the outcome is kept as."""
        yield "identity"
        yield "subject"

    @property
    def listens(self) -> bool:
        """It may ask for an entry."""
        return True

    # What the caller is asked to key in, as an entry.

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What is asked."""
        return self.ask.prompts

    @property
    def retry_prompts(self) -> tuple[Prompt, ...]:
        """What is asked after an attempt that failed."""
        return self.ask.retry_prompts

    @property
    def min(self) -> int:
        """Fewest digits."""
        return self.ask.min

    @property
    def max(self) -> int:
        """Most digits."""
        return self.ask.max

    @property
    def terminators(self) -> str:
        """Keys that end the entry."""
        return self.ask.terminators

    @property
    def first_timeout(self) -> float:
        """Seconds to wait for the first key."""
        return self.ask.first_timeout

    @property
    def digit_timeout(self) -> float:
        """Seconds to wait for each further key."""
        return self.ask.digit_timeout

    @property
    def barge_in(self) -> bool:
        """Whether a key stops the prompts."""
        return self.ask.barge_in

    @property
    def retries(self) -> int:
        """Attempts are counted over entries and answers together."""
        return 0

    @property
    def secret(self) -> bool:
        """By what a person is known is a secret."""
        return True

    @property
    def choices(self) -> str:
        """Any digit may come."""
        return ""

    @property
    def escape(self) -> str:
        """The key that skips the check."""
        return self.skip_key or ""


class CallbackNode(NodeBase, frozen=True, tag="callback", kw_only=True):
    """Ask to be called back; once the wish is kept, `prompts` say so."""

    next: str
    on_refused: str
    number: Text = Text("{caller}")
    group: Text = Text("")
    prompts: tuple[Prompt, ...] = ()

    @property
    def barge_in(self) -> bool:
        """The confirmation is heard to its end."""
        return False

    def exits(self) -> Iterator[Exit]:
        """Yield `next` and `on_refused`."""
        yield Exit(("next",), self.next, False)
        yield Exit(("on_refused",), self.on_refused, False)
