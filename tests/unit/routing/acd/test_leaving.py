"""Joining, waiting too long, and where to go then."""

from __future__ import annotations

from typing import Any

import pytest

from routing.acd.events import AgentRemoved, CallerGone, GroupRemoved, GroupSet, PhoneChanged, TimeDue
from routing.acd.model import LeaveReason, Overflow

from .room import Room, group

OVER: dict[LeaveReason, str] = {"full": "voicemail:v", "empty": "flow:f", "closed": "hangup", "timeout": "flow:t"}
CHAIN = tuple(Overflow(to, on=(reason,)) for reason, to in OVER.items())


@pytest.mark.parametrize("overflow", [(), CHAIN], ids=["alone", "chain"])
@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"max_length": 0}, "full"),
        ({"hours": "10:00-18:00"}, "closed"),
        ({"join_empty": "never"}, "empty"),
    ],
)
def test_who_may_not_join_goes_where_the_reason_leads(
    rules: dict[str, Any], reason: LeaveReason, overflow: tuple[Overflow, ...]
) -> None:
    """With a rule for the reason to its destination, else nowhere."""
    room = Room(group(overflow=overflow, **rules), agents="ann")
    room.chooses("ann", "break")
    room.joins("c1")
    assert room.left() == [("c1", reason, OVER[reason] if overflow else "")]
    assert room.queue() == []


@pytest.mark.parametrize(
    ("rule", "idle", "talking", "on_break", "signed_out"),
    [
        ("never", True, True, False, False),
        ("signed_in", True, True, True, False),
        ("always", True, True, True, True),
    ],
)
def test_who_may_join_depends_on_the_agents(
    rule: str, idle: bool, talking: bool, on_break: bool, signed_out: bool
) -> None:
    """At work, on a break, or gone."""
    for how, may in ("idle", idle), ("talking", talking), ("break", on_break), ("out", signed_out):
        room = Room(group(join_empty=rule), agents="ann")
        if how == "talking":
            room.busy("ann")
        elif how == "break":
            room.chooses("ann", "break")
        elif how == "out":
            room.signs_out("ann")
        room.joins("c1")
        assert (room.queue() == ["c1"]) is may, how


def test_a_full_queue_takes_who_finds_an_agent_free() -> None:
    """Nobody has to wait for that; a callback takes no place of a caller."""
    room = Room(group(max_length=1), agents="ann bob")
    room.joins("c1")
    room.joins("c2")
    assert (room.offered("ann"), room.offered("bob")) == ("c1", "c2")
    room.joins("c3")
    assert room.left() == [("c3", "full", "")]
    room.asks_back("c1", "b1")
    room.asks_back("c2", "b2", b"other")
    room.busy("ann", "bob")
    room.joins("c4")
    assert room.left() == []


def _with_service_of_a_minute(**rules: Any) -> Room:
    """One agent who has served five callers, a minute each, and is busy."""
    room = Room(group(**rules), agents="ann")
    for _ in range(5):
        room.busy("ann")
        room.after(60.0)
        room.hangs_up("ann")
    room.busy("ann")
    return room


def test_nobody_joins_for_whom_the_estimate_is_too_long() -> None:
    """The longer end of the band counts."""
    room = _with_service_of_a_minute(max_estimate=250.0)
    for number in range(10):
        room.joins(f"c{number}")
        if room.left():
            break
    assert room.left() == [(f"c{number}", "estimate", "")]
    assert 1 <= number <= 4
    band = room.engine.estimate(f"c{number - 1}")
    assert band is not None
    assert band[1] <= 250.0


def test_those_who_wait_too_long_leave() -> None:
    """At the group's limit or the caller's own, whichever is shorter."""
    room = Room(group(max_wait=60.0, overflow=CHAIN), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.joins("c2", max_wait=20.0)
    room.joins("c3", max_wait=200.0)
    room.after(19.9)
    assert room.left() == []
    room.after(0.1)
    assert room.left() == [("c2", "timeout", "flow:t")]
    room.after(40.0)
    assert room.left() == [("c1", "timeout", "flow:t"), ("c3", "timeout", "flow:t")]


def test_nobody_times_out_while_a_phone_rings_for_them() -> None:
    """When it is refused, and nobody else is free, they do."""
    room = Room(group(max_wait=10.0), agents="ann")
    room.after(5.0)
    room.joins("c1")
    room.after(15.0)
    assert room.offered("ann") == "c1"
    room.fails("ann")
    assert room.left() == [("c1", "timeout", "")]


def test_who_times_out_when_an_agent_is_freed_is_served() -> None:
    """Both are due at the same instant."""
    room = Room(group(max_wait=10.0, wrap_up=10.0), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.hangs_up("ann")
    room.after(10.0)
    assert room.left() == []
    assert room.offered("ann") == "c1"


def test_after_a_time_the_caller_goes_on() -> None:
    """The soonest rule first, whatever their order."""
    room = Room(group(overflow=(Overflow("voicemail:v", after=60.0), Overflow("flow:f", after=30.0))), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.after(30.0)
    assert room.left() == [("c1", "overflow", "flow:f")]


def test_a_group_overflows_into_another_with_the_age_kept() -> None:
    """There the caller stands before those who came later."""
    room = Room(group("sales", overflow=(Overflow("group:help", after=30.0),)), group("help"))
    room.agent("ann", groups={"sales": 1})
    room.agent("bob", groups={"help": 1})
    room.busy(
        "ann",
    )
    room.joins("old", "sales")
    room.after(10.0)
    room.joins("own", "help", preferred="bob")
    room.answers("bob")
    room.joins("young", "help")
    room.after(20.0)
    assert room.moved() == [("old", "sales", "help")]
    assert (room.queue("sales"), room.queue("help")) == ([], ["old", "young"])
    room.hangs_up("bob")
    assert room.offered("bob") == "old"
    assert room.engine.groups["sales"].outcomes["moved"] == 1


def test_a_caller_moved_finds_an_agent_at_once() -> None:
    """Free agents of the other group are used by the same event."""
    room = Room(group("sales", overflow=(Overflow("group:help", after=30.0),)), group("help"))
    room.agent("ann", groups={"sales": 1})
    room.agent("bob", groups={"help": 1})
    room.busy("ann")
    room.joins("c1")
    room.after(30.0)
    assert (room.moved(), room.offered("bob")) == ([("c1", "sales", "help")], "c1")


def test_limits_count_the_time_in_the_group() -> None:
    """Half a minute here, then a minute there."""
    room = Room(
        group("sales", join_empty="always", overflow=(Overflow("group:help", after=30.0),)),
        group("help", join_empty="always", overflow=(Overflow("voicemail:v", after=60.0),)),
    )
    room.joins("c1")
    room.after(89.9)
    assert room.left() == []
    room.after(0.1)
    assert room.left() == [("c1", "overflow", "voicemail:v")]


def test_the_requirement_counts_all_of_the_waiting() -> None:
    """In the other group it has relaxed already."""
    room = Room(
        group("sales", join_empty="always", overflow=(Overflow("group:help", after=30.0),)),
        group("help", requirement="en then any after 30s"),
    )
    room.agent("bob", groups={"help": 1})
    room.joins("c1")
    room.after(30.0)
    assert room.offered("bob") == "c1"


def test_an_overflow_by_time_into_a_group_that_refuses_leaves_the_caller_in_place() -> None:
    """Better to wait here than to be thrown out; the next rule has its turn."""
    room = Room(
        group(
            "sales",
            join_empty="always",
            overflow=(Overflow("group:help", after=30.0), Overflow("flow:f", after=60.0)),
        ),
        group("help", hours="10:00-18:00"),
    )
    room.joins("c1")
    assert room.after(59.9) == []
    assert room.queue("sales") == ["c1"]
    room.after(0.1)
    assert room.left() == [("c1", "overflow", "flow:f")]


def test_a_chain_of_groups_is_followed_to_its_end() -> None:
    """Each refuses for a reason of its own; the last one's rule says where the caller goes."""
    room = Room(
        group("sales", hours="10:00-18:00", overflow=(Overflow("group:help", on=("closed",)),)),
        group("help", join_empty="always", max_length=0, overflow=(Overflow("group:last", on=("full",)),)),
        group("last", overflow=(Overflow("voicemail:v", on=("empty",)),)),
    )
    room.joins("c1")
    assert room.left() == [("c1", "empty", "voicemail:v")]


def test_a_chain_ends_in_the_first_group_that_takes_the_caller() -> None:
    """Who joined one waits in another."""
    room = Room(
        group("sales", hours="10:00-18:00", overflow=(Overflow("group:help", on=("closed",)),)),
        group("help", join_empty="always"),
    )
    room.joins("c1", priority=1)
    assert room.moved() == [("c1", "sales", "help")]
    assert room.queue("help") == ["c1"]


@pytest.mark.parametrize("to", ["group:sales", "group:help", "group:nowhere"])
def test_a_chain_that_comes_back_ends(to: str) -> None:
    """And so does one into a group that is not there."""
    room = Room(
        group("sales", overflow=(Overflow(to, on=("empty",)),)),
        group("help", overflow=(Overflow("group:sales", on=("empty",)),)),
    )
    room.joins("c1")
    assert room.left() == [("c1", "empty", "")]


def test_groups_that_overflow_into_each_other_do_not_spin() -> None:
    """At most once a second; the caller ends by patience all the same."""
    room = Room(
        group("sales", join_empty="always", overflow=(Overflow("group:help", after=0.0),)),
        group("help", join_empty="always", max_wait=5.0, overflow=(Overflow("group:sales", after=0.0),)),
    )
    room.joins("c1")
    assert room.moved() == [("c1", "sales", "help")]
    room.after(60.0)
    assert room.left() == [("c1", "timeout", "")]


@pytest.mark.parametrize("how", ["out", "phone", "removed"])
def test_those_who_wait_leave_with_the_last_agent(how: str) -> None:
    """Where the group says so; a callback stays, and somebody who may yet come back from a break counts."""
    room = Room(group(leave_empty=True, overflow=CHAIN), agents="ann bob")
    room.chooses("bob", "break")
    room.busy("ann")
    room.joins("c1")
    room.joins("c2")
    room.asks_back("c2", "b1")
    room.hangs_up("ann")
    room.gives_up("c1")
    room.busy("ann")
    room.joins("c1")
    room.after(10.0)
    room.signs_out("ann")
    assert room.left() == []
    assert room.alerts() == [("no_agent", "sales")]
    room.say({"out": AgentRemoved("bob"), "phone": PhoneChanged("bob", False), "removed": AgentRemoved("bob")}[how])
    assert room.left() == [("c1", "empty", "flow:f")]
    assert room.queue() == ["b1"]


def test_those_who_wait_stay_without_agents_where_the_group_says_so() -> None:
    """Supervisors are told once, and again when it comes again."""
    room = Room(group(), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.signs_out("ann")
    assert room.alerts() == [("no_agent", "sales")]
    assert room.queue() == ["c1"]
    room.hangs_up("ann")
    room.agent("bob")
    assert room.offered("bob") == "c1"
    room.fails("bob", "no_answer")
    assert room.alerts() == [("no_agent", "sales")]
    assert room.queue() == ["c1"]


def test_closing_sends_nobody_away_who_waits() -> None:
    """New ones are refused, old ones served."""
    room = Room(group(hours="09:00-09:05"), agents="ann")
    room.busy("ann")
    room.joins("c1")
    room.after(301.0)
    room.joins("c2")
    assert room.left() == [("c2", "closed", "")]
    room.hangs_up("ann")
    assert room.offered("ann") == "c1"


@pytest.mark.parametrize(("why", "share"), [("hung_up", 0.05), ("key", 0.05), ("transferred", 0.0), ("withdrawn", 0.0)])
def test_leaving_on_ones_own_is_one_outcome(why: Any, share: float) -> None:
    """Only who gives up counts for how many do."""
    room = Room(agents="ann")
    room.busy("ann")
    room.engine.groups["sales"].estimator.rate.abandoned = 0.0
    room.joins("c1")
    room.say(CallerGone("c1", why))
    assert room.say(CallerGone("c1", why)) == []
    assert room.engine.groups["sales"].outcomes == {"answered": 1, "gone": 1}
    assert room.engine.groups["sales"].estimator.rate.abandoned == pytest.approx(share)


def test_removing_a_group_fails_those_who_wait_and_keeps_talks() -> None:
    """Phones that ring for it stop, and agents serve their other groups."""
    room = Room(group("sales"), group("help"))
    room.agent("ann", groups={"sales": 1, "help": 1})
    room.agent("bob", groups={"sales": 1})
    room.busy("bob")
    room.joins("c1", "sales")
    room.joins("c2", "sales")
    room.joins("c3", "help")
    room.asks_back("c2", "b1")
    room.say(GroupRemoved("sales"))
    assert room.left() == [("c1", "failed", "")]
    assert room.withdrawn() == ["ann"]
    assert (room.offered("ann"), room.state("bob")) == ("c3", "talking")
    room.hangs_up("bob")
    assert room.state("bob") == "idle"
    room.say(GroupSet(group("sales")))
    room.joins("c4", "sales")
    assert room.offered("bob") == "c4"


def test_new_rules_of_a_group_hold_at_once() -> None:
    """Places are kept; limits count from when the group was joined."""
    room = Room(group(requirement="en"), agents="ann")
    room.joins("c1")
    room.joins("c2")
    room.after(20.0)
    room.say(GroupSet(group(requirement="en", max_wait=30.0)))
    room.after(9.9)
    assert room.left() == []
    room.say(GroupSet(group(max_wait=30.0)))
    assert room.offered("ann") == "c1"
    room.after(0.1)
    assert room.left() == [("c2", "timeout", "")]


def test_rules_that_cannot_be_read_change_nothing() -> None:
    """The old ones go on."""
    room = Room(agents="ann")
    for rules in {"requirement": "en>>1"}, {"hours": "9 to 5"}:
        with pytest.raises(ValueError, match="column"):
            room.say(GroupSet(group(**rules)))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="column"):
            room.say(GroupSet(group("help", **rules)))  # type: ignore[arg-type]
    assert list(room.engine.groups) == ["sales"]
    room.joins("c1")
    assert room.offered("ann") == "c1"


def test_a_group_may_come_after_its_agents() -> None:
    """Who names it is a member from then on."""
    room = Room()
    room.agent("ann", groups={"late": 1, "sales": 1})
    room.say(GroupSet(group("late")))
    room.joins("c1", "late")
    assert room.offered("ann") == "c1"


def test_nobody_is_rung_for_beyond_their_patience() -> None:
    """A refusal after the limit ends the waiting, though another agent is idle."""
    room = Room(group(max_wait=10.0), agents="ann bob")
    room.joins("c1")
    room.after(15.0)
    room.fails("ann")
    assert room.left() == [("c1", "timeout", "")]
    assert room.rung() == []


def test_an_overflow_that_fails_after_a_refusal_lets_the_caller_look_again() -> None:
    """Its time came while a phone rang, and its target is not there."""
    room = Room(group(overflow=(Overflow("group:nowhere", after=10.0),)), agents="ann bob")
    room.joins("c1")
    room.after(15.0)
    room.fails("ann")
    assert room.left() == []
    assert room.offered("bob") == "c1"


def test_the_last_agents_failure_empties_the_queue_where_the_group_says_so() -> None:
    """The caller was rung for by one of another group, and nobody of their own is there."""
    room = Room(group("sales", leave_empty=True, join_empty="always"), group("help"))
    room.agent("ann", groups={"help": 1})
    room.joins("c1", "sales", preferred="ann")
    assert room.offered("ann") == "c1"
    room.fails("ann")
    assert room.left() == [("c1", "empty", "")]


def test_an_agents_rest_and_a_callers_patience_that_end_at_once_bring_them_together() -> None:
    """Whoever is free may take them first."""
    room = Room(group(refuse_pause=10.0, max_wait=10.0), agents="ann")
    room.joins("c1")
    room.gives_up("c1")
    room.joins("c2")
    room.fails("ann")
    room.gives_up("c2")
    room.joins("c3")
    room.after(10.0)
    assert room.offered("ann") == "c3"


def test_who_moves_on_when_two_phones_are_given_up_at_once_is_not_overtaken() -> None:
    """Nothing was heard of either ringing, and the third agent is for the caller of higher priority."""
    room = Room(group("sales", overflow=(Overflow("group:help", after=12.0),)), group("help"))
    for name in ("ann", "bob", "carl"):
        room.agent(name, groups={"help": 1} if name == "bob" else {"sales": 1, "help": 1})
    room.joins("c1", "sales", priority=1, preferred="ann")
    room.joins("c2", "help", preferred="bob")
    assert (room.offered("ann"), room.offered("bob")) == ("c1", "c2")
    room.now += 200.0
    room.say(TimeDue())
    assert room.moved() == [("c1", "sales", "help")]
    assert room.offered("carl") == "c1"
