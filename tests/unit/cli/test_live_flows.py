"""`switchboard flows list` and `reload` against a control socket that answers as a switch does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from switchboard.flows_cli import app
from switchboard.ops.control import ControlServer
from switchboard.store.store import CONTROL_NAME

ROWS = [
    {"flow": "hotline", "version": "aa11", "file": "hotline.yaml", "newest": True, "calls": 3},
    {"flow": "hotline", "version": "bb22", "file": "hotline.yaml", "newest": False, "calls": 1},
]


async def run(tmp_path: Path, answers: Mapping[str, object], *words: str) -> tuple[int, str]:
    """The status and the output of a command."""
    config = tmp_path / "switch.yaml"
    config.write_text(f"store: {{directory: {tmp_path}}}\n")
    server = ControlServer(
        tmp_path / CONTROL_NAME, {name: lambda request, told=told: told for name, told in answers.items()}
    )
    await server.start()
    try:
        done = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--config", str(config)])
    finally:
        await server.close()
    return done.exit_code, done.output


async def test_versions_and_their_calls_are_listed(tmp_path: Path) -> None:
    """The live one, and an older one until its call has ended."""
    status, output = await run(tmp_path, {"flows": {"flows": ROWS}}, "list")
    assert status == 0
    lines = [line.split() for line in output.splitlines()]
    assert lines[1] == ["hotline", "aa11", "3", "live", "hotline.yaml"]
    assert lines[2][:3] == ["hotline", "bb22", "1"]


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ({"added": [], "changed": ["hotline"], "removed": []}, 0, "changed: hotline"),
        ({"added": [], "changed": [], "removed": []}, 0, "nothing has changed"),
        ({"refused": ["hotline.yaml:3:1: no node 'x'"]}, 1, "stay live"),
    ],
)
async def test_a_reload_tells_what_it_did(tmp_path: Path, answer: object, status: int, words: str) -> None:
    """And that nothing changed when a file is faulty."""
    assert (await run(tmp_path, {"reload-flows": answer}, "reload"))[0] == status
    assert words in (await run(tmp_path, {"reload-flows": answer}, "reload"))[1]


def test_without_a_switch_there_is_nothing_to_list(tmp_path: Path) -> None:
    """One line that says what to do."""
    config = tmp_path / "switch.yaml"
    config.write_text(f"store: {{directory: {tmp_path}}}\n")
    done = CliRunner().invoke(app, ["list", "--config", str(config)])
    assert done.exit_code == 1
    assert "no switch answers" in done.output
