"""Planes that carry nothing, or the audio of some calls only."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from media.events import MessageDone, PlayDone, Recorded, Released, StreamStats
from media.interface import Lease, MediaEvent, MediaPlane, Stream
from media.null_plane import FIRST_GEN, NOT_CARRIED, WORKER, NullPlane
from media.plane import WorkerPlane
from media.shared_plane import SharedPlane
from tests.support.media_plane import FakePlane

PROMPTS = {"zh/welcome": 0.02, "zh/menu": 0.03, "music": 5.0}


class Owner:
    """Who is told."""

    def __init__(self) -> None:
        self.events: list[MediaEvent] = []
        self.batches = 0

    def __call__(self, events: Sequence[MediaEvent]) -> None:
        """Takes what is told together."""
        self.batches += 1
        self.events += events


def null(owner: Owner, count: int = 4) -> NullPlane:
    """A plane with few ports."""
    return NullPlane(owner, seconds=PROMPTS.get, ports=range(40000, 40000 + 2 * count, 2))


def leased(plane: MediaPlane, near: Lease | None = None) -> Lease:
    """A lease that there is."""
    lease = plane.lease(near)
    assert lease is not None
    return lease


async def turn() -> None:
    """The loop's next iteration."""
    await asyncio.sleep(0)


async def test_ports_are_leased_in_turn_and_come_back() -> None:
    """Until there is none; each with a generation of its own, released at the next turn and not before."""
    owner = Owner()
    plane = null(owner)
    leases = [leased(plane) for _ in range(4)]
    assert plane.lease() is None
    assert plane.counts() == {"free": 0, "leased": 4, "workers": 0}
    assert [lease.gen for lease in leases] == [FIRST_GEN + n for n in range(1, 5)]
    plane.release(leases[1])
    plane.release(leases[1])
    plane.release(leases[0])
    assert owner.events == []
    await turn()
    assert owner.events == [Released(lease.port, lease.gen, StreamStats()) for lease in (leases[1], leases[0])]
    assert owner.batches == 1
    again = leased(plane)
    assert (again.port, again.worker) == (leases[1].port, WORKER)
    assert again.gen == FIRST_GEN + 5


async def test_prompts_last_as_long_as_they_would() -> None:
    """One after the other; music never ends; what is replaced or stopped says so; an unknown one is missing."""
    owner = Owner()
    plane = null(owner)
    a, b = leased(plane), leased(plane)
    plane.play(a, 1, ["zh/welcome", "zh/menu"])
    plane.play(b, 2, ["music"], loop=True)
    began = asyncio.get_running_loop().time()
    while not owner.events:
        await asyncio.sleep(0.002)
    assert owner.events == [PlayDone(a.port, a.gen, 1, "done")]
    assert asyncio.get_running_loop().time() - began >= 0.049
    owner.events.clear()
    plane.play(b, 3, ["zh/menu", "zh/nowhere"])
    plane.play(a, 4, ["music"])
    plane.play(a, 5, ["music"])
    plane.stop_play(a)
    plane.stop_play(a)
    await turn()
    assert owner.events == [
        PlayDone(b.port, b.gen, 2, "stopped"),
        PlayDone(b.port, b.gen, 3, "missing:zh/nowhere"),
        PlayDone(a.port, a.gen, 4, "stopped"),
        PlayDone(a.port, a.gen, 5, "stopped"),
    ]
    await plane.close()


async def test_recordings_hold_nothing_and_messages_are_silent() -> None:
    """Each ends as a real one of somebody who says nothing, before Released."""
    owner = Owner()
    plane = null(owner)
    a, b, c = (leased(plane) for _ in range(3))
    plane.record(a, "r1", "a.wav", b)
    plane.message(b, 7, "b.wav", 60.0, 0.01, "#")
    plane.message(c, 8, "c.wav", 0.02)
    while len(owner.events) < 2:
        await asyncio.sleep(0.002)
    assert owner.events == [
        MessageDone(b.port, b.gen, 7, 0.0, "silence"),
        MessageDone(c.port, c.gen, 8, 0.0, "limit"),
    ]
    owner.events.clear()
    plane.message(c, 9, "c.wav", 60.0)
    plane.stop_record(c)
    plane.message(b, 10, "b.wav", 60.0)
    plane.release(b)
    plane.release(a)
    await turn()
    assert owner.events == [
        MessageDone(c.port, c.gen, 9, 0.0, "stopped"),
        MessageDone(b.port, b.gen, 10, 0.0, "hangup"),
        Released(b.port, b.gen, StreamStats()),
        Recorded(a.port, a.gen, "r1", "a.wav", 0.0, 0, 0, NOT_CARRIED),
        Released(a.port, a.gen, StreamStats()),
    ]


async def test_commands_of_a_released_lease_have_no_effect() -> None:
    """As with real workers: the call's end crosses with its commands."""
    owner = Owner()
    plane = null(owner)
    lease = leased(plane)
    plane.release(lease)
    await turn()
    owner.events.clear()
    plane.play(lease, 1, ["music"])
    plane.stop_play(lease)
    plane.record(lease, "r", "r.wav")
    plane.message(lease, 2, "m.wav", 1.0)
    plane.stop_record(lease)
    plane.join(lease, 1)
    plane.leave(lease)
    await turn()
    assert owner.events == []


async def test_it_takes_what_a_real_plane_takes() -> None:
    """Every other command returns and tells nothing."""
    owner = Owner()
    plane = null(owner)
    await plane.start()
    a, b = leased(plane), leased(plane)
    plane.gather()
    plane.open(a, Stream("127.0.0.1", 4000, "127.0.0.1", 8, "PCMA", 101))
    plane.join(a, 1)
    plane.join(b, 1, "coach", a)
    plane.bridge(a, b)
    plane.unbridge(a)
    plane.mute(a, True)
    plane.conceal(a, True)
    plane.pause_record(a, True)
    plane.send_digits(a, "12")
    plane.flush()
    await turn()
    assert owner.events == []
    assert plane.worker_stats() == {}
    await plane.close()


async def test_a_shared_plane_carries_up_to_its_limit() -> None:
    """Beyond, leases are of the null plane; what is near stays where it is; each command goes where its lease is."""
    owner = Owner()
    real = FakePlane(ports=6)
    plane = SharedPlane(cast(WorkerPlane, real), null(owner), limit=2)
    a, b = leased(plane), leased(plane)
    c = leased(plane)
    assert (a.worker, b.worker, c.worker) == (0, 0, WORKER)
    near_a, near_c = leased(plane, a), leased(plane, c)
    assert (near_a.worker, near_c.worker) == (0, WORKER)
    assert plane.counts() == {"free": 5, "leased": 5, "workers": 1, "carried": 3}
    plane.play(c, 1, ["music"])
    plane.play(a, 2, ["music"])
    plane.bridge(a, near_a)
    plane.bridge(c, near_c)
    plane.join(a, 5)
    plane.mute(a, True)
    plane.mute(c, True)
    with pytest.raises(ValueError, match="different workers"):
        plane.bridge(a, c)
    assert [command[0] for command in real.commands] == ["play", "bridge", "join", "mute"]
    plane.release(b)
    plane.release(near_a)
    plane.release(c)
    await turn()
    assert [event for event in owner.events if isinstance(event, Released)] == [Released(c.port, c.gen, StreamStats())]
    assert leased(plane).worker == 0
    assert leased(plane).worker == WORKER


async def test_without_real_ports_the_null_plane_helps_out() -> None:
    """A limit above what the workers have."""
    plane = SharedPlane(cast(WorkerPlane, FakePlane(ports=1)), null(Owner()), limit=10)
    assert [leased(plane).worker for _ in range(3)] == [0, WORKER, WORKER]
