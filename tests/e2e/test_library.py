"""The flows of the library, each called by a carrier we did not write, each way through them that a caller may take."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bench.phone import Answer, Behaviour, Phone, Refuse
from bench.population import own_caller
from ivr_flows.loader import LIBRARY
from tests.support.backend import RunningBackend, demonstration_backend
from tests.support.command import command, shown_call
from tests.support.ports import free_port
from tests.support.sipp import SPEECH, Caller, Heard, carry, listening, need_sipp
from tests.support.sounds import loudness, read_wav
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

DOMAIN = "switchboard.local"
EXTENSION = "800001"
"""Leads to the case's own phone; those of 70000x were given back, are switched off, have run out."""
GIVEN_BACK, SWITCHED_OFF, RUN_OUT = "700001", "700002", "700003"
FOUR_DIGITS_AGENT = "sip:agent@127.0.0.1:5190"
"""Where load tests have their agent, who may be at work meanwhile; ours is elsewhere."""
OPEN = {"opens": "00:00", "closes": "00:00", "days": "all"}
SECRET_NUMBER = "13987654321"
LIST_MESSAGES = ("voicemail", "list", "--format", "json")
TALKS = Answer(after=0.2)
WELCOMED = "welcome chinese hours"
MESSAGE = "message voicemail.record voicemail.saved"
SURVEY = "survey.ask survey.send survey.thanks survey.over"
CALL_BACK = "after_hours.offer after_hours.whom after_hours.call_back after_hours.over"
NOBODY = "who products somebody nobody"
UNANSWERED = "dialled ask connect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call to a number of its own: what is keyed, who answers, and which way it takes."""

    flow: str
    """Empty: a masked number, which has no flow but the notice for those who find nobody."""
    path: str
    failed: str = "reassigned"
    """The notice of a masked number."""
    cause: str = "normal"
    by: str = "switch"
    dialled: str = ""
    """Dialled with the number."""
    keys: str = ""
    then: str = ""
    caller: str = "13911110000"
    speaks: bool = True
    talk_ms: int = 3000
    desk: Behaviour | None = None
    """What the case's phone does; None: it is not registered."""
    stands_in: bool = False
    """Whether the group's phone answers instead."""
    leaves: bool = False
    """Whether the agent hangs up."""
    heard: str = ""
    """Prompts of which this must be the order."""
    variables: dict[str, str] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)


CASES = {
    # --- one number, many extensions ---
    "put_through": Case(
        flow="extension", path="dialled ask connect done", by="agent",
        keys=EXTENSION, desk=TALKS, leaves=True, talk_ms=15000,
    ),
    "dialled_at_once": Case(
        flow="extension", path="dialled connect", by="caller", dialled=f",{EXTENSION}", desk=TALKS
    ),
    "busy": Case(
        flow="extension", path=f"{UNANSWERED} busy otherwise end_busy", cause="busy",
        keys=EXTENSION, desk=Refuse(486), heard="busy", talk_ms=9000,
    ),
    "no_answer": Case(
        flow="extension", path=f"{UNANSWERED} no_answer otherwise end_no_answer", cause="no_answer",
        keys=EXTENSION, desk=Refuse(408), heard="no_answer", talk_ms=9000,
    ),
    "not_registered": Case(
        flow="extension", path=f"{UNANSWERED} unavailable otherwise end_unavailable", cause="unregistered",
        keys=EXTENSION, heard="unavailable", talk_ms=9000,
    ),
    "instead_a_message": Case(
        flow="extension", path=f"{UNANSWERED} unavailable otherwise {MESSAGE}",
        keys=f"{EXTENSION},,,,,,,,,", then=",,,#", talk_ms=9000,
        heard="unavailable voicemail_greeting voicemail_saved", variables={"instead": "message"},
    ),
    "instead_the_group": Case(
        flow="extension", path=f"{UNANSWERED} busy otherwise wait done", by="agent",
        keys=EXTENSION, desk=Refuse(486), stands_in=True, leaves=True, talk_ms=20000, heard="busy",
        variables={"instead": "group", "group": "instead_the_group"},
    ),
    "wrong_three_times": Case(
        flow="extension", path=f"{UNANSWERED} wrong ask_again connect wrong ask_again connect wrong give_up",
        keys="999999,999998,999997", heard="goodbye", talk_ms=9000,
    ),
    "silence": Case(
        flow="extension", path="dialled ask silent nudge silent give_up", speaks=False, talk_ms=30000,
        heard="welcome enter_extension no_input goodbye",
    ),
    "given_back": Case(
        flow="extension", path=f"{UNANSWERED} gone reassigned.why reassigned.reassigned", cause="unknown",
        keys=GIVEN_BACK, heard="reassigned", talk_ms=9000,
    ),
    "switched_off": Case(
        flow="extension", path=f"{UNANSWERED} gone reassigned.why reassigned.disabled", cause="declined",
        keys=SWITCHED_OFF, heard="number_disabled", talk_ms=9000,
    ),
    "run_out": Case(
        flow="extension", path=f"{UNANSWERED} gone reassigned.why reassigned.expired", cause="unknown",
        keys=RUN_OUT, heard="number_expired", talk_ms=9000,
    ),
    # --- without a flow, but with a notice for those who find nobody ---
    "masked": Case(flow="", path="", by="caller", dialled=f",{EXTENSION}", desk=TALKS),
    "masked_unbound": Case(
        flow="", path="why unbound", cause="unknown", dialled=",799999", heard="number_unbound", talk_ms=9000
    ),
    "masked_given_back": Case(
        flow="", path="why reassigned", cause="unknown", dialled=f",{GIVEN_BACK}", heard="reassigned", talk_ms=9000
    ),
    "masked_switched_off": Case(
        flow="", path="why disabled", cause="declined", dialled=f",{SWITCHED_OFF}", heard="number_disabled",
        talk_ms=9000,
    ),
    "masked_busy": Case(
        flow="", failed="unreached", path="why busy otherwise end_busy", cause="busy",
        dialled=f",{EXTENSION}", desk=Refuse(486), heard="busy", talk_ms=9000,
    ),
    "masked_no_answer": Case(
        flow="", failed="unreached", path="why no_answer otherwise end_no_answer", cause="no_answer",
        dialled=f",{EXTENSION}", desk=Refuse(408), heard="no_answer", talk_ms=9000,
    ),
    "masked_not_registered": Case(
        flow="", failed="unreached", path="why unavailable otherwise wait done", by="agent", stands_in=True,
        dialled=f",{EXTENSION}", leaves=True, talk_ms=20000, heard="unavailable",
        variables={"instead": "group", "group": "masked_not_registered"},
    ),
    # --- survey ---
    "survey_after_the_talk": Case(
        flow="hotline", path=f"{WELCOMED} who products flights wishes somebody survey {SURVEY} over",
        by="agent", caller=own_caller(7), keys=",1,,2,,0,,,,,,5,,1", desk=TALKS, leaves=True, talk_ms=15000,
        heard="survey_thanks", variables={**OPEN, "flights_group": "survey_after_the_talk"},
        expected={"survey": {"satisfied": "5", "solved": "1"}},
    ),
    "survey_nobody_takes": Case(
        flow="survey", path="ask send thanks over", keys="4,2", talk_ms=9000, heard="survey_thanks",
        variables={"backend": "http://127.0.0.1:9"}, expected={"survey": {"satisfied": "4", "solved": "2"}},
    ),
    "survey_half_answered": Case(
        flow="survey", path="ask send thanks over", keys="3", speaks=False, talk_ms=35000,
        heard="survey_solved invalid_choice survey_thanks", variables={"backend": "http://127.0.0.1:9"},
        expected={"survey": {"satisfied": "3"}},
    ),
    # --- consent ---
    "consent_given": Case(
        flow="consent", path="ask agreed record onward connect", by="caller", keys="1,,", desk=TALKS,
        variables={"target": "aor:consent_given"}, expected={"consent": "given"},
    ),
    "consent_refused": Case(
        flow="consent", path="ask declined onward connect", by="caller", keys="2,,,,", desk=TALKS,
        heard="consent_declined", variables={"target": "aor:consent_refused"},
        expected={"consent": "declined", "recordings": []},
    ),
    "consent_by_silence": Case(
        flow="consent", path="ask declined onward connect over", by="agent", speaks=False, desk=TALKS, leaves=True,
        talk_ms=35000, heard="consent_ask no_input consent_declined", variables={"target": "aor:consent_by_silence"},
        expected={"consent": "declined", "recordings": []},
    ),
    # --- voice mail ---
    "message_left": Case(
        flow="voicemail", path="record saved", keys=",,,,,", then=",,,,#", talk_ms=9000,
        heard="voicemail_greeting voicemail_saved", variables={"box": "message_left"},
    ),
    "nothing_said": Case(
        flow="voicemail", path="record empty once_more record empty bye", speaks=False, talk_ms=40000,
        heard="voicemail_greeting voicemail_empty goodbye", variables={"box": "nothing_said"},
    ),
    # --- too many callers, too late, or nobody there ---
    "surge_calls_back": Case(
        flow="surge", path="offer whom call_back taken", keys="1", talk_ms=9000, heard="callback_taken",
        variables={"group": "surge_calls_back"},
    ),
    "surge_of_the_unknown": Case(
        flow="surge", path="offer whom ask_number call_number taken", caller="anonymous",
        keys=f"1,{SECRET_NUMBER}#", talk_ms=9000, heard="callback_taken", variables={"group": "surge_of_the_unknown"},
    ),
    "surge_waits": Case(
        flow="surge", path="offer wait taken", by="agent", keys="2", desk=TALKS, leaves=True, talk_ms=15000,
        variables={"group": "surge_waits"},
    ),
    "too_late_message": Case(
        flow="after_hours", path=f"why_not closed offer {MESSAGE}", keys="0,1,,,,,", then=",,,#",
        talk_ms=9000, heard="voicemail_greeting voicemail_saved", variables={"box": "too_late_message"},
    ),
    "too_late_calls_back": Case(
        flow="hotline", path=f"{WELCOMED} closed after_hours.why_not after_hours.closed {CALL_BACK}", keys=",1,,0,2",
        talk_ms=9000, heard="callback_taken", variables={"days": "all", "group": "too_late_calls_back"},
    ),
    "nobody_works": Case(
        flow="hotline", path=f"{WELCOMED} {NOBODY} after_hours.why_not after_hours.empty {CALL_BACK}",
        caller=own_caller(8), keys=",1,,0,,,,2", talk_ms=9000, heard="callback_taken",
        variables={**OPEN, "group": "nobody_works"},
    ),
    # --- what load tests call ---
    "four_digits": Case(flow="four_digits", path="digits connect", by="caller", keys="1234"),
    "music": Case(flow="hold_music", path="music", by="caller", speaks=False),
}  # fmt: skip


def number(case: str) -> str:
    """The number of a case."""
    return f"40080010{list(CASES).index(case):02d}"


def closed_hours() -> dict[str, str]:
    """Hours in which it is not now, in the zone of the switch."""
    now = datetime.now(ZoneInfo("Asia/Shanghai"))
    return {"opens": f"{now + timedelta(hours=2):%H:%M}", "closes": f"{now + timedelta(hours=3):%H:%M}"}


def entry(name: str, case: Case, backend: RunningBackend) -> dict[str, Any]:
    """The number's line in the configuration."""
    if not case.flow:
        return {"number": number(name), "mask": True, "failed": case.failed, "variables": case.variables}
    variables = ({"backend": backend.url} if case.flow in ("hotline", "survey") else {}) | case.variables
    if name == "too_late_calls_back":
        variables |= closed_hours()
    return {"number": number(name), "flow": case.flow, "variables": variables}


@pytest.fixture(scope="module")
def backend() -> Iterator[RunningBackend]:
    """The customer's own server."""
    with demonstration_backend() as running:
        yield running


@pytest.fixture(scope="module")
def agent_port() -> int:
    """Where the agent of `four_digits` is."""
    return free_port()


@pytest.fixture(scope="module")
def switch(
    tmp_path_factory: pytest.TempPathFactory, backend: RunningBackend, agent_port: int
) -> Iterator[RunningSwitch]:
    """A switch with a number, an extension, a phone and a group of one for every case."""
    need_sipp()
    directory = tmp_path_factory.mktemp("library")
    four_digits = directory / "four_digits.yaml"
    packaged = (LIBRARY / four_digits.name).read_text()
    assert packaged.count(FOUR_DIGITS_AGENT) == 1
    four_digits.write_text(packaged.replace(FOUR_DIGITS_AGENT, f"sip:agent@127.0.0.1:{agent_port}"))
    names = list(CASES)
    changes = {
        "flows": [str(four_digits)],
        "numbers": [entry(name, case, backend) for name, case in CASES.items()],
        "masks": [{"number": number(name), "extension": EXTENSION, "target": f"aor:{name}"} for name in names],
        "accounts": [{"user": user, "password": f"secret-of-{user}"} for name in names for user in (name, f"{name}_2")],
        "groups": [
            {"name": name, "members": [f"aor:{name}_2" if case.stands_in else f"aor:{name}"]}
            for name, case in CASES.items()
        ],
    }
    with running_switch(directory, **changes) as running:
        yield running


async def bind_what_is_gone(switch: RunningSwitch, directory: Path) -> None:
    """Extensions that were given back, switched off, or have lain idle for too long."""
    file = directory / "masks.csv"
    extensions = {GIVEN_BACK: "", SWITCHED_OFF: "", RUN_OUT: "1s"}
    masked = {case: number(case) for case in CASES if "given_back" in case or "switched_off" in case}
    lines = [
        f"{number(case)},{extension},aor:{case},{idle}"
        for case in (*masked, "run_out")
        for extension, idle in extensions.items()
    ]
    file.write_text("number,extension,target,idle\n" + "\n".join(lines) + "\n")
    await command(switch, "masks", "import", str(file))
    for case in masked:
        if "given_back" in case:
            await command(switch, "masks", "unbind", number(case), GIVEN_BACK, "--quarantine", "30d")
        else:
            await command(switch, "masks", "disable", number(case), SWITCHED_OFF)


async def rings(switch: RunningSwitch, user: str, behaviour: Behaviour, *, leaves: bool) -> None:
    """A registered phone does what it is to do with the one call that comes."""
    async with await Phone.open(user, target=switch.target, password=f"secret-of-{user}", domain=DOMAIN) as phone:
        phone.behaviour = behaviour
        await phone.register()
        call = await phone.next_call(within=40)
        if isinstance(behaviour, Answer):
            await call.confirmed()
            call.rtp.play(880)
            if leaves:
                await asyncio.sleep(1.5)
                await call.hang_up()
        await call.ended(within=20)
        assert phone.complaints == []


async def answers_four_digits(switch: RunningSwitch, port: int) -> None:
    """The agent at the address that the flow names."""
    async with await Phone.open("agent", target=switch.target, port=port) as phone:
        call = await phone.next_call(within=40)
        await call.confirmed()
        call.rtp.play(880)
        await call.ended(within=20)


async def play(switch: RunningSwitch, directory: Path, name: str, case: Case, caller: Caller, agent_port: int) -> None:
    """One case: its caller, and whoever is called."""
    scenes = [carry(caller, switch.target, directory, number(name) + case.dialled, within=60)]
    if case.desk is not None:
        scenes.append(rings(switch, name, case.desk, leaves=case.leaves and not case.stands_in))
    if case.stands_in:
        scenes.append(rings(switch, f"{name}_2", TALKS, leaves=case.leaves))
    if case.flow == "four_digits":
        scenes.append(answers_four_digits(switch, agent_port))
    await together(*scenes)


def what_was_told(shown: dict[str, Any], case: Case) -> dict[str, Any]:
    """Of a call's record, what the case expects something of."""
    told = {"path": " ".join(shown["path"]), "cause": shown["cause"], "by": shown["ended_by"], "flow": shown["flow"]}
    return told | {key: shown[key] for key in case.expected}


def what_is_expected(case: Case) -> dict[str, Any]:
    """The same as it should be."""
    flow = case.flow or (case.failed if case.path else "")
    return {"path": case.path, "cause": case.cause, "by": case.by, "flow": flow} | case.expected


def missing(heard: list[str], wanted: list[str]) -> list[str]:
    """Those of the prompts wanted that were not heard in this order."""
    rest = iter(heard)
    return [prompt for prompt in wanted if prompt not in rest]


async def test_every_flow_of_the_library_answers(
    switch: RunningSwitch, backend: RunningBackend, agent_port: int, tmp_path: Path
) -> None:
    """All cases at once; each takes its way, hears its prompts, and is told of as it was."""
    await bind_what_is_gone(switch, tmp_path)
    callers = {
        name: Caller(case.caller, case.keys, case.talk_ms, then=case.then, audio=SPEECH if case.speaks else None)
        for name, case in CASES.items()
    }
    with listening() as captured:
        await together(*(play(switch, tmp_path, name, case, callers[name], agent_port) for name, case in CASES.items()))
    await switch.nothing_left()
    await switch.records(len(CASES))
    ids = {row["called"]: row["id"] for row in switch.rows("select id, called from calls")}
    calls = {name: await shown_call(switch, ids[number(name)]) for name in CASES}
    told = {name: what_was_told(calls[name], case) for name, case in CASES.items()}
    assert told == {name: what_is_expected(case) for name, case in CASES.items()}
    unheard = {name: missing(captured[0].prompts(callers[name]), case.heard.split()) for name, case in CASES.items()}
    assert {name: prompts for name, prompts in unheard.items() if prompts} == {}
    check_talks(calls)
    check_files(calls)
    check_music(captured[0], callers["music"])
    await check_what_is_stored(switch, calls, backend)


def check_talks(calls: dict[str, dict[str, Any]]) -> None:
    """Where somebody answered, both were heard."""
    for name, case in CASES.items():
        legs = calls[name]["legs"]
        if case.desk is TALKS or case.stands_in or case.flow == "four_digits":
            assert legs[0]["media"]["sent"] >= 25, name
            assert legs[-1]["role"] == "agent", name
            assert (legs[-1]["answered"] is not None, legs[-1]["media"]["received"] >= 25) == (True, True), name
    assert [leg["cause"] for leg in calls["instead_the_group"]["legs"]] == ["normal", "busy", "normal"]


def check_files(calls: dict[str, dict[str, Any]]) -> None:
    """Messages, and the one talk that the caller let be recorded, are in files; nothing else is."""
    kinds = {name: [one["kind"] for one in calls[name]["recordings"]] for name in CASES}
    assert {name: kind for name, kind in kinds.items() if kind} == {
        "consent_given": ["call"],
        **{name: ["voicemail"] for name in ("instead_a_message", "message_left", "too_late_message")},
    }
    for name in kinds:
        for recording in calls[name]["recordings"]:
            sound = read_wav(Path(recording["file"]))
            assert len(sound) / 8000 == pytest.approx(recording["seconds"], abs=0.01), name
            assert loudness(sound[:, 0]).max() > 100, name


def check_music(heard: Heard, caller: Caller) -> None:
    """It plays from the answer to the end."""
    ear = heard.by(caller)
    assert ear.stats().lost == 0
    assert ear.loudness(3.0) > 100


async def check_what_is_stored(
    switch: RunningSwitch, calls: dict[str, dict[str, Any]], backend: RunningBackend
) -> None:
    """Wishes to be called back, messages, and the survey at the backend; a secret number is nowhere in clear."""
    wishes = switch.rows("select skill_group, state, number_masked, call_id from callback_requests")
    wanted = ("surge_calls_back", "surge_of_the_unknown", "too_late_calls_back", "nobody_works")
    assert {wish["skill_group"]: (wish["state"], wish["call_id"]) for wish in wishes} == {
        name: ("open", calls[name]["id"]) for name in wanted
    }
    masked = {wish["skill_group"]: wish["number_masked"][-4:] for wish in wishes}
    assert masked["surge_of_the_unknown"] == SECRET_NUMBER[-4:]
    assert masked["nobody_works"] == CASES["nobody_works"].caller[-4:]
    boxes = {message["box"]: message["call"] for message in json.loads(await command(switch, *LIST_MESSAGES))}
    extension_box = f"{number('instead_a_message')}-{EXTENSION}"
    assert boxes == {
        extension_box: calls["instead_a_message"]["id"],
        **{name: calls[name]["id"] for name in ("message_left", "too_late_message")},
    }
    surveys = backend.hooks("/survey")
    assert [(one["satisfied"], one["solved"]) for one in surveys] == [("5", "1")]
    everything = json.dumps(calls) + switch.log()
    assert SECRET_NUMBER not in everything
