"""What the clients of agents are told of a call: all of it while they take part, that they have left, nothing after."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from switchboard.api.principal import Principal
from switchboard.api.stream import EventStream, Subscription
from switchboard.calls.call import Call
from switchboard.calls.commands import (
    Add,
    Back,
    CancelTransfer,
    Complete,
    Consult,
    Drop,
    HangUp,
    Merge,
    Park,
    ToSurvey,
    Transfer,
)
from switchboard.calls.news import CallNews
from tests.support.exchange import REAL
from tests.unit.calls.control.stage import Stage

Leaving = Callable[[Stage, Call], None]


def listen(stage: Stage, agent: str) -> Subscription:
    """The client of an agent, from now on."""
    stream = stage.x.feed
    if not isinstance(stream, EventStream):
        stream = stage.x.feed = EventStream(lambda: stage.x.utc_us(stage.world.now))
    return stream.subscribe(Principal(id=agent, name=agent, role="agent", agent=agent))[0]


def steps(client: Subscription) -> list[str]:
    """The steps that a client was sent."""
    return [entry.news.step for entry in client._queue if isinstance(entry.news, CallNews)]


def _to_agent(stage: Stage, call: Call) -> None:
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.answers("ben")


def _blind(stage: Stage, call: Call) -> None:
    stage.do(Transfer(call=call.id, to="agent:ben", blind=True))
    stage.answers("ben")


def _blind_to_nobody(stage: Stage, call: Call) -> None:
    stage.do(Transfer(call=call.id, to=f"number:{REAL}"))
    stage.world.advance(3)
    stage.answers("number")


def _to_group(stage: Stage, call: Call) -> None:
    stage.desk.ready = "ben"
    stage.do(Transfer(call=call.id, to="group:care"))
    stage.answers("ben")


def _to_flow(stage: Stage, call: Call) -> None:
    stage.do(Transfer(call=call.id, to="flow:survey"))


def _to_survey(stage: Stage, call: Call) -> None:
    stage.do(ToSurvey(call=call.id))


def _parked(stage: Stage, call: Call) -> None:
    stage.do(Park(call=call.id))


def _consulted(stage: Stage, call: Call) -> None:
    stage.do(Consult(call=call.id, to="agent:ben"))
    stage.answers("ben")
    stage.do(Complete(call=call.id))


def _conference(stage: Stage, call: Call) -> None:
    stage.do(Consult(call=call.id, to="agent:ben"))
    stage.answers("ben")
    stage.do(Merge(call=call.id))
    stage.do(HangUp(call=call.id))


def _while_it_rings(stage: Stage, call: Call) -> None:
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.hangs_up("anna")
    stage.answers("ben")


@pytest.mark.parametrize(
    "leave",
    [
        _to_agent, _blind, _blind_to_nobody, _to_group, _to_flow, _to_survey, _parked, _consulted, _conference,
        _while_it_rings,
    ],
)  # fmt: skip
def test_who_has_left_is_told_so_and_no_more(leave: Leaving) -> None:
    """Whichever way they have handed the caller on; once, and last."""
    stage = Stage()
    anna = listen(stage, "anna")
    call = stage.talk()
    leave(stage, call)
    assert steps(anna).count("agent_left") == 1
    assert steps(anna)[-1] == "agent_left"
    stage.hangs_up("caller")
    assert steps(anna)[-1] == "agent_left"
    stage.over()


def test_who_hands_on_and_stays_so_long_hears_that_it_came_about() -> None:
    """First that the target has the caller, then that their own part is over."""
    stage = Stage()
    anna = listen(stage, "anna")
    call = stage.talk()
    _to_agent(stage, call)
    assert steps(anna)[-3:] == ["answered", "transferred", "agent_left"]
    stage.finish()


def test_who_hangs_up_by_the_phone_hears_nothing_of_the_flow_that_follows() -> None:
    """A flow that goes on when the agent has left."""
    flow = """
start: sell
nodes:
  sell: {type: queue, group: sales, next: stay, on: {other: stay}}
  stay: {type: play, prompts: [music/hold], next: bye}
  bye: {type: hangup}
"""
    stage = Stage(flow=flow)
    anna = listen(stage, "anna")
    call = stage.talk("4008")
    assert call.control is None
    stage.hangs_up("anna")
    stage.hangs_up("caller")
    assert steps(anna)[-1] == "agent_left"
    stage.over()


def _refuses(stage: Stage, call: Call) -> None:
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.refuses("ben")


def _cancelled(stage: Stage, call: Call) -> None:
    stage.do(Transfer(call=call.id, to="agent:ben"))
    stage.world.reply(stage.peer("ben"), 180)
    stage.do(CancelTransfer(call=call.id))


def _refuses_to_be_asked(stage: Stage, call: Call) -> None:
    stage.do(Consult(call=call.id, to="agent:ben"))
    stage.refuses("ben")


def _was_asked(stage: Stage, call: Call) -> None:
    stage.do(Consult(call=call.id, to="agent:ben"))
    stage.answers("ben")
    stage.do(Back(call=call.id))


def _hangs_up_when_asked(stage: Stage, call: Call) -> None:
    stage.do(Consult(call=call.id, to="agent:ben"))
    stage.answers("ben")
    stage.hangs_up("ben")


def _was_added(stage: Stage, call: Call) -> None:
    done = stage.do(Add(call=call.id, to="agent:ben"))
    stage.answers("ben")
    stage.do(Drop(call=call.id, leg=done.leg))


@pytest.mark.parametrize(
    "part", [_refuses, _cancelled, _refuses_to_be_asked, _was_asked, _hangs_up_when_asked, _was_added]
)
def test_who_took_part_for_a_while_hears_nothing_of_the_talk_that_goes_on(part: Leaving) -> None:
    """Neither that it is held nor that it ends; the agent who leads it hears all."""
    stage = Stage()
    anna, ben = listen(stage, "anna"), listen(stage, "ben")
    call = stage.talk()
    part(stage, call)
    heard = steps(ben)
    assert heard
    stage.hangs_up("caller")
    assert steps(ben) == heard
    assert steps(anna)[-1] == "ended"
    stage.over()
