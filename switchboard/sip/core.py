"""The protocol core: datagrams and time come in, datagrams and events go out (RFC 3261 §8, §17, §18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from switchboard.sip import events, stun
from switchboard.sip.aiming import aim, nowhere
from switchboard.sip.dialog import TARGET_REFRESH
from switchboard.sip.dialog_lines import dialog_lines, has_contact, is_secure
from switchboard.sip.errors import LocalError, ParseError
from switchboard.sip.flow import WebAddress, on_transport
from switchboard.sip.message import Message, Request, Response, parse_datagram
from switchboard.sip.outgoing import Address, OutgoingRequest
from switchboard.sip.own import LARGEST_DATAGRAM, OwnPlaces
from switchboard.sip.refusals import Refusals
from switchboard.sip.render import render_request, render_response
from switchboard.sip.response_path import stamp
from switchboard.sip.timers import DeadlineHeap, Timers
from switchboard.sip.transaction.client import ClientTransaction, ClientTransactions
from switchboard.sip.transaction.outbox import Outbox
from switchboard.sip.transaction.server import ServerTransaction, ServerTransactions, transaction_key
from switchboard.sip.transaction.table import Input, State
from switchboard.sip.validate import validate
from switchboard.sip.via import MAGIC, scan_branch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


RETRY_AFTER: Final = "Retry-After: 5"
"""What a peer is told when all transactions are taken (RFC 3261 §21.5.4)."""
MEAN_REQUEST: Final = 2048
"""Octets a request may have on average when all transactions are taken; larger ones use the room up earlier."""


class SipCore:
    """All SIP transactions of one local address. The driver feeds it and drains it after each input."""

    __slots__ = (
        "_agent",
        "_box",
        "_clients",
        "_heap",
        "_limit",
        "_own",
        "_random_token",
        "_servers",
        "contact",
        "local",
        "locate",
        "refusals",
        "take_datagrams",
        "take_events",
        "timers",
    )

    def __init__(
        self,
        *,
        local: Address,
        timers: Timers,
        random_token: Callable[[], str],
        user_agent: str,
        max_transactions: int = 100_000,
        streams: Mapping[str, Address] | None = None,
        six: Mapping[str, Address] | None = None,
    ) -> None:
        """Make an idle core; `random_token` gives unguessable text of token characters.

        `local` is its address on UDP, `streams` has those of "tcp", "tls", "ws" and "wss" as far as it is there.
        `six` has its addresses on IPv6, by "udp", "tcp" and "tls", where the others are on IPv4.
        """
        self.local = local
        self.timers = timers
        self._own = OwnPlaces(local, timers, streams or {}, six or {})
        self.contact = self._own.contact
        """The Contact value of whatever the TU sends without one, as peers on UDP get it."""
        self._random_token = random_token
        self._agent = user_agent
        self._limit = max_transactions
        self.locate: Callable[[str, float], tuple[Address, ...]] = nowhere
        """Where a URI leads whose host is a name, as far as it is known now; whoever asks DNS says so."""
        self._box = Outbox()
        self.refusals: Final = Refusals(self._box, user_agent, random_token())
        self.take_datagrams: Final = self._box.take_datagrams
        """Takes what is to be transmitted, in order: (octets, address) each."""
        self.take_events: Final = self._box.take_events
        """Takes what the TU is to be told, in order."""
        self._heap: DeadlineHeap[ClientTransaction | ServerTransaction] = DeadlineHeap()
        self._clients = ClientTransactions(self._box, self._heap, self._own, user_agent)
        self._servers = ServerTransactions(self._box, self._heap, timers, user_agent)

    # --- in

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram: SIP, or a keep-alive of STUN among it (RFC 5626 §4.4.2)."""
        try:
            message = parse_datagram(data)
        except ParseError as error:
            if data[:1] == b"\0":
                # Its transaction id may have spaces, and look like a request line that is wrong.
                if (kept := stun.answer(data, source)) is not None:
                    self._box.datagrams.append((kept, source))
            elif error.partial is not None and error.status is not None:
                self.refusals.refuse(error.partial, error.status, source)
            return
        self.receive_message(message, source, now)

    def receive_message(self, message: Message, source: Address, now: float) -> None:
        """Take one message that a stream was cut into; `source` is the connection's far end."""
        if type(message) is Response:
            self._receive_response(message, now)
        elif type(message) is Request:
            self._receive_request(message, source, now)

    def receive_fault(self, fault: ParseError, source: Address) -> None:
        """Answer what broke a stream, as far as it could be read (RFC 3261 §18.3)."""
        if fault.partial is not None and fault.status is not None:
            self.refusals.refuse(fault.partial, fault.status, source)

    def handle_timer(self, now: float) -> None:
        """Let everything happen that is due at `now`."""
        pop_due, pop_lingering = self._heap.pop_due, self._heap.pop_lingering
        while (due := pop_due(now)) is not None:
            self._expire(*due, now)
        while ended := pop_lingering(now):
            for tx, letter in ended:
                self._expire(tx, letter, now)

    def _expire(self, tx: ClientTransaction | ServerTransaction, letter: Input, now: float) -> None:
        if type(tx) is ClientTransaction:
            self._clients.step(tx, letter, None, now)
        elif type(tx) is ServerTransaction:
            self._servers.step(tx, letter, None, now)

    def next_deadline(self) -> float | None:
        """When `handle_timer` is wanted next."""
        return self._heap.next_deadline()

    def transport_error(self, destination: Address, now: float) -> None:
        """Take an ICMP error: requests waiting there have failed (RFC 3261 §8.1.3.1, §18.4)."""
        self._clients.transport_error(destination, now)

    def flow_lost(self, address: Address, now: float) -> None:
        """A connection is gone or could not be made: what waits there has failed, the TU hears who is cut off."""
        self._clients.transport_error(address, now)
        if isinstance(address, WebAddress):
            self._clients.flow_lost(address, now)
        self._box.events.append(events.FlowLost(address))

    # --- out

    def counts(self) -> dict[str, int]:
        """What is alive; all zero when every transaction has ended."""
        clients, servers = self._clients, self._servers
        return {
            "client_transactions": len(clients.live),
            "server_transactions": len(servers.live),
            "timers": len(self._heap),
            "pending_2xx": sum(1 for tx in servers.acks.values() if tx.state is State.ACCEPTED),
            "accepted_invites": len(clients.accepted),
            "merge_keys": len(servers.merges),
            "waiting_destinations": len(clients.waiting),
        }

    def contact_at(self, peer: Address, user: str) -> str:
        """Our own URI as a peer can use it, with a user part if there is one."""
        uri = self._own.by_type[type(peer)].contact.strip("<>")
        return f"sip:{user}@{uri.removeprefix('sip:')}" if user else uri

    # --- what the TU asks for

    def respond(
        self,
        tx: ServerTransaction,
        status: int,
        reason: str = "",
        *,
        to_tag: str = "",
        headers: tuple[str, ...] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
        acknowledged: bool = False,
        now: float,
    ) -> None:
        """Answer a request; LocalError when it has its final answer, or the answer is none it may get.

        With `acknowledged` a provisional response is sent until `pracked` (RFC 3262 §3).
        """
        invite = tx.method == "INVITE"
        if status < 200:
            kind = Input.SEND_RELIABLE if acknowledged else Input.SEND_1XX
        else:
            kind = Input.SEND_2XX if invite and status < 300 else Input.SEND_FINAL
        if (tx.state, kind) not in tx.table or not 100 <= status <= 699:
            raise LocalError(f"a {tx.method} in state {tx.state.name} cannot be answered {status}")
        request = tx.request
        if status > 100 and request.to_tag is None:
            tx.to_tag = to_tag or tx.to_tag or self._random_token()
        if 100 < status < 300 and tx.method in TARGET_REFRESH:
            headers = dialog_lines(request, headers, self.contact)
        if type(tx.source) is not tuple:
            headers = self._own.headers(headers, tx.source, secure=is_secure(request))
        tag = tx.to_tag if status > 100 else ""
        tx.wire = render_response(status, reason, tx.parts, tag, headers, self._agent, body, content_type)
        if invite and status >= 200:
            self._servers.expect_ack(tx)
        self._servers.step(tx, kind, None, now)

    def pracked(self, tx: ServerTransaction, now: float) -> None:
        """The provisional response that is sent reliably has arrived; does nothing when a final one has followed."""
        self._servers.step(tx, Input.PRACK, None, now)

    def request(self, out: OutgoingRequest, now: float, *, context: object = None) -> ClientTransaction:
        """Send any request but ACK and CANCEL in a transaction of its own."""
        if out.method in ("ACK", "CANCEL"):
            raise LocalError(f"{out.method} is not sent by request(): use send_ack() or cancel()")
        if out.method in TARGET_REFRESH and not has_contact(out.headers):
            out.headers = (*out.headers, f"Contact: {self.contact}")
        if out.named and out.others is None:
            aim(out, self.locate(out.named, now))
        if type(out.destination) is not tuple or out.named:
            hop = out.routes[0].lower() if out.routes else ""
            secure = "<sips:" in hop or out.uri[:5].lower() == "sips:"
            out.headers = self._own.headers(out.headers, out.destination, secure=secure)
        return self._clients.start(out, f"{MAGIC}{self._random_token()}", context, now)

    def send_ack(self, out: OutgoingRequest, now: float) -> None:
        """Acknowledge a 2xx; from here on the core answers its retransmissions (RFC 3261 §13.2.2.4).

        A large one goes by TCP where its INVITE did (§18.1.1): there is no transaction that could bring it back.
        """
        if out.named and out.others is None:
            aim(out, self.locate(out.named, now))
        wire = self._render_ack(out)
        if len(wire) > LARGEST_DATAGRAM and self._clients.was_moved(out):
            out.destination = on_transport(out.destination, "tcp")
            wire = self._render_ack(out)
        self._box.datagrams.append((wire, out.destination))
        self._clients.remember_ack(out, ((wire, out.destination), *self._acks_elsewhere(out)))

    def _acks_elsewhere(self, out: OutgoingRequest) -> list[tuple[bytes, Address]]:
        """The ACK for each other place where the name of its first hop leads: it has no transaction that could fail."""
        acks = []
        for place in out.others or ():
            other = out.elsewhere((place,))
            acks.append((self._render_ack(other), place))
        return acks

    def _render_ack(self, out: OutgoingRequest) -> bytes:
        via = self._own.by_type[type(out.destination)].via
        return render_request(out, f"{via};branch={MAGIC}{self._random_token()};rport", self._agent)

    def cancel(self, tx: ClientTransaction, now: float, headers: tuple[str, ...] = ()) -> None:
        """Cancel an INVITE of ours; does nothing once it has its final response (RFC 3261 §9.1)."""
        if tx.request.method != "INVITE":
            raise LocalError("only an INVITE can be cancelled", section="RFC 3261 §9.1")
        self._clients.request_cancel(tx, headers, now)

    def abandon(self, tx: ServerTransaction) -> None:
        """Forget a request that is never to be answered: silence is what scanners get."""
        self._servers.abandon(tx)

    # --- responses

    def _receive_response(self, response: Response, now: float) -> None:
        branch = response.branch
        if branch is None:
            return
        method = response.cseq_method
        tx = self._clients.live.get(branch if method != "CANCEL" else f"{branch};cancel")
        if tx is None or not self._is_ours(response):
            return
        status = response.status
        if tx.request.method != method and not tx.quiet:
            return
        if status < 200:
            kind = Input.RECEIVE_1XX
        elif status < 300 and method == "INVITE":
            kind = Input.RECEIVE_2XX
        else:
            kind = Input.RECEIVE_FINAL
        if validate(response) is None:
            self._clients.step(tx, kind, response, now)

    def is_here(self, host: str, port: int) -> bool:
        """Tell whether we are at this place on any transport; `host` in lower case without brackets."""
        return (host, port) in self._own.places

    def sender_of(self, request: Request) -> object:
        """The TU's context of a request of ours that has come back, straight or by proxies (RFC 3261 §16.3 step 4).

        None for one that came from elsewhere, or whose sender has let go of it.
        """
        for value in request.headers.values("via"):
            tx = self._clients.live.get(scan_branch(value) or "")
            if tx is not None:
                return tx.context
        return None

    def _is_ours(self, response: Response) -> bool:
        """Tell whether the top Via is the one we wrote (RFC 3261 §18.1.2)."""
        headers = response.headers
        value = headers.first.get("via", "")
        ours = value.startswith(self._own.vias)
        if ours and response.usual and headers.more is None:
            return True
        if headers.repeated("via") or "," in value:
            # RFC 3261 §8.1.3.3: somebody else's response gone astray.
            return False
        if ours:
            return True
        try:
            via = response.via
        except ParseError:
            return False
        return (via.host.strip("[]").lower(), via.port or 5060) in self._own.places

    # --- requests

    def _receive_request(self, request: Request, source: Address, now: float) -> None:
        via = request.headers.first.get("via")
        if via is None:
            return
        method = request.method
        if method == "ACK":
            self._receive_ack(request, via, now)
            return
        servers = self._servers
        key = transaction_key(request, via, method)
        known = servers.live.get(key)
        if known is not None:
            servers.step(known, Input.REQUEST, request, now)
            return
        refusals = self.refusals
        if refusals.shed and refusals.sheds(request, source):
            return
        error = validate(request)
        if error is not None:
            refusals.refuse(request, error.status or 400, source)
            return
        invite = None
        if method == "CANCEL":
            invite = servers.live.get(transaction_key(request, via, "INVITE"))
            if invite is None:
                refusals.refuse(request, 481, source)
                return
        elif request.to_tag is None and servers.is_merged(request):
            refusals.refuse(request, 482, source)
            return
        if self._is_overloaded(request):
            refusals.refuse(request, 503, source, (RETRY_AFTER,))
            return
        stamped, destination = stamp(request, via, source)
        tx = ServerTransaction(key, request, source, destination, self._own.by_type[type(source)].timers)
        servers.start(tx, stamped, now)
        if invite is not None:
            self._cancel_invite(tx, invite, now)

    def _is_overloaded(self, request: Request) -> bool:
        """Tell whether there is no room for a request; those that end calls have an eighth more of it."""
        limit = self._limit
        if request.to_tag is not None or request.method == "CANCEL":
            limit += limit // 8
        live = len(self._servers.live) + len(self._clients.live)
        return live >= limit or self._servers.octets >= limit * MEAN_REQUEST

    def _receive_ack(self, request: Request, via: str, now: float) -> None:
        if validate(request) is not None:
            return
        servers = self._servers
        # By the dialog first: it finds the ACK of a 2xx, and that of peers who give any ACK a branch of its own.
        tx = servers.acks.get((request.call_id, request.from_tag, request.to_tag, request.cseq))
        if tx is None:
            tx = servers.live.get(transaction_key(request, via, "INVITE"))
        if tx is None:
            self._box.events.append(events.AckReceived(request, None))
        elif not servers.step(tx, Input.ACK_2XX, request, now):
            servers.step(tx, Input.ACK, request, now)

    def _cancel_invite(self, cancel: ServerTransaction, invite: ServerTransaction, now: float) -> None:
        """Answer a CANCEL, and tell the TU if it is not too late (RFC 3261 §9.2)."""
        # The responses to CANCEL and INVITE should have the same tag; the TU may still choose another. Within a
        # dialog both bring it.
        if cancel.request.to_tag is None:
            invite.to_tag = invite.to_tag or self._random_token()
        self.respond(cancel, 200, to_tag=invite.to_tag, now=now)
        self._servers.step(invite, Input.CANCEL, cancel.request, now)
