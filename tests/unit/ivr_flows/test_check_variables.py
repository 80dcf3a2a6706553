from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.checks import check
from ivr_flows.loader import parse_flow
from ivr_flows.source import Source

BYE = "  bye: {type: hangup}\n"


def faults(nodes: str, header: str = "") -> list[tuple[str, int, str]]:
    """Return code, line and message of every fault; the first node stands in line 5."""
    text = f"flow: f\nstart: a\n{header or 'language: zh'}\nnodes:\n{nodes}{BYE}"
    flow = parse_flow(text, "f", checked=False)
    return [(fault.code, fault.line, fault.message) for fault in check(flow, Source(text, "f"))]


SAYS = "{type: say, text: '{x}', next: bye}\n"
FINE = {
    "an input": "  a: {type: say, text: '{called}', next: bye}\n",
    "set before": "  a: {type: set, values: {x: 1}, next: b}\n  b: " + SAYS,
    "set by one value for the next": "  a: {type: set, values: {x: 1, y: x}, next: bye}\n",
    "keyed": "  a: {type: collect, into: x, max: 1, next: b, on_timeout: bye, on_invalid: bye}\n  b: " + SAYS,
    "chosen": "  a: {type: menu, into: x, keys: {'1': b}, on_timeout: bye, on_invalid: bye}\n  b: " + SAYS,
    "answered": "  a: {type: http, url: 'http://b', set: {x: x}, next: b, on_error: bye, on_status: {'404': b}}\n  b: "
    + SAYS,
    "asked in a survey": "  a: {type: survey, questions: [{name: x, prompts: [q]}], next: b, on_none: b}\n  b: " + SAYS,
    "returned": "  a: {type: subflow, flow: f, results: {x: y}, next: b}\n  b: " + SAYS,
    "why it failed": "  a: {type: dial, target: 'aor:x', next: bye, on: {other: b}}\n"
    "  b: {type: say, text: '{reason}', next: bye}\n",
    "who calls": "  a: {type: identify, url: 'http://b', ask: {method: m, max: 4, prompts: [q]}, own_number: b,"
    " verified: b, failed: b, unavailable: b}\n  b: {type: say, text: '{subject}{identity}', next: bye}\n",
    "there, as has() found": "  a: {type: collect, into: x, max: 1, next: b, on_timeout: b, on_invalid: b}\n"
    "  b: {type: branch, when: [{if: has(x), next: c}], else: bye}\n  c: " + SAYS,
    "there, as not has() found": "  a: {type: collect, into: x, max: 1, next: b, on_timeout: b, on_invalid: b}\n"
    "  b: {type: branch, when: [{if: not has(x), next: bye}, {if: x == 1, next: bye}], else: c}\n  c: " + SAYS,
    "there, and more": "  a: {type: collect, into: x, max: 1, next: b, on_timeout: b, on_invalid: b}\n"
    "  b: {type: branch, when: [{if: has(x) and called, next: c}], else: bye}\n  c: " + SAYS,
}
UNSET = {
    "after a timeout": (
        "  a: {type: collect, into: x, max: 1, next: b, on_timeout: b, on_invalid: bye}\n  b: " + SAYS,
        (6, "'x' is not set on the way a -> b"),
    ),
    "after a wrong key": (
        "  a: {type: menu, into: x, keys: {'1': b}, on_timeout: bye, on_invalid: b}\n  b: " + SAYS,
        (6, "'x' is not set on the way a -> b"),
    ),
    "on the way past it": (
        "  a: {type: branch, when: [{if: called, next: b}], else: c}\n"
        "  b: {type: set, values: {x: 1}, next: c}\n  c: {type: goto, next: d}\n  d: " + SAYS,
        (8, "'x' is not set on the way a -> c -> d"),
    ),
    "the first time round": (
        "  a: {type: branch, when: [{if: x == 1, next: bye}], else: b}\n"
        "  b: {type: collect, into: x, max: 1, next: a, on_timeout: bye, on_invalid: bye}\n",
        (5, "'x' is not set yet when a call comes to 'a'"),
    ),
    "by a later value of the same node": (
        "  a: {type: set, values: {y: x, x: 1}, next: bye}\n",
        (5, "'x' is not set yet when a call comes to 'a'"),
    ),
    "where has() did not hold": (
        "  a: {type: collect, into: x, max: 1, next: b, on_timeout: b, on_invalid: b}\n"
        "  b: {type: branch, when: [{if: has(x) or called, next: c}], else: bye}\n  c: " + SAYS,
        (7, "'x' is not set on the way a -> b -> c"),
    ),
    "asked for with has(), and read as well": (
        "  a: {type: collect, into: x, max: 1, next: b, on_timeout: b, on_invalid: b}\n"
        "  b: {type: branch, when: [{if: has(x) and x > 1, next: bye}], else: bye}\n",
        (6, "'x' is not set on the way a -> b"),
    ),
}


class TestVariables:
    """Whether variables are set where they are read."""

    @pytest.mark.parametrize("nodes", FINE.values(), ids=FINE.keys())
    def test_set(self, nodes: str) -> None:
        """What is set on every way may be read."""
        assert faults(nodes) == []

    @pytest.mark.parametrize("header", ["variables: {x: ''}", "parameters: [x]"])
    def test_set_from_the_first(self, header: str) -> None:
        """Variables of the header and parameters are set before any node."""
        assert faults("  a: " + SAYS, header) == []

    @pytest.mark.parametrize(("nodes", "expected"), UNSET.values(), ids=UNSET.keys())
    def test_unset(self, nodes: str, expected: tuple[int, str]) -> None:
        """What is not set on one of the ways is told, with the shortest such way."""
        assert faults(nodes) == [("unset-variable", *expected)]

    @given(
        st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 5)), min_size=6, max_size=6),
    )
    def test_like_walking_all_ways(self, shape: list[tuple[bool, int, int]]) -> None:
        """On flows wired at random, a reading is told exactly when some way leads there without setting it."""
        nodes = ""
        for index, (sets, left, right) in enumerate(shape):
            nodes += f"  n{index}: {{type: branch, when: [{{if: visits.n0 > 9, next: bye}}], else: s{index}}}\n"
            nodes += f"  s{index}: {{type: set, values: {{{'x' if sets else 'y'}: 1}}, next: k{index}}}\n"
            nodes += (
                f"  k{index}: {{type: menu, keys: {{'1': n{left}, '2': n{right}, '3': r{index}}}, "
                "on_timeout: bye, on_invalid: bye}\n"
            )
            nodes += f"  r{index}: {{type: say, text: '{{x}}', next: bye}}\n"
        text = f"flow: f\nstart: n0\nnodes:\n{nodes}  z: {{type: set, values: {{x: 1}}, next: bye}}\n{BYE}"
        flow = parse_flow(text, "f", checked=False)
        told = {
            fault.message.rpartition(" -> ")[2]
            for fault in check(flow, Source(text, "f"))
            if "not set" in fault.message
        }
        unset: set[int] = set()
        todo = [0]
        while todo:  # every circle of the shape that can be reached while x is not set
            at = todo.pop()
            if at not in unset and not shape[at][0]:
                unset.add(at)
                todo += shape[at][1:]
        assert told == {f"r{index}" for index in unset}


class TestNames:
    """Names that variables can have."""

    @pytest.mark.parametrize(
        ("nodes", "header"),
        [
            ("  a: {type: set, values: {visits: 1}, next: bye}\n", ""),
            ("  a: {type: set, values: {and: 1}, next: bye}\n", ""),
            ("  a: {type: collect, into: 'a b', max: 1, next: bye, on_timeout: bye, on_invalid: bye}\n", ""),
            ("  a: {type: menu, into: '1', keys: {'1': bye}, on_timeout: bye, on_invalid: bye}\n", ""),
            ("  a: {type: http, url: 'http://b', set: {x-y: x}, next: bye, on_error: bye}\n", ""),
            ("  a: {type: goto, next: bye}\n", "variables: {'a-b': 1}"),
            ("  a: {type: goto, next: bye}\n", "parameters: ['a-b']"),
            ("  a: {type: set, values: {caller: \"'10086'\"}, next: bye}\n", ""),
        ],
    )
    def test_refused(self, nodes: str, header: str) -> None:
        """Words of expressions, what is no name, and the calling number cannot be set."""
        assert [code for code, _, _ in faults(nodes, header)] == ["bad-variable"]


class TestSecrets:
    """Where secrets may be read, and where not."""

    PIN = "  a: {type: collect, into: pin, max: 6, secret: true, next: b, on_timeout: bye, on_invalid: bye}\n"

    @pytest.mark.parametrize(
        "node",
        [
            "{type: branch, when: [{if: \"pin == '123456' or starts(caller, '139')\", next: bye}], else: bye}",
            "{type: http, method: POST, url: 'http://b', json: {pin: '{pin}', at: [{n: '{caller}'}]},"
            " next: bye, on_error: bye}",
            "{type: callback, next: bye, on_refused: bye}",
            "{type: callback, number: '{pin}', next: bye, on_refused: bye}",
            "{type: set, values: {pin: 'part(pin, 1, 4)'}, next: bye}",
        ],
    )
    def test_kept(self, node: str) -> None:
        """They may be compared, sent in a body, called back, and cut down to another secret."""
        assert faults(f"{self.PIN}  b: {node}\n") == []

    @pytest.mark.parametrize(
        ("node", "harm"),
        [
            ("{type: say, text: {zh: 好, en: '{pin|digits}'}, next: bye}", "heard"),
            ("{type: play, prompts: ['digits/{pin}'], next: bye}", "heard"),
            ("{type: hangup, prompts: [{say: '{caller}'}]}", "heard"),
            ("{type: menu, prompts: ['{pin}'], keys: {'1': bye}, on_timeout: bye, on_invalid: bye}", "heard"),
            ("{type: http, url: 'http://b/{pin}', next: bye, on_error: bye}", "address"),
            ("{type: http, url: 'http://b', headers: {X: '{pin}'}, next: bye, on_error: bye}", "header"),
            ("{type: http, url: 'http://b', while: ['{pin}'], next: bye, on_error: bye}", "heard"),
            ("{type: set, values: {x: 'pin'}, next: bye}", "copied"),
            ("{type: set, values: {x: {text: '{caller}'}}, next: bye}", "copied"),
            ("{type: extension, extension: '{pin}', next: bye, on: {other: bye}}", "called"),
            ("{type: dial, target: 'tel:{caller}', next: bye, on: {other: bye}}", "called"),
            ("{type: queue, group: '{pin}', next: bye, on: {other: bye}}", "group"),
            ("{type: queue, group: g, skills: '{pin}', next: bye, on: {other: bye}}", "skill"),
            ("{type: queue, group: g, priority: pin, next: bye, on: {other: bye}}", "priority"),
            ("{type: voicemail, box: '{caller}', next: bye, on_empty: bye, on_error: bye}", "mailbox"),
            ("{type: callback, group: '{pin}', next: bye, on_refused: bye}", "group"),
            ("{type: subflow, flow: f, with: {x: pin}, next: bye}", "another flow"),
        ],
    )
    def test_shown(self, node: str, harm: str) -> None:
        """Everywhere else they would be seen or heard by others."""
        ((code, line, message),) = faults(f"{self.PIN}  b: {node}\n")
        assert (code, line) == ("secret-logged", 6)
        assert harm in message

    def test_sometimes_a_secret(self) -> None:
        """A variable that one entry takes as a secret is not to be taken openly by another."""
        ((code, line, message),) = faults(
            f"{self.PIN}  b: {{type: collect, into: pin, max: 6, next: bye, on_timeout: bye, on_invalid: bye}}\n"
        )
        assert (code, line, message) == ("secret-logged", 6, "'pin' is a secret elsewhere, and recorded here")
