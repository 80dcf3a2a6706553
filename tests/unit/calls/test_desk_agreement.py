"""Desk and calls say the same of every agent when things happen at odd moments."""

from __future__ import annotations

import pytest

from routing.acd.model import Announcements, CallbackRules, Group
from switchboard.calls.carriers.description import Trunk
from switchboard.calls.commands import Actor, Back, CommandError, Consult, Hold, Supervise, Transfer
from switchboard.calls.control import command
from tests.support.desk_agreement import disagreements
from tests.unit.calls.queue_stage import QueueStage, rules
from tests.unit.calls.test_calling_back import AGENT_FIRST, CALLER_FIRST, asked, free

BOSS = Actor("boss", "carl", "supervisor")


def talk(*names: str) -> tuple[QueueStage, str]:
    """A caller talks to anna; the call's id."""
    stage = QueueStage("anna", *names, group=rules(strategy="top_down"))
    stage.caller()
    stage.answers("anna")
    (call,) = stage.world.exchange.calls
    return stage, call


def do(stage: QueueStage, cmd: Consult | Transfer | Hold | Back | Supervise, actor: Actor | None = None) -> None:
    """A command, by anna unless it is said otherwise."""
    command(stage.world.exchange, cmd, actor or Actor("anna", "anna"), stage.world.now)
    stage.world.run()


@pytest.mark.parametrize("place", [Consult, Transfer])
def test_a_hold_ends_with_a_consultation_and_with_a_transfer(place: type[Consult | Transfer]) -> None:
    """Who held the caller, and then asks somebody, talks; also after that somebody has refused."""
    stage, call = talk("ben")
    do(stage, Hold(call=call))
    assert stage.state("anna") == "held"
    do(stage, place(call=call, to="agent:ben"))
    assert stage.state("anna") == "talking"
    stage.refuses("ben")
    assert stage.state("anna") == "talking"
    assert disagreements(stage.world) == []
    stage.ends_clean()


def test_a_hold_in_a_callback_is_known() -> None:
    """The queue knows a callback's call by another name than the call's own."""
    stage, caller = asked(AGENT_FIRST)
    caller.hangs_up()
    free(stage)
    stage.world.advance(10)
    stage.answers("anna")
    stage.answers("carrier")
    call = next(reversed(stage.world.exchange.calls))
    do(stage, Hold(call=call))
    assert stage.state("anna") == "held"
    stage.ends_clean()


def test_nobody_is_in_a_call_twice() -> None:
    """The caller is not handed to a supervisor who listens: the end of the one part would be taken for the other's."""
    stage, call = talk("ben", "carl")
    do(stage, Supervise(call=call, mode="listen"), BOSS)
    stage.answers("carl")
    with pytest.raises(CommandError) as refused:
        do(stage, Transfer(call=call, to="agent:carl"))
    assert refused.value.fault == "wrong_state"
    assert stage.state("carl") == "talking"
    stage.ends_clean()


def test_an_answer_that_comes_when_the_offer_is_lost() -> None:
    """The switch stood still for so long that the agent is free again: the phone is hung up, the next one is rung."""
    stage = QueueStage("anna", "ben", group=rules(strategy="top_down", ring_timeout=10.0))
    stage.caller()
    stage.world.now += 14
    stage.answers("anna")
    assert stage.peers["anna"].received("BYE")
    assert len(stage.rings("ben")) == 1
    assert disagreements(stage.world) == []
    stage.answers("ben")
    assert stage.state("ben") == "talking"
    stage.ends_clean()


@pytest.mark.parametrize("rule", [AGENT_FIRST, CALLER_FIRST], ids=["agent first", "caller first"])
def test_an_attempt_ends_with_the_media_worker(rule: CallbackRules) -> None:
    """Nobody is kept for a callback whose call is over; it is tried again."""
    stage, caller = asked(rule)
    caller.hangs_up()
    free(stage)
    stage.world.advance(10)
    assert stage.state("anna") == "ringing"
    stage.world.plane.lose_worker()
    stage.world.run()
    assert stage.state("anna") == "idle"
    assert disagreements(stage.world) == []
    assert len(stage.world.callbacks.open) == 1
    stage.ends_clean()


class TestPhonesThatRingForOneCallback:
    """With `ring_all` the first of them to answer has it; there is one call."""

    def stage(self) -> QueueStage:
        """Two phones ring."""
        stage, caller = asked(AGENT_FIRST, "anna", "ben")
        caller.hangs_up()
        group: Group = rules(strategy="ring_all", callbacks=AGENT_FIRST, announcements=Announcements(music=()))
        stage.world.desk.set_group(group, stage.world.now)
        stage.world.advance(10)
        for name in ("anna", "ben"):
            free(stage, name)
        return stage

    @pytest.mark.parametrize(("first", "other"), [("anna", "ben"), ("ben", "anna")])
    def test_the_first_has_it(self, first: str, other: str) -> None:
        """Whichever it is, the other stops ringing, and the caller is called once."""
        stage = self.stage()
        assert [len(stage.rings(name)) for name in ("anna", "ben")] == [1, 1]
        stage.alerts(other)
        stage.answers(first)
        assert len(stage.rings("carrier")) == 1
        stage.answers("carrier")
        assert (stage.state(first), stage.state(other)) == ("talking", "idle")
        assert disagreements(stage.world) == []
        stage.ends_clean()


def test_a_callback_that_cannot_be_dialled_keeps_nobody() -> None:
    """The trunk is no more: the agent is free again at once, and nothing is left of the attempt."""
    stage, caller = asked(AGENT_FIRST)
    caller.hangs_up()
    stage.world.exchange.carriers.change({"bench": Trunk("bench", None, False)}, 0.0)
    free(stage)
    stage.world.advance(10)
    assert stage.state("anna") == "idle"
    assert disagreements(stage.world) == []
    stage.ends_clean()


def test_the_deadline_of_a_call_follows_an_offer_that_is_taken_back() -> None:
    """The phone rings no more: nothing is due when it would have rung out."""
    stage = QueueStage("anna")
    stage.caller()
    stage.world.desk.sign_out("anna", "anna", stage.world.now)
    (call,) = stage.world.exchange.calls.values()
    assert not call.others
    assert call.armed == call.deadline
    stage.ends_clean()
