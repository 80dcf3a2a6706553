"""Client transactions and what executes their tables (RFC 3261 §17.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from switchboard.sip import events
from switchboard.sip.address import scan_tag
from switchboard.sip.flow import WebAddress
from switchboard.sip.own import LARGEST_DATAGRAM
from switchboard.sip.render import render_hop, render_request
from switchboard.sip.transaction import client_invite, client_non_invite
from switchboard.sip.transaction.large import LargeRequests
from switchboard.sip.transaction.table import Action, Input, State, performed

if TYPE_CHECKING:
    from collections.abc import Callable

    from switchboard.sip.message import Response
    from switchboard.sip.outgoing import Address, OutgoingRequest
    from switchboard.sip.own import OwnPlaces
    from switchboard.sip.timers import DeadlineHeap, Timers
    from switchboard.sip.transaction.outbox import Outbox
    from switchboard.sip.transaction.server import ServerTransaction

MAX_FORKS: Final = 16
"""So many different To tags in the 2xx responses to one INVITE are believed; more are dropped."""


AckName: TypeAlias = tuple[str, int, str | None]
"""Call-ID, CSeq number and our tag."""
Acks: TypeAlias = "tuple[tuple[bytes, Address], ...]"
"""An ACK as it is sent to each place in turn; a single one unless its first hop is a name."""


class ClientTransaction:
    """One request of ours. `context` is the TU's."""

    __slots__ = (
        "accepted",
        "acks",
        "branch",
        "cancel",
        "context",
        "expires",
        "interval",
        "key",
        "quiet",
        "request",
        "state",
        "table",
        "timer",
        "timers",
        "wire",
    )

    def __init__(self, request: OutgoingRequest, branch: str, wire: bytes, timers: Timers, context: object) -> None:
        invite = request.method == "INVITE"
        self.request = request
        self.branch = branch
        self.key = branch
        """Its name among client transactions; a CANCEL shares the branch of its INVITE, not the key."""
        self.quiet = False
        """True for a CANCEL: nothing of it goes to the TU, the fate of its INVITE does."""
        self.context = context
        self.state = State.CALLING if invite else State.TRYING
        self.table = _INVITE if invite else _NON_INVITE
        self.timer = 0
        self.timers = timers
        """Those of the transport it goes by."""
        self.interval = 0.0
        self.expires = 0.0
        self.wire = wire
        """What SEND transmits: the request, later the ACK of a non-2xx response."""
        self.cancel = b""
        """The CANCEL of an INVITE, ready to be sent at the first provisional response; empty: none is wanted."""
        self.acks: dict[str, Acks | None] | None = None
        """For each To tag of a 2xx: the ACK the TU sent, once it has, for each place that it may go to."""
        self.accepted: AckName | None = None
        """What the TU's ACK is told by, once there was a 2xx."""

    def release(self) -> None:
        """Let go of the TU's context, which may be a whole call: transactions linger for 32 s."""
        self.context = None

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.request.method} {self.state.name}>"


class ClientTransactions:
    """All client transactions of a core."""

    __slots__ = ("_agent", "_box", "_heap", "_own", "_strays", "_timers", "accepted", "live", "waiting")

    def __init__(
        self,
        box: Outbox,
        heap: DeadlineHeap[ClientTransaction | ServerTransaction],
        own: OwnPlaces,
        agent: str,
    ) -> None:
        self._box = box
        self._heap = heap
        self._own = own
        self._timers = own.by_type[tuple].timers
        self._agent = agent
        self._strays = LargeRequests(own.tcp)
        self.live: dict[str, ClientTransaction] = {}
        self.accepted: dict[AckName, ClientTransaction] = {}
        """INVITEs with a 2xx by Call-ID, CSeq number and our tag: an ACK of the TU names no branch."""
        self.waiting: dict[Address, set[ClientTransaction]] = {}
        """Transactions that a transport error would end, by destination."""

    def start(self, out: OutgoingRequest, branch: str, context: object, now: float) -> ClientTransaction:
        """Send a request in a new transaction."""
        own = self._own.by_type[type(out.destination)]
        wire = render_request(out, f"{own.via};branch={branch};rport", self._agent)
        if len(wire) > LARGEST_DATAGRAM and self._strays.move(out, now):
            own = self._own.by_type[type(out.destination)]
            wire = render_request(out, f"{own.via};branch={branch};rport", self._agent)
        tx = ClientTransaction(out, branch, wire, own.timers, context)
        self._enter(tx, now)
        return tx

    def step(self, tx: ClientTransaction, event: Input, response: Response | None, now: float) -> bool:
        """Feed one input to a transaction; False when its table has no row for it."""
        row = tx.table.get((tx.state, event))
        if row is None:
            return False
        tx.state, actions = row
        for perform in actions:
            perform(self, tx, response, now)
        return True

    def remember_ack(self, out: OutgoingRequest, acks: Acks) -> None:
        """Keep the ACK of a 2xx while its INVITE transaction lives, to answer the 2xx if it comes again."""
        tx = self.accepted.get((out.call_id, out.cseq, scan_tag(out.from_)))
        tag = scan_tag(out.to) or ""
        if tx is not None and tx.acks is not None and tag in tx.acks:
            tx.acks[tag] = acks

    def was_moved(self, ack: OutgoingRequest) -> bool:
        """Whether the INVITE of an ACK went by TCP for its size, and was answered there."""
        tx = self.accepted.get((ack.call_id, ack.cseq, scan_tag(ack.from_)))
        return tx is not None and tx.request.moved

    def request_cancel(self, tx: ClientTransaction, headers: tuple[str, ...], now: float) -> None:
        """Cancel an INVITE now, or as soon as a provisional response allows; too late is no error."""
        if not tx.cancel and (tx.state, Input.CANCEL) in tx.table:
            tx.cancel = render_hop(tx.request, self._via_of(tx), "CANCEL", tx.request.to, headers)
            self.step(tx, Input.CANCEL, None, now)

    def transport_error(self, destination: Address, now: float) -> None:
        """End everything that waits for this destination (RFC 3261 §17.1.4)."""
        for tx in list(self.waiting.get(destination, ())):
            if tx.state in (State.CALLING, State.TRYING) and self._strays.bring_back(tx.request, now):
                self._send_by_udp(tx, destination, now)
            else:
                self.step(tx, Input.TRANSPORT_ERROR, None, now)

    def flow_lost(self, flow: WebAddress, now: float) -> None:
        """End everything that only this WebSocket could bring an answer to."""
        for tx in list(self.waiting.get(flow, ())):
            self.step(tx, Input.FLOW_LOST, None, now)

    def _send_by_udp(self, tx: ClientTransaction, before: Address, now: float) -> None:
        """A request that was moved for its size has found no TCP there (RFC 3261 §18.1.1)."""
        self._stop_waiting(tx, before)
        own = self._own.by_type[tuple]
        tx.timers = own.timers
        tx.wire = render_request(tx.request, self._via_of(tx), self._agent)
        self._enter(tx, now)

    def _via_of(self, tx: ClientTransaction) -> str:
        return f"{self._own.by_type[type(tx.request.destination)].via};branch={tx.branch};rport"

    def _enter(self, tx: ClientTransaction, now: float) -> None:
        self.live[tx.key] = tx
        waiting = self.waiting.get(tx.request.destination)
        if waiting is None:
            self.waiting[tx.request.destination] = {tx}
        else:
            waiting.add(tx)
        self.step(tx, Input.START, None, now)

    # --- actions: transmissions

    def _send(self, tx: ClientTransaction, _response: Response | None, _now: float) -> None:
        self._box.datagrams.append((tx.wire, tx.request.destination))

    def _send_ack(self, tx: ClientTransaction, response: Response | None, _now: float) -> None:
        assert response is not None
        to = response.headers.get("to") or tx.request.to
        tx.wire = render_hop(tx.request, self._via_of(tx), "ACK", to)
        self._box.datagrams.append((tx.wire, tx.request.destination))

    def _send_cancel(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        if not tx.cancel:
            return
        cancel = ClientTransaction(tx.request, tx.branch, tx.cancel, tx.timers, None)
        cancel.key = f"{tx.branch};cancel"
        cancel.quiet = True
        cancel.state = State.TRYING
        cancel.table = _NON_INVITE
        self._enter(cancel, now)
        self._heap.schedule(now + self._timers.b, tx, Input.TIMER_CANCEL)

    # --- actions: to the TU

    def _deliver(self, tx: ClientTransaction, response: Response | None, _now: float) -> None:
        assert response is not None
        if response.status != 100 and not tx.quiet:
            self._box.events.append(events.ResponseReceived(tx, response))

    def _deliver_2xx(self, tx: ClientTransaction, response: Response | None, _now: float) -> None:
        assert response is not None
        tag = response.to_tag or ""
        acks = tx.acks
        if acks is None:
            acks = tx.acks = {}
            out = tx.request
            tx.accepted = (out.call_id, out.cseq, scan_tag(out.from_))
            self.accepted[tx.accepted] = tx
        if tag not in acks:
            if len(acks) < MAX_FORKS:
                acks[tag] = None
                self._box.events.append(events.ResponseReceived(tx, response))
        elif (sent := acks[tag]) is not None:
            # Where it went it was not heard: the next place, in a circle.
            acks[tag] = sent = (*sent[1:], sent[0])
            self._box.datagrams.append(sent[0])

    def _report_timeout(self, tx: ClientTransaction, _response: Response | None, _now: float) -> None:
        if not tx.quiet:
            self._box.events.append(events.TransactionTimeout(tx))

    def _report_failure(self, tx: ClientTransaction, _response: Response | None, _now: float) -> None:
        if not tx.quiet:
            self._box.events.append(events.TransactionFailed(tx))

    # --- actions: upkeep

    def _settle(self, tx: ClientTransaction, _response: Response | None, _now: float) -> None:
        tx.wire = b""
        destination = tx.request.destination
        if tx.state is not State.PROCEEDING or type(destination) is tuple or not isinstance(destination, WebAddress):
            self._stop_waiting(tx, destination)

    def _stop_waiting(self, tx: ClientTransaction, destination: Address) -> None:
        waiting = self.waiting.get(destination)
        if waiting is not None:
            waiting.discard(tx)
            if not waiting:
                del self.waiting[destination]

    def _linger(self, tx: ClientTransaction, _response: Response | None, _now: float) -> None:
        self._box.spent.append(tx)

    def _forget(self, tx: ClientTransaction, _response: Response | None, _now: float) -> None:
        self.live.pop(tx.key, None)
        if tx.accepted is not None and self.accepted.get(tx.accepted) is tx:
            del self.accepted[tx.accepted]

    # --- actions: timers

    def _stop_timer(self, tx: ClientTransaction, _response: Response | None, _now: float) -> None:
        self._heap.cancel(tx)

    def _arm_a(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        tx.interval = tx.timers.a
        tx.expires = now + self._timers.b
        self._again(tx, Input.TIMER_A, Input.TIMER_B, now)

    def _rearm_a(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        tx.interval *= 2
        self._again(tx, Input.TIMER_A, Input.TIMER_B, now)

    def _arm_e(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        tx.interval = tx.timers.e
        tx.expires = now + self._timers.f
        self._again(tx, Input.TIMER_E, Input.TIMER_F, now)

    def _rearm_e(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        tx.interval = min(2 * tx.interval, self._timers.t2)
        self._again(tx, Input.TIMER_E, Input.TIMER_F, now)

    def _slow_e(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        tx.interval = max(tx.timers.e, tx.timers.t2)
        self._again(tx, Input.TIMER_E, Input.TIMER_F, now)

    def _again(self, tx: ClientTransaction, retry: Input, last: Input, now: float) -> None:
        when = now + tx.interval
        if when < tx.expires:
            self._heap.schedule(when, tx, retry)
        else:
            self._heap.schedule(tx.expires, tx, last)

    def _arm_d(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        self._heap.linger(tx.timers.end(now + tx.timers.d), tx, Input.TIMER_D)

    def _arm_k(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        self._heap.linger(tx.timers.end(now + tx.timers.k), tx, Input.TIMER_K)

    def _arm_m(self, tx: ClientTransaction, _response: Response | None, now: float) -> None:
        self._heap.linger(self._timers.end(now + self._timers.m), tx, Input.TIMER_M)


_ACTIONS: Final[dict[Action, Callable[[ClientTransactions, ClientTransaction, Response | None, float], None]]] = {
    Action.SEND: ClientTransactions._send,
    Action.SEND_ACK: ClientTransactions._send_ack,
    Action.SEND_CANCEL: ClientTransactions._send_cancel,
    Action.DELIVER: ClientTransactions._deliver,
    Action.DELIVER_2XX: ClientTransactions._deliver_2xx,
    Action.REPORT_TIMEOUT: ClientTransactions._report_timeout,
    Action.REPORT_FAILURE: ClientTransactions._report_failure,
    Action.SETTLE: ClientTransactions._settle,
    Action.LINGER: ClientTransactions._linger,
    Action.STOP_TIMER: ClientTransactions._stop_timer,
    Action.ARM_A: ClientTransactions._arm_a,
    Action.REARM_A: ClientTransactions._rearm_a,
    Action.ARM_D: ClientTransactions._arm_d,
    Action.ARM_E: ClientTransactions._arm_e,
    Action.REARM_E: ClientTransactions._rearm_e,
    Action.SLOW_E: ClientTransactions._slow_e,
    Action.ARM_K: ClientTransactions._arm_k,
    Action.ARM_M: ClientTransactions._arm_m,
    Action.FORGET: ClientTransactions._forget,
}
_INVITE: Final = performed(client_invite.TRANSITIONS, _ACTIONS)
_NON_INVITE: Final = performed(client_non_invite.TRANSITIONS, _ACTIONS)
