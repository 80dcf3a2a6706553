"""What a refusal within a dialog ends (RFC 5057 §5)."""

from __future__ import annotations

import pytest

from switchboard.sip.usage import Ends, ends

DIALOG = (404, 410, 416, 482, 483, 484, 485, 502, 604)
USAGE = (408, 481)


@pytest.mark.parametrize("status", range(200, 700))
def test_what_each_status_ends(status: int) -> None:
    """The aberrant ones everything, those of who knows nothing of it their usage, all others the request alone."""
    expected = Ends.DIALOG if status in DIALOG else Ends.USAGE if status in USAGE else Ends.REQUEST
    assert ends(status) is expected
