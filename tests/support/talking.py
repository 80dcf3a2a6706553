"""Calls between a carrier's phone and an agent's on a running switch, for tests that do something to the switch."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.phone import Answer, Call, Dialled, Phone
from tests.support.planes import on_chosen
from tests.support.ports import free_port
from tests.support.processes import await_end, group_members
from tests.support.switch import RunningSwitch

AGENT = "4001"
"""Leads straight to the agent."""
MUSIC = "4004"


def numbers(agent_port: int, host: str = "127.0.0.1") -> list[dict[str, str]]:
    """The dial plan with an agent at this port."""
    return [
        {"number": AGENT, "target": f"sip:agent@{host}:{agent_port}"},
        {"number": MUSIC, "flow": "hold_music"},
    ]


@contextlib.contextmanager
def fragile_switch(directory: Path, agent_port: int, **changes: Any) -> Iterator[RunningSwitch]:
    """A switch to be killed in parts: errors may be logged, a traceback may not; nothing of it survives the test."""
    with on_chosen(directory, {"numbers": numbers(agent_port), "masks": [], **changes}) as settings:
        switch = RunningSwitch(directory, **settings)
        group = switch.process.pid
        try:
            yield switch
            assert "Traceback" not in switch.log(), switch.log()[-4000:]
        finally:
            switch.kill()
            assert await_end(group_members(group), 5.0) == []


@dataclass(slots=True)
class Pair:
    """A caller and an agent."""

    caller: Phone
    agent: Phone

    async def dial(self, number: str = AGENT, caller: str = "") -> Call:
        """A call in the name of `caller`."""
        shows = Dialled(from_uri=f"sip:{caller}@127.0.0.1") if caller else None
        return await self.caller.dial(number, shows)

    async def talk(self, caller: str = "") -> tuple[Call, Call]:
        """A call to the agent in which each hears the other's tone; both ends of it."""
        call = await self.dial(caller=caller)
        await call.answered()
        far = await self.agent.next_call()
        await far.confirmed()
        call.rtp.play(440)
        far.rtp.play(880)
        await far.hears(440)
        await call.hears(880)
        return call, far

    async def music(self, caller: str = "") -> Call:
        """A call that listens to music."""
        call = await self.dial(MUSIC, caller)
        await call.answered()
        return call


@contextlib.asynccontextmanager
async def pair(switch: RunningSwitch, agent_port: int, host: str = "127.0.0.1", t1: float = 0.1) -> AsyncIterator[Pair]:
    """Both phones."""
    async with (
        await Phone.open("13800138000", target=switch.target, host=host, t1=t1) as caller,
        await Phone.open("agent", target=switch.target, host=host, port=agent_port, t1=t1) as agent,
    ):
        agent.behaviour = Answer()
        yield Pair(caller, agent)


async def still_talk(call: Call, far: Call) -> None:
    """Both hear the other's tone in what came after now."""
    for one in (call, far):
        assert not one.is_over
        one.rtp.received.clear()
    await far.hears(440)
    await call.hears(880)


__all__ = ["AGENT", "MUSIC", "Pair", "fragile_switch", "free_port", "numbers", "pair", "still_talk"]
