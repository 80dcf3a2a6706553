"""Our registrations at carriers: those that are wanted are held, the others are taken back.

Their REGISTERs go out in transactions whose context is an `Enrolment`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from routing.trunks.model import key_of
from routing.trunks.table import LiveGateway, TrunkTable
from switchboard.calls.carriers.description import Login, Site, Trunk
from switchboard.sip.digest_client import DigestClient
from switchboard.sip.outbound_registration import Account, OutboundRegistration, State, Target
from switchboard.sip.outgoing import Address, OutgoingRequest

if TYPE_CHECKING:
    from switchboard.sip.core import SipCore
    from switchboard.sip.message import Response

Clients = Mapping[str, tuple[Login, DigestClient]]
"""By gateway, our account there, and what answers its challenges."""


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


class Enrolments:
    """All registrations of ours. `now` is monotonic seconds."""

    def __init__(
        self,
        *,
        core: SipCore,
        table: TrunkTable,
        places: Callable[[Site, float], tuple[Address, ...]],
        token: Callable[[], str],
        random: Callable[[], float],
        log: Callable[..., None],
    ) -> None:
        """`places` tells where a gateway is, `random` gives numbers of 0 to 1."""
        self._core = core
        self._table = table
        self._places = places
        self._token = token
        self._random = random
        self._log = log
        self._trunks: Mapping[str, Trunk] = {}
        self._clients: Clients = {}
        self._held: dict[tuple[str, str], Held] = {}
        self._leaving: list[Held] = []
        self._wanted = False

    def __len__(self) -> int:
        return len(self._held) + len(self._leaving)

    # --- looking ---

    def of(self, trunk: str) -> list[OutboundRegistration]:
        """Those that are held, or sought, at a trunk."""
        return [held.registration for (name, _), held in self._held.items() if name == trunk]

    def routes(self, gateway: LiveGateway) -> tuple[str, ...]:
        """The way that the registrar there wants requests to go (Service-Route, RFC 3608)."""
        for registration in self.of(gateway.trunk):
            place = registration.bound_at
            if place is not None and place.gateway == gateway.key:
                return registration.routes
        return ()

    def dues(self) -> Iterator[float | None]:
        """When `handle_timer` is wanted; None for what waits for an answer."""
        for held in (*self._held.values(), *self._leaving):
            yield held.registration.due
        for held in self._held.values():
            # What was granted may end while something else is waited for.
            if held.told and held.registration.state is not State.HELD:
                yield held.registration.bound_until

    # --- what is wanted ---

    def know(self, trunks: Mapping[str, Trunk], clients: Clients) -> None:
        """These are the trunks from now on; `settle` makes it so."""
        self._trunks, self._clients = trunks, clients

    def settle(self, now: float, *, wanted: bool) -> None:
        """Hold the registrations that the trunks want, or none, and end the others.

        One that takes the place of another waits for its end: the contact is the same, and an end that comes late, as
        after a loss, would be its own.
        """
        self._wanted = wanted
        wishes = dict(self._wishes()) if wanted else {}
        for key, held in list(self._held.items()):
            if wishes.get(key) != held.wish:
                del self._held[key]
                held.registration.stop(now)
                self._leaving.append(held)
                self._go_on(held, now)
        for key, wish in wishes.items():
            if key in self._held:
                continue
            held = Held(key[0], self._registration(key), wish)
            if all(one.registration.aor != held.registration.aor for one in self._leaving):
                self._held[key] = held
                held.registration.start(now)
                self._go_on(held, now)

    def _wishes(self) -> Iterator[tuple[tuple[str, str], tuple[object, ...]]]:
        """By trunk, and gateway where it registers at each, what its registration depends on."""
        for name, live in self._table.trunks.items():
            trunk = self._trunks[name]
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
        trunk = self._trunks[key[0]]
        registering = trunk.registering
        assert registering is not None
        sites = [site for site in trunk.places if key[1] in ("", key_of(trunk.name, site.gateway.name))]
        client = next((self._clients[one] for site in sites if (one := key_of(trunk.name, site.gateway.name)) in
                       self._clients), None)  # fmt: skip

        def targets(now: float) -> list[Target]:
            """Gateways that are up first; of each all its addresses."""
            live = self._table.trunks.get(trunk.name)
            able = [site for site in sites if live is None or not _is_off(live.gateways.get(site.gateway.name))]
            able.sort(key=lambda site: site.gateway.order)
            return [
                Target(key_of(trunk.name, site.gateway.name), address, f"sip:{trunk.domain_at(site)}")
                for site in able
                for address in self._places(site, now)
            ]

        return OutboundRegistration(
            Account(f"sip:{registering.user}@{trunk.domain_at(sites[0])}", registering.expires, registering.retry),
            targets,
            lambda address: self._core.contact_at(address, registering.contact),
            client[1] if client is not None else None,
            self._token,
            self._random,
        )

    # --- time and answers ---

    def handle_timer(self, now: float) -> None:
        """Do what is due."""
        for held in (*self._held.values(), *self._leaving):
            held.registration.handle_timer(now)
            self._go_on(held, now)

    def answered(self, context: Enrolment, response: Response, now: float) -> None:
        """A final response to a REGISTER."""
        context.held.registration.answered(context.sent, response, now)
        self._follow(context.held, now)

    def unanswered(self, context: Enrolment, now: float, *, unreachable: bool) -> None:
        """Nobody answered it in time, or the transport failed."""
        context.held.registration.unanswered(context.sent, now, unreachable=unreachable)
        self._follow(context.held, now)

    def _follow(self, held: Held, now: float) -> None:
        self._go_on(held, now)
        if held.registration.state is State.OFF:
            # It may have been waited for.
            self.settle(now, wanted=self._wanted)

    def _go_on(self, held: Held, now: float) -> None:
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
        live = self._table.trunks.get(trunk)
        if live is None or not live.carrier.registers:
            return
        at = {one.bound_at.gateway for one in self.of(trunk) if one.bound_at is not None and one.holds(now)}
        for gateway in live.gateways.values():
            gateway.registered = gateway.key in at


def _is_off(gateway: LiveGateway | None) -> bool:
    return gateway is not None and gateway.disabled
