from __future__ import annotations

import pytest

from ivr_flows.actions import Answer, Hangup, Message, Record, StopMessage, StopPlay
from ivr_flows.events import Digit, MessageDone, PlayDone
from ivr_flows.machine import Waiting
from tests.support.flow_caller import Caller, flow_of, play

NODES = (
    "  a: {type: voicemail, box: '{called}', prompts: [zh/leave], max: 30s, min: 2s, silence: 3s, terminators: '#*',"
    " next: bye, on_empty: empty, on_error: bad}\n"
    "  bye: {type: hangup}\n  empty: {type: hangup, cause: no_answer}\n  bad: {type: hangup, cause: failed}\n"
)
BEEP = "tone:1000:0.4"
MESSAGE = Message("400", 30.0, 2.0, 3.0, "#*", 1)


def mailbox() -> Caller:
    """Return a caller who hears the greeting."""
    return Caller(flow_of(NODES), called="400")


@pytest.mark.parametrize("do", ["start", "stop", "pause", "resume"])
def test_record(do: str) -> None:
    """A record node tells the recorder and goes on at once."""
    flow = flow_of(f"  a: {{type: record, do: {do}, next: b}}\n  b: {{type: hangup}}\n")
    assert Caller(flow).did == [Answer(), Record(do), Hangup("normal")]  # type: ignore[arg-type]


class TestVoicemail:
    """A voicemail node."""

    def test_greeting_beep_and_message(self) -> None:
        """The message begins after the beep, and its wait is a little longer than it may last."""
        caller = mailbox()
        assert caller.did == [Answer(), play("zh/leave", BEEP, play_id=1)]
        caller.now = 110.0
        assert caller.send(PlayDone(1)) == [MESSAGE]
        assert (caller.position.waiting, caller.position.deadline) == (Waiting.MESSAGING, 110.0 + 30.0 + 5.0)

    @pytest.mark.parametrize(
        ("seconds", "reason", "cause"),
        [
            (12.0, "silence", "normal"),
            (2.0, "digit", "normal"),
            (30.0, "limit", "normal"),
            (1.9, "digit", "no_answer"),
            (0.0, "silence", "no_answer"),
            (9.0, "failed", "failed"),
        ],
    )
    def test_ends(self, seconds: float, reason: str, cause: str) -> None:
        """A message, one that is too short, and one that could not be recorded have their exits."""
        caller = mailbox()
        caller.send(PlayDone(1))
        assert caller.send(MessageDone(1, seconds, reason)) == [Hangup(cause)]  # type: ignore[arg-type]

    def test_terminator_skips_the_greeting(self) -> None:
        """A terminator leads to the beep, which no key skips; other keys do nothing."""
        caller = mailbox()
        assert caller.keys("12") == []
        assert caller.keys("#") == [play(BEEP, play_id=2)]
        assert caller.keys("##") == []
        assert caller.send(PlayDone(1)) == []
        assert caller.send(PlayDone(2)) == [MESSAGE]
        assert caller.position.typed == ""

    def test_without_a_greeting(self) -> None:
        """There is still a beep."""
        caller = Caller(flow_of(NODES.replace(" prompts: [zh/leave],", "")), called="400")
        assert caller.did == [Answer(), play(BEEP, play_id=1)]
        assert caller.keys("#") == []

    def test_greeting_that_does_not_end(self) -> None:
        """A greeting whose end is never reported does not keep the caller from speaking."""
        assert mailbox().wait() == [StopPlay(), MESSAGE]

    def test_message_that_does_not_end(self) -> None:
        """Nor does a message keep the line for ever."""
        caller = mailbox()
        caller.send(PlayDone(1))
        assert caller.wait() == [StopMessage(), Hangup("failed")]

    def test_keys_during_the_message(self) -> None:
        """Keys pressed while speaking are the recorder's business."""
        caller = mailbox()
        caller.send(PlayDone(1))
        assert caller.send(Digit("1"), Digit("#")) == []
        assert caller.position.typed == ""
