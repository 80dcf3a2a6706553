"""What an agent says of the call: that the caller is who they say, and whether it is recorded."""

from __future__ import annotations

import msgspec

from switchboard.calls.commands import Actor, CommandError, Done, RecordTalk, Verified
from switchboard.calls.control.parties import in_talk, live_call, own_leg
from switchboard.calls.exchange import Exchange
from switchboard.calls.recording import command_recording
from switchboard.calls.steps import tell
from switchboard.store.records import IdentityRecord

_MOST = 64


def verified(x: Exchange, cmd: Verified, actor: Actor, now: float) -> Done:
    """The record says that the agent has verified the caller, by what method, and as whom the backend knows them."""
    call = live_call(x, cmd.call)
    leg = own_leg(call, actor)
    if len(cmd.method) > _MOST or len(cmd.subject) > _MOST:
        raise CommandError("invalid", f"at most {_MOST} characters each")
    before = call.record.identity or IdentityRecord()
    call.record.identity = msgspec.structs.replace(
        before, status="verified", method=cmd.method, subject=cmd.subject or before.subject
    )
    if call.position is not None:
        call.position.identity = msgspec.structs.replace(
            call.position.identity, status="verified", method=cmd.method, subject=call.record.identity.subject
        )
    tell(x, call, "verified", now, leg, cmd.method)
    return Done(call.id, leg.id)


def record_talk(x: Exchange, cmd: RecordTalk, actor: Actor, now: float) -> Done:
    """Start, stop, pause or resume; a caller who has not agreed where agreement is asked for is not recorded."""
    call = live_call(x, cmd.call)
    own_leg(call, actor)
    in_talk(call)
    if (cmd.do == "start") is bool(call.recording):
        raise CommandError("wrong_state", "it is recorded already" if call.recording else "it is not recorded")
    command_recording(x, call, cmd.do, now)
    if cmd.do == "start" and not call.recording:
        raise CommandError("forbidden", "the caller has not agreed to be recorded")
    return Done(call.id)
