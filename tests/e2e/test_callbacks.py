"""Being called back with none but foreign peers: SIPp presses 1 and is the carrier that is called, pjsua2 the agents.

Signalling is killed between the key and the call. Whoever is called says a tone of their own, so the agents hear in
which order they were served.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bench.capture import Capture, Packet, Ports
from bench.rtp import ALAW
from bench.sipp import Sipp
from tests.support.patience import PATIENCE
from tests.support.pjsua import Softphone, need_pjsua, softphone
from tests.support.ports import SIPP_FIRST, SIPP_LAST, free_port
from tests.support.sipp import Caller, carry, need_sipp, next_media_port
from tests.support.sounds import Sound, tone, tones_in, write_capture
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

AGENTS = {"anna": 880, "ben": 620}
AGENT_FIRST, CALLER_FIRST = "4001", "4002"
FIRST, SECOND, WAITS, LAST = "13910000011", "13910000012", "13910000013", "13910000014"
BUSY_ONCE, BUSY, TOLD = "13910000015", "13910000016", "13910000017"
SAYS = {FIRST: 440, SECOND: 540, WAITS: 740, LAST: 1040, BUSY_ONCE: 1180, BUSY: 1380, TOLD: 1620}
CALLS_BACK = 7
"""Three by the agent first; two attempts at each of those who are busy."""
OUTCOMES = f'queue_outcomes_total{{group="{AGENT_FIRST}"'
ESTIMATES = f'queue_estimates_total{{group="{AGENT_FIRST}"'
LONG = 60.0
SCENE = 10.0


def settings(carrier_port: int) -> dict[str, object]:
    """Two queues, each with an agent whose phone is not there yet."""
    announcements = {"callback_offer": "60s", "first": "60s"}
    rules = {"join_empty": "always", "announcements": announcements, "service_level": "600s", "refuse_pause": "1s"}
    return {
        "trunks": [{"name": "carrier", "from": ["127.0.0.0/8"], "to": f"127.0.0.1:{carrier_port}"}],
        "outbound": {"trunk": "carrier", "shown": "01088880000"},
        "accounts": [{"user": user, "password": f"secret-{user}"} for user in AGENTS],
        "masks": [],
        "numbers": [{"number": number, "group": number} for number in (AGENT_FIRST, CALLER_FIRST)],
        "groups": [
            {"name": AGENT_FIRST, **rules},
            {"name": CALLER_FIRST, **rules, "callbacks": {"first": "caller", "attempts": 2, "retry_after": "1s"}},
        ],
        "agents": [
            {"id": "anna", "always": True, "groups": {AGENT_FIRST: 1}},
            {"id": "ben", "always": True, "groups": {CALLER_FIRST: 1}},
        ],
        "limits": {"ring_timeout": "8s", "drain": "1s"},
    }


@pytest.fixture
def carrier_port() -> int:
    """Where SIPp takes the calls of those who are called back."""
    return free_port()


@pytest.fixture
def switch(tmp_path_factory: pytest.TempPathFactory, carrier_port: int) -> Iterator[RunningSwitch]:
    """A hotline that has opened, but whose agents are not there yet."""
    need_pjsua()
    need_sipp()
    with running_switch(tmp_path_factory.mktemp("switch"), **settings(carrier_port)) as running:
        yield running


async def press(switch: RunningSwitch, directory: Path, queue: str, *numbers: str) -> None:
    """One after the other they call, press 1 and are hung up by the switch."""
    for number in numbers:
        # Played as what is said: the switch hangs up before a key that is waited for has ended.
        key = write_capture(directory / f"{number}-key.pcap", tone(0), {0.0: "1"})
        caller = Caller(number, "", audio=key, talk_ms=30_000, prompt_ms=0)
        await carry(caller, switch.target, directory, queue)


async def killed(switch: RunningSwitch) -> None:
    """Signalling dies at once, and comes back with all who wait to be called."""
    signalling = switch.child("signalling")
    os.kill(signalling.pid, signal.SIGKILL)
    await switch.eventually(lambda: not signalling.is_running() or signalling.status() == "zombie")

    def back() -> bool:
        try:
            return waiting(switch, AGENT_FIRST) == waiting(switch, CALLER_FIRST) == 2
        except OSError:
            return False

    await switch.eventually(back, 20.0)


def waiting(switch: RunningSwitch, queue: str) -> float:
    """How many wait in a queue to be called back."""
    return switch.metrics().get(f'queue_callbacks{{group="{queue}"}}', 0)


def joined(switch: RunningSwitch, queue: str) -> float:
    """How many have joined a queue since the latest start, callers and callbacks."""
    return switch.metrics().get(f'queue_joined_total{{group="{queue}"}}', 0)


def talks(number: str, directory: Path) -> Caller:
    """Somebody who waits on the line, and says what belongs to the number until hung up."""
    said = write_capture(directory / f"{number}-says.pcap", tone(LONG, SAYS[number]))
    return Caller(number, "", audio=said, talk_ms=round(1000 * LONG))


async def serves(agent: Softphone, *numbers: str, meanwhile: Callable[[], Awaitable[None]] | None = None) -> None:
    """An agent is rung for these, in this order, answers each and hears them; `meanwhile` is done in the last talk."""
    for number in numbers:
        place = (await agent.event("incoming", SCENE))["call"]
        agent.tell("answer")
        await agent.event("media", SCENE)
        if meanwhile is not None and number == numbers[-1]:
            await meanwhile()
        async with asyncio.timeout(SCENE * PATIENCE):
            heard: set[int] = set()
            while not heard:
                heard = tones_in(await agent.listen(place, 0.7), SAYS.values())
        assert heard == {SAYS[number]}
        agent.tell("hangup")
        await agent.event("ended", SCENE)


def written(directory: Path) -> Path:
    """The scenario of those who are called back, and beside it what they say."""
    numbers, audio = [], []
    for place, (number, hertz) in enumerate(SAYS.items(), 1):
        said = write_capture(directory / f"{number}.pcap", tone(LONG, hertz), stream=place)
        numbers.append(f'<ereg regexp="{number}" search_in="hdr" header="To:" assign_to="{place}"/>')
        audio.append(f'<nop condexec="{place}"><action><exec play_pcap_audio="{said}"/></action></nop>')
    text = (Path(__file__).parent / "scenarios" / "called_back.xml").read_text()
    words = {"never": BUSY, "second": BUSY_ONCE, "numbers": "\n".join(numbers), "audio": "\n".join(audio)}
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    scenario = directory / "called_back.xml"
    scenario.write_text(text)
    return scenario


def heard_by(packets: list[Packet], port: int) -> list[set[int]]:
    """The agents' tones in each stream that came to a port."""
    streams: dict[int, bytes] = {}
    for packet in packets:
        if packet.destination[1] == port and packet.payload[1] & 127 == 8:
            streams[packet.source[1]] = streams.get(packet.source[1], b"") + packet.payload[12:]
    sounds: list[Sound] = [np.array([ALAW[code] for code in codes], np.float64) for codes in streams.values()]
    return sorted((tones_in(sound, AGENTS.values()) for sound in sounds), key=sorted)


async def test_who_presses_1_is_called_back_in_turn(switch: RunningSwitch, carrier_port: int, tmp_path: Path) -> None:
    """Agent first and caller first, one wish a number, the exact place among those on the line, a kill in between."""
    called = Sipp(written(tmp_path), tmp_path, carrier_port, next_media_port(), arguments=("-m", str(CALLS_BACK)))
    waits, told = talks(WAITS, tmp_path), talks(TOLD, tmp_path)
    with Capture([Ports(SIPP_FIRST, SIPP_LAST)]) as capture, called:
        await together(
            press(switch, tmp_path, AGENT_FIRST, FIRST, SECOND, FIRST),
            press(switch, tmp_path, CALLER_FIRST, BUSY_ONCE, BUSY),
        )
        await killed(switch)
        async with asyncio.TaskGroup() as group:

            async def joins(caller: Caller, place: int) -> None:
                group.create_task(carry(caller, switch.target, tmp_path, AGENT_FIRST, LONG))
                await switch.eventually(lambda: joined(switch, AGENT_FIRST) == place)

            await joins(waits, 3)
            await press(switch, tmp_path, AGENT_FIRST, LAST)
            async with (
                softphone(tmp_path, "anna", "secret-anna", switch.target, tone=AGENTS["anna"]) as anna,
                softphone(tmp_path, "ben", "secret-ben", switch.target, tone=AGENTS["ben"]) as ben,
            ):

                async def all_of_anna() -> None:
                    await serves(anna, FIRST, SECOND, WAITS, LAST, meanwhile=lambda: joins(told, 6))
                    await serves(anna, TOLD)

                await together(all_of_anna(), serves(ben, BUSY_ONCE))
                await asyncio.to_thread(called.wait, SCENE * PATIENCE, lambda row: None)
    totals = called.totals()
    assert (totals.successful, totals.failed, totals.unexpected) == (CALLS_BACK, 0, 0), totals
    assert heard_by(capture.packets(), called.media_port) == [{AGENTS["ben"]}] + [{AGENTS["anna"]}] * 3
    await switch.nothing_left()
    wishes = switch.rows("select state, reason, attempts from callback_requests order by skill_group, asked_us")
    assert [tuple(wish.values()) for wish in wishes] == [
        ("cancelled", "replaced", 0), ("done", "reached", 1), ("done", "reached", 1), ("done", "reached", 1),
        ("done", "reached", 2), ("failed", "attempts", 2),
    ]  # fmt: skip
    figures = switch.metrics()
    # Since the kill: two restored, two on the line, the last one's call and wish; pressing 1 is no loss.
    assert {name: figures[f'queue_{name}_total{{group="{AGENT_FIRST}"}}'] for name in ("joined", "in_time")} == {
        "joined": 6, "in_time": 5,
    }  # fmt: skip
    outcomes = {name.partition(",outcome=")[2]: count for name, count in figures.items() if name.startswith(OUTCOMES)}
    assert outcomes == {'"reached"}': 3, '"answered"}': 2, '"callback"}': 1}
    # Who came when three had been served was the first one of whom it was known how long it would take.
    assert sum(count for name, count in figures.items() if name.startswith(ESTIMATES)) == 1
    for name in ("said", "real"):
        assert figures[f'queue_estimate_{name}_seconds_total{{group="{AGENT_FIRST}"}}'] > 0
    assert figures["queue_violations_total"] == 0
