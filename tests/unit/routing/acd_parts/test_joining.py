"""Who may join, who has to leave, where they go."""

from __future__ import annotations

import pytest

from routing.acd.joining import (
    Census,
    destination,
    dismissal,
    is_destination,
    longest_wait,
    overflow_after,
    overflow_on,
    refusal,
)
from routing.acd.model import Group, LeaveReason, Overflow

STAFFED = {"present": 1, "signed_in": 1}


@pytest.mark.parametrize(
    ("rules", "census", "expected"),
    [
        ({}, STAFFED, None),
        ({}, {}, "empty"),
        ({}, {"signed_in": 1}, None),
        ({"join_empty": "never"}, {"signed_in": 1}, "empty"),
        ({"join_empty": "never"}, STAFFED, None),
        ({"join_empty": "always"}, {}, None),
        ({"max_length": 2}, {**STAFFED, "waiting": 1}, None),
        ({"max_length": 2}, {**STAFFED, "waiting": 2}, "full"),
        ({"max_length": 0}, STAFFED, "full"),
        ({"max_estimate": 60.0}, {**STAFFED, "estimate": 60.0}, None),
        ({"max_estimate": 60.0}, {**STAFFED, "estimate": 61.0}, "estimate"),
        ({"max_estimate": 60.0}, {**STAFFED, "estimate": None}, None),
        ({}, {**STAFFED, "open": False}, "closed"),
        ({"max_length": 0}, {"open": False}, "closed"),  # the most lasting reason
        ({"max_length": 0}, {}, "empty"),
    ],
)
def test_refusal(rules: dict[str, object], census: dict[str, object], expected: LeaveReason | None) -> None:
    """Closed, empty, full, too long a wait."""
    assert refusal(Group(name="g", **rules), Census(**census)) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("leave_empty", "signed_in", "expected"), [(True, 0, "empty"), (True, 1, None), (False, 0, None)]
)
def test_dismissal(leave_empty: bool, signed_in: int, expected: LeaveReason | None) -> None:
    """The last agent's going sends away those who wait, where the group says so; closing never does."""
    census = Census(signed_in=signed_in, open=False)
    assert dismissal(Group(name="g", leave_empty=leave_empty), census) == expected


def test_overflow_rules() -> None:
    """By reason the first that names it, by time the soonest first."""
    late, soon = Overflow("hangup", after=60.0), Overflow("group:b", after=30.0)
    rules = (late, Overflow("voicemail:1", on=("full", "closed")), soon, Overflow("callback", on=("full",)))
    group = Group(name="a", overflow=rules)
    assert overflow_on(group, "full") == "voicemail:1"
    assert overflow_on(group, "timeout") == ""
    assert overflow_after(group) == (soon, late)


@pytest.mark.parametrize(
    ("group", "own", "expected"), [(None, None, None), (60.0, None, 60.0), (None, 30.0, 30.0), (60.0, 90.0, 60.0)]
)
def test_longest_wait(group: float | None, own: float | None, expected: float | None) -> None:
    """A caller's own limit may only shorten the group's."""
    assert longest_wait(Group(name="g", max_wait=group), own) == expected


@pytest.mark.parametrize(
    ("to", "valid", "parts"),
    [
        ("group:b", True, ("group", "b")),
        ("flow:night", True, ("flow", "night")),
        ("voicemail:1", True, ("voicemail", "1")),
        ("callback", True, ("callback", "")),
        ("hangup", True, ("hangup", "")),
        ("group:", False, ("group", "")),
        ("group", False, ("group", "")),
        ("hangup:now", False, ("hangup", "now")),
        ("", False, ("", "")),
    ],
)
def test_destinations(to: str, valid: bool, parts: tuple[str, str]) -> None:
    """Kinds with a name and kinds without."""
    assert is_destination(to) is valid
    assert destination(to) == parts
