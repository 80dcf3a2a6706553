"""A call from a queue, its agent, and others whose phones may ring: what each side hears and is sent can be asked."""

from __future__ import annotations

import itertools
import re

import msgspec

from ivr_flows.linking import link
from ivr_flows.loader import parse_flow
from routing.acd.actions import Offer
from routing.acd.events import CallerJoined, Event, Picked
from routing.acd.model import Group
from routing.dialplan import DialPlan, Entry
from routing.trunks import Trunks
from switchboard.calls.call import Call, Control
from switchboard.calls.commands import Actor, Command, CommandError, Done
from switchboard.calls.control import command
from switchboard.calls.leg import Leg
from switchboard.calls.neighbours import NoDesk
from switchboard.calls.news import CallNews, News
from switchboard.calls.serving import PERFORM
from switchboard.directory import Directory
from switchboard.sip.message import Response
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.registrar import Binding, Registrar
from switchboard.store.records import CallRecord, SegmentRecord
from tests.support.exchange import NUMBER, SWITCH, Peer, World
from tests.support.library import LIBRARY

AGENTS = ("anna", "ben", "carl", "dora")
BOSS = Actor("boss", "dora", "supervisor")
SYSTEM = Actor("system", "", "system")


class ScriptedDesk(NoDesk):
    """Offers whoever joins to `ready`; keeps what it is told."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.ready = "anna"
        self.refusing = ""
        self.told: list[tuple[str, str, str]] = []

    def phone_of(self, agent: str) -> str | None:
        """`sip:NAME@` the address of the peer of that name."""
        peer = self.stage.phones.get(agent)
        return f"sip:{agent}@{peer.address[0]}:{peer.address[1]}" if peer is not None else None

    def agent_at(self, phone: str) -> str:
        """`aor:NAME` is that of the agent of this name."""
        name = phone.removeprefix("aor:")
        return name if name in self.stage.phones else ""

    def group(self, name: str) -> Group | None:
        """Two groups are known."""
        return Group(name=name) if name in ("sales", "care") else None

    def free_agent(self, group: str, now: float) -> str:
        """Whoever is ready."""
        return self.ready

    def serves(self, agent: str, group: str) -> bool:
        """Everybody serves all groups but one."""
        return group != "elsewhere"

    def refuses(self, group: str, now: float) -> str:
        """As the test wants."""
        return self.refusing

    def tell(self, event: Event, now: float) -> None:
        """Who joins, or is picked, is offered."""
        self.told.append((type(event).__name__, getattr(event, "agent", ""), getattr(event, "entry", "")))
        agent = event.agent if isinstance(event, Picked) else self.ready
        if isinstance(event, CallerJoined | Picked) and agent:
            group = event.group if isinstance(event, CallerJoined) else "sales"
            offer = Offer(entry=event.entry, agent=agent, group=group, timeout=15.0)
            PERFORM[Offer](self.stage.x, offer, now)

    def call_began(self, agent: str, call: str, now: float) -> None:
        """Keep it."""
        self.told.append(("began", agent, call))

    def call_over(self, agent: str, call: str, now: float) -> None:
        """Keep it."""
        self.told.append(("over", agent, call))

    def held(self, agent: str, call: str, held: bool, now: float) -> None:
        """Keep it."""
        self.told.append(("held" if held else "resumed", agent, call))

    def talk_ended(self, entry: str, agent: str, now: float) -> None:
        """Keep it."""
        self.told.append(("talk_ended", agent, entry))


class Registered(Registrar):
    """Every agent's phone is registered."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage

    def lookup(self, aor: str, now: float) -> list[Binding]:
        """Where the phone of the agent of this name is."""
        name = aor.partition("@")[0]
        peer = self.stage.phones.get(name)
        if peer is None:
            return []
        contact = f"sip:{name}@{peer.address[0]}:{peer.address[1]}"
        return [Binding(contact, peer.address, 1.0, now + 60, "r", 1, "", {})]


class KeptFeed:
    """Keeps the news."""

    listening = True

    def __init__(self) -> None:
        self.news: list[News] = []

    def publish(self, news: News) -> None:
        """Keep it."""
        self.news.append(news)

    @property
    def steps(self) -> list[str]:
        """The steps of calls, in order."""
        return [news.step for news in self.news if isinstance(news, CallNews)]


class Stage:
    """A world with agents' phones."""

    def __init__(self, *, ring_timeout: float = 20.0, flow: str = "") -> None:
        """`flow` is the text of one more flow, called `own`, which 4008 leads to."""
        flows = dict(LIBRARY)
        if flow:
            flows |= link({"own": parse_flow(f"flow: own\n{flow}", "own.yaml")})
        self.world = world = World(flows, ring_timeout=ring_timeout)
        self.x = x = world.exchange
        self.phones = {name: Peer((f"127.0.1.{n}", 5190), world.token, name) for n, name in enumerate(AGENTS, 1)}
        world.peers.update({peer.address: peer for peer in self.phones.values()})
        self.desk = x.desk = ScriptedDesk(self)
        self.feed = x.feed = KeptFeed()
        entries = [
            Entry(number="4003", group="sales"),
            Entry(number="4011", target="aor:anna"),
            Entry(number="02188880000", group="sales"),
        ]
        plan = DialPlan([*entries, Entry(number="4008", flow="own")] if flow else entries)
        x.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
        x.registrar = Registered(self)
        self.out: OutgoingRequest | None = None
        self.cseq = 100

    # --- how a call begins ---

    def talk(self, number: str = "4003") -> Call:
        """The carrier's caller and anna talk."""
        call = self.ring(number)
        self.answers("anna")
        assert self.out is not None
        self.world.within(self.world.carrier, self.out, "ACK", 1)
        return call

    def ring(self, number: str = "4003") -> Call:
        """Anna's phone rings for a caller, who is answered if the number does so."""
        self.out, _ = self.world.dial(number)
        if 200 in self.world.carrier.statuses:
            self.world.within(self.world.carrier, self.out, "ACK", 1)
        return next(reversed(self.x.calls.values()))

    # --- what peers do ---

    def answers(self, name: str) -> None:
        """A phone answers the INVITE that it got last."""
        self.world.agent_answers(self.peer(name))

    def refuses(self, name: str, status: int = 486) -> None:
        """A phone refuses the INVITE that it got last."""
        peer = self.peer(name)
        index = max(i for i, (_, request) in enumerate(peer.requests) if request.method == "INVITE")
        self.world.reply(peer, status, index=index)

    def hangs_up(self, name: str) -> None:
        """A phone hangs up; the carrier's caller is "caller"."""
        if name == "caller":
            assert self.out is not None
            self.world.within(self.world.carrier, self.out, "BYE", 9)
        else:
            self._within(name, "BYE")

    def hangs_up_caller_of(self, out: OutgoingRequest, answer: Response) -> None:
        """The caller of this INVITE, answered so, hangs up."""
        assert answer.contact is not None
        self.cseq += 1
        bye = OutgoingRequest(
            "BYE", answer.contact.uri, SWITCH, from_=out.from_, to=answer.headers.get("to") or "", call_id=out.call_id,
            cseq=self.cseq,
        )  # fmt: skip
        self.world.carrier.core.request(bye, self.world.now)
        self.world.run()

    def describes(
        self,
        name: str,
        direction: str,
        *,
        method: str = "INVITE",
        address: str = "",
        bare: bool = False,
        ack: bytes = b"",
        acknowledged: bool = True,
    ) -> bytes:
        """A phone sends a new description within its latest dialog, or with `bare` none; what it is answered.

        `ack` is the description in its ACK, which it sends unless it is not `acknowledged`.
        """
        peer = self.peer(name)
        body = peer.sdp(41000).replace(b"a=sendrecv", f"a={direction}".encode())
        if address:
            body = body.replace(f"c=IN IP4 {peer.address[0]}".encode(), f"c=IN IP4 {address}".encode())
        out = self._within(name, method, b"" if bare else body)
        if out is None:
            return b""
        if method == "INVITE" and acknowledged:
            last = OutgoingRequest(
                "ACK", out.uri, SWITCH, from_=out.from_, to=out.to, call_id=out.call_id, cseq=out.cseq, body=ack
            )
            peer.core.send_ack(last, self.world.now)
            self.world.run()
        return peer.responses[-1].body if peer.responses else b""

    def _within(self, name: str, method: str, body: bytes = b"") -> OutgoingRequest | None:
        """A request of a phone within the latest dialog in which it answered."""
        peer = self.peer(name)
        dialogs = [(tx, one) for tx, one in peer.requests if one.method == "INVITE" and one.to_tag is None]
        answered = {one.call_id for one in peer.acks}
        tx, invite = next((tx, one) for tx, one in reversed(dialogs) if one.call_id in answered)
        assert invite.contact is not None
        self.cseq += 1
        out = OutgoingRequest(
            method,
            invite.contact.uri,
            SWITCH,
            from_=f"{invite.headers.get('to')};tag={tx.to_tag}",
            to=invite.headers.get("from") or "",
            call_id=invite.call_id,
            cseq=self.cseq,
            headers=(f"Contact: <sip:{name}@{peer.address[0]}:{peer.address[1]}>",),
            body=body,
        )
        peer.core.request(out, self.world.now)
        self.world.run()
        return out

    def peer(self, name: str) -> Peer:
        """The phone of an agent, or the far side of the trunk."""
        return self.world.agent if name == "number" else self.phones[name]

    # --- what the call bar does ---

    def do(self, cmd: Command, actor: Actor | str = "anna") -> Done:
        """A command, by an agent or another actor."""
        who = Actor(actor, actor) if isinstance(actor, str) else actor
        done = command(self.x, cmd, who, self.world.now)
        self.world.run()
        return done

    def fault(self, cmd: Command, actor: Actor | str = "anna") -> str:
        """The fault of a command that cannot be carried out; nothing has changed then."""
        before = self._all()
        try:
            self.do(cmd, actor)
        except CommandError as error:
            fault, detail = error.fault, error.detail
        else:
            return ""
        assert detail
        assert re.search(r"\d{5}", detail) is None
        assert self._all() == before
        return fault

    def _all(self) -> tuple[list[bytes], int, int, int]:
        return self.state(), len(self.world.plane.commands), len(self.world.sent), len(self.feed.news)

    def state(self) -> list[bytes]:
        """What is known of all calls; a sign of any change."""
        return [
            msgspec.msgpack.encode((call.phase, call.legs, call.record, _made(call), call.deadline))
            for call in self.x.calls.values()
        ]

    # --- what is heard ---

    def hears(self, leg: Leg) -> str:
        """What a leg hears, as the media plane has been told: "music", "ringback", "room:…", a leg's name, or ""."""
        plane, lease = self.world.plane, leg.lease
        assert lease is not None
        if lease.port in plane.playing:
            sound = plane.playing[lease.port][1][0]
            return {"music/hold": "music", "tone:ringback": "ringback"}.get(sound, sound)
        for room in plane.rooms.values():
            if lease.port in room:
                role, coached = room[lease.port]
                return f"room:{role}" + (f":{self._name(coached)}" if coached is not None else "")
        other = plane.bridges.get(lease.port)
        return self._name(other) if other is not None else ""

    def _name(self, port: int | None) -> str:
        leg = next(leg for leg in self.x.media_legs.values() if leg.lease is not None and leg.lease.port == port)
        return name_of(leg)

    def heard(self) -> dict[str, str]:
        """What every party of the only call hears."""
        (call,) = self.x.calls.values()
        return {name_of(leg): self.hears(leg) for leg in call.legs if leg.talking}

    # --- the end ---

    def finish(self) -> CallRecord:
        """Everybody is hung up, nothing is left; the one record."""
        self.world.engine.end_all(self.world.now)
        return self.over()

    def over(self) -> CallRecord:
        """Nothing is left; the one record, whose segments follow one another without a gap."""
        for _ in range(3):
            for peer in (self.world.carrier, self.world.agent, *self.phones.values()):
                for tx, request in peer.requests:
                    if request.method in ("BYE", "NOTIFY") and tx.state.name == "TRYING":
                        peer.core.respond(tx, 200, now=self.world.now)
                for tx in peer.cancelled:
                    if tx.state.name in ("TRYING", "PROCEEDING"):
                        peer.core.respond(tx, 487, now=self.world.now)
            self.world.advance(20)
        assert self.world.leftovers() == {}
        assert self.x.heap.next_deadline() is None
        (record,) = self.world.journal.records
        segments = record.segments
        assert all(one.ended_us == following.started_us for one, following in itertools.pairwise(segments))
        assert all(leg.ended_us is not None for leg in record.legs)
        return record


def _made(call: Call) -> Control:
    """The call's control but for who hears whom, of which the media plane is the witness."""
    return msgspec.structs.replace(call.control or Control(), wired={})


def name_of(leg: Leg) -> str:
    """The agent of a leg, "caller", or "number"."""
    return leg.agent_id or (leg.role if leg.role == "caller" else "number")


def told(record: CallRecord) -> list[tuple[str, str]]:
    """Kind and agent of each segment."""
    return [(segment.kind, segment.agent) for segment in record.segments]


def seconds(segment: SegmentRecord) -> float:
    """How long a segment took."""
    assert segment.ended_us is not None
    return (segment.ended_us - segment.started_us) / 1e6


__all__ = ["BOSS", "NUMBER", "SYSTEM", "Stage", "name_of", "seconds", "told"]
