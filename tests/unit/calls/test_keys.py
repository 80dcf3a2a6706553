"""Keys of a talk for who takes them by INFO, and from who sends them twice."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.control import SECRET_REST
from media.rtp.dtmf import HELD
from switchboard.calls.call import Call, Phase
from switchboard.calls.keys import ECHO, LONGEST, MOST, is_echo, key_held
from switchboard.calls.leg import Leg, LegState
from tests.support.exchange import NUMBER, World
from tests.unit.calls.test_direct_call import connected
from tests.unit.calls.test_flow_services import dialled, world_of
from tests.unit.calls.test_tables import leg as leg_in


def talk(**forms: str) -> tuple[World, Call, object]:
    """Carrier and agent talk; `caller` and `agent` name the form in which keys go there."""
    world, out = connected()
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    call.caller.keys = forms.get("caller", "auto")  # type: ignore[assignment]
    call.agent.keys = forms.get("agent", "auto")  # type: ignore[assignment]
    return world, call, out


def a_leg() -> Leg:
    """Of a call that talks."""
    _, call, _ = talk()
    return call.caller


def informed(world: World) -> list[bytes]:
    """The bodies of the INFO that the agent got."""
    return [request.body for request in world.agent.received("INFO")]


def sent(world: World) -> list[str]:
    """The digits that the media plane was to send."""
    return [command[2] for command in world.plane.named("send_digits")]


def test_a_key_by_info_goes_on_by_the_media_or_by_info() -> None:
    """As the other side takes it."""
    world, _, out = talk()
    world.within(world.carrier, out, "INFO", 2, body=b"Signal=5\r\n", content_type="application/dtmf-relay")
    assert (len(world.plane.named("send_digits")), informed(world)) == (1, [])
    world, _, out = talk(agent="info")
    world.within(world.carrier, out, "INFO", 2, body=b"Signal=5\r\n", content_type="application/dtmf-relay")
    assert world.plane.named("send_digits") == []
    assert informed(world) == [b"Signal=5\r\nDuration=160\r\n"]


def test_a_key_of_the_media_goes_on_by_info_one_at_a_time() -> None:
    """The next INFO waits for the answer to the one before, so that no key overtakes another."""
    world, call, _ = talk(agent="info")
    assert call.caller.lease is not None
    for key in "12#":
        world.plane.key_for_other(call.caller.lease, key)
    world.run()
    assert len(informed(world)) == 1
    for _ in range(3):
        world.reply(world.agent, 200)
    assert informed(world) == [b"Signal=%c\r\nDuration=160\r\n" % key for key in b"12#"]
    assert world.exchange.keys_out == {}


def test_who_refuses_info_gets_no_more_of_it() -> None:
    """And the call goes on; so it does when nobody answers it."""
    world, call, _ = talk(agent="info")
    assert call.caller.lease is not None
    for key in "12":
        world.plane.key_for_other(call.caller.lease, key)
    world.run()
    world.reply(world.agent, 415)
    assert len(informed(world)) == 1
    assert (world.exchange.keys_out, len(world.exchange.calls)) == ({}, 1)
    world.plane.key_for_other(call.caller.lease, "3")
    world.run()
    world.advance(40)
    assert (world.exchange.keys_out, len(world.exchange.calls)) == ({}, 1)


def test_who_does_not_answer_info_is_asked_whether_it_is_there() -> None:
    """Some do not know INFO at all; who does not answer a re-INVITE either is gone (RFC 3261 §12.2.1.2)."""
    for there in (True, False):
        world, call, _ = talk(agent="info")
        assert call.caller.lease is not None
        world.plane.key_for_other(call.caller.lease, "3")
        world.run()
        world.advance(33)
        (asked,) = [one for one in world.agent.received("INVITE") if one.to_tag]
        if there:
            world.reply(world.agent, 200, body=world.agent.answer(asked.body))
        world.advance(33)
        assert len(world.exchange.calls) == there
        assert len(world.carrier.received("BYE")) == (not there)


@pytest.mark.parametrize("status", [404, 410, 416, 481, 482, 483, 484, 485, 502, 604])
@pytest.mark.parametrize("then", [200, 488, 481, 404])
def test_who_refuses_info_as_if_there_were_no_dialog_is_asked(status: int, then: int) -> None:
    """By some 481 to INFO is meant the INFO: what is said to a re-INVITE counts (RFC 5057 §5.1)."""
    world, call, _ = talk(agent="info")
    assert call.caller.lease is not None
    world.plane.key_for_other(call.caller.lease, "3")
    world.run()
    world.reply(world.agent, status)
    assert call.id in world.exchange.calls
    (asked,) = [one for one in world.agent.received("INVITE") if one.to_tag]
    world.reply(world.agent, then, body=world.agent.answer(asked.body) if then == 200 else b"")
    world.advance(40)
    gone = then in (404, 481)
    assert (call.id not in world.exchange.calls, bool(world.carrier.received("BYE"))) == (gone, gone)
    assert len([one for one in world.agent.received("INVITE") if one.to_tag]) == 1


@pytest.mark.parametrize("status", [403, 405, 415, 469, 480, 489, 500, 501, 503, 600, 603])
def test_who_refuses_info_itself_is_not_asked_anything(status: int) -> None:
    """Nothing but the request is over (RFC 5057 §5.1)."""
    world, call, _ = talk(agent="info")
    assert call.caller.lease is not None
    world.plane.key_for_other(call.caller.lease, "3")
    world.run()
    world.reply(world.agent, status)
    world.advance(1)
    assert [one for one in world.agent.received("INVITE") if one.to_tag] == []
    assert call.id in world.exchange.calls


def test_a_fault_of_ours_with_an_answer_to_info_ends_the_call() -> None:
    """Half-done, it could be stuck for ever."""
    world, call, _ = talk(agent="info")
    assert call.caller.lease is not None
    world.plane.key_for_other(call.caller.lease, "3")
    world.run()
    world.exchange.keys_out = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        world.reply(world.agent, 200)
    assert call.phase in (Phase.ENDING, Phase.ENDED)


def test_the_same_key_in_two_forms_is_one_press() -> None:
    """A phone that sends events and INFO keys each digit once; in one form two of the same are two."""
    world = World()
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    keyed = "800001"
    for n, key in enumerate(keyed):
        world.keys(key)
        world.within(
            world.carrier, out, "INFO", 2 + n, body=f"Signal={key}\r\n".encode(), content_type="application/dtmf-relay"
        )
        world.advance(0.3)
    (call,) = world.exchange.calls.values()
    assert call.record.extension == keyed


def test_a_key_that_is_held_long_is_one_press() -> None:
    """Its INFO comes when it is let go, and says how long it was held; without that it is another press."""
    for line, pressed in ((b"Duration=900\r\n", 1), (b"", 2), (b"Duration=100\r\n", 2), (b"Duration=x\r\n", 2)):
        world = World()
        out, _ = world.dial(NUMBER)
        world.within(world.carrier, out, "ACK", 1)
        world.keys("8")
        world.advance(1.0)
        info = b"Signal=8\r\n" + line
        world.within(world.carrier, out, "INFO", 2, body=info, content_type="application/dtmf-relay")
        for _ in range(6 - pressed):
            world.keys("9")
        (call,) = world.exchange.calls.values()
        assert call.record.extension == "8" * pressed + "9" * (6 - pressed)


def test_a_key_that_is_told_of_when_let_go_is_that_of_an_info_meanwhile() -> None:
    """A plane that learns of a key only then says how long it was held; an INFO of before that was another press."""
    for held, pressed in ((1.2, 1), (0.2, 2)):
        world = World()
        out, _ = world.dial(NUMBER)
        world.within(world.carrier, out, "ACK", 1)
        world.within(world.carrier, out, "INFO", 2, body=b"Signal=8\r\n", content_type="application/dtmf-relay")
        world.advance(0.7)
        world.keys("8", held=held)
        world.keys("9" * (6 - pressed))
        (call,) = world.exchange.calls.values()
        assert call.record.extension == "8" * pressed + "9" * (6 - pressed)


PRESSES = (
    # What comes, seconds after the one before: m by the media, i by INFO; how many presses that is.
    ("m0 i.1", 1),
    ("i0 m.1", 1),
    ("m0 i1", 2),
    ("m0 i.1 m1 i1", 2),
    ("m0 i.1 m1 i9", 2),
    ("m0 i.1 m1 i11", 3),
    ("m0 i.1 i1 m2", 2),
    ("m0 i.1 m1 m1 i1 i1", 3),
    ("m0 i.1 m1 m1", 3),
    ("m0 i.1 i1 i1", 3),
    ("m0 m.1 i.1 i.1", 2),
    # h: the media plane says that it is held for long; u: that it is let go.
    ("m0 h.2 i.8", 1),
    ("m0 h.2 u.8 i.1", 1),
    ("m0 h.2 i.8 u.1", 1),
    ("m0 h.2 u.8 i1", 2),
    ("m0 h.2 u.8 m.5 h.2 i.8", 2),
    ("m0 h.2 i11", 2),
    ("m0 u.3 i.2", 1),
    ("h0 u.3 i.2", 1),
)


@pytest.mark.parametrize(("comes", "presses"), PRESSES)
def test_who_sends_both_forms_sends_both_of_each(comes: str, presses: int) -> None:
    """Once a key has come in both at the same time, the forms are paired one to one however late one is."""
    leg, now, taken = a_leg(), 100.0, 0
    for each in comes.split():
        now += float(each[1:])
        if each[0] in "hu":
            key_held(leg, "5", now, over=each[0] == "u")
        else:
            taken += not is_echo(leg, "5", "media" if each[0] == "m" else "info", now)
    assert taken == presses


class Press(NamedTuple):
    """One press: the seconds of rest before it, which key, how long it is held, how late its INFO is."""

    rest: float
    key: str
    held: float
    late: float


presses = st.builds(
    Press,
    rest=st.floats(0.2, 12.0),
    key=st.sampled_from("58"),
    held=st.floats(0.05, LONGEST - 0.5),
    late=st.floats(0.0, 0.15),
)


@given(
    st.sampled_from(["media", "info", "both at once", "both when let go"]), st.lists(presses, min_size=1, max_size=8)
)
def test_each_press_counts_once(party: str, each: list[Press]) -> None:
    """However long it is held, whichever forms the party has, and however soon the same key is pressed again."""
    happens: list[tuple[float, str, str]] = []
    at = 100.0
    for press in each:
        at += press.rest
        let_go = at + press.held
        if party != "info":
            happens.append((at, "media", press.key))
            if press.held > HELD:
                happens += [(at + HELD, "held", press.key), (let_go, "over", press.key)]
        if party != "media":
            happens.append(((let_go if "let go" in party else at) + press.late, "info", press.key))
        at = let_go
    leg, taken = leg_in(LegState.CONFIRMED), 0
    for when, what, key in sorted(happens):
        if what in ("held", "over"):
            key_held(leg, key, when, over=what == "over")
        else:
            taken += not is_echo(leg, key, "media" if what == "media" else "info", when)
    assert taken == len(each)


@given(presses, st.floats(2 * ECHO, 5.0))
def test_another_press_in_another_form_is_no_echo(press: Press, rest: float) -> None:
    """Its INFO comes too long after the end of the one before to be told of that."""
    leg = leg_in(LegState.CONFIRMED)
    assert not is_echo(leg, press.key, "media", 0.0)
    if press.held > HELD:
        key_held(leg, press.key, HELD, over=False)
        key_held(leg, press.key, press.held, over=True)
    assert not is_echo(leg, press.key, "info", press.held + rest)


def test_a_key_that_the_media_plane_says_is_held_is_one_press() -> None:
    """Its INFO says nothing of how long it was, and comes before it is known to be over, or after."""
    for over in (False, True):
        world = World()
        out, _ = world.dial(NUMBER)
        world.within(world.carrier, out, "ACK", 1)
        world.keys("8")
        lease = next(iter(world.plane.leased.values()))
        world.advance(0.2)
        world.plane.key_held(lease, "8", over=False)
        world.run()
        world.advance(1.0)
        if over:
            world.plane.key_held(lease, "8", over=True)
            world.run()
        world.within(world.carrier, out, "INFO", 2, body=b"Signal=8\r\n", content_type="application/dtmf-relay")
        world.keys("99999")
        (call,) = world.exchange.calls.values()
        assert call.record.extension == "899999"


TALKED = (
    # What comes, seconds after the one before: m the media plane passes a key on, M tells it after all that time, in
    # which it was held, i by INFO; how many INFO go on.
    ("m0 i.1", 0),
    ("m0 i.1 i1", 0),
    ("i0 m.1", 1),
    ("i0 m.1 i2 m.1 i2 m.1", 1),
    ("m0 i.1 m2 i.1", 0),
    ("i0 i1 i1", 3),
    ("m0 m1", 0),
    ("m0 i2", 1),
    ("M1.2 i.1", 0),
    ("i0 M1.2 i2 M1.2", 1),
)


@pytest.mark.parametrize(("comes", "sent_on"), TALKED)
def test_in_a_talk_a_key_goes_on_once(comes: str, sent_on: int) -> None:
    """The media plane passes on what comes as events; an INFO of the same key adds nothing."""
    world, call, out = talk()
    assert call.caller.lease is not None
    for number, each in enumerate(comes.split(), 2):
        world.advance(float(each[1:]))
        if each[0] in "mM":
            world.plane.key_passed(call.caller.lease, "5", held=float(each[1:]) if each[0] == "M" else 0.0)
            world.run()
        else:
            body = b"Signal=5\r\nDuration=100\r\n"
            world.within(world.carrier, out, "INFO", number, body=body, content_type="application/dtmf-relay")
    assert sent(world) == ["5"] * sent_on


def test_keys_are_paired_in_their_order() -> None:
    """One whose other form never came is not waited for; another key is never an echo."""
    leg = a_leg()
    assert [is_echo(leg, "1", "media", 1.0), is_echo(leg, "1", "info", 1.1)] == [False, True]
    assert [is_echo(leg, key, "media", 2.0 + n) for n, key in enumerate("123")] == [False] * 3
    assert [is_echo(leg, key, "info", 6.0 + n) for n, key in enumerate("3127")] == [True, False, False, False]


def test_keys_of_one_form_are_not_kept_for_ever() -> None:
    """A party may press thousands."""
    leg = a_leg()
    for n in range(1000):
        assert not is_echo(leg, "1", "info", n / 100)
    assert leg.keys_heard is not None
    assert len(leg.keys_heard.single) == MOST


def test_two_quick_presses_in_two_forms() -> None:
    """The second press comes soon after the first one's other form, and is a press of its own."""
    world = World()
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    for n in range(6):
        world.keys("8")
        world.advance(0.1)
        info = b"Signal=8\r\n"
        world.within(world.carrier, out, "INFO", 2 + n, body=info, content_type="application/dtmf-relay")
        world.advance(0.1)
    (call,) = world.exchange.calls.values()
    assert call.record.extension == "888888"


PIN = """
flow: tried
start: pin
nodes:
  pin: {type: collect, into: pin, secret: true, min: 4, max: 4, next: through, on_timeout: bye, on_invalid: bye}
  through: {type: dial, target: "sip:agent@127.0.0.3:5190", next: bye, on: {other: bye}}
  bye: {type: hangup}
"""


def test_what_is_typed_on_by_info_is_for_nobody() -> None:
    """A secret's keys that come when the agent is there already, each soon after the other; then keys of the talk."""
    world = world_of(PIN)
    out = dialled(world)
    (call,) = world.exchange.calls.values()

    def press(number: int, key: bytes, held: int = 100) -> None:
        body = b"Signal=%c\r\nDuration=%d\r\n" % (key, held)
        world.within(world.carrier, out, "INFO", number, body=body, content_type="application/dtmf-relay")

    for number, key in enumerate(b"1234", 10):
        press(number, bytes([key]))
    world.agent_answers()
    assert call.phase is Phase.TALKING
    assert [values for event, values in world.logged if event == "call.caller_hushed"] == [
        {"call_id": call.id, "seconds": SECRET_REST}
    ]
    for number, key in enumerate(b"567", 20):
        press(number, bytes([key]))
        world.advance(SECRET_REST - 0.1)
    assert sent(world) == []
    assert len(world.plane.named("key_taken")) == 7
    world.advance(0.2)
    press(30, b"8", held=9900)
    assert sent(world) == []
    press(31, b"9")
    assert sent(world) == ["9"]
