"""Pools of X numbers: who gets which, and when a number can be given out again."""

from __future__ import annotations

import pytest

from routing.masks import ShownError
from routing.masks.pool import Census, ExhaustedError, Pool, PoolPolicy
from tests.unit.routing.parties import fingerprint

BEIJING = [f"0108888000{n}" for n in range(5)]
SHANGHAI = [f"0218888000{n}" for n in range(2)]
ALICE, BOB, CAROL, DAVE = map(fingerprint, ("alice", "bob", "carol", "dave"))
PAIR = (ALICE, BOB)


def pool(count: int = 5, **policy: object) -> Pool:
    """A pool with some numbers of two cities."""
    made = Pool(PoolPolicy(**{"cool_down": 100.0, **policy}))  # type: ignore[arg-type]
    for x in BEIJING[:count]:
        made.add("010", x)
    for x in SHANGHAI:
        made.add("021", x)
    return made


class TestAllocate:
    """Which number is given out."""

    def test_by_city(self) -> None:
        """A city's pairs get a city's numbers."""
        made = pool()
        assert made.allocate("021", PAIR, 0.0) in SHANGHAI
        assert made.allocate("010", (CAROL, DAVE), 0.0) in BEIJING
        assert made.cities() == ("010", "021")

    def test_pairs_without_a_common_party_may_share(self) -> None:
        """One number serves many pairs of different people."""
        made = pool(1)
        for n in range(50):
            assert made.allocate("010", (fingerprint(f"a{n}"), fingerprint(f"b{n}")), 0.0) == BEIJING[0]
        assert made.census("010") == Census(1, 1, 50)

    def test_pairs_with_a_common_party_never_share(self) -> None:
        """Whoever is in several pairs has a number for each of them."""
        made = pool()
        given = [made.allocate("010", (ALICE, fingerprint(f"b{n}")), 0.0) for n in range(5)]
        assert sorted(given) == BEIJING
        with pytest.raises(ExhaustedError, match="the parties are, or were"):
            made.allocate("010", (ALICE, BOB), 0.0)
        with pytest.raises(ExhaustedError, match="the parties are, or were"):
            made.allocate("010", (BOB, ALICE), 0.0)

    def test_load_is_spread(self) -> None:
        """Numbers take turns."""
        made = pool()
        for n in range(50):
            made.allocate("010", (fingerprint(f"a{n}"), fingerprint(f"b{n}")), 0.0)
        given = [made.allocate("010", (fingerprint(f"c{n}"), fingerprint(f"d{n}")), 0.0) for n in range(5)]
        assert sorted(given) == BEIJING

    def test_is_deterministic(self) -> None:
        """The same history gives the same numbers."""
        histories = [
            [made.allocate("010", (fingerprint(f"a{n}"), fingerprint(f"b{n % 3}")), 0.0) for n in range(9)]
            for made in (pool(), pool())
        ]
        assert histories[0] == histories[1]

    def test_a_full_number_is_passed_over(self) -> None:
        """No more pairs on a number than the policy says."""
        made = pool(2, pairs=3)
        given = [made.allocate("010", (fingerprint(f"a{n}"), fingerprint(f"b{n}")), 0.0) for n in range(6)]
        assert sorted(given) == [BEIJING[0]] * 3 + [BEIJING[1]] * 3
        with pytest.raises(ExhaustedError, match="all numbers of 010 are in use"):
            made.allocate("010", PAIR, 0.0)
        assert made.release(given[0], (fingerprint("a0"), fingerprint("b0")), 0.0)
        assert made.allocate("010", PAIR, 0.0) == given[0]

    @pytest.mark.parametrize(("city", "why"), [("0571", "no numbers of 0571"), ("", "no numbers of no city")])
    def test_a_city_without_numbers(self, city: str, why: str) -> None:
        """The error says that there never were any."""
        with pytest.raises(ExhaustedError, match=why):
            pool().allocate(city, PAIR, 0.0)

    def test_beyond_the_city(self) -> None:
        """Where the policy allows it, another city helps out."""
        made = pool(beyond=True)
        assert made.allocate("0571", PAIR, 0.0) in BEIJING
        given = {made.allocate("021", (CAROL, fingerprint(f"b{n}")), 0.0) for n in range(3)}
        assert set(SHANGHAI) < given

    @pytest.mark.parametrize("parties", [(), (ALICE, BOB, CAROL), (ALICE, ALICE), (b"",), (ALICE, b"")])
    def test_parties_are_one_or_two(self, parties: tuple[bytes, ...]) -> None:
        """An owner, or two different people."""
        with pytest.raises(ValueError, match="one owner, or to two"):
            pool().allocate("010", parties, 0.0)


class TestCoolDown:
    """A number that was given back."""

    def test_former_parties_meet_no_strangers_on_it(self) -> None:
        """Until its cool-down is over, neither of the two is on the number with anybody else."""
        made = pool(1)
        made.allocate("010", PAIR, 0.0)
        assert made.release(BEIJING[0], PAIR, 50.0)
        for parties in ((ALICE, CAROL), (CAROL, BOB)):
            with pytest.raises(ExhaustedError):
                made.allocate("010", parties, 149.9)
        assert made.allocate("010", (CAROL, DAVE), 149.9) == BEIJING[0]
        assert made.allocate("010", (ALICE, fingerprint("eve")), 150.0) == BEIJING[0]

    def test_sticky(self) -> None:
        """The same pair, in either order, gets its number back at once, even with others free."""
        made = pool(sticky=True)
        x = made.allocate("010", PAIR, 0.0)
        made.release(x, PAIR, 50.0)
        made.allocate("010", (CAROL, DAVE), 50.0)
        assert made.allocate("010", (BOB, ALICE), 60.0) == x

    def test_sticky_not_in_another_city(self) -> None:
        """A number of another city is no good."""
        made = pool()
        made.release(made.allocate("010", PAIR, 0.0), PAIR, 1.0)
        assert made.allocate("021", PAIR, 2.0) in SHANGHAI

    def test_sticky_takes_the_last_one(self) -> None:
        """Of several numbers a pair had, the one it had last."""
        made = pool()
        first, second = made.allocate("010", PAIR, 0.0), made.allocate("010", PAIR, 0.0)
        made.release(second, PAIR, 1.0)
        made.release(first, PAIR, 2.0)
        assert made.allocate("010", PAIR, 3.0) == first

    def test_sticky_but_full(self) -> None:
        """A number that others filled is not given to the pair that had it."""
        made = pool(2, pairs=2)
        x = made.allocate("010", PAIR, 0.0)
        made.release(x, PAIR, 1.0)
        for n in range(3):
            made.allocate("010", (fingerprint(f"a{n}"), fingerprint(f"b{n}")), 1.0)
        assert made.census("010").open == 1
        last = made.allocate("010", PAIR, 2.0)
        assert made.census("010") == Census(2, 0, 4)
        assert last in BEIJING

    def test_not_sticky(self) -> None:
        """Otherwise the same pair gets every other number first."""
        made = pool(3, sticky=False)
        given = []
        for now in range(3):
            given.append(made.allocate("010", PAIR, float(now)))
            made.release(given[-1], PAIR, float(now))
        assert sorted(given) == BEIJING[:3]
        with pytest.raises(ExhaustedError):
            made.allocate("010", PAIR, 99.0)
        assert made.allocate("010", PAIR, 100.0) == given[0]

    def test_an_owners_number_rests_for_everybody(self) -> None:
        """Anybody may have the number of an owner, so nobody else gets it before its time, and he at once."""
        made = pool(1, pairs=1)
        assert made.allocate("010", (ALICE,), 0.0) == BEIJING[0]
        with pytest.raises(ExhaustedError, match="in use or cool down"):
            made.allocate("010", (BOB,), 0.0)
        assert made.release(BEIJING[0], (ALICE,), 10.0)
        with pytest.raises(ExhaustedError, match="in use or cool down"):
            made.allocate("010", (BOB,), 109.9)
        assert made.allocate("010", (ALICE,), 109.9) == BEIJING[0]
        made.release(BEIJING[0], (ALICE,), 200.0)
        assert made.allocate("010", (BOB,), 300.0) == BEIJING[0]

    def test_what_cooled_down_is_forgotten(self) -> None:
        """The pool keeps nothing of people who are gone."""
        made = pool(1)
        for n in range(200):
            parties = (fingerprint(f"a{n}"), fingerprint(f"b{n}"))
            made.release(made.allocate("010", parties, float(n)), parties, float(n))
        made.allocate("010", PAIR, 1000.0)
        made.release(BEIJING[0], PAIR, 1000.0)
        assert set(made._held) == {ALICE, BOB}


class TestBook:
    """Numbers put in, taken out, and bindings made elsewhere."""

    @pytest.mark.parametrize("x", ["4008001234", "95588", "+8695588", ""])
    def test_no_service_numbers(self, x: str) -> None:
        """Calls through a 400 number could not show it."""
        with pytest.raises(ShownError):
            Pool().add("010", x)

    def test_a_number_is_of_one_city(self) -> None:
        """Putting it in again changes nothing, and in another city is an error."""
        made = Pool()
        assert made.add("010", "+861088880000") == made.add("010", "010-8888-0000") == BEIJING[0]
        assert made.census("010") == Census(1, 1, 0)
        with pytest.raises(ValueError, match="a number of 010 already"):
            made.add("021", BEIJING[0])

    def test_retired_numbers(self) -> None:
        """A number taken out is given to nobody; what is bound on it stays until it is released."""
        made = pool(1)
        made.allocate("010", PAIR, 0.0)
        assert made.retire(BEIJING[0])
        assert not made.retire(BEIJING[0])
        assert not made.retire("01000000000")
        with pytest.raises(ExhaustedError, match="no numbers of 010"):
            made.allocate("010", (CAROL, DAVE), 0.0)
        assert made.release(BEIJING[0], PAIR, 1.0)
        with pytest.raises(ExhaustedError, match="no numbers of 010"):
            made.allocate("010", PAIR, 2.0)
        made.add("010", BEIJING[0])
        with pytest.raises(ExhaustedError):
            made.allocate("010", (ALICE, CAROL), 3.0)
        assert made.allocate("010", (CAROL, DAVE), 3.0) == BEIJING[0]

    def test_occupied_before_a_restart(self) -> None:
        """Bindings and releases of before count as if they were made now."""
        made = pool(1)
        assert made.occupy(BEIJING[0], PAIR)
        assert not made.occupy("01099999999", PAIR)
        with pytest.raises(ValueError, match="bound on 01088880000 already"):
            made.occupy(BEIJING[0], (BOB, CAROL))
        made.occupy(BEIJING[0], (CAROL, DAVE))
        assert made.release(BEIJING[0], (CAROL, DAVE), -50.0)
        with pytest.raises(ExhaustedError):
            made.allocate("010", (CAROL, fingerprint("eve")), 49.0)
        assert made.allocate("010", (CAROL, fingerprint("eve")), 50.0) == BEIJING[0]
        with pytest.raises(ExhaustedError):
            made.allocate("010", (ALICE, fingerprint("eve")), 50.0)

    @pytest.mark.parametrize(("x", "parties"), [(BEIJING[0], (ALICE, CAROL)), (BEIJING[0], (CAROL,)), ("1", PAIR)])
    def test_only_what_is_bound_is_released(self, x: str, parties: tuple[bytes, ...]) -> None:
        """Releasing anything else is answered with False."""
        made = pool(1)
        made.allocate("010", PAIR, 0.0)
        assert not made.release(x, parties, 0.0)
        assert made.release(BEIJING[0], PAIR, 0.0)
        assert not made.release(BEIJING[0], PAIR, 0.0)
