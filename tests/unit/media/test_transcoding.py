"""Bridges between sessions that do not speak the same, on real loopback sockets with a clock of the test's own."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise

import pytest

from bench.rtp import share
from media import g711
from media.codecs import decoder, encoder
from media.control import Bridge, Join, Mute, Play, SendDigits, Unbridge, Wire
from media.events import Digit, KeyForOther
from media.prompts import CodedFrames, from_pcm
from media.rtp.dtmf import DigitReceiver
from media.rtp.packet import Packet
from media.rtp.tone_keys import HELD, REST, ToneSender
from media.worker.player import Playback
from tests.support.media_worker import Phone, opened
from tests.unit.media.test_codecs import tone
from tests.unit.media.test_sessions import Bench, heard, keys_in

NUMBERS = {"PCMA": 8, "PCMU": 0, "G722": 9, "opus": 96, "G729": 18}
OPUS = Wire(clock=48000, fmtp="useinbandfec=1", event_clock=48000)


class Talker:
    """A phone that speaks a codec: a tone out, and what it hears decoded."""

    def __init__(self, bench: Bench, phone: Phone, port: int, gen: int, codec: str, frequency: float) -> None:
        self.bench, self.phone, self.port, self.gen, self.codec = bench, phone, port, gen, codec
        self.clock = 48000 if codec == "opus" else 8000
        enc = encoder(codec) if codec != "G729" else encoder("PCMA")
        self.frames = [enc.encode(frame) for frame in tone(frequency, 150)]
        self.at = 0
        self.packets: list[Packet] = []

    def open(self, **changes: object) -> None:
        """Opens the session."""
        wire = {"wire": OPUS} if self.codec == "opus" else {}
        settings = {"codec": self.codec, "audio_pt": NUMBERS[self.codec], **wire, **changes}
        self.bench.do(opened(self.port, self.gen, self.phone, **settings))

    def talk(self) -> None:
        """The next 20 ms."""
        self.phone.ts = self.at * self.clock // 50
        self.phone.say(self.port, self.frames[self.at % len(self.frames)], NUMBERS[self.codec])
        self.at += 1

    def listen(self) -> list[Packet]:
        """What has come since the last time."""
        new = heard(self.phone)
        self.packets += new
        return new

    def sound(self, skip: int = 10) -> list[int]:
        """What it hears, without the first packets."""
        dec = decoder(self.codec)
        audio = [packet for packet in self.packets if packet.payload_type == NUMBERS[self.codec]]
        return list(array("h", b"".join(dec.decode(packet.payload) for packet in audio))[skip * 160 :])


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A fresh bench."""
    made = Bench()
    yield made
    made.close()


def pair(bench: Bench, one: str, other: str, **changes: object) -> tuple[Talker, Talker]:
    """Two who are bridged; the first says 700 Hz, the second 1100 Hz."""
    a = Talker(bench, bench.alice, bench.a, 1, one, 700)
    b = Talker(bench, bench.bob, bench.b, 2, other, 1100)
    a.open(**changes)
    b.open()
    bench.do(Bridge(bench.a, 1, bench.b, 2))
    return a, b


def talk(bench: Bench, *talkers: Talker, frames: int = 50) -> None:
    """So many frames of everybody."""
    for _ in range(frames):
        for talker in talkers:
            talker.talk()
        for _ in range(4):
            bench.turn(0.005)
        for talker in talkers:
            talker.listen()


@pytest.mark.parametrize(
    ("one", "other"),
    [("opus", "PCMA"), ("G722", "PCMA"), ("opus", "PCMU"), ("G722", "PCMU"), ("opus", "G722")],
)
def test_each_hears_the_other_in_its_own_codec(bench: Bench, one: str, other: str) -> None:
    """Tones both ways, one stream each, a packet every 20 ms with the timestamps of its clock."""
    a, b = pair(bench, one, other)
    talk(bench, a, b)
    assert share(a.sound(), 1100) > 0.9
    assert share(b.sound(), 700) > 0.9
    for talker in (a, b):
        packets = talker.packets
        assert len(packets) >= 45
        assert {packet.ssrc for packet in packets} == {packets[0].ssrc}
        assert [packet.seq for packet in packets] == [(packets[0].seq + n) & 0xFFFF for n in range(len(packets))]
        step = talker.clock // 50
        assert [packet.ts for packet in packets] == [
            (packets[0].ts + n * step) & 0xFFFFFFFF for n in range(len(packets))
        ]
        assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)


def test_the_same_codec_passes_untouched(bench: Bench) -> None:
    """Opus to Opus, and codecs we have not got: the octets that came."""
    for codec in ("opus", "G722", "G729"):
        a, b = pair(bench, codec, codec)
        talk(bench, a, frames=5)
        b.listen()
        assert [packet.payload for packet in b.packets][-5:] == a.frames[:5]
        assert not bench.sessions.cadence
        bench.released(bench.a, 1)
        bench.released(bench.b, 2)


def test_nothing_of_a_codec_we_lack_reaches_one_who_has_not_got_it(bench: Bench) -> None:
    """Better silence than noise."""
    a, b = pair(bench, "G729", "PCMA")
    talk(bench, a, b, frames=10)
    assert (a.packets, b.packets) == ([], [])


def test_reordering_and_loss_are_absorbed(bench: Bench) -> None:
    """One packet in ten is lost, others change places: the tone goes on, by FEC."""
    a, b = pair(bench, "opus", "PCMA")
    enc = encoder("opus", 8000, "useinbandfec=1")
    a.frames = [enc.encode(frame) for frame in tone(700, 100)]
    for n in range(0, 100, 2):
        first, second = a.frames[n], a.frames[n + 1]
        base = bench.alice.seq
        for k, payload in ((1, second), (0, first)):
            if (n + k) % 10 != 9:
                packet = Packet(96, (base + k) & 0xFFFF, (n + k) * 960, 5, payload)
                bench.alice.send(bench.a, bytes(packet))
        bench.alice.seq += 2
        for _ in range(8):
            bench.turn(0.005)
        b.listen()
    assert share(b.sound(), 700) > 0.8
    assert bench.released(bench.a, 1).concealed >= 5


def test_a_bridge_that_ends_leaves_nothing(bench: Bench) -> None:
    """No packet and no timer; bridged again in one codec they are relayed."""
    a, b = pair(bench, "G722", "PCMA")
    talk(bench, a, b, frames=10)
    assert len(bench.sessions.cadence) == 1
    assert bench.sessions.stats(0.0).playing == 0
    bench.do(Unbridge(bench.a, 1))
    assert not bench.sessions.cadence
    count = len(b.packets)
    talk(bench, a, b, frames=5)
    assert len(b.packets) == count
    bench.do(Bridge(bench.a, 1, bench.b, 2))
    a.codec, a.frames = "PCMA", [encoder("PCMA").encode(frame) for frame in tone(700, 150)]
    a.open()
    talk(bench, a, b, frames=10)
    assert not bench.sessions.cadence
    assert b.packets[-1].payload in a.frames


def test_who_is_muted_or_held_is_silent(bench: Bench) -> None:
    """Silence goes on while muted; to one that may not be sent to, nothing does."""
    a, b = pair(bench, "G722", "PCMA")
    talk(bench, a, b, frames=10)
    bench.do(Mute(bench.a, 1, True))
    talk(bench, a, b, frames=20)
    bench.do(Mute(bench.a, 1, False))
    talk(bench, a, b, frames=20)
    assert share(b.sound()[-1600:], 700) > 0.9
    b.open(send=False)
    b.listen()
    count = len(b.packets)
    talk(bench, a, b, frames=10)
    assert len(b.packets) == count


def test_a_prompt_is_heard_in_any_codec_and_encoded_once(bench: Bench) -> None:
    """In Opus and G.722; the frames stay with the prompt."""
    for codec in ("opus", "G722"):
        talker = Talker(bench, bench.alice, bench.a, 1, codec, 700)
        talker.open()
        bench.do(Play(bench.a, 1, 1, ["tone:1000:1.0"]))
        bench.pass_time(1.1)
        talker.listen()
        assert len(talker.packets) == 50
        assert share(talker.sound(5), 1000) > 0.9
        bench.released(bench.a, 1)
    prompt = bench.sessions._prompts.get("tone:1000:1.0")
    assert prompt.spoken("opus") is prompt.spoken("opus")
    assert prompt.spoken("G729") == ()


@pytest.mark.parametrize("by", ["prompt", "relay", "keys"])
def test_another_encoder_begins_anew(bench: Bench, by: str) -> None:
    """Where a decoder has heard somebody else's Opus, what comes next does not build on what it heard before that."""
    a, b = pair(bench, "opus", "PCMA", wire=Wire(clock=48000, fmtp="useinbandfec=1"))
    talk(bench, a, b, frames=30)
    third = Phone()
    if by == "prompt":
        bench.do(Play(bench.a, 1, 1, ["tone:1000:0.2"]))
    elif by == "keys":
        bench.do(SendDigits(bench.a, 1, "5"))
    else:
        c = Talker(bench, third, bench.c, 3, "opus", 1300)
        c.open()
        bench.do(Bridge(bench.a, 1, bench.c, 3))
        talk(bench, a, c, frames=10)
        bench.do(Bridge(bench.a, 1, bench.b, 2))
    talk(bench, a, b, frames=30)
    (start,) = [n for n, packet in enumerate(a.packets) if packet.marker][-1:]
    assert start > 30
    assert a.packets[start].payload in first_packets(b)
    assert all(packet.payload not in first_packets(b) for packet in a.packets[start + 1 : start + 10])
    third.close()


def first_packets(talker: Talker) -> list[bytes]:
    """Each frame of somebody as an Opus encoder has it that has heard nothing yet."""
    return [encoder("opus", 8000, "useinbandfec=1").encode(g711.decode("PCMA", frame)) for frame in talker.frames[:80]]


@pytest.mark.parametrize("ptime", [10, 30, 40, 60])
@pytest.mark.parametrize("codec", ["PCMA", "G722", "opus"])
def test_what_we_say_has_the_peers_ptime(bench: Bench, codec: str, ptime: int) -> None:
    """Opus has no packets of 10 or 30 ms of ours: 20 then; its first frame is of CELT and goes alone."""
    talker = Talker(bench, bench.alice, bench.a, 1, codec, 700)
    clock = talker.clock
    talker.open(wire=Wire(clock=clock, ptime=ptime))
    bench.do(Play(bench.a, 1, 1, ["tone:1000:1.2"]))
    bench.pass_time(1.3)
    talker.listen()
    if codec == "opus":
        ptime = ptime // 20 * 20 or 20
    steps = [((b.ts - a.ts) & 0xFFFFFFFF) * 1000 // clock for a, b in pairwise(talker.packets)]
    alone = [20] if codec == "opus" and ptime > 20 else []
    assert steps[: len(alone)] == alone
    assert set(steps[len(alone) :]) == {ptime}
    assert len(talker.packets) == 1200 // ptime + len(alone)
    assert share(talker.sound(8), 1000) > 0.9


@pytest.mark.parametrize("codec", ["PCMA", "G722", "opus"])
def test_the_end_of_a_prompt_is_heard_in_long_packets(bench: Bench, codec: str) -> None:
    """What does not fill a packet goes in a shorter one."""
    talker = Talker(bench, bench.alice, bench.a, 1, codec, 700)
    talker.open(wire=Wire(clock=talker.clock, ptime=60))
    bench.do(Play(bench.a, 1, 1, ["tone:1000:0.2"]))
    bench.pass_time(0.4)
    talker.listen()
    assert len(talker.packets) == 4
    if codec == "opus":
        # Its first frame goes alone.
        assert [len(decoder("opus").decode(packet.payload)) // 16 for packet in talker.packets] == [20, 60, 60, 60]
    else:
        assert [len(packet.payload) for packet in talker.packets] == [480, 480, 480, 160]


@pytest.mark.parametrize("codec", ["G722", "opus"])
def test_who_comes_into_the_middle_of_a_prompt_waits_for_nothing(codec: str) -> None:
    """Not for what was before; who comes after it is served from the beginning, and that is shared."""
    prompt = from_pcm(bytes(16000 * 60))
    late = prompt.spoken(codec, 2000)
    assert isinstance(late, CodedFrames)
    assert late[2000]
    assert late.reached == 2001
    shared = prompt.spoken(codec)
    assert isinstance(shared, CodedFrames)
    assert shared.reached == 0
    assert [bool(shared[place]) for place in range(3)] == [True] * 3
    assert prompt.spoken(codec, 3) is shared
    with pytest.raises(IndexError):
        late[1999]
    playback = Playback(1, [prompt], loop=False, codec="PCMA")
    assert all(playback.next("PCMA") for _ in range(1000))
    playback.use(codec)
    assert playback.next(codec)
    assert shared.reached == 3


def test_packets_that_are_too_long_are_cut(bench: Bench) -> None:
    """One side sends 60 ms, the other takes 20 at most: both speak A-law, and yet it is not relayed."""
    a, b = pair(bench, "PCMA", "PCMA")
    b.open(wire=Wire(maxptime=20))
    for n in range(40):
        packet = Packet(8, n, 480 * n, 5, b"".join(a.frames[3 * n % 150 : 3 * n % 150 + 3]))
        bench.alice.send(bench.a, bytes(packet))
        for _ in range(12):
            bench.turn(0.005)
        bench.sessions.check(bench.now, 0.06)
        b.listen()
    assert {len(packet.payload) for packet in b.packets[-30:]} == {160}
    assert share(b.sound()[-8000:], 700) > 0.9


class TestAnotherCodec:
    """What a re-INVITE with another codec leaves of what was on its way."""

    def test_a_stream_of_another_clock_is_another_one(self, bench: Bench) -> None:
        """Though the other side's goes on under the same name, and is passed on as it is before and after."""
        a, b = pair(bench, "opus", "opus")
        talk(bench, a, b, frames=5)
        before = {packet.ssrc for packet in a.packets}
        for talker in (a, b):
            talker.codec, talker.clock = "PCMA", 8000
            talker.frames = Talker(bench, talker.phone, talker.port, talker.gen, "PCMA", 700).frames
            talker.open(wire=None)
            talker.listen()
        a.packets.clear()
        talk(bench, a, b, frames=5)
        after = [packet for packet in a.packets if packet.payload_type == NUMBERS["PCMA"]]
        assert len(after) >= 4
        assert len({packet.ssrc for packet in after}) == 1
        assert not before & {packet.ssrc for packet in after}

    def test_tones_of_keys_that_cannot_sound_any_more(self, bench: Bench) -> None:
        """The rest of them is lost, and the other side is heard again at once."""
        a, b = pair(bench, "PCMA", "PCMA", event_pt=None)
        talk(bench, a, b, frames=5)
        bench.do(SendDigits(bench.a, 1, "123456"))
        talk(bench, a, b, frames=5)
        for talker in (a, b):
            talker.codec = "G729"
            talker.open(event_pt=None)
        a.packets.clear()
        talk(bench, a, b, frames=5)
        assert [packet.payload_type for packet in a.packets] == [NUMBERS["G729"]] * 5

    def test_the_rest_of_a_key_is_no_key_of_the_next_stream(self, bench: Bench) -> None:
        """The clock of the audio changes in the middle of a key: that one is heard once, and so is the next."""
        a, _ = pair(bench, "opus", "PCMA")
        bench.do(SendDigits(bench.a, 1, "12"))
        for _ in range(3):
            bench.turn(0.02)
        a.codec = "PCMU"
        a.open(wire=None)
        for _ in range(20):
            bench.turn(0.02)
        receiver = DigitReceiver()
        events = [packet for packet in a.listen() if packet.payload_type == 101]
        keys = [
            receiver.feed(0.0, one.seq, one.ts, one.ssrc, one.marker, one.payload)
            for one in events
        ]  # fmt: skip
        assert [key for key in keys if key is not None] == ["1", "2"]
        assert len({packet.ssrc for packet in events}) == 2

    def test_a_key_that_begins_on_hold_has_a_timestamp_of_its_own(self, bench: Bench) -> None:
        """Its end is not taken for that of the one before, which may be the same key."""
        a, _ = pair(bench, "PCMA", "PCMA")
        bench.do(SendDigits(bench.a, 1, "11"))
        for n in range(16):
            if n in (7, 10):
                a.open(send=n == 10)
            bench.turn(0.02)
        assert len({packet.ts for packet in a.listen() if packet.payload_type == 101}) == 2


def test_comfort_noise_passes_where_both_have_it(bench: Bench) -> None:
    """Under each side's number; where one has it not, nothing of it is passed on, or counted as a fault."""
    noise = Wire(noise_pt=13, receive_noise_pt=13)
    a, b = pair(bench, "PCMA", "PCMA", wire=noise)
    b.open(wire=Wire(noise_pt=98, receive_noise_pt=98))
    talk(bench, a, frames=2)
    bench.talk(bench.alice, bench.a, payload_type=13, payload=b"\x30")
    b.listen()
    assert (b.packets[-1].payload_type, b.packets[-1].payload) == (98, b"\x30")
    b.open(wire=None)
    count = len(b.packets)
    bench.talk(bench.alice, bench.a, payload_type=13, payload=b"\x30")
    b.listen()
    assert len(b.packets) == count
    assert bench.released(bench.a, 1).dropped == 0


def press(bench: Bench, phone: Phone, port: int, key: int, clock: int) -> None:
    """A key of five packets and its end, three times."""
    for n in range(1, 9):
        end = 0x80 if n > 5 else 0
        payload = bytes((key, end | 10)) + (min(n, 6) * clock // 50).to_bytes(2, "big")
        packet = Packet(101, phone.seq, phone.ts, phone.ssrc, payload, n == 1)
        phone.send(port, bytes(packet))
        phone.seq += 1
        for _ in range(4):
            bench.turn(0.005)


def told(packets: list[Packet], clock: int) -> str:
    """The keys of the events among packets that came every 20 ms."""
    receiver = DigitReceiver()
    receiver.clock = float(clock)
    keys = ""
    for n, packet in enumerate(packets):
        if packet.payload_type == 101:
            keys += receiver.feed(0.02 * n, packet.seq, packet.ts, packet.ssrc, packet.marker, packet.payload) or ""
    return keys


class TestKeys:
    """From each form to each other, once."""

    def test_events_of_one_clock_become_those_of_another(self, bench: Bench) -> None:
        """Opus has its own; durations are in its clock."""
        a, b = pair(bench, "opus", "PCMA")
        talk(bench, a, b, frames=5)
        press(bench, bench.alice, bench.a, 7, 48000)
        bench.pass_time(0.3)
        b.listen()
        assert told(b.packets, 8000) == "7"
        press(bench, bench.bob, bench.b, 3, 8000)
        bench.pass_time(0.3)
        a.listen()
        events = [packet for packet in a.packets if packet.payload_type == 101]
        assert told(a.packets, 48000) == "3"
        assert int.from_bytes(events[0].payload[2:], "big") == 960

    @pytest.mark.parametrize("codec", ["PCMA", "G722"])
    def test_events_become_tones(self, bench: Bench, codec: str) -> None:
        """For a peer without events, and for one that wants tones though it has them."""
        for changes in ({"event_pt": None}, {"wire": Wire(keys="inband")}):
            a = Talker(bench, bench.alice, bench.a, 1, "PCMA", 700)
            b = Talker(bench, bench.bob, bench.b, 2, codec, 1100)
            a.open()
            b.open(**changes)
            bench.do(Bridge(bench.a, 1, bench.b, 2))
            talk(bench, b, frames=2)
            press(bench, bench.alice, bench.a, 9, 8000)
            bench.pass_time(0.3)
            b.listen()
            samples = array("h", b.sound(0)).tobytes()
            codes = g711.encode("PCMA", samples)
            assert keys_in([codes[n : n + 160] for n in range(0, len(codes), 160)]) == "9"
            assert told(b.packets, 8000) == ""
            bench.released(bench.a, 1)
            bench.released(bench.b, 2)

    def test_tones_become_events_and_are_not_heard_as_well(self, bench: Bench) -> None:
        """Of a peer that is known to press its keys in the audio."""
        a, b = pair(bench, "PCMA", "PCMA", wire=Wire(keys="inband"))
        sender = ToneSender("46")
        while not sender.done:
            bench.alice.ts = a.at * 160
            bench.alice.say(bench.a, g711.encode("PCMA", sender.step()))
            a.at += 1
            bench.turn(0.02)
            bench.sessions.search()
            b.listen()
        bench.pass_time(0.4)
        b.listen()
        assert told(b.packets, 8000) == "46"
        assert keys_in([packet.payload for packet in b.packets if packet.payload_type == 8]) == ""

    @pytest.mark.parametrize("codec", ["PCMA", "G722", "opus"])
    def test_tones_are_found_in_any_codec_of_ours(self, bench: Bench, codec: str) -> None:
        """Of a caller without events whose keys are for us, also when another source speaks from half way on."""
        talker = Talker(bench, bench.alice, bench.a, 1, codec, 700)
        talker.open(digits=True, event_pt=None)
        enc, sender = encoder(codec), ToneSender("159#")
        while not sender.done:
            if talker.at == 2 * (HELD + REST):
                bench.alice.ssrc, bench.alice.seq = 5, bench.alice.seq - 20_000 & 0xFFFF
            bench.alice.ts = talker.at * talker.clock // 50
            bench.alice.say(bench.a, enc.encode(sender.step()), NUMBERS[codec])
            talker.at += 1
            bench.turn(0.02)
            bench.sessions.search()
        assert "".join(event.digit for event in bench.events() if isinstance(event, Digit)) == "159#"

    def test_a_key_for_a_peer_of_info_is_told_to_signalling(self, bench: Bench) -> None:
        """Which sends it; the worker sends nothing."""
        a, b = pair(bench, "PCMA", "PCMA")
        b.open(wire=Wire(keys="info"))
        talk(bench, a, b, frames=2)
        bench.events()
        press(bench, bench.alice, bench.a, 5, 8000)
        bench.pass_time(0.2)
        b.listen()
        assert told(b.packets, 8000) == ""
        assert [(event.port, event.digit) for event in bench.events() if isinstance(event, KeyForOther)] == [
            (bench.a, "5")
        ]

    def test_a_secret_stays_where_it_is_keyed(self, bench: Bench) -> None:
        """While keys are ours nothing of them is passed on in any form."""
        a, b = pair(bench, "PCMA", "PCMA", digits=True)
        b.open(event_pt=None)
        talk(bench, a, b, frames=2)
        press(bench, bench.alice, bench.a, 5, 8000)
        bench.pass_time(0.2)
        b.listen()
        assert keys_in([packet.payload for packet in b.packets]) == ""


def test_rooms_mix_any_of_our_codecs(bench: Bench) -> None:
    """Each of three hears the two others, in its own codec."""
    third = Phone()
    talkers = [
        Talker(bench, bench.alice, bench.a, 1, "opus", 500),
        Talker(bench, bench.bob, bench.b, 2, "PCMU", 900),
        Talker(bench, third, bench.c, 3, "G722", 1300),
    ]
    for talker in talkers:
        talker.open()
        bench.do(Join(talker.port, talker.gen, 5))
    talk(bench, *talkers, frames=80)
    for talker in talkers:
        sound = talker.sound(20)
        shares = {hz: share(sound, hz) for hz in (500, 900, 1300)}
        own = [500, 900, 1300][talkers.index(talker)]
        assert shares[own] < 0.02, (talker.codec, shares)
        assert all(part > 0.3 for hz, part in shares.items() if hz != own), (talker.codec, shares)
    third.close()
