"""Why a call or a leg ended: our word, the SIP status and the Q.850 cause, mapped both ways.

RFC 3398 §7.2.4.1 (SIP status to Q.850), §8.2.6.1 (Q.850 to SIP status); the Reason header field is
RFC 3326, its use in responses RFC 6432.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

ELSEWHERE: Final = 'Reason: SIP;cause=200;text="Call completed elsewhere"'
"""For the phones of somebody who has answered at another one (RFC 3326 §3.1)."""


class Cause(msgspec.Struct, frozen=True):
    """One reason for an end: `word` for records, `status` for a pending INVITE, `q850` for Reason."""

    word: str
    status: int
    q850: int

    @property
    def reason_header(self) -> str:
        """The Reason header line, RFC 3326 §2; the text is always ours, never a peer's."""
        return f'Reason: Q.850;cause={self.q850};text="{self.word}"'


NORMAL: Final = Cause("normal", 480, 16)
CANCELLED: Final = Cause("cancelled", 487, 16)
TAKEN_ELSEWHERE: Final = Cause("cancelled", 487, 26)
"""The caller has reached somebody by another way: a non-selected user is cleared (ITU-T Q.850)."""
BUSY: Final = Cause("busy", 486, 17)
NO_ANSWER: Final = Cause("no_answer", 480, 19)
UNREGISTERED: Final = Cause("unregistered", 480, 20)
DECLINED: Final = Cause("declined", 603, 21)
FORBIDDEN: Final = Cause("forbidden", 403, 21)
UNKNOWN: Final = Cause("unknown", 404, 1)
UNREACHABLE: Final = Cause("unreachable", 480, 3)
GONE: Final = Cause("gone", 410, 22)
INCOMPLETE: Final = Cause("incomplete", 484, 28)
NOT_ACCEPTABLE: Final = Cause("not_acceptable", 488, 65)
CONGESTION: Final = Cause("congestion", 503, 34)
FAILED: Final = Cause("failed", 500, 41)
EXPIRED: Final = Cause("expired", 487, 102)
TIMEOUT: Final = Cause("timeout", 480, 102)
LOOP: Final = Cause("loop", 483, 25)
LOOPED: Final = Cause("loop", 482, 25)
MEDIA_LOST: Final = Cause("media_lost", 500, 41)
MEDIA_SILENT: Final = Cause("media_silent", 500, 102)
EDGE_LOST: Final = Cause("edge_lost", 500, 41)
WEBRTC_FAILED: Final = Cause("webrtc_failed", 500, 41)
WEBRTC_LOST: Final = Cause("webrtc_lost", 500, 102)
SESSION_EXPIRED: Final = Cause("session_expired", 480, 102)
TOO_LONG: Final = Cause("too_long", 480, 16)
SHUTDOWN: Final = Cause("shutdown", 503, 41)
NO_ACK: Final = Cause("no_ack", 500, 102)
NO_PRACK: Final = Cause("no_prack", 504, 102)
FLOW_ERROR: Final = Cause("flow_error", 500, 41)

CAUSES: Final[dict[str, Cause]] = {
    cause.word: cause
    for cause in (
        NORMAL,
        CANCELLED,
        BUSY,
        NO_ANSWER,
        UNREGISTERED,
        DECLINED,
        FORBIDDEN,
        UNKNOWN,
        UNREACHABLE,
        GONE,
        INCOMPLETE,
        NOT_ACCEPTABLE,
        CONGESTION,
        FAILED,
        EXPIRED,
        TIMEOUT,
        LOOP,
        MEDIA_LOST,
        MEDIA_SILENT,
        EDGE_LOST,
        WEBRTC_FAILED,
        WEBRTC_LOST,
        SESSION_EXPIRED,
        TOO_LONG,
        SHUTDOWN,
        NO_ACK,
        NO_PRACK,
        FLOW_ERROR,
    )
}

# RFC 3398 §8.2.6.1.
STATUS_OF_Q850: Final[dict[int, int]] = {
    1: 404, 2: 404, 3: 404, 17: 486, 18: 408, 19: 480, 20: 480, 21: 403, 22: 410, 23: 410, 26: 404,
    27: 502, 28: 484, 29: 501, 31: 480, 34: 503, 38: 503, 41: 503, 42: 503, 47: 503, 55: 403, 57: 403,
    58: 503, 65: 488, 70: 488, 79: 501, 87: 403, 88: 503, 102: 504, 111: 500, 127: 500,
}  # fmt: skip

# What a caller is told when the far side refuses; what is not listed becomes FAILED. A 3xx that is not followed leads
# nowhere: its Contact may be somebody's number, and is shown to nobody.
_CAUSE_OF_STATUS: Final[dict[int, Cause]] = {
    300: UNREACHABLE, 301: UNREACHABLE, 302: UNREACHABLE, 305: UNREACHABLE, 380: UNREACHABLE,
    403: FORBIDDEN, 404: UNKNOWN, 406: NOT_ACCEPTABLE, 408: NO_ANSWER, 410: GONE, 415: NOT_ACCEPTABLE, 480: NO_ANSWER,
    482: LOOPED, 483: LOOP, 484: INCOMPLETE, 485: UNKNOWN, 486: BUSY, 487: CANCELLED, 488: NOT_ACCEPTABLE,
    503: CONGESTION, 504: TIMEOUT, 600: BUSY, 603: DECLINED, 604: UNKNOWN, 606: NOT_ACCEPTABLE,
    607: DECLINED, 608: DECLINED,
}  # fmt: skip

_SIP_200 = re.compile(r"(?i)(?:^|,)\s*SIP\s*(?:;[^,]*?)?;\s*cause\s*=\s*200(?!\d)")
_Q850 = re.compile(r"(?i)(?:^|,)\s*Q\.850\s*(?:;[^,]*?)?;\s*cause\s*=\s*(\d{1,3})")


def read_q850(reasons: list[str]) -> int | None:
    """The Q.850 cause in the values of Reason header fields, or None (RFC 3326 §2)."""
    for reason in reasons:
        found = _Q850.search(reason)
        if found:
            cause = int(found.group(1))
            return cause if cause <= 127 else None
    return None


def cause_of_response(status: int, reasons: list[str]) -> Cause:
    """The cause of a leg's non-2xx final response; a Q.850 cause in its Reason refines it (RFC 6432)."""
    cause = _CAUSE_OF_STATUS.get(status, FAILED)
    q850 = read_q850(reasons) if reasons else None
    if q850 is None or q850 == cause.q850:
        return cause
    if status in (480, 500, 503) and q850 in STATUS_OF_Q850:
        # A gateway that hides its telephone-network cause behind a general status says more in Reason.
        refined = _CAUSE_OF_STATUS.get(STATUS_OF_Q850[q850], FAILED)
        return Cause(refined.word, refined.status, q850)
    return Cause(cause.word, cause.status, q850)


def cause_of_cancel(reasons: list[str]) -> Cause:
    """The cause that a CANCEL carries: a call completed elsewhere is `SIP;cause=200` (RFC 3326 §1); else Q.850's."""
    if any(_SIP_200.search(reason) for reason in reasons):
        return TAKEN_ELSEWHERE
    q850 = read_q850(reasons) if reasons else None
    return CANCELLED if q850 is None or q850 == CANCELLED.q850 else Cause(CANCELLED.word, CANCELLED.status, q850)


def cause_of_hangup(reasons: list[str]) -> Cause:
    """The cause that a BYE carries; `normal` with cause 16 when it names none."""
    q850 = read_q850(reasons) if reasons else None
    return NORMAL if q850 is None or q850 == 16 else Cause("normal", NORMAL.status, q850)


REASON_PHRASES: Final[dict[int, str]] = {
    100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
    200: "OK", 202: "Accepted", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required",
    408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large", 415: "Unsupported Media Type",
    416: "Unsupported URI Scheme", 420: "Bad Extension",
    421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief",
    480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
    483: "Too Many Hops", 484: "Address Incomplete", 486: "Busy Here", 487: "Request Terminated",
    488: "Not Acceptable Here", 491: "Request Pending", 500: "Server Internal Error", 501: "Not Implemented",
    503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported", 600: "Busy Everywhere",
    603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip
