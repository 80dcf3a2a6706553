"""Who has gone silent: rtpengine is asked from time to time how much has come from each party.

While it is away nobody can be heard: a party is silent then once it has been away for as long as a silence that is
told. On its return each party's time begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from media.events import Heard, Silence
from media.rtpengine.bencode import Value
from media.rtpengine.commands import counted
from media.rtpengine.leg import Leg
from media.rtpengine.pair import Pair

_PARTS = 4
"""Times that are asked within the silence that is told."""
_TOLD_ALIVE, _TOLD = 1, 2


class Listening:
    """Tells a party's silence once it has lasted for `silence` seconds, up to a quarter of that late."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._every = max(1.0, silence / _PARTS)
        self._asked: dict[Pair, float] = {}

    def due(self, legs: Iterable[Leg], now: float) -> list[Pair]:
        """The calls that are to be asked now."""
        asked = self._asked
        pairs = {leg.side.pair for leg in legs if _is_asked_for(leg)}
        self._asked = {pair: asked.get(pair, now) for pair in pairs}
        found = [pair for pair, at in self._asked.items() if at + self._every <= now]
        for pair in found:
            self._asked[pair] = now
        return found

    def unheard(self, legs: Iterable[Leg], away: float, now: float) -> list[Silence]:
        """What is to be told of legs as rtpengine has been away since `away`."""
        found = []
        for leg in legs:
            since = max(leg.heard_at, away)
            if not leg.opened["receive"]:
                leg.heard_at = now
            elif _is_asked_for(leg) and leg.silence != _TOLD and now - since >= self._silence:
                leg.silence = _TOLD
                found.append(Silence(leg.lease.port, leg.lease.gen))
        return found

    def begin_anew(self, legs: Iterable[Leg], now: float) -> None:
        """It is back; what has come meanwhile it could not count."""
        for leg in legs:
            leg.heard_at = now

    def look(self, leg: Leg, reply: Mapping[str, Value], now: float) -> Silence | Heard | None:
        """What is to be told of a leg by what was counted."""
        came = counted(reply, leg.side.tag)
        before, leg.heard = leg.heard, came
        if came.reports > before.reports:
            leg.reported_at = now
        if came.packets > before.packets or not leg.opened["receive"]:
            leg.heard_at = now
            told, leg.silence = leg.silence, 0
            return Heard(leg.lease.port, leg.lease.gen) if told else None
        if now - leg.heard_at < self._silence:
            return None
        state = _TOLD_ALIVE if leg.reported_at and now - leg.reported_at < self._silence else _TOLD
        if leg.silence >= state:
            return None
        leg.silence = state
        return Silence(leg.lease.port, leg.lease.gen, state == _TOLD_ALIVE)


def _is_asked_for(leg: Leg) -> bool:
    """Whether there is a party, whom no worker listens to."""
    return leg.helper is None and leg.side.party is not None
