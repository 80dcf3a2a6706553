"""RTP as the bench's own phone sends, receives and hears it, independent of the switch it judges."""

from __future__ import annotations

import asyncio
import bisect
import functools
import math
import random
import socket
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, cast

RATE: Final = 8000
FRAME: Final = 160
TICK: Final = FRAME / RATE
EVENTS: Final = "0123456789*#ABCD"
_KEPT: Final = 60_000
"""Packets a port remembers: twenty minutes of one call."""


class Packet(NamedTuple):
    """One received RTP packet."""

    at: float
    sequence: int
    timestamp: int
    payload_type: int
    marker: bool
    ssrc: int
    payload: bytes
    source: tuple[str, int]


class KeyedDigit(NamedTuple):
    """One digit sent, with the monotonic times of its first and last packet."""

    digit: str
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class Stats:
    """What a port has seen so far (jitter by RFC 3550 A.8, in milliseconds)."""

    sent: int
    received: int
    lost: int
    duplicates: int
    jitter_ms: float
    streams: int
    first_at: float | None
    last_at: float | None


def _alaw(code: int) -> int:
    """Linear value of an A-law octet (ITU-T G.711)."""
    code ^= 0x55
    step, segment = (code & 0x0F) << 4, (code & 0x70) >> 4
    value = step + 8 if segment == 0 else (step + 0x108) << (segment - 1)
    return value if code & 0x80 else -value


def _ulaw(code: int) -> int:
    """Linear value of a mu-law octet (ITU-T G.711)."""
    code = ~code & 0xFF
    value = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return -value if code & 0x80 else value


_DECODE: Final = {8: [_alaw(c) for c in range(256)], 0: [_ulaw(c) for c in range(256)]}
ALAW: Final = tuple(_DECODE[8])
"""Linear value of each A-law octet, all different."""


def encode(samples: list[int], payload_type: int) -> bytes:
    """G.711 octets nearest to the samples."""
    ordered = sorted((value, code) for code, value in enumerate(_DECODE[payload_type]))
    values = [value for value, _ in ordered]
    out = bytearray()
    for sample in samples:
        i = min(max(bisect.bisect_right(values, sample), 1), 255)
        out.append(ordered[i if 2 * sample >= values[i] + values[i - 1] else i - 1][1])
    return bytes(out)


@functools.lru_cache(maxsize=64)
def tone_second(hz: int, payload_type: int) -> bytes:
    """One second of a tone; any whole number of hertz joins on to itself."""
    return encode([round(8000 * math.sin(2 * math.pi * hz * n / RATE)) for n in range(RATE)], payload_type)


def share(samples: list[int], hz: float) -> float:
    """How much of the samples' energy is at this frequency, 0 to 1 (Goertzel)."""
    energy = sum(s * s for s in samples)
    if not samples or energy < len(samples) * 100 * 100:
        return 0.0
    factor = 2 * math.cos(2 * math.pi * hz / RATE)
    one = two = 0.0
    for sample in samples:
        one, two = sample + factor * one - two, one
    return 2 * (one * one + two * two - factor * one * two) / (len(samples) * energy)


class RtpPort(asyncio.DatagramProtocol):
    """One RTP socket: a 20 ms sender for tones and digits, and a receiver that remembers what came."""

    def __init__(self) -> None:
        """Create an unbound port; use `open`."""
        self.remote: tuple[str, int] | None = None
        self.payload_type = 8
        self.event_type = 101
        self.received: deque[Packet] = deque(maxlen=_KEPT)
        self.ssrcs: set[int] = set()
        """Of all packets that have come."""
        self.sent = 0
        self.keyed: list[KeyedDigit] = []
        self.address: tuple[str, int] = ("", 0)
        self._transport: asyncio.DatagramTransport | None = None
        self.ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(15)
        self._timestamp = random.getrandbits(31)
        self._hz: int | None = None
        self._words: deque[bytes] = deque()
        self._offset = 0
        self._events: deque[list[bytes] | None] = deque()
        self._event_at: int | None = None
        self._event_keyed = False
        self._keying: list[asyncio.Future[None]] = []
        self._next = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._rtcp: socket.socket | None = None

    @classmethod
    async def open(cls, host: str = "127.0.0.1", port: int = 0) -> Self:
        """Bind to the port, or to a free even one and the odd one after it, where RTCP comes (RFC 3550 section 11)."""
        loop = asyncio.get_running_loop()
        for _ in range(64):
            _, made = await loop.create_datagram_endpoint(cls, local_addr=(host, port))
            if port or (made.address[1] % 2 == 0 and made._keeps_next()):
                return made
            made.close()
        raise OSError(f"no two UDP ports for RTP and RTCP are free at {host}")

    def _keeps_next(self) -> bool:
        """Whether the port of RTCP is ours as well: nobody reads there, but nobody else hears it either."""
        host, port = self.address
        self._rtcp = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._rtcp.bind((host, port + 1))
        except OSError:
            return False
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = transport.get_extra_info("sockname")[:2]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep one packet."""
        now = time.monotonic()
        if len(data) >= 12 and data[0] >> 6 == 2 and not 200 <= data[1] <= 204:
            first, second, sequence, timestamp, ssrc = struct.unpack("!BBHII", data[:12])
            payload = data[12 + 4 * (first & 15) :]
            marker = bool(second & 128)
            self.ssrcs.add(ssrc)
            self.received.append(Packet(now, sequence, timestamp, second & 127, marker, ssrc, payload, addr))

    def close(self) -> None:
        """Stop sending and give the port back."""
        self.stop()
        if self._transport:
            self._transport.close()
        if self._rtcp:
            self._rtcp.close()

    @property
    def heard_ssrc(self) -> int:
        """The SSRC of what has come last; 0 while nothing has."""
        return self.received[-1].ssrc if self.received else 0

    def play(self, hz: int = 0) -> None:
        """Send a tone every 20 ms until `stop`; 0 Hz is silence."""
        self._hz = hz
        self._start()

    def say(self, codes: bytes) -> None:
        """Send these octets of the codec, 20 ms at a time, then silence until `stop`."""
        self._words.extend(codes[at : at + FRAME] for at in range(0, len(codes), FRAME))
        self._hz = 0
        self._start()

    @property
    def speaking(self) -> bool:
        """Whether something is still to be said."""
        return bool(self._words)

    @property
    def next_sequence(self) -> int:
        """The number of the packet that is sent next."""
        return self._sequence

    def stop(self) -> None:
        """Send nothing more; digits not sent yet are dropped."""
        self._hz = None
        self._words.clear()
        self._events.clear()
        self._keyed_all()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    async def key(
        self, digits: str, *, on: float = 0.1, gap: float = 0.06, lose_start: int = 0, lose_end: int = 0
    ) -> list[KeyedDigit]:
        """Send digits by RFC 4733 in the same stream; packets can be left out at a digit's start or end."""
        before = len(self.keyed)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for digit in digits:
            self._events.extend(self._event(digit, max(2, round(on / TICK)), lose_start, lose_end))
            self._events.extend([None] * max(1, round(gap / TICK)))
        self._keying.append(done)
        self._start()
        await done
        return self.keyed[before:]

    def _event(self, digit: str, ticks: int, lose_start: int, lose_end: int) -> list[list[bytes] | None]:
        """Bodies of the event's packets, tick by tick: growing durations, then the end three times."""
        code = EVENTS.index(digit)
        steps = [[struct.pack("!BBH", code, 10, n * FRAME)] for n in range(1, ticks)]
        end = struct.pack("!BBH", code, 0x8A, ticks * FRAME)
        return [*([] for _ in steps[:lose_start]), *steps[lose_start:], [end] * (3 - lose_end)]

    def _start(self) -> None:
        """Arm the 20 ms clock unless it runs."""
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._next = loop.time()
            self._timer = loop.call_at(self._next, self._tick)

    def _tick(self) -> None:
        """Send what is due in this 20 ms."""
        loop = asyncio.get_running_loop()
        self._timer = None
        self._send_due()
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        if self._hz is not None or self._events:
            self._next = max(self._next + TICK, loop.time() - 5 * TICK)
            self._timer = loop.call_at(self._next, self._tick)

    def _send_due(self) -> None:
        """Send one tick: an event's packets, or audio."""
        due = self._events.popleft() if self._events else None
        if due is None:
            self._event_at = None
            if self._hz is not None:
                self._send(self.payload_type, self._audio(), self._timestamp)
        else:
            self._send_event(due)
        if not self._events and self._keying:
            self._keyed_all()

    def _keyed_all(self) -> None:
        """Let everybody go on who waits for digits to be sent."""
        for done in self._keying:
            if not done.done():
                done.set_result(None)
        self._keying.clear()

    def _send_event(self, bodies: list[bytes]) -> None:
        """Send a tick of an event: one timestamp for all of it, the marker on the first (RFC 4733 2.5.1)."""
        begins = self._event_at is None
        if self._event_at is None:
            self._event_at, self._event_keyed = self._timestamp, False
        for body in bodies:
            self._send(self.event_type, body, self._event_at, marker=begins)
            now, begins = time.monotonic(), False
            if self._event_keyed:
                self.keyed[-1] = self.keyed[-1]._replace(last_at=now)
            else:
                self.keyed.append(KeyedDigit(EVENTS[body[0]], now, now))
                self._event_keyed = True

    def _audio(self) -> bytes:
        """The next 20 ms of what is said, or of the tone."""
        if self._words:
            return self._words.popleft()
        if not self._hz:
            return (b"\xd5" if self.payload_type == 8 else b"\xff") * FRAME
        second = tone_second(self._hz, self.payload_type)
        start, self._offset = self._offset, (self._offset + FRAME) % RATE
        return second[start : start + FRAME]

    def _send(self, payload_type: int, payload: bytes, timestamp: int, *, marker: bool = False) -> None:
        """Put one packet on the wire."""
        if self.remote is None or self._transport is None or self._transport.is_closing():
            return
        head = struct.pack("!BBHII", 128, payload_type | marker << 7, self._sequence, timestamp, self.ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._put(head + payload)
        self.sent += 1

    def _put(self, packet: bytes) -> None:
        """Send it as it is."""
        assert self._transport is not None
        self._transport.sendto(packet, self.remote)

    def heard(self, seconds: float = 1.0, *, skip: float = 0.0) -> list[int]:
        """The linear samples of the last seconds received, `skip` seconds before the end left out."""
        audio = [p for p in self.received if p.payload_type in _DECODE]
        audio = audio[: len(audio) - round(skip / TICK)] if skip else audio
        wanted = audio[-max(1, round(seconds / TICK)) :]
        return [_DECODE[p.payload_type][octet] for p in wanted for octet in p.payload]

    def between(self, start: float, end: float) -> list[int]:
        """The linear samples received between two monotonic times."""
        audio = [p for p in self.received if p.payload_type in _DECODE and start <= p.at <= end]
        return [_DECODE[p.payload_type][octet] for p in audio for octet in p.payload]

    def loudness(self, seconds: float) -> float:
        """Root mean square of the last seconds; 0 while less than that has come."""
        samples = self.heard(seconds)
        if len(samples) < seconds * RATE:
            return 0.0
        return math.sqrt(sum(s * s for s in samples) / len(samples))

    def hears(self, hz: float, seconds: float = 1.0, *, skip: float = 0.0) -> bool:
        """Whether a full stretch of this length arrived and most of its energy is at this frequency."""
        samples = self.heard(seconds, skip=skip)
        return len(samples) >= seconds * RATE * 0.9 and share(samples, hz) > 0.7

    def stats(self) -> Stats:
        """Counts and jitter of everything received so far."""
        streams: dict[int, list[Packet]] = {}
        for packet in self.received:
            streams.setdefault(packet.ssrc, []).append(packet)
        lost = duplicates = 0
        for packets in streams.values():
            numbers = extended(packets)
            unique = len(set(numbers))
            lost += max(numbers) - min(numbers) + 1 - unique
            duplicates += len(numbers) - unique
        return Stats(
            sent=self.sent,
            received=len(self.received),
            lost=lost,
            duplicates=duplicates,
            jitter_ms=max((jitter(p) for p in streams.values()), default=0.0),
            streams=len(streams),
            first_at=self.received[0].at if self.received else None,
            last_at=self.received[-1].at if self.received else None,
        )


def extended(packets: list[Packet]) -> list[int]:
    """Sequence numbers without their 16-bit wrap."""
    numbers, last = [], packets[0].sequence
    for packet in packets:
        last += ((packet.sequence - last + 0x8000) & 0xFFFF) - 0x8000
        numbers.append(last)
    return numbers


def jitter(packets: list[Packet]) -> float:
    """Interarrival jitter in milliseconds of one stream's audio (RFC 3550 A.8)."""
    value, last = 0.0, None
    for packet in packets:
        if packet.payload_type not in _DECODE:
            continue
        transit = packet.at * 1000 - packet.timestamp / 8
        if last is not None and abs(transit - last) < 10_000:
            value += (abs(transit - last) - value) / 16
        last = transit
    return value
