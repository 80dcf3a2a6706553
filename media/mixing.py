"""What each one in a room hears: sums of the others' samples, for all of a room at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from media.control import Role
from media.g711 import ALAW_TO_ULAW, FRAME, SILENCE, ULAW_TO_ALAW, CodecName, decode, encode

NOBODY: Final = -1

_LAWS: Final[tuple[CodecName, ...]] = ("PCMA", "PCMU")
_OTHER: Final[dict[CodecName, CodecName]] = {"PCMA": "PCMU", "PCMU": "PCMA"}
_TO_OTHER: Final = {"PCMA": ALAW_TO_ULAW, "PCMU": ULAW_TO_ALAW}
_VALUES: Final = np.concatenate(
    [np.frombuffer(decode(law, bytes(range(256))), "<i2").astype(np.int32) for law in _LAWS]
)
"""The samples of all A-law codes, then of all mu-law codes."""
_SAMPLES: Final = np.arange(1 << 16, dtype=np.uint16).astype("<u2").tobytes()
_CODES: Final = np.concatenate([np.frombuffer(encode(law, _SAMPLES), np.uint8) for law in _LAWS])
"""The A-law codes of all samples as unsigned numbers, then the mu-law codes."""


class Part(Struct, frozen=True):
    """One in a room; a coach is heard by the one at the index `coached` alone."""

    codec: CodecName
    role: Role = "party"
    coached: int = NOBODY


class Blend:
    """Mixes frames of 20 ms for the parts it was made for.

    A party hears all other parties and the coaches that coach it, a listener and a coach hear all parties. Sums are
    of 32 bits and saturate. Who hears just all parties shares one row a law with the others that do.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        parties = [n for n, part in enumerate(parts) if part.role == "party"]
        coaches = [n for n, part in enumerate(parts) if part.role == "coach" and 0 <= part.coached < len(parts)]
        self._talkers = [*parties, *coaches]
        self._parties = len(parties)
        own = [*parties, *sorted({parts[n].coached for n in coaches} - set(parties))]
        shared = sorted({parts[n].codec for n in range(len(parts)) if n not in own})
        rows = [parts[n].codec for n in own] + shared
        self._row = [own.index(n) if n in own else len(own) + shared.index(part.codec) for n, part in enumerate(parts)]
        self._coached = [
            (self._parties + nth, own.index(parts[n].coached)) for nth, n in enumerate(coaches)
        ]  # rows of what is said and of who hears it
        self._codecs = [part.codec for part in parts]
        self._heard_by = [[place for place in range(len(parts)) if place != n] for n in parties]
        self._heard_by += [[parts[n].coached] for n in coaches]
        self._silence = [bytes([SILENCE[part.codec]]) * FRAME for part in parts]
        self._quiet = [self._silence[n] for n in self._talkers]
        self._said_laws = _column([parts[n].codec for n in self._talkers], 256)
        self._heard_laws = _column(rows, 1 << 16)

    @property
    def talkers(self) -> Sequence[int]:
        """Those whose frames matter."""
        return self._talkers

    def mix(self, frames: Sequence[bytes | None]) -> list[bytes]:
        """What each part hears while `talkers` say `frames`, in their order; None is silence."""
        # A-law's code of silence is no nought: those of many who are silent would add up.
        said = [frame or silence for frame, silence in zip(frames, self._quiet, strict=True)]
        silent = [n for n, silence in enumerate(self._quiet) if said[n] == silence]
        if len(said) - len(silent) < 2:
            return self._alone(said, silent)
        index = np.frombuffer(b"".join(said), np.uint8).reshape(-1, FRAME) + self._said_laws
        samples = _VALUES[index]
        if silent:
            samples[silent] = 0
        parties = self._parties
        heard = np.empty((len(self._heard_laws), FRAME), np.int32)
        heard[:] = samples[:parties].sum(axis=0, dtype=np.int32)
        heard[:parties] -= samples[:parties]
        for coach, row in self._coached:
            heard[row] += samples[coach]
        np.clip(heard, -32768, 32767, out=heard)
        heard &= 0xFFFF
        heard += self._heard_laws
        codes = _CODES[heard].tobytes()
        return [codes[row * FRAME : row * FRAME + FRAME] for row in self._row]

    def _alone(self, said: Sequence[bytes], silent: Sequence[int]) -> list[bytes]:
        """What is heard while one at most says anything: that, as it was said."""
        heard = self._silence.copy()
        for n in set(range(len(said))).difference(silent):
            law = self._codecs[self._talkers[n]]
            frames = {law: said[n], _OTHER[law]: said[n].translate(_TO_OTHER[law])}
            for place in self._heard_by[n]:
                heard[place] = frames[self._codecs[place]]
        return heard


def _column(codecs: Sequence[CodecName], size: int) -> NDArray[np.int32]:
    return np.array([_LAWS.index(codec) * size for codec in codecs], np.int32).reshape(-1, 1)
