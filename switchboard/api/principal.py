"""Who makes a request: what the access token proves, and what handlers and the event stream ask for."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec
from litestar import Request, WebSocket
from litestar.datastructures import State
from litestar.di import NamedDependency

from switchboard.api.types import Role

ROLES: Final[tuple[Role, ...]] = ("agent", "supervisor", "admin", "auditor")


class Principal(msgspec.Struct, frozen=True):
    """A signed-in account. `session` names the family of its refresh tokens, `expires` is UTC seconds."""

    id: str
    name: str
    role: Role
    agent: str = ""
    """The agent this account works as; "" for none."""
    session: str = ""
    must_change: bool = False
    """The password was given by somebody else: nothing but changing it is allowed."""
    expires: float = 0.0
    serial: int = 0
    """The number of the token among those of this start."""


ApiRequest: TypeAlias = Request[Principal | None, None, State]
ApiSocket: TypeAlias = WebSocket[Principal | None, None, State]
Caller: TypeAlias = NamedDependency[Principal]
"""Type of a handler's parameter `principal`; only for routes that need a token."""


def principal_of(request: ApiRequest) -> Principal:
    """Provides `principal`; a route that asks for it and is open to everybody is a programming error."""
    principal = request.user
    assert principal is not None
    return principal
