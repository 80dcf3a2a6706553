"""Nothing that a caller must keep to itself gets anywhere: telephone numbers behind X, and digits keyed as secrets.

The numbers are marked: phones write theirs into every field there is. All that goes over the wire to the other side is
captured, and all that the switch writes, prints and serves is searched; of sealed states also what is inside.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from bench.capture import Capture, Packet, Ports
from bench.phone import Answer, Behaviour, Call, Never, Phone, Refuse
from bench.population import account_of
from bench.rtp import EVENTS
from switchboard.store.database import Database
from switchboard.store.keys import load_vault
from switchboard.store.records import decode_record, decode_snapshot
from switchboard.store.segments import Kind, read_segment, segment_paths
from tests.support.backend import (
    RunningBackend,
    demonstration_backend,
    foreign_caller,
    right_digits,
    wrong_digits,
)
from tests.support.command import command
from tests.support.marked import MarkedPhone, MarkedPort, files, forms, leaks, spoken
from tests.support.planes import RTPENGINE, WORKERS, Plane, on_both
from tests.support.ports import MEDIA_FIRST, MEDIA_LAST, free_port
from tests.support.processes import processes
from tests.support.sipp import Caller, carry, need_sipp
from tests.support.sounds import KEYS, RATE, Sound, keyed, loudness, read_wav, strength, tone, write_capture
from tests.support.stage import together
from tests.support.switch import RunningSwitch, running_switch

A, B, C = "13877665544", "13956781234", "13612345678"
"""A pair, and who calls an extension of B's; all of them marked."""
CALLER_HOST, PARTY_HOST, AGENT_HOST = "127.0.0.4", "127.0.0.5", "127.0.0.6"
X, EXTENSIONS, EXTENSION = "01086651234", "4008001234", "345678"
SHOWN = "01088880000"
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
TYPED_TEXT = re.compile(r'"(?:digit|digits|key|keys|signal|dtmf)": *"?[0-9]')


# --- all that there is to be seen of a switch ---


class Evidence(NamedTuple):
    """What was found where, and the sounds in recordings."""

    places: dict[str, bytes]
    sounds: dict[str, Sound]


async def evidence(switch: RunningSwitch) -> Evidence:
    """The files, logs, pages, processes and commands of a switch, and what is inside of its journal."""
    names = "\n".join(str(path.relative_to(switch.directory)) for path in switch.directory.rglob("*"))
    found = {
        "output": switch.output.read_bytes(),
        "log": (switch.directory / "switch.log").read_bytes(),
        "names": names.encode(),
        **files(switch.store),
        **{path: switch.get(path) for path in ("/metrics", "/health")},
        **{f"cmdline of {name}": "\0".join(p.cmdline()).encode() for name, p in processes(switch).items()},
        **{f"switchboard {' '.join(words)}": told.encode() for words, told in await commands(switch)},
    }
    recordings = (switch.store / "recordings").rglob("*.wav")
    return Evidence(found, {path.name: read_wav(path) for path in recordings if ".part" not in path.name})


async def commands(switch: RunningSwitch) -> list[tuple[tuple[str, ...], str]]:
    """What an operator is told who may not see numbers."""
    asked: list[tuple[str, ...]] = [
        ("calls", "list", "--format", "json"), ("calls", "callbacks", "--format", "json"),
        ("masks", "list", "--format", "json"), ("masks", "log", "--format", "json"), ("masks", "export"),
        ("voicemail", "list", "--format", "json"),
    ]  # fmt: skip
    asked += [("calls", "show", row["id"], "--format", "json") for row in switch.rows("select id from calls")]
    asked += [("masks", "show", row["id"]) for row in switch.rows("select id from mask_lines")]
    extensions = switch.rows("select number, extension from mask_bindings")
    asked += [("masks", "show", row["number"], row["extension"]) for row in extensions]
    return [(words, await command(switch, *words)) for words in asked]


def opened_journal(switch: RunningSwitch) -> dict[str, bytes]:
    """Each record of the journal as JSON, sealed states opened: what a restart would know."""
    database = Database(switch.store / "switchboard.db")
    found: dict[str, bytes] = {}
    states = 0
    with closing(database):
        vault = load_vault(switch.store, database)
        for segment in segment_paths(switch.store / "journal"):
            for place, entry in enumerate(read_segment(segment)):
                told: list[object] = [entry.call_id]
                if entry.kind in (Kind.OPENED, Kind.CHANGED):
                    snapshot = decode_snapshot(entry.payload)
                    told.append(snapshot.record)
                    if snapshot.state:
                        told.append(msgspec.msgpack.decode(vault.open_state(snapshot.state)))
                        states += 1
                elif entry.kind == Kind.ENDED:
                    told.append(decode_record(entry.payload))
                found[f"journal {segment.name} {place}, opened"] = msgspec.json.encode(told)
    assert states > 0, "there is a state to be opened"
    return found


def typed(secrets: Iterable[str], places: Mapping[str, bytes]) -> list[str]:
    """Where secret digits stand: in any form of a number, or key by key."""
    found = []
    for secret in secrets:
        for name, needle in {**key_by_key(secret), **(forms(secret) if len(secret) > 8 else {})}.items():
            found += [f"{secret} ({name}) in {place}" for place, data in places.items() if needle in data]
    return found


def key_by_key(digits: str) -> dict[str, bytes]:
    """How a run of keys may have been written down, if not as one text."""
    numbers = bytes(int(digit) for digit in digits)
    return {
        "msgpack texts": b"".join(b"\xa1" + digit.encode() for digit in digits),
        "JSON texts": ",".join(f'"{digit}"' for digit in digits).encode(),
        "spaced JSON texts": ", ".join(f'"{digit}"' for digit in digits).encode(),
        **({"octets": numbers} if len(digits) > 8 else {}),
        **{f"with {separator!r} between": separator.join(digits).encode() for separator in (",", ", ", "\n")},
        "with ' ' between": " ".join(digits).encode(),
    }


def words(secrets: Iterable[str], places: Mapping[str, bytes]) -> list[str]:
    """Where a few digits stand for themselves, neither in a longer number nor in an identifier."""
    return [
        f"{secret} in {place}: {hit!r}"
        for secret in secrets
        for place, data in places.items()
        for hit in re.findall(rf".{{0,20}}(?<![\w.:+-]){secret}(?![\w.:-]).{{0,20}}".encode(), data)
    ]


# --- numbers ---


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    """Where the trunk leads, and where the agent is."""
    return {"party": free_port(), "agent": free_port()}


@pytest.fixture(scope="module")
def backend() -> Iterator[RunningBackend]:
    """The customer's own server."""
    with demonstration_backend() as running:
        yield running


@pytest.fixture(scope="module")
def switch(
    tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int], backend: RunningBackend, plane: Plane
) -> Iterator[RunningSwitch]:
    """A switch that logs all it can and records every talk."""
    need_sipp()
    directory = tmp_path_factory.mktemp("leaks")
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
class Line:
    """Two marked phones and the switch between them."""

    switch: RunningSwitch
    caller: MarkedPhone
    party: MarkedPhone

    async def call(self, number: str, behaviour: Behaviour) -> tuple[Call, Call]:
        """Both ends of a call that is being treated."""
        self.party.behaviour = behaviour
        call: Call = await self.caller.dial_marked(number)  # type: ignore[misc]
        return call, await self.party.next_call()

    async def all_that_is_said(self, number: str) -> None:
        """Early media, tones, RTCP, INFO, UPDATE, re-INVITE, MESSAGE, OPTIONS; then the party hangs up."""
        call, far = await self.call(number, Answer(after=0.2, early=True))
        await call.answered()
        await far.confirmed()
        call.rtp.play(440)
        far.rtp.play(880)
        await far.hears(440)
        await call.hears(880)
        for one, phone in ((call, self.caller), (far, self.party)):
            assert isinstance(one.rtp, MarkedPort)
            one.rtp.tell_name(phone.user)
            assert (await one.info("5")).status == 200
            assert (await one.send("UPDATE")).status == 200
            assert (await one.reinvite("sendonly")).status == 200
            assert (await one.reinvite("sendrecv")).status == 200
            await one.send("MESSAGE", [("Content-Type", "text/plain")], f"call {phone.user} back".encode())
            await one.send("OPTIONS")
        await far.hears(440)
        await far.hang_up()
        await call.ended()

    async def refused(self, number: str, behaviour: Behaviour) -> None:
        """A redirection, a refusal, or a caller who gives up."""
        call, far = await self.call(number, behaviour)
        if isinstance(behaviour, Never):
            await call.ringing()
            assert await call.cancel() == 487
        assert await call.decided() >= 400
        await far.ended()


@asynccontextmanager
async def marked(
    switch: RunningSwitch, port: int, monkeypatch: pytest.MonkeyPatch, caller: str, party: str
) -> AsyncIterator[Line]:
    """A caller, and a party where the trunk leads."""
    options: dict[str, object] = {"target": switch.target, "t1": 0.1}
    async with (
        await MarkedPhone.marked(caller, monkeypatch, host=CALLER_HOST, **options) as one,
        await MarkedPhone.marked(party, monkeypatch, host=PARTY_HOST, port=port, **options) as other,
    ):
        yield Line(switch, one, other)


def sent_to(packets: Iterable[Packet], host: str) -> dict[str, bytes]:
    """Everything on the wire to one side."""
    return {f"wire to {host}": b"\0".join(packet.payload for packet in packets if packet.destination[0] == host)}


@pytest.mark.parametrize("plane", [WORKERS], indirect=True, scope="module")
async def test_no_number_is_told_to_anybody(
    switch: RunningSwitch, ports: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pair through X both ways, a caller of an extension: neither side's number, nor its address, is anywhere."""
    await command(switch, "masks", "bind", X, "--kind", "axb", "--a", A, "--b", B, "--label", "flat 3")
    await command(switch, "masks", "bind", EXTENSIONS, EXTENSION, B, "--shown", SHOWN)
    for number, caller, party in (
        (X, A, B), (X, B, A), (f"{EXTENSIONS},{EXTENSION}", C, B),
    ):  # fmt: skip
        with Capture([Ports(switch.sip_port, switch.sip_port), MEDIA]) as capture:
            async with marked(switch, ports["party"], monkeypatch, caller, party) as line:
                await line.all_that_is_said(number)
                for behaviour in (Refuse(302, "sorry"), Refuse(486, "sorry"), Never()):
                    await line.refused(number, behaviour)
        packets = list(capture.packets())
        to_caller, to_party = sent_to(packets, CALLER_HOST), sent_to(packets, PARTY_HOST)
        assert leaks([caller], to_caller), "each side does see its own number, so one can be found"
        assert leaks([party], to_party), "as above"
        audio = [packet for packet in packets if len(packet.payload) == 172]
        assert {packet.destination[0] for packet in audio} > {CALLER_HOST, PARTY_HOST}
        assert leaks([caller], to_party) + spoken([CALLER_HOST], to_party) == [], number
        assert leaks([party], to_caller) + spoken([PARTY_HOST], to_caller) == [], number
    await switch.nothing_left()
    await switch.eventually(lambda: len(switch.rows("select id from call_recordings")) == 3)
    found = await evidence(switch)
    assert sum(place.endswith(".wav") for place in found.places) == 3
    assert sum(place.startswith("file recordings") and place.endswith(".json") for place in found.places) == 3
    assert leaks([A, B, C], found.places) == []


# --- secrets ---


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
        sound, keys = self._tones()
        capture = write_capture(directory / f"{self.how}.pcap", sound, keys if "both" in self.how else {})
        if "info" in self.how:
            return Caller(self.telephone, "", 1000, audio=capture, informs=keys)
        talk_ms = round(len(sound) / RATE * 1000) + 500
        return Caller(self.telephone, "", talk_ms, audio=capture, events="both" in self.how)

    def _tones(self) -> tuple[Sound, dict[float, str]]:
        parts: list[Sound] = []
        events: dict[float, str] = {}
        rows = (PIN, self.wrong, self.right + TYPED_ON, CHATTED)
        if "hasty" in self.how:
            rows = (f"1{PIN}{self.wrong}", self.right + TYPED_ON, CHATTED)
        for keys in rows:
            parts.append(tone(2.5 if keys == CHATTED else 0.1 if keys[0] == "1" else 1.0))
            begun = sum(map(len, parts)) / RATE
            events |= {begun + 0.2 * place: key for place, key in enumerate(keys)}
            parts.append(keyed(keys))
        parts.append(tone(1.0, 440))
        return np.concatenate(parts), events


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


async def the_desk_answers(agent: Phone, count: int) -> list[Call]:
    """Everybody who gets through is heard to the end."""
    agent.behaviour = Answer()
    calls = [await agent.next_call(within=60) for _ in range(count)]
    for call in calls:
        await call.ended(within=60)
    return calls


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


@on_both
async def test_no_secret_is_kept_or_handed_on(
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
            answering = asyncio.ensure_future(the_desk_answers(agent, len(secrets)))
            calling = asyncio.ensure_future(callers())
            while not calling.done():
                await asyncio.sleep(1.0)
                during |= {f"{place} during": data for place, data in files(switch.store).items()}
            await calling
            talks = await answering
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


def is_text(place: str) -> bool:
    """Whether digits stand there to be read, rather than anywhere in a sea of octets."""
    return not place.startswith(("file", "wire"))


def places_without_states(places: Mapping[str, bytes]) -> dict[str, bytes]:
    """Without what was opened by the key of the store, where the caller's own number may stand."""
    return {place: data for place, data in places.items() if not place.endswith("opened")}


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


# --- that the searches find what they should ---


@pytest.mark.parametrize(
    "planted",
    [
        PIN.encode(), msgspec.msgpack.encode(list(PIN)), msgspec.msgpack.encode([int(digit) for digit in PIN]),
        json.dumps(list(PIN)).encode(), ",".join(PIN).encode(), f"pin of {PIN[2:]}".encode(),
    ],
)  # fmt: skip
def test_planted_keys_are_found(planted: bytes) -> None:
    """As one text, key by key, and its end."""
    assert typed([PIN], {"clean": b"11 digits 739146"}) == []
    assert typed([PIN], {"planted": b"\x93\xa3pin" + planted + b"\xc0"})


def test_planted_words_are_found() -> None:
    """For themselves, and not in an identifier."""
    assert words(["4821"], {"log": b'{"key": "4821"}'})
    assert words(["4821"], {"journal": b'["0193-4821-77", "14821", 4821.5, "2026-01-01T00:00:00.4821"]'}) == []


def test_planted_tones_are_found() -> None:
    """Also between speech, and as short as a key can be recognised; speech alone is none."""
    speech = tone(0.5, 440)
    assert keys_heard(np.concatenate([speech, keyed(PIN, on=0.04, off=0.06), speech])) == PIN
    assert keys_heard(speech) == ""
