"""OPTIONS to phones behind a NAT: the way to them stays open, and one that is gone is found (RFC 5626 §4.4, §3.5).

The phones stand in a ring, and one of them is asked at a time, so that thousands are asked evenly and never at once.
Any response tells that a phone is there. One that leaves several in a row without any is registered no more, and its
agent with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import msgspec

from switchboard.calls.reaching import reach
from switchboard.sip.outgoing import OutgoingRequest

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.sip.binding import Binding

FASTEST: Final = 0.002
"""Seconds between two of them at the least; with more phones than that allows each is asked less often."""


class Ping(msgspec.Struct, frozen=True, eq=False):
    """One OPTIONS under way: the context of its transaction."""

    aor: str
    binding: Binding


class KeepAlive:
    """The ring of phones that are asked, and who has left how many without an answer."""

    __slots__ = ("_misses", "_next", "_ring", "_seen", "interval", "unanswered")

    def __init__(self, interval: float = 0.0, unanswered: int = 3) -> None:
        """`interval` in seconds is how often each phone is asked, 0: never."""
        self.interval = interval
        self.unanswered = unanswered
        self._ring: deque[str] = deque()
        self._seen: set[str] = set()
        self._misses: dict[str, dict[str, int]] = {}
        """By address-of-record, and by contact."""
        self._next: float | None = None

    def __len__(self) -> int:
        """How many addresses-of-record are in the ring."""
        return len(self._ring)

    def watch(self, aor: str, now: float) -> None:
        """A phone of this address-of-record is behind a NAT."""
        if self.interval and aor not in self._seen:
            self._seen.add(aor)
            self._ring.append(aor)
            if self._next is None:
                self._next = now + self.interval

    def next_deadline(self) -> float | None:
        """When the next one is to be asked."""
        return self._next

    def take_due(self, now: float) -> str | None:
        """The address-of-record whose turn it is; it is at the end of the ring then."""
        if self._next is None or self._next > now:
            return None
        if not self._ring:
            self._next = None
            return None
        aor = self._ring.popleft()
        self._ring.append(aor)
        # After a pause of the process the others are not made up for at once.
        self._next = max(self._next, now - self.interval) + max(FASTEST, self.interval / len(self._ring))
        return aor

    def leave(self, aor: str) -> None:
        """The address-of-record asked last has no phone behind a NAT any more."""
        if self._ring and self._ring[-1] == aor:
            self._ring.pop()
            self._seen.discard(aor)
            self._misses.pop(aor, None)

    def is_there(self, aor: str, contact: str) -> None:
        """Something has come from a phone."""
        misses = self._misses.get(aor)
        if misses is not None:
            misses.pop(contact, None)
            if not misses:
                del self._misses[aor]

    def missed(self, ping: Ping, contacts: Collection[str]) -> bool:
        """Nothing came; True when it has been asked often enough. Other than `contacts` are forgotten."""
        known = self._misses.pop(ping.aor, {})
        misses = {contact: count for contact, count in known.items() if contact in contacts}
        misses[ping.binding.contact] = count = misses.get(ping.binding.contact, 0) + 1
        self._misses[ping.aor] = misses
        if count >= self.unanswered:
            self.is_there(ping.aor, ping.binding.contact)
            return True
        return False


def watch(x: Exchange, aor: str, binding: Binding, now: float) -> None:
    """A phone has registered: one behind a NAT and over UDP is asked from now on."""
    if x.keep_alive.interval:
        x.keep_alive.is_there(aor, binding.contact)
        if _is_hidden(binding):
            x.keep_alive.watch(aor, now)


def _is_hidden(binding: Binding) -> bool:
    """Whether a phone is reached only as long as a router remembers it, and nobody tells when it is gone."""
    return type(binding.source) is tuple and not binding.path and reach(binding).nat


def keep_alives_due(x: Exchange, now: float) -> None:
    """Ask those whose turn it is."""
    while (aor := x.keep_alive.take_due(now)) is not None:
        hidden = [binding for binding in x.registrar.lookup(aor, now) if _is_hidden(binding)]
        if not hidden:
            x.keep_alive.leave(aor)
        for binding in hidden:
            _ask(x, Ping(aor, binding), now)


def _ask(x: Exchange, ping: Ping, now: float) -> None:
    x.core.request(
        OutgoingRequest(
            method="OPTIONS",
            uri=ping.binding.contact,
            destination=ping.binding.source,
            from_=f"<sip:{x.settings.domain}>;tag={x.token()}",
            to=f"<{ping.binding.contact}>",
            call_id=x.token(),
            cseq=1,
            headers=(x.contact, "Accept: application/sdp"),
        ),
        now,
        context=ping,
    )


def ping_answered(x: Exchange, ping: Ping) -> None:
    """A phone has answered, whatever it said."""
    x.keep_alive.is_there(ping.aor, ping.binding.contact)


def ping_unanswered(x: Exchange, ping: Ping, now: float) -> None:
    """Nothing came back, or an error of the network; the last such one ends the registration."""
    held = x.registrar.bindings(ping.aor, now)
    # One that has registered again since is there, whatever became of the question.
    if ping.binding not in held or not x.keep_alive.missed(ping, [binding.contact for binding in held]):
        return
    x.registrar.drop(ping.aor, ping.binding)
    x.log("phone.silent", account=ping.aor.rpartition("@")[0], contacts=len(held) - 1)
    x.desk.phones_changed(now)
