"""The plane that is rtpengine, with our own workers behind it for what it cannot do.

rtpengine relays, plays prompts and music, tells of telephone-events and sends them. It has no rooms, no recordings in
stereo that pause, no messages that end by silence, no keys as tones, and this interface does not ask it to transcode.
A leg that needs any of these is handed over: rtpengine sends what the party says to a port of a worker and brings back
what the worker says, over loopback or the network between them, and the leg stays there until its end. So is a bridge
of legs that are not of one call of rtpengine, as after a transfer. Nothing is refused but what a configuration with
this plane may not ask for: SRTP, browsers, IPv6.

Ports are those of calls opened ahead (see `stock`), one call for the two legs of a usual call. Unlike with workers keys
are told when they are over, what is sent is not counted, and neither jitter nor loss is known, except of handed legs.
A call is void, as with a worker lost, when rtpengine does not know it any more or leaves a command about it unanswered.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog

from media.control import (
    USUAL,
    Digit,
    MessageDone,
    PlayDone,
    Recorded,
    Released,
    Role,
    StreamStats,
    Wire,
    WorkerStats,
)
from media.interface import Lease, MediaEvent, WorkerLost
from media.plane import WorkerPlane
from media.rtpengine.bencode import Value
from media.rtpengine.commands import Key, Party, Place, stream_stats
from media.rtpengine.engine import Engine
from media.rtpengine.handing import Handing
from media.rtpengine.leg import Leg
from media.rtpengine.listening import Listening
from media.rtpengine.pair import Pair, Playback, Side
from media.rtpengine.settings import Settings
from media.rtpengine.sounds import Sounds
from media.sdes import Keys

FIRST_GEN: Final = 1 << 41
"""Generations of these leases: no other plane's are as high, so that a lease tells whose it is."""
NO_WORKER: Final = "no media worker could take it"
_TICK: Final = 1.0

_log = structlog.get_logger("media.rtpengine")


class RtpenginePlane:
    """Ports of rtpengine to lease, commands that cost nothing, events."""

    def __init__(
        self,
        settings: Settings,
        workers: Mapping[int, str],
        sounds: Sounds,
        on_events: Callable[[Sequence[MediaEvent]], None],
    ) -> None:
        """`workers` by their numbers are those to which legs are handed over."""
        self._on_events = on_events
        self._sounds = sounds
        self._engine = Engine(settings, self, self._pressed)
        self._handing = Handing(workers, on_events, self._worker_released, self._worker_lost)
        self._listening = Listening(settings.silence)
        self._legs: dict[tuple[int, int], Leg] = {}
        self._by_side: dict[Side, Leg] = {}
        self._gen = FIRST_GEN
        self._releases = 0
        self._told: list[MediaEvent] = []
        self._ticking: asyncio.Task[None] | None = None

    async def start(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - as WorkerPlane's
        """Connects to the workers, opens calls ahead; raises TimeoutError when a worker has not answered in time.

        Without rtpengine there are no ports until it comes, as when all workers are lost.
        """
        await self.real.start(timeout)
        await self._engine.start(timeout)
        self._ticking = asyncio.create_task(self._tick())

    async def close(self) -> None:
        """Leaves rtpengine and the workers; their sessions go on."""
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        for leg in self._legs.values():
            leg.stop_timer()
        self._engine.close()
        await self.real.close()

    @property
    def real(self) -> WorkerPlane:
        """The workers behind it."""
        return self._handing.real

    def gather(self) -> None:
        """Lets what follows wait for `flush`."""
        self.real.gather()
        self._engine.gather()

    def flush(self) -> None:
        """Tells what waits, now."""
        self.real.flush()
        self._engine.flush()

    def counts(self) -> dict[str, int]:
        """Ports `free` at once and `leased`, `workers` connected, whether `rtpengine` answers."""
        return {
            "free": 2 * self._engine.ready,
            "leased": len(self._legs),
            "workers": self.real.counts()["workers"],
            "rtpengine": int(self._engine.up),
        }

    def worker_stats(self) -> dict[int, WorkerStats]:
        """Of the workers behind it."""
        return self.real.worker_stats()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            now = asyncio.get_running_loop().time()
            self._engine.tick(now)
            for pair in self._listening.due(self._legs.values(), now):
                pair.wants_count = True
                self._engine.touch(pair)

    # --- leases ---

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease | None:
        """The other port of the call of `near` if nobody has had it yet, else one of another call."""
        beside = self._leg(near) if near is not None else None
        side = beside.side.other if beside is not None and self._engine.up else None
        if side is None or side in self._by_side or side.told is not None:
            pair = self._engine.take()
            if pair is None:
                return None
            side = pair.sides[0]
        worker = near.worker if near is not None else self._next_worker()
        self._gen += 1
        lease = Lease(worker, side.place.port, self._gen, side.place.address)
        leg = Leg(lease, side, heard_at=asyncio.get_running_loop().time())
        self._legs[lease.port, lease.gen] = self._by_side[side] = leg
        return lease

    def _next_worker(self) -> int:
        """Whose help a new call would get: in turn, as it is not known who will need it."""
        usable = [number for number, one in self.real.states().items() if one.up and not one.draining]
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
        self._part(leg)
        self._handing.forget(leg)
        del self._legs[leg.lease.port, leg.lease.gen], self._by_side[leg.side]
        pair = leg.side.pair
        if not self._legs_of(pair) and not pair.over:
            pair.over = True
            self._engine.touch(pair)

    # --- commands ---

    def open(
        self,
        lease: Lease,
        *,
        remote_ip: str,
        remote_port: int,
        latch_ip: str,
        audio_pt: int,
        codec: str,
        event_pt: int | None,
        send: bool = True,
        receive: bool = True,
        digits: bool = False,
        receive_pt: int | None = None,
        receive_event_pt: int | None = None,
        rtcp_port: int = 0,
        rtcp_mux: bool = False,
        secured: Keys | None = None,
        wire: Wire | None = None,
    ) -> None:
        """Says who the party is; a secured one gets nothing, as the keys would have to be rtpengine's own."""
        leg = self._leg(lease)
        if leg is None:
            return
        if secured is not None:
            _log.error("rtpengine.secured", port=lease.port)
            return
        leg.opened = {
            "audio_pt": audio_pt, "codec": codec, "event_pt": event_pt, "send": send, "receive": receive,
            "digits": digits, "receive_pt": receive_pt, "receive_event_pt": receive_event_pt, "wire": wire,
        }  # fmt: skip
        side = leg.side
        if side.party is None:
            leg.heard_at = asyncio.get_running_loop().time()
        # Behind a NAT the party is where its signalling comes from.
        side.party = Party(
            latch_ip, remote_port, codec, audio_pt, event_pt, wire or USUAL, rtcp_port, rtcp_mux, latch_ip != remote_ip
        )
        side.send, side.receive, side.digits = send, receive, digits
        if leg.helper is not None:
            self._handing.open(leg)
        elif leg.needs_worker or (leg.peer is not None and not leg.suits(leg.peer)):
            self._hand_over(leg)
        self._engine.touch(side.pair)

    def bridge(self, a: Lease, b: Lease) -> None:
        """Relays both ways: within rtpengine, or by a worker; raises ValueError as WorkerPlane does."""
        if a.worker != b.worker:
            raise ValueError(f"ports {a.port} and {b.port} are of different workers")
        one, other = self._leg(a), self._leg(b)
        if one is None or other is None:
            return
        if one.peer is not other:
            self._part(one)
            self._part(other)
            one.peer, other.peer = other, one
        if one.helper is None and other.helper is None and one.side.other is other.side and one.suits(other):
            one.side.pair.bridged = True
            self._engine.touch(one.side.pair)
        elif self._hand_over(one) is not None and self._hand_over(other) is not None:
            self._join_helpers(one, other)

    def unbridge(self, lease: Lease) -> None:
        """Ends relaying from and to `lease`."""
        leg = self._leg(lease)
        if leg is not None:
            self._part(leg)

    def _part(self, leg: Leg) -> None:
        """Nobody hears a leg, nor does it hear anybody."""
        peer = leg.peer
        if peer is None:
            return
        leg.peer = peer.peer = None
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
        helper = self._handing.take(leg)
        if helper is None:
            return None
        leg.side.pair.bridged = False
        self._engine.touch(leg.side.pair)
        if leg.side.muted:
            self.real.mute(helper, True)
        if leg.concealed:
            self.real.conceal(helper, True)
        if playing is not None:
            # What rtpengine was playing begins anew.
            leg.stop_timer()
            leg.playing = leg.side.playback = None
            self.real.play(helper, *playing)
        if peer is not None and self._hand_over(peer) is not None:
            self._join_helpers(leg, peer)
        return helper

    def _join_helpers(self, one: Leg, other: Leg) -> None:
        """A worker relays between two legs."""
        assert one.helper is not None
        assert other.helper is not None
        if one.helper.worker == other.helper.worker:
            self.real.bridge(one.helper, other.helper)
        else:
            _log.error("rtpengine.apart", workers=[one.helper.worker, other.helper.worker])

    # --- what is played ---

    def play(self, lease: Lease, play_id: int, prompts: Sequence[str], loop: bool = False) -> None:
        """Plays `prompts` by rtpengine where it can, else by a worker."""
        leg = self._leg(lease)
        if leg is None:
            return
        self._end_play(leg, "stopped")
        if leg.helper is not None or not leg.plays or not self._sounds.keeps(prompts):
            if (helper := self._hand_over(leg)) is not None:
                self.real.play(helper, play_id, prompts, loop)
            return
        playback = Playback(play_id, loop)
        leg.playing = (play_id, tuple(prompts), loop)
        leg.side.playback = playback

        def found(file: str, missing: str) -> None:
            if leg.side.playback is not playback:
                return
            playback.file = file
            if missing:
                self._end_play(leg, f"missing:{missing}")
            elif not file:
                self._hand_over(leg)
            self._engine.touch(leg.side.pair)

        self._sounds.get(prompts, found)

    def stop_play(self, lease: Lease) -> None:
        """Stops what plays."""
        leg = self._leg(lease)
        if leg is not None and leg.helper is not None:
            self.real.stop_play(leg.helper)
        elif leg is not None:
            self._end_play(leg, "stopped")

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

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Sends telephone events to the peer: among what the other party says where rtpengine relays that."""
        leg = self._leg(lease)
        if leg is None:
            return
        peer = leg.peer
        if leg.helper is None and peer is not None and leg.side.pair.bridged and leg.opened["event_pt"] is not None:
            leg.side.pair.injects = True
            leg.side.keys.extend(digits)
            peer.echoes += len(digits)
            self._engine.touch(leg.side.pair)
        elif (helper := self._hand_over(leg)) is not None:
            self.real.send_digits(helper, digits)

    # --- what workers do ---

    def record(self, lease: Lease, recording_id: str, path: str, peer: Lease | None = None) -> None:
        """Records by a worker."""
        leg = self._leg(lease)
        if leg is None:
            return
        helper = self._hand_over(leg)
        if helper is None:
            self._tell(Recorded(lease.port, lease.gen, recording_id, path, 0.0, 0, 0, NO_WORKER))
            return
        other = self._leg(peer) if peer is not None else None
        self.real.record(helper, recording_id, path, other.helper if other is not None else None)

    def stop_record(self, lease: Lease) -> None:
        """Ends the recording or message of `lease`."""
        leg = self._leg(lease)
        if leg is not None and leg.helper is not None:
            self.real.stop_record(leg.helper)

    def pause_record(self, lease: Lease, paused: bool) -> None:
        """Records silence, or audio again."""
        leg = self._leg(lease)
        if leg is not None and leg.helper is not None:
            self.real.pause_record(leg.helper, paused)

    def conceal(self, lease: Lease, on: bool) -> None:
        """While secret keys are pressed recordings hold silence, those begun meanwhile too."""
        leg = self._leg(lease)
        if leg is not None:
            leg.concealed = on
            if leg.helper is not None:
                self.real.conceal(leg.helper, on)

    def message(
        self,
        lease: Lease,
        message_id: int,
        path: str,
        max_seconds: float,
        silence_seconds: float = 0.0,
        terminators: str = "",
    ) -> None:
        """Records what the caller says, by a worker."""
        leg = self._leg(lease)
        if leg is None:
            return
        helper = self._hand_over(leg)
        if helper is None:
            self._tell(MessageDone(lease.port, lease.gen, message_id, 0.0, "failed"))
            return
        self.real.message(helper, message_id, path, max_seconds, silence_seconds, terminators)

    def join(self, lease: Lease, room: int, role: Role = "party", coached: Lease | None = None) -> None:
        """Puts `lease` into a room of a worker; raises ValueError as WorkerPlane does."""
        leg = self._leg(lease)
        other = self._leg(coached) if coached is not None else None
        if leg is None:
            return
        self._part(leg)
        helper = self._hand_over(leg)
        if helper is not None:
            self.real.join(helper, room, role, self._hand_over(other) if other is not None else None)

    def leave(self, lease: Lease) -> None:
        """Takes `lease` out of its room."""
        leg = self._leg(lease)
        if leg is not None and leg.helper is not None:
            self.real.leave(leg.helper)

    def mute(self, lease: Lease, on: bool) -> None:
        """What comes from `lease` is heard by nobody, or again; where a worker has it, it is silence."""
        leg = self._leg(lease)
        if leg is None:
            return
        leg.side.muted = on
        if leg.helper is not None:
            self.real.mute(leg.helper, on)
        self._engine.touch(leg.side.pair)

    # --- what comes of it (PairOwner) ---

    def pair_ready(self, pair: Pair) -> None:
        """One more call is opened ahead."""
        self._engine.made(pair)

    def pair_failed(self, pair: Pair) -> None:
        """The leases of a call are void."""
        self._engine.give_up(pair)
        legs = self._legs_of(pair)
        for leg in legs:
            if leg.releasing and leg.helper is None:
                self._over(leg, StreamStats())
        self._void([leg for leg in legs if not leg.releasing])

    def pair_counted(self, pair: Pair, reply: Mapping[str, Value]) -> None:
        """Ends what waited for its counters, and looks who is silent."""
        now = asyncio.get_running_loop().time()
        # Whose end was asked for first is told first: a call waits for the last one only.
        for leg in sorted(self._legs_of(pair), key=lambda leg: leg.releasing):
            if leg.helper is not None:
                continue
            if leg.releasing:
                self._over(leg, stream_stats(reply, leg.side.tag, leg.side.other.tag))
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

    def side_mute(self, side: Side, playback: Playback) -> None:
        """What rtpengine cannot play a worker does."""
        leg = self._by_side.get(side)
        _log.error("rtpengine.unplayable", file=playback.file)
        if leg is not None and side.playback is playback:
            self._hand_over(leg)

    # --- what is told ---

    def _pressed(self, pair: Pair, key: Key) -> None:
        side = pair.side(key.tag)
        leg = self._by_side.get(side) if side is not None else None
        if leg is None or leg.helper is not None or leg.releasing:
            return
        if leg.echoes:
            leg.echoes -= 1
        elif leg.opened["digits"]:
            self._tell(Digit(leg.lease.port, leg.lease.gen, key.digit, asyncio.get_running_loop().time()))

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
