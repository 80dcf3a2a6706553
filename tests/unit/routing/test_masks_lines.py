"""X numbers: who reaches whom through AXB, AXN, AXG and AX, and what does not go together."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec import structs

from routing.masks import (
    AorTarget,
    Binding,
    BindingError,
    CallbackRule,
    Difference,
    MaskTable,
    NumberTarget,
    Party,
    Policy,
    Sealed,
    ShownError,
    SipTarget,
    TakenError,
    Target,
)
from routing.masks.lines import DROPPED_AT_ONCE
from tests.unit.routing.parties import OTHER_X, TRUNK, X, bound, fingerprint, party, reaches

ALICE, BOB, CAROL, DAVE = map(fingerprint, ("alice", "bob", "carol", "dave"))


def table(*bindings: Binding) -> MaskTable:
    """A table of these bindings."""
    made = MaskTable()
    for binding in bindings:
        made.add(binding)
    return made


def answer(masks: MaskTable, caller: bytes | None, now: float = 100.0, x: str = X) -> tuple[Target | None, str, str]:
    """Target, group and reason of a call."""
    found = masks.resolve_call(x, caller, now)
    return found.target, found.group, found.reason


NOBODY = (None, "", "unbound")
CASES: list[tuple[str, Binding, dict[str, tuple[Target | None, str, str]]]] = [
    (
        "axb: the two reach each other, nobody else anybody",
        bound("axb", a="alice", b="bob"),
        {"alice": (reaches("bob"), "", "ok"), "bob": (reaches("alice"), "", "ok"), "carol": NOBODY, "": NOBODY},
    ),
    (
        "axn: anybody reaches A, and A reaches N",
        bound("axn", a="alice", n="bob"),
        {
            "alice": (reaches("bob"), "", "ok"),
            "bob": (reaches("alice"), "", "ok"),
            "carol": (reaches("alice"), "", "ok"),
            "": (reaches("alice"), "", "ok"),
        },
    ),
    (
        "axn without N: A reaches nobody",
        bound("axn", a="alice"),
        {"alice": NOBODY, "carol": (reaches("alice"), "", "ok")},
    ),
    (
        "ax: anybody reaches A, and A cannot call",
        bound("ax", a="alice"),
        {
            "alice": (None, "", "direction"),
            "carol": (reaches("alice"), "", "ok"),
            "": (reaches("alice"), "", "ok"),
        },
    ),
    (
        "axg: A reaches the group, its members reach A, nobody else anybody",
        bound("axg", a="alice", group="desk"),
        {
            "alice": (None, "desk", "ok"),
            "bob": (reaches("alice"), "", "ok"),
            "carol": (reaches("alice"), "", "ok"),
            "dave": NOBODY,
            "": NOBODY,
        },
    ),
    (
        "axg without A: anybody reaches the group",
        bound("axg", group="desk"),
        {"alice": (None, "desk", "ok"), "bob": (None, "desk", "ok"), "": (None, "desk", "ok")},
    ),
]


class TestKinds:
    """Who is reached."""

    @pytest.mark.parametrize(("binding", "answers"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
    def test_who_reaches_whom(self, binding: Binding, answers: dict[str, tuple[Target | None, str, str]]) -> None:
        """Each kind connects those it is for, and X is what each of them sees."""
        masks = table(binding)
        masks.lines.set_groups({"desk": [BOB, CAROL], "other": [DAVE]})
        for caller, expected in answers.items():
            assert answer(masks, fingerprint(caller) if caller else None) == expected
        assert answer(masks, ALICE, x=OTHER_X) == NOBODY

    def test_many_pairs_share_a_number(self) -> None:
        """Each caller reaches the other side of the pair he is in."""
        masks = table(*(bound("axb", str(n), a=f"a{n}", b=f"b{n}") for n in range(100)))
        for n in range(100):
            assert answer(masks, fingerprint(f"a{n}")) == (reaches(f"b{n}"), "", "ok")
            assert answer(masks, fingerprint(f"b{n}")) == (reaches(f"a{n}"), "", "ok")
        assert len(masks) == 100
        assert masks.numbers() == (X,)

    def test_one_pair_on_each_of_many_numbers(self) -> None:
        """The same people mean different bindings by the number they call."""
        masks = table(bound("axb", "1", a="alice", b="bob"), bound("axb", "2", OTHER_X, a="alice", b="carol"))
        assert answer(masks, ALICE) == (reaches("bob"), "", "ok")
        assert answer(masks, ALICE, x=OTHER_X) == (reaches("carol", OTHER_X), "", "ok")

    @pytest.mark.parametrize("target", [SipTarget("sip:desk@127.0.0.1"), AorTarget("alice")])
    @pytest.mark.parametrize("kind", ["ax", "axn"])
    def test_owner_without_a_number(self, kind: str, target: Target) -> None:
        """A softphone can own a number; it is reached by everybody."""
        binding = Binding(id="1", kind=kind, number=X, target=target)  # type: ignore[arg-type]
        masks = table(binding)
        assert answer(masks, BOB) == (target, "", "ok")
        assert masks.resolve_call(X, BOB, 0.0).shown == X
        assert masks.get("1") == binding

    def test_what_only_looks_like_a_party(self) -> None:
        """A fingerprint that begins like a party's, and one too short, are nobody's."""
        masks = table(bound("axb", a="alice", b="bob"), bound("ax", "2", OTHER_X, a="alice"))
        assert answer(masks, ALICE[:-1] + b"?") == NOBODY
        assert answer(masks, ALICE[:8]) == NOBODY
        assert answer(masks, b"") == NOBODY
        assert answer(masks, ALICE[:8], x=OTHER_X)[2] == "ok"

    def test_a_member_of_two_groups(self) -> None:
        """Whoever is of two groups with bindings on one number reaches that of the group named first."""
        masks = table(bound("axg", "1", a="alice", group="desk"), bound("axg", "2", a="dave", group="shop"))
        masks.lines.set_groups({"shop": [BOB], "desk": [BOB, CAROL]})
        assert answer(masks, BOB) == (reaches("dave"), "", "ok")
        assert answer(masks, CAROL) == (reaches("alice"), "", "ok")

    @pytest.mark.parametrize("written", ["+861088880000", "861088880000", "010 8888-0000"])
    def test_numbers_in_any_form(self, written: str) -> None:
        """X may be written and called in any form."""
        masks = table(bound("axb", x=written, a="alice", b="bob"))
        assert answer(masks, ALICE) == answer(masks, ALICE, x=written) == (reaches("bob"), "", "ok")
        masks.add(bound("axb", x=written, a="alice", b="carol"))
        assert len(masks) == 1


class TestAnswer:
    """What an answer says besides who is reached."""

    def test_carries_the_policy(self) -> None:
        """The talk's bounds, recording, consent, what is shown, and what the binding is for."""
        policy = Policy(
            trunk="t", limit=600.0, warn=True, record=True, consent=True, shown_to_a="02188880000",
            shown_to_b="+8657188880000", city="北京", store="望京店",
        )  # fmt: skip
        masks = table(bound("axb", "id-1", a="alice", b="bob", policy=policy, label="Flat 3"))
        found = masks.resolve_call(X, ALICE, 0.0)
        agreed = found.policy
        assert (agreed.limit, agreed.warn, agreed.record, agreed.consent) == (600.0, True, True, True)
        assert (found.binding, found.label, agreed.city, agreed.store) == ("id-1", "Flat 3", "北京", "望京店")
        assert (found.direction, found.shown, found.target) == (
            "a_to_b",
            "057188880000",
            reaches("bob", "057188880000", "t"),
        )
        back = masks.resolve_call(X, BOB, 0.0)
        assert (back.direction, back.shown, back.target) == (
            "b_to_a",
            "02188880000",
            reaches("alice", "02188880000", "t"),
        )

    @pytest.mark.parametrize(
        ("binding", "now", "reason"),
        [
            (bound("axb", a="alice", b="bob", expires=50.0, label="L"), 49.9, "ok"),
            (bound("axb", a="alice", b="bob", expires=50.0, label="L"), 50.0, "expired"),
            (bound("axb", a="alice", b="bob", disabled=True, label="L"), 0.0, "disabled"),
            (bound("axb", a="alice", b="bob", policy=Policy(direction="b_to_a"), label="L"), 0.0, "direction"),
            (bound("axb", a="alice", b="bob", policy=Policy(idle=50.0), label="L"), 49.9, "ok"),
            (bound("axb", a="alice", b="bob", policy=Policy(idle=50.0), label="L"), 50.0, "expired"),
            (bound("axb", a="alice", b="bob", policy=Policy(callback=CallbackRule(9.0)), label="L"), 9.0, "exhausted"),
        ],
    )
    def test_failures_say_whose_they_are(self, binding: Binding, now: float, reason: str) -> None:
        """A call that does not get through names its binding, so that the next step can follow from it."""
        found = table(binding).resolve_call(X, ALICE, now)
        assert (found.reason, found.binding, found.label) == (reason, "1", "L")
        assert (found.target is None) == (reason != "ok")

    @pytest.mark.parametrize(
        ("direction", "a", "b"), [("both", "ok", "ok"), ("a_to_b", "ok", "direction"), ("b_to_a", "direction", "ok")]
    )
    @pytest.mark.parametrize("kind", ["axb", "axn", "axg"])
    def test_direction(self, kind: str, direction: str, a: str, b: str) -> None:
        """Only the ways that are open are gone."""
        policy = Policy(direction=direction)  # type: ignore[arg-type]
        binding = bound(
            kind,  # type: ignore[arg-type]
            a="alice",
            b="bob" if kind == "axb" else "",
            n="bob" if kind == "axn" else "",
            group="desk" if kind == "axg" else "",
            policy=policy,
        )
        masks = table(binding)
        masks.lines.set_groups({"desk": [BOB]})
        assert (answer(masks, ALICE)[2], answer(masks, BOB)[2]) == (a, b)

    def test_nothing_shows_a_number(self) -> None:
        """Neither parties nor what holds them print what they hold."""
        assert repr(party("alice")) == "Party(****)"
        assert "sealed" not in repr(bound("axb", a="alice", b="bob"))


class TestLife:
    """What becomes of a binding."""

    def test_unbinding(self) -> None:
        """The next call finds nothing, for either side, and the number is free for others."""
        masks = table(bound("axb", a="alice", b="bob"), bound("axb", "2", a="carol", b="dave"))
        assert masks.remove("1")
        assert not masks.remove("1")
        assert [answer(masks, one)[2] for one in (ALICE, BOB, CAROL)] == ["unbound", "unbound", "ok"]
        masks.add(bound("axb", "3", a="alice", b="eve"))
        assert masks.remove("2")
        assert masks.remove("3")
        masks.add(bound("ax", "4", a="alice"))
        assert len(masks) == 1

    @pytest.mark.parametrize(
        "binding",
        [
            bound("axb", a="alice", b="bob"),
            bound("axn", a="alice", n="bob"),
            bound("ax", a="alice"),
            bound("axg", a="alice", group="desk"),
            bound("axg", group="desk"),
        ],
    )
    def test_switched_off_and_on_and_extended(self, binding: Binding) -> None:
        """State and end change for every caller at once, each without the other."""
        masks = table(binding)
        masks.lines.set_groups({"desk": [BOB]})
        before = [answer(masks, one) for one in (ALICE, BOB)]
        assert masks.switch("1", disabled=True)
        assert masks.extend("1", 50.0)
        assert all(answer(masks, one, 60.0)[2] == "disabled" for one in (ALICE, BOB))
        assert masks.switch("1", disabled=False)
        assert all(answer(masks, one, 60.0)[2] == "expired" for one in (ALICE, BOB))
        assert masks.extend("1", None)
        assert [answer(masks, one) for one in (ALICE, BOB)] == before
        assert masks.get("1") == binding

    def test_only_bindings_are_changed(self) -> None:
        """What is not bound is answered with False."""
        masks = MaskTable()
        assert not masks.remove("1")
        assert not masks.switch("1", disabled=True)
        assert not masks.extend("1", 1.0)
        assert not masks.touch("1", 1.0)
        assert masks.get("1") is None

    def test_idle_time_begins_anew_with_each_call(self) -> None:
        """A binding in use lives on; its absolute end stays."""
        masks = table(bound("axb", a="alice", b="bob", policy=Policy(idle=50.0), created=100.0, expires=230.0))
        assert answer(masks, ALICE, 149.0)[2] == "ok"
        assert masks.touch("1", 149.0, "a_to_b")
        assert answer(masks, BOB, 198.0)[2] == "ok"
        assert answer(masks, BOB, 199.0)[2] == "expired"
        masks.touch("1", 198.0, "b_to_a")
        assert answer(masks, ALICE, 229.0)[2] == "ok"
        assert answer(masks, ALICE, 230.0)[2] == "expired"
        shown = masks.get("1")
        assert shown is not None
        assert (shown.used_us, shown.idle_us, shown.state(229_000_000)) == (198_000_000, 248_000_000, "active")
        assert shown.state(231_000_000) == "expired"

    def test_the_latest_caller_is_called_back(self) -> None:
        """AXN with `latest`: A reaches whoever called last; A's own calls change nothing."""
        masks = table(bound("axn", a="alice", policy=Policy(trunk="carrier", latest=True)))
        assert answer(masks, ALICE) == NOBODY
        masks.touch("1", 1.0, "b_to_a", party("bob"))
        assert answer(masks, ALICE) == (reaches("bob"), "", "ok")
        masks.touch("1", 2.0, "b_to_a", party("carol"))
        masks.touch("1", 3.0, "a_to_b", party("alice"))
        masks.touch("1", 4.0, "b_to_a")
        assert answer(masks, ALICE) == (reaches("carol"), "", "ok")

    def test_a_fixed_n_stays(self) -> None:
        """Without `latest` nobody takes N's place."""
        masks = table(bound("axn", a="alice", n="bob"))
        masks.touch("1", 1.0, "b_to_a", party("carol"))
        assert answer(masks, ALICE) == (reaches("bob"), "", "ok")

    def test_binding_again_by_the_same_id(self) -> None:
        """A binding takes the place of the one with its id, on this number or another."""
        masks = table(bound("axb", a="alice", b="bob"))
        masks.add(bound("axb", a="alice", b="carol"))
        assert answer(masks, ALICE) == (reaches("carol"), "", "ok")
        assert answer(masks, BOB) == NOBODY
        masks.add(bound("ax", a="dave"))
        assert answer(masks, BOB) == (reaches("dave"), "", "ok")
        masks.add(bound("axb", x=OTHER_X, a="alice", b="bob"))
        assert answer(masks, BOB) == NOBODY
        assert (len(masks), masks.numbers()) == (1, (OTHER_X,))

    def test_what_bindings_share_goes_with_the_last_of_them(self) -> None:
        """Terms are kept once, and no longer than they are used."""
        masks = table(*(bound("axb", str(n), a=f"a{n}", b=f"b{n}") for n in range(3)))
        for n in range(500):
            masks.add(bound("axb", "x", a="alice", b="bob", policy=Policy(limit=float(n))))
        assert len(masks.lines._terms.items) <= 3
        masks.switch("0", disabled=True)
        for name in ("0", "1", "2", "x"):
            masks.remove(name)
        assert not masks.lines._terms._places


class TestCallbacks:
    """An agent's calls to a customer."""

    RULE = Policy(trunk="carrier", callback=CallbackRule(window=60.0, times=2))

    def test_window_and_count(self) -> None:
        """The agent may call twice within a minute of the customer's call; the customer as he likes."""
        masks = table(bound("axb", a="agent", b="bob", policy=self.RULE, created=100.0))
        agent = fingerprint("agent")
        assert answer(masks, agent, 159.0)[2] == "ok"
        assert answer(masks, agent, 160.0)[2] == "exhausted"
        assert answer(masks, BOB, 1000.0)[2] == "ok"
        masks.touch("1", 1000.0, "b_to_a")
        for now in (1001.0, 1002.0):
            assert answer(masks, agent, now)[2] == "ok"
            masks.touch("1", now, "a_to_b")
        assert answer(masks, agent, 1003.0)[2] == "exhausted"
        masks.touch("1", 1010.0, "b_to_a")
        assert answer(masks, agent, 1069.0)[2] == "ok"
        assert answer(masks, agent, 1070.0)[2] == "exhausted"

    @pytest.mark.parametrize(
        ("binding", "agent"),
        [
            (bound("axb", a="agent", b="bob"), "agent"),
            (bound("axn", a="agent", n="bob"), "agent"),
            (bound("axg", a="bob", group="desk"), "agent"),
        ],
    )
    def test_the_customer_can_refuse(self, binding: Binding, agent: str) -> None:
        """Whoever wants no calls gets none, by whichever kind; his own calls go through."""
        masks = table(binding)
        masks.lines.set_groups({"desk": [fingerprint("agent")]})
        assert answer(masks, fingerprint(agent))[2] == "ok"
        masks.lines.callbacks.refuse(BOB)
        assert answer(masks, fingerprint(agent)) == (None, "", "refused")
        assert answer(masks, BOB)[2] == "ok"
        masks.lines.callbacks.accept(BOB)
        assert answer(masks, fingerprint(agent))[2] == "ok"

    def test_axg_counts_the_calls_of_the_group(self) -> None:
        """Behind a group the customer is A."""
        masks = table(bound("axg", a="bob", group="desk", policy=self.RULE, created=0.0))
        masks.lines.set_groups({"desk": [ALICE, CAROL]})
        for caller in (ALICE, CAROL):
            assert answer(masks, caller, 1.0)[2] == "ok"
            masks.touch("1", 1.0, "b_to_a")
        assert answer(masks, ALICE, 1.0)[2] == "exhausted"
        masks.touch("1", 2.0, "a_to_b")
        assert answer(masks, ALICE, 2.0)[2] == "ok"

    def test_a_window_goes_on_where_it_was(self) -> None:
        """A binding that comes from the store with a window has used it up as far as that says."""
        kept = {"window_us": 150_000_000, "window_times": 1}
        masks = MaskTable()
        masks.add(structs.replace(bound("axb", a="agent", b="bob", policy=self.RULE, created=100.0), **kept))
        agent = fingerprint("agent")
        assert answer(masks, agent, 209.0)[2] == "ok"
        assert answer(masks, agent, 210.0)[2] == "exhausted"
        masks.touch("1", 200.0, "a_to_b")
        assert answer(masks, agent, 201.0)[2] == "exhausted"
        assert masks.lines.callbacks.history("1") == (150.0, 2)

    def test_unbinding_forgets_the_window(self) -> None:
        """A binding made anew with that id begins anew."""
        masks = table(bound("axb", a="agent", b="bob", policy=self.RULE))
        masks.touch("1", 1.0, "a_to_b")
        history = masks.lines.callbacks.history("1")
        assert history is not None
        assert history.times == 1
        masks.remove("1")
        assert masks.lines.callbacks.history("1") is None


FAULTS: list[tuple[Binding, str]] = [
    (bound("axb", a="alice"), "b is missing"),
    (bound("axb", b="bob"), "a is missing"),
    (bound("axb", a="alice", b="alice"), "the same number"),
    (bound("axb", a="alice", b="bob", n="carol"), "n to axn"),
    (bound("axb", a="alice", b="bob", group="desk"), "a group belongs to axg"),
    (bound("axb", "", a="alice", b="bob"), "the id has"),
    (bound("axb", "1,2", a="alice", b="bob"), "no comma"),
    (bound("axb", "1" * 65, a="alice", b="bob"), "the id has"),
    (bound("axb", x="", a="alice", b="bob"), "an X number is needed"),
    (bound("axn", a="alice", b="bob"), "b belongs to axb"),
    (bound("axn"), "a is missing"),
    (bound("axn", a="alice", n="alice"), "the same number"),
    (bound("ax"), "a is missing"),
    (bound("ax", a="alice", n="bob"), "n to axn"),
    (bound("ax", a="alice", policy=Policy(latest=True)), "only axn"),
    (bound("ax", a="alice", label="x" * 257), "label is longer"),
    (bound("axg"), "a group belongs to axg"),
    (bound("axg", a="alice", b="bob", group="desk"), "b belongs to axb"),
    (structs.replace(bound("ax", a="alice"), target=AorTarget("alice")), "without a number"),
    (structs.replace(bound("axb", a="alice", b="bob"), target=AorTarget("alice")), "only ax and axn"),
    (structs.replace(bound("ax"), target=reaches("alice")), "only ax and axn"),
    (structs.replace(bound("axn", n="bob"), target=AorTarget("alice")), "without a number"),
    (structs.replace(bound("ax", a="alice"), extension="1"), "no extension"),
    (structs.replace(bound("ax"), a=Party(Sealed(b"x"), b"short")), "as a vault makes them"),
    (structs.replace(bound("ax"), a=Party(Sealed(b""), ALICE)), "as a vault makes them"),
    (structs.replace(bound("ax"), a=Party(Sealed(b"x"), bytes(16))), "as a vault makes them"),
]


class TestRefused:
    """What cannot be bound."""

    @pytest.mark.parametrize(("binding", "reason"), FAULTS)
    def test_makes_no_sense(self, binding: Binding, reason: str) -> None:
        """A binding that lacks or has what its kind does not is refused, and nothing changes."""
        masks = MaskTable()
        with pytest.raises(BindingError, match=reason):
            masks.add(binding)
        assert len(masks) == 0

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            (bound("axb", a="alice", b="bob"), bound("axb", "2", a="carol", b="alice")),
            (bound("axb", a="alice", b="bob"), bound("axb", "2", a="alice", b="bob")),
            (bound("axb", a="alice", b="bob"), bound("axg", "2", a="bob", group="desk")),
            (bound("axg", a="alice", group="desk"), bound("axg", "2", a="bob", group="desk")),
            *product(
                (bound("ax", a="alice"), bound("axn", a="alice"), bound("axg", group="desk")),
                (
                    bound("ax", "2", a="bob"),
                    bound("axb", "2", a="carol", b="dave"),
                    bound("axg", "2", a="bob", group="shop"),
                    bound("axg", "2", group="shop"),
                ),
            ),
            *product(
                (bound("axb", a="carol", b="dave"), bound("axg", a="dave", group="desk")),
                (bound("ax", "2", a="alice"), bound("axn", "2", a="alice"), bound("axg", "2", group="shop")),
            ),
        ],
    )
    def test_is_taken(self, first: Binding, second: Binding) -> None:
        """Nobody is in two bindings of a number, an owner shares his with nobody; the error names the other."""
        masks = table(first)
        with pytest.raises(TakenError) as caught:
            masks.add(second)
        assert caught.value.other == "1"
        assert masks.get("2") is None
        assert masks.get("1") == first

    def test_a_refused_binding_leaves_the_one_it_was_for(self) -> None:
        """When a binding cannot be replaced, it stays as it was."""
        masks = table(bound("axb", "1", a="alice", b="bob"), bound("axb", "2", a="carol", b="dave"))
        with pytest.raises(TakenError):
            masks.add(bound("axb", "1", a="alice", b="carol"))
        with pytest.raises(TakenError):
            masks.add(bound("ax", "1", a="alice"))
        assert answer(masks, ALICE) == (reaches("bob"), "", "ok")

    @pytest.mark.parametrize(
        ("binding", "shows"),
        [
            (bound("ax", x="4008001234", a="alice"), "say which other"),
            (bound("ax", x="4008001234", a="alice", policy=Policy(shown_to_b=X)), "say which other"),
            (bound("axb", a="alice", b="bob", policy=Policy(shown_to_b="400 800 1234")), "cannot be shown"),
            (bound("axb", a="alice", b="bob", policy=Policy(shown_to_a="+8695588")), "cannot be shown"),
            (bound("axn", x="95588", a="alice", n="bob", policy=Policy(shown_to_a=X)), "say which other"),
        ],
    )
    def test_shows_a_service_number(self, binding: Binding, shows: str) -> None:
        """What would show a 400 or 95 number as its caller is refused when it is bound."""
        with pytest.raises(ShownError, match=shows):
            MaskTable().add(binding)

    @pytest.mark.parametrize(
        "binding",
        [
            bound("ax", x="4008001234", a="alice", policy=Policy(shown_to_a=X)),
            bound("axn", x="4008001234", a="alice", policy=Policy(shown_to_a=X)),
            bound("axb", x="4008001234", a="alice", b="bob", policy=Policy(shown_to_b=X, direction="a_to_b")),
        ],
    )
    def test_a_service_number_may_be_called(self, binding: Binding) -> None:
        """As X it is fine, where its calls show another number."""
        caller = ALICE if binding.kind == "axb" else CAROL
        assert table(binding).resolve_call("4008001234", caller, 0.0).shown == X


class TestReload:
    """A new table beside the old one."""

    def test_compare_counts_by_id(self) -> None:
        """What is added, removed and changed is counted, calls in between are no change."""
        idle = Policy(idle=50.0)
        old = table(*(bound("axb", str(n), a=f"a{n}", b=f"b{n}", policy=idle) for n in range(5)))
        new = table(*(bound("axb", str(n), a=f"a{n}", b=f"b{n}", policy=idle) for n in range(2, 7)))
        new.extend("2", 9.0)
        old.touch("3", 40.0)
        assert old.compare(new) == Difference(added=2, removed=2, changed=1)
        assert old.compare(old) == Difference(0, 0, 0)

    def test_swap_keeps_what_calls_did(self) -> None:
        """Idle time, the latest caller and windows go on, for bindings that are still there."""
        policy = Policy(trunk="carrier", idle=50.0, latest=True, callback=CallbackRule(times=1))
        old, new = table(bound("axn", a="alice", policy=policy)), table(bound("axn", a="alice", policy=policy))
        gone = bound("axn", "2", OTHER_X, a="bob", policy=policy)
        old.add(gone)
        old.touch("1", 40.0, "b_to_a", party("carol"))
        old.touch("2", 40.0, "b_to_a", party("carol"))
        old.lines.callbacks.refuse(DAVE)
        assert old.compare(new) == Difference(0, 1, 0)
        old.swap(new)
        assert answer(old, ALICE, 89.0) == (reaches("carol"), "", "ok")
        assert answer(old, ALICE, 90.0)[2] == "expired"
        assert old.get("2") is None
        old.touch("1", 80.0, "a_to_b")
        assert answer(old, ALICE, 81.0)[2] == "exhausted"
        assert old.lines.callbacks.refuses(DAVE, ALICE, 0.0)

    def test_swap_does_not_make_another_owners_caller_the_latest(self) -> None:
        """When X went to somebody else, whoever called the former owner is not his to call."""
        policy = Policy(trunk="carrier", latest=True)
        old, new = table(bound("axn", a="alice", policy=policy)), table(bound("axn", a="dave", policy=policy))
        old.touch("1", 1.0, "b_to_a", party("carol"))
        old.swap(new)
        assert answer(old, DAVE) == NOBODY

    def test_a_table_is_given_back_bit_by_bit(self) -> None:
        """Between two rests no more goes than takes a moment."""
        masks = table(*(bound("axb", str(n), a=f"a{n}", b=f"b{n}") for n in range(DROPPED_AT_ONCE + 1)))
        rests: list[int] = []
        masks.dissolve(lambda: rests.append(len(masks)))
        assert rests[-2:] == [1, 0]
        assert answer(masks, fingerprint("a1")) == NOBODY


def test_a_target_of_number_kind_keeps_trunk_and_number_shown() -> None:
    """What the trunk needs is in the target."""
    found = table(bound("axb", a="alice", b="bob", policy=TRUNK)).resolve_call(X, ALICE, 0.0)
    assert found.target == NumberTarget(party("bob").sealed, "carrier", X)
