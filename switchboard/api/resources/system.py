"""Flows, phones, and how the switch does."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, QueryParameter

from config.errors import ConfigError
from ivr_flows.errors import FlowError
from switchboard.api.principal import ApiRequest, Caller
from switchboard.api.problems import ApiError
from switchboard.api.resources.parts import Wired
from switchboard.api.types import FlowChange, FlowView, RegistrationView, StatusView
from switchboard.calls.registered import MOST, registered, unregister
from switchboard.ops.masking import mask_text

SHOWN_FAULTS: Final = 50

AccountQuery: TypeAlias = Annotated[str, QueryParameter(description="Only this account, or address-of-record.")]
AfterQuery: TypeAlias = Annotated[str, QueryParameter(description="Begin behind this address-of-record.")]
LimitQuery: TypeAlias = Annotated[int, QueryParameter(description="At most so many accounts.", ge=1, le=MOST)]
SourceQuery: TypeAlias = Annotated[str, QueryParameter(description="Only the phone that registered from here.")]


@get("/flows", sync_to_thread=False, tags=["flows"])
def list_flows(parts: Wired) -> list[FlowView]:
    """The flows that are live, and older versions while calls are in them."""
    return msgspec.convert(parts.flows.listing()["flows"], list[FlowView])


@post("/flows/check", tags=["flows"], status_code=200)
async def check_flows(parts: Wired) -> FlowChange:
    """Read the files of all flows and tell what is wrong with them; nothing changes."""
    try:
        flows = await asyncio.to_thread(parts.load_flows)
    except FlowError as error:
        return FlowChange(ok=False, faults=[str(fault) for fault in error.all][:SHOWN_FAULTS])
    except ConfigError as error:
        return FlowChange(ok=False, faults=[str(error)])
    live = {flow.flow: flow for flow in list_of(parts.flows.listing()) if flow.newest}
    return FlowChange(
        ok=True,
        added=sorted(flows.keys() - live.keys()),
        changed=sorted(name for name, flow in flows.items() if name in live and live[name].version != flow.version),
        removed=sorted(live.keys() - flows.keys()),
    )


@post("/flows/activate", tags=["flows"], status_code=200)
async def activate_flows(request: ApiRequest, parts: Wired, principal: Caller) -> FlowChange:
    """Make the files live for new calls: all of them or, if one has an error, none."""
    done: dict[str, Any] = await parts.flows.reload()
    faults = done.pop("refused", [])
    change = msgspec.convert({"ok": not faults, "faults": faults, **done}, FlowChange)
    told = ", ".join(sorted({*change.added, *change.changed, *change.removed}))
    await parts.note(request, principal, "flows.activate", "", "ok" if change.ok else "faults", told)
    return change


@get("/registrations", sync_to_thread=False, tags=["system"])
def list_registrations(
    parts: Wired, account: AccountQuery = "", after: AfterQuery = "", limit: LimitQuery = MOST
) -> list[RegistrationView]:
    """Phones that are registered, by address-of-record."""
    x = parts.exchange
    phones = parts.services.in_calls(lambda now: registered(x, now, account=account, after=after, most=limit))
    return [
        RegistrationView(
            aor=phone.aor,
            contact=mask_text(phone.contact),
            source=phone.source,
            transport=phone.transport,
            expires_in=phone.expires_in,
            q=phone.q,
            nat=phone.nat,
            path=[mask_text(hop) for hop in phone.path],
            user_agent=phone.user_agent,
            agent=phone.agent,
        )
        for phone in phones
    ]


@delete("/registrations/{account:str}", tags=["system"])
async def remove_registrations(
    request: ApiRequest, parts: Wired, principal: Caller, account: FromPath[str], source: SourceQuery = ""
) -> None:
    """Remove the registrations of an account, or of one phone; one that is there comes back when it refreshes."""
    x = parts.exchange

    def remove(now: float) -> int:
        phones = [phone for phone in registered(x, now, account=account) if source in ("", phone.source)]
        return sum([unregister(x, account, phone.contact, now) for phone in phones])

    if not parts.services.in_calls(remove):
        raise ApiError("not-found", "No such phone is registered.")
    await parts.note(request, principal, "registrations.remove", account, source)


@get("/status", sync_to_thread=False, tags=["system"])
def show_status(parts: Wired) -> StatusView:
    """How the switch is doing, and how much is going on."""
    report = parts.health.report()
    return StatusView(
        status=report.status,
        reasons=report.reasons,
        uptime=report.uptime_seconds,
        calls=len(parts.exchange.calls),
        waiting=sum(len(group.line) for group in parts.engine.groups.values()),
        agents_signed_in=sum(1 for agent in parts.engine.agents.values() if agent.signed_in),
        facts=report.facts,
    )


def list_of(listing: dict[str, object]) -> list[FlowView]:
    """A listing of flows in the words of the API."""
    return msgspec.convert(listing["flows"], list[FlowView])


system: Final = (
    list_flows, check_flows, activate_flows, list_registrations, remove_registrations, show_status,
)  # fmt: skip
