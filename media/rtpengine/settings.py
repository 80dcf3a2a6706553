"""Where rtpengine is, and how it is spoken to."""

from __future__ import annotations

from msgspec import Struct

from media.rtpengine.commands import Family


class Settings(Struct, frozen=True):
    """All times are in seconds."""

    host: str
    port: int
    keys_host: str
    keys_port: int
    timeout: float = 2.0
    ping: float = 1.0
    spare: int = 64
    name: str = "switchboard"
    silence: float = 60.0
    families: tuple[Family, ...] = ("IP4",)
    """The usual one, and IP6 beside it where legs may be on either."""
