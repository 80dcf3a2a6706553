"""The second try of a test that waits for others finds nothing of the first."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

HOOKS = "from tests.conftest import pytest_runtest_makereport, pytest_runtest_teardown\n"
SCENE = """
import pytest

@pytest.fixture(scope="session")
def begun():
    yield []

@pytest.fixture(scope="module")
def records(begun):
    begun.append("file")
    yield []

@pytest.mark.flaky(reruns=1)
def test_fails_once(begun, records):
    records.append("one")
    assert len(records) == 1
    assert len(begun) == 2

def test_finds_what_the_second_try_left(begun, records):
    assert records == ["one"]
    assert len(begun) == 2
"""


def test_what_the_file_set_up_is_set_up_anew(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fixtures are made again before the second try, and not again before the next test; the session's stay."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makeconftest(HOOKS)
    pytester.makepyfile(SCENE)
    outcome = pytester.runpytest_subprocess().parseoutcomes()
    assert (outcome["passed"], outcome["rerun"]) == (2, 1)
