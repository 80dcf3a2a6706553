"""Keys of SRTP in a description: the a=crypto lines of RFC 4568, and what a policy makes of them.

A line is refused, with the reason, where what it asks for is not done here: other suites, several keys, a key
derivation rate, and every session parameter that takes protection away.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from collections.abc import Callable, Iterable
from typing import Final, Literal

from msgspec import Struct

Policy = Literal["off", "optional", "required"]
"""Whether media is secured: never, where the peer does it too, or always."""

RTP: Final = "RTP/AVP"
SRTP: Final = "RTP/SAVP"

SUITES: Final[dict[str, int]] = {
    "AES_CM_128_HMAC_SHA1_80": 16 + 14,
    "AES_CM_128_HMAC_SHA1_32": 16 + 14,
    "AEAD_AES_128_GCM": 16 + 12,
    "AEAD_AES_256_GCM": 32 + 12,
    "AES_192_CM_HMAC_SHA1_80": 24 + 14,
    "AES_192_CM_HMAC_SHA1_32": 24 + 14,
    "AES_256_CM_HMAC_SHA1_80": 32 + 14,
    "AES_256_CM_HMAC_SHA1_32": 32 + 14,
    "F8_128_HMAC_SHA1_80": 16 + 14,
}
"""Octets of master key and master salt together (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §12)."""

OFFERED: Final = (
    "AES_CM_128_HMAC_SHA1_80",
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
    "AES_CM_128_HMAC_SHA1_32",
)
"""What we speak, in the order in which we offer it: first what every peer knows."""

MAX_LINES: Final = 32
"""Crypto lines of one stream that are looked at."""
_MOST_PACKETS: Final = 1 << 48
"""RFC 3711 §9.2."""
_LONGEST_IDENTIFIER: Final = 128
"""Octets (RFC 4568 §9.2)."""

_match_line: Final = re.compile(r"(0|[1-9]\d{0,8})[ \t]+(\S+)[ \t]+(\S+)((?:[ \t]+\S+)*)[ \t]*", re.ASCII).fullmatch
_match_key: Final = re.compile(
    r"inline:([A-Za-z0-9+/]+={0,2})(?:\|(2\^\d{1,2}|\d{1,15}))?(?:\|(\d{1,39}):(\d{1,3}))?", re.ASCII | re.IGNORECASE
).fullmatch
# RFC 4568 §6.3.6: how far behind a packet may be is ours to choose. §6.3.7: a dash makes a parameter one to pass over.
_match_harmless: Final = re.compile(r"WSH=\d{2,5}|-\S+", re.ASCII).fullmatch


class CryptoError(Exception):
    """A crypto line that cannot be used; its text never holds the key."""


class Crypto(Struct, frozen=True, array_like=True, gc=False):
    """One usable a=crypto line: `key` is master key and salt of who wrote it, for what it sends.

    `mki` is the master key identifier that packets under it carry, empty where they carry none (RFC 4568 §6.1).
    """

    tag: int
    suite: str
    key: bytes
    mki: bytes = b""

    def __repr__(self) -> str:
        return f"Crypto({self.tag}, {self.suite})"


class Keys(Struct, frozen=True, array_like=True, gc=False):
    """What secures a stream: `send` is our key and salt, `receive` the peer's; neither is ever shown.

    The master key identifier of each is empty where packets carry none.
    """

    suite: str
    send: bytes
    receive: bytes
    send_mki: bytes = b""
    receive_mki: bytes = b""

    def __repr__(self) -> str:
        return f"Keys({self.suite})"


class Profile(Struct, frozen=True, gc=False):
    """How a description of ours presents its stream: by which policy, as which transport, with which lines."""

    policy: Policy = "off"
    protocol: str = RTP
    crypto: tuple[Crypto, ...] = ()

    @property
    def lines(self) -> str:
        """The a=crypto lines."""
        return "".join([f"a=crypto:{render_crypto(one)}\r\n" for one in self.crypto])


PLAIN: Final = Profile()


def parse_crypto(value: str) -> Crypto:
    """Read the value of an a=crypto line (RFC 4568 §9.2); raises CryptoError for one that is not to be used."""
    line = _match_line(value)
    if line is None:
        raise CryptoError("no tag, suite and key")
    tag, suite, keys, parameters = line.groups()
    suite = suite.upper()
    if suite not in SUITES:
        raise CryptoError(f"suite {suite[:40]!a} is not known")
    if suite not in OFFERED:
        raise CryptoError(f"suite {suite} is not spoken here")
    for parameter in parameters.split():
        if not _match_harmless(parameter):
            raise CryptoError(f"session parameter {parameter.partition('=')[0][:40]!a}")
    return Crypto(int(tag), suite, *_read_key(suite, keys))


def _read_key(suite: str, text: str) -> tuple[bytes, bytes]:
    """Return the one key of key-params, and its identifier."""
    if ";" in text:
        raise CryptoError("several keys")
    key = _match_key(text)
    if key is None:
        raise CryptoError("key that cannot be read")
    inline, lifetime, identifier, length = key.groups()
    if lifetime is not None:
        # What a key may be used for is its sender's to keep; it must only be possible.
        packets = 1 << int(lifetime[2:]) if lifetime.startswith("2^") else int(lifetime)
        if not 0 < packets <= _MOST_PACKETS:
            raise CryptoError("lifetime that no key has")
    try:
        # Some peers leave the padding out.
        octets = base64.b64decode(inline.rstrip("=") + "=" * (-len(inline.rstrip("=")) % 4), validate=True)
    except binascii.Error:
        raise CryptoError("key that cannot be read") from None
    if len(octets) != SUITES[suite]:
        raise CryptoError(f"key of {len(octets)} octets, {suite} has {SUITES[suite]}")
    return octets, _read_identifier(identifier, int(length)) if identifier is not None else b""


def _read_identifier(value: str, length: int) -> bytes:
    """Return a master key identifier as packets carry it, big-endian (RFC 4568 §6.1)."""
    if length <= _LONGEST_IDENTIFIER:
        with contextlib.suppress(OverflowError):
            return int(value).to_bytes(length, "big")
    raise CryptoError("master key identifier that is longer than it may be")


def read_crypto(attributes: Iterable[str]) -> tuple[tuple[Crypto, ...], tuple[str, ...]]:
    """Return the usable crypto lines among the attributes of a stream, in order, and why others are not."""
    usable: list[Crypto] = []
    refused: list[str] = []
    for text in attributes:
        if text[:7].lower() != "crypto:" or len(usable) + len(refused) == MAX_LINES:
            continue
        try:
            crypto = parse_crypto(text[7:].strip())
        except CryptoError as error:
            refused.append(str(error))
            continue
        if any(crypto.tag == other.tag for other in usable):
            refused.append(f"tag {crypto.tag} again")
        else:
            usable.append(crypto)
    return tuple(usable), tuple(refused)


def render_crypto(crypto: Crypto) -> str:
    """Return the value of an a=crypto line; without a lifetime it is that of RFC 3711 §9.2.

    Peers that write an identifier write a lifetime before it, and some read it by its place.
    """
    identifier = f"|2^31|{int.from_bytes(crypto.mki, 'big')}:{len(crypto.mki)}" if crypto.mki else ""
    return f"{crypto.tag} {crypto.suite} inline:{base64.b64encode(crypto.key).decode()}{identifier}"


def offer_crypto(random: Callable[[int], bytes], suites: tuple[str, ...] = OFFERED) -> tuple[Crypto, ...]:
    """Return a line for each suite, each with a key of its own; `random` returns that many secret octets."""
    return tuple([Crypto(tag, suite, random(SUITES[suite])) for tag, suite in enumerate(suites, 1)])


def allows(policy: Policy, protocol: str, usable: tuple[Crypto, ...]) -> bool:
    """Whether a stream of that transport and with those lines may be taken (RFC 4568 §5.1.2, RFC 8643 §3.1).

    RTP/AVP with crypto lines is the opportunistic offer of RFC 8643: secured where both want it.
    """
    if protocol == SRTP:
        return policy != "off" and bool(usable)
    return protocol == RTP and (policy != "required" or bool(usable))
