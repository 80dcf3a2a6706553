"""Which leases are in which room, so that a plane can refuse what its workers could not do."""

from __future__ import annotations

from media.control import MAX_IN_ROOM, Role
from media.interface import Lease


class Rooms:
    """The rooms of a plane; a room is there while anybody is in it."""

    def __init__(self) -> None:
        self._members: dict[int, set[Lease]] = {}
        self._where: dict[Lease, int] = {}

    def __len__(self) -> int:
        return len(self._members)

    def room_of(self, lease: Lease) -> int | None:
        """The room that `lease` is in."""
        return self._where.get(lease)

    def join(self, lease: Lease, room: int, role: Role, coached: Lease | None) -> None:
        """Notes `lease` as of `room` and of no other; raises ValueError and changes nothing."""
        if (role == "coach") is not (coached is not None):
            raise ValueError("a coach has somebody to coach, and nobody else has")
        if coached is not None and coached.worker != lease.worker:
            raise ValueError(f"ports {lease.port} and {coached.port} are of different workers")
        members = self._members.get(room, set())
        if any(member.worker != lease.worker for member in members - {lease}):
            raise ValueError(f"port {lease.port} and room {room} are of different workers")
        if len(members | {lease}) > MAX_IN_ROOM:
            raise ValueError(f"room {room} is full: {MAX_IN_ROOM} are in it")
        if self._where.get(lease) != room:
            self.leave(lease)
            self._members.setdefault(room, set()).add(lease)
            self._where[lease] = room

    def leave(self, lease: Lease) -> None:
        """Takes `lease` out of its room, if it is in one."""
        room = self._where.pop(lease, None) if self._where else None
        if room is not None:
            members = self._members[room]
            members.discard(lease)
            if not members:
                del self._members[room]
