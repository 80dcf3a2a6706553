"""The API over a real store in a temporary directory, without calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from switchboard.api.access_tokens import AccessTokens
from switchboard.api.app import build_api
from switchboard.api.audit_trail import AuditTrail
from switchboard.api.auth import auth_router
from switchboard.api.lockout import Lockout
from switchboard.api.pace import Pace
from switchboard.api.principal import Principal
from switchboard.api.services import RATES, Services
from switchboard.api.sign_in import SignIn
from switchboard.api.types import Role
from switchboard.ops.health import Health
from switchboard.ops.metrics import Metrics
from switchboard.ops.web import build_pages
from switchboard.store.audit import AuditLog
from switchboard.store.database import Database
from switchboard.store.keys import load_vault
from switchboard.store.tokens import RefreshTokenRepository
from switchboard.store.users import UserRepository

BEGIN = 1_750_000_000.0


class FakeClock:
    """Seconds that pass when told to."""

    def __init__(self, now: float = BEGIN) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return the seconds now."""
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    """The clock of tokens and limits."""
    return FakeClock()


@pytest.fixture
def services(tmp_path: Path, clock: FakeClock) -> Iterator[Services]:
    """What the API needs, over a real database."""
    database = Database(tmp_path / "switchboard.db")
    vault = load_vault(tmp_path, database)
    yield Services(
        users=UserRepository(database),
        refresh_tokens=RefreshTokenRepository(database, vault),
        audit=AuditLog(database),
        vault=vault,
        run=lambda step: step(clock()),
        tokens=AccessTokens(clock, b"k" * 32),
        clock=clock,
        utc=clock,
        pace=Pace(clock, RATES),
        lockout=Lockout(clock),
    )
    database.close()


@pytest.fixture
def sign_in(services: Services) -> SignIn:
    """Accounts, without the pause after a wrong password."""
    return SignIn(services, AuditTrail(services.audit, services.utc), wrong_seconds=0.0)


@pytest.fixture
def app(services: Services, sign_in: SignIn) -> Litestar:
    """The API with nothing but its core."""
    return build_api(services, [auth_router(sign_in)], beside=[build_pages(Metrics(), Health())])


@pytest.fixture
def client(app: Litestar) -> Iterator[TestClient[Litestar]]:
    """A client of it; a failing handler is answered, as in operation."""
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def token(services: Services) -> Callable[[Role], str]:
    """Gives an access token of a role."""

    def issue(role: Role) -> str:
        return services.tokens.issue(Principal(id=f"id-{role}", name=role, role=role, session="s"))

    return issue
