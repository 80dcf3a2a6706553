"""/auth: sessions, passwords, the second factor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from litestar import Router, get, post
from litestar.params import JSONBody
from msgspec import Meta

from switchboard.api.bodies import Body
from switchboard.api.gate import address_of
from switchboard.api.principal import ApiRequest, Caller
from switchboard.api.sign_in import Granted, SignIn
from switchboard.api.types import Me, TokenView, TotpView

Password = Annotated[str, Meta(min_length=1, max_length=256)]
Code = Annotated[str, Meta(pattern="^[0-9]{6}$")]


class LoginBody(Body, frozen=True, kw_only=True):
    """Name and password, and the code of the second factor where there is one."""

    name: Annotated[str, Meta(min_length=1, max_length=64, examples=["anna"])]
    password: Password
    code: Annotated[str, Meta(pattern="^([0-9]{6})?$")] = ""

    def __repr__(self) -> str:
        return "LoginBody(****)"


class RefreshBody(Body, frozen=True, kw_only=True):
    """The refresh token of the answer before; it serves once."""

    refresh_token: Annotated[str, Meta(min_length=1, max_length=200)]

    def __repr__(self) -> str:
        return "RefreshBody(****)"


class PasswordBody(Body, frozen=True, kw_only=True):
    """The password as it is and as it is to be."""

    current: Password
    new: Password

    def __repr__(self) -> str:
        return "PasswordBody(****)"


class ProofBody(Body, frozen=True, kw_only=True):
    """The password once more, lest somebody else sits at the desk."""

    password: Password

    def __repr__(self) -> str:
        return "ProofBody(****)"


class CodeBody(Body, frozen=True, kw_only=True):
    """A code of the second factor."""

    code: Code

    def __repr__(self) -> str:
        return "CodeBody(****)"


class DisableBody(Body, frozen=True, kw_only=True):
    """Both factors once more."""

    password: Password
    code: Code

    def __repr__(self) -> str:
        return "DisableBody(****)"


def auth_router(sign_in: SignIn) -> Router:
    """The routes of /auth."""

    @post("/login", status_code=200, summary="Sign in")
    async def login(request: ApiRequest, data: JSONBody[LoginBody]) -> TokenView:
        """Give an access token for 15 minutes and a refresh token for the next one.

        With `must_change` nothing is allowed yet but to change the password. Where the account has a second factor
        and no `code` was sent, the problem is `totp-required`.
        """
        granted = await sign_in.login(data.name, data.password, data.code, address_of(request.scope))
        return _view(granted)

    @post("/refresh", status_code=200, summary="Go on with a session")
    async def refresh(request: ApiRequest, data: JSONBody[RefreshBody]) -> TokenView:
        """Give the next pair of tokens. A refresh token that comes a second time ends its session: it was stolen."""
        return _view(await sign_in.refresh(data.refresh_token, address_of(request.scope)))

    @post("/logout", status_code=204, summary="End the session")
    async def logout(request: ApiRequest, principal: Caller) -> None:
        """Void the tokens of this session; its event streams are closed."""
        await sign_in.logout(principal, address_of(request.scope))

    @get("/me", summary="Who am I")
    async def me(principal: Caller) -> Me:
        """The account of the token, as it is now."""
        user = await sign_in.account(principal)
        return Me(
            id=user.id, name=user.name, role=user.role, agent=user.agent, must_change=user.must_change,
            totp=user.has_totp, expires=datetime.fromtimestamp(principal.expires, UTC),
        )  # fmt: skip

    @post("/password", status_code=200, summary="Change the password")
    async def password(request: ApiRequest, data: JSONBody[PasswordBody], principal: Caller) -> TokenView:
        """Change the password; all sessions of the account end, and these tokens begin a new one."""
        address = address_of(request.scope)
        return _view(await sign_in.change_password(principal, data.current, data.new, address))

    @post("/totp", status_code=200, summary="Begin to set up a second factor")
    async def begin_totp(request: ApiRequest, data: JSONBody[ProofBody], principal: Caller) -> TotpView:
        """Give a secret for an authenticator (RFC 6238); it counts once a code of it was confirmed."""
        secret, uri = await sign_in.begin_totp(principal, data.password, address_of(request.scope))
        return TotpView(secret=secret, uri=uri)

    @post("/totp/confirm", status_code=200, summary="Confirm a second factor")
    async def confirm_totp(request: ApiRequest, data: JSONBody[CodeBody], principal: Caller) -> TokenView:
        """Take the secret into use; all sessions of the account end, and these tokens begin a new one."""
        return _view(await sign_in.confirm_totp(principal, data.code, address_of(request.scope)))

    @post("/totp/disable", status_code=200, summary="Do without a second factor")
    async def disable_totp(request: ApiRequest, data: JSONBody[DisableBody], principal: Caller) -> TokenView:
        """Forget the secret; all sessions of the account end, and these tokens begin a new one."""
        address = address_of(request.scope)
        return _view(await sign_in.disable_totp(principal, data.password, data.code, address))

    routes = [login, refresh, logout, me, password, begin_totp, confirm_totp, disable_totp]
    return Router("/auth", route_handlers=routes, tags=["auth"])


def _view(granted: Granted) -> TokenView:
    principal = granted.principal
    return TokenView(
        access_token=granted.access, refresh_token=granted.refresh, expires_in=granted.lifetime,
        role=principal.role, agent=principal.agent, must_change=principal.must_change,
    )  # fmt: skip
