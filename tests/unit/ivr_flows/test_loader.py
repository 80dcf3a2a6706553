from __future__ import annotations

from pathlib import Path

import pytest

from ivr_flows.errors import FlowError, did_you_mean
from ivr_flows.expressions import Scope
from ivr_flows.loader import LIBRARY, load_library, parse_flow, read_flow
from ivr_flows.model import BranchNode, CollectNode, ExtensionNode, HangupNode, PlayNode

GOOD = """\
flow: sample
start: welcome
variables: {shop: "12", floor: 3}
nodes:
  welcome: {type: play, prompts: [zh/welcome], next: key}
  key:
    type: collect
    into: extension
    max: 6
    min: 4
    first_timeout: 2.5s
    digit_timeout: 200ms
    terminators: "#*"
    next: choose
    on_timeout: bye
    on_invalid: bye
  choose:
    type: branch
    when:
      - {if: "shop == 12", next: connect}
    else: bye
  connect:
    type: extension
    number: "{called}"
    extension: "{extension}"
    next: bye
    on: {busy: bye, other: bye}
  bye: {type: hangup, prompts: [zh/goodbye], cause: busy}
"""


def faults(text: str) -> list[str]:
    """Return all that is wrong with a text, as lines."""
    with pytest.raises(FlowError) as caught:
        parse_flow(text, "f.yaml")
    return [str(fault) for fault in caught.value.all]


class TestGoodFile:
    """A file without faults."""

    def test_header(self) -> None:
        """The header's values are the flow's, and a flow that listens answers now unless told otherwise."""
        flow = parse_flow(GOOD, "f.yaml")
        assert (flow.name, flow.start, flow.answer, flow.file) == ("sample", "welcome", "now", "f.yaml")
        assert flow.variables == {"shop": "12", "floor": 3}
        assert flow.step_limit == 1000

    def test_nodes_are_typed(self) -> None:
        """Each node becomes the struct of its type, in the file's order."""
        nodes = parse_flow(GOOD, "f.yaml").nodes
        kinds = [type(node) for node in nodes.values()]
        assert kinds == [
            PlayNode,
            CollectNode,
            BranchNode,
            ExtensionNode,
            HangupNode,
        ]

    def test_durations_conditions_and_texts_are_read_once(self) -> None:
        """What a call needs is ready before it comes."""
        nodes = parse_flow(GOOD, "f.yaml").nodes
        key, choose, connect = nodes["key"], nodes["choose"], nodes["connect"]
        assert isinstance(key, CollectNode)
        assert isinstance(choose, BranchNode)
        assert isinstance(connect, ExtensionNode)
        assert (key.first_timeout, key.digit_timeout, key.barge_in) == (2.5, 0.2, True)
        assert choose.when[0].condition.holds(Scope({"shop": "12"}))
        assert connect.extension.fill({"extension": "7"}) == "7"

    def test_version_follows_the_text(self) -> None:
        """Two texts have two versions, the same text always one."""
        first, again = parse_flow(GOOD, "f.yaml"), parse_flow(GOOD, "g.yaml")
        other = parse_flow(GOOD + "# changed\n", "f.yaml")
        assert first.version == again.version != other.version

    def test_prompt_names(self) -> None:
        """A flow tells every sound it may play, ringback included."""
        assert parse_flow(GOOD, "f.yaml").prompt_names() == {"zh/welcome", "zh/goodbye", "tone:ringback"}

    def test_answer_stated_wins(self) -> None:
        """A flow that only plays may say that it wants early media."""
        text = "flow: f\nanswer: early\nstart: a\nnodes:\n  a: {type: hangup, prompts: [zh/busy]}\n"
        assert parse_flow(text, "f.yaml").answer == "early"

    def test_a_silent_flow_answers_on_connect(self) -> None:
        """A flow that only connects leaves the answer to the party called."""
        text = (
            "flow: f\nstart: a\nnodes:\n  a: {type: dial, target: 'aor:x', next: b, on: {other: b}}\n"
            "  b: {type: hangup}\n"
        )
        assert parse_flow(text, "f.yaml").answer == "on_connect"


def changed(old: str, new: str) -> str:
    """Return the good text with one change, which must apply."""
    assert old in GOOD
    return GOOD.replace(old, new)


CASES = [
    (
        changed("start: welcome", "start: welcom"),
        "f.yaml:2:8: start: no node 'welcom'; did you mean 'welcome'?",
    ),
    (changed("start: welcome\n", ""), "f.yaml:1:1: 'start:' is missing"),
    (changed("start: welcome", "begin: welcome"), "f.yaml:2:1: unknown key 'begin'"),
    (
        changed("start: welcome", "start: [welcome]"),
        "f.yaml:2:8: expected text, got a list",
    ),
    (
        changed("flow: sample", "flow: 4008"),
        "f.yaml:1:7: expected text, got a whole number; put it in quotes",
    ),
    (
        changed("    max: 6", "    maks: 6"),
        "f.yaml:9:5: unknown key 'maks'; did you mean 'max'?",
    ),
    (changed("    max: 6", "    max: six"), "f.yaml:9:10: expected a whole number, got text"),
    (changed("    max: 6", "    max: 33"), "f.yaml:9:10: expected a whole number <= 32"),
    (changed("    max: 6", "    max: 3"), "f.yaml:10:10: min 4 is more than max 3"),
    (changed("2.5s", "2.5 sec"), "f.yaml:11:20: '2.5 sec' is not a duration; write 200ms, 5s, 2m or 4h"),
    (changed("2.5s", "[1]"), "f.yaml:11:20: write a duration such as 5s"),
    (
        changed('terminators: "#*"', "terminators: #*"),
        "f.yaml:13:17: expected text, got nothing; put it in quotes",
    ),
    (changed('terminators: "#*"', 'terminators: "x"'), "f.yaml:13:18: 'x' is no key of a telephone"),
    (changed("next: choose", "next: chose"), "f.yaml:14:11: next: no node 'chose'; did you mean 'choose'?"),
    (changed("    on_timeout: bye\n", ""), "f.yaml:6:3: exit 'on_timeout' of 'key' is not wired"),
    (changed("into: extension", "into: 12ab"), "f.yaml:8:11: '12ab' cannot be a variable"),
    (changed("into: extension", "into: visits"), "f.yaml:8:11: 'visits' cannot be a variable"),
    (changed("shop == 12", "shop = 12"), "f.yaml:20:14: cannot read '= 12'"),
    (
        changed("shop == 12", "shoop == 12"),
        "f.yaml:20:14: nothing sets the variable 'shoop'; did you mean 'shop'?",
    ),
    (
        changed("shop == 12", "visits.keys < 2"),
        "f.yaml:20:14: visits.keys: no node 'keys'; did you mean 'key'?",
    ),
    (changed('"shop == 12"', "12"), "f.yaml:20:14: expected text; put it in quotes"),
    (changed("{if:", "{iff:"), "f.yaml:20:10: unknown key 'iff'; did you mean 'if'?"),
    (changed(", next: connect}", "}"), "f.yaml:20:9: exit 'next' of 'choose' is not wired"),
    (
        changed('      - {if: "shop == 12", next: connect}\n', "      - connect\n"),
        "f.yaml:20:9: expected a mapping, got text",
    ),
    (changed("    else: bye\n", ""), "f.yaml:17:3: exit 'else' of 'choose' is not wired"),
    (changed('"{called}"', "4008001234"), "f.yaml:24:13: expected text; put it in quotes"),
    (changed('"{called}"', '"{called"'), "f.yaml:24:13: a variable is written {name}"),
    (
        changed('"{extension}"', '"{extention}"'),
        "f.yaml:25:16: nothing sets the variable 'extention'; did you mean 'extension'?",
    ),
    (changed("number:", "numbr:"), "f.yaml:24:5: unknown key 'numbr'; did you mean 'number'?"),
    (
        changed(", other: bye}", "}"),
        "f.yaml:27:9: exits not wired: unknown, expired, disabled, quarantine, direction, no_answer",
    ),
    (changed("on: {busy", "on: {bussy"), "f.yaml:27:10: 'bussy' is not known; did you mean 'busy'?"),
    (changed("on: {busy: bye", "on: {busy: by"), "f.yaml:27:16: on.busy: no node 'by'; did you mean 'bye'?"),
    (changed("cause: busy", "cause: bussy"), "f.yaml:28:53: 'bussy' is not known; did you mean 'busy'?"),
    (
        changed("type: hangup", "type: hangop"),
        "f.yaml:28:15: 'hangop' is not a type of node; did you mean 'hangup'?",
    ),
    (
        changed("type: hangup", "type: 12"),
        "f.yaml:28:15: '12' is not a type of node; one of play, say, menu, collect, branch",
    ),
    (
        changed("type: hangup, ", ""),
        "f.yaml:28:3: node 'bye' has no 'type:'; one of play, say, menu, collect, branch",
    ),
    (changed("[zh/goodbye]", "zh/goodbye"), "f.yaml:28:32: expected a list, got text"),
    (
        changed("zh/goodbye", "../secret"),
        "f.yaml:28:33: '../secret' is no prompt name; write names such as zh/welcome",
    ),
    (
        changed("zh/goodbye", "zh/goodbye.wav"),
        "f.yaml:28:33: 'zh/goodbye.wav' is no prompt name; write names such as zh/welcome",
    ),
    (
        changed("    next: bye\n    on:", "    next: bye\n    ringback: /etc/x\n    on:"),
        "f.yaml:27:15: '/etc/x' is no prompt name",
    ),
    (changed("[zh/welcome], next: key", "[], next: key"), "f.yaml:5:34: 'welcome' plays nothing"),
    (changed("[zh/welcome], next: key", "[zh/welcome]"), "f.yaml:5:3: exit 'next' of 'welcome' is not wired"),
    (
        changed("  welcome: {", "  wel come: {"),
        "f.yaml:5:3: 'wel come' is not a node name; use letters, digits and _",
    ),
    (changed("floor: 3", "floor: [3]"), "f.yaml:3:32: expected a whole number or text, got a list"),
    (changed("floor: 3", "visits: 3"), "f.yaml:3:25: 'visits' cannot be a variable"),
    (
        changed("flow: sample", "flow: sample\nanswer: early"),
        "f.yaml:2:9: a flow that collects digits must answer now, not early",
    ),
    (
        changed("flow: sample", "flow: sample\nanswer: later"),
        "f.yaml:2:9: 'later' is not known; one of now, early, on_connect",
    ),
    (changed("flow: sample", "flow: sample\nstep_limit: 0"), "f.yaml:2:13: expected a whole number >= 1"),
    ("flow: f\nstart: a\n", "f.yaml:1:1: 'nodes:' must name at least one node"),
    ("flow: f\nstart: a\nnodes: {}\n", "f.yaml:3:8: 'nodes:' must name at least one node"),
    ("flow: f\nstart: a\nnodes: {a: hangup}\n", "f.yaml:3:12: node 'a' must be a mapping with 'type:'"),
    ("- flow\n", "f.yaml:1:1: expected 'flow:', 'start:' and 'nodes:'"),
    (GOOD + "flow: again\n", "f.yaml:29:1: 'flow' is given twice"),
    (
        "flow: f\nanswer: on_connect\nstart: a\nnodes:\n  a: {type: hangup, prompts: [zh/busy]}\n",
        "f.yaml:2:9: a flow that plays prompts must answer now or early, not on_connect",
    ),
]


class TestFaults:
    """What an author can do wrong."""

    @pytest.mark.parametrize(("text", "expected"), CASES, ids=[case[1][:70] for case in CASES])
    def test_fault(self, text: str, expected: str) -> None:
        """Each mistake is named in one line, at its place, with advice."""
        assert any(line.startswith(expected) for line in faults(text)), faults(text)

    def test_all_faults_in_order(self) -> None:
        """One reading finds every mistake, and the first in the file comes first."""
        text = changed("    max: 6", "    max: six").replace("2.5s", "soon").replace("cause: busy", "because: busy")
        assert [line.split(":")[1] for line in faults(text)] == ["9", "28"]
        text = changed("next: choose", "next: chose").replace("else: bye", "else: by")
        assert [line.split(":")[1] for line in faults(text)] == ["14", "21"]

    def test_a_misspelt_key_is_one_fault(self) -> None:
        """A key that is meant but misspelt is not reported as missing as well."""
        assert len(faults(changed("    max: 6", "    maks: 6"))) == 1

    def test_parts(self) -> None:
        """An error carries its parts for programs, beside the line for people."""
        with pytest.raises(FlowError) as caught:
            parse_flow(changed("next: choose", "next: chose"), "f.yaml")
        error = caught.value
        assert (error.file, error.line, error.column) == ("f.yaml", 14, 11)
        assert (error.message, error.suggestion) == ("next: no node 'chose'", "did you mean 'choose'?")
        assert error.others == ()

    def test_nothing_similar(self) -> None:
        """No suggestion is made where nothing is near."""
        assert did_you_mean("zebra", ["menu", "hangup"]) == ""


class TestFiles:
    """Reading one file."""

    def test_load(self, tmp_path: Path) -> None:
        """A file is read as UTF-8, with or without a byte order mark."""
        file = tmp_path / "f.yaml"
        file.write_text(GOOD, encoding="utf-8-sig")
        flow, _ = read_flow(file)
        assert (flow.name, flow.file) == ("sample", str(file))

    def test_named_from_the_working_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file below the working directory is named as its user types it."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "flows").mkdir()
        (tmp_path / "flows" / "f.yaml").write_text("flow: [", encoding="utf-8")
        with pytest.raises(FlowError) as caught:
            read_flow(tmp_path / "flows" / "f.yaml")
        assert str(caught.value).startswith("flows/f.yaml:1:")

    def test_absent(self, tmp_path: Path) -> None:
        """A file that is not there gives one line without a place."""
        with pytest.raises(FlowError) as caught:
            read_flow(tmp_path / "none.yaml")
        assert str(caught.value) == f"{tmp_path}/none.yaml: cannot be read: No such file or directory"

    def test_not_text(self, tmp_path: Path) -> None:
        """Bytes that are no UTF-8 are named by their line."""
        (tmp_path / "f.yaml").write_bytes(b"flow: x\nstart: \xff\n")
        with pytest.raises(FlowError) as caught:
            read_flow(tmp_path / "f.yaml")
        assert (caught.value.line, caught.value.message) == (2, "not UTF-8 text")

    def test_too_large(self, tmp_path: Path) -> None:
        """A file beyond any real flow's size is not even parsed."""
        (tmp_path / "f.yaml").write_bytes(b"#" * (1 << 20) + b"\n")
        with pytest.raises(FlowError) as caught:
            read_flow(tmp_path / "f.yaml")
        assert "larger than" in caught.value.message


class TestLibrary:
    """Reading many."""

    def test_directories_and_files(self, tmp_path: Path) -> None:
        """Directories give every .yaml in them, files themselves; flows go by the name inside."""
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "a.yaml").write_text(GOOD, encoding="utf-8")
        (tmp_path / "lib" / "notes.txt").write_text("not a flow", encoding="utf-8")
        single = tmp_path / "b.yaml"
        single.write_text(changed("flow: sample", "flow: other"), encoding="utf-8")
        assert set(load_library([tmp_path / "lib", single])) == {"sample", "other"}

    def test_later_path_replaces(self, tmp_path: Path) -> None:
        """An operator's flow replaces the packaged one of the same name."""
        own = tmp_path / "mine.yaml"
        own.write_text(changed("flow: sample", "flow: extension"), encoding="utf-8")
        library = load_library()
        assert "hold_music" in library
        assert load_library([LIBRARY, own])["extension"].version != library["extension"].version

    def test_same_name_twice(self, tmp_path: Path) -> None:
        """Two files of one directory may not claim one name."""
        for name in ("a.yaml", "b.yaml"):
            (tmp_path / name).write_text(GOOD, encoding="utf-8")
        with pytest.raises(FlowError) as caught:
            load_library([tmp_path])
        assert caught.value.message == f"flow 'sample' is also in {tmp_path}/a.yaml"

    def test_tests_are_passed_over(self, tmp_path: Path) -> None:
        """Tests beside the flows are no flows."""
        (tmp_path / "a.yaml").write_text(GOOD, encoding="utf-8")
        (tmp_path / "a.test.yaml").write_text("flow: a\ntests: []\n", encoding="utf-8")
        assert set(load_library([tmp_path])) == {"sample"}
        assert load_library([tmp_path / "a.test.yaml"]) == {}
