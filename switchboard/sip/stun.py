"""Binding requests by which phones behind NATs keep their way to us open (RFC 5626 §4.4.2, RFC 5389).

They come on the port of SIP over UDP; the first octet of a STUN request is 0, which none of SIP's is.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from switchboard.sip.outgoing import Address

REQUEST: Final = 0x0001
SUCCESS: Final = 0x0101
FAILURE: Final = 0x0111
COOKIE: Final = 0x2112A442
MAPPED_ADDRESS: Final = 0x0001
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A
XOR_MAPPED_ADDRESS: Final = 0x0020

_HEADER: Final = struct.Struct("!HHI12s")
_ATTRIBUTE: Final = struct.Struct("!HH")
_LARGEST: Final = 548
"""Octets that any IPv4 path carries in a datagram (RFC 5389 §7.1); a keep-alive is far smaller."""
_KNOWN: Final = frozenset({0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x0020})
"""Attributes below 0x8000 that RFC 5389 §18.2 names: no request of this usage is refused for one."""
_UNKNOWN_ATTRIBUTE: Final = b"\x00\x00\x04\x14Unknown Attribute"
"""420 with its reason (RFC 5389 §15.6)."""


def answer(data: bytes, source: Address) -> bytes | None:
    """The response to a Binding request; None for whatever else begins with such an octet."""
    if not 20 <= len(data) <= _LARGEST or len(data) % 4:
        return None
    kind, length, cookie, transaction = _HEADER.unpack_from(data)
    if kind != REQUEST or length != len(data) - 20:
        return None
    if cookie != COOKIE:
        # RFC 5389 §12.2: a client of RFC 3489, whose transaction id has the cookie's octets too.
        return _response(SUCCESS, data[4:20], MAPPED_ADDRESS, _mapped(source, bytes(16)))
    unknown = _unknown(data)
    if unknown is None:
        return None
    if unknown:
        body = _attribute(ERROR_CODE, _UNKNOWN_ATTRIBUTE)
        listed = _attribute(UNKNOWN_ATTRIBUTES, struct.pack(f"!{len(unknown)}H", *unknown))
        return _HEADER.pack(FAILURE, len(body) + len(listed), cookie, transaction) + body + listed
    return _response(SUCCESS, data[4:20], XOR_MAPPED_ADDRESS, _mapped(source, data[4:20]))


def _unknown(data: bytes) -> list[int] | None:
    """Attributes that have to be understood and are not; None where they are cut."""
    unknown: list[int] = []
    place = 20
    while place < len(data):
        kind, length = _ATTRIBUTE.unpack_from(data, place)
        place += 4 + length + -length % 4
        if place > len(data):
            return None
        if kind < 0x8000 and kind not in _KNOWN and kind not in unknown:
            unknown.append(kind)
    return unknown


def _response(kind: int, identity: bytes, attribute: int, value: bytes) -> bytes:
    """`identity` is the cookie with the transaction id, as the request had them."""
    body = _attribute(attribute, value)
    return struct.pack("!HH", kind, len(body)) + identity + body


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _mapped(source: Address, mask: bytes) -> bytes:
    """Family, port and address as the peer's NAT shows them, under a mask (RFC 5389 §15.2)."""
    address = ip_address(source[0].partition("%")[0]).packed
    port = source[1] ^ int.from_bytes(mask[:2], "big")
    masked = bytes(a ^ b for a, b in zip(address, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if len(address) == 4 else 2, port) + masked
