"""SIP over a WebSocket as a page in a browser speaks it, with a peer connection that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator
from typing import TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.wire import Message, angle_uri, authorization, new_branch, parse, reply
from tests.support.patience import PATIENCE
from tests.support.web_peer import WebPeer

WAIT = 15.0


class WebCall:
    """A dialog and its peer connection."""

    def __init__(self, phone: WebPhone, peer: WebPeer, call_id: str) -> None:
        self.phone, self.peer, self.call_id = phone, peer, call_id
        self.tag = secrets.token_hex(4)
        self.local = self.remote = self.target = ""
        self.seq = 1
        self.responses: asyncio.Queue[Message] = asyncio.Queue()
        self.requests: asyncio.Queue[Message] = asyncio.Queue()
        self.answers: list[Message] = []
        self.ended: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

    def build(self, method: str, seq: int = 0) -> Message:
        """A request of this dialog."""
        request = Message(f"{method} {self.target} SIP/2.0")
        via = f"SIP/2.0/WS {self.phone.host};branch={new_branch()}"
        for name, value in (
            ("Via", via), ("Max-Forwards", "70"), ("From", self.local), ("To", self.remote), ("Call-ID", self.call_id),
            ("CSeq", f"{seq or self.seq} {method}"), ("Contact", self.phone.contact),
        ):  # fmt: skip
            request.add(name, value)
        return request

    async def final(self) -> Message:
        """The final response to the latest request; what is repeated of earlier ones is passed over."""
        while True:
            response = await asyncio.wait_for(self.responses.get(), PATIENCE * WAIT)
            if response.status >= 200 and response.cseq[0] == self.seq:
                self.answers.append(response)
                return response

    async def invite(self, offer: bytes) -> Message:
        """Offer, with a password where asked for; acknowledge whatever is answered."""
        request = self.build("INVITE")
        request.add("Content-Type", "application/sdp")
        request.body = offer
        await self.phone.send(request)
        response = await self.final()
        ack = self.build("ACK")
        if response.status >= 300:
            ack.headers = [("Via", request.get("via")), *ack.headers[1:]]
        elif response.get("contact"):
            self.remote, self.target = response.get("to"), angle_uri(response.get("contact"))
            ack = self.build("ACK")
        await self.phone.send(ack)
        if response.status == 407:
            self.seq += 1
            self.phone.credentials = ("Proxy-Authorization", self.phone.authorize(response, "proxy-authenticate"))
            return await self._again(offer)
        return response

    async def _again(self, offer: bytes) -> Message:
        name, challenge = self.phone.credentials
        value = authorization(challenge, "INVITE", self.target, self.phone.user, self.phone.password)
        request = self.build("INVITE")
        request.add(name, value)
        request.add("Content-Type", "application/sdp")
        request.body = offer
        await self.phone.send(request)
        response = await self.final()
        if response.status < 300:
            self.remote, self.target = response.get("to"), angle_uri(response.get("contact"))
            await self.phone.send(self.build("ACK"))
        else:
            ack = self.build("ACK")
            ack.headers = [("Via", request.get("via")), *ack.headers[1:]]
            await self.phone.send(ack)
        return response

    async def reoffer(self, offer: bytes) -> Message:
        """A re-INVITE; its final response."""
        self.seq += 1
        return await self.invite(offer)

    async def hang_up(self) -> None:
        """BYE."""
        self.seq += 1
        await self.phone.send(self.build("BYE"))
        assert (await self.final()).status == 200

    async def over(self) -> Message:
        """The BYE of the switch."""
        return await asyncio.wait_for(self.ended, PATIENCE * WAIT)


class WebPhone:
    """One account on one WebSocket."""

    def __init__(self, socket: ClientConnection, user: str, password: str, domain: str) -> None:
        self.socket, self.user, self.password, self.domain = socket, user, password, domain
        self.host = f"{secrets.token_hex(5)}.invalid"
        self.contact = f"<sip:{user}@{self.host};transport=ws>"
        self.credentials = ("", "")
        self.calls: dict[str, WebCall] = {}
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()

    async def send(self, message: Message) -> None:
        """One message in one of the WebSocket's."""
        await self.socket.send(message.render().decode())

    def authorize(self, response: Message, header: str) -> str:
        """The first challenge."""
        return response.getall(header)[0]

    async def read(self) -> None:
        """Sort what comes."""
        async for data in self.socket:
            await self.take_message(parse(data.encode() if isinstance(data, str) else data))

    async def take_message(self, message: Message) -> None:
        """To its call; BYE is answered."""
        call = self.calls.get(message.call_id)
        if not message.is_request:
            if call is not None:
                call.responses.put_nowait(message)
        elif call is None:
            self._incoming.put_nowait(message)
        elif message.method == "BYE":
            await self.send(reply(message, 200, "OK"))
            call.ended.set_result(message)
        else:
            call.requests.put_nowait(message)

    async def register(self) -> None:
        """By digest."""
        call = WebCall(self, WebPeer(440), secrets.token_hex(8))
        self.calls[call.call_id] = call
        call.local = f"<sip:{self.user}@{self.domain}>;tag={call.tag}"
        call.remote, call.target = f"<sip:{self.user}@{self.domain}>", f"sip:{self.domain}"
        await self.send(call.build("REGISTER"))
        challenge = self.authorize(await call.final(), "www-authenticate")
        call.seq += 1
        request = call.build("REGISTER")
        request.add("Authorization", authorization(challenge, "REGISTER", call.target, self.user, self.password))
        await self.send(request)
        assert (await call.final()).status == 200
        await call.peer.close()

    async def dial(self, number: str, peer: WebPeer, change: tuple[bytes, bytes] = (b"$^", b"")) -> WebCall:
        """Call, with the offer of `peer` in which a pattern is replaced; its answer is taken where there is one."""
        call = WebCall(self, peer, secrets.token_hex(8))
        self.calls[call.call_id] = call
        call.local = f"<sip:{self.user}@{self.domain}>;tag={call.tag}"
        call.target = f"sip:{number}@{self.domain}"
        call.remote = f"<{call.target}>"
        answer = await call.invite(re.sub(*change, await peer.offer()))
        if answer.status == 200:
            await peer.take_answer(answer.body)
        return call

    async def take(self, peer: WebPeer) -> WebCall:
        """Ring and answer the next call."""
        invite = await asyncio.wait_for(self._incoming.get(), PATIENCE * WAIT)
        call = WebCall(self, peer, invite.call_id)
        self.calls[call.call_id] = call
        await self.send(reply(invite, 180, "Ringing", call.tag))
        answer = reply(invite, 200, "OK", call.tag)
        answer.add("Contact", self.contact)
        answer.add("Content-Type", "application/sdp")
        answer.body = await peer.answer(invite.body)
        call.local, call.remote = answer.get("to"), invite.get("from")
        call.target = angle_uri(invite.get("contact"))
        await self.send(answer)
        assert (await asyncio.wait_for(call.requests.get(), PATIENCE * WAIT)).method == "ACK"
        return call

    async def invited(self) -> Message:
        """The next INVITE, left alone."""
        return await asyncio.wait_for(self._incoming.get(), PATIENCE * WAIT)


Kind = TypeVar("Kind", bound=WebPhone)


@contextlib.asynccontextmanager
async def web_phone(
    url: str,
    user: str,
    password: str,
    domain: str = "switchboard.local",
    kind: type[Kind] = WebPhone,  # type: ignore[assignment]
) -> AsyncIterator[Kind]:
    """A registered phone."""
    options = {"subprotocols": [Subprotocol("sip")], "compression": None, "ping_interval": None, "proxy": None}
    async with connect(url, **options) as socket:
        phone = kind(socket, user, password, domain)
        reading = asyncio.get_running_loop().create_task(phone.read())
        try:
            await phone.register()
            yield phone
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
