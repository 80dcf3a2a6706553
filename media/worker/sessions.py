"""All sessions of a worker: carries out commands, collects events."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
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
    SendDigits,
    StopPlay,
    StopRecord,
    Unbridge,
)
from media.events import Digit, Event, PlayDone, Released, StreamStats, WorkerStats
from media.prompts import PromptError, PromptStore
from media.rtp import inband
from media.worker import late
from media.worker.line import Reader
from media.worker.player import Cadence
from media.worker.ports import BUFFER, VIEWS, Address, Port
from media.worker.random_bits import RandomBits
from media.worker.recorder_link import Outlet
from media.worker.recordings import Recordings
from media.worker.room import RoomTable
from media.worker.session import Session

CHECKED: Final = 100
"""Sessions that look after their peers at a time; one in ten of them reports, which takes twenty times as long."""
EARLY_FOR: Final = 0.5
"""Seconds that RTP may come before the Open of its session: a peer speaks before its answer was read."""
MAX_EARLY: Final = 16
"""Datagrams kept a port for a session to come."""
MAX_EARLY_PORTS: Final = 1024
"""Ports for which they are kept, so that a flood cannot fill the memory."""
MAX_EARLY_OCTETS: Final = 512

MANY: Final = 1000
"""Sessions that are over and whose counts are added up at once."""

Early = tuple[bytes, Address, float]
"""A datagram, its source, when it came."""


class Sessions:
    """Ports and the session on each; a command or event of an old generation has no effect."""

    def __init__(
        self,
        prompts: PromptStore,
        *,
        silence: float,
        random: Callable[[int], int] | None = None,
        readers: dict[int, Reader] | None = None,
        recorder: Outlet | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`silence`: seconds without RTP after which Silence is told; `clock` dates what is recorded."""
        self.random = random or RandomBits()
        self.readers: dict[int, Reader] = {} if readers is None else readers
        self.cadence = Cadence()
        self.rooms = RoomTable(self.cadence)
        self.ports: dict[int, Port] = {}
        self.open: dict[int, Session] = {}
        self.events: list[Event] = []
        self.last_gen = 0
        self.recordings = Recordings(recorder, self.emit, self.open, clock)
        # Sessions with audio to be searched for keys, and when it came.
        self.searched: dict[Session, float] = {}
        self._prompts = prompts
        self._silence = silence
        self._stray = 0
        self._ignored = 0
        # What reads audio and reports of each port while it has no session.
        self._strays: dict[int, tuple[Reader, Reader]] = {}
        # What came to ports without a session; and the sessions opened since that have still to hear it.
        self._early: dict[int, deque[Early]] = {}
        self._late: dict[int, late.LateSenders] = {}
        self._opened: list[tuple[Session, deque[Early]]] = []
        # Whose turn in this round of checks is still to come, and the seconds between two turns.
        self._unchecked: list[Session] = []
        self._pause = 0.0
        # Of the sessions that are over: relayed, played, digits, strangers, dropped, rtcp, mixed, unauthentic; those of
        # the last ones have still to be added.
        self._past = [0] * 8
        self._over: list[tuple[int, ...]] = []
        self._carry_out: dict[type[Command], Callable[..., None]] = {
            Open: self._open,
            Bridge: self._bridge,
            Unbridge: self._unbridge,
            Play: self._play,
            StopPlay: self._stop_play,
            SendDigits: self._send_digits,
            Release: self._release,
            Record: self._record,
            StopRecord: self._stop_record,
            PauseRecord: self._pause_record,
            Conceal: self._conceal,
            KeyTaken: self._key_taken,
            Message: self._message,
            Join: self._join,
            Leave: self._leave,
            Mute: self._mute,
        }

    def emit(self, event: Event) -> None:
        """Queues an event for signalling."""
        self.events.append(event)

    def pressed(self, session: Session, digit: str, begun: float, at: float) -> None:
        """Tells of a key that began at `begun`, unless that is told by the end of a message."""
        if not self.recordings.pressed(session, digit, begun, at):
            self.emit(Digit(session.port.number, session.gen, digit, at))

    def hushed(self, session: Session) -> None:
        """What is recorded of a session has to be silence, or is not any more."""
        self.recordings.hush(session)

    def sounded(self, session: Session, at: float) -> None:
        """A session has audio to be searched for keys."""
        self.searched[session] = at

    def search(self) -> None:
        """Searches the audio that has come for keys, that of all sessions together."""
        searched = {session.tones: (session, at) for session, at in self.searched.items()}
        self.searched.clear()
        for reader, digit in inband.read([tones for tones in searched if tones is not None]):
            session, at = searched[reader]
            if not session.tells_tones:
                continue
            if not session.listens:
                if not session.withholds(at - inband.DELAY, at):
                    session.pass_on(digit, at)
                continue
            session.digits += 1
            self.pressed(session, digit, at - inband.DELAY, at)

    def leave(self, port: Port) -> None:
        """Reads from now on what comes to a port that has no session."""
        self.readers[port.rtp_fd], self.readers[port.rtcp_fd] = self._strays[port.number]

    def _stray_rtp(self, port: Port, now: float) -> None:
        try:
            size, source = port.rtp.recvfrom_into(BUFFER)
        except OSError:
            return
        self._stray += 1
        if size <= MAX_EARLY_OCTETS and not late.is_late(self._late.get(port.number, ()), source[:2], now):
            if len(self._early) >= MAX_EARLY_PORTS:
                self._early.clear()
            early = self._early.setdefault(port.number, deque(maxlen=MAX_EARLY))
            early.append((bytes(VIEWS[size]), source[:2], now))

    def _stray_rtcp(self, port: Port, now: float) -> None:
        try:
            port.rtcp.recv_into(BUFFER)
        except OSError:
            return
        self._stray += 1

    def add_ports(self, ports: Iterable[Port]) -> list[Port]:
        """Takes over ports; those it has already are closed. Returns the new ones."""
        added = []
        for port in ports:
            if port.number in self.ports:
                port.close()
                continue
            self.ports[port.number] = port
            self._strays[port.number] = partial(self._stray_rtp, port), partial(self._stray_rtcp, port)
            self.leave(port)
            added.append(port)
        return added

    def carry_out(self, command: Command, now: float) -> None:
        """Does what signalling wants."""
        self._carry_out[type(command)](command, now)

    def settle(self, now: float) -> None:
        """After the commands of one frame: new sessions hear what came just before, bridged as they are by now."""
        if self._opened:
            opened, self._opened = self._opened, []
            for session, early in opened:
                for data, source, at in early:
                    if now - at <= EARLY_FOR:
                        session.take(data, source, at)

    def check(self, now: float, interval: float) -> float:
        """Lets some sessions look after their peers, each once in `interval`; returns the seconds until the next ones.

        Those of a thousand calls at once would keep packets waiting for many milliseconds.
        """
        if not self._unchecked:
            self._unchecked = list(self.open.values())
            self._pause = interval / max(1, -(-len(self._unchecked) // CHECKED))
        turn = self._unchecked[-CHECKED:]
        del self._unchecked[-CHECKED:]
        for session in turn:
            if self.open.get(session.port.number) is session:
                session.check(now, interval, self._silence)
        return self._pause

    def end_silent(self, now: float) -> None:
        """Ends the sessions whose peer is gone, for when nobody is left to release them."""
        for session in list(self.open.values()):
            if session.quiet_for(now) > self._silence:
                self._end(session, now)

    # --- commands ---

    def _session(self, port: int, gen: int) -> Session | None:
        session = self.open.get(port)
        if session is None or session.gen != gen:
            self._ignored += 1
            return None
        return session

    def _open(self, command: Open, now: float) -> None:
        port = self.ports.get(command.port)
        session = self.open.get(command.port)
        if command.gen > self.last_gen:
            self.last_gen = command.gen
        if port is None or (session is not None and session.gen > command.gen):
            self._ignored += 1
            return
        if session is not None and session.gen < command.gen:
            self._end(session, now)
            session = None
        if session is None:
            session = self.open[command.port] = Session(port, command.gen, self, now, self._late.get(port.number, ()))
            early = self._early.pop(command.port, None)
            if early is not None:
                self._opened.append((session, early))
        session.update(command, now)
        if session.tape is not None:
            self.recordings.tune(session.tape, now)

    def _bridge(self, command: Bridge, now: float) -> None:
        a = self._session(command.port_a, command.gen_a)
        b = self._session(command.port_b, command.gen_b)
        if a is not None and b is not None:
            for session in (a, b):
                if session.seat is not None:
                    self.rooms.leave(session)
            if a.bridge(b):
                a.await_audio(now)
                b.await_audio(now)

    def _unbridge(self, command: Unbridge, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            session.unbridge()

    def _join(self, command: Join, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            coached = self._session(command.coached_port, command.coached_gen) if command.coached_port else None
            seat = session.seat
            if not self.rooms.join(session, command.room, command.role, coached, now):
                self._ignored += 1
            elif session.seat is not seat:
                session.await_audio(now)

    def _leave(self, command: Leave, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            self.rooms.leave(session)

    def _mute(self, command: Mute, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            session.mute(command.on)
            if session.tape is not None:
                self.recordings.tune(session.tape, now)

    def _play(self, command: Play, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is None:
            return
        prompts = []
        for name in command.prompts:
            try:
                prompts.append(self._prompts.get(name))
            except PromptError:
                session.stop_play()
                self.emit(PlayDone(command.port, command.gen, command.play_id, f"missing:{name}"))
                return
        session.play(command.play_id, prompts, command.loop, now)

    def _stop_play(self, command: StopPlay, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            session.stop_play()

    def _send_digits(self, command: SendDigits, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            try:
                session.send_digits(command.digits, now)
            except ValueError:
                self._ignored += 1

    def _release(self, command: Release, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            self._end(session, now)
        else:
            self.emit(Released(command.port, command.gen, StreamStats()))

    def _end(self, session: Session, now: float) -> None:
        number = session.port.number
        self._late[number] = late.add(self._late.get(number, ()), session.source, session.reception.ssrc, now)
        if session.tape is not None:
            self.recordings.release(session, now)
        del self.open[number]
        if self.searched:
            self.searched.pop(session, None)
        if session.seat is not None:
            self.rooms.leave(session)
        released = Released(number, session.gen, session.release(now))
        self._over.append(_counts(session))
        if len(self._over) >= MANY:
            self._add_up()
        if not self.recordings.hold(released):
            self.events.append(released)

    # --- recording ---

    def _record(self, command: Record, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            self.recordings.record(session, command, now)

    def _stop_record(self, command: StopRecord, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            self.recordings.stop(session, now)

    def _pause_record(self, command: PauseRecord, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            self.recordings.pause(session, command.paused, now)

    def _conceal(self, command: Conceal, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            session.conceal(command.on, now)
            self.recordings.conceal(session, command.on, now)

    def _key_taken(self, command: KeyTaken, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            session.take_key(now)

    def _message(self, command: Message, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            self.recordings.message(session, command, now)

    # --- counters ---

    def _add_up(self) -> None:
        self._past = [sum(column) for column in zip(self._past, *self._over, strict=True)]
        self._over.clear()

    def stats(self, cpu_seconds: float) -> WorkerStats:
        """What was counted since the start."""
        self._add_up()
        totals = [sum(column) for column in zip(self._past, *map(_counts, self.open.values()), strict=True)]
        relayed, played, digits, strangers, dropped, rtcp, mixed, unauthentic = totals
        return WorkerStats(
            ports=len(self.ports),
            open=len(self.open),
            playing=len(self.cadence) - len(self.rooms) - sum(one.transcoded for one in self.open.values()) // 2,
            relayed=relayed,
            played=played,
            digits=digits,
            strangers=strangers,
            dropped=dropped,
            stray=self._stray,
            rtcp=rtcp,
            ignored=self._ignored,
            late_max_ms=self.cadence.late_max * 1000.0,
            cpu_seconds=cpu_seconds,
            mixed=mixed,
            rooms=len(self.rooms),
            unauthentic=unauthentic,
        )


def _counts(session: Session) -> tuple[int, ...]:
    return (
        session.sent - session.played - session.mixed,
        session.played,
        session.digits,
        session.strangers,
        session.dropped,
        session.rtcp,
        session.mixed,
        0 if session.context is None else session.context.refused,
    )
