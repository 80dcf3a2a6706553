"""Where a command sends somebody: the text of a place, looked up; numbers stay sealed and masked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from routing.masks.secret import RealNumber
from routing.masks.target import AorTarget, NumberTarget, Target, TargetError, parse_number, parse_open_target
from switchboard.calls.attempts import invite_leg
from switchboard.calls.call import Call
from switchboard.calls.causes import CONGESTION, Cause
from switchboard.calls.commands import CommandError
from switchboard.calls.connecting import agent_of
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg, Purpose


class Party(NamedTuple):
    """Somebody with a phone; `agent` is "" for who is no agent of ours, `shown` what the mask shows there."""

    target: Target
    agent: str = ""
    shown: str = ""


class Queue(NamedTuple):
    """A skill group."""

    group: str


class Script(NamedTuple):
    """A flow."""

    flow: str


Place = Party | Queue | Script


def find_place(x: Exchange, call: Call | None, text: str, now: float) -> Place:
    """The place a text names; `no_target` when there is none, `invalid` for a text that names no kind of place."""
    kind, _, name = text.partition(":")
    find = _KINDS.get(kind)
    if find is None or not name:
        raise CommandError("invalid", "a place is agent:ID, group:NAME, flow:NAME, number:DIGITS or aor:USER")
    return find(x, call, name, now)


def find_party(x: Exchange, call: Call | None, text: str, now: float) -> Party:
    """As `find_place`, for one who can be talked to: of a group somebody who is free, never a flow."""
    place = find_place(x, call, text, now)
    if isinstance(place, Queue):
        agent = x.desk.free_agent(place.group, now)
        if not agent:
            raise CommandError("unreachable", "nobody of the group is free")
        place = _agent(x, call, agent, now)
    if not isinstance(place, Party):
        raise CommandError("invalid", "a flow cannot be talked to")
    return place


def check_free(x: Exchange, place: Place, *besides: str) -> None:
    """Refuse an agent who is in another call than those `besides`, or rung for one: nobody has two calls at once."""
    if isinstance(place, Party) and place.agent and x.desk.in_call(place.agent, besides):
        raise CommandError("busy", "the agent is in another call")


def own_phone(x: Exchange, call: Call | None, agent: str, now: float) -> Party:
    """The phone of whoever commands, which is to be called; `invalid` for one who works as no agent."""
    if not agent:
        raise CommandError("invalid", "this account belongs to no agent, so it has no phone to call")
    return _agent(x, call, agent, now)


def call_party(
    x: Exchange,
    call: Call,
    party: Party,
    purpose: Purpose,
    now: float,
    *,
    auto_answer: bool = False,
    group: str = "",
) -> Leg:
    """Call them for a purpose; `unreachable` or `congestion` when that is not possible, `wrong_state` for one here."""
    if party.agent and any(leg.agent_id == party.agent for leg in call.legs):
        raise CommandError("wrong_state", "they are in this call already")
    leg = invite_leg(
        x,
        call,
        party.target,
        purpose=purpose,
        ring_timeout=x.settings.ring_timeout,
        now=now,
        agent_id=party.agent,
        group=group,
        headers=x.settings.auto_answer if auto_answer else (),
        shown=party.shown,
    )
    if isinstance(leg, Cause):
        raise refusal_of(leg)
    return leg


def refusal_of(cause: Cause) -> CommandError:
    """What a command is told when somebody cannot even be called."""
    if cause is CONGESTION:
        return CommandError("congestion", "no port is free for one more party")
    return CommandError("unreachable", f"they cannot be called: {cause.word}")


def _agent(x: Exchange, call: Call | None, name: str, now: float) -> Party:
    phone = x.desk.phone_of(name)
    try:
        target = parse_open_target(phone) if phone else None
    except TargetError:
        target = None
    if target is None:
        raise CommandError("no_target", "no such agent, or no phone of theirs is known")
    return Party(target, name)


def _group(x: Exchange, call: Call | None, name: str, now: float) -> Queue:
    if x.desk.group(name) is None:
        raise CommandError("no_target", "no such group")
    return Queue(name)


def _flow(x: Exchange, call: Call | None, name: str, now: float) -> Script:
    if x.flows.newest(name) is None:
        raise CommandError("no_target", "no such flow")
    return Script(name)


def _number(x: Exchange, call: Call | None, name: str, now: float) -> Party:
    if x.settings.outbound is None:
        raise CommandError("no_target", "no trunk is configured for calls to numbers")
    try:
        number = RealNumber(parse_number(name))
    except ValueError as error:
        raise CommandError("invalid", "not a telephone number") from error
    trunk, shown = x.settings.outbound
    return Party(NumberTarget(x.secrets.seal(number), trunk, shown))


def _extension(x: Exchange, call: Call | None, name: str, now: float) -> Party | Queue:
    number, _, extension = name.partition(",")
    found = x.routing.resolve(number, extension, x.utc_us(now) / 1e6)
    if found.group:
        return _group(x, call, found.group, now)
    if found.target is None:
        raise CommandError("no_target", f"the extension leads nowhere: {found.reason}")
    return Party(found.target, agent_of(x, found.target), found.shown)


def _aor(x: Exchange, call: Call | None, name: str, now: float) -> Party:
    try:
        target = parse_open_target(f"aor:{name}")
    except TargetError:
        target = None
    if not isinstance(target, AorTarget):
        raise CommandError("invalid", "not a softphone account")
    return Party(target, agent_of(x, target))


_KINDS: Final[dict[str, Callable[[Exchange, Call | None, str, float], Place]]] = {
    "agent": _agent,
    "group": _group,
    "flow": _flow,
    "number": _number,
    "extension": _extension,
    "aor": _aor,
}
