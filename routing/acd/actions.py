"""What the queue engine wants done."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from routing.acd.model import LeaveReason, State


class Offer(msgspec.Struct, frozen=True):
    """Ring the agent for this caller; OfferAccepted or OfferFailed must follow, at the latest after `timeout`.

    For a callback (`callback`) it rings the agent, or with `caller_first` calls the caller while the agent is kept.
    """

    entry: str
    agent: str
    group: str
    timeout: float
    callback: bool = False
    caller_first: bool = False


class Withdraw(msgspec.Struct, frozen=True):
    """Stop ringing the agent: somebody else answered, the caller left, or the agent did."""

    entry: str
    agent: str


class Announce(msgspec.Struct, frozen=True):
    """Say this to one who waits; a found agent never waits for its end.

    `kind` "position" comes with `position` (1 is next) and/or a band of waiting in seconds.
    """

    entry: str
    kind: Literal["position", "periodic", "callback_offer"]
    position: int = 0
    wait: tuple[float, float] | None = None
    prompts: tuple[str, ...] = ()


class Leave(msgspec.Struct, frozen=True):
    """Who waited in `group` is in its queue no more, without an agent, or was not let in.

    `to` is where the overflow rule sends them, or "".
    """

    entry: str
    group: str
    reason: LeaveReason
    to: str = ""


class Moved(msgspec.Struct, frozen=True):
    """The caller waits in another group now, with the same age."""

    entry: str
    group: str
    before: str


class AgentChanged(msgspec.Struct, frozen=True):
    """An agent's derived state is another. `by` is who did it: an id, "rule", "phone", "call", "time"."""

    agent: str
    state: State
    before: State
    reason: str
    by: str
    at: float


class CallbackTaken(msgspec.Struct, frozen=True):
    """The place is kept; `replaced` is an older callback of the same number that this one stands for now.

    `since` is when the place was taken, by the older one where that was there before.
    """

    entry: str
    callback: str
    group: str
    accepted: bool
    replaced: str = ""
    reason: str = ""
    since: float = 0.0


class CallbackOver(msgspec.Struct, frozen=True):
    """A callback has come to its one end, in the group it waited for."""

    callback: str
    group: str
    outcome: Literal["reached", "attempts", "expired", "withdrawn", "replaced", "failed"]


class Alert(msgspec.Struct, frozen=True):
    """Something that supervisors are told: a break beyond its limit, no agent for those who wait."""

    kind: str
    subject: str
    detail: str = ""


Action: TypeAlias = Offer | Withdraw | Announce | Leave | Moved | AgentChanged | CallbackTaken | CallbackOver | Alert
