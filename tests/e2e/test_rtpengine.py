"""rtpengine goes and comes back under a switch that has calls; calls that nobody ended are ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import struct
import urllib.error
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Answer, Call, Phone, RefusedError
from bench.rtp import RtpPort
from bench.sipp import Sipp
from media.rtp.rtcp import Report, build_description, build_report
from media.rtpengine.commands import Party, answer, offer, place_in
from tests.support.patience import PATIENCE
from tests.support.pjsua import need_pjsua, softphone
from tests.support.ports import MEDIA_FIRST, free_port
from tests.support.rtpengine import Rtpengine, missing, running_rtpengine, start
from tests.support.sipp import need_sipp, next_media_port
from tests.support.stage import hear_each_other
from tests.support.switch import PROJECT, RunningSwitch, running_switch

NUMBER, RECORDED = "70001", "70002"
AGENT = PROJECT / "bench" / "scenarios" / "agent.xml"
STAYS = PROJECT / "tests" / "interop" / "sipp_stays.xml"


async def talk(caller: Phone, desk: Phone, number: str = NUMBER) -> tuple[Call, Call]:
    """A call in which both hear each other."""
    call = await caller.dial(number)
    far = await desk.next_call()
    await call.answered()
    await far.confirmed()
    await hear_each_other(call, far)
    return call, far


async def hear_each_other_afresh(call: Call, far: Call) -> None:
    """They still do."""
    for one in (call, far):
        one.rtp.received.clear()
    await hear_each_other(call, far)


@contextlib.asynccontextmanager
async def parties(switch: RunningSwitch) -> AsyncIterator[tuple[Phone, Phone]]:
    """A registered desk that answers, and a caller."""
    target = switch.target
    async with (
        await Phone.open("alice", target=target, password="alice-secret", domain="switchboard.local") as desk,
        await Phone.open("13800138000", target=target) as caller,
    ):
        desk.behaviour = Answer()
        await desk.register()
        yield desk, caller


def states(switch: RunningSwitch, rtpengine: bool) -> bool:
    """Whether the switch sees rtpengine, or does not, and has ports."""
    metrics = switch.metrics()
    return metrics["media_ports_rtpengine"] == rtpengine and (metrics["media_ports_free"] > 0) == rtpengine


def settings(engine: Rtpengine, **media: Any) -> dict[str, Any]:
    """A switch that notices soon that rtpengine is away."""
    there = engine.media
    hasty = {**there["rtpengine"], "timeout": "1s", "ping": "200ms"}
    return {
        "numbers": [
            {"number": NUMBER, "target": "aor:alice"},
            {"number": RECORDED, "target": "aor:alice", "record": True},
        ],
        "masks": [],
        "media": {**there, "rtpengine": hasty, **media},
    }


def reasons(switch: RunningSwitch) -> list[str]:
    """What its health says is wrong."""
    try:
        report = switch.get("/health")
    except urllib.error.HTTPError as refusal:
        with refusal:
            report = refusal.read()
    return list(json.loads(report)["reasons"])


async def test_rtpengine_may_be_killed_and_started_again(tmp_path: Path) -> None:
    """New calls get 503 meanwhile, and a talk that stays dead ends by the rule; then all is as before."""
    if why := missing():
        pytest.skip(why)
    with (
        running_rtpengine(tmp_path) as engine,
        running_switch(tmp_path, **settings(engine, silence="3s")) as switch,
    ):
        async with parties(switch) as (desk, caller):
            call, far = await talk(caller, desk)
            engine.process.kill()
            engine.process.wait()
            await switch.eventually(lambda: states(switch, rtpengine=False), within=15)
            with pytest.raises(RefusedError, match="503"):
                await (await caller.dial(NUMBER)).answered()
            assert reasons(switch) == ["media: rtpengine does not answer"]
            await call.ended(within=15)
            await far.ended()
            again = start(tmp_path, engine.port, engine.keys)
            engine.process = again.process
            await switch.eventually(lambda: states(switch, rtpengine=True), within=15)
            call, far = await talk(caller, desk)
            await call.hang_up()
            await far.ended()
            await switch.nothing_left()
        answered = "select cause from calls where answered_us is not null"
        await switch.eventually(lambda: len(switch.rows(answered)) == 2)
        assert sorted(record["cause"] for record in switch.rows(answered)) == ["media_silent", "normal"]
        for event in ("rtpengine.unreachable", "rtpengine.unheard", "call.one_way"):
            assert f'"{event}"' in switch.log()
        assert "Traceback" not in switch.log()
        (switch.directory / "switch.log").unlink()  # that is an error, which a switch at its end must not have logged


async def test_calls_outlast_an_rtpengine_that_stands_still(tmp_path: Path) -> None:
    """Who was held and taken back meanwhile is heard when it goes on, who hung up is gone; calls that it has lost by a
    restart end as lost."""
    if why := missing():
        pytest.skip(why)
    with running_rtpengine(tmp_path) as engine, running_switch(tmp_path, **settings(engine)) as switch:
        async with parties(switch) as (desk, caller):
            short, its_far = await talk(caller, desk)
            call, far = await talk(caller, desk)
            engine.process.send_signal(signal.SIGSTOP)
            await switch.eventually(lambda: states(switch, rtpengine=False), within=15)
            await short.hang_up()
            await its_far.ended()
            await call.reinvite("sendonly")
            await call.reinvite()
            engine.process.send_signal(signal.SIGCONT)
            await switch.eventually(lambda: states(switch, rtpengine=True), within=15)
            await hear_each_other_afresh(call, far)
            await switch.eventually(lambda: len(switch.rows("select id from calls")) == 1, within=15)
            engine.process.kill()
            engine.process.wait()
            engine.process = start(tmp_path, engine.port, engine.keys).process
            await call.ended(within=15)
            await far.ended()
            await switch.nothing_left()
            await switch.eventually(lambda: len(switch.rows("select id from calls")) == 2)
        assert sorted(record["cause"] for record in switch.rows("select cause from calls")) == ["media_lost", "normal"]
        assert '"rtpengine.call_lost"' in switch.log()
        assert "Traceback" not in switch.log()
        (switch.directory / "switch.log").unlink()  # as above


async def test_what_an_earlier_process_has_left_is_ended(tmp_path: Path) -> None:
    """Its calls alone; those of others stay, and of our own none when the switch has stopped."""
    if why := missing():
        pytest.skip(why)
    with running_rtpengine(tmp_path) as engine:
        for name in ("switchboard-dead-1", "switchboard-dead-2", "others-1"):
            assert engine.ask(**offer(name, "a", "", Party("127.0.0.1", 9)))["result"] == "ok"
        with running_switch(tmp_path, media=engine.media) as switch:
            await switch.eventually(lambda: names(engine) == {"switchboard", "others"}, within=15)
            await switch.eventually(lambda: engine.calls() == engine.media["rtpengine"]["spare"] + 1, within=15)
        await switch.eventually(lambda: engine.calls() == 1)


async def test_a_worker_behind_it_that_dies_has_its_own_calls_alone(tmp_path: Path) -> None:
    """Who is recorded is let go, who talks by rtpengine alone talks on; then calls are recorded again."""
    if why := missing():
        pytest.skip(why)
    with running_rtpengine(tmp_path) as engine, running_switch(tmp_path, **settings(engine)) as switch:
        async with parties(switch) as (desk, caller):
            call, far = await talk(caller, desk)
            lost, lost_far = await talk(caller, desk, RECORDED)
            switch.child("media.worker").kill()
            await lost.ended(within=15)
            await lost_far.ended()
            await hear_each_other_afresh(call, far)
            await switch.eventually(lambda: switch.metrics()["media_workers"] == 1, within=15)
            again, again_far = await talk(caller, desk, RECORDED)
            for one, other in ((again, again_far), (call, far)):
                await one.hang_up()
                await other.ended()
            await switch.nothing_left()
        rows = await switch.records(3)
        assert [(row["called"], row["cause"]) for row in rows] == [
            (NUMBER, "normal"), (RECORDED, "media_lost"), (RECORDED, "normal")
        ]  # fmt: skip
        assert "Traceback" not in switch.log()
        (switch.directory / "switch.log").unlink()  # that it has died is an error


async def test_ports_that_are_used_up_refuse_calls_and_harm_none(tmp_path: Path) -> None:
    """Of three callers in a moment two are answered, one is told when to come again; afterwards there is room."""
    if why := missing():
        pytest.skip(why)
    need_sipp()
    port = free_port()
    # Half of them are rtpengine's: two calls of two parties, each with a port for RTP and one for RTCP.
    with running_rtpengine(tmp_path, ports=f"{MEDIA_FIRST}-{MEDIA_FIRST + 15}") as engine:
        sections = settings(engine, silence="3s")
        sections["media"]["rtpengine"]["spare"] = 2
        sections["numbers"] = [{"number": NUMBER, "target": f"sip:agent@127.0.0.1:{port}"}]
        with running_switch(tmp_path, **sections, limits={"ring_timeout": "8s", "drain": "1s"}) as switch:

            def callers(count: str) -> Sipp:
                target = f"{switch.target[0]}:{switch.target[1]}"
                burst = ("-s", NUMBER, "-m", count, "-l", count, "-r", "20")
                return Sipp(STAYS, tmp_path, free_port(), next_media_port(), target, burst)

            with Sipp(AGENT, tmp_path, port, next_media_port(), arguments=("-m", "3")) as agent:
                for count, causes in (("3", ["congestion", "media_silent", "media_silent"]), ("1", ["media_silent"])):
                    await switch.eventually(lambda: states(switch, rtpengine=True))
                    before = len(switch.rows("select id from calls"))
                    with callers(count) as some:
                        await asyncio.to_thread(some.wait, 20.0, lambda row: None)
                    assert (some.totals().successful, some.totals().failed) == (int(count), 0)
                    await switch.nothing_left()
                    assert sorted(row["cause"] for row in (await switch.records(before))[before:]) == causes
                await asyncio.to_thread(agent.wait, 10.0, lambda row: None)
            assert '"rtpengine.refused"' in switch.log()
            (switch.directory / "switch.log").unlink()  # that there are no more ports is an error


async def test_more_calls_in_one_moment_than_are_opened_ahead(tmp_path: Path) -> None:
    """Of 150 that come at once, where 8 are opened ahead, all are answered."""
    if why := missing():
        pytest.skip(why)
    need_sipp()
    port = free_port()
    with running_rtpengine(tmp_path) as engine:
        sections = settings(engine, silence="2s")
        sections["media"]["rtpengine"]["spare"] = 8
        sections["numbers"] = [{"number": NUMBER, "target": f"sip:agent@127.0.0.1:{port}"}]
        with running_switch(tmp_path, **sections, limits={"ring_timeout": "20s", "drain": "1s"}) as switch:
            agent = Sipp(AGENT, tmp_path, port, next_media_port(), arguments=("-m", "150"))
            target = f"{switch.target[0]}:{switch.target[1]}"
            burst = ("-s", NUMBER, "-m", "150", "-l", "150", "-r", "150", "-rp", "10")
            callers = Sipp(STAYS, tmp_path, free_port(), next_media_port(), target, burst)
            with agent, callers:
                await asyncio.to_thread(callers.wait, 60.0, lambda row: None)
                await asyncio.to_thread(agent.wait, 20.0, lambda row: None)
            assert (callers.totals().successful, callers.totals().failed) == (150, 0)
            await switch.nothing_left()


@pytest.mark.parametrize("number", [NUMBER, RECORDED])
async def test_a_party_whose_nat_gives_it_another_port_is_followed(tmp_path: Path, number: str) -> None:
    """A stranger, who sends there as well, is heard by nobody meanwhile and gets nothing."""
    if why := missing():
        pytest.skip(why)
    with running_rtpengine(tmp_path) as engine:
        sections = settings(engine, silence="4s")
        sections["trunks"] = [{"name": "carrier", "from": ["127.0.0.0/8"], "nat": True}]
        with running_switch(tmp_path, **sections) as switch:
            async with parties(switch) as (desk, caller):
                call, far = await talk(caller, desk, number)
                # What it says of itself is an address that nobody reaches.
                call.rtp.address = "192.0.2.1", call.rtp.address[1]
                await call.reinvite()
                await hear_each_other_afresh(call, far)
                # rtpengine follows by itself for the first three seconds.
                await asyncio.sleep(4.0)
                with (
                    contextlib.closing(await RtpPort.open()) as moved,
                    contextlib.closing(await RtpPort.open("127.0.0.77")) as stranger,
                ):
                    moved.remote = stranger.remote = call.rtp.remote
                    call.rtp.stop()
                    far.rtp.received.clear()
                    moved.play(660)
                    stranger.play(1100)
                    await far.hears(660, within=30)
                    async with asyncio.timeout(30 * PATIENCE):
                        while not moved.hears(880):
                            await asyncio.sleep(0.05)
                    assert stranger.ssrc not in {packet.ssrc for packet in far.rtp.received}
                    assert not stranger.received
                await call.hang_up()
                await far.ended()


async def test_packets_that_come_at_once_leave_in_their_order(tmp_path: Path) -> None:
    """Two threads relay eight streams of three packets each 20 ms."""
    if why := missing():
        pytest.skip(why)
    with running_rtpengine(tmp_path) as engine, contextlib.ExitStack() as stack:
        streams = []
        for number in range(8):
            speaker = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            speaker.bind(("127.0.0.1", 0))
            hearer = stack.enter_context(contextlib.closing(await RtpPort.open()))
            engine.ask(**offer(f"order-{number}", "a", "", Party(*speaker.getsockname())))
            place = place_in(engine.ask(**answer(f"order-{number}", "a", "b", Party(*hearer.address))))
            assert place is not None
            streams.append((speaker, place, hearer))
        for sequence in range(0, 900, 3):
            for speaker, place, _ in streams:
                for one in range(sequence, sequence + 3):
                    speaker.sendto(struct.pack("!BBHII", 0x80, 8, one, 160 * one, 1) + bytes(160), place)
            await asyncio.sleep(0.02)
        for _, _, hearer in streams:
            async with asyncio.timeout(5 * PATIENCE):
                while not hearer.received or hearer.received[-1].sequence != 899:
                    await asyncio.sleep(0.02)
            heard = [packet.sequence for packet in hearer.received]
            assert heard == sorted(heard)


async def test_what_a_party_reports_reaches_nobody(tmp_path: Path) -> None:
    """The name in it may be the number that is hidden; whom it was sent to gets reports of rtpengine's own."""
    if why := missing():
        pytest.skip(why)
    with running_rtpengine(tmp_path) as engine, running_switch(tmp_path, **settings(engine)) as switch:
        async with parties(switch) as (desk, caller):
            call, far = await talk(caller, desk)
            came = await exchange_reports(call, far)
            assert came["call"]
            assert came["far"]
            assert not any(b"13800138000" in report for reports in came.values() for report in reports)
            await call.hang_up()
            await far.ended()


async def test_what_phones_report_of_what_they_heard_is_in_the_record(tmp_path: Path) -> None:
    """Two softphones that we did not write: loss, jitter, round trip, and the rating that workers would give."""
    if why := missing():
        pytest.skip(why)
    need_pjsua()
    with running_rtpengine(tmp_path) as engine, running_switch(tmp_path, **settings(engine)) as switch:
        async with (
            softphone(tmp_path, "alice", "alice-secret", switch.target) as alice,
            softphone(tmp_path, "bob", "bob-secret", switch.target) as bob,
        ):
            bob.tell(f"call sip:{NUMBER}@{switch.target[0]}:{switch.target[1]}")
            await alice.event("incoming")
            alice.tell("answer")
            await bob.event("confirmed")
            await asyncio.sleep(17.0)  # each reports every five seconds, and tells the round trip from the second on
            bob.tell("hangup")
            await alice.event("ended")
        await switch.records(1)
        for leg in switch.rows("select * from legs"):
            assert (leg["peer_lost"], leg["mos_in"]) == (0, None)
            assert 0 <= leg["peer_jitter_ms"] < 50
            assert 0 <= leg["round_trip_ms"] < 200
            assert 4.2 <= leg["mos_out"] <= 4.37


async def exchange_reports(call: Call, far: Call) -> dict[str, list[bytes]]:
    """What comes to each party's port of RTCP while both tell a number there, until each has heard a report."""
    loop = asyncio.get_running_loop()
    came: dict[str, list[bytes]] = {"call": [], "far": []}

    async def listen(name: str, one: Call) -> None:
        assert one.rtp._rtcp is not None
        one.rtp._rtcp.setblocking(False)
        while True:
            came[name].append(await loop.sock_recv(one.rtp._rtcp, 2048))

    async def tell(one: Call) -> None:
        assert one.rtp._rtcp is not None
        assert one.rtp.remote is not None
        host, port = one.rtp.remote
        ssrc = one.rtp.ssrc
        report = build_report(Report(ssrc, None)) + build_description(ssrc, b"13800138000@192.0.2.7")
        while True:
            one.rtp._rtcp.sendto(report, (host, port + 1))
            await asyncio.sleep(0.1)

    async def both_heard() -> None:
        while not all(len(reports) > 1 for reports in came.values()):
            await asyncio.sleep(0.1)

    tasks = [
        asyncio.create_task(work)
        for name, one in (("call", call), ("far", far))
        for work in (listen(name, one), tell(one))
    ]
    try:
        await asyncio.wait_for(both_heard(), 60)
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
    return came


def names(engine: Rtpengine) -> set[str]:
    """Whose calls there are; those of the earlier process by their number."""
    calls = engine.ask(command="list", limit=500)["calls"]
    return {"dead" if "-dead-" in call else call.partition("-")[0] for call in calls}
