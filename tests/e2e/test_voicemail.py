"""Voice mail: a carrier we did not write leaves messages, phones are told of them, an operator looks after them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Phone
from media.g711 import decode
from tests.support.command import command
from tests.support.pcap import read_udp
from tests.support.pjsua import need_pjsua, softphone
from tests.support.sipp import SPEECH, Caller, carry, need_sipp
from tests.support.sounds import RATE, read_wav
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

DOMAIN = "switchboard.local"
OWNERS = ("alice", "carol", "dave")
"""Each has a box, an account, and a number that leads to the box."""
BEFORE_THE_BEEP = ",,,,,"
BEFORE_IT_SPEAKS = 0.9
"""Seconds from the beep until a caller speaks who waits so long."""
SPOKEN = 7.05
"""Seconds that SIPp's capture lasts."""


def number(owner: str) -> str:
    """Where messages for somebody are left."""
    return f"40080020{OWNERS.index(owner):02d}"


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with a box for each."""
    need_sipp()
    need_pjsua()
    changes = {
        "accounts": [{"user": owner, "password": f"secret-of-{owner}"} for owner in OWNERS],
        "numbers": [{"number": number(owner), "flow": "voicemail", "variables": {"box": owner}} for owner in OWNERS],
        "masks": [],
    }
    with running_switch(tmp_path_factory.mktemp("voicemail"), **changes) as running:
        yield running


async def phone_of(switch: RunningSwitch, owner: str) -> Phone:
    """Our own phone with somebody's account, not yet registered."""
    return await Phone.open(owner, target=switch.target, password=f"secret-of-{owner}", domain=DOMAIN)


def summaries(phone: Phone) -> list[tuple[str, int, int]]:
    """What a phone was told by NOTIFY: its lamp, new and heard messages (RFC 3842)."""
    told = []
    for record in phone.received("NOTIFY"):
        assert record.message is not None
        assert record.message.get("event") == "message-summary"
        assert record.message.get("content-type") == "application/simple-message-summary"
        told.append(summary(record.message.body.decode()))
    return told


def summary(body: str) -> tuple[str, int, int]:
    """Lamp, new, heard."""
    lamp = re.search(r"(?im)^Messages-Waiting: *(yes|no)\r?$", body)
    voice = re.search(r"(?im)^Voice-Message: *(\d+)/(\d+)", body)
    assert lamp is not None, body
    assert voice is not None, body
    return lamp[1], int(voice[1]), int(voice[2])


async def listed(switch: RunningSwitch, *words: str) -> list[dict[str, Any]]:
    """What `switchboard voicemail list` tells."""
    found: list[dict[str, Any]] = json.loads(await command(switch, "voicemail", "list", *words, "--format", "json"))
    return found


def spoken(second: float, seconds: float) -> bytes:
    """A piece of what SIPp says, as samples of a file."""
    codes = b"".join(datagram.payload[12:] for datagram in read_udp(SPEECH))
    return decode("PCMA", codes)[round(2 * second * RATE) :][: round(2 * seconds * RATE)]


def check_message(message: dict[str, Any], seconds: float) -> None:
    """A mono file of about this length, as it is told, which holds what the caller said."""
    sound = read_wav(Path(message["file"]))
    assert sound.shape[1] == 1
    assert len(sound) / RATE == pytest.approx(message["seconds"], abs=0.01)
    assert message["seconds"] == pytest.approx(seconds, abs=0.7)
    assert message["caller"].startswith("139")
    assert "****" in message["caller"]
    assert spoken(0.6, 1.5) in sound.astype("<i2").tobytes()


async def test_messages_are_left_told_of_heard_and_deleted(switch: RunningSwitch, tmp_path: Path) -> None:
    """Ended by a key, by the caller's hang-up, by silence: the owner's phone shows how many wait."""
    by_key = Caller("13911110001", BEFORE_THE_BEEP, 9000, then=",,,,#")
    by_hang_up = Caller("13911110002", BEFORE_THE_BEEP + ",,", 4000)
    by_silence = Caller("13911110003", BEFORE_THE_BEEP, 20000)
    says_nothing = Caller("13911110004", BEFORE_THE_BEEP, 300, audio=None)
    async with await phone_of(switch, "alice") as alice, await phone_of(switch, "dave") as dave:
        await alice.register()
        await dave.register()
        await together(
            carry(by_key, switch.target, tmp_path, number("alice")),
            carry(by_hang_up, switch.target, tmp_path, number("alice")),
            a_foreign_lamp(switch, by_silence, tmp_path),
            carry(says_nothing, switch.target, tmp_path, number("dave")),
        )
        await switch.eventually(lambda: len(switch.rows("select id from voicemail_messages")) == 3)
        found = {message["caller"][-4:]: message for message in await listed(switch)}
        assert {caller: (message["box"], message["state"]) for caller, message in found.items()} == {
            "0001": ("alice", "new"), "0002": ("alice", "new"), "0003": ("carol", "new"),
        }  # fmt: skip
        check_message(found["0001"], BEFORE_IT_SPEAKS + 4.0)
        check_message(found["0002"], BEFORE_IT_SPEAKS + 2.0 + 4.0)
        check_message(found["0003"], BEFORE_IT_SPEAKS + SPOKEN)
        assert {row["id"]: row["ended_by"] for row in switch.rows("select id, ended_by from calls")} == {
            found["0001"]["call"]: "switch",
            found["0002"]["call"]: "caller",
            found["0003"]["call"]: "switch",
            **{row["id"]: "caller" for row in switch.rows(f"select id from calls where called = '{number('dave')}'")},
        }
        assert summaries(alice) == [("yes", 1, 0), ("yes", 2, 0)]
        await look_after(switch, alice, found["0001"], found["0002"])
        async with await phone_of(switch, "carol") as late:
            await late.register()
            await switch.eventually(lambda: summaries(late) == [("yes", 1, 0)])
        assert summaries(dave) == []
        assert alice.complaints == dave.complaints == []
    await switch.nothing_left()


async def a_foreign_lamp(switch: RunningSwitch, caller: Caller, directory: Path) -> None:
    """A softphone that others wrote takes the NOTIFY."""
    async with softphone(directory, "carol", "secret-of-carol", switch.target) as phone:
        await carry(caller, switch.target, directory, number("carol"))
        told = await phone.event("waiting")
    assert summary(told["message"]) == ("yes", 1, 0)


async def look_after(switch: RunningSwitch, alice: Phone, first: dict[str, Any], second: dict[str, Any]) -> None:
    """Play, mark, delete; the lamp follows."""
    path = (await command(switch, "voicemail", "play", first["id"], "--only-path")).strip()
    assert path == first["file"]
    await command(switch, "voicemail", "heard", first["id"])
    assert {one["id"]: one["state"] for one in await listed(switch, "alice")} == {
        first["id"]: "heard", second["id"]: "new",
    }  # fmt: skip
    await command(switch, "voicemail", "delete", second["id"], "--yes")
    assert not any(Path(second["file"]).with_suffix(suffix).exists() for suffix in (".wav", ".json"))
    assert [one["id"] for one in await listed(switch, "alice")] == [first["id"]]
    assert "alice: 0 new, 1 heard" in await command(switch, "voicemail", "list", "alice")
    (gone,) = switch.rows(f"select state, caller_sealed from voicemail_messages where id = '{second['id']}'")
    assert gone == {"state": "deleted", "caller_sealed": b""}
    await switch.eventually(lambda: len(summaries(alice)) == 4)
    assert summaries(alice)[2:] == [("yes", 1, 1), ("no", 0, 1)]
