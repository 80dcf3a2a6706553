"""Whatever callers, agents, servers and media workers do, in whatever order: every call ends, and nothing stays."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.call_faults import faults, oddities
from tests.support.call_history import DIALLED, PIN, History

which = st.integers(0, 5)
quiet = st.booleans()
replies = st.sampled_from([{"order": {"status": "x"}}, {"own": True}, {"own": False}, {"verified": True}, None, [1]])

QUIET = ("dial", "cancel", "within", "agent", "agent_sends")
"""Steps whose last value says that nothing is to be delivered yet."""

Step = tuple[Any, ...]


def step(name: str, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """A step of this name."""
    return st.tuples(st.just(name), *values)


steps = st.one_of(
    step("dial", st.sampled_from(DIALLED), st.sampled_from([True, True, False]), quiet),
    step("wait", st.sampled_from([0.0, 0.3, 1.0, 2.0, 5.0, 10.0, 31.0])),
    step("agent", which, st.sampled_from([100, 180, 183]), st.sampled_from(["", "good"]), quiet),
    step("agent", which, st.just(200), st.sampled_from(["good", "good", "good", "", "bad", "bare"]), quiet),
    step("agent", which, st.sampled_from([302, 404, 408, 480, 486, 503, 603]), st.just(""), quiet),
    step("agent_sends", which, st.sampled_from(["BYE", "BYE", "INVITE", "UPDATE"]), quiet),
    step("within", which, st.just("ACK"), st.just(b""), quiet),
    step("within", which, st.just("BYE"), st.just(b""), quiet),
    step("within", which, st.sampled_from(["INVITE", "UPDATE"]), st.sampled_from([b"", b"v=0", None]), quiet),
    step("within", which, st.just("INFO"), st.just(b"Signal=1\r\nDuration=100\r\n"), quiet),
    step("cancel", which, quiet),
    step("keys", which, st.sampled_from([PIN, "1", "2", "3", "5", "#", "12#"])),
    step("heard", which, st.sampled_from(["done", "failed"])),
    step("heard", which, st.just("done")),
    step("spoken", which, st.sampled_from([0.0, 0.5, 9.0]), st.sampled_from(["digit", "silence", "failed", "odd"])),
    step("recorded", which, st.sampled_from(["", "disk full"])),
    step("silent", which),
    step("backend", which, st.sampled_from([200, 200, 404, 500]), replies, st.just("")),
    step("backend", which, st.just(0), st.none(), st.sampled_from(["timeout", "unreachable", "busy"])),
    step("voice", st.booleans(), st.booleans()),
    step("boxes", st.booleans()),
    step("reload", st.sampled_from(["two", "one", "far"])),
    step("unbind", st.sampled_from(["pair", "shop"])),
    step("lose", st.integers(1, 3)),
    step("lose_worker", st.integers(0, 1)),
    step("hold_ports", st.integers(0, 2)),
)


@settings(max_examples=150)
@given(
    st.lists(steps, min_size=10, max_size=60), st.sampled_from(DIALLED), st.integers(1, 2), st.sampled_from([1, 1, 2])
)
def test_whatever_happens_every_call_ends_and_nothing_is_left(
    history: list[Step], number: str, members: int, copies: int
) -> None:
    """One record a call, every INVITE answered, every dialog closed, every port and timer given back."""
    calls = History(members=members, copies=copies)
    calls.dial(number, True, False)
    for name, *values in history:
        if values[2:3] == [None] and name == "within":
            values[2] = calls.world.carrier.sdp(40002)
        getattr(calls, name)(*values)
        if name not in QUIET or not values[-1]:
            assert oddities(calls.world) == []
    calls.settle()
    assert faults(calls) == []
