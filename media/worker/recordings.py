"""All recordings of a worker: when their packets are handed over, when they end, what is told of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Final

from media.control import Message, Record
from media.events import Event, Recorded, Released
from media.events import MessageDone as Told
from media.recorder.protocol import Done, ToRecorder
from media.worker.recorder_link import RETRY, Outlet
from media.worker.session import Session
from media.worker.tape import KEEP, LEAK, MessageTape, Tape

ANSWER: Final = 1.5
"""Seconds the recorder has to complete a file; signalling waits for two until a session is released."""
REST: Final = 0.25
"""Seconds for which recordings stay silent after the last secret key: it is told of while it is still held."""
REST_TONES: Final = 0.5
"""The same where keys come as tones in the audio."""
TOGETHER: Final = 0.1
"""Seconds that audio may wait for that of other recordings: the recorder is woken for all of it at once."""
NEVER: Final = float("inf")


class Recordings:
    """Driven by `run` at `due`; without a recorder each recording fails at once."""

    def __init__(
        self,
        outlet: Outlet | None,
        emit: Callable[[Event], None],
        sessions: dict[int, Session],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sessions` by port, kept by their owner; `clock` tells when a packet passes."""
        self.due = NEVER
        self._outlet = outlet
        self._emit = emit
        self._sessions = sessions
        self._clock = clock
        self._keys = count(1)
        self._tapes: dict[int, Tape] = {}
        self._plan: list[tuple[float, int]] = []
        # When what waits in the outlet is sent.
        self._leaves = NEVER
        # How many tapes of a session have still to be answered, and what is told after the last of them.
        self._open: dict[tuple[int, int], int] = {}
        self._held: dict[tuple[int, int], Released] = {}

    def __len__(self) -> int:
        return len(self._tapes)

    # --- commands ---

    def record(self, session: Session, command: Record, now: float) -> None:
        """Starts a recording in place of what is recorded of the session."""
        self.stop(session, now)
        if self._outlet is None:
            reason = "there is no recorder"
            self._emit(Recorded(command.port, command.gen, command.recording_id, command.path, 0.0, 0, 0, reason))
            return
        tape = Tape(next(self._keys), session, command.recording_id, command.path, now, self._clock)
        if command.concealed_port:
            tape.hidden_by = (command.concealed_port, command.concealed_gen)
        self._start(tape, self._outlet, now)

    def message(self, session: Session, command: Message, now: float) -> None:
        """Starts a message in place of what is recorded of the session."""
        self.stop(session, now)
        if self._outlet is None:
            self._emit(Told(command.port, command.gen, command.message_id, 0.0, "failed"))
            return
        self._start(MessageTape(next(self._keys), session, command, now, self._clock), self._outlet, now)

    def _start(self, tape: Tape, outlet: Outlet, now: float) -> None:
        whose = (tape.port, tape.gen)
        self._open[whose] = self._open.get(whose, 0) + 1
        self._tapes[tape.key] = tape
        tape.session.tape = tape
        tape.tune(self._hidden(tape, now))
        if outlet.connected:
            self._send(tape.begin())
        else:
            outlet.connect(now)
        self._at(tape, now + tape.period)

    def stop(self, session: Session, now: float, reason: str = "stopped") -> None:
        """Ends what is recorded of the session."""
        tape = session.tape
        if tape is not None:
            self._stop(tape, now, now, reason)

    def pause(self, session: Session, paused: bool, now: float) -> None:
        """Records silence, or audio again."""
        tape = session.tape
        if tape is not None:
            tape.paused = paused
            self.tune(tape, now)

    def conceal(self, session: Session, on: bool, now: float) -> None:
        """Keeps what is said and pressed from now on out of recordings, or ends that in a moment."""
        if on:
            session.hidden_until = NEVER
        elif session.hidden_until == NEVER:
            session.hidden_until = now + (REST if session.tones is None else REST_TONES)
        whose = (session.port.number, session.gen)
        for tape in list(self._tapes.values()):
            if tape.stopped_at is None and (tape.session is session or tape.hidden_by == whose):
                self.tune(tape, now)
                self._at(tape, min(tape.due, max(now, session.hidden_until)))

    def tune(self, tape: Tape, now: float) -> None:
        """After a change of its session or its state."""
        self._send(tape.tune(self._hidden(tape, now)))

    def hush(self, session: Session) -> None:
        """A key that was for the switch may sound in what comes, or does not any more."""
        if session.tape is not None:
            self.tune(session.tape, self._clock())

    def pressed(self, session: Session, digit: str, begun: float, now: float) -> bool:
        """Whether a key that was pressed at `begun` ends the session's message, and is told by that."""
        tape = session.tape
        if tape is None or not tape.ends_with(digit):
            return False
        self._stop(tape, begun - LEAK, now, "digit")
        return True

    def release(self, session: Session, now: float) -> None:
        """The session ends."""
        self.stop(session, now, "hangup")

    def hold(self, released: Released) -> bool:
        """Keeps `released` until all is told of what was recorded; False when nothing is open."""
        if not self._open:
            return False
        whose = (released.port, released.gen)
        if whose in self._open:
            self._held[whose] = released
        return whose in self._open

    # --- time ---

    def run(self, now: float) -> None:
        """Does what is due."""
        plan = self._plan
        while plan and plan[0][0] <= now:
            at, key = heappop(plan)
            tape = self._tapes.get(key)
            if tape is not None and tape.due == at:
                self._visit(tape, now)
        if now >= self._leaves:
            self._leaves = NEVER
            if self._outlet is not None:
                self._outlet.flush()
        self._set_due()

    def _at(self, tape: Tape, when: float) -> None:
        tape.due = when
        heappush(self._plan, (when, tape.key))
        self._set_due()

    def _set_due(self) -> None:
        self.due = min(self._plan[0][0], self._leaves) if self._plan else self._leaves

    def _visit(self, tape: Tape, now: float) -> None:
        outlet = self._outlet
        assert outlet is not None
        outlet.connect(now)
        if tape.stopped_at is not None:
            if now - tape.stopped_at >= ANSWER:
                self._finish(tape, Done(tape.key, 0.0, 0, 0, "the recorder does not answer"))
            else:
                self._at(tape, min(now + RETRY, tape.stopped_at + ANSWER))
            return
        self.tune(tape, now)
        tape.listen()
        tape.drop(KEEP)
        if outlet.connected:
            messages = tape.take()
            if messages:
                self._leaves = min(self._leaves, now + TOGETHER)
                if not outlet.send(messages, force=False):
                    tape.drop(-1)
        why = tape.over(now)
        if why:
            self._stop(tape, now, now, why)
            return
        until = self._hidden_until(tape)
        self._at(tape, min(now + tape.period, until if until > now else NEVER))

    # --- secrets ---

    def _hidden_until(self, tape: Tape) -> float:
        until = tape.session.hidden_until
        if tape.hidden_by is not None:
            port, gen = tape.hidden_by
            other = self._sessions.get(port)
            if other is not None and other.gen == gen:
                until = max(until, other.hidden_until)
        return until

    def _hidden(self, tape: Tape, now: float) -> bool:
        session = tape.session
        if session.tones is not None and session.tones.sounding and 0.0 <= now - session.hidden_until < REST:
            # A key that is still held is as secret as its beginning.
            session.hidden_until = now + REST
        return self._hidden_until(tape) > now

    # --- the recorder ---

    def _send(self, messages: Sequence[ToRecorder]) -> None:
        outlet = self._outlet
        if messages and outlet is not None and outlet.connected:
            outlet.send(messages)
            outlet.flush()

    def up(self) -> None:
        """There is a new connection: it has to be told of every tape."""
        for tape in self._tapes.values():
            self._send(tape.begin())

    def done(self, done: Done, now: float) -> None:
        """The recorder has completed a tape, or could not go on with it."""
        tape = self._tapes.get(done.key)
        if tape is not None:
            self._finish(tape, done)

    def _stop(self, tape: Tape, at: float, now: float, reason: str) -> None:
        messages = tape.stop(at, now, reason)
        tape.session.tape = None
        self._send(messages)
        self._at(tape, now + RETRY)

    def _finish(self, tape: Tape, done: Done) -> None:
        del self._tapes[tape.key]
        if tape.stopped_at is None:
            tape.session.copy(None, None)
            tape.session.tape = None
        self._emit(tape.result(done))
        whose = (tape.port, tape.gen)
        self._open[whose] -= 1
        if not self._open[whose]:
            del self._open[whose]
            released = self._held.pop(whose, None)
            if released is not None:
                self._emit(released)
