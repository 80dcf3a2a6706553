"""A step of a call is told to whoever listens."""

from __future__ import annotations

from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.news import CallNews, CallStep


def tell(x: Exchange, call: Call, step: CallStep, now: float, leg: Leg | None = None, detail: str = "") -> None:
    """`leg` is of whom it tells, if of anybody; of one who listens the others in the call hear nothing."""
    if x.feed.listening:
        agent, group = (leg.agent_id, leg.group) if leg is not None else ("", "")
        x.feed.publish(
            CallNews(
                step=step, call=call.id, at_us=x.utc_us(now), agent=agent, group=group, detail=detail,
                aside=leg is not None and leg.mode == "listen",
            )
        )  # fmt: skip


def tell_ringing(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """A phone rings, or has answered without saying that it does: what its agent is to see comes with this step."""
    tell(x, call, "ringing", now, leg, leg.id)
