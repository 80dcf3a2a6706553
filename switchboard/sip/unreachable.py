"""Places that did not serve us lately: they are tried last, for twice as long each time (RFC 3263 §4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from switchboard.sip.outgoing import Address

FIRST_SPAN: Final = 30.0
LONGEST_SPAN: Final = 600.0
MOST: Final = 4096


class Ban(NamedTuple):
    """Until when a place is tried last, and for how long that was meant."""

    until: float
    span: float


class Unreachable:
    """Bans by address. What is banned is still tried when nothing else is left, and first again after its time."""

    __slots__ = ("_bans", "_first", "_longest")

    def __init__(self, first: float = FIRST_SPAN, longest: float = LONGEST_SPAN) -> None:
        """Times in seconds."""
        self._bans: dict[Address, Ban] = {}
        self._first = first
        self._longest = longest

    def __len__(self) -> int:
        return len(self._bans)

    def failed(self, address: Address, now: float) -> None:
        """A request to this place timed out, could not be sent or got 503.

        Failures while it is banned count once: many calls may have been on their way.
        """
        ban = self._bans.get(address)
        if ban is not None and now < ban.until:
            return
        span = self._first
        if ban is not None and now < ban.until + ban.span:
            span = min(2 * ban.span, self._longest)
        if len(self._bans) >= MOST and ban is None:
            self._forget(now)
        self._bans[address] = Ban(now + span, span)

    def reached(self, address: Address) -> None:
        """It serves us again."""
        self._bans.pop(address, None)

    def is_banned(self, address: Address, now: float) -> bool:
        """Whether it is one of those tried last."""
        ban = self._bans.get(address)
        return ban is not None and now < ban.until

    def last(self, addresses: tuple[Address, ...], now: float) -> tuple[Address, ...]:
        """The addresses in their order, but those that are banned at the end, the soonest free first."""
        bans = self._bans
        if not any(address in bans for address in addresses):
            return addresses
        free = [address for address in addresses if not self.is_banned(address, now)]
        banned = [address for address in addresses if self.is_banned(address, now)]
        return (*free, *sorted(banned, key=lambda address: bans[address].until))

    def _forget(self, now: float) -> None:
        """Make room: what is long over, and if that is not enough, everything."""
        self._bans = {address: ban for address, ban in self._bans.items() if now < ban.until + ban.span}
        if len(self._bans) >= MOST:
            self._bans.clear()
