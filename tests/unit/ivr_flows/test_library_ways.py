"""The library's tests in YAML pass, and together they take every way through the packaged flows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr_flows.loader import LIBRARY, TESTS, load_library
from ivr_flows.model import SubflowNode
from ivr_flows.testing import runner
from ivr_flows.testing.call import VirtualCall

NOT_TOLD = {("voicemail.record", "voicemail.failed")} | {
    (f"mailbox.{name}", "mailbox.no_more") for name in ("again", "save", "delete")
}
"""A mailbox that takes nothing cannot be told to a test in YAML; `test_library_flows` has it."""

FILES = sorted(LIBRARY.glob(f"*{TESTS}"))


class Watched(VirtualCall):
    """A call whose way is looked at afterwards."""

    calls: list[VirtualCall]

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.calls.append(self)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[VirtualCall]]:
    """Every call of the tests that are run."""
    Watched.calls = []
    monkeypatch.setattr(runner, "VirtualCall", Watched)
    yield Watched.calls
    Watched.calls = []


def test_every_flow_has_tests() -> None:
    """One file beside each."""
    assert [file.name.removesuffix(TESTS) for file in FILES] == sorted(load_library())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(TESTS))
def test_they_pass(file: Path) -> None:
    """All of a file's tests are as expected."""
    results = list(runner.Bench().run(file))
    assert results
    assert [(result.name, result.failures) for result in results if not result.passed] == []


def test_every_way_is_taken(calls: list[VirtualCall]) -> None:
    """Every exit of every node is taken by one of them."""
    bench = runner.Bench()
    for file in FILES:
        list(bench.run(file))
    taken: set[tuple[str, str]] = set()
    for call in calls:
        path = [name if "." in name else f"{call.flow.name}.{name}" for name in call.position.path]
        taken |= set(itertools.pairwise(path))
    ways = {
        (f"{flow.name}.{name}", f"{flow.name}.{way.target}")
        for flow in load_library().values()
        for name, node in flow.nodes.items()
        if not isinstance(node, SubflowNode)  # what follows is the sub-flow's last node
        for way in node.exits()
    }
    assert len(ways) > 100
    assert sorted(ways - taken - NOT_TOLD) == []
    assert ways >= NOT_TOLD
