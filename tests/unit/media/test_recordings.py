"""What a worker copies of its sessions, and what becomes of it, on a clock of the test's own."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media import g711
from media.codecs import encoder
from media.control import (
    Bridge,
    Conceal,
    KeyTaken,
    Message,
    PauseRecord,
    Play,
    Record,
    Release,
    StopPlay,
    StopRecord,
    Wire,
)
from media.events import Digit, Event, MessageDone, Recorded, Released
from media.prompts import PromptStore
from media.recorder.protocol import Audio, Begin, Done, End
from media.recorder.recording import EDGE
from media.recorder.sidecar import sidecar_of
from media.rtp.packet import Packet
from media.worker.line import CHECKED_FOR
from media.worker.ports import pairs
from media.worker.recordings import ANSWER, REST, REST_TONES, TOGETHER
from media.worker.sessions import Sessions
from media.worker.tape import KEEP, TAIL
from tests.support.desk import Desk
from tests.support.media_worker import Phone, bind_pairs, opened

FRAME = 160


def loud(n: int) -> bytes:
    """20 ms of A-law that are heard as a voice and tell which they are."""
    return bytes([0x80 | (0x20 + n % 32)]) * FRAME


def level(n: int, codec: g711.CodecName = "PCMA") -> int:
    """The sample of `loud(n)`."""
    return int.from_bytes(g711.decode(codec, loud(n)[:1]), "little", signed=True)


class Bench:
    """Sessions with four ports, two phones, a recorder and a clock."""

    def __init__(self, directory: Path, *, recorder: bool = True) -> None:
        self.now = 1000.0
        self.directory = directory
        self.desk = Desk()
        numbers = count(1)
        self.sessions = Sessions(
            PromptStore([]),
            silence=60.0,
            random=lambda bits: next(numbers) << (bits // 2),
            recorder=self.desk if recorder else None,
            clock=lambda: self.now,
        )
        self.desk.sessions = self.sessions
        ports, _ = pairs(sock.detach() for sock in bind_pairs(4))
        self.sessions.add_ports(ports)
        self.a, self.b, self.c, _ = (port.number for port in ports)
        self.alice, self.bob = Phone(), Phone()
        self.fds = [sock.fileno() for port in ports for sock in (port.rtp, port.rtcp)]

    def path(self, name: str = "r1") -> Path:
        """Where a recording goes."""
        return self.directory / f"{name}.wav"

    def do(self, *commands: object) -> None:
        """Carries commands out."""
        for command in commands:
            self.sessions.carry_out(command, self.now)  # type: ignore[arg-type]
        self.sessions.settle(self.now)

    def turn(self, seconds: float = 0.0) -> None:
        """Lets time pass and does what the loop does."""
        self.now += seconds
        self.sessions.cadence.run(self.now)
        for fd in self.fds:
            self.sessions.readers[fd](self.now)
        if self.sessions.searched:
            self.sessions.search()
        if self.now >= self.sessions.recordings.due:
            self.sessions.recordings.run(self.now)
        while self.desk.answers:
            self.sessions.recordings.done(self.desk.answers.pop(0), self.now)

    def wait(self, seconds: float) -> None:
        """Time without packets."""
        for _ in range(round(seconds / 0.02)):
            self.turn(0.02)

    def bridged(self, **changes: object) -> None:
        """Alice on port a and Bob on port b, latched."""
        self.do(opened(self.a, 1, self.alice, **changes), opened(self.b, 2, self.bob), Bridge(self.a, 1, self.b, 2))
        for phone, port in ((self.alice, self.a), (self.bob, self.b)):
            phone.say(port)
        self.turn(0.02)
        self.turn(CHECKED_FOR + 0.1)
        self.talk(range(2))
        assert self.sessions.readers[self.sessions.ports[self.b].rtp.fileno()].__name__ == "_read_latched"

    def record(self, name: str = "r1", **changes: int) -> None:
        """Starts recording port a."""
        self.do(Record(self.a, 1, name, str(self.path(name)), **changes))

    def talk(self, numbers: range, *, both: bool = True) -> None:
        """20 ms each: Alice says loud(n), Bob loud(n + 7)."""
        for n in numbers:
            self.alice.say(self.a, loud(n))
            if both:
                self.bob.say(self.b, loud(n + 7))
            self.turn(0.02)

    def say(self, payloads: Sequence[bytes], port: int = 0) -> None:
        """Alice says payloads, 20 ms each."""
        for payload in payloads:
            self.alice.say(port or self.a, payload)
            self.turn(0.02)

    def events(self) -> list[Event]:
        """What was told since the last time."""
        events = list(self.sessions.events)
        self.sessions.events.clear()
        return events

    def stopped(self, name: str = "r1") -> Recorded:
        """Stops the recording of port a and returns what is told of it."""
        self.events()
        self.do(StopRecord(self.a, 1))
        self.turn()
        (event,) = self.events()
        assert isinstance(event, Recorded)
        assert (event.port, event.gen, event.recording_id, event.path) == (self.a, 1, name, str(self.path(name)))
        return event

    def samples(self, name: str = "r1") -> NDArray[np.int16]:
        """What is in a file, one column a channel."""
        with wave.open(str(self.path(name)), "rb") as file:
            return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())

    def heard(self, side: int = 0, name: str = "r1") -> list[int]:
        """The levels in a file, one for each 20 ms that hold but one; others fail."""
        column = self.samples(name)[:, side]
        starts = np.flatnonzero(np.diff(column, prepend=0))
        offset = int(starts[0]) % FRAME if len(starts) else 0
        assert all((int(start) - offset) % FRAME == 0 for start in starts), "frames are torn"
        return [int(value) for value in column[offset::FRAME]]

    def about(self, name: str = "r1") -> dict[str, list[dict[str, object]]]:
        """What the sidecar tells."""
        found: dict[str, list[dict[str, object]]] = json.loads(sidecar_of(self.path(name)).read_text())
        return found

    def close(self) -> None:
        """Gives all sockets up."""
        for port in self.sessions.ports.values():
            port.close()
        self.alice.close()
        self.bob.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A fresh bench."""
    made = Bench(tmp_path)
    yield made
    made.close()


def near(found: list[int], expected: list[int]) -> bool:
    """Whether levels are the expected ones, with silence before and after."""
    while found and not found[0]:
        found = found[1:]
    return found[: len(expected)] == expected and not any(found[len(expected) :])


class TestStereo:
    """Recording a session."""

    def test_audio_of_several_leaves_together(self, bench: Bench) -> None:
        """Recordings begun 40 ms apart wake the recorder once a second; what is not audio waits for nothing."""
        bench.bridged()
        bench.record()
        bench.talk(range(2))
        bench.do(Record(bench.b, 2, "r2", str(bench.path("r2"))))
        assert bench.desk.woken == [1, 1], "each has begun"
        bench.talk(range(2 * 50 + 2 * round(TOGETHER / 0.02)))
        assert bench.desk.woken == [1, 1, 4, 4], "two sides of both, each second"
        bench.talk(range(2))
        bench.do(PauseRecord(bench.a, 1, True))
        assert bench.desk.woken[4:] == [3], "two sides and a mark"

    def test_a_bridged_call_is_both_sides(self, bench: Bench) -> None:
        """What the caller says left, what the caller hears right, in step; the call itself goes on as it is."""
        bench.bridged()
        bench.record()
        bench.talk(range(100))
        told = bench.stopped()
        assert told.seconds == pytest.approx(2.0, abs=1e-3)
        assert (told.gaps, told.reason) == (0, "")
        assert told.octets == bench.path().stat().st_size - 44
        assert near(bench.heard(0), [level(n) for n in range(100)])
        assert near(bench.heard(1), [level(n + 7) for n in range(100)])
        assert [packet.payload for packet in [bench.bob.hear() for _ in range(103)][3:]] == [
            loud(n) for n in range(100)
        ]

    def test_without_it_nothing_is_changed(self, bench: Bench) -> None:
        """Reading and sending are the socket's own before and afterwards: a call not recorded pays nothing."""
        bench.bridged()
        session = bench.sessions.open[bench.a]
        rtp = session.port.rtp
        before = session._receive, session._send, session._sendto
        assert before == (rtp.recv_into, rtp.send, rtp.sendto)
        bench.record()
        assert session._receive != before[0]
        assert session._send != before[1]
        bench.stopped()
        assert (session._receive, session._send, session._sendto) == before
        assert bench.sessions.recordings.due < float("inf")
        bench.wait(ANSWER)
        assert len(bench.sessions.recordings) == 0
        assert bench.sessions.recordings.due == float("inf")

    def test_prompts_are_what_the_caller_hears(self, bench: Bench) -> None:
        """In a flow, where nobody else is there; then the agent, in the same recording."""
        bench.do(opened(bench.a, 1, bench.alice))
        bench.record()
        bench.do(Play(bench.a, 1, 1, ["tone:busy"], True))
        bench.wait(0.3)
        bench.do(StopPlay(bench.a, 1), opened(bench.b, 2, bench.bob), Bridge(bench.a, 1, bench.b, 2))
        for n in range(20):
            bench.bob.say(bench.b, loud(n))
            bench.turn(0.02)
        assert bench.stopped().gaps == 0
        right = bench.samples()[:, 1]
        played = len(PromptStore([]).get("tone:busy").frames["PCMA"])
        assert played > 15
        assert np.abs(right[: round(0.25 * 8000)]).max() > 1000
        assert level(19) in right[round(0.3 * 8000) :].tolist()
        assert not bench.samples()[:, 0].any()

    def test_legs_of_different_laws(self, bench: Bench) -> None:
        """Each side is decoded as it is sent on its leg."""
        bench.do(
            opened(bench.a, 1, bench.alice, audio_pt=0, codec="PCMU"),
            opened(bench.b, 2, bench.bob),
            Bridge(bench.a, 1, bench.b, 2),
        )
        bench.record()
        for n in range(30):
            bench.alice.say(bench.a, loud(n), 0)
            bench.bob.say(bench.b, loud(n + 7))
            bench.turn(0.02)
        bench.stopped()
        assert near(bench.heard(0), [level(n, "PCMU") for n in range(30)])
        into = [
            int.from_bytes(g711.decode("PCMU", loud(n + 7)[:1].translate(g711.ALAW_TO_ULAW)), "little", signed=True)
            for n in range(30)
        ]
        assert near(bench.heard(1), into)

    def test_a_change_of_codec_on_the_way(self, bench: Bench) -> None:
        """A re-INVITE may bring another payload type; one that has no samples is silence, and marked."""
        bench.bridged()
        bench.record()
        bench.talk(range(10))
        bench.do(opened(bench.a, 1, bench.alice, audio_pt=18, codec="G729"))
        bench.wait(0.2)
        bench.do(opened(bench.a, 1, bench.alice, audio_pt=0, codec="PCMU"))
        for n in range(10):
            bench.alice.say(bench.a, loud(n), 0)
            bench.turn(0.02)
        bench.stopped()
        assert [span["why"] for span in bench.about()["silent"]] == ["codec"]
        left = bench.heard(0)
        assert [x for x in left if x] == [level(n) for n in range(10)] + [level(n, "PCMU") for n in range(10)]

    def test_keys_do_not_reach_the_recorder(self, bench: Bench) -> None:
        """Of telephone events it gets the header alone, so that it knows that nothing was lost."""
        bench.bridged(digits=True)
        bench.record()
        bench.talk(range(5))
        for step in range(5):
            packet = Packet(101, bench.alice.seq, bench.alice.ts, bench.alice.ssrc, bytes((7, 10, 3, step)))
            bench.alice.send(bench.a, bytes(packet))
            bench.alice.seq += 1
            bench.turn(0.02)
        bench.alice.ts += 5 * FRAME
        bench.talk(range(10, 15))
        assert bench.stopped().gaps == 0
        copied = b"".join(audio.packets for audio in bench.desk.named(Audio) if isinstance(audio, Audio))
        assert bytes((7, 10, 3)) not in copied
        assert bench.heard(0)[:15].count(0) >= 5
        assert [event for event in bench.sessions.events if isinstance(event, Digit)] == []

    def test_pausing(self, bench: Bench) -> None:
        """Time goes on, nothing is copied, the sidecar tells."""
        bench.bridged()
        bench.record()
        bench.talk(range(10))
        bench.do(PauseRecord(bench.a, 1, True))
        copied = len(bench.desk.named(Audio))
        bench.talk(range(10, 60))
        assert len(bench.desk.named(Audio)) == copied
        bench.do(PauseRecord(bench.a, 1, False))
        bench.talk(range(60, 70))
        told = bench.stopped()
        assert (told.gaps, round(told.seconds, 2)) == (0, 1.4)
        for side, first in ((0, 0), (1, 7)):
            left = [level(n + first) for n in [*range(10), *range(60, 70)]]
            assert [x for x in bench.heard(side) if x] == left
        (span,) = bench.about()["silent"]
        assert span == {"at": pytest.approx(0.2, abs=1e-3), "seconds": pytest.approx(1.0, abs=1e-3), "why": "paused"}

    def test_a_recording_in_place_of_another(self, bench: Bench) -> None:
        """The first one ends; both are told."""
        bench.bridged()
        bench.record("one")
        bench.talk(range(10))
        bench.record("two")
        bench.talk(range(10))
        bench.do(StopRecord(bench.a, 1))
        bench.turn()
        assert [event.recording_id for event in bench.events() if isinstance(event, Recorded)] == ["one", "two"]
        for name in ("one", "two"):
            assert near(bench.heard(0, name), [level(n) for n in range(10)])

    def test_released_comes_after_the_recording(self, bench: Bench) -> None:
        """The leg is still known when its recording is told of."""
        bench.bridged()
        bench.record()
        bench.talk(range(30))
        bench.do(Release(bench.a, 1), Release(bench.b, 2))
        assert [(type(event), event.port) for event in bench.events()] == [(Released, bench.b)]  # type: ignore[union-attr]
        assert bench.a not in bench.sessions.open
        bench.turn()
        recorded, released = bench.events()
        assert isinstance(recorded, Recorded)
        assert isinstance(released, Released)
        assert (recorded.recording_id, released.port, released.stats.received) == ("r1", bench.a, 33)

    def test_commands_without_effect(self, bench: Bench) -> None:
        """Stopping nothing, pausing nothing, sessions that are gone."""
        bench.do(opened(bench.a, 1, bench.alice), StopRecord(bench.a, 1), PauseRecord(bench.a, 1, True))
        bench.do(
            Record(bench.b, 9, "x", "x.wav"), StopRecord(bench.b, 9), PauseRecord(bench.b, 9, True),
            Conceal(bench.b, 9, True), Message(bench.b, 9, 1, "x.wav", 1.0),
        )  # fmt: skip
        bench.turn()
        assert bench.events() == []
        assert bench.desk.told == []


class TestSecrets:
    """Concealment."""

    def conceal(self, bench: Bench, on: bool) -> None:
        """Secret keys begin or end on port a."""
        bench.do(Conceal(bench.a, 1, on))

    def test_nothing_is_copied_while_keys_are_secret(self, bench: Bench) -> None:
        """Neither side, and a moment longer: the last key is still held when it is told."""
        bench.bridged()
        bench.record()
        bench.talk(range(10))
        self.conceal(bench, True)
        bench.talk(range(10, 40))
        self.conceal(bench, False)
        rest = round(REST / 0.02)
        bench.talk(range(40, 60))
        assert bench.stopped().gaps == 0
        found = [x for x in bench.heard(0) if x]
        edge = EDGE // 160
        assert found[: 10 - edge] == [level(n) for n in range(10 - edge)]
        again = len(found) - (10 - edge)
        assert again == pytest.approx(20 - rest - edge, abs=2)
        assert found[10 - edge :] == [level(n) for n in range(60 - again, 60)]
        assert [x for x in bench.heard(1) if x][:10] == [level(n + 7) for n in range(10)]
        (span,) = bench.about()["silent"]
        assert span["why"] == "concealed"
        assert span["seconds"] == pytest.approx(0.6 + REST, abs=0.03)

    def test_a_recording_begun_meanwhile_begins_silent(self, bench: Bench) -> None:
        """What is secret is so whoever records."""
        bench.bridged()
        self.conceal(bench, True)
        bench.record()
        bench.talk(range(50))
        assert bench.desk.named(Audio) == []
        bench.stopped()
        assert not bench.samples().any()
        (span,) = bench.about()["silent"]
        assert (span["at"], span["why"]) == (0.0, "concealed")

    def test_the_other_leg_may_conceal_too(self, bench: Bench) -> None:
        """Where the recording was told of it."""
        bench.bridged()
        bench.record(concealed_port=bench.b, concealed_gen=2)
        bench.do(Conceal(bench.b, 2, True))
        bench.talk(range(50))
        bench.stopped()
        assert not bench.samples().any()

    def test_pause_and_concealment_are_independent(self, bench: Bench) -> None:
        """The end of one does not end the other."""
        bench.bridged()
        bench.record()
        bench.do(PauseRecord(bench.a, 1, True))
        self.conceal(bench, True)
        bench.do(PauseRecord(bench.a, 1, False))
        bench.talk(range(10))
        self.conceal(bench, False)
        bench.do(PauseRecord(bench.a, 1, True))
        bench.talk(range(50))
        bench.stopped()
        assert not bench.samples().any()

    def test_a_tone_held_beyond_the_end_is_silent_to_its_end(self, bench: Bench) -> None:
        """In-band keys are told while they still sound."""
        bench.do(opened(bench.a, 1, bench.alice, event_pt=None, digits=True))
        bench.record()
        self.conceal(bench, True)
        bench.say(tones("5", 0.1))
        self.conceal(bench, False)
        bench.say(tones("5", REST_TONES + 0.6))
        bench.wait(0.4)
        bench.say([loud(3)] * 50)
        bench.stopped()
        assert {x for x in bench.samples()[:, 0].tolist() if x} == {level(3)}
        assert [event.digit for event in bench.events() if isinstance(event, Digit)] == []


class TestKeysForTheSwitch:
    """Their tones, whoever tells of them and how."""

    @pytest.mark.parametrize("changes", [{"event_pt": None}, {}])
    def test_no_key_sounds_in_the_recording(self, bench: Bench, changes: dict[str, object]) -> None:
        """Of callers who have events as well, whose gateway lets the tones through."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True, **changes))
        bench.record()
        bench.say([*[loud(3)] * 50, *tones("5", 0.1), *[loud(3)] * 50, *tones("1", 0.06), *[loud(3)] * 20])
        bench.stopped()
        assert {x for x in bench.samples()[:, 0].tolist() if x} == {level(3)}
        assert [span["why"] for span in bench.about()["silent"]] == ["keys", "keys"]

    def test_keys_of_the_talk_do(self, bench: Bench) -> None:
        """From when on they are the other side's, but for the rest of one that began before."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True, event_pt=None), opened(bench.b, 2, bench.bob))
        bench.record()
        bench.say([*[loud(3)] * 20, *tones("5", 0.1)])
        bench.do(opened(bench.a, 1, bench.alice, event_pt=None), Bridge(bench.a, 1, bench.b, 2))
        bench.say([*tones("5", 0.3), *[loud(3)] * 50])
        bench.say([*tones("1", 0.1), *[loud(3)] * 20])
        bench.stopped()
        left = bench.samples()[:, 0]
        assert len({x for x in left[: round(1.4 * 8000)].tolist() if abs(x) > 8}) == 1
        assert len({x for x in left.tolist() if x}) > 50

    @pytest.mark.parametrize("secret", [False, True])
    @pytest.mark.parametrize("events", [101, None])
    def test_a_recording_that_begins_with_the_talk(self, bench: Bench, events: int | None, secret: bool) -> None:
        """Does not hold the rest of the key that led to it, nor what of a secret is typed on."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True, event_pt=events), opened(bench.b, 2, bench.bob))
        bench.do(Conceal(bench.a, 1, secret), KeyTaken(bench.a, 1))
        bench.say(tones("5", 0.1))
        bench.do(Conceal(bench.a, 1, False))
        bench.do(opened(bench.a, 1, bench.alice, event_pt=events), Bridge(bench.a, 1, bench.b, 2))
        bench.record()
        bench.say([*tones("5", 0.4), *[loud(3)] * 30])
        if secret:
            bench.say([*tones("1", 0.1), *[loud(3)] * 60])
        bench.say([loud(3)] * 40)
        mark = bench.now
        bench.say(tones("1", 0.1))
        bench.stopped()
        left = bench.samples()[:, 0]
        before = left[: -round((bench.now - mark) * 8000) - 800].tolist()
        assert {x for x in before if abs(x) > 8} == {level(3)}
        assert len({x for x in left.tolist() if x}) > 50

    def test_a_recorder_that_comes_later_is_told(self, bench: Bench) -> None:
        """What waited for it has keys in it, though by now they are for another."""
        bench.do(opened(bench.a, 1, bench.alice, digits=True, event_pt=None))
        bench.desk.connected, bench.desk.down = False, True
        bench.record()
        bench.say([*[loud(3)] * 20, *tones("5", 0.1), *[loud(3)] * 50])
        bench.do(opened(bench.a, 1, bench.alice, event_pt=None))
        bench.say([loud(3)] * 5)
        bench.desk.down = False
        bench.say([loud(3)] * 100)
        bench.stopped()
        heard = {x for x in bench.samples()[:, 0].tolist() if x}
        assert heard == {level(3)}


def tones(key: str, seconds: float) -> list[bytes]:
    """Payloads of a key pressed."""
    frequencies = {"5": (770, 1336), "#": (941, 1477), "1": (697, 1209)}[key]
    at = np.arange(round(seconds * 8000)) / 8000 * 2 * np.pi
    pcm = sum(np.sin(at * f) for f in frequencies) * 7000
    codes = g711.encode("PCMA", np.rint(pcm).astype("<i2").tobytes())
    return [codes[n : n + FRAME] for n in range(0, len(codes), FRAME)]


class TestInBand:
    """Keys as tones."""

    def test_keys_are_told_where_there_are_no_events(self, bench: Bench) -> None:
        """Once each, with the arrival of the packet that made it certain."""
        bench.do(opened(bench.a, 1, bench.alice, event_pt=None, digits=True))
        for key in "551":
            bench.say([*tones(key, 0.1), b"\xd5" * FRAME, b"\xd5" * FRAME, b"\xd5" * FRAME])
        digits = [event for event in bench.events() if isinstance(event, Digit)]
        assert "".join(event.digit for event in digits) == "551"
        assert digits[0].at == pytest.approx(1000.04, abs=0.021)

    @pytest.mark.parametrize("changes", [{}, {"event_pt": None, "digits": False}, {"event_pt": None, "codec": "G729"}])
    def test_tones_are_not_searched_for_otherwise(self, bench: Bench, changes: dict[str, object]) -> None:
        """With events agreed, with nobody who wants keys, in a codec of no samples."""
        bench.do(opened(bench.a, 1, bench.alice, **{"digits": True, **changes}))
        bench.say(tones("5", 0.2))
        assert bench.events() == []

    def test_tones_of_a_peer_that_may_not_send_are_not_heard(self, bench: Bench) -> None:
        """As its events are not."""
        bench.do(opened(bench.a, 1, bench.alice, event_pt=None, digits=True, receive=False))
        bench.say(tones("5", 0.2))
        assert bench.events() == []


class TestMessages:
    """What the caller leaves."""

    def begin(self, bench: Bench, *, digits: bool = True, **changes: object) -> None:
        """Alice may speak."""
        settings: dict[str, object] = {"max_seconds": 10.0, "silence_seconds": 2.0, "terminators": "#*", **changes}
        bench.do(opened(bench.a, 1, bench.alice, digits=digits))
        bench.do(Message(bench.a, 1, 4, str(bench.path("m")), **settings))  # type: ignore[arg-type]

    def told(self, bench: Bench) -> MessageDone:
        """How it ended."""
        bench.turn()
        (event,) = [event for event in bench.events() if not isinstance(event, Released)]
        assert isinstance(event, MessageDone)
        assert (event.port, event.gen, event.message_id) == (bench.a, 1, 4)
        return event

    def press(self, bench: Bench, digit: int) -> None:
        """A telephone event begins."""
        bench.alice.say(bench.a, bytes((digit, 10, 0, 160)), 101, marker=True)
        bench.turn(0.02)

    def test_a_key_ends_it(self, bench: Bench) -> None:
        """Told by the message's end alone; other keys are told as ever and do not end it."""
        self.begin(bench)
        bench.say([loud(n) for n in range(50)])
        self.press(bench, 5)
        (digit,) = bench.events()
        assert isinstance(digit, Digit)
        bench.say([loud(n) for n in range(50)])
        self.press(bench, 11)
        done = self.told(bench)
        assert done.reason == "digit"
        assert done.seconds == pytest.approx(2.0, abs=0.08)
        assert bench.samples("m").shape == (round(done.seconds * 8000), 1)
        bench.say([loud(1)] * 5)
        assert bench.events() == []

    def test_the_tone_of_the_key_is_cut_off(self, bench: Bench) -> None:
        """In-band, it is known only after it began."""
        bench.do(opened(bench.a, 1, bench.alice, event_pt=None, digits=True))
        bench.do(Message(bench.a, 1, 4, str(bench.path("m")), 10.0, 2.0, "#"))
        bench.say([loud(3)] * 50)
        bench.say(tones("#", 0.2))
        done = self.told(bench)
        assert done.reason == "digit"
        assert done.seconds == pytest.approx(0.93, abs=0.07)
        assert {x for x in bench.samples("m")[:, 0].tolist() if x} == {level(3)}

    @pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
    def test_silence_ends_it(self, bench: Bench, codec: g711.CodecName) -> None:
        """Noise of the line is silence; what is kept ends soon after the last word."""
        payload_type = {"PCMA": 8, "PCMU": 0}[codec]
        noise = np.random.default_rng(1).normal(0, 120, FRAME * 200).astype("<i2").tobytes()
        faint = g711.encode(codec, noise)
        voice = g711.encode(codec, (np.sin(np.arange(FRAME * 50) / 3) * 3000).astype("<i2").tobytes())
        codes = voice + faint[: FRAME * 60] + voice + faint
        bench.do(opened(bench.a, 1, bench.alice, audio_pt=payload_type, codec=codec))
        bench.do(Message(bench.a, 1, 4, str(bench.path("m")), 30.0, 2.0))
        for at in range(0, len(codes), FRAME):
            bench.alice.say(bench.a, codes[at : at + FRAME], payload_type)
            bench.turn(0.02)
        done = self.told(bench)
        assert done.reason == "silence"
        assert done.seconds == pytest.approx(3.2 + TAIL, abs=0.05)
        assert len(bench.samples("m")) == round(done.seconds * 8000)

    @pytest.mark.parametrize("codec", ["G722", "opus"])
    def test_silence_is_heard_in_any_codec_of_ours(self, bench: Bench, codec: str) -> None:
        """A message in G.722 or Opus ends like any other, and is written as it was said."""
        enc = encoder(codec)
        clock = 48000 if codec == "opus" else 8000
        wire = Wire(clock=clock)
        voice = (np.sin(np.arange(FRAME * 50) / 3) * 3000).astype("<i2").tobytes() + bytes(2 * FRAME * 150)
        bench.do(opened(bench.a, 1, bench.alice, audio_pt=96, codec=codec, wire=wire))
        bench.do(Message(bench.a, 1, 4, str(bench.path("m")), 30.0, 2.0))
        for n in range(200):
            bench.alice.ts = n * clock // 50
            bench.alice.say(bench.a, enc.encode(voice[2 * FRAME * n : 2 * FRAME * (n + 1)]), 96)
            bench.turn(0.02)
        done = self.told(bench)
        assert done.reason == "silence"
        assert done.seconds == pytest.approx(1.0 + TAIL, abs=0.1)

    def test_a_caller_who_sends_nothing_is_silent(self, bench: Bench) -> None:
        """And leaves no message, and no file."""
        self.begin(bench)
        bench.wait(2.2)
        done = self.told(bench)
        assert (done.reason, done.seconds) == ("silence", 0.0)
        assert list(bench.directory.iterdir()) == []

    def test_the_limit_ends_it(self, bench: Bench) -> None:
        """Exactly."""
        self.begin(bench, max_seconds=1.0, silence_seconds=0.0)
        bench.say([loud(n) for n in range(60)])
        done = self.told(bench)
        assert done.reason == "limit"
        assert done.seconds == pytest.approx(1.0, abs=0.12)

    def test_without_a_limit_of_silence_it_waits(self, bench: Bench) -> None:
        """Zero is never."""
        self.begin(bench, silence_seconds=0.0)
        bench.wait(9.0)
        assert bench.events() == []

    @pytest.mark.parametrize(("command", "reason"), [(StopRecord, "stopped"), (Release, "hangup")])
    def test_stopped_or_hung_up_it_is_kept(self, bench: Bench, command: type[Release], reason: str) -> None:
        """Most messages end so; it is told before Released."""
        self.begin(bench)
        bench.say([loud(n) for n in range(100)])
        bench.do(command(bench.a, 1))
        done = self.told(bench)
        assert done.reason == reason
        assert done.seconds == pytest.approx(2.0, abs=0.03)

    def test_what_the_caller_hears_is_not_in_it(self, bench: Bench) -> None:
        """A beep that still plays."""
        self.begin(bench)
        bench.do(Play(bench.a, 1, 2, ["tone:busy"]))
        bench.say([loud(4)] * 50)
        bench.do(StopRecord(bench.a, 1))
        bench.turn()
        assert {x for x in bench.samples("m")[:, 0].tolist() if x} == {level(4)}


class TestTrouble:
    """A recorder that is slow, away or not there costs the call nothing."""

    def test_without_a_recorder_it_fails_at_once(self, tmp_path: Path) -> None:
        """And says so."""
        bench = Bench(tmp_path, recorder=False)
        bench.bridged()
        bench.record()
        bench.do(Message(bench.a, 1, 4, "m.wav", 10.0))
        assert bench.events() == [
            Recorded(bench.a, 1, "r1", str(bench.path()), 0.0, 0, 0, "there is no recorder"),
            MessageDone(bench.a, 1, 4, 0.0, "failed"),
        ]
        bench.do(Release(bench.a, 1))
        assert isinstance(bench.events()[0], Released)
        bench.close()

    def test_a_file_that_cannot_be_written(self, bench: Bench) -> None:
        """The reason comes from the recorder; the session is as before."""
        bench.desk.fails = "permission denied"
        bench.bridged()
        bench.record()
        bench.do(opened(bench.c, 3, bench.alice), Message(bench.c, 3, 4, str(bench.path("m")), 10.0))
        bench.turn()
        recorded, done = bench.events()
        assert isinstance(recorded, Recorded)
        assert (recorded.seconds, recorded.reason) == (0.0, "permission denied")
        assert done == MessageDone(bench.c, 3, 4, 0.0, "failed")
        session = bench.sessions.open[bench.a]
        assert session.tape is None
        assert session._send == session.port.rtp.send
        bench.talk(range(5))
        bench.do(StopRecord(bench.a, 1), Release(bench.a, 1))
        assert [type(event) for event in bench.events()] == [Released]

    def test_a_slow_recorder_costs_a_gap(self, bench: Bench) -> None:
        """What has no room is dropped, and marked."""
        bench.bridged()
        bench.record()
        bench.talk(range(100))
        bench.desk.full = True
        bench.talk(range(100, 200))
        bench.desk.full = False
        bench.talk(range(200, 300))
        told = bench.stopped()
        assert (round(told.seconds), told.gaps) == (6, 2)
        assert {gap["why"] for gap in bench.about()["gaps"]} == {"dropped"}
        found = bench.heard(0)
        silent = [n for n, x in enumerate(found) if not x]
        assert 90 <= len(silent) <= 110
        assert silent[-1] - silent[0] == len(silent) - 1

    def test_a_restarted_recorder_goes_on(self, bench: Bench) -> None:
        """What passed meanwhile is kept for seconds; the call hears nothing of it."""
        bench.bridged()
        bench.record()
        bench.talk(range(200))
        bench.desk.crash()
        bench.talk(range(200, 300))
        bench.desk.down = False
        bench.talk(range(300, 400))
        told = bench.stopped()
        assert (round(told.seconds), told.reason) == (8, "")
        found = bench.heard(0)
        assert found[-100:] == [level(n) for n in range(300, 400)]
        assert found[:50] == [level(n) for n in range(50)]
        assert {gap["why"] for gap in bench.about()["gaps"]} == {"recorder"}
        lost = [n for n, x in enumerate(found) if not x]
        assert 0 < len(lost) <= 0.02 * 8000
        begins = bench.desk.named(Begin)
        assert [begin.resume for begin in begins if isinstance(begin, Begin)] == [False, True]

    def test_a_recorder_that_stays_away_fills_no_memory(self, bench: Bench) -> None:
        """Only the last seconds are kept."""
        bench.desk.crash()
        bench.bridged()
        bench.record()
        tape = bench.sessions.open[bench.a].tape
        assert tape is not None
        for _ in range(10):
            bench.talk(range(100))
            assert all(len(side.data) <= KEEP + 8192 for side in tape.sides)
        bench.events()
        bench.do(Release(bench.a, 1))
        assert bench.events() == []
        bench.wait(ANSWER + 0.1)
        recorded, released = bench.events()
        assert isinstance(recorded, Recorded)
        assert (recorded.seconds, recorded.reason) == (0.0, "the recorder does not answer")
        assert isinstance(released, Released)

    def test_silence_is_noticed_while_the_recorder_is_away(self, bench: Bench) -> None:
        """A message ends all the same."""
        bench.desk.crash()
        bench.do(opened(bench.a, 1, bench.alice), Message(bench.a, 1, 4, str(bench.path("m")), 30.0, 1.0))
        bench.say([loud(n) for n in range(50)])
        bench.wait(1.2)
        bench.desk.down = False
        bench.wait(ANSWER)
        (done,) = bench.events()
        assert done == MessageDone(bench.a, 1, 4, pytest.approx(1.0 + TAIL, abs=0.05), "silence")  # type: ignore[arg-type]

    def test_an_answer_that_comes_too_late_is_nobodys(self, bench: Bench) -> None:
        """Nor is one for a recording that never was."""
        bench.sessions.recordings.done(Done(77, 1.0, 1, 0), bench.now)
        assert bench.events() == []

    def test_ends_reach_the_recorder(self, bench: Bench) -> None:
        """Each tape is ended once."""
        bench.bridged()
        bench.record()
        bench.talk(range(10))
        bench.stopped()
        assert len(bench.desk.named(End)) == 1
