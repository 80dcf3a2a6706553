"""One event's worth of work on a position: what the steps of all nodes share."""

from __future__ import annotations

from collections.abc import Iterable

from ivr_flows.actions import Action, Cause, Conceal, Hangup, Play, Speech, StopPlay
from ivr_flows.clock import Clock
from ivr_flows.expressions import Scope, Value
from ivr_flows.model import DTMF, MAX_ENTRY, Flow, NodeBase
from ivr_flows.position import MAX_PATH, MAX_TRAIL, Frame, Position, TrailEntry, Waiting
from ivr_flows.prompt import Prompt, render

PROMPT_LIMIT = 300.0  # a prompt whose end is never reported, because the media worker died with it
LOOP_LIMIT = 86400.0
MAX_VALUE = 1000  # characters of a variable
MAX_FRAMES = 10
TELLING = 3  # a shorter text may be a secret by chance
TELLING_PART = 6  # a shorter secret may be part of a text by chance

_LARGEST = 10**18


class Turn:
    """A position, the flow it is in, the time, and the actions so far; nothing of it outlives the step."""

    __slots__ = ("actions", "clock", "flow", "now", "outer", "position")

    def __init__(self, flow: Flow, position: Position, now: float, clock: Clock) -> None:
        self.outer = flow
        self.flow = flow.subflows[position.inside] if position.frames and position.inside != flow.name else flow
        self.position = position
        self.now = now
        self.clock = clock
        self.actions: list[Action] = []

    @property
    def node(self) -> NodeBase:
        """The node the position is at."""
        return self.flow.nodes[self.position.node]

    @property
    def scope(self) -> Scope:
        """What an expression sees now."""
        position = self.position
        return Scope(position.variables, position.secrets, position.visits, self.clock, self.now)

    @property
    def due(self) -> bool:
        """Whether the position's deadline has come."""
        deadline = self.position.deadline
        return deadline is not None and self.now >= deadline

    def wait(self, waiting: Waiting, seconds: float) -> str:
        """Stay at the node, no longer than this."""
        self.position.waiting = waiting
        self.position.deadline = self.now + seconds
        return ""

    # --- what is heard ---

    def render(self, prompts: Iterable[Prompt]) -> tuple[str | Speech, ...]:
        """Return what is to be played; secret variables are never spoken."""
        variables = self.position.variables
        return render(prompts, variables, str(variables.get("language", "")), self.flow.language)

    def play(self, heard: tuple[str | Speech, ...], loop: bool = False) -> None:
        """Play these in place of what plays now."""
        self.position.play_id += 1
        self.actions.append(Play(heard, loop, self.position.play_id))

    def stop(self) -> None:
        """Stop what plays now."""
        self.actions.append(StopPlay())

    # --- keys ---

    def remember(self, digit: str) -> bool:
        """Keep a key for the entry that comes; what does not fit, or closes the last entry, is dropped."""
        position = self.position
        if digit not in DTMF:
            return False
        if not position.typed:
            closing, position.closing = position.closing, ""
            if digit in closing:
                return False
        if len(position.typed) < MAX_ENTRY:
            position.typed += digit
        return True

    def forget_keys(self) -> None:
        """Drop keys that belong to what is over."""
        position = self.position
        position.typed = position.collected = position.closing = ""

    def note(self, key: str) -> None:
        """Add what was keyed to the trail."""
        position = self.position
        if len(position.trail) < MAX_TRAIL:
            position.trail.append(TrailEntry(self.flow.name, position.node, key, self.now))

    def conceal(self) -> None:
        """Keep what comes out of recordings, until the node is left."""
        if not self.position.concealed:
            self.position.concealed = True
            self.actions.append(Conceal(True))

    def reveal(self) -> None:
        """Let recordings go on."""
        if self.position.concealed:
            self.position.concealed = False
            self.actions.append(Conceal(False))

    # --- variables ---

    def assign(self, name: str, value: object, *, secret: bool = False) -> None:
        """Set a variable to anything that JSON may hold; one that gives a secret away becomes one."""
        position, kept = self.position, as_value(value)
        if secret or self.telling(str(kept)):
            position.variables.pop(name, None)
            position.secrets[name] = kept
        else:
            position.secrets.pop(name, None)
            position.variables[name] = kept

    def telling(self, text: str) -> bool:
        """Whether a text is or contains a secret, of this flow or of one that waits for it."""
        if len(text) < TELLING:
            return False
        position = self.position
        for scope in (position.secrets, *[frame.secrets for frame in position.frames]):
            for secret in map(str, scope.values()):
                if secret == text or (len(secret) >= TELLING_PART and secret in text):
                    return True
        return False

    # --- ways through the flow ---

    def arrive(self, name: str) -> NodeBase:
        """Put the position at a node."""
        position = self.position
        position.node = name
        position.visits[name] = position.visits.get(name, 0) + 1
        if len(position.path) < MAX_PATH:
            position.path.append(f"{self.flow.name}.{name}" if position.frames else name)
        return self.flow.nodes[name]

    def push(self, flow: Flow, variables: dict[str, Value], secrets: dict[str, Value]) -> None:
        """Enter a sub-flow with variables of its own."""
        position = self.position
        position.frames.append(
            Frame(
                flow=self.flow.name,
                node=position.node,
                variables=position.variables,
                secrets=position.secrets,
                visits=position.visits,
            )
        )
        position.variables, position.secrets, position.visits = variables, secrets, {}
        position.inside = flow.name
        self.flow = flow

    def pop(self) -> None:
        """Return to the node and the variables that the sub-flow was entered from."""
        position = self.position
        frame = position.frames.pop()
        position.variables, position.secrets, position.visits = frame.variables, frame.secrets, frame.visits
        position.inside, position.node = frame.flow, frame.node
        self.flow = self.outer if frame.flow == self.outer.name else self.outer.subflows[frame.flow]

    def end(self, cause: Cause) -> str:
        """Hang up; after the caller has, only a branch for that ends here, and those of outer flows follow."""
        if self.position.gone:
            return self.unwind()
        self.reveal()
        self.position.cause = cause
        self.actions.append(Hangup(cause))
        return self.over()

    def over(self) -> str:
        """The flow is over."""
        self.reveal()
        self.forget_keys()
        self.position.waiting = Waiting.ENDED
        self.position.deadline = None
        return ""

    def unwind(self) -> str:
        """Leave sub-flows until one of the flows around has a branch for the caller's hanging up."""
        while self.position.frames:
            self.pop()
            if self.flow.on_hangup is not None:
                return self.flow.on_hangup
        return self.over()


def as_value(value: object) -> Value:
    """Return what JSON may hold as a variable: 1 and 0 for true and false, text for the rest, bounded in size."""
    if isinstance(value, bool):
        return 1 if value else 0
    if isinstance(value, int):
        return value if -_LARGEST < value < _LARGEST else str(value)[:MAX_VALUE]
    if isinstance(value, float):
        return str(value).removesuffix(".0")
    if isinstance(value, str):
        text = value[:MAX_VALUE]
        return text if text.isascii() else text.encode(errors="replace").decode()
    return ""
