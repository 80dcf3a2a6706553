"""Every operation of the API has a method of the client, and no method asks for what is not there."""

from __future__ import annotations

import inspect
import re
from typing import Any

import msgspec
import pytest

from routing.acd.model import Agent, Group
from switchboard.api.bodies import MaskBody, PoolBody, UserChange
from switchboard.api.roles import OPERATIONS, PREFIX
from switchboard.calls.commands import Hold
from switchboard.client import Client
from switchboard.client.session import Answer

BY_SESSION = {f"POST {PREFIX}/auth/{name}" for name in ("login", "refresh", "logout", "password")} | {
    f"GET {PREFIX}/auth/me"
}
"""Asked by the session itself."""
ELSEWHERE = {f"WEBSOCKET {PREFIX}/events"} | {
    f"POST {PREFIX}/auth/{name}" for name in ("totp", "totp/confirm", "totp/disable")
}  # fmt: skip
"""The event stream; the second factor is set up by people."""

VALUES: dict[str, Any] = {
    "put:agents": Agent(id="x", phone="aor:x"),
    "put:groups": Group(name="x"),
    "command": Hold(),
    "bind": MaskBody(),
    "add_numbers": PoolBody(numbers=[]),
    "change": UserChange(),
    "load": b"",
    "version": 1,
}


def arguments(part: str, name: str, method: Any) -> dict[str, Any]:
    """Something for each parameter that must be given."""
    found = {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.default is not inspect.Parameter.empty:
            continue
        keys = (f"{name}:{part}", parameter.name, name if parameter.name in ("body", "data") else "")
        found[parameter.name] = next((VALUES[key] for key in keys if key in VALUES), "x")
    return found


async def asked_by_all_methods(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the client's methods ask for, called one by one; nothing is sent."""
    asked: set[str] = set()

    async def request(method: str, path: str, **more: Any) -> Answer:
        asked.add(f"{method} {path}")
        raise msgspec.ValidationError

    async with Client("http://127.0.0.1:9") as client:
        monkeypatch.setattr(client.session, "request", request)
        for part, group in vars(client).items():
            if part == "session":
                continue
            for name, method in inspect.getmembers(group, inspect.iscoroutinefunction):
                if not name.startswith("_"):
                    with pytest.raises(msgspec.ValidationError):
                        await method(**arguments(part, name, method))
    return asked


async def test_client_and_api_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways."""
    asked = await asked_by_all_methods(monkeypatch)
    wanted = {operation for operation in OPERATIONS if PREFIX in operation} - BY_SESSION - ELSEWHERE
    patterns = {operation: re.sub(r"\{[^}]*\}", "[^/]+", operation.replace(PREFIX, "")) for operation in wanted}
    unknown = {one for one in asked if not any(re.fullmatch(pattern, one) for pattern in patterns.values())}
    assert unknown == set()
    missing = {
        operation for operation, pattern in patterns.items() if not any(re.fullmatch(pattern, one) for one in asked)
    }
    assert missing == set()
