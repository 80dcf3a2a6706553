"""SIPp behind strict routers on both sides, with a password for its INVITE; without a description or hops left in its
INVITE; and as a phone that rings for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Phone
from bench.sipp import Sipp
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.switch import RunningSwitch, running_switch

HERE = Path(__file__).parent
USER, CARRIER = "sipp", "127.0.0.2"
STRICT, RINGING, TALKING = free_port(), free_port(), free_port()


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """An account of SIPp, which is nobody's carrier and knows no digest but MD5, and whom it calls."""
    need_sipp()
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        trunks=[{"name": "carrier", "from": [CARRIER]}],
        accounts=[{"user": USER, "password": f"secret-{USER}", "digest": ["md5"]}],
        masks=[],
        numbers=[
            {"number": "701", "target": f"sip:agent@127.0.0.1:{STRICT}"},
            {"number": "702", "target": f"sip:agent@127.0.0.1:{RINGING}"},
            {"number": "703", "target": f"sip:agent@127.0.0.1:{TALKING}"},
        ],
        limits={"ring_timeout": "1s", "drain": "1s"},
    ) as running:
        yield running


async def over(sipp: Sipp) -> None:
    """It has played its one call, in which nothing may go wrong."""
    await asyncio.to_thread(sipp.wait, 15.0, lambda row: None)
    sipp.__exit__(None, None, None)
    totals = sipp.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (1, 0, 0), totals


async def test_strict_routers_and_a_password(switch: RunningSwitch, tmp_path: Path) -> None:
    """SIPp checks Request-URI and Route of what the switch sends through its routers (RFC 3261 §12.2.1.1, §16.12)."""
    agent = Sipp(HERE / "sipp_strict_agent.xml", tmp_path, STRICT, next_media_port(), arguments=("-m", "1"))
    caller = Sipp(
        HERE / "sipp_strict_caller.xml", tmp_path, free_port(), next_media_port(),
        f"{switch.target[0]}:{switch.target[1]}", ("-s", "701", "-m", "1", "-l", "1", "-r", "1"),
    )  # fmt: skip
    with agent, caller:
        await over(caller)
        await over(agent)
    await switch.eventually(lambda: len(switch.rows("select id from calls where cause = 'normal'")) == 1)


async def test_nobody_rings_for_ever(switch: RunningSwitch, tmp_path: Path) -> None:
    """Who has not answered in `ring_timeout` gets CANCEL (RFC 3261 §16.6 step 11, §16.8), and the caller 480."""
    agent = Sipp(HERE / "sipp_rings_on.xml", tmp_path, RINGING, next_media_port(), arguments=("-m", "1"))
    async with await Phone.open("13911110000", host=CARRIER, target=switch.target) as caller:
        with agent:
            call = await caller.dial("702")
            assert await call.decided() == 480
            await over(agent)
    await switch.nothing_left()


async def test_a_caller_without_a_description(switch: RunningSwitch, tmp_path: Path) -> None:
    """Out of hops it gets 483, of nine the far side has eight; the 200 offers, the ACK answers, its speech passes."""
    caller = Sipp(
        HERE / "sipp_offer_in_ack.xml", tmp_path, free_port(), next_media_port(),
        f"{switch.target[0]}:{switch.target[1]}", ("-s", "703", "-m", "1", "-l", "1", "-r", "1"), CARRIER,
    )  # fmt: skip
    async with await Phone.open("agent", port=TALKING, target=switch.target) as agent:
        with caller:
            call = await agent.next_call(within=15)
            assert call.request is not None
            assert call.request.get("max-forwards") == "8"
            await call.confirmed()
            async with asyncio.timeout(10 * PATIENCE):
                while call.rtp.loudness(0.2) < 100:
                    await asyncio.sleep(0.05)
            await call.hang_up()
            await over(caller)
