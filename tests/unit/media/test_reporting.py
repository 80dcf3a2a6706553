"""RTCP of sessions on real loopback sockets: where reports go, what comes back, what the end tells."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from itertools import count

import pytest
from aiortc.rtp import (
    AnyRtcpPacket,
    RtcpByePacket,
    RtcpPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpSdesPacket,
    RtcpSrPacket,
)

from media.control import Bridge, Release
from media.events import Released, StreamStats
from media.prompts import PromptStore
from media.rtp.quality import score
from media.rtp.reports import EVERY
from media.rtp.rtcp import Block, Report, build_report, parse_compound
from media.worker.ports import pairs
from media.worker.reporting import MOST_READ, ntp_time
from media.worker.sessions import Sessions
from tests.support.media_worker import Phone, bind_pairs, opened


class Telephone(Phone):
    """A phone with a socket for RTCP beside that of its audio, or elsewhere."""

    def __init__(self, ip: str = "127.0.0.1") -> None:
        rtp, self.rtcp = bind_pairs(1, ip)
        port = rtp.getsockname()[1]
        rtp.close()
        super().__init__(ip, port)

    @property
    def rtcp_port(self) -> int:
        """Where it wants its reports."""
        return int(self.rtcp.getsockname()[1])

    def reports(self, sock: socket.socket | None = None) -> list[list[AnyRtcpPacket]]:
        """The compound packets that have come, as another implementation reads them."""
        sock = self.rtcp if sock is None else sock
        found = []
        while select.select([sock], [], [], 0.05)[0]:
            data = sock.recv(2048)
            if 192 <= data[1] <= 223:
                found.append(RtcpPacket.parse(data))
        return found

    def report(self, port: int, data: bytes) -> None:
        """Sends a report to a session's RTCP port."""
        self.rtcp.sendto(data, ("127.0.0.1", port + 1))

    def close(self) -> None:
        """Gives both sockets up."""
        self.rtcp.close()
        super().close()


class Desk:
    """Two ports, two telephones and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        numbers = count(1)
        self.sessions = Sessions(PromptStore([]), silence=60.0, random=lambda bits: next(numbers) << (bits // 2))
        ports, _ = pairs(sock.detach() for sock in bind_pairs(2))
        self.sessions.add_ports(ports)
        self.a, self.b = (port.number for port in ports)
        self.alice, self.bob = Telephone(), Telephone()
        self.bob.ssrc = 0x55667788
        self.fds = [sock.fileno() for port in ports for sock in (port.rtp, port.rtcp)]

    def do(self, *commands: object) -> None:
        """Carries commands out."""
        for command in commands:
            self.sessions.carry_out(command, self.now)  # type: ignore[arg-type]
        self.sessions.settle(self.now)

    def turn(self) -> None:
        """Reads all that waits."""
        for fd in self.fds:
            for _ in range(MOST_READ * 2):
                self.sessions.readers[fd](self.now)

    def talk(self, seconds: float, skip: int = 0, copies: int = 1) -> None:
        """Both say something for a while; each `skip`th packet of Alice's is lost, the others come in copies."""
        for n in range(1, round(seconds / 0.02) + 1):
            if skip and n % skip == 0:
                self.alice.seq += 1
                self.alice.ts += 160
            else:
                for _ in range(copies):
                    self.alice.say(self.a)
                    self.alice.seq -= 1
                    self.alice.ts -= 160
                self.alice.seq += 1
                self.alice.ts += 160
            self.bob.say(self.b)
            self.now += 0.02
            for fd in self.fds * copies:
                self.sessions.readers[fd](self.now)
            if n % 25 == 0:
                self.sessions.check(self.now, 0.5)

    def wait(self, seconds: float) -> None:
        """Nobody says anything."""
        for _ in range(round(seconds / 0.5)):
            self.now += 0.5
            self.sessions.check(self.now, 0.5)

    def bridged(self, **changes: object) -> None:
        """Alice on port a and Bob on port b."""
        self.do(opened(self.a, 1, self.alice, **changes), opened(self.b, 2, self.bob))
        self.do(Bridge(self.a, 1, self.b, 2))

    def released(self, port: int, gen: int) -> StreamStats:
        """Releases a session and returns what it counted."""
        self.do(Release(port, gen))
        found = [event for event in self.sessions.events if isinstance(event, Released) and event.port == port]
        return found[-1].stats

    def close(self) -> None:
        """Gives all sockets up."""
        for port in self.sessions.ports.values():
            port.close()
        self.alice.close()
        self.bob.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A fresh desk."""
    made = Desk()
    yield made
    made.close()


def answer(session_report: RtcpSrPacket, ssrc: int, dlsr: float = 0.0, **changes: int) -> bytes:
    """A receiver report to one of our sender reports."""
    lsr = session_report.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
    fields = {"fraction": 0, "lost": 0, "highest": 1100, "jitter": 16, "lsr": lsr, "dlsr": int(dlsr * 65536)}
    return build_report(Report(ssrc, None, (Block(session_report.ssrc, **{**fields, **changes}),)))


class TestSent:
    """What the telephones get."""

    def test_both_sides_are_told_how_they_are_heard(self, desk: Desk) -> None:
        """Each leg by itself: its own loss, and the source that it hears, passed through with its timestamps."""
        desk.bridged()
        desk.talk(8.0, skip=10)
        to_alice, to_bob = desk.alice.reports(), desk.bob.reports()
        assert 1 <= len(to_alice) <= 4
        first, description = to_alice[0]
        assert isinstance(first, RtcpSrPacket)
        assert isinstance(description, RtcpSdesPacket)
        assert (first.ssrc, [block.ssrc for block in first.reports]) == (desk.bob.ssrc, [desk.alice.ssrc])
        assert 20 <= first.reports[0].fraction_lost <= 26
        assert first.sender_info.octet_count == first.sender_info.packet_count * 160
        other = to_bob[0][0]
        assert isinstance(other, RtcpSrPacket)
        assert (other.ssrc, other.reports[0].packets_lost) == (desk.alice.ssrc, 0)
        named = to_bob[0][1]
        assert isinstance(named, RtcpSdesPacket)
        assert description.chunks[0].items != named.chunks[0].items, "a name of each session's own"

    def test_the_timestamp_is_that_of_the_stream_then(self, desk: Desk) -> None:
        """A player lines both clocks up by it (RFC 3550 §6.4.1)."""
        desk.bridged()
        desk.talk(8.0)
        reports = [report[0] for report in desk.bob.reports()]
        last = reports[-1]
        assert isinstance(last, RtcpSrPacket)
        seconds = desk.now - 1000.0
        behind = (desk.alice.ts - last.sender_info.rtp_timestamp) & 0xFFFFFFFF
        sent_then = last.sender_info.packet_count * 0.02
        assert behind == pytest.approx((seconds - sent_then) * 8000 + 160, abs=320)

    def test_who_hears_nothing_gets_a_receiver_report(self, desk: Desk) -> None:
        """Where nothing is sent; with the blocks of what came."""
        desk.do(opened(desk.a, 1, desk.alice))
        desk.talk(8.0)
        (first, _), *_ = desk.alice.reports()
        assert isinstance(first, RtcpRrPacket)
        assert [block.ssrc for block in first.reports] == [desk.alice.ssrc]

    def test_their_times_are_random(self, desk: Desk) -> None:
        """Some five seconds apart, the two sessions not together."""
        desk.do(opened(desk.a, 1, desk.alice))
        desk.wait(60.0)
        assert 60 / (EVERY * 1.5) - 1 <= len(desk.alice.reports()) <= 60 / (EVERY * 0.5) + 1

    def test_a_port_of_the_descriptions_own(self, desk: Desk) -> None:
        """a=rtcp (RFC 3605)."""
        elsewhere = Telephone()
        desk.bridged(rtcp_port=elsewhere.rtcp_port)
        desk.talk(6.0)
        assert elsewhere.reports()
        assert desk.alice.reports() == []
        elsewhere.close()

    def test_one_port_for_both(self, desk: Desk) -> None:
        """a=rtcp-mux (RFC 5761): from and to the port of the audio, read there and not counted as audio."""
        desk.bridged(rtcp_mux=True)
        desk.talk(6.0)
        assert desk.alice.reports() == []
        (first, _), *_ = desk.alice.reports(desk.alice.sock)
        assert isinstance(first, RtcpSrPacket)
        desk.now += 0.1
        desk.alice.send(desk.a, answer(first, desk.alice.ssrc, lost=7))
        desk.turn()
        stats = desk.released(desk.a, 1)
        assert (stats.rtcp, stats.peer_lost, stats.dropped, stats.received) == (1, 7, 0, 300)
        assert isinstance(desk.alice.reports(desk.alice.sock)[-1][-1], RtcpByePacket)

    def test_reports_go_back_where_they_came_from(self, desk: Desk) -> None:
        """Behind a NAT the port is another than the description says."""
        desk.bridged()
        desk.talk(1.0)
        behind = Telephone()
        behind.report(desk.a, build_report(Report(desk.alice.ssrc, None)))
        desk.turn()
        desk.talk(6.0)
        assert behind.reports()
        assert desk.alice.reports() == []
        behind.close()

    def test_reports_to_who_is_not_followed_go_where_its_description_says(self, desk: Desk) -> None:
        """Wherever its own come from."""
        desk.bridged()
        desk.do(opened(desk.a, 1, desk.alice, follows=False))
        desk.talk(1.0)
        elsewhere = Telephone()
        elsewhere.report(desk.a, build_report(Report(desk.alice.ssrc, None)))
        desk.turn()
        desk.talk(6.0)
        assert desk.alice.reports()
        assert elsewhere.reports() == []
        assert desk.released(desk.a, 1).rtcp == 1
        elsewhere.close()

    def test_garbage_redirects_nothing(self, desk: Desk) -> None:
        """Only what is RTCP tells where to send, and only from the peer's host."""
        desk.bridged()
        desk.talk(1.0)
        near, far = Telephone(), Telephone("127.0.0.2")
        near.report(desk.a, b"\x80\xc9\x00\x07" + bytes(4))
        far.report(desk.a, build_report(Report(desk.alice.ssrc, None)))
        desk.turn()
        desk.talk(6.0)
        assert desk.alice.reports()
        assert (near.reports(), far.reports()) == ([], [])
        assert (desk.released(desk.a, 1).rtcp_refused, desk.sessions.stats(0.0).strangers) == (1, 1)
        near.close()
        far.close()

    def test_goodbye_at_the_end(self, desk: Desk) -> None:
        """To whom anything was reported (RFC 3550 §6.3.7)."""
        desk.bridged()
        desk.talk(6.0)
        desk.alice.reports()
        desk.released(desk.a, 1)
        ((report, _, bye),) = desk.alice.reports()
        assert isinstance(report, RtcpSrPacket)
        assert isinstance(bye, RtcpByePacket)
        assert bye.sources == [report.ssrc]

    def test_a_short_session_says_nothing(self, desk: Desk) -> None:
        """Nobody was told of it."""
        desk.bridged()
        desk.talk(1.0)
        assert desk.released(desk.a, 1).rtcp_sent == 0
        assert desk.alice.reports() == []

    def test_no_reports_to_nowhere(self, desk: Desk) -> None:
        """A peer on hold by c=0.0.0.0 is no place to send to."""
        desk.do(opened(desk.a, 1, desk.alice, remote_ip="0.0.0.0", latch_ip="0.0.0.0"))
        desk.wait(20.0)
        assert desk.released(desk.a, 1).rtcp_sent == 0


class TestLearnt:
    """What the end of a session tells."""

    def test_both_directions(self, desk: Desk) -> None:
        """Loss and jitter there and here, the round trip, and what each is worth."""
        desk.bridged()
        desk.talk(6.0, skip=50)
        (first, _), *_ = desk.bob.reports()
        assert isinstance(first, RtcpSrPacket)
        desk.bob.report(desk.b, answer(first, desk.bob.ssrc, jitter=40))
        desk.turn()
        desk.talk(2.0)
        desk.bob.report(desk.b, answer(first, desk.bob.ssrc, lost=40, highest=1200, jitter=80))
        desk.turn()
        of_bob, of_alice = desk.released(desk.b, 2), desk.released(desk.a, 1)
        assert (of_bob.peer_lost, of_bob.peer_jitter_ms, of_bob.lost) == (40, 10.0, 0)
        assert of_bob.round_trip_ms is not None
        assert of_bob.mos_in is not None
        assert of_bob.mos_out is not None
        assert of_bob.mos_out < of_bob.mos_in <= 4.37
        assert (of_alice.lost, of_alice.peer_lost, of_alice.mos_out) == (6, None, None)
        assert of_alice.mos_in is not None
        assert of_alice.mos_in == pytest.approx(4.21, abs=0.05)

    def test_copies_make_nothing_better(self, desk: Desk) -> None:
        """A network that doubles what it does not lose is rated by what it loses."""
        desk.bridged()
        desk.talk(6.0, skip=10, copies=2)
        stats = desk.released(desk.a, 1)
        assert (stats.received, stats.lost) == (540, 29)
        assert stats.mos_in == score("PCMA", 29 / 299, None)

    def test_the_round_trip_is_measured(self, desk: Desk) -> None:
        """From our report to its answer, less what the peer took."""
        desk.bridged()
        desk.talk(3.76)
        reports = desk.bob.reports()
        assert reports, "the first report comes within 3.75 s"
        first = reports[0][0]
        assert isinstance(first, RtcpSrPacket)
        at = desk.now - (ntp_time(desk.now) - first.sender_info.ntp_timestamp) / 2**32
        desk.now = at + 1.5 + 0.08
        desk.bob.report(desk.b, answer(first, desk.bob.ssrc, dlsr=1.5))
        desk.turn()
        assert desk.released(desk.b, 2).round_trip_ms == pytest.approx(80.0, abs=0.1)

    def test_nothing_heard_is_worth_nothing(self, desk: Desk) -> None:
        """A session without packets has no score."""
        desk.do(opened(desk.a, 1, desk.alice))
        stats = desk.released(desk.a, 1)
        assert (stats.mos_in, stats.mos_out, stats.round_trip_ms, stats.peer_lost) == (None, None, None, None)

    def test_a_flood_of_reports_is_only_counted(self, desk: Desk) -> None:
        """So many are looked into between two checks."""
        desk.bridged()
        desk.talk(0.5)
        for lost in range(MOST_READ + 5):
            desk.alice.report(desk.a, build_report(Report(1, None, (Block(desk.bob.ssrc, 0, lost, 1000, 0, 0, 0),))))
        desk.turn()
        stats = desk.released(desk.a, 1)
        assert (stats.rtcp, stats.peer_lost) == (MOST_READ + 5, MOST_READ - 1)

    def test_what_we_say_parses_here_too(self, desk: Desk) -> None:
        """Our own parser takes our reports."""
        desk.bridged()
        desk.talk(6.0)
        data = desk.alice.rtcp.recv(2048)
        compound = parse_compound(data)
        assert compound is not None
        theirs = RtcpPacket.parse(data)[0]
        assert isinstance(theirs, RtcpSrPacket)
        assert [block.ssrc for block in compound.reports[0].blocks] == [
            block.ssrc for block in theirs.reports if isinstance(block, RtcpReceiverInfo)
        ]
