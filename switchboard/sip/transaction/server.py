"""Server transactions and what executes their tables (RFC 3261 §17.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from switchboard.sip import events
from switchboard.sip.errors import LocalError
from switchboard.sip.render import answer_parts, render_response
from switchboard.sip.transaction import server_invite, server_non_invite
from switchboard.sip.transaction.table import Action, Input, State, performed
from switchboard.sip.via import MAGIC

if TYPE_CHECKING:
    from collections.abc import Callable

    from switchboard.sip.message import Request
    from switchboard.sip.outgoing import Address
    from switchboard.sip.timers import DeadlineHeap, Timers
    from switchboard.sip.transaction.client import ClientTransaction
    from switchboard.sip.transaction.outbox import Outbox

AckKey: TypeAlias = tuple[str, str | None, str | None, int]
"""Call-ID, From tag, To tag and CSeq number: what an ACK has in common with the 2xx."""
MergeKey: TypeAlias = tuple[str, str | None, int, str]
"""Call-ID, From tag, CSeq: what the copies of a request that came by two paths have in common."""

NO_PARTS: Final = ("", "")


class ServerTransaction:
    """One request of a peer. `context` is the TU's."""

    __slots__ = (
        "_request",
        "ack_key",
        "context",
        "destination",
        "expires",
        "interval",
        "key",
        "merge_key",
        "method",
        "octets",
        "parts",
        "source",
        "state",
        "table",
        "timer",
        "timers",
        "to_tag",
        "wire",
    )

    def __init__(self, key: str, request: Request, source: Address, destination: Address, timers: Timers) -> None:
        invite = request.method == "INVITE"
        self._request: Request | None = request
        self.key = key
        self.method = request.method
        self.source = source
        self.destination = destination
        """Where responses go (RFC 3261 §18.2.2, RFC 3581 §4)."""
        self.context: object = None
        self.state = State.PROCEEDING if invite else State.TRYING
        self.table = _INVITE if invite else _NON_INVITE
        self.timer = 0
        self.timers = timers
        """Those of the transport it came by."""
        self.interval = 0.0
        self.expires = 0.0
        self.wire = b""
        """The last response; empty when there is none or it needs no more retransmission."""
        self.parts = NO_PARTS
        """The lines that each response copies from the request."""
        self.octets = 0
        self.to_tag = ""
        """The tag we added to To; empty when the request had one, or before it is chosen."""
        self.ack_key: AckKey | None = None
        self.merge_key: MergeKey | None = None

    @property
    def request(self) -> Request:
        """The request; a while after the last event of a transaction that is answered it is let go."""
        if self._request is None:
            raise LocalError("the transaction is answered and has let its request go")
        return self._request

    def release(self) -> None:
        """Keep only what answers repetitions: thousands of transactions linger for 32 s."""
        self._request = None
        self.parts = NO_PARTS
        self.context = None

    def __repr__(self) -> str:
        return f"<ServerTransaction {self.method} {self.state.name}>"


class ServerTransactions:
    """All server transactions of a core."""

    __slots__ = ("_agent", "_box", "_heap", "_timers", "acks", "live", "merges", "octets")

    def __init__(
        self,
        box: Outbox,
        heap: DeadlineHeap[ClientTransaction | ServerTransaction],
        timers: Timers,
        agent: str,
    ) -> None:
        self._box = box
        self._heap = heap
        self._timers = timers
        self._agent = agent
        self.live: dict[str, ServerTransaction] = {}
        self.acks: dict[AckKey, ServerTransaction] = {}
        self.merges: dict[MergeKey, ServerTransaction] = {}
        self.octets = 0
        """How large the requests of all live transactions were together."""

    def start(self, tx: ServerTransaction, via: str, now: float) -> None:
        """Take a new request in and hand it to the TU; `via` is its top Via line as stamped."""
        request = tx.request
        tx.parts = answer_parts(request, via)
        self.live[tx.key] = tx
        tx.octets = len(request.raw)
        self.octets += tx.octets
        if request.to_tag is None and tx.method != "CANCEL":
            tx.merge_key = (request.call_id, request.from_tag, request.cseq, tx.method)
            self.merges[tx.merge_key] = tx
        self.step(tx, Input.START, request, now)

    def step(self, tx: ServerTransaction, event: Input, request: Request | None, now: float) -> bool:
        """Feed one input to a transaction; False when its table has no row for it."""
        row = tx.table.get((tx.state, event))
        if row is None:
            return False
        tx.state, actions = row
        for perform in actions:
            perform(self, tx, request, now)
        return True

    def is_merged(self, request: Request) -> bool:
        """Tell whether the request is a copy that took another way (RFC 3261 §8.2.2.2)."""
        return (request.call_id, request.from_tag, request.cseq, request.method) in self.merges

    def expect_ack(self, tx: ServerTransaction) -> None:
        """File an INVITE that is about to be accepted under what its ACK will say."""
        request = tx.request
        tx.ack_key = key = (request.call_id, request.from_tag, request.to_tag or tx.to_tag, request.cseq)
        self.acks[key] = tx

    def abandon(self, tx: ServerTransaction) -> None:
        """Forget a transaction that has sent nothing."""
        self._heap.cancel(tx)
        self._forget(tx, None, 0.0)

    # --- actions

    def _send(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        if tx.wire:
            self._box.datagrams.append((tx.wire, tx.destination))

    def _send_trying(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        tx.wire = render_response(100, "", tx.parts, "", (), self._agent)
        self._box.datagrams.append((tx.wire, tx.destination))

    def _deliver(self, tx: ServerTransaction, request: Request | None, _now: float) -> None:
        if request is not None and tx.method != "CANCEL":
            self._box.events.append(events.RequestReceived(tx, request))

    def _report_cancel(self, tx: ServerTransaction, request: Request | None, _now: float) -> None:
        if request is not None:
            self._box.events.append(events.CancelReceived(tx, request))

    def _report_ack(self, tx: ServerTransaction, request: Request | None, _now: float) -> None:
        if request is not None:
            self._box.events.append(events.AckReceived(request, tx))

    def _report_ack_missing(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        self._box.events.append(events.AckMissing(tx))

    def _report_prack_missing(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        self._box.events.append(events.PrackMissing(tx))

    def _release(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        tx.wire = b""
        self._box.spent.append(tx)

    def _forget(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        # Only its own timer ends a server transaction, so none is armed.
        if self.live.pop(tx.key, None) is not None:
            self.octets -= tx.octets
        if tx.merge_key is not None:
            self.merges.pop(tx.merge_key, None)
        if tx.ack_key is not None and self.acks.get(tx.ack_key) is tx:
            del self.acks[tx.ack_key]

    def _stop_timer(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        self._heap.cancel(tx)

    def _arm_trying(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        self._heap.schedule(now + self._timers.trying, tx, Input.TIMER_TRYING)

    def _arm_g(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        tx.interval = tx.timers.g
        tx.expires = now + self._timers.h
        self._again(tx, Input.TIMER_G, Input.TIMER_H, now)

    def _rearm_g(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        tx.interval = min(2 * tx.interval, self._timers.t2)
        self._again(tx, Input.TIMER_G, Input.TIMER_H, now)

    def _arm_reliable(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        tx.interval = self._timers.t1
        tx.expires = now + 64 * self._timers.t1
        self._again(tx, Input.TIMER_RELIABLE, Input.TIMER_PRACK, now)

    def _rearm_reliable(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        tx.interval *= 2
        self._again(tx, Input.TIMER_RELIABLE, Input.TIMER_PRACK, now)

    def _arm_2xx(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        tx.interval = self._timers.t1
        tx.expires = now + self._timers.l
        self._again(tx, Input.TIMER_2XX, Input.TIMER_L, now)

    def _rearm_2xx(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        tx.interval = min(2 * tx.interval, self._timers.t2)
        self._again(tx, Input.TIMER_2XX, Input.TIMER_L, now)

    def _again(self, tx: ServerTransaction, retry: Input, last: Input, now: float) -> None:
        when = now + tx.interval
        if when < tx.expires:
            self._heap.schedule(when, tx, retry)
        else:
            self._heap.schedule(tx.expires, tx, last)

    def _wait_l(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        self._heap.linger(self._timers.end(tx.expires), tx, Input.TIMER_L)

    def _arm_i(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        self._heap.linger(tx.timers.end(now + tx.timers.i), tx, Input.TIMER_I)

    def _linger(self, tx: ServerTransaction, _request: Request | None, _now: float) -> None:
        self._box.spent.append(tx)

    def _arm_j(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        self._heap.linger(tx.timers.end(now + tx.timers.j), tx, Input.TIMER_J)

    def _arm_lapse(self, tx: ServerTransaction, _request: Request | None, now: float) -> None:
        self._heap.schedule(self._timers.end(now + self._timers.j), tx, Input.TIMER_J)


_ACTIONS: Final[dict[Action, Callable[[ServerTransactions, ServerTransaction, Request | None, float], None]]] = {
    Action.SEND: ServerTransactions._send,
    Action.SEND_TRYING: ServerTransactions._send_trying,
    Action.DELIVER: ServerTransactions._deliver,
    Action.REPORT_CANCEL: ServerTransactions._report_cancel,
    Action.REPORT_ACK: ServerTransactions._report_ack,
    Action.REPORT_ACK_MISSING: ServerTransactions._report_ack_missing,
    Action.LINGER: ServerTransactions._linger,
    Action.RELEASE: ServerTransactions._release,
    Action.STOP_TIMER: ServerTransactions._stop_timer,
    Action.ARM_TRYING: ServerTransactions._arm_trying,
    Action.ARM_G: ServerTransactions._arm_g,
    Action.REARM_G: ServerTransactions._rearm_g,
    Action.ARM_I: ServerTransactions._arm_i,
    Action.ARM_J: ServerTransactions._arm_j,
    Action.ARM_LAPSE: ServerTransactions._arm_lapse,
    Action.REPORT_PRACK_MISSING: ServerTransactions._report_prack_missing,
    Action.ARM_RELIABLE: ServerTransactions._arm_reliable,
    Action.REARM_RELIABLE: ServerTransactions._rearm_reliable,
    Action.ARM_2XX: ServerTransactions._arm_2xx,
    Action.REARM_2XX: ServerTransactions._rearm_2xx,
    Action.WAIT_L: ServerTransactions._wait_l,
    Action.FORGET: ServerTransactions._forget,
}
_INVITE: Final = performed(server_invite.TRANSITIONS, _ACTIONS)
_NON_INVITE: Final = performed(server_non_invite.TRANSITIONS, _ACTIONS)


def transaction_key(request: Request, via: str, method: str) -> str:
    """Name the server transaction a request belongs to (RFC 3261 §17.2.3)."""
    branch = request.branch
    if branch is not None and branch.startswith(MAGIC):
        return f"{method} {branch} {via.partition(';')[0]}"
    # RFC 2543 elements: no To tag, as the ACK has one that its INVITE had not.
    return f"{method} {request.call_id} {request.from_tag} {request.cseq} {request.uri} {via}"
