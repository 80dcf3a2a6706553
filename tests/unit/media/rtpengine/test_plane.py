"""The plane before an rtpengine that refuses, is silent, late, or repeats itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from media.control import Bridge, Command, Conceal, KeyTaken, Open, SendDigits
from media.events import Digit, KeyPassed, PlayDone, Released, StreamStats
from media.interface import Lease, MediaEvent, Stream, WorkerLost
from media.prompts import PromptStore
from media.rtpengine import legs, plane
from media.rtpengine.commands import Family
from media.rtpengine.engine import _LISTED
from media.rtpengine.leg import Leg
from media.rtpengine.pair import Pair
from media.rtpengine.plane import RtpenginePlane
from media.rtpengine.settings import Settings
from media.rtpengine.sounds import Sounds
from media.sdes import Keys
from tests.support.ng_server import REFUSED, UNKNOWN, NgServer
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.support.srtp import new_keys
from tests.unit.media.test_plane import StandIn

TIMEOUT = 1.0


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something holds."""
    async with asyncio.timeout(30 * PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


class Setup:
    """A plane, its workers, one rtpengine."""

    def __init__(
        self, directory: Path, server: NgServer, families: tuple[Family, ...] = ("IP4",), workers: int = 1
    ) -> None:
        self.server = server
        self.workers = [StandIn(directory / str(number), [10, 12, 14, 16]) for number in range(workers)]
        for worker in self.workers:
            worker.answers = True
        self.worker = self.workers[0]
        self.keys = ("127.0.0.1", free_port())
        self.events: list[MediaEvent] = []
        settings = Settings(
            "127.0.0.1", server.port, *self.keys, timeout=TIMEOUT, ping=0.05, spare=2, families=families
        )
        sounds = Sounds(directory / "sounds", PromptStore([]))
        paths = {number: worker.path for number, worker in enumerate(self.workers)}
        self.plane = RtpenginePlane(settings, paths, sounds, self._take)

    def _take(self, events: Sequence[MediaEvent]) -> None:
        self.events.extend(events)

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease:
        """A lease there must be."""
        lease = self.plane.lease(near, six=six)
        assert lease is not None
        return lease

    def open(
        self,
        lease: Lease,
        port: int = 4000,
        *,
        codec: str = "PCMA",
        digits: bool = True,
        secured: Keys | None = None,
        event_pt: int = 101,
    ) -> None:
        """Says who the party is."""
        address = "2001:db8::1" if ":" in lease.address else "192.0.2.1"
        audio_pt = 8 if codec == "PCMA" else 0
        self.plane.open(
            lease, Stream(address, port, address, audio_pt, codec, event_pt, digits=digits, secured=secured)
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

    def press(self, lease: Lease, event: int, duration: int = 0) -> None:
        """The party of a lease presses a key, as rtpengine tells it."""
        side = self.plane._legs[lease.port, lease.gen].side
        self.server.press(self.keys, side.pair.call, side.tag, event, duration)


@contextlib.asynccontextmanager
async def started(
    directory: Path, server: NgServer, families: tuple[Family, ...] = ("IP4",), workers: int = 1
) -> AsyncIterator[Setup]:
    """All of it."""
    setup = Setup(directory, server, families, workers)
    for worker in setup.workers:
        await worker.start()
    try:
        await setup.plane.start()
        yield setup
    finally:
        await setup.plane.close()
        for worker in setup.workers:
            await worker.stop()
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


async def test_it_tells_that_ports_are_short_and_that_they_have_come(one: Setup) -> None:
    """The second port of a call is nobody else's; what comes is told of, and that no more is on its way."""
    told: list[bool] = []
    await until(lambda: one.plane.spare(False) == 4)
    one.plane.on_short = told.append
    first = one.lease()
    assert (told, one.plane.spare(False), one.plane.kept()) == ([], 2, 1)
    one.lease()
    assert (told, one.plane.spare(False), one.plane.kept()) == ([True], 0, 2)
    assert one.plane.lease() is None
    one.lease(first)
    assert one.plane.kept() == 1
    await until(lambda: one.plane.spare(False) == 4)
    await until(lambda: told[-1] is False)
    assert one.plane.lease(six=True) is not None
    for lease in list(one.plane._legs.values()):
        one.plane.release(lease.lease)
    await until(lambda: one.plane.kept() == 0)


async def test_who_waits_for_ports_is_told_when_none_come(one: Setup) -> None:
    """Whether rtpengine refuses, or does not answer any more."""
    told: list[bool] = []
    await until(lambda: one.plane.spare(False) == 4)
    one.plane.on_short = told.append
    one.server.answers["offer"] = REFUSED
    one.lease()
    one.lease()
    await until(lambda: told[-1:] == [False])
    assert one.plane.spare(False) == 0
    del one.server.answers["offer"]
    await until(lambda: one.plane.spare(False) == 4)
    one.server.passes_over.add("offer")
    one.lease()
    one.lease()
    assert told[-1] is True
    one.server.silent = True
    await until(lambda: told[-1] is False)
    assert one.plane.spare(False) == 0


async def test_keys_of_another_payload_type_are_taken_before_anybody_else_is_there(one: Setup) -> None:
    """rtpengine tells of those alone that the other side takes, so it is said to; the port stays the next party's."""
    first = one.lease()
    one.open(first, event_pt=96)

    def offered() -> list[str]:
        """What was said of the other side."""
        return [told["sdp"] for told in one.server.told if told["command"] == "offer" and told["from-tag"] == "b"]

    await until(lambda: any("a=rtpmap:96 telephone-event" in sdp for sdp in offered()))
    second = one.lease(first)
    assert one.plane._legs[second.port, second.gen].side.pair is one.plane._legs[first.port, first.gen].side.pair
    one.open(second, 4002)
    await until(lambda: "a=rtpmap:101 telephone-event" in offered()[-1] and "m=audio 4002" in offered()[-1])


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


@pytest.mark.parametrize("releases", [0, 1, 2])
async def test_who_has_a_port_when_it_falls_silent_has_it_still_when_it_is_back(one: Setup, releases: int) -> None:
    """Without an answer within the time-out there are no new ports; who gives one back is told so, the others wait and
    are told on its return what they have missed."""
    leases = one.talking()
    pair = leg_of(one, leases[1]).side.pair
    one.server.silent = True
    for lease in leases[:releases]:
        one.plane.release(lease)
    await until(lambda: one.plane.counts()["rtpengine"] == 0)
    assert one.plane.lease() is None
    await until(lambda: len(one.of(Released)) == releases)
    if releases < 2:
        one.plane.mute(leases[1], True)
        await until(lambda: not pair.busy)
    one.server.silent = False
    await until(lambda: one.plane.counts()["rtpengine"] == 1)
    await until(lambda: one.plane.counts()["free"] > 0)
    assert one.plane.lease() is not None
    assert one.of(WorkerLost) == []
    if releases < 2:
        await until(lambda: pair.sides[1].blocked and not pair.busy)
        one.plane.release(leases[1])
        await until(lambda: leases[1].gen in [event.gen for event in one.events if isinstance(event, Released)])


async def test_what_was_not_answered_is_told_again_or_taken_back(one: Setup) -> None:
    """Of what is not wanted any more it is not known whether rtpengine has done it, or will yet."""
    first, second = one.talking()
    leg = leg_of(one, first)
    await until(lambda: relays(leg.side.pair))
    one.server.silent = True
    one.plane.play(second, 1, ["tone:busy"])
    one.plane.mute(first, True)
    await until(lambda: leg.side.pair.busy)
    await until(lambda: not leg.side.pair.busy)
    one.plane.mute(first, False)
    one.plane.stop_play(second)
    one.server.told.clear()
    one.server.silent = False
    await until(lambda: "unblock media" in one.server.names(leg.side.tag) and relays(leg.side.pair))
    assert one.of(WorkerLost) == []


async def test_who_is_never_answered_although_it_is_there_is_lost(one: Setup) -> None:
    """The log tells why; the calls of others go on."""
    one.server.passes_over = {"block media"}
    with capture_logs() as logs:
        first, second = one.talking()
        other = one.lease()
        one.plane.unbridge(first)
        one.plane.mute(first, True)
        await until(lambda: bool(one.of(WorkerLost)))
    assert one.of(WorkerLost) == [WorkerLost(0, (first, second))]
    (lost,) = [entry for entry in logs if entry["event"] == "rtpengine.call_lost"]
    assert lost["reason"] == "no answer"
    assert one.plane.counts()["rtpengine"] == 1
    one.plane.release(other)
    await until(lambda: len(one.of(Released)) == 1)


async def test_that_no_call_can_be_opened_is_told_with_the_reason(tmp_path: Path) -> None:
    """Once, however often it is tried."""
    server = await NgServer().start()
    server.answers["offer"] = {"result": "error", "error-reason": "Ran out of ports"}
    with capture_logs() as logs:
        setup = Setup(tmp_path, server)
        await setup.worker.start()
        await setup.plane.start(TIMEOUT)
        try:
            tried = server.names().count("offer")
            await until(lambda: server.names().count("offer") > tried)
            assert setup.plane.lease() is None
        finally:
            await setup.plane.close()
            await setup.worker.stop()
            server.close()
    assert [entry["reason"] for entry in logs if entry["event"] == "rtpengine.refused"] == ["Ran out of ports"]


@pytest.mark.parametrize(("answer", "told"), [(None, ["2"]), (REFUSED, ["1", "2"])])
async def test_a_key_of_ours_is_no_key_of_the_party(one: Setup, answer: dict[str, str] | None, told: list[str]) -> None:
    """What rtpengine puts into the audio it reports; where it has refused to, the next key is the party's own."""
    if answer is not None:
        one.server.answers["play DTMF"] = answer
    first = one.lease()
    second = one.lease(first)
    one.open(first)
    one.open(second, 4002, digits=False)
    one.plane.bridge(first, second)
    leg = leg_of(one, second)
    await until(lambda: relays(leg.side.pair))
    one.plane.send_digits(first, "1")
    await until(lambda: "play DTMF" in one.server.names() and not leg.side.pair.busy)
    one.press(second, 1)
    one.press(second, 2)
    await until(lambda: [event.digit for event in one.events if isinstance(event, KeyPassed)] == told)


@pytest.mark.parametrize("why", ["keyed for the switch", "muted"])
async def test_keys_go_to_a_party_that_is_not_to_hear_the_other(one: Setup, why: str) -> None:
    """rtpengine would let none through, so a worker sends them."""
    first = one.lease()
    second = one.lease(first)
    one.open(first)
    one.open(second, 4002, digits=why == "keyed for the switch")
    one.plane.bridge(first, second)
    if why == "muted":
        one.plane.mute(second, True)
    one.plane.send_digits(first, "1")
    assert (await one.worker.heard(SendDigits)).digits == "1"
    assert "play DTMF" not in one.server.names()


async def test_that_a_key_went_on_is_told_with_how_long_it_was_held(one: Setup) -> None:
    """Not while it goes to nobody, is for the switch, or is one of ours."""
    first = one.lease()
    second = one.lease(first)
    one.open(first, digits=False)
    one.open(second, 4002)
    pair = leg_of(one, first).side.pair
    one.press(first, 1)
    one.press(second, 2)
    await until(lambda: len(one.of(Digit)) == 1)
    one.plane.bridge(first, second)
    await until(lambda: relays(pair))
    one.press(first, 3, 1200)
    one.plane.send_digits(second, "4")
    await until(lambda: "play DTMF" in one.server.names() and not pair.busy)
    one.press(first, 4)
    one.press(second, 5)
    one.press(first, 6)
    await until(lambda: len(one.of(KeyPassed)) == 2)
    assert one.of(KeyPassed) == [
        KeyPassed(first.port, first.gen, "3", 1.2), KeyPassed(first.port, first.gen, "6")
    ]  # fmt: skip
    assert [event.digit for event in one.events if isinstance(event, Digit)] == ["2", "5"]


async def test_keys_of_who_is_sought_are_nobodys(one: Setup) -> None:
    """Somebody else may have pressed them; where it was found the party's are told again."""
    first, second = one.talking()
    side = leg_of(one, first).side
    side.seek()
    one.press(first, 1)
    one.press(second, 2)
    await until(lambda: len(one.of(Digit)) == 1)
    side.find(5000)
    one.press(first, 3)
    await until(lambda: len(one.of(Digit)) == 2)
    assert [event.digit for event in one.events if isinstance(event, Digit)] == ["2", "3"]


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


async def test_calls_opened_ahead_that_it_has_forgotten_are_replaced(one: Setup) -> None:
    """It was started anew in less time than it takes to notice; no caller is told a port that nobody has."""
    await until(lambda: one.plane.spare(False) == 4)
    forgotten = one.server.listed.copy()
    one.server.listed.clear()
    await until(lambda: len(one.server.listed) == len(forgotten) and one.plane.spare(False) == 4)
    lease = one.lease()
    assert one.plane._legs[lease.port, lease.gen].side.pair.call not in forgotten
    assert one.events == []


# --- legs that are secured ---


def relays(pair: Pair) -> bool:
    """Whether rtpengine has been told all of two who hear each other."""
    return not pair.busy and all(side.told is not None and not side.blocked for side in pair.sides)


async def test_who_is_secured_is_handed_to_a_worker_with_the_other_one(one: Setup) -> None:
    """The worker has the keys, also after they have changed; rtpengine is told of none."""
    first = one.lease()
    second = one.lease(first)
    keys = new_keys()
    one.open(first, secured=keys)
    one.open(second, 4002)
    one.plane.bridge(first, second)
    opened = await one.worker.heard(Open)
    assert opened.secured == keys
    await until_bridged(one, leg_of(one, second))
    again = new_keys()
    one.open(first, secured=again)
    # Beside, the worker is told where rtpengine is.
    async with asyncio.timeout(30 * PATIENCE):
        while (await one.worker.heard(Open)).secured != again:
            pass
    await until(lambda: not leg_of(one, first).side.pair.busy)
    told = str(one.server.told)
    assert "wa" in told
    assert "crypto" not in told


def _handed(setup: Setup, lease: Lease) -> Lease:
    """The worker's port to which a leg was handed over."""
    helper = setup.plane._legs[lease.port, lease.gen].helper
    assert helper is not None
    return helper


async def _without(setup: Setup, number: int) -> None:
    """A worker is gone."""
    await setup.workers[number].stop()
    await until(lambda: not setup.plane.real.states()[number].up)


async def _with(setup: Setup, number: int) -> None:
    """A worker is back: another process of the same number."""
    setup.workers[number].boot += "-anew"
    await setup.workers[number].start()
    await until(lambda: number in setup.plane.real.for_calls())


async def _two_of(setup: Setup, number: int) -> tuple[Lease, Lease]:
    """Two parties of a call that are meant for a worker."""
    first = setup.lease()
    while first.worker != number:
        setup.plane.release(first)
        await until(lambda: setup.plane.spare(False) > 0)
        first = setup.lease()
    return first, setup.lease(first)


def _secure(setup: Setup, lease: Lease) -> None:
    """A party that only a worker can take."""
    setup.open(lease, secured=new_keys("AES_CM_128_HMAC_SHA1_80"))


async def _leave_to(setup: Setup, number: int) -> tuple[Lease, Lease]:
    """Two parties that had come when a worker was there; one is handed over without it, the other when it is back."""
    first, second = await _two_of(setup, number)
    await _without(setup, number)
    _secure(setup, first)
    await _with(setup, number)
    _secure(setup, second)
    return first, second


@pytest.mark.parametrize("gone", [0, 1])
async def test_who_may_be_joined_is_handed_to_the_same_worker(tmp_path: Path, gone: int) -> None:
    """Though the one that both were meant for has gone, and come back, in between."""
    async with started(tmp_path, await NgServer().start(), workers=2) as setup:
        first, second = await _leave_to(setup, gone)
        assert {_handed(setup, lease).worker for lease in (first, second)} == {1 - gone}
        setup.plane.bridge(first, second)
        while not isinstance(command := await setup.workers[1 - gone].commands.get(), Bridge):
            pass
        assert {command.port_a, command.port_b} == {_handed(setup, lease).port for lease in (first, second)}


async def test_who_is_handed_over_while_a_worker_may_be_back_goes_to_another(tmp_path: Path) -> None:
    """Who is there already has a moment to live; all others are together, and with whoever comes when it is over."""
    async with started(tmp_path, await NgServer().start(), workers=2) as setup:
        gone, first = await _two_of(setup, 1)
        await until(lambda: setup.plane.spare(False) > 0)
        second = setup.lease(first)
        await until(lambda: setup.plane.spare(False) > 0)
        third = setup.lease(first)
        _secure(setup, gone)
        setup.workers[1].greets = False
        setup.workers[1].hang_up()
        await until(lambda: not setup.plane.real.states()[1].up)
        _secure(setup, first)
        _secure(setup, second)
        with capture_logs() as logs:
            setup.plane.bridge(gone, first)
            setup.plane.bridge(first, second)
        assert [line["event"] for line in logs] == ["rtpengine.apart"]
        await _without(setup, 1)
        await until(lambda: bool(setup.of(WorkerLost)))
        setup.workers[1].greets = True
        await _with(setup, 1)
        _secure(setup, third)
        assert {_handed(setup, lease).worker for lease in (first, second, third)} == {0}


async def test_who_comes_back_gets_calls_once_nobody_stands_in_for_it(tmp_path: Path) -> None:
    """Those that came before it went go on where they were handed to."""
    async with started(tmp_path, await NgServer().start(), workers=2) as setup:
        first, second = await _leave_to(setup, 1)
        others = []
        for _ in range(4):
            await until(lambda: setup.plane.spare(False) > 0)
            others.append(setup.lease())
        assert {lease.worker for lease in others} == {0}
        released = len(setup.of(Released))
        for lease in (first, second):
            helper = _handed(setup, lease)
            setup.plane.release(lease)
            setup.workers[0].say(Released(helper.port, helper.gen, StreamStats()))
        await until(lambda: len(setup.of(Released)) == released + 2)
        for _ in range(2):
            await until(lambda: setup.plane.spare(False) > 0)
            others.append(setup.lease())
        assert {lease.worker for lease in others} == {0, 1}


async def test_who_is_secured_in_a_talk_leaves_it_until_a_worker_has_both(one: Setup) -> None:
    """What rtpengine relayed in clear it blocks before it is told anything else."""
    first, second = one.talking()
    leg = leg_of(one, first)
    await until(lambda: relays(leg.side.pair))
    one.server.told.clear()
    one.open(first, secured=new_keys())
    await until_bridged(one, leg_of(one, second))
    await until(lambda: one.server.names().count("answer") == 2 and not leg.side.pair.busy)
    assert not leg.side.pair.bridged
    assert {each["to-tag"] for each in one.server.told if each["command"] == "offer"} == {"wa", "wb"}


async def test_without_a_worker_who_is_secured_hears_nobody(one: Setup) -> None:
    """Nothing goes to it in clear, and its packets, which nobody understands, to nobody."""
    first, second = one.talking()
    leg = leg_of(one, first)
    await until(lambda: relays(leg.side.pair))
    await one.worker.stop()
    await until(lambda: not one.plane.real.counts()["workers"])
    one.open(first, secured=new_keys())
    await until(lambda: all(side.blocked for side in leg.side.pair.sides))
    one.plane.bridge(first, second)
    one.plane.play(first, 1, ["tone:busy"])
    await until(lambda: not leg.side.pair.busy)
    assert all(side.blocked for side in leg.side.pair.sides)
    assert "play media" not in one.server.names()
    await until(lambda: one.of(PlayDone) == [PlayDone(first.port, first.gen, 1, "stopped")])


async def test_nothing_is_kept_of_who_could_not_be_joined(one: Setup) -> None:
    """Who has left while there was no worker waits for none."""
    first, second = one.talking()
    await one.worker.stop()
    await until(lambda: not one.plane.real.counts()["workers"])
    one.open(first, secured=new_keys())
    one.plane.bridge(first, second)
    for lease in (first, second):
        one.plane.release(lease)
    await until(lambda: len(one.of(Released)) == 2)
    assert one.plane._apart == set()


async def test_who_could_not_be_joined_is_as_soon_as_there_is_a_worker(
    one: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who need one, and nobody who has left meanwhile."""
    monkeypatch.setattr(plane, "_TICK", 0.02)
    first, second = one.talking()
    await until(lambda: one.plane.spare(False) > 0)
    third, fourth = one.talking()
    await one.worker.stop()
    await until(lambda: not one.plane.real.counts()["workers"])
    for lease in (first, third):
        one.open(lease, secured=new_keys())
    one.plane.bridge(first, second)
    one.plane.bridge(third, fourth)
    one.plane.unbridge(fourth)
    await until(lambda: not leg_of(one, first).side.pair.busy)
    assert [leg_of(one, lease).helper for lease in (first, second)] == [None, None]
    one.worker.boot += "-anew"
    await one.worker.start()
    while not isinstance(command := await one.worker.commands.get(), Bridge):
        pass
    assert {command.port_a, command.port_b} == {_handed(one, lease).port for lease in (first, second)}
    assert (leg_of(one, first).side.send, leg_of(one, first).side.receive) == (True, True)
    assert leg_of(one, third).helper is None


# --- IPv6 ---


async def test_each_party_gets_a_port_of_its_family(tmp_path: Path) -> None:
    """Two of one family those of one call, on either; two of both families those of two calls, by a worker."""
    async with started(tmp_path, await NgServer().start(), ("IP4", "IP6")) as setup:
        await until(lambda: setup.plane.counts()["free"] == 8)
        six = setup.lease(six=True)
        also_six = setup.lease(six, six=True)
        four = setup.lease(six)
        assert [":" in lease.address for lease in (six, also_six, four)] == [True, True, False]
        assert leg_of(setup, six).side.pair is leg_of(setup, also_six).side.pair
        assert leg_of(setup, six).side.pair is not leg_of(setup, four).side.pair
        for lease in (six, also_six, four):
            setup.open(lease)
        setup.plane.bridge(six, also_six)
        assert leg_of(setup, six).helper is None
        setup.plane.bridge(four, six)
        await until_bridged(setup, leg_of(setup, six))
        leg = leg_of(setup, six)
        await until(lambda: leg.reached is not None)
        assert leg.reached is not None
        assert leg.reached.address == "192.0.2.9", "the worker is on IPv4"
        call = leg.side.pair.call
        await until(lambda: not leg.side.pair.busy)
        of_leg = [each for each in setup.server.told if (each.get("call-id"), each.get("to-tag")) == (call, "wa")]
        families = {(each["command"], each["address family"]) for each in of_leg}
        assert families == {("offer", "IP4"), ("answer", "IP6")}


async def test_an_rtpengine_without_ipv6_is_told_of_once(tmp_path: Path) -> None:
    """There are ports on IPv4 only."""
    server = await NgServer().start()
    server.six = False
    with capture_logs() as logs:
        async with started(tmp_path, server, ("IP4", "IP6")) as setup:
            await until(lambda: setup.plane.counts()["free"] == 4)
            await until(lambda: any(entry["event"] == "rtpengine.no_interface" for entry in logs))
            assert setup.plane.lease(six=True) is None
            assert setup.plane.lease() is not None
            setup.plane._engine.tick(asyncio.get_running_loop().time())
            await until(lambda: server.names().count("delete") >= 3)
    found = [entry["family"] for entry in logs if entry["event"] == "rtpengine.no_interface"]
    assert found == ["IP6"]


# --- keys that are for nobody else ---

LONG, SHORT = 1000.0, 0.2
"""Seconds of a rest that does not end by itself, and of one whose end is waited for."""


def rests(monkeypatch: pytest.MonkeyPatch, *, secret: float = LONG, held: float = LONG) -> None:
    """How long keys and sound are kept after a secret, and after any key."""
    for module in (legs, plane):
        monkeypatch.setattr(module, "SECRET_REST", secret)
        monkeypatch.setattr(module, "HELD", held)


def leg_of(one: Setup, lease: Lease) -> Leg:
    """What the plane knows of a lease."""
    return one.plane._legs[lease.port, lease.gen]


async def handed(one: Setup, secret: bool) -> tuple[Lease, Leg]:
    """The first of two in a talk: its keys were the switch's until now, a secret's or not."""
    first, _ = one.talking()
    leg = leg_of(one, first)
    # What is wanted for a moment only is not told of a call that is still being told something else.
    await until(lambda: leg.side.closed_to_keys and not leg.side.pair.busy)
    if secret:
        one.plane.conceal(first, True)
        one.plane.conceal(first, False)
    one.open(first, digits=False)
    return first, leg


async def told_after(one: Setup, leg: Leg, command: str) -> float:
    """When a command had been told of a party."""
    await until(lambda: command in one.server.names(leg.side.tag))
    return asyncio.get_running_loop().time()


async def until_bridged(one: Setup, leg: Leg) -> list[Command]:
    """What the worker is told of a leg that is handed over, until it relays."""
    found: list[Command] = []
    async with asyncio.timeout(30 * PATIENCE):
        while not isinstance(command := await one.worker.commands.get(), Bridge):
            found.append(command)
    assert leg.helper is not None
    return [each for each in found if getattr(each, "port", 0) == leg.helper.port]


async def test_after_a_secret_a_party_is_heard_again_when_the_rest_is_over(
    one: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its sound is blocked and its keys; both are let through, not before."""
    rests(monkeypatch, secret=SHORT, held=0.0)
    _, leg = await handed(one, secret=True)
    until_then = leg.secret_until
    await told_after(one, leg, "block media")
    assert await told_after(one, leg, "unblock media") >= until_then
    assert await told_after(one, leg, "unblock DTMF") >= until_then
    assert not leg.side.hushed
    assert not leg.side.digits


async def test_keys_handed_over_are_blocked_a_little_longer(one: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """One may be held yet; the party is heard all the while."""
    rests(monkeypatch, held=SHORT)
    _, leg = await handed(one, secret=False)
    assert await told_after(one, leg, "unblock DTMF") >= leg.keys_until > 0.0
    # Until they were bridged nobody was heard.
    blocks = [name for name in one.server.names(leg.side.tag) if name.endswith("block media")]
    assert blocks in ([], ["block media", "unblock media"])


async def test_a_key_that_was_pressed_while_they_are_blocked_goes_on(
    one: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that began after its keys were handed over is keyed for the other party; the next one goes the same way,
    when keys are let through again.
    """
    rests(monkeypatch)
    first, leg = await handed(one, secret=False)
    assert leg.peer is not None
    await until(lambda: relays(leg.side.pair))
    leg.handed_at -= 100.0
    before = leg.keys_until
    one.press(first, 4, 100)
    await until(lambda: bool(one.of(KeyPassed)))
    assert leg.keys_until > before
    assert "play DTMF" not in one.server.names(), "rtpengine would not let it through yet"
    leg.keys_until = 0.0
    one.plane._rest(leg)
    await until(lambda: "play DTMF" in one.server.names())
    # rtpengine tells of it as the party's own.
    one.press(first, 4, 100)
    one.press(leg.peer.lease, 5)
    await until(lambda: len(one.of(Digit)) == 1)
    assert one.of(KeyPassed) == [KeyPassed(first.port, first.gen, "4", 0.1)]
    assert one.server.names().count("play DTMF") == 1


@pytest.mark.parametrize("why", ["held", "secret", "late", "muted", "parted"])
async def test_a_key_that_is_not_the_other_party_s_goes_nowhere(
    one: Setup, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """It began when keys were the switch's, or may be a secret's, or nothing keeps it; or the other party is not to
    hear who pressed it.
    """
    rests(monkeypatch)
    first, leg = await handed(one, secret=False)
    assert leg.peer is not None
    other = leg.peer.lease
    leg.handed_at -= 100.0
    if why == "secret":
        leg.secret_until = leg.handed_at + 100.0
    elif why == "late":
        leg.keys_until = leg.handed_at
    elif why == "muted":
        one.plane.mute(first, True)
    elif why == "parted":
        one.plane.unbridge(first)
    one.press(first, 4, 200_000 if why == "held" else 50_000)
    one.press(other, 5)
    await until(lambda: len(one.of(Digit)) == 1)
    assert one.of(KeyPassed) == []
    assert "play DTMF" not in one.server.names()


@pytest.mark.parametrize("by_signalling", [False, True])
async def test_a_key_that_follows_a_secret_begins_the_rest_anew(
    one: Setup, monkeypatch: pytest.MonkeyPatch, *, by_signalling: bool
) -> None:
    """It is told to nobody."""
    rests(monkeypatch, held=0.0)
    first, leg = await handed(one, secret=True)
    before = leg.secret_until
    await asyncio.sleep(0.02)
    if by_signalling:
        one.plane.key_taken(first)
    else:
        one.press(first, 5)
    await until(lambda: leg.secret_until > before)
    assert leg.side.hushed
    assert leg.side.digits
    assert one.of(Digit) == []


async def test_a_key_of_the_talk_begins_no_rest(one: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by events nor by signalling is it of a secret; only its tone is kept."""
    rests(monkeypatch, secret=0.0, held=SHORT)
    first, leg = await handed(one, secret=True)
    before = leg.secret_until
    one.plane.key_taken(first)
    assert leg.side.hushed
    await until(lambda: not leg.side.hushed)
    one.press(first, 5)
    one.press(leg_of(one, first).peer.lease, 6)  # type: ignore[union-attr]
    await until(lambda: [event.digit for event in one.events if isinstance(event, Digit)] == ["6"])
    assert leg.secret_until == before
    assert not leg.side.hushed


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("secret", [Conceal, Conceal]), ("secret being keyed", [Conceal]), ("held", []), ("signalled", [KeyTaken]),
        ("secret signalled", [Conceal, Conceal, KeyTaken]),
    ],
)  # fmt: skip
async def test_what_is_for_nobody_else_goes_with_a_leg_that_is_handed_over(
    one: Setup, monkeypatch: pytest.MonkeyPatch, what: str, expected: list[type[Command]]
) -> None:
    """The worker is told before it relays: a key pressed by now is not the other side's, nor what follows a secret."""
    rests(monkeypatch)
    first, leg = await handed(one, secret="secret" in what)
    if "being keyed" in what:
        one.plane.conceal(first, True)
    if "signalled" in what:
        one.plane.key_taken(first)
    peer = leg.peer
    assert peer is not None
    one.open(peer.lease, 4002, codec="PCMU")
    commands = await until_bridged(one, leg)
    assert [each.digits for each in commands if isinstance(each, Open)][:2] == [True, False]
    assert [type(each) for each in commands if isinstance(each, Conceal | KeyTaken)] == expected
    on = [each.on for each in commands if isinstance(each, Conceal)]
    assert on == [True, False][: len(on)]
