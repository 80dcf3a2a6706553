"""Recordings read back: length, gaps, and which packets of either side they hold."""

from __future__ import annotations

import json
import struct
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench import recording, relay
from bench.errors import BenchError
from bench.load import Calls, Load, Result
from bench.recording import judge, numbers_in, read, recordings_in, wait
from bench.rtp import ALAW

CALLS = Calls(2, 20, 1.0)
ALL = range(50)


def side(numbers: range | list[int], packets: int = 100) -> np.ndarray:
    """Two seconds of one side with these packets of the load in their places, silent otherwise."""
    samples = np.zeros(packets * 160, "<i2")
    for number in numbers:
        codes = (struct.pack("!I", number) + relay.MAGIC) * 20
        samples[number * 160 : number * 160 + 160] = [ALAW[code] for code in codes]
    return samples


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a recording and its sidecar."""

    def made(name: str, *sides: np.ndarray, complete: bool = True, gaps: int = 0) -> Path:
        file = tmp_path / "2026-01-01" / name
        file.parent.mkdir(exist_ok=True)
        with wave.open(str(file), "wb") as sound:
            sound.setparams((len(sides), 2, 8000, 0, "NONE", ""))
            sound.writeframes(np.stack(sides, axis=1).tobytes())
        file.with_suffix(".json").write_text(json.dumps({"complete": complete, "gap_count": gaps}))
        return file

    return made


def test_each_packet_is_found_by_its_number() -> None:
    """Packets that are there, no others; part of one is enough."""
    assert numbers_in(side(ALL)) == set(ALL)
    assert numbers_in(side([3, 7])) == {3, 7}
    assert numbers_in(side(ALL)[80:]) == set(ALL)
    assert numbers_in(np.zeros(0, np.int16)) == set()


def test_whole_recordings_are_no_fault(write: Write) -> None:
    """Both sides hold every packet for the length of the call; what came before its begin is only told."""
    result = Result("recording")
    judge(result, [write("a.wav", side(ALL), side(ALL)), write("b.wav", side(ALL[1:]), side(ALL))], 2, CALLS)
    assert result.notes == []
    figures = ("recordings", "recordings_wrong", "gaps", "packets_not_recorded")
    assert [result.figures[name] for name in figures] == [2, 0, 0, 0]
    assert result.details == ["5 ms of each side were said before its recording began, of its first 100 ms"]


def test_gaps_and_missing_packets_are_counted_apart(write: Write) -> None:
    """A gap that the recorder tells of, and packets that are missing without a word."""
    result = Result("recording")
    judge(result, [write("a.wav", side([n for n in ALL if n not in (20, 21, 30)]), side(ALL), gaps=1)], 1, CALLS)
    assert (result.figures["gaps"], result.figures["packets_not_recorded"]) == (1, 3)
    assert result.figures["recordings_wrong"] == 0


def test_what_is_missing_cut_mono_or_unfinished_is_wrong(write: Write, tmp_path: Path) -> None:
    """Of five recordings four are there, none is right."""
    cut = side(ALL, 60)
    torn = tmp_path / "torn.wav"
    torn.write_bytes(b"RIFF")
    torn.with_suffix(".json").write_text("{}")
    files = [write("cut.wav", cut, cut), write("mono.wav", side(ALL)), torn]
    files.append(write("open.wav", side(ALL), side(ALL), complete=False))
    result = Result("recording")
    judge(result, files, 5, CALLS)
    assert result.figures["recordings_wrong"] == 5
    assert result.notes[0].startswith("torn.wav cannot be read")
    assert result.notes[1] == "3 recordings are wrong: 1 incomplete, 1 not stereo, 1.2 to 2.0 s of 2 s"


def test_sides_are_not_mixed(write: Write) -> None:
    """What one side said is not taken for the other's."""
    one = read(write("a.wav", side([1]), side([2])))
    assert one.packets == ({1}, {2})


def test_new_recordings_are_those_that_were_not_there(write: Write) -> None:
    """Earlier ones and those still being written are passed over."""
    old, new, open_ = (write(name, side([1])) for name in ("old.wav", "new.wav", "open.part.wav"))
    assert wait(old.parent.parent, {old}, 1) == [new]
    assert open_.exists()


def test_what_was_made_is_deleted_and_nothing_else(
    write: Write, tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run leaves the directory as it was."""
    old = write("old.wav", side(ALL), side(ALL))

    def run(load: Load, calls: Calls, number: str, name: str) -> Result:
        write("new.wav", side(ALL), side(ALL))
        return Result(name, {"lost": 0})

    monkeypatch.setattr(relay, "measure", run)
    result = recording.measure(load, Calls(1, 20, 1.0), tmp_path)
    assert (result.figures["recordings"], result.figures["recordings_wrong"]) == (1, 0)
    assert sorted(tmp_path.rglob("*.*")) == [old.with_suffix(".json"), old]
    assert recording.measure(load, Calls(1, 20, 1.0), None).notes != []


def test_where_recordings_are_is_read_from_the_configuration(tmp_path: Path) -> None:
    """The shipped one says it; one that does not is named."""
    assert recordings_in(Path("config/bench.yaml")) == Path("var/bench/recordings")
    (tmp_path / "bare.yaml").write_text("sip: {}\n")
    with pytest.raises(BenchError, match=r"no recording\.directory"):
        recordings_in(tmp_path / "bare.yaml")
    with pytest.raises(BenchError, match="No such file"):
        recordings_in(tmp_path / "none.yaml")
