"""The table, the bounds and the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.load import Result, percentile
from bench.report import LINES, broken, print_table, write_json


def good() -> dict[str, Result]:
    """Every figure exactly at its bound."""
    results: dict[str, Result] = {}
    for line in LINES:
        value = 1.25 if line.at_most is None else line.at_most
        results.setdefault(line.measure, Result(line.measure)).figures[line.figure] = value
    return results


def test_at_the_bound_all_holds() -> None:
    """A figure equal to its bound is not broken."""
    assert broken(good()) == []


@pytest.mark.parametrize("line", [line for line in LINES if line.at_most is not None], ids=lambda x: x.title)
def test_every_bound_can_break(line: object) -> None:
    """Just above its bound, and not measured at all, each figure is reported."""
    assert line in LINES
    chosen = LINES[LINES.index(line)]
    results = good()
    results[chosen.measure].figures[chosen.figure] = (chosen.at_most or 0) + 1
    assert [fault.split(": ")[0] for fault in broken(results)] == [chosen.title.split(": ")[0]]
    results[chosen.measure].figures[chosen.figure] = None
    assert broken(results) == [f"{chosen.title}: not measured"]


def test_what_was_not_asked_for_is_not_broken() -> None:
    """A run of one measurement is judged by its own bounds only."""
    assert broken({"relay": good()["relay"]}) == []


def test_the_table_shows_figures_bounds_and_others() -> None:
    """The reader sees what was measured, what must hold, and what other engines need."""
    console = Console(width=150, record=True, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115
    results = good()
    results["relay"].notes.append("a note")
    print_table(results, console)
    console.file.close()
    text = console.export_text()
    assert "signalling: CPU of a bridged call" in text
    assert "1.50 ms" in text
    assert "Asterisk 3.2-4.6" in text
    assert "relay: a note" in text


def test_the_file_has_everything(tmp_path: Path) -> None:
    """Figures, notes and broken bounds are in the JSON."""
    path = tmp_path / "deep" / "figures.json"
    write_json(path, "127.0.0.1:1", {"relay": Result("relay", {"lost": 3}, ["n"], ["d"])}, ["relay: 3"], "busy")
    document = json.loads(path.read_text())
    assert document["results"]["relay"] == {"figures": {"lost": 3}, "notes": ["n"], "details": ["d"]}
    assert (document["target"], document["broken"]) == ("127.0.0.1:1", ["relay: 3"])


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentiles_are_values_that_occurred(share: float, expected: float) -> None:
    """The nearest rank, no average of two."""
    assert percentile(range(1, 101), share) == expected


def test_no_percentile_of_nothing() -> None:
    """Without values there is no figure."""
    assert percentile([], 0.5) is None
