"""Secret digits as in test_leaks, with rtpengine: it relays some of the calls, and leads the others on to workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backend import (
    RunningBackend,
    demonstration_backend,
)
from tests.support.keyed_secrets import no_secret_is_kept_or_handed_on, recording_switch
from tests.support.planes import RTPENGINE, Plane
from tests.support.ports import free_port
from tests.support.switch import RunningSwitch


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Where the trunk leads, and where the agent is."""
    return {"party": free_port(), "agent": free_port()}


@pytest.fixture(scope="module")
def backend() -> Iterator[RunningBackend]:
    """The customer's own server."""
    with demonstration_backend() as running:
        yield running


@pytest.fixture(scope="module")
def switch(
    tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int], backend: RunningBackend, plane: Plane
) -> Iterator[RunningSwitch]:
    """A switch that logs all it can and records every talk."""
    with recording_switch(tmp_path_factory.mktemp("leaks"), ports, backend, plane) as running:
        yield running


@pytest.mark.parametrize("plane", [RTPENGINE], indirect=True, scope="module")
async def test_no_secret_is_kept_or_handed_on(
    plane: Plane, switch: RunningSwitch, ports: dict[str, int], backend: RunningBackend, tmp_path: Path
) -> None:
    """Keyed by RFC 4733, as tones, as both, and by INFO: known to the customer's own server and to nobody else."""
    await no_secret_is_kept_or_handed_on(plane, switch, ports, backend, tmp_path)
