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
    # agents and groups
    "GET /agents": DESK,
    "GET /agents/{agent}": DESK,
    "POST /agents/{agent}/sign-in": DESK,
    "POST /agents/{agent}/sign-out": DESK,
    "POST /agents/{agent}/state": DESK,
    "POST /agents/{agent}/wrap-up-done": DESK,
    "GET /agents/{agent}/settings": SUPERVISORS,
    "PUT /agents/{agent}/settings": ADMINS,
    "DELETE /agents/{agent}/settings": ADMINS,
    "GET /groups": DESK,
    "GET /groups/{group}": DESK,
    "GET /groups/{group}/queue": DESK,
    "GET /groups/{group}/settings": SUPERVISORS,
    "PUT /groups/{group}/settings": ADMINS,
    "DELETE /groups/{group}/settings": ADMINS,
    "GET /skills": DESK,
    "GET /callbacks": DESK,
    "GET /callbacks/{callback}": DESK,
    "DELETE /callbacks/{callback}": SUPERVISORS,
    # calls
    "GET /calls": DESK,
    "POST /calls": DESK,
    "GET /calls/{call}": DESK,
    "POST /calls/{call}/commands": DESK,
    "POST /parked/{slot}/take": DESK,
    "GET /calls/{call}/trace": SUPERVISORS,
    "GET /records": ANYBODY,
    "GET /records/export": RECORDS,
    "GET /records/{call}": ANYBODY,
    "POST /records/{call}/reveal": ADMINS,
    "GET /records/{call}/trace": RECORDS,
    "GET /records/{call}/remarks": ANYBODY,
    "POST /records/{call}/remarks": DESK,
    "DELETE /records/{call}/remarks/{remark}": DESK,
    "POST /contacts/find": RECORDS,
    "GET /contacts/{contact}": ANYBODY,
    "GET /my/calls": DESK,
    "DELETE /my/calls/{call}": DESK,
    "GET /recordings": RECORDS,
    "GET /recordings/{recording}": RECORDS,
    "GET /recordings/{recording}/audio": RECORDS,
    "DELETE /recordings/{recording}": ADMINS,
    "GET /voicemail": DESK,
    "GET /voicemail/{message}": DESK,
    "GET /voicemail/{message}/audio": DESK,
    "PUT /voicemail/{message}/state": DESK,
    "DELETE /voicemail/{message}": DESK,
    # what is configured
    "GET /masks": SUPERVISORS,
    "POST /masks": ADMINS,
    "POST /masks/import": ADMINS,
    "GET /masks/refusals": SUPERVISORS,
    "POST /masks/refusals": ADMINS,
    "GET /masks/{binding}": SUPERVISORS,
    "POST /masks/{binding}/unbind": ADMINS,
    "POST /masks/{binding}/disable": ADMINS,
    "POST /masks/{binding}/enable": ADMINS,
    "GET /pools": SUPERVISORS,
    "GET /pools/{pool}": SUPERVISORS,
    "POST /pools/{pool}/numbers": ADMINS,
    "POST /pools/retire": ADMINS,
    "GET /flows": SUPERVISORS,
    "POST /flows/check": ADMINS,
    "POST /flows/activate": ADMINS,
    "GET /trunks": SUPERVISORS,
    "GET /trunks/{trunk}": SUPERVISORS,
    "POST /trunks/{trunk}/disable": ADMINS,
    "POST /trunks/{trunk}/enable": ADMINS,
    "POST /trunks/{trunk}/gateways/{gateway}/disable": ADMINS,
    "POST /trunks/{trunk}/gateways/{gateway}/enable": ADMINS,
    "POST /trunks/reload": ADMINS,
    "GET /registrations": SUPERVISORS,
    "DELETE /registrations/{account}": ADMINS,
    "GET /status": DESK,
    # accounts of others, and what was done
    "GET /users": ADMINS,
    "POST /users": ADMINS,
    "GET /users/{user}": ADMINS,
    "PATCH /users/{user}": ADMINS,
    "DELETE /users/{user}": ADMINS,
    "POST /users/{user}/password": ADMINS,
    "GET /audit": READERS,
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
