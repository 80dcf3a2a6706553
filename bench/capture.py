"""UDP packets of the loopback interface with the kernel's own timestamps."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from bench.errors import BenchError

_SO_TIMESTAMPNS: Final = 35
_SO_ATTACH_FILTER: Final = 26
_SO_RCVBUFFORCE: Final = 33
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_PACKET_IGNORE_OUTGOING: Final = 23
_ETH_P_IP: Final = 0x0800
_BUFFER: Final = 64 << 20
"""Socket buffer: four seconds of twenty thousand packets a second."""


class Ports(NamedTuple):
    """A range of UDP ports, and how many octets of an IP packet to or from them are kept."""

    first: int
    last: int
    octets: int = 65535


class Packet(NamedTuple):
    """One UDP packet: seconds since the epoch, both addresses, what was kept of its payload."""

    at: float
    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes


def port_program(ranges: Sequence[Ports]) -> list[tuple[int, int, int, int]]:
    """A classic BPF program that passes UDP to or from these ports, cut to each range's length."""
    load_proto, load_fragment, load_header = (0x30, 0, 0, 9), (0x28, 0, 0, 6), (0xB1, 0, 0, 0)
    program = [load_proto, (0x15, 1, 0, 17), (0x06, 0, 0, 0)]
    program += [load_fragment, (0x45, 0, 1, 0x1FFF), (0x06, 0, 0, 0), load_header]
    for offset in (0, 2):
        program.append((0x48, 0, 0, offset))
        for ports in ranges:
            program += [(0x35, 0, 2, ports.first), (0x25, 1, 0, ports.last), (0x06, 0, 0, ports.octets)]
    return [*program, (0x06, 0, 0, 0)]


class Capture:
    """Packets between entering and leaving the context; reading happens in a thread."""

    def __init__(self, ranges: Sequence[Ports], interface: str = "lo") -> None:
        """Say which ports; nothing is opened before the context is entered."""
        self.ranges = ranges
        self.interface = interface
        self.dropped = 0
        self._raw: list[tuple[bytes, bytes]] = []
        self._stop = threading.Event()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start capturing."""
        try:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        except PermissionError as error:
            raise BenchError("capturing on lo needs root (CAP_NET_RAW): run this as root") from error
        code = b"".join(struct.pack("HBBI", *step) for step in port_program(self.ranges))
        memory = ctypes.create_string_buffer(code)
        attached = struct.pack("HL", len(code) // 8, ctypes.addressof(memory))
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, attached)
        sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        sock.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        sock.bind((self.interface, _ETH_P_IP))
        sock.settimeout(0.1)
        self._socket = sock
        self._thread = threading.Thread(target=self._read, args=(sock,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """Stop capturing; whatever has arrived is kept."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._socket:
            _, self.dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
            self._socket.close()

    def _read(self, sock: socket.socket) -> None:
        """Keep what comes until told to stop and nothing more is waiting."""
        keep, receive = self._raw.append, sock.recvmsg
        while True:
            try:
                data, ancillary, _, _ = receive(65535, 64)
            except TimeoutError:
                if self._stop.is_set():
                    return
                continue
            if ancillary:
                keep((ancillary[0][2], data))
            if self._stop.is_set() and len(self._raw) % 1000 == 0:
                sock.settimeout(0.01)

    @property
    def count(self) -> int:
        """How many packets were captured so far."""
        return len(self._raw)

    def packets(self, first: int = 0) -> Iterator[Packet]:
        """What was captured so far, in order, but for as many as `first` says."""
        for stamp, data in self._raw[first:]:
            seconds, nanoseconds = struct.unpack("qq", stamp)
            at = 4 * (data[0] & 15)
            source_port, port = struct.unpack_from("!HH", data, at)
            yield Packet(
                seconds + nanoseconds / 1e9,
                (socket.inet_ntoa(data[12:16]), source_port),
                (socket.inet_ntoa(data[16:20]), port),
                data[at + 8 :],
            )
