"""RTP of many streams in few system calls: sendmmsg and recvmmsg on arrays that are built once.

Packets of a slot lie side by side in memory, with the headers the kernel wants for them, so that a slot is sent by one
call; only sequence number, timestamp and time of sending are written anew. What arrives is kept as it is, with the
kernel's stamp of its arrival, and read when all is over.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError

FRAME: Final = 160
MAGIC: Final = 0x9D4EB16C
PACKET: Final = np.dtype(
    [
        ("first", "u1"), ("second", "u1"), ("seq", ">u2"), ("ts", ">u4"), ("ssrc", ">u4"),
        ("magic", ">u4"), ("stream", ">u4"), ("number", ">u4"), ("sent", ">u8"), ("rest", "V140"),
    ]
)  # fmt: skip
"""A PCMA packet of 20 ms, whose speech is who sent it, its number and when, in nanoseconds since the epoch."""
_ADDRESS: Final = np.dtype([("family", "=u2"), ("port", ">u2"), ("host", ">u4"), ("zero", "V8")])
_VECTOR: Final = np.dtype([("base", "=u8"), ("length", "=u8")])
_HEADER: Final = np.dtype(
    [
        ("name", "=u8"), ("name_length", "=u4"), ("_0", "V4"), ("vectors", "=u8"), ("vectors_length", "=u8"),
        ("control", "=u8"), ("control_length", "=u8"), ("flags", "=u4"), ("_1", "V4"), ("length", "=u4"), ("_2", "V4"),
    ]
)  # fmt: skip
"""struct mmsghdr of 64-bit Linux."""
_KEPT: Final = 36
_CONTROL: Final = 32
_AT_ONCE: Final = 1024
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33
_BUFFER: Final = 32 << 20
_LIBC: Final = ctypes.CDLL(None, use_errno=True)

Address = tuple[str, int]


def _numeric(host: str) -> int:
    return int(struct.unpack("!I", socket.inet_aton(host))[0])


def _headers(count: int) -> NDArray[np.void]:
    return np.zeros(count, _HEADER)


def _place(array: NDArray[np.void]) -> NDArray[np.uint64]:
    """Where each element is in memory."""
    return array.ctypes.data + np.arange(len(array), dtype=np.uint64) * np.uint64(array.itemsize)


class Slot:
    """The packets that one socket sends together, each to an address of its own."""

    def __init__(self, sock: socket.socket, streams: Sequence[int], to: Sequence[Address]) -> None:
        """`streams`: the number of each, which its packets carry."""
        self._socket = sock
        self._number = 0
        self.streams = len(streams)
        self._packets = np.zeros(len(streams), PACKET)
        self._packets["first"], self._packets["second"] = 0x80, 8 | 0x80
        self._packets["ssrc"] = np.array(streams) + 0x5EED0000
        self._packets["magic"], self._packets["stream"] = MAGIC, streams
        self._packets["rest"] = bytes(0x55 ^ (place * 7 & 0x3F) for place in range(140))
        self._addresses = np.zeros(len(streams), _ADDRESS)
        self._addresses["family"] = socket.AF_INET
        self._addresses["host"] = [_numeric(host) for host, _ in to]
        self._addresses["port"] = [port for _, port in to]
        self._vectors = np.zeros(len(streams), _VECTOR)
        self._vectors["base"], self._vectors["length"] = _place(self._packets), PACKET.itemsize
        self._heads = _headers(len(streams))
        self._heads["name"], self._heads["name_length"] = _place(self._addresses), _ADDRESS.itemsize
        self._heads["vectors"], self._heads["vectors_length"] = _place(self._vectors), 1

    @property
    def sent(self) -> int:
        """Packets of each stream so far."""
        return self._number

    def send(self) -> None:
        """One packet of every stream; raises BenchError."""
        self._packets["seq"] = self._number & 0xFFFF
        self._packets["ts"] = self._number * FRAME & 0xFFFFFFFF
        self._packets["number"] = self._number
        self._packets["sent"] = time.time_ns()
        done, count, descriptor = 0, len(self._heads), self._socket.fileno()
        while done < count:
            place = ctypes.c_void_p(self._heads.ctypes.data + done * _HEADER.itemsize)
            passed = _LIBC.sendmmsg(descriptor, place, ctypes.c_uint(count - done), 0)
            if passed <= 0:
                raise BenchError(f"sending audio failed: errno {ctypes.get_errno()}")
            done += passed
        if not self._number:
            self._packets["second"] = 8
        self._number += 1


class Ear:
    """What comes to one socket."""

    def __init__(self, sock: socket.socket) -> None:
        """The socket must not be read by anybody else."""
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket = sock
        self._data = np.zeros((_AT_ONCE, _KEPT), np.uint8)
        self._control = np.zeros((_AT_ONCE, _CONTROL), np.uint8)
        self._vectors = np.zeros(_AT_ONCE, _VECTOR)
        self._vectors["base"] = self._data.ctypes.data + np.arange(_AT_ONCE) * _KEPT
        self._vectors["length"] = _KEPT
        self._heads = _headers(_AT_ONCE)
        self._heads["vectors"], self._heads["vectors_length"] = _place(self._vectors), 1
        self._heads["control"] = self._control.ctypes.data + np.arange(_AT_ONCE) * _CONTROL
        self._heads["control_length"] = _CONTROL
        self._kept: list[NDArray[np.uint8]] = []
        self._stamps: list[NDArray[np.uint8]] = []

    def listen(self) -> None:
        """Take all that has come."""
        descriptor, place = self._socket.fileno(), ctypes.c_void_p(self._heads.ctypes.data)
        while True:
            count = _LIBC.recvmmsg(descriptor, place, ctypes.c_uint(_AT_ONCE), socket.MSG_DONTWAIT, None)
            if count <= 0:
                return
            self._kept.append(self._data[:count].copy())
            self._stamps.append(self._control[:count, 16:32].copy())
            self._heads["control_length"][:count] = _CONTROL
            if count < _AT_ONCE:
                return

    def heard(self) -> Heard:
        """All of it that is ours."""
        if not self._kept:
            nothing = np.zeros(0, np.int64)
            return Heard(nothing, nothing, nothing, nothing)
        data = np.concatenate(self._kept).view(np.dtype([("head", "V12"), ("magic", ">u4"), ("stream", ">u4"),
            ("number", ">u4"), ("sent", ">u8"), ("rest", "V4")])).reshape(-1)  # fmt: skip
        stamps = np.concatenate(self._stamps).view("=i8").reshape(-1, 2)
        ours = data["magic"] == MAGIC
        at = stamps[:, 0] * 1_000_000_000 + stamps[:, 1]
        stream, count, sent = (data[name][ours].astype(np.int64) for name in ("stream", "number", "sent"))
        return Heard(stream, count, sent, at[ours])


@dataclass(frozen=True, slots=True)
class Heard:
    """Packets that arrived, one a place: their stream, their number in it, when they were sent and came, in ns."""

    stream: NDArray[np.int64]
    number: NDArray[np.int64]
    sent: NDArray[np.int64]
    at: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Judged:
    """Packets lost and doubled, and delays and jitter in milliseconds."""

    sent: int
    lost: int
    doubled: int
    silent: int
    """Streams of which nothing came."""
    delays: NDArray[np.float64]
    jitter: NDArray[np.float64]
    """Each packet's delay above the least of its stream."""


def judge(ears: Sequence[Heard], streams: int, sent: int) -> Judged:
    """What all ears together heard of `streams` numbered from 0, of which `sent` packets in all were sent."""
    stream, number, left, at = (
        np.concatenate([getattr(ear, name) for ear in ears]) for name in ("stream", "number", "sent", "at")
    )
    unique = len(np.unique(stream << 32 | number))
    delays = (at - left) / 1e6
    least = np.full(streams, np.inf)
    np.minimum.at(least, stream, delays)
    silent = int(np.isinf(least).sum())
    return Judged(sent, sent - unique, len(stream) - unique, silent, delays, delays - least[stream])
