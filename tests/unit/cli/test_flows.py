"""`switchboard flows`: what is printed, and with which status."""

from __future__ import annotations

import json
import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ivr_flows.loader import LIBRARY
from switchboard.flows_cli import app

GOOD = "flow: good\nstart: a\nnodes:\n  a: {type: play, prompts: [zh/welcome], next: b}\n  b: {type: hangup}\n"
BAD = GOOD.replace("next: b", "next: bb").replace("good", "bad")
TESTS = "tests:\n  - {name: right, then: {path: [a, b]}}\n  - name: wrong, alas\n    then:\n      path: [a, c]\n"


@pytest.fixture
def flows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a good flow, which is where the commands run."""
    (tmp_path / "good.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: object, typed: str = "") -> Result:
    """Run a command."""
    return CliRunner().invoke(app, [str(word) for word in words], input=typed)


class TestCheck:
    """Faults told."""

    def test_well(self, flows: Path) -> None:
        """Without faults the status is 0."""
        result = run("check", flows)
        assert (result.exit_code, result.output) == (0, "ok: 1 file checked; flows good\n")

    def test_text(self, flows: Path) -> None:
        """A fault stands in a line with file, line, column, advice and code; the status is 1."""
        (flows / "bad.yaml").write_text(BAD)
        result = run("check", ".")
        assert result.exit_code == 1
        assert result.output.splitlines() == [
            "bad.yaml:4:48: next: no node 'bb'; did you mean 'b'?  [unknown-target]",
            "1 fault in 1 of 2 files",
        ]

    def test_json(self, flows: Path) -> None:
        """Programs get the same as JSON."""
        (flows / "bad.yaml").write_text(BAD)
        result = run("check", "bad.yaml", "--format", "json")
        assert result.exit_code == 1
        assert json.loads(result.output) == {
            "files": ["bad.yaml"],
            "faults": [
                {
                    "file": "bad.yaml",
                    "line": 4,
                    "column": 48,
                    "code": "unknown-target",
                    "message": "next: no node 'bb'",
                    "suggestion": "did you mean 'b'?",
                }
            ],
        }

    def test_github(self, flows: Path) -> None:
        """GitHub gets notes for lines, with what it takes for marks written otherwise."""
        (flows / "a,b.yaml").write_text(BAD)
        result = run("check", "a,b.yaml", "--format", "github")
        assert result.output.splitlines()[0] == (
            "::error file=a%2Cb.yaml,line=4,col=48,title=unknown-target::next: no node 'bb'; did you mean 'b'?"
        )

    def test_prompts(self, flows: Path) -> None:
        """Prompts are looked for in --prompts and in the configuration's directories."""
        (flows / "own.yaml").write_text(GOOD.replace("zh/welcome", "mine/hello").replace("good", "own"))
        assert "[prompt-missing]" in run("check", "own.yaml").output
        (flows / "sounds" / "mine").mkdir(parents=True)
        wav = LIBRARY.parent / "prompts" / "zh" / "goodbye.wav"
        (flows / "sounds" / "mine" / "hello.wav").write_bytes(wav.read_bytes())
        assert run("check", "own.yaml", "--prompts", "sounds").exit_code == 0
        (flows / "my.yaml").write_text("media: {prompts: [sounds]}\n")
        assert run("check", "own.yaml", "--config", "my.yaml").exit_code == 0

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            ((), "name the files or directories"),
            (("nothing/",), "cannot be read"),
            (("good.yaml", "--prompts", "nowhere"), "nowhere is no directory"),
            (("good.yaml", "--config", "nowhere.yaml"), "nowhere.yaml"),
        ],
    )
    def test_wrong_use(self, flows: Path, words: tuple[str, ...], told: str) -> None:
        """What the command cannot begin with is told; only a missing flow counts as a fault of it."""
        result = run("check", *words)
        assert result.exit_code == (1 if words == ("nothing/",) else 2)
        assert told in result.output

    def test_an_empty_directory(self, flows: Path) -> None:
        """A directory without flows is wrong use: nothing was checked."""
        (flows / "empty").mkdir()
        result = run("check", "empty")
        assert (result.exit_code, result.output) == (2, "empty: no flow here; flows are files named *.yaml\n")

    def test_codes(self) -> None:
        """The kinds of faults can be listed."""
        lines = run("check", "--codes").output.splitlines()
        assert any(line.startswith("subflow-recursion  ") for line in lines)


class TestTest:
    """Tests of flows."""

    def test_text(self, flows: Path) -> None:
        """A failure tells its line, what was expected and what came."""
        (flows / "good.test.yaml").write_text(TESTS)
        result = run("test", "good.yaml")
        assert result.exit_code == 1
        *lines, summary = result.output.splitlines()
        assert lines == [
            "FAILED good.test.yaml:3: wrong, alas",
            "  good.test.yaml:5: path is not as expected",
            "    expected  a → c",
            "    actual    a → b",
        ]
        assert summary.startswith("1 passed, 1 failed in ")

    def test_chosen(self, flows: Path) -> None:
        """-k runs those whose names hold a text; none is wrong use."""
        (flows / "good.test.yaml").write_text(TESTS)
        assert run("test", ".", "-k", "RIGHT").exit_code == 0
        result = run("test", ".", "-k", "neither")
        assert (result.exit_code, result.output) == (2, "no test's name holds 'neither'\n")

    def test_json_and_github(self, flows: Path) -> None:
        """Both tell the failure for programs."""
        (flows / "good.test.yaml").write_text(TESTS)
        told = json.loads(run("test", ".", "--format", "json").output)
        assert (told["passed"], told["failed"]) == (1, 1)
        assert told["tests"][1]["failures"] == [
            {"line": 5, "message": "path is not as expected", "expected": "a → c", "actual": "a → b"}
        ]
        lines = run("test", ".", "--format", "github").output.splitlines()
        assert lines[0] == (
            "::error file=good.test.yaml,line=5,col=1,title=wrong%2C alas::"
            "path is not as expected%0Aexpected  a → c%0Aactual    a → b"
        )

    def test_what_cannot_be_read(self, flows: Path) -> None:
        """Faults of the tests and of the flow are told, and the status is 1; without tests it is 2."""
        assert run("test", ".").exit_code == 2
        (flows / "good.test.yaml").write_text("tests: [{name: t, then: {pth: []}}]\n")
        result = run("test", ".")
        assert result.exit_code == 1
        assert "good.test.yaml:1:26: unknown key 'pth'; did you mean 'path'?  [unknown-key]" in result.output
        (flows / "good.test.yaml").write_text(TESTS)
        (flows / "good.yaml").write_text(BAD)
        assert "good.yaml:4:48: next: no node 'bb'" in run("test", ".").output


class TestDraw:
    """Pictures."""

    def test_files(self, flows: Path) -> None:
        """The name's end says which kind of picture it is to be."""
        assert run("draw", "good.yaml", "-o", "good.svg").output == "good.svg: 2 nodes, 1 exit\n"
        assert (flows / "good.svg").read_text().startswith("<svg ")
        assert "您好，欢迎致电。" in (flows / "good.svg").read_text()
        run("draw", "good.yaml", "-o", "good.mmd")
        assert (flows / "good.mmd").read_text() == run("draw", "good.yaml").output

    def test_refused(self, flows: Path) -> None:
        """Other names, files that are no flows, and places that cannot be written are told in a line."""
        assert run("draw", "good.yaml", "-o", "good.png").exit_code == 2
        (flows / "none.yaml").write_text("flow: none\n")
        assert run("draw", "none.yaml").exit_code == 1
        assert "cannot be written (no such file or directory)" in run("draw", "good.yaml", "-o", "no/good.svg").output
        (flows / "lost.yaml").write_text(GOOD.replace("start: a", "start: c"))
        assert "nothing to draw" in run("draw", "lost.yaml").output

    def test_with_faults(self, flows: Path) -> None:
        """A flow with faults is drawn all the same, with a note."""
        (flows / "bad.yaml").write_text(BAD)
        result = run("draw", "bad.yaml", "-o", "bad.svg")
        assert result.exit_code == 0
        assert "note: 1 fault; see: switchboard flows check bad.yaml" in result.output


class TestTry:
    """Walking a flow."""

    def test_on_a_pipe(self, flows: Path) -> None:
        """Keys are taken one after another, and the flow runs to its end."""
        result = run("try", LIBRARY / "extension.yaml", "--called", "4008001234", typed="123456 c\n")
        assert result.exit_code == 0
        assert "calls   4008001234,123456" in result.output
        assert result.output.splitlines()[-1].endswith("over    normal")

    def test_as_a_test(self, flows: Path) -> None:
        """A test's inputs and backend may be taken over, and changed."""
        words = ("try", LIBRARY / "hotline.yaml", "--test", "foreign phone", "--var", "group=vip")
        output = run(*words, typed="1 7391 0 c").output
        assert output.count("keys    •") == 4
        assert "verified" in output
        assert "queue   vip" in output
        assert "7391" not in output
        closed = run("try", LIBRARY / "hotline.yaml", "--at", "2026-03-02 20:00", typed="1")
        assert "after_hours.closed" in closed.output

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--at", "noon"), "--at: write a date and time"),
            (("--var", "x"), "--var: write NAME=VALUE"),
            (("--test", "x"), "--test: there is no good.test.yaml"),
        ],
    )
    def test_wrong_use(self, flows: Path, words: tuple[str, ...], told: str) -> None:
        """What makes no sense is told in a line, with status 2."""
        result = run("try", "good.yaml", *words)
        assert result.exit_code == 2
        assert told in result.output

    def test_a_flow_with_faults(self, flows: Path) -> None:
        """Its faults are told instead."""
        (flows / "bad.yaml").write_text(BAD)
        result = run("try", "bad.yaml")
        assert result.exit_code == 1
        assert "no node 'bb'" in result.output

    def test_in_a_terminal(self) -> None:
        """On a terminal keys work one by one, are not echoed, and q leaves it as it was."""
        pid, terminal = pty.fork()
        if pid == 0:  # pragma: no cover - another process
            flow = str(LIBRARY / "extension.yaml")
            os.execv(sys.executable, [sys.executable, "-m", "switchboard", "flows", "try", flow])
        seen = b""
        try:
            seen = _until(terminal, seen, b"hears")
            os.write(terminal, b"111111")
            seen = _until(terminal, seen, b"calls")
            os.write(terminal, b"b")
            seen = _until(terminal, seen, b"call    busy")
            os.write(terminal, b"q")
        finally:
            _, status = os.waitpid(pid, 0)
            os.close(terminal)
        assert os.waitstatus_to_exitcode(status) == 0
        assert "keys    1" in seen.decode()
        assert "111111\r\n" not in seen.decode().replace(",111111", "")


def _until(terminal: int, seen: bytes, wanted: bytes) -> bytes:
    """Read until something is shown."""
    last = time.monotonic() + 30
    while wanted not in seen:
        readable, _, _ = select.select([terminal], [], [], max(last - time.monotonic(), 0))
        assert readable, seen.decode(errors="replace")
        seen += os.read(terminal, 4096)
    return seen
