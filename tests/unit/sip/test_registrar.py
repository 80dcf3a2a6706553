"""Registrations, in the shapes of RFC 3665 §2 and by the steps of RFC 3261 §10.3."""

from __future__ import annotations

import pytest

from switchboard.sip.message import Request, parse_datagram
from switchboard.sip.registrar import Bounds, RegisterResult, Registrar

AOR = "bob@biloxi.example.com"
SOURCE = ("192.0.2.201", 5060)
BOB = "<sip:bob@client.biloxi.example.com>"


def register(*lines: str, call_id: str = "1j9FpLxk3uxtm8tn@biloxi", cseq: int = 1, to: str = f"<sip:{AOR}>") -> Request:
    """Make a REGISTER with these header lines."""
    head = [
        "REGISTER sip:ss2.biloxi.example.com SIP/2.0",
        "Via: SIP/2.0/UDP client.biloxi.example.com;branch=z9hG4bKnashds7",
        f"From: {to};tag=a73kszlfl",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} REGISTER",
        *lines,
    ]
    message = parse_datagram(("\r\n".join(head) + "\r\n\r\n").encode())
    assert isinstance(message, Request)
    return message


@pytest.fixture
def registrar() -> Registrar:
    """A registrar with the bounds of the examples."""
    return Registrar(Bounds(contacts=3))


def contacts(registrar: Registrar, now: float = 0.0) -> list[str]:
    """List the URIs bound to Bob."""
    return [binding.contact for binding in registrar.lookup(AOR, now)]


class TestRfc3665:
    """The five flows of RFC 3665 §2."""

    def test_2_1_new_registration(self, registrar: Registrar) -> None:
        """A new contact is bound for the time asked and comes back in the answer."""
        request = register(f"Contact: {BOB}", "Expires: 3600", "User-Agent: phone/1.0")
        result = registrar.register(request, AOR, SOURCE, 100.0)
        assert (result.status, result.contacts) == (200, (f"Contact: {BOB};expires=3600",))
        assert result.headers == result.contacts
        (binding,) = registrar.lookup(AOR, 100.0)
        assert (binding.contact, binding.source) == ("sip:bob@client.biloxi.example.com", SOURCE)
        assert (binding.q, binding.expires_at) == (1.0, 3700.0)
        assert (binding.call_id, binding.cseq, binding.user_agent) == ("1j9FpLxk3uxtm8tn@biloxi", 1, "phone/1.0")
        assert len(registrar) == 1

    def test_2_2_update_of_contact_list(self, registrar: Registrar) -> None:
        """A second contact joins the first, and the answer lists both with the time each has left."""
        registrar.register(register(f"Contact: {BOB}", "Expires: 3600"), AOR, SOURCE, 0.0)
        update = register("Contact: mailto:bob@biloxi.example.com;q=0.5", "Expires: 600", cseq=2)
        result = registrar.register(update, AOR, SOURCE, 10.0)
        assert result.status == 200
        assert result.contacts == (
            "Contact: <mailto:bob@biloxi.example.com>;q=0.5;expires=600",
            f"Contact: {BOB};expires=3590",
        )
        assert contacts(registrar, 10.0) == ["sip:bob@client.biloxi.example.com"]

    def test_2_3_query(self, registrar: Registrar) -> None:
        """A REGISTER without Contact lists the bindings and changes nothing."""
        assert registrar.register(register(), AOR, SOURCE, 0.0) == RegisterResult(200)
        registrar.register(register(f"Contact: {BOB};expires=3600", cseq=2), AOR, SOURCE, 0.0)
        before = registrar.lookup(AOR, 1.0)
        result = registrar.register(register(cseq=3), AOR, ("192.0.2.9", 1), 1.0)
        assert (result.status, result.contacts) == (200, (f"Contact: {BOB};expires=3599",))
        assert registrar.lookup(AOR, 1.0) == before

    def test_2_4_cancellation(self, registrar: Registrar) -> None:
        """`Contact: *` with `Expires: 0` removes every binding."""
        registrar.register(register(f"Contact: {BOB}, <sip:bob@other>"), AOR, SOURCE, 0.0)
        result = registrar.register(register("Contact: *", "Expires: 0", cseq=2), AOR, SOURCE, 1.0)
        assert (result.status, result.headers, len(result.removed)) == (200, (), 2)
        assert (contacts(registrar), len(registrar), registrar.next_deadline()) == ([], 0, None)

    def test_2_5_unsuccessful(self, registrar: Registrar) -> None:
        """A REGISTER that is refused leaves no trace."""
        result = registrar.register(register(f"Contact: {BOB}", to="<isbn:2983792873>"), AOR, SOURCE, 0.0)
        assert result.status == 400
        assert len(registrar) == 0


class TestExpiry:
    """How long a binding lasts (RFC 3261 §10.3 step 7)."""

    @pytest.mark.parametrize(
        ("lines", "seconds"),
        [
            ((f"Contact: {BOB}",), 600),
            ((f"Contact: {BOB}", "Expires: 120"), 120),
            ((f"Contact: {BOB};expires=90", "Expires: 120"), 90),
            ((f"Contact: {BOB};expires=60",), 60),
            ((f"Contact: {BOB};expires=4294967295",), 3600),
            ((f"Contact: {BOB};expires=99999999999999999999",), 3600),
            ((f"Contact: {BOB};expires=soon",), 3600),
            ((f"Contact: {BOB};expires",), 600),
            ((f"Contact: {BOB}", "Expires: -1"), 3600),
        ],
    )
    def test_granted(self, registrar: Registrar, lines: tuple[str, ...], seconds: int) -> None:
        """The parameter goes before the header, the header before the default; the longest time is capped."""
        result = registrar.register(register(*lines), AOR, SOURCE, 5.0)
        assert result.contacts == (f"Contact: {BOB};expires={seconds}",)
        assert registrar.lookup(AOR, 5.0)[0].expires_at == 5.0 + seconds

    @pytest.mark.parametrize("lines", [(f"Contact: {BOB}", "Expires: 59"), (f"Contact: <sip:x@h>, {BOB};expires=1",)])
    def test_too_brief(self, registrar: Registrar, lines: tuple[str, ...]) -> None:
        """A time below the least is owed 423 with Min-Expires, and nothing of the request is done."""
        result = registrar.register(register(*lines), AOR, SOURCE, 0.0)
        assert result == RegisterResult(423, (), 60)
        assert result.headers == ("Min-Expires: 60",)
        assert len(registrar) == 0

    def test_zero_removes_one(self, registrar: Registrar) -> None:
        """`expires=0` removes that contact, by equivalence of URIs; one that is not there is no fault."""
        registrar.register(register(f"Contact: {BOB}, <sip:bob@other;lr>"), AOR, SOURCE, 0.0)
        gone = register("Contact: <sip:%62ob@OTHER>;expires=0, <sip:x@y>;expires=0", cseq=2)
        assert registrar.register(gone, AOR, SOURCE, 1.0).contacts == (f"Contact: {BOB};expires=599",)

    def test_expired_are_not_listed(self, registrar: Registrar) -> None:
        """A binding ends at its time even before the timer has run, and may then be made anew."""
        registrar.register(register(f"Contact: {BOB};expires=60", cseq=9), AOR, SOURCE, 0.0)
        assert len(registrar.lookup(AOR, 59.9)) == 1
        assert registrar.lookup(AOR, 60.0) == []
        assert registrar.register(register(f"Contact: {BOB};expires=60", cseq=1), AOR, SOURCE, 60.0).status == 200

    def test_timer(self, registrar: Registrar) -> None:
        """The deadline is the next expiry, and the timer drops what has ended and nothing else."""
        registrar.register(register(f"Contact: {BOB};expires=100, <sip:bob@b>;expires=200"), AOR, SOURCE, 0.0)
        registrar.register(register("Contact: <sip:al@a>;expires=150"), "al@x", SOURCE, 0.0)
        assert registrar.next_deadline() == 100.0
        registrar.handle_timer(99.0)
        assert len(contacts(registrar, 99.0)) == 2
        registrar.handle_timer(100.0)
        assert contacts(registrar) == ["sip:bob@b"]
        assert registrar.next_deadline() == 150.0
        registrar.handle_timer(200.0)
        assert (len(registrar), registrar.next_deadline()) == (0, None)

    def test_refresh_moves_the_deadline(self, registrar: Registrar) -> None:
        """A refreshed binding lives on through the deadline of its first life."""
        registrar.register(register(f"Contact: {BOB};expires=100"), AOR, SOURCE, 0.0)
        registrar.register(register(f"Contact: {BOB};expires=100", cseq=2), AOR, SOURCE, 50.0)
        registrar.handle_timer(100.0)
        assert len(contacts(registrar, 100.0)) == 1
        assert registrar.next_deadline() == 150.0

    def test_sooner_expiry_moves_the_deadline(self, registrar: Registrar) -> None:
        """A contact that ends sooner than the others sets the deadline, the others keep theirs."""
        registrar.register(register(f"Contact: {BOB};expires=300"), AOR, SOURCE, 0.0)
        registrar.register(register("Contact: <sip:bob@b>;expires=60", cseq=2), AOR, SOURCE, 0.0)
        assert registrar.next_deadline() == 60.0
        registrar.handle_timer(60.0)
        assert registrar.next_deadline() == 300.0
        registrar.handle_timer(300.0)
        assert len(registrar) == 0

    def test_schedule_does_not_grow(self, registrar: Registrar) -> None:
        """A phone that refreshes all day costs one entry."""
        for minute in range(1000):
            request = register(f"Contact: {BOB};expires=3600", cseq=minute + 1)
            registrar.register(request, AOR, SOURCE, minute * 60.0)
            registrar.handle_timer(minute * 60.0)
        assert len(registrar._expiries) == 1

    def test_forgotten_and_bound_again(self, registrar: Registrar) -> None:
        """An address forgotten and bound again expires at its new time."""
        registrar.register(register(f"Contact: {BOB};expires=100"), AOR, SOURCE, 0.0)
        registrar.forget(AOR)
        registrar.forget(AOR)
        assert len(registrar) == 0
        registrar.register(register(f"Contact: {BOB};expires=100"), AOR, SOURCE, 50.0)
        registrar.handle_timer(100.0)
        assert len(contacts(registrar, 100.0)) == 1
        registrar.handle_timer(150.0)
        assert len(registrar) == 0


class TestOrder:
    """Requests that come late (RFC 3261 §10.3 steps 6 and 7)."""

    @pytest.mark.parametrize("cseq", [4, 5])
    @pytest.mark.parametrize(
        "lines", [(f"Contact: {BOB}",), (f"Contact: {BOB};expires=0",), ("Contact: *", "Expires: 0")]
    )
    def test_old_request(self, registrar: Registrar, lines: tuple[str, ...], cseq: int) -> None:
        """A CSeq not above the binding's with the same Call-ID is owed 500 and changes nothing."""
        registrar.register(register(f"Contact: {BOB}", cseq=5), AOR, SOURCE, 0.0)
        before = registrar.lookup(AOR, 1.0)
        assert registrar.register(register(*lines, cseq=cseq), AOR, SOURCE, 1.0).status == 500
        assert registrar.lookup(AOR, 1.0) == before

    @pytest.mark.parametrize(("call_id", "cseq"), [("other", 1), ("1j9FpLxk3uxtm8tn@biloxi", 6)])
    def test_newer_request(self, registrar: Registrar, call_id: str, cseq: int) -> None:
        """Another Call-ID (a restarted phone) or a higher CSeq replaces the binding."""
        registrar.register(register(f"Contact: {BOB}", cseq=5), AOR, SOURCE, 0.0)
        source = ("192.0.2.7", 6000)
        assert (
            registrar.register(register(f"Contact: {BOB}", call_id=call_id, cseq=cseq), AOR, source, 1.0).status == 200
        )
        (binding,) = registrar.lookup(AOR, 1.0)
        assert (binding.source, binding.call_id, binding.cseq) == (source, call_id, cseq)

    def test_atomic(self, registrar: Registrar) -> None:
        """When one contact comes too late, the others of the request are not bound either."""
        registrar.register(register(f"Contact: {BOB}", cseq=5), AOR, SOURCE, 0.0)
        late = register(f"Contact: <sip:new@h>, {BOB}", cseq=5)
        assert registrar.register(late, AOR, SOURCE, 1.0).status == 500
        assert contacts(registrar, 1.0) == ["sip:bob@client.biloxi.example.com"]

    def test_same_contact_twice_in_one_request(self, registrar: Registrar) -> None:
        """A contact listed twice is bound once, as its last mention says."""
        twice = register(f"Contact: {BOB};expires=100", f"Contact: {BOB};expires=200")
        assert registrar.register(twice, AOR, SOURCE, 0.0).contacts == (f"Contact: {BOB};expires=200",)

    def test_newest_first(self, registrar: Registrar) -> None:
        """The binding made or refreshed last comes first."""
        for cseq, name in enumerate(("a", "b", "c", "a"), 1):
            registrar.register(register(f"Contact: <sip:{name}@h>", cseq=cseq), AOR, SOURCE, float(cseq))
        assert contacts(registrar, 5.0) == ["sip:a@h", "sip:c@h", "sip:b@h"]


class TestBadRequests:
    """What is owed 400 or 403, with nothing changed."""

    @pytest.mark.parametrize(
        "lines",
        [
            ("Contact: *",),
            ("Contact: *", "Expires: 60"),
            ("Contact: *", "Expires: x"),
            ("Contact: *", f"Contact: {BOB}", "Expires: 0"),
            (f"Contact: *, {BOB}", "Expires: 0"),
            ("Contact: <sip:a b@h>",),
            ("Contact: <sip:x@h",),
            ("Contact: <sip:x@h>,",),
            ("Contact: <tel:>",),
            ("Contact: <nothing>",),
            ("Contact: sip:x@h?Route=%3Csip:h%3E",),
        ],
    )
    def test_400(self, registrar: Registrar, lines: tuple[str, ...]) -> None:
        """A malformed or unusable Contact, and a wildcard with company or time, are refused whole."""
        registrar.register(register("Contact: <sip:old@h>"), AOR, SOURCE, 0.0)
        assert registrar.register(register(*lines, cseq=2), AOR, SOURCE, 1.0).status == 400
        assert contacts(registrar, 1.0) == ["sip:old@h"]

    def test_too_many_contacts(self, registrar: Registrar) -> None:
        """More contacts than allowed are refused as a whole; replacing one of them is not."""
        registrar.register(register("Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>"), AOR, SOURCE, 0.0)
        assert registrar.register(register("Contact: <sip:d@h>", cseq=2), AOR, SOURCE, 1.0).status == 403
        many = ", ".join(f"<sip:x{i}@h>;expires=0" for i in range(7))
        assert registrar.register(register(f"Contact: {many}", cseq=2), AOR, SOURCE, 1.0).status == 403
        swap = register("Contact: <sip:d@h>, <sip:a@h>;expires=0", cseq=2)
        assert registrar.register(swap, AOR, SOURCE, 1.0).status == 200
        assert contacts(registrar, 1.0) == ["sip:d@h", "sip:c@h", "sip:b@h"]


class TestContactValues:
    """What is kept of a Contact and given back."""

    @pytest.mark.parametrize(
        ("value", "line"),
        [
            ("sip:x@h;unknown", "<sip:x@h>;unknown;expires=600"),
            ("<sip:x@h;unknown>", "<sip:x@h;unknown>;expires=600"),
            ("<sip:x@h?Route=%3Csip:h%3E>", "<sip:x@h?Route=%3Csip:h%3E>;expires=600"),
            ('"Bob" <sip:x@h>;+sip.instance="<urn:uuid:1>"', '<sip:x@h>;+sip.instance="<urn:uuid:1>";expires=600'),
            ("<sip:x@h>;q=0.7", "<sip:x@h>;q=0.7;expires=600"),
            ("<sip:x@h>;q=1.000", "<sip:x@h>;expires=600"),
            ("<sip:x@h>;q=0", "<sip:x@h>;q=0;expires=600"),
            ("<sip:x@h>;q=7", "<sip:x@h>;expires=600"),
            ("<sip:x@h>;q", "<sip:x@h>;expires=600"),
            ("<sip:%00@h>", "<sip:%00@h>;expires=600"),
        ],
    )
    def test_given_back(self, registrar: Registrar, value: str, line: str) -> None:
        """The URI comes back as it came, in brackets, with the parameters of the Contact behind it."""
        result = registrar.register(register(f"Contact: {value}"), AOR, SOURCE, 0.0)
        assert result.contacts == (f"Contact: {line}",)

    def test_escaped_nulls_are_two(self, registrar: Registrar) -> None:
        """Contacts that differ only in escaped octets are different."""
        registrar.register(register("Contact: <sip:%00@h>", "Contact: <sip:%00%00@h>"), AOR, SOURCE, 0.0)
        assert len(contacts(registrar)) == 2

    def test_addresses_are_apart(self, registrar: Registrar) -> None:
        """One address-of-record's bindings are not another's."""
        registrar.register(register(f"Contact: {BOB}"), AOR, SOURCE, 0.0)
        assert registrar.lookup("al@x", 0.0) == []
        assert registrar.register(register("Contact: *", "Expires: 0"), "al@x", SOURCE, 0.0).status == 200
        assert len(contacts(registrar)) == 1


class TestChanges:
    """Who has come and who has gone, for those to whom a phone matters."""

    def test_come_refreshed_and_gone(self, registrar: Registrar) -> None:
        """A first contact and the last one's end are changes; a refresh is none."""
        registrar.register(register(f"Contact: {BOB}", "Expires: 600"), AOR, SOURCE, 0.0)
        assert registrar.take_changes() == {AOR}
        registrar.register(register(f"Contact: {BOB}", "Expires: 600", cseq=2), AOR, SOURCE, 10.0)
        assert registrar.take_changes() == set()
        registrar.register(register("Contact: *", "Expires: 0", cseq=3), AOR, SOURCE, 20.0)
        assert registrar.take_changes() == {AOR}

    def test_expired(self, registrar: Registrar) -> None:
        """Time takes contacts as well."""
        registrar.register(register(f"Contact: {BOB}", "Expires: 600"), AOR, SOURCE, 0.0)
        registrar.take_changes()
        registrar.handle_timer(600.0)
        assert registrar.take_changes() == {AOR}


def test_addresses_of_record_in_order(registrar: Registrar) -> None:
    """So many behind another one, whatever has come and gone."""
    names = [f"{name}@biloxi.example.com" for name in ("carol", "alice", "dave", "bob")]
    for number, aor in enumerate(names):
        registrar.register(register("Contact: <sip:x@192.0.2.9>", call_id=str(number)), aor, SOURCE, 0.0)
    assert registrar.behind("", 9) == sorted(names)
    registrar.forget(names[1])
    registrar.forget(names[1])
    assert registrar.behind("", 2) == [names[3], names[0]]
    assert registrar.behind(names[3], 9) == [names[0], names[2]]
    assert registrar.behind("zoe", 9) == []
    registrar.handle_timer(10_000.0)
    assert registrar.behind("", 9) == []
