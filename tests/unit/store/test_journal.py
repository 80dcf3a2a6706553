"""The journal: what is appended is on disk, and a disk that fails harms no call."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from switchboard.store import journal as journal_module
from switchboard.store.journal import Journal
from switchboard.store.recovery import open_calls
from switchboard.store.segments import Entry, Kind, read_segment, segment_number, segment_paths

ROOT = Path(__file__).parents[3]


def entries(directory: Path) -> list[Entry]:
    """Everything in the journal, in order."""
    return [entry for path in segment_paths(directory) for entry in read_segment(path)]


def payloads(directory: Path, kind: int) -> list[bytes]:
    """The payloads of one kind of entry."""
    return [entry.payload for entry in entries(directory) if entry.kind == kind]


class Disk:
    """Stands between the journal and os.write; it can be told to fail."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.failing = False
        self.short = False
        self.writes = 0
        self._write = os.write
        monkeypatch.setattr(journal_module.os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        """As os.write, or half of it, or an error."""
        self.writes += 1
        if self.failing:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(fd, data[: len(data) // 2] if self.short else data)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk that can be made to fail; retries are tried at once."""
    monkeypatch.setattr(journal_module, "RETRY_SECONDS", 0.0)
    return Disk(monkeypatch)


@contextmanager
def opened(directory: Path, **settings: int) -> Iterator[Journal]:
    """A journal whose thread does nothing by itself, so that the test is the only actor."""
    journal = Journal(directory, sync_seconds=3600.0, **settings)
    try:
        yield journal
    finally:
        journal.close()


class TestAppend:
    """What append leaves in the file."""

    def test_is_one_write_and_in_the_file_at_once(self, tmp_path: Path, disk: Disk) -> None:
        """Each record is exactly one write(2), readable before any sync."""
        with opened(tmp_path) as journal:
            for kind in (Kind.OPENED, Kind.CHANGED, Kind.ENDED):
                journal.append(kind, "call", bytes([kind]))
            assert disk.writes == 3
            assert [(entry.kind, entry.payload) for entry in entries(tmp_path)] == [
                (1, b"\x01"), (2, b"\x02"), (3, b"\x03"),
            ]  # fmt: skip
            assert journal.counts()["appended"] == 3

    def test_gathered_records_are_one_write(self, tmp_path: Path, disk: Disk) -> None:
        """They are written by `flush`, in order; a further record is written at once again."""
        with opened(tmp_path) as journal:
            journal.gather()
            journal.append(Kind.OPENED, "call", b"a")
            journal.append(Kind.ENDED, "call", b"b")
            assert entries(tmp_path) == []
            before = disk.writes
            journal.flush()
            journal.flush()
            assert disk.writes == before + 1
            assert [entry.payload for entry in entries(tmp_path)] == [b"a", b"b"]
            assert journal.counts()["appended"] == 2
            journal.append(Kind.ENDED, "other", b"c")
            assert payloads(tmp_path, Kind.ENDED) == [b"b", b"c"]

    def test_gathered_records_survive_a_failing_disk_and_a_close(self, tmp_path: Path, disk: Disk) -> None:
        """What ended waits in memory as it does one by one; what was not flushed is written at the end."""
        with opened(tmp_path) as journal:
            journal.gather()
            journal.append(Kind.OPENED, "call", b"a")
            journal.append(Kind.ENDED, "call", b"b")
            disk.failing = True
            journal.flush()
            assert journal.counts()["backlog"] == 1
            disk.failing = False
            journal.sync()
            assert payloads(tmp_path, Kind.ENDED) == [b"b"]
            journal.gather()
            journal.append(Kind.ENDED, "other", b"c")
        assert payloads(tmp_path, Kind.ENDED) == [b"b", b"c"]

    def test_gathered_records_are_in_the_file_that_a_new_segment_follows(self, tmp_path: Path) -> None:
        """A new segment only says that a call has ended, so its record goes into the old one before."""
        with opened(tmp_path, segment_bytes=1) as journal:
            journal.append(Kind.OPENED, "call", b"a")
            journal.gather()
            journal.append(Kind.ENDED, "call", b"b")
            journal.sync()
            assert len(segment_paths(tmp_path)) == 2
            assert payloads(tmp_path, Kind.ENDED) == [b"b"]
            assert open_calls(tmp_path) == []

    def test_a_flush_waits_for_another_thread_that_writes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was gathered may be among what that one has taken; who flushes is about to tell peers of it."""
        begun, may_go, write = threading.Event(), threading.Event(), os.write

        def slow(fd: int, data: bytes) -> int:
            begun.set()
            may_go.wait(20)
            return write(fd, data)

        with opened(tmp_path) as journal:
            journal.gather()
            journal.append(Kind.ENDED, "call", b"a")
            monkeypatch.setattr(journal_module.os, "write", slow)
            threads = [threading.Thread(target=journal.flush) for _ in range(2)]
            threads[0].start()
            begun.wait(20)
            threads[1].start()
            threads[1].join(0.1)
            waits = threads[1].is_alive()
            may_go.set()
            for thread in threads:
                thread.join()
            assert waits
            assert payloads(tmp_path, Kind.ENDED) == [b"a"]

    def test_a_change_of_a_closed_call_is_not_written(self, tmp_path: Path) -> None:
        """A late CHANGED would open the call again, so it is counted as stray."""
        with opened(tmp_path) as journal:
            journal.append(Kind.OPENED, "call", b"")
            journal.append(Kind.ENDED, "call", b"")
            journal.append(Kind.CHANGED, "call", b"late")
            journal.append(Kind.CHANGED, "never", b"late")
            assert payloads(tmp_path, Kind.CHANGED) == []
            assert journal.counts()["stray"] == 2

    def test_other_kinds_are_kept(self, tmp_path: Path) -> None:
        """Records of other parts are written and change nothing about calls."""
        with opened(tmp_path) as journal:
            journal.append(90, "", b"note")
            assert payloads(tmp_path, 90) == [b"note"]
            assert journal.counts()["open"] == 0

    def test_a_call_may_end_without_opening(self, tmp_path: Path) -> None:
        """A call refused at once needs its ENDED only."""
        with opened(tmp_path) as journal:
            journal.append(Kind.ENDED, "call", b"refused")
        assert payloads(tmp_path, Kind.ENDED) == [b"refused"]

    def test_each_start_has_its_own_segment(self, tmp_path: Path) -> None:
        """A new journal never appends behind what another one may have left torn."""
        with opened(tmp_path) as journal:
            journal.append(Kind.ENDED, "first", b"")
        with opened(tmp_path) as journal:
            journal.append(Kind.ENDED, "second", b"")
            assert journal.current_segment == max(map(segment_number, segment_paths(tmp_path)))
        assert [entry.call_id for entry in entries(tmp_path)] == ["first", "second"]
        assert len(segment_paths(tmp_path)) == 2

    def test_several_threads_may_append(self, tmp_path: Path) -> None:
        """Records of different threads do not mix."""
        with opened(tmp_path, segment_bytes=20_000) as journal:

            def work(name: str) -> None:
                for number in range(300):
                    journal.append(Kind.ENDED, f"{name}-{number}", name.encode() * 50)

            threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(entry.call_id for entry in entries(tmp_path)) == sorted(
            f"{name}-{number}" for name in "abc" for number in range(300)
        )


class TestSegments:
    """Rotation by size."""

    def test_a_new_segment_begins_with_the_open_calls(self, tmp_path: Path) -> None:
        """The last snapshot of each open call heads the new segment, so the old one is not needed for them."""
        with opened(tmp_path, segment_bytes=1000) as journal:
            journal.append(Kind.OPENED, "open", b"first")
            journal.append(Kind.CHANGED, "open", b"last")
            journal.append(Kind.OPENED, "over", b"")
            journal.append(Kind.ENDED, "over", b"x" * 1000)
            journal.sync()
            old, new = segment_paths(tmp_path)
            assert [(entry.call_id, entry.payload) for entry in read_segment(new)] == [("open", b"last")]
            old.unlink()
        assert [entry.payload for entry in open_calls(tmp_path)] == [b"last"]

    def test_what_happens_while_the_head_is_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Calls that open, change and end meanwhile stand in the new segment as they are at its end."""
        with opened(tmp_path, segment_bytes=1) as journal:
            for name in ("still", "changes", "ends"):
                journal.append(Kind.OPENED, name, b"before")
            write, done = journal_module._write_all, []

            def busy(fd: int, frames: list[bytes]) -> int:
                size = write(fd, frames)
                if not done:
                    done.append(1)
                    journal.append(Kind.CHANGED, "changes", b"after")
                    journal.append(Kind.ENDED, "ends", b"ended")
                    journal.append(Kind.OPENED, "opens", b"new")
                return size

            monkeypatch.setattr(journal_module, "_write_all", busy)
            journal.sync()
            old, new = segment_paths(tmp_path)
            ended = [entry.call_id for entry in read_segment(old) if entry.kind == Kind.ENDED]
            assert ended == ["ends"]
            assert not [entry for entry in read_segment(new) if entry.kind == Kind.ENDED]
            old.unlink()
            found = {entry.call_id: entry.payload for entry in open_calls(tmp_path)}
        assert found == {"still": b"before", "changes": b"after", "opens": b"new"}

    def test_the_size_that_counts_is_what_was_appended(self, tmp_path: Path) -> None:
        """However large the head of a segment is, it is not full by itself."""
        with opened(tmp_path, segment_bytes=1000) as journal:
            for number in range(20):
                journal.append(Kind.OPENED, str(number), b"x" * 200)
            journal.sync()
            journal.append(Kind.ENDED, "0", b"")
            journal.sync()
            assert journal.counts()["segments"] == 2

    def test_a_head_left_unfinished_by_a_kill_is_cleared(self, tmp_path: Path) -> None:
        """The next start takes away the file that was not renamed yet."""
        (tmp_path / "00000000000000000099.new").write_bytes(b"half")
        with opened(tmp_path):
            assert list(tmp_path.glob("*.new")) == []

    def test_durable_follows_the_sync(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A segment counts as durable only when its head and its name are on disk."""

        def broken(directory: Path) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(journal_module, "RETRY_SECONDS", 0.0)
        with opened(tmp_path, segment_bytes=100) as journal:
            journal.sync()
            assert journal.durable_segment == journal.current_segment
            first = journal.durable_segment
            journal.append(Kind.ENDED, "call", b"x" * 100)
            with monkeypatch.context() as patch:
                patch.setattr(journal_module, "sync_directory", broken)
                journal.sync()
            assert journal.current_segment > journal.durable_segment == first
            journal.sync()
            assert journal.current_segment == journal.durable_segment > first

    def test_no_half_begun_segment_is_left(self, tmp_path: Path, disk: Disk) -> None:
        """When a new segment cannot be begun, no file is left of it and the old one goes on."""
        with opened(tmp_path, segment_bytes=100) as journal:
            journal.append(Kind.OPENED, "open", b"snapshot")
            journal.append(Kind.ENDED, "call", b"x" * 100)
            disk.short = True
            journal.sync()
            assert len(list(tmp_path.iterdir())) == 1
            assert not journal.failing
            disk.short = False
            journal.append(Kind.ENDED, "later", b"")
            journal.sync()
        assert [entry.call_id for entry in entries(tmp_path)] == ["open", "call", "later", "open"]


class TestFailingDisk:
    """A disk that is full or broken."""

    def test_nothing_is_lost_when_it_recovers(self, tmp_path: Path, disk: Disk) -> None:
        """Ended calls of the failing time, and the open ones, are in the journal afterwards."""
        with opened(tmp_path) as journal:
            journal.append(Kind.OPENED, "before", b"snapshot")
            disk.failing = True
            journal.append(Kind.OPENED, "during", b"first")
            journal.append(Kind.CHANGED, "during", b"last")
            journal.append(Kind.OPENED, "over", b"")
            journal.append(Kind.ENDED, "over", b"ended")
            assert journal.failing
            assert journal.counts()["backlog"] == 1
            disk.failing = False
            journal.sync()
            assert not journal.failing
            journal.append(Kind.ENDED, "before", b"ended too")
        assert payloads(tmp_path, Kind.ENDED) == [b"ended", b"ended too"]
        assert [(entry.call_id, entry.payload) for entry in open_calls(tmp_path)] == [("during", b"last")]

    def test_a_half_written_record_is_cut_off(self, tmp_path: Path, disk: Disk) -> None:
        """When the disk takes a part of a record, the segment ends before it and another one has it whole."""
        with opened(tmp_path) as journal:
            journal.append(Kind.ENDED, "first", b"whole")
            disk.short = True
            journal.append(Kind.ENDED, "second", b"cut")
            disk.short = False
            journal.sync()
            journal.append(Kind.ENDED, "third", b"whole")
        assert [entry.call_id for entry in entries(tmp_path)] == ["first", "second", "third"]
        assert all(reading.torn == 0 for path in segment_paths(tmp_path) if list(reading := read_segment(path)))

    def test_the_backlog_is_bounded(self, tmp_path: Path, disk: Disk) -> None:
        """Beyond its bound the oldest records go, and are counted."""
        with opened(tmp_path, backlog_records=3) as journal:
            disk.failing = True
            for number in range(5):
                journal.append(Kind.ENDED, str(number), b"")
            assert (journal.counts()["backlog"], journal.counts()["lost"]) == (3, 2)
            disk.failing = False
        assert [entry.call_id for entry in entries(tmp_path)] == ["2", "3", "4"]

    def test_it_is_said_once_a_minute(self, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
        """A hundred failures are one line, the next one comes a minute later."""
        clock = [1000.0]
        monkeypatch.setattr(journal_module.time, "monotonic", lambda: clock[0])
        with opened(tmp_path) as journal, capture_logs() as logs:
            disk.failing = True
            for number in range(100):
                clock[0] += 0.5
                journal.append(Kind.ENDED, str(number), b"")
                journal.sync()
            assert [line["event"] for line in logs] == ["journal.write_failed"]
            assert journal.counts()["failed"] == 101  # one write, then a hundred new segments
            clock[0] += 60.0
            journal.sync()
            assert [line["event"] for line in logs] == ["journal.write_failed"] * 2
            disk.failing = False

    def test_it_is_not_tried_at_every_record(self, tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
        """Between two attempts records only wait, so a broken disk costs calls nothing."""
        monkeypatch.setattr(journal_module, "RETRY_SECONDS", 3600.0)
        with opened(tmp_path) as journal:
            disk.failing = True
            for number in range(100):
                journal.append(Kind.ENDED, str(number), b"")
                journal.sync()
            assert disk.writes == 1
            disk.failing = False

    def test_closing_says_what_is_lost(self, tmp_path: Path, disk: Disk) -> None:
        """What cannot be written at the end is reported by number."""
        with capture_logs() as logs:
            with opened(tmp_path) as journal:
                disk.failing = True
                journal.append(Kind.ENDED, "call", b"")
            disk.failing = False
        assert logs[-1] == {"event": "journal.records_lost", "records": 1, "log_level": "error"}

    def test_a_failed_sync_writes_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After fsync failed the kernel may have dropped the pages, so the records go to a new segment."""
        sync, broken = os.fdatasync, [True]

        def fdatasync(fd: int) -> None:
            if broken[0]:
                raise OSError(errno.EIO, "Input/output error")
            sync(fd)

        with opened(tmp_path) as journal:
            journal.append(Kind.OPENED, "open", b"snapshot")
            journal.append(Kind.ENDED, "over", b"ended")
            monkeypatch.setattr(journal_module.os, "fdatasync", fdatasync)
            journal.sync()
            assert journal.failing
            broken[0] = False
            segment_paths(tmp_path)[0].unlink()
        assert payloads(tmp_path, Kind.ENDED) == [b"ended"]
        assert [entry.call_id for entry in open_calls(tmp_path)] == ["open"]

    def test_a_directory_that_cannot_be_synced_is_a_failure(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without its directory entry a segment is not durable."""

        def broken(directory: Path) -> None:
            raise OSError(errno.EIO, "Input/output error")

        with opened(tmp_path) as journal:
            with monkeypatch.context() as patch:
                patch.setattr(journal_module, "sync_directory", broken)
                journal.sync()
            assert (journal.durable_segment, journal.counts()["failed"]) == (0, 1)

    def test_a_real_limit_of_the_kernel(self, tmp_path: Path) -> None:
        """With a file size limit the kernel itself refuses, and every record is there after it is lifted."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        with opened(tmp_path) as journal:
            try:
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
                for number in range(50):
                    journal.append(Kind.ENDED, str(number), b"x" * 90)
                assert journal.failing
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert [entry.call_id for entry in entries(tmp_path)] == [str(number) for number in range(50)]

    def test_the_start_fails_when_nothing_can_be_written(self, tmp_path: Path) -> None:
        """A journal that cannot even begin says so, before any call is taken."""
        (tmp_path / "journal").write_text("a file")
        with pytest.raises(OSError, match="exists"):
            Journal(tmp_path / "journal")


def test_it_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the directory above it allows."""
    Journal(tmp_path / "journal").close()
    (segment,) = segment_paths(tmp_path / "journal")
    assert [path.stat().st_mode & 0o777 for path in (segment.parent, segment)] == [0o700, 0o600]


def test_the_thread_syncs_by_itself(tmp_path: Path) -> None:
    """An append is synced without anybody asking, and closing twice is harmless."""
    journal = Journal(tmp_path, sync_seconds=0.0)
    synced = threading.Event()
    original = journal._sync_once

    def observed() -> None:
        original()
        synced.set()

    journal._sync_once = observed  # type: ignore[method-assign]
    journal.append(Kind.ENDED, "call", b"")
    assert synced.wait(10)
    journal.close()
    journal.close()
    assert journal.durable_segment == journal.current_segment


def test_the_thread_keeps_its_pace_until_a_quiet_round(tmp_path: Path) -> None:
    """It waits to be told only after a round in which nothing came, and is told of what comes next."""
    journal = Journal(tmp_path, sync_seconds=3600.0)
    for _ in range(2):
        journal.append(Kind.ENDED, "call", b"")
        journal.sync()
        assert journal._wake.is_set()
        journal.sync()
        assert not journal._wake.is_set()
    journal.close()


@pytest.mark.parametrize("segment_bytes", [50_000, 16_000_000])
def test_kill_9_loses_nothing(tmp_path: Path, segment_bytes: int) -> None:
    """Every call that a killed process had journaled is read back, whole and once."""
    command = [sys.executable, "-m", "tests.support.journal_writer", str(tmp_path), str(segment_bytes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
        assert child.stdout is not None
        said = 0
        while said < 2000:
            said = int(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        said = max([said, *map(int, child.stdout.read().split(b"\n")[:-1])])
    ended = {int(entry.call_id[-12:]) for entry in entries(tmp_path) if entry.kind == Kind.ENDED}
    assert ended >= {number for number in range(said + 1) if number % 7}
    still_open = {int(entry.call_id[-12:]) for entry in open_calls(tmp_path)}
    assert still_open >= {number for number in range(said + 1) if not number % 7}
    assert still_open.isdisjoint(ended)
    assert max(ended | still_open) <= said + 1
