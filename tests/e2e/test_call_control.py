"""The call bar by the API, with softphones that others wrote (pjsua2) on the desks and a carrier's phone of ours.

Every party sends a tone of its own, so that who hears whom is known; each test looks at the ears of all sides, at how
the phones' calls ended, and at the record.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from bench.dialog import Call
from bench.phone import Answer, Phone
from switchboard.calls.commands import Back, Complete, Consult, InviteRating, Merge, Supervise
from switchboard.client import ApiError, Client
from switchboard.client.errors import ConflictError
from tests.support.call_bar import add_users, at_the_bar
from tests.support.patience import PATIENCE
from tests.support.pjsua import Softphone, need_pjsua, softphone
from tests.support.planes import Plane, on_both
from tests.support.ports import free_port
from tests.support.sounds import tones_in
from tests.support.switch import RunningSwitch, running_switch

TONES = {"anna": 880, "ben": 620, "dora": 1180}
CUSTOMER = 440
QUEUE = "4000"
CUSTOMERS = "4020"
"""Dialled by an agent it reaches the carrier's phone."""
SHOWN = "01088880000"


@dataclass
class Site:
    """A switch, and where the carrier's phone is."""

    switch: RunningSwitch
    carrier_port: int


def settings(carrier_port: int) -> dict[str, object]:
    """Three agents, of whom one takes the calls of the queue; a carrier that can be called."""
    return {
        "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{carrier_port}"}],
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in TONES],
        "masks": [],
        "numbers": [
            {"number": QUEUE, "group": "sales"},
            {"number": CUSTOMERS, "target": f"sip:customer@127.0.0.1:{carrier_port}"},
        ],
        "outbound": {"trunk": "carrier", "shown": SHOWN},
        "groups": [{"name": "sales", "announcements": {"first": "30s"}}],
        "agents": [
            {"id": "anna", "always": True, "groups": {"sales": 1}},
            {"id": "ben", "always": True},
            {"id": "dora", "always": True},
        ],
        "sip": {"auto_answer": ["call-info"]},
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[Site]:
    """A switch with three users of its API."""
    need_pjsua()
    port = free_port()
    with running_switch(tmp_path_factory.mktemp("switch"), **settings(port), **plane.changes) as switch:
        add_users(switch, {"anna": "agent", "ben": "agent", "dora": "supervisor"})
        yield Site(switch, port)


@contextlib.asynccontextmanager
async def desk(site: Site, directory: Path, user: str) -> AsyncIterator[Softphone]:
    """An agent's softphone."""
    async with softphone(directory, user, f"secret-{user}", site.switch.target, tone=TONES[user]) as phone:
        yield phone


@contextlib.asynccontextmanager
async def carrier(site: Site) -> AsyncIterator[Phone]:
    """The carrier's phone, which finds no fault with what it receives."""
    target = site.switch.target
    async with await Phone.open("13911112222", target=target, port=site.carrier_port) as phone:
        phone.behaviour = Answer()
        yield phone
        assert phone.complaints == []


async def talk(phone: Phone, anna: Softphone, bar: Client) -> tuple[Call, str]:
    """A customer comes from the queue to anna; both hear each other. The call, and its id."""
    async with asyncio.timeout(10 * PATIENCE):
        while "anna" not in {agent.id for agent in (await bar.agents.list()).items if agent.state == "idle"}:
            await asyncio.sleep(0.1)
    call = await phone.dial(QUEUE)
    await anna.event("incoming")
    anna.tell("answer")
    await call.answered()
    call.rtp.play(CUSTOMER)
    await anna.event("media")
    await hears(call, TONES["anna"])
    await listens(anna, {CUSTOMER})
    (view,) = (await bar.calls.list()).items
    return call, view.id


async def once_possible(bar: Client, call_id: str, command: Merge | Complete | Back, within: float = 5.0) -> None:
    """A command that has to wait until the switch, too, knows of the answer that the phone has given."""
    async with asyncio.timeout(within * PATIENCE):
        while True:
            try:
                await bar.calls.command(call_id, command)
            except ConflictError:
                await asyncio.sleep(0.1)
            else:
                return


async def tones(call: Call) -> set[int]:
    """The tones of agents that a carrier's phone hears in the next second."""
    call.rtp.received.clear()
    await asyncio.sleep(1.0)
    heard = np.array(call.rtp.heard(0.6), np.float64)
    return tones_in(heard, TONES.values())


async def hears(call: Call, *hertz: int, within: float = 6.0) -> None:
    """A carrier's phone hears exactly these tones, soon."""
    found: set[int] = set()
    async with asyncio.timeout(within * PATIENCE):
        while (found := await tones(call)) != set(hertz):
            pass
    assert found == set(hertz)


async def hears_music(call: Call) -> None:
    """It hears something, and nobody's tone."""
    await hears(call)
    assert call.rtp.loudness(0.6) > 300


async def listens(phone: Softphone, hertz: set[int], within: float = 6.0) -> None:
    """A softphone hears exactly these tones in its latest call, soon."""
    latest = max(event["call"] for event in phone.seen if "call" in event)
    async with asyncio.timeout(within * PATIENCE):
        while True:
            heard = await phone.listen(latest, 0.6)
            if tones_in(heard[len(heard) // 3 :], (CUSTOMER, *TONES.values())) == hertz:
                return


async def answers(phone: Softphone) -> str:
    """It rings and answers; the INVITE."""
    told = await phone.event("incoming")
    phone.tell("answer")
    await phone.event("media")
    return str(told["message"])


async def record_of(site: Site, call: str) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """The record of a call, and (kind, agent) of its segments, once every call is over."""
    await site.switch.nothing_left()
    await site.switch.eventually(lambda: bool(site.switch.rows(f"select id from calls where id = '{call}'")))
    (row,) = site.switch.rows(f"select * from calls where id = '{call}'")
    query = f"select kind, agent from segments where call_id = '{call}' order by place"
    return row, [(segment["kind"], segment["agent"]) for segment in site.switch.rows(query)]


async def test_hold_and_resume(site: Site, tmp_path: Path) -> None:
    """Music for the customer, silence for the agent, then both again; only the owner of the call may."""
    async with (
        desk(site, tmp_path, "anna") as anna, carrier(site) as phone,
        at_the_bar(site.switch, "anna") as bar, at_the_bar(site.switch, "ben") as other,
    ):  # fmt: skip
        call, call_id = await talk(phone, anna, bar)
        with pytest.raises(ApiError):
            await other.calls.hold(call_id)
        await bar.calls.hold(call_id)
        await hears_music(call)
        await listens(anna, set())
        await bar.calls.resume(call_id)
        await hears(call, TONES["anna"])
        await listens(anna, {CUSTOMER})
        await call.hang_up()
        await anna.event("ended")
    row, parts = await record_of(site, call_id)
    assert parts[-3:] == [("talk", "anna"), ("hold", "anna"), ("talk", "anna")]
    assert int(str(row["hold_us"])) > 1_000_000
    assert (row["ended_by"], row["agent"]) == ("caller", "anna")


async def test_blind_transfer(site: Site, tmp_path: Path) -> None:
    """The agent is gone at once, the customer hears it ring, then the other; the mask holds."""
    async with (
        desk(site, tmp_path, "anna") as anna, desk(site, tmp_path, "ben") as ben, carrier(site) as phone,
        at_the_bar(site.switch, "anna") as bar,
    ):  # fmt: skip
        call, call_id = await talk(phone, anna, bar)
        await bar.calls.transfer(call_id, "agent:ben", blind=True)
        assert (await anna.event("ended"))["status"] == 200
        invite = await answers(ben)
        assert phone.user not in invite
        assert "answer-after" not in invite, "only who has asked for a call has it answered unasked"
        await hears(call, TONES["ben"])
        await listens(ben, {CUSTOMER})
        ben.tell("hangup")
        await call.ended()
    row, parts = await record_of(site, call_id)
    assert [part for part in parts if part[0] == "talk"] == [("talk", "anna"), ("talk", "ben")]
    assert (row["transfers"], row["ended_by"], row["agent"]) == (1, "agent", "ben")


@on_both
async def test_consult_back_and_consult_again_to_hand_over(site: Site, tmp_path: Path) -> None:
    """While two consult the customer hears music; back, the first has the customer; completed, the other has."""
    async with (
        desk(site, tmp_path, "anna") as anna, desk(site, tmp_path, "ben") as ben, carrier(site) as phone,
        at_the_bar(site.switch, "anna") as bar,
    ):  # fmt: skip
        call, call_id = await talk(phone, anna, bar)
        await bar.calls.command(call_id, Consult(to="agent:ben"))
        await answers(ben)
        await hears_music(call)
        await listens(anna, {TONES["ben"]})
        await listens(ben, {TONES["anna"]})
        await once_possible(bar, call_id, Back())
        await ben.event("ended")
        await hears(call, TONES["anna"])
        await listens(anna, {CUSTOMER})
        await bar.calls.command(call_id, Consult(to="agent:ben"))
        await answers(ben)
        await listens(ben, {TONES["anna"]})
        await once_possible(bar, call_id, Complete())
        await anna.event("ended")
        await hears(call, TONES["ben"])
        await listens(ben, {CUSTOMER})
        await call.hang_up()
        await ben.event("ended")
    row, parts = await record_of(site, call_id)
    assert [kind for kind, _ in parts if kind in ("talk", "consult")] == ["talk", "consult", "talk", "consult", "talk"]
    assert parts[-1] == ("talk", "ben")
    assert (row["transfers"], row["ended_by"]) == (1, "caller")
    assert int(str(row["consult_us"])) > 1_000_000


@on_both
async def test_three_talk_together(site: Site, tmp_path: Path) -> None:
    """After a merge each hears both others; when one leaves two talk on."""
    async with (
        desk(site, tmp_path, "anna") as anna, desk(site, tmp_path, "ben") as ben, carrier(site) as phone,
        at_the_bar(site.switch, "anna") as bar,
    ):  # fmt: skip
        call, call_id = await talk(phone, anna, bar)
        await bar.calls.command(call_id, Consult(to="agent:ben"))
        await answers(ben)
        await once_possible(bar, call_id, Merge())
        await hears(call, TONES["anna"], TONES["ben"])
        await listens(anna, {CUSTOMER, TONES["ben"]})
        await listens(ben, {CUSTOMER, TONES["anna"]})
        anna.tell("hangup")
        await anna.event("ended")
        await hears(call, TONES["ben"])
        await listens(ben, {CUSTOMER})
        await call.hang_up()
        await ben.event("ended")
    row, parts = await record_of(site, call_id)
    assert ("conference", "anna") in parts
    assert parts[-1] == ("talk", "ben")
    assert row["ended_by"] == "caller"


async def test_a_supervisor_whispers(site: Site, tmp_path: Path) -> None:
    """The supervisor hears both; the agent hears the supervisor, the customer does not, until it is said aloud."""
    async with (
        desk(site, tmp_path, "anna") as anna, desk(site, tmp_path, "dora") as dora, carrier(site) as phone,
        at_the_bar(site.switch, "anna") as bar, at_the_bar(site.switch, "dora") as boss,
    ):  # fmt: skip
        call, call_id = await talk(phone, anna, bar)
        with pytest.raises(ApiError):
            await bar.calls.command(call_id, Supervise(mode="whisper", supervisor="dora"))
        await boss.calls.supervise(call_id, "listen")
        await answers(dora)
        await listens(dora, {CUSTOMER, TONES["anna"]})
        await hears(call, TONES["anna"])
        await listens(anna, {CUSTOMER})
        await boss.calls.supervise(call_id, "whisper")
        await listens(anna, {CUSTOMER, TONES["dora"]})
        await hears(call, TONES["anna"])
        await listens(dora, {CUSTOMER, TONES["anna"]})
        await boss.calls.supervise(call_id, "barge")
        await hears(call, TONES["anna"], TONES["dora"])
        dora.tell("hangup")
        await dora.event("ended")
        await hears(call, TONES["anna"])
        await call.hang_up()
        await anna.event("ended")
    row, parts = await record_of(site, call_id)
    assert {agent for kind, agent in parts if kind == "talk"} == {"anna"}
    assert (row["agent"], row["ended_by"]) == ("anna", "caller")


async def test_a_rating_after_the_agent_has_hung_up(site: Site, tmp_path: Path) -> None:
    """The survey asks the customer, whose answers are in the record."""
    async with (
        desk(site, tmp_path, "anna") as anna, carrier(site) as phone, at_the_bar(site.switch, "anna") as bar
    ):  # fmt: skip
        call, call_id = await talk(phone, anna, bar)
        await bar.calls.command(call_id, InviteRating())
        await hears(call, TONES["anna"])
        anna.tell("hangup")
        await anna.event("ended")
        call.rtp.stop()
        await hears_music(call)
        await call.rtp.key("5")
        await asyncio.sleep(0.5)
        await call.rtp.key("1")
        await call.ended(20)
    _, parts = await record_of(site, call_id)
    assert parts[-1][0] == "ivr"
    keys = site.switch.rows(f"select flow, key from call_trail where call_id = '{call_id}' order by place")
    assert [key["key"] for key in keys if key["flow"] == "survey"] == ["5", "1"]


async def test_click_to_call(site: Site, tmp_path: Path) -> None:
    """The agent's phone first, then the customer, who sees a number of ours; either end may hang up."""
    async with (
        desk(site, tmp_path, "anna") as anna, carrier(site) as phone, at_the_bar(site.switch, "anna") as bar
    ):  # fmt: skip
        done = await bar.calls.dial("number:13911113333")
        assert "Call-Info: <sip:switchboard.local>;answer-after=0" in await answers(anna)
        call = await phone.next_call()
        invite = str(phone.received("INVITE")[-1])
        assert SHOWN in invite
        assert "anna" not in invite
        await call.confirmed()
        call.rtp.play(CUSTOMER)
        await hears(call, TONES["anna"])
        await listens(anna, {CUSTOMER})
        await call.hang_up()
        await anna.event("ended")
    row, parts = await record_of(site, done.call)
    assert (row["direction"], row["agent"]) == ("out", "anna")
    assert "13911113333" not in str(row)
    assert parts[-1] == ("talk", "anna")


async def test_an_agent_who_has_dialled_hands_the_customer_on(site: Site, tmp_path: Path) -> None:
    """By the API, after a call that the phone itself has made: held, asked about, handed over."""
    async with (
        desk(site, tmp_path, "anna") as anna, desk(site, tmp_path, "ben") as ben, carrier(site) as phone,
        at_the_bar(site.switch, "anna") as bar,
    ):  # fmt: skip
        host, port = site.switch.target
        anna.tell(f"call sip:{CUSTOMERS}@{host}:{port}")
        call = await phone.next_call()
        await call.confirmed()
        call.rtp.play(CUSTOMER)
        await hears(call, TONES["anna"])
        (view,) = (await bar.calls.list()).items
        await bar.calls.hold(view.id)
        await hears_music(call)
        await bar.calls.resume(view.id)
        await bar.calls.command(view.id, Consult(to="agent:ben"))
        await answers(ben)
        await hears_music(call)
        await listens(ben, {TONES["anna"]})
        await once_possible(bar, view.id, Complete())
        assert (await anna.event("ended"))["status"] == 200
        await hears(call, TONES["ben"])
        await listens(ben, {CUSTOMER})
        await call.hang_up()
        await ben.event("ended")
    row, parts = await record_of(site, view.id)
    assert parts[-2:] == [("consult", "anna"), ("talk", "ben")]
    assert (row["transfers"], row["agent"]) == (1, "ben")


async def test_hanging_up_by_the_api(site: Site, tmp_path: Path) -> None:
    """The agent's program ends the call: both phones are hung up."""
    async with (
        desk(site, tmp_path, "anna") as anna, carrier(site) as phone, at_the_bar(site.switch, "anna") as bar
    ):  # fmt: skip
        call, call_id = await talk(phone, anna, bar)
        await bar.calls.hang_up(call_id)
        assert (await anna.event("ended"))["status"] == 200
        await call.ended()
    row, _ = await record_of(site, call_id)
    assert (row["cause"], row["ended_by"]) == ("normal", "agent")
