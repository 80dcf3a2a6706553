"""What is configured of a carrier."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from media.control import KeyForm
from media.sdes import Policy
from routing.acd.hours import ALWAYS, Hours
from routing.trunks.failover import USUAL
from routing.trunks.header_rules import HeaderRule
from routing.trunks.limits import Limits
from routing.trunks.model import Carrier, Gateway
from routing.trunks.rewriting import NumberRule
from switchboard.sip.flow import transport_of
from switchboard.sip.locating import is_address
from switchboard.sip.outgoing import Address
from switchboard.sip.render import host_port

ONLY_GATEWAY: Final = "1"
"""What the one place of a carrier is called."""


class Login(msgspec.Struct, frozen=True):
    """An account at a carrier; `realm` is the only one that may ask for it, "" for any."""

    user: str
    password: str
    realm: str = ""

    def __repr__(self) -> str:
        return f"Login({self.user!r})"


class Site(msgspec.Struct, frozen=True):
    """A gateway and where it is: `to` as `host`, `host:port` or `address:port`; `transport` "" leaves it to DNS."""

    gateway: Gateway
    to: str
    transport: str = "udp"
    login: Login | None = None

    @property
    def named(self) -> bool:
        """Whether it is known by a name, which may lead elsewhere tomorrow."""
        return not _is_literal(self.to)

    @property
    def host(self) -> str:
        """Its name or address, as it stands in a URI."""
        if self.to.startswith("["):
            return self.to.partition("]")[0] + "]"
        return self.to.partition(":")[0] if self.to.count(":") == 1 else self.to


@lru_cache(maxsize=4096)
def _is_literal(to: str) -> bool:
    return to.startswith("[") or is_address(to.rpartition(":")[0] or to)


class Registering(msgspec.Struct, frozen=True):
    """Who is registered (`user` at the carrier's domain), by which user part of our contact. Seconds."""

    user: str
    contact: str
    expires: int = 3600
    retry: float = 30.0
    each: bool = False
    """At each gateway; else at the first that takes it."""


class Rewriting(msgspec.Struct, frozen=True):
    """Rules for numbers, of calls that come and of calls that go."""

    caller: tuple[NumberRule, ...] = ()
    dialled: tuple[NumberRule, ...] = ()
    shown: tuple[NumberRule, ...] = ()
    called: tuple[NumberRule, ...] = ()


NO_REWRITING: Final = Rewriting()


class Trunk(msgspec.Struct, frozen=True):
    """A carrier; `to` is its one place where it has no `sites`, None for one that only sends calls."""

    name: str
    to: Address | None
    nat: bool
    landing: Mapping[str, str] = {}
    """Landing numbers and the published ones they stand for."""
    codecs: tuple[str, ...] = ()
    """The names of its codecs where they are not those of `Settings`; `any`: others pass through."""
    srtp: Policy | None = None
    """Whether its calls are secured, where it is not as in `Settings`."""
    trusted: bool = True
    """Whether it is believed what it asserts of callers (RFC 3325)."""
    keys: KeyForm = "auto"
    audio_from: str = ""
    """Where its audio comes from when that is not where it is heard, as in `Leg`."""
    sites: tuple[Site, ...] = ()
    sources: tuple[str, ...] = ()
    """Where its calls come from; empty: from its places."""
    limits: Limits = Limits()
    hours: Hours = ALWAYS
    failover: frozenset[int] = USUAL
    silence: float = 4.0
    domain: str = ""
    """The host of Request-URI, From and To in requests to it; "": its address, and ours in From."""
    from_user: str = ""
    numbers: Rewriting = NO_REWRITING
    incoming: tuple[HeaderRule, ...] = ()
    outgoing: tuple[HeaderRule, ...] = ()
    registering: Registering | None = None
    disabled: bool = False

    @property
    def places(self) -> tuple[Site, ...]:
        """Its gateways, of which `to` is the only one where it stands alone."""
        if self.sites or self.to is None:
            return self.sites
        return (Site(Gateway(name=ONLY_GATEWAY), host_port(self.to), transport_of(self.to)),)

    def domain_at(self, site: Site) -> str:
        """The host of requests to one of its places that are about nobody's number."""
        return self.domain or site.host

    @property
    def plain(self) -> bool:
        """Whether what comes from it is read as it is."""
        return not self.incoming and not self.numbers.caller and not self.numbers.dialled and self.registering is None

    @property
    def carrier(self) -> Carrier:
        """What the choice of its gateways depends on."""
        return Carrier(
            name=self.name,
            gateways=tuple(site.gateway for site in self.places),
            limits=self.limits,
            hours=self.hours,
            failover=self.failover,
            disabled=self.disabled,
            registers=self.registering is not None,
        )
