"""What clients are told when something is wrong: never more than they should know, and always as a problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, get_args

import msgspec
import pytest
import structlog
from litestar import Litestar, Router, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.testing import TestClient
from sqlalchemy.exc import OperationalError

from switchboard.api import roles
from switchboard.api.app import build_api
from switchboard.api.audit_trail import AuditFullError
from switchboard.api.principal import Caller
from switchboard.api.problems import KINDS, ApiError
from switchboard.api.services import Services
from switchboard.api.types import Role
from switchboard.calls.commands import CommandError, Fault

Client = TestClient[Litestar]


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A member of the body."""

    level: int
    names: list[str] = []


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """A body with members in members."""

    inner: Inner
    more: dict[str, Inner] = {}
    many: list[Inner] = []


@post("/try", status_code=200, sync_to_thread=False)
def take(data: JSONBody[Body], principal: Caller, limit: FromQuery[int] = 5) -> str:
    """Takes a body."""
    return principal.name


@get("/try/{what:str}", sync_to_thread=False)
def fail(what: FromPath[str]) -> str:
    """Fails as it is told."""
    if what == "unexpected":
        raise RuntimeError("a secret of the house")
    if what == "locked":
        raise OperationalError("insert", {}, Exception("database is locked"))
    if what == "unaudited":
        raise AuditFullError
    if what in STATUS:
        raise CommandError(what, "Do it otherwise.")
    raise ApiError("invalid", "Not like this.")


@pytest.fixture
def client(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Asks an API of two routes."""
    lines = {"POST /api/v1/try": roles.DESK, "GET /api/v1/try/{what}": roles.DESK}
    monkeypatch.setattr("switchboard.api.gate.OPERATIONS", lines)
    app = build_api(services, [Router("/", route_handlers=[take, fail])])
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ask(client: Client, token: Callable[[Role], str]) -> Callable[..., Any]:
    """Sends a request with a token; the answer must be a problem, which is returned with its status."""

    def send(method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token('admin')}", **more.pop("headers", {})}
        answer = client.request(method, f"/api/v1{path}", headers=headers, **more)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["title"] == KINDS[problem["type"].removeprefix("/docs#")][1]
        return answer.status_code, problem

    return send


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"inner": {"level": "x"}}, "/inner/level", "Expected `int`, got `str`"),
        ({"inner": {"level": 1, "names": ["a", 5]}}, "/inner/names/1", "Expected `str`, got `int`"),
        (
            {"inner": {"level": 1}, "many": [{"level": 1}, {"level": None}]},
            "/many/1/level",
            "Expected `int`, got `null`",
        ),
        ({"inner": {"level": 1}, "more": {"x": {"level": []}}}, "/more", "Expected `int`, got `array`"),
        ({"inner": {"level": 1, "other": 2}}, "/inner", "Object contains unknown field `other`"),
        ({"inner": {}}, "/inner", "Object missing required field `level`"),
        ({}, "", "Object missing required field `inner`"),
        ([], "", "Expected `object`, got `array`"),
    ],
)
def test_a_wrong_body_is_pointed_at(ask: Callable[..., Any], body: Any, pointer: str, detail: str) -> None:
    """400 with a JSON pointer to the place."""
    status, problem = ask("POST", "/try", json=body)
    assert (status, problem["errors"]) == (400, [{"pointer": pointer, "detail": detail}])


def test_a_wrong_parameter_is_named(ask: Callable[..., Any]) -> None:
    """400 with its name."""
    _, problem = ask("POST", "/try?limit=many", json={"inner": {"level": 1}})
    assert problem["errors"] == [{"parameter": "limit", "detail": "Expected `int`, got `str`"}]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"inner": NaN}', b"[" * 100_000, b"nul", b'"\\ud800"'])
def test_a_body_that_is_no_json(ask: Callable[..., Any], content: bytes) -> None:
    """400, whatever it is instead."""
    status, _ = ask("POST", "/try", content=content, headers={"Content-Type": "application/json"})
    assert status == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_a_body_of_another_media_type(ask: Callable[..., Any], kind: str) -> None:
    """415: a form of some web page cannot send commands."""
    status, _ = ask("POST", "/try", content=b"{}", headers={"Content-Type": kind} if kind else {})
    assert status == 415


def test_a_body_that_is_too_large(ask: Callable[..., Any], services: Services) -> None:
    """413, also when its size was not announced."""
    large = b'{"inner": "' + b"x" * services.limits.body + b'"}'
    headers = {"Content-Type": "application/json"}
    assert ask("POST", "/try", content=large, headers=headers)[0] == 413
    assert ask("POST", "/try", content=iter([large[:1000], large[1000:]]), headers=headers)[0] == 413


STATUS: dict[Fault, int] = {
    "no_call": 404,
    "not_yours": 403,
    "wrong_state": 409,
    "no_target": 404,
    "busy": 409,
    "unreachable": 422,
    "congestion": 503,
    "forbidden": 403,
    "invalid": 422,
}


@pytest.mark.parametrize("fault", get_args(Fault))
def test_a_command_that_cannot_be_done(ask: Callable[..., Any], fault: Fault) -> None:
    """Each fault has its status and its kind, and says what to do."""
    status, problem = ask("GET", f"/try/{fault}")
    assert (status, problem["detail"]) == (STATUS[fault], "Do it otherwise.")
    assert problem["type"] == f"/docs#{fault.replace('_', '-')}"


def test_a_fault_of_ours_is_logged_and_tells_nothing(
    services: Services, monkeypatch: pytest.MonkeyPatch, token: Callable[[Role], str]
) -> None:
    """500 without a word of what it was; it is counted, and in the log with its route."""
    from dataclasses import replace

    failures: list[int] = []
    monkeypatch.setattr("switchboard.api.gate.OPERATIONS", {"GET /api/v1/try/{what}": roles.DESK})
    counting = replace(services, failed=lambda: failures.append(1))
    app = build_api(counting, [Router("/", route_handlers=[fail])])
    with structlog.testing.capture_logs() as logs, TestClient(app, raise_server_exceptions=False) as client:
        headers = {"Authorization": f"Bearer {token('admin')}"}
        answer = client.get("/api/v1/try/unexpected", headers=headers)
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "/docs#internal", "title": "Something went wrong in the switch", "status": 500,
        "detail": "It is in the log of the switch.",
    }  # fmt: skip
    assert failures == [1]
    (line,) = logs
    assert (line["event"], line["route"], str(line["exc_info"])) == (
        "api.failed", "/api/v1/try/{what}", "a secret of the house",
    )  # fmt: skip
    assert counting.answers["500"] == 1


@pytest.mark.parametrize("what", ["locked", "unaudited"])
def test_a_store_that_cannot_be_written(ask: Callable[..., Any], what: str) -> None:
    """503, since it is worth another try, with the warning that it may have been done; the log has the reason."""
    with structlog.testing.capture_logs() as logs:
        status, problem = ask("GET", f"/try/{what}")
    assert (status, problem["type"]) == (503, "/docs#unavailable")
    assert "whether it was done" in problem["detail"]
    assert [line["event"] for line in logs] == ["api.store_failed"]


@pytest.mark.parametrize("path", ["/api/v1/try/a%00b", "/api/v1/try/%ff", "/api/v1/..%2f..%2fetc", "/api/v1/try/a/b"])
def test_odd_paths(client: Client, token: Callable[[Role], str], path: str) -> None:
    """They are somebody's name or nothing at all, never a fault of ours."""
    answer = client.get(path, headers={"Authorization": f"Bearer {token('admin')}"})
    assert answer.status_code in (404, 422)


def test_other_pages_may_not_read_answers(client: Client, token: Callable[[Role], str]) -> None:
    """No CORS header, whatever the origin; a browser's question beforehand gets none either."""
    headers = {"Authorization": f"Bearer {token('admin')}", "Origin": "https://elsewhere.example"}
    for answer in (
        client.get("/api/v1/try/x", headers=headers),
        client.options("/api/v1/try", headers={**headers, "Access-Control-Request-Method": "POST"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cache-control"] == "no-store"


def test_who_asks_too_often_waits(client: Client, services: Services, token: Callable[[Role], str]) -> None:
    """By account; another account is not held up. Guessing tokens is held up by address."""
    headers = {"Authorization": f"Bearer {token('admin')}"}
    answers = [client.get("/api/v1/try/x", headers=headers) for _ in range(510)]
    assert [answer.status_code for answer in answers[499:501]] == [422, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert client.get("/api/v1/try/x", headers={"Authorization": f"Bearer {token('agent')}"}).status_code == 422
    guesses = [client.get("/api/v1/try/x", headers={"Authorization": "Bearer x"}).status_code for _ in range(210)]
    assert guesses.count(401) == 200
    assert guesses[-1] == 429
