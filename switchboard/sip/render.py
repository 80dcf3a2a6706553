"""Messages written as text: requests by one f-string, responses by copying the lines of their request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from switchboard.sip.errors import LocalError
from switchboard.sip.headers import split_commas

if TYPE_CHECKING:
    from switchboard.sip.message import Request
    from switchboard.sip.outgoing import Address, OutgoingRequest

# RFC 3261 §21, and the registered codes of later RFCs that a switch sends.
REASONS: Final[dict[int, str]] = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    200: "OK",
    202: "Accepted",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    433: "Anonymity Disallowed",
    439: "First Hop Lacks Outbound Support",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}

# What an element before us may have claimed about itself, and the rport it asks to be filled in.
_CLAIMED: Final = re.compile(r";[ \t]*(?:(rport)|received)[ \t]*(?:=[^;]*)?(?=;|\Z)", re.IGNORECASE)


def host_port(address: Address) -> str:
    """Write an address as sent-by or hostport; IPv6 in brackets (RFC 3261 §25.1)."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def stamp_via(value: str, source: Address) -> tuple[str, bool]:
    """Put the packet's source into the top Via of a line; tells whether rport was asked for.

    RFC 3261 §18.2.1, RFC 3581 §4. What the sender claims to be its own source is dropped.
    """
    address, port = source
    before, usual, after = value.partition(";rport")
    if usual and after[:1] in ("", ";") and not ("," in value or '"' in value or "received" in value):
        return f"{before};received={address};rport={port}{after}", True
    top, *others = split_commas(value)
    wants_rport = any(claim[1] for claim in _CLAIMED.finditer(top))
    top = f"{_CLAIMED.sub('', top)};received={address}"
    if wants_rport:
        top = f"{top};rport={port}"
    return ", ".join([top, *others]), wants_rport


def answer_parts(request: Request, via: str) -> tuple[str, str]:
    """The lines every response copies (RFC 3261 §8.2.6.2): up to the To value without its end, and behind it.

    `via` is the first Via line as stamped. What is missing stays empty: a 400 has to do with what there is.
    """
    headers = request.headers
    get = headers.first.get
    line = f"Via: {via}\r\n"
    if headers.more is not None and "via" in headers.more:
        line = "".join([line, *[f"Via: {each}\r\n" for each in headers.more["via"]]])
    return (
        f"{line}From: {get('from', '')}\r\nTo: {get('to', '')}",
        f"\r\nCall-ID: {request.call_id}\r\nCSeq: {get('cseq', '')}\r\n",
    )


def render_response(
    status: int,
    reason: str,
    parts: tuple[str, str],
    to_tag: str,
    headers: tuple[str, ...],
    server: str,
    body: bytes = b"",
    content_type: str = "",
) -> bytes:
    """Write a response; LocalError when a line of ours holds CR or LF."""
    extra = "\r\n".join(headers) + "\r\n" if headers else ""
    if body:
        extra = f"{extra}Content-Type: {content_type}\r\n"
    reason = reason or REASONS.get(status, "Unknown")
    ours = f"{reason}{to_tag}{content_type}{''.join(headers)}"
    if "\n" in ours or "\r" in ours:
        raise LocalError("CR or LF in a response line", section="RFC 3261 §7.3.1")
    head, tail = parts
    tag = f";tag={to_tag}" if to_tag else ""
    text = (
        f"SIP/2.0 {status} {reason}\r\n{head}{tag}{tail}{extra}Server: {server}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return text.encode("utf-8", "surrogateescape") + body


def render_request(out: OutgoingRequest, via: str, agent: str) -> bytes:
    """Write a request with this Via; LocalError when a value holds CR or LF, or the URI a space."""
    ours = (
        f"{out.method}{out.uri}{via}{''.join(out.routes)}{out.from_}{out.to}{out.call_id}{''.join(out.headers)}"
        f"{out.content_type}{agent}"
    )
    if "\n" in ours or "\r" in ours:
        raise LocalError("CR or LF in a request line", section="RFC 3261 §7.3.1")
    if " " in out.uri or " " in out.method:
        raise LocalError("space in the request line", section="RFC 3261 §7.1")
    extra = "\r\n".join(out.headers) + "\r\n" if out.headers else ""
    body = out.body
    if body:
        extra = f"{extra}Content-Type: {out.content_type}\r\n"
    routes = "".join([f"Route: {route}\r\n" for route in out.routes]) if out.routes else ""
    text = (
        f"{out.method} {out.uri} SIP/2.0\r\nVia: {via}\r\n{routes}Max-Forwards: {out.max_forwards}\r\n"
        f"From: {out.from_}\r\nTo: {out.to}\r\nCall-ID: {out.call_id}\r\nCSeq: {out.cseq} {out.method}\r\n"
        f"{extra}User-Agent: {agent}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return text.encode("utf-8", "surrogateescape") + body


def render_hop(out: OutgoingRequest, via: str, method: str, to: str, headers: tuple[str, ...] = ()) -> bytes:
    """Write the ACK of a non-2xx response or the CANCEL of an INVITE (RFC 3261 §17.1.1.3, §9.1).

    Both follow the INVITE hop by hop: same Request-URI, Via, Route, From, Call-ID and CSeq number.
    """
    routes = "".join([f"Route: {route}\r\n" for route in out.routes]) if out.routes else ""
    extra = "\r\n".join(headers) + "\r\n" if headers else ""
    if extra.count("\n") != len(headers) or extra.count("\r") != len(headers):
        raise LocalError("CR or LF in a request line", section="RFC 3261 §7.3.1")
    text = (
        f"{method} {out.uri} SIP/2.0\r\nVia: {via}\r\n{routes}Max-Forwards: 70\r\n"
        f"From: {out.from_}\r\nTo: {to}\r\nCall-ID: {out.call_id}\r\nCSeq: {out.cseq} {method}\r\n"
        f"{extra}Content-Length: 0\r\n\r\n"
    )
    return text.encode("utf-8", "surrogateescape")
