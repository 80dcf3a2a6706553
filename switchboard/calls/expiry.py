"""How long an INVITE asks for an answer (its Expires, RFC 3261 §13.3.1), and how long a call may last.

Both are `Call.end_due`: a call that is answered in time gets the rest of its length when the shorter time is up.
"""

from __future__ import annotations

from switchboard.calls.call import Call
from switchboard.calls.causes import EXPIRED, TOO_LONG
from switchboard.calls.ending import end_call
from switchboard.calls.exchange import Exchange
from switchboard.sip.message import Request
from switchboard.sip.subscription import expires_of


def note_expiry(call: Call, request: Request, now: float) -> None:
    """The caller's INVITE is worth nothing after so many seconds; a value that is malformed says nothing."""
    assert call.end_due is not None
    seconds = expires_of(request, 0, int(call.end_due - now))
    if seconds is not None:
        call.end_due = now + seconds


def time_is_up(x: Exchange, call: Call, now: float) -> None:
    """`end_due` has come: 487 to a caller who had no final response in time, the end to who has talked for too long."""
    longest = call.invited_at + x.settings.call_duration
    if longest <= now:
        end_call(x, call, TOO_LONG, "switch", now)
    elif call.caller.talking:
        call.end_due = longest
    else:
        end_call(x, call, EXPIRED, "switch", now)
