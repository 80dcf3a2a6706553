"""Call-backs: windows, counts and refusals."""

from __future__ import annotations

import pytest

from routing.masks.callbacks import ANYBODY, Callbacks, History
from routing.masks.policy import CallbackRule

CUSTOMER, AGENT, OTHER = b"customer", b"agent", b"other agent"


@pytest.mark.parametrize(
    ("rule", "calls", "now", "verdict"),
    [
        (None, 100, 1e9, "ok"),
        (CallbackRule(), 100, 1e9, "ok"),
        (CallbackRule(window=60.0), 100, 159.9, "ok"),
        (CallbackRule(window=60.0), 0, 160.0, "exhausted"),
        (CallbackRule(times=3), 2, 1e9, "ok"),
        (CallbackRule(times=3), 3, 100.0, "exhausted"),
        (CallbackRule(times=0), 0, 100.0, "exhausted"),
        (CallbackRule(window=60.0, times=1), 0, 120.0, "ok"),
        (CallbackRule(window=60.0, times=1), 1, 120.0, "exhausted"),
    ],
)
def test_window_and_count(rule: CallbackRule | None, calls: int, now: float, verdict: str) -> None:
    """A rule bounds time since the customer's call and the calls since then."""
    callbacks = Callbacks()
    callbacks.open("1", 100.0)
    for _ in range(calls):
        callbacks.count("1")
    assert callbacks.history("1") == History(100.0, calls)
    assert callbacks.permit("1", rule, CUSTOMER, AGENT, now) == verdict


def test_what_is_not_known_is_not_allowed() -> None:
    """A rule without a window, as for a binding that is gone, allows nothing."""
    callbacks = Callbacks()
    callbacks.count("1")
    assert callbacks.permit("1", CallbackRule(), CUSTOMER, AGENT, 0.0) == "exhausted"


def test_restored_after_a_restart() -> None:
    """A window goes on with the calls it had."""
    callbacks = Callbacks()
    callbacks.open("1", 100.0, times=2)
    assert callbacks.permit("1", CallbackRule(times=2), CUSTOMER, AGENT, 100.0) == "exhausted"


@pytest.mark.parametrize(
    ("by", "until", "now", "agent", "other"),
    [
        (ANYBODY, None, 1e12, "refused", "refused"),
        (AGENT, None, 1e12, "refused", "ok"),
        (OTHER, None, 1e12, "ok", "refused"),
        (ANYBODY, 50.0, 49.9, "refused", "refused"),
        (ANYBODY, 50.0, 50.0, "ok", "ok"),
    ],
)
def test_refusals(by: bytes, until: float | None, now: float, agent: str, other: str) -> None:
    """A customer refuses one agent or everybody, for a time or for good; a refusal goes before any rule."""
    callbacks = Callbacks()
    callbacks.refuse(CUSTOMER, by, until)
    assert callbacks.permit("1", None, CUSTOMER, AGENT, now) == agent
    assert callbacks.permit("1", None, CUSTOMER, OTHER, now) == other
    assert callbacks.permit("1", None, AGENT, CUSTOMER, now) == "ok"


def test_refusals_are_taken_back_one_by_one() -> None:
    """Each refusal is its own."""
    callbacks = Callbacks()
    callbacks.refuse(CUSTOMER)
    callbacks.refuse(CUSTOMER, AGENT)
    assert callbacks.accept(CUSTOMER)
    assert callbacks.refuses(CUSTOMER, AGENT, 0.0)
    assert not callbacks.refuses(CUSTOMER, OTHER, 0.0)
    assert not callbacks.accept(CUSTOMER)
    assert callbacks.accept(CUSTOMER, AGENT)
    assert not callbacks.accept(CUSTOMER, AGENT)
    assert not callbacks.refuses(CUSTOMER, AGENT, 0.0)


def test_refusals_are_read_anew() -> None:
    """What is stored takes the place of what was known."""
    callbacks = Callbacks()
    callbacks.refuse(CUSTOMER)
    callbacks.set_refusals([(OTHER, ANYBODY, None), (OTHER, AGENT, 5.0)])
    assert not callbacks.refuses(CUSTOMER, AGENT, 0.0)
    assert callbacks.refuses(OTHER, CUSTOMER, 9.0)
