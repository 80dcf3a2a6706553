"""The worker's ends of its two sockets, driven by hand: signalling's and the supervisor's."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from media import port_stock
from media.control import Open, Ping, Release, Stats
from media.events import Digit, Event, Pong, PortsAdded, Released, StreamStats, WorkerStats
from media.prompts import PromptStore
from media.worker import listener, signalling
from media.worker.log import complain
from media.worker.ports import Port
from media.worker.recordings import NEVER
from media.worker.sessions import Sessions
from media.worker.signalling import PACE, Signalling
from media.worker.supervisor import MOST, Supervisor
from switchboard.supervisor.supervisor import MOST_PAIRS
from tests.support.media_worker import Control, bind_pairs


class Link:
    """A worker's control socket with its epoll; `turn` is one round of the loop."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "control")
        self.epoll = select.epoll()
        self.sessions = Sessions(PromptStore([]), silence=60.0)
        self.signalling = Signalling(self.path, 4, "192.0.2.4", self.sessions, self.epoll)
        self.controls: list[Control] = []

    def turn(self) -> None:
        """Serves what is ready, then sends what was emitted."""
        for fd, _ in self.epoll.poll(0):
            self.sessions.readers[fd](1.0)
        if self.sessions.events:
            self.signalling.flush()

    def connect(self, client: str = "") -> Control:
        """A connection; the listener's backlog takes it before the worker does."""
        control = Control(self.path, client, connected=self.turn)
        self.controls.append(control)
        return control

    def close(self) -> None:
        """Gives everything up."""
        for control in self.controls:
            control.close()
        if self.signalling._connection is not None:
            self.signalling._connection.drop("the test is over")
        self.signalling._listener.close()
        self.signalling.close()
        self.signalling.close()
        self.epoll.close()


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    """A control socket."""
    made = Link(tmp_path)
    yield made
    made.close()


class TestSignalling:
    """Signalling."""

    def test_it_greets(self, link: Link) -> None:
        """With who it is and what it has had."""
        link.sessions.last_gen = 9
        hello = link.connect().hello
        assert (hello.worker_id, hello.address, hello.last_gen, hello.client) == (4, "192.0.2.4", 9, "")
        assert link.signalling.connected

    def test_only_its_owner_may_connect(self, link: Link) -> None:
        """Whoever connects commands the audio of all calls."""
        assert Path(link.path).stat().st_mode & 0o777 == 0o600

    def test_a_socket_left_by_a_crash_is_replaced(self, link: Link, tmp_path: Path) -> None:
        """The file says nothing about who listens."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
            old.bind(str(tmp_path / "left"))
        listener.listen(str(tmp_path / "left")).close()

    def test_numbers_and_counters_are_answered(self, link: Link) -> None:
        """Ping with the last command carried out, Stats with everything."""
        control = link.connect("one")
        control.send(Release(10, 1, seq=6), Ping(), Stats())
        link.turn()
        assert control.next() == Released(10, 1, StreamStats())
        assert control.next() == Pong(6)
        stats = control.expect(WorkerStats)
        assert stats.cpu_seconds > 0.0

    def test_the_newest_connection_counts(self, link: Link) -> None:
        """A restarted signalling process need not wait for the end of the old one."""
        old = link.connect()
        new = link.connect()
        with pytest.raises(EOFError):
            old.next()
        new.send(Ping())
        link.turn()
        assert new.next() == Pong(0)

    def test_released_goes_at_once_and_the_next_ones_stay_a_while(self, link: Link) -> None:
        """Each write wakes signalling up, and nobody waits for these; none stays for long."""
        control, tell = link.connect(), link.signalling.tell
        first, second, third = (Released(port, 1, StreamStats()) for port in (10, 12, 14))
        link.sessions.emit(first)
        tell(5.0)
        assert control.next() == first
        assert link.signalling.due == NEVER
        link.sessions.emit(second)
        tell(5.001)
        assert link.signalling.due == pytest.approx(5.0 + PACE)
        link.sessions.emit(third)
        tell(5.0 + PACE - 0.001)
        assert control.next(0.01) is None
        tell(5.0 + PACE + 0.001)
        assert [control.next(), control.next()] == [second, third]
        assert link.signalling.due == NEVER

    def test_other_events_go_at_once_and_take_released_along(self, link: Link) -> None:
        """In the order in which they came about."""
        control = link.connect()
        released, digit = Released(10, 1, StreamStats()), Digit(12, 1, "1", 0.0)
        link.sessions.emit(digit)
        link.signalling.tell(5.0)
        link.sessions.emit(released)
        link.signalling.tell(5.001)
        link.sessions.emit(digit)
        link.signalling.tell(5.002)
        assert [control.next(), control.next(), control.next()] == [digit, released, digit]
        link.sessions.emit(released)
        link.signalling.tell(5.003)
        assert link.signalling.due == pytest.approx(5.002 + PACE)

    def test_what_stayed_is_kept_for_the_next_connection(self, link: Link) -> None:
        """As everything is."""
        link.connect()
        link.sessions.emit(Pong(0))
        link.signalling.tell(5.0)
        link.sessions.emit(Released(10, 1, StreamStats()))
        link.signalling.tell(5.01)
        assert link.signalling._connection is not None
        link.signalling._connection.drop("test")
        control = link.connect()
        link.signalling.tell(5.01 + PACE)
        assert control.next() == Released(10, 1, StreamStats())

    def test_a_command_that_fails_costs_the_others_nothing(
        self, link: Link, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is told in the log with all that is known."""
        control = link.connect()

        def fails(command: Open, now: float) -> None:
            raise KeyError("a fault")

        monkeypatch.setitem(link.sessions._carry_out, Open, fails)
        control.send(Open(10, 1, "192.0.2.1", 1, "192.0.2.1", 8, "PCMA"), Release(10, 1))
        link.turn()
        assert control.next() == Released(10, 1, StreamStats())
        assert "KeyError: 'a fault'" in capsys.readouterr().err

    def test_events_wait_for_a_connection_within_bounds(self, link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
        """The newest are kept."""
        monkeypatch.setattr(signalling, "MAX_KEPT", 3)
        for n in range(5):
            link.sessions.emit(Digit(10, 1, str(n), 0.0))
            link.turn()
        control = link.connect()
        link.turn()
        assert [control.expect(Digit).digit for _ in range(3)] == ["2", "3", "4"]

    def test_what_a_full_socket_does_not_take_follows_later(self, link: Link) -> None:
        """In order, and nothing twice."""
        control = link.connect()
        events: list[Event] = [PortsAdded(list(range(100_000, 110_000))) for _ in range(40)]
        for event in events:
            link.sessions.emit(event)
            link.turn()
        connection = link.signalling._connection
        assert connection is not None
        assert connection.full
        for event in events:
            while (got := control.next(0.01)) is None:
                link.turn()
            assert got == event
            link.turn()
        assert not connection.full

    def test_who_does_not_read_is_dropped(
        self, link: Link, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Memory is bounded; it may connect again."""
        monkeypatch.setattr(signalling, "MAX_UNSENT", 100_000)
        link.connect()
        for _ in range(40):
            link.sessions.emit(PortsAdded(list(range(100_000, 110_000))))
            link.turn()
        assert not link.signalling.connected
        assert "octets unread" in capsys.readouterr().err
        assert link.connect().hello.worker_id == 4

    def test_a_connection_that_is_gone_when_written_to_is_dropped(self, link: Link) -> None:
        """The write notices before the read."""
        link.connect().close()
        for _ in range(3):
            link.sessions.emit(Digit(10, 1, "1", 0.0))
            link.signalling.flush()
        assert not link.signalling.connected
        assert link.sessions.events != []


class Overseer:
    """The supervisor's end."""

    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.setblocking(False)
        self.taken: list[Port] = []
        self.worker = Supervisor(theirs, "worker 4", self.taken.extend)

    def heard(self) -> list[object]:
        """What the worker said."""
        messages = []
        while True:
            try:
                messages.append(msgspec.msgpack.decode(self.sock.recv(4096)))
            except BlockingIOError:
                return messages

    def close(self) -> None:
        """Gives everything up."""
        self.sock.close()
        self.worker.sock.close()
        for port in self.taken:
            port.close()


@pytest.fixture
def overseer() -> Iterator[Overseer]:
    """A supervisor's end."""
    made = Overseer()
    yield made
    made.close()


class TestSupervisor:
    """Supervisor."""

    def test_it_says_that_it_is_ready(self, overseer: Overseer) -> None:
        """In one message."""
        overseer.worker.ready()
        assert overseer.heard() == [{"ready": True}]

    @pytest.mark.parametrize(("count", "wish"), [(1, {"more": 1}), (500, {"more": 500}), (9000, {"more": MOST})])
    def test_it_asks_for_as_many_as_are_wanted(self, overseer: Overseer, count: int, wish: object) -> None:
        """Up to as many as are given at once."""
        overseer.worker.want(count)
        assert overseer.heard() == [wish]

    def test_no_wish_is_greater_than_what_is_given(self) -> None:
        """The rest of it would be waited for, and no more asked for, for ever."""
        assert port_stock.MOST == MOST == MOST_PAIRS

    def test_ports_that_are_refused_leave_no_wish_behind(
        self, overseer: Overseer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The next one is asked for like the first, though fewer came than were wished for."""
        overseer.worker.want(2)
        sockets = [*bind_pairs(1), *(socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))]
        socket.send_fds(overseer.sock, [msgspec.msgpack.encode({"ports": []})], [sock.fileno() for sock in sockets])
        overseer.worker.read(0.0)
        assert len(overseer.taken) == 1
        assert "port refused: not a bound datagram socket" in capsys.readouterr().err
        overseer.worker.want(64)
        assert overseer.heard() == [{"more": 2}, {"more": 64}]
        for sock in sockets:
            sock.close()

    def test_that_none_is_left_is_passed_on(self, overseer: Overseer) -> None:
        """And a later wish is another one."""
        told: list[int] = []
        overseer.worker._take = lambda ports: told.append(len(ports))
        overseer.worker.want(64)
        overseer.sock.send(msgspec.msgpack.encode({"exhausted": True}))
        overseer.worker.read(0.0)
        overseer.worker.want(64)
        assert told == [0]
        assert overseer.heard() == [{"more": 64}, {"more": 64}]

    def test_it_asks_for_each_family_by_itself(self, overseer: Overseer) -> None:
        """One may run short while the other has plenty."""
        overseer.worker.want(64)
        overseer.worker.want(32, six=True)
        assert overseer.heard() == [{"more": 64}, {"more6": 32}]

    def test_draining_it_asks_for_nothing(self, overseer: Overseer) -> None:
        """There will be no more calls."""
        overseer.sock.send(msgspec.msgpack.encode({"drain": True}))
        overseer.worker.read(0.0)
        overseer.worker.read(0.0)
        overseer.worker.want(64)
        assert overseer.heard() == []
        assert (overseer.worker.draining, overseer.worker.stopped, overseer.worker.gone) == (True, False, False)

    def test_told_to_stop(self, overseer: Overseer) -> None:
        """For good, whatever comes after."""
        overseer.sock.send(msgspec.msgpack.encode({"stop": True}))
        overseer.sock.send(msgspec.msgpack.encode({"drain": 30.0}))
        overseer.worker.read(0.0)
        overseer.worker.read(0.0)
        assert (overseer.worker.draining, overseer.worker.stopped) == (True, True)

    def test_its_death_is_noticed(self, overseer: Overseer, capsys: pytest.CaptureFixture[str]) -> None:
        """And talking to it afterwards is no fault."""
        overseer.sock.close()
        overseer.worker.ready()
        overseer.worker.read(0.0)
        assert (overseer.worker.gone, overseer.worker.draining) == (True, True)
        assert "the supervisor is gone" in capsys.readouterr().err

    def test_a_message_too_long_is_told(self, overseer: Overseer, capsys: pytest.CaptureFixture[str]) -> None:
        """What was cut is not acted upon."""
        overseer.sock.setblocking(True)
        overseer.sock.send(b"\x81\xa4stop\xc3" + bytes(70_000))
        overseer.worker.read(0.0)
        assert not overseer.worker.stopped
        assert "was cut" in capsys.readouterr().err


def test_complaining_to_nobody_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe's reader may be gone."""

    class Gone:
        def write(self, text: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    complain("nothing")
