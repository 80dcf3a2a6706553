"""Where a caller is in a flow: plain data, to be written down at any time."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from ivr_flows.actions import Cause
from ivr_flows.expressions import Value
from ivr_flows.identity import Identity

MAX_TRAIL = 200
MAX_PATH = 500


class Waiting(StrEnum):
    """What a position waits for."""

    PLAYING = "playing"
    """The end of prompts that lead on."""
    PROMPTING = "prompting"
    """The end of the prompts before an entry, or a key."""
    KEYING = "keying"
    """A key."""
    REQUESTING = "requesting"
    """A backend's answer to an http node."""
    CHECKING = "checking"
    """The backend's word on the calling number."""
    VERIFYING = "verifying"
    """The backend's word on what the caller has keyed in."""
    TRANSFERRING = "transferring"
    """The end of a transfer."""
    QUEUED = "queued"
    """The end of a stay in a queue and the talk after it."""
    GREETING = "greeting"
    """The beep of a mailbox."""
    MESSAGING = "messaging"
    """The end of a message for a mailbox."""
    BROWSING = "browsing"
    """A mailbox, or a message of it."""
    LISTENING = "listening"
    """The end of a message of a mailbox, or a key."""
    CALLING_BACK = "calling_back"
    """Whether the wish to be called back is kept."""
    LEAVING = "leaving"
    """The end of the last words."""
    ENDED = "ended"


class TrailEntry(msgspec.Struct, frozen=True, gc=False):
    """One thing the caller keyed; of an entry only how many digits it had ("6 digits")."""

    flow: str
    node: str
    key: str
    at: float
    """Monotonic seconds."""


class Frame(msgspec.Struct, kw_only=True):
    """What a sub-flow returns to."""

    flow: str
    node: str
    """The subflow node that was left."""
    variables: dict[str, Value] = {}
    secrets: dict[str, Value] = {}
    visits: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Frame({self.flow!r}, {self.node!r})"


class Position(msgspec.Struct, kw_only=True):
    """Where a caller is in a flow."""

    flow: str
    """The outermost flow, which the call was given to."""
    version: str
    """That flow's version."""
    inside: str = ""
    """The flow `node` is in: the outermost one or a sub-flow."""
    node: str
    waiting: Waiting = Waiting.ENDED
    deadline: float | None = None
    """When to send `TimerDue`; None once the flow has ended."""
    variables: dict[str, Value]
    secrets: dict[str, Value] = {}
    """Variables that are never written down."""
    visits: dict[str, int] = {}
    """How often each node was entered."""
    frames: list[Frame] = []
    """What the sub-flows return to, outermost first."""
    collected: str = ""
    """Keys of the entry that is being made."""
    typed: str = ""
    """Keys pressed ahead of the entry that will take them."""
    closing: str = ""
    """Keys that would close the entry just made, if one of them is the next: no part of what comes then."""
    tries: int = 0
    """Attempts that failed at this entry."""
    question: int = 0
    """Which question of a survey is being asked."""
    concealed: bool = False
    """Recordings hold silence just now."""
    play_id: int = 0
    requests: int = 0
    """Requests made so far; the last one's id."""
    steps: int = 0
    gone: bool = False
    """The caller has hung up; what still runs is the flow's `on_hangup` branch."""
    exhausted: bool = False
    """The step limit, or the limit on sub-flows within each other, ended the flow."""
    cause: Cause | None = None
    """Why the flow hung up; None while it runs, and when the caller left."""
    identity: Identity = Identity()
    consent: bool | None = None
    survey: dict[str, str] = {}
    trail: list[TrailEntry] = []
    """What was keyed at menus and entries, the first 200."""
    path: list[str] = []
    """Nodes entered, the first 500; those of a sub-flow are written "flow.node"."""

    @property
    def ended(self) -> bool:
        """Whether the flow is over."""
        return self.waiting is Waiting.ENDED

    def redacted(self) -> Position:
        """Return a copy that may be written down: without secrets and without digits."""
        frames = [msgspec.structs.replace(frame, secrets={}) for frame in self.frames]
        return msgspec.structs.replace(self, secrets={}, frames=frames, collected="", typed="")

    def __repr__(self) -> str:
        return f"Position({self.flow!r}, {self.inside!r}, {self.node!r}, {self.waiting.value!r})"
