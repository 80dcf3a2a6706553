"""What stops a measurement before it has a result."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement that cannot be made; the message says what to do about it."""
