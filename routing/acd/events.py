"""What happens to the queue engine. `entry` names one who waits: a call's id, or that of a callback."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from routing.acd.model import Agent, ChosenState, GoneReason, Group, OfferFailure


class GroupSet(msgspec.Struct, frozen=True):
    """A group is new or has changed; those who wait keep their places."""

    group: Group


class GroupRemoved(msgspec.Struct, frozen=True):
    """A group is no more; those who wait in it leave with `failed`."""

    group: str


class AgentSet(msgspec.Struct, frozen=True):
    """An agent is new or has changed."""

    agent: Agent


class AgentRemoved(msgspec.Struct, frozen=True):
    """An agent is no more; a call that is up goes on."""

    agent: str


class SignedIn(msgspec.Struct, frozen=True):
    """An agent begins to work."""

    agent: str
    by: str = ""


class SignedOut(msgspec.Struct, frozen=True):
    """An agent goes home; a call that is up goes on."""

    agent: str
    by: str = ""
    why: str = ""


class StateSet(msgspec.Struct, frozen=True):
    """An agent, or a supervisor for them, chose a state; while a call is up it counts from the call's end.

    `lasts` seconds later the agent is idle again; None: until changed.
    """

    agent: str
    state: ChosenState
    reason: str = ""
    by: str = ""
    lasts: float | None = None


class WrapUpDone(msgspec.Struct, frozen=True):
    """The work after the call is done."""

    agent: str
    by: str = ""


class PhoneChanged(msgspec.Struct, frozen=True):
    """An agent's phone has registered, or is registered no more."""

    agent: str
    up: bool


class CallBegan(msgspec.Struct, frozen=True):
    """An agent's phone is in a call that did not come from a queue (dialled, direct, consulted)."""

    agent: str
    call: str


class CallOver(msgspec.Struct, frozen=True):
    """That call is over for the agent."""

    agent: str
    call: str


class HoldChanged(msgspec.Struct, frozen=True):
    """An agent holds the other party of a call, or has come back to it."""

    agent: str
    call: str
    held: bool


class CallerJoined(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants an agent of a group. `since` is when the waiting began, where it began elsewhere.

    `caller` is the fingerprint of the number, b"" when it is withheld. `max_wait` may only shorten the group's.
    """

    entry: str
    group: str
    priority: int = 0
    vip: int = 0
    requirement: str = ""
    preferred: str = ""
    caller: bytes = b""
    max_wait: float | None = None
    since: float | None = None


class CallerGone(msgspec.Struct, frozen=True):
    """Who waited, or was being connected, has left."""

    entry: str
    why: GoneReason = "hung_up"


class OfferAccepted(msgspec.Struct, frozen=True):
    """The agent has answered: both talk. For a callback: it is the agent who was rung first."""

    entry: str
    agent: str


class OfferFailed(msgspec.Struct, frozen=True):
    """The agent did not take it."""

    entry: str
    agent: str
    why: OfferFailure


class TalkEnded(msgspec.Struct, frozen=True):
    """The agent's own part in the talk is over, whether the caller goes on elsewhere or not."""

    entry: str
    agent: str


class Picked(msgspec.Struct, frozen=True):
    """An agent takes this one out of turn, by their own or a supervisor's wish."""

    entry: str
    agent: str
    by: str = ""


class CallbackAsked(msgspec.Struct, frozen=True):
    """One who waits would rather be called back: the place is kept under the id `callback`, the caller may hang up."""

    entry: str
    callback: str
    caller: bytes


class CallbackRestored(msgspec.Struct, frozen=True, kw_only=True):
    """A callback that was open before a restart; `since` may lie before the start."""

    callback: str
    group: str
    caller: bytes
    since: float
    priority: int = 0
    vip: int = 0
    requirement: str = ""
    attempts: int = 0
    rest: float = 0.0
    """Nobody is called for so many seconds, or until CallerCleared."""


class CallerCleared(msgspec.Struct, frozen=True):
    """The call in which somebody asked to be called back is over: they can be called now."""

    callback: str


class CallbackEnded(msgspec.Struct, frozen=True):
    """An attempt to call back is over: the caller was `reached`, or not."""

    callback: str
    reached: bool


class TimeDue(msgspec.Struct, frozen=True):
    """Time has passed; an early one is harmless."""


Event: TypeAlias = (
    GroupSet | GroupRemoved | AgentSet | AgentRemoved | SignedIn | SignedOut | StateSet | WrapUpDone | PhoneChanged
    | CallBegan | CallOver | HoldChanged | CallerJoined | CallerGone | OfferAccepted | OfferFailed | TalkEnded | Picked
    | CallbackAsked | CallbackRestored | CallerCleared | CallbackEnded | TimeDue
)  # fmt: skip
