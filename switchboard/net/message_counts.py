"""Counts SIP messages by method or class of status, without parsing them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

Datagrams: TypeAlias = Iterable[tuple[bytes, tuple[str, int]]]
"""Datagrams, each with the address it came from or goes to."""

_KEY: Final = 9
"""Octets that tell a method, or "SIP/2.0 " with the first digit of the status."""

_METHODS: Final = frozenset(
    {
        *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO"),
        *("PRACK", "UPDATE", "SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH"),
    }
)
_MOST_KEYS: Final = 64


class MessageCounts:
    """Tallies keyed by a message's first octets; what garbage begins with is counted together."""

    __slots__ = ("_received", "_sent")

    def __init__(self) -> None:
        self._received: dict[bytes, int] = {}
        self._sent: dict[bytes, int] = {}

    def received(self, datagrams: Datagrams) -> int:
        """Count what came; returns how many octets it has."""
        return _count(self._received, datagrams)

    def sent(self, datagrams: Datagrams) -> int:
        """Count what goes; returns how many octets it has."""
        return _count(self._sent, datagrams)

    def read(self) -> Mapping[tuple[str, ...], float]:
        """The totals by direction ("in", "out") and kind ("INVITE", "2xx", "other")."""
        totals: dict[tuple[str, ...], float] = {}
        for direction, tally in (("in", self._received), ("out", self._sent)):
            for key, count in tally.items():
                kind = direction, _kind(key)
                totals[kind] = totals.get(kind, 0) + count
        return totals


def _count(tally: dict[bytes, int], datagrams: Datagrams) -> int:
    octets = 0
    for data, _ in datagrams:
        octets += len(data)
        key = data[:_KEY]
        if key in tally:
            tally[key] += 1
        else:
            key = key if len(tally) < _MOST_KEYS else b""
            tally[key] = tally.get(key, 0) + 1
    return octets


def _kind(key: bytes) -> str:
    if key.startswith(b"SIP/2.0 ") and key[8:9] in b"123456":
        return f"{key[8:9].decode()}xx"
    method = key.partition(b" ")[0].decode("ascii", "replace")
    return method if method in _METHODS else "other"
