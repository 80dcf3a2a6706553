from __future__ import annotations

import pytest

from ivr_flows.errors import FlowError
from ivr_flows.loader import parse_flow

COLLECT = "type: collect, into: x, max: 1, prompts: [zh/a]"
TRANSFER = "type: dial, target: 'aor:x'"


def flow(**nodes: str) -> str:
    """Return a flow's text; it starts at its first node."""
    lines = [f"  {name}: {{{content}}}" for name, content in nodes.items()]
    return "\n".join(["flow: f", "answer: now", f"start: {next(iter(nodes))}", "nodes:", *lines, ""])


def faults(text: str) -> list[str]:
    """Return every fault of a text without the file's name."""
    try:
        parse_flow(text, "f")
    except FlowError as error:
        return [str(fault).removeprefix("f:") for fault in error.all]
    return []


ACCEPTED = {
    "music without end": flow(a="type: play, prompts: [m/a], loop: true"),
    "a circle that needs a key": flow(a=f"{COLLECT}, next: a, on_timeout: bye, on_invalid: a", bye="type: hangup"),
    "a circle that is counted": flow(
        a=f"{COLLECT}, next: bye, on_timeout: again, on_invalid: bye",
        again="type: branch, when: [{if: 'visits.again < 3', next: a}], else: bye",
        bye="type: hangup",
    ),
    "a transfer tried again by count": flow(
        a=f"{TRANSFER}, next: bye, on: {{other: again}}",
        again="type: branch, when: [{if: 'visits.a < 3', next: a}], else: bye",
        bye="type: hangup",
    ),
    "music for a while": flow(a="type: play, prompts: [m/a], loop: true, limit: 30s, next: bye", bye="type: hangup"),
}
REFUSED = {
    "nothing leads there": (
        flow(a="type: hangup", b="type: hangup", c="type: play, prompts: [m/a], next: b"),
        [
            "6:3: nothing leads to 'b'; lead an exit there, or remove it",
            "7:3: nothing leads to 'c'; lead an exit there, or remove it",
        ],
    ),
    "an island of two": (
        flow(
            a="type: hangup",
            b=f"{COLLECT}, next: c, on_timeout: a, on_invalid: c",
            c="type: play, prompts: [m/a], next: b",
        ),
        [
            "6:3: nothing leads to 'b'; lead an exit there, or remove it",
            "7:3: nothing leads to 'c'; lead an exit there, or remove it",
        ],
    ),
    "no way out": (
        flow(
            a=f"{COLLECT}, next: b, on_timeout: bye, on_invalid: b",
            b=f"{COLLECT}, next: b, on_timeout: count, on_invalid: b",
            count="type: branch, when: [{if: 'visits.b < 3', next: b}], else: b",
            bye="type: hangup",
        ),
        [
            "6:3: no way from 'b' to a hang-up; give one of its exits a way out",
            "7:3: no way from 'count' to a hang-up; give one of its exits a way out",
        ],
    ),
    "branches chase each other": (
        flow(
            a="type: branch, when: [{if: 'called', next: b}], else: bye",
            b="type: branch, when: [], else: a",
            bye="type: hangup",
        ),
        ["5:3: 'a -> b' goes round without input; collect digits, or count with a branch on visits.a"],
    ),
    "a branch to itself": (
        flow(a="type: branch, when: [{if: 'called', next: a}], else: bye", bye="type: hangup"),
        ["5:3: 'a' goes round without input; collect digits, or count with a branch on visits.a"],
    ),
    "a silent caller is asked for ever": (
        flow(
            a=f"{COLLECT}, next: bye, on_timeout: b, on_invalid: bye",
            b="type: play, prompts: [m/a], next: a",
            bye="type: hangup",
        ),
        ["5:3: 'a -> b' goes round without input; collect digits, or count with a branch on visits.a"],
    ),
    "two circles": (
        flow(
            a=f"{COLLECT}, next: c, on_timeout: a, on_invalid: bye",
            c=f"{TRANSFER}, next: bye, on: {{other: d}}",
            d="type: play, prompts: [m/a], next: c",
            bye="type: hangup",
        ),
        [
            "5:3: 'a' goes round without input; collect digits, or count with a branch on visits.a",
            "6:3: 'c -> d' goes round without input; collect digits, or count with a branch on visits.c",
        ],
    ),
}


class TestWholeFlow:
    """What only the whole of a flow shows."""

    @pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
    def test_accepted(self, text: str) -> None:
        """A flow that ends, whatever the caller does, passes."""
        assert faults(text) == []

    @pytest.mark.parametrize(("text", "expected"), REFUSED.values(), ids=REFUSED.keys())
    def test_refused(self, text: str, expected: list[str]) -> None:
        """A flow that cannot end, or has parts nobody reaches, is refused at the nodes concerned."""
        assert faults(text) == expected
