"""All sessions of a worker: carries out commands, collects events."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterable
from functools import partial

from media.control import (
    Bridge,
    Command,
    Event,
    Open,
    Play,
    PlayDone,
    Release,
    Released,
    SendDigits,
    StopPlay,
    StreamStats,
    Unbridge,
    WorkerStats,
)
from media.prompts import PromptError, PromptStore
from media.worker.line import Reader
from media.worker.player import Cadence
from media.worker.ports import MAX_DATAGRAM, Port
from media.worker.session import Session


class Sessions:
    """Ports and the session on each; a command or event of an old generation has no effect."""

    def __init__(
        self,
        prompts: PromptStore,
        *,
        silence: float,
        random: Callable[[int], int] = secrets.randbits,
    ) -> None:
        """`silence`: seconds without RTP after which Silence is told."""
        self.random = random
        self.readers: dict[int, Reader] = {}
        self.cadence = Cadence()
        self.ports: dict[int, Port] = {}
        self.open: dict[int, Session] = {}
        self.events: list[Event] = []
        self.last_gen = 0
        self._prompts = prompts
        self._silence = silence
        self._stray = 0
        self._ignored = 0
        # Of the sessions that are over: relayed, played, digits, strangers, dropped, rtcp.
        self._past = [0] * 6
        self._carry_out: dict[type[Command], Callable[..., None]] = {
            Open: self._open,
            Bridge: self._bridge,
            Unbridge: self._unbridge,
            Play: self._play,
            StopPlay: self._stop_play,
            SendDigits: self._send_digits,
            Release: self._release,
        }

    def emit(self, event: Event) -> None:
        """Queues an event for signalling."""
        self.events.append(event)

    def stray(self, sock: socket.socket, now: float) -> None:
        """Reads what comes to a port without a session."""
        try:
            sock.recv(MAX_DATAGRAM)
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
            for sock in (port.rtp, port.rtcp):
                self.readers[sock.fileno()] = partial(self.stray, sock)
            added.append(port)
        return added

    def carry_out(self, command: Command, now: float) -> None:
        """Does what signalling wants."""
        self._carry_out[type(command)](command, now)

    def check(self, now: float, interval: float) -> None:
        """Every `interval`: lets each session look after its peer's silence."""
        for session in self.open.values():
            session.check(now, interval, self._silence)

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
        self.last_gen = max(self.last_gen, command.gen)
        if port is None or (session is not None and session.gen > command.gen):
            self._ignored += 1
            return
        if session is not None and session.gen < command.gen:
            self._end(session)
            session = None
        if session is None:
            session = self.open[command.port] = Session(port, command.gen, self, now)
        session.update(command, now)

    def _bridge(self, command: Bridge, now: float) -> None:
        a = self._session(command.port_a, command.gen_a)
        b = self._session(command.port_b, command.gen_b)
        if a is not None and b is not None:
            a.bridge(b)

    def _unbridge(self, command: Unbridge, now: float) -> None:
        session = self._session(command.port, command.gen)
        if session is not None:
            session.unbridge()

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
            self._end(session)
        else:
            self.emit(Released(command.port, command.gen, StreamStats()))

    def _end(self, session: Session) -> None:
        del self.open[session.port.number]
        stats = session.release()
        self._past = [past + now for past, now in zip(self._past, _counts(session), strict=True)]
        self.emit(Released(session.port.number, session.gen, stats))

    # --- counters ---

    def stats(self, cpu_seconds: float) -> WorkerStats:
        """What was counted since the start."""
        totals = [sum(column) for column in zip(self._past, *map(_counts, self.open.values()), strict=True)]
        relayed, played, digits, strangers, dropped, rtcp = totals
        return WorkerStats(
            ports=len(self.ports),
            open=len(self.open),
            playing=len(self.cadence),
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
        )


def _counts(session: Session) -> tuple[int, ...]:
    return (
        session.sent - session.played,
        session.played,
        session.digits,
        session.strangers,
        session.dropped,
        session.rtcp,
    )
