"""The agents, groups and flows of a hotline in random histories."""

from __future__ import annotations

from typing import Final, NamedTuple

from ivr_flows.linking import link
from ivr_flows.loader import parse_flow
from routing.acd.model import Agent, Announcements, CallbackRules, Group, Overflow
from tests.support.library import LIBRARY

AGENTS: Final = ("anna", "ben", "carl", "dora")
SOFTPHONES: Final = ("carl", "dora")
"""Their phones register; the others are at fixed addresses."""
_LINE: Final = """
flow: line
start: wait
nodes:
  wait:
    type: queue
    group: shop
    prompts: [music/hold]
    callback: "1"
    max_wait: 60s
    next: again
    on: {full: sorry, callback: sorry, other: sorry}
  again:
    {type: menu, prompts: [zh/main_menu], timeout: 5s, keys: {"1": wait, "2": sorry},
     on_timeout: sorry, on_invalid: sorry}
  sorry: {type: hangup, prompts: [zh/goodbye]}
"""
FLOWS: Final = {**LIBRARY, **link({"line": parse_flow(_LINE, "line.yaml")})}


class Rules(NamedTuple):
    """How the groups are to work."""

    strategy: str = "longest_idle"
    wrap_up: float = 0.0
    first: str = "agent"
    overflow: bool = False
    no_answer_state: str = "idle"
    max_length: int | None = None
    requirement: str = ""

    def groups(self) -> tuple[Group, Group]:
        """`shop`, and `night`, which is the heavier one."""
        said = Announcements(music=("music/hold",), first=5.0, every=20.0, position=True, callback_offer=8.0)
        shop = Group(
            name="shop",
            strategy=self.strategy,  # type: ignore[arg-type]
            ring_timeout=12.0,
            wrap_up=self.wrap_up,
            requirement=self.requirement,
            refuse_pause=4.0,
            no_answer_state=self.no_answer_state,  # type: ignore[arg-type]
            no_answer_limit=2,
            max_length=self.max_length,
            overflow=(Overflow("group:night", 15.0),) if self.overflow else (),
            announcements=said,
            callbacks=CallbackRules(first=self.first, attempts=2, retry_after=20.0),  # type: ignore[arg-type]
            progressive_step=3.0,
        )
        night = Group(
            name="night", weight=5, ring_timeout=8.0, join_empty="always", refuse_pause=2.0, max_wait=90.0,
            overflow=(Overflow("hangup", None, ("timeout",)),), announcements=Announcements(music=()),
        )  # fmt: skip
        return shop, night


def staff() -> list[Agent]:
    """Some are always there, others sign in."""
    return [
        Agent(
            id="anna", phone="sip:anna@127.0.2.1:5190", groups={"shop": 1, "night": 2}, skills={"en": 3}, always=True
        ),
        Agent(id="ben", phone="sip:ben@127.0.2.2:5190", groups={"shop": 1}),
        Agent(id="carl", phone="aor:carl", groups={"shop": 2, "night": 1}, skills={"en": 5}, always=True),
        Agent(id="dora", phone="aor:dora", groups={"night": 1}, wrap_up=5.0),
    ]
