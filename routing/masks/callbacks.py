"""Whether an agent may call a customer back through X: within a window, a number of times, unless refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

from routing.masks.policy import CallbackRule

Verdict = Literal["ok", "refused", "exhausted"]
ANYBODY = b""
"""Stands for every agent."""


class History(NamedTuple):
    """Since when the window of a binding is open (UTC seconds), and the calls made in it."""

    since: float
    times: int


class Callbacks:
    """Windows of bindings, and who wants no calls. People are known by the fingerprints of their numbers."""

    __slots__ = ("_histories", "refused")

    def __init__(self) -> None:
        self._histories: dict[str, History] = {}
        self.refused: dict[bytes, dict[bytes, float | None]] = {}
        """Who wants no calls, and of whom; empty while nobody has said so."""

    def permit(self, binding: str, rule: CallbackRule | None, customer: bytes, agent: bytes, now: float) -> Verdict:
        """Whether `agent` may call `customer` through the binding now."""
        if self.refused and self.refuses(customer, agent, now):
            return "refused"
        if rule is None:
            return "ok"
        history = self._histories.get(binding)
        if history is None:
            return "exhausted"
        over = rule.window is not None and now >= history.since + rule.window
        used = rule.times is not None and history.times >= rule.times
        return "exhausted" if over or used else "ok"

    def open(self, binding: str, since: float, times: int = 0) -> None:
        """Begin a window: the binding was made, or the customer called."""
        self._histories[binding] = History(since, times)

    def count(self, binding: str) -> None:
        """The agent made a call."""
        history = self._histories.get(binding)
        if history is not None:
            self._histories[binding] = History(history.since, history.times + 1)

    def close(self, binding: str) -> None:
        """Forget a binding."""
        self._histories.pop(binding, None)

    def history(self, binding: str) -> History | None:
        """The window of a binding, to be kept over a restart."""
        return self._histories.get(binding)

    def refuse(self, customer: bytes, agent: bytes = ANYBODY, until: float | None = None) -> None:
        """The customer wants no calls from an agent, or from anybody, until a UTC second or for good."""
        self.refused.setdefault(customer, {})[agent] = until

    def accept(self, customer: bytes, agent: bytes = ANYBODY) -> bool:
        """Take a refusal back; False if there was none."""
        refused = self.refused.get(customer, {})
        if agent not in refused:
            return False
        del refused[agent]
        if not refused:
            del self.refused[customer]
        return True

    def refuses(self, customer: bytes, agent: bytes, now: float) -> bool:
        """Whether the customer wants no calls from that agent."""
        refused = self.refused.get(customer)
        if refused is None:
            return False
        return any(who in refused and ((until := refused[who]) is None or now < until) for who in {agent, ANYBODY})

    def set_refusals(self, refusals: Iterable[tuple[bytes, bytes, float | None]]) -> None:
        """Take these refusals (customer, agent or ANYBODY, until) in place of all known."""
        self.refused = {}
        for customer, agent, until in refusals:
            self.refuse(customer, agent, until)

    def adopt(self, new: Callbacks) -> None:
        """Take over the bindings of `new`, with the windows known here where there are any; refusals stay."""
        mine = self._histories
        self._histories = {binding: mine.get(binding, history) for binding, history in new._histories.items()}
