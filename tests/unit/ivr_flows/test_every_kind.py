from __future__ import annotations

import pytest

from ivr_flows.errors import FlowError
from ivr_flows.loader import parse_flow
from ivr_flows.model import NODE_TYPES, SurveyNode
from ivr_flows.source import Source

EVERY = """\
flow: every
start: hello
language: en
parameters: [given]
results: [taken]
variables: {order: "1", amount: 12, n: 0, choice: ""}
on_hangup: report
nodes:
  hello:
    type: play
    prompts: [zh/welcome, {zh: zh/again, en: en/again}, {say: {zh: "{amount|money}", en: hello}}, "{language}/busy"]
    next: words
  words: {type: say, text: "{order|digits}", next: choose}
  choose: {type: menu, prompts: [en/welcome], keys: {1: pin, "*": ask}, into: choice, on_timeout: bye, on_invalid: bye}
  pin: {type: collect, into: pin, max: 6, secret: true, next: agree, on_timeout: bye, on_invalid: bye}
  agree: {type: consent, prompts: [zh/a], accepted: rec, declined: rec}
  rec: {type: record, do: start, next: is_large}
  is_large: {type: branch, when: [{if: "amount > 100", next: count}], else: ask}
  count: {type: set, values: {n: 3, m: "n * 2", t: {text: "{n}-{m}"}}, next: ask}
  ask:
    type: http
    method: POST
    url: "https://backend.example/orders/{order}"
    headers: {X-Key: "{order}"}
    json: {order: "{order}", deep: [1, {n: "{n}"}]}
    timeout: 2s
    retries: 2
    set: {status: data.items.0.status}
    while: [music/hold]
    next: who
    on_error: who
    on_timeout: who
    on_status: {"404": who}
  who:
    type: identify
    url: "https://backend.example/identity"
    ask: {method: id_card, prompts: [zh/a], retry_prompts: [zh/b], min: 4, max: 6}
    skip_key: "*"
    own_number: people
    verified: people
    failed: people
    skipped: people
    unavailable: people
  people: {type: queue, group: sales, priority: "n + 1", skills: "{choice}", next: rate, on: {other: leave}}
  leave: {type: voicemail, box: sales, prompts: [zh/a], next: bye, on_empty: back, on_error: back}
  back: {type: callback, group: sales, next: bye, on_refused: desk}
  desk: {type: extension, next: rate, on: {other: out}}
  out: {type: dial, target: "sip:desk@192.0.2.1", next: rate, on: {other: bye}}
  rate:
    type: survey
    timeout: 4s
    questions:
      - {name: solved, prompts: [zh/a], keys: "12"}
      - {name: score, prompts: [zh/b], retries: 1, timeout: 9s}
    next: sub
    on_none: sub
  sub: {type: subflow, flow: other, with: {given: "score"}, results: {total: taken}, next: on_}
  on_: {type: goto, next: no_more}
  back_: {type: return, results: {taken: total}}
  report: {type: http, url: "https://backend.example/gone", next: bye, on_error: bye}
  bye: {type: hangup, cause: normal}
  no_more: {type: refuse, next: inbox}
  inbox: {type: mailbox, box: "{choice}", next: message, on_empty: back_, on_refused: back_}
  message: {type: message, do: next, prompts: [zh/a], next: back_, on_empty: back_}
"""


DEFAULTS = {
    ("people", ("prompts", 0)),
    ("back", ("number",)),
    ("desk", ("number",)),
    ("desk", ("extension",)),
    ("people", ("vip",)),
    ("people", ("preferred",)),
    ("inbox", ("pin",)),
}
"""What is read or played though it is not written."""


def every(old: str, new: str) -> str:
    """Return the text of all nodes with one change, which must apply."""
    assert old in EVERY
    return EVERY.replace(old, new)


class TestEveryKind:
    """A file with every kind of node."""

    FLOW = parse_flow(EVERY, "f.yaml")

    def test_all_kinds_are_here(self) -> None:
        """The file knows every kind there is, and each becomes its struct."""
        assert {type(node) for node in self.FLOW.nodes.values()} == set(NODE_TYPES.values())

    def test_header(self) -> None:
        """Language, parameters, results and the branch for a hang-up are the flow's."""
        flow = self.FLOW
        assert (flow.language, flow.parameters, flow.results, flow.on_hangup) == (
            "en",
            ("given",),
            ("taken",),
            "report",
        )

    def test_exits_and_prompts_have_places(self) -> None:
        """What a node leads to and plays can be found again in the file."""
        source = Source(EVERY, "f.yaml")
        for name, node in self.FLOW.nodes.items():
            for way in node.exits():
                assert ("nodes", name, *way.path) in source.places or ("nodes", name, *way.path) in source.keys
            for path, _ in (*node.prompts_by_place(), *node.reads()):
                assert ("nodes", name, *path) in source.places or (name, path) in DEFAULTS

    def test_every_exit_is_told(self) -> None:
        """Each node's exits are all that it can lead to."""
        ways = {name: {way.target for way in node.exits()} for name, node in self.FLOW.nodes.items()}
        assert ways["choose"] == {"pin", "ask", "bye"}
        assert ways["who"] == {"people"}
        assert ways["leave"] == {"bye", "back"}
        assert ways["agree"] == {"rec"}
        assert ways["back_"] == ways["bye"] == set()
        assert {name for name, node in self.FLOW.nodes.items() if node.ends} == {"back_", "bye"}

    def test_variables(self) -> None:
        """Each node tells what it sets, and all of its texts tell what they read."""
        nodes = self.FLOW.nodes
        told = {name: sorted(node.sets()) for name, node in nodes.items()}
        assert told["choose"] == ["choice"]
        assert told["count"] == ["m", "n", "t"]
        assert told["who"] == ["identity", "subject"]
        assert told["rate"] == ["score", "solved"]
        assert (told["sub"], told["ask"], told["people"]) == (["total"], ["status"], ["reason"])
        read = {name: {word for _, text in node.reads() for word in text.names} for name, node in nodes.items()}
        assert read["hello"] == {"amount", "language"}
        assert read["ask"] == {"order", "n"}
        assert read["people"] == {"n", "choice"}
        assert read["back"] == {"caller"}
        assert read["sub"] == {"score"}

    def test_sounds(self) -> None:
        """A flow tells the sounds it may play, music while waiting and in queues among them."""
        assert self.FLOW.prompt_names() == {
            *("zh/welcome", "zh/again", "en/again", "en/welcome", "zh/a", "zh/b"),
            *("music/hold", "tone:ringback"),
        }

    def test_questions_take_the_surveys_time(self) -> None:
        """A question without a time of its own has the survey's."""
        rate = self.FLOW.nodes["rate"]
        assert isinstance(rate, SurveyNode)
        assert [question.timeout for question in rate.questions] == [4.0, 9.0]


CASES = [
    ("{say: {zh:", "{say: {chinese:", "11:57: 'chinese' is not a language; write zh or en"),
    ("amount|money", "amount|mony", "11:57: 'mony' is not a way to read out a value; did you mean 'money'?"),
    ('text: "{order|digits}"', "text: 5", "13:28: expected text, or a text for each language such as"),
    ('m: "n * 2"', 'm: "n *"', "19:40: a variable, a 'text' or a number is missing at the end"),
    ('keys: "12"', 'keyz: "12"', "53:41: unknown key 'keyz'; did you mean 'keys'?"),
    ('keys: "12"', 'keys: ""', "53:47: expected text of length >= 1"),
    ("{name: solved, ", "{", "53:9: 'name:' of 'rate' is missing"),
    ("retries: 1, timeout", "retries: 99, timeout", "54:49: expected a whole number <= 10"),
    ("ask: {method: id_card, ", "ask: {", "37:5: 'method:' of 'who' is missing"),
    ("id_card", "ID card", "37:19: expected a word of small letters, digits and _"),
    ('    skip_key: "*"\n', "", "35:5: give both 'skip_key:' and 'skipped:', or neither"),
    ("min: 4, max: 6}", "min: 7, max: 6}", "35:5: ask: min 7 is more than max 6"),
    ("method: POST", "method: PAST", "22:13: 'PAST' is not known; did you mean 'POST'?"),
    ('"404"', '"4O4"', "33:17: expected an HTTP status such as 404"),
    ("data.items.0.status", "data..status", "28:19: expected a path such as data.items.0.status"),
    ("    on_error: who\n", "", "20:3: exit 'on_error' of 'ask' is not wired"),
    ("    unavailable: people\n", "", "34:3: exit 'unavailable' of 'who' is not wired"),
    ("accepted: rec, ", "", "16:3: exit 'accepted' of 'agree' is not wired"),
    ("declined: rec", "declined: rec, decline: 1", "16:82: expected text, got a whole number; put it in quotes"),
    ("declined: rec", "declined: rec, decline: '1'", "16:10: '1' cannot both accept and decline"),
    ("on_empty: back, ", "", "45:3: exit 'on_empty' of 'leave' is not wired"),
    ("on_hangup: report", "on_hangup: reprot", "7:12: on_hangup: no node 'reprot'; did you mean 'report'?"),
    ("type: goto", "type: transfer", "58:15: 'transfer' is not a type of node; one of play, say, menu"),
    ("do: start", "do: begin", "17:27: 'begin' is not known; one of start, stop, pause, resume"),
]
CODES = {
    "is not wired": "missing-exit",
    "'name:' of 'rate' is missing": "missing-key",
    "unknown key": "unknown-key",
    "is not a type of node": "unknown-type",
    "did you mean 'POST'": "wrong-value",
    "is not a language": "wrong-value",
}


def faults(text: str) -> list[FlowError]:
    """Return all that is wrong with a text."""
    with pytest.raises(FlowError) as caught:
        parse_flow(text, "f.yaml")
    return list(caught.value.all)


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[case[2] for case in CASES])
def test_fault(old: str, new: str, expected: str) -> None:
    """Each mistake is named in one line, at its place, with advice."""
    found = [str(fault) for fault in faults(every(old, new))]
    assert any(line.startswith(f"f.yaml:{expected}") for line in found), found


@pytest.mark.parametrize(("words", "code"), CODES.items())
def test_codes(words: str, code: str) -> None:
    """A kind of fault has a code that never changes."""
    old, new = next((old, new) for old, new, expected in CASES if words in expected)
    assert {fault.code for fault in faults(every(old, new)) if words in str(fault)} == {code}
