"""Keeps in memory where names lead, so that a call never waits for DNS.

Names of the configuration are resolved at the start; a name that is met later is unknown to the call that brings it, is
looked up at once and known to the next. All of them are asked for again before what DNS said of them ends. While
DNS is silent the last answer holds (RFC 8767).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from switchboard.net.resolver import Answer, LookupFailed, Resolver
from switchboard.sip.flow import TlsAddress
from switchboard.sip.locating import (
    Means,
    Place,
    Question,
    Ranks,
    Record,
    in_order,
    is_address,
    locate,
    named_place,
    place_of,
)
from switchboard.sip.outgoing import Address
from switchboard.sip.unreachable import Unreachable
from switchboard.sip.uri import Uri

MOST_PLACES: Final = 2048
"""Places that peers brought and that are kept; the configuration's own are not counted."""

MOST_ANSWERS: Final = 16_384

UNUSED: Final = 86_400.0
"""Seconds after which a place that nobody asked for is forgotten."""

SOONEST: Final = 5.0
LATEST: Final = 3600.0
"""Between so many seconds a place is looked up again, whatever the TTLs are."""

AHEAD: Final = 0.1
"""The part of a TTL by which it is asked again before it ends."""

RETRY: Final = 60.0
"""The most seconds between two tries while DNS is silent; the first comes after `SOONEST`."""

AT_ONCE: Final = 16
"""So many questions are open at a time."""

ROUNDS: Final = 8
"""NAPTR, SRV, addresses: more rounds of questions than that are not needed."""


class Known:
    """A place that was asked for, and what is known of it."""

    __slots__ = ("due", "failures", "fixed", "keep", "ranks", "used")

    def __init__(self, keep: bool, now: float) -> None:
        self.keep = keep
        self.ranks: Ranks = ()
        self.fixed: tuple[Address, ...] | None = ()
        """Its addresses where no weights have a say."""
        self.due = now
        self.used = now
        self.failures = 0
        """How often in a row DNS was silent."""


class Heard(NamedTuple):
    """What DNS says; not fresh: it is silent, and this is what it said last."""

    records: tuple[Record, ...]
    fresh: bool


class Locator:
    """From names and addresses to addresses in the order in which they are tried."""

    def __init__(
        self,
        resolver: Resolver,
        means: Means,
        draw: Callable[[int], int],
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[..., None] | None = None,
    ) -> None:
        """`means` are our transports and the families of addresses on each; `draw(n)` gives 0 to n at random.

        `tell(event, **values)` hears when a name of the configuration leads nowhere, and when it does again.
        """
        self.unreachable = Unreachable()
        self.certificate_names: dict[Address, str] = {}
        """By address on TLS, the name that was looked up: the one that its certificate must have (RFC 5922 §4)."""
        self.lookups = 0
        """Questions that were put to DNS."""
        self.failures = 0
        """How many of them nobody answered."""
        self._resolver = resolver
        self._means = means
        self._draw = draw
        self._clock = clock
        self._tell = tell
        self._places: dict[Place, Known] = {}
        self._answers: dict[Question, tuple[tuple[Record, ...], float]] = {}
        """What DNS said, and when it is asked again; when it is silent then, what it said still holds."""
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)

    # --- for calls ---

    def targets(self, name: str, transport: str, now: float) -> tuple[Address, ...]:
        """Where `host`, `host:port`, `address:port` or `[address]:port` is, the first to be tried first.

        `transport` is "udp", "tcp", "tls" or, where DNS may choose, "". Nothing: it is not known yet, leads nowhere, or
        the text is none of these. What failed lately is last.
        """
        place = _named_place(name, transport)
        return self.located(place, now) if place is not None else ()

    def targets_of(self, uri: Uri, now: float) -> tuple[Address, ...]:
        """The same of a sip or sips URI."""
        return self.located(place_of(uri), now)

    def located(self, place: Place, now: float) -> tuple[Address, ...]:
        """The same of a place."""
        known = self._places.get(place)
        if known is None:
            known = self._add(place, False, now)
        known.used = now
        addresses = in_order(known.ranks, self._draw) if known.fixed is None else known.fixed
        return self.unreachable.last(addresses, now) if len(self.unreachable) else addresses

    def failed(self, address: Address, now: float) -> None:
        """A request to this address timed out, could not be sent, or got 503: it is tried last for a while."""
        self.unreachable.failed(address, now)

    def reached(self, address: Address) -> None:
        """What failed has answered."""
        self.unreachable.reached(address)

    # --- upkeep ---

    def keep(self, places: Iterable[Place]) -> None:
        """These are known and kept fresh whether or not calls ask for them; others that were kept are so no more."""
        now = self._clock()
        kept = set(places)
        for place, known in self._places.items():
            known.keep = place in kept
        for place in kept:
            if place not in self._places:
                self._add(place, True, now)

    def counts(self) -> dict[str, int]:
        """What is remembered."""
        return {
            "dns_places": len(self._places),
            "dns_answers": len(self._answers),
            "dns_unreachable": len(self.unreachable),
        }

    async def prepare(self, seconds: float) -> None:
        """Look up what is kept, but take no longer than that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._refresh(self._clock())

    async def watch(self) -> None:
        """Keep everything fresh, for ever."""
        while True:
            self._wake.clear()
            now = self._clock()
            await self._refresh(now)
            self._forget(now)
            due = min((known.due for known in self._places.values()), default=now + UNUSED)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(due - self._clock(), 0.05))

    def _add(self, place: Place, keep: bool, now: float) -> Known:
        known = Known(keep, now)
        if is_address(place.host):
            found = locate(place, {}, self._means)
            assert isinstance(found, tuple)
            _settle(known, found)
            known.due = now + UNUSED
        else:
            self._wake.set()
        if not keep and len(self._places) >= MOST_PLACES:
            self._make_room()
        self._places[place] = known
        return known

    async def _refresh(self, now: float) -> None:
        due = [(place, known) for place, known in self._places.items() if known.due <= now]
        async with asyncio.TaskGroup() as group:
            for place, known in due:
                group.create_task(self._look_up(place, known, now))

    async def _look_up(self, place: Place, known: Known, now: float) -> None:
        """Ask what is to be known of a place, as far as no fresh answer is there."""
        if is_address(place.host):
            known.due = now + UNUSED
            return
        answers: dict[Question, tuple[Record, ...]] = {}
        silent = False
        for _ in range(ROUNDS):
            found = locate(place, answers, self._means)
            if isinstance(found, tuple):
                break
            asked = list(found)
            for question, heard in zip(asked, await asyncio.gather(*map(self._ask, asked)), strict=True):
                silent = silent or not heard.fresh
                answers[question] = heard.records
        else:
            found = ()
        now = self._clock()
        if silent:
            known.failures += 1
            known.due = now + min(SOONEST * 2.0 ** min(known.failures - 1, 10), RETRY)
        else:
            known.failures = 0
            soonest = min((self._answers[one][1] for one in answers if one in self._answers), default=now)
            known.due = now + min(max(soonest - now, SOONEST), LATEST)
        if found or not silent:
            self._announce(place, known, found)
            _settle(known, found)
            self._name_certificates(place, found)

    def _announce(self, place: Place, known: Known, found: Ranks) -> None:
        if self._tell is None or not known.keep or bool(found) == bool(known.ranks):
            return
        self._tell("dns.located" if found else "dns.lost", name=place.host)

    def _name_certificates(self, place: Place, found: Ranks) -> None:
        if len(self.certificate_names) >= MOST_ANSWERS:
            self.certificate_names.clear()
        for address in _secure(found):
            self.certificate_names[address[0], address[1]] = place.host

    async def _ask(self, question: Question) -> Heard:
        now = self._clock()
        records, renewed = self._answers.get(question, ((), now))
        if now < renewed:
            return Heard(records, True)
        try:
            async with self._room:
                self.lookups += 1
                answer = await self._resolver.ask(question)
        except LookupFailed:
            self.failures += 1
            return Heard(records, False)
        self._remember(question, answer)
        return Heard(answer.records, True)

    def _remember(self, question: Question, answer: Answer) -> None:
        now = self._clock()
        if len(self._answers) >= MOST_ANSWERS:
            self._answers = {one: kept for one, kept in self._answers.items() if now < kept[1]}
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
        self._answers[question] = answer.records, now + answer.ttl * (1 - AHEAD)

    def _forget(self, now: float) -> None:
        self._places = {
            place: known for place, known in self._places.items() if known.keep or now - known.used < UNUSED
        }

    def _make_room(self) -> None:
        """Forget the eighth of what peers brought that was not used for longest."""
        strangers = [(known.used, place) for place, known in self._places.items() if not known.keep]
        strangers.sort(key=lambda one: one[0])
        for _, place in strangers[: len(strangers) // 8 + 1]:
            del self._places[place]


def everywhere(*transports: str) -> Means:
    """Both families of addresses on these transports."""
    return dict.fromkeys(transports, ("AAAA", "A"))


def without_dns() -> Locator:
    """One that knows addresses and no names."""
    return Locator(_Silence(), everywhere("udp", "tcp", "tls"), lambda most: 0)


class _Silence:
    async def ask(self, question: Question) -> Answer:
        raise LookupFailed(question.name)


def _settle(known: Known, ranks: Ranks) -> None:
    known.ranks = ranks
    known.fixed = None if any(len(rank) > 1 for rank in ranks) else in_order(ranks, lambda most: 0)


def _secure(ranks: Ranks) -> Iterator[Address]:
    for rank in ranks:
        for choice in rank:
            yield from (address for address in choice.addresses if isinstance(address, TlsAddress))


@lru_cache(maxsize=4096)
def _named_place(name: str, transport: str) -> Place | None:
    try:
        return named_place(name, transport)
    except ValueError:
        return None
