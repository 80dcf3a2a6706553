"""What each leg of a call hears: a pure plan from the call's state, and the difference sent to the media plane.

A plain talk of two is bridged where it begins (`connecting.join`) and needs none of this; a call has a plan from the
first command on, or from the first phone that puts somebody on hold.

* Who talks together is bridged when there are two, and else in a room that mixes. A supervisor who
  barges in counts; one who listens or whispers makes it a room, and is heard by nobody or by the agent alone.
* Who holds the others hears nothing. Who is left alone, because others hold or are away, hears music.
* While the agent consults, or waits for the target of a transfer, the others hear music or each other; the agent
  hears ringback until somebody answers.
* Who is parked hears music, or ringback while somebody's phone rings for them.
"""

from __future__ import annotations

from typing import Final

from switchboard.calls.call import Call, Control, Hears, Phase
from switchboard.calls.exchange import Exchange
from switchboard.calls.leg import Leg
from switchboard.calls.negotiation import passes_only
from switchboard.calls.playing import play_to, stop_playing
from switchboard.calls.reinvite import speak_ours

RINGBACK: Final = Hears("music", "tone:ringback")
_NOTHING: Final = Hears()


def control_of(call: Call) -> Control:
    """The call's control, made now when the call had none: to be asked for before anything of it is changed."""
    if call.control is None:
        call.control = Control()
        note_pair(call)
    return call.control


def note_pair(call: Call) -> None:
    """Caller and agent have just been bridged, and nobody else is heard."""
    if call.control is None:
        return
    call.control.wired = {}
    if call.agent is not None and call.agent.media_open and call.caller.media_open:
        call.control.wired = {
            call.caller.id: Hears("bridge", call.agent.id),
            call.agent.id: Hears("bridge", call.caller.id),
        }


def settle(x: Exchange, call: Call) -> None:
    """Caller and agent have just been bridged; a call that the call bar has touched goes on by its plan."""
    if call.control is not None:
        note_pair(call)
        rewire(x, call)


def plan(call: Call, music: str) -> dict[str, Hears]:
    """What each leg is to hear, by its id; who is not in it hears nothing of ours. `music` is for who waits."""
    control = call.control
    if control is None or not call.caller.media_open:
        return _dialling(call)
    wait = Hears("music", music)
    if call.phase is Phase.PARKED:
        return {call.caller.id: RINGBACK if control.target else wait}
    if call.phase is not Phase.TALKING or call.agent is None:
        return _dialling(call)
    members = [leg for leg in call.legs if _takes_part(call, leg)]
    supervisors = [leg for leg in call.others if leg.mode and leg.talking]
    if not control.target and not control.consulted:
        return _group(members, supervisors, call.agent, wait, alone=False)
    rest = [leg for leg in members if leg is not call.agent]
    hears = _group(rest, [], None, wait, alone=True)
    asked = call.leg(control.consulted)
    if asked is not None and asked.talking:
        hears.update(_group([call.agent, asked], supervisors, call.agent, wait, alone=False))
    else:
        hears[call.agent.id] = RINGBACK
    return hears


def _dialling(call: Call) -> dict[str, Hears]:
    """An agent who has clicked to call hears the other phone ring, or what comes from there already."""
    agent, caller = call.agent, call.caller
    if call.phase is not Phase.CONNECTING or caller.purpose != "originate" or agent is None:
        return {}
    if caller.media_open and agent.media_open:
        return {caller.id: Hears("bridge", agent.id), agent.id: Hears("bridge", caller.id)}
    return {agent.id: RINGBACK}


def _takes_part(call: Call, leg: Leg) -> bool:
    joined = leg is call.caller or leg is call.agent or leg.purpose == "invite"
    return joined and leg.talking and leg.media_open


def _group(
    members: list[Leg], supervisors: list[Leg], agent: Leg | None, wait: Hears, *, alone: bool
) -> dict[str, Hears]:
    """What those who belong together hear; `alone` when others are away, so that one who is left hears music."""
    active = [leg for leg in members if not leg.holds]
    if len(active) == 1 and (alone or len(members) > 1):
        return {active[0].id: wait}
    active += [leg for leg in supervisors if leg.mode == "barge"]
    quiet = [leg for leg in supervisors if leg.mode != "barge"]
    if len(active) < 2:
        return {}
    if len(active) == 2 and not quiet:
        one, other = active
        return {one.id: Hears("bridge", other.id), other.id: Hears("bridge", one.id)}
    room = active[0].lease.gen if active[0].lease is not None else 0
    hears = {leg.id: Hears("room", "", room) for leg in active}
    for leg in quiet:
        coaches = leg.mode == "whisper" and agent is not None and agent in active
        hears[leg.id] = Hears("room", agent.id if coaches and agent else "", room, "coach" if coaches else "listener")
    return hears


def rewire(x: Exchange, call: Call) -> None:
    """Let everybody hear what the plan says; only what differs is sent to the media plane."""
    if call.control is not None:
        _apply(x, call, call.control, plan(call, x.settings.hold_music))


def unwire(x: Exchange, call: Call) -> None:
    """Nobody hears anybody, and no music: the call goes elsewhere."""
    if call.control is not None:
        _apply(x, call, call.control, {})


def _apply(x: Exchange, call: Call, control: Control, new: dict[str, Hears]) -> None:
    old = control.wired
    legs = {leg.id: leg for leg in call.legs if leg.lease is not None}
    changed = [leg for leg in legs.values() if old.get(leg.id, _NOTHING) != new.get(leg.id, _NOTHING)]
    for leg in changed:
        _part(x, leg, old.get(leg.id, _NOTHING), new.get(leg.id, _NOTHING))
    joined: set[str] = set()
    # Whoever is coached must be in the room before the coach.
    for leg in sorted(changed, key=lambda leg: new.get(leg.id, _NOTHING).role != "party"):
        hears = new.get(leg.id, _NOTHING)
        assert leg.lease is not None
        other = legs.get(hears.of)
        if hears.by == "bridge":
            if other is not None and other.lease is not None and leg.id not in joined:
                x.media.bridge(leg.lease, other.lease)
                joined.add(other.id)
        elif hears.by == "room":
            x.media.join(leg.lease, hears.room, hears.role, other.lease if other is not None else None)
        elif hears.by == "music":
            play_to(x, leg, 0, (hears.of,), loop=True)
    control.wired = new
    heard = [leg for leg in legs.values() if new.get(leg.id, _NOTHING).by in ("room", "music")]
    if any(passes_only(leg) for leg in heard):
        # Both sides of what was passed through: one alone would no more be understood.
        x.run(lambda now: speak_ours(x, legs.values(), now))


def _part(x: Exchange, leg: Leg, old: Hears, new: Hears) -> None:
    assert leg.lease is not None
    if old.by == "bridge":
        x.media.unbridge(leg.lease)
    elif old.by == "music" and new.by != "music":
        stop_playing(x, leg)
    elif old.by == "room" and (new.by != "room" or new.room != old.room):
        x.media.leave(leg.lease)
