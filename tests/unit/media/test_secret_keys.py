"""Keys of a secret that are pressed when the other side is there already, whatever way they take to it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from media.codecs import decoder
from media.control import SECRET_REST, Bridge, Conceal, Join, KeyTaken, Wire
from media.events import Digit, KeyForOther
from media.g711 import decode, encode
from media.recorder.key_tones import runs_of_keys
from media.rtp.tone_keys import sound
from tests.support.media_worker import Phone, opened
from tests.support.srtp import SecuredPhone, new_keys
from tests.unit.media.test_sessions import VOICE, Bench, heard, keys_in

TONE = {key: [sound(key)[320 * n : 320 * n + 320] for n in range(1, 4)] for key in "59"}
"""Steady pieces of 20 ms."""
OTHERS: dict[str, dict[str, object]] = {
    "relayed": {},
    "renumbered": {"event_pt": 97},
    "as tones": {"event_pt": None},
    "by signalling": {"wire": Wire(keys="info")},
    "transcoded": {"codec": "G722", "audio_pt": 9},
}
"""How the other side takes keys and audio."""


class Scene:
    """A caller on port a, whose secret has been keyed, and a party on port b."""

    def __init__(self, bench: Bench, other: dict[str, object], caller: Phone | None = None) -> None:
        self.bench = bench
        self.caller = caller or bench.alice
        self.other = other
        self.codec = str(other.get("codec", "PCMA"))
        self.duration = 0
        self.open(digits=True)
        bench.do(opened(bench.b, 2, bench.bob, **other), Conceal(bench.a, 1, True))

    def open(self, **changes: object) -> None:
        """The caller's session."""
        secured = {"secured": self.caller.keys} if isinstance(self.caller, SecuredPhone) else {}
        self.bench.do(opened(self.bench.a, 1, self.caller, **secured, **changes))

    def join(self, room: bool = False) -> None:
        """The secret is complete, and the party is there at once."""
        bench = self.bench
        bench.do(Conceal(bench.a, 1, False))
        self.open()
        bench.do(*((Join(bench.a, 1, 7), Join(bench.b, 2, 7)) if room else (Bridge(bench.a, 1, bench.b, 2),)))

    def press(self, key: str, packets: int, *, tone: bool = False, first: bool = True) -> None:
        """A key held for so many packets, or held on; with `tone` it sounds as well."""
        if first:
            self.caller.ts += 8000
            self.duration = 0
        began = self.caller.ts
        for n in range(packets):
            self.duration += 160
            payload = bytes((int(key), 10)) + self.duration.to_bytes(2, "big")
            self.caller.ts = began
            self.bench.talk(self.caller, self.bench.a, payload_type=101, payload=payload, marker=first and n == 0)
            if tone:
                self.caller.ts = began + self.duration
                self.sounds(key, 1)
        self.caller.ts = began + self.duration + 160

    def sounds(self, key: str, packets: int) -> None:
        """The tone of a key in the audio."""
        for n in range(packets):
            self.bench.talk(self.caller, self.bench.a, payload=encode("PCMA", TONE[key][n % 3]))
            self.bench.sessions.search()

    def speaks(self, seconds: float) -> None:
        """A voice."""
        for _ in range(round(seconds * 50)):
            self.bench.talk(self.caller, self.bench.a, payload=VOICE)
            self.bench.sessions.search()

    def told(self) -> str:
        """The keys that the flow was told of."""
        return "".join(event.digit for event in self.bench.sessions.events if isinstance(event, Digit))

    def got(self) -> tuple[str, int]:
        """The keys that the party has got in any form since the last time, and how much of a voice, in packets."""
        packets = heard(self.bench.bob)
        audio = [packet for packet in packets if packet.payload_type == self.other.get("audio_pt", 8)]
        if self.codec == "PCMA":
            pcm = [decode("PCMA", packet.payload) for packet in audio]
        else:
            dec = decoder(self.codec)
            pcm = [dec.decode(packet.payload) for packet in audio]
        keys = "".join(dict.fromkeys(str(p.payload[0]) for p in packets if p.payload_type in (97, 101)))
        keys += "".join(dict.fromkeys(keys_in([encode("PCMA", frame) for frame in pcm])))
        if not keys:
            # Not even so little of a tone as nobody would take for a key.
            assert runs_of_keys(np.frombuffer(b"".join(pcm), "<i2")) == []
        asked = [event for event in self.bench.sessions.events if isinstance(event, KeyForOther)]
        self.bench.sessions.events[:] = [event for event in self.bench.sessions.events if event not in asked]
        voices = sum(len(set(frame)) > 100 for frame in pcm)
        return keys + "".join(event.digit for event in asked), voices


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A fresh bench."""
    made = Bench()
    yield made
    made.close()


@pytest.mark.parametrize("tone", [False, True])
@pytest.mark.parametrize("way", OTHERS)
def test_what_is_typed_on_is_for_nobody(bench: Bench, way: str, tone: bool) -> None:
    """One key too many, and another one, pressed when the other side is there; then a voice, then a key of the talk."""
    scene = Scene(bench, OTHERS[way])
    scene.press("9", 3, tone=tone)
    scene.join()
    scene.press("9", 3, tone=tone, first=False)
    scene.speaks(0.2)
    scene.press("5", 6, tone=tone)
    scene.speaks(SECRET_REST - 0.1)
    scene.press("9", 6, tone=tone)
    assert scene.got() == ("", 0)
    scene.speaks(SECRET_REST + 0.5)
    keys, voices = scene.got()
    assert keys == ""
    assert 15 <= voices <= 30
    scene.press("5", 6)
    scene.speaks(0.4)
    assert scene.got()[0] == "5"
    assert scene.told() == "9"


def test_of_a_secured_caller(bench: Bench) -> None:
    """SRTP changes nothing of it."""
    caller = SecuredPhone(new_keys())
    scene = Scene(bench, {}, caller)
    scene.press("9", 3)
    scene.join()
    scene.press("5", 6)
    scene.speaks(SECRET_REST - 0.1)
    assert scene.got() == ("", 0)
    scene.speaks(0.5)
    scene.press("9", 6)
    assert scene.got()[0] == "9"
    caller.close()


def test_in_a_room(bench: Bench) -> None:
    """A secret's tones are not mixed."""
    scene = Scene(bench, {})
    scene.press("9", 3, tone=True)
    scene.join(room=True)
    scene.press("5", 6, tone=True)
    scene.speaks(SECRET_REST - 0.1)
    assert scene.got() == ("", 0)
    scene.speaks(1.0)
    assert scene.got()[1] > 20


@pytest.mark.parametrize("way", ["relayed", "as tones", "transcoded"])
def test_typed_on_as_tones(bench: Bench, way: str) -> None:
    """Of a caller who has no events: what begins in the rest extends it."""
    bench.do(opened(bench.a, 1, bench.alice, digits=True, event_pt=None))
    bench.do(opened(bench.b, 2, bench.bob, **OTHERS[way]), Conceal(bench.a, 1, True))
    scene = Scene.__new__(Scene)
    scene.bench, scene.caller, scene.other, scene.codec = bench, bench.alice, OTHERS[way], "PCMA"
    scene.codec = str(OTHERS[way].get("codec", "PCMA"))
    scene.sounds("9", 4)
    bench.do(Conceal(bench.a, 1, False), opened(bench.a, 1, bench.alice, event_pt=None), Bridge(bench.a, 1, bench.b, 2))
    scene.sounds("9", 4)
    scene.speaks(0.3)
    scene.sounds("5", 5)
    scene.speaks(SECRET_REST - 0.2)
    scene.sounds("9", 5)
    assert scene.got() == ("", 0)
    scene.speaks(SECRET_REST + 0.5)
    keys, voices = scene.got()
    assert (keys, voices > 15) == ("", True)


def test_a_key_that_waits_to_be_read_is_the_flows(bench: Bench) -> None:
    """It had come before the other side was there, though the socket is read only afterwards."""
    bench.do(opened(bench.a, 1, bench.alice, digits=True), opened(bench.b, 2, bench.bob))
    bench.talk(bench.alice, bench.a)
    bench.alice.say(bench.a, b"\x05\x0a\x00\xa0", 101, True)
    bench.do(opened(bench.a, 1, bench.alice), Bridge(bench.a, 1, bench.b, 2))
    bench.alice.ts -= 160
    bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x05\x8a\x03\x20")
    assert [event.digit for event in bench.events() if isinstance(event, Digit)] == ["5"]
    assert heard(bench.bob) == []


def test_a_key_whose_beginning_was_lost_began_before(bench: Bench) -> None:
    """Its duration tells; of no secret, so that the next one is passed on."""
    bench.do(opened(bench.a, 1, bench.alice, digits=True), opened(bench.b, 2, bench.bob))
    bench.talk(bench.alice, bench.a)
    bench.do(opened(bench.a, 1, bench.alice), Bridge(bench.a, 1, bench.b, 2))
    for duration in (b"\x05\x0a\x05\x00", b"\x05\x8a\x05\xa0"):
        bench.talk(bench.alice, bench.a, payload_type=101, payload=duration)
        bench.alice.ts -= 160
    bench.alice.ts += 4000
    sent = bench.talk(bench.alice, bench.a, payload_type=101, payload=b"\x06\x0a\x00\xa0", marker=True)
    assert heard(bench.bob) == [sent]


def test_a_long_key_of_the_talk_is_passed_on_whole(bench: Bench) -> None:
    """Its packets are judged by the first of them: that later ones come sooner changes nothing."""
    bench.do(opened(bench.a, 1, bench.alice, digits=True), opened(bench.b, 2, bench.bob))
    bench.talk(bench.alice, bench.a)
    bench.do(opened(bench.a, 1, bench.alice), Bridge(bench.a, 1, bench.b, 2))
    sent = []
    for n in range(8):
        payload = b"\x05\x0a" + (160 * (n + 1) + (400 if n else 0)).to_bytes(2, "big")
        sent.append(bench.talk(bench.alice, bench.a, payload_type=101, payload=payload, marker=n == 0))
        bench.alice.ts -= 160
    assert heard(bench.bob) == sent


@pytest.mark.parametrize("how", ["bridge", "room", "transcoded"])
@pytest.mark.parametrize("events", [101, None])
def test_the_tone_of_a_key_by_signalling_is_not_heard(bench: Bench, events: int | None, how: str) -> None:
    """Of a phone that tells of its keys by INFO and lets them sound: for as long as that lasts, told once."""
    other = OTHERS["transcoded"] if how == "transcoded" else {}
    bench.do(opened(bench.a, 1, bench.alice, digits=True, event_pt=events), opened(bench.b, 2, bench.bob, **other))
    scene = Scene.__new__(Scene)
    scene.bench, scene.caller, scene.other, scene.codec = bench, bench.alice, other, str(other.get("codec", "PCMA"))
    scene.speaks(0.1)
    bench.do(KeyTaken(bench.a, 1))
    scene.sounds("9", 5)
    talks = (Join(bench.a, 1, 7), Join(bench.b, 2, 7)) if how == "room" else (Bridge(bench.a, 1, bench.b, 2),)
    bench.do(opened(bench.a, 1, bench.alice, event_pt=events), *talks)
    scene.sounds("9", 20)
    scene.speaks(0.5)
    keys, voices = scene.got()
    assert (keys, voices >= 10) == ("", True)
    assert scene.told() == ("" if events else "9")
    session = bench.sessions.open[bench.a]
    assert session.tones is None


def test_a_search_for_its_sake_ends(bench: Bench) -> None:
    """While the flow goes on as well; where the codec is none of ours it does not begin."""
    bench.do(opened(bench.a, 1, bench.alice, digits=True))
    bench.do(KeyTaken(bench.a, 1))
    session = bench.sessions.open[bench.a]
    assert session.tones is not None
    for _ in range(10):
        bench.talk(bench.alice, bench.a, payload=VOICE)
        bench.sessions.search()
    assert session.tones is None
    bench.do(opened(bench.b, 2, bench.bob, codec="G729", audio_pt=18, digits=True), KeyTaken(bench.b, 2))
    assert bench.sessions.open[bench.b].tones is None


def test_a_voice_is_heard_at_once_where_no_secret_was_keyed(bench: Bench) -> None:
    """Nor does a secret of long ago keep anybody quiet."""
    scene = Scene(bench, {})
    scene.press("9", 6)
    bench.do(Conceal(bench.a, 1, False))
    scene.speaks(SECRET_REST + 0.1)
    scene.join()
    scene.speaks(0.2)
    scene.press("5", 6)
    keys, voices = scene.got()
    assert (keys, voices) == ("5", 10)
