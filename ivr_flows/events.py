"""What happens to a flow."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["completed", "unknown", "busy", "no_answer", "unregistered", "failed"]


class PlayDone(msgspec.Struct, frozen=True, tag="play_done", gc=False):
    """The prompts of the `Play` with this id have ended, or could not be played."""

    play_id: int


class Digit(msgspec.Struct, frozen=True, tag="digit", gc=False):
    """The caller pressed a key."""

    digit: str


class TimerDue(msgspec.Struct, frozen=True, tag="timer_due", gc=False):
    """The position's deadline may have come; an early one is ignored."""


class TransferEnded(msgspec.Struct, frozen=True, tag="transfer_ended", gc=False):
    """The party could not be reached, or has left after talking ("completed")."""

    outcome: Outcome


class CallerGone(msgspec.Struct, frozen=True, tag="caller_gone", gc=False):
    """The caller has hung up."""


Event = PlayDone | Digit | TimerDue | TransferEnded | CallerGone
