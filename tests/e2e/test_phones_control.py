"""What softphones that others wrote (pjsua2) do by themselves: hold, hand on, join their calls, light their lamp.

The caller is a carrier's phone of ours; every phone plays a tone of its own, so that who is heard is known.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bench.dialog import Call
from bench.phone import Phone
from bench.rtp import share
from tests.support.patience import PATIENCE
from tests.support.pjsua import Softphone, need_pjsua, softphone
from tests.support.ports import MEDIA_RANGE
from tests.support.sounds import Sound
from tests.support.switch import RunningSwitch, running_switch

TONES = {"anna": 880, "ben": 620, "carl": 1180}
CUSTOMER = 440


def settings(workers: int) -> dict[str, object]:
    """Three accounts and the numbers that lead to them."""
    return {
        "media": {"ports": MEDIA_RANGE, "workers": workers},
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in TONES],
        "masks": [],
        "numbers": [{"number": f"70{at}", "target": f"aor:{user}"} for at, user in enumerate(TONES)],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def switch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch whose calls share a media worker, or do not."""
    need_pjsua()
    with running_switch(tmp_path_factory.mktemp("switch"), **settings(request.param)) as running:
        yield running


@contextlib.asynccontextmanager
async def desk(switch: RunningSwitch, directory: Path, user: str, *, lamp: bool = False) -> AsyncIterator[Softphone]:
    """A softphone at its desk."""
    password = f"secret-{user}"
    async with softphone(directory, user, password, switch.target, tone=TONES[user], lamp=lamp) as phone:
        yield phone


@contextlib.asynccontextmanager
async def customer(switch: RunningSwitch, number: str = "13911112222") -> AsyncIterator[Phone]:
    """A phone of the carrier that finds no fault with what it receives."""
    async with await Phone.open(number, target=switch.target) as phone:
        yield phone
        assert phone.complaints == []


async def talk(carrier: Phone, anna: Softphone) -> Call:
    """A customer calls anna, and each hears the other."""
    call = await carrier.dial("700")
    await anna.event("incoming")
    anna.tell("answer:0")
    await call.answered()
    await anna.event("media", call=0)
    call.rtp.play(CUSTOMER)
    await hears(call, TONES["anna"])
    await listens(anna, 0, CUSTOMER)
    return call


async def consult(switch: RunningSwitch, anna: Softphone, ben: Softphone) -> None:
    """Anna holds the customer and calls ben; they hear each other."""
    anna.tell("hold:0")
    await anna.event("held", call=0)
    anna.tell(f"call sip:701@127.0.0.1:{switch.sip_port}")
    await ben.event("incoming")
    ben.tell("answer")
    await ben.event("media")
    await anna.event("media", call=1)
    await listens(anna, 1, TONES["ben"])
    await listens(ben, 0, TONES["anna"])


async def hears(call: Call, hertz: int) -> None:
    """The customer hears this tone in what comes from now on."""
    call.rtp.received.clear()
    await call.hears(hertz)


async def hears_music(call: Call) -> None:
    """The customer hears something that is nobody's tone."""
    async with asyncio.timeout(6 * PATIENCE):
        while True:
            call.rtp.received.clear()
            await asyncio.sleep(0.7)
            heard = call.rtp.heard(0.6)
            if call.rtp.loudness(0.6) > 300 and max(share(heard, hertz) for hertz in TONES.values()) < 0.2:
                return


async def listens(phone: Softphone, call: int, hertz: int, within: float = 5.0) -> None:
    """A softphone hears this tone, soon."""
    async with asyncio.timeout(within * PATIENCE):
        while share(whole(await phone.listen(call, 0.5)), hertz) < 0.6:
            pass


def whole(sound: Sound) -> list[int]:
    """Samples without the silence before audio begins."""
    loud = [round(sample) for sample in sound]
    return loud[len(loud) // 4 :]


def parts(switch: RunningSwitch, call_id: str) -> list[str]:
    """The kinds of a record's segments, in order."""
    return [row["kind"] for row in switch.rows(f"select kind from segments where call_id = '{call_id}' order by place")]


def told(phone: Softphone) -> list[int]:
    """The statuses of the transfer that a phone was told, in order; its library tells the 202 as a 100 as well."""
    return [event["status"] for event in phone.saw("transfer")][1:]


async def outcome(phone: Softphone) -> int:
    """The final status of a transfer, once the phone is told."""
    while (event := await phone.event("transfer"))["status"] < 200:
        pass
    return int(event["status"])


async def the_record(switch: RunningSwitch, trunk: str = "carrier") -> dict[str, object]:
    """The latest record of a call that came by a trunk, once every call is over."""
    await switch.nothing_left()
    return switch.rows(f"select * from calls where trunk = '{trunk}' order by started_us")[-1]


async def test_a_phone_holds_and_the_caller_hears_music(switch: RunningSwitch, tmp_path: Path) -> None:
    """Its re-INVITE is answered; music comes to the caller, then the phone again; the record has the hold."""
    async with desk(switch, tmp_path, "anna") as anna, customer(switch) as carrier:
        call = await talk(carrier, anna)
        anna.tell("hold")
        await anna.event("held")
        await hears_music(call)
        anna.tell("unhold")
        await anna.event("media")
        await hears(call, TONES["anna"])
        await listens(anna, 0, CUSTOMER)
        await call.hang_up()
        await anna.event("ended")
    record = await the_record(switch)
    assert parts(switch, str(record["id"])) == ["ring", "talk", "hold", "talk"]
    assert int(str(record["hold_us"])) > 600_000


async def test_a_phone_hands_the_caller_on(switch: RunningSwitch, tmp_path: Path) -> None:
    """REFER: the caller has the other phone, the first is told 200 and hung up, and nobody sees a number."""
    async with (
        desk(switch, tmp_path, "anna") as anna,
        desk(switch, tmp_path, "ben") as ben,
        customer(switch) as carrier,
    ):
        call = await talk(carrier, anna)
        anna.tell(f"xfer sip:701@127.0.0.1:{switch.sip_port}")
        invited = await ben.event("incoming")
        assert carrier.user not in invited["message"]
        await hears_music(call)
        ben.tell("answer")
        await ben.event("media")
        ended = await anna.event("ended")
        assert ended["status"] == 200
        assert told(anna) == [100, 180, 200]
        await hears(call, TONES["ben"])
        await listens(ben, 0, CUSTOMER)
        ben.tell("hangup")
        await call.ended()
    record = await the_record(switch)
    assert (record["transfers"], record["ended_by"], record["cause"]) == (1, "agent", "normal")
    assert parts(switch, str(record["id"])) == ["ring", "talk", "ring", "talk"]


async def test_a_phone_whose_target_refuses_keeps_the_caller(switch: RunningSwitch, tmp_path: Path) -> None:
    """It is told why; both go on talking."""
    async with (
        desk(switch, tmp_path, "anna") as anna,
        desk(switch, tmp_path, "ben") as ben,
        customer(switch) as carrier,
    ):
        call = await talk(carrier, anna)
        anna.tell(f"xfer sip:701@127.0.0.1:{switch.sip_port}")
        await ben.event("incoming")
        ben.tell("refuse 486")
        assert await outcome(anna) == 486
        await hears(call, TONES["anna"])
        await listens(anna, 0, CUSTOMER)
        anna.tell(f"xfer sip:nobody@127.0.0.1:{switch.sip_port}")
        assert await outcome(anna) == 404
        await hears(call, TONES["anna"])
        await call.hang_up()
        await anna.event("ended")
    record = await the_record(switch)
    assert (record["transfers"], record["ended_by"]) == (0, "caller")


async def test_a_phone_joins_its_two_calls(switch: RunningSwitch, tmp_path: Path) -> None:
    """REFER with Replaces: caller and the party asked hear each other, both of its calls are hung up, two records."""
    async with (
        desk(switch, tmp_path, "anna") as anna,
        desk(switch, tmp_path, "ben") as ben,
        customer(switch) as carrier,
    ):
        call = await talk(carrier, anna)
        await consult(switch, anna, ben)
        await hears_music(call)
        anna.tell("replace:0 1")
        await hears(call, TONES["ben"])
        await listens(ben, 0, CUSTOMER)
        while len(anna.saw("ended")) < 2:
            await anna.event("ended")
        assert told(anna) == [100, 200]
        assert ben.saw("ended") == []
        await call.hang_up()
        await ben.event("ended")
    record = await the_record(switch)
    consultation = switch.rows("select * from calls where trunk = 'phones' order by started_us")[-1]
    assert (record["transfers"], record["ended_by"], record["cause"]) == (1, "caller", "normal")
    assert (consultation["ended_by"], consultation["cause"]) == ("caller", "normal")
    assert parts(switch, str(record["id"])) == ["ring", "talk", "hold", "talk"]
    legs = switch.rows(f"select peer, received from legs where call_id = '{record['id']}' order by place")
    assert [leg["peer"].partition("@")[0] for leg in legs[1:]] == ["anna", "ben"]
    assert legs[2]["received"] >= 25


async def asks(switch: RunningSwitch, anna: Softphone, ben: Softphone, call: int) -> None:
    """Anna calls ben in a call of this number, and hears that his phone rings."""
    anna.tell(f"call sip:701@127.0.0.1:{switch.sip_port}")
    await ben.event("incoming")
    await anna.event("ringing", call=call)


async def test_a_phone_hands_on_to_one_who_still_rings(switch: RunningSwitch, tmp_path: Path) -> None:
    """With Replaces, or without after it has given up; it may hang up at once, and keeps whom nobody takes."""
    async with (
        desk(switch, tmp_path, "anna") as anna,
        desk(switch, tmp_path, "ben") as ben,
        customer(switch) as carrier,
    ):
        call = await talk(carrier, anna)
        anna.tell("hold:0")
        await anna.event("held", call=0)
        await asks(switch, anna, ben, 1)
        anna.tell("replace:0 1")
        again = await ben.event("incoming")
        assert carrier.user not in again["message"]
        assert ben.saw("ended", call=0) == [{"event": "ended", "call": 0, "status": 487}]
        ben.tell("refuse 486")
        assert await outcome(anna) == 486
        assert [event["status"] for event in anna.saw("ended")] == [487]
        await hears_music(call)
        await asks(switch, anna, ben, 2)
        anna.tell("hangup:2")
        await ben.event("ended", call=2)
        anna.tell(f"xfer:0 sip:701@127.0.0.1:{switch.sip_port}")
        await ben.event("incoming")
        ben.tell("refuse 486")
        assert await outcome(anna) == 486
        await asks(switch, anna, ben, 3)
        anna.tell("replace:0 3")
        anna.tell("hangup:0")
        anna.tell("hangup:3")
        await ben.event("incoming")
        await hears_music(call)
        ben.tell("answer")
        await ben.event("media")
        await hears(call, TONES["ben"])
        await listens(ben, 5, CUSTOMER)
        await call.hang_up()
        await ben.event("ended", call=5)
    record = await the_record(switch)
    assert (record["transfers"], record["ended_by"], record["cause"]) == (1, "caller", "normal")
    assert parts(switch, str(record["id"])) == [
        "ring", "talk", "hold", "ring", "hold", "ring", "hold", "ring", "ring", "talk",
    ]  # fmt: skip
    asked = switch.rows("select ended_by, cause from calls where trunk = 'phones' order by started_us")[-3:]
    assert asked == [{"ended_by": "caller", "cause": "cancelled"}] * 3


async def test_a_phone_subscribes_to_its_messages(switch: RunningSwitch, tmp_path: Path) -> None:
    """SUBSCRIBE is challenged and taken; the first NOTIFY comes at once, and another when it gives up."""
    async with desk(switch, tmp_path, "carl", lamp=True) as carl:
        first = await carl.event("waiting")
        assert re.search(r"Subscription-State: active;expires=\d+", first["message"])
        assert "Voice-Message: 0/0" in first["message"]
        assert (await asyncio.to_thread(switch.metrics))["subscriptions"] == 1
    assert "Subscription-State: terminated;reason=timeout" in carl.traffic()
    assert (await asyncio.to_thread(switch.metrics))["subscriptions"] == 0
