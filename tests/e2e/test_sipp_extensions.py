"""SIPp on both sides with session timers (RFC 4028), PRACK (RFC 3262) and UPDATE (RFC 3311)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.target import listens
from tests.support.ports import free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.switch import running_switch

SCENARIOS = Path(__file__).parent / "scenarios"


async def sipp(directory: Path, scenario: str, port: int, *more: str) -> tuple[int, str]:
    """One call of a scenario: the exit status of SIPp, 0 when all went as written, and what went wrong otherwise."""
    errors = directory / f"{scenario}.log"
    command = ["sipp", "-sf", str(SCENARIOS / f"{scenario}.xml"), "-m", "1", "-i", "127.0.0.1", "-p", str(port)]
    command += ["-mp", str(next_media_port()), "-nostdin", "-timeout", "15s", "-timeout_error"]
    command += ["-trace_err", "-error_file", str(errors), *more]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=directory, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    status = await asyncio.wait_for(process.wait(), 30)
    told = errors.read_text() if errors.exists() else ""
    # That it was kept from running for a while is no fault of anybody's here.
    return status, "" if "watchdog" in told and status == 0 else told


async def test_timers_and_reliable_responses_on_both_sides(tmp_path: Path) -> None:
    """422, PRACK both ways, early media, an answer that waits for its PRACK, UPDATE, and CSeqs that go on counting."""
    need_sipp()
    agent_port, caller_port = free_port(), free_port()
    changes = {
        "sip": {"reliable_provisional": "supported"},
        "numbers": [{"number": "4001", "target": f"sip:agent@127.0.0.1:{agent_port}"}],
        "masks": [],
    }
    with running_switch(tmp_path, **changes) as switch:
        agent = asyncio.create_task(sipp(tmp_path, "reliable_agent", agent_port))
        await switch.eventually(lambda: listens(("127.0.0.1", agent_port)))
        host, port = switch.target
        caller = await sipp(tmp_path, "timed_caller", caller_port, "-s", "4001", f"{host}:{port}")
        assert caller == (0, "")
        assert await agent == (0, "")
        await switch.nothing_left()
        (call,) = switch.rows("select * from calls")
        assert (call["cause"], call["ended_by"]) == ("normal", "caller")
