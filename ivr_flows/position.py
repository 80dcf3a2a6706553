"""Where a caller is in a flow: plain data, to be written down at any time."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ivr_flows.actions import Cause
from ivr_flows.expressions import Value


class Waiting(StrEnum):
    """What a position waits for."""

    PLAYING = "playing"
    """The end of a play node's prompts."""
    PROMPTING = "prompting"
    """The end of a collect node's prompts, or a key."""
    KEYING = "keying"
    """A key."""
    TRANSFERRING = "transferring"
    """The end of a transfer."""
    LEAVING = "leaving"
    """The end of the last words."""
    ENDED = "ended"


class Position(msgspec.Struct, kw_only=True):
    """Where a caller is in a flow."""

    flow: str
    version: str
    node: str
    waiting: Waiting = Waiting.ENDED
    deadline: float | None = None
    """When to send `TimerDue`; None once the flow has ended."""
    variables: dict[str, Value]
    visits: dict[str, int] = {}
    """How often each node was entered."""
    collected: str = ""
    typed: str = ""
    """Keys pressed ahead of the entry that will take them."""
    tries: int = 0
    """Attempts that failed at this collect node."""
    play_id: int = 0
    steps: int = 0
    exhausted: bool = False
    """The step limit ended the flow."""
    cause: Cause | None = None
    """Why the flow hung up; None while it runs, and when the caller left."""

    @property
    def ended(self) -> bool:
        """Whether the flow is over."""
        return self.waiting is Waiting.ENDED
