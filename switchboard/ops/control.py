"""Commands to the running switch over a Unix socket: one JSON object a line each way, for its owner only."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from switchboard.ops.log import get_logger

LONGEST_LINE: Final = 64 * 1024
CONNECTIONS: Final = 16
IDLE: Final = 10.0
"""Seconds that a client may take for a line."""

PATIENCE: Final = 60.0
"""Seconds that a command may take."""

Command = Callable[[Mapping[str, object]], object | Awaitable[object]]


class CommandError(Exception):
    """A command that cannot be done; its text is shown to the person who asked."""


class ControlServer:
    """Answers the registered commands; a command that fails harms nobody but its client."""

    def __init__(self, path: Path, commands: Mapping[str, Command]) -> None:
        self._path = path
        self._commands = dict(commands)
        self._server: asyncio.AbstractServer | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._closing = False

    async def start(self) -> None:
        """Listen; the socket is ours alone before anybody can connect."""
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.bind(str(self._path))
            self._path.chmod(0o600)
            self._server = await asyncio.start_unix_server(self._accept, sock=sock, limit=LONGEST_LINE)
        except BaseException:
            sock.close()
            raise

    async def close(self) -> None:
        """Take no more commands and remove the socket."""
        self._closing = True
        if self._server is None:
            return
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        self._server = None
        self._path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._closing or len(self._clients) >= CONNECTIONS:
            writer.close()
            return
        self._clients.add(task)
        try:
            await self._converse(reader, writer)
        except (TimeoutError, OSError, asyncio.CancelledError):
            pass  # the client is gone or too slow, or we are closing: nobody is left to answer
        finally:
            self._clients.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), IDLE)
            except ValueError:
                await _reply(writer, {"ok": False, "error": f"a line has at most {LONGEST_LINE} octets"})
                return
            if not line.endswith(b"\n"):
                return
            await _reply(writer, await self._answer(line))

    async def _answer(self, line: bytes) -> dict[str, object]:
        try:
            request = msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {"ok": False, "error": 'expected a line such as {"command": "status"}'}
        name = request.get("command")
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            return {"ok": False, "error": f"unknown command; there are {', '.join(sorted(self._commands))}"}
        try:
            result = command(request)
            if inspect.isawaitable(result):
                result = await asyncio.wait_for(result, PATIENCE)
            return {"ok": True, "result": msgspec.to_builtins(result)}
        except CommandError as problem:
            return {"ok": False, "error": str(problem)}
        except TimeoutError:
            return {"ok": False, "error": f"not done within {PATIENCE:.0f} s"}
        except Exception as problem:  # noqa: BLE001  # the boundary: a broken command must not end the switch
            get_logger().error("control.failed", command=name, exc_info=problem)
            return {"ok": False, "error": f"failed ({type(problem).__name__}); the log has the details"}


async def _reply(writer: asyncio.StreamWriter, answer: dict[str, object]) -> None:
    with contextlib.suppress(ConnectionError):
        writer.write(msgspec.json.encode(answer) + b"\n")
        await asyncio.wait_for(writer.drain(), IDLE)
