"""The tokens of `switchboard login`, kept in a file that only its owner may read: one entry an address."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec

from switchboard.client import Tokens

LOCK_SECONDS: Final = 20.0
_TRY_SECONDS: Final = 0.05


def state_directory() -> Path:
    """Where programs keep what is not configuration: `$XDG_STATE_HOME/switchboard`."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return (Path(given) if given else Path.home() / ".local" / "state") / "switchboard"


class TokenFile:
    """Implements `client.TokenStore` for one address. Raises OSError when the file cannot be used."""

    def __init__(self, url: str, directory: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self.path = (directory or state_directory()) / "tokens.json"

    def load(self) -> Tokens | None:
        """The tokens for the address; None without any."""
        return self._read().get(self.url)

    def save(self, tokens: Tokens | None) -> None:
        """Keep or forget them; the file is replaced as a whole."""
        kept = self._read()
        if tokens is not None:
            kept[self.url] = tokens
        elif kept.pop(self.url, None) is None:
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o600)
            file.write(msgspec.json.encode(kept))
        new.replace(self.path)

    @contextlib.asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """While tokens are renewed no other program does: a refresh token serves once."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            async with asyncio.timeout(LOCK_SECONDS):
                while not _locked(lock):  # noqa: ASYNC110 - it is another process that lets go
                    await asyncio.sleep(_TRY_SECONDS)
            yield
        finally:
            os.close(lock)

    def _read(self) -> dict[str, Tokens]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=dict[str, Tokens])
        except (FileNotFoundError, msgspec.MsgspecError):
            return {}


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
