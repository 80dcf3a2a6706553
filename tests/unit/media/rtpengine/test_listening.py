"""Who has gone silent is told from counters that are asked for now and then."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

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
    leg.stream = replace(leg.stream, receive=True)
    return leg


def reply(packets: int, reports: int = 0, refused: int = 0, source: str = "192.0.2.1") -> dict[str, Value]:
    """What has come from it so far, and what from others; whom rtpengine takes for it."""
    stats: dict[str, Value] = {"packets": packets + refused, "bytes": 0, "errors": refused}
    streams: list[Value] = [
        {"flags": ["RTP"], "stats": stats, "endpoint": {"address": source, "port": 4000}},
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


def test_whoever_listens_next_is_told_of_a_silence_too() -> None:
    """It counts from then on, and what was told of it before is over."""
    listening, leg = Listening(60.0), a_leg()
    assert listening.look(leg, reply(0), 60.0) == Silence(20000, 7)
    leg.heard_at = 80.0
    assert [listening.look(leg, reply(0), now) for now in (90.0, 130.0)] == [Heard(20000, 7), None]
    assert listening.look(leg, reply(0), 140.0) == Silence(20000, 7)


def test_who_is_not_to_speak_is_not_silent() -> None:
    """A party on hold sends nothing by agreement."""
    listening, leg = Listening(60.0), a_leg()
    leg.stream = replace(leg.stream, receive=False)
    assert listening.look(leg, reply(0), 100.0) is None
    leg.stream = replace(leg.stream, receive=True)
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
    leg.stream = replace(leg.stream, receive=False)
    assert listening.unheard([leg], 0.0, 100.0) == []
    leg.stream = replace(leg.stream, receive=True)
    assert listening.unheard([leg], 0.0, 159.0) == []
    leg.side.party, party = None, leg.side.party
    assert listening.unheard([leg], 0.0, 160.0) == []
    leg.side.party, leg.helper = party, Lease(0, 10000, 1, "127.0.0.1")
    assert listening.unheard([leg], 0.0, 160.0) == []
    leg.helper = None
    assert listening.unheard([leg], 0.0, 160.0) == [Silence(20000, 7)]


# --- whose NAT has changed its port ---

GONE, STRANGER = "192.0.2.1", "198.51.100.7"


def behind_a_nat() -> Leg:
    """A leg of which it has to be learned where it sends from."""
    leg = a_leg()
    leg.side.party = Party(GONE, 4000, nat=True)
    return leg


def test_who_sends_from_another_port_is_sought_until_found() -> None:
    """Only what comes from its own address after rtpengine has learned anew is its own."""
    listening, leg = Listening(60.0), behind_a_nat()
    steps = [
        (15.0, reply(700), False),
        (30.0, reply(900, refused=200), False),
        (31.0, reply(900, refused=250), True),
        (32.0, reply(950, refused=250, source=STRANGER), True),
        (33.0, reply(950, refused=250), True),
        (34.0, reply(1000, refused=280), False),
    ]
    for now, counters, sought in steps:
        listening.look(leg, counters, now)
        assert leg.side.seeks is sought, now


def test_who_was_learned_from_another_address_was_somebody_else() -> None:
    """From the first: no other address than its own may be the party's."""
    listening, leg = Listening(60.0), behind_a_nat()
    listening.look(leg, reply(700, source=STRANGER), 15.0)
    assert leg.side.seeks
    assert leg.side.doubtful


def test_of_whom_nothing_comes_but_what_is_refused_is_asked_each_second() -> None:
    """And while it is sought; before and after that every five seconds, three times as often as of others."""
    listening, leg = Listening(60.0), behind_a_nat()

    def asked(first: int, last: int) -> list[int]:
        return [now for now in range(first, last) if listening.due([leg], float(now))]

    assert asked(0, 20) == [5, 10, 15]
    listening.look(leg, reply(700, refused=1), 20.0)
    assert asked(20, 23) == [20, 21, 22]
    listening.look(leg, reply(700, refused=2), 23.0)
    assert asked(23, 26) == [23, 24, 25]
    listening.look(leg, reply(701, refused=2), 26.0)
    assert asked(26, 45) == [30, 35, 40]


def test_what_others_send_breaks_no_silence() -> None:
    """Neither what is refused nor what is taken for the party's while it is sought."""
    listening, leg = Listening(60.0), behind_a_nat()
    listening.look(leg, reply(700), 10.0)
    for now in range(20, 70, 10):
        assert listening.look(leg, reply(700 + now, refused=now, source=STRANGER), float(now)) is None
    assert listening.look(leg, reply(800, refused=90, source=STRANGER), 71.0) == Silence(20000, 7)


def test_who_is_where_it_says_is_not_sought() -> None:
    """Without a NAT nothing is learned; nor is who must not speak."""
    for nat, receive in ((False, True), (True, False)):
        listening, leg = Listening(60.0), behind_a_nat()
        leg.side.party = Party(GONE, 4000, nat=nat)
        leg.stream = replace(leg.stream, receive=receive)
        for now in (15.0, 30.0):
            listening.look(leg, reply(0, refused=round(now)), now)
        assert not leg.side.seeks


def test_who_is_with_a_worker_is_followed_too() -> None:
    """Of its silence the worker tells; once it is let go nobody is sought any more."""
    listening, leg = Listening(60.0), behind_a_nat()
    leg.helper = Lease(0, 10000, 1, "127.0.0.1")
    assert [now for now in range(20) if listening.due([leg], float(now))] == [5, 10, 15]
    for now in (15.0, 80.0):
        assert listening.look(leg, reply(700, refused=round(now)), now) is None
    assert leg.side.seeks
    leg.side.seeks, leg.releasing = False, 1
    assert listening.look(leg, reply(700, refused=90), 81.0) is None
    assert not leg.side.seeks
