"""One target under coverage-guided fuzzing, in a process of its own: `python -m tests.fuzz.one TARGET OPTIONS`.

The options and the status are libFuzzer's: not 0 when an input raised, took too much CPU time or memory, or hung.
"""

from __future__ import annotations

import sys
import time
from typing import Final

import atheris

MOST_SECONDS: Final = 2.0
"""CPU time of one input of up to 64 KiB, counted code included, which is ten times as slow; quadratic would be more."""


def main() -> None:
    """Fuzz until the options say that it is enough."""
    name = sys.argv.pop(1)
    with atheris.instrument_imports(
        include=["switchboard.sip", "switchboard.calls.causes", "switchboard.net", "media", "websockets"]
    ):
        from tests.fuzz.targets import TARGETS

    run = TARGETS[name].run

    def watched(data: bytes) -> None:
        began = time.thread_time()
        run(data)
        took = time.thread_time() - began
        if took > MOST_SECONDS:
            raise AssertionError(f"{len(data)} octets took {took:.1f} s of CPU time")

    atheris.Setup(sys.argv, watched)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
