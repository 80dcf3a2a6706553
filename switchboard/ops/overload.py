"""When the switch cannot keep up: how large a part of new calls is refused, so that those that are up do not suffer.

Ideas of RFC 6357: the signalling's own delay is the measure (§4.2), a part of new calls is refused rather than all
or none (§5.2), and what begins at one limit ends well below it, so that the switch does not swing to and fro.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

WHOLE: Final = 256
"""The level at which every new call is refused."""
PATIENCE: Final = 3
"""Looks in a row, 100 ms apart, that find too much before anything is refused."""
RISE: Final = 32
"""By how much the level rises at each look while there is too much, times how far it is beyond the limit."""
FALL: Final = 8
"""By how much it falls at each look once there is little: from all to none takes three seconds."""
CALM: Final = 0.5
"""Part of the greatest delay below which fewer are refused."""
CALM_MEMORY: Final = 0.95
LOOKS_AT_MEMORY: Final = 10
"""Each so many looks the memory is read anew."""

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Overload:
    """Looks at delay and memory every 100 ms; `set_level` gets the part of new calls to refuse, 0 to `WHOLE`.

    A limit of 0 is none. `tell(event, values)` hears when refusing begins and ends.
    """

    def __init__(
        self,
        *,
        delay: float,
        memory: int,
        set_level: Callable[[int], None],
        tell: Callable[..., None],
        resident: Callable[[], int] | None = None,
    ) -> None:
        """`delay` in seconds, `memory` in octets; `resident` reads the memory of this process."""
        self.level = 0
        self.delay = 0.0
        """Seconds at the last look."""
        self.times = 0
        """How often refusing began."""
        self._most_delay = delay
        self._most_memory = memory
        self._set_level = set_level
        self._tell = tell
        self._resident = resident or resident_octets
        self._memory = 0
        self._looks = 0
        self._found = 0

    def look(self, delay: float) -> None:
        """Take what signalling waits at the moment, in seconds; called every 100 ms."""
        self.delay = delay
        if self._most_memory and self._looks % LOOKS_AT_MEMORY == 0:
            self._memory = self._resident()
        self._looks += 1
        beyond = self._beyond()
        if beyond >= 1.0:
            self._found += 1
            if self._found >= PATIENCE:
                self._move(min(WHOLE, self.level + round(RISE * min(beyond, 4.0))))
            return
        self._found = 0
        if self.level and self._calm():
            self._move(max(0, self.level - FALL))

    def share(self) -> float:
        """The part of new calls that is refused, 0 to 1."""
        return self.level / WHOLE

    def _beyond(self) -> float:
        """How large delay or memory is, compared with its limit."""
        delay = self.delay / self._most_delay if self._most_delay else 0.0
        memory = self._memory / self._most_memory if self._most_memory else 0.0
        return max(delay, memory)

    def _calm(self) -> bool:
        calm = not self._most_delay or self.delay < CALM * self._most_delay
        return calm and (not self._most_memory or self._memory < CALM_MEMORY * self._most_memory)

    def _move(self, level: int) -> None:
        before, self.level = self.level, level
        self._set_level(level)
        if not before:
            self.times += 1
            self._tell("overload.began", delay_ms=round(self.delay * 1000), megabytes=self._memory >> 20)
        elif not level:
            self._tell("overload.ended", delay_ms=round(self.delay * 1000), megabytes=self._memory >> 20)


def resident_octets() -> int:
    """The resident memory of this process; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
