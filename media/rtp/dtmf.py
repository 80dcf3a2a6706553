"""Telephone events (RFC 4733): keys pressed by a peer, keys sent to one."""

from __future__ import annotations

from collections import deque
from typing import Final

KEYS: Final = "0123456789*#ABCD"
"""Events 0-15 (RFC 4733 §3.2)."""

RESTART: Final = 0.1
"""Seconds after which a start at a timestamp seen before may be another press, as replayed captures send it."""

HELD: Final = 0.2
"""A key is held for long beyond so many seconds."""

_END: Final = 0x80
_REMEMBERED: Final = 8
_MISORDERED: Final = 3
_LONGEST: Final = 0xFFFF
_VOLUME: Final = 10
_HELD: Final = 5


class _Press:
    """One press as far as it was seen; also what a single packet tells of one."""

    __slots__ = ("at", "duration", "ended", "event", "held", "seq", "ssrc", "ts")

    def __init__(self, at: float, seq: int, ts: int, ssrc: int, payload: bytes) -> None:
        self.at = at
        self.seq = seq
        self.ts = ts
        self.ssrc = ssrc
        self.event = payload[0]
        self.ended = bool(payload[1] & _END)
        self.duration = int.from_bytes(payload[2:4], "big")
        # What was told of its being held: False while it is, True of its end.
        self.held: bool | None = None

    def add(self, packet: _Press) -> None:
        """Notes a further packet."""
        self.at = packet.at
        self.seq = packet.seq
        self.duration = max(packet.duration, self.duration)
        self.ended = self.ended or packet.ended

    def goes_on_with(self, packet: _Press, marker: bool) -> bool:
        """Whether a packet at the same timestamp that has been waited for continues the press.

        The network may have stood still in the midst of it, and what it held back may have changed places. A press
        that looks the same, as captures send it that are played again, is marked, or its packets number far less.
        """
        ahead = ((packet.seq - self.seq + 0x8000) & 0xFFFF) - 0x8000
        growth = packet.duration - self.duration
        return not marker and (growth >= 0 if ahead > 0 else ahead >= -_MISORDERED and growth <= 0)


class DigitReceiver:
    """Reads the keys of one peer, each at the first packet of its event that arrives and once only."""

    __slots__ = ("_presses", "clock")

    def __init__(self) -> None:
        self.clock = 8000.0
        """Of the events' durations, in Hz."""
        # The newest last: a late packet of one before must not be taken for a press of its own.
        self._presses: deque[_Press] = deque(maxlen=_REMEMBERED)

    def feed(self, now: float, seq: int, ts: int, ssrc: int, marker: bool, payload: bytes) -> str | None:
        """The key that this packet newly tells of, if any."""
        if len(payload) < 4 or payload[0] >= len(KEYS):
            return None
        packet = _Press(now, seq, ts, ssrc, payload)
        press = self._known(packet, marker)
        if press is None:
            self._presses.append(packet)
            return KEYS[packet.event]
        press.add(packet)
        return None

    def held(self) -> tuple[str, bool] | None:
        """The latest key, if it is newly known to be held for long, or to be no more: its end is the True."""
        if not self._presses:
            return None
        press = self._presses[-1]
        if press.held or press.held is press.ended or press.duration <= HELD * self.clock:
            return None
        press.held = press.ended
        return KEYS[press.event], press.ended

    def goes_on(self, now: float, seq: int, ts: int, ssrc: int, marker: bool, payload: bytes) -> bool:
        """Whether this packet is of a key that was told before; it begins none."""
        if len(payload) < 4 or not self._presses:
            return False
        packet = _Press(now, seq, ts, ssrc, payload)
        press = self._known(packet, marker)
        if press is not None:
            press.add(packet)
        return press is not None

    def _known(self, packet: _Press, marker: bool) -> _Press | None:
        """The press that a packet belongs to, None when it begins one."""
        presses = self._presses
        for press in reversed(presses):
            if press.ts == packet.ts and press.event == packet.event and press.ssrc == packet.ssrc:
                goes_on = press is presses[-1] and press.goes_on_with(packet, marker)
                return press if packet.at - press.at <= RESTART or goes_on else None
        if not presses or marker:
            return None
        last = presses[-1]
        if last.event != packet.event or last.ssrc != packet.ssrc or (last.ended and not packet.ended):
            return None
        # Some senders let the timestamp run: the packet right after another is of the same press.
        near = (packet.seq - last.seq + 16) & 0xFFFF <= 17 and packet.at - last.at <= RESTART
        # Segments of a long event follow one another without a gap (RFC 4733 §2.5.1.3).
        segment = not last.ended and (packet.ts - last.ts) & 0xFFFFFFFF in (last.duration, _LONGEST)
        if not near and not segment:
            return None
        last.ts = packet.ts
        last.duration = 0
        return last


class DigitSender:
    """Renders keys for a sender that steps every 20 ms: 100 ms each, 60 ms apart (RFC 4733 §2.5.1)."""

    STEPS: Final = 8
    """Steps a key takes: five while it is held, its end twice more, one of rest."""

    __slots__ = ("_at", "_events", "_step")

    def __init__(self, keys: str, clock: int = 8000) -> None:
        """Durations are in ticks of `clock`; raises ValueError for what is no key."""
        self._events: list[int] = []
        self._at = 0
        self._step = clock // 50
        self.append(keys)

    def append(self, keys: str) -> None:
        """Sends `keys` after the others; raises ValueError for what is no key."""
        events = [KEYS.find(key) for key in keys.upper()]
        if -1 in events:
            raise ValueError(f"{keys!r} has other characters than {KEYS}")
        self._events += events

    @property
    def done(self) -> bool:
        """Whether every key was sent."""
        return self._at >= self.STEPS * len(self._events)

    def step(self) -> tuple[int, bytes] | None:
        """The next packet's distance in steps from its event's timestamp and its payload; None for a rest.

        Distance 0 is the first packet of an event and carries the marker.
        """
        key, step = divmod(self._at, self.STEPS)
        self._at += 1
        if step == self.STEPS - 1:
            return None
        flags = _VOLUME | (_END if step >= _HELD - 1 else 0)
        return step, bytes((self._events[key], flags)) + (self._step * min(step + 1, _HELD)).to_bytes(2, "big")
