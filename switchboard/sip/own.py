"""What this element calls itself on each transport, and which timers hold there."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from switchboard.sip.flow import SIX, STREAMS, Udp6Address, transport_of
from switchboard.sip.outgoing import Address
from switchboard.sip.render import host_port
from switchboard.sip.timers import ReliableTimers, Timers

LARGEST_DATAGRAM: Final = 1300
"""Octets of a request that may go by UDP where TCP could be used, the path MTU being unknown (RFC 3261 §18.1.1)."""


class Own(msgspec.Struct, frozen=True):
    """One transport: the start of our Via, our Contact, the column of RFC 3261 Table 4.

    `secure` is our Contact where it has to be a SIPS URI; the same as ever on transports that have none.
    """

    via: str
    contact: str
    timers: Timers
    secure: str


class OwnPlaces:
    """Where we are, by the type of the peer's address."""

    __slots__ = ("_contacts", "by_type", "contact", "places", "tcp", "vias")

    def __init__(
        self,
        local: Address,
        timers: Timers,
        streams: Mapping[str, Address],
        six: Mapping[str, Address] = MappingProxyType({}),
    ) -> None:
        """Take the address of UDP, those of "tcp", "tls", "ws" and "wss" as far as there are any.

        `six` are those on IPv6 of transports that are there on both. What is there once serves peers of either family.
        """
        udp = _on_udp(local, timers)
        reliable = ReliableTimers(timers.t1, timers.t2, timers.t4, timers.least_d)
        # Without TCP what asks for it goes by UDP, as far as that reaches; others are never replaced, sending fails.
        self.by_type: dict[type, Own] = dict.fromkeys((tuple, Udp6Address, *STREAMS.values(), *SIX.values()), udp)
        for name, address in streams.items():
            self.by_type[STREAMS[name]] = self.by_type[SIX[name]] = _on_stream(name, address, reliable)
        for name, address in six.items():
            if name == "udp":
                self.by_type[Udp6Address] = _on_udp(address, timers)
            else:
                self.by_type[SIX[name]] = _on_stream(name, address, reliable)
        self.contact = udp.contact
        self._contacts = frozenset(f"Contact: {own.contact}" for own in self.by_type.values())
        self.tcp = "tcp" in streams
        self.vias = tuple({f"{own.via};" for own in self.by_type.values()})
        """How the top Via of a response to us begins."""
        ours = (local, *streams.values(), *six.values())
        self.places = frozenset((host.strip("[]").lower(), port) for host, port in ours)

    def headers(self, headers: tuple[str, ...], peer: Address, *, secure: bool) -> tuple[str, ...]:
        """Header lines with our Contact as the peer can use it, whatever transport it was made for."""
        own = self.by_type[type(peer)]
        theirs = f"Contact: {own.secure if secure else own.contact}"
        return tuple([theirs if line in self._contacts else line for line in headers])


def _on_udp(address: Address, timers: Timers) -> Own:
    place = host_port(address)
    contact = f"<sip:{place}>"
    return Own(f"SIP/2.0/UDP {place}", contact, timers, contact)


def _on_stream(name: str, address: Address, timers: Timers) -> Own:
    place = host_port(address)
    contact = f"<sip:{place};transport={transport_of(STREAMS[name](address))}>"
    # RFC 5630 §3.1.3: with this scheme TLS goes without saying.
    secure = {"tls": f"<sips:{place}>", "wss": f"<sips:{place};transport=ws>"}.get(name, contact)
    return Own(f"SIP/2.0/{name.upper()} {place}", contact, timers, secure)
