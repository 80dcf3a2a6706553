"""One call of rtpengine: two ports, and what it must still be told so that they do what is wanted.

What is wanted is set from outside at any time; `next_command` compares it with what rtpengine has been told and gives
the one command that comes next, of which the answer goes to `answered`. One at a time, as rtpengine carries out
commands on several threads, in any order. What was wanted for a moment only is never told.

A party's audio goes to the other one's port, or, once it is handed over, to a session of one of our own workers: for
that the party is connected with a third one, which rtpengine does without another port for the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol, TypeAlias

from media.rtpengine.bencode import Value
from media.rtpengine.commands import (
    FOREVER,
    NOBODY,
    Family,
    Party,
    Place,
    about,
    answer,
    family_of,
    offer,
    place_in,
)
from media.rtpengine.side import Playback, Side
from media.rtpengine.transactions import Command, Reply

TAGS: Final = ("a", "b")
TONE_MS: Final = 100
"""How long a key sounds, and the pause after it."""


_SOMETHING: Final = Playback(0, loop=False)
"""Where it is not known what plays, if anything."""


class PairOwner(Protocol):
    """Who is told what comes of the commands."""

    def pair_ready(self, pair: Pair) -> None:
        """Both ports are known."""

    def pair_failed(self, pair: Pair) -> None:
        """rtpengine does not do what it is told, or does not know the call: it is over."""

    def pair_unanswered(self, pair: Pair) -> None:
        """rtpengine has not answered in time; it will be told again."""

    def pair_counted(self, pair: Pair, reply: Mapping[str, Value]) -> None:
        """What was counted is known; with `pair.over` the call is over."""

    def side_linked(self, side: Side, place: Place) -> None:
        """Where a worker's session reaches the party that was handed over."""

    def side_playing(self, side: Side, playback: Playback, seconds: float) -> None:
        """It plays, and will for so long."""

    def side_keyed(self, side: Side, count: int) -> None:
        """So many keys more, or less, will be reported as pressed by this party although they are ours."""

    def side_mute(self, side: Side, playback: Playback) -> None:
        """It cannot be played."""


_Step: TypeAlias = Callable[["Pair"], Command | None]
_Then: TypeAlias = Callable[[Reply], bool]


class Pair:
    """A call of rtpengine with two sides."""

    def __init__(self, call: str, owner: PairOwner, family: Family = "IP4") -> None:
        self.call = call
        self.family = family
        """Of both ports."""
        self.sides = (Side(self, TAGS[0]), Side(self, TAGS[1]))
        self.bridged = False
        """Each side hears the other."""
        self.injects = False
        """Keys are put into what a side hears: from then on all audio takes the longer way through rtpengine."""
        self.wants_count = False
        self.over = False
        """It is to be deleted."""
        self.ready = self.busy = self.done = False
        self.why = ""
        """Why it failed."""
        self.unanswered = 0
        """Times in a row that a command had no answer although rtpengine was there."""
        self.lacks: Family | None = None
        """It failed as rtpengine has no interface of this family."""
        self._owner = owner
        self._created = 0
        self._asked = False
        """What was counted is known at the end."""
        self._then: _Then | None = None
        self._doubt: Callable[[], None] | None = None
        """What is not known any more where the command under way is not answered."""

    def side(self, tag: str) -> Side | None:
        """The side of a tag."""
        return next((side for side in self.sides if side.tag == tag), None)

    def next_command(self) -> Command | None:
        """What is to be told next; None while an answer is awaited, and when all is as wanted."""
        if self.busy or self.done:
            return None
        self._doubt = None
        for step in _STEPS:
            command = step(self)
            if command is not None:
                self.busy = True
                return command
        return None

    def answered(self, reply: Reply | None) -> None:
        """Takes the answer to the last command, None where none came in time."""
        self.busy = False
        self.unanswered = 0
        then, self._then = self._then, None
        if reply is not None and then is not None and then(reply):
            return
        self.why = "no answer" if reply is None else str(reply.get("error-reason", "another port than before"))[:100]
        if not self.done:
            self.done = True
            self._owner.pair_failed(self)

    def leave_unanswered(self) -> None:
        """No answer has come: it may have been done or not, or will be, so that it or its contrary is told again."""
        self.busy = False
        self._then = None
        if self._doubt is not None:
            self._doubt()
        self._owner.pair_unanswered(self)

    # --- steps: each gives a command, and notes what its answer means ---

    def _end(self) -> Command | None:
        if not self.over:
            return None
        if not self._created:
            self.done = True
            return None

        def counted(reply: Reply) -> bool:
            self._owner.pair_counted(self, reply)
            return True

        def gone(reply: Reply) -> bool:
            self.done = True
            return counted(reply) if whole else True

        # Where a worker is, each side is a dialogue of its own, and only what names none ends both, but counts nothing.
        whole = all(side.worker is None for side in self.sides)
        if not whole and not self._asked:
            self._asked, self._then = True, counted
            return about("query", self.call)
        self._then = gone
        return about("delete", self.call, TAGS[0] if whole else "") | {"delete-delay": 0}

    def _create(self) -> Command | None:
        if self.ready:
            return None
        first, second = self.sides

        def offered(reply: Reply) -> bool:
            place = place_in(reply)
            self._created = 1
            second.place = place or second.place
            return place is not None and self._suits(place, self.family)

        def done(reply: Reply) -> bool:
            place = place_in(reply)
            if place is None or not self._suits(place, self.family):
                return False
            first.place = place
            self.ready = True
            self._owner.pair_ready(self)
            return True

        if not self._created:
            self._then = offered
            return offer(self.call, first.tag, "", NOBODY[self.family], family=self.family)
        self._then = done
        return answer(self.call, first.tag, second.tag, NOBODY[self.family], family=self.family)

    def _suits(self, place: Place, family: Family) -> bool:
        """Whether a port is of the family that was asked for, in place of which rtpengine gives what it has."""
        if family_of(place.address) != family:
            self.lacks = family
        return self.lacks is None

    def _block(self) -> Command | None:
        return self._switch(True)

    def _unblock(self) -> Command | None:
        return self._switch(False)

    def _switch(self, on: bool) -> Command | None:
        verb = "block" if on else "unblock"
        for side in self.sides:
            if side.blocked != on and side.wants_block == on:
                return self._switched(side, "blocked", f"{verb} media", on)
            if side.worker_blocked != on and side.wants_worker_block == on:
                return self._switched(side, "worker_blocked", f"{verb} media", on, f"w{side.tag}")
            if side.closed_to_keys != on and side.keeps_keys == on:
                return self._switched(side, "closed_to_keys", f"{verb} DTMF", on)
        return None

    def _switched(self, side: Side, name: str, command: str, on: bool, tag: str = "") -> Command:
        def done(reply: Reply) -> bool:
            setattr(side, name, on)
            return _is_ok(reply)

        self._then = done
        self._doubt = partial(setattr, side, name, None)
        return about(command, self.call, tag or side.tag)

    def _describe(self) -> Command | None:
        for side in self.sides:
            wanted = side.description
            if wanted is not None and (wanted != side.told or side.doubtful):
                return self._described(side, *wanted)
            if side.worker is not None and side.worker != side.worker_told:
                return self._connected(side, side.worker)
        return None

    def _described(self, side: Side, to: str, party: Party, injects: bool) -> Command:
        # What it leads to a worker goes there in the worker's family.
        family = self.family if side.worker is None else family_of(side.worker.address)

        def done(reply: Reply) -> bool:
            place = place_in(reply)
            side.told = (to, party, injects)
            side.doubtful = False
            if to == side.other.tag:
                # An offer about a call that rtpengine has given up begins another one, on other ports.
                return place == side.other.place
            if place is not None and self._suits(place, family):
                # Who is at the other end must be said again, else it is taken for somebody with the former codec.
                side.worker_told = None
                self._owner.side_linked(side, place)
                return True
            return False

        self._then = done
        self._doubt = partial(setattr, side, "doubtful", True)
        # Where a worker is, it reports, and so where SRTP is, which rtpengine has no keys of.
        reports = side.worker is None and side.other.worker is None
        return offer(self.call, side.tag, to, party, family=family, injects=injects, reports=reports)

    def _connected(self, side: Side, worker: Party) -> Command:
        def done(reply: Reply) -> bool:
            side.worker_told = worker
            return place_in(reply) == side.place

        self._then = done
        self._doubt = partial(setattr, side, "doubtful", True)
        return answer(self.call, side.tag, side.to, worker, family=self.family)

    def _play(self) -> Command | None:
        for side in self.sides:
            wanted = side.playback
            if wanted is side.played:
                continue
            if wanted is None:
                side.played = None
                self._then = _is_ok_or_over
                self._doubt = partial(setattr, side, "played", _SOMETHING)
                return about("stop media", self.call, side.tag)
            if wanted.file and side.told is not None:
                return self._played(side, wanted)
        return None

    def _played(self, side: Side, playback: Playback) -> Command:
        def done(reply: Reply) -> bool:
            side.played = playback
            if not _is_ok(reply):
                self._owner.side_mute(side, playback)
                return reply.get("error-reason") != _UNKNOWN
            milliseconds = reply.get("duration")
            self._owner.side_playing(side, playback, milliseconds / 1000 if isinstance(milliseconds, int) else 0.0)
            return True

        self._then = done
        self._doubt = partial(setattr, side, "played", _SOMETHING)
        command = about("play media", self.call, side.tag) | {"file": playback.file}
        return command | {"repeat-times": FOREVER} if playback.loop else command

    def _press(self) -> Command | None:
        if not self.injects or not self.bridged:
            return None
        for side in self.sides:
            # What is put into the audio of a party whose keys are kept is kept as well.
            if side.keys and not side.other.closed_to_keys:
                return self._pressed(side.other, side.keys.popleft())
        return None

    def _pressed(self, by: Side, key: str) -> Command:
        """rtpengine puts a key into what a party says, and may report it before it answers."""

        def done(reply: Reply) -> bool:
            if not _is_ok(reply):
                self._owner.side_keyed(by, -1)
            return _is_ok_or_over(reply)

        self._owner.side_keyed(by, 1)
        self._then = done
        return about("play DTMF", self.call, by.tag) | {"code": key, "duration": TONE_MS, "pause": TONE_MS}

    def _count(self) -> Command | None:
        if not self.wants_count:
            return None

        def done(reply: Reply) -> bool:
            if not _is_ok(reply):
                return False
            self._owner.pair_counted(self, reply)
            return True

        self.wants_count = False
        self._then = done
        return about("query", self.call)


_STEPS: Final[tuple[_Step, ...]] = (
    Pair._end,
    Pair._create,
    Pair._block,
    Pair._describe,
    Pair._unblock,
    Pair._play,
    Pair._press,
    Pair._count,
)
"""What may not be heard is blocked first and what may is let through last, whoever comes meanwhile."""

_UNKNOWN: Final = "Unknown call-id"


def _is_ok(reply: Reply) -> bool:
    return reply.get("result") == "ok"


def _is_ok_or_over(reply: Reply) -> bool:
    """What has ended by itself cannot be stopped, which is no harm."""
    return _is_ok(reply) or reply.get("error-reason") != _UNKNOWN
