"""The control protocol: what is encoded is decoded, and nothing else passes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.control import (
    MAX_FRAME,
    Attach,
    Bridge,
    Command,
    Conceal,
    ControlError,
    FrameReader,
    Join,
    Leave,
    Message,
    Mute,
    Open,
    PauseRecord,
    Ping,
    Play,
    Record,
    Release,
    SendDigits,
    Stats,
    StopPlay,
    StopRecord,
    Unbridge,
    decode_commands,
    decode_events,
    encode_frame,
)
from media.events import (
    Digit,
    Event,
    Hello,
    KeyHeld,
    KeyPassed,
    MessageDone,
    PlayDone,
    Pong,
    PortsAdded,
    Recorded,
    Released,
    Silence,
    StreamStats,
    WorkerStats,
)

COMMANDS: list[Command] = [
    Attach("a1", 1),
    Open(10000, 7, "192.0.2.1", 4000, "192.0.2.1", 8, "PCMA", 101, True, False, True, 2),
    Open(10000, 7, "192.0.2.1", 4000, "192.0.2.1", 8, "PCMA"),
    Bridge(10000, 7, 10002, 8, 3),
    Unbridge(10000, 7, 4),
    Play(10000, 7, 1, ["zh/welcome", "tone:ringback"], True, 5),
    StopPlay(10000, 7, 6),
    SendDigits(10000, 7, "12#", 7),
    Release(10000, 7, 8),
    Ping(),
    Stats(),
    Record(10000, 7, "r1", "/var/recordings/r1.wav", 10002, 8, 9),
    Record(10000, 7, "r1", "r1.wav"),
    StopRecord(10000, 7, 10),
    PauseRecord(10000, 7, True, 11),
    Conceal(10000, 7, False, 12),
    Message(10000, 7, 2, "m2.wav", 120.0, 5.0, "#", 13),
    Message(10000, 7, 2, "m2.wav", 120.0),
    Join(10000, 7, 1 << 40),
    Join(10000, 7, 3, "coach", 10002, 8, 14),
    Leave(10000, 7, 15),
    Mute(10000, 7, True, 16),
]
EVENTS: list[Event] = [
    Hello(0, "192.0.2.9", [10000, 10002], [(10000, 7)], "boot", "a1", 8, 7),
    PortsAdded([10004]),
    Digit(10000, 7, "#", 12.5),
    KeyHeld(10000, 7, "#", 12.75, False),
    KeyPassed(10000, 7, "#"),
    PlayDone(10000, 7, 1, "done"),
    Released(10000, 7, StreamStats(received=5, lost=1, first_at=1.0, last_at=2.0)),
    Silence(10000, 7),
    Pong(8),
    Recorded(10000, 7, "r1", "r1.wav", 12.5, 400_000, 1),
    Recorded(10000, 7, "r1", "r1.wav", 0.0, 0, 0, "full"),
    MessageDone(10000, 7, 2, 3.5, "digit"),
    WorkerStats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1.5, 0.25),
    WorkerStats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1.5, 0.25, 12, 13),
]


def bodies(data: bytes) -> list[bytes]:
    """The frame bodies in one piece of data."""
    return FrameReader().feed(data)


def test_commands_come_back_equal() -> None:
    """Every command, optional fields given and left out."""
    (body,) = bodies(encode_frame(COMMANDS))
    assert decode_commands(body) == COMMANDS


def test_events_come_back_equal() -> None:
    """Every event."""
    (body,) = bodies(encode_frame(EVENTS))
    assert decode_events(body) == EVENTS


@given(st.integers(1, 40))
def test_frames_are_cut_however_they_arrive(size: int) -> None:
    """Pieces of any size give the same frames."""
    stream = encode_frame(COMMANDS) + encode_frame([]) + encode_frame(COMMANDS[:1])
    reader = FrameReader()
    found = [body for at in range(0, len(stream), size) for body in reader.feed(stream[at : at + size])]
    assert [decode_commands(body) for body in found] == [COMMANDS, [], COMMANDS[:1]]


def test_a_frame_too_long_is_refused_before_it_is_read() -> None:
    """The length alone decides, so that nobody can fill the memory."""
    with pytest.raises(ControlError, match=r"more than 1048576"):
        FrameReader().feed((MAX_FRAME + 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([[99, 1]]),
        msgspec.msgpack.encode([[2, "port", 1]]),
        msgspec.msgpack.encode({"port": 1}),
        msgspec.msgpack.encode([[8, 10000]]),
    ],
)
def test_what_is_no_frame_raises(body: bytes) -> None:
    """Unknown tags, wrong types and missing fields raise the protocol's own error."""
    with pytest.raises(ControlError, match="not a list of commands"):
        decode_commands(body)
    with pytest.raises(ControlError, match="not a list of events"):
        decode_events(body)


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_raise_the_protocol_error(data: bytes) -> None:
    """Nothing but ControlError comes out of garbage."""
    for decode in (decode_commands, decode_events):
        try:
            decode(data)
        except ControlError:
            pass


def test_a_newer_sender_may_add_fields() -> None:
    """Fields at the end that this side does not know are skipped."""
    body = msgspec.msgpack.encode([[8, 10000, 7, 3, "new"]])
    assert decode_commands(body) == [Release(10000, 7, 3)]
