"""The journal's files: how a record is framed, how segments are named, and how they are read back.

A segment holds frames: length (4 bytes) and CRC-32 (4 bytes) of the body, little endian, then the body,
msgpack `[kind, call_id, time_us, payload]`. A frame that does not check ends its segment: the rest was never
whole.
"""

from __future__ import annotations

import enum
import os
import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

SUFFIX: Final = ".journal"
MAX_BODY: Final = 16 * 1024 * 1024
HEAD: Final = struct.Struct("<II")

_FOUR: Final = 0x94
_ENCODER: Final = msgspec.msgpack.Encoder()


class Kind(enum.IntEnum):
    """What a record of the journal tells; other parts may use other numbers."""

    OPENED = 1
    CHANGED = 2
    ENDED = 3
    CLOSED = 4
    """The call ended in an earlier segment; written in the head of one that may still tell it open."""

    MESSAGE = 5
    """A message was left in a voice mail box: `MessageRecord`."""

    MESSAGE_STATE = 6
    CALLBACK = 7
    """Somebody wants to be called back: `CallbackRecord`."""

    CALLBACK_STATE = 8
    REFUSAL = 9
    """A customer wants no more calls, or wants them again: `RefusalRecord`."""

    WINDOW = 10
    """The call-backs through an X number: `WindowRecord`."""

    RECORDING = 11
    """How long a recording is, known only after its call: `RecordingLength`."""


class Entry(msgspec.Struct, array_like=True, gc=False):
    """One record of the journal."""

    kind: int
    call_id: str
    time_us: int
    payload: bytes


_DECODER: Final = msgspec.msgpack.Decoder(Entry)


def frame(kind: int, call_id: str, time_us: int, payload: bytes) -> bytes:
    """One record as it stands on disk."""
    body = _ENCODER.encode((kind, call_id, time_us, payload))
    return HEAD.pack(len(body), crc32(body)) + body


def segment_paths(directory: Path) -> list[Path]:
    """The segments in the order they were written."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def segment_number(path: Path) -> int:
    """The number in a segment's name, the UTC microsecond it was begun; it only ever grows."""
    return int(path.name.removesuffix(SUFFIX))


def segment_path(directory: Path, number: int) -> Path:
    """The file of a segment."""
    return directory / f"{number:020d}{SUFFIX}"


class Reading:
    """The whole frames of `data`, and where they end; `torn` says that bytes were left over."""

    __slots__ = ("data", "end", "start")

    def __init__(self, data: bytes, start: int = 0) -> None:
        """`start` is the offset of `data` in its segment; `end` is an offset in the segment too."""
        self.data = data
        self.start = start
        self.end = start

    @property
    def torn(self) -> int:
        """How many bytes after the last whole frame."""
        return self.start + len(self.data) - self.end

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    def entries(self, kinds: Collection[int] | None = None) -> Iterator[Entry]:
        """The records in order; with `kinds`, small numbers, others are passed over by their length alone."""
        data, position, size = self.data, 0, len(self.data)
        while size - position >= HEAD.size:
            length, checksum = HEAD.unpack_from(data, position)
            begin = position + HEAD.size
            following = begin + length
            if not 0 < length <= MAX_BODY or following > size:
                return
            # msgpack: an array of four, then the kind as one byte.
            if kinds is not None and length > 1 and data[begin] == _FOUR and data[begin + 1] not in kinds:
                position = following
                self.end = self.start + position
                continue
            body = data[begin:following]
            if crc32(body) != checksum:
                return
            try:
                entry = _DECODER.decode(body)
            except msgspec.DecodeError:
                return
            position = following
            self.end = self.start + position
            yield entry


def read_segment(path: Path, offset: int = 0, limit: int = -1) -> Reading:
    """The frames of a segment from `offset`, at most `limit` bytes of them."""
    with path.open("rb") as file:
        file.seek(offset)
        return Reading(file.read(limit), offset)


def sync_directory(directory: Path) -> None:
    """Bring a directory's entries to the disk, which syncing its files does not."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
