"""Keys that are taken out of recordings: which sounds are, where, and that no cut between two pieces saves one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.audio_files import read
from media.g711 import decode, encode
from media.recorder.key_tones import AROUND, KeyTones, Pcm, runs_of_keys
from media.recorder.protocol import PACKET, Audio, Begin, End, KeysForUs, Mark
from media.recorder.recording import HOLD, Recording
from media.recorder.track import MAX_DRIFT
from media.rtp.inband import WINDOW
from media.rtp.packet import Packet
from tests.support.sounds import AMPLITUDE, KEYS, RATE, Sound, keyed, loudness, read_wav, seconds_of, strength, tone
from tests.unit.media.test_recording import about

PROMPTS = Path(__file__).parents[3] / "ivr_flows" / "prompts"
FRAME = 160
ORIGIN = 100.0


def coded(sound: Sound) -> Pcm:
    """As it arrives in G.711."""
    return np.frombuffer(decode("PCMA", encode("PCMA", np.rint(sound).astype("<i2").tobytes())), "<i2").copy()


def pair(key: str, seconds: float, low: float, high: float, detuned: float = 1.0) -> Sound:
    """A key whose tones have these amplitudes."""
    at = 2 * np.pi * np.arange(round(seconds * RATE)) / RATE
    row, column = KEYS[key]
    sound: Sound = low * np.sin(at * row * detuned) + high * np.sin(at * column * detuned)
    return sound


def key_left(sound: Pcm, key: str) -> bool:
    """Whether a key sounds anywhere in it for 10 ms."""
    row, column = (strength(sound.astype(float), hz, 0.01) for hz in KEYS[key])
    pure = (row**2 + column**2) / 2 > 0.7 * loudness(sound.astype(float), 0.01) ** 2
    return bool((pure & (np.minimum(row, column) > 100)).any())


class TestRuns:
    """What is taken for a key."""

    @pytest.mark.parametrize("key", KEYS)
    def test_every_key_is_found_wholly(self, key: str) -> None:
        """From its first sample to its last, and not a tenth of a second beyond."""
        sound = coded(np.concatenate([tone(0.5), keyed(key), tone(0.5)]))
        ((start, end),) = runs_of_keys(sound)
        assert 0.5 * RATE - WINDOW - 2 * AROUND <= start <= 0.5 * RATE
        assert 0.6 * RATE <= end <= 0.6 * RATE + WINDOW + 2 * AROUND

    @pytest.mark.parametrize(
        ("low", "high", "seconds", "detuned"),
        [
            (AMPLITUDE, AMPLITUDE, 0.03, 1.0),  # shorter than is recognised
            (200.0, 200.0, 0.1, 1.0),  # fainter
            (8000.0, 2300.0, 0.1, 1.0),  # the column 11 dB weaker
            (2300.0, 8000.0, 0.1, 1.0),  # and stronger
            (AMPLITUDE, AMPLITUDE, 0.1, 1.018),
            (AMPLITUDE, AMPLITUDE, 0.1, 0.982),
            (15000.0, 15000.0, 3.0, 1.0),
        ],
    )
    def test_more_is_found_than_is_recognised(self, low: float, high: float, seconds: float, detuned: float) -> None:
        """Whoever listens to a recording may have a better ear than we have."""
        rest = tone(0.3)
        assert len(runs_of_keys(coded(np.concatenate([rest, pair("5", seconds, low, high, detuned), rest])))) == 1

    def test_a_key_in_noise_is_found(self) -> None:
        """15 dB below it, as Q.24 has receivers bear."""
        noise = np.random.default_rng(1).normal(0.0, 1000.0, 4000)
        noise[1000:1800] += pair("7", 0.1, 5600.0, 5600.0)
        assert len(runs_of_keys(coded(noise))) == 1

    def test_keys_in_a_row_are_one_silence_or_several(self) -> None:
        """As close as they follow."""
        assert len(runs_of_keys(coded(keyed("12345", on=0.05, off=0.04)))) == 1
        assert len(runs_of_keys(coded(keyed("12345", on=0.1, off=0.2)))) == 5

    def test_speech_is_none(self) -> None:
        """Nor is music: every prompt that comes with the program is looked through."""
        files = sorted(PROMPTS.glob("*/*.wav"))
        assert len(files) > 50
        assert [file for file in files if runs_of_keys(np.frombuffer(read(file, max_seconds=600.0), "<i2"))] == []

    @pytest.mark.parametrize("hertz", [(440,), (1336,), (770,), (350, 440), (600,), (440, 480), (1400, 2060)])
    def test_other_tones_are_none(self, hertz: tuple[int, ...]) -> None:
        """Dialling, ringing, single tones."""
        assert runs_of_keys(coded(tone(1.0, *hertz))) == []

    @pytest.mark.parametrize("length", [0, 1, WINDOW - 1, WINDOW])
    def test_next_to_nothing(self, length: int) -> None:
        """A piece that is shorter than a look."""
        assert runs_of_keys(np.ones(length, np.int16)) == []


class TestTakingOut:
    """Piece by piece."""

    @settings(max_examples=30)
    @given(st.lists(st.integers(1, 9000), min_size=1, max_size=10), st.integers(0, 1600))
    def test_no_cut_saves_a_key(self, sizes: list[int], shift: int) -> None:
        """Whatever is written at a time, nothing of a key is left, and speech half a second away is."""
        speech = tone(0.5, 440)
        sound = coded(np.concatenate([tone(shift / RATE), keyed("147*"), speech, keyed("3"), tone(0.5)]))
        keys = KeyTones()
        keys.pressed_for_us(0, on=True)
        heard, base = sound.copy(), 0
        for size in [*sizes, len(sound)]:
            count = min(size, len(sound) - base)
            keys.take_out(base, heard[base:], count)
            base += count
        assert runs_of_keys(heard) == []
        assert not any(key_left(heard, key) for key in "147*3")
        middle = heard[shift + len(keyed("147*")) :][800:3200]
        assert seconds_of(middle.astype(float), 440) == pytest.approx(0.3)

    def test_only_keys_for_the_switch(self) -> None:
        """Those of a talk are part of it; one that began before it is silent to its end."""
        keys = KeyTones()
        keys.pressed_for_us(0, on=True)
        keys.pressed_for_us(RATE, on=False)
        keys.pressed_for_us(8 * RATE, on=True)
        sound = coded(np.concatenate([
            tone(0.9), keyed("5", on=2.0), tone(1.0), keyed("7"), tone(0.8), keyed("8"), tone(4.0), keyed("9"),
        ]))  # fmt: skip
        taken = []
        for base in range(0, len(sound), 4000):
            taken += keys.take_out(base, sound[base:], min(4000, len(sound) - base))
        assert not any(key_left(sound, key) for key in "59")
        assert key_left(sound, "7")
        assert key_left(sound, "8")
        assert taken[0][0] == pytest.approx(0.9 * RATE, abs=WINDOW + 2 * AROUND)
        assert taken[-1][1] == pytest.approx(len(sound), abs=RATE)

    def test_arrival_is_not_exact(self) -> None:
        """A key may stand as far from where it arrived as a recording lets it."""
        keys = KeyTones()
        keys.pressed_for_us(2 * RATE, on=True)
        keys.pressed_for_us(3 * RATE, on=False)
        sound = coded(np.concatenate([
            tone(1.4), keyed("1"), tone(2 - MAX_DRIFT / RATE - 1.5), keyed("2"), tone(1.3), keyed("3"), tone(0.2),
            keyed("4"), tone(0.2),
        ]))  # fmt: skip
        keys.take_out(0, sound, len(sound))
        assert [key for key in "1234" if key_left(sound, key)] == ["1", "4"]


class TestRecording:
    """In the file."""

    def told(self, recording: Recording, sound: Sound, sides: int = 1) -> None:
        """The sound as packets, a second at a time."""
        codes = encode("PCMA", np.rint(sound).astype("<i2").tobytes())
        for first in range(0, len(codes), RATE):
            data = b""
            for at in range(first, min(first + RATE, len(codes) - FRAME + 1), FRAME):
                packet = bytes(Packet(8, at // FRAME, at, 7, codes[at : at + FRAME]))
                data += PACKET.pack(ORIGIN + (at + FRAME) / RATE, len(packet)) + packet
            for side in range(sides):
                recording.audio(Audio(1, side, "PCMA", 8, data))

    def test_keys_are_silence_and_the_sidecar_says_so(self, tmp_path: Path) -> None:
        """Left; what is heard by the caller is not searched. More than is waited for late packets."""
        path = tmp_path / "call.wav"
        recording = Recording(Begin(1, "r1", str(path), 2, ORIGIN, 0))
        recording.keys_for_us(KeysForUs(1, ORIGIN, True))
        sound = np.concatenate([tone(2.0, 440), keyed("12"), tone(3.0, 440), keyed("3"), tone(1.0, 440)])
        assert len(sound) > 2 * HOLD
        self.told(recording, sound, sides=2)
        recording.end(End(1, ORIGIN + len(sound) / RATE))
        left, right = read_wav(path).T
        assert not any(key_left(left.astype(np.int16), key) for key in "123")
        assert all(key_left(right.astype(np.int16), key) for key in "123")
        assert seconds_of(left, 440) == pytest.approx(6.0, abs=0.3)
        silent = about(path)["silent"]
        assert isinstance(silent, list)
        assert {span["why"] for span in silent} == {"keys"}
        assert [round(span["at"]) for span in silent][-1] == 5
        assert sum(span["seconds"] for span in silent) < 0.8

    def test_beside_what_is_concealed(self, tmp_path: Path) -> None:
        """Each in its place."""
        path = tmp_path / "call.wav"
        recording = Recording(Begin(1, "r1", str(path), 1, ORIGIN, 0))
        recording.keys_for_us(KeysForUs(1, ORIGIN, True))
        recording.mark(Mark(1, ORIGIN + 4.0, "concealed"))
        self.told(recording, np.concatenate([tone(1.0, 440), keyed("1"), tone(1.0, 440), keyed("2"), tone(0.4)]))
        recording.end(End(1, ORIGIN + 5.0))
        silent = about(path)["silent"]
        assert isinstance(silent, list)
        assert [span["why"] for span in silent] == ["keys", "keys", "concealed"]
