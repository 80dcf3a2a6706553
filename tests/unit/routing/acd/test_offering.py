"""An offer's life."""

from __future__ import annotations

import pytest

from routing.acd.actions import Withdraw
from routing.acd.events import CallBegan, OfferAccepted, OfferFailed, PhoneChanged, Picked, SignedOut
from routing.acd.floor import OFFER_SLACK
from routing.acd.model import CallbackRules, OfferFailure
from routing.acd.strategies import MOST_AT_ONCE

from .room import Room, group


def test_an_answer_joins_the_two() -> None:
    """The agent talks, and nobody waits."""
    room = Room(agents="ann")
    room.joins("c1")
    room.answers("ann")
    assert room.state("ann") == "talking"
    assert room.queue() == []
    assert room.engine.groups["sales"].outcomes == {"answered": 1}


def test_a_caller_goes_to_another_agent_when_one_refuses() -> None:
    """At once, and keeps the place in the queue."""
    room = Room(agents="ann bob")
    room.joins("c1")
    room.joins("c2")
    room.gives_up("c2")
    room.fails("ann")
    assert room.offered("bob") == "c1"
    assert room.changes()[0] == ("ann", "idle", "refused", "call")


@pytest.mark.parametrize("why", ["refused", "busy", "unreachable", "no_answer"])
def test_a_failed_offer_lets_the_agent_rest(why: OfferFailure) -> None:
    """Nobody rings there for the group's pause, then who waits does."""
    room = Room(group(refuse_pause=12.0, no_answer_state="idle"), agents="ann")
    room.joins("c1")
    room.fails("ann", why)
    room.joins("c2")
    assert (room.state("ann"), room.engine.agents["ann"].free) == ("idle", False)
    room.after(11.9)
    assert room.offered("ann") == ""
    room.after(0.1)
    assert room.offered("ann") == "c1"


def test_a_phone_that_is_busy_is_not_rung_without_end() -> None:
    """No pause is shorter than a second, whatever the group says."""
    room = Room(group(refuse_pause=0.0), agents="ann")
    room.joins("c1")
    room.fails("ann", "busy")
    assert room.offered("ann") == ""
    room.after(1.0)
    assert room.offered("ann") == "c1"


def test_who_is_rested_by_a_failed_offer_is_idle_since_then() -> None:
    """Else the one who refuses would always be the next to be asked."""
    room = Room(group(refuse_pause=1.0), agents="ann")
    room.after(10.0)
    room.agent("bob")
    room.after(10.0)
    room.joins("c1")
    room.fails("ann")
    room.gives_up("c1")
    room.after(30.0)
    room.joins("c2")
    assert room.offered("bob") == "c2"


@pytest.mark.parametrize(
    ("failures", "limit", "state", "then"),
    [
        (["no_answer"], 1, "break", "break"),
        (["no_answer"], 1, "meeting", "meeting"),
        (["no_answer"], 1, "idle", "idle"),
        (["no_answer"], 2, "break", "idle"),
        (["no_answer", "no_answer"], 2, "break", "break"),
        (["no_answer", "refused", "no_answer"], 2, "break", "break"),
        (["refused", "busy", "unreachable"], 1, "break", "idle"),
    ],
)
def test_who_does_not_answer_becomes_what_the_rule_says(
    failures: list[OfferFailure], limit: int, state: str, then: str
) -> None:
    """After so many in a row; a refusal is an answer to the phone, but none to the caller."""
    room = Room(group(no_answer_limit=limit, no_answer_state=state, refuse_pause=1.0), agents="ann")
    room.joins("c1")
    for why in failures:
        room.fails("ann", why)
        changes = room.changes()
        room.after(1.0)
    if then != "idle":
        assert changes == [("ann", then, "no_answer", "rule")]
        assert room.state("ann") == then
        room.chooses("ann", "idle")
    assert room.offered("ann") == "c1"


def test_an_answer_makes_the_count_of_unanswered_offers_begin_anew() -> None:
    """They count in a row."""
    room = Room(group(no_answer_limit=2, refuse_pause=1.0), agents="ann")
    for turn in range(3):
        room.joins(f"c{turn}")
        room.fails("ann", "no_answer")
        assert room.state("ann") == "idle"
        room.after(1.0)
        room.answers("ann")
        room.hangs_up("ann")


def test_a_lost_answer_never_sticks_an_agent() -> None:
    """Some seconds after the time to ring the offer is given up, told, and the caller goes on."""
    room = Room(group(ring_timeout=20.0), agents="ann bob")
    room.joins("c1")
    room.after(20.0 + OFFER_SLACK - 0.1)
    assert room.offered("ann") == "c1"
    room.after(0.1)
    assert room.withdrawn() == ["ann"]
    assert room.alerts() == [("offer_lost", "ann")]
    assert (room.state("ann"), room.offered("bob")) == ("idle", "c1")


def test_an_answer_that_comes_too_late_is_withdrawn() -> None:
    """Somebody else has the caller, or nobody; the phone is hung up and the agent stays as is."""
    room = Room(agents="ann bob")
    room.joins("c1")
    room.fails("ann")
    assert room.say(OfferAccepted("c1", "ann")) == [Withdraw("c1", "ann")]
    room.gives_up("c1")
    assert room.say(OfferAccepted("c1", "bob")) == [Withdraw("c1", "bob")]
    assert room.say(OfferAccepted("c1", "nobody")) == [Withdraw("c1", "nobody")]
    assert room.say(OfferFailed("c1", "bob", "refused")) == []
    assert (room.state("ann"), room.state("bob")) == ("idle", "idle")


def test_the_phone_stops_when_the_caller_gives_up() -> None:
    """The agent is free for the next at once, as long idle as before."""
    room = Room(agents="ann bob")
    since = room.engine.agents["ann"].idle_since
    room.after(5.0)
    room.joins("c1")
    assert room.gives_up("c1")[0] == Withdraw("c1", "ann")
    assert room.engine.agents["ann"].idle_since == since
    assert room.engine.groups["sales"].outcomes == {"gone": 1}
    room.joins("c2")
    assert room.offered("ann") == "c2"


@pytest.mark.parametrize(
    "event", [PhoneChanged("ann", False), SignedOut("ann"), CallBegan("ann", "own")], ids=["phone", "out", "call"]
)
def test_the_caller_goes_on_when_the_agent_rung_can_not_answer_any_more(event: PhoneChanged) -> None:
    """The phone is lost, the agent goes home, or makes a call."""
    room = Room(agents="ann bob")
    room.joins("c1")
    room.say(event)
    assert room.withdrawn() == ["ann"]
    assert room.offered("bob") == "c1"


def test_with_ring_all_the_first_answer_stops_the_others() -> None:
    """Whoever answers second is hung up; nobody of them has lost the place among the idle."""
    room = Room(group(strategy="ring_all"), agents="ann bob cat")
    room.joins("c1")
    assert room.rung() == ["ann", "bob", "cat"]
    room.answers("bob")
    assert room.withdrawn() == ["ann", "cat"]
    assert room.say(OfferAccepted("c1", "cat")) == [Withdraw("c1", "cat")]
    assert [room.state(name) for name in ("ann", "bob", "cat")] == ["idle", "talking", "idle"]


def test_with_ring_all_who_is_freed_rings_too() -> None:
    """Unless somebody waits for whom no phone rings."""
    room = Room(group(strategy="ring_all"), agents="ann bob")
    room.busy("bob")
    room.joins("c1")
    assert room.rung() == ["ann"]
    room.hangs_up("bob")
    assert room.offered("bob") == "c1"
    room.gives_up("c1")
    room.busy("bob")
    room.joins("c2")
    room.joins("c3")
    room.hangs_up("bob")
    assert (room.offered("ann"), room.offered("bob")) == ("c2", "c3")


def test_with_ring_all_a_worse_level_does_not_ring_beside_a_better() -> None:
    """Only when nobody of the better is left who rings."""
    room = Room(group(strategy="ring_all"))
    room.agent("ann", groups={"sales": 1})
    room.joins("c1")
    room.agent("bob", groups={"sales": 2})
    assert room.offered("bob") == ""
    room.fails("ann")
    assert room.offered("bob") == "c1"


def test_with_ring_all_the_caller_is_rung_for_until_the_last_has_failed() -> None:
    """A refusal of one is none of the others."""
    room = Room(group(strategy="ring_all"), agents="ann bob")
    room.joins("c1")
    room.fails("ann")
    assert room.offered("bob") == "c1"
    room.fails("bob")
    room.after(10.0)
    assert (room.offered("ann"), room.offered("bob")) == ("c1", "c1")


def test_progressive_lets_one_more_phone_ring_every_step() -> None:
    """Until somebody answers."""
    room = Room(group(strategy="progressive", progressive_step=5.0, ring_timeout=60.0), agents="ann bob cat")
    room.joins("c1")
    rung = [room.rung()]
    for _ in range(3):
        room.after(5.0)
        rung.append(room.rung())
    assert rung == [["ann"], ["bob"], ["cat"], []]
    room.answers("cat")
    assert room.withdrawn() == ["ann", "bob"]


def test_progressive_owes_a_phone_that_was_not_free() -> None:
    """Who is freed after the step rings at once, and only as many as steps have passed."""
    room = Room(group(strategy="progressive", progressive_step=5.0, ring_timeout=60.0), agents="ann bob cat")
    room.busy("bob", "cat")
    room.joins("c1")
    room.hangs_up("bob")
    assert room.offered("bob") == ""
    room.busy("bob")
    room.after(5.0)
    room.hangs_up("cat")
    assert room.offered("cat") == "c1"
    room.hangs_up("bob")
    assert room.offered("bob") == ""


def test_picking_takes_somebody_out_of_turn() -> None:
    """Also by one on a break, who is on it again afterwards; the agent rung before is free."""
    room = Room(agents="ann bob")
    room.chooses("bob", "break")
    room.joins("c1")
    room.joins("c2")
    room.say(Picked("c2", "bob"))
    assert room.rung() == ["bob"]
    room.answers("bob")
    room.hangs_up("bob")
    assert room.state("bob") == "break"
    room.say(Picked("c1", "bob"))
    assert room.withdrawn() == ["ann"]
    assert (room.offered("bob"), room.state("ann")) == ("c1", "idle")
    room.fails("bob")
    assert (room.offered("ann"), room.state("bob")) == ("c1", "break")


def test_picking_another_one_gives_the_first_back() -> None:
    """An agent holds one offer."""
    room = Room(agents="ann")
    room.joins("c1")
    room.joins("c2")
    room.say(Picked("c2", "ann"))
    assert room.out[0] == Withdraw("c1", "ann")
    assert room.offered("ann") == "c2"
    room.answers("ann")
    room.hangs_up("ann")
    assert room.offered("ann") == "c1"


def test_picking_rings_that_phone_alone() -> None:
    """Also where all would ring."""
    room = Room(group(strategy="ring_all"), agents="ann bob cat")
    room.chooses("cat", "break")
    room.joins("c1")
    room.say(Picked("c1", "cat"))
    assert (room.rung(), room.withdrawn()) == (["cat"], ["ann", "bob"])
    room.fails("cat")
    assert (room.offered("ann"), room.offered("bob"), room.offered("cat")) == ("c1", "c1", "")


def test_who_has_no_phone_or_is_in_a_call_cannot_pick() -> None:
    """Nothing happens then."""
    room = Room(agents="ann bob cat dan")
    room.busy("ann")
    room.chooses("dan", "break")
    room.say(PhoneChanged("bob", False))
    room.signs_out("cat")
    room.joins("c1")
    for name in "ann", "bob", "cat", "nobody":
        assert room.say(Picked("c1", name)) == []
    assert room.say(Picked("c9", "dan")) == []


def test_picking_ends_the_rest_after_a_failed_offer() -> None:
    """It is the agent's own wish."""
    room = Room(agents="ann")
    room.joins("c1")
    room.fails("ann")
    room.say(Picked("c1", "ann"))
    assert room.offered("ann") == "c1"


def test_with_ring_all_a_bounded_number_of_phones_rings() -> None:
    """Others stay free for the next caller."""
    room = Room(group(strategy="ring_all"), agents=" ".join(f"a{number:02}" for number in range(40)))
    room.joins("c1")
    assert len(room.rung()) == MOST_AT_ONCE
    room.joins("c2")
    assert len(room.rung()) == 40 - MOST_AT_ONCE


def test_phones_ring_beside_others_only_for_whom_the_agent_fits() -> None:
    """The requirement holds for each of them."""
    for strategy in "ring_all", "progressive":
        room = Room(group(strategy=strategy, requirement="en", progressive_step=1.0))
        room.agent("ann", skills={"en": 1})
        room.joins("c1")
        room.after(2.0)
        room.agent("bob")
        assert room.offered("bob") == ""
        room.agent("cat", skills={"en": 1})
        assert room.offered("cat") == "c1"


def test_a_callback_that_calls_the_caller_first_keeps_one_agent() -> None:
    """Also where all would ring."""
    room = Room(group(strategy="ring_all", callbacks=CallbackRules(first="caller")), agents="ann bob")
    room.busy("ann", "bob")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.after(60.0)
    room.hangs_up("ann")
    room.hangs_up("bob")
    assert (room.offered("ann"), room.offered("bob")) == ("b1", "")
