"""The INVITEs of one leg: to several destinations at once, one after another, and with credentials where asked for.

To the leg they are one: it learns of provisional responses, of the first 2xx, and when no more is to be hoped for, of
the best failure (RFC 3261 §16.7). A leg with one plain destination has none of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from switchboard.calls.carriers.credentials import ack_of, unwatched
from switchboard.calls.causes import CANCELLED, ELSEWHERE
from switchboard.calls.leg import LegState
from switchboard.calls.plan import Destination, Group, Plan
from switchboard.calls.securing import under_other_keys
from switchboard.calls.session_timers import longer_lines
from switchboard.sip.dialog import Dialog
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.transaction.table import Input

if TYPE_CHECKING:
    from media.sdes import Crypto
    from switchboard.calls.exchange import Exchange
    from switchboard.calls.leg import Leg
    from switchboard.sip.message import Response
    from switchboard.sip.transaction.client import ClientTransaction

MAX_BRANCHES: Final = 10
"""Destinations of one group that are called at once; RFC 3261 §16.6 leaves it to us."""
MAX_AGAIN: Final = 3
"""So often one destination may want the INVITE otherwise: with credentials, or a longer session."""
_RANK: Final = {486: 1, 480: 3, 487: 4, 408: 6, 503: 7}
"""Which failure tells the caller most, the lowest first (RFC 3261 §16.7 step 6 leaves it to us within a class)."""


class Branch(msgspec.Struct, eq=False):
    """One INVITE under way: the context of its transaction. `heard` is True from its first response on.

    `crypto` are the keys that it alone was offered.
    """

    leg: Leg
    found: Destination
    crypto: tuple[Crypto, ...] = ()
    tx: ClientTransaction | None = None
    heard: bool = False
    again: int = 0


class Failure(msgspec.Struct, frozen=True):
    """What is to be told of a leg that nobody answered: the best response, or why there was none."""

    tx: ClientTransaction
    status: int
    response: Response | None = None
    unreachable: bool = False


class Branches(msgspec.Struct, eq=False):
    """All INVITEs of a leg, made after `template`: those of `group` now, of which `live` have no final response yet.

    `rest` are the groups still to be called; `shown` tells that somebody has the keys of the template. `timer` belongs
    to the deadline heap; it ends the silence, or the ringing, of the group that was called at `since`. `asked` are the
    URIs that were called, or are to be, where one of them has led to the next.
    """

    leg: Leg
    template: OutgoingRequest
    group: Group
    rest: Plan
    since: float
    live: list[Branch] = []
    shown: bool = False
    best: Failure | None = None
    timer: int = 0
    asked: frozenset[str] = frozenset()


def begin(x: Exchange, leg: Leg, plan: Plan, template: OutgoingRequest, now: float) -> None:
    """Call the first group; `template` is the INVITE but for what a destination brings."""
    fan = x.branches[leg.id] = Branches(leg, template, plan[0], plan[1:], now)
    _call_group(x, fan, template.call_id, now)


def begin_elsewhere(
    x: Exchange, leg: Leg, plan: Plan, sent: OutgoingRequest, asked: frozenset[str], now: float
) -> None:
    """Nobody has taken what was `sent`, or what went before it: call others with the same."""
    forget_branches(x, leg)
    template = sent.again(sent.headers)
    fan = Branches(leg, template, plan[0], plan, now, shown=bool(leg.crypto), asked=asked)
    x.branches[leg.id] = fan
    _next_group(x, fan, now)


def cancel_invites(x: Exchange, leg: Leg, now: float, reason: str) -> None:
    """CANCEL whatever rings for a leg, with this header line; nobody else is called for it."""
    fan = x.branches.get(leg.id)
    if fan is None:
        x.core.cancel(x.invites_out[leg.id], now, (reason,))
        return
    fan.rest = ()
    x.branch_heap.cancel(fan)
    for branch in fan.live:
        _cancel(x, branch, reason, now)


def forget_branches(x: Exchange, leg: Leg) -> None:
    """The leg is over: what still comes of its INVITEs is refused."""
    fan = x.branches.pop(leg.id, None)
    if fan is not None:
        x.branch_heap.cancel(fan)
        while fan.live:
            _drop(x, fan, fan.live[-1])


def branch_response(x: Exchange, branch: Branch, response: Response, now: float) -> Failure | Response | None:
    """What the leg is to learn of a response to one of its INVITEs; None: nothing, as yet."""
    fan = x.branches.get(branch.leg.id)
    status = response.status
    if fan is None or branch not in fan.live:
        if 200 <= status < 300:
            _refuse(x, branch, response, now)
        return None
    if status < 200:
        _heard(x, fan, branch)
        _offered(branch)
        return response
    if status < 300:
        return _answered(x, fan, branch, response, now)
    if branch.leg.state is not LegState.CANCELLING and _ask_again(x, branch, response, now):
        return None
    return _failed(x, fan, branch, Failure(_sent(branch), status, response), now)


def branch_unreached(x: Exchange, branch: Branch, now: float, *, unreachable: bool) -> Failure | None:
    """Nothing came back in time, or the transport failed; what the leg is to learn of it."""
    fan = x.branches.get(branch.leg.id)
    if fan is None or branch not in fan.live:
        return None
    return _failed(x, fan, branch, Failure(_sent(branch), 503 if unreachable else 408, unreachable=unreachable), now)


def branches_due(x: Exchange, now: float) -> None:
    """A group that was silent, or has rung, for long enough gives way to the next."""
    while (due := x.branch_heap.pop_due(now)) is not None:
        fan = due[0]
        rest = _with_room(x, fan.rest, now)
        if not rest:
            # There is nobody else to be called now: who is being called may still answer.
            continue
        fan.rest = rest
        for branch in tuple(fan.live):
            _cancel(x, branch, CANCELLED.reason_header, now)
            _note(x, fan, branch, Failure(_sent(branch), 408), now)
        _next_group(x, fan, now)


# --- one group after another ---


def _with_room(x: Exchange, rest: Plan, now: float) -> Plan:
    """What is left of a plan from the first group on that has a free channel."""
    while rest and not any(not one.gateway or x.gateways.has_room(one.gateway, now) for one in rest[0].destinations):
        rest = rest[1:]
    return rest


def _next_group(x: Exchange, fan: Branches, now: float) -> None:
    leg = fan.leg
    x.branch_heap.cancel(fan)
    fan.group, fan.rest, fan.since = fan.rest[0], fan.rest[1:], now
    if leg.dialog is not None:
        # An early one of those who were called before.
        x.dialogs.pop((leg.dialog.call_id, leg.local_tag), None)
    if leg.media_open and leg.lease is not None:
        # Whoever was given up hears the caller no more.
        x.media.unbridge(leg.lease)
    leg.dialog, leg.early, leg.agreement, leg.media_open, leg.heard = None, {}, None, False, ""
    call, call_id = x.call_of(leg), x.token()
    if call is not None:
        x.note_dialog(call.id, call_id)
        x.log("call.next_group", call_id=call.id, left=len(fan.rest))
    _call_group(x, fan, call_id, now)


def _call_group(x: Exchange, fan: Branches, call_id: str, now: float) -> None:
    leg, destinations = fan.leg, fan.group.destinations[:MAX_BRANCHES]
    leg.source, leg.nat = destinations[0].address, destinations[0].nat
    leg.audio_from = destinations[0].audio_from
    for found in destinations:
        branch = Branch(leg, found)
        fan.live.append(branch)
        if found.gateway:
            x.gateways.began(found.gateway, now)
        _give_keys(x, fan, branch)
        _send(x, branch, _invite(fan, found, call_id), now)
    limit = fan.group.silence or fan.group.patience
    if fan.rest and limit:
        x.branch_heap.schedule(now + limit, fan, Input.TIMER_B)


def _give_keys(x: Exchange, fan: Branches, branch: Branch) -> None:
    """Who was offered keys is not to have those of anybody else: what both would be sent could be read by either."""
    if fan.leg.crypto and not branch.found.web:
        if fan.shown:
            fan.template.body = fan.leg.local_sdp = under_other_keys(x, fan.leg, fan.template.body)
        fan.shown, branch.crypto = True, fan.leg.crypto


def _offered(branch: Branch) -> None:
    """What the leg has offered to whom it hears of now."""
    if branch.crypto:
        branch.leg.crypto, branch.leg.local_sdp = branch.crypto, _sent(branch).request.body


def _kept(lines: tuple[str, ...], drops: frozenset[str]) -> tuple[str, ...]:
    return tuple([line for line in lines if line.partition(":")[0].lower() not in drops]) if drops else lines


def _send(x: Exchange, branch: Branch, out: OutgoingRequest, now: float) -> None:
    x.invites_out[branch.leg.id] = branch.tx = x.core.request(out, now, context=branch)


def _invite(fan: Branches, found: Destination, call_id: str) -> OutgoingRequest:
    template, web = fan.template, fan.leg.web
    return OutgoingRequest(
        method="INVITE",
        uri=found.uri,
        destination=found.address,
        from_=f"{found.from_};{template.from_.rpartition(';')[2]}" if found.from_ else template.from_,
        to=found.to,
        call_id=call_id,
        cseq=1,
        routes=found.routes,
        headers=(*_kept(template.headers, found.drops), *found.headers),
        body=web.offer if found.web and web is not None else template.body,
        max_forwards=template.max_forwards,
        nat=found.nat,
    )


# --- what comes back ---


def _heard(x: Exchange, fan: Branches, branch: Branch) -> None:
    """Somebody is there: the silence is over, the patience is not."""
    if not any(other.heard for other in fan.live):
        x.branch_heap.cancel(fan)
        if fan.rest and fan.group.patience:
            x.branch_heap.schedule(fan.since + fan.group.patience, fan, Input.TIMER_B)
    branch.heard = True


def _answered(x: Exchange, fan: Branches, branch: Branch, response: Response, now: float) -> Response | None:
    leg, found = branch.leg, branch.found
    if leg.state is LegState.CANCELLING and len(fan.live) > 1:
        _drop(x, fan, branch)
        _refuse(x, branch, response, now)
        return None
    fan.live.remove(branch)
    leg.source, leg.nat, leg.gateway = found.address, found.nat, found.gateway
    leg.audio_from = found.audio_from
    _offered(branch)
    x.invites_out[leg.id] = _sent(branch)
    if found.gateway:
        x.gateways.outcome(found.gateway, response.status, now)
    for other in fan.live:
        _cancel(x, other, ELSEWHERE, now)
    forget_branches(x, leg)
    return response


def _failed(x: Exchange, fan: Branches, branch: Branch, failure: Failure, now: float) -> Failure | None:
    _note(x, fan, branch, failure, now)
    cancelling = branch.leg.state is LegState.CANCELLING
    if failure.status >= 600 and not cancelling:
        # The last word: whoever else rings need not (RFC 3261 §16.7 step 5).
        for other in fan.live:
            _cancel(x, other, CANCELLED.reason_header, now)
        return failure
    if fan.live:
        return None
    assert fan.best is not None
    if fan.rest and not cancelling and fan.group.leads_on(fan.best.status) and (rest := _with_room(x, fan.rest, now)):
        fan.rest = rest
        _next_group(x, fan, now)
        return None
    return fan.best


def _note(x: Exchange, fan: Branches, branch: Branch, failure: Failure, now: float) -> None:
    _drop(x, fan, branch)
    if branch.leg.state is not LegState.CANCELLING:
        if failure.status == 503 or (failure.response is None and not branch.heard):
            x.locator.failed(branch.found.address, now)
        if branch.found.gateway:
            x.gateways.outcome(branch.found.gateway, failure.status, now, failure.response)
    if fan.best is None or _rank(failure) < _rank(fan.best):
        fan.best = failure


def _rank(failure: Failure) -> int:
    """How much a failure tells the caller, the most first."""
    status = failure.status
    if failure.response is None:
        return 9
    return 0 if status >= 600 else _RANK.get(status, 5 if status >= 500 else 2)


def _ask_again(x: Exchange, branch: Branch, response: Response, now: float) -> bool:
    """The same INVITE as the peer wants it: with credentials (RFC 3261 §22.2), or for longer (RFC 4028 §7.3)."""
    if branch.again >= MAX_AGAIN:
        return False
    sent, lines = _sent(branch).request, None
    if response.status == 422:
        lines = longer_lines(response, sent)
    elif response.status in (401, 407) and branch.found.gateway:
        lines = x.gateways.retry(branch.found.gateway, response, sent)
    if lines is None:
        return False
    branch.again += 1
    _send(x, branch, sent.again(lines), now)
    return True


def _sent(branch: Branch) -> ClientTransaction:
    assert branch.tx is not None
    return branch.tx


def _cancel(x: Exchange, branch: Branch, reason: str, now: float) -> None:
    x.core.cancel(_sent(branch), now, (reason,))


def _drop(x: Exchange, fan: Branches, branch: Branch) -> None:
    fan.live.remove(branch)
    if branch.found.gateway:
        x.gateways.over(branch.found.gateway)


def _refuse(x: Exchange, branch: Branch, response: Response, now: float) -> None:
    """A 2xx of one who is not wanted any more: acknowledge it and hang up (RFC 3261 §13.2.2.4)."""
    request = _sent(branch).request
    early = branch.leg.early.get(response.to_tag or "")
    if early is not None:
        dialog = early.dialog
        dialog.establish(response, request.destination)
    else:
        dialog = Dialog.as_client(request, response, request.destination, nat=branch.found.nat)
    x.core.send_ack(ack_of(x, branch.found.gateway, dialog, request, now), now)
    x.core.request(dialog.next_request("BYE", (ELSEWHERE,)), now, context=unwatched(branch.found.gateway, dialog))
