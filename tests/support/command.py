"""The command line as an operator uses it, on the store and the control socket of a running switch."""

from __future__ import annotations

import asyncio
import importlib
import json
import threading
from typing import Any

from typer import Typer
from typer.testing import CliRunner, Result

from switchboard.cli import GROUPS
from tests.support.switch import RunningSwitch

_one_at_a_time = threading.Lock()


def _invoke(app: Typer, line: list[str]) -> Result:
    """A command takes the standard output of the whole process."""
    with _one_at_a_time:
        return CliRunner().invoke(app, line)


async def command(switch: RunningSwitch, group: str, *words: str) -> str:
    """What `switchboard GROUP WORDS` prints; it must succeed, and the switch must have taken it over.

    Not in a process of its own, half a second of which would be spent on its start.
    """
    line = [*words, "--config", str(switch.config_file)]
    app = importlib.import_module(GROUPS[group]).app
    done = await asyncio.to_thread(_invoke, app, line)
    assert done.exit_code == 0, (group, words, done.output)
    assert "running switch" not in done.stderr, (group, words, done.output)
    return done.stdout


async def shown_call(switch: RunningSwitch, call_id: str) -> dict[str, Any]:
    """What `switchboard calls show` tells of a call."""
    shown: dict[str, Any] = json.loads(await command(switch, "calls", "show", call_id, "--format", "json"))
    return shown
