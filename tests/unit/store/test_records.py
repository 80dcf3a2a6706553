"""Call records on their way to disk and back."""

from __future__ import annotations

import uuid
from pathlib import Path

import msgspec
import pytest

from switchboard.store.records import (
    CallbackStateRecord,
    CallRecord,
    MediaRecord,
    decode_callback,
    decode_callback_state,
    decode_record,
    decode_snapshot,
    encode_record,
    new_id,
    utc_us,
)
from tests.support.records import call_record, callback_record

BYTES = Path(__file__).with_name("journal_bytes")


@pytest.mark.parametrize("ended", [True, False])
def test_round_trip(ended: bool) -> None:
    """A record comes back equal, legs, media and segments included."""
    record = call_record(7, ended=ended)
    assert decode_record(encode_record(record)) == record


def test_older_records_are_read() -> None:
    """A record written before a field was added gets the field's default."""
    values = msgspec.msgpack.decode(encode_record(call_record(7)))
    shortened = decode_record(msgspec.msgpack.encode(values[:5]))
    assert shortened.called == "4008001234"
    assert (shortened.extension, shortened.legs, shortened.ended_us) == ("", [], None)


def as_version_1(*, ended: bool) -> CallRecord:
    """The record as a switch of version 1 knew it."""
    record = as_version_2(ended=ended)
    plain = CallRecord(id=record.id)
    for name in ("trail", "identity", "survey", "recordings", "binding", "flow_version", "consent", "path"):
        setattr(record, name, getattr(plain, name))
    record.version = 1
    return record


def as_version_2(*, ended: bool) -> CallRecord:
    """The record as a switch of version 2 knew it."""
    record = as_version_3(ended=ended)
    plain = CallRecord(id=record.id)
    fields = CallRecord.__struct_fields__
    for name in fields[fields.index("path") + 1 :]:
        setattr(record, name, getattr(plain, name))
    record.legs[1].agent, record.legs[1].answered_us = "", None
    record.segments[1].agent = record.segments[1].group = ""
    record.segments[1].started_us -= 1
    record.version = 2
    return record


def as_version_3(*, ended: bool) -> CallRecord:
    """The record as a switch of version 3 knew it."""
    record = call_record(7, ended=ended)
    record.legs[0].media = MediaRecord(received=1500, sent=1490, lost=3, jitter_ms=1.25, strangers=1)
    record.version = 3
    return record


def test_bytes_of_version_3_are_read() -> None:
    """So is what a switch of version 3 wrote, which knew nothing of how good the audio was."""
    assert decode_record((BYTES / "call_version_3.msgpack").read_bytes()) == as_version_3(ended=True)
    snapshot = decode_snapshot((BYTES / "snapshot_version_3.msgpack").read_bytes())
    assert (snapshot.record, snapshot.state) == (as_version_3(ended=False), b"sealed")


def test_bytes_of_version_2_are_read() -> None:
    """So is what a switch of version 2 wrote, of callbacks too: it knew no agents and no places in queues."""
    assert decode_record((BYTES / "call_version_2.msgpack").read_bytes()) == as_version_2(ended=True)
    snapshot = decode_snapshot((BYTES / "snapshot_version_2.msgpack").read_bytes())
    assert (snapshot.record, snapshot.state) == (as_version_2(ended=False), b"sealed")
    request = decode_callback((BYTES / "callback_version_2.msgpack").read_bytes())
    assert request == msgspec.structs.replace(callback_record(7), since_us=0, priority=0, vip=0, requirement="")
    change = decode_callback_state((BYTES / "callback_state_version_2.msgpack").read_bytes())
    assert change == CallbackStateRecord(id="request-7", state="calling", at_us=5, by="1001")


def test_bytes_of_version_1_are_read() -> None:
    """What a switch of version 1 wrote into its journal is read, the fields that came later empty."""
    assert decode_record((BYTES / "call_version_1.msgpack").read_bytes()) == as_version_1(ended=True)
    snapshot = decode_snapshot((BYTES / "snapshot_version_1.msgpack").read_bytes())
    assert (snapshot.record, snapshot.state) == (as_version_1(ended=False), b"sealed")


def test_newer_records_are_read() -> None:
    """A record with fields that this version does not know is read without them."""
    values = msgspec.msgpack.decode(encode_record(call_record(7)))
    assert decode_record(msgspec.msgpack.encode([*values, "later"])) == call_record(7)


def test_what_is_no_record_is_refused() -> None:
    """Other bytes raise the decoder's error."""
    with pytest.raises(msgspec.MsgspecError):
        decode_record(b"\x01")


def test_records_do_not_share_lists() -> None:
    """Every new record has legs and segments of its own."""
    first, second = CallRecord(id="1"), CallRecord(id="2")
    first.legs.append(call_record(1).legs[0])
    assert second.legs == []


def test_ids_are_version_7_and_sort_by_time() -> None:
    """An id is a UUID of version 7 with the millisecond in front, and no two are equal."""
    before = utc_us() // 1000
    ids = [new_id() for _ in range(1000)]
    parsed = uuid.UUID(ids[0])
    assert str(parsed) == ids[0]
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert before <= parsed.int >> 80 <= utc_us() // 1000
    assert len(set(ids)) == 1000
    assert [text[:13] for text in ids] == sorted(text[:13] for text in ids)
