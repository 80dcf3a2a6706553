"""A bad network between phones and a switch: a UDP relay that loses, doubles, delays and reorders, by a seed.

The phones are at one loopback address, the switch at another; the relay has a face for each side, at two more:

    phones 127.0.1.2  <->  127.0.1.4  relay  127.0.1.3  <->  127.0.0.1 switch

Ports stay what they are: what a phone sends to 127.0.1.4:5060 goes to the switch's 5060, out of 127.0.1.3 and the
phone's port. In SIP the addresses are exchanged, so that neither side knows of the other; the ports of audio are learnt
from the SDP that passes. Addresses have the same length, hence bodies keep theirs. `Chaos` runs it as a process of its
own, so that neither side's timing suffers from it.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import json
import random
import re
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from bench.errors import BenchError

_AUDIO: Final = re.compile(rb"\nm=audio (\d+) ")
_END: Final = b"\r\n\r\n"
_BUFFER: Final = 4 << 20
_KEPT: Final = 50_000
"""Packets of one flow that are told of."""
_ANSWER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Faults:
    """What happens to datagrams; shares are of 1, times in seconds."""

    loss: float = 0.0
    burst: float = 1.0
    """How many are lost in a row, in the mean."""
    duplicate: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    """At most so much more delay, without overtaking."""
    reorder: float = 0.0
    """So many are held back for `hold`, and overtaken."""
    hold: float = 0.03
    mercy: int = 1 << 30
    """A datagram that was lost so often, octet for octet the same, passes: what is sent again gets through at last."""


@dataclass(frozen=True, slots=True)
class Faces:
    """The four addresses, all written with the same number of characters."""

    peer: str
    inner: str
    outer: str
    switch: str = "127.0.0.1"

    def __post_init__(self) -> None:
        if len({len(one) for one in (self.peer, self.inner, self.outer, self.switch)}) != 1:
            raise BenchError("the addresses of a relay must be of one length, as bodies must keep theirs")


class Passed(NamedTuple):
    """An RTP packet that the relay has handed on, at a monotonic time."""

    at: float
    sequence: int
    timestamp: int
    payload_type: int


@dataclass(slots=True)
class Flow:
    """One direction of one phone's port: its dice, and what became of its datagrams."""

    random: random.Random
    losing: bool = False
    last_due: float = 0.0
    lost_before: Counter[bytes] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    passed: list[Passed] = field(default_factory=list)

    def is_lost(self, faults: Faults, data: bytes) -> bool:
        """Whether the next datagram is lost: in bursts of the given mean length (Gilbert)."""
        if self.losing:
            self.losing = self.random.random() >= 1 / faults.burst
        if not self.losing and faults.loss:
            # As often as makes the share of what is lost, however long the bursts are.
            self.losing = self.random.random() < faults.loss / (faults.burst * (1 - faults.loss) + faults.loss)
        if not self.losing or self.lost_before[data] >= faults.mercy:
            return False
        if faults.mercy < 1 << 30:
            self.lost_before[data] += 1
        return True

    def due(self, faults: Faults, now: float) -> list[float]:
        """When the next datagram is handed on, once for each copy."""
        at = now + faults.delay + self.random.random() * faults.jitter
        if self.random.random() < faults.reorder:
            self.counts["reordered"] += 1
            at += faults.hold
        else:
            self.last_due = at = max(at, self.last_due)
        if self.random.random() < faults.duplicate:
            self.counts["doubled"] += 1
            return [at, at + self.random.random() * 0.02]
        return [at]


class Relay:
    """The relay itself, in the process that `run` never leaves."""

    def __init__(self, faces: Faces, sip: Faults, rtp: Faults, seed: int, *, media: bool) -> None:
        """`media`: audio passes here as well; without it its addresses are left as they are."""
        self.faces, self.seed, self.media = faces, seed, media
        self.faults = {"sip": sip, "rtp": rtp}
        self.flows: dict[tuple[str, str, int], Flow] = {}
        self._ordinals: dict[int, int] = {}
        self._inner: dict[int, socket.socket] = {}
        self._outer: dict[int, socket.socket] = {}
        self._peer_of: dict[int, int] = {}
        """Phones' ports by those that the switch sees."""
        self._public_of: dict[int, int] = {}
        self._selector = selectors.DefaultSelector()
        self._due: list[tuple[float, int, Flow, socket.socket, bytes, tuple[str, int]]] = []
        self._serial = itertools.count()
        self._to_switch = [(faces.peer.encode(), faces.outer.encode()), (faces.inner.encode(), faces.switch.encode())]
        self._to_peer = [(faces.switch.encode(), faces.inner.encode()), (faces.outer.encode(), faces.peer.encode())]

    # --- sockets

    def open_inner(self, port: int) -> socket.socket:
        """The port of the switch as the phones see it."""
        if port not in self._inner:
            self._inner[port] = self._bind(self.faces.inner, port, ("inner", port))
        return self._inner[port]

    def open_outer(self, peer_port: int) -> socket.socket:
        """The port of a phone as the switch sees it."""
        public = self._public_of.setdefault(peer_port, peer_port)
        if public not in self._outer:
            self._outer[public] = self._bind(self.faces.outer, public, ("outer", public))
            self._peer_of[public] = peer_port
        return self._outer[public]

    def rebind(self, peer_port: int) -> int:
        """As a NAT that has forgotten: the switch sees the phone's port elsewhere; what comes to the old is lost."""
        old = self._outer.pop(self._public_of.get(peer_port, peer_port), None)
        if old is not None:
            self._peer_of.pop(old.getsockname()[1], None)
            self._selector.unregister(old)
            old.close()
        sock = self._bind(self.faces.outer, 0, None)
        public = self._public_of[peer_port] = int(sock.getsockname()[1])
        self._peer_of[public], self._outer[public] = peer_port, sock
        self._selector.register(sock, selectors.EVENT_READ, ("outer", public))
        return public

    def _bind(self, host: str, port: int, role: tuple[str, int] | None) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.bind((host, port))
        sock.setblocking(False)
        if role is not None:
            self._selector.register(sock, selectors.EVENT_READ, role)
        return sock

    # --- datagrams

    def run(self) -> None:
        """Relay until the control connection ends; commands come by stdin, a line of JSON each."""
        # Unbuffered: a line that waited in a buffer would not wake the selector.
        control = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115 - until the process ends
        self._selector.register(control, selectors.EVENT_READ, ("control", 0))
        while True:
            wait = self._due[0][0] - time.monotonic() if self._due else None
            for key, _ in self._selector.select(None if wait is None else max(0.0, wait)):
                kind, port = key.data
                if key.fileobj.fileno() < 0:  # type: ignore[union-attr]  # all are sockets or files
                    continue  # closed by a command that came in the same moment
                if kind == "control":
                    line = control.readline()
                    if not line:
                        return
                    print(json.dumps(self.command(json.loads(line))), flush=True)
                else:
                    self._read(key.fileobj, kind, port)  # type: ignore[arg-type]  # all others are sockets
            self._hand_on()

    def command(self, asked: dict[str, Any]) -> object:
        """Do what the test asks."""
        match asked["do"]:
            case "rebind":
                return self.rebind(asked["port"])
            case "faults":
                self.faults = {kind: Faults(**asked[kind]) for kind in ("sip", "rtp")}
                return None
            case _:
                told = {f"{kind} {way} {port}": flow for (kind, way, port), flow in self.flows.items()}
                return {name: {"counts": flow.counts, "passed": flow.passed} for name, flow in told.items()}

    def _read(self, sock: socket.socket, kind: str, port: int) -> None:
        for _ in range(64):
            try:
                data, source = sock.recvfrom(65_535)
            except (BlockingIOError, ConnectionError):
                return
            if kind == "inner" and source[0] == self.faces.peer:
                self._post("in", source[1], data, self.open_outer(source[1]), (self.faces.switch, port))
            elif kind == "outer" and source[0] == self.faces.switch and port in self._peer_of:
                peer = self._peer_of[port]
                self._post("out", peer, data, self.open_inner(source[1]), (self.faces.peer, peer))

    def _post(self, way: str, peer: int, data: bytes, sock: socket.socket, to: tuple[str, int]) -> None:
        """Throw the dice for one datagram."""
        kind = "sip" if b"A" <= data[:1] <= b"z" else "rtp"
        if kind == "sip":
            data = self._exchange(way, data)
        key = (kind, way, peer)
        flow = self.flows.get(key)
        if flow is None:
            ordinal = self._ordinals.setdefault(peer, len(self._ordinals))
            flow = self.flows[key] = Flow(random.Random(f"{self.seed} {kind} {way} {ordinal}"))
        faults = self.faults[kind]
        flow.counts["came"] += 1
        if flow.is_lost(faults, data):
            flow.counts["lost"] += 1
            return
        for at in flow.due(faults, time.monotonic()):
            heapq.heappush(self._due, (at, next(self._serial), flow, sock, data, to))

    def _hand_on(self) -> None:
        """Send what is due."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, _, flow, sock, data, to = heapq.heappop(self._due)
            flow.counts["passed"] += 1
            with contextlib.suppress(OSError):  # a socket that was given up meanwhile, or nobody there
                sock.sendto(data, to)
            if data[0] & 0xC0 == 0x80 and len(data) >= 12 and len(flow.passed) < _KEPT:
                _, second, sequence, timestamp = struct.unpack_from("!BBHI", data)
                flow.passed.append(Passed(time.monotonic(), sequence, timestamp, second & 127))

    def _exchange(self, way: str, data: bytes) -> bytes:
        """Exchange the addresses of a message, and open the ports of the audio that it speaks of."""
        head, end, body = data.partition(_END)
        for old, new in self._to_switch if way == "in" else self._to_peer:
            head = head.replace(old, new)
            if self.media:
                body = body.replace(old, new)
        for port in map(int, _AUDIO.findall(body) if self.media else ()):
            for one in (port, port + 1) if port else ():
                self.open_outer(one) if way == "in" else self.open_inner(one)
        return head + end + body


class Chaos:
    """A relay in a process of its own; a context that ends it."""

    def __init__(
        self,
        faces: Faces,
        sip_port: int,
        *,
        sip: Faults | None = None,
        rtp: Faults | None = None,
        seed: int = 1,
        media: bool = True,
        phones: tuple[int, ...] = (),
    ) -> None:
        """`sip_port` is that of the switch; who is at one of the ports `phones` can be called without calling first."""
        self.faces = faces
        self.sip_port = sip_port
        self.sip, self.rtp = sip or Faults(), rtp or Faults()
        self._options = {"seed": seed, "media": media, "phones": phones}
        self._process: subprocess.Popen[str] | None = None

    @property
    def target(self) -> tuple[str, int]:
        """Where phones find the switch."""
        return self.faces.inner, self.sip_port

    @property
    def peer(self) -> str:
        """Where phones are to bind."""
        return self.faces.peer

    def __enter__(self) -> Self:
        """Start it and wait until it relays."""
        faults = {"sip": asdict(self.sip), "rtp": asdict(self.rtp)}
        options = {"faces": asdict(self.faces), "port": self.sip_port, **faults, **self._options}
        command = [sys.executable, "-m", "bench.chaos", json.dumps(options)]
        self._process = subprocess.Popen(
            command, cwd=Path(__file__).parent.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """End it."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def rebind(self, port: int) -> int:
        """Let the switch see a phone's port elsewhere from now on; where that is."""
        return int(self._ask({"do": "rebind", "port": port}))

    def change(self, sip: Faults | None = None, rtp: Faults | None = None) -> None:
        """Other faults from now on."""
        self.sip, self.rtp = sip or self.sip, rtp or self.rtp
        self._ask({"do": "faults", "sip": asdict(self.sip), "rtp": asdict(self.rtp)})

    def report(self) -> dict[str, Any]:
        """All flows so far: "rtp in 40000" is from the phone's port to the switch."""
        return dict(self._ask({"do": "report"}))

    def passed(self, way: str, port: int) -> list[Passed]:
        """The RTP packets that were handed on from ("in") or to ("out") a phone's port, in order."""
        flow = self.report().get(f"rtp {way} {port}", {"passed": []})
        return [Passed(*row) for row in flow["passed"]]

    def counts(self, kind: str = "sip") -> Counter[str]:
        """What became of all SIP or RTP datagrams: came, lost, doubled, reordered, passed."""
        total: Counter[str] = Counter()
        for name, flow in self.report().items():
            if name.startswith(kind):
                total.update(flow["counts"])
        return total

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the chaos relay has ended; its own output says why")
        return json.loads(line)


def main() -> None:
    """Run the relay with the options that `Chaos` gives it."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("options", type=json.loads)
    options = parser.parse_args().options
    sip, rtp = Faults(**options["sip"]), Faults(**options["rtp"])
    relay = Relay(Faces(**options["faces"]), sip, rtp, options["seed"], media=options["media"])
    relay.open_inner(options["port"])
    for port in options["phones"]:
        relay.open_outer(port)
    print("null", flush=True)
    relay.run()


if __name__ == "__main__":
    main()
