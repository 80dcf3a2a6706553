"""Stored bindings: imported all or not at all, loaded into the table, numbers sealed."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from config.schema import Mask
from config.values import ExtensionRange, Hidden
from routing.masks import AorTarget, Binding, MaskTable, NumberTarget, RealNumber, SipTarget, TargetError
from switchboard.store.database import Database
from switchboard.store.mask_editor import ExistingBindingsError, MaskEditor
from switchboard.store.mask_rows import binding_of
from switchboard.store.masks import MaskRepository, bind_configured
from tests.support.masks import fixed_vault, number_row, open_row

VAULT = fixed_vault()
NUMBER = "4008001234"
MARKED = "13956781234"


def test_every_kind_of_binding_comes_back(database: Database) -> None:
    """Targets, state and expiry are loaded as they were imported, numbers sealed."""
    masks = MaskRepository(database)
    rows = [
        number_row(VAULT, "000001", MARKED),
        open_row("2", "sip", "sip:2@host", disabled=True),
        open_row("3", "aor", "alice", expires_us=1_500_000),
    ]
    assert MaskEditor(database, "test").store(rows) == (3, 0, 0)
    assert sorted(masks.rows()) == rows
    assert [binding_of(row).target for row in rows] == [
        NumberTarget(rows[0].sealed, "carrier", "01088880000"),  # type: ignore[arg-type]
        SipTarget("sip:2@host"),
        AorTarget("alice"),
    ]
    assert masks.count() == 3


def test_fills_a_table(database: Database) -> None:
    """The table answers from the stored rows, and the loader rests in between."""
    masks = MaskRepository(database)
    MaskEditor(database, "test").store(
        [open_row(f"{number:06}", "sip", f"sip:{number:06}@host") for number in range(1200)]
    )
    table, rests = MaskTable(), []
    assert masks.fill(table, lambda: rests.append(1)) == 1200
    assert table.resolve(NUMBER, "000777", 0.0).target == SipTarget("sip:000777@host")
    assert len(rests) == 3
    assert masks.fill(MaskTable()) == 1200


def test_existing_rows_are_not_touched_without_replace(database: Database) -> None:
    """One row that is bound already keeps all others of the import out."""
    masks = MaskRepository(database)
    MaskEditor(database, "test").store([open_row("1", "aor", "alice")])
    with pytest.raises(ExistingBindingsError) as caught:
        MaskEditor(database, "test").store([open_row("0", "aor", "bob"), open_row("1", "aor", "bob")])
    assert list(caught.value.keys) == [f"{NUMBER},1"]
    assert [row.target for row in masks.rows()] == ["alice"]


def test_replace_keeps_when_a_binding_began(database: Database) -> None:
    """Replacing changes everything but the time of creation."""
    masks = MaskRepository(database)
    MaskEditor(database, "test").store([number_row(VAULT, "1", MARKED, updated_us=5)])
    done = MaskEditor(database, "test").store(
        [open_row("1", "aor", "bob", label="new", created_us=9, updated_us=9), open_row("2", "aor", "bob")],
        replace=True,
    )
    assert done == (1, 1, 0)
    assert masks.get(f"{NUMBER},1") == Binding(
        number=NUMBER, extension="1", target=AorTarget("bob"), label="new", created_us=5, updated_us=9
    )
    assert masks.find(VAULT.fingerprint(RealNumber(MARKED))) == []


def test_an_error_in_the_middle_leaves_nothing(database: Database) -> None:
    """When progress breaks off after the first chunk, no row of it stays."""

    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    masks = MaskRepository(database)
    with pytest.raises(KeyboardInterrupt):
        MaskEditor(database, "test").store([open_row(str(number), "aor", "a") for number in range(3000)], progress=stop)
    assert masks.count() == 0


def test_progress_counts_up_to_all(database: Database) -> None:
    """The last report is the number of rows."""
    seen: list[int] = []
    rows = [open_row(str(number), "aor", "a") for number in range(2500)]
    MaskEditor(database, "test").store(rows, progress=seen.append)
    assert seen == [1000, 2000, 2500]


def test_finds_bindings_by_fingerprint(database: Database) -> None:
    """All extensions of one person are found without opening anything."""
    masks = MaskRepository(database)
    MaskEditor(database, "test").store(
        [number_row(VAULT, str(n), MARKED if n % 2 else "13900001111") for n in range(6)]
    )
    found = masks.find(VAULT.fingerprint(RealNumber("+8613956781234")))
    assert [binding.extension for binding in found] == ["1", "3", "5"]
    target = found[0].target
    assert isinstance(target, NumberTarget)
    assert VAULT.open(target.secret) == RealNumber(MARKED)


def test_get_of_what_is_not_bound(database: Database) -> None:
    """An extension without a row is None."""
    assert MaskRepository(database).get(f"{NUMBER},1") is None


def test_no_file_of_the_database_holds_the_number(database: Database, tmp_path: Path) -> None:
    """The marked number, and its digits in other writings, are in no byte of the database, its log or its index."""
    MaskEditor(database, "test").store([number_row(VAULT, str(number), MARKED) for number in range(500)])
    MaskEditor(database, "test").store([number_row(VAULT, "1", "13900001111")], replace=True)

    def found() -> list[str]:
        clear = [MARKED.encode(), MARKED.encode("utf-16-le"), bytes.fromhex("0" + MARKED), MARKED[1:].encode()]
        return [path.name for path in tmp_path.iterdir() if any(text in path.read_bytes() for text in clear)]

    assert found() == []
    database.close()
    assert found() == []
    leak = Database(database.path)
    MaskEditor(leak, "test").store([open_row("900", "aor", "a", label=MARKED)])
    assert found() != []
    leak.close()


class TestConfigured:
    """The masks of the configuration."""

    def bind(self, *masks: Mask) -> MaskTable:
        """A table with these masks."""
        table = MaskTable()
        bind_configured(table, masks, VAULT)
        return table

    def test_binds_all_kinds(self) -> None:
        """Single extensions, ranges and real numbers lead where they say."""
        table = self.bind(
            Mask(number=NUMBER, extensions=ExtensionRange(100000, 299999, 6), target="sip:{extension}@h"),
            Mask(number=NUMBER, extensions=ExtensionRange(1, 9, 3), target="aor:a{extension}"),
            Mask(number=NUMBER, extension="800001", target="aor:alice"),
            Mask(number=NUMBER, extension="345678", real=Hidden(MARKED), trunk="bench", shown="01088880000"),
        )
        assert len(table) == 200_000 + 9 + 2
        assert table.bound(NUMBER, "123456") == SipTarget("sip:123456@h")
        assert table.bound(NUMBER, "007") == AorTarget("a007")
        assert table.bound(NUMBER, "800001") == AorTarget("alice")
        target = table.bound(NUMBER, "345678")
        assert isinstance(target, NumberTarget)
        assert (target.trunk, target.shown) == ("bench", "01088880000")
        assert VAULT.open(target.secret) == RealNumber(MARKED)

    @pytest.mark.parametrize("target", [None, "13956781234", "tel:1", "sip:"])
    def test_refuses_what_is_no_target(self, target: str | None) -> None:
        """A mask without a proper target is an error that does not repeat it."""
        with pytest.raises(TargetError) as caught:
            self.bind(Mask(number=NUMBER, extension="1", target=target))
        assert MARKED not in str(caught.value)

    def test_passes_over_a_mask_without_extensions(self) -> None:
        """A mask for no extension binds nothing."""
        assert len(self.bind(Mask(number=NUMBER, target="aor:alice"))) == 0


def test_many_bindings_take_little_memory(database: Database) -> None:
    """Five thousand sealed bindings cost less than 300 bytes each."""
    import tracemalloc

    masks = MaskRepository(database)
    MaskEditor(database, "test").store([number_row(VAULT, f"{number:06}", MARKED) for number in range(5_000)])
    gc.collect()
    tracemalloc.start()
    try:
        table = MaskTable()
        masks.fill(table)
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(table) == 5_000
    assert size / 5_000 < 300
