"""The plane before an rtpengine that refuses, is silent, late, or repeats itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from media.control import Digit, Open, PlayDone, Released, SendDigits, StreamStats
from media.interface import Lease, MediaEvent, WorkerLost
from media.prompts import PromptStore
from media.rtpengine.engine import _LISTED
from media.rtpengine.plane import RtpenginePlane
from media.rtpengine.settings import Settings
from media.rtpengine.sounds import Sounds
from tests.support.ng_server import REFUSED, UNKNOWN, NgServer
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.unit.media.test_plane import StandIn

TIMEOUT = 1.0


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(10 * PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


class Setup:
    """A plane, one worker, one rtpengine."""

    def __init__(self, directory: Path, server: NgServer) -> None:
        self.server = server
        self.worker = StandIn(directory / "0", [10, 12, 14, 16])
        self.keys = ("127.0.0.1", free_port())
        self.events: list[MediaEvent] = []
        settings = Settings("127.0.0.1", server.port, *self.keys, timeout=TIMEOUT, ping=0.05, spare=2)
        sounds = Sounds(directory / "sounds", PromptStore([]))
        self.plane = RtpenginePlane(settings, {0: self.worker.path}, sounds, self._take)

    def _take(self, events: Sequence[MediaEvent]) -> None:
        self.events.extend(events)

    def lease(self, near: Lease | None = None) -> Lease:
        """A lease there must be."""
        lease = self.plane.lease(near)
        assert lease is not None
        return lease

    def open(self, lease: Lease, port: int = 4000, *, codec: str = "PCMA") -> None:
        """Says who the party is."""
        self.plane.open(
            lease,
            remote_ip="192.0.2.1",
            remote_port=port,
            latch_ip="192.0.2.1",
            audio_pt=8 if codec == "PCMA" else 0,
            codec=codec,
            event_pt=101,
            digits=True,
        )

    def talking(self) -> tuple[Lease, Lease]:
        """Two parties of one call."""
        one = self.lease()
        other = self.lease(one)
        self.open(one)
        self.open(other, 4002)
        self.plane.bridge(one, other)
        return one, other

    def of(self, kind: type[MediaEvent]) -> list[MediaEvent]:
        """What was told of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def press(self, lease: Lease, event: int) -> None:
        """The party of a lease presses a key, as rtpengine tells it."""
        side = self.plane._legs[lease.port, lease.gen].side
        self.server.press(self.keys, side.pair.call, side.tag, event)


@contextlib.asynccontextmanager
async def started(directory: Path, server: NgServer) -> AsyncIterator[Setup]:
    """All of it."""
    setup = Setup(directory, server)
    await setup.worker.start()
    try:
        await setup.plane.start()
        yield setup
    finally:
        await setup.plane.close()
        await setup.worker.stop()
        server.close()


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Setup]:
    """Everything is well."""
    async with started(tmp_path, await NgServer().start()) as setup:
        yield setup


async def test_two_parties_get_the_ports_of_one_call(one: Setup) -> None:
    """Each is described, both are let through, and their counters end them."""
    first, second = one.talking()
    assert (first.port, second.port) != (0, 0)
    assert first.address == "192.0.2.9"
    assert len({leg.side.pair for leg in one.plane._legs.values()}) == 1
    await until(lambda: one.server.names().count("offer") >= 4)
    for lease in (first, second):
        one.plane.release(lease)
    await until(lambda: len(one.of(Released)) == 2)
    assert one.events == [
        Released(first.port, first.gen, StreamStats()),
        Released(second.port, second.gen, StreamStats()),
    ]
    assert one.plane.counts()["leased"] == 0


async def test_answers_that_are_late_and_doubled_are_taken_once(one: Setup) -> None:
    """Each command is sent again until it is answered, and carried out once."""
    one.server.delay, one.server.copies = 0.15, 3
    first, second = one.talking()
    call = one.plane._legs[first.port, first.gen].side.pair.call
    for lease in (first, second):
        one.plane.release(lease)
    await until(lambda: len(one.of(Released)) == 2)
    assert one.of(WorkerLost) == []
    deletes = [each for each in one.server.told if each["command"] == "delete" and each["call-id"] == call]
    assert len(deletes) == 1


@pytest.mark.parametrize("command", ["offer", "block DTMF"])
async def test_a_refusal_voids_the_leases_of_that_call(one: Setup, command: str) -> None:
    """The calls that have them are told as of a worker that is lost; others go on."""
    other = one.lease()
    one.server.answers[command] = UNKNOWN
    first, second = one.talking()
    await until(lambda: bool(one.of(WorkerLost)))
    (lost,) = one.of(WorkerLost)
    assert isinstance(lost, WorkerLost)
    assert set(lost.leases) == {first, second}
    assert one.plane.counts()["leased"] == 1
    del one.server.answers[command]
    one.open(other)
    one.plane.release(other)
    await until(lambda: Released(other.port, other.gen, StreamStats()) in one.events)


@pytest.mark.parametrize("releases", [False, True])
async def test_silence_ends_leases_and_new_ones_come_when_it_is_back(one: Setup, *, releases: bool) -> None:
    """Without an answer within the time-out there are no ports: who has one is lost, who gives it back is told so."""
    leases = one.talking()
    one.server.silent = True
    for lease in leases if releases else ():
        one.plane.release(lease)
    await until(lambda: one.plane.counts()["rtpengine"] == 0)
    assert one.plane.lease() is None
    if releases:
        await until(lambda: len(one.of(Released)) == 2)
        assert one.of(WorkerLost) == []
    else:
        await until(lambda: one.of(WorkerLost) == [WorkerLost(0, leases)])
    one.server.silent = False
    await until(lambda: one.plane.counts()["rtpengine"] == 1)
    await until(lambda: one.plane.counts()["free"] > 0)
    assert one.plane.lease() is not None


@pytest.mark.parametrize(("answer", "told"), [(None, ["2"]), (REFUSED, ["1", "2"])])
async def test_a_key_of_ours_is_no_key_of_the_party(one: Setup, answer: dict[str, str] | None, told: list[str]) -> None:
    """What rtpengine puts into the audio it reports; where it has refused to, the next key is the party's own."""
    if answer is not None:
        one.server.answers["play DTMF"] = answer
    first, second = one.talking()
    one.plane.send_digits(first, "1")
    await until(lambda: "play DTMF" in one.server.names())
    leg = one.plane._legs[second.port, second.gen]
    await until(lambda: not leg.side.pair.busy)
    one.press(second, 1)
    one.press(second, 2)
    await until(lambda: [event.digit for event in one.events if isinstance(event, Digit)] == told)


async def test_keys_are_not_sent_to_the_next_who_listens(one: Setup) -> None:
    """What was not keyed when both parted is forgotten."""
    first, _ = one.talking()
    one.plane.send_digits(first, "123")
    one.plane.unbridge(first)
    assert not one.plane._legs[first.port, first.gen].side.keys
    await asyncio.sleep(0)
    assert "play DTMF" not in one.server.names()


async def test_keys_go_with_a_leg_that_is_handed_over(one: Setup) -> None:
    """A worker sends those that rtpengine has not."""
    first, second = one.talking()
    one.plane.send_digits(first, "12")
    one.open(second, 4002, codec="PCMU")
    sent = await one.worker.heard(SendDigits)
    assert sent.digits == "12"


async def test_who_cannot_be_played_to_is_handed_to_a_worker(one: Setup) -> None:
    """A prompt that does not exist is told; what rtpengine refuses a worker plays."""
    lease = one.lease()
    one.open(lease)
    one.plane.play(lease, 1, ["nowhere/nothing"])
    await until(lambda: PlayDone(lease.port, lease.gen, 1, "missing:nowhere/nothing") in one.events)
    one.server.answers["play media"] = REFUSED
    one.plane.play(lease, 2, ["tone:busy"])
    opened = await one.worker.heard(Open)
    assert opened.codec == "PCMA"


async def test_what_plays_ends_by_the_clock(one: Setup) -> None:
    """rtpengine does not tell its end, only how long it is."""
    lease = one.lease()
    one.open(lease)
    one.plane.play(lease, 1, ["tone:busy"])
    await until(lambda: PlayDone(lease.port, lease.gen, 1, "done") in one.events)


@pytest.mark.parametrize(("answer", "lists"), [(None, 2), (UNKNOWN, 1)])
async def test_calls_left_behind_are_ended_without_a_storm(
    tmp_path: Path, answer: dict[str, str] | None, lists: int
) -> None:
    """Those of our name, again only when all answers are there and one of them was ended; others are not ours."""
    server = await NgServer().start()
    server.listed = ["somebody-1", *(f"switchboard-0000-{n}" for n in range(_LISTED + 20))]
    if answer is not None:
        server.answers["delete"] = answer
    async with started(tmp_path, server):
        expected = _LISTED + 20 if answer is None else _LISTED - 1
        await until(lambda: server.names().count("delete") == expected)
        await until(lambda: server.names().count("list") == lists)
        assert "somebody-1" in server.listed
