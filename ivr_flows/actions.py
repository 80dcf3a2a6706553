"""What a flow asks of the call."""

from __future__ import annotations

from typing import Literal

import msgspec

Cause = Literal["normal", "busy", "no_answer", "unregistered", "unknown", "rejected", "failed"]


class Answer(msgspec.Struct, frozen=True, tag="answer", gc=False):
    """Answer the caller's leg."""


class Play(msgspec.Struct, frozen=True, tag="play", gc=False):
    """Play prompts to the caller, in place of what plays now.

    `play_id` counts the flow's plays from 1 and comes back in `PlayDone`: the late end of a replaced prompt is
    not taken for the end of this one.
    """

    prompts: tuple[str, ...]
    loop: bool = False
    play_id: int = 1


class StopPlay(msgspec.Struct, frozen=True, tag="stop_play", gc=False):
    """Stop what plays now."""


class Transfer(msgspec.Struct, frozen=True, tag="transfer", gc=False):
    """Connect the caller to the party behind a number and extension, or to a target given in full."""

    number: str | None = None
    extension: str | None = None
    target: str | None = None
    ringback: str = ""
    ring_timeout: float = 30.0


class Hangup(msgspec.Struct, frozen=True, tag="hangup", gc=False):
    """End the call; nothing follows."""

    cause: Cause = "normal"


Action = Answer | Play | StopPlay | Transfer | Hangup
