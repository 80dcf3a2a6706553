"""`switchboard registrations` against the commands of a switch in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchboard.calls import registered
from switchboard.ops.control import ControlServer
from switchboard.registration_control import registration_commands
from switchboard.registrations_cli import app
from switchboard.store.store import CONTROL_NAME
from tests.support.exchange import World
from tests.unit.calls.test_registration import register
from tests.unit.calls.test_two_phones import register as register_second

CONTACT = "sip:alice@127.0.0.4:5080"


async def run(tmp_path: Path, world: World, *arguments: str) -> tuple[int, str]:
    """The status and the output of the command."""
    config = tmp_path / "switch.yaml"
    config.write_text(f"store: {{directory: {tmp_path}}}\n")
    server = ControlServer(
        tmp_path / CONTROL_NAME, registration_commands(world.exchange, lambda step: step(world.now), lambda: world.now)
    )
    await server.start()
    try:
        done = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--config", str(config)])
    finally:
        await server.close()
    return done.exit_code, done.output


@pytest.fixture
def world() -> World:
    """Alice has two phones."""
    world = World()
    register(world, world.phone)
    register_second(world, world.agent, ";q=0.5")
    return world


async def test_listed(tmp_path: Path, world: World) -> None:
    """Where each phone is, and how many there are in all."""
    status, output = await run(tmp_path, world, "list")
    assert status == 0
    assert "127.0.0.4:5080/udp" in output
    assert "127.0.0.3:5190/udp" in output
    assert "2 phones of 1 accounts in all" in output
    _, output = await run(tmp_path, world, "list", "--after", "alice@switchboard.local")
    assert output == "no phone is registered\n"
    _, output = await run(tmp_path, world, "list", "--format", "json")
    assert '"expires_in":600.0' in output.replace(" ", "")


async def test_more_than_is_told_at_once(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for in pieces, so that calls wait for none of it; never more than are wanted."""
    monkeypatch.setattr(registered, "MOST", 2)
    (binding, _) = world.exchange.registrar.bindings("alice@switchboard.local", world.now)
    for name in ("bob", "carl", "dave", "erin"):
        world.exchange.registrar.restore(f"{name}@switchboard.local", [binding])
    for limit, accounts in (("4", 4), ("3", 3), ("100", 5)):
        _, output = await run(tmp_path, world, "list", "--limit", limit)
        assert [name for name in ("alice", "bob", "carl", "dave", "erin") if f"{name}@" in output] == [
            "alice", "bob", "carl", "dave", "erin",
        ][:accounts]  # fmt: skip


async def test_shown(tmp_path: Path, world: World) -> None:
    """One account, by its name or its address."""
    for name in ("alice", "alice@switchboard.local"):
        status, output = await run(tmp_path, world, "show", name)
        assert status == 0
        assert CONTACT in output
        assert "q        0.5" in output
    status, output = await run(tmp_path, world, "show", "bob")
    assert (status, "no phone of bob is registered" in output) == (1, True)


async def test_removed(tmp_path: Path, world: World) -> None:
    """One of them, the rest, and then there is none; the queue engine is told."""
    status, output = await run(tmp_path, world, "remove", "alice", "--contact", CONTACT)
    assert (status, output) == (0, "1 phone of alice no longer registered\n")
    status, _ = await run(tmp_path, world, "remove", "alice", "--contact", CONTACT)
    assert status == 1
    status, _ = await run(tmp_path, world, "remove", "alice")
    assert (status, len(world.exchange.registrar)) == (0, 0)


async def test_no_switch(tmp_path: Path) -> None:
    """It says what is missing."""
    config = tmp_path / "switch.yaml"
    config.write_text(f"store: {{directory: {tmp_path}}}\n")
    done = await asyncio.to_thread(CliRunner().invoke, app, ["list", "--config", str(config)])
    assert done.exit_code == 1
    assert "is it running on this store?" in done.output
