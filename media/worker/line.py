"""One leg's socket while its session lives: who may send to it, where its packets go."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from media.events import Event
from media.sdes import Keys
from media.worker.crypto_context import AuthenticationError, CryptoContext
from media.worker.late import LateSenders, is_late
from media.worker.player import Cadence
from media.worker.ports import BUFFER, SO_TIMESTAMPNS, VIEWS, Address, Port, disconnect, drain, has_waiting

if TYPE_CHECKING:
    from media.worker.session import Session

UNLATCH_AFTER: Final = 2.0
"""Seconds of silence after which the peer may come from elsewhere."""
CANDIDATE_FOR: Final = 0.5
"""Seconds in which the very address of the SDP still wins over another port of the same host (NAT)."""
CHECKED_FOR: Final = 0.1
"""Seconds after latching in which sources are still compared: packets queued before the kernel knew the peer."""

_LATEST: Final = 1.0
"""Seconds that a packet may have waited for us; a stamp that says more is of a clock that was set."""
_STAMP: Final = struct.Struct("@ll")
_BUFFERS: Final = [BUFFER]

Reader = Callable[[float], None]
Data = bytes | memoryview


class Host(Protocol):
    """What a line and its session need of their worker."""

    readers: dict[int, Reader]
    cadence: Cadence

    def emit(self, event: Event) -> None:
        """Tells signalling."""

    def random(self, bits: int) -> int:
        """An unguessable number."""

    def pressed(self, session: Session, digit: str, begun: float, at: float) -> None:
        """A key that began at `begun` was recognised at `at`."""

    def hushed(self, session: Session) -> None:
        """What is recorded of a session has to be silence, or is not any more."""

    def sounded(self, session: Session, at: float) -> None:
        """A session has audio to be searched for keys."""

    def leave(self, port: Port) -> None:
        """Reads from now on what comes to a port that has no session."""


class Line:
    """Latches: the first RTP from the allowed address is connected to, and the kernel drops strangers.

    Until then packets go where the SDP says, and always to who is not followed. Nothing that the network does here
    raises.
    """

    __slots__ = ("_address", "_candidate", "_follows", "_heard", "_latch_ip", "_latched", "_late", "_receive", "_said",
                 "_send", "_sendto", "_stamped", "_target", "_until", "context", "first_at", "host",
                 "last_at", "port", "rtcp", "send_errors", "sent", "sent_octets", "strangers")  # fmt: skip

    def __init__(self, port: Port, host: Host, now: float, late: LateSenders = ()) -> None:
        """`late` had the port before: what they still send is not for this session."""
        self.port = port
        self._late = late
        self.host = host
        self.strangers = self.rtcp = self.sent = self.sent_octets = self.send_errors = 0
        self.first_at: float | None = None
        self.last_at = now
        self._heard: Callable[[int], None] | None = None
        self._said: Callable[[Data], None] | None = None
        # Of SRTP; None while the session is in clear.
        self.context: CryptoContext | None = None
        self._receive: Callable[[bytearray], int] = port.rtp.recv_into
        self._send: Callable[[Data], int] = port.rtp.send
        self._sendto: Callable[[Data, Address], int] = port.rtp.sendto
        self._address: Address | None = None  # what the SDP says
        self._target: Address | None = None  # where packets go while not latched
        self._latch_ip = ""
        self._follows = True  # packets go to where the peer's come from
        self._latched = False
        self._stamped = False
        self._candidate: Address | None = None
        self._until = 0.0
        self._choose_reader()
        host.readers[port.rtcp_fd] = self._read_rtcp

    # --- to be told by the session; the datagram is the first `size` octets of BUFFER ---

    def accept(self, size: int, now: float) -> None:
        """Takes a datagram of the peer."""
        raise NotImplementedError

    def is_expected(self, size: int) -> bool:
        """Whether a datagram is RTP as negotiated, so that its sender may be latched to; counts it if not."""
        raise NotImplementedError

    def number_anew(self, context: CryptoContext) -> None:
        """What is sent has gone back in its numbers, under which SRTP sends nothing twice: it goes on ahead of them."""
        raise NotImplementedError

    def accept_report(self, data: bytes, source: Address, now: float) -> None:
        """Takes what came from the peer's host to the port of the reports."""
        raise NotImplementedError

    # --- latching ---

    @property
    def target(self) -> Address | None:
        """Where packets go."""
        return self._target

    @property
    def follows(self) -> bool:
        """Whether packets go to where the peer's come from; else to where the SDP says, and nowhere else."""
        return self._follows

    @property
    def source(self) -> Address | None:
        """Where the peer's packets come from, as far as is known."""
        return self._target if self._follows or self._candidate is None else self._candidate

    def set_remote(self, address: Address | None, latch_ip: str, *, follows: bool = True) -> None:
        """Where the peer is; a change makes it latch anew."""
        if (address, latch_ip, follows) == (self._address, self._latch_ip, self._follows):
            return
        moved = self._latch_ip != ""
        self._address = self._target = address
        self._latch_ip = latch_ip
        self._follows = follows
        self.unlatch()
        if moved:
            # The old peer's queued packets must not latch again.
            drain(self.port.rtp)

    def unlatch(self) -> None:
        """Lets the peer come from another place; packets to it go where they went."""
        self._candidate = None
        if self._latched:
            self._disconnect()
            self._choose_reader()

    def _disconnect(self) -> None:
        self._latched = False
        try:
            disconnect(self.port.rtp)
        except OSError:
            self.send_errors += 1

    def unlatch_if_silent(self, now: float) -> None:
        """Unlatches when the peer has sent nothing for UNLATCH_AFTER."""
        if (self._latched or self._candidate) and now - self.last_at > UNLATCH_AFTER:
            self.unlatch()

    def stamp(self, wanted: bool) -> None:
        """Lets the kernel tell when packets arrived, so that a busy machine's delays are not the peer's."""
        if wanted is not self._stamped:
            self._stamped = wanted
            self.port.rtp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, wanted)
            self._choose_reader()

    def _choose_reader(self) -> None:
        if self.context is not None:
            reader = self._read_secured
        else:
            reader = self._read_stamped if self._stamped else self._read_checked
        self.host.readers[self.port.rtp_fd] = reader

    def copy(self, heard: Callable[[int], None] | None, said: Callable[[Data], None] | None) -> None:
        """Lets the octets of BUFFER that came from the peer, and what is sent to it, be copied; None: no more.

        Reading and sending themselves are changed: a line that nobody copies has nothing to ask.
        """
        self._heard, self._said = heard, said
        receive: Callable[[bytearray], int] = self.port.rtp.recv_into
        send: Callable[[Data], int] = self.port.rtp.send
        sendto: Callable[[Data, Address], int] = self.port.rtp.sendto
        if self.context is not None:
            receive = _opening(receive, self.context)
            send, sendto = _protecting(send, self.context), _protecting_to(sendto, self.context)
        self._receive = receive if heard is None else _receiving(receive, heard)
        self._send = send if said is None else _sending(send, said)
        self._sendto = sendto if said is None else _sending_to(sendto, said)

    # --- SRTP ---

    def secure(self, keys: Keys | None, now: float) -> None:
        """Takes and sends SRTP with these keys from now on; None: RTP. Who was latched to in clear has proved nothing.

        Reading and sending themselves are changed: a line in clear has nothing to ask.
        """
        context = self.context
        if context is not None and keys is not None:
            if keys != context.keys:
                context.rekey(keys, now)
            return
        if context is None and keys is None:
            return
        self.context = None if keys is None else CryptoContext(keys)
        self.copy(self._heard, self._said)
        self.unlatch()
        self._choose_reader()
        reports = self._read_rtcp if self.context is None else self._read_srtcp
        self.host.readers[self.port.rtcp_fd] = reports

    def protect_report(self, data: bytes) -> bytes:
        """RTCP as it is to be sent."""
        return data if self.context is None else self.context.protect_report(data)

    def close(self) -> None:
        """Leaves the sockets as if they had never been used."""
        if self._stamped:
            self.stamp(False)
        if self._latched:
            self._disconnect()
        if has_waiting(self.port.rtp):
            drain(self.port.rtp)
        self.host.leave(self.port)

    def _latch(self, source: Address, now: float) -> None:
        try:
            self.port.rtp.connect(source)
        except OSError:
            self.send_errors += 1
            return
        self._latched = True
        self._candidate = None
        self._target = source
        self._until = now + CHECKED_FOR
        self._choose_reader()

    # --- reading: one datagram a call, the loop calls again ---

    def take(self, data: bytes, source: Address, at: float) -> None:
        """Takes a datagram that came at `at`, before the session was there."""
        BUFFER[: len(data)] = data
        if self.context is not None:
            self._authenticate(self.context, len(data), source, at)
        else:
            self._consider(len(data), source, at)

    def _consider(self, size: int, source: Address, now: float) -> None:
        """Takes a datagram if its source is the peer."""
        if self._latched:
            if source == self._target:
                self._take_in(size, now)
            else:
                self.strangers += 1
        elif source[0] != self._latch_ip:
            self.strangers += 1
        elif not self._follows and source == self._candidate:
            self._take_in(size, now)
        elif not self.is_expected(size):
            return
        elif self._is_peer(source, now):
            if self.first_at is None:
                self.first_at = now
            self._take_in(size, now)
        else:
            self.strangers += 1

    def _take_in(self, size: int, now: float) -> None:
        if self._heard is not None:
            self._heard(size)
        self.accept(size, now)

    def _is_peer(self, source: Address, now: float) -> bool:
        """Whether `source`, of the allowed host, is who we listen to; latches to it when that is certain."""
        if source == self._address and self._follows:
            self._latch(source, now)
        elif source != self._address and is_late(self._late, source, now):
            return False
        elif self._candidate is None and not self._follows:
            # A connected socket could send nowhere else.
            self._candidate = source
        elif self._candidate is None:
            self._candidate = self._target = source
            self._until = now + CANDIDATE_FOR
        elif source != self._candidate:
            return False
        elif now >= self._until:
            self._latch(source, now)
        return True

    def _read_checked(self, now: float) -> None:
        try:
            size, source = self.port.rtp.recvfrom_into(BUFFER)
        except OSError:
            return
        self._consider(size, source[:2], now)
        if self._latched and now > self._until and not self._stamped:
            self.host.readers[self.port.rtp_fd] = self._latched_reader()

    def _read_stamped(self, now: float) -> None:
        try:
            size, extra, _, source = self.port.rtp.recvmsg_into(_BUFFERS, 64)
        except OSError:
            return
        if extra:
            seconds, nanoseconds = _STAMP.unpack(extra[0][2])
            waited = time.time() - seconds - nanoseconds * 1e-9
            if 0.0 < waited < _LATEST:
                now -= waited
        self._consider(size, source[:2], now)

    def _read_secured(self, now: float) -> None:
        """What `_read_checked` and `_read_stamped` do, of SRTP."""
        try:
            size, extra, _, source = self.port.rtp.recvmsg_into(_BUFFERS, 64)
        except OSError:
            return
        context = self.context
        if context is None:
            return
        if extra:
            seconds, nanoseconds = _STAMP.unpack(extra[0][2])
            waited = time.time() - seconds - nanoseconds * 1e-9
            if 0.0 < waited < _LATEST:
                now -= waited
        self._authenticate(context, size, source[:2], now)
        if self._latched and now > self._until and not self._stamped:
            self.host.readers[self.port.rtp_fd] = self._latched_reader()

    def _authenticate(self, context: CryptoContext, size: int, source: Address, now: float) -> None:
        """Lets only what authenticates be considered; others' datagrams cost no cryptography."""
        if source[0] != self._latch_ip or (self._latched and source != self._target):
            self.strangers += 1
            return
        try:
            size = context.receive(size)
        except AuthenticationError:
            return
        self._consider(size, source, now)

    def _latched_reader(self) -> Reader:
        """What reads from now on, where sources need no comparing any more."""
        raise NotImplementedError

    def _read_rtcp(self, now: float) -> None:
        try:
            size, source = self.port.rtcp.recvfrom_into(BUFFER)
        except OSError:
            return
        if source[0] == self._latch_ip:
            self.rtcp += 1
            self.accept_report(bytes(VIEWS[size]), source[:2], now)
        else:
            self.strangers += 1

    def _read_srtcp(self, now: float) -> None:
        """What `_read_rtcp` does, of SRTCP; what is in clear is dropped."""
        try:
            size, source = self.port.rtcp.recvfrom_into(BUFFER)
        except OSError:
            return
        if source[0] != self._latch_ip or self.context is None:
            self.strangers += 1
            return
        try:
            data = self.context.receive_report(bytes(VIEWS[size]))
        except AuthenticationError:
            return
        self.rtcp += 1
        self.accept_report(data, source[:2], now)

    # --- writing ---

    def transmit(self, data: Data) -> None:
        """Sends to the peer, if it is known where that is."""
        try:
            if self._latched:
                send = self._send
                send(data)
            elif self._target is not None:
                self._sendto(data, self._target)
            else:
                return
        except OSError:
            self.transmit_again(data)
            return
        self.sent += 1
        self.sent_octets += len(data)

    def transmit_again(self, data: Data) -> None:
        """After a failure: it may have been that of an earlier packet, told by ICMP (ECONNREFUSED)."""
        self.send_errors += 1
        if self.context is not None and self.context.outdated:
            self.number_anew(self.context)
            return
        try:
            if self._latched:
                self._send(data)
                self.sent += 1
                self.sent_octets += len(data)
        except OSError:
            pass


def _receiving(receive: Callable[[bytearray], int], heard: Callable[[int], None]) -> Callable[[bytearray], int]:
    def receive_and_copy(buffer: bytearray) -> int:
        size = receive(buffer)
        heard(size)
        return size

    return receive_and_copy


def _opening(receive: Callable[[bytearray], int], context: CryptoContext) -> Callable[[bytearray], int]:
    unprotect = context.receive

    def receive_and_open(buffer: bytearray) -> int:
        return unprotect(receive(buffer))

    return receive_and_open


def _protecting(send: Callable[[Data], int], context: CryptoContext) -> Callable[[Data], int]:
    protect = context.protect

    def protect_and_send(data: Data) -> int:
        sealed = protect(data)
        try:
            return send(sealed)
        except OSError:
            # An earlier packet's failure (ECONNREFUSED): a second protection of this one would be refused.
            return send(sealed)

    return protect_and_send


def _protecting_to(sendto: Callable[[Data, Address], int], context: CryptoContext) -> Callable[[Data, Address], int]:
    protect = context.protect

    def protect_and_send(data: Data, address: Address) -> int:
        return sendto(protect(data), address)

    return protect_and_send


def _sending(send: Callable[[Data], int], said: Callable[[Data], None]) -> Callable[[Data], int]:
    def copy_and_send(data: Data) -> int:
        said(data)
        return send(data)

    return copy_and_send


def _sending_to(send: Callable[[Data, Address], int], said: Callable[[Data], None]) -> Callable[[Data, Address], int]:
    def copy_and_send(data: Data, address: Address) -> int:
        said(data)
        return send(data, address)

    return copy_and_send
