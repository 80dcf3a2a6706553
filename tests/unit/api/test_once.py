"""Idempotency keys: what is done once, told again, and forgotten."""

from __future__ import annotations

import asyncio

import pytest

from switchboard.api.once import KEPT_SECONDS, MOST_OF_ONE, WAIT_SECONDS, Once
from switchboard.api.problems import ApiError
from switchboard.calls.commands import CommandError


class Work:
    """Counts how often it was done."""

    def __init__(self) -> None:
        self.done = 0
        self.error: BaseException | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> int:
        """Do it."""
        self.done += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.done


class Clock:
    """Seconds."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


async def test_a_repetition_has_the_first_outcome() -> None:
    """Done once; without a key it is done each time."""
    once, work = Once(Clock()), Work()
    assert [await once.do("lin", "k", "hold", work) for _ in range(3)] == [1, 1, 1]
    assert [await once.do("lin", None, "hold", work) for _ in range(2)] == [2, 3]


async def test_a_refusal_is_an_outcome() -> None:
    """It is told again, though it might be possible now."""
    once, work = Once(Clock()), Work()
    work.error = CommandError("wrong_state", "not now")
    for _ in range(2):
        with pytest.raises(CommandError, match="not now"):
            await once.do("lin", "k", "hold", work)
    assert work.done == 1


async def test_what_failed_within_may_be_tried_again() -> None:
    """Nobody knows what came of it."""
    once, work = Once(Clock()), Work()
    work.error = RuntimeError()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await once.do("lin", "k", "hold", work)
    assert work.done == 2
    assert len(once) == 0


async def test_a_key_is_for_one_request_of_one_account() -> None:
    """Another request with it is a conflict; another account has keys of its own."""
    once, work = Once(Clock()), Work()
    await once.do("lin", "k", "hold", work)
    with pytest.raises(ApiError) as error:
        await once.do("lin", "k", "resume", work)
    assert error.value.kind == "conflict"
    assert await once.do("zhao", "k", "resume", work) == 2


async def test_a_repetition_waits_for_the_first() -> None:
    """Two that come at the same time are one."""
    once, work = Once(Clock()), Work()
    work.gate = asyncio.Event()
    both = asyncio.gather(once.do("lin", "k", "hold", work), once.do("lin", "k", "hold", work))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.gate.set()
    assert await both == [1, 1]


async def test_a_repetition_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first is not done it is told that nobody knows yet; the first goes on."""
    monkeypatch.setattr("switchboard.api.once.WAIT_SECONDS", 0.0)
    once, work = Once(Clock()), Work()
    work.gate = asyncio.Event()
    first = asyncio.create_task(once.do("lin", "k", "hold", work))
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as error:
        await once.do("lin", "k", "hold", work)
    assert error.value.kind == "unavailable"
    work.gate.set()
    assert await first == 1
    assert WAIT_SECONDS > 0


async def test_the_first_may_be_cancelled() -> None:
    """Its client has gone: whoever waits is told that nobody knows, and a new request is carried out."""
    once, work = Once(Clock()), Work()
    work.gate = asyncio.Event()
    first = asyncio.create_task(once.do("lin", "k", "hold", work))
    await asyncio.sleep(0)
    second = asyncio.create_task(once.do("lin", "k", "hold", work))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(ApiError):
        await second
    work.gate.set()
    assert await once.do("lin", "k", "hold", work) == 2


async def test_outcomes_are_forgotten_in_time_and_bounded() -> None:
    """After a while, and beyond so many of one account the oldest ones."""
    clock = Clock()
    once, work = Once(clock), Work()
    for number in range(MOST_OF_ONE + 5):
        await once.do("lin", f"k{number}", "hold", work)
    await once.do("zhao", "k", "hold", work)
    assert len(once) == MOST_OF_ONE + 1
    before = work.done
    await once.do("lin", "k0", "hold", work)
    assert work.done == before + 1
    clock.now += KEPT_SECONDS
    await once.do("lin", "new", "hold", work)
    assert len(once) == 1
