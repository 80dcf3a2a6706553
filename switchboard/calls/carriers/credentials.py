"""What carries a password's hash to a gateway: the credentials of a request, and the requests nobody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from switchboard.sip.dialog import Dialog

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.outgoing import OutgoingRequest


class Unwatched(msgspec.Struct, eq=False):
    """The context of a request to a gateway whose outcome changes nothing: BYE and PRACK.

    `again` is how often a password was asked for.
    """

    gateway: str
    dialog: Dialog
    again: int = 0


def unwatched(gateway: str, dialog: Dialog) -> Unwatched | None:
    """The context of a BYE or PRACK; none where no gateway is to be asked."""
    return Unwatched(gateway, dialog) if gateway else None


def ack_of(x: Exchange, gateway: str, dialog: Dialog, invite: OutgoingRequest, now: float) -> OutgoingRequest:
    """The ACK of a 2xx, with the credentials that its INVITE brought (RFC 3261 §13.2.2.4).

    Where the answer's Contact leads to somebody else they are left out: nobody but the carrier is to have them.
    """
    if not gateway:
        return dialog.ack(invite.cseq)
    brought = tuple(line for line in invite.headers if line.startswith(("Authorization:", "Proxy-Authorization:")))
    if brought:
        places = (x.where(dialog.named, now) if dialog.named else ()) or (dialog.destination,)
        if not all(x.gateways.is_at(gateway, place) for place in places):
            brought = ()
    return dialog.ack(invite.cseq, brought)
