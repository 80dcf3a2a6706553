"""Which trunk a packet comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

MAX_REMEMBERED = 4096  # source addresses are the sender's choice; what is remembered of them stays bounded

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrunkError(ValueError):
    """A trunk's source cannot be read, or two trunks share one."""


class Trunks:
    """Sources of trunks: single addresses by one look-up, networks by the longest that contains the address.

    A source is "192.0.2.1", "192.0.2.0/24", "2001:db8::1" or one of these with a port: "192.0.2.1:5070",
    "[2001:db8::1]:5070". At equal length the one with a port wins.
    """

    __slots__ = ("_exact", "_learned", "_networks", "_remembered")

    def __init__(self, sources: Mapping[str, Iterable[str]]) -> None:
        self._exact: dict[tuple[str, int], str] = {}
        networks: dict[tuple[_Network, int], str] = {}
        for name, texts in sources.items():
            for text in texts:
                network, port = _parse(name, text)
                owner = networks.setdefault((network, port), name)
                if owner != name:
                    raise TrunkError(f"trunks {owner} and {name} both claim {text}")
                if network.num_addresses == 1:
                    self._exact[str(network.network_address), port] = name
        self._networks = sorted(
            ((network, port, name) for (network, port), name in networks.items()),
            key=lambda item: (-item[0].prefixlen, item[1] == 0),
        )
        self._remembered: dict[tuple[str, int], str | None] = {}
        self._learned: Mapping[tuple[str, int], str] = {}

    def learn(self, addresses: Mapping[tuple[str, int], str]) -> None:
        """Addresses of trunks as they were looked up, port 0 for any port; they go before networks, after all else."""
        self._learned = addresses

    def identify(self, host: str, port: int) -> str | None:
        """Return the trunk a source address belongs to."""
        exact = self._exact
        name = exact.get((host, port)) or exact.get((host, 0))
        if name is None and self._learned:
            name = self._learned.get((host, port)) or self._learned.get((host, 0))
        if name is not None or not self._networks:
            return name
        remembered = self._remembered
        try:
            return remembered[host, port]
        except KeyError:
            if len(remembered) >= MAX_REMEMBERED:
                remembered.clear()
            name = remembered[host, port] = self._longest(host, port)
            return name

    def _longest(self, host: str, port: int) -> str | None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        for network, wanted, name in self._networks:
            if wanted in (0, port) and address in network:
                return name
        return None


def _parse(name: str, text: str) -> tuple[_Network, int]:
    host, port = text.strip(), ""
    if host.startswith("["):
        host, closed, port = host[1:].partition("]")
        port = port.removeprefix(":") if closed else "missing"
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    try:
        network = ipaddress.ip_network(host)
    except ValueError as error:
        raise TrunkError(f"trunk {name}: '{text}' is no IP address or network ({error})") from None
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and 0 < int(port) < 65536):
        raise TrunkError(f"trunk {name}: '{text}' has no valid port")
    return network, int(port or 0)
