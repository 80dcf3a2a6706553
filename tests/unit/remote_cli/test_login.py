"""`switchboard login`: tokens in a file, never the password."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
import typer

from switchboard.client import Tokens
from switchboard.remote_cli.token_file import TokenFile
from tests.support.api_switch import ApiSwitch
from tests.unit.remote_cli.conftest import Run


def token_file(switch: ApiSwitch) -> Path:
    """Where tokens are kept."""
    return switch.directory / "state" / "switchboard" / "tokens.json"


def test_tokens_are_for_their_owner_alone(switch: ApiSwitch, run: Run) -> None:
    """The file has mode 0600 and no password in it."""
    password = switch.account("lin", "agent", "anna")
    result = run("login", "lin", stdin=f"{password}\n")
    assert (result.exit_code, "logged in" in result.output) == (0, True), result.output
    file = token_file(switch)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert password not in file.read_text() + result.output


def test_a_wrong_password_is_told_and_keeps_nothing(switch: ApiSwitch, run: Run) -> None:
    """Exit status 1 and one line."""
    switch.account("lin", "agent", "anna")
    result = run("login", "lin", stdin="a wrong password\n")
    assert result.exit_code == 1
    assert not token_file(switch).exists()
    assert run("login", "lin", stdin="\n").exit_code == 1


def test_a_given_password_is_changed_first(switch: ApiSwitch, run: Run) -> None:
    """The second line of the input is the new one; from then on it serves."""
    password = switch.account("lin", "agent", "anna", must_change=True)
    result = run("login", "lin", stdin=f"{password}\na better secret 42\n")
    assert result.exit_code == 0, result.output
    assert run("agents", "sign-in").exit_code == 0
    assert run("login", "lin", stdin="a better secret 42\n").exit_code == 0


def test_logout_ends_the_session(switch: ApiSwitch, run: Run) -> None:
    """The tokens are void and forgotten; a second one says that there is no session."""
    run("login", "lin", stdin=switch.account("lin", "agent", "anna") + "\n")
    kept = token_file(switch).read_bytes()
    assert run("logout").exit_code == 0
    assert token_file(switch).read_bytes() == b"{}"
    token_file(switch).write_bytes(kept)
    result = run("agents", "list")
    assert (result.exit_code, "not logged in" in result.output) == (1, True)
    assert run("logout").exit_code == 1


def test_nobody_is_logged_in_at_first(run: Run) -> None:
    """The line says what to do."""
    result = run("queues")
    assert result.exit_code == 1
    assert "switchboard login NAME --url http://127.0.0.1" in result.output


def test_no_switch_there(run: Run, unused_tcp_port: int) -> None:
    """The line says where nobody answers."""
    result = run("login", "lin", stdin="any password\n", at=f"http://127.0.0.1:{unused_tcp_port}")
    assert result.exit_code == 1
    assert "no switch answers there; is it running there?" in result.output


def test_sessions_of_several_switches_stand_beside_each_other(tmp_path: Path) -> None:
    """One entry an address; an unreadable file is as good as none."""
    one, other = TokenFile("http://a", tmp_path), TokenFile("http://b/", tmp_path)
    one.save(Tokens("1", "1", 1.0))
    other.save(Tokens("2", "2", 2.0))
    one.save(None)
    assert (one.load(), other.load()) == (None, Tokens("2", "2", 2.0))
    one.path.write_text("{")
    assert other.load() is None


async def test_tokens_are_renewed_by_one_program_at_a_time(tmp_path: Path) -> None:
    """A second one waits until the first is done."""
    order = []

    async def renew(name: str) -> None:
        async with TokenFile("http://a", tmp_path).exclusive():
            order.append(f"{name} begins")
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    await asyncio.gather(renew("first"), renew("second"))
    assert order == ["first begins", "first ends", "second begins", "second ends"]


@pytest.mark.parametrize("text", ["http://10.0.0.5:8080", "10.0.0.5:8080"])
def test_an_address_may_be_written_short(text: str) -> None:
    """HTTP is meant without a scheme."""
    from switchboard.remote_cli.connection import url_of

    assert url_of(text, None) == "http://10.0.0.5:8080"


def test_another_scheme_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """In a line that says which there are."""
    from switchboard.remote_cli.connection import url_of

    with pytest.raises(typer.Exit):
        url_of("ftp://10.0.0.5", None)
    assert capsys.readouterr().err == "ftp://10.0.0.5: the address of the API begins with http:// or https://\n"


def test_the_configuration_tells_the_address(tmp_path: Path) -> None:
    """An address to listen on everywhere is asked at home."""
    from switchboard.remote_cli.connection import url_of

    file = tmp_path / "switch.yaml"
    file.write_text("http: {host: 127.0.0.1, port: 8099}\n")
    assert url_of(None, file) == "http://127.0.0.1:8099"
