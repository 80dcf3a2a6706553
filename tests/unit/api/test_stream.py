"""Who is told what, in which order, and what happens to those who do not listen."""

from __future__ import annotations

import random

import pytest

from switchboard.api import stream as module
from switchboard.api.principal import Principal
from switchboard.api.stream import LINGER_US, Entry, EventStream, FullError, Subscription
from switchboard.calls.news import AgentNews, AlertNews, CallNews, CallStep, News, QueueNews

BEGIN_US = 1_750_000_000_000_000
BOSS = Principal(id="u0", name="boss", role="supervisor")
ZHANG = Principal(id="u1", name="zhang", role="agent", agent="zhang")
LI = Principal(id="u2", name="li", role="agent", agent="li")
NOBODY = Principal(id="u3", name="nobody", role="agent")
GROUPS = {"zhang": ("sales",), "li": ("help", "sales2")}


class Clock:
    """UTC microseconds."""

    now = BEGIN_US

    def __call__(self) -> int:
        """Return the time now."""
        return self.now


@pytest.fixture
def utc_us() -> Clock:
    """The time, which stands still unless moved."""
    return Clock()


@pytest.fixture
def stream(utc_us: Clock) -> EventStream:
    """A stream that keeps ten events, and five a client."""
    return EventStream(utc_us, lambda agent: GROUPS.get(agent, ()), ring=10, queue=5)


def call(step: CallStep, number: str = "c1", agent: str = "", at_us: int = BEGIN_US) -> CallNews:
    """A step of a call."""
    return CallNews(step=step, call=number, at_us=at_us, agent=agent)


def waiting(subscription: Subscription) -> list[Entry]:
    """What a client would be sent, without waiting."""
    entries = list(subscription._queue)
    subscription._queue.clear()
    return entries


def steps(subscription: Subscription) -> list[str]:
    """The steps of calls that a client would be sent."""
    return [entry.news.step for entry in waiting(subscription) if isinstance(entry.news, CallNews)]


def test_nothing_is_made_before_somebody_listens(stream: EventStream) -> None:
    """The first client turns it on; numbers begin with the time, and grow by one."""
    assert not stream.listening
    boss, missed = stream.subscribe(BOSS)
    assert stream.listening
    assert missed is None
    for _ in range(3):
        stream.publish(call("opened"))
    first = stream.seq - 2
    assert first > BEGIN_US
    assert [entry.seq for entry in waiting(boss)] == [first, first + 1, first + 2]


def test_an_agent_hears_of_own_calls_from_the_first_ring_to_the_end(stream: EventStream) -> None:
    """Not before, nothing of other calls, and nothing after the call has left the agent."""
    boss, _ = stream.subscribe(BOSS)
    zhang, _ = stream.subscribe(ZHANG)
    li, _ = stream.subscribe(LI)
    stream.publish(call("opened"))
    stream.publish(call("opened", "c2"))
    stream.publish(call("ringing", agent="li"))
    stream.publish(call("ring_ended", agent="li"))
    stream.publish(call("ringing", agent="zhang"))
    assert (steps(zhang), steps(li), len(steps(boss))) == (["ringing"], ["ringing", "ring_ended"], 5)
    stream.publish(call("answered", agent="zhang"))
    stream.publish(call("held", agent="zhang"))
    stream.publish(call("ringing", agent="li"))
    stream.publish(call("agent_left", agent="zhang"))
    assert (steps(zhang), steps(li)) == (["answered", "held", "ringing", "agent_left"], ["ringing", "agent_left"])
    steps(boss)
    stream.publish(call("answered", agent="li"))
    stream.publish(call("ended"))
    stream.publish(call("ended", "c2"))
    assert (steps(zhang), steps(li)) == ([], ["answered", "ended"])
    assert stream.counts()["stream_calls"] == 0


def test_agents_see_their_own_state_and_their_groups_queues(stream: EventStream) -> None:
    """Alerts are for supervisors; an account of no agent sees nothing."""
    boss, _ = stream.subscribe(BOSS)
    zhang, _ = stream.subscribe(ZHANG)
    nobody, _ = stream.subscribe(NOBODY)
    told: list[News] = [
        AgentNews(agent="zhang", state="idle", before="offline", at_us=BEGIN_US),
        AgentNews(agent="li", state="idle", before="offline", at_us=BEGIN_US),
        QueueNews(step="joined", group="sales", entry="c1", waiting=1, at_us=BEGIN_US),
        QueueNews(step="joined", group="help", entry="c2", waiting=1, at_us=BEGIN_US),
        AlertNews(kind="break", subject="zhang", at_us=BEGIN_US),
    ]
    for news in told:
        stream.publish(news)
    assert [entry.news for entry in waiting(boss)] == told
    assert [entry.news for entry in waiting(zhang)] == [told[0], told[2]]
    assert waiting(nobody) == []
    stream.unsubscribe(nobody)
    assert stream.counts()["stream_clients"] == 2


def test_an_agent_who_changes_groups_sees_the_other_queue_within_a_second(utc_us: Clock) -> None:
    """And no longer that of the old one."""
    groups = {"zhang": ("sales",)}
    stream = EventStream(utc_us, lambda agent: groups.get(agent, ()))
    zhang, _ = stream.subscribe(ZHANG)
    for second in (0, 2):
        for group in ("sales", "help"):
            at_us = BEGIN_US + second * 1_000_000
            stream.publish(QueueNews(step="joined", group=group, entry="c1", waiting=1, at_us=at_us))
        groups["zhang"] = ("help",)
    assert [entry.news.group for entry in waiting(zhang) if isinstance(entry.news, QueueNews)] == ["sales", "help"]


def test_who_is_in_a_call_that_began_unheard_is_asked(utc_us: Clock) -> None:
    """Nobody listened when the call came to the agent; its end is told to the agent all the same."""
    stream = EventStream(utc_us, parties_of=lambda number: {"c1": ("zhang",)}.get(number, ()))
    zhang, _ = stream.subscribe(ZHANG)
    li, _ = stream.subscribe(LI)
    stream.publish(call("ended"))
    assert (steps(zhang), steps(li)) == (["ended"], [])


def test_a_client_that_comes_back_gets_what_it_missed(stream: EventStream) -> None:
    """Only what it may see, also while nobody listened, and a snapshot when that is not known any more."""
    zhang, _ = stream.subscribe(ZHANG)
    stream.publish(call("ringing", agent="zhang"))
    seen = stream.seq
    stream.unsubscribe(zhang)
    stream.publish(call("ringing", "c2", agent="li"))
    stream.publish(call("answered", agent="zhang"))
    again, missed = stream.subscribe(ZHANG, seen)
    assert [(entry.seq, entry.news.step) for entry in missed or () if isinstance(entry.news, CallNews)] == [
        (seen + 2, "answered")
    ]
    assert stream.subscribe(ZHANG, stream.seq)[1] == []
    for _ in range(8):
        stream.publish(call("held", "c3"))
    assert stream.subscribe(ZHANG, seen)[1] is not None, "the ring of ten begins behind it"
    stream.publish(call("held", "c3"))
    assert stream.subscribe(ZHANG, seen)[1] is None
    assert stream.subscribe(ZHANG, stream.seq + 1)[1] is None, "never told"
    assert stream.subscribe(ZHANG, 0)[1] is None
    assert waiting(again) == []


def test_when_nobody_comes_back_nothing_is_kept(stream: EventStream, utc_us: Clock) -> None:
    """After two minutes it falls silent; who comes then with an old number gets a snapshot, not a gap."""
    boss, _ = stream.subscribe(BOSS)
    stream.publish(call("opened"))
    seen = stream.seq
    stream.unsubscribe(boss)
    utc_us.now += LINGER_US
    stream.publish(call("held", at_us=utc_us.now))
    assert stream.listening
    utc_us.now += 1
    stream.publish(call("ended", at_us=utc_us.now))
    assert not stream.listening
    assert stream.counts() == {"stream_clients": 0, "stream_events": 0, "stream_calls": 0}
    assert stream.subscribe(BOSS, seen)[1] is None
    assert stream.subscribe(BOSS, seen + 1)[1] is None
    assert stream.seq > seen + 1


def test_numbers_grow_over_a_restart(utc_us: Clock) -> None:
    """So that an old number never passes for one of this start."""
    old = EventStream(utc_us)
    old.subscribe(BOSS)
    for _ in range(100):
        old.publish(call("opened"))
    utc_us.now += 1_000_000
    new = EventStream(utc_us)
    assert new.subscribe(BOSS, old.seq)[1] is None


def test_a_slow_client_is_dropped_and_nobody_else_suffers(stream: EventStream) -> None:
    """With a full queue it is out at once; its queue is emptied, others get everything."""
    slow, _ = stream.subscribe(BOSS)
    quick, _ = stream.subscribe(BOSS)
    got = 0
    for _ in range(20):
        stream.publish(call("held"))
        got += len(waiting(quick))
    assert got == 20
    assert slow.lost.is_set()
    assert len(slow) == 0
    assert (stream.dropped, stream.counts()["stream_clients"]) == (1, 1)
    stream.unsubscribe(slow)
    assert stream.counts()["stream_clients"] == 1


def test_streams_are_bounded_by_account_and_in_all(stream: EventStream, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place of one that has left is free again."""
    monkeypatch.setattr(module, "MOST_OF_ONE", 2)
    monkeypatch.setattr(module, "MOST_CLIENTS", 3)
    first, _ = stream.subscribe(BOSS)
    stream.subscribe(BOSS)
    with pytest.raises(FullError):
        stream.subscribe(BOSS)
    stream.subscribe(ZHANG)
    with pytest.raises(FullError):
        stream.subscribe(LI)
    stream.unsubscribe(first)
    stream.subscribe(LI)


def test_calls_that_never_end_do_not_fill_the_memory(stream: EventStream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those not heard of for longest are asked for again instead."""
    monkeypatch.setattr(module, "MOST_CALLS", 10)
    stream.subscribe(BOSS)
    for number in range(100):
        stream.publish(call("opened", f"c{number}"))
    assert stream.counts()["stream_calls"] == 10


def test_random_histories_resume_without_gap_or_repetition(utc_us: Clock) -> None:
    """However often clients break off and come back: each sees exactly the events that it may see, once, in order."""
    rng = random.Random(7)
    stream = EventStream(utc_us, lambda agent: GROUPS.get(agent, ()), ring=50, queue=1000)
    everything: list[Entry] = []
    watcher, _ = stream.subscribe(BOSS)
    seen: dict[str, list[int]] = {"u0": [], "u1": [], "u2": []}
    since = dict.fromkeys(seen, stream.seq)
    live: dict[str, Subscription] = {}
    people = {one.id: one for one in (BOSS, ZHANG, LI)}
    all_steps: list[CallStep] = ["opened", "ringing", "ring_ended", "answered", "held", "agent_left", "ended"]
    resumed = 0
    for _ in range(3000):
        who = rng.choice(list(seen))
        if rng.random() < 0.9:
            if rng.random() < 0.7:
                number, agent = f"c{rng.randrange(5)}", rng.choice(("", "zhang", "li"))
                stream.publish(call(rng.choice(all_steps), number, agent))
            else:
                group = rng.choice(("sales", "help", "other"))
                stream.publish(QueueNews(step="joined", group=group, entry="e", waiting=1, at_us=BEGIN_US))
            everything += waiting(watcher)
        elif who in live:
            got = waiting(live[who])[: rng.randrange(5)]  # the rest is lost with the connection
            seen[who] += [entry.seq for entry in got]
            since[who] = seen[who][-1] if seen[who] else since[who]
            stream.unsubscribe(live.pop(who))
        else:
            live[who], missed = stream.subscribe(people[who], since[who])
            if missed is None:
                seen[who].clear()
                since[who] = stream.seq
                stream.unsubscribe(live.pop(who))
            else:
                resumed += 1
                seen[who] += [entry.seq for entry in missed]
                since[who] = stream.seq
    assert resumed > 20
    for who, numbers in seen.items():
        if not numbers:
            continue
        may = [e.seq for e in everything if numbers[0] <= e.seq <= numbers[-1] and stream.visible(e, people[who])]
        assert numbers == may
