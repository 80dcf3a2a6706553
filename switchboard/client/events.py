"""The event stream: what happens, in order; after a break it goes on behind the last event that was seen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

import aiohttp
import msgspec

from switchboard.api.types import EventView, Problem
from switchboard.client.errors import ForbiddenError, NotReachedError, StreamLostError
from switchboard.client.session import PREFIX, Session

PROTOCOL: Final = "switchboard.v1"
SILENCE: Final = 45.0
"""The switch says every 15 s that it is there; without a word for so long the connection is taken for lost."""
PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the stream is opened again; the last one is repeated."""
RENEW_BEFORE: Final = 60.0
"""Seconds before its end the token of an open stream is renewed."""
OPENING: Final = 10.0
NO_TOKEN: Final = 4401
FORBIDDEN: Final = 4403

_DECODER: Final = msgspec.json.Decoder(EventView)


class Events:
    """`async for event in client.events(): …`; the first one is a `snapshot` unless `since` is known to the switch.

    `last` is the number of the last event seen, for going on in another program. When the switch no longer has what
    was missed, a `snapshot` comes in its place.
    """

    def __init__(self, session: Session, since: int | None = None, *, give_up: float | None = None) -> None:
        """`give_up` is for how many seconds in a row nobody may answer; None: never mind."""
        self.last = since
        self.breaks = 0
        """How often the connection was lost."""
        self._session = session
        self._give_up = give_up

    async def __aiter__(self) -> AsyncIterator[EventView]:
        """Events for ever; raises `ForbiddenError`, `NotSignedInError` or `StreamLostError`."""
        waited, failures = 0.0, 0
        while True:
            try:
                async with contextlib.aclosing(self._connection()) as events:
                    async for event in events:
                        waited, failures = 0.0, 0
                        yield event
            except (aiohttp.ClientError, NotReachedError, TimeoutError, OSError):
                pass
            self.breaks += 1
            pause = PAUSES[min(failures, len(PAUSES) - 1)]
            failures += 1
            waited += pause
            if self._give_up is not None and waited > self._give_up:
                raise StreamLostError(f"{self._session.url}: no events, the switch does not answer")
            await self._session.sleep(pause)

    async def _connection(self) -> AsyncGenerator[EventView, None]:
        session = self._session
        token = await session.token()
        query = {} if self.last is None else {"since": str(self.last)}
        async with session.http.ws_connect(
            f"{session.url}{PREFIX}/events",
            params=query,
            protocols=(PROTOCOL, f"bearer.{token}"),
            timeout=aiohttp.ClientWSTimeout(ws_receive=SILENCE, ws_close=OPENING),
            max_msg_size=0,
        ) as socket:
            while True:
                message = await socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    await self._closed(socket.close_code)
                    return
                event = _DECODER.decode(message.data)
                self.last = event.seq
                if event.type != "idle":
                    yield event
                if session.expires_within(RENEW_BEFORE):
                    await socket.send_str(msgspec.json.encode({"token": await session.renew()}).decode())

    async def _closed(self, code: int | None) -> None:
        if code == NO_TOKEN:
            await self._session.renew()
        elif code == FORBIDDEN:
            raise ForbiddenError(403, Problem(status=403, detail="this account may not hear events"))
