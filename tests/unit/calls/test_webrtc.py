"""Legs of browsers: what they are offered and answered, what the edge is told and when, and what its end ends."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from media.edge_control import Connected, Endpoint, Failed, Fault
from media.edge_plane import EdgeLost, PeerEvent
from media.formats import PCMU, Codec
from media.ice_dtls import Candidate, Fingerprint, OwnTransport, PeerTransport, Role
from media.interface import Stream
from media.remote import read_remote
from media.web_offer_answer import build_web_answer, build_web_offer
from switchboard.calls.call import Call
from switchboard.calls.commands import Consult, Dial
from switchboard.calls.leg import Leg
from switchboard.calls.playing import play_to, stop_playing
from switchboard.sip.binding import Binding
from switchboard.sip.flow import WsAddress
from switchboard.sip.outgoing import OutgoingRequest
from tests.support.exchange import NUMBER, PHONE, World
from tests.unit.calls.control.stage import Registered, Stage
from tests.unit.calls.phone_lines import Office
from tests.unit.calls.test_calling_out import Ports
from tests.unit.calls.test_registration import register

PRINT = Fingerprint("sha-256", ":".join(["0F"] * 32))
INSIDE = "127.0.0.9"


class FakeEdge:
    """Endpoints, and what was done to them."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.numbers = itertools.count(1)
        self.taken: dict[int, Endpoint] = {}
        self.done: list[tuple[object, ...]] = []

    def lease(self, controlling: bool) -> Endpoint | None:
        """One more, while there is room."""
        if len(self.taken) >= self.room:
            return None
        number = next(self.numbers)
        own = own_transport(f"ours{number}", 30000 + number)
        self.taken[number] = endpoint = Endpoint(number, own, INSIDE, 40000 + number)
        self.done.append(("lease", number, controlling))
        return endpoint

    def connect(self, endpoint: Endpoint, peer: PeerTransport, role: Role, worker: tuple[str, int]) -> None:
        """Note it."""
        self.done.append(("connect", endpoint.number, peer.ufrag, role, worker))

    def aim(self, endpoint: Endpoint, worker: tuple[str, int]) -> None:
        """Note it."""
        self.done.append(("aim", endpoint.number, worker))

    def restart(self, endpoint: Endpoint, spare: Endpoint, peer: PeerTransport) -> None:
        """Note it."""
        del self.taken[spare.number]
        self.done.append(("restart", endpoint.number, spare.number, peer.ufrag))

    def release(self, endpoint: Endpoint) -> None:
        """Give it back."""
        del self.taken[endpoint.number]

    def counts(self) -> dict[str, int]:
        """As the plane does."""
        return {"ready": 0, "taken": len(self.taken), "up": 1}

    def named(self, name: str) -> list[tuple[object, ...]]:
        """What was done of one kind."""
        return [each for each in self.done if each[0] == name]


def own_transport(ufrag: str, port: int) -> OwnTransport:
    """The transport of somebody."""
    return OwnTransport(ufrag, "p" * 22, PRINT, (Candidate("1", 100, "192.0.2.7", port, "host"),))


def offer(ufrag: str = "theirs", version: int = 1, **changes: object) -> bytes:
    """What a browser offers."""
    return build_web_offer(
        own_transport(ufrag, 5000),
        session_id=7,
        version=version,
        codecs=(PCMU,),
        event_pt=126,
        **changes,  # type: ignore[arg-type]
    )


def answer(body: bytes, ufrag: str = "theirs") -> bytes:
    """What a browser answers."""
    return build_web_answer(
        body, own_transport(ufrag, 5000), session_id=8, version=1, codec=read_remote(body).audio[0], event_pt=None,
        direction="sendrecv", setup="active",
    )  # fmt: skip


def a_world(room: int = 100, **options: object) -> tuple[World, FakeEdge]:
    """A world with an edge."""
    world, edge = World(**options), FakeEdge(room)  # type: ignore[arg-type]
    world.exchange.edge = edge
    return world, edge


def tell(world: World, event: PeerEvent) -> None:
    """The edge tells something."""
    world.engine.on_edge(event, world.now)
    world.run()


def caller_up(room: int = 100) -> tuple[World, FakeEdge, OutgoingRequest, Call]:
    """A browser talks to the agent."""
    world, edge = a_world(room)
    out, _ = world.dial("4001", body=offer())
    (call,) = world.exchange.calls.values()
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    return world, edge, out, call


def opened(world: World, leg: Leg) -> Stream:
    """How the leg's session was opened last."""
    assert leg.lease is not None
    return world.plane.opened[leg.lease.port]


def browser_phone(world: World) -> None:
    """The phone is a browser: it registers over a WebSocket."""
    flow = WsAddress(PHONE)
    del world.peers[PHONE]
    world.phone.address = flow
    world.peers[flow] = world.phone
    register(world, world.phone, contact="<sip:alice@x.invalid;transport=ws>")


def test_a_browser_is_answered_and_connected() -> None:
    """The answer describes an endpoint; the worker's peer is that endpoint, all on one port, and nobody latches."""
    world, edge, out, call = caller_up()
    body = world.carrier.responses[-1].body
    remote = read_remote(body)
    assert remote.web is not None
    assert (remote.web.ufrag, remote.web.setup, remote.web.mid) == ("ours1", "active", "0")
    lease = call.caller.lease
    assert lease is not None
    assert edge.done == [("lease", 1, False), ("connect", 1, "theirs", "client", (lease.address, lease.port))]
    stream = opened(world, call.caller)
    assert (stream.remote_ip, stream.remote_port, stream.latch_ip, stream.rtcp_mux) == (INSIDE, 40001, INSIDE, True)
    assert b"RTP/SAVPF" not in world.agent.received("INVITE")[0].body
    tell(world, Connected(1, 0.1))
    world.within(world.carrier, out, "BYE", 2)
    assert not edge.taken
    world.advance(40)
    assert world.leftovers() == {}
    assert world.journal.records[0].legs[0].secured == "DTLS-SRTP"


def played(world: World) -> list[object]:
    """What was played and stopped, in order: the id of a play, or None."""
    done = [one for one in world.plane.commands if one[0] in ("play", "stop_play")]
    return [one[2] if one[0] == "play" else None for one in done]


def test_a_prompt_waits_for_a_browser_to_hear() -> None:
    """Nothing is lost of it; only what was to be played last is played, and from then on all at once."""
    world, _ = a_world()
    out, _ = world.dial(NUMBER, body=offer())
    world.within(world.carrier, out, "ACK", 1)
    (call,) = world.exchange.calls.values()
    web = call.caller.web
    assert web is not None
    assert web.waiting is not None
    assert played(world) == []
    first = web.waiting[0]
    tell(world, Connected(1, 0.4))
    assert (played(world), web.waiting) == ([first], None)
    tell(world, Connected(1, 0.4))
    assert played(world) == [first]
    assert call.caller.lease is not None
    play_to(world.exchange, call.caller, 77, ("zh/welcome",), loop=False)
    assert played(world) == [first, 77]
    world.within(world.carrier, out, "BYE", 2)
    world.advance(40)
    assert world.leftovers() == {}


def test_a_key_before_a_browser_hears_stops_the_prompt() -> None:
    """What was stopped is not played later."""
    world, _ = a_world()
    out, _ = world.dial(NUMBER, body=offer())
    world.within(world.carrier, out, "ACK", 1)
    (call,) = world.exchange.calls.values()
    stop_playing(world.exchange, call.caller)
    tell(world, Connected(1, 0.4))
    assert [one for one in played(world) if one is not None] == []


def test_who_never_hears_is_lost() -> None:
    """A prompt that waits keeps no call."""
    world, _ = a_world()
    out, _ = world.dial(NUMBER, body=offer())
    world.within(world.carrier, out, "ACK", 1)
    tell(world, Failed(1, "ice"))
    world.advance(40)
    assert (played(world), world.leftovers()) == ([], {})


def test_without_an_edge_a_browser_is_refused() -> None:
    """488, not a call that nobody hears."""
    world = World()
    world.dial("4001", body=offer())
    assert world.carrier.statuses[-1] == 488
    assert not world.agent.requests


def test_without_an_endpoint_there_is_no_call() -> None:
    """As when no port is left; nothing is kept of it."""
    world, edge = a_world(room=0)
    world.dial(NUMBER, body=offer())
    assert world.carrier.statuses[-1] == 503
    world.advance(40)
    assert world.leftovers() == {}
    assert not edge.taken


@pytest.mark.parametrize("srtp", ["off", "optional", "required"])
def test_a_phone_on_a_websocket_is_offered_webrtc(srtp: str) -> None:
    """It is the one who begins the handshake, and we decide the path, having offered; its keys are in no SDP."""
    world, edge = a_world(srtp=srtp, trunk_srtp="off")
    browser_phone(world)
    out, _ = world.dial("4007")
    invite = world.phone.received("INVITE")[-1]
    asked = read_remote(invite.body)
    assert asked.web is not None
    assert (asked.web.setup, asked.web.ufrag) == ("actpass", "ours1")
    assert b"a=crypto" not in invite.body
    world.reply(world.phone, 200, body=answer(invite.body), index=0)
    world.within(world.carrier, out, "ACK", 1)
    (call,) = world.exchange.calls.values()
    assert call.agent is not None
    assert call.agent.lease is not None
    worker = (call.agent.lease.address, call.agent.lease.port)
    assert edge.done == [("lease", 1, True), ("connect", 1, "theirs", "server", worker)]
    world.within(world.carrier, out, "BYE", 2)
    assert not edge.taken


def test_a_plain_answer_to_a_web_offer_is_no_answer() -> None:
    """A peer that takes what was not offered has not understood; its call is not made."""
    world, edge = a_world()
    browser_phone(world)
    world.dial("4007")
    world.reply(world.phone, 200, body=world.phone.sdp(), index=0)
    assert world.carrier.statuses[-1] == 488
    assert not edge.taken


def test_who_gives_up_gives_the_endpoint_back() -> None:
    """A browser that rings and is not answered holds nothing."""
    world, edge = a_world()
    browser_phone(world)
    _, tx = world.dial("4007")
    world.reply(world.phone, 180)
    assert len(edge.taken) == 1
    world.carrier.core.cancel(tx, world.now)
    world.run()
    world.reply(world.phone, 487, index=0)
    assert not edge.taken
    assert world.exchange.counts()["web_legs"] == 0


def test_a_reoffer_keeps_the_path_and_a_restart_changes_it() -> None:
    """Credentials stay as they are through holds; new ones of the peer's are answered with new ones of ours."""
    world, edge, out, call = caller_up()
    world.within(world.carrier, out, "INVITE", 2, body=offer(version=2, direction="sendonly"))
    held = read_remote(world.carrier.responses[-1].body)
    assert held.web is not None
    assert (held.web.ufrag, held.direction) == ("ours1", "recvonly")
    assert call.caller.holds
    world.within(world.carrier, out, "ACK", 2)
    world.within(world.carrier, out, "INVITE", 3, body=offer("anew", version=3))
    again = read_remote(world.carrier.responses[-1].body)
    assert again.web is not None
    assert (again.web.ufrag, again.web.setup) == ("ours2", "active")
    assert edge.named("restart") == [("restart", 1, 2, "anew")]
    world.within(world.carrier, out, "ACK", 3)
    # From now on that is the path, and what it was before is a restart.
    world.within(world.carrier, out, "INVITE", 4, body=offer("anew", version=4))
    same = read_remote(world.carrier.responses[-1].body)
    assert same.web is not None
    assert same.web.ufrag == "ours2"
    assert len(edge.named("restart")) == 1
    assert len(edge.named("connect")) == 1
    world.within(world.carrier, out, "ACK", 4)
    world.within(world.carrier, out, "BYE", 5)
    assert not edge.taken


def test_a_restart_without_room_is_refused() -> None:
    """The call goes on as it is."""
    world, edge, out, call = caller_up(room=1)
    world.within(world.carrier, out, "INVITE", 2, body=offer("anew", version=2))
    assert world.carrier.statuses[-1] == 488
    assert call.caller.talking
    assert list(edge.taken) == [1]


def test_a_session_does_not_change_its_kind() -> None:
    """Neither does a browser become a phone in the middle of a call, nor the other way round."""
    world, _, out, _ = caller_up()
    world.within(world.carrier, out, "INVITE", 2, body=world.carrier.sdp())
    assert world.carrier.statuses[-1] == 488
    plain, _ = a_world()
    out, _ = plain.dial("4001")
    plain.agent_answers()
    plain.within(plain.carrier, out, "ACK", 1)
    plain.within(plain.carrier, out, "INVITE", 2, body=offer())
    assert plain.carrier.statuses[-1] == 488


def test_our_own_offer_within_the_dialog_keeps_the_section() -> None:
    """A re-INVITE without an offer is answered with ours: the same path, the peer's name of the section."""
    world, edge, out, _ = caller_up()
    world.within(world.carrier, out, "INVITE", 2)
    ours = read_remote(world.carrier.responses[-1].body)
    assert ours.web is not None
    assert (ours.web.ufrag, ours.web.setup, ours.web.mid) == ("ours1", "actpass", "0")
    assert len(edge.named("lease")) == 1


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("ice", "webrtc_failed"),
        ("dtls", "webrtc_failed"),
        ("fingerprint", "webrtc_failed"),
        ("timeout", "webrtc_failed"),
        ("consent", "webrtc_lost"),
        ("closed", "webrtc_lost"),
    ],
)
def test_a_failed_connection_ends_the_call(fault: Fault, cause: str) -> None:
    """Both sides are told, and the record says why."""
    world, edge, _, _ = caller_up()
    tell(world, Failed(99, fault))
    assert world.exchange.calls
    tell(world, Failed(1, fault))
    world.advance(40)
    (record,) = world.journal.records
    assert (record.cause, record.ended_by) == (cause, "switch")
    assert world.agent.received("BYE")
    assert not edge.taken
    assert ("call.webrtc_failed", fault) in [(name, values.get("fault")) for name, values in world.logged]


def test_a_dead_edge_ends_its_legs_only() -> None:
    """The browser's call ends, also while it rings; that of a phone goes on."""
    world, edge, _, _ = caller_up()
    browser_phone(world)
    world.dial("4007", caller="13900000002")
    out, _ = world.dial("4004", caller="13900000003")
    world.within(world.carrier, out, "ACK", 1)
    assert len(world.exchange.calls) == 3
    tell(world, EdgeLost(tuple(edge.taken)))
    world.advance(40)
    assert sorted(record.cause for record in world.journal.records) == ["edge_lost", "edge_lost"]
    (call,) = world.exchange.calls.values()
    assert call.caller.web is None


def test_one_of_a_conference_is_lost_and_the_others_stay() -> None:
    """What has an agent's leg fail ends as when its phone is lost."""
    world, edge = a_world()
    browser_phone(world)
    out, _ = world.dial("4007")
    invite = world.phone.received("INVITE")[-1]
    world.reply(world.phone, 200, body=answer(invite.body), index=0)
    world.within(world.carrier, out, "ACK", 1)
    tell(world, Failed(1, "consent"))
    assert world.carrier.received("BYE")
    assert world.phone.received("BYE")
    assert not edge.taken


def test_opus_is_described_as_the_other_side_has_it() -> None:
    """Between browsers packets pass as they are: one codec, under the numbers of the first."""
    world, _ = a_world(codecs=("opus", "PCMU"))
    browser_phone(world)
    opus = Codec("opus", 109, 48000, 2, "useinbandfec=1")
    body = build_web_offer(own_transport("theirs", 5000), session_id=1, version=1, codecs=(opus, PCMU), event_pt=101)
    out, _ = world.dial("4007", body=body)
    invite = world.phone.received("INVITE")[-1]
    assert read_remote(invite.body).audio[0] == opus
    world.reply(world.phone, 200, body=answer(invite.body, "other"), index=0)
    world.within(world.carrier, out, "ACK", 1)
    assert [codec.name for codec in read_remote(world.carrier.responses[-1].body).audio] == ["opus"]
    (call,) = world.exchange.calls.values()
    assert call.caller.agreement is not None
    assert call.agent is not None
    assert call.agent.agreement is not None
    assert call.caller.agreement.send_pt == call.agent.agreement.send_pt == 109


def test_a_leg_of_a_browser_is_plain_data() -> None:
    """It can be written down and read again, as all of a call can."""
    _, _, _, call = caller_up()
    written = msgspec.msgpack.encode(call.caller.web)
    assert msgspec.msgpack.decode(written, type=type(call.caller.web)).peer == call.caller.web.peer  # type: ignore[union-attr]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_browser_is_handed_to_another_call(workers: int) -> None:
    """Its session at the edge goes with it; on another worker it stays where it is and the edge aims anew."""
    world, edge = Office(workers=workers), FakeEdge()
    world.exchange.edge = edge
    _, first = world.talk()
    out, _ = world.dial("4007", body=offer())
    second = world.alice.answered()
    world.within(world.carrier, out, "ACK", 1)
    assert first.attend(second) == 202
    if workers == 2:
        again = world.carrier.received("INVITE")[-1]
        index = max(i for i, (_, request) in enumerate(world.carrier.requests) if request.method == "INVITE")
        world.reply(world.carrier, 200, body=answer(again.body), index=index)
        aimed = edge.named("aim")
        assert len(aimed) == 1
    world.alice.told()
    (call,) = world.exchange.calls.values()
    (moved,) = [leg for leg in call.legs if leg.web is not None]
    assert moved.lease is not None
    assert edge.done[-1][-1] == (moved.lease.address, moved.lease.port)
    assert list(edge.taken) == [1]
    assert world.exchange.web_legs == {1: moved}
    tell(world, Failed(1, "consent"))
    assert not world.exchange.calls or moved not in call.legs
    assert not edge.taken


class Browsers(Registered):
    """One of the agents has a browser."""

    def __init__(self, stage: Stage, name: str) -> None:
        super().__init__(stage)
        peer = stage.phones[name]
        self.name, self.flow = name, WsAddress(peer.address)
        del stage.world.peers[peer.address]
        peer.address = self.flow
        stage.world.peers[self.flow] = peer

    def lookup(self, aor: str, now: float) -> list[Binding]:
        """Theirs is on a WebSocket."""
        found = super().lookup(aor, now)
        if aor.partition("@")[0] == self.name:
            return [msgspec.structs.replace(one, source=self.flow) for one in found]
        return found


def a_stage() -> Stage:
    """Ben's phone is a browser."""
    stage = Stage()
    stage.x.edge = FakeEdge()  # type: ignore[assignment]
    stage.x.registrar = Browsers(stage, "ben")
    return stage


def test_a_browser_that_waits_for_a_port_is_offered_webrtc_then() -> None:
    """Its endpoint is given back meanwhile."""
    stage = a_stage()
    call = stage.talk()
    ports = Ports(stage.world)
    stage.do(Consult(call=call.id, to="aor:ben"))
    assert (ports.waiting, stage.x.edge.counts()["taken"]) == (1, 0)  # type: ignore[union-attr]
    ports.come(1, more=True)
    (invite,) = stage.peer("ben").received("INVITE")
    assert read_remote(invite.body).web is not None
    ports.give_back()
    stage.finish()
    assert stage.x.edge.counts()["taken"] == 0  # type: ignore[union-attr]


def test_a_browser_that_is_dialled_is_offered_webrtc() -> None:
    """Though the call began with the phone of another."""
    stage = a_stage()
    stage.do(Dial(to="aor:ben"))
    stage.answers("anna")
    (invite,) = stage.peer("ben").received("INVITE")
    assert read_remote(invite.body).web is not None
    stage.hangs_up("anna")
    stage.world.reply(stage.peer("ben"), 487)
    assert stage.x.edge.counts()["taken"] == 0  # type: ignore[union-attr]
