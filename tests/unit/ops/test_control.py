"""Commands over the control socket, with the client of the command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
import structlog

from switchboard.ops import control
from switchboard.ops.control import LONGEST_LINE, CommandError, ControlServer
from switchboard.ops.control_client import NotRunning, Refused, ask


def _refuse(request: Mapping[str, object]) -> object:
    raise CommandError(f"no trunk is named '{request.get('name')}'")


def _break(request: Mapping[str, object]) -> object:
    raise RuntimeError("secret 13956781234")


async def _wait_forever(request: Mapping[str, object]) -> object:
    return await asyncio.get_running_loop().create_future()


async def _reload(request: Mapping[str, object]) -> object:
    return {"loaded": 3}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Path]:
    """A server with one command of each kind."""
    path = tmp_path / "control.sock"
    path.write_text("left behind")
    commands: dict[str, control.Command] = {
        "status": lambda request: {"calls": 2},
        "reload-masks": _reload,
        "refuse": _refuse,
        "break": _break,
        "wait": _wait_forever,
        "odd": lambda request: object(),
    }
    one = ControlServer(path, commands)
    await one.start()
    yield path
    await one.close()
    assert not path.exists()


async def talk(path: Path, *lines: bytes) -> list[dict[str, object]]:
    """Send raw lines on one connection, return the answers until the server closes or all are answered."""
    reader, writer = await asyncio.open_unix_connection(path)
    answers = []
    for line in lines:
        writer.write(line)
        answer = await asyncio.wait_for(reader.readline(), 10)
        if not answer:
            break
        answers.append(json.loads(answer))
    writer.close()
    await writer.wait_closed()
    return answers


async def test_commands_return_their_results(server: Path) -> None:
    """Plain and awaited commands answer; the client hands out the result."""
    assert await asyncio.to_thread(ask, server, "status") == {"calls": 2}
    assert await asyncio.to_thread(ask, server, "reload-masks") == {"loaded": 3}


async def test_socket_is_for_its_owner(server: Path) -> None:
    """Nobody else may connect."""
    mode = os.stat(server).st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_ISSOCK(mode)


async def test_several_commands_share_a_connection(server: Path) -> None:
    """Each line has its answer, wrong ones included."""
    answers = await talk(
        server, b'{"command":"status"}\n', b"nonsense\n", b"[1]\n", b'{"command":"\xff"}\n',
        b'{"x":' + b"[" * 5_000 + b"\n", b'{"command":5}\n', b'{"command":"status"}\n',
    )  # fmt: skip
    assert [answer["ok"] for answer in answers] == [True, False, False, False, False, False, True]
    assert {str(answer["error"]) for answer in answers[1:5]} == {'expected a line such as {"command": "status"}'}
    assert str(answers[5]["error"]).startswith("unknown command; there are break, odd, refuse, reload-masks")


async def test_refusals_reach_the_person(server: Path) -> None:
    """A command that cannot be done says why in its own words."""
    with pytest.raises(Refused, match="no trunk is named 'x'"):
        await asyncio.to_thread(lambda: ask(server, "refuse", name="x"))


@pytest.mark.parametrize(("name", "error"), [("break", "RuntimeError"), ("odd", "TypeError")])
async def test_broken_commands_harm_nobody(server: Path, name: str, error: str) -> None:
    """The fault goes to the log with its details, to the client without them, and the server goes on."""
    with structlog.testing.capture_logs() as logs:
        (answer,) = await talk(server, json.dumps({"command": name}).encode() + b"\n")
    assert answer == {"ok": False, "error": f"failed ({error}); the log has the details"}
    assert [(entry["event"], entry["command"]) for entry in logs] == [("control.failed", name)]
    assert await asyncio.to_thread(ask, server, "status") == {"calls": 2}


async def test_endless_lines_are_refused(server: Path) -> None:
    """A line beyond the bound is answered and the connection closed."""

    def flood() -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(server))
            with contextlib.suppress(BrokenPipeError):
                sock.sendall(b"x" * (LONGEST_LINE * 16) + b"\n")
            return sock.recv(65536)

    answer = json.loads(await asyncio.to_thread(flood))
    assert answer == {"ok": False, "error": "a line has at most 65536 octets"}


async def test_silent_clients_are_sent_away(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends no whole line in time loses the connection."""
    monkeypatch.setattr(control, "IDLE", 0.01)
    reader, writer = await asyncio.open_unix_connection(server)
    writer.write(b'{"command":')
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()


async def test_endless_commands_are_given_up(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command has its time; the client is told."""
    monkeypatch.setattr(control, "PATIENCE", 0.01)
    (answer,) = await talk(server, b'{"command":"wait"}\n')
    assert answer["ok"] is False


async def test_clients_are_bounded(server: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound a connection is closed at once; when one leaves, another is welcome."""
    monkeypatch.setattr(control, "CONNECTIONS", 1)
    first_reader, first = await asyncio.open_unix_connection(server)
    first.write(b'{"command":"status"}\n')
    await first_reader.readline()
    second_reader, second = await asyncio.open_unix_connection(server)
    assert await asyncio.wait_for(second_reader.read(), 10) == b""
    second.close()
    first.close()
    await asyncio.gather(first.wait_closed(), second.wait_closed())
    assert len(await talk(server, b'{"command":"status"}\n')) == 1


async def test_closing_ends_waiting_clients(tmp_path: Path) -> None:
    """Stopping the switch does not wait for a client."""
    running = asyncio.Event()

    async def wait(request: Mapping[str, object]) -> object:
        running.set()
        return await _wait_forever(request)

    one = ControlServer(tmp_path / "c.sock", {"wait": wait})
    await one.start()
    reader, writer = await asyncio.open_unix_connection(tmp_path / "c.sock")
    writer.write(b'{"command":"wait"}\n')
    await running.wait()
    await asyncio.wait_for(one.close(), 10)
    await one.close()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()


def test_the_client_knows_that_nobody_listens(tmp_path: Path) -> None:
    """No socket, or one left behind, means that no switch runs."""
    with pytest.raises(NotRunning, match="no switch answers at"):
        ask(tmp_path / "none.sock", "status")
