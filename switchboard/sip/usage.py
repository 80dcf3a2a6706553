"""What the refusal of a request within a dialog ends (RFC 5057 §5): the request alone, its usage, or the dialog."""

from __future__ import annotations

import enum
from typing import Final


class Ends(enum.IntEnum):
    """How far a refusal reaches."""

    REQUEST = 0
    """Nothing but the transaction: what was agreed before stays (RFC 3261 §14.1)."""
    USAGE = 1
    """What the request belongs to: the session of an INVITE, or the subscription of a NOTIFY."""
    DIALOG = 2
    """Everything that shares the dialog: later requests would fail in the same way."""


ENDS: Final[dict[int, Ends]] = {
    404: Ends.DIALOG,
    408: Ends.USAGE,
    410: Ends.DIALOG,
    416: Ends.DIALOG,
    481: Ends.USAGE,
    482: Ends.DIALOG,
    483: Ends.DIALOG,
    484: Ends.DIALOG,
    485: Ends.DIALOG,
    502: Ends.DIALOG,
    604: Ends.DIALOG,
}
"""By status; one that is not in it ends the request alone, on purpose also these:

403, 405 and 501, since a re-INVITE that is refused leaves the session as it was (RFC 3261 §14.1), and who takes no
UPDATE is sent that; 480, which may say when to try again; 489, which ends no session. 483 ends the dialog as there are
no more hops to give: all requests have as many as the first, which got through.
"""


def ends(status: int) -> Ends:
    """What a final status ends."""
    return ENDS.get(status, Ends.REQUEST)
