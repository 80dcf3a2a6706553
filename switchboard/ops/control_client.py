"""The other end of the control socket, for the command line."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec


class NotRunning(Exception):  # noqa: N818  # a state of affairs, not a fault
    """No switch listens at this control socket."""


class Refused(Exception):  # noqa: N818
    """The switch answered that the command cannot be done; the text says why."""


def ask(path: Path, command: str, *, timeout: float = 60.0, **arguments: object) -> object:
    """Send one command to the running switch and return its result."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(str(path))
        except OSError as problem:
            raise NotRunning(f"no switch answers at {path}") from problem
        try:
            sock.sendall(msgspec.json.encode({"command": command, **arguments}) + b"\n")
            with sock.makefile("rb") as stream:
                line = stream.readline()
        except OSError as problem:
            raise Refused(f"no answer within {timeout:g} s") from problem
    if not line:
        raise Refused("the switch closed the connection without an answer")
    answer = msgspec.json.decode(line, type=dict[str, object])
    if answer.get("ok") is not True:
        raise Refused(str(answer.get("error")))
    return answer.get("result")
