"""The protocol between signalling and a media worker: commands one way, the events of `media.events` the other.

Both travel over a Unix stream socket as frames: a big-endian length of four bytes, then a msgpack list of
messages. A message is an array whose first element is its tag; fields are only ever added at its end, so that
either side may be the older one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

import msgspec

from media.events import Event
from media.framing import MAX_FRAME as MAX_FRAME
from media.framing import UNREADABLE
from media.framing import ControlError as ControlError
from media.framing import FrameReader as FrameReader
from media.sdes import Keys

Role: TypeAlias = Literal["party", "listener", "coach"]
"""What a session is in a room."""
KeyForm: TypeAlias = Literal["auto", "rfc4733", "info", "inband"]
"""How keys are exchanged with a peer."""
SECRET_REST: Final = 1.5
"""Seconds without a key that end what is typed as a secret.

Who types on after the last key of an entry, as all of a card's number where four digits were asked for, pauses less
between keys; a party who has just come cannot have asked for a key in less.
"""
MAX_IN_ROOM: Final = 32
"""Parties, listeners and coaches of one room together."""


class _Command(msgspec.Struct, array_like=True, gc=False):
    pass


# `seq` counts the commands of one client: those lost with a connection are sent again and none runs twice.


class Attach(_Command, tag=1):
    """Names the client; first on each connection."""

    client: str
    seq: int = 0


class Wire(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How a stream differs from G.711 in packets of 20 ms.

    `clock` and `event_clock` are those of the timestamps of audio and of telephone-events, in Hz; `fmtp`, `ptime` and
    `maxptime` (ms, 0: any) are what the peer wants of what is sent to it; the payload types of comfort noise are None
    where it was not agreed on. `keys` is how keys go to the peer: as events where it has them, else as tones; always
    as tones ("inband", which also searches what it says for them); or by signalling, told by KeyForOther ("info").
    """

    clock: int = 8000
    fmtp: str = ""
    ptime: int = 20
    maxptime: int = 0
    event_clock: int = 8000
    noise_pt: int | None = None
    receive_noise_pt: int | None = None
    keys: KeyForm = "auto"


USUAL: Final = Wire()


class Open(_Command, tag=2):
    """Starts the session of a leased port, or updates the running one: the fields of `media.interface.Stream`.

    A new remote address unlatches it; with `secured` the same keys again go on where they were.
    """

    port: int
    gen: int
    remote_ip: str
    remote_port: int
    latch_ip: str
    audio_pt: int
    codec: str
    event_pt: int | None = None
    send: bool = True
    receive: bool = True
    digits: bool = False
    seq: int = 0
    receive_pt: int | None = None
    receive_event_pt: int | None = None
    rtcp_port: int = 0
    rtcp_mux: bool = False
    secured: Keys | None = None
    wire: Wire | None = None
    follows: bool = True


class Bridge(_Command, tag=3):
    """Relays both ways between two sessions; each leaves the bridge it was in."""

    port_a: int
    gen_a: int
    port_b: int
    gen_b: int
    seq: int = 0


class Unbridge(_Command, tag=4):
    """Ends the relaying from and to a session."""

    port: int
    gen: int
    seq: int = 0


class Play(_Command, tag=5):
    """Plays prompts in a row towards the peer, in place of whatever plays; relaying to it waits."""

    port: int
    gen: int
    play_id: int
    prompts: list[str]
    loop: bool = False
    seq: int = 0


class StopPlay(_Command, tag=6):
    """Stops what plays; answered by PlayDone "stopped" if something did."""

    port: int
    gen: int
    seq: int = 0


class SendDigits(_Command, tag=7):
    """Sends digits to the peer as telephone events (RFC 4733)."""

    port: int
    gen: int
    digits: str
    seq: int = 0


class Release(_Command, tag=8):
    """Ends a session; always answered by Released."""

    port: int
    gen: int
    seq: int = 0


class Ping(_Command, tag=9):
    """Asks for a Pong."""

    seq: int = 0


class Stats(_Command, tag=10):
    """Asks for WorkerStats."""

    seq: int = 0


class Wish(_Command, tag=19):
    """Asks for more ports, of the second family where there are two; PortsAdded follows, of none if none is left."""

    count: int
    six: bool = False
    seq: int = 0


class Record(_Command, tag=11):
    """Records a session in stereo into the wav file `path`: left what its peer says, right what its peer hears.

    `concealed_port` and `concealed_gen`, where not 0, name another session whose Conceal silences it as well.
    A session has one recording at a time: another one ends the first.
    """

    port: int
    gen: int
    recording_id: str
    path: str
    concealed_port: int = 0
    concealed_gen: int = 0
    seq: int = 0


class StopRecord(_Command, tag=12):
    """Ends the recording or the message of a session; answered by Recorded or MessageDone if there was one."""

    port: int
    gen: int
    seq: int = 0


class PauseRecord(_Command, tag=13):
    """Writes silence, or audio again, into the recording of a session; its time goes on."""

    port: int
    gen: int
    paused: bool
    seq: int = 0


class Conceal(_Command, tag=14):
    """Secret keys are pressed, or no more: what is recorded of the session is silence, now and later.

    Until SECRET_REST has passed without a key the peer is heard by nobody else, who gets no key of it either.
    """

    port: int
    gen: int
    on: bool
    seq: int = 0


class Message(_Command, tag=15):
    """Records what the peer says, and that alone, into the wav file `path`; ended by MessageDone.

    It ends with a digit of `terminators` (which is then told by MessageDone alone), after `silence_seconds`
    without a voice (0: never), after `max_seconds`, by StopRecord or Release.
    """

    port: int
    gen: int
    message_id: int
    path: str
    max_seconds: float
    silence_seconds: float = 0.0
    terminators: str = ""
    seq: int = 0


class Join(_Command, tag=16):
    """Puts a session into a room, out of its bridge or other room; again: changes its role.

    A "party" hears all other parties and the coaches that coach it; a "listener" and a "coach" hear all parties;
    a coach is heard by the session of `coached_port` and `coached_gen` alone.
    """

    port: int
    gen: int
    room: int
    role: Role = "party"
    coached_port: int = 0
    coached_gen: int = 0
    seq: int = 0


class Leave(_Command, tag=17):
    """Takes a session out of its room; a room that is empty is no more."""

    port: int
    gen: int
    seq: int = 0


class Mute(_Command, tag=18):
    """What comes from a session is silence, or audio again, to whoever hears or records it; keys are still told."""

    port: int
    gen: int
    on: bool
    seq: int = 0


class KeyTaken(_Command, tag=20):
    """A key of the peer came by signalling and was taken: where its tone is in the audio as well nobody hears that."""

    port: int
    gen: int
    seq: int = 0


Command: TypeAlias = (
    Attach | Open | Bridge | Unbridge | Play | StopPlay | SendDigits | Release | Ping | Stats
    | Record | StopRecord | PauseRecord | Conceal | Message | Join | Leave | Mute | KeyTaken | Wish
)  # fmt: skip


# --- framing ---

_encoder = msgspec.msgpack.Encoder()
_commands: msgspec.msgpack.Decoder[list[Command]] = msgspec.msgpack.Decoder(list[Command])
_events: msgspec.msgpack.Decoder[list[Event]] = msgspec.msgpack.Decoder(list[Event])


def encode_frame(messages: Iterable[msgspec.Struct]) -> bytes:
    """One frame with all of `messages`."""
    body = _encoder.encode(list(messages))
    return len(body).to_bytes(4, "big") + body


def decode_commands(body: bytes | memoryview) -> list[Command]:
    """The commands of one frame's body; raises ControlError."""
    try:
        return _commands.decode(body)
    except UNREADABLE as error:
        raise ControlError(f"not a list of commands: {error}") from error


def decode_events(body: bytes | memoryview) -> list[Event]:
    """The events of one frame's body; raises ControlError."""
    try:
        return _events.decode(body)
    except UNREADABLE as error:
        raise ControlError(f"not a list of events: {error}") from error
