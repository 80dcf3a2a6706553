"""The INVITEs of a call to a public number: one gateway after another, each as its carrier wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from routing.masks.shown import allowed
from routing.masks.target import NumberTarget
from routing.trunks.header_rules import apply_rules
from routing.trunks.rewriting import rewrite
from routing.trunks.table import LiveGateway
from switchboard.calls.carriers.description import Site, Trunk
from switchboard.calls.causes import CONGESTION, UNREACHABLE, Cause
from switchboard.calls.plan import Destination, Group, Plan
from switchboard.sip.outgoing import Address
from switchboard.sip.render import host_port

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange

MOST_PLACES: Final = 12
"""So many places are tried for one call, over all gateways and trunks."""
MOST_ADDRESSES: Final = 4
"""The same of the addresses of one gateway's name."""
_BUSY: Final = frozenset({"full", "fast"})


def number_plan(x: Exchange, target: NumberTarget, shown: str, now: float) -> Plan | Cause:
    """Where a call to a number goes, by the trunks of the target in their order; `shown` is shown, else its own."""
    carriers = x.carriers
    choice = carriers.table.choose(target.trunk, now)
    if not choice.gateways:
        x.log("trunk.none", trunk=target.trunk, reason=choice.reason)
        return CONGESTION if choice.reason in _BUSY else UNREACHABLE
    number = x.secrets.open(target.secret)
    clear, peer, shown = number.reveal("dial on trunk"), str(number), shown or target.shown
    groups: list[Group] = []
    for gateway in choice.gateways:
        trunk, site = carriers.trunks[gateway.trunk], carriers.site(gateway)
        assert site is not None
        if groups and _is_secured(x, trunk) and groups[0].destinations[0].srtp != "required":
            # All are offered what the first is, and this carrier's calls are not to go in clear.
            x.log("trunk.passed_over", gateway=gateway.key, reason="srtp")
            continue
        for address in carriers.places(site, now)[:MOST_ADDRESSES]:
            found = _destination(x, gateway, trunk, site, address, clear, peer, shown)
            groups.append(Group((found,), trunk.failover, trunk.silence))
            if len(groups) == MOST_PLACES:
                return tuple(groups)
    if not groups:
        x.log("trunk.none", trunk=target.trunk, reason="no address")
    return tuple(groups) or UNREACHABLE


def _destination(
    x: Exchange,
    gateway: LiveGateway,
    trunk: Trunk,
    site: Site,
    address: Address,
    number: str,
    peer: str,
    shown: str,
) -> Destination:
    called = rewrite(trunk.numbers.called, number) if trunk.numbers.called else number
    seen = _seen(trunk, shown)
    by = "" if site.transport in ("", "udp") else f";transport={site.transport}"
    uri = f"sip:{called.replace('#', '%23')}@{trunk.domain or _authority(site, address)}{by}"
    headers, drops = _headers(gateway, trunk, site, called, seen)
    return Destination(
        uri,
        f"<{uri}>",
        seen,
        address,
        peer,
        trunk.nat,
        routes=x.carriers.routes(gateway),
        headers=(*headers, *x.carriers.credentials(gateway.key, "INVITE", uri)),
        drops=drops,
        from_=_from(trunk, seen, x.settings.local[0]),
        gateway=gateway.key,
        codecs=trunk.codecs,
        srtp=trunk.srtp or x.settings.srtp,
        keys=trunk.keys,
        audio_from=trunk.audio_from,
    )


def _is_secured(x: Exchange, trunk: Trunk) -> bool:
    return (trunk.srtp or x.settings.srtp) == "required"


def _authority(site: Site, address: Address) -> str:
    """Who is asked, as the carrier calls it: its name where it has one, else its address and port."""
    return site.to if site.named else host_port(address)


def _seen(trunk: Trunk, shown: str) -> str:
    """The number shown as the carrier wants it; no rule makes a service number of it."""
    if not trunk.numbers.shown or not shown:
        return shown
    made = rewrite(trunk.numbers.shown, shown)
    return made if allowed(made) is not None else shown


def _from(trunk: Trunk, shown: str, local: str) -> str:
    """The From where the carrier wants another one than the number shown at our address."""
    if not trunk.domain and not trunk.from_user:
        return ""
    user = trunk.from_user or shown
    return f"<sip:{user}@{trunk.domain or local}>" if user else ""


def _headers(
    gateway: LiveGateway, trunk: Trunk, site: Site, called: str, shown: str
) -> tuple[tuple[str, ...], frozenset[str]]:
    """Header lines by the rules of the carrier, and those which these replace or leave out."""
    if not trunk.outgoing:
        return (), frozenset()
    values = {
        "shown": shown,
        "called": called,
        "domain": trunk.domain_at(site),
        "trunk": trunk.name,
        "gateway": gateway.gateway.name,
        "account": site.login.user if site.login is not None else "",
    }
    drops = frozenset(rule.name.lower() for rule in trunk.outgoing if rule.action != "add")
    return apply_rules(trunk.outgoing, (), values), drops
