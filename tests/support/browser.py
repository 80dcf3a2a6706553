"""A browser we did not write (Chromium, headless) with JsSIP's phone on its pages, driven by the DevTools protocol."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import http.server
import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.patience import PATIENCE

PAGES = Path(__file__).parent / "web"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 30.0
TONE = 660
"""What its microphone hears, in hertz."""
LOUD = 1e-4
"""The least mean power of what is a tone and no noise; full scale is 1."""
MOSTLY = 0.7
"""The least share of the power that a tone has which is heard alone."""


def need_chromium() -> str:
    """The program; skips the test, aloud, where it is not installed."""
    for name in PROGRAMS:
        if (found := shutil.which(name)) is not None:
            return found
    pytest.skip("Chromium is not installed, so no browser calls: sudo apt-get install chromium")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves the page and prints nothing."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - so it is called
        """Say nothing."""


class Browser:
    """One Chromium without a window; each page in it is a phone of its own, all have one microphone."""

    def __init__(self, program: str, directory: Path, tone: int = TONE) -> None:
        self._directory = directory
        microphone = directory / "microphone.wav"
        write_tone(microphone, tone)
        profile = directory / "profile"
        flags = [
            *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-default-apps"),
            *("--disable-sync", "--disable-extensions", "--no-pings", "--disable-domain-reliability"),
            *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),
            *("--disable-backgrounding-occluded-windows", "--autoplay-policy=no-user-gesture-required"),
            *("--ignore-certificate-errors", "--allow-loopback-in-peer-connection"),
            "--disable-features=WebRtcHideLocalIpsWithMdns,OptimizationHints,MediaRouter,Translate",
            *("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"),
            f"--use-file-for-fake-audio-capture={microphone}",
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
        ]
        self.output = directory / "browser.log"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                [program, *flags], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            self.control = self._where(profile / "DevToolsActivePort")
        except BaseException:
            self.close()
            raise
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(PAGES)))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.page = f"http://127.0.0.1:{self._server.server_address[1]}/phone.html"

    def _where(self, file: Path) -> str:
        until = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(OSError, ValueError):
                port, path = file.read_text().splitlines()
                return f"ws://127.0.0.1:{int(port)}{path}"
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"Chromium did not start:\n{self.output.read_text()[-2000:]}")
            time.sleep(0.05)

    def close(self) -> None:
        """End every process of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(5)
        if (server := getattr(self, "_server", None)) is not None:
            server.shutdown()
            server.server_close()
            self._thread.join(5)

    @contextlib.asynccontextmanager
    async def phones(self, *users: str) -> AsyncIterator[tuple[WebPhone, ...]]:
        """A page for each of these users, which have not registered yet; at the end all are closed."""
        async with connect(self.control, max_size=None, ping_interval=None, compression=None, proxy=None) as socket:
            tools = DevTools(socket)
            reading = asyncio.create_task(tools.read())
            phones = tuple([await WebPhone.open(tools, user, self.page) for user in users])
            try:
                yield phones
                for phone in phones:
                    assert not phone.faults, phone.faults
            finally:
                for phone in phones:
                    await phone.close()
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)


class DevTools:
    """The DevTools protocol on one connection."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._serial = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self.pages: dict[str, WebPhone] = {}

    async def ask(self, method: str, session: str = "", within: float = 10.0, **params: Any) -> dict[str, Any]:
        """Do something and return what it gives; an error it tells is raised."""
        number = next(self._serial)
        self._asked[number] = answer = asyncio.get_running_loop().create_future()
        of = {"sessionId": session} if session else {}
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params, **of}))
        try:
            found: dict[str, Any] = await asyncio.wait_for(answer, PATIENCE * within)
        finally:
            del self._asked[number]
        assert "error" not in found, f"{method}: {found['error']}"
        return found["result"]  # type: ignore[no-any-return]

    async def read(self) -> None:
        """Sort what comes into answers and events of pages."""
        async for data in self._socket:
            told = json.loads(data)
            if "id" in told:
                if (answer := self._asked.get(told["id"])) is not None and not answer.done():
                    answer.set_result(told)
            elif (page := self.pages.get(told.get("sessionId", ""))) is not None:
                page.take(told["method"], told["params"])


class WebPhone:
    """JsSIP on one page, and what it has told so far."""

    def __init__(self, tools: DevTools, user: str, target: str, session: str) -> None:
        self.user = user
        self.seen: list[dict[str, Any]] = []
        self.faults: list[str] = []
        self._tools, self._target, self._session = tools, target, session
        self._read = 0
        self._told = asyncio.Event()
        self._open = True

    @classmethod
    async def open(cls, tools: DevTools, user: str, page: str) -> WebPhone:
        """Load the page."""
        target = (await tools.ask("Target.createTarget", url="about:blank"))["targetId"]
        session = (await tools.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        phone = tools.pages[session] = cls(tools, user, target, session)
        for domain in ("Runtime", "Page"):
            await phone._ask(f"{domain}.enable")
        await phone._ask("Runtime.addBinding", name="tell")
        await phone._ask("Page.navigate", url=page)
        await phone.event("loaded", within=15)
        return phone

    async def close(self) -> None:
        """Close the page as somebody closes a tab: nothing is said to the switch."""
        if self._open:
            self._open = False
            await self._tools.ask("Target.closeTarget", targetId=self._target)
            self._tools.pages.pop(self._session, None)

    def take(self, method: str, params: dict[str, Any]) -> None:
        """An event of the page."""
        if method == "Runtime.bindingCalled":
            self._tell(json.loads(params["payload"]))
        elif method == "Page.loadEventFired":
            self._tell({"event": "loaded"})
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.faults.append(details.get("exception", {}).get("description") or details["text"])

    def _tell(self, told: dict[str, Any]) -> None:
        self.seen.append(told)
        self._told.set()

    async def event(self, name: str, within: float = 8.0, **wanted: object) -> dict[str, Any]:
        """The next event of this name that says what is wanted; those before it are only kept."""
        try:
            async with asyncio.timeout(PATIENCE * within):
                while True:
                    while self._read < len(self.seen):
                        told = self.seen[self._read]
                        self._read += 1
                        if told["event"] == name and wanted.items() <= told.items():
                            return told
                    self._told.clear()
                    await self._told.wait()
        except TimeoutError:
            raise AssertionError(f"no {name!r} {wanted} in {within:g} s: {self.seen} {self.faults}") from None

    def saw(self, name: str) -> list[dict[str, Any]]:
        """The events of this name so far."""
        return [told for told in self.seen if told["event"] == name]

    async def do(self, work: str, *arguments: object) -> Any:
        """Call a method of the page's phone; what it gives, once it is there."""
        given = ", ".join([json.dumps(argument) for argument in arguments])
        answer = await self._ask(
            "Runtime.evaluate",
            expression=f"phone.{work}({given})",
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def register(self, url: str, password: str, domain: str, **options: object) -> str:
        """Register over this WebSocket; the Contact of the answer."""
        await self.do("start", {"url": url, "user": self.user, "password": password, "domain": domain, **options})
        contact: str = (await self.event("registered"))["contact"]
        return contact

    async def hears(self, hertz: float, within: float = 8.0) -> None:
        """Wait until this tone alone is heard."""
        found: dict[str, Any] = {}
        try:
            async with asyncio.timeout(PATIENCE * within):
                while True:
                    found = await self.do("heard", [hertz])
                    if found["power"] > LOUD and found["shares"][0] > MOSTLY:
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"{hertz:g} Hz was not heard within {within:g} s: {found}, {self.seen}") from None

    async def hears_nothing(self, within: float = 5.0) -> None:
        """Wait until there is silence."""
        async with asyncio.timeout(PATIENCE * within):
            while (await self.do("heard", []))["power"] > LOUD / 10:
                await asyncio.sleep(0.05)

    async def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._tools.ask(method, self._session, **params)


def write_tone(file: Path, hertz: int, rate: int = 48_000) -> None:
    """A second of a tone, which can be repeated without a seam."""
    samples = np.rint(8000 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)).astype("<i2")
    with wave.open(str(file), "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(rate)
        output.writeframes(samples.tobytes())


@contextlib.contextmanager
def running_browser(directory: Path, tone: int = TONE) -> Iterator[Browser]:
    """A browser for the time of some tests."""
    browser = Browser(need_chromium(), directory, tone)
    try:
        yield browser
    finally:
        browser.close()
