"""The RTCP of one session: where its reports go, when, and what the peer's may cost (RFC 3550 §6, RFC 5761)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from media.rtp.quality import burst_ratio, score
from media.rtp.reports import Reports, interval
from media.worker.ports import Address

if TYPE_CHECKING:
    from media.worker.session import Session

MOST_READ: Final = 16
"""Datagrams of a peer that are looked into between two checks; more are only counted."""
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound to
_CNAME_WORDS: Final = 3

# Seconds from 1900 to the start of the worker's clock: an NTP time that nobody can set back under a running call.
_EPOCH: Final = time.time() - time.monotonic() + 2_208_988_800.0


def ntp_time(now: float) -> int:
    """The time of the monotonic clock as NTP writes it, in 2^-32 s since 1900 (RFC 3550 §4)."""
    return int((now + _EPOCH) * 4_294_967_296.0) & 0xFFFFFFFFFFFFFFFF


class Quality(NamedTuple):
    """The fields of StreamStats that come of the reports."""

    rtcp_sent: int
    rtcp_refused: int
    round_trip_ms: float | None
    peer_lost: int | None
    peer_jitter_ms: float | None
    mos_in: float | None
    mos_out: float | None


class Reporting:
    """Sends reports when they are `due` and reads the peer's; sessions that are over soon never come to it."""

    __slots__ = ("_address", "_audio", "_learnt", "_mux", "_reads", "_reports", "due", "errors")

    def __init__(self, draw: int, now: float) -> None:
        """`draw`: 16 random bits."""
        self.due = now + interval(draw, first=True)
        self.errors = 0
        self._reports: Reports | None = None
        self._address: Address | None = None  # what a=rtcp says
        self._audio: Address | None = None
        self._mux = False
        self._learnt: Address | None = None
        self._reads = MOST_READ

    def place(self, address: Address | None, mux: bool, audio: Address | None) -> None:
        """Where the SDP wants reports, None: beside `audio`; `mux`: to the port of the audio (RFC 5761)."""
        if (address, audio) != (self._address, self._audio) or mux is not self._mux:
            # Where its reports came from counts no more.
            self._learnt = None
        self._address = address
        self._audio = audio
        self._mux = mux

    def check(self, session: Session, now: float) -> None:
        """Twice a second: sends what is due; the peer's datagrams are looked into again."""
        self._reads = MOST_READ
        if now >= self.due:
            self.send(session, now)

    # --- sending ---

    def send(self, session: Session, now: float, bye: bool = False) -> None:
        """Sends a report, the last one with a goodbye, and says when the next is due."""
        host = session.host
        self.due = now + interval(host.random(16))
        target = self._target(session)
        if target is None:
            return
        reports = self._reports or self._begin(session)
        ssrc, ts = session.outgoing(now)
        packets = session.sent
        data = reports.compose(
            now, ntp_time(now), ssrc, packets, session.sent_octets - 12 * packets, ts, session.reception, bye
        )
        sock = session.port.rtp if self._mux else session.port.rtcp
        try:
            sock.sendto(session.protect_report(data), target)
        except OSError:
            self.errors += 1

    def leave(self, session: Session, now: float) -> None:
        """Says goodbye, to whom anything was reported or who reported (RFC 3550 §6.3.7)."""
        if self._reports is not None:
            self.send(session, now, bye=True)

    def _begin(self, session: Session) -> Reports:
        words = [session.host.random(32) for _ in range(_CNAME_WORDS)]
        self._reports = Reports("".join([f"{word & 0xFFFFFFFF:08x}" for word in words]).encode())
        return self._reports

    def _target(self, session: Session) -> Address | None:
        audio = session.target
        if audio is None or audio[0] in _UNSPECIFIED:
            return None
        if self._mux:
            return audio
        if self._learnt is not None:
            return self._learnt
        if self._address is not None and audio == self._audio:
            return self._address
        return session.port.address(audio[0], audio[1] + 1)

    # --- receiving ---

    def take(self, session: Session, data: bytes, now: float, source: Address | None) -> None:
        """Reads a datagram from the peer's address; `source` where it did not come with the audio."""
        if self._reads <= 0:
            return
        self._reads -= 1
        reports = self._reports or self._begin(session)
        ssrc, _ = session.outgoing(now)
        taken = reports.take(data, now, ntp_time(now), ssrc, session.sent, session.reception.ssrc)
        if taken and source is not None and session.follows:
            # Behind a NAT the port of the reports is not that of the audio plus one.
            self._learnt = source

    # --- at the end ---

    def found(self, session: Session) -> Quality:
        """What the reports told, and how good each direction was."""
        came = session.reception
        reports = self._reports
        trip = peer_loss = peer_lost = peer_jitter = None
        sent = refused = 0
        if reports is not None:
            sent, refused = reports.composed, reports.refused
            peer_lost, peer_loss = reports.peer_lost, reports.peer_loss
            trip = None if reports.round_trip is None else reports.round_trip * 1000.0
            peer_jitter = None if reports.peer_jitter is None else reports.peer_jitter * 1000.0 / session.clock
        codec = session.formats[2]
        mos_in = mos_out = None
        if came.received:
            lost = came.lost
            loss = lost / (lost + came.received - came.doubled)
            mos_in = score(codec, loss, trip, burst_ratio(lost, came.bursts, loss))
        if peer_loss is not None:
            mos_out = score(codec, peer_loss, trip)
        return Quality(sent, refused, trip, peer_lost, peer_jitter, mos_in, mos_out)
