"""A phone in a call whose connection has ended may come back by another: the call waits, and goes on over that one.

Audio has a path of its own and may never have been gone. Who registers again with the contact of the call is back (RFC
5626 §4.4); so is who sends a request in it that refreshes the target. A browser whose tab was closed says nothing any
more: after a while its leg is lost. Other phones are asked about their session then, like any.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Final

from switchboard.calls.causes import WEBRTC_LOST, Cause
from switchboard.sip.errors import SipError
from switchboard.sip.flow import StreamAddress, WebAddress
from switchboard.sip.timers import DeadlineHeap
from switchboard.sip.transaction.table import Input
from switchboard.sip.uri import same_uri

if TYPE_CHECKING:
    from switchboard.calls.call import Call
    from switchboard.calls.exchange import Exchange
    from switchboard.calls.leg import Leg
    from switchboard.calls.settings import Address

MOST: Final = 20_000
"""Absences kept; the endpoints of the WebRTC edge bound those of browsers already."""
RETURN: Final = 60.0
"""Seconds in which a phone that is no browser may come back without being asked anything."""
TOGETHER: Final = 0.5
"""Seconds in which connections end whose calls are looked for together: all calls are looked over for them."""


class Absence:
    """A leg that cannot be reached: by which connection it was, and whose registrations were made over that."""

    __slots__ = ("flow", "leg", "lines", "timer")

    def __init__(self, leg: Leg, flow: StreamAddress, lines: frozenset[str]) -> None:
        self.leg = leg
        self.flow = flow
        self.lines = lines
        self.timer = 0

    @property
    def lasts(self) -> bool:
        """Whether the leg still has no other way."""
        dialog = self.leg.dialog
        return dialog is not None and dialog.destination == self.flow


class Absences:
    """All of them, when each is given up, and the connections whose calls are still to be looked for."""

    __slots__ = ("_by_line", "_heap", "_look", "cut", "due", "known")

    def __init__(self) -> None:
        self._heap: DeadlineHeap[Absence] = DeadlineHeap()
        self._look = inf
        self._by_line: dict[str, dict[str, Absence]] = {}
        """By leg, of each line: phones register far more often than one is absent."""
        self.known: dict[str, Absence] = {}
        """By leg."""
        self.cut: dict[StreamAddress, frozenset[str]] = {}
        """Connections that have ended, and whose registrations were made over each."""
        self.due: float | None = None
        """When something is to be done next."""

    def __len__(self) -> int:
        return len(self.known)

    def begin(self, absence: Absence, due: float) -> None:
        """A leg cannot be reached; it is given up when due."""
        if absence.leg.id not in self.known and len(self.known) < MOST:
            self.known[absence.leg.id] = absence
            for line in absence.lines:
                self._by_line.setdefault(line, {})[absence.leg.id] = absence
            self._heap.schedule(due, absence, Input.TIMER_B)
            self._arm()

    def look_for(self, flow: StreamAddress, lines: frozenset[str], now: float) -> None:
        """The calls over a connection that has ended are looked for soon."""
        if not self.cut:
            self._look = now + TOGETHER
        self.cut[flow] = lines
        self._arm()

    def take_cut(self, now: float) -> dict[StreamAddress, frozenset[str]]:
        """The connections whose calls are to be looked for now."""
        if self._look > now:
            return {}
        cut, self.cut, self._look = self.cut, {}, inf
        self._arm()
        return cut

    def take(self, line: str, contact: str) -> list[Leg]:
        """The absent legs of this line that gave this contact; they are absent no more."""
        back = [one for one in self._by_line.get(line, {}).values() if _is_target(one.leg, contact)]
        for absence in back:
            self._heap.cancel(absence)
            self._forget(absence)
        self._arm()
        return [absence.leg for absence in back if absence.lasts]

    def pop_due(self, now: float) -> Absence | None:
        """One that is given up now."""
        due = self._heap.pop_due(now)
        if due is None:
            return None
        self._forget(due[0])
        self._arm()
        return due[0]

    def _forget(self, absence: Absence) -> None:
        del self.known[absence.leg.id]
        for line in absence.lines:
            legs = self._by_line[line]
            del legs[absence.leg.id]
            if not legs:
                del self._by_line[line]

    def _arm(self) -> None:
        due = self._heap.next_deadline()
        earliest = min(self._look, inf if due is None else due)
        self.due = None if earliest == inf else earliest


def _is_target(leg: Leg, contact: str) -> bool:
    try:
        return leg.dialog is not None and same_uri(leg.dialog.remote_target, contact)
    except SipError:
        return False


def flow_ended(x: Exchange, flow: Address, lines: frozenset[str], now: float) -> None:
    """A connection is gone: wait for the phones in calls that were reached over it, of these lines."""
    if isinstance(flow, WebAddress):
        for leg in x.web_legs.values():
            absence = Absence(leg, flow, lines)
            if absence.lasts:
                x.absences.begin(absence, now + x.settings.away)
    elif isinstance(flow, StreamAddress) and lines and x.calls:
        x.absences.look_for(flow, lines, now)


def came_back(x: Exchange, line: str, source: Address, now: float) -> None:
    """A phone has registered: calls that wait for it go on over its connection."""
    for binding in x.registrar.lookup(line, now):
        if binding.source == source:
            for leg in x.absences.take(line, binding.contact):
                assert leg.dialog is not None
                leg.dialog.destination = leg.source = source


def absences_due(x: Exchange, now: float, lost: Callable[[Exchange, Call, Leg, Cause, float], None]) -> None:
    """Give up who has not come back; `lost` is called with the call, the leg and the cause of a browser's."""
    if cut := x.absences.take_cut(now):
        _find_absent(x, cut, now)
    while (absence := x.absences.pop_due(now)) is not None:
        leg, call = absence.leg, x.call_of(absence.leg)
        if call is not None and call.owns(leg) and absence.lasts and isinstance(absence.flow, WebAddress):
            x.log("call.browser_away", call_id=call.id, leg=leg.id)
            lost(x, call, leg, WEBRTC_LOST, now)


def _find_absent(x: Exchange, cut: dict[StreamAddress, frozenset[str]], now: float) -> None:
    """Begin the absences of legs that were reached over these connections; some may be back already."""
    back: set[str] = set()
    for call in x.calls.values():
        for leg in call.legs:
            flow = leg.dialog.destination if leg.dialog is not None else None
            if isinstance(flow, StreamAddress) and (lines := cut.get(flow)) is not None:
                x.absences.begin(Absence(leg, flow, lines), now + RETURN)
                back |= lines
    for line in back:
        for binding in x.registrar.lookup(line, now):
            came_back(x, line, binding.source, now)
