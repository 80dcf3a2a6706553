"""Secured sessions on real loopback sockets: who is latched to, what is relayed, and what keys that change do."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pylibsrtp
import pytest

from media.control import Bridge, Join, Play, SendDigits, decode_commands, encode_frame
from media.events import Digit, Unauthentic, WorkerStats
from media.rtp.packet import HEADER, Packet, parse
from media.rtp.rtcp import Report, SenderInfo, build_description, build_report, parse_compound
from media.sdes import OFFERED, Keys
from media.worker import crypto_context
from media.worker.crypto_context import (
    FOREIGN,
    MAX_SOURCES,
    OLD_KEY_FOR,
    TRIES,
    WINDOW,
    AuthenticationError,
    CryptoContext,
    ProtectionError,
)
from media.worker.line import CHECKED_FOR
from media.worker.ports import BUFFER
from tests.support.media_worker import Phone, opened
from tests.support.ports import free_media_port
from tests.support.srtp import PROFILES, SecuredPhone, new_keys
from tests.support.srtp_identifiers import IdentifiedSession
from tests.unit.media.test_sessions import VOICE, Bench, peer_of


@dataclasses.dataclass
class Secured:
    """Alice's leg is secured, Bob's is not; both are of one bench."""

    bench: Bench
    alice: SecuredPhone

    @property
    def keys(self) -> Keys:
        """Those of Alice's session."""
        return self.alice.keys

    def open_alice(self, **changes: object) -> None:
        """Alice's session on port a, with her keys unless changed."""
        self.bench.do(opened(self.bench.a, 1, self.alice, **{"secured": self.keys, **changes}))

    def bridged(self) -> None:
        """Alice and Bob, relayed and past the time in which sources are compared."""
        self.open_alice()
        self.bench.do(opened(self.bench.b, 2, self.bench.bob), Bridge(self.bench.a, 1, self.bench.b, 2))
        for _ in range(round(CHECKED_FOR / 0.02) + 2):
            self.bench.talk(self.alice, self.bench.a)
            self.bench.talk(self.bench.bob, self.bench.b)
            self.bench.bob.hear()
            self.alice.hear()


@pytest.fixture
def secured() -> Iterator[Secured]:
    """A secured leg beside one in clear."""
    bench = Bench()
    made = Secured(bench, SecuredPhone(new_keys()))
    yield made
    made.alice.close()
    bench.close()


class TestRelay:
    """Between a secured leg and one in clear, or two with keys of their own."""

    def test_each_side_hears_the_other_in_its_own_way(self, secured: Secured) -> None:
        """Bob gets RTP of what Alice said by SRTP, and she gets SRTP of what he said, bit for bit."""
        secured.bridged()
        bench = secured.bench
        for n in range(20):
            said = bench.talk(secured.alice, bench.a, payload=bytes([n]) * 160)
            heard = bench.bob.hear()
            assert (heard.payload, heard.seq, heard.ts) == (said.payload, said.seq, said.ts)
            said = bench.talk(bench.bob, bench.b, payload=bytes([n + 100]) * 160)
            assert secured.alice.hear().payload == said.payload

    def test_what_passes_to_her_is_not_in_clear(self, secured: Secured) -> None:
        """On the wire neither the frame nor a part of it is to be found."""
        secured.bridged()
        bench = secured.bench
        bench.talk(bench.bob, bench.b, payload=bytes(range(160)))
        wire = secured.alice.receive(2.0)
        assert wire is not None
        assert len(wire) == 12 + 160 + 10
        assert all(bytes(range(at, at + 8)) not in wire for at in range(150))

    @pytest.mark.parametrize("suite", OFFERED)
    def test_both_secured_with_keys_of_their_own(self, suite: str) -> None:
        """Every suite, against another one on the other side."""
        bench = Bench()
        alice, bob = SecuredPhone(new_keys(suite)), SecuredPhone(new_keys(OFFERED[0]))
        try:
            bench.do(
                opened(bench.a, 1, alice, secured=alice.keys),
                opened(bench.b, 2, bob, secured=bob.keys),
                Bridge(bench.a, 1, bench.b, 2),
            )
            for n in range(20):
                assert bench.talk(alice, bench.a, payload=bytes([n]) * 160).payload == bob.hear().payload
                assert bench.talk(bob, bench.b, payload=bytes([n]) * 160).payload == alice.hear().payload
        finally:
            alice.close()
            bob.close()
            bench.close()

    def test_it_is_transcoded_as_in_clear(self, secured: Secured) -> None:
        """G.722 on the secured leg, G.711 on the other, a tone's loudness both ways."""
        bench = secured.bench
        secured.open_alice(codec="G722", audio_pt=9)
        bench.do(opened(bench.b, 2, bench.bob), Bridge(bench.a, 1, bench.b, 2))
        for _ in range(30):
            secured.alice.say(bench.a, VOICE, payload_type=9)
            bench.bob.say(bench.b)
            bench.turn(0.02)
        assert secured.alice.hear().payload_type == 9
        heard = bench.bob.hear()
        assert (heard.payload_type, len(heard.payload)) == (8, 160)
        assert bench.released(bench.a, 1).unauthentic == 0

    def test_keys_prompts_and_digits_pass(self, secured: Secured) -> None:
        """Telephone events are read from a secured leg and written to it."""
        secured.open_alice(digits=True)
        bench = secured.bench
        bench.talk(secured.alice, bench.a)
        secured.alice.say(bench.a, bytes([5, 10, 0, 160]), payload_type=101, marker=True)
        bench.turn(0.02)
        assert [event.digit for event in bench.events() if isinstance(event, Digit)] == ["5"]
        bench.do(SendDigits(bench.a, 1, "7"))
        bench.pass_time(0.1)
        assert secured.alice.hear().payload[0] == 7

    def test_a_missing_prompt_and_a_room_are_as_in_clear(self, secured: Secured) -> None:
        """What a room mixes reaches its secured member too."""
        bench = secured.bench
        secured.open_alice()
        bench.do(opened(bench.b, 2, bench.bob), Join(bench.a, 1, 5), Join(bench.b, 2, 5), Play(bench.a, 1, 3, ["no"]))
        for _ in range(30):
            secured.alice.say(bench.a)
            bench.talk(bench.bob, bench.b, payload=b"\x2a" * 160)
        assert len(secured.alice.hear().payload) == 160
        assert len(bench.bob.hear().payload) == 160

    def test_a_recording_hears_what_was_said_not_what_was_sent(self, secured: Secured) -> None:
        """Copies are taken in clear, both ways."""
        secured.bridged()
        bench = secured.bench
        heard: list[bytes] = []
        said: list[bytes] = []
        session = bench.sessions.open[bench.a]
        session.copy(lambda size: heard.append(bytes(BUFFER[:size])), lambda data: said.append(bytes(data)))
        one = bench.talk(secured.alice, bench.a)
        other = bench.talk(bench.bob, bench.b, payload=b"\x11" * 160)
        assert heard == [bytes(one)]
        assert [parse(data).payload for data in said] == [other.payload]  # type: ignore[union-attr]
        # Keys that change meanwhile leave the copies on.
        bench.bob.hear()
        secured.alice.hear()
        secured.open_alice(secured=None)
        assert session.context is None
        plain = Phone.say
        plain(secured.alice, bench.a)
        assert len(heard) == 1


class TestLatching:
    """Only who proves the key is latched to."""

    def test_strangers_of_the_same_host_do_not_latch(self, secured: Secured) -> None:
        """RTP in clear, and SRTP of another key, from the very address: nothing latches, then she does."""
        secured.open_alice()
        bench = secured.bench
        intruder = SecuredPhone(new_keys())
        try:
            intruder.say(bench.a)
            bench.turn(0.02)
            Phone.send(intruder, bench.a, bytes(Packet(8, 1, 1, 1, VOICE)))
            bench.turn(0.02)
            assert peer_of(bench, bench.a) is None
            assert bench.sessions.open[bench.a].target == secured.alice.address
            bench.talk(secured.alice, bench.a)
            assert peer_of(bench, bench.a) == secured.alice.address
        finally:
            intruder.close()
        assert bench.released(bench.a, 1).unauthentic == 2

    def test_an_unknown_port_of_her_host_is_latched_to_once_authentic(self, secured: Secured) -> None:
        """Behind a NAT her packets come from elsewhere: the key tells that it is she."""
        bench = secured.bench
        elsewhere = Phone()
        try:
            bench.do(opened(bench.a, 1, elsewhere, secured=secured.keys))
            bench.talk(secured.alice, bench.a)
            assert bench.sessions.open[bench.a].target == secured.alice.address
        finally:
            elsewhere.close()

    def test_what_came_before_the_keys_is_opened_when_they_come(self, secured: Secured) -> None:
        """A peer speaks before its answer was read."""
        bench = secured.bench
        secured.alice.say(bench.a)
        bench.turn(0.02)
        secured.open_alice()
        assert bench.released(bench.a, 1).received == 1

    def test_one_in_clear_is_latched_to_anew_once_secured(self, secured: Secured) -> None:
        """Early media in clear proves nothing."""
        bench = secured.bench
        secured.open_alice(secured=None)
        Phone.send(secured.alice, bench.a, bytes(Packet(8, 1, 1, 1, VOICE)))
        bench.turn(0.02)
        assert peer_of(bench, bench.a) == secured.alice.address
        secured.open_alice()
        assert peer_of(bench, bench.a) is None
        bench.talk(secured.alice, bench.a)
        assert peer_of(bench, bench.a) == secured.alice.address


class TestReplay:
    """A packet counts once; counters that roll over are no obstacle."""

    def test_a_packet_that_comes_again_is_refused(self, secured: Secured) -> None:
        """RFC 3711 §3.3.2."""
        secured.bridged()
        bench = secured.bench
        wire = secured.alice.outbound.protect(bytes(Packet(8, secured.alice.seq, 9, secured.alice.ssrc, VOICE)))
        for _ in range(3):
            secured.alice.send_raw(bench.a, wire)
            bench.turn(0.02)
        assert bench.bob.hear().payload == VOICE
        assert bench.bob.quiet(0.02)
        assert bench.released(bench.a, 1).unauthentic == 2

    def test_sequence_numbers_roll_over_both_ways(self, secured: Secured) -> None:
        """More than 65,536 packets each way; a hold in between, by re-INVITE with the same keys, resets nothing."""
        secured.bridged()
        bench = secured.bench
        reader = bench.sessions.readers
        fd_a, fd_b = (bench.sessions.ports[port].rtp.fileno() for port in (bench.a, bench.b))
        alice, bob = secured.alice, bench.bob
        for n in range(66_500):
            if n in (30_000, 65_600):
                secured.open_alice(send=False)
                secured.open_alice()
            alice.say(bench.a)
            bob.say(bench.b)
            bench.now += 0.02
            reader[fd_a](bench.now)
            reader[fd_b](bench.now)
            if n % 100 == 0 or n > 66_490:
                assert bob.hear().payload == alice.hear().payload
            else:
                bob.sock.recv(400)
                alice.inbound.unprotect(alice.sock.recv(400))
        assert bench.released(bench.a, 1).unauthentic == 0

    def test_a_source_that_goes_back_in_its_numbers_is_numbered_on(self, secured: Secured) -> None:
        """A gateway that starts again under the same SSRC is heard on; no number is used for two packets."""
        bench = secured.bench
        bench.bob.seq = 9000
        secured.bridged()
        for _ in range(3):
            bench.talk(bench.bob, bench.b)
        before = [secured.alice.hear().seq for _ in range(3)]
        bench.bob.seq -= 5000
        for _ in range(4):
            bench.talk(bench.bob, bench.b)
        after = [secured.alice.hear().seq for _ in range(3)]
        # The first packet of it was lost.
        assert secured.alice.quiet(0.02)
        assert [b - a for a, b in pairwise(after)] == [1, 1]
        assert (after[0] - before[-1]) & 0xFFFF == WINDOW + 1

    def test_a_duplicate_of_the_network_ends_here(self, secured: Secured) -> None:
        """A packet that comes twice from the leg in clear goes out once, and what follows has its own number."""
        secured.bridged()
        bench = secured.bench
        said = bench.talk(bench.bob, bench.b)
        bench.bob.send(bench.b, bytes(said))
        bench.turn(0.02)
        follows = bench.talk(bench.bob, bench.b)
        assert [secured.alice.hear().seq for _ in range(2)] == [said.seq, follows.seq]
        assert secured.alice.quiet(0.02)

    def test_a_peer_that_was_not_there_for_a_moment_loses_one_packet_at_most(self, secured: Secured) -> None:
        """ECONNREFUSED of an earlier packet does not cost the next one its protection."""
        secured.bridged()
        bench = secured.bench
        address = secured.alice.address
        secured.alice.close()
        bench.talk(bench.bob, bench.b)
        secured.alice.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        secured.alice.sock.bind(address)
        said = bench.talk(bench.bob, bench.b)
        assert secured.alice.hear().seq == said.seq


class TestMetLate:
    """A stream that began at another port of ours, and has rolled over since."""

    @pytest.mark.parametrize("suite", OFFERED)
    @pytest.mark.parametrize("sent", [65_536, 65_600, 99_000, 200_001])
    def test_its_rollover_counter_is_found(self, suite: str, sent: int) -> None:
        """However often it has; what follows needs no search."""
        phone = SecuredPhone(new_keys(suite))
        try:
            for seq in range(0, sent, 100):
                phone.outbound.protect(bytes(Packet(8, seq & 0xFFFF, 1, 7, b"")))
            context = CryptoContext(phone.keys)
            for seq in range(sent, sent + 200):
                data = phone.outbound.protect(bytes(Packet(8, seq & 0xFFFF, 1, 7, VOICE)))
                BUFFER[: len(data)] = data
                assert context.receive(len(data)) == 172
                assert bytes(BUFFER[12:172]) == VOICE
            BUFFER[: len(data)] = data
            with pytest.raises(OSError):  # noqa: PT011 - its class is what a reader of a socket catches
                context.receive(len(data))
            assert context.refused == 1
        finally:
            phone.close()

    @pytest.mark.parametrize("sent", [65_600, 200_001])
    def test_it_is_found_at_once_under_a_new_key(self, sent: int) -> None:
        """Who changes its key keeps its counter (RFC 3711 §3.3.1); packets of the old key may still cross."""
        phone = SecuredPhone(new_keys())
        packets = [bytes(Packet(8, seq & 0xFFFF, 1, 7, VOICE)) for seq in range(sent + 20)]
        try:
            context = CryptoContext(phone.keys)
            old, before = phone.outbound, phone.keys
            phone.use(msgspec.structs.replace(before, receive=new_keys().receive))
            for packet in packets[:sent:100]:
                data = old.protect(packet)
                phone.outbound.protect(packet)
                BUFFER[: len(data)] = data
                context.receive(len(data))
            context.rekey(phone.keys, 10.0)
            for sender, said in ((old, packets[sent : sent + 10]), (phone.outbound, packets[sent + 10 :])):
                for data in map(sender.protect, said):
                    BUFFER[: len(data)] = data
                    assert context.receive(len(data)) == 172
            assert context.refused == 0
        finally:
            phone.close()

    def test_others_cannot_have_it_sought_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A few datagrams of another key end the search; the peer itself is heard all the same."""
        made: list[pylibsrtp.Session] = []

        class Counted(pylibsrtp.Session):
            def __init__(self, policy: pylibsrtp.Policy) -> None:
                super().__init__(policy)
                made.append(self)

        monkeypatch.setattr(crypto_context, "Session", Counted)
        phone, other = SecuredPhone(new_keys()), SecuredPhone(new_keys())
        try:
            context = CryptoContext(phone.keys)
            for seq in range(500):
                data = other.outbound.protect(bytes(Packet(8, seq, 1, 7, VOICE)))
                BUFFER[: len(data)] = data
                with pytest.raises(OSError):  # noqa: PT011 - the same
                    context.receive(len(data))
            assert len(made) == 2 + 2 * TRIES
            data = phone.outbound.protect(bytes(Packet(8, 1, 1, 7, VOICE)))
            BUFFER[: len(data)] = data
            assert context.receive(len(data)) == 172
        finally:
            phone.close()
            other.close()


class TestSources:
    """A key serves many SSRCs, and the table of them is bounded."""

    def test_another_source_is_heard_at_once(self, secured: Secured) -> None:
        """A phone that changes its SSRC."""
        secured.bridged()
        bench = secured.bench
        secured.alice.ssrc += 1
        secured.alice.seq = 5
        bench.talk(secured.alice, bench.a, payload=b"\x01" * 160)
        assert bench.bob.hear().payload == b"\x01" * 160

    def test_the_oldest_of_too_many_is_forgotten(self, secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many there were, so many streams are kept."""
        removed: list[int] = []

        class Counting(pylibsrtp.Session):
            def remove_stream(self, ssrc: int) -> None:
                removed.append(ssrc)
                super().remove_stream(ssrc)

        monkeypatch.setattr(crypto_context, "Session", Counting)
        context = CryptoContext(secured.keys)
        for ssrc in range(1, MAX_SOURCES + 11):
            data = secured.alice.outbound.protect(bytes(Packet(8, 1, 1, ssrc, VOICE)))
            BUFFER[: len(data)] = data
            assert context.receive(len(data)) == 172
        assert removed == list(range(1, 11))


class TestKeys:
    """Keys that change within a call, and those that are wrong."""

    def test_a_new_key_counts_while_packets_of_the_old_one_cross(self, secured: Secured) -> None:
        """Re-INVITE with new keys: both are taken for a moment, then the new one alone; the audio goes on."""
        secured.bridged()
        bench = secured.bench
        old = secured.alice.outbound
        mine = dataclasses.replace(secured)
        secured.alice.use(new_keys())
        mine.open_alice()
        late = old.protect(bytes(Packet(8, secured.alice.seq, secured.alice.ts, secured.alice.ssrc, b"\x01" * 160)))
        secured.alice.send_raw(bench.a, late)
        secured.alice.seq += 1
        bench.turn(0.02)
        assert bench.bob.hear().payload == b"\x01" * 160
        bench.talk(secured.alice, bench.a, payload=b"\x02" * 160)
        assert bench.bob.hear().payload == b"\x02" * 160
        bench.talk(bench.bob, bench.b)
        secured.alice.hear()
        bench.pass_time(OLD_KEY_FOR + 1.0)
        late = old.protect(bytes(Packet(8, secured.alice.seq, secured.alice.ts, secured.alice.ssrc, b"\x03" * 160)))
        secured.alice.send_raw(bench.a, late)
        bench.turn(0.02)
        assert bench.released(bench.a, 1).unauthentic == 1

    def test_a_wrong_key_is_counted_told_once_and_ends_nothing(self, secured: Secured) -> None:
        """Who speaks with another key is not heard, and signalling learns of it."""
        bench = secured.bench
        secured.open_alice()
        bench.do(opened(bench.b, 2, bench.bob), Bridge(bench.a, 1, bench.b, 2))
        secured.alice.use(new_keys())
        for _ in range(2 * FOREIGN):
            secured.alice.say(bench.a)
        for _ in range(2 * FOREIGN + 1):
            bench.turn()
        bench.pass_time(1.2)
        for _ in range(2 * FOREIGN):
            bench.talk(secured.alice, bench.a)
        bench.pass_time(1.2)
        assert bench.events() == [Unauthentic(bench.a, 1)]
        assert bench.bob.quiet(0.05)
        told = bench.sessions.stats(0.0)
        assert isinstance(told, WorkerStats)
        assert told.unauthentic == 4 * FOREIGN
        stats = bench.released(bench.a, 1)
        assert (stats.received, stats.unauthentic) == (0, 4 * FOREIGN)
        assert bench.sessions.stats(0.0).unauthentic == 4 * FOREIGN

    def test_some_foreign_packets_among_hers_are_no_news(self, secured: Secured) -> None:
        """An attacker of her host cannot have a good call reported."""
        secured.open_alice()
        bench = secured.bench
        for _ in range(3 * FOREIGN):
            Phone.send(secured.alice, bench.a, bytes(Packet(8, 1, 1, 1, VOICE)))
            bench.turn()
            bench.talk(secured.alice, bench.a)
            bench.turn()
        bench.pass_time(0.6)
        assert bench.events() == []

    def test_keys_cross_to_the_worker_and_are_not_shown(self, secured: Secured) -> None:
        """The command survives its frame; a complaint about it shows no key."""
        command = opened(10, 1, secured.alice, secured=secured.keys)
        (again,) = decode_commands(encode_frame([command])[4:])
        assert again == command
        shown = f"{again} {msgspec.structs.asdict(again)}"
        assert repr(secured.keys.send)[2:-1] not in shown
        assert repr(secured.keys.receive)[2:-1] not in shown


class TestReports:
    """RTCP on a secured leg is SRTCP."""

    @pytest.mark.parametrize("mux", [False, True])
    def test_reports_go_and_come_secured(self, secured: Secured, mux: bool) -> None:
        """On the port of the audio or beside it; what is in clear is dropped and counted."""
        bench = secured.bench
        secured.alice.close()
        keys = secured.keys
        even = free_media_port(2)
        secured.alice = SecuredPhone(keys, port=even)
        reports = secured.alice if mux else SecuredPhone(keys, port=even + 1)
        try:
            secured.open_alice(rtcp_mux=mux)
            bench.do(opened(bench.b, 2, bench.bob), Bridge(bench.a, 1, bench.b, 2))
            for _ in range(30):
                bench.talk(secured.alice, bench.a)
            port = bench.a if mux else bench.a + 1
            info = SenderInfo(7 << 32, 1, 30, 30 * 160)
            told = build_report(Report(secured.alice.ssrc, info)) + build_description(secured.alice.ssrc, b"alice")
            reports.send_raw(port, told)
            bench.turn(0.02)
            reports.send_raw(port, reports.outbound.protect_rtcp(told))
            bench.turn(0.02)
            bench.pass_time(8.0)
            heard = []
            while (wire := reports.receive(0.05)) is not None:
                if 192 <= wire[1] <= 223:
                    assert parse_compound(wire) is None
                    heard.append(parse_compound(reports.inbound.unprotect_rtcp(wire)))
            assert heard
            assert heard[0] is not None
            assert heard[0].reports[0].blocks[0].ssrc == secured.alice.ssrc
            assert heard[0].reports[0].blocks[0].lsr == (7 << 16) & 0xFFFFFFFF
            stats = bench.released(bench.a, 1)
            assert (stats.rtcp, stats.rtcp_refused, stats.unauthentic) == (1, 0, 1)
        finally:
            if not mux:
                reports.close()


def test_a_known_packet() -> None:
    """The packet by which libsrtp checks itself: our key and salt are laid out as it expects them."""
    key = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139" + "0ec675ad498afeebb6960b3aabe6")
    context = CryptoContext(Keys("AES_CM_128_HMAC_SHA1_80", key, key))
    plain = HEADER.pack(0x80, 0x0F, 0x1234, 0xDECAFBAD, 0xCAFEBABE) + b"\xab" * 16
    sealed = context.protect(plain)
    assert sealed[12:].hex() == "4e55dc4ce79978d88ca4d215949d2402" + "b78d6acc99ea179b8dbb"
    BUFFER[: len(sealed)] = sealed
    assert bytes(BUFFER[: context.receive(len(sealed))]) == plain


def opened_by(context: CryptoContext, data: bytes) -> bytes:
    """What the context makes of a datagram."""
    BUFFER[: len(data)] = data
    return bytes(BUFFER[: context.receive(len(data))])


def report(ssrc: int) -> bytes:
    """RTCP of a sender."""
    return build_report(Report(ssrc, SenderInfo(7 << 32, 1, 30, 4800))) + build_description(ssrc, b"alice")


def bare_session(keys: Keys) -> pylibsrtp.Session:
    """A peer under these keys that identifies none, in the usual suite."""
    return pylibsrtp.Session(pylibsrtp.Policy(key=keys.receive, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND))


class TestIdentifier:
    """A master key identifier in each packet (RFC 3711 §3.1), judged by libsrtp's own interface for it."""

    def test_a_known_packet(self) -> None:
        """That of libsrtp's check of identifiers: four octets before the tag."""
        key = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139" + "0ec675ad498afeebb6960b3aabe6")
        mki = bytes.fromhex("e1f97a0d")
        context = CryptoContext(Keys("AES_CM_128_HMAC_SHA1_80", key, key, mki, mki))
        plain = HEADER.pack(0x80, 0x0F, 0x1234, 0xDECAFBAD, 0xCAFEBABE) + b"\xab" * 16
        sealed = context.protect(plain)
        assert sealed[12:].hex() == "4e55dc4ce79978d88ca4d215949d2402" + "e1f97a0d" + "b78d6acc99ea179b8dbb"
        assert opened_by(context, sealed) == plain

    @pytest.mark.parametrize("suite", OFFERED)
    @pytest.mark.parametrize("mki", [b"\1", b"\0\0\0\1", bytes(range(128))])
    def test_both_directions_under_every_suite(self, suite: str, mki: bytes) -> None:
        """Both understand each other's audio; our reports and theirs too, on a port of their own or with the audio."""
        keys = msgspec.structs.replace(new_keys(suite), send_mki=mki, receive_mki=mki)
        context = CryptoContext(keys)
        talks = IdentifiedSession(suite, keys.receive, mki, inbound=False)
        hears = IdentifiedSession(suite, keys.send, mki, inbound=True)
        for n in range(3):
            plain = HEADER.pack(0x80, 8, n, 160 * n, 7) + bytes([n]) * 160
            assert opened_by(context, talks.protect(plain)) == plain
            assert hears.unprotect(context.protect(plain)) == plain
        if suite == "AES_CM_128_HMAC_SHA1_32":
            return  # libsrtp 2 looks for the identifier of RTCP before a tag as short as that of RTP
        told = report(9)
        assert context.receive_report(talks.protect_rtcp(told)) == told
        assert opened_by(context, talks.protect_rtcp(told)) == told
        assert hears.unprotect_rtcp(context.protect_report(told)) == told

    def test_a_leg_whose_packets_carry_one(self, secured: Secured) -> None:
        """It hears and is heard, by one in clear."""
        alice, mki = secured.alice, b"\0\0\0\1"
        alice.keys = keys = msgspec.structs.replace(secured.keys, send_mki=mki, receive_mki=mki)
        talks = IdentifiedSession(keys.suite, keys.receive, mki, inbound=False)
        hears = IdentifiedSession(keys.suite, keys.send, mki, inbound=True)
        secured.open_alice()
        bench = secured.bench
        bench.do(opened(bench.b, 2, bench.bob), Bridge(bench.a, 1, bench.b, 2))
        for n in range(3):
            plain = HEADER.pack(0x80, 8, n, 160 * n, 7) + bytes([n]) * 160
            alice.send_raw(bench.a, talks.protect(plain))
            bench.turn(0.02)
            assert bench.bob.hear().payload == plain[12:]
            said = bench.talk(bench.bob, bench.b)
            heard = alice.receive(2.0)
            assert heard is not None
            assert hears.unprotect(heard)[12:] == said.payload

    def test_each_direction_has_its_own(self) -> None:
        """An answer may identify its key where our offer did not."""
        keys = msgspec.structs.replace(new_keys(), receive_mki=b"\1")
        context = CryptoContext(keys)
        plain = HEADER.pack(0x80, 8, 1, 160, 7) + bytes(160)
        talks = IdentifiedSession(keys.suite, keys.receive, b"\1", inbound=False)
        assert opened_by(context, talks.protect(plain)) == plain
        assert len(context.protect(plain)) == len(plain) + 10

    def test_a_peer_that_leaves_its_identifier_out(self) -> None:
        """What authenticates without is its audio all the same; what carries another identifier does not."""
        keys = msgspec.structs.replace(new_keys(), receive_mki=b"\0\0\0\1")
        context = CryptoContext(keys)
        bare = bare_session(keys)
        other = IdentifiedSession(keys.suite, keys.receive, b"\0\0\0\2", inbound=False)
        plain = HEADER.pack(0x80, 8, 1, 160, 7) + bytes(160)
        assert opened_by(context, bare.protect(plain)) == plain
        with pytest.raises(AuthenticationError):
            opened_by(context, other.protect(HEADER.pack(0x80, 8, 2, 320, 7) + bytes(160)))

    def test_another_identifier_for_the_same_keys(self) -> None:
        """A re-INVITE may rename a key; the rollover counters and what was used go on."""
        keys = msgspec.structs.replace(new_keys(), send_mki=b"\1", receive_mki=b"\1")
        context = CryptoContext(keys)
        plain = HEADER.pack(0x80, 8, 1, 160, 7) + bytes(160)
        sealed = bare_session(keys).protect(plain)
        assert opened_by(context, sealed) == plain
        context.protect(plain)
        context.rekey(msgspec.structs.replace(keys, send_mki=b"\2\2", receive_mki=b""), 0.0)
        with pytest.raises(ProtectionError):
            context.protect(plain)
        with pytest.raises(AuthenticationError):
            opened_by(context, sealed)
        assert context.protect(HEADER.pack(0x80, 8, 2, 320, 7) + bytes(160))[-12:-10] == b"\2\2"

    def test_a_stream_that_is_met_late(self) -> None:
        """After its rollover, as one whose media moves to another port here."""
        keys = msgspec.structs.replace(new_keys(), receive_mki=b"\1")
        talks = IdentifiedSession(keys.suite, keys.receive, b"\1", inbound=False)
        for seq in (0, 0x7000, 0xE000, 0xFFFF, 0x10):
            plain = HEADER.pack(0x80, 8, seq, 160, 7) + bytes(160)
            sealed = talks.protect(plain)
        assert opened_by(CryptoContext(keys), sealed) == plain


def test_every_suite_that_is_offered_is_carried() -> None:
    """What the description promises the worker keeps, with the same profiles as its judge here."""
    assert set(crypto_context._PROFILES) == set(OFFERED) == set(PROFILES)


@pytest.mark.parametrize("size", [0, 1, 2, 8, 11, 12, 20, 1400, 1500, 2048])
@pytest.mark.parametrize("first", [0x00, 0x80, 0xFF])
@pytest.mark.parametrize("second", [8, 200])
def test_any_datagram_is_refused_calmly(size: int, first: int, second: int) -> None:
    """However short, long or odd."""
    context = CryptoContext(new_keys())
    BUFFER[:size] = bytes([first, second] + [0] * 2046)[:size]
    with pytest.raises(OSError):  # noqa: PT011 - its class is what a reader of a socket catches
        context.receive(size)
    with pytest.raises(OSError):  # noqa: PT011 - the same
        context.receive_report(bytes(BUFFER[:size]))
    assert context.refused == 2
