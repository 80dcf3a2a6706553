"""Whose phone a leg is: what a phone may ask for within a call depends on it."""

from __future__ import annotations

from switchboard.calls.call import Call
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.leg import Leg
from switchboard.sip.outgoing import Address
from switchboard.sip.render import host_port


def account_of(x: Exchange, call: Call, leg: Leg, now: float) -> str:
    """The address-of-record of the registered phone, or the agent with a fixed one, whose leg it is.

    "" for anybody else: whoever is beyond a trunk, and a phone whose registration has ended.
    """
    if leg.record.role == "caller":
        if call.record.trunk != PHONES:
            return ""
        if not leg.account:
            return x.phones.owner(leg.source, now) or ""
        # Not by its address: a proxy speaks for many phones.
        aor = f"{leg.account}@{x.settings.domain}"
        return aor if x.registrar.lookup(aor, now) else ""
    if x.registrar.lookup(leg.record.peer, now):
        return leg.record.peer
    if leg.agent_id and leg.record.peer.startswith(("sip:", "sips:")):
        return f"agent:{leg.agent_id}"
    return ""


def agent_of_account(x: Exchange, account: str, source: Address) -> str:
    """The one agent whose phone a proved account is: registered, or at the fixed address it sends from; or ""."""
    return x.desk.agent_at(f"aor:{account}") or x.desk.agent_at(f"sip:{account}@{host_port(source)}")
