from __future__ import annotations

import pytest

from ivr_flows.actions import Action, Answer, Hangup, Play, StopPlay, Transfer
from ivr_flows.events import CallerGone, Digit, PlayDone, TimerDue, TransferEnded
from ivr_flows.loader import LIBRARY as FLOW_FILES
from ivr_flows.machine import Position, start, step
from tests.support.library import LIBRARY

PROMPTS = FLOW_FILES.parent / "prompts"


class Call:
    """A call of the 400 number; says in words what the caller notices."""

    def __init__(self, extension: str = "") -> None:
        self.flow = LIBRARY["extension"]
        self.now = 0.0
        self.heard: list[str] = []
        variables: dict[str, str | int] = {"called": "4008001234", "trunk": "carrier"}
        if extension:
            variables["extension"] = extension
        self.position: Position
        self.position, actions = start(self.flow, variables, self.now)
        self._hear(actions)

    def _hear(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Play):
                self.heard.append("+".join(action.prompts))
            elif isinstance(action, Transfer):
                self.heard.append(f"-> {action.number},{action.extension}")
            elif isinstance(action, Hangup):
                self.heard.append(f"hang-up {action.cause}")
            elif isinstance(action, Answer):
                self.heard.append("answered")
            else:
                assert isinstance(action, StopPlay)

    def keys(self, digits: str) -> None:
        """Press keys, a fifth of a second apart."""
        for digit in digits:
            self.now += 0.2
            self._hear(step(self.flow, self.position, Digit(digit), self.now)[1])

    def listen(self) -> None:
        """Hear the prompt to its end."""
        self.now += 4.0
        self._hear(step(self.flow, self.position, PlayDone(self.position.play_id), self.now)[1])

    def wait(self) -> None:
        """Do nothing until the flow does."""
        assert self.position.deadline is not None
        self.now = self.position.deadline
        self._hear(step(self.flow, self.position, TimerDue(), self.now)[1])

    def ends(self, outcome: str) -> None:
        """Let the transfer end."""
        self._hear(step(self.flow, self.position, TransferEnded(outcome), self.now)[1])  # type: ignore[arg-type]


WELCOME = "zh/welcome+zh/enter_extension"
WRONG = "zh/wrong_extension+zh/enter_extension"
SILENT = "zh/no_input+zh/enter_extension"


class TestExtension:
    """The flow of a main number with extensions."""

    def test_straight_through(self) -> None:
        """Six digits, the party, the end."""
        call = Call()
        call.listen()
        call.keys("123456")
        call.ends("completed")
        assert call.heard == ["answered", WELCOME, "-> 4008001234,123456", "hang-up normal"]

    def test_during_the_prompt(self) -> None:
        """Digits that arrive while the prompt plays are all used; the transfer comes with the last of them."""
        call = Call()
        call.keys("123456#")
        assert call.heard == ["answered", WELCOME, "-> 4008001234,123456"]

    def test_dialled_at_once(self) -> None:
        """An extension that came with the number is connected without a word."""
        assert Call("123456").heard == ["answered", "-> 4008001234,123456"]

    def test_wrong_twice_then_right(self) -> None:
        """Two wrong extensions are forgiven."""
        call = Call()
        for digits, outcome in (("111111", "unknown"), ("222222", "unknown"), ("123456", "completed")):
            call.keys(digits)
            call.ends(outcome)
        assert call.heard == [
            "answered",
            WELCOME,
            "-> 4008001234,111111",
            WRONG,
            "-> 4008001234,222222",
            WRONG,
            "-> 4008001234,123456",
            "hang-up normal",
        ]

    def test_wrong_three_times(self) -> None:
        """The third wrong extension ends with goodbye."""
        call = Call("999999")
        call.ends("unknown")
        for digits in ("111111", "222222"):
            call.keys(digits)
            call.ends("unknown")
        assert call.heard[-1] == "zh/goodbye"
        call.listen()
        assert call.heard[-1] == "hang-up normal"
        assert [words for words in call.heard if words == WRONG] == [WRONG, WRONG]

    def test_too_short(self) -> None:
        """Too few digits are a wrong extension, whether the caller stops or says so."""
        call = Call()
        call.keys("123")
        call.wait()
        assert call.heard[-1] == WRONG
        call.keys("123#")
        assert call.heard[-1] == WRONG
        call.keys("1#")
        assert call.heard[-1] == "zh/goodbye"

    def test_terminator_after_a_wrong_extension(self) -> None:
        """The # that follows six wrong digits does not spoil the next attempt."""
        call = Call()
        call.keys("111111")
        call.ends("unknown")
        call.keys("#")
        call.keys("123456")
        assert call.heard[-2:] == [WRONG, "-> 4008001234,123456"]

    def test_no_digits(self) -> None:
        """A silent caller is asked once more, then told goodbye."""
        call = Call()
        call.listen()
        assert call.position.deadline == call.now + 5.0
        call.wait()
        call.listen()
        call.wait()
        call.listen()
        assert call.heard == ["answered", WELCOME, SILENT, "zh/goodbye", "hang-up normal"]

    @pytest.mark.parametrize(
        ("outcome", "notice", "cause"),
        [
            ("busy", "zh/busy", "busy"),
            ("no_answer", "zh/no_answer", "no_answer"),
            ("unregistered", "zh/unavailable", "unregistered"),
            ("failed", "zh/failed", "failed"),
        ],
    )
    def test_not_reached(self, outcome: str, notice: str, cause: str) -> None:
        """Each failure has its notice and its cause."""
        call = Call("123456")
        call.ends(outcome)
        call.listen()
        assert call.heard[2:] == [notice, f"hang-up {cause}"]

    def test_worst_caller(self) -> None:
        """A caller who alternates silence and nonsense is sent off after at most six prompts."""
        call = Call()
        while not call.position.ended:
            call.keys("1")
            call.wait()
            if not call.position.ended:
                call.listen()
        assert len(call.heard) <= 8

    def test_caller_leaves(self) -> None:
        """A caller who hangs up during the prompt leaves nothing to do."""
        call = Call()
        assert step(call.flow, call.position, CallerGone(), 1.0)[1] == []
        assert call.position.ended


class TestHoldMusic:
    """Music until the caller hangs up."""

    def test_plays_on(self) -> None:
        """The call is answered and the music looped."""
        flow = LIBRARY["hold_music"]
        position, actions = start(flow, {}, 0.0)
        assert actions == [Answer(), Play(("music/hold",), True, 1)]
        assert step(flow, position, Digit("1"), 1.0)[1] == []
        assert step(flow, position, CallerGone(), 2.0)[1] == []
        assert position.ended


class TestPackaged:
    """All packaged flows."""

    @pytest.mark.parametrize("name", sorted(LIBRARY))
    def test_answers_now(self, name: str) -> None:
        """Every packaged flow speaks, so it answers at once."""
        assert LIBRARY[name].answer == "now"

    @pytest.mark.parametrize("name", sorted(LIBRARY))
    def test_prompts_are_there(self, name: str) -> None:
        """Every recording that a packaged flow plays is packaged with it."""
        recordings = [prompt for prompt in LIBRARY[name].prompt_names() if ":" not in prompt]
        missing = [prompt for prompt in recordings if not (PROMPTS / f"{prompt}.wav").is_file()]
        assert recordings
        assert missing == []
