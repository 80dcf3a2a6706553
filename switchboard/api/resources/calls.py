"""Calls that are up, and the commands of the call bar."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from routing.masks.secret import mask_number
from routing.numbers import canonical_number
from switchboard.api.cursor import DEFAULT_LIMIT, Cursor, Limit, read_cursor, write_cursor
from switchboard.api.once import IdempotencyKey
from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Parts, Wired, actor_of
from switchboard.api.types import CallView, Page
from switchboard.api.types import Phase as PhaseName
from switchboard.api.views import call_view
from switchboard.calls.call import Call, Phase
from switchboard.calls.commands import (
    Add,
    Back,
    CancelTransfer,
    Command,
    CommandError,
    Complete,
    Consult,
    Dial,
    Done,
    Drop,
    HangUp,
    Hold,
    InviteRating,
    Merge,
    Mute,
    Park,
    Pick,
    RecordTalk,
    Resume,
    SendDigits,
    StopSupervising,
    Supervise,
    ToSurvey,
    Transfer,
    Unpark,
    Verified,
)

CallCommand: TypeAlias = (
    Hold | Resume | Mute | SendDigits | Transfer | CancelTransfer | Consult | Complete | Back | Merge | Add | Drop
    | Supervise | StopSupervising | Park | Unpark | Pick | ToSurvey | InviteRating | HangUp | Verified | RecordTalk
)  # fmt: skip
"""What may be asked of a call that is up; which one it is stands in `command`."""

FOR_SUPERVISORS: Final = (Supervise, StopSupervising)


@get("/calls", sync_to_thread=False, tags=["calls"])
def list_calls(
    parts: Wired,
    principal: Caller,
    agent: Annotated[str | None, QueryParameter(description="Calls that this agent's phone is in.")] = None,
    group: Annotated[str | None, QueryParameter(description="Calls for this group.")] = None,
    phase: FromQuery[PhaseName | None] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CallView]:
    """Calls that are up, the oldest first. Agents see their own, parked ones, and those that wait for their groups."""
    after = read_cursor(cursor, str) or ""
    x = parts.exchange

    def fits(call: Call) -> bool:
        return (
            may_see(parts, principal, call)
            and (agent is None or agent in agents_of(call))
            and (group is None or call.record.group == group)
            and (phase is None or call.phase.name.lower() == phase)
        )

    def read(now: float) -> Page[CallView]:
        # Ids are UUIDs of version 7, which sort by time.
        found = []
        for call_id in sorted(known for known in x.calls if known > after):
            if fits(call := x.calls[call_id]):
                found.append(call)
                if len(found) > limit:
                    break
        now_us = x.utc_us(now)
        items = [call_view(call, now_us, viewer_of(principal)) for call in found[:limit]]
        return Page(items=items, next=write_cursor(items[-1].id) if len(found) > limit else None)

    return parts.services.in_calls(read)


@get("/calls/{call:str}", sync_to_thread=False, tags=["calls"])
def get_call(parts: Wired, principal: Caller, call: FromPath[str]) -> CallView:
    """One call that is up."""
    x = parts.exchange

    def read(now: float) -> CallView:
        found = x.calls.get(call)
        if found is None:
            raise ApiError("no-call", "It has ended, or never was; ended calls are under /records.")
        if not may_see(parts, principal, found):
            raise ApiError("not-yours", "Agents see calls of their own, those parked, and those waiting for them.")
        return call_view(found, x.utc_us(now), viewer_of(principal))

    return parts.services.in_calls(read)


@post("/calls/{call:str}/commands", status_code=202, tags=["calls"])
async def command_call(
    request: ApiRequest,
    parts: Wired,
    principal: Caller,
    call: FromPath[str],
    data: JSONBody[CallCommand],
    key: IdempotencyKey = None,
) -> Done:
    """Do something with a call: hold, transfer, consult, hang up … 202 says that it was begun; events tell the rest."""
    if data.call not in ("", call):
        raise ApiError("invalid", "The call in the command is not that in the path.")
    if isinstance(data, FOR_SUPERVISORS) and principal.role == "agent":
        raise ApiError("forbidden", "Supervisors and admins may do this.")
    return await carry_out(request, parts, principal, msgspec.structs.replace(data, call=call), key)


@post("/calls", status_code=202, tags=["calls"])
async def dial(
    request: ApiRequest, parts: Wired, principal: Caller, data: JSONBody[Dial], key: IdempotencyKey = None
) -> Done:  # fmt: skip
    """Click to call: the agent's phone rings first, then `to` is called. The answer tells the new call."""
    if principal.role == "agent" and data.agent not in ("", principal.agent):
        raise ApiError("not-yours", "Agents make calls from their own phone.")
    return await carry_out(request, parts, principal, data, key)


@post("/parked/{slot:str}/take", status_code=202, tags=["calls"])
async def take_parked(
    request: ApiRequest, parts: Wired, principal: Caller, slot: FromPath[str], key: IdempotencyKey = None
) -> Done:  # fmt: skip
    """Take up the call that is parked in a slot: one's own phone rings. The answer tells which call it is."""
    return await carry_out(request, parts, principal, Unpark(slot=slot), key)


async def carry_out(
    request: ApiRequest, parts: Parts, principal: Principal, command: Command, key: str | None
) -> Done:  # fmt: skip
    """Carry a command out once among the calls, and log it with what came of it."""
    name = str(msgspec.to_builtins(command)["command"])

    async def work() -> Done:
        try:
            done = parts.services.in_calls(lambda now: parts.command(parts.exchange, command, actor_of(principal), now))
        except CommandError as error:
            await parts.note(request, principal, f"call.{name}", command.call, error.fault, _told(command))
            raise
        await parts.note(request, principal, f"call.{name}", done.call, "ok", _told(command))
        return done

    return await parts.once.do(principal.id, key, command, work)


def agents_of(call: Call) -> set[str]:
    """Everybody whose phone is in a call."""
    return {leg.agent_id for leg in call.legs if leg.agent_id}


def viewer_of(principal: Principal) -> str | None:
    """The agent as whom somebody looks at a call; None for those who see all of it."""
    return principal.agent if principal.role == "agent" else None


def may_see(parts: Parts, principal: Principal, call: Call) -> bool:
    """Supervisors see all calls; agents their own, parked ones, and those that wait for one of their groups."""
    if principal.role != "agent":
        return True
    agent = parts.desk.agents.get(principal.agent)
    if agent is None:
        return False
    return (
        agent.id in agents_of(call)
        or call.phase is Phase.PARKED
        or (call.phase is Phase.QUEUED and call.record.group in agent.groups)
    )


def _told(command: Command) -> str:
    """A command as it is logged: without keys sent, which may be a secret; a number is masked however it is written."""
    fields = msgspec.to_builtins(command)
    kind, _, name = str(fields.get("to", "")).partition(":")
    if kind == "number":
        fields["to"] = f"number:{mask_number(canonical_number(name))}"
    for name in ("command", "call", "digits", "subject"):
        fields.pop(name, None)
    return ", ".join(f"{name} {value}" for name, value in fields.items() if value not in ("", False))


calls: Final = (list_calls, get_call, command_call, dial, take_parked)
