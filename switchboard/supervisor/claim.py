"""What a running switch claims for itself: its pid file and its store directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class ClaimError(Exception):
    """Somebody else has it, or it cannot be written; one line."""


class StoreLock:
    """An exclusive lock on the store directory.

    Signalling inherits the descriptor: after a crash of the supervisor the directory stays locked until
    signalling has finished its calls and no longer writes there.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lock"
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise ClaimError(f"store.directory {directory} cannot be used: {_reason(problem)}") from None
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self.descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self.descriptor)
            message = (
                f"store.directory {directory} is in use by another switch (pid {owner}, or its signalling "
                "process that finishes its calls); stop it or give this one another store.directory"
            )
            raise ClaimError(message) from None
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the directory back; the file stays, for removing it would let two processes lock two files."""
        os.close(self.descriptor)


class PidFile:
    """The file that names the running supervisor; written whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        owner = _owner(path)
        if owner is not None and owner != os.getpid() and _alive(owner):
            raise ClaimError(
                f"{path} belongs to pid {owner} ({_name(owner)}), which is running; "
                "stop it, or remove the file if that is not a switch"
            )
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(f"{os.getpid()}\n")
            fresh.replace(path)
        except OSError as problem:
            raise ClaimError(f"pid file {path} cannot be written: {_reason(problem)}") from None

    def remove(self) -> None:
        """Remove the file if it is still ours."""
        if _owner(self.path) == os.getpid():
            self.path.unlink(missing_ok=True)


def _owner(path: Path) -> int | None:
    try:
        pid = int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid > 0 else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:
        return False
    return True


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "unknown"


def _reason(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()
