"""A called party that sends us elsewhere (3xx, RFC 3261 §8.1.3.4), and whom we follow there.

Where a caller ends up is decided by the dial plan and by nobody who is called: else a phone, or a stranger's server,
could have us call any number by a trunk, at our cost. So a Contact is followed only to an account of ours, and from an
address of the dial plan to the same host. What a trunk or a browser says is not followed.

An agent is called for what the desk knows of the agent. So nobody is led to the phone of an agent, which would ring
without the desk; and of the agents' own phones only one at a fixed address leads on, for the same agent: wherever it is
answered, the call is that agent's.
"""

from __future__ import annotations

from typing import Final

from routing.masks.target import AorTarget, SipTarget, TargetError, parse_open_target
from switchboard.calls.branches import Branch, begin_elsewhere
from switchboard.calls.call import Call
from switchboard.calls.causes import Cause
from switchboard.calls.connecting import plan_of
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, LegState, Purpose
from switchboard.calls.plan import Destination, Group, Plan
from switchboard.calls.reaching import names_us
from switchboard.sip.address import NameAddr, parse_name_addr
from switchboard.sip.binding import preference
from switchboard.sip.errors import ParseError
from switchboard.sip.message import Response
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.uri import Uri, parse_uri

MOST_CONTACTS: Final = 4
"""So many Contacts of one response are looked at, the preferred first."""
MOST_PLACES: Final = 8
"""So many places are called for one leg, in all, after others have led there."""
_LED: Final[frozenset[Purpose]] = frozenset({"connect", "offer", "transfer", "consult", "invite"})
"""What for somebody is called who may lead us on; a party that a call of ours begins with is called where it is."""


def followed(x: Exchange, leg: Leg, tx: ClientTransaction, response: Response, now: float) -> bool:
    """Call who is called now where a 3xx leads; False where it leads nowhere that we go, and the attempt has failed."""
    call = x.call_of(leg)
    if call is None or not call.owns(leg) or leg.state not in (LegState.INVITED, LegState.EARLY):
        return False
    sent, branch, fan = tx.request, tx.context, x.branches.get(leg.id)
    if leg.purpose not in _LED or leg.web is not None or (isinstance(branch, Branch) and branch.found.gateway):
        return False
    asked = (fan.asked if fan is not None else frozenset()) | {sent.uri}
    peer = branch.found.peer if isinstance(branch, Branch) else leg.record.peer
    fixed = sent.uri if peer == sent.uri else ""
    # Who is to answer by itself is its own user's phone.
    if (leg.agent_id and not fixed) or any(line in sent.headers for line in x.settings.auto_answer):
        return False
    plan: Plan = ()
    for contact in _contacts(response):
        groups = _way(x, call, leg, contact, fixed, now)
        new = {one.uri for one in _all(groups)}
        if new and not new & asked and len(asked | new) <= MOST_PLACES:
            plan, asked = plan + groups, asked | new
    if not plan:
        x.log("call.redirect_refused", call_id=call.id, status=response.status)
        return False
    x.log("call.redirected", call_id=call.id, status=response.status, places=len(plan))
    leg.record.peer = plan[0].destinations[0].peer
    begin_elsewhere(x, leg, plan, sent, asked, now)
    return True


def _contacts(response: Response) -> list[Uri]:
    """Those of a response that SIP can call as they are, the preferred first (RFC 3261 §8.1.3.4)."""
    found: list[tuple[float, Uri]] = []
    for value in response.headers.values("contact")[: 2 * MOST_CONTACTS]:
        try:
            contact: NameAddr = parse_name_addr(value, "Contact")
            uri = parse_uri(contact.uri)
        except ParseError:
            continue
        # What it would have in the request beside its URI is not ours to send (RFC 3261 §19.1.5).
        if uri.is_sip and not uri.headers and "method" not in uri.params and "maddr" not in uri.params:
            found.append((preference(contact.params), uri))
    found.sort(key=lambda one: -one[0])
    return [uri for _, uri in found[:MOST_CONTACTS]]


def _way(x: Exchange, call: Call, leg: Leg, contact: Uri, fixed: str, now: float) -> Plan:
    """The groups that a Contact stands for; empty where we do not go."""
    if names_us(x, contact):
        user = contact.user_text
        if not user or x.desk.agent_at(f"aor:{user}"):
            return ()
        plan = plan_of(x, call, AorTarget(user), now)
    elif fixed and _same_host(contact, parse_uri(fixed)):
        try:
            there = parse_open_target(str(contact))
        except TargetError:
            return ()
        if not isinstance(there, SipTarget) or _is_agents(x, contact, fixed):
            return ()
        plan = plan_of(x, call, there, now)
        if not isinstance(plan, Cause) and any(x.routing.identify(*one.address) for one in _all(plan)):
            return ()
    else:
        return ()
    if isinstance(plan, Cause) or not all(_fits(x, leg, one) for one in _all(plan)):
        return ()
    return tuple([Group(group.destinations, None, group.silence, group.patience) for group in plan])


def _same_host(contact: Uri, fixed: Uri) -> bool:
    """Whether a Contact is at the host that was called, and as secure a way there."""
    return contact.host.lower() == fixed.host.lower() and (contact.scheme == "sips" or fixed.scheme != "sips")


def _is_agents(x: Exchange, contact: Uri, fixed: str) -> bool:
    """Whether the fixed address of an agent's phone is meant, in whatever spelling."""
    plain = Uri(contact.scheme, contact.user, host=parse_uri(fixed).host, port=contact.port)
    return bool(x.desk.agent_at(str(contact)) or x.desk.agent_at(str(plain)))


def _fits(x: Exchange, leg: Leg, found: Destination) -> bool:
    """Whether the offer that was made may go there."""
    return (found.srtp or x.settings.srtp) == leg.srtp and not found.web and not found.gateway


def _all(plan: Plan) -> list[Destination]:
    return [one for group in plan for one in group.destinations]
