"""Rooms of sessions on real loopback sockets, driven step by step by a clock of the test's own."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator, Sequence
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest

from media.control import (
    MAX_IN_ROOM,
    Bridge,
    Join,
    Leave,
    Mute,
    Play,
    Record,
    Release,
    SendDigits,
    StopPlay,
    StopRecord,
    Unbridge,
)
from media.events import Digit, Event, PlayDone, Recorded, Released, Silence
from media.g711 import ALAW_TO_ULAW, SILENCE, CodecName, encode
from media.prompts import PromptStore
from media.rtp.dtmf import DigitSender
from media.rtp.packet import Packet, parse
from media.worker.line import CHECKED_FOR
from media.worker.ports import pairs
from media.worker.sessions import Sessions
from tests.support.desk import Desk
from tests.support.media_worker import Phone, bind_pairs, opened
from tests.support.tones import level_of, sine

TONES = (313.0, 373.0, 563.0, 701.0)
ROOM = 7
LEVEL = 3000.0
PAYLOAD_TYPES = {"PCMA": 8, "PCMU": 0}


class Talker:
    """A phone that says its tone, in packets of its own length, and keeps what it hears."""

    def __init__(self, place: int, port: int, codec: CodecName = "PCMA", ptime: int = 20) -> None:
        self.phone = Phone()
        self.phone.ts = 1000 * place
        self.phone.ssrc = 1 + place
        self.port = port
        self.gen = place + 1
        self.codec = codec
        self.tone = TONES[place]
        self.size = 8 * ptime
        self.packets: list[Packet] = []
        self.speaks = True
        self._said = sine(self.tone, 60.0, codec, LEVEL)
        self._due = 0
        self._at = 0

    def open(self, **changes: object) -> object:
        """The Open of its session."""
        settings: dict[str, object] = {"audio_pt": PAYLOAD_TYPES[self.codec], "codec": self.codec}
        return opened(self.port, self.gen, self.phone, **{**settings, **changes})

    def use(self, codec: CodecName) -> None:
        """Speaks another law from now on."""
        self.codec = codec
        self._said = sine(self.tone, 60.0, codec, LEVEL)

    def turn(self) -> None:
        """20 ms: says what is due."""
        self._due += 160
        while self._due >= self.size:
            self._due -= self.size
            payload = self._said[self._at : self._at + self.size]
            self._at += self.size
            if self.speaks:
                packet = Packet(PAYLOAD_TYPES[self.codec], self.phone.seq, self.phone.ts, self.phone.ssrc, payload)
                self.phone.send(self.port, bytes(packet))
                self.phone.seq = (self.phone.seq + 1) & 0xFFFF
            self.phone.ts = (self.phone.ts + self.size) & 0xFFFFFFFF

    def listen(self) -> None:
        """Keeps what has come."""
        while (data := self.phone.receive(0)) is not None:
            packet = parse(data)
            assert packet is not None
            self.packets.append(packet)

    def heard(self, last: int = 10) -> bytes:
        """The codes of its last packets."""
        return b"".join(packet.payload for packet in self.packets[-last:])

    def hears(self, last: int = 10, codec: CodecName | None = None) -> set[int]:
        """Whose tones are in its last packets, at the strength they were said with."""
        levels = [level_of(tone, self.heard(last), codec or self.codec) for tone in TONES]
        assert all(level < 0.03 * LEVEL or level == pytest.approx(LEVEL, rel=0.1) for level in levels), levels
        return {n for n, level in enumerate(levels) if level > LEVEL / 2}


class Bench:
    """Sessions with four ports, as many talkers, a recorder and a clock."""

    def __init__(self, directory: Path) -> None:
        self.now = 1000.0
        self.desk = Desk()
        self.directory = directory
        numbers = count(1)
        self.sessions = Sessions(
            PromptStore([]),
            silence=5.0,
            random=lambda bits: next(numbers) << (bits // 2),
            recorder=self.desk,
            clock=lambda: self.now,
        )
        self.desk.sessions = self.sessions
        ports, faults = pairs(sock.detach() for sock in bind_pairs(4))
        assert faults == []
        self.sessions.add_ports(ports)
        self.ports = [port.number for port in ports]
        self.fds = [sock.fileno() for port in ports for sock in (port.rtp, port.rtcp)]
        self.talkers: list[Talker] = []

    def add(self, codec: CodecName = "PCMA", ptime: int = 20, **changes: object) -> Talker:
        """One more talker with an open session."""
        place = len(self.talkers)
        talker = Talker(place, self.ports[place], codec, ptime)
        self.talkers.append(talker)
        self.do(talker.open(**changes))
        return talker

    def join(self, talker: Talker, role: str = "party", coached: Talker | None = None, room: int = ROOM) -> None:
        """Puts a talker into a room."""
        whom = (coached.port, coached.gen) if coached is not None else (0, 0)
        self.do(Join(talker.port, talker.gen, room, role, *whom))  # type: ignore[arg-type]

    def do(self, *commands: object) -> None:
        """Carries commands out."""
        for command in commands:
            self.sessions.carry_out(command, self.now)  # type: ignore[arg-type]
        self.sessions.settle(self.now)

    def talk(self, frames: int = 25) -> None:
        """Everybody speaks for frames of 20 ms while the loop does its work."""
        for _ in range(frames):
            for talker in self.talkers:
                talker.turn()
            for _ in range(4):
                self.turn()
            for talker in self.talkers:
                talker.listen()

    def turn(self, seconds: float = 0.005) -> None:
        """What the loop does in a while."""
        self.now += seconds
        self.sessions.cadence.run(self.now)
        for fd in self.fds:
            self.sessions.readers[fd](self.now)
        if self.now >= self.sessions.recordings.due:
            self.sessions.recordings.run(self.now)
        while self.desk.answers:
            self.sessions.recordings.done(self.desk.answers.pop(0), self.now)

    def reader(self, talker: Talker) -> str:
        """What reads the talker's port."""
        return self.sessions.readers[self.sessions.ports[talker.port].rtp.fileno()].__name__

    def events(self) -> list[Event]:
        """What was told since the last time."""
        events = list(self.sessions.events)
        self.sessions.events.clear()
        return events

    def close(self) -> None:
        """Gives all sockets up."""
        for port in self.sessions.ports.values():
            port.close()
        for talker in self.talkers:
            talker.phone.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh bench."""
    made = Bench(tmp_path)
    yield made
    made.close()


def three(bench: Bench) -> tuple[Talker, Talker, Talker]:
    """Three parties in a room."""
    parties = bench.add(), bench.add("PCMU"), bench.add()
    for party in parties:
        bench.join(party)
    bench.talk(25)
    return parties


def flows(packets: Sequence[Packet]) -> bool:
    """Whether packets are of one source and follow one another in sequence and time."""
    return all(
        a.ssrc == b.ssrc and (b.seq - a.seq) & 0xFFFF == 1 and 0 < (b.ts - a.ts) & 0xFFFFFFFF < 1 << 31
        for a, b in pairwise(packets)
    )


def steady(packets: Sequence[Packet]) -> bool:
    """Whether they are besides 20 ms apart and none is marked."""
    return (
        flows(packets)
        and all((b.ts - a.ts) & 0xFFFFFFFF == 160 for a, b in pairwise(packets))
        and not any(packet.marker for packet in packets)
    )


class TestHearing:
    """Who hears whom."""

    def test_three_parties_hear_one_another(self, bench: Bench) -> None:
        """Of both laws, each the other two and not itself, 50 packets a second from the first moment on."""
        a, b, c = three(bench)
        assert (a.hears(), b.hears(), c.hears()) == ({1, 2}, {0, 2}, {0, 1})
        for talker in (a, b, c):
            assert talker.packets[0].marker
            assert steady(talker.packets[1:])
            assert all(len(packet.payload) == 160 for packet in talker.packets)
            assert {packet.payload_type for packet in talker.packets} == {PAYLOAD_TYPES[talker.codec]}
        count = len(a.packets)
        bench.talk(50)
        assert len(a.packets) == count + 50

    def test_each_may_send_packets_of_another_length(self, bench: Bench) -> None:
        """10, 30, 40 and 60 ms; all are sent 20 ms."""
        talkers = [bench.add(ptime=ptime) for ptime in (10, 30, 40, 60)]
        for talker in talkers:
            bench.join(talker)
        bench.talk(60)
        for n, talker in enumerate(talkers):
            assert talker.hears(20) == {0, 1, 2, 3} - {n}
        assert [bench.sessions.open[talker.port].seat.buffer.concealed for talker in talkers] == [0] * 4  # type: ignore[union-attr]

    def test_a_supervisor_listens_whispers_and_barges_in(self, bench: Bench) -> None:
        """The role changes by joining again; nobody's stream has a gap or a mark then."""
        caller, agent = bench.add(), bench.add()
        boss = bench.add("PCMU")
        for talker in (caller, agent):
            bench.join(talker)
        bench.join(boss, "listener")
        bench.talk(25)
        assert (caller.hears(), agent.hears(), boss.hears()) == ({1}, {0}, {0, 1})
        began = [len(talker.packets) for talker in bench.talkers]
        bench.join(boss, "coach", agent)
        bench.talk(20)
        assert (caller.hears(), agent.hears(), boss.hears()) == ({1}, {0, 2}, {0, 1})
        bench.join(boss)
        bench.talk(20)
        assert (caller.hears(), agent.hears(), boss.hears()) == ({1, 2}, {0, 2}, {0, 1})
        bench.join(boss, "listener")
        bench.talk(20)
        assert (caller.hears(), agent.hears(), boss.hears()) == ({1}, {0}, {0, 1})
        for talker, start in zip(bench.talkers, began, strict=True):
            assert len(talker.packets) == start + 60
            assert steady(talker.packets[start:])

    def test_a_coach_waits_for_the_coached(self, bench: Bench) -> None:
        """Who is coached may come later, go and come back; meanwhile nobody hears the coach."""
        caller, agent, boss = bench.add(), bench.add(), bench.add()
        bench.join(caller)
        bench.join(boss, "coach", agent)
        bench.talk(20)
        assert (caller.hears(), boss.hears()) == (set(), {0})
        bench.join(agent)
        bench.talk(20)
        assert (caller.hears(), agent.hears(), boss.hears()) == ({1}, {0, 2}, {0, 1})
        bench.do(Leave(agent.port, agent.gen))
        bench.talk(20)
        assert (caller.hears(), boss.hears()) == (set(), {0})

    def test_who_is_alone_hears_silence(self, bench: Bench) -> None:
        """A stream of it, so that the phone does not take the call for dead."""
        a = bench.add()
        bench.join(a)
        bench.talk(20)
        assert {packet.payload for packet in a.packets} == {bytes([SILENCE["PCMA"]]) * 160}
        assert steady(a.packets[1:])

    def test_who_holds_the_call_is_not_heard_and_sent_nothing(self, bench: Bench) -> None:
        """The others go on; afterwards the stream goes on with a mark."""
        a, b, c = three(bench)
        bench.do(c.open(send=False, receive=False))
        bench.talk(20)
        count = len(c.packets)
        bench.talk(20)
        assert (a.hears(), b.hears(), len(c.packets)) == ({1}, {0}, count)
        bench.do(c.open())
        bench.talk(20)
        assert (a.hears(), b.hears(), c.hears()) == ({1, 2}, {0, 2}, {0, 1})
        assert [packet.marker for packet in c.packets[count : count + 3]] == [True, False, False]
        assert flows(c.packets)
        gap = (c.packets[count].ts - c.packets[count - 1].ts) & 0xFFFFFFFF
        assert gap == pytest.approx(40 * 160, abs=3 * 160)

    def test_another_codec_in_the_middle(self, bench: Bench) -> None:
        """A re-INVITE changes the law: both directions go on in it; of one that we have not got nothing is heard."""
        a, b, c = three(bench)
        c.use("PCMU")
        bench.do(c.open())
        bench.talk(20)
        assert (a.hears(), b.hears(), c.hears()) == ({1, 2}, {0, 2}, {0, 1})
        assert flows(c.packets)
        bench.do(c.open(codec="G729", audio_pt=18))
        bench.talk(20)
        count = len(c.packets)
        bench.talk(20)
        assert (a.hears(), b.hears(), len(c.packets)) == ({1}, {0}, count)

    def test_keys_are_told_and_not_mixed(self, bench: Bench) -> None:
        """Where the session wants them; the others hear nothing of it, with or without."""
        a, b, c = three(bench)
        bench.do(a.open(digits=True))
        a.speaks = b.speaks = False
        bench.talk(20)
        for key, talker in (("5", a), ("7", b)):
            sender = DigitSender(key)
            ts = talker.phone.ts
            while not sender.done:
                packet = sender.step()
                if packet is not None:
                    sent = Packet(101, talker.phone.seq, ts, talker.phone.ssrc, packet[1], packet[0] == 0)
                    talker.phone.send(talker.port, bytes(sent))
                    talker.phone.seq += 1
                bench.talk(1)
        told = [(event.port, event.digit) for event in bench.events() if isinstance(event, Digit)]
        assert told == [(a.port, "5")]
        assert a.hears() == b.hears() == {2}
        assert {packet.payload for packet in c.packets[-16:]} == {bytes([SILENCE["PCMA"]]) * 160}
        assert {packet.payload_type for packet in c.packets} == {8}

    def test_silence_is_told_of_one_in_a_room(self, bench: Bench) -> None:
        """As of any other."""
        a, _, c = three(bench)
        c.speaks = False
        for _ in range(12):
            bench.talk(25)
            bench.sessions.check(bench.now, 0.5)
        assert [event for event in bench.events() if isinstance(event, Silence)] == [Silence(c.port, c.gen)]
        assert a.hears() == {1}


class TestComingAndGoing:
    """Rooms, bridges and the end of sessions."""

    def test_a_room_takes_out_of_a_bridge_and_a_bridge_out_of_a_room(self, bench: Bench) -> None:
        """One source, sequence and time for the phone all the while, marked at each change; prompts between."""
        a, b, c = bench.add(), bench.add(), bench.add()
        bench.do(Bridge(a.port, a.gen, b.port, b.gen))
        bench.talk(25)
        assert (a.hears(), b.hears(), c.packets) == ({1}, {0}, [])
        changes: list[tuple[Callable[[], object], set[int]]] = [
            (lambda: bench.do(Play(b.port, b.gen, 1, ["tone:ringback"], True)), set()),
            (lambda: bench.do(StopPlay(b.port, b.gen)), {0}),
            (lambda: list(map(bench.join, (a, b, c))), {0, 2}),
            (lambda: bench.do(Play(b.port, b.gen, 2, ["silence:2"], True)), set()),
            (lambda: bench.do(StopPlay(b.port, b.gen)), {0, 2}),
            (lambda: bench.do(SendDigits(b.port, b.gen, "12")), {0, 2}),
            (lambda: bench.do(Bridge(b.port, b.gen, c.port, c.gen)), {2}),
            (lambda: bench.join(b), {0}),
            (lambda: bench.do(Bridge(b.port, b.gen, a.port, a.gen)), {0}),
        ]
        for change, hears in changes:
            before = len(b.packets)
            change()
            bench.talk(40)
            assert b.hears() == hears
            audio = [packet for packet in b.packets[before:] if packet.payload_type == 8]
            assert sum(packet.marker for packet in audio) == 1
            assert len(b.packets) - before >= 37
        assert all((y.seq - x.seq) & 0xFFFF == 1 and x.ssrc == y.ssrc for x, y in pairwise(b.packets))
        audio = [packet for packet in b.packets if packet.payload_type == 8]
        # While keys go out in between, their own timestamps stand still.
        assert all(0 < (y.ts - x.ts) & 0xFFFFFFFF <= 25 * 160 for x, y in pairwise(audio))
        assert bench.sessions.stats(0.0).rooms == 0
        bench.join(c)
        assert bench.sessions.stats(0.0).rooms == 1
        bench.do(Leave(c.port, c.gen), Leave(c.port, c.gen))
        assert bench.sessions.stats(0.0).rooms == 0
        assert len(bench.sessions.cadence) == 0

    def test_who_goes_hears_nothing_and_is_not_heard(self, bench: Bench) -> None:
        """By Leave, by Release, by another room."""
        a, b, c = three(bench)
        bench.do(Leave(c.port, c.gen))
        bench.talk(20)
        count = len(c.packets)
        bench.talk(20)
        assert (a.hears(), b.hears(), len(c.packets)) == ({1}, {0}, count)
        bench.join(c)
        bench.join(b, room=8)
        bench.talk(20)
        assert (a.hears(), b.hears(), c.hears()) == ({2}, set(), {0})
        bench.join(a, room=8)
        bench.do(Release(b.port, b.gen))
        bench.talk(20)
        assert (a.hears(), c.hears()) == (set(), set())
        (released,) = [event for event in bench.events() if isinstance(event, Released)]
        assert released.stats.sent == len(b.packets)
        assert released.stats.received >= 60

    def test_the_end_of_all_ends_the_room(self, bench: Bench) -> None:
        """Nothing is left that ticks."""
        parties = three(bench)
        assert len(bench.sessions.cadence) == 1
        for party in parties:
            bench.do(Release(party.port, party.gen))
        bench.talk(5)
        stats = bench.sessions.stats(0.0)
        assert (stats.rooms, stats.open, stats.playing, stats.relayed) == (0, 0, 0, 0)
        assert stats.mixed == sum(len(party.packets) for party in parties)
        assert len(bench.sessions.cadence) == 0

    def test_what_reads_a_port_follows_what_is_done_with_it(self, bench: Bench) -> None:
        """The relay's own reader never asks whether there is a room."""
        a, b = bench.add(), bench.add()
        bench.do(Bridge(a.port, a.gen, b.port, b.gen))
        bench.talk(round(CHECKED_FOR / 0.02) + 3)
        assert (bench.reader(a), bench.reader(b)) == ("_read_latched", "_read_latched")
        for change, reader in (
            (Join(a.port, a.gen, ROOM), "_read_elsewhere"),
            (Mute(a.port, a.gen, True), "_read_latched"),
            (Bridge(a.port, a.gen, b.port, b.gen), "_read_elsewhere"),
            (Mute(a.port, a.gen, False), "_read_latched"),
            (Join(a.port, a.gen, ROOM, "listener"), "_read_latched"),
            (Join(a.port, a.gen, ROOM), "_read_elsewhere"),
            (Leave(a.port, a.gen), "_read_latched"),
        ):
            bench.do(change)
            bench.talk(5)
            assert bench.reader(a) == reader, change

    def test_commands_that_cannot_be_done_are_ignored(self, bench: Bench) -> None:
        """Of sessions that are over, and one too many in a room."""
        a, b, _ = three(bench)
        bench.do(Join(a.port, 99, ROOM), Leave(a.port, 99), Mute(a.port, 99, True))
        bench.do(Join(a.port, a.gen, ROOM, "coach", bench.ports[3], 4))
        assert bench.sessions.stats(0.0).ignored == 4
        bench.talk(20)
        assert b.hears() == {2}
        room = bench.sessions.open[a.port].seat.room  # type: ignore[union-attr]
        others = iter(range(MAX_IN_ROOM))
        while len(room) < MAX_IN_ROOM:
            room.seat(next(others), "listener", None, bench.now)  # type: ignore[arg-type]
        late = bench.add()
        bench.join(late)
        assert bench.sessions.stats(0.0).ignored == 5
        assert bench.sessions.open[late.port].seat is None

    def test_what_was_wrong_with_a_stream_is_counted(self, bench: Bench) -> None:
        """Frames that were made up, also in an earlier room and codec; those left out of a burst."""
        a, b, _ = three(bench)
        for law in ("PCMU", "PCMA"):
            a.use(law)
            bench.do(a.open())
            bench.talk(20)
            a.speaks = False
            bench.talk(1)
            a.phone.seq += 1
            a.speaks = True
            bench.talk(20)
            bench.join(a, room=8)
            bench.join(a)
        for _ in range(20):
            b.turn()
        bench.talk(20)
        bench.do(Release(a.port, a.gen), Release(b.port, b.gen))
        of_a, of_b = [event.stats for event in bench.events() if isinstance(event, Released)]
        assert 2 <= of_a.concealed <= 8
        assert of_a.lost == 2
        assert of_a.skipped == 0
        assert of_b.skipped >= 10


class TestPlaying:
    """What plays to one in a room."""

    def test_music_replaces_the_mix_of_one_while_the_room_goes_on(self, bench: Bench) -> None:
        """The others still hear that one, who hears the mix again afterwards."""
        a, b, c = three(bench)
        bench.do(Play(c.port, c.gen, 5, ["tone:ringback"], True))
        bench.talk(25)
        assert level_of(450, c.heard(), "PCMA") > 500
        assert c.hears() == set()
        assert (a.hears(), b.hears()) == ({1, 2}, {0, 2})
        bench.do(StopPlay(c.port, c.gen))
        bench.talk(25)
        assert c.hears() == {0, 1}
        assert PlayDone(c.port, c.gen, 5, "stopped") in bench.events()
        assert flows(c.packets)

    def test_a_prompt_that_ends_gives_way_to_the_mix(self, bench: Bench) -> None:
        """Within 20 ms, marked."""
        a, _, c = three(bench)
        before = len(c.packets)
        bench.do(Play(c.port, c.gen, 5, ["silence:0.2"]))
        bench.talk(30)
        assert PlayDone(c.port, c.gen, 5, "done") in bench.events()
        assert c.hears() == {0, 1}
        marked = [n for n, packet in enumerate(c.packets[before:]) if packet.marker]
        assert len(marked) == 2
        assert marked[1] - marked[0] == 10
        assert all((y.ts - x.ts) & 0xFFFFFFFF <= 2 * 160 for x, y in pairwise(c.packets[before:]))
        assert flows(a.packets)


class TestMute:
    """What comes from a muted session."""

    def test_a_muted_party_is_silent_to_the_room(self, bench: Bench) -> None:
        """At once, though not what waited in its buffer is heard; it hears the others all the while."""
        a, b, c = three(bench)
        bench.do(Mute(c.port, c.gen, True))
        before = len(a.packets)
        bench.talk(20)
        assert level_of(c.tone, b"".join(packet.payload for packet in a.packets[before:])) < 30
        assert (a.hears(), b.hears(), c.hears()) == ({1}, {0}, {0, 1})
        bench.join(c, "coach", b)
        bench.talk(20)
        assert (a.hears(), b.hears()) == ({1}, {0})
        bench.do(Mute(c.port, c.gen, False))
        bench.talk(20)
        assert (a.hears(), b.hears()) == ({1}, {0, 2})

    @pytest.mark.parametrize("law", ["PCMA", "PCMU"])
    def test_a_muted_session_relays_silence(self, bench: Bench, law: CodecName) -> None:
        """In the law of the other side; the stream is as before, keys do not pass, and it lasts through a bridge."""
        a, b = bench.add(), bench.add(law)
        bench.do(Bridge(a.port, a.gen, b.port, b.gen))
        bench.talk(20)
        assert b.hears() == {0}
        bench.do(Mute(a.port, a.gen, True))
        before = len(b.packets)
        bench.talk(20)
        a.phone.say(a.port, b"\x05\x0a\x00\xa0", 101, marker=True)
        bench.talk(20)
        silence = SILENCE["PCMA"] if law == "PCMA" else ALAW_TO_ULAW[SILENCE["PCMA"]]
        assert {packet.payload for packet in b.packets[before:]} == {bytes([silence]) * 160}
        assert {packet.payload_type for packet in b.packets} == {PAYLOAD_TYPES[law]}
        assert steady(b.packets[before : before + 20])
        assert a.hears() == {1}
        bench.do(Unbridge(a.port, a.gen), Bridge(a.port, a.gen, b.port, b.gen))
        bench.talk(20)
        assert b.hears() == set()
        bench.do(Mute(a.port, a.gen, False))
        bench.talk(20)
        assert b.hears() == {0}

    def test_keys_of_a_muted_session_are_told(self, bench: Bench) -> None:
        """As events and as tones in its audio."""
        a, b = bench.add(digits=True), bench.add()
        bench.do(Bridge(a.port, a.gen, b.port, b.gen), Mute(a.port, a.gen, True))
        bench.talk(5)
        a.phone.say(a.port, b"\x05\x0a\x00\xa0", 101, marker=True)
        bench.talk(10)
        bench.do(a.open(digits=True, event_pt=None))
        a.speaks = False
        times = np.arange(1600) / 8000
        tone = np.rint(5000 * (np.sin(2 * np.pi * 770 * times) + np.sin(2 * np.pi * 1477 * times))).astype("<i2")
        codes = encode("PCMA", tone.tobytes())
        for at in range(0, 1600, 160):
            a.phone.say(a.port, codes[at : at + 160])
            bench.turn(0.02)
            bench.sessions.search()
        b.listen()
        assert [event.digit for event in bench.events() if isinstance(event, Digit)] == ["5", "6"]
        assert level_of(770, b.heard(8)) < 30

    def test_a_codec_that_is_only_relayed_is_dropped(self, bench: Bench) -> None:
        """Nobody knows its silence."""
        a, b = bench.add(), bench.add()
        bench.do(a.open(codec="G722"), b.open(codec="G722"))
        bench.do(Bridge(a.port, a.gen, b.port, b.gen))
        bench.talk(10)
        assert len(b.packets) == 10
        bench.do(Mute(a.port, a.gen, True))
        bench.talk(10)
        assert len(b.packets) == 10


class TestRecording:
    """Recordings of sessions in a room and of muted ones."""

    @staticmethod
    def recorded(bench: Bench, talker: Talker, then: Callable[[], None]) -> tuple[Recorded, bytes, bytes]:
        """What is recorded of a talker during `then`, both sides as A-law."""
        path = bench.directory / f"{talker.port}.wav"
        bench.do(Record(talker.port, talker.gen, "r", str(path)))
        then()
        bench.events()
        bench.do(StopRecord(talker.port, talker.gen))
        bench.turn()
        (told,) = [event for event in bench.events() if isinstance(event, Recorded)]
        with wave.open(str(path), "rb") as file:
            both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
        left, right = (encode("PCMA", np.ascontiguousarray(both[:, side]).tobytes()) for side in (0, 1))
        return told, left, right

    def test_left_is_what_it_says_and_right_the_mix(self, bench: Bench) -> None:
        """Without a gap, in full length."""
        _, b, _ = three(bench)
        told, left, right = self.recorded(bench, b, lambda: bench.talk(100))
        assert told.gaps == 0
        assert told.seconds == pytest.approx(2.0, abs=0.03)
        for side, tones in ((left, {1}), (right, {0, 2})):
            levels = [level_of(tone, side[1600:14400]) for tone in TONES]
            assert {n for n, level in enumerate(levels) if level > LEVEL / 2} == tones

    def test_of_a_muted_one_silence_is_recorded(self, bench: Bench) -> None:
        """From the moment on, until it is taken back; its time goes on without a gap."""
        a, _, _ = three(bench)

        def mute_in_the_middle() -> None:
            bench.talk(50)
            bench.do(Mute(a.port, a.gen, True))
            bench.talk(50)
            bench.do(Mute(a.port, a.gen, False))
            bench.talk(50)

        told, left, right = self.recorded(bench, a, mute_in_the_middle)
        assert told.gaps == 0
        levels = [level_of(a.tone, left[at + 800 : at + 7200]) for at in (0, 8000, 16000)]
        assert levels == [pytest.approx(LEVEL, rel=0.05), pytest.approx(0.0, abs=5), pytest.approx(LEVEL, rel=0.05)]
        assert level_of(TONES[1], right[800:23000]) == pytest.approx(LEVEL, rel=0.05)

    def test_who_was_muted_before_the_recording_stays_so(self, bench: Bench) -> None:
        """And on the other side of a bridge nothing of it is recorded either."""
        a, b = bench.add(), bench.add()
        bench.do(Bridge(a.port, a.gen, b.port, b.gen), Mute(a.port, a.gen, True))
        bench.talk(10)
        _, left, right = self.recorded(bench, a, lambda: bench.talk(50))
        assert level_of(a.tone, left) < 5
        assert level_of(b.tone, right[800:7200]) == pytest.approx(LEVEL, rel=0.05)
        told, left, right = self.recorded(bench, b, lambda: bench.talk(50))
        assert level_of(a.tone, right) < 5
        assert level_of(b.tone, left[800:7200]) == pytest.approx(LEVEL, rel=0.05)
        assert told.gaps == 0
