"""message/sipfrag bodies."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import LocalError
from switchboard.sip.sipfrag import read_status, status_fragment


@pytest.mark.parametrize(
    ("status", "reason"), [(100, "Trying"), (180, "Ringing"), (200, "OK"), (603, "Decline"), (486, "")]
)
def test_a_status_line_is_written_and_read(status: int, reason: str) -> None:
    """The least a NOTIFY of `refer` must say."""
    body = status_fragment(status, reason)
    assert body == f"SIP/2.0 {status} {reason}\r\n".encode()
    assert read_status(body) == status


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"SIP/2.0 200 OK", 200),
        (b"sip/2.0 180\r\n", 180),
        (b"SIP/2.0 200 OK\r\nTo: <sip:a@h>\r\n", 200),
        (b"SIP/2.0 200 OK\n", 200),
        (b"", None),
        (b"INVITE sip:a@h SIP/2.0\r\n", None),
        (b"From: <sip:a@h>\r\n", None),
        (b"SIP/2.0 700 No\r\n", None),
        (b"SIP/2.0 2000\r\n", None),
    ],
)
def test_a_fragment_need_not_begin_with_a_status_line(body: bytes, status: int | None) -> None:
    """None is told from what has no status."""
    assert read_status(body) == status


def test_a_reason_never_becomes_a_line() -> None:
    """A line end in it is our own fault."""
    with pytest.raises(LocalError):
        status_fragment(200, "OK\r\nX: y")
