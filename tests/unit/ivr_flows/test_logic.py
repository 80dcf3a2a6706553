from __future__ import annotations

import msgspec
import pytest

from ivr_flows.actions import Answer, Hangup, StopPlay
from ivr_flows.clock import LocalTime
from ivr_flows.events import PlayDone
from ivr_flows.loader import parse_flow
from ivr_flows.machine import Position
from tests.support.flow_caller import HEAD, Caller, flow_of, linked, play


class Noon:
    """A clock that stands at noon of a working day."""

    def local(self, now: float) -> LocalTime:
        """Return noon."""
        return LocalTime("2026-11-23", "12:00", 1, True, "")


class TestBranch:
    """A branch node."""

    FLOW = parse_flow(
        HEAD
        + "  a: {type: branch, when: [{if: 'called == 1', next: one}, {if: 'called < 3', next: two}], else: more}\n"
        "  one: {type: hangup}\n  two: {type: hangup, cause: busy}\n  more: {type: hangup, cause: unknown}\n",
        "f",
    )

    @pytest.mark.parametrize(("called", "cause"), [("1", "normal"), ("2", "busy"), ("3", "unknown"), ("", "unknown")])
    def test_first_that_holds(self, called: str, cause: str) -> None:
        """The first condition that holds decides, else `else`."""
        assert Caller(self.FLOW, called=called).position.cause == cause

    def test_time(self) -> None:
        """A condition may ask the clock that the call brings."""
        flow = flow_of(
            "  a: {type: branch, when: [{if: \"workday() and between('09:00', '18:00')\", next: open}], else: shut}\n"
            "  open: {type: hangup}\n  shut: {type: hangup, cause: rejected}\n"
        )
        assert Caller(flow, clock=Noon()).position.cause == "normal"
        assert Caller(flow).position.cause == "rejected"


class TestSet:
    """A set node."""

    def test_one_after_another(self) -> None:
        """Values are worked out in their order."""
        nodes = (
            "  a: {type: set, values: {n: 'n + 1', twice: 'n * 2', five: 5, name: {text: '{city}-{n}'}, no: 'n == 0'},"
            " next: b}\n  b: {type: hangup}\n"
        )
        variables = Caller(flow_of(nodes, "variables: {n: 3, city: 北京}\n")).position.variables
        assert variables == {"language": "zh", "city": "北京", "n": 4, "twice": 8, "five": 5, "name": "北京-4", "no": 0}

    def test_secrets_stay_secret(self) -> None:
        """What is worked out from a secret is one as well."""
        nodes = (
            "  a: {type: set, values: {tail: 'part(caller, -4)', copy: {text: 'x{tail}'}, n: 1}, next: b}\n"
            "  b: {type: branch, when: [{if: \"tail == '8000'\", next: c}], else: d}\n"
            "  c: {type: hangup}\n  d: {type: hangup, cause: failed}\n"
        )
        position = Caller(flow_of(nodes), caller="13800138000").position
        assert position.secrets == {"caller": "13800138000", "tail": "8000", "copy": "x8000"}
        assert position.variables == {"language": "zh", "n": 1}
        assert position.cause == "normal"

    def test_values_do_not_grow_without_end(self) -> None:
        """A text that doubles at each turn is cut."""
        nodes = (
            "  a: {type: set, values: {x: {text: '{x}{x}'}}, next: b}\n"
            "  b: {type: branch, when: [{if: 'visits.b < 400', next: a}], else: c}\n  c: {type: hangup}\n"
        )
        position = Caller(flow_of(nodes, "variables: {x: ab}\n")).position
        assert (position.cause, len(str(position.variables["x"]))) == ("normal", 1000)


class TestGoto:
    """A goto node."""

    def test_goes_on(self) -> None:
        """It leads on at once and is part of the path."""
        position = Caller(flow_of("  a: {type: goto, next: b}\n  b: {type: hangup}\n")).position
        assert position.path == ["a", "b"]


INNER = (
    "flow: inner\nlanguage: en\nparameters: [amount, pin]\nresults: [sum, tail, none]\nvariables: {rate: 3}\nstart: a\n"
    "nodes:\n"
    "  a: {type: play, prompts: [{zh: zh/a, en: en/a}], barge_in: true, next: b}\n"
    "  b: {type: return, results: {sum: 'amount * rate', tail: 'part(pin, -2)'}}\n"
)
OUTER = (
    "flow: outer\nstart: a\nvariables: {amount: 7, rate: 1}\nnodes:\n"
    "  a: {type: collect, into: pin, max: 6, secret: true, next: b, on_timeout: c, on_invalid: c}\n"
    "  b: {type: subflow, flow: inner, with: {amount: 'amount + 1', pin: pin},"
    " results: {total: sum, tail: tail, gone: none}, next: c}\n"
    "  c: {type: hangup, prompts: [zh/c]}\n"
)


class TestSubflow:
    """Flows within flows."""

    def test_there_and_back(self) -> None:
        """Parameters go in, results come back, and each flow has its own variables and visits."""
        caller = Caller(linked(OUTER, INNER), called="400")
        caller.keys("987654")
        inside = caller.position
        assert (inside.inside, inside.flow, inside.node) == ("inner", "outer", "a")
        assert inside.variables == {"language": "zh", "called": "400", "rate": 3, "amount": 8}
        assert inside.secrets == {"pin": "987654"}
        assert inside.visits == {"a": 1}
        assert caller.send(PlayDone(1)) == [play("zh/c", play_id=2)]
        outside = caller.position
        assert (outside.inside, outside.node, outside.frames) == ("outer", "c", [])
        assert outside.variables["total"] == 24
        assert outside.variables["rate"] == 1
        assert outside.variables["gone"] == ""
        assert outside.secrets == {"pin": "987654", "tail": "54"}
        assert outside.path == ["a", "b", "inner.a", "inner.b", "c"]

    def test_written_down_inside(self) -> None:
        """A position inside a sub-flow survives writing down, and its secrets stay out of what is shown."""
        caller = Caller(linked(OUTER, INNER))
        caller.keys("987654")
        data = msgspec.msgpack.encode(caller.position)
        assert b"987654" not in msgspec.msgpack.encode(caller.position.redacted())
        caller.position = msgspec.msgpack.decode(data, type=Position)
        assert caller.send(PlayDone(1)) == [play("zh/c", play_id=2)]

    def test_keys_ahead_go_in(self) -> None:
        """Keys pressed ahead skip what a sub-flow says, too."""
        caller = Caller(linked(OUTER, INNER))
        assert caller.keys("9876541")[-2:] == [StopPlay(), play("zh/c", play_id=2)]

    def test_hang_up_inside(self) -> None:
        """A sub-flow that hangs up ends the call."""
        inner = "flow: inner\nstart: a\nnodes:\n  a: {type: hangup, cause: busy}\n"
        outer = HEAD + "  a: {type: subflow, flow: inner, next: b}\n  b: {type: hangup}\n"
        caller = Caller(linked(outer, inner))
        assert caller.did == [Answer(), Hangup("busy")]
        assert caller.position.ended

    def test_return_of_the_first_flow(self) -> None:
        """There is nothing to return to from the flow the call began with."""
        assert Caller(flow_of("  a: {type: return}\n")).did == [Answer(), Hangup("normal")]

    def test_depth(self) -> None:
        """Flows that enter each other without end are stopped."""
        one = "flow: one\nstart: a\nnodes:\n  a: {type: subflow, flow: two, next: b}\n  b: {type: hangup}\n"
        two = "flow: two\nstart: a\nnodes:\n  a: {type: subflow, flow: one, next: b}\n  b: {type: return}\n"
        caller = Caller(linked(one, two))
        assert caller.did == [Answer(), Hangup("failed")]
        assert (caller.position.exhausted, len(caller.position.frames)) == (True, 10)

    def test_step_limit_over_all(self) -> None:
        """The first flow's limit counts the steps of all."""
        inner = (
            "flow: inner\nstart: a\nnodes:\n"
            "  a: {type: branch, when: [{if: 'visits.a < 30', next: a}], else: b}\n  b: {type: return}\n"
        )
        outer = "step_limit: 20\n" + HEAD + "  a: {type: subflow, flow: inner, next: b}\n  b: {type: hangup}\n"
        position = Caller(linked(outer, inner)).position
        assert (position.exhausted, position.steps, position.cause) == (True, 21, "failed")

    def test_flow_that_was_not_linked(self) -> None:
        """A sub-flow that is not there ends the call as a failure."""
        flow = parse_flow(HEAD + "  a: {type: subflow, flow: nowhere, next: b}\n  b: {type: hangup}\n", "f")
        assert Caller(flow).did == [Answer(), Hangup("failed")]
