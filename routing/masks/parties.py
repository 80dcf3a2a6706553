"""The parties of an X number's binding in as few bytes as they fit in: one object instead of four."""

from __future__ import annotations

from typing import Final

from routing.masks.secret import FINGERPRINT_BYTES, Party, Sealed

_HEAD: Final = FINGERPRINT_BYTES + 1
_KEY_BYTES: Final = 7
MAX_SEALED: Final = 255


def pack(first: Party | None, second: Party | None = None) -> bytes:
    """Both parties; empty without a first one. `ValueError` for one that no vault made."""
    if first is None:
        return b""
    return _pack(first) + (_pack(second) if second is not None else b"")


def _pack(party: Party) -> bytes:
    length = len(party.sealed)
    if len(party.fingerprint) != FINGERPRINT_BYTES or not 0 < length <= MAX_SEALED:
        raise ValueError("a party is a sealed number and its fingerprint, as a vault makes them")
    return b"%b%c%b" % (party.fingerprint, length, party.sealed)


def first_fingerprint(packed: bytes) -> bytes:
    """The fingerprint of the first party; empty when there is none."""
    return packed[:FINGERPRINT_BYTES]


def first_sealed(packed: bytes) -> Sealed:
    """The number of the first party."""
    return Sealed(packed[_HEAD : _HEAD + packed[FINGERPRINT_BYTES]])


def second_fingerprint(packed: bytes) -> bytes:
    """The fingerprint of the second party; empty when there is none."""
    begin = _second(packed)
    return packed[begin : begin + FINGERPRINT_BYTES]


def second_sealed(packed: bytes) -> Sealed:
    """The number of the second party; empty when there is none."""
    return Sealed(packed[_second(packed) + _HEAD :])


def with_second(packed: bytes, second: Party) -> bytes:
    """The same first party with another second one."""
    return packed[: _second(packed)] + _pack(second)


def unpack(packed: bytes) -> tuple[Party | None, Party | None]:
    """Both parties."""
    if not packed:
        return None, None
    second = second_fingerprint(packed)
    return (
        Party(first_sealed(packed), first_fingerprint(packed)),
        Party(second_sealed(packed), second) if second else None,
    )


def key_of(fingerprint: bytes) -> int:
    """A small number to look a fingerprint up by; what is found must still be compared with the whole."""
    return int.from_bytes(fingerprint[:_KEY_BYTES], "big")


def _second(packed: bytes) -> int:
    """Where the second party begins."""
    return _HEAD + packed[FINGERPRINT_BYTES]
