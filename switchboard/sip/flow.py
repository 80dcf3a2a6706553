"""Addresses by how they are reached, told by their type: connections, UDP over IPv6 and, plain, UDP over IPv4."""

from __future__ import annotations

from typing import ClassVar, Final

from switchboard.sip.outgoing import Address


class Udp6Address(tuple[str, int]):
    """A peer over UDP and IPv6; equal to the plain tuple, but sent to by the socket of its family."""

    __slots__ = ()


class StreamAddress(tuple[str, int]):
    """IP address and port of a peer on a stream; equal only to the same place on the same transport.

    A plain tuple stands for UDP, so that what only looks at host and port need not know of connections.
    """

    __slots__ = ()
    transport: ClassVar[str] = ""
    """As Via writes it (RFC 3261 §20.42)."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.transport, self[0], self[1]))


class TcpAddress(StreamAddress):
    """A peer over TCP."""

    __slots__ = ()
    transport = "TCP"


class TlsAddress(StreamAddress):
    """A peer over TLS."""

    __slots__ = ()
    transport = "TLS"


class Tcp6Address(TcpAddress):
    """A peer over TCP and IPv6."""

    __slots__ = ()


class Tls6Address(TlsAddress):
    """A peer over TLS and IPv6."""

    __slots__ = ()


class WebAddress(StreamAddress):
    """A peer over a WebSocket: it connects to us, and nobody can to it (RFC 7118 §5)."""

    __slots__ = ()


class WsAddress(WebAddress):
    """A peer over a WebSocket in the clear."""

    __slots__ = ()
    transport = "WS"


class WssAddress(WebAddress):
    """A peer over a WebSocket in TLS."""

    __slots__ = ()
    transport = "WSS"


STREAMS: Final[dict[str, type[StreamAddress]]] = {
    "tcp": TcpAddress,
    "tls": TlsAddress,
    "ws": WsAddress,
    "wss": WssAddress,
}
"""By the transport parameter of a URI (RFC 3261 §19.1.1); "wss" stands in sip.listen, URIs say "ws" (RFC 7118 §5.4)."""

SIX: Final[dict[str, type[StreamAddress]]] = {**STREAMS, "tcp": Tcp6Address, "tls": Tls6Address}
"""The same of peers on IPv6; WebSockets know no difference, nobody is called by a new one."""


def on_transport(address: Address, transport: str) -> Address:
    """The same place by another transport: "udp", "tcp", "tls", "ws", "wss"; an unknown one is taken as UDP."""
    name = transport.lower()
    if ":" in address[0]:
        six = SIX.get(name)
        return Udp6Address(address) if six is None else six(address)
    kind = STREAMS.get(name)
    return (address[0], address[1]) if kind is None else kind(address)


def transport_of(address: Address) -> str:
    """The transport of an address as a URI parameter: "udp", "tcp", "tls" or "ws"."""
    if not isinstance(address, StreamAddress):
        return "udp"
    return "ws" if isinstance(address, WebAddress) else address.transport.lower()
