"""Random histories of calls: what callers, agents, servers, media workers and operators may do, in any order.

`History` carries the steps out against a `World`; `settle` lets everybody fall silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from media.plane import Lease
from routing.dialplan import DialPlan, Entry
from routing.masks.binding import Binding
from routing.masks.policy import Policy
from routing.masks.secret import RealNumber
from routing.masks.target import SipTarget
from routing.trunks import Trunks
from switchboard.calls.call import Call, Phase
from switchboard.calls.settings import Service
from switchboard.directory import Directory
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.transaction.table import State
from tests.support.exchange import AGENT, SWITCH, Peer, Team, World
from tests.support.history_flows import flows

PIN: Final = "73918264"
CALLER: Final = "13900009999"

NUMBERS: Final = {"41": "box", "42": "line", "43": "ask", "44": "who", "45": "notice", "46": "late"}
DIALLED: Final = ("41", "42", "43", "44", "45", "46", "4001", "4006", "4007", "4008", "4009", "4999")
_MEMBERS: Final = tuple(f"sip:{name}@{AGENT[0]}:{AGENT[1]}" for name in ("one", "two"))
_OPEN: Final = (State.TRYING, State.PROCEEDING)


class Caller:
    """One call as its caller sees it."""

    def __init__(self, peer: Peer, out: OutgoingRequest, tx: ClientTransaction) -> None:
        self.peer, self.out, self.tx = peer, out, tx
        self.cseq = 1
        self.left = False

    @property
    def finals(self) -> list[int]:
        """The final statuses of the call's first INVITE."""
        return [
            response.status
            for response in self.peer.responses
            if response.call_id == self.out.call_id and response.cseq_method == "INVITE" and response.cseq == 1
            if response.status >= 200
        ]

    @property
    def answered(self) -> bool:
        """Whether a 200 has come."""
        return 200 in self.finals


class History:
    """Takes steps; each is a method that does nothing where it makes no sense."""

    def __init__(self, *, ports: int = 100, members: int = 2, copies: int = 1) -> None:
        teams = [Team("one", _MEMBERS[:1], 5.0), Team("two", _MEMBERS[:members], 6.0)]
        teams.append(Team("far", ("aor:alice", "sip:nobody@nowhere.invalid", _MEMBERS[0]), 4.0))
        services = {
            "4006": Service(failed="notice", record=True),
            "4001": Service(failed="box"),
            "4008": Service(record=True),
        }
        self.world = world = World(flows(), ports=ports, workers=2, copies=copies, teams=teams, services=services)
        x = world.exchange
        x.settings = msgspec.structs.replace(x.settings, call_duration=20000.0)
        plan = DialPlan(
            [
                *[Entry(number=number, flow=flow) for number, flow in NUMBERS.items()],
                Entry(number="4001", target=f"sip:agent@{AGENT[0]}:{AGENT[1]}"),
                *[Entry(number=number, mask=True) for number in ("4006", "4008", "4009")],
                Entry(number="4007", target="aor:alice"),
            ]
        )
        x.routing = self.directory = Directory(plan, Trunks({"bench": ["127.0.0.2", "127.0.0.4"]}), world.masks)
        self.bind()
        self.callers: list[Caller] = []
        self.invites: list[ServerTransaction] = []
        self.drops = 0
        self.answered: set[str] = set()
        self.versions = 0
        self.held: list[Lease] = []
        world.lost = self._lost

    def bind(self) -> None:
        """Bind the X numbers."""
        world = self.world
        party = world.vault.party(RealNumber(CALLER))
        other = world.vault.party(RealNumber("13900000002"))
        limited = Policy(trunk="bench", limit=70.0, warn=True, record=True, consent=True)
        for binding in (
            Binding(number="4006", id="pair", kind="axb", policy=limited, a=party, b=other),
            Binding(number="4008", id="shop", kind="axg", policy=Policy(trunk="bench", limit=20.0), group="two"),
            Binding(number="4009", id="far", kind="axg", policy=Policy(trunk="bench"), group="far"),
        ):
            world.masks.add(binding)
        world.masks.bind("4006", "100001", SipTarget(_MEMBERS[0]))

    # --- the network ---

    def _lost(self, destination: object, data: bytes) -> bool:
        if self.drops:
            self.drops -= 1
            return True
        return False

    def lose(self, count: int) -> None:
        """The next few datagrams are lost."""
        self.drops = count % 4

    def wait(self, seconds: float) -> None:
        """Time passes; a phone that was told to stop ringing does so within seconds."""
        if seconds >= 5:
            self._stop_ringing()
        self.world.advance(seconds)
        if seconds >= 5:
            self._stop_ringing()

    # --- callers ---

    def dial(self, number: str, offer: bool, quiet: bool) -> None:
        """A new call; `quiet` leaves the network still for now."""
        world = self.world
        peer = world.carrier
        out = OutgoingRequest(
            "INVITE",
            f"sip:{number}@{SWITCH[0]}",
            SWITCH,
            from_=f"<sip:{CALLER}@{peer.address[0]}>;tag={world.token()}",
            to=f"<sip:{number}@{SWITCH[0]}>",
            call_id=world.token(),
            cseq=1,
            headers=(f"Contact: <sip:{CALLER}@{peer.address[0]}:{peer.address[1]}>",),
            body=peer.sdp() if offer else b"",
        )
        self.callers.append(Caller(peer, out, peer.core.request(out, world.now)))
        self._run(quiet)

    def cancel(self, which: int, quiet: bool) -> None:
        """A caller gives up."""
        caller = self._caller(which)
        if caller is not None and not caller.finals:
            caller.peer.core.cancel(caller.tx, self.world.now)
            self._run(quiet)

    def within(self, which: int, method: str, body: bytes, quiet: bool) -> None:
        """A request of a caller in its dialog."""
        caller = self._caller(which)
        if caller is None or not caller.answered:
            return
        world, peer = self.world, caller.peer
        response = next(
            response
            for response in peer.responses
            if response.call_id == caller.out.call_id and response.status == 200 and response.cseq_method == "INVITE"
        )
        if method == "ACK":
            cseq = caller.cseq
        else:
            caller.cseq = cseq = caller.cseq + 1
        if method == "BYE":
            caller.left = True
        content = "application/dtmf-relay" if method == "INFO" else "application/sdp"
        if method == "ACK" and not caller.out.body:
            body = peer.answer(response.body) if response.body else b""
        out = OutgoingRequest(
            method,
            f"sip:{SWITCH[0]}:{SWITCH[1]}",
            SWITCH,
            from_=caller.out.from_,
            to=response.headers.get("to") or "",
            call_id=caller.out.call_id,
            cseq=cseq,
            body=body,
            content_type=content,
        )
        if method == "ACK":
            peer.core.send_ack(out, world.now)
        else:
            peer.core.request(out, world.now)
        self._run(quiet)

    def _caller(self, which: int) -> Caller | None:
        return self.callers[which % len(self.callers)] if self.callers else None

    # --- agents ---

    def agent(self, which: int, status: int, body: str, quiet: bool) -> None:
        """An agent's phone answers an INVITE that waits."""
        open_ones = [
            (tx, request)
            for tx, request in self.world.agent.requests
            if request.method == "INVITE" and tx.state in _OPEN
        ]
        if not open_ones:
            return
        tx, request = open_ones[which % len(open_ones)]
        peer = self.world.agent
        described = {"": b"", "bad": b"v=0\r\nnonsense", "good": peer.answer(request.body) if request.body else b""}
        contact = (f"Contact: <sip:agent@{AGENT[0]}:{AGENT[1]}>",) if body != "bare" else ()
        if 200 <= status < 300:
            self.answered.add(request.call_id)
        peer.core.respond(tx, status, headers=contact, body=described.get(body, described["good"]), now=self.world.now)
        self._run(quiet)

    def agent_sends(self, which: int, method: str, quiet: bool) -> None:
        """An agent hangs up, or describes its media anew."""
        peer = self.world.agent
        invites = [(tx, one) for tx, one in peer.requests if one.method == "INVITE" and one.call_id in self.answered]
        if not invites:
            return
        tx, invite = invites[which % len(invites)]
        to = invite.headers.get("to") or ""
        out = OutgoingRequest(
            method,
            f"sip:{SWITCH[0]}:{SWITCH[1]}",
            SWITCH,
            from_=f"{to};tag={tx.to_tag}",
            to=invite.headers.get("from") or "",
            call_id=invite.call_id,
            cseq=len(peer.responses) + 1,
            body=b"" if method == "BYE" else peer.sdp(),
        )
        peer.core.request(out, self.world.now)
        self._run(quiet)

    # --- media ---

    def _calls(self) -> list[Call]:
        return list(self.world.exchange.calls.values())

    def keys(self, which: int, digits: str) -> None:
        """Keys of one caller."""
        for digit in digits:
            leases = [call.caller.lease for call in self._calls() if call.caller.lease is not None]
            leases = [lease for lease in leases if self.world.plane.leased.get(lease.port) == lease]
            if leases:
                self.world.plane.digit(leases[which % len(leases)], digit, at=self.world.now)
                self.world.run()

    def heard(self, which: int, reason: str) -> None:
        """A prompt ends; music does not."""
        prompts = [port for port, (_, _, loop) in self.world.plane.playing.items() if not loop]
        self._on_port(prompts, which, lambda port: self.world.plane.play_done(port, reason))

    def spoken(self, which: int, seconds: float, reason: str) -> None:
        """A message ends."""
        self._on_port(
            self.world.plane.messages, which, lambda port: self.world.plane.message_done(port, seconds, reason)
        )

    def recorded(self, which: int, reason: str) -> None:
        """A recording ends by itself."""
        self._on_port(self.world.plane.recording, which, lambda port: self.world.plane.recorded(port, reason=reason))

    def silent(self, which: int) -> None:
        """Nothing comes from a peer."""
        self._on_port(self.world.plane.leased, which, self.world.plane.silence)

    def _on_port(self, ports: Iterable[int], which: int, do: Callable[[int], None]) -> None:
        known = list(ports)
        if known:
            do(known[which % len(known)])
            self.world.run()

    def lose_worker(self, worker: int) -> None:
        """A media worker dies."""
        self.held = [lease for lease in self.held if lease.worker != worker]
        self.world.plane.lose_worker(worker)
        self.world.run()

    def hold_ports(self, leave: int) -> None:
        """Somebody else has nearly all ports; asked again, they are free."""
        if self.held:
            self.free_ports()
            return
        while self.world.plane.counts()["free"] > leave:
            lease = self.world.plane.lease()
            assert lease is not None
            self.held.append(lease)

    def free_ports(self) -> None:
        """Give the held ports back."""
        held, self.held = self.held, []
        for lease in held:
            self.world.plane.release(lease)
        self.world.run()

    # --- others ---

    def backend(self, which: int, status: int, body: object, error: str) -> None:
        """A server answers."""
        requests = self.world.backends.requests
        if requests:
            requests.insert(0, requests.pop(which % len(requests)))
            self.world.backends.answer(body, status, error)
            self.world.run()

    def voice(self, slow: bool, dumb: bool) -> None:
        """How the synthesiser does from now on; what waits for it is done."""
        voice = self.world.voice
        voice.slow, voice.dumb = slow, dumb
        waiting, voice.waiting = voice.waiting, []
        for done in waiting:
            done()
        self.world.run()

    def boxes(self, full: bool) -> None:
        """Mail boxes have no room, or have."""
        self.world.mailboxes.full = full

    def reload(self, group: str) -> None:
        """New versions of all flows go live."""
        self.versions += 1
        x = self.world.exchange
        x.flows.replace(
            flows(group, str(self.versions)), {(call.flow, call.flow_version) for call in self._calls() if call.flow}
        )

    def unbind(self, binding: str) -> None:
        """An X number is given back."""
        self.world.masks.remove(binding)

    def _run(self, quiet: bool) -> None:
        if not quiet:
            self.world.run()

    # --- the end ---

    def settle(self) -> None:
        """Everybody falls silent: nothing more is done, nothing is lost, and all time that anything may take passes."""
        world = self.world
        self.drops = 0
        world.copies = 1
        self.free_ports()
        self._answer_requests()
        # Else who asked to be called back would keep phones ringing that nobody answers any more.
        for agent in world.queues.agents:
            world.desk.sign_out(agent, "test", world.now)
        for _ in range(60):
            world.advance(70)
            self._answer_requests()
        for call in self._calls():
            # Nobody ends a call that goes without a flow but its sides, or the longest duration of any.
            assert call.position is None
            assert call.phase is Phase.TALKING
        world.advance(20000)
        self._answer_requests()
        world.advance(70)

    def _answer_requests(self) -> None:
        world = self.world
        for peer in world.peers.values():
            for tx, request in peer.requests:
                if tx.state in _OPEN and request.method != "INVITE":
                    peer.core.respond(tx, 200, now=world.now)
        self._stop_ringing()

    def _stop_ringing(self) -> None:
        for peer in self.world.peers.values():
            for tx in peer.cancelled:
                if tx.state in _OPEN:
                    peer.core.respond(tx, 487, now=self.world.now)
        self.world.run()
