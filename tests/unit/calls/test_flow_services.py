"""What a flow asks of others: backends, speech, groups, messages, recordings; also when the caller leaves meanwhile."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from ivr_flows.loader import parse_flow
from media.events import Digit
from switchboard.calls.settings import Service
from switchboard.sip.outgoing import OutgoingRequest
from switchboard.store.records import decode_snapshot
from switchboard.store.segments import Kind
from tests.support.exchange import AGENT, NUMBER, Team, World

MEMBERS = (f"sip:one@{AGENT[0]}:{AGENT[1]}", f"sip:two@{AGENT[0]}:{AGENT[1]}")


def world_of(text: str, **changes: object) -> World:
    """A world whose 400 number leads to this flow."""
    flow = parse_flow(text.replace("flow: tried", "flow: extension"), "tried.yaml")
    return World({"extension": flow}, **changes)  # type: ignore[arg-type]


def dialled(world: World) -> OutgoingRequest:
    """A caller who is in the flow."""
    out, _ = world.dial(NUMBER)
    world.within(world.carrier, out, "ACK", 1)
    return out


def played(world: World) -> list[str]:
    """Every sound, in order."""
    return [name for command in world.plane.named("play") for name in command[3]]


def finish_prompt(world: World) -> None:
    """The prompt that plays comes to its end."""
    world.plane.play_done(next(iter(world.plane.playing)))
    world.run()


def hang_up(world: World, out: OutgoingRequest) -> None:
    """The caller leaves."""
    world.within(world.carrier, out, "BYE", 2)
    world.run()


def ends_clean(world: World) -> None:
    """Nothing is left once every timer has run."""
    for peer in (world.carrier, world.agent, world.phone):
        for index, (tx, _) in enumerate(peer.requests):
            if tx.state.name in ("TRYING", "PROCEEDING"):
                world.reply(peer, 200, index=index)
    world.advance(70)
    assert world.leftovers() == {}
    assert len(world.journal.records) == 1


ASKING = """
flow: tried
start: ask
on_hangup: tell
variables: {status: "", amount: ""}
nodes:
  ask:
    type: http
    url: "http://backend/status"
    set: {status: "order.status", amount: "order.amount"}
    next: answer
    on_error: broken
    on_status: {"404": unknown}
  answer:
    type: say
    text: {zh: "您的订单{status}，共{amount|money}"}
    next: bye
  unknown: {type: hangup, prompts: [zh/wrong_extension]}
  broken: {type: hangup, prompts: [zh/failed], cause: failed}
  bye: {type: hangup, prompts: [zh/goodbye]}
  tell:
    type: http
    method: POST
    url: "http://backend/hangup"
    json: {status: "{status}"}
    next: over
    on_error: over
  over: {type: hangup}
"""


def test_an_answer_is_spoken_to_the_caller() -> None:
    """The backend's values are put into words, made into speech, and played."""
    world = world_of(ASKING)
    dialled(world)
    asked = world.backends.answer({"order": {"status": "已发出", "amount": "12.50"}})
    assert asked.url == "http://backend/status"
    world.run()
    assert world.voice.said == [("您的订单已发出，共十二元五角", "zh")]
    assert played(world) == ["speech:您的订单已发出，共十二元五角"]
    finish_prompt(world)
    assert played(world)[-1] == "zh/goodbye"
    finish_prompt(world)
    ends_clean(world)
    assert world.journal.records[0].path == ["ask", "answer", "bye"]


@pytest.mark.parametrize(
    ("status", "error", "prompt"),
    [
        (404, "", "zh/wrong_extension"),
        (500, "", "zh/failed"),
        (0, "timeout", "zh/failed"),
        (200, "invalid", "zh/failed"),
    ],
)
def test_what_goes_wrong_with_a_backend_has_its_exit(status: int, error: str, prompt: str) -> None:
    """A status, a time-out and nonsense each lead on at once."""
    world = world_of(ASKING)
    dialled(world)
    world.backends.answer(None, status, error)
    world.run()
    assert played(world) == [prompt]
    finish_prompt(world)
    ends_clean(world)


def test_speech_that_cannot_be_had_is_passed_over() -> None:
    """Without a synthesiser the flow goes on as if it had been said."""
    world = world_of(ASKING)
    world.voice.dumb = True
    dialled(world)
    world.backends.answer({"order": {"status": "x", "amount": "1"}})
    world.run()
    assert played(world) == ["zh/goodbye"]
    finish_prompt(world)
    ends_clean(world)


def test_speech_that_comes_too_late_is_not_played() -> None:
    """The caller left while it was being made."""
    world = world_of(ASKING)
    world.voice.slow = True
    out = dialled(world)
    world.backends.answer({"order": {"status": "x", "amount": "1"}})
    world.run()
    hang_up(world, out)
    world.backends.answer({})
    for done in world.voice.waiting:
        done()
    world.run()
    assert played(world) == []
    ends_clean(world)


def test_the_flow_learns_that_its_caller_has_left() -> None:
    """The hook is called after the call is over and recorded; its answer ends the flow."""
    world = world_of(ASKING)
    out = dialled(world)
    hang_up(world, out)
    assert len(world.journal.records) == 1
    hook = world.backends.answer({"taken": True})
    assert hook.url == "http://backend/hangup"
    assert hook.body is not None
    assert msgspec.json.decode(hook.body) == {"status": ""}
    world.run()
    assert world.leftovers().get("afterlives", 0) == 0
    ends_clean(world)


def test_a_hook_that_is_never_answered_is_forgotten() -> None:
    """The flow's own deadline ends it."""
    world = world_of(ASKING)
    hang_up(world, dialled(world))
    assert world.leftovers()["afterlives"] == 1
    ends_clean(world)
    assert world.backends.requests == []


QUEUED = """
flow: tried
start: wait
nodes:
  wait:
    type: queue
    group: service
    prompts: [music/hold]
    max_wait: 60s
    next: rate
    on: {empty: nobody, full: nobody, timeout: late, failed: broken}
  nobody: {type: hangup, prompts: [zh/unavailable], cause: unregistered}
  late: {type: hangup, prompts: [zh/no_answer], cause: no_answer}
  broken: {type: hangup, cause: failed}
  rate:
    type: survey
    questions:
      - {name: score, prompts: [zh/survey_satisfied], keys: "12345"}
    timeout: 5s
    next: bye
    on_none: bye
  bye: {type: hangup, prompts: [zh/goodbye]}
"""


def service(*members: str) -> tuple[Team, ...]:
    """A group of that name."""
    return (Team("service", members, 10.0),)


def test_members_ring_one_after_the_other_and_the_music_plays_on() -> None:
    """One is busy, the next answers; after the talk the caller is asked for a score."""
    world = world_of(QUEUED, teams=service(*MEMBERS))
    out = dialled(world)
    assert [request.uri for request in world.agent.received("INVITE")] == [MEMBERS[0]]
    world.reply(world.agent, 486)
    assert [request.uri for request in world.agent.received("INVITE")] == list(MEMBERS)
    assert played(world) == ["music/hold"]
    world.agent_answers()
    assert not world.plane.playing
    world.hang_up(world.agent)
    assert played(world)[-1] == "zh/survey_satisfied"
    world.keys("4")
    assert played(world)[-1] == "zh/goodbye"
    finish_prompt(world)
    ends_clean(world)
    record = world.journal.records[0]
    assert record.survey == {"score": "4"}
    assert [(entry.node, entry.key) for entry in record.trail] == [("rate", "4")]
    assert [one.kind for one in record.segments] == ["ivr", "queue", "ring", "queue", "ring", "talk", "ivr"]
    assert record.ended_by == "agent"
    assert out.method == "INVITE"


def test_everybody_busy_is_tried_again_until_the_wait_is_over() -> None:
    """Rounds follow each other; then the flow goes on."""
    world = world_of(QUEUED, teams=service(MEMBERS[0]))
    dialled(world)
    for _ in range(40):
        if world.agent.requests[-1][0].state.name in ("TRYING", "PROCEEDING"):
            world.reply(world.agent, 486)
        world.advance(2)
    assert played(world)[-1] == "zh/no_answer"
    assert 20 < len(world.agent.received("INVITE")) <= 31
    finish_prompt(world)
    ends_clean(world)


def test_a_group_of_nobody_is_told_at_once() -> None:
    """No phone is registered."""
    world = world_of(QUEUED, teams=service("aor:alice"))
    dialled(world)
    assert played(world)[-1] == "zh/unavailable"
    finish_prompt(world)
    ends_clean(world)


def test_a_caller_who_leaves_while_a_member_rings() -> None:
    """The member's phone stops ringing, and nobody else's begins."""
    world = world_of(QUEUED, teams=service(*MEMBERS))
    out = dialled(world)
    world.reply(world.agent, 180)
    hang_up(world, out)
    assert world.agent.cancelled
    assert len(world.agent.received("INVITE")) == 1
    world.reply(world.agent, 487, index=0)
    ends_clean(world)


SPOKEN = """
flow: tried
start: box
nodes:
  box:
    type: voicemail
    box: alice
    prompts: [zh/voicemail_greeting]
    max: 60s
    min: 1s
    silence: 5s
    next: saved
    on_empty: bye
    on_error: bye
  saved: {type: hangup, prompts: [zh/voicemail_saved]}
  bye: {type: hangup, prompts: [zh/goodbye]}
"""


def to_the_beep(world: World) -> int:
    """Everything that is played before the caller may speak; the caller's port."""
    while world.plane.playing:
        finish_prompt(world)
    return next(iter(world.plane.messages))


def test_a_message_is_filed() -> None:
    """With who left it, how long it is, and where."""
    world = world_of(SPOKEN)
    dialled(world)
    world.plane.message_done(to_the_beep(world), 7.25)
    world.run()
    message = world.mailboxes.messages[0]
    assert (message.box, message.seconds) == ("alice", 7.25)
    assert message.caller_masked == "139****9999"
    assert played(world)[-1] == "zh/voicemail_saved"
    finish_prompt(world)
    ends_clean(world)
    recording = world.journal.records[0].recordings[0]
    assert (recording.kind, recording.path) == ("voicemail", message.path)


def test_a_message_whose_caller_hangs_up_is_filed_as_well() -> None:
    """That is how most messages end."""
    world = world_of(SPOKEN)
    out = dialled(world)
    to_the_beep(world)
    hang_up(world, out)
    assert [message.seconds for message in world.mailboxes.messages] == [5.0]
    ends_clean(world)
    assert len(world.journal.records[0].recordings) == 1


@pytest.mark.parametrize(("seconds", "reason"), [(0.0, "silence"), (0.4, "digit"), (0.0, "failed")])
def test_what_is_no_message_is_not_filed(seconds: float, reason: str, tmp_path: Path) -> None:
    """Nothing said, too short, or not recorded to its end; nor is anything of it kept but in the last case."""
    world = world_of(SPOKEN)
    world.exchange.settings = msgspec.structs.replace(world.exchange.settings, recordings=str(tmp_path))
    dialled(world)
    port = to_the_beep(world)
    file = Path(world.plane.messages[port][1])
    file.parent.mkdir()
    others = file.with_name("other.wav")
    for one in (file, file.with_suffix(".json"), others):
        one.write_bytes(b"")
    world.plane.message_done(port, seconds, reason)
    world.run()
    assert world.mailboxes.messages == []
    kept = {others} if reason != "failed" else {others, file, file.with_suffix(".json")}
    assert set(tmp_path.rglob("*.*")) == kept
    assert played(world)[-1] == "zh/goodbye"
    finish_prompt(world)
    ends_clean(world)


def test_a_full_box_takes_nothing() -> None:
    """The caller is told instead of talking for nothing."""
    world = world_of(SPOKEN)
    world.mailboxes.full = True
    dialled(world)
    while world.plane.playing and played(world)[-1] != "zh/goodbye":
        finish_prompt(world)
    assert world.plane.named("message") == []
    finish_prompt(world)
    ends_clean(world)


SECRET = """
flow: tried
start: begin
nodes:
  begin: {type: record, do: start, next: pin}
  pin:
    type: collect
    into: pin
    secret: true
    min: 4
    max: 4
    prompts: [zh/enter_digits]
    next: check
    on_timeout: bye
    on_invalid: bye
  check:
    type: http
    method: POST
    url: "http://backend/pin"
    json: {pin: "{pin}"}
    next: bye
    on_error: bye
  bye: {type: hangup, prompts: [zh/goodbye]}
"""


def test_secret_digits_go_to_the_backend_and_nowhere_else() -> None:
    """The recording holds silence while they are keyed; no snapshot, no record has them."""
    world = world_of(SECRET)
    out = dialled(world)
    port = next(iter(world.plane.leased))
    assert world.plane.recording, "the whole call is recorded"
    assert world.plane.concealed == {port}
    world.keys("73")
    world.keys("91")
    assert world.plane.concealed == set()
    asked = world.backends.answer({})
    assert asked.body == b'{"pin":"7391"}'
    world.run()
    hang_up(world, out)
    ends_clean(world)
    states = [
        world.vault.open_state(decode_snapshot(payload).state)
        for kind, _, payload in world.journal.entries
        if kind in (Kind.OPENED, Kind.CHANGED) and decode_snapshot(payload).state
    ]
    assert states
    written = b"".join(payload for _, _, payload in world.journal.entries) + b"".join(states)
    for part in (b"7391", b"\xa17\xa13\xa19", b'"7","3","9"'):
        assert part not in written
    record = world.journal.records[0]
    assert [(entry.node, entry.key) for entry in record.trail] == [("pin", "4 digits")]


CONSENT = """
flow: tried
start: begin
nodes:
  begin: {type: record, do: start, next: ask}
  ask: {type: consent, prompts: [zh/consent_ask], accepted: more, declined: more, on_timeout: more}
  more: {type: record, do: start, next: bye}
  bye: {type: hangup, prompts: [zh/goodbye]}
"""


@pytest.mark.parametrize(("key", "goes_on"), [("1", True), ("2", False)])
def test_who_declines_to_be_recorded_is_recorded_no_more(key: str, goes_on: bool) -> None:
    """Though the flow had begun before it asked, and would begin again."""
    world = world_of(CONSENT)
    out = dialled(world)
    (port,) = world.plane.recording
    world.keys(key)
    assert list(world.plane.recording) == ([port] if goes_on else [])
    assert len(world.plane.named("record")) == 1
    hang_up(world, out)
    ends_clean(world)
    assert world.journal.records[0].consent == ("given" if goes_on else "declined")


def test_recording_begins_with_the_talk_by_rule() -> None:
    """A number that is to be recorded: from the answer on, both sides."""
    number = "4001"
    world = World(services={number: Service(record=True)})
    out, _ = world.dial(number)
    assert world.plane.named("record") == []
    world.agent_answers()
    ((_, port, identity, path, peer),) = world.plane.named("record")
    assert peer is not None
    assert path.startswith("/recordings/2026-11-23/")
    world.within(world.carrier, out, "ACK", 1)
    hang_up(world, out)
    world.run()
    ends_clean(world)
    recording = world.journal.records[0].recordings[0]
    assert (recording.id, recording.seconds) == (identity, 10.0)
    assert port != peer


def test_keys_before_a_deadline_are_not_lost_to_a_slow_backend() -> None:
    """What is keyed while the backend is asked belongs to the entry that follows."""
    text = ASKING.replace("next: answer", "next: choose").replace(
        "  unknown:",
        "  choose:\n    type: menu\n    prompts: [zh/main_menu]\n    keys: {'1': unknown, '2': bye}\n"
        "    on_timeout: bye\n    on_invalid: bye\n  unknown:",
    )
    text = text.replace("  answer:", "  unused:").replace("keys: {'1': unknown", "keys: {'1': unknown, '3': unused")
    world = world_of(text)
    dialled(world)
    lease = next(iter(world.plane.leased.values()))
    world.engine.on_media(Digit(lease.port, lease.gen, "2", world.now), world.now)
    world.backends.answer({"order": {"status": "x", "amount": "1"}})
    world.run()
    assert played(world) == ["zh/goodbye"]
    finish_prompt(world)
    ends_clean(world)


DIALLING = """
flow: tried
start: call
nodes:
  call: {type: dial, target: "tel:{whom}", next: bye, on: {other: bye}}
  bye: {type: hangup}
variables: {whom: "WHOM"}
"""


def test_a_flow_dials_a_public_number_by_the_trunk_for_it() -> None:
    """The called party sees the number for calls going out, in whatever form the flow has its own."""
    world = world_of(DIALLING.replace("WHOM", "+86 139-5678-1234"))
    dialled(world)
    (invite,) = world.agent.received("INVITE")
    assert invite.uri == f"sip:13956781234@{AGENT[0]}:{AGENT[1]}"
    assert "01088880000" in (invite.headers.get("from") or "")


def test_what_is_no_number_is_not_dialled() -> None:
    """The flow takes its exit."""
    world = world_of(DIALLING.replace("WHOM", "x"))
    dialled(world)
    assert world.agent.requests == []
    ends_clean(world)


def test_a_hook_that_cannot_be_called_leaves_the_call_ended() -> None:
    """Our own fault there is raised to the driver, but neither the call nor what followed it stays."""
    world = world_of(ASKING)
    out = dialled(world)

    def broken(*values: object) -> None:
        raise RuntimeError("no backend")

    world.exchange.backends.request = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError):
        hang_up(world, out)
    ends_clean(world)


LIMITED = f"""
flow: tried
start: call
nodes:
  call:
    type: dial
    target: "sip:agent@{AGENT[0]}:{AGENT[1]}"
    limit: 60s
    ring_timeout: 10s
    next: after
    on: {{other: bye}}
  after: {{type: hangup, prompts: [zh/goodbye]}}
  bye: {{type: hangup, cause: failed}}
"""


def test_a_talk_ends_by_its_node_and_the_caller_goes_on() -> None:
    """The agent is hung up on; what follows the talk follows."""
    world = world_of(LIMITED)
    dialled(world)
    world.agent_answers()
    world.advance(69)
    assert not world.agent.received("BYE")
    world.advance(2)
    assert len(world.agent.received("BYE")) == 1
    assert played(world)[-1] == "zh/goodbye"
    finish_prompt(world)
    ends_clean(world)
    record = world.journal.records[0]
    assert (record.path, record.cause, record.ended_by) == (["call", "after"], "normal", "switch")
