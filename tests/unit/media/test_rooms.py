"""Which leases may be in a room together."""

from __future__ import annotations

import pytest

from media.control import MAX_IN_ROOM
from media.interface import Lease
from media.rooms import Rooms


def leases(count: int, worker: int = 0) -> list[Lease]:
    """Ports of one worker."""
    return [Lease(worker, 10000 + 2 * n, 1 + n, "127.0.0.1") for n in range(count)]


def test_a_room_is_there_while_anybody_is_in_it() -> None:
    """One joins, changes the role, goes to another room, leaves twice."""
    rooms = Rooms()
    a, b = leases(2)
    rooms.join(a, 7, "party", None)
    rooms.join(b, 7, "listener", None)
    rooms.join(b, 7, "coach", a)
    assert (len(rooms), rooms.room_of(a), rooms.room_of(b)) == (1, 7, 7)
    rooms.join(b, 8, "party", None)
    assert (len(rooms), rooms.room_of(b)) == (2, 8)
    rooms.leave(a)
    rooms.leave(a)
    rooms.leave(b)
    assert (len(rooms), rooms.room_of(a), rooms.room_of(b)) == (0, None, None)


def test_what_a_worker_could_not_mix_is_refused() -> None:
    """Other workers, a coach of nobody, somebody coached by no coach, one too many; nothing has changed then."""
    rooms = Rooms()
    near = leases(MAX_IN_ROOM + 1)
    (far,) = leases(1, worker=1)
    rooms.join(near[0], 7, "party", None)
    for role, coached, who, why in (
        ("party", None, far, "different workers"),
        ("coach", far, near[1], "different workers"),
        ("coach", None, near[1], "somebody to coach"),
        ("listener", near[0], near[1], "somebody to coach"),
    ):
        with pytest.raises(ValueError, match=why):
            rooms.join(who, 7, role, coached)  # type: ignore[arg-type]
    for lease in near[1:-1]:
        rooms.join(lease, 7, "party", None)
    with pytest.raises(ValueError, match="full"):
        rooms.join(near[-1], 7, "listener", None)
    rooms.join(near[0], 7, "listener", None)
    assert rooms.room_of(near[-1]) is None
    assert rooms.room_of(far) is None


def test_the_last_of_one_worker_may_be_followed_by_another() -> None:
    """A room of one whose number is used again on another worker."""
    rooms = Rooms()
    (near,), (far,) = leases(1), leases(1, worker=1)
    rooms.join(near, 7, "party", None)
    rooms.leave(near)
    rooms.join(far, 7, "party", None)
    assert rooms.room_of(far) == 7
