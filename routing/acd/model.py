"""What the queue engine is told about agents and groups: configuration, and the words for states and outcomes.

Times are monotonic seconds, durations seconds. Nothing here holds a real number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

State = Literal["offline", "idle", "ringing", "talking", "held", "wrap_up", "busy", "break", "meeting"]
"""What an agent is doing; derived, never stored."""

ChosenState = Literal["idle", "busy", "break", "meeting"]
"""What an agent, a supervisor or a rule may set."""

Strategy = Literal[
    "longest_idle",
    "round_robin",
    "fewest_calls",
    "least_talk_time",
    "ring_all",
    "top_down",
    "progressive",
    "random",
    "skill_best",
]

OfferFailure = Literal["refused", "busy", "no_answer", "unreachable"]

LeaveReason = Literal["full", "empty", "timeout", "estimate", "closed", "overflow", "callback", "failed"]
"""Why the engine takes somebody out of a queue without an agent; `overflow` comes with a destination."""

GoneReason = Literal["hung_up", "key", "transferred", "withdrawn"]
"""Why somebody left on their own, or was taken out by others."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent. `phone` is a target, `aor:user` or `sip:user@host:port`; `groups` maps a group to a level.

    Level 1 is asked first. `skills` maps a skill to 1..10. `order` is the place in top_down; -1 is that of
    the configuration. None means that the group's value holds.
    """

    id: str
    phone: str
    name: str = ""
    groups: Mapping[str, int] = {}
    skills: Mapping[str, int] = {}
    wrap_up: float | None = None
    ring_timeout: float | None = None
    order: int = -1
    always: bool = False
    """Signed in as soon as the phone is there, without anybody's doing."""


class Overflow(msgspec.Struct, frozen=True):
    """After `after` seconds of waiting, or for a reason at once, the caller goes to `to`.

    `to` is `group:NAME`, `flow:NAME`, `voicemail:BOX`, `callback` or `hangup`. A group keeps the caller's age.
    """

    to: str
    after: float | None = None
    on: tuple[LeaveReason, ...] = ()


class Announcements(msgspec.Struct, frozen=True):
    """What is said to those who wait, and when; `music` is played between."""

    music: tuple[str, ...] = ("music/hold",)
    """Names of prompts, played in turn."""
    first: float = 10.0
    """Seconds of waiting before the first announcement,"""
    every: float = 45.0
    """and between two of them; 0: there is only the first."""
    position: bool = False
    """Say how many are served before, from 1."""
    wait: bool = False
    """Say how long it may take, as a band."""
    periodic: tuple[str, ...] = ()
    """Names of prompts, of which each announcement plays one, in turn."""
    callback_offer: float | None = None
    """After this many seconds "press 1 to be called back" is said; None: never."""


class CallbackRules(msgspec.Struct, frozen=True):
    """How waiting callers who chose to be called back are called."""

    first: Literal["agent", "caller"] = "agent"
    """Who is called first; the other one is, once they have answered."""
    attempts: int = 3
    """So many calls without success end the request."""
    retry_after: float = 300.0
    """Seconds from an attempt in vain to the next."""
    expire: float = 24 * 3600.0
    """Seconds from joining the queue after which the request is given up."""
    hours: str = ""
    """`09:00-18:00`; empty: those of the group."""
    max_open: int = 10_000
    """Open requests of the group; whoever would be one more goes on waiting."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """One skill group and its rules. A limit of None does not limit."""

    name: str
    strategy: Strategy = "longest_idle"
    """Which of the free agents is offered a caller; those of a lower level come first."""
    weight: int = 0
    """An agent of several groups goes to the group of higher weight first."""
    ring_timeout: float = 20.0
    """Seconds that an agent's phone rings before the offer counts as `no_answer`."""
    wrap_up: float = 0.0
    """Seconds of work after a talk, during which there are no offers; 0: none."""
    requirement: str = ""
    """`en>=3 then en>=1 after 30s then any after 60s`."""
    refuse_pause: float = 10.0
    """Who has not taken an offer gets none for this long, a second at least."""
    no_answer_state: ChosenState = "break"
    """What an agent becomes who has not answered `no_answer_limit` offers in a row; `idle`: stays as is."""
    no_answer_limit: int = 1
    max_length: int | None = None
    """So many callers may wait; for the next one it is `full`."""
    max_wait: float | None = None
    """Seconds in the queue; then it is `timeout`."""
    max_estimate: float | None = None
    """Whoever would wait longer, as estimated, does not join: `estimate`."""
    join_empty: Literal["never", "signed_in", "always"] = "signed_in"
    """Who may join: `never` without an idle or working agent, `signed_in` with one who is on a break, `always`."""
    leave_empty: bool = False
    """Those who wait leave when the last agent does."""
    overflow: tuple[Overflow, ...] = ()
    """Where callers go after some time, or for a reason; of several that fit the first counts."""
    hours: str = ""
    """`mon-fri 09:00-18:00, sat 10:00-16:00`, or `workdays 09:00-18:00`; empty: always open."""
    announcements: Announcements = Announcements()
    callbacks: CallbackRules = CallbackRules()
    preferred_patience: float = 20.0
    """How long a caller waits for the preferred (last) agent alone."""
    service_level: float = 20.0
    """Whoever is answered within these seconds is served in time, in figures and metrics."""
    progressive_step: float = 10.0
    """With `progressive`: how long until one more phone rings beside those that ring already."""
    break_limit: float | None = None
    """A break longer than this is told to supervisors."""
