"""Who had a port before: what they go on sending is not for the session that has it now."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from media.worker.ports import BUFFER, Address

LATE_FOR: Final = 32.0
"""Seconds that a BYE is sent again while nobody answers it (Timer F, RFC 3261 17.1.2.2); some speak as long as that."""
MOST: Final = 4
"""Of so many sessions one after the other on one port, each shorter than that, the peers are remembered."""
UNHEARD: Final = -1
"""The SSRC of a peer that said nothing while its session lasted."""
_SSRC: Final = struct.Struct("!8xI")


class LateSender(NamedTuple):
    """The peer of a session that is over."""

    peer: Address | None
    ssrc: int
    until: float


LateSenders = tuple[LateSender, ...]


def add(senders: LateSenders, peer: Address | None, ssrc: int, now: float) -> LateSenders:
    """With the peer of one more session, which is over now."""
    if peer is None:
        return senders
    living = [sender for sender in senders[1 - MOST :] if sender.until > now]
    return (*living, LateSender(peer, ssrc, now + LATE_FOR))


def is_late(senders: LateSenders, source: Address, now: float) -> bool:
    """Whether the packet in BUFFER belongs to a session before: another call from the same place has another SSRC."""
    if not senders:
        return False
    (ssrc,) = _SSRC.unpack_from(BUFFER)
    return any(source == peer and now < until and known in (ssrc, UNHEARD) for peer, known, until in senders)
