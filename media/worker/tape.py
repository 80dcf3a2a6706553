"""What is copied of one session for the recorder: packets as they pass, collected until they are handed over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from media.codecs import CODED, KNOWN
from media.events import Event, MessageDone, Recorded
from media.g711 import SILENCE, CodecName, decode
from media.recorder.coded import CodedTrack
from media.recorder.protocol import LEFT, PACKET, RIGHT, Audio, Begin, Done, End, KeysForUs, Mark, ToRecorder
from media.rtp.packet import parse
from media.worker.ports import BUFFER, VIEWS

if TYPE_CHECKING:
    from media.control import Message
    from media.worker.session import Session

FLUSH: Final = 1.0
"""Seconds between two hand-overs of a recording: the longer, the cheaper, and the more is lost by a crash."""
FLUSH_MESSAGE: Final = 0.1
"""The same of a message, whose end is decided then."""
KEEP: Final = 1 << 16
"""Octets of a side that wait for a recorder that is away, over seven seconds; also the most in one hand-over."""
TAIL: Final = 0.4
"""Seconds that stay of the silence at the end of a message."""
LEAK: Final = 0.06
"""Seconds of a key's tone that some gateways let through before they tell of the key."""
RECENT: Final = 0.5
"""Seconds after the last key for the switch in which its tone may still be on its way."""
QUIET: Final = 500
"""The highest sample, of 32,767, that is taken for noise of the line."""
VOICED: Final = 0.1
"""How much of a packet must be louder to be a voice."""

NOTHING: Final = "nothing"
"""Why nothing is copied before the beginning."""
Copy = Callable[[int], None]
Give = Callable[[bytes | memoryview], None]

_HEADER: Final = 12
_pack = PACKET.pack
_CODECS: Final[tuple[CodecName, ...]] = ("PCMA", "PCMU")
_QUIET: Final[dict[str, bytes]] = {
    codec: bytes(
        code for code in range(256) if abs(int.from_bytes(decode(codec, bytes([code])), "little", signed=True)) <= QUIET
    )
    for codec in _CODECS
}


class Side:
    """The packets of one direction since the last hand-over."""

    __slots__ = ("codec", "data", "dropped", "looked", "number", "payload_type")

    def __init__(self, number: int) -> None:
        self.number = number
        self.data = bytearray()
        self.dropped = False
        self.looked = 0
        self.codec = ""
        self.payload_type = -1

    def take(self, key: int) -> Audio | None:
        """What there is, once."""
        data = self.data
        if not data:
            return None
        audio = Audio(key, self.number, self.codec, self.payload_type, bytes(data), self.dropped)
        data.clear()
        self.looked = 0
        self.dropped = False
        return audio

    def drop(self) -> None:
        """Gives up what there is."""
        self.data.clear()
        self.looked = 0
        self.dropped = True

    def heard(self, clock: Callable[[], float]) -> Copy:
        """Copies the first octets of BUFFER; of what is no audio the header alone, which tells no key."""
        append, payload_type = self.data.extend, self.payload_type

        def copy(size: int) -> None:
            if size < _HEADER:
                return
            if BUFFER[1] & 0x7F != payload_type:
                size = _HEADER
            append(_pack(clock(), size))
            append(VIEWS[size])

        return copy

    def muffled(self, clock: Callable[[], float]) -> Copy:
        """Copies what comes as if it were silence; its time goes on."""
        append = self.data.extend
        # Of a codec with a state nothing can be said to be silence: its header alone tells of the time.
        silence = b"" if self.codec in CODED else bytes([SILENCE[self.codec]])

        def copy(size: int) -> None:
            packet = parse(bytes(VIEWS[size]))
            if packet is not None:
                data = bytes(replace(packet, payload=silence * len(packet.payload)))
                append(_pack(clock(), len(data)))
                append(data)

        return copy

    def said(self, clock: Callable[[], float]) -> Give:
        """Copies a packet that is sent, in the same way."""
        append, payload_type = self.data.extend, self.payload_type

        def copy(data: bytes | memoryview) -> None:
            if data[1] & 0x7F != payload_type:
                data = data[:_HEADER]
            append(_pack(clock(), len(data)))
            append(data)

        return copy


class Tape:
    """One recording, from its command to the recorder's answer: left what the peer says, right what it hears."""

    __slots__ = ("_for_us", "_muted", "_taken_at", "_why", "begun", "clock", "due", "ended_at", "gen", "hidden_by",
                 "key", "name", "origin", "path", "paused", "port", "reason", "session", "sides", "started_us",
                 "stopped_at")  # fmt: skip

    period = FLUSH

    def __init__(
        self, key: int, session: Session, name: str, path: str, now: float, clock: Callable[[], float]
    ) -> None:
        self.key = key
        self.session = session
        self.port = session.port.number
        self.gen = session.gen
        self.name = name
        self.path = path
        self.origin = now
        self.started_us = time.time_ns() // 1000
        self.clock = clock
        self.sides = self._sides()
        self.hidden_by: tuple[int, int] | None = None  # another session whose secrets it would hold
        self.begun = self.paused = False
        self.due = 0.0
        self.stopped_at: float | None = None
        self.ended_at = 0.0  # its last sample
        self.reason = ""
        self._why = NOTHING
        self._muted = False
        # Whether keys are for the switch, and since when they are no more; None: they never were.
        self._for_us = False
        self._taken_at: float | None = None

    def _sides(self) -> list[Side]:
        return [Side(LEFT), Side(RIGHT)]

    def begin(self) -> list[ToRecorder]:
        """What a connection that does not know it has to be told first."""
        messages: list[ToRecorder] = [
            Begin(self.key, self.name, self.path, len(self.sides), self.origin, self.started_us, self.begun)
        ]
        self.begun = True
        if self._for_us or self._taken_at is not None:
            # What waited for this connection may have keys in it.
            messages.append(KeysForUs(self.key, self.origin, True))
        if not self._for_us and self._taken_at is not None:
            messages.append(KeysForUs(self.key, self._taken_at, False))
        if self._why not in ("", NOTHING):
            messages.append(Mark(self.key, self.clock(), self._why))
        if self.stopped_at is not None:
            messages.append(End(self.key, self.ended_at))
        return messages

    def tune(self, hidden: bool) -> list[ToRecorder]:
        """Copies, or does not, as the session is now; what was copied so far and what the change means."""
        session = self.session
        heard, said, codec = session.formats
        # Where keys are for the switch the recorder takes them out, so that nothing said beside them is lost.
        muted = session.muted or (session.hushed and not session.listens)
        why = "paused" if self.paused else "concealed" if hidden else "" if codec in KNOWN else "codec"
        formats = [(codec, heard), (codec, said)]
        known = [(side.codec, side.payload_type) for side in self.sides]
        messages: list[ToRecorder] = []
        ours = session.ours_until > self.clock()
        if ours is not self._for_us:
            self._for_us = ours
            self._taken_at = None if ours else session.ours_until
            messages.append(KeysForUs(self.key, self._taken_at or self.clock(), ours))
        elif self._why is NOTHING and not ours and session.quiet_until > self.origin - RECENT:
            # A key of just before may sound yet.
            self._taken_at = max(session.ours_until, self.origin)
        if why == self._why and known == formats[: len(known)] and muted is self._muted:
            return messages
        self.listen()
        messages += self.take()
        for side, (codec, payload_type) in zip(self.sides, formats, strict=False):
            side.codec, side.payload_type = codec, payload_type
        if why:
            session.copy(None, None)
        else:
            left = self.sides[LEFT]
            copy = left.muffled(self.clock) if muted else left.heard(self.clock)
            session.copy(copy, self.sides[RIGHT].said(self.clock) if len(self.sides) > 1 else None)
        if why != self._why and (why or self._why != NOTHING):
            messages.append(Mark(self.key, self.clock(), why))
        self._why = why
        self._muted = muted
        return messages

    def take(self) -> list[ToRecorder]:
        """What was copied since the last time."""
        return [audio for side in self.sides if (audio := side.take(self.key)) is not None]

    def listen(self) -> None:
        """Notes what was said since the last time, where that matters."""

    def drop(self, most: int) -> None:
        """Gives up what no recorder takes, where it is more than `most` octets."""
        for side in self.sides:
            if len(side.data) > most:
                side.drop()

    def stop(self, at: float, now: float, reason: str) -> list[ToRecorder]:
        """Copies no more; `at` is where it ends. What there still is to be told."""
        self.session.copy(None, None)
        self.listen()
        messages = self.take()
        self.stopped_at = now
        self.ended_at = self._last(at)
        self.reason = reason
        return [*messages, End(self.key, self.ended_at)]

    def _last(self, at: float) -> float:
        return at

    def over(self, now: float) -> str:
        """Why it ends by itself at `now`, if it does."""
        return ""

    def ends_with(self, digit: str) -> bool:
        """Whether a key ends it."""
        return False

    def result(self, done: Done) -> Event:
        """What signalling is told."""
        return Recorded(self.port, self.gen, self.name, self.path, done.seconds, done.octets, done.gaps, done.reason)


class MessageTape(Tape):
    """What the caller alone says, until a key, a silence or the limit."""

    __slots__ = ("_coded", "_order", "_voice_at")

    period = FLUSH_MESSAGE

    def __init__(self, key: int, session: Session, order: Message, now: float, clock: Callable[[], float]) -> None:
        super().__init__(key, session, f"message {order.message_id}", order.path, now, clock)
        self._order = order
        self._coded: CodedTrack | None = None
        self._voice_at: float | None = None

    def _sides(self) -> list[Side]:
        return [Side(LEFT)]

    def listen(self) -> None:
        """Looks through what came since the last time for a voice."""
        side = self.sides[LEFT]
        data, codec = bytes(side.data[side.looked :]), side.codec
        if codec in CODED:
            if self._coded is None or self._coded.codec != codec:
                self._coded = CodedTrack(codec)
            data, codec = self._coded.as_alaw(data, side.payload_type), "PCMA"
        at = voice_ends(data, codec)
        side.looked = len(side.data)
        if at is not None:
            self._voice_at = at

    def _last(self, at: float) -> float:
        """Before the silence at the end; before its beginning where nothing was said."""
        if self._voice_at is None:
            return self.origin - 1.0
        return max(self.origin, min(at, self._voice_at + TAIL))

    def over(self, now: float) -> str:
        """Silence or limit."""
        since = self.origin if self._voice_at is None else self._voice_at
        if now - self.origin >= self._order.max_seconds:
            return "limit"
        if 0.0 < self._order.silence_seconds <= now - since:
            return "silence"
        return ""

    def ends_with(self, digit: str) -> bool:
        """Whether it is one of the terminators."""
        return digit in self._order.terminators

    def result(self, done: Done) -> Event:
        """What signalling is told."""
        reason = "failed" if done.reason else self.reason
        return MessageDone(self.port, self.gen, self._order.message_id, done.seconds, reason)


def voice_ends(data: bytes, codec: str) -> float | None:
    """When the last packet with a voice in it came; None without one."""
    quiet = _QUIET.get(codec)
    if quiet is None:
        return None
    found = None
    at = 0
    while at < len(data):
        time_of, size = PACKET.unpack_from(data, at)
        at += PACKET.size + size
        payload = data[at - size + _HEADER : at]
        # Counting what is left after taking the faint codes out needs no loop.
        if len(payload.translate(None, quiet)) > VOICED * len(payload):
            found = float(time_of)
    return found
