from __future__ import annotations

import itertools
from typing import get_args

import msgspec
import pytest

from ivr_flows.actions import Action, Answer, Hangup, Play, StopPlay, Transfer
from ivr_flows.events import CallerGone, Digit, Event, PlayDone, TimerDue, TransferEnded
from ivr_flows.loader import parse_flow
from ivr_flows.machine import TRANSITIONS, Position, Waiting, start, step
from ivr_flows.model import Flow

HEAD = "flow: f\nanswer: now\nstart: a\nnodes:\n"
COLLECT = "type: collect, into: x, next: bye, on_timeout: silent, on_invalid: wrong"
ENDS = "  bye: {type: hangup}\n  silent: {type: hangup, cause: no_answer}\n  wrong: {type: hangup, cause: unknown}\n"


def collect(extra: str, ends: str = ENDS) -> Flow:
    """Return a flow of one collect node; its three exits hang up with different causes."""
    return parse_flow(f"{HEAD}  a: {{{COLLECT}, {extra}}}\n{ends}", "f")


class Caller:
    """Walks a flow; `did` are the actions since last looked at."""

    def __init__(self, flow: Flow, now: float = 100.0, **variables: str | int) -> None:
        self.flow = flow
        self.now = now
        self.position, self._actions = start(flow, variables, now)

    @property
    def did(self) -> list[Action]:
        """Take the actions since the last look."""
        actions, self._actions = self._actions, []
        return actions

    def send(self, *events: Event) -> list[Action]:
        """Let events happen now and return what they led to; what was done before is forgotten."""
        self._actions = []
        for event in events:
            position, actions = step(self.flow, self.position, event, self.now)
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


def play(*prompts: str, play_id: int, loop: bool = False) -> Play:
    """Return the action that plays these prompts."""
    return Play(prompts, loop, play_id)


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
        assert position.variables == {"shop": "Z", "city": "B", "called": "changed"}
        assert brought["called"] == "400"
        assert flow.variables == {"shop": "A", "city": "B"}

    def test_names_its_flow(self) -> None:
        """A position knows the flow and version it belongs to."""
        caller = Caller(collect("max: 2"))
        assert (caller.position.flow, caller.position.version) == ("f", caller.flow.version)


class TestPlay:
    """A play node."""

    FLOW = parse_flow(HEAD + "  a: {type: play, prompts: [zh/a], next: bye}\n  bye: {type: hangup}\n", "f")
    BARGE = parse_flow(
        HEAD + "  a: {type: play, prompts: [zh/a], barge_in: true, next: b}\n"
        "  b: {type: collect, into: x, max: 2, prompts: [zh/b], next: bye, on_timeout: bye, on_invalid: bye}\n"
        "  bye: {type: hangup}\n",
        "f",
    )
    MUSIC = parse_flow(HEAD + "  a: {type: play, prompts: [m/a], loop: true}\n", "f")
    SOME_MUSIC = parse_flow(
        HEAD + "  a: {type: play, prompts: [m/a], loop: true, limit: 30s, next: b}\n  b: {type: hangup, cause: busy}\n",
        "f",
    )

    def test_goes_on_at_the_end(self) -> None:
        """The end of the prompt leads on."""
        caller = Caller(self.FLOW)
        assert caller.send(PlayDone(1)) == [Hangup("normal")]
        assert caller.position.ended

    def test_late_end_of_another_prompt(self) -> None:
        """The end of another prompt than the one that plays is ignored."""
        caller = Caller(self.FLOW)
        assert caller.send(PlayDone(7)) == []
        assert caller.position.waiting is Waiting.PLAYING

    def test_end_that_is_never_reported(self) -> None:
        """A prompt whose end does not come is given up at the deadline."""
        caller = Caller(self.FLOW)
        assert caller.position.deadline == 100.0 + 300.0
        assert caller.wait() == [StopPlay(), Hangup("normal")]

    def test_early_timer(self) -> None:
        """A timer before the deadline is ignored."""
        caller = Caller(self.FLOW)
        assert caller.send(TimerDue()) == []
        assert caller.position.waiting is Waiting.PLAYING

    def test_keys_are_kept(self) -> None:
        """Without barge-in, a key does not stop the prompt and is kept for later."""
        caller = Caller(self.FLOW)
        assert caller.keys("12") == []
        assert caller.position.typed == "12"

    def test_barge_in(self) -> None:
        """With barge-in, a key stops the prompt, skips the next one and is the entry's first digit."""
        caller = Caller(self.BARGE)
        assert caller.keys("1") == [StopPlay()]
        assert (caller.position.node, caller.position.collected) == ("b", "1")
        assert caller.keys("2") == [Hangup("normal")]
        assert caller.position.variables["x"] == "12"

    def test_keys_before_it_skip_it(self) -> None:
        """With barge-in, a prompt is not even begun for a caller who has already pressed keys."""
        flow = parse_flow(
            HEAD + "  a: {type: play, prompts: [zh/a], next: b}\n"
            "  b: {type: play, prompts: [zh/b], barge_in: true, next: c}\n"
            "  c: {type: hangup}\n",
            "f",
        )
        caller = Caller(flow)
        caller.keys("5")
        assert caller.send(PlayDone(1)) == [Hangup("normal")]

    def test_what_is_no_key_does_not_stop(self) -> None:
        """Only keys of a telephone stop a prompt."""
        caller = Caller(self.BARGE)
        assert caller.keys("xR") == []
        assert caller.position.waiting is Waiting.PLAYING

    def test_type_ahead_is_bounded(self) -> None:
        """No more than 32 keys are kept, the first ones."""
        caller = Caller(self.FLOW)
        caller.keys("1" * 32 + "2" * 100)
        assert caller.position.typed == "1" * 32

    def test_music_plays_on(self) -> None:
        """Music is played in a loop, and keys do not end it."""
        caller = Caller(self.MUSIC)
        assert caller.did == [Answer(), play("m/a", play_id=1, loop=True)]
        assert caller.keys("123") == []
        assert caller.position.waiting is Waiting.PLAYING

    def test_music_has_a_limit(self) -> None:
        """Even music ends after a day."""
        caller = Caller(self.MUSIC)
        assert caller.position.deadline == 100.0 + 86400.0
        assert caller.wait() == [StopPlay(), Hangup("normal")]

    def test_music_that_cannot_play(self) -> None:
        """Music that ends by itself is a failure, not silence for ever."""
        assert Caller(self.MUSIC).send(PlayDone(1)) == [Hangup("failed")]

    def test_music_for_a_while(self) -> None:
        """Music with a limit of its own goes on to the next node."""
        caller = Caller(self.SOME_MUSIC)
        assert caller.position.deadline == 130.0
        assert caller.wait() == [StopPlay(), Hangup("busy")]
        assert Caller(self.SOME_MUSIC).send(PlayDone(1)) == [Hangup("busy")]


class TestCollect:
    """A collect node."""

    def test_goes_on_with_the_last_digit(self) -> None:
        """The last digit that fits leads on in the same step."""
        caller = Caller(collect("max: 3, prompts: [zh/a]"))
        assert caller.keys("1") == [StopPlay()]
        assert caller.keys("2") == []
        assert caller.keys("3") == [Hangup("normal")]
        assert caller.position.variables["x"] == "123"

    def test_silent_node_listens_at_once(self) -> None:
        """Without prompts the first timeout runs from the start."""
        caller = Caller(collect("max: 3, first_timeout: 4s"))
        assert (caller.did, caller.position.deadline) == ([Answer()], 104.0)
        assert caller.wait() == [Hangup("no_answer")]

    def test_first_timeout_runs_from_the_end_of_the_prompt(self) -> None:
        """The caller has the whole first timeout after the prompt."""
        caller = Caller(collect("max: 3, prompts: [zh/a], first_timeout: 4s"))
        caller.now = 110.0
        assert caller.send(PlayDone(1)) == []
        assert caller.position.deadline == 114.0

    def test_digit_timeout_runs_from_each_digit(self) -> None:
        """Each digit gives the caller the time for the next."""
        caller = Caller(collect("max: 3, digit_timeout: 2s"))
        caller.keys("1")
        assert caller.position.deadline == 102.0
        caller.now = 101.5
        caller.keys("2")
        assert caller.position.deadline == 103.5

    @pytest.mark.parametrize(("keys", "end"), [("1", "unknown"), ("12", "normal"), ("123", "normal")])
    def test_digit_timeout_ends_the_entry(self, keys: str, end: str) -> None:
        """An entry that stops is taken when it is long enough, else it is invalid."""
        caller = Caller(collect("min: 2, max: 4"))
        caller.keys(keys)
        assert [action.cause for action in caller.wait() if isinstance(action, Hangup)] == [end]
        assert caller.position.variables.get("x") == (keys if end == "normal" else None)

    @pytest.mark.parametrize(
        ("minimum", "keys", "end", "value"),
        [
            (2, "12#", "normal", "12"),
            (2, "12*", "normal", "12"),
            (2, "1#", "unknown", None),
            (2, "#12#", "normal", "12"),
            (2, "##", None, None),
            (0, "#", "normal", ""),
            (0, "1#", "normal", "1"),
            (2, "12D#", "normal", "12D"),
            (2, "1x2#", "normal", "12"),
        ],
    )
    def test_terminators(self, minimum: int, keys: str, end: str | None, value: str | None) -> None:
        """A terminator ends an entry and is no part of it; before any digit it counts only where none is needed."""
        for prompts in ("", ", prompts: [zh/a]"):
            caller = Caller(collect(f"min: {minimum}, max: 4, terminators: '#*'{prompts}"))
            ends = [action.cause for action in caller.keys(keys) if isinstance(action, Hangup)]
            assert ends == ([end] if end else [])
            assert caller.position.variables.get("x") == value

    def test_a_lone_terminator_does_not_stop_the_prompt(self) -> None:
        """The terminator of an entry that was already complete must not cut the next prompt short."""
        caller = Caller(collect("max: 4, prompts: [zh/a], terminators: '#'"))
        assert caller.keys("#") == []
        assert caller.position.waiting is Waiting.PROMPTING

    def test_keys_that_do_not_end_are_digits(self) -> None:
        """A star that ends nothing belongs to the entry."""
        caller = Caller(collect("max: 3"))
        assert caller.keys("1*#") == [Hangup("normal")]
        assert caller.position.variables["x"] == "1*#"

    def test_retries(self) -> None:
        """A failed attempt is asked for again as often as the node says, with the prompts for that."""
        caller = Caller(collect("min: 2, max: 2, prompts: [zh/a], retries: 2, retry_prompts: [zh/again]"))
        caller.keys("1")
        assert caller.wait() == [play("zh/again", play_id=2)]
        assert (caller.position.collected, caller.position.tries) == ("", 1)
        caller.send(PlayDone(2))
        assert caller.wait() == [play("zh/again", play_id=3)]
        caller.keys("1")
        assert caller.wait() == [Hangup("unknown")]

    def test_retries_repeat_the_prompt(self) -> None:
        """Without prompts for it, a retry plays the first ones again."""
        caller = Caller(collect("max: 2, prompts: [zh/a], retries: 1"))
        caller.send(PlayDone(1))
        assert caller.wait() == [play("zh/a", play_id=2)]
        caller.send(PlayDone(2))
        assert caller.wait() == [Hangup("no_answer")]

    def test_tries_are_counted_anew(self) -> None:
        """A node that is entered again has all its attempts again."""
        flow = parse_flow(
            HEAD + "  a: {type: collect, into: x, max: 1, retries: 1, next: a, on_timeout: bye, on_invalid: bye}\n"
            "  bye: {type: hangup}\n",
            "f",
        )
        caller = Caller(flow)
        caller.wait()
        assert caller.position.tries == 1
        caller.keys("1")
        assert (caller.position.tries, caller.position.visits["a"]) == (0, 2)

    def test_late_end_of_a_stopped_prompt(self) -> None:
        """The end of a prompt that a digit stopped does not touch the digit's timeout."""
        caller = Caller(collect("max: 3, prompts: [zh/a], digit_timeout: 2s"))
        caller.keys("1")
        caller.now = 101.0
        assert caller.send(PlayDone(1)) == []
        assert caller.position.deadline == 102.0

    def test_end_of_an_older_prompt(self) -> None:
        """The end of the prompt before is not taken for the end of the one that plays."""
        caller = Caller(collect("min: 2, max: 2, prompts: [zh/a], retries: 1"))
        caller.keys("1")
        caller.wait()
        assert caller.send(PlayDone(1)) == []
        assert caller.position.waiting is Waiting.PROMPTING

    def test_prompt_whose_end_is_never_reported(self) -> None:
        """A prompt that does not end is stopped and the caller listened to."""
        caller = Caller(collect("max: 3, prompts: [zh/a], first_timeout: 4s"))
        assert caller.wait() == [StopPlay()]
        assert caller.position.waiting is Waiting.KEYING
        assert caller.position.deadline == 100.0 + 300.0 + 4.0

    @pytest.mark.parametrize("event", [TimerDue(), PlayDone(9)])
    def test_nothing_due(self, event: Event) -> None:
        """Early timers and foreign ends change nothing while the prompt plays."""
        caller = Caller(collect("max: 3, prompts: [zh/a]"))
        before = msgspec.msgpack.encode(caller.position)
        assert caller.send(event) == []
        assert msgspec.msgpack.encode(caller.position) == before

    def test_early_timer_while_keying(self) -> None:
        """A timer before the digit's timeout changes nothing."""
        caller = Caller(collect("max: 3"))
        caller.keys("1")
        assert caller.send(TimerDue()) == []
        assert caller.position.collected == "1"


class TestWithoutBargeIn:
    """A prompt that must be heard."""

    def test_prompt_is_heard_to_its_end(self) -> None:
        """Keys do not stop the prompt; they count when it is over, at once."""
        caller = Caller(collect("max: 3, prompts: [zh/a], barge_in: false"))
        assert caller.keys("123") == []
        assert caller.position.waiting is Waiting.PROMPTING
        assert caller.send(PlayDone(1)) == [Hangup("normal")]
        assert caller.position.variables["x"] == "123"

    def test_part_of_an_entry(self) -> None:
        """What was pressed meanwhile begins the entry."""
        caller = Caller(collect("max: 3, prompts: [zh/a], barge_in: false, digit_timeout: 2s"))
        caller.keys("12")
        caller.send(PlayDone(1))
        assert (caller.position.collected, caller.position.deadline) == ("12", 102.0)

    def test_prompt_whose_end_is_never_reported(self) -> None:
        """What was pressed counts as well when the prompt has to be given up."""
        caller = Caller(collect("max: 3, prompts: [zh/a], barge_in: false"))
        caller.keys("123")
        assert caller.wait() == [StopPlay(), Hangup("normal")]


class TestTypeAhead:
    """Keys pressed before anybody asked."""

    @staticmethod
    def ahead(extra: str, typed: str) -> Caller:
        """Press keys during a notice that comes before the collect node."""
        text = (
            "flow: f\nanswer: now\nstart: n\nnodes:\n  n: {type: play, prompts: [zh/n], next: a}\n"
            f"  a: {{{COLLECT}, {extra}}}\n{ENDS}"
        )
        caller = Caller(parse_flow(text, "f"))
        caller.keys(typed)
        return caller

    def test_whole_entry(self) -> None:
        """An entry pressed ahead is taken without its prompt."""
        caller = self.ahead("max: 3, prompts: [zh/a]", "123")
        assert caller.send(PlayDone(1)) == [Hangup("normal")]
        assert caller.position.variables["x"] == "123"

    def test_part_of_an_entry(self) -> None:
        """Part of an entry pressed ahead spares the caller the prompt."""
        caller = self.ahead("max: 3, prompts: [zh/a], digit_timeout: 2s", "12")
        assert caller.send(PlayDone(1)) == []
        assert (caller.position.collected, caller.position.typed) == ("12", "")
        assert caller.position.deadline == 102.0

    def test_more_than_an_entry(self) -> None:
        """What goes beyond one entry is kept for the next."""
        caller = self.ahead("max: 3, prompts: [zh/a]", "12345")
        caller.send(PlayDone(1))
        assert caller.position.typed == "45"

    def test_up_to_a_terminator(self) -> None:
        """A terminator pressed ahead ends the entry there."""
        caller = self.ahead("max: 6, terminators: '#', prompts: [zh/a]", "12#34")
        assert caller.send(PlayDone(1)) == [Hangup("normal")]
        assert (caller.position.variables["x"], caller.position.typed) == ("12", "34")

    def test_lone_terminators_are_dropped(self) -> None:
        """A terminator alone is no entry, and the prompt is played."""
        caller = self.ahead("max: 6, terminators: '#', prompts: [zh/a]", "#")
        assert caller.send(PlayDone(1)) == [play("zh/a", play_id=2)]
        assert caller.position.typed == ""

    def test_without_a_prompt(self) -> None:
        """Keys pressed ahead count for a silent node too, whether it allows barge-in or not."""
        caller = self.ahead("max: 3, barge_in: false", "123")
        assert caller.send(PlayDone(1)) == [Hangup("normal")]

    def test_prompt_that_must_be_heard(self) -> None:
        """Without barge-in the prompt is played all the same, then the keys count."""
        caller = self.ahead("max: 3, barge_in: false, prompts: [zh/a]", "123")
        assert caller.send(PlayDone(1)) == [play("zh/a", play_id=2)]
        assert caller.send(PlayDone(2)) == [Hangup("normal")]

    def test_wrong_entries_use_up_the_attempts(self) -> None:
        """Several bad entries pressed ahead are several attempts."""
        caller = self.ahead("min: 3, max: 6, terminators: '#', retries: 1, prompts: [zh/a]", "1#2#3")
        assert caller.send(PlayDone(1)) == [Hangup("unknown")]
        assert caller.position.typed == "3"


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


class TestTransfer:
    """A transfer node."""

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
        on = "on: {unknown: busy, busy: busy, no_answer: busy, unregistered: busy, failed: rest}"
        flow = parse_flow(self.TEXT.replace("on: {busy: busy, other: rest}", on), "f")
        assert Caller(flow).send(TransferEnded("expired")) == [Hangup("failed")]  # type: ignore[arg-type]

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


class TestHangup:
    """A hangup node."""

    FLOW = parse_flow(HEAD + "  a: {type: hangup, prompts: [zh/bye], cause: busy}\n", "f")

    def test_last_words(self) -> None:
        """The last words are heard before the line is cut."""
        caller = Caller(self.FLOW)
        assert caller.did == [Answer(), play("zh/bye", play_id=1)]
        assert caller.send(PlayDone(2)) == []
        assert caller.keys("1") == []
        assert caller.send(PlayDone(1)) == [Hangup("busy")]
        assert (caller.position.cause, caller.position.deadline, caller.position.ended) == (
            "busy",
            None,
            True,
        )

    def test_last_words_that_do_not_end(self) -> None:
        """Last words whose end is never reported do not keep the line."""
        caller = Caller(self.FLOW)
        assert caller.send(TimerDue()) == []
        assert caller.wait() == [Hangup("busy")]


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


ONE_OF_EACH: dict[type[Event], Event] = {
    PlayDone: PlayDone(1),
    Digit: Digit("5"),
    TimerDue: TimerDue(),
    TransferEnded: TransferEnded("busy"),
    CallerGone: CallerGone(),
}
FLOWS = {
    Waiting.PLAYING: parse_flow(HEAD + "  a: {type: play, prompts: [m/a], next: b}\n  b: {type: hangup}\n", "f"),
    Waiting.PROMPTING: collect("max: 2, prompts: [zh/a]"),
    Waiting.KEYING: collect("max: 2"),
    Waiting.TRANSFERRING: TestTransfer.FLOW,
    Waiting.LEAVING: TestHangup.FLOW,
    Waiting.ENDED: parse_flow(HEAD + "  a: {type: hangup}\n", "f"),
}
PAIRS = list(itertools.product(Waiting, ONE_OF_EACH))


class TestTable:
    """Every pair of a state and an event."""

    def test_all_events_are_here(self) -> None:
        """The tables below know every event there is."""
        assert set(ONE_OF_EACH) == set(get_args(Event))

    @pytest.mark.parametrize(("waiting", "kind"), PAIRS)
    def test_pair(self, waiting: Waiting, kind: type[Event]) -> None:
        """A pair of the table changes the position once it is due; any other changes nothing at all."""
        caller = Caller(FLOWS[waiting])
        assert caller.position.waiting is waiting
        caller.now = caller.position.deadline or caller.now
        before = msgspec.msgpack.encode(caller.position)
        actions = caller.send(ONE_OF_EACH[kind])
        changed = bool(actions) or msgspec.msgpack.encode(caller.position) != before
        assert changed is ((waiting, kind) in TRANSITIONS)

    @pytest.mark.parametrize("waiting", [state for state in Waiting if state is not Waiting.ENDED])
    def test_every_wait_ends_by_itself(self, waiting: Waiting) -> None:
        """Whatever a position waits for, it has a deadline, and a timer then moves it."""
        caller = Caller(FLOWS[waiting])
        assert caller.position.deadline is not None
        assert (waiting, TimerDue) in TRANSITIONS
        before = caller.position.waiting, caller.position.deadline
        caller.wait()
        assert (caller.position.waiting, caller.position.deadline) != before

    @pytest.mark.parametrize("waiting", [state for state in Waiting if state is not Waiting.ENDED])
    def test_caller_gone(self, waiting: Waiting) -> None:
        """A caller who hangs up ends the flow without an action, wherever it is."""
        caller = Caller(FLOWS[waiting])
        assert caller.send(CallerGone()) == []
        assert (caller.position.ended, caller.position.deadline, caller.position.cause) == (True, None, None)


class TestPosition:
    """A position as data."""

    @pytest.mark.parametrize("waiting", list(Waiting))
    def test_survives_writing_down(self, waiting: Waiting) -> None:
        """A position that was written down and read again goes on as the original does."""
        original = Caller(FLOWS[waiting], called="400", count=3)
        data = msgspec.msgpack.encode(original.position)
        copy = Caller(FLOWS[waiting])
        copy.position = msgspec.msgpack.decode(data, type=Position)
        assert copy.position == original.position
        assert copy.position.waiting is waiting
        for event in ONE_OF_EACH.values():
            assert copy.send(event) == original.send(event)
            assert copy.position == original.position

    def test_events_and_actions_are_data_too(self) -> None:
        """Events and actions can be written down and read again by their tags."""
        for event in ONE_OF_EACH.values():
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Event) == event
        actions = [Answer(), play("a", play_id=1), StopPlay(), Transfer(target="x"), Hangup("busy")]
        data = msgspec.msgpack.encode(Caller(TestTransfer.FLOW).did + actions)
        assert msgspec.msgpack.decode(data, type=list[Action])[2:] == actions
