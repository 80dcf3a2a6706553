"""REFER by a phone: the call it is in goes to somebody else (RFC 3515, RFC 5589).

Only a phone of ours may: one that is registered, or an agent's; never the far side of a trunk. A number, an agent or
a flow is reached as that phone would dial it, and whoever is referred to a slot is parked there; another call of the
same phone, named by Replaces, is joined to this one. The phone stays in the call until the target answers, and goes on
with it when nobody does.

A call that the phone has made and that nobody has taken yet (RFC 5589 §7.6, semi-attended) is given up, and whom it
was to reach is called anew for the party that is handed on: behind this party's mask, on its media worker, in its
record. One that rings at the phone itself is not to be replaced: it did not begin that dialog (RFC 3891 §3).
"""

from __future__ import annotations

from typing import Final

from routing.dialplan import NoRoute, ToFlow, ToMask, ToQueue
from routing.masks.target import TargetError, is_public_number, parse_open_target
from switchboard.calls.attended import Declined, join_calls
from switchboard.calls.call import Call, Phase
from switchboard.calls.causes import CANCELLED
from switchboard.calls.commands import CommandError, Fault
from switchboard.calls.control.parties import undisturbed
from switchboard.calls.control.places import Party, Place, Queue, check_free, find_place
from switchboard.calls.control.transfer import check_open, hand_on
from switchboard.calls.ending import end_call
from switchboard.calls.exchange import PHONES, Exchange
from switchboard.calls.inbound import refuse, unsupported
from switchboard.calls.leg import Leg, LegState
from switchboard.calls.owners import account_of
from switchboard.calls.reaching import names_us
from switchboard.calls.referral import begin_referral, tell_referrer
from switchboard.calls.slots import park_referred
from switchboard.calls.turning import turn_round
from switchboard.sip.errors import ParseError
from switchboard.sip.message import Request
from switchboard.sip.refer import NO_SUBSCRIPTION, ReferTo, refer_to_of, referred_by_of, wants_subscription
from switchboard.sip.replaces import Replaces
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.uri import Uri

SIP_STATUS: Final[dict[Fault, int]] = {
    "no_call": 481,
    "not_yours": 403,
    "wrong_state": 491,
    "no_target": 404,
    "busy": 486,
    "unreachable": 480,
    "congestion": 503,
    "forbidden": 403,
    "invalid": 404,
}
"""What a referrer is told of a transfer that could not be begun."""

_NOT_TAKEN: Final = frozenset({Phase.ROUTING, Phase.FLOW, Phase.QUEUED, Phase.CONNECTING})
"""Phases in which a caller has nobody to talk to yet."""


def refer(x: Exchange, call: Call, leg: Leg, tx: ServerTransaction, request: Request, now: float) -> None:
    """A REFER within a call: 202, and NOTIFYs of what becomes of it; the call goes on when nothing does."""
    owner = account_of(x, call, leg, now)
    if not owner:
        refuse(x, tx, 403, now)
        return
    owed = _owed(request, leg)
    if isinstance(owed, tuple):
        refuse(x, tx, owed[0], now, *owed[1:])
        return
    told = wants_subscription(request)
    if call.id in x.subscriptions.about or leg.state is not LegState.CONFIRMED:
        refuse(x, tx, 491, now)
        return
    headers = (x.contact,) if told else (x.contact, NO_SUBSCRIPTION)
    x.core.respond(tx, 202, "Accepted", headers=headers, now=now)
    if told:
        begin_referral(x, call, leg, request.cseq, owner, now)
    x.log("call.referred", call_id=call.id, attended=owed.replaces is not None)
    try:
        _begin(x, call, leg, owed, now)
    except CommandError as error:
        tell_referrer(x, call, SIP_STATUS[error.fault], now)
    except Declined as declined:
        tell_referrer(x, call, declined.status, now)


def _owed(request: Request, leg: Leg) -> ReferTo | tuple[int, *tuple[str, ...]]:
    """Where the REFER points, or the status and header lines owed to one that points nowhere (RFC 3515 §2.4.2)."""
    unknown = unsupported(request)
    if unknown:
        return 420, f"Unsupported: {', '.join(unknown)}"
    try:
        refer_to = refer_to_of(request)
        referred_by_of(request)
    except ParseError as error:
        return (error.status or 400,)
    if not refer_to.uri.is_sip and refer_to.uri.scheme != "tel":
        return (416,)
    return refer_to if refer_to.method == "INVITE" else (403,)


def _begin(x: Exchange, call: Call, leg: Leg, owed: ReferTo, now: float) -> None:
    """Begin the transfer; raises `CommandError` or `Declined`, and the phone keeps the call."""
    asked = None
    if owed.replaces is not None:
        asked = _not_taken(x, owed.replaces)
        if asked is None:
            join_calls(x, call, leg, owed.replaces, now)
            return
        if asked is call or account_of(x, asked, asked.caller, now) != account_of(x, call, leg, now):
            raise Declined(403)
    _lead(x, call, leg, now)
    slot = x.settings.slots_dialled.get(owed.uri.user_text) if asked is None and names_us(x, owed.uri) else None
    if slot:
        park_referred(x, call, leg, slot, now)
        return
    place = place_of(x, call, owed.uri, now) if asked is None else _place_asked(x, call, asked, now)
    check_open(x, call, place, now)
    check_free(x, place, *(one.id for one in (call, asked) if one is not None))
    kept = _give_up(x, call, asked, place, now) if asked is not None else ""
    if not isinstance(place, Party):
        # Who waits in a queue or talks to a flow is answered; the phone's own call is over with that.
        tell_referrer(x, call, 200, now)
    try:
        hand_on(x, call, place, now, stays=True)
    except CommandError:
        if kept:
            x.desk.call_over(kept, call.id, now)
        raise


def _give_up(x: Exchange, call: Call, asked: Call, place: Place, now: float) -> str:
    """End the phone's call to who has not answered; the agent who is kept from other calls until called again, or "".

    Before they are: a phone with one line is free by then.
    """
    agent = place.agent if isinstance(place, Party) and call.leg_of(place.agent) is None else ""
    if agent:
        # In between a queue would ring them for somebody else.
        x.desk.call_began(agent, call.id, now)
    end_call(x, asked, CANCELLED, "caller", now)
    return agent


def _not_taken(x: Exchange, replaces: Replaces) -> Call | None:
    """The call with nobody on its far side yet whose caller has the dialog that is named; None when there is none."""
    leg = x.dialogs.get((replaces.call_id, replaces.to_tag))
    if leg is None or leg.dialog is None or leg.dialog.remote_tag != replaces.from_tag:
        return None
    call = x.call_of(leg)
    if call is None or leg is not call.caller:
        return None
    if leg.state is not LegState.CONFIRMED and leg.id not in x.invites_in:
        # It rings at the phone, for a call of ours.
        return None
    # With early-only one that is answered is refused as any (RFC 3891 §3).
    return call if call.phase in _NOT_TAKEN and not (replaces.early_only and leg.talking) else None


def _place_asked(x: Exchange, call: Call, asked: Call, now: float) -> Place:
    """Where the phone's other call was to lead: the queue it waits in, else what was dialled."""
    if asked.phase is Phase.QUEUED:
        return find_place(x, call, f"group:{asked.record.group}", now)
    dialled, extension = asked.record.called, asked.record.extension
    return _as_dialled(x, call, f"{dialled},{extension}" if extension else dialled, now)


def _lead(x: Exchange, call: Call, leg: Leg, now: float) -> None:
    """See that the phone leads the talk, alone with the other; raises `CommandError`."""
    if leg is call.caller and call.agent is not None and call.agent.talking:
        turn_round(x, call, now)
    if leg is not call.agent:
        raise CommandError("not_yours", "only who leads the call may hand it on")
    if undisturbed(call).mixed:
        raise CommandError("wrong_state", "a conference cannot be transferred")


def place_of(x: Exchange, call: Call, uri: Uri, now: float) -> Place:
    """What a phone means by a URI: as it dials, else an agent, an account or a public number; `no_target` if none.

    A host that is not ours is nobody's to call through us.
    """
    dialled = (uri.user or "") if uri.scheme == "tel" else uri.user_text.partition(";")[0]
    if uri.is_sip and not names_us(x, uri):
        raise CommandError("forbidden", "calls go to places of this switch and public numbers")
    if not dialled:
        raise CommandError("no_target", "nobody is named")
    return _as_dialled(x, call, dialled, now)


def _as_dialled(x: Exchange, call: Call, dialled: str, now: float) -> Place:
    route = x.routing.route(PHONES, dialled)
    if isinstance(route, NoRoute):
        return _beyond_the_plan(x, call, dialled, now)
    if isinstance(route, ToQueue):
        return Queue(route.group)
    if isinstance(route, ToFlow):
        return find_place(x, call, f"flow:{route.flow}", now)
    if isinstance(route, ToMask):
        return find_place(x, call, f"extension:{route.number},{route.extension}", now)
    try:
        target = parse_open_target(route.target)
    except TargetError:
        target = None
    if target is None:
        raise CommandError("no_target", "the dial plan leads nowhere")
    return Party(target, x.desk.agent_at(route.target))


def _beyond_the_plan(x: Exchange, call: Call, dialled: str, now: float) -> Place:
    if x.desk.phone_of(dialled) is not None:
        return find_place(x, call, f"agent:{dialled}", now)
    if x.registrar.lookup(f"{dialled}@{x.settings.domain}", now):
        return find_place(x, call, f"aor:{dialled}", now)
    if is_public_number(dialled):
        return find_place(x, call, f"number:{dialled}", now)
    raise CommandError("no_target", "no such number, agent or account")
