"""The table of masked numbers: what a look-up answers in every state of a binding."""

from __future__ import annotations

import pytest

from routing.masks import AorTarget, Difference, MaskTable, NumberTarget, Sealed, SipTarget, Target
from routing.masks.lines import DROPPED_AT_ONCE
from routing.masks.table import check_extension

NUMBER = "4008001234"
DESK = SipTarget("sip:desk@127.0.0.1")
HIDDEN = NumberTarget(Sealed(b"sealed"), "carrier", "01088880000")


def answer(table: MaskTable, extension: str, now: float = 100.0) -> tuple[Target | None, str]:
    """A look-up as a tuple."""
    found = table.resolve(NUMBER, extension, now)
    return found.target, found.reason


@pytest.mark.parametrize(
    ("bound", "dialled", "expected"),
    [
        (DESK, "1", DESK),
        (HIDDEN, "345678", HIDDEN),
        (SipTarget("sip:100001@127.0.0.1"), "100001", SipTarget("sip:100001@127.0.0.1")),
        (SipTarget("sip:{extension}@127.0.0.1"), "100001", SipTarget("sip:100001@127.0.0.1")),
        (SipTarget("sip:11@11.0.0.11"), "11", SipTarget("sip:11@11.0.0.11")),
        (AorTarget("alice"), "800001", AorTarget("alice")),
        (AorTarget("agent-000123"), "000123", AorTarget("agent-000123")),
    ],
)
def test_gives_back_what_was_bound(bound: Target, dialled: str, expected: Target) -> None:
    """Every kind of target comes back whole, also those that are kept as a pattern."""
    table = MaskTable()
    table.bind(NUMBER, dialled, bound)
    assert answer(table, dialled) == (expected, "ok")
    assert table.bound(NUMBER, dialled) == expected


def test_patterns_are_shared() -> None:
    """Targets that differ only by the extension are one object inside."""
    table = MaskTable()
    for extension in ("100001", "100002", "100003"):
        table.bind(NUMBER, extension, SipTarget(f"sip:{extension}@127.0.0.1"))
    assert len(table._patterns) == 1
    assert answer(table, "100002") == (SipTarget("sip:100002@127.0.0.1"), "ok")


@pytest.mark.parametrize(("number", "extension"), [("4009999999", "1"), (NUMBER, "2"), (NUMBER, "01"), (NUMBER, "")])
def test_unbound(number: str, extension: str) -> None:
    """Another number or extension is unbound, and leading zeros count."""
    table = MaskTable()
    table.bind(NUMBER, "1", DESK)
    found = table.resolve(number, extension, 0.0)
    assert (found.target, found.reason) == (None, "unbound")
    assert table.bound(number, extension) is None


@pytest.mark.parametrize(("now", "reason"), [(99.9, "ok"), (100.0, "expired"), (1e9, "expired")])
def test_expires_at_its_second(now: float, reason: str) -> None:
    """A binding ends exactly at its expiry."""
    table = MaskTable()
    table.bind(NUMBER, "1", DESK, expires=100.0)
    assert answer(table, "1", now) == (DESK if reason == "ok" else None, reason)


def test_expiry_can_be_set_and_lifted() -> None:
    """expire() changes the end of a binding, None takes it away."""
    table = MaskTable()
    table.bind(NUMBER, "1", DESK)
    assert table.expire(NUMBER, "1", 50.0)
    assert answer(table, "1", 51.0) == (None, "expired")
    assert table.expire(NUMBER, "1", None)
    assert answer(table, "1", 51.0) == (DESK, "ok")


def test_disabling_and_expiry_are_kept_apart() -> None:
    """Switching a binding on again does not forget that it expires."""
    table = MaskTable()
    table.bind(NUMBER, "1", DESK, expires=50.0)
    assert table.disable(NUMBER, "1")
    assert answer(table, "1", 10.0) == (None, "disabled")
    assert answer(table, "1", 60.0) == (None, "disabled")
    assert table.disable(NUMBER, "1", disabled=False)
    assert answer(table, "1", 10.0) == (DESK, "ok")
    assert answer(table, "1", 60.0) == (None, "expired")


def test_bound_shows_disabled_and_expired_ones() -> None:
    """For showing, the target of a binding that is off is still known."""
    table = MaskTable()
    table.bind(NUMBER, "100001", SipTarget("sip:100001@127.0.0.1"), disabled=True, expires=1.0)
    assert table.bound(NUMBER, "100001") == SipTarget("sip:100001@127.0.0.1")


def test_unbinding() -> None:
    """An unbound extension is gone at once, and unbinding it again says so."""
    table = MaskTable()
    table.bind(NUMBER, "1", DESK)
    assert table.unbind(NUMBER, "1")
    assert answer(table, "1") == (None, "unbound")
    assert not table.unbind(NUMBER, "1")
    assert not table.unbind("4009999999", "1")
    assert len(table) == 0


def test_quarantine_ends_by_itself() -> None:
    """A freed extension is in quarantine for its time, then unbound; binding it anew ends that too."""
    table = MaskTable()
    table.bind(NUMBER, "1", DESK)
    assert table.unbind(NUMBER, "1", quarantine_until=100.0)
    assert answer(table, "1", 99.0) == (None, "quarantine")
    assert answer(table, "1", 100.0) == (None, "unbound")
    assert table.bound(NUMBER, "1") is None
    assert len(table) == 0
    assert not table.disable(NUMBER, "1")
    table.bind(NUMBER, "1", HIDDEN)
    assert answer(table, "1", 99.0) == (HIDDEN, "ok")


@pytest.mark.parametrize(("number", "extension"), [("4009999999", "1"), (NUMBER, "2")])
def test_only_bindings_are_changed(number: str, extension: str) -> None:
    """Disabling or expiring what is not bound is answered with False."""
    table = MaskTable()
    table.bind(NUMBER, "1", DESK)
    assert not table.disable(number, extension)
    assert not table.expire(number, extension, 1.0)


class TestSpans:
    """Ranges of extensions."""

    @pytest.mark.parametrize(
        ("dialled", "inside"),
        [
            ("100000", True),
            ("299999", True),
            ("223344", True),
            ("099999", False),
            ("300000", False),
            ("22334", False),
            ("2233445", False),
            ("22334a", False),
            ("2２3344", False),
            ("", False),
        ],
    )
    def test_covers_extensions_of_its_width(self, dialled: str, inside: bool) -> None:
        """A range covers plain digits of the same length from first to last."""
        table = MaskTable()
        table.bind_span(NUMBER, "100000", "299999", SipTarget("sip:{extension}@127.0.0.1:5190"))
        expected = (SipTarget(f"sip:{dialled}@127.0.0.1:5190"), "ok") if inside else (None, "unbound")
        assert answer(table, dialled) == expected

    def test_fixed_target(self) -> None:
        """Without {extension} all of a range lead to one place."""
        table = MaskTable()
        table.bind_span(NUMBER, "10", "19", HIDDEN)
        table.bind_span(NUMBER, "20", "29", AorTarget("desk-{extension}"))
        assert answer(table, "15") == (HIDDEN, "ok")
        assert answer(table, "25") == (AorTarget("desk-25"), "ok")

    def test_a_single_binding_wins(self) -> None:
        """An extension bound by itself is an exception to the range."""
        table = MaskTable()
        table.bind_span(NUMBER, "10", "19", DESK)
        table.bind(NUMBER, "15", HIDDEN)
        assert answer(table, "15") == (HIDDEN, "ok")
        assert len(table) == 10

    def test_members_can_be_switched_off_and_unbound(self) -> None:
        """One extension of a range can be disabled or taken out."""
        table = MaskTable()
        table.bind_span(NUMBER, "10", "19", SipTarget("sip:{extension}@h"))
        assert table.disable(NUMBER, "12")
        assert table.unbind(NUMBER, "13")
        assert answer(table, "12") == (None, "disabled")
        assert answer(table, "13") == (None, "unbound")
        assert not table.unbind(NUMBER, "13")
        assert len(table) == 9
        assert table.disable(NUMBER, "12", disabled=False)
        assert answer(table, "12") == (SipTarget("sip:12@h"), "ok")

    @pytest.mark.parametrize(("first", "last"), [("20", "10"), ("1", "10"), ("", "9"), ("1", "1234567")])
    def test_refuses_what_is_no_range(self, first: str, last: str) -> None:
        """Lengths must agree and the first come first."""
        with pytest.raises(ValueError, match=r"range|digits"):
            MaskTable().bind_span(NUMBER, first, last, DESK)

    def test_refuses_overlaps(self) -> None:
        """Two ranges of one number must not share an extension; another width or number is another matter."""
        table = MaskTable()
        table.bind_span(NUMBER, "10", "19", DESK)
        with pytest.raises(ValueError, match="overlap 10-19"):
            table.bind_span(NUMBER, "19", "29", DESK)
        table.bind_span(NUMBER, "010", "019", DESK)
        table.bind_span("4009999999", "19", "29", DESK)
        assert len(table) == 10 + 10 + 11


@pytest.mark.parametrize("extension", ["", "1234567", "12a", "１２", "-1", "1 2"])
def test_refuses_wrong_extensions(extension: str) -> None:
    """An extension is one to six plain digits."""
    with pytest.raises(ValueError, match="one to six digits"):
        check_extension(extension)
    with pytest.raises(ValueError, match="one to six digits"):
        MaskTable().bind(NUMBER, extension, DESK)


class TestReload:
    """A new table beside the old one."""

    def test_swap_changes_all_at_once(self) -> None:
        """After a swap the table answers as the new one did."""
        table, new = MaskTable(), MaskTable()
        table.bind(NUMBER, "1", DESK)
        new.bind("4009999999", "2", HIDDEN)
        table.swap(new)
        assert answer(table, "1") == (None, "unbound")
        assert table.resolve("4009999999", "2", 0.0).target == HIDDEN
        assert table.numbers() == ("4009999999",)

    def test_compare_counts(self) -> None:
        """What is added, removed and changed is counted; traces of gone bindings are not bindings."""
        old, new = MaskTable(), MaskTable()
        for table, extensions in ((old, "12345"), (new, "23456")):
            for extension in extensions:
                table.bind(NUMBER, extension, DESK)
        new.bind(NUMBER, "2", HIDDEN)
        new.disable(NUMBER, "3")
        old.unbind(NUMBER, "4", quarantine_until=1.0)
        old.bind("4009999999", "1", DESK)
        assert old.compare(new) == Difference(added=2, removed=2, changed=2)
        assert old.compare(old) == Difference(0, 0, 0)

    def test_compare_counts_members_of_ranges(self) -> None:
        """A range that moves is counted extension by extension, an unchanged one not at all."""
        old, new, same = MaskTable(), MaskTable(), MaskTable()
        old.bind_span(NUMBER, "010", "019", DESK)
        new.bind_span(NUMBER, "015", "024", DESK)
        same.bind_span(NUMBER, "010", "019", DESK)
        same.bind(NUMBER, "500", DESK)
        assert old.compare(new) == Difference(added=5, removed=5, changed=0)
        assert old.compare(same) == Difference(added=1, removed=0, changed=0)

    def test_a_table_is_given_back_bit_by_bit(self) -> None:
        """Between two rests no more goes than takes a moment."""
        table = MaskTable()
        for extension in range(2 * DROPPED_AT_ONCE + 1):
            table.bind(NUMBER, str(extension), DESK)
        left: list[int] = []
        table.dissolve(lambda: left.append(len(table._numbers[NUMBER].exact)))
        assert left == [DROPPED_AT_ONCE + 1, 1, 0]
        assert len(table) == 0


def test_what_is_bound_is_counted_once() -> None:
    """Whichever came first, a range or an extension within it, and whatever became of either."""
    table = MaskTable()
    table.bind(NUMBER, "015", HIDDEN)
    table.bind(NUMBER, "016", HIDDEN)
    table.unbind(NUMBER, "016", quarantine_until=1.0)
    assert len(table) == 1
    table.bind_span(NUMBER, "010", "019", DESK)
    assert len(table) == 9
    table.bind(NUMBER, "016", DESK)
    table.bind(NUMBER, "017", DESK)
    table.bind(NUMBER, "200", DESK)
    assert len(table) == 11
    table.disable(NUMBER, "012")
    table.expire(NUMBER, "013", 5.0)
    assert len(table) == 11
    table.unbind(NUMBER, "017")
    table.unbind(NUMBER, "200")
    assert len(table) == 9
