"""A mailbox by telephone: a carrier we did not write leaves messages, their owner listens, keeps and deletes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Call, Dialled, Phone
from media.g711 import encode
from tests.e2e.test_voicemail import BEFORE_THE_BEEP, DOMAIN, listed, spoken, summaries
from tests.support.sipp import Caller, carry, need_sipp
from tests.support.switch import RunningSwitch, running_switch

LEAVE, HEAR = "4008003000", "4008003001"
"""Where messages for alice are left, and where her mailbox is heard."""
PIN = "80461357"


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch with a box that its owner's phone opens, and others by a PIN."""
    need_sipp()
    changes = {
        "accounts": [{"user": "alice", "password": "secret-of-alice", "pin": PIN}],
        "numbers": [
            {"number": LEAVE, "flow": "voicemail", "variables": {"box": "alice"}},
            {"number": HEAR, "flow": "mailbox", "variables": {"box": "alice"}},
        ],
        "masks": [],
        "speech": {"engine": "espeak"},
    }
    with running_switch(tmp_path_factory.mktemp("mailbox"), **changes) as running:
        yield running


async def hears(call: Call, audio: bytes, within: float = 30.0) -> None:
    """Wait until the caller has been sent this stretch of A-law."""
    async with asyncio.timeout(within):
        while audio not in b"".join(packet.payload for packet in call.rtp.received if packet.payload_type == 8):
            await asyncio.sleep(0.1)


async def test_messages_are_heard_kept_and_deleted(switch: RunningSwitch, tmp_path: Path) -> None:
    """From a foreign phone by PIN, from her own without; the lamp follows, and the PIN is nowhere."""
    codes = encode("PCMA", spoken(1.0, 1.0))
    first = Caller("13911110001", BEFORE_THE_BEEP, 4000)
    async with (
        await Phone.open("alice", target=switch.target, password="secret-of-alice", domain=DOMAIN) as alice,
        await Phone.open("foreign", target=switch.target) as foreign,
    ):
        await alice.register()
        await carry(first, switch.target, tmp_path, LEAVE)
        await switch.eventually(lambda: summaries(alice) == [("yes", 1, 0)])
        await switch.eventually(lambda: len(switch.rows("select id from voicemail_messages")) == 1)
        (message,) = await listed(switch)

        call = await foreign.dial(HEAR, Dialled(from_uri="sip:13911110009@127.0.0.1"))
        await call.answered()
        await call.rtp.key("0000#")
        await asyncio.sleep(1.0)
        await call.rtp.key(f"{PIN}#")
        await hears(call, codes)
        assert summaries(alice) == [("yes", 1, 0)]
        await call.rtp.key("5")
        await switch.eventually(lambda: summaries(alice)[1:] == [("no", 0, 1)])
        await call.hang_up()

        call = await alice.dial(HEAR)
        await call.answered()
        await hears(call, codes)
        await call.rtp.key("7")
        await switch.eventually(lambda: summaries(alice)[2:] == [("no", 0, 0)])
        await call.ended(20.0)
        await switch.eventually(lambda: not Path(message["file"]).exists())
        assert await listed(switch) == []
        (row,) = switch.rows("select state, changed_by from voicemail_messages")
        assert row["state"] == "deleted"
        assert alice.complaints == foreign.complaints == []
    await switch.nothing_left()
    log = switch.log()
    assert "voicemail.opened" in log
    for text in (log, str(switch.rows("select * from calls"))):
        assert PIN not in text
