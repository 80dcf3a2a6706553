"""INVITEs that wait for ports."""

from __future__ import annotations

import pytest

from switchboard.calls import anteroom
from tests.support.exchange import NUMBER, World


def short(world: World, now: bool) -> None:
    """Ports are short, or not any more."""
    world.exchange.anteroom.spare = lambda six: 0
    world.engine.ports_short(now)
    world.run()


def test_calls_wait_in_order_until_there_are_ports() -> None:
    """A caller hears 100 meanwhile; those who come when all is well again are taken at once."""
    world = World(max_calls=2)
    short(world, True)
    for _ in range(3):
        world.dial(NUMBER)
    assert world.exchange.counts()["anteroom"] == 3
    assert set(world.carrier.statuses) <= {100}
    assert not world.exchange.calls
    short(world, False)
    assert world.exchange.counts()["anteroom"] == 0
    assert len(world.exchange.calls) == 2
    assert [status for status in world.carrier.statuses if status >= 300] == [503]


def test_they_wait_on_when_ports_are_short_again() -> None:
    """The first of them may take the last port."""
    world = World()
    short(world, True)
    for _ in range(3):
        world.dial(NUMBER)
    taken = world.exchange.note_dialog

    def last_port(call: str, call_id: str) -> None:
        taken(call, call_id)
        world.engine.ports_short(True)

    world.exchange.note_dialog = last_port
    short(world, False)
    assert (len(world.exchange.calls), world.exchange.counts()["anteroom"]) == (1, 2)


def test_ports_that_calls_still_need_are_left_to_them() -> None:
    """A call that rings has one port and will need another."""
    world = World()
    world.exchange.anteroom.spare = lambda six: anteroom.RESERVE
    world.engine.ports_short(True)
    world.dial(NUMBER)
    assert len(world.exchange.calls) == 1
    assert (world.exchange.ports_owed, world.exchange.counts()["anteroom"]) == (1, 0)
    world.dial(NUMBER)
    assert (len(world.exchange.calls), world.exchange.counts()["anteroom"]) == (1, 1)
    world.exchange.anteroom.spare = lambda six: anteroom.RESERVE + 1
    world.engine.ports_short(True)
    world.run()
    assert (len(world.exchange.calls), world.exchange.counts()["anteroom"]) == (2, 0)


def test_ports_that_are_kept_for_calls_are_not_counted_twice() -> None:
    """Where a plane keeps the second port of a call, those that are spare are for others."""
    world = World()
    world.exchange.anteroom.spare = lambda six: anteroom.RESERVE
    world.exchange.anteroom.kept = lambda: len(world.exchange.calls)
    world.engine.ports_short(True)
    for _ in range(2):
        world.dial(NUMBER)
    assert (len(world.exchange.calls), world.exchange.counts()["anteroom"]) == (2, 0)


def test_who_gives_up_gets_487() -> None:
    """And makes no call when ports come."""
    world = World()
    short(world, True)
    _, tx = world.dial(NUMBER)
    world.advance(0.3)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    assert [status for status in world.carrier.statuses if status >= 200] == [487]
    short(world, False)
    assert not world.exchange.calls
    world.advance(40.0)
    assert not any(world.leftovers().values())


def test_the_room_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, a call finds a port or gets 503, as ever."""
    world = World(ports=0)
    short(world, True)
    monkeypatch.setattr(anteroom, "MOST", 1)
    world.dial(NUMBER)
    world.dial(NUMBER)
    assert world.exchange.counts()["anteroom"] == 1
    assert 503 in world.carrier.statuses


def test_who_waits_is_told_that_no_new_calls_are_taken() -> None:
    """The switch may be gone before ports come; who calls by then does not wait for them."""
    world = World()
    short(world, True)
    world.dial(NUMBER)
    world.engine.drain()
    world.run()
    short(world, True)
    world.dial(NUMBER)
    assert [status for status in world.carrier.statuses if status >= 200] == [503, 503]
    assert world.exchange.counts()["anteroom"] == 0


def test_where_the_first_has_to_wait_on_nobody_else_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are."""
    world = World()
    short(world, True)
    for _ in range(3):
        world.dial(NUMBER)
    looks = []
    turn = world.exchange.anteroom.next
    monkeypatch.setattr(world.exchange.anteroom, "next", lambda owed: looks.append(owed) or turn(owed))
    short(world, True)
    assert looks == []
    short(world, False)
    assert world.exchange.counts()["anteroom"] == 0


def test_who_waits_when_the_switch_ends_is_told() -> None:
    """With everybody who is in a call."""
    world = World()
    short(world, True)
    world.dial(NUMBER)
    world.exchange.draining = True
    world.engine.end_all(world.now)
    world.run()
    assert [status for status in world.carrier.statuses if status >= 200] == [503]
    assert world.exchange.counts()["anteroom"] == 0
