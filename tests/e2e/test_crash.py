"""What is left when a process of the switch is killed, and how it ends when it is asked to.

No call that has ended loses its record, none gets two, and calls that are up suffer only where they must.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.phone import Answer, Call, Never, PhoneError
from tests.support.planes import CHOSEN, WORKERS, workers_only
from tests.support.ports import MEDIA_RANGE, free_port
from tests.support.processes import await_end, group_members, processes, responds
from tests.support.switch import PROJECT, RunningSwitch
from tests.support.talking import Pair, fragile_switch, pair, still_talk

ENDED = 12


def caller_number(number: int) -> str:
    """A number by which a call's record is told from all others."""
    return f"1380000{number:04d}"


def recorded(switch: RunningSwitch, number: int) -> list[dict[str, Any]]:
    """The records of a caller."""
    return switch.rows(f"select * from calls where caller_masked = '138****{number:04d}'")


async def restarted(switch: RunningSwitch, pid: int, part: str = "signalling") -> None:
    """Wait until another process has taken a dead one's place."""

    def back() -> bool:
        found = processes(switch).get(part)
        return found is not None and found.pid != pid and responds(switch)

    await switch.eventually(back, 15)


def ports(switch: RunningSwitch) -> tuple[float, float]:
    """How many media ports are free, how many held."""
    metrics = switch.metrics()
    return metrics["media_ports_free"], metrics["media_ports_leased"]


async def end_some(pair_: Pair, count: int = ENDED) -> None:
    """Calls that end one right after the other, by either side, the last of them this very moment."""
    talks: list[tuple[Call, Call]] = []
    for number in range(count):
        call = await pair_.dial(caller=caller_number(number))
        await call.answered()
        far = await pair_.agent.next_call()
        await far.confirmed()
        talks.append((call, far))
    for number, (call, far) in enumerate(talks):
        await (far if number % 2 else call).hang_up()


def sound_after(switch: RunningSwitch, ended: int) -> None:
    """Every ended call has its one record, with the cause it ended by."""
    for number in range(ended):
        (record,) = recorded(switch, number)
        assert (record["cause"], record["ended_by"]) == ("normal", "agent" if number % 2 else "caller"), number
        assert record["ended_us"] is not None


async def test_killed_signalling_is_restarted_and_loses_no_record(tmp_path: Path) -> None:
    """Ended calls keep their cause, open ones are closed as switch_restarted once; the next call has audio.

    Even with store.fresh, which is for the start of the switch and not for that of a part of it.
    """
    port = free_port()
    with fragile_switch(tmp_path, port, store={"directory": str(tmp_path / "store"), "fresh": True}) as switch:
        async with pair(switch, port) as phones:
            free, _ = ports(switch)
            call, _ = await phones.talk(caller_number(50))
            await phones.music(caller_number(51))
            phones.agent.behaviour = Never()
            ringing = await phones.dial(caller=caller_number(52))
            await ringing.ringing()
            await phones.agent.next_call()
            phones.agent.behaviour = Answer()
            await end_some(phones)
            first = switch.child("signalling")
            first.kill()
            await restarted(switch, first.pid)
            await switch.records(ENDED + 3)
            sound_after(switch, ENDED)
            for number in (50, 51, 52):
                (record,) = recorded(switch, number)
                assert (record["cause"], record["ended_by"]) == ("switch_restarted", "switch")
                assert record["ended_us"] >= record["started_us"]
            assert len(switch.rows("select id from calls")) == ENDED + 3
            answer = await call.hang_up()
            assert answer is not None
            assert answer.status == 481
        async with pair(switch, port) as phones:
            call, far = await phones.talk()
            await call.hang_up()
            await far.ended()
        await switch.eventually(lambda: ports(switch) == (free, 0))
        assert switch.stop() == 0


@workers_only("the worker that it kills has all calls; one behind rtpengine dies in test_rtpengine")
async def test_killed_worker_is_restarted_and_its_calls_end(tmp_path: Path) -> None:
    """Both sides get BYE, the records say media_lost; the next call has audio, and no port is missing."""
    port = free_port()
    with fragile_switch(tmp_path, port) as switch:
        async with pair(switch, port) as phones:
            free, _ = ports(switch)
            call, far = await phones.talk(caller_number(50))
            music = await phones.music(caller_number(51))
            worker = switch.child("media.worker")
            signalling = switch.child("signalling").pid
            worker.kill()
            for one in (call, far, music):
                await one.ended()
            await restarted(switch, worker.pid, "worker 0")
            await switch.records(2)
            for number in (50, 51):
                (record,) = recorded(switch, number)
                assert (record["cause"], record["ended_by"]) == ("media_lost", "switch")
            await switch.eventually(lambda: switch.metrics()["media_workers"] == 1, 10)
            call, far = await phones.talk()
            await call.hang_up()
            await far.ended()
        await switch.eventually(lambda: ports(switch) == (free, 0))
        assert switch.child("signalling").pid == signalling
        assert switch.stop() == 0


async def test_a_vanished_phone_ends_its_call(tmp_path: Path) -> None:
    """When one side sends no audio for media.silence, both sides get BYE and the record says media_silent."""
    port = free_port()
    with fragile_switch(tmp_path, port, media={"ports": MEDIA_RANGE, "silence": "1s"}) as switch:
        async with pair(switch, port) as phones:
            call, far = await phones.talk(caller_number(0))
            await asyncio.sleep(1.5)
            assert not call.is_over
            far.rtp.stop()
            await call.ended(4)
            await far.ended(4)
            await switch.records(1)
        (record,) = recorded(switch, 0)
        assert (record["cause"], record["ended_by"]) == ("media_silent", "switch")


WAITING = """
flow: waiting
answer: now
start: wait
nodes:
  wait: {type: play, prompts: ["silence:3"], next: desk}
  desk: {type: dial, target: "sip:agent@127.0.0.1:PORT", next: bye, on: {other: bye}}
  bye: {type: hangup}
"""


async def test_a_phone_that_vanished_while_it_waited_ends_its_call(tmp_path: Path) -> None:
    """Its silence began before anybody talked with it: the agent does not sit there until a limit comes."""
    port = free_port()
    flow = tmp_path / "waiting.yaml"
    flow.write_text(WAITING.replace("PORT", str(port)))
    changes = {"numbers": [{"number": "4009", "flow": "waiting"}], "flows": [str(flow)]}
    with fragile_switch(tmp_path, port, media={"ports": MEDIA_RANGE, "silence": "1s"}, **changes) as switch:
        async with pair(switch, port) as phones:
            call = await phones.dial("4009", caller_number(1))
            await call.answered()
            far = await phones.agent.next_call(10)
            await far.confirmed()
            far.rtp.play(880)
            await call.hears(880)
            await call.ended(5)
            await far.ended(5)
            await switch.records(1)
        (record,) = recorded(switch, 1)
        assert (record["cause"], record["ended_by"]) == ("media_silent", "switch")


async def test_killed_supervisor_leaves_calls_alone(tmp_path: Path) -> None:
    """Calls go on, new ones are refused, nobody else may have the store; after the last call all processes end."""
    port = free_port()
    with fragile_switch(tmp_path, port) as switch:
        group = switch.process.pid
        async with pair(switch, port) as phones:
            call, far = await phones.talk(caller_number(0))
            other, other_far = await phones.talk(caller_number(1))
            switch.process.kill()
            switch.process.wait(5)
            await switch.eventually(lambda: drains(switch))
            refused = await phones.dial()
            assert await refused.decided() == 503
            await still_talk(call, far)
            await call.hang_up()
            await far.ended()
            await still_talk(other, other_far)
            # A worker goes when it has nothing; rtpengine has the calls then.
            left = 2 if CHOSEN == WORKERS else 1
            await switch.eventually(lambda: len(group_members(group)) == left)
            second = await asyncio.to_thread(run_again, switch)
            assert second.returncode == 1
            assert "in use by another switch" in second.stderr
            await other_far.hang_up()
            await other.ended()
        assert await asyncio.to_thread(await_end, group_members(group), 10.0) == []
        await asyncio.to_thread(switch.restart)
        await switch.records(2)
        sound_after(switch, 2)
        assert switch.stop() == 0
        await clean(switch)


def run_again(switch: RunningSwitch) -> subprocess.CompletedProcess[str]:
    """Try to start a second switch on the same configuration."""
    command = [sys.executable, "-m", "switchboard", "run", "--config", str(switch.config_file)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False)


async def clean(switch: RunningSwitch) -> None:
    """Nothing lives, and no socket or pid file is left."""
    assert group_members(switch.process.pid) == []
    assert not switch.pid_file.exists()
    assert [path.name for path in switch.store.iterdir() if path.is_socket()] == []
    assert [path.name for path in switch.store.iterdir() if path.suffix in (".pid", ".new", ".tmp")] == []


async def test_asked_to_stop_it_lets_calls_end(tmp_path: Path) -> None:
    """After SIGTERM a call may go on, a new one gets 503, and when the last has ended, all is gone at once."""
    port = free_port()
    with fragile_switch(tmp_path, port, limits={"drain": "20s"}) as switch:
        async with pair(switch, port) as phones:
            call, far = await phones.talk(caller_number(0))
            switch.process.terminate()
            await switch.eventually(lambda: drains(switch))
            refused = await phones.dial()
            assert await refused.decided() == 503
            assert refused.final is not None
            assert refused.final.get("retry-after")
            await still_talk(call, far)
            await call.hang_up()
            await far.ended()
            assert await asyncio.to_thread(switch.process.wait, 5) == 0
        await clean(switch)
        sound_after(switch, 1)


async def test_asked_to_stop_it_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A call that outlasts limits.drain gets BYE on both sides and a record that says shutdown."""
    port = free_port()
    with fragile_switch(tmp_path, port, limits={"drain": "1s"}) as switch:
        async with pair(switch, port) as phones:
            call, far = await phones.talk(caller_number(0))
            switch.process.terminate()
            await asyncio.sleep(0.5)
            assert not call.is_over
            await call.ended(3)
            await far.ended(3)
            assert await asyncio.to_thread(switch.process.wait, 5) == 0
        await clean(switch)
        (record,) = recorded(switch, 0)
        assert (record["cause"], record["ended_by"]) == ("shutdown", "switch")


async def test_asked_twice_it_stops_at_once(tmp_path: Path) -> None:
    """The second Ctrl-C ends calls without waiting, properly all the same."""
    port = free_port()
    with fragile_switch(tmp_path, port, limits={"drain": "60s"}) as switch:
        async with pair(switch, port) as phones:
            call, far = await phones.talk(caller_number(0))
            os.killpg(switch.process.pid, signal.SIGINT)
            await switch.eventually(lambda: drains(switch))
            assert not call.is_over
            os.killpg(switch.process.pid, signal.SIGINT)
            await call.ended(3)
            await far.ended(3)
            assert await asyncio.to_thread(switch.process.wait, 5) == 0
        await clean(switch)
        (record,) = recorded(switch, 0)
        assert record["cause"] == "shutdown"


async def test_all_killed_starts_again_on_the_same_store(tmp_path: Path) -> None:
    """SIGKILL of every process in the midst of calls: each has one record after the restart, and after a second."""
    port = free_port()
    with fragile_switch(tmp_path, port) as switch:
        async with pair(switch, port) as phones:
            await end_some(phones)
            await phones.talk(caller_number(50))
            busy = Restless(phones)
            await switch.eventually(lambda: len(busy.ended) > 3)
            switch.kill()
            ended = await busy.stop()
            assert ended, "calls ended while the switch was killed"
        await asyncio.to_thread(switch.restart)
        await recovered(switch, ended)
        switch.kill()
        await asyncio.to_thread(switch.restart)
        await recovered(switch, ended)
        async with pair(switch, port) as phones:
            call, far = await phones.talk()
            await call.hang_up()
            await far.ended()
        assert switch.stop() == 0
        await clean(switch)


def drains(switch: RunningSwitch) -> bool:
    """Whether it takes no new calls and says so."""
    return bool(json.loads(switch.get("/health"))["status"] == "draining")


async def recovered(switch: RunningSwitch, ended: list[int]) -> None:
    """What was up when all was killed is closed, what had ended is as it was, and all of it is there once."""
    await switch.records(ENDED + 1 + len(ended))
    sound_after(switch, ENDED)
    (record,) = recorded(switch, 50)
    assert (record["cause"], record["ended_by"]) == ("switch_restarted", "switch")
    for number in ended:
        (record,) = recorded(switch, number)
        assert (record["cause"], record["ended_by"]) == ("normal", "caller")
    rows = switch.rows("select id, ended_us, cause from calls")
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["ended_us"] and row["cause"] for row in rows)


class Restless:
    """Calls that come and go until the switch is killed under them."""

    def __init__(self, phones: Pair) -> None:
        self._phones = phones
        self._serial = itertools.count(100)
        self.ended: list[int] = []
        self._tasks = [asyncio.create_task(self._call()) for _ in range(4)]

    async def _call(self) -> None:
        with contextlib.suppress(PhoneError):
            while True:
                number = next(self._serial)
                call = await self._phones.dial(caller=caller_number(number))
                await call.answered()
                await asyncio.sleep(0.02)
                await call.hang_up()
                self.ended.append(number)

    async def stop(self) -> list[int]:
        """Give up; the calls whose BYE was answered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return self.ended
