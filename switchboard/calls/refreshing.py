"""Refreshing sessions in time (RFC 4028 §7.4, §10), and ending those of peers that have vanished."""

from __future__ import annotations

from typing import Final

import msgspec

from switchboard.calls.answering import ALLOW, SUPPORTED
from switchboard.calls.call import Call
from switchboard.calls.causes import SESSION_EXPIRED
from switchboard.calls.control.leaving import party_lost
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegState
from switchboard.calls.negotiation import open_media
from switchboard.calls.reinvite import ask_again, glare_delay
from switchboard.calls.session_timers import lengthen, longer_lines, refresh_lines, session_answered
from switchboard.calls.wiring import rewire
from switchboard.sip.dialog import Dialog
from switchboard.sip.flow import WebAddress
from switchboard.sip.message import Response
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.usage import Ends, ends

SOON: Final = 5.0
"""Seconds until a refresh is tried again that could not be sent."""
_UNKNOWN: Final = frozenset((405, 501))


class Update(msgspec.Struct, eq=False):
    """The context of an UPDATE that refreshes the session of a leg; `again`: so often a password was asked for."""

    leg: Leg
    again: int = 0


def sessions_due(x: Exchange, call: Call, now: float) -> None:
    """Refresh what is due, or hang up who should have refreshed."""
    while (leg := call.session_due(now)) is not None:
        leg.session_due = None
        session = leg.session
        if session is not None and (not session.ours or session.expires <= now):
            party_lost(x, call, leg, SESSION_EXPIRED, now)
            return
        if _may_be_asked(x, leg):
            _refresh(x, leg, now)
        else:
            leg.session_due = now + SOON


def _refresh(x: Exchange, leg: Leg, now: float) -> None:
    # Should the leg be handed to another call meanwhile, it is asked again there.
    leg.session_due = now + x.core.timers.f + SOON
    if leg.updates and leg.dialog is not None:
        headers = (x.contact, ALLOW, SUPPORTED, *refresh_lines(x, leg))
        x.core.request(leg.dialog.next_request("UPDATE", headers), now, context=Update(leg))
        return

    def done(new: Leg | None, status: int, now: float) -> None:
        if new is None:
            refresh_failed(x, leg, status, now)
            return
        if new.remote_sdp != leg.remote_sdp:
            leg.agreement, leg.remote, leg.remote_sdp = new.agreement, new.remote, new.remote_sdp
            _described_anew(x, leg)
        _rearm(x, leg)

    ask_again(x, leg, done, now)


def _described_anew(x: Exchange, leg: Leg) -> None:
    call = x.call_of(leg)
    if call is not None and leg.talking and leg.media_open:
        open_media(x, leg)
        rewire(x, call)


def update_answered(x: Exchange, asked: Update, response: Response, now: float) -> None:
    """A final response to an UPDATE of ours."""
    leg = asked.leg
    if response.status < 200 or not leg.talking:
        return
    if response.status == 422 and lengthen(leg, response):
        _refresh(x, leg, now)
        return
    if response.status >= 300:
        refresh_failed(x, leg, response.status, now)
        return
    if leg.dialog is not None:
        leg.dialog.refresh(response, leg.source)
    session_answered(x, leg, response, now)
    _rearm(x, leg)


def lost_as(x: Exchange, leg: Leg, unreachable: bool) -> int:
    """The status that a request without an answer is taken to have got (RFC 3261 §8.1.3.1).

    A transport may fail for a moment, as while a phone changes its connection, and its session says until when that
    may last, as its absence does of a browser; where there is neither, nobody would be found any more.
    """
    waits = leg.session is not None or isinstance(leg.source, WebAddress) or leg.id in x.absences.known
    return 503 if unreachable and waits else 408


def refresh_failed(x: Exchange, leg: Leg, status: int, now: float) -> None:
    """No refresh came of it: the peer is gone, or there, and is asked again before the session ends (RFC 4028 §10)."""
    call = x.call_of(leg)
    if call is None or not leg.talking or not call.owns(leg):
        return
    session = leg.session
    if ends(status):
        party_lost(x, call, leg, SESSION_EXPIRED, now)
    elif status in _UNKNOWN and leg.updates:
        leg.updates = False
        leg.session_due = now
    elif session is None:
        # It has answered; nothing else was asked.
        again = x.settings.session_expires / 2
        leg.session_due = now + again if again else None
    else:
        pause = glare_delay(x, leg) if status == 491 else max(SOON, session.interval / 8)
        leg.session_due = min(now + pause, session.expires)
    _rearm(x, leg)


def refused_within(x: Exchange, leg: Leg, status: int, now: float) -> None:
    """A request of ours about the session, such as a re-INVITE, got this status: the party may be there no more."""
    call = x.call_of(leg)
    if ends(status) and call is not None and leg.talking and call.owns(leg):
        party_lost(x, call, leg, SESSION_EXPIRED, now)
        x.arm(call)


def keys_refused(x: Exchange, leg: Leg, status: int, now: float) -> None:
    """The same of keys by INFO, which some peers know so little that they answer as if the dialog were gone, or not at
    all: those are asked for the session, and what they say of that counts.
    """
    if ends(status):
        _doubt(x, leg, now)


def notify_refused(x: Exchange, dialog: Dialog, status: int, now: float) -> None:
    """The same of a NOTIFY in the dialog of a call, which may end with its subscription and not alone."""
    leg = x.dialogs.get((dialog.call_id, dialog.local_tag))
    if leg is not None and leg.dialog is dialog and ends(status) is Ends.DIALOG:
        _doubt(x, leg, now)


def _doubt(x: Exchange, leg: Leg, now: float) -> None:
    call = x.call_of(leg)
    if call is not None and call.owns(leg) and _may_be_asked(x, leg):
        _refresh(x, leg, now)
        x.arm(call)


def _may_be_asked(x: Exchange, leg: Leg) -> bool:
    away = leg.id in x.absences.known
    return not away and leg.state is LegState.CONFIRMED and not leg.asked and not leg.offer_pending


def invite_longer(x: Exchange, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> bool:
    """Answer a 422 by the same INVITE with the interval it wants (RFC 4028 §7.3); False when nothing comes of it."""
    if leg.state not in (LegState.INVITED, LegState.EARLY) or x.invites_out.get(leg.id) is not tx:
        return False
    lines = longer_lines(response, tx.request)
    if lines is None:
        return False
    x.invites_out[leg.id] = x.core.request(tx.request.again(lines), now, context=leg)
    return True


def _rearm(x: Exchange, leg: Leg) -> None:
    call = x.call_of(leg)
    if call is not None:
        x.arm(call)
