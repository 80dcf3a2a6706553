"""Digits that flows ask for as secrets, keyed in every way, and the search for them in all that a switch shows; the
same on either media plane."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Final

import numpy as np

from bench.capture import Capture, Ports
from bench.phone import Answer, Call, Phone
from bench.population import account_of
from bench.rtp import EVENTS
from tests.support.backend import (
    RunningBackend,
    foreign_caller,
    right_digits,
    wrong_digits,
)
from tests.support.evidence import (
    TYPED_TEXT,
    evidence,
    is_text,
    opened_journal,
    places_without_states,
    sent_to,
    typed,
    words,
)
from tests.support.marked import files, leaks
from tests.support.planes import RTPENGINE, WORKERS, Plane
from tests.support.ports import MEDIA_FIRST, MEDIA_LAST
from tests.support.sipp import Caller, Informed, carry, need_sipp
from tests.support.sounds import FRAME, KEYS, RATE, Sound, keyed, loudness, strength, tone, write_capture
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

PARTY_HOST, AGENT_HOST = "127.0.0.5", "127.0.0.6"
X, EXTENSIONS = "01086651234", "4008001234"
HOTLINE, COUNTER, HASTY, QUIET, PLAIN = (f"40080056{place}" for place in range(78, 83))
"""At HASTY all is keyed ahead, while what comes before the question is recorded; at QUIET the talk alone is, at PLAIN
nothing, so that no worker need relay it."""
MEDIA = Ports(MEDIA_FIRST, MEDIA_LAST)
"""RTP of the switch under test."""

PIN = "73914628503"
"""Keyed where a flow collects a secret; long enough to stand nowhere by chance."""
TYPED_ON = "8642"
"""Keyed beyond what was asked for, by when the agent is there."""
CHATTED = "5"
"""Keyed while they talk: it is the agent's to have."""

IDENTIFIED = """\
  who:
    type: identify
    url: "{backend}/identify"
    attempts: 2
    ask:
      method: phone
      prompts: ["tone:700:0.5"]
      retry_prompts: ["tone:800:0.5"]
      min: 11
      max: 11
      first_timeout: 15s
      digit_timeout: 8s
    own_number: somebody
    verified: somebody
    failed: somebody
    unavailable: somebody
  somebody: {type: queue, group: "{group}", prompts: ["tone:ringback"], next: gone, on: {other: gone}}
  gone:
    type: http
    method: POST
    url: "{backend}/hangup"
    json: {identity: "{identity}", subject: "{subject}", called: "{called}"}
    next: over
    on_error: over
  over: {type: hangup}
"""
"""Where these flows end: who it is, the queue, and what is told behind it."""
COUNTER_FLOW = """
flow: counter
answer: now
start: hello
on_hangup: gone
variables: {backend: "", group: desk, identity: not_asked, subject: "", pins: 0}
nodes:
  hello: {type: say, text: {zh: 您好, en: Hello}, next: tape}
  tape: {type: record, do: start, next: ask}
  ask:
    type: collect
    into: pin
    secret: true
    prompts: ["tone:600:0.5"]
    min: 11
    max: 11
    first_timeout: 15s
    digit_timeout: 8s
    next: right
    on_timeout: over
    on_invalid: over
  right:
    type: branch
    when:
      - {if: "len(pin) == 11", next: who}
    else: over
"""


HASTY_FLOW = """
flow: hasty
answer: now
start: tape
on_hangup: gone
variables: {backend: "", group: desk, identity: not_asked, subject: ""}
nodes:
  tape: {type: record, do: start, next: hello}
  hello: {type: play, prompts: ["tone:600:5"], barge_in: false, next: choose}
  choose:
    type: menu
    prompts: ["tone:650:0.5"]
    keys: {"1": look}
    on_timeout: gone
    on_invalid: gone
  look: {type: http, url: "{backend}/orders/1", next: pin, on_error: pin}
  pin: {type: subflow, flow: pin, next: who}
"""
PIN_FLOW = """
flow: pin
start: ask
nodes:
  ask:
    type: collect
    into: pin
    secret: true
    prompts: ["tone:600:0.5"]
    min: 11
    max: 11
    first_timeout: 15s
    digit_timeout: 8s
    next: back
    on_timeout: back
    on_invalid: back
  back: {type: return}
"""
QUIET_FLOW = (
    COUNTER_FLOW.replace("flow: counter", "flow: quiet")
    .replace("  tape: {type: record, do: start, next: ask}\n", "")
    .replace("next: tape", "next: ask")
)
COMPLETE = {"counter": COUNTER_FLOW, "hasty": HASTY_FLOW, "quiet": QUIET_FLOW}
FLOWS = {"pin": PIN_FLOW, **{name: text + IDENTIFIED for name, text in COMPLETE.items()}}


@contextmanager
def recording_switch(
    directory: Path, ports: Mapping[str, int], backend: RunningBackend, plane: Plane
) -> Iterator[RunningSwitch]:
    """A switch that logs all it can and records every talk; `ports` are of the trunk's `party` and of the `agent`."""
    need_sipp()
    flows = directory / "flows"
    flows.mkdir()
    for name, text in FLOWS.items():
        (flows / f"{name}.yaml").write_text(text)
    variables = {"backend": backend.url, "group": "desk"}
    hours = {"opens": "00:00", "closes": "00:00", "days": "all", "flights_group": "desk", "hotel_group": "desk"}
    with running_switch(
        directory,
        speech={"engine": "espeak"},
        trunks=[{"name": "bench", "from": ["127.0.0.0/8"], "to": f"{PARTY_HOST}:{ports['party']}"}],
        numbers=[
            {"number": X, "mask": True, "record": True},
            {"number": EXTENSIONS, "mask": True, "record": True},
            {"number": HOTLINE, "flow": "hotline", "record": True, "variables": {**variables, **hours}},
            {"number": COUNTER, "flow": "counter", "record": True, "variables": variables},
            {"number": HASTY, "flow": "hasty", "record": True, "variables": variables},
            {"number": QUIET, "flow": "quiet", "record": True, "variables": variables},
            {"number": PLAIN, "flow": "quiet", "variables": variables},
        ],
        groups=[
            {
                "name": "desk",
                "members": [f"sip:desk{seat}@{AGENT_HOST}:{ports['agent']}" for seat in range(DESKS)],
            }
        ],
        flows=[str(flows)],
        masks=[],
        **plane.changes,
    ) as running:
        yield running


@dataclass(slots=True)
class Secret:
    """A caller who keys secrets, and how: by RFC 4733, as tones, both, by INFO, with tones; `hasty` ones key ahead."""

    how: str
    index: int
    telephone: str = field(init=False)
    wrong: str = field(init=False)
    right: str = field(init=False)
    dialled: str = field(init=False)

    def __post_init__(self) -> None:
        self.telephone = foreign_caller(self.index)
        numbers = {"hotline": HOTLINE, "hasty": HASTY, "quiet": QUIET, "plain": PLAIN}
        self.dialled = numbers.get(self.how.split()[0], COUNTER)
        method = "id_card" if self.how == "hotline" else "phone"
        self.wrong, self.right = wrong_digits(self.telephone, method), right_digits(self.telephone, method)

    def sipp(self, directory: Path) -> Caller:
        """As a call of SIPp's."""
        if self.how == "hotline":
            keys = f",2,{self.wrong},{self.right},,2,,0,,{CHATTED}"
            return Caller(self.telephone, keys, 1000)
        if "events" in self.how:
            return Caller(self.telephone, f",{PIN},{self.wrong},{self.right}{TYPED_ON},,{CHATTED}", 1000)
        if "info" in self.how:
            return Caller(self.telephone, "", 1000, audio=None, informs=self._informed(directory))
        rows = self._rows()
        keys, begun = {}, 0.0
        for lead, row in rows:
            keys |= {begun + lead + 0.2 * place: key for place, key in enumerate(row)}
            begun += lead + 0.2 * len(row)
        sound = np.concatenate([*(part for row in rows for part in _said(*row)), END])
        capture = write_capture(directory / f"{self.how}.pcap", sound, keys if "both" in self.how else {})
        talk_ms = round(len(sound) / RATE * 1000) + 500
        return Caller(self.telephone, "", talk_ms, audio=capture, events="both" in self.how)

    def _rows(self) -> list[tuple[float, str]]:
        """What is keyed in a row, and for how many seconds something is said before."""
        rest = [(1.0, self.right + TYPED_ON), (2.5, CHATTED)]
        if "hasty" in self.how:
            return [(0.1, f"1{PIN}{self.wrong}"), *rest]
        return [(1.0, PIN), (1.0, self.wrong), *rest]

    def _informed(self, directory: Path) -> list[Informed]:
        found, packets = [], 0
        for place, (lead, keys) in enumerate(self._rows()):
            sound = np.concatenate([*_said(lead, keys), *([END] if keys == CHATTED else [])])
            capture = write_capture(directory / f"{self.how}-{place}.pcap", sound, after=packets)
            pressed = {lead + 0.2 * number: key for number, key in enumerate(keys)}
            found.append(Informed(capture, len(sound) / RATE, pressed))
            packets += len(sound) // FRAME
        return found


END: Final = tone(1.0, 440)
"""Said after the last key."""


def _said(lead: float, keys: str) -> list[Sound]:
    """Silence, and keys as tones, one each 0.2 s."""
    return [tone(lead), keyed(keys)]


WAYS = {
    WORKERS: ("hotline", "events", "tones", "both", "info", "hasty tones", "hasty both", "quiet info", "quiet both"),
    RTPENGINE: ("hotline", "tones", "quiet both", "plain events", "plain both", "plain info", "plain tones"),
}
"""On each plane; what rtpengine relays itself is plain."""
DESKS = max(map(len, WAYS.values()))


def secrets_of(plane: Plane) -> list[Secret]:
    """Who keys something on a plane."""
    return [Secret(how, 11 + place) for place, how in enumerate(WAYS[plane.name])]


async def keys_by_info(switch: RunningSwitch, secret: Secret) -> None:
    """A phone of ours that has no telephone-event."""
    async with await Phone.open(secret.telephone, target=switch.target, t1=0.1) as phone:
        call = await phone.dial(secret.dialled)
        await call.answered()
        call.rtp.play(440)
        for keys in (PIN, secret.wrong, secret.right):
            await asyncio.sleep(1.0)
            for digit in keys:
                assert (await call.info(digit)).status == 200
        for digit in TYPED_ON:
            await asyncio.sleep(0.2)
            assert (await call.info(digit)).status == 200
        await asyncio.sleep(3.0)
        assert (await call.info(CHATTED)).status == 200
        await asyncio.sleep(1.0)
        await call.hang_up()


async def talks_of(agent: Phone, count: int) -> list[Call]:
    """The calls that reached the desk while all callers called, heard to the end: everybody's."""
    talks = [agent.incoming.get_nowait() for _ in range(agent.incoming.qsize())]
    assert len(talks) == count, f"{len(talks)} of {count} callers got through to the desk"
    for call in talks:
        await call.ended(within=10)
    return talks


def keys_heard(sound: Sound, least: float = 500.0) -> str:
    """Which keys sound in the audio for as little as 20 ms, in order, each as often as it begins anew."""
    columns = {hz: strength(sound, hz, 0.02) for pair in KEYS.values() for hz in pair}
    rows = sorted({low for low, _ in KEYS.values()}), sorted({high for _, high in KEYS.values()})
    power = loudness(sound, 0.02) ** 2
    found = []
    for place, total in enumerate(power):
        low, high = (max(group, key=lambda hz: columns[hz][place]) for group in rows)
        both = columns[low][place], columns[high][place]
        pure = (both[0] ** 2 + both[1] ** 2) / 2 > 0.7 * total
        found.append(
            next(key for key, pair in KEYS.items() if pair == (low, high)) if min(both) > least and pure else ""
        )
    return "".join(key for key, before in zip(found, ["", *found[:-1]], strict=True) if key and key != before)


def events_heard(call: Call) -> str:
    """The keys that came by RFC 4733, each once."""
    stamps: dict[int, str] = {}
    for packet in call.rtp.received:
        if packet.payload_type not in (0, 8):
            stamps[packet.timestamp] = EVENTS[struct.unpack_from("!B", packet.payload)[0]]
    return "".join(stamps.values())


async def no_secret_is_kept_or_handed_on(
    plane: Plane, switch: RunningSwitch, ports: dict[str, int], backend: RunningBackend, tmp_path: Path
) -> None:
    """Keyed by RFC 4733, as tones, as both, and by INFO: known to the customer's own server and to nobody else."""
    secrets = secrets_of(plane)
    told = len(backend.hooks("/hangup"))
    calls, recordings = (len(switch.rows(f"select id from {table}")) for table in ("calls", "call_recordings"))
    during: dict[str, bytes] = {}

    async def callers() -> None:
        await together(
            *(
                carry(one.sipp(tmp_path), switch.target, tmp_path, one.dialled, 60)
                for one in secrets
                if one.how != "info"
            ),
            *(keys_by_info(switch, one) for one in secrets if one.how == "info"),
        )

    async with await Phone.open("agent", target=switch.target, host=AGENT_HOST, port=ports["agent"], t1=0.1) as agent:
        with Capture([Ports(switch.sip_port, switch.sip_port), MEDIA]) as capture:
            agent.behaviour = Answer()
            calling = asyncio.ensure_future(callers())
            while not calling.done():
                await asyncio.sleep(1.0)
                during |= {f"{place} during": data for place, data in files(switch.store).items()}
            await calling
            talks = await talks_of(agent, len(secrets))
    await switch.records(calls + len(secrets))
    await switch.eventually(lambda: len(backend.hooks("/hangup")) == told + len(secrets))
    recordings += sum(one.dialled != PLAIN for one in secrets)
    await switch.eventually(lambda: len(switch.rows("select id from call_recordings")) == recordings)
    _, found = await asyncio.gather(switch.nothing_left(), evidence(switch))
    places = {
        **during, **found.places, **opened_journal(switch), **sent_to(capture.packets(), AGENT_HOST),
        "hang-up": json.dumps(backend.hooks("/hangup")).encode(),
    }  # fmt: skip
    was_identified(switch, backend, secrets)
    for kind in ("switchboard.db", "journal/", ".wav", ".json", *(("speech/",) if which("espeak-ng") else ())):
        assert any(place.startswith("file ") and kind in place for place in places), kind
    short = [digits for one in secrets for digits in (one.wrong, one.right) if len(digits) == 4]
    long = [PIN, *(digits for one in secrets for digits in (one.wrong, one.right) if len(digits) == 11)]
    assert typed(long, places) == []
    assert words(short, {place: data for place, data in places.items() if is_text(place)}) == []
    assert TYPED_TEXT.findall(switch.log()) == []
    assert leaks([one.telephone for one in secrets], places_without_states(places)) == []
    check_recordings(found.sounds, secrets)
    check_desk(talks)


def was_identified(switch: RunningSwitch, backend: RunningBackend, secrets: list[Secret]) -> None:
    """What was keyed did arrive where it was meant for: all were known at the second try."""
    told = {(hook["identity"], hook["subject"]) for hook in backend.hooks("/hangup")[-len(secrets) :]}
    assert told == {("verified", account_of(one.telephone).subject) for one in secrets}
    since = "select id from calls order by started_us desc limit"
    rows = switch.rows(f"select key from call_trail where call_id in ({since} {len(secrets)})")
    keys = [row["key"] for row in rows]
    assert keys.count("11 digits") == 3 * (len(secrets) - 1)
    assert keys.count("1") == sum("hasty" in one.how for one in secrets)
    assert keys.count("4 digits") == 2


def check_recordings(sounds: Mapping[str, Sound], secrets: list[Secret]) -> None:
    """Nobody's keys sound in a recording but those of the talk; and these do."""
    heard = {name: [keys_heard(side) for side in sound.T] for name, sound in sounds.items()}
    assert {key for sides in heard.values() for keys in sides for key in keys} <= {CHATTED}, heard
    sounding = [one for one in secrets if one.how not in ("hotline", "events", "info") and one.dialled != PLAIN]
    assert sum(sides[0] == CHATTED for sides in heard.values()) == len(sounding), heard


def check_desk(talks: list[Call]) -> None:
    """The agent was relayed what was keyed in the talk, by event or as a tone, and nothing of before."""
    by_event = sorted(events_heard(call) for call in talks)
    assert set(by_event) == {"", CHATTED}
    assert by_event.count(CHATTED) >= 3
    for call in talks:
        assert call.infos == []
        assert keys_heard(np.array(call.rtp.heard(60.0), dtype=np.float64)) in ("", CHATTED)
