"""What is played to a party: at once, or to a browser as soon as it can hear it.

A browser has our 200 long before it has found a path and shaken hands, and the begin of a prompt would be lost on it.
What is played last waits for it; a browser that is not there in time is lost, and its call with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from switchboard.calls.exchange import Exchange
    from switchboard.calls.leg import Leg


def play_to(x: Exchange, leg: Leg, play_id: int, sounds: Sequence[str], *, loop: bool) -> None:
    """Play sounds to the party of a leg that has a media port, in place of whatever plays."""
    web = leg.web
    if web is not None and not web.hears:
        web.waiting = (play_id, tuple(sounds), loop)
    elif leg.lease is not None:
        x.media.play(leg.lease, play_id, sounds, loop)


def stop_playing(x: Exchange, leg: Leg) -> None:
    """Play nothing any more."""
    if leg.web is not None:
        leg.web.waiting = None
    if leg.lease is not None:
        x.media.stop_play(leg.lease)


def begin_waiting(x: Exchange, leg: Leg) -> None:
    """A browser hears now: what has waited begins."""
    web = leg.web
    if web is None:
        return
    waiting, web.hears, web.waiting = web.waiting, True, None
    if waiting is not None and leg.lease is not None:
        x.media.play(leg.lease, *waiting)
