"""What belongs to an entry of `trunks:` beside where its calls come from: places, accounts, limits, rules.

A carrier may have one place, ``to``, or several ``gateways``. The lowest ``order`` is tried first, and within it
``weight`` decides; one that does not answer, is full or fails with a status of ``failover`` is followed by the next.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from config.section import Name, Section
from config.values import Duration, Hidden

Channels = Annotated[int, Meta(ge=0, le=100_000)]
Rate = Annotated[int, Meta(ge=0, le=1000)]
Transport = Literal["udp", "tcp", "tls", "any"]


class Login(Section, frozen=True):
    """The account by which we prove ourselves to a carrier that asks for it (digest, SHA-256 or MD5)."""

    user: str
    password: Hidden
    realm: str = ""
    """No other realm is given a hash of the password; empty: any that the carrier names."""


class Gateway(Section, frozen=True):
    """One place of a carrier."""

    to: str
    """``address:port``, ``name`` or ``name:port``; a name leads where DNS says (NAPTR, SRV, A, AAAA)."""
    name: Name | None = None
    """What it is called in commands and metrics; left out: its place in the list, from 1."""
    transport: Transport | None = None
    """Left out: that of the trunk."""
    certificate_name: str | None = None
    """Left out: that of the trunk."""
    order: Annotated[int, Meta(ge=0, le=65535)] = 1
    """The lowest is tried first."""
    weight: Annotated[int, Meta(ge=0, le=65535)] = 1
    """Its share of the calls among those of the same order, by chance (RFC 2782)."""
    channels: Channels = 0
    """The most calls at a time, both ways; 0: no limit of its own."""
    cps: Rate = 0
    """The most calls begun in any second, both ways; 0: no limit of its own."""
    login: Login | None = None
    """Left out: that of the trunk."""
    disabled: bool = False
    """Known but not used; `switchboard trunks enable TRUNK/GATEWAY` switches it on while it runs."""


class Register(Section, frozen=True):
    """We register at the carrier, so that it knows where to send calls."""

    user: str | None = None
    """Who is registered, ``sip:user@domain``; left out: the user of ``login``."""
    contact: str | None = None
    """The user part of our contact, which tells the calls of two accounts at one carrier apart; left out: ``user``."""
    expires: Duration = Duration(3600.0)
    """What is asked for; what is granted counts."""
    retry: Duration = Duration(30.0)
    """The first pause when all gateways have refused; it doubles each time, up to half an hour."""
    each: bool = False
    """Register at each of the gateways; without it at the first that takes it, and at the next when that fails."""


class Options(Section, frozen=True):
    """Gateways are asked by OPTIONS whether they are there. One that is down is tried last, not never."""

    interval: Duration = Duration(0.0)
    """0: they are not asked."""
    up: Annotated[int, Meta(ge=1, le=100)] = 1
    """So many answers in a row and it is up again; any answer but 503 counts."""
    down: Annotated[int, Meta(ge=1, le=100)] = 2
    """So many in a row without an answer, or with 503, and it is down."""


class NumberRule(Section, frozen=True):
    """One rule for numbers: it fits by ``prefix`` or by ``match``, a pattern of the whole number."""

    prefix: str | None = None
    """What the number begins with."""
    match: str | None = None
    """A regular expression that the whole number fits."""
    strip: int = 0
    """So many characters are taken from the front,"""
    add: str = ""
    """and these put there."""
    replace: str | None = None
    r"""The number written anew, with ``\1`` to ``\9`` for the groups of ``match``."""


class Numbers(Section, frozen=True):
    """How numbers are rewritten; of each list the first rule that fits counts, and without any nothing changes."""

    caller: tuple[NumberRule, ...] = ()
    """Who calls, in calls from the carrier."""
    dialled: tuple[NumberRule, ...] = ()
    """What was dialled, in calls from the carrier; an extension behind it stays."""
    shown: tuple[NumberRule, ...] = ()
    """The number shown, in calls to the carrier."""
    called: tuple[NumberRule, ...] = ()
    """Who is called, in calls to the carrier."""


class HeaderRule(Section, frozen=True):
    """One rule for header lines: exactly one of set, add and remove."""

    set: str | None = None
    """The one header line of this name;"""
    add: str | None = None
    """one more of it;"""
    remove: str | None = None
    """none of it."""
    to: str = ""
    """The value, in which ``{shown}``, ``{called}``, ``{domain}``, ``{trunk}``, ``{gateway}`` and ``{account}`` are
    filled in. A line with an empty one is left out; the number of who really calls is none of them."""


class Headers(Section, frozen=True):
    """Header lines of INVITEs from and to the carrier, one rule after another."""

    incoming: tuple[HeaderRule, ...] = ()
    """Before anything is read of the INVITE."""
    outgoing: tuple[HeaderRule, ...] = ()
    """Last of all, when an INVITE is written."""
