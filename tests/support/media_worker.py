"""A real media worker process for tests, with its supervisor's and signalling's ends in the test's hands."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from media.control import Attach, Command, FrameReader, Open, decode_events, encode_frame
from media.events import Event, Hello
from media.rtp.packet import Packet, parse

EventT = TypeVar("EventT")
ROOT = Path(__file__).resolve().parents[2]


def bind_pairs(count: int, ip: str = "127.0.0.1") -> list[socket.socket]:
    """Non-blocking sockets rtp, rtcp, rtp, rtcp... on `count` free even/odd pairs."""
    sockets: list[socket.socket] = []
    port = 40000 + os.getpid() % 1000 * 20
    while len(sockets) < 2 * count:
        port = port + 2 if port < 64000 else 40000
        rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            rtp.bind((ip, port))
            rtcp.bind((ip, port + 1))
        except OSError:
            rtp.close()
            rtcp.close()
            continue
        for sock in (rtp, rtcp):
            sock.setblocking(False)
            sockets.append(sock)
    return sockets


class Control:
    """Signalling's connection, blocking, for one test."""

    def __init__(self, path: str, client: str = "test", connected: Callable[[], None] = lambda: None) -> None:
        """Waits for the greeting; `connected` is called before, for a worker that the test itself drives."""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.connect(path)
        connected()
        self._frames = FrameReader()
        self._events: list[Event] = []
        self._seq = 0
        self.hello = self.expect(Hello)
        if client:
            self.send(Attach(client))

    def send(self, *commands: Command) -> None:
        """Sends commands as they are, in one frame."""
        self.send_raw(encode_frame(commands))

    def send_raw(self, data: bytes) -> None:
        """Sends any bytes."""
        self._sock.sendall(data)

    def next(self, timeout: float = 5.0) -> Event | None:
        """The next event; None when there is none in time; raises EOFError when the worker has hung up."""
        deadline = time.monotonic() + timeout
        while not self._events:
            self._sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self._sock.recv(1 << 16)
            except TimeoutError:
                return None
            if not data:
                raise EOFError
            for body in self._frames.feed(data):
                self._events += decode_events(body)
        return self._events.pop(0)

    def expect(self, kind: type[EventT], timeout: float = 5.0) -> EventT:
        """The next event of this kind, others being thrown away."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            event = self.next(left)
            if isinstance(event, kind):
                return event
        raise AssertionError(f"no {kind.__name__} within {timeout} s")

    def close(self) -> None:
        """Hangs up."""
        self._sock.close()


class Phone:
    """An RTP peer at a port given, or at a free one, and the next is kept: who came there would take RTCP for audio."""

    def __init__(self, ip: str = "127.0.0.1", port: int = 0) -> None:
        self._kept: list[socket.socket] = []
        if port:
            self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.sock.bind((ip, port))
        else:
            self.sock, *self._kept = bind_pairs(1, ip)
        self.address: tuple[str, int] = self.sock.getsockname()
        self.seq = 1000
        self.ts = 50000
        self.ssrc = 0x11223344

    def say(self, port: int, payload: bytes = b"\xd5" * 160, payload_type: int = 8, marker: bool = False) -> Packet:
        """Sends the next packet to a port of the worker."""
        packet = Packet(payload_type, self.seq, self.ts, self.ssrc, payload, marker)
        self.send(port, bytes(packet))
        self.seq = (self.seq + 1) & 0xFFFF
        self.ts = (self.ts + 160) & 0xFFFFFFFF
        return packet

    def send(self, port: int, data: bytes) -> None:
        """Sends any bytes."""
        self.sock.sendto(data, ("127.0.0.1", port))

    def hear(self, timeout: float = 2.0) -> Packet:
        """The next packet; AssertionError when none comes."""
        data = self.receive(timeout)
        assert data is not None, f"no packet within {timeout} s"
        packet = parse(data)
        assert packet is not None, data
        return packet

    def receive(self, timeout: float) -> bytes | None:
        """The next datagram, None when there is none in time."""
        if not select.select([self.sock], [], [], timeout)[0]:
            return None
        return self.sock.recv(4096)

    def quiet(self, timeout: float = 0.15) -> bool:
        """Whether nothing comes for `timeout`."""
        return self.receive(timeout) is None

    def close(self) -> None:
        """Gives the sockets up."""
        for sock in (self.sock, *self._kept):
            sock.close()


class WorkerProcess:
    """A running worker."""

    def __init__(
        self,
        directory: Path,
        *,
        pairs: int = 8,
        prompts: Sequence[Path] = (),
        silence: float = 60.0,
        recorder: str | None = None,
    ) -> None:
        self.path = str(directory / "worker.sock")
        self.sockets = bind_pairs(pairs)
        self.ports = [sock.getsockname()[1] for sock in self.sockets[::2]]
        self.process: subprocess.Popen[bytes] | None = None
        self._log = directory / "worker.log"
        self._prompts = prompts
        self._silence = silence
        self._recorder = recorder
        self._controls: list[Control] = []
        self.start()

    def start(self) -> None:
        """Starts the process (again) and hands it the same sockets."""
        self.supervisor, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.supervisor.settimeout(10.0)
        with theirs, self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "media.worker", "--id", "3", "--socket", self.path),
                    *("--supervisor-fd", str(theirs.fileno()), "--silence", str(self._silence)),
                    *("--prompts", *map(str, self._prompts)),
                    *(() if self._recorder is None else ("--recorder", self._recorder)),
                ],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stderr=log,
            )
        assert self.heard() == {"ready": True}
        self.give(self.sockets)

    def heard(self) -> dict[str, object]:
        """The next message to the supervisor."""
        message: dict[str, object] = msgspec.msgpack.decode(self.supervisor.recv(65536))
        return message

    def tell(self, message: dict[str, object], fds: Sequence[int] = ()) -> None:
        """A message of the supervisor."""
        socket.send_fds(self.supervisor, [msgspec.msgpack.encode(message)], fds)

    def give(self, sockets: Sequence[socket.socket]) -> None:
        """Hands ports over, 64 pairs a message."""
        for at in range(0, len(sockets), 128):
            chunk = sockets[at : at + 128]
            ports = [sock.getsockname()[1] for sock in chunk[::2]]
            self.tell({"ports": ports}, [sock.fileno() for sock in chunk])

    def connect(self, client: str = "test") -> Control:
        """A connection as signalling's, once the worker has all its ports."""
        deadline = time.monotonic() + 5.0
        while time.monotonic() < deadline:
            control = Control(self.path, client)
            if len(control.hello.ports) >= len(self.ports):
                self._controls.append(control)
                return control
            control.close()
            time.sleep(0.01)
        raise AssertionError("the worker did not take its ports")

    def log(self) -> str:
        """What it complained of."""
        return self._log.read_text()

    def kill(self) -> None:
        """Ends the process as a crash would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.supervisor.close()

    def close(self) -> None:
        """Ends everything."""
        for control in self._controls:
            control.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self.supervisor.close()
        for sock in self.sockets:
            sock.close()


@contextlib.contextmanager
def worker(directory: Path, **options: object) -> Iterator[WorkerProcess]:
    """A worker for the time of a test."""
    running = WorkerProcess(directory, **options)  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.close()


def opened(port: int, gen: int, phone: Phone, **changes: object) -> Open:
    """An Open towards `phone`, PCMA 8 and events 101 unless changed."""
    settings: dict[str, object] = {
        "port": port,
        "gen": gen,
        "remote_ip": phone.address[0],
        "remote_port": phone.address[1],
        "latch_ip": phone.address[0],
        "audio_pt": 8,
        "codec": "PCMA",
        "event_pt": 101,
    }
    return Open(**{**settings, **changes})  # type: ignore[arg-type]
