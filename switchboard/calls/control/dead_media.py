"""Media that stops in a talk: one-way audio is told of, dead media ends the call by the rule `limits.dead_media`.

A party is silent when no audio has come from it for `media.silence`, though it was to send; it is dead when no RTCP
comes either, since a phone that is muted, or that suppresses silence, still reports. Who holds the others may be both.
"""

from __future__ import annotations

from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import MEDIA_SILENT
from switchboard.calls.control.leaving import party_lost
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg


def fell_silent(x: Exchange, call: Call, leg: Leg, alive: bool, now: float) -> None:
    """Nothing has come from a party for long; `alive`: but for RTCP."""
    if call.phase is not Phase.TALKING or leg.holds or not leg.talking:
        return
    leg.unheard = "alive" if alive else "dead"
    x.log("call.one_way", call_id=call.id, leg=leg.id, role=leg.role, alive=alive)
    if not alive and _ends(x, call):
        party_lost(x, call, leg, MEDIA_SILENT, now)


def heard_again(x: Exchange, call: Call, leg: Leg) -> None:
    """Audio comes again, or none is awaited any more."""
    if leg.unheard:
        leg.unheard = ""
        x.log("call.heard_again", call_id=call.id, leg=leg.id, role=leg.role)


def _ends(x: Exchange, call: Call) -> bool:
    """Whether the rule has a party that is dead hung up."""
    if x.settings.dead_media != "both":
        return x.settings.dead_media == "either"
    return all(leg.unheard == "dead" for leg in call.legs if leg.talking and leg.media_open and not leg.holds)
