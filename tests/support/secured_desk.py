"""A bench phone whose audio is SRTP by libsrtp, with keys in its descriptions (RFC 4568)."""

from __future__ import annotations

import base64
import os
import re
from typing import Final, cast

import pylibsrtp
from pylibsrtp import Policy, Session

from bench.phone import Call, Phone
from bench.rtp import RtpPort
from bench.transactions import PhoneError, ServerTransaction
from bench.wire import Message

_PROFILES: Final = {
    b"AES_CM_128_HMAC_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    b"AEAD_AES_256_GCM": (Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 44),
}
_find_crypto: Final = re.compile(rb"(?m)^a=crypto:(\d+) (\S+) inline:([A-Za-z0-9+/=]+)").findall


class SecuredPort(RtpPort):
    """Seals what it sends, opens what comes, and counts what it cannot open."""

    def __init__(self) -> None:
        super().__init__()
        self.unauthentic = 0
        self._theirs = b""
        self._sending: Session | None = None
        self._receiving: Session | None = None

    def send_with(self, suite: bytes, key: bytes) -> None:
        """A key of ours, from now on."""
        profile = _PROFILES[suite][0]
        self._sending = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile))

    def receive_with(self, suite: bytes, key: bytes) -> None:
        """The peer's key; the same one again changes nothing."""
        if key != self._theirs:
            self._theirs, profile = key, _PROFILES[suite][0]
            self._receiving = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=profile))

    def _put(self, packet: bytes) -> None:
        if self._sending is not None:
            super()._put(self._sending.protect(packet))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Keep one packet, opened."""
        if len(data) < 12 or data[0] >> 6 != 2 or 200 <= data[1] <= 204:
            return
        try:
            if self._receiving is None:
                raise pylibsrtp.Error("no key yet")
            opened = self._receiving.unprotect(data)
        except pylibsrtp.Error:
            self.unauthentic += 1
        else:
            super().datagram_received(opened, addr)


class SecuredCall(Call):
    """Offers one suite with a key of its own; each offer within the dialog has a new one."""

    suite = b"AES_CM_128_HMAC_SHA1_80"
    _theirs: tuple[bytes, bytes] | None = None
    """Tag and suite of the peer's line that is used."""
    _key = b""
    _offered = b""
    """The key of an offer of ours that is not answered yet: until then the one before is used."""

    def requested(self, transaction: ServerTransaction) -> None:
        """Answer a request inside the dialog, which is no answer to an offer of ours."""
        offered, self._offered = self._offered, b""
        super().requested(transaction)
        self._offered = offered

    def _offer(self, message: Message) -> None:
        super()._offer(message)
        if message.is_request and message.method != "ACK":
            tag, suite = b"1", self.suite
            key = self._offered = os.urandom(_PROFILES[suite][1])
        else:
            assert self._theirs is not None
            tag, suite = self._theirs
            if len(self._key) != _PROFILES[suite][1]:
                self._send_with(suite, os.urandom(_PROFILES[suite][1]))
            key = self._key
        line = b"a=crypto:%s %s inline:%s\r\n" % (tag, suite, base64.b64encode(key))
        message.body = message.body.replace(b" RTP/AVP ", b" RTP/SAVP ") + line

    def _send_with(self, suite: bytes, key: bytes) -> None:
        self._key = key
        cast(SecuredPort, self.rtp).send_with(suite, key)

    def _audio(self, body: bytes) -> None:
        super()._audio(body)
        if b" RTP/SAVP " not in body:
            raise PhoneError(f"a description in clear for a phone that is secured: {body!r}")
        known = [line for line in _find_crypto(body) if line[1] in _PROFILES]
        if not known:
            raise PhoneError(f"no key that is known: {body!r}")
        tag, suite, key = known[0]
        self._theirs = (tag, suite)
        cast(SecuredPort, self.rtp).receive_with(suite, base64.b64decode(key))
        if self._offered:
            self._send_with(suite, self._offered)
            self._offered = b""


class SecuredPhone(Phone):
    """Takes and makes calls with SRTP alone."""

    call_type = SecuredCall
    rtp_type = SecuredPort
