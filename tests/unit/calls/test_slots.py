"""Slots that are dialled: an agent's phone parks by REFER and takes up by calling; nobody else gets anything there."""

from __future__ import annotations

import msgspec
import pytest

from switchboard.calls.call import Phase
from tests.support.exchange import Team
from tests.unit.calls.phone_lines import Line, Office, Phone
from tests.unit.calls.test_attended import MUSIC, let_go

SLOT = "*711"


def office(*agents: str) -> Office:
    """Slots may be dialled; these accounts are agents' phones."""
    world = Office(teams=(Team("sales", tuple(f"aor:{agent}" for agent in agents)),) if agents else ())
    world.exchange.settings = msgspec.structs.replace(
        world.exchange.settings, park_slots=2, slots_dialled={SLOT: "1", "*712": "2"}
    )
    world.desk.phones_changed(world.now)
    return world


def parked(*agents: str) -> Office:
    """Alice has talked to a customer of the carrier, and has sent them to the slot."""
    world = office(*agents)
    _, line = world.talk()
    assert line.refer(f"sip:{SLOT}@switchboard.local") == 202
    assert world.alice.told() == [100, 200]
    assert line.over
    assert world.exchange.slots.keys() == {"1"}
    assert world.hears(world.carrier) == MUSIC
    return world


def dials(world: Office, phone: Phone, slot: str = SLOT) -> Line:
    """A phone of alice's calls a slot."""
    return phone.dialled(slot)


def test_who_is_parked_talks_to_whoever_dials_the_slot() -> None:
    """One call with one record: no second one is made, nobody rings, and the slot is free again."""
    world = parked("alice")
    line = world.alice.confirmed(dials(world, world.alice))
    (call,) = world.exchange.calls.values()
    assert call.phase is Phase.TALKING
    assert world.exchange.slots == {}
    assert world.hears(world.carrier) == world.phone.address[0]
    assert len(world.phone.received("INVITE")) == 1
    assert world.queues.agents["alice"].state == "talking"
    world.advance(3)
    assert line.send("BYE") == 200
    assert world.queues.agents["alice"].state == "idle"
    world.reply(world.carrier, 200)
    let_go(world)
    (record,) = world.journal.records
    assert [segment.kind for segment in record.segments] == ["ring", "talk", "park", "talk"]
    assert (record.transfers, record.agent, record.ended_by) == (1, "alice", "agent")
    assert [leg.peer for leg in record.legs[1:]] == ["alice@switchboard.local"] * 2


def test_it_is_parked_again_and_held_like_any_talk() -> None:
    """The new dialog takes re-INVITE and REFER."""
    world = parked("alice")
    line = world.alice.confirmed(dials(world, world.alice))
    line.hold()
    assert world.hears(world.carrier) == MUSIC
    assert line.refer("sip:*712@switchboard.local") == 202
    world.alice.told()
    assert world.exchange.slots.keys() == {"2"}
    world.engine.end_all(world.now)
    let_go(world)


def test_a_slot_with_nobody_in_it() -> None:
    """404, also for a slot that there is not; no call is left or recorded."""
    world = office("alice")
    for slot in SLOT, "*713", "*71":
        dials(world, world.alice, slot)
        assert world.phone.statuses[-1] == 404
    assert world.exchange.slots == {}
    let_go(world)


def test_a_phone_that_is_no_agents() -> None:
    """403, and it can park nobody either: the talk goes on."""
    world = office()
    _, line = world.talk()
    assert line.refer(f"sip:{SLOT}@switchboard.local") == 202
    assert world.alice.told() == [100, 403]
    assert not line.over
    dials(world, world.second)
    assert world.second.peer.statuses[-1] == 403
    world.engine.end_all(world.now)
    let_go(world)


def test_the_far_side_of_a_trunk() -> None:
    """For a carrier it is a number that does not exist."""
    world = parked("alice")
    world.dial(SLOT)
    assert world.carrier.statuses[-1] == 404
    assert world.exchange.slots.keys() == {"1"}
    world.engine.end_all(world.now)
    let_go(world)


def test_a_taken_slot_is_refused_and_the_talk_goes_on() -> None:
    """491 tells the phone that nobody was parked."""
    world = parked("alice")
    _, line = world.talk()
    assert line.refer(f"sip:{SLOT}@switchboard.local") == 202
    assert world.alice.told()[-1] == 491
    assert not line.over
    world.engine.end_all(world.now)
    let_go(world)


@pytest.mark.parametrize("back", [True, False])
def test_while_somebody_is_rung_for_the_call(back: bool) -> None:
    """The parker's phone rings when time is over: 486 for whoever dials the slot meanwhile."""
    world = parked("alice")
    world.advance(world.exchange.settings.park_timeout + 1)
    assert len(world.phone.received("INVITE")) == 2
    dials(world, world.second)
    assert world.second.peer.statuses[-1] == 486
    if back:
        world.agent_answers(world.phone)
        assert world.hears(world.carrier) == world.phone.address[0]
    world.engine.end_all(world.now)
    let_go(world)


def test_two_phones_dial_at_once() -> None:
    """The first one has the caller, the second one finds nobody."""
    world = parked("alice")
    world.second.confirmed(dials(world, world.second))
    dials(world, world.alice)
    assert world.phone.statuses[-1] == 404
    assert world.hears(world.carrier) == world.second.peer.address[0]
    world.engine.end_all(world.now)
    let_go(world)


def test_without_a_port_the_caller_stays_parked() -> None:
    """503 without a port; the music goes on, and the slot is still taken."""
    world = parked("alice")
    held = list(iter(world.plane.lease, None))
    dials(world, world.alice)
    assert world.phone.statuses[-1] == 503
    for lease in held:
        world.plane.release(lease)
    assert world.exchange.slots.keys() == {"1"}
    assert world.hears(world.carrier) == MUSIC
    world.engine.end_all(world.now)
    let_go(world)
