"""The client: one session, and a part for each part of the API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from switchboard.client.archive import Administration, Recordings, Voicemail
from switchboard.client.calls import Calls, Records
from switchboard.client.desk import Agents, Groups
from switchboard.client.events import Events
from switchboard.client.numbers import Masks, System
from switchboard.client.session import TIMEOUT, Session, TokenStore


class Client:
    """A switch at `url`, asked by one user; the parameters are those of `Session`."""

    def __init__(
        self,
        url: str,
        *,
        name: str = "",
        password: str = "",
        code: Callable[[], str] | None = None,
        store: TokenStore | None = None,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.session = Session(
            url, name=name, password=password, code=code, store=store, timeout=timeout, sleep=sleep, clock=clock
        )  # fmt: skip
        self.agents = Agents(self.session)
        self.groups = Groups(self.session)
        self.calls = Calls(self.session)
        self.records = Records(self.session)
        self.recordings = Recordings(self.session)
        self.voicemail = Voicemail(self.session)
        self.masks = Masks(self.session)
        self.system = System(self.session)
        self.administration = Administration(self.session)

    def events(self, since: int | None = None, *, give_up: float | None = None) -> Events:
        """The event stream, behind the event `since`; it is opened again when the connection is lost."""
        return Events(self.session, since, give_up=give_up)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
