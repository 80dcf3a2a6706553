"""A softphone we did not write (pjsua2) as the hidden agent, called through SIPp and through our own phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Phone
from bench.rtp import share
from tests.support.pjsua import TONE, Softphone, need_pjsua, softphone
from tests.support.planes import CHOSEN, WORKERS, Plane, on_both
from tests.support.sipp import Caller, listening, need_sipp, place
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

NUMBER = "4008001234"
USERS = ("800001", "800002", "800003", "800004")


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[RunningSwitch]:
    """A switch with four softphone accounts."""
    need_pjsua()
    changes = {
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in USERS],
        "masks": [{"number": NUMBER, "extension": user, "target": f"aor:{user}"} for user in USERS],
        "numbers": [
            {"number": NUMBER, "flow": "extension"},
            *({"number": f"70{user[3:]}", "target": f"aor:{user}"} for user in USERS),
        ],
    }
    with running_switch(tmp_path_factory.mktemp("switch"), **changes, **plane.changes) as running:
        yield running


def check_record(switch: RunningSwitch, caller: str, extension: str, by: str, cause: str) -> None:
    """The record of the caller's last call."""
    call = switch.rows(f"select * from calls where caller_masked like '%{caller[-4:]}' order by id desc")[0]
    assert (call["extension"], call["ended_by"], call["cause"]) == (extension, by, cause)


def check_digest(phone: Softphone, algorithm: str) -> None:
    """It was challenged, and proved itself by this algorithm and no other."""
    sent = [line for line in phone.traffic().splitlines() if line.startswith("Authorization: Digest")]
    assert sent
    assert all(f"algorithm={algorithm}" in line for line in sent)


# --- the caller is SIPp ---


async def sipp_talks(switch: RunningSwitch, directory: Path, user: str, algorithm: str, *, agent_ends: bool) -> None:
    """SIPp keys, the softphone rings and answers; SIPp sends speech, the softphone its tone."""
    caller = Caller(f"1391111{user[-4:]}", user, talk_ms=8000 if agent_ends else 2500)
    with listening() as captured:
        async with softphone(directory, user, f"secret-{user}", switch.target, algorithm) as phone:
            await together(
                the_agent(phone, caller, agent_ends=agent_ends),
                the_carrier(switch, caller, directory),
            )
        check_digest(phone, algorithm)
    ear = captured[0].by(caller)
    assert captured[0].before_the_keys(caller) >= 25, "it heard the prompt"
    assert ear.hears(TONE, 0.5, skip=0.1)
    # What rtpengine plays has an SSRC of its own, and what it relays that of whoever says it.
    assert (ear.stats().lost, ear.stats().streams) == (0, 1 if CHOSEN == WORKERS else 2)
    # SIPp's speech begins low, after half a second of silence.
    loudest = max(map(abs, phone.heard()))
    assert loudest > 500


async def the_carrier(switch: RunningSwitch, caller: Caller, directory: Path) -> None:
    """One call, in which nothing failed."""
    totals = await place(caller, switch.target, directory, NUMBER)
    assert (totals.successful, totals.failed, totals.unexpected, totals.retransmissions) == (1, 0, 0, 0), totals


async def the_agent(phone: Softphone, caller: Caller, *, agent_ends: bool) -> None:
    """Ring, answer, talk; nothing of the caller is seen."""
    told = await phone.event("incoming", within=15)
    assert caller.number not in told["message"]
    phone.tell("answer")
    await phone.event("confirmed")
    if agent_ends:
        phone.tell("expect 75")
        await phone.event("received")
        phone.tell("hangup")
    ended = await phone.event("ended")
    assert ended["received"] >= 25
    assert ended["lost"] == 0
    assert ended["sent"] >= 25
    assert phone.codecs() == ["PCMA"]


async def test_sipp_reaches_a_foreign_softphone(switch: RunningSwitch, tmp_path: Path) -> None:
    """Registered by MD5 or SHA-256 digest, hung up by either side: heard both ways, recorded, nothing left."""
    need_sipp()
    one, two, *_ = USERS
    await together(
        sipp_talks(switch, tmp_path, one, "SHA-256", agent_ends=False),
        sipp_talks(switch, tmp_path, two, "MD5", agent_ends=True),
    )
    await switch.nothing_left()
    check_record(switch, one, one, "caller", "normal")
    check_record(switch, two, two, "agent", "normal")
    legs = switch.rows("select received, sent, lost, strangers from legs")
    assert len(legs) == 4
    assert all(leg["received"] >= 25 and leg["sent"] >= 25 for leg in legs)
    assert all(leg["lost"] == leg["strangers"] == 0 for leg in legs)


# --- the caller is ours ---


async def it_talks(switch: RunningSwitch, directory: Path, user: str) -> None:
    """A tone each way, and nothing else in it; the caller holds, comes back and hangs up."""
    async with (
        softphone(directory, user, f"secret-{user}", switch.target) as phone,
        await Phone.open(f"1391111{user[-4:]}", target=switch.target) as carrier,
    ):
        call = await carrier.dial(f"70{user[3:]}")
        await phone.event("incoming")
        await call.ringing()
        phone.tell("answer")
        await call.answered()
        call.rtp.play(440)
        await call.hears(TONE)
        assert (await call.reinvite("sendonly")).status == 200
        assert (await call.reinvite("sendrecv")).status == 200
        call.rtp.received.clear()
        await call.hears(TONE)
        await call.hang_up()
        ended = await phone.event("ended")
        assert ended["lost"] == 0
        assert carrier.complaints == []
    heard = phone.heard()
    # Its own clock may slip or its jitter buffer mend: an eighth of a second without either is enough.
    assert max(share(heard[at : at + 1000], 440) for at in range(0, len(heard) - 1000, 500)) > 0.9


async def it_declines_and_is_cancelled(switch: RunningSwitch, directory: Path, user: str) -> None:
    """Busy is told to the caller; a caller that gives up stops the ringing."""
    async with (
        softphone(directory, user, f"secret-{user}", switch.target) as phone,
        await Phone.open(f"1391111{user[-4:]}", target=switch.target) as busy,
        await Phone.open("13911119999", target=switch.target) as gives_up,
    ):
        call = await busy.dial(f"70{user[3:]}")
        await phone.event("incoming")
        phone.tell("refuse 486")
        assert await call.decided() == 486
        await phone.event("ended")
        call = await gives_up.dial(f"70{user[3:]}")
        await phone.event("incoming")
        await call.ringing()
        assert await call.cancel() == 487
        assert (await phone.event("ended"))["status"] == 487
        assert busy.complaints == gives_up.complaints == []


@on_both
async def test_a_foreign_softphone_talks_holds_refuses_and_is_cancelled(switch: RunningSwitch, tmp_path: Path) -> None:
    """What our own phone does with a desk works with a softphone that others wrote."""
    *_, one, two = USERS
    await together(it_talks(switch, tmp_path, one), it_declines_and_is_cancelled(switch, tmp_path, two))
    await switch.nothing_left()
    check_record(switch, one, "", "caller", "normal")
    check_record(switch, two, "", "agent", "busy")
    check_record(switch, "9999", "", "caller", "cancelled")
