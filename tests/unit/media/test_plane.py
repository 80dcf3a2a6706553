"""The plane against stand-in workers: leases, reconnection, loss of a worker."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
import uvloop

from media import plane, worker_link
from media.control import (
    Attach,
    Bridge,
    Command,
    Conceal,
    FrameReader,
    Join,
    Leave,
    Message,
    Mute,
    Open,
    PauseRecord,
    Ping,
    Play,
    Record,
    Release,
    SendDigits,
    Stats,
    StopPlay,
    StopRecord,
    Unbridge,
    Wish,
    decode_commands,
    encode_frame,
)
from media.events import (
    Digit,
    Event,
    Hello,
    MessageDone,
    PlayDone,
    Pong,
    PortsAdded,
    Recorded,
    Released,
    Silence,
    StreamStats,
    WorkerStats,
)
from media.interface import Stream
from media.plane import ROOM, Lease, MediaEvent, WorkerLost, WorkerPlane

CommandT = TypeVar("CommandT", bound=Command)
STATS = WorkerStats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1.5, 0.25)


class StandIn:
    """A worker's end of the socket: greets, records commands, says what the test wants said."""

    def __init__(self, path: Path, ports: list[int], *, boot: str = "boot-1", greets: bool = True) -> None:
        self.path = str(path)
        self.ports = ports
        self.boot = boot
        self.greets = greets
        self.open: list[tuple[int, int]] = []
        self.client = ""
        self.last_seq = 0
        self.last_gen = 0
        self.address6 = ""
        self.six: list[int] = []
        self.commands: asyncio.Queue[Command] = asyncio.Queue()
        self.wishes: list[Wish] = []
        """For more ports, which all tests make: their workers have few."""
        self.answers = False
        """Pings, without which it is taken for hung after some seconds."""
        self.connections = 0
        self.writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """Dies, if it lives."""
        if self._server is not None:
            self._server.close()
            self._server = None
            os.unlink(self.path)
        self.hang_up()
        await asyncio.gather(*self._serving)

    def hang_up(self) -> None:
        """Closes the connection."""
        if self.writer is not None:
            self.writer.transport.abort()
            self.writer = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writer = writer
        if self.greets:
            self.say(
                Hello(
                    5,
                    "192.0.2.7",
                    self.ports,
                    self.open,
                    self.boot,
                    self.client,
                    self.last_seq,
                    self.last_gen,
                    self.address6,
                    self.six,
                )
            )
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        frames = FrameReader()
        try:
            while data := await reader.read(65536):
                for body in frames.feed(data):
                    for command in decode_commands(body):
                        if isinstance(command, Wish):
                            self.wishes.append(command)
                        elif self.answers and isinstance(command, Ping):
                            self.say(Pong(0))
                        else:
                            self.commands.put_nowait(command)
        except ConnectionError:
            pass
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    def say(self, *events: Event) -> None:
        """Sends events."""
        self.say_raw(encode_frame(events))

    def say_raw(self, data: bytes) -> None:
        """Sends any bytes."""
        assert self.writer is not None
        self.writer.write(data)

    async def heard(self, kind: type[CommandT]) -> CommandT:
        """The next command of this kind, others thrown away."""
        while True:
            command = await asyncio.wait_for(self.commands.get(), 5.0)
            if isinstance(command, kind):
                return command


class Setup:
    """A plane with stand-ins."""

    def __init__(self, directory: Path, workers: list[StandIn]) -> None:
        self.workers = workers
        self.events: asyncio.Queue[MediaEvent] = asyncio.Queue()
        self.reads: list[int] = []
        self.plane = WorkerPlane([worker.path for worker in workers], self.take)

    async def start(self) -> None:
        """Everything up."""
        for worker in self.workers:
            await worker.start()
        await self.plane.start()

    async def close(self) -> None:
        """Everything down."""
        await self.plane.close()
        for worker in self.workers:
            await worker.stop()

    def take(self, events: Sequence[MediaEvent]) -> None:
        """What one read brought."""
        self.reads.append(len(events))
        for event in events:
            self.events.put_nowait(event)

    async def event(self) -> MediaEvent:
        """The next event."""
        return await asyncio.wait_for(self.events.get(), 5.0)

    def lease(self, near: Lease | None = None) -> Lease:
        """A lease there must be."""
        lease = self.plane.lease(near)
        assert lease is not None
        return lease

    def unsent(self, lease: Lease) -> list[type[object]]:
        """What stays for the worker of a lease."""
        return [type(command) for command in self.plane._workers[lease.worker].link._pending]

    def open(self, lease: Lease) -> None:
        """Opens a lease."""
        self.plane.open(lease, Stream("192.0.2.1", 4000, "192.0.2.1", 8, "PCMA", 101))


@pytest.fixture
def ageless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second passes for a plane that starts by now."""
    monkeypatch.setattr(plane, "_TICK", 600.0)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Setup]:
    """One worker with three ports."""
    setup = Setup(tmp_path, [StandIn(tmp_path / "0", [10, 12, 14])])
    await setup.start()
    yield setup
    await setup.close()


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Setup]:
    """Two workers with two ports each."""
    setup = Setup(tmp_path, [StandIn(tmp_path / "0", [10, 12]), StandIn(tmp_path / "1", [20, 22])])
    await setup.start()
    yield setup
    await setup.close()


async def until(condition: Callable[[], bool]) -> None:
    """Lets the loop run until something holds."""
    async with asyncio.timeout(5.0):
        while not condition():
            await asyncio.sleep(0)


class TestLeases:
    """lease, release, counts."""

    async def test_ports_are_leased_longest_unused_first(self, one: Setup) -> None:
        """A port comes back at the end of the line, with another generation."""
        leases = [one.lease() for _ in range(3)]
        assert [lease.port for lease in leases] == [10, 12, 14]
        assert {lease.address for lease in leases} == {"192.0.2.7"}
        assert one.plane.lease() is None
        for lease in (leases[1], leases[0]):
            one.plane.release(lease)
            await one.workers[0].heard(Release)
            one.workers[0].say(Released(lease.port, lease.gen, StreamStats()))
            assert await one.event() == Released(lease.port, lease.gen, StreamStats())
        again = [one.lease(), one.lease()]
        assert [lease.port for lease in again] == [12, 10]
        assert len({lease.gen for lease in leases + again}) == 5

    async def test_a_port_is_free_only_when_the_worker_says_so(self, one: Setup) -> None:
        """Until then its old peer's packets may still be in the socket."""
        leases = [one.lease() for _ in range(3)]
        one.plane.release(leases[0])
        assert one.plane.lease() is None
        assert one.plane.counts() == {"free": 0, "leased": 3, "workers": 1}

    async def test_the_least_loaded_worker_leases(self, two: Setup) -> None:
        """Calls spread; a leg near another is on its worker, or there is none."""
        first, second = two.lease(), two.lease()
        assert {first.worker, second.worker} == {0, 1}
        near = two.lease(first)
        assert near.worker == first.worker
        assert two.plane.lease(first) is None
        assert two.plane.lease(second) is not None
        assert two.plane.lease() is None

    async def test_calls_come_to_who_has_ports_for_more_parties(self, tmp_path: Path) -> None:
        """A worker with hardly any is asked only when the others have hardly any either."""
        many = list(range(100, 100 + 2 * (ROOM + 2), 2))
        setup = Setup(tmp_path, [StandIn(tmp_path / "0", [10, 12]), StandIn(tmp_path / "1", many)])
        await setup.start()
        assert [setup.lease().worker for _ in range(5)] == [1, 1, 1, 0, 0]
        assert setup.lease().worker == 1
        await setup.close()

    async def test_calls_are_told_of_ports_that_are_on_their_way(self, ageless: None, one: Setup) -> None:
        """From the wish, written at the first lease of few, over those that come to the word that none are left."""
        told: list[bool] = []
        one.plane.on_short = told.append
        one.lease()
        assert told == [True]
        await until(lambda: one.workers[0].wishes == [Wish(64)])
        one.workers[0].say(PortsAdded(list(range(100, 120, 2))))
        await until(lambda: told == [True, True])
        assert (one.plane.spare(False), one.plane.spare(True)) == (12, 12)
        one.workers[0].say(PortsAdded([]))
        await until(lambda: told == [True, True, False])
        while one.plane.lease() is not None:
            pass
        assert len(told) == 3

    async def test_a_wish_fulfilled_ends_the_waiting(self, ageless: None, one: Setup) -> None:
        """Nobody says that these were all."""
        told: list[bool] = []
        one.plane.on_short = told.append
        one.lease()
        one.workers[0].say(PortsAdded(list(range(100, 100 + 2 * 64, 2))))
        await until(lambda: told == [True, False])

    async def test_who_loses_its_worker_waits_no_longer(self, ageless: None, two: Setup) -> None:
        """No port is to come from there."""
        told: list[bool] = []
        two.plane.on_short = told.append
        two.lease()
        two.lease()
        assert told == [True]
        for worker in two.workers:
            await worker.stop()
        await until(lambda: bool(told) and not told[-1])

    async def test_ports_are_leased_in_the_family_of_the_peer(self, tmp_path: Path) -> None:
        """Where the worker has both; each comes back to its own."""
        worker = StandIn(tmp_path / "0", [10, 12, 14])
        worker.address6, worker.six = "2001:db8::7", [12, 14]
        one = Setup(tmp_path, [worker])
        await one.start()
        assert one.plane.lease(six=True) is not None
        second = one.plane.lease(six=True)
        assert second is not None
        assert (second.port, second.address) == (14, "2001:db8::7")
        assert one.plane.lease(six=True) is None
        four = one.lease()
        assert (four.port, four.address) == (10, "192.0.2.7")
        assert one.plane.lease() is None
        one.plane.release(second)
        one.workers[0].say(Released(14, second.gen, StreamStats()), PortsAdded([16], [16]))
        await until(lambda: one.plane.counts()["free"] == 2)
        assert one.plane.lease() is None
        assert [lease.port for lease in (one.plane.lease(six=True), one.plane.lease(six=True)) if lease] == [14, 16]
        await one.close()

    async def test_without_a_second_family_every_port_is_of_the_first(self, one: Setup) -> None:
        """Whatever is asked for."""
        lease = one.plane.lease(six=True)
        assert lease is not None
        assert (lease.port, lease.address) == (10, "192.0.2.7")

    async def test_legs_of_different_workers_cannot_be_bridged(self, two: Setup) -> None:
        """That is the caller's fault and said so."""
        with pytest.raises(ValueError, match="different workers"):
            two.plane.bridge(two.lease(), two.lease())

    async def test_legs_of_different_workers_cannot_be_in_a_room(self, two: Setup) -> None:
        """Nor can one be coached from another; who left, is bridged or released, or whose worker died is in none."""
        a, b = two.lease(), two.lease()
        c = two.lease(a)
        assert (a.worker, b.worker, c.worker) == (0, 1, 0)
        two.plane.join(a, 9)
        for role, coached in (("party", None), ("coach", a)):
            with pytest.raises(ValueError, match="different workers"):
                two.plane.join(b, 9, role, coached)  # type: ignore[arg-type]
        two.plane.leave(a)
        two.plane.join(b, 9)
        two.plane.release(b)
        two.plane.join(a, 9)
        two.plane.bridge(a, c)
        d = two.lease(b)
        two.plane.join(d, 9)
        await two.workers[1].heard(Release)
        await two.workers[1].stop()
        assert isinstance(await two.event(), WorkerLost)
        two.plane.join(d, 9)
        two.plane.join(a, 9)

    async def test_added_ports_can_be_leased(self, one: Setup) -> None:
        """Each once, however often it is told."""
        leased = [one.lease() for _ in range(3)]
        one.workers[0].say(PortsAdded([14, 16]), PortsAdded([16]))
        await until(lambda: one.plane.counts()["free"] > 0)
        assert one.lease().port == 16
        assert one.plane.lease() is None
        assert len(leased) == 3

    async def test_generations_start_above_those_of_the_signalling_before(self, tmp_path: Path) -> None:
        """The worker ignores older ones."""
        worker = StandIn(tmp_path / "0", [10])
        worker.last_gen = 500
        setup = Setup(tmp_path, [worker])
        await setup.start()
        assert setup.lease().gen == 501
        await setup.close()

    async def test_what_one_read_brought_is_told_together(self, one: Setup) -> None:
        """So that what follows from it is written and sent together."""
        a, b = one.lease(), one.lease()
        for lease in (a, b):
            one.plane.release(lease)
        one.workers[0].say(*(Released(lease.port, lease.gen, StreamStats()) for lease in (a, b)), PortsAdded([14]))
        assert [await one.event(), await one.event()] == [
            Released(lease.port, lease.gen, StreamStats()) for lease in (a, b)
        ]
        assert one.reads == [2]


class TestCommands:
    """What reaches the worker."""

    async def test_commands_gathered_go_when_flushed(self, one: Setup) -> None:
        """All in one write; later ones go at the end of the loop's iteration again."""
        await one.workers[0].heard(Attach)
        a = one.lease()
        one.plane.gather()
        one.open(a)
        one.plane.stop_play(a)
        await asyncio.sleep(0.01)
        assert one.workers[0].commands.empty()
        one.plane.flush()
        assert (await one.workers[0].heard(Open)).seq == 1
        assert (await one.workers[0].heard(StopPlay)).seq == 2
        one.plane.release(a)
        assert (await one.workers[0].heard(Release)).seq == 3

    async def test_commands_arrive_in_order_and_numbered(self, one: Setup) -> None:
        """Each with the lease's port and generation."""
        a, b = one.lease(), one.lease()
        one.open(a)
        one.plane.open(
            b,
            Stream(
                remote_ip="192.0.2.2",
                remote_port=1,
                latch_ip="192.0.2.3",
                audio_pt=0,
                codec="PCMU",
                event_pt=None,
                send=False,
                receive=False,
                digits=True,
                receive_pt=3,
                receive_event_pt=4,
                rtcp_port=5,
                rtcp_mux=True,
            ),
        )
        one.plane.bridge(a, b)
        one.plane.play(a, 7, ("x", "y"), loop=True)
        one.plane.stop_play(a)
        one.plane.send_digits(b, "12")
        one.plane.unbridge(a)
        one.plane.record(a, "r1", "r1.wav", b)
        one.plane.record(a, "r2", "r2.wav")
        one.plane.pause_record(a, True)
        one.plane.conceal(a, True)
        one.plane.stop_record(a)
        one.plane.message(a, 3, "m.wav", 60.0, 5.0, "#")
        one.plane.join(a, 9)
        one.plane.join(b, 9, "coach", a)
        one.plane.mute(a, True)
        one.plane.leave(a)
        one.plane.release(b)
        expected: list[Command] = [
            Open(10, a.gen, "192.0.2.1", 4000, "192.0.2.1", 8, "PCMA", 101),
            Open(12, b.gen, "192.0.2.2", 1, "192.0.2.3", 0, "PCMU", None, False, False, True, 0, 3, 4, 5, True),
            Bridge(10, a.gen, 12, b.gen),
            Play(10, a.gen, 7, ["x", "y"], True),
            StopPlay(10, a.gen),
            SendDigits(12, b.gen, "12"),
            Unbridge(10, a.gen),
            Record(10, a.gen, "r1", "r1.wav", 12, b.gen),
            Record(10, a.gen, "r2", "r2.wav"),
            PauseRecord(10, a.gen, True),
            Conceal(10, a.gen, True),
            StopRecord(10, a.gen),
            Message(10, a.gen, 3, "m.wav", 60.0, 5.0, "#"),
            Join(10, a.gen, 9),
            Join(12, b.gen, 9, "coach", 10, a.gen),
            Mute(10, a.gen, True),
            Leave(10, a.gen),
            Release(12, b.gen),
        ]
        await one.workers[0].heard(Attach)
        for number, command in enumerate(expected, start=1):
            command.seq = number
            assert await one.workers[0].commands.get() == command

    async def test_a_released_lease_commands_nothing(self, one: Setup) -> None:
        """Neither does releasing it again."""
        lease, other = one.lease(), one.lease()
        one.plane.release(lease)
        one.plane.release(lease)
        one.open(lease)
        one.plane.bridge(lease, other)
        one.plane.stop_play(other)
        await one.workers[0].heard(Release)
        assert isinstance(await one.workers[0].commands.get(), StopPlay)


class TestEvents:
    """What reaches the calls."""

    async def test_events_of_living_leases_are_passed_on(self, one: Setup) -> None:
        """Digit, PlayDone, Silence, and what became of recordings."""
        lease = one.lease()
        told: list[MediaEvent] = [
            Digit(lease.port, lease.gen, "1", 2.0),
            PlayDone(lease.port, lease.gen, 1, "done"),
            Silence(lease.port, lease.gen),
            Recorded(lease.port, lease.gen, "r1", "r1.wav", 2.0, 64000, 0),
            MessageDone(lease.port, lease.gen, 3, 2.0, "digit"),
        ]
        one.workers[0].say(*told)  # type: ignore[arg-type]
        assert [await one.event() for _ in told] == told

    async def test_events_of_old_generations_are_not(self, one: Setup) -> None:
        """They are of the call that had the port before."""
        lease = one.lease()
        one.workers[0].say(
            Digit(lease.port, lease.gen - 1, "1", 2.0),
            Silence(99, 1),
            Released(lease.port, lease.gen - 1, StreamStats()),
            Digit(lease.port, lease.gen, "2", 2.0),
        )
        assert await one.event() == Digit(lease.port, lease.gen, "2", 2.0)
        assert one.plane.counts() == {"free": 2, "leased": 1, "workers": 1}

    async def test_a_fault_in_a_call_does_not_cost_the_worker(self, one: Setup) -> None:
        """The next event comes all the same."""
        lease = one.lease()
        seen: list[MediaEvent] = []

        def fails(events: Sequence[MediaEvent]) -> None:
            seen.extend(events)
            if len(seen) == 1:
                raise RuntimeError("a call's fault")

        one.plane._on_events = fails
        digit = Digit(lease.port, lease.gen, "1", 2.0)
        one.workers[0].say(digit)
        await until(lambda: len(seen) == 1)
        one.workers[0].say(digit)
        await until(lambda: len(seen) == 2)
        assert one.workers[0].connections == 1

    async def test_worker_counters_are_kept(self, one: Setup) -> None:
        """The last ones of each worker."""
        assert one.plane.worker_stats() == {}
        one.workers[0].say(STATS)
        await until(lambda: bool(one.plane.worker_stats()))
        assert one.plane.worker_stats() == {0: STATS}


class TestConnection:
    """Loss of the connection, of the worker, of signalling."""

    async def test_a_lost_connection_loses_no_command(self, one: Setup) -> None:
        """Those that the worker has not carried out are sent again, and only those."""
        worker = one.workers[0]
        lease = one.lease()
        for name in ("one", "two", "three"):
            one.plane.play(lease, 1, [name])
        attach = await worker.heard(Attach)
        for _ in range(3):
            last = await worker.heard(Play)
        assert last.seq == 3
        worker.client, worker.last_seq = attach.client, 2
        worker.open = [(lease.port, lease.gen)]
        worker.hang_up()
        await until(lambda: one.plane.counts()["workers"] == 0)
        one.plane.play(lease, 1, ["four"])
        assert isinstance(await worker.commands.get(), Attach)
        assert [(await worker.heard(Play)).prompts for _ in range(2)] == [["three"], ["four"]]
        assert one.plane.counts() == {"free": 2, "leased": 1, "workers": 1}
        assert one.events.empty()

    async def test_acknowledged_commands_are_forgotten(self, one: Setup) -> None:
        """A Pong tells the last one carried out, also if the worker has forgotten who sent it."""
        worker = one.workers[0]
        lease = one.lease()
        one.plane.play(lease, 1, ["one"])
        one.plane.play(lease, 1, ["two"])
        assert (await worker.heard(Play)).prompts == ["one"]
        worker.say(Pong(1), Digit(lease.port, lease.gen, "1", 0.0))
        await one.event()
        worker.hang_up()
        await worker.heard(Attach)
        assert (await worker.heard(Play)).prompts == ["two"]

    async def test_what_nobody_waits_for_stays_and_goes_before_what_follows(
        self, one: Setup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first Release goes at once; the next ones need not wake the worker up for themselves."""
        monkeypatch.setattr(worker_link, "PACE", 600.0)
        worker = one.workers[0]
        leases = [one.lease() for _ in range(3)]
        one.plane.release(leases[0])
        assert (await worker.heard(Release)).port == leases[0].port
        one.plane.release(leases[1])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert one.unsent(leases[1]) == [Release]
        one.plane.play(leases[2], 1, ["one"])
        assert (await worker.heard(Release)).port == leases[1].port
        assert (await worker.heard(Play)).port == leases[2].port

    async def test_only_the_first_open_stays(self, one: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
        """What changes a session is waited for: until then what comes in the new form is lost."""
        monkeypatch.setattr(worker_link, "PACE", 600.0)
        worker = one.workers[0]
        first, lease = one.lease(), one.lease()
        one.plane.release(first)
        await worker.heard(Release)
        one.open(lease)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert one.unsent(lease) == [Open]
        one.open(lease)
        assert [(await worker.heard(Open)).gen for _ in range(2)] == [lease.gen] * 2

    async def test_a_bridge_stays_with_the_first_opens_of_both(
        self, one: Setup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What comes meanwhile is kept and relayed then; it would be lost where one of them was open already."""
        monkeypatch.setattr(worker_link, "PACE", 600.0)
        worker = one.workers[0]
        a, b, c = (one.lease() for _ in range(3))
        one.plane.stop_play(c)
        await worker.heard(StopPlay)
        one.open(a)
        one.open(b)
        one.plane.bridge(a, b)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert one.unsent(a) == [Open, Open, Bridge]
        one.plane.play(c, 1, ["one"])
        assert (await worker.heard(Bridge)).port_b == b.port
        one.open(c)
        one.plane.bridge(a, c)
        assert (await worker.heard(Bridge)).port_b == c.port

    async def test_what_stays_goes_after_a_moment(self, one: Setup) -> None:
        """Even if nothing follows, or only the end."""
        worker = one.workers[0]
        leases = [one.lease() for _ in range(3)]
        for lease in leases[:2]:
            one.plane.release(lease)
            assert (await worker.heard(Release)).port == lease.port
        one.plane.release(leases[2])
        await one.plane.close()
        assert (await worker.heard(Release)).port == leases[2].port

    async def test_a_release_whose_answer_was_lost_is_sent_again(self, one: Setup) -> None:
        """Or the port would be leased for ever."""
        worker = one.workers[0]
        lease = one.lease()
        one.plane.release(lease)
        attach = await worker.heard(Attach)
        release = await worker.heard(Release)
        worker.client, worker.last_seq = attach.client, release.seq
        worker.hang_up()
        again = await worker.heard(Release)
        assert (again.port, again.gen) == (lease.port, lease.gen)
        worker.say(Released(lease.port, lease.gen, StreamStats()), Released(lease.port, lease.gen, StreamStats()))
        await one.event()
        await until(lambda: one.plane.counts()["free"] == 3)
        assert one.plane.counts()["leased"] == 0

    async def test_a_dead_worker_is_noticed_at_once(self, two: Setup) -> None:
        """Its leases are void, the other worker's are not."""
        leases = [two.lease() for _ in range(4)]
        mine = tuple(lease for lease in leases if lease.worker == 0)
        await two.workers[0].stop()
        assert await two.event() == WorkerLost(0, mine)
        assert two.plane.counts() == {"free": 0, "leased": 2, "workers": 1}
        two.plane.release(mine[0])
        two.open(mine[0])

    async def test_a_restarted_worker_leases_again(self, one: Setup) -> None:
        """With all its ports; nothing of the time before is sent to it."""
        old = one.lease()
        one.open(old)
        await one.workers[0].heard(Open)
        await one.workers[0].stop()
        assert await one.event() == WorkerLost(0, (old,))
        successor = StandIn(Path(one.workers[0].path), [10, 12, 14], boot="boot-2")
        one.workers[0] = successor
        await successor.start()
        await until(lambda: one.plane.counts()["workers"] == 1)
        assert one.plane.counts() == {"free": 3, "leased": 0, "workers": 1}
        new = one.lease()
        assert new.gen > old.gen
        one.plane.stop_play(new)
        assert isinstance(await successor.commands.get(), Attach)
        assert isinstance(await successor.commands.get(), StopPlay)

    async def test_a_worker_restarted_before_it_was_missed_is_noticed(self, one: Setup) -> None:
        """By the name of its boot."""
        lease = one.lease()
        one.workers[0].boot = "boot-2"
        one.workers[0].hang_up()
        assert await one.event() == WorkerLost(0, (lease,))
        await until(lambda: one.plane.counts() == {"free": 3, "leased": 0, "workers": 1})

    async def test_sessions_of_an_earlier_signalling_are_ended(self, tmp_path: Path) -> None:
        """Nobody knows them any more; their ports are free afterwards."""
        worker = StandIn(tmp_path / "0", [10, 12])
        worker.open = [(12, 77)]
        setup = Setup(tmp_path, [worker])
        await setup.start()
        release = await worker.heard(Release)
        assert (release.port, release.gen) == (12, 77)
        assert setup.plane.counts()["free"] == 1
        worker.say(Released(12, 77, StreamStats()), Released(12, 77, StreamStats()))
        await until(lambda: setup.plane.counts()["free"] == 2)
        assert setup.events.empty()
        await setup.close()

    async def test_a_worker_that_is_not_there_is_waited_for(self, tmp_path: Path) -> None:
        """Starting fails in words when it does not come."""
        setup = Setup(tmp_path, [StandIn(tmp_path / "0", [10])])
        with pytest.raises(TimeoutError):
            await setup.plane.start(timeout=0.2)
        assert setup.plane.lease() is None
        await setup.plane.close()

    async def test_garbage_from_a_worker_breaks_the_connection_only(self, one: Setup) -> None:
        """It is made again, and the sessions go on."""
        one.lease()
        one.workers[0].say_raw(b"\xff" * 8)
        await until(lambda: one.workers[0].connections == 2)
        await until(lambda: one.plane.counts()["workers"] == 1)
        assert one.plane.counts()["leased"] == 1
        assert one.events.empty()

    async def test_what_comes_before_hello_is_ignored(self, tmp_path: Path) -> None:
        """A worker greets first."""
        worker = StandIn(tmp_path / "0", [10], greets=False)
        setup = Setup(tmp_path, [worker])
        await worker.start()
        started = asyncio.ensure_future(setup.plane.start())
        await until(lambda: worker.writer is not None)
        worker.say(Pong(1), Hello(0, "192.0.2.7", [10], [], "boot"))
        await started
        assert setup.plane.counts()["free"] == 1
        await setup.close()

    async def test_a_worker_without_ports_is_not_there_yet(self, tmp_path: Path) -> None:
        """It greets before its first ports have come; a call of that moment would find none."""
        worker = StandIn(tmp_path / "0", [])
        setup = Setup(tmp_path, [worker])
        await worker.start()
        started = asyncio.ensure_future(setup.plane.start())
        await until(lambda: setup.plane.counts()["workers"] == 1)
        assert not started.done()
        worker.say(PortsAdded([10]))
        await started
        assert setup.plane.lease() is not None
        await setup.close()

    async def test_a_worker_that_hangs_up_before_hello_is_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It may be about to die."""
        monkeypatch.setattr(worker_link, "_BACKOFF_FIRST", 0.001)
        worker = StandIn(tmp_path / "0", [10], greets=False)
        setup = Setup(tmp_path, [worker])
        await worker.start()
        started = asyncio.ensure_future(setup.plane.start())
        await until(lambda: worker.writer is not None)
        worker.greets = True
        worker.hang_up()
        await started
        assert worker.connections == 2
        await setup.close()


def test_nothing_is_written_to_a_connection_that_has_just_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handle of uvloop that is closed refuses it with an error, which would end the ticking for every worker."""
    faults: list[object] = []
    lost = worker_link._Connection.connection_lost

    async def scenario() -> None:
        setup = Setup(tmp_path, [StandIn(tmp_path / "0", [10])])
        await setup.start()
        link = setup.plane._workers[0].link
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: faults.append(context))

        def lost_and_ticking(connection: worker_link._Connection, exc: Exception | None) -> None:
            loop.call_soon(link.tick)
            loop.call_soon(link.ask, Stats())
            lost(connection, exc)

        monkeypatch.setattr(worker_link._Connection, "connection_lost", lost_and_ticking)
        setup.workers[0].hang_up()
        await until(lambda: setup.workers[0].connections == 2 and link.up)
        await setup.close()

    uvloop.run(scenario())
    assert faults == []


class TestHanging:
    """A worker that is there but does nothing."""

    async def test_it_is_pinged_and_counts_as_lost_without_an_answer(self, one: Setup) -> None:
        """After five pings in vain."""
        lease = one.lease()
        link = one.plane._workers[0].link
        for _ in range(worker_link.MAX_UNANSWERED):
            link.tick()
            assert isinstance(await one.workers[0].heard(Ping), Ping)
            assert isinstance(await one.workers[0].heard(Stats), Stats)
        assert one.events.empty()
        link.tick()
        assert await one.event() == WorkerLost(0, (lease,))
        await until(lambda: one.plane.counts() == {"free": 3, "leased": 0, "workers": 1})

    async def test_an_answer_is_a_sign_of_life(self, one: Setup) -> None:
        """However many pings there were."""
        lease = one.lease()
        link = one.plane._workers[0].link
        for _ in range(3 * worker_link.MAX_UNANSWERED):
            link.tick()
            one.workers[0].say(Pong(0), Digit(lease.port, lease.gen, "1", 0.0))
            await one.event()
        assert one.plane.counts()["workers"] == 1

    async def test_commands_wait_while_it_does_not_read(self, one: Setup) -> None:
        """They follow in order when it does again; too many make it count as lost."""
        link = one.plane._workers[0].link
        lease = one.lease()
        await one.workers[0].heard(Attach)
        link._pause()
        one.plane.play(lease, 1, ["one"])
        await asyncio.sleep(0)
        one.plane.play(lease, 1, ["two"])
        await asyncio.sleep(0)
        assert one.workers[0].commands.empty()
        link.tick()
        link._resume()
        link._resume()
        assert [(await one.workers[0].heard(Play)).prompts for _ in range(2)] == [["one"], ["two"]]

    async def test_a_flood_it_does_not_read_makes_it_count_as_lost(
        self, one: Setup, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Memory is bounded."""
        monkeypatch.setattr(worker_link, "MAX_UNACKNOWLEDGED", 10)
        lease = one.lease()
        for _ in range(11):
            one.plane.stop_play(lease)
        await asyncio.sleep(0)
        one.plane._workers[0].link.tick()
        assert await one.event() == WorkerLost(0, (lease,))


def test_it_runs_on_uvloop(tmp_path: Path) -> None:
    """Whose transports are none of asyncio's classes."""

    async def scenario() -> None:
        setup = Setup(tmp_path, [StandIn(tmp_path / "0", [10])])
        await setup.start()
        lease = setup.lease()
        setup.open(lease)
        assert (await setup.workers[0].heard(Open)).gen == lease.gen
        await setup.workers[0].stop()
        assert await setup.event() == WorkerLost(0, (lease,))
        await setup.plane.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())


class TestWorkersThatComeAndGo:
    """add, drain, on_empty."""

    async def test_new_calls_go_elsewhere_and_the_last_one_ends_it(self, two: Setup) -> None:
        """Legs of a call that is up still come to its worker; its number is told once, and nothing is leased there."""
        gone: list[int] = []
        drained: list[int] = []
        two.plane.on_drain, two.plane.on_empty = drained.append, gone.append
        first = two.lease()
        two.plane.drain(first.worker)
        assert drained == [first.worker]
        assert two.plane.states()[first.worker].draining
        others = [two.lease(), two.lease()]
        assert {lease.worker for lease in others} == {1 - first.worker}
        assert two.plane.lease() is None
        second = two.lease(first)
        assert second.worker == first.worker
        for lease in (first, second):
            assert gone == []
            two.plane.release(lease)
            two.workers[first.worker].say(Released(lease.port, lease.gen, StreamStats()))
            await two.event()
        await until(lambda: gone == [first.worker])
        assert two.plane.lease(first) is None
        two.plane.release(first)
        two.plane.mute(first, True)
        assert list(two.plane.states()) == [1 - first.worker]

    async def test_one_without_calls_goes_at_once(self, two: Setup) -> None:
        """The last one stays."""
        gone: list[int] = []
        two.plane.on_empty = gone.append
        lease = two.lease()
        two.plane.drain(1 - lease.worker)
        await until(lambda: gone == [1 - lease.worker])
        with pytest.raises(ValueError, match="the last one"):
            two.plane.drain(lease.worker)
        with pytest.raises(ValueError, match="no media worker 7"):
            two.plane.drain(7)

    async def test_one_that_was_drained_before_we_came(self, two: Setup) -> None:
        """It gets no call either, and is gone when nothing is left on it; who asks for it is told."""
        drained: list[int] = []
        gone: list[int] = []
        two.plane.on_drain, two.plane.on_empty = drained.append, gone.append
        lease = two.lease()
        two.plane.drain_on(lease.worker)
        two.plane.drain_on(7)
        other = two.lease()
        assert (other.worker, gone) == (1 - lease.worker, [])
        two.plane.release(lease)
        two.workers[lease.worker].say(Released(lease.port, lease.gen, StreamStats()))
        await until(lambda: gone == [lease.worker])
        assert drained == []

    async def test_nobody_waits_for_the_ports_of_a_drained_one(self, tmp_path: Path) -> None:
        """It has begun anew as we did: it is gone before it is given any."""
        taking, drained = StandIn(tmp_path / "taking", [10, 12]), StandIn(tmp_path / "drained", [])
        plane = WorkerPlane([taking.path, drained.path], lambda events: None)
        plane.drain_on(1)
        await taking.start()
        starting = asyncio.create_task(plane.start())
        await until(lambda: plane.states()[0].up)
        await drained.start()
        await starting
        assert (list(plane.states()), taking.connections) == ([0], 1), "nobody had to come again"
        await plane.close()
        await taking.stop()
        await drained.stop()

    async def test_one_that_dies_while_it_is_drained_is_gone(self, two: Setup) -> None:
        """Its calls hear of it as ever."""
        gone: list[int] = []
        two.plane.on_empty = gone.append
        lease = two.lease()
        two.plane.drain(lease.worker)
        await two.workers[lease.worker].stop()
        assert await two.event() == WorkerLost(lease.worker, (lease,))
        await until(lambda: gone == [lease.worker])

    async def test_another_one_takes_calls_as_soon_as_it_is_there(self, one: Setup, tmp_path: Path) -> None:
        """Its process may come after its name."""
        another = StandIn(tmp_path / "later", [30, 32])
        one.plane.add(5, another.path)
        one.plane.add(5, another.path)
        assert [one.lease().worker for _ in range(3)] == [0, 0, 0]
        await another.start()
        await until(lambda: one.plane.states()[5].up)
        assert one.lease().worker == 5
        await one.plane.close()
        await another.stop()
