"""Legs handed over to our own workers, and what the workers tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import structlog
from msgspec.structs import replace

from media.events import Released
from media.interface import Lease, MediaEvent, WorkerLost
from media.plane import WorkerPlane
from media.rtpengine.commands import NOBODY, Place, family_of
from media.rtpengine.leg import Leg

_log = structlog.get_logger("media.rtpengine")


class Handing:
    """The workers behind rtpengine; a leg once handed over stays so."""

    def __init__(
        self,
        workers: Mapping[int, str],
        tell: Callable[[Sequence[MediaEvent]], None],
        released: Callable[[Leg, Released], None],
        lost: Callable[[WorkerLost, list[Leg]], None],
    ) -> None:
        """`tell` is told what concerns a leg, of which the other two are the end."""
        self.real = WorkerPlane(workers, self._told)
        self._tell = tell
        self._released = released
        self._lost = lost
        self._legs: dict[tuple[int, int], Leg] = {}
        self._where: dict[int, int] = {}
        """The worker that has all legs of a worker's number that were handed over, as any two of them may be joined."""
        self._count: Counter[int] = Counter()
        """How many these are."""

    def take(self, leg: Leg, *, resting: bool = False) -> Lease | None:
        """A worker's port for a leg, where it can be joined with any of its number; None when there is none: logged.

        It reaches nobody until rtpengine has said where. `resting`: a key that is pressed by now is not the peer's.
        """
        number = leg.lease.worker
        helper = self._port_of(number)
        if helper is None:
            _log.warning("rtpengine.no_worker", worker=number)
            return None
        leg.helper = helper
        self._legs[helper.port, helper.gen] = leg
        self._where[number] = helper.worker
        self._count[number] += 1
        if resting and not leg.stream.digits:
            stream, leg.stream = leg.stream, replace(leg.stream, digits=True)
            self.open(leg)
            leg.stream = stream
        self.open(leg)
        return helper

    def _port_of(self, number: int) -> Lease | None:
        """A port of the worker that has the legs of a number; of any one if need be, where none has them or it is gone.

        Of one that is gone and not known to be lost yet the legs end in a moment.
        """
        where = self._where.get(number, -1)
        state = self.real.states().get(where)
        if state is not None and state.up:
            return self.real.lease(Lease(where, 0, 0, ""))
        near = Lease(number, 0, 0, "") if number in self.real.for_calls() else None
        return self.real.lease(near)

    def elsewhere(self, number: int) -> bool:
        """Whether another worker stands in for the one of this number."""
        return self._where.get(number, number) != number

    def open(self, leg: Leg) -> None:
        """Tells the worker what its session is like, with rtpengine as its peer."""
        if leg.helper is None:
            return
        nobody = NOBODY[family_of(leg.helper.address)]
        place = leg.reached or Place(nobody.address, nobody.port)
        stream = replace(
            leg.stream,
            remote_ip=place.address,
            remote_port=place.port,
            latch_ip=place.address,
            rtcp_port=0,
            rtcp_mux=False,
        )
        self.real.open(leg.helper, stream)
        party = leg.side.party or NOBODY[family_of(leg.lease.address)]
        leg.side.worker = replace(
            party, address=leg.helper.address, port=leg.helper.port, rtcp_port=0, rtcp_mux=False, nat=False
        )

    def release(self, leg: Leg) -> None:
        """Ends the worker's session; `released` is told."""
        if leg.helper is not None:
            self.real.release(leg.helper)

    def forget(self, leg: Leg) -> None:
        """Nothing of a leg is told any more."""
        if leg.helper is None:
            return
        del self._legs[leg.helper.port, leg.helper.gen]
        number = leg.lease.worker
        self._count[number] -= 1
        if not self._count[number]:
            del self._count[number], self._where[number]

    def _told(self, events: Sequence[MediaEvent]) -> None:
        ours: list[MediaEvent] = []
        for event in events:
            if isinstance(event, WorkerLost):
                legs = [self._legs.get((lease.port, lease.gen)) for lease in event.leases]
                self._lost(event, [leg for leg in legs if leg is not None])
                continue
            leg = self._legs.get((event.port, event.gen))
            if leg is None:
                continue
            if isinstance(event, Released):
                self._released(leg, event)
            else:
                ours.append(replace(event, port=leg.lease.port, gen=leg.lease.gen))
        if ours:
            self._tell(ours)
