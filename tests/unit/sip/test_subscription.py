"""The table of subscriptions, and the lines they write."""

from __future__ import annotations

import itertools

import pytest

from switchboard.sip.dialog import Dialog
from switchboard.sip.headers import Headers
from switchboard.sip.message import Request
from switchboard.sip.subscription import TRANSITIONS, Event, Input, State, Subscription, event_of, expires_of


def subscription(state: State = State.NEW, event: str = "message-summary", event_id: str = "") -> Subscription:
    """A subscription in a state."""
    dialog = Dialog("c", "l", "r", "<sip:a@h>", "<sip:b@h>", "sip:b@127.0.0.4", [], 0, 1, ("127.0.0.4", 5060))
    return Subscription(
        event=Event(event, event_id),
        dialog=dialog,
        owner="b@h",
        source=("127.0.0.4", 5060),
        expires_at=1600.0,
        state=state,
    )


def request(*lines: str) -> Request:
    """A SUBSCRIBE with these lines."""
    return Request("SUBSCRIBE", "sip:a@h", Headers(list(lines)))


@pytest.mark.parametrize(("state", "moved_by"), list(itertools.product(State, Input)))
def test_it_moves_as_its_table_says_and_else_stays(state: State, moved_by: Input) -> None:
    """Every pair: a row of the table is followed, a missing one changes nothing and nothing is said."""
    subject = subscription(state)
    following = TRANSITIONS.get((state, moved_by))
    assert subject.move(moved_by) == (following[1] if following else None)
    assert subject.state is (following[0] if following else state)


def test_every_state_leads_to_the_end_and_the_end_nowhere() -> None:
    """Nothing is stuck: FETCH or FAIL ends it from any state, and what has ended stays so."""
    for state in (State.NEW, State.ACTIVE):
        assert any(after is State.TERMINATED for (before, _), (after, _) in TRANSITIONS.items() if before is state)
    assert not [pair for pair in TRANSITIONS if pair[0] is State.TERMINATED]


@pytest.mark.parametrize(
    ("says", "state"),
    [
        ("active", "Subscription-State: active;expires=600"),
        ("timeout", "Subscription-State: terminated;reason=timeout"),
        ("noresource", "Subscription-State: terminated;reason=noresource"),
    ],
)
def test_a_notify_says_for_how_long_or_why_not(says: str, state: str) -> None:
    """The seconds left, or the reason."""
    assert subscription().lines(says, 1000.0) == ("Event: message-summary", state)  # type: ignore[arg-type]
    assert subscription(event="refer", event_id="7").lines("active", 9999.0) == (
        "Event: refer;id=7",
        "Subscription-State: active;expires=0",
    )


@pytest.mark.parametrize(
    ("lines", "event"),
    [
        (("Event: message-summary",), Event("message-summary")),
        (("o: Message-Summary ; x=y",), Event("message-summary")),
        (("Event: refer;id=93809824",), Event("refer", "93809824")),
        ((), None),
        (("Event:",), None),
        (("Event: a b",), None),
        (("Event: refer;id=1;id=2",), None),
    ],
)
def test_reads_the_package(lines: tuple[str, ...], event: Event | None) -> None:
    """Package and id; 489 is owed for anything else."""
    assert event_of(request(*lines)) == event


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ((), 3600),
        (("Expires: 0",), 0),
        (("Expires: 600",), 600),
        (("Expires: 7200",), 3600),
        (("Expires: 99999999999999999999",), 3600),
        (("Expires: -1",), None),
        (("Expires: soon",), None),
    ],
)
def test_reads_for_how_long(lines: tuple[str, ...], seconds: int | None) -> None:
    """At most what is allowed; the default when it does not say."""
    assert expires_of(request(*lines), 3600, 3600) == seconds
