"""The start after a kill: calls left open are closed with a cause."""

from __future__ import annotations

import os
from pathlib import Path

from structlog.testing import capture_logs

from switchboard.store.alive import last_alive_us, mark_alive
from switchboard.store.journal import Journal
from switchboard.store.records import SegmentRecord, decode_record, encode_record, encode_snapshot
from switchboard.store.recovery import close_open_calls, open_calls
from switchboard.store.segments import Kind, frame, read_segment, segment_path, segment_paths
from tests.support.records import call_record


def journal_with(directory: Path, *steps: tuple[int, int]) -> None:
    """A journal of (kind, call number) records, closed."""
    journal = Journal(directory)
    for kind, number in steps:
        record = call_record(number, ended=kind == Kind.ENDED)
        payload = encode_record(record) if kind == Kind.ENDED else encode_snapshot(record, b"sealed")
        journal.append(kind, record.id, payload)
    journal.close()


def test_finds_what_was_opened_and_not_ended(tmp_path: Path) -> None:
    """Over several segments, ended calls are not open, and a call has its last snapshot."""
    journal_with(tmp_path, (Kind.OPENED, 1), (Kind.OPENED, 2), (Kind.ENDED, 2), (Kind.ENDED, 4))
    journal_with(tmp_path, (Kind.OPENED, 3), (Kind.CHANGED, 3))
    entries = open_calls(tmp_path)
    assert [entry.call_id for entry in entries] == [call_record(1).id, call_record(3).id]
    assert entries[1].kind == Kind.CHANGED


def test_a_snapshot_after_the_end_does_not_reopen(tmp_path: Path) -> None:
    """A copy of an open call that a later segment carries is not open when it ended before."""
    journal_with(tmp_path, (Kind.OPENED, 1), (Kind.ENDED, 1))
    journal_with(tmp_path, (Kind.OPENED, 1))
    assert open_calls(tmp_path) == []


def test_an_empty_or_missing_journal_has_none(tmp_path: Path) -> None:
    """The first start finds nothing."""
    assert open_calls(tmp_path / "missing") == []


def test_a_torn_tail_is_reported(tmp_path: Path) -> None:
    """What the kill left half written is named by size."""
    journal_with(tmp_path, (Kind.OPENED, 1))
    with segment_paths(tmp_path)[0].open("ab") as file:
        file.write(b"xyz")
    with capture_logs() as logs:
        assert len(open_calls(tmp_path)) == 1
    assert [(line["event"], line["bytes"]) for line in logs] == [("recovery.torn_segment", 3)]


def test_closes_with_what_was_known(tmp_path: Path) -> None:
    """Call, legs and segments end at the last sign of life, with cause and party, and the rest is kept."""
    journal_with(tmp_path, (Kind.OPENED, 1))
    entries = open_calls(tmp_path)
    journal = Journal(tmp_path)
    assert close_open_calls(journal, entries) == 1
    journal.close()
    assert open_calls(tmp_path) == []
    (ended,) = [
        decode_record(entry.payload)
        for path in segment_paths(tmp_path)
        for entry in read_segment(path)
        if entry.kind == Kind.ENDED
    ]
    assert (ended.cause, ended.ended_by, ended.ended_us) == ("switch_restarted", "switch", entries[0].time_us)
    assert {leg.ended_us for leg in ended.legs} == {entries[0].time_us}
    known = call_record(1, ended=False)
    assert [segment.ended_us for segment in ended.segments] == [known.segments[0].ended_us, entries[0].time_us]
    assert (ended.id, ended.caller_sealed, ended.answered_us) == (known.id, known.caller_sealed, known.answered_us)


def test_a_call_lasted_until_the_switch_died(tmp_path: Path) -> None:
    """Not only until it was written of last; what it waited, held or consulted then counts too."""
    began = 1_800_000_000_000_000
    journal = Journal(tmp_path)
    for kind in ("talk", "hold"):
        record = call_record(1, ended=False)
        record.id, record.hold_us = kind, 5
        record.segments.append(SegmentRecord(kind=kind, started_us=began))
        journal.append(Kind.OPENED, record.id, encode_snapshot(record, b""))
    assert last_alive_us(tmp_path) == 0
    mark_alive(tmp_path)
    os.utime(tmp_path / "alive", ns=(0, (began + 60_000_000) * 1000))
    assert close_open_calls(journal, open_calls(tmp_path), last_alive_us(tmp_path)) == 2
    journal.close()
    entries = [entry for path in segment_paths(tmp_path) for entry in read_segment(path).entries({Kind.ENDED})]
    ended = [decode_record(entry.payload) for entry in entries]
    assert [one.ended_us for one in ended] == [began + 60_000_000] * 2
    assert [one.segments[-1].ended_us for one in ended] == [began + 60_000_000] * 2
    assert [one.hold_us for one in ended] == [5, 60_000_005]


def test_an_unreadable_snapshot_still_closes(tmp_path: Path) -> None:
    """A call whose snapshot cannot be read gets a record with its id and time."""
    journal = Journal(tmp_path)
    journal.append(Kind.OPENED, "strange", b"\x01")
    with capture_logs() as logs:
        assert close_open_calls(journal, open_calls(tmp_path)) == 1
    journal.close()
    entry = list(read_segment(segment_paths(tmp_path)[0]))[-1]
    record = decode_record(entry.payload)
    assert (record.id, record.cause) == ("strange", "switch_restarted")
    assert logs == [{"event": "recovery.snapshot_unreadable", "call": "strange", "log_level": "error"}]


def test_a_call_that_was_ending_keeps_its_end(tmp_path: Path) -> None:
    """A snapshot whose call had ended already, but for its counters, keeps time and cause."""
    journal = Journal(tmp_path)
    record = call_record(1)
    journal.append(Kind.OPENED, record.id, encode_snapshot(record, b""))
    close_open_calls(journal, open_calls(tmp_path))
    journal.close()
    entry = list(read_segment(segment_paths(tmp_path)[0]))[-1]
    assert decode_record(entry.payload) == record


def test_a_call_closed_in_an_earlier_segment(tmp_path: Path) -> None:
    """The mark that a segment's head carries for a call that ended meanwhile closes its snapshot."""
    snapshot = encode_snapshot(call_record(1, ended=False), b"")
    head = frame(Kind.OPENED, "1", 1, snapshot) + frame(Kind.CLOSED, "1", 2, b"")
    segment_path(tmp_path, 1).write_bytes(head)
    assert open_calls(tmp_path) == []
