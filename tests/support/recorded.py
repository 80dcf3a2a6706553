"""The files that a switch has recorded, once they are whole."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.command import shown_call
from tests.support.patience import PATIENCE
from tests.support.sounds import Sound, read_wav
from tests.support.switch import RunningSwitch


async def recording_of(switch: RunningSwitch, number: str) -> Sound:
    """The one recording of the one call to a number, once it is complete: late packets are waited for."""
    query = f"select id from calls where called = '{number}'"
    await switch.eventually(lambda: bool(switch.rows(query)))
    async with asyncio.timeout(PATIENCE * 10):
        while True:
            (recording,) = (await shown_call(switch, switch.rows(query)[0]["id"]))["recordings"]
            if recording["there"] and recording["sidecar"]["complete"]:
                return read_wav(Path(recording["file"]))
            await asyncio.sleep(0.3)
