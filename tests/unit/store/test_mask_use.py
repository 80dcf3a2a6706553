"""What calls and callers tell of masks reaches the database by the journal."""

from __future__ import annotations

from pathlib import Path

from routing.masks import MaskTable
from switchboard.store.database import Database
from switchboard.store.intake import Intake
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.masks import MaskRepository
from switchboard.store.records import CallRecord, RefusalRecord, WindowRecord, encode_refusal, encode_window
from switchboard.store.segments import Kind
from switchboard.store.store import Store
from tests.support.masks import fixed_vault, line_row, open_row
from tests.support.records import BEGAN_US, call_record

VAULT = fixed_vault()
CUSTOMER, AGENT = b"c" * 16, b"a" * 16


def load(database: Database, *records: CallRecord | RefusalRecord | WindowRecord) -> None:
    """Take records in as the loader does."""
    with database.writing() as connection:
        Intake(database).insert(connection, records)


def through(binding: str, number: int) -> CallRecord:
    """A call through a binding; its agent is invited five microseconds after it began."""
    record = call_record(number)
    record.binding = binding
    return record


def test_idle_time_begins_with_the_last_call(database: Database) -> None:
    """Bindings with rules know their last call, whatever the order in which calls are loaded."""
    idle = '{"idle":60.0,"trunk":"carrier"}'
    MaskEditor(database, "ann").store(
        [
            open_row("1", "aor", "a", policy=idle),
            open_row("2", "aor", "a"),
            line_row(VAULT, "p1", "axb", "01088880001", "13900001111", "13900002222", policy=idle),
        ]
    )
    for number in (3, 7, 5):
        calls = [through(binding, number) for binding in ("4008001234,1", "4008001234,2", "p1", "gone", "")]
        for place, call in enumerate(calls):
            call.id = f"{number}-{place}"
        load(database, *calls)
    masks = MaskRepository(database)
    used = {key: row.used_us for key, row in masks.some(["4008001234,1", "4008001234,2", "p1"]).items()}
    last = BEGAN_US + 7_000_000 + 5
    assert used == {"4008001234,1": last, "4008001234,2": 0, "p1": last}
    table = MaskTable()
    masks.fill(table)
    assert table.resolve("4008001234", "1", last / 1e6 + 59).reason == "ok"
    assert table.resolve("4008001234", "1", last / 1e6 + 61).reason == "expired"


def test_a_call_that_reached_for_nobody_does_not_count(database: Database) -> None:
    """A call that was refused before it went on leaves idle time as it is."""
    MaskEditor(database, "ann").store([open_row("1", "aor", "a", policy='{"idle":60.0}')])
    call = through("4008001234,1", 1)
    del call.legs[1]
    load(database, call)
    assert MaskRepository(database).some(["4008001234,1"])["4008001234,1"].used_us == 0


def test_refusals_and_their_end(database: Database) -> None:
    """The latest word of a customer counts, of each agent and of all of them."""
    masks = MaskRepository(database)
    load(database, RefusalRecord(customer=CUSTOMER, agent=AGENT, at_us=5, until_us=9_000_000))
    load(database, RefusalRecord(customer=CUSTOMER, at_us=6))
    assert sorted(masks.refusals()) == [(CUSTOMER, b"", None), (CUSTOMER, AGENT, 9.0)]
    load(database, RefusalRecord(customer=CUSTOMER, at_us=5, withdrawn=True))
    assert len(masks.refusals()) == 2
    load(database, RefusalRecord(customer=CUSTOMER, at_us=7, withdrawn=True))
    assert masks.refusals() == [(CUSTOMER, AGENT, 9.0)]


def test_call_backs_that_were_made_are_counted_on(tmp_path: Path) -> None:
    """The latest that was journalled is in the next table, after a restart as well; a binding made anew has none."""
    policy = '{"trunk":"carrier","callback":{"window":60.0,"times":2}}'
    row = line_row(VAULT, "p1", "axb", "01088880001", "13900001111", "13900002222", policy=policy)
    for times in (1, 2):
        store = Store(tmp_path)
        if times == 1:
            MaskEditor(store.database, "ann").store([row])
        window = WindowRecord(binding="p1", since_us=5_000_000, times=times)
        store.journal.append(Kind.WINDOW, "call-1", encode_window(window))
        store.close()
        store = Store(tmp_path)
        table = store.load_masks([])
        assert table.lines.callbacks.history("p1") == (5.0, times)
        store.close()
    store = Store(tmp_path)
    editor = MaskEditor(store.database, "ann")
    editor.switch("p1", disabled=True)
    assert store.load_masks([]).lines.callbacks.history("p1") == (5.0, 2)
    editor.store([row._replace(label="another")], replace=True)
    history = store.load_masks([]).lines.callbacks.history("p1")
    assert history is not None
    assert history.times == 0
    store.close()


def test_a_window_of_a_binding_that_is_gone_is_nobodys(database: Database) -> None:
    """It makes no binding, and does not stop the others."""
    load(database, WindowRecord(binding="gone", since_us=5, times=1))
    assert MaskRepository(database).some(["gone"]) == {}


def test_a_table_knows_refusals_of_a_moment_ago(tmp_path: Path) -> None:
    """What was journalled is in the next table that is loaded, in this process or after a kill."""
    store = Store(tmp_path)
    store.journal.append(Kind.REFUSAL, "call-1", encode_refusal(RefusalRecord(customer=CUSTOMER, at_us=5)))
    table = store.load_masks([])
    assert table.lines.callbacks.refuses(CUSTOMER, AGENT, 1.0)
    store.close()
