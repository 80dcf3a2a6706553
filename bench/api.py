"""The switch's API as an operator's page uses it while the load runs: signed in, asked again and again, timed."""

from __future__ import annotations

import http
import http.client
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from bench.errors import BenchError

_PASSWORD: Final = re.compile(r"^\s*account\s+(\S+)\s+password (\S+)", re.MULTILINE)
_CHOSEN: Final = "a long enough pass phrase for one load"
_TIMEOUT: Final = 10.0


def first_account(output: str) -> tuple[str, str]:
    """Name and one-time password of the account that the first start of a switch prints."""
    found = _PASSWORD.search(output)
    if found is None:
        raise BenchError("the switch did not print an account: is its store fresh?")
    return found[1], found[2]


class Api:
    """A connection to the API that is kept, and a token renewed when it has run out; not for two threads at a time."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = http.client.HTTPConnection(*address, timeout=_TIMEOUT)
        self._token = self._refresh = ""

    def __enter__(self) -> Self:
        """Connects with the first request."""
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """Close the connection."""
        self._connection.close()

    def sign_in(self, name: str, password: str) -> None:
        """With a one-time password, which is changed at once; raises BenchError."""
        given = self.ask("POST", "/api/v1/auth/login", {"name": name, "password": password})
        self._take(given)
        if given.get("must_change"):
            self._take(self.ask("POST", "/api/v1/auth/password", {"current": password, "new": _CHOSEN}))

    def ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """What is answered, which must be 2xx; raises BenchError."""
        status, text = self._send(method, path, body)
        if status == http.HTTPStatus.UNAUTHORIZED and self._refresh:
            # A refresh token serves once, and the request for a new one carries no other.
            spent, self._token, self._refresh = self._refresh, "", ""
            self._take(self.ask("POST", "/api/v1/auth/refresh", {"refresh_token": spent}))
            status, text = self._send(method, path, body)
        if not 200 <= status < 300:
            raise BenchError(f"{method} {path}: {status} {text[:200].decode(errors='replace')}")
        document = json.loads(text)
        return document if isinstance(document, dict) else {"items": document}

    def _take(self, given: Mapping[str, object]) -> None:
        self._token, self._refresh = str(given["access_token"]), str(given["refresh_token"])

    def _send(self, method: str, path: str, body: Mapping[str, object] | None) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        data = None
        if body is not None:
            data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        try:
            try:
                self._connection.request(method, path, data, headers)
                answer = self._connection.getresponse()
            except (BrokenPipeError, ConnectionResetError):
                # It was idle for long, and closed before this request was read.
                self._connection.close()
                self._connection.request(method, path, data, headers)
                answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise BenchError(f"{method} {path}: {error}") from error


@dataclass(slots=True)
class Asked:
    """One answer of the API: when it was asked for, seconds since the epoch, and how long it took."""

    at: float
    seconds: float
    path: str


@dataclass(slots=True)
class Poll:
    """Asks for paths in turn from a thread of its own while the context lasts."""

    api: Api
    paths: tuple[str, ...]
    every: float = 0.1
    asked: list[Asked] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    newest: dict[str, dict[str, object]] = field(default_factory=dict)
    """The newest answer by path."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin to ask."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None) -> None:
        """Stop."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * _TIMEOUT)

    def _run(self) -> None:
        number, due = 0, time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self.every, time.monotonic())
            path = self.paths[number % len(self.paths)]
            number += 1
            at, began = time.time(), time.perf_counter()
            try:
                answer = self.api.ask("GET", path)
            except BenchError as error:
                self.failures.append(str(error))
                continue
            finally:
                self.asked.append(Asked(at, time.perf_counter() - began, path))
            self.newest[path] = answer
