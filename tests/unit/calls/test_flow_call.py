"""A 400 number answered by the extension flow: keys, transfers, hang-ups at every moment."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from media.events import Digit
from routing.masks.secret import RealNumber
from routing.masks.target import NumberTarget
from switchboard.calls.call import Call
from switchboard.calls.cdr import write_snapshot
from switchboard.calls.keys import is_echo
from switchboard.store.records import decode_snapshot
from tests.support.exchange import AGENT, NUMBER, REAL, SWITCH, World


def answered() -> tuple[World, object]:
    """A world in which the flow has answered the carrier and plays its first prompt."""
    world = World()
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    return world, out


def prompts(world: World) -> list[str]:
    """The names of all prompts played so far."""
    return [name for command in world.plane.named("play") for name in command[3]]


def ends_clean(world: World) -> None:
    """Answer what is open, let every timer run, and find nothing left."""
    for peer in (world.carrier, world.agent):
        for index, (tx, request) in enumerate(peer.requests):
            if request.method == "BYE" and tx.state.name in ("TRYING", "PROCEEDING"):
                world.reply(peer, 200, index=index)
    world.advance(40)
    assert world.leftovers() == {}
    assert len(world.journal.records) == 1


def test_six_keys_reach_the_extension_and_the_latency_is_kept() -> None:
    """The flow answers, takes the keys, and the INVITE goes out in the same step as the last key."""
    world, out = answered()
    assert world.carrier.statuses == [200]
    world.keys("100001")
    assert world.agent.requests[-1][1].uri == f"sip:100001@{AGENT[0]}:{AGENT[1]}"
    world.reply(world.agent, 183)
    assert world.plane.playing, "ringback is played until the agent answers or has media of its own"
    world.agent_answers()
    assert not world.plane.playing
    assert len(world.plane.bridges) == 2
    assert world.plane.named("open")[-1][2].digits is False
    world.within(world.carrier, out, "BYE", 2)
    ends_clean(world)
    record = world.journal.records[0]
    assert record.extension == "100001"
    assert record.flow == "extension"
    assert record.transfer_latency_us == 0
    assert [segment.kind for segment in record.segments] == ["ivr", "ring", "talk"]


def test_the_latency_counts_from_the_packet_of_the_last_key() -> None:
    """A key whose packet came 3 ms ago gives 3 ms."""
    world, _ = answered()
    lease = next(iter(world.plane.leased.values()))
    world.keys("10000")
    world.engine.on_media(Digit(lease.port, lease.gen, "1", world.now - 0.003), world.now)
    assert world.meter.latencies == [pytest.approx(0.003)]


def test_wrong_twice_then_right() -> None:
    """Two unknown extensions are told so, the third is reached."""
    world, out = answered()
    world.keys("999999")
    assert "zh/wrong_extension" in prompts(world)
    world.keys("999998")
    world.keys("100001")
    assert len(world.agent.received("INVITE")) == 1
    world.agent_answers()
    world.within(world.carrier, out, "BYE", 2)
    ends_clean(world)


def test_three_wrong_extensions_end_the_call_with_words() -> None:
    """The third unknown extension is the last; the caller hears goodbye and gets a BYE."""
    world, _ = answered()
    for extension in ("999999", "999998", "999997"):
        world.keys(extension)
    for _ in range(4):
        for port in list(world.plane.playing):
            world.plane.play_done(port)
            world.run()
    assert world.carrier.received("BYE")
    ends_clean(world)


def test_no_key_at_all_ends_the_call() -> None:
    """Prompts that end without a key lead to the hang-up by time alone."""
    world, _ = answered()
    for _ in range(20):
        for port in list(world.plane.playing):
            world.plane.play_done(port)
            world.run()
        world.advance(6)
        if world.carrier.received("BYE"):
            break
    assert "zh/no_input" in prompts(world)
    ends_clean(world)


@pytest.mark.parametrize(
    ("status", "prompt"), [(486, "zh/busy"), (480, "zh/no_answer"), (404, "zh/wrong_extension"), (500, "zh/failed")]
)
def test_a_refusing_agent_is_told_to_the_caller(status: int, prompt: str) -> None:
    """The flow speaks the notice that fits."""
    world, out = answered()
    world.keys("100001")
    world.reply(world.agent, status)
    assert prompt in prompts(world)
    world.within(world.carrier, out, "BYE", 2)
    ends_clean(world)


def test_an_agent_that_does_not_answer_is_cancelled_and_told() -> None:
    """After the flow's ring timeout the agent gets CANCEL, the caller a notice."""
    world, out = answered()
    world.keys("100001")
    world.reply(world.agent, 180)
    world.advance(31)
    assert len(world.agent.cancelled) == 1
    assert "zh/no_answer" in prompts(world)
    world.agent.core.respond(world.agent.cancelled[0], 487, now=world.now)
    world.within(world.carrier, out, "BYE", 2)
    ends_clean(world)


def test_keys_are_the_flows_again_after_early_media_that_led_nowhere() -> None:
    """A far side that spoke before it refused had the keys; the media plane is told to read them again."""
    world, _ = answered()
    world.keys("100001")
    world.reply(world.agent, 183, body=world.agent.answer(world.agent.requests[-1][1].body))
    assert world.plane.named("open")[-1][2].digits is False
    world.reply(world.agent, 404)
    assert "zh/wrong_extension" in prompts(world)
    opened = world.plane.named("open")[-1]
    assert opened[1] == next(iter(world.plane.leased.values())).port
    assert opened[2].digits is True


def test_a_phone_that_is_not_registered_is_told() -> None:
    """An extension of a softphone without a registration."""
    world, out = answered()
    world.keys("800001")
    assert "zh/unavailable" in prompts(world)
    world.within(world.carrier, out, "BYE", 2)
    ends_clean(world)


@pytest.mark.parametrize("keys", ["", "100", "100001"])
def test_the_caller_hangs_up_at_any_moment(keys: str) -> None:
    """During the prompt, while keying, while it rings: nothing stays."""
    world, out = answered()
    world.keys(keys)
    if keys == "100001":
        world.reply(world.agent, 180)
    world.within(world.carrier, out, "BYE", 2)
    assert world.carrier.statuses[-1] == 200
    for tx in world.agent.cancelled:
        world.agent.core.respond(tx, 487, now=world.now)
    ends_clean(world)
    assert world.journal.records[0].ended_by == "caller"


def test_a_cancel_before_the_ack_of_an_answered_call_changes_nothing() -> None:
    """A CANCEL that comes after our 200 has no effect (RFC 3261 §9.2)."""
    world = World()
    _, tx = world.dial(NUMBER)
    assert world.carrier.statuses == [200]
    world.carrier.core.cancel(tx, world.now)
    world.run()
    assert len(world.exchange.calls) == 1


def test_keys_by_info_count_as_keys() -> None:
    """application/dtmf-relay and application/dtmf are taken, other bodies get 415."""
    world, out = answered()
    for cseq, digit in enumerate("10000", 2):
        world.within(
            world.carrier,
            out,
            "INFO",
            cseq,
            body=f"Signal={digit}\r\nDuration=160\r\n".encode(),
            content_type="application/dtmf-relay",
        )
    world.within(world.carrier, out, "INFO", 7, body=b"1", content_type="application/dtmf")
    assert len(world.agent.received("INVITE")) == 1
    world.within(world.carrier, out, "INFO", 8, body=b"x", content_type="text/plain")
    assert world.carrier.statuses[-1] == 415


@pytest.mark.parametrize("body", [b"", b"x"])
def test_info_of_a_package_that_nobody_has_announced(body: bytes) -> None:
    """469 with an empty Recv-Info (RFC 6086 §4.2.2); a key is a key, whatever package it is said to be of."""
    world, out = answered()
    package = ("Info-Package: trigger-invite",)
    world.within(world.carrier, out, "INFO", 2, body=body, content_type="text/plain", headers=package)
    assert world.carrier.statuses[-1] == 469
    assert world.carrier.responses[-1].headers.get("recv-info") == ""
    relay = {"content_type": "application/dtmf-relay", "headers": package}
    world.within(world.carrier, out, "INFO", 3, body=b"Signal=1\r\n", **relay)
    assert world.carrier.statuses[-1] == 200


def test_an_info_key_while_talking_goes_to_the_other_side_as_rtp() -> None:
    """The agent's stream gets the telephone event."""
    world, out = answered()
    world.keys("100001")
    world.agent_answers()
    world.within(world.carrier, out, "INFO", 2, body=b"Signal=5\r\n", content_type="application/dtmf-relay")
    assert world.plane.named("send_digits")[-1][2] == "5"


def test_the_extension_dialled_with_the_number_needs_no_key() -> None:
    """4008001234,100001 in the Request-URI goes straight to the transfer."""
    world = World()
    world.dial(f"{NUMBER},100001")
    assert len(world.agent.received("INVITE")) == 1


def test_a_hidden_number_is_shown_to_its_trunk_only() -> None:
    """The real number is in the INVITE to the trunk, the shown number is its caller, the carrier sees neither."""
    world, _ = answered()
    world.keys("345678")
    invite = world.agent.requests[-1][1]
    assert invite.uri == f"sip:{REAL}@{AGENT[0]}:{AGENT[1]}"
    assert (invite.headers.get("from") or "").startswith(f"<sip:01088880000@{SWITCH[0]}>")
    world.reply(world.agent, 180, headers=(f"P-Asserted-Identity: <sip:{REAL}@x>",))
    world.agent_answers()
    assert REAL.encode() not in b"".join(world.carrier.wire)
    assert all(REAL.encode() not in payload for _, _, payload in world.journal.entries)


def test_a_hidden_number_without_a_number_to_show_is_called_anonymously() -> None:
    """Neither the 400 number nor the caller's stands in From."""
    world, _ = answered()
    world.masks.bind(NUMBER, "345679", NumberTarget(world.vault.seal(RealNumber(REAL)), "bench", ""))
    world.keys("345679")
    assert "anonymous@anonymous.invalid" in (world.agent.requests[-1][1].headers.get("from") or "")


def test_a_caller_without_an_offer_gets_the_flow_after_its_ack() -> None:
    """Prompts begin only when the ACK has said where to."""
    world = World()
    out, _ = world.dial(NUMBER, body=b"")
    assert world.carrier.statuses == [200]
    assert prompts(world) == []
    offer = world.carrier.responses[-1].body
    world.within(world.carrier, out, "ACK", 1, body=world.carrier.answer(offer))
    assert prompts(world)
    world.keys("100001")
    assert len(world.agent.received("INVITE")) == 1


def test_music_is_played_until_the_caller_hangs_up() -> None:
    """4004 loops its music."""
    world = World()
    out, _ = world.dial("4004")
    world.within(world.carrier, out, "ACK", 1)
    assert [command[4] for command in world.plane.named("play")] == [True]
    world.advance(3600)
    world.within(world.carrier, out, "BYE", 2)
    ends_clean(world)


def test_a_snapshot_holds_the_whole_call_and_reads_back() -> None:
    """What the journal has after the answer is the call itself: legs, dialogs, flow position."""
    world, _ = answered()
    call = next(iter(world.exchange.calls.values()))
    write_snapshot(world.exchange, call)
    snapshot = decode_snapshot(world.journal.entries[-1][2])
    again = msgspec.msgpack.decode(world.vault.open_state(snapshot.state), type=Call)
    assert again.caller.dialog == call.caller.dialog
    assert call.position is not None
    assert again.position == call.position.redacted()
    assert snapshot.record == again.record == call.record


def test_keys_that_were_heard_are_in_no_snapshot() -> None:
    """They may be of a secret; whoever takes the call up hears the next ones."""
    world, _ = answered()
    call = next(iter(world.exchange.calls.values()))
    for key in "8642":
        assert not is_echo(call.caller, key, "media", world.now)
    write_snapshot(world.exchange, call)
    snapshot = decode_snapshot(world.journal.entries[-1][2])
    again = msgspec.msgpack.decode(world.vault.open_state(snapshot.state), type=Call)
    assert again.caller.keys_heard is None
    assert call.caller.keys_heard is not None


@pytest.mark.parametrize("trigger", [lambda world: world.keys("1"), lambda world: world.advance(400)])
def test_a_fault_of_ours_ends_the_call_it_spoils(
    monkeypatch: pytest.MonkeyPatch, trigger: Callable[[World], None]
) -> None:
    """By a key or by time: the exception is reported, the caller gets a BYE, nothing stays."""
    world, _ = answered()

    def fail(*arguments: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("switchboard.calls.flow.machine.step", fail)
    with pytest.raises(RuntimeError, match="planted"):
        trigger(world)
    world.run()
    monkeypatch.undo()
    assert world.carrier.received("BYE")
    ends_clean(world)
    assert world.journal.records[0].cause == "failed"
