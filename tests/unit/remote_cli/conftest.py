"""The command line against a switch in memory on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from switchboard import cli
from tests.support.api_switch import ApiSwitch, api_switch, served

Run = Callable[..., Result]
APP = cli.application(cli.ALL)


@pytest.fixture
def switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiSwitch]:
    """The switch; token files are the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with api_switch(tmp_path) as switch:
        yield switch


@pytest.fixture
def url(switch: ApiSwitch) -> Iterator[str]:
    """Where it is."""
    with served(switch.app) as url:
        yield url


@pytest.fixture
def run(url: str) -> Run:
    """Runs a command against it."""

    def invoke(*arguments: str, stdin: str = "", at: str = url) -> Result:
        return CliRunner().invoke(APP, [*arguments, "--url", at], input=stdin)

    return invoke


@pytest.fixture
def login(switch: ApiSwitch, run: Run) -> Callable[..., None]:
    """Signs somebody in."""

    def sign_in(name: str, role: str, agent: str = "") -> None:
        password = switch.account(name, role, agent)  # type: ignore[arg-type]  # a role
        result = run("login", name, stdin=f"{password}\n")
        assert result.exit_code == 0, result.output

    return sign_in
