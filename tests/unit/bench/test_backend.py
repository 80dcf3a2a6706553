from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bench import backend as served
from bench import population
from bench.__main__ import main
from bench.backend import LIES, Backend, Behaviour, describe, serving
from bench.errors import BenchError
from tests.support.backend import demonstration_backend
from tests.support.ports import free_port


class Client:
    """Asks a backend as a flow would."""

    def __init__(self, session: aiohttp.ClientSession, state: Backend) -> None:
        self.session = session
        self.state = state

    async def get(self, path: str) -> tuple[int, Any]:
        """Status and decoded body."""
        async with self.session.get(path) as response:
            return response.status, await response.json()

    async def send(self, method: str, path: str, body: object) -> tuple[int, Any]:
        """Status and decoded body."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.request(method, path, data=data) as response:
            return response.status, await response.json()


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """A backend that behaves well, and who asks it."""
    port = free_port()
    state = Backend()
    runner = await serving(state, "127.0.0.1", port)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        yield Client(session, state)
    await runner.cleanup()


async def test_own_number(client: Client) -> None:
    """The number of the account is enough."""
    caller = population.own_caller()
    status, body = await client.send("POST", "/identify", {"step": "number", "caller": caller})
    assert (status, body) == (200, {"own": True, "subject": population.account_of(caller).subject})


async def test_foreign_telephone(client: Client) -> None:
    """A foreign telephone says nothing of its caller; the right digits do."""
    caller = population.foreign_caller()
    subject = population.account_of(caller).subject
    assert await client.send("POST", "/identify", {"step": "number", "caller": caller}) == (
        200,
        {"own": False, "subject": ""},
    )
    for method in ("phone", "id_card", "order"):
        verify = {"step": "verify", "caller": caller, "method": method}
        right, wrong = population.right_digits(caller, method), population.wrong_digits(caller, method)
        assert await client.send("POST", "/identify", {**verify, "digits": wrong}) == (
            200,
            {"verified": False, "subject": ""},
        )
        assert await client.send("POST", "/identify", {**verify, "digits": right}) == (
            200,
            {"verified": True, "subject": subject},
        )


async def test_orders(client: Client) -> None:
    """An order is found by its number, by its own customer only when one is named."""
    account = population.account_of("13900000001")
    order = account.orders[0]
    status, body = await client.get(f"/orders/{order.number}")
    assert (status, body["order"], body["status"], body["amount"], body["date"]) == (
        200,
        order.number,
        order.status,
        order.amount,
        order.date,
    )
    assert body["text"] == population.STATES[order.status]
    assert (await client.get(f"/orders/{order.number}?subject={account.subject}"))[0] == 200
    assert (await client.get(f"/orders/{order.number}?subject=acct-00000000"))[0] == 404
    assert (await client.get("/orders/1234567890"))[0] == 404


async def test_hooks_are_kept(client: Client) -> None:
    """Surveys and ends of calls can be looked at afterwards; the digits of an identity check are not among them."""
    await client.send("POST", "/survey", {"score": "5"})
    await client.send("POST", "/hangup", {"node": "menu"})
    await client.send("POST", "/identify", {"step": "verify", "caller": "1", "method": "id_card", "digits": "8341"})
    assert list(client.state.hooks) == [("/survey", {"score": "5"}), ("/hangup", {"node": "menu"})]
    assert "8341" not in repr(client.state)
    assert (await client.get("/control"))[1] == {
        "behaviour": "well",
        "asked": {"/survey": 1, "/hangup": 1, "/identify": 1},
        "hooks": 2,
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/identify", b"{"),
        ("/identify", b"[" * 60000),
        ("/identify", []),
        ("/identify", {"step": "number"}),
        ("/identify", {"step": "guess", "caller": "1"}),
        ("/hangup", "text"),
        ("/control", {"behaviour": "odd"}),
        ("/control", {"behaviour": "slow", "seconds": "long"}),
        ("/control", {"behaviour": "slow", "seconds": -1}),
        ("/control", {"only": 3}),
        ("/control", {"speed": 3}),
    ],
)
async def test_bad_requests(client: Client, path: str, body: object) -> None:
    """What it does not understand is a 400 that says why."""
    status, answer = await client.send("PUT" if path == "/control" else "POST", path, body)
    assert status == 400
    assert answer["error"]


async def test_failing(client: Client) -> None:
    """Every request but control is a 500 until told otherwise."""
    assert (await client.send("PUT", "/control", {"behaviour": "failing"}))[1]["behaviour"] == "failing"
    assert (await client.get("/orders/1234567890"))[0] == 500
    assert (await client.send("PUT", "/control", {"behaviour": "well"}))[0] == 200
    assert (await client.get("/orders/1234567890"))[0] == 404


async def test_only_some_paths(client: Client) -> None:
    """A behaviour may concern one endpoint."""
    client.state.behaviour = Behaviour("failing", only="/orders")
    assert (await client.get("/orders/1234567890"))[0] == 500
    assert (await client.send("POST", "/hangup", {}))[0] == 200


async def test_lying(client: Client) -> None:
    """Each answer is other nonsense with status 200, in turn."""
    client.state.behaviour = Behaviour("lying")
    for lie in (*LIES, LIES[0]):
        async with client.session.post("/identify", json={}) as response:
            assert (response.status, await response.read()) == (200, lie)


async def test_dead(client: Client) -> None:
    """The connection is closed without an answer."""
    client.state.behaviour = Behaviour("dead")
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await client.send("POST", "/hangup", {})


async def test_slow(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow one answers right, after its seconds."""
    pauses: list[float] = []
    held = asyncio.Event()

    class Waits:
        @staticmethod
        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            await held.wait()

    monkeypatch.setattr(served, "asyncio", Waits)
    client.state.behaviour = Behaviour("slow", 7.5)
    asking = asyncio.ensure_future(client.send("POST", "/hangup", {}))
    while not pauses:
        await asyncio.sleep(0)
    assert not asking.done()
    held.set()
    assert await asking == (200, {"taken": True})
    assert pauses == [7.5]


async def test_a_port_in_use(client: Client) -> None:
    """The address that cannot be had is named."""
    with pytest.raises(BenchError, match=rf"127.0.0.1:{client.session._base_url.port} "):  # type: ignore[union-attr]
        await serving(Backend(), "127.0.0.1", client.session._base_url.port or 0)  # type: ignore[union-attr]


def test_who_has_to_key_what(capsys: pytest.CaptureFixture[str]) -> None:
    """The command line tells what a demonstration's caller keys, and serves nothing."""
    caller = population.foreign_caller()
    assert main(["backend", "--who", caller]) == 0
    shown = capsys.readouterr().out
    assert shown == describe(caller) + "\n"
    assert "foreign" in shown
    for method in ("phone", "id_card"):
        assert population.right_digits(caller, method) in shown
    assert population.account_of(caller).orders[0].number in shown
    assert "own telephone" in describe(population.own_caller())


async def test_in_a_thread() -> None:
    """Tests with other processes have it in a thread, and may change how it behaves."""
    with demonstration_backend() as running:
        async with aiohttp.ClientSession(running.url) as session:
            async with session.post("/hangup", json={"why": "bye"}) as response:
                assert response.status == 200
            running.behave("failing")
            async with session.post("/hangup", json={}) as response:
                assert response.status == 500
        assert running.hooks("/hangup") == [{"why": "bye"}]
        assert running.asked("/hangup") == 2
    async with aiohttp.ClientSession(running.url) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("/control")
