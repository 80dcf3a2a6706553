"""What an operator sees of the phones that are registered, and takes away."""

from __future__ import annotations

from typing import Final

import msgspec

from switchboard.calls.exchange import Exchange
from switchboard.calls.reaching import reach
from switchboard.sip.binding import Binding
from switchboard.sip.flow import transport_of
from switchboard.sip.render import host_port

MOST: Final = 100
"""Addresses-of-record told at once: more would keep calls waiting."""


class Phone(msgspec.Struct, frozen=True, kw_only=True):
    """One contact; `expires_in` in seconds, `path` the proxies before it."""

    aor: str
    contact: str
    source: str
    transport: str
    expires_in: float
    q: float
    user_agent: str
    agent: str
    nat: bool
    path: tuple[str, ...] = ()


def aor_of(x: Exchange, account: str) -> str:
    """The address-of-record of an account, which may be named by either."""
    return account if "@" in account else f"{account}@{x.settings.domain}"


def registered(x: Exchange, now: float, *, account: str = "", after: str = "", most: int = MOST) -> list[Phone]:
    """The phones of one account, or of the first so many accounts behind `after`, in order."""
    if account:
        aors = [aor_of(x, account)]
    else:
        aors = x.registrar.behind(after, min(most, MOST))
    found: list[Phone] = []
    for aor in aors:
        agent = x.desk.agent_at(f"aor:{aor}")
        found += [_phone(aor, agent, binding, now) for binding in x.registrar.bindings(aor, now)]
    return found


def _phone(aor: str, agent: str, binding: Binding, now: float) -> Phone:
    return Phone(
        aor=aor,
        contact=binding.contact,
        source=host_port(binding.source),
        transport=transport_of(binding.source),
        expires_in=round(binding.expires_at - now, 1),
        q=binding.q,
        user_agent=binding.user_agent,
        agent=agent,
        nat=reach(binding).nat,
        path=binding.path,
    )


def unregister(x: Exchange, account: str, contact: str, now: float) -> int:
    """Take away one contact of an account, all without one; how many. A phone that is there comes back by itself."""
    aor = aor_of(x, account)
    count = x.registrar.remove(aor, contact)
    if count:
        x.log("phone.removed", account=aor.rpartition("@")[0], contacts=len(x.registrar.bindings(aor, now)))
        x.desk.phones_changed(now)
    return count
