"""In which order the idle agents of a group are asked.

| strategy         | first asked                                                                              |
|------------------|------------------------------------------------------------------------------------------|
| longest_idle     | who has been idle longest                                                                |
| round_robin      | who comes next, in the order of top_down, after the one asked last                       |
| fewest_calls     | who has taken the fewest calls                                                           |
| least_talk_time  | who has talked least                                                                     |
| top_down         | who stands first in the configured order                                                 |
| random           | anybody, a level 2 half as often as a level 1, a level 3 a third as often                |
| skill_best       | whose levels in the skills required are highest together                                 |
| ring_all         | everybody at the best level that has somebody, all at once                               |
| progressive      | one as in longest_idle, and every `progressive_step` seconds one more rings beside them  |

The agent's level in the group comes first except in `random` and `skill_best`, where it weighs or breaks ties;
ties go to who has been idle longest, then to the configured order, then by id, so that nothing is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import log
from typing import Final, Protocol, TypeVar

from routing.acd.model import Strategy
from routing.acd.requirement import Step

Place = tuple[int, str]
"""An agent's place in the configured order."""

NOBODY: Final[Place] = (-2, "")
"""The memory of a group in which nobody has been asked yet."""

MOST_AT_ONCE: Final = 32
"""With ring_all: at most so many phones ring for one caller."""


class Seat(Protocol):
    """An idle agent as a member of one group."""

    @property
    def id(self) -> str:
        """The agent's id."""

    @property
    def level(self) -> int:
        """The agent's level in the group; 1 is asked first."""

    @property
    def idle_since(self) -> float:
        """When the agent became idle."""

    @property
    def calls(self) -> int:
        """Calls taken since signing in."""

    @property
    def talked(self) -> float:
        """Seconds talked since signing in."""

    @property
    def order(self) -> int:
        """The place in the configured order."""

    @property
    def skills(self) -> Mapping[str, int]:
        """Levels by skill."""


S = TypeVar("S", bound=Seat)
Rank = Callable[[Seat], tuple[object, ...]]


def pick(strategy: Strategy, idle: Iterable[S], *, after: Place, step: Step, random: Callable[[], float]) -> S | None:
    """Who of the idle is asked first, None when nobody is idle.

    `after` is the place of whom the group asked last, `step` what the caller requires now, `random` gives numbers
    in [0, 1). The order of `idle` does not matter but with `random`.
    """
    return min(idle, key=_rank(strategy, after, step, random), default=None)


def line_up(strategy: Strategy, idle: Iterable[S], *, after: Place, step: Step, random: Callable[[], float]) -> list[S]:
    """All of the idle in the order in which they are asked."""
    return sorted(idle, key=_rank(strategy, after, step, random))


def together(strategy: Strategy, lined_up: list[S], ringing: int = 0) -> list[S]:
    """Who of those lined up, and not ringing yet, rings now that `ringing` phones do; with most strategies one."""
    if strategy == "ring_all":
        level = lined_up[0].level if lined_up else 0
        return [one for one in lined_up if one.level == level][: max(0, MOST_AT_ONCE - ringing)]
    if strategy == "progressive":
        return lined_up[:1] if ringing < MOST_AT_ONCE else []
    return lined_up[:1] if not ringing else []


def place(seat: Seat) -> Place:
    """What a group remembers of whom it asked last."""
    return seat.order, seat.id


def _rank(strategy: Strategy, after: Place, step: Step, random: Callable[[], float]) -> Rank:
    if strategy == "round_robin":
        return lambda one: (one.level, (one.order, one.id) <= after, one.order, one.id)
    if strategy == "random":
        # A race of exponential clocks is won in proportion to their rates.
        return lambda one: (-log(1.0 - random()) * max(1, one.level), one.order, one.id)
    if strategy == "skill_best":
        return lambda one: (-step.mastery(one.skills), one.level, one.idle_since, one.order, one.id)
    return RANKS[strategy]


def _longest_idle(one: Seat) -> tuple[object, ...]:
    return one.level, one.idle_since, one.order, one.id


RANKS: Final[Mapping[Strategy, Rank]] = {
    "longest_idle": _longest_idle,
    "ring_all": _longest_idle,
    "progressive": _longest_idle,
    "fewest_calls": lambda one: (one.level, one.calls, one.idle_since, one.order, one.id),
    "least_talk_time": lambda one: (one.level, one.talked, one.idle_since, one.order, one.id),
    "top_down": lambda one: (one.level, one.order, one.id),
}
