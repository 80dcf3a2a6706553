"""User agents in Python that we did not write: aiovoip, and its ancestor aiosip, against a running switch."""

from __future__ import annotations

import asyncio
import collections
import collections.abc
import contextlib
import importlib
import types
import warnings
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import pytest

from bench.rtp import RtpPort
from bench.wire import Audio, write_sdp
from tests.support.ports import free_port
from tests.support.switch import RunningSwitch, running_switch

INSTALL = ".venv/bin/pip install -c constraints.txt -e '.[interop]'"
NUMBER = "4008001234"


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch whose carrier is whoever sends from this host."""
    with running_switch(tmp_path_factory.mktemp("switch")) as running:
        yield running


def load(name: str) -> ModuleType:
    """Import a package, whatever it warns of; skip the test, aloud, where that is impossible."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError as error:
            pytest.skip(f"{name} cannot be imported ({error}): {INSTALL}")


@pytest.fixture
def aiosip(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """aiosip 0.2.0, given back what Python has taken away since it was written."""
    monkeypatch.setattr(asyncio, "coroutine", types.coroutine, raising=False)
    monkeypatch.setattr(collections, "MutableMapping", collections.abc.MutableMapping, raising=False)
    return load("aiosip")


def contact(module: ModuleType, user: str, host: str, port: int) -> Any:
    """A From, To or Contact as these packages want it."""
    return module.Contact.from_header(f"<sip:{user}@{host}:{port}>")


@contextlib.asynccontextmanager
async def voip(switch: RunningSwitch) -> AsyncIterator[tuple[Any, dict[str, Any]]]:
    """An aiovoip peer connected to the switch, and the arguments that each of its requests wants."""
    package = load("aiovoip")
    load("aiovoip.contact")
    application = package.Application(dns_resolver=object())
    port = free_port()
    peer = await application.connect(switch.target, local_addr=("127.0.0.1", port))
    try:
        yield (
            peer,
            {
                "from_details": contact(package.contact, "13800138000", "127.0.0.1", port),
                "to_details": contact(package.contact, NUMBER, *switch.target),
            },
        )
    finally:
        await application.close()


async def test_aiovoip_learns_what_the_switch_can(switch: RunningSwitch) -> None:
    """OPTIONS is answered 200."""
    async with voip(switch) as (peer, parties), asyncio.timeout(5):
        dialog = await peer.request("OPTIONS", **parties)
        assert dialog.status_code == 200
        await dialog.close()


async def test_aiovoip_calls_and_hangs_up(switch: RunningSwitch) -> None:
    """Its INVITE is answered and acknowledged, it is sent the prompt, its BYE ends the call."""
    rtp = await RtpPort.open()
    offer = write_sdp(Audio(*rtp.address, {"PCMA": 8, "telephone-event": 101}, "sendrecv"), session=1, version=1)
    async with voip(switch) as (peer, parties), asyncio.timeout(10):
        call = await peer.invite(headers={"Content-Type": "application/sdp"}, payload=offer.decode(), **parties)
        await call.ready()
        while rtp.loudness(0.5) < 100:
            await asyncio.sleep(0.02)
        await call.close()
    rtp.close()
    await switch.nothing_left()
    (record,) = await switch.records(1)
    assert (record["called"], record["ended_by"], record["cause"]) == (NUMBER, "caller", "normal")


async def test_aiosip_learns_what_the_switch_can(switch: RunningSwitch, aiosip: ModuleType) -> None:
    """OPTIONS of the ancestor is answered as well."""
    application = aiosip.Application()
    local = ("127.0.0.1", free_port())
    dialog = await application.start_dialog(
        from_uri=f"sip:13800138000@{local[0]}:{local[1]}",
        to_uri=f"sip:{NUMBER}@{switch.target[0]}:{switch.target[1]}",
        local_addr=local,
        remote_addr=switch.target,
    )
    try:
        async with asyncio.timeout(5):
            answer = await dialog.send_message("OPTIONS")
        assert answer.status_code == 200
        assert "INVITE" in answer.headers["Allow"]
    finally:
        dialog.protocol.transport.close()
        await asyncio.sleep(0)
