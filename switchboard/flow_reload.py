"""Changed flow files go live for new calls once they have been checked; a bad one is refused and the old one stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import watchfiles

from config.errors import ConfigError
from ivr_flows.errors import FlowError
from ivr_flows.model import Flow
from switchboard.calls.exchange import Exchange
from switchboard.ops.log import get_logger

SETTLE_MS: Final = 300
"""An editor writes a file in several steps; only when nothing has changed for this long is it read."""

SHOWN_FAULTS: Final = 20


class FlowReload:
    """Keeps the shelf of a running switch like its files."""

    def __init__(self, exchange: Exchange, load: Callable[[], Mapping[str, Flow]], paths: tuple[Path, ...]) -> None:
        self._exchange = exchange
        self._load = load
        self._paths = paths
        self._log = get_logger()
        self._turn = asyncio.Lock()
        self.refused = 0
        self._faulty = False
        """Whether the files, as they were read last, are not what is live."""

    async def watch(self) -> None:
        """Reload whenever a file changes, for ever."""
        present = [path for path in self._paths if path.exists()]
        async for _ in watchfiles.awatch(*present, watch_filter=_is_flow, debounce=SETTLE_MS, step=SETTLE_MS // 3):
            await self.reload()

    async def reload(self) -> dict[str, object]:
        """Read and check everything in a thread, then swap; what was done, or the faults that kept it from being."""
        async with self._turn:
            try:
                flows = await asyncio.to_thread(self._load)
            except (FlowError, ConfigError) as error:
                self.refused += 1
                self._faulty = True
                faults = [str(fault) for fault in error.all] if isinstance(error, FlowError) else [str(error)]
                for fault in faults[:SHOWN_FAULTS]:
                    self._log.error("flows.refused", fault=fault, hint="the flows that were live stay live")
                return {"refused": faults[:SHOWN_FAULTS]}
            x = self._exchange
            change = x.flows.replace(flows, {(call.flow, call.flow_version) for call in x.calls.values() if call.flow})
            if not change.nothing:
                self._log.warning("flows.live", added=change.added, changed=change.changed, removed=change.removed)
            elif self._faulty:
                self._log.warning("flows.restored", hint="the files are again what is live")
            self._faulty = False
            return {"added": change.added, "changed": change.changed, "removed": change.removed}

    def listing(self) -> dict[str, object]:
        """Every version on the shelf, with the calls that are in it now."""
        x = self._exchange
        live: dict[tuple[str, str], int] = {}
        for call in x.calls.values():
            if call.flow:
                key = (call.flow, call.flow_version)
                live[key] = live.get(key, 0) + 1
        rows = [
            {
                "flow": flow.name,
                "version": flow.version,
                "file": flow.file,
                "newest": x.flows.newest(flow.name) is flow,
                "calls": live.get((flow.name, flow.version), 0),
            }
            for flow in x.flows.versions()
        ]
        rows = [row for row in rows if row["newest"] or row["calls"]]
        return {"flows": sorted(rows, key=lambda row: (row["flow"], not row["newest"]))}


def _is_flow(change: watchfiles.Change, path: str) -> bool:
    return path.endswith((".yaml", ".yml")) and not path.endswith(".test.yaml")
