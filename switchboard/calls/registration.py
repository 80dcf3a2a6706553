"""REGISTER: an account proves itself by digest and binds its contacts (RFC 3261 §10.3)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from switchboard.calls.inbound import note_failure, refuse, unsupported, user_of
from switchboard.calls.message_waiting import tell_waiting
from switchboard.sip.errors import SipError
from switchboard.sip.uri import parse_uri

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.message import Request
    from switchboard.sip.transaction.server import ServerTransaction


def register(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """Take a REGISTER: 401 until the account has proved itself, 403 for another's address of record."""
    unknown = unsupported(request)
    if unknown:
        refuse(x, tx, 420, now, f"Unsupported: {', '.join(unknown)}")
        return
    if request.to.uri.partition(":")[0].lower() not in ("sip", "sips"):
        # RFC 3261 §10.2: an address-of-record is a SIP URI or a SIPS URI.
        refuse(x, tx, 400, now)
        return
    credentials = request.headers.get("authorization")
    user: str | None = None
    stale = False
    if credentials is not None:
        user, stale = x.authenticator.user(credentials, "REGISTER", request.uri, now)
    if user is None:
        note_failure(x, tx, user_of(request.headers.first.get("to") or ""), credentials, now, stale=stale)
        challenge = x.authenticator.challenge(now, stale=stale)
        refuse(x, tx, 401, now, *(f"WWW-Authenticate: {value}" for value in challenge))
        return
    x.door.proved(tx.source, now)
    aor = _address_of_record(x, request)
    if aor is None or aor.partition("@")[0] != user:
        refuse(x, tx, 404 if aor is None else 403, now)
        return
    if _points_back(x, request):
        refuse(x, tx, 403, now, reason="Contact Points At The Registrar")
        return
    before = len(x.registrar.lookup(aor, now))
    result = x.registrar.register(request, aor, tx.source, now)
    headers = tuple(result.headers)
    x.core.respond(tx, result.status, "", to_tag=x.token(), headers=headers, now=now)
    if result.status == 200:
        x.desk.phones_changed(now)
        x.phones.registered(aor, tx.source, now)
        contacts = len(x.registrar.lookup(aor, now))
        x.log("phone.registered", account=user, contacts=contacts)
        if contacts > before and any(waiting := x.mailboxes.waiting(user)):
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


def _points_back(x: Exchange, request: Request) -> bool:
    """Whether a contact is this very listener, or an address nobody can be reached at: a loop to come."""
    host, port = x.settings.local
    for value in request.headers.values("contact"):
        if value.strip() == "*":
            continue
        begin = value.find("<")
        text = value[begin + 1 : value.find(">", begin)] if begin >= 0 else value.partition(";")[0]
        try:
            uri = parse_uri(text.strip())
            address = ipaddress.ip_address(uri.host.strip("[]"))
        except (SipError, ValueError):
            continue
        if address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255":
            return True
        if str(address) == host and (uri.port or 5060) == port:
            return True
    return False
