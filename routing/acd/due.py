"""Deadlines: one heap for all, at most one deadline a subject.

A deadline that is cancelled or set anew stays in the heap until it comes to the top or the dead outnumber the living.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

T = TypeVar("T")

SPARE: Final = 64
"""The heap is cleaned when it is longer than twice the deadlines that hold, and this."""


class Deadlines(Generic[T]):
    """Who is due when. Subjects are told apart by identity; equal times come in the order in which they were set."""

    __slots__ = ("_count", "_heap", "_live")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._live: dict[T, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._live)

    @property
    def kept(self) -> int:
        """How many entries the heap holds, the dead ones among them."""
        return len(self._heap)

    def set(self, subject: T, at: float) -> None:
        """Let the subject be due at that time, and no longer at another."""
        self._count += 1
        self._live[subject] = self._count
        heappush(self._heap, (at, self._count, subject))
        self._clean()

    def cancel(self, subject: T) -> None:
        """The subject is not due any more."""
        if self._live.pop(subject, None) is not None:
            self._clean()

    def next(self) -> float | None:
        """When the next one is due; None: nobody is."""
        heap, live = self._heap, self._live
        while heap:
            at, number, subject = heap[0]
            if live.get(subject) == number:
                return at
            heappop(heap)
        return None

    def pop(self, now: float) -> list[T]:
        """Those who are due by now, the earliest first; they are due no more."""
        due = []
        while (at := self.next()) is not None and at <= now:
            subject = heappop(self._heap)[2]
            del self._live[subject]
            due.append(subject)
        return due

    def _clean(self) -> None:
        if len(self._heap) > 2 * len(self._live) + SPARE:
            live = self._live
            self._heap = [one for one in self._heap if live.get(one[2]) == one[1]]
            heapify(self._heap)
