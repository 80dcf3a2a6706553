"""What a call of a test finds: inputs, a time of day, a backend, somebody at the far end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal

import msgspec

from ivr_flows.clock import LocalTime
from ivr_flows.events import HttpError
from ivr_flows.expressions import Value
from ivr_flows.model import FAILURES, QUEUE_OUTCOMES, Duration

CALLER: Final = "13800000000"
CALLED: Final = "4008000000"
OUTCOMES: Final = ("completed", *dict.fromkeys((*FAILURES, *QUEUE_OUTCOMES)))
RINGING: Final = Duration(5.0)
TALKING: Final = Duration(60.0)

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

_INPUTS: Final = ("called", "extension", "trunk", "caller", "caller_province", "caller_city", "language", "reason")


class Moment:
    """A local date and time: "2026-03-02 10:30"."""

    __slots__ = ("begin",)

    def __init__(self, written: object) -> None:
        try:
            self.begin = datetime.strptime(str(written), "%Y-%m-%d %H:%M")  # noqa: DTZ007 - it is local by meaning
        except ValueError:
            raise ValueError('write a date and time such as "2026-03-02 10:30"') from None


class GivenClock:
    """A clock that shows a moment when the call begins, and goes on from there."""

    __slots__ = ("_begin", "_holiday", "_workday")

    def __init__(self, begin: Moment, holiday: str = "", workday: bool | None = None) -> None:
        self._begin = begin.begin
        self._holiday = holiday
        self._workday = workday

    def local(self, now: float) -> LocalTime:
        """Return the local time so many seconds after the beginning."""
        here = self._begin + timedelta(seconds=now)
        usual = here.isoweekday() <= 5 and not self._holiday
        return LocalTime(
            date=f"{here:%Y-%m-%d}",
            time=f"{here:%H:%M}",
            weekday=here.isoweekday(),
            workday=usual if self._workday is None else self._workday,
            holiday=self._holiday,
        )


MONDAY: Final = Moment("2026-03-02 10:00")


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A mailbox; with a `pin` the call comes from a foreign phone."""

    new: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    heard: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    pin: str = ""


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a call brings along; what a test leaves out is as the file says, or as it is usual."""

    called: str | None = None
    extension: str | None = None
    trunk: str | None = None
    caller: str | None = None
    caller_province: str | None = None
    caller_city: str | None = None
    language: str | None = None
    reason: str | None = None
    variables: dict[str, Value] = {}
    clock: Moment | None = None
    """When the call begins, in local time: "2026-03-02 10:30"; a Monday at ten without it."""
    holiday: str | None = None
    workday: bool | None = None
    """Whether people work that day; Monday to Friday without it, holidays apart."""
    prompt: Duration | None = None
    """How long each prompt plays; 3 s without it."""
    callbacks: Literal["accepted", "refused"] | None = None

    mailbox: Box | None = None
    """What a mailbox holds that is opened; one new message without it."""

    def over(self, usual: Given) -> Given:
        """Return this, with what it leaves out taken from another."""
        own = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        own["variables"] = usual.variables | self.variables
        return msgspec.structs.replace(usual, **own)

    def inputs(self) -> dict[str, Value]:
        """Return the variables the call brings along."""
        usual = {"called": CALLED, "caller": CALLER, "trunk": "carrier"}
        stated = {name: value for name in _INPUTS if (value := getattr(self, name)) is not None}
        return usual | stated | self.variables

    def time(self) -> GivenClock:
        """Return the clock."""
        return GivenClock(self.clock or MONDAY, self.holiday or "", self.workday)


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a backend answers to requests that fit."""

    method: Method | None = None
    url: str = "*"
    """The whole address, or from the path on when it begins with /; `*` stands for anything."""
    step: str | None = None
    """Of an identity check: number or verify."""
    body: dict[str, object] = {}
    """What the request's JSON must hold, among other things."""
    status: Annotated[int, msgspec.Meta(ge=100, le=599)] = 200
    json: object = None
    text: str | None = None
    """An answer that is no JSON."""
    error: HttpError = ""
    delay: Duration = Duration(0.05)
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How often it answers before the next one that fits does."""

    def fits(self, method: str, url: str, body: object) -> bool:
        """Whether it answers a request."""
        wanted = {"step": self.step, **self.body} if self.step is not None else self.body
        return self.method in (None, method) and fits_url(self.url, url) and (not wanted or holds(body, wanted))


class FarEnd:
    """What comes of connecting once: "busy", or {outcome: completed, after: 5s, talk: 1m}."""

    __slots__ = ("after", "outcome", "talk")

    def __init__(self, written: object) -> None:
        stated = {"outcome": written} if isinstance(written, str) else written
        if not isinstance(stated, dict) or "outcome" not in stated:
            raise ValueError("write an outcome such as busy, or {outcome: completed, talk: 30s}")
        if wrong := stated.keys() - {"outcome", "after", "talk"}:
            raise ValueError(f"unknown key '{min(wrong)}'; known here: after, outcome, talk")
        if stated["outcome"] not in OUTCOMES:
            raise ValueError(f"'{stated['outcome']}' is not an outcome; one of {', '.join(OUTCOMES)}")
        self.outcome: str = stated["outcome"]
        self.after = Duration.read(stated["after"]) if "after" in stated else None
        self.talk = Duration.read(stated["talk"]) if "talk" in stated else TALKING


class Far:
    """What comes of connecting, again and again: a list, or a list (or one) for each node."""

    __slots__ = ("by_node", "ends")

    def __init__(self, written: object = ()) -> None:
        self.by_node: dict[str, tuple[FarEnd, ...]] = {}
        self.ends: tuple[FarEnd, ...] = ()
        if isinstance(written, dict) and "outcome" not in written:
            self.by_node = {node: _ends(item) for node, item in written.items()}
        else:
            self.ends = _ends(written)

    def __bool__(self) -> bool:
        return bool(self.by_node or self.ends)


def _ends(written: object) -> tuple[FarEnd, ...]:
    many = written if isinstance(written, list | tuple) else [written]
    return tuple(FarEnd(item) for item in many)


class Backend:
    """Replies in order; each as often as it may be given."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._left: list[tuple[Reply, list[int]]] = [(reply, [reply.times or 0]) for reply in replies]

    def answer(self, method: str, url: str, body: object) -> Reply | None:
        """Return the first reply that fits and is not used up."""
        for reply, left in self._left:
            if (reply.times is None or left[0]) and reply.fits(method, url, body):
                left[0] -= 1
                return reply
        return None


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)


def like(pattern: str, text: str) -> bool:
    """Whether a text is as a pattern says, in which `*` stands for anything."""
    return _pattern(pattern).fullmatch(text) is not None


def fits_url(pattern: str, url: str) -> bool:
    """Whether a URL fits; a pattern that begins with / is for what follows the server."""
    if pattern.startswith("/"):
        _, slash, rest = url.partition("://")[2].partition("/")
        return like(pattern, slash + rest)
    return like(pattern, url)


def holds(value: object, wanted: object) -> bool:
    """Whether a JSON value holds another: mappings may have more keys; all else is the same."""
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return all(key in value and holds(value[key], item) for key, item in wanted.items())
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)
