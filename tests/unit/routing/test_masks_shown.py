"""Which number a called side sees: never a service number."""

from __future__ import annotations

import pytest

from routing.masks import MaskTable, NumberTarget, Policy, Sealed, ShownError
from routing.masks.shown import allowed, check_shown

X = "01088880000"
Y = "13956781234"
SERVICES = ["4008001234", "8008101234", "95588", "9550012345", "96123", "01096123"]
WRITTEN = ["400-800-1234", "+864008001234", "864008001234", "0104008001234", "+8695588", "８００８１０１２３４"]


@pytest.mark.parametrize("written", [*SERVICES, *WRITTEN])
def test_checked_when_configured(written: str) -> None:
    """In whatever form it is written, a service number is an error, as the number chosen and as X."""
    with pytest.raises(ShownError, match="cannot be shown as a caller"):
        check_shown("a_to_b", Policy(shown_to_b=written), X)
    with pytest.raises(ShownError, match="say which other number"):
        check_shown("b_to_a", Policy(shown_to_b=X), written)
    check_shown("b_to_a", Policy(shown_to_a=X), written)
    check_shown("b_to_a", Policy(shown_to_b=written), X)
    assert allowed(written) is None


@pytest.mark.parametrize(("written", "form"), [("+861088880000", X), (Y, Y), ("4001", "4001"), ("+14155550100",) * 2])
def test_other_numbers_may_be_shown(written: str, form: str) -> None:
    """Geographic, mobile, foreign and internal numbers are shown, in their one form."""
    assert allowed(written) == form
    check_shown("a_to_b", Policy(shown_to_b=written), "4008001234")


def test_nothing_is_nothing_to_show() -> None:
    """An empty number is none."""
    assert allowed("") is None


@pytest.mark.parametrize("written", [*SERVICES, *WRITTEN])
def test_the_target_of_an_extension(written: str) -> None:
    """A hidden number behind an extension shows no service number either."""
    with pytest.raises(ShownError):
        MaskTable().bind("4008001234", "1", NumberTarget(Sealed(b"x"), "carrier", written))
    target = NumberTarget(Sealed(b"x"), "carrier", X)
    with pytest.raises(ShownError):
        MaskTable().bind("4008001234", "1", target, policy=Policy(shown_to_a=written))
