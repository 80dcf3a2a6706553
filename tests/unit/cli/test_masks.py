"""`switchboard masks`: binding, showing, exporting and pools from the command line."""

from __future__ import annotations

import csv
import io
import json
import re
import stat
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from switchboard.masks_cli import app
from switchboard.store.mask_log import changes
from switchboard.store.masks import MaskRepository
from tests.unit.cli.conftest import MARKED, World

X = "01088880001"
PAIR = ("--kind", "axb", "--a", MARKED, "--b", "13900002222")
Start = Callable[[bytes], list[dict[str, object]]]


def run(world: World, *arguments: str, given: str = "", shows: bool = False) -> Result:
    """Run a command of masks."""
    return world.run(app, *arguments, given=given, shows=shows)


def good(world: World, *arguments: str, given: str = "") -> str:
    """The output of a command that succeeds."""
    result = run(world, *arguments, given=given)
    assert result.exit_code == 0, result.output
    return result.output


def bad(world: World, *arguments: str) -> str:
    """The one line of a command that fails."""
    result = run(world, *arguments)
    assert (result.exit_code, result.output.count("\n")) == (1, 1), result.output
    return result.output


def listed(world: World, *options: str) -> list[dict[str, object]]:
    """The bindings that fit."""
    return list(json.loads(good(world, "list", "--format", "json", *options)))


def actions(world: World) -> list[str]:
    """What the log says was done, oldest first."""
    return [change.action for change in reversed(changes(world.database, limit=100))]


class TestBind:
    """Binding one at a time."""

    def test_an_extension(self, world: World) -> None:
        """What is bound is shown masked, and binding the same again changes nothing."""
        command = ("bind", "400-800-1234", "345678", MARKED, "--shown", "01088880000", "--limit", "10m", "--warn")
        assert good(world, *command).splitlines()[0] == "4008001234 extension 345678: bound"
        assert good(world, *command) == "4008001234 extension 345678: is already bound so, nothing changed\n"
        shown = good(world, "show", "4008001234,345678")
        assert "139****1234 by trunk carrier, showing 01088880000" in shown
        assert "limit    600 s of talk, the last minute is announced" in shown
        assert actions(world) == ["bind"]

    def test_something_else_needs_replace(self, world: World) -> None:
        """The one line says so; with --replace it is replaced."""
        good(world, "bind", "4008001234", "1", "aor:alice")
        assert bad(world, "bind", "4008001234", "1", MARKED) == (
            "4008001234 extension 1: is bound already, to something else; --replace replaces it\n"
        )
        assert "replaced" in good(world, "bind", "4008001234", "1", MARKED, "--replace")

    def test_a_pair(self, world: World) -> None:
        """Both sides are shown masked, with all rules."""
        output = good(
            world, "bind", X, *PAIR, "--id", "p1", "--record", "--consent", "--idle", "7d", "--direction", "a_to_b",
            "--callback-window", "1d", "--callback-times", "3", "--label", "Flat 3", "--city", "北京",
            "--store", "Shop", "--shown-to-b", "01088880009", "--expires", "2099-12-31",
        )  # fmt: skip
        assert output.startswith(f"{X} binding p1: bound\n")
        lines = [" ".join(line.split()) for line in good(world, "show", "p1").splitlines()]
        assert lines[0] == f"{X} axb p1"
        for text in (
            "leads to 139****1234 and 139****2222", "state active", "open a to b",
            "idle ends 604800 s after the last call", "recorded after consent",
            "shown B sees 01088880009", "back calls back 3 times within 86400 s",
            "trunk carrier", "city 北京", "store Shop", "label Flat 3", "origin stored",
        ):  # fmt: skip
            assert text in lines

    def test_people_of_another_binding(self, world: World) -> None:
        """Somebody who is bound on the number already is refused, with the other binding's id."""
        good(world, "bind", X, *PAIR, "--id", "p1")
        assert "one of the parties has another binding on 01088880001 (p1)" in bad(
            world, "bind", X, "--kind", "axb", "--a", MARKED, "--b", "13900003333", "--id", "p2"
        )

    def test_numbers_may_be_asked_for(self, world: World) -> None:
        """What is written as - is read without being shown."""
        output = good(world, "bind", X, "--kind", "axb", "--a", "-", "--b", "-", given=f"{MARKED}\n13900002222\n")
        assert "bound" in output
        assert listed(world, "--person", MARKED)[0]["leads_to"] == "139****1234 and 139****2222"
        shown = good(world, "list", "--person", "-", given=f"{MARKED}\n")
        assert "axb" in shown

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("4008001234", "1"), "target: is missing"),
            (("4008001234", "1", MARKED, "--trunk", "none"), "trunk: not in the configuration"),
            (("4008001234", "1", MARKED, "--label", f"Li {MARKED}"), "the label holds the real number"),
            (("4008001234", "1", MARKED, "--shown", "4008001234"), "shown: a 400 or 800 number"),
            ((X, "--kind", "axg", "--a", MARKED, "--group", "nobody"), "group: no group of that name"),
            ((X, "--kind", "axb", "--a", MARKED), "axb"),
            ((), "number: is missing"),
            (("4008001234",), "extension: is missing, and none of this number are given out"),
            (("4008001234", "--pool", "rent"), "number: give a number or a pool, not both"),
            (("--pool", "rent"), "a: is missing; whoever gets a number of a pool"),
            (("--pool", "rent", "--a", "x"), "a: not a telephone number"),
            (("--pool", "rent", "--kind", "ax", "--a", MARKED), "pool: no pool of that name; there are none"),
        ],
    )
    def test_what_cannot_be_bound(self, world: World, arguments: tuple[str, ...], words: str) -> None:
        """One line says why, and nothing is stored."""
        assert words in bad(world, "bind", *arguments)
        assert MaskRepository(world.database).count() == 0

    def test_the_running_switch_is_told(self, world: World, switch: Start) -> None:
        """Each change names its binding only."""
        got = switch(b'{"ok":true,"result":{"bindings":7}}\n')
        output = good(world, "bind", "4008001234", "1", "aor:alice")
        assert "the running switch uses them now (7 bindings in all)" in output
        good(world, "disable", "4008001234", "1")
        good(world, "enable", "4008001234", "1")
        good(world, "unbind", "4008001234", "1")
        assert got == [{"command": "masks-changed", "bindings": ["4008001234,1"]}] * 4

    def test_the_running_switch_is_told_of_pools(self, world: World, switch: Start) -> None:
        """New numbers are served at once, and a check digit is wanted from now on; the same again is no news."""
        got = switch(b'{"ok":true,"result":{"bindings":7}}\n')
        assert "uses them now" in good(world, "pool", "add", "rent", X)
        good(world, "pool", "add", "rent", X)
        good(world, "pool", "extensions", "4008001234", "1000", "1999", "--check", "damm")
        assert got == [{"command": "masks-changed", "pools": True}] * 2

    def test_a_switch_that_knows_whole_reloads_only(self, world: World, switch: Start) -> None:
        """It is asked for one instead."""
        got = switch(b'{"ok":false,"error":"unknown command; there are reload-masks"}\n')
        good(world, "bind", "4008001234", "1", "aor:alice")
        assert [request["command"] for request in got] == ["masks-changed", "reload-masks"]


class TestSwitching:
    """Unbinding, disabling and enabling."""

    def test_states(self, world: World) -> None:
        """Each says what it did, and when there was nothing to do."""
        good(world, "bind", "4008001234", "1", "aor:alice")
        name = "4008001234 extension 1"
        assert good(world, "disable", "400-800-1234", "1").startswith(f"{name}: disabled\n")
        assert good(world, "disable", "4008001234,1") == f"{name}: is disabled already, nothing changed\n"
        assert "state    disabled since" in good(world, "show", "4008001234", "1")
        assert good(world, "enable", "4008001234", "1").startswith(f"{name}: enabled\n")
        assert good(world, "unbind", "4008001234", "1", "--reason", "moved out").startswith(f"{name}: unbound\n")
        for command in ("disable", "enable", "unbind", "show"):
            assert bad(world, command, "4008001234", "1") == f"{name}: not bound\n"
        assert bad(world, "unbind", "p1") == "binding p1: not bound\n"
        assert actions(world) == ["bind", "disable", "enable", "unbind"]

    def test_quarantine(self, world: World) -> None:
        """An extension may be kept back; other bindings, and what is no length of time, may not."""
        good(world, "bind", "4008001234", "1", "aor:alice")
        assert "not a length of time" in bad(world, "unbind", "4008001234", "1", "--quarantine", "soon")
        good(world, "unbind", "4008001234", "1", "--quarantine", "30d")
        ((number, extension, _),) = MaskRepository(world.database).quarantines(0)
        assert (number, extension) == ("4008001234", "1")
        good(world, "bind", X, *PAIR, "--id", "p1")
        assert "quarantine: is for extensions" in bad(world, "unbind", "p1", "--quarantine", "1d")


class TestList:
    """Listing."""

    def test_filters_and_pages(self, world: World) -> None:
        """Conditions narrow the list, and a page says how to see the next."""
        for extension in "12345":
            good(world, "bind", "4008001234", extension, "aor:alice", "--label", f"Flat {extension}")
        good(world, "bind", X, *PAIR, "--id", "p1")
        assert [entry["id"] for entry in listed(world, "--kind", "axb")] == ["p1"]
        assert [entry["id"] for entry in listed(world, "--label", "Flat 3")] == ["4008001234,3"]
        assert [entry["id"] for entry in listed(world, "--person", "+86 139-5678-1234")] == ["p1"]
        assert listed(world, "--number", "4001") == []
        lines = good(world, "list", "--number", "4008001234", "--limit", "2", "--offset", "2").splitlines()
        assert [line.split()[0] for line in lines[1:3]] == ["4008001234,3", "4008001234,4"]
        assert lines[3] == "3 to 4 of 5; --offset 4 shows the next"
        assert good(world, "list", "--state", "disabled") == "no bindings\n"
        assert "not a telephone number" in bad(world, "list", "--person", " ")


class TestExport:
    """Writing bindings."""

    @pytest.fixture
    def filled(self, world: World) -> World:
        """Bindings of every kind, with rules."""
        good(world, "bind", "4008001234", "1", MARKED, "--shown", "01088880000", "--label", "Flat, 3")
        good(world, "bind", "4008001234", "2", "aor:alice", "--expires", "2099-12-31 18:00:30", "--limit", "90s")
        good(world, "bind", "4008001234", "3", "sip:3@h")
        good(world, "disable", "4008001234", "3")
        good(world, "bind", X, *PAIR, "--warn", "--limit", "10m", "--callback-times", "3")
        good(world, "bind", "01088880002", "--kind", "axn", "--a", MARKED, "--latest", "--idle", "7d")
        good(world, "bind", "01088880003", "--kind", "axg", "--a", MARKED, "--group", "support", "--shown-to-a", X)
        good(world, "bind", "01088880004", "--kind", "ax", "--target", "aor:alice", "--city", "北京", "--store", "S")
        return world

    def test_masked(self, filled: World) -> None:
        """Without --reveal no real number leaves."""
        rows = list(csv.DictReader(io.StringIO(good(filled, "export"))))
        assert len(rows) == 7
        assert rows[0]["target"] == "139****1234"
        assert (rows[3]["a"], rows[3]["b"]) == ("139****1234", "139****2222")
        assert len(list(csv.DictReader(io.StringIO(good(filled, "export", "--number", X))))) == 1
        assert "reveal" not in actions(filled)

    def test_revealed_it_can_be_imported_again(self, filled: World) -> None:
        """With a reason, which is logged, everything is written so that an import changes nothing."""
        file = filled.directory / "all.csv"
        command = ("export", "-o", str(file), "--reveal")
        assert bad(filled, *command) == "--reveal writes real numbers in clear: say why with --reason\n"
        assert not file.exists()
        output = good(filled, *command, "--reason", "moving", "--by", "ann")
        assert output == f"7 bindings written to {file}\n"
        assert MARKED in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        change = changes(filled.database, action="reveal", limit=2)[0]
        assert (change.who, change.reason, change.detail) == (
            "ann", "moving", "bindings of all numbers, with real numbers",
        )  # fmt: skip
        output = good(filled, "import", str(file))
        assert "nothing to import: 7 bindings there already (" in output

    def test_into_another_store(self, filled: World) -> None:
        """What was exported is the same binding by binding after an import elsewhere."""
        file = filled.directory / "all.csv"
        good(filled, "export", "-o", str(file), "--reveal", "--reason", "moving")
        before = listed(filled)
        with filled.database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM mask_bindings")
            connection.exec_driver_sql("DELETE FROM mask_lines")
        assert "7 bindings imported (0 replaced, 0 unchanged)" in good(filled, "import", str(file))
        assert listed(filled) == before

    def test_a_file_that_cannot_be_written(self, world: World) -> None:
        """It is named."""
        assert "cannot be written (is a directory)" in bad(world, "export", "-o", str(world.store))


class TestImport:
    """Importing what is there already."""

    def test_the_same_file_twice(self, world: World) -> None:
        """The second time nothing is changed, said so, and the switch is not bothered."""
        file = world.directory / "pairs.jsonl"
        file.write_text(f'{{"number": "{X}", "kind": "axb", "a": "{MARKED}", "b": "13900002222"}}\n')
        assert "1 binding imported (0 replaced, 0 unchanged)" in good(world, "import", str(file), "--by", "ann")
        output = good(world, "import", str(file))
        assert "nothing to import: 1 binding there already (" in output
        assert "switch" not in output
        (change,) = changes(world.database, limit=9)
        assert (change.who, change.action) == ("ann", "import")

    def test_conflicts_name_their_lines(self, world: World) -> None:
        """Pairs that share somebody are refused with the line, and nothing is imported."""
        file = world.directory / "pairs.csv"
        file.write_text(f"number,kind,a,b\n{X},axb,{MARKED},13900002222\n{X},axb,{MARKED},13900003333\n")
        result = run(world, "import", str(file))
        assert result.exit_code == 1
        assert f"{file}:3: one of the parties has another binding on {X}" in result.output
        assert "nothing imported: 1 bad row\n" in result.output
        assert listed(world) == []


class TestPools:
    """Numbers and extensions that are given out."""

    def test_pairs_get_numbers(self, world: World) -> None:
        """A pair keeps its number, one that shares somebody gets another, and an empty pool says so."""
        add = ("pool", "add", "rent", "--city", "Beijing", X, "01088880002")
        assert good(world, *add).startswith("pool rent: 2 numbers added\nno switch is running")
        assert good(world, *add) == "pool rent: has these numbers already\n"
        rent = ("bind", "--pool", "rent", "--city", "Beijing", "--kind", "axb", "--a", MARKED, "--b")
        first = good(world, *rent, "13900002222").split()[0]
        assert "is already bound so, nothing changed" in good(world, *rent, "13900002222")
        second = good(world, *rent, "13900003333").split()[0]
        assert {first, second} == {X, "01088880002"}
        assert "the parties are, or were a short while ago, on every number of Beijing" in bad(
            world, *rent, "13900004444"
        )
        assert "the pool has no numbers of Shanghai" in bad(
            world, "bind", "--pool", "rent", "--city", "Shanghai", *PAIR[:2], "--a", MARKED, "--b", "13900004444"
        )
        shown = json.loads(good(world, "pool", "list", "--format", "json"))
        assert shown == [{"pool": "rent", "city": "Beijing", "numbers": "2", "free": "2", "bindings": "2"}]
        lines = good(world, "pool", "list", "rent").splitlines()
        assert [line.split()[:3] for line in lines[1:]] == [[X, "Beijing", "1"], ["01088880002", "Beijing", "1"]]

    def test_retired_numbers(self, world: World) -> None:
        """They are shown so, and given out no more."""
        good(world, "pool", "add", "rent", X)
        assert good(world, "pool", "retire", X) == f"{X}: is no longer given out\n"
        assert bad(world, "pool", "retire", X) == f"{X}: in no pool, or retired already\n"
        assert "retired" in good(world, "pool", "list", "rent")
        assert "the pool has no numbers" in bad(world, "bind", "--pool", "rent", *PAIR)

    def test_extensions_are_given_out(self, world: World) -> None:
        """The next free one with its check digit; the same person keeps it; given back it rests."""
        good(world, "pool", "extensions", "4008001234", "100", "199", "--check", "damm", "--cool-down", "90d")
        first = good(world, "bind", "4008001234", "--target", MARKED).splitlines()[0]
        assert first == "4008001234 extension 1007: bound"
        again = good(world, "bind", "4008001234", "--target", "+86" + MARKED)
        assert "extension 1007: is already bound so" in again
        assert "is not its check digit (damm)" in bad(world, "bind", "4008001234", "1008", "aor:alice")
        for words in ("extension 1010: bound", "extension 1010: is already bound so"):
            assert words in good(world, "bind", "4008001234", "--target", "aor:alice")
        good(world, "unbind", "4008001234", "1007")
        assert len(MaskRepository(world.database).quarantines(0)) == 1
        assert "extension 1007" not in good(world, "bind", "4008001234", "--target", MARKED)
        assert "extensions 100-199 and damm digit  100      98    2" in good(world, "pool", "list")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("add", "rent", "4008001234"), "is a service number"),
            (("add", "rent", "x"), "not a telephone number"),
            (("add", "rent", X, "--cool-down", "401d"), "--cool-down: at most 400d"),
            (("add", "rent", X, "--cool-down", "x"), "--cool-down: not a length of time"),
            (("list", "rent"), "no pool is called rent; there are none"),
            (("retire", "x"), "not a telephone number"),
            (("extensions", "4008001234", "9", "10"), "are no range"),
        ],
    )
    def test_what_cannot_be_done(self, world: World, arguments: tuple[str, ...], words: str) -> None:
        """One line says why."""
        assert words in bad(world, "pool", *arguments)

    def test_empty(self, world: World) -> None:
        """No pools, and nothing to forget."""
        assert good(world, "pool", "list") == "no pools\n"
        assert good(world, "pool", "forget") == "0 releases forgotten\n"


class TestLog:
    """The log of changes."""

    def test_who_did_what(self, world: World) -> None:
        """Newest first, of one binding or of one kind, without a number of anybody."""
        good(world, "bind", "4008001234", "1", MARKED, "--by", "ann")
        good(world, "disable", "4008001234", "1", "--by", "bob", "--reason", "complaint")
        good(world, "bind", "4008001234", "2", "aor:alice")
        lines = good(world, "log", "4008001234", "1").splitlines()
        assert [line.split()[2:5] for line in lines[1:]] == [
            ["bob", "disable", "4008001234,1"], ["ann", "bind", "4008001234,1"],
        ]  # fmt: skip
        assert lines[1].endswith("complaint")
        shown = json.loads(good(world, "log", "--action", "disable", "--format", "json"))
        assert [change["who"] for change in shown] == ["bob"]
        assert re.fullmatch(r"number #[0-9a-f]{8} by carrier", shown[0]["detail"])

    def test_nothing_yet(self, world: World) -> None:
        """An empty log is said in words."""
        assert good(world, "log") == "no changes\n"


@pytest.mark.parametrize(
    "command",
    [
        ["bind"], ["unbind"], ["disable"], ["enable"], ["show"], ["list"], ["log"], ["import"], ["export"],
        ["refuse"], ["accept"], ["refusals"],
        ["pool", "add"], ["pool", "retire"], ["pool", "list"], ["pool", "extensions"], ["pool", "forget"],
    ],
)  # fmt: skip
def test_help_has_examples(command: list[str]) -> None:
    """Every command says how it is used, with invented numbers only."""
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert f"switchboard masks {' '.join(command)}" in result.output
    assert all(number.startswith("1390000") for number in re.findall(r"\b1[3-9]\d{9}\b", result.output))


def test_no_file_of_the_store_holds_a_number(world: World) -> None:
    """After bindings of all kinds, changes, pools, searches and mistakes the number is in no byte of the store."""
    good(world, "pool", "add", "rent", X)
    good(world, "bind", "--pool", "rent", *PAIR)
    good(world, "bind", "4008001234", "1", MARKED)
    good(world, "bind", "4008001234", "1", "aor:alice", "--replace")
    good(world, "unbind", "4008001234", "1", "--quarantine", "1d")
    good(world, "list", "--person", MARKED)
    bad(world, "bind", "4008001234", "2", MARKED, "--label", MARKED)
    file = world.directory / "all.csv"
    good(world, "export", "-o", str(file), "--reveal", "--reason", "search")
    good(world, "import", str(file))
    for path in world.store.rglob("*"):
        held = path.read_bytes() if path.is_file() else b""
        assert not [text for text in (MARKED, MARKED[3:], "13900002222") if text.encode() in held], path
    assert MARKED in file.read_text()


class TestRefusals:
    """Customers who want no calls back."""

    def test_said_and_taken_back(self, world: World) -> None:
        """Once each; the number is in no output, and the log tells of it without."""
        assert good(world, "refusals") == "nobody refuses calls back\n"
        assert good(world, "refuse", "-", "--reason", "by mail", given=f"{MARKED}\n").splitlines()[-2] == (
            "the customer refuses calls back"
        )
        assert "already, nothing changed" in good(world, "refuse", MARKED)
        (line,) = good(world, "refusals").splitlines()
        assert re.fullmatch(r"#[0-9a-f]{8}  refuses calls back since .*, told by an operator", line)
        assert good(world, "refusals", MARKED).strip() == line
        assert good(world, "refusals", "13900002222") == "does not refuse calls back\n"
        assert good(world, "accept", MARKED).startswith("the customer takes calls back\n")
        assert "already, nothing changed" in good(world, "accept", MARKED)
        assert actions(world) == ["refuse", "accept"]
        assert [change.reason for change in changes(world.database, limit=2)] == ["", "by mail"]

    @pytest.mark.parametrize("command", ["refuse", "accept", "refusals"])
    def test_what_is_no_number(self, world: World, command: str) -> None:
        """Is said in one line."""
        assert "number" in bad(world, command, "nobody")


class TestUnserved:
    """Numbers that nobody can call."""

    def test_are_warned_of(self, world: World) -> None:
        """When they are bound, by one or by a file; not where a line or a pool leads to them."""
        unknown = "01077770001"
        warning = f"warning: no line of the configuration leads to {unknown}"
        assert "warning" not in run(world, "bind", "4008001234", "1", "aor:alice").output
        assert warning in run(world, "bind", unknown, *PAIR).output
        good(world, "pool", "add", "rent", "--city", "Beijing", "01077770002")
        assert "warning" not in run(world, "bind", "01077770002", *PAIR).output
        file = world.config.parent / "some.csv"
        file.write_text(f"number,extension,target\n{unknown},1,aor:alice\n4008001234,2,aor:alice\n")
        assert warning in run(world, "import", str(file)).output


CONFIGURED = """
masks:
  - {number: "4008001234", extension: "777", real: "13956781234", trunk: carrier, shown: "01088880000"}
  - {number: "4008001234", extensions: 2000-2999, target: "aor:alice"}
"""


def test_bindings_of_the_configuration_are_listed(world: World) -> None:
    """Behind those that are stored, and by the same conditions; what is stored for an extension stands for it."""
    world.config.write_text(world.config.read_text() + CONFIGURED)
    good(world, "bind", "4008001234", "1", "aor:alice")
    stored, single, span = listed(world)
    assert [(one["id"], one["origin"]) for one in (stored, single, span)] == [
        ("4008001234,1", "stored"), ("4008001234,777", "configuration"), ("4008001234,2000-2999", "configuration"),
    ]  # fmt: skip
    assert MARKED not in str(single)
    for options, count in (
        (("--limit", "2"), 2), (("--limit", "2", "--offset", "2"), 1), (("--offset", "3"), 0),
        (("--number", "4001"), 0), (("--kind", "axb"), 0), (("--state", "disabled"), 0), (("--label", "x"), 0),
        (("--person", MARKED), 1), (("--person", "13900002222"), 0), (("--kind", "extension", "--state", "active"), 3),
    ):  # fmt: skip
        assert len(listed(world, *options)) == count, options
    good(world, "bind", "4008001234", "777", "aor:alice")
    assert [one["origin"] for one in listed(world)] == ["stored", "stored", "configuration"]
    assert "of 3; --offset 2" in good(world, "list", "--limit", "2")
    assert "configuration" in good(world, "list")
