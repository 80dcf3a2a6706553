from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ivr_flows.actions import Hangup, Play, StopPlay, Transfer
from ivr_flows.events import CallerGone, Digit, Event, PlayDone, TimerDue, TransferEnded
from ivr_flows.loader import load_library, parse_flow
from ivr_flows.machine import Position, Waiting, start, step
from ivr_flows.model import MAX_ENTRY

FLOW = load_library()["extension"]
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
