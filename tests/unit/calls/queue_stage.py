"""Callers, a group and its agents' phones over the real queue engine; a carrier that can be called back through."""

from __future__ import annotations

import msgspec

from ivr_flows.loader import parse_flow
from ivr_flows.model import Flow
from routing.acd.model import Agent, Announcements, Group
from routing.dialplan import DialPlan, Entry
from routing.trunks import Trunks
from switchboard.directory import Directory
from switchboard.sip.message import Request
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.transaction.server import ServerTransaction
from tests.support.exchange import SWITCH, Peer, World

SILENT = Announcements(music=())
MUSIC = Announcements(music=("music/hold",))


class Caller:
    """Somebody at the carrier."""

    def __init__(self, stage: QueueStage, number: str, caller: str) -> None:
        self.world = stage.world
        self.out, _ = self.world.dial(number, caller=caller)
        self.cseq = 1
        if 200 in self.statuses:
            self._send("ACK")

    @property
    def statuses(self) -> list[int]:
        """The answers to the INVITE."""
        carrier = self.world.carrier
        return [one.status for one in carrier.responses if one.call_id == self.out.call_id and one.cseq == 1]

    @property
    def lease(self) -> int:
        """The port of the caller's leg."""
        x = self.world.exchange
        call = next(call for call in x.calls.values() if self._is_of(call.caller.dialog))
        assert call.caller.lease is not None
        return call.caller.lease.port

    def _is_of(self, dialog: object) -> bool:
        return getattr(dialog, "call_id", "") == self.out.call_id

    def presses(self, digit: str) -> None:
        """A key."""
        self.world.plane.digit(self.lease, digit, at=self.world.now)
        self.world.run()

    def presses_by_info(self, digit: str) -> None:
        """A key, by the signalling (application/dtmf-relay)."""
        self.cseq += 1
        body = f"Signal={digit}\r\nDuration=160\r\n".encode()
        self._send("INFO", content_type="application/dtmf-relay", body=body)

    def hangs_up(self) -> None:
        """BYE."""
        self.cseq += 1
        self._send("BYE")

    @property
    def was_hung_up(self) -> bool:
        """Whether a BYE came."""
        return any(one.call_id == self.out.call_id for one in self.world.carrier.received("BYE"))

    def _send(self, method: str, content_type: str = "", body: bytes = b"") -> None:
        world, carrier = self.world, self.world.carrier
        answer = next(one for one in carrier.responses if one.call_id == self.out.call_id and one.status == 200)
        assert answer.contact is not None
        request = OutgoingRequest(
            method,
            answer.contact.uri,
            SWITCH,
            from_=self.out.from_,
            to=answer.headers.get("to") or "",
            call_id=self.out.call_id,
            cseq=self.cseq,
            content_type=content_type,
            body=body,
        )
        if method == "ACK":
            carrier.core.send_ack(request, world.now)
        else:
            carrier.core.request(request, world.now)
        world.run()


class QueueStage:
    """A world with the group `shop` on 4003 and the flow given on 4100."""

    def __init__(self, *names: str, flow: str = "", group: Group | None = None, more: tuple[Group, ...] = ()) -> None:
        rules = group or Group(name="shop", announcements=SILENT, no_answer_state="idle")
        self.phones = {name: f"127.0.2.{n}" for n, name in enumerate(names, 1)}
        agents = [
            Agent(id=name, phone=f"sip:{name}@{host}:5190", groups={"shop": 1}, order=n, always=True)
            for n, (name, host) in enumerate(self.phones.items())
        ]
        flows: dict[str, Flow] | None = {"line": parse_flow(flow, "line.yaml")} if flow else None
        self.world = world = World(flows, groups=(rules, *more), agents=agents)
        self.peers = {name: Peer((host, 5190), world.token, name) for name, host in self.phones.items()}
        world.peers.update({peer.address: peer for peer in self.peers.values()})
        plan = DialPlan([Entry(number="4003", group="shop"), Entry(number="4100", flow="line")])
        world.exchange.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)

    def caller(self, number: str = "4003", caller: str = "13900009999") -> Caller:
        """Somebody calls."""
        return Caller(self, number, caller)

    def rings(self, name: str) -> list[Request]:
        """The INVITEs that a phone has got, and neither answered nor refused, nor seen cancelled."""
        peer = self.peers.get(name, self.world.agent)
        return [
            request
            for tx, request in peer.requests
            if request.method == "INVITE" and tx.state.name in ("TRYING", "PROCEEDING")
        ]

    def answers(self, name: str) -> None:
        """A phone answers; "carrier" is the far side of the trunk."""
        self.world.agent_answers(self._peer(name))

    def alerts(self, name: str) -> None:
        """A phone says that it rings."""
        self.refuses(name, 180)

    def refuses(self, name: str, status: int = 486) -> None:
        """A phone refuses."""
        peer = self._peer(name)
        index = max(i for i, (_, request) in enumerate(peer.requests) if request.method == "INVITE")
        self.world.reply(peer, status, index=index)

    def hangs_up(self, name: str) -> None:
        """A phone hangs up its latest call."""
        self._bye(self._peer(name))

    def _bye(self, peer: Peer) -> None:
        tx, invite = self._last(peer)
        assert invite.contact is not None
        out = OutgoingRequest(
            "BYE",
            invite.contact.uri,
            SWITCH,
            from_=f"{invite.headers.get('to')};tag={tx.to_tag}",
            to=invite.headers.get("from") or "",
            call_id=invite.call_id,
            cseq=7,
        )
        peer.core.request(out, self.world.now)
        self.world.run()

    @staticmethod
    def _last(peer: Peer) -> tuple[ServerTransaction, Request]:
        return next((tx, one) for tx, one in reversed(peer.requests) if one.method == "INVITE")

    def _peer(self, name: str) -> Peer:
        return self.world.agent if name == "carrier" else self.peers[name]

    def state(self, agent: str) -> str:
        """An agent's state."""
        return self.world.queues.agents[agent].state

    def ends_clean(self) -> None:
        """Nothing is left once every call is over and every timer has run; no invariant was ever broken."""
        world = self.world
        for name in self.peers:
            world.desk.sign_out(name, "test", world.now)
        world.engine.end_all(world.now)
        world.run()
        for peer in (world.carrier, world.agent, *self.peers.values()):
            for index, (tx, _) in enumerate(peer.requests):
                if tx.state.name in ("TRYING", "PROCEEDING"):
                    world.reply(
                        peer, 487 if tx.request is not None and tx.request.method == "INVITE" else 200, index=index
                    )
        world.advance(70)
        assert world.leftovers() == {}
        assert (world.queues.violations, world.queues.last_violations) == (0, ())


def rules(**changes: object) -> Group:
    """The group's rules, changed."""
    base = Group(name="shop", announcements=SILENT, no_answer_state="idle")
    return msgspec.structs.replace(base, **changes)
