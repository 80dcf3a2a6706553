"""Agents whose phones have a fixed address: calls straight to it, and from it, are theirs, and no other is offered."""

from __future__ import annotations

import pytest

from routing.acd.model import Agent
from routing.dialplan import DialPlan, Entry
from routing.masks.target import SipTarget
from routing.trunks import Trunks
from switchboard.directory import Directory
from tests.support.exchange import NUMBER
from tests.unit.calls.phone_lines import Phone
from tests.unit.calls.queue_stage import Caller, QueueStage


def stage_with(target: str) -> QueueStage:
    """The agents anna and ben; 4011 leads to a target, and so does extension 7 of the masked number."""
    stage = QueueStage("anna", "ben")
    world = stage.world
    plan = DialPlan(
        [
            Entry(number="4003", group="shop"),
            Entry(number="4011", target=target),
            Entry(number=NUMBER, mask=True),
        ]
    )
    world.exchange.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
    world.masks.bind(NUMBER, "7", SipTarget(target))
    return stage


@pytest.mark.parametrize("dialled", ["4011", f"{NUMBER},7"])
def test_an_agent_who_is_called_directly_is_offered_no_other_call(dialled: str) -> None:
    """From the first ring on, whoever waits goes to somebody else; the talk is the agent's, and then they are free."""
    stage = stage_with("sip:anna@127.0.2.1:5190")
    stage.caller(dialled)
    assert len(stage.rings("anna")) == 1
    assert stage.state("anna") == "talking"
    stage.caller(caller="13900000001")
    assert (len(stage.rings("anna")), len(stage.rings("ben"))) == (1, 1)
    stage.answers("anna")
    assert stage.state("anna") == "talking"
    stage.hangs_up("anna")
    assert stage.state("anna") == "idle"
    record = stage.world.journal.records[0]
    assert [leg.agent for leg in record.legs] == ["", "anna"]
    assert record.agent == "anna"
    stage.ends_clean()


@pytest.mark.parametrize(
    ("phone", "dialled"),
    [
        ("sip:anna@127.0.2.1:5060", "sip:anna@127.0.2.1"),
        ("sip:anna@127.0.2.1", "sip:anna@127.0.2.1:5060"),
        ("sips:anna@127.0.2.1", "sips:anna@127.0.2.1:5061"),
        ("sip:anna@127.0.2.1;transport=tls", "sip:anna@127.0.2.1:5061;transport=tls"),
    ],
)
def test_the_usual_port_may_be_written_or_not(phone: str, dialled: str) -> None:
    """An address is known in either spelling, and in none once the agent is gone."""
    world = QueueStage("anna").world
    world.desk.set_agent(Agent(id="anna", phone=phone), world.now)
    assert (world.desk.agent_at(phone), world.desk.agent_at(dialled)) == ("anna", "anna")
    assert world.desk.agent_at("sip:anna@127.0.2.1:5190") == ""
    world.desk.remove_agent("anna", world.now)
    assert (world.desk.agent_at(phone), world.desk.agent_at(dialled)) == ("", "")


def test_an_address_that_agents_share_is_nobodys() -> None:
    """Whose call it is cannot be told, so both are offered others."""
    stage = stage_with("sip:anna@127.0.2.1:5190")
    stage.world.desk.set_agent(
        Agent(id="carl", phone="sip:anna@127.0.2.1:5190", groups={"shop": 2}, always=True), stage.world.now
    )
    stage.caller("4011")
    assert (stage.state("anna"), stage.state("carl")) == ("idle", "idle")
    stage.ends_clean()


def test_an_agent_who_calls_from_there_is_offered_none() -> None:
    """The account is proved by its password, and the address is the agent's."""
    stage = stage_with("sip:bob@127.0.2.2:5190")
    world = stage.world
    phone = Phone(world, stage.peers["anna"], "alice")
    world.desk.set_agent(Agent(id="anna", phone="sip:alice@127.0.2.1:5190", groups={"shop": 1}, always=True), world.now)
    phone.dialled("4011")
    assert stage.state("anna") == "talking"
    caller: Caller = stage.caller()
    assert (stage.rings("anna"), caller.was_hung_up) == ([], False)
    stage.ends_clean()
