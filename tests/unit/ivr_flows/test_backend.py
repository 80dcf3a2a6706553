from __future__ import annotations

import msgspec
import pytest

from ivr_flows.actions import Answer, Callback, Hangup, Http, StopPlay
from ivr_flows.events import CallbackTaken, HttpDone, PlayDone
from ivr_flows.model import JsonPath
from tests.support.flow_caller import Caller, flow_of, play

EXITS = "  bye: {type: hangup}\n  bad: {type: hangup, cause: failed}\n"
OTHERS = {"slow": "  slow: {type: hangup, cause: no_answer}\n", "absent": "  absent: {type: hangup, cause: unknown}\n"}
ORDER = "variables: {order: 'A 1/#', count: 3}\n"


def http(extra: str = "") -> Caller:
    """Return a caller at an http node."""
    nodes = f"  a: {{type: http, url: 'http://b/orders/{{order}}', next: bye, on_error: bad{extra}}}\n{EXITS}"
    nodes += "".join(node for name, node in OTHERS.items() if name in extra)
    return Caller(flow_of(nodes, ORDER), caller="13800138000")


class TestRequest:
    """What is asked."""

    def test_get(self) -> None:
        """Variables are quoted in the URL, and the wait is a little longer than the request may take."""
        caller = http()
        assert caller.did == [Answer(), Http(1, "GET", "http://b/orders/A%201%2F%23")]
        assert caller.position.deadline == 100.0 + 3.0 + 1.0

    def test_server_from_a_variable(self) -> None:
        """A variable that the URL begins with is taken as it is."""
        nodes = "  a: {type: http, url: '{base}/x?n={n}', next: bye, on_error: bad}\n" + EXITS
        nodes = nodes.replace(
            "  slow: {type: hangup, cause: no_answer}\n  absent: {type: hangup, cause: unknown}\n", ""
        )
        caller = Caller(flow_of(nodes, "variables: {base: 'https://b:8443/api', n: 'a&b'}\n"))
        assert caller.asked().url == "https://b:8443/api/x?n=a%26b"

    def test_body(self) -> None:
        """The body is JSON with variables in its texts; one that is a text's all keeps its type."""
        extra = (
            ", method: PUT, timeout: 1s, retries: 2, headers: {X-Key: 'k-{order}'},"
            " json: {a: [1, 2.5, true, null, 'n={count}'], b: {c: '{count}', d: '{caller}'}}"
        )
        caller = http(extra + ", on_timeout: slow, on_status: {'404': absent}")
        request = caller.asked()
        assert (request.method, request.timeout, request.retries) == ("PUT", 1.0, 2)
        assert request.headers == {"X-Key": "k-A 1/#"}
        assert request.body is not None
        assert msgspec.json.decode(request.body) == {
            "a": [1, 2.5, True, None, "n=3"],
            "b": {"c": 3, "d": "13800138000"},
        }

    def test_headers_hold_no_line_ends(self) -> None:
        """A variable cannot add a header of its own."""
        nodes = "  a: {type: http, url: 'http://b', headers: {X: '{x}'}, next: b, on_error: b}\n  b: {type: hangup}\n"
        caller = Caller(flow_of(nodes, "variables: {x: ''}\n"), x="a\r\nY: b\x00")
        assert caller.asked().headers == {"X": "aY: b"}

    def test_what_cannot_be_encoded(self) -> None:
        """A text that is no Unicode is replaced, not an exception."""
        nodes = "  a: {type: http, url: 'http://b/{x}', json: {x: '{x}'}, next: b, on_error: b}\n  b: {type: hangup}\n"
        request = Caller(flow_of(nodes, "variables: {x: ''}\n"), x="a\ud800").asked()
        assert (request.url, request.body) == ("http://b/a%3F", b'{"x":"a?"}')


class TestAnswer:
    """What comes back."""

    SET = ", set: {status: data.items.0.status, n: data.n, price: data.price, ok: data.ok, who: data.who, no: data.x.y}"

    def test_values(self) -> None:
        """Variables are taken by path; what is not there, and what is no value, is empty."""
        caller = http(self.SET)
        body = {"data": {"items": [{"status": "sent"}], "n": 7, "price": 12.5, "ok": True, "who": None, "x": 1}}
        assert caller.answer(body) == [Hangup("normal")]
        taken = {name: caller.position.variables[name] for name in ("status", "n", "price", "ok", "who", "no")}
        assert taken == {"status": "sent", "n": 7, "price": "12.5", "ok": 1, "who": "", "no": ""}

    @pytest.mark.parametrize(
        ("path", "found"),
        [("a.0", 1), ("a.-1", None), ("a.9", None), ("a.b", None), ("d.e", [2]), ("x", None), ("d.1", "one")],
    )
    def test_paths(self, path: str, found: object) -> None:
        """A number counts in a list and is a key in a mapping."""
        assert JsonPath(path).find({"a": [1], "d": {"e": [2], "1": "one"}}) == found

    @pytest.mark.parametrize("body", [None, [], "text", 7, {"data": []}, {"data": {"items": {}}}])
    def test_any_shape(self, body: object) -> None:
        """An answer of another shape gives empty variables."""
        caller = http(self.SET)
        assert caller.answer(body) == [Hangup("normal")]
        assert caller.position.variables["status"] == ""

    @pytest.mark.parametrize(
        ("status", "error", "cause"),
        [
            (200, "", "normal"),
            (204, "", "normal"),
            (404, "", "unknown"),
            (404, "invalid", "unknown"),
            (500, "", "failed"),
            (302, "", "failed"),
            (0, "timeout", "no_answer"),
            (0, "unreachable", "failed"),
            (0, "busy", "failed"),
            (0, "", "failed"),
            (200, "invalid", "failed"),
            (200, "too_large", "failed"),
        ],
    )
    def test_exits(self, status: int, error: str, cause: str) -> None:
        """Each kind of answer has its way out."""
        caller = http(", on_timeout: slow, on_status: {'404': absent}, set: {x: a}")
        assert caller.answer(None, status, error) == [Hangup(cause)]  # type: ignore[arg-type]

    def test_nobody_reads_the_answer(self) -> None:
        """Where nothing is taken from the body, it need not be JSON."""
        assert http().answer(None, 200, "invalid") == [Hangup("normal")]

    def test_no_answer_at_all(self) -> None:
        """An end that is never reported is a time-out."""
        assert http(", on_timeout: slow").wait() == [Hangup("no_answer")]
        assert http().wait() == [Hangup("failed")]

    def test_an_echo_stays_secret(self) -> None:
        """A backend that sends a secret back does not make it public."""
        caller = http(", set: {who: who, text: text}")
        caller.answer({"who": "13800138000", "text": "for 13800138000"})
        assert "who" not in caller.position.variables
        assert caller.position.secrets["text"] == "for 13800138000"

    def test_size(self) -> None:
        """Long texts are cut, and numbers too large for 64 bits are text."""
        caller = http(", set: {long: long, big: big, round: round}")
        caller.answer({"long": "x" * 5000, "big": 10**30, "round": 5.0})
        assert len(str(caller.position.variables["long"])) == 1000
        assert (caller.position.variables["big"], caller.position.variables["round"]) == (str(10**30), "5")
        msgspec.msgpack.encode(caller.position)


class TestMeanwhile:
    """While the answer is awaited."""

    def test_prompts(self) -> None:
        """Prompts are looped until the answer comes."""
        caller = http(", while: [music/hold]")
        assert caller.did[2:] == [play("music/hold", play_id=1, loop=True)]
        assert caller.send(PlayDone(1)) == []
        assert caller.answer({}) == [StopPlay(), Hangup("normal")]
        assert http(", while: [music/hold]").wait() == [StopPlay(), Hangup("failed")]

    def test_keys_are_kept(self) -> None:
        """Keys pressed meanwhile are those of the menu that follows."""
        nodes = (
            "  a: {type: http, url: 'http://b', next: m, on_error: m}\n"
            "  m: {type: menu, prompts: [zh/m], keys: {'5': bye}, on_timeout: bad, on_invalid: bad}\n"
            "  bye: {type: hangup}\n  bad: {type: hangup, cause: failed}\n"
        )
        caller = Caller(flow_of(nodes))
        assert caller.keys("5") == []
        assert caller.answer({}) == [Hangup("normal")]

    def test_second_request(self) -> None:
        """The late answer to the first request is not taken for the second one's."""
        nodes = (
            "  a: {type: http, url: 'http://b/1', next: b, on_error: b}\n"
            "  b: {type: http, url: 'http://b/2', set: {x: x}, next: c, on_error: c}\n  c: {type: hangup}\n"
        )
        caller = Caller(flow_of(nodes))
        caller.wait()
        assert caller.send(HttpDone(1, 200, {"x": 1})) == []
        assert caller.send(HttpDone(2, 200, {"x": 2})) == [Hangup("normal")]
        assert caller.position.variables["x"] == 2


class TestCallback:
    """A callback node."""

    NODES = (
        "  a: {type: callback, group: '{shop}', prompts: [zh/later], next: bye, on_refused: bad}\n"
        "  bye: {type: hangup}\n  bad: {type: hangup, cause: failed}\n"
    )

    def test_kept(self) -> None:
        """The caller's number is left with the group, and once it is kept the prompts say so."""
        caller = Caller(flow_of(self.NODES, "variables: {shop: north}\n"), caller="13800138000")
        assert caller.did == [Answer(), Callback(1, "13800138000", "north")]
        assert caller.position.deadline == 105.0
        assert caller.send(CallbackTaken(1, True)) == [play("zh/later", play_id=1)]
        assert caller.keys("1") == []
        assert caller.send(PlayDone(1)) == [Hangup("normal")]

    def test_without_a_word(self) -> None:
        """Without prompts it goes on at once."""
        nodes = self.NODES.replace(" prompts: [zh/later],", "").replace("{shop}", "g")
        assert Caller(flow_of(nodes), caller="138").send(CallbackTaken(1, True)) == [Hangup("normal")]

    def test_refused(self) -> None:
        """A wish that is refused, or not heard of again, has its exit."""
        flow = flow_of(self.NODES, "variables: {shop: north}\n")
        assert Caller(flow, caller="13800138000").send(CallbackTaken(1, False)) == [Hangup("failed")]
        assert Caller(flow, caller="13800138000").wait() == [Hangup("failed")]

    @pytest.mark.parametrize("number", ["", "anonymous", "12", "1" * 21, "138#"])
    def test_nobody_to_call(self, number: str) -> None:
        """What is no telephone number is refused without asking."""
        flow = flow_of(self.NODES, "variables: {shop: north}\n")
        assert Caller(flow, caller=number).did == [Answer(), Hangup("failed")]
