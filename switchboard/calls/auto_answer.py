"""What makes a desk phone answer by itself: each maker listens to another header field.

It is asked for only where the phone's owner has asked for the call: click to call, taking a parked one, supervising.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

STYLES: Final[dict[str, str]] = {
    "answer-mode": "Answer-Mode: Auto",
    "call-info": "Call-Info: <sip:{host}>;answer-after=0",
    "alert-info": "Alert-Info: <http://{host}>;info=alert-autoanswer;delay=0",
}
"""RFC 5373 §4.1, and the two that most desk phones know; which one is in the phone's manual."""


def auto_answer_lines(styles: Sequence[str], host: str) -> tuple[str, ...]:
    """The header lines of an INVITE that is to be answered at once."""
    return tuple(STYLES[style].format(host=host) for style in styles)
