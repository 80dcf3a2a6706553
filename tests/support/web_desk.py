"""A browser's phone at a desk: answers whatever calls, says its tone, and does what the bench's phones can do."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Final, NamedTuple

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from websockets.asyncio.client import ClientConnection

from bench.phone import Answer, Behaviour, Never, Refuse
from bench.transactions import REASONS, wait_for
from bench.wire import Message, angle_uri, reply
from tests.support.web_peer import RATE, WebPeer
from tests.support.web_phone import WebCall, WebPhone

_KEPT: Final = 3000
"""Frames that a call remembers: a minute."""
_PAUSE: Final = 0.1
"""Seconds without a frame after which what comes first may be old: a jitter buffer keeps it until more comes."""
_OLD: Final = 16
"""So many frames, which is all that there is room for."""


class Frame(NamedTuple):
    """What came in a moment, 8,000 samples a second."""

    at: float
    samples: list[int]


class Heard:
    """Says and hears by a peer connection, as an RTP port of the bench does."""

    def __init__(self, peer: WebPeer) -> None:
        self.received: deque[Frame] = deque(maxlen=_KEPT)
        self._peer = peer

    def play(self, hz: int) -> None:
        """Say another tone from now on."""
        self._peer.tone.hz = hz

    def between(self, start: float, end: float) -> list[int]:
        """The samples received between two monotonic times."""
        return [sample for frame in self.received if start <= frame.at <= end for sample in frame.samples]


class DeskPeer(WebPeer):
    """Remembers when it heard what."""

    def __init__(self, codecs: tuple[str, ...]) -> None:
        super().__init__(0, codecs)
        self.heard_frames = Heard(self)
        # What there is before an offer comes chooses among its codecs.
        self.pc.addTrack(self.tone)
        self._prepare()

    async def _hear(self, track: MediaStreamTrack) -> None:
        last, old = 0.0, _OLD
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                now = time.monotonic()
                old = _OLD if now - last > _PAUSE else max(0, old - 1)
                last = now
                if old:
                    continue
                samples = frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)]
                samples = samples[:: max(1, frame.sample_rate // RATE)]
                self.heard_frames.received.append(Frame(now, samples.astype(np.int16).tolist()))

    def described_as(self, direction: str, version: int) -> bytes:
        """What was agreed, offered again with another direction: this peer connection can change no codec."""
        agreed = self.pc.localDescription.sdp
        text = re.sub(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)\r$", f"a={direction}\r", agreed)
        return re.sub(r"(?m)^(o=- \d+) \d+", rf"\1 {version}", text).encode()


class DeskCall:
    """A call that a browser takes."""

    outgoing = False

    def __init__(self, phone: WebPhone, invite: Message, codecs: tuple[str, ...]) -> None:
        self.peer = DeskPeer(codecs)
        self.rtp = self.peer.heard_frames
        self.call_id = invite.call_id
        self.direction = "sendrecv"
        self.times: dict[str, float] = {}
        self.status = 0
        self._phone, self._invite = phone, invite
        self._call = WebCall(phone, self.peer, invite.call_id)
        self._offering, self._version = asyncio.Lock(), 1
        self._acked, self._over = asyncio.Event(), asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether it has ended or was never taken."""
        return self._over.is_set()

    async def confirmed(self, within: float = 5.0) -> None:
        """Wait for the ACK of the answer."""
        await wait_for(self._acked.wait(), within, "the answer was not acknowledged")

    async def serve(self, behaviour: Behaviour) -> None:
        """Ring, and answer or not."""
        self._phone.calls[self.call_id] = self._call
        if behaviour.ring:
            await self._phone.send(reply(self._invite, 180, "Ringing", self._call.tag))
        if isinstance(behaviour, Never):
            return
        await asyncio.sleep(behaviour.after)
        if isinstance(behaviour, Refuse) and not self.is_over:
            await self._refuse(behaviour.status)
        elif isinstance(behaviour, Answer) and not self.is_over:
            await self._answer()

    async def _refuse(self, status: int) -> None:
        await self._phone.send(reply(self._invite, status, REASONS.get(status, "Answer"), self._call.tag))
        await self._finish()

    async def _answer(self) -> None:
        answer = await self._described(self._invite, self._call.tag)
        if self.is_over:
            return
        call = self._call
        call.local, call.remote = answer.get("to"), self._invite.get("from")
        call.target = angle_uri(self._invite.get("contact"))
        self.times["answered"] = time.monotonic()
        self.status = 200
        await self._phone.send(answer)

    async def _described(self, invite: Message, tag: str = "") -> Message:
        """A 200 with an answer to what is offered, or with an offer."""
        answer = reply(invite, 200, "OK", tag)
        answer.add("Contact", self._phone.contact)
        answer.add("Content-Type", "application/sdp")
        answer.body = await (self.peer.answer(invite.body) if invite.body else self.peer.offer())
        return answer

    async def hang_up(self) -> None:
        """BYE; nothing happens where it is over already."""
        if not self.is_over:
            await self._finish()
            self._call.seq += 1
            await self._phone.send(self._call.build("BYE"))

    async def reinvite(self, direction: str = "sendrecv") -> None:
        """Offer again, say to hold."""
        async with self._offering:
            if self.is_over:
                return
            self.direction = direction
            self._version += 1
            await self._call.reoffer(self.peer.described_as(direction, self._version))

    async def requested(self, request: Message) -> None:
        """Treat a request of the switch."""
        if request.method == "ACK":
            self._acked.set()
            if request.body:
                await self.peer.take_answer(request.body)
        elif request.method == "CANCEL":
            await self._phone.send(reply(request, 200, "OK", self._call.tag))
            if not self.status:
                await self._refuse(487)
        elif request.method == "BYE":
            await self._phone.send(reply(request, 200, "OK"))
            await self._finish()
        elif request.method == "INVITE" and self._offering.locked():
            await self._phone.send(reply(request, 491, "Request Pending"))
        elif request.method == "INVITE":
            async with self._offering:
                await self._phone.send(await self._described(request))
        else:
            await self._phone.send(reply(request, 200, "OK"))

    async def _finish(self) -> None:
        if not self._over.is_set():
            self.times["ended"] = time.monotonic()
            self._over.set()
            await self.peer.close()


class WebDesk(WebPhone):
    """A registered browser that takes calls."""

    def __init__(self, socket: ClientConnection, user: str, password: str, domain: str) -> None:
        super().__init__(socket, user, password, domain)
        self.behaviour: Callable[[Message], Behaviour] = lambda _: Answer()
        self.codecs: tuple[str, ...] = ("PCMU", "PCMA")
        self.incoming: asyncio.Queue[DeskCall] = asyncio.Queue()
        self.complaints: list[str] = []
        self._desk_calls: dict[str, DeskCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def take_message(self, message: Message) -> None:
        """Sort what comes."""
        known = self._desk_calls.get(message.call_id)
        if known is not None and message.is_request:
            self._spawn(known.requested(message))
        elif not message.is_request:
            if (dialog := self.calls.get(message.call_id)) is not None:
                dialog.responses.put_nowait(message)
        elif message.method == "INVITE":
            call = self._desk_calls[message.call_id] = DeskCall(self, message, self.codecs)
            self.incoming.put_nowait(call)
            self._spawn(call.serve(self.behaviour(message)))
        else:
            await self.send(reply(message, 200 if message.method in ("OPTIONS", "NOTIFY") else 481, "Answer"))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - whatever it is, it spoils the test
                self.complaints.append(repr(error))

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Every peer connection is closed."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self._desk_calls.values():
            await call.peer.close()
