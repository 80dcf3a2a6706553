"""A supervisor takes part: hears all, is heard by the agent alone, or by everybody."""

from __future__ import annotations

from typing import Final

from switchboard.calls.attempts import Attempt
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import CANCELLED, NORMAL, Cause
from switchboard.calls.commands import Actor, CommandError, Done, Mode, StopSupervising, Supervise
from switchboard.calls.control.leaving import other_left
from switchboard.calls.control.parties import in_talk, live_call, over_all, room_for_one
from switchboard.calls.control.places import call_party, own_phone
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import open_media
from switchboard.calls.steps import tell
from switchboard.calls.wiring import rewire

_LOUDER: Final = ("listen", "whisper", "barge")


def supervise(x: Exchange, cmd: Supervise, actor: Actor, now: float) -> Done:
    """Ring the supervisor's phone, or change how one who is in the call takes part."""
    if not over_all(actor):
        raise CommandError("forbidden", "only supervisors may do that")
    call = live_call(x, cmd.call)
    in_talk(call)
    supervisor = cmd.supervisor or actor.agent
    leg = _leg_of(call, supervisor)
    if leg is not None:
        if leg.talking and leg.mode != "listen" and cmd.mode == "listen":
            # Who was heard is gone for the others, who are not told of one that listens.
            tell(x, call, "supervision_ended", now, leg, leg.id)
        _take_part(leg, cmd.mode)
        rewire(x, call)
        if leg.talking:
            tell(x, call, "supervised", now, leg, cmd.mode)
        return Done(call.id, leg.id)
    room_for_one(call)
    leg = call_party(x, call, own_phone(x, call, supervisor, now), "supervise", now, auto_answer=True)
    _take_part(leg, cmd.mode)
    return Done(call.id, leg.id)


def _take_part(leg: Leg, mode: Mode) -> None:
    """In the record stays how far it went: whoever was spoken to may know of it."""
    leg.mode = mode
    if not leg.record.mode or _LOUDER.index(mode) > _LOUDER.index(leg.record.mode):
        leg.record.mode = mode


def stop_supervising(x: Exchange, cmd: StopSupervising, actor: Actor, now: float) -> Done:
    """The supervisor leaves; the others notice nothing, or miss a voice."""
    if not over_all(actor):
        raise CommandError("forbidden", "only supervisors may do that")
    call = live_call(x, cmd.call)
    leg = _leg_of(call, cmd.supervisor or actor.agent)
    if leg is None:
        raise CommandError("wrong_state", "they do not take part")
    other_left(x, call, leg, NORMAL if leg.talking else CANCELLED, now)
    return Done(call.id, leg.id)


def _leg_of(call: Call, supervisor: str) -> Leg | None:
    return next((leg for leg in call.others if leg.mode and leg.agent_id == supervisor), None)


def _answered(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    if call.phase is not Phase.TALKING:
        return CANCELLED
    open_media(x, leg)
    rewire(x, call)
    tell(x, call, "supervised", now, leg, leg.mode)
    return None


def _failed(x: Exchange, call: Call, leg: Leg, cause: Cause, now: float) -> None:
    """Nobody but the supervisor has known of it."""


SUPERVISE: Final = Attempt(_answered, _failed)
