"""Who has gone silent: rtpengine is asked from time to time how much has come from each party.

Of a party behind a NAT it has learned from which port it sends, and refuses all else. If nothing comes but what is
refused the NAT may have another port for it by now, or somebody else sends while the party is silent: rtpengine learns
anew. Meanwhile it passes on what comes from anybody, and may hold to somebody else in the end; so the party hears
nobody, nor is it heard, until a look each second finds that it has the party's own address. Then it is told the port,
and learns no more. Who floods the port of a party that sends nothing can keep it from hearing.

While it is away nobody can be heard: a party is silent then once it has been away for as long as a silence that is
told. On its return each party's time begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from media.events import Heard, Silence
from media.rtpengine.bencode import Value
from media.rtpengine.commands import Counted, counted
from media.rtpengine.leg import Leg
from media.rtpengine.pair import Pair

_PARTS = 4
"""Times that are asked within the silence that is told."""
_MAY_MOVE = 5.0
"""Seconds after which is asked again about a party behind a NAT, which may have another port there by now."""
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
        legs = [leg for leg in legs if _is_asked_for(leg) or _may_move(leg)]
        pairs = {leg.side.pair for leg in legs}
        self._asked = {pair: asked.get(pair, now) for pair in pairs}
        hasty = {leg.side.pair for leg in legs if leg.others or leg.side.seeks}
        moving = {leg.side.pair for leg in legs if _may_move(leg)}
        every, often = self._every, min(self._every, _MAY_MOVE)
        found = [
            pair
            for pair, at in self._asked.items()
            if at + (often if pair in moving else every) <= now or pair in hasty
        ]
        for pair in found:
            self._asked[pair] = now
        return found

    def unheard(self, legs: Iterable[Leg], away: float, now: float) -> list[Silence]:
        """What is to be told of legs as rtpengine has been away since `away`."""
        found = []
        for leg in legs:
            since = max(leg.heard_at, away)
            if not leg.stream.receive:
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
        """What is to be told of a leg by what was counted; of one that a worker has that tells."""
        came = counted(reply, leg.side.tag)
        if _may_move(leg):
            _follow(leg, came)
        before, leg.heard = leg.heard, came
        if leg.helper is not None:
            return None
        if came.reports > before.reports:
            leg.reported_at = now
        heard = came.packets > before.packets and not leg.side.seeks
        if heard or not leg.stream.receive:
            leg.heard_at = now
        if now - leg.heard_at < self._silence:
            told, leg.silence = leg.silence, 0
            return Heard(leg.lease.port, leg.lease.gen) if told else None
        state = _TOLD_ALIVE if leg.reported_at and now - leg.reported_at < self._silence else _TOLD
        if leg.silence >= state:
            return None
        leg.silence = state
        return Silence(leg.lease.port, leg.lease.gen, state == _TOLD_ALIVE)


def _follow(leg: Leg, came: Counted) -> None:
    """Seeks a party behind a NAT of which nothing comes any more but from elsewhere, until it is found."""
    side, before = leg.side, leg.heard
    assert side.party is not None
    comes = came.packets > before.packets
    leg.others = came.refused > before.refused
    if came.source.address not in ("", side.party.address) or (leg.others and not comes):
        side.seek()
    elif comes:
        side.find(came.source.port)


def _may_move(leg: Leg) -> bool:
    """Whether there is a party behind a NAT that is to speak."""
    party = leg.side.party
    return party is not None and party.nat and leg.stream.receive and not leg.releasing


def _is_asked_for(leg: Leg) -> bool:
    """Whether there is a party, whom no worker listens to."""
    return leg.helper is None and leg.side.party is not None
