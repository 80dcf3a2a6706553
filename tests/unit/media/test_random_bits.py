"""Random numbers in the sizes that sessions ask for."""

from __future__ import annotations

from media.worker.random_bits import RandomBits


def test_numbers_have_as_many_bits_as_asked_for_and_do_not_repeat() -> None:
    """Over several draws from the kernel; each bit is set in some and not in others."""
    random = RandomBits()
    for bits in (15, 16, 32):
        numbers = [random(bits) for _ in range(3000)]
        assert max(numbers) < 1 << bits
        ones = zeros = 0
        for number in numbers:
            ones |= number
            zeros |= ~number
        assert ones == zeros & ((1 << bits) - 1) == (1 << bits) - 1
    assert len({random(32) for _ in range(3000)}) > 2990
