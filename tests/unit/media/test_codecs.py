"""Decoders and encoders, the buffer in front of a decoder, packets of other lengths, keys as tones."""

from __future__ import annotations

import math
from array import array
from itertools import count

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.rtp import share
from media import codecs, g711
from media.codecs import CodecMissingError, decoder, encoder, missing
from media.rtp.coded_buffer import JUMP, PATIENCE, CodedBuffer
from media.rtp.inband import ToneReader, read
from media.rtp.parcels import OctetParcel, OpusParcel, join_opus, parcel_for
from media.rtp.tone_keys import ToneSender

RATE = 8000

if missing(("G722", "opus")):
    pytest.skip(f"not installed: {missing(('G722', 'opus'))}", allow_module_level=True)


def tone(frequency: float, frames: int, rate: int = RATE, amplitude: int = 8000) -> list[bytes]:
    """Frames of 20 ms of a sine."""
    size = rate // 50
    samples = array(
        "h", [round(amplitude * math.sin(2 * math.pi * frequency * n / rate)) for n in range(frames * size)]
    )
    return [samples[n * size : (n + 1) * size].tobytes() for n in range(frames)]


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("codec", ["G722", "opus"])
def test_a_tone_survives_a_codec(codec: str, rate: int) -> None:
    """Encoded and decoded it is still nearly all of what is heard, as loud as before."""
    enc, dec = encoder(codec, rate), decoder(codec, rate)
    heard = b"".join(dec.decode(enc.encode(frame)) for frame in tone(1000, 50, rate))
    assert len(heard) == 50 * rate // 50 * 2
    samples = array("h", heard[len(heard) // 4 :])
    assert share(list(samples), 1000 * RATE / rate) > 0.9
    assert max(samples) > 6000


@pytest.mark.parametrize("codec", ["G722", "opus"])
def test_a_foreign_decoder_hears_the_same(codec: str) -> None:
    """FFmpeg's own decoder of what we encode, against ours of the same packets: the same sound, sample by sample."""
    rate = 16000
    enc, dec = encoder(codec, rate), decoder(codec, rate)
    packets = [enc.encode(frame) for frame in tone(1000, 40, rate)]
    ours = np.frombuffer(b"".join(dec.decode(packet) for packet in packets), "<i2").astype(float)
    foreign = av.CodecContext.create("g722" if codec == "G722" else "opus", "r")
    foreign.sample_rate = rate if codec == "G722" else 48000
    foreign.layout = "mono"
    frames = [frame for packet in packets for frame in foreign.decode(av.Packet(packet))]
    theirs = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(float)
    theirs = theirs[:: foreign.sample_rate // rate]
    best = max(float(np.corrcoef(ours[2000 + lag : 10000 + lag], theirs[2000:10000])[0, 1]) for lag in range(-400, 400))
    assert best > (0.9999 if codec == "G722" else 0.98)


def test_g711_is_the_tables() -> None:
    """The quick encoder gives what the tables give, for every sample."""
    samples = array("H", range(65536)).tobytes()
    for law in ("PCMA", "PCMU"):
        assert encoder(law).encode(samples) == g711.encode(law, samples)
        assert decoder(law).decode(bytes(range(256))) == g711.decode(law, bytes(range(256)))


def test_g722_packets_are_as_long_as_those_of_g711() -> None:
    """160 octets of 20 ms at both rates (RFC 3551 §4.5.2)."""
    assert len(encoder("G722", 8000).encode(bytes(320))) == len(encoder("G722", 16000).encode(bytes(640))) == 160


@given(st.binary(max_size=300))
def test_no_packet_breaks_a_decoder(payload: bytes) -> None:
    """Whatever comes is decoded to something, or to nothing."""
    for codec in ("G722", "opus"):
        assert len(decoder(codec).decode(payload)) % 2 == 0


def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it is wanted."""

    def gone(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(codecs, "import_module", gone)
    assert missing(("PCMA", "any")) == {}
    assert "libopus" in missing(("PCMA", "opus"))["opus"]
    with pytest.raises(CodecMissingError):
        encoder("G722")


class Stream:
    """A stream of one codec, packet by packet, and the buffer that it comes to."""

    def __init__(self, codec: str, frequency: float = 700.0, frames: int = 400) -> None:
        self.clock = 48000 if codec == "opus" else 8000
        enc = encoder(codec, RATE, "useinbandfec=1")
        self.packets = [enc.encode(frame) for frame in tone(frequency, frames)]
        self.buffer = CodedBuffer(decoder(codec, RATE), self.clock, RATE)
        self.heard: list[bytes | None] = []

    def put(self, n: int, skipped: int = 0) -> None:
        """Packet `n` comes; `skipped` milliseconds were paused before."""
        ts = (0xFFFFF000 + n * self.clock // 50 + skipped * self.clock // 1000) & 0xFFFFFFFF
        self.buffer.put((65530 + n) & 0xFFFF, ts, 7, self.packets[n])

    def take(self, frames: int = 1) -> None:
        """So many frames are taken."""
        self.heard += [self.buffer.take() for _ in range(frames)]

    def sound(self) -> array[int]:
        """What was heard from the first frame on."""
        return array("h", b"".join(frame for frame in self.heard if frame is not None))


@pytest.mark.parametrize("codec", ["G722", "opus"])
class TestBuffer:
    """What a decoder is given, and what is heard meanwhile."""

    def test_a_steady_stream_is_heard_whole(self, codec: str) -> None:
        """After the hold every frame is there; sequence and timestamps may wrap."""
        stream = Stream(codec)
        for n in range(100):
            stream.put(n)
            stream.take()
        assert stream.heard.count(None) == 1
        assert (stream.buffer.concealed, stream.buffer.dropped) == (0, 0)
        assert share(list(stream.sound()[1600:]), 700) > 0.9

    def test_reordered_and_doubled_packets_are_put_right(self, codec: str) -> None:
        """Nothing is made up for a packet that comes after its follower, but in time."""
        stream = Stream(codec)
        stream.put(0)
        stream.put(1)
        stream.take()
        for n in range(2, 100, 2):
            stream.put(n + 1)
            stream.put(n)
            stream.put(n)
            stream.take(2)
        assert stream.buffer.concealed == 0
        assert share(list(stream.sound()[1600:]), 700) > 0.9

    def test_a_lost_packet_is_made_up(self, codec: str) -> None:
        """In its place something like the rest is heard; time does not shift."""
        stream = Stream(codec)
        for n in range(100):
            if n % 10 != 9:
                stream.put(n)
            stream.take()
        assert 8 <= stream.buffer.concealed <= 11
        assert share(list(stream.sound()[1600:]), 700) > 0.75
        assert None not in stream.heard[2:]

    @pytest.mark.parametrize("frames", [PATIENCE // 20 + 5, PATIENCE // 20 + 30, JUMP // 20 + 50])
    def test_a_pause_is_no_loss(self, codec: str, frames: int) -> None:
        """Silence suppression: the sequence goes on, the timestamps leap; all that is said behind it is heard."""
        stream = Stream(codec)
        for n in range(20):
            stream.put(n)
            stream.take()
        stream.take(frames)
        before = stream.buffer.concealed
        assert stream.heard[-2:] == [None] * 2
        for n in range(20, 60):
            stream.put(n, skipped=20 * frames)
            stream.take()
        assert (stream.buffer.concealed, stream.buffer.dropped) == (before, 0)
        assert stream.heard[-40:].count(None) == 1
        assert stream.buffer.waiting <= 40

    def test_noise_and_keys_between_are_not_lost(self, codec: str) -> None:
        """Packets that hold no audio take numbers of the sequence."""
        stream = Stream(codec)
        for n in range(50):
            if n % 5 == 4:
                stream.buffer.skip((65530 + n) & 0xFFFF)
            else:
                stream.put(n)
            stream.take()
        assert stream.buffer.concealed <= 1

    def test_what_waits_is_bounded(self, codec: str) -> None:
        """A burst is not played seconds late."""
        stream = Stream(codec)
        for n in range(200):
            stream.put(n)
        assert stream.buffer.waiting <= 220
        assert stream.buffer.dropped > 150

    def test_a_delay_that_is_not_needed_goes(self, codec: str) -> None:
        """What was there at every moment of some seconds is too much."""
        stream = Stream(codec, frames=900)
        for n in range(8):
            stream.put(n)
        for n in range(8, 900):
            stream.put(n)
            stream.take()
        assert stream.buffer.waiting <= 60
        assert stream.buffer.dropped >= 4

    def test_another_source_begins_anew(self, codec: str) -> None:
        """So does one that restarts with other numbers, once two in a row say so."""
        stream = Stream(codec)
        for n in range(20):
            stream.put(n)
            stream.take()
        for n in range(5):
            stream.buffer.put(100 + n, 5_000_000 + n * stream.clock // 50, 7, stream.packets[n])
            stream.take()
        for n in range(5):
            stream.buffer.put(9 + n, 77 + n * stream.clock // 50, 8, stream.packets[n])
            stream.take()
        assert stream.heard[-1] is not None


PACKET = st.tuples(st.integers(0, 65535), st.integers(0, (1 << 32) - 1), st.integers(0, 2), st.binary(max_size=200))


@given(st.lists(st.one_of(st.none(), PACKET), max_size=60))
def test_no_stream_breaks_the_buffer(steps: list[tuple[int, int, int, bytes] | None]) -> None:
    """Any packets in any order: frames of 20 ms or nothing, and never more waits than may."""
    for codec in ("G722", "opus"):
        buffer = CodedBuffer(decoder(codec), 48000 if codec == "opus" else 8000, RATE)
        for step in steps:
            if step is None:
                frame = buffer.take()
                assert frame is None or len(frame) == 320
            else:
                buffer.put(*step)
                assert len(buffer._waiting) <= 64


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60])
def test_octets_are_packed_as_the_peer_wants(ptime: int) -> None:
    """Every octet once, in order; each packet as long as asked for, at its own timestamp."""
    parcel = OctetParcel(ptime, 8)
    frames = [bytes([n]) * 160 for n in range(30)]
    packets = [packet for n, frame in enumerate(frames) for packet in parcel.add(frame, 1000 + 160 * n)]
    assert b"".join(payload for _, payload in packets) == b"".join(frames)[: 600 // ptime * ptime * 8]
    assert [ts for ts, _ in packets] == [1000 + ptime * 8 * n for n in range(len(packets))]
    assert parcel.add(frames[0], 9) == [] if ptime > 20 else True


def test_opus_frames_share_a_packet() -> None:
    """A decoder that knows nothing of it hears the same samples as from single packets; that of CELT goes alone."""
    enc = encoder("opus")
    frames = [enc.encode(frame) for frame in tone(500, 13)]
    parcel = OpusParcel(60)
    numbers = count()
    packets = [packet for frame in frames for packet in parcel.add(frame, 960 * next(numbers))]
    one, other = decoder("opus"), decoder("opus")
    assert all(len(decoder("opus").decode(payload)) >= 320 for _, payload in packets)
    assert b"".join(one.decode(payload) for _, payload in packets) == b"".join(other.decode(frame) for frame in frames)
    assert [ts for ts, _ in packets] == sorted(ts for ts, _ in packets)
    long = bytes([frames[0][0] & ~3]) + bytes(300)
    assert join_opus([long, long])[2:4] == bytes((252 + (300 & 3), (300 - 252 - (300 & 3)) >> 2))


@pytest.mark.parametrize("size", [1, 2, 160])
def test_what_is_lost_between_tiny_packets_costs_no_more(size: int) -> None:
    """A packet may be as short as a sample; what is made up before it is not made sample by sample."""
    buffer = CodedBuffer(decoder("G722"), 8000, RATE)
    for n in range(100):
        buffer.put(2 * n, 160 * n, 7, bytes(size))
        buffer.take()
    assert buffer.concealed <= 6 * 100


@pytest.mark.parametrize(
    ("codec", "ptime", "most", "kind"),
    [("PCMA", 20, 0, None), ("PCMA", 30, 0, OctetParcel), ("PCMA", 60, 20, None), ("opus", 10, 0, None),
     ("opus", 40, 0, OpusParcel), ("G729", 40, 0, None), ("G722", 5, 0, OctetParcel)],
)  # fmt: skip
def test_what_needs_no_packing_is_not_packed(codec: str, ptime: int, most: int, kind: type | None) -> None:
    """20 ms go out as they are."""
    parcel = parcel_for(codec, ptime, most)
    assert parcel is None if kind is None else isinstance(parcel, kind)


def test_keys_as_tones_are_recognised() -> None:
    """All sixteen, and two of the same in a row, by the reader of tones."""
    sender = ToneSender("0123456789*#ABCD55")
    reader, found, at = ToneReader("PCMA"), "", 0
    while not sender.done:
        reader.feed(at, 160 * at, 7, g711.encode("PCMA", sender.step()))
        at += 1
        found += "".join(key for _, key in read([reader]))
    assert found == "0123456789*#ABCD55"
    with pytest.raises(ValueError, match="no key"):
        ToneSender("E")
