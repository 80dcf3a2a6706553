"""Who takes part in a surge: how many come when, and the SIPps that play callers, agents and those called back."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bench.load import Load
from bench.sipp import Sipp

FIRST_NUMBER: Final = 13_800_000_000
LATE: Final = 1 / 6
"""Share of the arrivals after which the first comes who will press: nobody reaches an agent before."""
_BUFFER: Final = "4194304"


@dataclass(frozen=True, slots=True)
class Surge:
    """Who comes, and where the load's own ends are."""

    callers: int = 3000
    within: float = 60.0
    """Seconds in which they come."""
    agents: int = 50
    listening: int = 1050
    """How many hear by RTP: the first who come, some of whom are answered at once."""
    pressing: int = 1000
    """How many want to be called back."""
    talk: tuple[float, float] = (1.0, 2.0)
    """Seconds an agent talks, at least and at most, once all have come."""
    press_within: float = 7.0
    """Seconds in which all press who do, once all have come."""
    number: str = "4003"
    group: str = "surge"
    agent_port: int = 5190
    """The next three ports are callers', pressers' and that of the trunk by which they are called back."""
    media_port: int = 32100
    """SIPp's own ports; nothing is sent there."""
    listener_port: int = 32000

    @property
    def trunk_port(self) -> int:
        """Where those who are called back answer."""
        return self.agent_port + 3

    @property
    def opens(self) -> float:
        """Seconds from the first caller until the first agents are free: a second after the last has been let go."""
        return self.within + (self.press_within if self.pressing else 0.0) + 1.0

    @property
    def longest(self) -> float:
        """Seconds in which all must have been served: twice what the agents need, and a minute."""
        return self.opens + 2 * (self.talk[1] + 0.3) * self.callers / self.agents + 60


class Parties:
    """The SIPps of a surge."""

    def __init__(self, load: Load, surge: Surge, seed: int = 0) -> None:
        """Write the files that say who does what when."""
        self.load, self.surge = load, surge
        chance = random.Random(seed or None)
        pressing, within = surge.pressing, surge.within
        waiting = surge.callers - pressing
        first = within * LATE
        numbers = [str(FIRST_NUMBER + n) for n in range(surge.callers)]
        chance.shuffle(numbers)
        self.pressers = numbers[:pressing]
        presses = []
        for place, number in enumerate(self.pressers):
            came = first + place * (within - first) / max(pressing, 1)
            presses.append(f"{number};{1000 * (within + chance.uniform(0.2, surge.press_within) - came):.0f};")
        self._write("pressers.csv", presses)
        self._write("callers.csv", [f"{number};" for number in numbers[pressing:]])
        busy = [surge.opens + chance.uniform(*surge.talk) for _ in range(surge.agents)]
        talks = busy + [chance.uniform(*surge.talk) for _ in range(surge.callers)]
        self._write("talks.csv", [f"{1000 * talk:.0f};" for talk in talks])
        self.agents = self._sipp("surge_agent", 0, ("-inf", "talks.csv"))
        self.called = self._sipp("agent", 3, ())
        self.callers = self._dialling("surge_caller", 1, waiting, within, "callers.csv")
        self.asking = self._dialling("surge_presser", 2, pressing, within - first, "pressers.csv")
        self.late = first

    def _write(self, name: str, rows: Iterable[str]) -> None:
        (self.load.directory / name).write_text("SEQUENTIAL\n" + "".join(f"{row}\n" for row in rows))

    def _sipp(self, scenario: str, place: int, arguments: tuple[str, ...], remote: str = "") -> Sipp:
        load, surge = self.load, self.surge
        common = ("-buff_size", _BUFFER, *arguments)
        media = surge.media_port + 10 * place
        port = surge.agent_port + place
        return Sipp(load.scenario(scenario), load.directory, port, media, remote, common, cpus=load.cpus)

    def _dialling(self, scenario: str, place: int, calls: int, within: float, file: str) -> Sipp:
        surge = self.surge
        arguments = ("-s", surge.number, "-m", str(calls), "-l", str(calls + 10), "-inf", file)
        rate = ("-r", str(max(calls, 1)), "-rp", str(round(within * 1000)))
        key = ("-key", "listener", str(surge.listener_port))
        return self._sipp(scenario, place, (*arguments, *rate, *key), self.load.target.text)

    @property
    def wanted(self) -> list[tuple[Sipp, int]]:
        """How many calls each is to have, those without any left out."""
        surge = self.surge
        parties = [(self.callers, surge.callers - surge.pressing), (self.agents, surge.callers)]
        parties += [(self.asking, surge.pressing), (self.called, surge.pressing)]
        return [(party, calls) for party, calls in parties if calls]

    def begin_asking(self) -> None:
        """The first of those come who will press; once."""
        if self.surge.pressing and self.asking.process is None:
            self.asking.start()

    def done(self) -> bool:
        """Whether everybody has been served, and those who are called back have been let go."""
        asked = not self.surge.pressing or (self.asking.over and self.called.so_far() >= self.surge.pressing)
        return self.callers.over and asked

    def stop(self) -> None:
        """Stop them all, callers first."""
        for party in (self.callers, self.asking, self.called, self.agents):
            party.stop()
