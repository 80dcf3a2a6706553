"""Agents' and supervisors' programs at the API of a running switch: their accounts, and clients of theirs."""

from __future__ import annotations

from collections.abc import Mapping

from typer.testing import CliRunner

from switchboard.client import Client
from switchboard.users_cli import app
from tests.support.switch import RunningSwitch

PASSWORD = "correct horse 7 battery"


def add_users(switch: RunningSwitch, roles: Mapping[str, str]) -> None:
    """Accounts by name and role, each of the agent with the same name."""
    for name, role in roles.items():
        add = ["add", name, "--role", role, "--agent", name, "--config", str(switch.config_file)]
        # In this process: Python itself, started anew, would take a second for each.
        result = CliRunner().invoke(app, add, input=f"{PASSWORD}\n")
        assert result.exit_code == 0, result.output


def at_the_bar(switch: RunningSwitch, name: str) -> Client:
    """The program of one of them, which signs in when it is first used."""
    return Client(f"http://127.0.0.1:{switch.http_port}", name=name, password=PASSWORD)
