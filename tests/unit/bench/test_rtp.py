"""The bench phone's ears and its sums."""

from __future__ import annotations

import math
import struct

import pytest

from bench.rtp import FRAME, Packet, RtpPort, encode, extended, jitter, share, tone_second


def heard(port: RtpPort, hz: int, payload_type: int, frames: int) -> None:
    """Feed a port with a tone as if it had come over the wire."""
    second = tone_second(hz, payload_type)
    for n in range(frames):
        audio = second[(n * FRAME) % 8000 :][:FRAME]
        port.datagram_received(struct.pack("!BBHII", 128, payload_type, n, n * FRAME, 7) + audio, ("127.0.0.1", 9))


def packet(at: float, sequence: int, timestamp: int = 0) -> Packet:
    """A packet of which only time and numbers matter."""
    return Packet(at, sequence, timestamp, 8, False, 1, b"", ("127.0.0.1", 9))


@pytest.mark.parametrize("payload_type", [0, 8])
def test_a_tone_is_heard_and_another_is_not(payload_type: int) -> None:
    """440 Hz through G.711 is 440 Hz and neither 880 Hz nor 450 Hz."""
    port = RtpPort()
    heard(port, 440, payload_type, 50)
    assert port.hears(440)
    assert not port.hears(880)
    assert not port.hears(480)
    assert not port.hears(440, seconds=1.5)


def test_silence_has_no_tone() -> None:
    """Quantised silence is not taken for a tone."""
    assert share([8, -8] * 4000, 4000) == 0.0
    assert share([], 440) == 0.0


def test_two_tones_share_the_energy() -> None:
    """Each of two equal tones holds half."""
    both = [round(4000 * (math.sin(n * math.pi * 0.11) + math.sin(n * math.pi * 0.22))) for n in range(8000)]
    assert share(both, 440) == pytest.approx(0.5, abs=0.01)
    assert share(both, 880) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("sample", "alaw", "ulaw"),
    [(0, 0xD5, 0xFF), (32767, 0xAA, 0x80), (-32768, 0x2A, 0x00), (1000, 0xFA, 0xCE)],
)
def test_g711_codes(sample: int, alaw: int, ulaw: int) -> None:
    """Samples take the codes of ITU-T G.711."""
    assert encode([sample], 8)[0] == alaw
    assert encode([sample], 0)[0] == ulaw


def test_lost_and_repeated_packets_are_counted_over_the_wrap() -> None:
    """One packet missing and one doubled around sequence 65535 are seen as such."""
    port = RtpPort()
    for sequence in (65533, 65534, 0, 0, 1):
        port.datagram_received(struct.pack("!BBHII", 128, 8, sequence, 0, 7) + b"\xd5" * 160, ("127.0.0.1", 9))
    stats = port.stats()
    assert (stats.received, stats.lost, stats.duplicates, stats.streams) == (5, 1, 1, 1)


def test_what_is_no_rtp_is_not_counted() -> None:
    """RTCP and rubbish leave the statistics alone."""
    port = RtpPort()
    for data in (b"", b"x" * 20, b"\x80\xc8" + bytes(20)):
        port.datagram_received(data, ("127.0.0.1", 9))
    assert port.stats().received == 0


def test_extended_numbers_follow_reordering() -> None:
    """A late packet gets its old number, not one 65,536 later."""
    assert extended([packet(0, n) for n in (65535, 1, 0, 2)]) == [65535, 65537, 65536, 65538]


def test_jitter_of_a_steady_stream_is_nil_and_of_one_late_packet_is_not() -> None:
    """RFC 3550 A.8: a single 16 ms step moves the mean by a sixteenth."""
    steady = [packet(n * 0.02, n, n * FRAME) for n in range(50)]
    assert jitter(steady) == pytest.approx(0, abs=1e-6)
    late = [*steady[:-1], packet(49 * 0.02 + 0.016, 49, 49 * FRAME)]
    assert jitter(late) == pytest.approx(1.0, abs=1e-6)
