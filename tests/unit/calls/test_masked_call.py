"""Calls through X numbers and landing numbers: who reaches whom, on what terms, and what is said when nobody is."""

from __future__ import annotations

import pytest

from ivr_flows.loader import parse_flow
from routing.masks.binding import Binding
from routing.masks.policy import CallbackRule, Policy
from routing.masks.secret import RealNumber
from switchboard.calls.call import Call
from switchboard.calls.carriers.description import Trunk
from switchboard.calls.exchange import PHONES
from switchboard.calls.masked import find_masked
from switchboard.calls.settings import Service
from switchboard.store.records import decode_window
from switchboard.store.segments import Kind
from tests.support.exchange import AGENT, NUMBER, PHONE, Team, World

X = "01088880001"
A, B, STRANGER = "13900000001", "13900000002", "13900000003"
MASK = "4006"
LANDING = "02155550000"


def bound(world: World, kind: str, **fields: object) -> None:
    """Bind X so that calls to 4006 go through it."""
    parties = {key: world.vault.party(RealNumber(str(fields.pop(key)))) for key in ("a", "b", "n") if key in fields}
    policy = Policy(trunk="bench", **fields.pop("policy", {}))  # type: ignore[arg-type]
    world.masks.add(
        Binding(number=MASK, id="one", kind=kind, policy=policy, **parties, **fields)  # type: ignore[arg-type]
    )


def ends_clean(world: World) -> None:
    """Nothing is left."""
    for peer in (world.carrier, world.agent, world.phone):
        for index, (tx, _) in enumerate(peer.requests):
            if tx.state.name in ("TRYING", "PROCEEDING"):
                world.reply(peer, 200, index=index)
    world.advance(70)
    assert world.leftovers() == {}
    assert len(world.journal.records) == 1


@pytest.mark.parametrize(("caller", "called"), [(A, B), (B, A)])
def test_a_pair_reach_each_other_and_see_x(caller: str, called: str) -> None:
    """AXB, both ways: the other's number stands in the Request-URI and To alone, X in From."""
    world = World()
    bound(world, "axb", a=A, b=B, policy={"shown_to_a": X, "shown_to_b": X})
    world.dial(MASK, caller=caller)
    invite = world.agent.received("INVITE")[0]
    assert invite.uri == f"sip:{called}@{AGENT[0]}:{AGENT[1]}"
    assert X in (invite.headers.get("from") or "")
    assert caller.encode() not in world.agent.wire[0]
    world.agent_answers()
    record = next(iter(world.exchange.calls.values())).record
    assert record.binding == "one"


def test_a_stranger_reaches_nobody() -> None:
    """Of a pair's number, with 404."""
    world = World()
    bound(world, "axb", a=A, b=B)
    world.dial(MASK, caller=STRANGER)
    assert world.carrier.statuses == [404]
    ends_clean(world)


def test_a_closed_direction_is_declined() -> None:
    """With 603 and Q.850 21; the record knows the binding."""
    world = World()
    bound(world, "axb", a=A, b=B, policy={"direction": "a_to_b"})
    world.dial(MASK, caller=B)
    assert world.carrier.statuses == [603]
    ends_clean(world)
    assert world.journal.records[0].binding == "one"


SAYING = """
flow: notice
start: why
nodes:
  why:
    type: branch
    when:
      - {if: "reason == 'direction'", next: closed}
      - {if: "reason == 'busy'", next: busy}
    else: nobody
  closed: {type: hangup, prompts: [zh/caller_refused], cause: rejected}
  busy: {type: hangup, prompts: [zh/busy], cause: busy}
  nobody: {type: hangup, prompts: [zh/number_unbound], cause: unknown}
"""


def noticing() -> World:
    """A world that says why nobody is reached."""
    return World({"notice": parse_flow(SAYING, "notice.yaml")}, services={MASK: Service(failed="notice")})


@pytest.mark.parametrize(
    ("caller", "prompt"), [(B, "zh/caller_refused"), (STRANGER, "zh/number_unbound"), (A, "zh/busy")]
)
def test_a_failure_is_said_by_a_flow(caller: str, prompt: str) -> None:
    """The wrong way, a stranger, and a party that is busy."""
    world = noticing()
    bound(world, "axb", a=A, b=B, policy={"direction": "a_to_b"})
    out, _ = world.dial(MASK, caller=caller)
    if caller == A:
        world.reply(world.agent, 486)
    world.within(world.carrier, out, "ACK", 1)
    (play,) = world.plane.named("play")
    assert play[3] == (prompt,)
    world.plane.play_done(play[1])
    world.run()
    ends_clean(world)


@pytest.mark.parametrize("caller", [A, B])
def test_the_flow_knows_what_the_binding_is_for(caller: str) -> None:
    """Its store, city and label, whether it lets nobody through or leads to somebody who is busy."""
    world = noticing()
    bound(world, "axb", a=A, b=B, label="Flat 3", policy={"direction": "a_to_b", "store": "望京店", "city": "北京"})
    world.dial(MASK, caller=caller)
    if caller == A:
        world.reply(world.agent, 486)
    (call,) = world.exchange.calls.values()
    assert call.position is not None
    known = call.position.variables
    assert (known["store"], known["city"], known["label"]) == ("望京店", "北京", "Flat 3")


def test_a_group_answers_for_its_number() -> None:
    """AXG: its members ring one after the other, again and again, for as long as the caller would let a phone ring."""
    members = tuple(f"sip:{name}@{AGENT[0]}:{AGENT[1]}" for name in ("one", "two"))
    world = World(teams=(Team("shop", members, 5.0),))
    bound(world, "axg", a=A, group="shop")
    world.dial(MASK, caller=A)
    world.reply(world.agent, 486)
    assert [request.uri for request in world.agent.received("INVITE")] == list(members)
    world.reply(world.agent, 486)
    world.advance(2.5)
    assert [request.uri for request in world.agent.received("INVITE")] == [*members, members[0]]
    world.reply(world.agent, 486)
    world.advance(30)
    assert world.carrier.statuses[-1] == 480
    ends_clean(world)


def test_a_limited_talk_is_announced_and_ended() -> None:
    """The last minute is said to both; then the call is over."""
    world = World()
    bound(world, "axb", a=A, b=B, policy={"limit": 90.0, "warn": True})
    out, _ = world.dial(MASK, caller=A)
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    world.advance(31)
    assert [command[3] for command in world.plane.named("play")] == [("zh/last_minute",)] * 2
    assert world.exchange.calls
    world.advance(60)
    assert world.agent.received("BYE")
    ends_clean(world)
    assert world.journal.records[0].cause == "too_long"


DIALLING = """
flow: extension
start: connect
variables: {language: en}
nodes:
  connect: {type: extension, number: "4006", extension: "", next: bye, on: {other: bye}}
  bye: {type: hangup}
"""


def test_the_last_minute_is_said_in_the_language_of_the_caller() -> None:
    """Who has chosen one in a flow."""
    world = World({"extension": parse_flow(DIALLING, "dialling.yaml")})
    bound(world, "ax", a=A, policy={"limit": 90.0, "warn": True})
    out, _ = world.dial(NUMBER, caller=B)
    world.agent_answers()
    world.within(world.carrier, out, "ACK", 1)
    world.advance(31)
    announced = [command[3] for command in world.plane.named("play")][-2:]
    assert announced == [("en/last_minute",), ("zh/last_minute",)]


REFUSING = """
flow: refusing
start: ask
nodes:
  ask:
    type: menu
    prompts: [zh/refuse_calls_offer]
    keys: {"9": refuse, "1": connect}
    on_timeout: bye
    on_invalid: bye
  refuse: {type: refuse, next: bye}
  connect: {type: extension, extension: "", next: bye, on: {other: bye}}
  bye: {type: hangup}
"""


def test_a_customer_refuses_to_be_called_back() -> None:
    """AXN: the agent reaches the customer through X until the customer has said no; it is durable."""
    world = World({"extension": parse_flow(REFUSING.replace("flow: refusing", "flow: extension"), "refusing.yaml")})
    bound(world, "axn", a=A, n=B, policy={"callback": CallbackRule(3600.0, 5)})
    world.dial(MASK, caller=A)
    assert len(world.agent.received("INVITE")) == 1
    out, _ = world.dial(NUMBER, caller=B)
    world.within(world.carrier, out, "ACK", 1)
    lease = next(iter(reversed(world.plane.leased.values())))
    world.plane.digit(lease, "9", at=world.now)
    world.run()
    assert [kind for kind, _, _ in world.journal.entries].count(Kind.REFUSAL) == 1
    world.carrier.responses.clear()
    world.dial(MASK, caller=A)
    assert world.carrier.statuses[-1] == 603
    assert len(world.agent.received("INVITE")) == 1


def test_the_window_of_call_backs_is_journalled_when_a_call_is_put_through() -> None:
    """Since when, and how many; a binding without one writes nothing."""
    world = World()
    bound(world, "axb", a=A, b=B, policy={"callback": CallbackRule(3600.0, 5)})
    opened = int(world.now * 1e6)
    windows = []
    for caller in (B, A, A):
        world.dial(MASK, caller=caller)
        assert [kind for kind, _, _ in world.journal.entries].count(Kind.WINDOW) == len(windows)
        world.agent_answers()
        (*_, (_, _, written)) = [one for one in world.journal.entries if one[0] == Kind.WINDOW]
        windows.append(decode_window(written))
    assert [(one.binding, one.since_us, one.times) for one in windows] == [("one", opened, n) for n in range(3)]
    plain = World()
    bound(plain, "axb", a=A, b=B)
    plain.dial(MASK, caller=A)
    plain.agent_answers()
    assert Kind.WINDOW not in [kind for kind, _, _ in plain.journal.entries]


@pytest.mark.parametrize(
    "headers",
    [
        (f"Diversion: <sip:{NUMBER}@carrier>;reason=unconditional",),
        (f"History-Info: <sip:{NUMBER}@carrier>;index=1",),
        (),
    ],
    ids=["diversion", "history-info", "table"],
)
def test_a_call_on_a_landing_number_is_the_published_numbers(headers: tuple[str, ...]) -> None:
    """By what the carrier writes, or by the trunk's table."""
    world = World()
    world.exchange.carriers.change({"bench": Trunk("bench", AGENT, False, {} if headers else {LANDING: NUMBER})}, 0.0)
    world.dial(LANDING, headers=headers)
    assert world.carrier.statuses == [200]
    call = next(iter(world.exchange.calls.values()))
    assert (call.record.called, call.record.flow) == (NUMBER, "extension")


def test_a_number_of_nobody_is_not_found() -> None:
    """Whatever its headers say."""
    world = World()
    world.dial(LANDING, headers=("Diversion: <sip:02155559999@carrier>",))
    assert world.carrier.statuses == [404]
    ends_clean(world)


@pytest.mark.parametrize("form", [f"{NUMBER};ext=100001", f"{NUMBER},100001", f"{NUMBER}*100001", f"{NUMBER}p100001"])
def test_an_extension_dialled_with_the_number_is_reached_at_once(form: str) -> None:
    """Each way a carrier may write it."""
    world = World()
    world.dial(form)
    assert [request.uri for request in world.agent.received("INVITE")] == [f"sip:100001@{AGENT[0]}:{AGENT[1]}"]
    assert PHONE[0] not in world.agent.wire[0].decode()


ELSEWHERE = """
flow: extension
start: party
nodes:
  party: {type: extension, number: "4006", extension: "", limit: 10m, next: bye, on: {other: wait}}
  wait: {type: queue, group: shop, max_wait: 60s, limit: 10m, next: bye, on: {other: bye}}
  bye: {type: hangup}
"""


def test_the_terms_of_a_mask_end_where_the_flow_leads_elsewhere() -> None:
    """Who is busy behind X lends neither number, limit nor recording to the group that answers instead."""
    teams = (Team("shop", (f"sip:one@{AGENT[0]}:{AGENT[1]}",), 10.0),)
    world = World({"extension": parse_flow(ELSEWHERE, "extension.yaml")}, teams=teams)
    terms = {"shown_to_b": X, "limit": 90.0, "warn": True, "record": True}
    bound(world, "axb", a=A, b=B, policy=terms)
    world.dial(NUMBER, caller=A)
    assert X in (world.agent.received("INVITE")[0].headers.get("from") or "")
    world.reply(world.agent, 486)
    world.agent_answers()
    assert "Anonymous" in (world.agent.received("INVITE")[1].headers.get("from") or "")
    call = next(iter(world.exchange.calls.values()))
    assert (call.talk_limit, call.warn_due) == (None, None)
    assert world.plane.named("record") == []
    assert world.masks.get("one").used_us == 0  # type: ignore[union-attr]
    assert call.record.binding == "one"


def test_a_phone_is_recognised_as_nobody_whatever_it_says() -> None:
    """An account that writes A's number into its headers does not reach B by their X."""
    world = World()
    bound(world, "axb", a=A, b=B)
    call = next(iter(_dialled_by_a_phone(world)))
    assert find_masked(world.exchange, call, MASK, "", world.now) == "unknown"


def _dialled_by_a_phone(world: World) -> list[Call]:
    """A call that is up, as if it had come from a registered phone."""
    world.dial("4001", caller=A)
    calls = list(world.exchange.calls.values())
    for call in calls:
        call.record.trunk = PHONES
    return calls
