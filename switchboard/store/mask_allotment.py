"""What a binding is given where it is not said: a number of a pool, an extension, how long it rests after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.schema import Config
from config.trunk_checks import takes_calls
from routing.dialplan import DialPlan, Entry
from routing.masks import RealNumber, Vault
from routing.masks.target import TargetError, parse_number
from switchboard.store.database import Database
from switchboard.store.desk_config import DeskConfig
from switchboard.store.mask_fields import FieldReader, duration
from switchboard.store.mask_pools import MaskPools
from switchboard.store.records import utc_us


class Allotment:
    """Completes what is written about bindings, by the configuration and the pools; refusals are `TargetError`.

    A pool in which nothing is free raises `ExhaustedError`.
    """

    def __init__(self, config: Config, database: Database, vault: Vault) -> None:
        self._config = config
        self._groups = DeskConfig(database).groups
        self._pools = MaskPools(database, "")
        self._vault = vault

    def reader(self) -> FieldReader:
        """Checks what is written against the configuration and the pools as they are now."""
        config = self._config
        ranges = self._pools.extension_ranges()
        return FieldReader(
            self._vault,
            trunks=[trunk.name for trunk in config.trunks if takes_calls(trunk)],
            accounts=[account.user for account in config.accounts],
            groups=self._groups.names(group.name for group in config.groups),
            checks={number: check for number, (_, _, check, _) in ranges.items()},
            now_us=utc_us(),
        )

    def complete(self, pool: str, fields: dict[str, str]) -> FieldReader:
        """Fill in the number, of a pool if one is named, or the extension; what reads the row."""
        reader = self.reader()
        if pool:
            fields["number"] = self._number(pool, fields)
        elif not fields["extension"] and fields["kind"] in ("", "extension"):
            fields["extension"] = self._extension(fields, reader)
        return reader

    def unserved(self, numbers: Iterable[str]) -> list[str]:
        """Those of numbers of bindings, in their one form, by which nobody gets to a binding.

        Neither a line of the configuration with `mask` or a flow leads to them, nor are they in a pool.
        """
        plan = DialPlan(
            Entry(number=line.number, flow=line.flow or "", mask=line.mask, target=line.target or "")
            for line in self._config.numbers
        )
        plan.serve(self._pools.all_numbers())
        entries = {number: plan.entry(number) for number in sorted(set(numbers))}
        return [number for number, entry in entries.items() if entry is None or not (entry.mask or entry.flow)]

    def rest_until(self, binding: str, text: str) -> int | None:
        """Until when (UTC microseconds) an extension that is given back tells so; None: not at all.

        `text` is a length, "0", or empty for what its number's range says.
        """
        number, comma, _ = binding.partition(",")
        if text and not comma:
            raise TargetError("quarantine: is for extensions; numbers of a pool have its cool-down")
        if text == "0":
            return None
        if text:
            length = duration("quarantine", text)
        else:
            ranges = self._pools.extension_ranges()
            if number not in ranges:
                return None
            length = ranges[number][3]
        return utc_us() + round(length * 1e6)

    def _number(self, pool: str, fields: Mapping[str, str]) -> str:
        """The number of a pool for these people: the one they have, or a free one."""
        if fields["number"]:
            raise TargetError("number: give a number or a pool, not both")
        people = [self._someone(name, fields[name]) for name in ("a", "b") if fields[name]]
        if not people:
            raise TargetError("a: is missing; whoever gets a number of a pool is not given it twice")
        known = self._pools.bound_in(pool, fields["kind"], people)
        if known is not None:
            return known.number
        now_us = utc_us()
        loaded = self._pools.load(pool, now_us)
        if loaded is None:
            raise TargetError(f"pool: no pool of that name; there are {', '.join(self._pools.names()) or 'none'}")
        return loaded.allocate(fields["city"], people, now_us / 1e6)

    def _extension(self, fields: Mapping[str, str], reader: FieldReader) -> str:
        """An extension of a main number: the one that leads to this target already, or a free one."""
        if not fields["number"]:
            raise TargetError("number: is missing")
        number = parse_number(fields["number"])
        pool = self._pools.load_extensions(number)
        if pool is None:
            raise TargetError("extension: is missing, and none of this number are given out")
        kind, target, party = reader.target(fields["target"])
        known = self._pools.extension_of(number, kind, target, party.fingerprint if party else None)
        return known if known is not None else pool.allocate(utc_us() / 1e6)

    def _someone(self, name: str, text: str) -> bytes:
        try:
            return self._vault.fingerprint(RealNumber(parse_number(text)))
        except ValueError:
            raise TargetError(f"{name}: not a telephone number") from None
