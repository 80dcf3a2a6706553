"""How trunks do, for operators: calls, limits, health, registrations, what became of attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from routing.trunks.limits import Load
from routing.trunks.table import LiveGateway, LiveTrunk
from switchboard.calls.carriers.description import ONLY_GATEWAY
from switchboard.sip.render import host_port

if TYPE_CHECKING:
    from switchboard.calls.carriers.live import Carriers
    from switchboard.sip.outbound_registration import OutboundRegistration


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of a trunk or gateway. `asr` is the part of attempts that was answered, None before the first."""

    calls: int = 0
    channels: int = 0
    rate: int = 0
    cps: int = 0
    attempts: int = 0
    answered: int = 0
    received: int = 0
    asr: float | None = None
    failed_status: int | None = None
    failed_ago: float | None = None


class RegistrationReport(msgspec.Struct, frozen=True, kw_only=True):
    """A registration of ours: "held", "refreshing", "trying", "waiting", "leaving" or "off"; `at` is the gateway."""

    state: str
    at: str = ""
    expires_in: float | None = None
    reason: str = ""


class GatewayReport(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway; `state` is "up", "down", "unknown", "paused" or "disabled"."""

    name: str
    to: str
    transport: str
    addresses: list[str]
    state: str
    order: int
    weight: int
    counted: Counted
    registered: bool | None = None


class TrunkReport(msgspec.Struct, frozen=True, kw_only=True):
    """One trunk; `state` is "open", "closed" (by its hours), "full", "down" or "disabled"."""

    name: str
    state: str
    to: str
    counted: Counted
    gateways: list[GatewayReport]
    registrations: list[RegistrationReport]
    removed: bool = False


def report_all(carriers: Carriers, now: float) -> list[TrunkReport]:
    """All trunks, by name."""
    return [report_of(carriers, carriers.table.trunks[name], now) for name in sorted(carriers.table.trunks)]


def report_of(carriers: Carriers, trunk: LiveTrunk, now: float) -> TrunkReport:
    """One trunk."""
    gateways = [_gateway(carriers, one, now) for one in trunk.gateways.values()]
    return TrunkReport(
        name=trunk.carrier.name,
        state=_state(carriers, trunk, gateways, now),
        to=", ".join(gateway.to for gateway in gateways),
        counted=_counted(trunk.load, now),
        gateways=gateways,
        registrations=[_registration(one, now) for one in carriers.registrations(trunk.carrier.name)],
    )


def _state(carriers: Carriers, trunk: LiveTrunk, gateways: list[GatewayReport], now: float) -> str:
    if trunk.disabled:
        return "disabled"
    if gateways and all(gateway.state in ("down", "disabled") for gateway in gateways):
        return "down"
    reason = carriers.table.choose(trunk.carrier.name, now).reason
    return reason if reason in ("closed", "full") else "open"


def _gateway(carriers: Carriers, gateway: LiveGateway, now: float) -> GatewayReport:
    site = carriers.site(gateway)
    addresses = [host_port(address) for address in carriers.places(site, now)] if site is not None else []
    state = gateway.health.state.value
    if gateway.disabled:
        state = "disabled"
    elif state != "down" and now < gateway.avoided_until:
        state = "paused"
    return GatewayReport(
        name=gateway.gateway.name,
        to=site.to if site is not None else "",
        transport=(site.transport or "any") if site is not None else "",
        addresses=addresses,
        state=state,
        order=gateway.order,
        weight=gateway.weight,
        counted=_counted(gateway.load, now),
        registered=gateway.registered,
    )


def _counted(load: Load, now: float) -> Counted:
    failure = load.failure
    return Counted(
        calls=load.calls,
        channels=load.limits.channels,
        rate=load.rate(now),
        cps=load.limits.cps,
        attempts=load.attempts,
        answered=load.answered,
        received=load.seen,
        asr=round(load.answered / load.attempts, 3) if load.attempts else None,
        failed_status=failure.status if failure is not None else None,
        failed_ago=round(now - failure.at, 1) if failure is not None else None,
    )


def _registration(registration: OutboundRegistration, now: float) -> RegistrationReport:
    place, holds = registration.bound_at, registration.holds(now)
    return RegistrationReport(
        state=registration.state.value,
        at=place.gateway.partition("/")[2] or ONLY_GATEWAY if place is not None and holds else "",
        expires_in=round(registration.bound_until - now, 1) if holds else None,
        reason=registration.reason,
    )
