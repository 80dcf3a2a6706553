"""SIPp as who is called: gone elsewhere, out of time, over before it rang, sent more than a datagram holds,
late with an answer, and without memory of the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.phone import Answer, Phone
from bench.sipp import Sipp
from tests.support.ports import MEDIA_RANGE, free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import DOMAIN, together
from tests.support.switch import RunningSwitch, running_switch

HERE = Path(__file__).parent
AGENT = Path(__file__).parents[2] / "bench" / "scenarios" / "agent.xml"
CARRIER, DESK = "127.0.0.2", "desk"
MOVED, ELSEWHERE, RINGING, FORKED, BY_TCP, BY_UDP, LATE, BOTH, UPDATING, FORGETFUL = (free_port() for _ in range(10))


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """On UDP and TCP, with one number for each of those who are called; any codec passes."""
    need_sipp()
    port = free_port()
    places = dict(enumerate((MOVED, RINGING, FORKED, BY_TCP, BY_UDP, LATE, BOTH, UPDATING), 701))
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        sip={
            "listen": [
                {"host": "127.0.0.1", "port": port},
                {"host": "127.0.0.1", "port": port, "transport": "tcp"},
            ]
        },
        trunks=[
            {"name": "carrier", "from": [CARRIER]},
            {"name": "informed", "from": ["127.0.0.3"], "to": f"127.0.0.1:{FORGETFUL}", "dtmf": "info"},
        ],
        accounts=[{"user": DESK, "password": f"secret-{DESK}"}],
        masks=[
            {"number": "709", "extension": "1234", "real": "13911112222", "trunk": "informed", "shown": "01088880000"}
        ],
        numbers=[
            {"number": "709", "mask": True},
            *({"number": str(number), "target": f"sip:agent@127.0.0.1:{place}"} for number, place in places.items()),
        ],
        media={"ports": MEDIA_RANGE, "codecs": ["PCMA", "PCMU", "any"], "silence": "30s"},
        limits={"ring_timeout": "15s", "drain": "1s"},
    ) as running:
        running.sip_port = port
        yield running


async def over(sipp: Sipp) -> None:
    """It has played its one call, in which nothing may go wrong."""
    await asyncio.to_thread(sipp.wait, 25.0, lambda row: None)
    sipp.__exit__(None, None, None)
    totals = sipp.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (1, 0, 0), totals


def called(directory: Path, scenario: Path, port: int, *more: str) -> Sipp:
    """Somebody who is called once."""
    return Sipp(scenario, directory, port, next_media_port(), arguments=("-m", "1", *more))


def calling(directory: Path, switch: RunningSwitch, scenario: str, number: str, place: Path = HERE) -> Sipp:
    """A caller of the carrier's."""
    return Sipp(
        place / f"sipp_{scenario}.xml", directory, free_port(), next_media_port(),
        f"{switch.target[0]}:{switch.target[1]}", ("-s", number, "-m", "1", "-l", "1", "-r", "1"), CARRIER,
    )  # fmt: skip


def changed(directory: Path, scenario: str, before: str, after: str) -> Path:
    """A scenario that differs from one of ours in one thing."""
    text = (HERE / f"sipp_{scenario}.xml").read_text()
    assert before in text
    here = directory / f"sipp_{scenario}.xml"
    here.write_text(text.replace(before, after))
    return here


async def sent_elsewhere(switch: RunningSwitch, directory: Path, caller: Phone, contact: str, status: int) -> None:
    """One call whose first party leads to `contact`."""
    with called(directory, HERE / "sipp_moved.xml", MOVED, "-key", "elsewhere", contact) as moved:
        call = await caller.dial("701")
        assert await call.decided() == status
        await over(moved)
        if status == 200:
            await call.hang_up()


async def test_who_is_elsewhere_is_followed_where_that_is_ours(switch: RunningSwitch, tmp_path: Path) -> None:
    """To its own host and to an account; a number by the carrier gets nobody but 480 (RFC 3261 §8.1.3.4)."""
    async with (
        await Phone.open("13911110000", host=CARRIER, target=switch.target) as caller,
        await Phone.open(DESK, target=switch.target, password=f"secret-{DESK}", domain=DOMAIN) as desk,
    ):
        with called(tmp_path, AGENT, ELSEWHERE) as elsewhere:
            await sent_elsewhere(switch, tmp_path, caller, f"sip:other@127.0.0.1:{ELSEWHERE}", 200)
            await over(elsewhere)
        await desk.register()
        desk.behaviour = Answer()
        await sent_elsewhere(switch, tmp_path, caller, f"sip:{DESK}@{DOMAIN}", 200)
        costly = f"sip:0013800138000@{CARRIER}:{caller.address[1]}"
        await sent_elsewhere(switch, tmp_path, caller, costly, 480)
        assert caller.complaints == desk.complaints == []
    await switch.nothing_left()


async def test_an_invite_that_expires(switch: RunningSwitch, tmp_path: Path) -> None:
    """Its seconds are over while the far side rings: 487 here, CANCEL there (RFC 3261 §13.3.1)."""
    ringing, caller = called(tmp_path, HERE / "sipp_rings_on.xml", RINGING), calling(tmp_path, switch, "expires", "702")
    with ringing, caller:
        await together(over(ringing), over(caller))
    await switch.eventually(lambda: len(switch.rows("select id from calls where cause = 'expired'")) == 1)


async def test_a_caller_whose_call_is_completed_elsewhere(switch: RunningSwitch, tmp_path: Path) -> None:
    """The phone that rings is told, so that it shows no missed call (RFC 3326 §1)."""
    tell = 'Reason: SIP;cause=200;text="x"'
    changed(tmp_path, "cancel", "CSeq: 1 CANCEL\n", f"CSeq: 1 CANCEL\n      {tell}\n")
    checked = """<recv request="CANCEL"><action>
      <ereg regexp="SIP;cause=200;" search_in="hdr" header="Reason:" check_it="true" assign_to="reason"/>
    </action></recv>
    <Reference variables="reason"/>"""
    ringing = called(tmp_path, changed(tmp_path, "rings_on", '<recv request="CANCEL"/>', checked), RINGING)
    caller = calling(tmp_path, switch, "cancel", "702", tmp_path)
    with ringing, caller:
        await together(over(ringing), over(caller))
    elsewhere = "select id from calls where cause = 'cancelled' and q850 = 26"
    await switch.eventually(lambda: len(switch.rows(elsewhere)) == 1)


async def test_progress_that_is_no_ringing(switch: RunningSwitch, tmp_path: Path) -> None:
    """A 183 without a description reaches the caller as that."""
    going = called(tmp_path, changed(tmp_path, "rings_on", "180 Ringing", "183 Session Progress"), RINGING)
    changed(tmp_path, "cancel", '<recv response="180"/>', '<recv response="183"/>')
    caller = calling(tmp_path, switch, "cancel", "702", tmp_path)
    with going, caller:
        await together(over(going), over(caller))


async def test_a_caller_who_says_bye_while_it_rings(switch: RunningSwitch, tmp_path: Path) -> None:
    """In the early dialog, which nothing reliable has begun: 200, and 487 to the INVITE; CANCEL there (§15)."""
    ringing = called(tmp_path, HERE / "sipp_rings_on.xml", RINGING)
    caller = calling(tmp_path, switch, "ends_early", "702")
    with ringing, caller:
        await together(over(ringing), over(caller))
    ended = "select id from calls where cause = 'cancelled' and q850 = 16"
    await switch.eventually(lambda: len(switch.rows(ended)) == 1)


async def test_no_ringing_and_no_answer(switch: RunningSwitch, tmp_path: Path) -> None:
    """199 of the far side is not passed on as ringing; an offer of ours that the ACK leaves open changes nothing."""
    forked, caller = (
        called(tmp_path, HERE / "sipp_early_over.xml", FORKED),
        calling(tmp_path, switch, "leaves_unanswered", "703"),
    )
    with forked, caller:
        await together(over(forked), over(caller))


@pytest.mark.parametrize(("number", "transport"), [("704", "TCP"), ("705", "UDP")])
async def test_an_invite_too_large_for_a_datagram(
    switch: RunningSwitch, tmp_path: Path, number: str, transport: str
) -> None:
    """It goes by TCP to who has TCP, and by UDP after all to who refuses that (RFC 3261 §18.1.1)."""
    scenario = tmp_path / "sipp_takes_much.xml"
    scenario.write_text((HERE / scenario.name).read_text().replace("@transport@", transport))
    agent = called(tmp_path, scenario, *((BY_TCP, "-t", "t1") if transport == "TCP" else (BY_UDP,)))
    caller = calling(tmp_path, switch, "offers_much", number)
    with agent, caller:
        await together(over(agent), over(caller))


def answers(switch: RunningSwitch) -> float:
    """How many 2xx it has received."""
    return switch.metrics().get('sip_messages_total{direction="in",kind="2xx"}', 0)


async def test_an_answer_that_crosses_the_cancel(switch: RunningSwitch, tmp_path: Path) -> None:
    """The caller has 487 by then; the one who has answered gets ACK and BYE (RFC 5407 §3.1.2)."""
    late = called(tmp_path, HERE / "sipp_answers_anyway.xml", LATE)
    async with await Phone.open("13911110000", host=CARRIER, target=switch.target) as caller:
        with late:
            call = await caller.dial("706")
            await call.ringing()
            await call.cancel()
            assert await call.decided() == 487
            await over(late)
    await switch.nothing_left()


async def test_two_who_answer_and_byes_that_cross(switch: RunningSwitch, tmp_path: Path) -> None:
    """The second 200 gets ACK and BYE in its own dialog (RFC 3261 §13.2.2.4); crossing BYEs get 200 each."""
    both = called(tmp_path, HERE / "sipp_two_answer.xml", BOTH)
    async with await Phone.open("13911110000", host=CARRIER, target=switch.target) as caller:
        before = answers(switch)
        with both:
            call = await caller.dial("707")
            assert await call.decided() == 200
            # Two to INVITE, one to the BYE of the second.
            await switch.eventually(lambda: answers(switch) >= before + 3)
            await call.hang_up()
            await over(both)
    await switch.nothing_left()


async def test_who_is_called_sends_update(switch: RunningSwitch, tmp_path: Path) -> None:
    """Hold and back, 422 for a session too short and 200 for one long enough, 420 (RFC 3311, RFC 4028 §9)."""
    updating = called(tmp_path, HERE / "sipp_updates.xml", UPDATING)
    async with await Phone.open("13911110000", host=CARRIER, target=switch.target) as caller:
        with updating:
            call = await caller.dial("708")
            assert await call.decided() == 200
            await over(updating)
            await call.ended()


async def test_who_has_forgotten_the_call_is_hung_up(switch: RunningSwitch, tmp_path: Path) -> None:
    """481 to a key by INFO, and to the re-INVITE that asks: the call is over (RFC 5057 §5.1)."""
    forgetful = called(tmp_path, HERE / "sipp_forgets.xml", FORGETFUL)
    async with await Phone.open("13911110000", host=CARRIER, target=switch.target) as caller:
        with forgetful:
            call = await caller.dial("709*1234")
            await call.answered()
            await call.info("5")
            await over(forgetful)
            await call.ended()
    await switch.nothing_left()
