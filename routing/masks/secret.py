"""Real numbers: a type that never shows itself, and the vault that seals it.

A `RealNumber` prints masked everywhere (`139****1234`); the clear digits come out of `reveal(reason)` alone,
which only the code that dials a trunk may call. At rest a number is AES-256-GCM under a ring of keys, and is
found again by a keyed BLAKE2b fingerprint under a key of its own, so that neither table nor index can be read
without the key files.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Final, NewType, NoReturn, final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from routing.numbers import canonical_number as canonical_number
from routing.numbers import fold_digits as fold_digits

Sealed = NewType("Sealed", bytes)
"""An encrypted number: key id (2 bytes, big endian), nonce (12), ciphertext with its tag (16)."""

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
FINGERPRINT_BYTES: Final = 16
MAX_NUMBER_LENGTH: Final = 64

_ASSOCIATED: Final = b"switchboard number 1"
_PERSON: Final = b"swb number"
_OTHER_PERSON: Final = b"swb keyed hash"
_HEAD: Final = 2 + NONCE_BYTES
_TAG_BYTES: Final = 16


class Party(msgspec.Struct, frozen=True, gc=False):
    """A number as a binding keeps it: sealed, and the fingerprint by which its calls are recognised."""

    sealed: Sealed
    fingerprint: bytes

    def __repr__(self) -> str:
        return "Party(****)"


class VaultError(Exception):
    """A sealed number cannot be opened: its key is missing or its bytes were altered."""


def mask_number(text: str) -> str:
    """`139****1234`: three and four characters of a number of eleven or more, fewer of a shorter one.

    The number of stars is fixed, so the length of a long number is not told either.
    """
    length = len(text)
    if length >= 11:
        return f"{text[:3]}****{text[-4:]}"
    if length >= 8:
        return f"{text[:2]}****{text[-2:]}"
    if length >= 5:
        return f"{text[:1]}****{text[-1:]}"
    return "****"


@final
class RealNumber:
    """A telephone number nobody may see: every way of printing it is masked.

    Two spellings of one number are equal. It cannot be pickled or encoded; `reveal` is the only way out.
    """

    __slots__ = ("_clear",)

    _clear: str

    def __init__(self, text: str) -> None:
        clear = canonical_number(text)
        if not clear or len(clear) > MAX_NUMBER_LENGTH:
            raise ValueError("a number has 1 to 64 characters") from None
        object.__setattr__(self, "_clear", clear)

    def reveal(self, reason: str) -> str:
        """The clear number; `reason` says in the source why this place may have it."""
        if not reason:
            raise ValueError("say why the number is revealed")
        return self._clear

    @property
    def masked(self) -> str:
        """`139****1234`."""
        return mask_number(self._clear)

    def __str__(self) -> str:
        return mask_number(self._clear)

    def __repr__(self) -> str:
        return f"RealNumber({mask_number(self._clear)!r})"

    def __format__(self, specification: str) -> str:
        return format(mask_number(self._clear), specification)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RealNumber):
            return NotImplemented
        return hmac.compare_digest(self._clear.encode(), other._clear.encode())

    def __hash__(self) -> int:
        return hash((RealNumber, self._clear))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a RealNumber does not change")

    def __copy__(self) -> RealNumber:
        return self

    def __deepcopy__(self, memo: object) -> RealNumber:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("a RealNumber is not serialised; seal it with a Vault")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a RealNumber is not serialised; seal it with a Vault")


class Vault:
    """Seals numbers with the active key of a ring, opens them with any key of it, and fingerprints them.

    Nonces are random: by NIST SP 800-38D §8.3 a key may seal 2**32 numbers, which 300,000 calls a day reach
    after 39 years.
    """

    __slots__ = ("_active", "_ciphers", "_hash", "_keyed", "_random")

    def __init__(self, keys: Mapping[int, bytes], hash_key: bytes, random: Callable[[int], bytes]) -> None:
        """`keys` by id (1 to 65535), the highest id seals; `random(n)` gives n unguessable bytes."""
        if not keys or not all(0 < key_id < 65536 and len(key) == KEY_BYTES for key_id, key in keys.items()):
            raise VaultError(f"a vault needs {KEY_BYTES}-byte keys with ids 1 to 65535")
        if len(hash_key) != KEY_BYTES or hash_key in keys.values():
            raise VaultError(f"a vault needs a {KEY_BYTES}-byte hash key that is not an encryption key")
        self._ciphers = {key_id.to_bytes(2, "big"): AESGCM(key) for key_id, key in keys.items()}
        self._active = max(self._ciphers)
        self._hash = blake2b(key=hash_key, digest_size=FINGERPRINT_BYTES, person=_PERSON)
        self._keyed = blake2b(key=hash_key, digest_size=KEY_BYTES, person=_OTHER_PERSON)
        self._random = random

    @property
    def active_key(self) -> int:
        """The id of the key that seals."""
        return int.from_bytes(self._active, "big")

    @property
    def key_ids(self) -> tuple[int, ...]:
        """The ids of all keys that open, ascending."""
        return tuple(sorted(int.from_bytes(key_id, "big") for key_id in self._ciphers))

    def swap(self, new: Vault) -> None:
        """Take over the keys of `new`."""
        self._ciphers, self._active, self._hash, self._keyed = new._ciphers, new._active, new._hash, new._keyed

    def seal(self, number: RealNumber) -> Sealed:
        """Encrypt a number under the active key."""
        return self._seal(number.reveal("sealing").encode())

    def _seal(self, clear: bytes) -> Sealed:
        nonce = self._random(NONCE_BYTES)
        return Sealed(self._active + nonce + self._ciphers[self._active].encrypt(nonce, clear, _ASSOCIATED))

    def party(self, number: RealNumber) -> Party:
        """The number as a binding keeps it."""
        return Party(self.seal(number), self.fingerprint(number))

    def open(self, sealed: Sealed) -> RealNumber:
        """Decrypt a number; raises `VaultError` when its key is not in the ring or its bytes were altered."""
        return RealNumber(self._open(sealed).decode())

    def _open(self, sealed: Sealed) -> bytes:
        if len(sealed) < _HEAD + _TAG_BYTES:
            raise VaultError("the sealed number is cut short")
        cipher = self._ciphers.get(sealed[:2])
        if cipher is None:
            raise VaultError(f"key {key_of(sealed)} is not in the key ring")
        try:
            return cipher.decrypt(sealed[2:_HEAD], sealed[_HEAD:], _ASSOCIATED)
        except InvalidTag:
            raise VaultError("the sealed number was altered, or sealed by another key of that id") from None

    def reseal(self, sealed: Sealed) -> Sealed:
        """The same number under the active key; unchanged when it is already."""
        if sealed[:2] == self._active:
            return sealed
        return self._seal(self._open(sealed))

    def seal_state(self, clear: bytes) -> bytes:
        """Encrypt anything else that holds numbers, such as the state of a call, under the active key."""
        return self._seal(clear)

    def open_state(self, sealed: bytes) -> bytes:
        """What `seal_state` was given; raises `VaultError`."""
        return self._open(Sealed(sealed))

    def fingerprint(self, number: RealNumber) -> bytes:
        """16 bytes that are equal for equal numbers and tell nothing without the hash key."""
        state = self._hash.copy()
        state.update(number.reveal("fingerprinting").encode())
        return state.digest()

    def keyed_hash(self, purpose: bytes, data: bytes = b"") -> bytes:
        """32 bytes of anything else that is looked up but not kept, or without `data` a key for that purpose."""
        state = self._keyed.copy()
        state.update(len(purpose).to_bytes(2, "big") + purpose + data)
        return state.digest()


def key_of(sealed: Sealed) -> int:
    """The id of the key that sealed it."""
    return int.from_bytes(sealed[:2], "big")
