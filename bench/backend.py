"""The demonstration backend: what a customer's own server would answer to a flow, well or badly.

POST /identify          {"step": "number", "caller"} -> {"own", "subject"}
                        {"step": "verify", "caller", "method": phone|id_card|order, "digits"} -> {"verified", "subject"}
GET  /orders/NUMBER     -> {"order", "status", "amount", "date", "text": {"zh", "en"}}, or 404;
                        with ?subject= only when it is that customer's
POST /survey, /hangup   -> {"taken": true}
GET  /control           -> how it behaves, and how often each was asked
PUT  /control           {"behaviour": well|slow|failing|lying|dead, "seconds", "only": "/orders"}

Digits that are keyed are compared and forgotten: nothing is printed or kept but counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from aiohttp import web
from aiohttp.typedefs import Handler

from bench import population
from bench.errors import BenchError

PORT: Final = 8090
BEHAVIOURS: Final = ("well", "slow", "failing", "lying", "dead")
MOST_KEPT: Final = 1000
"""Surveys and ends of calls that are remembered."""

LIES: Final = (
    b"<html><body>Service</body></html>",
    b'{"own": "maybe", "verified": [1], "subject": 7, "status": {}, "amount": true, "text": 0}',
    b"[]",
    b"null",
    b'{"own": true',
    b"",
    b"\xff\xfe{}",
    b"[" * 4000,
    b'{"own": 1e999, "verified": null, "subject": ""}',
    b'"' + b"x" * 200_000 + b'"',
)
"""Answers with status 200 that are none, in the order they are given."""

JsonObject = dict[str, object]


@dataclass(slots=True)
class Behaviour:
    """How the backend behaves, and towards which paths."""

    kind: str = "well"
    seconds: float = 5.0
    """How late a slow one is."""
    only: str = ""
    """Start of the paths that it concerns."""

    def __post_init__(self) -> None:
        if self.kind not in BEHAVIOURS:
            raise ValueError(f"behaviour: one of {', '.join(BEHAVIOURS)}")
        if isinstance(self.seconds, bool) or not isinstance(self.seconds, int | float) or not 0 <= self.seconds <= 600:
            raise ValueError("seconds: between 0 and 600")
        if not isinstance(self.only, str):
            raise ValueError("only: the start of a path")


@dataclass(slots=True)
class Backend:
    """The server's state; change `behaviour` at any time."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    asked: Counter[str] = field(default_factory=Counter)
    """Requests by path; those for orders are counted together."""
    hooks: deque[tuple[str, JsonObject]] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    """What was posted to /survey and /hangup."""
    _lies: int = 0

    def application(self) -> web.Application:
        """The server, to be run by any runner of aiohttp."""
        app = web.Application(middlewares=[self._behave], client_max_size=64 * 1024)
        app.router.add_post("/identify", self._identify)
        app.router.add_get("/orders/{number}", self._order)
        app.router.add_post("/survey", self._hook)
        app.router.add_post("/hangup", self._hook)
        app.router.add_get("/control", self._show)
        app.router.add_put("/control", self._control)
        return app

    @web.middleware
    async def _behave(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer as the behaviour wants; control is always well."""
        behaviour = self.behaviour
        if request.path == "/control":
            return await handler(request)
        self.asked["/orders" if request.path.startswith("/orders/") else request.path] += 1
        if not request.path.startswith(behaviour.only):
            return await handler(request)
        if behaviour.kind == "slow":
            await asyncio.sleep(behaviour.seconds)
        elif behaviour.kind == "failing":
            return web.json_response({"error": "out of order"}, status=500)
        elif behaviour.kind == "lying":
            self._lies += 1
            return web.Response(body=LIES[(self._lies - 1) % len(LIES)], content_type="application/json")
        elif behaviour.kind == "dead" and request.transport is not None:
            request.transport.abort()
        return await handler(request)

    async def _identify(self, request: web.Request) -> web.Response:
        asked = await _object(request)
        caller = asked.get("caller")
        if not isinstance(caller, str):
            return _bad("caller: the calling number")
        account = population.account_of(caller)
        if asked.get("step") == "number":
            own = population.is_own(caller)
            return web.json_response({"own": own, "subject": account.subject if own else ""})
        if asked.get("step") == "verify":
            right = account.answers(str(asked.get("method")), str(asked.get("digits")))
            return web.json_response({"verified": right, "subject": account.subject if right else ""})
        return _bad("step: number or verify")

    async def _order(self, request: web.Request) -> web.Response:
        order = population.order(request.match_info["number"], request.query.get("subject", ""))
        if order is None:
            return web.json_response({"error": "no such order"}, status=404)
        return web.json_response(
            {
                "order": order.number,
                "status": order.status,
                "amount": order.amount,
                "date": order.date,
                "text": population.STATES[order.status],
            }
        )

    async def _hook(self, request: web.Request) -> web.Response:
        self.hooks.append((request.path, await _object(request)))
        return web.json_response({"taken": True})

    async def _show(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"behaviour": self.behaviour.kind, "asked": dict(self.asked), "hooks": len(self.hooks)}
        )

    async def _control(self, request: web.Request) -> web.Response:
        wanted = await _object(request)
        if unknown := wanted.keys() - {"behaviour", "seconds", "only"}:
            return _bad(f"unknown: {', '.join(sorted(unknown))}")
        try:
            self.behaviour = behaviour_of(wanted)
        except ValueError as fault:
            return _bad(str(fault))
        return await self._show(request)


def behaviour_of(wanted: Mapping[str, object]) -> Behaviour:
    """Read what /control was given; ValueError says what is wrong."""
    plain = Behaviour()
    return Behaviour(
        str(wanted.get("behaviour", plain.kind)),
        cast("float", wanted.get("seconds", plain.seconds)),
        cast("str", wanted.get("only", plain.only)),
    )


async def _object(request: web.Request) -> JsonObject:
    """The JSON object of a request's body."""
    try:
        found = json.loads(await request.read())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise web.HTTPBadRequest(text='{"error": "a JSON object is wanted"}', content_type="application/json")
    return found


def _bad(reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=400)


async def serving(backend: Backend, host: str, port: int) -> web.AppRunner:
    """Start to listen; `cleanup()` of what is returned stops it. No line is written for a request."""
    runner = web.AppRunner(backend.application(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as problem:
        await runner.cleanup()
        raise BenchError(f"{host}:{port} cannot be listened on: {problem.strerror or problem}") from problem
    return runner


async def _serve(backend: Backend, host: str, port: int, descriptor: int | None) -> None:
    runner = await serving(backend, host, port)
    try:
        if descriptor is None:
            print(f"demonstration backend: http://{host}:{port}, behaves {backend.behaviour.kind}", flush=True)
            await asyncio.Event().wait()
        else:
            await _serve_for(descriptor)
    finally:
        await runner.cleanup()


async def _serve_for(descriptor: int) -> None:
    """As the child of a switch: until it says anything, which can only be to stop, or is gone."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, told.set)
    os.write(descriptor, b"\x81\xa5ready\xc3")  # {"ready": true} as msgpack
    await told.wait()


def describe(caller: str) -> str:
    """What a demonstration's caller has to know: whose telephone it is, and what to key."""
    account = population.account_of(caller)
    lines = [
        "calls from the account's own telephone" if population.is_own(caller) else "calls from a foreign telephone",
        f"  telephone of the account   {account.phone}",
        f"  identity card, last four   {account.id_card[-population.LAST :]}",
    ]
    lines += [f"  order                      {order.number}  {order.status}" for order in account.orders]
    return "\n".join(lines)


def run(options: argparse.Namespace) -> int:
    """Serve until stopped, or say what a caller has to key."""
    if options.who:
        print(describe(options.who))
        return 0
    backend = Backend(Behaviour(options.behaviour, options.seconds, options.only))
    try:
        asyncio.run(_serve(backend, options.host, options.port, options.supervisor_fd))
    except BenchError as error:
        print(f"demonstration backend: {error}", file=sys.stderr)
        return 1
    return 0
