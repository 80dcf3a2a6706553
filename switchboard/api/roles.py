"""Who may do what: every operation of the API has its line here, and one without is refused to everybody.

Agents see and command what is theirs, supervisors every call and queue, admins also the configuration; auditors read
records and the log of commands and nothing else. What of an operation's answer a role may see (numbers in clear,
other people's calls) the handler decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from switchboard.api.types import Role

Roles: TypeAlias = frozenset[Role]

OPEN: Final[Roles] = frozenset()
"""No token is asked for."""
ANYBODY: Final[Roles] = frozenset(("agent", "supervisor", "admin", "auditor"))
DESK: Final[Roles] = frozenset(("agent", "supervisor", "admin"))
SUPERVISORS: Final[Roles] = frozenset(("supervisor", "admin"))
RECORDS: Final[Roles] = frozenset(("supervisor", "admin", "auditor"))
ADMINS: Final[Roles] = frozenset(("admin",))
READERS: Final[Roles] = frozenset(("admin", "auditor"))

PREFIX: Final = "/api/v1"

_OPERATIONS: Final[Mapping[str, Roles]] = {
    # accounts
    "POST /auth/login": OPEN,
    "POST /auth/refresh": OPEN,
    "POST /auth/logout": ANYBODY,
    "GET /auth/me": ANYBODY,
    "POST /auth/password": ANYBODY,
    "POST /auth/totp": ANYBODY,
    "POST /auth/totp/confirm": ANYBODY,
    "POST /auth/totp/disable": ANYBODY,
    # what happens
    "WEBSOCKET /events": DESK,
}  # fmt: skip

OUTSIDE: Final[Mapping[str, Roles]] = {
    "GET /health": OPEN,
    # Answers by its own rule: to this host, or for the token of the configuration.
    "GET /metrics": OPEN,
    # The same for every installation of a version.
    "GET /docs": OPEN,
    "GET /docs/openapi.json": OPEN,
}
"""What is served beside the API proper."""

OPERATIONS: Final[Mapping[str, Roles]] = {
    **{operation.replace(" ", f" {PREFIX}", 1): roles for operation, roles in _OPERATIONS.items()},
    **OUTSIDE,
}
"""By `METHOD /path/{parameter}`."""

WITH_GIVEN_PASSWORD: Final = frozenset(
    f"{method} {PREFIX}/auth/{name}" for method, name in (("GET", "me"), ("POST", "password"), ("POST", "logout"))
)
"""What an account may do whose password was given by somebody else and not changed yet."""
