"""The carriers of the configuration in the words of calls, routing and connections."""

from __future__ import annotations

from collections.abc import Iterator

import config.schema as written
from config.schema import Config
from config.trunk_checks import header_rule
from config.trunk_schema import Gateway, NumberRule
from config.trunk_schema import Login as AtCarrier
from routing.acd.hours import parse_hours
from routing.trunks import Trunks, model
from routing.trunks.failover import read_failover
from routing.trunks.health import Probing
from routing.trunks.limits import Limits
from routing.trunks.rewriting import NumberRule as Rule
from routing.trunks.rewriting import read_rule
from switchboard.calls.carriers.description import ONLY_GATEWAY, Login, Registering, Rewriting, Site, Trunk
from switchboard.sip.locating import Place, named_place


def trunks_of(config: Config) -> dict[str, Trunk]:
    """The carriers, by name."""
    return {trunk.name: _trunk(trunk) for trunk in config.trunks}


def way_out(config: Config) -> tuple[str, str] | None:
    """The trunks by which flows dial public numbers, with commas, and the number shown there."""
    outbound = config.outbound
    return (",".join(outbound.trunks), outbound.shown) if outbound is not None else None


def sources_of(config: Config) -> Trunks:
    """Where the calls of carriers come from, as far as it is written; raises TrunkError."""
    return Trunks({trunk.name: trunk.from_ for trunk in config.trunks})


def gateways_of(trunk: written.Trunk) -> tuple[Gateway, ...]:
    """The places of a carrier, also where it has only one."""
    if trunk.to is None:
        return trunk.gateways
    return (Gateway(to=trunk.to, name=ONLY_GATEWAY, certificate_name=trunk.certificate_name),)


def places_of(config: Config) -> Iterator[Place]:
    """Where all gateways are."""
    for trunk in config.trunks:
        for gateway in gateways_of(trunk):
            yield named_place(gateway.to, _transport(trunk, gateway))


def _transport(trunk: written.Trunk, gateway: Gateway) -> str:
    """What is asked for at a gateway; "" leaves it to DNS."""
    wanted = gateway.transport or trunk.transport
    return "" if wanted == "any" else wanted


def certificate_names(config: Config) -> dict[tuple[str, int], str]:
    """By address, the name that the certificate there must have, where it is said."""
    names: dict[tuple[str, int], str] = {}
    for trunk in config.trunks:
        for gateway in gateways_of(trunk):
            name = gateway.certificate_name or trunk.certificate_name
            host, _, port = gateway.to.rpartition(":")
            if name is not None and port.isdigit():
                names[host.strip("[]"), int(port)] = name
    return names


def _trunk(trunk: written.Trunk) -> Trunk:
    login = _login(trunk.login)
    return Trunk(
        trunk.name,
        None,
        trunk.nat,
        trunk.landing,
        codecs=trunk.codecs or (),
        srtp=trunk.srtp,
        trusted=trunk.trusted,
        keys=trunk.dtmf,
        audio_from=trunk.audio_from,
        sites=tuple(_site(trunk, gateway, str(place + 1), login) for place, gateway in enumerate(gateways_of(trunk))),
        sources=trunk.from_,
        limits=Limits(trunk.channels, trunk.cps),
        hours=parse_hours(trunk.hours),
        failover=read_failover(trunk.failover),
        silence=float(trunk.silence),
        domain=trunk.domain or "",
        from_user=trunk.from_user or "",
        numbers=Rewriting(
            _rules(trunk.numbers.caller),
            _rules(trunk.numbers.dialled),
            _rules(trunk.numbers.shown),
            _rules(trunk.numbers.called),
        ),
        incoming=tuple(header_rule(rule) for rule in trunk.headers.incoming),
        outgoing=tuple(header_rule(rule) for rule in trunk.headers.outgoing),
        registering=_registering(trunk),
        disabled=trunk.disabled,
    )


def _site(trunk: written.Trunk, gateway: Gateway, place: str, login: Login | None) -> Site:
    options = trunk.options
    return Site(
        model.Gateway(
            name=gateway.name or place,
            order=gateway.order,
            weight=gateway.weight,
            limits=Limits(gateway.channels, gateway.cps),
            probing=Probing(float(options.interval), options.up, options.down),
            disabled=gateway.disabled,
        ),
        gateway.to,
        _transport(trunk, gateway),
        _login(gateway.login) or login,
    )


def _login(login: AtCarrier | None) -> Login | None:
    if login is None:
        return None
    return Login(login.user, login.password.reveal("digest at the carrier"), login.realm)


def _registering(trunk: written.Trunk) -> Registering | None:
    register = trunk.register
    if register is None:
        return None
    user = register.user or (trunk.login.user if trunk.login is not None else "")
    return Registering(user, register.contact or user, int(register.expires), float(register.retry), register.each)


def _rules(rules: tuple[NumberRule, ...]) -> tuple[Rule, ...]:
    return tuple(read_rule(rule.prefix, rule.match, rule.strip, rule.add, rule.replace) for rule in rules)
