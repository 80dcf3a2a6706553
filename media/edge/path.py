"""The way to one browser: ICE (RFC 8445) on sockets that are ours, told apart from DTLS and SRTP (RFC 7983)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final, cast

import aioice
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import CandidatePair, StunProtocol
from aioice.stun import Message

from media.edge.ports import PortRange
from media.ice_dtls import Candidate, PeerTransport

MAX_DATAGRAM: Final = 2048
BURST: Final = 16
"""Datagrams of one socket before the others have their turn."""
MAX_EARLY: Final = 16
"""Datagrams of a handshake kept that came before our side had found the path."""
MAX_LEARNT: Final = 100
"""Addresses of a peer, those that it told of and those that it sends from."""
_PUBLIC_PREFERENCE: Final = 100

Receive = Callable[[bytes], None]


class _Wire:
    """What aioice needs of a datagram transport, on a socket that the loop watches."""

    def __init__(self, path: Path, sock: socket.socket, protocol: StunProtocol) -> None:
        self.sock = sock
        self._path = path
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._read)

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        """Sends, or loses what cannot be sent as a network does."""
        try:
            self.sock.sendto(data, address)
        except OSError:
            self._path.unsent += 1

    def close(self) -> None:
        """Gives the socket up; its protocol hears of it as from any transport."""
        self._loop.remove_reader(self.sock.fileno())
        port = self.sock.getsockname()[1]
        self.sock.close()
        self._path.ports.give_back(port)
        self._loop.call_soon(self._protocol.connection_lost, None)

    def get_extra_info(self, name: str, default: object = None) -> object:
        """The socket's name, as a transport tells it."""
        return self.sock.getsockname() if name == "sockname" else default

    def _read(self) -> None:
        path, receive = self._path, self.sock.recvfrom
        for _ in range(BURST):
            try:
                data, address = receive(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error that waited here
            first = data[0] if data else 255
            if 127 < first < 192:
                path.receive_srtp(data)
            elif 19 < first < 64:
                path.take_dtls(data)
            elif first < 4:
                self._stun(data, address)

    def _stun(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self._protocol.datagram_received(data, address)
        except Exception:  # noqa: BLE001 - a datagram of anybody's making must not end the loop
            self._path.malformed += 1


class Path(aioice.Connection):
    """One component, host candidates of our addresses; `receive_srtp` is given what is neither STUN nor DTLS."""

    def __init__(self, ports: PortRange) -> None:
        super().__init__(ice_controlling=False)
        self.ports = ports
        self.receive_srtp: Receive = _ignore
        self.receive_dtls: Receive | None = None
        self.unsent = self.malformed = 0
        self._early: list[bytes] = []
        self._sendto: Callable[[bytes, tuple[str, int]], int] | None = None
        self._peer: tuple[str, int] = ("", 0)

    def gather(self, addresses: Sequence[str], external: str) -> tuple[Candidate, ...]:
        """Binds a port on each address; the candidates to be told, `external` last (a NAT that keeps ports).

        Empty when no port could be bound.
        """
        told: list[Candidate] = []
        for address in addresses:
            sock = self.ports.bind(address)
            if sock is None:
                continue
            protocol = StunProtocol(self)
            port = sock.getsockname()[1]
            local = Candidate(
                candidate_foundation("host", "udp", address), candidate_priority(1, "host", 65535 - len(told)),
                address, port, "host",
            )  # fmt: skip
            protocol.local_candidate = _foreign(local)
            protocol.transport = cast(asyncio.DatagramTransport, _Wire(self, sock, protocol))
            self._protocols.append(protocol)
            self._local_candidates.append(protocol.local_candidate)
            told.append(local)
        self._local_candidates_start = self._local_candidates_end = True
        if external and told:
            told.append(_outside(external, told))
        return tuple(told)

    async def find(self, peer: PeerTransport) -> None:
        """Finds a path that works both ways; raises ConnectionError.

        The end of candidates is never told: a peer may be found by what it sends (RFC 8445 §7.3.1.3) until the
        caller's patience ends.
        """
        self.ice_controlling = self.ice_controlling or peer.lite
        self.remote_username, self.remote_password, self.remote_is_lite = peer.ufrag, peer.password, peer.lite
        for candidate in peer.candidates:
            await self.add_remote_candidate(_foreign(candidate))
        await self.connect()

    def check_complete(self, pair: CandidatePair) -> None:
        """Takes note of where packets go from now on."""
        super().check_complete(pair)
        chosen = self._nominated.get(1)
        if chosen is not None:
            self._peer = chosen.remote_addr
            self._sendto = cast(_Wire, chosen.protocol.transport).sock.sendto

    @property
    def found(self) -> bool:
        """Whether packets can be sent."""
        return self._sendto is not None

    def send_now(self, data: bytes) -> None:
        """Sends to the peer, or loses what cannot be sent."""
        if self._sendto is not None:
            try:
                self._sendto(data, self._peer)
            except OSError:
                self.unsent += 1

    async def close(self) -> None:
        """Ends checks and gives the ports back."""
        self._sendto = None
        self.receive_srtp, self.receive_dtls = _ignore, _ignore
        await super().close()
        self._check_list.clear()

    # --- what comes ---

    def request_received(self, message: Message, addr: tuple[str, int], protocol: StunProtocol) -> None:
        """A check; a peer that sends them from ever new addresses, of its own or not, is not followed for ever."""
        known = self._remote_candidates
        if len(known) < MAX_LEARNT or any((one.host, one.port) == addr for one in known):
            super().request_received(message, addr, protocol)
        else:
            self.malformed += 1

    def data_received(self, data: bytes, component: int) -> None:
        """What looked like STUN and is none."""
        self.malformed += 1

    def take_dtls(self, data: bytes) -> None:
        """A datagram of a handshake; it may come before the answer to our own check does."""
        if self.receive_dtls is not None:
            self.receive_dtls(data)
        elif len(self._early) < MAX_EARLY:
            self._early.append(data)

    def deliver_dtls(self, receive: Receive) -> None:
        """From now on `receive` is given what comes of the handshake, first what has come already."""
        self.receive_dtls = receive
        early, self._early = self._early, []
        for data in early:
            receive(data)


def _ignore(data: bytes) -> None:
    """Until there are keys."""


def _foreign(candidate: Candidate) -> aioice.Candidate:
    return aioice.Candidate(
        candidate.foundation, 1, "udp", candidate.priority, candidate.address, candidate.port, candidate.kind
    )


def _outside(external: str, told: Sequence[Candidate]) -> Candidate:
    """How the first candidate of the same family looks from beyond a NAT."""
    inside = next((one for one in told if (":" in one.address) == (":" in external)), told[0])
    return Candidate(
        candidate_foundation("srflx", "udp", inside.address), candidate_priority(1, "srflx", _PUBLIC_PREFERENCE),
        external, inside.port, "srflx", inside.address, inside.port,
    )  # fmt: skip
