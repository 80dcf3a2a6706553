"""Calls between phones that do not speak the same: pjsua2 and baresip with G.722, Opus and iLBC, ours with A-law."""

from __future__ import annotations

import asyncio
import contextlib
import wave
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Answer, Call, Dialled, Phone
from bench.rtp import EVENTS, share
from tests.support.baresip import TONE as BARESIP_TONE
from tests.support.baresip import Place, baresip, need_baresip
from tests.support.patience import PATIENCE
from tests.support.pjsua import Softphone, need_pjsua, softphone
from tests.support.ports import MEDIA_RANGE
from tests.support.sounds import Sound, read_wav
from tests.support.stage import DOMAIN, together
from tests.support.switch import RunningSwitch, running_switch

WIDE, ILBC, ILBC_TOO, INFO, DESK, LOST = "810001", "810002", "810003", "810004", "810005", "810006"
TONES = {WIDE: 700, ILBC: 900, ILBC_TOO: 1100, INFO: 1300}
SAID = 440


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch that transcodes, passes others through, and gives up who is silent for five seconds."""
    need_pjsua()
    need_baresip()
    users = (WIDE, ILBC, ILBC_TOO, INFO, DESK, LOST)
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        accounts=[
            {"user": user, "password": f"secret-{user}", "dtmf": "info" if user == INFO else "auto"} for user in users
        ],
        numbers=[{"number": f"70{user[2:]}", "target": f"aor:{user}", "record": user == WIDE} for user in users],
        masks=[],
        media={"ports": MEDIA_RANGE, "codecs": ["PCMA", "PCMU", "G722", "opus", "any"], "silence": "5s"},
        limits={"ring_timeout": "8s", "drain": "1s"},
    ) as running:
        yield running


def phone_of(
    switch: RunningSwitch, directory: Path, user: str, codecs: str
) -> contextlib.AbstractAsyncContextManager[Softphone]:
    """A foreign softphone of an account, with these codecs alone."""
    return softphone(directory, user, f"secret-{user}", switch.target, tone=TONES[user], codecs=codecs)


def number_of(user: str) -> str:
    """The number that leads to an account."""
    return f"70{user[2:]}"


def loudest(sound: Sound | list[int], hz: float) -> float:
    """How pure a tone is in the best 200 ms of what was heard."""
    samples = [int(sample) for sample in sound]
    return max((share(samples[at : at + 1600], hz) for at in range(0, len(samples) - 1599, 400)), default=0.0)


async def hears(phone: Softphone, hz: float, *, pure: float = 0.8) -> None:
    """A softphone hears a tone, at the latest after a few seconds."""
    purest = 0.0
    for _ in range(8):
        purest = max(purest, loudest(await phone.listen(0, 0.6), hz))
        if purest > pure:
            return
    raise AssertionError(f"{hz} Hz was {purest:.2f} of what was heard at best")


def keys_heard(call: Call) -> str:
    """The digits that arrived as telephone events, one for each marker."""
    events = [packet for packet in call.rtp.received if packet.payload_type == call.rtp.event_type]
    return "".join(EVENTS[packet.payload[0]] for packet in events if packet.marker)


async def dialled(switch: RunningSwitch, caller: Phone, agent: Softphone, user: str) -> Call:
    """A carrier's call with A-law that the softphone has taken; a tone goes to it."""
    call = await caller.dial(number_of(user), Dialled(codecs=("PCMA", "telephone-event")))
    await agent.event("incoming", within=15)
    agent.tell("answer")
    await call.answered()
    await agent.event("confirmed")
    call.rtp.play(SAID)
    return call


async def wide_band(switch: RunningSwitch, directory: Path) -> None:
    """G.722 against A-law: a tone each way, keys each way as events, and all of it recorded."""
    async with (
        phone_of(switch, directory, WIDE, "G722/16000") as agent,
        await Phone.open("13900000001", target=switch.target, t1=0.1) as caller,
    ):
        call = await dialled(switch, caller, agent, WIDE)
        await call.hears(TONES[WIDE])
        await hears(agent, SAID)
        await call.rtp.key("42")
        assert [(await agent.event("key"))["digit"] for _ in "42"] == ["4", "2"]
        agent.tell("keys 7")
        async with asyncio.timeout(5 * PATIENCE):
            while keys_heard(call) != "7":
                await asyncio.sleep(0.02)
        await call.hears(TONES[WIDE])
        assert agent.codecs() == ["G722"]
        await call.hang_up()
        await agent.event("ended")


async def told_by_info(switch: RunningSwitch, directory: Path) -> None:
    """A phone of `dtmf: info` with G.722: the caller's events reach it by INFO, and only so."""
    async with (
        phone_of(switch, directory, INFO, "G722/16000") as agent,
        await Phone.open("13900000002", target=switch.target, t1=0.1) as caller,
    ):
        call = await dialled(switch, caller, agent, INFO)
        await call.hears(TONES[INFO])
        await call.rtp.key("593")
        assert [(await agent.event("key"))["digit"] for _ in "593"] == ["5", "9", "3"]
        await call.hang_up()
        await agent.event("ended")
        assert len(agent.saw("key")) == 3
    # Its log is whole once it has quit.
    assert agent.traffic().count("Signal=") == 3


async def passed_through(switch: RunningSwitch, directory: Path) -> None:
    """Two phones that have iLBC, of which we know nothing, have it together, in packets of 30 ms."""
    async with (
        phone_of(switch, directory, ILBC, "iLBC/8000,PCMA/8000") as agent,
        phone_of(switch, directory, ILBC_TOO, "iLBC/8000,PCMA/8000") as caller,
    ):
        caller.tell(f"call sip:{number_of(ILBC)}@127.0.0.1:{switch.sip_port}")
        await agent.event("incoming", within=15)
        agent.tell("answer")
        await agent.event("confirmed")
        await caller.event("confirmed")
        await hears(agent, TONES[ILBC_TOO], pure=0.5)
        await hears(caller, TONES[ILBC], pure=0.5)
        assert agent.codecs() == caller.codecs() == ["iLBC"]
        caller.tell("hangup")
        ended = await agent.event("ended")
        assert (ended["lost"], ended["received"] > 15) == (0, True)


async def by_opus(switch: RunningSwitch, directory: Path) -> None:
    """baresip behind a trunk calls a desk that has A-law alone; in another call, one that has G.722 alone."""
    async with (
        baresip(directory, Place(), "13900000003", switch.target, codecs="opus/48000/2") as phone,
        await Phone.open(DESK, target=switch.target, password=f"secret-{DESK}", domain=DOMAIN, t1=0.1) as desk,
    ):
        desk.behaviour = Answer()
        desk.codecs = ("PCMA", "telephone-event")
        await desk.register()
        phone.tell("dial", f"sip:{number_of(DESK)}@127.0.0.1")
        call = await desk.next_call()
        await call.confirmed()
        call.rtp.play(SAID)
        await call.hears(BARESIP_TONE)
        call.rtp.received.clear()
        await call.hears(BARESIP_TONE, seconds=1.0)
        assert call.rtp.stats().lost == 0
        await call.hang_up()
        await phone.event("CALL_CLOSED")
    (heard,) = phone.heard()
    with wave.open(str(heard)) as file:
        samples = array("h", file.readframes(file.getnframes()))[:: file.getnchannels() * file.getframerate() // 8000]
    assert loudest(samples.tolist(), SAID) > 0.8


async def dead(switch: RunningSwitch) -> None:
    """One who says nothing any more, and reports nothing, is gone: the call ends with a cause of its own."""
    async with (
        await Phone.open(LOST, target=switch.target, password=f"secret-{LOST}", domain=DOMAIN, t1=0.1) as desk,
        await Phone.open("13900000004", target=switch.target, t1=0.1) as caller,
    ):
        desk.behaviour = Answer()
        await desk.register()
        call = await caller.dial(number_of(LOST), Dialled(codecs=("PCMA",)))
        far = await desk.next_call()
        await call.answered()
        call.rtp.play(SAID)
        far.rtp.play(880)
        await far.hears(SAID)
        far.rtp.stop()
        await call.ended(within=15)
    await switch.eventually(lambda: bool(switch.rows(f"select id from calls where called = '{number_of(LOST)}'")))
    (record,) = switch.rows(f"select id, cause, ended_by from calls where called = '{number_of(LOST)}'")
    assert (record["cause"], record["ended_by"]) == ("media_silent", "switch")
    legs = switch.rows(f"select silent from legs where call_id = '{record['id']}' order by place")
    assert [leg["silent"] for leg in legs] == [0, 1]


async def test_phones_that_share_no_codec_talk(switch: RunningSwitch, tmp_path: Path) -> None:
    """All scenes side by side in one switch; the records name the codecs, the recording holds both voices.

    Beside them one call in which a phone falls silent for good.
    """
    for name in ("one", "two", "three", "four"):
        (tmp_path / name).mkdir()
    await together(
        wide_band(switch, tmp_path / "one"),
        told_by_info(switch, tmp_path / "two"),
        passed_through(switch, tmp_path / "three"),
        by_opus(switch, tmp_path / "four"),
        dead(switch),
    )
    await switch.nothing_left()
    calls = {
        row["called"]: row["codecs"]
        for row in switch.rows(
            "select c.called, group_concat(l.codec, ' ') as codecs from calls c join legs l on l.call_id = c.id"
            " group by c.id order by l.place"
        )
    }
    assert {user: calls[number_of(user)] for user in (WIDE, INFO, ILBC, DESK)} == {
        WIDE: "PCMA G722", INFO: "PCMA G722", ILBC: "iLBC iLBC", DESK: "opus PCMA",
    }  # fmt: skip
    assert all(leg["lost"] == 0 for leg in switch.rows("select lost from legs"))
    (recorded,) = (switch.store / "recordings").rglob("*-1.wav")
    sides = read_wav(recorded)
    assert loudest(sides[:, 0], SAID) > 0.8
    assert loudest(sides[:, 1], TONES[WIDE]) > 0.8
