"""A real WebRTC edge process for tests, with its supervisor's end in the test's hands, and a stand-in for a worker."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from bench.rtp import RtpPort
from media.edge_control import Connected, Endpoint, Failed
from media.edge_plane import EdgeLost, EdgePlane, PeerEvent
from tests.support.patience import PATIENCE
from tests.support.ports import WEB_FIRST, WEB_LAST

ROOT = Path(__file__).resolve().parents[2]


class EdgeProcess:
    """One process, as its supervisor has it."""

    def __init__(self, directory: Path, sessions: int = 50, *more: str) -> None:
        self.path = str(directory / "edge.sock")
        self._arguments = ["--socket", self.path, "--addresses", "127.0.0.1", "--sessions", str(sessions)]
        self._arguments += ["--ports", str(WEB_FIRST), str(WEB_LAST), *more]
        self.start()

    def start(self) -> None:
        """Execute it."""
        self.supervisor, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptor = theirs.fileno()
        command = [sys.executable, "-m", "media.edge", *self._arguments, "--supervisor-fd", str(descriptor)]
        self.process = subprocess.Popen(command, pass_fds=(descriptor,), cwd=ROOT)
        theirs.close()
        self.supervisor.settimeout(20)
        assert msgspec.msgpack.decode(self.supervisor.recv(1000)) == {"ready": True}

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(5)
        self.supervisor.close()

    def stop(self) -> int:
        """As a supervisor does; the exit status."""
        if self.process.poll() is None:
            with contextlib.suppress(OSError):
                self.supervisor.send(msgspec.msgpack.encode({"stop": True}))
        status = self.process.wait(10)
        self.supervisor.close()
        return status


class Signalling:
    """The plane, and what it was told."""

    def __init__(self, path: str) -> None:
        self.events: list[PeerEvent] = []
        self.plane = EdgePlane(path, self._told)
        self._change = asyncio.Event()

    def _told(self, events: Sequence[PeerEvent]) -> None:
        self.events += events
        self._change.set()

    async def until(self, check: Callable[[], bool], within: float = 15.0) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE * within):
            while not check():
                await asyncio.sleep(0.01)

    async def connected(self, endpoint: Endpoint) -> None:
        """Wait until audio passes."""
        await self.until(lambda: any(getattr(one, "endpoint", 0) == endpoint.number for one in self.events))
        assert isinstance(self.fate(endpoint), Connected), self.events

    def fate(self, endpoint: Endpoint) -> PeerEvent:
        """The last that was told of an endpoint."""
        return [one for one in self.events if isinstance(one, Connected | Failed) and one.endpoint == endpoint.number][
            -1
        ]

    @property
    def lost(self) -> list[EdgeLost]:
        """Deaths of the edge."""
        return [one for one in self.events if isinstance(one, EdgeLost)]

    def lease(self, controlling: bool = False) -> Endpoint:
        """An endpoint, which must be there."""
        endpoint = self.plane.lease(controlling)
        assert endpoint is not None
        return endpoint


@contextlib.asynccontextmanager
async def edge_signalling(path: str) -> AsyncIterator[Signalling]:
    """Signalling that is connected."""
    signalling = Signalling(path)
    assert await signalling.plane.start()
    try:
        yield signalling
    finally:
        await signalling.plane.close()


@contextlib.asynccontextmanager
async def worker_port(endpoint: Endpoint, payload_type: int = 0) -> AsyncIterator[RtpPort]:
    """The port of a worker, that sends to the endpoint."""
    port = await RtpPort.open()
    port.remote = (endpoint.address, endpoint.port)
    port.payload_type = payload_type
    try:
        yield port
    finally:
        port.close()
