"""Dialogs: route sets, targets, sequence numbers, where requests go (RFC 3261 §12)."""

from __future__ import annotations

import msgspec
import pytest

from switchboard.sip.dialog import Dialog, first_hop, hop_name, untagged
from switchboard.sip.flow import TlsAddress, WsAddress
from switchboard.sip.message import Request, Response, parse_datagram
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.render import render_request
from tests.unit.sip.peer import PEER, answer, outgoing, request

NAT = ("203.0.113.7", 40000)
VIA = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx"


def got(data: bytes) -> Request:
    """Parse a request."""
    message = parse_datagram(data)
    assert isinstance(message, Request)
    return message


def reply(out: OutgoingRequest, status: int, **more: object) -> Response:
    """Parse the peer's response to a request of ours."""
    message = parse_datagram(answer(render_request(out, VIA, "x"), status, **more))  # type: ignore[arg-type]
    assert isinstance(message, Response)
    return message


def callee(*lines: str, nat: bool = False) -> Dialog:
    """Make the dialog of an INVITE that came from the peer."""
    return Dialog.as_server(got(request(lines=lines)), "near", PEER if not nat else NAT, nat=nat)


def test_dialog_of_a_request() -> None:
    """RFC 3261 §12.1.1: what the callee's side of a dialog is made of."""
    assert callee("Record-Route: <sip:192.0.2.9;lr>, <sip:p1;lr>", "Record-Route: <sip:p0;lr>") == Dialog(
        call_id="call-1",
        local_tag="near",
        remote_tag="peer",
        local_uri="<sip:bob@192.0.2.1>",
        remote_uri="Alice <sip:alice@192.0.2.2:5070>",
        remote_target="sip:alice@192.0.2.2:5070",
        routes=["<sip:192.0.2.9;lr>", "<sip:p1;lr>", "<sip:p0;lr>"],
        local_seq=0,
        remote_seq=1,
        destination=("192.0.2.9", 5060),
    )


def test_dialog_of_a_response() -> None:
    """RFC 3261 §12.1.2: the caller's side; the route set is reversed, and the ringing phone is not confirmed."""
    out = outgoing(cseq=7)
    ringing = reply(out, 180, lines=("Record-Route: <sip:p2;lr>", "Record-Route: <sip:p1;lr>"))
    assert Dialog.as_client(out, ringing, PEER) == Dialog(
        call_id="out-1",
        local_tag="near",
        remote_tag="far",
        local_uri="<sip:switch@192.0.2.1>",
        remote_uri="<sip:bob@192.0.2.2>",
        remote_target="sip:bob@192.0.2.2:5070",
        routes=["<sip:p1;lr>", "<sip:p2;lr>"],
        local_seq=7,
        remote_seq=None,
        destination=PEER,
        confirmed=False,
        ours=True,
    )


def test_the_2xx_decides_the_route_set() -> None:
    """RFC 3261 §13.2.2.4: an early dialog takes route set and target anew from the 2xx."""
    out = outgoing()
    dialog = Dialog.as_client(out, reply(out, 183, lines=("Record-Route: <sip:p1;lr>",)), PEER)
    ok = parse_datagram(
        answer(render_request(out, VIA, "x"), 200).replace(b"<sip:bob@192.0.2.2:5070>", b"<sip:b@192.0.2.5>")
    )
    assert isinstance(ok, Response)
    dialog.establish(ok, PEER)
    assert dialog.confirmed
    assert dialog.routes == []
    assert dialog.remote_target == "sip:b@192.0.2.5"
    assert dialog.destination == ("192.0.2.5", 5060)


def test_provisional_after_the_2xx_does_not_unconfirm() -> None:
    """A confirmed dialog stays confirmed."""
    out = outgoing()
    dialog = Dialog.as_client(out, reply(out, 200), PEER)
    dialog.establish(reply(out, 183), PEER)
    assert dialog.confirmed


def test_response_without_a_contact_keeps_the_target() -> None:
    """A 183 without a Contact leaves the URI that was called."""
    out = outgoing()
    bare = answer(render_request(out, VIA, "x"), 183).replace(b"Contact", b"X-Contact")
    message = parse_datagram(bare)
    assert isinstance(message, Response)
    assert Dialog.as_client(out, message, PEER).remote_target == out.uri


def test_request_without_a_contact_falls_back_to_from() -> None:
    """RFC 3261 §8.1.1.8 demands a Contact; without it the From URI has to do."""
    bare = got(request().replace(b"Contact", b"X-Contact"))
    assert Dialog.as_server(bare, "near", PEER).remote_target == "sip:alice@192.0.2.2:5070"


def test_requests_of_old_elements_have_no_tag() -> None:
    """RFC 3261 §12.1.1: a From without a tag gives an empty remote tag, and a To without one later."""
    old = got(request().replace(b";tag=peer", b""))
    dialog = Dialog.as_server(old, "near", PEER)
    assert dialog.remote_tag == ""
    assert dialog.next_request("BYE").to == "Alice <sip:alice@192.0.2.2:5070>"
    dialog.local_tag = ""
    assert dialog.next_request("BYE").from_ == "<sip:bob@192.0.2.1>"


def test_next_request_counts_up() -> None:
    """RFC 3261 §12.2.1.1: own tag in From, peer's in To, CSeq one higher each time."""
    dialog = callee()
    first = dialog.next_request("INFO", headers=("X: y",), body=b"b", content_type="text/plain")
    second = dialog.next_request("BYE")
    assert (first.cseq, second.cseq, dialog.local_seq) == (1, 2, 2)
    assert (first.method, first.uri, first.destination) == ("INFO", "sip:alice@192.0.2.2:5070", PEER)
    assert first.from_ == "<sip:bob@192.0.2.1>;tag=near"
    assert first.to == "Alice <sip:alice@192.0.2.2:5070>;tag=peer"
    assert (first.call_id, first.routes, first.headers) == ("call-1", (), ("X: y",))
    assert (first.body, first.content_type) == (b"b", "text/plain")


def test_ack_has_the_number_of_its_invite() -> None:
    """RFC 3261 §13.2.2.4: the ACK of a 2xx does not count."""
    dialog = callee()
    invite = dialog.next_request("INVITE")
    dialog.next_request("INFO")
    ack = dialog.ack(invite.cseq, body=b"v=0\r\n")
    assert (ack.method, ack.cseq, ack.body) == ("ACK", 1, b"v=0\r\n")
    assert dialog.local_seq == 2


def test_loose_routes_are_followed() -> None:
    """RFC 3261 §12.2.1.1: Request-URI is the target, Route the whole set, the packet goes to the first."""
    out = callee("Record-Route: <sip:192.0.2.9:5080;lr>, <sip:p1;lr=on>").next_request("BYE")
    assert out.uri == "sip:alice@192.0.2.2:5070"
    assert out.routes == ("<sip:192.0.2.9:5080;lr>", "<sip:p1;lr=on>")
    assert out.destination == ("192.0.2.9", 5080)


@pytest.mark.parametrize(
    ("route", "uri"),
    [
        ("<sip:192.0.2.9:5080>", "sip:192.0.2.9:5080"),
        ("<sip:192.0.2.9;transport=udp;method=INVITE?X=y>;lr", "sip:192.0.2.9;transport=udp"),
        ("<sip:192.0.2.9;lrx>", "sip:192.0.2.9;lrx"),
        ("sip:192.0.2.9", "sip:192.0.2.9"),
    ],
)
def test_strict_routes_are_followed(route: str, uri: str) -> None:
    """RFC 3261 §12.2.1.1: a first route without lr is the Request-URI, the target goes last."""
    dialog = callee("Record-Route: <sip:192.0.2.9>, <sip:p1;lr>")
    dialog.routes[0] = route
    out = dialog.next_request("BYE")
    assert out.uri == uri
    assert out.routes == ("<sip:p1;lr>", "<sip:alice@192.0.2.2:5070>")
    assert out.destination == ("192.0.2.9", 5060)


def test_remote_requests_must_come_in_order() -> None:
    """RFC 3261 §12.2.2: lower is refused, equal and higher taken; ACK and CANCEL have their INVITE's number."""
    dialog = callee()
    verdicts = [
        dialog.accept(got(request(method, cseq=cseq)))
        for method, cseq in (("INFO", 5), ("INFO", 5), ("INFO", 4), ("ACK", 1), ("CANCEL", 1), ("BYE", 6))
    ]
    assert verdicts == [True, True, False, True, True, True]
    assert dialog.remote_seq == 6


def test_first_remote_request_of_a_caller_sets_the_number() -> None:
    """RFC 3261 §12.2.2: an empty remote sequence number takes any."""
    out = outgoing()
    dialog = Dialog.as_client(out, reply(out, 200), PEER)
    assert dialog.accept(got(request("BYE", cseq=0)))
    assert dialog.remote_seq == 0


@pytest.mark.parametrize(("method", "moves"), [("INVITE", True), ("UPDATE", True), ("INFO", False), ("BYE", False)])
def test_target_refresh(method: str, moves: bool) -> None:
    """RFC 3261 §12.2.2: only a target refresh request moves the target, and the destination with it."""
    dialog = callee()
    moved = got(request(method, cseq=2).replace(b"Contact: <sip:alice@192.0.2.2", b"Contact: <sip:a@192.0.2.44"))
    assert dialog.accept(moved, PEER)
    target, where = (
        ("sip:a@192.0.2.44:5070", ("192.0.2.44", 5070))
        if moves
        else (
            "sip:alice@192.0.2.2:5070",
            PEER,
        )
    )
    assert (dialog.remote_target, dialog.destination) == (target, where)


def test_a_refused_request_moves_nothing() -> None:
    """A re-INVITE out of order leaves the target alone."""
    dialog = callee()
    dialog.remote_seq = 9
    assert not dialog.accept(got(request(cseq=2).replace(b"Contact: <sip:alice@192.0.2.2", b"Contact: <sip:a@x")))
    assert dialog.remote_target == "sip:alice@192.0.2.2:5070"


def test_behind_nat_the_source_is_the_destination() -> None:
    """With nat the peer is answered where it was last seen, whatever its Contact and routes say."""
    dialog = callee("Record-Route: <sip:192.0.2.9;lr>", nat=True)
    assert dialog.destination == NAT
    assert dialog.accept(got(request("INFO", cseq=2)), ("203.0.113.7", 40001))
    assert dialog.destination == ("203.0.113.7", 40001)
    assert dialog.accept(got(request("INVITE", cseq=3)), ("203.0.113.7", 40002))
    assert dialog.destination == ("203.0.113.7", 40002)
    assert dialog.accept(got(request("INFO", cseq=4)))
    assert dialog.accept(got(request("INVITE", cseq=5)))
    assert dialog.destination == ("203.0.113.7", 40002)
    out = outgoing()
    assert Dialog.as_client(out, reply(out, 200), NAT, nat=True).destination == NAT


def test_without_nat_the_source_does_not_matter() -> None:
    """A request from elsewhere does not divert the dialog."""
    dialog = callee()
    dialog.accept(got(request("INFO", cseq=2)), NAT)
    assert dialog.destination == PEER


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("sip:a@192.0.2.1", ("192.0.2.1", 5060)),
        ("sip:192.0.2.1:5070;lr", ("192.0.2.1", 5070)),
        ("sip:a;x=1:pw@192.0.2.1:5070;transport=udp", ("192.0.2.1", 5070)),
        ("SIPS:a@192.0.2.1?Subject=x", TlsAddress(("192.0.2.1", 5061))),
        ("sip:[2001:db8::1]:5070;lr", ("2001:db8::1", 5070)),
        ("sip:[::1]", ("::1", 5060)),
        ("sip:a@example.com", None),
        ("sip:a@192.0.2.1.example.com", None),
        ("sip:a@192.0.2.256", None),
        ("sip:a@192.0.2", None),
        ("sip:a@192.0.2.1:0", None),
        ("sip:a@192.0.2.1:65536", None),
        ("tel:+861065", None),
    ],
)
def test_first_hop_is_an_ip_literal_or_nothing(uri: str, address: tuple[str, int] | None) -> None:
    """Names are not resolved here; the caller falls back to where the peer was seen."""
    assert first_hop([f"<{uri}>"], "sip:x@198.51.100.1") == address
    assert first_hop([uri], "sip:x@198.51.100.1") == address
    assert first_hop([], uri) == address


def test_a_route_may_have_a_display_name() -> None:
    """Brackets in a quoted display name are none of the URI."""
    dialog = callee('Record-Route: "a <b, c" <sip:192.0.2.9;lr>')
    assert dialog.destination == ("192.0.2.9", 5060)
    out = dialog.next_request("BYE")
    assert (out.uri, out.routes) == (dialog.remote_target, ('"a <b, c" <sip:192.0.2.9;lr>',))


@pytest.mark.parametrize(
    ("value", "bare"),
    [
        ("<sip:a@b>;tag=1", "<sip:a@b>"),
        ("A <sip:a@b;tag=no> ; TAG = 1 ;x=y", "A <sip:a@b;tag=no> ;x=y"),
        ("sip:a@b;tag=1", "sip:a@b"),
        ("<sip:a@b>", "<sip:a@b>"),
        ("<sip:a@b>;tagged=1", "<sip:a@b>;tagged=1"),
    ],
)
def test_untagged(value: str, bare: str) -> None:
    """Only the tag parameter of the header is taken away."""
    assert untagged(value) == bare


def test_dialogs_survive_being_encoded() -> None:
    """A call can be written down and taken up again."""
    dialog = callee("Record-Route: <sip:192.0.2.9;lr>", nat=True)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(dialog), type=Dialog) == dialog
    assert msgspec.json.decode(msgspec.json.encode(dialog), type=Dialog) == dialog


def test_hostile_values_cannot_be_injected() -> None:
    """What a peer put into From and Record-Route stays inside its line when it is sent back."""
    raw = request(lines=('Record-Route: <sip:192.0.2.9;lr>;x=" , "',)).replace(b"Alice", b'"A\\" <sip:x> "')
    out = Dialog.as_server(got(raw), "near", PEER).next_request("BYE")
    sent = parse_datagram(render_request(out, VIA, "x"))
    assert isinstance(sent, Request)
    assert sent.to.uri == "sip:alice@192.0.2.2:5070"
    assert sent.to_tag == "peer"
    assert sent.headers.values("route") == ['<sip:192.0.2.9;lr>;x=" , "']


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("sip:a@example.com", True),
        ("sips:pbx.example.com:5071;transport=tls", True),
        ("SIP:a;x=1:pw@Example.Com.;lr", True),
        ("sip:a@192.0.2.1", False),
        ("sip:a@[2001:db8::1]", False),
        ("sip:a@192.0.2.1:99999", False),
        ("sip:a@pbx", False),
        ("sip:a@localhost:5070", False),
        ("sip:a@exa mple.com", False),
        ("tel:+861065", False),
    ],
)
def test_a_name_is_to_be_looked_up(uri: str, named: bool) -> None:
    """Of a dialog whose first hop is a name each request says so; one behind a NAT is where it was seen."""
    assert hop_name([], uri, PEER) == (uri if named else "")
    assert hop_name([f"<{uri}>"], "sip:x@198.51.100.1", PEER) == (uri if named else "")
    assert hop_name([], uri, WsAddress(PEER)) == ""
    dialog = Dialog.as_server(
        got(request().replace(b"sip:alice@192.0.2.2:5070>\r\nMax", f"{uri}>\r\nMax".encode())), "n", PEER
    )
    assert bool(dialog.named) == named
    assert bool(dialog.next_request("BYE").named) == named
    again = got(request(cseq=2, to_tag="near"))
    assert dialog.accept(again, PEER)
    assert (dialog.named, dialog.next_request("BYE").named) == ("", "")
    dialog = Dialog.as_server(got(request(lines=(f"Record-Route: <{uri};lr>",))), "n", PEER, nat=True)
    assert dialog.named == ""
