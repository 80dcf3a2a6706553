"""Where numbers lead: the dial plan, the trunks' sources and the masks, as one look-up for calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from config.schema import Config
from routing.dialplan import DialPlan, Entry, Route
from routing.masks.binding import Resolution
from routing.masks.callbacks import History
from routing.masks.check_digit import Check
from routing.masks.secret import Party
from routing.masks.table import MaskTable
from routing.trunks import Trunks
from switchboard.calls.settings import NO_SERVICE, Service


class Directory:
    """Implements `calls.neighbours.Routing` from memory; a reload swaps the mask table at once."""

    def __init__(self, plan: DialPlan, trunks: Trunks, masks: MaskTable) -> None:
        self.masks = masks
        self._plan = plan
        self._trunks = trunks

    def identify(self, host: str, port: int) -> str | None:
        """Name of the trunk that sends from this address."""
        return self._trunks.identify(host, port)

    def learn(self, addresses: Mapping[tuple[str, int], str]) -> None:
        """Where trunks without sources of their own send from, as it was looked up."""
        self._trunks.learn(addresses)

    def set_trunks(self, trunks: Trunks) -> None:
        """Know these sources of trunks from now on."""
        self._trunks = trunks

    def route(self, context: str, called: str) -> Route:
        """What a called number does."""
        return self._plan.route(context, called)

    def resolve(self, number: str, extension: str, now: float) -> Resolution:
        """What stands behind an extension; `now` is UTC seconds."""
        return self.masks.resolve(number, extension, now)

    def resolve_call(self, x: str, caller: bytes | None, now: float) -> Resolution:
        """Who is reached by calling an X number; `now` is UTC seconds."""
        return self.masks.resolve_call(x, caller, now)

    def touch(self, binding: str, now: float, way: str, caller: Party | None) -> History | None:
        """A call through a binding was put through; the window of call-backs as it is now, where there is one."""
        self.masks.touch(binding, now, "a_to_b" if way == "a_to_b" else "b_to_a", caller)
        return self.masks.lines.callbacks.history(binding)

    def set_pools(self, numbers: Iterable[str], checks: Mapping[str, Check]) -> list[str]:
        """Serve the X numbers of the pools, and demand the check digits of main numbers; the faults, in words."""
        self._plan.serve(numbers)
        faults = []
        for number, check in checks.items():
            try:
                if self.masks.check_of(number) != check:
                    self.masks.set_check(number, check)
            except ValueError as error:
                faults.append(str(error))
        return faults

    def refuse(self, customer: bytes, withdrawn: bool) -> None:
        """A customer wants no calls back any more, or takes that back."""
        callbacks = self.masks.lines.callbacks
        if withdrawn:
            callbacks.accept(customer)
        else:
            callbacks.refuse(customer)


class Services:
    """What a called number brings to its calls: that of the line of the configuration that serves it."""

    def __init__(self, config: Config, plan: DialPlan) -> None:
        self._plan = plan
        self._services = {
            entry.number: Service(entry.variables, entry.failed or "", entry.record)
            for entry in config.numbers
            if entry.variables or entry.failed or entry.record
        }

    def get(self, number: str, default: Service = NO_SERVICE, /) -> Service:
        """The service of a number in its one form."""
        entry = self._plan.entry(number) if self._services else None
        return default if entry is None else self._services.get(entry.number, default)


def build_plan(config: Config) -> DialPlan:
    """The dial plan of the configuration."""
    return DialPlan(
        Entry(
            number=entry.number,
            flow=entry.flow or "",
            target=entry.target or "",
            mask=entry.mask,
            group=entry.group or "",
        )
        for entry in config.numbers
    )
