"""Through a masked number: who stands behind it, on what terms, and what is said when nobody does."""

from __future__ import annotations

from typing import Final, NamedTuple

from routing.masks.binding import Resolution
from routing.masks.secret import Party, Sealed
from routing.masks.target import Target
from switchboard.calls.call import Call
from switchboard.calls.causes import DECLINED, GONE, UNKNOWN, Cause
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.settings import NO_SERVICE
from switchboard.store.records import RefusalRecord, WindowRecord, encode_refusal, encode_window
from switchboard.store.segments import Kind


class ToGroup(NamedTuple):
    """A group answers for the number (AXG)."""

    group: str


Found = Target | ToGroup | str
"""Who is called; a text is the word by which a flow branches when that is nobody."""

_OUTCOMES: Final[dict[str, str]] = {"unbound": "unknown"}
_CAUSES: Final[dict[str, Cause]] = {
    "expired": GONE,
    "quarantine": GONE,
    "disabled": DECLINED,
    "direction": DECLINED,
    "refused": DECLINED,
    "exhausted": DECLINED,
}


def find_masked(x: Exchange, call: Call, number: str, extension: str, now: float) -> Found:
    """Who is behind an extension of the number or, without one, behind an X number for this very caller.

    The terms of the binding become those of the call.
    """
    utc = x.utc_us(now) / 1e6
    if extension:
        found = x.routing.resolve(number, extension, utc)
    else:
        # A phone may write any number into From: it is recognised as nobody.
        known = call.record.caller_fingerprint if call.record.trunk != PHONES else b""
        found = x.routing.resolve_call(number, known or None, utc)
    _take_terms(x, call, found)
    if found.target is not None:
        return found.target
    if found.group:
        return ToGroup(found.group)
    return _OUTCOMES.get(found.reason, found.reason)


def drop_terms(x: Exchange, call: Call) -> None:
    """What follows does not go through a masked number: no terms hold but the called number's own."""
    call.shown = call.binding_way = ""
    call.binding_about = None
    call.talk_limit, call.warn, call.ask_consent = None, False, False
    call.record_talk = x.settings.services.get(call.record.called, NO_SERVICE).record


def _take_terms(x: Exchange, call: Call, found: Resolution) -> None:
    drop_terms(x, call)
    call.record.binding = found.binding
    call.binding_way = found.direction
    policy = found.policy
    if policy.store or policy.city or found.label:
        about = {"store": policy.store, "city": policy.city, "label": found.label}
        call.binding_about = {name: text for name, text in about.items() if text}
    if found.reason == "ok":
        call.shown = found.shown
        call.talk_limit, call.warn = policy.limit, policy.warn
        call.record_talk = call.record_talk or policy.record
        call.ask_consent = policy.consent


def note_put_through(x: Exchange, call: Call, now: float) -> None:
    """The called party has answered: idle time and the windows of call-backs begin anew."""
    record = call.record
    if record.binding and call.binding_way:
        caller = Party(Sealed(record.caller_sealed), record.caller_fingerprint) if record.caller_sealed else None
        window = x.routing.touch(record.binding, x.utc_us(now) / 1e6, call.binding_way, caller)
        if window is not None:
            opened = WindowRecord(binding=record.binding, since_us=round(window.since * 1e6), times=window.times)
            x.journal.append(Kind.WINDOW, call.id, encode_window(opened))


def refuse_calls(x: Exchange, call: Call, now: float, *, withdrawn: bool) -> None:
    """The caller wants to be called back by nobody any more, or takes that back; durable before it is confirmed."""
    customer = call.record.caller_fingerprint
    if not customer:
        return
    record = RefusalRecord(customer=customer, at_us=x.utc_us(now), call_id=call.id, withdrawn=withdrawn)
    x.journal.append(Kind.REFUSAL, call.id, encode_refusal(record))
    x.routing.refuse(customer, withdrawn)
    x.log("masks.refused", call_id=call.id, withdrawn=withdrawn)


def cause_of_reason(reason: str) -> Cause:
    """What a caller without a flow is told."""
    return _CAUSES.get(reason, UNKNOWN)
