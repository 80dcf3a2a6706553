"""The jitter buffer driven packet by packet: delay, loss, order, drifting clocks, pauses, odd senders."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from media.g711 import SILENCE, CodecName, decode
from media.rtp.jitter import HOLD, JUMP, MAX_DELAY, MAX_PACKET, PATIENCE, REVIEW, JitterBuffer
from tests.support.tones import level_of, sine

FRAME = 160
SSRC = 0x1234
CODECS: tuple[CodecName, ...] = ("PCMA", "PCMU")


class Sender:
    """Cuts codes into packets."""

    def __init__(self, codes: bytes, ptime: int = 20, seq: int = 65_530, ts: int = 0xFFFFF000) -> None:
        self.codes = codes
        self.size = 8 * ptime
        self.seq, self.ts = seq, ts

    def packet(self, n: int) -> tuple[int, int, int, bytes]:
        """The packet number `n`."""
        payload = self.codes[n * self.size : (n + 1) * self.size]
        return (self.seq + n) & 0xFFFF, (self.ts + n * self.size) & 0xFFFFFFFF, SSRC, payload

    def __len__(self) -> int:
        return len(self.codes) // self.size


def ramp(seconds: float) -> bytes:
    """Codes that tell their place, coarsely: each 10 ms another."""
    return b"".join(bytes([n % 251]) * 80 for n in range(round(seconds * 100)))


def drive(
    buffer: JitterBuffer,
    sender: Sender,
    *,
    phase: float = 0.007,
    speed: float = 1.0,
    delay: Callable[[int], float | None] = lambda n: 0.0,
) -> list[bytes | None]:
    """What is taken every 20 ms while packets come; `delay` of one is in seconds, None when it is lost."""
    every = sender.size / 8000 / speed
    arrivals = []
    for n in range(len(sender)):
        late = delay(n)
        if late is not None:
            arrivals.append((phase + (n + 1) * every + late, n))
    arrivals.sort()
    taken: list[bytes | None] = []
    at = 0
    tick = 0
    while at < len(arrivals) or buffer.waiting >= FRAME:
        while at < len(arrivals) and arrivals[at][0] <= tick * 0.02:
            buffer.put(*sender.packet(arrivals[at][1]))
            at += 1
        taken.append(buffer.take())
        tick += 1
    return taken


def heard(taken: Iterable[bytes | None], codec: CodecName = "PCMA") -> bytes:
    """What was taken in one piece."""
    return b"".join(frame or bytes([SILENCE[codec]]) * FRAME for frame in taken)


def spoken(taken: Iterable[bytes | None]) -> bytes:
    """The frames that hold anything, in one piece."""
    return b"".join(frame for frame in taken if frame is not None)


@pytest.mark.parametrize("ptime", [10, 20, 30, 40, 60, 100])
@pytest.mark.parametrize("phase", [0.0001, 0.007, 0.0199])
def test_packets_of_any_length_come_out_as_they_went_in(ptime: int, phase: float) -> None:
    """Every sample once and in order, from 20 to 40 ms after it came on; nothing is made up."""
    codes = ramp(3.0)
    buffer = JitterBuffer("PCMA")
    taken = drive(buffer, Sender(codes, ptime), phase=phase)
    out = spoken(taken)
    whole = len(codes) // (8 * ptime) * 8 * ptime
    assert out[: whole - FRAME] == codes[: whole - FRAME]
    assert buffer.dropped == 0
    first = next(n for n, frame in enumerate(taken) if frame is not None)
    assert 0.02 <= first * 0.02 - (phase + ptime / 1000) <= 0.0400001


def test_packets_in_another_order_are_put_right() -> None:
    """Neighbours exchanged, one in ten 30 ms late, one sent twice."""
    codes = ramp(4.0)
    buffer = JitterBuffer("PCMA")
    late = dict.fromkeys(range(20, 200, 10), 0.03)
    taken = drive(buffer, Sender(codes), delay=lambda n: late.get(n, 0.01))
    out = spoken(taken)
    # The first late one may cost a repeated frame; after that there is time enough.
    assert codes[2 * 8000 : 3 * 8000] in out
    assert buffer.concealed <= 1
    again = JitterBuffer("PCMA")
    for n in range(20):
        again.put(*Sender(codes).packet(n))
        again.put(*Sender(codes).packet(n))
        if n >= 2:
            again.put(*Sender(codes).packet(n - 1))
        again.take()
    assert (again.concealed, again.dropped) == (0, 0)
    assert again.waiting == HOLD * FRAME


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_packet_is_made_up_and_costs_no_time(codec: CodecName, lost: int) -> None:
    """A tone goes on through the gap with less strength and without a jump; what follows is in its place."""
    codes = sine(425, 2.0, codec)
    buffer = JitterBuffer(codec)
    taken = drive(buffer, Sender(codes), delay=lambda n: None if 50 <= n < 50 + lost else 0.0)
    out = heard(taken, codec)
    first = next(n for n, frame in enumerate(taken) if frame is not None) * FRAME
    gap = first + 50 * FRAME
    assert out[first:gap] == codes[: 50 * FRAME]
    after = gap + lost * FRAME + 40
    assert out[after : after + 30 * FRAME] == codes[50 * FRAME + lost * FRAME + 40 :][: 30 * FRAME]
    assert level_of(425, out[gap : gap + FRAME], codec) > 5000
    samples = np.frombuffer(decode(codec, out[gap - FRAME : after + FRAME]), "<i2").astype(int)
    # A step of the tone itself is 2,650 at most.
    assert np.abs(np.diff(samples)).max() < 4500
    assert buffer.concealed == lost


def test_a_long_loss_fades_to_silence() -> None:
    """60 ms are made up, what follows of the loss is silence."""
    codes = sine(425, 3.0)
    buffer = JitterBuffer("PCMA")
    taken = drive(buffer, Sender(codes), delay=lambda n: None if 50 <= n < 75 else 0.0)
    gap = next(n for n, frame in enumerate(taken) if frame is not None) + 50
    levels = [level_of(425, frame or b"\xd5" * FRAME) for frame in taken[gap : gap + 25]]
    assert levels[0] > levels[1] > levels[2] > 500
    assert max(levels[4:24]) < 50
    assert level_of(425, spoken(taken[gap + 27 : gap + 35])) > 7000


@pytest.mark.parametrize("ppm", [-500, -100, 100, 500])
def test_a_clock_that_runs_off_is_corrected(ppm: int) -> None:
    """Two minutes: one frame more or fewer for each 20 ms of drift, and the delay stays as it was."""
    codes = sine(300, 120.0, level=12000)
    buffer = JitterBuffer("PCMA")
    drive(buffer, Sender(codes), speed=1 + ppm / 1e6)
    drift = abs(ppm) * 1e-6 * 120 / 0.02
    corrections = buffer.dropped if ppm > 0 else buffer.concealed
    assert drift - 1.5 <= corrections <= drift + 1.5
    assert buffer.waiting <= 3 * FRAME


def test_a_frame_is_left_out_in_a_pause() -> None:
    """Of a fast sender that speaks for a second and is silent for another, nothing of the speech is lost."""
    word, pause = sine(300, 0.5, level=12000), bytes([SILENCE["PCMA"]]) * 4000
    buffer = JitterBuffer("PCMA")
    taken = drive(buffer, Sender((word + pause) * 60), speed=1.0005)
    assert buffer.dropped >= 1
    out = spoken(taken)
    assert out.count(word[200:3800]) == 60


def test_jitter_is_borne_by_a_longer_delay_which_goes_again() -> None:
    """Delays of up to 60 ms cost few frames, not one a second; after calm the delay is short again."""
    codes = sine(300, 60.0)
    random = np.random.default_rng(1)
    delays = np.where(np.arange(3000) < 1500, random.uniform(0.0, 0.06, 3000), 0.0)
    buffer = JitterBuffer("PCMA")
    drive(buffer, Sender(codes[: 30 * 8000]), delay=lambda n: float(delays[n]))
    assert buffer.concealed <= 12
    calm = JitterBuffer("PCMA")
    drive(calm, Sender(codes), delay=lambda n: float(delays[n]))
    assert calm.waiting <= 3 * FRAME


def test_what_waits_is_bounded() -> None:
    """A network that stood still for a second and delivers all at once."""
    codes = ramp(4.0)
    buffer = JitterBuffer("PCMA")
    taken = drive(buffer, Sender(codes), delay=lambda n: max(0.0, 2.0 - n * 0.02) if 50 <= n < 100 else 0.0)
    assert buffer.dropped >= 40
    assert codes[3 * 8000 : 3 * 8000 + 4000] in spoken(taken)
    sender = Sender(ramp(60.0))
    for n in range(3000):
        buffer.put(*sender.packet(n))
        assert buffer.waiting <= MAX_DELAY + FRAME


def test_a_pause_of_the_sender_is_silence() -> None:
    """Silence suppression: timestamps go on while nothing is sent, and the delay afterwards is as before."""
    codes = sine(425, 4.0)
    buffer = JitterBuffer("PCMA")
    sender = Sender(codes)
    taken: list[bytes | None] = []
    seq = 0
    for tick in range(200):
        if not 40 <= tick < 120:
            _, ts, ssrc, payload = sender.packet(tick)
            buffer.put(seq, ts, ssrc, payload)
            seq += 1
        taken.append(buffer.take())
    pause = heard(taken[46:120])
    assert level_of(425, pause) < 20
    assert buffer.waiting == HOLD * FRAME
    assert taken[124] == codes[123 * FRAME : 124 * FRAME]


@pytest.mark.parametrize("frames", [1, 2, 4])
def test_a_short_pause_of_the_sender_adds_no_delay(frames: int) -> None:
    """Time that was filled while nothing came is not filled again."""
    codes = sine(425, 4.0)
    buffer = JitterBuffer("PCMA")
    sender = Sender(codes)
    for tick in range(200):
        if not 40 <= tick < 40 + frames:
            buffer.put(tick - frames * (tick >= 40), *sender.packet(tick)[1:])
        buffer.take()
    assert buffer.waiting == HOLD * FRAME


@pytest.mark.parametrize(
    ("seq", "ts", "ssrc"),
    [
        (300, 9_000_000, SSRC),  # timestamps leap on
        (300, 1, SSRC),  # or back
        (20_000, 77, SSRC + 1),  # another source
        (300, JUMP * 10, SSRC),
        (50_000, 77, SSRC),  # the whole sender began anew
    ],
)
def test_a_sender_that_begins_anew_is_heard_on(seq: int, ts: int, ssrc: int) -> None:
    """Within two packets, without more delay, and without silence while there was enough."""
    codes = sine(425, 4.0)
    buffer = JitterBuffer("PCMA")
    taken = []
    for tick in range(200):
        payload = codes[tick * FRAME : (tick + 1) * FRAME]
        if tick < 100:
            buffer.put(tick + 200, 500_000 + tick * FRAME, SSRC, payload)
        else:
            buffer.put((seq + tick - 100) & 0xFFFF, ts + (tick - 100) * FRAME, ssrc, payload)
        taken.append(buffer.take())
    assert all(frame is not None for frame in taken[5:])
    assert level_of(425, spoken(taken[110:])) > 7000
    assert buffer.waiting <= 2 * FRAME


def test_stray_and_monstrous_packets_are_left_out() -> None:
    """One packet of an old time, empty ones, and ones longer than any that is sent."""
    codes = ramp(2.0)
    sender = Sender(codes, seq=1000, ts=1_000_000)
    buffer = JitterBuffer("PCMA")
    taken = []
    for n in range(100):
        buffer.put(*sender.packet(n))
        buffer.put(900, 1, SSRC, b"x" * 160)
        buffer.put((1001 + n) & 0xFFFF, 1_000_000 + (n + 1) * FRAME, SSRC, b"")
        buffer.put((1001 + n) & 0xFFFF, 1_000_000 + (n + 1) * FRAME, SSRC, b"x" * (MAX_PACKET + 1))
        taken.append(buffer.take())
    assert spoken(taken) == codes[: len(spoken(taken))]
    assert len(spoken(taken)) == 99 * FRAME


def test_what_is_cleared_is_not_heard() -> None:
    """Nor made up from."""
    sender = Sender(sine(425, 2.0))
    buffer = JitterBuffer("PCMA")
    for n in range(20):
        buffer.put(*sender.packet(n))
        buffer.take()
    buffer.clear()
    assert [buffer.take() for _ in range(10)] == [None] * 10
    assert buffer.waiting == 0


def test_any_packets_leave_it_whole() -> None:
    """Ten thousand random packets and takes: frames are whole, and memory and delay are bounded."""
    random = np.random.default_rng(7)
    buffer = JitterBuffer("PCMU")
    seq, ts = 0, 0
    for _ in range(10_000):
        if random.random() < 0.2:
            seq, ts = (int(random.integers(0, high)) for high in (1 << 16, 1 << 32))
        length = int(random.choice([0, 1, 79, 80, 160, 240, 480, 1999, 2001]))
        buffer.put(seq, ts, int(random.integers(0, 2)), bytes(length))
        seq = (seq + int(random.integers(-2, 3))) & 0xFFFF
        ts = (ts + int(random.integers(-400, 800))) & 0xFFFFFFFF
        for _ in range(int(random.integers(0, 4))):
            frame = buffer.take()
            assert frame is None or len(frame) == FRAME
        assert buffer.waiting <= MAX_DELAY + MAX_PACKET
        assert len(buffer._gaps) <= (MAX_DELAY + MAX_PACKET)


def test_the_words_of_time_fit_together() -> None:
    """A review is longer than a pause, and the patience ends before the delay's bound."""
    assert PATIENCE <= MAX_DELAY
    assert REVIEW * FRAME > PATIENCE
