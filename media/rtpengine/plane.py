"""The plane that is rtpengine, with our own workers behind it for what it cannot do.

rtpengine relays, plays prompts and music, tells of telephone-events and sends them. It has no rooms, no recordings in
stereo that pause, no messages that end by silence, no keys as tones, and this interface does not ask it to transcode.
A leg that needs any of these is handed over: rtpengine sends what the party says to a port of a worker and brings back
what the worker says, over loopback or the network between them, and the leg stays there until its end. So is a bridge
of legs that are not of one call of rtpengine, as after a transfer. A browser is a party like others: it is the edge
before it that speaks plain RTP with rtpengine, as it does with a worker, with RTCP on the same port.

A leg that is secured is handed over as well: rtpengine passes its packets on as they are, and the keys of SRTP (RFC
4568), which signalling has given, stay on this machine rather than travel to rtpengine in the clear. A call with a leg
on either family has one port of each, of two calls of rtpengine.

Ports are those of calls opened ahead (see `stock`), one call for the two legs of a usual call. Each leg has one for RTP
and one for RTCP; one that is handed over takes as many again, and its call ends where there are none. Unlike with
workers keys are told when they are over, what is sent is not counted, and of what comes neither jitter nor loss is
known, except of handed legs.
A call is void, as with a worker lost, when rtpengine does not know it any more, refuses what it is told about it, or is
there and leaves it unanswered again and again. While it is away calls wait for it, and rtpengine is told on its return
what it has missed; a party is silent, and so a talk over by the rule for dead media, once that has lasted too long.

More calls in one moment than are opened ahead wait for the next ones, as with workers, while rtpengine answers.

What the same tests show with rtpengine as with workers alone, some of them at each run of all tests, the others with
`SWITCH_PLANE=rtpengine`, which plays on it all end-to-end tests but those marked `workers_only`,
and what is not tried with it:

============================================  ===============================================================
shown                                         not tried, though nothing refuses it
============================================  ===============================================================
keys, prompts, music, early media, strangers  REFER between phones
hold, moving, late offers, two codecs         a browser with secret keys, a browser that is recorded and moved
consultation, handing over, conference        a kernel module, another machine, another version than 10.5
queue, callbacks, voice mail, surveys
transfers, whispering and barging in
secret keys, with a recording by a worker
that pauses; carriers with SIPp
Opus and G.722 of phones, Kamailio
baresip, aiovoip, names and numbers
a recorder that is killed, storms of calls
more calls at once than are opened ahead
ports that are used up, 150 calls at once
what phones report of what they heard
a NAT that forgets a port, and a stranger
workers added, drained and killed behind it
loss, copies, delay, disorder on the network
keys of other payload types, reports to nobody
keys that are told by events and by INFO
SRTP (RFC 4568) with softphones, IPv6
browsers, JsSIP among them
its death, a stop and a start, dead media
============================================  ===============================================================

What rtpengine 10.5 does otherwise than a worker, and cannot be told not to:

- RTP passes as it came. A header extension reaches the other party, and so does RTCP on the port of RTP where they are
  not multiplexed; a phone that writes its number there tells it. What comes on the port of RTCP does not pass, as
  rtpengine reports in its own name.
- What it plays is a stream of its own, so that a party hears a prompt and then a person by two SSRCs.
- A key is put into what the other party says; while that party sends nothing, none is told.
- In the half second after its keys have become the other party's, and after each key in that time, a party's are put
  into what it says once they are over, as one may be held yet that was for the switch. One that is held when the half
  second ends goes on without its beginning.
- A key whose three ends are all lost is not told. One that a phone tells by INFO when it is pressed goes on twice,
  until it is known that its keys come in two forms; of one told by INFO when it is let go that is known at once.
- It takes audio either from the very place to which it sends or from anybody: who sends from another port than its
  description says, at the address of its description, is not heard, where a worker follows it; and it cannot hold to
  a source that is not followed (`audio_from` of a trunk).
- It learns from which port a party behind a NAT sends, and holds to that. When the NAT has forgotten it the party is
  followed (see `listening`), unless its description tells the NAT's own address: within seven seconds, where a worker
  takes two. It learns again after each command about such a party, as at a hold, from whoever is the first to send;
  that it was somebody else is found out no sooner.
- Without `poller-per-thread` packets that come at once may leave in another order.
- Of what a party says neither loss nor jitter is known, and no rating; of what it hears, and the round trip, what
  rtpengine has of the reports of both, if both send some. Of its own reports pjsua finds the times skewed now and then,
  and knows no round trip.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from media.control import SECRET_REST, USUAL, Role
from media.events import MessageDone, PlayDone, Recorded, WorkerStats
from media.interface import Lease, MediaEvent, Stream
from media.rtpengine.commands import NOBODY, party_of
from media.rtpengine.legs import HELD, Legs
from media.rtpengine.settings import Settings
from media.rtpengine.side import Playback
from media.rtpengine.sounds import Sounds

NO_WORKER: Final = "no media worker could take it"
_TICK: Final = 1.0

_log = structlog.get_logger("media.rtpengine")


class RtpenginePlane(Legs):
    """Ports of rtpengine to lease, commands that cost nothing, events."""

    def __init__(
        self,
        settings: Settings,
        workers: Mapping[int, str],
        sounds: Sounds,
        on_events: Callable[[Sequence[MediaEvent]], None],
    ) -> None:
        """`workers` by their numbers are those to which legs are handed over."""
        super().__init__(settings, workers, on_events)
        self._sounds = sounds
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
            self._listen(now)
            if self._apart and self.real.for_calls():
                self._join_late()

    def _join_late(self) -> None:
        """There are workers again: those whom none could join are told of once more."""
        apart, self._apart = self._apart, set()
        for one in apart:
            other = one.peer
            if other is None or one.releasing or other.releasing:
                continue
            for leg in (one, other):
                if leg.helper is None:
                    self.open(leg.lease, leg.stream)
            self._join(one, other)

    # --- commands ---

    def open(self, lease: Lease, stream: Stream) -> None:
        """Says who the party is; one that is secured and that no worker can take hears nobody, nor is it heard."""
        leg = self._leg(lease)
        if leg is None:
            return
        if leg.stream.digits and not stream.digits:
            leg.handed_at = asyncio.get_running_loop().time()
            leg.keys_until = leg.handed_at + HELD
        leg.stream = stream
        side = leg.side
        if side.party is None:
            leg.heard_at = asyncio.get_running_loop().time()
        side.be(party_of(stream))
        side.meets = replace(
            NOBODY[side.pair.family],
            codec=stream.codec,
            audio_pt=stream.comes_as,
            event_pt=stream.events_come_as,
            wire=stream.wire or USUAL,
        )
        side.send, side.receive = stream.send, stream.receive
        self._rest(leg)
        if leg.helper is not None:
            self._handing.open(leg)
        elif leg.needs_worker or (leg.peer is not None and not leg.suits(leg.peer)):
            self._hand_over(leg)
        if stream.secured is not None and leg.helper is None:
            side.send = side.receive = False
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
            # Each is to be told of the other's silence, though that was told of before.
            one.heard_at = other.heard_at = asyncio.get_running_loop().time()
        if one.helper is None and other.helper is None and one.side.other is other.side and one.suits(other):
            one.side.pair.bridged = True
            self._engine.touch(one.side.pair)
        else:
            self._join(one, other)

    def unbridge(self, lease: Lease) -> None:
        """Ends relaying from and to `lease`."""
        leg = self._leg(lease)
        if leg is not None:
            self._part(leg)

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
            else:
                self._tell(PlayDone(lease.port, lease.gen, play_id, "stopped"))
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

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Sends telephone events to the peer: among what the other party says where rtpengine lets that through."""
        leg = self._leg(lease)
        if leg is None:
            return
        peer = leg.peer
        relayed = leg.helper is None and peer is not None and leg.side.pair.bridged and leg.stream.event_pt is not None
        if relayed and peer is not None and peer.speaks:
            leg.side.pair.injects = True
            leg.side.keys.extend(digits)
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
            if not on:
                leg.secret_until = asyncio.get_running_loop().time() + SECRET_REST
            if leg.helper is not None:
                self.real.conceal(leg.helper, on)
            else:
                self._rest(leg)

    def key_taken(self, lease: Lease) -> None:
        """A key came by signalling and was taken."""
        leg = self._leg(lease)
        if leg is not None and leg.helper is not None:
            self.real.key_taken(leg.helper)
        elif leg is not None:
            now = asyncio.get_running_loop().time()
            leg.key_until = now + HELD
            self._goes_on(leg, now)
            self._rest(leg)

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
