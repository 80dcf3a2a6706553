"""The core between datagrams and the TU: where responses go, what is refused, dropped or copied."""

from __future__ import annotations

import pytest

from switchboard.sip.core import MEAN_REQUEST, SipCore
from switchboard.sip.errors import LocalError
from switchboard.sip.events import AckReceived, RequestReceived
from switchboard.sip.message import Request, parse_datagram
from switchboard.sip.timers import Timers
from switchboard.sip.transaction.server import ServerTransaction
from tests.unit.sip.peer import OURS, PEER, Rig, answer, outgoing, parsed, request, response
from tests.unit.sip.test_transaction_client import EMPTY


def take(rig: Rig) -> ServerTransaction:
    """Take the one request the TU has heard of."""
    (event,) = rig.heard()
    assert isinstance(event, RequestReceived)
    return event.tx


B = "branch=z9hG4bKpeer1"
# Top Via line, source of the packet -> Via line of the response, where it goes (RFC 3261 §18.2, RFC 3581 §4).
VIAS = [
    (f"SIP/2.0/UDP 192.0.2.2:5070;{B}", PEER, f"SIP/2.0/UDP 192.0.2.2:5070;{B}", PEER),
    (f"SIP/2.0/UDP 192.0.2.2;{B}", PEER, f"SIP/2.0/UDP 192.0.2.2;{B}", ("192.0.2.2", 5060)),
    (f"SIP/2.0/UDP 192.0.2.2:5090;{B}", PEER, f"SIP/2.0/UDP 192.0.2.2:5090;{B}", ("192.0.2.2", 5090)),
    (
        f"SIP/2.0/UDP pc.example.com:5071;{B}",
        PEER,
        f"SIP/2.0/UDP pc.example.com:5071;{B};received=192.0.2.2",
        ("192.0.2.2", 5071),
    ),
    (
        f"SIP/2.0/UDP 10.0.0.9;{B};rport",
        PEER,
        f"SIP/2.0/UDP 10.0.0.9;{B};received=192.0.2.2;rport=5070",
        PEER,
    ),
    (
        f"SIP/2.0/UDP 192.0.2.2:5070;rport;{B}",
        PEER,
        f"SIP/2.0/UDP 192.0.2.2:5070;received=192.0.2.2;rport=5070;{B}",
        PEER,
    ),
    # What the sender claims to be its source does not count.
    (
        f"SIP/2.0/UDP 10.0.0.9;{B};received=203.0.113.1;rport=99",
        PEER,
        f"SIP/2.0/UDP 10.0.0.9;{B};received=192.0.2.2;rport=5070",
        PEER,
    ),
    (
        f"SIP/2.0/UDP 10.0.0.9 ; RPORT ; Received = 203.0.113.1;{B}",
        PEER,
        f"SIP/2.0/UDP 10.0.0.9 ;{B};received=192.0.2.2;rport=5070",
        PEER,
    ),
    # Not a parameter named rport.
    (
        f"SIP/2.0/UDP 10.0.0.9;rports=1;{B}",
        PEER,
        f"SIP/2.0/UDP 10.0.0.9;rports=1;{B};received=192.0.2.2",
        ("192.0.2.2", 5060),
    ),
    (
        f"SIP/2.0/UDP p1.example.com;{B};rport, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2;rport",
        PEER,
        f"SIP/2.0/UDP p1.example.com;{B};received=192.0.2.2;rport=5070, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK2;rport",
        PEER,
    ),
    (
        f'SIP/2.0/UDP 10.0.0.9;x=";rport";{B}',
        PEER,
        f'SIP/2.0/UDP 10.0.0.9;x=";rport";{B};received=192.0.2.2',
        ("192.0.2.2", 5060),
    ),
    (
        f"SIP/2.0/UDP [2001:db8::9]:5070;{B}",
        ("2001:db8::9", 5070),
        f"SIP/2.0/UDP [2001:db8::9]:5070;{B}",
        ("2001:db8::9", 5070),
    ),
    # A maddr is not obeyed: it would have us send to whom the sender likes.
    (
        f"SIP/2.0/UDP 192.0.2.2;maddr=203.0.113.9;{B}",
        PEER,
        f"SIP/2.0/UDP 192.0.2.2;maddr=203.0.113.9;{B}",
        ("192.0.2.2", 5060),
    ),
]


@pytest.mark.parametrize(("via", "source", "stamped", "destination"), VIAS)
def test_responses_go_where_the_via_says(
    via: str, source: tuple[str, int], stamped: str, destination: tuple[str, int]
) -> None:
    """The source is put into the top Via, and decides with it where responses go."""
    rig = Rig()
    rig.receive(request("OPTIONS", via=via), source)
    tx = take(rig)
    rig.core.respond(tx, 200, now=0.0)
    rig.drain()
    ((_, sent, where),) = rig.log
    assert response(sent).headers.get("via") == stamped
    assert where == destination
    assert tx.source == source
    assert tx.request.received == source[0]
    assert tx.request.rport == (source[1] if "rport=5070" in stamped else None)


def test_responses_copy_what_they_must() -> None:
    """RFC 3261 §8.2.6.2: all Via in order, From, To with our tag, Call-ID, CSeq as they came."""
    rig = Rig()
    lines = ("Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0", "Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1")
    rig.receive(request("OPTIONS", lines=lines))
    rig.core.respond(take(rig), 404, to_tag="mine", now=0.0)
    got = response(rig.sent()[0])
    assert got.reason == "Not Found"
    assert got.headers.getall("via") == [
        "SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bKpeer1",
        "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK0",
        "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1",
    ]
    assert got.headers.get("from") == "Alice <sip:alice@192.0.2.2:5070>;tag=peer"
    assert got.headers.get("to") == "<sip:bob@192.0.2.1>;tag=mine"
    assert (got.call_id, got.headers.get("cseq")) == ("call-1", "1 OPTIONS")
    assert got.headers.get("server") == "switchboard"
    assert got.headers.get("content-length") == "0"
    assert "contact" not in got.headers


def test_odd_bytes_of_the_request_survive_in_the_response() -> None:
    """Bytes that are no UTF-8 are copied as they came (RFC 4475 §3.1.1.4 has such a display name)."""
    rig = Rig()
    rig.receive(request("OPTIONS").replace(b"Alice", b"\xff\xfe\xe4"))
    rig.core.respond(take(rig), 200, now=0.0)
    assert b"From: \xff\xfe\xe4 <sip:alice" in rig.sent()[0]


def test_a_tag_that_is_there_is_kept() -> None:
    """RFC 3261 §8.2.6.2: a request inside a dialog has its To tag already."""
    rig = Rig()
    rig.receive(request("BYE", to_tag="given"))
    rig.core.respond(take(rig), 200, to_tag="other", now=0.0)
    assert response(rig.sent()[0]).to_tag == "given"


def test_a_cancel_within_a_dialog_adds_no_second_tag() -> None:
    """The INVITE it cancels has its To tag already."""
    rig = Rig()
    rig.receive(request(to_tag="given"))
    tx = take(rig)
    rig.receive(request("CANCEL", to_tag="given"))
    rig.core.respond(tx, 487, now=0.0)
    sent = [data for data in rig.sent() if b" 100 " not in data]
    assert [(response(data).status, response(data).to_tag) for data in sent] == [(200, "given"), (487, "given")]
    assert all(data.count(b"tag=given") == 1 and data.count(b";tag=") == 2 for data in sent)


def test_all_responses_to_a_request_have_one_tag() -> None:
    """The tag is chosen once when the TU has no wish; 100 Trying has none."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    for status in (100, 180, 183, 200):
        rig.core.respond(tx, status, now=0.0)
    tags = [response(data).to_tag for data in rig.sent()]
    assert tags[0] is None
    assert tags[1]
    assert tags[1:] == [tx.to_tag] * 3


@pytest.mark.parametrize(
    ("method", "status", "makes_dialog"),
    [
        ("INVITE", 100, False),
        ("INVITE", 180, True),
        ("INVITE", 200, True),
        ("INVITE", 302, False),
        ("INVITE", 486, False),
        ("SUBSCRIBE", 200, True),
        ("OPTIONS", 200, False),
        ("BYE", 200, False),
    ],
)
def test_dialog_responses_have_record_route_and_contact(method: str, status: int, makes_dialog: bool) -> None:
    """RFC 3261 §12.1.1: what makes or refreshes a dialog copies Record-Route and has a Contact."""
    rig = Rig()
    routes = ("Record-Route: <sip:p2;lr>, <sip:p1;lr>", "Record-Route: <sip:p0;lr>")
    rig.receive(request(method, lines=routes))
    rig.core.respond(take(rig), status, now=0.0)
    headers = response(rig.sent()[0]).headers
    assert headers.values("record-route") == (["<sip:p2;lr>", "<sip:p1;lr>", "<sip:p0;lr>"] if makes_dialog else [])
    assert headers.get("contact") == ("<sip:192.0.2.1:5060>" if makes_dialog else None)


def test_a_contact_of_the_tu_stays_the_only_one() -> None:
    """The TU knows better what its Contact is."""
    rig = Rig()
    rig.receive(request())
    rig.core.respond(take(rig), 200, headers=("Contact: <sip:me@192.0.2.1>",), now=0.0)
    assert response(rig.sent()[0]).headers.getall("contact") == ["<sip:me@192.0.2.1>"]
    rig.core.request(outgoing(headers=("Contact: <sip:you@192.0.2.1>",)), 0.0)
    assert parsed(rig.sent()[0]).headers.getall("contact") == ["<sip:you@192.0.2.1>"]


def test_bodies_have_a_type_and_a_length() -> None:
    """Content-Type and Content-Length go with the body, both ways."""
    rig = Rig()
    rig.receive(request())
    rig.core.respond(take(rig), 200, body=b"v=0\r\n", now=0.0)
    rig.core.request(outgoing("INFO", body=b"Signal=1\r\n", content_type="application/dtmf-relay"), 0.0)
    first, second = (parsed(data) for data in rig.sent())
    assert (first.body, first.content_type) == (b"v=0\r\n", "application/sdp")
    assert (second.body, second.content_type) == (b"Signal=1\r\n", "application/dtmf-relay")


def test_requests_are_written_as_asked() -> None:
    """RFC 3261 §8.1.1: what the TU gives, a Via with a new branch and rport, and nothing else of a peer."""
    rig = Rig()
    out = outgoing(
        routes=("<sip:192.0.2.9;lr>", "<sip:192.0.2.8;lr>"),
        headers=("Allow: INVITE, ACK", "Subject: hello"),
        max_forwards=17,
    )
    tx = rig.core.request(out, 0.0)
    got = parsed(rig.sent()[0])
    assert isinstance(got, Request)
    assert (got.method, got.uri, got.max_forwards) == ("INVITE", "sip:bob@192.0.2.2:5070", 17)
    assert got.headers.get("via") == f"SIP/2.0/UDP 192.0.2.1:5060;branch={tx.branch};rport"
    assert tx.branch.startswith("z9hG4bK")
    assert got.headers.getall("route") == ["<sip:192.0.2.9;lr>", "<sip:192.0.2.8;lr>"]
    assert (got.from_tag, got.to_tag, got.call_id, got.cseq) == ("near", None, "out-1", 1)
    assert got.headers.get("subject") == "hello"
    assert got.headers.get("contact") == rig.core.contact == "<sip:192.0.2.1:5060>"
    assert got.headers.get("user-agent") == "switchboard"


def test_branches_are_new_for_each_request() -> None:
    """One call of the random source per branch."""
    rig = Rig()
    branches = {rig.core.request(outgoing("OPTIONS"), 0.0).branch for _ in range(5)}
    assert len(branches) == 5


def test_ipv6_is_written_in_brackets() -> None:
    """RFC 3261 §25.1: IPv6reference in Via and Contact; the response is known again."""
    core = SipCore(local=("2001:db8::1", 5060), timers=Timers(), random_token=lambda: "t", user_agent="x")
    core.request(outgoing(), 0.0)
    sent = core.take_datagrams()[0][0]
    assert b"Via: SIP/2.0/UDP [2001:db8::1]:5060;branch=" in sent
    assert b"Contact: <sip:[2001:db8::1]:5060>" in sent
    core.receive(answer(sent, 180), PEER, 0.0)
    assert len(core.take_events()) == 1


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_ack_and_cancel_are_no_transactions(method: str) -> None:
    """RFC 3261 §17.1.1.3, §9.1: they have calls of their own."""
    with pytest.raises(LocalError):
        Rig().core.request(outgoing(method), 0.0)


BREAKS = ["\r", "\n", "\r\nEvil: yes", "\r\n\r\nbody"]


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize("field", ["uri", "from_", "to", "call_id", "routes", "headers", "content_type", "method"])
def test_requests_cannot_be_injected(field: str, text: str) -> None:
    """CR or LF in any value of a request is our own mistake, and nothing is sent or kept."""
    rig = Rig()
    out = outgoing("INFO", body=b"x")
    value = getattr(out, field)
    setattr(out, field, (f"X: y{text}",) if isinstance(value, tuple) else value + text)
    with pytest.raises(LocalError):
        rig.core.request(out, 0.0)
    assert rig.sent() == []
    assert rig.core.counts() == EMPTY
    out = outgoing("ACK", body=b"x")
    setattr(out, field, (f"X: y{text}",) if isinstance(value, tuple) else value + text)
    with pytest.raises(LocalError):
        rig.core.send_ack(out, 0.0)
    assert rig.sent() == []


@pytest.mark.parametrize("field", ["uri", "method"])
def test_a_space_cannot_move_the_request_line(field: str) -> None:
    """RFC 3261 §7.1: single spaces separate its three parts."""
    out = outgoing("INFO")
    setattr(out, field, "sip:a b")
    with pytest.raises(LocalError):
        Rig().core.request(out, 0.0)


@pytest.mark.parametrize("text", BREAKS)
@pytest.mark.parametrize("field", ["reason", "to_tag", "headers", "content_type"])
def test_responses_cannot_be_injected(field: str, text: str) -> None:
    """CR or LF in any value of a response is our own mistake; the request can still be answered."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    fields: dict[str, object] = {field: (f"X: y{text}",) if field == "headers" else f"x{text}"}
    with pytest.raises(LocalError):
        rig.core.respond(tx, 200, body=b"x", now=0.0, **fields)  # type: ignore[arg-type]
    assert rig.sent() == []
    assert rig.core.counts()["pending_2xx"] == 0
    rig.core.respond(tx, 200, to_tag="good", now=0.0)
    assert response(rig.sent()[0]).to_tag == "good"


MALFORMED = [
    (b"CSeq: 1 OPTIONS", b"CSeq: one OPTIONS", 400),
    (b"CSeq: 1 OPTIONS", b"CSeq: 1 BYE", 400),
    (b"To: <sip:bob@192.0.2.1>\r\n", b"", 400),
    (b"OPTIONS sip:bob@192.0.2.1 SIP/2.0", b"OPTIONS sip:bob@192.0.2.1 SIP/7.0", 505),
    (b"Content-Length: 0", b"Content-Length: 99", 400),
    (b"Max-Forwards: 70", b"Max-Forwards: many", 400),
    (b"Via: SIP/2.0/UDP 192.0.2.2:5070;", b"Via: SIP/2.0/UDP ;;,;", 400),
]


@pytest.mark.parametrize(("old", "new", "status"), MALFORMED)
def test_malformed_requests_are_answered(old: bytes, new: bytes, status: int) -> None:
    """What can be read decides the answer; the TU hears nothing and nothing is kept."""
    data = request("OPTIONS")
    assert old in data
    rig = Rig()
    rig.receive(data.replace(old, new))
    ((_, sent, where),) = rig.log
    assert response(sent).status == status
    assert where == PEER
    assert response(sent).headers.get("call-id") == "call-1"
    assert rig.heard() == []
    assert rig.core.counts() == EMPTY


def test_stateless_answers_to_one_request_are_equal() -> None:
    """RFC 3261 §8.2.7: the same To tag for the same request, another one for another."""
    rig = Rig()
    bad = request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: x")
    rig.receive(bad)
    rig.receive(bad)
    rig.receive(bad.replace(b"z9hG4bKpeer1", b"z9hG4bKpeer2"))
    first, again, other = rig.sent()
    assert first == again
    assert response(first).to_tag
    assert response(first).to_tag != response(other).to_tag


NEVER_ANSWERED = [
    b"",
    b"\r\n\r\n",
    b"\x00\x01\x02",
    b"GET / HTTP/1.1\r\n\r\n",
    request("ACK").replace(b"CSeq: 1 ACK", b"CSeq: x ACK"),
    request("ACK").replace(b"Content-Length: 0", b"Content-Length: 9"),
    request("OPTIONS").replace(b"Via:", b"X-Via:"),
    request("OPTIONS").replace(b"Via:", b"X-Via:").replace(b"Content-Length: 0", b"Content-Length: 9"),
    request("OPTIONS", lines=("X: y",) * 1000),
    b"SIP/2.0 200 OK\r\nContent-Length: 9\r\n\r\n",
    b"SIP/2.0 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("data", NEVER_ANSWERED)
def test_some_things_are_never_answered(data: bytes) -> None:
    """Responses, ACK, what has no Via and what is no SIP are dropped without a word."""
    rig = Rig()
    rig.receive(data)
    assert rig.log == []
    assert rig.heard() == []
    assert rig.core.counts() == EMPTY


def test_malformed_responses_are_dropped() -> None:
    """A response that breaks a rule does not move its transaction."""
    rig = Rig()
    rig.core.request(outgoing("OPTIONS"), 0.0)
    (sent,) = rig.sent()
    rig.receive(answer(sent, 200).replace(b"SIP/2.0 200", b"SIP/2.0 999"))
    rig.receive(answer(sent, 200).replace(b"From: <", b"From: <<"))
    assert rig.heard() == []
    rig.receive(answer(sent, 200))
    assert rig.names() == ["ResponseReceived"]


STRAY = [
    (b"branch=z9hG4bKtoken2", b"branch=z9hG4bKguess"),
    (b";branch=z9hG4bKtoken2", b""),
    # RFC 3261 §18.1.2: the sent-by is not ours, though the branch is.
    (b"SIP/2.0/UDP 192.0.2.1:5060", b"SIP/2.0/UDP 192.0.2.7:5060"),
    (b"SIP/2.0/UDP 192.0.2.1:5060", b"SIP/2.0/UDP 192.0.2.1:50601"),
    (b"SIP/2.0/UDP 192.0.2.1:5060", b"SIP/2.0/UDP 192.0.2.1:5061"),
    (b"SIP/2.0/UDP 192.0.2.1:5060", b"not a via"),
    # RFC 3261 §8.1.3.3: more than one Via.
    (b";rport\r\n", b";rport, SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\n"),
    (b";rport\r\n", b";rport\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\n"),
    # RFC 3261 §17.1.3: the method of CSeq belongs to the match.
    (b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
    (b"CSeq: 1 INVITE", b"CSeq: 1 CANCEL"),
]


@pytest.mark.parametrize(("old", "new"), STRAY)
def test_stray_responses_are_dropped(old: bytes, new: bytes) -> None:
    """What answers no request of ours reaches neither transaction nor TU."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    good = answer(sent, 200)
    assert old in good
    rig.receive(good.replace(old, new))
    assert rig.heard() == []
    rig.receive(good)
    assert rig.names() == ["ResponseReceived"]


def test_our_via_may_come_back_reformatted() -> None:
    """White space and letter case of the sent-by are no difference (RFC 3261 §7.3.1)."""
    rig = Rig()
    rig.core.request(outgoing(), 0.0)
    (sent,) = rig.sent()
    rig.receive(answer(sent, 180).replace(b"SIP/2.0/UDP 192", b"SIP / 2.0 / UDP   192"))
    assert rig.names() == ["ResponseReceived"]


def test_merged_requests_are_refused() -> None:
    """RFC 3261 §8.2.2.2: the copy of a request that came by another way gets 482."""
    rig = Rig()
    rig.receive(request())
    rig.receive(request(branch="z9hG4bKother"))
    assert rig.names() == ["RequestReceived"]
    assert rig.lines() == ["482"]
    rig.receive(request(branch="z9hG4bKnext", cseq=2))
    rig.receive(request(branch="z9hG4bKcall", call_id="call-2"))
    rig.receive(request(branch="z9hG4bKindialog", to_tag="x"))
    assert rig.names() == ["RequestReceived"] * 3


def test_only_requests_that_can_be_merged_are_filed() -> None:
    """Requests in dialogs and CANCEL take no place in the index of RFC 3261 §8.2.2.2."""
    rig = Rig()
    rig.receive(request("BYE", to_tag="x", branch="z9hG4bKbye"))
    assert rig.core.counts()["merge_keys"] == 0
    rig.receive(request())
    rig.receive(request("CANCEL"))
    assert rig.core.counts()["merge_keys"] == 1


def fill(rig: Rig, count: int, **more: object) -> list[ServerTransaction]:
    """Send that many different OPTIONS, and return the transactions the TU got."""
    for number in range(count):
        rig.receive(request("OPTIONS", branch=f"z9hG4bKfill{number}", call_id=f"fill{number}", **more))  # type: ignore[arg-type]
    return [event.tx for event in rig.heard() if isinstance(event, RequestReceived)]


def test_overload_is_answered_503_without_memory() -> None:
    """When all transactions are taken new requests get 503 with Retry-After, and the core does not grow."""
    rig = Rig(max_transactions=16)
    rig.core.request(outgoing("OPTIONS"), 0.0)
    rig.sent()
    assert len(fill(rig, 500)) == 15
    refused = [response(data) for data in rig.sent()]
    assert len(refused) == 485
    assert {(got.status, got.headers.get("retry-after")) for got in refused} == {(503, "5")}
    counts = rig.core.counts()
    assert counts["server_transactions"] + counts["client_transactions"] == 16
    assert counts["timers"] == 16
    rig.run(100.0)
    assert rig.core.counts() == EMPTY
    rig.sent()
    assert len(fill(rig, 1)) == 1


def test_overload_leaves_room_for_ending_calls() -> None:
    """Requests in dialogs and CANCEL have an eighth more room, but no more."""
    rig = Rig(max_transactions=16)
    rig.receive(request(call_id="ringing"))
    fill(rig, 15)
    rig.receive(request("CANCEL", call_id="ringing"))
    rig.receive(request("BYE", to_tag="x", branch="z9hG4bKbye1", cseq=2))
    assert rig.names() == ["CancelReceived", "RequestReceived"]
    rig.receive(request("BYE", to_tag="x", branch="z9hG4bKbye2", cseq=3))
    assert rig.names() == []
    assert rig.lines() == ["200", "503"]


def test_large_requests_use_the_room_up_earlier() -> None:
    """What a flood can hold is bounded in octets as well."""
    rig = Rig(max_transactions=16)
    assert len(fill(rig, 500, body=bytes(4 * MEAN_REQUEST))) == 4
    assert set(rig.lines()) == {"503"}
    rig.run(100.0)
    assert rig.core.counts() == EMPTY
    assert len(fill(rig, 1)) == 1


def test_repetitions_are_answered_under_overload() -> None:
    """Overload refuses what is new, not what is known."""
    rig = Rig(max_transactions=1)
    rig.receive(request())
    rig.core.respond(take(rig), 486, now=0.0)
    rig.sent()
    rig.receive(request())
    rig.receive(request("ACK"))
    assert rig.lines() == ["486"]


def test_ack_of_nothing_is_passed_on() -> None:
    """RFC 3261 §17.2.3: an ACK that matches nothing goes to the TU, and is not answered."""
    rig = Rig()
    rig.receive(request("ACK", to_tag="x"))
    (event,) = rig.heard()
    assert isinstance(event, AckReceived)
    assert event.tx is None
    assert rig.log == []


def test_max_forwards_zero_is_the_tus_business() -> None:
    """RFC 3261 §16.3: the core is no proxy; the TU answers 483 when it would forward."""
    rig = Rig()
    rig.receive(request().replace(b"Max-Forwards: 70", b"Max-Forwards: 0"))
    assert take(rig).request.max_forwards == 0


def test_nothing_to_take_is_an_empty_list() -> None:
    """The driver may drain an idle core at will."""
    rig = Rig()
    assert rig.core.take_datagrams() == []
    assert rig.core.take_events() == []
    assert rig.core.next_deadline() is None
    rig.core.handle_timer(5.0)
    assert rig.core.local == OURS


def test_the_reason_can_be_chosen_and_is_never_empty() -> None:
    """A reason of the TU is used as it is; an unknown status has one all the same."""
    rig = Rig()
    rig.receive(request())
    tx = take(rig)
    rig.core.respond(tx, 180, "Es klingelt", now=0.0)
    rig.core.respond(tx, 499, now=0.0)
    assert [response(data).reason for data in rig.sent()] == ["Es klingelt", "Unknown"]


def test_datagrams_leave_in_order() -> None:
    """What happened first is sent first, requests and responses mixed."""
    rig = Rig()
    rig.receive(request())
    rig.core.respond(take(rig), 180, now=0.0)
    rig.core.request(outgoing(), 0.0)
    rig.core.request(outgoing("BYE"), 0.0)
    assert rig.lines() == ["180", "INVITE", "BYE"]


def test_surrogates_reach_the_wire_as_the_bytes_they_were() -> None:
    """A header copied from one leg to the other keeps its bytes."""
    rig = Rig()
    rig.receive(request("OPTIONS").replace(b"Alice", b"\xe4"))
    display = take(rig).request.from_.display
    rig.core.request(outgoing(from_=f"{display} <sip:x@192.0.2.1>;tag=n"), 0.0)
    assert b"From: \xe4 <sip:x" in rig.sent()[0]
    assert parse_datagram(request("OPTIONS")).call_id == "call-1"
