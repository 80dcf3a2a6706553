"""One side of an RTCP session (RFC 3550 §6): what it tells, what it learns, by a clock of the test's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.reports import EVERY, REMEMBERED, Reports, interval
from media.rtp.rtcp import Block, Report, SenderInfo, build_report, middle, parse_compound
from media.rtp.stats import MAX_DROPOUT, Reception

OURS, THEIRS = 0xAAAA, 0xBBBB


def ntp(now: float) -> int:
    """The test's clock as NTP writes it."""
    return int(now * 2**32)


def heard(numbers: list[int], reception: Reception | None = None, ssrc: int = THEIRS) -> Reception:
    """A reception of these packets."""
    reception = reception or Reception()
    for seq in numbers:
        reception.audio(seq & 0xFFFF, seq * 160 & 0xFFFFFFFF, ssrc, seq * 0.02)
    return reception


def told(reports: Reports, came: Reception, now: float = 10.0, packets: int = 0) -> Report:
    """The report that is composed, read again."""
    compound = parse_compound(reports.compose(now, ntp(now), OURS, packets, packets * 160, 777, came))
    assert compound is not None
    (report,) = compound.reports
    assert report.ssrc == OURS
    return report


def block(**changes: int) -> Block:
    """What the peer says of our stream."""
    fields = {"ssrc": OURS, "fraction": 0, "lost": 0, "highest": 1000, "jitter": 0, "lsr": 0, "dlsr": 0}
    return Block(**{**fields, **changes})


def take(
    reports: Reports, *blocks: Block, now: float = 20.0, sent: int = 1000, sender: SenderInfo | None = None
) -> None:
    """A report of the peer's comes."""
    data = build_report(Report(THEIRS, sender, blocks))
    assert reports.take(data, now, ntp(now), OURS, sent, THEIRS)


@given(st.integers(0, 0xFFFF))
def test_the_interval_is_random_around_its_mean(draw: int) -> None:
    """Half to one and a half of five seconds, and half of that before the first (RFC 3550 §6.2)."""
    assert 0.5 * EVERY <= interval(draw) < 1.5 * EVERY
    assert interval(draw, first=True) == interval(draw) / 2


class TestTold:
    """What is told of the stream that comes, and of ours."""

    @pytest.mark.parametrize(
        ("numbers", "fraction", "lost", "highest"),
        [
            (list(range(100, 200)), 0, 0, 199),
            ([n for n in range(100, 200) if n % 4], 62, 24, 199),
            ([100, 199], 250, 98, 199),
            ([100, 101, 101, 101, 102], 0, -2, 102),
            (list(range(65530, 65540)), 0, 0, 65539),
        ],
        ids=["all", "every fourth lost", "nearly all lost", "duplicates", "wrapped"],
    )
    def test_losses(self, numbers: list[int], fraction: int, lost: int, highest: int) -> None:
        """Fraction, cumulative number and extended sequence of RFC 3550 A.3, worked out by hand."""
        (said,) = told(Reports(b"x"), heard(numbers)).blocks
        assert (said.ssrc, said.fraction, said.lost, said.highest) == (THEIRS, fraction, lost, highest)

    def test_the_fraction_is_of_the_time_since_the_last_report(self) -> None:
        """The cumulative number goes on, the fraction begins anew."""
        reports, came = Reports(b"x"), Reception()
        heard(list(range(0, 100, 2)), came)
        assert told(reports, came).blocks[0].fraction == 49 * 256 // 99
        heard(list(range(99, 199)), came)
        (said,) = told(reports, came).blocks
        assert (said.fraction, said.lost) == (0, 49)
        assert told(reports, came).blocks[0].fraction == 0

    def test_a_new_source_begins_anew(self) -> None:
        """What was lost of the one before is not told of it."""
        reports, came = Reports(b"x"), heard([1, 50])
        told(reports, came)
        heard([7, 8, 10], came, ssrc=5)
        (said,) = told(reports, came).blocks
        assert (said.ssrc, said.fraction, said.lost, said.highest) == (5, 64, 1, 10)

    def test_jitter_in_timestamp_units(self) -> None:
        """That of A.8, whole: packets by turns 8 ms early and late."""
        came = Reception()
        for n in range(500):
            came.audio(n, n * 160, THEIRS, n * 0.02 + (0.008 if n % 2 else 0.0))
        assert told(Reports(b"x"), came).blocks[0].jitter == 63

    def test_who_sends_tells_of_it(self) -> None:
        """An SR as long as something went out since the last report but one, an RR before and after."""
        reports, nothing = Reports(b"x"), Reception()
        assert told(reports, nothing).sender is None
        assert told(reports, nothing, packets=10).sender == SenderInfo(ntp(10.0), 777, 10, 1600)
        assert told(reports, nothing, packets=10).sender is not None
        assert told(reports, nothing, packets=10).sender is None
        assert told(reports, nothing, packets=11).sender is not None

    def test_when_the_last_report_came(self) -> None:
        """LSR and DLSR let the peer find the round trip; other sources' reports are not its."""
        reports, came = Reports(b"x"), heard([1, 2])
        assert (told(reports, came).blocks[0].lsr, told(reports, came).blocks[0].dlsr) == (0, 0)
        sender = SenderInfo(0x1234_5678_9ABC_DEF0, 0, 0, 0)
        reports.take(build_report(Report(999, sender)), 20.0, ntp(20.0), OURS, 0, THEIRS)
        assert told(reports, came, 20.5).blocks[0].lsr == 0
        take(reports, sender=sender)
        (said,) = told(reports, came, 20.5).blocks
        assert (said.lsr, said.dlsr) == (0x5678_9ABC, 0x8000)

    def test_goodbye(self) -> None:
        """The last report says that our source leaves."""
        compound = parse_compound(Reports(b"x").compose(1.0, 1, OURS, 0, 0, 0, Reception(), bye=True))
        assert compound is not None
        assert compound.goodbye == (OURS,)


class TestLearnt:
    """What is learnt of our stream."""

    def test_the_round_trip(self) -> None:
        """The mean of arrival less LSR less DLSR (RFC 3550 §6.4.1)."""
        reports = Reports(b"x")
        for at, trip in ((100.0, 0.05), (105.0, 0.15)):
            told(reports, Reception(), at, packets=int(at))
            take(reports, block(lsr=middle(ntp(at)), dlsr=2 * 65536), now=at + 2.0 + trip)
        assert reports.round_trip == pytest.approx(0.1, abs=1e-4)

    @pytest.mark.parametrize("changes", [{"lsr": 5}, {"lsr": 0}, {"ssrc": 3}, {"dlsr": 900 * 65536}])
    def test_a_round_trip_that_cannot_be(self, changes: dict[str, int]) -> None:
        """An LSR that was never ours, none, another's block, an answer that came before its question."""
        reports = Reports(b"x")
        told(reports, Reception(), 100.0, packets=1)
        take(reports, block(**{"lsr": middle(ntp(100.0)), "dlsr": 0, **changes}), now=101.0)
        assert reports.round_trip is None

    def test_a_clock_slightly_fast_makes_no_long_trip(self) -> None:
        """Where the peer waited a little longer than we did, the way took no time."""
        reports = Reports(b"x")
        told(reports, Reception(), 100.0, packets=1)
        take(reports, block(lsr=middle(ntp(100.0)), dlsr=65536 + 100), now=101.0)
        assert reports.round_trip == 0.0

    def test_only_so_many_are_remembered(self) -> None:
        """An answer to an old report counts no more."""
        reports = Reports(b"x")
        for n in range(REMEMBERED + 1):
            told(reports, Reception(), 100.0 + n, packets=n + 1)
        take(reports, block(lsr=middle(ntp(100.0))), now=120.0)
        assert reports.round_trip is None
        take(reports, block(lsr=middle(ntp(101.0))), now=101.5)
        assert reports.round_trip == pytest.approx(0.5, abs=1e-4)

    def test_the_peers_losses(self) -> None:
        """Of what it should have had: what we sent by its first report, and as far as its numbers went since."""
        reports = Reports(b"x")
        assert (reports.peer_lost, reports.peer_loss, reports.peer_jitter) == (None, None, None)
        take(reports, block(highest=5000, lost=0, jitter=40), sent=200)
        assert reports.peer_loss == 0.0
        take(reports, block(highest=5300, lost=50, jitter=80), sent=450)
        assert (reports.peer_lost, reports.peer_loss, reports.peer_jitter) == (50, 0.1, 80)

    @pytest.mark.parametrize(
        ("said", "loss"),
        [
            ({"lost": -500}, 0.0),
            ({"lost": 0x7FFFFF}, 1.0),
            ({"lost": 100, "highest": 999}, 0.1),
            ({"lost": 100, "highest": 1000 + 2 * 1000 + MAX_DROPOUT}, 0.1),
        ],
        ids=["negative", "more than there were", "behind its first", "far beyond ours"],
    )
    def test_what_cannot_be_is_held_within_what_can(self, said: dict[str, int], loss: float) -> None:
        """Whatever a peer claims, the fraction is one of what we sent."""
        reports = Reports(b"x")
        take(reports, block(), sent=1000)
        take(reports, block(**said), sent=1000)
        assert reports.peer_loss == pytest.approx(loss)

    def test_nothing_sent_is_nothing_lost(self) -> None:
        """There is no fraction of nothing."""
        reports = Reports(b"x")
        take(reports, block(lost=5), sent=0)
        assert reports.peer_loss is None

    @given(st.binary(max_size=120))
    def test_garbage_is_counted(self, data: bytes) -> None:
        """Whatever comes is counted as one or the other."""
        reports = Reports(b"x")
        taken = reports.take(data, 1.0, 1, OURS, 0, -1)
        assert (reports.taken, reports.refused) == ((1, 0) if taken else (0, 1))
