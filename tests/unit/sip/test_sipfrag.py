"""message/sipfrag bodies."""

from __future__ import annotations

import pytest

from switchboard.sip.errors import LocalError
from switchboard.sip.sipfrag import status_fragment


@pytest.mark.parametrize(
    ("status", "reason"), [(100, "Trying"), (180, "Ringing"), (200, "OK"), (603, "Decline"), (486, "")]
)
def test_a_status_line_is_written(status: int, reason: str) -> None:
    """The least a NOTIFY of `refer` must say."""
    assert status_fragment(status, reason) == f"SIP/2.0 {status} {reason}\r\n".encode()


def test_a_reason_never_becomes_a_line() -> None:
    """A line end in it is our own fault."""
    with pytest.raises(LocalError):
        status_fragment(200, "OK\r\nX: y")
