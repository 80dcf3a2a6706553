from __future__ import annotations

import itertools
from typing import get_args

import msgspec
import pytest

from ivr_flows.actions import (
    Action,
    Answer,
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
    Refuse,
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
    MailboxDone,
    MessageDone,
    PlayDone,
    QueueEnded,
    TimerDue,
    TransferEnded,
)
from ivr_flows.loader import parse_flow
from ivr_flows.machine import ENTER, TRANSITIONS, Position, Waiting, start
from ivr_flows.model import NODE_TYPES
from ivr_flows.position import Frame, TrailEntry
from tests.support.flow_caller import HEAD, Caller, collect, flow_of, linked, play


class TestStart:
    """Entering a flow."""

    def test_answers_first(self) -> None:
        """A flow that answers now does so before it speaks."""
        caller = Caller(collect("max: 2, prompts: [zh/a, zh/b]"))
        assert caller.did == [Answer(), play("zh/a", "zh/b", play_id=1)]
        assert caller.position.waiting is Waiting.PROMPTING

    @pytest.mark.parametrize("answer", ["early", "on_connect"])
    def test_does_not_answer(self, answer: str) -> None:
        """A flow that answers otherwise leaves it to the call."""
        text = f"flow: f\nanswer: {answer}\nstart: a\nnodes:\n  a: {{type: hangup, cause: busy}}\n"
        assert Caller(parse_flow(text, "f")).did == [Hangup("busy")]

    def test_variables(self) -> None:
        """What the call brings along wins over the flow's own values, and the flow's stay as they were."""
        flow = parse_flow("variables: {shop: A, city: B}\n" + HEAD + "  a: {type: hangup}\n", "f")
        brought: dict[str, str | int] = {"shop": "Z", "called": "400"}
        position, _ = start(flow, brought, 0.0)
        position.variables["called"] = "changed"
        assert position.variables == {"shop": "Z", "city": "B", "called": "changed", "language": "zh"}
        assert brought["called"] == "400"
        assert flow.variables == {"shop": "A", "city": "B"}

    def test_names_its_flow(self) -> None:
        """A position knows the flow and version it belongs to."""
        caller = Caller(collect("max: 2"))
        assert (caller.position.flow, caller.position.version) == ("f", caller.flow.version)


class TestLimits:
    """A flow cannot run for ever."""

    def test_step_limit(self) -> None:
        """A flow that enters more nodes than its limit is ended, and says so."""
        flow = parse_flow(
            "step_limit: 3\n" + HEAD + "  a: {type: collect, into: x, max: 1, next: a, on_timeout: b, on_invalid: b}\n"
            "  b: {type: hangup}\n",
            "f",
        )
        caller = Caller(flow)
        assert caller.keys("12") == []
        assert caller.keys("3") == [Hangup("failed")]
        assert (caller.position.exhausted, caller.position.ended) == (True, True)

    def test_counted_circle_within_one_step(self) -> None:
        """A circle of branches that never waits is ended within the step."""
        flow = parse_flow(
            HEAD + "  a: {type: branch, when: [{if: 'visits.a < 100000', next: a}], else: b}\n  b: {type: hangup}\n",
            "f",
        )
        caller = Caller(flow)
        assert caller.did == [Answer(), Hangup("failed")]
        assert (caller.position.exhausted, caller.position.steps) == (True, 1001)

    def test_within_the_limit(self) -> None:
        """A flow that ends in time is not marked."""
        caller = Caller(collect("max: 1"))
        caller.keys("1")
        assert not caller.position.exhausted


HTTP = "type: http, url: 'http://b/x', next: bye, on_error: bad"
IDENTIFY = (
    "type: identify, url: 'http://b/x', ask: {method: phone, prompts: [zh/a], max: 4}, own_number: bye, verified: bye,"
    " failed: bad, unavailable: bad"
)
BYE = "  bye: {type: hangup}\n  bad: {type: hangup, cause: failed}\n"
ONE_OF_EACH: dict[type[Event], Event] = {
    PlayDone: PlayDone(1),
    Digit: Digit("5"),
    TimerDue: TimerDue(),
    TransferEnded: TransferEnded("busy"),
    QueueEnded: QueueEnded("full"),
    HttpDone: HttpDone(1, 200, {"own": True, "verified": True}),
    MessageDone: MessageDone(1, 4.0, "silence"),
    MailboxDone: MailboxDone(1, True, sound="recording:x", number=1),
    CallbackTaken: CallbackTaken(1, True),
    CallerGone: CallerGone(),
}
FLOWS = {
    Waiting.PLAYING: flow_of("  a: {type: play, prompts: [m/a], next: b}\n  b: {type: hangup}\n"),
    Waiting.PROMPTING: collect("max: 2, prompts: [zh/a]"),
    Waiting.KEYING: collect("max: 2"),
    Waiting.REQUESTING: flow_of(f"  a: {{{HTTP}}}\n{BYE}"),
    Waiting.CHECKING: flow_of(f"  a: {{{IDENTIFY}}}\n{BYE}"),
    Waiting.VERIFYING: flow_of(f"  a: {{{IDENTIFY}}}\n{BYE}"),
    Waiting.TRANSFERRING: flow_of("  a: {type: dial, target: 'aor:x', next: b, on: {other: b}}\n  b: {type: hangup}\n"),
    Waiting.QUEUED: flow_of("  a: {type: queue, group: g, next: b, on: {other: b}}\n  b: {type: hangup}\n"),
    Waiting.GREETING: flow_of(
        "  a: {type: voicemail, box: b, prompts: [zh/a], terminators: '5', next: bye, on_empty: bad, on_error: bad}\n"
        + BYE
    ),
    Waiting.MESSAGING: flow_of(f"  a: {{type: voicemail, box: b, next: bye, on_empty: bad, on_error: bad}}\n{BYE}"),
    Waiting.BROWSING: flow_of(f"  a: {{type: mailbox, next: bye, on_empty: bad, on_refused: bad}}\n{BYE}"),
    Waiting.LISTENING: flow_of(f"  a: {{type: message, do: next, next: bye, on_empty: bad}}\n{BYE}"),
    Waiting.CALLING_BACK: flow_of(f"  a: {{type: callback, next: bye, on_refused: bad}}\n{BYE}"),
    Waiting.LEAVING: flow_of("  a: {type: hangup, prompts: [zh/bye], cause: busy}\n"),
    Waiting.ENDED: flow_of("  a: {type: hangup}\n"),
}
TO: dict[Waiting, tuple[Event, ...]] = {
    Waiting.VERIFYING: (HttpDone(1, 200, {"own": False}), *[Digit(digit) for digit in "1234"]),
    Waiting.MESSAGING: (PlayDone(1),),
    Waiting.LISTENING: (MailboxDone(1, True, sound="recording:x", number=1),),
}
"""What leads to a state that is not the flow's first."""
ANSWERS = {Waiting.VERIFYING: {HttpDone: HttpDone(2, 200, {"verified": True})}}
PAIRS = list(itertools.product(Waiting, ONE_OF_EACH))


def waiting_in(waiting: Waiting) -> Caller:
    """Return a caller whose position waits for this."""
    caller = Caller(FLOWS[waiting], caller="13800138000")
    caller.send(*TO.get(waiting, ()))
    assert caller.position.waiting is waiting
    return caller


def event_for(waiting: Waiting, kind: type[Event]) -> Event:
    """Return an event of a kind that concerns a position in this state."""
    answers: dict[type[Event], Event] = ANSWERS.get(waiting, {})  # type: ignore[assignment]
    return answers.get(kind, ONE_OF_EACH[kind])


class TestTable:
    """Every pair of a state and an event."""

    def test_all_events_are_here(self) -> None:
        """The tables below know every event there is."""
        assert set(ONE_OF_EACH) == set(get_args(Event))

    def test_all_nodes_can_be_entered(self) -> None:
        """Each kind of node has its step."""
        assert set(ENTER) == set(NODE_TYPES.values())

    @pytest.mark.parametrize(("waiting", "kind"), PAIRS)
    def test_pair(self, waiting: Waiting, kind: type[Event]) -> None:
        """A pair of the table changes the position once it is due; any other changes nothing at all."""
        caller = waiting_in(waiting)
        caller.now = caller.position.deadline or caller.now
        before = msgspec.msgpack.encode(caller.position)
        actions = caller.send(event_for(waiting, kind))
        changed = bool(actions) or msgspec.msgpack.encode(caller.position) != before
        assert changed is ((waiting, kind) in TRANSITIONS)

    @pytest.mark.parametrize("waiting", [state for state in Waiting if state is not Waiting.ENDED])
    def test_every_wait_ends_by_itself(self, waiting: Waiting) -> None:
        """Whatever a position waits for, it has a deadline, and a timer then moves it; an early one does not."""
        caller = waiting_in(waiting)
        assert caller.position.deadline is not None
        assert (waiting, TimerDue) in TRANSITIONS
        assert caller.send(TimerDue()) == []
        before = caller.position.waiting, caller.position.deadline
        caller.wait()
        assert (caller.position.waiting, caller.position.deadline) != before

    @pytest.mark.parametrize("waiting", [*TO, Waiting.REQUESTING, Waiting.CHECKING, Waiting.BROWSING])
    @pytest.mark.parametrize(
        "event", [HttpDone(9, 200, {}), MessageDone(9, 3.0), MailboxDone(9, True), CallbackTaken(9, True)]
    )
    def test_stale_answers(self, waiting: Waiting, event: Event) -> None:
        """The answer to something asked before changes nothing."""
        caller = waiting_in(waiting)
        before = msgspec.msgpack.encode(caller.position)
        assert caller.send(event) == []
        assert msgspec.msgpack.encode(caller.position) == before

    @pytest.mark.parametrize("waiting", [state for state in Waiting if state is not Waiting.ENDED])
    def test_caller_gone(self, waiting: Waiting) -> None:
        """A caller who hangs up ends the flow wherever it is, and nothing goes on behind them."""
        caller = waiting_in(waiting)
        stops: dict[Waiting, list[Action]] = {
            Waiting.MESSAGING: [StopMessage()],
            Waiting.VERIFYING: [Conceal(False)],
        }
        assert caller.send(CallerGone()) == stops.get(waiting, [])
        position = caller.position
        assert (position.ended, position.gone, position.deadline, position.cause) == (True, True, None, None)
        assert (position.typed, position.collected) == ("", "")
        assert caller.send(CallerGone(), TimerDue()) == []


class TestAfterwards:
    """What a flow does once the caller has hung up."""

    HANGUP = (
        "  a: {type: play, prompts: [zh/a], next: b}\n  b: {type: hangup}\n"
        "  report: {type: http, method: POST, url: 'http://b/gone', json: {who: '{caller}', n: 2},"
        " next: decide, on_error: decide}\n"
        "  decide: {type: branch, when: [{if: \"caller == '13800138000'\", next: off}], else: b}\n"
        "  off: {type: record, do: stop, next: b}\n"
    )
    FLOW = flow_of(HANGUP, "on_hangup: report\n")

    def test_branch(self) -> None:
        """The branch for it is walked: requests are made, answers awaited, and nobody is hung up on."""
        caller = Caller(self.FLOW, caller="13800138000")
        actions = caller.send(CallerGone())
        assert actions == [Http(1, "POST", "http://b/gone", {}, b'{"who":"13800138000","n":2}')]
        assert not caller.position.ended
        assert caller.position.deadline == 100.0 + 3.0 + 1.0
        assert caller.send(HttpDone(1, 200, {})) == [Record("stop")]
        assert (caller.position.ended, caller.position.cause) == (True, None)
        assert caller.position.path == ["a", "report", "decide", "off", "b"]

    def test_answer_that_does_not_come(self) -> None:
        """The branch goes on without an answer."""
        caller = Caller(self.FLOW, caller="1")
        caller.send(CallerGone())
        assert caller.wait() == []
        assert caller.position.ended

    @pytest.mark.parametrize(
        "node",
        [
            "type: play, prompts: [zh/a], next: b",
            "type: menu, keys: {'1': b}, on_timeout: b, on_invalid: b",
        ],
    )
    def test_nothing_that_needs_a_caller(self, node: str) -> None:
        """A branch that leads to a prompt or an entry ends there."""
        nodes = f"  a: {{type: play, prompts: [zh/a], next: b}}\n  b: {{type: hangup}}\n  c: {{{node}}}\n"
        caller = Caller(flow_of(nodes, "on_hangup: c\n"))
        assert caller.send(CallerGone()) == []
        assert caller.position.ended

    def test_words_are_not_said(self) -> None:
        """A hangup node's last words are not played to nobody."""
        flow = flow_of(
            "  a: {type: play, prompts: [zh/a], next: b}\n  b: {type: hangup, prompts: [zh/b]}\n", "on_hangup: b\n"
        )
        caller = Caller(flow)
        assert caller.send(CallerGone()) == []
        assert caller.position.ended

    def test_only_when_the_caller_hangs_up(self) -> None:
        """A flow that hangs up itself does not walk the branch."""
        caller = Caller(self.FLOW)
        assert caller.send(PlayDone(1)) == [Hangup("normal")]
        assert caller.send(CallerGone()) == []
        assert caller.position.path == ["a", "b"]

    def test_inner_flows_first(self) -> None:
        """A sub-flow's branch is walked before those of the flows around it, each with its own variables."""
        inner = (
            "flow: inner\non_hangup: tell\nvariables: {who: inner}\nstart: a\nnodes:\n"
            "  a: {type: play, prompts: [zh/a], next: b}\n  b: {type: return}\n"
            "  tell: {type: http, url: 'http://b/{who}', next: b, on_error: b}\n"
        )
        middle = "flow: middle\nstart: a\nnodes:\n  a: {type: subflow, flow: inner, next: b}\n  b: {type: return}\n"
        outer = (
            "flow: outer\non_hangup: tell\nvariables: {who: outer}\nstart: a\nnodes:\n"
            "  a: {type: subflow, flow: middle, next: b}\n  b: {type: hangup}\n"
            "  tell: {type: http, url: 'http://b/{who}', next: b, on_error: b}\n"
        )
        caller = Caller(linked(outer, middle, inner))
        caller.send(CallerGone())
        assert caller.asked().url == "http://b/inner"
        caller.answer({})
        assert caller.asked().url == "http://b/outer"
        assert caller.position.frames == []
        assert caller.answer({}) == []
        assert caller.position.ended

    def test_too_many_steps(self) -> None:
        """The step limit holds here as well."""
        flow = flow_of(
            "  a: {type: play, prompts: [zh/a], next: b}\n  b: {type: hangup}\n"
            "  c: {type: branch, when: [{if: 'visits.c < 100000', next: c}], else: b}\n",
            "step_limit: 50\non_hangup: c\n",
        )
        caller = Caller(flow)
        assert caller.send(CallerGone()) == []
        assert (caller.position.ended, caller.position.exhausted, caller.position.cause) == (True, True, None)


class TestPosition:
    """A position as data."""

    @pytest.mark.parametrize("waiting", list(Waiting))
    def test_survives_writing_down(self, waiting: Waiting) -> None:
        """A position that was written down and read again goes on as the original does."""
        original, copy = waiting_in(waiting), waiting_in(waiting)
        copy.position = msgspec.msgpack.decode(msgspec.msgpack.encode(original.position), type=Position)
        assert copy.position == original.position
        assert copy.position.waiting is waiting
        for event in ONE_OF_EACH.values():
            assert copy.send(event) == original.send(event)
            assert copy.position == original.position

    def test_events_and_actions_are_data_too(self) -> None:
        """Events and actions can be written down and read again by their tags."""
        for event in ONE_OF_EACH.values():
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event
        actions: list[Action] = [
            Answer(),
            Play(("zh/a", Speech("您好", "zh"))),
            StopPlay(),
            Transfer(target="x"),
            Queue("g", 3, (Speech("a", "en"),), 60.0, "vip"),
            Http(1, "POST", "http://b", {"a": "b"}, b"{}", 2.0, 1),
            Record("pause"),
            Conceal(True),
            Message("b", 60.0, 1.0, 5.0, "#", 2),
            StopMessage(),
            Mailbox("open", 4, "alice", "4321"),
            Callback(3, "13800138000", "g"),
            Consent(False),
            Refuse(True),
            Hangup("busy"),
        ]
        assert {type(action) for action in actions} == set(get_args(Action))
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(actions), type=list[Action]) == actions

    def test_representations_give_nothing_away(self) -> None:
        """What might end up in a log holds neither numbers nor digits."""
        marked = "13956781234"
        things = [
            Position(
                flow="f", version="1", node="a", variables={}, secrets={"x": marked}, typed=marked, collected=marked
            ),
            Frame(flow="f", node="a", secrets={"x": marked}),
            Http(1, "GET", f"http://b/{marked}", {"x": marked}, marked.encode()),
            HttpDone(1, 200, {"x": marked}),
            Callback(1, marked),
            Mailbox("open", 1, "alice", marked),
            Digit(marked),
        ]
        assert [marked in repr(thing) for thing in things] == [False] * len(things)

    def test_redacted(self) -> None:
        """What may be written down has lost its secrets, those of outer flows as well, and nothing else."""
        position = Position(
            flow="f",
            version="1",
            node="a",
            variables={"shop": "A"},
            secrets={"pin": "987654"},
            frames=[Frame(flow="g", node="b", variables={"city": "B"}, secrets={"id": "987654"}, visits={"b": 1})],
            typed="987654",
            collected="987654",
            trail=[TrailEntry("f", "a", "6 digits", 1.0)],
        )
        kept = position.redacted()
        assert b"987654" not in msgspec.msgpack.encode(kept)
        assert (kept.variables, kept.frames[0].variables, kept.trail) == ({"shop": "A"}, {"city": "B"}, position.trail)
        assert kept.frames[0].visits == {"b": 1}
        assert position.secrets == {"pin": "987654"}

    def test_trail_and_path_are_bounded(self) -> None:
        """A caller who goes round for long leaves no more than the first keys and nodes."""
        flow = flow_of(
            "  a: {type: menu, keys: {'1': a}, on_timeout: b, on_invalid: b}\n  b: {type: hangup}\n",
        )
        caller = Caller(flow)
        caller.keys("1" * 900)
        assert (len(caller.position.trail), len(caller.position.path)) == (200, 500)
        assert caller.position.trail[0] == TrailEntry("f", "a", "1", 100.0)
