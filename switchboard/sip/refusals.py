"""Requests that are answered without a transaction: nothing of them is kept (RFC 3261 §8.2.7)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from switchboard.sip.errors import ParseError
from switchboard.sip.render import answer_parts, render_response
from switchboard.sip.response_path import stamp

if TYPE_CHECKING:
    from switchboard.sip.message import Request
    from switchboard.sip.outgoing import Address
    from switchboard.sip.transaction.outbox import Outbox


class Refusals:
    """Refuses requests, and of those for new calls so many as there is no capacity for."""

    __slots__ = ("_agent", "_box", "_salt", "made", "retry_after", "shed")

    def __init__(self, box: Outbox, user_agent: str, salt: str) -> None:
        """`salt` is text that nobody outside knows: the tags depend on it."""
        self._box = box
        self._agent = user_agent
        self._salt = salt
        self.shed = 0
        """How many of 256 INVITEs outside dialogs are refused with 503 (RFC 6357 §5.2)."""
        self.retry_after = 5
        """Seconds that they are told to wait, up to twice as many."""
        self.made = 0
        """How many were."""

    def sheds(self, request: Request, source: Address) -> bool:
        """Refuse an INVITE for a new call that falls into the part to be refused; its copies fare alike.

        One that replaces a dialog belongs to a call that is up (RFC 3891).
        """
        if request.method != "INVITE" or request.to_tag is not None or "replaces" in request.headers.first:
            return False
        # Nobody outside can foretell it: the hash of a text is keyed anew in each process.
        lot = hash(request.call_id)
        if lot & 255 >= self.shed:
            return False
        self.made += 1
        seconds = self.retry_after + (lot >> 8) % (self.retry_after + 1)
        self.refuse(request, 503, source, (f"Retry-After: {seconds}",))
        return True

    def refuse(self, request: Request, status: int, source: Address, headers: tuple[str, ...] = ()) -> None:
        """Answer from what could be read; an ACK is never answered, nor what has no Via."""
        via = request.headers.first.get("via")
        if via is None or request.method == "ACK":
            return
        try:
            via, destination = stamp(request, via, source)
        except ParseError:
            destination = source
        tag = "" if request.to_tag is not None else _tag(f"{self._salt}{via}")
        parts = answer_parts(request, via)
        self._box.datagrams.append((render_response(status, "", parts, tag, headers, self._agent), destination))


def _tag(text: str) -> str:
    """A To tag that is the same for each copy of a request; any octet may be in a Via."""
    return f"{zlib.crc32(text.encode('utf-8', 'surrogateescape')):08x}"
