"""A switch in memory: the call engine over a real core, with a carrier and an agent as cores of their own.

Time is virtual; datagrams are carried by hand, so that a test may lose or repeat them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from ivr_flows.actions import Http
from ivr_flows.clock import LocalTime
from ivr_flows.events import HttpDone
from ivr_flows.model import Flow
from media.description import build_answer, build_offer
from media.formats import PCMA, PCMU
from media.remote import read_remote
from media.sdes import PLAIN as SDES_PLAIN
from media.sdes import Policy, Profile
from routing.acd import model as acd
from routing.acd.engine import Engine
from routing.dialplan import DialPlan, Entry
from routing.masks.secret import RealNumber, Vault
from routing.masks.table import MaskTable
from routing.masks.target import AorTarget, NumberTarget, SipTarget
from routing.trunks import Trunks
from switchboard.accounts import Accounts
from switchboard.calls.carriers.description import Trunk
from switchboard.calls.desk import Desk
from switchboard.calls.engine import CallEngine
from switchboard.calls.exchange import Exchange
from switchboard.calls.flow_shelf import FlowShelf
from switchboard.calls.reliable import Mode
from switchboard.calls.settings import Address, Service, Settings
from switchboard.directory import Directory
from switchboard.sip.core import SipCore
from switchboard.sip.events import (
    AckReceived,
    CancelReceived,
    Event,
    RequestReceived,
    ResponseReceived,
)
from switchboard.sip.message import Request, Response
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.registrar import Registrar
from switchboard.sip.timers import Timers
from switchboard.sip.transaction.client import ClientTransaction
from switchboard.sip.transaction.server import ServerTransaction
from switchboard.store.callbacks import Request as CallbackRequest
from switchboard.store.records import (
    CallbackRecord,
    CallbackState,
    CallbackStateRecord,
    CallRecord,
    MediaRecord,
    MessageRecord,
    MessageState,
    decode_record,
    new_id,
)
from switchboard.store.segments import Kind
from tests.support.library import LIBRARY
from tests.support.media_plane import FakePlane

SWITCH: Address = ("127.0.0.1", 5060)
CARRIER: Address = ("127.0.0.2", 5070)
AGENT: Address = ("127.0.0.3", 5190)
PHONE: Address = ("127.0.0.4", 5080)
NUMBER = "4008001234"
REAL = "13956781234"


class MemoryJournal:
    """Keeps what was written, in order."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, str, bytes]] = []

    def append(self, kind: int, call_id: str, payload: bytes) -> None:
        """Write one record."""
        self.entries.append((kind, call_id, payload))

    @property
    def records(self) -> list[CallRecord]:
        """The final records, oldest first."""
        return [decode_record(payload) for kind, _, payload in self.entries if kind == Kind.ENDED]


class CountingMeter:
    """Counts and keeps what is measured."""

    def __init__(self) -> None:
        self.causes: list[str] = []
        self.delays: list[float] = []
        self.latencies: list[float] = []
        self.audio: list[tuple[str, MediaRecord]] = []

    def call_ended(self, cause: str) -> None:
        """Note the cause."""
        self.causes.append(cause)

    def post_dial_delay(self, seconds: float) -> None:
        """Note the delay."""
        self.delays.append(seconds)

    def transfer_latency(self, seconds: float) -> None:
        """Note the latency."""
        self.latencies.append(seconds)

    def rtp(self, received: int, lost: int) -> None:
        """Do nothing."""

    def leg(self, trunk: str, media: MediaRecord) -> None:
        """Note it."""
        self.audio.append((trunk, media))


class StoppedClock:
    """A working Monday at ten."""

    def __init__(self) -> None:
        self.time = LocalTime("2026-11-23", "10:00", 1, True, "")

    def local(self, now: float) -> LocalTime:
        """The same time, whenever."""
        return self.time


class ScriptedBackends:
    """Keeps requests until the test answers them."""

    def __init__(self) -> None:
        self.requests: list[tuple[Http, Callable[[HttpDone], None], str]] = []

    def request(self, http: Http, done: Callable[[HttpDone], None], call_id: str) -> None:
        """Keep it."""
        self.requests.append((http, done, call_id))

    def cancel(self, call_id: str) -> None:
        """Forget those of a call."""
        self.requests = [request for request in self.requests if request[2] != call_id]

    def answer(self, body: object = None, status: int = 200, error: str = "") -> Http:
        """Answer the oldest request."""
        http, done, _ = self.requests.pop(0)
        done(HttpDone(http.request_id, status, body, error))  # type: ignore[arg-type]
        return http


class MemoryVoice:
    """Speaks at once, unless it is told to be slow or dumb; `said` is every text."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.made: set[tuple[str, str]] = set()
        self.dumb = False
        self.waiting: list[Callable[[], None]] = []
        self.slow = False

    def ready(self, text: str, language: str) -> str | None:
        """Its name, when it was prepared."""
        return f"speech:{text}" if (text, language) in self.made else None

    def prepare(self, texts: Sequence[tuple[str, str]], done: Callable[[], None]) -> None:
        """Prepare all."""
        self.said += texts

        def made() -> None:
            if not self.dumb:
                self.made.update(texts)
            done()

        if self.slow:
            self.waiting.append(made)
        else:
            made()


class MemoryMailboxes:
    """Keeps messages."""

    def __init__(self) -> None:
        self.messages: list[MessageRecord] = []
        self.states: dict[str, MessageState] = {}
        self.full = False

    def has_room(self, box: str) -> bool:
        """Unless it is said to be full."""
        return not self.full

    def add(self, message: MessageRecord) -> tuple[int, int]:
        """Keep it."""
        self.messages.append(message)
        return self.waiting(message.box)

    def waiting(self, box: str) -> tuple[int, int]:
        """Those that nobody has heard are new."""
        states = list(self.listed(box).values())
        return states.count("new"), states.count("heard")

    def listed(self, box: str) -> dict[str, MessageState]:
        """What is not deleted."""
        known = {message.id: self.states.get(message.id, "new") for message in self.messages if message.box == box}
        return {one: state for one, state in known.items() if state != "deleted"}

    def mark(self, message_id: str, state: MessageState, at_us: int, by: str = "") -> bool:
        """Keep it."""
        changed = self.states.get(message_id, "new") not in (state, "deleted")
        if changed:
            self.states[message_id] = state
        return changed


class MemoryCallbacks:
    """Keeps requests."""

    def __init__(self) -> None:
        self.requests: list[CallbackRecord] = []
        self.open: dict[str, CallbackRequest] = {}
        self.changes: list[CallbackStateRecord] = []

    def add(self, request: CallbackRecord) -> Literal["new", "known", "full"]:
        """Keep it."""
        self.requests.append(request)
        self.open[request.id] = CallbackRequest(request)
        return "new"

    def get(self, request_id: str) -> CallbackRequest | None:
        """One that is open."""
        return self.open.get(request_id)

    def mark(
        self,
        request_id: str,
        state: CallbackState,
        at_us: int,
        by: str = "",
        *,
        reason: str = "",
        attempts: int | None = None,
        call_id: str = "",
    ) -> bool:
        """Note what became of it."""
        change = CallbackStateRecord(
            id=request_id, state=state, at_us=at_us, by=by, reason=reason, attempts=attempts, call_id=call_id
        )
        self.changes.append(change)
        if request_id not in self.open:
            return False
        if state in ("open", "calling"):
            self.open[request_id] = self.open[request_id].changed(change)
        else:
            del self.open[request_id]
        return True


class Peer:
    """A user agent made of a core: keeps every event, sends what a test tells it to."""

    def __init__(self, address: Address, token: Callable[[], str], name: str) -> None:
        self.address = address
        self.name = name
        self.token = token
        self.core = SipCore(local=address, timers=Timers(), random_token=token, user_agent=name)
        self.requests: list[tuple[ServerTransaction, Request]] = []
        self.responses: list[Response] = []
        self.acks: list[Request] = []
        self.cancelled: list[ServerTransaction] = []
        self.cancels: list[Request] = []
        self.wire: list[bytes] = []

    def take(self, event: Event) -> None:
        """Keep one event."""
        if isinstance(event, RequestReceived):
            self.requests.append((event.tx, event.request))
        elif isinstance(event, ResponseReceived):
            self.responses.append(event.response)
        elif isinstance(event, AckReceived):
            self.acks.append(event.request)
        elif isinstance(event, CancelReceived):
            self.cancelled.append(event.tx)
            self.cancels.append(event.request)

    def sdp(
        self, port: int = 40000, codecs: tuple[str, ...] = ("PCMA", "PCMU"), profile: Profile = SDES_PLAIN
    ) -> bytes:
        """An offer of this peer, secured as `profile` says."""
        known = {"PCMA": PCMA, "PCMU": PCMU}
        return build_offer(
            session_id=7,
            version=1,
            address=self.address[0],
            port=port,
            codecs=tuple(known[codec] for codec in codecs),
            event_pt=101,
            profile=profile,
        )

    def answer(self, offer: bytes, port: int = 41000, profile: Profile = SDES_PLAIN) -> bytes:
        """An answer to an offer, secured as `profile` says."""
        remote = read_remote(offer, profile.policy)
        return build_answer(
            offer,
            session_id=8,
            version=1,
            address=self.address[0],
            port=port,
            codec=remote.audio[0],
            event_pt=remote.event_pt,
            direction="sendrecv",
            profile=profile,
        )

    @property
    def statuses(self) -> list[int]:
        """The statuses received, in order."""
        return [response.status for response in self.responses]

    def received(self, method: str) -> list[Request]:
        """The requests of one method, in order."""
        return [request for _, request in self.requests if request.method == method]


class Team(NamedTuple):
    """A group whose members are rung in turn, the first one first, and who are there whenever their phones are."""

    name: str
    members: tuple[str, ...]
    ring_timeout: float = 20.0

    def group(self) -> acd.Group:
        """The group, in the words of the queue engine."""
        return acd.Group(
            name=self.name,
            strategy="top_down",
            ring_timeout=self.ring_timeout,
            refuse_pause=2.0,
            no_answer_state="idle",
            announcements=acd.Announcements(music=()),
        )


def staff(teams: Iterable[Team]) -> list[acd.Agent]:
    """The members of all teams, each phone one agent."""
    levels: dict[str, dict[str, int]] = {}
    for team in teams:
        for phone in team.members:
            levels.setdefault(phone, {})[team.name] = 1
    return [
        acd.Agent(id=agent_id(phone), phone=phone, groups=groups, order=order, always=True)
        for order, (phone, groups) in enumerate(levels.items())
    ]


def agent_id(phone: str) -> str:
    """What an agent with this phone is called here."""
    return phone.partition(":")[2].partition("@")[0]


class World:
    """The switch, a carrier, an agent and a phone, joined by a network that the test may disturb."""

    def __init__(
        self,
        flows: dict[str, Flow] | None = None,
        *,
        ports: int = 100,
        workers: int = 1,
        max_calls: int = 100,
        copies: int = 1,
        ring_timeout: float = 20.0,
        teams: Sequence[Team] = (),
        groups: Sequence[acd.Group] = (),
        agents: Sequence[acd.Agent] = (),
        services: Mapping[str, Service] | None = None,
        session_expires: int = 0,
        reliable: Mode = "off",
        codecs: tuple[str, ...] = ("PCMA", "PCMU"),
        srtp: Policy = "off",
        trunk_srtp: Policy | None = None,
        srtp_accounts: Mapping[str, Policy] | None = None,
        trusted: bool = True,
    ) -> None:
        self.now = 1000.0
        serial = itertools.count(1)
        self.token = lambda: f"t{next(serial):08d}"
        self.copies = copies
        self.lost: Callable[[Address, bytes], bool] = lambda destination, data: False
        self.watch: Callable[[Address, Address, bytes], None] = lambda source, destination, data: None
        self.plane = FakePlane(ports=ports, workers=workers)
        self.journal = MemoryJournal()
        self.meter = CountingMeter()
        self.vault = Vault(
            {1: bytes(32)}, bytes(range(32)), lambda size: self.token().encode().ljust(size, b"0")[:size]
        )
        self.masks = MaskTable()
        self.masks.bind(NUMBER, "100001", SipTarget(f"sip:100001@{AGENT[0]}:{AGENT[1]}"))
        self.masks.bind(NUMBER, "800001", AorTarget("alice"))
        secret = self.vault.seal(RealNumber(REAL))
        self.masks.bind(NUMBER, "345678", NumberTarget(secret, "bench", "01088880000"))
        plan = DialPlan(
            [
                Entry(number=NUMBER, flow="extension"),
                Entry(number="4001", target=f"sip:agent@{AGENT[0]}:{AGENT[1]}"),
                Entry(number="4004", flow="hold_music"),
                Entry(number="4006", mask=True),
                Entry(number="4007", target="aor:alice"),
            ]
        )
        self.core = SipCore(local=SWITCH, timers=Timers(), random_token=self.token, user_agent="switchboard")
        trunk = Trunk("bench", AGENT, False, srtp=trunk_srtp, trusted=trusted)
        self.posted: list[Callable[[float], None]] = []
        self.logged: list[tuple[str, dict[str, object]]] = []
        self.clock = StoppedClock()
        self.backends = ScriptedBackends()
        self.voice = MemoryVoice()
        self.mailboxes = MemoryMailboxes()
        self.callbacks = MemoryCallbacks()
        self.exchange = Exchange(
            settings=Settings(
                local=SWITCH,
                domain="switchboard.local",
                domains=frozenset({"switchboard.local", "127.0.0.1"}),
                max_calls=max_calls,
                ring_timeout=ring_timeout,
                recordings="/recordings",
                outbound=("bench", "01088880000"),
                services=services or {},
                session_expires=session_expires,
                reliable=reliable,
                codecs=codecs,
                srtp=srtp,
                srtp_accounts=srtp_accounts or {},
            ),
            core=self.core,
            media=self.plane,
            routing=Directory(plan, Trunks({"bench": ["127.0.0.2"]}), self.masks),
            flows=FlowShelf(flows if flows is not None else LIBRARY),
            registrar=Registrar(),
            authenticator=Accounts("switchboard.local", [("alice", "secret")], bytes(32), self.token),
            journal=self.journal,
            secrets=self.vault,
            meter=self.meter,
            token=self.token,
            new_id=new_id,
            utc_us=lambda now: int(now * 1e6),
            log=lambda event, **values: self.logged.append((event, values)),
            run=lambda work: self.posted.append(work),
            clock=self.clock,
            backends=self.backends,
            voice=self.voice,
            mailboxes=self.mailboxes,
            callbacks=self.callbacks,
        )
        self.exchange.carriers.change({"bench": trunk}, 0.0)
        self.engine = CallEngine(self.exchange)
        self.queues = Engine(lambda: 0.5, self.clock.local, watch=True)
        self.desk = Desk(self.exchange, self.queues)
        self.desk.load([*staff(teams), *agents], [*(team.group() for team in teams), *groups], self.now)
        self.plane.on_event = lambda event: self.engine.on_media(event, self.now)
        self.carrier = Peer(CARRIER, self.token, "carrier")
        self.agent = Peer(AGENT, self.token, "agent")
        self.phone = Peer(PHONE, self.token, "phone")
        self.peers = {peer.address: peer for peer in (self.carrier, self.agent, self.phone)}
        self.sent: list[tuple[Address, Address, bytes]] = []

    # --- the network ---

    def run(self) -> None:
        """Carry datagrams and events until nothing moves."""
        moved = True
        while moved:
            moved = False
            self.plane.settle()
            while self.posted:
                self.posted.pop(0)(self.now)
            while events := self.core.take_events():
                for event in events:
                    self.engine.on_event(event, self.now)
            for data, destination in self.core.take_datagrams():
                moved = True
                self._deliver(SWITCH, destination, data)
            for peer in self.peers.values():
                for event in peer.core.take_events():
                    moved = True
                    peer.take(event)
                for data, destination in peer.core.take_datagrams():
                    moved = True
                    self._deliver(peer.address, destination, data)

    def _deliver(self, source: Address, destination: Address, data: bytes) -> None:
        self.sent.append((source, destination, data))
        self.watch(source, destination, data)
        if self.lost(destination, data):
            return
        for _ in range(self.copies):
            if destination == SWITCH:
                self.core.receive(data, source, self.now)
            elif destination in self.peers:
                self.peers[destination].wire.append(data)
                self.peers[destination].core.receive(data, source, self.now)

    def advance(self, seconds: float) -> None:
        """Let time pass, from deadline to deadline."""
        end = self.now + seconds
        while True:
            self.run()
            deadlines = [self.core.next_deadline(), self.engine.next_deadline()]
            deadlines += [peer.core.next_deadline() for peer in self.peers.values()]
            due = min((deadline for deadline in deadlines if deadline is not None), default=None)
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.core.handle_timer(self.now)
            self.engine.handle_timer(self.now)
            for peer in self.peers.values():
                peer.core.handle_timer(self.now)
        self.now = end
        self.run()

    # --- what peers do ---

    def dial(
        self,
        number: str,
        *,
        peer: Peer | None = None,
        body: bytes | None = None,
        content_type: str = "application/sdp",
        headers: tuple[str, ...] = (),
        caller: str = "13900009999",
        max_forwards: int = 70,
    ) -> tuple[OutgoingRequest, ClientTransaction]:
        """An INVITE of the carrier (or another peer) to the switch."""
        peer = peer or self.carrier
        out = OutgoingRequest(
            "INVITE",
            f"sip:{number}@{SWITCH[0]}",
            SWITCH,
            from_=f"<sip:{caller}@{peer.address[0]}>;tag={self.token()}",
            to=f"<sip:{number}@{SWITCH[0]}>",
            call_id=self.token(),
            cseq=1,
            headers=(f"Contact: <sip:{caller}@{peer.address[0]}:{peer.address[1]}>", *headers),
            body=peer.sdp() if body is None else body,
            content_type=content_type,
            max_forwards=max_forwards,
        )
        tx = peer.core.request(out, self.now)
        self.run()
        return out, tx

    def within(
        self, peer: Peer, out: OutgoingRequest, method: str, cseq: int, **extra: object
    ) -> ClientTransaction | None:
        """A request of a caller within the dialog that its INVITE began; ACK gets no transaction."""
        response = next(r for r in reversed(peer.responses) if r.cseq_method == "INVITE" and r.to_tag)
        contact = response.contact
        request = OutgoingRequest(
            method,
            contact.uri if contact is not None else out.uri,
            SWITCH,
            from_=out.from_,
            to=response.headers.get("to") or "",
            call_id=out.call_id,
            cseq=cseq,
            **extra,  # type: ignore[arg-type]
        )
        if method == "ACK":
            peer.core.send_ack(request, self.now)
            self.run()
            return None
        tx = peer.core.request(request, self.now)
        self.run()
        return tx

    def reply(
        self,
        peer: Peer,
        status: int,
        *,
        body: bytes = b"",
        content_type: str = "application/sdp",
        index: int = -1,
        headers: tuple[str, ...] = (),
    ) -> None:
        """A response of a peer to the latest request it has."""
        tx, _ = peer.requests[index]
        contact = (f"Contact: <sip:{peer.name}@{peer.address[0]}:{peer.address[1]}>",)
        peer.core.respond(tx, status, headers=(*contact, *headers), body=body, content_type=content_type, now=self.now)
        self.run()

    def agent_answers(self, peer: Peer | None = None) -> None:
        """200 with an answer to the offer in the latest INVITE."""
        peer = peer or self.agent
        index = max(i for i, (_, request) in enumerate(peer.requests) if request.method == "INVITE")
        self.reply(peer, 200, body=peer.answer(peer.requests[index][1].body), index=index)

    def hang_up(self, peer: Peer) -> None:
        """BYE from the called side, in the dialog of the latest INVITE it answered."""
        invite = peer.received("INVITE")[-1]
        local = next(data for source, _, data in reversed(self.sent) if source == peer.address and b" INVITE" in data)
        to = next(line for line in local.decode().split("\r\n") if line.startswith("To:"))[3:].strip()
        contact = invite.contact
        assert contact is not None
        out = OutgoingRequest(
            "BYE",
            contact.uri,
            SWITCH,
            from_=to,
            to=invite.headers.get("from") or "",
            call_id=invite.call_id,
            cseq=1,
        )
        peer.core.request(out, self.now)
        self.run()

    def keys(self, digits: str, held: float = 0.0) -> None:
        """The caller keys digits; the media plane tells of each at once, or when it was `held`."""
        lease = next(iter(self.plane.leased.values()))
        for digit in digits:
            self.plane.digit(lease, digit, at=self.now, held=held)
            self.run()

    # --- what is left ---

    def leftovers(self) -> dict[str, int]:
        """Everything that is not zero; empty when nothing was left behind."""
        counts = {**self.exchange.counts(), **self.core.counts(), "leased": self.plane.counts()["leased"]}
        return {name: count for name, count in counts.items() if count}
