"""Callers who listen, speak and key digits: RTP alone, at ports that somebody else's signalling names.

One thread sends for all of them, each at its own place in the 20 ms, from the moment it hears something: PCMA of 20 ms
to where the first packet came from, and telephone events (RFC 4733) in the same stream. What they hear is never timed
by that thread: each packet carries the kernel's stamp of its arrival (SO_TIMESTAMPNS), on loopback that of its sending,
and waits in its socket until the thread comes by.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import socket
import struct
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

AUDIO: Final = 8
EVENT: Final = 101
FRAME: Final = 160
TICK: Final = 0.02
EVENT_TICKS: Final = 5
"""Packets of a digit, 20 ms apart; two more follow the last, as RFC 4733 section 2.5.1.4 wants."""
_PLACES: Final = 20
_STEP: Final = TICK / _PLACES
_READ_EVERY: Final = 5
"""Ticks between two looks at a socket."""
_SO_TIMESTAMPNS: Final = 35
_SPEECH: Final = bytes(0x55 ^ (n * 7 & 0x3F) for n in range(FRAME))
_STAMP: Final = struct.calcsize("@ll")

HEARD: Final = np.dtype([("first", "u1"), ("second", "u1"), ("seq", ">u2"), ("ts", ">u4"), ("ssrc", ">u4")])
STAMPS: Final = np.dtype([("seconds", "i8"), ("nanoseconds", "i8")])


class Stream(NamedTuple):
    """What one caller heard, packet by packet: nanoseconds since the epoch, sequence numbers, marker bits."""

    at: NDArray[np.int64]
    seq: NDArray[np.int64]
    marker: NDArray[np.bool_]


class Caller:
    """One caller's socket, and what is still to be sent from it."""

    def __init__(self, keys: str, moments: Sequence[float]) -> None:
        """`moments`: seconds from the first packet heard to each of `keys`."""
        self.keys = keys
        self.keyed = 0
        self._due = [round(moment / TICK) for moment in moments]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._heads = bytearray()
        self._stamps = bytearray()
        self._buffer = bytearray(HEARD.itemsize)
        self._connected = False
        self._tick = 0
        self._event = 0
        self._event_ts = 0
        self._seq = random.getrandbits(15)
        self._ts = random.getrandbits(31)
        self._ssrc = random.getrandbits(32)

    def read(self) -> None:
        """Take what has come; the first packet tells where to send."""
        receive, buffers = self._socket.recvmsg_into, (self._buffer,)
        with contextlib.suppress(OSError):
            while True:
                size, extra, _, source = receive(buffers, 64)
                if size < HEARD.itemsize or not extra or self._buffer[1] & 127 not in (0, AUDIO):
                    continue
                self._heads += self._buffer
                self._stamps += extra[0][2]
                if not self._connected:
                    self._socket.connect(source)
                    self._connected = True

    def speak(self, aloud: bool) -> None:
        """Send the packet of this tick: a digit's, else speech if it is to be heard."""
        if not self._connected or (self.keyed == len(self.keys) and not self._event):
            return
        self._tick += 1
        self._ts = (self._ts + FRAME) & 0xFFFFFFFF
        if not self._event and self.keyed < len(self.keys) and self._tick >= self._due[self.keyed]:
            self._event, self._event_ts = 1, self._ts
        if self._event:
            self._key()
        elif aloud:
            self._send(AUDIO, self._ts, _SPEECH)

    def _key(self) -> None:
        """Send one packet of a digit, the last three times."""
        step, code = self._event, "0123456789*#".index(self.keys[self.keyed])
        last = step == EVENT_TICKS
        body = struct.pack("!BBH", code, 0x8A if last else 0x0A, step * FRAME)
        for _ in range(3 if last else 1):
            self._send(EVENT | (0x80 if step == 1 else 0), self._event_ts, body)
        self._event = 0 if last else step + 1
        self.keyed += last

    def _send(self, second: int, ts: int, body: bytes) -> None:
        self._seq = (self._seq + 1) & 0xFFFF
        with contextlib.suppress(OSError):
            self._socket.send(struct.pack("!BBHII", 0x80, second, self._seq, ts, self._ssrc) + body)

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()

    def stream(self) -> Stream:
        """What it heard."""
        heads, stamps = np.frombuffer(self._heads, HEARD), np.frombuffer(self._stamps, STAMPS)
        at = stamps["seconds"] * 1_000_000_000 + stamps["nanoseconds"]
        return Stream(at, heads["seq"].astype(np.int64), heads["second"] >= 0x80)


class Callers:
    """All callers and their thread."""

    def __init__(self, keys: Sequence[str], moments: Sequence[float], cpus: frozenset[int] = frozenset()) -> None:
        """`keys` of each caller; `cpus`: where the thread may run, anywhere if empty."""
        self._keys, self._moments, self._cpus = keys, moments, cpus
        self.everybody: list[Caller] = []
        self.speaking = True
        self.late_max = 0.0
        """Seconds that the thread was behind at most."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Open the sockets and begin to listen."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < len(self._keys) + 200:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.everybody = [Caller(keys, self._moments) for keys in self._keys]
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """Hear what has come, then close the sockets."""
        self._stop.set()
        self._thread.join()
        for caller in self.everybody:
            caller.read()
            caller.close()

    def _run(self) -> None:
        """Serve every place of every 20 ms until told to stop."""
        if self._cpus:
            os.sched_setaffinity(0, self._cpus)
        places = [self.everybody[n::_PLACES] for n in range(_PLACES)]
        begun, step = time.monotonic(), 0
        while not self._stop.is_set():
            place = places[step % _PLACES]
            speaking, reads = self.speaking, step // _PLACES % _READ_EVERY
            for number, caller in enumerate(place):
                caller.speak(speaking)
                if number % _READ_EVERY == reads:
                    caller.read()
            step += 1
            spare = begun + step * _STEP - time.monotonic()
            self.late_max = max(self.late_max, -spare)
            if spare > 0:
                time.sleep(spare)
