"""The event stream: what calls, agents and queues tell, in order and numbered, for every client that may see it.

Telling costs the switch little and never waits: an event goes into one ring and the queues of the clients that may
see it; it is written out by each client's own task. A client whose queue is full has lost its place: it is dropped.

Numbers only grow, over restarts too, for they begin with the time of the start in microseconds. A client that comes
back with the last number it saw gets what it missed while that is in the ring, else a snapshot.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from switchboard.api.principal import Principal
from switchboard.calls.news import AgentNews, CallNews, CallStep, News, QueueNews

RING: Final = 10_000
QUEUE: Final = 1_000
MOST_CLIENTS: Final = 1_000
MOST_OF_ONE: Final = 20
"""Streams of one account."""
LINGER_US: Final = 120_000_000
"""How long news are still kept for a client that comes back when there is none at the moment."""
MOST_CALLS: Final = 20_000
REGROUP_US: Final = 1_000_000

LEAVING: Final[frozenset[CallStep]] = frozenset(
    {"ring_ended", "transfer_failed", "consult_ended", "agent_left", "party_left", "supervision_ended"}
)
"""After these an agent hears no more of a call."""

_NOBODY: Final[frozenset[str]] = frozenset()


class Entry(NamedTuple):
    """One event; `agents` are those whom it concerns, `group` whose agents may see it too."""

    seq: int
    news: News
    agents: frozenset[str]
    group: str


class FullError(Exception):
    """No further stream, for all or for this account."""


class Subscription:
    """One client's place in the stream."""

    def __init__(self, principal: Principal, bound: int = QUEUE) -> None:
        self.principal = principal
        self.lost = asyncio.Event()
        """Set when the queue was full: the client gets nothing any more."""
        self._bound = bound
        self._queue: deque[Entry] = deque()
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def offer(self, entry: Entry) -> bool:
        """Queue an event; False when there is no room for it."""
        if len(self._queue) >= self._bound:
            self._queue.clear()
            self.lost.set()
            return False
        self._queue.append(entry)
        self._wake.set()
        return True

    async def take(self, patience: float) -> list[Entry]:
        """The events that wait; nothing when there was none for so many seconds."""
        if not self._queue:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), patience)
            except TimeoutError:
                return []
        entries = list(self._queue)
        self._queue.clear()
        return entries


class EventStream:
    """Implements `calls.news.Feed`. `groups_of` tells an agent's groups, `parties_of` the agents in a call now.

    `utc_us` is UTC microseconds. All methods belong into the loop.
    """

    def __init__(
        self,
        utc_us: Callable[[], int],
        groups_of: Callable[[str], Iterable[str]] = lambda agent: (),
        parties_of: Callable[[str], Iterable[str]] = lambda call: (),
        *,
        ring: int = RING,
        queue: int = QUEUE,
    ) -> None:
        self.listening = False
        self.seq = utc_us()
        self.dropped = 0
        """Clients that were too slow."""
        self._utc_us = utc_us
        self._groups_of = groups_of
        self._parties_of = parties_of
        self._bound = queue
        self._ring: deque[Entry] = deque(maxlen=ring)
        self._behind = self.seq
        """The number of the last event that is not in the ring any more."""
        self._left_us = 0
        self._clients: set[Subscription] = set()
        self._seers: dict[Subscription, None] = {}
        self._agents: dict[str, dict[Subscription, None]] = {}
        self._groups: dict[str, list[Subscription]] = {}
        self._grouped_until_us = 0
        self._of_account: dict[str, int] = {}
        self._parties: OrderedDict[str, set[str]] = OrderedDict()

    def counts(self) -> dict[str, int]:
        """For the metrics."""
        return {
            "stream_clients": len(self._clients),
            "stream_events": len(self._ring),
            "stream_calls": len(self._parties),
        }

    # --- what is told ---

    def publish(self, news: News) -> None:
        """Number an event and queue it for who may see it."""
        if not self._clients and news.at_us - self._left_us > LINGER_US:
            self._rest()
            return
        agents, group = self._audience(news)
        self.seq += 1
        ring = self._ring
        if len(ring) == ring.maxlen:
            self._behind = ring[0].seq
        entry = Entry(self.seq, news, agents, group)
        ring.append(entry)
        for subscription in self._listeners(entry):
            if not subscription.offer(entry):
                self.dropped += 1
                self.unsubscribe(subscription)

    def _listeners(self, entry: Entry) -> list[Subscription]:
        found = list(self._seers)
        for agent in entry.agents:
            found += self._agents.get(agent, ())
        if entry.group:
            found += self._in_group(entry)
        return found

    def _in_group(self, entry: Entry) -> list[Subscription]:
        """The clients of a group's agents; who belongs to it is looked up once a second."""
        if entry.news.at_us >= self._grouped_until_us:
            self._grouped_until_us = entry.news.at_us + REGROUP_US
            self._groups = {}
            for agent, subscriptions in self._agents.items():
                for group in self._groups_of(agent):
                    self._groups.setdefault(group, []).extend(subscriptions)
        return self._groups.get(entry.group, [])

    def _audience(self, news: News) -> tuple[frozenset[str], str]:
        """The agents an event concerns, and the group whose agents may see it."""
        if isinstance(news, AgentNews):
            return frozenset((news.agent,)), ""
        if isinstance(news, QueueNews):
            return _NOBODY, news.group
        if not isinstance(news, CallNews):
            return _NOBODY, ""
        parties = self._parties.get(news.call)
        if parties is None:
            parties = self._parties[news.call] = set(self._parties_of(news.call))
            if len(self._parties) > MOST_CALLS:
                self._parties.popitem(last=False)
        if news.agent:
            parties.add(news.agent)
        concerned = frozenset((news.agent,) if news.aside else parties)
        if news.step in LEAVING:
            parties.discard(news.agent)
        elif news.step == "ended":
            del self._parties[news.call]
        return concerned, ""

    def _rest(self) -> None:
        """Nobody has come back: what happens is not kept, so numbers have a gap that leads to a snapshot."""
        self.listening = False
        self._ring.clear()
        self._parties.clear()
        self.seq = self._behind = max(self.seq + 1, self._utc_us())

    # --- who listens ---

    def subscribe(self, principal: Principal, since: int | None = None) -> tuple[Subscription, list[Entry] | None]:
        """A place in the stream, and what was missed since an event; None: too old, so a snapshot is needed.

        Raises `FullError`.
        """
        account = principal.id
        if len(self._clients) >= MOST_CLIENTS or self._of_account.get(account, 0) >= MOST_OF_ONE:
            raise FullError
        if not self.listening:
            self._rest()
            self.listening = True
        subscription = Subscription(principal, self._bound)
        self._clients.add(subscription)
        missed = None if since is None else self._since(principal, since)
        if principal.role in ("supervisor", "admin"):
            self._seers[subscription] = None
        elif principal.agent:
            self._agents.setdefault(principal.agent, {})[subscription] = None
            self._grouped_until_us = 0
        self._of_account[account] = self._of_account.get(account, 0) + 1
        return subscription, missed

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a client; once more does no harm."""
        if subscription not in self._clients:
            return
        self._clients.discard(subscription)
        self._seers.pop(subscription, None)
        principal = subscription.principal
        mine = self._agents.get(principal.agent, {})
        mine.pop(subscription, None)
        self._grouped_until_us = 0
        if not mine:
            self._agents.pop(principal.agent, None)
        left = self._of_account[principal.id] - 1
        if left:
            self._of_account[principal.id] = left
        else:
            del self._of_account[principal.id]
        if not self._clients:
            self._left_us = self._utc_us()

    def _since(self, principal: Principal, since: int) -> list[Entry] | None:
        if not self._behind <= since <= self.seq:
            return None
        return [entry for entry in self._after(since) if self.visible(entry, principal)]

    def _after(self, since: int) -> Iterator[Entry]:
        if not self._ring:
            return iter(())
        # Numbers in the ring have no gaps.
        return islice(self._ring, max(0, since + 1 - self._ring[0].seq), None)

    def visible(self, entry: Entry, principal: Principal) -> bool:
        """Whether a principal may see an event: agents their own and their groups' queues, supervisors all."""
        if principal.role in ("supervisor", "admin"):
            return True
        agent = principal.agent
        if principal.role != "agent" or not agent:
            return False
        return agent in entry.agents or bool(entry.group and entry.group in self._groups_of(agent))
