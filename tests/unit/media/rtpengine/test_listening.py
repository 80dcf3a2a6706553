"""Who has gone silent is told from counters that are asked for now and then."""

from __future__ import annotations

from typing import Any

from media.events import Heard, Silence
from media.interface import Lease
from media.rtpengine.bencode import Value
from media.rtpengine.commands import Party
from media.rtpengine.leg import Leg
from media.rtpengine.listening import Listening
from media.rtpengine.pair import Pair


def a_leg() -> Leg:
    """The first side of a call, with somebody at it."""
    owner: Any = None
    leg = Leg(Lease(0, 20000, 7, "127.0.0.1"), Pair("call", owner).sides[0])
    leg.side.party = Party("192.0.2.1", 4000)
    leg.opened = {**leg.opened, "receive": True}
    return leg


def reply(packets: int, reports: int = 0) -> dict[str, Value]:
    """What has come from it so far."""
    streams: list[Value] = [
        {"flags": ["RTP"], "stats": {"packets": packets, "bytes": 0}},
        {"flags": ["RTCP"], "stats": {"packets": reports, "bytes": 0}},
    ]
    return {"tags": {"a": {"medias": [{"streams": streams}]}}}


def test_silence_is_told_once_and_then_that_it_is_over() -> None:
    """First that reports still come, then that nothing does."""
    listening, leg = Listening(60.0), a_leg()
    steps = [
        (15.0, reply(700), None),
        (74.0, reply(700, 9), None),
        (76.0, reply(700, 10), Silence(20000, 7, alive=True)),
        (120.0, reply(700, 10), None),
        (137.0, reply(700, 10), Silence(20000, 7)),
        (150.0, reply(700, 10), None),
        (165.0, reply(701, 10), Heard(20000, 7)),
        (180.0, reply(750, 10), None),
    ]
    for now, counters, expected in steps:
        assert listening.look(leg, counters, now) == expected, now


def test_who_is_not_to_speak_is_not_silent() -> None:
    """A party on hold sends nothing by agreement."""
    listening, leg = Listening(60.0), a_leg()
    leg.opened = {**leg.opened, "receive": False}
    assert listening.look(leg, reply(0), 100.0) is None
    leg.opened = {**leg.opened, "receive": True}
    assert listening.look(leg, reply(0), 130.0) is None
    assert listening.look(leg, reply(0), 161.0) == Silence(20000, 7)


def test_a_call_is_asked_about_in_time_and_no_oftener() -> None:
    """Unless nobody is at it, or a worker counts for it."""
    listening, leg = Listening(60.0), a_leg()
    asked = [now for now in range(60) if listening.due([leg], float(now))]
    assert asked == [15, 30, 45]
    leg.helper = Lease(0, 10000, 1, "127.0.0.1")
    assert not any(listening.due([leg], float(now)) for now in range(60, 120))


def test_nobody_is_heard_while_it_is_away() -> None:
    """Told once, after as long as a silence counted from the later of both; its return gives everybody that time."""
    listening, leg = Listening(60.0), a_leg()
    leg.heard_at = 90.0
    assert [now for now in range(100, 300, 10) if listening.unheard([leg], 100.0, float(now))] == [160]
    assert listening.look(leg, reply(700), 300.0) == Heard(20000, 7)
    listening.begin_anew([leg], 340.0)
    assert listening.look(leg, reply(700), 399.0) is None
    assert listening.look(leg, reply(700), 400.0) == Silence(20000, 7)


def test_away_or_not_who_is_not_to_speak_is_not_silent() -> None:
    """Nor is one whom a worker listens to, or a port without a party."""
    listening, leg = Listening(60.0), a_leg()
    leg.opened = {**leg.opened, "receive": False}
    assert listening.unheard([leg], 0.0, 100.0) == []
    leg.opened = {**leg.opened, "receive": True}
    assert listening.unheard([leg], 0.0, 159.0) == []
    leg.side.party, party = None, leg.side.party
    assert listening.unheard([leg], 0.0, 160.0) == []
    leg.side.party, leg.helper = party, Lease(0, 10000, 1, "127.0.0.1")
    assert listening.unheard([leg], 0.0, 160.0) == []
    leg.helper = None
    assert listening.unheard([leg], 0.0, 160.0) == [Silence(20000, 7)]
