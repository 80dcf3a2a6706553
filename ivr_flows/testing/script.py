"""What the caller of a test does, step by step; between the steps time passes as the flow needs it.

keys: "1234#"    listen until the flow takes keys, then press these, a fifth of a second apart
ahead: "1"       press these at once, whatever plays
timeout          listen, press nothing, and wait until the flow gives up waiting
hear: zh/welcome listen until this is played; `*` stands for anything
until: NODE      wait until the flow enters a node
wait: 3s         let this much time pass
speak: 12s       wait for the beep and leave a message; {for: 12s, key: "#"} ends it by a key
hangup           hang up
"""

from __future__ import annotations

from typing import Final

from ivr_flows.errors import did_you_mean
from ivr_flows.model import DTMF, Duration
from ivr_flows.position import Waiting
from ivr_flows.testing.call import VirtualCall
from ivr_flows.testing.world import like

MOST: Final = 10_000
"""Things that may happen in one call; a flow's own limit on steps is far lower."""

_WORDS: Final = ("timeout", "hangup")
_VALUED: Final = ("keys", "ahead", "hear", "until", "wait", "speak")


class Step:
    """One step of a script."""

    __slots__ = ("does", "key", "seconds", "text")

    def __init__(self, written: object) -> None:
        known = (*_WORDS, *_VALUED)
        self.key, self.seconds, self.text = "", 0.0, ""
        if isinstance(written, str):
            if written not in _WORDS:
                hint = did_you_mean(written, known) or f"one of {', '.join(known)}"
                raise ValueError(f"'{written}' is not a step; {hint}")
            self.does = written
            return
        if not isinstance(written, dict) or len(written) != 1:
            raise ValueError('a step is one thing, such as {keys: "1"} or timeout')
        ((does, value),) = written.items()
        if does not in _VALUED:
            raise ValueError(f"'{does}' is not a step; {did_you_mean(does, known) or 'one of ' + ', '.join(known)}")
        self.does = does
        if does == "speak" and isinstance(value, dict):
            if value.keys() - {"for", "key"} or "for" not in value:
                raise ValueError('write {for: 12s, key: "#"}')
            self.key, value = str(value.get("key", "")), value["for"]
        if does in ("wait", "speak"):
            self.seconds = Duration.read(value)
        elif not isinstance(value, str) or not value:
            raise ValueError(f"{does}: expected text; put it in quotes")
        elif does in ("keys", "ahead") and set(value) - DTMF:
            raise ValueError(f"{does}: the keys are 0 to 9, *, # and A to D")
        else:
            self.text = value

    def perform(self, call: VirtualCall) -> str:
        """Do it; say what kept the caller from doing so, or nothing."""
        match self.does:
            case "keys":
                return _keys(call, self.text)
            case "ahead":
                call.press(self.text)
            case "timeout":
                return _timeout(call)
            case "hear":
                return _hear(call, self.text)
            case "until":
                return _until(call, self.text)
            case "wait":
                call.run_until(call.now + self.seconds)
            case "speak":
                return _speak(call, self.seconds, self.key)
            case "hangup":
                if call.ended:
                    return "the flow has hung up before"
                call.leave()
        return ""


def run_out(call: VirtualCall) -> str:
    """Let everything happen until the flow is over; the caller does nothing any more."""
    for _ in range(MOST):
        if call.ended:
            return ""
        call.run_next()
    return f"the flow goes on for ever, at '{call.position.node}'"


def _keys(call: VirtualCall, keys: str) -> str:
    for _ in range(MOST):
        if call.asks:
            call.press(keys)
            return ""
        if call.ended:
            break
        call.run_next()
    return _too_late(call, "no keys were asked for")


def _timeout(call: VirtualCall) -> str:
    for _ in range(MOST):
        if call.ended:
            return _too_late(call, "no keys were asked for")
        asked = call.position.waiting is Waiting.KEYING
        deadline = call.position.deadline
        call.run_next()
        if asked and deadline is not None and call.now >= deadline:
            break
    return ""


def _hear(call: VirtualCall, name: str) -> str:
    heard = max(len(call.heard) - 1, 0)
    for _ in range(MOST):
        if any(like(name, part) for parts in call.heard[heard:] for part in parts):
            return ""
        if call.ended:
            break
        heard = len(call.heard)
        call.run_next()
    return _too_late(call, f"'{name}' was not heard")


def _until(call: VirtualCall, node: str) -> str:
    path = call.position.path
    walked = max(len(path) - 1, 0)
    for _ in range(MOST):
        if node in path[walked:]:
            return ""
        if call.ended:
            break
        walked = len(path)
        call.run_next()
    return _too_late(call, f"'{node}' was not entered")


def _speak(call: VirtualCall, seconds: float, key: str) -> str:
    for _ in range(MOST):
        if call.speak(seconds, key):
            return ""
        if call.ended:
            break
        call.run_next()
    return _too_late(call, "no message was taken")


def _too_late(call: VirtualCall, what: str) -> str:
    return f"{what} before the flow ended at '{call.position.node}' ({call.outcome})"
