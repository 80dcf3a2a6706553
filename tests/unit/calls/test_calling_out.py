"""Parties that we call where ports are short for a moment: they wait for one, in order, and not for long."""

from __future__ import annotations

import pytest

from media.plane import Lease
from switchboard.calls import anteroom
from switchboard.calls.anteroom import RESERVE
from switchboard.calls.calling_out import PATIENCE
from switchboard.calls.commands import Add, Consult, Dial, HangUp
from switchboard.store.segments import Kind
from tests.support.exchange import REAL, World
from tests.unit.calls.control.stage import SYSTEM, Stage, told
from tests.unit.calls.test_calling_back import AGENT_FIRST, CALLER_FIRST, asked, free, states


class Ports:
    """The ports of a world: all are taken, and more are on their way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.taken: list[Lease] = []
        self.spare = 0
        world.exchange.anteroom.spare = lambda six: self.spare
        while (lease := world.plane.lease()) is not None:
            self.taken.append(lease)
        self.tell(more=True)

    def come(self, count: int, *, more: bool = False) -> None:
        """So many are free; `more` are on their way or not."""
        self.spare += count
        for _ in range(count):
            self.world.plane.release(self.taken.pop())
        self.world.run()
        self.tell(more=more)

    def tell(self, *, more: bool) -> None:
        """What the media plane says of them."""
        self.world.engine.ports_short(more)
        self.world.run()

    def give_back(self) -> None:
        """The test is over."""
        self.come(len(self.taken))

    @property
    def waiting(self) -> int:
        """Who waits for one."""
        return self.world.exchange.counts()["anteroom"]


def rung(stage: Stage, name: str) -> int:
    """How many INVITEs a phone has got."""
    return len(stage.peer(name).received("INVITE"))


def test_a_call_of_ours_begins_when_ports_have_come() -> None:
    """It is a call meanwhile, nobody's phone rings, and they have all their time to answer from then on."""
    stage = Stage(ring_timeout=9)
    ports = Ports(stage.world)
    done = stage.do(Dial(to=f"number:{REAL}"))
    assert (list(stage.x.calls), ports.waiting, rung(stage, "anna")) == ([done.call], 1, 0)
    # Whoever has asked for it knows its id: a crash now leaves a record of it.
    assert [(kind, call) for kind, call, _ in stage.world.journal.entries] == [(Kind.OPENED, done.call)]
    stage.world.advance(1.5)
    ports.come(2)
    assert (ports.waiting, rung(stage, "anna")) == (0, 1)
    stage.world.reply(stage.peer("anna"), 180)
    stage.world.advance(8.5)
    stage.answers("anna")
    stage.answers("number")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    ports.give_back()
    record = stage.finish()
    assert told(record) == [("ring", "anna"), ("talk", "anna")]


def test_where_none_comes_the_call_ends_by_congestion() -> None:
    """Whether that is said, or nothing is said for long enough; nobody was called, and the switch has ended it."""
    for said in (True, False):
        stage = Stage()
        ports = Ports(stage.world)
        stage.do(Dial(to=f"number:{REAL}"))
        if said:
            stage.world.advance(0.5)
            ports.tell(more=False)
        else:
            stage.world.advance(PATIENCE - 0.1)
            assert stage.x.calls
            stage.world.advance(0.2)
        assert not stage.x.calls
        assert "ring_ended" in stage.feed.steps
        ports.tell(more=False)
        ports.give_back()
        record = stage.over()
        assert (record.cause, record.ended_by, record.sip_status) == ("congestion", "switch", None)
        assert rung(stage, "anna") == 0
        assert stage.desk.told[-1] == ("over", "anna", record.id)


def test_who_gives_up_meanwhile_is_not_called() -> None:
    """The agent has thought better of it."""
    stage = Stage()
    ports = Ports(stage.world)
    done = stage.do(Dial(to=f"number:{REAL}"))
    stage.do(HangUp(call=done.call), SYSTEM)
    assert not stage.x.calls
    ports.come(4)
    assert (ports.waiting, rung(stage, "anna")) == (0, 0)
    ports.give_back()
    assert stage.over().cause == "normal"


def test_the_other_party_waits_too() -> None:
    """The agent has answered, and hears ringback; whoever is called has the agent's codecs first, as ever."""
    stage = Stage()
    done = stage.do(Dial(to=f"number:{REAL}"))
    ports = Ports(stage.world)
    stage.answers("anna")
    assert (ports.waiting, rung(stage, "number"), stage.heard()) == (1, 0, {"anna": "ringback"})
    ports.come(1)
    assert (ports.waiting, rung(stage, "number")) == (0, 1)
    stage.answers("number")
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    ports.give_back()
    assert stage.finish().id == done.call


def test_without_a_port_for_the_other_party_the_agent_is_hung_up() -> None:
    """Soon, and not after all the time that the party would have had to answer."""
    stage = Stage()
    stage.do(Dial(to=f"number:{REAL}"))
    ports = Ports(stage.world)
    stage.answers("anna")
    stage.world.advance(PATIENCE + 0.1)
    assert len(stage.peer("anna").received("BYE")) == 1
    ports.tell(more=False)
    ports.give_back()
    record = stage.over()
    assert (record.cause, record.ended_by) == ("congestion", "switch")


def test_one_who_is_asked_waits_while_the_talk_is_held() -> None:
    """The first port is theirs, though calls that begin leave it to them; without one it is as if they refused."""
    stage = Stage()
    call = stage.talk()
    ports = Ports(stage.world)
    done = stage.do(Consult(call=call.id, to="agent:ben"))
    assert (ports.waiting, rung(stage, "ben")) == (1, 0)
    assert stage.heard() == {"caller": "music", "anna": "ringback"}
    ports.come(1, more=True)
    assert (ports.waiting, rung(stage, "ben")) == (0, 1)
    stage.answers("ben")
    assert call.leg(done.leg) is not None
    ports.give_back()
    stage.finish()
    stage = Stage()
    call = stage.talk()
    ports = Ports(stage.world)
    stage.do(Consult(call=call.id, to="agent:ben"))
    ports.tell(more=False)
    assert stage.heard() == {"caller": "anna", "anna": "caller"}
    assert "consult_ended" in stage.feed.steps
    ports.give_back()
    stage.finish()


def test_a_party_of_a_talk_goes_before_calls_that_have_not_begun() -> None:
    """Ports are left to calls there are, so nobody else could have had it; those parties keep their own order."""
    stage = Stage()
    call = stage.talk()
    ports = Ports(stage.world)
    stage.world.dial("4003")
    stage.do(Dial(to=f"number:{REAL}"), "dora")
    for agent in ("ben", "carl"):
        stage.do(Add(call=call.id, to=f"agent:{agent}"))
    assert ports.waiting == 4
    taken = len(stage.world.plane.leased)
    stage.x.anteroom.spare = lambda six: taken - len(stage.world.plane.leased)
    ports.come(1, more=True)
    assert (ports.waiting, rung(stage, "ben"), rung(stage, "carl"), rung(stage, "dora")) == (3, 1, 0, 0)
    ports.come(1, more=True)
    assert (ports.waiting, rung(stage, "carl"), len(stage.x.calls)) == (2, 1, 2)
    stage.world.exchange.draining = True
    stage.world.engine.end_all(stage.world.now)
    ports.give_back()
    assert ports.waiting == 0


def test_calls_of_ours_leave_ports_to_those_there_are() -> None:
    """As calls that come do; those that wait need none as yet, so they do not keep each other waiting."""
    stage = Stage()
    stage.ring()
    ports = Ports(stage.world)
    owed = stage.x.ports_owed
    for agent in ("ben", "carl"):
        stage.do(Dial(to=f"number:{REAL}"), agent)
    assert (ports.waiting, stage.x.ports_owed) == (2, owed)
    ports.come(RESERVE + owed - 1, more=True)
    assert ports.waiting == 2
    ports.come(1, more=True)
    assert (ports.waiting, rung(stage, "ben"), rung(stage, "carl")) == (1, 1, 0)
    ports.come(1)
    assert (ports.waiting, rung(stage, "carl")) == (0, 1)
    ports.give_back()
    stage.world.engine.end_all(stage.world.now)


def test_the_room_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond, the command is refused, and where none are on their way it is at once."""
    stage = Stage()
    ports = Ports(stage.world)
    monkeypatch.setattr(anteroom, "MOST", 1)
    stage.do(Dial(to=f"number:{REAL}"), "anna")
    assert stage.fault(Dial(to=f"number:{REAL}"), "ben") == "congestion"
    ports.tell(more=False)
    assert ports.waiting == 0
    assert stage.fault(Dial(to=f"number:{REAL}"), "ben") == "congestion"
    ports.give_back()
    stage.over()


@pytest.mark.parametrize("rule", [AGENT_FIRST, CALLER_FIRST])
def test_a_callback_waits_for_its_port(rule: object) -> None:
    """Whoever is called first."""
    first, then = ("anna", "carrier") if rule is AGENT_FIRST else ("carrier", "anna")
    stage, caller = asked(rule)
    caller.hangs_up()
    stage.world.advance(1.0)
    ports = Ports(stage.world)
    free(stage)
    assert (ports.waiting, stage.rings(first), states(stage)) == (1, [], ["calling"])
    ports.come(1, more=True)
    assert ports.waiting == 1
    ports.come(RESERVE, more=True)
    assert (ports.waiting, len(stage.rings(first))) == (0, 1)
    stage.answers(first)
    assert len(stage.rings(then)) == 1
    stage.answers(then)
    assert stage.state("anna") == "talking"
    ports.tell(more=False)
    ports.give_back()
    stage.ends_clean()


@pytest.mark.parametrize("rule", [AGENT_FIRST, CALLER_FIRST])
def test_a_callback_without_a_port_is_tried_again(rule: object) -> None:
    """It was no attempt that anybody heard of; the agent is free again."""
    stage, caller = asked(rule)
    caller.hangs_up()
    stage.world.advance(1.0)
    ports = Ports(stage.world)
    free(stage)
    ports.tell(more=False)
    assert not stage.world.exchange.calls
    assert stage.world.journal.records[-1].cause == "congestion"
    assert stage.world.queues.entries
    ports.give_back()
    stage.ends_clean()
