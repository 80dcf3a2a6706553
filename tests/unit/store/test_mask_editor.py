"""Changes of stored bindings: whole or not at all, idempotent, and each in the log."""

from __future__ import annotations

import pytest

from routing.masks import CallbackRule, MaskTable, Policy, RealNumber
from switchboard.store.database import Database
from switchboard.store.mask_editor import ExistingBindingsError, MaskEditor, RowError
from switchboard.store.mask_log import Change, changes, note
from switchboard.store.mask_rows import MaskRow, binding_of, is_same, policy_of, policy_text
from switchboard.store.masks import MaskFilter, MaskRepository, apply_changes, read_changes
from tests.support.masks import fixed_vault, line_row, number_row, open_row

VAULT = fixed_vault()
X, Y = "01088880001", "01088880002"
ANN, BOB, CAT, DAN = "13900001111", "13900002222", "13900003333", "13900004444"
TRUNK = policy_text(Policy(trunk="carrier"))


def pair(name: str, number: str, a: str, b: str, **changes: object):  # type: ignore[no-untyped-def]
    """A pair of two numbers."""
    return line_row(VAULT, name, "axb", number, a, b, policy=TRUNK, **changes)


def printed(number: str) -> bytes:
    """The fingerprint of a number."""
    return VAULT.fingerprint(RealNumber(number))


def log(database: Database, **options: str) -> list[tuple[str, str, str]]:
    """Who did what to which binding, newest first."""
    return [(change.who, change.action, change.binding) for change in changes(database, limit=100, **options)]


@pytest.fixture
def editor(database: Database) -> MaskEditor:
    """Changes made by ann."""
    return MaskEditor(database, "ann")


class TestStoring:
    """Binding one or many."""

    def test_the_same_again_changes_nothing(self, editor: MaskEditor, database: Database) -> None:
        """Sealing gives other bytes each time, yet the same binding is left alone and not logged again."""
        policy = policy_text(Policy(limit=600.0, warn=True, callback=CallbackRule(60.0, 2)))
        for updated_us in (1, 9):
            rows = [
                number_row(VAULT, "1", ANN, updated_us=updated_us)._replace(policy=policy),
                pair("p1", X, ANN, BOB)._replace(updated_us=updated_us),
                open_row("2", "aor", "alice", updated_us=updated_us),
            ]
            done = editor.store(rows)
            assert done == ((3, 0, 0) if updated_us == 1 else (0, 0, 3))
        assert len(log(database)) == 3
        assert {row.updated_us for row in MaskRepository(database).search(MaskFilter(), 10)} == {1}

    @pytest.mark.parametrize(
        "change",
        [{"label": "x"}, {"disabled": True}, {"expires_us": 5}, {"policy": '{"limit":60.0}'}, {"target": "bob"}],
    )
    def test_whatever_is_different_is_a_change(self, editor: MaskEditor, change: dict[str, object]) -> None:
        """Any other term is refused without replace, and stored with it; when it began is kept."""
        editor.store([open_row("1", "aor", "alice")])
        row = (
            open_row("1", "aor", "alice", created_us=7, updated_us=7, **change)
            if "target" not in change
            else (open_row("1", "aor", "bob", created_us=7, updated_us=7))
        )
        with pytest.raises(ExistingBindingsError, match="1 bindings cannot be stored"):
            editor.store([row])
        assert editor.store([row], replace=True) == (0, 1, 0)
        stored = editor._masks.row(row.key)
        assert stored is not None
        assert is_same(stored, row)
        assert (stored.created_us, stored.updated_us) == (1, 7)

    def test_many_rows_meet_what_is_stored(self, editor: MaskEditor) -> None:
        """More rows than a chunk are compared by whole numbers, those of X by id."""
        rows: list[MaskRow] = [open_row(str(number), "aor", "alice") for number in range(1500)]
        lines = [pair(f"p{number}", X, f"139{number:08}", f"138{number:08}") for number in range(1500)]
        assert editor.store([*rows, *lines]) == (3000, 0, 0)
        rows[3] = open_row("3", "aor", "bob")
        assert editor.store([*rows, *lines], replace=True) == (0, 1, 2999)

    def test_pairs_that_share_somebody_are_refused(self, editor: MaskEditor, database: Database) -> None:
        """On one number a person is in one binding, stored before or in the same file; nothing of it is stored."""
        editor.store([pair("p1", X, ANN, BOB)])
        with pytest.raises(RowError) as caught:
            editor.store([pair("p2", X, CAT, BOB), pair("p3", Y, ANN, BOB), pair("p4", Y, ANN, CAT)])
        assert caught.value.reasons == {
            "p2": f"one of the parties has another binding on {X} (p1)",
            "p4": f"one of the parties has another binding on {Y} (p3)",
        }
        assert MaskRepository(database).count() == 1

    def test_bindings_may_change_places(self, editor: MaskEditor) -> None:
        """Two bindings that take each other's people are stored when both are replaced at once."""
        editor.store([pair("p1", X, ANN, BOB), pair("p2", X, CAT, DAN)])
        assert editor.store([pair("p1", X, CAT, DAN), pair("p2", X, ANN, BOB)], replace=True) == (0, 2, 0)

    def test_a_binding_that_makes_no_sense(self, editor: MaskEditor) -> None:
        """What the table of the switch would not take is not stored."""
        with pytest.raises(RowError) as caught:
            editor.store([line_row(VAULT, "p1", "axb", X, ANN, policy=TRUNK)])
        assert list(caught.value.reasons) == ["p1"]


class TestUnbinding:
    """Taking away, and switching."""

    def test_unbind(self, editor: MaskEditor, database: Database) -> None:
        """Extensions and X numbers go, once."""
        editor.store([open_row("1", "aor", "alice"), pair("p1", X, ANN, BOB)])
        masks = MaskRepository(database)
        for binding in ("4008001234,1", "p1"):
            assert editor.unbind(binding, reason="moved")
            assert not editor.unbind(binding)
            assert masks.get(binding) is None
        last = changes(database, limit=1)[0]
        assert (last.who, last.action, last.binding, last.reason) == ("ann", "unbind", "p1", "moved")

    def test_quarantine_ends_by_itself_or_by_binding_anew(self, editor: MaskEditor, database: Database) -> None:
        """It is kept until its time, and forgotten when the extension is bound."""
        masks = MaskRepository(database)
        editor.store([open_row("1", "aor", "alice")])
        editor.unbind("4008001234,1", quarantine_until_us=5_000_000)
        assert masks.quarantines(4_999_999) == [("4008001234", "1", 5_000_000)]
        assert masks.quarantines(5_000_000) == []
        editor.store([open_row("1", "aor", "bob")])
        assert masks.quarantines(0) == []

    def test_switching(self, editor: MaskEditor, database: Database) -> None:
        """Disabling and enabling say whether anything changed."""
        editor.store([open_row("1", "aor", "alice"), pair("p1", X, ANN, BOB)])
        for binding in ("4008001234,1", "p1"):
            assert editor.switch(binding, disabled=True) is True
            assert editor.switch(binding, disabled=True) is False
            found = MaskRepository(database).get(binding)
            assert found is not None
            assert found.disabled
            assert editor.switch(binding, disabled=False) is True
        assert editor.switch("nothing", disabled=True) is None
        assert log(database, binding="p1") == [("ann", "enable", "p1"), ("ann", "disable", "p1"), ("ann", "bind", "p1")]


class TestLog:
    """The log of changes."""

    def test_people_are_told_apart_but_not_known(self, editor: MaskEditor, database: Database) -> None:
        """A detail has a piece of the fingerprint, before and after, and no digits of the number."""
        editor.store([number_row(VAULT, "1", ANN)])
        editor.store([number_row(VAULT, "1", BOB)], replace=True)
        detail = changes(database, limit=1)[0].detail
        assert detail == (
            f"number #{printed(BOB)[:4].hex()} by carrier; before: number #{printed(ANN)[:4].hex()} by carrier"
        )
        assert "1111" not in detail.replace(printed(ANN)[:4].hex(), "")

    def test_details_of_all_kinds(self, editor: MaskEditor, database: Database) -> None:
        """Targets, groups, rules and states are told."""
        editor.store(
            [
                open_row("1", "aor", "alice", disabled=True),
                open_row("2", "sip", "sip:a@h", policy='{"limit":60.0}'),
                line_row(VAULT, "g", "axg", X, ANN, group="support", policy=TRUNK),
                line_row(VAULT, "o", "ax", Y, target="aor:alice"),
            ]
        )
        found = {change.binding: change.detail for change in changes(database, limit=10)}
        assert found == {
            "4008001234,1": "aor:alice, disabled",
            "4008001234,2": 'sip:a@h {"limit":60.0}',
            "g": f"axg #{printed(ANN)[:4].hex()} group support {TRUNK}",
            "o": "ax aor:alice",
        }

    def test_other_lines_and_filters(self, database: Database) -> None:
        """What concerns no single binding is logged as well."""
        note(database, Change(5, "bob", "reveal", "", "everything", "ticket"))
        note(database, Change(6, "bob", "pool-add", "", "", ""))
        assert log(database, action="reveal") == [("bob", "reveal", "")]
        assert len(log(database)) == 2


class TestRunningTable:
    """From the database into the table that answers calls."""

    def test_everything_is_filled_in(self, editor: MaskEditor, database: Database) -> None:
        """Rules, labels, X numbers, quarantines and refusals answer calls as they were stored."""
        policy = policy_text(Policy(limit=600.0, warn=True, city="Beijing"))
        editor.store(
            [
                open_row("1", "aor", "alice", policy=policy, label="Flat 3"),
                open_row("2", "aor", "alice"),
                open_row("3", "aor", "alice"),
                pair("p1", X, ANN, BOB),
            ]
        )
        editor.unbind("4008001234,3", quarantine_until_us=9_000_000)
        table, masks = MaskTable(), MaskRepository(database)
        assert masks.fill(table, now_us=1) == 3
        found = table.resolve("4008001234", "1", 1.0)
        assert (found.reason, found.policy.limit, found.policy.warn, found.label, found.policy.city) == (
            "ok",
            600.0,
            True,
            "Flat 3",
            "Beijing",
        )
        assert table.resolve("4008001234", "3", 8.9).reason == "quarantine"
        assert table.resolve("4008001234", "3", 9.0).reason == "unbound"
        called = table.resolve_call(X, printed(ANN), 1.0)
        assert (called.reason, called.binding, called.direction) == ("ok", "p1", "a_to_b")
        assert table.resolve_call(X, printed(CAT), 1.0).reason == "unbound"

    def test_a_row_that_is_broken_does_not_stop_the_others(self, editor: MaskEditor, database: Database) -> None:
        """An unreadable policy or a conflict made by hand costs one binding."""
        editor.store([open_row("1", "aor", "a"), open_row("2", "aor", "b"), pair("p1", X, ANN, BOB)])
        with database.writing() as connection:
            connection.exec_driver_sql("UPDATE mask_bindings SET policy = '{' WHERE extension = '1'")
            connection.exec_driver_sql(
                "INSERT INTO mask_lines SELECT 'p2', number, kind, target, a_sealed,"
                " a_fingerprint, b_sealed, b_fingerprint, skill_group, disabled, expires_us, label, created_us,"
                " updated_us, policy, used_us, window_us, window_times FROM mask_lines"
            )
        table = MaskTable()
        assert MaskRepository(database).fill(table) == 2
        assert table.resolve("4008001234", "2", 0.0).reason == "ok"

    def test_changes_are_applied_one_by_one(self, editor: MaskEditor, database: Database) -> None:
        """Bound, replaced, disabled and gone bindings are as after a whole reload."""
        masks, table = MaskRepository(database), MaskTable()
        editor.store([open_row(str(n), "aor", "alice") for n in range(1, 5)] + [pair("p1", X, ANN, BOB)])
        masks.fill(table)
        editor.store(
            [
                open_row("1", "aor", "bob"),
                open_row("9", "aor", "bob"),
                pair("p1", X, CAT, DAN),
                pair("p2", X, ANN, BOB),
            ],
            replace=True,
        )
        editor.switch("4008001234,2", disabled=True)
        editor.unbind("4008001234,3")
        editor.unbind("4008001234,4", quarantine_until_us=10**15)
        names = ["4008001234,1", "4008001234,9", "p2", "p1", "4008001234,2", "4008001234,3", "4008001234,4", "never"]
        done = apply_changes(table, read_changes(masks, names, [], VAULT, now_us=1))
        whole = MaskTable()
        masks.fill(whole, now_us=1)
        assert done == len(table) == len(whole) == 5
        assert table.compare(whole) == whole.compare(table)
        assert table.compare(whole).added == table.compare(whole).removed == table.compare(whole).changed == 0
        assert table.resolve("4008001234", "4", 5.0).reason == "quarantine"
        assert table.resolve_call(X, printed(ANN), 1.0).binding == "p2"

    def test_what_is_configured_comes_back(self, editor: MaskEditor, database: Database) -> None:
        """When a stored binding goes, the configured one below it, also of a range, answers again."""
        from config.schema import Mask
        from config.values import ExtensionRange

        configured = [
            Mask(number="4008001234", extension="1", target="aor:alice"),
            Mask(number="4008001234", extensions=ExtensionRange(100, 199, 3), target="sip:{extension}@h"),
        ]
        editor.store([open_row("1", "aor", "bob"), open_row("150", "aor", "bob")])
        names = ["4008001234,1", "4008001234,150"]
        table, masks = MaskTable(), MaskRepository(database)
        from switchboard.store.masks import bind_configured

        bind_configured(table, configured, VAULT)
        masks.fill(table)
        for name in names:
            editor.unbind(name)
        apply_changes(table, read_changes(masks, names, configured, VAULT, now_us=1))
        assert repr(table.resolve("4008001234", "1", 0.0).target) == "AorTarget(aor='alice')"
        assert repr(table.resolve("4008001234", "150", 0.0).target) == "SipTarget(uri='sip:150@h')"


class TestSearch:
    """Finding some."""

    def test_conditions(self, editor: MaskEditor, database: Database) -> None:
        """Number, kind, person, label and state narrow the list."""
        editor.store(
            [
                number_row(VAULT, "1", ANN)._replace(label="Flat 3_a"),
                open_row("2", "aor", "a", disabled=True),
                open_row("3", "aor", "a", expires_us=5),
                pair("p1", X, ANN, BOB),
                pair("p2", X, CAT, DAN, label="Flat 33"),
            ]
        )
        masks = MaskRepository(database)

        def found(**wanted: object) -> list[str]:
            filtered = MaskFilter(**wanted)  # type: ignore[arg-type]
            rows = masks.search(filtered, 10, now_us=10)
            assert masks.count(filtered, now_us=10) == len(rows)
            return [row.key.removeprefix("4008001234,") for row in rows]

        assert found() == ["1", "2", "3", "p1", "p2"]
        assert found(number=X) == ["p1", "p2"]
        assert (found(kind="extension"), found(kind="axb"), found(kind="ax")) == (["1", "2", "3"], ["p1", "p2"], [])
        assert found(party=printed(ANN)) == ["1", "p1"]
        assert found(party=printed(DAN)) == ["p2"]
        assert (found(label="Flat 3"), found(label="3_a"), found(label="%")) == (["1", "p2"], ["1"], [])
        assert (found(state="disabled"), found(state="expired")) == (["2"], ["3"])
        assert found(state="active") == ["1", "p1", "p2"]
        assert [binding.key for binding in masks.find(printed(BOB))] == ["p1"]

    def test_pages_go_over_both_tables(self, editor: MaskEditor, database: Database) -> None:
        """Pages of any size, one after another, show every binding once."""
        editor.store(
            [open_row(str(n), "aor", "a") for n in range(5)]
            + [pair(f"p{n}", X, f"1390000000{n}", f"1380000000{n}") for n in range(4)]
        )
        masks = MaskRepository(database)
        everything = [row.key for row in masks.search(MaskFilter(), -1)]
        for size in (1, 2, 3, 5, 9, 20):
            seen = [row.key for at in range(0, 10, size) for row in masks.search(MaskFilter(), size, at)]
            assert seen == everything


def test_policies_are_stored_short_and_shared() -> None:
    """The plain policy is an empty text, others have only what is unusual, and equal texts are one object."""
    assert policy_text(Policy()) == ""
    policy = Policy(limit=600.0, callback=CallbackRule(times=2))
    text = policy_text(policy)
    assert text == '{"limit":600.0,"callback":{"window":null,"times":2}}'
    assert policy_of(text) == policy
    assert policy_of(text) is policy_of(text)


def test_rows_of_every_kind_are_bindings() -> None:
    """B of a pair and N of an axn come from the same column."""
    assert binding_of(pair("p", X, ANN, BOB)).b is not None
    axn = binding_of(line_row(VAULT, "n", "axn", X, ANN, BOB, policy=TRUNK))
    assert (axn.b, axn.n is not None) == (None, True)
