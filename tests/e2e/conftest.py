"""Fixtures of the end-to-end tests: one switch for each module, as starting it takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.switch import RunningSwitch, running_switch


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with short timers; it must end without an error in its log."""
    with running_switch(tmp_path_factory.mktemp("switch")) as running:
        yield running
