"""The page and the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.load import Figure
from bench.report import LINES
from bench.results import document, holds, markdown, share_stolen, stolen, write
from bench.series import OWN, Run, spread


def run(engine: str, measure: str, figures: dict[str, Figure], loop: float = 5.0) -> Run:
    """One run."""
    return Run(engine, measure, "2026-01-01T00:00:00Z", loop, 0.25, 0.01, figures, ["a note"])


RUNS = [
    run(OWN, "signalling", {"failed": 0, "retransmissions": 0, "cpu_ms_per_call": 0.5, "answer_ms": 1.0}),
    run(OWN, "signalling", {"failed": 0, "retransmissions": 0, "cpu_ms_per_call": 1.5, "answer_ms": 3.0}, 15.0),
    run("Other", "signalling", {"failed": 0, "retransmissions": 0, "cpu_ms_per_call": 2.0, "answer_ms": 2.0}),
    run(OWN, "memory", {"failed": 0, "kb_per_call": 26.0, "left": 0}),
]


@pytest.fixture(scope="module")
def page() -> str:
    """The page of these runs."""
    return markdown(document(RUNS, "python -m bench all", 2, quick=False))


@pytest.mark.parametrize(
    "expected",
    [
        "`python -m bench all`: 2 rounds.",
        "| signalling: CPU of a bridged call, ms | 0.50 | 1.00 | 1.50 | 0.1000 (0.1000-0.1000) | 1.5 | 0.8 | goal",
        "| signalling: calls failed | 0 | 0 | 0 |  | 0 |  | yes | Other **0** |",
        "kB | 26.00 | 26.00 | 26.00 |  | 25 |  | **no** |",
        "| **not measured** |",
        "## In turns with Other",
        "| Other | 2.00 | 2.00 | 2.00 | 0.4000 (0.4000-0.4000) | 1/4.00 |",
        "| python |",
        "* switchboard, memory: a note",
    ],
)
def test_the_page_says(page: str, expected: str) -> None:
    """Spread, ratio, bound, goal, whether it holds, and the others."""
    assert expected in page


def test_short_measurements_are_called_so() -> None:
    """Nobody takes them for figures."""
    assert "which are no figures" in markdown(document(RUNS, "command", 1, quick=True))


def test_a_line_without_bound_neither_holds_nor_fails() -> None:
    """A figure for its own sake is not judged."""
    line = next(line for line in LINES if line.at_most is None and line.goal is None)
    assert holds(line, spread([1.0])) == ""


def test_the_files_are_written(tmp_path: Path) -> None:
    """The page, the figures with a line a run, and pictures where they can be drawn."""
    written = write(tmp_path, document(RUNS, "command", 2, quick=False))
    assert written[:2] == [tmp_path / "RESULTS.md", tmp_path / "results.json"]
    assert all(file.stat().st_size for file in written)
    text = written[1].read_text("utf-8")
    assert [Run.from_plain(plain) for plain in json.loads(text)["runs"]] == RUNS
    assert sum('"engine"' in line for line in text.splitlines()) == len(RUNS)
    assert all(f"plots/{file.name}" in written[0].read_text("utf-8") for file in written[2:])


def test_pictures_of_all_kinds(tmp_path: Path) -> None:
    """CPU and its course, latencies, others beside ours; none where there is nothing to show."""
    plots = pytest.importorskip("bench.plots")
    assert [file.name for file in plots.draw(tmp_path, RUNS)] == [
        "cpu.png",
        "latencies.png",
        "rounds.png",
        "beside.png",
    ]
    assert plots.draw(tmp_path, RUNS[3:]) == []


def test_stolen_time_is_the_eighth_field() -> None:
    """Ticks given to others over all ticks, as /proc/stat counts them."""
    before, after = (stolen(f"cpu  {user} 0 0 50 0 0 0 {steal} 0 0\ncpu0 1") for user, steal in ((50, 0), (120, 30)))
    assert (before, after) == ((0.0, 100.0), (30.0, 200.0))
    assert share_stolen(before, after) == 0.3
