"""What every node is, and the values nodes are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple, Protocol

import msgspec

from ivr_flows.expressions import Condition, Expression, Text
from ivr_flows.prompt import Prompt, Wording

MAX_ENTRY = 32  # digits of one entry, and of what is keyed ahead of it
DTMF = frozenset("0123456789*#ABCD")  # RFC 4733 section 3.2

Retries = Annotated[int, msgspec.Meta(ge=0, le=10)]
Length = Annotated[int, msgspec.Meta(ge=1, le=MAX_ENTRY)]
Status = Annotated[str, msgspec.Meta(pattern="^[1-5][0-9][0-9]$")]
Word = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,31}$")]
PATTERNS = {
    "^[1-5][0-9][0-9]$": "an HTTP status such as 404",
    "^[a-z][a-z0-9_]{0,31}$": "a word of small letters, digits and _",
}
"""What each pattern wants, in words."""

Path = tuple[str | int, ...]


class Reading(Protocol):
    """Something that reads variables: an expression, a text, a prompt."""

    @property
    def names(self) -> frozenset[str]:
        """The variables."""


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Duration(float):
    """Seconds; written "200ms", "5s", "1.5s", "2m", "4h" or as a plain number."""

    __slots__ = ()

    @classmethod
    def read(cls, text: str | float) -> Duration:
        """Return the duration a flow's author wrote; ValueError when it is none."""
        if isinstance(text, str):
            match = _DURATION.match(text)
            if match is None:
                raise ValueError(f"'{text}' is not a duration; write 200ms, 5s, 2m or 4h")
            seconds = float(match[1]) * _UNITS[match[2]]
        else:
            seconds = float(text)
        if isinstance(text, bool) or not 0.0 < seconds <= 86400.0:
            raise ValueError(f"'{text}' is not a duration between 1ms and 24h")
        return cls(seconds)


class Exit(NamedTuple):
    """One way out of a node."""

    path: Path
    """Where in the node it is written."""
    target: str
    keyed: bool
    """Taken only when the caller presses keys."""


class NodeBase(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """What every node is."""

    def exits(self) -> Iterator[Exit]:
        """Yield every wired way out of the node."""
        yield from ()

    def prompts_by_place(self) -> Iterator[tuple[Path, Prompt]]:
        """Yield every prompt, with where in the node it is written."""
        for field in self.__struct_fields__:
            value = getattr(self, field)
            if isinstance(value, tuple) and value and isinstance(value[0], Prompt):
                for index, prompt in enumerate(value):
                    yield (field, index), prompt

    def reads(self) -> Iterator[tuple[Path, Reading]]:
        """Yield every expression and text that reads variables, prompts included."""
        yield from self.prompts_by_place()
        for field, written in zip(self.__struct_fields__, self.__struct_encode_fields__, strict=True):
            value = getattr(self, field)
            if isinstance(value, Condition | Expression | Text | Wording):
                yield (written,), value
            elif isinstance(value, dict):
                for key, item in value.items():
                    if isinstance(item, Condition | Expression | Text):
                        yield (written, key), item

    def sets(self) -> Iterator[str]:
        """Yield the variables that the node may set."""
        yield from ()

    def prompt_names(self) -> tuple[str, ...]:
        """Return every sound the node may play, those named by variables apart."""
        return tuple(name for _, prompt in self.prompts_by_place() for name in prompt.sounds)

    @property
    def speaks(self) -> bool:
        """Whether the node itself plays prompts to the caller."""
        return any(True for _ in self.prompts_by_place())

    @property
    def listens(self) -> bool:
        """Whether the node takes keys, or speech, from the caller."""
        return False

    @property
    def ends(self) -> bool:
        """Whether a way through the flow may end here."""
        return False


class Entry(Protocol):
    """What the caller is asked to key in; an entry is over at `max` digits, at a terminator, or after a pause.

    Shorter than `min` it is invalid; a terminator before any digit is ignored unless `min` is 0. Without `barge_in`
    the prompt is heard to its end; keys pressed meanwhile count after it.
    """

    @property
    def prompts(self) -> tuple[Prompt, ...]:
        """What is asked."""

    @property
    def retry_prompts(self) -> tuple[Prompt, ...]:
        """What is asked after an attempt that failed; the prompts again when there are none."""

    @property
    def min(self) -> int:
        """Fewest digits."""

    @property
    def max(self) -> int:
        """Most digits."""

    @property
    def terminators(self) -> str:
        """Keys that end the entry."""

    @property
    def first_timeout(self) -> float:
        """Seconds to wait for the first key."""

    @property
    def digit_timeout(self) -> float:
        """Seconds to wait for each further key."""

    @property
    def retries(self) -> int:
        """Attempts that may fail before the entry does."""

    @property
    def barge_in(self) -> bool:
        """Whether a key stops the prompts."""

    @property
    def secret(self) -> bool:
        """Whether the keys must never be heard or written down."""

    @property
    def choices(self) -> str:
        """The keys to choose from with one; empty when any digit may come."""

    @property
    def escape(self) -> str:
        """A key that, pressed first, ends the entry by a way of its own; empty when there is none."""


class OneKey:
    """An entry of a single key."""

    __slots__ = ()

    @property
    def min(self) -> int:
        """One key."""
        return 1

    @property
    def max(self) -> int:
        """One key."""
        return 1

    @property
    def terminators(self) -> str:
        """The key itself ends it."""
        return ""

    @property
    def digit_timeout(self) -> float:
        """Never waited for."""
        return 1.0

    @property
    def secret(self) -> bool:
        """A choice is no secret."""
        return False

    @property
    def escape(self) -> str:
        """Every key that is a way is a choice."""
        return ""
