"""REGISTER: an account proves itself by digest and binds its contacts (RFC 3261 §10.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.calls.identity import user_of
from switchboard.calls.inbound import KNOWN_OPTIONS, note_failure, refuse, unsupported
from switchboard.calls.keep_alive import watch
from switchboard.calls.message_waiting import tell_waiting
from switchboard.calls.reaching import leads_astray
from switchboard.calls.returning import came_back
from switchboard.sip.date import date_line
from switchboard.sip.errors import SipError
from switchboard.sip.flow import StreamAddress
from switchboard.sip.uri import parse_uri

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.message import Request
    from switchboard.sip.transaction.server import ServerTransaction

MOST_PLACES: Final = 250
_KNOWN: Final = KNOWN_OPTIONS | {"path", "outbound"}
_SUPPORTED: Final = {True: "Supported: path, outbound", False: "Supported: path"}
"""By whether keep-alives are answered on the transport, which is what `outbound` promises (RFC 5626 §6)."""


def register(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """Take a REGISTER: 401 until the account has proved itself, 403 for another's address of record.

    A source from which too many come gets silence for a while, also one that is trusted.
    """
    if x.source_pace.take(tx.source[0], now):
        x.core.abandon(tx)
        return
    unknown = unsupported(request, _KNOWN)
    if unknown:
        refuse(x, tx, 420, now, f"Unsupported: {', '.join(unknown)}")
        return
    if request.to.uri.partition(":")[0].lower() not in ("sip", "sips"):
        # RFC 3261 §10.2: an address-of-record is a SIP URI or a SIPS URI.
        refuse(x, tx, 400, now)
        return
    credentials = x.authenticator.meant(request.headers.getall("authorization"))
    user: str | None = None
    stale = False
    if credentials is not None:
        user, stale = x.authenticator.user(credentials, "REGISTER", request.uri, now)
    if user is None:
        claimed = user_of(request.headers.first.get("to") or "")
        note_failure(x, tx, claimed, credentials, now, stale=stale)
        challenge = x.authenticator.challenge(now, claimed, stale=stale)
        refuse(x, tx, 401, now, *(f"WWW-Authenticate: {value}" for value in challenge))
        return
    x.door.proved(tx.source, now)
    aor = _address_of_record(x, request)
    if aor is None or aor.partition("@")[0] != user:
        refuse(x, tx, 404 if aor is None else 403, now)
        return
    # Of more of them than any phone may have the registrar takes none.
    places = [*request.headers.values("contact")[:MOST_PLACES], *request.headers.values("path")[:MOST_PLACES]]
    if leads_astray(places, tx.source, x.core.is_here):
        refuse(x, tx, 403, now, reason="Contact Leads Astray")
        return
    _bind(x, tx, request, user, aor, now)


def _bind(x: Exchange, tx: ServerTransaction, request: Request, user: str, aor: str, now: float) -> None:
    answered = isinstance(tx.source, StreamAddress) or x.settings.stun
    result = x.registrar.register(request, aor, tx.source, now, answered=answered)
    headers = result.headers
    if result.status == 200:
        headers = (*headers, date_line(x.utc_us(now) // 1_000_000), _SUPPORTED[answered])
    x.core.respond(tx, result.status, result.reason, to_tag=x.token(), headers=headers, now=now)
    if result.status != 200:
        return
    x.desk.phones_changed(now)
    x.phones.registered(aor, tx.source, now)
    if result.contacts:
        watch(x, aor, x.registrar.bindings(aor, now)[0], now)
    if x.absences.known:
        came_back(x, aor, tx.source, now)
    if result.removed or result.added:
        contacts = len(x.registrar.lookup(aor, now))
        x.log("phone.registered" if result.added else "phone.unregistered", account=user, contacts=contacts)
    if result.added and any(waiting := x.mailboxes.waiting(user)):
        tell_waiting(x, user, waiting, now)


def _address_of_record(x: Exchange, request: Request) -> str | None:
    """user@domain of To, in our domain whichever of its names was used; None when it is not ours."""
    try:
        uri = parse_uri(request.to.uri)
    except SipError:
        return None
    if uri.host.lower() not in x.settings.domains or not uri.user:
        return None
    return f"{uri.user_text}@{x.settings.domain}"
