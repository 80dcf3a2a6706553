"""Carriers: how they do, switching them on and off, and taking changes of the file over."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.params import FromPath

from switchboard.api.principal import ApiRequest, Caller, Principal
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Parts, Wired
from switchboard.api.types import GatewayView, OurRegistrationView, TrunkCalls, TrunkChange, TrunkView
from switchboard.calls.carriers.report import Counted, TrunkReport


@get("/trunks", sync_to_thread=False, tags=["trunks"])
def list_trunks(parts: Wired) -> list[TrunkView]:
    """Carriers by name: state, registrations, calls and limits, what became of attempts, and their gateways."""
    return [_view(parts, report) for report in parts.trunks.listing()]


@get("/trunks/{trunk:str}", sync_to_thread=False, tags=["trunks"])
def get_trunk(parts: Wired, trunk: FromPath[str]) -> TrunkView:
    """One carrier now."""
    return _view(parts, _found(parts, trunk))


@post("/trunks/{trunk:str}/disable", tags=["trunks"], status_code=200)
async def disable_trunk(request: ApiRequest, parts: Wired, principal: Caller, trunk: FromPath[str]) -> TrunkView:
    """No new calls through this trunk, in either direction, and no registration; calls that are up go on."""
    return await _switch(request, parts, principal, trunk, "", on=False)


@post("/trunks/{trunk:str}/enable", tags=["trunks"], status_code=200)
async def enable_trunk(request: ApiRequest, parts: Wired, principal: Caller, trunk: FromPath[str]) -> TrunkView:
    """Use the trunk again."""
    return await _switch(request, parts, principal, trunk, "", on=True)


@post("/trunks/{trunk:str}/gateways/{gateway:str}/disable", tags=["trunks"], status_code=200)
async def disable_gateway(
    request: ApiRequest, parts: Wired, principal: Caller, trunk: FromPath[str], gateway: FromPath[str]
) -> TrunkView:
    """No new calls to this gateway; calls that are up go on."""
    return await _switch(request, parts, principal, trunk, gateway, on=False)


@post("/trunks/{trunk:str}/gateways/{gateway:str}/enable", tags=["trunks"], status_code=200)
async def enable_gateway(
    request: ApiRequest, parts: Wired, principal: Caller, trunk: FromPath[str], gateway: FromPath[str]
) -> TrunkView:
    """Use the gateway again."""
    return await _switch(request, parts, principal, trunk, gateway, on=True)


@post("/trunks/reload", tags=["trunks"], status_code=200)
async def reload_trunks(request: ApiRequest, parts: Wired, principal: Caller) -> TrunkChange:
    """Read the configuration file again and apply its trunks; calls that are up go on. A fault changes nothing."""
    done: dict[str, Any] = await parts.trunks.reload()
    faults = done.pop("refused", [])
    change = msgspec.convert({"ok": not faults, "faults": faults, **done}, TrunkChange)
    told = ", ".join(sorted({*change.added, *change.changed, *change.removed}))
    await parts.note(request, principal, "trunk.reload", "", "ok" if change.ok else "faults", told)
    return change


async def _switch(
    request: ApiRequest, parts: Parts, principal: Principal, trunk: str, gateway: str, *, on: bool
) -> TrunkView:
    name = f"{trunk}/{gateway}" if gateway else trunk
    if not parts.trunks.switch(name, on=on):
        raise ApiError("not-found", "No trunk or gateway is called that.")
    await parts.note(request, principal, "trunk.enable" if on else "trunk.disable", name)
    return _view(parts, _found(parts, trunk))


def _found(parts: Parts, name: str) -> TrunkReport:
    report = parts.trunks.show(name)
    if report is None:
        raise ApiError("not-found", "No trunk is called that.")
    return report


def _view(parts: Parts, report: TrunkReport) -> TrunkView:
    trunk = parts.exchange.trunks[report.name]
    return TrunkView(
        name=report.name,
        state=report.state,
        to=report.to,
        nat=trunk.nat,
        landing=trunk.landing,
        calls=report.counted.calls,
        counted=_counted(report.counted),
        registrations=[msgspec.convert(msgspec.to_builtins(one), OurRegistrationView) for one in report.registrations],
        gateways=[
            GatewayView(
                name=one.name,
                to=one.to,
                transport=one.transport,
                addresses=one.addresses,
                state=one.state,
                order=one.order,
                weight=one.weight,
                counted=_counted(one.counted),
                registered=one.registered,
            )
            for one in report.gateways
        ],
    )


def _counted(counted: Counted) -> TrunkCalls:
    return msgspec.convert(msgspec.to_builtins(counted), TrunkCalls)


trunks: Final = (
    list_trunks, get_trunk, disable_trunk, enable_trunk, disable_gateway, enable_gateway, reload_trunks,
)  # fmt: skip
