"""Masks and pools: who stands behind an extension or an X number, and what is given out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeVar

from litestar import get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, RawBody

from routing.masks import ShownError
from routing.masks.pool import ExhaustedError
from routing.numbers import canonical_number
from switchboard.api.bindings import Bindings
from switchboard.api.bodies import MaskBody, NumberBody, PoolBody, ReasonBody, RefusalBody, UnbindBody
from switchboard.api.cursor import DEFAULT_LIMIT, Cursor, Limit, read_cursor, write_cursor
from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.resources.records import Contact
from switchboard.api.types import MaskDone, MaskView, Page, PoolNumberView, PoolsView, RefusalDone, RefusalView
from switchboard.store.mask_editor import ExistingBindingsError, RowError
from switchboard.store.mask_pools import PoolError
from switchboard.store.masks import MaskFilter

T = TypeVar("T")

IMPORT_OCTETS: Final = 64 * 1024 * 1024
SHOWN_FAULTS: Final = 20


@get("/masks", tags=["masks"])
async def list_masks(
    parts: Wired,
    number: Annotated[str | None, QueryParameter(description="Bindings on this number.")] = None,
    kind: FromQuery[Literal["extension", "axb", "axn", "axg", "ax"] | None] = None,
    mask_state: Annotated[
        Literal["active", "disabled", "expired"] | None,
        QueryParameter(name="state", description="Idle time is not looked at."),
    ] = None,
    contact: Contact = None,
    label: Annotated[str | None, QueryParameter(description="A part of the label.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[MaskView]:
    """Bindings, those of extensions first, in the order of numbers; people's numbers are masked."""
    offset = read_cursor(cursor, int) or 0
    party = None if contact is None else bytes.fromhex(contact)
    wanted = MaskFilter(None if number is None else canonical_number(number), kind, party, label, mask_state)

    def read() -> Page[MaskView]:
        found = _bindings(parts).search(wanted, limit + 1, max(offset, 0))
        return Page(items=found[:limit], next=write_cursor(offset + limit) if len(found) > limit else None)

    return await asyncio.to_thread(read)


@get("/masks/refusals", tags=["masks"])
async def list_refusals(
    parts: Wired, contact: Contact = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[RefusalView]:
    """Customers who want no calls back through X, newest first; `contact` for one alone."""
    offset = max(read_cursor(cursor, int) or 0, 0)
    customer = None if contact is None else bytes.fromhex(contact)
    found = await asyncio.to_thread(lambda: _bindings(parts).refusals(customer, limit + 1, offset))
    return Page(items=found[:limit], next=write_cursor(offset + limit) if len(found) > limit else None)


@post("/masks/refusals", tags=["masks"], status_code=200)
async def refuse_calls(
    request: ApiRequest, parts: Wired, principal: Caller, data: JSONBody[RefusalBody]
) -> RefusalDone:
    """Let nobody call a customer back through X, or allow it again. The running switch follows at once."""
    told = await _change(lambda: _bindings(parts).refuse(data, principal.name))
    if told.changed:
        parts.exchange.routing.refuse(told.customer, data.withdrawn)
        await parts.note(request, principal, "mask.accept" if data.withdrawn else "mask.refuse", "", "ok", data.reason)
    return RefusalDone(changed=told.changed)


@get("/masks/{binding:str}", tags=["masks"])
async def get_mask(parts: Wired, binding: FromPath[str]) -> MaskView:
    """One binding: `4008001234,123456`, or the id of an X number's."""
    found = await asyncio.to_thread(_bindings(parts).get, binding)
    if found is None:
        raise ApiError("not-found", "It is not bound.")
    return found


@post("/masks", tags=["masks"], status_code=200)
async def bind(request: ApiRequest, parts: Wired, principal: Caller, data: JSONBody[MaskBody]) -> MaskDone:
    """Bind an extension or an X number; the same again changes nothing. The running switch follows at once."""
    done = await _change(lambda: _bindings(parts).bind(data, principal.name))
    await parts.note(request, principal, "mask.bind", ", ".join(done.ids))
    return await _apply(parts, done)


@post("/masks/import", tags=["masks"], status_code=200, request_max_body_size=IMPORT_OCTETS)
async def import_masks(
    request: ApiRequest,
    parts: Wired,
    principal: Caller,
    body: RawBody,
    replace: Annotated[bool, QueryParameter(description="Replace what is bound to something else.")] = False,
) -> MaskDone:
    """Import a file of bindings, CSV or JSON lines as `switchboard masks import` takes: all of it or nothing."""
    done = await _change(lambda: _bindings(parts).load(body, principal.name, replace=replace))
    told = f"{done.added} added, {done.replaced} replaced, {done.unchanged} unchanged"
    await parts.note(request, principal, "mask.import", "", "ok", told)
    return await _apply(parts, done)


@post("/masks/{binding:str}/unbind", tags=["masks"], status_code=200)
async def unbind(
    request: ApiRequest, parts: Wired, principal: Caller, binding: FromPath[str], data: JSONBody[UnbindBody]
) -> MaskDone:
    """Remove a binding: a call that is up goes on, the next one fails."""
    if not await _change(lambda: _bindings(parts).unbind(binding, data, principal.name)):
        raise ApiError("not-found", "It is not bound.")
    await parts.note(request, principal, "mask.unbind", binding, "ok", data.reason)
    return await _apply(parts, MaskDone(ids=[binding]))


@post("/masks/{binding:str}/disable", tags=["masks"], status_code=200)
async def disable(
    request: ApiRequest, parts: Wired, principal: Caller, binding: FromPath[str], data: JSONBody[ReasonBody]
) -> MaskDone:
    """Disable a binding for the time being; callers are told so."""
    return await _switch(request, parts, principal, binding, data.reason, disabled=True)


@post("/masks/{binding:str}/enable", tags=["masks"], status_code=200)
async def enable(
    request: ApiRequest, parts: Wired, principal: Caller, binding: FromPath[str], data: JSONBody[ReasonBody]
) -> MaskDone:
    """Enable a disabled binding again."""
    return await _switch(request, parts, principal, binding, data.reason, disabled=False)


@get("/pools", tags=["masks"])
async def list_pools(parts: Wired) -> PoolsView:
    """Pools of X numbers by city, and the extensions that are given out."""
    return await asyncio.to_thread(_bindings(parts).pools)


@get("/pools/{pool:str}", tags=["masks"])
async def get_pool(parts: Wired, pool: FromPath[str]) -> list[PoolNumberView]:
    """The numbers of a pool."""
    found = await asyncio.to_thread(_bindings(parts).pool_numbers, pool)
    if found is None:
        raise ApiError("not-found", "No pool is called that.")
    return found


@post("/pools/{pool:str}/numbers", tags=["masks"], status_code=200)
async def add_numbers(
    request: ApiRequest, parts: Wired, principal: Caller, pool: FromPath[str], data: JSONBody[PoolBody]
) -> PoolsView:
    """Add X numbers to a pool, created if there is none; adding them again changes nothing."""
    added = await _change(lambda: _bindings(parts).add_numbers(pool, data, principal.name))
    await parts.apply_masks(())
    await parts.note(request, principal, "pool.add", pool, "ok", f"{added} added")
    return await asyncio.to_thread(_bindings(parts).pools)


@post("/pools/retire", tags=["masks"], status_code=204)
async def retire(request: ApiRequest, parts: Wired, principal: Caller, data: JSONBody[NumberBody]) -> None:
    """Give out an X number no longer; its bindings stay."""
    if not await _change(lambda: _bindings(parts).retire(data.number, principal.name)):
        raise ApiError("not-found", "It is in no pool, or retired already.")
    await parts.note(request, principal, "pool.retire", data.number)


def _bindings(parts: Parts) -> Bindings:
    return Bindings(parts.store.database, parts.store.vault, parts.trunks.config)


async def _change(work: Callable[[], T]) -> T:
    """Change something in a thread; what is wrong with it is told."""
    try:
        return await asyncio.to_thread(work)
    except ExistingBindingsError as error:
        raise ApiError("conflict", f"Bound to something else already: {_some(error.reasons)}.") from None
    except RowError as error:
        told = "; ".join(f"{key}: {reason}" for key, reason in list(error.reasons.items())[:SHOWN_FAULTS])
        raise ApiError("invalid", told) from None
    except ExhaustedError as error:
        raise ApiError("conflict", str(error)) from None
    except (PoolError, ShownError, ValueError) as error:
        raise ApiError("invalid", str(error)) from None


async def _switch(
    request: ApiRequest, parts: Parts, principal: Principal, binding: str, reason: str, *, disabled: bool
) -> MaskDone:
    bindings, who = _bindings(parts), principal.name
    done = await asyncio.to_thread(lambda: bindings.switch(binding, who, disabled=disabled, reason=reason))
    if done is None:
        raise ApiError("not-found", "It is not bound.")
    if not done:
        return MaskDone(ids=[binding], unchanged=1)
    await parts.note(request, principal, "mask.disable" if disabled else "mask.enable", binding, "ok", reason)
    return await _apply(parts, MaskDone(ids=[binding], replaced=1))


async def _apply(parts: Parts, done: MaskDone) -> MaskDone:
    await parts.apply_masks(done.ids)
    return done


def _some(keys: dict[str, str]) -> str:
    shown = ", ".join(list(keys)[:SHOWN_FAULTS])
    return shown if len(keys) <= SHOWN_FAULTS else f"{shown} and {len(keys) - SHOWN_FAULTS} more"


numbers: Final = (
    list_masks, list_refusals, refuse_calls, get_mask, bind, import_masks, unbind, disable, enable,
    list_pools, get_pool, add_numbers, retire,
)  # fmt: skip
