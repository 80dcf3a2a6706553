from __future__ import annotations

from ivr_flows.loader import LIBRARY
from ivr_flows.testing.files import read_tests
from ivr_flows.testing.world import Given, Reply
from ivr_flows.trying import Walk
from tests.support.library import LIBRARY as FLOWS

TEXTS = {"zh/welcome": "您好。", "zh/enter_extension": "请输入分机号码。"}


class Person:
    """Somebody at the keyboard; `seen` is what the terminal shows, without the times."""

    def __init__(self, flow: str, given: Given | None = None, *replies: Reply) -> None:
        self.seen: list[str] = []
        self.lines: list[str] = []
        self.walk = Walk(FLOWS[flow], given or Given(), replies, lambda name: TEXTS.get(name, ""), self.show)

    def show(self, line: str) -> None:
        """Take a line."""
        self.lines.append(line)
        self.seen.append(line[7:])

    def keys(self, keys: str) -> list[str]:
        """Press keys, and return what is shown for them."""
        before = len(self.seen)
        for key in keys:
            assert self.walk.key(key)
        return self.seen[before:]


class TestWalk:
    """What a person sees who walks a flow."""

    def test_straight_through(self) -> None:
        """Nodes, prompts with their texts, keys, who is called, and the end, each with its time."""
        person = Person("extension")
        assert person.lines == [
            " 0:00          dialled → ask",
            " 0:00  answered",
            " 0:00  hears   [zh/welcome] 您好。 [zh/enter_extension] 请输入分机号码。",
        ]
        person.walk.advance(4.0)
        assert person.keys("12345") == [f"keys    {key}" for key in "12345"]
        assert person.keys("6") == ["keys    6", "        connect", "calls   4008000000,123456"]
        assert person.keys("b")[:2] == ["call    busy", "        busy"]
        person.walk.run_out()
        assert person.lines[-1] == " 0:07  over    busy"
        assert person.walk.over

    def test_time_passes(self) -> None:
        """A wait runs out by itself, or at once by `t`."""
        person = Person("extension")
        person.walk.advance(10.9)
        assert len(person.seen) == 3
        person.walk.advance(11.1)
        assert person.seen[3] == "        silent → nudge"
        assert person.keys("t") == []  # the prompt's end
        assert person.keys("t")[0] == "        silent → give_up"

    def test_secrets(self) -> None:
        """Secret keys are shown as dots, and what servers are asked is shown without numbers."""
        file, _ = read_tests(LIBRARY / "hotline.test.yaml")
        case = next(case for case in file.tests if "foreign phone" in case.name)
        person = Person("hotline", case.given.over(file.given), *case.backend, *file.backend)
        for key in "17391":
            assert person.walk.patient_key(key)
        text = "\n".join(person.lines)
        assert person.seen.count("keys    •") == 4
        assert "7391" not in text
        assert "13900000001" not in text
        assert "asks    POST http://127.0.0.1:8090/identify" in text

    def test_hang_up(self) -> None:
        """`h` hangs up, and the flow's branch for that is walked."""
        person = Person("hotline", None, Reply(url="*/hangup", status=204))
        assert person.keys("h")[0] == "hangs up"
        person.walk.run_out()
        assert person.seen[-2:] == ["answer  204", "        over"]

    def test_mailbox(self) -> None:
        """`s` ends a message; before the beep it means nothing."""
        person = Person("voicemail")
        assert not person.walk.key("s")
        person.keys("t")
        assert person.seen[-1] == "mailbox general: speak now"
        assert person.keys("s")[:2] == ["message 5 s, ended by digit", "        saved"]

    def test_keys_without_meaning(self) -> None:
        """Other keys are refused, and what helps then is told."""
        person = Person("four_digits")
        assert not person.walk.key("x")
        assert not person.walk.key("c")
        assert "0-9" in person.walk.hint()
        for key in "1234":
            person.walk.key(key)
        assert not person.walk.key("e")  # no group is waited for
        assert "busy" in person.walk.hint()
        assert person.walk.key("n")

    def test_a_server_without_an_answer(self) -> None:
        """A request that no test answers is told, and goes on as if the server were dead."""
        person = Person("survey")
        for key in "51":
            assert person.walk.patient_key(key)
        person.walk.run_out()
        assert "note    nothing under 'backend:' answers POST http://127.0.0.1:8090/survey" in person.seen
        assert "answer  unreachable" in person.seen

    def test_typed_beforehand(self) -> None:
        """Keys wait until they mean something; those that never do are told."""
        person = Person("extension")
        assert [person.walk.patient_key(key) for key in "123456c"] == [True] * 7
        assert person.seen[-1] == "over    normal"
        assert not person.walk.patient_key("1")
