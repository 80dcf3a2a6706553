"""Asking the caller how it was: at once, or when the agent has hung up."""

from __future__ import annotations

from switchboard.calls.causes import NORMAL
from switchboard.calls.commands import Actor, CommandError, Done, InviteRating, ToSurvey
from switchboard.calls.control.leaving import drop_others, hang_up_agent, to_flow
from switchboard.calls.control.parties import in_talk, leading_leg, live_call, undisturbed
from switchboard.calls.exchange import Exchange
from switchboard.calls.steps import tell


def to_survey(x: Exchange, cmd: ToSurvey, actor: Actor, now: float) -> Done:
    """The agent leaves, a survey flow takes the caller."""
    call = live_call(x, cmd.call)
    agent = leading_leg(call, actor)
    undisturbed(call)
    flow = _flow(x, cmd.flow)
    hang_up_agent(x, call, NORMAL, now)
    drop_others(x, call, now)
    tell(x, call, "agent_left", now, agent, flow)
    to_flow(x, call, flow, now)
    return Done(call.id)


def invite_rating(x: Exchange, cmd: InviteRating, actor: Actor, now: float) -> Done:
    """When the agent hangs up a survey flow takes the caller; a caller who hangs up first is not asked."""
    call = live_call(x, cmd.call)
    leading_leg(call, actor)
    in_talk(call).rating = _flow(x, cmd.flow)
    return Done(call.id)


def _flow(x: Exchange, name: str) -> str:
    flow = name or x.settings.survey
    if x.flows.newest(flow) is None:
        raise CommandError("no_target", "no such flow")
    return flow
