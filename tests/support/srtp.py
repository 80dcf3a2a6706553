"""An RTP peer that speaks SRTP, by libsrtp's own interface."""

from __future__ import annotations

import os

from pylibsrtp import Policy, Session

from media.rtp.packet import Packet, parse
from media.sdes import SUITES, Keys
from tests.support.media_worker import Phone

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}


def new_keys(suite: str = "AES_CM_128_HMAC_SHA1_80") -> Keys:
    """Keys of a session of the switch."""
    return Keys(suite, os.urandom(SUITES[suite]), os.urandom(SUITES[suite]))


class SecuredPhone(Phone):
    """Sends and hears SRTP; `keys` are as the switch has them, so it sends with `keys.receive`."""

    def __init__(self, keys: Keys, ip: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(ip, port)
        self.use(keys)

    def use(self, keys: Keys) -> None:
        """Begins anew with these keys."""
        profile = PROFILES[keys.suite]
        self.keys = keys
        self.outbound = Session(Policy(key=keys.receive, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))
        self.inbound = Session(Policy(key=keys.send, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))

    def send(self, port: int, data: bytes) -> None:
        """Sends RTP as SRTP."""
        self.send_raw(port, self.outbound.protect(data))

    def send_raw(self, port: int, data: bytes) -> None:
        """Sends any bytes."""
        super().send(port, data)

    def hear(self, timeout: float = 2.0) -> Packet:
        """The next packet, opened; AssertionError when none comes, pylibsrtp.Error where it is not for this key."""
        data = self.receive(timeout)
        assert data is not None, f"no packet within {timeout} s"
        packet = parse(self.inbound.unprotect(data))
        assert packet is not None
        return packet
