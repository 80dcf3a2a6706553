"""One port of a call of rtpengine and its party: what is wanted of it, and what rtpengine has been told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec.structs import replace

from media.rtpengine.commands import NOBODY, Party, Place

if TYPE_CHECKING:
    from media.rtpengine.pair import Pair


class Playback:
    """What is to be heard by a party; `file` is "" until it is known."""

    __slots__ = ("file", "loop", "play_id")

    def __init__(self, play_id: int, loop: bool) -> None:
        self.play_id = play_id
        self.loop = loop
        self.file = ""


class Side:
    """One port of a pair and its party: first what is wanted of it, then what rtpengine has been told."""

    __slots__ = (
        "blocked", "closed_to_keys", "digits", "doubtful", "hushed", "keys", "learned", "meets", "muted", "pair",
        "party", "place", "playback", "played", "receive", "seeks", "send", "tag", "told", "worker", "worker_blocked",
        "worker_told",
    )  # fmt: skip

    def __init__(self, pair: Pair, tag: str) -> None:
        self.pair = pair
        self.tag = tag
        self.place = Place("", 0)
        self.party: Party | None = None
        self.meets: Party | None = None
        """Whom the party takes itself to speak with: nobody, of the payload types that it was told to use."""
        self.send = self.receive = True
        self.digits = self.muted = self.hushed = False
        self.keys: deque[str] = deque()
        self.playback: Playback | None = None
        self.worker: Party | None = None
        self.told: tuple[str, Party, bool] | None = None
        self.doubtful = False
        """Whether it has been told anything else than `told` since."""
        self.seeks = False
        """Whether it is not known where the party sends from: until then it hears nobody, nor is it heard."""
        self.learned = 0
        """The port that was found then, of which nothing is learned any more."""
        self.blocked: bool | None = False
        self.closed_to_keys: bool | None = False
        self.played: Playback | None = None
        self.worker_told: Party | None = None
        self.worker_blocked: bool | None = False

    @property
    def other(self) -> Side:
        """The other side of the pair."""
        return self.pair.sides[self is self.pair.sides[0]]

    @property
    def to(self) -> str:
        """The tag of who hears this party."""
        return f"w{self.tag}" if self.worker is not None else self.other.tag

    @property
    def wants_block(self) -> bool:
        """Whether what the party says is to be heard by nobody."""
        if self.worker is not None:
            return self.seeks
        if self.party is None:
            return False
        other = self.other
        if not self.receive or self.muted or self.seeks or other.seeks:
            return True
        if other.party is None:
            return False
        if self.hushed:
            return True
        return not self.pair.bridged or other.playback is not None or not other.send or other.worker is not None

    @property
    def keeps_keys(self) -> bool:
        """Whether its keys are not for the other side."""
        return self.wants_block or (self.worker is None and self.digits and self.other.party is not None)

    @property
    def wants_worker_block(self) -> bool:
        """Whether it is to hear nothing of the worker to which it was handed over."""
        return self.seeks and self.worker_told is not None

    @property
    def passes_keys(self) -> bool:
        """Whether its keys go on to the other side: it is wanted, and nothing that was told keeps them."""
        kept = self.keeps_keys or self.blocked is not False or self.closed_to_keys is not False
        return self.pair.bridged and not kept

    @property
    def description(self) -> tuple[str, Party, bool] | None:
        """Who hears the party, who it is, and whether keys may be put into what it hears; None for nobody yet.

        Keys of payload types that nobody is said to take are not told: where only the other party has come, nobody
        takes what that one was told to send.
        """
        nobody = NOBODY[self.pair.family]
        if self.party is None and self.worker is None:
            met = self.other.meets if self.other.worker is None else None
            return None if met is None or met == nobody else (self.to, met, False)
        party = self.party or nobody
        if self.learned:
            party = replace(party, port=self.learned, nat=False)
        return self.to, party, self.pair.injects and self.worker is None

    def be(self, party: Party) -> None:
        """It is this one from now on."""
        if party != self.party:
            self.party, self.seeks, self.learned = party, False, 0

    def seek(self) -> None:
        """Have it learned anew where the party sends from."""
        self.seeks = self.doubtful = True
        self.learned = 0

    def find(self, port: int) -> None:
        """It sends from there."""
        if self.seeks:
            self.seeks, self.learned = False, port

    @property
    def used(self) -> bool:
        """Whether there is, or was, a party."""
        return self.party is not None or self.worker is not None
