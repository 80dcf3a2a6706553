"""Media workers that come and go while calls are up, and ports that are used up, with real calls."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from bench.sipp import SCENARIOS, Sipp
from tests.support.call_bar import add_users, at_the_bar
from tests.support.command import command
from tests.support.patience import PATIENCE
from tests.support.planes import CHOSEN, WORKERS, workers_only
from tests.support.ports import MEDIA_FIRST, free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import Stage, direct, hear_each_other, recorded_stage, stage_config
from tests.support.switch import RunningSwitch, running_switch


async def workers(switch: RunningSwitch) -> dict[int, tuple[str, int]]:
    """State and legs of each worker, as the command says."""
    listed = json.loads(await command(switch, "workers", "list", "--format", "json"))
    return {one["worker"]: (one["state"], one["legs"]) for one in listed}


async def test_workers_come_and_go_under_calls(tmp_path: Path) -> None:
    """A call stays on a worker that is drained, the next one goes to the new worker; then the old one ends."""
    with running_switch(tmp_path, **recorded_stage()) as switch:
        stage = Stage(switch)
        async with stage.pair() as one, stage.pair() as two:
            call, far = await one.talk()
            assert await workers(switch) == {0: ("up", 2)}
            await command(switch, "workers", "add")
            await switch.eventually(lambda: 'media_relayed_total{worker="1"}' in switch.metrics(), within=15)
            await command(switch, "workers", "drain", "0")
            second, other = await two.talk()
            assert await workers(switch) == {0: ("draining", 2), 1: ("up", 2)}
            await hear_each_other(call, far)
            await call.hang_up()
            await switch.eventually(lambda: "media worker 0 has drained and ended" in switch.output.read_text())
            await hear_each_other(second, other)
            assert await workers(switch) == {1: ("up", 2)}
            await second.hang_up()
            await stage.ended(two, "caller", "normal")
        assert switch.stop() == 0


async def test_a_drained_worker_is_drained_still_when_signalling_has_died(tmp_path: Path) -> None:
    """Signalling is killed while a call holds the worker: it ends with that call, and the next goes to the other."""
    with running_switch(tmp_path, **recorded_stage(), media={"workers": 2}) as switch:
        stage = Stage(switch)
        async with stage.pair() as one:
            await one.talk()
            (busy,) = (number for number, (_, legs) in (await workers(switch)).items() if legs)
            await command(switch, "workers", "drain", str(busy))
            assert (await workers(switch))[busy] == ("draining", 2)
            switch.child("signalling").kill()
            said = f"media worker {busy} has drained and ended"
            await switch.eventually(lambda: said in switch.output.read_text(), within=15)
        async with stage.pair() as two:
            call, far = await two.talk()
            assert await workers(switch) == {1 - busy: ("up", 2)}
            await hear_each_other(call, far)
            await call.hang_up()
        assert switch.stop() == 0


@workers_only("those behind rtpengine take their ports in the same way")
async def test_an_added_worker_has_the_ports_of_one_that_ends(tmp_path: Path) -> None:
    """Two workers have all there are between them; the third carries calls once the first has drained."""
    media = {"ports": f"{MEDIA_FIRST}-{MEDIA_FIRST + 63}", "workers": 2}
    with running_switch(tmp_path, **stage_config(), media=media) as switch:

        async def free() -> dict[int, int]:
            listed = json.loads(await command(switch, "workers", "list", "--format", "json"))
            return {one["worker"]: one["free"] for one in listed if one["state"] == "up"}

        assert await free() == {0: 16, 1: 16}
        await command(switch, "workers", "add")
        async with asyncio.timeout(15):
            while await free() != {0: 16, 1: 16, 2: 0}:
                await asyncio.sleep(0.1)
        await command(switch, "workers", "drain", "0")
        async with asyncio.timeout(15):
            while await free() != {1: 16, 2: 16}:
                await asyncio.sleep(0.1)
        await command(switch, "workers", "drain", "1")
        stage = Stage(switch)
        async with stage.pair() as one:
            await hear_each_other(*await one.talk())
            assert await workers(switch) == {2: ("up", 2)}


@workers_only("the ports are those of workers; test_rtpengine uses up rtpengine's")
async def test_ports_that_are_used_up_refuse_calls_and_harm_none(tmp_path: Path) -> None:
    """Two pairs of ports are one call: the next gets 503, and is taken once the first is over."""
    media = {"ports": f"{MEDIA_FIRST}-{MEDIA_FIRST + 3}"}
    with running_switch(tmp_path, **stage_config(), media=media) as switch:
        stage = Stage(switch)
        async with stage.pair() as one, stage.pair() as two:
            call = await one.caller.dial(direct(one.desk.user))
            far = await one.desk.next_call()
            await far.confirmed()
            await hear_each_other(call, far)
            refused = await two.caller.dial(direct(two.desk.user))
            assert await refused.decided() == 503
            await hear_each_other(call, far)
            await call.hang_up()
            await switch.eventually(lambda: switch.metrics()["media_ports_leased"] == 0)
            again = await two.caller.dial(direct(two.desk.user))
            await (await two.desk.next_call()).confirmed()
            await again.hang_up()


async def test_a_burst_of_click_to_calls_finds_ports(tmp_path: Path) -> None:
    """More than an idle switch has open for both parties of each: they are bound meanwhile, and everybody talks."""
    need_sipp()
    # On rtpengine as many as leave it ports for the next calls, which it opens ahead.
    burst, port = 140 if CHOSEN == WORKERS else 90, free_port()
    there = f"127.0.0.1:{port}"
    changes = {
        "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"], "to": there}],
        "outbound": {"trunk": "carrier", "shown": "01088880000"},
        "agents": [{"id": name, "phone": f"sip:{name}@{there}", "always": True} for name in ("anna", "dora")],
        "limits": {"ring_timeout": "30s", "drain": "0s"},
    }
    agent = Sipp(SCENARIOS / "agent.xml", tmp_path, port, next_media_port())
    with agent, running_switch(tmp_path, timers={"t1": 0.5}, **changes) as switch:
        add_users(switch, {"dora": "supervisor"})
        async with at_the_bar(switch, "dora") as bar:
            await asyncio.gather(*(bar.calls.dial(f"number:139{n:08d}", agent="anna") for n in range(burst)))
            async with asyncio.timeout(15 * PATIENCE):
                while len((await bar.calls.list(phase="talking", limit=200)).items) < burst:
                    await asyncio.sleep(0.1)
        assert switch.metrics()["media_ports_leased"] == 2 * burst
        assert switch.stop() == 0
        calls = switch.rows("select cause, answered_us is not null as answered from calls")
        assert calls == [{"cause": "shutdown", "answered": 1}] * burst
