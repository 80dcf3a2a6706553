"""Tests of flows: what they find, what they say, and how quick they are."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ivr_flows.errors import FlowError
from ivr_flows.loader import LIBRARY
from ivr_flows.testing.files import test_files as files_of
from ivr_flows.testing.runner import Bench, Result

FLOW = """\
flow: shop
start: hello
on_hangup: left
variables: {order: "", state: "", amount: ""}
nodes:
  hello: {type: play, prompts: [zh/welcome], next: ask}
  ask:
    type: menu
    prompts: [zh/main_menu]
    keys: {"1": order, "2": pin, "3": talk, "4": mail, "5": agree}
    timeout: 5s
    on_timeout: bye
    on_invalid: bye
  order: {type: collect, into: order, min: 4, max: 8, terminators: "#", prompts: [zh/order], barge_in: false,
    next: fetch, on_timeout: bye, on_invalid: bye}
  fetch:
    type: http
    url: "https://shop.example/orders/{order}"
    timeout: 2s
    retries: 1
    set: {state: data.state, amount: data.amount}
    next: tell
    on_error: sorry
    on_timeout: slow
    on_status: {"404": unknown}
  tell: {type: say, text: "{state}, {amount|money}", next: bye}
  sorry: {type: play, prompts: [zh/sorry], next: bye}
  slow: {type: play, prompts: [zh/slow], next: bye}
  unknown: {type: play, prompts: [zh/unknown], next: bye}
  pin: {type: collect, into: pin, max: 4, min: 4, secret: true, prompts: [zh/pin], next: send,
    on_timeout: bye, on_invalid: bye}
  send: {type: http, method: POST, url: "https://shop.example/pin", json: {pin: "{pin}"}, next: bye, on_error: sorry}
  talk: {type: queue, group: sales, priority: 3, max_wait: 2m, next: rate, on: {timeout: mail, other: sorry}}
  rate: {type: survey, questions: [{name: happy, prompts: [zh/happy]}], next: bye, on_none: bye}
  mail: {type: voicemail, box: sales, prompts: [zh/mail], next: back, on_empty: back, on_error: sorry}
  back: {type: callback, next: bye, on_refused: sorry}
  agree: {type: consent, prompts: [zh/consent], accepted: record, declined: dial}
  record: {type: record, do: start, next: dial}
  dial: {type: dial, target: "aor:boss", ring_timeout: 20s, next: bye, on: {no_answer: mail, other: sorry}}
  bye: {type: hangup, prompts: [zh/goodbye]}
  left: {type: http, method: POST, url: "https://shop.example/left", json: {at: "{order}"}, next: over, on_error: over}
  over: {type: hangup}
"""
BACKEND = """\
backend:
  - {method: POST, url: "*/left", status: 204}
  - {method: POST, url: "*/pin", status: 204}
  - {url: "/orders/1234", json: {data: {state: shipped, amount: 12.5}}}
"""


class Place:
    """A directory with the flow, and tests beside it."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "shop.test.yaml"
        (directory / "shop.yaml").write_text(FLOW)

    def bench(self) -> Bench:
        """Read the flow anew; the library only where its flows are named."""
        return Bench((LIBRARY,) if "hold_music" in self.file.read_text() else ())

    def run(self, tests: str, shared: str = BACKEND) -> list[Result]:
        """Run tests, written as the items of `tests:`."""
        self.file.write_text(f"{shared}tests:\n{tests}")
        return list(self.bench().run(self.file))

    def one(self, script: str, then: str, rest: str = "") -> Result:
        """Run one test."""
        (result,) = self.run(f"  - {{name: t, when: {script}, then: {then}{rest}}}\n")
        return result


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory with the flow."""
    return Place(tmp_path)


def told(result: Result) -> list[str]:
    """Return what a test says of its failures, a line each."""
    return [
        f"{failure.line}: {failure.message}"
        + (f": {failure.expected} | {failure.actual}" if failure.expected or failure.actual else "")
        for failure in result.failures
    ]


PASSES = {
    "nothing keyed": (
        "[]",
        "{path: [hello, ask, bye], heard: [zh/welcome, zh/main_menu, zh/goodbye], outcome: normal}",
    ),
    "an order": (
        '[{keys: "1"}, {keys: "1234#"}]',
        "{path: [hello, ask, order, fetch, tell, bye], heard: ['...', 'shipped, 十二元五角', zh/goodbye],"
        " variables: {order: '1234', state: shipped, amount: '12.5'}, trail: [{ask: '1'}, {order: 4 digits}],"
        " requests: [{method: GET, url: 'https://shop.example/orders/1234'}]}",
    ),
    "keys ahead of everything": ('[{ahead: "11234#"}]', "{path: [hello, ask, order, fetch, tell, bye]}"),
    "a timeout": ("[timeout]", "{path: [hello, ask, bye], reached: {bye: 11s}}"),
    "hung up in the prompt": (
        "[{hear: zh/main_menu}, hangup]",
        "{outcome: caller_gone, path: [hello, ask, left, over]}",
    ),
    "hung up after a while": ("[{wait: 4s}, hangup]", "{path: [hello, ask, left, over]}"),
    "hung up in the talk": ('[{keys: "3"}, {until: talk}, {wait: 30s}, hangup]', "{path: ['...', talk, left, over]}"),
    "patterns": ("[]", "{heard: ['*/wel*', '...'], path: ['...', ask, '...']}"),
    "a talk and a survey": (
        '[{keys: "3"}, {keys: "4"}]',
        "{connected: [group sales], survey: {happy: '4'}, heard: ['...', music/hold, zh/happy, zh/goodbye]}",
    ),
    "a message": (
        '[{keys: "4"}, {speak: 3s}]',
        "{boxes: [sales], callbacks: ['13800000000'], path: [hello, ask, mail, back, bye]}",
    ),
    "a message ended by a key": ('[{keys: "4"}, {speak: {for: 3s, key: "#"}}]', "{path: ['...', mail, back, bye]}"),
    "consent": ('[{keys: "5"}, {keys: "1"}]', "{consent: true, recorded: [start], connected: ['aor:boss']}"),
    "a secret": (
        '[{keys: "2"}, {keys: "7391"}]',
        "{variables: {pin: '7391'}, trail: [{ask: '2'}, {pin: 4 digits}], requests: [{json: {pin: '7391'}}]}",
    ),
}
FAILS = {
    "another path": (
        "[]",
        "{path: [hello, ask, tell]}",
        ["6: path is not as expected: hello → ask → tell | hello → ask → bye"],
    ),
    "more was heard": (
        "[]",
        "{heard: [zh/welcome]}",
        ["6: heard is not as expected: zh/welcome | zh/welcome → zh/main_menu → zh/goodbye"],
    ),
    "another outcome": ("[hangup]", "{outcome: normal}", ["6: outcome is not as expected: normal | caller_gone"]),
    "never heard": (
        "[{hear: zh/nothing}]",
        "{outcome: normal}",
        ["6: hear: 'zh/nothing' was not heard before the flow ended at 'bye' (normal)"],
    ),
    "never entered": (
        "[{until: mail}]",
        "{outcome: normal}",
        ["6: until: 'mail' was not entered before the flow ended at 'bye' (normal)"],
    ),
    "keys that nobody asks for": (
        '[timeout, {keys: "1"}]',
        "{outcome: normal}",
        ["6: keys: no keys were asked for before the flow ended at 'bye' (normal)"],
    ),
    "nobody takes a message": (
        "[{speak: 3s}]",
        "{outcome: normal}",
        ["6: speak: no message was taken before the flow ended at 'bye' (normal)"],
    ),
    "hung up too late": ("[{wait: 1m}, hangup]", "{outcome: normal}", ["6: hangup: the flow has hung up before"]),
    "no such request": (
        "[]",
        "{requests: [{url: '*/orders/1'}]}",
        ["6: requests is not as expected: * */orders/1 | (nothing)"],
    ),
    "a backend without an answer": (
        '[{keys: "1"}, {keys: "9999#"}]',
        "{path: [hello, ask, order, fetch, sorry, bye]}",
        ["6: nothing under 'backend:' answers GET https://shop.example/orders/9999"],
    ),
    "too late": (
        "[timeout]",
        "{reached: {bye: 3s, mail: 1s}}",
        [
            "6: reached bye is not as expected: within 3 s | after 11 s",
            "6: reached mail is not as expected: within 1 s | never",
        ],
    ),
    "another variable": (
        '[{keys: "1"}, {keys: "1234#"}]',
        "{variables: {state: lost}}",
        ["6: state is not as expected: 'lost' | 'shipped'"],
    ),
    "another key": ('[{keys: "9"}]', "{trail: [{ask: '9'}]}", ["6: trail is not as expected: ask=9 | (nothing)"]),
}


class TestRunning:
    """Tests that pass and tests that fail."""

    @pytest.mark.parametrize(("script", "then"), PASSES.values(), ids=PASSES.keys())
    def test_passes(self, place: Place, script: str, then: str) -> None:
        """What comes as expected passes."""
        assert told(place.one(script, then)) == []

    @pytest.mark.parametrize(("script", "then", "expected"), FAILS.values(), ids=FAILS.keys())
    def test_fails(self, place: Place, script: str, then: str, expected: list[str]) -> None:
        """What does not fails, with the line, what was expected and what came."""
        assert told(place.one(script, then)) == expected

    def test_lines(self, place: Place) -> None:
        """Each failure names the line of the step or the expectation."""
        (result,) = place.run(
            "  - name: t\n"
            "    when:\n"
            "      - timeout\n"
            '      - {keys: "1"}\n'
            "    then:\n"
            "      outcome: busy\n"
            "      path:\n"
            "        - hello\n"
        )
        assert result.line == 6
        assert [failure.line for failure in result.failures] == [9, 12, 11]

    def test_secrets_are_not_printed(self, place: Place) -> None:
        """Keyed secrets and the calling number are compared, and hidden in what is told."""
        result = place.one(
            '[{keys: "2"}, {keys: "7391"}]',
            "{variables: {pin: '7392'}, trail: [{ask: '7391'}],"
            " requests: [{json: {pin: '7392', caller: '13800000000'}}]}",
        )
        text = "\n".join(told(result))
        assert len(result.failures) == 3
        assert "7391" not in text
        assert "13800000000" not in text
        assert '{"pin":"•••"}' in text

    def test_a_flow_that_changes(self, place: Path, tmp_path: Path) -> None:
        """A test that passed fails when the flow is changed."""
        flow = tmp_path / "shop.yaml"
        script, then = PASSES["an order"]
        flow.write_text(FLOW.replace("next: tell\n", "next: sorry\n").replace("  tell: {", "  tll: {"))
        with pytest.raises(FlowError, match="nothing leads to 'tll'"):
            place.one(script, then)  # type: ignore[attr-defined]
        flow.write_text(FLOW.replace('{"404": unknown}', '{"404": unknown, "200": sorry}'))
        assert not place.one(script, then).passed  # type: ignore[attr-defined]


class TestWorld:
    """Backends, parties and time, as tests make them up."""

    ORDER = '[{keys: "1"}, {keys: "5555#"}]'

    @pytest.mark.parametrize(
        ("replies", "end", "requests"),
        [
            ("{status: 404}", "unknown", 1),
            ("{status: 500}", "sorry", 1),
            ("{error: timeout}", "slow", 1),
            ("{delay: 3s}", "slow", 1),
            ("{text: <html>}", "sorry", 1),
            ("{error: busy}", "sorry", 1),
            ("{error: unreachable}", "sorry", 1),
            ("{error: unreachable, times: 1}, {json: {data: {state: new}}}", "tell", 1),
            ("{status: 503, times: 1}, {json: {data: {state: new}}}", "tell", 1),
            ("{status: 503, delay: 1900ms, times: 1}, {json: {data: {state: new}}}", "sorry", 1),
            ("{method: POST, status: 404}, {url: '*/5555', status: 404}", "unknown", 1),
        ],
    )
    def test_backend(self, place: Place, replies: str, end: str, requests: int) -> None:
        """Statuses, errors, delays and retries lead where the switch would lead."""
        then = f"{{path: [hello, ask, order, fetch, {end}, bye], requests: [{{}}]}}"
        assert told(place.one(self.ORDER, then, f", backend: [{replies}]")) == []

    def test_each_reply_as_often_as_stated(self, place: Place) -> None:
        """A reply that is used up makes room for the next."""
        script = '[{keys: "2"}, {keys: "1111"}]'
        replies = ", backend: [{url: '*/pin', body: {pin: '1111'}, status: 500, times: 1}]"
        assert told(place.one(script, "{path: [hello, ask, pin, send, sorry, bye]}", replies)) == []

    @pytest.mark.parametrize(
        ("far", "path"),
        [
            ("[completed]", "[hello, ask, talk, rate, bye]"),
            ("[full]", "[hello, ask, talk, sorry, bye]"),
            ("[timeout]", "[hello, ask, talk, mail, back, bye]"),
            ("{talk: timeout}", "[hello, ask, talk, mail, back, bye]"),
            ("{talk: [timeout]}", "[hello, ask, talk, mail, back, bye]"),
            ("{outcome: completed, after: 1m, talk: 1h}", "[hello, ask, talk, rate, bye]"),
        ],
    )
    def test_far_end(self, place: Place, far: str, path: str) -> None:
        """Who is called does what the test says."""
        assert told(place.one('[{keys: "3"}]', f"{{path: {path}}}", f", far: {far}")) == []

    def test_far_end_takes_its_time(self, place: Place) -> None:
        """Waiting for nobody takes as long as may be waited; an impossible end is told."""
        result = place.one('[{keys: "3"}]', "{reached: {mail: 126s}}", ", far: [timeout]")
        assert told(result) == []
        result = place.one('[{keys: "3"}]', "{path: ['...']}", ", far: [busy]")
        assert told(result) == ["6: 'busy' under 'far:' cannot come of talk"]
        result = place.one('[{keys: "5"}, {keys: "2"}]', "{reached: {mail: 36s}}", ", far: [no_answer]")
        assert told(result) == []

    def test_refused_callbacks(self, place: Place) -> None:
        """A wish to be called back may be refused."""
        then = "{path: [hello, ask, mail, back, sorry, bye]}"
        assert told(place.one('[{keys: "4"}, {speak: 2s}]', then, ", given: {callbacks: refused}")) == []

    def test_clock(self, tmp_path: Path) -> None:
        """The clock shows what is given, goes on with the call, and knows weekends and holidays."""
        (tmp_path / "clock.yaml").write_text(
            "flow: clock\nstart: wait\nnodes:\n"
            "  wait: {type: play, prompts: [music/hold], loop: true, limit: 5m, next: look}\n"
            "  look: {type: set, values: {t: now_time(), d: now_date(), w: weekday(), k: workday(), h: holiday()},"
            " next: bye}\n"
            "  bye: {type: hangup}\n"
        )
        file = tmp_path / "clock.test.yaml"
        file.write_text(
            "tests:\n"
            "  - {name: Saturday night, given: {clock: '2026-02-28 23:57'},"
            " then: {variables: {t: '00:02', d: '2026-03-01', w: 7, k: 0, h: ''}}}\n"
            "  - {name: holiday, given: {clock: '2026-10-01 09:00', holiday: 国庆节},"
            " then: {variables: {w: 4, k: 0, h: 国庆节}}}\n"
            "  - {name: working Saturday, given: {clock: '2026-02-28 09:00', workday: true},"
            " then: {variables: {k: 1}}}\n"
            "  - {name: usual, then: {variables: {t: '10:05', w: 1, k: 1}}}\n"
        )
        assert [told(result) for result in Bench().run(file)] == [[], [], [], []]

    def test_given_of_the_file_and_of_the_test(self, tmp_path: Path) -> None:
        """A test's own inputs and variables win over the file's."""
        (tmp_path / "a.yaml").write_text("flow: a\nstart: bye\nnodes:\n  bye: {type: hangup}\n")
        file = tmp_path / "a.test.yaml"
        file.write_text(
            "given: {called: '1', caller_city: 上海, variables: {x: 1, y: 1}}\n"
            "tests:\n  - {name: t, given: {called: '2', variables: {y: 2}},"
            " then: {variables: {called: '2', caller_city: 上海, x: 1, y: 2, caller: '13800000000'}}}\n"
        )
        assert [told(result) for result in Bench().run(file)] == [[]]


WRONG = [
    ("  - {name: t, when: [keyz], then: {outcome: normal}}", "2:22: 'keyz' is not a step; did you mean 'keys'?"),
    ("  - {name: t, when: [{keyz: '1'}], then: {outcome: normal}}", "2:22: 'keyz' is not a step; did you mean 'keys'?"),
    ("  - {name: t, when: [{keys: 1}], then: {outcome: normal}}", "2:22: keys: expected text; put it in quotes"),
    (
        "  - {name: t, when: [{keys: 'x'}], then: {outcome: normal}}",
        "2:22: keys: the keys are 0 to 9, *, # and A to D",
    ),
    (
        "  - {name: t, when: [{wait: soon}], then: {outcome: normal}}",
        "2:22: 'soon' is not a duration; write 200ms, 5s, 2m or 4h",
    ),
    ("  - {name: t, when: [{keys: '1', hear: x}], then: {outcome: normal}}", "2:22: a step is one thing"),
    ("  - {name: t, when: [{speak: {to: 3s}}], then: {outcome: normal}}", "2:22: write {for: 12s"),
    ("  - {name: t, when: [], then: {}}", "2:31: 'then:' expects nothing; say what must come of it"),
    ("  - {name: t, when: []}", "2:5: 'then:' of '0' is missing"),
    ("  - {name: t, then: {pth: [a]}}", "2:22: unknown key 'pth'; did you mean 'path'?"),
    ("  - {name: t, far: [asleep], then: {path: [a]}}", "2:20: 'asleep' is not an outcome; one of completed"),
    ("  - {name: t, far: [{outcome: busy, of: x}], then: {path: [a]}}", "2:20: unknown key 'of'"),
    ("  - {name: t, given: {clock: noon}, then: {path: [a]}}", "2:30: write a date and time such as"),
    ("  - {name: t, backend: [{stats: 404}], then: {path: [a]}}", "2:26: unknown key 'stats'; did you mean 'status'?"),
    ("  - {name: t, then: {path: [a]}}\n  - {name: t, then: {path: [a]}}", "3:12: 't' is there twice"),
    ("  []", "2:3: expected a list of length >= 1"),
]


class TestFiles:
    """Reading tests."""

    @pytest.mark.parametrize(("tests", "expected"), WRONG, ids=[expected for _, expected in WRONG])
    def test_wrong(self, place: Place, tests: str, expected: str) -> None:
        """What is wrong with a test is told at its place, with what to write."""
        with pytest.raises(FlowError) as caught:
            place.run(tests, shared="")
        assert str(caught.value).partition("shop.test.yaml:")[2].startswith(expected)

    def test_which(self, tmp_path: Path) -> None:
        """A directory stands for its tests, a flow for those beside it; where there are none, that is told."""
        place = Place(tmp_path)
        with pytest.raises(FlowError, match="no tests here"):
            files_of([tmp_path / "shop.yaml"])
        place.run("  - {name: t, then: {outcome: normal}}\n")
        assert files_of([tmp_path, tmp_path / "shop.yaml", place.file]) == [place.file]

    def test_flow_by_name(self, place: Place, tmp_path: Path) -> None:
        """Tests may name a flow of the same directory or of the library."""
        assert place.run("  - {name: t, then: {path: [hello, ask, bye]}}\n", "flow: shop\n")[0].passed
        assert place.run("  - {name: t, then: {path: [music]}}\n", "flow: hold_music\n")[0].passed
        with pytest.raises(FlowError, match="no flow 'shp'; did you mean 'shop'"):
            place.run("  - {name: t, then: {path: [music]}}\n", "flow: shp\n")
        (tmp_path / "shop.yaml").unlink()
        with pytest.raises(FlowError, match="cannot be read"):
            place.run("  - {name: t, then: {path: [music]}}\n")

    def test_chosen_by_name(self, place: Place) -> None:
        """Only the tests whose names hold a text are run, whatever its case."""
        place.run("  - {name: One, then: {outcome: normal}}\n  - {name: two, then: {outcome: busy}}\n")
        assert [result.name for result in Bench().run(place.file, "one")] == ["One"]
        assert list(Bench().run(place.file, "three")) == []


class TestLibrary:
    """The packaged flows' own tests."""

    FILES = files_of([LIBRARY])

    def test_each_flow_has_tests(self) -> None:
        """No flow of the library is without."""
        assert {file.name.removesuffix(".test.yaml") for file in self.FILES} == {
            file.stem for file in LIBRARY.glob("*.yaml") if not file.name.endswith(".test.yaml")
        }

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_pass(self, file: Path) -> None:
        """All of them pass."""
        assert [failure for result in Bench().run(file) for failure in told(result)] == []

    def test_a_thousand_in_a_second(self, tmp_path: Path) -> None:
        """A thousand tests of the hotline, of minutes each, take a second of CPU or so, reading them included."""
        text = (LIBRARY / "hotline.test.yaml").read_text(encoding="utf-8")
        head, _, tests = text.partition("tests:\n")
        count = tests.count("  - name: ") + tests.count("  - {name: ")
        times = -(-1000 // count)
        many = tests.replace("name: ", "name: {n} ")
        file = tmp_path / "many.test.yaml"
        file.write_text(f"flow: hotline\n{head}tests:\n" + "".join(many.replace("{n}", str(n)) for n in range(times)))
        begun = time.process_time()
        results = list(Bench().run(file))
        taken = time.process_time() - begun
        seconds = sum(result.seconds for result in results)
        print(f"{len(results)} tests, {seconds / 3600:.1f} hours of calls, in {taken:.2f} s of CPU")
        assert len(results) >= 1000
        assert all(result.passed for result in results)
        assert seconds / taken > 10_000
