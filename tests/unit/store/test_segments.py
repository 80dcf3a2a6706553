"""Frames in a segment: whole ones are read, torn ones end it."""

from __future__ import annotations

from pathlib import Path

import pytest

from switchboard.store.segments import (
    HEAD,
    Entry,
    Reading,
    frame,
    read_segment,
    segment_number,
    segment_path,
    segment_paths,
)

FRAMES = [frame(1, "a", 10, b"one"), frame(2, "a", 11, b""), frame(3, "a", 12, b"three" * 4)]
ENTRIES = [Entry(1, "a", 10, b"one"), Entry(2, "a", 11, b""), Entry(3, "a", 12, b"three" * 4)]
WHOLE = b"".join(FRAMES)


def test_reads_what_was_framed() -> None:
    """Frames come back as the entries they were made of."""
    reading = Reading(WHOLE)
    assert list(reading) == ENTRIES
    assert (reading.end, reading.torn) == (len(WHOLE), 0)


def test_passes_over_other_kinds() -> None:
    """Asked for one kind, the others are skipped and still counted as read."""
    reading = Reading(WHOLE)
    assert list(reading.entries({3, 4})) == ENTRIES[2:]
    assert (reading.end, reading.torn) == (len(WHOLE), 0)


def test_what_is_passed_over_is_not_checked() -> None:
    """A changed byte in the payload of a kind that nobody asked for is of no interest; in one asked for it is."""
    data = bytearray(WHOLE)
    data[len(FRAMES[0]) - 1] ^= 0x41
    assert list(Reading(bytes(data)).entries({2, 3})) == ENTRIES[1:]
    assert list(Reading(bytes(data)).entries({1, 3})) == []


@pytest.mark.parametrize("kind", [None, 1])
@pytest.mark.parametrize("cut", range(1, len(FRAMES[2])))
def test_a_torn_tail_ends_the_segment(cut: int, kind: int | None) -> None:
    """Wherever the last frame is cut, the ones before it are read and the rest is reported."""
    data = WHOLE[:-cut]
    reading = Reading(data)
    assert list(reading.entries(None if kind is None else {kind})) == (ENTRIES[:2] if kind is None else ENTRIES[:1])
    assert reading.end == len(FRAMES[0]) + len(FRAMES[1])
    assert reading.torn == len(FRAMES[2]) - cut


@pytest.mark.parametrize("place", range(len(FRAMES[0])))
def test_every_changed_byte_is_noticed(place: int) -> None:
    """A byte changed anywhere in a frame ends the segment before it."""
    data = bytearray(WHOLE)
    data[place] ^= 0x41
    reading = Reading(bytes(data))
    assert list(reading) == []
    assert (reading.end, reading.torn) == (0, len(WHOLE))


def test_a_body_that_is_no_entry_ends_the_segment() -> None:
    """A checksum that fits does not make an entry of other bytes."""
    from zlib import crc32

    body = b"\x93\x01\x02\x03"
    reading = Reading(FRAMES[0] + HEAD.pack(len(body), crc32(body)) + body)
    assert list(reading) == ENTRIES[:1]
    assert reading.torn == HEAD.size + len(body)


def test_reads_from_an_offset(tmp_path: Path) -> None:
    """Reading goes on where an earlier one ended, and a limit cuts what is read, not what is found."""
    path = tmp_path / "x.journal"
    path.write_bytes(WHOLE)
    first = read_segment(path, 0, len(FRAMES[0]) + 5)
    assert list(first) == ENTRIES[:1]
    second = read_segment(path, first.end)
    assert list(second) == ENTRIES[1:]
    assert (second.end, second.torn) == (len(WHOLE), 0)


def test_names_sort_by_number(tmp_path: Path) -> None:
    """Segments are listed in the order of their numbers, other files are left out."""
    for number in (1_760_000_000_000_000, 99, 2_000_000_000_000_000):
        segment_path(tmp_path, number).touch()
    (tmp_path / "5.new").touch()
    numbers = [segment_number(path) for path in segment_paths(tmp_path)]
    assert numbers == [99, 1_760_000_000_000_000, 2_000_000_000_000_000]
