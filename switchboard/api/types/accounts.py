"""Accounts, their tokens, the audit log and the state of the switch, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from switchboard.api.types.common import Moment, Role, View


class TokenView(View, frozen=True, kw_only=True):
    """What proves who asks: the access token for `expires_in` seconds, the refresh token once, for the next pair."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - names a scheme
    expires_in: float
    role: Role
    agent: str = ""
    must_change: bool = False

    def __repr__(self) -> str:
        return "TokenView(****)"


class TotpView(View, frozen=True, kw_only=True):
    """The secret of a second factor, and as an `otpauth:` URI for a QR code."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "TotpView(****)"


class Me(View, frozen=True, kw_only=True):
    """The account of a token, which `expires`."""

    id: str
    name: str
    role: Role
    agent: str = ""
    must_change: bool = False
    totp: bool = False
    expires: Moment


class UserView(View, frozen=True, kw_only=True):
    """An account of the API."""

    id: str
    name: str
    role: Role
    agent: str = ""
    locked: bool = False
    """By an administrator, until unlocked."""
    locked_until: Moment | None = None
    """By wrong passwords."""
    totp: bool = False
    must_change: bool = False
    """The password must be changed at the next sign-in."""
    signed_in: Moment | None = None
    version: int = 1


class NewUser(View, frozen=True, kw_only=True):
    """An account was made, or its password anew: the password is shown this once."""

    user: UserView
    password: str


class AuditView(View, frozen=True, kw_only=True):
    """One line of the audit log."""

    id: int
    at: Moment
    who: str
    role: str
    action: str
    subject: str = ""
    detail: str = ""
    outcome: str = ""
    address: str = ""


class StatusView(View, frozen=True, kw_only=True):
    """How the switch does."""

    status: Literal["ok", "draining", "degraded"]
    reasons: list[str]
    uptime: float
    calls: int
    waiting: int
    agents_signed_in: int
    facts: Mapping[str, object] = {}
