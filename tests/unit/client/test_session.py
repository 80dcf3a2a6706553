"""How the client signs in, goes on after errors, and tells them apart."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from switchboard.calls.commands import HangUp
from switchboard.client import (
    ChangedError,
    Client,
    ClientError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    MemoryTokens,
    NotFoundError,
    NotReachedError,
    NotSignedInError,
    Tokens,
    TooManyError,
    UnavailableError,
)
from switchboard.client.session import Session
from tests.unit.client.conftest import Pauses, Scripted

DONE = {"call": "c1", "leg": "", "slot": ""}
AGENT = {"id": "anna", "name": "Anna", "state": "idle"}


async def test_it_signs_in_when_it_must_and_only_then(scripted: Scripted, client: Client) -> None:
    """The first request signs in; the next ones use the token."""
    scripted.reply(AGENT)
    assert (await client.agents.get("anna")).state == "idle"
    await client.agents.get("anna")
    assert scripted.logins == 1
    assert [headers["Authorization"] for _, _, headers, _ in scripted.asked] == ["Bearer a1.0"] * 2


async def test_a_refused_token_is_renewed_once(scripted: Scripted, client: Client) -> None:
    """After a 401 the refresh token gives the next one, and the request is sent again with it."""
    scripted.reply({"status": 401}, 401)
    scripted.reply(AGENT)
    await client.agents.get("anna")
    assert (scripted.logins, scripted.refreshes) == (1, 1)
    assert scripted.asked[-1][2]["Authorization"] == "Bearer a1.1"


async def test_without_a_good_refresh_token_the_password_serves(scripted: Scripted, client: Client) -> None:
    """A session that was ended begins anew."""
    scripted.refresh_status = 401
    scripted.reply({"status": 401}, 401)
    scripted.reply(AGENT)
    await client.agents.get("anna")
    assert scripted.logins == 2


async def test_without_a_password_an_ended_session_is_told(scripted: Scripted, pauses: Pauses) -> None:
    """A token file whose session has ended: sign in again, and the file is told so."""
    store = MemoryTokens(Tokens("old", "old", 1.0))
    scripted.refresh_status = 401
    async with Client(scripted.url, store=store, sleep=pauses, clock=lambda: 1000.0) as client:
        with pytest.raises(NotSignedInError):
            await client.agents.get("anna")
    assert store.load() is None


async def test_many_tasks_renew_once(scripted: Scripted, pauses: Pauses) -> None:
    """A refresh token is good for one use, so tasks that need a new one at once share it."""
    scripted.reply(AGENT)
    store = MemoryTokens(Tokens("old", "r", 1010.0))
    async with Client(scripted.url, store=store, sleep=pauses, clock=lambda: 1000.0) as client:
        await asyncio.gather(*(client.agents.get("anna") for _ in range(8)))
    assert scripted.refreshes == 1


async def test_a_command_is_sent_again_with_the_same_key(scripted: Scripted, client: Client, pauses: Pauses) -> None:
    """A lost connection does not tell whether a command was carried out; its key makes trying again safe."""
    scripted.answers += ["break", "break"]
    scripted.reply(DONE, 202)
    done = await client.calls.hang_up("c1")
    assert done.call == "c1"
    keys = {headers["Idempotency-Key"] for _, _, headers, _ in scripted.asked}
    assert (len(scripted.asked), len(keys)) == (3, 1)
    assert pauses.slept == [0.1, 0.3]
    assert scripted.asked[0][3] == msgspec.json.encode(HangUp())


async def test_each_command_has_a_key_of_its_own(scripted: Scripted, client: Client) -> None:
    """Two commands are two, though they look alike."""
    scripted.reply(DONE, 202)
    await client.calls.hold("c1")
    await client.calls.hold("c1")
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in scripted.asked}) == 2


async def test_nobody_there_is_told_after_some_tries(pauses: Pauses, unused_tcp_port: int) -> None:
    """The error names the address and says what to look at, nothing of the request."""
    store = MemoryTokens(Tokens("a", "r", 9e9))
    async with Client(f"http://127.0.0.1:{unused_tcp_port}", store=store, sleep=pauses) as client:
        with pytest.raises(NotReachedError, match="no switch answers there"):
            await client.agents.get("anna")
    assert pauses.slept == [0.1, 0.3, 0.9]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (412, ChangedError),
        (422, InvalidError),
        (428, ChangedError),
        (500, UnavailableError),
        (503, UnavailableError),
    ],
)
async def test_problems_are_errors_of_a_kind(
    scripted: Scripted, client: Client, status: int, kind: type[ClientError]
) -> None:  # fmt: skip
    """Each status has its class; the text is the problem's detail."""
    scripted.reply({"status": status, "title": "No", "detail": "Because."}, status)
    with pytest.raises(kind, match="Because"):
        await client.agents.get("anna")


async def test_too_many_says_when_to_come_back(scripted: Scripted, client: Client) -> None:
    """Retry-After is at hand."""
    scripted.reply({"status": 429}, 429, **{"Retry-After": "7"})
    with pytest.raises(TooManyError) as error:
        await client.agents.get("anna")
    assert error.value.retry_after == 7.0


async def test_secrets_are_not_printed(scripted: Scripted) -> None:
    """Neither tokens nor the password are in any representation."""
    session = Session(scripted.url, name="lin", password="secret-word")
    tokens = await session.sign_in()
    await session.close()
    assert "a1.0" not in repr(tokens)
    assert "secret-word" not in repr(session)


async def test_names_are_quoted_in_paths(scripted: Scripted, client: Client) -> None:
    """An id with a slash stays one part of the path."""
    scripted.reply({"id": "x", "number": "x", "kind": "extension", "leads_to": "", "state": "active"})
    await client.masks.get("4008001234,1/2")
    assert scripted.asked[0][1] == "/api/v1/masks/4008001234,1%2F2"
