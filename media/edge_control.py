"""The protocol between signalling and the WebRTC edge, in the frames and with the greeting of media workers.

An endpoint is made ahead of demand and used once: its number never comes again while the edge lives.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from media.control import Attach, ControlError, Ping, Stats
from media.events import Hello, Pong
from media.framing import UNREADABLE
from media.ice_dtls import OwnTransport, PeerTransport, Role

Fault: TypeAlias = Literal["ice", "dtls", "fingerprint", "timeout", "consent", "closed"]
"""Why there is no connection: no path was found, the handshake failed, the certificate is not that of the SDP, it
took too long, the peer has vanished (RFC 7675), or has closed it."""


class _Message(msgspec.Struct, array_like=True, gc=False):
    pass


class Endpoint(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Gathered, with credentials of its own; a worker sends to `port` of `address`, RTP and RTCP alike."""

    number: int
    own: OwnTransport
    address: str
    port: int


# --- commands: signalling -> edge; `seq` as for workers ---


class Take(_Message, tag=20):
    """An endpoint is in use from now on: another is to be made. `controlling`: we offer (RFC 8445 §6.1.1)."""

    endpoint: int
    controlling: bool
    seq: int = 0


class Connect(_Message, tag=21):
    """Finds the path to the peer, shakes hands, relays to and from the worker's port; Connected or Failed follows."""

    endpoint: int
    peer: PeerTransport
    role: Role
    worker_address: str
    worker_port: int
    seq: int = 0


class Aim(_Message, tag=22):
    """The session's worker port is another now."""

    endpoint: int
    worker_address: str
    worker_port: int
    seq: int = 0


class Restart(_Message, tag=23):
    """The session of `endpoint` goes over the path of `spare` as soon as it is found (RFC 8445 §9); keys stay."""

    endpoint: int
    spare: int
    peer: PeerTransport
    seq: int = 0


class Drop(_Message, tag=24):
    """Ends what an endpoint does; always answered by Dropped."""

    endpoint: int
    seq: int = 0


EdgeCommand: TypeAlias = Attach | Ping | Stats | Take | Connect | Aim | Restart | Drop


# --- events: edge -> signalling ---


class Ready(_Message, tag=20):
    """More endpoints can be taken."""

    endpoints: list[Endpoint]


class Connected(_Message, tag=21):
    """Audio passes, `seconds` after Connect."""

    endpoint: int
    seconds: float


class Failed(_Message, tag=22):
    """The session has no connection, or no more."""

    endpoint: int
    fault: Fault


class Dropped(_Message, tag=23):
    """The endpoint is no more; what its session counted: packets each way, and those of the peer that were refused."""

    endpoint: int
    received: int = 0
    sent: int = 0
    refused: int = 0


class EdgeStats(_Message, tag=24):
    """What the edge counted since it started."""

    ready: int
    taken: int
    connected: int
    failed: int
    received: int
    sent: int
    refused: int
    cpu_seconds: float


EdgeEvent: TypeAlias = Hello | Pong | Ready | Connected | Failed | Dropped | EdgeStats

_commands: msgspec.msgpack.Decoder[list[EdgeCommand]] = msgspec.msgpack.Decoder(list[EdgeCommand])
_events: msgspec.msgpack.Decoder[list[EdgeEvent]] = msgspec.msgpack.Decoder(list[EdgeEvent])


def decode_edge_commands(body: bytes) -> list[EdgeCommand]:
    """The commands of one frame's body; raises ControlError."""
    try:
        return _commands.decode(body)
    except UNREADABLE as error:
        raise ControlError(f"not a list of commands: {error}") from error


def decode_edge_events(body: bytes) -> list[EdgeEvent]:
    """The events of one frame's body; raises ControlError."""
    try:
        return _events.decode(body)
    except UNREADABLE as error:
        raise ControlError(f"not a list of events: {error}") from error
