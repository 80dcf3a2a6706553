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
| ring_all         | everybody at the best level that has somebody, all at once, 32 at most                   |
| progressive      | one as in longest_idle, and every `progressive_step` seconds one more rings beside them  |

The agent's level in the group comes first except in `random` and `skill_best`, where it weighs or breaks ties;
ties go to who has been idle longest, then to the configured order, then by id, so that nothing is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
Rank = tuple[object, ...]


def together(lined_up: Iterable[S], ringing: int = 0) -> list[S]:
    """With ring_all: who of those lined up, and not ringing yet, rings now that `ringing` phones do."""
    chosen: list[S] = []
    for one in lined_up:
        if ringing + len(chosen) >= MOST_AT_ONCE or (chosen and one.level != chosen[0].level):
            break
        chosen.append(one)
    return chosen


def place(seat: Seat) -> Place:
    """What a group remembers of whom it asked last."""
    return seat.order, seat.id


def ranking(strategy: Strategy, step: Step) -> Callable[[Seat], Rank]:
    """What the strategy sorts agents by who fit a step; with round_robin and random the turn is found in that order."""
    if strategy == "skill_best" and not step.anybody:
        return lambda one: (-step.mastery(one.skills), *_longest_idle(one))
    return _RANKS[strategy]


def _longest_idle(one: Seat) -> Rank:
    return one.level, one.idle_since, one.order, one.id


def _top_down(one: Seat) -> Rank:
    return one.level, one.order, one.id


_RANKS: Final[Mapping[Strategy, Callable[[Seat], Rank]]] = {
    "longest_idle": _longest_idle,
    "round_robin": _top_down,
    "fewest_calls": lambda one: (one.level, one.calls, one.idle_since, one.order, one.id),
    "least_talk_time": lambda one: (one.level, one.talked, one.idle_since, one.order, one.id),
    "ring_all": _longest_idle,
    "top_down": _top_down,
    "progressive": _longest_idle,
    "random": _longest_idle,
    "skill_best": _longest_idle,
}
