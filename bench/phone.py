"""A scripted SIP phone or carrier for demonstrations and tests; it shares no code with the switch it judges.

async with await Phone.open("13800138000", port=5070, target=("127.0.0.1", 5060)) as carrier:
    call = await carrier.dial("4008001234")
    await call.answered()
    await call.rtp.key("800001")
    await call.hang_up()
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar, Final, Self

from bench.dialog import Call
from bench.rtp import RtpPort
from bench.transactions import (
    Address,
    Endpoint,
    OverdueError,
    PhoneError,
    Record,
    RefusedError,
    ServerTransaction,
    wait_for,
)
from bench.wire import Message, WireError, authorization, codec_types, host_port

__all__ = [
    "Answer",
    "Call",
    "Dialled",
    "Never",
    "OverdueError",
    "Phone",
    "PhoneError",
    "Record",
    "Refuse",
    "RefusedError",
]

_CODECS: Final = ("PCMA", "PCMU", "telephone-event")


@dataclass(frozen=True, slots=True)
class Answer:
    """Take the call after so many seconds; `ring` sends 180 first, `early` 183 with SDP and ringing tone."""

    after: float = 0.0
    ring: bool = True
    early: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse the call with a status after so many seconds."""

    status: int = 486
    reason: str = ""
    after: float = 0.0
    ring: bool = False


@dataclass(frozen=True, slots=True)
class Never:
    """Let it ring for ever; without `ring`, not even a provisional response is sent."""

    ring: bool = True


Behaviour = Answer | Refuse | Never


@dataclass(frozen=True, slots=True)
class Dialled:
    """What an outgoing INVITE carries beside the number: everything a caller may show of itself."""

    headers: tuple[str, ...] = ()
    display: str = ""
    call_id: str = ""
    contact_user: str = ""
    origin: str = "-"
    session_name: str = "-"
    codecs: tuple[str, ...] = _CODECS
    from_uri: str = ""
    offer: bool = True
    """Without it the peer has to offer, and is answered in the ACK (RFC 3261 13.2.1)."""


class Phone:
    """One SIP user on one UDP socket: registers, dials, answers, and records every datagram."""

    call_type: ClassVar[type[Call]] = Call
    rtp_type: ClassVar[type[RtpPort]] = RtpPort
    """What its calls are made of."""

    def __init__(self, endpoint: Endpoint, user: str, target: Address, password: str, domain: str) -> None:
        """Wrap a bound endpoint; use `open`."""
        self.endpoint = endpoint
        self.user = user
        self.password = password
        self.target = target
        self.domain = domain or (target[0] if target[1] == 5060 else f"{target[0]}:{target[1]}")
        self.algorithm: str | None = None
        """Digest algorithm to insist on; otherwise the first one offered."""
        self.behaviour: Behaviour | Callable[[Message], Behaviour] = Answer()
        self.codecs: tuple[str, ...] = _CODECS
        self.calls: dict[str, Call] = {}
        self.incoming: asyncio.Queue[Call] = asyncio.Queue()
        self._register_id = secrets.token_hex(8)
        self._register_seq = 0
        self._tasks: set[asyncio.Task[None]] = set()
        endpoint.on_request = self._request
        endpoint.on_ack = self._ack
        endpoint.on_stray = self._stray

    @classmethod
    async def open(
        cls,
        user: str,
        *,
        target: Address = ("127.0.0.1", 5060),
        host: str = "127.0.0.1",
        port: int = 0,
        password: str = "",
        domain: str = "",
        t1: float = 0.5,
        copies: int = 1,
    ) -> Phone:
        """Bind a phone; `copies=2` sends every message twice."""
        loop = asyncio.get_running_loop()
        try:
            _, endpoint = await loop.create_datagram_endpoint(lambda: Endpoint(t1, copies), local_addr=(host, port))
        except OSError as error:
            raise PhoneError(f"cannot bind {host}:{port} for {user}: {error.strerror or error}") from error
        return cls(endpoint, user, target, password, domain)

    async def __aenter__(self) -> Self:
        """The phone itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        """Close the phone."""
        await self.close()

    async def close(self) -> None:
        """Drop every call without a word, and the socket."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self.calls.values():
            call.rtp.close()
        self.endpoint.close()
        await asyncio.sleep(0)

    @property
    def address(self) -> Address:
        """Where this phone is bound."""
        return self.endpoint.address

    @property
    def contact(self) -> str:
        """Its Contact value."""
        return f"<sip:{self.user}@{host_port(self.address)}>"

    @property
    def log(self) -> list[Record]:
        """Every datagram sent and received, in order."""
        return self.endpoint.log

    @property
    def complaints(self) -> list[str]:
        """What the peer did against RFC 3261, as far as this phone noticed."""
        return self.endpoint.complaints

    def received(self, start: str) -> list[Record]:
        """Messages received whose start line begins so, repetitions left out."""
        return [
            r for r in self.log
            if r.direction == "in" and not r.repeated and r.message and r.message.start.startswith(start)
        ]  # fmt: skip

    def received_bytes(self) -> bytes:
        """Every byte that reached this phone by SIP, for a search."""
        return b"\0".join(record.data for record in self.log if record.direction == "in")

    async def register(self, expires: int = 600, contact: str = "", within: float = 5.0) -> Message:
        """Register (RFC 3261 10.2), answering a challenge; `contact="*"` and 0 forget all bindings."""
        request = self._register(expires, contact or self.contact)
        response = await self._final(request, within)
        if response.status in (401, 407) and self.password:
            again = self._register(expires, contact or self.contact)
            self.authorize(again, response)
            response = await self._final(again, within)
        if response.status >= 300:
            raise RefusedError(response)
        return response

    def _register(self, expires: int, contact: str) -> Message:
        """One REGISTER of this phone's sequence."""
        self._register_seq += 1
        request = Message(f"REGISTER sip:{self.domain} SIP/2.0", [("Max-Forwards", "70")])
        request.add("From", f"<sip:{self.user}@{self.domain}>;tag={secrets.token_hex(4)}")
        request.add("To", f"<sip:{self.user}@{self.domain}>")
        request.add("Call-ID", self._register_id)
        request.add("CSeq", f"{self._register_seq} REGISTER")
        request.add("Contact", contact)
        request.add("Expires", str(expires))
        return request

    async def options(self, within: float = 2.0) -> Message:
        """Ask the target for its capabilities, whatever it answers."""
        request = Message(f"OPTIONS sip:{self.domain} SIP/2.0", [("Max-Forwards", "70")])
        request.add("From", f"<sip:{self.user}@{self.domain}>;tag={secrets.token_hex(4)}")
        request.add("To", f"<sip:{self.domain}>")
        request.add("Call-ID", secrets.token_hex(8))
        request.add("CSeq", "1 OPTIONS")
        request.add("Contact", self.contact)
        return await self._final(request, within)

    async def _final(self, request: Message, within: float) -> Message:
        """The final response to a request outside any dialog."""
        final = self.endpoint.request(request, self.target).final
        return await wait_for(asyncio.shield(final), within, f"no final answer to {request.method}")

    def authorize(self, request: Message, challenged: Message) -> None:
        """Add the credentials that answer a 401 or 407 (RFC 3261 22.2, 22.3)."""
        proxy = challenged.status == 407
        challenges = challenged.getall("proxy-authenticate" if proxy else "www-authenticate")
        if self.algorithm:
            challenges = [c for c in challenges if f"algorithm={self.algorithm}" in c.replace('"', "")]
        if not challenges:
            raise PhoneError(f"{challenged.start} without a usable challenge")
        value = authorization(challenges[0], request.method, request.uri, self.user, self.password)
        request.add("Proxy-Authorization" if proxy else "Authorization", value)

    async def dial(self, number: str, shows: Dialled | None = None) -> Call:
        """Send an INVITE to `number`, a user part or a whole URI, and return at once."""
        shows = shows or Dialled()
        uri = number if ":" in number else f"sip:{number}@{host_port(self.target)}"
        rtp = await self.rtp_type.open(self.address[0])
        host = host_port(self.address)
        contact = f"<sip:{shows.contact_user or self.user}@{host}>"
        call = self.call_type(self.endpoint, rtp, contact, self.target, outgoing=True)
        call.codecs = codec_types(shows.codecs)
        call.origin, call.session_name, call.offers = shows.origin, shows.session_name, shows.offer
        call.call_id = shows.call_id or f"{secrets.token_hex(10)}@{self.address[0]}"
        shown = f'"{shows.display}" ' if shows.display else ""
        who = shows.from_uri or f"sip:{self.user}@{self.domain if self.password else host}"
        call.local = f"{shown}<{who}>;tag={call.local_tag}"
        call.remote, call.target_uri = f"<{uri}>", uri
        call.authorize = self.authorize if self.password else None
        self.calls[call.call_id] = call
        call.invite([tuple(map(str.strip, line.split(":", 1))) for line in shows.headers])
        return call

    async def next_call(self, within: float = 5.0) -> Call:
        """The next incoming call, which is already being treated by `behaviour`."""
        return await wait_for(self.incoming.get(), within, f"no INVITE reached {self.user}")

    def _request(self, transaction: ServerTransaction) -> None:
        """Answer a new request."""
        request = transaction.request
        call = self.calls.get(request.call_id)
        if request.method == "CANCEL":
            pending = self.endpoint.invite_for(request)
            self.endpoint.answer(
                transaction,
                200 if pending and call else 481,
                tag=call.local_tag if call else secrets.token_hex(4),
            )
            if call and pending and pending.status < 200:
                call.cancelled()
        elif request.to_tag:
            if call and call.local_tag == request.to_tag and request.from_tag == call.remote_tag:
                call.requested(transaction)
            else:
                self.endpoint.answer(transaction, 481)
        elif request.method == "INVITE":
            self._spawn(self._serve(transaction))
        else:
            status = 200 if request.method in ("OPTIONS", "NOTIFY") else 501
            self.endpoint.answer(transaction, status, tag=secrets.token_hex(4))

    async def _serve(self, transaction: ServerTransaction) -> None:
        """Treat a new incoming call as `behaviour` says."""
        request = transaction.request
        behaviour = self.behaviour(request) if callable(self.behaviour) else self.behaviour
        rtp = await self.rtp_type.open(self.address[0])
        call = self.call_type(self.endpoint, rtp, self.contact, self.target, outgoing=False)
        call.codecs = codec_types(self.codecs)
        call.receive(transaction)
        self.calls[call.call_id] = call
        self.incoming.put_nowait(call)
        early = isinstance(behaviour, Answer) and behaviour.early
        if behaviour.ring:
            call.ring(early=early)
        if isinstance(behaviour, Never):
            return
        await asyncio.sleep(behaviour.after)
        if call.is_over:
            return
        if isinstance(behaviour, Answer):
            call.accept()
        else:
            call.refuse(behaviour.status, behaviour.reason)

    def _ack(self, ack: Message) -> None:
        """Hand an ACK to its call."""
        if call := self.calls.get(ack.call_id):
            call.acknowledged(ack)

    def _stray(self, response: Message) -> None:
        """A repeated 2xx to an INVITE: its call acknowledges it again."""
        if call := self.calls.get(response.call_id):
            call.repeat_ack(response)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        """Run the treatment of one call; a fault in it is a complaint."""

        async def guarded() -> None:
            try:
                await work
            except (PhoneError, WireError, OSError) as error:
                self.complaints.append(str(error))

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
