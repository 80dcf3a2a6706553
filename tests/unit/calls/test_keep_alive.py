"""Phones behind a NAT are asked whether they are there, evenly, and those that are not are registered no more."""

from __future__ import annotations

import pytest

from switchboard.calls.keep_alive import FASTEST, KeepAlive, Ping
from switchboard.sip.binding import Binding
from tests.support.exchange import AGENT, PHONE, Team, World
from tests.unit.calls.test_registration import register
from tests.unit.calls.test_two_phones import register as beside

HIDDEN = "<sip:alice@192.168.1.7:5060>"


def world_asking(**more: object) -> World:
    """A world where phones behind a NAT are asked every 30 seconds, and may be silent twice."""
    world = World(**more)  # type: ignore[arg-type]
    world.exchange.keep_alive = KeepAlive(30.0, 2)
    return world


def answer(world: World, status: int = 200) -> None:
    """The phone answers every OPTIONS from now on."""
    taken = world.phone.take

    def take(event: object) -> None:
        taken(event)  # type: ignore[arg-type]
        tx, request = world.phone.requests[-1] if world.phone.requests else (None, None)
        if tx is not None and request is not None and request.method == "OPTIONS" and tx.state.name == "TRYING":
            world.phone.core.respond(tx, status, now=world.now)

    world.phone.take = take  # type: ignore[method-assign]


@pytest.mark.parametrize("status", [200, 405, 486])
def test_a_phone_that_is_there(status: int) -> None:
    """Whatever it answers: it is asked at its address outside, and stays registered."""
    world = world_asking()
    answer(world, status)
    register(world, world.phone, contact=HIDDEN)
    world.advance(29)
    assert not world.phone.received("OPTIONS")
    world.advance(150)
    asked = world.phone.received("OPTIONS")
    assert len(asked) == 5
    assert asked[0].uri == "sip:alice@192.168.1.7:5060"
    assert len(world.exchange.registrar) == 1


def test_a_phone_that_is_gone() -> None:
    """After two questions without an answer it is registered no more, and its agent is not there."""
    world = world_asking(teams=(Team("sales", ("aor:alice",)),))
    register(world, world.phone, contact=HIDDEN)
    assert world.queues.agents["alice"].state == "idle"
    world.lost = lambda destination, data: destination == PHONE
    world.advance(65)
    assert len(world.exchange.registrar) == 1
    world.advance(40)
    assert len(world.exchange.registrar) == 0
    assert world.queues.agents["alice"].state == "offline"
    world.advance(300)
    assert len(world.exchange.keep_alive) == 0
    assert world.exchange.keep_alive.next_deadline() is None
    assert world.leftovers() == {}


def test_a_phone_that_comes_back() -> None:
    """A registration after a question that was left tells that it is there."""
    world = world_asking()
    register(world, world.phone, contact=HIDDEN)
    for _ in range(6):
        world.lost = lambda destination, data: destination == PHONE
        world.advance(65)
        world.lost = lambda destination, data: False
        world.phone.responses.clear()
        register(world, world.phone, contact=HIDDEN)
    assert len(world.exchange.registrar) == 1


def test_an_error_of_the_network_is_no_answer() -> None:
    """ICMP says at once what would take half a minute."""
    world = world_asking()
    register(world, world.phone, contact=HIDDEN)
    world.lost = lambda destination, data: destination == PHONE
    for _ in range(2):
        world.advance(30.5)
        world.core.transport_error(PHONE, world.now)
        world.run()
    assert len(world.exchange.registrar) == 0


def test_one_of_two_phones_goes() -> None:
    """The agent is there as long as one of them is."""
    world = world_asking(teams=(Team("sales", ("aor:alice",)),))
    beside(world, world.agent)
    register(world, world.phone, contact=HIDDEN)
    world.lost = lambda destination, data: destination == PHONE
    world.advance(120)
    assert [one.source for one in world.exchange.registrar.lookup("alice@switchboard.local", world.now)] == [AGENT]
    assert world.queues.agents["alice"].state == "idle"


@pytest.mark.parametrize("contact", ["", f"<sip:alice@{PHONE[0]}>"])
def test_a_phone_that_is_not_behind_a_nat(contact: str) -> None:
    """Nobody forgets it, so it is left alone."""
    world = world_asking()
    register(world, world.phone, contact=contact)
    world.advance(200)
    assert not world.phone.received("OPTIONS")


def test_never() -> None:
    """Interval 0."""
    world = World()
    register(world, world.phone, contact=HIDDEN)
    world.advance(200)
    assert not world.phone.received("OPTIONS")
    assert len(world.exchange.keep_alive) == 0


class TestRing:
    """When whose turn is."""

    def test_evenly(self) -> None:
        """Ten phones in ten seconds are asked one a second, each in its turn."""
        ring = KeepAlive(10.0)
        for number in range(10):
            ring.watch(str(number), 0.0)
            ring.watch(str(number), 0.0)
        assert len(ring) == 10
        turns = []
        for _ in range(20):
            due = ring.next_deadline()
            assert due is not None
            assert ring.take_due(due - 0.01) is None
            turns.append((round(due, 3), ring.take_due(due)))
        assert turns == [(10.0 + number, str(number % 10)) for number in range(20)]

    def test_never_in_a_burst(self) -> None:
        """Too many phones are asked less often; what a pause has left out is not made up for at once."""
        ring = KeepAlive(10.0)
        for number in range(20_000):
            ring.watch(str(number), 0.0)
        ring.take_due(10.0)
        assert ring.next_deadline() == 10.0 + FASTEST
        count, now = 0, 1000.0
        while ring.take_due(now) is not None:
            count += 1
        assert count <= 10.0 / FASTEST + 2

    def test_misses_are_those_of_a_contact(self) -> None:
        """And are forgotten with it."""
        ring = KeepAlive(10.0, unanswered=2)
        one, two = (Ping("a@x", Binding(f"sip:{name}@h", PHONE, 1.0, 9.0, "c", 1, "")) for name in ("one", "two"))
        both = [one.binding.contact, two.binding.contact]
        assert not ring.missed(one, both)
        assert not ring.missed(two, both)
        ring.is_there("a@x", "sip:one@h")
        assert not ring.missed(one, both)
        assert ring.missed(two, both)
        assert not ring.missed(two, [two.binding.contact])
        ring.is_there("a@x", "sip:two@h")
        assert not ring.missed(one, both)
