"""The parts of the running switch that the API works on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ivr_flows.model import Flow
from routing.masks.secret import Sealed, VaultError
from switchboard.api.audit_trail import AuditTrail
from switchboard.api.resources.parts import Parts
from switchboard.api.services import Services
from switchboard.api.serving import SwitchApi
from switchboard.api.types import Region
from switchboard.calls.control import command

if TYPE_CHECKING:
    from switchboard.app import Switch


def build_switch_api(
    switch: Switch,
    *,
    recordings: Path,
    load_flows: Callable[[], Mapping[str, Flow]],
    apply_masks: Callable[[Sequence[str]], Awaitable[object]],
    light_lamp: Callable[[str], None],
) -> SwitchApi:
    """The API of a switch; takes a second, so in a thread."""
    store = switch.store
    services = Services(
        users=store.users,
        refresh_tokens=store.refresh_tokens,
        audit=store.audit,
        vault=store.vault,
        run=switch.driver.run,
        failed=lambda: switch.metrics.error("api"),
    )

    def region_of(fingerprint: bytes, sealed: bytes) -> Region | None:
        if not sealed:
            return None
        try:
            found = switch.regions.lookup(store.vault.open(Sealed(sealed)).reveal("region"))
        except VaultError:
            # The key of an old record is not here any more; the record is shown all the same.
            return None
        return Region(province=found.province, city=found.city, carrier=found.carrier)

    parts = Parts(
        services=services,
        config=switch.config,
        store=store,
        exchange=switch.exchange,
        desk=switch.desk,
        engine=switch.desk.engine,
        command=command,
        flows=switch.flow_reload,
        trunks=switch.trunks,
        load_flows=load_flows,
        health=switch.health,
        recordings=recordings,
        apply_masks=apply_masks,
        light_lamp=light_lamp,
        region_of=region_of,
        ring=switch.ring,
        trail=AuditTrail(store.audit, services.utc),
    )
    api = SwitchApi(parts)
    api.measure(switch.metrics)
    return api
