"""Callers who want to be called back: the request is durable before the caller hears that it was taken."""

from __future__ import annotations

from typing import Final

from routing.acd.actions import CallbackTaken
from routing.acd.events import CallbackRestored, CallerCleared, CallerGone
from routing.masks.secret import RealNumber, Sealed
from routing.numbers import normalise
from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange
from switchboard.calls.neighbours import CallbackRequest
from switchboard.store.records import CallbackRecord

HANG_UP_FIRST: Final = 10.0
"""Seconds in which one who has asked to be called back may hang up; whoever does is called from then on."""
MOST_WISHES: Final = 8
"""Callbacks that one call tells the end of; of earlier ones the rest is over anyhow."""


def request_callback(x: Exchange, call: Call, number: str, group: str, now: float) -> bool:
    """Keep the wish; False when there is no number that could be called, or no room. Asked twice it is one wish."""
    if normalise(number).kind != "e164":
        return False
    record = callback_record(x, call, x.new_id(), RealNumber(number), group, now)
    taken = x.callbacks.add(record)
    x.log("callback.requested", call_id=call.id, group=group, taken=taken)
    request = x.callbacks.get(record.id)
    if request is not None and x.settings.outbound is not None and x.desk.group(group) is not None:
        restore(x, request, now, rest=HANG_UP_FIRST)
        _note_wish(call, record.id)
    return taken != "full"


def keep_request(x: Exchange, call: Call, action: CallbackTaken, now: float) -> bool:
    """Make a place that the engine keeps durable; False when there is no room, and the place is given up."""
    record, wait = call.record, call.wait
    number = x.secrets.open(Sealed(record.caller_sealed))
    request = callback_record(x, call, action.callback, number, action.group, now)
    request.since_us = x.utc_us(action.since)
    if wait is not None:
        request.priority, request.vip, request.requirement = wait.priority, wait.vip, wait.requirement
    if x.callbacks.add(request) == "new":
        x.log("callback.requested", call_id=call.id, group=action.group, callback=action.callback)
        _note_wish(call, action.callback)
        return True
    x.desk.tell(CallerGone(action.callback, "withdrawn"), now)
    return False


def _note_wish(call: Call, callback: str) -> None:
    call.asked_back = (*call.asked_back, callback)[-MOST_WISHES:]


def caller_cleared(x: Exchange, call: Call, now: float) -> None:
    """The call in which callbacks were asked for is over: nobody has to hang up first any more."""
    for callback in call.asked_back:
        x.desk.tell(CallerCleared(callback), now)


def callback_record(
    x: Exchange, call: Call, callback: str, number: RealNumber, group: str, now: float
) -> CallbackRecord:
    """A request to be called back at a number, as it is stored."""
    return CallbackRecord(
        id=callback,
        group=group,
        asked_us=x.utc_us(now),
        number_masked=str(number),
        number_sealed=x.secrets.seal(number),
        number_fingerprint=x.secrets.fingerprint(number),
        call_id=call.id,
    )


def restore(x: Exchange, request: CallbackRequest, now: float, rest: float = 0.0) -> None:
    """A request that is open takes its place in the queue; nobody is called for `rest` seconds."""
    record = request.record
    waited = (x.utc_us(now) - request.since_us) / 1e6
    restored = CallbackRestored(
        callback=record.id,
        group=record.group,
        caller=record.number_fingerprint,
        since=now - waited,
        priority=record.priority,
        vip=record.vip,
        requirement=record.requirement,
        attempts=request.attempts,
        rest=rest,
    )
    x.desk.tell(restored, now)
