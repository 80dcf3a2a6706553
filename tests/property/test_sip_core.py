"""Two cores over a network that loses, doubles, delays and spoils datagrams: nothing is left, nothing told twice."""

from __future__ import annotations

from collections import Counter
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from switchboard.sip.core import SipCore
from switchboard.sip.dialog import Dialog
from switchboard.sip.events import (
    AckMissing,
    AckReceived,
    CancelReceived,
    RequestReceived,
    ResponseReceived,
    TransactionFailed,
    TransactionTimeout,
)
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.timers import COMPACT_FLOOR, Timers
from switchboard.sip.transaction.table import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from switchboard.sip.events import Event
    from switchboard.sip.outgoing import Address
    from switchboard.sip.transaction.client import ClientTransaction
    from switchboard.sip.transaction.server import ServerTransaction

A: Address = ("192.0.2.1", 5060)
B: Address = ("192.0.2.2", 5060)
PATIENCE = 40.0
"""A TU that rings longer than this cancels."""


class World:
    """Two cores, their simple-minded TUs, and the network between them, all in virtual time."""

    def __init__(self, seed: int, loss: float, double: float, spoil: float) -> None:
        """Make both sides idle; every choice comes from the seed."""
        self.random = Random(seed)
        self.loss, self.double, self.spoil = loss, double, spoil
        self.now = 0.0
        self.serial = count(1)
        self.plan: list[tuple[float, int, Callable[[], None]]] = []
        self.cores = {address: self._core(address) for address in (A, B)}
        self.heard: Counter[tuple[str, object]] = Counter()
        self.clients: list[ClientTransaction] = []
        self.accepted: list[ServerTransaction] = []

    def _core(self, address: Address) -> SipCore:
        return SipCore(
            local=address,
            timers=Timers(),
            random_token=lambda: f"{next(self.serial):08x}",
            user_agent="x",
        )

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Plan an action."""
        heappush(self.plan, (self.now + delay, next(self.serial), action))

    def run(self) -> None:
        """Let everything happen, to the last timer."""
        while True:
            times = [core.next_deadline() for core in self.cores.values()]
            times.append(self.plan[0][0] if self.plan else None)
            due = [when for when in times if when is not None]
            if not due:
                return
            self.now = max(self.now, min(due))
            while self.plan and self.plan[0][0] <= self.now:
                heappop(self.plan)[2]()
            for core in self.cores.values():
                core.handle_timer(self.now)
            self.drain()
            assert self.now < 10_000, "the cores never come to rest"

    def drain(self) -> None:
        """Put datagrams on the network and events before the TUs, until there are none."""
        busy = True
        while busy:
            busy = False
            for address, core in self.cores.items():
                for data, destination in core.take_datagrams():
                    busy = True
                    self.post(data, address, destination)
                for event in core.take_events():
                    busy = True
                    self.hear(core, event)

    def post(self, data: bytes, source: Address, destination: Address) -> None:
        """Lose, double, delay and spoil a datagram."""
        if destination not in self.cores:
            assert self.spoil, "only what was spoilt on its way names a place where nobody is"
            return
        copies = 0 if self.random.random() < self.loss else 1 + (self.random.random() < self.double)
        for _ in range(copies):
            if self.random.random() < self.spoil:
                at = self.random.randrange(len(data))
                data = data[:at] + bytes([self.random.randrange(256)]) + data[at + 1 :]
            # Below T1: a request sent at 31.5 s must not arrive when the server has forgotten its copies at 32 s.
            delay = self.random.choice((0.0, 0.001, 0.02, 0.2, 0.45))
            self.later(delay, lambda data=data: self.cores[destination].receive(data, source, self.now))  # type: ignore[misc]

    # --- what the TUs do

    def call(self, core: SipCore, method: str, patience: float) -> None:
        """Send a request; an INVITE is cancelled when patience ends."""
        number = next(self.serial)
        out = OutgoingRequest(
            method,
            f"sip:b@{'192.0.2.2' if core.local == A else '192.0.2.1'}",
            B if core.local == A else A,
            from_=f"<sip:a@x>;tag=from{number}",
            to="<sip:b@x>",
            call_id=f"call{number}",
            cseq=1,
        )
        tx = core.request(out, self.now)
        self.clients.append(tx)
        if method == "INVITE":
            self.later(patience, lambda: core.cancel(tx, self.now))
            self.later(PATIENCE, lambda: core.cancel(tx, self.now))

    def hear(self, core: SipCore, event: Event) -> None:
        """Do what a TU does about an event, sometimes late, sometimes not at all."""
        match event:
            case RequestReceived(tx, request):
                self.heard["request", (tx.key, request.method)] += 1
                self.plan_answer(core, tx)
            case CancelReceived(cancelled, _):
                self.later(self.random.random(), lambda: self.respond(core, cancelled, 487))
            case ResponseReceived(tx, response):
                if response.status >= 200:
                    self.heard["final", (tx, response.to_tag)] += 1
                    self.heard["outcome", tx] += 1
                    if tx.request.method == "INVITE" and response.status < 300:
                        self.acknowledge(core, Dialog.as_client(tx.request, response, tx.request.destination))
            case TransactionTimeout() | TransactionFailed():
                self.heard["outcome", event.tx] += 1
            case AckReceived():
                self.heard["ack", event.tx] += 1
            case AckMissing():
                self.heard["ack", event.tx] += 1

    def plan_answer(self, core: SipCore, tx: ServerTransaction) -> None:
        """Answer a request: INVITE always at last, others not always."""
        if tx.method == "INVITE":
            if self.random.random() < 0.6:
                self.later(self.random.random(), lambda: self.respond(core, tx, 180))
            final = self.random.choice((200, 200, 302, 486, 603))
            self.later(self.random.choice((0.0, 0.1, 2.0, 20.0)), lambda: self.respond(core, tx, final))
        elif self.random.random() < 0.9:
            late = self.random.choice((0.0, 0.0, 1.0, 31.0, 50.0))
            self.later(late, lambda: self.respond(core, tx, 200))

    def respond(self, core: SipCore, tx: ServerTransaction, status: int) -> None:
        """Answer, unless the INVITE has its answer."""
        if tx.method == "INVITE" and tx.state is not State.PROCEEDING:
            return
        if tx.method == "INVITE" and 200 <= status < 300:
            self.accepted.append(tx)
        core.respond(tx, status, now=self.now)

    def acknowledge(self, core: SipCore, dialog: Dialog) -> None:
        """Send the ACK soon, mostly."""
        destination = B if core.local == A else A
        ack = dialog.ack(dialog.local_seq)
        ack.destination = destination
        if self.random.random() < 0.9:
            self.later(self.random.choice((0.0, 0.3, 5.0)), lambda: core.send_ack(ack, self.now))


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from((A, B)),
        st.sampled_from(("INVITE", "INVITE", "INVITE", "OPTIONS", "MESSAGE", "ICMP")),
        st.sampled_from((0.0, 0.01, 0.5, 3.0)),
        st.sampled_from((0.0, 0.05, 0.3, 2.1, 25.0, 60.0)),
    ),
    min_size=1,
    max_size=8,
)
Operations = list[tuple["Address", str, float, float]]


def play(world: World, operations: Operations) -> None:
    """Run the operations one after the other, and everything that follows from them."""
    at = 0.0
    for address, method, pause, patience in operations:
        at += pause
        core = world.cores[address]
        if method == "ICMP":
            other = B if address == A else A
            world.later(at, lambda core=core, other=other: core.transport_error(other, world.now))  # type: ignore[misc]
        else:
            world.later(
                at,
                lambda core=core, method=method, patience=patience: world.call(core, method, patience),  # type: ignore[misc]
            )
    world.run()
    for core in world.cores.values():
        assert set(core.counts().values()) == {0}, core.counts()
        assert core._heap.size <= COMPACT_FLOOR + 1


@given(
    operations=OPERATIONS,
    seed=st.integers(0, 2**32),
    loss=st.sampled_from((0.0, 0.1, 0.4, 0.9, 1.0)),
    double=st.sampled_from((0.0, 0.3, 1.0)),
)
@settings(max_examples=150)
@example(operations=[(A, "INVITE", 0.0, 60.0)], seed=0, loss=0.0, double=0.0)
def test_everything_ends_and_nothing_is_told_twice(
    operations: Operations, seed: int, loss: float, double: float
) -> None:
    """Whatever the network does, each request has one outcome, each request is heard once, and nothing is left."""
    world = World(seed, loss, double, 0.0)
    play(world, operations)
    for kind, what in world.heard:
        if kind in ("request", "final"):
            assert world.heard[kind, what] == 1, (kind, what)
    for client in world.clients:
        assert world.heard["outcome", client] == 1
        assert client.state is State.TERMINATED
    for server in world.accepted:
        assert world.heard["ack", server] == 1


@given(operations=OPERATIONS, seed=st.integers(0, 2**32), spoil=st.sampled_from((0.05, 0.3, 1.0)))
@settings(max_examples=150)
def test_spoilt_datagrams_leave_nothing_behind(operations: Operations, seed: int, spoil: float) -> None:
    """Bytes changed on the way raise nothing, and every transaction they cause ends as well."""
    play(World(seed, 0.1, 0.1, spoil), operations)


def test_a_quiet_network_connects() -> None:
    """The oracle itself: without loss an INVITE is answered once and acknowledged once."""
    world = World(5, 0.0, 0.0, 0.0)
    play(world, [(A, "INVITE", 0.0, 60.0), (B, "OPTIONS", 0.0, 60.0)])
    assert [world.heard["outcome", client] for client in world.clients] == [1, 1]
    assert sum(count for (kind, _), count in world.heard.items() if kind == "request") == 2
