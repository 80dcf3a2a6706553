"""What one bridged call costs the SIP core: `python -m tests.unit.sip.hot_path [calls]`.

Twelve messages go through one core: INVITE, 180, 200, ACK, BYE and 200, each in and out. Only the time inside the
core is counted (parsing, events and the timers that fall due included), at 200 calls a second of virtual time, so
that the transactions which linger for 32 s are there too. Dialog data and the TU's own work are not part of it.
"""

from __future__ import annotations

import sys
from itertools import count
from statistics import fmean, median
from time import perf_counter
from typing import TYPE_CHECKING

from switchboard.sip.core import SipCore
from switchboard.sip.events import AckReceived, RequestReceived, ResponseReceived
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.timers import Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from switchboard.sip.events import Event

CALLER = ("127.0.0.1", 5070)
AGENT = ("127.0.0.1", 5190)
SDP = (
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 30000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-11\r\n"
)
ALLOW = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REFER"


def request(method: str, number: int, to_tag: str, cseq: int, body: bytes = b"") -> bytes:
    """Write a request of the caller."""
    kind = "Content-Type: application/sdp\r\n" if body else ""
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} sip:4001@127.0.0.1:5060 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{method}-{number}-0;rport\r\n"
        f"From: caller <sip:caller@127.0.0.1:5070>;tag=77SIPpTag00{number}\r\n"
        f"To: 4001 <sip:4001@127.0.0.1:5060>{tag}\r\nCall-ID: {number}-771@127.0.0.1\r\nCSeq: {cseq} {method}\r\n"
        f"Contact: sip:caller@127.0.0.1:5070\r\nMax-Forwards: 70\r\nSubject: Performance Test\r\n"
        f"{kind}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def answer(to: bytes, status: str, tag: str, body: bytes = b"") -> bytes:
    """Write the agent's response by copying what it must."""
    lines = [line for line in to.decode().split("\r\n") if line.startswith(("Via", "From", "Call-ID", "CSeq"))]
    target = next(line for line in to.decode().split("\r\n") if line.startswith("To:"))
    tagged = target if ";tag=" in target else f"{target};tag={tag}"
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"SIP/2.0 {status}\r\n" + "\r\n".join([*lines, tagged]) + "\r\nContact: <sip:agent@127.0.0.1:5190>\r\n"
        f"{kind}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


class Meter:
    """Calls the core and adds up the time spent in it."""

    def __init__(self, core: SipCore) -> None:
        """Start at zero."""
        self.core = core
        self.spent = 0.0
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.events: list[Event] = []

    def __call__(self, function: Callable[[], object]) -> object:
        """Run one call into the core, and drain it."""
        begin = perf_counter()
        result = function()
        self.sent = self.core.take_datagrams()
        self.events = self.core.take_events()
        self.spent += perf_counter() - begin
        return result


def one_call(meter: Meter, number: int, now: float) -> None:
    """Set up and end one bridged call; each step is checked, or a broken core would be a quick one."""
    core = meter.core
    invite = request("INVITE", number, "", 1, SDP)
    meter(lambda: core.receive(invite, CALLER, now))
    (event,) = meter.events
    assert isinstance(event, RequestReceived)
    a = event.tx
    local = f"<sip:caller@127.0.0.1>;tag=b{number}"
    out = OutgoingRequest(
        "INVITE", "sip:agent@127.0.0.1:5190", AGENT, from_=local, to="<sip:agent@127.0.0.1:5190>",
        call_id=f"b{number}", cseq=1, headers=(ALLOW, "Contact: <sip:switchboard@127.0.0.1:5060>"), body=SDP,
    )  # fmt: skip
    meter(lambda: core.request(out, now, context=number))
    sent = meter.sent[0][0]
    for status, body in (("180 Ringing", b""), ("200 OK", SDP)):
        data = answer(sent, status, f"g{number}", body)
        meter(lambda: core.receive(data, AGENT, now))  # noqa: B023 - called at once
        (got,) = meter.events
        assert isinstance(got, ResponseReceived)
        code = got.response.status
        headers = (ALLOW, "Contact: <sip:4001@127.0.0.1:5060>")
        meter(lambda: core.respond(a, code, to_tag=f"a{number}", headers=headers, body=body, now=now))  # noqa: B023
    ack = request("ACK", number, f"a{number}", 1)
    meter(lambda: core.receive(ack, CALLER, now))
    (acked,) = meter.events
    assert isinstance(acked, AckReceived)
    assert acked.tx is a
    to = f"<sip:agent@127.0.0.1:5190>;tag=g{number}"
    out = OutgoingRequest("ACK", out.uri, AGENT, from_=local, to=to, call_id=f"b{number}", cseq=1)
    meter(lambda: core.send_ack(out, now))
    bye = request("BYE", number, f"a{number}", 2)
    meter(lambda: core.receive(bye, CALLER, now))
    (event,) = meter.events
    assert isinstance(event, RequestReceived)
    meter(lambda: core.respond(event.tx, 200, now=now))
    out = OutgoingRequest("BYE", out.uri, AGENT, from_=local, to=to, call_id=f"b{number}", cseq=2)
    meter(lambda: core.request(out, now))
    data = answer(meter.sent[0][0], "200 OK", "")
    meter(lambda: core.receive(data, AGENT, now))
    (got,) = meter.events
    assert isinstance(got, ResponseReceived)


def measure(calls: int) -> tuple[float, float, dict[str, int]]:
    """Return the median and the mean microseconds a call, and what is alive in the core after the last one."""
    serial = count(1)
    core = SipCore(
        local=("127.0.0.1", 5060),
        timers=Timers(),
        random_token=lambda: f"{next(serial):020x}",
        user_agent="switchboard",
    )
    meter = Meter(core)
    costs: list[float] = []
    for number in range(calls):
        now = number / 200
        deadline = core.next_deadline()
        if deadline is not None and deadline <= now:
            meter(lambda: core.handle_timer(now))  # noqa: B023 - called at once
        one_call(meter, number, now)
        costs.append(meter.spent * 1e6)
        meter.spent = 0.0
    return median(costs), fmean(costs), core.counts()


if __name__ == "__main__":
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    middle, mean, alive = measure(calls)
    print(f"{middle:.0f} us (median), {mean:.0f} us (mean) a bridged call over {calls}; alive at the end: {alive}")
