"""Every request passes here before a handler is called: who is it, may they, and not too often."""

from __future__ import annotations

from typing import Final, cast

from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from switchboard.api.not_modified import unless_known
from switchboard.api.principal import Principal
from switchboard.api.problems import ApiError
from switchboard.api.roles import OPERATIONS, WITH_GIVEN_PASSWORD
from switchboard.api.services import Services

BEARER: Final = "bearer "


class Gate:
    """Litestar middleware: authentication, the table of roles, rate limits, and the log of commands.

    A WebSocket is let through: its handler takes the token from the first message if need be, and asks `admit`.
    """

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or raise `ApiError`."""
        if scope["type"] == ScopeType.WEBSOCKET or scope["method"] == "OPTIONS":
            scope["user"] = None
            await self._app(scope, receive, send)
            return
        operation = f"{scope['method']} {scope.get('path_template')}"
        address = address_of(scope)
        roles = OPERATIONS.get(operation)
        if roles is None:
            raise ApiError("not-found")
        if not roles:
            scope["user"] = None
            self._services.pace.admit(f"address {address}")
        else:
            # Guessing tokens is paced by address, work by account.
            scope["user"] = principal = self._principal(scope, address)
            admit(principal, operation)
            self._services.pace.admit(f"user {principal.id}")
        _check_media_type(scope)
        await self._app(scope, receive, unless_known(scope, send))

    def _principal(self, scope: Scope, address: str) -> Principal:
        try:
            return self._services.tokens.check(bearer(scope))
        except ApiError:
            self._services.pace.admit(f"address {address}")
            raise


def admit(principal: Principal, operation: str) -> None:
    """Raise `ApiError` unless this principal may do that, by the table of roles."""
    if principal.must_change and operation not in WITH_GIVEN_PASSWORD:
        raise ApiError("password-change-required", "Change the password with POST /api/v1/auth/password.")
    roles = OPERATIONS.get(operation)
    if roles is None or principal.role not in roles:
        raise ApiError("forbidden", f"The role '{principal.role}' may not do this.")


def bearer(scope: Scope) -> str:
    """The token of the Authorization header (RFC 6750 §2.1)."""
    for name, value in scope["headers"]:
        if name.lower() == b"authorization":
            text = value.decode("latin-1")
            if text[: len(BEARER)].lower() == BEARER:
                return text[len(BEARER) :].strip()
    raise ApiError("unauthenticated", "Send an access token: Authorization: Bearer TOKEN.")


def address_of(scope: Scope) -> str:
    """The client's address; what a proxy says in a header is not believed."""
    client = scope.get("client")
    return client[0] if client else ""


def _check_media_type(scope: Scope) -> None:
    handler = cast("BaseRouteHandler", scope["route_handler"])
    if not isinstance(handler, HTTPRouteHandler) or handler.parsed_data_field is None:
        return
    accepted = handler.opt.get("accepts", "application/json")
    given = next((value for name, value in scope["headers"] if name.lower() == b"content-type"), b"")
    if given.split(b";")[0].strip().lower().decode("latin-1") != accepted:
        raise ApiError("unsupported-media-type", f"Send {accepted}.")
