"""What every request meets before its handler."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from switchboard.api.app import build_api
from switchboard.api.services import Services
from switchboard.ops.health import Health
from switchboard.ops.metrics import Metrics
from switchboard.ops.web import build_pages
from tests.support.api_switch import api_switch
from tests.unit.api.test_refusals import whole_api


def test_what_is_not_there_is_a_problem(client: TestClient[Litestar]) -> None:
    """404 and 405 are problem documents, with the headers of every answer."""
    answer = client.get("/nope")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["type"] == "/docs#not-found"
    assert answer.headers["x-content-type-options"] == "nosniff"
    answer = client.post("/health")
    assert (answer.status_code, answer.json()["type"]) == (405, "/docs#method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "OPTIONS"}


@pytest.mark.parametrize(
    ("host", "sent", "status"),
    [
        ("127.0.0.1", "", 200),
        ("::1", "", 200),
        ("10.0.0.7", "", 403),
        ("10.0.0.7", "Bearer wrong", 403),
        ("10.0.0.7", "Bearer scraper", 200),
    ],
)
async def test_metrics_are_for_this_host_and_for_the_token(
    services: Services, host: str, sent: str, status: int
) -> None:
    """Without a token in the configuration nobody else gets them, whatever they send; health is open."""
    headers = {"Authorization": sent} if sent else {}
    for token in ("scraper", ""):
        app = build_api(services, [], beside=[build_pages(Metrics(), Health(), token)])
        transport = httpx.ASGITransport(app=app, client=(host, 5))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://switch") as client:
            expected = status if token or host != "10.0.0.7" else 403
            assert (await client.get("/metrics", headers=headers)).status_code == expected
            assert (await client.get("/health")).status_code == 200


def test_what_a_client_knows_is_not_sent_again(tmp_path: Path) -> None:
    """304 without a body for the ETag of an object of the configuration, until it has changed."""
    with api_switch(tmp_path) as switch, TestClient(whole_api(switch)) as client:
        headers = switch.headers("admin")
        path = "/api/v1/groups/sales/settings"
        first = client.get(path, headers=headers)
        for tags in (first.headers["etag"], f'"x", W/{first.headers["etag"]}'):
            again = client.get(path, headers={**headers, "If-None-Match": tags})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        changed = {**first.json()["group"], "wrap_up": 9.0}
        put = client.put(path, json=changed, headers={**headers, "If-Match": first.headers["etag"]})
        assert put.status_code == 200, put.text
        again = client.get(path, headers={**headers, "If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.json()["group"]["wrap_up"]) == (200, 9.0)
        assert client.get("/api/v1/status", headers={**headers, "If-None-Match": '"1"'}).status_code == 200
