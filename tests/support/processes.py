"""The processes of a running switch, seen from outside: memory, descriptors, threads, who lives."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil

from tests.support.switch import RunningSwitch


def processes(switch: RunningSwitch) -> dict[str, psutil.Process]:
    """Supervisor, signalling and workers by a name that survives a restart."""
    supervisor = psutil.Process(switch.process.pid)
    found = {"supervisor": supervisor}
    for child in supervisor.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found[_name(child.cmdline())] = child
    return found


def _name(words: list[str]) -> str:
    if "switchboard.signalling" in words:
        return "signalling"
    if "media.worker" in words:
        return f"worker {words[words.index('--id') + 1]}"
    return " ".join(words)


def group_members(group: int) -> list[int]:
    """Pids of all processes of a process group that are not zombies."""
    found = []
    for process in psutil.process_iter(["pid", "status"]):
        with contextlib.suppress(OSError):
            if os.getpgid(process.info["pid"]) == group and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.info["pid"])
    return found


def responds(switch: RunningSwitch) -> bool:
    """Whether its web server answers, as it does again some time after a restart of signalling."""
    try:
        switch.metrics()
    except OSError:
        return False
    return True


def memory(switch: RunningSwitch) -> dict[str, int]:
    """Resident octets of each process."""
    return {name: process.memory_info().rss for name, process in processes(switch).items()}


def descriptors(switch: RunningSwitch) -> dict[str, int]:
    """Open file descriptors of each process."""
    return {name: process.num_fds() for name, process in processes(switch).items()}


def threads(switch: RunningSwitch) -> dict[str, int]:
    """Threads of each process."""
    return {name: process.num_threads() for name, process in processes(switch).items()}


def await_end(pids: list[int], within: float) -> list[int]:
    """Wait until these processes have ended; those that still live."""
    until = time.monotonic() + within
    while (left := [pid for pid in pids if _lives(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
