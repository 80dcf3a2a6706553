"""Recorded calls of a carrier we did not write: what is in their files, what is not, and what a fault costs."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from bench.phone import Answer, Call, Phone
from tests.support.command import shown_call
from tests.support.patience import PATIENCE
from tests.support.planes import Plane, on_both, open_plane
from tests.support.ports import MEDIA_THIRDS
from tests.support.sipp import Caller, Heard, carry, listening, need_sipp
from tests.support.sounds import KEYS, RATE, TICK, Sound, keyed, read_wav, seconds_of, strength, tone, write_capture
from tests.support.stage import FLOWS, together
from tests.support.switch import RunningSwitch, running_switch
from tests.support.talking import fragile_switch

DOMAIN = "switchboard.local"
TALK, PAUSES, SECRETS, SECRET_EVENTS, VOICEMAIL = (f"400800300{place}" for place in range(5))
CALLER_HZ, AGENT_HZ = 620, 880
CAPTURE = "talk.pcap"
EDGE = 0.06
DRIFT = 0.3
"""Seconds by which timestamps may leave the time of arrival before they are put right."""
Meanwhile = Callable[[list[Call]], Coroutine[Any, Any, None]]
OPEN_KEYS, SECRET_KEYS = "11", "9080"
LOOKED_AT: set[str] = set()


def numbers() -> list[dict[str, Any]]:
    """The dial plan."""
    return [
        {"number": TALK, "target": "aor:agent", "record": True},
        {"number": PAUSES, "flow": "pauses"},
        {"number": SECRETS, "flow": "secrets"},
        {"number": VOICEMAIL, "flow": "voicemail"},
        {"number": SECRET_EVENTS, "flow": "secrets"},
    ]


def changes() -> dict[str, Any]:
    """The sections of the configuration."""
    accounts = [{"user": "agent", "password": "agent-secret"}]
    return {"numbers": numbers(), "masks": [], "accounts": accounts, "flows": [str(FLOWS)]}


@pytest.fixture(scope="module")
def plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A plane on a third of the ports: it is there until the end, beside the two switches that are harmed."""
    with open_plane(request.param, tmp_path_factory.mktemp("plane"), MEDIA_THIRDS[0]) as opened:
        yield opened


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory, plane: Plane) -> Iterator[RunningSwitch]:
    """A switch that records."""
    need_sipp()
    with running_switch(tmp_path_factory.mktemp("recording"), **changes(), **plane.changes) as running:
        yield running


async def the_agent(switch: RunningSwitch, hears: list[Call]) -> None:
    """Answers the one call, and plays a tone until it ends."""
    async with await Phone.open("agent", target=switch.target, password="agent-secret", domain=DOMAIN) as phone:
        phone.behaviour = Answer(after=0.2)
        await phone.register()
        call = await phone.next_call(within=20)
        hears.append(call)
        await call.confirmed()
        call.rtp.play(AGENT_HZ)
        await call.ended(within=40)
        assert phone.complaints == []


async def talk(switch: RunningSwitch, directory: Path, caller: Caller, *meanwhile: Meanwhile) -> float:
    """SIPp plays its tone to the agent, who hears it to the end without a loss; for how long the agent has spoken."""
    write_capture(directory / CAPTURE, tone(caller.talk_ms / 1000 + 1.0, CALLER_HZ))
    heard: list[Call] = []
    await together(
        the_agent(switch, heard), carry(caller, switch.target, directory, TALK), *(one(heard) for one in meanwhile)
    )
    stats = heard[0].rtp.stats()
    assert (stats.lost, stats.duplicates, stats.streams) == (0, 0, 1)
    assert stats.received >= 50
    assert heard[0].rtp.hears(CALLER_HZ, 1.0)
    return heard[0].rtp.sent * TICK


def talker(directory: Path, number: str, seconds: float) -> Caller:
    """The caller of a talk."""
    return Caller(number, "", round(seconds * 1000), audio=directory / CAPTURE)


def check_heard(heard: Heard, *callers: Caller) -> None:
    """Each heard the agent to the end, without a loss."""
    for caller in callers:
        ear = heard.by(caller)
        stats = ear.stats()
        assert (stats.lost, stats.streams) == (0, 1), stats
        assert ear.hears(AGENT_HZ, 1.0, skip=0.2), stats


async def the_call_to(switch: RunningSwitch, number: str) -> dict[str, Any]:
    """Its record, once it has ended; each is looked at once, so that a second try sees its own."""

    def ended() -> list[str]:
        calls = switch.rows(f"select id from calls where called = '{number}' order by id desc")
        return [call["id"] for call in calls if call["id"] not in LOOKED_AT]

    await switch.eventually(lambda: bool(ended()))
    LOOKED_AT.add(newest := ended()[0])
    return await shown_call(switch, newest)


def unharmed(call: dict[str, Any]) -> bool:
    """Whether the caller hung up at its own time, and all that one side sent went to the other."""
    caller, agent = (leg["media"] for leg in call["legs"])
    passed = caller["received"] == agent["sent"] and agent["received"] == caller["sent"]
    return passed and (call["cause"], call["ended_by"]) == ("normal", "caller")


def sides(recording: dict[str, Any]) -> tuple[Sound, Sound]:
    """The caller's and the other channel of a complete file, which is as long as is told."""
    assert recording["there"]
    assert recording["sidecar"]["complete"]
    sound = read_wav(Path(recording["file"]))
    assert sound.shape[1] == 2
    assert len(sound) / RATE == pytest.approx(recording["seconds"], abs=0.01)
    return sound[:, 0], sound[:, 1]


def sounds_for(sound: Sound, key: str, window: float = 0.025) -> float:
    """The longest stretch, in seconds, in which a key is to be heard."""
    row, column = (strength(sound, hz, window) for hz in KEYS[key])
    longest = lasts = 0
    for loud in np.minimum(row, column) >= 900:
        lasts = lasts + 1 if loud else 0
        longest = max(longest, lasts)
    return longest * window


def silent(sound: Sound, span: dict[str, Any], edge: float = EDGE) -> bool:
    """Whether there is nothing at all in a stretch of the file; packets that passed just then may reach into it."""
    begin, end = span["at"] + edge, span["at"] + span["seconds"] - edge
    return not np.any(sound[round(begin * RATE) : round(end * RATE)])


async def a_talk(switch: RunningSwitch, directory: Path, caller: Caller, *, begins_within: float) -> None:
    """Left the caller, right the agent, nothing of the other in either, from the answer to the end."""
    spoke = await talk(switch, directory, caller)
    call = await the_call_to(switch, TALK)
    (recording,) = call["recordings"]
    left, right = sides(recording)
    (talked,) = [one for one in call["segments"] if one["kind"] == "talk"]
    lasted = np.datetime64(talked["ended"][:26]) - np.datetime64(talked["started"][:26])
    assert recording["seconds"] == pytest.approx(lasted / np.timedelta64(1, "s"), abs=0.5 * PATIENCE)
    assert seconds_of(left, CALLER_HZ) == pytest.approx(4.0, abs=max(0.6, begins_within))
    assert seconds_of(right, AGENT_HZ) == pytest.approx(min(spoke, recording["seconds"]), abs=begins_within)
    # A tone's edge is heard at every frequency for one window; the other's tone would be in all of them.
    assert np.quantile(strength(left, AGENT_HZ), 0.9) < 50
    assert np.quantile(strength(right, CALLER_HZ), 0.9) < 50
    assert seconds_of(left, AGENT_HZ) == seconds_of(right, CALLER_HZ) == 0
    assert recording["sidecar"]["gap_count"] == 0


async def pauses(switch: RunningSwitch, directory: Path) -> None:
    """What is said and heard in the pause, and after the end, is not in the file."""
    capture = write_capture(directory / "pauses.pcap", tone(8.0, CALLER_HZ))
    await carry(Caller("13911113001", "", 9000, audio=capture), switch.target, directory, PAUSES)
    (recording,) = (await the_call_to(switch, PAUSES))["recordings"]
    left, right = sides(recording)
    (pause,) = recording["sidecar"]["silent"]
    assert (pause["why"], pause["seconds"]) == ("paused", pytest.approx(1.0, abs=0.9))
    assert silent(left, pause, DRIFT)
    assert silent(right, pause, DRIFT)
    assert 2.7 < recording["seconds"] < 6.0
    assert [round(seconds_of(right, hz)) for hz in (500, 700, 900, 1100)] == [1, 0, 1, 0]
    # The caller begins 0.6 s after it was answered.
    assert 1.0 < seconds_of(left, CALLER_HZ) < 4.0


async def secrets(switch: RunningSwitch, directory: Path, number: str, *, events: bool) -> None:
    """Keys in the audio, told of by RFC 4733 as well or not: neither the open nor the secret ones are in the file."""
    speaks = tone(1.5, CALLER_HZ)
    parts = [speaks, keyed(OPEN_KEYS), tone(0.6, CALLER_HZ), keyed(SECRET_KEYS), speaks, tone(2.0)]
    starts = np.cumsum([0, *(len(part) for part in parts)]) / RATE
    keys = {
        float(starts[place] + 0.2 * index): key
        for place, typed in ((1, OPEN_KEYS), (3, SECRET_KEYS))
        for index, key in enumerate(typed)
    }
    capture = write_capture(directory / f"{number}.pcap", np.concatenate(parts), keys if events else {})
    caller = Caller("13911113002", "", 9000, audio=capture, events=events)
    await carry(caller, switch.target, directory, number)
    call = await the_call_to(switch, number)
    assert call["path"] == ["tape", "open", "pin", "thanks", "over"]
    assert [(entry["node"], entry["key"]) for entry in call["trail"]] == [("open", "2 digits"), ("pin", "4 digits")]
    (recording,) = call["recordings"]
    left, right = sides(recording)
    *keys_out, hidden = recording["sidecar"]["silent"]
    assert {key["why"] for key in keys_out} == {"keys"}
    # Of the last ones what lies beside the secret is left out with it.
    assert 0.1 <= sum(key["seconds"] for key in keys_out) < 0.6
    assert all(silent(left, key) for key in keys_out)
    assert hidden["why"] == "concealed"
    # What a machine that stood still brings in one lump is put down by its timestamps, as far as it goes.
    edge = max(DRIFT, hidden["seconds"] / 3)
    assert silent(left, hidden, edge)
    assert silent(right, hidden, edge)
    # From the last open key to a moment after the last secret one: 0.6 s of speech, four keys, and the rest.
    assert 1.1 < hidden["seconds"] < 4.0
    for side in (left, right):
        assert [key for key in SECRET_KEYS if sounds_for(side, key)] == []
        # Where a tone is torn, what is left of it may be shorter than any key is (ITU-T Q.24: 40 ms).
        assert [key for key in OPEN_KEYS if sounds_for(side, key) > 0.025] == []
    # Where audio is led on to a worker first, some of the beginning is not in it.
    assert 1.6 < seconds_of(left, CALLER_HZ) < 1.5 + 1.5 + 0.1
    assert seconds_of(right, 500) > 0.4
    assert seconds_of(right, 300) < 0.2
    assert seconds_of(right, 2500) > 1.0


@on_both
async def test_what_is_in_a_recording_and_what_is_not(switch: RunningSwitch, tmp_path: Path, plane: Plane) -> None:
    """A talk, pauses, and secret keys, all at the same time."""
    caller = talker(tmp_path, "13911113000", 4.0)
    with listening() as captured:
        await together(
            # rtpengine leads audio that is recorded on to a worker, which takes a few commands, one after the other.
            a_talk(switch, tmp_path, caller, begins_within=0.4 if plane.counts_all else 0.5 * PATIENCE),
            pauses(switch, tmp_path),
            secrets(switch, tmp_path, SECRETS, events=False),
            secrets(switch, tmp_path, SECRET_EVENTS, events=True),
        )
    check_heard(captured[0], caller)
    await switch.nothing_left()
    await told_of_once(switch)


async def test_faults_cost_no_call(tmp_path: Path) -> None:
    """It is killed in a call; and elsewhere, a file stands where the directory of recordings should be."""
    need_sipp()
    directories = [tmp_path / "killed", tmp_path / "unwritable"]
    for directory in directories:
        directory.mkdir()
    place = tmp_path / "recordings"
    place.write_text("not a directory")
    with (
        fragile_switch(directories[0], 0, media={"ports": MEDIA_THIRDS[1]}, **changes()) as one,
        fragile_switch(
            directories[1], 0, media={"ports": MEDIA_THIRDS[2]}, recording={"directory": str(place)}, **changes()
        ) as other,
    ):
        callers = [
            talker(directory, "13911113000", seconds)
            for directory, seconds in zip(directories, (10.5, 3.0), strict=True)
        ]
        with listening() as captured:
            await together(
                the_recorder_is_killed(one, directories[0], callers[0]),
                nothing_can_be_written(other, directories[1], callers[1]),
            )
        check_heard(captured[0], *callers)


async def the_recorder_is_killed(switch: RunningSwitch, directory: Path, caller: Caller) -> None:
    """The call goes on unharmed; what was said before is in the file, and what was said after the restart."""
    killed: list[psutil.Process] = []

    async def kill(heard: list[Call]) -> None:
        await switch.eventually(lambda: bool(heard), within=10)
        await heard[0].confirmed()
        await asyncio.sleep(6.0)
        process = switch.child("media.recorder")
        process.kill()
        killed.append(process)

    await talk(switch, directory, caller, kill)
    assert switch.child("media.recorder").pid != killed[0].pid
    call = await the_call_to(switch, TALK)
    assert unharmed(call)
    (recording,) = call["recordings"]
    assert recording["seconds"] == pytest.approx(10.9, abs=0.8)
    gaps = recording["sidecar"]["gaps"]
    assert [(gap["side"], gap["why"]) for gap in gaps] == [("left", "recorder"), ("right", "recorder")], recording
    for gap, sound, hz in zip(gaps, sides(recording), (CALLER_HZ, AGENT_HZ), strict=True):
        # What it held for packets that come late is lost with it: two or three seconds.
        assert gap["seconds"] < 5.0
        assert silent(sound, gap)
        assert seconds_of(sound[: round(gap["at"] * RATE)], hz) > 1.0
        assert seconds_of(sound[round((gap["at"] + gap["seconds"]) * RATE) :], hz) > 1.0


async def nothing_can_be_written(switch: RunningSwitch, directory: Path, caller: Caller) -> None:
    """A recorded talk and a message: told in the log and in the records; the talk hears nothing of it."""
    await together(
        talk(switch, directory, caller),
        carry(Caller("13911113003", "", 15000), switch.target, directory, VOICEMAIL),
    )
    call = await the_call_to(switch, TALK)
    assert unharmed(call)
    assert [(one["seconds"], one["there"]) for one in call["recordings"]] == [(0.0, False)]
    message = await the_call_to(switch, VOICEMAIL)
    assert (message["path"], message["cause"]) == (["record", "failed"], "failed")
    errors = {entry["event"]: entry for entry in switch.log_entries() if entry["level"] == "error"}
    assert {event: entry["call_id"] for event, entry in errors.items()} == {
        "recording.failed": call["id"],
        "voicemail.failed": message["id"],
    }
    assert errors["recording.failed"]["reason"] == "not a directory"


async def told_of_once(switch: RunningSwitch) -> None:
    """Each complete file is in the log with its checksum, once."""
    files = {path for path in (switch.store / "recordings").rglob("*.wav") if not path.name.endswith(".part.wav")}
    assert files

    def ready() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in switch.log().splitlines() if '"recording.ready"' in line]
        return [line for line in lines if line["event"] == "recording.ready"]

    await switch.eventually(lambda: len(ready()) >= len(files))
    assert sorted(line["sha256"] for line in ready()) == sorted(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    )
    known = {row["id"] for row in switch.rows("select id from call_recordings")}
    assert {line["recording"] for line in ready()} <= known
    assert not list((switch.store / "finished").iterdir())
