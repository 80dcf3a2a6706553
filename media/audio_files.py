"""Sound files of any usual format and rate as 8 kHz mono 16-bit samples; no part of the RTP loop."""

from __future__ import annotations

import io
import math
import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RATE: Final = 8000

# Quieter than this part of the peak is silence, to be cut at either end; a breath of it is put back.
_SILENCE: Final = 0.025
_BEFORE: Final = 0.05
_AFTER: Final = 0.1

# So much is decoded at once: a file that is longer than it says fills no memory.
_BLOCK_SECONDS: Final = 30


class AudioError(Exception):
    """A file that holds no audio that can be read."""


def read(source: Path | bytes, *, max_seconds: float) -> bytes:
    """Return a wav, flac, ogg or mp3 of any rate and number of channels as little-endian samples at 8 kHz.

    Takes the file's path or its content. Raises AudioError when it is too long, empty or no audio, OSError when
    it cannot be opened.
    """
    # The libraries take a tenth of a second to load: processes that never convert do without them.
    import numpy as np
    import soundfile

    if isinstance(source, Path) and not source.is_file():
        raise FileNotFoundError(2, "No such file", str(source))
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            rate = int(file.samplerate)
            pcm, frames, resampled = bytearray(), 0, _resampler(rate)
            for block in file.blocks(blocksize=_BLOCK_SECONDS * rate, dtype="float32", always_2d=True):
                frames += len(block)
                if frames > max_seconds * rate:
                    raise AudioError(f"longer than {max_seconds:g} s")
                pcm += to_pcm(resampled(block.mean(axis=1, dtype=np.float32), False))
            pcm += to_pcm(resampled(np.zeros(0, np.float32), True))
    except soundfile.LibsndfileError as error:
        raise AudioError(f"cannot be read as audio: {error.error_string.rstrip('.')}") from None
    if not pcm:
        raise AudioError("holds no audio")
    return bytes(pcm)


def _resampler(rate: int) -> Callable[[Floats, bool], Floats]:
    """Return a function from one block of mono samples after another, and whether it is the last, to 8 kHz."""
    if rate == RATE:
        return lambda block, _: block
    import soxr

    stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
    return lambda block, last: stream.resample_chunk(block, last=last)


def to_pcm(samples: Floats) -> bytes:
    """Return samples of -1 to 1 as 16-bit little-endian ones; what is louder is clipped."""
    import numpy as np

    pcm: bytes = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()
    return pcm


def trimmed(pcm: bytes) -> bytes:
    """Return speech without the silence before and after it, but for 50 and 100 ms."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2")
    sizes = np.abs(samples.astype(np.int32))
    loud = np.flatnonzero(sizes > _SILENCE * sizes.max(initial=0))
    if not len(loud):
        return b""
    kept = samples[loud[0] : loud[-1] + 1].tobytes()
    return bytes(2 * round(_BEFORE * RATE)) + kept + bytes(2 * round(_AFTER * RATE))


def levelled(pcm: bytes, decibels: float) -> bytes:
    """Return samples at that root mean square in dBFS, or as near as a peak of -1 dBFS lets them come."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return pcm
    gain = 10 ** (decibels / 20) / math.sqrt(float(np.mean(samples**2)))
    gain = min(gain, 10 ** (-1 / 20) / peak)
    return to_pcm((samples * gain).astype(np.float32))


def decibels(pcm: bytes) -> tuple[float, float]:
    """Return the root mean square and the peak of samples in dBFS; digital silence counts as one step."""
    import numpy as np

    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    square = float(np.mean(samples**2)) if len(samples) else 0.0
    peak = float(np.abs(samples).max(initial=0.0))
    return 20 * math.log10((math.sqrt(square) or 1.0) / 32768), 20 * math.log10((peak or 1.0) / 32768)


def write_wav(path: Path, pcm: bytes) -> None:
    """Write 8 kHz mono 16-bit PCM; the file appears whole or not at all."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, RATE, len(pcm) // 2, "NONE", ""))
        file.writeframes(pcm)
    write(path, content.getvalue())


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file and the directories above it; it appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
