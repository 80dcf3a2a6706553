"""Keys as tones: what has to be recognised and what must not be, by ITU-T Q.23 and Q.24."""

from __future__ import annotations

import wave
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.g711 import CodecName, encode
from media.rtp.inband import COLUMNS, DELAY, KEYS, ROWS, ToneReader, read

PROMPTS = Path(__file__).resolve().parents[3] / "ivr_flows" / "prompts"
RATE = 8000
FULL = 32124 / 10 ** (3.14 / 20)
"""The amplitude of a sine of 0 dBm0 (G.711)."""
ALL = "1234567890*#ABCD"
SSRC = 7

Samples = NDArray[np.float64]


def tone(
    key: str, ms: float, *, level: float = -10.0, twist: float = 0.0, detuned: float = 0.0, phase: float = 0.3
) -> Samples:
    """A key of two tones of `level` dBm0 each, the column `twist` dB stronger, all `detuned` per cent too high."""
    row = next(n for n, keys in enumerate(KEYS) if key in keys)
    at = np.arange(round(ms * RATE / 1000)) / RATE * (1 + detuned / 100) * 2 * np.pi
    low = np.sin(at * ROWS[row] + phase) * FULL * 10 ** ((level - twist / 2) / 20)
    high = np.sin(at * COLUMNS[KEYS[row].index(key)]) * FULL * 10 ** ((level + twist / 2) / 20)
    return low + high


def rest(ms: float) -> Samples:
    """Silence."""
    return np.zeros(round(ms * RATE / 1000))


def packets(samples: Samples, codec: CodecName = "PCMA", size: int = 160) -> list[bytes]:
    """Payloads of `size` codes."""
    pcm = np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()
    codes = encode(codec, pcm)
    return [codes[at : at + size] for at in range(0, len(codes), size)]


def keys_of(samples: Samples, codec: CodecName = "PCMA", size: int = 160) -> str:
    """What is recognised, packet by packet."""
    reader = ToneReader(codec)
    found = ""
    for n, payload in enumerate(packets(np.concatenate([samples, rest(100)]), codec, size)):
        reader.feed(65000 + n & 0xFFFF, n * size, SSRC, payload)
        found += "".join(key for _, key in read([reader]))
    return found


def dialled(keys: str, on: float = 40.0, off: float = 40.0, lead: float = 30.0, **shape: float) -> Samples:
    """Keys one after the other behind `lead` ms of silence."""
    return np.concatenate([rest(lead), *(part for key in keys for part in (tone(key, on, **shape), rest(off)))])


class TestRecognised:
    """What has to be a key (Q.24 table A-1)."""

    @pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
    @pytest.mark.parametrize("lead", [0.0, 3.1, 5.0, 9.9, 13.7, 19.9])
    def test_every_key_of_40_ms_with_pauses_of_40_ms(self, codec: CodecName, lead: float) -> None:
        """Wherever in its packets it begins, also twice in a row."""
        assert keys_of(dialled(ALL + "1155**", lead=lead), codec) == ALL + "1155**"

    @pytest.mark.parametrize("size", [80, 160, 240, 320])
    def test_packets_of_any_length(self, size: int) -> None:
        """10 to 40 ms."""
        assert keys_of(dialled(ALL), size=size) == ALL

    @pytest.mark.parametrize(("level", "codec"), list(product([0.0, -10.0, -20.0, -29.0], ["PCMA", "PCMU"])))
    def test_levels(self, level: float, codec: CodecName) -> None:
        """From 0 to -29 dBm0 each tone, clipping included."""
        assert keys_of(dialled(ALL, level=level), codec) == ALL

    @pytest.mark.parametrize("twist", [-8.0, -4.0, 4.0])
    def test_twist(self, twist: float) -> None:
        """The column 4 dB stronger to 8 dB weaker than the row."""
        assert keys_of(dialled(ALL, twist=twist)) == ALL

    @pytest.mark.parametrize("detuned", [-1.5, -0.7, 0.7, 1.5])
    def test_frequencies(self, detuned: float) -> None:
        """1.5 per cent beside."""
        assert keys_of(dialled(ALL, detuned=detuned)) == ALL

    @pytest.mark.parametrize("seed", range(3))
    def test_noise(self, seed: int) -> None:
        """White noise 15 dB below the tones."""
        samples = dialled(ALL, 50, 50, level=-15)
        noise = np.random.default_rng(seed).normal(0, FULL * 10 ** (-15 / 20) / 2**0.5 * 10 ** (-15 / 20), len(samples))
        assert keys_of(samples + noise) == ALL

    @pytest.mark.parametrize("ms", [60.0, 500.0, 5000.0])
    def test_a_key_held_is_one(self, ms: float) -> None:
        """However long."""
        assert keys_of(dialled("7", ms)) == "7"

    @pytest.mark.parametrize("at", [45.0, 51.3, 58.8])
    def test_a_dropout_of_10_ms_does_not_make_two(self, at: float) -> None:
        """Q.24 §3.3."""
        assert keys_of(np.concatenate([tone("5", at), rest(10), tone("5", 60)])) == "5"


class TestRefused:
    """What must not be a key."""

    @pytest.mark.parametrize("lead", [0.0, 2.5, 5.0, 7.5])
    def test_tones_of_20_ms(self, lead: float) -> None:
        """Shorter than a finger."""
        assert keys_of(dialled(ALL, 20, 60, lead=lead)) == ""

    def test_too_faint(self) -> None:
        """-40 dBm0 is an echo."""
        assert keys_of(dialled(ALL, level=-40)) == ""

    @pytest.mark.parametrize("twist", [-14.0, 10.0])
    def test_too_much_twist(self, twist: float) -> None:
        """No telephone dials so."""
        assert keys_of(dialled(ALL, twist=twist)) == ""

    @pytest.mark.parametrize("detuned", [-3.5, 3.5])
    def test_frequencies_far_beside(self, detuned: float) -> None:
        """3.5 per cent."""
        assert keys_of(dialled(ALL, 60, detuned=detuned)) == ""

    @pytest.mark.parametrize("frequency", [*ROWS, *COLUMNS, 350, 425, 450, 1000, 2100])
    def test_single_tones(self, frequency: float) -> None:
        """One of the eight, a dial tone, a fax."""
        assert keys_of(np.sin(np.arange(8000) / RATE * 2 * np.pi * frequency) * 8000) == ""

    def test_three_tones(self) -> None:
        """Two keys at once are none."""
        assert keys_of(tone("1", 200) + tone("5", 200)) == ""

    def test_noise(self) -> None:
        """Loud and long."""
        assert keys_of(np.random.default_rng(5).normal(0, 6000, 60 * RATE)) == ""

    @pytest.mark.parametrize("codec", ["PCMA", "PCMU"])
    def test_voices(self, codec: CodecName) -> None:
        """None of the prompts, which are minutes of speech in two languages, holds a key."""
        spoken = []
        for path in sorted(PROMPTS.rglob("*.wav")):
            with wave.open(str(path)) as file:
                spoken.append(np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float))
        samples = np.concatenate(spoken)
        assert len(samples) > 120 * RATE
        assert keys_of(samples, codec) == ""


class TestStream:
    """Packets that are lost, late or not sent."""

    def feed(self, order: list[int], payloads: list[bytes]) -> str:
        """The packets of these numbers."""
        reader = ToneReader("PCMA")
        found = ""
        for n in order:
            reader.feed(n & 0xFFFF, n * 160, SSRC, payloads[n])
            found += "".join(key for _, key in read([reader]))
        return found

    def test_late_and_repeated_packets_are_left_out(self) -> None:
        """No key is told twice."""
        payloads = packets(np.concatenate([dialled("12", 100, 100), rest(40)]))
        order = [m for n in range(len(payloads)) for m in (n, max(0, n - 1))]
        assert self.feed(order, payloads) == "12"

    def test_lost_packets_do_not_make_two(self) -> None:
        """A key with one or two packets missing is still one."""
        payloads = packets(np.concatenate([dialled("9", 300), rest(40)]))
        for lost in ([6], [6, 7], [6, 10]):
            assert self.feed([n for n in range(len(payloads)) if n not in lost], payloads) == "9"

    def test_a_sender_that_is_silent_between_keys(self) -> None:
        """Its timestamps go on and its numbers do not: a pause."""
        reader = ToneReader("PCMA")
        found = ""
        for press in range(3):
            for n, payload in enumerate(packets(tone("4", 100))):
                reader.feed(press * 5 + n, press * 4000 + n * 160, SSRC, payload)
                found += "".join(key for _, key in read([reader]))
        assert found == "444"

    @pytest.mark.parametrize(("seq", "ssrc"), [(200, 8), (64000, 8), (9000, 8), (39800, SSRC), (200, SSRC)])
    def test_a_sender_that_begins_anew_is_heard(self, seq: int, ssrc: int) -> None:
        """Behind the same address another source speaks, or the same was restarted: its numbers may be any."""
        reader = ToneReader("PCMA")
        found = ""
        # Lead and rest make 13 packets a key: the number of the first source is 40012 in the end.
        for key, begins, source in (("4", 40000, SSRC), ("7", seq, ssrc)):
            for n, payload in enumerate(packets(np.concatenate([rest(60), tone(key, 100), rest(100)]))):
                reader.feed(begins + n & 0xFFFF, n * 160, source, payload)
                found += "".join(key for _, key in read([reader]))
        assert found == "47"

    def test_a_stray_packet_ends_nothing(self) -> None:
        """One of far behind, of the same source, is no restart."""
        payloads = packets(np.concatenate([dialled("9", 300), rest(40)]))
        reader = ToneReader("PCMA")
        found = ""
        for n, payload in enumerate(payloads):
            if n in (6, 8):
                reader.feed(30000 + 2 * n, n * 160, SSRC, payloads[0])
            reader.feed(60000 + n, n * 160, SSRC, payload)
            found += "".join(key for _, key in read([reader]))
        assert found == "9"

    def test_many_streams_at_once(self) -> None:
        """Each has its own keys, in both laws."""
        streams = [(codec, key) for codec in ("PCMA", "PCMU") for key in ALL]
        readers = [ToneReader(codec) for codec, _ in streams]
        payloads = [packets(dialled(key + key, 60, 60), codec) for codec, key in streams]  # type: ignore[arg-type]
        found: dict[ToneReader, str] = dict.fromkeys(readers, "")
        for n in range(len(payloads[0])):
            for reader, of in zip(readers, payloads, strict=True):
                reader.feed(n, n * 160, SSRC, of[n])
            for reader, key in read(readers):
                found[reader] += key
        assert list(found.values()) == [key + key for _, key in streams]

    def test_a_held_key_sounds_to_its_end(self) -> None:
        """So that a recording stays silent as long."""
        reader = ToneReader("PCMA")
        sounding = []
        for n, payload in enumerate(packets(np.concatenate([rest(20), tone("3", 200), rest(60)]))):
            reader.feed(n, n * 160, SSRC, payload)
            read([reader])
            sounding.append(reader.sounding)
        assert sounding == [False, *[True] * 10, sounding[11], False, False]

    def test_it_is_told_in_time(self) -> None:
        """No later than DELAY after it began."""
        for lead in range(40, 60):
            reader = ToneReader("PCMA")
            for n, payload in enumerate(packets(dialled("6", 100, lead=lead))):
                reader.feed(n, n * 160, SSRC, payload)
                if read([reader]):
                    assert 0.0 < (n + 1) * 0.02 - lead / 1000 <= DELAY
                    break
            else:
                raise AssertionError("not recognised")
