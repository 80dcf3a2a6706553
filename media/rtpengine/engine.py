"""The calls that we have at rtpengine: opened ahead, told what is wanted of them, ended, also those left behind."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from media.rtpengine.commands import Family, Key, about, read_key
from media.rtpengine.link import RtpengineLink
from media.rtpengine.pair import Pair, PairOwner
from media.rtpengine.settings import Settings
from media.rtpengine.stock import Stock
from media.rtpengine.transactions import Reply

TRIES: Final = 3
"""Commands about a call that stay unanswered in a row although rtpengine is there; then the call is lost."""
_LISTED: Final = 500
"""Calls that are asked for at a time: more do not fit into a datagram."""

_DOUBT: Final = 1.0
"""Seconds at least from one time that all calls are asked for, as one was not known any more, to the next."""

_log = structlog.get_logger("media.rtpengine")


class _KeyLog(asyncio.DatagramProtocol):
    """Where rtpengine sends the keys that it has seen."""

    def __init__(self, host: str, told: Callable[[Key], None]) -> None:
        self._host = host
        self._told = told

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One key."""
        if addr[0] == self._host and (key := read_key(data)) is not None:
            self._told(key)


class Engine:
    """One rtpengine; every method but `start` returns at once."""

    def __init__(
        self,
        settings: Settings,
        owner: PairOwner,
        on_key: Callable[[Pair, Key], None],
        on_return: Callable[[], None],
        on_short: Callable[[bool], None],
    ) -> None:
        """`owner` is told of the calls that were taken, `on_key` the keys pressed in them, `on_return` that rtpengine
        answers, again or for the first time; `on_short` as the plane's."""
        self._settings = settings
        self._owner = owner
        self._on_key = on_key
        self._on_return = on_return
        self.away_since = 0.0
        """Since when rtpengine does not answer, where it does not."""
        self._on_short = on_short
        self._short = False
        self._ours = f"{settings.name}-"
        self._begin = f"{self._ours}{secrets.token_hex(4)}-"
        self._serial = 0
        self._pairs: dict[str, Pair] = {}
        self._stocks: dict[Family, Stock] = {
            family: Stock(settings.spare, partial(self._new, family), self._drop) for family in settings.families
        }
        self._lacking: set[Family] = set()
        self._refused = ""
        self._unanswered: dict[Pair, None] = {}
        self._doubted_at = -_DOUBT
        self._link = RtpengineLink(
            settings.host, settings.port, timeout=settings.timeout, ping=settings.ping, on_change=self._changed
        )
        self._filled = asyncio.Event()
        self._touched: dict[Pair, None] = {}
        self._gathering = False
        self._keys: asyncio.BaseTransport | None = None

    @property
    def up(self) -> bool:
        """Whether rtpengine answers."""
        return self._link.up

    @property
    def ready(self) -> int:
        """Calls that may be taken."""
        return sum(len(stock) for stock in self._stocks.values())

    def spare(self, six: bool) -> int:
        """Ports of the calls of one family that may be taken."""
        return 2 * len(self._stocks[self.family(six)]) if self.up else 0

    async def start(self, timeout: float) -> bool:  # noqa: ASYNC109 - the caller's patience is an option
        """Opens the first calls; whether they were there in time. Raises OSError when no key can be told."""
        loop = asyncio.get_running_loop()
        self._keys, _ = await loop.create_datagram_endpoint(
            lambda: _KeyLog(self._settings.host, self._pressed),
            local_addr=(self._settings.keys_host, self._settings.keys_port),
        )
        await self._link.open()
        try:
            async with asyncio.timeout(timeout):
                await self._filled.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Ends the calls that nobody has taken; the others go on."""
        self._clear()
        self.flush()
        self._link.close()
        if self._keys is not None:
            self._keys.close()

    def tick(self, now: float) -> None:
        """Once a second."""
        if self.up:
            for stock in self._stocks.values():
                stock.discard_stale(now)
                stock.fill()
                # Where nobody calls this alone tells that it was started anew and has none of our calls.
                if (pair := stock.oldest) is not None:
                    self._ask_for(pair)
            self._look_if_short()
            self._tell_again()

    def _tell_again(self) -> None:
        """What stayed unanswered, once rtpengine is there."""
        unanswered, self._unanswered = self._unanswered, {}
        for pair in unanswered:
            self.touch(pair)

    def _clear(self) -> None:
        for stock in self._stocks.values():
            stock.clear()

    # --- calls ---

    def family(self, six: bool) -> Family:
        """That of a leg: the usual one, but where there are both it is the party's."""
        families = self._settings.families
        return families[-1] if six else families[0]

    def take(self, family: Family) -> Pair | None:
        """A call with two ports; None when none is ready or nobody answers."""
        if not self.up:
            return None
        stock = self._stocks[family]
        pair = stock.take()
        stock.fill()
        if not self._short:
            self._look_if_short()
        return pair

    def _look_if_short(self) -> None:
        was, self._short = self._short, any(stock.short for stock in self._stocks.values())
        if self._short and not was:
            self._on_short(True)
        elif was:
            # What it leads to is no part of what the caller is about.
            asyncio.get_running_loop().call_soon(lambda: self._on_short(self._short))

    def touch(self, pair: Pair) -> None:
        """What is wanted of a call has changed."""
        if not self._touched and not self._gathering:
            asyncio.get_running_loop().call_soon(self.flush)
        self._touched[pair] = None

    def gather(self) -> None:
        """What is wanted is told at `flush` alone."""
        self._gathering = True

    def flush(self) -> None:
        """Tells what is wanted."""
        self._gathering = False
        touched, self._touched = self._touched, {}
        for pair in touched:
            self._work(pair)

    def give_up(self, pair: Pair) -> None:
        """A call that failed; rtpengine is asked to end it, should it still know it, and for all others."""
        self._pairs.pop(pair.call, None)
        if pair.ready and not pair.over:
            self._doubt()
        self._stocks[pair.family].lost(pair)
        if self._short:
            self._look_if_short()
        if pair.lacks is not None and pair.lacks not in self._lacking:
            self._lacking.add(pair.lacks)
            _log.error("rtpengine.no_interface", family=pair.lacks, hint="it needs an --interface of it")
        elif not pair.ready and pair.lacks is None and self.up and pair.why not in ("", self._refused):
            self._refused = pair.why
            _log.error("rtpengine.refused", reason=pair.why)
        self._link.ask({**about("delete", pair.call), "delete-delay": 0}, _passed_over)

    def made(self, pair: Pair) -> None:
        """One more is ready."""
        self._refused = ""
        stock = self._stocks[pair.family]
        stock.made(pair, asyncio.get_running_loop().time())
        stock.fill()
        if self._short:
            self._look_if_short()
        self._filled.set()

    def pairs(self) -> list[Pair]:
        """All calls."""
        return list(self._pairs.values())

    def _work(self, pair: Pair) -> None:
        command = pair.next_command()
        if command is None:
            if pair.done:
                self._pairs.pop(pair.call, None)
            return

        def answered(reply: Reply | None) -> None:
            if reply is None and pair.ready and not pair.over and pair.unanswered < TRIES:
                # While rtpengine is away its calls wait for it.
                pair.unanswered += self.up
                pair.leave_unanswered()
                self._unanswered[pair] = None
                return
            pair.answered(reply)
            self._work(pair)

        self._link.ask(command, answered)

    def _new(self, family: Family) -> Pair:
        self._serial += 1
        pair = Pair(f"{self._begin}{self._serial}", self._owner, family)
        self._pairs[pair.call] = pair
        self.touch(pair)
        return pair

    def _drop(self, pair: Pair) -> None:
        pair.over = True
        self.touch(pair)

    def _pressed(self, key: Key) -> None:
        pair = self._pairs.get(key.call)
        if pair is not None:
            self._on_key(pair, key)

    # --- rtpengine comes and goes ---

    def _changed(self, up: bool) -> None:
        if not up:
            self.away_since = asyncio.get_running_loop().time()
            # What it still has of these is found at its return.
            for pair in self.pairs():
                if not pair.ready:
                    self.give_up(pair)
            self._clear()
            self._lacking.clear()
            return
        self._on_return()
        self._link.ask({"command": "list", "limit": _LISTED}, self._left_behind)
        self._ask_for_all()
        for stock in self._stocks.values():
            stock.fill()
        self._look_if_short()

    def _doubt(self) -> None:
        """A call is not known any more: the others may not be either, of which those opened ahead would tell callers
        ports that nobody has."""
        now = asyncio.get_running_loop().time()
        if self._doubted_at + _DOUBT <= now:
            self._doubted_at = now
            self._ask_for_all()

    def _ask_for_all(self) -> None:
        """Those that it does not know any more are lost, the others are told what they have missed."""
        for pair in self.pairs():
            self._ask_for(pair)

    def _ask_for(self, pair: Pair) -> None:
        pair.wants_count = True
        self.touch(pair)

    def _left_behind(self, reply: Reply | None) -> None:
        """Ends what an earlier process of ours has not."""
        calls = reply.get("calls") if reply is not None else None
        listed = [call for call in calls if isinstance(call, str)] if isinstance(calls, list) else []
        left = [call for call in listed if call.startswith(self._ours) and call not in self._pairs]
        if not left:
            return
        _log.info("rtpengine.left_behind", calls=len(left))
        waiting, ended = len(left), False

        def answered(reply: Reply | None) -> None:
            nonlocal waiting, ended
            waiting -= 1
            ended = ended or (reply is not None and reply.get("result") == "ok")
            # There may be more than a list has; what it does not end would be listed for ever.
            if not waiting and ended and len(listed) >= _LISTED:
                self._link.ask({"command": "list", "limit": _LISTED}, self._left_behind)

        for call in left:
            self._link.ask({**about("delete", call), "delete-delay": 0}, answered)


def _passed_over(reply: Reply | None) -> None:
    """Whatever the answer is."""
