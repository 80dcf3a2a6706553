"""What is offered to the second leg and answered to the first: shared codecs, pass-through, events, noise, ptime."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from media.formats import Codec
from media.remote import Remote, read_remote
from switchboard.calls.call import Call, Phase
from switchboard.calls.negotiation import make_offer
from switchboard.calls.recording import start_recording
from switchboard.calls.settings import Service
from switchboard.calls.wiring import control_of, rewire
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.sip.usage import Ends, ends
from tests.support.exchange import Peer, World

G711 = ("PCMA", "PCMU")
ALL = ("PCMA", "PCMU", "G722", "opus")
AND_ANY = (*ALL, "any")


def described(peer: Peer, formats: str, lines: Sequence[str] = (), port: int = 40000) -> bytes:
    """A description by `peer` with these payload types and attributes."""
    address = peer.address[0]
    head = ["v=0", f"o=- 7 1 IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0"]
    return "\r\n".join([*head, f"m=audio {port} RTP/AVP {formats}", *(f"a={line}" for line in lines), ""]).encode()


def names(remote: Remote) -> list[str]:
    """Its codecs with their payload types."""
    return [f"{codec.name}:{codec.payload_type}" for codec in remote.audio]


PHONE = ("rtpmap:96 opus/48000/2", "fmtp:96 stereo=1;useinbandfec=1", "rtpmap:97 iLBC/8000", "fmtp:97 mode=20")


@pytest.mark.parametrize(
    ("codecs", "formats", "offered"),
    [
        pytest.param(
            G711, "96 97 18 8", ["PCMA:8", "PCMU:0"], id="others are not offered on where nobody asked for it"
        ),
        pytest.param(("PCMU", "PCMA"), "8", ["PCMA:8", "PCMU:0"], id="the caller's first, then ours in our order"),
        pytest.param(ALL, "96 8", ["opus:96", "PCMA:8", "PCMU:0", "G722:9"], id="opus under the caller's number"),
        pytest.param(ALL, "8", ["PCMA:8", "PCMU:0", "G722:9", "opus:111"], id="what we transcode, under our numbers"),
        pytest.param((*G711, "any"), "97 18 8", ["iLBC:97", "G729:18", "PCMA:8", "PCMU:0"], id="unknown ones pass"),
        pytest.param((*G711, "any"), "97 18", ["iLBC:97", "G729:18"], id="what nobody could transcode is all there is"),
        pytest.param(("any",), "97 8", ["iLBC:97", "PCMA:8"], id="pass-through alone"),
    ],
)
def test_the_second_leg_is_offered_what_the_first_has_first(
    codecs: tuple[str, ...], formats: str, offered: str
) -> None:
    """Then what can be transcoded, where the first has anything that can."""
    world = World(codecs=codecs)
    world.dial("4001", body=described(world.carrier, formats, PHONE))
    found = read_remote(world.agent.requests[-1][1].body)
    assert names(found) == offered


def test_a_codec_unknown_to_us_passes_with_its_parameters() -> None:
    """G.729 and iLBC go through under each side's own numbers; the answerer's parameters come back to the caller."""
    world = World(codecs=(*G711, "any"))
    world.dial(
        "4001", body=described(world.carrier, "97 8 101", [*PHONE, "rtpmap:101 telephone-event/8000", "ptime:30"])
    )
    offer = read_remote(world.agent.requests[-1][1].body)
    assert offer.audio[0] == Codec("iLBC", 97, fmtp="mode=20")
    assert offer.ptime == 30
    lines = ["rtpmap:102 iLBC/8000", "fmtp:102 mode=20", "ptime:20", "maxptime:60"]
    world.reply(world.agent, 200, body=described(world.agent, "102", lines, 41000))
    answer = read_remote(world.carrier.responses[-1].body)
    assert answer.audio == (Codec("iLBC", 97, fmtp="mode=20"),)
    assert (answer.ptime, answer.maxptime) == (20, 60)
    opened = {command[2].remote_port: command[2] for command in world.plane.named("open")}
    assert (opened[40000].audio_pt, opened[40000].receive_pt) == (97, 97)
    assert (opened[41000].audio_pt, opened[41000].receive_pt) == (102, 97)


def test_a_caller_that_only_passes_through_gets_488_from_a_flow() -> None:
    """A flow has to be heard, and nobody here can say anything in G.729."""
    world = World(codecs=(*G711, "any"))
    world.dial("4004", body=described(world.carrier, "18"))
    assert world.carrier.responses[-1].status == 488


def test_events_have_the_clock_of_their_codec() -> None:
    """Opus has telephone-event/48000, and the other leg of the call, with A-law, those of 8 kHz (RFC 4733 §2.5.1.1)."""
    world = World(codecs=ALL)
    lines = ["rtpmap:96 opus/48000/2", "rtpmap:100 telephone-event/48000", "rtpmap:101 telephone-event/8000"]
    world.dial("4001", body=described(world.carrier, "96 100 101", lines))
    offer = read_remote(world.agent.requests[-1][1].body)
    assert (offer.event_pt, offer.wide_events) == (101, ((48000, 100),))
    answer = described(world.agent, "8 101", ["rtpmap:101 telephone-event/8000"], 41000)
    world.reply(world.agent, 200, body=answer)
    found = read_remote(world.carrier.responses[-1].body)
    assert names(found) == ["opus:96"]
    assert (found.event_pt, found.wide_events) == (None, ((48000, 100),))
    call = next(iter(world.exchange.calls.values()))
    assert call.caller.agreement is not None
    assert (call.caller.agreement.event_rate, call.caller.agreement.send_event_pt) == (48000, 100)


@pytest.mark.parametrize("agent_has", [True, False])
def test_comfort_noise_is_agreed_on_only_where_both_have_it(agent_has: bool) -> None:
    """RFC 3389: who has it is told of it only if the other side has it too."""
    world = World()
    world.dial("4001", body=described(world.carrier, "8 13"))
    assert read_remote(world.agent.requests[-1][1].body).noise_pt == 13
    world.reply(world.agent, 200, body=described(world.agent, "8 13" if agent_has else "8", port=41000))
    found = read_remote(world.carrier.responses[-1].body)
    assert found.noise_pt == (13 if agent_has else None)


def test_a_trunks_own_codecs_win() -> None:
    """A leg that may have fewer is offered no more."""
    world = World(codecs=ALL)
    world.dial("4001", body=described(world.carrier, "8 0"))
    call = next(iter(world.exchange.calls.values()))
    assert call.agent is not None
    call.agent.codecs = ("PCMU",)
    assert names(read_remote(make_offer(world.exchange, call.agent, call.caller))) == ["PCMU:0"]


class TestSpeakOurs:
    """A call whose codec only passes through is taken to one of ours once somebody has to hear it."""

    @staticmethod
    def answered() -> tuple[World, Call, OutgoingRequest]:
        """The agent has answered in G.729, and the caller's ACK is on its way."""
        world = World(codecs=(*G711, "any"))
        out, _ = world.dial("4001", body=described(world.carrier, "18 8"))
        world.reply(world.agent, 200, body=described(world.agent, "18", port=41000))
        (call,) = world.exchange.calls.values()
        return world, call, out

    def passing(self) -> tuple[World, Call]:
        """Caller and agent talk in G.729."""
        world, call, out = self.answered()
        world.within(world.carrier, out, "ACK", 1)
        assert call.record.legs[0].codec == "G729"
        return world, call

    @staticmethod
    def posted(world: World) -> None:
        """What was put off until the event is over."""
        while world.posted:
            world.posted.pop(0)(world.now)
        world.run()

    def test_music_brings_both_sides_to_a_codec_of_ours(self) -> None:
        """When one holds: re-INVITEs without G.729, and what is answered is opened."""
        world, call = self.passing()
        assert call.agent is not None
        control_of(call)
        call.agent.holding = True
        rewire(world.exchange, call)
        self.posted(world)
        for peer, port in ((world.carrier, 40000), (world.agent, 41000)):
            offer = peer.requests[-1][1]
            assert (offer.method, names(read_remote(offer.body))) == ("INVITE", ["PCMA:8", "PCMU:0"])
            world.reply(peer, 200, body=described(peer, "8", port=port))
        assert [command[2].codec for command in world.plane.named("open")[-2:]] == ["PCMA", "PCMA"]
        rewire(world.exchange, call)
        assert world.posted == []

    @pytest.mark.parametrize(
        "status",
        [302, *range(401, 422), *range(480, 490), 493, *range(500, 506), 513, 580, 600, 603, 604, 606],
    )
    def test_who_knows_nothing_of_the_dialog_is_no_party_of_it(self, status: int) -> None:
        """A re-INVITE that is refused changes nothing, one that meets no dialog ends it (RFC 5057 §5.1)."""
        world, call = self.passing()
        assert call.agent is not None
        control_of(call)
        call.agent.holding = True
        rewire(world.exchange, call)
        self.posted(world)
        world.reply(world.agent, status)
        gone = ends(status) is not Ends.REQUEST
        assert [len(peer.received("BYE")) for peer in (world.agent, world.carrier)] == [gone, gone]
        assert (call.phase is Phase.TALKING) is not gone

    @pytest.mark.parametrize("acknowledged", [True, False])
    def test_who_has_yet_to_acknowledge_is_asked_then(self, acknowledged: bool) -> None:
        """The agent holds at once; a caller whose ACK never comes is asked nothing."""
        world, call, out = self.answered()
        assert call.agent is not None
        control_of(call)
        call.agent.holding = True
        rewire(world.exchange, call)
        self.posted(world)
        assert (world.agent.requests[-1][1].method, world.carrier.received("INVITE")) == ("INVITE", [])
        world.reply(world.agent, 200, body=described(world.agent, "8", port=41000))
        if acknowledged:
            world.within(world.carrier, out, "ACK", 1)
        world.advance(7.0)
        assert [names(read_remote(request.body)) for request in world.carrier.received("INVITE")] == (
            [["PCMA:8", "PCMU:0"]] if acknowledged else []
        )

    def test_one_that_met_another_is_not_sent_twice(self) -> None:
        """Whatever asks for it meanwhile: it waits as long as who gave the Call-ID has to (RFC 3261 §14.1)."""
        world, call = self.passing()
        assert call.agent is not None
        control_of(call)
        call.agent.holding = True
        rewire(world.exchange, call)
        self.posted(world)
        world.reply(world.agent, 491)
        sent = len(world.agent.requests)
        rewire(world.exchange, call)
        self.posted(world)
        assert len(world.agent.requests) == sent
        world.advance(2.0)
        assert len(world.agent.requests) == sent
        world.advance(2.1)
        (again,) = world.agent.requests[sent:]
        assert (again[1].method, names(read_remote(again[1].body))) == ("INVITE", ["PCMA:8", "PCMU:0"])

    def test_a_recording_does_too_and_a_refusal_ends_nothing(self) -> None:
        """Who has nothing else keeps what there is."""
        world, call = self.passing()
        start_recording(world.exchange, call, world.now)
        world.run()
        world.reply(world.carrier, 488)
        world.reply(world.agent, 488)
        assert (call.caller.agreement.codec, len(world.exchange.calls)) == ("G729", 1)  # type: ignore[union-attr]

    def test_a_call_recorded_by_rule_is_not_offered_what_cannot_be_decoded(self) -> None:
        """It is offered ours alone from the beginning."""
        world = World(codecs=(*G711, "any"), services={"4001": Service(record=True)})
        world.dial("4001", body=described(world.carrier, "18 8"))
        assert names(read_remote(world.agent.requests[-1][1].body)) == ["PCMA:8", "PCMU:0"]
