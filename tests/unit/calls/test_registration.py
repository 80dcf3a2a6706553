"""REGISTER through the engine: challenges, bindings, calls to and from a registered phone."""

from __future__ import annotations

import pytest

from switchboard.accounts import Accounts
from switchboard.sip.digest import answer
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.pace import Pace
from switchboard.sip.registrar import Bounds, Registrar
from switchboard.store.records import MessageRecord
from tests.support.exchange import NUMBER, SWITCH, Peer, World


def request(
    world: World,
    peer: Peer,
    method: str = "REGISTER",
    *,
    user: str = "alice",
    host: str = "switchboard.local",
    headers: tuple[str, ...] = (),
    call_id: str = "reg",
    cseq: int = 1,
) -> None:
    """A request outside a dialog from a peer."""
    aor = f"<sip:{user}@{host}>"
    out = OutgoingRequest(
        method, f"sip:{host}", SWITCH, from_=f"{aor};tag=r{cseq}", to=aor, call_id=call_id, cseq=cseq, headers=headers
    )
    peer.core.request(out, world.now)
    world.run()


def credentials(peer: Peer, *, user: str = "alice", password: str = "secret", index: int = 0, nc: int = 1) -> str:
    """The Authorization line for the latest challenge, SHA-256 (0) or MD5 (1)."""
    challenge = peer.responses[-1].headers.getall("www-authenticate")[index]
    value = answer(challenge, "REGISTER", "sip:switchboard.local", user, cnonce="c0ffee", nc=nc, password=password)
    return f"Authorization: {value}"


def register(world: World, peer: Peer, *, contact: str = "", index: int = 0, **extra: str) -> None:
    """A whole registration with a challenge."""
    contact = contact or f"<sip:alice@{peer.address[0]}:{peer.address[1]}>"
    lines = (f"Contact: {contact}",)
    request(world, peer, headers=lines)
    assert peer.statuses[-1] == 401
    request(world, peer, headers=(*lines, credentials(peer, index=index, **extra)), cseq=2)


@pytest.mark.parametrize("index", [0, 1])
def test_a_phone_registers_by_either_algorithm_and_is_called(index: int) -> None:
    """401 with SHA-256 and MD5, 200 with the binding, and the extension rings the phone."""
    world = World()
    register(world, world.phone, index=index)
    assert world.phone.statuses == [401, 200]
    assert "expires=" in (world.phone.responses[-1].headers.get("contact") or "")
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    world.keys("800001")
    assert len(world.phone.received("INVITE")) == 1
    assert world.phone.received("INVITE")[0].uri.startswith("sip:alice@")


def test_a_phone_behind_a_nat_is_reached_where_it_sends_from() -> None:
    """Its contact has a private address: requests go where the registration came from, and media latches there."""
    world = World()
    register(world, world.phone, contact="<sip:alice@192.168.1.7:5060>")
    world.dial("4007")
    assert len(world.phone.received("INVITE")) == 1
    invite = world.phone.received("INVITE")[0]
    answer_body = world.phone.answer(invite.body).replace(b"127.0.0.4", b"192.168.1.7")
    world.reply(world.phone, 200, body=answer_body, headers=("Contact: <sip:alice@192.168.1.7:5060>",))
    assert len(world.phone.acks) == 1
    opened = next(command[2] for command in world.plane.named("open") if command[2].remote_ip == "192.168.1.7")
    assert opened.latch_ip == world.phone.address[0]
    world.engine.end_all(world.now)
    world.run()
    assert len(world.phone.received("BYE")) == 1


def test_a_phone_may_say_to_be_an_extension() -> None:
    """From is what it shows; who it is, it proves, by an algorithm that it can; its calls are the account's."""
    world = World()
    world.exchange.authenticator = Accounts(
        "switchboard.local", [("alice", "secret")], bytes(32), world.token, {"alice": ("MD5",)}
    )
    register(world, world.phone)
    world.dial("4001", peer=world.phone, caller="8001")
    (challenge,) = world.phone.responses[-1].headers.getall("proxy-authenticate")
    value = answer(challenge, "INVITE", f"sip:4001@{SWITCH[0]}", "alice", cnonce="c0ffee", password="secret")
    world.dial("4001", peer=world.phone, caller="8001", headers=(f"Proxy-Authorization: {value}",))
    (call,) = world.exchange.calls.values()
    assert call.account == "alice"


def test_a_wrong_password_is_challenged_again() -> None:
    """401, no binding."""
    world = World()
    register(world, world.phone, password="wrong")
    assert world.phone.statuses == [401, 401]
    assert len(world.exchange.registrar) == 0


def test_an_unknown_user_gets_the_same_answer_as_a_wrong_password() -> None:
    """401 with a challenge, so that accounts cannot be guessed."""
    world = World()
    contact = f"Contact: <sip:x@{world.phone.address[0]}:5080>"
    request(world, world.phone, user="nobody", headers=(contact,))
    line = credentials(world.phone, user="nobody")
    request(world, world.phone, user="nobody", headers=(contact, line), cseq=2)
    assert world.phone.statuses == [401, 401]


def test_what_is_no_sip_address_cannot_be_registered() -> None:
    """400 before any challenge: only a SIP or SIPS URI is an address of record (RFC 4475 §3.3.3)."""
    world = World()
    to = "isbn:2983792873"
    out = OutgoingRequest(
        "REGISTER", "sip:switchboard.local", SWITCH, from_=f"<{to}>;tag=r", to=f"<{to}>", call_id="reg", cseq=1
    )
    world.phone.core.request(out, world.now)
    world.run()
    assert world.phone.statuses == [400]


def test_credentials_serve_once() -> None:
    """The same nonce count again is a replay: challenged with stale=true."""
    world = World()
    contact = f"Contact: <sip:alice@{world.phone.address[0]}:5080>"
    request(world, world.phone, headers=(contact,))
    line = credentials(world.phone)
    request(world, world.phone, headers=(contact, line), cseq=2)
    request(world, world.phone, headers=(contact, line), cseq=3)
    assert world.phone.statuses == [401, 200, 401]
    assert "stale=true" in (world.phone.responses[-1].headers.get("www-authenticate") or "")


def test_an_account_cannot_register_another_address() -> None:
    """alice's password does not bind bob's address of record."""
    world = World()
    contact = f"Contact: <sip:alice@{world.phone.address[0]}:5080>"
    request(world, world.phone, user="bob", headers=(contact,))
    request(world, world.phone, user="bob", headers=(contact, credentials(world.phone)), cseq=2)
    assert world.phone.statuses == [401, 403]


def test_a_phone_behind_a_proxy_is_reached_through_it() -> None:
    """RFC 3327: the Path of its registration is the route of the INVITE, and of what is told without a call."""
    world = World()
    world.mailboxes.add(MessageRecord(id="m1", box="alice", path="m1.wav", left_us=1, seconds=2.0, call_id="c1"))
    host, port = world.phone.address
    path = f"<sip:edge@{host}:{port};lr>"
    lines = ("Contact: <sip:alice@10.0.0.9:5060>", f"Path: {path}", "Supported: path")
    request(world, world.phone, headers=lines)
    request(world, world.phone, headers=(*lines, credentials(world.phone)), cseq=2)
    accepted = world.phone.responses[-1]
    assert (accepted.status, accepted.headers.getall("path")) == (200, [path])
    assert accepted.headers.get("supported") == "path"
    assert accepted.headers.get("date")
    world.dial("4007")
    for method in ("NOTIFY", "INVITE"):
        (received,) = world.phone.received(method)
        assert received.headers.getall("route") == [path]
        assert received.uri == "sip:alice@10.0.0.9:5060"


def test_required_extensions() -> None:
    """Path and outbound are known here, anything else is not."""
    world = World()
    request(world, world.phone, headers=("Require: path, outbound",))
    request(world, world.phone, headers=("Require: path, gruu",), cseq=2)
    assert world.phone.statuses == [401, 420]
    assert world.phone.responses[-1].headers.get("unsupported") == "gruu"


@pytest.mark.parametrize("path", [f"<sip:{SWITCH[0]}:{SWITCH[1]};lr>", "<sip:255.255.255.255;lr>"])
def test_a_path_that_points_back_or_nowhere_is_refused(path: str) -> None:
    """Calls would circle by it as well."""
    world = World()
    lines = (f"Contact: <sip:alice@{world.phone.address[0]}:5080>", f"Path: {path}")
    request(world, world.phone, headers=lines)
    request(world, world.phone, headers=(*lines, credentials(world.phone)), cseq=2)
    assert world.phone.statuses == [401, 403]
    assert len(world.exchange.registrar) == 0


@pytest.mark.parametrize(
    "contact", [f"<sip:alice@{SWITCH[0]}:{SWITCH[1]}>", "<sip:alice@255.255.255.255>", "<sip:alice@0.0.0.0:5080>"]
)
def test_a_contact_that_points_back_or_nowhere_is_refused(contact: str) -> None:
    """A contact of our own address would make calls circle."""
    world = World()
    register(world, world.phone, contact=contact)
    assert world.phone.statuses == [401, 403]


def test_too_often_from_one_place() -> None:
    """A source that asks too much gets silence, whoever it says it is, and before anything is computed for it."""
    world = World()
    world.exchange.source_pace = Pace(1.0, 3)
    for cseq in range(1, 8):
        request(world, world.phone, user=f"user{cseq}", cseq=cseq)
    assert world.phone.statuses == [401, 401, 401]
    request(world, world.agent, call_id="other")
    assert world.agent.statuses == [401]
    assert world.core.counts()["server_transactions"] == 4


def test_far_too_many_contacts() -> None:
    """They are refused as a whole, and nothing is kept."""
    world = World()
    many = "Contact: " + ",".join(f"<sip:{number}@127.0.0.4>" for number in range(500))
    request(world, world.phone, headers=(many,))
    request(world, world.phone, headers=(many, credentials(world.phone)), cseq=2)
    assert world.phone.statuses == [401, 403]
    assert len(world.exchange.registrar) == 0


def test_too_often() -> None:
    """An account that registers in a circle is told to wait; another one is not concerned."""
    world = World()
    world.exchange.registrar = Registrar(Bounds(rate=1.0, burst=2))
    contact = f"Contact: <sip:alice@{world.phone.address[0]}:5080>"
    for cseq in range(1, 7, 2):
        request(world, world.phone, headers=(contact,), cseq=cseq)
        request(world, world.phone, headers=(contact, credentials(world.phone)), cseq=cseq + 1)
    assert world.phone.statuses == [401, 200, 401, 200, 401, 500]
    assert world.phone.responses[-1].headers.get("retry-after") == "1"


def test_a_foreign_domain_is_not_served() -> None:
    """An address of record of somebody else's domain gets 404 once the account has proved itself."""
    world = World()
    request(world, world.phone, headers=("Contact: <sip:alice@127.0.0.4:5080>",))
    line = credentials(world.phone)
    out = OutgoingRequest(
        "REGISTER",
        "sip:switchboard.local",
        SWITCH,
        from_="<sip:alice@example.com>;tag=q",
        to="<sip:alice@example.com>",
        call_id="reg2",
        cseq=2,
        headers=("Contact: <sip:alice@127.0.0.4:5080>", line),
    )
    world.phone.core.request(out, world.now)
    world.run()
    assert world.phone.statuses == [401, 404]


def test_a_registration_ends_by_itself_or_by_request() -> None:
    """After its time, and at once with `Contact: *` and Expires 0."""
    world = World()
    register(world, world.phone)
    world.advance(3601)
    assert len(world.exchange.registrar) == 0
    register(world, world.phone)
    request(world, world.phone, headers=("Contact: *", "Expires: 0"), cseq=8)
    line = credentials(world.phone)
    request(world, world.phone, headers=("Contact: *", "Expires: 0", line), cseq=9)
    assert world.phone.statuses[-1] == 200
    assert len(world.exchange.registrar) == 0


def test_a_call_from_an_unknown_address_is_challenged() -> None:
    """No trunk sends from there: 407, and with an account's password the dial plan is open to it."""
    world = World()
    out, _ = world.dial("4001", peer=world.phone)
    assert world.phone.statuses == [407]
    challenge = world.phone.responses[-1].headers.getall("proxy-authenticate")[0]
    value = answer(challenge, "INVITE", out.uri, "alice", cnonce="c", password="secret")
    world.dial("4001", peer=world.phone, headers=(f"Proxy-Authorization: {value}",))
    assert len(world.agent.received("INVITE")) == 1
    assert world.exchange.counts()["calls"] == 1


def test_a_registered_phone_is_a_phone_even_at_a_trunks_address() -> None:
    """An INVITE from the contact of a registration is challenged, whatever trunk has that address."""
    world = World()
    register(world, world.carrier, contact="<sip:alice@127.0.0.2:5070>")
    world.dial("4001")
    assert world.carrier.statuses[-1] == 407


def test_an_unknown_method_gets_501_and_one_without_its_dialog_481() -> None:
    """And a known one that makes no sense here 405 with Allow."""
    world = World()
    for number, (method, status) in enumerate([("HELLO", 501), ("MESSAGE", 405), ("INFO", 481)], 1):
        request(world, world.carrier, method, call_id=f"m{number}", cseq=number)
        assert world.carrier.statuses[-1] == status


@pytest.mark.parametrize(("box", "told"), [("alice", ["Voice-Message: 1/0"]), ("bob", [])])
def test_a_phone_that_comes_is_told_what_waits(box: str, told: list[str]) -> None:
    """The lamp of a phone that was off when the message came; to refresh a registration tells nothing again."""
    world = World()
    world.mailboxes.add(MessageRecord(id="m1", box=box, path="m1.wav", left_us=1, seconds=2.0, call_id="c1"))
    register(world, world.phone)
    lines = (f"Contact: <sip:alice@{world.phone.address[0]}:{world.phone.address[1]}>",)
    request(world, world.phone, headers=lines, cseq=3)
    request(world, world.phone, headers=(*lines, credentials(world.phone)), cseq=4)
    assert [status for status in world.phone.statuses if status in (200, 401)] == [401, 200, 401, 200]
    notified = [request.body.decode() for request in world.phone.received("NOTIFY")]
    assert [next(line for line in body.splitlines() if line.startswith("Voice")) for body in notified] == told
