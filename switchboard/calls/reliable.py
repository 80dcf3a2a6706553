"""Provisional responses that must arrive (RFC 3262): which of ours do, and what is owed to who does not fit that.

Only one waits for its PRACK at a time. What would follow it meanwhile is sent when that has come: the next provisional
response, and the 200 if the one that waits has our answer in it (RFC 3262 §3).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from switchboard.sip.dialog import Dialog
from switchboard.sip.session_timer import lists

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.calls.leg import Leg
    from switchboard.sip.message import Request
    from switchboard.sip.transaction.server import ServerTransaction

TAG: Final = "100rel"
MAX_EARLY: Final = 16
"""So many early dialogs of one INVITE are believed of either kind; more are not known, nor acknowledged."""

Mode = Literal["off", "supported", "required"]


class Reliable(msgspec.Struct, array_like=True):
    """Those we send on a leg: `rseq` is the latest of them, `cseq` that of its INVITE.

    `pending` is True until its PRACK, `described` when it holds our answer. `queued` is the status of the next one,
    0 for none; `answer` is True when the 200 waits.
    """

    rseq: int
    cseq: int
    pending: bool = False
    described: bool = False
    queued: int = 0
    answer: bool = False


class Early(msgspec.Struct, array_like=True):
    """An early dialog of an INVITE of ours: the latest `rseq` in it, and the answer to our offer, if it has come.

    `rseq` is 0 while nothing in it was reliable, and there is no answer then: what describes media there is but a
    preview of it (RFC 3262 §5).
    """

    dialog: Dialog
    rseq: int = 0
    answer: bytes = b""


def invite_lines(mode: Mode) -> tuple[str, ...]:
    """The header lines of an INVITE of ours."""
    return {"off": (), "supported": ("Supported: 100rel",), "required": ("Require: 100rel",)}[mode]


def not_taken(x: Exchange, request: Request) -> tuple[int, tuple[str, ...]] | None:
    """The status and lines owed to an INVITE for what it says of 100rel; None: it is taken."""
    mode = x.settings.reliable
    if mode == "off":
        if "require" in request.headers.first and lists(request.headers, "require", TAG):
            return 420, (f"Unsupported: {TAG}",)
    elif mode == "required" and not (
        lists(request.headers, "require", TAG) or lists(request.headers, "supported", TAG)
    ):
        return 421, (f"Require: {TAG}",)
    return None


def reliable_lines(x: Exchange, leg: Leg, tx: ServerTransaction, described: bool) -> tuple[str, ...] | None:
    """The lines that make the next provisional response to a caller reliable; none: it is not. None: it is not sent.

    A caller that only knows the extension gets those reliably that describe media; one that requires it, all.
    """
    if x.settings.reliable == "off":
        return ()
    headers = tx.request.headers
    required = lists(headers, "require", TAG)
    if not required and not (described and (x.settings.reliable == "required" or lists(headers, "supported", TAG))):
        return ()
    if leg.remote is None:
        # The first reliable response would have to bring our offer, which is for the 200 (RFC 3261 §13.2.1).
        return None if required else ()
    sent = leg.reliable
    if sent is None:
        sent = leg.reliable = Reliable(zlib.crc32(x.token().encode()) >> 1, tx.request.cseq)
    sent.rseq += 1
    sent.pending, sent.described = True, described
    return (f"Require: {TAG}", f"RSeq: {sent.rseq}")


def waits(leg: Leg, status: int) -> bool:
    """Whether what is to be sent to a caller waits for a PRACK; it is remembered then. 200 is its answer."""
    sent = leg.reliable
    if sent is None or not sent.pending:
        return False
    if status < 200:
        sent.queued = status
        return True
    sent.answer = sent.described
    return sent.described
