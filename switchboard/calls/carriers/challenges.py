"""Requests within a dialog that a carrier challenges are sent again with the password (RFC 3261 §22.2).

They go where the other side's Contact and Record-Route lead, and nobody but the carrier is to have a hash of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.calls.carriers.credentials import Unwatched
from switchboard.calls.keys import KeysToSend
from switchboard.calls.refreshing import Update
from switchboard.calls.reinvite import Reinvite

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.message import Response
    from switchboard.sip.transaction.client import ClientTransaction

CHALLENGES: Final = frozenset((401, 407))
MAX_AGAIN: Final = 3
"""So often one request is sent again: a proxy and who is behind it may both ask, and call a nonce stale."""


Challenged = Unwatched | Reinvite | Update | KeysToSend


def challenge_answered(x: Exchange, tx: ClientTransaction, response: Response, now: float) -> bool:
    """Whether what a carrier has challenged was sent again; False: it is refused like anything else."""
    asked = tx.context
    if not isinstance(asked, Challenged) or asked.again >= MAX_AGAIN or (isinstance(asked, Reinvite) and asked.over):
        return False
    if isinstance(asked, Unwatched):
        gateway, dialog = asked.gateway, asked.dialog
    elif asked.leg.talking and asked.leg.dialog is not None:
        gateway, dialog = asked.leg.gateway, asked.leg.dialog
    else:
        return False
    if not gateway or not x.gateways.is_at(gateway, tx.request.destination):
        return False
    lines = x.gateways.retry(gateway, response, tx.request)
    if lines is None:
        return False
    asked.again += 1
    # Others may have gone out in the dialog meanwhile (RFC 3261 §12.2.1.1).
    dialog.local_seq += 1
    again = x.core.request(tx.request.again(lines, dialog.local_seq), now, context=asked)
    if isinstance(asked, Reinvite):
        asked.tx = again
    return True
