"""Stored pools: what is given out, kept over restarts, and never to strangers too early."""

from __future__ import annotations

import pytest

from routing.masks import RealNumber, ShownError
from routing.masks.pool import Census, ExhaustedError, PoolPolicy
from switchboard.store import mask_pools as module
from switchboard.store.database import Database
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.mask_log import changes
from switchboard.store.mask_pools import MaskPools, PoolError, PoolNumber
from switchboard.store.mask_rows import LineRow
from tests.support.masks import fixed_vault, line_row, open_row

VAULT = fixed_vault()
X = [f"0108888000{n}" for n in range(5)]
ANN, BOB, CAT = "13900001111", "13900002222", "13900003333"
DAY_US = 86_400_000_000
NOW_US = 1_900_000_000_000_000


def people(*numbers: str) -> list[bytes]:
    """Their fingerprints."""
    return [VAULT.fingerprint(RealNumber(number)) for number in numbers]


def pair(name: str, x: str, a: str, b: str) -> LineRow:
    """A binding of two people on a number."""
    return line_row(VAULT, name, "axb", x, a, b, policy='{"trunk":"carrier"}')


@pytest.fixture
def pools(database: Database) -> MaskPools:
    """Pools changed by ann."""
    return MaskPools(database, "ann")


class TestNumbers:
    """Putting in and taking out."""

    def test_adding(self, pools: MaskPools, database: Database) -> None:
        """Numbers are kept in their one form, once, and their number is told and logged."""
        assert pools.add("rent", "Beijing", ["010-8888 0000", X[0], X[1]]) == 2
        assert pools.add("rent", "Beijing", [X[1]]) == 0
        assert pools.numbers("rent") == [
            PoolNumber(X[0], "Beijing", False, 0), PoolNumber(X[1], "Beijing", False, 0),
        ]  # fmt: skip
        assert [(change.action, change.detail) for change in changes(database, limit=9)] == [
            ("pool-add", "pool rent, city Beijing: 2 numbers")
        ]

    def test_a_number_is_in_one_pool_and_city(self, pools: MaskPools) -> None:
        """Whatever else is added with it is not added either."""
        pools.add("rent", "Beijing", [X[0]])
        for pool, city in (("rent", "Shanghai"), ("other", "Beijing")):
            with pytest.raises(PoolError, match="is in pool rent, city Beijing, already"):
                pools.add(pool, city, [X[1], X[0]])
        assert len(pools.numbers("rent")) == 1
        assert list(pools.names()) == ["rent"]

    def test_service_numbers_are_none(self, pools: MaskPools) -> None:
        """A 400 number cannot be shown, so it is no X."""
        with pytest.raises(ShownError):
            pools.add("rent", "Beijing", ["4008001234"])

    def test_retiring(self, pools: MaskPools) -> None:
        """A retired number is no longer given out, until it is added again."""
        pools.add("rent", "Beijing", X[:1])
        assert pools.retire(X[0])
        assert not pools.retire(X[0])
        assert not pools.retire(X[4])
        loaded = pools.load("rent", NOW_US)
        assert loaded is not None
        with pytest.raises(ExhaustedError):
            loaded.allocate("Beijing", people(ANN, BOB), NOW_US / 1e6)
        assert pools.add("rent", "Beijing", X[:1]) == 1
        assert not pools.numbers("rent")[0].retired

    def test_the_policy_can_be_changed(self, pools: MaskPools, database: Database) -> None:
        """The last one given counts; without one the pool keeps its own."""
        pools.add("rent", "Beijing", X[:1], PoolPolicy(pairs=3))
        pools.add("rent", "Beijing", X[:2])
        assert pools.names() == {"rent": PoolPolicy(pairs=3)}
        pools.add("rent", "Beijing", X[:2], PoolPolicy(pairs=4))
        assert pools.names() == {"rent": PoolPolicy(pairs=4)}
        assert changes(database, limit=1)[0].action == "pool-policy"


class TestLoading:
    """A pool as it stands."""

    def test_bound_numbers_are_not_given_to_who_is_on_them(self, pools: MaskPools, database: Database) -> None:
        """Whoever is bound on a number gets another one for the next pair; strangers may share it."""
        pools.add("rent", "Beijing", X[:2])
        MaskEditor(database, "ann").store([pair("p1", X[0], ANN, BOB)])
        loaded = pools.load("rent", NOW_US)
        assert loaded is not None
        assert loaded.allocate("Beijing", people(ANN, CAT), NOW_US / 1e6) == X[1]
        assert loaded.census("Beijing") == Census(2, 2, 2)
        assert [number.bindings for number in pools.numbers("rent")] == [1, 0]
        assert pools.load("nothing", NOW_US) is None

    def test_a_released_number_cools_down_over_restarts(
        self, pools: MaskPools, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Until the cool-down is over, one who had it does not meet a stranger on it, but the same people do."""
        pools.add("rent", "Beijing", X[:1], PoolPolicy(cool_down=86400.0))
        editor = MaskEditor(database, "ann")
        editor.store([pair("p1", X[0], ANN, BOB)])
        monkeypatch.setattr("switchboard.store.mask_editor.utc_us", lambda: NOW_US)
        editor.unbind("p1")
        for later, free in ((NOW_US + DAY_US - 1, False), (NOW_US + DAY_US, True)):
            loaded = pools.load("rent", later)
            assert loaded is not None
            if free:
                assert loaded.allocate("Beijing", people(ANN, CAT), later / 1e6) == X[0]
            else:
                with pytest.raises(ExhaustedError):
                    loaded.allocate("Beijing", people(ANN, CAT), later / 1e6)
                assert loaded.allocate("Beijing", people(ANN, BOB), later / 1e6) == X[0]

    def test_what_people_have_already(self, pools: MaskPools, database: Database) -> None:
        """Their binding in this pool and of this kind is found."""
        pools.add("rent", "Beijing", X[:1])
        pools.add("other", "Beijing", X[1:2])
        MaskEditor(database, "ann").store(
            [pair("p1", X[0], ANN, BOB), line_row(VAULT, "o", "ax", X[1], ANN, policy='{"trunk":"carrier"}')]
        )
        found = pools.bound_in("rent", "axb", people(ANN, BOB))
        assert found is not None
        assert found.id == "p1"
        for pool, kind, who in (
            ("rent", "axb", (BOB, ANN)), ("other", "axb", (ANN, BOB)), ("rent", "ax", (ANN,)), ("rent", "axb", (ANN,)),
        ):  # fmt: skip
            assert pools.bound_in(pool, kind, people(*who)) is None
        assert pools.bound_in("other", "ax", people(ANN)) is not None

    def test_old_releases_are_forgotten(
        self, pools: MaskPools, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Longer ago than any cool-down lasts."""
        editor = MaskEditor(database, "ann")
        editor.store([pair("p1", X[0], ANN, BOB)])
        monkeypatch.setattr("switchboard.store.mask_editor.utc_us", lambda: NOW_US)
        editor.unbind("p1")
        old = NOW_US + module.KEPT_DAYS * DAY_US
        assert (pools.forget(old), pools.forget(old + 1), pools.forget(old + 1)) == (0, 1, 0)


class TestExtensions:
    """Extensions that are given out."""

    def test_free_ones(self, pools: MaskPools, database: Database) -> None:
        """Bound ones are passed over, those given back rest until the end of their quarantine."""
        pools.set_extensions("4008001234", "10", "12", "none", 60.0)
        editor = MaskEditor(database, "ann")
        editor.store([open_row("10", "aor", "a"), open_row("11", "aor", "a"), open_row("999", "aor", "a")])
        editor.unbind("4008001234,11", quarantine_until_us=NOW_US)
        for now, expected in ((NOW_US - 1, ["12"]), (NOW_US, ["12", "11"])):
            loaded = pools.load_extensions("4008001234")
            assert loaded is not None
            assert [loaded.allocate(now / 1e6) for _ in expected] == expected
            with pytest.raises(ExhaustedError):
                loaded.allocate(now / 1e6)
        assert pools.load_extensions("4009") is None

    def test_ranges(self, pools: MaskPools) -> None:
        """A range is replaced by the next one; what is none is refused."""
        pools.set_extensions("4008001234", "10", "12", "none", 60.0)
        pools.set_extensions("4008001234", "100", "199", "damm", 5.0)
        assert pools.extension_ranges() == {"4008001234": ("100", "199", "damm", 5.0)}
        with pytest.raises(ValueError, match="no range"):
            pools.set_extensions("4008001234", "20", "10", "none", 60.0)
