"""Keys as tones in G.711 audio (ITU-T Q.23), recognised within the bounds of ITU-T Q.24.

The eight frequencies are measured as by Goertzel filters, for all streams at once as one product of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from media.g711 import SILENCE, CodecName, decode
from media.rtp.stats import MAX_MISORDER

KEYS: Final = ("123A", "456B", "789C", "*0#D")
ROWS: Final = (697, 770, 852, 941)
COLUMNS: Final = (1209, 1336, 1477, 1633)

RATE: Final = 8000
HOP: Final = 80
"""Samples from one look to the next: 10 ms."""
WINDOW: Final = 160
"""Samples of a look: 20 ms tell the frequencies apart, and 40 ms of a tone hold two looks whatever their phase."""
NEEDED: Final = 2
"""Looks in a row that see the same key before it counts: tones of 23 ms are none (Q.24 §3.3)."""
ENDED: Final = 2
"""Looks in a row without it that end a key: a dropout of 10 ms does not, a pause of 40 ms does (Q.24 §3.3)."""
DELAY: Final = ((NEEDED - 1) * HOP + WINDOW + 2 * HOP) / RATE
"""Seconds that may have passed, at most, from the beginning of a tone to its recognition in a packet of 20 ms."""

_FAINTEST: Final = 500.0**2
"""The square of the lowest amplitude of one tone: -33 dBm0."""
_TWIST: Final = 10 ** (6 / 10)
"""By how much the column may be stronger than the row (Q.24: 4 dB) ..."""
_REVERSE_TWIST: Final = 10 ** (-10 / 10)
"""... and weaker (Q.24: 8 dB)."""
_OTHERS: Final = 10 ** (8 / 10)
"""By how much a tone is stronger than the others of its group."""
_PURITY: Final = 0.82
"""The part of all energy that the two tones must have; a voice has more beside them."""
_STAYS: Final = 1 / 16
"""The part of its greatest energy that a key keeps until it ends."""
_MAX_LOSS: Final = 3
"""Lost packets that are passed over; after more, the stream begins anew."""

# Each frequency is looked for where it should be and 1.1 % beside, since 1.5 % are allowed and 3.5 % are not.
_DETUNED: Final = (1.0, 0.989, 1.011)


def _basis() -> NDArray[np.float32]:
    """Columns: cosine and sine of each of the 24 frequencies, scaled to amplitudes."""
    frequencies = np.array([tone * detuned for detuned in _DETUNED for tone in (*ROWS, *COLUMNS)])
    angles = 2 * np.pi * np.outer(np.arange(WINDOW), frequencies) / RATE
    return np.hstack([np.cos(angles), np.sin(angles)]).astype(np.float32) * np.float32(2 / WINDOW)


_BASIS: Final = _basis()
_BINS: Final = len(_DETUNED) * 8
_CODECS: Final[tuple[CodecName, ...]] = ("PCMA", "PCMU")
_VALUES: Final[dict[str, NDArray[np.float32]]] = {
    codec: np.frombuffer(decode(codec, bytes(range(256))), "<i2").astype(np.float32)
    for codec in _CODECS
}  # fmt: skip

Look = tuple[bool, int, float]
"""Whether a window holds a key without doubt, which one it is nearest to, and that one's energy."""
Samples = NDArray[np.float32]


class Measured(NamedTuple):
    """Windows as rows: the key each is nearest to, and the powers of what is in it."""

    key: NDArray[np.intp]
    low: Samples
    high: Samples
    """The strongest of the rows' frequencies, and of the columns'."""
    next_low: Samples
    next_high: Samples
    """The second strongest."""
    whole: Samples
    """Everything together."""

    @property
    def energy(self) -> Samples:
        """Of the key's two tones."""
        return (self.low + self.high) * np.float32(0.5)


def measure(samples: Samples) -> Measured:
    """What is in windows of WINDOW samples each."""
    parts = samples @ _BASIS
    powers = parts[:, :_BINS] ** 2 + parts[:, _BINS:] ** 2
    tones = powers.reshape(-1, len(_DETUNED), 8).max(axis=1)
    rows, columns = tones[:, :4], tones[:, 4:]
    key = rows.argmax(axis=1) * 4 + columns.argmax(axis=1)
    ordered_rows, ordered_columns = np.sort(rows, axis=1), np.sort(columns, axis=1)
    whole = np.einsum("ij,ij->i", samples, samples) / WINDOW
    return Measured(key, ordered_rows[:, 3], ordered_columns[:, 3], ordered_rows[:, 2], ordered_columns[:, 2], whole)


def looks(windows: bytes, codec: str) -> list[Look]:
    """What is seen in windows of WINDOW codes each."""
    seen = measure(_VALUES[codec][np.frombuffer(windows, np.uint8).reshape(-1, WINDOW)])
    low, high, energy = seen.low, seen.high, seen.energy
    certain = (
        (np.minimum(low, high) >= _FAINTEST)
        & (high <= low * _TWIST)
        & (high >= low * _REVERSE_TWIST)
        & (low >= seen.next_low * _OTHERS)
        & (high >= seen.next_high * _OTHERS)
        & (energy >= _PURITY * seen.whole)
    )
    return list(zip(certain.tolist(), seen.key.tolist(), energy.tolist(), strict=True))


class ToneReader:
    """The keys that one peer presses."""

    __slots__ = ("_bad_seq", "_best", "_codes", "_count", "_key", "_missed", "_seen", "_seq", "_silence", "_ssrc",
                 "_ts", "codec", "spoken")  # fmt: skip

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.spoken = codec  # the codec in which it is fed
        self._silence = bytes([SILENCE[codec]])
        self._codes = b""
        self._seq = self._ts = self._ssrc = self._bad_seq = -1
        self._key = -1  # the one that sounds
        self._seen = -1  # the one that may begin
        self._count = self._missed = 0
        self._best = 0.0

    @property
    def sounding(self) -> bool:
        """Whether a key is held, or may be."""
        return self._key >= 0 or self._seen >= 0

    def feed(self, seq: int, ts: int, ssrc: int, payload: bytes) -> None:
        """Takes a packet; late ones are left out, another source or one that was restarted begins anew."""
        if self._seq >= 0:
            steps = ((seq - self._seq + 0x8000) & 0xFFFF) - 0x8000
            gap = (ts - self._ts) & 0xFFFFFFFF
            if ssrc != self._ssrc or steps > 1 + _MAX_LOSS or (steps <= -MAX_MISORDER and seq == self._bad_seq):
                self._codes = self._silence * (4 * WINDOW)
            elif steps <= 0:
                # Two in sequence make a restarted sender, a single one is a stray (RFC 3550 A.1).
                self._bad_seq = (seq + 1) & 0xFFFF
                return
            elif steps == 1 and 0 < gap < 1 << 31:
                # Nothing was lost: the sender was silent, as some are between two keys.
                self._codes += self._silence * min(gap, 4 * WINDOW)
        self._ssrc = ssrc
        self._bad_seq = -1
        self._seq = seq
        self._ts = (ts + len(payload)) & 0xFFFFFFFF
        self._codes += payload

    def windows(self) -> list[bytes]:
        """What is to be looked at now; the rest stays for the next time."""
        codes = self._codes
        count = max(0, (len(codes) - WINDOW) // HOP + 1)
        self._codes = codes[count * HOP :]
        return [codes[at : at + WINDOW] for at in range(0, count * HOP, HOP)]

    def see(self, look: Look) -> str | None:
        """The key that is recognised with this look."""
        certain, key, energy = look
        if self._key >= 0:
            if key == self._key and energy >= self._best * _STAYS:
                self._missed = 0
                self._best = max(self._best, energy)
                return None
            self._missed += 1
            if self._missed < ENDED:
                return None
            self._key = self._seen = -1
        if not certain:
            self._seen = -1
            return None
        if key != self._seen:
            self._seen = key
            self._count = 0
        self._count += 1
        if self._count < NEEDED:
            return None
        self._key = key
        self._best = energy
        self._missed = 0
        return KEYS[key // 4][key % 4]


def read(readers: Sequence[ToneReader]) -> list[tuple[ToneReader, str]]:
    """The keys recognised in what was fed to any of `readers`, in their order."""
    found = []
    for codec in _VALUES:
        turns = [(reader, window) for reader in readers if reader.codec == codec for window in reader.windows()]
        if turns:
            seen = looks(b"".join([window for _, window in turns]), codec)
            for (reader, _), look in zip(turns, seen, strict=True):
                key = reader.see(look)
                if key is not None:
                    found.append((reader, key))
    return found
