"""The parts of the configuration that calls read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, Literal, Protocol

import msgspec

from media.control import KeyForm
from media.sdes import Policy
from switchboard.calls.reliable import Mode

Address = tuple[str, int]


class Service(msgspec.Struct, frozen=True):
    """What a published number brings to its calls beside the place where they go."""

    variables: dict[str, str | int] = {}
    failed: str = ""
    """The flow that takes a call which found nobody."""
    record: bool = False


NO_SERVICE: Final = Service()


class Services(Protocol):
    """Services by the number that was called, in its one form."""

    def get(self, number: str, default: Service, /) -> Service:
        """The service of a number."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of the configuration that calls read. Times in seconds."""

    local: Address
    domain: str
    domains: frozenset[str]
    codecs: tuple[str, ...] = ("PCMA", "PCMU")
    srtp: Policy = "off"
    """Whether media is secured (RFC 4568)."""
    srtp_accounts: Mapping[str, Policy] = {}
    """The same by account, for those that differ."""
    max_calls: int = 5000
    ring_timeout: float = 30.0
    call_duration: float = 4 * 3600.0
    release_wait: float = 2.0
    recordings: str = "var/recordings"
    """Where recordings are written."""
    outbound: tuple[str, str] | None = None
    """The trunk by which flows dial public numbers, and the number shown there."""
    services: Services = {}
    """By published number."""
    hold_music: str = "music/hold"
    auto_answer: tuple[str, ...] = ()
    """Header lines that make a desk phone answer by itself, for calls its owner has asked for."""
    park_slots: int = 20
    """Calls are parked in the slots "1" to this."""
    park_timeout: float = 120.0
    slots_dialled: Mapping[str, str] = {}
    """The slot by what phones of agents dial to take up who is parked there."""
    survey: str = "survey"
    """The flow that asks callers how it was."""
    session_expires: int = 0
    """The session interval that is offered, and after half of which silent peers are asked; 0: neither."""
    min_se: int = 90
    """The least interval that is taken from others."""
    dead_media: Literal["either", "both", "off"] = "either"
    """Whose silence, of audio and RTCP, ends a talk."""
    keys: Mapping[str, KeyForm] = {}
    """How keys go to the phones of an account, by its user; "auto" where it is not named."""
    watches: Mapping[str, frozenset[str]] = {}
    """Whose lines an account may watch beside its own and its groups', by its user; "*" for anybody's."""
    reliable: Mode = "off"
    """Whether provisional responses are acknowledged (RFC 3262)."""
    rung: int = 5
    """So many phones of one account are rung by a call."""
    patience: float = 15.0
    """So long those that an account prefers ring alone."""
    source_rate: float = math.inf
    """REGISTERs a second that are taken from one host on average."""
    source_burst: float = 50_000.0
    """So many of them may come at once."""
    keep_alive: float = 0.0
    """How often phones behind a NAT are asked whether they are there; 0: never."""
    unanswered: int = 3
    """So many of these questions a phone may leave without an answer."""
    away: float = 15.0
    """So long a browser whose WebSocket has ended in a call may take to come back."""
    stun: bool = False
    """Whether STUN binding requests are answered where SIP is received by UDP (RFC 5626 §4.4.2)."""
