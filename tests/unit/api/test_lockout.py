"""Waiting after wrong passwords."""

from __future__ import annotations

from switchboard.api.lockout import Lockout, Patience
from tests.unit.api.conftest import FakeClock

ACCOUNT = Patience(free=3, first=10.0, longest=60.0, forget=1000.0)
ADDRESS = Patience(free=5, first=10.0, longest=60.0, forget=1000.0)


def make(clock: FakeClock, most: int = 100) -> Lockout:
    """A lock-out with small numbers."""
    return Lockout(clock, ACCOUNT, ADDRESS, most)


def test_the_delay_of_an_account_doubles_up_to_a_bound(clock: FakeClock) -> None:
    """Two failures are free, the third waits 10 s, then 20, 40, 60, 60."""
    lockout = make(clock)
    waits = []
    for index in range(7):
        lockout.failed("zhang", f"10.0.0.{index}")
        waits.append(lockout.wait("zhang", "elsewhere"))
        clock.now += waits[-1]
        assert lockout.wait("zhang", "elsewhere") == 0.0
    assert waits == [0.0, 0.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_an_address_waits_whatever_names_it_tries(clock: FakeClock) -> None:
    """Five names from one address: the sixth waits, from another address it does not."""
    lockout = make(clock)
    for index in range(5):
        assert lockout.wait("next", "10.0.0.1") == 0.0
        lockout.failed(f"name{index}", "10.0.0.1")
    assert lockout.wait("next", "10.0.0.1") == 10.0
    assert lockout.wait("next", "10.0.0.2") == 0.0


def test_success_forgives_the_account_and_not_the_address(clock: FakeClock) -> None:
    """An attacker with an account of their own gains no tries by signing in to it."""
    lockout = make(clock)
    for _ in range(5):
        lockout.failed("zhang", "10.0.0.1")
    lockout.succeeded("zhang", "10.0.0.2")
    assert lockout.wait("zhang", "10.0.0.2") == 0.0
    assert lockout.wait("zhang", "10.0.0.1") == 10.0


def test_old_failures_are_forgotten(clock: FakeClock) -> None:
    """After the time of rest the count begins anew."""
    lockout = make(clock)
    for _ in range(3):
        lockout.failed("zhang", "10.0.0.1")
    clock.now += 1001.0
    lockout.failed("zhang", "10.0.0.1")
    assert lockout.wait("zhang", "10.0.0.1") == 0.0


def test_the_table_is_bounded(clock: FakeClock) -> None:
    """A flood of names takes no more than its room, and a failure just made is not what is forgotten."""
    lockout = make(clock, most=10)
    for index in range(1000):
        lockout.failed(f"name{index}", f"10.0.{index // 256}.{index % 256}")
    assert len(lockout) == 10
    for _ in range(3):
        lockout.failed("zhang", "10.9.9.9")
    assert lockout.wait("zhang", "x") == 10.0


def test_strangers_do_not_keep_the_owner_out(clock: FakeClock) -> None:
    """Where somebody has signed in before, only failures from there make the next try wait."""
    lockout = make(clock)
    lockout.succeeded("zhang", "10.0.0.2")
    for index in range(20):
        lockout.failed("zhang", f"10.0.1.{index}")
    assert lockout.wait("zhang", "10.0.1.99") == 60.0
    assert lockout.wait("zhang", "10.0.0.2") == 0.0
    assert lockout.wait("li", "10.0.0.2") == 0.0
    for _ in range(3):
        lockout.failed("zhang", "10.0.0.2")
    assert lockout.wait("zhang", "10.0.0.2") == 10.0
    lockout.succeeded("zhang", "10.0.0.2")
    assert lockout.wait("zhang", "10.0.0.2") == 0.0


def test_a_pardon_lets_an_account_in_from_everywhere(clock: FakeClock) -> None:
    """From known places and others; addresses and other accounts wait on."""
    lockout = make(clock)
    lockout.succeeded("zhang", "10.0.0.2")
    for _ in range(5):
        for address in ("10.0.0.1", "10.0.0.2"):
            lockout.failed("zhang", address)
        lockout.failed("li", "10.0.0.3")
    lockout.pardon("zhang")
    assert lockout.wait("zhang", "10.0.0.4") == 0.0
    assert lockout.wait("zhang", "10.0.0.2") == lockout.wait("anybody", "10.0.0.2") == 10.0
    assert lockout.wait("li", "10.0.0.4") == 40.0


def test_places_are_bounded(clock: FakeClock) -> None:
    """Accounts that sign in from ever new addresses take no more than their room."""
    lockout = make(clock, most=10)
    for index in range(100):
        lockout.succeeded("zhang", f"10.0.0.{index}")
    assert [lockout.knows("zhang", f"10.0.0.{index}") for index in (0, 89, 90, 99)] == [False, False, True, True]
