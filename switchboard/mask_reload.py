"""Changed masks go live in the running switch: a few bindings at once, or a whole new table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from config.schema import Config
from routing.masks.binding import Difference
from routing.masks.check_digit import Check
from routing.masks.secret import RealNumber
from routing.masks.table import MaskTable
from switchboard.directory import Directory
from switchboard.locating import configured_places
from switchboard.net.locator import Locator
from switchboard.ops.log import get_logger
from switchboard.store.masks import MOST_IDS, apply_changes
from switchboard.store.store import Store

MASK_REST: Final = 0.001
"""Rest of the reloading thread every few hundred bindings, so that the loop is never kept waiting for long."""


class MaskReload:
    """Keeps the bindings and pools of a running switch like its store."""

    def __init__(
        self, config: Config, store: Store, directory: Directory, locator: Locator, patterns: list[str]
    ) -> None:
        """`patterns` are what the targets of masks call by name."""
        self._config = config
        self._store = store
        self._directory = directory
        self._locator = locator
        self._log = get_logger()
        self.patterns = patterns

    async def reload(self, request: object = None) -> dict[str, int]:
        """Build a whole new table in a thread, then take it over; calls never see half of it."""
        table, difference = await asyncio.to_thread(self._new_masks)
        pools = await asyncio.to_thread(self._store.read_pools)
        self._directory.masks.swap(table)
        self.set_pools(*pools)
        self._keep_names()
        # All at once, the loop would stand still while 200,000 old bindings are given back.
        await asyncio.to_thread(table.dissolve, _rest)
        self._log.info(
            "masks.reloaded", bindings=len(self._directory.masks), added=difference.added, removed=difference.removed
        )
        return {"bindings": len(self._directory.masks)}

    async def apply(self, bindings: Sequence[str]) -> None:
        """Bring bindings up to date: some, all anew when they are many, and the pools when none is named."""
        if len(bindings) > MOST_IDS:
            await self.reload()
        else:
            await self.change({"bindings": bindings, "pools": not bindings})

    async def change(self, request: Mapping[str, object]) -> dict[str, int]:
        """Bring a few bindings up to date, and with `pools` what is given out; `refusals` are customers' words.

        Each of these is a fingerprint in hexadecimal digits, and whether the refusal was taken back.
        """
        for customer, withdrawn in msgspec.convert(request.get("refusals", []), list[tuple[str, bool]]):
            self._directory.refuse(bytes.fromhex(customer), withdrawn)
        wanted = msgspec.convert(request.get("bindings", []), list[str])
        changes = await asyncio.to_thread(self._store.read_mask_changes, wanted, self._config.masks)
        count = apply_changes(self._directory.masks, changes)
        self._keep_names()
        if request.get("pools") is True:
            self.set_pools(*await asyncio.to_thread(self._store.read_pools))
        self._log.info("masks.changed", changed=len(wanted), bindings=count)
        return {"bindings": count}

    def _keep_names(self) -> None:
        """Look up ahead what the targets of the configuration and of masks call by name."""
        patterns = self._directory.masks.sip_patterns()
        if patterns != self.patterns:
            self.patterns = patterns
            self._locator.keep(configured_places(self._config, patterns))

    def set_pools(self, numbers: Sequence[str], checks: Mapping[str, Check]) -> None:
        """Give out these X numbers, and extensions with these check digits."""
        for fault in self._directory.set_pools(numbers, checks):
            self._log.error("masks.no_check_digit", reason=fault)

    def _new_masks(self) -> tuple[MaskTable, Difference]:
        table = self._store.load_masks(self._config.masks, _rest)
        return table, self._directory.masks.compare(table)


def _rest() -> None:
    time.sleep(MASK_REST)


def group_members(config: Config, store: Store) -> dict[str, list[bytes]]:
    """By group, the fingerprints of the numbers from which its members call."""
    return {
        group.name: [store.vault.fingerprint(RealNumber(number.reveal("fingerprint"))) for number in group.numbers]
        for group in config.groups
    }
