"""Rooms: sessions that hear one another, mixed every 20 ms on the cadence of the players."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from media.control import MAX_IN_ROOM, Role
from media.g711 import SILENCE, CodecName
from media.mixing import NOBODY, Blend, Part
from media.rtp.jitter import JitterBuffer
from media.worker.player import Cadence

if TYPE_CHECKING:
    from media.worker.session import Session


class Seat:
    """One session's place in a room; `buffer` holds what it says."""

    __slots__ = ("buffer", "coached", "codec", "role", "room", "session")

    def __init__(self, room: Room, session: Session) -> None:
        self.room = room
        self.session = session
        self.role: Role = "listener"
        self.coached: Session | None = None
        self.codec = ""
        self.buffer = JitterBuffer("PCMA")

    @property
    def listened_to(self) -> bool:
        """Whether anybody hears what the session says."""
        return self.codec in SILENCE and self.role != "listener"

    def tune(self, codec: str) -> None:
        """The session has another codec; of one that cannot be mixed nothing is heard, nor is it sent anything."""
        if codec != self.codec:
            self.count()
            self.codec = codec
            if codec in SILENCE:
                self.buffer = JitterBuffer(cast(CodecName, codec))
            self.room.changed()

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
        self._hearing: list[Session] = []
        self._buffers: list[JitterBuffer] = []
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
        for session, frame in zip(self._hearing, frames, strict=True):
            session.say(frame, now)
        return bool(self._seats)

    def _arrange(self) -> None:
        self._stale = False
        seats = [seat for seat in self._seats.values() if seat.codec in SILENCE]
        self._hearing = [seat.session for seat in seats]
        places = {session: place for place, session in enumerate(self._hearing)}
        self._blend = Blend(
            [
                Part(
                    cast(CodecName, seat.codec),
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
