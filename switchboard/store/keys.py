"""The key files: `<store>/keys/encryption-N.key` and `fingerprint.key`, 32 bytes in hexadecimal, mode 0600.

They are created when none is there and the database has never seen one. Without them nobody can open a
number, so they belong into a backup, and not into that of the database.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from hashlib import blake2b
from pathlib import Path
from typing import Final

from sqlalchemy import insert, select

from routing.masks.secret import KEY_BYTES, Vault
from switchboard.store.database import Database
from switchboard.store.records import utc_us
from switchboard.store.schema import key_checks
from switchboard.store.segments import sync_directory
from switchboard.tokens import octet_pool

FINGERPRINT_NAME: Final = "fingerprint.key"
_ENCRYPTION: Final = re.compile(r"encryption-([1-9][0-9]{0,4})\.key\Z")
_TEXT: Final = re.compile(rb"[0-9a-f]{64}\n?\Z")


class KeyFileError(Exception):
    """A key file cannot be used; one line that names it and says what to do."""


def load_vault(store: Path, database: Database) -> Vault:
    """The vault of a store, with its keys checked against those its database was written with.

    A store without keys gets new ones, unless its database already holds numbers sealed under old ones.
    """
    directory = store / "keys"
    known = _known_keys(database)
    if not known:
        _create_missing(directory)
    encryption, fingerprint = read_keys(directory)
    present = {("encryption", key_id): key for key_id, key in encryption.items()}
    present["fingerprint", 1] = fingerprint
    for (purpose, key_id), digest in known.items():
        key = present.get((purpose, key_id))
        if key is None or _digest(key) != digest:
            name = FINGERPRINT_NAME if purpose == "fingerprint" else _name(key_id)
            state = "is missing, the key" if key is None else "is not the key"
            written = f"that {database.path} was written with"
            raise KeyFileError(f"{directory / name}: {state} {written}; restore it from the backup")
    _remember(database, {owner: key for owner, key in present.items() if owner not in known})
    return Vault(encryption, fingerprint, octet_pool())


def read_keys(directory: Path) -> tuple[dict[int, bytes], bytes]:
    """The encryption keys by id and the fingerprint key; raises `KeyFileError` when one is wrong or open."""
    try:
        names = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise KeyFileError(f"{directory}: cannot be read ({_reason(error)})") from None
    encryption = {int(found[1]): _read(directory / found[0]) for found in map(_ENCRYPTION.match, names) if found}
    if not encryption:
        raise KeyFileError(f"{directory / _name(1)}: is missing; restore it from the backup")
    return encryption, _read(directory / FINGERPRINT_NAME)


def add_encryption_key(store: Path) -> int:
    """Add a key to the ring, which seals from the next start or reload on; returns its id."""
    encryption, _ = read_keys(store / "keys")
    key_id = max(encryption) + 1
    if not _create(store / "keys" / _name(key_id)):
        raise KeyFileError(f"{store / 'keys' / _name(key_id)}: was created by somebody else at this moment")
    return key_id


def _name(key_id: int) -> str:
    return f"encryption-{key_id}.key"


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=16, person=b"swb key check").digest()


def _known_keys(database: Database) -> dict[tuple[str, int], bytes]:
    with database.reading() as connection:
        rows = connection.execute(select(key_checks.c.purpose, key_checks.c.key_id, key_checks.c.digest))
        return {(row.purpose, row.key_id): row.digest for row in rows}


def _remember(database: Database, keys: dict[tuple[str, int], bytes]) -> None:
    if not keys:
        return
    rows = [
        {"purpose": purpose, "key_id": key_id, "digest": _digest(key), "created_us": utc_us()}
        for (purpose, key_id), key in keys.items()
    ]
    with database.writing() as connection:
        connection.execute(insert(key_checks).prefix_with("OR IGNORE"), rows)


def _create_missing(directory: Path) -> None:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(_ENCRYPTION.match(path.name) for path in directory.iterdir()):
            _create(directory / _name(1))
        if not (directory / FINGERPRINT_NAME).exists():
            _create(directory / FINGERPRINT_NAME)
    except OSError as error:
        raise KeyFileError(f"{directory}: keys cannot be created ({_reason(error)})") from None


def _create(path: Path) -> bool:
    """Create a key file whole or not at all; False when somebody else was quicker, whose key then counts."""
    growing = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(growing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, os.urandom(KEY_BYTES).hex().encode() + b"\n")
        os.fsync(fd)
        os.link(growing, path)
        sync_directory(path.parent)
    except FileExistsError:
        return False
    finally:
        os.close(fd)
        with contextlib.suppress(OSError):
            growing.unlink()
    return True


def _read(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise KeyFileError(f"{path}: is missing; restore it from the backup") from None
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({_reason(error)})") from None
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & 0o077:
            raise KeyFileError(f"{path}: others may read this key (mode {mode:04o}); run: chmod 600 {path}")
        text = os.read(fd, KEY_BYTES * 4)
    except OSError as error:
        raise KeyFileError(f"{path}: cannot be read ({_reason(error)})") from None
    finally:
        os.close(fd)
    if not _TEXT.match(text):
        raise KeyFileError(f"{path}: is not a key (64 hexadecimal digits); restore it from the backup")
    return bytes.fromhex(text.decode())


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
