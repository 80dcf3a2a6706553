"""Rubbish for a running switch: random octets and real messages spoilt by chance, always the same for one seed.

Run as a process of its own, so that the phones of a test keep their pace:

    python -m tests.support.fuzz --seed 1 --count 50000 --sip 127.0.0.1:5060 --rtp 12000,12002 --corpus DIRECTORY

It sends as fast as the switch reads: what waits in its sockets is read from /proc. Every address in what it sends is
made its own, so that no answer and no audio leaves the machine or disturbs a phone. It prints what it did as JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

TRUSTED: Final = "127.0.0.3"
"""The address that the switch is to know as a trunk: what comes from here makes calls."""
UNKNOWN: Final = "127.0.0.9"
_BATCH: Final = 200
_RTP_SHARE: Final = 0.3
_MOST_WAITING: Final = 256 * 1024
_ADDRESS: Final = re.compile(rb"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}")
_NUMBER: Final = re.compile(rb"\d+")
WORDS: Final = (
    b"\r\n", b"\r\n\r\n", b"\n", b"\0", b";", b",", b"<", b">", b'"', b"\\", b"%00", b"%", b"@", b":", b" ", b"\t",
    b"=", b"sip:", b"sips:", b"tel:", b"SIP/2.0", b"z9hG4bK", b";tag=", b";branch=", b";rport", b";lr",
    b";maddr=127.0.0.3",
    b"INVITE ", b"ACK ", b"BYE ", b"CANCEL ", b"REGISTER ", b"OPTIONS ", b"INFO ", b"Via: ", b"v: ", b"To: ", b"CSeq: ",
    b"Content-Length: 99999\r\n", b"Content-Length: -1\r\n", b"Expires: 4294967296\r\n", b"Max-Forwards: 0\r\n",
    b"Route: <sip:127.0.0.3;lr>\r\n", b"Require: x\r\n", b"Replaces: a;to-tag=b;from-tag=c\r\n",
    b"m=audio 0 RTP/AVP 0\r\n",
    b"a=rtpmap:101 telephone-event/8000\r\n", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", "\u202e\uff10".encode(),
)  # fmt: skip
_NUMBERS: Final = (b"0", b"-1", b"65536", b"2147483648", b"4294967295", b"18446744073709551616", b"9" * 400, b"1e9")


class Mutator:
    """Makes datagrams for the SIP port out of real ones."""

    def __init__(self, seed: int, corpus: Sequence[bytes]) -> None:
        self.random = random.Random(seed)
        self.corpus = list(corpus)
        self._ways: list[Callable[[bytearray], object]] = [
            self._flip, self._flip, self._cut, self._insert, self._insert, self._delete, self._repeat,
            self._swap_lines, self._drop_line, self._double_line, self._splice, self._number, self._number,
            self._grow, self._lines,
        ]  # fmt: skip

    def next(self) -> bytes:
        """The next datagram, with addresses of ours."""
        return tame(self.spoil())

    def spoil(self) -> bytes:
        """One in ten is random, one in twenty as it was, the rest is spoilt once or a few times."""
        choice = self.random.random()
        if choice < 0.1:
            return self.random.randbytes(self.random.choice((0, 1, 4, 20, 100, 600, 1400)))
        data = bytearray(self.random.choice(self.corpus))
        if choice > 0.15:
            for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
                self.random.choice(self._ways)(data)
        return bytes(data[:65_000])

    def _at(self, data: bytearray) -> int:
        return self.random.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)

    def _cut(self, data: bytearray) -> None:
        del data[self._at(data) :]

    def _insert(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = self.random.choice(WORDS)

    def _delete(self, data: bytearray) -> None:
        at = self._at(data)
        del data[at : at + self.random.randrange(1, 40)]

    def _repeat(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = data[at : at + self.random.randrange(1, 60)] * self.random.choice((1, 2, 20))

    def _swap_lines(self, data: bytearray) -> None:
        lines = data.split(b"\r\n")
        one, two = self.random.randrange(len(lines)), self.random.randrange(len(lines))
        lines[one], lines[two] = lines[two], lines[one]
        data[:] = b"\r\n".join(lines)

    def _drop_line(self, data: bytearray) -> None:
        lines = data.split(b"\r\n")
        del lines[self.random.randrange(len(lines))]
        data[:] = b"\r\n".join(lines)

    def _double_line(self, data: bytearray) -> None:
        lines = data.split(b"\r\n")
        line = self.random.choice(lines)
        lines.insert(self.random.randrange(len(lines) + 1), line)
        data[:] = b"\r\n".join(lines)

    def _splice(self, data: bytearray) -> None:
        other = self.random.choice(self.corpus)
        data[self._at(data) :] = other[self.random.randrange(len(other) + 1) :]

    def _number(self, data: bytearray) -> None:
        found = list(_NUMBER.finditer(data))
        if found:
            one = self.random.choice(found)
            data[one.start() : one.end()] = self.random.choice(_NUMBERS)

    def _grow(self, data: bytearray) -> None:
        at = self._at(data)
        data[at:at] = bytes((self.random.randrange(256),)) * self.random.choice((100, 100, 300, 300, 2_000, 20_000))

    def _lines(self, data: bytearray) -> None:
        at = data.find(b"\r\n") + 2
        line = self.random.choice((b"Via: SIP/2.0/UDP 127.0.0.3;branch=z9hG4bKx\r\n", b"X: y\r\n", b";a=b", b"\r\n"))
        data[at:at] = line * self.random.choice((1, 1, 2, 50, 1_000))


def tame(data: bytes) -> bytes:
    """The datagram with every IPv4 address replaced by one of ours."""
    return _ADDRESS.sub(TRUSTED.encode(), data)


class RtpMutator:
    """Makes datagrams for RTP and RTCP ports."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def next(self) -> bytes:
        """Random octets, headers with random fields, events, RTCP BYE, STUN, and the longest there is."""
        rnd = self.random
        kind = rnd.randrange(8)
        if kind == 0:
            return rnd.randbytes(rnd.choice((0, 1, 3, 11, 12, 13, 40, 172, 300)))
        if kind == 1:
            return rnd.randbytes(rnd.choice((1_500, 2_049, 9_000)))
        head = struct.pack("!HII", rnd.getrandbits(16), rnd.getrandbits(32), rnd.getrandbits(32))
        if kind == 2:
            return bytes((rnd.getrandbits(8), rnd.getrandbits(8))) + head + rnd.randbytes(rnd.randrange(200))
        if kind == 3:
            return b"\x80" + bytes((rnd.choice((0, 8, 0x88)),)) + head + rnd.randbytes(160)
        if kind == 4:
            event = struct.pack("!BBH", rnd.randrange(256), rnd.getrandbits(8), rnd.getrandbits(16))
            return b"\x80" + bytes((rnd.choice((101, 0xE5)),)) + head + event[: rnd.randrange(5)]
        if kind == 5:
            return b"\x81\xcb\x00\x01" + head[-4:] if rnd.random() < 0.5 else b"\x80\xc8\x00\x06" + rnd.randbytes(24)
        if kind == 6:
            return b"\x00\x01\x00\x00\x21\x12\xa4\x42" + rnd.randbytes(12)
        extended = b"\x9f\x08" + head + rnd.randbytes(60) + struct.pack("!HH", 0xBEDE, rnd.getrandbits(16))
        return extended + rnd.randbytes(rnd.randrange(80))


def waiting(port: int) -> tuple[int, int]:
    """Octets that wait in the UDP sockets bound to a port of this machine, and datagrams dropped there."""
    queued = dropped = 0
    wanted = f":{port:04X}"
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(wanted):
            queued += int(fields[4].partition(":")[2], 16)
            dropped += int(fields[-1])
    return queued, dropped


class Sender:
    """Sends both kinds from trusted and unknown addresses, and waits for the switch to read."""

    def __init__(self, sip: tuple[str, int], rtp: Sequence[int]) -> None:
        self.sip = sip
        self.rtp = rtp
        self.sent = {"sip": 0, "rtp": 0}
        self._sockets = [_bound(host) for host in (TRUSTED, TRUSTED, TRUSTED, UNKNOWN)]

    def send(self, messages: Mutator, packets: RtpMutator, count: int) -> None:
        """Send so many datagrams in all."""
        for start in range(0, count, _BATCH):
            size = min(_BATCH, count - start)
            audio = round(size * _RTP_SHARE) if self.rtp else 0
            for number in range(size - audio):
                self._send(messages.next(), self.sip, number, "sip")
            for number in range(audio):
                # The odd port above is RTCP's.
                port = packets.random.choice(self.rtp) + (packets.random.random() < 0.2)
                self._send(packets.next(), (self.sip[0], port), number, "rtp")
            while waiting(self.sip[1])[0] > _MOST_WAITING:
                time.sleep(0.005)
            self._forget_answers()

    def _send(self, data: bytes, target: tuple[str, int], number: int, kind: str) -> None:
        self._sockets[number % len(self._sockets)].sendto(data, target)
        self.sent[kind] += 1

    def _forget_answers(self) -> None:
        for sock in self._sockets:
            try:
                while True:
                    sock.recv(65_535)
            except BlockingIOError:
                continue
            except ConnectionError:
                continue


def _bound(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.setblocking(False)
    return sock


def read_corpus(directory: Path) -> list[bytes]:
    """The files of a directory and below."""
    return [path.read_bytes() for path in sorted(directory.rglob("*.dat"))]


def main() -> int:
    """Send, wait until all is read, and say what was sent."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--sip", required=True, help="host:port")
    parser.add_argument("--rtp", default="", help="even ports, separated by commas")
    parser.add_argument("--corpus", type=Path, action="append", required=True)
    options = parser.parse_args()
    host, _, port = options.sip.partition(":")
    corpus = [data for directory in options.corpus for data in read_corpus(directory)]
    sender = Sender((host, int(port)), [int(one) for one in options.rtp.split(",") if one])
    began = time.monotonic()
    sender.send(Mutator(options.seed, corpus), RtpMutator(options.seed), options.count)
    while waiting(int(port))[0]:
        time.sleep(0.005)
    print(json.dumps({**sender.sent, "seconds": round(time.monotonic() - began, 2), "corpus": len(corpus)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
