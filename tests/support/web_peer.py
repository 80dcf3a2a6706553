"""A foreign browser: aiortc with ICE, DTLS-SRTP and codecs of its own; says a tone and remembers what it hears."""

from __future__ import annotations

import asyncio
import contextlib
import fractions
from collections import deque
from collections.abc import AsyncIterator, Iterator
from unittest import mock

import aioice.ice
import av
import numpy as np
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from bench.rtp import share
from tests.support.patience import PATIENCE

RATE, FRAME = 8000, 160


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Browsers of this process are on 127.0.0.1, which a real one would keep to itself."""
    with mock.patch.object(aioice.ice, "get_host_addresses", return_value=["127.0.0.1"]):
        yield


class Tone(MediaStreamTrack):
    """A microphone that hears one tone."""

    kind = "audio"

    def __init__(self, hz: int) -> None:
        super().__init__()
        self.hz = hz
        self._at = 0
        self._began: float | None = None

    async def recv(self) -> av.AudioFrame:
        """The next 20 ms, when it is time for it."""
        loop = asyncio.get_running_loop()
        if self._began is None:
            self._began = loop.time()
        await asyncio.sleep(max(0.0, self._began + self._at / RATE - loop.time()))
        wave = 8000 * np.sin(2 * np.pi * self.hz * np.arange(self._at, self._at + FRAME) / RATE)
        frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, fractions.Fraction(1, RATE)
        self._at += FRAME
        return frame


class WebPeer:
    """One peer connection with one audio section."""

    def __init__(self, hz: int, codecs: tuple[str, ...] = ("PCMU", "PCMA")) -> None:
        self.pc = RTCPeerConnection()
        self.tone = Tone(hz)
        self._heard: deque[int] = deque(maxlen=RATE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._codecs = codecs
        self.pc.on("track", self._listen)

    def _prepare(self) -> None:
        known = RTCRtpSender.getCapabilities("audio").codecs
        for transceiver in self.pc.getTransceivers():
            if transceiver.kind == "audio":
                transceiver.setCodecPreferences(
                    [codec for name in self._codecs for codec in known if codec.name.upper() == name.upper()]
                )

    async def offer(self) -> bytes:
        """What it offers, all candidates in it."""
        if not self.pc.getTransceivers():
            self.pc.addTrack(self.tone)
        self._prepare()
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return self.pc.localDescription.sdp.encode()

    async def take_answer(self, answer: bytes) -> None:
        """The other side has answered."""
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.decode(), "answer"))

    async def answer(self, offer: bytes) -> bytes:
        """Its answer."""
        await self.pc.setRemoteDescription(RTCSessionDescription(offer.decode(), "offer"))
        if self.pc.getSenders()[0].track is None:
            self.pc.addTrack(self.tone)
        self._prepare()
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        return self.pc.localDescription.sdp.encode()

    def _listen(self, track: MediaStreamTrack) -> None:
        task = asyncio.get_running_loop().create_task(self._hear(track))
        self._tasks.add(task)

    async def _hear(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, av.AudioFrame)
                samples = frame.to_ndarray().reshape(-1)[:: len(frame.layout.channels)]
                self._heard.extend(int(sample) for sample in samples[:: max(1, frame.sample_rate // RATE)])

    async def hears(self, hz: float, seconds: float = 8.0) -> None:
        """Wait until what comes is that tone."""
        async with asyncio.timeout(PATIENCE * seconds):
            while share(list(self._heard)[-2000:], hz) < 0.8:
                await asyncio.sleep(0.05)

    def deafen(self) -> None:
        """Forget what was heard."""
        self._heard.clear()

    @property
    def heard(self) -> int:
        """Samples remembered."""
        return len(self._heard)

    async def close(self) -> None:
        """Hang up."""
        await self.pc.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def web_peer(hz: int, codecs: tuple[str, ...] = ("PCMU", "PCMA")) -> AsyncIterator[WebPeer]:
    """A peer for the time of a test."""
    peer = WebPeer(hz, codecs)
    try:
        yield peer
    finally:
        await peer.close()
