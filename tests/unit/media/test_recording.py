"""A recording put together from packets: timeline, gaps, pauses, and the files that it leaves."""

from __future__ import annotations

import json
import wave
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.rtp import share
from media.codecs import encoder
from media.g711 import decode
from media.recorder.protocol import PACKET, Audio, Begin, End, Mark
from media.recorder.recording import HOLD, UNIT, Recording
from media.recorder.sidecar import sidecar_of
from media.recorder.track import MAX_DRIFT, Track
from media.recorder.wav import WavFile, header, part_of, repair, unfinished
from media.rtp.packet import Packet
from media.rtp.rtcp import Block, Report, SenderInfo, build_report
from tests.unit.media.test_codecs import tone

ORIGIN = 500.0
STARTED = 1_700_000_000_250_000
FRAME = 160


def code(n: int) -> int:
    """An A-law code that tells the n-th frame from its neighbours and from silence."""
    return 0x80 | (n * 7 + 1) % 64


def frame(n: int, at: float | None = None, *, ssrc: int = 7, seq: int | None = None, ts: int | None = None) -> bytes:
    """The n-th packet of 20 ms, which arrived when it should or at `at`, as a worker copies it."""
    seq = (65530 + n) & 0xFFFF if seq is None else seq
    ts = (2**32 - 800 + FRAME * n) & 0xFFFFFFFF if ts is None else ts
    packet = bytes(Packet(8, seq, ts, ssrc, bytes([code(n)]) * FRAME))
    return PACKET.pack(ORIGIN + 0.02 * (n + 1) if at is None else at, len(packet)) + packet


def key(n: int, ssrc: int = 7) -> bytes:
    """What a worker copies of a telephone event in the n-th packet's place: its header."""
    packet = bytes(Packet(101, (65530 + n) & 0xFFFF, (2**32 - 800 + FRAME * n) & 0xFFFFFFFF, ssrc, b""))
    return PACKET.pack(ORIGIN + 0.02 * (n + 1), len(packet)) + packet


def begin(path: Path, channels: int = 2, **changes: bool) -> Begin:
    """A Begin for `path`."""
    return Begin(1, "r1", str(path), channels, ORIGIN, STARTED, **changes)


def heard(*frames: bytes, side: int = 0, dropped: bool = False, codec: str = "PCMA") -> Audio:
    """An Audio of these packets."""
    return Audio(1, side, codec, 8, b"".join(frames), dropped)


def samples(path: Path) -> NDArray[np.int16]:
    """A file's samples, one column a channel, read by a foreign reader."""
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getsampwidth()) == (8000, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())


def about(path: Path) -> dict[str, object]:
    """What the sidecar tells."""
    found: dict[str, object] = json.loads(sidecar_of(path).read_text())
    return found


def frames_of(path: Path, side: int = 0) -> list[int | None]:
    """Which frame is where: its number, None for silence; everything else fails."""
    column = samples(path)[:, side]
    values = {int(np.frombuffer(decode("PCMA", bytes([code(n)])), "<i2")[0]): n for n in range(60)}
    found: list[int | None] = []
    for at in range(0, len(column) - FRAME + 1, FRAME):
        (value,) = set(column[at : at + FRAME].tolist())
        found.append(None if value == 0 else values[value])
    return found


class TestTimeline:
    """Where audio goes."""

    def test_two_sides_are_two_channels(self, tmp_path: Path) -> None:
        """Each frame where it was said; the caller left, the other right, both laws."""
        path = tmp_path / "a" / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, range(10))))
        recording.audio(heard(*map(frame, range(5, 15)), side=1, codec="PCMU"))
        done = recording.end(End(1, ORIGIN + 0.3))
        assert (done.seconds, done.octets, done.gaps, done.reason) == (0.3, 15 * FRAME * 4, 0, "")
        assert frames_of(path) == [*range(10), *[None] * 5]
        right = samples(path)[:, 1]
        assert not right[: 5 * FRAME].any()
        expected = b"".join(decode("PCMU", bytes([code(n)]) * FRAME) for n in range(5, 15))
        assert right[5 * FRAME :].tobytes() == expected
        assert about(path) == {
            "recording": "r1",
            "started": "2023-11-14T22:13:20.250000+00:00",
            "seconds": 0.3,
            "complete": True,
            "gap_count": 0,
            "gaps": [],
            "silent": [],
        }
        assert not part_of(path).exists()
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    def test_late_packets_find_their_places(self, tmp_path: Path) -> None:
        """Within a batch and from one to the next; what came twice is there once, and nothing is a gap."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*(frame(n, ORIGIN + 0.2) for n in (0, 1, 3, 2, 2, 4))))
        recording.audio(heard(*(frame(n, ORIGIN + 0.2) for n in (7, 8, 8))))
        recording.audio(heard(*(frame(n, ORIGIN + 0.2) for n in (6, 5, 9))))
        done = recording.end(End(1, ORIGIN + 0.36))
        assert done.gaps == 0
        assert [n for n in frames_of(path) if n is not None] == list(range(10))

    def test_lost_packets_leave_silence_and_a_mark(self, tmp_path: Path) -> None:
        """As long as they would have been; the sidecar says where."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, [0, 1, 2, 5, 6])))
        recording.audio(heard(*map(frame, [7, 9])))
        assert recording.end(End(1, ORIGIN + 0.2)).gaps == 2
        assert frames_of(path) == [0, 1, 2, None, None, 5, 6, 7, None, 9]
        assert about(path)["gaps"] == [
            {"side": "left", "at": 0.06, "seconds": 0.04, "why": "lost"},
            {"side": "left", "at": 0.16, "seconds": 0.02, "why": "lost"},
        ]

    def test_what_the_worker_had_to_drop_is_marked(self, tmp_path: Path) -> None:
        """A recorder that was too slow is told apart from the network."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, range(3))))
        recording.audio(heard(*map(frame, range(6, 9)), dropped=True))
        recording.audio(heard(*map(frame, range(9, 12))))
        assert recording.end(End(1, ORIGIN + 0.24)).gaps == 1
        assert about(path)["gaps"] == [{"side": "left", "at": 0.06, "seconds": 0.06, "why": "dropped"}]
        assert frames_of(path) == [0, 1, 2, None, None, None, *range(6, 12)]

    def test_what_was_dropped_at_the_beginning_is_marked(self, tmp_path: Path) -> None:
        """A recorder that came late has missed it."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, range(4, 7)), dropped=True))
        assert recording.end(End(1, ORIGIN + 0.14)).gaps == 1
        assert about(path)["gaps"] == [{"side": "left", "at": 0.0, "seconds": 0.08, "why": "dropped"}]

    def test_keys_and_pauses_are_silence_without_a_mark(self, tmp_path: Path) -> None:
        """Telephone events stand where no audio was; a peer that says nothing sends nothing."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        quiet = frame(9, seq=(65530 + 6) & 0xFFFF)
        recording.audio(heard(frame(0), frame(1), key(2), key(3), key(4), frame(5), quiet))
        assert recording.end(End(1, ORIGIN + 0.2)).gaps == 0
        assert frames_of(path) == [0, 1, None, None, None, 5, None, None, None, 9]

    def test_keys_of_another_source_move_nothing(self, tmp_path: Path) -> None:
        """Some phones send their keys under an SSRC of their own."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, range(3)), key(700, ssrc=9), frame(3)))
        recording.audio(heard(key(701, ssrc=9)))
        recording.audio(heard(frame(4)))
        assert recording.end(End(1, ORIGIN + 0.1)).gaps == 0
        assert frames_of(path) == [0, 1, 2, 3, 4]

    def test_another_source_begins_where_it_arrives(self, tmp_path: Path) -> None:
        """Whatever its timestamps are."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(frame(0), frame(1), *(frame(n, ssrc=8, ts=123456 + FRAME * n) for n in (4, 5))))
        assert recording.end(End(1, ORIGIN + 0.12)).gaps == 0
        assert frames_of(path) == [0, 1, None, None, 4, 5]

    def test_a_clock_that_stood_still_is_put_right(self, tmp_path: Path) -> None:
        """A phone whose timestamps do not go on while it is muted stays in step with the other side."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        late = MAX_DRIFT / 8000 + 0.02
        recording.audio(heard(frame(0), frame(1)))
        recording.audio(heard(*(frame(n, ORIGIN + 0.02 * (n + 1) + late) for n in (2, 3))))
        recording.end(End(1, ORIGIN + late + 0.08))
        assert frames_of(path) == [0, 1, *[None] * round(late * 50), 2, 3]

    def test_delays_of_the_network_move_nothing(self, tmp_path: Path) -> None:
        """Packets held up and delivered at once are where their timestamps say."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, range(3)), *(frame(n, ORIGIN + 0.82) for n in range(3, 40))))
        recording.audio(heard(*map(frame, range(40, 44))))
        recording.end(End(1, ORIGIN + 0.88))
        assert frames_of(path) == [*range(44)]

    def test_a_leap_of_timestamps_is_no_gap(self, tmp_path: Path) -> None:
        """A sender that starts its clock anew goes on where it is."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(frame(0), frame(1), *(frame(n, ts=770_000 + FRAME * n) for n in range(2, 5))))
        recording.audio(heard(*(frame(n, ts=770_000 + FRAME * n) for n in range(5, 8))))
        assert recording.end(End(1, ORIGIN + 0.16)).gaps == 0
        assert frames_of(path) == [*range(8)]

    def test_a_long_call_keeps_little_in_memory(self, tmp_path: Path) -> None:
        """What is settled is in the file, which is playable all the time; the end is exact."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        for start in range(0, 50 * 60, 25):
            recording.audio(heard(*(_numbered(n) for n in range(start, start + 25))))
            if start > 250:
                part = samples(part_of(path))
                assert start * FRAME - HOLD - UNIT - FRAME * 25 <= len(part) <= start * FRAME
        assert recording.end(End(1, ORIGIN + 60.0)).octets == 60 * 32000
        assert frames_of(path) == [n % 50 for n in range(3000)]

    def test_a_silent_hour_takes_no_room(self, tmp_path: Path) -> None:
        """Nothing is written where nothing was said."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(frame(0)))
        recording.audio(heard(_numbered(180_000)))
        done = recording.end(End(1, ORIGIN + 7200))
        assert (done.seconds, done.octets) == (7200.0, 7200 * 32000)
        assert path.stat().st_blocks * 512 < 200_000
        with wave.open(str(path)) as file:
            assert file.getnframes() == 7200 * 8000

    def test_a_message_is_mono(self, tmp_path: Path) -> None:
        """What the caller says, cut where it ended."""
        path = tmp_path / "m.wav"
        recording = Recording(begin(path, channels=1))
        recording.audio(heard(*map(frame, range(10))))
        recording.audio(heard(*map(frame, range(10)), side=1))
        assert recording.end(End(1, ORIGIN + 0.1)).octets == 5 * FRAME * 2
        assert samples(path).shape == (800, 1)
        assert frames_of(path) == [0, 1, 2, 3, 4]

    def test_of_a_message_without_words_nothing_stays(self, tmp_path: Path) -> None:
        """An end before the beginning takes the file back."""
        recording = Recording(begin(tmp_path / "m.wav", channels=1))
        recording.audio(heard(*map(frame, range(200))))
        recording.mark(Mark(1, ORIGIN + 1, ""))
        assert recording.end(End(1, ORIGIN - 1)).octets == 0
        assert list(tmp_path.iterdir()) == []

    def test_a_codec_without_samples_is_silence(self, tmp_path: Path) -> None:
        """What is only relayed cannot be written down; the file is as long as the call."""
        recording = Recording(begin(tmp_path / "a.wav"))
        recording.audio(heard(*map(frame, range(5)), codec="G729"))
        assert recording.end(End(1, ORIGIN + 0.1)).seconds == 0.1
        assert not samples(tmp_path / "a.wav").any()

    def test_rubbish_is_passed_over(self, tmp_path: Path) -> None:
        """Cut packets, no RTP, other payload types."""
        path = tmp_path / "a.wav"
        recording = Recording(begin(path))
        rubbish = PACKET.pack(ORIGIN, 5) + b"\x80\x08\x00\x01\x02"
        recording.audio(heard(frame(0), rubbish, frame(1)))
        recording.audio(heard(frame(2)[:-30]))
        recording.audio(heard(PACKET.pack(ORIGIN, 200)))
        recording.audio(heard(b"\x00"))
        recording.audio(Audio(1, 7, "PCMA", 8, frame(3)))
        recording.end(End(1, ORIGIN + 0.04))
        assert frames_of(path) == [0, 1]


def _numbered(n: int) -> bytes:
    """A packet of a long call: the frames repeat, the numbers do not."""
    packet = bytes(Packet(8, n & 0xFFFF, FRAME * n, 7, bytes([code(n % 50)]) * FRAME))
    return PACKET.pack(ORIGIN + 0.02 * (n + 1), len(packet)) + packet


class TestSilence:
    """Pauses and secrets."""

    def test_a_marked_span_is_silent_and_told(self, tmp_path: Path) -> None:
        """Time goes on; that nothing came meanwhile is no gap."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, range(3))))
        recording.mark(Mark(1, ORIGIN + 0.06, "codec"))
        recording.mark(Mark(1, ORIGIN + 0.12, "paused"))
        recording.mark(Mark(1, ORIGIN + 0.16, ""))
        recording.audio(heard(*map(frame, range(8, 10))))
        recording.mark(Mark(1, ORIGIN + 0.2, "paused"))
        assert recording.end(End(1, ORIGIN + 0.3)).gaps == 0
        assert frames_of(path) == [0, 1, 2, *[None] * 5, 8, 9, *[None] * 5]
        assert about(path)["silent"] == [
            {"at": 0.06, "seconds": 0.06, "why": "codec"},
            {"at": 0.12, "seconds": 0.04, "why": "paused"},
            {"at": 0.2, "seconds": 0.1, "why": "paused"},
        ]

    def test_nothing_of_a_key_is_left_beside_what_is_concealed(self, tmp_path: Path) -> None:
        """A secret may be begun, or one key too many pressed, in the moment before and after."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        for side in (0, 1):
            recording.audio(heard(*map(frame, range(5)), side=side))
        recording.mark(Mark(1, ORIGIN + 0.1, "concealed"))
        recording.mark(Mark(1, ORIGIN + 0.2, ""))
        for side in (0, 1):
            recording.audio(heard(frame(10), side=side))
            recording.audio(heard(*map(frame, range(11, 15)), side=side))
        recording.end(End(1, ORIGIN + 0.3))
        assert frames_of(path) == [0, 1, *[None] * 11, 13, 14]
        assert frames_of(path, 1) == [0, 1, 2, 3, 4, *[None] * 5, 10, 11, 12, 13, 14]


class TestFiles:
    """What is on the disk when something goes wrong."""

    def test_a_lost_connection_keeps_what_there_is(self, tmp_path: Path) -> None:
        """The file gets its name; the sidecar says that it is not complete."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*map(frame, range(7))))
        assert recording.break_off().seconds == 0.14
        assert frames_of(path) == [*range(7)]
        assert about(path)["complete"] is False

    def test_a_killed_recorder_leaves_a_playable_part(self, tmp_path: Path) -> None:
        """And the next one gives it its name."""
        path = tmp_path / "calls" / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*(_numbered(n) for n in range(200))))
        del recording
        (part,) = unfinished(tmp_path)
        playable = len(samples(part))
        assert playable >= 200 * FRAME - HOLD - UNIT
        with part.open("ab") as file:
            file.write(b"\x01\x02\x03")
        assert repair(part) == path
        assert len(samples(path)) == playable
        assert list(unfinished(tmp_path)) == []

    @pytest.mark.parametrize("content", [b"", header(2, 0), b"RIFF", b"x" * 100])
    def test_a_part_without_audio_is_removed(self, tmp_path: Path, content: bytes) -> None:
        """Nothing was recorded."""
        part = tmp_path / "a.part.wav"
        part.write_bytes(content)
        repair(part)
        assert list(tmp_path.iterdir()) == []

    def test_repair_overwrites_nothing(self, tmp_path: Path) -> None:
        """A name that is taken stays with its owner."""
        (tmp_path / "a.wav").write_bytes(b"mine")
        part = tmp_path / "a.part.wav"
        part.write_bytes(header(2, 0) + bytes(8))
        with pytest.raises(FileExistsError):
            repair(part)
        assert (tmp_path / "a.wav").read_bytes() == b"mine"

    @pytest.mark.parametrize("repaired", [True, False])
    def test_a_recording_goes_on_after_a_restart(self, tmp_path: Path, repaired: bool) -> None:
        """In the same file, on the same timeline, with the time between marked."""
        path = tmp_path / "call.wav"
        first = Recording(begin(path))
        first.audio(heard(*(_numbered(n) for n in [*range(20), *range(21, 200)])))
        first.mark(Mark(1, ORIGIN + 4.0, "paused"))
        first.mark(Mark(1, ORIGIN + 4.2, ""))
        first.audio(heard(*(_numbered(n) for n in range(210, 400))))
        del first
        (part,) = unfinished(tmp_path)
        there = len(samples(part))
        if repaired:
            repair(part)
        second = Recording(begin(path, resume=True))
        second.audio(heard(*(_numbered(n) for n in range(500, 520)), dropped=True))
        done = second.end(End(1, ORIGIN + 10.4))
        assert done.seconds == 10.4
        found = frames_of(path)
        assert found[:20] == [*range(20)]
        assert found[20] is None
        assert found[500:] == [n % 50 for n in range(500, 520)]
        assert not any(found[-(-there // FRAME) : 500])
        gaps = about(path)["gaps"]
        assert isinstance(gaps, list)
        assert [gap["why"] for gap in gaps] == ["lost", "recorder"]
        assert done.gaps == 2
        assert gaps[1]["at"] == pytest.approx(there / 8000)
        assert about(path)["silent"] == [{"at": 4.0, "seconds": 0.2, "why": "paused"}]

    def test_a_name_that_is_taken_is_refused(self, tmp_path: Path) -> None:
        """No recording is written over another."""
        path = tmp_path / "call.wav"
        Recording(begin(path)).end(End(1, ORIGIN + 1))
        with pytest.raises(FileExistsError, match=r"call\.wav is there already"):
            Recording(begin(path))
        Recording(begin(tmp_path / "b.wav"))
        with pytest.raises(FileExistsError):
            Recording(begin(tmp_path / "b.wav"))

    def test_a_full_disk_keeps_what_was_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The reason is told with what there is."""
        path = tmp_path / "call.wav"
        recording = Recording(begin(path))
        recording.audio(heard(*(_numbered(n) for n in range(200))))
        write = WavFile.write

        def full(self: WavFile, position: int, pcm: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(WavFile, "write", full)
        with pytest.raises(OSError, match="No space"):
            recording.audio(heard(*(_numbered(n) for n in range(200, 400))))
        done = recording.break_off("no space left on device")
        assert done.reason == "no space left on device"
        assert (about(path)["complete"], about(path)["error"]) == (False, "no space left on device")
        assert done.seconds >= 200 / 50 - (HOLD + UNIT) / 8000
        assert len(samples(path)) == round(done.seconds * 8000)
        monkeypatch.setattr(WavFile, "write", write)

    def test_a_sidecar_that_cannot_be_written_costs_no_audio(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """As where no file can be made any more, but those that are open grow: told once, and the audio is whole."""
        path = tmp_path / "call.wav"
        sidecar_of(path).mkdir()
        recording = Recording(begin(path))
        for second in range(8):
            recording.audio(heard(*(_numbered(second * 50 + n) for n in range(50))))
        done = recording.end(End(1, ORIGIN + 8.0))
        assert (done.seconds, done.octets, done.reason) == (8.0, 8 * 8000 * 4, "")
        assert len(samples(path)) == 8 * 8000
        assert capfd.readouterr().err.count("its sidecar cannot be written") == 1


def test_usual_batches_take_the_short_way() -> None:
    """Batches of 20 ms packets in a row are placed as one block each, the first one and odd ones in pieces."""
    track = Track(ORIGIN)
    pieces = [
        len(list(track.place(b"".join(_numbered(n) for n in range(start, start + 25)), 8, False)))
        for start in range(0, 250, 25)
    ]
    assert pieces == [25, *[1] * 9]
    placed = [position for start in (250, 275) for position, _ in track.place(
        b"".join(_numbered(n) for n in range(start, start + 25)), 8, False)]  # fmt: skip
    assert [b - a for a, b in pairwise(placed)] == [25 * FRAME]


class TestCoded:
    """G.722 and Opus are decoded here, so that a call in them costs the worker nothing."""

    @pytest.mark.parametrize("codec", ["G722", "opus"])
    def test_what_was_said_is_written_where_it_belongs(self, tmp_path: Path, codec: str) -> None:
        """A tone from the beginning to the end but for a gap of lost packets, over a wrap of the timestamps."""
        clock = 48000 if codec == "opus" else 8000
        coder = encoder(codec)
        packets = []
        for n, samples_of in enumerate(tone(900, 150)):
            ts = (2**32 - 40 * clock // 50 + n * clock // 50) & 0xFFFFFFFF
            packet = bytes(Packet(96, (65530 + n) & 0xFFFF, ts, 7, coder.encode(samples_of)))
            if not 70 <= n < 80:
                packets.append(PACKET.pack(ORIGIN + 0.02 * (n + 1), len(packet)) + packet)
        path = tmp_path / "coded.wav"
        recording = Recording(begin(path))
        recording.audio(Audio(1, 0, codec, 96, b"".join(packets[:60]), False))
        recording.audio(Audio(1, 0, codec, 96, b"".join(packets[60:]), False))
        done = recording.end(End(1, ORIGIN + 3.0))
        assert (done.seconds, done.gaps) == (3.0, 1)
        left = samples(path)[:, 0].tolist()
        assert share(left[800:11000], 900) > 0.9
        assert share(left[13600:23000], 900) > 0.9
        assert left[11300:12700] == [0] * 1400

    def test_what_holds_no_audio_is_no_gap(self, tmp_path: Path) -> None:
        """Keys, and what was said while muted: only headers come."""
        coder, parts = encoder("opus"), []
        for n, samples_of in enumerate(tone(900, 40)):
            payload = b"" if 10 <= n < 20 else coder.encode(samples_of)
            packet = bytes(Packet(101 if n == 30 else 96, n, 960 * n, 7, b"" if n == 30 else payload))
            parts.append(PACKET.pack(ORIGIN + 0.02 * (n + 1), len(packet)) + packet)
        path = tmp_path / "coded.wav"
        recording = Recording(begin(path))
        recording.audio(Audio(1, 0, "opus", 96, b"".join(parts), False))
        assert recording.end(End(1, ORIGIN + 0.8)).gaps == 0
        assert samples(path)[10 * FRAME : 19 * FRAME, 0].any() == np.False_

    @pytest.mark.parametrize("codec", ["G722", "opus"])
    def test_reports_alone_are_no_audio(self, tmp_path: Path, codec: str) -> None:
        """While a party is on hold only its RTCP may come, on the port of the audio; what follows is recorded."""
        path = tmp_path / "a.wav"
        recording = Recording(begin(path))
        report = build_report(Report(7, SenderInfo(1, 2, 3, 4), (Block(1, 0, 0, 0, 0, 0, 0),)))[:12]
        recording.audio(heard(PACKET.pack(ORIGIN + 0.5, len(report)) + report, codec=codec))
        recording.audio(heard(frame(50)))
        recording.end(End(1, ORIGIN + 1.1))
        assert frames_of(path)[50] == 50
