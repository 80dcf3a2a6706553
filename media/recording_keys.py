"""The keys that recordings are sealed under: `recording-N.key`, 32 octets in hexadecimal, mode 0600.

The one of the highest N seals; the others open what was sealed before. So a file `recording-2.key` put beside the first
is all that a rotation takes. Without its key a recording is lost: they belong into a backup, apart from the recordings.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from typing import Final

KEY_OCTETS: Final = 32
_NAME: Final = re.compile(r"recording-([1-9][0-9]{0,4})\.key\Z")
_TEXT: Final = re.compile(rb"[0-9a-f]{64}\n?\Z")
MOST: Final = 65535


class KeyRing:
    """Reads a key when it is needed, and keeps it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return f"KeyRing({str(self._directory)!r})"

    def get(self, key_id: int) -> bytes:
        """A key; raises OSError when it is not there, or open to others."""
        key = self._keys.get(key_id)
        if key is None:
            key = self._keys[key_id] = _read(self._directory / _name(key_id))
        return key

    def newest(self) -> tuple[int, bytes]:
        """The key that seals, and its number; the first one is made. Raises OSError."""
        number = self._highest()
        if not number:
            self._create(1)
            number = self._highest()
        return number, self.get(number)

    def add(self) -> int:
        """Makes a key that seals from now on; returns its number. Raises OSError."""
        number = self._highest() + 1
        if number > MOST:
            raise OSError("there are too many keys")
        self._create(number)
        return number

    def _highest(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            found = map(_NAME.match, os.listdir(self._directory))
            return max((int(name[1]) for name in found if name is not None), default=0)
        return 0

    def _create(self, number: int) -> None:
        """Whole or not at all; somebody else's that is quicker counts."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / _name(number)
        growing = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, os.urandom(KEY_OCTETS).hex().encode() + b"\n")
            os.fsync(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(growing, path)
        finally:
            os.close(descriptor)
            growing.unlink()


def _name(number: int) -> str:
    return f"recording-{number}.key"


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise PermissionError(f"others may read {path.name}; run: chmod 600 {path.name}")
        text = os.read(descriptor, 4 * KEY_OCTETS)
    finally:
        os.close(descriptor)
    if not _TEXT.match(text):
        raise OSError(f"{path.name} is no key (64 hexadecimal digits); restore it from the backup")
    return bytes.fromhex(text.decode())
