"""One file a fault: each is found where it is, and nothing else is."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from ivr_flows.checks.codes import MEANING
from ivr_flows.checks.files import check_files, flow_files
from ivr_flows.errors import FlowError
from ivr_flows.loader import LIBRARY, load_library
from switchboard.flows_cli.sounds import PromptFiles

FAULTS = Path(__file__).parent / "faults"
SOUNDS = PromptFiles([FAULTS / "prompts"])
NEEDS_NO_SUGGESTION = {"answer", "bad-value", "missing-exit", "missing-key", "not-yaml", "prompt-name"} | {
    "twice",
    "wrong-value",
}


@functools.cache
def faults_of(*files: Path) -> tuple[FlowError, ...]:
    """Return the faults of files; to find them takes a tenth of a second, for the library is read with them."""
    return check_files(files, SOUNDS).faults


def found(*files: Path) -> list[tuple[str, int]]:
    """Return code and line of every fault."""
    return [(fault.code, fault.line) for fault in faults_of(*files)]


@pytest.mark.parametrize("file", sorted(FAULTS.glob("*.yaml")), ids=lambda file: file.stem)
def test_fault(file: Path) -> None:
    """The fault that the file's first line tells of is found at its line, with a column, and it alone."""
    told = re.match(r"# ([a-z-]+) at line (\d+): .", file.read_text(encoding="utf-8"))
    assert told is not None
    faults = faults_of(file)
    assert [(fault.code, fault.line) for fault in faults] == [(told[1], int(told[2]))]
    assert faults[0].column > 0
    assert faults[0].suggestion or faults[0].code in NEEDS_NO_SUGGESTION


def test_enough_of_them() -> None:
    """Every kind of fault that a file can have by itself has its file."""
    seeded = {code for file in FAULTS.glob("*.yaml") for code, _ in found(file)}
    assert MEANING.keys() - seeded == {"file", "shape", "same-name"}


def test_together() -> None:
    """Checked together, the files show the same faults, in the order of the files."""
    files = flow_files([FAULTS])
    assert found(*files) == [fault for file in files for fault in found(file)]


def test_the_library_has_none() -> None:
    """The packaged flows are without fault, prompts included."""
    assert check_files(flow_files([LIBRARY]), SOUNDS).faults == ()


def test_all_at_once(tmp_path: Path) -> None:
    """A file with faults of different kinds shows them all, those of its prompts and sub-flows included."""
    file = tmp_path / "many.yaml"
    file.write_text(
        "flow: many\nstart: a\nnodes:\n"
        "  a: {type: play, prompts: [zh/nowhere], next: b}\n"
        "  b: {type: subflow, flow: nothing, next: c}\n"
        "  c: {type: say, text: '{caller}', next: d}\n"
        "  d: {type: hangup}\n"
        "  e: {type: hangup}\n"
    )
    assert found(file) == [("prompt-missing", 4), ("unknown-flow", 5), ("secret-logged", 6), ("unreachable", 8)]


class TestFiles:
    """Which files are checked, and what they may enter."""

    FLOW = "flow: {name}\nstart: a\nnodes:\n  a: {{type: subflow, flow: {enters}, next: b}}\n  b: {{type: return}}\n"

    def write(self, directory: Path, name: str, enters: str, file: str = "") -> Path:
        """Write a flow that enters another."""
        path = directory / f"{file or name}.yaml"
        path.write_text(self.FLOW.format(name=name, enters=enters))
        return path

    def test_sub_flows_beside(self, tmp_path: Path) -> None:
        """A sub-flow in the same directory is known though only one file is checked; its own faults are not told."""
        outer = self.write(tmp_path, "outer", "inner")
        self.write(tmp_path, "inner", "nowhere")
        assert found(outer) == []

    def test_circle_of_two(self, tmp_path: Path) -> None:
        """Two flows that enter each other are told at both nodes."""
        one, two = self.write(tmp_path, "one", "two"), self.write(tmp_path, "two", "one")
        assert found(one, two) == [("subflow-recursion", 4), ("subflow-recursion", 4)]
        (fault,) = check_files([one]).faults
        assert fault.message == "'one' would be entered within itself: one -> two -> one"
        with pytest.raises(FlowError, match="entered within itself"):
            load_library([tmp_path])

    def test_same_name(self, tmp_path: Path) -> None:
        """Two files cannot hold flows of one name."""
        first = self.write(tmp_path, "same", "voicemial", "first")
        second = self.write(tmp_path, "same", "survey", "second")
        assert ("same-name", 1) in found(first, second)

    def test_tests_are_no_flows(self, tmp_path: Path) -> None:
        """Files of tests are passed over in a directory, and a directory without flows is refused."""
        (tmp_path / "a.test.yaml").write_text("tests: []\n")
        with pytest.raises(FlowError, match="no flow here"):
            flow_files([tmp_path])
        flow = self.write(tmp_path, "outer", "inner")
        assert flow_files([tmp_path, flow]) == [flow]

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        """A missing file is a fault as any other."""
        assert found(tmp_path / "nowhere.yaml") == [("file", 0)]
