"""RTCP with a softphone we did not write, and a caller whom nobody hears: what is kept of it everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Phone
from tests.support.command import command
from tests.support.pjsua import TONE, need_pjsua, softphone
from tests.support.planes import CHOSEN, WORKERS
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

USERS = ("800001", "800002")


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with two softphone accounts and a number for each."""
    need_pjsua()
    changes = {
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in USERS],
        "masks": [],
        "numbers": [{"number": f"70{user[3:]}", "target": f"aor:{user}"} for user in USERS],
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes) as running:
        yield running


def legs_of(switch: RunningSwitch, user: str) -> list[dict[str, Any]]:
    """The legs of the call to a softphone, the caller's first."""
    return switch.rows(
        "select legs.* from legs join calls on legs.call_id = calls.id"
        f" where calls.caller_masked like '%{user[-4:]}' order by place"
    )


def total(switch: RunningSwitch, name: str, label: str) -> float:
    """A metric of all trunks together, of those samples that have this label."""
    return sum(value for key, value in switch.metrics().items() if key.startswith(f"{name}{{") and label in key)


async def reports_go_both_ways(switch: RunningSwitch, directory: Path, user: str) -> None:
    """A talk of twelve seconds: the softphone learns its losses and the round trip of us, and we of it."""
    async with (
        softphone(directory, user, f"secret-{user}", switch.target) as phone,
        await Phone.open(f"1391111{user[-4:]}", target=switch.target) as carrier,
    ):
        call = await carrier.dial(f"70{user[3:]}")
        await phone.event("incoming")
        phone.tell("answer")
        await call.answered()
        call.rtp.play(440)
        await call.hears(TONE)
        await asyncio.sleep(12.0)
        await call.hang_up()
        ended = await phone.event("ended")
    assert ended["reports"] >= 1
    assert (ended["lost"], ended["peer_lost"]) == (0, 0)
    if CHOSEN == WORKERS:
        # What rtpengine writes in its own name pjsua refuses now and then: "RTCP NTP clock skew detected".
        assert ended["trips"] >= 1
        assert 0 <= ended["trip_us"] < 200_000


async def nobody_hears_the_caller(switch: RunningSwitch, directory: Path, user: str) -> None:
    """Its audio gets lost before us."""
    async with (
        softphone(directory, user, f"secret-{user}", switch.target) as phone,
        await Phone.open(f"1391111{user[-4:]}", target=switch.target) as carrier,
    ):
        call = await carrier.dial(f"70{user[3:]}")
        await phone.event("incoming")
        phone.tell("answer")
        await call.answered()
        await call.hears(TONE)
        await asyncio.sleep(4.0)
        await call.hang_up()
        await phone.event("ended")


async def rated(switch: RunningSwitch, caller: dict[str, Any], phone: dict[str, Any]) -> None:
    """How the softphone's talk was: in the record, on the command line, in the metrics."""
    assert phone["peer_lost"] == 0
    assert 0 <= phone["round_trip_ms"] < 200
    assert 4.2 <= phone["mos_in"] <= 4.37
    assert 4.2 <= phone["mos_out"] <= 4.37
    assert (caller["mos_in"] >= 4.2, caller["mos_out"], caller["peer_lost"]) == (True, None, None)
    told = await command(switch, "calls", "show", phone["call_id"])
    assert "the peer lost 0, its jitter" in told
    assert "round trip" in told
    assert total(switch, "leg_mos_count", 'direction="out"') >= 1
    assert total(switch, "leg_mos_count", 'direction="in"') == 3
    assert total(switch, "leg_round_trip_seconds_count", "") >= 1


async def test_reports_go_both_ways_and_one_way_audio_is_told(switch: RunningSwitch, tmp_path: Path) -> None:
    """In the record, on the command line, in the metrics and in the log."""
    one, two = USERS
    await together(reports_go_both_ways(switch, tmp_path, one), nobody_hears_the_caller(switch, tmp_path, two))
    await switch.nothing_left()
    await switch.records(2)
    caller, phone = legs_of(switch, one)
    assert (phone["silent"], caller["silent"]) == (0, 0)
    if CHOSEN == WORKERS:
        # rtpengine tells what parties report where both do, which this carrier does not.
        await rated(switch, caller, phone)
    mute, heard = legs_of(switch, two)
    assert (mute["received"], mute["silent"], heard["silent"]) == (0, 1, 0)
    assert "silent in the talk" in await command(switch, "calls", "show", mute["call_id"])
    assert total(switch, "legs_silent_total", "") == 1
    (line,) = [entry for entry in switch.log_entries() if entry["event"] == "call.leg_silent"]
    assert line["role"] == "caller"
