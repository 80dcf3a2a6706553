"""One call of the bench's own phone: INVITE, ACK, BYE, CANCEL, INFO, re-INVITE, with its RTP port."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Final

from bench import transactions
from bench.rtp import RtpPort
from bench.transactions import (
    REASONS,
    Address,
    ClientTransaction,
    Endpoint,
    PhoneError,
    RefusedError,
    ServerTransaction,
    wait_for,
)
from bench.wire import Audio, Message, angle_uri, read_sdp, reply, uri_address, write_sdp

_ANSWERS: Final = {"sendonly": "recvonly", "recvonly": "sendonly"}


class Call:
    """A dialog and its audio, seen from one end."""

    def __init__(self, endpoint: Endpoint, rtp: RtpPort, contact: str, target: Address, *, outgoing: bool) -> None:
        """Create an idle call; `Phone` fills in who calls whom."""
        self.endpoint = endpoint
        self.rtp = rtp
        self.contact = contact
        self.outgoing = outgoing
        self.call_id = ""
        self.local_tag = secrets.token_hex(5)
        self.remote_tag = ""
        self.local = ""
        self.remote = ""
        self.target_uri = ""
        self.routes: list[str] = []
        self.destination = target
        self.codecs: dict[str, int] = {}
        self.origin = self.session_name = "-"
        self.direction = "sendrecv"
        self.offers = True
        """Whether the INVITE carries our SDP; otherwise the ACK answers the peer's."""
        self.remote_audio: Audio | None = None
        self.request: Message | None = None
        """The INVITE that began the call."""
        self.final: Message | None = None
        """The final response to it, sent or received."""
        self.ended_by: Message | None = None
        """The BYE or CANCEL received, or the refusal."""
        self.times: dict[str, float] = {}
        """Monotonic times of invite, progress, answered, acknowledged, ended."""
        self.infos: list[Message] = []
        self.authorize: Callable[[Message, Message], None] | None = None
        self._seq, self._version = 1, 0
        self._session = secrets.randbelow(1 << 30)
        self._rang = asyncio.Event()
        self._decided = asyncio.Event()
        self._acked = asyncio.Event()
        self._over = asyncio.Event()
        self._failure: PhoneError | None = None
        self._client: ClientTransaction | None = None
        self._server: ServerTransaction | None = None
        self._ack: Message | None = None

    # What a script waits for

    @property
    def is_over(self) -> bool:
        """Whether the call has ended or was never made."""
        return self._over.is_set()

    @property
    def status(self) -> int:
        """The status of the final response; 0 while there is none."""
        return self.final.status if self.final else 0

    async def ringing(self, within: float = 5.0) -> None:
        """Wait for a provisional response other than 100."""
        await wait_for(self._rang.wait(), within, "the far end did not ring")

    async def decided(self, within: float = 35.0) -> int:
        """Wait for the final response, whatever it is, and return its status."""
        await wait_for(self._decided.wait(), within, "no final answer to INVITE")
        if self._failure:
            raise self._failure
        return self.status

    async def answered(self, within: float = 10.0) -> None:
        """Wait until the call is answered; a refusal raises `RefusedError`."""
        if await self.decided(within) >= 300:
            assert self.final is not None
            raise RefusedError(self.final)

    async def confirmed(self, within: float = 5.0) -> None:
        """Wait for the ACK of an answer given here."""
        await wait_for(self._acked.wait(), within, "the answer was not acknowledged")

    async def ended(self, within: float = 10.0) -> None:
        """Wait until the call is over, whoever ends it."""
        await wait_for(self._over.wait(), within, "the call was not ended")

    async def hears(self, hz: float, within: float = 5.0, seconds: float = 0.5) -> None:
        """Wait until this tone arrives for so many seconds."""
        within *= transactions.patience
        deadline = time.monotonic() + within
        while not self.rtp.hears(hz, seconds):
            if time.monotonic() > deadline:
                raise PhoneError(f"{hz:g} Hz was not heard within {within:g} s ({self.rtp.stats()})")
            await asyncio.sleep(0.05)

    # Calling

    def invite(self, headers: Iterable[tuple[str, ...]] = ()) -> None:
        """Send the INVITE."""
        request = self._build("INVITE")
        for name, value in headers:
            request.add(name, value)
        if self.offers:
            self._offer(request)
        self._send_invite(request)

    def _send_invite(self, request: Message) -> None:
        """Start the INVITE's transaction."""
        self.request = request
        self._client = self.endpoint.request(request, self.destination, self._heard)
        self.times.setdefault("invite", self._client.sent_at)
        self._client.final.add_done_callback(self._done)

    def _done(self, final: asyncio.Future[Message]) -> None:
        """A transaction that ended without an answer ends the call."""
        if not final.cancelled() and isinstance(error := final.exception(), PhoneError):
            self._failure = error
            self._decided.set()
            self._finish(None)

    def _heard(self, response: Message) -> None:
        """Take one response to the INVITE."""
        if response.status == 100:
            return
        if response.to_tag and response.status < 300:
            self._take(response.get("to"), response)
        if response.status < 200:
            self.times.setdefault("progress", time.monotonic())
            self._rang.set()
            if response.body:
                self._audio(response.body)
        elif response.status < 300:
            self._established(response)
        elif response.status in (401, 407) and self.authorize and self.request and self._seq == 1:
            self._seq += 1
            again = Message(self.request.start, [h for h in self.request.headers if h[0] not in ("Via", "CSeq")])
            again.add("CSeq", f"{self._seq} INVITE")
            again.body = self.request.body
            self.authorize(again, response)
            self._send_invite(again)
        else:
            self.final = response
            self._decided.set()
            self._finish(response)

    def _established(self, response: Message) -> None:
        """A 2xx: acknowledge it and speak."""
        self.final = response
        self.times.setdefault("answered", time.monotonic())
        if response.body:
            self._audio(response.body)
        ack = self._build("ACK", seq=response.cseq[0])
        if not self.offers:
            self._offer(ack)
        self.endpoint.add_via(ack)
        self._ack = ack
        self.endpoint.send(ack, self._next_hop())
        self._decided.set()

    def repeat_ack(self, response: Message) -> None:
        """Acknowledge a repeated 2xx again (RFC 3261 13.2.2.4)."""
        if response.to_tag != self.remote_tag:
            self.endpoint.complaints.append(f"a second 2xx with another tag ({response.get('to')})")
        elif self._ack is not None:
            self.endpoint.send(self._ack, self._next_hop())

    async def cancel(self, within: float = 5.0) -> int:
        """Give up a call that is not answered yet; returns the INVITE's final status (RFC 3261 9.1)."""
        assert self._client is not None
        assert self.request is not None
        await wait_for(self._client.progress.wait(), within, "nothing to cancel: no provisional response")
        cancel = Message(f"CANCEL {self.request.uri} SIP/2.0", [("Max-Forwards", "70")])
        for name in ("From", "To", "Call-ID"):
            cancel.add(name, self.request.get(name))
        cancel.add("CSeq", f"{self.request.cseq[0]} CANCEL")
        sent = self.endpoint.request(cancel, self.destination, branch=self.request.branch)
        answer = await wait_for(asyncio.shield(sent.final), within, "CANCEL was not answered")
        if answer.status != 200:
            self.endpoint.complaints.append(f"CANCEL was answered {answer.start}")
        return await self.decided(within)

    # Being called

    def receive(self, transaction: ServerTransaction) -> None:
        """Take an incoming INVITE."""
        request = transaction.request
        self._server, self.request = transaction, request
        self.call_id = request.call_id
        self.local = f"{request.get('to')};tag={self.local_tag}"
        self.times["invite"] = time.monotonic()
        self._take(request.get("from"), request)
        if request.body:
            self._audio(request.body)

    def ring(self, *, early: bool = False) -> None:
        """Send 180, or 183 with an SDP."""
        self._respond(183 if early else 180, with_sdp=early)

    def accept(self) -> None:
        """Answer the call."""
        self.times["answered"] = time.monotonic()
        self._respond(200, with_sdp=True)
        self._decided.set()

    def refuse(self, status: int, reason: str = "") -> None:
        """Refuse the call."""
        self._respond(status, reason)
        self._decided.set()
        self._finish(self.final)

    def _respond(self, status: int, reason: str = "", *, with_sdp: bool = False) -> None:
        """Answer the INVITE."""
        assert self._server is not None
        text = reason or REASONS.get(status, "Answer")
        response = reply(self._server.request, status, text, self.local_tag)
        response.add("Contact", self.contact)
        if with_sdp:
            self._offer(response)
        if status >= 200:
            self.final = response
        self.endpoint.respond(self._server, response)

    def acknowledged(self, ack: Message) -> None:
        """The ACK of our answer has come."""
        if self._server is None or ack.cseq[0] != self._server.request.cseq[0]:
            return
        self.endpoint.acknowledged(self._server)
        if self._server.status < 300 and not self._acked.is_set():
            self.times["acknowledged"] = time.monotonic()
            if ack.body:
                self._audio(ack.body)
            self._acked.set()

    def cancelled(self) -> None:
        """The caller gave up."""
        assert self._server is not None
        self.ended_by = self._server.request
        self.refuse(487)

    # Inside the dialog

    async def hang_up(self, within: float = 5.0) -> Message | None:
        """Send BYE and wait for its answer; nothing happens when the call is over already."""
        if self.is_over:
            return None
        answer = await self.send("BYE", within=within)
        self._finish(None)
        return answer

    async def info(self, digit: str, duration: int = 160, within: float = 5.0) -> Message:
        """Send one digit by SIP INFO with application/dtmf-relay."""
        body = f"Signal={digit}\r\nDuration={duration}\r\n".encode()
        return await self.send("INFO", [("Content-Type", "application/dtmf-relay")], body, within)

    async def reinvite(self, direction: str = "sendrecv", within: float = 5.0) -> Message:
        """Offer again, say to hold (`sendonly`) or to move the audio (RFC 3261 14)."""
        self.direction = direction
        self._seq += 1
        request = self._build("INVITE")
        self._offer(request)
        sent = self.endpoint.request(request, self._next_hop())
        answer = await wait_for(asyncio.shield(sent.final), within, "no answer to the re-INVITE")
        if answer.status < 300:
            self._ack = self._build("ACK", seq=answer.cseq[0])
            self.endpoint.add_via(self._ack)
            self.endpoint.send(self._ack, self._next_hop())
            if answer.body:
                self._audio(answer.body)
        return answer

    async def send(
        self, method: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"", within: float = 5.0
    ) -> Message:
        """Send any request inside the dialog and return its final response."""
        self._seq += 1
        request = self._build(method)
        request.headers += list(headers)
        request.body = body
        sent = self.endpoint.request(request, self._next_hop())
        return await wait_for(asyncio.shield(sent.final), within, f"no final answer to {method}")

    def requested(self, transaction: ServerTransaction) -> None:
        """Answer a request inside the dialog."""
        request = transaction.request
        response = reply(request, 200, "OK")
        response.add("Contact", self.contact)
        if request.method in ("INVITE", "UPDATE"):
            self._server = transaction if request.method == "INVITE" else self._server
            if request.body:
                self._audio(request.body)
            if request.body or request.method == "INVITE":
                self._offer(response)
        elif request.method == "BYE":
            self._finish(request)
        elif request.method == "INFO":
            self.infos.append(request)
        elif request.method not in ("OPTIONS", "NOTIFY", "MESSAGE"):
            response = reply(request, 501, REASONS[501])
        self.endpoint.respond(transaction, response)

    # Parts

    def _build(self, method: str, seq: int = 0) -> Message:
        """A request of this dialog (RFC 3261 12.2.1.1)."""
        request = Message(f"{method} {self.target_uri} SIP/2.0", [("Max-Forwards", "70")])
        request.headers += [("Route", route) for route in self.routes]
        request.add("From", self.local)
        request.add("To", self.remote)
        request.add("Call-ID", self.call_id)
        request.add("CSeq", f"{seq or self._seq} {method}")
        request.add("Contact", self.contact)
        request.add("User-Agent", "bench-phone")
        return request

    def _take(self, remote: str, message: Message) -> None:
        """Learn the dialog's other end from a message with its Contact."""
        self.remote = remote
        self.remote_tag = message.from_tag if message.is_request else message.to_tag
        if contact := message.get("contact"):
            self.target_uri = angle_uri(contact)
        routes = [part.strip() for line in message.getall("record-route") for part in line.split(",")]
        self.routes = routes if message.is_request else routes[::-1]

    def _next_hop(self) -> Address:
        """Where the dialog's requests go."""
        return uri_address(angle_uri(self.routes[0]) if self.routes else self.target_uri, self.destination)

    def _offer(self, message: Message) -> None:
        """Put our SDP into a message; as an answer it takes the offer's first codec and payload types."""
        codecs, direction = self.codecs, self.direction
        offers = message.is_request and message.method != "ACK"
        if self.remote_audio is not None and not offers:
            shared = {n: t for n, t in self.remote_audio.codecs.items() if n in codecs}
            speech = [n for n in shared if n != "telephone-event"][:1]
            codecs = {n: t for n, t in shared.items() if n in speech or n == "telephone-event"}
            direction = _ANSWERS.get(self.remote_audio.direction, self.remote_audio.direction)
            for name in speech:
                self.rtp.payload_type = codecs[name]
        self._version += 1
        audio = Audio(self.rtp.address[0], self.rtp.address[1], codecs, direction)
        message.add("Content-Type", "application/sdp")
        message.body = write_sdp(
            audio, session=self._session, version=self._version, origin=self.origin, name=self.session_name
        )

    def _audio(self, body: bytes) -> None:
        """Send audio where the peer's SDP says, in its first codec."""
        self.remote_audio = audio = read_sdp(body)
        speech = [t for n, t in audio.codecs.items() if n in ("PCMA", "PCMU")]
        if not speech or not audio.port:
            raise PhoneError(f"no usable audio in the peer's SDP: {audio}")
        self.rtp.payload_type = speech[0]
        self.rtp.event_type = audio.codecs.get("telephone-event", 101)
        on_hold = audio.address == "0.0.0.0"  # noqa: S104 - the old form of hold, RFC 3264 8.4
        self.rtp.remote = None if on_hold else (audio.address, audio.port)

    def _finish(self, by: Message | None) -> None:
        """The call is over."""
        if not self._over.is_set():
            self.ended_by = by or self.ended_by
            self.times["ended"] = time.monotonic()
            self.rtp.close()
            self._over.set()
