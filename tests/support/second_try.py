"""A second try of a test begins as the first did: what its file has set up is ended before it, and set up anew."""

from __future__ import annotations

from typing import Final, cast

import pytest

FAILED: Final = pytest.StashKey[bool]()


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Keep in mind that a test has failed in this try."""
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed


def clear_away(item: pytest.Item) -> None:
    """End all that the file of a failed test has set up, or its calls, records and bindings would stay.

    Raises what a fixture raises that is ended.
    """
    if item.stash.get(FAILED, False):
        item.stash[FAILED] = False
        item.session._setupstate.teardown_exact(cast("pytest.Item", _Elsewhere(item)))


class _Elsewhere:
    """Stands for a next test in another file, which is up to where pytest then ends fixtures."""

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def listchain(self) -> list[pytest.Item | pytest.Collector]:
        """The nodes that stay: those above the file."""
        return [
            node for node in self._item.listchain() if not isinstance(node, (pytest.Module, pytest.Class, pytest.Item))
        ]
