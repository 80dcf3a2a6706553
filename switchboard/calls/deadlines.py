"""The deadlines of a call: which of them has passed, and what is done then."""

from __future__ import annotations

from switchboard.calls.attempts import leg_rang_out
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import NO_ANSWER, TOO_LONG
from switchboard.calls.connecting import announce_end
from switchboard.calls.control.transfer import park_over
from switchboard.calls.ending import end_call, finish
from switchboard.calls.exchange import Exchange
from switchboard.calls.expiry import time_is_up
from switchboard.calls.flow import attempt_failed, talk_over, timer_due
from switchboard.calls.refreshing import sessions_due


def call_due(x: Exchange, call: Call, now: float) -> None:
    """Do the first thing of a call that is due; its timer is armed anew for the others."""
    if call.end_due is not None and call.end_due <= now:
        if call.phase is Phase.ENDING:
            finish(x, call, now)
        else:
            time_is_up(x, call, now)
    elif call.ring_due is not None and call.ring_due <= now:
        attempt_failed(x, call, NO_ANSWER, "switch", now)
    elif call.session_due(now) is not None:
        sessions_due(x, call, now)
    elif (call.others or call.control is not None) and (leg := call.ringing_due(now)) is not None:
        leg_rang_out(x, call, leg, now)
    elif call.control is not None and call.control.park_due is not None and call.control.park_due <= now:
        park_over(x, call, now)
    elif call.phase is Phase.TALKING:
        _talk_due(x, call, now)
    else:
        timer_due(x, call, now)


def _talk_due(x: Exchange, call: Call, now: float) -> None:
    if call.talk_due is not None and call.talk_due <= now:
        if not talk_over(x, call, now):
            end_call(x, call, TOO_LONG, "switch", now)
    elif call.warn_due is not None and call.warn_due <= now:
        announce_end(x, call)
