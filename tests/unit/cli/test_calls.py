"""`switchboard calls`: what is printed of the calls in a store."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from media.recorder.files import Files
from media.recorder.wav import header
from media.recording_keys import KeyRing
from switchboard.calls_cli import app
from switchboard.store.audit import AuditLog
from switchboard.store.callbacks import CallbackRepository
from switchboard.store.calls import CallRepository
from switchboard.store.journal import Journal
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.records import CallbackStateRecord, CallRecord, RecordingRecord, encode_record, encode_snapshot
from switchboard.store.segments import Kind
from tests.support.masks import number_row
from tests.support.records import call_record, callback_record
from tests.unit.cli.conftest import MARKED, World


def keep(world: World, *records: CallRecord) -> None:
    """Store calls."""
    with world.database.writing() as connection:
        CallRepository(world.database).insert(connection, records)


def listed(result: Result) -> list[int]:
    """The numbers of the calls in a list, as printed."""
    assert result.exit_code == 0, result.output
    return [int(call["id"][-12:]) for call in json.loads(result.output)]


def found(world: World, *options: str) -> list[int]:
    """The numbers of the calls that fit."""
    return listed(world.run(app, "list", "--format", "json", *options))


class TestList:
    """Listing calls."""

    def test_newest_first_and_limited(self, world: World) -> None:
        """The last ones come first, at most as many as wanted."""
        keep(world, *(call_record(number) for number in range(5)))
        assert found(world) == [4, 3, 2, 1, 0]
        assert found(world, "--limit", "2") == [4, 3]

    def test_a_line_tells_the_essentials(self, world: World) -> None:
        """Caller masked, called number with extension, flow, length and outcome."""
        keep(world, call_record(1))
        lines = world.run(app, "list").output.splitlines()
        assert lines[0].split() == ["began", "call", "caller", "called", "flow", "lasted", "outcome"]
        assert lines[1].split()[2:] == [
            call_record(1).id, "139****1234", "4008001234,123456", "extension", "30", "s", "normal",
        ]  # fmt: skip

    def test_nothing_there(self, world: World) -> None:
        """An empty store is said in words, and is an empty array."""
        assert world.run(app, "list").output == "no calls\n"
        assert found(world) == []

    def test_by_cause_and_flow(self, world: World) -> None:
        """Each condition narrows the list."""
        busy, other = call_record(2), call_record(3)
        busy.cause, other.flow = "busy", "hotline"
        keep(world, call_record(1), busy, other)
        assert found(world, "--cause", "busy") == [2]
        assert found(world, "--flow", "hotline") == [3]
        assert found(world, "--flow", "hotline", "--cause", "busy") == []

    def test_by_group_agent_and_talk(self, world: World) -> None:
        """The agent's own part counts; calls that are up are filtered alike."""
        other, short = call_record(2), call_record(3)
        other.group, other.legs[1].agent, other.segments[1].agent = "sales", "1002", "1002"
        short.segments[1].ended_us = short.started_us + 5_000_000
        keep(world, call_record(1), other, short)
        assert found(world, "--group", "support") == [3, 1]
        assert found(world, "--agent", "1002") == [2]
        assert found(world, "--talked", "10") == [2, 1]
        assert found(world, "--agent", "1001", "--talked", "10") == [1]
        journal = Journal(world.store / "journal")
        for number in (4, 5):
            record = call_record(number, ended=False)
            record.group = ("support", "sales")[number % 2]
            record.segments[1].ended_us = record.started_us + 20_000_000
            journal.append(Kind.OPENED, record.id, encode_snapshot(record, b"sealed"))
        journal.close()
        assert found(world, "--open", "--group", "sales") == [5]
        assert found(world, "--open", "--agent", "1001", "--talked", "10") == [5, 4]
        assert found(world, "--open", "--agent", "1001", "--talked", "30") == []
        assert found(world, "--open", "--talked", "30") == []

    def test_by_number(self, world: World) -> None:
        """The called number, or the caller's in any spelling; neither is printed in clear."""
        mine, other = call_record(1), call_record(2)
        mine.caller_fingerprint = world.fingerprint(MARKED)
        other.called = "4009990000"
        keep(world, mine, other)
        assert found(world, "--number", MARKED) == found(world, "--number", "+86 139-5678-1234") == [1]
        assert found(world, "--number", "400-999-0000") == [2]
        assert found(world, "--number", "4008001234") == [1]

    def test_by_time(self, world: World) -> None:
        """Since a date or some time ago, and until."""
        old, new = call_record(1), call_record(2)
        new.started_us = time.time_ns() // 1000 - 90 * 60 * 1_000_000
        keep(world, old, new)
        assert found(world, "--since", "2h") == [2]
        assert found(world, "--since", "1h") == []
        assert found(world, "--until", "2h") == [1]
        assert found(world, "--since", "2025-10-09T08:53:20+00:00", "--until", "2026-01-01") == [1]

    @pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2x", ""])
    def test_a_time_that_is_none(self, world: World, text: str) -> None:
        """It is one line that says how to write it."""
        result = world.run(app, "list", "--since", text)
        assert (result.exit_code, result.output.count("\n")) == (1, 1)
        assert "--since: write a date such as 2026-12-31" in result.output

    def test_open_calls_come_from_the_journal(self, world: World) -> None:
        """Calls that are up are told as the journal has them, and filtered alike."""
        journal = Journal(world.store / "journal")
        for number in (1, 2):
            record = call_record(number, ended=False)
            journal.append(Kind.OPENED, record.id, encode_snapshot(record, b"sealed"))
        ended = call_record(2)
        journal.append(Kind.ENDED, ended.id, encode_record(ended))
        journal.close()
        assert found(world, "--open") == [1]
        assert found(world, "--open", "--flow", "hotline") == []
        assert "up" in world.run(app, "list", "--open").output.splitlines()[1].split()


class TestShow:
    """Showing one call."""

    def test_all_that_is_kept(self, world: World) -> None:
        """Facts, legs, stretches, keys, path and recordings each have their place."""
        keep(world, call_record(7))
        lines = world.run(app, "show", call_record(7).id).output.splitlines()
        assert lines[0] == f"call {call_record(7).id}"
        facts = dict(line.strip().split("  ", 1) for line in lines[1 : lines.index("legs")])
        assert {name: text.strip() for name, text in facts.items()} == {
            "called": "4008001234 extension 123456",
            "caller": "139****1234",
            "region": "江苏 常州 中国移动",
            "trunk": "carrier (in)",
            "flow": "extension version v1",
            "began": facts["began"].strip(),
            "answered": "+0.0 s",
            "ended": "+30.0 s by caller: normal (SIP 200, Q.850 16)",
            "group": "support, waited 0.0 s",
            "agent": "1001, held 0.0 s, consulted 0.0 s, transferred 1 time",
            "post-dial delay": "2000.0 ms",
            "transfer latency": "0.90 ms",
            "mask": "binding-1",
            "identity": "verified, by phone, subject S-17, 2 attempts, asked +0.0 s, took 0.0 s",
            "consent": "given",
            "survey": "solved 1, rating 5",
        }
        text = "\n".join(" ".join(line.split()) for line in lines)
        assert "caller 139****1234 invited +0.0 s answered +0.0 s ended +30.0 s 200 normal PCMA received 1500" in text
        assert "agent alice invited +0.0 s answered +0.0 s ended +30.0 s" in text
        assert "talk +0.0 s 30.0 s by 1001 for support" in text
        assert "keys\n+0.0 s extension/main 2\n+0.0 s extension/order 4 digits\n" in text
        assert "path\nwelcome → main → order\n" in text
        assert f"recordings\ncall +0.0 s 2.5 s {world.store}/recordings/a/7.wav file is gone" in text

    def test_whom_the_mask_leads_to(self, world: World) -> None:
        """While the binding is there its other side is told, masked; afterwards its id alone."""
        record = call_record(7)
        record.binding = "4008001234,1"
        keep(world, record)
        editor = MaskEditor(world.database, "test")
        editor.store([number_row(world.vault, "1", MARKED)])
        shown = "4008001234,1, which leads to 139****1234 by trunk carrier, showing 01088880000"
        assert shown in world.run(app, "show", "last").output
        editor.unbind(record.binding)
        assert "which leads to" not in world.run(app, "show", "last").output

    def test_recordings_are_told_with_their_gaps(self, world: World) -> None:
        """The file, its length and the gaps that its sidecar names."""
        record = call_record(7)
        record.recordings = [RecordingRecord(id="r", path="r.wav", started_us=record.started_us)]
        keep(world, record)
        directory = world.store / "recordings"
        directory.mkdir()
        (directory / "r.wav").write_bytes(b"RIFF")
        (directory / "r.json").write_text('{"seconds": 12.25, "gaps": [[1, 2], [5, 6]]}')
        lines = world.run(app, "show", record.id).output.splitlines()
        assert lines[-1].split() == ["call", "+0.0", "s", "12.2", "s", str(directory / "r.wav"), "2", "gaps"]
        described = json.loads(world.run(app, "show", record.id, "--format", "json").output)["recordings"][0]
        assert described["there"] is True
        assert described["sidecar"] == {"seconds": 12.25, "gaps": [[1, 2], [5, 6]]}

    @pytest.mark.parametrize("seal", [False, True])
    def test_a_recording_is_written_to_a_file(self, world: World, tmp_path: Path, seal: bool) -> None:
        """Plain, whatever it is kept as, for its owner alone; and the audit log tells who had it."""
        record = call_record(7)
        record.recordings = [RecordingRecord(id="r", path="d/r.wav", started_us=record.started_us)]
        keep(world, record)
        pcm = bytes(range(256)) * 2000
        file = Files(KeyRing(world.store / "keys"), seal=seal).open(world.store / "recordings" / "d" / "r.wav", 2)
        file.write(0, pcm)
        file.finish(len(pcm) // 4)
        target = tmp_path / "out.wav"
        result = world.run(app, "audio", record.id, "-o", str(target))
        assert result.output == f"{target}: {44 + len(pcm)} octets, recording r of call {record.id}\n"
        assert target.read_bytes() == header(2, len(pcm)) + pcm
        assert target.stat().st_mode & 0o777 == 0o600
        (entry,) = AuditLog(world.database).page()
        assert (entry.action, entry.subject, entry.address) == ("recording.heard", "r", "command line")
        for arguments, said in (
            (("-o", str(target)), "file exists"),
            (("-o", str(tmp_path / "b"), "--number", "2"), "has 1 recordings"),
        ):
            refused = world.run(app, "audio", record.id, *arguments)
            assert (refused.exit_code, said in refused.output) == (1, True)
        assert target.read_bytes()[44:] == pcm
        (world.store / "recordings" / "d" / (f"r.wav{'.sealed' if seal else ''}")).unlink()
        gone = world.run(app, "audio", record.id, "-o", str(tmp_path / "c"))
        assert (gone.exit_code, "is not there" in gone.output) == (1, True)
        assert not (tmp_path / "c").exists()

    def test_as_json(self, world: World) -> None:
        """Every field has its name, times are ISO 8601, and nothing sealed is in it."""
        keep(world, call_record(7))
        shown = json.loads(world.run(app, "show", "last", "--format", "json").output)
        assert shown["id"] == call_record(7).id
        assert shown["started"] == "2025-10-09T08:53:27+00:00"
        assert shown["post_dial_delay"] == 2.0
        assert (shown["queued"], shown["hold"], shown["consult"], shown["transfers"]) == (4e-6, 3e-6, 2e-6, 1)
        assert shown["legs"][0]["media"]["received"] == 1500
        assert shown["trail"][1] == {
            "flow": "extension", "node": "order", "key": "4 digits", "at": "2025-10-09T08:53:27.000003+00:00",
        }  # fmt: skip
        assert shown["identity"]["status"] == "verified"
        assert shown["survey"] == {"solved": "1", "rating": "5"}
        assert not [name for name in shown if "sealed" in name or "fingerprint" in name]

    def test_a_plain_call_has_no_empty_sections(self, world: World) -> None:
        """What a call did not have is not mentioned."""
        record = CallRecord(id="00000000-0000-7000-8000-000000000001", called="4001", started_us=5)
        keep(world, record)
        output = world.run(app, "show", record.id).output
        for word in (
            "region",
            "group",
            "agent",
            "identity",
            "survey",
            "keys",
            "path",
            "recordings",
            "consent",
            "mask",
            "None",
        ):
            assert word not in output
        assert "legs\n  none\nstretches\n  none\n" in output

    def test_long_paths_are_broken(self, world: World) -> None:
        """A path of many nodes goes over several lines, in order."""
        record = call_record(1)
        record.path = [f"node_{number}" for number in range(50)]
        keep(world, record)
        output = world.run(app, "show", record.id).output
        path = output[output.index("path\n") : output.index("recordings")]
        assert [word for word in path.split() if word.startswith("node")] == record.path
        assert max(map(len, path.splitlines())) <= 102

    def test_by_the_beginning_of_the_id(self, world: World) -> None:
        """The beginning is enough when one call has it."""
        first, second = call_record(1), call_record(2)
        first.id, second.id = "aaaa1111-x", "aaaa2222-x"
        keep(world, first, second)
        assert "call aaaa1111-x" in world.run(app, "show", "aaaa1").output
        for text, words in (
            ("aaaa", "several calls have an id that begins with aaaa: aaaa1111-x, aaaa2222-x"),
            ("bbbb", "no call has the id bbbb"),
            ("aaaa%", "no call has the id aaaa%"),
            ("a", "give at least 4 characters of an id"),
        ):
            result = world.run(app, "show", text)
            assert (result.exit_code, result.output) == (1, f"{words}\n")

    def test_the_last_one(self, world: World) -> None:
        """'last' is the newest; without any that is said."""
        result = world.run(app, "show", "last")
        assert (result.exit_code, result.output) == (1, "no call has ended yet\n")
        keep(world, call_record(1), call_record(2))
        assert call_record(2).id in world.run(app, "show", "last").output

    def test_what_the_database_does_not_have_yet(self, world: World) -> None:
        """A call that is up, or ended a moment ago, is shown from the journal."""
        up, ended = call_record(1, ended=False), call_record(2)
        up.id, ended.id = "up00", "ended00"
        journal = Journal(world.store / "journal")
        journal.append(Kind.OPENED, up.id, encode_snapshot(up, b""))
        journal.append(Kind.OPENED, "broken", b"\x01")
        journal.append(Kind.ENDED, ended.id, encode_record(ended))
        journal.close()
        assert "ended             not yet" in world.run(app, "show", "up00").output
        assert "+30.0 s by caller: normal" in world.run(app, "show", "ended0").output


class TestCallbacks:
    """Requests to be called back."""

    def test_open_ones(self, world: World) -> None:
        """Group, masked number and state, oldest first; those that are over when asked for."""
        with world.database.writing() as connection:
            requests = CallbackRepository(world.database)
            requests.insert(connection, [callback_record(n, person=n, group="ab"[n % 2]) for n in range(3)])
            requests.change(connection, [CallbackStateRecord(id="request-2", state="done", at_us=5)])
            requests.change(connection, [CallbackStateRecord(id="request-1", state="calling", at_us=5, attempts=2)])
        lines = world.run(app, "callbacks").output.splitlines()
        assert [line.split()[2:] for line in lines[1:]] == [
            ["request-0", "a", "139****1234", "open", "0", "-"],
            ["request-1", "b", "139****1234", "calling", "2", "-"],
        ]  # fmt: skip
        shown = json.loads(world.run(app, "callbacks", "--group", "a", "--all", "--format", "json").output)
        assert [(one["request"], one["state"]) for one in shown] == [("request-0", "open"), ("request-2", "done")]
        assert world.run(app, "callbacks", "--group", "c").output == "no requests\n"


@pytest.mark.parametrize("command", ["list", "show", "callbacks"])
def test_help_has_examples(command: str) -> None:
    """Both commands say how they are used."""
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"switchboard calls {command} " in result.output


def test_a_wrong_configuration_is_one_line(tmp_path: Path) -> None:
    """The configuration's own error is shown."""
    config = tmp_path / "switch.yaml"
    config.write_text("sip: {lisen: []}\n")
    result = CliRunner().invoke(app, ["list", "--config", str(config)])
    assert result.exit_code == 1
    assert "did you mean 'listen'" in result.output
