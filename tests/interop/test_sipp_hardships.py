"""SIPp meets a switch whose ports are used up, or not bound yet; its calls without any audio are ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.sipp import Sipp
from tests.support.planes import CHOSEN, WORKERS, workers_only
from tests.support.ports import MEDIA_FIRST, free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.switch import running_switch

HERE = Path(__file__).parent
AGENT = Path(__file__).parents[2] / "bench" / "scenarios" / "agent.xml"


@workers_only("the ports are those of workers; test_rtpengine uses up rtpengine's")
async def test_no_room_and_no_audio(tmp_path: Path) -> None:
    """Of two calls at once one gets 503 and Retry-After; the other, in which nobody says anything, gets BYE."""
    need_sipp()
    port = free_port()
    with running_switch(
        tmp_path,
        masks=[],
        numbers=[{"number": "701", "target": f"sip:agent@127.0.0.1:{port}"}],
        media={"ports": f"{MEDIA_FIRST}-{MEDIA_FIRST + 3}", "silence": "3s"},
        limits={"ring_timeout": "8s", "drain": "1s"},
    ) as switch:
        agent = Sipp(AGENT, tmp_path, port, next_media_port(), arguments=("-m", "1"))
        callers = Sipp(
            HERE / "sipp_stays.xml", tmp_path, free_port(), next_media_port(),
            f"{switch.target[0]}:{switch.target[1]}", ("-s", "701", "-m", "2", "-l", "2", "-r", "20"),
        )  # fmt: skip
        with agent, callers:
            await asyncio.to_thread(callers.wait, 20.0, lambda row: None)
            await asyncio.to_thread(agent.wait, 10.0, lambda row: None)
        assert [(one.totals().successful, one.totals().failed) for one in (agent, callers)] == [(1, 0), (2, 0)]
        await switch.nothing_left()
        rows = await switch.records(2)
        assert sorted((row["cause"], row["ended_by"]) for row in rows) == [
            ("congestion", "switch"),
            ("media_silent", "switch"),
        ]


async def test_more_calls_in_one_moment_than_ports_are_bound(tmp_path: Path) -> None:
    """An idle switch has ports for 128 calls: of 200 that come at once all are answered, the last a little later.

    On rtpengine, where it has them for 64 calls, they are 90: with those for the next calls it has no more.
    """
    need_sipp()
    port, calls = free_port(), 200 if CHOSEN == WORKERS else 90
    with running_switch(
        tmp_path,
        masks=[],
        numbers=[{"number": "701", "target": f"sip:agent@127.0.0.1:{port}"}],
        media={"silence": "2s"},
        limits={"ring_timeout": "20s", "drain": "1s"},
    ) as switch:
        bound = switch.metrics()["media_ports_free"]
        agent = Sipp(AGENT, tmp_path, port, next_media_port(), arguments=("-m", str(calls)))
        burst = ("-s", "701", "-m", str(calls), "-l", str(calls), "-r", str(calls), "-rp", "10")
        target = f"{switch.target[0]}:{switch.target[1]}"
        callers = Sipp(HERE / "sipp_stays.xml", tmp_path, free_port(), next_media_port(), target, burst)
        with agent, callers:
            await asyncio.to_thread(callers.wait, 60.0, lambda row: None)
            await asyncio.to_thread(agent.wait, 20.0, lambda row: None)
        assert (callers.totals().successful, callers.totals().failed) == (calls, 0)
        await switch.nothing_left()
        assert bound < 2 * calls
        if CHOSEN == WORKERS:
            assert switch.metrics()["media_ports_free"] >= 2 * calls
        assert {row["cause"] for row in await switch.records(calls)} == {"media_silent"}
