"""The calls of a soak that are made by phones of our own, one after the other at a rate, each to its end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from bench.api import Api
from bench.chaos import Chaos
from bench.crosstalk import Ear, crosstalk
from bench.dialog import Call
from bench.errors import BenchError
from bench.phone import Answer, Never, Phone, Refuse
from bench.transactions import PhoneError

DESKS: Final = ("800100", "800101", "800102", "800103", "800104", "800105")
"""The desks: two who talk, one whom nobody reaches in time, one who refuses, one who transfers, and to whom."""
DOMAIN: Final = "switchboard.local"
EXTENSION: Final = "112233"
PATIENCE: Final = 40.0
"""Seconds that anything is waited for: longer than an INVITE is sent again (Timer B, RFC 3261 section 17.1.1.2)."""
RINGS: Final = 3.0
"""Seconds that a caller who will give up waits for the ringing: a 180 that is lost is not sent again."""
TRIES: Final = (8.0, 8.0, PATIENCE)
"""Seconds that a caller waits each time it has keyed: the flow has noticed by then that a key is missing, and asks."""
LOOK: Final = 0.05
"""Seconds between two looks for a call that has come."""
REFRESH: Final = 5.0
"""Seconds between two registrations of a desk."""
_ONE_CALL: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(slots=True)
class Outcome:
    """What became of the phones' calls."""

    made: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    """The number of each caller, each its own: as many records are looked for."""
    otherwise: list[str] = field(default_factory=list)
    """Those of them whose calls failed."""
    crosstalk: list[str] = field(default_factory=list)
    """What anybody has heard of a call of others."""
    registered: int = 0
    complaints: list[str] = field(default_factory=list)

    def told(self, kinds: int = 12) -> list[str]:
        """Why calls failed, the most frequent reasons first; what names one call is left out."""
        reasons = Counter(_ONE_CALL.sub("...", reason) for reason in self.reasons)
        return [f"{count} x {reason}" for reason, count in reasons.most_common(kinds)]


class Arrivals:
    """The calls that have come to a desk, for those who called it: their numbers are hidden from it, but a translator
    passes on the SSRC of what it relays (RFC 3550 section 7.1), so each caller is told by its own.
    """

    def __init__(self, incoming: asyncio.Queue[Call]) -> None:
        self._incoming = incoming
        self._here: list[Call] = []

    async def next(self, within: float, ssrc: int = 0) -> Call:
        """The acknowledged call in which this SSRC is heard, 0 for any; raises TimeoutError after so many seconds."""
        until = time.monotonic() + within
        while True:
            if (call := self._take(ssrc)) is not None and await stands(call):
                return call
            if time.monotonic() > until:
                heard = sum(bool(call.rtp.received) for call in self._here)
                raise TimeoutError(
                    f"no call came with the caller's voice; {len(self._here)} others, {heard} of them heard"
                )
            await asyncio.sleep(LOOK)

    def _take(self, ssrc: int) -> Call | None:
        while not self._incoming.empty():
            self._here.append(self._incoming.get_nowait())
        self._here = [call for call in self._here if not call.is_over]
        for call in self._here:
            if ssrc in (0, call.rtp.heard_ssrc):
                self._here.remove(call)
                return call
        return None


async def stands(call: Call) -> bool:
    """Whether an incoming call is acknowledged before it is over; raises PhoneError where it is neither."""
    confirmed, ended = (asyncio.ensure_future(each) for each in (call.confirmed(PATIENCE), call.ended(PATIENCE)))
    await asyncio.wait((confirmed, ended), return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if call.is_over:
        confirmed.cancel()
        return False
    await confirmed
    return True


async def keyed(call: Call, keys: str, arrivals: Arrivals) -> Call:
    """Who is reached by keys: all packets of one may be lost, so they are keyed again when the flow asks again."""
    entered = 0
    for within in TRIES:
        await call.rtp.key(keys)
        entered += 1
        with contextlib.suppress(TimeoutError):
            return await arrivals.next(within, call.rtp.ssrc)
        if call.is_over:
            break
    state = "was hung up" if call.is_over else "goes on"
    raise BenchError(f"nobody was reached by keys, entered {entered} times; the call {state}")


def ears(phone: Phone) -> list[Ear]:
    """All ends of calls that a phone has been."""
    return [Ear(call.rtp.ssrc, frozenset(call.rtp.ssrcs)) for call in phone.calls.values()]


class Phones:
    """Six desks and one line of a carrier, behind a relay."""

    def __init__(self, relay: Chaos, api: Api, rate: float) -> None:
        self.outcome = Outcome()
        self._relay, self._api, self._rate = relay, api, rate
        self._api_lock = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._desks: list[Phone] = []
        self._arrivals: list[Arrivals] = []
        self._callers: list[Ear] = []
        self._serial = 0
        self._transferring = asyncio.Lock()
        self._kinds: dict[str, Callable[[Phone], Awaitable[None]]] = {
            "extension": self._extension, "hold": self._hold, "transfer": self._transfer, "abandoned": self._abandoned,
            "refused": self._refused, "unanswered": self._abandoned,
        }  # fmt: skip

    async def __aenter__(self) -> Self:
        """Register the desks."""
        for user in DESKS:
            desk = await self._stack.enter_async_context(await self._open(user, f"secret-{user}"))
            await desk.register(within=PATIENCE)
            self._desks.append(desk)
            self._arrivals.append(Arrivals(desk.incoming))
        for desk in self._desks:
            desk.behaviour = Answer(after=0.1)
        self._desks[2].behaviour = Never()
        self._desks[3].behaviour = Refuse(486, ring=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        """Close them, and compare what all have heard."""
        for desk in self._desks:
            self.outcome.complaints += desk.complaints
        self.outcome.crosstalk += crosstalk(self._callers, [ear for desk in self._desks for ear in ears(desk)])
        await self._stack.aclose()

    async def _open(self, user: str, password: str = "") -> Phone:
        return await Phone.open(
            user, host=self._relay.peer, target=self._relay.target, password=password, domain=DOMAIN
        )

    # --- the calls

    async def rehearse(self) -> None:
        """One call of each kind."""
        await asyncio.gather(*(self._one(kind) for kind in self._kinds))
        if self.outcome.failed:
            raise BenchError("the first calls of the phones went wrong: " + "; ".join(self.outcome.reasons))

    async def play(self, until: float) -> None:
        """Calls of all kinds in turn, and registrations, until then."""
        kinds = list(self._kinds)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._refresh(until))
            number = 0
            while time.monotonic() < until:
                kind = kinds[number % len(kinds)]
                # One desk transfers: on a busy machine those that wait for it would go on long after the end.
                if kind == "transfer" and self._transferring.locked():
                    kind = "hold"
                group.create_task(self._one(kind))
                number += 1
                await asyncio.sleep(1 / self._rate)

    async def _refresh(self, until: float) -> None:
        while time.monotonic() < until:
            for desk in self._desks:
                try:
                    await desk.register(within=PATIENCE)
                    self.outcome.registered += 1
                except PhoneError as error:
                    self._fail("register", error)
            await asyncio.sleep(REFRESH)

    async def _one(self, kind: str) -> None:
        """A call by a phone of its own; whatever goes wrong is counted."""
        self._serial += 1
        caller = f"137{self._serial:08d}"
        self.outcome.made[kind] += 1
        self.outcome.callers.append(caller)
        async with await self._open(caller) as phone:
            try:
                await self._kinds[kind](phone)
                # A repeated 2xx or BYE on its way is answered yet.
                await asyncio.sleep(1.0)
            except (PhoneError, BenchError, TimeoutError) as error:
                self._fail(kind, error)
                self.outcome.otherwise.append(caller)
                await self._give_up(phone)
            self.outcome.complaints += phone.complaints
            self._callers += ears(phone)

    async def _give_up(self, phone: Phone) -> None:
        """End what a call that went wrong has left, or it would last until the switch finds its parties dead."""
        for call in phone.calls.values():
            with contextlib.suppress(PhoneError):
                await call.hang_up(PATIENCE)

    def _fail(self, kind: str, error: Exception) -> None:
        self.outcome.failed[kind] += 1
        self.outcome.reasons.append(f"{kind}: {str(error) or type(error).__name__}")

    async def _talk(self, phone: Phone, number: str, desk: int, keys: str = "") -> tuple[Call, Call]:
        """A call to a desk, with tones both ways."""
        call = await phone.dial(number)
        await call.answered(PATIENCE)
        call.rtp.play(440)
        arrivals = self._arrivals[desk]
        far = await (keyed(call, keys, arrivals) if keys else arrivals.next(PATIENCE, call.rtp.ssrc))
        far.rtp.play(880)
        return call, far

    async def _end(self, call: Call) -> None:
        await call.hang_up(PATIENCE)
        for desk in self._desks:
            # What was said and heard is not needed any more.
            for key in [key for key, one in desk.calls.items() if one.is_over]:
                desk.calls[key].rtp.received.clear()

    async def _extension(self, phone: Phone) -> None:
        """Keys in audio of which some is lost; the right desk rings."""
        call, _ = await self._talk(phone, "4008001234", 0, EXTENSION)
        await asyncio.sleep(1.0)
        await self._end(call)

    async def _hold(self, phone: Phone) -> None:
        """Hold and back by re-INVITE, as phones do."""
        call, _ = await self._talk(phone, "4101", 1)
        for direction in ("sendonly", "sendrecv"):
            answer = await call.reinvite(direction, PATIENCE)
            if answer.status != 200:
                raise BenchError(f"re-INVITE was answered {answer.status}")
            await asyncio.sleep(0.5)
        await self._end(call)

    async def _transfer(self, phone: Phone) -> None:
        """The agent holds, resumes and hands the caller to another, by the API; one such call at a time."""
        async with self._transferring:
            call, _ = await self._talk(phone, "4200", 4)
            call_id = await self._call_of("desk4")
            for command in ({"command": "hold"}, {"command": "resume"}):
                await self._ask("POST", f"/api/v1/calls/{call_id}/commands", command)
                await asyncio.sleep(0.4)
            transfer = {"command": "transfer", "to": "agent:desk5", "blind": True}
            await self._ask("POST", f"/api/v1/calls/{call_id}/commands", transfer)
            other = await self._arrivals[5].next(PATIENCE)
            other.rtp.play(660)
            await call.hears(660, PATIENCE)
            await asyncio.sleep(0.5)
            await self._end(call)

    async def _abandoned(self, phone: Phone) -> None:
        """The caller gives up while it rings."""
        call = await phone.dial("4102")
        with contextlib.suppress(PhoneError):
            await call.ringing(RINGS)
        await asyncio.sleep(0.3)
        status = await call.cancel(PATIENCE)
        if status != 487:
            raise BenchError(f"a cancelled call was answered {status}")

    async def _refused(self, phone: Phone) -> None:
        """The desk is busy."""
        call = await phone.dial("4103")
        status = await call.decided(PATIENCE)
        if status != 486:
            raise BenchError(f"a call that was refused with 486 was answered {status}")

    async def _call_of(self, agent: str) -> str:
        """The call that an agent has."""
        for _ in range(50):
            items = (await self._ask("GET", f"/api/v1/calls?agent={agent}")).get("items")
            if isinstance(items, list) and items:
                return str(items[0]["id"])
            await asyncio.sleep(0.1)
        raise BenchError(f"the API knows of no call of {agent}")

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, object]:
        async with self._api_lock:
            return await asyncio.to_thread(self._api.ask, method, path, body)
