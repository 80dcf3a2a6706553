"""Clients of every role of a switch in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.support.api_switch import ApiSwitch, Client, api_switch


@pytest.fixture
def switch(tmp_path: Path) -> Iterator[ApiSwitch]:
    """The switch."""
    with api_switch(tmp_path) as switch:
        yield switch


@pytest.fixture
def http(switch: ApiSwitch) -> Iterator[TestClient[Litestar]]:
    """Whoever asks without a token; a handler that fails is answered, as in operation."""
    with TestClient(switch.app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def anna(switch: ApiSwitch, http: TestClient[Litestar]) -> Client:
    """An agent of the group sales."""
    return Client(http, switch.headers("agent", "anna"))


@pytest.fixture
def carl(switch: ApiSwitch, http: TestClient[Litestar]) -> Client:
    """An agent of another group."""
    return Client(http, switch.headers("agent", "carl"))


@pytest.fixture
def boss(switch: ApiSwitch, http: TestClient[Litestar]) -> Client:
    """A supervisor."""
    return Client(http, switch.headers("supervisor"))


@pytest.fixture
def admin(switch: ApiSwitch, http: TestClient[Litestar]) -> Client:
    """An admin."""
    return Client(http, switch.headers("admin"))


@pytest.fixture
def auditor(switch: ApiSwitch, http: TestClient[Litestar]) -> Client:
    """An auditor."""
    return Client(http, switch.headers("auditor"))
