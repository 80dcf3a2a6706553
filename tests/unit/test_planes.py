"""The media plane follows from the configuration."""

from __future__ import annotations

import pytest

from config.media_schema import Media
from media.null_plane import WORKER, NullPlane
from media.plane import WorkerPlane
from media.rtpengine.plane import RtpenginePlane
from media.shared_plane import SharedPlane
from switchboard.planes import open_plane


def test_all_audio_is_carried_unless_said_otherwise() -> None:
    """The plane is that of the workers, without anything between."""
    assert isinstance(open_plane(Media(), ["media-0.sock"], lambda events: None), WorkerPlane)


def test_without_a_plane_legs_have_ports_that_nobody_opens() -> None:
    """Their address is the one that is configured; no worker is asked."""
    plane = open_plane(Media(plane="none", address="192.0.2.7"), ["media-0.sock"], lambda events: None)
    lease = plane.lease()
    assert lease is not None
    assert (lease.worker, lease.address) == (WORKER, "192.0.2.7")


def test_so_many_legs_are_carried_as_are_configured() -> None:
    """The first ones get ports of the workers, as long as there are any."""
    plane = open_plane(Media(plane="none", carried=2), ["media-0.sock"], lambda events: None)
    assert isinstance(plane, SharedPlane)
    assert isinstance(plane._null, NullPlane)
    assert plane._limit == 2


@pytest.mark.parametrize(
    ("address", "address6", "families"),
    [("192.0.2.7", "", ("IP4",)), ("192.0.2.7", "2001:db8::7", ("IP4", "IP6")), ("2001:db8::7", "", ("IP6",))],
)
def test_rtpengine_is_asked_for_the_families_of_our_addresses(
    address: str, address6: str, families: tuple[str, ...]
) -> None:
    """The usual one comes first."""
    media = Media(plane="rtpengine", address=address, address6=address6)
    plane = open_plane(media, {0: "media-0.sock"}, lambda events: None)
    assert isinstance(plane, RtpenginePlane)
    assert plane._engine._settings.families == families


def test_rtpengine_stands_before_the_workers() -> None:
    """It has no port to lease before it answers."""
    plane = open_plane(Media(plane="rtpengine"), {0: "media-0.sock"}, lambda events: None)
    assert isinstance(plane, RtpenginePlane)
    assert list(plane.real.states()) == [0]
    assert plane.counts() == {"free": 0, "leased": 0, "workers": 0, "rtpengine": 0}
    assert plane.lease() is None
