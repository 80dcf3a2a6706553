"""What agents are, and why."""

from __future__ import annotations

from typing import get_args

import pytest

from routing.acd.agents import PRESENT, AgentStatus, Talk, WrapUp, derive
from routing.acd.entries import Entry
from routing.acd.events import (
    AgentRemoved,
    CallBegan,
    CallerJoined,
    CallOver,
    HoldChanged,
    OfferAccepted,
    PhoneChanged,
    SignedIn,
    SignedOut,
    StateSet,
    TalkEnded,
    WrapUpDone,
)
from routing.acd.groups import GroupStatus
from routing.acd.model import Agent, ChosenState, State

from .room import Room, group

TALK = {"c1": Talk("sales", 0.0, 0.0)}
RUNG = Entry(id="c1", place=(0.0, 1, "c1"), since=0.0, group=GroupStatus(group()), joined=0.0)
WORK = WrapUp("sales", 10.0, 60.0, 0.0, 10.0)
READY = {"signed_in": True, "phone_up": True}


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "offline"),
        ({"signed_in": True}, "offline"),
        ({"phone_up": True}, "offline"),
        (READY, "idle"),
        ({**READY, "chosen": "break"}, "break"),
        ({**READY, "chosen": "busy"}, "busy"),
        ({**READY, "chosen": "meeting"}, "meeting"),
        ({**READY, "chosen": "break", "wrap_up": WORK}, "wrap_up"),
        ({"signed_in": True, "wrap_up": WORK}, "offline"),
        ({**READY, "offer": RUNG}, "ringing"),
        ({**READY, "offer": RUNG, "chosen": "break"}, "ringing"),
        ({**READY, "talks": TALK}, "talking"),
        ({"talks": TALK}, "talking"),
        ({**READY, "talks": TALK, "held": {"c1"}}, "held"),
        ({**READY, "talks": TALK, "own_calls": {"o1": 0.0}, "held": {"c1"}}, "talking"),
        ({**READY, "talks": TALK, "own_calls": {"o1": 0.0}, "held": {"c1", "o1"}}, "held"),
        ({**READY, "own_calls": {"o1": 0.0}, "chosen": "break", "wrap_up": WORK}, "talking"),
        ({"phone_up": True, "own_calls": {"o1": 0.0}}, "offline"),
    ],
)
def test_the_state_follows_from_phone_calls_and_choice(facts: dict[str, object], state: State) -> None:
    """The table of `routing.acd.agents`."""
    agent = AgentStatus(Agent(id="ann", phone="aor:ann"), 1)
    for name, value in facts.items():
        setattr(agent, name, value)
    assert derive(agent) == state


def test_an_agent_works_from_signing_in_to_signing_out() -> None:
    """Idle at first; each change says who made it and why."""
    room = Room()
    room.agent("ann", ready=False)
    assert room.state("ann") == "offline"
    assert room.say(SignedIn("ann")) == []
    room.say(PhoneChanged("ann", True))
    assert room.changes() == [("ann", "idle", "", "phone")]
    room.say(SignedOut("ann", by="sue", why="shift over"))
    assert room.changes() == [("ann", "offline", "shift over", "sue")]
    room.say(SignedIn("ann"))
    assert room.changes() == [("ann", "idle", "", "ann")]


def test_an_agent_whose_phone_is_enough_signs_in_with_it() -> None:
    """And out."""
    room = Room()
    room.agent("ann", ready=False, always=True)
    room.say(PhoneChanged("ann", True))
    assert room.state("ann") == "idle"
    room.say(PhoneChanged("ann", False))
    assert room.changes() == [("ann", "offline", "phone", "phone")]
    assert not room.engine.agents["ann"].signed_in


def test_one_who_is_removed_in_a_call_and_comes_back_is_signed_in_by_the_phone() -> None:
    """The phone has been there all the time: nothing else would ever sign the agent in."""
    room = Room()
    room.agent("ann", ready=False, always=True)
    room.say(PhoneChanged("ann", True))
    room.busy("ann")
    room.say(AgentRemoved("ann"))
    assert room.state("ann") == "talking"
    room.agent("ann", ready=False, always=True)
    room.hangs_up("ann")
    assert (room.state("ann"), room.engine.agents["ann"].signed_in) == ("idle", True)


def test_a_phone_that_comes_back_finds_the_state_as_it_was() -> None:
    """A registration that lapses for a moment signs nobody out and ends no break."""
    room = Room(agents="ann")
    room.chooses("ann", "break", reason="lunch")
    room.say(PhoneChanged("ann", False))
    assert room.changes() == [("ann", "offline", "phone", "phone")]
    room.say(PhoneChanged("ann", True))
    assert room.changes() == [("ann", "break", "lunch", "ann")]


@pytest.mark.parametrize("chosen", ["busy", "break", "meeting"])
def test_a_chosen_state_keeps_callers_away(chosen: ChosenState) -> None:
    """Until idle is chosen."""
    room = Room(agents="ann")
    room.say(StateSet("ann", chosen, "because", "sue"))
    assert room.changes() == [("ann", chosen, "because", "sue")]
    room.joins("c1")
    assert room.rung() == []
    room.chooses("ann", "idle")
    assert room.offered("ann") == "c1"


def test_another_reason_for_the_same_state_is_told() -> None:
    """From one kind of break to another; the break goes on."""
    room = Room(agents="ann")
    room.chooses("ann", "break", reason="coffee")
    since = room.engine.agents["ann"].since
    room.after(60.0)
    room.chooses("ann", "break", reason="lunch")
    assert room.changes() == [("ann", "break", "lunch", "ann")]
    assert room.engine.agents["ann"].since == since
    assert room.chooses("ann", "break", reason="lunch") == []


def test_a_state_chosen_in_a_call_counts_after_it() -> None:
    """After the wrap-up, by the one who chose it."""
    room = Room(group(wrap_up=10.0), agents="ann")
    room.busy("ann")
    assert room.chooses("ann", "break", reason="lunch", lasts=60.0, by="sue") == []
    room.after(600.0)
    room.hangs_up("ann")
    assert room.state("ann") == "wrap_up"
    room.after(10.0)
    assert room.changes() == [("ann", "break", "lunch", "sue")]
    room.after(59.9)
    assert room.state("ann") == "break"
    room.after(0.1)
    assert room.changes() == [("ann", "idle", "", "time")]


def test_a_state_that_lasts_ends_by_itself() -> None:
    """From when it was chosen; a new choice counts anew."""
    room = Room(agents="ann")
    room.chooses("ann", "break", lasts=60.0)
    room.after(30.0)
    room.chooses("ann", "break", lasts=60.0)
    room.after(30.0)
    assert room.state("ann") == "break"
    room.after(30.0)
    assert room.state("ann") == "idle"
    room.chooses("ann", "break", lasts=60.0)
    room.chooses("ann", "break")
    room.after(600.0)
    assert room.state("ann") == "break"


def test_a_break_beyond_the_limit_is_told_once() -> None:
    """The strictest of the agent's groups; a meeting is no break."""
    room = Room(group("sales", break_limit=600.0), group("help", break_limit=300.0))
    room.agent("ann", groups={"sales": 1, "help": 1})
    room.chooses("ann", "break", reason="lunch")
    room.after(299.9)
    assert room.alerts() == []
    room.after(0.1)
    assert room.alerts() == [("break_limit", "ann")]
    room.after(3600.0)
    assert room.alerts() == []
    room.chooses("ann", "meeting")
    room.after(3600.0)
    assert room.alerts() == []


@pytest.mark.parametrize(("own", "of_group", "lasts"), [(None, 15.0, 15.0), (5.0, 15.0, 5.0), (0.0, 15.0, 0.0)])
def test_wrap_up_follows_a_talk(own: float | None, of_group: float, lasts: float) -> None:
    """As long as the agent's own value says, else the group's."""
    room = Room(group(wrap_up=of_group))
    room.agent("ann", wrap_up=own)
    room.busy("ann")
    room.hangs_up("ann")
    room.joins("c1")
    if lasts:
        assert room.state("ann") == "wrap_up"
        room.after(lasts - 0.1)
        assert room.offered("ann") == ""
        room.after(0.1)
    assert room.offered("ann") == "c1"


def test_wrap_up_is_that_of_the_group_of_the_call() -> None:
    """As it was when the call was answered, also when the group is no more."""
    room = Room(group("sales", wrap_up=0.0), group("help", wrap_up=30.0))
    room.agent("ann", groups={"sales": 1, "help": 1})
    room.joins("c1", "help")
    room.answers("ann")
    room.hangs_up("ann")
    assert room.state("ann") == "wrap_up"


@pytest.mark.parametrize(
    ("event", "then"),
    [
        (WrapUpDone("ann"), "idle"),
        (StateSet("ann", "idle"), "idle"),
        (StateSet("ann", "meeting"), "meeting"),
        (SignedOut("ann"), "offline"),
        (PhoneChanged("ann", False), "offline"),
        (CallBegan("ann", "o1"), "talking"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_wrap_up_ends_by_what_the_agent_does(event: StateSet, then: State) -> None:
    """There is a way out of it other than time."""
    room = Room(group(wrap_up=60.0), agents="ann")
    room.busy("ann")
    room.hangs_up("ann")
    room.say(event)
    assert room.state("ann") == then


def test_a_call_of_ones_own_does_not_end_the_wrap_up_before_its_time() -> None:
    """The agent calls somebody to finish the work."""
    room = Room(group(wrap_up=60.0), agents="ann")
    room.busy("ann")
    room.hangs_up("ann")
    room.after(10.0)
    room.say(CallBegan("ann", "o1"))
    room.after(10.0)
    room.say(CallOver("ann", "o1"))
    assert room.state("ann") == "wrap_up"
    room.after(40.0)
    assert room.state("ann") == "idle"


def test_wrap_up_begins_when_no_call_is_up_any_more() -> None:
    """The caller is gone, but the agent still talks to whom they have consulted."""
    room = Room(group(wrap_up=60.0), agents="ann")
    room.busy("ann")
    room.say(CallBegan("ann", "consult"))
    room.hangs_up("ann")
    assert room.state("ann") == "talking"
    room.after(300.0)
    room.say(CallOver("ann", "consult"))
    assert room.state("ann") == "wrap_up"
    room.after(60.0)
    assert room.state("ann") == "idle"


def test_calls_of_ones_own_keep_callers_away() -> None:
    """Until the last is over; nothing is to be wrapped up, and the break that was chosen is still on."""
    room = Room(group(wrap_up=60.0), agents="ann")
    room.chooses("ann", "break", reason="lunch")
    room.say(CallBegan("ann", "o1"))
    room.say(CallBegan("ann", "o2"))
    assert room.state("ann") == "talking"
    room.say(CallOver("ann", "o1"))
    room.say(CallOver("ann", "o1"))
    assert room.state("ann") == "talking"
    room.say(CallOver("ann", "o2"))
    assert room.changes() == [("ann", "break", "lunch", "ann")]


def test_holding_shows_as_long_as_every_call_is_held() -> None:
    """Consulting while the caller is held is talking."""
    room = Room(agents="ann")
    room.busy("ann")
    room.say(HoldChanged("ann", "busy-ann", True))
    assert room.state("ann") == "held"
    room.say(CallBegan("ann", "consult"))
    assert room.state("ann") == "talking"
    room.say(CallOver("ann", "consult"))
    assert room.state("ann") == "held"
    room.say(HoldChanged("ann", "busy-ann", False))
    assert room.state("ann") == "talking"
    assert room.say(HoldChanged("ann", "other", True)) == []
    room.say(HoldChanged("ann", "busy-ann", True))
    room.hangs_up("ann")
    assert room.state("ann") == "idle"


@pytest.mark.parametrize("how", ["signed_out", "phone", "removed"])
def test_a_call_that_is_up_goes_on_without_the_agent(how: str) -> None:
    """Then nobody rings there; talk time is the agent's own, and nothing is stuck."""
    room = Room(group(wrap_up=60.0), agents="ann")
    room.busy("ann")
    room.say({"signed_out": SignedOut("ann"), "phone": PhoneChanged("ann", False), "removed": AgentRemoved("ann")}[how])
    assert room.state("ann") == "talking"
    room.after(30.0)
    room.hangs_up("ann")
    assert room.changes()[-1][1] == "offline"
    assert ("ann" in room.engine.agents) == (how != "removed")


def test_an_agent_who_comes_back_in_a_call_is_in_it() -> None:
    """Removed and configured again, or signed out and in."""
    room = Room(agents="ann")
    room.busy("ann")
    room.say(AgentRemoved("ann"))
    room.agent("ann")
    assert room.state("ann") == "talking"
    room.joins("c1")
    assert room.rung() == []
    room.hangs_up("ann")
    assert room.offered("ann") == "c1"


def test_calls_and_talk_time_are_counted_from_signing_in() -> None:
    """Queue calls only; the talk ends for the agent when their part is over."""
    room = Room(agents="ann")
    for seconds in 30.0, 40.0:
        room.busy("ann")
        room.after(seconds)
        room.hangs_up("ann")
    room.say(CallBegan("ann", "o1"))
    room.after(100.0)
    room.say(CallOver("ann", "o1"))
    agent = room.engine.agents["ann"]
    assert (agent.taken, agent.talked, agent.idle_since) == (2, 70.0, room.now)
    room.signs_out("ann")
    room.say(SignedIn("ann"))
    assert (agent.taken, agent.talked) == (0, 0.0)


def test_signing_in_twice_changes_nothing() -> None:
    """Figures and the state stay."""
    room = Room(agents="ann")
    room.busy("ann")
    room.hangs_up("ann")
    room.chooses("ann", "break")
    assert room.say(SignedIn("ann")) == []
    assert (room.state("ann"), room.engine.agents["ann"].taken) == ("break", 1)


@pytest.mark.parametrize(
    "event",
    [
        SignedOut("ann"),
        StateSet("ann", "break"),
        WrapUpDone("ann"),
        CallOver("ann", "o9"),
        HoldChanged("ann", "o9", True),
        PhoneChanged("ann", True),
        TalkEnded("c9", "ann"),
        SignedIn("nobody"),
        SignedOut("nobody"),
        StateSet("nobody", "break"),
        WrapUpDone("nobody"),
        PhoneChanged("nobody", True),
        CallBegan("nobody", "o1"),
        CallOver("nobody", "o1"),
        HoldChanged("nobody", "o1", True),
        TalkEnded("c1", "nobody"),
        AgentRemoved("nobody"),
    ],
    ids=repr,
)
def test_events_that_do_not_apply_change_nothing(event: StateSet) -> None:
    """About somebody unknown, or an agent who is not signed in."""
    room = Room()
    room.agent("ann")
    room.signs_out("ann")
    before = room.engine.snapshot()
    assert room.say(event) == []
    assert room.engine.snapshot() == before


def test_every_state_is_left_by_an_event_or_a_deadline() -> None:
    """Nobody is in a state without a way out: into each of them, and out to idle again."""
    into: dict[State, list[object]] = {
        "offline": [PhoneChanged("ann", False)],
        "idle": [],
        "ringing": [CallerJoined(entry="c1", group="sales")],
        "talking": [CallerJoined(entry="c1", group="sales"), OfferAccepted("c1", "ann")],
        "held": [
            CallerJoined(entry="c1", group="sales"),
            OfferAccepted("c1", "ann"),
            HoldChanged("ann", "c1", True),
        ],
        "wrap_up": [
            CallerJoined(entry="c1", group="sales"),
            OfferAccepted("c1", "ann"),
            TalkEnded("c1", "ann"),
        ],
        "busy": [StateSet("ann", "busy")],
        "break": [StateSet("ann", "break")],
        "meeting": [StateSet("ann", "meeting")],
    }
    out: dict[State, list[object]] = {
        "offline": [PhoneChanged("ann", True)],
        "talking": [TalkEnded("c1", "ann")],
        "held": [TalkEnded("c1", "ann")],
        "busy": [StateSet("ann", "idle")],
        "break": [StateSet("ann", "idle")],
        "meeting": [StateSet("ann", "idle")],
    }
    assert set(into) == set(get_args(State)) >= PRESENT
    for state, events in into.items():
        room = Room(group(wrap_up=10.0, max_wait=60.0), agents="ann")
        for event in events:
            room.say(event)  # type: ignore[arg-type]
        assert room.state("ann") == state
        for event in out.get(state, ()):
            room.say(event)  # type: ignore[arg-type]
        room.after(200.0)
        assert room.state("ann") == "idle"
