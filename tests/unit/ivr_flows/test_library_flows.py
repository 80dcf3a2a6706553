"""The packaged flows, walked without a switch: every way through them that a caller, a party or a server can cause."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Literal

import pytest

from ivr_flows.actions import Action, Callback, Consent, Hangup, Http, Message, Play, Queue, Record, Speech, Transfer
from ivr_flows.clock import LocalTime
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
from ivr_flows.machine import start, step
from ivr_flows.position import Waiting
from tests.support.library import LIBRARY

CALLER = "13900000001"
SECRET = "7391"


class At:
    """A clock that stands still."""

    def __init__(self, time: str = "12:00", *, workday: bool = True, holiday: str = "") -> None:
        self.here = LocalTime("2026-11-23", time, 1 if workday else 6, workday, holiday)

    def local(self, now: float) -> LocalTime:
        """The same at any time."""
        return self.here


class Call:
    """One call of a flow; `heard` says in words what was done."""

    def __init__(self, flow: str, clock: At | None = None, **given: str | int) -> None:
        self.flow = LIBRARY[flow]
        self.clock = clock or At()
        self.now = 100.0
        self.heard: list[str] = []
        self.requests: list[Http] = []
        caller = given.pop("caller", CALLER)
        secrets: Mapping[str, str | int] = {"caller": caller}
        variables = {"called": "4008001234", "trunk": "carrier", **given}
        self.position, actions = start(self.flow, variables, self.now, self.clock, secrets)
        self._note(actions)

    def _note(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Play():
                    words = [prompt.text if isinstance(prompt, Speech) else prompt for prompt in action.prompts]
                    self.heard.append("+".join(words))
                case Queue():
                    self.heard.append(f"queue {action.group} {action.priority}")
                case Transfer():
                    self.heard.append(f"-> {action.target or f'{action.number},{action.extension}'}")
                case Http():
                    self.requests.append(action)
                    self.heard.append(f"{action.method} {action.url}")
                case Message():
                    self.heard.append(f"message for {action.box}")
                case Callback():
                    self.heard.append(f"call back {action.number} by {action.group}")
                case Record():
                    self.heard.append(f"record {action.do}")
                case Consent():
                    self.heard.append(f"consent {action.given}")
                case Hangup():
                    self.heard.append(f"hang-up {action.cause}")
                case _:
                    pass

    def send(self, event: Event) -> None:
        """Let something happen."""
        self._note(step(self.flow, self.position, event, self.now, self.clock)[1])

    def keys(self, digits: str) -> None:
        """Press keys, hearing out what cannot be interrupted."""
        for digit in digits:
            self.send(Digit(digit))
        self.listen()

    def listen(self) -> None:
        """Hear out what leads on by itself."""
        while self.position.waiting in (Waiting.PLAYING, Waiting.GREETING, Waiting.LEAVING):
            self.send(PlayDone(self.position.play_id))

    def silence(self) -> None:
        """Hear the question to its end, and say nothing."""
        if self.position.waiting is Waiting.PROMPTING:
            self.send(PlayDone(self.position.play_id))
        assert self.position.deadline is not None
        self.now = self.position.deadline
        self.send(TimerDue())
        self.listen()

    def answer(self, body: object = None, status: int = 200, error: str = "") -> None:
        """Let the server answer."""
        self.send(HttpDone(self.position.requests, status, body, error))  # type: ignore[arg-type]
        self.listen()

    def queue_ends(self, outcome: Literal["completed", "empty", "full", "timeout", "failed"]) -> None:
        """Let the queue end."""
        self.send(QueueEnded(outcome))
        self.listen()

    def said(self, seconds: float, reason: Literal["digit", "silence", "limit", "failed"] = "silence") -> None:
        """Leave a message of so many seconds."""
        self.send(MessageDone(self.position.requests, seconds, reason))
        self.listen()

    def taken(self, accepted: bool) -> None:
        """Let the wish to be called back be kept or refused."""
        self.send(CallbackTaken(self.position.requests, accepted))
        self.listen()

    def kept(self) -> str:
        """All that may be written down of the call."""
        return repr(
            (self.position.trail, self.position.redacted().variables, self.position.path, self.position.identity)
        )


def hotline(clock: At | None = None, **given: str | int) -> Call:
    """A call of the hotline that has chosen Chinese."""
    call = Call("hotline", clock, backend="http://b", **given)
    call.keys("1")
    return call


def known(**given: str | int) -> Call:
    """A call of the hotline from the account's own telephone."""
    call = hotline(None, **given)
    call.answer({"own": True, "subject": "acct-1"})
    return call


class TestHotline:
    """Language, identity, menus, orders, an agent."""

    def test_straight_through(self) -> None:
        """From the own telephone to the group of the product, to the survey."""
        call = known(hotel_group="hotels")
        call.keys("10")
        assert call.heard == [
            "zh/welcome+zh/choose_language+en/choose_language",
            "POST http://b/identify",
            "zh/product_menu",
            "zh/main_menu",
            "queue hotels 1",
        ]
        call.queue_ends("completed")
        call.keys("51")
        assert call.heard[5:] == [
            "zh/survey_satisfied",
            "zh/survey_solved",
            "POST http://b/survey",
        ]
        call.answer({"taken": True})
        assert call.heard[8:] == ["zh/survey_thanks", "hang-up normal"]
        assert call.requests[-1].body == b'{"subject":"acct-1","satisfied":"5","solved":"1"}'

    def test_english(self) -> None:
        """All that follows is in the language chosen, sub-flows as well."""
        call = Call("hotline", backend="http://b")
        call.keys("2")
        call.answer({"own": True, "subject": "s"})
        call.keys("0")
        call.queue_ends("empty")
        spoken = [words for words in call.heard[1:] if "/" in words and "://" not in words]
        assert spoken == ["en/product_menu", "en/queue_empty", "en/after_hours_menu"]

    @pytest.mark.parametrize("how", ["silence", "9"])
    def test_no_language(self, how: str) -> None:
        """Who chooses none is spoken to in Chinese."""
        call = Call("hotline", backend="http://b")
        if how == "silence":
            call.silence()
        else:
            call.keys(how)
        assert call.position.variables["language"] == "zh"
        assert call.position.waiting is Waiting.CHECKING

    def test_foreign_telephone(self) -> None:
        """One wrong try, then the right digits; they are nowhere afterwards."""
        call = hotline()
        call.answer({"own": False, "subject": ""})
        call.keys("1112")
        call.answer({"verified": False})
        call.keys(SECRET)
        call.answer({"verified": True, "subject": "acct-2"})
        assert call.heard[2:] == [
            "zh/identity_ask_id_card+zh/identity_skip",
            "POST http://b/identify",
            "zh/identity_wrong+zh/identity_ask_id_card",
            "POST http://b/identify",
            "zh/identity_verified",
            "zh/product_menu",
        ]
        identity = call.position.identity
        assert (identity.status, identity.subject, identity.attempts) == ("verified", "acct-2", 2)
        assert SECRET not in call.kept()
        assert CALLER not in call.kept()

    def test_never_known(self) -> None:
        """Three wrong tries lead to an agent, who sees that the caller failed."""
        call = hotline()
        call.answer({"own": False})
        for _ in range(3):
            call.keys(SECRET)
            call.answer({"verified": False})
        assert call.heard[-2:] == ["zh/identity_failed", "queue support 0"]
        assert call.position.identity.status == "failed"

    def test_skipped(self) -> None:
        """Who cannot say goes on, unknown."""
        call = hotline()
        call.answer({"own": False})
        call.keys("*")
        assert call.heard[-1] == "zh/product_menu"
        assert call.position.identity.status == "skipped"

    @pytest.mark.parametrize("stage", ["number", "verify"])
    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            (0, None, "timeout"),
            (0, None, "unreachable"),
            (0, None, "busy"),
            (200, None, "invalid"),
            (200, None, "too_large"),
            (500, {"own": True, "verified": True}, ""),
            (200, {"own": "yes", "verified": "yes"}, ""),
            (200, [], ""),
            (200, None, ""),
            (204, None, ""),
        ],
    )
    def test_backend_in_trouble(self, stage: str, status: int, body: object, error: str) -> None:
        """An agent without delay, whatever is wrong."""
        call = hotline()
        if stage == "verify":
            call.answer({"own": False})
            call.keys(SECRET)
        call.answer(body, status, error)
        assert call.heard[-1] == "queue support 0"
        assert call.position.identity.status == "unavailable"

    def test_withheld_number(self) -> None:
        """Who hides their number is asked at once."""
        call = hotline(caller="")
        assert call.heard[-1] == "zh/identity_ask_id_card+zh/identity_skip"

    def test_order_status(self) -> None:
        """The order keyed is looked up for this customer, read out, and the menu comes again."""
        call = known()
        call.keys("1120260001#")
        assert call.heard[-2:] == ["GET http://b/orders/20260001?subject=acct-1", "zh/looking_up+music/hold"]
        call.answer({"status": "shipped", "amount": "128.50", "date": "2026-03-05"})
        assert call.heard[-3:] == [
            "zh/order_shipped",
            "订单号二零二六，零零零幺，下单日期二〇二六年三月五日，金额一百二十八元五角。",
            "zh/main_menu",
        ]

    @pytest.mark.parametrize("status", ["paid", "shipped", "refunding", "cancelled"])
    def test_every_status(self, status: str) -> None:
        """Each has its words."""
        call = known()
        call.keys("11123456#")
        call.answer({"status": status, "amount": 5, "date": "2026-03-05"})
        assert call.heard[-3] == f"zh/order_{status}"

    @pytest.mark.parametrize(
        ("status", "body", "error"),
        [
            (0, None, "timeout"),
            (0, None, "unreachable"),
            (200, None, "invalid"),
            (500, None, ""),
            (200, {"status": ["shipped"]}, ""),
            (200, {"status": "lost"}, ""),
            (200, 7, ""),
        ],
    )
    def test_order_in_trouble(self, status: int, body: object, error: str) -> None:
        """What cannot be looked up is an agent's."""
        call = known()
        call.keys("11123456#")
        call.answer(body, status, error)
        assert call.heard[-2:] == ["zh/service_down", "queue support 1"]

    def test_no_such_order(self) -> None:
        """Two more tries, then an agent."""
        call = known()
        call.keys("11")
        for _ in range(3):
            call.keys("123456#")
            call.answer(None, 404)
        assert call.heard.count("zh/order_not_found") == 2
        assert call.heard[-1] == "queue support 1"

    @pytest.mark.parametrize("keys", ["0", "10", "20", "12"])
    def test_groups(self, keys: str) -> None:
        """Each product and wish has its group."""
        call = known(group="all", hotel_group="hotels", flights_group="flights", returns_group="returns")
        call.keys(keys)
        assert call.heard[-1] == f"queue {({'0': 'all', '10': 'hotels', '20': 'flights', '12': 'returns'})[keys]} 1"

    @pytest.mark.parametrize("keys", ["", "1", "11"])
    def test_silent_or_confused(self, keys: str) -> None:
        """Silence, or wrong keys, at any question end with an agent after a few tries."""
        for act in ("silence", "wrong"):
            call = known()
            call.keys(keys)
            for _ in range(4):
                if call.position.waiting is Waiting.QUEUED:
                    break
                if act == "silence":
                    call.silence()
                else:
                    call.keys("9#")
            assert call.heard[-1].startswith("queue ")

    @pytest.mark.parametrize(
        ("clock", "days", "open_"),
        [
            (At("09:00"), "workdays", True),
            (At("17:59"), "workdays", True),
            (At("18:00"), "workdays", False),
            (At("08:59"), "workdays", False),
            (At("12:00", workday=False), "workdays", False),
            (At("12:00", workday=False, holiday="国庆节"), "workdays", False),
            (At("12:00", workday=False), "all", True),
            (At("20:00", workday=False), "all", False),
        ],
    )
    def test_hours(self, clock: At, days: str, open_: bool) -> None:
        """Out of hours there is a message or a wish instead."""
        call = hotline(clock, days=days)
        last = "POST http://b/identify" if open_ else "zh/after_hours_menu"
        call.listen()
        assert call.heard[-1] == last

    def test_always_open(self) -> None:
        """A whole day may be given."""
        call = hotline(At("23:59", workday=False), opens="00:00", closes="24:00", days="all")
        assert call.heard[-1] == "POST http://b/identify"

    @pytest.mark.parametrize(
        ("outcome", "heard"),
        [
            ("empty", ["zh/queue_empty", "zh/after_hours_menu"]),
            ("timeout", ["zh/queue_timeout", "zh/after_hours_menu"]),
            ("failed", ["zh/queue_timeout", "zh/after_hours_menu"]),
            ("full", ["zh/surge+zh/callback_offer"]),
        ],
    )
    def test_nobody(self, outcome: Literal["empty", "full", "timeout", "failed"], heard: list[str]) -> None:
        """Who cannot be helped now is offered something else."""
        call = known()
        call.keys("0")
        call.queue_ends(outcome)
        assert call.heard[-len(heard) :] == heard

    def test_hang_up(self) -> None:
        """Wherever the caller hangs up, the server hears of it once, without a number or an entry."""
        walks = ["", "1", "11", "1112345", "10"]
        for walk in walks:
            call = known()
            call.keys(walk)
            call.send(CallerGone())
            assert call.heard[-1] == "POST http://b/hangup"
            assert call.heard.count("POST http://b/hangup") == 1
            assert CALLER.encode() not in (call.requests[-1].body or b"")
            call.answer(None, 0, "timeout")
            assert call.position.ended
            assert not call.heard[-1].startswith("hang-up")

    def test_hang_up_in_a_sub_flow(self) -> None:
        """The survey has no branch of its own for it; the hotline's is walked."""
        call = known()
        call.keys("0")
        call.queue_ends("completed")
        call.keys("4")
        call.send(CallerGone())
        assert call.heard[-1] == "POST http://b/hangup"
        assert call.position.survey == {"satisfied": "4"}


class TestSurvey:
    """Two questions."""

    def test_answered(self) -> None:
        """Both answers are kept and sent."""
        call = Call("survey", backend="http://b", subject="acct-1")
        call.keys("42")
        assert call.position.survey == {"satisfied": "4", "solved": "2"}
        call.answer({})
        assert call.heard[-2:] == ["zh/survey_thanks", "hang-up normal"]

    @pytest.mark.parametrize(("status", "error"), [(500, ""), (0, "timeout"), (0, "unreachable"), (200, "invalid")])
    def test_the_server_does_not_matter(self, status: int, error: str) -> None:
        """The caller is thanked whatever it says."""
        call = Call("survey", backend="http://b")
        call.keys("11")
        call.answer(None, status, error)
        assert call.heard[-2:] == ["zh/survey_thanks", "hang-up normal"]

    def test_wrong_key(self) -> None:
        """A wrong key is asked about once, then the question is passed over."""
        call = Call("survey", backend="http://b")
        call.keys("7")
        assert call.heard[-1] == "zh/invalid_choice+zh/survey_satisfied"
        call.keys("8")
        assert call.heard[-1] == "zh/survey_solved"
        call.keys("1")
        assert call.position.survey == {"solved": "1"}

    def test_silence(self) -> None:
        """Who says nothing is not thanked, and nothing is sent."""
        call = Call("survey", backend="http://b")
        for _ in range(4):
            call.silence()
        assert call.heard[-2:] == ["zh/goodbye", "hang-up normal"]
        assert call.requests == []

    def test_hang_up(self) -> None:
        """What was answered stays."""
        call = Call("survey", backend="http://b")
        call.keys("3")
        call.send(CallerGone())
        assert call.position.ended
        assert call.position.survey == {"satisfied": "3"}


class TestConsent:
    """May it be recorded?"""

    def test_agreed(self) -> None:
        """Recording begins before the call is put through."""
        call = Call("consent", target="aor:alice")
        call.keys("1")
        assert call.heard == ["zh/consent_ask", "consent True", "record start", "-> aor:alice"]

    @pytest.mark.parametrize("act", ["2", "silence", "wrong"])
    def test_not_agreed(self, act: str) -> None:
        """No, nothing and nonsense are no agreement: the call goes on unrecorded."""
        call = Call("consent", target="aor:alice")
        for _ in range(2):
            if act == "silence":
                call.silence()
            elif call.position.waiting is not Waiting.TRANSFERRING:
                call.keys("2" if act == "2" else "8")
        assert "record start" not in call.heard
        assert call.position.consent is False
        assert call.heard[-2:] == ["zh/consent_declined", "-> aor:alice"]

    @pytest.mark.parametrize(
        ("outcome", "heard"),
        [
            ("completed", ["hang-up normal"]),
            ("busy", ["zh/busy", "hang-up busy"]),
            ("no_answer", ["zh/no_answer", "hang-up no_answer"]),
            ("unregistered", ["zh/unavailable", "hang-up unregistered"]),
            ("unknown", ["zh/failed", "hang-up failed"]),
        ],
    )
    def test_the_party(self, outcome: str, heard: list[str]) -> None:
        """Each end of the connection has its words."""
        call = Call("consent", target="aor:alice")
        call.keys("1")
        call.send(TransferEnded(outcome))  # type: ignore[arg-type]
        call.listen()
        assert call.heard[4:] == heard

    def test_without_a_target(self) -> None:
        """Alone, it ends."""
        call = Call("consent")
        call.keys("1")
        assert call.heard[-1] == "hang-up normal"


class TestVoicemail:
    """A message."""

    def test_taken(self) -> None:
        """Greeting, beep, message, thanks."""
        call = Call("voicemail", box="desk")
        call.listen()
        call.said(7.0)
        assert call.heard == [
            "zh/voicemail_greeting+tone:1000:0.4",
            "message for desk",
            "zh/voicemail_saved",
            "hang-up normal",
        ]

    def test_greeting_skipped(self) -> None:
        """A terminator leads straight to the beep."""
        call = Call("voicemail")
        call.send(Digit("#"))
        call.listen()
        assert call.heard[1:] == ["tone:1000:0.4", "message for general"]

    def test_nothing_said(self) -> None:
        """Asked once more, then goodbye."""
        call = Call("voicemail")
        call.listen()
        call.said(0.4)
        assert call.heard.count("zh/voicemail_empty") == 1
        call.said(0.0)
        assert call.heard[-2:] == ["zh/goodbye", "hang-up normal"]

    def test_failed(self) -> None:
        """A mailbox that takes nothing is told."""
        call = Call("voicemail")
        call.listen()
        call.said(0.0, "failed")
        assert call.heard[-2:] == ["zh/try_later", "hang-up failed"]

    def test_hang_up(self) -> None:
        """Most callers end a message so."""
        call = Call("voicemail")
        call.listen()
        call.send(CallerGone())
        assert call.position.ended


class TestReassigned:
    """Why a number leads to nobody."""

    @pytest.mark.parametrize(
        ("reason", "prompt", "cause"),
        [
            ("", "reassigned", "unknown"),
            ("quarantine", "reassigned", "unknown"),
            ("expired", "number_expired", "unknown"),
            ("exhausted", "number_expired", "unknown"),
            ("disabled", "number_disabled", "rejected"),
            ("unbound", "number_unbound", "unknown"),
            ("unknown", "number_unbound", "unknown"),
            ("refused", "caller_refused", "rejected"),
            ("direction", "failed", "rejected"),
        ],
    )
    def test_each_reason(self, reason: str, prompt: str, cause: str) -> None:
        """Each has its words and its cause, in both languages."""
        for language in ("zh", "en"):
            call = Call("reassigned", reason=reason, language=language)
            call.listen()
            assert call.heard == [f"{language}/{prompt}", f"hang-up {cause}"]


class TestSurge:
    """Many at once."""

    def test_called_back(self) -> None:
        """The number that calls is called."""
        call = Call("surge", group="hotels")
        call.keys("1")
        call.taken(True)
        assert call.heard == [
            "zh/surge+zh/callback_offer",
            f"call back {CALLER} by hotels",
            "zh/callback_taken",
            "hang-up normal",
        ]
        assert CALLER not in call.kept()

    @pytest.mark.parametrize("caller", ["", "anonymous"])
    def test_withheld_number(self, caller: str) -> None:
        """Who hides theirs keys one, and it is kept secret."""
        call = Call("surge", caller=caller)
        call.keys("1")
        call.keys("13800000000#")
        assert call.heard[1:] == ["zh/callback_ask_number", "call back 13800000000 by support"]
        assert "13800000000" not in call.kept()
        call.taken(True)
        assert call.heard[-1] == "hang-up normal"

    @pytest.mark.parametrize("how", ["2", "silence", "wrong", "refused", "no number"])
    def test_waits(self, how: str) -> None:
        """Who would rather, or cannot be called, waits."""
        call = Call("surge", caller="" if how == "no number" else CALLER)
        call.keys({"2": "2", "wrong": "78", "refused": "1", "no number": "1"}.get(how, ""))
        for _ in range(2):
            if how in ("silence", "no number"):
                call.silence()
        if how == "refused":
            call.taken(False)
        assert call.heard[-1] == "queue support 0"

    @pytest.mark.parametrize(
        ("outcome", "heard"),
        [
            ("completed", ["hang-up normal"]),
            ("full", ["zh/queue_full", "hang-up busy"]),
            ("empty", ["zh/queue_empty", "hang-up no_answer"]),
            ("timeout", ["zh/queue_timeout", "hang-up no_answer"]),
            ("failed", ["zh/queue_timeout", "hang-up no_answer"]),
        ],
    )
    def test_end_of_the_queue(
        self, outcome: Literal["completed", "empty", "full", "timeout", "failed"], heard: list[str]
    ) -> None:
        """Each has its words."""
        call = Call("surge")
        call.keys("2")
        call.queue_ends(outcome)
        assert call.heard[2:] == heard


class TestAfterHours:
    """Nobody there."""

    def test_message(self) -> None:
        """A message in the mailbox given."""
        call = Call("after_hours", box="night")
        call.listen()
        call.keys("1")
        call.said(5.0)
        assert call.heard == [
            "zh/after_hours+zh/office_hours",
            "zh/after_hours_menu",
            "zh/voicemail_greeting+tone:1000:0.4",
            "message for night",
            "zh/voicemail_saved",
            "hang-up normal",
        ]

    def test_call_back(self) -> None:
        """A wish for the group given; where it is refused, a message."""
        call = Call("after_hours", group="hotels")
        call.listen()
        call.keys("2")
        assert call.heard[-1] == f"call back {CALLER} by hotels"
        call.taken(True)
        assert call.heard[-2:] == ["zh/callback_taken", "hang-up normal"]
        call = Call("after_hours")
        call.keys("2")
        call.taken(False)
        assert call.heard[-3:] == ["zh/failed", "zh/voicemail_greeting+tone:1000:0.4", "message for general"]

    def test_withheld_number(self) -> None:
        """Asked for, twice at most."""
        call = Call("after_hours", caller="")
        call.keys("2")
        call.keys("123#")
        call.keys("02188880000#")
        assert call.heard[-1] == "call back 02188880000 by support"
        assert "02188880000" not in call.kept()

    @pytest.mark.parametrize("act", ["silence", "wrong"])
    def test_nothing_chosen(self, act: str) -> None:
        """Asked twice, then goodbye."""
        call = Call("after_hours")
        call.listen()
        for _ in range(2):
            if act == "silence":
                call.silence()
            else:
                call.keys("5")
        assert call.heard[-2:] == ["zh/goodbye", "hang-up normal"]
        assert call.heard.count("zh/invalid_choice+zh/after_hours_menu") == 1


class TestExtensionReasons:
    """What the flow of extensions does when nobody is reached."""

    @pytest.mark.parametrize(
        ("outcome", "prompt", "cause"),
        [
            ("expired", "number_expired", "unknown"),
            ("disabled", "number_disabled", "rejected"),
            ("quarantine", "reassigned", "unknown"),
            ("direction", "failed", "rejected"),
        ],
    )
    def test_gone(self, outcome: str, prompt: str, cause: str) -> None:
        """An extension that is no more says why, and is not asked for again."""
        call = Call("extension", extension="123456")
        call.send(TransferEnded(outcome))  # type: ignore[arg-type]
        call.listen()
        assert call.heard == ["-> 4008001234,123456", f"zh/{prompt}", f"hang-up {cause}"]

    @pytest.mark.parametrize(
        ("outcome", "prompt"), [("busy", "busy"), ("no_answer", "no_answer"), ("unregistered", "unavailable")]
    )
    def test_instead(self, outcome: str, prompt: str) -> None:
        """By configuration the notice is followed by a message, or by the store's group."""
        call = Call("extension", extension="123456", instead="message")
        call.send(TransferEnded(outcome))  # type: ignore[arg-type]
        call.listen()
        assert call.heard[1:] == [
            f"zh/{prompt}",
            "zh/voicemail_greeting+tone:1000:0.4",
            "message for 4008001234-123456",
        ]
        call = Call("extension", extension="123456", instead="group", group="store")
        call.send(TransferEnded(outcome))  # type: ignore[arg-type]
        call.listen()
        assert call.heard[1:] == [f"zh/{prompt}", "queue store 0"]
        call.queue_ends("empty")
        assert call.heard[3:] == ["zh/queue_timeout", "hang-up no_answer"]


class TestAll:
    """What holds for every packaged flow."""

    @pytest.mark.parametrize("name", sorted(LIBRARY))
    def test_ends_when_the_caller_does(self, name: str) -> None:
        """After the caller is gone nothing is left but requests, and those end."""
        call = Call(name, backend="http://b")
        call.send(CallerGone())
        for _ in range(5):
            if call.position.ended:
                break
            call.answer(None, 0, "timeout")
        assert call.position.ended
        assert call.position.deadline is None

    @pytest.mark.parametrize("name", sorted(LIBRARY.keys() - {"hold_music"}))
    def test_ends_when_nothing_happens(self, name: str) -> None:
        """A caller who never keys, a server that never answers, a queue nobody serves: the call ends by itself."""
        call = Call(name, backend="http://b")
        for _ in range(60):
            if call.position.ended:
                break
            assert call.position.deadline is not None
            call.now = call.position.deadline
            call.send(TimerDue())
        assert call.position.ended
        assert not call.position.exhausted

    @pytest.mark.parametrize("name", sorted(LIBRARY))
    def test_any_keys(self, name: str) -> None:
        """No sequence of three keys leads into a fault."""
        for keys in itertools.product("0129*#", repeat=3):
            call = Call(name, backend="http://b")
            for key in keys:
                call.keys(key)
                if call.position.waiting in (Waiting.CHECKING, Waiting.VERIFYING, Waiting.REQUESTING):
                    call.answer({"own": False, "verified": True, "status": "paid"})
            assert not call.position.exhausted
            assert call.position.ended or call.position.deadline is not None
