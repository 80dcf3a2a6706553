"""Then and now: what has become worse, what is noise, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.__main__ import main
from bench.compare import MARGIN, Comparison, compare, print_comparisons, read_runs
from bench.errors import BenchError
from bench.load import Figure
from bench.results import document, write
from bench.series import OWN, Run
from bench.suite import Plan, Suite, short_runs


def runs(*ratios: float, loop: float = 5.0, engine: str = OWN, measure: str = "short") -> list[Run]:
    """Runs of the short form with these ratios to the loop."""
    figures: list[dict[str, Figure]] = [{"failed": 0, "cpu_ms_per_call": ratio * loop} for ratio in ratios]
    return [Run(engine, measure, "2026-01-01T00:00:00Z", loop, 0.1, 0.0, each) for each in figures]


THEN = (0.20, 0.21, 0.19, 0.20, 0.22)


@pytest.mark.parametrize(
    ("now", "worse", "better"),
    [
        ((0.20, 0.21, 0.20), False, False),
        ((0.30, 0.31, 0.32), True, False),
        ((0.30, 0.31, 0.22), False, False),  # one run is no dearer than then
        ((0.22 * (1 + MARGIN), 0.3, 0.3), False, False),  # at the margin
        ((0.10, 0.11, 0.12), False, True),
    ],
)
def test_worse_is_when_all_runs_are(now: tuple[float, ...], worse: bool, better: bool) -> None:
    """Only ranges that are apart by more than the margin tell anything."""
    one = Comparison("title", THEN, now)
    assert (one.worse, one.better) == (worse, better)


def test_what_would_be_noticed_is_said() -> None:
    """A wide spread of then hides a small loss."""
    assert Comparison("title", THEN, (0.2,)).noticed == pytest.approx(0.22 * 1.05 / 0.20 - 1)
    assert Comparison("title", THEN, (0.25, 0.25)).change == pytest.approx(0.25)


def test_a_slower_machine_changes_nothing() -> None:
    """The same ratio at twice the time is the same."""
    (one,) = compare(runs(*THEN), runs(*THEN, loop=10.0))
    assert one.change == pytest.approx(0)
    assert not one.worse


def test_only_what_both_have_is_compared() -> None:
    """Other engines and other measurements are left out."""
    assert compare(runs(*THEN), runs(0.9, engine="Other")) == []
    assert compare(runs(*THEN), runs(0.9, measure="queue")) == []


def test_the_table_shows_both_ranges() -> None:
    """The reader sees then, now, the change, and from where on it would be noticed."""
    console = Console(width=150, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    print_comparisons([Comparison("the title", THEN, (0.30, 0.31))], console)
    console.file.close()
    text = console.export_text()
    assert "the title" in text
    assert "0.1900-0.2200" in text
    assert "+52.5%" in text


def test_the_command_compares_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It fails when something has become worse, and says what."""
    files = []
    for name, ratios in (("then", THEN), ("now", (0.4, 0.41, 0.42))):
        write(tmp_path / name, document(runs(*ratios), "command", 1, quick=False))
        files.append(str(tmp_path / name / "results.json"))
    assert main(["compare", "--baseline", files[0], "--with", files[1]]) == 1
    assert "worse" in capsys.readouterr().out
    assert main(["compare", "--baseline", files[1], "--with", files[0]]) == 0


@pytest.mark.parametrize("text", ["", "{}", '{"runs": [{}]}', '{"runs": 7}', json.dumps({"runs": [[1]]})])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    """It is said which file it is."""
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(BenchError, match=r"results\.json"):
        read_runs(file)


def test_without_figures_of_then_it_says_what_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is measured when there is nothing to compare with."""
    assert main(["compare", "--baseline", str(tmp_path / "none.json")]) == 1
    assert "make bench" in capsys.readouterr().out


def test_what_now_costs_is_measured_on_one_start_of_the_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The short form so many times, by the configuration and on the CPUs that were named."""
    asked: list[tuple[Plan, ...]] = []

    def measured(suite: Suite) -> None:
        assert (suite.options.self, suite.options.config, suite.options.cpus) == (True, tmp_path, "")
        asked.append(tuple(suite.plans))
        suite.runs.extend(runs(0.2, 0.3))

    monkeypatch.setattr(Suite, "run", measured)
    found = short_runs(tmp_path, "", 2, Console(quiet=True))
    assert [[plan.name for plan in plans] for plans in asked] == [["short", "short"]]
    assert [run.loop_ms for run in found] == [5.0, 5.0]
