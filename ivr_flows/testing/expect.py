"""What must come of a test, and how what came of it differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from ivr_flows.expressions import Value
from ivr_flows.model import Duration
from ivr_flows.testing.call import Asked, VirtualCall
from ivr_flows.testing.world import fits_url, holds, like

GAP: Final = "..."
"""In a list: anything may stand here, or nothing."""
WITHIN: Final = 0.001


class Difference(msgspec.Struct, frozen=True):
    """One expectation that does not hold; secrets are hidden in it."""

    what: str
    expected: str
    actual: str


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A request that the flow must make."""

    method: str | None = None
    url: str = "*"
    headers: dict[str, str] = {}
    """Some of them, at least."""
    json: object = msgspec.UNSET
    """The whole body."""
    body: dict[str, object] = {}
    """What the body must hold, among other things."""

    def fits(self, asked: Asked) -> bool:
        """Whether a request is this one."""
        return (
            self.method in (None, asked.method)
            and fits_url(self.url, asked.url)
            and self.headers.items() <= asked.headers.items()
            and (self.json is msgspec.UNSET or (holds(asked.body, self.json) and holds(self.json, asked.body)))
            and (not self.body or holds(asked.body, self.body))
        )

    def __str__(self) -> str:
        body = self.json if self.json is not msgspec.UNSET else self.body or None
        shown = f" {msgspec.json.encode(body).decode()}" if body is not None else ""
        return f"{self.method or '*'} {self.url}{shown}"


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is known of who calls."""

    status: str | None = None
    method: str | None = None
    subject: str | None = None
    attempts: int | None = None


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What must come of a test; what is left out may be anything."""

    path: tuple[str, ...] | None = None
    """Nodes entered, in order; those of a sub-flow as flow.node."""
    heard: tuple[str, ...] | None = None
    """Names of prompts and words spoken, in order; `*` stands for anything."""
    outcome: str | None = None
    """A cause of hanging up, caller_gone or exhausted."""
    variables: dict[str, Value] = {}
    identity: Person = Person()
    trail: tuple[dict[str, str], ...] | None = None
    """Node and key, in order."""
    survey: dict[str, str] | None = None
    consent: bool | None = None
    requests: tuple[Request, ...] | None = None
    """All requests, in order."""
    connected: tuple[str, ...] | None = None
    """"group NAME", "NUMBER,EXTENSION" or the target, in order."""
    recorded: tuple[str, ...] | None = None
    """start, stop, pause, resume, in order."""
    boxes: tuple[str, ...] | None = None
    """Mailboxes that a message was taken for."""
    messages: tuple[str, ...] | None = None
    """What was done to messages of a mailbox, in order: "heard 1", "save 2", "delete 3"."""
    callbacks: tuple[str, ...] | None = None
    """Numbers to be called back."""
    reached: dict[str, Duration] = {}
    """Nodes that must be entered within this time from the beginning."""

    def differences(self, call: VirtualCall) -> Iterator[tuple[str, Difference]]:
        """Yield the name of each expectation that does not hold, and how."""
        position = call.position
        lists: tuple[tuple[str, Sequence[str] | None, Sequence[str]], ...] = (
            ("path", self.path, position.path),
            ("heard", self.heard, [part for parts in call.heard for part in parts]),
            ("connected", self.connected, call.connected),
            ("recorded", self.recorded, call.recorded),
            ("boxes", self.boxes, call.boxes),
            ("messages", self.messages, call.mailbox.done),
            ("callbacks", self.callbacks, call.callbacks),
            ("trail", _keyed(self.trail), [f"{entry.node}={entry.key}" for entry in position.trail]),
        )
        for name, wanted, got in lists:
            if wanted is not None and not _in_order(wanted, got):
                yield name, _difference(call, name, _joined(wanted), _joined(got))
        for name, wanted_one, got_one in self._single(call):
            if wanted_one is not None and wanted_one != got_one:
                yield name, _difference(call, name, str(wanted_one), str(got_one))
        if self.survey is not None and self.survey != position.survey:
            yield "survey", _difference(call, "survey", _pairs(self.survey), _pairs(position.survey))
        yield from self._requests(call)
        yield from self._variables(call)
        for node, limit in self.reached.items():
            at = call.entered.get(node)
            if at is None or at > limit + WITHIN:
                got = "never" if at is None else f"after {at:g} s"
                yield "reached", _difference(call, f"reached {node}", f"within {limit:g} s", got)

    def says_nothing(self) -> bool:
        """Whether any outcome would do."""
        return self == Expected()

    def _single(self, call: VirtualCall) -> Iterator[tuple[str, object, object]]:
        position, person = call.position, self.identity
        yield "outcome", self.outcome, call.outcome
        yield "consent", self.consent, position.consent
        for field in person.__struct_fields__:
            yield "identity", getattr(person, field), getattr(position.identity, field)

    def _requests(self, call: VirtualCall) -> Iterator[tuple[str, Difference]]:
        if self.requests is None:
            return
        fit = len(self.requests) == len(call.asked)
        if not fit or not all(map(Request.fits, self.requests, call.asked)):
            got = [f"{asked.method} {asked.url}{_body(asked)}" for asked in call.asked]
            yield "requests", _difference(call, "requests", _joined(map(str, self.requests)), _joined(got))

    def _variables(self, call: VirtualCall) -> Iterator[tuple[str, Difference]]:
        position = call.position
        for name, wanted in self.variables.items():
            secret = name in position.secrets
            got = position.secrets.get(name, position.variables.get(name, ""))
            if str(got) != str(wanted):
                shown = ("(a secret)", "(another one)") if secret else (repr(wanted), repr(got))
                yield "variables", _difference(call, name, *shown)


def _in_order(wanted: Sequence[str], got: Sequence[str]) -> bool:
    """Compare a list with patterns and gaps, without looking at any pair twice."""
    reached = {0}
    for pattern in wanted:
        if pattern == GAP:
            reached = set(range(min(reached), len(got) + 1)) if reached else set()
        else:
            reached = {at + 1 for at in reached if at < len(got) and (pattern == got[at] or like(pattern, got[at]))}
    return len(got) in reached


def _keyed(trail: Sequence[dict[str, str]] | None) -> list[str] | None:
    return None if trail is None else [f"{node}={key}" for entry in trail for node, key in entry.items()]


def _difference(call: VirtualCall, what: str, expected: str, actual: str) -> Difference:
    return Difference(what, call.masked(expected), call.masked(actual))


def _joined(items: object) -> str:
    assert hasattr(items, "__iter__")
    return " → ".join(items) or "(nothing)"


def _pairs(values: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "(nothing)"


def _body(asked: Asked) -> str:
    return "" if asked.body is None else f" {msgspec.json.encode(asked.body).decode()}"
