"""Callers wait for agents: who is rung, what is heard, and how waiting ends, over the real queue engine."""

from __future__ import annotations

import pytest

from routing.acd.model import Announcements, Group, Overflow
from switchboard.calls.commands import Actor, Transfer
from switchboard.calls.control import command
from switchboard.calls.news import CallNews, QueueNews
from tests.unit.calls.control.stage import KeptFeed
from tests.unit.calls.queue_stage import MUSIC, SILENT, QueueStage, rules

FLOW = """
flow: line
start: wait
nodes:
  wait:
    type: queue
    group: shop
    prompts: [music/hold]
    callback: "1"
    max_wait: 60s
    next: thanks
    on: {full: full, callback: back, other: nobody}
  thanks: {type: hangup, prompts: [zh/goodbye]}
  full: {type: hangup, prompts: [zh/busy]}
  back: {type: hangup, prompts: [zh/callback_taken]}
  nobody: {type: hangup, prompts: [zh/no_answer]}
"""
ELSEWHERE = """
flow: line
start: sorry
nodes:
  sorry: {type: hangup, prompts: [zh/unavailable]}
"""


def playing(stage: QueueStage) -> list[tuple[str, ...]]:
    """What plays to whom."""
    return [prompts for _, prompts, _ in stage.world.plane.playing.values()]


def test_nobody_is_answered_for_a_group_that_was_removed() -> None:
    """The number still leads there; 480 instead of an answer and a BYE, which callers would pay for."""
    stage = QueueStage("anna")
    stage.world.desk.remove_group("shop", stage.world.now)
    caller = stage.caller()
    assert caller.statuses == [480]
    stage.ends_clean()
    (record,) = stage.world.journal.records
    assert (record.cause, record.sip_status, record.answered_us) == ("unregistered", 480, None)


def test_a_number_with_a_group_is_answered_at_once_and_rings_an_agent() -> None:
    """The caller hears music until the agent answers; after the talk the agent is free again."""
    stage = QueueStage("anna", group=rules(announcements=MUSIC))
    caller = stage.caller()
    assert caller.statuses == [200]
    assert playing(stage) == [("music/hold",)]
    assert stage.state("anna") == "ringing"
    stage.answers("anna")
    assert playing(stage) == []
    assert stage.state("anna") == "talking"
    assert len(stage.world.plane.bridges) == 2
    caller.hangs_up()
    assert stage.state("anna") == "idle"
    stage.ends_clean()
    (record,) = stage.world.journal.records
    assert (record.group, record.agent, record.cause, record.ended_by) == ("shop", "anna", "normal", "caller")
    assert [(one.kind, one.agent, one.group) for one in record.segments] == [
        ("queue", "", "shop"),
        ("ring", "anna", "shop"),
        ("talk", "anna", "shop"),
    ]


def test_the_audio_of_a_caller_is_opened_once_until_somebody_answers() -> None:
    """The keys are the queue's from the first order on, so that nothing has to be told to the media worker again."""
    stage = QueueStage("anna")
    caller = stage.caller()
    (opened,) = stage.world.plane.named("open")
    assert (opened[1], opened[2].digits) == (caller.lease, True)
    stage.answers("anna")
    _, agents, callers = stage.world.plane.named("open")
    assert agents[1] != caller.lease
    assert callers[1] == caller.lease
    assert not agents[2].digits
    assert not callers[2].digits


def test_callers_are_served_in_the_order_of_their_coming() -> None:
    """One agent, three callers: each talk's end rings for the next."""
    stage = QueueStage("anna")
    callers = [stage.caller(caller=f"1390000000{n}") for n in range(3)]
    for caller in callers:
        assert len(stage.rings("anna")) == 1
        stage.answers("anna")
        caller.hangs_up()
    assert stage.state("anna") == "idle"
    stage.ends_clean()
    records = stage.world.journal.records
    assert [record.agent for record in records] == ["anna"] * 3
    starts = [record.started_us for record in records]
    assert starts == sorted(starts)


def test_work_after_the_call_keeps_the_next_one_waiting() -> None:
    """The next caller is rung for when it is over."""
    stage = QueueStage("anna", group=rules(wrap_up=15.0))
    first, second = stage.caller(), stage.caller(caller="13900000001")
    stage.answers("anna")
    first.hangs_up()
    assert stage.state("anna") == "wrap_up"
    assert not stage.rings("anna")
    stage.world.advance(15)
    assert len(stage.rings("anna")) == 1
    stage.answers("anna")
    second.hangs_up()
    stage.ends_clean()


def test_all_phones_ring_and_the_first_to_answer_gets_the_caller() -> None:
    """The others stop ringing and are free."""
    stage = QueueStage("anna", "ben", "carl", group=rules(strategy="ring_all"))
    stage.caller()
    assert [len(stage.rings(name)) for name in ("anna", "ben", "carl")] == [1, 1, 1]
    stage.alerts("anna")
    stage.alerts("carl")
    stage.answers("ben")
    assert [stage.state(name) for name in ("anna", "ben", "carl")] == ["idle", "talking", "idle"]
    assert [len(stage.peers[name].cancelled) for name in ("anna", "carl")] == [1, 1]
    stage.ends_clean()


def test_two_who_answer_at_once_are_not_both_connected() -> None:
    """The second 200 is acknowledged and hung up."""
    stage = QueueStage("anna", "ben", group=rules(strategy="ring_all"))
    stage.caller()
    stage.world.lost = lambda destination, data: b"CANCEL" in data
    stage.answers("anna")
    stage.answers("ben")
    stage.world.lost = lambda destination, data: False
    stage.world.advance(1)
    assert stage.peers["ben"].received("BYE")
    assert not stage.peers["anna"].received("BYE")
    assert stage.state("anna") == "talking"
    stage.ends_clean()


def test_who_refuses_is_passed_over_for_a_while() -> None:
    """The next agent is rung; the one who refused gets the next offer only after the pause."""
    stage = QueueStage("anna", "ben", group=rules(strategy="top_down", refuse_pause=30.0))
    stage.caller()
    stage.refuses("anna", 603)
    assert len(stage.rings("ben")) == 1
    stage.refuses("ben", 486)
    assert not stage.rings("anna")
    stage.world.advance(30)
    assert len(stage.rings("anna")) == 1
    stage.answers("anna")
    stage.ends_clean()


def test_who_does_not_answer_takes_a_break_by_rule() -> None:
    """The state is told with its reason, and its way out is setting another."""
    stage = QueueStage("anna", "ben", group=rules(strategy="top_down", ring_timeout=12.0, no_answer_state="break"))
    stage.caller()
    stage.world.advance(12)
    agent = stage.world.queues.agents["anna"]
    assert (agent.state, agent.reason, agent.by) == ("break", "no_answer", "rule")
    stage.answers("ben")
    stage.world.desk.set_state("anna", "idle", "anna", stage.world.now)
    assert stage.state("anna") == "idle"
    stage.ends_clean()


@pytest.mark.parametrize(
    ("to", "heard"), [("flow:line", "zh/unavailable"), ("voicemail:shop", "zh/voicemail_greeting"), ("hangup", "")]
)
def test_overflow_leads_elsewhere(to: str, heard: str) -> None:
    """After the time of the rule the caller goes on in a flow, in a mail box, or is hung up."""
    stage = QueueStage("anna", flow=ELSEWHERE, group=rules(overflow=(Overflow(to, 5.0),)))
    library = QueueStage("anna").world.exchange.flows.newest("voicemail")
    assert library is not None
    x = stage.world.exchange
    x.flows.replace({"line": x.flows.newest("line"), "voicemail": library}, set())  # type: ignore[dict-item]
    stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
    caller = stage.caller()
    stage.world.advance(5)
    if heard:
        assert [prompts[0] for prompts in playing(stage)] == [heard]
    else:
        assert caller.was_hung_up
    stage.ends_clean()


def test_overflow_to_another_group_keeps_the_place() -> None:
    """The agent of the other group is rung, and the record names it."""
    other = Group(name="night", announcements=SILENT, no_answer_state="idle", join_empty="always")
    stage = QueueStage(
        "anna", group=rules(overflow=(Overflow("group:night", 5.0),), join_empty="always"), more=(other,)
    )
    stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
    stage.caller()
    stage.world.advance(5)
    assert [entry.group.name for entry in stage.world.queues.entries.values()] == ["night"]
    (call,) = stage.world.exchange.calls.values()
    assert (call.record.group, [one.group for one in call.record.segments]) == ("night", ["shop", "night"])
    stage.ends_clean()


class TestInAFlow:
    """A queue node's exits."""

    def stage(self, **changes: object) -> QueueStage:
        """One agent, who is there."""
        return QueueStage("anna", flow=FLOW, group=rules(**changes))

    def test_after_the_talk(self) -> None:
        """The agent hangs up, the caller goes on at `next`."""
        stage = self.stage()
        caller = stage.caller("4100")
        stage.answers("anna")
        stage.hangs_up("anna")
        assert playing(stage) == [("zh/goodbye",)]
        assert stage.state("anna") == "idle"
        stage.world.plane.play_done(caller.lease)
        stage.world.run()
        assert caller.was_hung_up
        stage.ends_clean()

    def test_full(self) -> None:
        """One may wait; the second is told at once, within the same step of the flow."""
        stage = self.stage(max_length=1)
        stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
        stage.caller("4100")
        stage.caller("4100", "13900000001")
        assert [prompts[0] for prompts in playing(stage)] == ["music/hold", "zh/busy"]
        stage.ends_clean()

    def test_patience(self) -> None:
        """After `max_wait` the flow goes on."""
        stage = self.stage()
        stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
        stage.caller("4100")
        stage.world.advance(60)
        assert playing(stage) == [("zh/no_answer",)]
        stage.ends_clean()

    def test_everybody_gone(self) -> None:
        """Nobody is signed in: the flow is told at once."""
        stage = self.stage()
        stage.world.desk.sign_out("anna", "anna", stage.world.now)
        stage.caller("4100")
        assert playing(stage) == [("zh/no_answer",)]
        stage.ends_clean()

    def test_a_caller_who_leaves_while_a_phone_rings(self) -> None:
        """The phone stops ringing and the agent is free for the next."""
        stage = self.stage()
        caller = stage.caller("4100")
        stage.alerts("anna")
        caller.hangs_up()
        assert stage.peers["anna"].cancelled
        assert stage.state("anna") == "idle"
        stage.ends_clean()


class TestAnnouncements:
    """What is said to those who wait."""

    SAID = Announcements(music=("music/hold",), first=10.0, every=30.0, position=True)

    def test_the_place_is_said_and_the_music_comes_back(self) -> None:
        """Ten seconds on, the second in line hears so; then music again."""
        stage = QueueStage("anna", group=rules(announcements=self.SAID))
        stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
        stage.caller()
        second = stage.caller(caller="13900000001")
        stage.world.advance(10)
        spoken = stage.world.plane.playing[second.lease]
        assert spoken[1] != ("music/hold",)
        assert stage.world.voice.said[-1][0] == "您排在第二位。"
        stage.world.plane.play_done(second.lease)
        stage.world.run()
        assert stage.world.plane.playing[second.lease][1] == ("music/hold",)
        stage.ends_clean()

    def test_a_found_agent_does_not_wait_for_its_end(self) -> None:
        """The announcement stops in its middle."""
        stage = QueueStage("anna", group=rules(announcements=self.SAID))
        stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
        stage.caller()
        stage.world.advance(10)
        stage.world.desk.set_state("anna", "idle", "anna", stage.world.now)
        stage.world.run()
        stage.answers("anna")
        assert playing(stage) == []
        assert len(stage.world.plane.bridges) == 2
        stage.ends_clean()

    def test_speech_that_is_not_ready_keeps_nobody_waiting(self) -> None:
        """The music goes on meanwhile; speech that comes when the agent talks already is not played."""
        stage = QueueStage("anna", group=rules(announcements=self.SAID))
        stage.world.voice.slow = True
        stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
        stage.caller()
        stage.world.advance(10)
        assert playing(stage) == [("music/hold",)]
        stage.world.desk.set_state("anna", "idle", "anna", stage.world.now)
        stage.world.run()
        stage.answers("anna")
        waiting, stage.world.voice.waiting = stage.world.voice.waiting, []
        for done in waiting:
            done()
        stage.world.run()
        assert playing(stage) == []
        stage.ends_clean()


def test_who_is_handed_to_a_group_keeps_rank() -> None:
    """Priority and VIP of the first queue hold in the next one; the waiting begins anew."""
    flow = FLOW.replace("group: shop", "group: shop\n    priority: 3\n    vip: 2")
    other = Group(name="night", announcements=SILENT, no_answer_state="idle", join_empty="always")
    stage = QueueStage("anna", flow=flow, more=(other,))
    stage.caller("4100")
    stage.answers("anna")
    (call,) = stage.world.exchange.calls.values()
    command(stage.world.exchange, Transfer(call=call.id, to="group:night"), Actor("anna", "anna"), stage.world.now)
    stage.world.run()
    (entry,) = stage.world.queues.entries.values()
    assert (entry.group.name, entry.priority, entry.vip, entry.since) == ("night", 3, 2, stage.world.now)
    stage.ends_clean()


@pytest.mark.parametrize(("removed", "detail"), [(False, "timeout"), (True, "failed")])
def test_the_news_of_who_leaves_without_doing_anything_name_the_group(removed: bool, detail: str) -> None:
    """Time is up, or the group is no more: whoever watches the group sees that nobody waits in it any longer."""
    stage = QueueStage("anna", group=rules(max_wait=30.0))
    desk, world = stage.world.desk, stage.world
    world.exchange.feed = feed = KeptFeed()
    desk.set_state("anna", "meeting", "anna", world.now)
    stage.caller()
    if removed:
        desk.remove_group("shop", world.now)
    world.advance(31)
    told = [(one.step, one.group, one.waiting, one.detail) for one in feed.news if isinstance(one, QueueNews)]
    assert told == [("joined", "shop", 1, ""), ("left", "shop", 0, detail)]
    stage.ends_clean()


@pytest.mark.parametrize("end", ["another answers", "signed out"])
def test_an_agent_learns_that_the_phone_rings_no_more(end: str) -> None:
    """Whoever was rung and is not any more hears no more of the call; its end comes much later."""
    stage = QueueStage("anna", "ben", group=rules(strategy="ring_all"))
    feed = stage.world.exchange.feed = KeptFeed()
    stage.caller()
    stage.alerts("anna")
    stage.alerts("ben")
    if end == "another answers":
        stage.answers("ben")
    else:
        stage.world.desk.sign_out("anna", "boss", stage.world.now)
        stage.world.run()
    told = [(news.agent, news.detail) for news in feed.news if isinstance(news, CallNews) and news.step == "ring_ended"]
    assert told == [("anna", "cancelled")]
    stage.ends_clean()
