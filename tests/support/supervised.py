"""Runs the supervisor with stand-ins: ``python -m tests.support.supervised CONFIG PIDFILE [CPUS]``."""

from __future__ import annotations

import sys
from pathlib import Path

from switchboard.supervisor import Modules, run

STAND_INS = Modules(
    "tests.support.standin_signalling", "tests.support.standin_worker", "tests.support.standin_recorder"
)

if __name__ == "__main__":
    config, pid_file, *rest = sys.argv[1:]
    cpus = rest[0] if rest else None
    sys.exit(run(Path(config), Path(pid_file), cpus, modules=STAND_INS))
