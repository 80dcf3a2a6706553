"""Whose phone a leg is: what a phone may ask for within a call depends on it."""

from __future__ import annotations

from switchboard.calls.call import Call
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.leg import Leg


def account_of(x: Exchange, call: Call, leg: Leg, now: float) -> str:
    """The address-of-record of the registered phone, or the agent with a fixed one, whose leg it is.

    "" for anybody else: whoever is beyond a trunk, and a phone whose registration has ended.
    """
    if leg.record.role == "caller":
        return x.phones.owner(leg.source, now) or "" if call.record.trunk == PHONES else ""
    if x.registrar.lookup(leg.record.peer, now):
        return leg.record.peer
    if leg.agent_id and leg.record.peer.startswith(("sip:", "sips:")):
        return f"agent:{leg.agent_id}"
    return ""
