"""The latest SIP messages as they came and went, in memory only, for the ladder of a call.

What is kept are references to the octets that the transport read or the core made: nothing is copied, and nothing
is parsed until somebody asks. Whole batches are kept and given up together, at the latest when the last call that
they could belong to is known no more: what nobody can ask for takes no memory.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple, TypeAlias

Address: TypeAlias = tuple[str, int]
Datagrams: TypeAlias = list[tuple[bytes, Address]]

EACH: Final = 300
"""Octets that a message takes beside its own: the objects that hold it."""


class Kept(NamedTuple):
    """One batch: when (monotonic seconds), whether we sent it, the messages, and what they take in memory."""

    at: float
    outgoing: bool
    messages: Datagrams
    size: int


class Known(NamedTuple):
    """A call: since when its messages are kept (monotonic seconds), and the Call-IDs of its dialogs."""

    since: float
    call_ids: tuple[str, ...]


class MessageRing:
    """Keeps at most `octets` of messages, and the dialogs of the `calls` that began last."""

    __slots__ = ("_batches", "_began", "_calls", "_latest", "_limit", "_most_calls", "_now", "size")

    def __init__(self, *, octets: int, calls: int) -> None:
        self.size = 0
        """Octets that are kept, with what holds them."""
        self._limit = octets
        self._most_calls = calls
        # Plain tuples and lists: named ones cost three times as much to make, and hardly any is ever looked at.
        self._batches: deque[tuple[float, bool, Datagrams, int]] = deque()
        self._calls: dict[str, list[str]] = {}
        self._began: dict[str, float] = {}
        self._latest: deque[str] = deque()
        self._now = 0.0

    def keep(self, at: float, outgoing: bool, messages: Datagrams, octets: int) -> None:
        """Keep what came or goes, so many octets; the list and what is in it must not change any more."""
        if not messages:
            return
        self._now = at
        size = EACH * len(messages) + octets
        batches = self._batches
        batches.append((at, outgoing, messages, size))
        self.size += size
        while self.size > self._limit:
            self.size -= batches.popleft()[3]

    def note(self, call: str, call_id: str) -> None:
        """A dialog with this Call-ID belongs to a call."""
        calls = self._calls
        known = calls.get(call)
        if known is not None:
            known.append(call_id)
            return
        calls[call] = [call_id]
        self._began[call] = self._now
        self._latest.append(call)
        if len(calls) > self._most_calls:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Give up the call that began first, and what came before the next."""
        oldest = self._latest.popleft()
        del self._calls[oldest], self._began[oldest]
        since = self._began[self._latest[0]]
        batches = self._batches
        while batches and batches[0][0] < since:
            self.size -= batches.popleft()[3]

    def known(self, call: str) -> Known | None:
        """The dialogs of a call; None when it is too long ago or never was."""
        call_ids = self._calls.get(call)
        return None if call_ids is None else Known(self._began[call], tuple(call_ids))

    def since(self, at: float) -> list[Kept]:
        """What is kept of that moment and later, in order."""
        found = []
        for batch in reversed(self._batches):
            if batch[0] < at:
                break
            found.append(Kept(*batch))
        found.reverse()
        return found

    def counts(self) -> dict[str, int]:
        """How much is kept."""
        return {"trace_octets": self.size, "trace_calls": len(self._calls)}
