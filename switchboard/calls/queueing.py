"""Waiting for an agent: callers join and leave the queues here.

From joining on the engine says whose phone rings, what is announced and when the waiting is over (`serving`). Which
agent serves whom is decided in `routing.acd` alone.
"""

from __future__ import annotations

import msgspec

from ivr_flows.actions import Speech
from ivr_flows.events import Event, QueueEnded, TransferEnded
from ivr_flows.position import Waiting
from routing.acd.events import CallerGone, CallerJoined
from routing.acd.model import GoneReason, LeaveReason
from switchboard.calls.call import Call, Phase
from switchboard.calls.cdr import open_segment
from switchboard.calls.exchange import Exchange
from switchboard.calls.negotiation import take_keys
from switchboard.calls.queue_sounds import begin_music, silence
from switchboard.calls.wait import Wait

_OUTCOMES: dict[LeaveReason, str] = {"overflow": "timeout"}
_TRANSFERS: dict[LeaveReason, str] = {"timeout": "no_answer", "overflow": "no_answer", "empty": "unregistered"}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody who waits wants, and how they are treated; `since` keeps an age from elsewhere."""

    priority: int = 0
    vip: int = 0
    requirement: str = ""
    preferred: str = ""
    since: float | None = None
    max_wait: float | None = None
    music: tuple[str | Speech, ...] | None = None
    """None: that of the group."""
    callback_key: str = ""


NO_WISH = Wish()


def enqueue(x: Exchange, call: Call, group: str, now: float, wish: Wish = NO_WISH) -> Event | None:
    """Let the caller wait for somebody of the group; what the flow is told when that is over at once."""
    known = x.desk.group(group)
    if known is None or not call.enter(Phase.QUEUED):
        return outcome_for(call, "failed")
    wait = call.wait = Wait(
        group=group,
        music=wish.music if wish.music is not None else known.announcements.music,
        callback_key=wish.callback_key or ("1" if known.announcements.callback_offer is not None else ""),
        since_us=x.utc_us(wish.since if wish.since is not None else now),
        priority=wish.priority,
        vip=wish.vip,
        requirement=wish.requirement,
    )
    call.priority, call.vip = wish.priority, wish.vip
    record = call.record
    record.group = group
    if record.queued_us is None:
        record.queued_us = x.utc_us(now)
    open_segment(call, "queue", x.utc_us(now), group, group=group)
    take_keys(x, call.caller)
    wait.joining = True
    joined = CallerJoined(
        entry=call.entry_id,
        group=group,
        priority=wish.priority,
        vip=wish.vip,
        requirement=wish.requirement,
        preferred=wish.preferred,
        caller=record.caller_fingerprint,
        max_wait=wish.max_wait,
        since=wish.since,
    )
    x.desk.tell(joined, now)
    wait.joining = False
    if call.wait is wait and call.phase is Phase.QUEUED:
        begin_music(x, call, now)
    return wait.over


def leave_queue(x: Exchange, call: Call, now: float, why: GoneReason = "hung_up") -> None:
    """The caller waits no more, by their own doing or because the call goes elsewhere."""
    if call.wait is None:
        return
    silence(x, call)
    call.wait = None
    x.desk.tell(CallerGone(call.entry_id, why), now)


def outcome_for(call: Call, reason: LeaveReason) -> QueueEnded | TransferEnded:
    """How a flow is told that nobody was found: as it asked, for a party or for a queue."""
    if call.position is not None and call.position.waiting is Waiting.QUEUED:
        return msgspec.convert({"type": "queue_ended", "outcome": _OUTCOMES.get(reason, reason)}, QueueEnded)
    return msgspec.convert({"type": "transfer_ended", "outcome": _TRANSFERS.get(reason, "failed")}, TransferEnded)


def talked(call: Call) -> Event:
    """How a flow is told that the agent, who was found, has left after the talk."""
    queued = call.position is not None and call.position.waiting is Waiting.QUEUED
    return QueueEnded("completed") if queued else TransferEnded("completed", call.binding_about or {})
