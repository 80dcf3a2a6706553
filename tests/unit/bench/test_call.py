"""The demonstration call's judgement, without a switch."""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
from pathlib import Path

import pytest

import bench
from bench import call
from bench.__main__ import main, parser
from bench.call import Outcome, account_password
from bench.phone import Phone, PhoneError

_CONFIG = Path(bench.__file__).parent.parent / "config" / "default.yaml"


def options(*arguments: str) -> argparse.Namespace:
    """What the command line gives for these arguments."""
    return parser().parse_args(["call", *arguments])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with one good record of a call to the 400 number, started at second 100."""
    path = tmp_path / "switchboard.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE calls (id, called, extension, caller_masked, started_us, answered_us, ended_us)")
        made.execute("CREATE TABLE legs (call_id, place, role)")
        made.execute("INSERT INTO calls VALUES ('c', '4008001234', '800001', '138****8000', 100000000, 1, 2)")
        made.executemany("INSERT INTO legs VALUES ('c', ?, ?)", [(0, "caller"), (1, "agent")])
    made.close()
    return path


def test_a_good_record_has_no_fault(database: Path) -> None:
    """Extension, answer, masked caller and two legs are as they must be."""
    outcome = Outcome()
    call._read_cdr(options("--database", str(database)), 99_000_000, outcome)
    assert outcome.wrong == []
    assert [leg["role"] for leg in outcome.cdr_legs] == ["caller", "agent"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("UPDATE calls SET extension = '1'", "the CDR has the extension '1'"),
        ("UPDATE calls SET answered_us = NULL", "the CDR says the call was not answered"),
        ("UPDATE calls SET caller_masked = '13800138000'", "the CDR shows the caller's number in clear text"),
        ("DELETE FROM legs WHERE place = 1", "the CDR has 1 legs"),
    ],
)
def test_a_wrong_record_is_named(database: Path, change: str, fault: str) -> None:
    """Each field that is compared is found out when it is wrong."""
    with sqlite3.connect(database) as changed:
        changed.execute(change)
    changed.close()
    outcome = Outcome()
    call._read_cdr(options("--database", str(database)), 99_000_000, outcome)
    assert outcome.wrong == [fault]


def test_a_missing_database_is_named(tmp_path: Path) -> None:
    """A path that is not there is a fault, not a traceback."""
    outcome = Outcome()
    call._read_cdr(options("--database", str(tmp_path / "no.db")), 0, outcome)
    assert outcome.wrong == [f"{tmp_path / 'no.db'}: no such file; name the switch's database by --database"]


def test_an_account_is_found_in_the_shipped_configuration() -> None:
    """The sample softphone's password comes from the file the switch reads."""
    assert account_password(_CONFIG, "alice")


def test_an_unknown_account_is_said(tmp_path: Path) -> None:
    """A user without account, and a file that is not there, are clear errors."""
    with pytest.raises(PhoneError, match="no account 'carol'"):
        account_password(_CONFIG, "carol")
    with pytest.raises(PhoneError, match="No such file"):
        account_password(tmp_path / "none.yaml", "alice")


async def closed_port() -> int:
    """A port nobody listens at."""
    async with await Phone.open("x") as phone:
        return phone.address[1]


async def test_a_switch_that_does_not_run_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """One line names `make run`, and the exit status is 1."""
    port = await closed_port()
    assert await asyncio.to_thread(main, ["call", "--target", f"127.0.0.1:{port}"]) == 1
    out = capsys.readouterr().out
    assert out == f"error: nothing listens at 127.0.0.1:{port}: start the switch by `make run` first\n"
