"""Reaching the agent: where a target is, the INVITE to it, and what comes back."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Final

from ivr_flows.events import Outcome
from media.control import KeyForm
from media.sdp import SdpError
from routing.masks.shown import allowed
from routing.masks.target import AorTarget, SipTarget, Target
from switchboard.calls.answering import ALLOW, SUPPORTED, answer_caller, progress
from switchboard.calls.branches import begin
from switchboard.calls.call import Call, Phase
from switchboard.calls.carriers.credentials import ack_of, unwatched
from switchboard.calls.carriers.plan import number_plan
from switchboard.calls.causes import (
    CANCELLED,
    CONGESTION,
    NOT_ACCEPTABLE,
    REASON_PHRASES,
    TIMEOUT,
    UNREACHABLE,
    UNREGISTERED,
    Cause,
    cause_of_response,
)
from switchboard.calls.cdr import add_leg, leg_record, open_segment, write_snapshot
from switchboard.calls.ending import agent_began, drop_agent, leg_over
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegInput, LegState
from switchboard.calls.masked import note_put_through
from switchboard.calls.negotiation import lease_media, make_answer, make_offer, open_media, take_answer
from switchboard.calls.plan import Destination, Group, Plan, is_plain, only
from switchboard.calls.playing import play_to, stop_playing
from switchboard.calls.reaching import reach
from switchboard.calls.recording import talk_begins
from switchboard.calls.securing import policy_of
from switchboard.calls.session_timers import session_answered
from switchboard.calls.settings import Address
from switchboard.calls.steps import tell, tell_ringing
from switchboard.calls.webrtc import is_browser, media_for
from switchboard.calls.wiring import settle
from switchboard.sip.binding import Binding, by_preference
from switchboard.sip.dialog import Dialog
from switchboard.sip.errors import SipError
from switchboard.sip.flow import on_transport
from switchboard.sip.message import Response
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.parts import SDP, take_description
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.uri import Uri, parse_uri

LAST_MINUTE: Final = 60.0
MOST_SERVERS: Final = 6
"""So many servers of one name are called one after another (RFC 3263 §4.3)."""
LAST_MINUTE_PROMPTS: Final = {"zh": "zh/last_minute", "en": "en/last_minute"}


def plan_of(x: Exchange, call: Call, target: Target, now: float, mask: str = "") -> Plan | Cause:
    """Turn a target into the destinations that are called for it, or say why it cannot be reached.

    Names lead where DNS has said (RFC 3263), each server a group of its own; nothing is waited for. It is shown `mask`,
    else the number of the call's own mask, else what it is configured to be shown.
    """
    mask = mask or call.shown
    shown = mask or _own_number(call.record.called)
    if isinstance(target, SipTarget):
        return _sip_plan(target.uri, shown) or _named_plan(x, target.uri, shown, now)
    if isinstance(target, AorTarget):
        aor = target.aor if "@" in target.aor else f"{target.aor}@{x.settings.domain}"
        return _account_plan(x, aor, shown, now)
    return number_plan(x, target, mask, now)


def _account_plan(x: Exchange, aor: str, shown: str, now: float) -> Plan | Cause:
    """The phones of an account: those it prefers at once, the others after them (RFC 3261 §16.6)."""
    bindings = x.registrar.lookup(aor, now)
    if len(bindings) == 1:
        return only(_phone(x, aor, shown, bindings[0]))
    tiers = by_preference(bindings, x.settings.rung)
    if not tiers:
        return UNREGISTERED
    return tuple(
        Group(tuple(_phone(x, aor, shown, one) for one in tier), failover=None, patience=x.settings.patience)
        for tier in tiers
    )


def _phone(x: Exchange, aor: str, shown: str, binding: Binding) -> Destination:
    way, srtp = reach(binding), policy_of(x, aor)
    web = x.edge is not None and is_browser(binding)
    return Destination(way.uri, f"<sip:{aor}>", shown, way.address, aor, way.nat, way.routes, srtp=srtp, web=web)


@lru_cache(maxsize=4096)
def _sip_plan(text: str, shown: str) -> Plan | Cause | None:
    """Of a URI with an address; None for one with a name."""
    try:
        uri = parse_uri(text)
    except SipError:
        return UNREACHABLE
    host = _literal(uri.params.get("maddr") or uri.host)
    return only(Destination(text, f"<{text}>", shown, _place(host, uri), text)) if host else None


def _named_plan(x: Exchange, text: str, shown: str, now: float) -> Plan | Cause:
    servers = x.locator.targets_of(parse_uri(text), now)
    groups = [Group((Destination(text, f"<{text}>", shown, server, text),)) for server in servers[:MOST_SERVERS]]
    return tuple(groups) or UNREACHABLE


def _place(host: str, uri: Uri) -> Address:
    """Where a URI with this address is: its scheme and its parameters name the transport."""
    transport = "tls" if uri.scheme == "sips" else uri.params.get("transport") or ""
    return on_transport((host, uri.port or (5061 if transport.lower() == "tls" else 5060)), transport)


@lru_cache(maxsize=1024)
def _own_number(called: str) -> str:
    """The dialled number where it may be shown; a 400 number only takes calls, and is shown to nobody."""
    return allowed(called) or ""


@lru_cache(maxsize=4096)
def _literal(host: str) -> str:
    """The address that a URI's host is; empty for a name, which would need DNS."""
    try:
        return "127.0.0.1" if host == "localhost" else str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return ""


def agent_of(x: Exchange, target: Target) -> str:
    """The one agent whose phone a target is, registered or at a fixed address, or ""."""
    if isinstance(target, SipTarget):
        return x.desk.agent_at(target.uri)
    return x.desk.agent_at(f"aor:{target.aor}") if isinstance(target, AorTarget) else ""


def invite_agent(x: Exchange, call: Call, target: Target, ring_timeout: float, now: float) -> Cause | None:
    """Send the INVITE of the agent's leg; a cause when that is not possible."""
    plan = plan_of(x, call, target, now)
    if isinstance(plan, Cause):
        return plan
    agent_id = agent_of(x, target)
    agent = leg_to(x, call, plan, now, agent_id)
    if not lease_media(x, agent, call.caller):
        return CONGESTION
    call.agent = agent
    if agent_id:
        agent_began(x, agent, now)
    call.attempts += 1
    add_leg(call, agent.record)
    call.enter(Phase.CONNECTING)
    call.ring_due = now + ring_timeout
    open_segment(call, "ring", x.utc_us(now), agent=agent_id)
    offer = make_offer(x, agent, call.caller)
    write_snapshot(x, call)
    send_invite(x, call, agent, plan, offer, now)
    return None


def send_invite(
    x: Exchange, call: Call, leg: Leg, plan: Plan, offer: bytes, now: float, headers: tuple[str, ...] = ()
) -> None:
    """Send a leg's INVITE, or as many as its plan has; a key that led to it is measured as transfer latency."""
    found = plan[0].destinations[0]
    out = OutgoingRequest(
        method="INVITE",
        uri=found.uri,
        destination=found.address,
        from_=f"{_shown(found, x.settings.local[0])};tag={leg.local_tag}",
        to=found.to,
        call_id=x.token(),
        cseq=1,
        routes=found.routes,
        headers=(x.contact, ALLOW, SUPPORTED, *x.invite_lines, *headers),
        body=offer,
        max_forwards=call.max_forwards,
        nat=found.nat,
    )
    if call.last_digit_at is not None:
        latency = now - call.last_digit_at
        call.record.transfer_latency_us = int(latency * 1e6)
        x.meter.transfer_latency(latency)
        call.last_digit_at = None
    x.note_dialog(call.id, out.call_id)
    if is_plain(plan):
        x.invites_out[leg.id] = x.core.request(out, now, context=leg)
    else:
        begin(x, leg, plan, out, now)


def _shown(found: Destination, host: str) -> str:
    """The From of the agent's leg; without a number to show it is anonymous (RFC 3323 §4.1.1.3)."""
    return f"<sip:{found.shown}@{host}>" if found.shown else '"Anonymous" <sip:anonymous@anonymous.invalid>'


def keys_of(x: Exchange, found: Destination) -> KeyForm:
    """The form in which a destination sends and takes keys: its account's, else its trunk's."""
    return x.settings.keys.get(found.peer.partition("@")[0], found.keys) if x.settings.keys else found.keys


def leg_to(x: Exchange, call: Call, plan: Plan, now: float, agent_id: str = "") -> Leg:
    """A leg towards the first destination of a plan, not invited yet."""
    found = plan[0].destinations[0]
    record = leg_record(x, "agent", found.peer, now, agent_id)
    return Leg(
        id=record.id,
        call_id=call.id,
        role="agent",
        local_tag=x.token(),
        source=found.address,
        nat=found.nat,
        sdp_id=x.session_id(),
        record=record,
        agent_id=agent_id,
        codecs=found.codecs,
        srtp=found.srtp or x.settings.srtp,
        keys=keys_of(x, found),
        audio_from=found.audio_from,
        web=media_for(plan) if x.edge is not None else None,
    )


def agent_response(x: Exchange, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> Cause | None:
    """A response to the INVITE of an agent's leg; a cause when the attempt has failed with it."""
    call = x.call_of(leg)
    status = response.status
    if 200 <= status < 300:
        if call is None or call.agent is not leg or leg.state not in (LegState.INVITED, LegState.EARLY):
            refuse_late_answer(x, leg, tx, response, now)
            return None
        return _agent_answered(x, call, leg, tx, response, now)
    if status < 200:
        if call is not None and call.agent is leg and leg.move(LegInput.PROVISIONAL):
            _agent_rings(x, call, leg, response, now)
        return None
    cause = cause_of_response(status, response.headers.getall("reason"))
    return _agent_refused(x, call, leg, cause, status, now)


def agent_timeout(x: Exchange, leg: Leg, now: float, *, unreachable: bool) -> Cause | None:
    """The INVITE found nobody: Timer B, or the transport failed (RFC 3261 §8.1.3.1: as 408 and 503)."""
    cause, status = (UNREACHABLE, 503) if unreachable else (TIMEOUT, 408)
    return _agent_refused(x, x.call_of(leg), leg, cause, status, now)


def refuse_late_answer(x: Exchange, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> None:
    """A 2xx that crossed our CANCEL, or of another fork: acknowledge it and hang up (RFC 3261 §13.2.2.4)."""
    dialog = _dialog_of(leg, tx, response)
    x.core.send_ack(ack_of(x, leg.gateway, dialog, tx.request, now), now)
    bye = dialog.next_request("BYE", (CANCELLED.reason_header,))
    x.core.request(bye, now, context=unwatched(leg.gateway, dialog))
    if leg.state is LegState.CANCELLING:
        leg_over(x, leg)


def _agent_rings(x: Exchange, call: Call, leg: Leg, response: Response, now: float) -> None:
    if leg.record.ringing_us is None:
        leg.record.ringing_us = x.utc_us(now)
        tell_ringing(x, call, leg, now)
    sounds = described = bool(response.body) and (response.content_type == SDP or take_description(response))
    if described and not leg.media_open:
        try:
            take_answer(leg, response.body)
            leg.heard = response.to_tag or ""
        except SdpError:
            described = False
    early = described and lease_media(x, call.caller, leg)
    if early and not leg.media_open:
        join(x, call, leg, now)
    early = early and call.caller.agreement is not None
    if not call.caller.talking:
        progress(x, call, 183 if early else _unheard(response.status, sounds), now)


def _unheard(status: int, sounds: bool) -> int:
    """What a caller who hears nothing of the called party is told: the same, or to ring where something `sounds`."""
    if sounds:
        return 180
    # One that is not known is as good as 183 (RFC 3261 §8.1.3.2).
    return status if status in REASON_PHRASES else 183


def join(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """Let audio pass between both legs, as far as each has negotiated."""
    caller = call.caller
    open_media(x, leg)
    if caller.agreement is None:
        if caller.remote is None:
            return
        make_answer(x, caller, leg.agreement)
    if caller.digits:
        caller.digits = False
        if now < caller.keys_until:
            x.log("call.caller_hushed", call_id=call.id, seconds=round(caller.keys_until - now, 3))
        caller.keys_until = max(caller.keys_until, now)
    open_media(x, caller)
    assert caller.lease is not None
    assert leg.lease is not None
    x.media.bridge(caller.lease, leg.lease)
    call.speaking = 0
    if call.ringback:
        stop_playing(x, caller)
        call.ringback = ""


def _agent_answered(
    x: Exchange, call: Call, leg: Leg, tx: ClientTransaction, response: Response, now: float
) -> Cause | None:
    dialog = take_dialog(x, leg, tx, response, now)
    ack = ack_of(x, leg.gateway, dialog, tx.request, now)
    try:
        body = answer_in(leg, response)
        if body or leg.agreement is None:
            take_answer(leg, body)
    except SdpError:
        x.core.send_ack(ack, now)
        return NOT_ACCEPTABLE
    failure = put_through(x, call, leg, now)
    x.core.send_ack(ack, now)
    return failure


def put_through(x: Exchange, call: Call, leg: Leg, now: float) -> Cause | None:
    """The call's agent has answered: both talk. A cause when there is no port for the caller."""
    if not lease_media(x, call.caller, leg):
        return CONGESTION
    join(x, call, leg, now)
    call.ring_due = None
    call.enter(Phase.TALKING)
    settle(x, call)
    if leg.record.ringing_us is None:
        tell_ringing(x, call, leg, now)
    open_segment(call, "talk", x.utc_us(now), agent=leg.agent_id)
    call.record.agent = leg.agent_id or call.record.agent
    tell(x, call, "answered", now, leg)
    limit_talk(call, now)
    talk_begins(x, call, now)
    note_put_through(x, call, now)
    # The answer is in the journal before either side hears of it.
    if call.caller.talking:
        write_snapshot(x, call)
    answer_caller(x, call, now)
    return None


def take_dialog(x: Exchange, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> Dialog:
    """A leg that we invited has answered: its dialog begins (RFC 3261 §12.1.2)."""
    leg.dialog = dialog = _dialog_of(leg, tx, response)
    x.invites_out.pop(leg.id, None)
    x.dialogs[dialog.call_id, leg.local_tag] = leg
    leg.move(LegInput.ANSWER)
    leg.move(LegInput.ACK)
    leg.record.answered_us = x.utc_us(now)
    leg.record.sip_status = response.status
    session_answered(x, leg, response, now)
    return dialog


def answer_in(leg: Leg, response: Response) -> bytes:
    """The answer to our offer: in the 2xx, or in an earlier reliable response of the same sender (RFC 3262 §5).

    Empty when there is none, or it was taken already.
    """
    early = leg.early.get(response.to_tag or "")
    if early is None or not early.answer:
        take_description(response)
        return response.body
    # What is gone by may have changed since, by UPDATE.
    return b"" if leg.heard == response.to_tag else early.answer


def _dialog_of(leg: Leg, tx: ClientTransaction, response: Response) -> Dialog:
    """The dialog of a 2xx: the early one it confirms, if there was any (RFC 3261 §12.1.2)."""
    early = leg.early.get(response.to_tag or "")
    if early is None:
        return Dialog.as_client(tx.request, response, leg.source, nat=leg.nat)
    early.dialog.establish(response, leg.source)
    # The same peer may have been asked before, without a password.
    early.dialog.local_seq = max(early.dialog.local_seq, tx.request.cseq)
    return early.dialog


def limit_talk(call: Call, now: float) -> None:
    """How long both may talk: as long as the mask and the flow's node allow, whichever is less."""
    due = now + call.talk_limit if call.talk_limit is not None else None
    if call.position is not None and call.position.deadline is not None:
        due = call.position.deadline if due is None else min(due, call.position.deadline)
    call.talk_due = due
    call.warn_due = due - LAST_MINUTE if due is not None and call.warn and due - LAST_MINUTE > now else None


def announce_end(x: Exchange, call: Call) -> None:
    """Both sides hear that the last minute has begun, the caller in the language chosen in the flow."""
    call.warn_due = None
    chosen = "" if call.position is None else str(call.position.variables.get("language", "")).partition("-")[0]
    for leg, language in ((call.caller, chosen), (call.agent, "")):
        if leg is not None and leg.lease is not None:
            prompt = LAST_MINUTE_PROMPTS.get(language, LAST_MINUTE_PROMPTS["zh"])
            play_to(x, leg, 0, (prompt,), loop=False)


def _agent_refused(x: Exchange, call: Call | None, leg: Leg, cause: Cause, status: int, now: float) -> Cause | None:
    """A final failure of an agent's leg, also the 487 that follows our CANCEL."""
    awaited = call is not None and call.agent is leg and leg.state is not LegState.CANCELLING
    leg_over(x, leg)
    leg.record.sip_status = status
    if not awaited:
        return None
    leg.record.ended_us = x.utc_us(now)
    leg.record.cause = cause.word
    return cause


def abandon_attempt(x: Exchange, call: Call, cause: Cause, now: float) -> None:
    """Take the attempt back: the agent's leg ends, the caller hears no ringback any more."""
    if call.agent is not None:
        tell(x, call, "ring_ended", now, call.agent, cause.word)
    drop_agent(x, call, cause, now)
    if call.ringback and call.caller.lease is not None:
        stop_playing(x, call.caller)
    call.ringback = ""


OUTCOMES: Final[dict[str, Outcome]] = {
    "busy": "busy",
    "declined": "busy",
    "no_answer": "no_answer",
    "timeout": "no_answer",
    "unregistered": "unregistered",
    "unreachable": "unregistered",
    "unknown": "unknown",
    "gone": "unknown",
    "incomplete": "unknown",
    "normal": "completed",
}


def outcome_of(cause: Cause) -> Outcome:
    """The word by which a flow branches on a failed transfer."""
    return OUTCOMES.get(cause.word, "failed")
