"""The trunks as they are alive: calls, health, what an operator has switched off. Changes keep what goes on.

Whatever is taken is given back once, by the key under which it was taken, also when its gateway was removed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from routing.acd.hours import LocalClock
from routing.trunks.choice import in_order
from routing.trunks.health import Health, HealthState
from routing.trunks.limits import Failure, Limits, Load
from routing.trunks.model import SEPARATOR, Carrier, Gateway, key_of

MAX_AVOIDED = 300.0
"""No Retry-After keeps us away for longer. Seconds."""


class LiveGateway:
    """One gateway: its calls, its health, whether we are registered there (None: we need not be)."""

    __slots__ = ("avoided_until", "disabled", "gateway", "health", "key", "load", "registered", "trunk")

    def __init__(self, trunk: str, gateway: Gateway, load: Load, health: Health) -> None:
        self.trunk = trunk
        self.gateway = gateway
        self.key = key_of(trunk, gateway.name)
        self.load = load
        self.health = health
        self.registered: bool | None = None
        self.avoided_until = 0.0
        """It has asked for a pause until then (RFC 3261 §21.5.4)."""
        self.disabled = gateway.disabled

    @property
    def order(self) -> int:
        """The lowest comes first."""
        return self.gateway.order

    @property
    def weight(self) -> int:
        """Its share among those of the same order."""
        return self.gateway.weight

    def is_doubtful(self, now: float) -> bool:
        """Whether calls had better go elsewhere."""
        return self.health.state is HealthState.DOWN or self.registered is False or now < self.avoided_until


class LiveTrunk:
    """One carrier and its gateways, by name."""

    __slots__ = ("carrier", "disabled", "gateways", "load")

    def __init__(self, carrier: Carrier, load: Load) -> None:
        self.carrier = carrier
        self.load = load
        self.gateways: dict[str, LiveGateway] = {}
        self.disabled = carrier.disabled


class Choice(msgspec.Struct, frozen=True):
    """Gateways in the order in which they are tried; where there are none, why."""

    gateways: tuple[LiveGateway, ...] = ()
    reason: str = ""
    """"unknown", "disabled", "closed", "full" or "fast"."""


class Difference(msgspec.Struct, frozen=True):
    """What a change has brought, by the names of trunks."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class TrunkTable:
    """All trunks; `random` gives numbers of 0 to 1, `local` the local time for hours."""

    __slots__ = ("_loads", "_local", "_random", "trunks")

    def __init__(self, random: Callable[[], float], local: LocalClock) -> None:
        self._random = random
        self._local = local
        self.trunks: dict[str, LiveTrunk] = {}
        self._loads: dict[str, tuple[Load, ...]] = {}
        """By the key under which calls are taken: that of a trunk, or of a gateway with its trunk's."""

    def __iter__(self) -> Iterator[LiveGateway]:
        """All gateways."""
        for trunk in self.trunks.values():
            yield from trunk.gateways.values()

    def change(self, carriers: Iterable[Carrier], now: float) -> Difference:
        """Have these trunks from now on. Calls that are up keep counting, also at what is gone."""
        before, wanted = self.trunks, {carrier.name: carrier for carrier in carriers}
        self.trunks = {name: self._trunk(carrier, before.get(name), now) for name, carrier in wanted.items()}
        for key in [key for key, loads in self._loads.items() if not loads[-1].calls and not self._has(key)]:
            del self._loads[key]
        return Difference(
            added=tuple(sorted(wanted.keys() - before.keys())),
            changed=tuple(sorted(name for name in wanted.keys() & before if before[name].carrier != wanted[name])),
            removed=tuple(sorted(before.keys() - wanted.keys())),
        )

    def gateway(self, key: str) -> LiveGateway | None:
        """The gateway of a key, None when it is no gateway's or is gone."""
        trunk, _, name = key.partition(SEPARATOR)
        live = self.trunks.get(trunk)
        return live.gateways.get(name) if live is not None else None

    def choose(self, names: str, now: float) -> Choice:
        """The gateways to be tried for a call by a trunk, or by several in their order, written with commas."""
        found: list[LiveGateway] = []
        reason = ""
        for name in names.split(","):
            choice = self._of_one(self.trunks.get(name), now)
            found += choice.gateways
            reason = reason or choice.reason
        return Choice(tuple(found)) if found else Choice((), reason)

    def _of_one(self, trunk: LiveTrunk | None, now: float) -> Choice:
        if trunk is None:
            return Choice((), "unknown")
        if trunk.disabled:
            return Choice((), "disabled")
        if not trunk.carrier.hours.open_by(self._local, now):
            return Choice((), "closed")
        if shortage := trunk.load.shortage(now):
            return Choice((), shortage)
        able = [one for one in trunk.gateways.values() if not one.disabled]
        if not able:
            return Choice((), "disabled" if trunk.gateways else "unknown")
        free = [one for one in able if not one.load.shortage(now)]
        if not free:
            return Choice((), able[0].load.shortage(now))
        if len(free) == 1:
            return Choice((free[0],))
        return Choice(tuple(in_order(free, lambda one: one.is_doubtful(now), self._random)))

    def has_room(self, key: str, now: float) -> bool:
        """Whether a call to a gateway may begin now."""
        loads = self._loads.get(key)
        return loads is not None and not any(load.shortage(now) for load in loads)

    def begin(self, key: str, now: float) -> None:
        """A call to a gateway begins; whether there is room was asked before. It may be gone by now, and come back."""
        loads = self._loads.get(key)
        if loads is None:
            trunk = self._loads.setdefault(key.partition(SEPARATOR)[0], (Load(),))
            loads = self._loads[key] = (trunk[0], Load())
        for load in loads:
            load.take(now)
            load.attempts += 1

    def arrives(self, trunk: str, key: str, now: float) -> str | None:
        """A call comes in, from the gateway of this key if that is known: the key it is taken under.

        None when the trunk is switched off or has no room for it; "" for a trunk that is none of these.
        """
        live = self.trunks.get(trunk)
        if live is None:
            return ""
        if live.disabled:
            return None
        loads = self._loads.get(key) if key else None
        if loads is None:
            key, loads = trunk, self._loads[trunk]
        for load in loads:
            if load.limited and load.shortage(now):
                return None
        for load in loads:
            load.take(now)
            load.seen += 1
        return key

    def answered(self, key: str) -> None:
        """A call to a gateway was answered."""
        for load in self._loads.get(key, ()):
            load.answered += 1

    def failed(self, key: str, status: int, now: float, pause: float = 0.0) -> None:
        """An attempt at a gateway has failed; `pause` are the seconds of its Retry-After."""
        for load in self._loads.get(key, ()):
            load.failures += 1
            load.failure = Failure(status, now)
        gateway = self.gateway(key)
        if gateway is not None and pause > 0:
            gateway.avoided_until = now + min(pause, MAX_AVOIDED)

    def over(self, key: str) -> None:
        """A call that was taken under this key is over."""
        loads = self._loads.get(key)
        if loads is None:
            return
        for load in loads:
            load.calls -= 1
        if load.calls:
            return
        for one in (key, key.partition(SEPARATOR)[0]):
            if one in self._loads and not self._loads[one][-1].calls and not self._has(one):
                del self._loads[one]

    def switch(self, name: str, *, on: bool) -> bool:
        """Switch a trunk, or a gateway by its key, on or off for new calls; False when there is no such."""
        live = self.trunks.get(name) or self.gateway(name)
        if live is None:
            return False
        live.disabled = not on
        return True

    @property
    def calls(self) -> int:
        """Calls that hold a channel."""
        return sum(loads[0].calls for loads in self._loads.values() if len(loads) == 1)

    @property
    def leaving(self) -> int:
        """How many trunks and gateways are gone while calls still hold their channels."""
        return sum(1 for key in self._loads if not self._has(key))

    # --- changes ---

    def _trunk(self, carrier: Carrier, before: LiveTrunk | None, now: float) -> LiveTrunk:
        load = self._load(carrier.name, carrier.limits)
        self._loads[carrier.name] = (load,)
        live = LiveTrunk(carrier, load)
        if before is not None and before.carrier.disabled == carrier.disabled:
            live.disabled = before.disabled
        for gateway in carrier.gateways:
            known = before.gateways.get(gateway.name) if before is not None else None
            live.gateways[gateway.name] = self._gateway(carrier, gateway, known, load, now)
        return live

    def _gateway(
        self, carrier: Carrier, gateway: Gateway, before: LiveGateway | None, trunk: Load, now: float
    ) -> LiveGateway:
        key = key_of(carrier.name, gateway.name)
        load = self._load(key, gateway.limits)
        self._loads[key] = (trunk, load)
        if before is None:
            return LiveGateway(carrier.name, gateway, load, Health(gateway.probing, now, self._random()))
        before.health.adjust(gateway.probing, now, self._random())
        live = LiveGateway(carrier.name, gateway, load, before.health)
        live.registered = before.registered if carrier.registers else None
        live.avoided_until = before.avoided_until
        if before.gateway.disabled == gateway.disabled:
            live.disabled = before.disabled
        return live

    def _load(self, key: str, limits: Limits) -> Load:
        known = self._loads.get(key)
        if known is None:
            return Load(limits)
        known[-1].adjust(limits)
        return known[-1]

    def _has(self, key: str) -> bool:
        return key in self.trunks or self.gateway(key) is not None
