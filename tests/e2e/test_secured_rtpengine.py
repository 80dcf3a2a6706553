"""As test_secured_phones, with rtpengine, which passes what it cannot read to the workers and from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pjsua import need_pjsua
from tests.support.planes import RTPENGINE, Plane
from tests.support.secured_phones import Place, a_carrier_in_clear, phones_by_their_policies
from tests.support.sipp import need_sipp
from tests.support.switch import RunningSwitch, running_switch


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ports and certificates."""
    need_pjsua()
    need_sipp()
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def switch(place: Place, plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """The switch there."""
    with running_switch(tmp_path_factory.mktemp("switch"), **place.settings(), **plane.changes) as running:
        yield running


@pytest.mark.parametrize("plane", [RTPENGINE], indirect=True, scope="module")
async def test_a_carrier_in_clear_and_a_phone_that_is_secured(
    place: Place, switch: RunningSwitch, tmp_path: Path
) -> None:
    """SIPp and pjsua2 hear each other through hold and resume; only SIPp's leg can be understood on the wire."""
    await a_carrier_in_clear(place, switch, tmp_path)


@pytest.mark.parametrize("plane", [RTPENGINE], indirect=True, scope="module")
async def test_phones_by_their_policies(place: Place, switch: RunningSwitch, tmp_path: Path) -> None:
    """Required meets optional, optional meets a phone without SRTP, and required refuses that phone."""
    await phones_by_their_policies(place, switch, tmp_path)
