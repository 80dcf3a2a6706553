"""The journal: each durable step of a call is written to an append-only file before a peer hears it.

Rule 1: `append` never raises and never waits for a disk; the page cache keeps what was written when the
process is killed, a thread syncs it in groups (80 ms) against loss of power. Between `gather` and `flush` the
steps of many calls wait to become one `write(2)`, as long as no peer is told of them. Rule 2: each segment can stand
alone: it begins with the last snapshot of every call that is open, so older segments may go once they are
loaded. Rule 3: when the disk fails, calls go on: ended records wait in memory, open calls are known anyway,
and a new segment takes both.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

import structlog

from switchboard.store.segments import (
    Kind,
    frame,
    segment_number,
    segment_path,
    segment_paths,
    sync_directory,
)

SEGMENT_BYTES: Final = 16 * 1024 * 1024
SYNC_SECONDS: Final = 0.08
BACKLOG_RECORDS: Final = 10_000
RETRY_SECONDS: Final = 1.0
COMPLAINT_SECONDS: Final = 60.0

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
_GROWING: Final = ".new"
_PIECE: Final = 128
_SNAPSHOTS: Final = (Kind.OPENED, Kind.CHANGED)
_COUNTERS: Final = ("appended", "bytes", "failed", "lost", "stray", "synced", "segments")
_log = structlog.get_logger("switchboard.store.journal")


class Journal:
    """Appends records to the segments in a directory; one writer a directory, safe from several threads."""

    def __init__(
        self,
        directory: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        sync_seconds: float = SYNC_SECONDS,
        backlog_records: int = BACKLOG_RECORDS,
    ) -> None:
        """Begin a new segment after those that are there; raises `OSError` when that is impossible."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        self._segment_bytes = segment_bytes
        self._sync_seconds = sync_seconds
        self._lock = threading.Lock()
        self._open: dict[str, bytes] = {}
        self._backlog: deque[bytes] = deque(maxlen=backlog_records)
        self._number = max(map(segment_number, segment_paths(directory)), default=0)
        self._fd = -1
        self._size = self._head_size = 0
        self._retry_at = 0.0
        self._complain_at = 0.0
        # Calls that records came for while the head of a new segment is being written.
        self._touched: set[str] | None = None
        # What the syncing thread takes over: files that are full, frames not yet known to be on disk.
        self._retired: list[int] = []
        self._unsynced: list[bytes] = []
        # Frames to be written next, and those among them that end something.
        self._frames: list[bytes] = []
        self._finals: list[bytes] = []
        self._gathering = False
        self._durable = 0
        self._dirty = False
        self._syncing = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._counts = dict.fromkeys(_COUNTERS, 0)
        for unfinished in directory.glob(f"*{_GROWING}"):
            unfinished.unlink()
        self._begin_segment()
        self._thread = threading.Thread(target=self._sync_loop, name="journal-sync", daemon=True)
        self._thread.start()

    @property
    def durable_segment(self) -> int:
        """The newest segment whose head is on disk; older ones are needed only for what they alone hold."""
        return self._durable

    @property
    def current_segment(self) -> int:
        """The segment that is being written."""
        return self._number

    @property
    def failing(self) -> bool:
        """True while nothing can be written and records wait in memory."""
        return self._fd < 0

    def counts(self) -> dict[str, int]:
        """Totals since the start, and how many calls are open and records waiting now."""
        return self._counts | {"open": len(self._open), "backlog": len(self._backlog)}

    def append(self, kind: int, call_id: str, payload: bytes) -> None:
        """Write one record. OPENED and CHANGED carry the whole snapshot of a call, ENDED its final record.

        A CHANGED of a call that is not open is counted as stray and not written: it would reopen the call.
        """
        data = frame(kind, call_id, time.time_ns() // 1000, payload)
        with self._lock:
            snapshot = kind in _SNAPSHOTS
            if snapshot:
                if kind == Kind.CHANGED and call_id not in self._open:
                    self._counts["stray"] += 1
                    return
                self._open[call_id] = data
            elif kind == Kind.ENDED:
                self._open.pop(call_id, None)
            if self._touched is not None:
                self._touched.add(call_id)
            self._frames.append(data)
            if not snapshot:
                self._finals.append(data)
            if not self._gathering:
                self._flush()

    def gather(self) -> None:
        """Let the records that follow wait for `flush`: for a batch of events of which no peer is told before."""
        self._gathering = True

    def flush(self) -> None:
        """Write what was gathered; later records are written at once again."""
        self._gathering = False
        # A record is among the frames before its thread looks whether it is to wait; another may be writing them now.
        if self._frames or self._lock.locked():
            with self._lock:
                self._flush()

    def sync(self) -> None:
        """Bring everything appended so far to the disk, now; for shutdown and tests."""
        self._sync_once()

    def close(self) -> None:
        """Sync and stop; what could not be written by now is lost, and said so."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._wake.set()
        self._thread.join()
        self._sync_once()
        with self._lock:
            for fd in (*self._retired, self._fd):
                if fd >= 0:
                    os.close(fd)
            self._fd, self._retired = -1, []
            if self._backlog:
                _log.error("journal.records_lost", records=len(self._backlog))

    def _flush(self) -> None:
        frames, finals = self._frames, self._finals
        if not frames:
            return
        self._frames, self._finals = [], []
        if self._write(frames):
            self._unsynced.extend(finals)
        elif finals:
            self._keep(finals)
        if not self._dirty:
            self._dirty = True
            if not self._wake.is_set():
                self._wake.set()

    def _write(self, frames: list[bytes]) -> bool:
        if self._fd < 0:
            return False
        data = b"".join(frames)
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            self._fail(error)
            return False
        if written != len(data):
            self._fail(OSError("the disk took only a part of a record"))
            return False
        self._size += written
        self._counts["appended"] += len(frames)
        self._counts["bytes"] += written
        return True

    def _fail(self, error: OSError) -> None:
        """Put the segment away and keep records in memory; what it holds stays readable."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            self._retired.append(self._fd)
            self._fd = -1
        self._complain(error)

    def _complain(self, error: OSError) -> None:
        self._counts["failed"] += 1
        now = time.monotonic()
        self._retry_at = now + RETRY_SECONDS
        if now >= self._complain_at:
            self._complain_at = now + COMPLAINT_SECONDS
            _log.error("journal.write_failed", reason=str(error), waiting=len(self._backlog), **self._counts)

    def _keep(self, frames: list[bytes]) -> None:
        room = (self._backlog.maxlen or 0) - len(self._backlog)
        self._counts["lost"] += max(0, len(frames) - room)
        self._backlog.extend(frames)

    def _begin_segment(self) -> None:
        """Begin a segment beside the others and rename it in, so that it is there whole or not at all.

        The open calls, which may be many megabytes, are written while others append to the old segment; only
        what happened meanwhile is written under the lock.
        """
        number = max(time.time_ns() // 1000, self._number + 1)
        path = segment_path(self.directory, number)
        growing = path.with_suffix(_GROWING)
        with self._lock:
            opened = list(self._open.values())
            self._touched = set()
        fd = -1
        try:
            fd = os.open(growing, _FLAGS, 0o600)
            size = _write_all(fd, opened)
            with self._lock:
                # Into the old segment: the new one will only say of an ended call that it has ended.
                self._flush()
                now = time.time_ns() // 1000
                later = [self._open.get(key) or frame(Kind.CLOSED, key, now, b"") for key in self._touched]
                size += _write_all(fd, [*later, *self._backlog])
                growing.rename(path)
                self._take_over(fd, number, size)
        except OSError:
            if fd >= 0:
                os.close(fd)
                growing.unlink(missing_ok=True)
            raise
        finally:
            self._touched = None

    def _take_over(self, fd: int, number: int, size: int) -> None:
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._unsynced.extend(self._backlog)
        self._backlog.clear()
        self._fd, self._number = fd, number
        self._size = self._head_size = size
        self._counts["segments"] += 1
        self._dirty = True
        self._wake.set()

    def _sync_loop(self) -> None:
        while not self._closing.is_set():
            self._wake.wait(RETRY_SECONDS if self.failing else None)
            self._closing.wait(self._sync_seconds)
            self._sync_once()

    def _sync_once(self) -> None:
        with self._syncing:
            self._begin_segment_if_due()
            with self._lock:
                self._flush()
                # While calls are made the thread keeps its pace; it is told anew only after a round without a record.
                if not self._dirty:
                    self._wake.clear()
                self._dirty = False
                fd, number = self._fd, self._number
                retired, self._retired = self._retired, []
                frames, self._unsynced = self._unsynced, []
            error = self._sync_files(retired, fd)
            if error is None and number > self._durable and fd >= 0:
                error = self._sync_directory()
            if error is not None:
                with self._lock:
                    self._keep(frames + self._unsynced)
                    self._unsynced.clear()
                    self._fail(error)
                return
            self._durable = number if fd >= 0 else self._durable
            self._counts["synced"] += 1

    def _begin_segment_if_due(self) -> None:
        full = self._size - self._head_size >= self._segment_bytes
        if (self._fd < 0 or full) and (time.monotonic() >= self._retry_at or self._closing.is_set()):
            try:
                self._begin_segment()
            except OSError as error:
                with self._lock:
                    self._complain(error)

    def _sync_files(self, retired: list[int], current: int) -> OSError | None:
        failure: OSError | None = None
        for fd in (*retired, current):
            try:
                if fd >= 0:
                    os.fdatasync(fd)
            except OSError as error:
                failure = error
            finally:
                if fd >= 0 and fd != current:
                    os.close(fd)
        return failure

    def _sync_directory(self) -> OSError | None:
        try:
            sync_directory(self.directory)
        except OSError as error:
            return error
        return None


def _write_all(fd: int, frames: list[bytes]) -> int:
    """Write frames in pieces, so that no other thread waits long for the interpreter; returns their size."""
    size = 0
    for start in range(0, len(frames), _PIECE):
        piece = b"".join(frames[start : start + _PIECE])
        if os.write(fd, piece) != len(piece):
            raise OSError("the disk took only a part of a segment's head")
        size += len(piece)
    return size
