"""One core on IPv4 and IPv6 at once: each peer is spoken to from the address of its family."""

from __future__ import annotations

import itertools

import pytest

from switchboard.sip.core import SipCore
from switchboard.sip.dialog import first_hop
from switchboard.sip.flow import Tcp6Address, TcpAddress, Tls6Address, Udp6Address, on_transport, transport_of
from switchboard.sip.outgoing import Address, OutgoingRequest
from switchboard.sip.timers import Timers

PEERS: list[tuple[Address, str, str]] = [
    (("192.0.2.9", 5060), "SIP/2.0/UDP 192.0.2.1:5060", "<sip:192.0.2.1:5060>"),
    (Udp6Address(("2001:db8::9", 5060)), "SIP/2.0/UDP [2001:db8::1]:5062", "<sip:[2001:db8::1]:5062>"),
    (TcpAddress(("192.0.2.9", 5060)), "SIP/2.0/TCP 192.0.2.1:5060", "<sip:192.0.2.1:5060;transport=tcp>"),
    (
        Tcp6Address(("2001:db8::9", 5060)),
        "SIP/2.0/TCP [2001:db8::1]:5062",
        "<sip:[2001:db8::1]:5062;transport=tcp>",
    ),
    # TLS is there once, and serves both.
    (Tls6Address(("2001:db8::9", 5061)), "SIP/2.0/TLS 192.0.2.1:5061", "<sip:192.0.2.1:5061;transport=tls>"),
]


@pytest.fixture
def core() -> SipCore:
    """UDP and TCP on both families, TLS on IPv4."""
    tokens = itertools.count()
    return SipCore(
        local=("192.0.2.1", 5060),
        timers=Timers(),
        random_token=lambda: f"t{next(tokens)}",
        user_agent="test",
        streams={"tcp": ("192.0.2.1", 5060), "tls": ("192.0.2.1", 5061)},
        six={"udp": ("2001:db8::1", 5062), "tcp": ("2001:db8::1", 5062)},
    )


class TestOwn:
    """Via and Contact (RFC 3261 §18.1.1, §8.1.1.8)."""

    @pytest.mark.parametrize(("peer", "via", "contact"), PEERS)
    def test_requests_name_the_address_that_the_peer_can_answer_to(
        self, core: SipCore, peer: Address, via: str, contact: str
    ) -> None:
        """Also in a Contact that the TU wrote for IPv4."""
        core.request(invite(peer, f"Contact: {core.contact}"), 0.0)
        ((wire, to),) = core.take_datagrams()
        assert to == peer
        assert f"\r\nVia: {via};branch=" in wire.decode()
        assert f"\r\nContact: {contact}\r\n" in wire.decode()

    @pytest.mark.parametrize(("peer", "via", "contact"), PEERS)
    def test_responses_to_each_of_them_are_ours(self, core: SipCore, peer: Address, via: str, contact: str) -> None:
        """What answers a request is matched by its Via."""
        core.request(invite(peer), 0.0)
        ((wire, _),) = core.take_datagrams()
        lines = [line for line in wire.decode().split("\r\n") if line.startswith(("Via", "From", "Call", "CSeq"))]
        head = "\r\n".join(["SIP/2.0 486 Busy", *lines, "To: <sip:b@x>;tag=2", "Content-Length: 0"])
        core.receive(f"{head}\r\n\r\n".encode(), peer, 0.1)
        assert len(core.take_events()) == 1

    def test_a_request_over_ipv6_is_answered_there(self, core: SipCore) -> None:
        """By rport, and without it to the port of its Via (RFC 3261 §18.2.2)."""
        for rport, port in ((";rport", 6000), ("", 7000)):
            request = (
                f"OPTIONS sip:x@[2001:db8::1] SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::9]:7000;branch=z9hG4bK{port}"
                f"{rport}\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: {port}\r\nCSeq: 1 OPTIONS\r\n"
                "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
            )
            core.receive(request.encode(), Udp6Address(("2001:db8::9", 6000)), 0.0)
            (event,) = core.take_events()
            core.respond(event.tx, 200, to_tag="t", now=0.0)  # type: ignore[attr-defined,union-attr]
            ((_, to),) = core.take_datagrams()
            assert (to, type(to)) == (("2001:db8::9", port), Udp6Address)


def invite(peer: Address, *headers: str) -> OutgoingRequest:
    """An INVITE to a peer."""
    return OutgoingRequest(
        "INVITE", "sip:b@x", peer, from_="<sip:a@x>;tag=1", to="<sip:b@x>", call_id="c", cseq=1, headers=headers
    )


class TestAddresses:
    """Types tell the family."""

    @pytest.mark.parametrize(
        ("host", "transport", "kind"),
        [
            ("192.0.2.1", "udp", tuple),
            ("192.0.2.1", "tcp", TcpAddress),
            ("2001:db8::1", "", Udp6Address),
            ("2001:db8::1", "UDP", Udp6Address),
            ("2001:db8::1", "tcp", Tcp6Address),
            ("2001:db8::1", "tls", Tls6Address),
        ],
    )
    def test_the_type_follows_from_host_and_transport(self, host: str, transport: str, kind: type) -> None:
        """And back."""
        address = on_transport((host, 5060), transport)
        assert type(address) is kind
        assert transport_of(address) == (transport.lower() or "udp")

    def test_a_route_over_ipv6_is_one(self) -> None:
        """The first hop of a dialog (RFC 3261 §12.2.1.1)."""
        assert type(first_hop(["<sip:[2001:db8::5];lr>"], "sip:x@192.0.2.1")) is Udp6Address
        assert type(first_hop([], "sip:x@192.0.2.1")) is tuple
