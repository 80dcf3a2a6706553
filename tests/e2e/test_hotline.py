"""Hotline calls by a carrier we did not write: language, identity on a foreign telephone, menus, an order, an agent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Answer, Phone
from bench.population import account_of
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

PROMPTS = PROJECT / "ivr_flows" / "prompts"
DOMAIN = "switchboard.local"
MOODS = ("well", "well-own", "dead", "slow", "lying", "failing")
"""Each with a hotline number, a backend and an agent of its own, so that all can be called at once."""


def hotline(mood: str) -> str:
    """The number whose backend is in this mood."""
    return f"400800567{MOODS.index(mood)}"


@pytest.fixture(scope="module")
def backends() -> Iterator[dict[str, RunningBackend]]:
    """The customer's own servers."""
    with ExitStack() as stack:
        yield {mood: stack.enter_context(demonstration_backend(mood.partition("-")[0])) for mood in MOODS}


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, backends: dict[str, RunningBackend]) -> Iterator[RunningSwitch]:
    """A switch whose hotlines are always open."""
    need_sipp()
    open_always = {"opens": "00:00", "closes": "00:00", "days": "all"}
    changes = {
        "numbers": [
            {
                "number": hotline(mood),
                "flow": "hotline",
                "record": True,
                "variables": {"backend": backends[mood].url, "group": mood, "flights_group": mood, **open_always}
                | {"hotel_group": mood},
            }
            for mood in MOODS
        ],
        "masks": [],
        "accounts": [{"user": mood, "password": f"{mood}-secret"} for mood in MOODS],
        # The first member has no phone: the next one is rung.
        "groups": [{"name": mood, "members": [f"aor:nobody-{mood}@{DOMAIN}.invalid", f"aor:{mood}"]} for mood in MOODS],
    }
    with running_switch(tmp_path_factory.mktemp("hotline"), **changes) as running:
        yield running


async def agent_answers(switch: RunningSwitch, mood: str) -> None:
    """The agent takes the call that comes, and hears the caller."""
    phone = await Phone.open(mood, target=switch.target, password=f"{mood}-secret", domain=DOMAIN)
    async with phone:
        phone.behaviour = Answer(after=0.2)
        await phone.register()
        call = await phone.next_call(within=40)
        await call.confirmed()
        call.rtp.play(880)
        await call.ended()
        assert call.rtp.stats().received >= 25
        assert phone.complaints == []


def shown(switch: RunningSwitch, call_id: str) -> dict[str, Any]:
    """What `switchboard calls show` tells."""
    command = [sys.executable, "-m", "switchboard", "calls", "show", call_id, "--config", str(switch.config_file)]
    done = subprocess.run([*command, "--format", "json"], cwd=PROJECT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    return found[0] if isinstance(found, list) else found


async def hotline_call(switch: RunningSwitch, directory: Path, mood: str, caller: Caller) -> None:
    """One call of SIPp's to a hotline, taken by its agent."""

    async def carrier() -> None:
        totals = await place(caller, switch.target, directory, hotline(mood), within=60)
        assert (totals.successful, totals.failed, totals.unexpected) == (1, 0, 0), totals

    await together(carrier(), agent_answers(switch, mood))


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


async def test_hotline_calls(switch: RunningSwitch, backends: dict[str, RunningBackend], tmp_path: Path) -> None:
    """A foreign and an own telephone, and backends in trouble, all at the same time."""
    foreign = foreign_caller(1)
    wrong, right = wrong_digits(foreign, "id_card"), right_digits(foreign, "id_card")
    order = account_of(foreign).orders[0]
    keyed = f",,2,,,,{wrong},,,,{right},,,,1,,1,,{order.number}#,,,,0"
    callers = {mood: Caller(foreign_caller(2), ",1", talk_ms=6000) for mood in MOODS[2:]}
    callers |= {"well": Caller(foreign, keyed), "well-own": Caller(own_caller(3), ",1,,2,,0")}
    with listening() as captured:
        await together(*(hotline_call(switch, tmp_path, mood, caller) for mood, caller in callers.items()))
    await switch.nothing_left()
    await switch.records(len(MOODS))
    calls = {row["called"]: shown(switch, row["id"]) for row in switch.rows("select id, called from calls")}
    verified_at_the_second_try(calls[hotline("well")], order.status, account_of(foreign).subject)
    check_prompts(captured[0], callers["well"], order.status)
    check_own_telephone(calls[hotline("well-own")])
    for mood in MOODS[2:]:
        check_trouble(calls[hotline(mood)], mood)
    assert backends["well-own"].hooks("/hangup")[-1]["product"] == "flights"
    everything = json.dumps(calls) + switch.log()
    for secret in (wrong, right):
        assert not re.search(rf"(?<!\d){secret}(?!\d)", everything)


def verified_at_the_second_try(call: dict[str, Any], status: str, subject: str) -> None:
    """English, wrong digits, right digits, hotel, the status of an order, an agent."""
    assert call["path"] == [
        "welcome", "english", "hours", "who", "verified", "products", "hotel", "wishes", "order", "look_up", "status",
        status, "details", "wishes", "somebody",
    ]  # fmt: skip
    identity = call["identity"]
    assert (identity["status"], identity["method"]) == ("verified", "id_card")
    assert (identity["subject"], identity["attempts"]) == (subject, 2)
    trail = [(entry["node"], entry["key"]) for entry in call["trail"]]
    assert [entry for entry in trail if entry[0] in ("welcome", "products", "wishes")] == [
        ("welcome", "2"), ("products", "1"), ("wishes", "1"), ("wishes", "0"),
    ]  # fmt: skip
    assert call["cause"] == "normal"
    assert [leg["role"] for leg in call["legs"]] == ["caller", "agent"]
    assert [one["kind"] for one in call["segments"]] == ["ivr", "queue", "ring", "talk"]
    (recording,) = call["recordings"]
    assert recording["seconds"] > 1.0


def check_prompts(heard: Heard, caller: Caller, status: str) -> None:
    """In English, in their order."""
    wanted = (
        "en/identity_ask_id_card", "en/identity_wrong", "en/identity_verified", "en/product_menu",
        "en/main_menu", "en/identity_ask_order", f"en/order_{status}",
    )  # fmt: skip
    assert heard_prompts(heard, caller, wanted) == list(wanted)


def check_own_telephone(call: dict[str, Any]) -> None:
    """It is asked nothing."""
    assert call["path"] == ["welcome", "chinese", "hours", "who", "products", "flights", "wishes", "somebody"]
    assert call["identity"]["status"] == "own_number"


def check_trouble(call: dict[str, Any], mood: str) -> None:
    """Nobody is asked anything that cannot be checked: a human, as soon as the backend has had its time."""
    assert call["path"] == ["welcome", "chinese", "hours", "who", "somebody"]
    assert call["identity"]["status"] == "unavailable"
    assert call["identity"]["took"] < (2.5 if mood == "slow" else 2.0)
    assert call["cause"] == "normal"
