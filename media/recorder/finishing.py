"""What is done with a recording after its end: its checksum is taken and told, by a thread that gives way to all else.

The spool is a directory: NAME.pending holds the path of a file that has still to be looked at, NAME.ready what came of
it, as JSON, for whoever tells others and removes it. So nothing is forgotten when a process ends in between.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import DecodeError, Struct
from msgspec import json as msgspec_json

from media.recorder.ogg import StoppedError, to_ogg
from media.recorder.sidecar import read_sidecar, sidecar_of, write_sidecar
from media.recorder.wav import HEADER, RATE, WIDTH
from media.recording_files import AudioReader, find, wav_channels
from media.recording_keys import KeyRing
from media.worker.log import complain

GRACE: Final = 10.0
"""Seconds after which nobody goes on with a file that was broken off: workers come back within one."""
AGAIN: Final = 30.0
"""Seconds until what failed is tried again."""
ATTEMPTS: Final = 10
MOST: Final = 10_000
"""Files that are remembered; of more the spool alone knows."""
PENDING: Final = ".pending"
READY: Final = ".ready"
WAV: Final = ".wav"
_PIECE: Final = 1 << 18
_NICEST: Final = 19


class Finished(Struct, kw_only=True):
    """A recording that is complete; `path` is absolute, `sha256` hexadecimal, of the file as it lies there."""

    recording: str
    path: str
    seconds: float
    octets: int
    gaps: int
    sha256: str


class Job(Struct):
    """A file to be looked at from a time on."""

    path: Path
    due: float
    attempts: int = 0
    error: str = ""
    """Why it ends early, for where its sidecar could not say so."""


class Finisher:
    """`add` and `forget` belong to the recorder's loop; a thread of its own calls `work`."""

    def __init__(self, spool: Path, keys: KeyRing | None = None, *, ogg: bool = False, threaded: bool = True) -> None:
        """Goes on with what an earlier recorder left; `keys` are those of sealed files; `ogg`: calls become that."""
        self._ogg = ogg
        self._keys = keys or KeyRing(spool)
        self._spool = spool
        self._threaded = threaded
        self._jobs: dict[str, Job] = {}
        self._more = False
        self._changed = threading.Condition()
        self._ended = False
        self._thread: threading.Thread | None = None
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._recall(time.monotonic() + GRACE)

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, path: Path, now: float, delay: float = 0.0, error: str = "") -> None:
        """A file is complete, or as complete as it gets; raises OSError when the next recorder cannot be told."""
        with self._changed:
            self._remember(Job(path, now + delay, error=error))
            _write_whole(self._pending(path), str(path).encode())

    def forget(self, path: Path) -> None:
        """Somebody goes on with a file."""
        with self._changed:
            self._jobs.pop(path.stem, None)
            with contextlib.suppress(OSError):
                self._pending(path).unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the thread after the file it is busy with; what waits is for the next recorder."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(5.0)

    def work(self, now: float) -> float | None:
        """Does what is due; when to come again, None when there is nothing."""
        while (job := self._next(now)) is not None:
            try:
                self._finish(job)
            except StoppedError:
                return None
            except (OSError, ValueError) as error:
                if isinstance(error, FileNotFoundError) and find(job.path) is None:
                    self._drop(job)  # deleted meanwhile
                else:
                    self._fail(job, error, now)
            else:
                self._drop(job)
        with self._changed:
            if not self._jobs and self._more:
                self._recall(now)
            return min((job.due for job in self._jobs.values()), default=None)

    # --- the queue ---

    def _pending(self, path: Path) -> Path:
        return self._spool / (path.stem + PENDING)

    def _remember(self, job: Job) -> None:
        if len(self._jobs) >= MOST:
            self._more = True
            return
        self._jobs[job.path.stem] = job
        if self._threaded and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="finisher", daemon=True)
            self._thread.start()
        self._changed.notify()

    def _recall(self, due: float) -> None:
        self._more = False
        with self._changed:
            for path in _left(self._spool):
                if path.stem not in self._jobs:
                    self._remember(Job(path, due))

    def _next(self, now: float) -> Job | None:
        with self._changed:
            return None if self._ended else next((job for job in self._jobs.values() if job.due <= now), None)

    def _drop(self, job: Job) -> None:
        with self._changed:
            if self._jobs.get(job.path.stem) is not job:
                return  # somebody goes on with it
            del self._jobs[job.path.stem]
            with contextlib.suppress(OSError):
                self._pending(job.path).unlink(missing_ok=True)

    def _fail(self, job: Job, error: Exception, now: float) -> None:
        job.attempts += 1
        job.due = now + AGAIN
        if job.attempts >= ATTEMPTS:
            complain(f"recorder: {job.path.name} is left as it is until the next start: {error}")
            with self._changed, contextlib.suppress(OSError):
                self._jobs.pop(job.path.stem, None)
                # On a full disk it was not when it was added.
                _write_whole(self._pending(job.path), str(job.path).encode())

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            # On Linux a thread has a priority of its own.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICEST)
        while not self._ended:
            due = self.work(time.monotonic())
            with self._changed:
                if not self._ended and (due is None or due > time.monotonic()):
                    self._changed.wait(None if due is None else max(0.0, due - time.monotonic()))

    # --- one file ---

    def _measured(self, job: Job) -> dict[str, object]:
        """What the sidecar tells, with the length that the file really has: that of an ogg was noted before."""
        path = job.path
        sidecar = sidecar_of(path)
        about = read_sidecar(sidecar)
        file = find(path)
        if file is None:
            raise FileNotFoundError(path.name)
        if job.error:
            about |= {"complete": False, "error": job.error}
        known = isinstance(about.get("seconds"), float | int)
        if not known or (about.get("complete") is not True and WAV in file.suffixes):
            about["seconds"] = wav_seconds(path, self._keys) if WAV in file.suffixes else 0.0
            write_sidecar(sidecar, about)
        return about

    def _finish(self, job: Job) -> None:
        path, about = job.path, self._measured(job)
        if self._ogg:
            to_ogg(path, self._keys, lambda: not self._ended)
        file = find(path)
        if file is None:
            raise FileNotFoundError(path.name)
        sha256, octets = checksum(file)
        if not file.is_file():
            # Deleted meanwhile, which its sidecar tells.
            raise FileNotFoundError(path.name)
        seconds = about["seconds"]
        assert isinstance(seconds, float | int)
        about |= {"octets": octets, "sha256": sha256}
        write_sidecar(sidecar_of(path), about)
        gaps = about.get("gap_count", 0)
        told = Finished(
            recording=str(about.get("recording", "")),
            path=str(path),
            seconds=float(seconds),
            octets=octets,
            gaps=gaps if isinstance(gaps, int) else 0,
            sha256=sha256,
        )
        _write_whole(self._spool / (path.stem + READY), msgspec_json.encode(told))


def collect(spool: Path, most: int) -> Iterator[Finished]:
    """What is ready, up to `most`; each leaves the spool when the next is asked for. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), os.scandir(spool) as entries:
        for entry in itertools.islice((entry for entry in entries if entry.name.endswith(READY)), most):
            ready = Path(entry.path)
            with contextlib.suppress(DecodeError):
                yield msgspec_json.decode(ready.read_bytes(), type=Finished)
            ready.unlink()


def checksum(path: Path) -> tuple[str, int]:
    """The SHA-256 of a file in hexadecimal, and its octets; raises OSError."""
    digest = hashlib.sha256()
    octets = 0
    with path.open("rb", buffering=0) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            octets += len(piece)
    return digest.hexdigest(), octets


def wav_seconds(path: Path, keys: KeyRing) -> float:
    """How long a recording in wav is, by its header and its size; raises OSError."""
    with AudioReader(path, keys) as reader:
        return max(0, reader.size - HEADER) / (RATE * WIDTH * wav_channels(reader))


def _write_whole(path: Path, content: bytes) -> None:
    """A file of the spool, with all of its content or not at all."""
    growing = path.with_name(f"{path.name}.new")
    try:
        growing.write_bytes(content)
        growing.replace(path)
    except OSError:
        growing.unlink(missing_ok=True)
        raise


def _left(spool: Path) -> Iterator[Path]:
    for pending in spool.glob(f"*{PENDING}"):
        with contextlib.suppress(OSError):
            yield Path(pending.read_text())
