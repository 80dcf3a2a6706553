"""What SRTP costs a relay: `python -m tests.support.secured_relay` measures a worker's CPU of a second of call.

In turns calls in clear, with one leg secured and with both, each round in the same minute, so that their ratio holds
on a busy machine. Packets come evenly spaced, 50 a second and leg.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from media.control import Bridge, Release
from media.rtp.packet import Packet
from media.sdes import OFFERED, Keys
from tests.support.media_worker import Control, Phone, WorkerProcess, opened
from tests.support.srtp import SecuredPhone, new_keys

MODES = ("in clear", "one leg", "both legs")
VOICE = bytes(range(160))


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has used, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def phone(keys: Keys | None, packets: int) -> tuple[Phone, list[bytes]]:
    """A peer and all that it will say."""
    made = Phone() if keys is None else SecuredPhone(keys)
    said = [bytes(Packet(8, seq & 0xFFFF, seq * 160, 7, VOICE)) for seq in range(packets)]
    if isinstance(made, SecuredPhone):
        said = [made.outbound.protect(data) for data in said]
    return made, said


def measure(worker: WorkerProcess, control: Control, mode: int, suite: str, calls: int, seconds: float) -> float:
    """Milliseconds of CPU a second of call."""
    packets = int(seconds * 50)
    legs = []
    for n in range(2 * calls):
        keys = new_keys(suite) if n % 2 < mode else None
        made, said = phone(keys, packets)
        legs.append((worker.ports[n], made, said))
        control.send(opened(worker.ports[n], gen(), made, secured=keys))
        if n % 2:
            control.send(Bridge(worker.ports[n - 1], gen.last - 1, worker.ports[n], gen.last))
    time.sleep(0.2)
    assert worker.process is not None
    began = time.monotonic()
    used = cpu_of(worker.process.pid)
    for place in range(packets):
        for n, (port, made, said) in enumerate(legs):
            due = began + place * 0.02 + n * 0.02 / len(legs)
            time.sleep(max(0.0, due - time.monotonic()))
            made.send_raw(port, said[place]) if isinstance(made, SecuredPhone) else made.send(port, said[place])
    time.sleep(0.2)
    used = cpu_of(worker.process.pid) - used
    for n, (port, made, _) in enumerate(legs):
        control.send(Release(port, gen.last - 2 * calls + 1 + n))
        made.close()
    time.sleep(0.2)
    return used * 1000.0 / (calls * seconds)


class Generations:
    """Numbers of sessions, none used twice."""

    last = 0

    def __call__(self) -> int:
        self.last += 1
        return self.last


gen = Generations()


def main() -> None:
    """Measure, and print the medians with what SRTP adds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--suite", choices=OFFERED, default=OFFERED[0])
    options = parser.parse_args()
    found: dict[int, list[float]] = {mode: [] for mode in range(len(MODES))}
    with tempfile.TemporaryDirectory() as directory:
        worker = WorkerProcess(Path(directory), pairs=2 * options.calls)
        control = worker.connect()
        for _ in range(options.rounds):
            for mode in found:
                found[mode].append(measure(worker, control, mode, options.suite, options.calls, options.seconds))
        worker.close()
    clear = statistics.median(found[0])
    print(f"{options.suite}, {options.calls} calls, {options.rounds} rounds of {options.seconds:g} s")
    for mode, name in enumerate(MODES):
        middle = statistics.median(found[mode])
        ratio = statistics.median(one / other for one, other in zip(found[mode], found[0], strict=True))
        print(
            f"{name:10} {middle:.2f} ms CPU a second of call ({min(found[mode]):.2f}-{max(found[mode]):.2f}),"
            f" {ratio:.2f} times, {middle - clear:+.2f}"
        )


if __name__ == "__main__":
    main()
