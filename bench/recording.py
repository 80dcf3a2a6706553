"""Recording load: as the relay, to a number that is recorded in stereo, and each recording is read afterwards.

The packets of the relay's load carry their numbers, and A-law can be told from its linear values without doubt: so
each recording says which packets of either side it holds.
"""

from __future__ import annotations

import json
import struct
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import yaml
from numpy.typing import NDArray

from bench import relay
from bench.errors import BenchError
from bench.load import Calls, Load, Result
from bench.rtp import ALAW, RATE

WITHIN: Final = 0.5
"""Seconds by which a recording may be longer or shorter than its call."""
WRITTEN_WITHIN: Final = 10.0
"""Seconds until all recordings are complete after the last call's end."""
_HOP: Final = 120
"""Octets from one place where a number was found to where the next is looked for: less than a packet has."""
_CODES: Final = np.zeros(65536, np.uint8)
_CODES[np.array(ALAW) + 32768] = np.arange(256)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recording: whether its sidecar says that it is complete, its gaps, and what it holds."""

    complete: bool
    gaps: int
    seconds: float
    channels: int
    packets: tuple[frozenset[int], ...]
    """The packets of the load that are in it, of the left side and of the right."""


def recordings_in(config: Path) -> Path:
    """Where a configuration of ours has recordings written; relative to the working directory."""
    try:
        return Path(yaml.safe_load(config.read_text("utf-8"))["recording"]["directory"])
    except OSError as error:
        raise BenchError(f"{config}: {error.strerror}") from error
    except (KeyError, TypeError) as error:
        raise BenchError(f"{config}: no recording.directory") from error


def numbers_in(samples: NDArray[np.int16]) -> frozenset[int]:
    """The packets of the relay's load that are in these samples."""
    codes = _CODES[samples.astype(np.int32) + 32768].tobytes()
    found, at = set(), codes.find(relay.MAGIC, 4)
    while at >= 0:
        found.add(struct.unpack_from("!I", codes, at - 4)[0])
        at = codes.find(relay.MAGIC, at + _HOP)
    return frozenset(found)


def read(file: Path) -> Recorded:
    """Read a recording and the sidecar beside it; raises OSError, EOFError, ValueError, KeyError, wave.Error."""
    about = json.loads(file.with_suffix(".json").read_text("utf-8"))
    with wave.open(str(file)) as sound:
        if (sound.getframerate(), sound.getsampwidth()) != (RATE, 2):
            raise ValueError("not 8 kHz, 16 bit")
        channels, seconds = sound.getnchannels(), sound.getnframes() / RATE
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").reshape(-1, channels)
    packets = tuple(numbers_in(samples[:, side]) for side in range(channels))
    return Recorded(bool(about["complete"]), int(about["gap_count"]), seconds, channels, packets)


def measure(load: Load, calls: Calls, directory: Path | None, number: str = "4005") -> Result:
    """The relay's load to `number`; what it leaves in `directory` is read, judged and deleted."""
    if directory is None:
        result = relay.measure(load, calls, number, name="recording")
        result.notes.append("where the recordings are was not said (--recordings): none was read")
        return result
    earlier = set(files_in(directory))
    try:
        result = relay.measure(load, calls, number, name="recording")
        rounds = 2 if load.target.pids else 1
        files = wait(directory, earlier, rounds * calls.total)
        judge(result, files, rounds * calls.total, calls)
    finally:
        for file in set(files_in(directory)) - earlier:
            file.unlink()
            file.with_suffix(".json").unlink(missing_ok=True)
    return result


def files_in(directory: Path) -> list[Path]:
    """The complete recordings in it; those still being written are NAME.part.wav."""
    return [file for file in directory.rglob("*.wav") if not file.name.endswith(".part.wav")]


def wait(directory: Path, earlier: set[Path], wanted: int) -> list[Path]:
    """The new recordings, once there are as many as wanted, or once it has taken too long."""
    until = time.monotonic() + WRITTEN_WITHIN
    while len(files := sorted(set(files_in(directory)) - earlier)) < wanted and time.monotonic() < until:
        time.sleep(0.1)
    return files


def judge(result: Result, files: list[Path], wanted: int, calls: Calls) -> None:
    """Count recordings that are missing or wrong, and what is missing in them."""
    found: list[Recorded] = []
    for file in files:
        try:
            found.append(read(file))
        except (OSError, EOFError, ValueError, KeyError, wave.Error) as error:
            result.notes.append(f"{file.name} cannot be read: {error or type(error).__name__}")
    lasted, due = calls.hold + 1, frozenset(range(round(calls.hold * 50)))
    good = [one for one in found if one.complete and one.channels == 2 and abs(one.seconds - lasted) <= WITHIN]
    missing = [number for one in good for packets in one.packets for number in due - packets]
    result.figures |= {
        "recordings": len(files),
        "recordings_wrong": wanted - len(good),
        "gaps": sum(one.gaps for one in found),
        "packets_not_recorded": sum(number >= relay.START for number in missing),
    }
    if at_start := sum(number < relay.START for number in missing):
        result.details.append(
            f"{at_start / (2 * len(good)) * 20:.0f} ms of each side were said before its recording began, of its first "
            f"{relay.START * 20} ms"
        )
    if odd := [one for one in found if one not in good]:
        lengths = f"{min(one.seconds for one in odd):.1f} to {max(one.seconds for one in odd):.1f} s"
        result.notes.append(
            f"{len(odd)} recordings are wrong: {sum(not one.complete for one in odd)} incomplete, "
            f"{sum(one.channels != 2 for one in odd)} not stereo, {lengths} of {lasted:g} s"
        )
