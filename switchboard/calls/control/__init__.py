"""The call bar: what people and their programs may do with calls. One function a command, all by `command`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

from switchboard.calls.attempts import Attempt
from switchboard.calls.cdr import write_snapshot
from switchboard.calls.commands import (
    Actor,
    Add,
    Back,
    CancelTransfer,
    Command,
    Complete,
    Consult,
    Dial,
    Done,
    Drop,
    HangUp,
    Hold,
    InviteRating,
    Merge,
    Mute,
    Park,
    Pick,
    RecordTalk,
    Resume,
    SendDigits,
    StopSupervising,
    Supervise,
    ToSurvey,
    Transfer,
    Unpark,
    Verified,
)
from switchboard.calls.control.conference import INVITE, add, drop
from switchboard.calls.control.consult import CONSULT, back, complete, consult, merge
from switchboard.calls.control.dial import ORIGINATE, dial
from switchboard.calls.control.digits import send_digits
from switchboard.calls.control.hang_up import hang_up
from switchboard.calls.control.hold import hold, resume
from switchboard.calls.control.mute import mute
from switchboard.calls.control.notes import record_talk, verified
from switchboard.calls.control.park import park, unpark
from switchboard.calls.control.pick import pick
from switchboard.calls.control.supervise import SUPERVISE, stop_supervising, supervise
from switchboard.calls.control.survey import invite_rating, to_survey
from switchboard.calls.control.transfer import TRANSFER, cancel_transfer, transfer
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Purpose

__all__ = ["ATTEMPTS", "COMMANDS", "command"]

# Each function takes the very command its key names, which a dict's type cannot say.
COMMANDS: Final = cast(
    "dict[type[Command], Callable[[Exchange, Command, Actor, float], Done]]",
    {
        Hold: hold,
        Resume: resume,
        Mute: mute,
        SendDigits: send_digits,
        Transfer: transfer,
        CancelTransfer: cancel_transfer,
        Consult: consult,
        Complete: complete,
        Back: back,
        Merge: merge,
        Add: add,
        Drop: drop,
        Supervise: supervise,
        StopSupervising: stop_supervising,
        Park: park,
        Unpark: unpark,
        Pick: pick,
        ToSurvey: to_survey,
        InviteRating: invite_rating,
        HangUp: hang_up,
        Dial: dial,
        Verified: verified,
        RecordTalk: record_talk,
    },
)

ATTEMPTS: Final[dict[Purpose, Attempt]] = {
    "transfer": TRANSFER,
    "consult": CONSULT,
    "invite": INVITE,
    "supervise": SUPERVISE,
    "originate": ORIGINATE,
}
"""What becomes of those whom the call bar has called."""


def command(x: Exchange, cmd: Command, actor: Actor, now: float) -> Done:
    """Carry out a command; raises `CommandError`, and nothing has changed, when it cannot be."""
    done = COMMANDS[type(cmd)](x, cmd, actor, now)
    call = x.calls.get(done.call)
    if call is not None:
        # The new state is in the journal before any message leaves that tells of it.
        if call.caller.talking and call.journalled:
            write_snapshot(x, call)
        x.arm(call)
    return done
