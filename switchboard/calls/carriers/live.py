"""The carriers of a running switch: channels of their gateways, where these are, our accounts there.

Implements `calls.neighbours.Gateways`. Whether they are there and we are registered is found out by `probing` and
`enrolment`; one deadline, `due`, stands for all timers. Nothing here ever fails a call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from routing.trunks.model import SEPARATOR, key_of
from routing.trunks.table import Difference, LiveGateway, TrunkTable
from switchboard.calls.carriers.description import Login, Site, Trunk
from switchboard.calls.carriers.enrolment import Enrolment, Enrolments
from switchboard.calls.carriers.probing import Probe, Prober
from switchboard.sip.digest_client import DigestClient
from switchboard.sip.outbound_registration import OutboundRegistration
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
OF_THE_CALLED: Final = frozenset({404, 410, 480, 484, 485, 486, 487, 600, 603, 604, 606, 607, 608})
"""Answers of who was called: no failure of the gateway that brings them."""


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
        self._locator = locator
        self._token = token
        self._random = random
        self._log = log
        self._running = False
        self._clients: dict[str, tuple[Login, DigestClient]] = {}
        self._enrolments = Enrolments(
            core=core, table=self.table, places=self.places, token=token, random=random, log=log
        )
        self._prober = Prober(core=core, table=self.table, whom=self._whom, token=token, log=log)
        self._gateways_at: dict[tuple[str, str, int], str] = {}
        self._owners: dict[Address, tuple[str, ...]] = {}
        self._fresh_until: float | None = None

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
        return self._enrolments.routes(gateway)

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
        self._enrolments.know(self.trunks, self._clients)
        self._find(now)
        self._enrolments.settle(now, wanted=self._running)
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
        self._enrolments.settle(now, wanted=self._running)
        self._rearm()

    def stop(self, now: float) -> None:
        """Take back what is registered, and ask no more."""
        self._running = False
        self._enrolments.settle(now, wanted=self._running)
        self._rearm()

    def switch(self, name: str, now: float, *, on: bool) -> bool:
        """Switch a trunk, or a gateway as `TRUNK/GATEWAY`, on or off for new calls; calls that are up go on."""
        if not self.table.switch(name, on=on):
            return False
        self._enrolments.settle(now, wanted=self._running)
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
        self._enrolments.handle_timer(now)
        if self._running:
            self._prober.handle_timer(now)
        self._rearm()

    def answered(self, context: Probe | Enrolment, response: Response, now: float) -> None:
        """A response to a request of our own."""
        if response.status < 200:
            return
        if isinstance(context, Probe):
            self._prober.outcome(context.gateway, response.status, now)
        else:
            self._enrolments.answered(context, response, now)
        self._rearm()

    def unanswered(self, context: Probe | Enrolment, now: float, *, unreachable: bool) -> None:
        """Nobody answered it in time, or the transport failed."""
        if isinstance(context, Probe):
            self._prober.outcome(context.gateway, 503 if unreachable else 408, now)
        else:
            self._enrolments.unanswered(context, now, unreachable=unreachable)
        self._rearm()

    # --- looking ---

    def registrations(self, trunk: str) -> list[OutboundRegistration]:
        """The registrations that are held, or sought, at a trunk."""
        return self._enrolments.of(trunk)

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
        return {"trunks_leaving": self.table.leaving, "trunk_registrations": len(self._enrolments)}

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

    def _whom(self, gateway: LiveGateway, now: float) -> tuple[str, Address] | None:
        """By which URI and at which address a gateway is asked."""
        site = self.site(gateway)
        addresses = self.places(site, now) if site is not None else ()
        if site is None or not addresses:
            return None
        return f"sip:{self.trunks[gateway.trunk].domain_at(site)}", addresses[0]

    # --- the one timer ---

    def _rearm(self) -> None:
        dues = [*self._enrolments.dues()]
        if self._running:
            dues += [self._fresh_until, self._prober.due()]
        self.due = min((due for due in dues if due is not None), default=None)


def _retry_after(response: Response) -> float:
    digits = (response.headers.get("retry-after") or "").partition(";")[0].partition("(")[0].strip()
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else 0.0
