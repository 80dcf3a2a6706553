"""Whose phone a leg is."""

from __future__ import annotations

from switchboard.calls.owners import account_of
from switchboard.sip.digest import answer
from tests.support.exchange import World
from tests.unit.calls.test_registration import register

ALICE = "alice@switchboard.local"


def calling(world: World) -> None:
    """Alice calls by her phone, and proves herself."""
    out, _ = world.dial("4001", peer=world.phone)
    challenge = world.phone.responses[-1].headers.getall("proxy-authenticate")[0]
    value = answer(challenge, "INVITE", out.uri, "alice", cnonce="c", password="secret")
    world.dial("4001", peer=world.phone, headers=(f"Proxy-Authorization: {value}",))


def test_two_phones_behind_one_address() -> None:
    """A proxy speaks for many phones: who has proved to be the caller counts, and not who registered last."""
    world = World()
    register(world, world.phone)
    calling(world)
    (call,) = world.exchange.calls.values()
    world.exchange.registrar.restore("bob@switchboard.local", world.exchange.registrar.bindings(ALICE, world.now))
    world.exchange.phones.registered("bob@switchboard.local", world.phone.address, world.now)
    assert world.exchange.phones.owner(world.phone.address, world.now) == "bob@switchboard.local"
    assert account_of(world.exchange, call, call.caller, world.now) == ALICE


def test_a_phone_that_is_registered_no_more() -> None:
    """It may ask for nothing."""
    world = World()
    register(world, world.phone)
    calling(world)
    world.exchange.registrar.forget(ALICE)
    (call,) = world.exchange.calls.values()
    assert account_of(world.exchange, call, call.caller, world.now) == ""


def test_a_carrier() -> None:
    """Whoever is beyond a trunk is nobody's phone."""
    world = World()
    world.dial("4001")
    (call,) = world.exchange.calls.values()
    assert account_of(world.exchange, call, call.caller, world.now) == ""
