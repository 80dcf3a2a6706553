"""Carriers that send audio from elsewhere than their SDP says they hear, over the wire."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from bench.phone import Answer, Phone
from bench.rtp import RtpPort
from tests.support.patience import PATIENCE
from tests.support.planes import workers_only
from tests.support.switch import running_switch

NUMBER = "4001"

pytestmark = workers_only("rtpengine cannot hold to a source that is not also where it sends to")


@pytest.mark.parametrize(("said", "host"), [("sdp", "127.0.0.1"), ("127.0.0.77", "127.0.0.77")])
@pytest.mark.parametrize("record", [False, True])
async def test_a_carrier_is_sent_audio_where_its_sdp_says(tmp_path: Path, said: str, host: str, record: bool) -> None:
    """It is heard from where it sends, for longer than it takes to follow a peer; a stranger is not."""
    sections = {
        "numbers": [{"number": NUMBER, "target": "aor:alice", "record": record}],
        "masks": [],
        "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"], "audio_from": said}],
    }
    with running_switch(tmp_path, **sections) as switch:
        async with (
            await Phone.open(
                "alice", target=switch.target, password="alice-secret", domain="switchboard.local"
            ) as desk,
            await Phone.open("13800000001", target=switch.target) as caller,
        ):
            desk.behaviour = Answer()
            await desk.register()
            call = await caller.dial(NUMBER)
            far = await desk.next_call()
            await call.answered()
            await far.confirmed()
            with (
                contextlib.closing(await RtpPort.open(host)) as sender,
                contextlib.closing(await RtpPort.open("127.0.0.99")) as stranger,
            ):
                sender.remote = stranger.remote = call.rtp.remote
                stranger.play(1100)
                sender.play(440)
                far.rtp.play(880)
                await far.hears(440)
                await call.hears(880)
                await asyncio.sleep(3.0)
                call.rtp.received.clear()
                far.rtp.received.clear()
                async with asyncio.timeout(5 * PATIENCE):
                    await far.hears(440)
                    await call.hears(880)
                assert not sender.received
                assert not stranger.received
                assert {packet.ssrc for packet in far.rtp.received} == {far.rtp.received[0].ssrc}
            await call.hang_up()
            await far.ended()
