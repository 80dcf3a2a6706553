"""Being called back: the place is kept, one request a number, agent first or caller first, and nothing is left."""

from __future__ import annotations

import msgspec
import pytest

from routing.acd.model import Announcements, CallbackRules
from switchboard.calls.callback_request import HANG_UP_FIRST, restore
from switchboard.calls.news import QueueNews
from tests.unit.calls.control.stage import KeptFeed
from tests.unit.calls.queue_stage import Caller, QueueStage, rules
from tests.unit.calls.test_queueing import FLOW, playing

CUSTOMER = "13900009999"
AGENT_FIRST = CallbackRules(first="agent", attempts=2, retry_after=60.0)
CALLER_FIRST = CallbackRules(first="caller", attempts=2, retry_after=60.0)


def asked(rule: CallbackRules = AGENT_FIRST, *names: str) -> tuple[QueueStage, Caller]:
    """Nobody is free; a caller presses 1."""
    stage = QueueStage(*(names or ("anna",)), flow=FLOW, group=rules(callbacks=rule))
    for name in names or ("anna",):
        stage.world.desk.set_state(name, "meeting", name, stage.world.now)
    caller = stage.caller("4100", CUSTOMER)
    caller.presses("1")
    return stage, caller


def free(stage: QueueStage, name: str = "anna") -> None:
    """The agent is back."""
    stage.world.desk.set_state(name, "idle", name, stage.world.now)
    stage.world.run()


def states(stage: QueueStage) -> list[str]:
    """What became of the request, step by step."""
    return [change.state for change in stage.world.callbacks.changes]


def test_the_wish_is_kept_before_the_caller_hears_so() -> None:
    """The flow goes on at its exit; sealed number, group and the begin of the waiting are stored."""
    stage, caller = asked()
    assert playing(stage) == [("zh/callback_taken",)]
    (request,) = stage.world.callbacks.requests
    assert (request.group, request.number_masked) == ("shop", "139****9999")
    assert request.since_us == round(stage.world.now * 1e6)
    caller.hangs_up()
    assert list(stage.world.queues.entries) == [request.id]
    stage.ends_clean()


def test_who_asks_again_keeps_the_first_place() -> None:
    """Also in what is stored, from which a restart takes the places."""
    stage, caller = asked()
    first = round(stage.world.now * 1e6)
    caller.hangs_up()
    stage.world.advance(30.0)
    again = stage.caller("4100", CUSTOMER)
    again.presses("1")
    again.hangs_up()
    (request,) = stage.world.callbacks.requests[1:]
    assert request.since_us == first
    assert [(change.state, change.reason) for change in stage.world.callbacks.changes] == [("cancelled", "replaced")]
    assert list(stage.world.queues.entries) == [request.id]
    stage.ends_clean()


@pytest.mark.parametrize(("rule", "answered"), [(AGENT_FIRST, False), (AGENT_FIRST, True), (CALLER_FIRST, False)])
def test_who_asks_again_while_being_called_back_hears_that_the_place_is_kept(
    rule: CallbackRules, answered: bool
) -> None:
    """What rang for the older wish rings no more; when they have hung up the agent is rung for the new one."""
    stage, caller = asked(rule)
    first = round(stage.world.now * 1e6)
    caller.hangs_up()
    stage.world.advance(30.0)
    again = stage.caller("4100", CUSTOMER)
    free(stage)
    stage.alerts("anna" if rule is AGENT_FIRST else "carrier")
    if answered:
        stage.answers("anna")
        stage.alerts("carrier")
    again.presses("1")
    assert ("zh/callback_taken",) in playing(stage)
    assert stage.state("anna") == "idle"
    assert len(stage.world.agent.cancelled) == (answered or rule is CALLER_FIRST)
    request = stage.world.callbacks.requests[-1]
    assert (len(stage.world.callbacks.requests), request.since_us) == (2, first)
    assert (states(stage)[-1], stage.world.callbacks.changes[-1].reason) == ("cancelled", "replaced")
    again.hangs_up()
    assert [entry.id for entry in stage.world.queues.callbacks("shop")] == [request.id]
    assert states(stage)[-1] == "calling"
    stage.ends_clean()


def test_the_wish_may_come_by_the_signalling() -> None:
    """A key that a phone or carrier sends by INFO is one like any other, also to the queue."""
    stage = QueueStage("anna", group=rules(callbacks=AGENT_FIRST, announcements=Announcements(callback_offer=30.0)))
    stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
    caller = stage.caller("4003", CUSTOMER)
    caller.presses_by_info("2")
    assert not stage.world.callbacks.requests
    caller.presses_by_info("1")
    (request,) = stage.world.callbacks.requests
    assert list(stage.world.queues.entries) == [request.id]
    assert caller.was_hung_up
    stage.ends_clean()


def test_nobody_is_called_back_who_is_still_on_the_line() -> None:
    """The agent who is free meanwhile waits for the hang-up, but not for long: some stay to the end of a music."""
    stage, caller = asked()
    free(stage)
    stage.world.advance(HANG_UP_FIRST - 0.5)
    assert not stage.rings("anna")
    stage.world.advance(0.5)
    assert len(stage.rings("anna")) == 1
    caller.hangs_up()
    assert len(stage.rings("anna")) == 1
    stage.ends_clean()


def test_a_free_agent_is_rung_as_soon_as_the_caller_has_hung_up() -> None:
    """The place is kept exactly: somebody who comes a moment later is behind."""
    stage, caller = asked()
    stage.caller("4100", "13900000003")
    stage.world.advance(1.0)
    caller.hangs_up()
    (request,) = stage.world.callbacks.requests
    assert stage.world.queues.queue("shop")[0].id == request.id
    free(stage)
    assert states(stage) == ["calling"]
    stage.ends_clean()


def test_agent_first() -> None:
    """The agent's phone rings, then the customer's by the trunk; both talk, and the agent is free after it."""
    stage, caller = asked()
    caller.hangs_up()
    assert not stage.rings("anna")
    free(stage)
    (ringing,) = stage.rings("anna")
    assert CUSTOMER.encode() not in ringing.raw
    assert states(stage) == ["calling"]
    stage.answers("anna")
    (invite,) = stage.rings("carrier")
    assert invite.uri.startswith(f"sip:{CUSTOMER}@")
    assert "01088880000" in (invite.headers.get("from") or "")
    stage.answers("carrier")
    assert len(stage.world.plane.bridges) == 2
    assert stage.state("anna") == "talking"
    assert states(stage) == ["calling", "calling", "done"]
    stage.hangs_up("carrier")
    assert stage.state("anna") == "idle"
    stage.ends_clean()
    record = stage.world.journal.records[-1]
    assert (record.direction, record.agent, record.group, record.cause) == ("out", "anna", "shop", "normal")
    assert record.caller_masked == "139****9999"


@pytest.mark.parametrize("rule", [AGENT_FIRST, CALLER_FIRST])
def test_the_news_of_a_callback_name_its_group(rule: CallbackRules) -> None:
    """Whoever watches one group sees when a callback is asked for and when it is over."""
    stage, caller = asked(rule)
    stage.world.exchange.feed = feed = KeptFeed()
    caller.hangs_up()
    free(stage)
    for name in ("anna", "carrier") if rule is AGENT_FIRST else ("carrier", "anna"):
        stage.answers(name)
    over = [news for news in feed.news if isinstance(news, QueueNews) and news.step == "callback_over"]
    assert [(news.group, news.detail) for news in over] == [("shop", "reached")]
    stage.ends_clean()


def test_the_customer_does_not_answer() -> None:
    """The agent is free at once; after a pause it is tried again, and then given up."""
    stage, caller = asked()
    caller.hangs_up()
    free(stage)
    for attempt in range(2):
        stage.world.advance(60 if attempt else 0)
        stage.answers("anna")
        stage.refuses("carrier", 486)
        assert stage.state("anna") == "idle"
    assert states(stage) == ["calling", "calling"] * 2 + ["failed"]
    assert [change.attempts for change in stage.world.callbacks.changes] == [None, 1, None, 2, None]
    assert not stage.world.queues.entries
    stage.ends_clean()


def test_an_agent_who_does_not_take_it_costs_no_attempt() -> None:
    """The next one is rung; what is stored for a restart counts none either."""
    stage, caller = asked(AGENT_FIRST, "anna", "ben")
    caller.hangs_up()
    free(stage, "anna")
    stage.refuses("anna", 603)
    assert [change.attempts for change in stage.world.callbacks.changes] == [None]
    free(stage, "ben")
    stage.answers("ben")
    stage.answers("carrier")
    assert stage.state("ben") == "talking"
    stage.ends_clean()


def test_the_agent_hangs_up_while_the_customer_rings() -> None:
    """The customer's phone stops ringing; the request stays open and is tried again."""
    stage, caller = asked()
    caller.hangs_up()
    free(stage)
    stage.answers("anna")
    stage.alerts("carrier")
    stage.hangs_up("anna")
    assert stage.world.agent.cancelled
    assert len(stage.world.queues.entries) == 1
    stage.world.reply(stage.world.agent, 487, index=0)
    assert not stage.rings("anna")
    stage.world.advance(HANG_UP_FIRST)
    assert len(stage.rings("anna")) == 1
    stage.ends_clean()


def test_caller_first() -> None:
    """The customer is called while the agent is kept, hears music, and the agent's phone rings."""
    stage, caller = asked(CALLER_FIRST)
    caller.hangs_up()
    free(stage)
    assert not stage.rings("anna")
    assert len(stage.rings("carrier")) == 1
    assert stage.state("anna") == "ringing"
    stage.answers("carrier")
    assert len(stage.rings("anna")) == 1
    stage.answers("anna")
    assert len(stage.world.plane.bridges) == 2
    assert (stage.state("anna"), states(stage)) == ("talking", ["calling", "done"])
    stage.hangs_up("anna")
    assert stage.state("anna") == "idle"
    assert stage.world.agent.received("BYE")
    stage.ends_clean()


def test_caller_first_and_not_there() -> None:
    """The agent never heard of it."""
    stage, caller = asked(CALLER_FIRST)
    caller.hangs_up()
    free(stage)
    stage.refuses("carrier", 480)
    assert stage.state("anna") == "idle"
    assert not stage.peers["anna"].received("INVITE")
    assert len(stage.world.queues.entries) == 1
    stage.ends_clean()


def test_caller_first_who_hangs_up_while_the_agent_rings() -> None:
    """The agent's phone stops ringing; nobody is called again who was reached."""
    stage, caller = asked(CALLER_FIRST)
    caller.hangs_up()
    free(stage)
    stage.answers("carrier")
    stage.alerts("anna")
    stage.hangs_up("carrier")
    assert stage.peers["anna"].cancelled
    assert stage.state("anna") == "idle"
    assert not stage.world.queues.entries
    stage.ends_clean()


def test_the_exact_place_is_kept() -> None:
    """Who came before a callback is served before it, who came after it waits."""
    stage = QueueStage("anna", flow=FLOW, group=rules(callbacks=AGENT_FIRST))
    stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
    stage.caller("4100", "13900000001")
    second = stage.caller("4100", CUSTOMER)
    second.presses("1")
    second.hangs_up()
    third = stage.caller("4100", "13900000003")
    order = [entry.id for entry in stage.world.queues.queue("shop")]
    assert order[1] == stage.world.callbacks.requests[0].id
    free(stage)
    stage.answers("anna")
    stage.hangs_up("anna")
    assert len(stage.rings("anna")) == 1
    stage.answers("anna")
    stage.answers("carrier")
    stage.hangs_up("carrier")
    assert len(stage.rings("anna")) == 1
    stage.answers("anna")
    third.hangs_up()
    stage.ends_clean()


def test_asked_twice_it_is_one_call() -> None:
    """The later wish takes the place of the first, whose number is the same."""
    stage, first = asked()
    first.hangs_up()
    second = stage.caller("4100", CUSTOMER)
    second.presses("1")
    second.hangs_up()
    assert len(stage.world.queues.entries) == 1
    assert len(stage.world.callbacks.open) == 1
    stage.ends_clean()


@pytest.mark.parametrize("why", ["no number", "no outbound trunk", "full"])
def test_who_cannot_be_called_back_hears_so_and_waits_on(why: str) -> None:
    """Music follows, the place is kept, and the key may be pressed again."""
    most = msgspec.structs.replace(AGENT_FIRST, max_open=1)
    stage = QueueStage("anna", flow=FLOW, group=rules(callbacks=most))
    world = stage.world
    world.desk.set_state("anna", "meeting", "anna", world.now)
    if why == "full":
        first = stage.caller("4100", "13811112222")
        first.presses("1")
        first.hangs_up()
    if why == "no outbound trunk":
        world.exchange.settings = msgspec.structs.replace(world.exchange.settings, outbound=None)
    caller = stage.caller("4100", "anonymous" if why == "no number" else CUSTOMER)
    kept = len(world.callbacks.requests)
    for _ in range(2):
        caller.presses("1")
        assert playing(stage) == [("speech:抱歉，暂时无法为您安排回电，请您继续等候。",)]
        world.plane.play_done(caller.lease)
        world.run()
        assert playing(stage) == [("music/hold",)]
    assert len(world.callbacks.requests) == kept
    assert not caller.was_hung_up
    stage.ends_clean()


def test_after_a_restart() -> None:
    """An open request takes its place by when its waiting began."""
    stage, caller = asked()
    caller.hangs_up()
    (request,) = stage.world.callbacks.open.values()
    anew = QueueStage("anna", flow=FLOW, group=rules(callbacks=AGENT_FIRST))
    anew.world.now = stage.world.now + 300
    anew.world.vault = stage.world.vault
    anew.world.exchange.secrets = stage.world.vault
    anew.world.callbacks.add(request.record)
    restore(anew.world.exchange, request, anew.world.now)
    anew.world.run()
    assert len(anew.rings("anna")) == 1
    anew.answers("anna")
    anew.answers("carrier")
    assert states(anew)[-1] == "done"
    anew.ends_clean()


def test_the_offer_of_a_callback_is_said() -> None:
    """By the group's rule, and its key works without a flow's."""
    said = Announcements(music=("music/hold",), callback_offer=20.0)
    stage = QueueStage("anna", group=rules(announcements=said))
    stage.world.desk.set_state("anna", "meeting", "anna", stage.world.now)
    caller = stage.caller("4003", CUSTOMER)
    stage.world.advance(20)
    assert "请按一键" in stage.world.voice.said[-1][0]
    caller.presses("1")
    assert caller.was_hung_up
    assert len(stage.world.callbacks.open) == 1
    stage.ends_clean()
