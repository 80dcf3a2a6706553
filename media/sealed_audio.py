"""Sealed audio: a container of AES-256-GCM chunks (NIST SP 800-38D) that grows, is cut, and is read from any place.

A file is a head of 32 octets and slots; numbers are little-endian.

    head    "SWBSEAL1", key id (2), content (1), zero (1), salt (16), zero (4)
    slot    length (4), nonce (12), ciphertext of `length` octets, tag (16)

Content is 0 for octets as they are, n for interleaved 16-bit PCM at 8 kHz in n channels. A file's key is made of the
key of that id by HKDF-SHA256 (RFC 5869) with the salt. Each slot but the last holds CHUNK octets and begins at a
multiple of SLOT. The highest bit of a length stands for silence: zeros that are not stored; its ciphertext is empty and
what follows the tag is a hole. Head, number of the slot and length are authenticated with each slot, so none can be
changed, moved, or taken to another file; that the end is there tells the checksum that is kept beside the file.

A nonce is eight octets drawn by each writer that opens the file, and that writer's count: a slot that is written once
more after a crash never meets the nonce of the first.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from media.recording_keys import KeyRing

MAGIC: Final = b"SWBSEAL1"
HEAD: Final = struct.Struct("<8sHBx16s4x")
CHUNK: Final = 32_000
"""Octets of a whole slot: one second of stereo, two of mono."""
_FRONT: Final = struct.Struct("<I12s")
_TAG: Final = 16
_AROUND: Final = _FRONT.size + _TAG
SLOT: Final = CHUNK + _AROUND
_SILENCE: Final = 1 << 31
_BOUND: Final = struct.Struct("<QI")
_WIDTH: Final = 2
_NONCES: Final = 1 << 32
_MAX_OCTETS: Final = 0xFFFFFFFF - 44


class SealedError(OSError):
    """A sealed file is damaged, or none."""


class Slots:
    """The slots of an open file."""

    def __init__(self, descriptor: int, head: bytes, keys: KeyRing) -> None:
        """Raises OSError without the key, SealedError for a head of another kind."""
        if len(head) != HEAD.size or not head.startswith(MAGIC):
            raise SealedError("no sealed audio")
        _, key_id, self.content, salt = HEAD.unpack(head)
        self._descriptor = descriptor
        self._head = head
        derived = HKDF(SHA256(), 32, salt, b"switchboard recording").derive(keys.get(key_id))
        self._cipher = AESGCM(derived)
        self._prefix = os.urandom(8)
        self._count = 0

    def count(self) -> int:
        """How many have begun."""
        return -(-max(0, os.fstat(self._descriptor).st_size - HEAD.size) // SLOT)

    def read(self, index: int) -> bytes:
        """What a slot holds; raises SealedError for one that is torn or changed."""
        at = HEAD.size + index * SLOT
        front = os.pread(self._descriptor, _FRONT.size, at)
        if len(front) < _FRONT.size:
            raise SealedError("a sealed file ends early")
        length, nonce = _FRONT.unpack(front)
        stored = 0 if length & _SILENCE else length
        if length & ~_SILENCE > CHUNK:
            raise SealedError("a sealed file is damaged")
        data = os.pread(self._descriptor, stored + _TAG, at + _FRONT.size)
        try:
            plain = self._cipher.decrypt(nonce, data, self._bound(index, length))
        except (InvalidTag, ValueError):
            raise SealedError("a sealed file is damaged") from None
        return bytes(length & ~_SILENCE) if length & _SILENCE else plain

    def write(self, index: int, data: bytes, silence: int = 0) -> None:
        """Fills a slot with up to CHUNK octets, or with so many zeros."""
        length = silence | _SILENCE if silence else len(data)
        if self._count == _NONCES:
            raise SealedError("a sealed file is too long")
        nonce = self._prefix + self._count.to_bytes(4, "little")
        self._count += 1
        sealed = self._cipher.encrypt(nonce, b"" if silence else data, self._bound(index, length))
        at = HEAD.size + index * SLOT
        rest = _FRONT.pack(length, nonce) + sealed
        while rest:
            written = os.pwrite(self._descriptor, rest, at)
            at += written
            rest = rest[written:]

    def cut(self, index: int) -> None:
        """Takes away a slot and all behind it."""
        os.ftruncate(self._descriptor, HEAD.size + index * SLOT)

    def _bound(self, index: int, length: int) -> bytes:
        return self._head + _BOUND.pack(index, length)


def new_head(key_id: int, content: int) -> bytes:
    """The head of a new file."""
    return HEAD.pack(MAGIC, key_id, content, os.urandom(16))


class SealedFile:
    """A growing sealed file of PCM; every method may raise OSError. A crash costs what the last slot would hold."""

    def __init__(self, part: Path, path: Path, channels: int, keys: KeyRing, *, resume: bool = False) -> None:
        """It grows as `part` and is `path` when complete; raises FileExistsError for one that is there already."""
        self.path = path
        self._part = part
        self._block = channels * _WIDTH
        self._tail = bytearray()
        self._index = 0
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if resume and path.exists() and not part.exists():
            path.rename(part)
        elif path.exists():
            raise FileExistsError(f"{path.name} is there already")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if resume else os.O_EXCL)
        self._fd = os.open(part, flags, 0o600)
        try:
            self._slots = self._take_up(channels, keys)
        except OSError:
            os.close(self._fd)
            raise

    def _take_up(self, channels: int, keys: KeyRing) -> Slots:
        head = os.pread(self._fd, HEAD.size, 0)
        if len(head) < HEAD.size:
            head = new_head(keys.newest()[0], channels)
            os.pwrite(self._fd, head, 0)
        slots = Slots(self._fd, head, keys)
        if slots.content != channels:
            raise SealedError("a sealed file has other channels")
        self._index = slots.count()
        if self._index:
            try:
                last = slots.read(self._index - 1)
            except SealedError:
                last = b""  # torn by a crash
            if len(last) < CHUNK:
                self._index -= 1
                self._tail += last
                slots.cut(self._index)
        return slots

    @property
    def octets(self) -> int:
        """Of audio, by now."""
        return self._index * CHUNK + len(self._tail)

    @property
    def samples(self) -> int:
        """How long it is by now."""
        return self.octets // self._block

    def write(self, position: int, pcm: bytes | memoryview) -> None:
        """Puts interleaved samples at `position`, behind what is there; what is skipped is silence."""
        at = position * self._block
        if at + len(pcm) > _MAX_OCTETS:
            raise OSError("longer than a wav file can be")
        self._skip(at)
        self._tail += pcm[self.octets - at :] if self.octets > at else pcm
        self._flush()

    def finish(self, samples: int) -> None:
        """Cuts or lengthens it to `samples` and gives it its name; it keeps what is there where that has no room."""
        length = samples * self._block
        try:
            if length < self._index * CHUNK:
                self._index, rest = divmod(length, CHUNK)
                self._tail[:] = self._slots.read(self._index)[:rest] if rest else b""
                self._slots.cut(self._index)
            elif length < self.octets:
                del self._tail[length - self._index * CHUNK :]
            self._complete(length)
        finally:
            os.close(self._fd)
        self._part.rename(self.path)

    def _complete(self, length: int) -> None:
        """Writes all there is and silence up to `length`, or leaves out what cannot be written."""
        try:
            self._flush()
            self._skip(length)
            if self._tail:
                # A short slot is the last: nothing follows it.
                self._slots.write(self._index, bytes(self._tail))
        except OSError:
            self._tail.clear()
            self._slots.cut(self._index)

    def discard(self) -> None:
        """Removes it."""
        os.close(self._fd)
        self._part.unlink()

    def _skip(self, upto: int) -> None:
        missing = upto - self.octets
        if missing > 0 and self._tail:
            piece = min(missing, CHUNK - len(self._tail))
            self._tail += bytes(piece)
            missing -= piece
            self._flush()
        while missing >= CHUNK:
            self._slots.write(self._index, b"", CHUNK)
            self._index += 1
            missing -= CHUNK
        if missing > 0:
            self._tail += bytes(missing)

    def _flush(self) -> None:
        """Writes slots that are whole."""
        while len(self._tail) >= CHUNK:
            self._slots.write(self._index, bytes(self._tail[:CHUNK]))
            self._index += 1
            del self._tail[:CHUNK]


def seal_octets(source: Path, target: Path, keys: KeyRing) -> None:
    """Seals a whole file as it is; raises OSError."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        head = new_head(keys.newest()[0], 0)
        os.pwrite(descriptor, head, 0)
        slots = Slots(descriptor, head, keys)
        with source.open("rb") as file:
            for index, piece in enumerate(iter(lambda: file.read(CHUNK), b"")):
                slots.write(index, piece)
    finally:
        os.close(descriptor)
