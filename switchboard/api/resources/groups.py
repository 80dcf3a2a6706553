"""Skill groups: how they do, who waits, how they are set up; and who wants to be called back."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from litestar import Response, delete, get, put
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from routing.acd.events import CallerGone
from routing.acd.model import Group
from switchboard.api.cursor import DEFAULT_LIMIT, Cursor, Limit, read_cursor, write_cursor
from switchboard.api.desk_checks import group_faults
from switchboard.api.desk_views import entry_view, group_view
from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.desk import change_desk
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.types import CallbackView, GroupSettings, GroupView, Page, QueueEntryView
from switchboard.api.versions import IfMatch, IfNoneMatch, etag, expected_version
from switchboard.api.views import callback_view
from switchboard.store.callbacks import CallbackRepository, Request
from switchboard.store.records import CallbackRecord, CallRecord


@get("/groups", sync_to_thread=False, tags=["groups"])
def list_groups(parts: Wired, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> Page[GroupView]:
    """Groups by name, with who waits and who works."""
    after = read_cursor(cursor, str) or ""

    def read(now: float) -> Page[GroupView]:
        names = sorted(name for name in parts.engine.groups if name > after)
        items = [_view(parts, name, now) for name in names[:limit]]
        return Page(items=items, next=write_cursor(items[-1].name) if len(names) > limit else None)

    return parts.services.in_calls(read)


@get("/groups/{group:str}", sync_to_thread=False, tags=["groups"])
def get_group(parts: Wired, group: FromPath[str]) -> GroupView:
    """One group now."""
    return parts.services.in_calls(lambda now: _view(parts, group, now))


@get("/groups/{group:str}/queue", sync_to_thread=False, tags=["groups"])
def show_queue(
    parts: Wired, principal: Caller, group: FromPath[str], cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[QueueEntryView]:
    """Who waits, in the order of service. Agents see the queues of their groups."""
    offset = max(read_cursor(cursor, int) or 0, 0)

    def read(now: float) -> Page[QueueEntryView]:
        if group not in parts.engine.groups:
            raise ApiError("not-found", "No group is called that.")
        _may_see(parts, principal, group)
        entries = parts.engine.queue(group)
        x = parts.exchange
        items = [
            entry_view(entry, place, parts.engine, record_of(parts, entry.id), now, x.utc_us, parts.region_of)
            for place, entry in enumerate(entries[offset : offset + limit], offset + 1)
        ]
        return Page(items=items, next=write_cursor(offset + limit) if len(entries) > offset + limit else None)

    return parts.services.in_calls(read)


@get("/groups/{group:str}/settings", tags=["groups"])
async def get_group_settings(parts: Wired, group: FromPath[str]) -> Response[GroupSettings]:
    """How a group is set up; the ETag is for changes."""
    return await _answer(parts, group)


@put("/groups/{group:str}/settings", tags=["groups"])
async def put_group_settings(
    request: ApiRequest,
    parts: Wired,
    principal: Caller,
    group: FromPath[str],
    data: JSONBody[Group],
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> Response[GroupSettings]:
    """Set a group up, or change one. It takes effect at once; those who wait keep their places."""
    if data.name != group:
        raise ApiError("invalid", "The name in the body is not that in the path.")
    version = expected_version(if_match, if_none_match)
    if version is None and group in parts.desk.groups:
        raise ApiError("precondition-failed", "A group of this name exists already.")
    flows = {flow.name for flow in parts.exchange.flows.versions()}
    faults = list(group_faults(data, groups=parts.desk.groups.keys(), flows=flows))
    if faults:
        raise ApiError("invalid", "The group cannot be set up like this.", errors=faults)
    await change_desk(
        parts, principal, version, parts.store.desk.groups.put, group, data,
        then=lambda now: parts.desk.set_group(data, now),
    )  # fmt: skip
    await parts.note(request, principal, "group.settings", group)
    return await _answer(parts, group)


@delete("/groups/{group:str}/settings", tags=["groups"])
async def delete_group(
    request: ApiRequest, parts: Wired, principal: Caller, group: FromPath[str], if_match: IfMatch = None
) -> None:
    """Remove a group, also one of the configuration; those who wait in it leave."""
    version = expected_version(if_match)
    if group not in parts.desk.groups:
        raise ApiError("not-found", "No group is called that.")
    await change_desk(
        parts, principal, version, parts.store.desk.groups.remove, group,
        then=lambda now: parts.desk.remove_group(group, now),
    )  # fmt: skip
    await parts.note(request, principal, "group.remove", group)


@get("/callbacks", tags=["groups"])
async def list_callbacks(
    parts: Wired,
    principal: Caller,
    group: FromQuery[str | None] = None,
    everything: Annotated[bool, QueryParameter(name="all", description="Those that are over, too.")] = False,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[CallbackView]:
    """Callback requests, the oldest first. Agents name one of their groups."""
    if principal.role == "agent":
        if group is None:
            raise ApiError("invalid", "Name one of your groups.")
        _may_see(parts, principal, group)
    after = read_cursor(cursor, tuple[int, str])

    def read() -> Page[CallbackView]:
        parts.store.loader.catch_up()
        requests = CallbackRepository(parts.store.database)
        found = requests.list_requests(group=group, only_open=not everything, after=after, limit=limit + 1)
        last = found[limit - 1].record if len(found) > limit else None
        following = None if last is None else write_cursor((last.asked_us, last.id))
        return Page(items=[callback_view(one) for one in found[:limit]], next=following)

    return await asyncio.to_thread(read)


@get("/callbacks/{callback:str}", tags=["groups"])
async def get_callback(parts: Wired, principal: Caller, callback: FromPath[str]) -> CallbackView:
    """One request, whatever became of it."""
    found = await _callback(parts, callback)
    _may_see(parts, principal, found.record.group)
    return callback_view(found)


@delete("/callbacks/{callback:str}", tags=["groups"])
async def withdraw_callback(request: ApiRequest, parts: Wired, principal: Caller, callback: FromPath[str]) -> None:
    """Withdraw a callback: nobody will be called."""
    await _callback(parts, callback)

    def withdraw(now: float) -> None:
        if parts.store.callbacks.get(callback) is None:
            raise ApiError("wrong-state", "It is over already.")
        parts.desk.tell(CallerGone(callback, "withdrawn"), now)
        # One that the engine did not know any more is over all the same.
        parts.store.callbacks.mark(callback, "cancelled", parts.exchange.utc_us(now), principal.name)

    parts.services.in_calls(withdraw)
    await parts.note(request, principal, "callback.withdraw", callback)


def _view(parts: Parts, group: str, now: float) -> GroupView:
    status = parts.engine.groups.get(group)
    if status is None:
        raise ApiError("not-found", "No group is called that.")
    return group_view(status, parts.engine, parts.exchange.clock, now)


def sees_group(parts: Parts, principal: Principal, group: str) -> bool:
    """Whether somebody may see who waits in a group: agents in theirs."""
    if principal.role != "agent":
        return True
    agent = parts.desk.agents.get(principal.agent)
    return agent is not None and group in agent.groups


def _may_see(parts: Parts, principal: Principal, group: str) -> None:
    if not sees_group(parts, principal, group):
        raise ApiError("not-yours", "Agents see the queues of their groups.")


def record_of(parts: Parts, entry: str) -> CallRecord | CallbackRecord | None:
    """The record of one who waits."""
    call = parts.exchange.calls.get(entry)
    if call is not None:
        return call.record
    request = parts.store.callbacks.get(entry)
    return None if request is None else request.record


async def _callback(parts: Parts, callback: str) -> Request:
    found = parts.store.callbacks.get(callback) or await asyncio.to_thread(_kept_callback, parts, callback)
    if found is None:
        raise ApiError("not-found", "There is no such request.")
    return found


def _kept_callback(parts: Parts, callback: str) -> Request | None:
    # One that has just come to its end is open in the database until the journal has been loaded.
    parts.store.loader.catch_up()
    return CallbackRepository(parts.store.database).get(callback)


async def _answer(parts: Parts, group: str) -> Response[GroupSettings]:
    known = await asyncio.to_thread(parts.store.desk.groups.get, group)
    # What is stored comes with its version: the desk may be about to follow.
    value = parts.desk.groups.get(group) if known is None else known.value
    if value is None:
        raise ApiError("not-found", "No group is called that.")
    version = 0 if known is None else known.version
    origin: Final = "configuration" if known is None else "stored"
    return Response(GroupSettings(group=value, version=version, origin=origin), headers=etag(version))


groups: Final = (
    list_groups, get_group, show_queue, get_group_settings, put_group_settings, delete_group,
    list_callbacks, get_callback, withdraw_callback,
)  # fmt: skip
