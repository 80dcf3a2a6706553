"""A browser without codecs: aioice's ICE and aiortc's DTLS-SRTP carry packets as they are made; its path can change."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import cast

import aioice
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceTransport

from media.formats import PCMU
from media.ice_dtls import Candidate, Fingerprint, OwnTransport, PeerTransport, Role, read_candidate
from media.web_offer_answer import build_web_offer

_certificate = RTCCertificate.generateCertificate()


class _Pipe:
    """What a DTLS transport reads and writes: the connection of the moment."""

    role = "controlling"

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.connection: aioice.Connection | None = None
        self._readers: list[asyncio.Task[None]] = []

    def use(self, connection: aioice.Connection) -> None:
        self.connection = connection
        self._readers.append(asyncio.get_running_loop().create_task(self._read(connection)))

    async def _read(self, connection: aioice.Connection) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                self.waiting.put_nowait(await connection.recv())

    async def _recv(self) -> bytes:
        return await self.waiting.get()

    async def _send(self, data: bytes) -> None:
        assert self.connection is not None
        await self.connection.send(data)

    def close(self) -> None:
        for task in self._readers:
            task.cancel()


class PacketPeer(RTCDtlsTransport):
    """One peer; `packets` are the RTP and `reports` the RTCP it got, in clear."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        super().__init__(cast(RTCIceTransport, self._pipe), [_certificate])
        self.packets: deque[bytes] = deque(maxlen=1000)
        self.reports: deque[bytes] = deque(maxlen=100)
        self.ice: aioice.Connection | None = None

    async def offer(self) -> bytes:
        """What it offers: at first, and again with credentials of a new path (RFC 8839 §4.4.1.1.1)."""
        self.ice = aioice.Connection(ice_controlling=True)
        await self.ice.gather_candidates()
        candidates = [read_candidate(each.to_sdp()) for each in self.ice.local_candidates]
        sha256 = next(each for each in _certificate.getFingerprints() if each.algorithm == "sha-256")
        own = OwnTransport(
            self.ice.local_username,
            self.ice.local_password,
            Fingerprint("sha-256", sha256.value),
            tuple(cast(list[Candidate], candidates)),
        )
        return build_web_offer(own, session_id=1, version=1, codecs=(PCMU,), event_pt=101)

    async def find(self, peer: PeerTransport) -> None:
        """Finds the path of the latest offer, and uses it."""
        ice = self.ice
        assert ice is not None
        ice.remote_username, ice.remote_password = peer.ufrag, peer.password
        for candidate in peer.candidates:
            await ice.add_remote_candidate(aioice.Candidate.from_sdp(str(candidate)))
        await ice.connect()
        old = self._pipe.connection
        self._pipe.use(ice)
        if old is not None:
            await old.close()

    async def shake_hands(self, peer: PeerTransport, role: Role) -> None:
        """Makes keys."""
        self._set_role(role)
        prints = [RTCDtlsFingerprint(each.algorithm, each.value) for each in peer.fingerprints]
        await self.start(RTCDtlsParameters(fingerprints=prints))
        assert self.state == "connected"

    async def send(self, packet: bytes) -> None:
        """Sends RTP or RTCP, encrypted."""
        await self._send_rtp(packet)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        self.packets.append(data)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self.reports.append(data)

    async def vanish(self) -> None:
        """Is gone without a word."""
        if self._task is not None:
            self._task.cancel()
        self._pipe.close()
        assert self.ice is not None
        await self.ice.close()

    async def close(self) -> None:
        """Hangs up."""
        await self.stop()
        self._pipe.close()
        if self.ice is not None:
            await self.ice.close()
