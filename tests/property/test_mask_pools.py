"""Pools in any history: no stranger ever meets another one's number."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from routing.masks.check_digit import is_right
from routing.masks.extension_pool import ExtensionPool
from routing.masks.pool import ExhaustedError, Pool, PoolPolicy

CITIES = {"010": ["01088880000", "01088880001", "01088880002"], "021": ["02188880000"]}
CITY_OF = {x: city for city, numbers in CITIES.items() for x in numbers}
PEOPLE = [bytes([65 + index]) * 16 for index in range(6)]
COOL_DOWN = 10.0

pairs = st.lists(st.sampled_from(PEOPLE), min_size=2, max_size=2, unique=True).map(tuple)
owners = st.sampled_from(PEOPLE).map(lambda one: (one,))


class PoolMachine(RuleBasedStateMachine):
    """What a pool gives out is checked against all that it gave out before."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.live: list[tuple[str, tuple[bytes, ...]]] = []
        self.past: list[tuple[str, tuple[bytes, ...], float]] = []
        self.retired: set[str] = set()

    @initialize(limit=st.sampled_from([1, 2, 200]), sticky=st.booleans(), beyond=st.booleans())
    def fill(self, limit: int, sticky: bool, beyond: bool) -> None:
        """A few numbers under some policy."""
        self.pool = Pool(PoolPolicy(pairs=limit, cool_down=COOL_DOWN, sticky=sticky, beyond=beyond))
        for x, city in CITY_OF.items():
            self.pool.add(city, x)

    def may(self, x: str, parties: tuple[bytes, ...]) -> bool:
        """Whether the rules let these parties have the number, going through everything."""
        policy, here = self.pool.policy, [set(people) for number, people in self.live if number == x]
        if x in self.retired or len(here) >= policy.pairs or any(people & set(parties) for people in here):
            return False
        for number, people, until in self.past:
            if number != x or self.now >= until:
                continue
            same = policy.sticky and set(people) == set(parties)
            if not same and (policy.pairs == 1 or set(people) & set(parties)):
                return False
            if policy.pairs == 1 and not policy.sticky:
                return False
        return True

    @rule(city=st.sampled_from(list(CITIES)), parties=pairs | owners)
    def allocate(self, city: str, parties: tuple[bytes, ...]) -> None:
        """A number is given out exactly when the rules leave one, and one that they leave."""
        within = list(CITY_OF) if self.pool.policy.beyond else CITIES[city]
        fitting = [x for x in within if self.may(x, parties)]
        try:
            x = self.pool.allocate(city, parties, self.now)
        except ExhaustedError:
            assert fitting == []
            return
        assert x in fitting
        self.live.append((x, parties))
        # A rest ends for those who have the number again, for a number of one owner altogether.
        self.past = [
            (number, people, until)
            for number, people, until in self.past
            if number != x or (self.pool.policy.pairs > 1 and set(people) != set(parties))
        ]

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give something back."""
        if self.live:
            x, parties = data.draw(st.sampled_from(self.live))
            self.live.remove((x, parties))
            assert self.pool.release(x, tuple(reversed(parties)), self.now)
            self.past.append((x, parties, self.now + COOL_DOWN))

    @rule(x=st.sampled_from(list(CITY_OF)), parties=pairs | owners)
    def release_what_is_not_bound(self, x: str, parties: tuple[bytes, ...]) -> None:
        """Nothing happens."""
        if not any(number == x and set(people) & set(parties) for number, people in self.live):
            assert not self.pool.release(x, parties, self.now)

    @rule(x=st.sampled_from(list(CITY_OF)))
    def retire_or_put_back(self, x: str) -> None:
        """Numbers come and go."""
        if x in self.retired:
            self.pool.add(CITY_OF[x], x)
            self.retired.remove(x)
        else:
            assert self.pool.retire(x)
            self.retired.add(x)

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @invariant()
    def no_strangers(self) -> None:
        """On no number two bindings have somebody in common; the census agrees."""
        for city, numbers in CITIES.items():
            here = [(x, people) for x, people in self.live if x in numbers]
            for x in numbers:
                everybody = [one for number, people in here if number == x for one in people]
                assert len(everybody) == len(set(everybody))
            census = self.pool.census(city)
            active = [x for x in numbers if x not in self.retired]
            assert census.numbers == len(active)
            assert census.bindings == sum(x in active for x, _ in here)


TestPool = PoolMachine.TestCase
TestPool.settings = settings(max_examples=150, stateful_step_count=40)


class ExtensionMachine(RuleBasedStateMachine):
    """Extensions are given to one at a time, and rest in between."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.taken: set[str] = set()
        self.rests: dict[str, float] = {}
        self.pool = ExtensionPool("98", "99", check="damm", cool_down=COOL_DOWN)

    @rule()
    def allocate(self) -> None:
        """One that is free and rested, or none when there is none."""
        try:
            extension = self.pool.allocate(self.now)
        except ExhaustedError:
            resting = [one for one, until in self.rests.items() if self.now < until and one not in self.taken]
            assert len(self.taken) + len(resting) == 2
            return
        assert is_right("damm", extension)
        assert extension not in self.taken
        assert self.now >= self.rests.pop(extension, 0.0)
        self.taken.add(extension)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Give one back."""
        if self.taken:
            extension = data.draw(st.sampled_from(sorted(self.taken)))
            assert self.pool.release(extension, self.now)
            self.taken.remove(extension)
            self.rests[extension] = self.now + COOL_DOWN

    @rule(data=st.data())
    def occupy(self, data: st.DataObject) -> None:
        """Bind one by hand, though it rests."""
        if self.rests:
            extension = data.draw(st.sampled_from(sorted(self.rests)))
            assert self.pool.occupy(extension)
            del self.rests[extension]
            self.taken.add(extension)

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @invariant()
    def count(self) -> None:
        """The pool knows how many are taken."""
        assert len(self.pool) == len(self.taken)


TestExtensions = ExtensionMachine.TestCase
TestExtensions.settings = settings(max_examples=60, stateful_step_count=40)
