"""The measurement of the mask table, with few bindings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import masks
from bench.__main__ import main
from bench.errors import BenchError


@pytest.mark.parametrize("kind", masks.KINDS)
def test_every_kind_is_bound_and_found(kind: str) -> None:
    """All bindings are there, every look-up reaches somebody, and memory and time are told."""
    figures = masks.measure(kind, 2000, 20_000)
    assert figures.keys() == {f"{kind}_mb", f"{kind}_us", f"{kind}_bind_us"}
    memory, look = figures[f"{kind}_mb"], figures[f"{kind}_us"]
    assert memory is not None
    assert 5 < memory < 200
    assert look is not None
    assert look < 1000


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, a file for programs."""
    status = main(["masks", "--count", "1_000", "--looks", "20,000", "--json", str(tmp_path / "out.json")])
    document = json.loads((tmp_path / "out.json").read_text())
    assert status == (1 if document["broken"] else 0)
    assert document["results"]["masks"]["figures"]["axb_mb"] > 5
    assert "masks, pairs alone: CPU of a look-up" in capsys.readouterr().out


def test_an_exercise_that_ends_is_an_error() -> None:
    """The measurement says at which command."""
    with pytest.raises(BenchError, match="ended during 'unheard 2000'"):
        masks.measure("unheard", 2000, 2000)


@pytest.mark.parametrize("count", ["999", "0", "many"])
def test_too_little_to_measure(count: str) -> None:
    """Less than a thousand is refused."""
    with pytest.raises(SystemExit):
        main(["masks", "--count", count])
