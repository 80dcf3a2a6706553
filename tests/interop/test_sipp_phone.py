"""SIPp as a phone that registers, as a caller who holds and keys by INFO, as one who gives up; picking up a call.

And watching the desk's line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Answer, Never, Phone
from bench.sipp import Sipp
from tests.support.ports import free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import DOMAIN, hear_something, together
from tests.support.switch import RunningSwitch, running_switch

HERE = Path(__file__).parent
USER, DESK = "sipp", "desk"


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """An account of SIPp, which knows no digest but MD5, and a desk."""
    need_sipp()
    accounts = [
        {"user": USER, "password": f"secret-{USER}", "digest": ["md5"], "watches": [DESK]},
        {"user": DESK, "password": f"secret-{DESK}"},
    ]
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        accounts=accounts,
        masks=[],
        numbers=[{"number": "701", "target": f"aor:{DESK}"}, {"number": "702", "target": f"aor:{USER}"}],
        limits={"ring_timeout": "8s", "drain": "1s"},
    ) as running:
        yield running


async def play(scenario: str, switch: RunningSwitch, directory: Path, *more: str) -> None:
    """One call of a scenario, in which nothing may go wrong."""
    file = HERE / f"sipp_{scenario}.xml"
    sipp = Sipp(
        file, directory, free_port(), next_media_port(), f"{switch.target[0]}:{switch.target[1]}",
        ("-s", "701", "-m", "1", "-l", "1", "-r", "1", *more),
    )  # fmt: skip
    with sipp:
        await asyncio.to_thread(sipp.wait, 15.0, lambda row: None)
    totals = sipp.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (1, 0, 0), totals


async def desk(switch: RunningSwitch) -> Phone:
    """The phone it calls."""
    made = await Phone.open(DESK, target=switch.target, password=f"secret-{DESK}", domain=DOMAIN, t1=0.1)
    await made.register()
    return made


async def test_registered(switch: RunningSwitch, tmp_path: Path) -> None:
    """REGISTER is challenged and taken."""
    await play("register", switch, tmp_path)
    await switch.eventually(lambda: "sip:sipp@127.0.0.1:" in str(switch.rows("select * from registrations")))


async def test_holds_and_keys(switch: RunningSwitch, tmp_path: Path) -> None:
    """Its re-INVITEs are answered, the desk hears music meanwhile; INFO is a telephone-event for it; BYE."""
    async with await desk(switch) as phone:
        phone.behaviour = Answer()

        async def answers() -> None:
            far = await phone.next_call(within=10)
            await far.confirmed()
            await hear_something(far, 0.3)
            await far.ended()
            assert {p.payload[0] for p in far.rtp.received if p.payload_type == far.rtp.event_type} == {5}

        await together(answers(), play("holds", switch, tmp_path))
        assert phone.complaints == []


async def test_cancelled(switch: RunningSwitch, tmp_path: Path) -> None:
    """It gives up while the desk rings: 200 for CANCEL, 487 for INVITE, and the desk stops ringing."""
    async with await desk(switch) as phone:
        phone.behaviour = Never()

        async def rings() -> None:
            await (await phone.next_call(within=10)).ended()

        await together(rings(), play("cancel", switch, tmp_path))
        assert phone.complaints == []
    await switch.nothing_left()


async def test_picks_up(switch: RunningSwitch, tmp_path: Path) -> None:
    """What rings at the account's first phone is taken at the second: there CANCEL, the caller is answered, BYE."""
    async with (
        await Phone.open(USER, target=switch.target, password=f"secret-{USER}", domain=DOMAIN, t1=0.1) as first,
        await Phone.open("13911110000", target=switch.target, t1=0.1) as caller,
    ):
        await first.register()
        first.behaviour = Never()
        call = await caller.dial("702")
        far = await first.next_call()
        await call.ringing()
        assert far.request is not None
        value = f"{far.request.call_id};to-tag={far.request.from_tag};from-tag={far.local_tag}"

        async def is_taken() -> None:
            await call.answered()
            await far.ended()
            await call.hang_up()

        await together(is_taken(), play("picks_up", switch, tmp_path, "-key", "replaces", value))
        assert first.complaints == caller.complaints == []
    await switch.nothing_left()


async def test_watches(switch: RunningSwitch, tmp_path: Path) -> None:
    """Its lamp for the desk's number: a call there is answered, and over (RFC 4235)."""
    async with (
        await desk(switch) as phone,
        await Phone.open("13911110000", target=switch.target, t1=0.1) as caller,
    ):
        phone.behaviour = Answer()

        told = tmp_path / "told"

        async def talk() -> None:
            await switch.eventually(lambda: switch.metrics()["subscriptions"] == 1)
            call = await caller.dial("701")
            await call.answered()
            await switch.eventually(lambda: "<state>confirmed" in told.read_text())
            await call.hang_up()

        more = ("-auth_uri", f"701@{DOMAIN}", "-trace_msg", "-message_file", str(told))
        await together(talk(), play("watches", switch, tmp_path, *more))
        assert phone.complaints == caller.complaints == []
    assert "13911110000" not in told.read_text()
