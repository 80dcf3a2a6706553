"""Scalar values of the configuration that are more than a string or a number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST: Final = 36525 * 86400.0
_RANGE: Final = re.compile(r"(\d+)\s*-\s*(\d+)")


class Duration(float):
    """A span of time in seconds, written ``30s``, ``1.5s``, ``200ms``, ``4h`` or as a number of seconds."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Read a duration; ValueError says what is expected."""
        seconds = -1.0
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            seconds = value
        elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
            seconds = round(float(match[1]) * _SECONDS[match[2]], 6)
        if seconds > _LONGEST:
            raise ValueError("expected a duration of a hundred years, 36525d, at most")
        if not seconds >= 0:
            raise ValueError("expected a duration such as 30s, 200ms, 1.5s, 5m or 4h")
        return cls(seconds)


class PortRange:
    """UDP ports, even first and odd last: RTP on the even, RTCP on the odd ones (RFC 3550 section 11)."""

    __slots__ = ("first", "last")

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last

    @classmethod
    def parse(cls, value: object) -> PortRange:
        """Read ``10000-29999``; ValueError says what is expected."""
        match = _RANGE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None:
            raise ValueError("expected a range of ports such as 10000-29999")
        first, last = int(match[1]), int(match[2])
        if not 1024 <= first < last <= 65535:
            raise ValueError("expected ports between 1024 and 65535, the lower one first")
        if first % 2 or not last % 2:
            raise ValueError("expected an even first and an odd last port, as RTP and RTCP come in pairs")
        return cls(first, last)

    @property
    def pairs(self) -> int:
        """How many RTP/RTCP pairs the range holds."""
        return (self.last - self.first + 1) // 2

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PortRange) and (self.first, self.last) == (other.first, other.last)

    def __hash__(self) -> int:
        return hash((self.first, self.last))

    def __repr__(self) -> str:
        return f"{self.first}-{self.last}"


class ExtensionRange:
    """Extensions of one width from a first to a last one, both included: ``100000-299999``."""

    __slots__ = ("first", "last", "width")

    def __init__(self, first: int, last: int, width: int) -> None:
        self.first = first
        self.last = last
        self.width = width

    @classmethod
    def parse(cls, value: object) -> ExtensionRange:
        """Read ``100000-299999``; leading zeros count; ValueError says what is expected."""
        match = _RANGE.fullmatch(value.strip()) if isinstance(value, str) else None
        if match is None or len(match[1]) != len(match[2]):
            raise ValueError("expected two extensions of the same length such as 100000-299999")
        if len(match[1]) > 6:
            raise ValueError("an extension has at most 6 digits")
        first, last = int(match[1]), int(match[2])
        if first > last:
            raise ValueError("expected the lower extension first")
        return cls(first, last, len(match[1]))

    def __iter__(self) -> Iterator[str]:
        return (f"{number:0{self.width}d}" for number in range(self.first, self.last + 1))

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExtensionRange):
            return NotImplemented
        return (self.first, self.last, self.width) == (other.first, other.last, other.width)

    def __hash__(self) -> int:
        return hash((self.first, self.last, self.width))

    def __repr__(self) -> str:
        return f"{self.first:0{self.width}d}-{self.last:0{self.width}d}"


class Hidden:
    """A password or a real number: printing it shows nothing, ``reveal`` names why it is needed."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def parse(cls, value: object) -> Hidden:
        """Take a quoted text; ValueError names the type only, never the value."""
        if not isinstance(value, str) or not value:
            raise ValueError("expected text in quotes")
        return cls(value)

    def reveal(self, reason: str) -> str:
        """The clear text; the reason documents the call and must not be empty."""
        if not reason:
            raise ValueError("a reason is needed")
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Hidden(***)"
