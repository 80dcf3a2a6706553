"""Where a registered phone is reached, and what it may not name as its own place."""

from __future__ import annotations

import pytest

from switchboard.calls.reaching import Reach, by_proxy, leads_astray, reach
from switchboard.sip.binding import Binding
from switchboard.sip.flow import TcpAddress, TlsAddress
from switchboard.sip.message import Request, parse_datagram
from switchboard.sip.outgoing import Address

UDP = ("192.0.2.9", 999)
TCP = TcpAddress(UDP)


def bound(contact: str, source: Address = UDP, path: tuple[str, ...] = (), reg_id: int = 0) -> Binding:
    """A binding of that contact."""
    return Binding(contact, source, 1.0, 100.0, "c", 1, "", path=path, reg_id=reg_id)


@pytest.mark.parametrize(
    ("binding", "address", "nat"),
    [
        (bound("sip:a@192.0.2.9:5070"), ("192.0.2.9", 5070), False),
        (bound("sip:a@192.0.2.9"), ("192.0.2.9", 5060), False),
        (bound("sip:a@192.0.2.9;transport=tcp"), TcpAddress(("192.0.2.9", 5060)), False),
        (bound("sips:a@192.0.2.9"), TlsAddress(("192.0.2.9", 5061)), False),
        (bound("sip:a@10.0.0.9"), UDP, True),
        (bound("sip:a@phone.invalid"), UDP, True),
        (bound("sip:a@192.0.2.9:5070;transport=tcp", TCP), TCP, False),
        (bound("sip:a@10.0.0.9", TlsAddress(UDP)), TlsAddress(UDP), True),
        (bound("sip:a@192.0.2.9:5070", reg_id=1), UDP, False),
        (bound("sip:a@10.0.0.9:5070", reg_id=1), UDP, True),
        (bound("nonsense"), UDP, True),
    ],
)
def test_where_a_phone_is(binding: Binding, address: Address, nat: bool) -> None:
    """Over UDP at its contact, over a connection or a flow at the other end of it; a foreign host means a NAT."""
    found = reach(binding)
    assert found == Reach(binding.contact, (), address, nat)
    assert type(found.address) is type(address)


@pytest.mark.parametrize(
    ("first", "source", "address"),
    [
        ("<sip:192.0.2.9;lr>", UDP, ("192.0.2.9", 5060)),
        ("<sip:token@192.0.2.9:5080;lr;ob>", UDP, ("192.0.2.9", 5080)),
        ("<sip:192.0.2.9;transport=tcp;lr>", UDP, TcpAddress(("192.0.2.9", 5060))),
        ("<sip:192.0.2.9;lr>", TCP, TcpAddress(("192.0.2.9", 5060))),
        ("<sip:edge.example.com;lr>", UDP, UDP),
        ("<sip:10.0.0.1;lr>", TCP, TCP),
    ],
)
def test_a_phone_behind_a_proxy(first: str, source: Address, address: Address) -> None:
    """Its Path is the route; the proxy is where its URI says, or where it has sent from (RFC 3327 §5.4)."""
    path = (first, "<sip:10.1.1.1;lr>")
    found = reach(bound("sip:a@10.0.0.9", source, path, reg_id=1))
    assert found == Reach("sip:a@10.0.0.9", path, address, False)
    assert type(found.address) is type(address)


@pytest.mark.parametrize(
    "value",
    [
        "<sip:a@198.51.100.1:5060>", "sip:a@198.51.100.1;q=1", "<sip:a@255.255.255.255>", "<sip:a@224.0.1.75>",
        "<sip:a@0.0.0.0:5080>", "<sip:a@0.1.2.3>", "<sip:a@127.0.0.1:6379>", "<sip:a@127.9.9.9>", "<sip:a@localhost>",
        "<sip:a@[::1]:9>", "<sip:a@[::]>", "<sip:a@[ff02::1]>", "<sip:a@[::ffff:127.0.0.1]>",
        "<sip:a@[::ffff:255.255.255.255]>", "<sips:a@198.51.100.1>", "<sip:127.0.0.1;lr>",
        "<sip:a@198.51.100.1;transport=tls>",
    ],
)  # fmt: skip
def test_a_place_that_no_phone_has(value: str) -> None:
    """Ourselves, everybody, nobody, and what `this host` means here rather than there."""
    ours = {("198.51.100.1", 5060), ("198.51.100.1", 5061)}
    assert leads_astray(["<sip:a@192.0.2.9>", value], UDP, lambda host, port: (host, port) in ours)


@pytest.mark.parametrize(
    "value",
    ["*", "<sip:a@192.0.2.9>", "<sip:a@10.0.0.9>", "<sip:a@phone.invalid>", "<nonsense>", "<sip:a@198.51.100.1:5080>"],
)
def test_any_other_place(value: str) -> None:
    """Also behind a NAT, and beside us on the same machine; what cannot be read is for the registrar."""
    assert not leads_astray([value], UDP, lambda host, port: (host, port) == ("198.51.100.1", 5060))
    assert not leads_astray(["<sip:a@127.0.0.4>"], ("127.0.0.1", 5080), lambda host, port: False)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Max-Forwards: 70", False),
        ("Record-Route: <sip:192.0.2.9;lr>", True),
        ("Record-Route: <sip:192.0.2.9:5070;transport=tcp;r2=on;lr>, <sip:198.51.100.7;lr>", True),
        ("Record-Route: <sip:198.51.100.7;lr>, <sip:192.0.2.9;lr>", False),
        ("Record-Route: <sip:proxy.example;lr>", False),
        ("Record-Route: ,", False),
        ("Record-Route: <nonsense>", False),
    ],
)
def test_who_has_come_by_a_proxy(line: str, expected: bool) -> None:
    """Its last hop is where the request comes from; another's address is not believed."""
    text = f"INVITE sip:4001@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n{line}\r\n\r\n"
    request = parse_datagram(text.encode())
    assert isinstance(request, Request)
    assert by_proxy(request, UDP) is expected
