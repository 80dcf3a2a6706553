"""Hotline calls by a carrier we did not write: language, identity on a foreign telephone, menus, an order, an agent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Answer, Phone
from bench.population import account_of
from bench.sipp import Totals
from media.prompts import load_wav
from tests.support.backend import (
    RunningBackend,
    demonstration_backend,
    foreign_caller,
    own_caller,
    right_digits,
    wrong_digits,
)
from tests.support.sipp import Caller, Heard, listening, need_sipp, place
from tests.support.stage import together
from tests.support.switch import PROJECT, RunningSwitch, running_switch

HOTLINE = "4008005678"
PROMPTS = PROJECT / "ivr_flows" / "prompts"
DOMAIN = "switchboard.local"


@pytest.fixture(scope="module")
def backend() -> Iterator[RunningBackend]:
    """The customer's own server."""
    with demonstration_backend() as running:
        yield running


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, backend: RunningBackend) -> Iterator[RunningSwitch]:
    """A switch whose hotline is always open."""
    need_sipp()
    changes = {
        "numbers": [
            {
                "number": HOTLINE,
                "flow": "hotline",
                "record": True,
                "variables": {"backend": backend.url, "opens": "00:00", "closes": "00:00", "days": "all"},
            },
        ],
        "masks": [],
        "groups": [{"name": "support", "members": ["aor:bob", "aor:alice"]}],
    }
    with running_switch(tmp_path_factory.mktemp("hotline"), **changes) as running:
        yield running


async def agent_answers(switch: RunningSwitch, *, hangs_up: bool = False) -> Phone:
    """Alice takes the call that comes, and hears the caller; the phone, closed."""
    phone = await Phone.open("alice", target=switch.target, password="alice-secret", domain=DOMAIN)
    async with phone:
        phone.behaviour = Answer(after=0.2)
        await phone.register()
        call = await phone.next_call(within=40)
        await call.confirmed()
        call.rtp.play(880)
        if hangs_up:
            await call.hang_up()
        else:
            await call.ended()
        assert call.rtp.stats().received >= 25
        assert phone.complaints == []
    return phone


def shown(switch: RunningSwitch, call_id: str) -> dict[str, Any]:
    """What `switchboard calls show` tells."""
    command = [sys.executable, "-m", "switchboard", "calls", "show", call_id, "--config", str(switch.config_file)]
    done = subprocess.run([*command, "--format", "json"], cwd=PROJECT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return found[0] if isinstance(found, list) else found


async def hotline_call(
    switch: RunningSwitch, directory: Path, number: str, keys: str, *, talk_ms: int = 2500
) -> tuple[dict[str, Any], Heard, Caller]:
    """One call of SIPp's to the hotline that alice takes: its record, and what was heard."""
    before = len(switch.rows("select id from calls"))
    caller = Caller(number, keys, talk_ms=talk_ms)
    with listening() as captured:
        totals: list[Totals] = []

        async def carrier() -> None:
            totals.append(await place(caller, switch.target, directory, HOTLINE, within=60))

        await together(carrier(), agent_answers(switch))
    assert (totals[0].successful, totals[0].failed, totals[0].unexpected) == (1, 0, 0), totals
    await switch.nothing_left()
    records = await switch.records(before + 1)
    return shown(switch, records[-1]["id"]), captured[0], caller


def heard_prompts(heard: Heard, caller: Caller, names: tuple[str, ...]) -> list[str]:
    """Which of these prompts the caller was sent, in order: a prompt's frames go out as they are in its file."""
    payloads = b"".join(packet.payload[12:] for packet in heard.packets if packet.destination[1] == caller.media_port)
    found = []
    for name in names:
        frames = load_wav(PROMPTS / f"{name}.wav").frames["PCMA"]
        middle = len(frames) // 4
        at = payloads.find(b"".join(frames[middle : middle + 5]))
        if at >= 0:
            found.append((at, name))
    return [name for _, name in sorted(found)]


async def test_a_foreign_telephone_is_verified_at_the_second_try(
    switch: RunningSwitch, backend: RunningBackend, tmp_path: Path
) -> None:
    """English, wrong digits, right digits, hotel, the status of an order, an agent: way, prompts, identity, record."""
    backend.behave("well")
    number = foreign_caller(1)
    wrong, right = wrong_digits(number, "id_card"), right_digits(number, "id_card")
    order = account_of(number).orders[0]
    keys = f",,2,,,,{wrong},,,,{right},,,,1,,1,,{order.number}#,,,,0"
    call, heard, caller = await hotline_call(switch, tmp_path, number, keys)
    way = call["path"]
    assert way[:5] == ["welcome", "english", "hours", "who", "verified"]
    assert way[5:11] == ["products", "hotel", "wishes", "order", "look_up", "status"]
    assert way[11:] == [order.status, "details", "wishes", "somebody"]
    assert call["identity"]["status"] == "verified"
    assert call["identity"]["method"] == "id_card"
    assert call["identity"]["subject"] == account_of(number).subject
    assert call["identity"]["attempts"] == 2
    trail = [(entry["node"], entry["key"]) for entry in call["trail"]]
    assert ("welcome", "2") in trail
    assert ("products", "1") in trail
    assert trail[-1] == ("wishes", "0")
    assert call["cause"] == "normal"
    assert [leg["role"] for leg in call["legs"]] == ["caller", "agent"]
    wanted = (
        "en/identity_ask_id_card", "en/identity_wrong", "en/identity_verified", "en/product_menu",
        "en/main_menu", "en/identity_ask_order", f"en/order_{order.status}",
    )  # fmt: skip
    assert heard_prompts(heard, caller, wanted) == list(wanted)
    everything = json.dumps(call) + switch.log()
    for secret in (wrong, right):
        assert f'"{secret}"' not in everything
    (recording,) = call["recordings"]
    assert recording["seconds"] > 1.0


@pytest.mark.parametrize(("kind", "longest"), [("dead", 3.0), ("slow", 5.0), ("lying", 3.0), ("failing", 3.0)])
async def test_a_backend_in_trouble_leads_to_a_human_without_delay(
    switch: RunningSwitch, backend: RunningBackend, tmp_path: Path, kind: str, longest: float
) -> None:
    """Nobody is asked anything that cannot be checked."""
    backend.behave(kind, 5.0)
    call, _, _ = await hotline_call(switch, tmp_path, foreign_caller(2), ",1")
    assert call["path"] == ["welcome", "chinese", "hours", "who", "somebody"]
    assert call["identity"]["status"] == "unavailable"
    assert call["identity"]["took"] < longest
    assert call["cause"] == "normal"


async def test_an_own_telephone_is_asked_nothing(
    switch: RunningSwitch, backend: RunningBackend, tmp_path: Path
) -> None:
    """And the customer's server learns that the caller has hung up."""
    backend.behave("well")
    before = len(backend.hooks("/hangup"))
    call, _, _ = await hotline_call(switch, tmp_path, own_caller(3), ",1,,2,,0")
    assert call["path"][:4] == ["welcome", "chinese", "hours", "who"]
    assert "verified" not in call["path"]
    assert call["identity"]["status"] == "own_number"
    await switch.eventually(lambda: len(backend.hooks("/hangup")) > before)
    assert backend.hooks("/hangup")[-1]["product"] == "flights"
