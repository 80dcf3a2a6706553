"""What the rest of the world is told of calls, agents and queues as it happens; numbers only in masked form.

`at_us` is UTC microseconds. Whoever listens reads more from the call itself by its id.
"""

from __future__ import annotations

from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from routing.acd.model import State

CallStep = Literal[
    "opened",
    "ringing",
    "ring_ended",
    "answered",
    "held",
    "resumed",
    "muted",
    "unmuted",
    "transfer_started",
    "transfer_cancelled",
    "transfer_failed",
    "transferred",
    "consult_started",
    "consult_answered",
    "consult_ended",
    "merged",
    "party_added",
    "party_left",
    "supervised",
    "supervision_ended",
    "parked",
    "unparked",
    "to_flow",
    "verified",
    "agent_left",
    "ended",
]


QueueStep = Literal["joined", "left", "moved", "callback", "callback_over"]


class CallNews(msgspec.Struct, frozen=True, kw_only=True, tag="call", gc=False):
    """A step of a call. `agent` is whom it concerns, "" for none; `detail` a leg id, place, mode or cause.

    `aside` is True for what the others in the call are not to know: that a supervisor listens.
    """

    step: CallStep
    call: str
    at_us: int
    agent: str = ""
    group: str = ""
    detail: str = ""
    aside: bool = False


class AgentNews(msgspec.Struct, frozen=True, kw_only=True, tag="agent", gc=False):
    """An agent's state is another."""

    agent: str
    state: State
    before: State
    at_us: int
    reason: str = ""
    by: str = ""


class QueueNews(msgspec.Struct, frozen=True, kw_only=True, tag="queue", gc=False):
    """Somebody joined or left a group's queue; `waiting` is its length afterwards."""

    step: QueueStep
    group: str
    entry: str
    waiting: int
    at_us: int
    detail: str = ""


class AlertNews(msgspec.Struct, frozen=True, kw_only=True, tag="alert", gc=False):
    """Something for supervisors."""

    kind: str
    subject: str
    at_us: int
    detail: str = ""


class RecordingNews(msgspec.Struct, frozen=True, kw_only=True, tag="recording", gc=False):
    """A recording or a voice message is complete; `sha256` is that of its file, in hexadecimal.

    `call` is "" for a voice message. `gaps` counts the places where audio was lost on its way to the file.
    """

    step: Literal["ready"] = "ready"
    recording: str
    call: str
    kind: Literal["call", "voicemail"]
    seconds: float
    octets: int
    gaps: int
    sha256: str
    at_us: int


News: TypeAlias = CallNews | AgentNews | QueueNews | AlertNews | RecordingNews


class Feed(Protocol):
    """Takes news; never raises, never waits. Nothing is made for it while `listening` is False."""

    listening: bool

    def publish(self, news: News) -> None:
        """Pass it on to whoever listens."""


class NoFeed:
    """Nobody listens."""

    listening = False

    def publish(self, news: News) -> None:
        """Forget it."""


NO_FEED: Final = NoFeed()
