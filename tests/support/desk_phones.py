"""The customers and phones of a hotline in random histories, over a network that loses and repeats datagrams."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from media.plane import Lease
from routing.dialplan import DialPlan, Entry
from routing.trunks import Trunks
from switchboard.calls.call import Phase
from switchboard.calls.news import News
from switchboard.directory import Directory
from switchboard.sip.message import Request, Response, parse_datagram
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.sip.transaction.table import State
from tests.support.desk_agreement import Witness
from tests.support.desk_rules import AGENTS, FLOWS, SOFTPHONES, Rules, staff
from tests.support.exchange import SWITCH, Peer, World

DIALLED: Final = ("4003", "4003", "4100", "4200")
CUSTOMERS: Final = ("13900000001", "13900000002", "13900000003", "anonymous")
OPEN: Final = (State.TRYING, State.PROCEEDING)


class KeptFeed:
    """Somebody listens."""

    listening = True

    def __init__(self) -> None:
        self.count = 0

    def publish(self, news: News) -> None:
        """Count it."""
        self.count += 1


class Customer:
    """A call from the carrier, as its caller sees it."""

    def __init__(self, out: OutgoingRequest, tx: ClientTransaction) -> None:
        self.out, self.tx = out, tx
        self.acked = 0
        self.left = self.cancelled = False


class Dialog(NamedTuple):
    """A call that a phone has answered."""

    peer: Peer
    tx: ServerTransaction
    invite: Request


class DeskPhones:
    """A hotline, its customers, and the phones of its agents."""

    def __init__(self, rules: Rules) -> None:
        shop, night = rules.groups()
        self.rules = rules
        self.agents = {agent.id: agent for agent in staff()}
        self.world = world = World(
            dict(FLOWS), groups=(shop, night), agents=list(self.agents.values()), ring_timeout=10
        )
        self.x = x = world.exchange
        self.feed = x.feed = KeptFeed()
        x.log = self._log
        self.peers = {name: Peer((f"127.0.2.{n}", 5190), world.token, name) for n, name in enumerate(AGENTS, 1)}
        world.peers.update({peer.address: peer for peer in self.peers.values()})
        plan = DialPlan(
            [Entry(number="4003", group="shop"), Entry(number="4100", flow="line"), Entry(number="4200", group="night")]
        )
        x.routing = Directory(plan, Trunks({"bench": ["127.0.0.2"]}), world.masks)
        self.customers: list[Customer] = []
        self.dialogs: list[Dialog] = []
        self.gone: set[str] = set()
        """Whose phones are switched off."""
        self.failures: list[str] = []
        self.drops = 0
        self.held: list[Lease] = []
        self.cseq = 100
        self.registered = 0
        self.stalled = False
        self.witness = Witness(world)
        world.lost = self._lost
        for name in SOFTPHONES:
            self.register(name, 3600)
        for name in ("ben", "dora"):
            world.desk.sign_in(name, name, world.now)

    def _log(self, event: str, **values: Any) -> None:
        if event == "queue.failed":
            self.failures.append(f"{values}")

    # --- the network ---

    def _lost(self, destination: object, data: bytes) -> bool:
        if any(self.peers[name].address == destination for name in self.gone):
            return True
        if self.drops:
            self.drops -= 1
            return True
        return False

    def run(self) -> None:
        """Carry datagrams until nothing moves; carriers acknowledge, phones answer what they must."""
        self.world.run()
        for _ in range(4):
            if not (self._acknowledge() or self._answer_requests()):
                return
            self.world.run()

    def _acknowledge(self) -> bool:
        moved = False
        for customer in self.customers:
            answers = self._answers(customer)
            if len(answers) > customer.acked:
                customer.acked = len(answers)
                self._send(customer, "ACK", 1, answers[0])
                if customer.cancelled:
                    # The answer has crossed the CANCEL.
                    customer.cancelled = False
                    self._hang_up(customer)
                moved = True
        return moved

    def _answer_requests(self) -> bool:
        moved = False
        for peer in (self.world.carrier, self.world.agent, *self.peers.values()):
            if peer.name in self.gone:
                continue
            for tx, request in peer.requests:
                if tx.state in OPEN and request.method != "INVITE":
                    peer.core.respond(tx, 200, now=self.world.now)
                    moved = True
            for tx in peer.cancelled:
                if tx.state in OPEN:
                    peer.core.respond(tx, 487, now=self.world.now)
                    moved = True
        return moved

    def lose(self, count: int) -> None:
        """The next datagrams are lost."""
        self.drops = count

    def copies(self, count: int) -> None:
        """Every datagram comes so often from now on."""
        self.world.copies = count

    def wait(self, seconds: float) -> None:
        """Time passes; what is said is heard to its end first when there is time."""
        if seconds >= 5:
            self._hear()
        self.world.advance(seconds)
        self.stalled = False
        self.run()

    def stall(self, seconds: float) -> None:
        """Time passes, and the switch has not run: what comes next is handled before what was due."""
        self.world.now += seconds
        self.stalled = True

    def _hear(self) -> None:
        for port in [port for port, (_, _, loop) in self.world.plane.playing.items() if not loop]:
            if port in self.world.plane.playing:
                self.world.plane.play_done(port)
        self.run()

    # --- customers ---

    def dial(self, which: int, who: int) -> None:
        """Somebody calls."""
        if len(self.x.calls) < 6:
            out, tx = self.world.dial(DIALLED[which % len(DIALLED)], caller=CUSTOMERS[who % len(CUSTOMERS)])
            self.customers.append(Customer(out, tx))
            self.run()

    def talk(self, which: int, who: int) -> None:
        """Somebody calls, and whoever is rung answers."""
        self.dial(which, who)
        for call in self.x.calls.values():
            for leg in call.others:
                if leg.purpose == "offer" and leg.id in self.x.invites_out:
                    self.answers(self.x.invites_out[leg.id].request.call_id)
                    return

    def key(self, which: int, digit: str) -> None:
        """A key of one who waits, or is in a flow."""
        calls = [call for call in self.x.calls.values() if call.phase in (Phase.QUEUED, Phase.FLOW)]
        if calls:
            lease = calls[which % len(calls)].caller.lease
            if lease is not None and self.world.plane.leased.get(lease.port) == lease:
                self.world.plane.digit(lease, digit, at=self.world.now)
                self.run()

    def asks_back(self, which: int, seconds: float) -> None:
        """One who waits presses the key for being called back, hangs up, and so much later whoever rings answers."""
        self.key(which, "1")
        self.customer_leaves(which)
        self.wait(seconds)
        for invited in list(self.x.invites_out.values()):
            self.answers(invited.request.call_id)

    def customer_leaves(self, which: int) -> None:
        """A caller hangs up, or gives up before the answer."""
        there = [customer for customer in self.customers if not customer.left]
        if not there:
            return
        customer = there[which % len(there)]
        answers = self._answers(customer)
        customer.left = True
        if answers:
            self._hang_up(customer)
        else:
            customer.cancelled = True
            self.world.carrier.core.cancel(customer.tx, self.world.now)
        self.run()

    def _hang_up(self, customer: Customer) -> None:
        self.cseq += 1
        self._send(customer, "BYE", self.cseq, self._answers(customer)[0])

    def _answers(self, customer: Customer) -> list[Response]:
        return [
            one
            for one in self.world.carrier.responses
            if one.call_id == customer.out.call_id and one.status == 200 and one.cseq_method == "INVITE"
        ]

    def _send(self, customer: Customer, method: str, cseq: int, answer: Response) -> None:
        request = OutgoingRequest(
            method, f"sip:{SWITCH[0]}:{SWITCH[1]}", SWITCH, from_=customer.out.from_,
            to=answer.headers.get("to") or "", call_id=customer.out.call_id, cseq=cseq,
        )  # fmt: skip
        if method == "ACK":
            self.world.carrier.core.send_ack(request, self.world.now)
        else:
            self.world.carrier.core.request(request, self.world.now)

    # --- phones ---

    def phone(self, which: int, status: int) -> None:
        """A phone that rings does something; the carrier's, too, when it is called."""
        ringing = [
            Dialog(peer, tx, request)
            for peer in (*self.peers.values(), self.world.agent)
            for tx, request in peer.requests
            if request.method == "INVITE" and not request.to_tag and tx.state in OPEN and peer.name not in self.gone
        ]
        if ringing:
            self._responds(ringing[which % len(ringing)], status)

    def answers(self, call_id: str) -> None:
        """The phone that this INVITE rings answers."""
        for peer in (*self.peers.values(), self.world.agent):
            for tx, request in peer.requests:
                if request.call_id == call_id and tx.state in OPEN and peer.name not in self.gone:
                    self._responds(Dialog(peer, tx, request), 200)

    def _responds(self, dialog: Dialog, status: int) -> None:
        peer, tx, invite = dialog
        body = peer.answer(invite.body) if status in (183, 200) else b""
        contact = (f"Contact: <sip:{peer.name}@{peer.address[0]}:{peer.address[1]}>",)
        peer.core.respond(tx, status, headers=contact, body=body, now=self.world.now)
        if status == 200:
            self.dialogs.append(dialog)
        self.run()

    def hangs_up(self, which: int) -> None:
        """A phone hangs up a call that it has answered."""
        known = [one for one in self.dialogs if one.peer.name not in self.gone]
        if known:
            dialog = known[which % len(known)]
            self.dialogs.remove(dialog)
            self._within(dialog, "BYE")

    def describes(self, which: int, direction: str) -> None:
        """A phone holds, or is back."""
        known = [one for one in self.dialogs if one.peer.name not in self.gone]
        if known:
            dialog = known[which % len(known)]
            body = dialog.peer.sdp(41000).replace(b"a=sendrecv", f"a={direction}".encode())
            self._within(dialog, "INVITE", body)

    def _within(self, dialog: Dialog, method: str, body: bytes = b"") -> None:
        peer, tx, invite = dialog
        self.cseq += 1
        out = OutgoingRequest(
            method, f"sip:{SWITCH[0]}:{SWITCH[1]}", SWITCH,
            from_=f"{invite.headers.get('to')};tag={tx.to_tag}", to=invite.headers.get("from") or "",
            call_id=invite.call_id, cseq=self.cseq, body=body,
            headers=(f"Contact: <sip:{peer.name}@{peer.address[0]}:{peer.address[1]}>",),
        )  # fmt: skip
        peer.core.request(out, self.world.now)
        self.world.run()
        answered = any(
            one.call_id == out.call_id and one.cseq == out.cseq and one.status == 200 for one in peer.responses
        )
        if method == "INVITE" and answered:
            ack = OutgoingRequest(
                "ACK", out.uri, SWITCH, from_=out.from_, to=out.to, call_id=out.call_id, cseq=out.cseq
            )
            peer.core.send_ack(ack, self.world.now)
        self.run()

    def vanish(self, name: str) -> None:
        """A phone is switched off: nothing reaches it, and it says nothing."""
        self.gone.add(name)

    def returns(self, name: str) -> None:
        """It is there again."""
        self.gone.discard(name)

    def register(self, name: str, seconds: int) -> None:
        """A softphone registers for so long; 0 takes it back."""
        if name not in SOFTPHONES or name in self.gone:
            return
        self.registered += 1
        peer, aor = self.peers[name], f"{name}@switchboard.local"
        head = [
            "REGISTER sip:switchboard.local SIP/2.0",
            f"Via: SIP/2.0/UDP {peer.address[0]}:{peer.address[1]};branch=z9hG4bK{self.registered}",
            f"From: <sip:{aor}>;tag=1", f"To: <sip:{aor}>", f"Call-ID: register-{name}",
            f"CSeq: {self.registered} REGISTER", f"Contact: <sip:{name}@{peer.address[0]}:{peer.address[1]}>",
            f"Expires: {seconds}", "Content-Length: 0",
        ]  # fmt: skip
        message = parse_datagram(("\r\n".join(head) + "\r\n\r\n").encode())
        assert isinstance(message, Request)
        assert self.x.registrar.register(message, aor, peer.address, self.world.now).status == 200
        self.x.desk.phones_changed(self.world.now)
        self.run()

    def silent(self, which: int) -> None:
        """Nothing comes from a party any more."""
        calls = list(self.x.calls.values())
        legs = calls[which % len(calls)].legs if calls else []
        leases = [leg.lease for leg in legs if leg.lease is not None and leg.media_open]
        live = [lease for lease in leases if self.world.plane.leased.get(lease.port) == lease]
        if live:
            self.world.plane.silence(live[which % len(live)])
            self.run()

    def lose_worker(self) -> None:
        """The media worker dies."""
        self.held.clear()
        self.world.plane.lose_worker()
        self.run()

    def ports(self, leave: int) -> None:
        """All ports but so many are taken by others; taken already, they are free again."""
        if self.held:
            for lease in self.held:
                self.world.plane.release(lease)
            self.held.clear()
            self.run()
        else:
            while self.world.plane.counts()["free"] > leave:
                taken = self.world.plane.lease()
                assert taken is not None
                self.held.append(taken)
