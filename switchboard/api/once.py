"""Idempotency keys: a command that is sent again, its answer having been lost, is not carried out again.

A key belongs to one account and one request; its outcome, good or bad, is told again for some minutes. Nothing of it
outlives a restart: calls do not either.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Annotated, Final, Generic, NamedTuple, TypeVar, cast

import msgspec
from litestar.params import HeaderParameter

from switchboard.api.problems import ApiError
from switchboard.calls.commands import CommandError

T = TypeVar("T")

KEPT_SECONDS: Final = 600.0
MOST: Final = 20_000
MOST_OF_ONE: Final = 200
"""Keys of one account that are remembered."""
WAIT_SECONDS: Final = 10.0
"""How long a repetition waits for the first one to be done."""

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key", max_length=128, required=False,
        description="Any text of the client's own; the same request with the same key is carried out once.",
    ),
]  # fmt: skip


class _Kept(NamedTuple, Generic[T]):
    """What was asked, until when it is remembered, and the outcome."""

    digest: bytes
    until: float
    outcome: asyncio.Future[T]


class Once:
    """Outcomes by account and key; `clock` is monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[tuple[str, str], _Kept[object]] = OrderedDict()
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def do(self, account: str, key: str | None, asked: object, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work`, or tell what came of it the first time; raises `ApiError` for a key used for something else."""
        if not key:
            return await work()
        self._forget()
        digest = blake2b(msgspec.msgpack.encode(asked), digest_size=16).digest()
        known = self._kept.get((account, key))
        if known is not None:
            return cast("T", await self._again(known, digest))
        outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._keep(account, key, _Kept(digest, self._clock() + KEPT_SECONDS, outcome))
        try:
            result = await work()
        except (ApiError, CommandError) as error:
            outcome.set_exception(error)
            outcome.exception()  # told to who asked; nobody else may
            raise
        except BaseException:
            # It is not known what came of it: trying again is the client's right.
            self._drop((account, key))
            outcome.cancel()
            raise
        outcome.set_result(result)
        return result

    async def _again(self, known: _Kept[object], digest: bytes) -> object:
        if known.digest != digest:
            raise ApiError("conflict", "This Idempotency-Key was used for another request.")
        await asyncio.wait({known.outcome}, timeout=WAIT_SECONDS)
        if not known.outcome.done() or known.outcome.cancelled():
            raise ApiError("unavailable", "The first request with this Idempotency-Key has not ended yet.")
        return known.outcome.result()

    def _keep(self, account: str, key: str, kept: _Kept[object]) -> None:
        if self._counts.get(account, 0) >= MOST_OF_ONE:
            self._drop(next(known for known in self._kept if known[0] == account))
        elif len(self._kept) >= MOST:
            self._drop(next(iter(self._kept)))
        self._kept[account, key] = kept
        self._counts[account] = self._counts.get(account, 0) + 1

    def _drop(self, known: tuple[str, str]) -> None:
        if self._kept.pop(known, None) is None:
            return
        left = self._counts[known[0]] - 1
        if left:
            self._counts[known[0]] = left
        else:
            del self._counts[known[0]]

    def _forget(self) -> None:
        now = self._clock()
        while self._kept and (first := next(iter(self._kept.items())))[1].until <= now:
            self._drop(first[0])
