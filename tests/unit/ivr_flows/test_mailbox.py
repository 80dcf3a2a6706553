"""Hearing the messages of a mailbox: the nodes, and the order of messages."""

from __future__ import annotations

import pytest

from ivr_flows.actions import Answer, Hangup, Mailbox, StopPlay
from ivr_flows.browsing import Browsing
from ivr_flows.events import Digit, MailboxDone, PlayDone
from ivr_flows.machine import Waiting
from ivr_flows.prompt import Prompt, render
from tests.support.flow_caller import Caller, flow_of, play

BYE = "  bye: {type: hangup}\n  none: {type: hangup, cause: no_answer}\n  no: {type: hangup, cause: rejected}\n"
OPEN = flow_of(
    "  a: {type: mailbox, box: '{called}', pin: '{extension}', next: bye, on_empty: none, on_refused: no}\n" + BYE
)
NEXT = flow_of("  a: {type: message, do: next, prompts: [zh/number], next: bye, on_empty: none}\n" + BYE)


class TestMailbox:
    """A mailbox node."""

    @pytest.mark.parametrize(
        ("done", "cause"),
        [
            (MailboxDone(1, True, new=2, heard=1), "normal"),
            (MailboxDone(1, False), "no_answer"),
            (MailboxDone(1, refused=True), "rejected"),
        ],
    )
    def test_exits(self, done: MailboxDone, cause: str) -> None:
        """A box with messages, an empty one, and one that stays closed have their exits."""
        caller = Caller(OPEN, called="sales", extension="4321")
        assert caller.did == [Answer(), Mailbox("open", 1, "sales", "4321")]
        assert caller.send(done) == [Hangup(cause)]  # type: ignore[arg-type]

    def test_counts(self) -> None:
        """What the box holds can be told."""
        caller = Caller(OPEN)
        caller.send(MailboxDone(1, True, new=2, heard=1))
        assert {name: caller.position.variables[name] for name in ("messages_new", "messages_heard")} == {
            "messages_new": 2, "messages_heard": 1,
        }  # fmt: skip


class TestMessage:
    """A message node."""

    def playing(self) -> Caller:
        """Return one who hears a message."""
        caller = Caller(NEXT)
        assert caller.did == [Answer(), Mailbox("next", 1)]
        assert caller.send(MailboxDone(1, True, sound="recording:voicemail/m", number=3)) == [
            play("zh/number", "recording:voicemail/m", play_id=1)
        ]
        assert caller.position.waiting is Waiting.LISTENING
        assert caller.position.variables["message_number"] == 3
        return caller

    def test_heard_to_its_end(self) -> None:
        """Then it is no longer new."""
        assert self.playing().send(PlayDone(1)) == [Mailbox("heard"), Hangup("normal")]

    def test_cut_short(self) -> None:
        """A key stops it, and counts in what follows; the message stays as it was."""
        caller = self.playing()
        assert caller.send(PlayDone(9)) == []
        assert caller.send(Digit("7")) == [StopPlay(), Hangup("normal")]

    def test_none(self) -> None:
        """There is no further one."""
        assert Caller(NEXT).send(MailboxDone(1, False)) == [Hangup("no_answer")]

    @pytest.mark.parametrize("do", ["save", "delete"])
    def test_done(self, do: str) -> None:
        """Saving and deleting play nothing."""
        caller = Caller(flow_of(f"  a: {{type: message, do: {do}, next: bye, on_empty: none}}\n{BYE}"))
        assert caller.did == [Answer(), Mailbox(do, 1)]  # type: ignore[arg-type]
        assert caller.send(MailboxDone(1, True)) == [Hangup("normal")]


def test_no_variable_names_a_recording() -> None:
    """What others have said is played by a mailbox alone."""
    prompts = (Prompt("{x}"), Prompt("zh/a"))
    assert render(prompts, {"x": "recording:voicemail/m"}, "zh", "zh") == ("zh/a",)


class TestBrowsing:
    """The place in a mailbox."""

    def test_to_and_fro(self) -> None:
        """Never beyond the first and the last."""
        browsing = Browsing(box="b", messages=["1", "2"])
        there = {"1", "2"}
        assert browsing.move("again", there) == browsing.move("previous", there) == ""
        assert [browsing.move("next", there) for _ in range(3)] == ["1", "2", ""]
        assert (browsing.current, browsing.number) == ("2", 2)
        assert [browsing.move("previous", there) for _ in range(2)] == ["1", ""]
        assert browsing.move("again", there) == "1"

    def test_what_is_dropped(self) -> None:
        """The next one is that after it, the previous one that before it."""
        browsing, there = Browsing(box="b", messages=["1", "2", "3"]), {"1", "3"}
        browsing.move("next", {"1", "2", "3"})
        browsing.move("next", {"1", "2", "3"})
        browsing.drop()
        assert browsing.current == browsing.move("again", there) == ""
        browsing.drop()
        assert browsing.move("previous", there) == "1"
        assert browsing.move("next", there) == "3"

    def test_what_others_have_deleted(self) -> None:
        """It is passed over."""
        browsing = Browsing(box="b", messages=["1", "2", "3"])
        assert browsing.move("next", {"3"}) == "3"
        assert browsing.move("again", set()) == ""
