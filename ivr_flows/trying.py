"""A flow walked by one person: keys come in, lines of what the caller notices go out.

0-9 * # A-D   keys of the telephone
t             let the time pass until something happens by itself
h             hang up
c b n u e f   whoever was called: the talk is over, busy, no answer, not registered, empty, failed
s             stop speaking into the mailbox, after five seconds
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from ivr_flows.actions import (
    Action,
    Answer,
    Callback,
    Consent,
    Hangup,
    Http,
    Mailbox,
    Message,
    Play,
    Queue,
    Record,
    Speech,
    Transfer,
)
from ivr_flows.events import CallbackTaken, CallerGone, Digit, Event, HttpDone, MessageDone, QueueEnded, TransferEnded
from ivr_flows.model import DTMF, Flow
from ivr_flows.position import Waiting
from ivr_flows.testing.call import VirtualCall
from ivr_flows.testing.world import Given, Reply

SPOKEN: Final = 5.0
DOT: Final = "•"
OUTCOMES: Final = {
    "c": ("completed",),
    "b": ("busy", "full"),
    "n": ("no_answer", "timeout"),
    "u": ("unregistered",),
    "e": ("empty",),
    "f": ("failed",),
}
_CONNECTED: Final = frozenset({Waiting.TRANSFERRING, Waiting.QUEUED})


class Walk:
    """A call that somebody takes by hand; `show` gets each line, without secrets."""

    def __init__(
        self,
        flow: Flow,
        given: Given,
        replies: Sequence[Reply],
        texts: Callable[[str], str],
        show: Callable[[str], None],
    ) -> None:
        self._texts, self._show = texts, show
        self._walked = self._told = 0
        self._came: list[str] = []
        self._done: list[Action] = []
        self.call = VirtualCall(flow, given, replies, tell=self._hear)
        self._flush()

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do."""
        return self.call.ended

    def advance(self, to: float) -> None:
        """Let the time pass up to an instant."""
        while (due := self.call.next_at()) is not None and due <= to:
            self.call.run_next()
            self._flush()
        if not self.over:
            self.call.run_until(to)

    def key(self, char: str) -> bool:
        """Take one key of the keyboard; False when it means nothing here."""
        call = self.call
        if char in DTMF:
            call.press(char)
        elif char == "t":
            call.run_next()
        elif char == "h":
            call.leave()
        elif char == "s" and call.position.waiting is Waiting.MESSAGING:
            call.speak(SPOKEN, "#")
        elif char in OUTCOMES and call.position.waiting in _CONNECTED:
            if not any(call.end_talk(outcome) for outcome in OUTCOMES[char]):
                return False
        else:
            return False
        self._flush()
        return True

    def hint(self) -> str:
        """Which keys mean something now."""
        waiting = self.call.position.waiting
        if waiting in _CONNECTED:
            return "c the talk is over, b busy, n nobody answers, f fails, h hang up"
        if waiting is Waiting.MESSAGING:
            return "s stop speaking, h hang up"
        return "0-9 * #, t let time pass, h hang up, q quit"

    def patient_key(self, char: str) -> bool:
        """Take one key as soon as it means something: for input that was typed beforehand."""
        while not self.over and not self._means(char):
            self.call.run_next()
            self._flush()
        return not self.over and self.key(char)

    def _means(self, char: str) -> bool:
        """Whether a key means something just now."""
        waiting = self.call.position.waiting
        if char in DTMF:
            return self.call.asks
        if char in OUTCOMES:
            return waiting in _CONNECTED
        return waiting is {"t": Waiting.KEYING, "s": Waiting.MESSAGING}.get(char, waiting)

    def run_out(self) -> None:
        """Let the flow come to its end; the caller does nothing any more."""
        while not self.over:
            self.call.run_next()
            self._flush()

    def _hear(self, item: Action | Event) -> None:
        if isinstance(item, Action):
            self._done.append(item)
        elif line := self._event(item):
            self._came.append(line)

    def _flush(self) -> None:
        """Tell what has happened: first what came, then which nodes were entered, then what they do."""
        came, self._came = self._came, []
        done, self._done = self._done, []
        for line in came:
            self._line(line)
        path = self.call.position.path
        if path[self._walked :]:
            self._line(f"        {' → '.join(path[self._walked :])}")
            self._walked = len(path)
        for action in done:
            if line := self._action(action):
                self._line(line)
        for problem in self.call.problems[self._told :]:
            self._line(f"note    {problem}")
        self._told = len(self.call.problems)

    def _line(self, text: str) -> None:
        minutes, seconds = divmod(int(self.call.now), 60)
        self._show(f"{minutes:2}:{seconds:02}  {self.call.masked(text)}")

    def _event(self, event: Event) -> str:
        match event:
            case Digit():
                return f"keys    {DOT if self.call.position.concealed else event.digit}"
            case CallerGone():
                return "hangs up"
            case TransferEnded() | QueueEnded():
                return f"call    {event.outcome}"
            case HttpDone():
                return f"answer  {event.error or event.status}"
            case MessageDone():
                return f"message {event.seconds:g} s, ended by {event.reason}"
            case CallbackTaken():
                return f"wish    {'kept' if event.accepted else 'refused'}"
        return ""

    def _action(self, action: Action) -> str:
        match action:
            case Answer():
                return "answered"
            case Play() | Queue():
                group = f"queue   {action.group}\n" if isinstance(action, Queue) else ""
                prompts = action.music if isinstance(action, Queue) else action.prompts
                loop = " (over and over)" if isinstance(action, Queue) or action.loop else ""
                heard = f"hears   {' '.join(map(self._said, prompts))}{loop}"
                return "\n       ".join([*group.splitlines(), heard])
            case Transfer():
                return f"calls   {action.target or f'{action.number},{action.extension}'}"
            case Http():
                return f"asks    {action.method} {action.url}"
            case Record():
                return f"record  {action.do}"
            case Mailbox():
                return f"mailbox {action.box}" if action.do == "open" else f"message {action.do}"
            case Message():
                return f"mailbox {action.box}: speak now"
            case Consent():
                return f"consent {'given' if action.given else 'not given'}"
            case Callback():
                return f"asks to be called back{f' by {action.group}' if action.group else ''}"
            case Hangup():
                return f"over    {action.cause}"
        return ""

    def _said(self, prompt: str | Speech) -> str:
        if isinstance(prompt, Speech):
            return f"“{prompt.text}”"
        text = self._texts(prompt)
        return f"[{prompt}] {text}" if text else f"[{prompt}]"
