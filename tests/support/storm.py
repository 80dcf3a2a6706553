"""People who call, answer, hold and hang up at random on a running switch, and a supervisor who commands at random."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from bench.phone import Answer, Behaviour, Call, Dialled, Never, Phone, Refuse
from bench.rtp import RATE
from bench.transactions import PhoneError
from switchboard.api.types import CallView
from switchboard.calls import commands
from switchboard.calls.commands import Command
from switchboard.client import ApiError, Client
from tests.support.ports import MEDIA_RANGE, WEB_RANGE, free_port
from tests.support.secured_desk import SecuredPhone
from tests.support.sounds import tones_in
from tests.support.stage import DOMAIN, secret
from tests.support.switch import RunningSwitch
from tests.support.web_desk import DeskCall, WebDesk
from tests.support.web_phone import web_phone

DESKS: Final = tuple(f"desk{number}" for number in range(9))
LINES: Final = 6
"""So many call at a time."""
TONES: Final = tuple(range(900, 900 + 150 * (len(DESKS) + LINES), 150))
"""What each desk, then each line says: higher and louder than the music is."""
LOUD: Final = 1500.0
NUMBERS: Final = ("4200", "4200", "4105", "4106")
"""A queue of three desks, and desks of their own."""
WINDOW: Final = 0.5
"""Seconds that are listened to at a time."""
_EVERY: Final = 0.05
"""Seconds between two commands, and between two looks of a phone at its call."""
_CALL_ID: Final = re.compile(rb"(?im)^(?:call-id|i)\s*:\s*(\S+)")
_WEB_CODECS: Final = (("PCMU", "PCMA"), ("opus",))
_CODECS: Final = (("PCMA", "telephone-event"), ("PCMU", "telephone-event"), ("PCMU", "PCMA", "telephone-event"))


SECURED: Final = ("desk1", "desk3", "desk6")
"""Those that take SRTP alone."""
BROWSERS: Final = ("desk2", "desk5", "desk7")
"""Those at which a browser is."""
_SIP_PORT, _WEB_PORT = free_port(), free_port()
_TARGET: Final = ("127.0.0.1", _SIP_PORT)


def settings() -> dict[str, Any]:
    """A configuration for them."""
    here = {"host": "127.0.0.1"}
    direct = [{"number": f"41{at:02d}", "target": f"aor:{desk}"} for at, desk in enumerate(DESKS)]
    return {
        "accounts": [
            {"user": desk, "password": secret(desk), "srtp": "required" if desk in SECURED else "off"} for desk in DESKS
        ],
        "masks": [],
        "numbers": [{"number": "4200", "group": "g"}, *direct],
        "groups": [
            {
                "name": "g",
                "join_empty": "always",
                "no_answer_state": "idle",
                "announcements": {"first": "60s"},
                "ring_timeout": "2s",
            }
        ],
        "agents": [
            {"id": desk, "phone": f"aor:{desk}", "always": True, "groups": {"g": 1} if at < 3 else {}}
            for at, desk in enumerate(DESKS)
        ],
        "limits": {"ring_timeout": "2s", "drain": "1s"},
        "trace": {"megabytes": 16},
        "sip": {"listen": [{**here, "port": _SIP_PORT}, {**here, "port": _WEB_PORT, "transport": "ws"}]},
        "webrtc": {"ports": WEB_RANGE, "sessions": 50},
        "media": {"ports": MEDIA_RANGE, "codecs": ["opus", "PCMA", "PCMU"]},
    }


@dataclass(frozen=True, slots=True)
class End:
    """One end of a call: whose phone, and what it says."""

    name: str
    tone: int
    call: Call | DeskCall

    def hears(self, since: float, until: float) -> set[int]:
        """The tones it heard between two monotonic times; none where it heard for less than half of the time."""
        heard = self.call.rtp.between(since, until)
        if len(heard) < (until - since) * RATE / 2:
            return set()
        return tones_in(np.array(heard, np.float64), TONES, LOUD)

    def heard(self) -> Iterator[tuple[float, set[int]]]:
        """The tones in all that it has heard, window by window, with the times at which these begin."""
        packets = self.call.rtp.received
        since = packets[0].at if packets else 0.0
        while packets and since < packets[-1].at:
            yield since, self.hears(since, since + WINDOW)
            since += WINDOW

    @property
    def kind(self) -> str:
        """What its phone is."""
        return "browser" if self.name in BROWSERS else "secured" if self.name in SECURED else "plain"

    def spoke(self, since: float, until: float) -> bool:
        """Whether it may have said something between two monotonic times."""
        began, over = self.call.times.get("answered"), self.call.times.get("ended", until)
        return began is not None and began < until and over > since


@dataclass(slots=True)
class Storm:
    """All of them; they do things while `blows` is set."""

    switch: RunningSwitch
    client: Client
    dice: random.Random
    blows: bool = False
    ends: list[End] = field(default_factory=list)
    carried_out: Counter[str] = field(default_factory=Counter)
    """Commands by kind."""
    compared: Counter[str] = field(default_factory=Counter)
    """In which states of calls, and at which kinds of phones, who hears whom was as it should be."""
    _phones: list[Phone | WebDesk] = field(default_factory=list)
    _sockets: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def gathered(self) -> AsyncIterator[None]:
        """Everybody is there."""
        try:
            for desk, tone in zip(DESKS, TONES, strict=False):
                await self._open_desk(desk, tone)
            for line, tone in enumerate(TONES[len(DESKS) :]):
                self._spawn(self._line(line, tone))
            self._spawn(self._supervisor())
            yield
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for phone in self._phones:
                await phone.close()
            await self._sockets.aclose()

    def complaints(self) -> list[str]:
        """What any phone has to say against the switch."""
        return [text for phone in self._phones for text in phone.complaints]

    async def hang_up(self) -> None:
        """Every caller leaves."""
        for end in self.ends:
            if isinstance(end.call, Call) and end.call.outgoing and not end.call.is_over:
                await (end.call.hang_up() if end.call.status else end.call.cancel())

    async def refresh(self) -> None:
        """Who talks offers the same again, as a session timer makes it, with new keys where it has any."""
        for end in self.ends:
            if end.call.status == 200 and not end.call.is_over:
                with contextlib.suppress(PhoneError):
                    await end.call.reinvite(end.call.direction)

    async def dialogs(self, call: str) -> set[str]:
        """The Call-IDs of a call, up or over."""
        view = await self.client.records.trace(call, reveal=True, wire=True)
        found = [_CALL_ID.search(base64.b64decode(step.wire)) for step in view.messages]
        return {one[1].decode() for one in found if one is not None}

    # --- phones ---

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_desk(self, desk: str, tone: int) -> None:
        phone = await (self._browser(desk) if desk in BROWSERS else self._telephone(desk))
        self._phones.append(phone)
        phone.behaviour = self._behaviour
        self._spawn(self._attend(phone, tone))

    async def _telephone(self, desk: str) -> Phone:
        of = SecuredPhone if desk in SECURED else Phone
        phone = await of.open(desk, target=_TARGET, password=secret(desk), domain=DOMAIN, t1=0.05)
        await phone.register()
        phone.codecs = self.dice.choice(_CODECS)
        return phone

    async def _browser(self, desk: str) -> WebDesk:
        phone = await self._sockets.enter_async_context(
            web_phone(f"ws://127.0.0.1:{_WEB_PORT}/", desk, secret(desk), DOMAIN, WebDesk)
        )
        phone.codecs = self.dice.choice(_WEB_CODECS)
        return phone

    def _behaviour(self, _: object) -> Behaviour:
        drawn = self.dice.random()
        if not self.blows or drawn < 0.75:
            return Answer(after=self.dice.choice((0.0, 0.05, 0.3)))
        return Refuse(self.dice.choice((480, 486, 603)), ring=True) if drawn < 0.9 else Never()

    async def _attend(self, phone: Phone | WebDesk, tone: int) -> None:
        while True:
            end = End(phone.user, tone, await phone.incoming.get())
            self.ends.append(end)
            self._spawn(self._at_desk(end))

    async def _at_desk(self, end: End) -> None:
        with contextlib.suppress(PhoneError):
            await end.call.confirmed(10)
            await self._talk(end, self.dice.expovariate(1 / 6))

    async def _line(self, line: int, tone: int) -> None:
        for number in range(1000):
            while not self.blows:
                await asyncio.sleep(_EVERY)
            phone = await Phone.open(f"1370{line:03d}{number:04d}", target=_TARGET, t1=0.05)
            self._phones.append(phone)
            call = await phone.dial(self.dice.choice(NUMBERS), Dialled(codecs=self.dice.choice(_CODECS)))
            end = End(phone.user, tone, call)
            self.ends.append(end)
            with contextlib.suppress(PhoneError):
                if await call.decided() < 300:
                    await self._talk(end, self.dice.expovariate(1 / 8))
            await asyncio.sleep(1.0 + self.dice.random())

    async def _talk(self, end: End, seconds: float) -> None:
        """Say the tone for about so long, hold now and then, and hang up; in a calm nothing of that."""
        end.call.rtp.play(end.tone)
        while not end.call.is_over:
            await asyncio.sleep(_EVERY)
            if self.blows:
                seconds -= _EVERY
                if seconds < 0:
                    await end.call.hang_up()
                elif self.dice.random() < 0.004:
                    await self._hold(end)

    async def _hold(self, end: End) -> None:
        await end.call.reinvite(self.dice.choice(("sendonly", "inactive")))
        await asyncio.sleep(self.dice.random())
        if not end.call.is_over:
            await end.call.reinvite("sendrecv")

    # --- commands ---

    async def _supervisor(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            calls = (await self.client.calls.list(limit=100)).items if self.blows else []
            if calls and (order := self._order(call := self.dice.choice(calls))) is not None:
                # Refused, or the call was over.
                with contextlib.suppress(ApiError):
                    await self.client.calls.command(call.id, order)
                    self.carried_out[type(order).__name__] += 1

    def _order(self, call: CallView) -> Command | None:
        """What may make sense, mostly."""
        agent, desk = f"agent:{self.dice.choice(DESKS)}", self.dice.choice(DESKS)
        settling: list[Command] = [commands.Complete(), commands.Back(), commands.Merge(), commands.CancelTransfer()]
        changing: list[Command] = [
            commands.Hold(), commands.Mute(on=True), commands.Mute(on=False), commands.Park(),
            commands.Consult(to=agent), commands.Consult(to=agent), commands.Add(to=agent), commands.Add(to=agent),
            commands.Transfer(to=agent, blind=True), commands.Transfer(to=agent), commands.Transfer(to="group:g"),
            commands.Supervise(mode=self.dice.choice(("listen", "whisper", "barge")), supervisor=desk),
            commands.StopSupervising(supervisor=desk), commands.SendDigits(digits="5"), commands.HangUp(),
            commands.Drop(leg=self.dice.choice(call.legs).id), commands.RecordTalk(do="start"),
        ]  # fmt: skip
        if self.dice.random() < 0.1:
            return self.dice.choice(settling + changing)
        if call.consulted or call.transfer_to:
            return self.dice.choice([None, None, *settling])
        if any(leg.held for leg in call.legs):
            return self.dice.choice([None, commands.Resume(), commands.Consult(to=agent)])
        if call.phase == "talking":
            return self.dice.choice([None] * 6 + changing)
        return commands.Pick(agent=desk) if call.phase == "queued" else None
