"""Whatever is commanded, by whomever, whenever, and whatever phones do meanwhile: nobody is stuck, nothing is left."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from switchboard.calls.call import Call, Phase
from switchboard.calls.commands import (
    Actor,
    Add,
    Back,
    CancelTransfer,
    Command,
    CommandError,
    Complete,
    Consult,
    Dial,
    Drop,
    HangUp,
    Hold,
    InviteRating,
    Merge,
    Mute,
    Park,
    Pick,
    RecordTalk,
    Resume,
    SendDigits,
    StopSupervising,
    Supervise,
    ToSurvey,
    Transfer,
    Unpark,
    Verified,
)
from switchboard.calls.control import COMMANDS, command
from switchboard.calls.wiring import plan
from switchboard.sip.transaction.table import State
from tests.support.exchange import NUMBER, REAL, Peer
from tests.unit.calls.control.stage import AGENTS, Stage

_OPEN: Final = (State.TRYING, State.PROCEEDING)
_PLACES: Final = (
    *[f"agent:{name}" for name in AGENTS],
    "group:care",
    "flow:hold_music",
    "flow:hotline",
    f"number:{REAL}",
    f"extension:{NUMBER},345678",
    "agent:nobody",
    "aor:alice",
)

places = st.sampled_from(_PLACES)
which = st.integers(0, 5)
Step = tuple[Any, ...]


def step(name: str, *values: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """A step of this name."""
    return st.tuples(st.just(name), *values)


_actors = st.sampled_from([*["own"] * 9, *AGENTS, "boss", "boss", "system"])
"""`own` is the agent who leads the call."""


def cmd(kind: type[Command], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """A command of this type about some call, by somebody."""
    return step("command", which, st.builds(kind, **fields), _actors, st.booleans())


modes = st.sampled_from(["listen", "whisper", "barge"])
_phones = st.sampled_from(["agent:ben", "agent:carl", f"number:{REAL}"])
_FIRST: Final = st.one_of(
    st.builds(Consult, to=_phones),
    st.builds(Consult, to=_phones),
    st.builds(Transfer, to=_phones, blind=st.booleans()),
    st.builds(Add, to=_phones),
    st.builds(Park),
    st.builds(Hold),
    st.builds(Supervise, mode=modes),
)
_SECOND: Final = st.one_of(
    *[st.builds(kind) for kind in (Complete, Back, Merge, CancelTransfer, Resume, Unpark, HangUp, StopSupervising)],
    st.builds(Drop, leg=st.just("0")),
    st.builds(Supervise, mode=modes),
    st.builds(Transfer, to=places, blind=st.booleans()),
)

steps = st.one_of(
    *[step("both", _FIRST, _SECOND, st.booleans()) for _ in range(5)],
    step("dial", st.sampled_from(["", "anna", "ben", "carl"])),
    *[step("answers", which, st.just(200)) for _ in range(4)],
    step("answers", which, st.sampled_from([180, 183, 486, 480])),
    step("hangs_up", which),
    step("describes", which, st.sampled_from(["sendonly", "inactive", "sendrecv", "sendrecv"])),
    step("caller_leaves", which),
    step("wait", st.sampled_from([0.1, 1.0, 5.0, 16.0, 31.0])),
    step("lose", st.integers(0, 3)),
    step("silent", which),
    step("lose_worker"),
    step("ports", st.booleans()),
    cmd(Hold),
    cmd(Resume),
    cmd(Mute, on=st.booleans()),
    cmd(SendDigits, digits=st.sampled_from(["1", "12#"])),
    cmd(Transfer, to=places, blind=st.booleans()),
    cmd(Transfer, to=places, blind=st.booleans()),
    cmd(CancelTransfer),
    cmd(Consult, to=places),
    cmd(Consult, to=places),
    cmd(Complete),
    cmd(Back),
    cmd(Merge),
    cmd(Add, to=places),
    cmd(Drop, leg=which.map(str)),
    cmd(Supervise, mode=modes, supervisor=st.sampled_from(["", "carl", "dora"])),
    cmd(StopSupervising, supervisor=st.sampled_from(["", "carl", "dora"])),
    cmd(Park, slot=st.sampled_from(["", "", "2"])),
    cmd(Unpark, slot=st.sampled_from(["", "1", "2"])),
    cmd(Pick, agent=st.sampled_from(["", "carl"])),
    cmd(ToSurvey),
    cmd(InviteRating),
    cmd(HangUp),
    cmd(Dial, to=places),
    cmd(Verified),
    cmd(RecordTalk, do=st.sampled_from(["start", "stop", "pause", "resume"])),
)


class History:
    """Takes steps; each does nothing where it makes no sense."""

    def __init__(self) -> None:
        self.stage = stage = Stage(ring_timeout=10)
        self.world, self.x = stage.world, stage.x
        self.drops = 0
        self.held: list[Any] = []
        self.outs: list[Any] = []
        self.cseq = 100
        self.world.lost = self._lost

    def _lost(self, destination: object, data: bytes) -> bool:
        if self.drops and not data.startswith(b"INVITE sip:4003"):
            self.drops -= 1
            return True
        return False

    def _call(self, number: int) -> Call | None:
        calls = list(self.x.calls.values())
        return calls[number % len(calls)] if calls else None

    # --- steps ---

    def dial(self, ready: str) -> None:
        """A caller comes; `ready` is the agent the queue offers, "" for nobody."""
        self.stage.desk.ready = ready
        out, _ = self.world.dial("4003")
        self.outs.append(out)
        if any(response.call_id == out.call_id and response.status == 200 for response in self.world.carrier.responses):
            self.world.within(self.world.carrier, out, "ACK", 1)

    def answers(self, number: int, status: int) -> None:
        """A phone that rings does something."""
        ringing = [
            (peer, index)
            for peer in (*self.stage.phones.values(), self.world.agent)
            for index, (tx, request) in enumerate(peer.requests)
            if request.method == "INVITE" and tx.state in _OPEN
        ]
        if ringing:
            peer, index = ringing[number % len(ringing)]
            body = peer.answer(peer.requests[index][1].body) if status in (183, 200) else b""
            self.world.reply(peer, status, body=body, index=index)

    def _answers(self, call_id: str) -> None:
        for peer in (*self.stage.phones.values(), self.world.agent):
            for index, (tx, request) in enumerate(peer.requests):
                if request.method == "INVITE" and request.call_id == call_id and tx.state in _OPEN:
                    self.world.reply(peer, 200, body=peer.answer(request.body), index=index)

    def _talking(self) -> list[str]:
        return [name for name, peer in self.stage.phones.items() if peer.acks]

    def hangs_up(self, number: int) -> None:
        """A phone that was in a call hangs up."""
        if names := self._talking():
            self.stage.hangs_up(names[number % len(names)])

    def describes(self, number: int, direction: str) -> None:
        """A phone holds, or is back."""
        if names := self._talking():
            self.stage.describes(names[number % len(names)], direction)

    def caller_leaves(self, number: int) -> None:
        """A caller hangs up."""
        if self.outs:
            out = self.outs[number % len(self.outs)]
            answered = [one for one in self.world.carrier.responses if one.call_id == out.call_id and one.status == 200]
            if answered:
                self.stage.out = out
                self.stage.hangs_up_caller_of(out, answered[0])

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._answer()
        self.world.advance(seconds)

    def lose(self, count: int) -> None:
        """The next datagrams are lost."""
        self.drops = count

    def silent(self, number: int) -> None:
        """A phone sends nothing any more."""
        call = self._call(number)
        if call is not None:
            leg = call.legs[number % len(call.legs)]
            if leg.lease is not None and self.world.plane.leased.get(leg.lease.port) == leg.lease:
                self.world.plane.silence(leg.lease)
                self.world.run()

    def lose_worker(self) -> None:
        """The media worker dies."""
        self.held.clear()
        self.world.plane.lose_worker()
        self.world.run()

    def ports(self, none: bool) -> None:
        """No port is free, or all are again."""
        if none:
            while (lease := self.world.plane.lease()) is not None:
                self.held.append(lease)
        else:
            for lease in self.held:
                self.world.plane.release(lease)
            self.held.clear()
            self.world.run()

    def both(self, first: Command, second: Command, answered: bool) -> None:
        """One command after the other on a call that is up, by who leads it, or the supervisor."""
        talks = [number for number, call in enumerate(self.x.calls.values()) if call.phase is Phase.TALKING]
        for cmd in (first, second):
            actor = "boss" if isinstance(cmd, Supervise | StopSupervising) else "own"
            self.command(talks[0] if talks else 0, cmd, actor, answered)
            self.check()

    def command(self, number: int, cmd: Command, actor: str, answered: bool) -> None:
        """Somebody commands something, and who is called by it may answer; what cannot be done changes nothing."""
        if not self.x.calls:
            self.dial("anna")
            self.answers(0, 200)
        call = self._call(number)
        leader = call.agent.agent_id if call is not None and call.agent is not None else ""
        actor = (leader or AGENTS[number % len(AGENTS)]) if actor == "own" else actor
        roles = {"boss": Actor("boss", "dora", "supervisor"), "system": Actor("system", "", "system")}
        others = call.others or call.legs if call is not None else []
        leg = others[number % len(others)].id if others else ""
        fields: dict[str, Any] = {name: getattr(cmd, name) for name in type(cmd).__struct_fields__}
        fields["call"] = call.id if call is not None else "none"
        if isinstance(cmd, Unpark) and cmd.slot:
            fields["call"] = ""
        if isinstance(cmd, Drop):
            fields["leg"] = leg
        asked = type(cmd)(**fields)
        before = self.stage.state(), len(self.world.plane.commands), len(self.stage.feed.news)
        try:
            done = command(self.x, asked, roles.get(actor, Actor(actor, actor)), self.world.now)
            self.world.run()
            if answered and done.leg in self.x.invites_out:
                self._answers(self.x.invites_out[done.leg].request.call_id)
        except CommandError:
            assert (self.stage.state(), len(self.world.plane.commands), len(self.stage.feed.news)) == before
        self.world.run()

    # --- what must hold ---

    def check(self) -> None:
        """What fits together whenever the network is still."""
        leased = {leg.lease.port for leg in self.x.media_legs.values() if leg.lease is not None}
        for call in self.x.calls.values():
            assert call.armed == call.deadline
            assert call.deadline is not None
            if call.phase in (Phase.ENDING, Phase.ENDED):
                continue
            for leg in call.legs:
                assert leg.lease is None or leg.lease.port in leased
            self._check_control(call)
        assert set(self.x.slots.values()) <= set(self.x.calls)

    def _check_control(self, call: Call) -> None:
        control = call.control
        if control is None:
            return
        for leg_id in (control.target, control.consulted):
            assert not leg_id or call.leg(leg_id) is not None
        assert bool(control.slot) <= (call.phase is Phase.PARKED)
        if call.phase in (Phase.TALKING, Phase.PARKED):
            assert control.wired == plan(call, "music/hold")
            self._check_plane(call)

    def _check_plane(self, call: Call) -> None:
        """The media plane does what the plan says: nobody hears whom they should not."""
        plane = self.world.plane
        control = call.control
        assert control is not None
        for leg in call.legs:
            if leg.lease is None or leg.lease.port not in plane.leased:
                continue
            port, hears = leg.lease.port, control.wired.get(leg.id)
            by = hears.by if hears is not None else "nothing"
            assert (port in plane.bridges) == (by == "bridge")
            assert any(port in room for room in plane.rooms.values()) == (by == "room")
            if hears is not None and hears.by == "music":
                assert plane.playing[port][1] == (hears.of,)
            if by == "nothing":
                assert port not in plane.playing

    def _answer(self) -> None:
        for peer in (self.world.carrier, self.world.agent, *self.stage.phones.values()):
            for tx, request in peer.requests:
                if tx.state in _OPEN and request.method != "INVITE":
                    peer.core.respond(tx, 200, now=self.world.now)
            for tx in peer.cancelled:
                if tx.state in _OPEN:
                    peer.core.respond(tx, 487, now=self.world.now)
        self.world.run()

    def settle(self) -> None:
        """All time that anything may take passes; what still talks is hung up."""
        self.drops = 0
        self.ports(False)
        for _ in range(8):
            self._answer()
            self.world.advance(40)
        self.check()
        for call in list(self.x.calls.values()):
            assert call.phase in (Phase.TALKING, Phase.FLOW, Phase.QUEUED), "stuck"
        self.world.engine.end_all(self.world.now)
        for _ in range(4):
            self.world.run()
            self._answer()
            self.world.advance(40)

    def faults(self) -> list[str]:
        """What is wrong at the end."""
        found = [f"left: {self.world.leftovers()}"] if self.world.leftovers() else []
        if self.x.heap.next_deadline() is not None:
            found.append("a timer is left")
        records = self.world.journal.records
        if not (len(records) == len({record.id for record in records}) == self.x.started == self.x.ended):
            found.append(f"{len(records)} records of {self.x.started} calls")
        for record in records:
            found += [f"leg {leg.agent} is open" for leg in record.legs if leg.ended_us is None]
            at = record.started_us
            for segment in record.segments:
                if segment.started_us < at or segment.ended_us is None or segment.ended_us < segment.started_us:
                    found.append(f"segments: {record.segments}")
                    break
                at = segment.ended_us
        found += self._desk_faults()
        for peer in (self.world.carrier, *self.stage.phones.values()):
            if REAL.encode() in b"".join(peer.wire):
                found.append("a real number was seen")
        return found

    def _desk_faults(self) -> list[str]:
        """Whoever was said to be in a call is said to be out of it, once."""
        counts = Counter(self.stage.desk.told)
        found = []
        for (what, agent, call), count in counts.items():
            if what == "began" and counts["over", agent, call] != count:
                found.append(f"{agent} began {count}, over {counts['over', agent, call]}")
            if what == "over" and ("began", agent, call) not in counts:
                found.append(f"{agent} was over without having begun")
        return found


@settings(max_examples=120)
@given(st.lists(steps, min_size=10, max_size=50))
def test_whatever_is_commanded_every_call_ends_and_nothing_is_left(history: list[Step]) -> None:
    """Commands that fail change nothing; the media plane always does what the call's state says; one record a call."""
    calls = History()
    calls.dial("anna")
    calls.answers(0, 200)
    for name, *values in history:
        getattr(calls, name)(*values)
        calls.check()
    calls.settle()
    assert calls.faults() == []


def test_every_command_is_among_the_steps() -> None:
    """A command that is added must be added here."""
    text = repr(steps)
    assert [kind.__name__ for kind in COMMANDS if kind.__name__ not in text] == []


def peer_of(history: History, name: str) -> Peer:
    """A phone."""
    return history.stage.phones[name]
