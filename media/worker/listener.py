"""Unix sockets that other processes of ours connect to."""

from __future__ import annotations

import os
import socket


def listen(path: str) -> socket.socket:
    """A Unix socket that only this user may connect to."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    # Whoever may connect commands, or hears, the audio of all calls.
    umask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(umask)
    listener.listen(8)
    return listener
