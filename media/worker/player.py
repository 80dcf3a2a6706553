"""What plays to a peer, and the 20 ms cadence at which it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from media.prompts import Prompt

TICK: Final = 0.005
"""Senders are due on this grid: the fewer wake-ups, the cheaper; a prompt begins that much later at most."""
PERIOD: Final = 4
"""Ticks between two packets of a sender."""
MAX_BEHIND: Final = 2 * PERIOD
"""After a stall at most two packets are made up for, the rest of the time is gone: no peer buffers a burst."""


class Playback:
    """Prompts one after the other, once or again and again, as ready frames."""

    __slots__ = ("_at", "_current", "_frames", "_loop", "_prompts", "play_id")

    def __init__(self, play_id: int, prompts: Sequence[Prompt], loop: bool, codec: str) -> None:
        self.play_id = play_id
        self._prompts = prompts
        self._loop = loop
        self._current = 0
        self._at = 0
        self._frames: Sequence[bytes] = ()
        self.use(codec)

    def use(self, codec: str) -> None:
        """Goes on in another codec."""
        if self._prompts:
            # Of a codec that is only relayed there are no frames: such a prompt is over at once.
            self._frames = self._prompts[self._current].spoken(codec, self._at)

    def next(self, codec: str) -> bytes | None:
        """The next frame; None at the end."""
        at = self._at
        if at >= len(self._frames):
            if not self._advance(codec):
                return None
            at = 0
        self._at = at + 1
        return self._frames[at]

    def _advance(self, codec: str) -> bool:
        """Goes to the next prompt that has any frame."""
        for _ in self._prompts:
            self._current += 1
            if self._current == len(self._prompts):
                if not self._loop:
                    self._current -= 1
                    return False
                self._current = 0
            self._at = 0
            self.use(codec)
            if self._frames:
                return True
        return False


class Sender(Protocol):
    """What the cadence drives."""

    def step(self, now: float) -> bool:
        """Sends its next packet; False when it has nothing more to send."""


class Cadence:
    """Calls each sender every 20 ms on a fixed grid, so that nothing drifts.

    The grid repeats after PERIOD ticks: a sender stays in the slot of its first packet, cheaper than a heap.
    """

    def __init__(self) -> None:
        self.late_max = 0.0
        self._slots: list[list[Sender]] = [[] for _ in range(PERIOD)]
        self._where: dict[Sender, int] = {}
        self._joining: list[Sender] = []
        self._tick = 0  # the next one to be served; tick n is due at n * TICK

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, sender: Sender) -> bool:
        return sender in self._where

    def add(self, sender: Sender, now: float) -> None:
        """Lets `sender` step for the first time at the next tick."""
        self.run(now)
        self._tick = int(now / TICK) + 1
        slot = self._tick % PERIOD
        self._where[sender] = slot
        self._slots[slot].append(sender)

    def join(self, sender: Sender) -> None:
        """Lets `sender` step from the next run on, for one who does not know the time."""
        self._joining.append(sender)

    def remove(self, sender: Sender) -> None:
        """Stops `sender`; nothing happens if it was not running."""
        if sender in self._joining:
            self._joining.remove(sender)
        slot = self._where.pop(sender, None)
        if slot is not None:
            self._slots[slot].remove(sender)

    def next_due(self) -> float | None:
        """When to call `run` next; None when nobody is to be served."""
        if self._joining:
            return 0.0
        if not self._where:
            return None
        tick = self._tick
        while not self._slots[tick % PERIOD]:
            tick += 1
        return tick * TICK

    def run(self, now: float) -> None:
        """Serves every tick up to `now`."""
        while self._joining:
            self.add(self._joining.pop(), now)
        if not self._where:
            return
        last = int(now / TICK)
        if last - self._tick >= MAX_BEHIND:
            self.late_max = max(self.late_max, now - self._tick * TICK)
            self._tick = last - MAX_BEHIND + 1
        while self._tick <= last:
            tick = self._tick
            self._tick += 1
            slot = self._slots[tick % PERIOD]
            if slot:
                self.late_max = max(self.late_max, now - tick * TICK)
                for sender in slot.copy():
                    alive = False
                    try:
                        alive = sender.step(now)
                    finally:
                        # One that fails is not to fail again every 20 ms, to the cost of those behind it.
                        if not alive:
                            self.remove(sender)
