"""Calling a party: its INVITE leaves at once, or as soon as one of the ports has come that are on their way.

While it waits the party is a leg like any that rings, and may be given up like one; its peer was not told of it yet.
"""

from __future__ import annotations

from typing import Final

from switchboard.calls.anteroom import ToCall
from switchboard.calls.call import Call
from switchboard.calls.cdr import write_snapshot
from switchboard.calls.connecting import send_invite
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegState
from switchboard.calls.negotiation import lease_media, make_offer
from switchboard.calls.plan import Plan

PATIENCE: Final = 2.0
"""Seconds after which a party that waits for its port is given up, as the media plane gives a wish up."""


def find_port(x: Exchange, call: Call, leg: Leg, near: Leg | None = None) -> bool:
    """Hold a port for a party that is to be called, on the worker of `near`; True as well where it is to wait for one.

    Where ports are short a call of ours begins no sooner than one that comes would.
    """
    room = x.anteroom
    if room.open and _begins(call, leg) and room.must_wait(":" in leg.source[0], x.ports_owed - 2):
        return room.has_room
    return lease_media(x, leg, near) or room.has_room


def _begins(call: Call, leg: Leg) -> bool:
    """Whether it is a call of ours, and nobody else is called for it yet."""
    ours = call.control is not None and bool(call.control.plan)
    return ours and call.agent is None and all(other is leg for other in call.others)


def call_leg(
    x: Exchange, call: Call, leg: Leg, plan: Plan, ring_timeout: float, now: float, headers: tuple[str, ...] = ()
) -> None:
    """Call a party that `find_port` has let through; `headers` are lines for its INVITE."""
    if leg.lease is None:
        leg.ring_due = now + PATIENCE
        if not call.journalled:
            # Whoever has asked for the call is told its id before its INVITE leaves.
            write_snapshot(x, call)
        x.anteroom.call_later(ToCall(leg, plan, ring_timeout, headers, _begins(call, leg)))
        return
    leg.ring_due = now + ring_timeout
    offer = make_offer(x, leg, _near(call, leg))
    if leg is call.caller or not call.journalled:
        write_snapshot(x, call)
    send_invite(x, call, leg, plan, offer, now, headers)


def turn_came(x: Exchange, call: Call, one: ToCall, now: float) -> bool:
    """Ports have come, or all that will: call the party; False when there is none for it."""
    if lease_media(x, one.leg, _near(call, one.leg)):
        call_leg(x, call, one.leg, one.plan, one.ring_timeout, now, one.headers)
    elif x.anteroom.open:
        # Those that came are another worker's.
        x.anteroom.call_again(one)
    else:
        return False
    return True


def still_waits(call: Call, leg: Leg) -> bool:
    """Whether a party that was to be called has not been given up meanwhile."""
    return leg.lease is None and leg.state is LegState.INVITED and call.owns(leg)


def _near(call: Call, leg: Leg) -> Leg | None:
    """The other party, whose worker and whose codecs a leg is to have."""
    return call.agent if leg is call.caller else call.caller
