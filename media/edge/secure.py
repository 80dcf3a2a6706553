"""DTLS-SRTP (RFC 5764): the handshake over a path, and the keys that come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

import pylibsrtp
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    State,
)
from aiortc.rtcicetransport import RTCIceTransport

from media.edge.path import Path
from media.ice_dtls import Fingerprint, PeerTransport, Role

MAX_WAITING: Final = 32
"""Datagrams of a handshake that wait to be read; more are lost, and sent again by the peer."""


def own_fingerprint(certificate: RTCCertificate) -> Fingerprint:
    """What descriptions say of our certificate."""
    sha256 = next(each for each in certificate.getFingerprints() if each.algorithm == "sha-256")
    return Fingerprint("sha-256", sha256.value)


class _Pipe:
    """What a handshake reads and writes: the path of the moment, from which audio has been taken out."""

    role = ""

    def __init__(self, path: Path) -> None:
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(MAX_WAITING)
        self.path = path

    def put(self, data: bytes | None) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait(data)

    async def _recv(self) -> bytes:
        data = await self._waiting.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        self.path.send_now(data)


class Secure(RTCDtlsTransport):
    """One association; `closed` is called when the peer has ended it (close_notify)."""

    def __init__(self, path: Path, certificate: RTCCertificate, role: Role, closed: Callable[[], None]) -> None:
        self._pipe = _Pipe(path)
        super().__init__(cast(RTCIceTransport, self._pipe), [certificate])
        self._set_role(role)
        self._closed = closed
        self.impostor = False

    async def shake_hands(self, peer: PeerTransport) -> bool:
        """Whether there are keys now; if not, `impostor` tells of a certificate that is not that of the SDP."""
        self.use(self._pipe.path)
        prints = [RTCDtlsFingerprint(each.algorithm, each.value) for each in peer.fingerprints]
        await self.start(RTCDtlsParameters(fingerprints=prints))
        return self._state is State.CONNECTED

    def use(self, path: Path) -> None:
        """Sends and receives over this path from now on."""
        self._pipe.path = path
        path.deliver_dtls(self._pipe.put)

    @property
    def keys(self) -> tuple[pylibsrtp.Session, pylibsrtp.Session]:
        """What decrypts, and what encrypts."""
        return self._rx_srtp, self._tx_srtp

    async def end(self) -> None:
        """Tells the peer, and stops."""
        self._closed = _nothing
        await self.stop()
        # What OpenSSL and libsrtp hold is a hundred kilobytes, and is not to wait for the collector.
        self._ssl = None
        self._rx_srtp = self._tx_srtp = pylibsrtp.Session()
        self.remove_all_listeners()

    def _validate_peer_identity(self, remoteParameters: RTCDtlsParameters) -> None:  # noqa: N803 - not our name
        super()._validate_peer_identity(remoteParameters)
        self.impostor = self._state is State.FAILED

    def _set_state(self, state: State) -> None:
        super()._set_state(state)
        if state is State.CLOSED:
            self._closed()


def _nothing() -> None:
    """We have ended it ourselves."""
