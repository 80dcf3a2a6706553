"""Check digits of extensions: the last digit follows from the others, so that a slip of the finger reaches nobody.

Damm's digit tells every single wrong digit and every swap of neighbours; Luhn's (ISO/IEC 7812-1 annex B) every
single wrong digit and all swaps but 09 and 90.
"""

from __future__ import annotations

from typing import Final, Literal

Check = Literal["none", "luhn", "damm"]

# A totally anti-symmetric quasigroup of order 10 (H. M. Damm, 2004).
_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_right(check: Check, digits: str) -> bool:
    """Whether the last of the digits is the one that belongs to the others; always without a check."""
    if check == "none":
        return True
    return len(digits) > 1 and digit_of(check, digits[:-1]) == digits[-1]


def digit_of(check: Check, digits: str) -> str:
    """The digit to write after `digits`; empty without a check."""
    if check == "damm":
        interim = 0
        for digit in digits:
            interim = _DAMM[interim][int(digit)]
        return str(interim)
    if check == "luhn":
        total = sum(
            _DOUBLED[int(digit)] if place % 2 == 0 else int(digit) for place, digit in enumerate(reversed(digits))
        )
        return str(-total % 10)
    return ""


def right_ones(check: Check, first: str, last: str) -> int:
    """How many numbers of the range first to last (of one length) have a right last digit."""
    low, high, width = int(first), int(last), len(first)
    if check == "none":
        return high - low + 1
    if width < 2:
        return 0
    whole = max(0, (high + 1) // 10 - (low + 9) // 10)
    ends = {*range(low, min(high + 1, -(-low // 10) * 10)), *range(max(low, (high + 1) // 10 * 10), high + 1)}
    return whole + sum(is_right(check, f"{value:0{width}}") for value in ends)
