"""message/sipfrag: a part of a message as the body of another (RFC 3420); here, how a referred call goes."""

from __future__ import annotations

from typing import Final

from switchboard.sip.headers import refuse_control

SIPFRAG: Final = "message/sipfrag;version=2.0"
"""The content type, with the version that RFC 3420 §4 asks for."""


def status_fragment(status: int, reason: str) -> bytes:
    """Write a status line, the least that a NOTIFY of `refer` must say (RFC 3515 §2.4.5)."""
    return f"SIP/2.0 {status} {refuse_control(reason)}\r\n".encode()
