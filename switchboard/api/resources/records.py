"""Calls that have ended: searched, shown, exported; remarks, callers' histories, an agent's own last calls."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Final, TypeAlias

from litestar import Router, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter, SkipValidation
from litestar.response import Stream

from routing.masks.secret import RealNumber, Sealed, VaultError
from routing.masks.target import TargetError, parse_number
from routing.numbers import canonical_number
from switchboard.api.bodies import NumberBody, ReasonBody, RemarkBody
from switchboard.api.cursor import DEFAULT_LIMIT, MAX_LIMIT, Cursor, Limit, read_cursor, write_cursor
from switchboard.api.once import IdempotencyKey
from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.calls import may_see, viewer_of
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.types import (
    ContactFound,
    ContactView,
    LastCallView,
    Page,
    RecordRow,
    RecordView,
    RemarkView,
    Revealed,
)
from switchboard.api.views import contact_of, last_call_view, microseconds, record_row, record_view, remark_view, when
from switchboard.store.calls import CallFilter
from switchboard.store.calls import Cursor as Place
from switchboard.store.records import CallRecord, Direction

EXPORT_PIECE: Final = 500
LONGEST_TOLD: Final = 80
"""Characters of a condition that the audit log keeps."""
COLUMNS: Final = (
    "id", "started", "answered", "ended", "direction", "trunk", "called", "extension", "caller", "contact", "province",
    "city", "flow", "group", "agent", "seconds", "queued", "talked", "held", "consulted", "transfers",
    "ended_by", "cause",
)  # fmt: skip

Since = Annotated[datetime | None, QueryParameter(description="Calls that began then or later.")]
Until = Annotated[datetime | None, QueryParameter(description="Calls that began before.")]
RemarkId = Annotated[int, PathParameter(ge=1, le=2**53)]
Contact = Annotated[
    str | None, QueryParameter(pattern=r"^[0-9a-f]{32}$", description="The caller, see /contacts/find.")
]


def wanted_calls(
    principal: Caller,
    since: Since = None,
    until: Until = None,
    agent: Annotated[str | None, QueryParameter(description="One of those who answered.")] = None,
    group: Annotated[str | None, QueryParameter(description="The last group the caller waited for.")] = None,
    contact: Contact = None,
    called: Annotated[str | None, QueryParameter(description="The number that was dialled.")] = None,
    direction: FromQuery[Direction | None] = None,
    flow: FromQuery[str | None] = None,
    cause: Annotated[str | None, QueryParameter(description="What ended it, in the switch's own word.")] = None,
    answered: Annotated[bool | None, QueryParameter(description="Whether anybody talked with the caller.")] = None,
) -> CallFilter:
    """Which calls a request is about; agents see those they answered."""
    if principal.role == "agent":
        if not principal.agent or agent not in (None, principal.agent):
            raise ApiError("not-yours", "Agents see the calls that they answered themselves.")
        agent = principal.agent
    return CallFilter(
        since_us=microseconds(since),
        until_us=microseconds(until),
        called=None if called is None else canonical_number(called),
        caller=None if contact is None else bytes.fromhex(contact),
        flow=flow,
        cause=cause,
        agent=agent,
        group=group,
        direction=direction,
        answered=answered,
    )


Wanted: TypeAlias = NamedDependency[SkipValidation[CallFilter]]


@get("/records", tags=["records"])
async def search_records(
    parts: Wired, wanted: Wanted, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[RecordRow]:  # fmt: skip
    """Calls that have ended, newest first."""
    after = read_cursor(cursor, tuple[int, str])
    place = None if after is None else Place(*after)

    def read() -> Page[RecordRow]:
        parts.store.loader.catch_up()
        found = parts.store.calls.search(wanted, limit + 1, place)
        items = [record_row(record) for record in found[:limit]]
        return Page(items=items, next=_behind(found[limit - 1]) if len(found) > limit else None)

    return await asyncio.to_thread(read)


@get("/records/export", tags=["records"], media_type="text/csv")
async def export_records(request: ApiRequest, parts: Wired, principal: Caller, wanted: Wanted) -> Stream:
    """The same as CSV in UTF-8, all pages in one."""
    await parts.note(request, principal, "records.export", "", "ok", _told(wanted))
    headers = {"Content-Disposition": 'attachment; filename="calls.csv"'}
    return Stream(_csv(parts, wanted), media_type="text/csv; charset=utf-8", headers=headers)


@get("/records/{call:str}", tags=["records"])
async def get_record(parts: Wired, principal: Caller, call: FromPath[str]) -> RecordView:
    """The record of a call."""

    def read() -> RecordView:
        return record_view(_record(parts, principal, call), parts.recordings, viewer_of(principal))

    return await asyncio.to_thread(read)


@post("/records/{call:str}/reveal", tags=["records"], status_code=200)
async def reveal(
    request: ApiRequest, parts: Wired, principal: Caller, call: FromPath[str], data: JSONBody[ReasonBody]
) -> Revealed:
    """The caller's number in clear; that it was shown, and why, is logged first."""
    record = await asyncio.to_thread(_record, parts, principal, call)
    if not record.caller_sealed:
        raise ApiError("invalid", "The caller withheld the number.")
    await parts.note(request, principal, "record.reveal", call, "ok", data.reason)
    try:
        number = parts.store.vault.open(Sealed(record.caller_sealed)).reveal("an admin asked for it, and it is logged")
    except VaultError:
        raise ApiError("unavailable", "The key of this number is not here.") from None
    return Revealed(number=number)


@get("/records/{call:str}/remarks", tags=["records"])
async def list_remarks(parts: Wired, principal: Caller, call: FromPath[str]) -> list[RemarkView]:
    """Remarks on a call, the oldest first."""
    await _may_remark(parts, principal, call)
    return [remark_view(remark) for remark in await asyncio.to_thread(parts.store.remarks.of_call, call)]


@post("/records/{call:str}/remarks", tags=["records"])
async def add_remark(
    request: ApiRequest,
    parts: Wired,
    principal: Caller,
    call: FromPath[str],
    data: JSONBody[RemarkBody],
    key: IdempotencyKey = None,
) -> RemarkView:
    """Add a remark to a call, even while it is up."""
    await _may_remark(parts, principal, call)
    at_us = round(parts.services.utc() * 1e6)

    async def work() -> RemarkView:
        try:
            remark = await asyncio.to_thread(
                lambda: parts.store.remarks.add(call, who=principal.name, at_us=at_us, text=data.text)
            )
        except ValueError as error:
            raise ApiError("invalid", str(error)) from None
        await parts.note(request, principal, "record.remark", call)
        return remark_view(remark)

    return await parts.once.do(principal.id, key, (call, data), work)


@delete("/records/{call:str}/remarks/{remark:int}", tags=["records"])
async def remove_remark(
    request: ApiRequest, parts: Wired, principal: Caller, call: FromPath[str], remark: RemarkId
) -> None:
    """Delete a remark; agents only their own."""
    known = await asyncio.to_thread(parts.store.remarks.get, remark)
    if known is None or known.call_id != call:
        raise ApiError("not-found", "There is no such remark.")
    if principal.role == "agent" and known.who != principal.name:
        raise ApiError("not-yours", "Somebody else wrote it.")
    await asyncio.to_thread(parts.store.remarks.remove, remark)
    await parts.note(request, principal, "record.remark_removed", call)


@post("/contacts/find", tags=["contacts"], status_code=200)
async def find_contact(
    request: ApiRequest, parts: Wired, principal: Caller, data: JSONBody[NumberBody]
) -> ContactFound:  # fmt: skip
    """The `contact` of a telephone number, to look for its calls and bindings; whether there are any is not said.

    Each is logged, and many are slow, lest masked numbers be found by trying.
    """
    parts.services.pace.admit(f"find {principal.id}")
    try:
        number = RealNumber(parse_number(data.number))
    except (TargetError, ValueError):
        raise ApiError("invalid", "This is not a telephone number.") from None
    await parts.note(request, principal, "contact.find", "", "ok", number.masked)
    return ContactFound(contact=contact_of(parts.store.vault.fingerprint(number)), number=number.masked)


@get("/contacts/{contact:str}", tags=["contacts"])
async def get_contact(
    parts: Wired, principal: Caller, contact: FromPath[str], cursor: Cursor = None, limit: Limit = 20
) -> ContactView:  # fmt: skip
    """The history of a caller, by `contact`, or by the id of one of their calls, up or ended."""
    fingerprint = await _fingerprint(parts, principal, contact)
    after = read_cursor(cursor, tuple[int, str])
    place = None if after is None else Place(*after)

    def read() -> ContactView:
        parts.store.loader.catch_up()
        known = parts.store.history.contact(fingerprint, limit, place)
        rows = [record_row(record) for record in known.calls]
        remarks = [remark_view(remark) for of_call in known.remarks.values() for remark in of_call]
        return ContactView(
            contact=contact_of(fingerprint),
            number=rows[0].caller if rows else "",
            region=rows[0].region if rows else None,
            calls=rows,
            remarks=sorted(remarks, key=lambda remark: -remark.id),
            next=None if known.next is None else write_cursor(known.next),
        )

    return await asyncio.to_thread(read)


@get("/my/calls", tags=["records"])
async def my_calls(parts: Wired, principal: Caller) -> list[LastCallView]:
    """The agent's own last ten calls, newest first."""
    agent = _own(principal)

    def read() -> list[LastCallView]:
        parts.store.loader.catch_up()
        return [last_call_view(call) for call in parts.store.history.last_calls(agent)]

    return await asyncio.to_thread(read)


@delete("/my/calls/{call:str}", tags=["records"])
async def hide_my_call(parts: Wired, principal: Caller, call: FromPath[str]) -> None:
    """Remove a call from one's last ten, so that the next one comes up; its record stays."""
    agent, at_us = _own(principal), round(parts.services.utc() * 1e6)

    def hide() -> bool:
        parts.store.loader.catch_up()
        return parts.store.history.hide(agent, call, at_us)

    if not await asyncio.to_thread(hide):
        raise ApiError("not-found", "It is not among your last calls.")


def _told(wanted: CallFilter) -> str:
    """The conditions of an export. The audit log masks what looks like a number, so a contact is in groups."""
    said = []
    for name, value in wanted._asdict().items():
        if isinstance(value, bytes):
            said.append(f"contact {value.hex(':', 2)}")
        elif isinstance(value, str):
            said.append(f"{name} {value[:LONGEST_TOLD]}")
        elif isinstance(value, bool):
            said.append(f"{name} {str(value).lower()}")
        elif isinstance(value, int):
            said.append(f"{name.removesuffix('_us')} {_date(value)}")
    return ", ".join(said) or "all"


def _date(time_us: int) -> str:
    try:
        return when(time_us).isoformat()
    except (OverflowError, ValueError):
        return "beyond the calendar"


def _own(principal: Principal) -> str:
    if not principal.agent:
        raise ApiError("forbidden", "This account belongs to no agent.")
    return principal.agent


def _record(parts: Parts, principal: Principal, call: str) -> CallRecord:
    record = parts.store.calls.get(call)
    if record is None:
        # One that has just ended may be in the journal only.
        parts.store.loader.catch_up()
        record = parts.store.calls.get(call)
    if record is None:
        raise ApiError("not-found", "There is no such call; those that are up are under /calls.")
    if principal.role == "agent" and not _took_part(record, principal.agent):
        raise ApiError("not-yours", "Agents see the calls that they answered themselves.")
    return record


def _took_part(record: CallRecord, agent: str) -> bool:
    there = {leg.agent for leg in record.legs} | {segment.agent for segment in record.segments}
    return agent != "" and agent in there


async def _may_remark(parts: Parts, principal: Principal, call: str) -> None:
    live = parts.exchange.calls.get(call)
    if live is None:
        await asyncio.to_thread(_record, parts, principal, call)
    elif not may_see(parts, principal, live):
        raise ApiError("not-yours", "Somebody else talks with this caller.")


async def _fingerprint(parts: Parts, principal: Principal, contact: str) -> bytes:
    if len(contact) == 32 and all(digit in "0123456789abcdef" for digit in contact):
        return bytes.fromhex(contact)
    live = parts.exchange.calls.get(contact)
    if live is not None and may_see(parts, principal, live):
        fingerprint = live.record.caller_fingerprint
    else:
        fingerprint = (await asyncio.to_thread(_record, parts, principal, contact)).caller_fingerprint
    if not fingerprint:
        raise ApiError("not-found", "The caller withheld the number.")
    return fingerprint


async def _csv(parts: Parts, wanted: CallFilter) -> AsyncIterator[str]:
    yield _lines([COLUMNS])
    place: Place | None = None
    await asyncio.to_thread(parts.store.loader.catch_up)
    while True:
        found = await asyncio.to_thread(parts.store.calls.search, wanted, EXPORT_PIECE, place)
        yield await asyncio.to_thread(_export, found)
        if len(found) < EXPORT_PIECE:
            return
        place = Place(found[-1].started_us, found[-1].id)


def _export(found: list[CallRecord]) -> str:
    return _lines([_cells(record_row(record)) for record in found])


def _cells(row: RecordRow) -> tuple[str, ...]:
    cells = []
    for name in COLUMNS:
        value = getattr(row.region, name, "") if name in ("province", "city") else getattr(row, name)
        if isinstance(value, datetime):
            cells.append(value.isoformat(timespec="milliseconds"))
        elif isinstance(value, float):
            cells.append(f"{value:.3f}")
        else:
            cells.append(_safe("" if value is None else str(value)))
    return tuple(cells)


def _safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _lines(rows: Iterable[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue()


def _behind(record: CallRecord) -> str:
    return write_cursor((record.started_us, record.id))


assert EXPORT_PIECE > MAX_LIMIT

records: Final = Router(
    "/",
    route_handlers=[
        search_records, export_records, get_record, reveal, list_remarks, add_remark, remove_remark,
        find_contact, get_contact, my_calls, hide_my_call,
    ],
    dependencies={"wanted": Provide(wanted_calls, sync_to_thread=False)},
)  # fmt: skip
