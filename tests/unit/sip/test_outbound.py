"""Instances and flows of phones (RFC 5626 §6), the routes to them (RFC 3327), and in which order they are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchboard.sip.binding import MOST_OCTETS, Binding, by_preference
from switchboard.sip.registrar import Bounds, Registrar
from tests.unit.sip.test_registrar import AOR, SOURCE, register

A = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000A>"'
B = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-00000000000b>"'
OUTBOUND = "Supported: path, outbound"
HOP = "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKhop"
ELSEWHERE = ("192.0.2.77", 40000)


@pytest.fixture
def registrar() -> Registrar:
    """Three contacts an address."""
    return Registrar(Bounds(contacts=3))


def held(registrar: Registrar) -> list[tuple[str, int]]:
    """Who is bound, the newest first: the user parts of the contacts, and the numbers of their flows."""
    return [(binding.contact[4:].partition("@")[0], binding.reg_id) for binding in registrar.bindings(AOR, 1.0)]


class TestInstances:
    """A phone that has begun anew leaves no ghost."""

    def test_a_phone_that_comes_from_elsewhere(self, registrar: Registrar) -> None:
        """The same instance with another contact replaces the first; another instance stands beside it."""
        registrar.register(register(f"Contact: <sip:old@10.0.0.1>;{A}"), AOR, SOURCE, 0.0)
        registrar.register(register(f"Contact: <sip:other@10.0.0.2>;{B}", call_id="b"), AOR, SOURCE, 0.0)
        again = register(f"Contact: <sip:new@10.0.0.9>;{A.replace('A', 'a')}", call_id="later")
        result = registrar.register(again, AOR, ELSEWHERE, 1.0)
        assert held(registrar) == [("new", 0), ("other", 0)]
        assert registrar.bindings(AOR, 1.0)[0].source == ELSEWHERE
        assert [binding.contact for binding in result.added] == ["sip:new@10.0.0.9"]
        assert result.removed == ()
        assert registrar.total == 2

    def test_two_contacts_of_one_phone(self, registrar: Registrar) -> None:
        """What comes in one request stays together."""
        registrar.register(register(f"Contact: <sip:a@10.0.0.1>;{A}, <sip:b@10.0.0.1>;{A}"), AOR, SOURCE, 0.0)
        assert held(registrar) == [("b", 0), ("a", 0)]

    def test_a_phone_in_its_right_order(self, registrar: Registrar) -> None:
        """A request that is older than the binding of the same phone changes nothing."""
        registrar.register(register(f"Contact: <sip:a@10.0.0.1>;{A}", cseq=5), AOR, SOURCE, 0.0)
        assert registrar.register(register(f"Contact: <sip:b@10.0.0.1>;{A}", cseq=4), AOR, SOURCE, 0.0).status == 500
        assert held(registrar) == [("a", 0)]

    def test_who_is_new(self, registrar: Registrar) -> None:
        """A first registration and one with a new Call-ID are a phone that has begun; a refresh is not."""
        line = f"Contact: <sip:a@10.0.0.1>;{A}"
        assert registrar.register(register(line), AOR, SOURCE, 0.0).added
        assert not registrar.register(register(line, cseq=2), AOR, SOURCE, 1.0).added
        assert registrar.register(register(line, call_id="reboot"), AOR, SOURCE, 2.0).added
        ended = registrar.register(register(f"{line};expires=0", call_id="reboot", cseq=2), AOR, SOURCE, 3.0)
        assert [binding.contact for binding in ended.removed] == ["sip:a@10.0.0.1"]

    def test_an_instance_that_is_too_long_is_none(self, registrar: Registrar) -> None:
        """It is not kept, so nothing is replaced by it."""
        for number in range(2):
            line = f'Contact: <sip:{number}@10.0.0.1>;+sip.instance="<{"x" * 200}>"'
            registrar.register(register(line, cseq=number + 1), AOR, SOURCE, 0.0)
        assert len(held(registrar)) == 2


class TestFlows:
    """What `outbound` promises, and to whom."""

    def test_two_flows_of_one_phone(self, registrar: Registrar) -> None:
        """Each has its number; the same number replaces, whatever the contact; the URI may be the same."""
        for number, source in ((1, SOURCE), (2, ELSEWHERE)):
            line = f"Contact: <sip:a@10.0.0.1>;{A};reg-id={number}"
            result = registrar.register(register(line, OUTBOUND, call_id=f"f{number}"), AOR, source, 0.0, answered=True)
            assert result.lines == ("Require: outbound", "Flow-Timer: 120")
        assert held(registrar) == [("a", 2), ("a", 1)]
        line = f"Contact: <sip:b@10.0.0.2>;{A};reg-id=1"
        registrar.register(register(line, OUTBOUND, call_id="f3"), AOR, SOURCE, 0.0, answered=True)
        assert held(registrar) == [("b", 1), ("a", 2)]

    def test_another_phone_with_the_same_private_address(self, registrar: Registrar) -> None:
        """Its instance tells it from the first."""
        for name in (A, B):
            line = f"Contact: <sip:a@10.0.0.1>;{name};reg-id=1"
            registrar.register(register(line, OUTBOUND, call_id=name), AOR, SOURCE, 0.0, answered=True)
        assert held(registrar) == [("a", 1), ("a", 1)]

    def test_a_flow_takes_the_place_of_what_was_without(self, registrar: Registrar) -> None:
        """Of the same instance, or of the same URI where none was named; and the other way round."""
        registrar.register(register("Contact: <sip:a@10.0.0.1>", call_id="1"), AOR, SOURCE, 0.0)
        registrar.register(register(f"Contact: <sip:b@10.0.0.1>;{A}", call_id="2"), AOR, SOURCE, 0.0)
        line = f"Contact: <sip:a@10.0.0.1>;{A};reg-id=1"
        registrar.register(register(line, OUTBOUND, call_id="3"), AOR, SOURCE, 0.0, answered=True)
        assert held(registrar) == [("a", 1)]
        registrar.register(register(f"Contact: <sip:c@10.0.0.1>;{A}", call_id="4"), AOR, SOURCE, 0.0)
        assert held(registrar) == [("c", 0)]

    @pytest.mark.parametrize(
        ("lines", "answered", "status", "kept"),
        [
            ((OUTBOUND,), True, 200, True),
            ((OUTBOUND,), False, 200, False),
            ((), True, 200, False),
            ((OUTBOUND, HOP), True, 439, False),
            ((HOP,), True, 200, False),
            ((OUTBOUND, HOP, "Path: <sip:10.0.0.1;lr>"), True, 439, False),
            ((OUTBOUND, HOP, "Path: <sip:10.0.0.1;lr;ob>"), False, 200, True),
            ((OUTBOUND, HOP, "Path: <sip:10.0.0.1;lr;ob>, <sip:10.0.0.2;lr>"), True, 200, True),
            ((OUTBOUND, HOP, "Path: <sip:10.0.0.1;lr>, <sip:10.0.0.2;lr;ob>"), True, 439, False),
        ],
    )
    def test_whether_the_flow_is_kept(
        self, registrar: Registrar, lines: tuple[str, ...], answered: bool, status: int, kept: bool
    ) -> None:
        """RFC 5626 §6: not where nobody answers keep-alives, nor through a proxy that does not keep flows."""
        request = register(f"Contact: <sip:a@10.0.0.1>;{A};reg-id=1", *lines)
        result = registrar.register(request, AOR, SOURCE, 0.0, answered=answered)
        assert result.status == status
        assert ("Require: outbound" in result.lines) is kept
        assert [number for _, number in held(registrar)] == ([] if status != 200 else [1 if kept else 0])

    @pytest.mark.parametrize("number", ["reg-id", "reg-id=x", "reg-id=0", "reg-id=99999999999"])
    def test_no_number(self, registrar: Registrar, number: str) -> None:
        """A malformed number is passed over, as is one without an instance."""
        for line in (f"Contact: <sip:a@10.0.0.1>;{A};{number}", "Contact: <sip:a@10.0.0.1>;reg-id=1"):
            result = registrar.register(register(line, OUTBOUND, call_id=line), AOR, SOURCE, 0.0, answered=True)
            assert (result.status, result.lines) == (200, ())

    def test_a_flow_has_one_contact(self, registrar: Registrar) -> None:
        """RFC 5626 §6: 400; one that ends beside it does not matter."""
        line = f"Contact: <sip:a@10.0.0.1>;{A};reg-id=1"
        two = register(line, "Contact: <sip:b@10.0.0.1>", OUTBOUND)
        assert registrar.register(two, AOR, SOURCE, 0.0, answered=True).status == 400
        one = register(line, "Contact: <sip:b@10.0.0.1>;expires=0", OUTBOUND)
        assert registrar.register(one, AOR, SOURCE, 0.0, answered=True).status == 200

    def test_a_lost_connection(self, registrar: Registrar) -> None:
        """Takes what came over it, but not the phones of a proxy that can be connected to again."""
        registrar.register(register(f"Contact: <sip:a@10.0.0.1>;{A}", call_id="a"), AOR, SOURCE, 0.0)
        registrar.register(register(f"Contact: <sip:b@h>;{B}", "Path: <sip:p;lr>", call_id="b"), AOR, SOURCE, 0.0)
        registrar.cut_off(AOR, ELSEWHERE)
        registrar.cut_off(AOR, SOURCE)
        assert held(registrar) == [("b", 0)]


class TestPath:
    """The routes to a phone behind proxies (RFC 3327)."""

    def test_kept_and_given_back(self, registrar: Registrar) -> None:
        """In order, one a line in the answer, to a phone that says it knows them; stored anyhow."""
        lines = ("Path: <sip:p1.example.com;lr>, <sip:p2.example.com;lr>", "Path: <sip:10.0.0.1;lr>")
        request = register("Contact: <sip:a@10.0.0.9>", *lines, "Supported: gruu,PATH")
        result = registrar.register(request, AOR, SOURCE, 0.0)
        path = ("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>", "<sip:10.0.0.1;lr>")
        assert result.lines == tuple(f"Path: {value}" for value in path)
        assert result.headers == ("Contact: <sip:a@10.0.0.9>;expires=600", *result.lines)
        silent = registrar.register(register("Contact: <sip:a@10.0.0.9>", *lines, cseq=2), AOR, SOURCE, 0.0)
        assert silent.lines == ()
        assert registrar.bindings(AOR, 1.0)[0].path == path

    @pytest.mark.parametrize(
        ("value", "status"),
        [
            ("<sip:p>", 400),
            ("<tel:+1;lr>", 400),
            ("nonsense", 400),
            ("<sip:p;lr", 400),
            (", ".join(["<sip:p;lr>"] * 9), 403),
            (f"<sip:{'p' * MOST_OCTETS};lr>", 403),
        ],
    )
    def test_no_route(self, registrar: Registrar, value: str, status: int) -> None:
        """Strict routes, other schemes and too much of it are refused, and nothing is bound."""
        request = register("Contact: <sip:a@h>", f"Path: {value}")
        assert registrar.register(request, AOR, SOURCE, 0.0).status == status
        assert held(registrar) == []


class TestBounds:
    """What one account, and all together, may take of the memory."""

    def test_too_many_in_all(self) -> None:
        """503 with Retry-After; who is there already may stay, and there is room again when somebody goes."""
        registrar = Registrar(Bounds(most=2))
        for name in ("a@x", "b@x"):
            assert registrar.register(register(f"Contact: <sip:{name}>"), name, SOURCE, 0.0).status == 200
        refused = registrar.register(register("Contact: <sip:c@x>"), "c@x", SOURCE, 0.0)
        assert (refused.status, refused.lines) == (503, ("Retry-After: 60",))
        assert registrar.register(register("Contact: <sip:a@x>", cseq=2), "a@x", SOURCE, 0.0).status == 200
        registrar.register(register("Contact: *", "Expires: 0", cseq=2), "b@x", SOURCE, 0.0)
        assert registrar.register(register("Contact: <sip:c@x>"), "c@x", SOURCE, 0.0).status == 200
        assert registrar.total == 2

    def test_too_often(self) -> None:
        """500 with Retry-After to one that registers in a circle; others and later ones are taken."""
        registrar = Registrar(Bounds(rate=0.5, burst=3))
        statuses = [
            registrar.register(register("Contact: <sip:a@h>", cseq=number), AOR, SOURCE, 10.0).status
            for number in range(1, 5)
        ]
        assert statuses == [200, 200, 200, 500]
        refused = registrar.register(register("Contact: <sip:a@h>", cseq=9), AOR, SOURCE, 10.0)
        assert refused.lines == ("Retry-After: 2",)
        assert registrar.register(register("Contact: <sip:b@h>"), "b@x", SOURCE, 10.0).status == 200
        assert registrar.register(register("Contact: <sip:a@h>", cseq=9), AOR, SOURCE, 12.0).status == 200

    @pytest.mark.parametrize("value", [f"<sip:{'a' * MOST_OCTETS}@h>", f'<sip:a@h>;x="{"y" * MOST_OCTETS}"'])
    def test_a_contact_that_is_too_long(self, registrar: Registrar, value: str) -> None:
        """It is refused, and nothing is kept of it."""
        assert registrar.register(register(f"Contact: {value}"), AOR, SOURCE, 0.0).status == 400
        assert held(registrar) == []

    def test_what_else_is_kept_is_short(self, registrar: Registrar) -> None:
        """The name of the program is cut."""
        registrar.register(register("Contact: <sip:a@h>", f"User-Agent: {'x' * 5000}"), AOR, SOURCE, 0.0)
        assert len(registrar.bindings(AOR, 1.0)[0].user_agent) == 80


class TestKeptElsewhere:
    """Bindings that survive the process."""

    def test_what_was_touched(self, registrar: Registrar) -> None:
        """Every change is told once, also a mere refresh."""
        line = "Contact: <sip:a@h>;expires=100"
        for cseq in (1, 2):
            registrar.register(register(line, cseq=cseq), AOR, SOURCE, 0.0)
            assert registrar.take_touched() == {AOR}
        assert registrar.take_touched() == set()
        registrar.handle_timer(100.0)
        assert registrar.take_touched() == {AOR}

    def test_taken_up_again(self, registrar: Registrar) -> None:
        """Bindings restored are as good as registered ones: they expire, and stay in order."""
        registrar.register(register("Contact: <sip:a@h>, <sip:b@h>", cseq=4), AOR, SOURCE, 0.0)
        other = Registrar(Bounds(contacts=3))
        other.restore(AOR, registrar.bindings(AOR, 0.0))
        assert other.lookup(AOR, 1.0) == registrar.lookup(AOR, 1.0)
        assert other.take_changes() == {AOR}
        assert other.register(register("Contact: <sip:a@h>", cseq=4), AOR, SOURCE, 1.0).status == 500
        assert other.next_deadline() == 600.0
        assert list(other) == [AOR]

    def test_no_more_than_there_is_room_for(self, registrar: Registrar) -> None:
        """The bounds may have become narrower meanwhile."""
        registrar.register(register("Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>"), AOR, SOURCE, 0.0)
        other = Registrar(Bounds(most=2))
        other.restore(AOR, registrar.bindings(AOR, 0.0))
        assert other.total == 2

    def test_removed_by_hand(self, registrar: Registrar) -> None:
        """One contact, all, or the very binding that was found dead."""
        registrar.register(register("Contact: <sip:a@h>, <sip:b@h>, <sip:c@h>"), AOR, SOURCE, 0.0)
        (dead, *_) = registrar.bindings(AOR, 0.0)
        assert registrar.drop(AOR, dead)
        assert not registrar.drop(AOR, dead)
        assert (registrar.remove(AOR, "sip:a@h"), registrar.remove(AOR, "sip:a@h")) == (1, 0)
        assert (registrar.remove(AOR), registrar.remove(AOR), registrar.total) == (1, 0, 0)


def binding(name: str, q: float = 1.0, instance: str = "", reg_id: int = 0) -> Binding:
    """A contact with this user part, or this URI."""
    contact = name if ":" in name else f"sip:{name}@h"
    return Binding(contact, SOURCE, q, 100.0, "c", 1, "", instance=instance, reg_id=reg_id)


class TestPreference:
    """Who is called at once, and who after them."""

    def test_by_q(self) -> None:
        """Equal ones together, the newest first; higher ones before (RFC 3261 §16.6)."""
        plan = by_preference([binding("a", 0.5), binding("b"), binding("c", 0.5), binding("d")], 10)
        assert [[one.contact for one in group] for group in plan] == [["sip:b@h", "sip:d@h"], ["sip:a@h", "sip:c@h"]]

    def test_one_flow_of_a_phone(self) -> None:
        """Its newest: two would make it ring twice (RFC 5626 §5.3)."""
        flows = [binding("a", 1.0, "A", 2), binding("a", 1.0, "A", 1), binding("b", 0.1, "B", 1)]
        assert by_preference(flows, 10) == ((flows[0],), (flows[2],))

    def test_what_sip_cannot_call(self) -> None:
        """Is left out."""
        assert by_preference([binding("mailto:a@h")], 10) == ()

    @given(st.lists(st.tuples(st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(["", "A", "B"]), st.integers(0, 2))))
    def test_any(self, phones: list[tuple[float, str, int]]) -> None:
        """No more than are wanted, no flow twice, the groups in falling order of one q each, none of them empty."""
        bound = [binding(str(number), q, name, flow) for number, (q, name, flow) in enumerate(phones)]
        for most in (1, 3, 100):
            plan = by_preference(bound, most)
            rung = [one for group in plan for one in group]
            assert len(rung) <= most
            assert all(group for group in plan)
            assert [{one.q for one in group} for group in plan] == [
                {q} for q in sorted({b.q for b in rung}, reverse=True)
            ]
            flows = [one.instance for one in rung if one.reg_id and one.instance]
            assert len(flows) == len(set(flows))
        assert {one.contact for group in by_preference(bound, 100) for one in group} >= {
            one.contact for one in bound if not (one.instance and one.reg_id)
        }
