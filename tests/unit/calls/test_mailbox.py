"""Mailboxes by telephone: who may open which, what plays, what becomes of messages, and what lamps are told."""

from __future__ import annotations

import pytest

from ivr_flows.loader import parse_flow
from media.events import Digit
from switchboard.calls.mailbox import CLOSED_SECONDS, MOST_WRONG, Pins
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.store.records import MessageRecord
from tests.support.exchange import NUMBER, World
from tests.unit.calls.phone_lines import Phone

FLOW = """
flow: extension
start: open
parameters: [box]
variables: {box: "BOX"}
nodes:
  open: {type: mailbox, box: "{box}", next: listen, on_empty: empty, on_refused: ask}
  ask: {type: collect, into: pin, secret: true, max: 4, min: 4, next: unlock, on_timeout: no, on_invalid: no}
  unlock: {type: mailbox, box: "{box}", pin: "{pin}", next: listen, on_empty: empty, on_refused: ask}
  listen: {type: message, do: next, next: what, on_empty: bye}
  what: {type: menu, keys: {"5": save, "7": delete, "1": listen}, on_timeout: bye, on_invalid: bye}
  save: {type: message, do: save, next: listen, on_empty: no}
  delete: {type: message, do: delete, next: listen, on_empty: no}
  empty: {type: hangup, cause: no_answer}
  no: {type: hangup, cause: rejected}
  bye: {type: hangup}
"""


class Mailbox(World):
    """A world in which messages for alice are there, the oldest named m1."""

    def __init__(self, box: str = "alice", count: int = 2) -> None:
        super().__init__({"extension": parse_flow(FLOW.replace("BOX", box), "f.yaml")})
        self.alice = Phone(self, self.phone, "alice").register()
        self.exchange.pins = Pins({"alice": "4321"})
        for index in reversed(range(count)):
            name = f"m{index + 1}"
            self.mailboxes.add(MessageRecord(id=name, box="alice", path=f"voicemail/{name}.wav", left_us=0, seconds=3))

    def from_outside(self) -> OutgoingRequest:
        """A caller of the carrier, in the flow."""
        out, _ = self.dial(NUMBER)
        self.within(self.carrier, out, "ACK", 1)
        return out

    def keys(self, digits: str) -> None:
        """What the caller keys."""
        (call,) = self.exchange.calls.values()
        for digit in digits:
            lease = call.caller.lease
            assert lease is not None
            self.engine.on_media(Digit(lease.port, lease.gen, digit, self.now), self.now)
        self.run()

    def ends(self) -> None:
        """What plays has come to its end."""
        self.plane.play_done(next(iter(self.plane.playing)))
        self.run()

    @property
    def played(self) -> list[str]:
        """Every sound, in order."""
        return [name for command in self.plane.named("play") for name in command[3]]

    @property
    def lamps(self) -> list[str]:
        """What alice's phone was told."""
        told = [request.body.decode() for request in self.phone.received("NOTIFY")]
        return [body.rpartition("Voice-Message: ")[2].strip() for body in told]


def test_the_owners_phone_needs_no_pin() -> None:
    """Its box is opened, the oldest new message plays, and to its end it is no longer new."""
    world = Mailbox(box="")
    world.alice.confirmed(world.alice.dialled(NUMBER))
    world.run()
    assert world.played == ["recording:voicemail/m1"]
    assert world.mailboxes.states == {}
    world.ends()
    assert world.mailboxes.states == {"m1": "heard"}
    assert world.lamps == ["1/1"]


def test_from_outside_by_pin_alone() -> None:
    """Deleted and saved; the digits are not in the record."""
    world = Mailbox()
    world.from_outside()
    assert world.played == []
    world.keys("1111")
    assert world.played == []
    world.keys("4321")
    assert world.played == ["recording:voicemail/m1"]
    world.keys("7")
    assert world.played[-1] == "recording:voicemail/m2"
    world.keys("5")
    assert world.mailboxes.states == {"m1": "deleted", "m2": "heard"}
    assert world.lamps == ["1/0", "0/1"]
    world.advance(70)
    (record,) = world.journal.records
    assert record.path == [
        "open", "ask", "unlock", "ask", "unlock", "listen", "what", "delete", "listen", "what", "save", "listen", "bye",
    ]  # fmt: skip
    assert "4321" not in repr(record)


def test_a_message_cut_short_stays_new() -> None:
    """Its owner has gone on to the next one."""
    world = Mailbox()
    world.from_outside()
    world.keys("4321")
    world.keys("1")
    assert world.played == ["recording:voicemail/m1", "recording:voicemail/m2"]
    assert world.mailboxes.states == {}


def test_new_ones_before_heard_ones() -> None:
    """Each kind oldest first."""
    world = Mailbox(count=3)
    world.mailboxes.mark("m1", "heard", 0)
    world.from_outside()
    world.keys("4321")
    world.keys("1")
    world.keys("1")
    assert [name[-2:] for name in world.played] == ["m2", "m3", "m1"]


def test_an_empty_box() -> None:
    """Has its exit."""
    world = Mailbox(count=0)
    world.from_outside()
    world.keys("4321")
    world.advance(70)
    assert world.journal.records[0].path == ["open", "ask", "unlock", "empty"]


@pytest.mark.parametrize("box", ["", "sales"])
def test_a_box_without_pin_stays_closed(box: str) -> None:
    """To all but the phone of its account."""
    world = Mailbox(box=box)
    world.from_outside()
    world.keys("4321")
    assert world.played == []


def test_who_guesses_finds_the_box_closed() -> None:
    """Even to the right PIN, for a while; others are not concerned."""
    pins = Pins({"alice": "4321", "bob": "1234"})
    for _ in range(MOST_WRONG):
        assert not pins.opens("alice", "0000", 10.0)
    assert not pins.opens("alice", "4321", 10.0 + CLOSED_SECONDS - 1.0)
    assert pins.opens("bob", "1234", 10.0)
    assert pins.opens("alice", "4321", 10.0 + CLOSED_SECONDS)
    assert not pins.opens("alice", "", 10.0)
    assert "4321" not in repr(vars(pins))
