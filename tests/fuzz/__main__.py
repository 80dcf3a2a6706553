"""All targets for a while, two at a time: `python -m tests.fuzz --seconds 600`.

What was found goes on in var/fuzz, a directory a target. An input that breaks something is kept as
var/fuzz/TARGET-crash-*; copied to tests/fuzz/found/TARGET it is replayed by the tests for ever.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.replay import growth
from tests.fuzz.targets import PROJECT, TARGETS, corpus
from tests.support.fuzz import WORDS

AT_ONCE: Final = 2
MOST_MB: Final = 700
"""Resident memory of one process; the corpus of the fuzzer itself is in it."""
MOST_GROWTH: Final = 200
"""Memory blocks that a whole corpus may leave behind when it was seen before."""
LONGEST: Final = 65_536
_STATISTICS: Final = re.compile(r"stat::(\w+): +(\d+)")


@dataclass(slots=True)
class Outcome:
    """What became of one target."""

    name: str
    figures: dict[str, int] = field(default_factory=dict)
    failure: str = ""


def fuzz(name: str, seconds: int, directory: Path) -> Outcome:
    """Run one target, then its whole corpus again to see whether anything is kept of an input."""
    found, seeds = directory / name, directory / "seeds" / name
    for place in (found, seeds):
        place.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus(name)):
        (seeds / f"{number:03d}").write_bytes(data)
    words = directory / f"{name}.dict"
    words.write_text("".join(_quoted(word) for word in WORDS))
    options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-rss_limit_mb={MOST_MB}", "-timeout=60"]
    options += ["-print_final_stats=1", f"-dict={words}", f"-artifact_prefix={directory}/{name}-"]
    command = [sys.executable, "-m", "tests.fuzz.one", name, *options, str(found), str(seeds)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, errors="replace", check=False)
    outcome = Outcome(name, {key: int(value) for key, value in _STATISTICS.findall(done.stderr)})
    outcome.figures["corpus"] = sum(1 for _ in found.iterdir())
    if done.returncode:
        lines = [
            line for line in (done.stdout + done.stderr).splitlines() if not line.startswith(("INFO:", "WARNING:", "#"))
        ]
        outcome.failure = "\n".join(lines)[-4000:] or f"ended with {done.returncode}"
    else:
        try:
            outcome.figures["kept"] = kept = growth(name, [file.read_bytes() for file in sorted(found.iterdir())])
        except Exception as error:  # noqa: BLE001 - whatever a target raises is a finding
            outcome.failure = f"the corpus, replayed: {error!r}"
            return outcome
        if kept > MOST_GROWTH:
            outcome.failure = f"the corpus, replayed, leaves {kept} blocks of memory behind"
    return outcome


def _quoted(word: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join([f"\\x{octet:02x}" for octet in word]) + '"\n'


def main() -> int:
    """Run all, print a table, and say what broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="in all, with two processes")
    parser.add_argument("--directory", type=Path, default=PROJECT / "var" / "fuzz")
    parser.add_argument("targets", nargs="*", default=list(TARGETS), help=", ".join(TARGETS))
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install -c constraints.txt -e '.[fuzz]' (wheels for CPython 3.11 to 3.13)")
        return 2
    each = max(1, options.seconds * AT_ONCE // len(options.targets))
    directory = options.directory.resolve()
    print(f"{len(options.targets)} targets, {each} s each, {AT_ONCE} at a time", flush=True)
    failures = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for outcome in pool.map(lambda name: fuzz(name, each, directory), options.targets):
            told = [
                outcome.figures.get(name, 0) for name in ("number_of_executed_units", "corpus", "peak_rss_mb", "kept")
            ]
            line = "{:10} {:>10,} inputs {:>6,} of interest {:>5} MB at most {:>4} blocks left".format(
                outcome.name, *told
            )
            print(f"{line}  {'BROKEN' if outcome.failure else 'ok'}", flush=True)
            if outcome.failure:
                failures.append(outcome)
    for outcome in failures:
        print(f"\n{outcome.name}:\n{outcome.failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
