"""Requests within a dialog go to the next place of their first hop when one has failed.

A name may lead to several (RFC 3263 §4.3); a peer whose own connection is gone is connected to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchboard.calls.reinvite import Reinvite

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.transaction.client import ClientTransaction


def sent_elsewhere(x: Exchange, tx: ClientTransaction, now: float) -> bool:
    """Whether a request that a place has not served was sent to another; for a while that place is tried last."""
    out, asked = tx.request, tx.context
    if out.named:
        x.locator.failed(out.destination, now)
    if not out.others or (isinstance(asked, Reinvite) and asked.over):
        return False
    again = x.core.request(out.elsewhere(out.others), now, context=asked)
    if isinstance(asked, Reinvite):
        asked.tx = again
    return True
