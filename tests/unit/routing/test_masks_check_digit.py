"""Check digits: right ones, wrong ones, and extensions that end with one."""

from __future__ import annotations

import pytest

from routing.masks import MaskTable, SipTarget
from routing.masks.check_digit import Check, digit_of, is_right, right_ones

NUMBER = "4008001234"
DESK = SipTarget("sip:{extension}@127.0.0.1")
CHECKS: list[Check] = ["luhn", "damm"]


@pytest.mark.parametrize(
    ("check", "digits", "digit"),
    [
        ("damm", "572", "4"),
        ("damm", "43881234567", "9"),
        ("luhn", "7992739871", "3"),
        ("luhn", "1789372997", "4"),
        ("luhn", "0", "0"),
        ("none", "123", ""),
    ],
)
def test_digit(check: Check, digits: str, digit: str) -> None:
    """The published examples."""
    assert digit_of(check, digits) == digit
    assert is_right(check, digits + digit)


@pytest.mark.parametrize("check", CHECKS)
def test_every_wrong_digit_is_found(check: Check) -> None:
    """Of ten extensions that differ in one digit one is right."""
    for base in ("000000", "123456", "909090"):
        whole = base + digit_of(check, base)
        for place in range(7):
            found = [digit for digit in "0123456789" if is_right(check, whole[:place] + digit + whole[place + 1 :])]
            assert found == [whole[place]]


@pytest.mark.parametrize("check", CHECKS)
def test_swaps_are_found(check: Check) -> None:
    """Damm's digit finds every swap of neighbours, Luhn's all but those of 0 and 9."""
    for value in range(0, 1_000_000, 37):
        base = f"{value:06}"
        whole = base + digit_of(check, base)
        for place in range(6):
            one, other = whole[place], whole[place + 1]
            swapped = whole[:place] + other + one + whole[place + 2 :]
            missed = one == other or (check == "luhn" and {one, other} == {"0", "9"})
            assert is_right(check, swapped) == missed


@pytest.mark.parametrize("check", [*CHECKS, "none"])
@pytest.mark.parametrize(("first", "last"), [("00", "99"), ("13", "18"), ("105", "131"), ("5", "9"), ("40", "40")])
def test_counting(check: Check, first: str, last: str) -> None:
    """As many of a range are right as there are."""
    width = len(first)
    every = [f"{value:0{width}}" for value in range(int(first), int(last) + 1)]
    assert right_ones(check, first, last) == sum(is_right(check, one) for one in every)


class TestExtensions:
    """A number whose extensions end with a check digit."""

    @pytest.mark.parametrize("check", CHECKS)
    def test_a_slip_is_unbound(self, check: Check) -> None:
        """Bound alone or in a range, only the right digit reaches somebody."""
        table = MaskTable()
        table.set_check(NUMBER, check)
        table.bind(NUMBER, "123456" + digit_of(check, "123456"), DESK)
        table.bind_span(NUMBER, "2000000", "2999999", DESK)
        for base in ("123456", "200000", "234567"):
            reasons = [table.resolve(NUMBER, base + digit, 0.0).reason for digit in "0123456789"]
            assert reasons.count("ok") == 1
            assert reasons.count("unbound") == 9
            assert reasons[int(digit_of(check, base))] == "ok"
        assert table.resolve(NUMBER, "200000", 0.0).reason == "unbound"
        assert len(table) == 100_001

    @pytest.mark.parametrize(
        ("extension", "reason"),
        [("5723", "not its check digit"), ("0", "not its check digit"), ("12345678", "and a check digit")],
    )
    def test_a_wrong_one_is_not_bound(self, extension: str, reason: str) -> None:
        """What nobody could dial is refused when it is bound."""
        table = MaskTable()
        table.set_check(NUMBER, "damm")
        with pytest.raises(ValueError, match=reason):
            table.bind(NUMBER, extension, DESK)
        table.bind(NUMBER, "5724", DESK)
        table.bind("4009999999", "5723", DESK)

    def test_is_said_before_anything_is_bound(self) -> None:
        """Extensions without a right digit, and ranges, stand against a check."""
        for check in CHECKS:
            table = MaskTable()
            table.bind(NUMBER, "5723", DESK)
            with pytest.raises(ValueError, match="extensions already"):
                table.set_check(NUMBER, check)
            table = MaskTable()
            table.bind_span(NUMBER, "10", "19", DESK)
            with pytest.raises(ValueError, match="extensions already"):
                table.set_check(NUMBER, check)

    def test_ranges_compare_by_what_can_be_dialled(self) -> None:
        """A range with check digits has a tenth of its numbers."""
        with_check, empty = MaskTable(), MaskTable()
        with_check.set_check(NUMBER, "damm")
        with_check.bind_span(NUMBER, "1000", "1999", DESK)
        assert empty.compare(with_check).added == len(with_check) == 100
