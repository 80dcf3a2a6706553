"""The call bar with none but foreign peers: SIPp as callers and in the room, pjsua2 on the desks, commands by the API.

Every party has a tone of its own. What a softphone hears it records itself, what SIPp is sent is read from the wire.
The scenes are played side by side.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from bench.capture import Capture, Ports
from bench.rtp import ALAW, EVENTS
from bench.sipp import Sipp
from switchboard.api.types import CallView
from switchboard.calls.commands import CancelTransfer, StopSupervising
from switchboard.client import Client
from switchboard.client.errors import ConflictError
from tests.support.call_bar import add_users, at_the_bar
from tests.support.patience import PATIENCE
from tests.support.pjsua import Softphone, need_pjsua, softphone
from tests.support.planes import Plane, on_both
from tests.support.ports import SIPP_FIRST, SIPP_LAST, free_port
from tests.support.sipp import EVENT_TYPE, Caller, carry, need_sipp, next_media_port
from tests.support.sounds import Sound, tone, tones_in, write_capture
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

DESKS = {"anna": 880, "ben": 620, "dora": 1180, "eve": 740, "hal": 540}
ROLES = {"anna": "agent", "ben": "agent", "dora": "supervisor"}
"""Who has a program at the API; the supervisor acts for the others."""
CUSTOMER = 440
SALES, CARE, LATE, ROOM = "4001", "4002", "4003", "4004"
MEMBERS = {f"139110000{at:02d}": 290 + 90 * at for at in range(30)}
"""Who is called into the room, and what each of them says; softly, so that the sum of all is not cut off."""
SOFT = 0.1
KEYS = ["7", "0", "#"]
LONG = 60.0
"""Seconds that a tone lasts, far longer than a scene."""
AUDIBLE = 300.0
"""The least amplitude in the room that counts as heard."""
SCENE = 10.0


def settings(members_port: int) -> dict[str, object]:
    """A queue for each scene, with one agent at most; a trunk that leads to the members of the room."""
    queues = {SALES: "anna", CARE: "ben", LATE: "", ROOM: "hal"}
    return {
        "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{members_port}"}],
        "outbound": {"trunk": "carrier", "shown": "01088880000"},
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in DESKS],
        "masks": [],
        "numbers": [{"number": number, "group": number} for number in queues],
        "groups": [
            {"name": number, "join_empty": "always", "announcements": {"first": "60s"}} for number in queues
        ],
        "agents": [
            {"id": user, "always": True, "groups": {number: 1 for number, each in queues.items() if each == user}}
            for user in DESKS
        ],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }  # fmt: skip


@pytest.fixture
def members_port() -> int:
    """Where SIPp takes the calls to the members of the room."""
    return free_port()


@pytest.fixture
def switch(tmp_path_factory: pytest.TempPathFactory, members_port: int, plane: Plane) -> Iterator[RunningSwitch]:
    """A switch with users of its API."""
    need_pjsua()
    need_sipp()
    with running_switch(tmp_path_factory.mktemp("switch"), **plane.put_into(settings(members_port))) as running:
        add_users(running, ROLES)
        yield running


class Wire:
    """What SIPp is sent, as it comes."""

    def __init__(self, capture: Capture) -> None:
        self.capture = capture

    async def listen(self, port: int, seconds: float = 0.7) -> dict[int, Sound]:
        """What one of SIPp's ports is sent from now on for so long, by the port of ours that it comes from."""
        first = self.capture.count
        await asyncio.sleep(seconds)
        heard: dict[int, bytes] = {}
        for packet in self.capture.packets(first):
            if packet.destination[1] == port and packet.payload[1] & 127 == 8:
                heard[packet.source[1]] = heard.get(packet.source[1], b"") + packet.payload[12:]
        return {source: np.array([ALAW[code] for code in codes], np.float64) for source, codes in heard.items()}

    async def hears(self, caller: Caller, *desks: str) -> None:
        """A caller hears exactly these desks, soon."""
        wanted = {DESKS[desk] for desk in desks}
        async with asyncio.timeout(SCENE * PATIENCE):
            while self.desks_in(sound := await self.stream(caller)) != wanted or not len(sound):
                pass

    async def hears_something_else(self, caller: Caller) -> None:
        """It hears something that is nobody's tone: music, or what a flow says."""
        async with asyncio.timeout(SCENE * PATIENCE):
            while True:
                sound = await self.stream(caller)
                if len(sound) and not self.desks_in(sound) and float(np.sqrt((sound**2).mean())) > AUDIBLE:
                    return

    async def stream(self, caller: Caller) -> Sound:
        """What a caller hears from now on for a while; nothing where two speak to it at once."""
        streams = list((await self.listen(caller.media_port)).values())
        return streams[0] if len(streams) == 1 else np.zeros(0)

    @staticmethod
    def desks_in(sound: Sound) -> set[int]:
        """The desks' tones in a sound."""
        return tones_in(sound, DESKS.values())

    def keys(self, caller: Caller) -> list[str]:
        """The keys that a caller was sent so far as events (RFC 4733), each once."""
        found = {
            packet.payload[4:8]: EVENTS[packet.payload[12]]
            for packet in self.capture.packets()
            if packet.destination[1] == caller.media_port and packet.payload[1] & 127 == EVENT_TYPE
        }
        return list(found.values())


async def listens(phone: Softphone, hertz: Iterable[int]) -> None:
    """A softphone hears exactly these tones in its latest call, soon."""
    latest = max(event["call"] for event in phone.seen if "call" in event)
    wanted = set(hertz)
    async with asyncio.timeout(SCENE * PATIENCE):
        while True:
            heard = await phone.listen(latest, 0.7)
            if tones_in(heard[len(heard) // 4 :], {CUSTOMER, *DESKS.values()}) == wanted:
                return


async def answers(phone: Softphone) -> None:
    """It rings, answers, and has audio."""
    await phone.event("incoming")
    phone.tell("answer")
    await phone.event("media")


async def call_in(bar: Client, queue: str) -> str:
    """The id of the call in a queue, once it is there."""

    def here(view: CallView) -> bool:
        return queue in (view.called, view.group)

    async with asyncio.timeout(SCENE * PATIENCE):
        while not (found := [view.id for view in (await bar.calls.list()).items if here(view)]):
            await asyncio.sleep(0.05)
    return found[0]


@dataclass
class Site:
    """The switch, its users at their desks and at the API, and the wire."""

    switch: RunningSwitch
    directory: Path
    wire: Wire
    said: Path
    """A capture of the customers' tone."""
    phones: dict[str, Softphone] = field(default_factory=dict)
    bars: dict[str, Client] = field(default_factory=dict)

    def customer(self, number: str, said: Path | None = None) -> Caller:
        """Somebody who calls, and talks until they are hung up."""
        return Caller(number, "", talk_ms=round(LONG * 1000), prompt_ms=0, audio=said or self.said)

    async def carry(self, caller: Caller, dialled: str) -> None:
        """The whole call of a customer, in which nothing goes wrong for SIPp."""
        await carry(caller, self.switch.target, self.directory, dialled, LONG)

    def parts(self, call: str) -> list[tuple[str, str]]:
        """Kind and agent of the segments in the record of a call that is over."""
        query = f"select kind, agent from segments where call_id = '{call}' order by place"
        return [(row["kind"], row["agent"]) for row in self.switch.rows(query)]


async def all_hear(site: Site, caller: Caller, *desks: str) -> None:
    """A customer and these desks all hear each other, and nobody else."""
    tones = {CUSTOMER, *(DESKS[desk] for desk in desks)}
    await together(
        site.wire.hears(caller, *desks), *(listens(site.phones[desk], tones - {DESKS[desk]}) for desk in desks)
    )


async def handed_on(site: Site) -> str:
    """Transfers: one taken back, the customer is with the agent again; to a group, a slot and a flow."""
    caller = site.customer("13910000001")
    anna, ben, bars = site.phones["anna"], site.phones["ben"], site.bars
    async with asyncio.TaskGroup() as group:
        group.create_task(site.carry(caller, SALES))
        await answers(anna)
        await all_hear(site, caller, "anna")
        call = await call_in(bars["anna"], SALES)
        await bars["anna"].calls.transfer(call, "agent:ben")
        await ben.event("incoming")
        await site.wire.hears_something_else(caller)
        await bars["anna"].calls.command(call, CancelTransfer())
        assert (await ben.event("ended"))["status"] == 487
        await all_hear(site, caller, "anna")
        await bars["anna"].calls.transfer(call, f"group:{CARE}")
        assert (await anna.event("ended"))["status"] == 200
        await answers(ben)
        await all_hear(site, caller, "ben")
        await muted_and_keyed(site, caller, call)
        await parked_and_taken_by_phones(site, caller)
        await bars["anna"].calls.transfer(call, "flow:survey")
        assert (await anna.event("ended"))["status"] == 200
        await site.wire.hears_something_else(caller)
        await bars["dora"].calls.hang_up(call)
    return call


async def parked_and_taken_by_phones(site: Site, caller: Caller) -> None:
    """A desk transfers its caller to a slot, and another one dials it; who dials an empty one is told so."""
    anna, ben = site.phones["anna"], site.phones["ben"]
    slot = f"sip:*715@127.0.0.1:{site.switch.sip_port}"
    ben.tell(f"xfer {slot}")
    assert (await ben.event("ended"))["status"] == 200
    anna.tell(f"call {slot}")
    await anna.event("media")
    await all_hear(site, caller, "anna")
    ben.tell(f"call {slot}")
    assert (await ben.event("ended"))["status"] == 404


async def muted_and_keyed(site: Site, caller: Caller, call: str) -> None:
    """Muted the agent hears and is not heard; keys of the call bar reach the customer as events."""
    bar, ben = site.bars["ben"], site.phones["ben"]
    await bar.calls.mute(call)
    await together(site.wire.hears(caller), listens(ben, {CUSTOMER}))
    await bar.calls.mute(call, on=False)
    await bar.calls.digits(call, "".join(KEYS))
    async with asyncio.timeout(SCENE * PATIENCE):
        while len(keys := site.wire.keys(caller)) < len(KEYS):
            await asyncio.sleep(0.05)
    assert keys == KEYS
    await all_hear(site, caller, "ben")


async def picked_supervised_and_parked(site: Site) -> str:
    """Nobody serves the queue: music until an agent picks the customer out of it. Whom one parks another takes."""
    caller = site.customer("13910000002")
    boss, dora, eve = site.bars["dora"], site.phones["dora"], site.phones["eve"]
    async with asyncio.TaskGroup() as group:
        group.create_task(site.carry(caller, LATE))
        call = await call_in(boss, LATE)
        await site.wire.hears_something_else(caller)
        await boss.calls.pick(call, agent="eve")
        await answers(eve)
        await all_hear(site, caller, "eve")
        await supervised(site, caller, call)
        slot = (await boss.calls.park(call)).slot
        assert (await eve.event("ended"))["status"] == 200
        await site.wire.hears_something_else(caller)
        assert (await boss.calls.take_parked(slot)).call == call
        await answers(dora)
        await all_hear(site, caller, "dora")
        dora.tell("hangup")
        await dora.event("ended")
    return call


async def supervised(site: Site, caller: Caller, call: str) -> None:
    """Who listens hears both and is heard by nobody; who whispers by the agent alone; who barges in by both."""
    boss, dora, eve = site.bars["dora"], site.phones["dora"], site.phones["eve"]
    both = {CUSTOMER, DESKS["eve"]}
    await boss.calls.supervise(call, "listen")
    await answers(dora)
    await together(site.wire.hears(caller, "eve"), listens(eve, {CUSTOMER}), listens(dora, both))
    await boss.calls.supervise(call, "whisper")
    coached = {CUSTOMER, DESKS["dora"]}
    await together(site.wire.hears(caller, "eve"), listens(eve, coached), listens(dora, both))
    await boss.calls.supervise(call, "barge")
    await all_hear(site, caller, "eve", "dora")
    await boss.calls.command(call, StopSupervising())
    assert (await dora.event("ended"))["status"] == 200
    await all_hear(site, caller, "eve")


async def thirty_two_in_a_room(site: Site, members: Sipp) -> str:
    """Each of them hears all the others and not themselves; a thirty-third is refused."""
    said = write_capture(site.directory / "soft.pcap", SOFT * tone(LONG, CUSTOMER))
    caller = site.customer("13910000003", said)
    hal, bar = site.phones["hal"], site.bars["dora"]
    everybody = {CUSTOMER, DESKS["hal"], *MEMBERS.values()}
    async with asyncio.TaskGroup() as group:
        group.create_task(site.carry(caller, ROOM))
        await answers(hal)
        call = await call_in(bar, ROOM)
        for number in MEMBERS:
            await bar.calls.add(call, f"number:{number}")
        await together(
            hears_room(hal, everybody - {DESKS["hal"]}),
            sent_to(site, caller.media_port, everybody, CUSTOMER),
            sent_to(site, members.media_port, everybody, *MEMBERS.values()),
        )
        with pytest.raises(ConflictError):
            await bar.calls.add(call, "agent:dora")
        await bar.calls.hang_up(call)
        assert (await hal.event("ended"))["status"] == 200
    return call


async def hears_room(phone: Softphone, hertz: set[int]) -> None:
    """A softphone hears all these tones."""
    async with asyncio.timeout(SCENE * PATIENCE):
        while tones_in(await phone.listen(0, 0.8), {*hertz, phone.tone}, AUDIBLE) != hertz:
            pass


async def sent_to(site: Site, port: int, everybody: set[int], *lacking: int) -> None:
    """A stream for each of the tones `lacking`, lowest first, comes to a port: all tones are in it but that one."""
    wanted = [everybody - {each} for each in lacking]
    found: list[set[int]] = []
    async with asyncio.timeout(SCENE * PATIENCE):
        while found != wanted:
            streams = await site.wire.listen(port, 0.8)
            found = [tones_in(sound, everybody, AUDIBLE) for sound in streams.values()]
            found.sort(key=lambda heard: min(everybody - heard, default=0))


def written(directory: Path) -> Path:
    """The scenario of the members, and beside it what they say."""
    numbers, audio = [], []
    for place, (number, hertz) in enumerate(MEMBERS.items(), 1):
        said = write_capture(directory / f"{number}.pcap", SOFT * tone(LONG, hertz), stream=place)
        numbers.append(f'<ereg regexp="{number}" search_in="hdr" header="To:" assign_to="{place}"/>')
        audio.append(f'<nop condexec="{place}"><action><exec play_pcap_audio="{said}"/></action></nop>')
    text = (Path(__file__).parent / "scenarios" / "member.xml").read_text()
    scenario = directory / "member.xml"
    scenario.write_text(text.replace("@numbers@", "\n      ".join(numbers)).replace("@audio@", "\n  ".join(audio)))
    return scenario


@asynccontextmanager
async def staffed(switch: RunningSwitch, directory: Path, wire: Wire) -> AsyncIterator[Site]:
    """Everybody at their desks and at the API."""
    said = write_capture(directory / "customer.pcap", tone(LONG, CUSTOMER))
    site = Site(switch, directory, wire, said)
    async with AsyncExitStack() as stack:

        async def come(user: str) -> None:
            desk = softphone(directory, user, f"secret-{user}", switch.target, tone=DESKS[user])
            site.phones[user] = await stack.enter_async_context(desk)

        await together(*(come(user) for user in DESKS))
        site.bars = {user: await stack.enter_async_context(at_the_bar(switch, user)) for user in ROLES}
        yield site


@on_both
async def test_the_call_bar_with_phones_and_callers_of_others(
    switch: RunningSwitch, members_port: int, tmp_path: Path
) -> None:
    """Parked and taken, picked out of the queue, muted, keyed, supervised, handed on, and a full room."""
    members = Sipp(written(tmp_path), tmp_path, members_port, next_media_port(), arguments=("-m", str(len(MEMBERS))))
    with Capture([Ports(SIPP_FIRST, SIPP_LAST)]) as capture, members:
        async with staffed(switch, tmp_path, Wire(capture)) as site, asyncio.TaskGroup() as group:
            handed = group.create_task(handed_on(site))
            picked = group.create_task(picked_supervised_and_parked(site))
            room = group.create_task(thirty_two_in_a_room(site, members))
        await asyncio.to_thread(members.wait, SCENE * PATIENCE, lambda row: None)
    totals = members.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (len(MEMBERS), 0, 0), totals
    await switch.nothing_left()
    await switch.records(3)
    assert site.parts(handed.result()) == [
        ("queue", ""), ("ring", "anna"), ("talk", "anna"), ("ring", "ben"), ("talk", "anna"),
        ("queue", ""), ("ring", "ben"), ("talk", "ben"), ("park", ""), ("talk", "anna"), ("ivr", ""),
    ]  # fmt: skip
    assert site.parts(picked.result()) == [
        ("queue", ""), ("ring", "eve"), ("talk", "eve"), ("park", ""), ("ring", "dora"), ("talk", "dora"),
    ]  # fmt: skip
    assert site.parts(room.result())[1:] == [("ring", "hal"), ("talk", "hal"), ("conference", "hal")]
