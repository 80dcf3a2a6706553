"""The timers of RFC 3261 Table 4 and the one heap that keeps every deadline of a core."""

from __future__ import annotations

import math
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from switchboard.sip.transaction.table import Input

COMPACT_FLOOR: Final = 64
"""Below so many dead entries a heap is not worth rebuilding."""


class Timers(msgspec.Struct, frozen=True):
    """The base values T1, T2, T4 in seconds, and the timers that follow from them over UDP.

    RFC 3261 Table 4 and RFC 6026 §7; named by letter, because new names would only make them harder to check.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    least_d: float = 32.0
    """The absolute minimum of Timer D (RFC 3261 §17.1.1.2): a client does not know the server's T1."""
    together: float = 0.0
    """Transactions that only linger end at multiples of so many seconds: one wake-up for many; 0: each for itself."""

    def end(self, when: float) -> float:
        """When a transaction that lingers until `when` ends; nobody waits for it."""
        step = self.together
        return math.ceil(when / step) * step if step else when

    @property
    def a(self) -> float:
        """First interval between INVITE requests; it doubles without a bound."""
        return self.t1

    @property
    def b(self) -> float:
        """INVITE transaction time-out."""
        return 64 * self.t1

    @property
    def c(self) -> float:
        """Proxy INVITE time-out, more than three minutes; no timer of this core, ring time is the TU's."""
        return 180.5

    @property
    def d(self) -> float:
        """How long a client waits for retransmitted final responses to INVITE: at least `least_d`."""
        return max(self.least_d, 64 * self.t1)

    @property
    def e(self) -> float:
        """First interval between non-INVITE requests; it doubles up to T2."""
        return self.t1

    @property
    def f(self) -> float:
        """Non-INVITE transaction time-out."""
        return 64 * self.t1

    @property
    def g(self) -> float:
        """First interval between final responses to INVITE; it doubles up to T2."""
        return self.t1

    @property
    def h(self) -> float:
        """How long a server waits for the ACK."""
        return 64 * self.t1

    @property
    def i(self) -> float:
        """How long a server absorbs retransmitted ACKs."""
        return self.t4

    @property
    def j(self) -> float:
        """How long a server answers retransmitted non-INVITE requests."""
        return 64 * self.t1

    @property
    def k(self) -> float:
        """How long a client absorbs retransmitted responses to non-INVITE."""
        return self.t4

    @property
    def l(self) -> float:  # noqa: E743 - the letter is the timer's name
        """How long an accepted INVITE server transaction lives (RFC 6026 §7.1)."""
        return 64 * self.t1

    @property
    def m(self) -> float:
        """How long an accepted INVITE client transaction lives (RFC 6026 §7.2)."""
        return 64 * self.t1

    @property
    def trying(self) -> float:
        """How long the TU has before 100 Trying is sent for it (RFC 3261 §17.2.1)."""
        return 0.2


class ReliableTimers(Timers, frozen=True):
    """The same over TCP and TLS: nothing is sent again, so nothing lingers to absorb it (RFC 3261 Table 4)."""

    @property
    def a(self) -> float:
        """Never: the transport repeats what is lost."""
        return math.inf

    @property
    def d(self) -> float:
        """No response comes twice."""
        return 0.0

    @property
    def e(self) -> float:
        """Never."""
        return math.inf

    @property
    def g(self) -> float:
        """Never."""
        return math.inf

    @property
    def i(self) -> float:
        """No ACK comes twice."""
        return 0.0

    @property
    def j(self) -> float:
        """No request comes twice."""
        return 0.0

    @property
    def k(self) -> float:
        """No response comes twice."""
        return 0.0


class TimerOwner(Protocol):
    """What may own a deadline: at most one at a time, named by `timer` (0: none)."""

    timer: int


Owner = TypeVar("Owner", bound=TimerOwner)


class DeadlineHeap(Generic[Owner]):
    """All deadlines in one heap; cancelled entries are skipped, and swept when they are the majority.

    What only lingers, for many times as long as it was busy, stands aside in groups of one moment, so that the heap
    holds little else than what has happened within the last second.
    """

    __slots__ = ("_dead", "_ends", "_entries", "_groups", "_serial")

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Owner, Input]] = []
        self._dead = 0
        self._serial = 0
        self._ends: list[float] = []
        self._groups: dict[float, list[tuple[Owner, Input]]] = {}

    def __len__(self) -> int:
        """Deadlines that will fire."""
        return len(self._entries) - self._dead + sum(map(len, self._groups.values()))

    @property
    def size(self) -> int:
        """Entries held of what does not linger, dead ones included: at most twice the living plus `COMPACT_FLOOR`."""
        return len(self._entries)

    def schedule(self, when: float, owner: Owner, letter: Input) -> None:
        """Arm the owner's one timer; an earlier one is replaced."""
        if owner.timer:
            owner.timer = 0  # before the sweep, or it would keep the entry
            self._dead = dead = self._dead + 1
            if dead > COMPACT_FLOOR and 2 * dead > len(self._entries):
                self._sweep()
        self._serial = owner.timer = serial = self._serial + 1
        heappush(self._entries, (when, serial, owner, letter))

    def linger(self, when: float, owner: Owner, letter: Input) -> None:
        """Arm the owner's last timer, which nothing will move or stop; an earlier one is replaced."""
        if owner.timer:
            self.cancel(owner)
        group = self._groups.get(when)
        if group is None:
            group = self._groups[when] = []
            heappush(self._ends, when)
        group.append((owner, letter))

    def cancel(self, owner: Owner) -> None:
        """Disarm the owner's timer, if it has one that may be stopped."""
        if owner.timer:
            owner.timer = 0
            self._dead = dead = self._dead + 1
            if dead > COMPACT_FLOOR and 2 * dead > len(self._entries):
                self._sweep()

    def pop_due(self, now: float) -> tuple[Owner, Input] | None:
        """Take the earliest deadline that is not after `now`, in order of arming where equal."""
        entries = self._entries
        while entries and entries[0][0] <= now:
            _, serial, owner, letter = heappop(entries)
            if owner.timer == serial:
                owner.timer = 0
                return owner, letter
            self._dead -= 1
        return None

    def pop_lingering(self, now: float) -> list[tuple[Owner, Input]]:
        """Take the earliest of those that have lingered until `now`, all of one moment; empty when there are none."""
        ends = self._ends
        return self._groups.pop(heappop(ends)) if ends and ends[0] <= now else []

    def next_deadline(self) -> float | None:
        """When the earliest living deadline falls due."""
        entries = self._entries
        end = self._ends[0] if self._ends else None
        while entries:
            when, serial, owner, _ = entries[0]
            if owner.timer == serial:
                return when if end is None or when < end else end
            heappop(entries)
            self._dead -= 1
        return end

    @staticmethod
    def earliest(heaps: Iterable[DeadlineHeap[Any]]) -> float | None:
        """When the earliest living deadline of several heaps falls due, in none of which anything lingers."""
        earliest = None
        for heap in heaps:
            if heap._entries:
                due = heap.next_deadline()
                if due is not None and (earliest is None or due < earliest):
                    earliest = due
        return earliest

    def _sweep(self) -> None:
        """Drop the dead entries."""
        self._entries = [entry for entry in self._entries if entry[2].timer == entry[1]]
        heapify(self._entries)
        self._dead = 0
