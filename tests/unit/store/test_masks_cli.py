"""`switchboard masks`: what is printed, what the exit status is, and that no number is shown."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from switchboard.masks_cli import app
from switchboard.masks_cli.application import tell_switch
from switchboard.store.database import Database
from switchboard.store.keys import add_encryption_key
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.masks import MaskRepository
from tests.support.masks import open_row

CONFIG = """\
trunks: [{{name: carrier, from: [127.0.0.1], to: "127.0.0.1:5070"}}]
accounts: [{{user: alice, password: "secret"}}]
numbers: [{{number: "4008001234", flow: extension}}]
masks:
  - {{number: "4008001234", extension: "800001", target: "aor:alice"}}
  - {{number: "4008001234", extension: "800003", real: "13956781234", trunk: carrier, shown: "01088880000"}}
store: {{directory: "{store}", fresh: {fresh}}}
"""
HEAD = "number,extension,target,trunk,shown,expires,label\n"


class World:
    """A configuration, its store and a file to import."""

    def __init__(self, directory: Path) -> None:
        self.store = directory / "var"
        self.config = directory / "switch.yaml"
        self.file = directory / "agents.csv"
        self.configure()

    def configure(self, *, fresh: str = "false") -> None:
        """Write the configuration."""
        self.config.write_text(CONFIG.format(store=self.store, fresh=fresh))

    def run(self, *arguments: str) -> Result:
        """Run a command with the configuration."""
        result = CliRunner().invoke(app, [*arguments, "--config", str(self.config)])
        assert "13956781234" not in result.output
        assert "956781" not in result.output.replace(" ", "")
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def load(self, text: str, *options: str) -> Result:
        """Import a file with this text."""
        self.file.write_text(text, encoding="utf-8")
        return self.run("import", str(self.file), *options)

    def count(self) -> int:
        """How many bindings the database has."""
        database = Database(self.store / "switchboard.db")
        try:
            return MaskRepository(database).count()
        finally:
            database.close()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty store."""
    return World(tmp_path)


@pytest.fixture
def switch(world: World) -> Iterator[list[bytes]]:
    """A switch's control socket; yields the lines it got, and answers each with the next prepared one."""
    world.store.mkdir()
    answers: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(world.store / "control.sock"))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as lines:
                got = lines.readline()
                connection.sendall(answers[0])
                answers.append(got)

        thread = threading.Thread(target=serve)
        thread.start()
        yield answers
        thread.join(10)


class TestImport:
    """Importing a file."""

    def test_imports_and_says_that_no_switch_runs(self, world: World) -> None:
        """The number of bindings is told, and that the next start reads them."""
        result = world.load(HEAD + "4008001234,345678,13956781234,,,,Li\n4008001234,345679,aor:alice\n")
        assert result.exit_code == 0
        assert "2 bindings imported (0 replaced, 0 unchanged)" in result.output
        assert "no switch is running on this store; the next start reads them" in result.output
        assert world.count() == 2

    def test_tells_the_running_switch(self, world: World, switch: list[bytes]) -> None:
        """One JSON line is sent after the commit, and the answer is told."""
        switch.append(b'{"ok":true,"result":{"bindings":7}}\n')
        result = world.load(HEAD + "4008001234,1,aor:alice\n")
        assert "the running switch uses them now (7 bindings in all)" in result.output
        assert json.loads(switch[1]) == {"command": "reload-masks"}
        assert switch[1].endswith(b"\n")

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (b'{"ok":false,"error":"busy"}\n', "did not take them: busy"),
            (b"?\n", "could not be told (no proper answer)"),
            (b"", "the switch closed the connection"),
        ],
    )
    def test_a_switch_that_does_not_take_them(
        self, world: World, switch: list[bytes], answer: bytes, words: str
    ) -> None:
        """The import stays done whatever the switch says."""
        switch.append(answer)
        result = world.load(HEAD + "4008001234,1,aor:alice\n")
        assert result.exit_code == 0
        assert words in result.output
        assert world.count() == 1

    def test_bad_rows_leave_nothing(self, world: World) -> None:
        """Bad rows are listed by file and line, and no row is imported."""
        result = world.load(HEAD + "4008001234,1,aor:alice\n4008001234,2,139 5678 1234 5\n4008001234,x,aor:alice\n")
        assert result.exit_code == 1
        assert f"{world.file}:3: target: neither a telephone number" in result.output
        assert f"{world.file}:4: an extension is one to six digits" in result.output
        assert "nothing imported: 2 bad rows" in result.output
        assert world.count() == 0

    def test_many_bad_rows_are_counted(self, world: World) -> None:
        """Twenty are listed, the rest is a number."""
        result = world.load(HEAD + "4008001234,x,13956781234\n" * 50)
        assert result.output.count("one to six digits") == 20
        assert "… and 30 more" in result.output
        assert "nothing imported: 50 bad rows" in result.output

    def test_what_is_bound_already_needs_replace(self, world: World) -> None:
        """Rows that are bound are listed; with --replace they are replaced."""
        world.load(HEAD + "4008001234,1,aor:alice\n")
        text = HEAD + "4008001234,2,aor:alice\n4008001234,1,13956781234\n"
        result = world.load(text)
        assert result.exit_code == 1
        assert f"{world.file}:3: is bound already, to something else" in result.output
        assert "nothing imported: 1 bad row; --replace replaces them" in result.output
        assert world.count() == 1
        result = world.load(text, "--replace")
        assert "2 bindings imported (1 replaced, 0 unchanged)" in result.output

    def test_a_fresh_store_is_warned_about(self, world: World) -> None:
        """With store.fresh the next start would empty what was imported."""
        world.configure(fresh="true")
        assert "store.fresh" in world.load(HEAD + "4008001234,1,aor:alice\n").output

    def test_gbk_is_read(self, world: World) -> None:
        """A file in the coding of Chinese spreadsheets keeps its labels."""
        world.file.write_bytes((HEAD + "4008001234,1,aor:alice,,,,经纪人\n").encode("gbk"))
        assert world.run("import", str(world.file)).exit_code == 0
        assert "经纪人" in world.run("show", "4008001234", "1").output

    @pytest.mark.parametrize(
        ("text", "words"),
        [("", "is empty"), ("13956781234,1\n", "does not begin with the names"), ("number\xff\xff", "neither UTF-8")],
    )
    def test_files_that_are_no_bindings(self, world: World, text: str, words: str) -> None:
        """One line names the file and what is wrong with it."""
        world.file.write_bytes(text.encode("latin-1"))
        result = world.run("import", str(world.file))
        assert result.exit_code == 1
        assert f"{world.file}: " in result.output
        assert words in result.output

    def test_a_missing_file(self, world: World) -> None:
        """It is named, without a traceback."""
        result = world.run("import", str(world.file))
        assert (result.exit_code, result.output) == (1, f"{world.file}: cannot be read: no such file or directory\n")


class TestShow:
    """Showing one binding."""

    def test_a_real_number_is_masked(self, world: World) -> None:
        """Target, state, since when, until when and label are shown."""
        world.load(HEAD + "4008001234,345678,13956781234,carrier,01088880000,2099-12-31,Li\n")
        result = world.run("show", "400-800-1234", "345678")
        assert result.exit_code == 0
        assert "4008001234 extension 345678" in result.output
        assert "139****1234 by trunk carrier, showing 01088880000" in result.output
        for words in ("state    active", "since    2", "until    2100-01-01 00:00", "label    Li", "origin   stored"):
            assert words in result.output

    def test_nothing_shown_to_the_called(self, world: World) -> None:
        """Without a number to show, that is said."""
        world.load(HEAD + "4008001234,1,13956781234\n")
        assert "showing no number" in world.run("show", "4008001234", "1").output

    @pytest.mark.parametrize(
        ("number", "extension", "words"),
        [
            ("4008001234", "800001", "softphone alice"),
            ("4008001234", "800003", "139****1234 by trunk carrier"),
        ],
    )
    def test_configured_ones(self, world: World, number: str, extension: str, words: str) -> None:
        """A binding of the configuration says where it is from and has no date."""
        result = world.run("show", number, extension)
        assert words in result.output
        assert "origin   configuration" in result.output
        assert "since" not in result.output

    def test_not_bound(self, world: World) -> None:
        """What is not bound is said plainly, with exit status 1."""
        result = world.run("show", "4008001234", "999999")
        assert (result.exit_code, result.output) == (1, "4008001234 extension 999999: not bound\n")

    def test_states(self, world: World) -> None:
        """Disabled, expired and changed bindings say so, with the time."""
        world.load(HEAD + "4008001234,1,sip:a@h,,,2020-01-01,\n")
        assert "state    expired since 2020-01-02 00:00" in world.run("show", "4008001234", "1").output
        database = Database(world.store / "switchboard.db")
        rows = [open_row("2", "sip", "sip:a@h", disabled=True, updated_us=2_000_000)]
        MaskEditor(database, "test").store(rows)
        database.close()
        output = world.run("show", "4008001234", "2").output
        assert "state    disabled since 1970-01-01" in output
        assert "changed  1970-01-01" in output

    def test_a_number_that_cannot_be_opened(self, world: World) -> None:
        """A missing or wrong key is one line."""
        world.load(HEAD + "4008001234,1,13956781234\n")
        add_encryption_key(world.store)
        world.run("show", "4008001234", "1")
        (world.store / "keys" / "encryption-1.key").unlink()
        result = world.run("show", "4008001234", "1")
        assert result.exit_code == 1
        assert "encryption-1.key: is missing" in result.output

    def test_an_altered_number(self, world: World) -> None:
        """A sealed number that was tampered with is not shown."""
        row = open_row("1", "number", "")._replace(sealed=b"\x00\x01" + b"x" * 40, trunk="carrier")
        world.run("show", "4008001234", "1")
        database = Database(world.store / "switchboard.db")
        MaskEditor(database, "test").store([row])
        database.close()
        result = world.run("show", "4008001234", "1")
        assert result.exit_code == 1
        assert "altered" in result.output


class TestConfiguration:
    """What is wrong around it."""

    def test_a_wrong_configuration_is_one_line(self, world: World) -> None:
        """The configuration's own error is shown."""
        world.config.write_text("sip: {lisen: []}\n")
        result = world.run("show", "4001", "1")
        assert result.exit_code == 1
        assert "did you mean 'listen'" in result.output

    def test_a_store_that_cannot_be_used(self, world: World) -> None:
        """A file in the place of the directory is named."""
        world.store.touch()
        result = world.run("show", "4001", "1")
        assert (result.exit_code, "cannot be used as store.directory" in result.output) == (1, True)

    def test_overlapping_ranges(self, world: World) -> None:
        """Masks of the configuration that contradict each other are one line."""
        ranges = "".join(
            f'  - {{number: "4008001234", extensions: {span}, target: "aor:alice"}}\n' for span in ("10-19", "15-25")
        )
        text = world.config.read_text()
        world.config.write_text(text.replace("masks:\n", "masks:\n" + ranges))
        result = world.run("show", "4008001234", "12")
        assert result.exit_code == 1
        assert "overlap" in result.output

    @pytest.mark.parametrize("command", ["import", "show"])
    def test_help_has_examples(self, command: str) -> None:
        """Both commands say how they are used."""
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0
        assert f"switchboard masks {command} " in result.output


def test_a_stale_socket_is_no_switch(tmp_path: Path) -> None:
    """A socket file that nobody listens on, as a kill leaves it, counts as no switch."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    assert "no switch is running" in tell_switch(tmp_path, "reload-masks")


def test_a_silent_switch_is_not_waited_for_forever(tmp_path: Path) -> None:
    """After the time for an answer that is said."""
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(path))
        silent.listen()
        assert "no answer within 0.05 s" in tell_switch(tmp_path, "reload-masks", seconds=0.05)
