"""HTTP to the switch: signed in, tokens renewed in time, lost connections tried again where that is safe."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Final, NamedTuple, Protocol, Self, TypeVar

import aiohttp
import msgspec

from switchboard.api.types import Me, Problem
from switchboard.client.errors import NotReachedError, NotSignedInError, UnauthorizedError, error_of

T = TypeVar("T")

PREFIX: Final = "/api/v1"
TIMEOUT: Final = 15.0
BACKOFF: Final = (0.1, 0.3, 0.9)
"""Seconds before a request that found nobody is sent again."""
EARLY: Final = 20.0
"""A token that ends within so many seconds is renewed first."""

Parameters = Mapping[str, str | int | float | bool | None]


class Tokens(msgspec.Struct, frozen=True):
    """What proves who asks; `expires` is when `access` ends, in UTC seconds. Never printed."""

    access: str
    refresh: str
    expires: float

    def __repr__(self) -> str:
        return "Tokens(****)"


class TokenStore(Protocol):
    """Where tokens are kept. A refresh token serves once, and ends the session when it is used again."""

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """While tokens are renewed nobody else may do so."""

    def load(self) -> Tokens | None:
        """What is kept."""

    def save(self, tokens: Tokens | None) -> None:
        """Keep these, or forget."""


class MemoryTokens:
    """Keeps tokens for one session."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        self._tokens = tokens

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """The session sees to it."""
        yield

    def load(self) -> Tokens | None:
        """What is kept."""
        return self._tokens

    def save(self, tokens: Tokens | None) -> None:
        """Keep these."""
        self._tokens = tokens


class SignIn(msgspec.Struct, frozen=True, omit_defaults=True):
    """Name and password, and the code of the second factor where there is one."""

    name: str
    password: str
    code: str = ""

    def __repr__(self) -> str:
        return f"SignIn({self.name!r}, ****)"


class TokenAnswer(msgspec.Struct, frozen=True):
    """What the switch answers to a sign-in or a refresh."""

    access_token: str
    refresh_token: str
    expires_in: float
    must_change: bool = False

    def __repr__(self) -> str:
        return "TokenAnswer(****)"


class Answer(NamedTuple):
    """An answer that is no problem."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Session:
    """One user's connection to one switch; use as `async with`. Several tasks may share it.

    With `name` and `password` it signs in when it must; with `store` it goes on from an earlier session.
    """

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
        self.url = url.rstrip("/")
        self._store = store if store is not None else MemoryTokens()
        self.tokens = self._store.load()
        self.must_change = False
        """The password was given by somebody else: nothing is allowed but `change_password`."""
        self._name = name
        self._password = password
        self._code = code
        self._timeout = timeout
        self.sleep = sleep
        self._clock = clock
        self._renewing = asyncio.Lock()
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """The connections, made when they are needed first."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout), trust_env=False, auto_decompress=True
            )
        return self._http

    # --- signing in ---

    async def sign_in(self, code: str = "") -> Tokens:
        """Get tokens with the password; raises `UnauthorizedError`."""
        if not self._name:
            raise NotSignedInError("not signed in")
        asked = SignIn(self._name, self._password, code or (self._code() if self._code is not None else ""))
        answer = await self._send("POST", "/auth/login", body=msgspec.json.encode(asked), retry=False)
        return self._take(answer)

    async def sign_out(self) -> None:
        """End the session at the switch."""
        if self.tokens is not None:
            try:
                await self._send("POST", "/auth/logout", token=await self.token(), retry=False)
            finally:
                self._set(None)

    async def change_password(self, current: str, new: str) -> None:
        """Take another password; all other sessions of the account end."""
        body = msgspec.json.encode({"current": current, "new": new})
        self._password = new
        self._take(await self._send("POST", "/auth/password", body=body, token=await self.token(), retry=False))

    async def me(self) -> Me:
        """The account."""
        return await self.get("/auth/me", Me)

    async def token(self) -> str:
        """An access token that is still good for a while."""
        tokens = self.tokens
        if tokens is None or tokens.expires - EARLY <= self._clock():
            tokens = await self._renew(tokens)
        return tokens.access

    def expires_within(self, seconds: float) -> bool:
        """Whether the access token ends soon."""
        return self.tokens is not None and self.tokens.expires - seconds <= self._clock()

    async def renew(self) -> str:
        """A new access token in place of the present one, which was refused."""
        return (await self._renew(self.tokens)).access

    async def _renew(self, stale: Tokens | None) -> Tokens:
        async with self._renewing, self._store.exclusive():
            # Another task, or another program with the same file, may have been first.
            self.tokens = self._store.load()
            if self.tokens is not None and self.tokens != stale:
                return self.tokens
            if stale is not None:
                try:
                    body = msgspec.json.encode({"refresh_token": stale.refresh})
                    return self._take(await self._send("POST", "/auth/refresh", body=body, retry=False))
                except UnauthorizedError:
                    self._set(None)
                    if not self._name:
                        raise NotSignedInError("the session has ended; sign in again") from None
            return await self.sign_in()

    def _take(self, answer: Answer) -> Tokens:
        told = msgspec.json.decode(answer.body, type=TokenAnswer)
        self.must_change = told.must_change
        tokens = Tokens(told.access_token, told.refresh_token, self._clock() + told.expires_in)
        self._set(tokens)
        return tokens

    def _set(self, tokens: Tokens | None) -> None:
        self.tokens = tokens
        self._store.save(tokens)

    # --- requests ---

    async def get(self, path: str, type_: type[T], parameters: Parameters | None = None) -> T:
        """Read something; raises `ClientError`."""
        answer = await self.request("GET", path, parameters=parameters)
        return msgspec.json.decode(answer.body, type=type_)

    async def post(self, path: str, type_: type[T], body: object = None, *, key: str = "") -> T:
        """Do something once: an idempotency key goes with it, so that trying again does not do it twice."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        answer = await self.request("POST", path, body=body, headers=headers)
        return msgspec.json.decode(answer.body or b"null", type=type_)

    async def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with the token; one that was refused for its token is sent once more with a new one."""
        data = body if isinstance(body, bytes) else None if body is None else msgspec.json.encode(body)
        token = await self.token()
        try:
            return await self._send(method, path, parameters=parameters, body=data, headers=headers, token=token)
        except UnauthorizedError:
            token = await self.renew()
        return await self._send(method, path, parameters=parameters, body=data, headers=headers, token=token)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        parameters: Parameters | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        token: str = "",
        retry: bool = True,
    ) -> Answer:
        head = dict(headers or {})
        if token:
            head["Authorization"] = f"Bearer {token}"
        if body is not None:
            head.setdefault("Content-Type", "application/json")
        query = {name: _text(value) for name, value in (parameters or {}).items() if value is not None}
        pauses = list(BACKOFF) if retry else []
        while True:
            try:
                async with self.http.request(
                    method, f"{self.url}{PREFIX}{path}", params=query, data=body, headers=head
                ) as answer:
                    content = await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                if not pauses:
                    raise NotReachedError(f"{self.url}: {_reason(error)}") from None
                await self.sleep(pauses.pop(0))
                continue
            if answer.status >= 400:
                raise error_of(answer.status, _problem(answer, content), answer.headers.get("Retry-After"))
            return Answer(answer.status, answer.headers, content)


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _problem(answer: aiohttp.ClientResponse, content: bytes) -> Problem:
    try:
        return msgspec.json.decode(content, type=Problem)
    except msgspec.MsgspecError:
        return Problem(title=answer.reason or "", status=answer.status)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "no switch answers there"
    return "the connection was lost"
