"""Callers who want to be called back: the request is durable before the caller hears that it was taken."""

from __future__ import annotations

from routing.masks.secret import RealNumber
from routing.numbers import normalise
from switchboard.calls.call import Call
from switchboard.calls.exchange import Exchange
from switchboard.store.records import CallbackRecord


def request_callback(x: Exchange, call: Call, number: str, group: str, now: float) -> bool:
    """Keep the wish; False when there is no number that could be called, or no room. Asked twice it is one wish."""
    if normalise(number).kind != "e164":
        return False
    real = RealNumber(number)
    record = CallbackRecord(
        id=x.new_id(),
        group=group,
        asked_us=x.utc_us(now),
        number_masked=str(real),
        number_sealed=x.secrets.seal(real),
        number_fingerprint=x.secrets.fingerprint(real),
        call_id=call.id,
    )
    taken = x.callbacks.add(record)
    x.log("callback.requested", call_id=call.id, group=group, taken=taken)
    return taken != "full"
