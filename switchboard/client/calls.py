"""Calls that are up and what can be done with them, calls that were, and who called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from switchboard.api.types import (
    CallView,
    ContactFound,
    ContactView,
    LastCallView,
    Page,
    RecordRow,
    RecordView,
    RemarkView,
    Revealed,
    TraceView,
)
from switchboard.calls import commands
from switchboard.calls.commands import Command, Done, Mode
from switchboard.client.desk import segment
from switchboard.client.session import Parameters, Session


class Calls:
    """`/calls`. Every command carries an idempotency key: one that is sent again is carried out once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def list(
        self, *, agent: str | None = None, group: str | None = None, phase: str | None = None,
        cursor: str | None = None, limit: int | None = None,
    ) -> Page[CallView]:  # fmt: skip
        """Calls that are up, the oldest first."""
        asked = {"agent": agent, "group": group, "phase": phase, "cursor": cursor, "limit": limit}
        return await self._session.get("/calls", Page[CallView], asked)

    async def get(self, call: str) -> CallView:
        """One call that is up."""
        return await self._session.get(f"/calls/{segment(call)}", CallView)

    async def command(self, call: str, command: Command, *, key: str = "") -> Done:
        """Do something with a call; raises `ApiError` with the reason when it cannot be done."""
        return await self._session.post(f"/calls/{segment(call)}/commands", Done, command, key=key)

    async def dial(self, to: str, *, agent: str = "", shown: str = "", key: str = "") -> Done:
        """Click to call: the agent's phone first, then `to`."""
        return await self._session.post("/calls", Done, commands.Dial(to=to, agent=agent, shown=shown), key=key)

    async def hold(self, call: str) -> Done:
        """The other party hears music."""
        return await self.command(call, commands.Hold())

    async def resume(self, call: str) -> Done:
        """Resume a call on hold."""
        return await self.command(call, commands.Resume())

    async def mute(self, call: str, *, on: bool = True) -> Done:
        """The agent is heard no more, or is again."""
        return await self.command(call, commands.Mute(on=on))

    async def digits(self, call: str, digits: str) -> Done:
        """Send keys."""
        return await self.command(call, commands.SendDigits(digits=digits))

    async def transfer(self, call: str, to: str, *, blind: bool = False) -> Done:
        """Hand the caller on."""
        return await self.command(call, commands.Transfer(to=to, blind=blind))

    async def consult(self, call: str, to: str) -> Done:
        """Consult somebody while the caller hears music."""
        return await self.command(call, commands.Consult(to=to))

    async def complete(self, call: str) -> Done:
        """Hand the caller to the party consulted."""
        return await self.command(call, commands.Complete())

    async def back(self, call: str) -> Done:
        """End the consultation."""
        return await self.command(call, commands.Back())

    async def merge(self, call: str) -> Done:
        """All three talk."""
        return await self.command(call, commands.Merge())

    async def add(self, call: str, to: str) -> Done:
        """One more party."""
        return await self.command(call, commands.Add(to=to))

    async def supervise(self, call: str, mode: Mode = "listen") -> Done:
        """Listen to a call, whisper to its agent or barge in."""
        return await self.command(call, commands.Supervise(mode=mode))

    async def park(self, call: str, slot: str = "") -> Done:
        """Park the caller; the answer tells the slot."""
        return await self.command(call, commands.Park(slot=slot))

    async def unpark(self, call: str) -> Done:
        """Take up a parked call on one's own phone."""
        return await self.command(call, commands.Unpark())

    async def take_parked(self, slot: str) -> Done:
        """Take up whoever is parked in a slot on one's own phone; the answer tells the call."""
        return await self._session.post(f"/parked/{segment(slot)}/take", Done)

    async def pick(self, call: str, agent: str = "") -> Done:
        """Take a waiting caller out of turn."""
        return await self.command(call, commands.Pick(agent=agent))

    async def hang_up(self, call: str) -> Done:
        """End one's part; of a supervisor: the call."""
        return await self.command(call, commands.HangUp())

    async def trace(self, call: str, *, reveal: bool = False, wire: bool = False) -> TraceView:
        """The SIP messages so far of a call that is up."""
        asked = {"reveal": reveal or None, "wire": wire or None}
        return await self._session.get(f"/calls/{segment(call)}/trace", TraceView, asked)


class Records:
    """`/records`: calls that have ended, `/contacts` and an agent's own last calls."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def search(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        agent: str | None = None,
        group: str | None = None,
        contact: str | None = None,
        called: str | None = None,
        answered: bool | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[RecordRow]:
        """Calls that have ended, newest first."""
        asked = _conditions(since, until, agent, group, contact, called, answered)
        return await self._session.get("/records", Page[RecordRow], {**asked, "cursor": cursor, "limit": limit})

    async def all(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        agent: str | None = None,
        group: str | None = None,
        contact: str | None = None,
        called: str | None = None,
        answered: bool | None = None,
    ) -> AsyncIterator[RecordRow]:
        """All of them, page after page."""
        cursor: str | None = None
        while True:
            page = await self.search(
                since=since, until=until, agent=agent, group=group, contact=contact, called=called,
                answered=answered, cursor=cursor,
            )  # fmt: skip
            for row in page.items:
                yield row
            if page.next is None:
                return
            cursor = page.next

    async def get(self, call: str) -> RecordView:
        """The record of a call."""
        return await self._session.get(f"/records/{segment(call)}", RecordView)

    async def trace(self, call: str, *, reveal: bool = False, wire: bool = False) -> TraceView:
        """The SIP messages of a call, also of one that is up, while they are kept."""
        asked = {"reveal": reveal or None, "wire": wire or None}
        return await self._session.get(f"/records/{segment(call)}/trace", TraceView, asked)

    async def export(
        self, *, since: datetime | None = None, until: datetime | None = None, agent: str | None = None,
        group: str | None = None, contact: str | None = None, called: str | None = None, answered: bool | None = None,
    ) -> bytes:  # fmt: skip
        """The same as CSV in UTF-8."""
        asked = _conditions(since, until, agent, group, contact, called, answered)
        return (await self._session.request("GET", "/records/export", parameters=asked)).body

    async def reveal(self, call: str, reason: str) -> str:
        """The caller's number in clear; who asked and why stands in the audit log. Admins only."""
        answer = await self._session.post(f"/records/{segment(call)}/reveal", Revealed, {"reason": reason})
        return answer.number

    async def find_contact(self, number: str) -> ContactFound:
        """What stands for somebody's number where calls and bindings are looked for."""
        answer = await self._session.request("POST", "/contacts/find", body={"number": number})
        return msgspec.json.decode(answer.body, type=ContactFound)

    async def contact(self, contact: str, *, cursor: str | None = None) -> ContactView:
        """The history of a caller, by `contact` or by the id of one of their calls."""
        return await self._session.get(f"/contacts/{segment(contact)}", ContactView, {"cursor": cursor})

    async def remarks(self, call: str) -> list[RemarkView]:
        """What was written about a call."""
        return await self._session.get(f"/records/{segment(call)}/remarks", list[RemarkView])

    async def remark(self, call: str, text: str) -> RemarkView:
        """Write something down about a call; it stands in the caller's history."""
        return await self._session.post(f"/records/{segment(call)}/remarks", RemarkView, {"text": text})

    async def remove_remark(self, call: str, remark: int) -> None:
        """Take a remark away."""
        await self._session.request("DELETE", f"/records/{segment(call)}/remarks/{remark}")

    async def my_calls(self) -> list[LastCallView]:
        """One's own last ten calls."""
        return await self._session.get("/my/calls", list[LastCallView])

    async def hide_my_call(self, call: str) -> list[LastCallView]:
        """Take one out of the last ten; the next one comes up."""
        await self._session.request("DELETE", f"/my/calls/{segment(call)}")
        return await self.my_calls()


def _conditions(
    since: datetime | None, until: datetime | None, agent: str | None, group: str | None, contact: str | None,
    called: str | None, answered: bool | None,
) -> Parameters:  # fmt: skip
    return {
        "since": None if since is None else since.isoformat(),
        "until": None if until is None else until.isoformat(),
        "agent": agent,
        "group": group,
        "contact": contact,
        "called": called,
        "answered": answered,
    }
