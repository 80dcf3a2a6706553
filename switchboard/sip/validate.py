"""What is wrong with a message that could be read, and the status its sender is owed.

The parser refuses only what cannot be framed; everything a rule forbids is named here, so that it can be
answered. A missing tag, branch, Max-Forwards or Content-Length is no fault: RFC 2543 elements send none
(RFC 4475 §3.4.1). A Date nobody reads is not looked at (RFC 4475 §3.1.2.12).
"""

from __future__ import annotations

import re
from typing import Final

from switchboard.sip.address import is_usual as is_usual_address
from switchboard.sip.address import parse_name_addr, scan_usual
from switchboard.sip.errors import ParseError, ProtocolError
from switchboard.sip.headers import is_digits, is_token, split_commas
from switchboard.sip.message import MAX_BODY, Message, Request, Response
from switchboard.sip.uri import is_usual_uri, is_well_formed
from switchboard.sip.usual import SINGLE
from switchboard.sip.via import MAGIC, is_usual, parse_via

KNOWN_METHODS: Final = frozenset(
    (
        *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY"),
        *("OPTIONS", "PRACK", "PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"),
    )
)
"""Every registered method; an unknown one is owed 501 rather than 400 (RFC 4475 §3.1.2.18)."""

_VERSION: Final = re.compile(r"SIP/[0-9]+\.[0-9]+\Z", re.IGNORECASE)
_CALL_ID: Final = re.compile(r"[^\s\x00-\x1f\x7f]+\Z")
_MANDATORY: Final = (("via", "Via"), ("from", "From"), ("to", "To"), ("call-id", "Call-ID"), ("cseq", "CSeq"))
_MAX_CSEQ: Final = 2**31


def validate(message: Message) -> ProtocolError | None:
    """Return the first fault with the status owed, or None; a response is owed nothing (status None)."""
    if message.usual and len(message.body) <= MAX_BODY:
        return None
    try:
        if isinstance(message, Request):
            _check_request_line(message)
        else:
            _check_status_line(message)
        _check_presence(message)
        _check_values(message)
    except (ParseError, ProtocolError) as error:
        status = error.status if isinstance(message, Request) else None
        return ProtocolError(error.reason, status=status, header=error.header, section=error.section)
    return None


def _fault(reason: str, header: str | None, section: str, status: int = 400) -> ProtocolError:
    return ProtocolError(reason, status=status, header=header, section=section)


def _check_request_line(request: Request) -> None:
    """RFC 3261 §7.1: Method SP Request-URI SP SIP-Version, one space each."""
    if request.version != "SIP/2.0":
        if not _VERSION.match(request.version):
            raise _fault("malformed request line", None, "RFC 3261 §7.1")
        if request.version.upper() != "SIP/2.0":
            raise _fault("SIP version not supported", None, "RFC 3261 §21.5.6", 505)
    if not is_token(request.method):
        raise _fault("malformed method", None, "RFC 3261 §7.1")
    if not is_well_formed(request.uri):
        raise _fault("malformed Request-URI", None, "RFC 3261 §7.1")
    if "?" in request.uri and request.request_uri.headers:
        raise _fault("headers in the Request-URI", None, "RFC 3261 §19.1.1")


def _check_status_line(response: Response) -> None:
    """RFC 3261 §7.2: a code from 100 to 699."""
    if response.version.upper() != "SIP/2.0":
        raise _fault("SIP version not supported", None, "RFC 3261 §7.2")
    if not 100 <= response.status <= 699:
        raise _fault("status code out of range", None, "RFC 4475 §3.1.2.19")


def _check_presence(message: Message) -> None:
    """RFC 3261 §8.1.1 and §7.3.1: nothing missing, nothing twice, nothing that is no header."""
    headers = message.headers
    if headers.malformed is not None:
        raise _fault("line is no header", None, "RFC 3261 §7.3.1")
    for name, shown in _MANDATORY:
        if headers.get(name) is None:
            raise _fault("missing header", shown, "RFC 3261 §8.1.1")
    if headers.has_repeated:
        for name in SINGLE:
            if headers.repeated(name):
                raise _fault("header must not be repeated", name, "RFC 3261 §7.3.1")
    if len(message.body) > MAX_BODY:
        raise _fault("body too large", None, "RFC 3261 §21.4.11", 413)


def _check_values(message: Message) -> None:
    """RFC 3261 §20: the values that routing, matching and dialogs depend on."""
    headers = message.headers
    get = headers.get
    _check_cseq(message)
    if not _CALL_ID.match(message.call_id):
        raise _fault("malformed value", "Call-ID", "RFC 3261 §20.8")
    _check_address(get("from") or "", "From")
    _check_address(get("to") or "", "To")
    _check_via(get("via") or "")
    hops = get("max-forwards")
    if hops is not None and (not is_digits(hops) or len(hops) > 9 or int(hops) > 255):
        raise _fault("malformed value", "Max-Forwards", "RFC 3261 §20.22")
    for value in headers.getall("contact"):
        _check_contact(value, message)
    for name in ("record-route", "route"):
        if get(name) is not None:
            _check_route(headers.getall(name), name.title())


def _check_cseq(message: Message) -> None:
    """RFC 3261 §8.1.1.5: a number below 2**31 and the method of the request."""
    if message.cseq < 0 or not is_token(message.cseq_method):
        raise _fault("malformed value", "CSeq", "RFC 3261 §20.16")
    if message.cseq >= _MAX_CSEQ:
        raise _fault("number out of range", "CSeq", "RFC 3261 §8.1.1.5")
    if isinstance(message, Request) and message.cseq_method != message.method:
        status = 400 if message.method in KNOWN_METHODS else 501
        raise _fault("method differs from the request line", "CSeq", "RFC 3261 §8.1.1.5", status)


def _check_address(value: str, header: str) -> None:
    """RFC 3261 §20.10: a name-addr or addr-spec whose URI is well formed."""
    if is_usual_address(value):
        return
    usual = scan_usual(value)
    uri = usual[0] if usual is not None else parse_name_addr(value, header).uri
    if not is_well_formed(uri):
        raise _fault("malformed URI", header, "RFC 3261 §19.1.1")


def _check_contact(value: str, message: Message) -> None:
    """RFC 3261 §20.10: addresses, or `*` alone in a REGISTER."""
    if value == "*":
        if isinstance(message, Request) and message.method != "REGISTER":
            raise _fault("wildcard outside a REGISTER", "Contact", "RFC 3261 §20.10")
        return
    if is_usual_uri(value):
        return
    for item in split_commas(value):
        _check_address(item, "Contact")


def _check_route(lines: list[str], header: str) -> None:
    """RFC 3261 §20.30, §20.34: every value, as all of them become a route set."""
    for line in lines:
        for value in split_commas(line):
            _check_address(value, header)


def _check_via(line: str) -> None:
    """RFC 3261 §20.42: the topmost line; a branch that is only the magic cookie names nothing."""
    if is_usual(line):
        return
    for value in split_commas(line):
        if parse_via(value).branch == MAGIC:
            raise _fault("branch without an identifier", "Via", "RFC 4475 §3.2.1")
