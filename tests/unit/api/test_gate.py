"""What every request meets before its handler."""

from __future__ import annotations

from litestar import Litestar
from litestar.testing import TestClient


def test_what_is_not_there_is_a_problem(client: TestClient[Litestar]) -> None:
    """404 and 405 are problem documents, with the headers of every answer."""
    answer = client.get("/nope")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["type"] == "/docs#not-found"
    assert answer.headers["x-content-type-options"] == "nosniff"
    answer = client.post("/health")
    assert (answer.status_code, answer.json()["type"]) == (405, "/docs#method-not-allowed")
    assert set(answer.headers["allow"].split(", ")) == {"GET", "OPTIONS"}
