"""Trunks of a running switch: shown, switched on and off, and changed by the file while calls are up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from config.errors import ConfigError
from config.schema import Config
from routing.trunks import TrunkError, Trunks
from switchboard.calls.carriers.report import TrunkReport, report_all, report_of
from switchboard.calls.exchange import Exchange
from switchboard.ops.control import Command, CommandError
from switchboard.ops.log import get_logger
from switchboard.trunk_config import sources_of, trunks_of, way_out

TAKEN_OVER: Final = frozenset({"trunks", "outbound"})
"""Sections that a reload takes over; for all others the switch has to start anew."""

Step = Callable[[float], None]


class TrunkControl:
    """What operators see of trunks and do to them; `run` carries a step out among the calls."""

    def __init__(
        self,
        exchange: Exchange,
        config: Config,
        load: Callable[[], Config],
        look_up: Callable[[Config], Awaitable[None]],
        take_over: Callable[[Config, Trunks], None],
        run: Callable[[Step], None],
    ) -> None:
        """`load` reads the file anew, `look_up` finds its names, `take_over` tells the parts beside calls of it."""
        self.config = config
        """The configuration as it is live: that of the start, with the trunks of the last reload."""
        self.refused = 0
        self._exchange = exchange
        self._load = load
        self._look_up = look_up
        self._take_over = take_over
        self._run = run
        self._turn = asyncio.Lock()
        self._log = get_logger()

    async def reload(self) -> dict[str, object]:
        """Read and check the file, then take its trunks over: what has changed, or the fault that kept it from being.

        Calls that are up go on with what they have; a file with a fault anywhere changes nothing.
        """
        async with self._turn:
            try:
                config = await asyncio.to_thread(self._load)
                sources, trunks = sources_of(config), trunks_of(config)
            except (ConfigError, TrunkError) as error:
                self.refused += 1
                self._log.error("trunks.refused", fault=str(error), hint="the trunks that were live stay live")
                return {"refused": [str(error)]}
            live = msgspec.structs.replace(self.config, trunks=config.trunks, outbound=config.outbound)
            await self._look_up(live)
            x = self._exchange
            done: dict[str, tuple[str, ...]] = {}

            others = sorted(
                name
                for name in Config.__struct_fields__
                if name not in TAKEN_OVER and getattr(config, name) != getattr(self.config, name)
            )

            def swap(now: float) -> None:
                # What is told of addresses meanwhile is to be added to the new sources.
                self.config = live
                self._take_over(live, sources)
                x.settings = msgspec.structs.replace(x.settings, outbound=way_out(config))
                done.update(msgspec.to_builtins(x.carriers.change(trunks, now)))

            self._run(swap)
            self._log.warning("trunks.live", **{name: list(names) for name, names in done.items()}, waiting=others)
            return {**done, "waiting": others}

    def listing(self) -> list[TrunkReport]:
        """All trunks."""
        return self._read(lambda now: report_all(self._exchange.carriers, now))

    def show(self, name: str) -> TrunkReport | None:
        """One trunk; None when there is none of that name."""
        carriers = self._exchange.carriers
        live = carriers.table.trunks.get(name)
        return self._read(lambda now: [report_of(carriers, live, now)])[0] if live is not None else None

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch a trunk, or `TRUNK/GATEWAY`, on or off for new calls; False when there is no such."""
        found: list[bool] = []
        self._run(lambda now: found.append(self._exchange.carriers.switch(name, now, on=on)))
        return found == [True]

    def commands(self) -> dict[str, Command]:
        """`trunks`, `trunk`, `switch-trunk` and `reload-trunks` of the control socket."""
        return {
            "trunks": lambda request: self.listing(),
            "trunk": self._show,
            "switch-trunk": self._switch,
            "reload-trunks": lambda request: self.reload(),
        }

    def _show(self, request: Mapping[str, object]) -> TrunkReport:
        name = str(request.get("trunk"))
        report = self.show(name)
        if report is None:
            raise CommandError(f"no trunk is called '{name}'")
        return report

    def _switch(self, request: Mapping[str, object]) -> bool:
        name = str(request.get("trunk"))
        if not self.switch(name, on=request.get("on") is True):
            raise CommandError(f"no trunk is called '{name}', nor a gateway (TRUNK/GATEWAY)")
        return True

    def _read(self, read: Callable[[float], list[TrunkReport]]) -> list[TrunkReport]:
        found: list[TrunkReport] = []
        self._run(lambda now: found.extend(read(now)))
        return found
