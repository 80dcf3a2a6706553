"""What must hold of calls: meanwhile, whenever the network is still, and after a history of them has ended."""

from __future__ import annotations

from typing import Final

from ivr_flows.position import Position, Waiting
from switchboard.calls.call import Call, Phase
from switchboard.store.records import CallRecord, decode_snapshot
from switchboard.store.segments import Kind
from tests.support.call_history import CALLER, PIN, History
from tests.support.exchange import AGENT, Peer, World

_HEARD: Final = (Waiting.PLAYING, Waiting.PROMPTING, Waiting.GREETING, Waiting.LEAVING)
_MUSICAL: Final = ("wait", "line")
"""Nodes of the flows that play music to who waits there."""


def oddities(world: World) -> list[str]:
    """What does not fit together while calls are up and the network is still; empty when all does."""
    return [f"{call.phase.name}: {odd}" for call in world.exchange.calls.values() for odd in _oddities_of(world, call)]


def _oddities_of(world: World, call: Call) -> list[str]:
    lease = call.caller.lease
    found = [] if call.armed == call.deadline else ["its timer is not its deadline"]
    if call.phase is Phase.ENDING or lease is None or world.plane.leased.get(lease.port) != lease:
        return found
    if call.phase is Phase.TALKING:
        found += _oddities_of_talk(world, call, lease.port)
    elif call.position is not None:
        found += _oddities_of_sound(world, call, call.position, lease.port)
    if call.phase is Phase.FLOW and call.position is not None:
        found += _oddities_of_flow(world, call.position, lease.port)
    if bool(call.recording) != (lease.port in world.plane.recording):
        found.append(f"{call.recording!r} is recorded")
    return found


def _oddities_of_talk(world: World, call: Call, port: int) -> list[str]:
    plane, agent = world.plane, call.agent
    opened, playing = plane.opened.get(port), plane.playing.get(port)
    found = []
    assert agent is not None
    assert agent.lease is not None
    if opened is not None and plane.bridges.get(port) != agent.lease.port:
        found.append("both do not hear each other")
    if opened is not None and opened.digits:
        found.append("keys are not for the talk")
    if playing is not None and playing[1] != ("zh/last_minute",):
        found.append(f"{playing} plays on")
    return found


def _oddities_of_flow(world: World, position: Position, port: int) -> list[str]:
    plane = world.plane
    opened = plane.opened.get(port)
    found = []
    if port in plane.bridges:
        found.append("somebody else is heard")
    if opened is None or not opened.digits:
        found.append("keys are not heard")
    if (port in plane.concealed) != position.concealed:
        found.append("recordings hold what they must not, or silence")
    if (position.waiting is Waiting.MESSAGING) != (port in plane.messages):
        found.append(f"{position.waiting} and {plane.messages}")
    return found


def _oddities_of_sound(world: World, call: Call, position: Position, port: int) -> list[str]:
    playing = world.plane.playing.get(port)
    waiting, node = position.waiting, position.node
    if waiting in _HEARD and call.speaking != position.play_id and (not playing or playing[0] != position.play_id):
        return [f"nothing plays for {position}"]
    if waiting is Waiting.QUEUED and node in _MUSICAL and "music/hold" not in str(playing):
        return ["there is no music"]
    if waiting in (Waiting.KEYING, Waiting.MESSAGING) and playing is not None:
        return [f"{playing} plays on"]
    return []


def faults(history: History) -> list[str]:
    """What is wrong, in words; empty when all is well."""
    world, x = history.world, history.world.exchange
    found = [f"left over: {world.leftovers()}"] if world.leftovers() else []
    if x.heap.next_deadline() is not None or x.after_heap.next_deadline() is not None:
        found.append("a timer is left")
    if x.started != x.ended:
        found.append(f"{x.started} calls began, {x.ended} ended")
    found += _record_faults(world)
    found += _dialog_faults(history)
    for kind, _, payload in world.journal.entries:
        written = payload
        if kind in (Kind.OPENED, Kind.CHANGED):
            state = decode_snapshot(payload).state
            written += world.vault.open_state(state) if state else b""
        if PIN.encode() in written:
            found.append("a secret was written down")
        if CALLER.encode() in payload:
            found.append("a number was written in clear")
    return found


def _record_faults(world: World) -> list[str]:
    records = world.journal.records
    ids = [call_id for kind, call_id, _ in world.journal.entries if kind == Kind.ENDED]
    found = [] if len(set(ids)) == len(ids) == world.exchange.started else [f"{len(ids)} final records"]
    for record in records:
        found += [f"{record.called}: {fault}" for fault in _faults_of(record)]
    return found


def _dialog_faults(history: History) -> list[str]:
    found = []
    for caller in history.callers:
        if len(set(caller.finals)) != 1:
            found.append(f"an INVITE got {caller.finals}")
        if caller.answered and not caller.left and not _has(caller.peer, "BYE", caller.out.call_id):
            found.append("a caller was answered and never told of the end")
    sent = b"".join(data for source, _, data in history.world.sent if source == AGENT and data.startswith(b"BYE"))
    found += [
        "an agent answered and was never told of the end"
        for call_id in history.answered
        if call_id.encode() not in sent and not _has(history.world.agent, "BYE", call_id)
    ]
    return found


def _has(peer: Peer, method: str, call_id: str) -> bool:
    return any(request.method == method and request.call_id == call_id for _, request in peer.requests)


def _faults_of(record: CallRecord) -> list[str]:
    found = []
    if not (record.cause and record.ended_by and record.ended_us):
        found.append("the end is not told")
    at = record.started_us
    for segment in record.segments:
        if segment.started_us < at or segment.ended_us is None or segment.ended_us < segment.started_us:
            found.append(f"segments out of order or open: {record.segments}")
        at = segment.ended_us or at
    if record.ended_us is not None and at > record.ended_us:
        found.append("a segment ends after the call")
    found += [f"leg {leg.role} is open" for leg in record.legs if leg.ended_us is None]
    return found
