"""`switchboard certificates reload` against a control socket that answers as a switch does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchboard.certificates_cli import app
from switchboard.ops.control import CommandError, ControlServer
from switchboard.store.store import CONTROL_NAME


def renewed(request: Mapping[str, object]) -> object:
    """A switch that has taken them."""
    return {"reloaded": True}


def refused(request: Mapping[str, object]) -> object:
    """A switch that has not."""
    raise CommandError("a.pem and a.key: do not belong together; the old ones stay")


async def run(tmp_path: Path, answer: Callable[[Mapping[str, object]], object] | None) -> tuple[int, str]:
    """The status and the output of the command."""
    config = tmp_path / "switch.yaml"
    config.write_text(f"store: {{directory: {tmp_path}}}\n")
    server = ControlServer(tmp_path / CONTROL_NAME, {"reload-certificates": answer} if answer else {})
    if answer is not None:
        await server.start()
    try:
        done = await asyncio.to_thread(CliRunner().invoke, app, ["reload", "--config", str(config)])
    finally:
        await server.close()
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (renewed, 0, "new connections are shown the new certificate"),
        (refused, 1, "do not belong together; the old ones stay"),
        (None, 1, "is it running on this store?"),
    ],
)
async def test_reload(
    tmp_path: Path, answer: Callable[[Mapping[str, object]], object] | None, status: int, words: str
) -> None:
    """What the switch says to it is said to the operator."""
    ended, output = await run(tmp_path, answer)
    assert (ended, words in output) == (status, True)
