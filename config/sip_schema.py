"""The section `sip:`: where SIP is received, connections, timers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from config.section import Port, Section
from config.values import Duration


class Listen(Section, frozen=True):
    """One address on which SIP is received; each transport may have one on IPv4 and one on IPv6."""

    host: str
    """An IP literal of this machine; concrete, since it stands in Via, Contact and SDP."""
    port: Port = 5060
    transport: Literal["udp", "tcp", "tls", "ws", "wss"] = "udp"
    """Browsers come by "wss"; "ws" is for a proxy on the way that ends their TLS."""
    certificate: str | None = None
    """PEM file with the certificate that a listener of "tls" or "wss" shows, and those between it and its authority."""
    key: str | None = None
    """PEM file with its private key."""
    client_ca: str | None = None
    """PEM file with authorities: who connects must show a certificate of one of them (mutual TLS)."""
    path: str = "/"
    """Of "ws" and "wss": where browsers connect; wss://HOST:PORT/ as it is."""
    origins: tuple[str, ...] = ()
    """Of "ws" and "wss": from where pages may connect, as "https://desk.example.com"; "*" for all, without any those of
    the same host. Phones that are no browsers name no origin and may."""


class Connections(Section, frozen=True):
    """Bounds of connections: TCP, TLS and WebSockets."""

    most: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    """In all; further ones are refused."""
    per_source: Annotated[int, Meta(ge=1, le=1_000_000)] = 500
    """With one IP address: behind it may be a whole office."""
    connect: Duration = Duration(5.0)
    """How long connecting and the handshake of TLS may take, and that of a WebSocket after it."""
    idle: Duration = Duration(7200.0)
    """A connection on which nothing has passed for so long is ended; phones register at least every hour."""
    ping: Duration = Duration(40.0)
    """A WebSocket that is silent for so long is pinged, which keeps proxies from ending it; it ends without a pong."""
    server_ca: str | None = None
    """PEM file with the authorities of carriers we connect to by TLS; those of the system when it is left out."""
    verify: bool = True
    """Whether carriers' certificates are verified; without it anybody on the way can read and change calls."""


class SipTimers(Section, frozen=True):
    """Base values of the transaction timers (RFC 3261 section 17, table 4)."""

    t1: Duration = Duration(0.5)
    t2: Duration = Duration(4.0)
    t4: Duration = Duration(5.0)
    d: Duration = Duration(32.0)
    """The least Timer D; RFC 3261 wants 32 s, less is for networks where every T1 is known to be short."""


class Sip(Section, frozen=True):
    """The SIP side: where it listens and what it calls itself."""

    listen: Annotated[tuple[Listen, ...], Meta(min_length=1)] = (Listen(host="127.0.0.1"),)
    """The first one is what the switch calls itself."""
    domain: str = "switchboard.local"
    """The domain of accounts, and the realm of their digest."""
    timers: SipTimers = SipTimers()
    connections: Connections = Connections()
    collect: Duration = Duration(0.04)
    """How long a datagram may wait for others, at most, while more than 1,200 come in a second (170 calls/s), and in
    proportion less from 400 on: several cost less when they are served at once. At 200 calls/s a call takes a sixth
    less CPU with 40ms than with 20ms, and its INVITE is answered 32 ms later. 0: each is served as it comes, as it
    always is below 400."""
    user_agent: str = "switchboard"
    """What User-Agent and Server say."""
    auto_answer: tuple[Literal["answer-mode", "call-info", "alert-info"], ...] = ()
    """How desk phones are made to answer calls that their owner has asked for (click to call); none: they ring."""
    session_expires: Duration = Duration(1800.0)
    """The session interval we offer (RFC 4028); after half of it also a peer without session timers is asked whether it
    is still there. 0: neither, but a peer that wants a session timer has it."""
    min_se: Duration = Duration(90.0)
    """The least interval taken from others, who get 422 for less."""
    reliable_provisional: Literal["off", "supported", "required"] = "off"
    """Whether provisional responses are acknowledged by PRACK (RFC 3262): 183 with early media to and from those who
    know it; ``required``: who does not know it gets 421."""
