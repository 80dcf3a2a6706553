"""Durations, ranges and hidden texts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.values import Duration, ExtensionRange, Hidden, PortRange


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30),
        ("1.5s", 1.5),
        ("200ms", 0.2),
        ("4h", 14400),
        ("5m", 300),
        ("1d", 86400),
        (7, 7),
        (0.5, 0.5),
    ],
)
def test_duration_reads_units(written: object, seconds: float) -> None:
    """A number with a unit, or a bare number of seconds."""
    assert Duration.parse(written) == seconds


@pytest.mark.parametrize("written", ["", "s", "-1s", "1 week", "1s2", True, None, -1, float("nan"), []])
def test_duration_rejects_everything_else(written: object) -> None:
    """Anything that is no span of time is an error that says what is expected."""
    with pytest.raises(ValueError, match="expected a duration such as"):
        Duration.parse(written)


@pytest.mark.parametrize("written", [1e99, float("inf"), 3155760001, "36526d", "9" * 400 + "d"])
def test_duration_rejects_what_nobody_lives_to_see(written: object) -> None:
    """It would be no time that any clock or calendar knows."""
    with pytest.raises(ValueError, match="a hundred years, 36525d, at most"):
        Duration.parse(written)
    assert Duration.parse("36525d") == 3155760000


@given(st.integers(512, 32766), st.integers(1, 1000))
def test_port_range_reads_back_what_it_prints(half: int, pairs: int) -> None:
    """The printed form of a range is the range."""
    last = min(half * 2 + 2 * pairs - 1, 65535)
    ports = PortRange.parse(f"{half * 2}-{last}")
    assert PortRange.parse(repr(ports)) == ports
    assert ports.pairs == (last + 1) // 2 - half
    assert half * 2 in ports
    assert last in ports
    assert last + 1 not in ports


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("10001-20000", "even first and an odd last"),
        ("10000-20000", "even first and an odd last"),
        ("20000-10001", "lower one first"),
        ("10-21", "between 1024 and 65535"),
        ("10000-70001", "between 1024 and 65535"),
        ("10000", "such as 10000-29999"),
        (10000, "such as 10000-29999"),
    ],
)
def test_port_range_says_what_is_wrong(written: object, reason: str) -> None:
    """Each way of being wrong has its own words."""
    with pytest.raises(ValueError, match=reason):
        PortRange.parse(written)


def test_extension_range_keeps_leading_zeros() -> None:
    """Extensions are texts: 0099 is not 99."""
    extensions = ExtensionRange.parse("0099-0101")
    assert list(extensions) == ["0099", "0100", "0101"]
    assert len(extensions) == 3
    assert repr(extensions) == "0099-0101"


@pytest.mark.parametrize("written", ["1-22", "2000000-2000001", "20-10", "abc-def", "12", 12, None])
def test_extension_range_rejects_everything_else(written: object) -> None:
    """Lengths must match, six digits are the most, the lower one comes first."""
    with pytest.raises(ValueError, match="extension"):
        ExtensionRange.parse(written)


def test_hidden_shows_nothing_until_revealed() -> None:
    """Neither str nor repr nor format contains the text; revealing takes a reason."""
    secret = Hidden.parse("13900001234")
    assert "139" not in f"{secret}{secret!r}{secret!s}"
    assert secret.reveal("a test") == "13900001234"
    with pytest.raises(ValueError, match="reason"):
        secret.reveal("")


@pytest.mark.parametrize("written", [13900001234, "", None, ["13900001234"]])
def test_hidden_errors_do_not_show_the_value(written: object) -> None:
    """What could not be read may be the secret itself."""
    with pytest.raises(ValueError, match=r"^expected text in quotes$"):
        Hidden.parse(written)
