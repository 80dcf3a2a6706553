"""Accounts of others, for admins, and the audit log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final, TypeVar

from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from switchboard.api.bodies import UserBody, UserChange
from switchboard.api.cursor import DEFAULT_LIMIT, Cursor, Limit, read_cursor, write_cursor
from switchboard.api.once import IdempotencyKey
from switchboard.api.principal import ApiRequest, Caller
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.types import AuditView, NewUser, Page, Role, UserView
from switchboard.api.versions import IfMatch, etag, expected_version
from switchboard.api.views import microseconds, moment, when
from switchboard.passwords import hash_password, new_password
from switchboard.store.audit import AuditFilter
from switchboard.store.users import Changes, LastAdminError, NameTakenError, UserRow, UserVersionError

T = TypeVar("T")


@get("/users", tags=["accounts"])
async def list_users(
    parts: Wired, role: FromQuery[Role | None] = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[UserView]:
    """Accounts, by name."""
    after = read_cursor(cursor, str) or ""
    users = parts.services.users
    found = await asyncio.to_thread(lambda: users.page(role=role, after=after, limit=limit + 1))
    items = [user_view(row, parts) for row in found[:limit]]
    return Page(items=items, next=write_cursor(items[-1].name) if len(found) > limit else None)


@post("/users", tags=["accounts"])
async def add_user(
    request: ApiRequest, parts: Wired, principal: Caller, data: JSONBody[UserBody], key: IdempotencyKey = None
) -> NewUser:
    """A new account. Its password is generated, answered this once, and must be changed at the first sign-in."""

    async def work() -> NewUser:
        password, now_us = new_password(), _now_us(parts)
        hashed = await asyncio.to_thread(hash_password, password)
        row = await _change(
            lambda: parts.services.users.create(
                data.name, data.role, hashed, now_us=now_us, agent=data.agent, must_change=True
            )
        )
        await parts.note(request, principal, "user.add", row.name, "ok", f"role {row.role}, agent {row.agent or '-'}")
        return NewUser(user=user_view(row, parts), password=password)

    return await parts.once.do(principal.id, key, data, work)


@get("/users/{user:str}", tags=["accounts"])
async def get_user(parts: Wired, user: FromPath[str]) -> Response[UserView]:
    """One account, by its name."""
    row = await _user(parts, user)
    return Response(user_view(row, parts), headers=etag(row.version))


@patch("/users/{user:str}", tags=["accounts"])
async def change_user(
    request: ApiRequest,
    parts: Wired,
    principal: Caller,
    user: FromPath[str],
    data: JSONBody[UserChange],
    if_match: IfMatch = None,
) -> Response[UserView]:
    """Change an account; its sessions end when what it may do is another."""
    row = await _user(parts, user)
    version = expected_version(if_match)
    changes = Changes()
    if data.role is not None:
        changes["role"] = data.role
    if data.agent is not None:
        changes["agent"] = data.agent
    if data.locked is not None:
        changes["locked"] = data.locked
        if not data.locked:
            changes["locked_until_us"] = changes["failed"] = 0
    if data.totp is False:
        changes["totp_sealed"], changes["totp_step"] = b"", 0
    now_us, users = _now_us(parts), parts.services.users
    changed = await _change(lambda: users.update(row.id, now_us=now_us, version=version, **changes))
    if changed is None:
        raise ApiError("not-found", "There is no such account.")
    parts.services.tokens.withdraw(row.id)
    if data.locked is False:
        parts.services.lockout.pardon(row.name)
    told = ", ".join(f"{name} {value!r}" for name, value in changes.items() if name in ("role", "agent", "locked"))
    await parts.note(
        request, principal, "user.change", row.name, "ok", told + (", totp off" if data.totp is False else "")
    )
    return Response(user_view(changed, parts), headers=etag(changed.version))


@delete("/users/{user:str}", tags=["accounts"])
async def delete_user(request: ApiRequest, parts: Wired, principal: Caller, user: FromPath[str]) -> None:
    """Remove an account; what it did stays in the audit log. The last admin cannot be removed."""
    row = await _user(parts, user)
    await _change(lambda: parts.services.users.delete(row.id))
    parts.services.tokens.withdraw(row.id)
    await parts.note(request, principal, "user.delete", row.name)


@post("/users/{user:str}/password", tags=["accounts"], status_code=200)
async def renew_password(
    request: ApiRequest, parts: Wired, principal: Caller, user: FromPath[str], key: IdempotencyKey = None
) -> NewUser:
    """A new password, answered this once, to be changed at the next sign-in; the account's sessions end."""
    row = await _user(parts, user)

    async def work() -> NewUser:
        password, now_us = new_password(), _now_us(parts)
        hashed = await asyncio.to_thread(hash_password, password)
        changed = await _change(
            lambda: parts.services.users.update(
                row.id, now_us=now_us, password_hash=hashed, must_change=True, locked_until_us=0, failed=0
            )
        )
        if changed is None:
            raise ApiError("not-found", "There is no such account.")
        parts.services.tokens.withdraw(row.id)
        parts.services.lockout.pardon(row.name)
        await parts.note(request, principal, "user.password", row.name)
        return NewUser(user=user_view(changed, parts), password=password)

    return await parts.once.do(principal.id, key, ("password", user), work)


@get("/audit", tags=["accounts"])
async def read_audit(
    parts: Wired,
    who: FromQuery[str | None] = None,
    action: Annotated[str | None, QueryParameter(description="`call.hold`, or `call.*` for all that begin so.")] = None,
    subject: FromQuery[str | None] = None,
    outcome: FromQuery[str | None] = None,
    since: FromQuery[datetime | None] = None,
    until: FromQuery[datetime | None] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AuditView]:
    """Who did what, newest first; numbers in it are masked."""
    wanted = AuditFilter(who, action, subject, outcome, microseconds(since), microseconds(until))
    before = read_cursor(cursor, int)
    found = await asyncio.to_thread(lambda: parts.store.audit.page(wanted, before=before, limit=limit + 1))
    items = [
        AuditView(
            id=entry.id, at=when(entry.at_us), who=entry.who, role=entry.role, action=entry.action,
            subject=entry.subject, detail=entry.detail, outcome=entry.outcome, address=entry.address,
        )
        for entry in found[:limit]
    ]  # fmt: skip
    return Page(items=items, next=write_cursor(items[-1].id) if len(found) > limit else None)


def user_view(row: UserRow, parts: Parts) -> UserView:
    """An account without its secrets."""
    locked_until = row.locked_until_us if row.locked_until_us > _now_us(parts) else None
    return UserView(
        id=row.id, name=row.name, role=row.role, agent=row.agent, locked=row.locked, locked_until=moment(locked_until),
        totp=row.has_totp, must_change=row.must_change, signed_in=moment(row.signed_in_us), version=row.version,
    )  # fmt: skip


async def _user(parts: Parts, name: str) -> UserRow:
    row = await asyncio.to_thread(parts.services.users.by_name, name)
    if row is None:
        raise ApiError("not-found", "There is no such account.")
    return row


async def _change(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except NameTakenError:
        raise ApiError("conflict", "Another account has this name.") from None
    except LastAdminError:
        raise ApiError("conflict", "Nobody would be left who may manage accounts.") from None
    except UserVersionError:
        raise ApiError("precondition-failed", "The account was changed meanwhile; read it again.") from None
    except ValueError as error:
        raise ApiError("invalid", f"{error}.") from None


def _now_us(parts: Parts) -> int:
    return round(parts.services.utc() * 1e6)


accounts: Final = (list_users, add_user, get_user, change_user, delete_user, renew_password, read_audit)
