"""One recording: its tracks are put together in a window of memory, what is settled goes to the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from media.codecs import CODED, KNOWN
from media.g711 import decode
from media.recorder.coded import CodedTrack
from media.recorder.files import Files
from media.recorder.key_tones import KeyTones
from media.recorder.protocol import LEFT, Audio, Begin, Done, End, KeysForUs, Mark
from media.recorder.sidecar import sidecar_of, write_sidecar
from media.recorder.track import RATE, Gap, Track
from media.worker.log import complain

HOLD: Final = 16_000
"""Samples (2 s) that wait for late packets and for the other side's."""
UNIT: Final = RATE
"""Samples that are written at a time."""
PLAIN: Final = Files()
_WINDOW: Final = HOLD + 2 * UNIT
"""Samples in memory: a ring, in which a position has the same place whenever it comes."""
CONCEALED: Final = "concealed"
"""Why nothing is told while secrets are keyed."""
EDGE: Final = RATE * 60 // 1000
"""Samples beside that in which too little of a key may sound to be known for one."""
MAX_SPANS: Final = 1000

_SIDES: Final = ("left", "right")
_VALUES: Final[dict[str, NDArray[np.int16]]] = {
    "PCMA": np.frombuffer(decode("PCMA", bytes(range(256))), "<i2"),
    "PCMU": np.frombuffer(decode("PCMU", bytes(range(256))), "<i2"),
}


class Span(Struct):
    """Samples that are silent on purpose."""

    start: int
    end: int | None
    why: str


class Recording:
    """From Begin to its end; a fault of the file raises OSError."""

    def __init__(self, begin: Begin, files: Files = PLAIN) -> None:
        self.key = begin.key
        self.path = Path(begin.path)
        self.discarded = False
        self.error = ""
        """Why it ends before its call."""
        self._begin = begin
        self._spans: list[Span] = []
        self._keys = KeyTones()
        self._taken_out: list[Span] = []
        self._edge = 0  # samples of what the left side says next that are left out
        self._earlier: dict[str, list[dict[str, object]]] = {"gaps": [], "silent": []}
        self._window = np.zeros((_WINDOW, begin.channels), np.int16)
        self._file = files.open(self.path, begin.channels, resume=begin.resume)
        # Window and file: everything before `_base` is in the file, nothing is behind `_filled`.
        self._base = self._filled = self._file.samples
        missing = "recorder" if begin.resume else ""
        self._tracks = [Track(begin.origin, self._base, missing) for _ in range(begin.channels)]
        self._coded: dict[int, CodedTrack] = {}
        self._told: tuple[object, ...] = ()
        self._untold = False
        if begin.resume:
            self._remember()

    # --- what the worker tells ---

    def audio(self, message: Audio) -> None:
        """Puts packets into their places."""
        if not 0 <= message.side < len(self._tracks) or message.codec not in KNOWN:
            return
        track, packets = self._tracks[message.side], message.packets
        if message.codec in CODED:
            packets = self._coded_of(message.side, message.codec).as_alaw(packets, message.payload_type)
        values = _VALUES.get(message.codec, _VALUES["PCMA"])
        for position, codes in track.place(packets, message.payload_type, message.dropped):
            pcm = values.take(codes, mode="wrap")  # no octet is out of range, which "raise" would ask of each
            if self._edge and message.side == LEFT:
                pcm[: self._edge] = 0
                self._edge = max(0, self._edge - len(pcm))
            self._put(message.side, position, pcm)
        if self._filled - self._base >= HOLD + UNIT:
            self._settle(self._filled - HOLD)

    def _coded_of(self, side: int, codec: str) -> CodedTrack:
        coded = self._coded.get(side)
        if coded is None or coded.codec != codec:
            coded = self._coded[side] = CodedTrack(codec)
        return coded

    def mark(self, message: Mark) -> None:
        """Notes where silence is meant, and where it ends."""
        at = max(0, self._position(message.at))
        if self._spans and self._spans[-1].end is None:
            self._spans[-1].end = at
            self._edge = EDGE if self._spans[-1].why == CONCEALED else 0
        if message.why == CONCEALED:
            end = self._tracks[LEFT].end
            self._silence(max(self._base, end - EDGE), end)
        if message.why and len(self._spans) < MAX_SPANS:
            self._spans.append(Span(at, None, message.why))
        for track in self._tracks:
            track.skip()

    def keys_for_us(self, message: KeysForUs) -> None:
        """Notes from when on tones of keys are left out, and from when on not."""
        self._keys.pressed_for_us(self._position(message.at), message.on)

    def end(self, message: End) -> Done:
        """Completes the file."""
        length = self._position(message.at)
        if length < 0:
            self._file.discard()
            self.discarded = True
            sidecar_of(self.path).unlink(missing_ok=True)
            return Done(self.key, 0.0, 0, 0)
        return self._finish(length, complete=True)

    def break_off(self, reason: str = "") -> Done:
        """Completes the file with what there is: its worker is gone, or it cannot be written any more."""
        return self._finish(self._filled, complete=False, reason=reason)

    # --- timeline ---

    def _position(self, at: float) -> int:
        return round((at - self._begin.origin) * RATE)

    def _put(self, side: int, position: int, samples: NDArray[np.int16]) -> None:
        while len(samples):
            if position < self._base:
                samples = samples[self._base - position :]
                position = self._base
                continue
            piece = samples[:UNIT]
            end = position + len(piece)
            if end > self._base + _WINDOW:
                self._settle(end - HOLD)
            first = position % _WINDOW
            before = _WINDOW - first
            if len(piece) <= before:
                self._window[first : first + len(piece), side] = piece
            else:
                self._window[first:, side] = piece[:before]
                self._window[: len(piece) - before, side] = piece[before:]
            self._filled = max(self._filled, end)
            samples = samples[UNIT:]
            position = end

    def _settle(self, upto: int) -> None:
        """Writes what lies before `upto`, where nothing more is to come, in whole units: they do not wrap."""
        upto -= upto % UNIT
        end = min(upto, self._filled)
        self._write(end)
        for place in _places(self._base, end):
            self._window[place] = 0
        self._base = upto
        self._note()

    def _write(self, end: int) -> None:
        """Writes the samples before `end`, without the keys among them."""
        if end > self._base and self._keys.heeded(self._base):
            self._take_out(end)
        position = self._base
        for place in _places(position, end):
            self._file.write(position, self._window[place].data.cast("B"))
            position += place.stop - place.start

    def _take_out(self, end: int) -> None:
        """Silences the keys before `end`."""
        heard = np.concatenate([self._window[place, LEFT] for place in _places(self._base, self._filled)])
        for first, last in self._keys.take_out(self._base, heard, end - self._base):
            self._silence(first, last)
            if self._taken_out and first <= (self._taken_out[-1].end or 0):
                self._taken_out[-1].end = last
            elif len(self._taken_out) < MAX_SPANS:
                self._taken_out.append(Span(first, last, "keys"))

    def _silence(self, start: int, end: int) -> None:
        """Of the left side."""
        for place in _places(start, end):
            self._window[place, LEFT] = 0

    def _finish(self, length: int, *, complete: bool, reason: str = "") -> Done:
        if self._spans and self._spans[-1].end is None:
            self._spans[-1].end = length
        try:
            self._write(min(length, self._filled))
        except OSError as error:
            reason = reason or describe(error)
            length = self._file.samples
        self._file.finish(length)
        if self._file.samples < length:
            length = self._file.samples
            reason = reason or "could not be written to its end"
        self.error = reason
        self._note(complete and not reason)
        return Done(self.key, length / RATE, self._file.octets, self._gap_count(), reason)

    # --- the sidecar ---

    def _gap_count(self) -> int:
        return len(self._earlier["gaps"]) + sum(track.gap_count for track in self._tracks)

    def _remember(self) -> None:
        """Takes over what an earlier connection noted."""
        try:
            found = json.loads(sidecar_of(self.path).read_text())
            for name, entries in self._earlier.items():
                entries += [entry for entry in found[name] if isinstance(entry, dict)]
        except (OSError, ValueError, LookupError, TypeError):
            pass

    def _note(self, complete: bool = False) -> None:
        """Writes the sidecar if there is anything new in it, so that it outlives this process."""
        spans = sorted(self._spans + self._taken_out, key=lambda span: span.start)
        news = (self._gap_count(), len(spans), spans[-1].end if spans else None, complete, self.error)
        if news == self._told:
            return
        self._told = news
        gaps = [
            {"side": side, **_times(gap)}
            for side, track in zip(_SIDES, self._tracks, strict=False)
            for gap in track.gaps
        ]
        silent = [_times(span) for span in spans]
        told = {"gaps": self._earlier["gaps"] + gaps, "silent": self._earlier["silent"] + silent}
        seconds, micros = divmod(self._begin.started_us, 1_000_000)
        started = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
        about = {
            "recording": self._begin.recording_id,
            "started": started.isoformat(),
            "seconds": self._file.samples / RATE,
            "complete": complete,
            "gap_count": self._gap_count(),
            **told,
        }
        if self.error:
            about["error"] = self.error
        try:
            write_sidecar(sidecar_of(self.path), about)
        except OSError as error:
            # The audio goes on; what is told of it is written at the next occasion, at last with its checksum.
            self._told = ()
            if not self._untold:
                self._untold = True
                complain(f"recorder: {self.path.name}: its sidecar cannot be written: {describe(error)}")


def describe(error: OSError) -> str:
    """What happened, without the path."""
    return (error.strerror or str(error)).lower()


def _places(start: int, end: int) -> Iterator[slice]:
    """Where positions lie in the window, in order."""
    while start < end:
        first = start % _WINDOW
        last = min(first + end - start, _WINDOW)
        yield slice(first, last)
        start += last - first


def _times(one: Gap | Span) -> dict[str, object]:
    end = one.start if one.end is None else one.end
    return {"at": one.start / RATE, "seconds": (end - one.start) / RATE, "why": one.why}
