"""Registrations outlive the process, and a database that fails harms no phone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from switchboard.registrations import KeptRegistrations
from switchboard.store.database import Database
from switchboard.store.registrations import RegistrationRepository
from tests.support.exchange import Team, World, staff
from tests.unit.calls.test_registration import register

AOR = "alice@switchboard.local"


class Kept:
    """A database, what was said of it, and what keeps the registrations of a world in it."""

    def __init__(self, path: Path) -> None:
        self.repository = RegistrationRepository(Database(path))
        self.told: list[str] = []

    def of(self, world: World) -> KeptRegistrations:
        """For this world; all worlds have one clock."""
        return KeptRegistrations(
            world.exchange, self.repository, 0.0, lambda event, **values: self.told.append(event), lambda: world.now
        )


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """An empty database."""
    return Kept(tmp_path / "switchboard.db")


def test_another_process_takes_over(kept: Kept) -> None:
    """A phone can be called at once, calls from it are those of a phone, and its agent is there."""
    first = World()
    register(first, first.phone)
    asyncio.run(kept.of(first).close())
    second = World()
    assert kept.of(second).restore(second.now) == 1
    assert second.exchange.registrar.lookup(AOR, second.now) == first.exchange.registrar.lookup(AOR, first.now)
    assert second.exchange.phones.owner(second.phone.address, second.now) == AOR
    team = Team("sales", ("aor:alice",))
    second.desk.load(staff([team]), [team.group()], second.now)
    assert second.queues.agents["alice"].state == "idle"
    second.dial("4007")
    assert len(second.phone.received("INVITE")) == 1


def test_what_is_left_out(kept: Kept) -> None:
    """What has expired meanwhile, and accounts that are no more; their rows go."""
    first = World()
    register(first, first.phone)
    held = first.exchange.registrar.bindings(AOR, first.now)
    kept.repository.write({AOR: held, "nobody@switchboard.local": held, "alice@elsewhere": held}, 0.0)
    late = World()
    late.now += 3700
    assert kept.of(late).restore(late.now) == 0
    world = World()
    keeper = kept.of(world)
    assert keeper.restore(world.now) == 1
    asyncio.run(keeper.close())
    assert [aor for aor, _ in kept.repository.read(0.0)] == [AOR]


def test_a_registration_that_ends(kept: Kept) -> None:
    """It is not there any more for the next process."""
    world = World()
    register(world, world.phone)
    keeper = kept.of(world)
    asyncio.run(keeper.close())
    world.exchange.registrar.forget(AOR)
    asyncio.run(keeper.close())
    assert kept.of(World()).restore(1000.0) == 0


def test_a_database_that_fails(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """Phones register all the same; it is said once, and written when the database is back."""
    world = World()
    keeper = kept.of(world)
    broken = True
    write = kept.repository.write

    def fail(*values: object) -> None:
        if broken:
            raise OperationalError("", {}, Exception("disk"))
        write(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(kept.repository, "write", fail)
    register(world, world.phone)
    for _ in range(3):
        asyncio.run(keeper.close())
    assert (kept.told, keeper.failures) == (["registrations.not_kept"], 3)
    assert world.phone.statuses == [401, 200]
    broken = False
    asyncio.run(keeper.close())
    assert kept.of(World()).restore(1000.0) == 1


def test_a_database_that_cannot_be_read(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch starts without what was known."""

    def fail(offset: float) -> None:
        raise OperationalError("", {}, Exception("disk"))

    monkeypatch.setattr(kept.repository, "read", fail)
    assert kept.of(World()).restore(1000.0) == 0
    assert kept.told == ["registrations.not_read"]


async def test_written_again_and_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watch writes what has changed since, in pieces, until it is cancelled."""
    monkeypatch.setattr("switchboard.registrations.PERIOD", 0.0)
    world = World()
    task = asyncio.create_task(kept.of(world).watch())
    try:
        register(world, world.phone)
        async with asyncio.timeout(5):
            while not list(kept.repository.read(0.0)):
                await asyncio.sleep(0.01)
    finally:
        task.cancel()
