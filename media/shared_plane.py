"""A media plane that carries the audio of some calls and only pretends to for the rest."""

from __future__ import annotations

from collections.abc import Sequence

from media.control import Role
from media.events import WorkerStats
from media.interface import Lease, Stream
from media.null_plane import WORKER, NullPlane
from media.plane import WorkerPlane


class SharedPlane:
    """Up to `limit` leases at a time are of real workers, those beyond of a null plane; `near` stays in its plane."""

    def __init__(self, real: WorkerPlane, null: NullPlane, limit: int) -> None:
        """Both planes tell the same owner. A lease near a real one is real whatever the limit."""
        self._real = real
        self._null = null
        self._limit = limit

    async def start(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - as WorkerPlane's
        """Connects to every worker; raises TimeoutError when one has not answered in time."""
        await self._real.start(timeout)

    async def close(self) -> None:
        """Leaves the workers; their sessions go on."""
        await self._real.close()
        await self._null.close()

    def gather(self) -> None:
        """Lets the commands that follow wait for `flush`."""
        self._real.gather()

    def flush(self) -> None:
        """Sends the commands that wait, now."""
        self._real.flush()

    def counts(self) -> dict[str, int]:
        """Ports `free` and `leased` of both planes, `workers` connected, and of the leased those `carried`."""
        real, null = self._real.counts(), self._null.counts()
        return {**{name: real[name] + null[name] for name in real}, "carried": real["leased"]}

    @property
    def real(self) -> WorkerPlane:
        """The workers themselves."""
        return self._real

    def worker_stats(self) -> dict[int, WorkerStats]:
        """Of the real workers."""
        return self._real.worker_stats()

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease | None:
        """A port of the plane of `near`; a real one while fewer than the limit are leased and one is free."""
        if near is not None:
            return self._of(near).lease(near, six=six)
        lease = self._real.lease(six=six) if self._real.counts()["leased"] < self._limit else None
        return lease if lease is not None else self._null.lease()

    def _of(self, lease: Lease) -> WorkerPlane | NullPlane:
        return self._null if lease.worker == WORKER else self._real

    def release(self, lease: Lease) -> None:
        """Ends the session."""
        self._of(lease).release(lease)

    def open(self, lease: Lease, stream: Stream) -> None:
        """Starts or updates the session of `lease`."""
        self._of(lease).open(lease, stream)

    def bridge(self, a: Lease, b: Lease) -> None:
        """Relays both ways; raises ValueError when `b` was not leased near `a`."""
        self._of(a).bridge(a, b)

    def unbridge(self, lease: Lease) -> None:
        """Ends relaying from and to `lease`."""
        self._of(lease).unbridge(lease)

    def join(self, lease: Lease, room: int, role: Role = "party", coached: Lease | None = None) -> None:
        """Puts `lease` into a room; raises ValueError. A number is two rooms where both planes use it."""
        self._of(lease).join(lease, room, role, coached)

    def leave(self, lease: Lease) -> None:
        """Takes `lease` out of its room."""
        self._of(lease).leave(lease)

    def mute(self, lease: Lease, on: bool) -> None:
        """What comes from `lease` is silence, or audio again."""
        self._of(lease).mute(lease, on)

    def play(self, lease: Lease, play_id: int, prompts: Sequence[str], loop: bool = False) -> None:
        """Plays `prompts`."""
        self._of(lease).play(lease, play_id, prompts, loop)

    def stop_play(self, lease: Lease) -> None:
        """Stops what plays."""
        self._of(lease).stop_play(lease)

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Sends telephone events to the peer."""
        self._of(lease).send_digits(lease, digits)

    def record(self, lease: Lease, recording_id: str, path: str, peer: Lease | None = None) -> None:
        """Records into the wav file `path`."""
        self._of(lease).record(lease, recording_id, path, peer)

    def stop_record(self, lease: Lease) -> None:
        """Ends the recording or message of `lease`."""
        self._of(lease).stop_record(lease)

    def pause_record(self, lease: Lease, paused: bool) -> None:
        """Records silence, or audio again."""
        self._of(lease).pause_record(lease, paused)

    def conceal(self, lease: Lease, on: bool) -> None:
        """While secret keys are pressed recordings hold silence."""
        self._of(lease).conceal(lease, on)

    def key_taken(self, lease: Lease) -> None:
        """A key came by signalling and was taken."""
        self._of(lease).key_taken(lease)

    def message(
        self,
        lease: Lease,
        message_id: int,
        path: str,
        max_seconds: float,
        silence_seconds: float = 0.0,
        terminators: str = "",
    ) -> None:
        """Records what the caller says."""
        self._of(lease).message(lease, message_id, path, max_seconds, silence_seconds, terminators)
