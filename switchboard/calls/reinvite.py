"""Our own re-INVITE (RFC 3261 §14.1): the party of a confirmed leg is to send elsewhere, or to say that it is there."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from media.formats import Codec
from media.sdp import SdpError
from switchboard.calls.answering import ALLOW, SUPPORTED
from switchboard.calls.carriers.credentials import ack_of
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegState
from switchboard.calls.negotiation import lease_media, make_offer, open_media, passes_only, release_media, take_answer
from switchboard.calls.session_timers import lengthen, refresh_lines, session_answered
from switchboard.sip.message import Response
from switchboard.sip.parts import take_description
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.transaction.table import Input

MAX_GLARES: Final = 3
"""So often a re-INVITE is sent again that meets one of the peer's."""

Done = Callable[["Leg | None", int, float], None]
"""What came of it: the leg as it is at its new port, or None with the status of the refusal; and the time."""


class Reinvite(msgspec.Struct, eq=False):
    """A re-INVITE under way: `leg` as it is, `new` as it would be; both have the one dialog.

    `describe` makes its offer. `tx` is its transaction, `over` True once its outcome is known, `glares` how often it
    met one of the peer's, `again` how often a carrier asked for a password. `timer` belongs to the deadline heap: a
    provisional response must not make us wait for ever.
    """

    leg: Leg
    new: Leg
    done: Done
    describe: Callable[[Leg], bytes]
    tx: ClientTransaction | None = None
    over: bool = False
    glares: int = 0
    again: int = 0
    timer: int = 0


def move_media(x: Exchange, leg: Leg, near: Leg, done: Done, now: float) -> bool:
    """Offer the party of `leg` a port on the worker of `near`; `done` is called once, unless this returns False.

    Nothing of the leg changes: `done` is given a copy that has the new port, not opened yet.
    """
    new = msgspec.structs.replace(leg, lease=None, media_open=False)
    if not lease_media(x, new, near):
        return False
    _send(x, Reinvite(leg, new, done, lambda new: make_offer(x, new, near)), now)
    return True


def restore_media(x: Exchange, leg: Leg, now: float) -> None:
    """The move came to nothing after it was agreed: the party is asked to send where it did before."""

    def done(new: Leg | None, status: int, now: float) -> None:
        if new is not None and leg.talking:
            leg.agreement, leg.remote, leg.remote_sdp = new.agreement, new.remote, new.remote_sdp
            leg.crypto = new.crypto
            open_media(x, leg)

    _send(x, Reinvite(leg, msgspec.structs.replace(leg), done, lambda new: make_offer(x, new, leg)), now)


def ask_again(x: Exchange, leg: Leg, done: Done, now: float) -> None:
    """Offer what is agreed, word for word (RFC 4028 §7.4): the party answers, or is not there any more."""
    _send(x, Reinvite(leg, msgspec.structs.replace(leg), done, _same), now)


def speak_ours(x: Exchange, legs: Iterable[Leg], now: float) -> None:
    """Parties whose codec only passes through are to be played to, mixed or recorded: each is offered ours instead.

    Who refuses stays as it is, and hears nothing of ours.
    """
    for leg in legs:
        busy = leg.asked or leg.asks_again or leg.offer_pending
        if not passes_only(leg) or not leg.talking or busy:
            continue
        asked = Reinvite(leg, msgspec.structs.replace(leg), _taken_over(x, leg), _ours(x))
        if leg.state is LegState.CONFIRMED:
            _send(x, asked, now)
        else:
            # Its ACK is on the way.
            _wait(x, asked, now)


def _taken_over(x: Exchange, leg: Leg) -> Done:
    def done(new: Leg | None, status: int, now: float) -> None:
        if new is None:
            x.log("call.codec_kept", call_id=leg.call_id, leg=leg.id, status=status)
        elif leg.talking:
            leg.agreement, leg.remote, leg.remote_sdp = new.agreement, new.remote, new.remote_sdp
            open_media(x, leg)

    return done


def _ours(x: Exchange) -> Callable[[Leg], bytes]:
    return lambda new: make_offer(x, new, new, ours=True)


def _same(new: Leg) -> bytes:
    agreed = new.agreement
    if not new.offered and agreed is not None:
        # What we said last was an answer.
        codec = Codec(agreed.codec, agreed.receive_pt, agreed.rate, agreed.channels, agreed.fmtp)
        new.offered, new.offered_event_pt = (codec,), agreed.receive_event_pt
    return new.local_sdp


def _send(x: Exchange, asked: Reinvite, now: float) -> None:
    leg = asked.leg
    assert leg.dialog is not None
    leg.asked = True
    offer = asked.describe(asked.new)
    leg.sdp_version = asked.new.sdp_version
    headers = (x.contact, ALLOW, SUPPORTED, *refresh_lines(x, leg))
    out = leg.dialog.next_request("INVITE", headers, offer)
    asked.tx = x.core.request(out, now, context=asked)
    x.reinvites.schedule(now + x.core.timers.b, asked, Input.TIMER_B)


def reinvite_answered(x: Exchange, asked: Reinvite, tx: ClientTransaction, response: Response, now: float) -> None:
    """A response to it; a 2xx is acknowledged whatever has become of the leg meanwhile."""
    leg, new, status = asked.leg, asked.new, response.status
    if status < 200:
        return
    if status >= 300:
        if status == 491 and _wait(x, asked, now):
            return
        if status == 422 and not asked.over and leg.talking and lengthen(leg, response):
            _send(x, asked, now)
            return
        reinvite_failed(x, asked, status, now)
        return
    dialog = new.dialog
    assert dialog is not None
    dialog.refresh(response, leg.source)
    x.core.send_ack(ack_of(x, leg.gateway, dialog, tx.request, now), now)
    session_answered(x, leg, response, now)
    if not _concluded(x, asked):
        # It crossed our CANCEL.
        if leg.talking and new.lease is not leg.lease:
            restore_media(x, leg, now)
        return
    take_description(response)
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
        asked, letter = due
        if letter is Input.TIMER_A:
            _send_again(x, asked, now)
            continue
        if asked.tx is not None:
            x.core.cancel(asked.tx, now)
        reinvite_failed(x, asked, 408, now)


def glare_delay(x: Exchange, leg: Leg) -> float:
    """How long to wait after a 491: whoever gave the Call-ID waits longer (RFC 3261 §14.1)."""
    drawn = zlib.crc32(x.token().encode())
    if leg.dialog is not None and leg.dialog.ours:
        return 2.1 + drawn % 191 / 100
    return drawn % 201 / 100


def _wait(x: Exchange, asked: Reinvite, now: float) -> bool:
    """It has met one of the peer's, or its ACK, which goes first; False when that was so too often."""
    if asked.over or asked.glares >= MAX_GLARES:
        return False
    asked.glares += 1
    asked.leg.asked, asked.leg.asks_again = False, True
    x.reinvites.schedule(now + glare_delay(x, asked.leg), asked, Input.TIMER_A)
    return True


def _send_again(x: Exchange, asked: Reinvite, now: float) -> None:
    leg, new = asked.leg, asked.new
    leg.asks_again = False
    if not leg.talking:
        reinvite_failed(x, asked, 481, now)
    elif leg.asked or leg.offer_pending or leg.state is not LegState.CONFIRMED:
        if not _wait(x, asked, now):
            reinvite_failed(x, asked, 491, now)
    else:
        # The peer's own has changed what is agreed meanwhile.
        opened = new.media_open and leg.media_open
        asked.new = msgspec.structs.replace(leg, lease=new.lease, media_open=opened, crypto=new.crypto)
        _send(x, asked, now)


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
