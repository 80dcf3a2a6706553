"""A SIP peer written by hand, and a core with a clock that the test moves."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from switchboard.sip.core import SipCore
from switchboard.sip.message import Request, Response, parse_datagram
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.timers import Timers

if TYPE_CHECKING:
    from switchboard.sip.events import Event
    from switchboard.sip.message import Message
    from switchboard.sip.outgoing import Address

OURS = ("192.0.2.1", 5060)
PEER = ("192.0.2.2", 5070)


def request(
    method: str = "INVITE",
    *,
    branch: str = "z9hG4bKpeer1",
    to_tag: str = "",
    from_tag: str = "peer",
    call_id: str = "call-1",
    cseq: int = 1,
    via: str = "",
    lines: tuple[str, ...] = (),
    body: bytes = b"",
) -> bytes:
    """Write a request of the peer."""
    via = via or f"SIP/2.0/UDP 192.0.2.2:5070;branch={branch}"
    tag = f";tag={to_tag}" if to_tag else ""
    head = [
        f"{method} sip:bob@192.0.2.1 SIP/2.0",
        f"Via: {via}",
        f"From: Alice <sip:alice@192.0.2.2:5070>;tag={from_tag}",
        f"To: <sip:bob@192.0.2.1>{tag}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:alice@192.0.2.2:5070>",
        "Max-Forwards: 70",
        *lines,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def answer(sent: bytes, status: int, *, to_tag: str = "far", lines: tuple[str, ...] = (), body: bytes = b"") -> bytes:
    """Write the peer's response to a request that was sent to it."""
    got = parse_datagram(sent)
    get = got.headers.get
    to = get("to") or ""
    if to_tag and ";tag=" not in to:
        to = f"{to};tag={to_tag}"
    head = [
        f"SIP/2.0 {status} Whatever",
        f"Via: {get('via')}",
        f"From: {get('from')}",
        f"To: {to}",
        f"Call-ID: {get('call-id')}",
        f"CSeq: {get('cseq')}",
        "Contact: <sip:bob@192.0.2.2:5070>",
        *lines,
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def outgoing(method: str = "INVITE", *, cseq: int = 1, to_tag: str = "", **more: object) -> OutgoingRequest:
    """Make a request of ours to the peer."""
    out = OutgoingRequest(
        method,
        "sip:bob@192.0.2.2:5070",
        PEER,
        from_="<sip:switch@192.0.2.1>;tag=near",
        to="<sip:bob@192.0.2.2>" + (f";tag={to_tag}" if to_tag else ""),
        call_id="out-1",
        cseq=cseq,
    )
    for name, value in more.items():
        setattr(out, name, value)
    return out


def ack_for(response: bytes, *, branch: str = "z9hG4bKack1") -> bytes:
    """Write the peer's ACK to a response it got."""
    got = parse_datagram(response)
    tag = got.to_tag or ""
    return request("ACK", branch=branch, to_tag=tag, call_id=got.call_id, cseq=got.cseq)


def first_line(data: bytes) -> str:
    """The method of a request or the status of a response."""
    message = parse_datagram(data)
    return message.method if isinstance(message, Request) else str(message.status)


class Rig:
    """A core, its clock, and a log of what left it: (time, datagram, destination)."""

    def __init__(
        self,
        *,
        max_transactions: int = 1000,
        timers: Timers | None = None,
        streams: dict[str, Address] | None = None,
    ) -> None:
        """Start at time 0."""
        serial = count(1)
        self.core = SipCore(
            local=OURS,
            timers=timers or Timers(),
            random_token=lambda: f"token{next(serial)}",
            user_agent="switchboard",
            max_transactions=max_transactions,
            streams=streams,
        )
        self.now = 0.0
        self.log: list[tuple[float, bytes, Address]] = []
        self.events: list[Event] = []

    def receive(self, data: bytes, source: Address = PEER) -> None:
        """Hand a datagram to the core and drain it."""
        self.core.receive(data, source, self.now)
        self.drain()

    def drain(self) -> None:
        """Collect what the core has to say."""
        self.log += [(self.now, data, where) for data, where in self.core.take_datagrams()]
        self.events += self.core.take_events()

    def run(self, until: float) -> None:
        """Move the clock, stopping at every deadline on the way."""
        self.drain()
        while (when := self.core.next_deadline()) is not None and when <= until:
            self.now = when
            self.core.handle_timer(when)
            self.drain()
        self.now = until

    def sent(self) -> list[bytes]:
        """Take the datagrams logged since the last call."""
        self.drain()
        taken, self.log = self.log, []
        return [data for _, data, _ in taken]

    def lines(self) -> list[str]:
        """Take the methods and statuses of the datagrams since the last call."""
        return [first_line(data) for data in self.sent()]

    def times(self, kind: str) -> list[float]:
        """When datagrams of this method or status left."""
        return [when for when, data, _ in self.log if first_line(data) == kind]

    def heard(self) -> list[Event]:
        """Take the events since the last call."""
        self.drain()
        taken, self.events = self.events, []
        return taken

    def names(self) -> list[str]:
        """Take the names of the events since the last call."""
        return [type(event).__name__ for event in self.heard()]


def parsed(data: bytes) -> Message:
    """Parse what the core has sent."""
    return parse_datagram(data)


def response(data: bytes) -> Response:
    """Parse a response the core has sent."""
    message = parse_datagram(data)
    assert isinstance(message, Response)
    return message
