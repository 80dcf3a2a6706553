"""The status a malformed message is owed."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import ProtocolError
from switchboard.sip.message import MAX_BODY, Response, parse_datagram
from switchboard.sip.validate import KNOWN_METHODS, validate

LINES = {
    "start": "INVITE sip:4001@192.0.2.1 SIP/2.0",
    "Via": "SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-1",
    "From": "<sip:a@192.0.2.2>;tag=1",
    "To": "<sip:4001@192.0.2.1>",
    "Call-ID": "1@192.0.2.2",
    "CSeq": "7 INVITE",
    "Max-Forwards": "70",
    "Contact": "<sip:a@192.0.2.2>",
    "Content-Length": "0",
}


def fault_of(changes: dict[str, str | None], *extra: str, body: bytes = b"") -> ProtocolError | None:
    """Validate the good INVITE with lines changed, removed (None) or added."""
    lines = {**LINES, **changes}
    if body:
        lines["Content-Length"] = str(len(body))
    start = lines.pop("start")
    head = [f"{name}: {value}" for name, value in lines.items() if value is not None]
    text = "\r\n".join([start or "", *head, *extra]) + "\r\n\r\n"
    return validate(parse_datagram(text.encode("utf-8", "surrogateescape") + body))


def test_good_request() -> None:
    """The INVITE all the others are made from has no fault."""
    assert fault_of({}) is None


@pytest.mark.parametrize(
    ("changes", "status", "header"),
    [
        ({"start": "INVITE sip:4001@192.0.2.1 SIP/3.0"}, 505, None),
        ({"start": "INVITE sip:4001@192.0.2.1 sip/1.0"}, 505, None),
        ({"start": "INVITE sip:4001@192.0.2.1 HTTP/1.1"}, 400, None),
        ({"start": "INVITE sip:4001@192.0.2.1 SIP/2.0 "}, 400, None),
        ({"start": "INVITE  sip:4001@192.0.2.1 SIP/2.0"}, 400, None),
        ({"start": "INVITE sip:4001@192.0.2.1;a SIP/2.0 SIP/2.0"}, 400, None),
        ({"start": "INVITE sip:4001@192.0.2.1?a=b SIP/2.0"}, 400, None),
        ({"start": "INVITE <sip:4001@192.0.2.1> SIP/2.0"}, 400, None),
        ({"start": "INV(TE sip:4001@192.0.2.1 SIP/2.0"}, 400, None),
        ({"Via": None}, 400, "Via"),
        ({"Via": "SIP/2.0/UDP 192.0.2.15;;,;,,"}, 400, "Via"),
        ({"Via": "SIP/2.0/UDP a, "}, 400, "Via"),
        ({"Via": "SIP/2.0/UDP a;branch=z9hG4bK"}, 400, "Via"),
        ({"From": None}, 400, "From"),
        ({"From": "<sip:a@h>;tag="}, 400, "From"),
        ({"From": "<sip:a b@h>"}, 400, "From"),
        ({"From": '"x <sip:a@h>'}, 400, "From"),
        ({"To": None}, 400, "To"),
        ({"To": "nobody"}, 400, "To"),
        ({"To": "<sip:@h>"}, 400, "To"),
        ({"To": "<sip:a@h>, <sip:b@h>"}, 400, "To"),
        ({"Call-ID": None}, 400, "Call-ID"),
        ({"Call-ID": ""}, 400, "Call-ID"),
        ({"Call-ID": "a b"}, 400, "Call-ID"),
        ({"CSeq": None}, 400, "CSeq"),
        ({"CSeq": "INVITE"}, 400, "CSeq"),
        ({"CSeq": "7 BYE"}, 400, "CSeq"),
        ({"CSeq": "7 INV(TE"}, 400, "CSeq"),
        ({"CSeq": "2147483648 INVITE"}, 400, "CSeq"),
        ({"CSeq": "36893488147419103232 INVITE"}, 400, "CSeq"),
        ({"start": "NEWMETHOD sip:h SIP/2.0"}, 501, "CSeq"),
        ({"Max-Forwards": "256"}, 400, "Max-Forwards"),
        ({"Max-Forwards": "-1"}, 400, "Max-Forwards"),
        ({"Max-Forwards": "0000000070"}, 400, "Max-Forwards"),
        ({"Max-Forwards": ""}, 400, "Max-Forwards"),
        ({"Contact": "<sip:a@h>, "}, 400, "Contact"),
        ({"Contact": "sip:a@h?x=y"}, 400, "Contact"),
        ({"Contact": "*"}, 400, "Contact"),
        ({"Contact": "a"}, 400, "Contact"),
    ],
)
def test_faults(changes: dict[str, str | None], status: int, header: str | None) -> None:
    """Each fault is named with its status and its header."""
    fault = fault_of(changes)
    assert fault is not None
    assert (fault.status, fault.header) == (status, header)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("Contact: <sip:x", "Contact"),
        ("Route: <sip:x", "Route"),
        ("Route: <sip:a;lr>, x", "Route"),
        ("Record-Route: <sip:a b>", "Record-Route"),
        ("no header", None),
        ("bad name: x", None),
        *[(f"{name}: {value}", name.lower()) for name, value in LINES.items() if name in ("From", "To", "CSeq")],
        ("i: 2", "call-id"),
        ("Max-Forwards: 70", "max-forwards"),
        ("c: a/b\r\nContent-Type: c/d", "content-type"),
        ("Expires: 1\r\nExpires: 2", "expires"),
    ],
)
def test_faulty_lines(line: str, header: str | None) -> None:
    """Lines that are malformed, or must not come twice, are owed a 400."""
    fault = fault_of({}, line)
    assert fault is not None
    assert (fault.status, fault.header) == (400, header)


@pytest.mark.parametrize(
    "changes",
    [
        {"start": "INVITE sip:4001@192.0.2.1 sip/2.0"},
        {"start": "INVITE urn:service:sos SIP/2.0"},
        {"start": "INVITE sip:4001?x@192.0.2.1 SIP/2.0"},
        {"Via": "SIP/2.0/UDP 192.0.2.2"},
        {"Via": "SIP/2.0/UDP a;branch=old, SIP / 2.0 / TCP [::1]:1;branch=z9hG4bKa"},
        {"From": "<sip:a@192.0.2.2>"},
        {"From": '"A \\" B" <sip:a@192.0.2.2>;x="y";tag=1'},
        {"From": "sip:a@192.0.2.2;tag=1"},
        {"To": "isbn:2983792873"},
        {"Max-Forwards": None},
        {"Max-Forwards": "0068"},
        {"CSeq": "2147483647  INVITE"},
        {"Contact": None},
        {"Contact": "sip:a@192.0.2.2:5190"},
        {"Contact": "sip:a@192.0.2.2;expires=1"},
        {"Contact": "<sip:a@h>, <sip:b@h>;q=1"},
        {"start": "REGISTER sip:h SIP/2.0", "CSeq": "1 REGISTER", "Contact": "*"},
        {"start": "NEWMETHOD sip:h SIP/2.0", "CSeq": "1 NEWMETHOD"},
        {"Content-Length": None},
    ],
)
def test_tolerated(changes: dict[str, str | None]) -> None:
    """What RFC 2543 elements and liberal writers send is no fault."""
    assert fault_of(changes) is None


def test_lists_may_repeat() -> None:
    """Headers that are lists may have several lines, and unknown ones may have anything."""
    assert (
        fault_of({}, "Contact: <sip:b@h>", "Route: <sip:a;lr>", "Route: <sip:b;lr>, <sip:c>", "X-Y: ;;,", "Date: x")
        is None
    )


def test_body_too_large() -> None:
    """A body beyond the limit is owed a 413."""
    assert fault_of({}, body=b"x" * MAX_BODY) is None
    fault = fault_of({}, body=b"x" * (MAX_BODY + 1))
    assert fault is not None
    assert fault.status == 413


@pytest.mark.parametrize(
    "changes",
    [
        {"start": "SIP/2.0 99 Low"},
        {"start": "SIP/2.0 700 High"},
        {"start": "SIP/2.0 4294967301 better not break the receiver"},
        {"start": "SIP/3.0 200 OK"},
        {"start": "SIP/2.0 200 OK", "CSeq": "x"},
        {"start": "SIP/2.0 200 OK", "To": None},
        {"start": "SIP/2.0 200 OK", "Contact": "<"},
    ],
)
def test_faulty_responses(changes: dict[str, str | None]) -> None:
    """A faulty response is owed nothing."""
    fault = fault_of(changes)
    assert fault is not None
    assert fault.status is None


@pytest.mark.parametrize("start", ["SIP/2.0 100 Trying", "sip/2.0 699 ", "SIP/2.0 200"])
def test_good_responses(start: str) -> None:
    """A response may name any method in its CSeq and have `*` nowhere to fear."""
    assert fault_of({"start": start, "CSeq": "1 SOMETHING"}) is None
    assert fault_of({"start": start, "Contact": "*"}) is None


def test_all_registered_methods_are_known() -> None:
    """The methods of RFC 3261 and its extensions are all there."""
    assert len(KNOWN_METHODS) == 14
    assert {"INVITE", "PRACK", "UPDATE", "PUBLISH"} < KNOWN_METHODS


def test_response_is_told_from_request() -> None:
    """The good lines behind a status line are a response."""
    text = "SIP/2.0 200 OK\r\n" + "".join(f"{name}: {value}\r\n" for name, value in list(LINES.items())[1:])
    message = parse_datagram(text.encode() + b"\r\n")
    assert isinstance(message, Response)
    assert validate(message) is None
