"""Every timer of RFC 3261 Table 4, and those of RFC 6026, by a clock that the test moves: over UDP and over TCP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from switchboard.sip.flow import TcpAddress
from switchboard.sip.message import parse_datagram
from switchboard.sip.outgoing import Address
from switchboard.sip.timers import Timers
from tests.unit.sip.peer import PEER, Rig, ack_for, answer, outgoing, request

DOUBLING: Final = [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
UP_TO_T2: Final = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
ONCE: Final = [0]
STREAM: Final = TcpAddress(PEER)
BEGAN: Final = 2.0
"""When a transaction that has a first act is brought into its second."""


class Side:
    """Our end of one transaction on one transport."""

    def __init__(self, transport: str) -> None:
        self.peer: Address = STREAM if transport == "TCP" else PEER
        self.transport = transport
        self.rig = Rig(streams={"tcp": ("192.0.2.1", 5060)})

    def send(self, method: str) -> None:
        """A request of ours."""
        self.rig.core.request(outgoing(method, destination=self.peer), self.rig.now)
        self.rig.drain()

    def take(self, data: bytes) -> None:
        """A message of the peer's."""
        self.rig.core.receive_message(parse_datagram(data), self.peer, self.rig.now)
        self.rig.drain()

    def hear(self, method: str) -> None:
        """A request of the peer's."""
        self.take(request(method, via=f"SIP/2.0/{self.transport} 192.0.2.2:5070;branch=z9hG4bKx"))

    def respond(self, status: int) -> None:
        """Our answer to it."""
        (event,) = self.rig.heard()
        self.rig.core.respond(event.tx, status, to_tag="t", now=self.rig.now)  # type: ignore[union-attr]
        self.rig.drain()

    def until_gone(self) -> float:
        """Let time pass until nothing of the transaction is left; how long that took."""
        began = self.rig.now
        while self.rig.core.counts()["client_transactions"] + self.rig.core.counts()["server_transactions"]:
            due = self.rig.core.next_deadline()
            assert due is not None, "it would live for ever"
            self.rig.run(due)
        return self.rig.now - began

    def sent(self, kind: str) -> list[float]:
        """When messages of this method or status left."""
        return self.rig.times(kind)


def timer_a(side: Side) -> object:
    """INVITE is sent again after T1, and each time after twice as long."""
    side.send("INVITE")
    side.until_gone()
    return side.sent("INVITE")


def timer_b(side: Side) -> object:
    """An INVITE that nobody answers is given up after 64 * T1."""
    side.send("INVITE")
    return side.until_gone(), side.rig.names()


def timer_d(side: Side) -> object:
    """A refused INVITE waits for copies of the refusal, and acknowledges each."""
    side.send("INVITE")
    refusal = answer(side.rig.log[0][1], 486)
    side.rig.run(BEGAN)
    side.take(refusal)
    return side.until_gone()


def timer_e(side: Side) -> object:
    """Other requests are sent again, at last every T2."""
    side.send("OPTIONS")
    side.until_gone()
    return side.sent("OPTIONS")


def timer_e_after_a_provisional_response(side: Side) -> object:
    """Every T2 from then on (§17.1.2.2)."""
    side.send("OPTIONS")
    side.take(answer(side.rig.log[0][1], 100))
    side.until_gone()
    return side.sent("OPTIONS")


def timer_f(side: Side) -> object:
    """A request that nobody answers is given up after 64 * T1."""
    side.send("OPTIONS")
    return side.until_gone(), side.rig.names()


def timer_g(side: Side) -> object:
    """A refusal is sent again until it is acknowledged."""
    side.hear("INVITE")
    side.respond(486)
    side.until_gone()
    return side.sent("486")


def timer_h(side: Side) -> object:
    """Nobody waits longer than 64 * T1 for the ACK."""
    side.hear("INVITE")
    side.respond(486)
    return side.until_gone()


def timer_i(side: Side) -> object:
    """After the ACK its copies are absorbed for T4."""
    side.hear("INVITE")
    side.respond(486)
    side.rig.run(0.1)
    side.take(ack_for(side.rig.log[0][1], branch="z9hG4bKx"))
    return side.until_gone()


def timer_j(side: Side) -> object:
    """Copies of a request are answered for 64 * T1."""
    side.hear("OPTIONS")
    side.respond(200)
    return side.until_gone()


def timer_k(side: Side) -> object:
    """Copies of a response are absorbed for T4."""
    side.send("OPTIONS")
    response = answer(side.rig.log[0][1], 200)
    side.rig.run(0.3)
    side.take(response)
    return side.until_gone()


def timer_l(side: Side) -> object:
    """An accepted INVITE lives on for 64 * T1, whatever the transport (RFC 6026 §7.1); its 2xx is sent again."""
    side.hear("INVITE")
    side.respond(200)
    return side.until_gone(), side.sent("200"), side.rig.names()


def timer_m(side: Side) -> object:
    """Forked and repeated 2xx are taken for 64 * T1, whatever the transport (RFC 6026 §7.2)."""
    side.send("INVITE")
    accepted = answer(side.rig.log[0][1], 200)
    side.rig.run(BEGAN)
    side.take(accepted)
    return side.until_gone()


TIMED_OUT: Final = (32.0, ["TransactionTimeout"])
MISSED: Final = (32.0, UP_TO_T2, ["AckMissing"])
ROWS: list[tuple[Callable[[Side], object], object, object]] = [
    (timer_a, DOUBLING, ONCE),
    (timer_b, TIMED_OUT, TIMED_OUT),
    (timer_d, 32.0, 0.0),
    (timer_e, UP_TO_T2, ONCE),
    (timer_e_after_a_provisional_response, [0, 0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5], ONCE),
    (timer_f, TIMED_OUT, TIMED_OUT),
    (timer_g, UP_TO_T2, ONCE),
    (timer_h, 32.0, 32.0),
    (timer_i, 5.0, 0.0),
    (timer_j, 32.0, 0.0),
    (timer_k, 5.0, 0.0),
    (timer_l, MISSED, MISSED),
    (timer_m, 32.0, 32.0),
]
CASES: Final = [(scene, name, want) for scene, udp, tcp in ROWS for name, want in (("UDP", udp), ("TCP", tcp))]


@pytest.mark.parametrize(("scene", "transport", "expected"), CASES, ids=[f"{s.__name__}-{t}" for s, t, _ in CASES])
def test_table_4(scene: Callable[[Side], object], transport: str, expected: object) -> None:
    """The column of its transport."""
    assert scene(Side(transport)) == expected


def test_the_base_values() -> None:
    """T1, T2 and T4; timer C is the ring time of who calls, and more than three minutes where it is not given."""
    timers = Timers()
    assert (timers.t1, timers.t2, timers.t4) == (0.5, 4.0, 5.0)
    assert timers.c > 180
