from __future__ import annotations

import msgspec
import pytest

from ivr_flows.actions import Answer, Hangup, Queue, Speech, Transfer
from ivr_flows.events import QueueEnded, TimerDue, TransferEnded
from ivr_flows.loader import parse_flow
from ivr_flows.machine import Waiting
from ivr_flows.model import FAILURES
from tests.support.flow_caller import HEAD, Caller, flow_of


class TestTransfer:
    """Extension and dial nodes."""

    TEXT = HEAD + (
        "  a: {type: extension, number: '{called}', extension: '{extension}', ring_timeout: 20s, next: bye,"
        " on: {busy: busy, other: rest}}\n"
        "  bye: {type: hangup}\n  busy: {type: hangup, cause: busy}\n  rest: {type: hangup, cause: failed}\n"
    )
    FLOW = parse_flow(TEXT, "f")

    def test_action(self) -> None:
        """The action says whom to call, what to play and how long to let it ring."""
        caller = Caller(self.FLOW, called="4008001234", extension="123456")
        assert caller.did == [
            Answer(),
            Transfer(number="4008001234", extension="123456", ringback="tone:ringback", ring_timeout=20.0),
        ]
        assert caller.position.waiting is Waiting.TRANSFERRING

    def test_target(self) -> None:
        """A target given in full is passed on as it is."""
        flow = parse_flow(
            self.TEXT.replace("extension, number: '{called}', extension: '{extension}'", "dial, target: 'aor:x'"), "f"
        )
        assert Caller(flow).did[1] == Transfer(target="aor:x", ringback="tone:ringback", ring_timeout=20.0)

    def test_silent_transfer(self) -> None:
        """An empty ringback is none."""
        flow = parse_flow(self.TEXT.replace("ring_timeout: 20s", "ringback: ''"), "f")
        assert Caller(flow).did[1] == Transfer(number="", extension="", ringback="", ring_timeout=30.0)
        assert flow.prompt_names() == frozenset()

    @pytest.mark.parametrize(
        ("outcome", "cause"),
        [
            ("completed", "normal"),
            ("busy", "busy"),
            ("unknown", "failed"),
            ("no_answer", "failed"),
            ("unregistered", "failed"),
            ("failed", "failed"),
        ],
    )
    def test_outcomes(self, outcome: str, cause: str) -> None:
        """Each outcome has its way out; those not named take `other`."""
        event = msgspec.convert({"type": "transfer_ended", "outcome": outcome}, TransferEnded)
        assert Caller(self.FLOW).send(event) == [Hangup(cause)]  # type: ignore[arg-type]

    def test_outcome_nobody_foresaw(self) -> None:
        """An outcome newer than the flow is a failure, not an exception."""
        named = ", ".join(f"{failure}: {'rest' if failure == 'failed' else 'busy'}" for failure in FAILURES)
        on = f"on: {{{named}}}"
        flow = parse_flow(self.TEXT.replace("on: {busy: busy, other: rest}", on), "f")
        assert Caller(flow).send(TransferEnded("abducted")) == [Hangup("failed")]  # type: ignore[arg-type]

    def test_keys_during_the_transfer(self) -> None:
        """Keys pressed while ringing or talking do not reach the flow."""
        caller = Caller(self.FLOW)
        assert caller.keys("123") == []
        assert caller.position.typed == ""

    def test_what_was_typed_is_forgotten(self) -> None:
        """Keys left over from the entry that led here do not count for the next one."""
        caller = Caller(self.FLOW)
        caller.position.typed = "9"
        caller.send(TransferEnded("busy"))
        assert caller.position.typed == ""

    def test_deadline(self) -> None:
        """A transfer whose end is never reported ends the call a day after the ringing."""
        caller = Caller(self.FLOW)
        assert caller.send(TimerDue()) == []
        assert caller.position.deadline == 100.0 + 20.0 + 86400.0
        assert caller.wait() == [Hangup("failed")]

    def test_reason(self) -> None:
        """The failure's name is a variable, for a branch that several failures share."""
        caller = Caller(self.FLOW)
        caller.send(TransferEnded("quarantine"))
        assert caller.position.variables["reason"] == "quarantine"

    def test_what_the_binding_is_for(self) -> None:
        """Its store, city and label are variables, after a talk as well."""
        for outcome in ("busy", "completed"):
            caller = Caller(self.FLOW)
            caller.send(TransferEnded(outcome, {"store": "望京店", "label": "Flat 3"}))  # type: ignore[arg-type]
            known = caller.position.variables
            assert (known["store"], known["label"], known.get("city")) == ("望京店", "Flat 3", None)

    def test_as_it_is_written(self) -> None:
        """Without anything else, an extension node takes the number and extension that were dialled."""
        flow = flow_of("  a: {type: extension, next: b, on: {other: b}}\n  b: {type: hangup}\n")
        transfer = Caller(flow, called="400", extension="12").did[1]
        assert transfer == Transfer(number="400", extension="12", ringback="tone:ringback", ring_timeout=30.0)

    def test_secret_target(self) -> None:
        """A secret may be dialled; it is part of the action only."""
        flow = flow_of("  a: {type: dial, target: 'tel:{caller}', next: b, on: {other: b}}\n  b: {type: hangup}\n")
        caller = Caller(flow, caller="13800138000")
        assert caller.did[1] == Transfer(target="tel:13800138000", ringback="tone:ringback")
        assert b"13800138000" not in msgspec.msgpack.encode(caller.position.redacted())


class TestQueue:
    """A queue node."""

    def test_who_is_preferred_and_may_be_called_back(self) -> None:
        """The agent asked for, the weight of the caller and the key for being called back are in the action."""
        flow = flow_of(
            "  a: {type: queue, group: north, vip: rank, preferred: '{last}', callback: '1', next: b,"
            " on: {callback: back, other: b}}\n  b: {type: hangup}\n  back: {type: hangup, cause: busy}\n",
            "variables: {rank: 3, last: alice}\n",
        )
        caller = Caller(flow)
        queue = caller.did[1]
        assert isinstance(queue, Queue)
        assert (queue.vip, queue.preferred, queue.callback_key) == (3, "alice", "1")
        assert caller.send(QueueEnded("callback")) == [Hangup("busy")]

    NODES = (
        "  a: {type: queue, group: '{city}', priority: 'vip * 10', skills: 'lang={language}', max_wait: 2m, limit: 1h,"
        " prompts: [{say: 请稍候}, music/hold], next: bye, on: {full: full, other: rest}}\n"
        "  bye: {type: hangup}\n  full: {type: hangup, cause: busy}\n  rest: {type: hangup, cause: failed}\n"
    )
    FLOW = flow_of(NODES, "variables: {city: north, vip: 2}\n")

    def test_action(self) -> None:
        """The action names group, priority, music and how long to wait."""
        caller = Caller(self.FLOW)
        assert caller.did[1] == Queue("north", 20, (Speech("请稍候", "zh"), "music/hold"), 120.0, "lang=zh")
        assert (caller.position.waiting, caller.position.deadline) == (Waiting.QUEUED, 100.0 + 120.0 + 3600.0)

    @pytest.mark.parametrize(
        ("outcome", "cause"),
        [
            ("completed", "normal"),
            ("full", "busy"),
            ("empty", "failed"),
            ("timeout", "failed"),
            ("failed", "failed"),
            ("closed", "failed"),
            ("estimate", "failed"),
        ],
    )
    def test_outcomes(self, outcome: str, cause: str) -> None:
        """Each outcome has its way out, and its name is a variable unless there was a talk."""
        caller = Caller(self.FLOW)
        event = msgspec.convert({"type": "queue_ended", "outcome": outcome}, QueueEnded)
        assert caller.send(event) == [Hangup(cause)]  # type: ignore[arg-type]
        assert caller.position.variables.get("reason") == (None if outcome == "completed" else outcome)

    def test_keys_are_not_the_flows(self) -> None:
        """Keys pressed while waiting or talking are not kept, nor those left over from before."""
        caller = Caller(self.FLOW)
        caller.position.typed = "9"
        assert caller.keys("123") == []
        assert Caller(self.FLOW).position.typed == ""

    def test_queue_that_forgets(self) -> None:
        """A stay whose end is never reported ends with the longest wait and talk."""
        assert Caller(self.FLOW).wait() == [Hangup("failed")]

    def test_defaults(self) -> None:
        """Only the group and the exits must be given."""
        flow = flow_of("  a: {type: queue, group: g, next: b, on: {other: b}}\n  b: {type: hangup}\n")
        assert Caller(flow).did == [Answer(), Queue("g", 0, ("music/hold",), 600.0, "")]

    @pytest.mark.parametrize(("vip", "priority"), [("x", 0), (10**9, 1000), (-(10**9), -1000)])
    def test_priority_is_a_number_within_bounds(self, vip: str | int, priority: int) -> None:
        """A priority that is none is 0, and none is beyond all others."""
        action = Caller(self.FLOW, vip=vip).did[1]
        assert isinstance(action, Queue)
        assert action.priority == priority
