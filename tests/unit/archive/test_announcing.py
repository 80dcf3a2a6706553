"""Recordings that are complete are told of, each once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from media.recorder.finishing import READY, Finished
from switchboard.api.stream import EventStream
from switchboard.archive.announcing import Announcer
from switchboard.calls.news import NO_FEED, Feed, News, RecordingNews
from switchboard.store.calls import CallRepository
from switchboard.store.database import Database
from switchboard.store.recordings import RecordingRepository
from switchboard.store.records import CallRecord, RecordingRecord

NOW_US = 1_750_000_000_000_000
CALL = "01997c3e-5a10-7b2c-8d55-0f6a1c2d3e4f"
SHA = "5a" * 32


class Ears:
    """Takes news."""

    listening = True

    def __init__(self) -> None:
        self.heard: list[News] = []

    def publish(self, news: News) -> None:
        """Keep it."""
        self.heard.append(news)


class Listener:
    """An exchange's feed."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database."""
    opened = Database(tmp_path / "switchboard.db")
    yield opened
    opened.close()


def finish(spool: Path, path: str, recording: str = "r1") -> None:
    """What the recorder leaves in the spool."""
    spool.mkdir(exist_ok=True)
    one = Finished(recording=recording, path=path, seconds=2.00049, octets=64044, gaps=1, sha256=SHA)
    (spool / (Path(path).stem + READY)).write_bytes(msgspec.json.encode(one))


def announcer(spool: Path, database: Database, feed: Feed, logged: list[tuple[str, dict[str, object]]]) -> Announcer:
    """One that logs into a list."""
    return Announcer(
        spool,
        RecordingRepository(database),
        Listener(feed),
        lambda: NOW_US,
        lambda event, **values: logged.append((event, values)),
    )


async def test_it_is_told_once(tmp_path: Path, database: Database) -> None:
    """By the log and to those who listen."""
    ears, logged = Ears(), list[tuple[str, dict[str, object]]]()
    one = announcer(tmp_path / "spool", database, ears, logged)
    await one.look()
    assert (ears.heard, logged) == ([], [])
    finish(tmp_path / "spool", f"/var/recordings/2026-11-22/{CALL}-1.wav")
    await one.look()
    await one.look()
    expected = RecordingNews(
        recording="r1", call=CALL, kind="call", seconds=2.0, octets=64044, gaps=1, sha256=SHA, at_us=NOW_US
    )
    assert ears.heard == [expected]
    assert [event for event, _ in logged] == ["recording.ready"]
    assert logged[0][1]["sha256"] == SHA
    assert logged[0][1]["call_id"] == CALL


async def test_a_message_is_told_of(tmp_path: Path, database: Database) -> None:
    """By its own id."""
    ears = Ears()
    finish(tmp_path / "spool", f"/var/recordings/voicemail/{CALL}.wav", "message 1")
    await announcer(tmp_path / "spool", database, ears, []).look()
    assert [(news.kind, news.recording, news.call) for news in ears.heard if isinstance(news, RecordingNews)] == [
        ("voicemail", CALL, "")
    ]


async def test_a_recording_without_an_id_is_found(tmp_path: Path, database: Database) -> None:
    """In the record of its call; one that is not there is told without."""
    path = f"2026-11-22/{CALL}-2.wav"
    record = CallRecord(
        id=CALL, ended_us=NOW_US, recordings=[RecordingRecord(id="r7", path=path, started_us=NOW_US - 10)]
    )
    with database.writing() as connection:
        CallRepository(database).insert(connection, [record])
    ears = Ears()
    finish(tmp_path / "spool", f"/var/recordings/{path}", "")
    finish(tmp_path / "spool", f"/var/recordings/2026-11-22/{CALL}-3.wav", "")
    await announcer(tmp_path / "spool", database, ears, []).look()
    assert sorted(news.recording for news in ears.heard if isinstance(news, RecordingNews)) == ["", "r7"]


async def test_a_fault_of_the_database_loses_none(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs it waits in the spool, with what lies behind; what was told is not told again."""
    ears = Ears()
    for number in range(6):
        finish(
            tmp_path / "spool", f"/var/recordings/2026-11-22/{CALL}-{number}.wav", f"r{number}" if number % 2 else ""
        )
    one = announcer(tmp_path / "spool", database, ears, [])

    def away(self: RecordingRepository, *_: object) -> None:
        raise OSError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(RecordingRepository, "page", away)
        await one.look()
        await one.look()
    await one.look()
    await one.look()
    told = sorted(news.recording for news in ears.heard if isinstance(news, RecordingNews))
    assert told == ["", "", "", "r1", "r3", "r5"]
    assert not list((tmp_path / "spool").iterdir())


async def test_nobody_listens(tmp_path: Path, database: Database) -> None:
    """Then the log alone is told; a spool that cannot be read ends nothing."""
    logged = list[tuple[str, dict[str, object]]]()
    finish(tmp_path / "spool", f"/var/recordings/2026-11-22/{CALL}-1.wav")
    await announcer(tmp_path / "spool", database, NO_FEED, logged).look()
    assert len(logged) == 1
    (tmp_path / "file").write_text("")
    await announcer(tmp_path / "file", database, NO_FEED, logged).look()
    assert len(logged) == 1


def test_supervisors_may_see_it() -> None:
    """And no agent."""
    from switchboard.api.principal import Principal

    stream = EventStream(lambda: NOW_US)
    boss, _ = stream.subscribe(Principal(id="u0", name="boss", role="supervisor"))
    agent, _ = stream.subscribe(Principal(id="u1", name="zhang", role="agent", agent="zhang"))
    stream.publish(
        RecordingNews(recording="r1", call=CALL, kind="call", seconds=2.0, octets=1, gaps=0, sha256=SHA, at_us=NOW_US)
    )
    assert (len(boss), len(agent)) == (1, 0)
