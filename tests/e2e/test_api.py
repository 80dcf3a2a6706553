"""The API of a real switch, from its first start: signing in, the event stream, a restart."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.support.patience import PATIENCE
from tests.support.switch import RunningSwitch, running_switch

PASSWORD = "a better one by far"
AGENTS: dict[str, Any] = {
    "agents": [{"id": "1001", "phone": "sip:1001@127.0.0.1:5999", "groups": {"sales": 1}}],
    "groups": [{"name": "sales"}],
}


def given_password(switch: RunningSwitch) -> str:
    """What the first start has printed."""
    found = re.search(r"[a-z2-9]{4}(?:-[a-z2-9]{4}){3}", switch.output.read_text())
    assert found, switch.output.read_text()
    return found[0]


class Asker:
    """Requests over real HTTP."""

    def __init__(self, switch: RunningSwitch, http: aiohttp.ClientSession) -> None:
        self.url = f"http://127.0.0.1:{switch.http_port}/api/v1"
        self.http = http
        self.tokens: dict[str, Any] = {}

    async def __call__(self, method: str, path: str, status: int = 200, body: object = None) -> Any:
        """The answer, which must have this status."""
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"} if self.tokens else {}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
            content = await answer.read()
            assert answer.status == status, content
            return msgspec.json.decode(content) if content else None

    def events(self, since: int | None = None) -> Any:
        """An open event stream."""
        query = "" if since is None else f"?since={since}"
        protocols = ("switchboard.v1", f"bearer.{self.tokens['access_token']}")
        return self.http.ws_connect(f"{self.url}/events{query}", protocols=protocols)


async def told(stream: aiohttp.ClientWebSocketResponse, type_: str) -> dict[str, Any]:
    """The next event of a type."""
    async with asyncio.timeout(10 * PATIENCE):
        while True:
            event: dict[str, Any] = await stream.receive_json()
            if event["type"] == type_:
                return event


async def test_from_the_first_start_to_the_next(tmp_path: Path) -> None:
    """The printed password serves once; events come over the stream; a restart ends access tokens, not sessions."""
    with running_switch(tmp_path, **AGENTS) as switch:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http:
            ask = Asker(switch, http)
            await ask("GET", "/agents", 401)
            password = given_password(switch)
            ask.tokens = await ask("POST", "/auth/login", body={"name": "admin", "password": password})
            assert ask.tokens["must_change"] is True
            await ask("GET", "/agents", 403)
            new = {"current": password, "new": PASSWORD}
            ask.tokens = await ask("POST", "/auth/password", body=new)
            assert [one["id"] for one in (await ask("GET", "/agents"))["items"]] == ["1001"]
            async with ask.events() as stream:
                first = await told(stream, "snapshot")
                assert [one["id"] for one in first["data"]["agents"]] == ["1001"]
                await ask("POST", "/agents/1001/sign-in")
                await ask("POST", "/agents/1001/state", body={"state": "break", "reason": "tea"})
                event = await told(stream, "agent.state")
                while event["data"]["state"] != "break":
                    event = await told(stream, "agent.state")
                assert (event["data"]["agent"], event["data"]["reason"]) == ("1001", "tea")
            before = event["seq"] - 1
            async with ask.events(before) as stream:
                again = await told(stream, "agent.state")
                assert again == event
            actions = [(one["who"], one["action"], one["outcome"]) for one in (await ask("GET", "/audit"))["items"]]
            assert ("admin", "auth.login", "ok") in actions
            assert ("admin", "auth.password", "ok") in actions
            assert password not in switch.log()[len(switch.output.read_text()) :]
            assert PASSWORD not in switch.log()
            assert switch.metrics()['api_requests_total{status="200"}'] >= 5

            assert switch.stop() == 0
            switch.restart()
            assert "one-time" not in switch.output.read_text(), "there is an account already"
            await ask("GET", "/agents", 401)
            refresh = {"refresh_token": ask.tokens["refresh_token"]}
            ask.tokens = {}
            ask.tokens = await ask("POST", "/auth/refresh", body=refresh)
            await ask("GET", "/agents")
            async with ask.events(before) as stream:
                assert (await told(stream, "snapshot"))["seq"] > event["seq"]


async def test_the_documentation_is_served(switch: RunningSwitch) -> None:
    """To anybody, with nothing of the installation in it; metrics and health as ever."""
    page, document = switch.get("/docs").decode(), switch.get("/docs/openapi.json")
    assert "POST" in page
    assert msgspec.json.decode(document)["openapi"].startswith("3.1")
    assert msgspec.json.decode(switch.get("/health"))["status"] == "ok"
    with pytest.raises(OSError, match="404"):
        switch.get("/schema")
