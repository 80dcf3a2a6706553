"""Pools of X numbers and of extensions, stored: made whole from what is bound and what was given back lately."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, select, update

from routing.masks.check_digit import Check
from routing.masks.extension_pool import ExtensionPool
from routing.masks.pool import Pool, PoolPolicy
from routing.masks.secret import FINGERPRINT_BYTES
from switchboard.store.database import Database
from switchboard.store.mask_log import Change, append_changes
from switchboard.store.mask_rows import LineRow, parties_of
from switchboard.store.masks import MaskRepository
from switchboard.store.records import utc_us
from switchboard.store.schema import (
    mask_bindings,
    mask_extension_pools,
    mask_lines,
    mask_pool_numbers,
    mask_pools,
    mask_quarantines,
    mask_releases,
)

KEPT_DAYS: Final = 400
"""Releases older than this are forgotten; no cool-down may be longer."""

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(PoolPolicy)


class PoolNumber(NamedTuple):
    """A number of a pool."""

    number: str
    city: str
    retired: bool
    bindings: int


class PoolError(Exception):
    """A pool cannot be changed as was asked."""


class MaskPools:
    """The pools in the database; `who` stands in the log of changes."""

    def __init__(self, database: Database, who: str) -> None:
        self._database = database
        self._who = who
        self._masks = MaskRepository(database)

    def names(self) -> dict[str, PoolPolicy]:
        """Every pool of X numbers and how it gives them out."""
        with self._database.reading() as connection:
            rows = connection.execute(select(mask_pools).order_by(mask_pools.c.name))
            return {row.name: _decoder.decode(row.policy) for row in rows}

    def numbers(self, pool: str) -> list[PoolNumber]:
        """The numbers of a pool and how many bindings each has."""
        columns = mask_pool_numbers.c
        with self._database.reading() as connection:
            rows = connection.execute(
                select(columns.number, columns.city, columns.retired)
                .where(columns.pool == pool)
                .order_by(columns.city, columns.number)
            ).all()
            used: dict[str, int] = {}
            for line in self._masks.on_numbers((row.number for row in rows), connection):
                used[line.number] = used.get(line.number, 0) + 1
        return [PoolNumber(row.number, row.city, bool(row.retired), used.get(row.number, 0)) for row in rows]

    def all_numbers(self) -> list[str]:
        """The numbers of all pools, also retired ones: what is bound on them stays."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(mask_pool_numbers.c.number)))

    def add(self, pool: str, city: str, numbers: Sequence[str], policy: PoolPolicy | None = None) -> int:
        """Put numbers into a pool, which is made if there is none; returns how many are new or back in it.

        `policy` changes how the pool gives them out. Raises `PoolError`, or `ShownError` for a service number.
        """
        trial = Pool()
        numbers = list(dict.fromkeys(trial.add(city, number) for number in numbers))
        now_us, added = utc_us(), 0
        with self._database.writing() as connection:
            known = connection.execute(select(mask_pools.c.policy).where(mask_pools.c.name == pool)).first()
            text = _encoder.encode(policy or PoolPolicy()).decode()
            if known is None:
                connection.execute(mask_pools.insert(), [{"name": pool, "policy": text}])
            elif policy is not None and known.policy != text:
                connection.execute(update(mask_pools).where(mask_pools.c.name == pool).values(policy=text))
                self._note(connection, now_us, "pool-policy", f"pool {pool}: {text}")
            for number in numbers:
                added += self._add(connection, pool, city, number, now_us)
            if added:
                self._note(connection, now_us, "pool-add", f"pool {pool}, city {city or '-'}: {added} numbers")
        return added

    def retire(self, number: str) -> bool:
        """Give a number out no more; what is bound on it stays. False if it is in no pool, or retired already."""
        columns = mask_pool_numbers.c
        with self._database.writing() as connection:
            query = update(mask_pool_numbers).where(columns.number == number, ~columns.retired).values(retired=True)
            done = connection.execute(query).rowcount > 0
            if done:
                self._note(connection, utc_us(), "pool-retire", number)
        return done

    def load(self, pool: str, now_us: int) -> Pool | None:
        """A pool as it stands now; None if there is none of that name."""
        policy = self.names().get(pool)
        if policy is None:
            return None
        made = Pool(policy)
        members = self.numbers(pool)
        for member in members:
            made.add(member.city, member.number)
        numbers = {member.number for member in members}
        with self._database.reading() as connection:
            columns = mask_releases.c
            since = now_us - round(policy.cool_down * 1e6)
            for row in connection.execute(
                select(mask_releases).where(columns.released_us > since).order_by(columns.released_us)
            ):
                if row.number in numbers:
                    people = _people(row.people)
                    _replay(made, row.number, people, row.released_us)
            for line in self._masks.on_numbers(numbers, connection):
                with contextlib.suppress(ValueError):
                    made.occupy(line.number, [party.fingerprint for party in parties_of(line)])
        for member in members:
            if member.retired:
                made.retire(member.number)
        return made

    def bound_in(self, pool: str, kind: str, people: Sequence[bytes]) -> LineRow | None:
        """The binding that these people have on a number of a pool already."""
        columns = mask_lines.c
        query = (
            select(mask_lines)
            .join(mask_pool_numbers, mask_pool_numbers.c.number == columns.number)
            .where(mask_pool_numbers.c.pool == pool, columns.kind == kind, columns.a_fingerprint == people[0])
        )
        other = people[1] if len(people) > 1 else None
        query = query.where(columns.b_fingerprint.is_(None) if other is None else columns.b_fingerprint == other)
        with self._database.reading() as connection:
            row = connection.execute(query.with_only_columns(*mask_lines.columns)).first()
        return None if row is None else LineRow._make(row)

    def set_extensions(self, number: str, first: str, last: str, check: Check, cool_down: float) -> None:
        """Say which extensions of a main number are given out; raises `ValueError` for a range that is none."""
        ExtensionPool(first, last, check=check, cool_down=cool_down)
        values = {"number": number, "first": first, "last": last, "check_digit": check, "cool_down": cool_down}
        with self._database.writing() as connection:
            connection.execute(delete(mask_extension_pools).where(mask_extension_pools.c.number == number))
            connection.execute(mask_extension_pools.insert(), [values])
            self._note(connection, utc_us(), "pool-extensions", f"{number}: {first}-{last}, check digit {check}")

    def extension_ranges(self) -> dict[str, tuple[str, str, Check, float]]:
        """By main number: first and last extension, check digit and cool-down in seconds."""
        with self._database.reading() as connection:
            rows = connection.execute(select(mask_extension_pools).order_by(mask_extension_pools.c.number))
            return {row.number: (row.first, row.last, row.check_digit, row.cool_down) for row in rows}

    def load_extensions(self, number: str) -> ExtensionPool | None:
        """The extensions of a main number as they stand now; None when none are given out."""
        known = self.extension_ranges().get(number)
        if known is None:
            return None
        first, last, check, cool_down = known
        made = ExtensionPool(first, last, check=check, cool_down=cool_down)
        with self._database.reading() as connection:
            columns = mask_quarantines.c
            query = select(columns.extension, columns.until_us).where(columns.number == number)
            for extension, until_us in connection.execute(query.order_by(columns.until_us)):
                if made.occupy(extension):
                    made.release(extension, until_us / 1e6 - cool_down)
            for extension in connection.scalars(
                select(mask_bindings.c.extension).where(mask_bindings.c.number == number)
            ):
                made.occupy(extension)
        return made

    def extension_of(self, number: str, kind: str, target: str, fingerprint: bytes | None) -> str | None:
        """The extension of a main number that leads to a target already; `kind` as in `MaskRow`."""
        columns = mask_bindings.c
        query = select(columns.extension).where(columns.number == number, columns.kind == kind)
        same = columns.target == target if fingerprint is None else columns.fingerprint == fingerprint
        with self._database.reading() as connection:
            return connection.scalar(query.where(same).order_by(columns.extension).limit(1))

    def forget(self, now_us: int) -> int:
        """Delete what no cool-down needs any more; returns how many releases."""
        until = now_us - KEPT_DAYS * 86_400_000_000
        with self._database.writing() as connection:
            return connection.execute(delete(mask_releases).where(mask_releases.c.released_us < until)).rowcount

    def _add(self, connection: Connection, pool: str, city: str, number: str, now_us: int) -> bool:
        columns = mask_pool_numbers.c
        known = connection.execute(select(mask_pool_numbers).where(columns.number == number)).first()
        if known is None:
            values = {"number": number, "pool": pool, "city": city, "retired": False, "added_us": now_us}
            connection.execute(mask_pool_numbers.insert(), [values])
            return True
        if (known.pool, known.city) != (pool, city):
            raise PoolError(f"{number} is in pool {known.pool}, city {known.city or '-'}, already")
        if known.retired:
            connection.execute(update(mask_pool_numbers).where(columns.number == number).values(retired=False))
        return bool(known.retired)

    def _note(self, connection: Connection, now_us: int, action: str, detail: str) -> None:
        append_changes(connection, [Change(now_us, self._who, action, "", detail, "")])


def _people(packed: bytes) -> list[bytes]:
    return [packed[start : start + FINGERPRINT_BYTES] for start in range(0, len(packed), FINGERPRINT_BYTES)]


def _replay(pool: Pool, number: str, people: Iterable[bytes], released_us: int) -> None:
    """Bring an earlier binding and its end into a pool."""
    people = list(people)
    # A binding without a number of anybody, such as that of a softphone, leaves nobody to remember.
    with contextlib.suppress(ValueError):
        if pool.occupy(number, people):
            pool.release(number, people, released_us / 1e6)
