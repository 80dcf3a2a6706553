"""`switchboard voicemail`: messages listed, played, marked and deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from media.recorder.files import Files
from media.recording_keys import KeyRing
from switchboard.store.voicemail import MessageRepository, Waiting
from switchboard.voicemail_cli import app
from tests.support.records import message_record
from tests.unit.cli.conftest import World


@pytest.fixture
def messages(world: World) -> MessageRepository:
    """Two messages for sales and one for night, with files."""
    repository = MessageRepository(world.database)
    with world.database.writing() as connection:
        repository.insert(connection, [message_record(1), message_record(2), message_record(3, box="night")])
    directory = world.store / "recordings" / "voicemail"
    directory.mkdir(parents=True)
    for number in (1, 2, 3):
        (directory / f"{number}.wav").write_bytes(b"RIFF")
        (directory / f"{number}.json").write_text("{}")
    return repository


@pytest.fixture
def player(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that notes what it is to play; it fails on what is called broken."""
    directory = tmp_path / "bin"
    directory.mkdir()
    noted = tmp_path / "played"
    (directory / "aplay").write_text(f'#!/bin/sh\necho "$@" >> {noted}\ntest ! -e {tmp_path}/broken\n')
    (directory / "aplay").chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}")
    return noted


class TestList:
    """Listing messages."""

    def test_newest_first_with_counts(self, world: World, messages: MessageRepository) -> None:
        """Box, masked caller, length and state; then what each box has."""
        messages.mark("message-1", "heard", 5, "test")
        lines = world.run(app, "list").output.splitlines()
        assert [line.split()[2] for line in lines[1:4]] == ["message-3", "message-2", "message-1"]
        assert lines[3].split()[3:] == ["sales", "139****1234", "4", "s", "heard"]
        assert lines[4:] == ["night: 1 new, 0 heard", "sales: 1 new, 1 heard"]

    def test_one_box_and_state(self, world: World, messages: MessageRepository) -> None:
        """A box alone, and those in one state."""
        messages.mark("message-1", "heard", 5, "test")
        assert "night" not in world.run(app, "list", "sales").output
        shown = json.loads(world.run(app, "list", "sales", "--state", "heard", "--format", "json").output)
        assert [(message["id"], message["state"]) for message in shown] == [("message-1", "heard")]
        assert shown[0]["file"] == str(world.store / "recordings" / "voicemail" / "1.wav")
        assert not [name for name in shown[0] if "sealed" in name]

    def test_nothing_there(self, world: World) -> None:
        """An empty store is said in words."""
        assert world.run(app, "list").output == "no messages\n"


class TestPlay:
    """Playing a message."""

    def test_plays_and_marks_as_heard(self, world: World, messages: MessageRepository, player: Path) -> None:
        """The path is printed, the player gets it, and the message is heard."""
        path = world.store / "recordings" / "voicemail" / "1.wav"
        result = world.run(app, "play", "message-1")
        assert result.exit_code == 0
        assert result.output == f"{path}\nmessage message-1 in sales is heard now\n"
        assert player.read_text() == f"-q {path}\n"
        assert messages.counts()["sales"] == Waiting(new=1, heard=1)

    def test_a_sealed_one_is_played(self, world: World, messages: MessageRepository, player: Path) -> None:
        """From a copy that is gone afterwards."""
        path = world.store / "recordings" / "voicemail" / "1.wav"
        path.unlink()
        file = Files(KeyRing(world.store / "keys"), seal=True).open(path, 1)
        file.write(0, bytes(8000))
        file.finish(4000)
        result = world.run(app, "play", "message-1")
        assert result.output == f"{path}.sealed\nmessage message-1 in sales is heard now\n"
        played = Path(player.read_text().split()[-1])
        assert (played.name, played.exists()) == ("1.wav", False)
        assert world.run(app, "delete", "message-1", "--yes").exit_code == 0
        assert not list(path.parent.glob("1.*"))

    def test_only_the_path(self, world: World, messages: MessageRepository, player: Path) -> None:
        """Without playing it stays new."""
        result = world.run(app, "play", "message-1", "--only-path")
        assert result.output == f"{world.store}/recordings/voicemail/1.wav\n"
        assert not player.exists()
        assert messages.counts()["sales"] == Waiting(2, 0)

    def test_a_player_that_fails(self, world: World, messages: MessageRepository, player: Path, tmp_path: Path) -> None:
        """The message stays new, and the exit status tells."""
        (tmp_path / "broken").touch()
        result = world.run(app, "play", "message-1")
        assert (result.exit_code, "aplay could not play it (exit status 1)" in result.output) == (1, True)
        assert messages.counts()["sales"] == Waiting(2, 0)

    def test_without_a_player(
        self, world: World, messages: MessageRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """The path is printed and what is missing is said."""
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
        result = world.run(app, "play", "message-1")
        assert result.exit_code == 0
        assert "no program to play it: install sox or alsa-utils" in result.output
        assert messages.counts()["sales"] == Waiting(2, 0)

    def test_a_file_that_is_gone(self, world: World, messages: MessageRepository, player: Path) -> None:
        """It is named."""
        path = world.store / "recordings" / "voicemail" / "1.wav"
        path.unlink()
        result = world.run(app, "play", "message-1")
        assert (result.exit_code, result.output) == (1, f"{path}: the file of this message is not there\n")


class TestMarking:
    """Heard, new again, deleted."""

    def test_heard_and_new_again(self, world: World, messages: MessageRepository) -> None:
        """What it is already is said and changes nothing."""
        assert world.run(app, "heard", "message-1").output == "message message-1 in sales is heard now\n"
        assert world.run(app, "heard", "message-1").output == "message message-1 was heard already\n"
        assert world.run(app, "heard", "message-1", "--new").output == "message message-1 in sales is new now\n"
        assert messages.counts()["sales"] == Waiting(2, 0)

    def test_deleting_takes_the_audio_away(self, world: World, messages: MessageRepository) -> None:
        """After the question the file, its sidecar and the message are gone."""
        result = world.run(app, "delete", "message-1", given="y\n")
        assert "delete the message of 139****1234 in sales?" in result.output
        assert sorted(path.name for path in (world.store / "recordings/voicemail").iterdir()) == [
            "2.json", "2.wav", "3.json", "3.wav",
        ]  # fmt: skip
        assert messages.counts()["sales"] == Waiting(1, 0)
        again = world.run(app, "delete", "message-1", "--yes")
        assert (again.exit_code, again.output) == (1, "no message has the id message-1\n")

    def test_not_confirmed(self, world: World, messages: MessageRepository) -> None:
        """A no leaves everything as it is."""
        result = world.run(app, "delete", "message-1", given="n\n")
        assert (result.exit_code, "nothing was deleted" in result.output) == (1, True)
        assert (world.store / "recordings/voicemail/1.wav").exists()

    def test_the_running_switch_is_told(
        self, world: World, messages: MessageRepository, switch: Callable[[bytes], list[dict[str, object]]]
    ) -> None:
        """What changed is sent, so that message waiting follows."""
        got = switch(b'{"ok":true,"result":{}}\n')
        world.run(app, "heard", "message-1")
        world.run(app, "delete", "message-2", "--yes")
        assert got == [
            {"command": "voicemail-changed", "messages": {"message-1": "heard"}},
            {"command": "voicemail-changed", "messages": {"message-2": "deleted"}},
        ]

    def test_a_switch_that_does_not_take_it(
        self, world: World, messages: MessageRepository, switch: Callable[[bytes], list[dict[str, object]]]
    ) -> None:
        """The change stays, and that the switch does not know is said."""
        switch(b'{"ok":false,"error":"busy"}\n')
        result = world.run(app, "heard", "message-1")
        assert result.exit_code == 0
        assert "the running switch did not apply this (busy)" in result.output
        assert messages.counts()["sales"] == Waiting(1, 1)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("message", "several messages have an id"),
            ("other", "no message has the id other"),
            ("", "an id is missing"),
        ],
    )
    def test_ids(self, world: World, messages: MessageRepository, text: str, words: str) -> None:
        """An id that fits none or several is one line."""
        result = world.run(app, "heard", text)
        assert (result.exit_code, result.output.count("\n"), words in result.output) == (1, 1, True)


@pytest.mark.parametrize("command", ["list", "play", "heard", "delete"])
def test_help_has_examples(command: str) -> None:
    """All commands say how they are used."""
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"switchboard voicemail {command} " in result.output
