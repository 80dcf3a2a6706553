"""One side of an RTCP session with one peer (RFC 3550 §6): what is told of a stream, what is learnt of ours."""

from __future__ import annotations

from typing import Final

from media.rtp.rtcp import (
    Block,
    Compound,
    Report,
    SenderInfo,
    build_description,
    build_goodbye,
    build_report,
    middle,
    parse_compound,
)
from media.rtp.stats import MAX_DROPOUT, Reception

EVERY: Final = 5.0
"""Seconds between two reports, times 0.5 to 1.5; half of it before the first (RFC 3550 §6.2, §6.3.1)."""
REMEMBERED: Final = 8
"""Own sender reports whose answer is still taken for a round trip."""
_UNIT: Final = 65536.0
_MOST_SECONDS: Final = 30.0
"""A round trip above it is a wrong clock of the peer's."""


def interval(draw: int, first: bool = False) -> float:
    """Seconds to the next report; `draw` is a random number of 16 bits."""
    return EVERY * (0.5 if first else 1.0) * (0.5 + draw / _UNIT)


class Reports:
    """What is sent to, and was learnt from, one peer; `now` is in seconds, `ntp` in 2^-32 s of the same clock.

    `taken` and `refused` count its datagrams; `peer_lost` and `peer_jitter` (timestamp units) are what it said
    last of the stream it gets, None when it said nothing.
    """

    __slots__ = (
        "_base",
        "_cname",
        "_expected_prior",
        "_first",
        "_heard_at",
        "_heard_ntp",
        "_peer_expected",
        "_received_prior",
        "_sent_ntp",
        "_sent_prior",
        "_source_prior",
        "_trips",
        "_trips_sum",
        "composed",
        "peer_jitter",
        "peer_lost",
        "refused",
        "taken",
    )  # fmt: skip

    def __init__(self, cname: bytes) -> None:
        """`cname` must tell nothing of anybody, so it is random (RFC 7022)."""
        self._cname = cname
        self.composed = self.taken = self.refused = 0
        # Of the stream that comes: what the last report block has covered.
        self._source_prior = (-1, 0)
        self._expected_prior = self._received_prior = 0
        self._heard_ntp = 0
        self._heard_at = 0.0
        # Of ours: sent by the last report and the one before; the middle of the times they carried.
        self._sent_prior = (0, 0)
        self._sent_ntp: list[int] = []
        self._first: Block | None = None
        self._base = self._peer_expected = 0
        self.peer_lost: int | None = None
        self.peer_jitter: int | None = None
        self._trips = 0
        self._trips_sum = 0.0

    @property
    def round_trip(self) -> float | None:
        """The mean time to the peer and back, in seconds, without what the peer took to answer."""
        return self._trips_sum / self._trips if self._trips else None

    @property
    def peer_loss(self) -> float | None:
        """The fraction of our stream that the peer says it lost, 0 to 1."""
        if self.peer_lost is None or self._peer_expected <= 0:
            return None
        return min(1.0, self.peer_lost / self._peer_expected)

    # --- what is sent ---

    def compose(
        self, now: float, ntp: int, ssrc: int, packets: int, octets: int, ts: int, came: Reception, bye: bool = False
    ) -> bytes:
        """The next compound packet: SR where packets went out since the last report but one, else RR; SDES; BYE.

        `packets` and `octets` (of payload) went out under `ssrc` so far; `ts` is that stream's timestamp at `now`.
        """
        sender = None
        if packets > self._sent_prior[0]:
            sender = SenderInfo(ntp, ts, packets, octets)
            self._sent_ntp = [*self._sent_ntp[1 - REMEMBERED :], middle(ntp)]
        self._sent_prior = (self._sent_prior[1], packets)
        blocks = () if came.ssrc < 0 else (self._block(now, came),)
        self.composed += 1
        told = build_report(Report(ssrc, sender, blocks)) + build_description(ssrc, self._cname)
        return told + build_goodbye(ssrc) if bye else told

    def _block(self, now: float, came: Reception) -> Block:
        source, expected, received = came.stream()
        if source != self._source_prior:
            self._source_prior = source
            self._expected_prior = self._received_prior = 0
        expected_now = expected - self._expected_prior
        lost_now = expected_now - (received - self._received_prior)
        self._expected_prior, self._received_prior = expected, received
        # RFC 3550 A.3.
        fraction = (lost_now << 8) // expected_now if lost_now > 0 and expected_now > 0 else 0
        dlsr = min(0xFFFFFFFF, int((now - self._heard_at) * _UNIT)) if self._heard_ntp else 0
        return Block(
            came.ssrc, min(fraction, 255), expected - received, came.highest & 0xFFFFFFFF, int(came.jitter),
            self._heard_ntp, dlsr,
        )  # fmt: skip

    # --- what comes ---

    def take(self, data: bytes, now: float, ntp: int, ssrc: int, sent: int, peer: int) -> bool:
        """Learns from a datagram of the peer's; False when it is no RTCP.

        Our stream has `ssrc` and `sent` packets so far; a sender report counts if it is of `peer`, the source
        we hear, or of anybody while we hear nobody (-1).
        """
        compound = parse_compound(data)
        if compound is None:
            self.refused += 1
            return False
        self.taken += 1
        self._learn(compound, now, ntp, ssrc, sent, peer)
        return True

    def _learn(self, compound: Compound, now: float, ntp: int, ssrc: int, sent: int, peer: int) -> None:
        for report in compound.reports:
            if report.sender is not None and peer in (report.ssrc, -1):
                self._heard_ntp = middle(report.sender.ntp)
                self._heard_at = now
            for block in report.blocks:
                if block.ssrc == ssrc:
                    self._told(block, sent, ntp)

    def _told(self, block: Block, sent: int, ntp: int) -> None:
        """Takes a block about our stream; what cannot be is held within what can."""
        first = self._first
        if first is None:
            self._first = first = block
            self._base = sent
        ahead = (block.highest - first.highest) & 0xFFFFFFFF
        # Sequence numbers go on over what was lost before us, hence more than we sent; not arbitrarily more.
        expected = self._base + ahead
        self._peer_expected = expected if expected <= 2 * sent + MAX_DROPOUT else sent
        self.peer_lost = max(0, min(block.lost, self._peer_expected))
        self.peer_jitter = block.jitter
        # Only what we sent can come back (RFC 3550 §6.4.1).
        if block.lsr and block.lsr in self._sent_ntp:
            trip = ((middle(ntp) - block.lsr - block.dlsr) & 0xFFFFFFFF) / _UNIT
            if trip < _MOST_SECONDS:
                self._trips += 1
                self._trips_sum += trip
            elif trip > _UNIT - 1.0:
                # The peer's clock is a little faster than ours: the way took no time that can be told.
                self._trips += 1
