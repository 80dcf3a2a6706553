from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr_flows.actions import Action, Conceal, Hangup, Http, Play, StopPlay, Transfer
from ivr_flows.events import (
    CallbackTaken,
    CallerGone,
    Digit,
    Event,
    HttpDone,
    MessageDone,
    PlayDone,
    QueueEnded,
    TimerDue,
    TransferEnded,
)
from ivr_flows.linking import link
from ivr_flows.loader import parse_flow
from ivr_flows.machine import Position, Waiting, start, step
from ivr_flows.model import MAX_ENTRY, Flow
from tests.support.library import LIBRARY

FLOW = LIBRARY["extension"]
VARIABLES: dict[str, str | int] = {"called": "4008001234", "trunk": "carrier"}

events = st.one_of(
    st.sampled_from("0123456789*#ABCDx").map(Digit),
    st.integers(0, 6).map(PlayDone),
    st.just(TimerDue()),
    st.sampled_from(["completed", "unknown", "busy", "no_answer", "unregistered", "failed"]).map(TransferEnded),
    st.just(CallerGone()),
)
timed = st.lists(st.tuples(events, st.sampled_from([0.0, 0.05, 1.0, 5.0, 400.0])), max_size=60)


@given(timed)
def test_no_history_breaks_the_flow(history: list[tuple[Event, float]]) -> None:
    """Whatever happens in whatever order, the flow waits with a deadline or has ended for good with one hang-up."""
    position, actions = start(FLOW, VARIABLES, 0.0)
    now, hangups, done = 0.0, 0, list(actions)
    for event, pause in history:
        now += pause
        was_over = position.ended
        position, actions = step(FLOW, position, event, now)
        done += actions
        hangups += sum(isinstance(action, Hangup) for action in actions)
        assert not (was_over and actions)
        assert (position.deadline is None) is position.ended
        assert len(position.typed) <= MAX_ENTRY
        assert len(position.collected) <= MAX_ENTRY
        assert position.steps <= 1000
    assert hangups <= 1
    assert (position.cause is not None) is (hangups == 1)
    ids = [action.play_id for action in done if isinstance(action, Play)]
    assert ids == list(range(1, len(ids) + 1))


@given(timed, st.integers(0, 59))
def test_a_restart_in_between_changes_nothing(history: list[tuple[Event, float]], restart: int) -> None:
    """A position written down and read again at any point leads to the same actions."""
    position, _ = start(FLOW, VARIABLES, 0.0)
    restored, _ = start(FLOW, VARIABLES, 0.0)
    now = 0.0
    for index, (event, pause) in enumerate(history):
        now += pause
        if index == restart:
            restored = msgspec.msgpack.decode(msgspec.msgpack.encode(restored), type=Position)
        position, actions = step(FLOW, position, event, now)
        restored, restored_actions = step(FLOW, restored, event, now)
        assert restored_actions == actions
        assert restored == position


@given(timed)
def test_the_flow_always_ends_by_itself(history: list[tuple[Event, float]]) -> None:
    """After any history, a caller who does nothing more is off the line within a few deadlines."""
    position, _ = start(FLOW, VARIABLES, 0.0)
    now = 0.0
    for event, pause in history:
        now += pause
        step(FLOW, position, event, now)
    for _ in range(20):
        if position.deadline is not None:
            step(FLOW, position, TimerDue(), position.deadline)
    assert position.ended


@given(st.text("0123456789", min_size=6, max_size=6), st.integers(0, 6), st.booleans())
def test_six_digits_reach_their_extension(digits: str, heard: int, terminator: bool) -> None:
    """Six digits lead to the transfer with the sixth, however many of them came during the prompt."""
    position, _ = start(FLOW, VARIABLES, 0.0)
    actions = []
    for index, digit in enumerate(digits):
        if index == heard:
            step(FLOW, position, PlayDone(1), 1.0)
        assert not actions
        actions = step(FLOW, position, Digit(digit), 1.0)[1]
        if actions == [StopPlay()]:
            actions = []
    assert actions == [Transfer(number="4008001234", extension=digits, ringback="tone:ringback", ring_timeout=30.0)]
    if terminator:
        assert step(FLOW, position, Digit("#"), 1.0)[1] == []
    assert position.waiting is Waiting.TRANSFERRING


TWO_ENTRIES = parse_flow(
    """
flow: two
start: notice
nodes:
  notice: {type: play, prompts: [zh/a], next: first}
  first: {type: collect, into: one, min: 1, max: 4, terminators: "#", prompts: [zh/b], next: second,
          on_timeout: bye, on_invalid: bye}
  second: {type: collect, into: two, min: 1, max: 4, terminators: "#", prompts: [zh/c], next: bye,
           on_timeout: bye, on_invalid: bye}
  bye: {type: hangup}
""",
    "two.yaml",
)


@given(
    st.text("0123456789", min_size=1, max_size=4),
    st.text("0123456789", min_size=1, max_size=4),
    st.integers(0, 10),
)
def test_the_moment_of_a_key_does_not_matter(first: str, second: str, ahead: int) -> None:
    """Two entries come out the same whether their keys are pressed before, during or after the prompts."""
    position, _ = start(TWO_ENTRIES, {}, 0.0)
    keys = "".join(entry if len(entry) == 4 else entry + "#" for entry in (first, second))
    for digit in keys[:ahead]:
        step(TWO_ENTRIES, position, Digit(digit), 0.0)
    step(TWO_ENTRIES, position, PlayDone(1), 0.0)
    for digit in keys[ahead:]:
        step(TWO_ENTRIES, position, Digit(digit), 0.0)
    assert position.ended
    assert (position.variables["one"], position.variables["two"]) == (first, second)


# --- flows of all kinds of nodes, wired at random ---

CALLER = "13956781234"
PIN = "98765"
NAMES = ["n0", "n1", "n2", "n3", "n4", "n5", "inner_", "end"]
KINDS = [
    "type: play, prompts: [zh/a, {{say: '{{x|money}}'}}], barge_in: true, next: {0}",
    "type: play, prompts: [m/a], loop: true, limit: 20s, next: {0}",
    "type: say, text: {{zh: '{{x}}{{caller}}', en: hello}}, next: {0}",
    "type: menu, prompts: [zh/a], keys: {{'1': {0}, '*': {1}}}, retries: 1, into: x, on_timeout: {2}, on_invalid: {1}",
    "type: collect, into: x, prompts: [zh/a], min: 0, max: 3, terminators: '#', next: {0}, on_timeout: {1},"
    " on_invalid: {2}",
    "type: collect, into: pin, prompts: [zh/a], max: 5, retries: 1, secret: true, barge_in: false, next: {0},"
    " on_timeout: {1}, on_invalid: {2}",
    "type: branch, when: [{{if: \"visits.end < 2 and pin == '98765'\", next: {0}}}, {{if: 'x > 1', next: {1}}}],"
    " else: {2}",
    "type: set, values: {{x: 'x + len(pin)', y: {{text: '{{pin}}{{y}}'}}, language: \"'en'\"}}, next: {0}",
    "type: http, method: POST, url: 'http://b/{{x}}', json: {{pin: '{{pin}}'}}, set: {{x: x, y: y.0}}, next: {0},"
    " on_error: {1}, on_timeout: {2}, on_status: {{'404': {1}}}, while: [m/a]",
    "type: identify, url: 'http://b', ask: {{method: order, prompts: [zh/a], max: 5, min: 2, terminators: '#'}},"
    " skip_key: '*', attempts: 2, own_number: {0}, verified: {1}, failed: {2}, skipped: {1}, unavailable: {0}",
    "type: extension, next: {0}, on: {{busy: {1}, other: {2}}}",
    "type: dial, target: 'tel:{{caller}}', next: {0}, on: {{other: {1}}}",
    "type: queue, group: '{{x}}', priority: 'x', next: {0}, on: {{other: {1}}}",
    "type: voicemail, box: '{{called}}', prompts: [zh/a], next: {0}, on_empty: {1}, on_error: {2}",
    "type: record, do: pause, next: {0}",
    "type: consent, prompts: [zh/a], accepted: {0}, declined: {1}, on_timeout: {2}",
    "type: callback, prompts: [zh/a], next: {0}, on_refused: {1}",
    "type: survey, questions: [{{name: q1, prompts: [zh/a]}}, {{name: q2, prompts: [zh/b], keys: '12', retries: 1}}],"
    " next: {0}, on_none: {1}",
    "type: subflow, flow: inner, with: {{given: pin}}, results: {{x: got, pin: got}}, next: {0}",
    "type: goto, next: {0}",
    "type: return, results: {{x: 1}}",
    "type: hangup, prompts: [zh/a], cause: busy",
]
INNER = parse_flow(
    """
flow: inner
start: a
parameters: [given]
results: [got]
on_hangup: b
nodes:
  a: {type: menu, prompts: [zh/a], keys: {"1": b, "2": c}, on_timeout: b, on_invalid: d}
  b: {type: return, results: {got: given}}
  c: {type: collect, into: pin, max: 5, secret: true, next: d, on_timeout: b, on_invalid: b}
  d: {type: branch, when: [{if: "pin == given", next: e}], else: b}
  e: {type: hangup}
""",
    "inner.yaml",
    checked=False,
)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """Return a flow of eight nodes, linked to one other."""
    names = st.sampled_from(NAMES)
    nodes = {name: draw(st.sampled_from(KINDS)).format(draw(names), draw(names), draw(names)) for name in NAMES[:-2]}
    nodes["inner_"] = KINDS[-4].format(draw(names))
    nodes["end"] = KINDS[draw(st.sampled_from([-1, -2]))].format()
    lines = "".join(f"  {name}: {{{node}}}\n" for name, node in nodes.items())
    branch = draw(st.sampled_from(["", *[f"on_hangup: {name}\n" for name in NAMES]]))
    text = (
        f"flow: f\nanswer: now\nstart: n0\nvariables: {{x: 1, y: '', pin: ''}}\nstep_limit: 60\n{branch}nodes:\n{lines}"
    )
    return link({"f": unchecked(text), "inner": INNER})["f"]


def unchecked(text: str) -> Flow:
    """Read a flow that may go round for ever: the machine must stand what checking refuses."""
    return parse_flow(text, "f", checked=False)


bodies: st.SearchStrategy[object] = st.sampled_from(
    [
        None,
        {},
        [],
        {"own": True, "subject": CALLER},
        {"own": False},
        {"verified": True, "subject": PIN},
        {"verified": False, "x": PIN, "y": [PIN]},
        {"x": "5", "y": ["z"]},
        {"x": 10**30, "y": [{"a": 1}]},
        "nonsense",
    ]
)
all_events = st.one_of(
    st.sampled_from("0123456789*#x").map(Digit),
    st.sampled_from(list(PIN)).map(Digit),
    st.integers(0, 30).map(PlayDone),
    st.just(TimerDue()),
    st.sampled_from(["completed", "unknown", "busy", "direction"]).map(TransferEnded),
    st.sampled_from(["completed", "empty", "full", "timeout", "failed"]).map(QueueEnded),
    st.builds(
        HttpDone,
        st.integers(1, 10),
        st.sampled_from([0, 200, 204, 404, 500]),
        bodies,
        st.sampled_from(["", "", "timeout", "invalid", "busy"]),
    ),
    st.builds(MessageDone, st.integers(1, 10), st.floats(0, 100), st.sampled_from(["digit", "silence", "failed"])),
    st.builds(CallbackTaken, st.integers(1, 10), st.booleans()),
    st.just(CallerGone()),
)
SPELLED = [[Digit(digit) for digit in PIN + "#"]]
chunks = st.one_of(all_events.map(lambda event: [event]), st.sampled_from(SPELLED), st.just([TimerDue()]))
histories = st.lists(st.tuples(chunks, st.sampled_from([0.0, 0.1, 3.0, 30.0, 1000.0, 90000.0])), max_size=25)


def addressed(position: Position, event: Event) -> Event:
    """Let most answers concern the request that is awaited, as in life."""
    if isinstance(event, PlayDone) and event.play_id % 2:
        return PlayDone(position.play_id)
    if isinstance(event, HttpDone):
        # A backend repeats the entry only once it was made.
        known = PIN in position.secrets.values()
        body = event.body if known or PIN not in str(event.body) else {}
        number = position.requests if event.request_id > 2 else event.request_id
        return HttpDone(number, event.status, body, event.error)
    if isinstance(event, MessageDone) and event.message_id > 2:
        return MessageDone(position.requests, event.seconds, event.reason)
    if isinstance(event, CallbackTaken) and event.request_id > 2:
        return CallbackTaken(position.requests, event.accepted)
    return event


@given(flows(), histories)
@settings(max_examples=300)
def test_any_flow_stands_any_history(flow: Flow, history: list[tuple[list[Event], float]]) -> None:
    """Whatever is wired and whatever happens: no exception, a deadline or an end, few steps, and no secret told."""
    position, actions = start(flow, {"called": "400", "caller": CALLER}, 0.0)
    now, done = 0.0, list(actions)
    for events_, pause in history:
        now += pause
        for event in events_:
            was_over = position.ended
            position, actions = step(flow, position, addressed(position, event), now)
            assert not (was_over and actions)
            done += actions
            _sound(position)
    hangups = [action for action in done if isinstance(action, Hangup)]
    assert len(hangups) == (position.cause is not None) <= 1
    assert not hangups or done[-1] is hangups[0]
    _concealed_by_turns(done, position)
    told = msgspec.msgpack.encode(position.redacted())
    assert CALLER.encode() not in told
    assert PIN.encode() not in told
    assert PIN not in repr(position)
    for action in done:
        if not isinstance(action, Http | Transfer):
            assert CALLER not in repr(action)


def _sound(position: Position) -> None:
    assert (position.deadline is None) is position.ended
    assert position.steps <= 61
    assert len(position.frames) <= 10
    assert len(position.typed) <= MAX_ENTRY
    assert len(position.collected) <= MAX_ENTRY
    assert not (position.gone and position.waiting not in (Waiting.REQUESTING, Waiting.ENDED))
    assert all(len(str(value)) <= 1000 for value in position.variables.values())
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(position), type=Position) == position


def _concealed_by_turns(done: list[Action], position: Position) -> None:
    """Recordings are silenced and let go on by turns, and left silent only while a secret is awaited."""
    turns = [action.on for action in done if isinstance(action, Conceal)]
    assert turns == [index % 2 == 0 for index in range(len(turns))]
    assert position.concealed is (len(turns) % 2 == 1)
    assert not (position.ended and position.concealed)


@given(flows(), histories)
@settings(max_examples=100)
def test_any_flow_ends_by_itself(flow: Flow, history: list[tuple[list[Event], float]]) -> None:
    """When nothing more happens but time, a call is over within as many deadlines as the flow may take steps."""
    position, _ = start(flow, {"caller": CALLER}, 0.0)
    now = 0.0
    for events_, pause in history:
        now += pause
        for event in events_:
            step(flow, position, addressed(position, event), now)
    for _ in range(400):
        if position.deadline is None:
            break
        step(flow, position, TimerDue(), position.deadline)
    assert position.ended
