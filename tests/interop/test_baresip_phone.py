"""baresip as a registered phone, in clear and by TLS with SRTP: called, calling, hold, keys, REFER, CANCEL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.dialog import Call
from bench.phone import Never, Phone
from bench.rtp import EVENTS, share
from tests.support.baresip import TONE, Baresip, baresip, need_baresip
from tests.support.baresip import Place as Room
from tests.support.certificates import Authority
from tests.support.patience import PATIENCE
from tests.support.ports import free_port
from tests.support.stage import DOMAIN, together
from tests.support.switch import RunningSwitch, running_switch

PLAIN, SAFE, DESK, OTHER = USERS = ("plain", "safe", "desk", "other")
SAID = 440


class Place:
    """A switch on UDP and TLS; two accounts of baresip, two of our own phones."""

    def __init__(self, directory: Path) -> None:
        self.udp, self.tls = free_port(), free_port()
        self.authority = Authority(directory)
        self.pair = self.authority.sign("switch")

    def settings(self) -> dict[str, object]:
        """A number for each account; who knows no digest but MD5 is challenged with that alone."""
        here = {"host": "127.0.0.1"}
        tls = {"transport": "tls", "certificate": str(self.pair.certificate), "key": str(self.pair.key)}
        narrow = {"digest": ["md5"]}
        return {
            "sip": {"listen": [{**here, "port": self.udp}, {**here, "port": self.tls, **tls}]},
            "accounts": [
                {"user": PLAIN, "password": "secret-plain", **narrow},
                {"user": SAFE, "password": "secret-safe", "srtp": "required", **narrow},
                *({"user": user, "password": f"secret-{user}"} for user in (DESK, OTHER)),
            ],
            "masks": [],
            "numbers": [{"number": number_of(user), "target": f"aor:{user}"} for user in USERS],
            "limits": {"ring_timeout": "8s", "drain": "1s"},
        }


def number_of(user: str) -> str:
    """The number that leads to an account."""
    return f"70{USERS.index(user)}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ports and certificates."""
    need_baresip()
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def switch(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """The switch there."""
    with running_switch(tmp_path_factory.mktemp("switch"), **place.settings()) as running:
        yield running


async def carrier(place: Place, number: str) -> Phone:
    """A caller behind the carrier."""
    return await Phone.open(number, target=("127.0.0.1", place.udp), t1=0.1)


async def desk(place: Place, user: str) -> Phone:
    """A registered phone of ours."""
    made = await Phone.open(
        user, target=("127.0.0.1", place.udp), password=f"secret-{user}", domain=DOMAIN, t1=0.1
    )  # fmt: skip
    await made.register()
    return made


async def hears(call: Call, hertz: int) -> None:
    """This tone is in what comes from now on."""
    call.rtp.received.clear()
    await call.hears(hertz)


async def hears_music(call: Call) -> None:
    """Something that is not the phone's tone."""
    async with asyncio.timeout(5 * PATIENCE):
        while call.rtp.loudness(0.5) < 300 or share(call.rtp.heard(0.5), TONE) > 0.2:
            await asyncio.sleep(0.05)


async def keys(phone: Baresip, call: Call) -> None:
    """Telephone-events each way."""
    await call.rtp.key("42")
    assert [(await phone.event("CALL_DTMF_START"))["param"] for _ in "42"] == ["4", "2"]
    phone.tell("sndcode", "7")
    async with asyncio.timeout(5 * PATIENCE):
        while not (told := [p for p in call.rtp.received if p.payload_type == call.rtp.event_type]):
            await asyncio.sleep(0.02)
    assert {EVENTS[packet.payload[0]] for packet in told} == {"7"}


async def holds(phone: Baresip, call: Call) -> None:
    """Hold and resume by the phone, then by the far side."""
    phone.tell("hold")
    await hears_music(call)
    phone.tell("resume")
    await hears(call, TONE)
    assert (await call.reinvite("sendonly")).status == 200
    assert (await call.reinvite("sendrecv")).status == 200
    await hears(call, TONE)


async def is_called(place: Place, phone: Baresip, user: str, caller: Phone) -> None:
    """Rings and is cancelled; then it answers, keys, holds, and is hung up."""
    call = await caller.dial(number_of(user))
    await phone.event("CALL_INCOMING")
    await call.ringing()
    assert await call.cancel() == 487
    await phone.event("CALL_CLOSED")
    call = await caller.dial(number_of(user))
    await phone.event("CALL_INCOMING")
    phone.tell("accept")
    await call.answered()
    await phone.event("CALL_ESTABLISHED")
    call.rtp.play(SAID)
    await call.hears(TONE)
    await keys(phone, call)
    await holds(phone, call)
    await call.hang_up()
    await phone.event("CALL_CLOSED")


async def calls(place: Place, phone: Baresip, far_user: str, far: Phone) -> None:
    """Gives up while it rings; then it talks and hangs up."""
    usual, far.behaviour = far.behaviour, Never()
    phone.tell("dial", f"sip:{number_of(far_user)}@{DOMAIN}")
    call = await far.next_call()
    await phone.event("CALL_RINGING")
    phone.tell("hangup")
    await call.ended()
    await phone.event("CALL_CLOSED")
    far.behaviour = usual
    phone.tell("dial", f"sip:{number_of(far_user)}@{DOMAIN}")
    call = await far.next_call()
    await call.confirmed()
    await phone.event("CALL_ESTABLISHED")
    call.rtp.play(SAID)
    await call.hears(TONE)
    phone.tell("hangup")
    await call.ended()
    await phone.event("CALL_CLOSED")


async def hands_on(place: Place, phone: Baresip, user: str, caller: Phone, far_user: str, far: Phone) -> None:
    """REFER: the caller talks to the other phone, this one is out of it."""
    call = await caller.dial(number_of(user))
    await phone.event("CALL_INCOMING")
    phone.tell("accept")
    await call.answered()
    await phone.event("CALL_ESTABLISHED")
    call.rtp.play(SAID)
    await call.hears(TONE)
    phone.tell("transfer", f"sip:{number_of(far_user)}@{DOMAIN}")
    other = await far.next_call()
    await other.confirmed()
    other.rtp.play(550)
    await phone.event("CALL_CLOSED")
    await other.hears(SAID)
    await hears(call, 550)
    await call.hang_up()
    await other.ended()


async def all_of_it(place: Place, directory: Path, user: str, far_user: str, authority: Path | None) -> None:
    """One baresip of an account, and all that it does."""
    target = ("127.0.0.1", place.udp if authority is None else place.tls)
    phone = baresip(
        directory, Room(), user, target, authority=authority, password=f"secret-{user}", domain=DOMAIN
    )  # fmt: skip
    async with (
        phone as it,
        await carrier(place, f"1391111000{USERS.index(user)}") as caller,
        await desk(place, far_user) as far,
    ):
        await is_called(place, it, user, caller)
        await calls(place, it, far_user, far)
        await hands_on(place, it, user, caller, far_user, far)
        assert caller.complaints == far.complaints == []


async def test_registered_called_calling_hold_keys_transfer_and_cancel(
    place: Place, switch: RunningSwitch, tmp_path: Path
) -> None:
    """Two of them side by side, one in clear, one by TLS and SRTP; the records tell which leg was secured."""
    for user in (PLAIN, SAFE):
        (tmp_path / user).mkdir()
    await together(
        all_of_it(place, tmp_path / PLAIN, PLAIN, DESK, None),
        all_of_it(place, tmp_path / SAFE, SAFE, OTHER, place.authority.file),
    )
    await switch.nothing_left()
    legs = switch.rows("select secured from legs where sip_status = 200")
    secured = [leg["secured"] for leg in legs if leg["secured"]]
    # It was called twice, and called once.
    assert secured == ["AES_CM_128_HMAC_SHA1_80"] * 3
    calls = switch.rows("select cause, transfers from calls")
    assert sorted(call["cause"] for call in calls) == ["cancelled"] * 4 + ["normal"] * 6
    assert sum(call["transfers"] for call in calls) == 2
