"""Who leads a talk: the party that was called, until a phone that has called hands the other one on."""

from __future__ import annotations

from switchboard.calls.call import Call, Phase
from switchboard.calls.commands import CommandError
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.recording import command_recording, start_recording


def turn_round(x: Exchange, call: Call, now: float) -> None:
    """The called party becomes the caller, since the phone that has called is about to hand it on."""
    if call.agent is None or call.position is not None:
        raise CommandError("wrong_state", "the flow that serves the caller cannot be transferred")
    command_recording(x, call, "stop", now)
    swap(call)


def swap(call: Call) -> None:
    """Caller and agent change their parts; nobody hears or is told anything."""
    assert call.agent is not None
    call.caller, call.agent = call.agent, call.caller
    call.caller.role, call.agent.role = "caller", "agent"


def take_lead(call: Call, agent: str) -> bool:
    """Let an agent lead whose own phone has called; False when they do not lead by this. `swap` undoes it.

    While the one who was called consults, hands on or leads a conference, it stays with that one.
    """
    leg, control = call.caller, call.control
    if not agent or leg.agent_id != agent or not leg.talking:
        return False
    if call.phase is not Phase.TALKING or call.agent is None or not call.agent.talking or call.position is not None:
        return False
    if control is not None and (control.target or control.consulted or control.mixed):
        return False
    swap(call)
    return True


def record_other(x: Exchange, call: Call, before: Leg, now: float) -> None:
    """A recording goes on with who is the caller now; `before` was recorded, and may have left with it."""
    if not call.recording:
        return
    if before.lease is not None:
        x.media.stop_record(before.lease)
    call.recording = ""
    start_recording(x, call, now)
