"""Whether gateways are there: an OPTIONS now and then, whose answer moves the gateway's health.

They go out in transactions whose context is a `Probe`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from routing.trunks.health import PACE
from routing.trunks.table import LiveGateway, TrunkTable
from switchboard.sip.outgoing import Address, OutgoingRequest

if TYPE_CHECKING:
    from switchboard.sip.core import SipCore


class Probe(msgspec.Struct, frozen=True, eq=False):
    """The context of an OPTIONS to a gateway."""

    gateway: str


class Prober:
    """Asks the gateways of all trunks. `now` is monotonic seconds."""

    def __init__(
        self,
        *,
        core: SipCore,
        table: TrunkTable,
        whom: Callable[[LiveGateway, float], tuple[str, Address] | None],
        token: Callable[[], str],
        log: Callable[..., None],
    ) -> None:
        """`whom` tells by which URI and at which address a gateway is asked; None where it is not to be found."""
        self._core = core
        self._table = table
        self._whom = whom
        self._token = token
        self._log = log
        self._next = 0.0

    def due(self) -> float | None:
        """When `handle_timer` is wanted."""
        dues = [one.health.due for one in self._table if one.health.due is not None]
        return max(min(dues), self._next) if dues else None

    def handle_timer(self, now: float) -> None:
        """Send the OPTIONS that is due longest; one at a time, and none while one is under way to the same gateway."""
        if now < self._next:
            return
        waiting = [one for one in self._table if one.health.due is not None and one.health.due <= now]
        if not waiting:
            return
        gateway = min(waiting, key=lambda one: one.health.due or 0.0)
        self._next = now + PACE
        found = self._whom(gateway, now)
        gateway.health.sent()
        if found is None:
            self.outcome(gateway.key, 503, now)
            return
        uri, address = found
        request = OutgoingRequest(
            "OPTIONS",
            uri,
            address,
            from_=f"<{self._core.contact_at(address, '')}>;tag={self._token()}",
            to=f"<{uri}>",
            call_id=self._token(),
            cseq=1,
            headers=("Accept: application/sdp",),
        )
        self._core.request(request, now, context=Probe(gateway.key))

    def outcome(self, key: str, status: int, now: float) -> None:
        """What has become of one; without a response 408 is silence and 503 a transport that failed."""
        gateway = self._table.gateway(key)
        if gateway is not None and gateway.health.outcome(status, now):
            self._log(f"trunk.gateway_{gateway.health.state.value}", gateway=key, status=status)
