"""Which names the configuration has, who is asked for them, and what of theirs we can use."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator

from config.addresses import address, host_port
from config.schema import Config
from routing.masks.target import EXTENSION_SLOT
from switchboard.net.locator import Locator
from switchboard.net.resolver import DNS_PORT, DnsResolver
from switchboard.sip.errors import SipError
from switchboard.sip.locating import PREFIXES, Kind, Means, Place, is_address, place_of
from switchboard.sip.uri import parse_uri
from switchboard.trunk_config import places_of


def open_locator(config: Config, patterns: Iterable[str], tell: Callable[..., None]) -> Locator:
    """The locator of a switch, with the names of its configuration and masks; nothing is asked yet."""
    servers = tuple((server, DNS_PORT) if address(server) else host_port(server) for server in config.dns.servers)
    resolver = DnsResolver(tuple(server for server in servers if server is not None), float(config.dns.timeout))
    locator = Locator(resolver, means_of(config), lambda most: secrets.randbelow(most + 1), tell=tell)
    locator.keep(configured_places(config, patterns))
    return locator


def means_of(config: Config) -> Means:
    """By transport that we listen on, the families of addresses there; IPv6 first, as RFC 6724 has it."""
    means: dict[str, set[Kind]] = {}
    for listen in config.sip.listen:
        if listen.transport not in PREFIXES:
            # Nobody is called by a WebSocket that is not open.
            continue
        means.setdefault(listen.transport, set()).add("AAAA" if ":" in listen.host else "A")
    kinds: tuple[Kind, ...] = ("AAAA", "A")
    return {transport: tuple(kind for kind in kinds if kind in found) for transport, found in means.items()}


def configured_places(config: Config, patterns: Iterable[str] = ()) -> set[Place]:
    """Where carriers and targets are that the configuration calls by name, and those of masks in `patterns`."""
    places = {*places_of(config), *_targets(config, patterns)}
    return {place for place in places if place.host != "localhost" and not is_address(place.host)}


def _targets(config: Config, patterns: Iterable[str]) -> Iterator[Place]:
    texts: list[str | None] = [*patterns]
    texts += [entry.target for entry in config.numbers] + [mask.target for mask in config.masks]
    texts += [agent.phone for agent in config.agents] + [one for group in config.groups for one in group.members]
    for text in texts:
        if text is not None and text.startswith(("sip:", "sips:")):
            try:
                yield place_of(parse_uri(text.replace(EXTENSION_SLOT, "0")))
            except SipError:
                continue
