"""Requests within a dialog go to the next place of their first hop when one has failed.

A name may lead to several (RFC 3263 §4.3); a peer whose own connection is gone is connected to; a phone behind a NAT,
which only itself can connect, is reached over the connection by which it has registered since (RFC 5626 §5.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchboard.calls.identity import user_of
from switchboard.calls.reinvite import Reinvite
from switchboard.sip.errors import SipError
from switchboard.sip.flow import StreamAddress
from switchboard.sip.uri import same_uri

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.binding import Binding
    from switchboard.sip.outgoing import Address, OutgoingRequest
    from switchboard.sip.transaction.client import ClientTransaction


def sent_elsewhere(x: Exchange, tx: ClientTransaction, now: float) -> bool:
    """Whether a request that a place has not served was sent to another; for a while that place is tried last."""
    out, asked = tx.request, tx.context
    if out.named:
        x.locator.failed(out.destination, now)
    others = out.others or _new_connection(x, out, now)
    if not others or (isinstance(asked, Reinvite) and asked.over):
        return False
    again = x.core.request(out.elsewhere(others), now, context=asked)
    if isinstance(asked, Reinvite):
        asked.tx = again
    return True


def _new_connection(x: Exchange, out: OutgoingRequest, now: float) -> tuple[Address, ...]:
    """Where a phone is now whose connection is gone: at its contact of before, or at the only one of its account."""
    if not isinstance(out.destination, StreamAddress):
        return ()
    held = x.registrar.lookup(f"{user_of(out.to)}@{x.settings.domain}", now)
    found = [one for one in held if _is_contact(one, out.uri)] or (held if out.nat else [])
    if len(found) != 1 or found[0].source == out.destination:
        return ()
    return (found[0].source,)


def _is_contact(binding: Binding, uri: str) -> bool:
    try:
        return same_uri(binding.contact, uri)
    except SipError:
        return False
