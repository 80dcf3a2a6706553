"""In which order those who waited were served, as the switch's own records tell: nobody lost, nobody overtaken.

An agent rings for whoever came first, so the begin of that ringing is when somebody was served. One who chose to be
called back keeps the place of the call in which that was chosen.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from bench.errors import BenchError

_CALLS: Final = (
    "SELECT id, (SELECT MIN(started_us) FROM segments WHERE call_id = id AND kind = 'queue') FROM calls"
    " WHERE direction = 'in' AND called = ? AND ended_us IS NOT NULL"
)
_RANG: Final = (
    "SELECT call_id, MIN(started_us), COUNT(*) FROM segments WHERE kind = 'ring' AND agent <> '' GROUP BY call_id"
)
_TALKED: Final = "SELECT DISTINCT call_id FROM segments WHERE kind = 'talk'"
_CALLBACKS: Final = "SELECT call_id, last_call_id, since_us, state FROM callback_requests"


class Served(NamedTuple):
    """Somebody for whom an agent was rung; microseconds since the epoch."""

    came_us: int
    rang_us: int
    called_back: bool


@dataclass(frozen=True, slots=True)
class Service:
    """What became of all who came."""

    served: list[Served]
    lost: int
    """How many came and talked to nobody, neither then nor when they were called back."""
    rung_again: int
    """How often a further agent had to be rung for somebody on the line."""


def read(database: Path, number: str) -> Service:
    """What became of the callers of a number; raises BenchError."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as connection:
            calls = {call: came or 0 for call, came in connection.execute(_CALLS, (number,))}
            rang = {call: (at, count) for call, at, count in connection.execute(_RANG)}
            talked = {call for (call,) in connection.execute(_TALKED)}
            callbacks = connection.execute(_CALLBACKS).fetchall()
    except sqlite3.Error as error:
        raise BenchError(f"{database}: {error}") from error
    served = [Served(came, rang[call][0], False) for call, came in calls.items() if call in rang and call in talked]
    reached = {first: (last, since) for first, last, since, state in callbacks if state == "done" and last in talked}
    served += [Served(since, rang[last][0], True) for last, since in reached.values() if last in rang]
    lost = sum(call not in talked and call not in reached for call in calls)
    again = sum(rang[call][1] - 1 for call in calls if call in rang)
    return Service(sorted(served, key=lambda one: (one.rang_us, one.came_us)), lost, again)


def overtaken(served: Iterable[Served]) -> list[Served]:
    """Those for whom an agent was rung later than for somebody who had come after them; in the order of ringing."""
    latest, found = 0, []
    for one in served:
        if one.came_us < latest:
            found.append(one)
        latest = max(latest, one.came_us)
    return found


def out_of_order(values: Sequence[int]) -> int:
    """How many are preceded by a greater one."""
    latest, count = -1, 0
    for value in values:
        count += value < latest
        latest = max(latest, value)
    return count
