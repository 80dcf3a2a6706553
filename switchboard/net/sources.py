"""Who may speak to the switch: addresses that are blocked, those that ask too much, and scanners get silence.

The address of a trunk, and one from which a phone has proved itself within a day, is trusted and never blocked.
Everybody else is judged by its site, an IPv4 address or the /64 of an IPv6 one: too many requests are passed over
while they last (a token bucket); a known scanner at once, and one that fails too often, is silenced for a while. A
source address can be forged over UDP, so silence ends by itself. All tables are bounded; while nobody is blocked a
datagram costs nothing, else one look-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple, Protocol, TypeAlias

import msgspec

Address: TypeAlias = tuple[str, int]
Network: TypeAlias = IPv4Network | IPv6Network
Datagrams: TypeAlias = list[tuple[bytes, Address]]

MOST_TRUSTED: Final = 100_000
MOST_SUSPECTS: Final = 10_000
MOST_SILENCED: Final = 10_000
MOST_VERDICTS: Final = 50_000
TRUST: Final = 86_400.0
"""Seconds for which an address is trusted after a phone has proved itself there."""
FOREVER: Final = float("inf")
MOST_TOLD: Final = 20
"""Silenced sources logged a minute; the others are only counted."""

SCANNERS: Final = (
    "friendly-scanner", "sipvicious", "sipcli", "sip-scan", "sipscan", "sundayddr", "iwar", "vaxsipuseragent",
    "pplsip", "sipsak", "smap", "eyebeam release 3007n", "gulp", "sip-test", "custom-ua-scan", "siparmyknife",
)  # fmt: skip
"""What the User-Agent of programs contains that look for switches to break into, in lower case."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a source that is not trusted may do. Times in seconds."""

    rate: float = 200.0
    """Requests a second outside dialogs."""
    burst: float = 2000.0
    failures: float = 20.0
    """So many failures within `window` silence it: wrong passwords, accounts that do not exist."""
    window: float = 60.0
    silence: float = 600.0


class Blocked(NamedTuple):
    """A network that is blocked: why, and until when (monotonic seconds)."""

    network: Network
    reason: str
    until: float


class Door(Protocol):
    """What calls ask of it; `now` is monotonic seconds."""

    def turns_away(self, source: Address, agent: str | None, now: float) -> bool:
        """Whether a request outside dialogs from somebody unknown is passed over in silence."""

    def trusts(self, source: Address, now: float) -> bool:
        """Whether this is a trunk's or a known phone's address."""

    def failed(self, source: Address, now: float) -> None:
        """A password was wrong, or an account does not exist."""

    def proved(self, source: Address, now: float) -> None:
        """A phone has proved itself."""


class OpenDoor:
    """Lets everybody in."""

    def turns_away(self, source: Address, agent: str | None, now: float) -> bool:
        """Nobody."""
        return False

    def trusts(self, source: Address, now: float) -> bool:
        """Everybody."""
        return True

    def failed(self, source: Address, now: float) -> None:
        """Does not matter."""

    def proved(self, source: Address, now: float) -> None:
        """Does not matter."""


class _Suspect:
    """What an unknown site has left, and how often it failed of late."""

    __slots__ = ("at", "failures", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.failures = 0.0
        self.at = at


class _Verdicts(dict[str, bool]):
    """Whether a host is blocked, judged when it is first seen."""

    __slots__ = ("_judge",)

    def __init__(self, judge: Callable[[str], bool]) -> None:
        super().__init__()
        self._judge = judge

    def __missing__(self, host: str) -> bool:
        if len(self) >= MOST_VERDICTS:
            self.clear()
        verdict = self[host] = self._judge(host)
        return verdict


class SourceGuard:
    """Implements `Door`. `enforce(active)` says when datagrams have to pass `screen` and when they need not."""

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        *,
        trunks: Iterable[str] = (),
        blocked: Iterable[str] = (),
        scanners: Iterable[str] = (),
        tell: Callable[..., None] = lambda event, **values: None,
    ) -> None:
        """`trunks` are sources as trunks have them, `blocked` addresses and networks that are so for good."""
        self.enforce: Callable[[bool], None] = lambda active: None
        self.turned_away = 0
        """Requests passed over because their source asked too much, or is a scanner."""
        self.dropped = 0
        """Datagrams of blocked sources."""
        self.silenced = 0
        """How often a source was silenced."""
        self._limits = limits
        self._trunks = [network_of(text) for text in trunks]
        self._scanners = (*SCANNERS, *(text.lower() for text in scanners))
        self._tell = tell
        self._told = (0.0, 0)
        self._trusted: dict[str, float] = {}
        self._suspects: dict[str, _Suspect] = {}
        self._networks: dict[Network, Blocked] = {}
        self._sites: dict[str, Blocked] = {}
        self._next_end = FOREVER
        self._verdicts = _Verdicts(self._judge)
        for text in blocked:
            network = network_of(text)
            self._networks[network] = Blocked(network, "configured", FOREVER)

    def set_trunks(self, trunks: Iterable[str]) -> None:
        """Trust these from now on, and those no more that are trunks no more."""
        self._trunks = [network_of(text) for text in trunks]
        self._trusted = {host: until for host, until in self._trusted.items() if until != FOREVER}
        self._changed()

    # --- datagrams

    @property
    def active(self) -> bool:
        """Whether anybody is blocked."""
        return bool(self._sites or self._networks)

    def screen(self, datagrams: Datagrams) -> Datagrams:
        """Those that do not come from somebody blocked."""
        verdicts = self._verdicts
        kept = [datagram for datagram in datagrams if not verdicts[datagram[1][0]]]
        self.dropped += len(datagrams) - len(kept)
        return kept

    def _judge(self, host: str) -> bool:
        if host in self._trusted:
            return False
        if site_of(host) in self._sites:
            return not self._is_trunk(host)
        if not self._networks:
            return False
        address = _address(host)
        return any(address in network for network in self._networks) and not self._is_trunk(host)

    # --- what calls tell

    def turns_away(self, source: Address, agent: str | None, now: float) -> bool:
        """Whether a request outside dialogs from somebody unknown is passed over in silence."""
        if self.trusts(source, now):
            return False
        if agent is not None and self._is_scanner(agent):
            self.turned_away += 1
            self._silence(site_of(source[0]), "scanner", now)
            return True
        suspect = self._suspect(site_of(source[0]), now)
        if suspect.tokens < 1.0:
            self.turned_away += 1
            return True
        suspect.tokens -= 1.0
        return False

    def trusts(self, source: Address, now: float) -> bool:
        """Whether this is a trunk's or a known phone's address."""
        host = source[0]
        until = self._trusted.get(host)
        if until is not None:
            if until > now:
                return True
            del self._trusted[host]
        if not self._trunks or not self._is_trunk(host):
            return False
        self._trust(host, FOREVER)
        return True

    def failed(self, source: Address, now: float) -> None:
        """A password was wrong, or an account does not exist."""
        if self.trusts(source, now):
            return
        suspect = self._suspect(site_of(source[0]), now)
        suspect.failures += 1.0
        if suspect.failures > self._limits.failures - 1.0:
            self._silence(site_of(source[0]), "failures", now)

    def proved(self, source: Address, now: float) -> None:
        """A phone has proved itself."""
        if self._trusted.get(source[0]) == FOREVER:
            return
        self._suspects.pop(site_of(source[0]), None)
        self._trust(source[0], now + TRUST)

    def _trust(self, host: str, until: float) -> None:
        self._trusted.pop(host, None)
        self._trusted[host] = until
        if len(self._trusted) > MOST_TRUSTED:
            del self._trusted[next(iter(self._trusted))]

    def _suspect(self, site: str, now: float) -> _Suspect:
        limits = self._limits
        suspect = self._suspects.get(site)
        if suspect is None:
            suspect = self._suspects[site] = _Suspect(limits.burst, now)
            if len(self._suspects) > MOST_SUSPECTS:
                del self._suspects[next(iter(self._suspects))]
            return suspect
        passed = now - suspect.at
        suspect.at = now
        suspect.tokens = min(limits.burst, suspect.tokens + passed * limits.rate)
        suspect.failures = max(0.0, suspect.failures - passed * limits.failures / limits.window)
        return suspect

    def _is_scanner(self, agent: str) -> bool:
        agent = agent.lower()
        return any(name in agent for name in self._scanners)

    def _is_trunk(self, host: str) -> bool:
        address = _address(host)
        return any(address in network for network in self._trunks)

    def _silence(self, site: str, reason: str, now: float) -> None:
        self._suspects.pop(site, None)
        self._sites.pop(site, None)
        if len(self._sites) >= MOST_SILENCED:
            del self._sites[next(iter(self._sites))]
        until = now + self._limits.silence
        self._sites[site] = Blocked(network_of(site), reason, until)
        self._next_end = min(self._next_end, until)
        self.silenced += 1
        self._changed()
        since, count = self._told
        if now - since >= 60.0:
            since, count = now, 0
        if count < MOST_TOLD:
            self._tell("source.silenced", address=site, reason=reason, seconds=self._limits.silence)
        self._told = since, count + 1

    # --- the operator

    def block(self, text: str, now: float, seconds: float | None = None) -> str:
        """Block an address or network, for good or for a while; its one form. ValueError says why it cannot be."""
        network = network_of(text)
        for trunk in self._trunks:
            if trunk.version == network.version and trunk.overlaps(network):
                raise ValueError(f"{network} belongs to a trunk, or holds one: {trunk}")
        single = str(network.network_address) if network.num_addresses == 1 else ""
        for host in (single,) if single else self._trusted:
            if self._trusted.get(host, 0.0) > now and _address(host) in network:
                raise ValueError(f"{network} is, or holds, {host}, where a registered phone is")
        until = FOREVER if seconds is None else now + seconds
        self._networks[network] = Blocked(network, "operator", until)
        self._next_end = min(self._next_end, until)
        self._changed()
        return str(network)

    def unblock(self, text: str) -> bool:
        """Let an address or network in again, and forget what it did; False when it was not blocked."""
        network = network_of(text)
        found = self._networks.pop(network, None)
        sites = [
            site
            for site, one in self._sites.items()
            if one.network.version == network.version and one.network.overlaps(network)
        ]
        for site in sites:
            del self._sites[site]
        self._changed()
        return found is not None or bool(sites)

    def blocked(self, now: float) -> Sequence[Blocked]:
        """Who is blocked, networks first."""
        self.sweep(now)
        return [*self._networks.values(), *self._sites.values()]

    def sweep(self, now: float) -> None:
        """Let in those whose time is over; costs nothing before the first of them."""
        if now < self._next_end:
            return
        self._sites = {site: one for site, one in self._sites.items() if one.until > now}
        self._networks = {network: one for network, one in self._networks.items() if one.until > now}
        ends = [one.until for one in (*self._sites.values(), *self._networks.values())]
        self._next_end = min(ends, default=FOREVER)
        self._changed()

    def counts(self) -> dict[str, int]:
        """Sizes of the tables."""
        return {
            "sources_blocked": len(self._sites) + len(self._networks),
            "sources_trusted": len(self._trusted),
            "sources_suspected": len(self._suspects),
        }

    def _changed(self) -> None:
        self._verdicts.clear()
        self.enforce(self.active)


def network_of(text: str) -> Network:
    """An address, a network, or either with a port that does not matter here; ValueError for anything else."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    return ip_network(host)


def site_of(host: str) -> str:
    """What is judged as one: an IPv4 address, or the /64 of an IPv6 one, all of which one subscriber has (RFC 6177)."""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def _address(host: str) -> object:
    address = ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
