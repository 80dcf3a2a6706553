"""Thousands of phones on one UDP socket, each at a loopback address of its own: they register, by digest, and refresh.

Requests are sent again by Timer E of RFC 3261 until they are answered. Latency is that of a REGISTER: from its first
transmission to its final response, however often it was sent.
"""

from __future__ import annotations

import hashlib
import heapq
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.errors import BenchError
from bench.transactions import Address

PORT: Final = 5062
FIRST: Final = 200_000
"""The user of the first phone; the others follow."""
MOST: Final = 1 << 20
_PKTINFO: Final = 8
"""IP_PKTINFO of ip(7): which local address a datagram leaves from, or came to."""
_BUFFER: Final = 8 << 20
_T2: Final = 4.0
_TRIES: Final = 11
"""Transmissions within Timer F (RFC 3261 table 4)."""
_BATCH: Final = 64
_MOST_READ: Final = 4096


def user(number: int) -> str:
    """The account of a phone."""
    return str(FIRST + number)


def password(number: int) -> str:
    """Its password."""
    return f"secret-{number}-of-many"


def host(number: int) -> str:
    """Where it is."""
    return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


@dataclass(slots=True)
class Seen:
    """What came of the REGISTERs of one phase."""

    finals: Counter[int] = field(default_factory=Counter)
    latency: list[float] = field(default_factory=list)
    """Seconds of each REGISTER that was answered, challenged ones too."""
    retransmissions: int = 0
    failures: int = 0
    """Phones that were refused, or not answered in time."""

    @property
    def answered(self) -> int:
        """How many REGISTERs have their final response."""
        return sum(self.finals.values())

    def percentile(self, share: float) -> float:
        """Seconds within which this share of them was answered."""
        ordered = sorted(self.latency)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(slots=True)
class _Pending:
    """A REGISTER without its final response."""

    phone: int
    data: bytes
    began: float
    tries: int = 1


@dataclass(slots=True)
class _Phone:
    """What a phone knows of itself; `challenge` is (algorithm, nonce), `count` how often that was used."""

    cseq: int = 0
    challenge: tuple[str, str] = ("", "")
    count: int = 0
    secrets: dict[str, str] = field(default_factory=dict)


class Phones:
    """The phones of one load."""

    def __init__(
        self, count: int, target: Address, domain: str, *, expires: int = 600, port: int = PORT, t1: float = 0.5
    ) -> None:
        """Bind the socket they share; raises BenchError when the port is taken."""
        if not 0 < count <= MOST:
            raise BenchError(f"there can be 1 to {MOST} phones")
        self.count = count
        self.seen = Seen()
        self._target, self._domain, self._expires = target, domain, expires
        self._port, self._t1 = port, t1
        self._phones = [_Phone() for _ in range(count)]
        self._pending: dict[str, _Pending] = {}
        self._timers: list[tuple[float, str]] = []
        self._serial = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        try:
            self._socket.bind(("0.0.0.0", port))  # noqa: S104 - each phone has a loopback address
        except OSError as error:
            self._socket.close()
            raise BenchError(f"port {port} cannot be bound: {error.strerror}") from error
        self._socket.setblocking(False)

    def close(self) -> None:
        """Give up the socket."""
        self._socket.close()

    # --- phases

    def storm(self, tick: Callable[[int], None]) -> Seen:
        """All register at once, as after a power cut; ends when each has its answer or has given up."""
        return self._run(((0.0, number) for number in range(self.count)), tick)

    def refresh(self, rate: float, seconds: float, tick: Callable[[int], None]) -> Seen:
        """Registrations are refreshed in turn, evenly, so many a second."""
        total = round(rate * seconds)
        return self._run(((number / rate, number % self.count) for number in range(total)), tick)

    def _run(self, plan: Iterable[tuple[float, int]], tick: Callable[[int], None]) -> Seen:
        seen = self.seen = Seen()
        waiting = iter(plan)
        upcoming = next(waiting, None)
        began = shown = time.monotonic()
        while upcoming is not None or self._pending:
            # What has come first: a phone would not send again what was answered.
            self._receive()
            now = time.monotonic()
            for _ in range(_BATCH):
                if upcoming is None or began + upcoming[0] > now:
                    break
                self._register(upcoming[1], now)
                upcoming = next(waiting, None)
            self._send_again(now)
            due = began + upcoming[0] if upcoming is not None else now + 1.0
            if self._timers:
                due = min(due, self._timers[0][0])
            select.select([self._socket], [], [], max(0.0, min(due - time.monotonic(), 0.1)))
            if now - shown > 0.2:
                shown = now
                tick(seen.answered)
        tick(seen.answered)
        return seen

    # --- one phone

    def _register(self, number: int, now: float) -> None:
        phone = self._phones[number]
        phone.cseq += 1
        self._serial += 1
        branch = f"z9hG4bKr{self._serial}"
        data = self._request(number, phone, branch)
        self._pending[branch] = _Pending(number, data, now)
        heapq.heappush(self._timers, (now + self._t1, branch))
        self._send(number, data)

    def _request(self, number: int, phone: _Phone, branch: str) -> bytes:
        name, place, domain = user(number), host(number), self._domain
        who = f"<sip:{name}@{domain}>"
        proof = self._proof(number, phone) if phone.challenge[1] else ""
        return (
            f"REGISTER sip:{domain} SIP/2.0\r\nVia: SIP/2.0/UDP {place}:{self._port};branch={branch};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {who};tag={name}\r\nTo: {who}\r\nCall-ID: {name}@{place}\r\n"
            f"CSeq: {phone.cseq} REGISTER\r\nContact: <sip:{name}@{place}:{self._port}>;"
            f'+sip.instance="<urn:uuid:00000000-0000-1000-8000-{number:012x}>"\r\nExpires: {self._expires}\r\n'
            f"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, REFER\r\nSupported: path, replaces\r\n"
            f"User-Agent: bench phone 1.0\r\n{proof}Content-Length: 0\r\n\r\n"
        ).encode()

    def _proof(self, number: int, phone: _Phone) -> str:
        algorithm, nonce = phone.challenge
        phone.count += 1
        make = hashlib.sha256 if algorithm == "SHA-256" else hashlib.md5
        uri = f"sip:{self._domain}"
        secret = phone.secrets.get(algorithm)
        if secret is None:
            clear = f"{user(number)}:{self._domain}:{password(number)}"
            secret = phone.secrets[algorithm] = make(clear.encode()).hexdigest()
        asked = make(f"REGISTER:{uri}".encode()).hexdigest()
        count, cnonce = f"{phone.count:08x}", f"{number:08x}"
        response = make(f"{secret}:{nonce}:{count}:{cnonce}:auth:{asked}".encode()).hexdigest()
        return (
            f'Authorization: Digest username="{user(number)}", realm="{self._domain}", nonce="{nonce}", uri="{uri}", '
            f'response="{response}", algorithm={algorithm}, cnonce="{cnonce}", qop=auth, nc={count}\r\n'
        )

    def _send(self, number: int, data: bytes) -> None:
        info = struct.pack("=I4s4s", 0, socket.inet_aton(host(number)), bytes(4))
        try:
            self._socket.sendmsg([data], [(socket.IPPROTO_IP, _PKTINFO, info)], 0, self._target)
        except BlockingIOError:
            return

    def _send_again(self, now: float) -> None:
        timers, until = self._timers, self.seen.retransmissions + _BATCH
        while timers and timers[0][0] <= now and self.seen.retransmissions < until:
            _, branch = heapq.heappop(timers)
            pending = self._pending.get(branch)
            if pending is None:
                continue
            if pending.tries >= _TRIES:
                del self._pending[branch]
                self.seen.failures += 1
                continue
            heapq.heappush(timers, (now + min(self._t1 * 2**pending.tries, _T2), branch))
            pending.tries += 1
            self.seen.retransmissions += 1
            self._send(pending.phone, pending.data)

    # --- answers

    def _receive(self) -> None:
        for _ in range(_MOST_READ):
            try:
                data = self._socket.recv(4096)
            except BlockingIOError:
                return
            self._answer(data.decode("utf-8", "replace"), time.monotonic())

    def _answer(self, text: str, now: float) -> None:
        begin = text.find("branch=") + 7
        pending = self._pending.pop(text[begin : text.find(";", begin)], None)
        if pending is None or not text.startswith("SIP/2.0 "):
            return
        status, phone = int(text[8:11]), self._phones[pending.phone]
        self.seen.finals[status] += 1
        self.seen.latency.append(now - pending.began)
        if status == 401:
            challenge = _challenge(text)
            fresh = not phone.challenge[1] or "stale=true" in text
            phone.challenge, phone.count = challenge, 0
            if fresh and challenge[1]:
                self._register(pending.phone, now)
                return
        if status != 200:
            self.seen.failures += 1


def _challenge(text: str) -> tuple[str, str]:
    """Algorithm and nonce of the first challenge (RFC 8760 §2.4)."""
    at = text.find("WWW-Authenticate: ")
    line = text[at : text.find("\r\n", at)]
    nonce = line.partition('nonce="')[2].partition('"')[0]
    algorithm = line.partition("algorithm=")[2].partition(",")[0]
    return algorithm, nonce
