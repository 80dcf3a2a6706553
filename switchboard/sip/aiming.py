"""Which of the places a request goes to where the name of its first hop leads to several (RFC 3263 §4, RFC 5923)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from switchboard.sip.flow import StreamAddress

if TYPE_CHECKING:
    from switchboard.sip.outgoing import Address, OutgoingRequest


def aim(out: OutgoingRequest, places: tuple[Address, ...]) -> None:
    """Send where the name leads; the place where the peer has spoken from comes first if it is one of those, or a
    connection to one, and last if it is not.
    """
    spoken = out.destination
    if any(one == spoken or _is_open_to(spoken, one) for one in places):
        places = (spoken, *[one for one in places if one != spoken])
    else:
        places = (*places, spoken)
    out.destination, out.others = places[0], places[1:]


def nowhere(uri: str, now: float) -> tuple[Address, ...]:
    """Where there is no DNS names lead nowhere."""
    return ()


def _is_open_to(spoken: Address, place: Address) -> bool:
    return isinstance(spoken, StreamAddress) and type(spoken) is type(place) and spoken[0] == place[0]
