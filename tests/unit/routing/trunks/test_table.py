"""Trunks that live: chosen, taken, changed while calls are up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from routing.acd.hours import parse_hours
from routing.trunks.limits import Limits
from routing.trunks.model import Carrier, Gateway
from routing.trunks.table import MAX_AVOIDED, Difference, TrunkTable


def monday(now: float) -> Any:
    """A Monday, `now` in minutes after midnight."""
    minutes = int(now)
    return SimpleNamespace(
        date="2026-03-02", time=f"{minutes // 60:02}:{minutes % 60:02}", weekday=1, workday=True, holiday=""
    )


def table(*carriers: Carrier, random: float = 0.0) -> TrunkTable:
    """A table with these trunks."""
    made = TrunkTable(lambda: random, monday)
    made.change(carriers, 0.0)
    return made


def north(**changes: Any) -> Carrier:
    """A carrier of two gateways, a before b."""
    values: dict[str, Any] = {"gateways": (Gateway(name="a", order=1), Gateway(name="b", order=2))}
    return Carrier(name="north", **{**values, **changes})


SOUTH = Carrier(name="south", gateways=(Gateway(name="1"),))


def keys(trunks: TrunkTable, names: str = "north", now: float = 600.0) -> list[str]:
    """The keys of the gateways in the order in which they are tried, or the reason why there are none."""
    choice = trunks.choose(names, now)
    return [one.key for one in choice.gateways] or [choice.reason]


class TestChoice:
    """Which gateways, and in which order."""

    def test_a_list_of_trunks_is_tried_in_its_order(self) -> None:
        """All gateways of the first, then those of the next; an unknown one in between does no harm."""
        assert keys(table(SOUTH, north()), "north,east,south") == ["north/a", "north/b", "south/1"]

    @pytest.mark.parametrize(
        ("carrier", "reason"),
        [
            (north(disabled=True), "disabled"),
            (north(gateways=()), "unknown"),
            (north(gateways=(Gateway(name="a", disabled=True),)), "disabled"),
            (north(hours=parse_hours("mon-fri 08:00-09:59")), "closed"),
            (SOUTH, "unknown"),
        ],
    )
    def test_none_and_why(self, carrier: Carrier, reason: str) -> None:
        """Each reason has its word."""
        assert keys(table(carrier)) == [reason]

    def test_hours_open(self) -> None:
        """Within its hours a trunk is there."""
        trunks = table(north(hours=parse_hours("mon-fri 09:00-12:00")))
        assert keys(trunks, now=600.0) == ["north/a", "north/b"]
        assert keys(trunks, now=720.0) == ["closed"]

    def test_who_is_down_not_registered_or_asked_for_a_pause_comes_last(self) -> None:
        """Last, but not never; the pause has an end, and a bound."""
        trunks = table(north())
        first = trunks.gateway("north/a")
        assert first is not None
        first.registered = False
        assert keys(trunks) == ["north/b", "north/a"]
        first.registered = True
        assert keys(trunks) == ["north/a", "north/b"]
        trunks.failed("north/a", 503, 600.0, pause=86400.0)
        assert keys(trunks, now=601.0) == ["north/b", "north/a"]
        assert keys(trunks, now=600.0 + MAX_AVOIDED) == ["north/a", "north/b"]

    def test_a_full_gateway_is_passed_over(self) -> None:
        """And the trunk is full when its own channels are taken, whatever its gateways have."""
        trunks = table(
            north(
                limits=Limits(channels=2),
                gateways=(Gateway(name="a", limits=Limits(channels=1)), Gateway(name="b", order=1)),
            )
        )
        assert trunks.has_room("north/a", 600.0)
        trunks.begin("north/a", 600.0)
        assert keys(trunks) == ["north/b"]
        assert not trunks.has_room("north/a", 600.0)
        trunks.begin("north/b", 600.0)
        assert keys(trunks) == ["full"]
        assert keys(trunks, "north,south") == ["full"]
        trunks.over("north/a")
        assert keys(trunks) == ["north/a", "north/b"]


class TestComing:
    """Calls that come from a carrier."""

    def test_they_take_channels_too(self) -> None:
        """Of the trunk, and of the gateway where it is known."""
        trunks = table(north(limits=Limits(channels=2)))
        assert trunks.arrives("north", "north/a", 0.0) == "north/a"
        assert trunks.arrives("north", "", 0.0) == "north"
        assert trunks.arrives("north", "north/b", 0.0) is None
        assert trunks.calls == 2
        trunks.over("north/a")
        trunks.over("north")
        assert (trunks.calls, trunks.leaving) == (0, 0)

    def test_a_trunk_that_is_off_takes_none(self) -> None:
        """Those that are up go on; a source that is no trunk of the table is not counted."""
        trunks = table(north())
        assert trunks.arrives("north", "north/a", 0.0) == "north/a"
        assert trunks.switch("north", on=False)
        assert trunks.arrives("north", "north/a", 0.0) is None
        assert trunks.trunks["north"].load.calls == 1
        assert trunks.arrives("east", "", 0.0) == ""


class TestChanges:
    """Trunks that change while calls are up."""

    def test_what_has_changed_is_told(self) -> None:
        """Added, changed, removed; the same again is nothing."""
        trunks = table(north())
        assert trunks.change([north(), SOUTH], 1.0) == Difference(added=("south",))
        assert trunks.change([north(disabled=True), SOUTH], 1.0) == Difference(changed=("north",))
        assert trunks.change([SOUTH], 1.0) == Difference(removed=("north",))
        assert trunks.change([SOUTH], 1.0) == Difference()

    def test_a_call_outlives_its_trunk(self) -> None:
        """It is counted on, also when the trunk comes back, and nothing is left of it in the end."""
        trunks = table(north())
        trunks.begin("north/a", 0.0)
        trunks.begin("north/b", 0.0)
        trunks.change([], 1.0)
        assert keys(trunks) == ["unknown"]
        assert (trunks.calls, trunks.leaving) == (2, 3)
        trunks.over("north/b")
        trunks.change([north(gateways=(Gateway(name="a", limits=Limits(channels=1)),))], 2.0)
        assert keys(trunks) == ["full"]
        trunks.over("north/a")
        assert keys(trunks) == ["north/a"]
        trunks.change([], 3.0)
        assert (trunks.calls, trunks.leaving) == (0, 0)

    def test_an_operators_switch_outlives_a_change(self) -> None:
        """Unless the change is of the switch itself."""
        trunks = table(north())
        assert trunks.switch("north", on=False)
        assert trunks.switch("north/a", on=False)
        trunks.change([north(limits=Limits(cps=5))], 1.0)
        assert keys(trunks) == ["disabled"]
        assert trunks.switch("north", on=True)
        assert keys(trunks) == ["north/b"]
        trunks.change([north(disabled=True)], 1.0)
        trunks.change([north()], 1.0)
        assert keys(trunks) == ["north/b"]
        assert not trunks.switch("east", on=True)
        assert not trunks.switch("north/c", on=True)

    def test_what_becomes_of_attempts(self) -> None:
        """Attempts, answers and the last failure are counted for the gateway and its trunk."""
        trunks = table(north())
        trunks.begin("north/a", 0.0)
        trunks.failed("north/a", 503, 1.0)
        trunks.over("north/a")
        trunks.begin("north/b", 1.0)
        trunks.answered("north/b")
        load = trunks.trunks["north"].load
        assert (load.attempts, load.answered, load.calls) == (2, 1, 1)
        assert load.failure is not None
        assert (load.failure.status, load.failure.at) == (503, 1.0)
        for key in ("east", "east/1"):
            trunks.over(key)
            trunks.answered(key)
            trunks.failed(key, 500, 1.0)
            assert not trunks.has_room(key, 1.0)


class Histories(RuleBasedStateMachine):
    """Calls come, go and fail while trunks are changed under them."""

    def __init__(self) -> None:
        super().__init__()
        self.table = TrunkTable(lambda: 0.5, monday)
        self.table.change([north(), SOUTH], 0.0)
        self.up: list[str] = []

    @rule(key=st.sampled_from(["north/a", "north/b", "south/1", "east/1"]))
    def out(self, key: str) -> None:
        """One goes out, asked for or not."""
        self.table.begin(key, 600.0)
        self.up.append(key)

    @rule(trunk=st.sampled_from(["north", "south", "east"]), gateway=st.sampled_from(["", "a", "1"]))
    def comes_in(self, trunk: str, gateway: str) -> None:
        """One comes in."""
        key = self.table.arrives(trunk, f"{trunk}/{gateway}" if gateway else "", 600.0)
        if key:
            self.up.append(key)

    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        """One of those that are up is over."""
        if self.up:
            self.table.over(self.up.pop(data.draw(st.integers(0, len(self.up) - 1))))

    @rule(
        names=st.sets(st.sampled_from(["north", "south"])),
        places=st.sets(st.sampled_from(["a", "b", "1"])),
        channels=st.integers(0, 3),
    )
    def change(self, names: set[str], places: set[str], channels: int) -> None:
        """Other trunks, other gateways, other limits."""
        gateways = tuple(Gateway(name=name, limits=Limits(channels=channels)) for name in sorted(places))
        self.table.change([Carrier(name=name, gateways=gateways) for name in sorted(names)], 600.0)

    @rule(name=st.sampled_from(["north", "north/a", "south"]), on=st.booleans())
    def switch(self, name: str, on: bool) -> None:
        """An operator switches."""
        self.table.switch(name, on=on)

    @invariant()
    def counted(self) -> None:
        """Each call is counted once, at its gateway and at its trunk, whatever became of both."""
        assert self.table.calls == len(self.up)
        for gateway in self.table:
            assert gateway.load.calls == self.up.count(gateway.key)
        for name, trunk in self.table.trunks.items():
            assert trunk.load.calls == sum(key.partition("/")[0] == name for key in self.up)

    def teardown(self) -> None:
        """When all are over nothing is left."""
        for key in self.up:
            self.table.over(key)
        self.table.change([], 600.0)
        assert (self.table.calls, self.table.leaving) == (0, 0)


Histories.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestHistories = Histories.TestCase
