"""Lamps that tell which lines are busy: the dialog event package (RFC 4235)."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest

from switchboard.accounts import Accounts
from switchboard.calls.subscriptions import MAX_WATCHED
from switchboard.calls.watching import EVERY
from switchboard.sip.digest import answer
from tests.support.exchange import SWITCH, Peer, Team, World
from tests.unit.calls.test_registration import register
from tests.unit.calls.test_subscriptions import URI, Subscriber

NAMESPACE = "{urn:ietf:params:xml:ns:dialog-info}"
PANEL = ("127.0.0.8", 5080)
REAL = "13900009999"


class Panel(Subscriber):
    """A phone whose lamps show other lines."""

    def __init__(self, world: World, call_id: str = "panel") -> None:
        peer = world.peers.get(PANEL) or Peer(PANEL, world.token, "panel")
        world.peers[PANEL] = peer
        super().__init__(world, peer, call_id=call_id)

    def watch(self, uri: str = URI, expires: int = 600) -> int:
        """Subscribe to a line."""
        return self.subscribe(f"Expires: {expires}", uri=uri, event="dialog")

    def seen(self) -> list[list[tuple[str, str]]]:
        """Direction and state of the dialogs in each NOTIFY, all of which are answered; their versions count up."""
        self._answer()
        found, versions = [], []
        for request in self.peer.received("NOTIFY"):
            if request.call_id != self.call_id:
                continue
            assert (request.content_type, request.headers.get("event")) == ("application/dialog-info+xml", "dialog")
            document = ElementTree.fromstring(request.body)
            versions.append(int(document.attrib["version"]))
            assert (document.tag, document.attrib["state"]) == (f"{NAMESPACE}dialog-info", "full")
            found.append([(one.attrib["direction"], one[0].text or "") for one in document])
        assert versions == list(range(len(versions)))
        return found

    def _answer(self) -> None:
        while (index := self._next()) is not None:
            self.world.reply(self.peer, 200, index=index)


@pytest.fixture
def world() -> World:
    """A switch at which a phone is registered."""
    made = World()
    register(made, made.phone)
    return made


def look(world: World) -> None:
    """Let the lamps be looked after."""
    world.advance(EVERY)


STATES = ("trying", "early", "confirmed", "terminated")


@pytest.mark.parametrize("uri", [URI, f"sip:4007@{SWITCH[0]}"])
def test_each_step_of_a_call_is_told(world: World, uri: str) -> None:
    """To who names the account or a number that rings it; with no name or number of others, and no id of ours."""
    panel = Panel(world)
    assert panel.watch(uri) == 200
    assert panel.seen() == [[]]
    out, _ = world.dial("4007", caller=REAL)
    (call,) = world.exchange.calls.values()
    for step in (
        lambda: None,
        lambda: world.reply(world.phone, 180),
        lambda: world.agent_answers(world.phone),
        lambda: world.within(world.carrier, out, "BYE", 2),
        lambda: None,
    ):
        step()
        look(world)
        panel.seen()
    assert panel.seen() == [[], *([("recipient", state)] for state in STATES)]
    for request in panel.peer.received("NOTIFY"):
        assert f'entity="{uri}"'.encode() in request.body
        for secret in (REAL, REAL[:7], call.id, call.caller.id, out.call_id):
            assert secret.encode() not in request.body


def test_a_line_that_calls(world: World) -> None:
    """Its own calls are told as begun by it; who watches only then sees the state there is."""
    out, _ = world.dial("4001", peer=world.phone, caller="8001")
    challenge = world.phone.responses[-1].headers.getall("proxy-authenticate")[0]
    value = answer(challenge, "INVITE", out.uri, "alice", cnonce="c", password="secret")
    world.dial("4001", peer=world.phone, caller="8001", headers=(f"Proxy-Authorization: {value}",))
    world.reply(world.agent, 180)
    panel = Panel(world)
    panel.watch()
    assert panel.seen() == [[("initiator", "early")]]
    world.agent_answers()
    look(world)
    assert panel.seen()[1:] == [[("initiator", "confirmed")]]


def test_what_happens_while_a_notify_is_on_its_way_is_told_together(world: World) -> None:
    """One at a time; a call that has come and gone meanwhile is not told of at all."""
    panel = Panel(world)
    panel.watch()
    world.dial("4007")
    look(world)
    world.reply(world.phone, 180)
    world.agent_answers(world.phone)
    look(world)
    assert len(panel.peer.received("NOTIFY")) == 1
    panel.seen()
    look(world)
    assert panel.seen() == [[], [("recipient", "confirmed")]]


def test_it_is_renewed_and_given_up(world: World) -> None:
    """With the state as it is; the calls are looked over no more when nobody watches."""
    panel = Panel(world)
    panel.watch()
    assert panel.seen() == [[]]
    world.dial("4007")
    assert panel.send("Expires: 600", event="dialog") == 200
    assert panel.seen()[1:] == [[("recipient", "trying")]]
    assert world.exchange.subscriptions.look_due is not None
    assert panel.send("Expires: 0", event="dialog") == 200
    assert panel.seen()[2:] == [[("recipient", "trying")]]
    assert panel.peer.received("NOTIFY")[-1].headers.get("subscription-state") == "terminated;reason=timeout"
    look(world)
    assert (world.exchange.subscriptions.look_due, len(world.exchange.subscriptions)) == (None, 0)


def test_a_phone_that_begins_anew_is_told_within_the_new_subscription_alone() -> None:
    """But other lines that it watches stay."""
    world = watching((), "bob")
    register(world, world.phone)
    first, bob, again = (Panel(world, call_id) for call_id in ("first", "bob", "again"))
    assert first.watch() == bob.watch("sip:bob@switchboard.local") == again.watch() == 200
    assert [panel.seen() for panel in (first, bob, again)] == [[[]], [[]], [[]]]
    world.dial("4007")
    look(world)
    assert [len(panel.seen()) for panel in (first, bob, again)] == [1, 1, 2]
    assert len(world.exchange.subscriptions) == 2


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:nobody@switchboard.local", 404),
        ("sip:4001@switchboard.local", 404),
        ("sip:alice@elsewhere.example", 403),
        ("tel:4007", 403),
    ],
)
def test_what_is_no_line(world: World, uri: str, status: int) -> None:
    """Neither an account nor a number that rings one."""
    assert Panel(world).watch(uri) == status
    assert len(world.exchange.subscriptions) == 0


WATCHERS = [("alice", "secret"), ("bob", "secret")]
BOB = "sip:bob@switchboard.local"
TOGETHER = (Team("sales", ("aor:alice",)), Team("shop", ("aor:carol", "aor:alice", "aor:bob")))
APART = (Team("sales", ("aor:alice", "aor:carol")), Team("shop", ("aor:carol", "aor:bob")))


def watching(teams: tuple[Team, ...], *allowed: str) -> World:
    """A switch with two accounts, of which alice may watch those named."""
    made = World(teams=teams)
    x = made.exchange
    x.settings = msgspec.structs.replace(x.settings, watches={"alice": frozenset(allowed)} if allowed else {})
    x.authenticator = Accounts("switchboard.local", WATCHERS, bytes(32), made.token)
    return made


@pytest.mark.parametrize(
    ("teams", "allowed", "status"),
    [
        ((), (), 403),
        (APART, (), 403),
        ((), ("carol",), 403),
        ((), ("bob",), 200),
        ((), ("*",), 200),
        (TOGETHER, (), 200),
    ],
)
def test_whose_lines_an_account_may_watch(teams: tuple[Team, ...], allowed: tuple[str, ...], status: int) -> None:
    """Those it is allowed, those of agents in a group with its own, and always its own."""
    world = watching(teams, *allowed)
    assert Panel(world).watch(BOB) == status
    assert Panel(world, "own").watch() == 200
    assert len(world.exchange.subscriptions) == 1 + (status == 200)


def test_when_the_group_is_no_more_nobody_watches_on() -> None:
    """The subscription is not renewed, and ends in its time."""
    world = watching(TOGETHER)
    panel = Panel(world)
    assert panel.watch(BOB, 60) == 200
    world.desk.remove_group("shop", world.now)
    assert panel.send("Expires: 60", event="dialog") == 403
    panel.seen()
    world.advance(61)
    assert len(world.exchange.subscriptions) == 0


def test_a_panel_has_many_lamps_but_not_any_number(world: World) -> None:
    """Beside the subscription to the messages of its account, which it does not take the room of."""
    for number in range(MAX_WATCHED):
        peer = Peer(("127.0.0.9", 6000 + number), world.token, f"p{number}")
        world.peers[peer.address] = peer
        assert Subscriber(world, peer, call_id=f"s{number}").subscribe(event="dialog") == 200
    panel = Panel(world)
    assert panel.watch() == 503
    panel.to = f"<{URI}>"
    assert panel.subscribe() == 200


def test_nobody_watches_without_a_password(world: World) -> None:
    """A carrier neither."""
    subscriber = Subscriber(world, world.carrier)
    assert subscriber.subscribe(password="wrong", event="dialog") == 401
    assert len(world.exchange.subscriptions) == 0
