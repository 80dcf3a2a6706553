"""What a worker is told of a port that is leased: commands that cost nothing, and are void where the lease is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from media.control import (
    Bridge,
    Command,
    Conceal,
    Join,
    KeyTaken,
    Leave,
    Message,
    Mute,
    Open,
    PauseRecord,
    Play,
    Record,
    Release,
    Role,
    SendDigits,
    StopPlay,
    StopRecord,
    Unbridge,
)
from media.interface import Lease, Stream
from media.known_worker import KnownWorker
from media.rooms import Rooms

_NEVER: Final = (0, 0)


class LeaseCommands:
    """The half of a plane that speaks to workers; who they are and what they answer is the other's."""

    def __init__(self) -> None:
        self._workers: dict[int, KnownWorker] = {}
        self._rooms = Rooms()

    def gather(self) -> None:
        """Lets the commands that follow wait for `flush`."""
        for worker in self._workers.values():
            worker.link.gather()

    def flush(self) -> None:
        """Sends the commands that wait, now."""
        for worker in self._workers.values():
            worker.link.flush()

    def open(self, lease: Lease, stream: Stream) -> None:
        """Starts or updates the session of `lease`."""
        worker = self._worker_of(lease)
        if worker is None:
            return
        stays = False
        if worker.opened.get(lease.port, _NEVER)[0] != lease.gen:
            worker.opened[lease.port] = (lease.gen, worker.link.writings)
            # A worker keeps what comes to a port before its session; but not sealed audio, nor while there is one.
            stays = stream.secured is None
        worker.link.send(
            Open(
                lease.port,
                lease.gen,
                stream.remote_ip,
                stream.remote_port,
                stream.latch_ip,
                stream.audio_pt,
                stream.codec,
                stream.event_pt,
                stream.send,
                stream.receive,
                stream.digits,
                receive_pt=stream.receive_pt,
                receive_event_pt=stream.receive_event_pt,
                rtcp_port=stream.rtcp_port,
                rtcp_mux=stream.rtcp_mux,
                secured=stream.secured,
                wire=stream.wire,
                follows=stream.follows,
            ),
            stays=stays,
        )

    def bridge(self, a: Lease, b: Lease) -> None:
        """Relays both ways; raises ValueError when `b` was not leased near `a`."""
        if a.worker != b.worker:
            raise ValueError(f"ports {a.port} and {b.port} are of different workers")
        self._rooms.leave(a)
        self._rooms.leave(b)
        worker = self._worker_of(a)
        if worker is not None:
            opened, writings = worker.opened, worker.link.writings
            # With the first Opens of both, that stay: what comes meanwhile is kept, and relayed then.
            stays = opened.get(a.port) == (a.gen, writings) and opened.get(b.port) == (b.gen, writings)
            worker.link.send(Bridge(a.port, a.gen, b.port, b.gen), stays=stays)

    def unbridge(self, lease: Lease) -> None:
        """Ends relaying from and to `lease`."""
        self._send(lease, Unbridge(lease.port, lease.gen))

    def play(self, lease: Lease, play_id: int, prompts: Sequence[str], loop: bool = False) -> None:
        """Plays `prompts` to the peer in place of whatever plays; PlayDone with `play_id` follows."""
        self._send(lease, Play(lease.port, lease.gen, play_id, list(prompts), loop))

    def stop_play(self, lease: Lease) -> None:
        """Stops what plays."""
        self._send(lease, StopPlay(lease.port, lease.gen))

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Sends telephone events to the peer."""
        self._send(lease, SendDigits(lease.port, lease.gen, digits))

    def record(self, lease: Lease, recording_id: str, path: str, peer: Lease | None = None) -> None:
        """Records into the wav file `path`: left what comes from `lease`, right what it hears."""
        other = (peer.port, peer.gen) if peer is not None and peer.worker == lease.worker else (0, 0)
        self._send(lease, Record(lease.port, lease.gen, recording_id, path, *other))

    def stop_record(self, lease: Lease) -> None:
        """Ends the recording or message of `lease`."""
        self._send(lease, StopRecord(lease.port, lease.gen))

    def pause_record(self, lease: Lease, paused: bool) -> None:
        """Records silence, or audio again."""
        self._send(lease, PauseRecord(lease.port, lease.gen, paused))

    def conceal(self, lease: Lease, on: bool) -> None:
        """While secret keys are pressed recordings hold silence."""
        self._send(lease, Conceal(lease.port, lease.gen, on))

    def key_taken(self, lease: Lease) -> None:
        """A key came by signalling and was taken: its tone is for nobody else."""
        self._send(lease, KeyTaken(lease.port, lease.gen))

    def message(
        self,
        lease: Lease,
        message_id: int,
        path: str,
        max_seconds: float,
        silence_seconds: float = 0.0,
        terminators: str = "",
    ) -> None:
        """Records what the caller says, in mono; MessageDone with `message_id` follows its end."""
        self._send(
            lease,
            Message(lease.port, lease.gen, message_id, path, max_seconds, silence_seconds, terminators),
        )

    def join(self, lease: Lease, room: int, role: Role = "party", coached: Lease | None = None) -> None:
        """Puts `lease` into a room, or changes its role; raises ValueError."""
        if self._worker_of(lease) is not None:
            self._rooms.join(lease, room, role, coached)
            port, gen = (0, 0) if coached is None else (coached.port, coached.gen)
            self._send(lease, Join(lease.port, lease.gen, room, role, port, gen))

    def leave(self, lease: Lease) -> None:
        """Takes `lease` out of its room."""
        self._rooms.leave(lease)
        self._send(lease, Leave(lease.port, lease.gen))

    def mute(self, lease: Lease, on: bool) -> None:
        """What comes from `lease` is silence, or audio again."""
        self._send(lease, Mute(lease.port, lease.gen, on))

    def release(self, lease: Lease) -> None:
        """Ends the session; the port is free again once the worker has said Released."""
        worker = self._worker_of(lease)
        if worker is not None:
            worker.releasing.add(lease.port)
            self._rooms.leave(lease)
            worker.link.send(Release(lease.port, lease.gen), stays=True)

    # --- how they go ---

    def _send(self, lease: Lease, command: Command, *, stays: bool = False) -> None:
        # A void or released lease is no error: the worker's death crosses with the call's commands.
        worker = self._worker_of(lease)
        if worker is not None:
            worker.link.send(command, stays=stays)

    def _worker_of(self, lease: Lease) -> KnownWorker | None:
        """The worker of a lease that is neither void nor released."""
        worker = self._workers.get(lease.worker)
        if worker is None or lease.port in worker.releasing:
            return None
        leased = worker.leased.get(lease.port)
        return worker if leased is lease or leased == lease else None
