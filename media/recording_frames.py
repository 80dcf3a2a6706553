"""A recording as frames to be played: encoded as they are sent, so that a long one holds nobody up."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, overload

from media import g711

PREFIX: Final = "recording:"
"""How the name of a recording to be played begins; its path below the directory, without .wav, follows."""
RATE: Final = 8000
_HEADER: Final = 44
FRAME_BYTES: Final = 2 * g711.FRAME


class RecordingFrames(Sequence[bytes]):
    """The 20 ms frames of 16-bit samples at 8 kHz in one codec; the last is filled up with silence."""

    __slots__ = ("_codec", "_pcm")

    def __init__(self, pcm: bytes, codec: g711.CodecName) -> None:
        self._pcm = memoryview(pcm)[: len(pcm) & ~1]
        self._codec = codec

    def __len__(self) -> int:
        return -(-len(self._pcm) // FRAME_BYTES)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        codes = g711.encode(self._codec, bytes(self._pcm[index * FRAME_BYTES : (index + 1) * FRAME_BYTES]))
        return codes + bytes([g711.SILENCE[self._codec]]) * (g711.FRAME - len(codes))


def read_recording(path: Path, most_seconds: float, keys: Path | None = None) -> bytes:
    """The samples of a recording, of a sealed one by the keys in a directory.

    Raises OSError, or ValueError when it is no mono file at 8 kHz or holds nothing.
    """
    try:
        with _opened(path, most_seconds, keys) as octets, wave.open(octets, "rb") as file:
            if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
                raise ValueError("is not 8000 Hz, mono, 16 bit")
            pcm = file.readframes(min(file.getnframes(), int(most_seconds * RATE)))
    except (wave.Error, EOFError) as error:
        raise ValueError(f"no PCM wav file ({error or 'it ends early'})") from None
    if len(pcm) < 2:
        raise ValueError("holds no audio")
    return pcm


def _opened(path: Path, most_seconds: float, keys: Path | None) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        if keys is None:
            raise
    # Ciphers take memory, and most workers never meet a sealed file.
    from media.recording_files import AudioReader
    from media.recording_keys import KeyRing

    with AudioReader(path, KeyRing(keys)) as reader:
        return io.BytesIO(reader.read(0, _HEADER + int(most_seconds * RATE) * 2))
