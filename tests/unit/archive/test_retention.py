"""How long audio is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from media.recorder.wav import header
from switchboard.archive.deleting import deleted_at
from switchboard.archive.retention import REST, SLICE, Kept, Retention
from switchboard.store.database import Database
from switchboard.store.records import MessageRecord
from switchboard.store.voicemail import Message, MessageRepository

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
"""The 23rd in Shanghai."""
DAY = 86_400.0


class Clock:
    """UTC microseconds."""

    at = round(NOW.timestamp() * 1e6)

    def __call__(self) -> int:
        """Return the time now."""
        return self.at


def no_messages(before_us: int, limit: int, after: tuple[int, str] | None = None) -> Sequence[Message]:
    """Nobody has left any."""
    return []


def audio(directory: Path, day: str, name: str) -> Path:
    """A recording with its sidecar."""
    path = directory / day / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header(2, 4) + bytes(4))
    path.with_name(name.partition(".")[0] + ".json").write_text('{"recording": "r1", "gap_count": 0}')
    return path


def retention(directory: Path, days: float, clock: Clock, rests: list[float] | None = None) -> Retention:
    """One for recordings alone."""
    rests = [] if rests is None else rests
    return Retention(
        directory, Kept(days * DAY), no_messages, lambda message: None, ZONE, utc_us=clock, rest=rests.append
    )


def test_days_that_are_over_for_long(tmp_path: Path) -> None:
    """Every form of audio goes and leaves a mark; the newest days, and what is no day, stay."""
    old = [
        audio(tmp_path, "2026-11-12", "a-1.wav"),
        audio(tmp_path, "2026-11-12", "b-1.wav.sealed"),
        audio(tmp_path, "2025-01-01", "c-1.ogg"),
        audio(tmp_path, "2025-01-01", "d-2.ogg.sealed"),
    ]
    young = [
        audio(tmp_path, "2026-11-13", "e-1.wav"),
        audio(tmp_path, "2026-11-23", "f-1.wav"),
        audio(tmp_path, "voicemail", "g.wav"),
        audio(tmp_path, "2025-01-01", "h-1.part.wav"),
    ]
    (tmp_path / "2025-01-01" / "notes.txt").write_text("")
    clock = Clock()
    one = retention(tmp_path, 10, clock)
    assert one.sweep_recordings() == 4
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)
    assert (tmp_path / "2025-01-01" / "notes.txt").exists()
    sidecar = json.loads((tmp_path / "2026-11-12" / "b-1.json").read_text())
    assert sidecar == {
        "recording": "r1",
        "gap_count": 0,
        "deleted": {"at": NOW.isoformat(), "by": "retention", "why": "kept for 10 days"},
    }
    assert deleted_at(tmp_path / "2026-11-12" / "b-1.wav") == NOW
    assert deleted_at(young[0]) is None
    assert one.sweep_recordings() == 0


def test_the_next_day(tmp_path: Path) -> None:
    """The day that is too old now, and it alone is looked at; at the next start all are."""
    audio(tmp_path, "2026-11-12", "a-1.wav")
    clock = Clock()
    one = retention(tmp_path, 10, clock)
    assert one.sweep_recordings() == 1
    audio(tmp_path, "2026-11-12", "late-1.wav")
    audio(tmp_path, "2026-11-13", "b-1.wav")
    clock.at += round(DAY * 1e6)
    assert one.sweep_recordings() == 1
    assert retention(tmp_path, 10, clock).sweep_recordings() == 1


def test_slices(tmp_path: Path) -> None:
    """After so many files there is a rest."""
    for number in range(2 * SLICE + 1):
        audio(tmp_path, "2020-01-01", f"{number}-1.wav")
    rests: list[float] = []
    assert retention(tmp_path, 10, Clock(), rests).sweep_recordings() == 2 * SLICE + 1
    assert rests == [REST, REST]


async def test_a_fault_ends_nothing(tmp_path: Path) -> None:
    """It is tried again the next day."""
    path = audio(tmp_path, "2020-01-01", "a-1.wav")
    sidecar = path.with_suffix(".json")
    sidecar.unlink()
    sidecar.mkdir()
    one = retention(tmp_path, 10, Clock())
    await one.sweep()
    sidecar.rmdir()
    path.write_bytes(b"")
    await one.sweep()
    assert not path.exists()


def test_one_that_cannot_be_deleted_keeps_no_other(tmp_path: Path) -> None:
    """Nor does a day that is none; the day is looked at again the next time."""
    (tmp_path / "2019-01-01").write_text("")
    stuck = tmp_path / "2020-01-01" / "a-1.wav"
    stuck.mkdir(parents=True)
    others = [audio(tmp_path, "2020-01-01", "b-1.wav"), audio(tmp_path, "2020-01-02", "c-1.wav")]
    one = retention(tmp_path, 10, Clock())
    assert one.sweep_recordings() == 2
    assert not any(path.exists() for path in others)
    stuck.rmdir()
    stuck.write_bytes(b"")
    assert one.sweep_recordings() == 1
    assert not stuck.exists()


async def test_a_message_that_cannot_be_deleted_stays_in_its_box(tmp_path: Path) -> None:
    """Its audio would lie there for ever, known to nobody; those behind it go."""
    clock = Clock()
    old = clock.at - round(8 * DAY * 1e6)
    records = [
        MessageRecord(id=name, box="sales", path=f"voicemail/{name}.wav", left_us=old, seconds=1.0)
        for name in ("m1", "m2")
    ]
    messages = [Message(record, "new", None, "") for record in records]
    stuck = tmp_path / "voicemail" / "m1.wav"
    stuck.mkdir(parents=True)
    audio(tmp_path, "voicemail", "m2.wav")

    def older(before_us: int, limit: int, after: tuple[int, str] | None = None) -> Sequence[Message]:
        return [one for one in messages if after is None or one.record.id > after[1]]

    def forget(message: Message) -> None:
        messages.remove(message)

    one = Retention(tmp_path, Kept(None, 7 * DAY), older, forget, ZONE, utc_us=clock)
    await one.sweep()
    assert [message.record.id for message in messages] == ["m1"]
    assert list((tmp_path / "voicemail").iterdir()) == [stuck]
    stuck.rmdir()
    stuck.write_bytes(b"")
    await one.sweep()
    assert (messages, stuck.exists()) == ([], False)


async def test_messages_in_no_box_are_deleted_as_well(tmp_path: Path) -> None:
    """Of a call that broke off while its message was taken down nobody else knows."""
    clock = Clock()
    for name, days in (("old.wav", 8), ("sealed.wav.sealed", 9), ("left.part.wav", 8), ("young.wav", 6)):
        at = clock.at / 1e6 - days * DAY
        os.utime(audio(tmp_path, "voicemail", name), (at, at))
    one = Retention(tmp_path, Kept(None, 7 * DAY), no_messages, lambda message: None, ZONE, utc_us=clock)
    await one.sweep()
    assert sorted(path.name for path in (tmp_path / "voicemail").iterdir()) == ["left.json", "young.json", "young.wav"]


async def test_all_is_kept(tmp_path: Path) -> None:
    """Without a time; then it is over at once."""
    path = audio(tmp_path, "2020-01-01", "a-1.wav")
    one = Retention(tmp_path, Kept(), no_messages, lambda message: None, ZONE)
    await one.watch()
    await one.sweep()
    assert path.exists()
    assert retention(tmp_path / "none", 10, Clock()).sweep_recordings() == 0


@pytest.mark.parametrize("count", [3, 2 * SLICE + 5])
async def test_messages_have_a_time_of_their_own(tmp_path: Path, count: int) -> None:
    """The old ones leave their boxes with all their files, also while the database does not know of it yet."""
    database = Database(tmp_path / "switchboard.db")
    repository = MessageRepository(database)
    clock = Clock()
    records = [
        MessageRecord(
            id=f"m{number}", box="sales", path=f"voicemail/m{number}.wav", left_us=clock.at - age, seconds=1.0
        )
        for number, age in enumerate([round(8 * DAY * 1e6)] * count + [round(6 * DAY * 1e6)])
    ]
    with database.writing() as connection:
        repository.insert(connection, records)
    for record in records:
        seconds = record.left_us / 1e6
        os.utime(audio(tmp_path, "voicemail", Path(record.path).name), (seconds, seconds))
    forgotten: list[str] = []
    one = Retention(
        tmp_path,
        Kept(None, 7 * DAY),
        repository.older,
        lambda message: forgotten.append(message.record.id),
        ZONE,
        utc_us=clock,
    )
    await one.sweep()
    database.close()
    assert sorted(forgotten) == sorted(record.id for record in records[:-1])
    assert sorted(path.name for path in (tmp_path / "voicemail").iterdir()) == [f"m{count}.json", f"m{count}.wav"]
