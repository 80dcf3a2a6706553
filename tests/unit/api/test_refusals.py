"""Every operation of the API, walked: nobody gets in without a token, and nobody in a role that may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, get_args

import pytest
from litestar import Litestar, Router, get
from litestar.exceptions import WebSocketDisconnect
from litestar.routes import BaseRoute
from litestar.testing import TestClient

from switchboard.api.access_tokens import LIFETIME, AccessTokens
from switchboard.api.app import build_api
from switchboard.api.principal import Principal
from switchboard.api.roles import OPERATIONS, WITH_GIVEN_PASSWORD
from switchboard.api.services import Services
from switchboard.api.serving import SwitchApi
from switchboard.api.types import Role
from switchboard.ops.health import Health
from switchboard.ops.metrics import Metrics
from switchboard.ops.web import build_pages
from tests.support.api_switch import ApiSwitch, api_switch

ROLES: tuple[Role, ...] = get_args(Role)


def whole_api(switch: ApiSwitch) -> Litestar:
    """All that is served on the port."""
    return SwitchApi(switch.parts, wrong_seconds=0.0).build(build_pages(Metrics(), Health()))


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiSwitch]:
    """One switch for all requests, since none of them gets to it."""
    with api_switch(tmp_path_factory.mktemp("switch")) as switch:
        yield switch


@pytest.fixture(scope="module")
def client(switch: ApiSwitch) -> Iterator[TestClient[Litestar]]:
    """Asks the whole API."""
    with TestClient(whole_api(switch), raise_server_exceptions=False) as client:
        yield client


class Operation(NamedTuple):
    """One method of one path."""

    key: str
    method: str
    url: str


def operations(app: Litestar) -> list[Operation]:
    """Everything the application answers to, as its own router knows it."""
    found = []
    for route in app.routes:
        assert isinstance(route, BaseRoute)
        methods = sorted(getattr(route, "methods", None) or ("WEBSOCKET",))
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        url = re.sub(r"\{\w+:(\w+)\}", lambda found: "7" if found[1] == "int" else "x", route.path)
        # Litestar's own page for what is missing below /docs; the gate knows it not, so it is a 404.
        found += [
            Operation(f"{method} {path}", method, url)
            for method in methods
            if method not in ("OPTIONS", "HEAD") and path != "/docs/{path}"
        ]
    return found


def test_every_operation_has_its_line_and_every_line_its_operation(client: TestClient[Litestar]) -> None:
    """A route without roles would be a hole, a line without a route a rule that nobody follows."""
    assert {operation.key for operation in operations(client.app)} == set(OPERATIONS)


def refused(client: TestClient[Litestar], operation: Operation, token: str | None) -> tuple[int, str]:
    """Status and kind of the refusal; for a WebSocket its close code."""
    if operation.method == "WEBSOCKET":
        return client_closed(client, operation.url, token or "")
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = client.request(operation.method, operation.url, headers=headers)
    assert answer.headers["content-type"] == "application/problem+json", (operation.key, answer.text)
    return answer.status_code, answer.json()["type"].removeprefix("/docs#")


def client_closed(client: TestClient[Litestar], url: str, token: str) -> tuple[int, str]:
    """The close code of a WebSocket as the status it stands for, and the reason."""
    with (
        client.websocket_connect(url, subprotocols=[f"bearer.{token or 'none'}"]) as session,
        pytest.raises(WebSocketDisconnect) as end,
    ):
        session.receive_text(timeout=5)
    return end.value.code - 4000, end.value.detail


def tokens(switch: ApiSwitch) -> Iterator[tuple[str, str | None, int]]:
    """What does not let anybody in: name, token, status."""
    key = b"k" * 32
    admin = Principal(id="i", name="admin", role="admin", session="s")
    now = switch.clock()
    yield "none", None, 401
    yield "empty", "", 401
    yield "garbage", "garbage", 401
    yield "expired", AccessTokens(lambda: now - LIFETIME - 1, key).issue(admin), 401
    yield "another switch's", AccessTokens(lambda: now, b"x" * 32).issue(admin), 401


def test_nobody_gets_in_without_a_good_token(client: TestClient[Litestar], switch: ApiSwitch) -> None:
    """All operations but the open ones: no token, an empty one, garbage, an expired one, one of another switch."""
    tried = 0
    for operation in operations(client.app):
        if not OPERATIONS[operation.key]:
            continue
        for name, token, status in tokens(switch):
            assert refused(client, operation, token)[0] == status, (operation.key, name)
            tried += 1
    assert tried > 300


def test_nobody_gets_in_in_another_role(client: TestClient[Litestar], switch: ApiSwitch) -> None:
    """All operations, each with every role that it is not for."""
    tried = 0
    for operation in operations(client.app):
        allowed = OPERATIONS[operation.key]
        for role in ROLES if allowed else ():
            token = switch.token(role, "anna" if role == "agent" else "")
            if role not in allowed:
                assert refused(client, operation, token) == (403, "forbidden"), (operation.key, role)
                tried += 1
            elif operation.method == "GET" and not operation.url.endswith("/auth/me"):  # asks for an account
                headers = {"Authorization": f"Bearer {token}"}
                assert client.get(operation.url, headers=headers).status_code not in (401, 500), (operation.key, role)
    assert tried > 60


def test_a_given_password_opens_nothing_but_its_change(client: TestClient[Litestar], switch: ApiSwitch) -> None:
    """Even for an admin."""
    given = Principal(id="i", name="admin", role="admin", session="s", must_change=True)
    token = switch.services.tokens.issue(given)
    for operation in operations(client.app):
        if OPERATIONS[operation.key] and operation.key not in WITH_GIVEN_PASSWORD:
            assert refused(client, operation, token) == (403, "password-change-required"), operation.key
    assert set(WITH_GIVEN_PASSWORD) <= set(OPERATIONS)


def test_a_route_without_a_line_is_refused_to_everybody(services: Services) -> None:
    """Whoever forgets the table has built nothing that answers."""

    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        """Never called."""
        raise AssertionError

    app = build_api(services, [Router("/", route_handlers=[forgotten])])
    token = services.tokens.issue(Principal(id="i", name="admin", role="admin"))
    with TestClient(app) as client:
        for headers in ({}, {"Authorization": f"Bearer {token}"}):
            assert client.get("/api/v1/forgotten", headers=headers).status_code == 404
    assert "GET /api/v1/forgotten" not in OPERATIONS
