"""The leases of rtpengine's ports: what becomes of them there, at the workers behind it, and what is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from media.control import SECRET_REST
from media.events import Digit, KeyPassed, PlayDone, Released, StreamStats
from media.interface import Lease, MediaEvent, WorkerLost
from media.plane import WorkerPlane
from media.rtpengine.bencode import Value
from media.rtpengine.commands import Key, Place, stream_stats
from media.rtpengine.engine import Engine
from media.rtpengine.handing import Handing
from media.rtpengine.leg import Leg
from media.rtpengine.listening import Listening
from media.rtpengine.pair import Pair
from media.rtpengine.settings import Settings
from media.rtpengine.side import Playback, Side

FIRST_GEN: Final = 1 << 41
"""Generations of these leases: no other plane's are as high, so that a lease tells whose it is."""

HELD: Final = 0.5
"""Seconds for which a key of before may be held yet: rtpengine tells of it only when it is over."""

_log = structlog.get_logger("media.rtpengine")


def _nobody_calls(short: bool) -> None:
    """Until somebody does."""


class Legs:
    """All legs that are leased; the owner of their pairs and of their sessions at workers."""

    def __init__(
        self,
        settings: Settings,
        workers: Mapping[int, str],
        on_events: Callable[[Sequence[MediaEvent]], None],
    ) -> None:
        """`workers` by their numbers are those to which legs are handed over."""
        self._on_events = on_events
        self.on_short: Callable[[bool], None] = _nobody_calls
        """Told True when few ports are spare and more are on their way, again when some of them came; False in the end,
        once a command has stayed unanswered at the latest.
        """
        self._engine = Engine(settings, self, self._pressed, self._returned, lambda short: self.on_short(short))
        self._handing = Handing(workers, on_events, self._worker_released, self._worker_lost)
        self._listening = Listening(settings.silence)
        self._legs: dict[tuple[int, int], Leg] = {}
        self._by_side: dict[Side, Leg] = {}
        self._apart: set[Leg] = set()
        """Legs that no worker could join with their peers so far."""
        self._kept: set[Side] = set()
        """The other ports of calls of which only one party has come yet."""
        self._gen = FIRST_GEN
        self._releases = 0
        self._told: list[MediaEvent] = []

    @property
    def real(self) -> WorkerPlane:
        """The workers behind it."""
        return self._handing.real

    # --- leases ---

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease | None:
        """The other port of the call of `near` if nobody has had it yet, else one of another call.

        `six`: on IPv6, where the plane is on both families.
        """
        family = self._engine.family(six)
        beside = self._leg(near) if near is not None else None
        side = beside.side.other if beside is not None and self._engine.up else None
        if side is None or side in self._by_side or side.used or side.pair.family != family:
            pair = self._engine.take(family)
            if pair is None:
                return None
            side = pair.sides[0]
            if beside is None:
                self._kept.add(side.other)
        if beside is not None:
            self._kept.discard(beside.side.other)
        worker = near.worker if near is not None else self._next_worker()
        self._gen += 1
        lease = Lease(worker, side.place.port, self._gen, side.place.address)
        leg = Leg(lease, side, heard_at=asyncio.get_running_loop().time())
        self._legs[lease.port, lease.gen] = self._by_side[side] = leg
        return lease

    def spare(self, six: bool) -> int:
        """Ports of one family that new calls may have."""
        return self._engine.spare(six)

    def kept(self) -> int:
        """Ports that are there for the second party of a call each, and not among those that are spare."""
        return len(self._kept)

    def _next_worker(self) -> int:
        """Whose help a new call would get: in turn, as it is not known who will need it."""
        usable = self.real.for_calls()
        # Who comes back gets calls again once those are over in which another has stood in for it.
        usable = [number for number in usable if not self._handing.elsewhere(number)] or usable
        return usable[self._gen % len(usable)] if usable else 0

    def _leg(self, lease: Lease) -> Leg | None:
        leg = self._legs.get((lease.port, lease.gen))
        return None if leg is None or leg.releasing else leg

    def release(self, lease: Lease) -> None:
        """Ends the session; Released follows once its counters are known."""
        leg = self._leg(lease)
        if leg is None:
            return
        self._releases += 1
        leg.releasing = self._releases
        self._end_play(leg, "stopped")
        self._part(leg)
        self._handing.release(leg)
        pair = leg.side.pair
        if all(one.releasing for one in self._legs_of(pair)):
            pair.over = True
        elif leg.helper is None:
            pair.wants_count = True
        self._engine.touch(pair)

    def _legs_of(self, pair: Pair) -> list[Leg]:
        return [leg for side in pair.sides if (leg := self._by_side.get(side)) is not None]

    def _forget(self, leg: Leg) -> None:
        """A leg is over, and its call where it was the last one."""
        leg.stop_timer()
        if leg.resting is not None:
            leg.resting.cancel()
        self._part(leg)
        self._apart.discard(leg)
        self._handing.forget(leg)
        del self._legs[leg.lease.port, leg.lease.gen], self._by_side[leg.side]
        self._kept.discard(leg.side.other)
        pair = leg.side.pair
        if not self._legs_of(pair) and not pair.over:
            pair.over = True
            self._engine.touch(pair)

    # --- who hears whom ---

    def _part(self, leg: Leg) -> None:
        """Nobody hears a leg, nor does it hear anybody."""
        peer = leg.peer
        if peer is None:
            return
        leg.peer = peer.peer = None
        # What was still to be keyed was meant for who has left.
        leg.side.keys.clear()
        peer.side.keys.clear()
        if leg.helper is not None:
            self.real.unbridge(leg.helper)
        elif leg.side.pair.bridged:
            leg.side.pair.bridged = False
            self._engine.touch(leg.side.pair)

    def _hand_over(self, leg: Leg) -> Lease | None:
        """A worker's port that stands for a leg from now on, its peer's too; None when there is none."""
        if leg.helper is not None:
            return leg.helper
        peer, playing = leg.peer, leg.playing
        helper = self._handing.take(leg, resting=leg.side.digits)
        if helper is None:
            return None
        leg.side.pair.bridged = False
        self._engine.touch(leg.side.pair)
        if leg.side.muted:
            self.real.mute(helper, True)
        if leg.concealed:
            self.real.conceal(helper, True)
        elif leg.resting is not None:
            self._hand_rest(leg, helper)
        if leg.side.keys:
            self.real.send_digits(helper, "".join(leg.side.keys))
            leg.side.keys.clear()
        if playing is not None:
            # What rtpengine was playing begins anew.
            leg.stop_timer()
            leg.playing = leg.side.playback = None
            self.real.play(helper, *playing)
        if peer is not None and self._hand_over(peer) is not None:
            self._join_helpers(leg, peer)
        return helper

    def _hand_rest(self, leg: Leg, helper: Lease) -> None:
        """What is for nobody else is not for them where a worker has the leg, either."""
        now = asyncio.get_running_loop().time()
        if now < leg.secret_until:
            self.real.conceal(helper, True)
            self.real.conceal(helper, False)
        if now < leg.key_until:
            self.real.key_taken(helper)

    def _goes_on(self, leg: Leg, now: float) -> None:
        """A key was told: one that follows a secret's at once is of that, and so may be the next."""
        if now < leg.secret_until:
            leg.secret_until = now + SECRET_REST

    def _rest(self, leg: Leg) -> None:
        """What is for nobody else: a key that may be held yet, a secret's that may follow, all sound while one may."""
        if leg.resting is not None:
            leg.resting.cancel()
            leg.resting = None
        loop = asyncio.get_running_loop()
        now, side = loop.time(), leg.side
        hushed = max(leg.secret_until, leg.key_until)
        until = max(hushed, leg.keys_until)
        side.hushed = now < hushed
        side.digits = leg.stream.digits or now < until
        if now < until:
            leg.resting = loop.call_later(min(one for one in (hushed, until) if now < one) - now, self._rest, leg)
        self._engine.touch(side.pair)

    def _join(self, one: Leg, other: Leg) -> None:
        """A worker relays between two legs, as soon as there is one."""
        if self._hand_over(one) is None or self._hand_over(other) is None:
            self._apart.add(one)
        else:
            self._join_helpers(one, other)

    def _join_helpers(self, one: Leg, other: Leg) -> None:
        """A worker relays between two legs, unless one of them is where the other could not be: at one that is gone."""
        assert one.helper is not None
        assert other.helper is not None
        if one.helper.worker == other.helper.worker:
            self.real.bridge(one.helper, other.helper)
        else:
            _log.warning("rtpengine.apart", workers=[one.helper.worker, other.helper.worker])

    def _end_play(self, leg: Leg, reason: str) -> None:
        """What rtpengine plays to a leg is over."""
        if leg.playing is None:
            return
        leg.stop_timer()
        play_id = leg.playing[0]
        leg.playing = leg.side.playback = None
        if reason == "done":
            leg.side.played = None
        self._engine.touch(leg.side.pair)
        self._tell(PlayDone(leg.lease.port, leg.lease.gen, play_id, reason))

    # --- what comes of it (PairOwner) ---

    def pair_ready(self, pair: Pair) -> None:
        """One more call is opened ahead."""
        self._engine.made(pair)

    def pair_failed(self, pair: Pair) -> None:
        """The leases of a call are void."""
        self._engine.give_up(pair)
        legs = self._legs_of(pair)
        if not pair.over and legs:
            _log.warning("rtpengine.call_lost", call=pair.call, reason=pair.why)
        for leg in legs:
            if leg.releasing and leg.helper is None:
                self._over(leg, StreamStats())
        self._void([leg for leg in legs if not leg.releasing])

    def pair_unanswered(self, pair: Pair) -> None:
        """Who waits for its counters gets none; the others stay."""
        for leg in self._legs_of(pair):
            if leg.releasing and leg.helper is None:
                self._over(leg, StreamStats())

    def pair_counted(self, pair: Pair, reply: Mapping[str, Value]) -> None:
        """Ends what waited for its counters, and looks who is silent."""
        now = asyncio.get_running_loop().time()
        # Whose end was asked for first is told first: a call waits for the last one only.
        for leg in sorted(self._legs_of(pair), key=lambda leg: leg.releasing):
            if leg.releasing and leg.helper is None:
                self._over(leg, stream_stats(reply, leg.side.tag, leg.side.other.tag, leg.stream.codec))
            elif (event := self._listening.look(leg, reply, now)) is not None:
                self._tell(event)

    def side_linked(self, side: Side, place: Place) -> None:
        """A worker's session has a peer now."""
        leg = self._by_side.get(side)
        if leg is not None and leg.reached != place:
            leg.reached = place
            self._handing.open(leg)

    def side_playing(self, side: Side, playback: Playback, seconds: float) -> None:
        """What plays ends by itself, which rtpengine does not tell."""
        leg = self._by_side.get(side)
        if leg is not None and side.playback is playback and not playback.loop:
            leg.timer = asyncio.get_running_loop().call_later(seconds, self._end_play, leg, "done")

    def side_keyed(self, side: Side, count: int) -> None:
        """A key of ours will be reported as this party's, or will not after all."""
        leg = self._by_side.get(side)
        if leg is not None:
            leg.echoes = max(0, leg.echoes + count)

    def side_mute(self, side: Side, playback: Playback) -> None:
        """What rtpengine cannot play a worker does."""
        leg = self._by_side.get(side)
        _log.error("rtpengine.unplayable", file=playback.file)
        if leg is not None and side.playback is playback:
            self._hand_over(leg)

    # --- what is told ---

    def _listen(self, now: float) -> None:
        """Once a second: asks who has gone silent, or knows that nobody can be heard."""
        if self._engine.up:
            for pair in self._listening.due(self._legs.values(), now):
                pair.wants_count = True
                self._engine.touch(pair)
            return
        silent = self._listening.unheard(self._legs.values(), self._engine.away_since, now)
        if silent:
            _log.warning("rtpengine.unheard", legs=len(silent), away=round(now - self._engine.away_since, 1))
        for event in silent:
            self._tell(event)

    def _returned(self) -> None:
        self._listening.begin_anew(self._legs.values(), asyncio.get_running_loop().time())

    def _pressed(self, pair: Pair, key: Key) -> None:
        side = pair.side(key.tag)
        leg = self._by_side.get(side) if side is not None else None
        if leg is None or leg.helper is not None or leg.releasing:
            return
        if leg.echoes:
            leg.echoes -= 1
            return
        if leg.side.seeks:
            # It may be anybody's.
            return
        now = asyncio.get_running_loop().time()
        if now < leg.secret_until:
            self._goes_on(leg, now)
            self._rest(leg)
        if leg.stream.digits:
            self._tell(Digit(leg.lease.port, leg.lease.gen, key.digit, now, key.held))
        elif leg.side.passes_keys or self._passed_on(leg, key, now):
            self._tell(KeyPassed(leg.lease.port, leg.lease.gen, key.digit, key.held))

    def _passed_on(self, leg: Leg, key: Key, now: float) -> bool:
        """Puts a key into what its party says that was kept as it might have begun while keys were the switch's."""
        side, peer = leg.side, leg.peer
        begun = now - key.held
        if not (leg.handed_at <= begun and leg.secret_until <= begun and now < leg.keys_until):
            return False
        if peer is None or side.wants_block:
            return False
        side.pair.injects = True
        peer.side.keys.append(key.digit)
        # The next one goes the same way, so that it does not overtake this one.
        leg.keys_until = now + HELD
        self._rest(leg)
        return True

    def _worker_released(self, leg: Leg, event: Released) -> None:
        self._over(leg, event.stats)

    def _worker_lost(self, event: WorkerLost, legs: list[Leg]) -> None:
        self._void(legs, event.worker)

    def _over(self, leg: Leg, stats: StreamStats) -> None:
        self._forget(leg)
        self._tell(Released(leg.lease.port, leg.lease.gen, stats))

    def _void(self, legs: list[Leg], worker: int | None = None) -> None:
        for leg in legs:
            self._handing.release(leg)
            self._forget(leg)
        if legs or worker is not None:
            number = worker if worker is not None else legs[0].lease.worker
            self._tell(WorkerLost(number, tuple([leg.lease for leg in legs])))

    def _tell(self, event: MediaEvent) -> None:
        """At the next turn: no command is answered before it returns."""
        if not self._told:
            asyncio.get_running_loop().call_soon(self._tell_all)
        self._told.append(event)

    def _tell_all(self) -> None:
        told, self._told = self._told, []
        self._on_events(told)
