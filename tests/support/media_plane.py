"""A media plane without media: records what it is told, tells what a test wants told."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from media.control import Role
from media.events import (
    Digit,
    Heard,
    KeyForOther,
    KeyHeld,
    KeyPassed,
    MessageDone,
    PlayDone,
    Recorded,
    Released,
    Silence,
    StreamStats,
)
from media.interface import Stream
from media.plane import Lease, MediaEvent, MediaPlane, WorkerLost
from media.rooms import Rooms


class FakePlane(MediaPlane):
    """Leases ports of one or more imaginary workers; `commands` is what was asked, in order.

    Each command is a tuple: its name, the port, then its arguments, such as
    ("open", 10000, {...}), ("bridge", 10000, 10002), ("play", 10000, 1, ("zh/welcome",), False),
    ("record", 10000, "id", "a.wav", 10002), ("message", 10000, 1, "b.wav", 120.0, 5.0, "#"),
    ("join", 10000, 7, "coach", 10002), ("leave", 10000), ("mute", 10000, True).

    What a worker answers (Released, PlayDone "stopped", Recorded, MessageDone) comes later, as in reality: at
    the next iteration of the loop, or, where none runs, when the test calls `settle`.
    """

    def __init__(
        self,
        on_event: Callable[[MediaEvent], None] | None = None,
        *,
        ports: int = 100,
        workers: int = 1,
        address: str = "127.0.0.1",
        auto_release: bool = True,
    ) -> None:
        """`ports` per worker; without `auto_release` the test itself calls `released`."""
        self.on_event: Callable[[MediaEvent], None] = on_event or (lambda event: None)
        self.commands: list[tuple[Any, ...]] = []
        self.opened: dict[int, Stream] = {}
        self.bridges: dict[int, int] = {}
        self.playing: dict[int, tuple[int, tuple[str, ...], bool]] = {}
        self.recording: dict[int, tuple[str, str]] = {}
        self.messages: dict[int, tuple[int, str]] = {}
        self.paused: set[int] = set()
        self.concealed: set[int] = set()
        self.muted: set[int] = set()
        self.rooms: dict[int, dict[int, tuple[Role, int | None]]] = {}
        self._rooms = Rooms()
        self.leased: dict[int, Lease] = {}
        self.events: list[MediaEvent] = []
        self.auto_release = auto_release
        self.stats = StreamStats()
        self._replies: deque[tuple[int, Callable[[], None]]] = deque()
        self._releasing: set[int] = set()
        self._address = address
        self._gen = 0
        self._ports = ports
        self._free: list[deque[int]] = [
            deque(range(10000 + 2 * ports * n, 10000 + 2 * ports * (n + 1), 2)) for n in range(workers)
        ]

    # --- MediaPlane ---

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease | None:
        """The next port of the worker with most ports, or of that of `near`."""
        if near is not None:
            worker = near.worker
        else:
            worker = max(range(len(self._free)), key=lambda n: len(self._free[n]))
        if not self._free[worker]:
            return None
        self._gen += 1
        lease = Lease(worker, self._free[worker].popleft(), self._gen, self._address)
        self.leased[lease.port] = lease
        return lease

    def open(self, lease: Lease, stream: Stream) -> None:
        """Records; `opened[port]` holds the last stream."""
        if self._valid(lease):
            self.opened[lease.port] = stream
            self.commands.append(("open", lease.port, stream))

    def bridge(self, a: Lease, b: Lease) -> None:
        """Records; `bridges` maps both ways."""
        if a.worker != b.worker:
            raise ValueError(f"ports {a.port} and {b.port} are of different workers")
        if self._valid(a) and self._valid(b):
            self._part(a.port)
            self._part(b.port)
            self._out_of_room(a)
            self._out_of_room(b)
            self.bridges[a.port] = b.port
            self.bridges[b.port] = a.port
            self.commands.append(("bridge", a.port, b.port))

    def unbridge(self, lease: Lease) -> None:
        """Records."""
        if self._valid(lease):
            self._part(lease.port)
            self.commands.append(("unbridge", lease.port))

    def join(self, lease: Lease, room: int, role: Role = "party", coached: Lease | None = None) -> None:
        """Records; `rooms` holds by room and port the role and the coached port; raises ValueError as WorkerPlane."""
        if self._valid(lease):
            before = self._rooms.room_of(lease)
            self._rooms.join(lease, room, role, coached)
            if before is not None and before != room:
                self._forget_in(before, lease)
            self._part(lease.port)
            other = None if coached is None else coached.port
            self.rooms.setdefault(room, {})[lease.port] = role, other
            self.commands.append(("join", lease.port, room, role, other))

    def leave(self, lease: Lease) -> None:
        """Records."""
        if self._valid(lease):
            self._out_of_room(lease)
            self.commands.append(("leave", lease.port))

    def mute(self, lease: Lease, on: bool) -> None:
        """Records; `muted` holds the ports."""
        if self._valid(lease):
            (self.muted.add if on else self.muted.discard)(lease.port)
            self.commands.append(("mute", lease.port, on))

    def play(self, lease: Lease, play_id: int, prompts: Sequence[str], loop: bool = False) -> None:
        """Records; what played before ends "stopped", as with a real worker."""
        if self._valid(lease):
            self._stop(lease)
            self.playing[lease.port] = (play_id, tuple(prompts), loop)
            self.commands.append(("play", lease.port, play_id, tuple(prompts), loop))

    def stop_play(self, lease: Lease) -> None:
        """Records; PlayDone "stopped" follows if something played."""
        if self._valid(lease):
            self.commands.append(("stop_play", lease.port))
            self._stop(lease)

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Records."""
        if self._valid(lease):
            self.commands.append(("send_digits", lease.port, digits))

    def record(self, lease: Lease, recording_id: str, path: str, peer: Lease | None = None) -> None:
        """Records; `recording` holds id and path; what was recorded before ends."""
        if self._valid(lease):
            self._stop_recording(lease, "stopped")
            self.recording[lease.port] = (recording_id, path)
            self.commands.append(("record", lease.port, recording_id, path, None if peer is None else peer.port))

    def stop_record(self, lease: Lease) -> None:
        """Records; Recorded (ten seconds) or MessageDone "stopped" follows if there was anything."""
        if self._valid(lease):
            self.commands.append(("stop_record", lease.port))
            self._stop_recording(lease, "stopped")

    def pause_record(self, lease: Lease, paused: bool) -> None:
        """Records; `paused` holds the ports."""
        if self._valid(lease):
            (self.paused.add if paused else self.paused.discard)(lease.port)
            self.commands.append(("pause_record", lease.port, paused))

    def conceal(self, lease: Lease, on: bool) -> None:
        """Records; `concealed` holds the ports."""
        if self._valid(lease):
            (self.concealed.add if on else self.concealed.discard)(lease.port)
            self.commands.append(("conceal", lease.port, on))

    def key_taken(self, lease: Lease) -> None:
        """Records."""
        if self._valid(lease):
            self.commands.append(("key_taken", lease.port))

    def message(
        self,
        lease: Lease,
        message_id: int,
        path: str,
        max_seconds: float,
        silence_seconds: float = 0.0,
        terminators: str = "",
    ) -> None:
        """Records; `messages` holds id and path until the test calls `message_done`, or the session ends."""
        if self._valid(lease):
            self._stop_recording(lease, "stopped")
            self.messages[lease.port] = (message_id, path)
            self.commands.append(("message", lease.port, message_id, path, max_seconds, silence_seconds, terminators))

    def release(self, lease: Lease) -> None:
        """Records; Recorded and MessageDone "hangup" if anything was recorded, then Released, follow."""
        if self._valid(lease):
            self._stop(lease)
            self._stop_recording(lease, "hangup")
            self._out_of_room(lease)
            self._releasing.add(lease.port)
            self.commands.append(("release", lease.port))
            if self.auto_release:
                self._reply(lease.worker, lambda: self.released(lease))

    def counts(self) -> dict[str, int]:
        """As WorkerPlane's."""
        return {
            "free": sum(map(len, self._free)),
            "leased": len(self.leased),
            "workers": len(self._free),
        }

    # --- what a test makes happen ---

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """The recorded commands called `name`."""
        return [command for command in self.commands if command[0] == name]

    def digit(self, lease: Lease | int, digit: str, at: float = 0.0, held: float = 0.0) -> None:
        """A key pressed by the peer of `lease` (or of its port), told of when it was `held` where it was."""
        lease = self._find(lease)
        self._tell(Digit(lease.port, lease.gen, digit, at, held))

    def key_held(self, lease: Lease | int, digit: str, *, over: bool, at: float = 0.0) -> None:
        """A key pressed by the peer of `lease` is held for long, or is `over`."""
        lease = self._find(lease)
        self._tell(KeyHeld(lease.port, lease.gen, digit, at, over))

    def play_done(self, lease: Lease | int, reason: str = "done") -> None:
        """What plays to `lease` ends."""
        lease = self._find(lease)
        play_id, _, _ = self.playing.pop(lease.port)
        self._tell(PlayDone(lease.port, lease.gen, play_id, reason))

    def recorded(self, lease: Lease | int, seconds: float = 10.0, gaps: int = 0, reason: str = "") -> None:
        """The recording of `lease` is complete, or failed for `reason`."""
        lease = self._find(lease)
        recording_id, path = self.recording.pop(lease.port)
        octets = round(seconds * 32000)
        self._tell(Recorded(lease.port, lease.gen, recording_id, path, seconds, octets, gaps, reason))

    def message_done(self, lease: Lease | int, seconds: float = 5.0, reason: str = "digit") -> None:
        """The message that the caller of `lease` leaves ends."""
        lease = self._find(lease)
        message_id, _ = self.messages.pop(lease.port)
        self._tell(MessageDone(lease.port, lease.gen, message_id, seconds, reason))

    def silence(self, lease: Lease | int, *, alive: bool = False) -> None:
        """The peer of `lease` has sent nothing for long, but for RTCP if it is `alive`."""
        lease = self._find(lease)
        self._tell(Silence(lease.port, lease.gen, alive))

    def heard(self, lease: Lease | int) -> None:
        """It sends again."""
        lease = self._find(lease)
        self._tell(Heard(lease.port, lease.gen))

    def key_passed(self, lease: Lease | int, digit: str, held: float = 0.0) -> None:
        """A key of the peer of `lease` has gone on to the other side."""
        lease = self._find(lease)
        self._tell(KeyPassed(lease.port, lease.gen, digit, held))

    def key_for_other(self, lease: Lease | int, digit: str) -> None:
        """The peer of `lease` has pressed a key that signalling is to send on."""
        lease = self._find(lease)
        self._tell(KeyForOther(lease.port, lease.gen, digit))

    def released(self, lease: Lease) -> None:
        """The worker has ended the session."""
        self._forget(lease)
        self._tell(Released(lease.port, lease.gen, self.stats))

    def lose_worker(self, worker: int = 0) -> None:
        """The worker dies: its leases are void, its ports come back with the next one."""
        lost = tuple(lease for lease in self.leased.values() if lease.worker == worker)
        for lease in lost:
            self._forget(lease)
        self._replies = deque(reply for reply in self._replies if reply[0] != worker)
        self._tell(WorkerLost(worker, lost))

    def settle(self) -> None:
        """Tells all that was still to be told."""
        while self._replies:
            self._replies.popleft()[1]()

    def _reply(self, worker: int, tell: Callable[[], None]) -> None:
        self._replies.append((worker, tell))
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_soon(self.settle)

    def _find(self, lease: Lease | int) -> Lease:
        return self.leased[lease] if isinstance(lease, int) else lease

    def _valid(self, lease: Lease) -> bool:
        return self.leased.get(lease.port) == lease and lease.port not in self._releasing

    def _tell(self, event: MediaEvent) -> None:
        self.events.append(event)
        self.on_event(event)

    def _out_of_room(self, lease: Lease) -> None:
        room = self._rooms.room_of(lease)
        if room is not None:
            self._rooms.leave(lease)
            self._forget_in(room, lease)

    def _forget_in(self, room: int, lease: Lease) -> None:
        del self.rooms[room][lease.port]
        if not self.rooms[room]:
            del self.rooms[room]

    def _part(self, port: int) -> None:
        other = self.bridges.pop(port, None)
        if other is not None:
            self.bridges.pop(other, None)

    def _stop(self, lease: Lease) -> None:
        if lease.port in self.playing:
            play_id, _, _ = self.playing.pop(lease.port)
            self._reply(lease.worker, lambda: self._tell(PlayDone(lease.port, lease.gen, play_id, "stopped")))

    def _stop_recording(self, lease: Lease, reason: str) -> None:
        if lease.port in self.recording:
            name, path = self.recording.pop(lease.port)
            self._reply(lease.worker, lambda: self._tell(Recorded(lease.port, lease.gen, name, path, 10.0, 320_000, 0)))
        if lease.port in self.messages:
            number, _ = self.messages.pop(lease.port)
            self._reply(lease.worker, lambda: self._tell(MessageDone(lease.port, lease.gen, number, 5.0, reason)))

    def _forget(self, lease: Lease) -> None:
        del self.leased[lease.port]
        self._releasing.discard(lease.port)
        self._free[lease.worker].append(lease.port)
        self._part(lease.port)
        self._out_of_room(lease)
        self.muted.discard(lease.port)
        self.opened.pop(lease.port, None)
        self.playing.pop(lease.port, None)
        self.recording.pop(lease.port, None)
        self.messages.pop(lease.port, None)
        self.paused.discard(lease.port)
        self.concealed.discard(lease.port)
