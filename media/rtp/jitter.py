"""The jitter buffer of one stream: packets of any length come when they come, 20 ms are taken every 20 ms.

Samples lie in order of their timestamps. Who speaks is played with a delay of about 20 to 100 ms that adapts: when
nothing is there in time, what is missing is made up and the rest is played that much later; when for seconds more
was there than was needed, a frame is left out, in a pause if one comes. A sender's clock that runs off is
corrected by the same two means. A pause of the sender (silence suppression) is silence.
"""

from __future__ import annotations

from typing import Final

from media.g711 import SILENCE, CodecName
from media.rtp.concealment import FADED, HISTORY, JOIN, extend, join, shorten
from media.rtp.outgoing import FRAME

HOLD: Final = 1
"""Frames for which a stream waits at its beginning: 20 to 40 ms, as the packet and the clock fall."""
MAX_DELAY: Final = 800
"""Samples (100 ms) that may wait beside the packet that came last; of more, the oldest are lost."""
PATIENCE: Final = 800
"""Samples without any packet after which the sender pauses: what comes then begins anew."""
JUMP: Final = 1600
"""Samples by which timestamps may leap within a stream; more is another source with the same name."""
REVIEW: Final = 200
"""Frames (4 s) after which it is seen how much was there at least."""
SPARE: Final = 240
"""Samples that were there at every moment of a review and of which a frame may go: 30 ms."""
RELUCTANCE: Final = 50
"""Frames that a pause is waited for, to leave a frame out in it."""
MAX_PACKET: Final = 2000
"""Codes of a packet (250 ms)."""

PLENTY: Final = 1 << 30

_QUIET_MAGNITUDE: Final = 24
"""Of 127 steps of G.711: some 38 dB below the loudest, the noise of a line."""
_QUIET: Final[dict[str, bytes]] = {
    "PCMA": bytes(code for code in range(256) if (code ^ 0x55) & 0x7F <= _QUIET_MAGNITUDE),
    "PCMU": bytes(code for code in range(256) if ~code & 0x7F <= _QUIET_MAGNITUDE),
}


class JitterBuffer:
    """One stream of G.711; counts the frames it `concealed` and `dropped`."""

    __slots__ = ("_bad_seq", "_codec", "_codes", "_debt", "_end", "_gaps", "_hold", "_last", "_left", "_made_up",
                 "_reluctant", "_root", "_seq", "_silence", "_slack", "_ssrc", "_surplus", "_taken",
                 "concealed", "dropped")  # fmt: skip

    def __init__(self, codec: CodecName) -> None:
        self._codec = codec
        self._silence = bytes([SILENCE[codec]])
        self.concealed = self.dropped = 0
        self.clear()

    def clear(self) -> None:
        """Forgets everything: what comes next begins anew."""
        self._codes = bytearray()
        self._taken = 0  # samples taken out; with it a place in the stream has a number for good
        self._end = 0  # the timestamp that should come next
        self._seq = self._ssrc = self._bad_seq = -1
        self._gaps: list[tuple[int, int]] = []  # places that hold nothing, in order
        self._hold = HOLD
        self._debt = 0  # samples that were wanted in vain since the last that were there
        self._left = REVIEW  # of a review, and the fewest samples that were there since it began
        self._slack = PLENTY
        self._surplus = self._reluctant = 0
        self._last = b""  # what was heard last, HISTORY at most
        self._root = b""  # what was heard before the loss that is concealed, and how much was made up since
        self._made_up = 0

    @property
    def waiting(self) -> int:
        """Samples that wait to be played."""
        return len(self._codes)

    # --- what comes ---

    def put(self, seq: int, ts: int, ssrc: int, payload: bytes) -> None:
        """Takes a packet."""
        codes = self._codes
        if ts != self._end or ssrc != self._ssrc:
            if not self._fit(seq, ts, ssrc, payload):
                return
        elif len(payload) > MAX_PACKET:
            return
        codes += payload
        self._end = (ts + len(payload)) & 0xFFFFFFFF
        self._seq = seq
        if len(codes) > MAX_DELAY + len(payload):
            self._discard(len(codes) - MAX_DELAY - len(payload))

    def skip(self, seq: int) -> None:
        """A packet of the stream that holds no audio, such as comfort noise: it is not lost."""
        if seq == (self._seq + 1) & 0xFFFF:
            self._seq = seq

    def _fit(self, seq: int, ts: int, ssrc: int, payload: bytes) -> bool:
        """Prepares the end for a packet that does not simply follow; False when it is not to be put there."""
        if not payload or len(payload) > MAX_PACKET:
            return False
        newer = 0 < (seq - self._seq) & 0xFFFF < 0x8000
        ahead = ((ts - self._end + 0x80000000) & 0xFFFFFFFF) - 0x80000000
        if ssrc != self._ssrc or (newer and not 0 <= ahead <= JUMP):
            self._ssrc = ssrc
            return True
        if not newer:
            if -JUMP < ahead < 0:
                self._fill(ahead, payload)
            elif seq == self._bad_seq:
                return True
            # Two in sequence make a restarted sender, a single one is a stray (RFC 3550 A.1).
            self._bad_seq = (seq + 1) & 0xFFFF
            return False
        if self._debt <= PATIENCE:
            self._leave_out(ahead - min(ahead, self._debt), lost=seq != (self._seq + 1) & 0xFFFF)
            self._debt -= min(ahead, self._debt)
        return True

    def _leave_out(self, count: int, *, lost: bool) -> None:
        """Samples that did not come; what its sender did not send is silence."""
        if count and lost:
            begins = self._taken + len(self._codes)
            self._gaps.append((begins, begins + count))
        self._codes += self._silence * count

    def _fill(self, ahead: int, payload: bytes) -> None:
        """A late packet, or one that came before."""
        codes = self._codes
        payload = payload[:-ahead]
        begins = len(codes) + ahead
        if begins < 0:
            payload = payload[-begins:]
            begins = 0
        if not payload:
            return
        codes[begins : begins + len(payload)] = payload
        first, last = self._taken + begins, self._taken + begins + len(payload)
        rest = [part for a, b in self._gaps for part in ((a, min(b, first)), (max(a, last), b))]
        self._gaps = [(a, b) for a, b in rest if a < b]

    def _discard(self, count: int) -> None:
        del self._codes[:count]
        self._taken += count
        self.dropped += -(-count // FRAME)

    # --- what goes ---

    def take(self) -> bytes | None:
        """The next 20 ms; None for silence."""
        codes = self._codes
        if self._hold:
            if codes:
                self._hold -= 1
            return None
        if len(codes) < FRAME:
            return self._starve()
        frame = bytes(codes[:FRAME])
        del codes[:FRAME]
        begins = self._taken
        self._taken = begins + FRAME
        self._debt = 0
        if self._gaps and self._gaps[0][0] < self._taken:
            frame = self._mend(frame, begins)
        elif self._made_up:
            frame = join(self._codec, self._extend(JOIN), frame)
            self._made_up = 0
        if len(codes) < self._slack:
            self._slack = len(codes)
        self._left -= 1
        if not self._left:
            self._surplus = max(0, self._slack - SPARE + FRAME) // FRAME
            self._reluctant = RELUCTANCE
            self._begin_review()
        if self._surplus:
            frame = self._hurry(frame)
        self._last = self._last[-FRAME:] + frame
        return frame

    def _begin_review(self) -> None:
        self._left = REVIEW
        self._slack = PLENTY

    def _starve(self) -> bytes | None:
        """Nothing is there in time."""
        self._debt += FRAME
        if self._debt > PATIENCE:
            self._hold = HOLD
            self._made_up = 0
            self._last = b""
            self._begin_review()
            self._surplus = 0
            return None
        return self._conceal(FRAME, self._last)

    def _conceal(self, count: int, heard: bytes) -> bytes | None:
        """What goes on after `heard`, or after what was made up before."""
        if not self._made_up:
            self._root = heard[-HISTORY:]
        if len(self._root) < FRAME or self._made_up >= FADED:
            self._made_up += count
            return None
        self.concealed += 1
        made_up = self._extend(count)
        self._made_up += count
        return made_up

    def _extend(self, count: int) -> bytes:
        if len(self._root) < FRAME or self._made_up >= FADED:
            return self._silence * count
        return extend(self._codec, self._root, self._made_up, count)

    def _mend(self, frame: bytes, begins: int) -> bytes:
        """Makes up what is missing of a frame."""
        whole = frame
        place = 0  # up to where the frame is done
        while self._gaps and self._gaps[0][0] < begins + FRAME:
            first, last = self._gaps[0]
            first, last = max(0, first - begins), min(FRAME, last - begins)
            if last <= first:
                del self._gaps[0]  # it lay in what was discarded
                continue
            if first > place and self._made_up:
                whole = whole[:place] + join(self._codec, self._extend(JOIN), whole[place:])
                self._made_up = 0
            made_up = self._conceal(last - first, self._last + whole[:first]) or self._silence * (last - first)
            whole = whole[:first] + made_up + whole[last:]
            place = last
            if begins + last < self._gaps[0][1]:
                break
            del self._gaps[0]
        if place < FRAME and self._made_up:
            whole = whole[:place] + join(self._codec, self._extend(JOIN), whole[place:])
            self._made_up = 0
        return whole

    def _hurry(self, frame: bytes) -> bytes:
        """Leaves a frame out of those that are too many, in a pause or when none came for long."""
        self._reluctant -= 1
        if len(self._codes) < FRAME or (self._reluctant > 0 and not self._quiet(frame)):
            return frame
        self._surplus -= 1
        self._reluctant = RELUCTANCE
        following = bytes(self._codes[:FRAME])
        self._discard(FRAME)
        return shorten(self._codec, frame, following)

    def _quiet(self, frame: bytes) -> bool:
        return len(frame.translate(None, _QUIET[self._codec])) < FRAME // 10
