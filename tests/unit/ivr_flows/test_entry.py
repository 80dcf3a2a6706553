from __future__ import annotations

import msgspec
import pytest

from ivr_flows.actions import Answer, Conceal, Consent, Hangup, StopPlay
from ivr_flows.events import CallerGone, Event, PlayDone, TimerDue
from ivr_flows.loader import parse_flow
from ivr_flows.machine import Waiting
from ivr_flows.position import TrailEntry
from tests.support.flow_caller import COLLECT, ENDS, HEAD, Caller, collect, flow_of, play

SPOKEN = (
    "  bye: {type: hangup, prompts: [zh/bye]}\n  silent: {type: hangup, cause: no_answer}\n"
    "  wrong: {type: hangup, prompts: [zh/wrong]}\n"
)


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
    def ahead(extra: str, typed: str, ends: str = ENDS) -> Caller:
        """Press keys during a notice that comes before the collect node."""
        text = (
            "flow: f\nanswer: now\nstart: n\nnodes:\n  n: {type: play, prompts: [zh/n], next: a}\n"
            f"  a: {{{COLLECT}, {extra}}}\n{ends}"
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
        caller = self.ahead("max: 3, prompts: [zh/a]", "12345", SPOKEN)
        caller.send(PlayDone(1))
        assert caller.position.typed == "45"

    def test_up_to_a_terminator(self) -> None:
        """A terminator pressed ahead ends the entry there."""
        caller = self.ahead("max: 6, terminators: '#', prompts: [zh/a]", "12#34", SPOKEN)
        assert caller.send(PlayDone(1)) == [play("zh/bye", play_id=2)]
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
        caller = self.ahead("min: 3, max: 6, terminators: '#', retries: 1, prompts: [zh/a]", "1#2#3", SPOKEN)
        assert caller.send(PlayDone(1)) == [play("zh/wrong", play_id=2)]
        assert caller.position.typed == "3"

    def test_the_key_that_closes_an_entry(self) -> None:
        """The # after an entry that was complete without it is no key of the menu that follows."""
        flow = flow_of(
            "  a: {type: collect, into: x, max: 3, terminators: '#', next: m, on_timeout: bye, on_invalid: bye}\n"
            "  m: {type: menu, prompts: [zh/m], keys: {'1': bye}, on_timeout: wrong, on_invalid: wrong}\n"
            "  bye: {type: hangup}\n  wrong: {type: hangup, cause: unknown}\n"
        )
        caller = Caller(flow)
        assert caller.keys("123#") == [play("zh/m", play_id=1)]
        assert caller.keys("#") == [StopPlay(), Hangup("unknown")]
        assert Caller(flow).keys("123#1")[-1] == Hangup("normal")

    def test_the_key_that_closes_an_entry_does_not_skip(self) -> None:
        """Nor does it skip a notice that any other key would."""
        flow = flow_of(
            "  a: {type: collect, into: x, max: 3, terminators: '#', next: n, on_timeout: bye, on_invalid: bye}\n"
            "  n: {type: play, prompts: [zh/n], barge_in: true, next: bye}\n  bye: {type: hangup}\n"
        )
        caller = Caller(flow)
        assert caller.keys("123#") == [play("zh/n", play_id=1)]
        assert caller.keys("#") == [StopPlay(), Hangup("normal")]

    def test_a_menu_that_has_that_key_gets_it(self) -> None:
        """A menu with # among its keys takes it, whatever came before."""
        flow = flow_of(
            "  a: {type: collect, into: x, max: 3, terminators: '#', next: m, on_timeout: bye, on_invalid: bye}\n"
            "  m: {type: menu, prompts: [zh/m], keys: {'#': wrong}, on_timeout: bye, on_invalid: bye}\n"
            "  bye: {type: hangup}\n  wrong: {type: hangup, cause: unknown}\n"
        )
        assert Caller(flow).keys("123#") == [play("zh/m", play_id=1), StopPlay(), Hangup("unknown")]


MENU = (
    "  a: {type: menu, prompts: [zh/m], keys: {'1': one, '*': star}, timeout: 4s, on_timeout: silent,"
    " on_invalid: wrong%s}\n"
    "  one: {type: hangup}\n  star: {type: hangup, cause: busy}\n"
    "  silent: {type: hangup, cause: no_answer}\n  wrong: {type: hangup, cause: unknown}\n"
)


class TestMenu:
    """A menu node."""

    @pytest.mark.parametrize(("key", "cause"), [("1", "normal"), ("*", "busy"), ("2", "unknown"), ("#", "unknown")])
    def test_choice(self, key: str, cause: str) -> None:
        """A key stops the prompt and leads where the menu says, at once."""
        caller = Caller(flow_of(MENU % ""))
        assert caller.keys(key) == [StopPlay(), Hangup(cause)]  # type: ignore[arg-type]

    def test_trail(self) -> None:
        """The key is noted with its place and time, a wrong one is not; with `into` it is a variable too."""
        caller = Caller(flow_of(MENU % ", retries: 1, into: choice"))
        caller.keys("9")
        caller.now = 103.0
        caller.keys("1")
        assert caller.position.trail == [TrailEntry("f", "a", "1", 103.0)]
        assert caller.position.variables["choice"] == "1"

    def test_timeout(self) -> None:
        """Silence after the prompt leads to `on_timeout`."""
        caller = Caller(flow_of(MENU % ""))
        assert caller.send(PlayDone(1)) == []
        assert caller.position.deadline == 104.0
        assert caller.wait() == [Hangup("no_answer")]

    def test_retries(self) -> None:
        """A wrong key and silence are asked again."""
        caller = Caller(flow_of(MENU % ", retries: 2, retry_prompts: [zh/again]"))
        assert caller.keys("7") == [StopPlay(), play("zh/again", play_id=2)]
        caller.send(PlayDone(2))
        assert caller.wait() == [play("zh/again", play_id=3)]
        assert caller.keys("7") == [StopPlay(), Hangup("unknown")]

    def test_keys_ahead(self) -> None:
        """Who knows the menus types through them."""
        flow = flow_of(
            "  a: {type: menu, prompts: [zh/m], keys: {'2': b}, on_timeout: bye, on_invalid: bye}\n"
            "  b: {type: menu, prompts: [zh/n], keys: {'3': c}, on_timeout: bye, on_invalid: bye}\n"
            "  c: {type: collect, prompts: [zh/c], into: x, max: 2, next: bye, on_timeout: bye, on_invalid: bye}\n"
            "  bye: {type: hangup}\n"
        )
        caller = Caller(flow)
        caller.keys("2345")
        assert [entry.key for entry in caller.position.trail] == ["2", "3", "2 digits"]
        assert caller.position.variables["x"] == "45"

    def test_prompt_that_must_be_heard(self) -> None:
        """Without barge-in the key counts after the prompt."""
        caller = Caller(flow_of(MENU % ", barge_in: false"))
        assert caller.keys("1") == []
        assert caller.send(PlayDone(1)) == [Hangup("normal")]


class TestSecret:
    """An entry that must not be known."""

    EXTRA = "min: 4, max: 6, secret: true, prompts: [zh/pin], terminators: '#'"

    def test_concealed(self) -> None:
        """Recordings are silent from the question to the end of the entry, retries included, and no longer."""
        caller = Caller(collect(f"{self.EXTRA}, retries: 1"))
        assert caller.did == [Answer(), Conceal(True), play("zh/pin", play_id=1)]
        assert caller.keys("12#") == [StopPlay(), play("zh/pin", play_id=2)]
        assert caller.keys("987654") == [StopPlay(), Conceal(False), Hangup("normal")]

    def test_only_a_secret(self) -> None:
        """The digits are a secret variable, and the trail tells how many there were."""
        caller = Caller(collect(self.EXTRA))
        caller.keys("987654")
        position = caller.position
        assert position.secrets == {"x": "987654"}
        assert "x" not in position.variables
        assert [entry.key for entry in position.trail] == ["6 digits"]
        assert b"987654" not in msgspec.msgpack.encode(position.redacted())
        assert position.collected == ""

    def test_without_prompts(self) -> None:
        """A silent question conceals as well."""
        assert Caller(collect("max: 6, secret: true")).did == [Answer(), Conceal(True)]

    def test_typed_ahead(self) -> None:
        """An entry that was typed before it was asked for conceals what may follow it at once."""
        caller = TestTypeAhead.ahead(self.EXTRA, "987654")
        assert caller.send(PlayDone(1)) == [Conceal(True), Conceal(False), Hangup("normal")]
        assert caller.position.secrets == {"x": "987654"}

    @pytest.mark.parametrize("keys", ["", "98"])
    def test_other_ways_out(self, keys: str) -> None:
        """A time-out and a hang-up let recordings go on too."""
        caller = Caller(collect(self.EXTRA))
        caller.keys(keys)
        if not keys:
            caller.send(PlayDone(1))
        assert caller.wait()[0] == Conceal(False)
        caller = Caller(collect(self.EXTRA))
        caller.keys(keys)
        assert caller.send(CallerGone()) == [Conceal(False)]
        assert caller.position.collected == ""

    def test_a_later_entry_may_be_known(self) -> None:
        """A variable that was secret and is set anew by an open entry is open."""
        flow = flow_of(
            "  a: {type: collect, into: x, max: 4, secret: true, next: b, on_timeout: bye, on_invalid: bye}\n"
            "  b: {type: collect, into: x, max: 4, next: bye, on_timeout: bye, on_invalid: bye}\n"
            "  bye: {type: hangup}\n"
        )
        caller = Caller(flow)
        caller.keys("98761234")
        assert (caller.position.variables["x"], caller.position.secrets) == ("1234", {})

    def test_the_same_digits_again(self) -> None:
        """What equals or holds a secret is one, wherever it is entered."""
        flow = flow_of(
            "  a: {type: collect, into: x, max: 6, secret: true, next: b, on_timeout: bye, on_invalid: bye}\n"
            "  b: {type: collect, into: y, max: 8, next: bye, on_timeout: bye, on_invalid: bye}\n"
            "  bye: {type: hangup}\n"
        )
        caller = Caller(flow)
        caller.keys("98765411112222")
        assert caller.position.secrets == {"x": "987654"}
        caller = Caller(flow)
        caller.keys("98765419876540")
        assert caller.position.secrets == {"x": "987654", "y": "19876540"}


class TestConsent:
    """A consent node."""

    NODES = (
        "  a: {type: consent, prompts: [zh/agree], accepted: yes_, declined: no_, retries: 1%s}\n"
        "  yes_: {type: hangup}\n  no_: {type: hangup, cause: rejected}\n"
    )

    @pytest.mark.parametrize(("key", "given", "cause"), [("1", True, "normal"), ("2", False, "rejected")])
    def test_answer(self, key: str, given: bool, cause: str) -> None:
        """The answer is told, kept and noted."""
        caller = Caller(flow_of(self.NODES % ""))
        assert caller.keys(key) == [StopPlay(), Consent(given), Hangup(cause)]  # type: ignore[arg-type]
        assert caller.position.consent is given
        assert [entry.key for entry in caller.position.trail] == [key]

    def test_silence_is_no_consent(self) -> None:
        """Who says nothing, or presses other keys only, has not agreed."""
        caller = Caller(flow_of(self.NODES % ""))
        caller.keys("5")
        caller.send(PlayDone(2))
        assert caller.wait() == [Consent(False), Hangup("rejected")]
        assert caller.position.consent is False
        assert Caller(flow_of(self.NODES % "")).keys("55")[-2:] == [Consent(False), Hangup("rejected")]

    def test_silence_has_a_way_of_its_own(self) -> None:
        """With `on_timeout`, silence leads there."""
        nodes = self.NODES % ", on_timeout: later" + "  later: {type: hangup, cause: no_answer}\n"
        caller = Caller(flow_of(nodes))
        caller.send(PlayDone(1))
        caller.wait()
        caller.send(PlayDone(2))
        assert caller.wait() == [Consent(False), Hangup("no_answer")]


class TestSurvey:
    """A survey node."""

    NODES = (
        "  a:\n    type: survey\n    timeout: 6s\n    next: thanks\n    on_none: bye\n    questions:\n"
        "      - {name: solved, prompts: [zh/q1], keys: '12', retries: 1, retry_prompts: [zh/q1b]}\n"
        "      - {name: score, prompts: [zh/q2], timeout: 9s}\n"
        "  thanks: {type: hangup}\n  bye: {type: hangup, cause: no_answer}\n"
    )

    def test_all_answered(self) -> None:
        """Each answer is kept by its question's name, noted, and a variable."""
        caller = Caller(flow_of(self.NODES))
        assert caller.keys("1") == [StopPlay(), play("zh/q2", play_id=2)]
        assert caller.keys("4") == [StopPlay(), Hangup("normal")]
        assert caller.position.survey == {"solved": "1", "score": "4"}
        assert caller.position.variables["score"] == "4"
        assert [entry.key for entry in caller.position.trail] == ["1", "4"]

    def test_keys_of_each_question(self) -> None:
        """A key that is no answer is asked again as often as its question allows, then the next one is asked."""
        caller = Caller(flow_of(self.NODES))
        assert caller.keys("3") == [StopPlay(), play("zh/q1b", play_id=2)]
        assert caller.keys("3") == [StopPlay(), play("zh/q2", play_id=3)]
        assert caller.keys("5") == [StopPlay(), Hangup("normal")]
        assert caller.position.survey == {"score": "5"}

    def test_nothing_answered(self) -> None:
        """Silence throughout has an exit of its own; each question has its time."""
        caller = Caller(flow_of(self.NODES))
        caller.send(PlayDone(1))
        assert caller.position.deadline == 106.0
        caller.wait()
        caller.send(PlayDone(2))
        caller.wait()
        caller.send(PlayDone(3))
        assert caller.position.deadline == caller.now + 9.0
        assert caller.wait() == [Hangup("no_answer")]
        assert caller.position.survey == {}
