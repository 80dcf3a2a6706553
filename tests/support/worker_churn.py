"""Media workers that are added, drained and killed while calls go on."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from typing import Any, Final

from tests.support.command import command
from tests.support.switch import RunningSwitch

LEAST, MOST = 2, 4
"""Workers at a time, killed ones apart; an added one has the ports that the others have left."""
_EVERY: Final = 0.7


class WorkerChurn:
    """An operator, and a misfortune, that change the workers of a running switch at random."""

    def __init__(self, switch: RunningSwitch, dice: random.Random) -> None:
        self.done: Counter[str] = Counter()
        """What was done, by kind."""
        self._switch = switch
        self._dice = dice

    async def goes_on(self, seconds: float) -> None:
        """For so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(_EVERY)
            await self._turn()

    async def workers(self) -> list[dict[str, Any]]:
        """As `workers list` tells them."""
        listed: list[dict[str, Any]] = json.loads(await command(self._switch, "workers", "list", "--format", "json"))
        return listed

    async def _turn(self) -> None:
        workers = await self.workers()
        up = [one["worker"] for one in workers if one["state"] == "up"]
        what = self._dice.choice(("add", "drain", "kill", "kill"))
        if what == "add" and len(workers) < MOST:
            await command(self._switch, "workers", "add")
        elif what == "drain" and len(up) > LEAST:
            await command(self._switch, "workers", "drain", str(self._dice.choice(up)))
        elif what == "kill":
            self._dice.choice(self._switch.children("media.worker")).kill()
        else:
            return
        self.done[what] += 1
