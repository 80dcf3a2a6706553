"""A media plane that carries no packets, for load whose audio nobody hears."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from media.control import Role
from media.events import MessageDone, PlayDone, Recorded, Released, StreamStats, WorkerStats
from media.interface import Lease, MediaEvent, Stream
from media.rooms import Rooms

WORKER: Final = -1
"""The number of the worker that there is not."""
FIRST_GEN: Final = 1 << 40
"""Generations of null leases: no worker's plane counts that far, so that both kinds can be told apart by number."""
NOT_CARRIED: Final = "its audio is not carried"

Tell = Callable[[Sequence[MediaEvent]], None]


@dataclass(slots=True)
class _Session:
    """What would end by itself."""

    play: tuple[int, asyncio.TimerHandle | None] | None = None
    recording: tuple[str, str] | None = None
    message: tuple[int, asyncio.TimerHandle] | None = None


class NullPlane:
    """Ports are numbers only. Prompts last as long as they would, recordings hold nothing, no key ever comes."""

    def __init__(
        self,
        on_events: Tell,
        *,
        seconds: Callable[[str], float | None] = lambda name: 1.0,
        address: str = "127.0.0.1",
        ports: range = range(40000, 65534, 2),
    ) -> None:
        """`seconds` of a prompt by its name, None where there is no such prompt; `ports` stand in the SDP."""
        self._on_events = on_events
        self._seconds = seconds
        self._address = address
        self._free = deque(ports)
        self._gen = FIRST_GEN
        self._sessions: dict[Lease, _Session] = {}
        self._rooms = Rooms()
        self._told: list[MediaEvent] = []

    async def start(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - as WorkerPlane's
        """Nothing has to be waited for."""

    async def close(self) -> None:
        """Forgets what would still come."""
        for session in self._sessions.values():
            for waits in (session.play, session.message):
                if waits is not None and waits[1] is not None:
                    waits[1].cancel()

    def gather(self) -> None:
        """Nothing is sent."""

    def flush(self) -> None:
        """Nothing is sent."""

    def counts(self) -> dict[str, int]:
        """Ports `free` and `leased`, `workers`: none."""
        return {"free": len(self._free), "leased": len(self._sessions), "workers": 0}

    def worker_stats(self) -> dict[int, WorkerStats]:
        """Of no worker."""
        return {}

    # --- leases ---

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease | None:
        """A free number, longest unused first."""
        if not self._free:
            return None
        self._gen += 1
        lease = Lease(WORKER, self._free.popleft(), self._gen, self._address)
        self._sessions[lease] = _Session()
        return lease

    def release(self, lease: Lease) -> None:
        """Ends what would be played and recorded; Released follows at the loop's next turn."""
        session = self._sessions.pop(lease, None)
        if session is not None:
            self._rooms.leave(lease)
            self._end_play(lease, session, "stopped")
            self._end_recording(lease, session, "hangup")
            self._tell(Released(lease.port, lease.gen, StreamStats()))
            self._free.append(lease.port)

    # --- commands ---

    def open(self, lease: Lease, stream: Stream) -> None:
        """Nothing comes and nothing goes."""

    def bridge(self, a: Lease, b: Lease) -> None:
        """Takes both out of their rooms; raises ValueError where one is of another plane."""
        if a.worker != b.worker:
            raise ValueError(f"ports {a.port} and {b.port} are of different workers")
        self._rooms.leave(a)
        self._rooms.leave(b)

    def unbridge(self, lease: Lease) -> None:
        """Nothing was relayed."""

    def join(self, lease: Lease, room: int, role: Role = "party", coached: Lease | None = None) -> None:
        """Notes who is in a room; raises ValueError as WorkerPlane does."""
        if lease in self._sessions:
            self._rooms.join(lease, room, role, coached)

    def leave(self, lease: Lease) -> None:
        """Takes `lease` out of its room."""
        self._rooms.leave(lease)

    def mute(self, lease: Lease, on: bool) -> None:
        """It is silent anyway."""

    def play(self, lease: Lease, play_id: int, prompts: Sequence[str], loop: bool = False) -> None:
        """PlayDone follows after the time that the prompts last, or when something else is played."""
        session = self._sessions.get(lease)
        if session is None:
            return
        self._end_play(lease, session, "stopped")
        lasts = 0.0
        for name in prompts:
            seconds = self._seconds(name)
            if seconds is None:
                self._tell(PlayDone(lease.port, lease.gen, play_id, f"missing:{name}"))
                return
            lasts += seconds
        timer = None
        if not loop or not lasts:
            timer = asyncio.get_running_loop().call_later(lasts, self._end_play, lease, session, "done")
        session.play = play_id, timer

    def stop_play(self, lease: Lease) -> None:
        """PlayDone follows if something was played."""
        session = self._sessions.get(lease)
        if session is not None:
            self._end_play(lease, session, "stopped")

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Nobody gets them."""

    def record(self, lease: Lease, recording_id: str, path: str, peer: Lease | None = None) -> None:
        """Recorded follows in the end, of a recording without a file."""
        session = self._sessions.get(lease)
        if session is not None:
            self._end_recording(lease, session, "stopped")
            session.recording = recording_id, path

    def stop_record(self, lease: Lease) -> None:
        """Ends the recording or message of `lease`."""
        session = self._sessions.get(lease)
        if session is not None:
            self._end_recording(lease, session, "stopped")

    def pause_record(self, lease: Lease, paused: bool) -> None:
        """It holds nothing anyway."""

    def conceal(self, lease: Lease, on: bool) -> None:
        """It holds nothing anyway."""

    def key_taken(self, lease: Lease) -> None:
        """Nothing sounds here."""

    def message(
        self,
        lease: Lease,
        message_id: int,
        path: str,
        max_seconds: float,
        silence_seconds: float = 0.0,
        terminators: str = "",
    ) -> None:
        """Nobody says anything: MessageDone follows after the silence that ends it, or after `max_seconds`."""
        session = self._sessions.get(lease)
        if session is None:
            return
        self._end_recording(lease, session, "stopped")
        silent = 0.0 < silence_seconds < max_seconds
        timer = asyncio.get_running_loop().call_later(
            silence_seconds if silent else max_seconds,
            self._end_recording,
            lease,
            session,
            "silence" if silent else "limit",
        )
        session.message = message_id, timer

    # --- ends ---

    def _end_play(self, lease: Lease, session: _Session, reason: str) -> None:
        if session.play is not None:
            play_id, timer = session.play
            session.play = None
            if timer is not None:
                timer.cancel()
            self._tell(PlayDone(lease.port, lease.gen, play_id, reason))

    def _end_recording(self, lease: Lease, session: _Session, reason: str) -> None:
        if session.recording is not None:
            name, path = session.recording
            session.recording = None
            self._tell(Recorded(lease.port, lease.gen, name, path, 0.0, 0, 0, NOT_CARRIED))
        if session.message is not None:
            number, timer = session.message
            session.message = None
            timer.cancel()
            self._tell(MessageDone(lease.port, lease.gen, number, 0.0, reason))

    def _tell(self, event: MediaEvent) -> None:
        """At the next turn: no command is answered before it returns."""
        if not self._told:
            asyncio.get_running_loop().call_soon(self._tell_all)
        self._told.append(event)

    def _tell_all(self) -> None:
        told, self._told = self._told, []
        self._on_events(told)
