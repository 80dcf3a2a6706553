"""When new calls are refused, how many, and when no more; and what waits in a socket."""

from __future__ import annotations

import socket

import pytest

from switchboard.net.backlog import MEAN, Backlog, waiting
from switchboard.ops.overload import FALL, PATIENCE, WHOLE, Overload, resident_octets

LIMIT = 0.2


class Watched:
    """An `Overload` with what it did: levels set, events told, and a memory that the test sets."""

    def __init__(self, *, delay: float = LIMIT, memory: int = 1000) -> None:
        self.memory = 0
        self.levels: list[int] = []
        self.told: list[str] = []
        self.overload = Overload(
            delay=delay,
            memory=memory,
            set_level=self.levels.append,
            tell=lambda event, **values: self.told.append(event),
            resident=lambda: self.memory,
        )

    def look(self, delay: float, times: int = 1) -> None:
        for _ in range(times):
            self.overload.look(delay)


def test_a_moment_of_delay_refuses_nobody() -> None:
    """Two late looks in a row, then a good one, again and again: a pause of the machine is no overload."""
    watched = Watched()
    for _ in range(10):
        watched.look(10 * LIMIT, PATIENCE - 1)
        watched.look(0.0)
    assert watched.levels == []
    assert watched.told == []


def test_lasting_delay_refuses_more_and_more() -> None:
    """The share rises at each look, the quicker the further beyond the limit, and ends at all."""
    little, much = Watched(), Watched()
    little.look(LIMIT, PATIENCE + 1)
    much.look(3 * LIMIT, PATIENCE + 1)
    assert 0 < little.levels[0] < little.levels[1] < WHOLE
    assert much.levels[0] == 3 * little.levels[0]
    much.look(3 * LIMIT, 100)
    assert much.levels[-1] == WHOLE
    assert much.overload.share() == 1.0
    assert much.told == ["overload.began"]
    assert much.overload.times == 1


def test_it_ends_well_below_where_it_began() -> None:
    """Between the limits the share stays as it is; far below it falls step by step, and the end is told once."""
    watched = Watched()
    watched.look(LIMIT, PATIENCE)
    level = watched.levels[-1]
    watched.look(0.9 * LIMIT, 50)
    assert watched.levels == [level]
    watched.look(0.1 * LIMIT)
    assert watched.levels[-1] == level - FALL
    watched.look(0.1 * LIMIT, 50)
    assert watched.levels[-1] == 0
    assert watched.levels == sorted(watched.levels, reverse=True)
    assert watched.told == ["overload.began", "overload.ended"]
    watched.look(LIMIT, PATIENCE)
    assert watched.overload.times == 2


def test_memory_counts_as_delay_does() -> None:
    """At its limit calls are refused; a little below they still are; well below no more."""
    watched = Watched(memory=1000)
    watched.memory = 1000
    watched.look(0.0, 20)
    level = watched.levels[-1]
    assert level > 0
    watched.memory = 980
    watched.look(0.0, 20)
    watched.look(0.0, 20)
    assert watched.levels[-1] >= level
    watched.memory = 900
    watched.look(0.0, 100)
    assert watched.levels[-1] == 0


def test_a_limit_of_nothing_is_none() -> None:
    """Neither delay nor memory is looked at."""
    watched = Watched(delay=0.0, memory=0)
    watched.memory = 10**12
    watched.look(1000.0, 50)
    assert watched.levels == []


def test_the_memory_of_this_process_is_known() -> None:
    """More than a megabyte, less than all there is."""
    assert 1 << 20 < resident_octets() < 1 << 45


@pytest.fixture
def sockets() -> tuple[socket.socket, socket.socket]:
    """A bound socket that nobody reads, and one that sends to it."""
    reader = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    reader.bind(("127.0.0.1", 0))
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(reader.getsockname())
    return reader, sender


def test_what_waits_in_the_kernel_is_a_delay(sockets: tuple[socket.socket, socket.socket]) -> None:
    """Nothing waits, no delay; thirty datagrams at a rate of ten in 100 ms are some 300 ms, roughly."""
    reader, sender = sockets
    read = 0
    backlog = Backlog(reader, lambda: read)
    assert backlog.delay(0.1) == 0.0
    for _ in range(30):
        sender.send(b"x" * 600)
    read = 10
    assert 0.1 < backlog.delay(0.1) < 0.9
    read = 20
    assert waiting(reader).octets / MEAN / 100 == pytest.approx(backlog.delay(0.1))
    for _ in range(200):
        sender.send(b"x" * 600)
    backlog.delay(0.1)
    assert backlog.lost > 0
    reader.close()
    sender.close()
    assert waiting(reader) == (0, 0)
