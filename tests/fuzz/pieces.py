"""One input of a fuzzer cut into numbers and pieces, for what takes more than one argument."""

from __future__ import annotations


class Pieces:
    """Reads from the front; what is asked for beyond the end is zeros and nothing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Octets that were not read."""
        return max(0, len(self._data) - self._at)

    def number(self, octets: int = 1) -> int:
        """A big-endian number."""
        return int.from_bytes(self.take(octets).ljust(octets, b"\0"), "big")

    def take(self, size: int) -> bytes:
        """At most so many octets."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def piece(self) -> bytes:
        """As many octets as the next two say."""
        return self.take(self.number(2))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(self.left)


def packed(*pieces: bytes) -> bytes:
    """What `Pieces.piece` cuts into these."""
    return b"".join(len(piece).to_bytes(2, "big") + piece for piece in pieces)


def text_of(data: bytes) -> str:
    """Octets as the parser of messages hands them on."""
    return data.decode("utf-8", "surrogateescape").replace("\r", " ").replace("\n", " ")
