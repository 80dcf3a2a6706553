"""rtpengine goes and comes back under a switch that has calls; calls that nobody ended are ended."""

from __future__ import annotations

import json
import signal
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from bench.phone import Answer, Call, Phone, RefusedError
from media.rtpengine.commands import Party, offer
from tests.support.rtpengine import Rtpengine, missing, running_rtpengine, start
from tests.support.stage import hear_each_other
from tests.support.switch import RunningSwitch, running_switch

NUMBER = "70001"


async def talk(caller: Phone, desk: Phone) -> tuple[Call, Call]:
    """A call in which both hear each other."""
    call = await caller.dial(NUMBER)
    far = await desk.next_call()
    await call.answered()
    await far.confirmed()
    await hear_each_other(call, far)
    return call, far


def states(switch: RunningSwitch, rtpengine: bool) -> bool:
    """Whether the switch sees rtpengine, or does not, and has ports."""
    metrics = switch.metrics()
    return metrics["media_ports_rtpengine"] == rtpengine and (metrics["media_ports_free"] > 0) == rtpengine


def settings(engine: Rtpengine, **media: str) -> dict[str, Any]:
    """A switch that notices soon that rtpengine is away."""
    there = engine.media
    hasty = {**there["rtpengine"], "timeout": "1s", "ping": "200ms"}
    return {
        "numbers": [{"number": NUMBER, "target": "aor:alice"}],
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
        target, domain = switch.target, "switchboard.local"
        async with (
            await Phone.open("alice", target=target, password="alice-secret", domain=domain) as desk,
            await Phone.open("13800138000", target=target) as caller,
        ):
            desk.behaviour = Answer()
            await desk.register()
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
        target, domain = switch.target, "switchboard.local"
        async with (
            await Phone.open("alice", target=target, password="alice-secret", domain=domain) as desk,
            await Phone.open("13800138000", target=target) as caller,
        ):
            desk.behaviour = Answer()
            await desk.register()
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
            for one in (call, far):
                one.rtp.received.clear()
            await hear_each_other(call, far)
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


def names(engine: Rtpengine) -> set[str]:
    """Whose calls there are; those of the earlier process by their number."""
    calls = engine.ask(command="list", limit=500)["calls"]
    return {"dead" if "-dead-" in call else call.partition("-")[0] for call in calls}
