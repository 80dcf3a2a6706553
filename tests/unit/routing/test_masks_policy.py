"""Policies of extensions: their bounds, and how little they cost where there are none."""

from __future__ import annotations

import pytest

from routing.masks import AorTarget, Binding, Difference, MaskTable, NumberTarget, Policy, Sealed, SipTarget

NUMBER = "4008001234"
DESK = SipTarget("sip:{extension}@127.0.0.1")
HIDDEN = NumberTarget(Sealed(b"sealed"), "carrier", "01088880000")
RULES = Policy(limit=60.0, warn=True, record=True, consent=True, idle=50.0, city="北京", store="望京店")


def binding(extension: str = "1", **more: object) -> Binding:
    """The binding of an extension."""
    return Binding(number=NUMBER, extension=extension, **{"target": HIDDEN, **more})  # type: ignore[arg-type]


def test_answers_carry_the_policy() -> None:
    """An extension has all that an X number's binding has."""
    table = MaskTable()
    table.add(binding(policy=RULES, label="Flat 3"))
    found = table.resolve(NUMBER, "1", 0.0)
    assert (found.target, found.reason, found.shown) == (HIDDEN, "ok", "01088880000")
    agreed = found.policy
    assert (agreed.limit, agreed.warn, agreed.record, agreed.consent) == (60.0, True, True, True)
    assert (found.binding, found.label, found.direction) == (f"{NUMBER},1", "Flat 3", "b_to_a")
    assert (agreed.city, agreed.store) == ("北京", "望京店")


def test_a_plain_one_costs_nothing_more() -> None:
    """Without policy, label, end and state a binding is what it leads to, and says so much."""
    table = MaskTable()
    table.add(binding(target=AorTarget("agent-1")))
    assert type(table._numbers[NUMBER].exact["1"]).__name__ == "Pattern"
    found = table.resolve(NUMBER, "1", 0.0)
    assert (found.binding, found.direction, found.policy, found.label) == (f"{NUMBER},1", "b_to_a", Policy(), "")
    table.add(binding(policy=Policy()))
    assert table._numbers[NUMBER].exact["1"] == HIDDEN


def test_policies_are_shared() -> None:
    """Equal policies are one object inside."""
    table = MaskTable()
    for extension in ("1", "2"):
        table.add(binding(extension, policy=Policy(limit=60.0, city="".join(["北", "京"]))))
    one, other = (table._numbers[NUMBER].exact[key] for key in ("1", "2"))
    assert one.policy is other.policy  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("more", "now", "reason"),
    [
        ({"policy": RULES}, 49.9, "ok"),
        ({"policy": RULES}, 50.0, "expired"),
        ({"policy": RULES, "created_us": 10_000_000}, 59.9, "ok"),
        ({"policy": RULES, "used_us": 90_000_000}, 139.0, "ok"),
        ({"expires_us": 5_000_000, "policy": RULES}, 5.0, "expired"),
        ({"disabled": True, "policy": RULES}, 0.0, "disabled"),
        ({"policy": Policy(direction="a_to_b")}, 0.0, "direction"),
        ({"policy": Policy(direction="b_to_a")}, 0.0, "ok"),
    ],
)
def test_reasons(more: dict[str, object], now: float, reason: str) -> None:
    """Why a call does not get through, and of which binding."""
    table = MaskTable()
    table.add(binding(label="L", **more))  # type: ignore[arg-type]
    found = table.resolve(NUMBER, "1", now)
    assert (found.reason, found.binding, found.label) == (reason, f"{NUMBER},1", "L")


def test_idle_time_begins_anew_with_each_call() -> None:
    """A used extension lives on; a plain one has no idle time."""
    table = MaskTable()
    table.add(binding(policy=RULES))
    table.add(binding("2"))
    assert table.touch(f"{NUMBER},1", 40.0)
    assert table.touch(f"{NUMBER},2", 40.0)
    assert not table.touch(f"{NUMBER},3", 40.0)
    assert not table.touch("4009999999,3", 40.0)
    assert table.resolve(NUMBER, "1", 89.0).reason == "ok"
    assert table.resolve(NUMBER, "1", 90.0).reason == "expired"
    assert table.resolve(NUMBER, "2", 90.0).reason == "ok"


def test_a_reload_keeps_what_calls_did() -> None:
    """A call that came while the new table was read counts in it; what changed is kept."""
    old, new = MaskTable(), MaskTable()
    for table in (old, new):
        table.add(binding(policy=RULES))
        table.add(binding("2", policy=RULES))
        table.add(binding("3", policy=RULES))
    old.touch(f"{NUMBER},1", 40.0)
    old.touch(f"{NUMBER},2", 40.0)
    old.touch(f"{NUMBER},3", 40.0)
    new.add(binding("2", policy=RULES, used_us=45_000_000))
    new.unbind(NUMBER, "3")
    assert old.compare(new) == Difference(0, 1, 0)
    old.swap(new)
    assert [old.resolve(NUMBER, key, 89.9).reason for key in "123"] == ["ok", "ok", "unbound"]
    assert [old.resolve(NUMBER, key, 90.0).reason for key in "123"] == ["expired", "ok", "unbound"]
    assert old.resolve(NUMBER, "2", 95.0).reason == "expired"


def test_shown_and_trunk_of_the_policy() -> None:
    """What a policy shows goes before the target's own; its trunk fills in where the target has none."""
    table = MaskTable()
    policy = Policy(shown_to_a="02188880000", trunk="other")
    table.add(binding(policy=policy))
    table.add(binding("2", target=NumberTarget(Sealed(b"s"), "", "01088880000"), policy=policy))
    table.add(binding("3", target=DESK, policy=policy))
    assert table.resolve(NUMBER, "1", 0.0).target == NumberTarget(Sealed(b"sealed"), "carrier", "02188880000")
    assert table.resolve(NUMBER, "2", 0.0).target == NumberTarget(Sealed(b"s"), "other", "02188880000")
    assert table.resolve(NUMBER, "3", 0.0).shown == "02188880000"


def test_all_kinds_by_id() -> None:
    """One set of operations takes extensions and X numbers."""
    table = MaskTable()
    table.add(binding())
    table.add(Binding(id="x", kind="ax", number="01088880000", target=AorTarget("alice")))
    assert len(table) == 2
    for key in (f"{NUMBER},1", "x"):
        found = table.get(key)
        assert found is not None
        assert found.key == key
        assert table.switch(key, disabled=True)
        assert table.extend(key, 5.0)
        changed = table.get(key)
        assert changed is not None
        assert (changed.disabled, changed.expires_us) == (True, 5_000_000)
        assert table.remove(key)
        assert table.get(key) is None
    assert not table.remove("4009999999,1")
    assert table.get("4009999999,1") is None


def test_quarantine_is_for_extensions() -> None:
    """By id, too, an extension that was given back says so for a while."""
    table = MaskTable()
    table.add(binding())
    assert table.remove(f"{NUMBER},1", quarantine_until=100.0)
    assert table.resolve(NUMBER, "1", 99.0).reason == "quarantine"
    assert table.resolve(NUMBER, "1", 100.0).reason == "unbound"


def test_an_extension_needs_a_target() -> None:
    """A binding that leads nowhere is refused."""
    with pytest.raises(ValueError, match="needs a target"):
        MaskTable().add(Binding(number=NUMBER, extension="1"))


@pytest.mark.parametrize("written", ["400-800-1234", "+864008001234", "4008001234"])
def test_numbers_in_any_form(written: str) -> None:
    """The main number may be written in any form when it is bound and looked up."""
    table = MaskTable()
    table.bind(written, "1", HIDDEN)
    assert table.numbers() == (NUMBER,)
    assert table.resolve(written, "1", 0.0).target == HIDDEN
