"""Sessions on real loopback sockets, driven step by step by a clock of the test's own."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest

from media.control import Bridge, Join, Play, Release, SendDigits, StopPlay, Unbridge
from media.events import Digit, Event, Heard, KeyHeld, KeyPassed, PlayDone, Released, Silence, StreamStats
from media.g711 import ALAW_TO_ULAW, decode, encode
from media.prompts import PromptStore
from media.recorder.key_tones import runs_of_keys
from media.rtp.dtmf import DigitSender
from media.rtp.inband import ToneReader, read
from media.rtp.packet import Packet, parse
from media.rtp.tone_keys import sound
from media.worker import sessions
from media.worker.late import LATE_FOR, MOST
from media.worker.line import CANDIDATE_FOR, CHECKED_FOR, UNLATCH_AFTER
from media.worker.ports import pairs
from media.worker.session import FLOOD, Session
from media.worker.sessions import EARLY_FOR, MAX_EARLY, MAX_EARLY_OCTETS, Sessions
from tests.support.media_worker import Phone, bind_pairs, opened

VOICE = bytes(range(160))
SILENCE = 60.0


class Bench:
    """Sessions with four ports, three phones and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        numbers = count(1)
        self.sessions = Sessions(PromptStore([]), silence=SILENCE, random=lambda bits: next(numbers) << (bits // 2))
        ports, faults = pairs(sock.detach() for sock in bind_pairs(4))
        assert faults == []
        self.sessions.add_ports(ports)
        self.ports = [port.number for port in ports]
        self.a, self.b, self.c, self.d = self.ports
        self.alice, self.bob, self.stranger = Phone(), Phone(), Phone("127.0.0.2")
        self.fds = [sock.fileno() for port in ports for sock in (port.rtp, port.rtcp)]

    def do(self, *commands: object) -> None:
        """Carries commands out."""
        for command in commands:
            self.sessions.carry_out(command, self.now)  # type: ignore[arg-type]
        self.sessions.settle(self.now)

    def turn(self, seconds: float = 0.0) -> None:
        """Lets time pass, then reads every socket once and serves the cadence, as the loop does."""
        self.now += seconds
        self.sessions.cadence.run(self.now)
        for fd in self.fds:
            self.sessions.readers[fd](self.now)

    def pass_time(self, seconds: float) -> None:
        """Many short turns with a check twice a second."""
        for n in range(round(seconds / 0.01)):
            self.turn(0.01)
            if n % 50 == 49:
                self.sessions.check(self.now, 0.5)

    def talk(self, phone: Phone, port: int, **changes: object) -> Packet:
        """One packet of audio, 20 ms after the last."""
        packet = phone.say(port, **{"payload": VOICE, **changes})  # type: ignore[arg-type]
        self.turn(0.02)
        return packet

    def bridged(self, **changes: object) -> None:
        """Alice on port a and Bob on port b, both latched, relayed."""
        self.do(opened(self.a, 1, self.alice), opened(self.b, 2, self.bob, **changes))
        self.do(Bridge(self.a, 1, self.b, 2))

    def events(self) -> list[Event]:
        """What was told since the last time."""
        events = list(self.sessions.events)
        self.sessions.events.clear()
        return events

    def released(self, port: int, gen: int) -> StreamStats:
        """Releases a session and returns what it counted."""
        self.events()
        self.do(Release(port, gen))
        found = [event for event in self.events() if isinstance(event, Released)]
        assert [(event.port, event.gen) for event in found] == [(port, gen)]
        return found[0].stats

    def close(self) -> None:
        """Gives all sockets up."""
        for port in self.sessions.ports.values():
            port.close()
        for phone in (self.alice, self.bob, self.stranger):
            phone.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A fresh bench."""
    made = Bench()
    yield made
    made.close()


def peer_of(bench: Bench, port: int) -> tuple[str, int] | None:
    """Whom a port's socket is connected to."""
    try:
        peer: tuple[str, int] = bench.sessions.ports[port].rtp.getpeername()
    except OSError:
        return None
    return peer


def keys_in(frames: list[bytes]) -> str:
    """The keys that are heard in A-law audio."""
    reader = ToneReader("PCMA")
    found = ""
    for n, frame in enumerate(frames):
        reader.feed(n, 160 * n, 7, frame)
        found += "".join(key for _, key in read([reader]))
    return found


class TestLatching:
    """Who may send to a port."""

    def test_the_first_packet_of_the_sdp_address_connects(self, bench: Bench) -> None:
        """And the kernel keeps everybody else out from then on."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        assert peer_of(bench, bench.a) == bench.alice.address
        bench.stranger.say(bench.a)
        bench.turn(1.0)
        assert bench.released(bench.a, 1).received == 1

    def test_strangers_before_the_peer_are_counted_and_not_heard(self, bench: Bench) -> None:
        """Nothing of theirs reaches the other side."""
        bench.bridged()
        bench.talk(bench.stranger, bench.a)
        assert peer_of(bench, bench.a) is None
        assert bench.bob.quiet(0.02)
        bench.talk(bench.alice, bench.a)
        assert bench.bob.hear().seq == 1000
        assert bench.released(bench.a, 1).strangers == 1

    def test_packets_queued_before_the_connect_are_still_checked(self, bench: Bench) -> None:
        """The kernel filters only what comes after connect()."""
        bench.bridged()
        bench.alice.say(bench.a, VOICE)
        bench.stranger.say(bench.a, VOICE)
        bench.alice.say(bench.a, VOICE)
        for _ in range(3):
            bench.turn(0.001)
        assert bench.bob.hear().seq == 1000
        assert bench.bob.hear().seq == 1001
        assert bench.bob.quiet(0.02)
        stats = bench.released(bench.a, 1)
        assert (stats.received, stats.strangers) == (2, 1)

    def test_the_check_ends(self, bench: Bench) -> None:
        """After a while the socket is read without looking at the source, which the kernel knows."""
        bench.bridged()
        for _ in range(round(CHECKED_FOR / 0.02) + 3):
            bench.talk(bench.alice, bench.a)
        reader = bench.sessions.readers[bench.sessions.ports[bench.a].rtp.fileno()]
        assert reader.__name__ == "_read_latched"

    def test_another_port_of_the_same_host_is_listened_to_at_once(self, bench: Bench) -> None:
        """A NAT rewrites ports: its packets are taken, answered there, and connected to after a moment."""
        natted = Phone()
        bench.do(opened(bench.a, 1, bench.alice), opened(bench.b, 2, bench.bob), Bridge(bench.a, 1, bench.b, 2))
        bench.talk(natted, bench.a)
        assert bench.bob.hear().seq == 1000
        assert peer_of(bench, bench.a) is None
        bench.talk(bench.bob, bench.b)
        assert natted.hear().seq == 1000
        bench.turn(CANDIDATE_FOR)
        bench.talk(natted, bench.a)
        assert peer_of(bench, bench.a) == natted.address
        natted.close()

    def test_the_very_address_of_the_sdp_wins_over_another_port(self, bench: Bench) -> None:
        """A neighbour on the same host that was quicker does not keep the peer out."""
        neighbour, third = Phone(), Phone()
        bench.bridged()
        bench.talk(neighbour, bench.a)
        bench.talk(third, bench.a)
        bench.talk(bench.alice, bench.a)
        assert peer_of(bench, bench.a) == bench.alice.address
        assert bench.released(bench.a, 1).strangers == 1
        neighbour.close()
        third.close()

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x80",
            b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
            b"\x80\xc8\x00\x06" + bytes(24),
            bytes(Packet(13, 1, 1, 1, b"\x40")),
            bytes(Packet(96, 1, 1, 1, VOICE)),
        ],
    )
    def test_what_is_not_the_negotiated_rtp_does_not_latch(self, bench: Bench, data: bytes) -> None:
        """STUN, RTCP, garbage and other payload types leave the port open for the peer."""
        bench.bridged()
        bench.alice.send(bench.a, data)
        bench.turn()
        assert peer_of(bench, bench.a) is None
        assert bench.released(bench.a, 1).dropped == 1

    def test_before_latching_packets_go_where_the_sdp_says(self, bench: Bench) -> None:
        """The first to speak need not be the peer."""
        bench.bridged()
        bench.talk(bench.bob, bench.b)
        assert bench.alice.hear().payload == VOICE

    def test_who_is_not_followed_is_sent_to_where_its_sdp_says(self, bench: Bench) -> None:
        """However long it sends from elsewhere; any other port of its host is a stranger's until it is silent."""
        sender, neighbour = Phone(), Phone()
        bench.do(opened(bench.a, 1, bench.alice, follows=False), opened(bench.b, 2, bench.bob))
        bench.do(Bridge(bench.a, 1, bench.b, 2))
        for _ in range(50):
            bench.talk(sender, bench.a)
            bench.talk(neighbour, bench.a)
            bench.talk(bench.alice, bench.a)
            bench.talk(bench.bob, bench.b)
        assert [packet.seq for packet in heard(bench.bob)] == list(range(1000, 1050))
        assert len(heard(bench.alice)) == 50
        assert sender.quiet(0.02)
        assert peer_of(bench, bench.a) is None
        bench.pass_time(UNLATCH_AFTER + 0.6)
        bench.talk(neighbour, bench.a)
        assert bench.bob.hear().seq == 1050
        stats = bench.released(bench.a, 1)
        assert (stats.received, stats.sent, stats.strangers) == (51, 50, 100)
        sender.close()
        neighbour.close()

    def test_who_sends_from_another_address_is_heard_from_there_alone(self, bench: Bench) -> None:
        """Not even the address of its SDP is."""
        sender = Phone("127.0.0.3")
        bench.do(opened(bench.a, 1, bench.alice, follows=False, latch_ip="127.0.0.3"), opened(bench.b, 2, bench.bob))
        bench.do(Bridge(bench.a, 1, bench.b, 2))
        bench.talk(bench.alice, bench.a)
        bench.talk(bench.stranger, bench.a)
        bench.talk(sender, bench.a, payload=VOICE[::-1])
        bench.talk(bench.bob, bench.b)
        assert [packet.payload for packet in heard(bench.bob)] == [VOICE[::-1]]
        assert len(heard(bench.alice)) == 1
        assert bench.released(bench.a, 1).strangers == 2
        sender.close()

    def test_who_is_not_followed_calls_again_from_where_its_sdp_says(self, bench: Bench) -> None:
        """By the same two ports and under the same SSRC: it is no late packet of the call before."""
        for gen in (1, 2):
            bench.do(opened(bench.a, gen, bench.alice, follows=False))
            bench.talk(bench.alice, bench.a)
            stats = bench.released(bench.a, gen)
            assert (stats.received, stats.strangers) == (1, 0)

    def test_who_is_not_followed_any_more_is_left(self, bench: Bench) -> None:
        """A re-INVITE says that it is to be sent to where its SDP says: who was latched to is let go."""
        bench.bridged()
        natted = Phone()
        for _ in range(40):
            bench.talk(natted, bench.a)
        assert peer_of(bench, bench.a) == natted.address
        bench.do(opened(bench.a, 1, bench.alice, follows=False))
        bench.talk(natted, bench.a)
        bench.talk(bench.bob, bench.b)
        assert len(heard(bench.alice)) == 1
        assert natted.quiet(0.02)
        natted.close()

    def test_reports_of_who_is_not_followed_share_the_way_of_its_audio(self, bench: Bench) -> None:
        """Both come from elsewhere, on one port (RFC 5761)."""
        sender = Phone()
        bench.do(opened(bench.a, 1, bench.alice, follows=False, rtcp_mux=True))
        bench.talk(sender, bench.a)
        sender.send(bench.a, b"\x80\xc8\x00\x06" + bytes(24))
        bench.turn()
        stats = bench.released(bench.a, 1)
        assert (stats.received, stats.rtcp, stats.dropped) == (1, 1, 0)
        sender.close()

    def test_two_seconds_of_silence_let_the_peer_move(self, bench: Bench) -> None:
        """Packets to it go on to the old place until it is heard from a new one."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.bob.hear()
        bench.pass_time(UNLATCH_AFTER + 0.6)
        assert peer_of(bench, bench.a) is None
        bench.talk(bench.bob, bench.b)
        assert bench.alice.hear().payload == VOICE
        moved = Phone()
        bench.talk(moved, bench.a)
        bench.talk(bench.bob, bench.b)
        assert moved.hear().payload == VOICE
        moved.close()

    def test_a_peer_that_speaks_stays_latched(self, bench: Bench) -> None:
        """The silence is counted from its last packet."""
        bench.bridged()
        for _ in range(10):
            bench.talk(bench.alice, bench.a)
            bench.pass_time(1.0)
        assert peer_of(bench, bench.a) == bench.alice.address

    def test_a_changed_remote_address_latches_anew(self, bench: Bench) -> None:
        """After a re-INVITE the old place is a stranger's, also its packets still in the queue."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        moved = Phone("127.0.0.3")
        bench.alice.say(bench.a, VOICE)
        bench.do(opened(bench.a, 1, moved))
        bench.turn()
        assert peer_of(bench, bench.a) is None
        bench.alice.say(bench.a, VOICE)
        bench.turn()
        bench.talk(moved, bench.a)
        assert peer_of(bench, bench.a) == moved.address
        stats = bench.released(bench.a, 1)
        assert (stats.received, stats.strangers) == (2, 1)
        moved.close()

    def test_an_unchanged_remote_address_stays_latched(self, bench: Bench) -> None:
        """A re-INVITE for hold does not lose the peer."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.do(opened(bench.a, 1, bench.alice, send=False))
        assert peer_of(bench, bench.a) == bench.alice.address

    def test_a_name_instead_of_an_address_is_not_looked_up(self, bench: Bench) -> None:
        """A resolver would stop every call's audio; nothing is sent, nobody latches."""
        bench.do(opened(bench.a, 1, bench.alice, remote_ip="localhost", latch_ip="localhost"))
        bench.do(Play(bench.a, 1, 1, ["tone:1000:0.1"]))
        bench.alice.say(bench.a)
        bench.turn(0.02)
        stats = bench.released(bench.a, 1)
        assert (stats.sent, stats.received, stats.strangers) == (0, 0, 1)

    def test_the_port_is_as_new_for_the_next_session(self, bench: Bench) -> None:
        """Neither its peer nor its packets are the last one's."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.alice.say(bench.a)
        bench.released(bench.a, 1)
        assert peer_of(bench, bench.a) is None
        bench.alice.say(bench.a)
        bench.turn()
        bench.alice.say(bench.a)
        bench.do(opened(bench.a, 3, bench.bob))
        bench.turn()
        stats = bench.released(bench.a, 3)
        assert (stats.received, stats.strangers, stats.first_at) == (0, 1, None)
        assert bench.sessions.stats(0.0).stray == 1

    def test_what_a_peer_says_before_the_session_is_there_is_heard(self, bench: Bench) -> None:
        """Its answer and its first packets race through different processes; the packets are kept a moment."""
        bench.do(opened(bench.a, 1, bench.alice))
        for _ in range(3):
            bench.talk(bench.bob, bench.b)
        bench.talk(bench.stranger, bench.b)
        bench.bob.say(bench.b)
        bench.do(opened(bench.b, 2, bench.bob), Bridge(bench.a, 1, bench.b, 2))
        bench.turn()
        assert [packet.seq for packet in heard(bench.alice)] == [1000, 1001, 1002, 1003]
        stats = bench.released(bench.b, 2)
        assert (stats.received, stats.lost, stats.strangers) == (4, 0, 1)
        assert peer_of(bench, bench.b) is None

    def test_after_a_while_the_port_has_forgotten_its_last_peer(self, bench: Bench) -> None:
        """Another call of the same gateway is heard from its first packet."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.released(bench.a, 1)
        bench.turn(LATE_FOR)
        bench.alice.ssrc += 1
        bench.talk(bench.alice, bench.a)
        bench.do(opened(bench.a, 3, bench.alice))
        assert bench.released(bench.a, 3).received == 1

    def test_who_calls_again_from_behind_a_nat_is_heard(self, bench: Bench) -> None:
        """By way of the same two ports, and at once: the stream is another."""
        for gen in (1, 2):
            bench.alice.ssrc += 1
            bench.do(opened(bench.a, gen, bench.alice, remote_port=9))
            bench.talk(bench.alice, bench.a)
            bench.pass_time(CANDIDATE_FOR)
            bench.talk(bench.alice, bench.a)
            assert peer_of(bench, bench.a) == bench.alice.address
            stats = bench.released(bench.a, gen)
            assert (stats.received, stats.strangers) == (2, 0)

    def test_who_talks_on_after_the_end_is_not_heard_in_later_calls(self, bench: Bench) -> None:
        """Until its BYE is answered, and though its neighbour, who has the port now, keeps silent."""
        bench.do(opened(bench.a, 1, bench.alice))
        bench.talk(bench.alice, bench.a)
        bench.released(bench.a, 1)
        for gen in range(2, MOST + 1):
            bench.do(opened(bench.a, gen, bench.bob))
            bench.talk(bench.alice, bench.a)
            bench.pass_time(CANDIDATE_FOR)
            bench.talk(bench.alice, bench.a)
            assert peer_of(bench, bench.a) is None
            stats = bench.released(bench.a, gen)
            assert (stats.received, stats.strangers) == (0, 2)

    def test_who_begins_to_talk_after_the_end_is_not_heard_in_the_next_call(self, bench: Bench) -> None:
        """Its stream is not known, as nothing came before the end; from elsewhere it is late for so long."""
        bench.do(opened(bench.a, 1, bench.alice))
        bench.released(bench.a, 1)
        bench.do(opened(bench.a, 2, bench.bob))
        bench.talk(bench.alice, bench.a)
        assert bench.released(bench.a, 2).strangers == 1
        bench.do(opened(bench.a, 3, bench.bob))
        bench.pass_time(LATE_FOR)
        bench.talk(bench.alice, bench.a)
        assert bench.released(bench.a, 3).received == 1

    def test_what_was_said_long_before_is_not(self, bench: Bench) -> None:
        """It was for nobody."""
        bench.talk(bench.bob, bench.b)
        bench.turn(EARLY_FOR + 0.01)
        bench.do(opened(bench.b, 2, bench.bob))
        assert bench.released(bench.b, 2).received == 0

    def test_what_is_kept_for_sessions_to_come_is_bounded(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """In datagrams, in octets, in ports."""
        monkeypatch.setattr(sessions, "MAX_EARLY_PORTS", 2)
        bench.bob.send(bench.b, bytes(MAX_EARLY_OCTETS + 1))
        bench.turn()
        for port in (bench.a, bench.c, bench.b):
            for _ in range(MAX_EARLY + 5):
                bench.bob.say(port)
                bench.turn(0.001)
        kept = bench.sessions._early
        assert list(kept) == [bench.b]
        assert len(kept[bench.b]) == MAX_EARLY

    def test_a_refused_packet_is_no_fault(self, bench: Bench) -> None:
        """ICMP port unreachable shows as ECONNREFUSED; the stream goes on when the peer is back."""
        address = bench.alice.address
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.alice.close()
        reader = bench.sessions.ports[bench.b].rtp.fileno()
        for _ in range(4):
            bench.bob.say(bench.b)
        for _ in range(4):
            # Without reading alice's socket between, which would take the error away.
            bench.sessions.readers[reader](bench.now)
        bench.alice = Phone(*address)
        for _ in range(2):
            bench.talk(bench.bob, bench.b)
        assert bench.alice.hear().payload == VOICE
        assert bench.released(bench.a, 1).send_errors > 0

    def test_rtcp_is_counted(self, bench: Bench) -> None:
        """On its own port and on the RTP port; a stranger's is a stranger's."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        report = b"\x80\xc9\x00\x01" + bytes(4)
        bench.alice.send(bench.a + 1, report)
        bench.stranger.send(bench.a + 1, report)
        bench.turn()
        bench.turn()
        bench.alice.send(bench.a, report)
        bench.turn()
        stats = bench.released(bench.a, 1)
        assert (stats.rtcp, stats.strangers, stats.received) == (2, 1, 1)


class TestRelaying:
    """What one peer sends and the other hears."""

    def test_a_stream_that_needs_no_rewriting_passes_untouched(self, bench: Bench) -> None:
        """Octet by octet, in both directions."""
        bench.bridged()
        for _ in range(3):
            assert bench.bob.quiet(0.0)
            assert bytes(bench.talk(bench.alice, bench.a)) == bench.bob.receive(1.0)
            assert bytes(bench.talk(bench.bob, bench.b, marker=True)) == bench.alice.receive(1.0)

    def test_payload_types_are_mapped_each_way(self, bench: Bench) -> None:
        """Each peer hears the numbers it asked for; sequence and timestamp stay."""
        bench.bridged(audio_pt=96, event_pt=97)
        sent = bench.talk(bench.alice, bench.a, marker=True)
        assert bench.bob.hear() == Packet(96, sent.seq, sent.ts, sent.ssrc, VOICE, True)
        sent = bench.talk(bench.bob, bench.b, payload_type=96)
        assert bench.alice.hear() == Packet(8, sent.seq, sent.ts, sent.ssrc, VOICE)
        event = bench.talk(bench.bob, bench.b, payload_type=97, payload=b"\x05\x0a\x00\xa0")
        heard = bench.alice.hear()
        assert (heard.payload_type, heard.payload, heard.ts) == (101, event.payload, event.ts)

    def test_a_peer_may_send_other_numbers_than_it_wants(self, bench: Bench) -> None:
        """RFC 3264 §6.1: payload types may differ by direction."""
        bench.bridged(audio_pt=8, receive_pt=100, event_pt=101, receive_event_pt=110)
        bench.talk(bench.bob, bench.b, payload_type=100)
        assert bench.alice.hear().payload_type == 8
        bench.talk(bench.bob, bench.b, payload_type=110, payload=b"\x05\x0a\x00\xa0")
        assert bench.alice.hear().payload_type == 101
        bench.talk(bench.alice, bench.a)
        assert bench.bob.hear().payload_type == 8
        bench.talk(bench.bob, bench.b, payload_type=8)
        assert bench.alice.quiet(0.02)

    def test_a_law_and_mu_law_are_translated(self, bench: Bench) -> None:
        """By table, there and back."""
        bench.bridged(audio_pt=0, codec="PCMU")
        bench.talk(bench.alice, bench.a)
        assert bench.bob.hear().payload == VOICE.translate(ALAW_TO_ULAW)
        bench.talk(bench.bob, bench.b, payload_type=0, payload=VOICE.translate(ALAW_TO_ULAW))
        heard = bench.alice.hear()
        assert heard.payload_type == 8
        assert heard.payload.translate(ALAW_TO_ULAW) == VOICE.translate(ALAW_TO_ULAW)

    def test_extension_and_padding_do_not_disturb_a_translation(self, bench: Bench) -> None:
        """Only audio is translated; the rest of an unusual header is left out."""
        bench.bridged(audio_pt=0, codec="PCMU")
        header = b"\xb0\x88\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03" + b"\xbe\xde\x00\x01\x10\xff\x00\x00"
        bench.alice.send(bench.a, header + VOICE + b"\x00\x00\x03")
        bench.turn()
        assert bench.bob.hear() == Packet(0, 1, 2, 3, VOICE.translate(ALAW_TO_ULAW), True)

    def test_extensions_contributors_and_padding_stay_behind(self, bench: Bench) -> None:
        """They were negotiated with nobody, and may tell who the peer is, even where nothing else is rewritten."""
        bench.bridged()
        for payload_type, payload in ((8, VOICE), (101, b"\x05\x0a\x00\xa0")):
            header = bytes((0xB1, payload_type)) + b"\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03"
            bench.alice.send(bench.a, header + b"name" + b"\xbe\xde\x00\x01name" + payload + b"nam\x04")
            bench.turn()
            assert bench.bob.receive(1.0) == bytes(Packet(payload_type, 1, 2, 3, payload))

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\x80\x08\x00",
            b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12),
            b"\x8f\x08" + bytes(10),
            b"\x40\x08" + bytes(170),
            bytes(Packet(13, 1, 1, 1, b"\x40")),
        ],
    )
    def test_garbage_from_the_peer_is_dropped_and_counted(self, bench: Bench, data: bytes) -> None:
        """Without an exception, without being relayed."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.bob.hear()
        bench.alice.send(bench.a, data)
        bench.turn(1.0)
        assert bench.bob.quiet(0.02)
        bench.alice.send(bench.a, data)
        bench.turn()
        assert bench.released(bench.a, 1).dropped == 2

    def test_events_to_a_peer_without_events_become_tones(self, bench: Bench) -> None:
        """It negotiated none, so the key sounds for 100 ms, once."""
        bench.bridged(event_pt=None)
        for _ in range(3):
            bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x05\x0a\x00\xa0")
        bench.pass_time(0.3)
        assert keys_in([packet.payload for packet in heard(bench.bob)]) == "5"
        assert bench.released(bench.a, 1).dropped == 0

    def test_a_held_peer_hears_nothing(self, bench: Bench) -> None:
        """We may not send to it; what it sends is relayed."""
        bench.bridged(send=False)
        bench.talk(bench.alice, bench.a)
        assert bench.bob.quiet(0.02)
        bench.talk(bench.bob, bench.b)
        assert bench.alice.hear().payload == VOICE
        bench.do(opened(bench.b, 2, bench.bob))
        bench.talk(bench.alice, bench.a)
        assert bench.bob.hear().payload == VOICE

    def test_a_peer_that_must_not_send_is_not_heard(self, bench: Bench) -> None:
        """Its packets are counted only."""
        bench.bridged(receive=False)
        bench.talk(bench.bob, bench.b)
        assert bench.alice.quiet(0.02)
        assert bench.released(bench.b, 2).received == 1

    def test_unbridged_nothing_is_relayed(self, bench: Bench) -> None:
        """Both directions end; a second Unbridge changes nothing."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.bob.hear()
        bench.do(Unbridge(bench.b, 2), Unbridge(bench.b, 2))
        bench.talk(bench.alice, bench.a)
        bench.talk(bench.bob, bench.b)
        assert bench.bob.quiet(0.02)
        assert bench.alice.quiet(0.02)

    def test_a_new_bridge_ends_the_old_one(self, bench: Bench) -> None:
        """A transfer joins one of two to a third."""
        carol = Phone()
        bench.bridged()
        bench.do(opened(bench.c, 3, carol), Bridge(bench.a, 1, bench.c, 3))
        bench.talk(bench.alice, bench.a)
        assert carol.hear().payload == VOICE
        assert bench.bob.quiet(0.02)
        bench.talk(bench.bob, bench.b)
        assert bench.alice.quiet(0.02)
        carol.close()

    def test_a_bridge_to_itself_is_no_bridge(self, bench: Bench) -> None:
        """Nobody hears an echo of himself."""
        bench.do(opened(bench.a, 1, bench.alice), Bridge(bench.a, 1, bench.a, 1))
        bench.talk(bench.alice, bench.a)
        assert bench.alice.quiet(0.02)

    def test_two_ports_sending_to_each_other_do_not_run_away(self, bench: Bench) -> None:
        """A rate that no telephone has stops the relaying until it is over."""
        bench.bridged()
        for n in range(FLOOD):
            bench.alice.send(bench.a, bytes(Packet(8, n, n * 160, 1, VOICE)))
            bench.turn()
            bench.bob.receive(0.0)
        bench.sessions.check(bench.now, 0.5)
        bench.talk(bench.alice, bench.a)
        assert bench.bob.quiet(0.02)
        bench.sessions.check(bench.now, 0.5)
        bench.talk(bench.alice, bench.a)
        assert bench.bob.hear().payload == VOICE


def heard(phone: Phone) -> list[Packet]:
    """All that has come to a phone by now."""
    packets = []
    while (data := phone.receive(0.0)) is not None:
        packet = parse(data)
        assert packet is not None
        packets.append(packet)
    return packets


def assert_one_stream(packets: list[Packet]) -> None:
    """One SSRC, no number missing or repeated, time never back, at most 20 ms off the clock of the sequence."""
    assert len({packet.ssrc for packet in packets}) == 1
    for before, after in pairwise(packets):
        assert (after.seq - before.seq) & 0xFFFF == 1
        assert 0 < (after.ts - before.ts) & 0xFFFFFFFF < 0x8000


class TestContinuity:
    """One peer hears one stream, whoever feeds it (RFC 3550 §5.1)."""

    def test_from_a_prompt_to_one_relay_to_another_and_back_to_a_prompt(self, bench: Bench) -> None:
        """SSRC, sequence and timestamp go on; the marker shows each change."""
        carol = Phone()
        carol.ssrc, carol.seq, carol.ts = 99, 65535, 2**32 - 100
        bench.do(opened(bench.a, 1, bench.alice), opened(bench.b, 2, bench.bob), opened(bench.c, 3, carol))
        bench.do(Play(bench.a, 1, 1, ["tone:1000:0.06"]))
        bench.pass_time(0.1)
        bench.do(Bridge(bench.a, 1, bench.b, 2))
        for _ in range(3):
            bench.talk(bench.bob, bench.b)
        bench.do(Bridge(bench.a, 1, bench.c, 3))
        for _ in range(3):
            bench.talk(carol, bench.c)
        bench.do(Play(bench.a, 1, 2, ["tone:1000:0.06"]))
        bench.pass_time(0.1)
        packets = heard(bench.alice)
        assert_one_stream(packets)
        assert [packet.marker for packet in packets] == [True, False, False] * 4
        carol.close()

    def test_the_silence_between_two_sources_is_in_the_timestamp(self, bench: Bench) -> None:
        """Five seconds of nothing are 40,000 samples."""
        bench.bridged()
        bench.talk(bench.bob, bench.b)
        bench.turn(5.0)
        bench.do(Play(bench.a, 1, 1, ["tone:1000:0.02"]))
        bench.pass_time(0.05)
        first, second = heard(bench.alice)
        assert second.seq == first.seq + 1
        assert second.ts - first.ts == pytest.approx(40_000, abs=80)

    def test_a_source_that_changes_its_ssrc_stays_one_stream(self, bench: Bench) -> None:
        """The far end moved its media; the peer need not notice."""
        bench.bridged()
        for ssrc, seq, ts in [(1, 100, 1000), (2, 60000, 5), (1, 101, 1160), (3, 0, 0)]:
            bench.bob.ssrc, bench.bob.seq, bench.bob.ts = ssrc, seq, ts
            for _ in range(2):
                bench.talk(bench.bob, bench.b)
        packets = heard(bench.alice)
        assert len(packets) == 8
        assert_one_stream(packets)

    def test_a_hold_leaves_an_untouched_stream_untouched(self, bench: Bench) -> None:
        """The same source goes on with its own numbers, what was sent meanwhile being missing."""
        bench.bridged()
        bench.talk(bench.bob, bench.b)
        bench.do(opened(bench.a, 1, bench.alice, send=False))
        bench.talk(bench.bob, bench.b)
        bench.do(opened(bench.a, 1, bench.alice))
        sent = bench.talk(bench.bob, bench.b)
        assert heard(bench.alice)[-1] == sent

    def test_order_and_gaps_of_a_rewritten_stream_are_kept(self, bench: Bench) -> None:
        """What was lost or reordered before us is so behind us: nobody can wait for it here."""
        bench.do(opened(bench.a, 1, bench.alice), opened(bench.b, 2, bench.bob))
        bench.do(Play(bench.a, 1, 1, ["tone:1000:0.02"]), Bridge(bench.a, 1, bench.b, 2))
        bench.pass_time(0.05)
        (prompt,) = heard(bench.alice)
        for seq in (500, 501, 504, 503):
            bench.bob.seq, bench.bob.ts = seq, seq * 160
            bench.talk(bench.bob, bench.b)
        assert [(p.seq - prompt.seq) & 0xFFFF for p in heard(bench.alice)] == [1, 2, 5, 4]


class TestPlaying:
    """Prompts and tones towards a peer."""

    def test_relaying_waits_while_a_prompt_plays(self, bench: Bench) -> None:
        """And goes on when it is over; the other direction is never touched."""
        bench.bridged()
        bench.do(Play(bench.a, 1, 7, ["tone:1000:0.1"]))
        for _ in range(3):
            bench.talk(bench.bob, bench.b, payload=b"\x01" * 160)
            bench.talk(bench.alice, bench.a)
        assert len(heard(bench.bob)) == 3
        assert all(packet.payload != b"\x01" * 160 for packet in heard(bench.alice))
        bench.pass_time(0.2)
        assert bench.events() == [PlayDone(bench.a, 1, 7, "done")]
        bench.talk(bench.bob, bench.b, payload=b"\x01" * 160)
        assert heard(bench.alice)[-1].payload == b"\x01" * 160

    def test_prompts_play_in_the_codec_of_the_peer(self, bench: Bench) -> None:
        """And in another one from the frame on in which an Open changes it."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 1, ["silence:10"]))
        bench.pass_time(0.1)
        bench.do(opened(bench.a, 1, bench.alice, codec="PCMU", audio_pt=0))
        bench.pass_time(0.1)
        packets = heard(bench.alice)
        assert_one_stream(packets)
        assert [(p.payload_type, p.payload) for p in packets] == [(8, b"\xd5" * 160)] * 5 + [(0, b"\xff" * 160)] * 5

    def test_a_stopped_prompt_tells_so(self, bench: Bench) -> None:
        """Once; a StopPlay with nothing to stop tells nothing."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 4, ["tone:ringback"], True))
        bench.pass_time(0.1)
        bench.do(StopPlay(bench.a, 1), StopPlay(bench.a, 1))
        assert bench.events() == [PlayDone(bench.a, 1, 4, "stopped")]
        heard(bench.alice)
        bench.pass_time(0.1)
        assert heard(bench.alice) == []

    def test_a_replaced_prompt_tells_so_and_the_stream_goes_on(self, bench: Bench) -> None:
        """Barge-in: the next prompt follows in the same cadence."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 4, ["tone:ringback"], True))
        bench.pass_time(0.1)
        bench.do(Play(bench.a, 1, 5, ["tone:1000:0.04"]))
        bench.pass_time(0.1)
        assert bench.events() == [PlayDone(bench.a, 1, 4, "stopped"), PlayDone(bench.a, 1, 5, "done")]
        packets = heard(bench.alice)
        assert len(packets) == 7
        assert_one_stream(packets)

    @pytest.mark.parametrize("name", ["zh/none", "../etc/passwd", "tone:never", "", "x" * 10_000])
    def test_a_missing_prompt_is_told_and_nothing_plays(self, bench: Bench, name: str) -> None:
        """Not even those named before it; what played is stopped."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 1, ["tone:busy"], True))
        bench.do(Play(bench.a, 1, 2, ["tone:1000:0.1", name]))
        bench.pass_time(0.1)
        assert bench.events() == [
            PlayDone(bench.a, 1, 1, "stopped"),
            PlayDone(bench.a, 1, 2, f"missing:{name}"),
        ]
        assert heard(bench.alice) == []

    def test_nothing_to_play_is_done(self, bench: Bench) -> None:
        """An empty list ends at once, looped or not."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 2, [], True))
        bench.pass_time(0.05)
        assert bench.events() == [PlayDone(bench.a, 1, 2, "done")]

    def test_to_a_held_peer_time_passes_in_silence(self, bench: Bench) -> None:
        """The prompt ends when it would have."""
        bench.do(opened(bench.a, 1, bench.alice, send=False), Play(bench.a, 1, 2, ["tone:1000:0.1"]))
        bench.pass_time(0.2)
        assert bench.events() == [PlayDone(bench.a, 1, 2, "done")]
        assert heard(bench.alice) == []

    def test_a_prompt_ends_when_its_last_frame_has_sounded(self, bench: Bench) -> None:
        """PlayDone is not told 20 ms too early."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 2, ["tone:1000:0.1"]))
        bench.pass_time(0.09)
        assert len(heard(bench.alice)) == 5
        assert bench.events() == []
        bench.pass_time(0.03)
        assert bench.events() == [PlayDone(bench.a, 1, 2, "done")]


class TestDigits:
    """Keys from and to a peer."""

    def test_keys_are_told_once_and_not_relayed(self, bench: Bench) -> None:
        """Where digits are listened for, they are the flow's and nobody else's."""
        bench.bridged()
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        sender = DigitSender("42")
        start = bench.alice.ts
        while not sender.done:
            packet = sender.step()
            if packet is not None:
                bench.alice.ts = start
                bench.talk(bench.alice, bench.a, payload_type=101, payload=packet[1], marker=packet[0] == 0)
            else:
                start += 1280
                bench.turn(0.02)
        found = bench.events()
        assert [event.digit for event in found if isinstance(event, Digit)] == ["4", "2"]
        assert len(found) == 2
        assert heard(bench.bob) == []
        assert bench.sessions.stats(0.0).digits == 2

    def test_a_key_that_is_held_is_told_of_until_it_is_over(self, bench: Bench) -> None:
        """Its INFO may come then, which some phones send as well."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        start = bench.alice.ts
        for n in range(1, 21):
            bench.alice.ts = start
            payload = bytes((5, 0x8A if n > 17 else 0x0A)) + (160 * min(n, 18)).to_bytes(2, "big")
            bench.talk(bench.alice, bench.a, payload_type=101, payload=payload, marker=n == 1)
        pressed, held, over = bench.events()
        assert isinstance(pressed, Digit)
        assert isinstance(held, KeyHeld)
        assert isinstance(over, KeyHeld)
        assert [(event.port, event.gen, event.digit) for event in (held, over)] == [(bench.a, 1, "5")] * 2
        assert [held.over, over.over] == [False, True]

    def test_a_key_is_told_with_the_arrival_of_its_first_packet(self, bench: Bench) -> None:
        """`at` is the clock's time then."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x0b\x0a\x00\xa0")
        (event,) = bench.events()
        assert isinstance(event, Digit)
        assert (event.port, event.gen, event.digit) == (bench.a, 1, "#")
        assert event.at == pytest.approx(bench.now, abs=0.01)

    def test_a_key_is_told_as_it_arrived_however_late_it_is_read(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The kernel notes when a packet came, so that a busy machine does not change what was keyed."""
        bench.do(opened(bench.a, 1, bench.alice))
        bench.talk(bench.alice, bench.a)
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        bench.alice.say(bench.a, b"\x05\x0a\x00\xa0", 101, True)
        later = time.time() + 0.25
        monkeypatch.setattr("media.worker.line.time.time", lambda: later)
        bench.turn()
        (event,) = bench.events()
        assert isinstance(event, Digit)
        assert bench.now - event.at == pytest.approx(0.25, abs=0.05)

    def test_a_clock_that_was_set_is_not_believed(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """A packet that would have waited for an hour has come now."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        bench.talk(bench.alice, bench.a)
        bench.alice.say(bench.a, b"\x05\x0a\x00\xa0", 101, True)
        later = time.time() + 3600.0
        monkeypatch.setattr("media.worker.line.time.time", lambda: later)
        bench.turn()
        assert bench.events() == [Digit(bench.a, 1, "5", bench.now)]

    def test_arrivals_are_noted_only_while_keys_are_listened_for(self, bench: Bench) -> None:
        """They cost a little."""
        reader = bench.sessions.ports[bench.a].rtp.fileno()
        for digits, stamped in ((True, True), (False, False), (True, True)):
            bench.do(opened(bench.a, 1, bench.alice, digits=digits))
            bench.talk(bench.alice, bench.a)
            assert (bench.sessions.readers[reader].__name__ == "_read_stamped") is stamped

    def test_a_key_is_listened_for_only_from_the_peer(self, bench: Bench) -> None:
        """A stranger's packets queued before the kernel knew the peer press no key."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        bench.alice.say(bench.a)
        bench.stranger.say(bench.a, b"\x05\x0a\x00\xa0", 101, True)
        bench.turn()
        bench.turn()
        assert bench.events() == []
        assert bench.released(bench.a, 1).strangers == 1

    def test_a_peer_that_must_not_send_keys_none(self, bench: Bench) -> None:
        """What comes from it while it is on hold is not obeyed."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True, receive=False))
        bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x0b\x0a\x00\xa0")
        assert bench.events() == []

    def test_not_listened_for_they_are_relayed(self, bench: Bench) -> None:
        """With the other side's payload type, their own timestamp and duration."""
        bench.bridged(event_pt=97)
        bench.talk(bench.alice, bench.a)
        sent = bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x0b\x8a\x03\x20", marker=True)
        audio, event = heard(bench.bob)
        assert event == Packet(97, sent.seq, sent.ts, sent.ssrc, sent.payload, True)
        assert audio.payload_type == 8
        assert bench.events() == [KeyPassed(bench.a, 1, "#")]

    def test_that_a_key_was_passed_on_is_told_once(self, bench: Bench) -> None:
        """Not of each packet, even where the timestamp runs on; nor of what is no key, or goes to nobody."""
        bench.bridged()
        for n in range(1, 6):
            bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x05\x0a\x00\xa0", marker=n == 1)
        bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x40\x0a\x00\xa0")
        assert bench.events() == [KeyPassed(bench.a, 1, "5")]
        bench.do(Unbridge(bench.a, 1))
        bench.turn(0.2)
        bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x05\x0a\x00\xa0", marker=True)
        assert bench.events() == []

    def test_the_rest_of_a_key_that_was_taken_is_not_relayed(self, bench: Bench) -> None:
        """It may be a secret's last one, still held when the other side is there; the same key again is for that."""
        bench.bridged()
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        first, second = DigitSender("4"), DigitSender("4")
        steps = [step for sender in (first, second) for step in iter(sender.step, None)]
        taken, wanted = steps[: len(steps) // 2], steps[len(steps) // 2 :]
        for ts, press in ((800, taken), (4000, wanted)):
            for distance, payload in press:
                bench.alice.ts = ts
                bench.talk(bench.alice, bench.a, payload_type=101, payload=payload, marker=distance == 0)
                if press is taken and distance == 1:
                    bench.do(opened(bench.a, 1, bench.alice))
        assert [event.digit for event in bench.events() if isinstance(event, Digit)] == ["4"]
        assert [packet.payload for packet in heard(bench.bob)] == [payload for _, payload in wanted]

    @pytest.mark.parametrize("how", ["bridge", "room"])
    @pytest.mark.parametrize("form", ["tones", "events", "both orders"])
    def test_the_rest_of_its_tone_is_not_heard(self, bench: Bench, form: str, how: str) -> None:
        """Of a key that was for us and is still held when the other side is there; what is said then is heard."""
        settings: dict[str, object] = {"event_pt": None} if form != "events" else {}
        bench.do(opened(bench.a, 1, bench.alice, digits=True, **settings), opened(bench.b, 2, bench.bob))
        talks = (Bridge(bench.a, 1, bench.b, 2),) if how == "bridge" else (Join(bench.a, 1, 7), Join(bench.b, 2, 7))
        handed = [opened(bench.a, 1, bench.alice, **settings), *talks]
        sounds = [sound("4")[320 * n : 320 * n + 320] for n in range(5)]
        for n in range(45):
            payload = encode("PCMA", sounds[1 + n % 3]) if n < 20 else VOICE
            if n < 20 and form == "events":
                duration = (160 * (n + 1)).to_bytes(2, "big")
                bench.alice.send(bench.a, bytes(Packet(101, 500 + n, 800, bench.alice.ssrc, b"\x04\x0a" + duration)))
                bench.turn()
            bench.talk(bench.alice, bench.a, payload=payload)
            bench.sessions.search()
            if n == 9:
                bench.do(*(handed if form != "both orders" else reversed(handed)))
        assert "".join(event.digit for event in bench.events() if isinstance(event, Digit)) == "4"
        frames = [packet.payload for packet in heard(bench.bob) if packet.payload_type == 8]
        assert runs_of_keys(np.frombuffer(decode("PCMA", b"".join(frames)), "<i2")) == []
        voices = [frame for frame in frames if len(set(frame)) > 100]
        assert 10 <= len(voices) <= 25

    def test_a_key_of_before_hushes_nobody(self, bench: Bench) -> None:
        """Nor a new one: it is the other side's."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x04\x8a\x03\x20", marker=True)
        for _ in range(6):
            bench.talk(bench.alice, bench.a)
        bench.bridged()
        sent = bench.talk(bench.alice, bench.a)
        assert heard(bench.bob) == [sent]
        bench.do(opened(bench.a, 1, bench.alice, digits=True))
        bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x05\x0a\x00\xa0", marker=True)
        bench.bridged()
        pressed = bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x06\x0a\x00\xa0", marker=True)
        sent = bench.talk(bench.alice, bench.a)
        assert heard(bench.bob) == [pressed, sent]

    def test_keys_we_send_are_part_of_the_stream(self, bench: Bench) -> None:
        """Relaying waits; the event has one timestamp; afterwards the relayed audio goes on."""
        bench.bridged()
        for _ in range(2):
            bench.talk(bench.bob, bench.b)
        bench.do(SendDigits(bench.a, 1, "5"), SendDigits(bench.a, 1, "#"))
        for _ in range(16):
            bench.talk(bench.bob, bench.b)
        for _ in range(3):
            bench.talk(bench.bob, bench.b)
        packets = heard(bench.alice)
        assert len({packet.ssrc for packet in packets}) == 1
        assert all((after.seq - before.seq) & 0xFFFF == 1 for before, after in pairwise(packets))
        events = [packet for packet in packets if packet.payload_type == 101]
        assert [packet.payload[0] for packet in events] == [5] * 7 + [11] * 7
        assert len({packet.ts for packet in events}) == 2
        assert [packet.marker for packet in events] == ([True] + [False] * 6) * 2
        last = packets[-1]
        assert last.payload_type == 8
        assert (last.ts - events[0].ts) & 0xFFFFFFFF >= 16 * 160

    def test_keys_during_a_prompt_interrupt_it(self, bench: Bench) -> None:
        """No frame of it is lost."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 1, ["tone:1000:0.2"]))
        bench.pass_time(0.1)
        bench.do(SendDigits(bench.a, 1, "5"))
        bench.pass_time(0.4)
        packets = heard(bench.alice)
        assert [packet.payload_type for packet in packets] == [8] * 5 + [101] * 7 + [8] * 5
        assert bench.events() == [PlayDone(bench.a, 1, 1, "done")]

    def test_a_stopped_prompt_leaves_the_keys_being_sent(self, bench: Bench) -> None:
        """They end as they began."""
        bench.do(opened(bench.a, 1, bench.alice), Play(bench.a, 1, 1, ["tone:busy"], True))
        bench.do(SendDigits(bench.a, 1, "5"))
        bench.pass_time(0.04)
        bench.do(StopPlay(bench.a, 1))
        bench.pass_time(0.3)
        assert len(heard(bench.alice)) == 7

    def test_keys_that_cannot_be_sent_are_ignored(self, bench: Bench) -> None:
        """Wrong characters are counted; a peer without events, whose codec we have not got, gets none."""
        bench.do(opened(bench.a, 1, bench.alice))
        bench.do(opened(bench.b, 2, bench.bob, event_pt=None, codec="G729", audio_pt=18))
        bench.do(SendDigits(bench.a, 1, "5x"), SendDigits(bench.b, 2, "5"))
        bench.pass_time(0.2)
        assert heard(bench.alice) == heard(bench.bob) == []
        assert bench.sessions.stats(0.0).ignored == 1
        assert bench.sessions.cadence.next_due() is None


class TestLifecycle:
    """Generations, counters, silence."""

    def test_a_release_is_always_answered(self, bench: Bench) -> None:
        """Also for a session that never was."""
        bench.do(Release(bench.a, 5), Release(9, 5))
        assert bench.events() == [Released(bench.a, 5, StreamStats()), Released(9, 5, StreamStats())]

    def test_commands_of_an_old_generation_have_no_effect(self, bench: Bench) -> None:
        """The port belongs to another call by now."""
        bench.do(opened(bench.a, 5, bench.alice), opened(bench.b, 6, bench.bob))
        bench.do(
            opened(bench.a, 4, bench.stranger),
            Bridge(bench.a, 4, bench.b, 6),
            Play(bench.a, 4, 1, ["tone:busy"]),
            StopPlay(bench.a, 4),
            SendDigits(bench.a, 4, "1"),
            Unbridge(bench.a, 4),
            opened(12, 9, bench.alice),
        )
        bench.talk(bench.alice, bench.a)
        bench.pass_time(0.1)
        assert heard(bench.bob) == heard(bench.alice) == heard(bench.stranger) == []
        assert bench.sessions.stats(0.0).ignored == 7
        assert bench.events() == []

    def test_a_newer_generation_ends_the_older_one(self, bench: Bench) -> None:
        """Its Release was lost with a signalling process; its end is told all the same."""
        bench.bridged()
        bench.talk(bench.alice, bench.a)
        bench.do(opened(bench.a, 9, bench.bob))
        (event,) = bench.events()
        assert isinstance(event, Released)
        assert (event.port, event.gen, event.stats.received) == (bench.a, 1, 1)
        assert bench.sessions.open[bench.a].gen == 9
        assert bench.sessions.last_gen == 9

    def test_the_released_statistics_are_what_happened(self, bench: Bench) -> None:
        """Packets, octets, loss, times."""
        bench.bridged()
        for _ in range(3):
            bench.talk(bench.alice, bench.a)
        first = bench.now - 0.04
        bench.alice.seq += 2
        bench.talk(bench.alice, bench.a)
        bench.talk(bench.bob, bench.b)
        stats = bench.released(bench.a, 1)
        assert (stats.received, stats.received_octets, stats.lost) == (4, 4 * 172, 2)
        assert (stats.sent, stats.sent_octets) == (1, 172)
        assert stats.first_at == pytest.approx(first)
        assert stats.last_at == pytest.approx(first + 0.06)
        assert bench.sessions.stats(0.0).relayed == 5

    def test_nothing_is_left_of_a_released_session(self, bench: Bench) -> None:
        """Its peer's bridge, its prompt and its keys are gone with it."""
        bench.bridged()
        bench.do(Play(bench.a, 1, 1, ["tone:busy"], True), SendDigits(bench.a, 1, "1"))
        bench.pass_time(0.05)
        bench.do(Release(bench.a, 1))
        heard(bench.alice)
        bench.talk(bench.bob, bench.b)
        bench.pass_time(0.1)
        assert heard(bench.alice) == []
        assert bench.sessions.cadence.next_due() is None
        assert list(bench.sessions.open) == [bench.b]

    def test_nothing_of_a_session_stays_in_memory(self, bench: Bench) -> None:
        """No cycles are left, as the worker runs without a collector."""
        gc.collect()
        # A test that failed before this one keeps its sessions in the traceback.
        others = [thing for thing in gc.get_objects() if isinstance(thing, Session)]
        gc.disable()
        try:
            for gen in range(1, 40, 2):
                bench.do(opened(bench.a, gen, bench.alice, digits=True), opened(bench.b, gen + 1, bench.bob))
                bench.do(Bridge(bench.a, gen, bench.b, gen + 1), Play(bench.a, gen, 1, ["tone:busy"]))
                for phone, port in ((bench.alice, bench.a), (bench.bob, bench.b)) * 2:
                    bench.talk(phone, port)
                    bench.do(StopPlay(bench.a, gen))
                bench.do(SendDigits(bench.b, gen + 1, "1"))
                bench.do(Release(bench.a, gen), Release(bench.b, gen + 1))
            left = [thing for thing in gc.get_objects() if isinstance(thing, Session)]
            assert len(left) == len(others)
        finally:
            gc.enable()

    def test_silent_sessions_can_be_ended(self, bench: Bench) -> None:
        """When nobody is left to release them; those that are heard go on."""
        bench.bridged()
        bench.pass_time(SILENCE - 1.0)
        bench.talk(bench.alice, bench.a)
        bench.turn(2.0)
        bench.events()
        bench.sessions.end_silent(bench.now)
        assert list(bench.sessions.open) == [bench.a]
        (event,) = bench.events()
        assert isinstance(event, Released)

    def test_many_sessions_look_after_their_peers_in_turns(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each once in the interval; those that are over by then are left out."""
        monkeypatch.setattr(sessions, "CHECKED", 1)
        ports = (bench.a, bench.b, bench.c)
        bench.do(*(opened(port, gen, bench.alice) for gen, port in enumerate(ports, 1)))
        bench.now += SILENCE + 1.0
        assert bench.sessions.check(bench.now, 0.6) == pytest.approx(0.2)
        assert bench.events() == [Silence(bench.c, 3)]
        bench.do(Release(bench.b, 2))
        bench.events()
        for heard in ([], [Silence(bench.a, 1)]):
            bench.sessions.check(bench.now, 0.6)
            assert bench.events() == heard
        assert bench.sessions.check(bench.now, 0.6) == pytest.approx(0.3)

    def test_a_long_silence_is_told_once(self, bench: Bench) -> None:
        """And again when the peer has spoken in between."""
        bench.bridged()
        bench.pass_time(SILENCE - 1.0)
        assert bench.events() == []
        bench.pass_time(10.0)
        assert bench.events() == [Silence(bench.a, 1), Silence(bench.b, 2)]
        bench.talk(bench.alice, bench.a)
        bench.pass_time(SILENCE + 2.0)
        assert bench.events() == [Heard(bench.a, 1), Silence(bench.a, 1)]

    def test_a_silence_from_before_a_talk_is_told_of_in_it(self, bench: Bench) -> None:
        """Who waits in a queue may be gone already: nobody else could tell when it is put through."""
        bench.do(opened(bench.a, 1, bench.alice), opened(bench.b, 2, bench.bob))
        bench.pass_time(SILENCE + 5.0)
        assert bench.events() == [Silence(bench.a, 1), Silence(bench.b, 2)]
        bench.do(Bridge(bench.a, 1, bench.b, 2))
        bench.pass_time(SILENCE - 1.0)
        assert bench.events() == [Heard(bench.a, 1), Heard(bench.b, 2)]
        bench.do(Bridge(bench.a, 1, bench.b, 2))
        bench.pass_time(2.0)
        assert bench.events() == [Silence(bench.a, 1), Silence(bench.b, 2)]
        bench.do(Join(bench.a, 1, 7))
        bench.pass_time(SILENCE - 1.0)
        assert bench.events() == [Heard(bench.a, 1)]
        bench.do(Join(bench.a, 1, 7, "coach"))
        bench.pass_time(2.0)
        assert bench.events() == [Silence(bench.a, 1)]

    def test_a_peer_that_must_not_send_is_not_called_silent(self, bench: Bench) -> None:
        """Its time runs from the end of the hold."""
        bench.do(opened(bench.a, 1, bench.alice, receive=False))
        bench.pass_time(SILENCE + 5.0)
        bench.do(opened(bench.a, 1, bench.alice))
        bench.pass_time(SILENCE - 5.0)
        assert bench.events() == []
        bench.pass_time(10.0)
        assert bench.events() == [Silence(bench.a, 1)]

    def test_who_reports_is_silent_and_not_dead(self, bench: Bench) -> None:
        """RTCP alone comes: told as such, and told again when that ends too."""
        bench.bridged()
        bench.do(opened(bench.b, 2, bench.bob, receive=False))
        for _ in range(14):
            bench.alice.send(bench.a + 1, bytes((0x80, 201, 0, 1)) + bytes(4))
            bench.pass_time(5.0)
        assert bench.events() == [Silence(bench.a, 1, True)]
        bench.pass_time(SILENCE)
        assert bench.events() == [Silence(bench.a, 1, False)]


class TestPorts:
    """Descriptors from the supervisor."""

    def test_connected_sockets_with_packets_arrive_clean(self) -> None:
        """After a crash the sockets still have the last peer and its packets."""
        phone, other = Phone(), Phone()
        sockets = bind_pairs(1)
        port = sockets[0].getsockname()[1]
        sockets[0].connect(phone.address)
        phone.say(port)
        ((made,), faults) = pairs(sock.detach() for sock in sockets)
        assert faults == []
        with pytest.raises(BlockingIOError):
            made.rtp.recv(2048)
        other.say(port)
        assert len(made.rtp.recv(2048)) == 172
        assert made.rtp.getsockname()[1] == made.number == port
        made.close()
        phone.close()
        other.close()

    def test_a_pending_refusal_does_not_stop_the_draining(self) -> None:
        """ECONNREFUSED comes before the packets queued behind it."""
        gone = Phone()
        sockets = bind_pairs(1)
        sockets[0].connect(gone.address)
        gone.say(sockets[0].getsockname()[1])
        gone.close()
        sockets[0].send(b"x")
        (made,), _ = pairs(sock.detach() for sock in sockets)
        with pytest.raises(BlockingIOError):
            made.rtp.recv(2048)
        made.close()

    def test_what_is_no_bound_datagram_socket_is_refused_and_closed(self, tmp_path: Path) -> None:
        """One bad pair does not cost the good ones."""
        stream, unbound = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        good = bind_pairs(1)
        odd = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ephemeral = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for sock in ephemeral:
            sock.bind(("127.0.0.1", 0))
        fds = [sock.detach() for sock in (stream, unbound, *ephemeral, *good, odd)]
        ports, faults = pairs(fds)
        assert len(ports) == 1
        assert faults == [
            "not a bound datagram socket",
            f"port {faults[1].split()[1]} was not bound by its number",
            "an odd number of descriptors",
        ]
        for fd in (*fds[:4], fds[-1]):
            with pytest.raises(OSError, match="Bad file descriptor"):
                socket.socket(fileno=fd)
        ports[0].close()

    def test_a_port_given_twice_is_taken_once(self, bench: Bench) -> None:
        """The session on it is not disturbed."""
        bench.bridged()
        rtp, rtcp = (sock.dup() for sock in (bench.sessions.ports[bench.a].rtp, bench.sessions.ports[bench.a].rtcp))
        (again,), _ = pairs((rtp.detach(), rtcp.detach()))
        assert bench.sessions.add_ports([again]) == []
        bench.talk(bench.alice, bench.a)
        assert bench.bob.hear().payload == VOICE

    def test_addresses_are_canonical_or_none(self, bench: Bench) -> None:
        """Names, the other family and port 0 are nobody's address."""
        port = bench.sessions.ports[bench.a]
        assert port.address("192.0.2.1", 4000) == ("192.0.2.1", 4000)
        for ip, number in (("192.0.2.1", 0), ("192.0.2.1", 65536), ("::1", 4000), ("localhost", 4000), ("", 1)):
            assert port.address(ip, number) is None

    def test_ipv6_is_as_good(self) -> None:
        """Canonical spelling, so that sources compare equal."""
        sockets = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2)]
        for sock, number in zip(sockets, (45900, 45901), strict=True):
            sock.bind(("::1", number))
        (made,), faults = pairs(sock.detach() for sock in sockets)
        assert faults == []
        assert made.address("2001:DB8:0::0001", 4000) == ("2001:db8::1", 4000)
        made.close()
