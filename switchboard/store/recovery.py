"""What a start takes up from the journal: calls that a kill left open are closed, records not yet loaded are read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from switchboard.store.intake import DECODERS, Journalled
from switchboard.store.journal import Journal
from switchboard.store.records import CallRecord, decode_snapshot, encode_record, end_segment
from switchboard.store.segments import Entry, Kind, read_segment, segment_number, segment_paths

CAUSE: Final = "switch_restarted"

_KEPT_IN_MEMORY: Final = frozenset({Kind.MESSAGE, Kind.MESSAGE_STATE, Kind.CALLBACK, Kind.CALLBACK_STATE})

_log = structlog.get_logger("switchboard.store.recovery")


def open_calls(directory: Path) -> list[Entry]:
    """The last snapshot of every call in the journal that was opened and not ended."""
    found: dict[str, Entry] = {}
    ended: set[str] = set()
    for path in segment_paths(directory):
        reading = read_segment(path)
        for entry in reading:
            if entry.kind in (Kind.ENDED, Kind.CLOSED):
                found.pop(entry.call_id, None)
                ended.add(entry.call_id)
            elif entry.kind in (Kind.OPENED, Kind.CHANGED) and entry.call_id not in ended:
                found[entry.call_id] = entry
        if reading.torn:
            _log.warning("recovery.torn_segment", segment=path.name, bytes=reading.torn)
    return list(found.values())


def unloaded_records(directory: Path, position: tuple[int, int]) -> list[Journalled]:
    """The messages and callback requests, and their changes, behind the loader's position."""
    segment, offset = position
    found: list[Journalled] = []
    for path in segment_paths(directory):
        number = segment_number(path)
        if number < segment:
            continue
        for entry in read_segment(path, offset if number == segment else 0).entries(_KEPT_IN_MEMORY):
            try:
                found.append(DECODERS[entry.kind](entry.payload))
            except msgspec.MsgspecError:
                # The loader meets it too, counts it and says so.
                continue
    return found


def close_open_calls(journal: Journal, entries: Iterable[Entry], alive_us: int = 0) -> int:
    """End calls with the cause `switch_restarted` when the switch was last alive, `alive_us`; returns how many.

    At the earliest when they were last heard of.
    """
    closed = 0
    for entry in entries:
        record = _last_known(entry)
        if record.ended_us is None:
            # Not yet ending when the switch died; one that was keeps its own cause.
            record.ended_us = max(entry.time_us, alive_us)
            record.ended_by, record.cause = "switch", CAUSE
        for leg in record.legs:
            leg.ended_us = leg.ended_us or record.ended_us
        if record.segments and record.segments[-1].ended_us is None:
            end_segment(record, record.ended_us)
        journal.append(Kind.ENDED, entry.call_id, encode_record(record))
        closed += 1
    return closed


def _last_known(entry: Entry) -> CallRecord:
    try:
        return decode_snapshot(entry.payload).record
    except msgspec.MsgspecError:
        _log.error("recovery.snapshot_unreadable", call=entry.call_id)
        return CallRecord(id=entry.call_id, started_us=entry.time_us)
