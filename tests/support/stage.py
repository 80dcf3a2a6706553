"""Where scenarios are played: one switch, and for each scenario a caller and a desk phone of its own."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.phone import Answer, Call, Dialled, Phone
from bench.phone import Behaviour as Behaviour
from bench.rtp import EVENTS
from tests.support.patience import PATIENCE
from tests.support.planes import Plane
from tests.support.ports import free_port
from tests.support.switch import RunningSwitch

FLOWS = Path(__file__).parents[1] / "e2e" / "flows"
DOMAIN = "switchboard.local"
DESKS = 90
NUMBER = "4008001234"
"""Answers by the quick flow with tones, and asks for an extension."""
GREETING = "4008001235"
"""Speaks before it answers; the extension is dialled with it."""
MASKED = "4008001236"
"""Leads to the extension dialled with it, without a flow."""
MUSIC = "4004"
CLOSED = "4009"
"""Leads to an address where nobody listens."""

# What the tones of the flow `desk` say.
PROMPT, AGAIN, NUDGE, BUSY, NO_ANSWER, UNAVAILABLE, FAILED, GOODBYE = range(600, 1400, 100)


def stage_config() -> dict[str, Any]:
    """The sections of a configuration with a desk for every scenario."""
    desks = [str(800101 + number) for number in range(DESKS)]
    span = f"{desks[0]}-{desks[-1]}"
    return {
        "limits": {"ring_timeout": "2s", "drain": "1s"},
        "flows": [str(FLOWS)],
        "accounts": [{"user": desk, "password": secret(desk)} for desk in desks],
        "numbers": [
            {"number": NUMBER, "flow": "desk"},
            {"number": GREETING, "flow": "greeting"},
            {"number": MASKED, "mask": True},
            {"number": MUSIC, "flow": "hold_music"},
            {"number": CLOSED, "target": f"sip:nobody@127.0.0.1:{free_port()}"},
            *({"number": direct(desk), "target": f"aor:{desk}"} for desk in desks),
        ],
        "masks": [
            {"number": number, "extensions": span, "target": "aor:{extension}"} for number in (NUMBER, GREETING, MASKED)
        ],
    }


def secret(desk: str) -> str:
    """The password of a desk's account."""
    return f"secret-of-{desk}"


def direct(desk: str) -> str:
    """The number that leads straight to a desk."""
    return f"70{desk[3:]}"


@dataclass(slots=True)
class Pair:
    """A caller behind the carrier, and the phone on the desk that it wants to reach."""

    caller: Phone
    desk: Phone

    @property
    def extension(self) -> str:
        """What the caller keys, or dials after the number, to reach the desk."""
        return self.desk.user

    @property
    def direct(self) -> str:
        """The number that leads straight to the desk."""
        return direct(self.desk.user)

    async def reach(self, shows: Dialled | None = None) -> tuple[Call, Call]:
        """Dial the 400 number, key the extension, wait for the INVITE at the desk: both ends of the call."""
        call = await self.caller.dial(NUMBER, shows)
        await call.answered()
        await call.rtp.key(self.extension)
        return call, await self.desk.next_call()

    async def talk(self) -> tuple[Call, Call]:
        """As `reach`; then the desk answers, and both hear the other's tone."""
        call, far = await self.reach()
        await far.confirmed()
        await hear_each_other(call, far)
        return call, far


class Stage:
    """A switch on which scenarios run side by side; what each does is told apart by its caller's number."""

    def __init__(self, switch: RunningSwitch, plane: Plane | None = None) -> None:
        self.switch = switch
        self.plane = plane or Plane()
        self._serial = itertools.count()

    @contextlib.asynccontextmanager
    async def pair(
        self, behaviour: Behaviour | None = None, *, registered: bool = True, copies: int = 1, algorithm: str = ""
    ) -> AsyncIterator[Pair]:
        """Two phones; at the end neither may have been spoken to against RFC 3261."""
        serial = next(self._serial)
        user = str(800101 + serial)
        target = self.switch.target
        async with (
            await Phone.open(user, target=target, password=secret(user), domain=DOMAIN, t1=0.1) as desk,
            await Phone.open(f"1380000{serial:04d}", target=target, t1=0.1, copies=copies) as caller,
        ):
            desk.behaviour = behaviour or Answer()
            desk.algorithm = algorithm or None
            if registered:
                await desk.register()
            yield Pair(caller, desk)
            assert caller.complaints == []
            assert desk.complaints == []

    async def record(self, pair: Pair, legs: int = 2) -> dict[str, Any]:
        """The one record of the caller's call, its legs and segments in it; it must have so many legs."""
        where = f"caller_masked = '138****{pair.caller.user[-4:]}'"
        await self.switch.eventually(lambda: bool(self.switch.rows(f"select id from calls where {where}")))
        (call,) = self.switch.rows(f"select * from calls where {where}")
        for table in ("legs", "segments"):
            call[table] = self.switch.rows(f"select * from {table} where call_id = '{call['id']}' order by place")
        assert len(call["legs"]) == legs
        return call

    async def ended(self, pair: Pair, by: str, cause: str, legs: int = 2) -> dict[str, Any]:
        """The record, which must say so."""
        record = await self.record(pair, legs)
        assert (record["ended_by"], record["cause"]) == (by, cause)
        return record


def recorded_stage() -> dict[str, Any]:
    """Calls to desks, recorded: so workers have them also where rtpengine relays the others."""
    config = stage_config()
    (number,) = (number for number in config["numbers"] if number["number"] == NUMBER)
    number["record"] = True
    return config


async def hear_each_other(call: Call, far: Call) -> None:
    """A tone each way, heard at the other end."""
    call.rtp.play(440)
    far.rtp.play(880)
    await far.hears(440)
    await call.hears(880)


def keys_heard(call: Call) -> str:
    """The digits that arrived as telephone events, one for each timestamp (RFC 4733 §2.2.1)."""
    events = [packet for packet in call.rtp.received if packet.payload_type == call.rtp.event_type]
    keys = {(packet.ssrc, packet.timestamp): EVENTS[packet.payload[0]] for packet in events}
    return "".join(keys.values())


async def hear_something(call: Call, seconds: float = 0.5) -> None:
    """Speech or music, without a gap, for so many seconds."""
    async with asyncio.timeout(PATIENCE * (5 + seconds)):
        while call.rtp.loudness(seconds) < 100:
            await asyncio.sleep(0.02)


async def together(*scenarios: Coroutine[Any, Any, None]) -> None:
    """Play scenarios side by side; the first that fails stops the others."""
    async with asyncio.TaskGroup() as group:
        for scenario in scenarios:
            group.create_task(scenario)
