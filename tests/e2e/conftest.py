"""Fixtures of the end-to-end tests: one switch for each module, as starting it takes a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.planes import CHOSEN, Plane, open_plane
from tests.support.switch import RunningSwitch, running_switch


@pytest.fixture(scope="module")
def plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """The media plane: the workers' for all tests but those that are played on both."""
    with open_plane(getattr(request, "param", CHOSEN), tmp_path_factory.mktemp("plane")) as opened:
        yield opened


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[RunningSwitch]:
    """A switch with short timers; it must end without an error in its log."""
    with running_switch(tmp_path_factory.mktemp("switch"), **plane.changes) as running:
        yield running
