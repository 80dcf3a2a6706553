"""The jitter buffer of a stream whose packets have to be decoded in their order: 20 ms of samples every 20 ms.

It waits, adapts and gives up as `media.rtp.jitter` does, but keeps packets: what comes in the wrong order is put right
before it is decoded, and what is lost is made up by the codec, from the packet behind it where that tells (FEC).
"""

from __future__ import annotations

from bisect import insort
from typing import Final

from media.codecs import FRAME_MS, Decoder
from media.rtp import pcm_concealment
from media.rtp.concealment import FADED, HISTORY
from media.rtp.jitter import HOLD, PLENTY, RELUCTANCE, REVIEW

PATIENCE: Final = 100
"""Milliseconds without any packet after which the sender pauses: what comes then begins anew."""
MAX_DELAY: Final = 200
"""Milliseconds that may wait; of more, the oldest are lost."""
SPARE: Final = 40
"""Milliseconds that were there at every moment of a review and of which a frame may go."""
JUMP: Final = 2000
"""Milliseconds by which timestamps may leap within a stream; more is another source with the same name."""
MAX_GAP: Final = 200
"""Milliseconds of loss that are filled; over more the stream jumps."""
FADED_MS: Final = FADED // 8
LEAST_FILL: Final = 5
"""Milliseconds that are made up at a time at least: packets may be as short as a sample."""
MAX_PACKET: Final = 1500
MAX_SKIPPED: Final = 64
_QUIET: Final = 300
"""The mean magnitude of a frame that may be left out unheard."""


class CodedBuffer:
    """One stream; counts the frames it `concealed` and `dropped`."""

    __slots__ = ("_bad_seq", "_clock", "_debt", "_decoder", "_frame", "_hold", "_last", "_left", "_made_up", "_next",
                 "_pcm", "_rate", "_reluctant", "_root", "_seq", "_skipped", "_slack", "_span", "_ssrc",
                 "_surplus", "_told", "_waiting", "concealed", "dropped")  # fmt: skip

    def __init__(self, decoder: Decoder, clock: int, rate: int) -> None:
        """`clock` is that of the timestamps, `rate` that of the samples, both in Hz."""
        self._decoder = decoder
        self._clock = clock // 1000
        self._rate = rate
        self._frame = 2 * rate * FRAME_MS // 1000
        self.concealed = self.dropped = 0
        self.clear()

    def clear(self) -> None:
        """Forgets everything: what comes next begins anew."""
        self._waiting: list[tuple[int, int, bytes]] = []  # timestamps counted on from the first, sequence, payload
        self._pcm = bytearray()  # decoded and not taken yet
        self._next = self._told = -1  # the timestamp that should be decoded next; the highest that came
        self._seq = self._ssrc = self._bad_seq = -1
        self._span = FRAME_MS * self._clock  # of a packet
        self._hold = HOLD
        self._debt = 0  # ticks that were wanted in vain since the last that were there
        self._left = REVIEW
        self._slack = PLENTY
        self._surplus = self._reluctant = 0
        self._last = b""
        self._root = b""
        self._made_up = 0
        self._skipped: set[int] = set()

    @property
    def waiting(self) -> int:
        """Milliseconds that wait to be played."""
        # After a pause nothing is missing before what came first.
        begins = self._waiting[0][0] if self._paused and self._waiting else self._next
        ahead = self._told + self._span - begins if self._waiting else 0
        return ahead // self._clock + len(self._pcm) * 1000 // (2 * self._rate)

    @property
    def _paused(self) -> bool:
        """Whether the sender has paused, and of what came since nothing was decoded yet."""
        return self._debt > PATIENCE * self._clock

    # --- what comes ---

    def put(self, seq: int, ts: int, ssrc: int, payload: bytes) -> None:
        """Takes a packet."""
        if not payload or len(payload) > MAX_PACKET:
            return
        if ssrc != self._ssrc:
            self._begin(ssrc, seq, ts)
        told = self._told
        at = told + ((ts - told + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if abs(at - told) > JUMP * self._clock:
            # Two in sequence make a restarted sender, a single one is a stray (RFC 3550 A.1); a pause explains it.
            goes_on = self._paused and 0 < (seq - self._seq) & 0xFFFF < 0x8000
            if seq != self._bad_seq and not goes_on:
                self._bad_seq = (seq + 1) & 0xFFFF
                return
            self._begin(ssrc, seq, ts)
            at = self._told
        if at < self._next or any(at == one[0] for one in self._waiting):
            return
        insort(self._waiting, (at, seq, payload))
        self._told = max(self._told, at)
        while self.waiting > MAX_DELAY and len(self._waiting) > 1:
            self._next = self._waiting[1][0]
            self._seq = (self._waiting[1][1] - 1) & 0xFFFF
            del self._waiting[0]
            self.dropped += 1

    def skip(self, seq: int) -> None:
        """A packet of the stream that holds no audio: it is not lost."""
        if len(self._skipped) >= MAX_SKIPPED:
            self._skipped.clear()
        self._skipped.add(seq)

    def _begin(self, ssrc: int, seq: int, ts: int) -> None:
        self._ssrc, self._bad_seq = ssrc, -1
        self._waiting.clear()
        self._told = self._next = ts + (1 << 32)
        self._seq = (seq - 1) & 0xFFFF

    # --- what goes ---

    def take(self) -> bytes | None:
        """The next 20 ms of samples; None for silence."""
        if self._hold:
            if self._waiting:
                self._hold -= 1
            return None
        pcm, size = self._pcm, self._frame
        while len(pcm) < size:
            if not self._waiting:
                return self._starve(size - len(pcm))
            self._advance()
        frame = bytes(pcm[:size])
        del pcm[:size]
        self._review()
        if self._surplus:
            frame = self._hurry(frame)
        self._last = frame if len(frame) >= self._rate * HISTORY // 4000 else (self._last + frame)[-self._frame * 2 :]
        return frame

    def _advance(self) -> None:
        """Decodes the next packet, or makes up for what is missing before it."""
        at, seq, payload = self._waiting[0]
        missing = at - self._next
        if missing > 0 and self._debt:
            # What was made up while nothing came stood for it.
            self._next += min(missing, self._debt)
            missing = at - self._next
        self._debt = 0
        if missing > MAX_GAP * self._clock:
            self._next, missing = at, 0
        if missing > 0:
            self._fill(
                min(missing, max(self._span, LEAST_FILL * self._clock)), payload, missing, lost=self._lost_before(seq)
            )
            return
        del self._waiting[0]
        samples = self._decoder.decode(payload)
        if samples:
            self._span = len(samples) * 1000 * self._clock // (2 * self._rate)
        if self._made_up and samples:
            samples = pcm_concealment.cross(self._extend(pcm_concealment.CROSSING * self._rate // 1000), samples)
        self._made_up = 0
        self._pcm += samples
        self._next = at + self._span
        self._seq = seq

    def _lost_before(self, seq: int) -> bool:
        expected = (self._seq + 1) & 0xFFFF
        while expected != seq and expected in self._skipped:
            self._skipped.remove(expected)
            expected = (expected + 1) & 0xFFFF
        return expected != seq

    def _fill(self, ticks: int, following: bytes, missing: int, *, lost: bool) -> None:
        """Puts something where packets are missing; what its sender did not send is silence."""
        count = ticks * self._rate // (1000 * self._clock)
        self._next += ticks
        made_up = None
        if lost:
            self.concealed += 1
            if ticks == missing:
                made_up = self._decoder.recover(following, count)
            made_up = made_up or self._decoder.conceal(count) or self._repeat(count)
        self._pcm += made_up or self._decoder.conceal(count) or bytes(2 * count)

    def _repeat(self, count: int) -> bytes:
        if not self._made_up:
            self._root = (self._last + bytes(self._pcm))[-2 * HISTORY * self._rate // 8000 :]
        made_up = self._extend(count)
        self._made_up += count
        return made_up

    def _extend(self, count: int) -> bytes:
        return pcm_concealment.extend(self._root, self._made_up, count, self._rate)

    def _starve(self, needed: int) -> bytes | None:
        """Nothing is there in time."""
        count = needed // 2
        made_up = bytes(2 * count)
        if self._debt < FADED_MS * self._clock:
            made_up = self._decoder.conceal(count) or self._repeat(count)
            self.concealed += 1
        self._debt += count * 1000 * self._clock // self._rate
        frame = bytes(self._pcm) + made_up
        self._pcm.clear()
        if self._debt <= PATIENCE * self._clock:
            return frame
        # The sender pauses: whatever its next timestamp is, nothing was lost before it.
        self._debt = 1 << 30
        self._hold = HOLD
        self._made_up = self._surplus = 0
        self._begin_review()
        return None

    # --- delay that is not needed ---

    def _begin_review(self) -> None:
        self._left = REVIEW
        self._slack = PLENTY

    def _review(self) -> None:
        self._slack = min(self._slack, self.waiting)
        self._left -= 1
        if not self._left:
            self._surplus = max(0, self._slack - SPARE + FRAME_MS) // FRAME_MS
            self._reluctant = RELUCTANCE
            self._begin_review()

    def _hurry(self, frame: bytes) -> bytes:
        """Leaves a frame out of those that are too many, in a pause or when none came for long."""
        self._reluctant -= 1
        if self._reluctant > 0 and not _is_quiet(frame):
            return frame
        while len(self._pcm) < self._frame:
            if not self._waiting:
                return frame
            self._advance()
        following = bytes(self._pcm[: self._frame])
        del self._pcm[: self._frame]
        self._surplus -= 1
        self._reluctant = RELUCTANCE
        self.dropped += 1
        return pcm_concealment.cross(frame, following)


def _is_quiet(frame: bytes) -> bool:
    samples = memoryview(frame).cast("h")
    return sum(map(abs, samples)) < _QUIET * len(samples)
