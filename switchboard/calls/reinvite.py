"""Our own re-INVITE: the party of a confirmed leg is asked to send to another port of ours (RFC 3261 §14.1)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from media.sdp import SdpError
from switchboard.calls.answering import ALLOW, SUPPORTED
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import lease_media, make_offer, open_media, release_media, take_answer
from switchboard.sip.message import Response
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.transaction.table import Input

Done = Callable[["Leg | None", int, float], None]
"""What came of it: the leg as it is at its new port, or None with the status of the refusal; and the time."""


class Reinvite(msgspec.Struct, eq=False):
    """A re-INVITE under way: `leg` as it is, `new` as it would be; both have the one dialog.

    `tx` is its transaction, `over` True once its outcome is known. `timer` belongs to the deadline heap: a provisional
    response must not make us wait for ever.
    """

    leg: Leg
    new: Leg
    done: Done
    tx: ClientTransaction | None = None
    over: bool = False
    timer: int = 0


def move_media(x: Exchange, leg: Leg, near: Leg, done: Done, now: float) -> bool:
    """Offer the party of `leg` a port on the worker of `near`; `done` is called once, unless this returns False.

    Nothing of the leg changes: `done` is given a copy that has the new port, not opened yet.
    """
    new = msgspec.structs.replace(leg, lease=None, media_open=False)
    if not lease_media(x, new, near):
        return False
    _send(x, Reinvite(leg, new, done), make_offer(x, new, near), now)
    return True


def restore_media(x: Exchange, leg: Leg, now: float) -> None:
    """The move came to nothing after it was agreed: the party is asked to send where it did before."""

    def done(new: Leg | None, status: int, now: float) -> None:
        if new is not None and leg.talking:
            leg.agreement, leg.remote, leg.remote_sdp = new.agreement, new.remote, new.remote_sdp
            open_media(x, leg)

    same = msgspec.structs.replace(leg)
    _send(x, Reinvite(leg, same, done), make_offer(x, same, leg), now)


def _send(x: Exchange, asked: Reinvite, offer: bytes, now: float) -> None:
    leg = asked.leg
    assert leg.dialog is not None
    leg.asked = True
    leg.sdp_version = asked.new.sdp_version
    out = leg.dialog.next_request("INVITE", (x.contact, ALLOW, SUPPORTED), offer)
    asked.tx = x.core.request(out, now, context=asked)
    x.reinvites.schedule(now + x.core.timers.b, asked, Input.TIMER_B)


def reinvite_answered(x: Exchange, asked: Reinvite, tx: ClientTransaction, response: Response, now: float) -> None:
    """A response to it; a 2xx is acknowledged whatever has become of the leg meanwhile."""
    leg, new, status = asked.leg, asked.new, response.status
    if status < 200:
        return
    if status >= 300:
        reinvite_failed(x, asked, status, now)
        return
    dialog = new.dialog
    assert dialog is not None
    dialog.refresh(response, leg.source)
    x.core.send_ack(dialog.ack(tx.request.cseq), now)
    if not _concluded(x, asked):
        # It crossed our CANCEL.
        if leg.talking and new.lease is not leg.lease:
            restore_media(x, leg, now)
        return
    try:
        take_answer(new, response.body)
    except SdpError:
        _give_back(x, asked)
        asked.done(None, 488, now)
        return
    asked.done(new, 200, now)


def reinvite_failed(x: Exchange, asked: Reinvite, status: int, now: float) -> None:
    """It was refused, or nobody answered (408); what was agreed before stays (RFC 3261 §14.1)."""
    if _concluded(x, asked):
        _give_back(x, asked)
        asked.done(None, status, now)


def reinvites_due(x: Exchange, now: float) -> None:
    """Take back those that got no final response in time."""
    while (due := x.reinvites.pop_due(now)) is not None:
        asked = due[0]
        if asked.tx is not None:
            x.core.cancel(asked.tx, now)
        reinvite_failed(x, asked, 408, now)


def _concluded(x: Exchange, asked: Reinvite) -> bool:
    """Its outcome is known, and the leg may be asked again; False when that was so already."""
    if asked.over:
        return False
    asked.over, asked.leg.asked = True, False
    x.reinvites.cancel(asked)
    return True


def _give_back(x: Exchange, asked: Reinvite) -> None:
    if asked.new.lease is not asked.leg.lease:
        release_media(x, asked.new)
