"""Which calls at the desks of a soak are taken, and how often a caller keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from bench import soak_phones
from bench.dialog import Call
from bench.errors import BenchError
from bench.soak_phones import TRIES, Arrivals, keyed
from bench.transactions import PhoneError, wait_for

CALLER, ANOTHER = 0xCA11, 0xCA12


class Audio:
    """Audio of one end, whose keys are written down; `heard` is told how many entries there are."""

    def __init__(self, heard: Callable[[int], None], heard_ssrc: int) -> None:
        self.entries: list[str] = []
        self.ssrc, self.heard_ssrc = CALLER, heard_ssrc
        self._heard = heard

    async def key(self, digits: str) -> None:
        """An entry."""
        self.entries.append(digits)
        self._heard(len(self.entries))


class Line:
    """A call as far as the desks look at it."""

    def __init__(
        self, heard: Callable[[int], None] = lambda count: None, *, acked: bool = True, hears: int = CALLER
    ) -> None:
        self.acked, self.over = asyncio.Event(), asyncio.Event()
        self.rtp = Audio(heard, hears)
        if acked:
            self.acked.set()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.over.is_set()

    async def confirmed(self, within: float) -> None:
        """Wait for its ACK."""
        await wait_for(self.acked.wait(), within, "the answer was not acknowledged")

    async def ended(self, within: float) -> None:
        """Wait for its end."""
        await wait_for(self.over.wait(), within, "the call was not ended")


def arriving() -> tuple[Callable[[Line], None], Arrivals]:
    """How a call comes to a desk, and who takes it there."""
    incoming: asyncio.Queue[Call] = asyncio.Queue()
    return lambda line: incoming.put_nowait(cast("Call", line)), Arrivals(incoming)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(soak_phones, "TRIES", (0.03,) * len(TRIES))
    monkeypatch.setattr(soak_phones, "LOOK", 0.001)


@pytest.mark.parametrize("acked", [True, False])
async def test_a_call_whose_caller_has_given_up_is_passed_over(*, acked: bool) -> None:
    """It is over already, or is while it is waited for its ACK; who waits gets the next one."""
    comes, arrivals = arriving()
    left, good = Line(acked=acked), Line()
    comes(left)
    if acked:
        left.over.set()
    waiting = asyncio.ensure_future(arrivals.next(5))
    await asyncio.sleep(0)
    left.over.set()
    comes(good)
    assert await waiting is cast("Call", good)


async def test_each_caller_gets_its_own_call() -> None:
    """In whatever order they come, and also when the other caller has hung up before it was found."""
    comes, arrivals = arriving()
    mine, other = Line(), Line(hears=ANOTHER)
    comes(other)
    waiting = asyncio.ensure_future(arrivals.next(5, CALLER))
    await asyncio.sleep(0.005)
    assert not waiting.done()
    comes(mine)
    assert await waiting is cast("Call", mine)
    assert await arrivals.next(5, ANOTHER) is cast("Call", other)


async def test_a_call_is_its_caller_s_as_soon_as_it_is_heard() -> None:
    """Nothing has been heard in it when it comes."""
    comes, arrivals = arriving()
    mine = Line(hears=0)
    comes(mine)
    waiting = asyncio.ensure_future(arrivals.next(5, CALLER))
    await asyncio.sleep(0.005)
    assert not waiting.done()
    mine.rtp.heard_ssrc = CALLER
    assert await waiting is cast("Call", mine)


async def test_an_answer_that_nobody_acknowledges_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not passed over."""
    monkeypatch.setattr(soak_phones, "PATIENCE", 0.001)
    comes, arrivals = arriving()
    comes(Line(acked=False))
    with pytest.raises(PhoneError, match="not acknowledged"):
        await arrivals.next(5)


@pytest.mark.parametrize("spoilt", range(len(TRIES)))
async def test_a_caller_keys_as_often_as_the_flow_asks(spoilt: int) -> None:
    """Also twice in vain."""
    comes, arrivals = arriving()
    caller = Line(lambda count: comes(Line()) if count > spoilt else None)
    assert await keyed(cast("Call", caller), "112233", arrivals)
    assert caller.rtp.entries == ["112233"] * (spoilt + 1)


@pytest.mark.parametrize(("over", "entries", "told"), [(False, len(TRIES), "goes on"), (True, 1, "hung up")])
async def test_who_reaches_nobody_is_a_fault(*, over: bool, entries: int, told: str) -> None:
    """All entries in vain; or the call is hung up before."""
    _, arrivals = arriving()
    caller = Line()
    if over:
        caller.over.set()
    with pytest.raises(BenchError, match=told):
        await keyed(cast("Call", caller), "112233", arrivals)
    assert len(caller.rtp.entries) == entries
