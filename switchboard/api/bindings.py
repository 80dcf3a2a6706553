"""Masks and pools for the API: bound, unbound, switched, imported, shown. Synchronous; the API calls it in threads.

Changes go through the editor that the command line uses; the caller brings them into the running table.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from config.schema import Config
from routing.masks import AorTarget, Binding, NumberTarget, Party, RealNumber, SipTarget, Vault, VaultError
from routing.masks.pool import Pool, PoolPolicy
from routing.masks.secret import Sealed
from routing.masks.target import parse_number
from switchboard.api.bodies import MaskBody, PoolBody, RefusalBody, UnbindBody
from switchboard.api.types import (
    CityView,
    ExtensionPoolView,
    MaskDone,
    MaskView,
    PoolNumberView,
    PoolsView,
    PoolView,
    RefusalView,
)
from switchboard.api.views import moment
from switchboard.store.configured_masks import binding_for, configured_binding, configured_masks
from switchboard.store.database import Database
from switchboard.store.mask_allotment import Allotment
from switchboard.store.mask_editor import MaskEditor
from switchboard.store.mask_file import MaskFileError, decode, read_masks
from switchboard.store.mask_pools import MaskPools
from switchboard.store.mask_refusals import MaskRefusals, Told
from switchboard.store.mask_rows import Row, binding_of
from switchboard.store.masks import MaskFilter, MaskRepository
from switchboard.store.records import utc_us

SHOWN_FAULTS: Final = 20


class Bindings:
    """The stored bindings and pools; refusals are `ValueError`, `RowError`, `PoolError` and `ExhaustedError`."""

    def __init__(self, database: Database, vault: Vault, config: Config) -> None:
        self._database = database
        self._vault = vault
        self._allotment = Allotment(config, database, vault)
        self._masks = MaskRepository(database)
        self._configured = config.masks

    def get(self, binding: str) -> MaskView | None:
        """One binding."""
        found = self._masks.get(binding)
        if found is not None:
            return self._view(found, utc_us())
        configured = configured_binding(self._configured, self._vault, binding)
        return None if configured is None else self._view(configured, utc_us(), "configuration")

    def search(self, wanted: MaskFilter, limit: int, offset: int) -> list[MaskView]:
        """Bindings in the order of numbers, then those of the configuration."""
        now_us = utc_us()
        rows = self._masks.search(wanted, limit, offset, now_us=now_us)
        found = [self._view(binding_of(row), now_us) for row in rows]
        if len(found) < limit:
            left_out = max(offset - self._masks.count(wanted, now_us=now_us), 0)
            configured = configured_masks(self._configured, self._vault, self._masks, wanted)[left_out:]
            some = (binding_for(mask, self._vault) for mask in configured[: limit - len(found)])
            found += [self._view(one, now_us, "configuration") for one in some]
        return found

    def fingerprint(self, number: str) -> bytes:
        """The fingerprint of somebody's number."""
        return self._vault.fingerprint(RealNumber(parse_number(number)))

    def bind(self, body: MaskBody, who: str) -> MaskDone:
        """Bind, with a number or extension given out when none was named."""
        fields = {name: value for name in body.__struct_fields__ if isinstance(value := getattr(body, name), str)}
        pool = fields.pop("pool")
        row = self._allotment.complete(pool, fields).row(fields)
        return self._store([row], who, "bind", replace=body.replace)

    def load(self, data: bytes, who: str, *, replace: bool) -> MaskDone:
        """Import a file of bindings, CSV or JSON lines: all of it or nothing."""
        try:
            read = read_masks(decode(data), self._allotment.reader())
        except MaskFileError as error:
            raise ValueError(f"the file {error}") from None
        if read.bad:
            told = "; ".join(f"line {bad.line}: {bad.reason}" for bad in read.bad[:SHOWN_FAULTS])
            raise ValueError(f"{len(read.bad)} rows cannot be imported: {told}")
        return self._store(read.rows, who, "import", replace=replace)

    def unbind(self, binding: str, body: UnbindBody, who: str) -> bool:
        """Take a binding away; False if there is none."""
        until_us = self._allotment.rest_until(binding, body.quarantine)
        return MaskEditor(self._database, who).unbind(binding, quarantine_until_us=until_us, reason=body.reason)

    def switch(self, binding: str, who: str, *, disabled: bool, reason: str) -> bool | None:
        """Disable or enable; None if there is none, False when it is so already."""
        return MaskEditor(self._database, who).switch(binding, disabled=disabled, reason=reason)

    def refusals(self, customer: bytes | None, limit: int, offset: int) -> list[RefusalView]:
        """Who wants no calls back, newest first; with a fingerprint that one, if it does."""
        found = MaskRefusals(self._database, self._vault, "").latest(limit, offset, customer)
        return [
            RefusalView(
                customer=one.customer,
                since=datetime.fromtimestamp(one.refused_us / 1e6, UTC),
                call=one.call_id or None,
            )
            for one in found
        ]

    def refuse(self, body: RefusalBody, who: str) -> Told:
        """Write a customer's word down."""
        kept = MaskRefusals(self._database, self._vault, who)
        return (kept.accept if body.withdrawn else kept.refuse)(body.number, body.reason)

    def pools(self) -> PoolsView:
        """All pools with what is free in them."""
        pools, now_us = MaskPools(self._database, ""), utc_us()
        shown = []
        for name, policy in pools.names().items():
            loaded = pools.load(name, now_us) or Pool()
            counted = [(city, loaded.census(city)) for city in loaded.cities()]
            cities = [
                CityView(city=city, numbers=count.numbers, free=count.open, bindings=count.bindings)
                for city, count in counted
            ]
            shown.append(_pool_view(name, policy, cities))
        extensions = []
        for number, (first, last, check, cool_down) in pools.extension_ranges().items():
            made = pools.load_extensions(number)
            extensions.append(
                ExtensionPoolView(
                    number=number, first=first, last=last, check=check, cool_down=cool_down,
                    total=int(last) - int(first) + 1, used=0 if made is None else len(made),
                )
            )  # fmt: skip
        return PoolsView(pools=shown, extensions=extensions)

    def pool_numbers(self, pool: str) -> list[PoolNumberView] | None:
        """The numbers of a pool; None if there is none of that name."""
        pools = MaskPools(self._database, "")
        if pool not in pools.names():
            return None
        return [PoolNumberView(**one._asdict()) for one in pools.numbers(pool)]

    def add_numbers(self, pool: str, body: PoolBody, who: str) -> int:
        """Put numbers into a pool; how many are new."""
        policy = PoolPolicy(pairs=body.pairs, cool_down=body.cool_down, sticky=body.sticky, beyond=body.beyond)
        numbers = [parse_number(number) for number in body.numbers]
        return MaskPools(self._database, who).add(pool, body.city, numbers, policy)

    def retire(self, number: str, who: str) -> bool:
        """Give a number out no more."""
        return MaskPools(self._database, who).retire(parse_number(number))

    def _store(self, rows: list[Row], who: str, action: str, *, replace: bool) -> MaskDone:
        done = MaskEditor(self._database, who).store(rows, action=action, replace=replace)
        ids = [row.key for row in rows]
        unserved = self._allotment.unserved(row.number for row in rows)
        return MaskDone(ids=ids, added=done.added, replaced=done.replaced, unchanged=done.unchanged, unserved=unserved)

    def _view(self, binding: Binding, now_us: int, origin: Literal["stored", "configuration"] = "stored") -> MaskView:
        return MaskView(
            id=binding.key,
            number=binding.number,
            extension=binding.extension,
            kind=binding.kind,
            leads_to=self._leads_to(binding),
            group=binding.group,
            state=binding.state(now_us),
            expires=moment(binding.expires_us),
            label=binding.label,
            policy=_told(binding.policy),
            created=moment(binding.created_us or None),
            updated=moment(binding.updated_us or None),
            origin=origin,
        )

    def _leads_to(self, binding: Binding) -> str:
        match binding.target:
            case SipTarget(uri):
                return uri
            case AorTarget(aor):
                return f"softphone {aor}"
            case NumberTarget(secret, trunk, shown):
                return f"{self._masked(secret)} by trunk {trunk}, showing {shown or 'no number'}"
        people = [self._masked(party.sealed) for party in _parties(binding)]
        if binding.group:
            people.append(f"group {binding.group}")
        return " and ".join(people)

    def _masked(self, sealed: Sealed) -> str:
        try:
            return self._vault.open(sealed).masked
        except VaultError:
            return "cannot be opened"


def _parties(binding: Binding) -> Iterable[Party]:
    return (party for party in (binding.a, binding.b or binding.n) if party is not None)


def _pool_view(name: str, policy: PoolPolicy, cities: list[CityView]) -> PoolView:
    return PoolView(
        name=name, pairs=policy.pairs, cool_down=policy.cool_down, sticky=policy.sticky, beyond=policy.beyond,
        cities=cities,
    )  # fmt: skip


def _told(policy: msgspec.Struct) -> dict[str, object]:
    """The rules of a binding that are not as usual."""
    usual = type(policy)()
    plain = msgspec.to_builtins(policy)
    return {name: plain[name] for name in policy.__struct_fields__ if getattr(policy, name) != getattr(usual, name)}
