from __future__ import annotations

import pytest

from ivr_flows.actions import Answer, Hangup, Play, Speech, StopPlay
from ivr_flows.events import PlayDone, TimerDue
from ivr_flows.loader import parse_flow
from ivr_flows.machine import Waiting
from tests.support.flow_caller import HEAD, Caller, flow_of, play


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


class TestSay:
    """A say node, and speech among prompts."""

    def test_words(self) -> None:
        """Values are read out as people say them, in the caller's language."""
        nodes = (
            "  a: {type: say, text: {zh: '您的余额是{amount|money}', en: 'You have {amount|money}'}, next: b}\n"
            "  b: {type: hangup}\n"
        )
        flow = flow_of(nodes, "variables: {amount: '12.50'}\n")
        assert Caller(flow).did[1] == Play((Speech("您的余额是十二元五角", "zh"),))
        assert Caller(flow, language="en").did[1] == Play((Speech("You have twelve yuan and fifty fen", "en"),))

    @pytest.mark.parametrize(("language", "sound"), [("en", "en/a"), ("zh", "zh/a"), ("fr", "en/a"), ("", "en/a")])
    def test_language(self, language: str, sound: str) -> None:
        """The caller's language decides, else the flow's."""
        nodes = "  a: {type: play, prompts: [{zh: zh/a, en: en/a}], next: b}\n  b: {type: hangup}\n"
        assert Caller(flow_of(nodes, "language: en\n"), language=language).did[1] == play(sound, play_id=1)

    def test_language_nobody_has(self) -> None:
        """Where neither is given, the first one is played."""
        nodes = "  a: {type: play, prompts: [{zh: zh/a, en: en/a}], next: b}\n  b: {type: hangup}\n"
        assert Caller(flow_of(nodes, "language: fr\n")).did[1] == play("zh/a", play_id=1)

    def test_sounds_named_by_variables(self) -> None:
        """A sound's name may hold variables; speech and sounds follow each other."""
        nodes = (
            "  a: {type: play, prompts: ['{language}/welcome', {say: '{name}'}, 'silence:0.5'], next: b}\n"
            "  b: {type: hangup}\n"
        )
        flow = flow_of(nodes, "variables: {name: 李}\n")
        assert Caller(flow).did[1] == Play(("zh/welcome", Speech("李", "zh"), "silence:0.5"))

    def test_secrets_are_not_spoken(self) -> None:
        """A secret variable is silence, and nothing but silence is not played at all."""
        nodes = "  a: {type: say, text: '{caller|phone}', next: b}\n  b: {type: hangup, prompts: [{say: '{caller}'}]}\n"
        caller = Caller(flow_of(nodes), caller="13800138000")
        assert caller.did == [Answer(), Hangup("normal")]

    def test_barge_in(self) -> None:
        """A key stops the words where the node allows it, and the key is kept."""
        nodes = "  a: {type: say, text: hello, barge_in: true, next: b}\n  b: {type: hangup, prompts: [zh/b]}\n"
        caller = Caller(flow_of(nodes))
        assert caller.keys("1") == [StopPlay(), play("zh/b", play_id=2)]

    def test_music_of_nothing(self) -> None:
        """A loop in which there is nothing to say ends the call rather than keeping it silent."""
        caller = Caller(flow_of("  a: {type: play, prompts: [{say: '{reason}'}], loop: true}\n"))
        assert caller.did == [Answer(), Hangup("failed")]
