"""Keys that an agent presses on the call bar, sent to the other party in the form it understands."""

from __future__ import annotations

import re
from typing import Final

from switchboard.calls.call import Call
from switchboard.calls.commands import Actor, CommandError, Done, SendDigits
from switchboard.calls.control.parties import in_talk, live_call, own_leg
from switchboard.calls.exchange import Exchange
from switchboard.calls.keys import send_keys
from switchboard.calls.leg import Leg

_DIGITS: Final = re.compile(r"[0-9A-D*#]{1,32}\Z")


def send_digits(x: Exchange, cmd: SendDigits, actor: Actor, now: float) -> Done:
    """Send keys to whom the actor talks with; of a conference to all others."""
    call = live_call(x, cmd.call)
    leg = own_leg(call, actor)
    in_talk(call)
    digits = cmd.digits.upper()
    if _DIGITS.match(digits) is None:
        raise CommandError("invalid", "1 to 32 keys of 0-9, *, # and A-D")
    hearers = hearers_of(call, leg)
    if not hearers:
        raise CommandError("wrong_state", "nobody hears the actor")
    for other in hearers:
        send_keys(x, other, digits, now)
    return Done(call.id, leg.id)


def hearers_of(call: Call, leg: Leg) -> list[Leg]:
    """The parties who hear a leg now; a supervisor who only listens is none."""
    if call.control is None:
        other = call.agent if leg is call.caller else call.caller
        return [other] if other is not None and leg in (call.caller, call.agent) else []
    wired = call.control.wired
    own = wired.get(leg.id)
    if own is None:
        return []
    if own.by == "bridge":
        return [other for other in call.legs if other.id == own.of]
    if own.by != "room":
        return []
    return [
        other
        for other in call.legs
        if other is not leg and (hears := wired.get(other.id)) is not None
        if hears.by == "room" and hears.room == own.room and hears.role == "party"
    ]
