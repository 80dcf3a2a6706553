"""A hotline run over the API of a real switch: accounts, agents, a queue, the call bar, events, records, the CLI.

Phones are ours and send tones of their own; everything else is asked and done by the typed client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.dialog import Call
from bench.phone import Answer, Phone
from switchboard.api.types import EventView, RecordView, Role
from switchboard.client import Client, ForbiddenError
from tests.support.switch import PROJECT, RunningSwitch, running_switch

QUEUE = "4000"
CALLER = "13912345678"
MASKED = "139****5678"
PASSWORD = "correct horse 7 battery"
CUSTOMER, LIN, ZHAO = 440, 880, 620
PATIENCE = 20.0
"""Seconds for what happens at once, on a machine that does other things too."""
DOMAIN = "switchboard.local"
PEOPLE: tuple[tuple[str, Role, str], ...] = (
    ("lin", "agent", "lin"),
    ("zhao", "agent", "zhao"),
    ("chief", "supervisor", ""),
)


@dataclass
class Site:
    """A switch and its address."""

    switch: RunningSwitch
    url: str

    @contextlib.asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[Client]:
        """Somebody's program."""
        async with Client(self.url, name=name, password=PASSWORD) as client:
            yield client

    @contextlib.asynccontextmanager
    async def desk(self, user: str) -> AsyncIterator[Phone]:
        """An agent's registered phone, which answers."""
        opened = Phone.open(user, target=self.switch.target, password=f"secret-{user}", domain=DOMAIN, t1=0.1)
        async with await opened as phone:
            phone.behaviour = Answer(after=0.2)
            await phone.register()
            yield phone

    @contextlib.asynccontextmanager
    async def carrier(self) -> AsyncIterator[Phone]:
        """The customer's phone, behind the carrier."""
        async with await Phone.open(CALLER, target=self.switch.target, t1=0.1) as phone:
            yield phone


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A hotline with two agents of one group; the first admin has chosen a password."""
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        accounts=[{"user": user, "password": f"secret-{user}"} for user in ("lin", "zhao")],
        masks=[],
        numbers=[{"number": QUEUE, "group": "sales"}],
        groups=[{"name": "sales", "wrap_up": "1s", "announcements": {"first": "60s"}}],
        agents=[{"id": user, "name": user.title(), "groups": {"sales": 1}} for user in ("lin", "zhao")],
        limits={"ring_timeout": "5s", "drain": "1s"},
    ) as switch:
        site = Site(switch, f"http://127.0.0.1:{switch.http_port}")
        asyncio.run(accounts(site))
        yield site


async def accounts(site: Site) -> None:
    """The admin of the first start changes the printed password and makes accounts for all others."""
    printed = re.search(r"\b[a-z2-9]{4}(?:-[a-z2-9]{4}){3}\b", site.switch.output.read_text())
    assert printed is not None, site.switch.output.read_text()
    async with Client(site.url, name="admin", password=printed[0]) as admin:
        await admin.session.sign_in()
        assert admin.session.must_change
        with pytest.raises(ForbiddenError):
            await admin.agents.list()
        await admin.session.change_password(printed[0], PASSWORD)
        for name, role, agent in PEOPLE:
            new = await admin.administration.add_user(name, role, agent)
            async with Client(site.url, name=name, password=new.password) as person:
                await person.session.sign_in()
                await person.session.change_password(new.password, PASSWORD)


class Listener:
    """Keeps the events of a client."""

    def __init__(self, client: Client, since: int | None = None) -> None:
        self.events: list[EventView] = []
        self._stream = client.events(since)
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self._stream:
            self.events.append(event)

    async def until(self, kind: str, within: float = PATIENCE, **data: Any) -> EventView:
        """The first event of a kind with these data."""
        try:
            async with asyncio.timeout(within):
                while True:
                    for event in self.events:
                        known = event.data if isinstance(event.data, dict) else {}
                        if event.type == kind and all(known.get(name) == value for name, value in data.items()):
                            return event
                    assert not self._task.done(), f"the stream has ended: {self._task}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"no {kind} {data} among {[event.type for event in self.events]}") from None

    async def close(self) -> None:
        """Stop listening."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def working(client: Client, agent: str) -> None:
    """Sign an agent in, and wait until they are idle."""
    await client.agents.sign_in(agent)
    await state_of(client, agent, "idle")


async def state_of(client: Client, agent: str, state: str, within: float = PATIENCE) -> None:
    """Wait until an agent is in a state."""
    async with asyncio.timeout(within):
        while (await client.agents.get(agent)).state != state:
            await asyncio.sleep(0.05)


async def record_of(client: Client, call: str, within: float = PATIENCE) -> RecordView:
    """The record of a call, as soon as it is stored."""
    async with asyncio.timeout(within):
        while call not in {row.id for row in (await client.records.search(limit=5)).items}:
            await asyncio.sleep(0.1)
    return await client.records.get(call)


async def taken(phone: Phone, tone: int) -> Call:
    """An agent's phone has answered, and sends its tone."""
    call = await phone.next_call()
    await call.confirmed()
    call.rtp.play(tone)
    return call


async def music(call: Call) -> None:
    """The customer hears something, and it is nobody's tone."""
    async with asyncio.timeout(PATIENCE):
        while True:
            call.rtp.received.clear()
            await asyncio.sleep(0.6)
            if call.rtp.loudness(0.4) > 300 and not call.rtp.hears(LIN, 0.4):
                return


async def test_a_call_from_ring_to_record(site: Site) -> None:
    """Ring, answer, hold, resume, transfer, record, last calls: by the API, and heard on the phones."""
    async with (
        site.client("lin") as lin, site.client("zhao") as zhao, site.client("chief") as chief,
        site.desk("lin") as lin_phone, site.desk("zhao") as zhao_phone, site.carrier() as carrier,
    ):  # fmt: skip
        await working(lin, "lin")
        listener = Listener(lin)
        snapshot = await listener.until("snapshot")
        assert isinstance(snapshot.data, dict)
        assert {one["id"]: one["state"] for one in snapshot.data["agents"]}["lin"] == "idle"
        call = await carrier.dial(QUEUE)
        await call.answered()
        ring = await listener.until("call.ringing", agent="lin")
        assert isinstance(ring.data, dict)
        told = ring.data["ring"]
        assert (told["caller"], told["group"], told["history"]) == (MASKED, "sales", [])
        assert told["region"]["province"] == "江苏"
        call.rtp.play(CUSTOMER)
        far = await taken(lin_phone, LIN)
        await call.hears(LIN)
        await far.hears(CUSTOMER)
        (view,) = (await lin.calls.list()).items
        assert (view.phase, view.caller, view.agents) == ("talking", MASKED, ["lin"])
        await lin.calls.hold(view.id)
        await state_of(lin, "lin", "held")
        await music(call)
        await lin.calls.resume(view.id)
        await call.hears(LIN)
        with pytest.raises(ForbiddenError):
            await zhao.calls.hold(view.id)
        await working(zhao, "zhao")
        await lin.calls.transfer(view.id, "agent:zhao")
        near = await taken(zhao_phone, ZHAO)
        await call.hears(ZHAO)
        await far.ended()
        await listener.until("call.held", call=view.id)
        await listener.until("call.transferred", call=view.id)
        await state_of(lin, "lin", "idle")
        await call.hang_up()
        await near.ended()
        record = await record_of(chief, view.id)
        assert (record.caller, record.group, record.agent) == (MASKED, "sales", "zhao")
        kinds = {(segment.kind, segment.agent) for segment in record.segments}
        assert {("talk", "lin"), ("hold", "lin"), ("talk", "zhao")} <= kinds, kinds
        for client in (lin, zhao):
            assert [one.call for one in await client.records.my_calls()] == [view.id]
        await listener.close()
        numbers = [event.seq for event in listener.events]
        assert numbers == sorted(set(numbers))
        assert CALLER not in str(listener.events)


async def test_events_go_on_behind_the_last_one(site: Site) -> None:
    """What happened while nobody was connected comes first, in order and once."""
    async with site.client("chief") as chief, site.client("lin") as lin, site.desk("lin"):
        await working(lin, "lin")
        listener = Listener(chief)
        await listener.until("snapshot")
        await lin.agents.set_state("lin", "break", "first")
        seen = await listener.until("agent.state", agent="lin", reason="first")
        await listener.close()
        await lin.agents.set_state("lin", "meeting", "second")
        await lin.agents.set_state("lin", "idle", "third")
        again = Listener(chief, since=seen.seq)
        await again.until("agent.state", agent="lin", state="idle")
        await again.close()
        assert [event.seq for event in again.events] == [seen.seq + 1, seen.seq + 2]
        assert [event.data["state"] for event in again.events if isinstance(event.data, dict)] == ["meeting", "idle"]


async def test_a_program_that_dies_leaves_the_talk_alone(site: Site) -> None:
    """The agent's program is gone; the call goes on, and the agent is free after it."""
    async with site.client("chief") as chief, site.desk("lin") as phone, site.carrier() as carrier:
        await chief.agents.sign_out("zhao")
        async with site.client("lin") as lin:
            await working(lin, "lin")
            listener = Listener(lin)
            await listener.until("snapshot")
            call = await carrier.dial(QUEUE)
            await call.answered()
            far = await taken(phone, LIN)
            await listener.close()
        await call.hears(LIN)
        assert (await chief.agents.get("lin")).state == "talking"
        await far.hang_up()
        await call.ended()
        await state_of(chief, "lin", "idle")


async def test_who_waits_is_shown_and_may_hang_up(site: Site) -> None:
    """The queue over the API; a caller who leaves is counted as lost."""
    async with site.client("chief") as chief, site.desk("lin"), site.carrier() as carrier:
        await chief.agents.sign_out("zhao")
        await working(chief, "lin")
        await chief.agents.set_state("lin", "break")
        before = await chief.groups.get("sales")
        call = await carrier.dial(QUEUE)
        await call.answered()
        (entry,) = (await chief.groups.queue("sales")).items
        assert (entry.position, entry.caller, entry.kind) == (1, MASKED, "call")
        assert (await chief.groups.get("sales")).waiting == 1
        await call.hang_up()
        async with asyncio.timeout(PATIENCE):
            while (after := await chief.groups.get("sales")).waiting:
                await asyncio.sleep(0.05)
        assert after.abandoned == before.abandoned + 1


def test_the_command_line_works_on_the_running_switch(site: Site, tmp_path: Path) -> None:
    """Login, queues, agents and the board, by the address of the configuration."""
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}

    def command(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "switchboard", *words, "--config", str(site.switch.config_file)],
            input=stdin, text=True, capture_output=True, cwd=PROJECT, env=environment, check=False,
        )  # fmt: skip

    refused = command("queues")
    assert (refused.returncode, "not logged in" in refused.stderr) == (1, True)
    done = command("login", "chief", stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "switchboard" / "tokens.json").stat().st_mode & 0o777 == 0o600
    groups = json.loads(command("queues", "--format", "json").stdout)
    assert [group["name"] for group in groups] == ["sales"]
    assert "lin" in command("agents", "list").stdout
    board = command("top", "--once").stdout
    assert "sales" in board
    assert all(len(line) <= 80 for line in board.splitlines())
    assert command("logout").returncode == 0
