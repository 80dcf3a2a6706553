"""One child process: how it is started, what it was told, how often it died."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from typing import Final

from switchboard.supervisor.channel import Channel, channel_pair

RESTARTS: Final = 5
"""Restarts allowed within WINDOW before a child is taken for broken."""

WINDOW: Final = 60.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


class Child:
    """A process of this switch in the supervisor's process group; at most one runs at a time."""

    def __init__(self, name: str, arguments: Sequence[str], inherited: Sequence[int] = ()) -> None:
        self.name = name
        self.arguments = tuple(arguments)
        self.inherited = tuple(inherited)
        self.ready = False
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: Channel | None = None
        self.restarts = 0
        self._deaths: deque[float] = deque(maxlen=RESTARTS)

    @property
    def alive(self) -> bool:
        """It has been started and its end has not been seen yet."""
        return self.process is not None

    def start(self) -> Channel:
        """Execute the process with its end of a new channel; never called from a running event loop."""
        channel, theirs = channel_pair()
        descriptor = theirs.fileno()
        try:
            self.process = subprocess.Popen(  # noqa: S603  # our own interpreter and modules
                [sys.executable, "-m", *self.arguments, "--supervisor-fd", str(descriptor)],
                pass_fds=(descriptor, *self.inherited),
                stdin=subprocess.DEVNULL,
                preexec_fn=_ignore_signals,
            )
        except OSError:
            channel.close()
            raise
        finally:
            theirs.close()
        self.channel = channel
        self.ready = False
        return channel

    def tell(self, message: dict[str, object], descriptors: Sequence[int] = ()) -> None:
        """Send a message if there is a process to read it."""
        if self.channel is not None:
            self.channel.send(message, descriptors)

    def reap(self) -> int | None:
        """The exit status if the process has ended since the last call: negative for a signal."""
        if self.process is None:
            return None
        status = self.process.poll()
        if status is not None:
            self.process = None
        return status

    def kill(self) -> None:
        """End it now."""
        if self.process is not None:
            self.process.kill()

    def pause_before_restart(self, now: float) -> float | None:
        """Seconds to wait after a death at ``now``, longer each time; None when it dies too often."""
        recent = sum(1 for death in self._deaths if now - death < WINDOW)
        self._deaths.append(now)
        if recent >= RESTARTS:
            return None
        return min(_FIRST_PAUSE * 2.0**recent, _LONGEST_PAUSE)


def ending(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by {signal.Signals(-status).name}"
    except ValueError:
        return f"by signal {-status}"


def _ignore_signals() -> None:
    """Runs in the child before exec: stopping comes by message, whatever the terminal sends to the group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
