"""Two softphones that we did not write (pjsua2) of one account, and what becomes of their registrations."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.phone import Phone, RefusedError
from tests.support.command import command
from tests.support.pjsua import TONE, Softphone, need_pjsua, softphone
from tests.support.processes import processes, responds
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

USERS = ("800001", "800002", "800003", "800004")
DOMAIN = "switchboard.local"


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with an account for each scene, and an agent whose phones are those of the first."""
    need_pjsua()
    changes = {
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in USERS],
        "masks": [],
        "numbers": [
            *({"number": f"70{user[3:]}", "target": f"aor:{user}"} for user in USERS),
            {"number": "4003", "group": "sales"},
        ],
        "groups": [{"name": "sales", "announcements": {"music": []}, "no_answer_state": "idle"}],
        "agents": [{"id": "anna", "phone": "aor:800004", "groups": {"sales": 1}, "always": True}],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes) as running:
        yield running


@contextlib.asynccontextmanager
async def two_phones(switch: RunningSwitch, directory: Path, user: str) -> AsyncIterator[tuple[Softphone, Softphone]]:
    """Both phones of an account."""
    rooms = [directory / f"{user}-{room}" for room in ("desk", "hall")]
    for room in rooms:
        room.mkdir()
    async with (
        softphone(rooms[0], user, f"secret-{user}", switch.target) as desk,
        softphone(rooms[1], user, f"secret-{user}", switch.target, "MD5") as hall,
    ):
        yield desk, hall


async def one_answers(switch: RunningSwitch, directory: Path, user: str, number: str) -> None:
    """Both ring; the one that does not answer is told why it stops, and hears nothing."""
    async with (
        two_phones(switch, directory, user) as (desk, hall),
        await Phone.open("13911110001", target=switch.target) as carrier,
    ):
        call = await carrier.dial(number)
        await together(rings(desk), rings(hall))
        hall.tell("answer")
        await call.answered()
        call.rtp.play(440)
        await call.hears(TONE)
        ended = await desk.event("ended")
        assert "received" not in ended
        assert 'text="Call completed elsewhere"' in desk.traffic()
        assert not hall.saw("ended")
        hall.tell("hangup")
        await hall.event("ended")
        assert carrier.complaints == []


async def rings(phone: Softphone) -> None:
    """An INVITE has come."""
    await phone.event("incoming", within=12)


async def one_refuses(switch: RunningSwitch, directory: Path, user: str) -> None:
    """486 of one leaves the other ringing; 603 is the last word of both."""
    async with (
        two_phones(switch, directory, user) as (desk, hall),
        await Phone.open("13911110002", target=switch.target) as carrier,
    ):
        call = await carrier.dial(f"70{user[3:]}")
        await together(rings(desk), rings(hall))
        desk.tell("refuse 486")
        await desk.event("ended")
        assert not hall.saw("ended")
        hall.tell("answer")
        await call.answered()
        await call.hang_up()
        await hall.event("ended")
        call = await carrier.dial(f"70{user[3:]}")
        await together(rings(desk), rings(hall))
        desk.tell("refuse 603")
        with pytest.raises(RefusedError) as refused:
            await call.answered()
        assert refused.value.status == 603
        await hall.event("ended")
        assert carrier.complaints == []


async def listed(switch: RunningSwitch, user: str) -> None:
    """An operator sees them, takes them away, and the switch says what is not there."""
    async with await Phone.open(user, target=switch.target, password=f"secret-{user}", domain=DOMAIN) as phone:
        await phone.register()
        shown = await command(switch, "registrations", "show", user)
        assert f"{user}@{DOMAIN}" in shown
        assert f"sip:{user}@127.0.0.1:{phone.address[1]}" in shown
        assert f"{user}@{DOMAIN}" in await command(switch, "registrations", "list")
        assert await command(switch, "registrations", "remove", user) == f"1 phone of {user} no longer registered\n"


async def test_two_phones_of_one_account(switch: RunningSwitch, tmp_path: Path) -> None:
    """Called straight and through a queue: one answers, one refuses; each call has one leg there."""
    one, two, three, four = USERS
    await together(
        one_answers(switch, tmp_path, one, f"70{one[3:]}"),
        one_refuses(switch, tmp_path, two),
        listed(switch, three),
    )
    await one_answers(switch, tmp_path, four, "4003")
    await switch.nothing_left()
    calls = switch.rows("select id, cause, agent from calls order by started_us")
    assert [call["cause"] for call in calls].count("normal") == 3
    assert [call["agent"] for call in calls].count("anna") == 1
    for call in calls:
        assert len(switch.rows(f"select id from legs where call_id = '{call['id']}'")) == 2


async def test_a_phone_is_called_after_a_kill(switch: RunningSwitch) -> None:
    """kill -9 of the signalling: the phone does nothing, and the next call rings it; its flow of time went on."""
    user = USERS[2]
    async with (
        await Phone.open(user, target=switch.target, password=f"secret-{user}", domain=DOMAIN) as phone,
        await Phone.open("13911110003", target=switch.target) as carrier,
    ):
        await phone.register()
        await switch.eventually(lambda: len(switch.rows("select aor from registrations")) >= 1)
        before = processes(switch)["signalling"].pid
        os.kill(before, signal.SIGKILL)
        await switch.eventually(
            lambda: (
                (found := processes(switch).get("signalling")) is not None and found.pid != before and responds(switch)
            ),
            15,
        )
        call = await carrier.dial(f"70{user[3:]}")
        far = await phone.next_call()
        await call.answered()
        await far.confirmed()
        assert len(phone.received("INVITE")) == 1
        await call.hang_up()
        await asyncio.sleep(0)
        answer = await phone.register()
        assert answer.status == 200
