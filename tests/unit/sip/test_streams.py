"""The core over TCP and TLS: no repetition, our names there, lost connections, large requests."""

from __future__ import annotations

import pytest

from switchboard.sip.dialog import Dialog, _literal_place, first_hop, next_hop
from switchboard.sip.events import FlowLost, RequestReceived, ResponseReceived
from switchboard.sip.flow import (
    StreamAddress,
    TcpAddress,
    TlsAddress,
    WsAddress,
    WssAddress,
    on_transport,
    transport_of,
)
from switchboard.sip.message import Request, parse_datagram
from switchboard.sip.outgoing import Address
from tests.unit.sip.peer import PEER, Rig, ack_for, answer, outgoing, parsed, request, response

PLACES: dict[str, Address] = {
    "tcp": ("192.0.2.1", 5062),
    "tls": ("192.0.2.1", 5061),
    "ws": ("192.0.2.1", 5080),
    "wss": ("192.0.2.1", 5443),
}
TCP = TcpAddress(("192.0.2.2", 40000))
VIA = "SIP/2.0/TCP 192.0.2.2:5070;branch=z9hG4bKpeer1"


def rig() -> Rig:
    """A core that is there on all transports."""
    return Rig(streams=PLACES)


def arrive(where: Rig, data: bytes, source: StreamAddress = TCP) -> None:
    """A message comes over a connection."""
    where.core.receive_message(parse_datagram(data), source, where.now)
    where.drain()


def accepted(where: Rig) -> RequestReceived:
    """The request the TU was handed."""
    (event,) = where.heard()
    assert isinstance(event, RequestReceived)
    return event


def test_addresses_differ_by_transport() -> None:
    """The same host and port is another peer on each transport."""
    there = ("192.0.2.2", 40000)
    assert there != TCP
    assert TlsAddress(there) != TCP
    assert TcpAddress(there) == TCP
    assert len({there, TCP, TlsAddress(there), TcpAddress(there)}) == 3
    assert on_transport(TCP, "udp") == there
    assert on_transport(there, "TLS") == TlsAddress(there)
    assert (on_transport(there, "ws"), on_transport(there, "wss")) == (WsAddress(there), WssAddress(there))
    assert WsAddress(there) != WssAddress(there)
    assert [transport_of(one) for one in (WsAddress(there), WssAddress(there))] == ["ws", "ws"]
    assert [transport_of(one) for one in (there, TCP, TlsAddress(there))] == ["udp", "tcp", "tls"]


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_requests_are_sent_once(method: str) -> None:
    """RFC 3261 §17.1.1.2, §17.1.2.2: no timer A or E, but B and F still end it."""
    it = rig()
    it.core.request(outgoing(method, destination=TCP), it.now)
    it.run(31.9)
    assert it.lines() == [method]
    it.run(32.0)
    assert it.names() == ["TransactionTimeout"]
    assert it.core.counts()["client_transactions"] == 0


def test_a_provisional_response_does_not_start_repetition() -> None:
    """RFC 3261 §17.1.2.2: timer E at T2 in Proceeding is of unreliable transports."""
    it = rig()
    it.core.request(outgoing("OPTIONS", destination=TCP), it.now)
    (sent,) = it.sent()
    arrive(it, answer(sent, 183))
    it.run(31.9)
    assert it.lines() == []


@pytest.mark.parametrize(("method", "status"), [("INVITE", 486), ("OPTIONS", 200)])
def test_answered_requests_do_not_linger(method: str, status: int) -> None:
    """Timers D and K are zero."""
    it = rig()
    it.core.request(outgoing(method, destination=TCP), it.now)
    arrive(it, answer(it.sent()[0], status))
    it.run(it.now)
    assert it.core.counts()["client_transactions"] == 0


def test_refused_invites_wait_for_the_ack_alone() -> None:
    """Timer G never fires, H does; with the ACK timer I is zero."""
    for acknowledged in (True, False):
        it = rig()
        arrive(it, request(via=VIA))
        it.core.respond(accepted(it).tx, 486, now=it.now)
        if acknowledged:
            arrive(it, ack_for(it.sent()[0], branch="z9hG4bKpeer1").replace(b"/UDP", b"/TCP"))
            it.run(it.now)
        else:
            it.run(31.9)
            assert it.lines() == ["486"]
            assert it.core.counts()["server_transactions"] == 1
            it.run(32.0)
        assert it.core.counts()["server_transactions"] == 0


def test_unanswered_requests_are_given_up_after_64_t1() -> None:
    """Timer J is zero once it is answered; until then the TU has its time."""
    it = rig()
    arrive(it, request("OPTIONS", via=VIA))
    event = accepted(it)
    it.run(31.9)
    assert it.core.counts()["server_transactions"] == 1
    it.core.respond(event.tx, 200, now=it.now)
    it.run(it.now)
    assert it.core.counts()["server_transactions"] == 0


def test_a_2xx_is_repeated_on_any_transport() -> None:
    """RFC 3261 §13.3.1.4: it travels end to end, and a hop on the way may be UDP."""
    it = rig()
    arrive(it, request(via=VIA))
    it.core.respond(accepted(it).tx, 200, now=it.now)
    it.run(1.5)
    assert it.lines() == ["200", "200", "200"]


def test_responses_go_over_the_connection() -> None:
    """RFC 3261 §18.2.2: not to the port of the Via; received is added, and our Contact names the transport."""
    for kind, name, port in (
        (TcpAddress, "tcp", 5062),
        (TlsAddress, "tls", 5061),
        (WsAddress, "ws", 5080),
        (WssAddress, "ws", 5443),
    ):
        it = rig()
        source = kind(("192.0.2.9", 40000))
        arrive(it, request(via=VIA), source)
        it.core.respond(accepted(it).tx, 200, headers=("Contact: <sip:192.0.2.1:5060>",), now=it.now)
        it.drain()
        ((_, data, destination),) = it.log
        assert destination == source
        got = response(data)
        assert got.headers.get("via") == f"{VIA};received=192.0.2.9"
        assert got.headers.getall("contact") == [f"<sip:192.0.2.1:{port};transport={name}>"]


@pytest.mark.parametrize(
    ("lines", "uri", "secure"),
    [
        ((), "sip:bob@192.0.2.1", False),
        ((), "SIPS:bob@192.0.2.1", True),
        (("Contact: <sips:alice@192.0.2.9>",), "sip:bob@192.0.2.1", True),
        (("Contact: <sips:alice@192.0.2.9>", "Record-Route: <sip:192.0.2.9;lr>"), "sip:bob@192.0.2.1", False),
        (("Record-Route: <sips:192.0.2.9;lr>, <sip:192.0.2.8;lr>",), "sip:bob@192.0.2.1", True),
    ],
)
def test_who_comes_by_sips_gets_a_sips_contact(lines: tuple[str, ...], uri: str, *, secure: bool) -> None:
    """RFC 3261 §12.1.1: by the Request-URI, the top Record-Route or, without one, the Contact; where we have TLS."""
    for kind, name, way in (
        (TcpAddress, "sip", ":5062;transport=tcp"),
        (TlsAddress, "sips" if secure else "sip", ":5061" + ("" if secure else ";transport=tls")),
        (WssAddress, "sips" if secure else "sip", ":5443;transport=ws"),
    ):
        it = rig()
        data = request(via=VIA, lines=lines).replace(b"sip:bob@192.0.2.1 SIP", uri.encode() + b" SIP")
        if lines and lines[0].startswith("Contact"):
            data = data.replace(b"Contact: <sip:alice@192.0.2.2:5070>\r\n", b"")
        arrive(it, data, kind(("192.0.2.9", 40000)))
        it.core.respond(accepted(it).tx, 200, headers=("Contact: <sip:192.0.2.1:5060>",), now=it.now)
        assert response(it.sent()[0]).headers.getall("contact") == [f"<{name}:192.0.2.1{way}>"]


@pytest.mark.parametrize(
    ("more", "secure"),
    [
        ({}, False),
        ({"uri": "sips:bob@192.0.2.2"}, True),
        ({"uri": "sip:bob@192.0.2.2", "routes": ("<sips:192.0.2.2;lr>",)}, True),
    ],
)
def test_who_is_called_by_sips_gets_a_sips_contact(more: dict[str, object], *, secure: bool) -> None:
    """RFC 3261 §8.1.1.8."""
    it = rig()
    it.core.request(outgoing(destination=TlsAddress(PEER), **more), it.now)
    expected = "<sips:192.0.2.1:5061>" if secure else "<sip:192.0.2.1:5061;transport=tls>"
    assert parsed(it.sent()[0]).headers.get("contact") == expected


def test_faults_of_a_stream_are_answered_over_it() -> None:
    """RFC 3261 §18.3: a request without Content-Length gets its 400 where it came from."""
    it = rig()
    arrive(it, request(via=VIA, lines=("Require: magic",)).replace(b"Max-Forwards: 70", b"Max-Forwards: x"))
    ((_, data, destination),) = it.log
    assert (response(data).status, destination) == (400, TCP)


@pytest.mark.parametrize(
    ("kind", "name", "port"),
    [(TcpAddress, "TCP", 5062), (TlsAddress, "TLS", 5061), (WsAddress, "WS", 5080), (WssAddress, "WSS", 5443)],
)
def test_requests_say_where_we_are_on_that_transport(kind: type[StreamAddress], name: str, port: int) -> None:
    """Via and Contact of the INVITE, and the same Via on its CANCEL and ACK."""
    it = rig()
    it.core.request(outgoing(destination=kind(PEER)), it.now)
    tx = it.core.request(outgoing(destination=kind(PEER), call_id="out-2"), it.now)
    first, second = it.sent()
    assert (parsed(first).headers.get("via") or "").startswith(f"SIP/2.0/{name} 192.0.2.1:{port};branch=")
    by = name.lower().replace("wss", "ws")
    assert parsed(first).headers.get("contact") == f"<sip:192.0.2.1:{port};transport={by}>", "RFC 7118 §5.4"
    arrive(it, answer(second, 180), kind(PEER))
    it.core.cancel(tx, it.now)
    (cancel,) = it.sent()
    assert parsed(cancel).headers.get("via") == parsed(second).headers.get("via")
    arrive(it, answer(second, 487), kind(PEER))
    (ack,) = it.sent()
    assert parsed(ack).headers.get("via") == parsed(second).headers.get("via")


def test_the_ack_of_a_2xx_goes_by_the_same_transport() -> None:
    """A dialog over TCP sends its ACK there, and answers a repeated 2xx with it."""
    it = rig()
    it.core.request(outgoing(destination=TcpAddress(PEER)), it.now)
    ok = answer(it.sent()[0], 200)
    arrive(it, ok, TcpAddress(PEER))
    (event,) = it.heard()
    assert isinstance(event, ResponseReceived)
    dialog = Dialog.as_client(event.tx.request, event.response, TcpAddress(PEER))
    it.core.send_ack(dialog.ack(1), it.now)
    arrive(it, ok, TcpAddress(PEER))
    assert [(data[:3], where) for _, data, where in it.log] == [(b"ACK", TcpAddress(PEER))] * 2
    assert b"Via: SIP/2.0/TCP 192.0.2.1:5062;" in it.log[0][1]


@pytest.mark.parametrize("host", ["df7jal23ls0d.invalid", "192.0.2.77", "192.0.2.77:5443", "[2001:db8::7]"])
@pytest.mark.parametrize("source", [WssAddress(("192.0.2.9", 40000)), PEER])
def test_nobody_calls_a_browser(host: str, source: Address) -> None:
    """RFC 7118 §5.2: the contact of a WebSocket is reached where it came from, be it an address or none."""
    assert next_hop([], f"sip:anna@{host};transport=ws", source) == source
    assert next_hop(["<sip:192.0.2.77:5443;transport=ws;lr>"], "sip:anna@192.0.2.5", source) == source


def test_others_are_called_where_they_are() -> None:
    """A contact that is no WebSocket's, heard of over UDP; and the host a connection is open to."""
    assert next_hop([], "sip:anna@192.0.2.77", PEER) == ("192.0.2.77", 5060)
    assert next_hop([], "sip:anna@192.0.2.77;transport=tcp", PEER) == TcpAddress(("192.0.2.77", 5060))
    assert next_hop([], "sip:anna@192.0.2.2:999;transport=tcp", TCP) == TCP


def test_a_lost_connection_fails_what_waits_there() -> None:
    """RFC 3261 §8.1.3.1; others on the same host are not touched, and the TU hears whom it cannot reach."""
    it = rig()
    it.core.request(outgoing(destination=TCP), it.now)
    it.core.request(outgoing(call_id="out-2", destination=TcpAddress(PEER)), it.now)
    it.core.request(outgoing(call_id="out-3"), it.now)
    it.core.flow_lost(TCP, it.now)
    failed, lost = it.heard()
    assert type(failed).__name__ == "TransactionFailed"
    assert isinstance(lost, FlowLost)
    assert lost.address == TCP
    assert it.core.counts()["client_transactions"] == 2


@pytest.mark.parametrize(("source", "fails"), [(TCP, False), (WssAddress(("192.0.2.2", 40000)), True)])
def test_a_browser_that_rang_is_gone_with_its_websocket(source: StreamAddress, *, fails: bool) -> None:
    """Nobody else can answer for it, while a phone on TCP may answer by a connection of its own (RFC 3261 §18.2.2)."""
    it = rig()
    it.core.request(outgoing(destination=source), it.now)
    arrive(it, answer(it.sent()[0], 180), source)
    it.heard()
    it.core.flow_lost(source, it.now)
    names = it.names()
    assert names == (["TransactionFailed", "FlowLost"] if fails else ["FlowLost"])
    assert it.core.counts()["client_transactions"] == (0 if fails else 1)
    assert it.core.counts()["waiting_destinations"] == 0


def test_large_requests_move_to_tcp() -> None:
    """RFC 3261 §18.1.1: above 1,300 octets; the Contact stays, as the dialog itself is one of UDP."""
    it = rig()
    it.core.request(outgoing(body=b"v" * 1100), it.now)
    it.drain()
    ((_, data, where),) = it.log
    got = parsed(data)
    assert (where, got.via.transport, got.contact_uri) == (TcpAddress(PEER), "TCP", "sip:192.0.2.1:5060")
    it = Rig()
    it.core.request(outgoing(body=b"v" * 1100), it.now)
    it.drain()
    assert it.log[0][2] == PEER, "without TCP of our own nothing moves"
    it = rig()
    it.core.request(outgoing(body=b"v" * 500), it.now)
    it.drain()
    assert it.log[0][2] == PEER, "small ones stay"


def test_large_requests_stay_where_nobody_can_connect() -> None:
    """A phone behind a NAT has opened its way by UDP, and has no other."""
    it = rig()
    out = outgoing(body=b"v" * 1100)
    out.nat = True
    it.core.request(out, it.now)
    it.drain()
    assert it.log[0][2] == PEER


@pytest.mark.parametrize(("moved", "size"), [(True, 1100), (True, 100), (False, 1100)])
def test_a_large_ack_goes_where_its_invite_went(moved: bool, size: int) -> None:
    """By TCP only where the INVITE was answered there: nothing would bring an ACK back (RFC 3261 §18.1.1)."""
    it = rig()
    it.core.request(outgoing(body=b"v" * (1100 if moved else 100)), it.now)
    arrive(it, answer(it.sent()[0], 200), TcpAddress(PEER))
    (event,) = it.heard()
    assert isinstance(event, ResponseReceived)
    dialog = Dialog.as_client(event.tx.request, event.response, PEER)
    dialog.destination = PEER
    it.core.send_ack(dialog.ack(1, body=b"v" * size), it.now)
    it.drain()
    _, data, where = it.log[-1]
    by_tcp = moved and size == 1100
    assert where == (TcpAddress(PEER) if by_tcp else PEER)
    assert (b"\r\nVia: SIP/2.0/TCP " in data) == by_tcp


def test_large_requests_come_back_where_there_is_no_tcp() -> None:
    """RFC 3261 §18.1.1: UDP after a refusal, with its timers; the next does not try TCP before a while."""
    it = rig()
    it.core.request(outgoing(body=b"v" * 1100), it.now)
    it.core.flow_lost(TcpAddress(PEER), it.now)
    it.run(0.5)
    assert [where for _, _, where in it.log] == [TcpAddress(PEER), PEER, PEER]
    assert b"Via: SIP/2.0/UDP" in it.log[1][1]
    assert "TransactionFailed" not in it.names()
    it.log.clear()
    it.core.request(outgoing(call_id="out-2", body=b"v" * 1100), it.now)
    it.drain()
    assert it.log[0][2] == PEER
    it.core.transport_error(PEER, it.now)
    assert it.names() == ["TransactionFailed"] * 2
    assert it.core.counts()["waiting_destinations"] == 0
    it.run(400.0)
    it.log.clear()
    it.core.request(outgoing(call_id="out-3", body=b"v" * 1100), it.now)
    it.drain()
    assert it.log[0][2] == TcpAddress(PEER)


@pytest.mark.parametrize(
    ("target", "hop"),
    [
        ("sip:bob@192.0.2.5:5080;transport=tcp", TcpAddress(("192.0.2.5", 5080))),
        ("sip:bob@192.0.2.5;ob;Transport=TLS", TlsAddress(("192.0.2.5", 5061))),
        ("sips:bob@192.0.2.5", TlsAddress(("192.0.2.5", 5061))),
        ("sip:bob@192.0.2.5;transport=udp", ("192.0.2.5", 5060)),
        ("sip:bob@192.0.2.5;x=y", ("192.0.2.5", 5060)),
    ],
)
def test_targets_name_their_transport(target: str, hop: Address) -> None:
    """RFC 3261 §19.1.1, §26.2.2: the parameter, or the scheme."""
    assert first_hop([], target) == hop
    assert type(first_hop([], target)) is type(hop)


def test_a_long_uri_is_not_remembered() -> None:
    """What a peer sends costs no memory once it is read; its place is found all the same."""
    before = _literal_place.cache_info().currsize
    assert first_hop([], "sip:" + "x" * 60_000 + "@192.0.2.1:5070") == ("192.0.2.1", 5070)
    assert _literal_place.cache_info().currsize == before


def test_dialogs_stay_on_an_open_connection() -> None:
    """The peer's Contact names the port it listens on; its own connection reaches it also behind a firewall."""
    got = parse_datagram(request(via=VIA))
    assert isinstance(got, Request)
    assert Dialog.as_server(got, "near", TCP).next_request("BYE").destination == TCP
    elsewhere = TcpAddress(("192.0.2.7", 40000))
    assert Dialog.as_server(got, "near", elsewhere).destination == PEER


@pytest.mark.parametrize(
    ("source", "contact", "nat", "others"),
    [
        (TCP, "sip:alice@192.0.2.2:5070;transport=tcp", False, (TcpAddress(("192.0.2.2", 5070)),)),
        (TCP, "sip:alice@192.0.2.2:5070", False, (TcpAddress(("192.0.2.2", 5070)),)),
        (TlsAddress(TCP), "sip:alice@192.0.2.2:5061;transport=tcp", False, (TlsAddress(("192.0.2.2", 5061)),)),
        (TCP, "sip:alice@192.0.2.2:40000;transport=tcp", False, None),
        (TCP, "sip:alice@192.0.2.2:5070;transport=tcp", True, None),
        (WsAddress(TCP), "sip:alice@192.0.2.2:5070;transport=ws", False, None),
        (PEER, "sip:alice@192.0.2.2:5080", False, None),
    ],
)
def test_a_connection_that_is_gone_is_made_anew_to_where_the_peer_listens(
    source: Address, contact: str, others: tuple[Address, ...] | None, *, nat: bool
) -> None:
    """By the same transport; not to who is behind a NAT, or can connect only by itself."""
    data = request(via=VIA).replace(b"<sip:alice@192.0.2.2:5070>\r\nMax", f"<{contact}>\r\nMax".encode())
    got = parse_datagram(data)
    assert isinstance(got, Request)
    bye = Dialog.as_server(got, "near", source, nat=nat).next_request("BYE")
    if others is not None:
        assert bye.destination == source
        assert type(bye.others) is tuple
    assert bye.others == others
