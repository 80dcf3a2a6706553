"""The carriers of a running switch: channels and health of their gateways, our registrations and accounts there.

Implements `calls.neighbours.Gateways`. Requests of its own (REGISTER, OPTIONS) go out in transactions whose context is
an `Enrolment` or a `Probe`; one deadline, `due`, stands for all its timers. Nothing here ever fails a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from routing.trunks.health import PACE
from routing.trunks.model import SEPARATOR, key_of
from routing.trunks.table import Difference, LiveGateway, TrunkTable
from switchboard.calls.carriers.description import Login, Site, Trunk
from switchboard.sip.digest_client import DigestClient
from switchboard.sip.outbound_registration import Account, OutboundRegistration, State, Target
from switchboard.sip.outgoing import Address, OutgoingRequest

if TYPE_CHECKING:
    from routing.acd.hours import LocalClock
    from switchboard.net.locator import Locator
    from switchboard.sip.core import SipCore
    from switchboard.sip.message import Response

FRESH: Final = 5.0
"""Seconds after which it is looked up again where the names of carriers lead."""
SILENT_PAUSE: Final = 30.0
"""A gateway that did not answer an INVITE at all is tried last for so long."""
OF_THE_CALLED: Final = frozenset({404, 410, 480, 484, 485, 486, 487, 600, 603, 604, 606})
"""Answers of who was called: no failure of the gateway that brings them."""


class Probe(msgspec.Struct, frozen=True, eq=False):
    """The context of an OPTIONS to a gateway."""

    gateway: str


class Enrolment(msgspec.Struct, frozen=True, eq=False):
    """The context of a REGISTER of ours."""

    held: Held
    sent: OutgoingRequest


class Held(msgspec.Struct, eq=False):
    """A registration of a trunk, at its gateways in turn or at one; `told` is what the log knows of it."""

    trunk: str
    registration: OutboundRegistration
    wish: tuple[object, ...]
    told: bool | None = None
    told_reason: str = ""


class Carriers:
    """All trunks, alive. `now` is monotonic seconds."""

    def __init__(
        self,
        *,
        core: SipCore,
        locator: Locator,
        token: Callable[[], str],
        random: Callable[[], float],
        local: LocalClock,
        log: Callable[..., None],
    ) -> None:
        """`random` gives numbers of 0 to 1, `local` the local time for hours."""
        self.trunks: Mapping[str, Trunk] = {}
        self.table = TrunkTable(random, local)
        self.ambiguous = False
        """Whether several trunks have an address in common."""
        self.due: float | None = None
        """When `handle_timer` is wanted."""
        self.learn: Callable[[Mapping[Address, str]], None] = lambda addresses: None
        """Told the addresses from which trunks without sources of their own send; port 0 for any."""
        self._core = core
        self._locator = locator
        self._token = token
        self._random = random
        self._log = log
        self._running = False
        self._clients: dict[str, tuple[Login, DigestClient]] = {}
        self._held: dict[tuple[str, str], Held] = {}
        self._leaving: list[Held] = []
        self._gateways_at: dict[tuple[str, str, int], str] = {}
        self._owners: dict[Address, tuple[str, ...]] = {}
        self._fresh_until: float | None = None
        self._next_probe = 0.0

    # --- what calls tell (Gateways) ---

    def began(self, gateway: str, now: float) -> None:
        """A call takes a channel."""
        self.table.begin(gateway, now)

    def has_room(self, gateway: str, now: float) -> bool:
        """Whether a call may begin there now."""
        return self.table.has_room(gateway, now)

    def over(self, gateway: str) -> None:
        """It takes it no more."""
        self.table.over(gateway)

    def outcome(self, gateway: str, status: int, now: float, response: Response | None = None) -> None:
        """The final status of an INVITE; without a response 408 is silence and 503 a transport that failed."""
        if status < 300:
            self.table.answered(gateway)
        elif status not in OF_THE_CALLED:
            pause = SILENT_PAUSE
            if response is not None:
                pause = _retry_after(response) if status == 503 else 0.0
            self.table.failed(gateway, status, now, pause)
            self._log("trunk.failed", gateway=gateway, status=status, silent=response is None)

    def retry(self, gateway: str, response: Response, sent: OutgoingRequest) -> tuple[str, ...] | None:
        """All header lines of the request that answers a challenge; None when it cannot be answered."""
        client = self._clients.get(gateway)
        lines = client[1].retry(response, sent, self._token()) if client is not None else None
        if lines is None:
            self._log("trunk.challenged", gateway=gateway, account=client is not None)
        return lines

    def is_at(self, gateway: str, address: Address) -> bool:
        """Whether one of the gateways of this one's trunk is at the host of an address."""
        return (gateway.partition(SEPARATOR)[0], address[0], 0) in self._gateways_at

    def credentials(self, gateway: str, method: str, uri: str) -> tuple[str, ...]:
        """Header lines that answer a gateway's last challenge anew, before it asks."""
        client = self._clients.get(gateway)
        return client[1].headers(method, uri, self._token()) if client is not None else ()

    def routes(self, gateway: LiveGateway) -> tuple[str, ...]:
        """The way that the registrar there wants requests to go (Service-Route, RFC 3608)."""
        for held in self._held_by(gateway.trunk):
            place = held.registration.bound_at
            if place is not None and place.gateway == gateway.key:
                return held.registration.routes
        return ()

    # --- calls that come ---

    def arrives(self, trunk: str, source: Address, now: float) -> str | None:
        """A call comes from a trunk: the key its channel is taken under, None when there is none for it."""
        at = self._gateways_at
        key = (at.get((trunk, *source)) or at.get((trunk, source[0], 0)) or "") if at else ""
        return self.table.arrives(trunk, key, now)

    def owner(self, trunk: str, source: Address, user: str) -> str:
        """Of several trunks at one address the one whose contact the Request-URI names, else the first."""
        owners = self._owners
        for name in owners.get((source[0], source[1])) or owners.get((source[0], 0)) or ():
            registering = self.trunks[name].registering
            if registering is not None and registering.contact == user:
                return name
        return trunk

    # --- changes ---

    def change(self, trunks: Mapping[str, Trunk], now: float) -> Difference:
        """Have these trunks from now on; calls that are up keep what they have."""
        before, self.trunks = self.trunks, dict(trunks)
        self.table.change([trunk.carrier for trunk in trunks.values()], now)
        self._clients = dict(self._accounts())
        self._find(now)
        self._enrol(now)
        self._rearm()
        return Difference(
            added=tuple(sorted(trunks.keys() - before.keys())),
            changed=tuple(sorted(name for name in trunks.keys() & before if before[name] != trunks[name])),
            removed=tuple(sorted(before.keys() - trunks.keys())),
        )

    def start(self, now: float) -> None:
        """Begin to register and to ask; until then nothing is sent."""
        self._running = True
        for gateway in self.table:
            gateway.health.spread(now, self._random())
        self._find(now)
        self._enrol(now)
        self._rearm()

    def stop(self, now: float) -> None:
        """Take back what is registered, and ask no more."""
        self._running = False
        self._enrol(now)
        self._rearm()

    def switch(self, name: str, now: float, *, on: bool) -> bool:
        """Switch a trunk, or a gateway as `TRUNK/GATEWAY`, on or off for new calls; calls that are up go on."""
        if not self.table.switch(name, on=on):
            return False
        self._enrol(now)
        self._rearm()
        self._log("trunk.enabled" if on else "trunk.disabled", trunk=name)
        return True

    # --- time and answers ---

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        if self.due is None or now < self.due:
            return
        if self._fresh_until is not None and self._fresh_until <= now:
            self._find(now)
        for held in (*self._held.values(), *self._leaving):
            held.registration.handle_timer(now)
            self._settle(held, now)
        self._probe(now)
        self._rearm()

    def answered(self, context: Probe | Enrolment, response: Response, now: float) -> None:
        """A response to a request of our own."""
        if response.status < 200:
            return
        if isinstance(context, Probe):
            self._outcome(context.gateway, response.status, now)
        else:
            context.held.registration.answered(context.sent, response, now)
            self._settle(context.held, now)
        self._rearm()

    def unanswered(self, context: Probe | Enrolment, now: float, *, unreachable: bool) -> None:
        """Nobody answered it in time, or the transport failed."""
        if isinstance(context, Probe):
            self._outcome(context.gateway, 503 if unreachable else 408, now)
        else:
            context.held.registration.unanswered(context.sent, now, unreachable=unreachable)
            self._settle(context.held, now)
        self._rearm()

    # --- looking ---

    def registrations(self, trunk: str) -> list[OutboundRegistration]:
        """The registrations that are held, or sought, at a trunk."""
        return [held.registration for held in self._held_by(trunk)]

    def places(self, site: Site, now: float) -> tuple[Address, ...]:
        """Where a gateway is, the first to be tried first."""
        return self._locator.targets(site.to, site.transport, now)

    def site(self, gateway: LiveGateway) -> Site | None:
        """What is configured of a gateway."""
        trunk = self.trunks.get(gateway.trunk)
        name = gateway.gateway.name
        return next((site for site in trunk.places if site.gateway.name == name), None) if trunk is not None else None

    def counts(self) -> dict[str, int]:
        """What is held beside channels."""
        return {"trunks_leaving": self.table.leaving, "trunk_registrations": len(self._held) + len(self._leaving)}

    # --- accounts and places ---

    def _accounts(self) -> Iterator[tuple[str, tuple[Login, DigestClient]]]:
        for trunk in self.trunks.values():
            for site in trunk.places:
                key = key_of(trunk.name, site.gateway.name)
                known = self._clients.get(key)
                if site.login is not None and known is not None and known[0] == site.login:
                    yield key, known
                elif site.login is not None:
                    login = site.login
                    yield key, (login, DigestClient(login.user, login.password, login.realm))

    def _find(self, now: float) -> None:
        """Where gateways are just now, so that calls from there are known by their address."""
        at: dict[tuple[str, str, int], str] = {}
        owners: dict[Address, tuple[str, ...]] = {}
        named = False
        for trunk in self.trunks.values():
            for site in trunk.places:
                named = named or site.named
                for host, port in self.places(site, now):
                    key = key_of(trunk.name, site.gateway.name)
                    at.setdefault((trunk.name, host, port), key)
                    at.setdefault((trunk.name, host, 0), key)
                    if trunk.sources:
                        continue
                    for source in ((host, port), (host, 0)):
                        if trunk.name not in owners.get(source, ()):
                            owners[source] = (*owners.get(source, ()), trunk.name)
        self._gateways_at = at
        self.ambiguous = any(len(names) > 1 for names in owners.values())
        self._owners = {source: names for source, names in owners.items() if len(names) > 1}
        self._fresh_until = now + FRESH if named else None
        self.learn({source: names[0] for source, names in owners.items()})

    # --- registrations ---

    def _enrol(self, now: float) -> None:
        """Hold the registrations that are wanted, and end the others."""
        wanted = dict(self._wanted()) if self._running else {}
        for key, held in list(self._held.items()):
            if wanted.get(key) != held.wish:
                del self._held[key]
                held.registration.stop(now)
                self._leaving.append(held)
                self._settle(held, now)
        for key, wish in wanted.items():
            if key not in self._held:
                held = self._held[key] = Held(key[0], self._registration(key), wish)
                held.registration.start(now)
                self._settle(held, now)

    def _wanted(self) -> Iterator[tuple[tuple[str, str], tuple[object, ...]]]:
        """By trunk, and gateway where it registers at each, what its registration depends on."""
        for name, live in self.table.trunks.items():
            trunk = self.trunks[name]
            if trunk.registering is None or live.disabled:
                continue
            sites = [site for site in trunk.places if not live.gateways[site.gateway.name].disabled]
            wish = (trunk.registering, trunk.domain)
            if not trunk.registering.each:
                if sites:
                    yield (name, ""), (*wish, *((site.to, site.transport, site.login) for site in sites))
                continue
            for site in sites:
                yield (name, key_of(name, site.gateway.name)), (*wish, site.to, site.transport, site.login)

    def _registration(self, key: tuple[str, str]) -> OutboundRegistration:
        trunk = self.trunks[key[0]]
        registering = trunk.registering
        assert registering is not None
        sites = [site for site in trunk.places if key[1] in ("", key_of(trunk.name, site.gateway.name))]
        domain = trunk.domain or _host(sites[0].to)
        client = next((self._clients[one] for site in sites if (one := key_of(trunk.name, site.gateway.name)) in
                       self._clients), None)  # fmt: skip

        def targets(now: float) -> list[Target]:
            """Gateways that are up first; of each all its addresses."""
            live = self.table.trunks.get(trunk.name)
            able = [site for site in sites if live is None or not _is_off(live.gateways.get(site.gateway.name))]
            able.sort(key=lambda site: site.gateway.order)
            return [
                Target(key_of(trunk.name, site.gateway.name), address, f"sip:{trunk.domain or _host(site.to)}")
                for site in able
                for address in self.places(site, now)
            ]

        return OutboundRegistration(
            Account(f"sip:{registering.user}@{domain}", registering.expires, registering.retry),
            targets,
            lambda address: self._core.contact_at(address, registering.contact),
            client[1] if client is not None else None,
            self._token,
            self._random,
        )

    def _settle(self, held: Held, now: float) -> None:
        """Send what a registration wants sent, and note what has become of it."""
        registration = held.registration
        for request in registration.take():
            self._core.request(request, now, context=Enrolment(held, request))
        if registration.state is State.OFF and held in self._leaving:
            self._leaving.remove(held)
        self._mark(held.trunk, now)
        holds = registration.holds(now) and held not in self._leaving
        if holds != held.told and (holds or held.told or registration.reason):
            place = registration.bound_at
            if holds and place is not None:
                self._log("trunk.registered", trunk=held.trunk, gateway=place.gateway)
            elif held.told:
                self._log("trunk.registration_lost", trunk=held.trunk, reason=registration.reason or "ended")
            held.told = holds
        if registration.reason and registration.reason != held.told_reason:
            self._log("trunk.registration_failed", trunk=held.trunk, reason=registration.reason)
        held.told_reason = registration.reason

    def _mark(self, trunk: str, now: float) -> None:
        """At which of its gateways a trunk is registered."""
        live = self.table.trunks.get(trunk)
        if live is None or not live.carrier.registers:
            return
        held = [one.registration for one in self._held_by(trunk) if one.registration.holds(now)]
        at = {one.bound_at.gateway for one in held if one.bound_at is not None}
        for gateway in live.gateways.values():
            gateway.registered = gateway.key in at

    def _held_by(self, trunk: str) -> list[Held]:
        return [held for (name, _), held in self._held.items() if name == trunk]

    # --- OPTIONS ---

    def _probe(self, now: float) -> None:
        """Send the OPTIONS that is due longest; one at a time, and none while one is under way to the same gateway."""
        if not self._running or now < self._next_probe:
            return
        waiting = [one for one in self.table if one.health.due is not None and one.health.due <= now]
        if not waiting:
            return
        gateway = min(waiting, key=lambda one: one.health.due or 0.0)
        self._next_probe = now + PACE
        site = self.site(gateway)
        addresses = self.places(site, now) if site is not None else ()
        gateway.health.sent()
        if site is None or not addresses:
            self._outcome(gateway.key, 503, now)
            return
        trunk = self.trunks[gateway.trunk]
        uri = f"sip:{trunk.domain or _host(site.to)}"
        request = OutgoingRequest(
            "OPTIONS",
            uri,
            addresses[0],
            from_=f"<{self._core.contact_at(addresses[0], '')}>;tag={self._token()}",
            to=f"<{uri}>",
            call_id=self._token(),
            cseq=1,
            headers=("Accept: application/sdp",),
        )
        self._core.request(request, now, context=Probe(gateway.key))

    def _outcome(self, key: str, status: int, now: float) -> None:
        gateway = self.table.gateway(key)
        if gateway is not None and gateway.health.outcome(status, now):
            self._log(f"trunk.gateway_{gateway.health.state.value}", gateway=key, status=status)

    # --- the one timer ---

    def _rearm(self) -> None:
        dues = [one.registration.due for one in (*self._held.values(), *self._leaving)]
        # What was granted may end while something else is waited for.
        dues += [
            one.registration.bound_until
            for one in self._held.values()
            if one.told and one.registration.state is not State.HELD
        ]
        dues.append(self._fresh_until if self._running else None)
        if self._running:
            probes = [one.health.due for one in self.table if one.health.due is not None]
            if probes:
                dues.append(max(min(probes), self._next_probe))
        self.due = min((due for due in dues if due is not None), default=None)


def _is_off(gateway: LiveGateway | None) -> bool:
    return gateway is not None and gateway.disabled


def _host(to: str) -> str:
    """The host of a place, as it stands in a URI."""
    if to.startswith("["):
        return to.partition("]")[0] + "]"
    return to.partition(":")[0] if to.count(":") == 1 else to


def _retry_after(response: Response) -> float:
    digits = (response.headers.get("retry-after") or "").partition(";")[0].partition("(")[0].strip()
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0.0
