"""Rooms: sessions that hear one another, mixed every 20 ms on the cadence of the players."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from media import g711
from media.codecs import CODED, KNOWN, Encoder, decoder, encoder
from media.control import MAX_IN_ROOM, Role
from media.g711 import SILENCE, CodecName
from media.mixing import NOBODY, Blend, Part
from media.rtp.coded_buffer import CodedBuffer
from media.rtp.jitter import JitterBuffer
from media.worker.player import Cadence

if TYPE_CHECKING:
    from media.worker.session import Session

RATE: Final = 8000
Say = Callable[[bytes, float], None]


class _CodedStream(CodedBuffer):
    """What is decoded, as the A-law that is mixed."""

    __slots__ = ("_encoder",)

    def __init__(self, codec: str, clock: int) -> None:
        super().__init__(decoder(codec, RATE), clock, RATE)
        self._encoder: Encoder = encoder("PCMA")

    def take(self) -> bytes | None:
        """The next 20 ms; None for silence."""
        frame = super().take()
        return None if frame is None else self._encoder.encode(frame)


def _said_to(session: Session) -> Say:
    """What takes the A-law of a mix for a session of G.722 or Opus."""

    def say(frame: bytes, now: float) -> None:
        session.say_samples(g711.decode("PCMA", frame), RATE, now)

    return say


class Seat:
    """One session's place in a room; `buffer` holds what it says."""

    __slots__ = ("buffer", "coached", "codec", "role", "room", "session")

    def __init__(self, room: Room, session: Session) -> None:
        self.room = room
        self.session = session
        self.role: Role = "listener"
        self.coached: Session | None = None
        self.codec = ""
        self.buffer: JitterBuffer | CodedBuffer = JitterBuffer("PCMA")

    @property
    def listened_to(self) -> bool:
        """Whether anybody hears what the session says."""
        return self.codec in KNOWN and self.role != "listener"

    def tune(self, codec: str) -> None:
        """The session has another codec; of one that cannot be mixed nothing is heard, nor is it sent anything."""
        if codec != self.codec:
            self.count()
            self.codec = codec
            if codec in CODED:
                self.buffer = _CodedStream(codec, self.session.clock)
            elif codec in SILENCE:
                self.buffer = JitterBuffer(self.law)
            self.room.changed()

    @property
    def law(self) -> CodecName:
        """In which it is mixed."""
        return "PCMU" if self.codec == "PCMU" else "PCMA"

    @property
    def say(self) -> Say:
        """What takes its mix."""
        return self.session.say if self.codec in SILENCE else _said_to(self.session)

    def count(self) -> None:
        """Lets the session know what was wrong with what it said; before the buffer goes."""
        self.session.concealed += self.buffer.concealed
        self.session.skipped += self.buffer.dropped


class Room:
    """Mixes what its sessions say for as long as any is in it."""

    def __init__(self, cadence: Cadence) -> None:
        self._cadence = cadence
        self._seats: dict[Session, Seat] = {}
        self._blend = Blend([])
        self._says: list[Say] = []
        self._buffers: list[JitterBuffer | CodedBuffer] = []
        self._stale = True

    def __len__(self) -> int:
        return len(self._seats)

    def changed(self) -> None:
        """Who is in it, or what one is in it, has changed."""
        self._stale = True

    def seat(self, session: Session, role: Role, coached: Session | None, now: float) -> Seat | None:
        """Takes a session in, or changes its role; None when the room is full."""
        seat = self._seats.get(session)
        if seat is None:
            if len(self._seats) >= MAX_IN_ROOM:
                return None
            seat = self._seats[session] = Seat(self, session)
            if len(self._seats) == 1:
                self._cadence.add(self, now)
        seat.role, seat.coached = role, coached
        self.changed()
        return seat

    def leave(self, session: Session) -> None:
        """Lets a session go."""
        del self._seats[session]
        self.changed()
        if not self._seats:
            self._cadence.remove(self)

    def step(self, now: float) -> bool:
        """Mixes and sends 20 ms; False when nobody is left."""
        if self._stale:
            self._arrange()
        frames = self._blend.mix([buffer.take() for buffer in self._buffers])
        for say, frame in zip(self._says, frames, strict=True):
            say(frame, now)
        return bool(self._seats)

    def _arrange(self) -> None:
        self._stale = False
        seats = [seat for seat in self._seats.values() if seat.codec in KNOWN]
        self._says = [seat.say for seat in seats]
        places = {seat.session: place for place, seat in enumerate(seats)}
        self._blend = Blend(
            [
                Part(
                    seat.law,
                    seat.role,
                    NOBODY if seat.coached is None else places.get(seat.coached, NOBODY),
                )
                for seat in seats
            ]
        )
        self._buffers = [seats[place].buffer for place in self._blend.talkers]


class RoomTable:
    """The rooms of a worker by their numbers."""

    def __init__(self, cadence: Cadence) -> None:
        self._cadence = cadence
        self._rooms: dict[int, Room] = {}

    def __len__(self) -> int:
        return len(self._rooms)

    def join(self, session: Session, number: int, role: Role, coached: Session | None, now: float) -> bool:
        """Puts a session into a room, out of its bridge or other room; False when the room is full."""
        room = self._rooms.get(number)
        if session.seat is not None and session.seat.room is not room:
            self.leave(session)
        if room is None:
            room = self._rooms[number] = Room(self._cadence)
        seat = room.seat(session, role, coached, now)
        if seat is None:
            return False
        session.unbridge()
        session.sit(seat)
        return True

    def leave(self, session: Session) -> None:
        """Takes a session out of its room, if it is in one."""
        seat = session.seat
        if seat is not None:
            session.sit(None)
            seat.count()
            seat.room.leave(session)
            if not seat.room:
                for number in [number for number, room in self._rooms.items() if room is seat.room]:
                    del self._rooms[number]
