"""Recordings that are kept sealed, for a time: a real switch, its recorder, and what the command line makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from media.recorder.finishing import checksum
from media.recorder.wav import header
from tests.e2e.test_recording import AGENT_HZ, CALLER_HZ, TALK, changes, talk, talker, the_call_to
from tests.support.command import command
from tests.support.sipp import need_sipp
from tests.support.sounds import read_wav, seconds_of
from tests.support.switch import RunningSwitch, running_switch


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch that seals, and finds a recording that is too old."""
    need_sipp()
    directory = tmp_path_factory.mktemp("archive")
    for day in ("2020-02-29", "2999-12-31"):
        place = directory / "store" / "recordings" / day
        place.mkdir(parents=True)
        (place / "old-1.wav").write_bytes(header(2, 4) + bytes(4))
    with running_switch(directory, recording={"encrypt": True, "keep": "30d"}, **changes()) as running:
        yield running


async def test_a_call_is_kept_sealed(switch: RunningSwitch, tmp_path: Path) -> None:
    """No wav is on the disk; its checksum is told; an operator gets it in clear, and the audit log knows."""
    await talk(switch, tmp_path, talker(tmp_path, "13911113000", 2.0))
    call = await the_call_to(switch, TALK)
    (recording,) = call["recordings"]
    file = Path(recording["file"])
    assert recording["there"]
    assert file.name.endswith(".wav.sealed")
    assert [path.name for path in file.parent.glob("*.wav")] == []

    def told() -> list[str]:
        return [entry["sha256"] for entry in switch.log_entries() if entry["event"] == "recording.ready"]

    await switch.eventually(lambda: bool(told()))
    assert told() == [checksum(file)[0]]
    target = tmp_path / "clear.wav"
    await command(switch, "calls", "audio", call["id"], "-o", str(target))
    sound = read_wav(target)
    assert seconds_of(sound[:, 0], CALLER_HZ) > 1.0
    assert seconds_of(sound[:, 1], AGENT_HZ) > 1.0
    heard = switch.rows("select subject from audit_log where action = 'recording.heard'")
    assert [row["subject"] for row in heard] == [recording["id"]]


async def test_what_is_too_old_is_gone(switch: RunningSwitch) -> None:
    """At the start, with a mark."""
    recordings = switch.store / "recordings"
    await switch.eventually(lambda: not (recordings / "2020-02-29" / "old-1.wav").exists())
    await switch.eventually((recordings / "2020-02-29" / "old-1.json").exists)
    assert '"why": "kept for 30 days"' in (recordings / "2020-02-29" / "old-1.json").read_text()
    assert (recordings / "2999-12-31" / "old-1.wav").exists()
