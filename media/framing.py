"""Frames on a byte stream: a big-endian length of four octets, then that many."""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for octets that are no message: wrong ones, text that is no UTF-8, too deep a nesting."""
MAX_FRAME: Final = 1 << 20
"""Octets of one frame: the largest is a Hello with every port of a machine, about 100 KiB."""


class ControlError(Exception):
    """The peer's bytes are not this protocol; the connection is of no further use."""


class FrameReader:
    """Cuts a byte stream into frame bodies."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """The bodies completed by `data`, which may change afterwards; raises ControlError for one beyond MAX_FRAME."""
        buffer = self._buffer
        if not buffer and len(data) - 4 == int.from_bytes(data[:4], "big") <= MAX_FRAME:
            # One whole frame, as nearly always.
            return [bytes(data[4:])]
        source: bytes | bytearray | memoryview = data
        if buffer:
            buffer += data
            source = buffer
        bodies = []
        at = 0
        while len(source) - at >= 4:
            length = int.from_bytes(source[at : at + 4], "big")
            if length > MAX_FRAME:
                raise ControlError(f"frame of {length} octets, more than {MAX_FRAME}")
            if len(source) - at - 4 < length:
                break
            bodies.append(bytes(source[at + 4 : at + 4 + length]))
            at += 4 + length
        if source is buffer:
            del buffer[:at]
        else:
            buffer += data[at:]
        return bodies
