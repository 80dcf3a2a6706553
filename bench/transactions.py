"""The transaction layer of the bench's own phone: retransmission, matching, a record of every datagram."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, cast

from bench.wire import Message, WireError, host_port, new_branch, parse, reply

Address = tuple[str, int]
T = TypeVar("T")
REASONS: Final = {
    100: "Trying",
    180: "Ringing",
    183: "Session Progress",
    200: "OK",
    403: "Forbidden",
    404: "Not Found",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    500: "Server Internal Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    600: "Busy Everywhere",
    603: "Decline",
}

patience = 1.0
"""By this all waiting for peers is multiplied; more where the machine is busy with other things, too."""


class PhoneError(Exception):
    """Something a peer did, or failed to do."""


class OverdueError(PhoneError):
    """A peer did not do something in time."""


class RefusedError(PhoneError):
    """A peer answered a request with a status of 300 or more."""

    def __init__(self, response: Message) -> None:
        """Keep the response."""
        super().__init__(f"{response.method} was answered {response.status} {response.reason}")
        self.response = response
        self.status = response.status


@dataclass(frozen=True, slots=True)
class Record:
    """One datagram as it went over the wire, by the monotonic clock."""

    at: float
    direction: Literal["in", "out"]
    peer: Address
    data: bytes
    message: Message | None
    repeated: bool


class ClientTransaction:
    """A request sent, its responses, and its retransmissions (RFC 3261 17.1)."""

    def __init__(self, request: Message, destination: Address, heard: Callable[[Message], None] | None) -> None:
        """Remember the request; the endpoint drives the rest."""
        self.request = request
        self.destination = destination
        self.heard = heard
        self.sent_at = 0.0
        self.responses: list[Message] = []
        self.progress = asyncio.Event()
        self.final: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.final.add_done_callback(lambda f: f.cancelled() or f.exception())
        self.timer: asyncio.TimerHandle | None = None
        self.ack: Message | None = None


class ServerTransaction:
    """A request received and what was answered to it last (RFC 3261 17.2)."""

    def __init__(self, request: Message, source: Address) -> None:
        """Remember the request and where responses go (RFC 3261 18.2.2, RFC 3581)."""
        self.request = request
        via = request.get("via")
        port = re.search(r"SIP/2\.0/\w+\s+[^;:\s]+(?::(\d+))?", via)
        nat = re.search(r";\s*rport\b", via) is not None or port is None
        self.destination = source if nat or port is None else (source[0], int(port[1] or 5060))
        self.last: bytes = b""
        self.status = 0
        self.timer: asyncio.TimerHandle | None = None


class Endpoint(asyncio.DatagramProtocol):
    """A UDP socket that speaks SIP transactions; what a request means is left to `on_request`."""

    def __init__(self, t1: float = 0.5, copies: int = 1) -> None:
        """`copies` sends every datagram so many times, as a nervous carrier does."""
        self.t1 = t1
        self.t2 = 8 * t1
        self.copies = copies
        self.address: Address = ("", 0)
        self.log: list[Record] = []
        self.complaints: list[str] = []
        self.watchers: list[Callable[[Record], None]] = []
        self.drop: Callable[[Literal["in", "out"], Message], bool] = lambda direction, message: False
        self.on_request: Callable[[ServerTransaction], None] = lambda transaction: None
        self.on_ack: Callable[[Message], None] = lambda request: None
        self.on_stray: Callable[[Message], None] = lambda response: None
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[tuple[str, str], ServerTransaction] = {}
        self._seen: set[bytes] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        self.address = transport.get_extra_info("sockname")[:2]

    def close(self) -> None:
        """Stop all timers and close the socket."""
        for client in self._clients.values():
            self._stop(client)
            if not client.final.done():
                client.final.cancel()
        for server in self._servers.values():
            self._stop(server)
        if self._transport:
            self._transport.close()

    def send(self, message: Message, destination: Address) -> bytes:
        """Put one message on the wire without any transaction."""
        data = message.render()
        self._put(data, message, destination)
        return data

    def _put(self, data: bytes, message: Message, destination: Address) -> None:
        """Send a datagram, as many times as this endpoint repeats itself."""
        if self._transport is None or self._transport.is_closing() or self.drop("out", message):
            return
        for _ in range(self.copies):
            self._transport.sendto(data, destination)
            self._record("out", destination, data, message)

    def _record(self, direction: Literal["in", "out"], peer: Address, data: bytes, message: Message | None) -> None:
        """Keep a datagram, and show it to whoever watches."""
        key = direction.encode() + data
        record = Record(time.monotonic(), direction, peer, data, message, key in self._seen)
        self._seen.add(key)
        self.log.append(record)
        for watcher in self.watchers:
            watcher(record)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Read one datagram and hand it to its transaction."""
        # RTP and RTCP begin so: of a call that had this port before, or has the one below it.
        if not data.strip(b"\r\n\0") or data[0] >> 6 == 2:
            return
        try:
            message: Message | None = parse(data)
        except WireError as error:
            self.complaints.append(str(error))
            message = None
        if message is not None and self.drop("in", message):
            return
        self._record("in", addr, data, message)
        if message is None:
            return
        self.complaints += [f"{fault} ({message.start})" for fault in message.faults()]
        try:
            if message.is_request:
                self._request(message, addr)
            else:
                self._response(message)
        except (PhoneError, WireError) as error:
            self.complaints.append(f"{error} ({message.start})")

    def request(
        self,
        message: Message,
        destination: Address,
        heard: Callable[[Message], None] | None = None,
        branch: str = "",
    ) -> ClientTransaction:
        """Send a request and repeat it until it is answered (Timers A, B, E, F)."""
        self.add_via(message, branch)
        transaction = ClientTransaction(message, destination, heard)
        self._clients[message.branch, message.method] = transaction
        transaction.sent_at = time.monotonic()
        data = self.send(message, destination)
        self._repeat(transaction, data, self.t1, transaction.sent_at)
        return transaction

    def add_via(self, message: Message, branch: str = "") -> None:
        """Put this endpoint's Via on top of a request."""
        via = f"SIP/2.0/UDP {host_port(self.address)};branch={branch or new_branch()};rport"
        message.headers.insert(0, ("Via", via))

    def _repeat(self, transaction: ClientTransaction, data: bytes, wait: float, last: float) -> None:
        """Arm the next retransmission of a request, `wait` seconds after the last one was due."""
        method, due, end = transaction.request.method, last + wait, transaction.sent_at + 64 * self.t1

        def fire() -> None:
            if due >= end:
                lacks = "final answer" if transaction.responses else "answer"
                self._fail(transaction, OverdueError(f"no {lacks} to {method} in {64 * self.t1:g} s"))
                return
            self._put(data, transaction.request, transaction.destination)
            following = wait * 2 if method == "INVITE" else min(wait * 2, self.t2)
            self._repeat(transaction, data, following, due)

        delay = min(due, end) - time.monotonic()
        transaction.timer = asyncio.get_running_loop().call_later(max(0.0, delay), fire)

    def _fail(self, transaction: ClientTransaction, error: PhoneError) -> None:
        """End a client transaction without a final response."""
        self._stop(transaction)
        if not transaction.final.done():
            transaction.final.set_exception(error)
        transaction.progress.set()

    def _response(self, message: Message) -> None:
        """Match a response by branch and CSeq method (RFC 3261 17.1.3)."""
        transaction = self._clients.get((message.branch, message.cseq[1]))
        if transaction is None:
            self.complaints.append(f"a response to nothing this phone sent: {message.start} ({message.get('cseq')})")
            return
        if transaction.final.done():
            if transaction.ack is not None:
                self.send(transaction.ack, transaction.destination)
            elif message.cseq[1] == "INVITE" and message.status < 300:
                self.on_stray(message)
            return
        transaction.responses.append(message)
        invite = message.cseq[1] == "INVITE"
        if message.status >= 200 or invite:
            self._stop(transaction)
        if message.status >= 300 and invite:
            transaction.ack = _ack(transaction.request, message)
            self.send(transaction.ack, transaction.destination)
        transaction.progress.set()
        if transaction.heard:
            transaction.heard(message)
        if message.status >= 200 and not transaction.final.done():
            transaction.final.set_result(message)

    def _request(self, message: Message, source: Address) -> None:
        """Absorb a repeated request (RFC 3261 17.2.3), or hand a new one up."""
        key = (message.branch, "INVITE" if message.method == "ACK" else message.method)
        known = self._servers.get(key)
        if message.method == "ACK":
            if known is not None:
                self._stop(known)
            self.on_ack(message)
        elif known is not None:
            if known.last:
                self._put(known.last, parse(known.last), known.destination)
        else:
            transaction = self._servers[key] = ServerTransaction(message, source)
            self.on_request(transaction)

    def invite_for(self, cancel: Message) -> ServerTransaction | None:
        """The INVITE that a CANCEL is about (RFC 3261 9.2)."""
        return self._servers.get((cancel.branch, "INVITE"))

    def respond(self, transaction: ServerTransaction, message: Message) -> None:
        """Send a response; a final one to an INVITE is repeated until its ACK (Timer G, 13.3.1.4)."""
        self._stop(transaction)
        transaction.status = message.status
        transaction.last = self.send(message, transaction.destination)
        if transaction.request.method == "INVITE" and message.status >= 200:
            now = time.monotonic()
            self._answer_again(transaction, self.t1, now, now + 64 * self.t1)

    def _answer_again(self, transaction: ServerTransaction, wait: float, last: float, end: float) -> None:
        """Arm the next retransmission of a final response."""
        due = last + wait

        def fire() -> None:
            message = parse(transaction.last)
            if due >= end:
                self.complaints.append(f"{message.start} to INVITE was never acknowledged")
                return
            self._put(transaction.last, message, transaction.destination)
            self._answer_again(transaction, min(wait * 2, self.t2), due, end)

        delay = min(due, end) - time.monotonic()
        transaction.timer = asyncio.get_running_loop().call_later(max(0.0, delay), fire)

    def acknowledged(self, transaction: ServerTransaction) -> None:
        """Stop repeating a 2xx: its ACK has come."""
        self._stop(transaction)

    def answer(self, transaction: ServerTransaction, status: int, reason: str = "", tag: str = "") -> None:
        """Send a bare response."""
        self.respond(transaction, reply(transaction.request, status, reason or REASONS.get(status, "Answer"), tag))

    @staticmethod
    def _stop(transaction: ClientTransaction | ServerTransaction) -> None:
        """Disarm a transaction's timer."""
        if transaction.timer is not None:
            transaction.timer.cancel()
            transaction.timer = None


def _ack(invite: Message, response: Message) -> Message:
    """The ACK of a final response of 300 or more, in the INVITE's transaction (RFC 3261 17.1.1.3)."""
    ack = Message(f"ACK {invite.uri} SIP/2.0", [("Via", invite.get("via")), ("Max-Forwards", "70")])
    ack.add("From", invite.get("from"))
    ack.add("To", response.get("to"))
    ack.add("Call-ID", invite.call_id)
    ack.add("CSeq", f"{invite.cseq[0]} ACK")
    ack.headers += [("Route", value) for value in invite.getall("route")]
    return ack


async def wait_for(waiting: Awaitable[T], within: float, what: str) -> T:
    """Wait for something a peer does; say what it did not do when time is up."""
    within *= patience
    try:
        return await asyncio.wait_for(waiting, within)
    except TimeoutError:
        raise OverdueError(f"{what} within {within:g} s") from None
