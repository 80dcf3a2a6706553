"""The sections `groups:` and `agents:`: who answers whom, and by which rules.

What is left out is as in `routing.acd.model`, which says what each rule means.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from config.section import Name, Section
from config.values import Duration, Hidden
from routing.acd.model import ChosenState, LeaveReason, Strategy

Level = Annotated[int, Meta(ge=1, le=99)]
SkillLevel = Annotated[int, Meta(ge=1, le=10)]


class Overflow(Section, frozen=True):
    """After some waiting, or for a reason at once, the caller goes elsewhere."""

    to: str
    """``group:NAME``, ``flow:NAME``, ``voicemail:BOX``, ``callback`` or ``hangup``."""
    after: Duration | None = None
    on: tuple[LeaveReason, ...] = ()


class Announcements(Section, frozen=True):
    """What those who wait are told, and when."""

    music: tuple[str, ...] = ("music/hold",)
    first: Duration = Duration(10.0)
    every: Duration = Duration(45.0)
    """0: only once."""
    position: bool = False
    wait: bool = False
    periodic: tuple[str, ...] = ()
    callback_offer: Duration | None = None
    """After so much waiting the caller is offered to be called back; left out: never."""


class CallbackRules(Section, frozen=True):
    """How those who chose to be called back are called."""

    first: Literal["agent", "caller"] = "agent"
    attempts: Annotated[int, Meta(ge=1, le=20)] = 3
    retry_after: Duration = Duration(300.0)
    expire: Duration = Duration(24 * 3600.0)
    hours: str = ""
    """As those of a group; empty: those of the group."""
    max_open: Annotated[int, Meta(ge=0)] = 10_000


class Group(Section, frozen=True):
    """A skill group: agents who answer for each other, and the rules of its queue."""

    name: Name
    members: tuple[str, ...] = ()
    """Targets, ``aor:user`` or ``sip:user@host:port``: agents of level 1 who are always signed in.

    Agents who sign in and out, or have skills, are under ``agents``.
    """
    ring_timeout: Duration = Duration(20.0)
    numbers: tuple[Hidden, ...] = ()
    """Numbers from which its members call: on an X number bound to the group they reach its other party."""
    strategy: Strategy = "longest_idle"
    weight: int = 0
    wrap_up: Duration = Duration(0.0)
    requirement: str = ""
    """``en>=3 then en>=1 after 30s then any after 60s``."""
    refuse_pause: Duration = Duration(10.0)
    no_answer_state: ChosenState = "break"
    no_answer_limit: Annotated[int, Meta(ge=1)] = 1
    max_length: Annotated[int, Meta(ge=0)] | None = None
    max_wait: Duration | None = None
    max_estimate: Duration | None = None
    join_empty: Literal["never", "signed_in", "always"] = "signed_in"
    leave_empty: bool = False
    overflow: tuple[Overflow, ...] = ()
    hours: str = ""
    """``mon-fri 09:00-18:00, sat 10:00-16:00, holidays closed``; empty: always open."""
    announcements: Announcements = Announcements()
    callbacks: CallbackRules = CallbackRules()
    preferred_patience: Duration = Duration(20.0)
    service_level: Duration = Duration(20.0)
    progressive_step: Duration = Duration(10.0)
    break_limit: Duration | None = None


class Agent(Section, frozen=True):
    """An agent, or with ``count`` as many alike."""

    id: Name
    phone: str = ""
    """``aor:user`` or ``sip:user@host:port``; left out: ``aor:`` and the id. Of ``count`` agents all have this one."""
    name: str = ""
    groups: dict[str, Level] = field(default_factory=dict)
    """Names of groups, and the agent's level in them; level 1 is asked first."""
    skills: dict[str, SkillLevel] = field(default_factory=dict)
    wrap_up: Duration | None = None
    """Left out: that of the group, as with ``ring_timeout``."""
    ring_timeout: Duration | None = None
    always: bool = False
    """Signed in as soon as the phone is there, without anybody's doing."""
    count: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """With ``count: 3`` there are ``id-1``, ``id-2`` and ``id-3``."""
