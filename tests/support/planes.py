"""Both media planes, for scenes that are the same on either."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.ports import MEDIA_RANGE
from tests.support.rtpengine import Rtpengine, missing, running_rtpengine

WORKERS: Final = "workers"
RTPENGINE: Final = "rtpengine"
CHOSEN: Final = os.environ.get("SWITCH_PLANE", WORKERS)
"""The plane where a test names none: `SWITCH_PLANE=rtpengine pytest tests/e2e` plays all of them on it."""


@dataclass
class Plane:
    """One of them: its name, and the sections of a configuration that choose it."""

    name: str = WORKERS
    changes: dict[str, Any] = field(default_factory=dict)
    engine: Rtpengine | None = None

    def put_into(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The sections of a configuration with this plane in its media, of which all else stays."""
        return {**settings, "media": {**settings.get("media", {}), **self.changes.get("media", {})}}

    @property
    def counts_all(self) -> bool:
        """Whether it tells strangers, jitter and what it sends, and stops within a packet."""
        return self.name == WORKERS


@contextmanager
def on_chosen(directory: Path, changes: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The sections of a switch whose test names no plane, with the chosen one in its media."""
    media = changes.get("media", {})
    if CHOSEN == WORKERS or "plane" in media:
        yield changes
        return
    with open_plane(CHOSEN, directory, media.get("ports", MEDIA_RANGE)) as plane:
        yield plane.put_into(changes)


@contextmanager
def open_plane(name: str, directory: Path, ports: str = MEDIA_RANGE) -> Iterator[Plane]:
    """A plane for the time of a test, on a range of ports."""
    if name == WORKERS:
        yield Plane(changes={"media": {"plane": WORKERS, "ports": ports}})
        return
    if why := missing():
        pytest.skip(why)
    with running_rtpengine(directory, ports=ports) as engine:
        yield Plane(name, {"media": engine.media}, engine)


on_both = pytest.mark.parametrize("plane", [WORKERS, RTPENGINE], indirect=True, scope="module")
"""A test that is played on both; others are played on the workers."""

on_workers = pytest.mark.parametrize("plane", [WORKERS], indirect=True, scope="module")
"""One that is played on the workers, in a switch that it shares with those that are played on both."""


def workers_only(reason: str) -> pytest.MarkDecorator:
    """A test, or a module's `pytestmark`, of the workers alone, and why."""
    return pytest.mark.skipif(CHOSEN == RTPENGINE, reason=reason)
