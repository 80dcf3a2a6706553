"""A new INVITE: who sends it, what it asks for, and where that leads."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from media.sdp import SdpError
from routing.dialplan import NOT_FOUND, NoRoute, Route, ToFlow, ToMask, ToQueue, ToTarget
from routing.landing import dialled_part, recover
from routing.masks.target import TargetError, parse_open_target
from switchboard.calls.answering import answer_caller, unheard
from switchboard.calls.attended import Declined
from switchboard.calls.branches import Branch
from switchboard.calls.call import Call
from switchboard.calls.carriers.arriving import contact_user, edit_headers, rewrite_dialled
from switchboard.calls.causes import (
    CONGESTION,
    FORBIDDEN,
    LOOPED,
    NOT_ACCEPTABLE,
    REASON_PHRASES,
    SHUTDOWN,
    UNKNOWN,
    UNREGISTERED,
)
from switchboard.calls.cdr import leg_record, record_caller
from switchboard.calls.connecting import invite_agent, outcome_of
from switchboard.calls.ending import agent_began, end_call
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.expiry import note_expiry
from switchboard.calls.flow import nobody, start_flow
from switchboard.calls.identity import caller_of, user_of
from switchboard.calls.leg import Leg
from switchboard.calls.masked import Found, ToGroup, cause_of_reason, find_masked
from switchboard.calls.negotiation import read_offer, take_keys
from switchboard.calls.news import CallNews
from switchboard.calls.owners import agent_of_account
from switchboard.calls.queueing import Wish, enqueue
from switchboard.calls.reaching import by_proxy
from switchboard.calls.reliable import not_taken
from switchboard.calls.replaces import replace_leg
from switchboard.calls.securing import policy_of
from switchboard.calls.session_timers import too_brief
from switchboard.calls.settings import NO_SERVICE
from switchboard.calls.slots import take_from_slot
from switchboard.calls.webrtc import WebMedia
from switchboard.sip.errors import SipError
from switchboard.sip.flow import WebAddress
from switchboard.sip.message import Request
from switchboard.sip.parts import SDP, take_description
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.store.records import CallRecord

KNOWN_OPTIONS: Final = frozenset({"replaces", "norefersub", "timer", "100rel"})
_NEARBY: Final = 69
"""A request of ours has less hops left than others when it comes back."""
_SCHEMES: Final = frozenset({"sip", "sips", "tel"})


def refuse(x: Exchange, tx: ServerTransaction, status: int, now: float, *headers: str, reason: str = "") -> None:
    """Answer a request that makes no call."""
    phrase = reason or REASON_PHRASES.get(status, "Error")
    x.core.respond(tx, status, phrase, to_tag=x.token(), headers=headers, now=now)


def unsupported(request: Request, known: frozenset[str] = KNOWN_OPTIONS) -> tuple[str, ...]:
    """Option tags that the request requires and are not known (RFC 3261 §8.2.2.3)."""
    if "require" not in request.headers.first:
        return ()
    return tuple(tag for tag in request.headers.values("require") if tag.lower() not in known)


Owed = tuple[int, tuple[str, ...]]


def screen_any(request: Request) -> Owed | None:
    """The status and header lines owed to a request whose URI or required extensions we do not know (§8.2.2)."""
    scheme = request.uri.partition(":")[0].lower()
    if scheme not in _SCHEMES:
        return 416, ()
    unknown = unsupported(request)
    if unknown:
        return 420, (f"Unsupported: {', '.join(unknown)}",)
    return None


def screen(request: Request) -> Owed | None:
    """The status and header lines owed to an INVITE that cannot be taken by anyone (RFC 3261 §8.2.2-8.2.3)."""
    owed = screen_any(request)
    if owed is not None:
        return owed
    if request.max_forwards == 0:
        return 483, ()
    if request.body:
        if request.content_type not in (None, SDP) and not take_description(request):
            return 415, ("Accept: application/sdp",)
        if (request.headers.first.get("content-encoding") or "identity").lower() != "identity":
            return 415, ("Accept-Encoding: identity",)
    if "accept" in request.headers.first and not _accepts_sdp(request):
        return 406, ()
    return None


def _accepts_sdp(request: Request) -> bool:
    kinds = {value.partition(";")[0].strip().lower() for value in request.headers.values("accept")}
    return bool(kinds & {"application/sdp", "application/*", "*/*"})


def new_invite(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> None:
    """Take or refuse an INVITE outside a dialog."""
    owed = screen(request) or too_brief(x, request) or not_taken(x, request)
    if owed is not None:
        refuse(x, tx, owed[0], now, *owed[1])
        return
    known = _context(x, tx, request, now)
    if known is None:
        return
    context, account = known
    if "replaces" in request.headers.first:
        _replace(x, tx, request, account, now)
        return
    if account and (slot := x.settings.slots_dialled.get(_dialled(request))):
        _take_up(x, tx, request, account, slot, now)
        return
    room = x.anteroom
    short = room.open and not x.draining and room.must_wait(":" in tx.source[0], x.ports_owed)
    if short and room.enter(tx, request, context, account):
        return
    admit(x, tx, request, context, account, now)


def admit(x: Exchange, tx: ServerTransaction, request: Request, context: str, account: str, now: float) -> None:
    """Make a call of the INVITE of somebody who is known, if there is room."""
    if x.draining or len(x.calls) >= x.settings.max_calls:
        cause = SHUTDOWN if x.draining else CONGESTION
        refuse(x, tx, 503, now, cause.reason_header, "Retry-After: 5")
        return
    call = _open_call(x, tx, request, context, account, now)
    if call is not None:
        if account:
            call.account = call.caller.account = account
            call.caller.keys = x.settings.keys.get(account, "auto")
            _note_agent(x, call, account, now)
        _route(x, call, request, context, now)
        x.arm(call)


def _context(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> tuple[str, str] | None:
    """The trunk an INVITE comes from, or `phones` and the account that proved itself; else it is challenged."""
    host, port = tx.source
    # Whoever is on a WebSocket is no carrier, though it or the proxy before it be at the host of one.
    if not isinstance(tx.source, WebAddress) and x.phones.owner(tx.source, now) is None:
        trunk = x.routing.identify(host, port)
        if trunk is not None:
            if x.carriers.ambiguous:
                trunk = x.carriers.owner(trunk, tx.source, contact_user(request))
            return trunk, ""
    if x.door.turns_away(tx.source, request.headers.first.get("user-agent"), now):
        x.core.abandon(tx)
        return None
    credentials = x.authenticator.meant(request.headers.getall("proxy-authorization"))
    stale = False
    if credentials is not None:
        user, stale = x.authenticator.user(credentials, request.method, request.uri, now)
        if user is not None:
            x.door.proved(tx.source, now)
            return PHONES, user
    claimed = claimed_by(x, tx, request, now)
    note_failure(x, tx, claimed, credentials, now, stale=stale)
    challenge = x.authenticator.challenge(now, claimed, stale=stale)
    refuse(x, tx, 407, now, *(f"Proxy-Authenticate: {value}" for value in challenge))
    return None


def claimed_by(x: Exchange, tx: ServerTransaction, request: Request, now: float) -> str:
    """Which account somebody who is to be challenged says to be.

    From may name anybody, as the extension that people know a phone by: that of the phone which is registered there.
    """
    user = user_of(request.headers.first.get("from") or "")
    aor = None if x.authenticator.knows(user) else x.phones.owner(tx.source, now)
    return aor.partition("@")[0] if aor is not None else user


def note_failure(
    x: Exchange, tx: ServerTransaction, user: str, credentials: str | None, now: float, *, stale: bool
) -> None:
    """Somebody who is challenged: has a password failed, or does nobody have such an account?"""
    if credentials is not None:
        if not stale:
            x.door.failed(tx.source, now)
    elif not x.door.trusts(tx.source, now) and not x.authenticator.knows(user):
        x.door.failed(tx.source, now)


def _replace(x: Exchange, tx: ServerTransaction, request: Request, account: str, now: float) -> None:
    try:
        replace_leg(x, tx, request, account, now)
    except Declined as declined:
        refuse(x, tx, declined.status, now)


def _take_up(x: Exchange, tx: ServerTransaction, request: Request, account: str, slot: str, now: float) -> None:
    try:
        take_from_slot(x, tx, request, account, slot, now)
    except Declined as declined:
        refuse(x, tx, declined.status, now)


def _note_agent(x: Exchange, call: Call, account: str, now: float) -> None:
    """An agent who calls somebody is not offered other calls meanwhile."""
    agent = agent_of_account(x, account, call.caller.source)
    if agent:
        call.caller.agent_id = call.caller.record.agent = agent
        agent_began(x, call.caller, now)


def _open_call(
    x: Exchange, tx: ServerTransaction, request: Request, context: str, account: str, now: float
) -> Call | None:
    trunk = x.trunks.get(context)
    call_id = x.new_id()
    if trunk is not None and trunk.incoming:
        edit_headers(trunk, request)
    if trunk is None:
        who = caller_of(request, believed=False)
    else:
        who = caller_of(request, trunk.numbers.caller, believed=trunk.trusted)
    caller_record = leg_record(x, "caller", who.shown, now)
    caller = Leg(
        id=caller_record.id,
        call_id=call_id,
        role="caller",
        local_tag=x.token(),
        source=tx.source,
        nat=trunk.nat if trunk is not None else not by_proxy(request, tx.source),
        sdp_id=x.session_id(),
        record=caller_record,
        codecs=trunk.codecs if trunk is not None else (),
        srtp=policy_of(x, account) if trunk is None else trunk.srtp or x.settings.srtp,
        keys=trunk.keys if trunk is not None else "auto",
        audio_from=trunk.audio_from if trunk is not None else "",
    )
    if request.body:
        try:
            read_offer(x, caller, request.body)
        except SdpError as error:
            status = error.status or 488
            refuse(x, tx, status, now, NOT_ACCEPTABLE.reason_header)
            return None
    elif x.edge is not None and isinstance(tx.source, WebAddress):
        caller.web = WebMedia()
    if trunk is not None:
        channel = x.carriers.arrives(context, tx.source, now)
        if channel is None:
            refuse(x, tx, 503, now, CONGESTION.reason_header, "Retry-After: 5")
            return None
        caller.gateway = channel
    record = CallRecord(id=call_id, trunk=context, started_us=x.utc_us(now), legs=[caller.record])
    call = Call(id=call_id, caller=caller, invited_at=now, record=record)
    call.end_due = now + x.settings.call_duration
    if "expires" in request.headers.first:
        note_expiry(call, request, now)
    # One less than came in, so that calls which lead back to us end (RFC 3261 §16.6 step 3).
    call.max_forwards = min(request.max_forwards or 70, 70) - 1
    record_caller(x, call, who)
    x.calls[call_id] = call
    x.note_dialog(call_id, request.call_id)
    x.invites_in[caller.id] = tx
    tx.context = caller
    x.started += 1
    return call


def _route(x: Exchange, call: Call, request: Request, context: str, now: float) -> None:
    dialled = _dialled(request)
    trunk = x.trunks.get(context)
    if trunk is not None and not trunk.plain:
        dialled = rewrite_dialled(trunk, dialled, user_of(request.headers.first.get("to") or ""))
    route = x.routing.route(context, dialled) if dialled else NOT_FOUND
    if isinstance(route, NoRoute):
        dialled = _landed(x, request, context) or dialled
        route = x.routing.route(context, dialled) if dialled else NOT_FOUND
    _note_called(x, call, route)
    x.log("call.opened", call_id=call.id, trunk=context, called=call.record.called)
    if x.feed.listening:
        x.feed.publish(CallNews(step="opened", call=call.id, at_us=x.utc_us(now), detail=context))
    if call.max_forwards < _NEARBY and _comes_back(x, call, request):
        end_call(x, call, LOOPED, "switch", now)
    elif isinstance(route, NoRoute):
        end_call(x, call, FORBIDDEN if route.status == 403 else UNKNOWN, "switch", now)
    elif isinstance(route, ToFlow):
        start_flow(x, call, route.flow, route.variables, now)
    elif isinstance(route, ToQueue):
        _queue(x, call, route.group, now)
    else:
        _straight(x, call, route, now)


def _comes_back(x: Exchange, call: Call, request: Request) -> bool:
    """Whether a call of ours has led here, straight or by proxies, that came by this very number (RFC 3261 §16.3).

    A number may well lead to another of ours; a carrier that makes a new request hides this, and Max-Forwards ends it.
    """
    sender = x.core.sender_of(request)
    leg = sender.leg if isinstance(sender, Branch) else sender
    before = x.call_of(leg) if isinstance(leg, Leg) else None
    if before is None:
        return False
    call.way = (*before.way, (before.record.called, before.record.extension))
    return (call.record.called, call.record.extension) in call.way


def _dialled(request: Request) -> str:
    """What the Request-URI asks for, with the extension that may stand behind the host."""
    if "ext=" in request.uri or "postd=" in request.uri:
        return dialled_part(request.uri)
    try:
        return request.user
    except SipError:
        return ""


def _landed(x: Exchange, request: Request, context: str) -> str:
    """The published number whose call came on a landing number (落地号); empty when none is found."""
    trunk, headers = x.trunks.get(context), request.headers
    landing = recover(
        request.uri,
        to=headers.get("to") or "",
        diversion=headers.getall("diversion"),
        history=headers.getall("history-info"),
        table=trunk.landing if trunk is not None else None,
        ours=lambda number: not isinstance(x.routing.route(context, number), NoRoute),
    )
    return landing.dialled if landing.source != "none" else ""


def _note_called(x: Exchange, call: Call, route: Route) -> None:
    """Only a number of ours is kept in clear; one that leads nowhere may be anybody's."""
    if not isinstance(route, NoRoute):
        call.record.called = route.number
    if isinstance(route, ToFlow):
        call.record.extension = str(route.variables.get("extension", ""))
    elif isinstance(route, ToMask):
        call.record.extension = route.extension
    service = x.settings.services.get(call.record.called, NO_SERVICE)
    call.record_talk, call.failed_flow = service.record, service.failed


def _queue(x: Exchange, call: Call, group: str, now: float) -> None:
    """Answer, and let the caller wait for somebody of the group; nobody is answered for one that was removed."""
    if x.desk.group(group) is None:
        nobody(x, call, "failed", UNREGISTERED, "switch", now)
        return
    take_keys(x, call.caller)
    if not answer_caller(x, call, now):
        end_call(x, call, unheard(x, call), "switch", now)
    elif enqueue(x, call, group, now) is not None:
        nobody(x, call, "failed", UNREGISTERED, "switch", now)


def _straight(x: Exchange, call: Call, route: ToMask | ToTarget, now: float) -> None:
    """Connect without a flow; nobody asks anything, so the caller's final response is the far side's."""
    found = _target_of(x, call, route, now)
    if isinstance(found, ToGroup):
        wish = Wish(max_wait=x.settings.ring_timeout, music=())
        failure = None if enqueue(x, call, found.group, now, wish) is None else UNREGISTERED
    elif isinstance(found, str):
        nobody(x, call, found, cause_of_reason(found), "switch", now)
        return
    else:
        failure = invite_agent(x, call, found, x.settings.ring_timeout, now)
    if failure is not None:
        nobody(x, call, outcome_of(failure), failure, "switch", now)


def _target_of(x: Exchange, call: Call, route: ToMask | ToTarget, now: float) -> Found:
    """The target, or the word for why there is none."""
    if isinstance(route, ToMask):
        return find_masked(x, call, route.number, call.record.extension, now)
    return _open_target(route.target)


@lru_cache(maxsize=1024)
def _open_target(text: str) -> Found:
    """The target that stands in the dial plan."""
    try:
        target = parse_open_target(text)
    except TargetError:
        target = None
    return target if target is not None else "unknown"
