"""What a browser's description says of its transport: ICE (RFC 8839), DTLS-SRTP (RFC 5763), BUNDLE (RFC 8843)."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, Literal

from msgspec import Struct

from media.sdp import Media, SdpError, Session, find_attribute

PROTOCOLS: Final = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP"})
"""Transports of RFC 5764 §8: keys come from a DTLS handshake on the path of the audio."""
PROTOCOL: Final = "UDP/TLS/RTP/SAVPF"
MAX_CANDIDATES: Final = 20
"""Addresses that are tried; a peer must not have us knock at a whole network (RFC 8445 §19.5.1)."""
MAX_FINGERPRINTS: Final = 4

Setup = Literal["active", "passive", "actpass"]
Role = Literal["client", "server"]
"""Who begins the DTLS handshake: the client does."""

_BAD_PROTOCOL: Final = 302  # RFC 3261 §20.43
_SETUPS: Final[dict[str, Setup]] = {"active": "active", "passive": "passive", "actpass": "actpass"}
_OCTETS: Final = {"sha-256": 32, "sha-384": 48, "sha-512": 64}

_is_ufrag = re.compile(r"[A-Za-z0-9+/]{4,256}").fullmatch
_is_password = re.compile(r"[A-Za-z0-9+/]{22,256}").fullmatch
_is_foundation = re.compile(r"[A-Za-z0-9+/]{1,32}").fullmatch
_is_fingerprint = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){31,63}").fullmatch
_is_mid = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,32}").fullmatch
_match_candidate = re.compile(
    r"(\S{1,32}) 1 udp (\d{1,10}) (\S{2,45}) (\d{1,5}) typ (host|srflx|prflx|relay)(?: .*)?", re.ASCII | re.IGNORECASE
).fullmatch


class Candidate(Struct, frozen=True, gc=False, array_like=True):
    """An address at which a peer may be reached by UDP (RFC 8839 §5.1)."""

    foundation: str
    priority: int
    address: str
    port: int
    kind: str
    related_address: str = ""
    related_port: int = 0

    def __str__(self) -> str:
        text = f"{self.foundation} 1 udp {self.priority} {self.address} {self.port} typ {self.kind}"
        return f"{text} raddr {self.related_address} rport {self.related_port}" if self.related_address else text


class Fingerprint(Struct, frozen=True, gc=False, array_like=True):
    """The hash of a certificate (RFC 8122 §5): `value` in upper case, an octet between colons."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


class PeerTransport(Struct, frozen=True, gc=False, array_like=True):
    """The transport of one m= section as its peer describes it."""

    ufrag: str
    password: str
    fingerprints: tuple[Fingerprint, ...]
    setup: Setup
    candidates: tuple[Candidate, ...]
    lite: bool = False
    #: The identification of the section (RFC 5888), None where it has none.
    mid: str | None = None

    def same_ice(self, other: PeerTransport) -> bool:
        """False when `other` asks for an ICE restart (RFC 8839 §4.4.1.1.1)."""
        return (self.ufrag, self.password) == (other.ufrag, other.password)


def read_transport(session: Session, media: Media) -> PeerTransport:
    """Return the transport of an audio section; SdpError 488 tells what it lacks."""
    mid = media.attribute("mid")
    group = _bundle(session, mid)
    sections = [media.attributes, session.attributes]
    if group:
        # RFC 8843 §7.3.3: a bundled section may leave its transport to that of the group's first.
        sections += [each.attributes for each in session.media if each.attribute("mid") == group[0]]

    def find(name: str) -> str | None:
        return next((value for each in sections if (value := find_attribute(each, name)) is not None), None)

    if find("rtcp-mux") is None:
        raise _refused("audio without a=rtcp-mux", "RFC 8834 §4.5")
    ufrag, password = find("ice-ufrag") or "", find("ice-pwd") or ""
    if not _is_ufrag(ufrag) or not _is_password(password):
        raise _refused("no a=ice-ufrag and a=ice-pwd", "RFC 8839 §5.4")
    setup = _SETUPS.get((find("setup") or "actpass").lower())
    if setup is None:
        raise _refused("a=setup is none of active, passive and actpass", "RFC 8842 §5.1")
    fingerprints = next((prints for each in sections if (prints := _read_fingerprints(each))), ())
    if not fingerprints:
        raise _refused("no a=fingerprint of SHA-2", "RFC 8122 §5")
    candidates = next((found for each in (sections[0], *sections[2:]) if (found := _read_candidates(each))), ())
    lite = find_attribute(session.attributes, "ice-lite") is not None
    return PeerTransport(ufrag, password, fingerprints, setup, candidates, lite, mid if mid and _is_mid(mid) else None)


def _refused(reason: str, section: str) -> SdpError:
    return SdpError(reason, status=488, warning=_BAD_PROTOCOL, section=section)


def _bundle(session: Session, mid: str | None) -> list[str]:
    """Return the identifications of the BUNDLE group that `mid` is in."""
    for text in session.attributes:
        words = text.removeprefix("group:BUNDLE").split() if text.startswith("group:BUNDLE ") else []
        if mid and mid in words:
            return words
    return []


def _read_fingerprints(attributes: list[str]) -> tuple[Fingerprint, ...]:
    found = []
    for text in attributes:
        if not text.startswith("fingerprint:"):
            continue
        algorithm, _, value = text[12:].strip().partition(" ")
        algorithm, value = algorithm.lower(), value.strip().upper()
        if _is_fingerprint(value) and _OCTETS.get(algorithm) == value.count(":") + 1:
            found.append(Fingerprint(algorithm, value))
    return tuple(found[:MAX_FINGERPRINTS])


def _read_candidates(attributes: list[str]) -> tuple[Candidate, ...]:
    """Return those that can be tried; names (mDNS) are passed over: their peers are found by what they send."""
    found: list[Candidate] = []
    for text in attributes:
        if text.startswith("candidate:") and len(found) < MAX_CANDIDATES:
            candidate = read_candidate(text[10:])
            if candidate is not None:
                found.append(candidate)
    return tuple(found)


def read_candidate(text: str) -> Candidate | None:
    """Return the candidate of an a=candidate line, None when it is none of UDP with a unicast address."""
    match = _match_candidate(text.strip())
    if match is None or not _is_foundation(match[1]):
        return None
    priority, port = int(match[2]), int(match[4])
    try:
        address = ip_address(match[3])
    except ValueError:
        return None
    usable = not (address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255")
    if "%" in match[3] or not usable or not 0 < port < 65536 or not 0 < priority < 1 << 32:
        return None
    return Candidate(match[1], priority, str(address), port, match[5].lower())


class OwnTransport(Struct, frozen=True, gc=False, array_like=True):
    """Our end of the transport, as we describe it; `port` and `address` are those of the first candidate."""

    ufrag: str
    password: str
    fingerprint: Fingerprint
    candidates: tuple[Candidate, ...]

    @property
    def default(self) -> Candidate:
        """What stands in m= and c= (RFC 8839 §4.2.1.2): the most public one."""
        return self.candidates[-1]


def transport_lines(own: OwnTransport, setup: Setup) -> str:
    """Return the attributes of a section that has this transport; every candidate is in it (no trickling)."""
    candidates = "".join([f"a=candidate:{candidate}\r\n" for candidate in own.candidates])
    return (
        f"a=ice-ufrag:{own.ufrag}\r\na=ice-pwd:{own.password}\r\n"
        f"a=fingerprint:{own.fingerprint}\r\na=setup:{setup}\r\n{candidates}a=end-of-candidates\r\na=rtcp-mux\r\n"
    )


def role_of(setup: Setup, *, offered: bool) -> Role:
    """Return our role from what the peer says: in an offer that leaves it to us we begin (RFC 5763 §5)."""
    if setup == "active":
        return "server"
    if setup == "actpass" and not offered:
        # An answer must choose; one that does not is waited for.
        return "server"
    return "client"


SETUP_OF: Final[dict[Role, Setup]] = {"client": "active", "server": "passive"}
"""What an answer says of our role."""
