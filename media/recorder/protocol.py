"""What a media worker tells the recorder, and what the recorder answers; framed as `media.control` frames.

Times are of the machine's monotonic clock, which both processes share.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import msgspec

from media.control import ControlError
from media.framing import UNREADABLE

PACKET: Final = struct.Struct("=dH")
"""Precedes each packet of an Audio: when it passed, and its octets."""

_NO_LENGTH: Final = bytes(4)

LEFT: Final = 0
RIGHT: Final = 1


class _Message(msgspec.Struct, array_like=True, gc=False):
    pass


# --- worker -> recorder; `key` names a recording within one connection ---


class Begin(_Message, tag=1):
    """Starts the wav file `path`, or goes on with it when its `key` was begun on an earlier connection.

    `origin` is the time of its first sample, `started_us` the same in UTC microseconds.
    """

    key: int
    recording_id: str
    path: str
    channels: int
    origin: float
    started_us: int
    resume: bool = False


class Audio(_Message, tag=2):
    """RTP packets of one side, each behind a PACKET; of one that is no audio the header alone.

    `dropped`: others before these did not get through to the recorder.
    """

    key: int
    side: int
    codec: str
    payload_type: int
    packets: bytes
    dropped: bool = False


class Mark(_Message, tag=3):
    """From `at` on nothing is recorded for the reason `why`; empty: audio follows again."""

    key: int
    at: float
    why: str


class KeysForUs(_Message, tag=5):
    """From `at` on keys that the left side presses are for the switch, or no more: their tones are left out."""

    key: int
    at: float
    on: bool


class End(_Message, tag=4):
    """The last sample is that of `at`; one before the origin: the file is not wanted."""

    key: int
    at: float


ToRecorder: TypeAlias = Begin | Audio | Mark | KeysForUs | End


# --- recorder -> worker ---


class Done(_Message, tag=1):
    """A recording is complete, or has failed for `reason` and keeps what it has, if anything."""

    key: int
    seconds: float
    octets: int
    gaps: int
    reason: str = ""


_encoder = msgspec.msgpack.Encoder()
_to_recorder: msgspec.msgpack.Decoder[list[ToRecorder]] = msgspec.msgpack.Decoder(list[ToRecorder])
_to_worker: msgspec.msgpack.Decoder[list[Done]] = msgspec.msgpack.Decoder(list[Done])


def encode(messages: Iterable[ToRecorder] | Iterable[Done]) -> bytes:
    """One frame with all of `messages`."""
    body = _encoder.encode(list(messages))
    return len(body).to_bytes(4, "big") + body


def append_frame(buffer: bytearray, messages: Sequence[ToRecorder]) -> None:
    """Puts one frame with all of `messages` at the end of `buffer`."""
    at = len(buffer)
    buffer += _NO_LENGTH
    _encoder.encode_into(messages, buffer, -1)
    buffer[at : at + 4] = (len(buffer) - at - 4).to_bytes(4, "big")


def decode_for_recorder(body: bytes) -> list[ToRecorder]:
    """What a worker tells in one frame; raises ControlError."""
    try:
        return _to_recorder.decode(body)
    except UNREADABLE as error:
        raise ControlError(f"not a list of messages: {error}") from error


def decode_for_worker(body: bytes) -> list[Done]:
    """What the recorder tells in one frame; raises ControlError."""
    try:
        return _to_worker.decode(body)
    except UNREADABLE as error:
        raise ControlError(f"not a list of messages: {error}") from error
