"""Which files of tests run beside which: those that wait for real time to pass beside those that only reckon."""

from __future__ import annotations

import os
import threading
from typing import Final

from xdist.scheduler.loadfile import LoadFileScheduling
from xdist.workermanage import WorkerController

WAITING: Final = ("tests/e2e/", "tests/interop/")
"""Where the files are that start switches and wait for them: they need little, but that little at once."""
RECKONERS: Final = 4
"""Each so many-th process begins with files of the other kind, and they give way to those that wait."""
GIVES_WAY: Final = 4
EACH: Final = {True: 4.0, False: 0.05}
"""Seconds of a usual test, of one that waits and of one that reckons."""
LONG: Final = {
    "tests/e2e/test_soak.py": 220,
    "tests/e2e/test_rtpengine.py": 125,
    "tests/e2e/test_call_control.py": 120,
    "tests/e2e/test_phones_control.py": 85,
    "tests/e2e/test_crash.py": 65,
    "tests/e2e/test_audio.py": 65,
    "tests/e2e/test_connections.py": 60,
    "tests/e2e/test_endurance.py": 60,
    "tests/e2e/test_operations.py": 55,
    "tests/e2e/test_bench_load.py": 50,
    "tests/e2e/test_hotline.py": 45,
    "tests/e2e/test_library.py": 45,
    "tests/e2e/test_recording.py": 45,
    "tests/e2e/test_call_bar.py": 40,
    "tests/e2e/test_default_timers.py": 40,
    "tests/e2e/test_garbage.py": 40,
    "tests/e2e/test_leaks.py": 40,
    "tests/e2e/test_mailbox.py": 40,
    "tests/e2e/test_desk_robust.py": 35,
    "tests/e2e/test_trunks.py": 35,
    "tests/e2e/test_storm.py": 30,
    "tests/interop/test_kamailio_proxy.py": 30,
    "tests/e2e/test_leaks_rtpengine.py": 30,
    "tests/e2e/test_recorder_finishing.py": 30,
    "tests/e2e/test_softphone.py": 30,
    "tests/e2e/test_voicemail.py": 30,
    "tests/e2e/test_workers.py": 30,
    "tests/e2e/test_names.py": 25,
    "tests/e2e/test_secured_phones.py": 25,
    "tests/e2e/test_secured_rtpengine.py": 25,
    "tests/e2e/test_sipp.py": 25,
    "tests/e2e/test_surge.py": 25,
    "tests/e2e/test_media_worker.py": 25,
    "tests/e2e/test_supervisor.py": 22,
    "tests/e2e/test_torture_live.py": 13,
    "tests/e2e/test_torture_tcp.py": 6,
    "tests/e2e/test_privacy.py": 13,
    "tests/unit/api/test_conformance.py": 40,
    "tests/unit/ivr_flows/test_fault_files.py": 15,
    "tests/unit/media/rtpengine/test_plane.py": 15,
    "tests/property/test_call_control.py": 15,
    "tests/property/test_queue_calls.py": 20,
    "tests/fuzz/test_targets.py": 60,
}
"""Seconds of files whose tests are not usual ones; the longest begin first, or all would wait for the last one."""


class Order(LoadFileScheduling):
    """Each file whole on one process, the longest first, so many of either kind at a time."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        waiting = self.nodes.index(node) % RECKONERS != RECKONERS - 1
        first = max(self.workqueue, key=lambda scope: (is_waiting(scope) is waiting, self._seconds(scope)))
        self.workqueue.move_to_end(first, last=False)
        super()._assign_work_unit(node)

    def _seconds(self, scope: str) -> float:
        return LONG.get(scope) or len(self.workqueue[scope]) * EACH[is_waiting(scope)]


def is_waiting(name: str) -> bool:
    """Whether a file or test is one that waits for real time to pass."""
    return name.startswith(WAITING)


def give_way(name: str) -> None:
    """Let this process, and what it starts from now on, be as urgent as a test is."""
    if _MAY_RETURN:
        urgency = _URGENCY if is_waiting(name) else _URGENCY + GIVES_WAY
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), urgency)


def _may_return() -> bool:
    """Whether a process may become more urgent again: elsewhere than at root's it may not."""
    return os.geteuid() == 0 and _URGENCY + GIVES_WAY < 20


_URGENCY: Final = os.getpriority(os.PRIO_PROCESS, 0)
_MAY_RETURN: Final = _may_return()
