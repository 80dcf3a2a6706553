"""Recordings and voice messages over the API."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from media.recorder.files import Files
from media.recorder.wav import header
from media.recording_keys import KeyRing
from switchboard.api.audio import Span, read_range
from switchboard.api.problems import ApiError
from switchboard.store.records import MessageRecord, RecordingRecord, encode_record
from switchboard.store.segments import Kind
from tests.support.api_switch import ApiSwitch, Client
from tests.support.records import call_record

WAV = b"RIFF" + bytes(range(256)) * 800
"""Longer than what is sent at a time."""


@pytest.fixture
def recording(switch: ApiSwitch) -> str:
    """A recorded call is stored; the recording's id."""
    record = call_record(1)
    record.recordings = [RecordingRecord(id="rec-1", path="2026/rec-1.wav", started_us=record.started_us, seconds=3.0)]
    (switch.recordings / "2026").mkdir()
    (switch.recordings / "2026" / "rec-1.wav").write_bytes(WAV)
    (switch.recordings / "2026" / "rec-1.json").write_text("{}")
    switch.store.journal.append(Kind.ENDED, record.id, encode_record(record))
    return "rec-1"


def leave(switch: ApiSwitch, number: int, box: str) -> str:
    """Somebody leaves a message; its id."""
    message = MessageRecord(
        id=f"message-{number}", box=box, path=f"m{number}.wav", left_us=number, seconds=2.0, caller_masked="139****1234"
    )
    (switch.recordings / message.path).write_bytes(WAV)
    switch.store.voicemail.add(message)
    return message.id


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (None, None),
        ("bytes=0-99", Span(0, 99)),
        ("bytes=10-", Span(10, 999)),
        ("bytes=-100", Span(900, 999)),
        ("bytes=-5000", Span(0, 999)),
        ("bytes=990-5000", Span(990, 999)),
        (" bytes = 1 - 2 ", Span(1, 2)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
        ("bytes=a-b", None),
    ],
)
def test_ranges_are_read(text: str | None, span: Span | None) -> None:
    """RFC 9110 §14.1.2; a form that is not understood asks for the whole."""
    assert read_range(text, 1000) == span


@pytest.mark.parametrize("text", ["bytes=1000-", "bytes=1000-1001", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(text: str) -> None:
    """416 tells how long the file is."""
    with pytest.raises(ApiError) as error:
        read_range(text, 1000)
    assert (error.value.status, error.value.headers) == (416, {"Content-Range": "bytes */1000"})


def test_a_recording_is_heard_whole_and_in_parts(switch: ApiSwitch, boss: Client, recording: str) -> None:
    """200 for all of it, 206 for a range, 416 beyond; who heard it is in the log."""
    assert boss("GET", f"/recordings/{recording}/audio") == WAV
    assert boss.answer.headers["content-type"] == "audio/wav"
    assert boss.answer.headers["content-length"] == str(len(WAV))
    part = boss("GET", f"/recordings/{recording}/audio", 206, headers={"Range": "bytes=100-70099"})
    assert part == WAV[100:70100]
    assert boss.answer.headers["content-range"] == f"bytes 100-70099/{len(WAV)}"
    boss("GET", f"/recordings/{recording}/audio", 416, headers={"Range": f"bytes={len(WAV)}-"})
    heard = [entry for entry in switch.store.audit.page() if entry.action == "recording.heard"]
    assert [entry.subject for entry in heard] == ["rec-1", "rec-1"]


def test_a_sealed_recording_is_heard_as_a_plain_one(switch: ApiSwitch, boss: Client, recording: str) -> None:
    """Whole and in parts; without its key it is an error that the log knows of, and no octet of it is sent."""
    pcm = WAV * 2
    keys = switch.store.directory / "keys"
    path = switch.recordings / "2026" / "rec-1.wav"
    path.unlink()
    file = Files(KeyRing(keys), seal=True).open(path, 2)
    file.write(0, pcm)
    file.finish(len(pcm) // 4)
    wav = header(2, len(pcm)) + pcm
    assert boss("GET", f"/recordings/{recording}/audio") == wav
    assert boss.answer.headers["content-type"] == "audio/wav"
    assert boss("GET", f"/recordings/{recording}/audio", 206, headers={"Range": "bytes=40-150099"}) == wav[40:150100]
    assert boss.answer.headers["content-range"] == f"bytes 40-150099/{len(wav)}"
    assert boss("GET", f"/recordings/{recording}")["there"] is True
    (keys / "recording-1.key").unlink()
    boss("GET", f"/recordings/{recording}/audio", 404)


def test_recordings_are_listed(boss: Client, anna: Client, auditor: Client, recording: str) -> None:
    """By call and time; agents see none."""
    (one,) = boss("GET", "/recordings")["items"]
    assert (one["id"], one["seconds"], one["there"]) == (recording, 3.0, True)
    assert auditor("GET", f"/recordings?call={one['call']}")["items"] == [one]
    assert auditor("GET", "/recordings?call=none")["items"] == []
    assert auditor("GET", "/recordings?until=2020-01-01T00:00:00Z")["items"] == []
    anna("GET", "/recordings", 403)
    boss("GET", "/recordings/none", 404)


def test_deleting_a_recording_leaves_the_record(switch: ApiSwitch, admin: Client, boss: Client, recording: str) -> None:
    """The file is gone, the call is not, and what is beside it tells when and why; a reason is needed."""
    boss("DELETE", f"/recordings/{recording}?reason=gdpr", 403)
    admin("DELETE", f"/recordings/{recording}", 400)
    admin("DELETE", f"/recordings/{recording}?reason=wish%20of%20the%20caller", 204)
    (sidecar,) = (switch.recordings / "2026").iterdir()
    mark = json.loads(sidecar.read_text())["deleted"]
    assert (mark["by"], mark["why"]) == (switch.store.audit.page()[0].who, "wish of the caller")
    told = admin("GET", f"/recordings/{recording}")
    assert told["there"] is False
    assert datetime.fromisoformat(told["deleted"]) == datetime.fromisoformat(mark["at"])
    admin("GET", f"/recordings/{recording}/audio", 404)
    assert switch.store.audit.page()[0].detail == "wish of the caller"
    admin("DELETE", f"/recordings/{recording}?reason=once%20more", 204)
    assert json.loads(sidecar.read_text())["deleted"] == mark


def test_no_file_outside_of_the_directory_is_sent(switch: ApiSwitch, boss: Client) -> None:
    """Whatever a record says."""
    record = call_record(2)
    record.recordings = [RecordingRecord(id="rec-2", path="../store/switchboard.db", started_us=1)]
    switch.store.journal.append(Kind.ENDED, record.id, encode_record(record))
    boss("GET", "/recordings/rec-2/audio", 404)


def test_messages_are_heard_marked_and_deleted(switch: ApiSwitch, anna: Client) -> None:
    """The lamp of the box follows every change; a deleted message is gone with its file."""
    message = leave(switch, 1, "sales")
    assert anna("GET", f"/voicemail/{message}/audio") == WAV
    assert anna("GET", f"/voicemail/{message}")["state"] == "new"
    assert anna("PUT", f"/voicemail/{message}/state", json={"state": "heard"})["state"] == "heard"
    assert anna("PUT", f"/voicemail/{message}/state", json={"state": "new"})["state"] == "new"
    assert switch.store.voicemail.waiting("sales").new == 1
    anna("DELETE", f"/voicemail/{message}", 204)
    assert switch.lamps == ["sales", "sales", "sales"]
    anna("GET", f"/voicemail/{message}", 404)
    assert not (switch.recordings / "m1.wav").exists()
    assert switch.store.voicemail.waiting("sales").new == 0


def test_agents_open_their_own_boxes(switch: ApiSwitch, anna: Client, carl: Client, boss: Client) -> None:
    """Their own, that of their phone and those of their groups; supervisors all."""
    first, second, third = leave(switch, 1, "sales"), leave(switch, 2, "anna"), leave(switch, 3, "care")
    assert [one["id"] for one in anna("GET", "/voicemail")["items"]] == [second, first]
    assert [one["id"] for one in boss("GET", "/voicemail")["items"]] == [third, second, first]
    assert [one["id"] for one in anna("GET", "/voicemail?box=sales")["items"]] == [first]
    anna("GET", "/voicemail?box=care", 403)
    for ask in (
        ("GET", f"/voicemail/{first}"),
        ("GET", f"/voicemail/{first}/audio"),
        ("DELETE", f"/voicemail/{first}"),
    ):
        carl(*ask, 403)


def test_messages_are_paged_by_state(switch: ApiSwitch, boss: Client) -> None:
    """Newest first; only new ones when that is asked for."""
    ids = [leave(switch, number, "sales") for number in (1, 2, 3)]
    boss("PUT", f"/voicemail/{ids[1]}/state", json={"state": "heard"})
    page = boss("GET", "/voicemail?state=new&limit=1")
    rest = boss("GET", f"/voicemail?state=new&limit=1&cursor={page['next']}")
    assert [one["id"] for one in (*page["items"], *rest["items"])] == [ids[2], ids[0]]
    assert rest["next"] is None
