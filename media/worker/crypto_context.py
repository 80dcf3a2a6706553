"""The cryptographic contexts of one session (RFC 3711 §3.2.3): what comes is authenticated, what goes is protected.

libsrtp does the cryptography and keeps rollover counters and replay lists. A context outlives holds and re-INVITEs
for as long as its key is the same.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

from pylibsrtp import Error, Policy, Session

from media.rtp.packet import HEADER, PLAIN
from media.sdes import Keys
from media.worker.ports import BUFFER, VIEWS

MAX_SOURCES: Final = 64
"""SSRCs that a peer's key serves at a time; the oldest is forgotten for one more."""
OLD_KEY_FOR: Final = 2.0
"""Seconds that packets under the peer's previous key are still taken: they cross the answer that ends it."""
FOREIGN: Final = 10
"""Datagrams that do not authenticate, between two checks without one that does, that are told of."""
LONGEST: Final = 1500 - 148
"""Octets of what libsrtp is given: its buffer less the longest trailer."""
WINDOW: Final = 128
"""Packets that libsrtp looks back for replays."""

MAX_ROLLOVERS: Final = 70
"""Of a stream that is met in the middle: a day of 20 ms packets."""
TRIES: Final = 4
"""Datagrams of which a rollover counter is looked for, so that others' cost no more than these."""
_STRIDE: Final = 0x7000
"""How far a sequence number may go ahead at once and still be taken for the next (RFC 3711 §3.3.1)."""

_OUTDATED: Final = "replay check failed (index too old)"
"""How libsrtp tells a number far behind from one that was used lately."""
_PROFILES: Final = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
_BEHIND_IDENTIFIER: Final = {
    "AES_CM_128_HMAC_SHA1_80": (10, 10),
    "AES_CM_128_HMAC_SHA1_32": (4, 10),
    "AEAD_AES_128_GCM": (0, 0),
    "AEAD_AES_256_GCM": (0, 0),
}
"""Octets of SRTP and of SRTCP that come after a master key identifier: the tag, but with AEAD it is before
(RFC 3711 §3.1 and §3.4, RFC 7714 §8 and §9).
"""

_Transform = Callable[[bytes], bytes]


class AuthenticationError(OSError):
    """A datagram that is not of the peer; to who reads, nothing has come."""


class ProtectionError(OSError):
    """A packet whose number was used before: two under one number would give the key stream away."""


def _identified(protect: _Transform, mki: bytes, behind: int) -> _Transform:
    """`protect`, with the identifier put before the last `behind` octets; it is authenticated by nobody."""
    if not mki:
        return protect

    def protect_and_identify(data: bytes) -> bytes:
        sealed = protect(data)
        at = len(sealed) - behind
        return sealed[:at] + mki + sealed[at:]

    return protect_and_identify


def _identifying(unprotect: _Transform, mki: bytes, behind: int) -> _Transform:
    """`unprotect`, of what carries the identifier; a packet that leaves it out is none the worse."""
    if not mki:
        return unprotect

    def take_out_and_unprotect(data: bytes) -> bytes:
        end = len(data) - behind
        at = end - len(mki)
        return unprotect(data[:at] + data[end:] if at > 0 and data[at:end] == mki else data)

    return take_out_and_unprotect


class Inbound:
    """What the peer sends under one key."""

    __slots__ = ("_behind", "_key", "_last", "_mki", "_profile", "_session", "_sources", "_tries", "_unprotect",
                 "_unprotect_rtcp")  # fmt: skip

    def __init__(self, suite: str, key: bytes, mki: bytes = b"") -> None:
        self._key, self._profile = key, _PROFILES[suite]
        self._mki, self._behind = mki, _BEHIND_IDENTIFIER[suite]
        self._last = b""
        self._sources: deque[bytes] = deque()
        self._tries = TRIES
        self._use(self._new_session())

    def _new_session(self) -> Session:
        return Session(Policy(key=self._key, ssrc_type=Policy.SSRC_ANY_INBOUND, srtp_profile=self._profile))

    def _use(self, session: Session) -> None:
        self._session = session
        self._unprotect = _identifying(session.unprotect, self._mki, self._behind[0])
        self._unprotect_rtcp = _identifying(session.unprotect_rtcp, self._mki, self._behind[1])

    def expect(self, mki: bytes) -> None:
        """Packets carry this identifier from now on."""
        self._mki = mki
        self._use(self._session)

    def unprotect(self, data: bytes) -> bytes:
        """The RTP packet in an SRTP packet; raises pylibsrtp.Error."""
        unprotect = self._unprotect
        plain = unprotect(data)
        if data[8:12] != self._last:
            self._last = data[8:12]
            self._note(self._last)
        return plain

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """The RTCP packets in an SRTCP packet; raises pylibsrtp.Error."""
        plain = self._unprotect_rtcp(data)
        self._note(data[4:8])
        return plain

    def meet_late(self, data: bytes) -> bytes:
        """As `unprotect`, of a stream that began elsewhere and has rolled over since; raises pylibsrtp.Error.

        A leg whose media moves to another port here gets a stream of which nobody tells the rollover counter. It is
        found with packets of our own making under the same key, which take a new session from one rollover to the
        next.
        """
        if self._last or not self._tries or len(data) < HEADER.size:
            raise Error
        self._tries -= 1
        _, _, seq, _, ssrc = HEADER.unpack_from(data)
        session = self._new_session()
        unprotect = _identifying(session.unprotect, self._mki, self._behind[0])
        leader = Session(Policy(key=self._key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=self._profile))
        # From just behind the number that is looked for, once round for each rollover.
        behind = (seq - WINDOW) & 0xFFFF
        index = stop = behind
        while index <= MAX_ROLLOVERS << 16:
            session.unprotect(leader.protect(HEADER.pack(PLAIN, 0, index & 0xFFFF, 0, ssrc)))
            if index == stop:
                try:
                    plain = unprotect(data)
                except Error:
                    stop += 0x10000
                else:
                    self._use(session)
                    self._last = data[8:12]
                    self._note(self._last)
                    return plain
            index = min(index + _STRIDE, stop)
        raise Error

    def _note(self, source: bytes) -> None:
        """Bounds what libsrtp keeps: it makes a stream of each new source that has proved the key."""
        if source in self._sources:
            return
        self._sources.append(source)
        if len(self._sources) > MAX_SOURCES:
            self._session.remove_stream(int.from_bytes(self._sources.popleft(), "big"))


class CryptoContext:
    """Both directions of a session. `refused` counts what came and did not authenticate, or came again.

    `outdated` is True once a packet could not be sent whose number is far behind.
    """

    __slots__ = ("_good", "_inbound", "_last", "_old", "_old_until", "_outbound", "_protect", "_protect_rtcp", "_seen",
                 "_told", "keys", "outdated", "refused")  # fmt: skip

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.refused = 0
        self.outdated = False
        self._told = False
        self._seen = 0
        self._good = False
        self._old: Inbound | None = None
        self._old_until = 0.0
        self._inbound = Inbound(keys.suite, keys.receive, keys.receive_mki)
        self._last = b""
        self._begin_outbound(keys)
        self._identify(keys)

    def _begin_outbound(self, keys: Keys) -> None:
        policy = Policy(key=keys.send, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=_PROFILES[keys.suite])
        self._outbound = Session(policy)

    def _identify(self, keys: Keys) -> None:
        rtp, rtcp = _BEHIND_IDENTIFIER[keys.suite]
        self._protect = _identified(self._outbound.protect, keys.send_mki, rtp)
        self._protect_rtcp = _identified(self._outbound.protect_rtcp, keys.send_mki, rtcp)

    def rekey(self, keys: Keys, now: float) -> None:
        """Goes on with other keys; a direction whose key stays keeps its rollover counter and its replay list."""
        same = keys.suite == self.keys.suite
        if not same or keys.receive != self.keys.receive:
            self._old, self._old_until = self._inbound, now + OLD_KEY_FOR
            self._inbound = Inbound(keys.suite, keys.receive, keys.receive_mki)
            self._told = False
        else:
            self._inbound.expect(keys.receive_mki)
        if not same or keys.send != self.keys.send:
            self._begin_outbound(keys)
        self._identify(keys)
        self.keys = keys

    def check(self, now: float) -> bool:
        """Now and then: forgets the peer's old key; True, once, where only foreign datagrams have come."""
        if self._old is not None and now >= self._old_until:
            self._old = None
        foreign = self.refused - self._seen >= FOREIGN and not self._good and not self._told
        self._seen = self.refused
        self._good = False
        self._told = self._told or foreign
        return foreign

    # --- what comes ---

    def receive(self, size: int) -> int:
        """Opens the datagram in BUFFER's first octets, in place; its size then. AuthenticationError is counted."""
        data = bytes(VIEWS[size])
        try:
            if size > 1 and 192 <= data[1] <= 223:
                # RTCP on the port of the audio (RFC 5761 §4).
                plain = self._inbound.unprotect_rtcp(data)
            else:
                plain = self._inbound.unprotect(data)
        except (Error, ValueError):
            plain = self._otherwise(data)
        self._good = True
        size = len(plain)
        BUFFER[:size] = plain
        return size

    def _otherwise(self, data: bytes) -> bytes:
        """What the key does not open: under the old one, or as a stream that is met late.

        It is met late under a new key as well, where the peer has rolled over before (RFC 3711 §3.3.1).
        """
        unprotects = (self._inbound.meet_late,)
        for unprotect in unprotects if self._old is None else (self._old.unprotect, *unprotects):
            with contextlib.suppress(Error, ValueError):
                return unprotect(data)
        self.refused += 1
        raise AuthenticationError

    def receive_report(self, data: bytes) -> bytes:
        """The RTCP in a datagram; raises AuthenticationError, also for RTCP in clear."""
        try:
            plain = self._inbound.unprotect_rtcp(data)
        except (Error, ValueError):
            self.refused += 1
            raise AuthenticationError from None
        self._good = True
        return plain

    # --- what goes ---

    def protect(self, data: bytes | memoryview) -> bytes:
        """The SRTP packet of an RTP packet; raises ProtectionError where its number was used before."""
        packet = bytes(data)
        protect = self._protect
        try:
            sealed = protect(packet)
        except (Error, ValueError) as error:
            # A number seen lately is a duplicate of the network's, which ends here.
            self.outdated = str(error) == _OUTDATED
            raise ProtectionError from None
        self._last = packet
        return sealed

    def protect_report(self, data: bytes) -> bytes:
        """The SRTCP packet of RTCP."""
        return self._protect_rtcp(data)

    def renumber(self) -> tuple[int, int]:
        """A sequence number that is ahead of all that were used, and the last timestamp."""
        self.outdated = False
        _, _, seq, ts, _ = HEADER.unpack_from(self._last)
        return (seq + WINDOW) & 0xFFFF, ts
