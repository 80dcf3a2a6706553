from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ivr_flows.actions import Answer, Conceal, Hangup, Http, StopPlay
from ivr_flows.events import CallerGone, PlayDone
from ivr_flows.identity import Identity
from ivr_flows.machine import Waiting
from tests.support.flow_caller import Caller, flow_of, play

NODES = (
    "  a:\n    type: identify\n    url: 'http://b/identity'\n    headers: {X-Key: k}\n    attempts: 2\n"
    "    skip_key: '*'\n%s"
    "    ask: {method: id_card, prompts: [zh/ask], retry_prompts: [zh/again], min: 4, max: 6, terminators: '#',"
    " first_timeout: 7s, digit_timeout: 2s}\n"
    "    own_number: own\n    verified: known\n    failed: wrong\n    skipped: skipped\n    unavailable: down\n"
    "  own: {type: hangup}\n  known: {type: hangup}\n  wrong: {type: hangup, cause: rejected}\n"
    "  skipped: {type: hangup, cause: unknown}\n  down: {type: hangup, cause: failed}\n"
)
FLOW = flow_of(NODES % "")
CALLER = "13956781234"
OWN, FOREIGN = {"own": True, "subject": "u-1"}, {"own": False}
YES, NO = {"verified": True, "subject": "u-2"}, {"verified": False}


def ringing(caller: str = CALLER) -> Caller:
    """Return a caller about whose number the backend is being asked."""
    return Caller(FLOW, caller=caller)


def asked_for_digits() -> Caller:
    """Return a caller on a foreign phone, a second after the question about the number."""
    caller = ringing()
    caller.now += 1.0
    caller.answer(FOREIGN)
    return caller


def body(request: Http) -> Any:
    """Return what a request says."""
    assert request.body is not None
    return msgspec.json.decode(request.body)


class TestNumber:
    """Whether the calling number is the account's own."""

    def test_question(self) -> None:
        """The backend is asked at once, without a word to the caller."""
        caller = ringing()
        request = caller.asked()
        assert (request.method, request.url, request.headers) == ("POST", "http://b/identity", {"X-Key": "k"})
        assert body(request) == {"step": "number", "caller": CALLER}
        assert (request.timeout, caller.position.deadline) == (2.0, 100.0 + 2.0 + 1.0)

    def test_own(self) -> None:
        """Who calls from a number of their own is asked nothing."""
        caller = ringing()
        caller.now += 0.5
        assert caller.answer(OWN) == [Hangup("normal")]
        assert caller.position.identity == Identity("own_number", "number", "u-1", 0, 100.0, 0.5)
        assert caller.position.variables["identity"] == "own_number"
        assert caller.position.variables["subject"] == "u-1"

    def test_foreign(self) -> None:
        """Who does not is asked, and nothing records it."""
        caller = ringing()
        assert caller.answer(FOREIGN) == [Conceal(True), play("zh/ask", play_id=1)]
        assert caller.position.identity.status == "not_asked"

    def test_hidden(self) -> None:
        """Who hides their number is asked at once."""
        assert ringing("").did == [Answer(), Conceal(True), play("zh/ask", play_id=1)]

    def test_keys_ahead(self) -> None:
        """Keys pressed while the backend thinks are those of the entry."""
        caller = ringing()
        assert caller.keys("4321#") == []
        assert caller.answer(FOREIGN) == [Conceal(True), caller.asked()]
        assert body(caller.asked())["digits"] == "4321"

    def test_prompts_meanwhile(self) -> None:
        """A caller may hear something while the backend thinks."""
        caller = Caller(flow_of(NODES % "    while: [music/hold]\n"), caller=CALLER)
        assert caller.did[2:] == [play("music/hold", play_id=1, loop=True)]
        assert caller.answer(FOREIGN)[0] == StopPlay()


UNUSABLE: list[tuple[object, int, str]] = [
    (None, 0, "timeout"),
    (None, 0, "unreachable"),
    (None, 0, "busy"),
    (None, 200, "invalid"),
    (None, 200, "too_large"),
    (None, 500, ""),
    ({"own": True, "verified": True}, 503, ""),
    ({"own": True, "verified": True}, 404, ""),
    (None, 204, ""),
    ({}, 200, ""),
    ([], 200, ""),
    ("yes", 200, ""),
    ({"own": "yes", "verified": "yes"}, 200, ""),
    ({"own": 1, "verified": 1}, 200, ""),
    ({"own": None, "verified": None}, 200, ""),
]


class TestUnavailable:
    """A backend that cannot be used is no reason to wait."""

    @pytest.mark.parametrize(("answer", "status", "error"), UNUSABLE)
    def test_number(self, answer: object, status: int, error: str) -> None:
        """Any answer but the agreed ones leads on at once."""
        caller = ringing()
        assert caller.answer(answer, status, error) == [Hangup("failed")]
        assert caller.position.identity == Identity("unavailable", "number", "", 0, 100.0, 0.0)

    @pytest.mark.parametrize(("answer", "status", "error"), UNUSABLE)
    def test_verification(self, answer: object, status: int, error: str) -> None:
        """So it does after the entry."""
        caller = asked_for_digits()
        caller.keys("654321")
        assert caller.answer(answer, status, error) == [Conceal(False), Hangup("failed")]
        assert caller.position.identity == Identity("unavailable", "id_card", "", 1, 100.0, 1.0)

    def test_no_answer_at_all(self) -> None:
        """An end that is never reported counts as none, in both states."""
        caller = ringing()
        assert caller.wait() == [Hangup("failed")]
        assert caller.position.identity.method == "number"
        caller = asked_for_digits()
        caller.keys("654321")
        assert caller.wait() == [Conceal(False), Hangup("failed")]
        assert caller.position.identity == Identity("unavailable", "id_card", "", 1, 100.0, 4.0)


class TestEntry:
    """What the caller keys in."""

    def test_verified(self) -> None:
        """The right digits identify the caller, and are forgotten."""
        caller = asked_for_digits()
        caller.keys("4321")
        caller.now += 4.0
        assert caller.keys("#") == [caller.asked()]
        assert body(caller.asked()) == {"step": "verify", "caller": CALLER, "method": "id_card", "digits": "4321"}
        caller.now += 0.5
        assert caller.answer(YES) == [Conceal(False), Hangup("normal")]
        assert caller.position.identity == Identity("verified", "id_card", "u-2", 1, 100.0, 5.5)
        assert [entry.key for entry in caller.position.trail] == ["4 digits"]
        assert b"4321" not in msgspec.msgpack.encode(caller.position.redacted()).replace(CALLER.encode(), b"")

    def test_wrong_then_right(self) -> None:
        """One wrong try is forgiven; recordings stay silent throughout."""
        caller = asked_for_digits()
        caller.keys("111111")
        assert caller.answer(NO) == [play("zh/again", play_id=2)]
        caller.keys("654321")
        assert caller.answer(YES) == [Conceal(False), Hangup("normal")]
        assert (caller.position.identity.status, caller.position.identity.attempts) == ("verified", 2)

    def test_attempts_are_counted(self) -> None:
        """After the last attempt the check has failed."""
        caller = asked_for_digits()
        caller.keys("111111")
        caller.answer(NO)
        caller.keys("222222")
        assert caller.answer(NO) == [Conceal(False), Hangup("rejected")]
        assert caller.position.identity == Identity("failed", "id_card", "", 2, 100.0, 1.0)

    def test_silence_and_short_entries_are_attempts(self) -> None:
        """Nobody is asked for ever."""
        caller = asked_for_digits()
        caller.send(PlayDone(1))
        assert caller.position.deadline == caller.now + 7.0
        assert caller.wait() == [play("zh/again", play_id=2)]
        assert caller.keys("12#") == [StopPlay(), Conceal(False), Hangup("rejected")]
        assert (caller.position.identity.status, caller.position.identity.attempts) == ("failed", 2)

    def test_skipped(self) -> None:
        """The skip key leads on, as the first key only."""
        caller = asked_for_digits()
        assert caller.keys("*") == [StopPlay(), Conceal(False), Hangup("unknown")]
        assert caller.position.identity == Identity("skipped", "id_card", "", 0, 100.0, 1.0)
        caller = asked_for_digits()
        caller.keys("12*4#")
        assert body(caller.asked())["digits"] == "12*4"

    def test_keys_during_the_verification(self) -> None:
        """Keys pressed while the backend thinks are those of the next attempt."""
        caller = asked_for_digits()
        caller.keys("111111")
        caller.keys("654321")
        caller.answer(NO)
        assert body(caller.asked())["digits"] == "654321"

    @pytest.mark.parametrize("subject", ["654321", "id-654321-x", 654321, CALLER, f"tel:{CALLER}", True, [1], None])
    def test_subject_that_tells_too_much(self, subject: object) -> None:
        """A subject that is the digits or the number, or no name at all, is dropped."""
        caller = asked_for_digits()
        caller.keys("654321")
        caller.answer({"verified": True, "subject": subject})
        assert (caller.position.identity.status, caller.position.identity.subject) == ("verified", "")

    def test_subject_is_short(self) -> None:
        """A subject is a name, not a letter."""
        caller = ringing()
        caller.answer({"own": True, "subject": "x" * 500})
        assert caller.position.identity.subject == "x" * 64

    @pytest.mark.parametrize("keys", ["", "12", "654321"])
    def test_caller_gone(self, keys: str) -> None:
        """A caller who hangs up in between was not identified, and leaves no digits."""
        caller = asked_for_digits()
        caller.keys(keys)
        caller.now += 2.0
        assert caller.send(CallerGone()) == [Conceal(False)]
        identity = caller.position.identity
        assert (identity.status, identity.took) == ("not_asked", 3.0)
        assert b"654321" not in msgspec.msgpack.encode(caller.position)

    def test_states(self) -> None:
        """The states are those of the table."""
        caller = ringing()
        assert caller.position.waiting is Waiting.CHECKING
        caller.answer(FOREIGN)
        assert caller.position.waiting is Waiting.PROMPTING
        caller.keys("1234")
        assert caller.position.waiting is Waiting.KEYING
        caller.keys("#")
        assert caller.position.waiting is Waiting.VERIFYING
        caller.answer(NO)
        assert caller.position.waiting is Waiting.PROMPTING
