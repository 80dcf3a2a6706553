"""Signing in and what belongs to it: passwords, the second factor, refresh tokens, the end of a session.

A wrong name, a wrong password and a locked account look and last alike. Passwords are hashed by one thread, so that
an attacker takes no more than one core for as long as the queue is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, NoReturn, TypeVar

import pyotp

from switchboard.api.audit_trail import AuditTrail
from switchboard.api.housekeeping import Housekeeping
from switchboard.api.principal import Principal
from switchboard.api.problems import ApiError
from switchboard.api.services import Services
from switchboard.passwords import hash_password, needs_rehash, password_fault, verify_password
from switchboard.store.users import UserRow, login_name, open_totp, seal_totp

T = TypeVar("T")

MOST_HASHING: Final = 32
"""Passwords that may wait to be hashed; more are answered 503."""
WRONG_SECONDS: Final = 0.25
"""What a refusal takes at least, whatever was wrong."""
ENROL_SECONDS: Final = 600.0
MOST_ENROLLING: Final = 1000
STEP_SECONDS: Final = 30
"""Of RFC 6238."""
LONG_LOCK_FAILURES: Final = 20
LONG_LOCK_US: Final = 15 * 60 * 1_000_000
"""The lock that outlives a restart, beside the growing delays."""

_WRONG: Final = "Name, password or code is wrong; after several failures the next try has to wait."


class Granted(NamedTuple):
    """Tokens for a session; the access token serves `lifetime` seconds."""

    principal: Principal
    access: str
    lifetime: float
    refresh: str


class SignIn:
    """The operations behind /auth; every outcome is in the audit log before it is answered."""

    def __init__(self, services: Services, trail: AuditTrail, wrong_seconds: float = WRONG_SECONDS) -> None:
        self._services = services
        self._trail = trail
        self._wrong_seconds = wrong_seconds
        self._housekeeping = Housekeeping(services)
        self._hashing = 0
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="argon2", initializer=_yield_to_calls)
        self._enrolling: OrderedDict[str, tuple[str, float]] = OrderedDict()

    # --- sessions ---

    async def login(self, name: str, password: str, code: str, address: str) -> Granted:
        """Begin a session; raises `ApiError`."""
        self._services.pace.admit(f"login {address}")
        began = self._services.clock()
        wanted = _folded(name)
        self._refuse_while_locked(wanted, address)
        serial = self._services.tokens.reserve()
        user = await asyncio.to_thread(self._services.users.by_name, name)
        right = await self._verify(user.password_hash if user else None, password)
        if user is None or not right:
            await self._refuse(wanted, user, address, "auth.login", "wrong password", began)
        if not self._may_sign_in(user, address):
            await self._note(user, address, "auth.login", "locked")
            raise ApiError("forbidden", "The account is locked. An administrator can unlock it.")
        step = 0
        if user.has_totp:
            if not code:
                raise ApiError("totp-required", "Send `code` too.")
            step = self._step(user, code)
            if not step:
                await self._refuse(wanted, user, address, "auth.login", "wrong code", began)
        note = self._services.users.note_success
        taken = await asyncio.to_thread(note, user.id, now_us=self._utc_us(), totp_step=step, version=user.version)
        if not taken:  # the code has served already, or the password does no more
            await self._refuse(wanted, user, address, "auth.login", "code used again, or account changed", began)
        self._services.lockout.succeeded(wanted, address)
        if needs_rehash(user.password_hash):
            newer = await self._hash(password)
            await asyncio.to_thread(self._services.users.rehash, user.id, user.password_hash, newer)
        await self._note(user, address, "auth.login")
        await self._housekeeping.when_due()
        return await self._grant(user, serial)

    async def refresh(self, token: str, address: str) -> Granted:
        """Go on with a session; a refresh token serves once, and one met again ends the session."""
        now_us = self._utc_us()
        limits = self._services.limits
        following = secrets.token_urlsafe(32)
        expires_us = now_us + int(limits.refresh_lifetime * 1e6)
        rotate = self._services.refresh_tokens.rotate
        serial = self._services.tokens.reserve()
        rotation = await asyncio.to_thread(rotate, token, following, now_us=now_us, expires_us=expires_us)
        user = await asyncio.to_thread(self._services.users.get, rotation.user_id) if rotation.user_id else None
        if rotation.verdict == "reused" and user is not None:
            self._services.tokens.withdraw(rotation.family)
            await self._note(user, address, "auth.refresh", "used again: session ended")
        if rotation.verdict != "ok" or user is None:
            raise ApiError("token-expired", "The session has ended; sign in again.")
        if user.locked or now_us - rotation.begun_us > limits.session_lifetime * 1e6:
            await asyncio.to_thread(self._services.refresh_tokens.revoke_family, rotation.family)
            raise ApiError("token-expired", "The session has ended; sign in again.")
        await self._housekeeping.when_due()
        return self._access(user, rotation.family, following, serial)

    async def logout(self, principal: Principal, address: str) -> None:
        """End a session, with all its tokens."""
        self._services.tokens.withdraw(principal.session)
        await asyncio.to_thread(self._services.refresh_tokens.revoke_family, principal.session)
        await self._trail.note(principal.name, principal.role, address, "auth.logout", principal.name)

    async def account(self, principal: Principal) -> UserRow:
        """The account as it is now; raises `ApiError` when it is gone."""
        user = await asyncio.to_thread(self._services.users.get, principal.id)
        if user is None:
            raise ApiError("token-expired", "The account no longer exists.")
        return user

    # --- passwords and the second factor ---

    async def change_password(self, principal: Principal, current: str, new: str, address: str) -> Granted:
        """Take another password; every session ends, and a new one begins."""
        user = await self._prove(principal, current, address, "auth.password")
        if fault := password_fault(new, user.name):
            raise ApiError("invalid", fault)
        if current == new:
            raise ApiError("invalid", "The new password is the old one.")
        hashed = await self._hash(new)
        return await self._change(user, address, "auth.password", password_hash=hashed, must_change=False)

    async def begin_totp(self, principal: Principal, password: str, address: str) -> tuple[str, str]:
        """A new secret, and as an `otpauth:` URI for a QR code; it counts once `confirm_totp` has seen a code."""
        user = await self._prove(principal, password, address, "auth.totp")
        if user.has_totp:
            raise ApiError("conflict", "There is a second factor already; disable it first.")
        secret = pyotp.random_base32()
        self._enrolling.pop(user.id, None)
        self._enrolling[user.id] = (secret, self._services.clock() + ENROL_SECONDS)
        if len(self._enrolling) > MOST_ENROLLING:
            self._enrolling.popitem(last=False)
        return secret, pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name="switchboard")

    async def confirm_totp(self, principal: Principal, code: str, address: str) -> Granted:
        """The first code of a new secret: from now on one is asked for. Every session ends, a new one begins."""
        secret = self._enrolling_secret(principal)
        user = await self.account(principal)
        self._refuse_while_locked(user.name, address)
        step = _matching_step(secret, code, self._services.utc())
        if not step:
            await self._refuse(user.name, user, address, "auth.totp", "wrong code", self._services.clock())
        if self._enrolling_secret(principal) != secret:
            raise ApiError("wrong-state", "Another second factor was begun meanwhile; confirm that one.")
        del self._enrolling[principal.id]  # with no await since the look: of two at once, one confirms
        sealed = seal_totp(self._services.vault, secret)
        return await self._change(user, address, "auth.totp", totp_sealed=sealed, totp_step=step)

    async def disable_totp(self, principal: Principal, password: str, code: str, address: str) -> Granted:
        """Ask for no second factor any more. Every session ends, a new one begins."""
        user = await self._prove(principal, password, address, "auth.totp_disabled")
        if not user.has_totp:
            raise ApiError("wrong-state", "There is no second factor.")
        if not self._step(user, code):
            began = self._services.clock()
            await self._refuse(user.name, user, address, "auth.totp_disabled", "wrong code", began)
        return await self._change(user, address, "auth.totp_disabled", totp_sealed=b"", totp_step=0)

    # --- the parts of these ---

    def _enrolling_secret(self, principal: Principal) -> str:
        secret, until = self._enrolling.get(principal.id, ("", 0.0))
        if not secret or until <= self._services.clock():
            raise ApiError("wrong-state", "No second factor is being set up; begin with POST /api/v1/auth/totp.")
        return secret

    async def _prove(self, principal: Principal, password: str, address: str, action: str) -> UserRow:
        began = self._services.clock()
        user = await self.account(principal)
        self._refuse_while_locked(user.name, address)
        if not await self._verify(user.password_hash, password):
            await self._refuse(user.name, user, address, action, "wrong password", began)
        return user

    async def _change(
        self,
        user: UserRow,
        address: str,
        action: str,
        *,
        password_hash: str | None = None,
        must_change: bool | None = None,
        totp_sealed: bytes | None = None,
        totp_step: int | None = None,
    ) -> Granted:
        wanted = {"password_hash": password_hash, "must_change": must_change, "totp_sealed": totp_sealed,
                  "totp_step": totp_step}  # fmt: skip
        changes = {name: value for name, value in wanted.items() if value is not None}
        update: Callable[..., UserRow | None] = self._services.users.update
        changed = await asyncio.to_thread(update, user.id, now_us=self._utc_us(), **changes)
        if changed is None:
            raise ApiError("token-expired", "The account no longer exists.")
        self._services.tokens.withdraw(user.id)
        serial = self._services.tokens.reserve()
        await self._note(changed, address, action)
        return await self._grant(changed, serial)

    async def _grant(self, user: UserRow, serial: int) -> Granted:
        """A new session of the account as it was read; `serial` was reserved before, lest a change be overlooked."""
        refresh = secrets.token_urlsafe(32)
        now_us = self._utc_us()
        expires_us = now_us + int(self._services.limits.refresh_lifetime * 1e6)
        issue = self._services.refresh_tokens.issue
        family = await asyncio.to_thread(
            issue, user.id, refresh, now_us=now_us, expires_us=expires_us, version=user.version
        )
        if not family:
            raise ApiError("token-expired", "The account was changed meanwhile; sign in again.")
        return self._access(user, family, refresh, serial)

    def _access(self, user: UserRow, family: str, refresh: str, serial: int) -> Granted:
        principal = Principal(user.id, user.name, user.role, user.agent, family, user.must_change)
        token = self._services.tokens.issue(principal, serial)
        return Granted(principal, token, self._services.tokens.lifetime, refresh)

    def _step(self, user: UserRow, code: str) -> int:
        """The time step a code belongs to, which has not served yet; 0 for a wrong one."""
        step = _matching_step(open_totp(self._services.vault, user), code, self._services.utc())
        return step if step > user.totp_step else 0

    def _may_sign_in(self, user: UserRow, address: str) -> bool:
        """What strangers have locked by wrong passwords is open from where the owner has signed in before."""
        known = self._services.lockout.knows(user.name, address)
        return not user.locked if known else user.may_sign_in(self._utc_us())

    def _refuse_while_locked(self, name: str, address: str) -> None:
        wait = self._services.lockout.wait(name, address)
        if wait > 0:
            seconds = str(int(wait + 0.999))
            raise ApiError("too-many-requests", f"Try again in {seconds} s.", headers={"Retry-After": seconds})

    async def _refuse(
        self, name: str, user: UserRow | None, address: str, action: str, outcome: str, began: float
    ) -> NoReturn:
        """Count a failure and raise; takes as long for an account that is not there."""
        self._services.lockout.failed(name, address)
        if user is not None:
            note = self._services.users.note_failure
            await asyncio.to_thread(
                note, user.id, now_us=self._utc_us(), limit=LONG_LOCK_FAILURES, lock_us=LONG_LOCK_US
            )
            await self._note(user, address, action, outcome)
        else:
            # Who mistypes may have typed a password here, so the name is not kept.
            await self._trail.note("", "", address, action, "", "unknown account")
        await asyncio.sleep(max(0.0, self._wrong_seconds - (self._services.clock() - began)))
        raise ApiError("wrong-credentials", _WRONG)

    async def _note(self, user: UserRow, address: str, action: str, outcome: str = "ok") -> None:
        await self._trail.note(user.name, user.role, address, action, user.name, outcome)

    async def _verify(self, stored: str | None, password: str) -> bool:
        return await self._in_hasher(lambda: verify_password(stored, password))

    async def _hash(self, password: str) -> str:
        return await self._in_hasher(lambda: hash_password(password))

    async def _in_hasher(self, work: Callable[[], T]) -> T:
        if self._hashing >= MOST_HASHING:
            raise ApiError("unavailable", "Too many sign in at once.", headers={"Retry-After": "2"})
        self._hashing += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hasher, work)
        finally:
            self._hashing -= 1

    def _utc_us(self) -> int:
        return int(self._services.utc() * 1e6)


def _yield_to_calls() -> None:
    """Of the cores that there are calls have theirs first: on Linux each thread has a priority of its own."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


def _folded(name: str) -> str:
    """The form of a name under which failures are counted, also for what can be nobody's name."""
    try:
        return login_name(name)
    except ValueError:
        return ""


def _matching_step(secret: str, code: str, utc: float) -> int:
    """The time step a code belongs to, one off at most for clocks that differ (RFC 6238 §5.2); 0 for none."""
    now = int(utc) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    found = 0
    for step in (now - 1, now, now + 1):
        if secrets.compare_digest(totp.generate_otp(step), code):
            found = step
    return found
