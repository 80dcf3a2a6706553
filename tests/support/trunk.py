"""A trunk that carries both parties of masked numbers: everybody's calls, everybody's telephone, and what they see."""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.phone import Answer, Behaviour, Call, Dialled, Phone
from bench.wire import Message, angle_uri
from tests.support.command import command
from tests.support.patience import PATIENCE
from tests.support.stage import hear_each_other
from tests.support.switch import RunningSwitch

SERVICE: Final = re.compile(r"(?<!\w)[48]00[0-9]{7}(?!\w)")
"""A number that may never be a caller's."""
SIGNS: Final = {"gone": (410, 22), "declined": (603, 21), "unknown": (404, 1), "unrouted": (404, 1)}
"""Status and Q.850 cause."""


@dataclass(frozen=True, slots=True)
class Line:
    """One X number, and the people of its scenario."""

    x: str
    a: str
    b: str
    stranger: str
    shown_to_a: str
    shown_to_b: str


_serial = itertools.count(100)


def line() -> Line:
    """Numbers that nobody else has."""
    serial = next(_serial)
    return Line(
        f"01086655{serial}", *(f"1390000{kind}{serial}" for kind in (1, 2, 3)),
        *(f"0217777{kind}{serial}" for kind in (1, 2)),
    )  # fmt: skip


@dataclass(slots=True)
class Carrier:
    """Both ends of the trunk: whose calls it brings, and whose telephones it rings."""

    caller: Phone
    party: Phone
    manners: dict[str, Behaviour] = field(default_factory=dict)
    """What a telephone does that does not simply answer."""
    _told: set[str] = field(default_factory=set)

    def behave(self, invite: Message) -> Behaviour:
        """What the telephone does whose number was dialled."""
        return self.manners.get(user_of(invite.uri), Answer())

    async def dial(self, number: str, caller: str, *headers: str) -> Call:
        """A call in the name of `caller`."""
        return await self.caller.dial(number, Dialled(headers, from_uri=f"sip:{caller}@127.0.0.1"))

    async def rings(self, number: str, within: float = 5.0) -> Call:
        """The next call to somebody's telephone."""
        async with asyncio.timeout(PATIENCE * within):
            while True:
                for call_id, call in self.party.calls.items():
                    assert call.request is not None
                    if call_id not in self._told and user_of(call.request.uri) == number:
                        self._told.add(call_id)
                        return call
                await asyncio.sleep(0.02)


def user_of(uri: str) -> str:
    """The user part of a SIP URI."""
    return uri.partition(":")[2].partition("@")[0]


@dataclass(slots=True)
class World:
    """A switch, the carrier beside it, the phones of its group, and the operator's commands."""

    switch: RunningSwitch
    carrier: Carrier
    members: list[Phone]
    directory: Path

    async def masks(self, *words: str) -> None:
        """`switchboard masks WORDS`, after which the running switch follows."""
        await command(self.switch, "masks", *words)

    async def talk(self, number: str, caller: str, called: str) -> tuple[Call, Call]:
        """A call in which each hears the other; both ends of it."""
        call = await self.carrier.dial(number, caller)
        far = await self.carrier.rings(called)
        await call.answered()
        await far.confirmed()
        await hear_each_other(call, far)
        return call, far

    async def reaches(self, number: str, caller: str, called: str, shown: str) -> None:
        """A call that is put through shows this number and no other; the caller hangs up."""
        call, far = await self.talk(number, caller, called)
        tells(far, shown, caller)
        await call.hang_up()
        await far.ended()

    async def fails(self, number: str, caller: str, cause: str) -> None:
        """The status and the Q.850 cause of a call that is refused."""
        call = await self.carrier.dial(number, caller)
        assert (await call.decided(), reason_of(call.final)) == SIGNS[cause], (number, caller)

    async def records(self, caller: str, called: str, count: int | None = 1) -> list[dict[str, Any]]:
        """The records of somebody's calls to a number, oldest first, once there are so many, or any at all."""
        masked = f"{caller[:3]}****{caller[-4:]}"
        query = f"select * from calls where caller_masked = '{masked}' and called = '{called}' order by started_us"
        await self.switch.eventually(lambda: len(self.switch.rows(query)) in ({count} if count else range(1, 100)))
        return self.switch.rows(query)


def tells(call: Call, shown: str, hidden: str) -> None:
    """What the called side sees of who calls: the number shown, in From; of the caller and of 400 nothing."""
    request = call.request
    assert request is not None
    assert user_of(angle_uri(request.get("from"))) == shown
    head = "\n".join([request.start, *(f"{name}: {value}" for name, value in request.headers)])
    assert SERVICE.findall(head) == []
    assert hidden.encode() not in head.encode() + request.body
    assert not any(request.getall(name) for name in ("p-asserted-identity", "remote-party-id", "diversion"))


def reason_of(response: Message | None) -> int:
    """The Q.850 cause of a response (RFC 6432)."""
    assert response is not None
    (reason,) = response.getall("reason")
    found = re.match(r"Q\.850;cause=(\d+)", reason)
    assert found is not None
    return int(found[1])
