"""Being called back instead of waiting."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from routing.acd.actions import CallbackOver, CallbackTaken, Leave, Offer, Withdraw
from routing.acd.events import (
    CallbackAsked,
    CallbackEnded,
    CallbackRestored,
    CallerCleared,
    CallerGone,
    GroupSet,
    OfferAccepted,
    Picked,
    TalkEnded,
)
from routing.acd.floor import CALLBACK_REST, CALLING_LIMIT, CLEARING_LIMIT, OFFER_SLACK
from routing.acd.model import CallbackRules, Overflow

from .room import Room, group


def _room(agents: str = "ann", *, wrap_up: float = 0.0, **rules: Any) -> Room:
    return Room(group(callbacks=CallbackRules(**rules), wrap_up=wrap_up), agents=agents)


def _waiting_callback(room: Room, agent: str = "ann") -> None:
    """The agent is busy; callback b1 has its place in the queue."""
    room.busy(agent)
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.after(CALLBACK_REST)
    assert room.queue() == ["b1"]


def _over(room: Room) -> list[tuple[str, str]]:
    return [(one.callback, one.outcome) for one in room.all(CallbackOver)]


def test_who_asks_to_be_called_back_leaves_the_line() -> None:
    """The place goes to the callback; the call's waiting has come to its end."""
    room = _room()
    room.busy("ann")
    room.joins("c1")
    since = room.now
    room.after(3)
    assert room.asks_back("c1", "b1") == [
        CallbackTaken("c1", "b1", "sales", True, since=since),
        Leave("c1", "sales", "callback"),
    ]
    assert room.gives_up("c1") == []
    assert [entry.id for entry in room.engine.callbacks("sales")] == ["b1"]


def test_the_exact_place_is_kept() -> None:
    """Before who came later, behind who came earlier, with the caller's priority."""
    room = _room()
    room.busy("ann")
    for name, priority in ("c1", 0), ("c2", 0), ("c3", 2), ("c4", 0):
        room.joins(name, priority=priority)
    room.asks_back("c2", "b2", b"two")
    room.asks_back("c3", "b3", b"three")
    room.after(CALLBACK_REST)
    assert room.queue() == ["b3", "c1", "b2", "c4"]
    room.hangs_up("ann")
    assert room.all(Offer) == [Offer("b3", "ann", "sales", 20.0, callback=True)]


def test_a_callback_rests_until_the_caller_has_hung_up() -> None:
    """Else the line would be busy, and the agent wasted."""
    room = _room()
    room.busy("ann")
    room.joins("c1")
    room.joins("c2")
    room.asks_back("c1", "b1")
    assert room.queue() == ["c2"]
    room.hangs_up("ann")
    assert room.offered("ann") == "c2"
    room.gives_up("c2")
    room.after(CALLBACK_REST - 0.1)
    assert room.offered("ann") == ""
    room.after(0.1)
    assert room.offered("ann") == "b1"


def test_the_rest_is_over_when_the_caller_has_hung_up() -> None:
    """Before anybody behind it passes: the exact place is kept for one who hangs up at once."""
    room = _room()
    room.busy("ann")
    room.joins("c1")
    room.joins("c2")
    room.asks_back("c1", "b1")
    room.after(0.5)
    assert room.say(CallerCleared("b1")) == []
    assert room.queue() == ["b1", "c2"]
    room.hangs_up("ann")
    assert room.offered("ann") == "b1"


def test_an_agent_who_is_free_is_offered_the_callback_when_the_caller_has_hung_up() -> None:
    """Nobody waits for the rest of the rest; told again it changes nothing."""
    room = _room()
    room.busy("ann")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.hangs_up("ann")
    assert room.offered("ann") == ""
    room.say(CallerCleared("b1"))
    assert room.offered("ann") == "b1"
    assert room.say(CallerCleared("b1")) == []
    room.answers("ann")
    assert room.say(CallerCleared("b1")) == []


def test_a_rest_between_attempts_ends_by_time_alone() -> None:
    """It has nothing to do with the call in which the callback was asked for."""
    room = _room(attempts=2, retry_after=300.0)
    _waiting_callback(room)
    room.hangs_up("ann")
    room.answers("ann")
    room.called("b1", reached=False)
    room.say(TalkEnded("b1", "ann"))
    assert room.say(CallerCleared("b1")) == []
    room.after(299.9)
    assert room.offered("ann") == ""
    room.after(0.1)
    assert room.offered("ann") == "b1"


def test_out_of_hours_a_caller_who_has_hung_up_is_not_called() -> None:
    """The callback rests until the hours begin."""
    room = _room(hours="mon-fri 08:00-09:00")
    room.busy("ann")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.hangs_up("ann")
    assert room.say(CallerCleared("b1")) == []
    room.after(20.0)
    assert (room.queue(), room.offered("ann")) == ([], "")


def test_a_flow_s_callback_rests_until_its_caller_has_hung_up() -> None:
    """Though it takes its place as one from before a restart does."""
    room = _room()
    room.say(CallbackRestored(callback="b1", group="sales", caller=b"number", since=room.now, rest=CALLBACK_REST))
    assert room.offered("ann") == ""
    room.say(CallerCleared("b1"))
    assert room.offered("ann") == "b1"


def test_callbacks_are_paced_by_free_agents() -> None:
    """Ten callbacks, two agents: never more than two are under way."""
    room = _room("ann bob")
    room.busy("ann", "bob")
    for number in range(10):
        room.joins(f"c{number}")
        room.asks_back(f"c{number}", f"b{number}", b"%d" % number)
    room.after(CALLBACK_REST)
    room.hangs_up("ann")
    room.hangs_up("bob")
    assert [room.offered(name) for name in ("ann", "bob")] == ["b0", "b1"]
    assert len(room.queue()) == 10
    room.answers("ann")
    assert len(room.queue()) == 9
    room.called("b0", reached=True)
    assert room.rung() == []
    room.hangs_up("ann")
    assert room.offered("ann") == "b2"


@pytest.mark.parametrize(
    ("rules", "caller", "reason"),
    [({}, b"", "withheld"), ({"max_open": 1}, b"other", "full"), ({}, b"number", "")],
)
def test_a_callback_is_refused_for_a_reason(rules: dict[str, Any], caller: bytes, reason: str) -> None:
    """Then the caller goes on waiting."""
    room = _room(**rules)
    _waiting_callback(room)
    room.joins("c2")
    room.asks_back("c2", "b2", caller)
    (taken,) = room.all(CallbackTaken)
    assert (taken.accepted, taken.reason) == (not reason, reason)
    assert ("c2" in room.queue()) == bool(reason)


def test_nobody_is_called_back_who_does_not_wait() -> None:
    """Unknown, or a callback already."""
    room = _room()
    _waiting_callback(room)
    for entry in "c9", "b1":
        assert room.asks_back(entry, "b2") == [CallbackTaken(entry, "b2", "", False, reason="unknown")]


def test_a_number_has_one_callback_in_a_group() -> None:
    """The new one stands for the old and has its place; the same number in another group is another matter."""
    room = Room(group("sales"), group("help"))
    room.agent("ann", groups={"sales": 1, "help": 1})
    room.busy("ann")
    since = room.now
    for name, into in ("c1", "sales"), ("c2", "sales"), ("c3", "sales"), ("c4", "help"):
        room.joins(name, into)
        room.after(1)
    room.asks_back("c1", "b1")
    room.asks_back("c4", "b4")
    assert room.asks_back("c3", "b3") == [
        CallbackOver("b1", "sales", "replaced"),
        CallbackTaken("c3", "b3", "sales", True, replaced="b1", since=since),
        Leave("c3", "sales", "callback"),
    ]
    room.after(CALLBACK_REST)
    assert room.queue("sales") == ["b3", "c2"]
    assert room.queue("help") == ["b4"]


@pytest.mark.parametrize("first", ["agent", "caller"])
@pytest.mark.parametrize("answered", [False, True])
def test_who_asks_again_while_being_called_back_keeps_the_older_place(
    first: Literal["agent", "caller"], answered: bool
) -> None:
    """The attempt ends, as whoever asks is on the line here; the agent is free for the others until they hang up."""
    room = _room(first=first)
    since = room.now
    _waiting_callback(room)
    room.hangs_up("ann")
    assert room.offered("ann") == "b1"
    if answered and first == "agent":
        room.answers("ann")
    room.joins("c2")
    room.asks_back("c2", "b2")
    assert room.all(CallbackOver) == [CallbackOver("b1", "sales", "replaced")]
    (taken,) = room.all(CallbackTaken)
    assert (taken.accepted, taken.replaced, taken.since) == (True, "b1", since)
    assert room.all(Withdraw) == [Withdraw("b1", "ann")]
    assert (room.queue(), room.state("ann")) == ([], "idle")
    room.joins("c3")
    assert room.offered("ann") == "c3"
    room.answers("ann")
    room.hangs_up("ann")
    room.say(CallerCleared("b2"))
    assert room.offered("ann") == "b2"


def test_agent_first_the_caller_is_called_when_the_agent_has_answered() -> None:
    """Talk time and the count of calls begin when the caller is reached, wrap-up follows."""
    room = _room(wrap_up=5.0)
    _waiting_callback(room)
    room.hangs_up("ann")
    room.after(5.0)
    room.answers("ann")
    assert (room.state("ann"), room.queue()) == ("talking", [])
    room.after(20.0)
    room.called("b1", reached=True)
    assert _over(room) == [("b1", "reached")]
    room.after(30.0)
    room.hangs_up("ann")
    agent = room.engine.agents["ann"]
    assert (agent.state, agent.taken, agent.talked) == ("wrap_up", 2, 30.0 + CALLBACK_REST)
    assert room.engine.groups["sales"].outcomes == {"answered": 1, "callback": 1, "reached": 1}


def test_a_caller_who_is_not_reached_is_called_again_later() -> None:
    """After the pause between attempts, in the old place; until the attempts are used up."""
    room = _room("ann", attempts=2, retry_after=300.0)
    _waiting_callback(room)
    room.joins("c2")
    room.hangs_up("ann")
    room.answers("ann")
    room.called("b1", reached=False)
    room.say(TalkEnded("b1", "ann"))
    assert room.offered("ann") == "c2"
    room.answers("ann")
    room.joins("c3")
    assert room.queue() == ["c3"]
    room.after(300.0)
    assert room.queue() == ["b1", "c3"]
    room.hangs_up("ann")
    room.answers("ann")
    room.called("b1", reached=False)
    assert _over(room) == [("b1", "attempts")]
    room.say(TalkEnded("b1", "ann"))
    assert room.offered("ann") == "c3"
    assert room.engine.agents["ann"].taken == 2


def test_an_agents_phone_that_nobody_hangs_up_after_a_callback_is_given_up() -> None:
    """The caller was not reached, and the end of the agent's part is never told."""
    room = _room()
    _waiting_callback(room)
    room.hangs_up("ann")
    room.answers("ann")
    room.called("b1", reached=False)
    assert room.state("ann") == "talking"
    room.after(CLEARING_LIMIT)
    assert room.out[0] == Withdraw("b1", "ann")
    assert room.state("ann") == "idle"
    assert room.say(TalkEnded("b1", "ann")) == []


def test_an_attempt_that_nobody_reports_on_is_given_up() -> None:
    """The agent is let go, supervisors are told, and it counts as an attempt."""
    room = _room(attempts=1)
    _waiting_callback(room)
    room.hangs_up("ann")
    room.answers("ann")
    room.after(CALLING_LIMIT)
    assert room.withdrawn() == ["ann"]
    assert room.alerts() == [("callback_lost", "b1")]
    assert (_over(room), room.state("ann")) == ([("b1", "attempts")], "idle")


def test_an_agent_who_hangs_up_before_the_caller_is_reached_makes_no_attempt() -> None:
    """The callback is soon in its place again, and what is told of the call of before is late."""
    room = _room(attempts=1)
    _waiting_callback(room)
    room.hangs_up("ann")
    room.answers("ann")
    room.say(TalkEnded("b1", "ann"))
    assert room.state("ann") == "idle"
    assert room.called("b1", reached=False) == []
    room.after(CALLBACK_REST)
    assert room.offered("ann") == "b1"


def test_who_was_reached_after_all_is_not_called_again() -> None:
    """Late, but true; the agent whose phone rings is free."""
    room = _room("ann bob")
    room.busy("bob")
    _waiting_callback(room)
    room.hangs_up("ann")
    room.answers("ann")
    room.say(TalkEnded("b1", "ann"))
    room.after(CALLBACK_REST)
    room.called("b1", reached=True)
    assert (_over(room), room.withdrawn()) == ([("b1", "reached")], ["ann"])


def test_an_agent_who_refuses_a_callback_makes_no_attempt() -> None:
    """It goes to another one."""
    room = _room("ann bob", attempts=1)
    room.busy("bob")
    _waiting_callback(room)
    room.hangs_up("bob")
    room.fails("bob", "no_answer")
    room.hangs_up("ann")
    assert room.offered("ann") == "b1"


def test_caller_first_the_agent_is_kept_while_the_caller_is_called() -> None:
    """Then rung; both talk when the agent answers, and the callback is over when the caller has answered."""
    room = _room(first="caller")
    _waiting_callback(room)
    room.hangs_up("ann")
    assert room.all(Offer) == [Offer("b1", "ann", "sales", 20.0, callback=True, caller_first=True)]
    room.after(60.0)
    assert room.state("ann") == "ringing"
    room.called("b1", reached=True)
    assert _over(room) == [("b1", "reached")]
    assert room.queue() == ["b1"]
    room.answers("ann")
    assert (room.state("ann"), room.queue(), _over(room)) == ("talking", [], [])
    assert room.engine.groups["sales"].outcomes["answered"] == 2


def test_caller_first_the_agents_answer_says_that_the_caller_was_reached() -> None:
    """Nothing else could have rung the agent."""
    room = _room(first="caller")
    _waiting_callback(room)
    room.hangs_up("ann")
    room.answers("ann")
    assert _over(room) == [("b1", "reached")]
    assert room.called("b1", reached=True) == []


def test_caller_first_one_who_was_reached_waits_like_any_caller_when_the_agent_fails() -> None:
    """Before all who came later; they may hang up, too."""
    room = _room("ann bob", first="caller")
    room.busy("bob")
    _waiting_callback(room)
    room.joins("c2")
    room.hangs_up("ann")
    room.called("b1", reached=True)
    room.fails("ann")
    assert room.queue() == ["b1", "c2"]
    room.hangs_up("bob")
    assert room.all(Offer) == [Offer("b1", "bob", "sales", 20.0)]
    room.gives_up("b1")
    assert room.offered("bob") == "c2"
    assert _over(room) == []


def test_caller_first_the_agent_is_free_when_the_caller_is_not_reached() -> None:
    """They were never rung: nothing is to be withdrawn, and they are idle as long as before."""
    room = _room(first="caller", attempts=2)
    _waiting_callback(room)
    room.hangs_up("ann")
    since = room.engine.agents["ann"].idle_since
    room.after(30.0)
    room.called("b1", reached=False)
    assert room.withdrawn() == []
    assert (room.state("ann"), room.engine.agents["ann"].idle_since) == ("idle", since)
    room.after(300.0)
    assert room.offered("ann") == "b1"


@pytest.mark.parametrize("reached", [False, True])
def test_caller_first_a_lost_answer_never_sticks_an_agent(reached: bool) -> None:
    """Neither while the caller is called nor while the agent is rung."""
    room = _room(first="caller", attempts=1)
    _waiting_callback(room)
    room.hangs_up("ann")
    limit = CALLING_LIMIT + 20.0 + OFFER_SLACK
    if reached:
        room.called("b1", reached=True)
        limit = 20.0 + OFFER_SLACK
    room.after(limit)
    assert room.state("ann") == "idle"
    assert ("offer_lost", "ann") in room.alerts()
    assert (_over(room) == [("b1", "attempts")]) is not reached


def test_a_callback_expires() -> None:
    """Counted from when the waiting began; not while a phone rings for it."""
    room = _room(expire=600.0)
    _waiting_callback(room)
    room.after(600.0 - CALLBACK_REST - 0.1)
    assert _over(room) == []
    room.after(0.1)
    assert _over(room) == [("b1", "expired")]
    assert room.queue() == []


def test_out_of_hours_nobody_is_called_back() -> None:
    """The callback rests, and has its place again when the hours begin."""
    room = _room(hours="09:10-09:20,09:30-18:00")
    room.busy("ann")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.after(60.0)
    assert room.queue() == []
    room.joins("c2")
    room.after(540.1)
    assert room.queue() == ["b1", "c2"]
    room.after(600.0)
    room.hangs_up("ann")
    assert room.offered("ann") == "c2"
    room.answers("ann")
    room.hangs_up("ann")
    assert room.queue() == []
    room.after(599.8)
    assert room.offered("ann") == ""
    room.after(0.2)
    assert room.offered("ann") == "b1"


def test_callbacks_are_withdrawn() -> None:
    """By whoever may, wherever they stand; the agent who waits for the caller is let go."""
    for stage in "resting", "waiting", "ringing", "calling":
        room = _room()
        room.busy("ann")
        room.joins("c1")
        room.asks_back("c1", "b1")
        if stage != "resting":
            room.after(CALLBACK_REST)
        if stage in ("ringing", "calling"):
            room.hangs_up("ann")
        if stage == "calling":
            room.answers("ann")
        room.say(CallerGone("b1", "withdrawn"))
        assert _over(room) == [("b1", "withdrawn")], stage
        assert room.withdrawn() == (["ann"] if stage in ("ringing", "calling") else []), stage
        assert room.state("ann") == ("idle" if stage in ("ringing", "calling") else "talking"), stage
        assert room.engine.callbacks("sales") == []


def test_callbacks_are_picked_out_of_turn() -> None:
    """Also one that rests; not one whose caller is being called."""
    room = _room("ann bob")
    room.busy("ann", "bob")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.chooses("bob", "break")
    room.hangs_up("bob")
    room.say(Picked("b1", "bob"))
    assert room.out[0] == Offer("b1", "bob", "sales", 20.0, callback=True)
    room.answers("bob")
    room.hangs_up("ann")
    assert room.say(Picked("b1", "ann")) == []


def test_callbacks_are_restored_with_their_places() -> None:
    """After a restart: as old as before, attempts counted, expired ones over."""
    room = _room(attempts=2, expire=3600.0)
    room.busy("ann")
    room.joins("c1")
    old = room.now - 1800.0
    room.say(CallbackRestored(callback="b1", group="sales", caller=b"one", since=old, attempts=1))
    room.say(CallbackRestored(callback="b2", group="sales", caller=b"two", since=old - 60.0, requirement="en"))
    room.say(CallbackRestored(callback="b3", group="sales", caller=b"three", since=room.now - 3600.0))
    assert _over(room) == [("b3", "expired")]
    assert room.queue() == ["b2", "b1", "c1"]
    room.hangs_up("ann")
    room.answers("ann")
    room.called("b1", reached=False)
    assert _over(room) == [("b1", "attempts")]


def test_callbacks_that_cannot_be_restored_are_over() -> None:
    """The group is no more, or the number has another one; a repeated one changes nothing."""
    room = _room()
    room.say(CallbackRestored(callback="b1", group="nowhere", caller=b"one", since=room.now))
    assert _over(room) == [("b1", "failed")]
    room.agent("ann")
    room.busy("ann")
    for name, over in ("b2", []), ("b2", []), ("b3", [("b3", "withdrawn")]):
        room.say(CallbackRestored(callback=name, group="sales", caller=b"one", since=room.now))
        assert _over(room) == over


@pytest.mark.parametrize(
    ("caller", "left", "kept"),
    [(b"number", ("c1", "callback", ""), ["c1"]), (b"", ("c1", "timeout", ""), [])],
)
def test_an_overflow_into_a_callback_keeps_the_place_under_the_same_id(
    caller: bytes, left: tuple[str, str, str], kept: list[str]
) -> None:
    """When the number is known; else the caller just leaves."""
    rules = (Overflow("callback", on=("timeout",)),)
    room = Room(group(max_wait=30.0, overflow=rules), agents="ann")
    room.busy("ann")
    room.joins("c1", caller=caller)
    room.after(30.0)
    assert room.left() == [left]
    assert [entry.id for entry in room.engine.callbacks("sales")] == kept


def test_who_may_not_join_is_called_back_by_rule() -> None:
    """The line is closed; the callback waits for the hours."""
    room = Room(group(hours="10:00-18:00", overflow=(Overflow("callback", on=("closed",)),)), agents="ann")
    room.joins("c1", caller=b"number")
    assert room.left() == [("c1", "callback", "")]
    room.after(3599.0)
    assert room.offered("ann") == ""
    room.after(1.1)
    assert room.offered("ann") == "c1"


def test_callbacks_count_in_positions_and_estimates() -> None:
    """Who waits behind one waits for it, too."""
    room = _room()
    for _ in range(5):
        room.busy("ann")
        room.after(60.0)
        room.hangs_up("ann")
    _waiting_callback(room)
    room.joins("c2")
    assert [entry.position for entry in room.engine.queue("sales")] == [1, 2]
    first, second = room.engine.estimate("b1"), room.engine.estimate("c2")
    assert first is not None
    assert second is not None
    assert first[1] < second[1]


def test_events_about_no_callback_change_nothing() -> None:
    """They are late."""
    room = _room()
    room.joins("c1")
    before = room.engine.snapshot()
    for reached in (False, True):
        assert room.say(CallbackEnded("c1", reached)) == []
        assert room.say(CallbackEnded("b9", reached)) == []
    assert room.engine.snapshot() == before
    room.answers("ann")
    assert room.say(CallbackAsked("c1", "b1", b"number"))[0] == CallbackTaken("c1", "b1", "", False, reason="unknown")
    assert room.say(OfferAccepted("b1", "ann")) == [Withdraw("b1", "ann")]


def test_caller_first_patience_begins_when_the_caller_has_answered() -> None:
    """The waiting of before has been the switch's, and does not throw out who was called back."""
    rules = CallbackRules(first="caller")
    room = Room(group(callbacks=rules, max_wait=60.0, refuse_pause=30.0), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.after(600.0)
    room.hangs_up("ann")
    room.called("b1", reached=True)
    room.fails("ann")
    assert room.queue() == ["b1"]
    room.after(30.0)
    assert room.offered("ann") == "b1"
    room.signs_out("ann")
    room.after(30.0)
    assert room.left() == [("b1", "timeout", "")]


def test_hours_that_change_are_looked_at_at_once() -> None:
    """The callback had to rest until tomorrow."""
    room = _room(hours="07:00-08:00")
    room.busy("ann")
    room.joins("c1")
    room.asks_back("c1", "b1")
    room.after(60.0)
    room.hangs_up("ann")
    assert room.offered("ann") == ""
    room.say(GroupSet(group()))
    assert room.offered("ann") == "b1"


def test_hours_that_end_while_a_callback_waits_let_it_rest() -> None:
    """Looked at when its turn comes, and the agent takes the next one."""
    room = _room(hours="08:00-09:01")
    _waiting_callback(room)
    room.joins("c2")
    room.after(60.0)
    room.hangs_up("ann")
    assert room.offered("ann") == "c2"
    assert room.engine.callbacks("sales")[0].resting


def test_an_id_that_is_taken_cannot_be_that_of_a_callback() -> None:
    """The caller goes on waiting."""
    room = _room()
    _waiting_callback(room)
    room.joins("c2")
    room.asks_back("c2", "b1", b"other")
    assert [(one.accepted, one.reason) for one in room.all(CallbackTaken)] == [(False, "known")]
    assert room.queue() == ["b1", "c2"]


@pytest.mark.parametrize("caller", [b"number", b""])
def test_an_overflow_by_time_into_a_callback(caller: bytes) -> None:
    """Whose number is not known waits on, and nobody is told of a callback."""
    room = Room(group(overflow=(Overflow("callback", after=30.0),)), agents="ann")
    room.busy("ann")
    room.joins("c1", caller=caller)
    room.after(30.0)
    assert room.left() == ([("c1", "callback", "")] if caller else [])
    assert len(room.all(CallbackTaken)) == bool(caller)
    assert room.queue() == ([] if caller else ["c1"])


def test_a_restored_callback_may_have_to_rest() -> None:
    """An attempt was made shortly before the restart."""
    room = _room()
    room.say(CallbackRestored(callback="b1", group="sales", caller=b"one", since=room.now - 60.0, rest=200.0))
    room.after(199.9)
    assert room.offered("ann") == ""
    room.after(0.1)
    assert room.offered("ann") == "b1"
