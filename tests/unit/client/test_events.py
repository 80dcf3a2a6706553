"""The event stream of the client: order, breaks, renewed tokens."""

from __future__ import annotations

from typing import Any

import pytest

from switchboard.api.types import EventView
from switchboard.client import Client, ForbiddenError, MemoryTokens, StreamLostError, Tokens
from tests.unit.client.conftest import Pauses, Scripted


def event(seq: int, kind: str = "agent.state") -> dict[str, Any]:
    """One message."""
    return {"seq": seq, "at": "2026-11-23T10:00:00Z", "type": kind, "data": {}}


async def take(client: Client, count: int, since: int | None = None) -> list[EventView]:
    """The first events of a stream."""
    found: list[EventView] = []
    stream = client.events(since).__aiter__()
    try:
        while len(found) < count:
            found.append(await anext(stream))
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
    return found


async def test_it_goes_on_behind_the_last_event(scripted: Scripted, client: Client, pauses: Pauses) -> None:
    """After a break the stream is opened with the number of the last event, also of one that only says "I am here"."""
    scripted.sockets = [[event(5, "snapshot"), event(6), event(9, "idle")], [event(10)]]
    found = await take(client, 3)
    assert [(one.seq, one.type) for one in found] == [(5, "snapshot"), (6, "agent.state"), (10, "agent.state")]
    assert [query for query, _ in scripted.opened] == ["", "since=9"]
    assert pauses.slept == [0.2]


async def test_the_token_is_offered_as_a_subprotocol(scripted: Scripted, client: Client) -> None:
    """No token stands in a URL, which proxies log."""
    scripted.sockets = [[event(1)]]
    await take(client, 1, since=0)
    assert scripted.opened == [("since=0", ["switchboard.v1", "bearer.a1.0"])]


async def test_an_expired_token_is_renewed(scripted: Scripted, client: Client) -> None:
    """Closed with 4401, the stream comes back with another token."""
    scripted.sockets = [[event(1), 4401], [event(2)]]
    assert [one.seq for one in await take(client, 2)] == [1, 2]
    assert scripted.opened[1][1][1] == "bearer.a1.1"


async def test_a_token_that_ends_soon_is_renewed_without_a_break(scripted: Scripted, pauses: Pauses) -> None:
    """The next token is sent on the open stream."""
    scripted.sockets = [[event(1), "hear", event(2)]]
    store = MemoryTokens(Tokens("a", "r", 1050.0))
    async with Client(scripted.url, store=store, sleep=pauses, clock=lambda: 1000.0) as client:
        assert [one.seq for one in await take(client, 2)] == [1, 2]
    assert scripted.heard == ['{"token":"a0.1"}']
    assert len(scripted.opened) == 1


async def test_who_may_not_hear_is_told(scripted: Scripted, client: Client) -> None:
    """4403 is the end: trying again would not help."""
    scripted.sockets = [[4403]]
    with pytest.raises(ForbiddenError):
        await take(client, 1)


async def test_pauses_grow_and_it_may_give_up(scripted: Scripted, client: Client, pauses: Pauses) -> None:
    """While nobody answers it tries less and less often, for as long as was said."""
    scripted.sockets = [["refuse"] for _ in range(9)]
    stream = client.events(give_up=9.0).__aiter__()
    with pytest.raises(StreamLostError):
        await anext(stream)
    assert pauses.slept == [0.2, 0.5, 1.0, 2.0, 5.0]
