"""A caller who walks a flow: events go in, actions come out, and time stands still until it is moved."""

from __future__ import annotations

from ivr_flows.actions import Action, Http, Play
from ivr_flows.clock import TIMELESS, Clock
from ivr_flows.events import Digit, Event, HttpDone, TimerDue
from ivr_flows.linking import link
from ivr_flows.loader import parse_flow
from ivr_flows.machine import start, step
from ivr_flows.model import Flow

HEAD = "flow: f\nanswer: now\nstart: a\nnodes:\n"
COLLECT = "type: collect, into: x, next: bye, on_timeout: silent, on_invalid: wrong"
ENDS = "  bye: {type: hangup}\n  silent: {type: hangup, cause: no_answer}\n  wrong: {type: hangup, cause: unknown}\n"


def flow_of(nodes: str, header: str = "") -> Flow:
    """Return a flow that starts at node `a`, of the text below `nodes:`."""
    return parse_flow(f"{header}{HEAD}{nodes}", "f", checked=False)


def linked(*texts: str) -> Flow:
    """Return the first of several flows, linked to the others."""
    flows = [parse_flow(text, "f", checked=False) for text in texts]
    return link({flow.name: flow for flow in flows})[flows[0].name]


def collect(extra: str, ends: str = ENDS) -> Flow:
    """Return a flow of one collect node; its three exits hang up with different causes."""
    return flow_of(f"  a: {{{COLLECT}, {extra}}}\n{ends}")


def play(*prompts: str, play_id: int, loop: bool = False) -> Play:
    """Return the action that plays these prompts."""
    return Play(prompts, loop, play_id)


class Caller:
    """Walks a flow; `did` are the actions since last looked at."""

    def __init__(self, flow: Flow, now: float = 100.0, clock: Clock = TIMELESS, **variables: str | int) -> None:
        self.flow = flow
        self.now = now
        self.clock = clock
        self.position, self._actions = start(flow, variables, now, clock)

    @property
    def did(self) -> list[Action]:
        """Take the actions since the last look."""
        actions, self._actions = self._actions, []
        return actions

    def send(self, *events: Event) -> list[Action]:
        """Let events happen now and return what they led to; what was done before is forgotten."""
        self._actions = []
        for event in events:
            position, actions = step(self.flow, self.position, event, self.now, self.clock)
            assert position is self.position
            self._actions += actions
        return self._actions

    def keys(self, digits: str) -> list[Action]:
        """Press keys."""
        return self.send(*[Digit(digit) for digit in digits])

    def wait(self) -> list[Action]:
        """Let time pass to the deadline."""
        assert self.position.deadline is not None
        self.now = self.position.deadline
        return self.send(TimerDue())

    def asked(self) -> Http:
        """Return the last request made since last looked at."""
        return [action for action in self._actions if isinstance(action, Http)][-1]

    def answer(self, body: object = None, status: int = 200, error: str = "") -> list[Action]:
        """Let the backend answer the last request."""
        return self.send(HttpDone(self.position.requests, status, body, error))  # type: ignore[arg-type]
