"""What records, figures and the log keep of each leg's audio."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from media.events import StreamStats
from switchboard.calls.audio_quality import SILENT_AFTER_US
from switchboard.calls.exchange import PHONES
from switchboard.store.records import CallRecord, MediaRecord
from tests.support.exchange import World

GOOD = StreamStats(
    received=500, sent=490, lost=5, jitter_ms=1.23456, strangers=2, rtcp=2, rtcp_sent=2, round_trip_ms=30.98765,
    peer_lost=3, peer_jitter_ms=2.34567, mos_in=4.3, mos_out=4.33,
)  # fmt: skip
KEPT = MediaRecord(500, 490, 5, 1.235, 2, 3, 2.346, 30.988, 4.3, 4.33, False)
MUTE = StreamStats(sent=500, rtcp_sent=2)
SECONDS = SILENT_AFTER_US / 1e6


def ended(stats: StreamStats, seconds: float, **receive: bool) -> tuple[World, CallRecord, list[dict[str, object]]]:
    """A call in which carrier and agent talked so long, and what was logged of it."""
    world = World()
    logged: list[dict[str, object]] = []
    world.exchange.log = lambda event, **values: logged.append({"event": event, **values})
    out, _ = world.dial("4001")
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    if receive:
        for leg in world.exchange.media_legs.values():
            assert leg.agreement is not None
            leg.agreement = replace(leg.agreement, **receive)
    world.advance(seconds)
    world.plane.stats = stats
    world.within(world.carrier, out, "BYE", 2)
    world.reply(world.agent, 200)
    world.advance(40)
    assert world.leftovers() == {}
    (record,) = world.journal.records
    return world, record, [line for line in logged if line["event"] == "call.leg_silent"]


def test_what_was_measured_is_kept_of_each_leg() -> None:
    """In the record, and in the figures of the trunk `bench` and of the phones."""
    world, record, silent = ended(GOOD, 10.0)
    assert [leg.media for leg in record.legs] == [KEPT, KEPT]
    assert sorted(world.meter.audio, key=lambda told: told[0]) == [("bench", KEPT), (PHONES, KEPT)]
    assert silent == []


@pytest.mark.parametrize(
    ("stats", "seconds", "receive", "silent", "why"),
    [
        (MUTE, SECONDS + 1, True, True, "it could be heard and was not"),
        (StreamStats(rtcp_sent=1), SECONDS + 1, True, True, "no audio either way"),
        (MUTE, SECONDS - 1, True, False, "hardly begun"),
        (MUTE, SECONDS + 1, False, False, "it only listens"),
        (StreamStats(), SECONDS + 1, True, False, "no media was carried"),
        (GOOD, SECONDS + 1, True, False, "it was heard"),
    ],
)
def test_a_party_that_nobody_heard(stats: StreamStats, seconds: float, receive: bool, silent: bool, why: str) -> None:
    """Its record, its trunk's figures and one line of the log say so."""
    world, record, logged = ended(stats, seconds, receive=receive)
    assert [leg.media.silent for leg in record.legs if leg.media] == [silent, silent], why
    assert [media.silent for _, media in world.meter.audio] == [silent, silent]
    assert {line["leg"] for line in logged} == ({leg.id for leg in record.legs} if silent else set())
    assert len(logged) == (2 if silent else 0)


def test_who_never_talked_is_not_silent() -> None:
    """A caller who hears it ring has nothing to say yet."""
    world = World()
    world.plane.stats = MUTE
    _, tx = world.dial("4001")
    world.reply(world.agent, 180)
    world.advance(SECONDS + 1)
    world.carrier.core.cancel(tx, world.now)
    world.run()
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    world.advance(40)
    (record,) = world.journal.records
    assert not any(leg.media.silent for leg in record.legs if leg.media)
