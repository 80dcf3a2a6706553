"""The latest SIP messages as they came and went, in memory only, for the ladder of a call.

What is kept are references to the octets that the transport read or the core made: nothing is copied, and nothing
is parsed until somebody asks. Whole batches are kept and given up together.
"""

from __future__ import annotations

from collections import deque
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

Address: TypeAlias = tuple[str, int]
Datagrams: TypeAlias = list[tuple[bytes, Address]]

EACH: Final = 300
"""Octets that a message takes beside its own: the objects that hold it."""

_OCTETS: Final = itemgetter(0)


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

    __slots__ = ("_batches", "_calls", "_limit", "_most_calls", "_now", "size")

    def __init__(self, *, octets: int, calls: int) -> None:
        self.size = 0
        """Octets that are kept, with what holds them."""
        self._limit = octets
        self._most_calls = calls
        self._batches: deque[Kept] = deque()
        self._calls: dict[str, Known] = {}
        self._now = 0.0

    def keep(self, at: float, outgoing: bool, messages: Datagrams) -> None:
        """Keep what came or goes; the list and what is in it must not change any more."""
        if not messages:
            return
        self._now = at
        size = EACH * len(messages) + sum(map(len, map(_OCTETS, messages)))
        batches = self._batches
        batches.append(Kept(at, outgoing, messages, size))
        self.size += size
        while self.size > self._limit:
            self.size -= batches.popleft().size

    def note(self, call: str, call_id: str) -> None:
        """A dialog with this Call-ID belongs to a call."""
        calls = self._calls
        known = calls.get(call)
        if known is not None:
            calls[call] = Known(known.since, (*known.call_ids, call_id))
            return
        calls[call] = Known(self._now, (call_id,))
        if len(calls) > self._most_calls:
            del calls[next(iter(calls))]

    def known(self, call: str) -> Known | None:
        """The dialogs of a call; None when it is too long ago or never was."""
        return self._calls.get(call)

    def since(self, at: float) -> list[Kept]:
        """What is kept of that moment and later, in order."""
        found = []
        for batch in reversed(self._batches):
            if batch.at < at:
                break
            found.append(batch)
        found.reverse()
        return found

    def counts(self) -> dict[str, int]:
        """How much is kept."""
        return {"trace_octets": self.size, "trace_calls": len(self._calls)}
