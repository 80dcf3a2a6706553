"""A call whose recording fills a real filesystem."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stage import Stage, hear_each_other, recorded_stage
from tests.support.switch import running_switch

SIZE = "128k"
"""Four seconds of a stereo recording."""


@contextlib.contextmanager
def small_filesystem(place: Path) -> Iterator[None]:
    """A directory that is full soon."""
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}; run the tests as root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_a_full_disk_ends_the_recording_and_not_the_call(tmp_path: Path) -> None:
    """Both go on hearing each other; what was written is whole, and log and JSON say why there is no more."""
    place = tmp_path / "recordings"
    changes = {**recorded_stage(), "recording": {"directory": str(place)}}
    with small_filesystem(place), running_switch(tmp_path, but="recording.failed", **changes) as switch:
        stage = Stage(switch)
        async with stage.pair() as one:
            call, far = await one.talk()
            await hear_each_other(call, far)
            await switch.eventually(lambda: "no space left on device" in switch.log(), within=30)
            call.rtp.received.clear()
            far.rtp.received.clear()
            await hear_each_other(call, far)
            await call.hang_up()
            await stage.ended(one, "caller", "normal")
        await switch.eventually(lambda: '"recording.ready"' in switch.log(), within=30)
        (sidecar,) = place.rglob("*.json")
        about = json.loads(sidecar.read_text())
        assert (about["complete"], about["error"]) == (False, "no space left on device")
        assert sidecar.with_suffix(".wav").stat().st_size == about["octets"] == 44 + about["seconds"] * 8000 * 4
        (failed,) = [line for line in switch.log_entries() if line["event"] == "recording.failed"]
        assert failed["reason"] == "no space left on device"
