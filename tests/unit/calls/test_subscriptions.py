"""SUBSCRIBE to message-summary: who may, for how long, what is told and how it ends."""

from __future__ import annotations

import pytest

from switchboard.calls.message_waiting import tell_waiting
from switchboard.calls.subscriptions import MAX_OF_OWNER
from switchboard.sip.digest import answer
from switchboard.sip.message import Request
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.store.records import MessageRecord
from tests.support.exchange import SWITCH, Peer, World

URI = "sip:alice@switchboard.local"


class Subscriber:
    """A phone that subscribes to the messages of an account."""

    def __init__(self, world: World, peer: Peer | None = None, user: str = "alice", call_id: str = "sub") -> None:
        self.world = world
        self.peer = peer or world.phone
        self.user = user
        self.call_id = call_id
        self.cseq = 0
        self.to = f"<{URI}>"

    def send(self, *lines: str, uri: str = URI, event: str = "message-summary") -> int:
        """One SUBSCRIBE; the status of its answer."""
        self.cseq += 1
        host, port = self.peer.address
        out = OutgoingRequest(
            "SUBSCRIBE",
            uri,
            SWITCH,
            from_=f"<sip:{self.user}@switchboard.local>;tag=s{self.call_id}",
            to=self.to,
            call_id=self.call_id,
            cseq=self.cseq,
            headers=(f"Contact: <sip:{self.user}@{host}:{port}>", *([f"Event: {event}"] if event else []), *lines),
        )
        self.peer.core.request(out, self.world.now)
        self.world.run()
        return self.peer.statuses[-1]

    def subscribe(self, *lines: str, password: str = "secret", uri: str = URI, event: str = "message-summary") -> int:
        """SUBSCRIBE, the challenge, and SUBSCRIBE again."""
        assert self.send(*lines, uri=uri, event=event) == 401
        challenge = self.peer.responses[-1].headers.getall("www-authenticate")[0]
        value = answer(challenge, "SUBSCRIBE", uri, self.user, cnonce="c0ffee", nc=1, password=password)
        status = self.send(f"Authorization: {value}", *lines, uri=uri, event=event)
        if status == 200:
            self.to = self.peer.responses[-1].headers.get("to") or ""
        return status

    def told(self) -> list[tuple[str, str]]:
        """Subscription-State without the seconds, and the counts, of each NOTIFY; each is answered 200."""
        while (notify := self._next()) is not None:
            self.world.reply(self.peer, 200, index=notify)
        found = []
        for request in self.peer.received("NOTIFY"):
            assert request.headers.get("event") == "message-summary"
            state = (request.headers.get("subscription-state") or "").partition(";expires")[0]
            found.append((state, request.body.decode().rpartition("Voice-Message: ")[2].strip()))
        return found

    def _next(self) -> int | None:
        for index, (tx, request) in enumerate(self.peer.requests):
            if request.method == "NOTIFY" and not tx.wire:
                return index
        return None


def message(world: World, number: int) -> None:
    """One more message in alice's box, told of as the switch does."""
    record = MessageRecord(id=f"m{number}", box="alice", path=f"m{number}.wav", left_us=1, seconds=2.0, call_id="c1")
    tell_waiting(world.exchange, "alice", world.mailboxes.add(record), world.now)
    world.run()


def test_a_phone_is_told_at_once_at_each_change_and_at_the_end() -> None:
    """200 with the time granted, the state now, later states, and a last one when its time is over."""
    world = World()
    phone = Subscriber(world)
    assert phone.subscribe("Expires: 600", "Accept: application/simple-message-summary") == 200
    answer_ = phone.peer.responses[-1]
    assert answer_.headers.get("expires") == "600"
    assert answer_.headers.get("contact")
    assert phone.told() == [("active", "0/0")]
    message(world, 1)
    assert phone.told() == [("active", "0/0"), ("active", "1/0")]
    assert phone.peer.received("NOTIFY")[-1].headers.get("subscription-state") == "active;expires=600"
    assert phone.peer.received("NOTIFY")[-1].body.startswith(b"Messages-Waiting: yes\r\n")
    world.advance(601)
    assert phone.told()[2:] == [("terminated;reason=timeout", "1/0")]
    message(world, 2)
    assert len(phone.told()) == 3
    world.advance(64)
    assert world.leftovers() == {}


def test_what_changes_while_a_notify_is_on_its_way_is_told_once() -> None:
    """One NOTIFY at a time: the next one tells the latest state (RFC 6665 §4.2.2)."""
    world = World()
    phone = Subscriber(world)
    phone.subscribe()
    for number in range(5):
        message(world, number)
    assert len(phone.peer.received("NOTIFY")) == 1
    assert phone.told() == [("active", "0/0"), ("active", "5/0")]


def test_it_is_renewed_and_given_up_by_the_phone() -> None:
    """Within its dialog, without a challenge; each is answered by 200 and the state."""
    world = World()
    phone = Subscriber(world)
    phone.subscribe("Expires: 100")
    phone.told()
    world.advance(90)
    assert phone.send("Expires: 100") == 200
    phone.told()
    world.advance(90)
    assert phone.told() == [("active", "0/0"), ("active", "0/0")]
    assert len(world.exchange.subscriptions) == 1
    assert phone.send("Expires: 0") == 200
    assert phone.told()[2:] == [("terminated;reason=timeout", "0/0")]
    assert phone.send("Expires: 100") == 481
    assert len(world.exchange.subscriptions) == 0


def test_a_fetch_tells_the_state_once() -> None:
    """Expires 0 at first makes no subscription (RFC 6665 §4.4.3)."""
    world = World()
    phone = Subscriber(world)
    assert phone.subscribe("Expires: 0") == 200
    assert phone.told() == [("terminated;reason=timeout", "0/0")]
    world.advance(64)
    assert world.leftovers() == {}


@pytest.mark.parametrize("status", [481, 404, 500, None])
def test_a_notify_that_fails_ends_it(status: int | None) -> None:
    """A phone that knows nothing of it, or is not there, is told no more."""
    world = World()
    phone = Subscriber(world)
    phone.subscribe()
    if status is not None:
        world.reply(phone.peer, status)
    world.advance(33)
    message(world, 1)
    assert len(phone.peer.received("NOTIFY")) == 1
    assert len(world.exchange.subscriptions) == 0


@pytest.mark.parametrize(
    ("event", "lines", "status"),
    [
        ("", (), 489),
        ("presence", (), 489),
        ("message summary", (), 489),
        ("refer", (), 403),
        ("message-summary", ("Require: none",), 420),
    ],
)
def test_what_cannot_be_subscribed_to(event: str, lines: tuple[str, ...], status: int) -> None:
    """Bad Event with the ones we know; a REFER alone makes a subscription to its outcome."""
    world = World()
    phone = Subscriber(world)
    assert phone.send(*lines, event=event) == status
    if status == 489:
        assert phone.peer.responses[-1].headers.get("allow-events") == "message-summary, refer, dialog"


@pytest.mark.parametrize(
    ("line", "uri", "status"),
    [
        ("Expires: 30", URI, 423),
        ("Expires: soon", URI, 400),
        ("Expires: 600", "sip:bob@switchboard.local", 403),
        ("Expires: 600", "sip:alice@elsewhere.example", 403),
        ("Expires: 600", "sip:alice@127.0.0.1:5060", 200),
        ("Expires: 999999", URI, 200),
    ],
)
def test_a_phone_that_proved_itself_still_must_ask_rightly(line: str, uri: str, status: int) -> None:
    """Its own messages, for a time that we grant."""
    world = World()
    phone = Subscriber(world)
    assert phone.subscribe(line, uri=uri) == status
    assert len(world.exchange.subscriptions) == (status == 200)
    if status == 423:
        assert phone.peer.responses[-1].headers.get("min-expires") == "60"
    if line == "Expires: 999999":
        assert phone.peer.responses[-1].headers.get("expires") == "3600"


def test_nobody_subscribes_without_the_password() -> None:
    """A wrong one is challenged again, whatever address it comes from."""
    world = World()
    assert Subscriber(world, world.carrier).subscribe(password="wrong") == 401
    assert len(world.exchange.subscriptions) == 0


def test_a_phone_that_begins_anew_replaces_what_it_forgot() -> None:
    """The old subscription of the same address is gone; another address has one of its own."""
    world = World()
    for number in range(3):
        assert Subscriber(world, call_id=f"s{number}").subscribe() == 200
    assert len(world.exchange.subscriptions) == 1
    assert Subscriber(world, world.agent, call_id="other").subscribe() == 200
    assert len(world.exchange.subscriptions) == 2


def test_one_owner_has_only_so_many() -> None:
    """The next phone is told to come again later; nothing grows without an end."""
    world = World()
    for number in range(MAX_OF_OWNER):
        peer = Peer(("127.0.0.9", 6000 + number), world.token, f"p{number}")
        world.peers[peer.address] = peer
        assert Subscriber(world, peer, call_id=f"s{number}").subscribe() == 200
    phone = Subscriber(world)
    assert phone.subscribe() == 503
    assert phone.peer.responses[-1].headers.get("retry-after") == "300"
    assert len(world.exchange.subscriptions) == MAX_OF_OWNER


def test_a_subscription_is_another_dialogs_business() -> None:
    """A SUBSCRIBE with strange tags, or an old CSeq, changes nothing."""
    world = World()
    phone = Subscriber(world)
    phone.subscribe()
    phone.to = phone.to.replace("tag=", "tag=x")
    assert phone.send("Expires: 0") == 481
    phone.to = phone.to.replace("tag=x", "tag=")
    phone.cseq = 0
    assert phone.send("Expires: 0") == 500
    assert len(world.exchange.subscriptions) == 1


def test_within_a_dialog_too_only_known_events_are_subscribed_to() -> None:
    """489, whether the dialog is a subscription's or a call's (RFC 6665 §4.2.1.1)."""
    world = World()
    out, _ = world.dial("4001")
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    for cseq, event, status in ((2, "presence", 489), (3, "message-summary", 481)):
        world.within(world.carrier, out, "SUBSCRIBE", cseq, headers=(f"Event: {event}",))
        assert world.carrier.statuses[-1] == status
    assert "message-summary" in world.carrier.responses[-2].headers.first["allow-events"]


@pytest.mark.parametrize(("line", "status"), [("Event: presence", 481), ("Event: refer;id=1", 481), ("X: y", 489)])
def test_a_notify_belongs_to_nothing(line: str, status: int) -> None:
    """We never subscribe: outside a dialog and within a call a NOTIFY gets 481."""
    world = World()
    outside = OutgoingRequest(
        "NOTIFY", "sip:x@127.0.0.1", SWITCH, from_="<sip:a@h>;tag=1", to="<sip:x@h>", call_id="n", cseq=1,
        headers=(line, "Subscription-State: active"),
    )  # fmt: skip
    world.carrier.core.request(outside, world.now)
    world.run()
    assert world.carrier.statuses[-1] == status
    out, _ = world.dial("4001")
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    world.within(world.carrier, out, "NOTIFY", 2, headers=(line, "Subscription-State: active"))
    assert world.carrier.statuses[-1] == status


def test_a_registered_phone_that_has_subscribed_is_told_once() -> None:
    """Within its subscription, not beside it as well."""
    world = World()
    phone = Subscriber(world)
    phone.subscribe()
    phone.told()
    contact = f"Contact: <sip:alice@{phone.peer.address[0]}:{phone.peer.address[1]}>"
    for cseq, line in ((1, ""), (2, "auth")):
        challenge = phone.peer.responses[-1].headers.getall("www-authenticate")
        value = (
            answer(challenge[0], "REGISTER", "sip:switchboard.local", "alice", cnonce="c", nc=1, password="secret")
            if line
            else ""
        )
        out = OutgoingRequest(
            "REGISTER", "sip:switchboard.local", SWITCH, from_=f"<{URI}>;tag=r", to=f"<{URI}>", call_id="reg",
            cseq=cseq, headers=(contact, *([f"Authorization: {value}"] if line else [])),
        )  # fmt: skip
        phone.peer.core.request(out, world.now)
        world.run()
    assert phone.peer.statuses[-1] == 200
    message(world, 1)
    assert phone.told() == [("active", "0/0"), ("active", "1/0")]
    assert {request.to_tag for request in phone.peer.received("NOTIFY")} == {"ssub"}


def test_what_is_sent_is_in_order() -> None:
    """CSeq counts up within the dialog, and the NOTIFY goes where the phone sends from."""
    world = World()
    phone = Subscriber(world)
    phone.subscribe()
    phone.told()
    message(world, 1)
    phone.told()
    requests: list[Request] = phone.peer.received("NOTIFY")
    assert [request.cseq for request in requests] == [1, 2]
    assert {destination for source, destination, data in world.sent if data.startswith(b"NOTIFY")} == {
        phone.peer.address
    }
