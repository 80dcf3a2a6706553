"""One browser's leg: an endpoint made ahead of demand, then a path, a handshake, and a relay both ways."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Literal

import msgspec
import pylibsrtp
from aiortc.rtcdtlstransport import RTCCertificate

from media.edge.path import BURST, MAX_DATAGRAM, Path
from media.edge.secure import Secure
from media.edge_control import Connect, Endpoint, Fault
from media.ice_dtls import PeerTransport

PARTING: Final = 2.0
"""Seconds for the BYE of a peer that has closed its connection; it may come by a slower way."""
_TOO_LONG: Final = ValueError
"""What libsrtp's binding raises for a packet that does not fit its buffer."""

Phase = Literal["waiting", "connecting", "connected", "over"]


class Session:
    """An endpoint and what it is used for; `tell` is called with its number and a fault, None once it is connected."""

    def __init__(
        self,
        endpoint: Endpoint,
        path: Path,
        inner: socket.socket,
        certificate: RTCCertificate,
        tell: Callable[[int, Fault | None], None],
        patience: float,
    ) -> None:
        """`inner` is the socket that the worker sends to; `patience` are seconds for a path and a handshake."""
        self.endpoint = endpoint
        self.path = path
        self.phase: Phase = "waiting"
        self.received = self.sent = self.refused = 0
        self._inner = inner
        self._certificate = certificate
        self._tell = tell
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._secure: Secure | None = None
        self._task: asyncio.Task[None] | None = None
        self._restart: asyncio.Task[None] | None = None
        self._command: Connect | None = None
        self._send_inner = inner.send
        self._unprotect: Callable[[bytes], bytes]
        self._unprotect_rtcp: Callable[[bytes], bytes]
        self._protect: Callable[[bytes], bytes]
        self._protect_rtcp: Callable[[bytes], bytes]

    # --- commands ---

    def connect(self, command: Connect) -> None:
        """Begins; what comes of it is told."""
        if self.phase != "waiting":
            return
        self.phase = "connecting"
        self._command = command
        self.aim(command.worker_address, command.worker_port)
        self._task = self._loop.create_task(self._establish(command))

    def aim(self, address: str, port: int) -> None:
        """Relays to and from this port of a worker; the kernel keeps others away."""
        try:
            self._inner.connect((address, port))
        except OSError:
            self.refused += 1

    def restart(self, spare: Path, peer: PeerTransport) -> None:
        """Goes over to another path once it is found; the association and its keys stay (RFC 8842 §4).

        The latest wish counts: a path still looked for is given up.
        """
        if self._restart is not None:
            self._restart.cancel()
        if self.phase == "connected":
            self._restart = self._loop.create_task(self._go_over(spare, peer))
        elif self.phase == "connecting" and self._task is not None and self._command is not None:
            self._task.cancel()
            old, self.path = self.path, spare
            self._command = msgspec.structs.replace(self._command, peer=peer)
            self._task = self._loop.create_task(self._begin_again(old, self._command))
        else:
            self._restart = self._loop.create_task(spare.close())

    def give_path(self) -> Path:
        """Gives the path away that was gathered; the rest is no more."""
        self.phase = "over"
        self._inner.close()
        return self.path

    async def close(self) -> None:
        """Ends everything; nothing is told."""
        self.phase = "over"
        self._loop.remove_reader(self._inner.fileno())
        for task in (self._task, self._restart):
            if task is not None and task is not asyncio.current_task():
                task.cancel()
        if self._secure is not None:
            await self._secure.end()
            self._secure = None
        await self.path.close()
        self._inner.close()
        self._tell = _nobody

    # --- establishing ---

    async def _establish(self, command: Connect) -> None:
        fault = await self._attempt(command)
        if fault is None:
            await self._consent_ends()
            fault = "consent"
        self._fail(fault)

    async def _consent_ends(self) -> None:
        """Until nobody answers on the path any more (RFC 7675), and no newer one is there or looked for."""
        path = None
        while path is not self.path:
            path = self.path
            await path.get_event()
            while self._restart is not None and not self._restart.done():
                await asyncio.wait([self._restart])

    async def _attempt(self, command: Connect) -> Fault | None:
        """Why there is no connection; None, when there is one."""
        fault: Fault = "ice"
        try:
            async with asyncio.timeout(self._patience):
                await self.path.find(command.peer)
                fault = "dtls"
                self._secure = secure = Secure(self.path, self._certificate, command.role, self._parted)
                if not await secure.shake_hands(command.peer):
                    return "fingerprint" if secure.impostor else "dtls"
        except TimeoutError:
            return "timeout" if fault == "dtls" else "ice"
        except (ConnectionError, OSError):
            return fault
        self._open(secure)
        return None

    def _open(self, secure: Secure) -> None:
        incoming, outgoing = secure.keys
        self._unprotect, self._unprotect_rtcp = incoming.unprotect, incoming.unprotect_rtcp
        self._protect, self._protect_rtcp = outgoing.protect, outgoing.protect_rtcp
        self.path.receive_srtp = self.from_peer
        self._drain()
        self._loop.add_reader(self._inner.fileno(), self._from_worker)
        self.phase = "connected"
        self._tell(self.endpoint.number, None)

    async def _begin_again(self, old: Path, command: Connect) -> None:
        await old.close()
        await self._establish(command)

    async def _go_over(self, spare: Path, peer: PeerTransport) -> None:
        # What is authentic may come before our side knows that the path is good.
        spare.receive_srtp = self.from_peer
        try:
            async with asyncio.timeout(self._patience):
                await spare.find(peer)
        except (TimeoutError, OSError):
            # The old path may still be good; its consent will tell.
            await spare.close()
            return
        except asyncio.CancelledError:
            await spare.close()
            raise
        old, self.path = self.path, spare
        if self._secure is not None:
            self._secure.use(spare)
        await old.close()

    def _parted(self) -> None:
        self._loop.call_later(PARTING, self._fail, "closed")

    def _fail(self, fault: Fault) -> None:
        if self.phase != "over":
            self.phase = "over"
            self._loop.remove_reader(self._inner.fileno())
            self._tell(self.endpoint.number, fault)

    def _drain(self) -> None:
        """What the worker sent before there were keys is too old to be heard."""
        for _ in range(1000):
            try:
                self._inner.recv(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue

    # --- relaying ---

    def from_peer(self, data: bytes) -> None:
        """A packet of SRTP or SRTCP (RFC 5761 §4): decrypted, it goes to the worker."""
        try:
            plain = self._unprotect_rtcp(data) if 191 < data[1] < 224 else self._unprotect(data)
            self._send_inner(plain)
        except (pylibsrtp.Error, _TOO_LONG, IndexError):
            self.refused += 1
        except OSError:
            pass  # the worker is gone, or its buffer full
        else:
            self.received += 1

    def _from_worker(self) -> None:
        receive = self._inner.recv
        for _ in range(BURST):
            try:
                data = receive(MAX_DATAGRAM)
            except BlockingIOError:
                return
            except OSError:
                continue  # ECONNREFUSED that waited here
            try:
                sealed = self._protect_rtcp(data) if 191 < data[1] < 224 else self._protect(data)
            except (pylibsrtp.Error, _TOO_LONG, IndexError):
                continue
            self.path.send_now(sealed)
            self.sent += 1


def _nobody(number: int, fault: Fault | None) -> None:
    """It is over."""
