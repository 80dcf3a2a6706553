"""What the resources work on: the parts of the running switch, and how commands are logged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from config.schema import Config
from ivr_flows.model import Flow
from routing.acd.engine import Engine
from switchboard.api.audit_trail import AuditTrail
from switchboard.api.gate import address_of
from switchboard.api.once import Once
from switchboard.api.principal import ApiRequest, Principal
from switchboard.api.services import Services
from switchboard.api.views import RegionOf, no_region
from switchboard.calls.carriers.report import TrunkReport
from switchboard.calls.commands import Actor, Command, Done
from switchboard.calls.desk import Desk
from switchboard.calls.exchange import Exchange
from switchboard.net.message_ring import MessageRing
from switchboard.ops.health import Health
from switchboard.store.store import Store


class Flows(Protocol):
    """The flows of the running switch."""

    async def reload(self) -> dict[str, object]:
        """Read, check and take over."""

    def listing(self) -> dict[str, object]:
        """Every version and the calls in it."""


class TrunkOffice(Protocol):
    """The carriers of the running switch."""

    @property
    def config(self) -> Config:
        """The configuration with the trunks that are live."""

    async def reload(self) -> dict[str, object]:
        """Read the file anew and take its trunks over."""

    def listing(self) -> list[TrunkReport]:
        """All of them."""

    def show(self, name: str) -> TrunkReport | None:
        """One of them."""

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch one, or `TRUNK/GATEWAY`, on or off; False when there is no such."""


CommandCall: TypeAlias = Callable[[Exchange, Command, Actor, float], Done]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the handlers use; repositories wait for the database and are called in threads."""

    services: Services
    config: Config
    store: Store
    exchange: Exchange
    desk: Desk
    engine: Engine
    command: CommandCall
    flows: Flows
    trunks: TrunkOffice
    load_flows: Callable[[], Mapping[str, Flow]]
    health: Health
    recordings: Path
    """The directory of recordings and voice messages."""
    apply_masks: Callable[[Sequence[str]], Awaitable[object]]
    """Brings some bindings into the running table; with many of them reads all anew."""
    light_lamp: Callable[[str], None]
    """Tells the owners of a voice mail box what is in it."""
    region_of: RegionOf = no_region
    ring: MessageRing | None = None
    """The latest SIP messages; None when none are kept."""
    once: Once = field(default_factory=lambda: Once(time.monotonic))
    trail: AuditTrail
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while agents or groups are changed: the desk follows in the order in which changes are stored."""

    async def note(
        self, request: ApiRequest, principal: Principal, action: str, subject: str = "", outcome: str = "ok",
        detail: str = "",
    ) -> None:  # fmt: skip
        """Write a line into the audit log and wait until it is there."""
        address = address_of(request.scope)
        await self.trail.note(principal.name, principal.role, address, action, subject, outcome, detail)


Wired: TypeAlias = NamedDependency[SkipValidation[Parts]]
"""Type of a handler's parameter `parts`."""


def actor_of(principal: Principal) -> Actor:
    """Who a principal is to calls and queues."""
    role = principal.role if principal.role != "auditor" else "agent"
    return Actor(id=principal.name, agent=principal.agent, role=role)
