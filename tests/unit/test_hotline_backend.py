"""The hotline's way through a real HTTP server: the demonstration backend, well and in every bad mood."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from bench import population
from bench.backend import LIES, Backend, Behaviour, serving
from ivr_flows.actions import Action, Hangup, Http, Play, Queue, Speech
from ivr_flows.clock import LocalTime
from ivr_flows.events import CallerGone, Digit, Event, HttpDone, PlayDone, QueueEnded, TimerDue
from ivr_flows.machine import start, step
from ivr_flows.position import Waiting
from switchboard.backends import Backends
from tests.support.library import LIBRARY
from tests.support.ports import free_port

HOTLINE = LIBRARY["hotline"]


class Noon:
    """A working day at noon."""

    def local(self, now: float) -> LocalTime:
        """The same at any time."""
        return LocalTime("2026-11-23", "12:00", 1, True, "")


class Call:
    """A call of the hotline whose requests are really made; prompts take no time."""

    def __init__(self, url: str, backends: Backends, caller: str) -> None:
        self.backends = backends
        self.sent: list[Http] = []
        self.heard: list[str] = []
        self.queue: Queue | None = None
        self.answered = asyncio.Event()
        given: dict[str, str | int] = {"called": "4008001234", "trunk": "carrier", "backend": url}
        self.position, actions = start(HOTLINE, given, 0.0, Noon(), {"caller": caller})
        self._do(actions)

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Http):
                self.answered.clear()
                self.sent.append(action)
                self.backends.request(action, self._answer, "call")
            elif isinstance(action, Queue):
                self.queue = action
            elif isinstance(action, Play):
                self.heard += [prompt.text if isinstance(prompt, Speech) else prompt for prompt in action.prompts]
            elif isinstance(action, Hangup):
                self.heard.append(f"hang-up {action.cause}")

    def _answer(self, end: HttpDone) -> None:
        self.send(end)
        self.answered.set()

    def send(self, event: Event) -> None:
        """Let something happen."""
        self._do(step(HOTLINE, self.position, event, 1.0, Noon())[1])

    async def keys(self, digits: str) -> None:
        """Key digits, and wait for what the backend says to them."""
        for digit in digits:
            self.send(Digit(digit))
        await self.settle()

    async def settle(self) -> None:
        """Wait until no request is open and nothing plays that leads on."""
        while True:
            if self.position.waiting in (Waiting.CHECKING, Waiting.VERIFYING, Waiting.REQUESTING):
                async with asyncio.timeout(10):
                    await self.answered.wait()
            elif self.position.waiting is Waiting.PLAYING:
                self.send(PlayDone(self.position.play_id))
            else:
                return


class Stage:
    """A backend, and calls that use it."""

    def __init__(self, port: int, state: Backend, backends: Backends) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.state = state
        self.backends = backends

    async def call(self, caller: str) -> Call:
        """Dial, choose Chinese, and come to the first question."""
        call = Call(self.url, self.backends, caller)
        await call.keys("1")
        return call


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A well backend."""
    port = free_port()
    state, backends = Backend(), Backends(pause=0.001)
    runner = await serving(state, "127.0.0.1", port)
    yield Stage(port, state, backends)
    await backends.close()
    await runner.cleanup()


async def test_own_number(stage: Stage) -> None:
    """Who calls from their own telephone is asked nothing."""
    caller = population.own_caller()
    call = await stage.call(caller)
    identity = call.position.identity
    assert (identity.status, identity.method) == ("own_number", "number")
    assert identity.subject == population.account_of(caller).subject
    assert call.heard[-1] == "zh/product_menu"


async def test_foreign_telephone_with_one_wrong_try(stage: Stage) -> None:
    """From a foreign telephone by the card, the second time, to the order's status and to an agent."""
    caller = population.foreign_caller()
    account = population.account_of(caller)
    call = await stage.call(caller)
    assert call.heard[-2:] == ["zh/identity_ask_id_card", "zh/identity_skip"]
    await call.keys(population.wrong_digits(caller, "id_card"))
    assert call.heard[-2:] == ["zh/identity_wrong", "zh/identity_ask_id_card"]
    await call.keys(population.right_digits(caller, "id_card"))
    identity = call.position.identity
    assert (identity.status, identity.method, identity.attempts) == ("verified", "id_card", 2)
    assert identity.subject == account.subject
    order = account.orders[0]
    await call.keys("11" + order.number + "#")
    assert call.heard[-3] == f"zh/order_{order.status}"
    assert call.heard[-1] == "zh/main_menu"
    assert call.heard[-2].startswith("订单号")
    await call.keys("0")
    assert call.queue is not None
    assert (call.queue.group, call.queue.priority) == ("support", 1)
    assert [json.loads(http.body or b"{}").get("step") for http in call.sent] == ["number", "verify", "verify", None]


async def test_an_order_of_somebody_else(stage: Stage) -> None:
    """Who is known hears of their own orders only."""
    call = await stage.call(population.own_caller(0))
    await call.keys("11" + population.account_of(population.own_caller(1)).orders[0].number + "#")
    assert "zh/order_not_found" in call.heard
    assert call.heard[-1] == "zh/identity_ask_order"


@pytest.mark.parametrize("kind", ["failing", "lying", "dead"])
async def test_the_check_in_a_bad_mood(stage: Stage, kind: str) -> None:
    """Whatever the backend does instead of answering, the caller waits for somebody at once, unknown."""
    stage.state.behaviour = Behaviour(kind, only="/identify")
    for _ in LIES:
        call = await stage.call(population.foreign_caller())
        assert call.position.identity.status == "unavailable"
        assert call.queue is not None
        assert call.queue.priority == 0
        assert not any(name.startswith("zh/identity") for name in call.heard)


async def test_the_check_of_an_entry_in_a_bad_mood(stage: Stage) -> None:
    """The server may die between the two questions."""
    caller = population.foreign_caller()
    for lie in range(len(LIES)):
        stage.state.behaviour = Behaviour()
        call = await stage.call(caller)
        stage.state.behaviour = Behaviour("lying" if lie else "dead")
        await call.keys(population.right_digits(caller, "id_card"))
        assert call.position.identity.status == "unavailable"
        assert call.queue is not None


@pytest.mark.parametrize("kind", ["failing", "lying", "dead"])
async def test_the_order_in_a_bad_mood(stage: Stage, kind: str) -> None:
    """A caller who asks for an order hears that it cannot be looked up, and waits for somebody."""
    stage.state.behaviour = Behaviour(kind, only="/orders")
    for _ in LIES:
        call = await stage.call(population.own_caller())
        await call.keys("11123456#")
        assert "zh/service_down" in call.heard
        assert call.queue is not None


async def test_a_slow_backend(stage: Stage) -> None:
    """The caller waits for the backend no longer than the flow says, then for somebody."""
    stage.state.behaviour = Behaviour("slow", 60.0)
    call = Call(stage.url, stage.backends, population.own_caller())
    call.send(Digit("1"))
    assert call.sent[0].timeout == 2.0
    assert call.position.deadline == 1.0 + 3.0  # should nobody tell of the timeout
    call.send(HttpDone(1, 0, None, "timeout"))
    assert call.position.identity.status == "unavailable"
    assert call.queue is not None


async def test_after_the_talk_and_after_the_call(stage: Stage) -> None:
    """The survey's answers and the end of the call come to the backend; the digits of the check do not."""
    caller = population.foreign_caller()
    call = await stage.call(caller)
    right = population.right_digits(caller, "id_card")
    await call.keys(right)
    await call.keys("0")
    call.send(QueueEnded("completed"))
    await call.keys("52")
    assert call.position.survey == {"satisfied": "5", "solved": "2"}
    assert call.heard[-2:] == ["zh/survey_thanks", "hang-up normal"]
    subject = population.account_of(caller).subject
    assert list(stage.state.hooks) == [("/survey", {"subject": subject, "satisfied": "5", "solved": "2"})]

    call = await stage.call(caller)
    call.send(CallerGone())
    assert not call.position.ended
    await call.settle()
    assert call.position.ended
    told = stage.state.hooks[-1]
    assert told == ("/hangup", {"identity": "not_asked", "subject": "", "product": "", "language": "zh"})
    assert right not in str(stage.state.hooks)


async def test_a_silent_caller(stage: Stage) -> None:
    """Who keys nothing at all ends in the queue, not in a circle."""
    call = Call(stage.url, stage.backends, population.foreign_caller())
    for _ in range(30):
        await call.settle()
        if call.queue is not None:
            break
        position = call.position
        if position.waiting is Waiting.PROMPTING:
            call.send(PlayDone(position.play_id))
        else:
            assert position.deadline is not None
            call._do(step(HOTLINE, position, TimerDue(), position.deadline, Noon())[1])
    assert call.queue is not None
    assert call.position.identity.status == "failed"
