"""/events: the event stream over WebSocket (RFC 6455).

The token comes as a subprotocol, `bearer.TOKEN` beside `switchboard.v1`, or as the first message within five seconds:
`{"token": "TOKEN"}`. The same message renews it later, without a break. Close codes: 4008 too slow, 4400 not
understood, 4401 no token, or one that has expired, 4403 not in this role, 4429 too many.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
from litestar import Router, websocket
from litestar.exceptions import WebSocketDisconnect, WebSocketException

from switchboard.api.gate import address_of, admit
from switchboard.api.principal import ApiSocket, Principal
from switchboard.api.problems import ApiError
from switchboard.api.roles import PREFIX
from switchboard.api.services import Services
from switchboard.api.stream import Entry, EventStream, FullError, Subscription
from switchboard.api.telling import Teller, idle_text, snapshot_text

PROTOCOL: Final = "switchboard.v1"
TOKEN_PROTOCOL: Final = "bearer."  # noqa: S105 - names a scheme
OPERATION: Final = f"WEBSOCKET {PREFIX}/events"

TOKEN_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 15.0
CHECK_SECONDS: Final = 1.0
"""How often it is looked whether the token still serves."""
CLOSE_SECONDS: Final = 5.0
"""What a client that does not read has to take note of being dropped."""
LONGEST_SINCE: Final = 17

TOO_SLOW: Final = 4008
NOT_UNDERSTOOD: Final = 4400
NO_TOKEN: Final = 4401
FORBIDDEN: Final = 4403
TOO_MANY: Final = 4429

Snapshot: TypeAlias = Callable[[Principal], Awaitable[object]]
"""How things are, as far as a principal may see them: plain data."""


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends."""

    token: str


class _Over(Exception):  # noqa: N818 - an end, not always an error
    """The stream is closed with this code."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class EventSocket:
    """Serves one client."""

    def __init__(
        self, socket: ApiSocket, services: Services, stream: EventStream, teller: Teller, snapshot: Snapshot
    ) -> None:
        self._socket = socket
        self._services = services
        self._stream = stream
        self._teller = teller
        self._snapshot = snapshot
        self._principal: Principal | None = None

    async def serve(self) -> None:
        """Until the client leaves or is dropped."""
        offered = list(self._socket.scope.get("subprotocols") or ())
        token = next((one.removeprefix(TOKEN_PROTOCOL) for one in offered if one.startswith(TOKEN_PROTOCOL)), "")
        chosen = PROTOCOL if PROTOCOL in offered else offered[0] if offered else None
        await self._socket.accept(subprotocols=chosen)
        try:
            if self._services.pace.take(f"address {address_of(self._socket.scope)}"):
                raise _Over(TOO_MANY, "too many connections")
            since = _since(self._socket.query_params.get("since"))
            principal = self._admit(token or await self._first_message())
            await self._stream_to(principal, since)
        except _Over as over:
            await self._close(over)
        except (WebSocketDisconnect, WebSocketException, OSError):
            return

    async def _first_message(self) -> str:
        try:
            return _token(await asyncio.wait_for(self._socket.receive_text(), TOKEN_SECONDS))
        except TimeoutError:
            raise _Over(NO_TOKEN, "no token") from None

    def _admit(self, token: str) -> Principal:
        try:
            principal = self._services.tokens.check(token)
        except ApiError as error:
            raise _Over(NO_TOKEN, error.kind) from None
        try:
            admit(principal, OPERATION)
        except ApiError as error:
            raise _Over(FORBIDDEN, error.kind) from None
        self._principal = principal
        return principal

    async def _stream_to(self, principal: Principal, since: int | None) -> None:
        try:
            subscription, missed = self._stream.subscribe(principal, since)
        except FullError:
            raise _Over(TOO_MANY, "too many streams") from None
        loop = asyncio.get_running_loop()
        send = self._send(subscription, self._stream.seq, missed)
        tasks = [loop.create_task(work) for work in (send, self._listen(), self._watch(subscription))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            # Being dropped comes first: a sender that waits for a slow client may be done in the same moment.
            failures = [error for task in done if (error := task.exception()) is not None]
            raise next((error for error in failures if isinstance(error, _Over)), failures[0])
        finally:
            self._stream.unsubscribe(subscription)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _send(self, subscription: Subscription, seq: int, missed: list[Entry] | None) -> None:
        """First what was missed, or how things are after the event `seq`; then what happens."""
        principal = subscription.principal
        if missed is None:
            state = await self._snapshot(principal)
            await self._socket.send_text(snapshot_text(seq, self._services.utc(), state))
        for entry in missed or ():
            await self._socket.send_text(await self._teller.text(entry, principal))
        while True:
            entries = await subscription.take(IDLE_SECONDS)
            if not entries:
                await self._socket.send_text(idle_text(self._stream.seq, self._services.utc()))
            for entry in entries:
                await self._socket.send_text(await self._teller.text(entry, principal))

    async def _listen(self) -> None:
        """Messages of the client: a token that renews the one before, of the same account."""
        while True:
            token = _token(await self._socket.receive_text())
            before = self._principal
            assert before is not None
            if self._services.pace.take(f"user {before.id}"):
                raise _Over(TOO_MANY, "too many messages")
            principal = self._admit(token)
            if (principal.id, principal.role, principal.agent) != (before.id, before.role, before.agent):
                raise _Over(FORBIDDEN, "another account")

    async def _watch(self, subscription: Subscription) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(subscription.lost.wait(), CHECK_SECONDS)
                raise _Over(TOO_SLOW, "too slow")
            if self._principal is not None and not self._services.tokens.valid(self._principal):
                raise _Over(NO_TOKEN, "token-expired")

    async def _close(self, over: _Over) -> None:
        with contextlib.suppress(TimeoutError, WebSocketException, OSError, RuntimeError):
            await asyncio.wait_for(self._socket.close(over.code, over.reason), CLOSE_SECONDS)


def events_router(services: Services, stream: EventStream, teller: Teller, snapshot: Snapshot) -> Router:
    """The route of the event stream."""

    @websocket("/events")
    async def events(socket: ApiSocket) -> None:
        """What happens, in order."""
        await EventSocket(socket, services, stream, teller, snapshot).serve()

    return Router("/", route_handlers=[events], tags=["events"])


def _since(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if len(text) > LONGEST_SINCE or not (text.isascii() and text.isdigit()):
        raise _Over(NOT_UNDERSTOOD, "since is a number")
    return int(text)


def _token(text: str) -> str:
    try:
        return msgspec.json.decode(text, type=_Message).token
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise _Over(NOT_UNDERSTOOD, "send a token") from None
