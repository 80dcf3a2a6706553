"""The driver and the UDP transport on a real loop, with a core and a user that only record."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from switchboard.net.driver import Driver
from switchboard.net.udp import BATCH, BUSY, HEAVY, MAX_WAITING, WINDOW, UdpTransport, wait_for_more


class Core:
    """Echoes datagrams; what begins with `raise` raises, what begins with `event` becomes an event."""

    def __init__(self) -> None:
        self.out: list[tuple[bytes, tuple[str, int]]] = []
        self.events: list[object] = []
        self.deadline: float | None = None
        self.fired: list[float] = []
        self.failed: list[tuple[str, int]] = []

    def receive(self, data: bytes, source: tuple[str, int], now: float) -> None:
        if data.startswith(b"raise"):
            raise ValueError("planted")
        if data.startswith(b"event"):
            self.events.append(data)
        self.out.append((data, source))

    def take_datagrams(self) -> list[tuple[bytes, tuple[str, int]]]:
        taken, self.out = self.out, []
        return taken

    def take_events(self) -> list[object]:
        taken, self.events = self.events, []
        return taken

    def next_deadline(self) -> float | None:
        return self.deadline

    def handle_timer(self, now: float) -> None:
        self.fired.append(now)
        self.deadline = None

    def transport_error(self, destination: tuple[str, int], now: float) -> None:
        self.failed.append(destination)
        self.events.append(b"event failed")


class User:
    """Records events; one that says `bad` raises."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def on_event(self, event: object, now: float) -> None:
        self.seen.append(event)
        if b"bad" in event:  # type: ignore[operator]
            raise RuntimeError("planted")

    def handle_timer(self, now: float) -> None:
        """Do nothing."""

    def next_deadline(self) -> float | None:
        return None


class Ledger:
    """Notes what is written, and how many datagrams had been sent by then."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, int]] = []
        self.sent = lambda: 0

    def gather(self) -> None:
        self.notes.append(("gather", self.sent()))

    def flush(self) -> None:
        self.notes.append(("flush", self.sent()))


class Bench:
    """A driver on a loopback socket and a client to talk to it."""

    def __init__(self) -> None:
        self.core, self.user = Core(), User()
        self.errors: list[tuple[str, str]] = []
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 0))
        self.address = server.getsockname()
        self.driver = Driver(
            server,
            self.core,  # type: ignore[arg-type]
            self.user,
            lambda where, error: self.errors.append((where, str(error))),
            ledgers=((ledger := Ledger()),),
            collect=0.02,
        )
        self.ledger = ledger
        ledger.sent = lambda: self.driver.transport.sent
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.setblocking(False)
        self.client.connect(self.address)

    async def receive(self) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.client, 2048), 5)


@pytest.fixture
async def bench() -> Iterator[Bench]:  # type: ignore[misc]
    """A started driver."""
    made = Bench()
    made.driver.start(asyncio.get_running_loop())
    yield made
    made.driver.close()
    made.client.close()


async def test_a_datagram_goes_to_the_core_and_its_output_to_the_wire(bench: Bench) -> None:
    """And both are counted."""
    bench.client.send(b"INVITE sip:a")
    assert await bench.receive() == b"INVITE sip:a"
    assert bench.driver.transport.received == bench.driver.transport.sent == 1
    assert bench.driver.messages.read() == {("in", "INVITE"): 1, ("out", "INVITE"): 1}


async def test_an_exception_of_core_or_user_is_reported_and_survived(bench: Bench) -> None:
    """The next datagram is served."""
    bench.client.send(b"raise")
    bench.client.send(b"event bad")
    assert await bench.receive() == b"event bad"
    bench.client.send(b"event good")
    assert await bench.receive() == b"event good"
    assert bench.errors == [("datagram", "planted"), ("event", "planted")]
    assert bench.user.seen == [b"event bad", b"event good"]


async def test_a_step_from_elsewhere_sends_at_once(bench: Bench) -> None:
    """What a media event leads to needs no datagram to go out; a failing step is reported."""
    client = bench.client.getsockname()
    bench.driver.run(lambda now: bench.core.out.append((b"pushed", client)))
    assert await bench.receive() == b"pushed"

    def fail(now: float) -> None:
        raise ValueError("planted")

    bench.driver.run(fail)
    assert bench.errors == [("step", "planted")]


async def test_one_timer_fires_for_the_earliest_deadline(bench: Bench) -> None:
    """A deadline that appears with a datagram is armed, and called when due."""
    bench.core.deadline = time.monotonic() + 0.01
    bench.client.send(b"x")
    await bench.receive()
    async with asyncio.timeout(5):
        while not bench.core.fired:
            await asyncio.sleep(0)
    assert bench.core.deadline is None


async def test_looks_at_a_busy_socket_serve_what_is_due_and_calm_arms_the_timer_again(bench: Bench) -> None:
    """While it is looked at anyway no timer is armed; a deadline that is left when it calms is not forgotten."""
    async with asyncio.timeout(10):
        while not bench.driver.transport.collecting:
            bench.client.send(b"x")
            await asyncio.sleep(0.001)
        bench.core.deadline = time.monotonic()
        bench.driver.run(lambda now: None)
        assert bench.driver._timer is None
        while not bench.core.fired:
            await asyncio.sleep(0.001)
        bench.core.deadline = due = time.monotonic() + 1.0
        while bench.driver.transport.collecting:
            await asyncio.sleep(0.001)
        assert time.monotonic() < due
        while len(bench.core.fired) < 2:
            await asyncio.sleep(0.001)


async def test_what_came_together_is_on_the_ledger_once_and_one_fault_spoils_one_item(bench: Bench) -> None:
    """And it is sent together."""
    client = bench.client.getsockname()

    def handle(item: bytes, now: float) -> None:
        if item == b"bad":
            raise ValueError("planted")
        bench.core.out.append((item, client))

    bench.driver.serve(handle, [b"one", b"bad", b"two"])
    assert [await bench.receive(), await bench.receive()] == [b"one", b"two"]
    assert bench.ledger.notes == [("gather", 0), ("flush", 0)]
    assert bench.errors == [("step", "planted")]


async def test_a_batch_is_on_the_ledger_before_anything_of_it_is_sent(bench: Bench) -> None:
    """Both datagrams are answered after one flush."""
    client = bench.client.getsockname()
    bench.driver._batch([(b"one", client), (b"two", client)])
    assert bench.ledger.notes == [("gather", 0), ("flush", 0)]
    assert bench.driver.transport.sent == 2


async def test_a_send_that_fails_is_told_to_the_core(bench: Bench) -> None:
    """The transaction to an address that cannot be sent to fails, and the user hears of it."""
    bench.driver.run(lambda now: bench.core.out.append((b"x" * 70_000, bench.client.getsockname())))
    assert bench.core.failed == [bench.client.getsockname()]
    assert bench.user.seen == [b"event failed"]


class Clogged:
    """A socket whose buffer is full until `open` is set."""

    def __init__(self) -> None:
        self.open = False
        self.sent: list[bytes] = []
        self._pair = socket.socketpair()

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 5060)

    def setblocking(self, flag: bool) -> None:
        """Do nothing."""

    def fileno(self) -> int:
        return self._pair[0].fileno()

    def sendto(self, data: bytes, destination: tuple[str, int]) -> int:
        if not self.open:
            raise BlockingIOError
        self.sent.append(data)
        return len(data)

    def close(self) -> None:
        for end in self._pair:
            end.close()


async def test_what_a_full_socket_does_not_take_waits_in_order_and_is_bounded() -> None:
    """MAX_WAITING datagrams wait, further ones are counted as dropped, the rest go out in order."""
    clogged = Clogged()
    transport = UdpTransport(clogged, lambda batch: None)  # type: ignore[arg-type]
    transport.start(asyncio.get_running_loop())
    asyncio.get_running_loop().remove_reader(clogged)  # type: ignore[arg-type]
    for number in range(MAX_WAITING + 5):
        assert transport.send(b"%d" % number, ("127.0.0.1", 1)) is None
    assert transport.dropped == 5
    clogged.open = True
    async with asyncio.timeout(5):
        while len(clogged.sent) < MAX_WAITING:
            await asyncio.sleep(0)
    assert clogged.sent[:3] == [b"0", b"1", b"2"]
    transport.close()


async def test_a_flood_is_read_in_bounded_batches() -> None:
    """After BATCH datagrams the loop gets its turn."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    batches: list[int] = []
    transport = UdpTransport(server, lambda batch: batches.append(len(batch)))
    for _ in range(BATCH + 10):
        client.sendto(b"x", server.getsockname())
    transport.start(asyncio.get_running_loop())
    async with asyncio.timeout(5):
        while sum(batches) < BATCH + 10:
            await asyncio.sleep(0)
    assert batches[0] == BATCH
    transport.close()
    client.close()


async def test_a_busy_socket_is_looked_at_in_turns_and_a_calm_one_at_once() -> None:
    """Many datagrams in a window switch to collecting; every one is served, and calm returns."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sent: list[bytes] = []
    seen: list[bytes] = []

    def take(batch: list[tuple[bytes, tuple[str, int]]]) -> None:
        seen.extend(data for data, _ in batch)

    transport = UdpTransport(server, take, 0.02)
    transport.start(asyncio.get_running_loop())
    async with asyncio.timeout(10):
        while not transport.collecting:
            # Busy also where a machine with other work makes every sleep a long one.
            for _ in range(BUSY):
                sent.append(b"%d" % len(sent))
                client.sendto(sent[-1], server.getsockname())
            await asyncio.sleep(0.001)
        while len(seen) < len(sent):
            await asyncio.sleep(0.001)
        assert seen == sent
        while transport._next_look is not None:
            await asyncio.sleep(0.01)
        client.sendto(b"calm", server.getsockname())
        while seen[-1] != b"calm":
            await asyncio.sleep(0)
    transport.close()
    client.close()


@pytest.mark.parametrize(
    ("seen", "waits"),
    [(0, 0.0), (BUSY - 1, 0.0), (BUSY, 0.04 * BUSY / HEAVY), (HEAVY, 0.04), (2 * HEAVY, 0.04), (1000, 0.0128)],
)
def test_the_more_comes_the_longer_a_look_waits_until_enough_waits_for_it(seen: int, waits: float) -> None:
    """A calm socket is served at once; above, up to `collect`, or until `WORTHWHILE` datagrams will have come."""
    assert wait_for_more(0.04, seen) == pytest.approx(waits)
    assert wait_for_more(0.0, seen) == 0.0


async def test_what_is_screened_out_reaches_nobody(bench: Bench) -> None:
    """Neither the core nor the counts hear of it; the others of the same batch are served."""
    bench.driver.screen = lambda batch: [datagram for datagram in batch if datagram[0] != b"blocked"]
    bench.client.send(b"blocked")
    bench.client.send(b"welcome")
    assert await bench.receive() == b"welcome"
    assert sum(bench.driver.messages.read().values()) == 2


async def test_nothing_waits_where_collecting_is_off() -> None:
    """However many datagrams come, each is served when the loop sees it."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    seen: list[bytes] = []
    transport = UdpTransport(server, lambda batch: seen.extend(data for data, _ in batch), collect=0.0)
    transport.start(asyncio.get_running_loop())
    began = time.monotonic()
    async with asyncio.timeout(10):
        while time.monotonic() < began + 3 * WINDOW:
            for _ in range(BUSY):
                client.sendto(b"x", server.getsockname())
            await asyncio.sleep(0)
            assert not transport.collecting
    assert len(seen) > BUSY
    transport.close()
    client.close()
