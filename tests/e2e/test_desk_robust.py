"""A hotline when things go wrong: commands that cross, phones and programs that die, processes that are killed.

Agents' states are read over the API, outcomes from the records. A registration that ends is one taken back here: that
one also ends by itself is shown in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.dialog import Call
from bench.phone import Answer, Never, Phone, PhoneError
from bench.rtp import share
from switchboard.calls.commands import Command, Consult, Hold, Park, Transfer
from switchboard.client import ApiError, Client
from tests.support.call_bar import add_users, at_the_bar
from tests.support.patience import PATIENCE
from tests.support.pjsua import Softphone, need_pjsua, softphone
from tests.support.ports import MEDIA_RANGE, free_port
from tests.support.stage import hear_something
from tests.support.switch import RunningSwitch

QUEUE = "4000"
CUSTOMER = "13911112222"
USERS = {"anna": "agent", "ben": "agent", "dora": "supervisor"}
SILENCE = 2.0
"""Seconds after which a phone that sends nothing counts as lost."""


@dataclass
class Site:
    """A switch, and where the carrier is."""

    switch: RunningSwitch
    carrier_port: int


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A switch with a queue, three agents, and users of its API."""
    port = free_port()
    switch = RunningSwitch(
        tmp_path_factory.mktemp("switch"),
        trunks=[{"name": "carrier", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{port}"}],
        accounts=[{"user": user, "password": f"secret-{user}"} for user in USERS],
        masks=[],
        numbers=[{"number": QUEUE, "group": "sales"}],
        outbound={"trunk": "carrier", "shown": "01088880000"},
        groups=[
            {
                "name": "sales", "strategy": "top_down", "refuse_pause": "1s", "no_answer_state": "idle",
                "join_empty": "always", "announcements": {"callback_offer": "60s"},
            }
        ],
        agents=[
            {"id": "anna", "always": True, "groups": {"sales": 1}, "ring_timeout": "3s"},
            {"id": "ben", "always": True, "groups": {"sales": 2}, "ring_timeout": "3s"},
            {"id": "dora", "always": True},
        ],
        media={"ports": MEDIA_RANGE, "silence": f"{SILENCE:g}s"},
        limits={"ring_timeout": "2s", "drain": "1s"},
    )  # fmt: skip
    try:
        add_users(switch, USERS)
        yield Site(switch, port)
        asyncio.run(switch.nothing_left())
        assert switch.stop() == 0, switch.log()
        for sign in ("queue.failed", "queue.violated", "Traceback"):
            assert sign not in switch.log(), switch.log()[-4000:]
    finally:
        switch.kill()


@contextlib.asynccontextmanager
async def hotline(site: Site, *names: str) -> AsyncIterator[tuple[Phone, Client, dict[str, Phone]]]:
    """The carrier's phone, the supervisor's program, and the registered phones of these agents, who are idle.

    At the end nobody is in a state of a call.
    """
    async with (
        await Phone.open(CUSTOMER, target=site.switch.target, port=site.carrier_port) as carrier,
        at_the_bar(site.switch, "dora") as boss,
        contextlib.AsyncExitStack() as stack,
    ):
        phones = {name: await stack.enter_async_context(await desk_phone(site, name)) for name in names}
        await states(boss, 6.0, **dict.fromkeys(names, "idle"))
        yield carrier, boss, phones
        for name in ("anna", "ben"):
            await free(boss, name)
            # Whatever phone is still bound to the account is not any more.
            async with await desk_phone(site, name) as last:
                await last.register(0, "*")


async def desk_phone(site: Site, name: str) -> Phone:
    """An agent's phone, registered; it answers at once."""
    phone = await Phone.open(name, target=site.switch.target, password=f"secret-{name}", domain="switchboard.local")
    phone.behaviour = Answer()
    await phone.register()
    return phone


async def states(boss: Client, within: float = 6.0, **wanted: str) -> None:
    """Agents come to be in these states."""
    found: dict[str, str] = {}
    try:
        async with asyncio.timeout(within * PATIENCE):
            while {name: found.get(name) for name in wanted} != wanted:
                found = {agent.id: agent.state for agent in (await boss.agents.list()).items}
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{found}, and not {wanted}") from None


async def free(boss: Client, name: str) -> None:
    """The agent comes to be in no state of a call."""
    async with asyncio.timeout(6 * PATIENCE):
        while (await boss.agents.get(name)).state not in ("idle", "offline"):
            await asyncio.sleep(0.05)


async def talks(phone: Phone, hz: int) -> Call:
    """The phone has been called and has answered; it plays a tone."""
    call = await phone.next_call()
    await call.confirmed()
    call.rtp.play(hz)
    return call


async def talk(site: Site, carrier: Phone, boss: Client, anna: Phone) -> tuple[Call, Call, str]:
    """A customer talks to anna: the carrier's call, anna's, and the id."""
    call = await taken(carrier)
    hers = await talks(anna, 880)
    call.rtp.play(440)
    await call.hears(880)
    await states(boss, anna="talking")
    (view,) = (await boss.calls.list()).items
    return call, hers, view.id


async def taken(carrier: Phone) -> Call:
    """A call to the queue, tried again while the switch has nobody to carry its audio."""
    async with asyncio.timeout(10 * PATIENCE):
        while await (call := await carrier.dial(QUEUE)).decided() != 200:
            await asyncio.sleep(0.2)
    return call


async def record(site: Site, call: str) -> dict[str, Any]:
    """The record of a call that is over, with its segments as (kind, agent)."""
    await site.switch.eventually(lambda: bool(site.switch.rows(f"select id from calls where id = '{call}'")))
    (row,) = site.switch.rows(f"select * from calls where id = '{call}'")
    parts = site.switch.rows(f"select kind, agent from segments where call_id = '{call}' order by place")
    return row | {"parts": [(part["kind"], part["agent"]) for part in parts]}


def silence(phone: Phone) -> None:
    """The phone is switched off: it neither answers nor speaks, and nobody is told."""
    phone.endpoint.on_request = lambda transaction: None
    for call in phone.calls.values():
        call.rtp.stop()


# --- commands ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Transfer(to="agent:ben"), Park()),
        (Consult(to="agent:ben"), Transfer(to="agent:ben", blind=True)),
        (Hold(), Hold()),
    ],
)
async def test_of_two_commands_at_once_one_wins(site: Site, one: Command, other: Command) -> None:
    """The other is told that the call is not as it would have to be; the call is what the one has made of it."""
    async with hotline(site, "anna", "ben") as (carrier, boss, phones):
        phones["ben"].behaviour = Never()
        call, _, call_id = await talk(site, carrier, boss, phones["anna"])
        async with at_the_bar(site.switch, "anna") as bar:
            await bar.session.sign_in()
            told = await asyncio.gather(
                bar.calls.command(call_id, one), boss.calls.command(call_id, other), return_exceptions=True
            )
        refused = [each for each in told if isinstance(each, ApiError)]
        assert [error.status for error in refused] == [409], told
        await call.hang_up()
    assert (await record(site, call_id))["ended_by"] == "caller"


# --- phones that die ---


async def test_the_target_of_a_transfer_dies(site: Site) -> None:
    """The caller is back with who transferred; without a phone the target is offline."""
    async with hotline(site, "anna", "ben") as (carrier, boss, phones):
        phones["ben"].behaviour = Never()
        call, hers, call_id = await talk(site, carrier, boss, phones["anna"])
        await boss.calls.transfer(call_id, "agent:ben")
        await phones["ben"].next_call()
        await phones["ben"].close()
        await states(boss, anna="talking", ben="idle")
        await call.hears(880)
        async with await desk_phone(site, "ben") as other:
            await other.register(0, "*")
        await states(boss, ben="offline")
        await hers.hang_up()
        await call.ended()
    assert (await record(site, call_id))["parts"][-1] == ("talk", "anna")


async def test_who_transfers_dies(site: Site) -> None:
    """The target answers all the same, and has the caller."""
    async with hotline(site, "anna", "ben") as (carrier, boss, phones):
        phones["ben"].behaviour = Answer(after=0.5)
        call, _, call_id = await talk(site, carrier, boss, phones["anna"])
        await boss.calls.transfer(call_id, "agent:ben")
        silence(phones["anna"])
        his = await talks(phones["ben"], 620)
        await call.hears(620)
        await states(boss, anna="idle", ben="talking")
        await his.hang_up()
        await call.ended()
    found = await record(site, call_id)
    assert (found["transfers"], found["parts"][-1]) == (1, ("talk", "ben"))


@contextlib.asynccontextmanager
async def doomed(site: Site, directory: Path, name: str) -> AsyncIterator[Softphone]:
    """A foreign softphone that does not live to its regular end."""
    life = softphone(directory, name, f"secret-{name}", site.switch.target, tone=620)
    phone = await life.__aenter__()
    try:
        yield phone
    finally:
        with contextlib.suppress(ProcessLookupError):
            phone.process.kill()
        # It was not its own way to end.
        with contextlib.suppress(AssertionError):
            await life.__aexit__(None, None, None)


async def test_the_softphone_consulted_is_killed(site: Site, tmp_path: Path) -> None:
    """Who says nothing any more is lost: the agent is back with the caller."""
    need_pjsua()
    async with hotline(site, "anna") as (carrier, boss, phones), doomed(site, tmp_path, "ben") as ben:
        call, _, call_id = await talk(site, carrier, boss, phones["anna"])
        await boss.calls.consult(call_id, "agent:ben")
        await ben.event("incoming")
        ben.tell("answer")
        await ben.event("media")
        await states(boss, anna="talking", ben="talking")
        ben.process.kill()
        await states(boss, anna="talking", ben="idle")
        await call.hears(880)
        await call.hang_up()
    assert (await record(site, call_id))["parts"][-2:] == [("consult", "anna"), ("talk", "anna")]


async def test_who_consults_dies(site: Site) -> None:
    """The party consulted has the caller."""
    async with hotline(site, "anna", "ben") as (carrier, boss, phones):
        call, _, call_id = await talk(site, carrier, boss, phones["anna"])
        await boss.calls.consult(call_id, "agent:ben")
        await talks(phones["ben"], 620)
        silence(phones["anna"])
        await states(boss, anna="idle", ben="talking")
        await call.hears(620)
        await call.hang_up()
    assert (await record(site, call_id))["parts"][-1] == ("talk", "ben")


async def test_a_registration_that_ends_in_a_call(site: Site) -> None:
    """The call goes on; after it the agent is offline, until the phone registers again."""
    async with hotline(site, "anna") as (carrier, boss, phones):
        call, hers, _ = await talk(site, carrier, boss, phones["anna"])
        await phones["anna"].register(0)
        await call.hears(880)
        await states(boss, anna="talking")
        await hers.hang_up()
        await call.ended()
        await states(boss, anna="offline")
        await phones["anna"].register()
        await states(boss, anna="idle")


# --- programs that die ---


async def test_an_agents_program_dies(site: Site) -> None:
    """The call goes on without it, and the next program finds it as it was left."""
    async with hotline(site, "anna", "ben") as (carrier, boss, phones):
        call, _, call_id = await talk(site, carrier, boss, phones["anna"])
        bar = at_the_bar(site.switch, "anna")
        assert (await anext(aiter(bar.events()))).type == "snapshot"
        await bar.calls.consult(call_id, "agent:ben")
        await talks(phones["ben"], 620)
        connector = bar.session.http.connector
        assert connector is not None
        await connector.close()
        await states(boss, anna="talking", ben="talking")
        async with at_the_bar(site.switch, "anna") as again:
            await again.calls.back(call_id)
            await call.hears(880)
            await again.calls.hang_up(call_id)
        await call.ended()
        await bar.session.close()


# --- offers that end at any moment ---


@pytest.mark.parametrize("moment", ["before 180", "after 180", "with the 200"])
async def test_the_caller_hangs_up_while_a_phone_is_offered(site: Site, moment: str) -> None:
    """The phone rings no more, the agent is free for the next caller."""
    async with hotline(site, "anna") as (carrier, boss, phones):
        anna = phones["anna"]
        anna.behaviour = Never(ring=moment != "before 180")
        call = await carrier.dial(QUEUE)
        await call.answered()
        hers = await anna.next_call()
        await states(boss, anna="ringing")
        (view,) = (await boss.calls.list()).items
        if moment == "with the 200":
            hers.accept()
        await call.hang_up()
        await states(boss, anna="idle")
        if moment == "before 180":
            # Nothing is cancelled before its first answer (RFC 3261 §9.1).
            hers.ring()
        await hers.ended()
        await states(boss, anna="idle")
    assert (await record(site, view.id))["ended_by"] == "caller"


async def test_the_agent_hangs_up_before_the_ack(site: Site) -> None:
    """An answer and a BYE at once: the call is over for both, and the agent free."""
    async with hotline(site, "anna") as (carrier, boss, phones):
        phones["anna"].behaviour = Never()
        call = await carrier.dial(QUEUE)
        await call.answered()
        hers = await phones["anna"].next_call()
        hers.accept()
        await hers.hang_up()
        await call.ended()
        await states(boss, anna="idle")


# --- processes that are killed ---


async def test_the_media_worker_is_killed(site: Site) -> None:
    """Who waited and who conferred is hung up, everybody is free, and the next call is as any."""
    async with hotline(site, "anna", "ben") as (carrier, boss, phones):
        call, _, call_id = await talk(site, carrier, boss, phones["anna"])
        await boss.calls.consult(call_id, "agent:ben")
        await talks(phones["ben"], 620)
        await boss.calls.merge(call_id)
        async with asyncio.timeout(5 * PATIENCE):
            while min(share(call.rtp.heard(0.5), hz) for hz in (880, 620)) < 0.25:
                await asyncio.sleep(0.05)
        waiting = await carrier.dial(QUEUE)
        await waiting.answered()
        site.switch.child("media.worker").send_signal(signal.SIGKILL)
        await call.ended()
        await waiting.ended()
        await states(boss, anna="idle", ben="idle")
        while not phones["anna"].incoming.empty():
            # Rung for the one who waited, in the moment between the end of the one call and of the other.
            await phones["anna"].incoming.get_nowait().ended()
        call, hers, _ = await talk(site, carrier, boss, phones["anna"])
        await hers.hang_up()
        await call.ended()
    assert (await record(site, call_id))["cause"] == "media_lost"


async def test_signalling_is_killed_with_open_callbacks(site: Site) -> None:
    """Nothing of the wish is lost: when agents are there again the customer is called back."""
    async with hotline(site) as (carrier, boss, _):
        call = await carrier.dial(QUEUE)
        await call.answered()
        await hear_something(call, 0.2)
        await call.rtp.key("1")
        await call.ended()
        await site.switch.eventually(lambda: bool(site.switch.rows("select id from callback_requests")))
        (request,) = (await boss.groups.callbacks()).items
        signalling = site.switch.child("signalling")
        os.kill(signalling.pid, signal.SIGKILL)
        await site.switch.eventually(lambda: not signalling.is_running() or signalling.status() == "zombie")
        async with asyncio.timeout(10 * PATIENCE), at_the_bar(site.switch, "dora") as again:
            while True:
                with contextlib.suppress(ApiError, PhoneError, OSError):
                    async with await desk_phone(site, "anna") as anna:
                        hers = await talks(anna, 880)
                        customer = await talks(carrier, 440)
                        await customer.hears(880)
                        await states(again, anna="talking")
                        await customer.hang_up()
                        await hers.ended()
                        break
            assert (await again.groups.callback(request.id)).state == "done"
