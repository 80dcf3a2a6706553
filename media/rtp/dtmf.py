"""Telephone events (RFC 4733): keys pressed by a peer, keys sent to one."""

from __future__ import annotations

from collections import deque
from typing import Final

from media.rtp.outgoing import FRAME

KEYS: Final = "0123456789*#ABCD"
"""Events 0-15 (RFC 4733 §3.2)."""

RESTART: Final = 0.1
"""Seconds after which a start at a timestamp seen before is another press, as replayed captures send it."""

_END: Final = 0x80
_REMEMBERED: Final = 8
_LONGEST: Final = 0xFFFF
_VOLUME: Final = 10
_HELD: Final = 5


class _Press:
    """One press as far as it was seen."""

    __slots__ = ("at", "duration", "ended", "event", "seq", "ssrc", "ts")

    def __init__(self, event: int, ts: int, ssrc: int) -> None:
        self.event = event
        self.ts = ts
        self.ssrc = ssrc
        self.seq = 0
        self.duration = 0
        self.at = 0.0
        self.ended = False


class DigitReceiver:
    """Reads the keys of one peer, each at the first packet of its event that arrives and once only."""

    __slots__ = ("_presses",)

    def __init__(self) -> None:
        # The newest last: a late packet of one before must not be taken for a press of its own.
        self._presses: deque[_Press] = deque(maxlen=_REMEMBERED)

    def feed(self, now: float, seq: int, ts: int, ssrc: int, marker: bool, payload: bytes) -> str | None:
        """The key that this packet newly tells of, if any."""
        if len(payload) < 4 or payload[0] >= len(KEYS):
            return None
        event = payload[0]
        end = bool(payload[1] & _END)
        duration = int.from_bytes(payload[2:4], "big")
        press = self._known(now, seq, ts, ssrc, marker, event, duration, end)
        if press is None:
            press = _Press(event, ts, ssrc)
            self._presses.append(press)
            press.ended = end
            self._note(press, now, seq, duration)
            return KEYS[event]
        press.ended = press.ended or end
        self._note(press, now, seq, max(duration, press.duration))
        return None

    @staticmethod
    def _note(press: _Press, now: float, seq: int, duration: int) -> None:
        press.at = now
        press.duration = duration
        press.seq = seq

    def _known(
        self,
        now: float,
        seq: int,
        ts: int,
        ssrc: int,
        marker: bool,
        event: int,
        duration: int,
        end: bool,
    ) -> _Press | None:
        """The press that a packet belongs to, None when it begins one."""
        presses = self._presses
        for press in reversed(presses):
            if press.ts == ts and press.event == event and press.ssrc == ssrc:
                if now - press.at <= RESTART:
                    return press
                again = (
                    marker
                    or duration < press.duration
                    or not 0 < (seq - press.seq) & 0xFFFF < 0x8000
                    or press is not presses[-1]
                )
                return None if again else press
        if not presses or marker:
            return None
        last = presses[-1]
        if last.event != event or last.ssrc != ssrc or (last.ended and not end):
            return None
        # Some senders let the timestamp run: the packet right after another is of the same press.
        near = (seq - last.seq + 16) & 0xFFFF <= 17 and now - last.at <= RESTART
        # Segments of a long event follow one another without a gap (RFC 4733 §2.5.1.3).
        segment = not last.ended and (ts - last.ts) & 0xFFFFFFFF in (last.duration, _LONGEST)
        if not near and not segment:
            return None
        last.ts = ts
        last.duration = 0
        return last


class DigitSender:
    """Renders keys for a sender that steps every 20 ms: 100 ms each, 60 ms apart (RFC 4733 §2.5.1)."""

    STEPS: Final = 8
    """Steps a key takes: five while it is held, its end twice more, one of rest."""

    __slots__ = ("_at", "_events")

    def __init__(self, keys: str) -> None:
        """Raises ValueError for what is no key."""
        self._events: list[int] = []
        self._at = 0
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
        return step, bytes((self._events[key], flags)) + (FRAME * min(step + 1, _HELD)).to_bytes(2, "big")
