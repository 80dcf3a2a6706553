"""A configuration with a store, and the commands run on it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from routing.masks.secret import RealNumber, Vault
from switchboard.store.database import Database
from switchboard.store.keys import load_vault
from switchboard.store.store import CONTROL_NAME, DATABASE_NAME

MARKED = "13956781234"
CONFIG = """\
trunks: [{{name: carrier, from: [127.0.0.1], to: "127.0.0.1:5070"}}]
accounts: [{{user: alice, password: "secret"}}]
groups: [{{name: support, members: ["aor:alice"]}}]
numbers: [{{number: "4008001234", flow: extension}}]
store: {{directory: "{store}"}}
"""


class World:
    """A configuration and its store; no output of a command holds the marked number."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = directory / "var"
        self.config = directory / "switch.yaml"
        self.config.write_text(CONFIG.format(store=self.store))
        self.store.mkdir()
        self.database = Database(self.store / DATABASE_NAME)

    @property
    def vault(self) -> Vault:
        """The keys of the store."""
        return load_vault(self.store, self.database)

    def fingerprint(self, number: str) -> bytes:
        """What the store knows a number by."""
        return self.vault.fingerprint(RealNumber(number))

    def run(self, app: typer.Typer, *arguments: str, given: str = "", shows: bool = False) -> Result:
        """Run a command with the configuration; `shows` allows the marked number in its output."""
        result = CliRunner().invoke(app, [*arguments, "--config", str(self.config)], input=given)
        if not shows:
            assert MARKED[3:] not in result.output.replace(" ", "")
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty store."""
    world = World(tmp_path)
    yield world
    world.database.close()


@pytest.fixture
def switch(world: World) -> Iterator[Callable[[bytes], list[dict[str, object]]]]:
    """Starts a switch's control socket that gives one answer to every line, and returns the list of what it got."""
    got: list[dict[str, object]] = []
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    threads: list[threading.Thread] = []

    def start(answer: bytes) -> list[dict[str, object]]:
        server.bind(str(world.store / CONTROL_NAME))
        server.listen()
        server.settimeout(10)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as lines:
                    line = lines.readline()
                    if not line:
                        return
                    got.append(json.loads(line))
                    connection.sendall(answer)

        threads.append(threading.Thread(target=serve))
        threads[0].start()
        return got

    yield start
    if threads:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
            last.connect(str(world.store / CONTROL_NAME))
        threads[0].join(10)
    server.close()
