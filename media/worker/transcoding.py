"""Two bridged sessions that cannot be relayed as they are: each is decoded, and encoded for the other, every 20 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from media import g711
from media.codecs import CODED, decoder
from media.g711 import CodecName
from media.rtp.coded_buffer import CodedBuffer
from media.rtp.jitter import JitterBuffer

if TYPE_CHECKING:
    from media.worker.bridged import Bridged

NARROW: Final = 8000
WIDE: Final = 16000
"""Where neither side is of 8 kHz."""


class Ear(Protocol):
    """What a session says, as samples: packets as they come, 20 ms whenever they are asked for."""

    concealed: int
    dropped: int

    def put(self, seq: int, ts: int, ssrc: int, payload: bytes) -> None:
        """Takes a packet."""

    def skip(self, seq: int) -> None:
        """A packet of the stream that holds no audio: it is not lost."""

    def clear(self) -> None:
        """Forgets everything."""

    def take(self) -> bytes | None:
        """The next 20 ms; None for silence."""


class _Codes(JitterBuffer):
    """A stream of G.711 as samples."""

    __slots__ = ("_law",)

    def __init__(self, law: CodecName) -> None:
        super().__init__(law)
        self._law = law

    def take(self) -> bytes | None:
        frame = super().take()
        return None if frame is None else g711.decode(self._law, frame)


def ear_of(codec: str, clock: int, rate: int) -> Ear:
    """The ear for a codec of ours, with samples at `rate`."""
    if codec in CODED:
        return CodedBuffer(decoder(codec, rate), clock, rate)
    return _Codes("PCMU" if codec == "PCMU" else "PCMA")


class _Way:
    """One direction."""

    def __init__(self, source: Bridged, target: Bridged, rate: int) -> None:
        self.source = source
        self.target = target
        self.rate = rate
        self.heard = False
        self.open = False
        self.ear = ear_of(source.codec, source.clock, rate)
        self._silence = bytes(rate * 2 // 50)

    def step(self, now: float) -> None:
        """Passes 20 ms on; where the source pauses, silence."""
        frame = self.ear.take()
        if frame is not None:
            self.heard = True
        if self.heard and self.open:
            self.target.say_samples(frame or self._silence, self.rate, now)


class Transcoding:
    """Between two sessions, until `end`."""

    def __init__(self, a: Bridged, b: Bridged) -> None:
        rate = WIDE if a.codec in CODED and b.codec in CODED else NARROW
        self._ways = (_Way(a, b, rate), _Way(b, a, rate))
        self._cadence = a.host.cadence
        self._cadence.join(self)

    def ear(self, session: Bridged) -> Ear:
        """What takes the packets of one of the two."""
        return self._way(session).ear

    def listen(self, session: Bridged, on: bool) -> None:
        """Whether the other one is to hear it."""
        way = self._way(session)
        way.open = on
        if not on:
            way.ear.clear()
            way.heard = False

    def _way(self, session: Bridged) -> _Way:
        return self._ways[0] if self._ways[0].source is session else self._ways[1]

    def step(self, now: float) -> bool:
        """Sends the next 20 ms both ways."""
        for way in self._ways:
            way.step(now)
        return True

    def end(self) -> None:
        """Stops, and lets the sessions know what was wrong with what they said."""
        self._cadence.remove(self)
        for way in self._ways:
            way.source.concealed += way.ear.concealed
            way.source.skipped += way.ear.dropped
