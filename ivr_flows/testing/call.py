"""A call in a world made up for it: time is a number, and nobody waits for anything."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Final, cast

import msgspec

from ivr_flows import machine
from ivr_flows.actions import (
    Action,
    Callback,
    Conceal,
    Consent,
    Hangup,
    Http,
    Mailbox,
    Message,
    Play,
    Queue,
    Record,
    Speech,
    StopMessage,
    StopPlay,
    Transfer,
)
from ivr_flows.events import (
    CallbackTaken,
    CallerGone,
    Digit,
    Event,
    HttpDone,
    MessageDone,
    Outcome,
    PlayDone,
    QueueEnded,
    QueueOutcome,
    TimerDue,
    TransferEnded,
)
from ivr_flows.model import FAILURES, QUEUE_OUTCOMES, Flow, SurveyNode
from ivr_flows.position import Waiting
from ivr_flows.testing.mailbox import VirtualMailbox
from ivr_flows.testing.world import RINGING, Backend, Box, Far, FarEnd, Given, Reply

PROMPT: Final = 3.0
KEEPING: Final = 0.05
PAUSE: Final = 0.1
"""Before a request is made again; each further one waits twice as long."""
BETWEEN_KEYS: Final = 0.2
HIDDEN: Final = "•••"
SHORTEST_SECRET: Final = 3

_AGAIN: Final = frozenset({502, 503, 504})
_IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})
_COMPLETED: Final = FarEnd("completed")


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A request that the flow has made."""

    method: str
    url: str
    headers: dict[str, str]
    body: object


class VirtualCall:
    """One call of a flow; `run_next` lets the next thing happen, `press` and `leave` are up to the caller."""

    def __init__(
        self,
        flow: Flow,
        given: Given,
        replies: Sequence[Reply] = (),
        far: Far | None = None,
        tell: Callable[[Action | Event], None] = lambda item: None,
    ) -> None:
        """`tell` hears of every event before it happens, and of every action."""
        self.flow = flow
        self.now = 0.0
        self.heard: list[tuple[str, ...]] = []
        """What each play was made of: names of sounds, and words."""
        self.asked: list[Asked] = []
        self.connected: list[str] = []
        self.recorded: list[str] = []
        self.boxes: list[str] = []
        self.callbacks: list[str] = []
        self.problems: list[str] = []
        """What the test has not said and the flow wanted to know."""
        self.entered: dict[str, float] = {}
        """When each node was first entered."""
        self._given, self._far = given, far or Far()
        self._backend = Backend(replies)
        self._clock = given.time()
        self._agenda: list[tuple[float, int, Event]] = []
        self._count = 0
        self._walked = 0
        self._used: dict[str, int] = {}
        self._message: Message | None = None
        self.mailbox = VirtualMailbox(given.mailbox or Box(new=1))
        self._secrets: set[str] = set()
        self._keyed = ""
        self._tell = tell
        self.position, actions = machine.start(flow, given.inputs(), 0.0, self._clock)
        self._act(actions)

    @property
    def ended(self) -> bool:
        """Whether the flow is over."""
        return self.position.ended

    @property
    def outcome(self) -> str:
        """How it ended: a cause, "caller_gone", or "exhausted" by the limit on steps."""
        position = self.position
        if position.exhausted:
            return "exhausted"
        return "caller_gone" if position.gone else position.cause or ""

    @property
    def asks(self) -> bool:
        """Whether keys are taken just now."""
        position = self.position
        if position.waiting is not Waiting.PROMPTING:
            return position.waiting is Waiting.KEYING
        flow = self.flow.subflows.get(position.inside, self.flow) if position.frames else self.flow
        node = flow.nodes[position.node]
        return isinstance(node, SurveyNode) or bool(getattr(node, "barge_in", False))

    def next_at(self) -> float | None:
        """Return when the next thing happens by itself; None when the flow is over."""
        if self.ended:
            return None
        deadline = self.position.deadline
        times = [at for at in (deadline, self._agenda[0][0] if self._agenda else None) if at is not None]
        return max(min(times), self.now) if times else None

    def run_next(self) -> None:
        """Let the next thing happen."""
        at = self.next_at()
        if at is None:
            return
        self.now = at
        if self._agenda and self._agenda[0][0] <= at:
            self._step(heapq.heappop(self._agenda)[2])
        else:
            self._step(TimerDue())

    def run_until(self, at: float) -> None:
        """Let everything happen up to a time."""
        while (due := self.next_at()) is not None and due <= at:
            self.run_next()
        self.now = max(self.now, at)

    def press(self, keys: str) -> None:
        """Press keys one after another."""
        for index, key in enumerate(keys):
            if index:
                self.run_until(self.now + BETWEEN_KEYS)
            if self.position.concealed:
                self._keyed += key
            self._step(Digit(key))

    def speak(self, seconds: float, key: str = "") -> bool:
        """Leave a message of this length, ended by a key or by silence; False when none is being taken."""
        message = self._message
        if message is None or self.position.waiting is not Waiting.MESSAGING:
            return False
        self._drop(MessageDone)
        said = min(seconds, message.max_seconds)
        if said < seconds:
            self._later(said, MessageDone(message.message_id, said, "limit"))
        elif key and key in message.terminators:
            self._later(said, MessageDone(message.message_id, said, "digit"))
        else:
            self._later(said + message.silence_seconds, MessageDone(message.message_id, said, "silence"))
        self.run_until(self._agenda[0][0])
        return True

    def leave(self) -> None:
        """Hang up."""
        self._step(CallerGone())

    def masked(self, text: str) -> str:
        """Return a text without the secrets of the call."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return text

    def end_talk(self, outcome: str) -> bool:
        """Let what the caller was connected to end so, now; False when it cannot."""
        waiting = self.position.waiting
        if waiting is Waiting.QUEUED and outcome in ("completed", *QUEUE_OUTCOMES):
            self._drop(QueueEnded)
            self._step(QueueEnded(cast("QueueOutcome", outcome)))
        elif waiting is Waiting.TRANSFERRING and outcome in ("completed", *FAILURES):
            self._drop(TransferEnded)
            self._step(TransferEnded(cast("Outcome", outcome)))
        else:
            return False
        return True

    def _step(self, event: Event) -> None:
        self._tell(event)
        _, actions = machine.step(self.flow, self.position, event, self.now, self._clock)
        self._act(actions)

    def _later(self, seconds: float, event: Event) -> None:
        self._count += 1
        heapq.heappush(self._agenda, (self.now + seconds, self._count, event))

    def _drop(self, *kinds: type[Event]) -> None:
        self._agenda = [entry for entry in self._agenda if not isinstance(entry[2], kinds)]
        heapq.heapify(self._agenda)

    def _act(self, actions: Iterable[Action]) -> None:
        position = self.position
        for name in position.path[self._walked :]:
            self.entered.setdefault(name, self.now)
        self._walked = len(position.path)
        for scope in (position.secrets, *[frame.secrets for frame in position.frames]):
            self._secrets.update(text for text in map(str, scope.values()) if len(text) >= SHORTEST_SECRET)
        for action in actions:
            self._tell(action)
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Play():
                self._play(action)
            case StopPlay():
                self._drop(PlayDone)
            case Http():
                self._ask(action)
            case Transfer() | Queue():
                self._connect(action)
            case Message():
                self.boxes.append(action.box)
                self._message = action
                self._later(action.silence_seconds, MessageDone(action.message_id, 0.0, "silence"))
            case StopMessage():
                self._drop(MessageDone)
            case Mailbox():
                if (done := self.mailbox.answer(action)) is not None:
                    self._later(0.0, done)
            case Callback():
                self.callbacks.append(action.number)
                taken = self._given.callbacks != "refused"
                self._later(KEEPING, CallbackTaken(action.request_id, taken))
            case Record():
                self.recorded.append(action.do)
            case Conceal():
                if not action.on and len(self._keyed) >= SHORTEST_SECRET:
                    self._secrets |= {self._keyed, self._keyed.strip("#*")}
                self._keyed = ""
            case Hangup() | Consent():
                pass  # the position tells

    def _play(self, play: Play) -> None:
        names = tuple(prompt.text if isinstance(prompt, Speech) else prompt for prompt in play.prompts)
        self.heard.append(names)
        self._drop(PlayDone)
        if not play.loop:
            self._later(sum(map(self._lasts, names)), PlayDone(play.play_id))

    def _lasts(self, name: str) -> float:
        kind, _, length = name.rpartition(":")
        if kind == "silence" or kind.startswith("tone:"):
            try:
                return float(length)
            except ValueError:
                pass
        return float(self._given.prompt or PROMPT)

    def _connect(self, action: Transfer | Queue) -> None:
        end = self._far_end()
        if isinstance(action, Queue):
            self.heard.append(tuple(prompt.text if isinstance(prompt, Speech) else prompt for prompt in action.music))
            self.connected.append(f"group {action.group}")
            known: tuple[str, ...] = QUEUE_OUTCOMES
            longest = action.max_wait
        else:
            self.connected.append(action.target or f"{action.number},{action.extension}")
            known, longest = FAILURES, action.ring_timeout
        if end.outcome not in ("completed", *known):
            self.problems.append(f"'{end.outcome}' under 'far:' cannot come of {self.position.node}")
        after = end.after or (longest if end.outcome in ("no_answer", "timeout") else RINGING)
        after = min(after, longest) + (end.talk if end.outcome == "completed" else 0.0)
        if isinstance(action, Queue):
            self._later(after, QueueEnded(cast("QueueOutcome", end.outcome)))
        else:
            self._later(after, TransferEnded(cast("Outcome", end.outcome)))

    def _far_end(self) -> FarEnd:
        node, far = self.position.node, self._far
        ends = far.by_node.get(node)
        key = node if ends is not None else ""
        ends = far.ends if ends is None else ends
        used = self._used.get(key, 0)
        self._used[key] = used + 1
        if used >= len(ends) and ends:
            self.problems.append(f"'{node}' connected once more than 'far:' tells")
        return ends[used] if used < len(ends) else _COMPLETED

    def _ask(self, http: Http) -> None:
        body: object = None
        if http.body is not None:
            body = msgspec.json.decode(http.body)
        self.asked.append(Asked(http.method, http.url, http.headers, body))
        if isinstance(body, dict) and isinstance(body.get("digits"), str):
            self._secrets.add(body["digits"])
        took, tries, pause = 0.0, http.retries, PAUSE
        while True:
            reply = self._backend.answer(http.method, http.url, body)
            if reply is None:
                self.problems.append(f"nothing under 'backend:' answers {http.method} {http.url}")
                self._later(took + KEEPING, HttpDone(http.request_id, 0, None, "unreachable"))
                return
            took += http.timeout if reply.error == "timeout" else reply.delay
            if took >= http.timeout:
                self._later(http.timeout, HttpDone(http.request_id, 0, None, "timeout"))
                return
            passing = reply.status in _AGAIN and http.method in _IDEMPOTENT
            if not tries or not (reply.error == "unreachable" or passing) or took + pause >= http.timeout:
                break
            tries, took, pause = tries - 1, took + pause, pause * 2
        self._later(took, _answer(http.request_id, reply))


def _answer(request_id: int, reply: Reply) -> HttpDone:
    if reply.error in ("unreachable", "busy"):
        return HttpDone(request_id, 0, None, reply.error)
    error = reply.error or ("invalid" if reply.text is not None and 200 <= reply.status < 300 else "")
    return HttpDone(request_id, reply.status, None if error or reply.text is not None else reply.json, error)
