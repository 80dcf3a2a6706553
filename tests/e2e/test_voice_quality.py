"""Speech that is relayed, recorded and mixed, judged against what was said; over a good network and over a bad one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from bench.dialog import Call
from bench.phone import Answer, Phone
from bench.rtp import FRAME
from media.g711 import encode
from switchboard.calls.commands import Consult, Merge
from switchboard.client import Client
from switchboard.client.errors import ConflictError
from tests.support.call_bar import add_users, at_the_bar
from tests.support.chaos import Chaos, Faults, chaos
from tests.support.quality import judged, need_visqol, speech
from tests.support.recorded import recording_of
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

DOMAIN = "switchboard.local"
SECONDS = 3.0
PATIENCE = 15.0
GOOD, ROUGH = "good", "rough"
DESKS = {GOOD: ("anna", "ben"), ROUGH: ("carl", "dora")}
NUMBERS = {GOOD: "4000", ROUGH: "4001"}
LEAST = 4.2
"""MOS-LQO; the same octets have 4.5 to 4.8, as the speaker is."""


@dataclass
class Site:
    """A switch, and the bad network of one of the two callers."""

    switch: RunningSwitch
    network: Chaos


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A group of one agent for each caller, and a second agent for each to join them."""
    need_visqol()
    names = [name for desk in DESKS.values() for name in desk]
    changes = {
        "accounts": [{"user": name, "password": f"secret-{name}"} for name in names],
        "masks": [],
        "numbers": [{"number": NUMBERS[kind], "group": kind, "record": True} for kind in DESKS],
        "groups": [{"name": kind, "announcements": {"first": "30s"}} for kind in DESKS],
        "agents": [
            {"id": name, "always": True, "groups": {kind: 1} if name == desk[0] else {}}
            for kind, desk in DESKS.items()
            for name in desk
        ],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }
    with running_switch(tmp_path_factory.mktemp("quality"), **changes) as switch:
        add_users(switch, {desk[0]: "agent" for desk in DESKS.values()})
        with chaos(switch.sip_port, rtp=Faults(delay=0.03, jitter=0.03, reorder=0.1, hold=0.03)) as network:
            yield Site(switch, network)


@contextlib.asynccontextmanager
async def desk(site: Site, name: str) -> AsyncIterator[Phone]:
    """An agent's phone, which takes every call."""
    target = site.switch.target
    async with await Phone.open(name, target=target, password=f"secret-{name}", domain=DOMAIN) as phone:
        phone.behaviour = Answer(after=0.1)
        await phone.register()
        yield phone
        assert phone.complaints == []


async def heard_by(*ears: Call, speaker: Call, codes: bytes) -> list[bytes]:
    """What each hears while somebody says this, from shortly before to shortly after."""
    for ear in ears:
        ear.rtp.received.clear()
    speaker.rtp.say(codes)
    # Silence follows what is said.
    whole = len(codes) // FRAME + 30
    async with asyncio.timeout(PATIENCE * SECONDS):
        while min(len(ear.rtp.received) for ear in ears) < whole:
            await asyncio.sleep(0.05)
    return [b"".join(packet.payload for packet in ear.rtp.received if packet.payload_type == 8) for ear in ears]


def with_losses(codes: bytes) -> bytes:
    """Each third packet is silence."""
    frames = [codes[at : at + FRAME] for at in range(0, len(codes), FRAME)]
    return b"".join(b"\xd5" * FRAME if place % 3 == 2 else frame for place, frame in enumerate(frames))


async def merged(bar: Client, call_id: str) -> None:
    """All three talk together, as soon as the switch knows of the answer that the phone has given."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await bar.calls.command(call_id, Merge())
            except ConflictError:
                await asyncio.sleep(0.1)
            else:
                return


async def relayed_recorded_mixed(site: Site, kind: str, told: dict[str, float]) -> None:
    """Three times the same words: to one agent, into the file, and to both agents at once."""
    first, second = DESKS[kind]
    network = site.network if kind == ROUGH else None
    place = {"host": network.peer, "target": network.target} if network else {"target": site.switch.target}
    codes = speech(SECONDS)
    async with (
        desk(site, first) as one, desk(site, second) as other, await Phone.open("13911112222", **place) as caller,  # type: ignore[arg-type]
        at_the_bar(site.switch, first) as bar,
    ):  # fmt: skip
        call = await caller.dial(NUMBERS[kind])
        near = await one.next_call(PATIENCE)
        await near.confirmed()
        await call.answered()
        for each in (call, near):
            each.rtp.play()
        await asyncio.sleep(0.3)
        (relayed,) = await heard_by(near, speaker=call, codes=codes)
        frames = [relayed[at : at + FRAME] for at in range(0, len(relayed), FRAME)]
        wanted = [codes[at : at + FRAME] for at in range(0, len(codes), FRAME)]
        if kind == GOOD:
            assert codes in relayed, "relayed octet for octet"
        else:
            # In the order in which the network brought them, and so at the agent's phone to be put right.
            assert codes not in relayed
            assert set(wanted) <= set(frames)
        (view,) = (await bar.calls.list()).items
        await bar.calls.command(view.id, Consult(to=f"agent:{second}"))
        far = await other.next_call(PATIENCE)
        await far.confirmed()
        far.rtp.play()
        await merged(bar, view.id)
        await asyncio.sleep(0.5)
        mixed = await heard_by(near, far, speaker=call, codes=codes)
        await call.hang_up()
        await near.ended()
        await far.ended()
    recorded = encode("PCMA", (await recording_of(site.switch, NUMBERS[kind]))[:, 0].astype("<i2").tobytes())
    at = recorded.find(codes)
    assert at >= 0, "recorded sample by sample, whatever the network did"
    if kind == ROUGH:
        told["recorded"] = await asyncio.to_thread(judged, codes, recorded[at : at + len(codes)])
    ear = mixed[0] if kind == GOOD else mixed[1]
    told[f"mixed over a {kind} network"] = await asyncio.to_thread(judged, codes, ear)


async def test_speech_is_as_good_as_it_came(site: Site, record_property: pytest.RecordProperty) -> None:
    """Relayed it is the same; recorded and mixed it is nearly as good, which it is not with every third packet lost."""
    codes, told = speech(SECONDS), dict[str, float]()
    await together(*(relayed_recorded_mixed(site, kind, told) for kind in DESKS))
    spoilt = await asyncio.to_thread(judged, codes, with_losses(codes))
    print(json.dumps({**told, "a third lost": spoilt}, indent=1))
    record_property("mos", json.dumps(told))
    assert len(told) == 3
    assert min(told.values()) >= LEAST > spoilt
    await site.switch.nothing_left()
