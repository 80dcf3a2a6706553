"""A hotline in any history, over the real queue engine: desk and calls always agree, and nobody is stuck.

`SWITCHBOARD_LONG=1` makes the histories many more and longer, and different each time.
"""

from __future__ import annotations

import os
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from switchboard.calls.commands import (
    Add,
    Back,
    CancelTransfer,
    Command,
    Complete,
    Consult,
    Dial,
    Drop,
    HangUp,
    Hold,
    InviteRating,
    Merge,
    Mute,
    Park,
    Pick,
    RecordTalk,
    Resume,
    SendDigits,
    StopSupervising,
    Supervise,
    ToSurvey,
    Transfer,
    Unpark,
    Verified,
)
from switchboard.calls.control import COMMANDS
from tests.support.desk_history import PLACES, DeskHistory
from tests.support.desk_rules import AGENTS, Rules

LONG: Final = bool(os.environ.get("SWITCHBOARD_LONG"))
Step = tuple[Any, ...]

which = st.integers(0, 5)
names = st.sampled_from(AGENTS)
places = st.sampled_from(PLACES)
modes = st.sampled_from(["listen", "whisper", "barge"])
rules = st.builds(
    Rules,
    strategy=st.sampled_from(["longest_idle", "ring_all", "progressive", "round_robin"]),
    wrap_up=st.sampled_from([0.0, 10.0]),
    first=st.sampled_from(["agent", "caller"]),
    overflow=st.booleans(),
    no_answer_state=st.sampled_from(["idle", "break"]),
    max_length=st.sampled_from([None, 1]),
    requirement=st.sampled_from(["", "en>=4 then any after 10s"]),
)


def step(name: str, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """A step of this name."""
    return st.tuples(st.just(name), *values)


def cmd(kind: type[Command], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """A command of this type about some call, by somebody: mostly by `own`, the agent who leads it."""
    actors = st.sampled_from([*["own"] * 7, *AGENTS, "boss", "boss", "system"])
    return step("command", which, st.builds(kind, **fields), actors, st.booleans())


_FIRST: Final = st.one_of(
    st.builds(Consult, to=places),
    st.builds(Transfer, to=places, blind=st.booleans()),
    st.builds(Add, to=places),
    st.builds(Hold),
    st.builds(Park),
    st.builds(Supervise, mode=modes, supervisor=names),
)
_SECOND: Final = st.one_of(
    *[st.builds(kind) for kind in (Complete, Back, Merge, CancelTransfer, Resume, Unpark, HangUp, StopSupervising)],
    st.builds(Drop, leg=st.just("0")),
    st.builds(Consult, to=places),
    st.builds(Transfer, to=places, blind=st.booleans()),
    st.builds(Supervise, mode=modes, supervisor=names),
)
_ANSWERS: Final = st.sampled_from([200, 200, 200, 200, 180, 183, 486, 603, 480, 500])

steps = st.one_of(
    *[step("dial", which, which) for _ in range(3)],
    *[step("talk", which, which) for _ in range(3)],
    *[step("phone", which, _ANSWERS) for _ in range(8)],
    *[step("wait", st.sampled_from([0.1, 1.0, 4.0, 10.0, 13.0, 33.0, 65.0])) for _ in range(4)],
    *[step("both", _FIRST, _SECOND, st.booleans()) for _ in range(4)],
    *[step("customer_leaves", which) for _ in range(2)],
    *[step("hangs_up", which) for _ in range(2)],
    *[step("key", which, st.sampled_from(["1", "1", "2"])) for _ in range(2)],
    *[step("asks_back", which, st.sampled_from([0.1, 11.0])) for _ in range(3)],
    step("describes", which, st.sampled_from(["sendonly", "inactive", "sendrecv"])),
    step("stall", st.sampled_from([1.0, 11.0, 30.0, 200.0])),
    step("lose", st.integers(1, 3)),
    step("copies", st.integers(1, 2)),
    step("vanish", names),
    step("returns", names),
    step("register", st.sampled_from(["carl", "dora"]), st.sampled_from([0, 60, 3600])),
    step("silent", which),
    step("lose_worker"),
    step("ports", st.integers(0, 2)),
    step("sign_in", names),
    step("sign_out", names),
    step("state", names, st.sampled_from(["idle", "busy", "break"]), st.sampled_from([None, 5.0])),
    step("done", names),
    step("set_agent", names, st.sampled_from([("shop",), ("night",), ("shop", "night")]), st.sampled_from([None, 3.0])),
    step("remove_agent", names),
    step("set_group", rules),
    step("remove_group", st.sampled_from(["shop", "night"])),
    cmd(Hold),
    cmd(Resume),
    cmd(Mute, on=st.booleans()),
    cmd(SendDigits, digits=st.just("12")),
    cmd(Transfer, to=places, blind=st.booleans()),
    cmd(CancelTransfer),
    cmd(Consult, to=places),
    cmd(Complete),
    cmd(Back),
    cmd(Merge),
    cmd(Add, to=places),
    cmd(Drop, leg=st.just("0")),
    cmd(Supervise, mode=modes, supervisor=st.sampled_from(["", *AGENTS])),
    cmd(StopSupervising, supervisor=st.sampled_from(["", *AGENTS])),
    cmd(Park, slot=st.sampled_from(["", "2"])),
    cmd(Unpark, slot=st.sampled_from(["", "1", "2"])),
    cmd(Pick, agent=st.sampled_from(["", *AGENTS])),
    cmd(ToSurvey),
    cmd(InviteRating),
    cmd(HangUp),
    cmd(Dial, to=places),
    cmd(Verified),
    cmd(RecordTalk, do=st.sampled_from(["start", "stop"])),
)


@settings(
    max_examples=5000 if LONG else 400,
    derandomize=not LONG,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
@given(rules, st.lists(steps, min_size=10, max_size=120 if LONG else 50))
def test_desk_and_calls_agree_whatever_happens(how: Rules, history: list[Step]) -> None:
    """Who is said to talk, ring or wait does; everybody comes out of every state; the records tell who talked."""
    hotline = DeskHistory(how)
    hotline.dial(0, 0)
    for name, *values in history:
        getattr(hotline, name)(*values)
        if name != "stall":
            hotline.check()
    hotline.settle()
    assert hotline.finish() == []


def test_every_command_is_among_the_steps() -> None:
    """A command that is added must be added here."""
    text = repr(steps)
    assert [kind.__name__ for kind in COMMANDS if kind.__name__ not in text] == []
