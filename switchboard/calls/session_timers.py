"""How long a leg's session lives without a refresh (RFC 4028), agreed in each INVITE, re-INVITE and UPDATE.

A peer that knows no session timers is asked in the dialog every half interval whether it is still there: one that
has vanished in a queue, where no audio is missed, is found like any other. Its messages get no header for that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from switchboard.sip.errors import ParseError
from switchboard.sip.session_timer import LEAST, SessionExpires, lists, parse_min_se, parse_session_expires

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.calls.leg import Leg
    from switchboard.sip.headers import Headers
    from switchboard.sip.message import Request, Response
    from switchboard.sip.outgoing import OutgoingRequest

MARGIN: Final = 32.0
"""The side that only waits hangs up so many seconds early, or a third of the interval (RFC 4028 §10)."""
LONGEST: Final = 86400
"""No peer's Min-SE makes a session longer than a day: nobody would be found any more."""
REQUIRE: Final = "Require: timer"


class Session(msgspec.Struct, array_like=True):
    """A session timer that runs: `interval` in seconds, `ours` True when we refresh.

    `expires` is the monotonic time until which nobody needs to be hung up. `lengthened` is True from a 422 on until
    a refresh succeeds.
    """

    interval: int
    ours: bool
    expires: float
    lengthened: bool = False


def offer_lines(interval: int, min_se: int) -> tuple[str, ...]:
    """The header lines of an INVITE of ours; none when session timers are not offered."""
    if not interval:
        return ()
    line = f"Session-Expires: {interval}"
    return (line, f"Min-SE: {min_se}") if min_se > LEAST else (line,)


def too_brief(x: Exchange, request: Request) -> tuple[int, tuple[str, ...]] | None:
    """The status and lines owed to a request whose session would be too short (RFC 4028 §9); None: it is taken."""
    first = request.headers.first
    if "session-expires" not in first and "min-se" not in first:
        return None
    try:
        asked = _asked(request.headers)
        parse_min_se(first.get("min-se") or "0")
    except ParseError:
        return 400, ()
    least = x.settings.min_se
    if asked is not None and asked.interval < least and lists(request.headers, "supported", "timer"):
        return 422, (f"Min-SE: {least}",)
    return None


def accept_session(x: Exchange, leg: Leg, request: Request, now: float) -> tuple[str, ...]:
    """Start the timer as the side that answers (RFC 4028 §9); the lines for the 2xx."""
    headers = request.headers
    first = headers.first
    if "allow" in first:
        leg.updates = "UPDATE" in first["allow"]
    asked = _asked(headers) if "session-expires" in first else None
    known = "supported" in first and lists(headers, "supported", "timer")
    ours = x.settings.session_expires
    if (asked is None and (not known or not ours)) or (asked is not None and not known and asked.interval < LEAST):
        _untimed(x, leg, now)
        return ()
    least = parse_min_se(first.get("min-se") or str(LEAST))
    if asked is None:
        interval = min(max(ours, least), LONGEST)
    else:
        interval = min(asked.interval, max(ours or asked.interval, least))
    refresher = asked.refresher if asked is not None else ""
    if not known:
        # Some proxy wants it; the caller would not know what to do (RFC 4028 Table 2).
        refresher = "uas"
    elif not refresher:
        refresher = "uas" if leg.session is not None and leg.session.ours else "uac"
    _run(leg, interval, refresher == "uas", now)
    line = f"Session-Expires: {interval};refresher={refresher}"
    return (REQUIRE, line) if known else (line,)


def session_answered(x: Exchange, leg: Leg, response: Response, now: float) -> None:
    """Start the timer as the side that asked (RFC 4028 §7.2): a 2xx to INVITE or UPDATE has come."""
    first = response.headers.first
    if "allow" in first:
        leg.updates = "UPDATE" in first["allow"]
    if not leg.talking:
        return
    if "session-expires" in first:
        try:
            agreed = parse_session_expires(first["session-expires"])
        except ParseError:
            pass
        else:
            _run(leg, max(agreed.interval, LEAST), agreed.refresher != "uas", now)
            return
    _untimed(x, leg, now)


def refresh_lines(x: Exchange, leg: Leg) -> tuple[str, ...]:
    """The header lines of a re-INVITE or UPDATE of ours: the roles stay (RFC 4028 §7.4)."""
    session = leg.session
    if session is None:
        return ()
    line = f"Session-Expires: {session.interval};refresher={'uac' if session.ours else 'uas'}"
    return (line, f"Min-SE: {x.settings.min_se}") if x.settings.min_se > LEAST else (line,)


def longer(response: Response, interval: int) -> int | None:
    """What a 422 wants instead of `interval`; None when that makes no sense (RFC 4028 §7.3)."""
    try:
        least = parse_min_se(response.headers.first.get("min-se", ""))
    except ParseError:
        return None
    return least if interval < least <= LONGEST else None


def longer_lines(response: Response, sent: OutgoingRequest) -> tuple[str, ...] | None:
    """The header lines with which an INVITE that got this 422 is to be sent again; None when that is of no use."""
    line = next((line for line in sent.headers if line.startswith("Session-Expires:")), "")
    interval = longer(response, int(line.partition(":")[2] or 0))
    if interval is None:
        return None
    kept = (line for line in sent.headers if not line.startswith(("Session-Expires:", "Min-SE:")))
    return (*kept, f"Session-Expires: {interval}", f"Min-SE: {interval}")


def lengthen(leg: Leg, response: Response) -> bool:
    """Take the interval that the 422 to a refresh of ours wants; False when it is not to be tried (again)."""
    session = leg.session
    if session is None or session.lengthened:
        return False
    interval = longer(response, session.interval)
    if interval is None:
        return False
    session.interval, session.lengthened = interval, True
    return True


def _asked(headers: Headers) -> SessionExpires | None:
    value = headers.first.get("session-expires")
    return parse_session_expires(value) if value is not None else None


def _run(leg: Leg, interval: int, ours: bool, now: float) -> None:
    last = now + interval - min(MARGIN, interval / 3)
    leg.session = Session(interval, ours, last)
    leg.session_due = now + interval / 2 if ours else last


def _untimed(x: Exchange, leg: Leg, now: float) -> None:
    leg.session = None
    interval = x.settings.session_expires
    leg.session_due = now + interval / 2 if interval else None
