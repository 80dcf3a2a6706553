"""What crosses on the way: messages that meet, answers that come late, and what a call that goes on needs again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ivr_flows.loader import parse_flow
from routing.masks.binding import Binding
from switchboard.calls.cdr import MAX_LEGS, MAX_SEGMENTS
from switchboard.calls.settings import Service
from tests.support.exchange import AGENT, NUMBER, Team, World

MEMBERS = tuple(f"sip:{name}@{AGENT[0]}:{AGENT[1]}" for name in ("one", "two"))

ASKING = """
flow: notice
start: why
nodes:
  why: {type: menu, prompts: [zh/number_unbound], keys: {"1": bye}, timeout: 3s, on_timeout: bye, on_invalid: bye}
  bye: {type: hangup, prompts: [zh/goodbye], cause: unknown}
"""


def early(world: World) -> None:
    """The agent's phone sends audio before it answers."""
    world.reply(world.agent, 183, body=world.agent.answer(world.agent.requests[-1][1].body))


def test_the_flow_for_who_found_nobody_hears_keys_after_early_media() -> None:
    """They had gone to the other side."""
    world = World({"notice": parse_flow(ASKING, "notice.yaml")}, services={"4001": Service(failed="notice")})
    world.dial("4001")
    early(world)
    port = next(iter(world.exchange.calls.values())).caller.lease.port  # type: ignore[union-attr]
    assert world.plane.opened[port].digits is False
    world.reply(world.agent, 486)
    assert world.plane.opened[port].digits is True


def test_an_offer_while_ours_waits_for_its_answer_is_refused() -> None:
    """With 491, and the answer that comes then is taken (RFC 3311 §5.2)."""
    world = World()
    out, _ = world.dial("4001", body=b"")
    world.agent_answers()
    world.within(world.carrier, out, "UPDATE", 2, body=world.carrier.sdp())
    assert world.carrier.statuses[-1] == 491
    offer = next(response for response in world.carrier.responses if response.status == 200)
    world.within(world.carrier, out, "ACK", 1, body=world.carrier.answer(offer.body))
    assert len(world.plane.bridges) == 2


QUEUED = """
flow: extension
start: wait
nodes:
  wait: {type: queue, group: shop, prompts: [music/hold], max_wait: 60s, next: bye, on: {other: bye}}
  bye: {type: hangup, prompts: [zh/goodbye]}
"""


def queued(text: str = QUEUED, members: tuple[str, ...] = MEMBERS, *, slow: bool = False) -> World:
    """A caller who waits for somebody of a group of two."""
    teams = (Team("shop", members, 10.0),)
    world = World({"extension": parse_flow(text, "extension.yaml")}, teams=teams)
    world.voice.slow = slow
    world.masks.add(Binding(number="4006", id="shop", kind="axg", group="shop"))
    out, _ = world.dial(NUMBER)
    if 200 in world.carrier.statuses:
        world.within(world.carrier, out, "ACK", 1)
    return world


def test_the_music_of_a_queue_plays_on_whatever_a_member_sends_before_the_answer() -> None:
    """Also when that member is busy in the end; one that described its audio only then is heard when it answers."""
    world = queued()
    early(world)
    assert [prompts for _, prompts, _ in world.plane.playing.values()] == [("music/hold",)]
    assert not world.plane.bridges
    world.reply(world.agent, 486)
    early(world)
    assert [prompts for _, prompts, _ in world.plane.playing.values()] == [("music/hold",)]
    world.reply(world.agent, 200)
    assert not world.plane.playing
    assert len(world.plane.bridges) == 2


@pytest.mark.parametrize("answers", [[486, 486], []], ids=["nobody in the end", "nobody at once"])
def test_a_flow_that_goes_on_after_a_vain_search_is_no_queue(answers: list[int]) -> None:
    """The record tells the wait from what the flow does then."""
    world = queued(QUEUED.replace("60s", "1s")) if answers else queued(members=("aor:alice",))
    for status in answers:
        world.reply(world.agent, status)
        world.advance(1)
    record = next(iter(world.exchange.calls.values())).record
    assert [segment.kind for segment in record.segments if segment.kind != "ring"][-2:] == ["queue", "ivr"]


def test_the_record_of_a_long_wait_is_bounded() -> None:
    """A group whose phones are all busy is rung again and again; the record tells when that began, and how it ended."""
    world = queued(QUEUED.replace("60s", "600s"))
    while world.exchange.calls and world.now < 1605:
        if world.agent.requests[-1][0].state.name in ("TRYING", "PROCEEDING"):
            world.reply(world.agent, 486)
        else:
            world.advance(1)
    assert len(world.agent.received("INVITE")) > 500
    assert max(len(payload) for _, _, payload in world.journal.entries) < 20_000
    (call,) = world.exchange.calls.values()
    legs, segments = call.record.legs, call.record.segments
    assert [leg.role for leg in legs] == ["caller", *["agent"] * (MAX_LEGS - 1)]
    assert len(segments) <= MAX_SEGMENTS
    assert [segment.kind for segment in (segments[0], segments[1], segments[-1])] == ["ivr", "queue", "ivr"]
    assert all(one.ended_us == other.started_us for one, other in pairwise(segments))


SPOKEN = QUEUED.replace("[music/hold]", "[{say: 请稍候}, music/hold]")


def heard(world: World) -> list[tuple[str, ...]]:
    """What plays now."""
    return [prompts for _, prompts, _ in world.plane.playing.values()]


def test_what_a_queue_says_joins_its_music_when_it_has_been_made() -> None:
    """Whoever rings meanwhile; with the answer all is quiet, however late the speech comes."""
    world = queued(SPOKEN, slow=True)
    assert heard(world) == [("music/hold",)]
    world.voice.waiting.pop()()
    world.run()
    assert heard(world) == [("speech:请稍候", "music/hold")]
    world.agent_answers()
    assert heard(world) == []


@pytest.mark.parametrize("answers", [200, 486])
def test_what_a_queue_says_comes_too_late(answers: int) -> None:
    """The talk has begun, or the search is over."""
    world = queued(SPOKEN.replace("60s", "1s"), members=MEMBERS[:1], slow=True)
    world.advance(2)
    if answers == 200:
        world.agent_answers()
    else:
        world.reply(world.agent, answers)
    before = heard(world)
    world.voice.waiting.pop()()
    world.run()
    assert heard(world) == before == ([] if answers == 200 else [("zh/goodbye",)])


def test_a_queue_plays_music_to_a_caller_who_is_not_answered_yet() -> None:
    """As early media."""
    world = queued(QUEUED.replace("start: wait", "answer: early\nstart: wait"))
    assert world.carrier.statuses == [183]
    assert heard(world) == [("music/hold",)]


def test_a_group_behind_a_number_without_a_ringback_is_silence() -> None:
    """No sound of no name is asked for."""
    text = QUEUED.replace(
        "type: queue, group: shop, prompts: [music/hold], max_wait: 60s",
        "type: extension, number: '4006', extension: '', ringback: ''",
    )
    world = queued(text)
    assert world.agent.received("INVITE")
    assert world.plane.named("play") == []
