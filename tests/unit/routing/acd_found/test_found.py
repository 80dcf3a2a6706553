"""What random histories have found: one small history for each."""

from __future__ import annotations

from routing.acd.events import AgentSet, GroupSet, TimeDue
from routing.acd.floor import CALLBACK_REST
from routing.acd.model import Agent, CallbackRules
from tests.unit.routing.acd.room import Room, group


def test_an_agent_who_is_made_to_be_always_there_is_so_at_once() -> None:
    """The phone is up already: nobody has to do anything; who was so before and signed out stays away."""
    room = Room()
    room.agent("ann", ready=False)
    room.say(AgentSet(Agent(id="ann", phone="aor:ann", groups={"sales": 1}, always=True)))
    assert room.state("ann") == "offline"
    room = Room(agents="ann")
    room.signs_out("ann")
    room.say(AgentSet(Agent(id="ann", phone="aor:ann", groups={"sales": 1}, always=True)))
    assert room.state("ann") == "idle"
    room.signs_out("ann")
    room.say(AgentSet(Agent(id="ann", phone="aor:ann", name="Ann", groups={"sales": 1}, always=True)))
    assert room.state("ann") == "offline"


def test_a_caller_who_was_called_back_does_not_wait_for_ever() -> None:
    """With the caller first, the agent refuses after all: the group's limit counts from when the caller was reached."""
    room = Room(group(max_wait=30.0, refuse_pause=600.0, callbacks=CallbackRules(first="caller")), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.after(CALLBACK_REST + 300.0)
    room.hangs_up("ann")
    assert room.offered("ann") == "b1"
    room.called("b1", reached=True)
    room.after(5.0)
    room.fails("ann")
    room.after(24.0)
    assert room.queue() == ["b1"]
    room.after(1.5)
    assert room.left() == [("b1", "timeout", "")]


def test_who_was_rung_for_has_relaxed_when_the_offer_fails() -> None:
    """Heard of late, a lost offer and an agent's return come at once: the agent goes to who came first, not second."""
    room = Room(group(requirement="en>=5 then any after 20s", wrap_up=30.0))
    room.agent("ann", skills={"en": 5})
    room.agent("bob")
    room.busy("bob")
    room.hangs_up("bob")
    room.joins("c1")
    assert room.offered("ann") == "c1"
    room.joins("c2", requirement="any")
    assert room.queue() == ["c1", "c2"]
    room.now += 60.0
    room.say(TimeDue())
    assert room.offered("bob") == "c1"


def test_a_group_that_rings_all_no_more_rings_nobody_besides() -> None:
    """The strategy changes while phones ring: they ring on, and no other joins them."""
    for before in ("ring_all", "progressive"):
        room = Room(group(strategy=before), agents="ann")
        room.joins("c1")
        assert room.offered("ann") == "c1"
        room.say(GroupSet(group(strategy="longest_idle")))
        room.agent("bob")
        room.after(12.0)
        assert (room.offered("ann"), room.offered("bob")) == ("c1", "")
