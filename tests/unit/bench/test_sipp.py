"""SIPp's command line and the reading of what it counted."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench import sipp
from bench.errors import BenchError
from bench.sipp import SCENARIOS, Sipp, find_sipp, read_statistics, read_totals

STATISTICS = (
    "StartTime;TotalCallCreated;SuccessfulCall(C);FailedCall(P);FailedCall(C);FailedMaxUDPRetrans(C);"
    "FailedUnexpectedMessage(C);ResponseTime1(C);\n"
    "x;10;9;0;0;0;0;00:00:00:001000;\n"
    "x;200;190;7;10;4;6;00:01:02:003500;\n"
)
COUNTS = (
    "CurrentTime;0_INVITE_Sent;0_INVITE_Retrans;0_INVITE_Timeout;1_100_Recv;1_100_Retrans;1_100_Timeout;1_100_Unexp;"
    "5_BYE_Sent;5_BYE_Retrans;5_BYE_Timeout;6_200_Recv;6_200_Retrans;6_200_Timeout;6_200_Unexp;7_Pause_Unexp;\n"
    "t;200;3;1;200;2;0;5;190;4;0;190;7;8;9;99;\n"
)


def test_totals_come_from_the_last_row() -> None:
    """Created, successful and failed are those of the end, reasons only those that happened."""
    totals = read_totals(STATISTICS, COUNTS)
    assert (totals.created, totals.successful, totals.failed) == (200, 190, 10)
    assert totals.reasons == {"FailedMaxUDPRetrans": 4, "FailedUnexpectedMessage": 6}


def test_retransmissions_of_both_ends_are_told_apart() -> None:
    """What was sent again and what was received again are summed over the messages of a scenario."""
    totals = read_totals(STATISTICS, COUNTS)
    assert (totals.retransmitted, totals.repeated, totals.retransmissions) == (3 + 4, 2 + 7, 16)
    assert (totals.unexpected, totals.timeouts) == (5 + 9, 1 + 8)


def test_files_that_are_not_there_yet_count_nothing() -> None:
    """A SIPp that has written nothing has done nothing."""
    assert read_statistics("") == read_statistics("a;b\n") == {}
    assert read_totals("", "").created == 0


def test_errors_are_kept_but_not_without_bound() -> None:
    """The first twenty lines of the error file are kept, empty ones left out."""
    assert read_totals("", "", "one\n\ntwo\n").errors == ("one", "two")
    assert len(read_totals("", "", "line\n" * 99).errors) == 20


def test_the_mean_answer_time_is_in_milliseconds(tmp_path: Path) -> None:
    """Hours, minutes, seconds and microseconds become milliseconds."""
    caller = Sipp(Path("caller.xml"), tmp_path, 5191, 40000, "127.0.0.1:5060")
    assert caller.mean_answer_ms() is None
    (tmp_path / "caller-5191.csv").write_text(STATISTICS)
    assert caller.mean_answer_ms() == 62_003.5


def test_a_missing_sipp_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the Debian package."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BenchError, match="apt-get install sip-tester"):
        find_sipp()


def fake(path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in SIPp's place."""
    program = path / "sipp"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sipp, "find_sipp", lambda: str(program))


def test_a_sipp_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fatal exit becomes an error with SIPp's last words."""
    fake(tmp_path, "import sys; print('cannot bind'); sys.exit(254)", monkeypatch)
    with (
        Sipp(Path("caller.xml"), tmp_path, 5191, 40000, "127.0.0.1:9") as caller,
        pytest.raises(BenchError, match="status 254: cannot bind"),
    ):
        caller.wait(10, lambda row: None, every=0.01)


def test_a_sipp_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When time is up the process is ended and the error says so."""
    fake(tmp_path, "import signal; signal.pause()", monkeypatch)
    with (
        Sipp(Path("caller.xml"), tmp_path, 5191, 40000, "127.0.0.1:9") as caller,
        pytest.raises(BenchError, match=r"not done within 0\.05 s"),
    ):
        caller.wait(0.05, lambda row: None, every=0.01)
    assert isinstance(caller.process, subprocess.Popen)
    assert caller.process.returncode is not None


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.xml")), ids=lambda p: p.stem)
def test_scenarios_are_well_formed_and_named_like_their_file(path: Path) -> None:
    """SIPp names its files by the scenario's file, people by its name; they agree."""
    assert ElementTree.parse(path).getroot().get("name") == path.stem


def test_a_caller_dials_and_an_agent_listens(tmp_path: Path) -> None:
    """Only the caller's command line has a remote address."""
    caller = Sipp(Path("c.xml"), tmp_path, 5191, 40000, "127.0.0.1:5060", ("-m", "5"))
    agent = Sipp(Path("a.xml"), tmp_path, 5190, 30000)
    assert (caller.name, agent.name) == ("caller-5191", "agent-5190")
    assert ("127.0.0.1:5060" in caller.command(), "127.0.0.1:5060" in agent.command()) == (True, False)
    assert caller.command()[-2:] == ["-m", "5"]
