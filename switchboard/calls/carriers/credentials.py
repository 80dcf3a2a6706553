"""What carries a password's hash to a gateway: the credentials of a request, and the requests nobody waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from switchboard.sip.dialog import Dialog

if TYPE_CHECKING:
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


def credentials_in(request: OutgoingRequest) -> tuple[str, ...]:
    """The credentials that an INVITE brought, which its ACK has to bring as well (RFC 3261 §13.2.2.4)."""
    return tuple(line for line in request.headers if line.startswith(("Authorization:", "Proxy-Authorization:")))
