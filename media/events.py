"""What a media worker tells signalling; `media.control` has the frames, and the commands."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class _Event(msgspec.Struct, array_like=True, gc=False):
    pass


class StreamStats(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one session counted from Open to Release; times are monotonic, None when nothing came.

    `concealed` and `skipped` are frames of 20 ms that rooms had to make up, or left out, of what it said.
    `rtcp_refused` of the RTCP that came was none. What the peer told of the stream it got: `peer_lost` packets, in a
    relay also those that never reached us, and `peer_jitter_ms`. The MOS of each direction is that of ITU-T G.107
    with G.711, of G.107.2 with Opus, None with other codecs (`rtp.quality` says why): `mos_in` of what the peer said,
    `mos_out` of what it heard. `unauthentic` came from its address to a secured session, and was refused.
    """

    received: int = 0
    received_octets: int = 0
    sent: int = 0
    sent_octets: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    jitter_max_ms: float = 0.0
    strangers: int = 0
    dropped: int = 0
    rtcp: int = 0
    send_errors: int = 0
    first_at: float | None = None
    last_at: float | None = None
    concealed: int = 0
    skipped: int = 0
    rtcp_sent: int = 0
    rtcp_refused: int = 0
    round_trip_ms: float | None = None
    peer_lost: int | None = None
    peer_jitter_ms: float | None = None
    mos_in: float | None = None
    mos_out: float | None = None
    unauthentic: int = 0


class Hello(_Event, tag=1):
    """Opens each connection: who the worker is, all its ports, its open sessions.

    `six` are those of its ports that are on IPv6, at `address6`, where others are on IPv4.
    `boot` differs after a restart; `client`, `last_seq` tell which commands it has had; no generation above
    `last_gen` was ever used.
    """

    worker_id: int
    address: str
    ports: list[int]
    open: list[tuple[int, int]]
    boot: str = ""
    client: str = ""
    last_seq: int = 0
    last_gen: int = 0
    address6: str = ""
    six: list[int] = []


class PortsAdded(_Event, tag=2):
    """The worker was given more ports; of these `six` are on IPv6 where others are on IPv4. None: no more are left."""

    ports: list[int]
    six: list[int] = []


class Digit(_Event, tag=3):
    """A key was pressed: told at the first packet of the event, `at` is that packet's arrival.

    A plane that learns of a key only when it is let go tells for how many seconds it was `held` until `at`.
    """

    port: int
    gen: int
    digit: str
    at: float
    held: float = 0.0


class PlayDone(_Event, tag=4):
    """A Play ended: "done", "stopped" (also when replaced), or "missing:NAME" and nothing was played."""

    port: int
    gen: int
    play_id: int
    reason: str


class Released(_Event, tag=5):
    """The session is over and its port may be leased again."""

    port: int
    gen: int
    stats: StreamStats


class Silence(_Event, tag=6):
    """No audio was received from the peer for the configured time; told once until Heard.

    `alive`: but RTCP was; told again should that end.
    """

    port: int
    gen: int
    alive: bool = False


class Pong(_Event, tag=7):
    """Answers a Ping with the last command carried out."""

    last_seq: int


class WorkerStats(_Event, tag=8):
    """What the worker counted since it started."""

    ports: int
    open: int
    playing: int
    relayed: int
    played: int
    digits: int
    strangers: int
    dropped: int
    stray: int
    rtcp: int
    ignored: int
    late_max_ms: float
    cpu_seconds: float
    mixed: int = 0
    rooms: int = 0
    unauthentic: int = 0


class Recorded(_Event, tag=9):
    """A recording is complete; always before the Released of its session, if that ended it.

    `gaps` counts the places at which audio was lost; NAME.json beside the file tells where. A `reason` tells why
    it ended early; with `seconds` 0 there is no file.
    """

    port: int
    gen: int
    recording_id: str
    path: str
    seconds: float
    octets: int
    gaps: int
    reason: str = ""


class MessageDone(_Event, tag=10):
    """A Message ended and its file is complete; always before the Released of its session, if that ended it.

    `reason` is "digit", "silence", "limit", "stopped", "hangup" or "failed". `seconds` is without the silence
    at the end; with 0 nothing was said and there is no file.
    """

    port: int
    gen: int
    message_id: int
    seconds: float
    reason: str


class Unauthentic(_Event, tag=11):
    """Of what comes from the peer's address to a secured session nothing authenticates: told once for a key."""

    port: int
    gen: int


class KeyForOther(_Event, tag=12):
    """A key that a peer pressed in a talk, for signalling to send to the other side, which takes keys by INFO."""

    port: int
    gen: int
    digit: str


class Heard(_Event, tag=13):
    """A Silence is over: audio comes again, or is not awaited any more."""

    port: int
    gen: int


class KeyPassed(_Event, tag=15):
    """A key that a peer pressed in a talk has gone on to the other side; some phones tell of it by INFO as well.

    `held` as in Digit.
    """

    port: int
    gen: int
    digit: str
    held: float = 0.0


class KeyHeld(_Event, tag=14):
    """A key told of by Digit is held for long, and then that it is `over`; nothing of it is told of a short one."""

    port: int
    gen: int
    digit: str
    at: float
    over: bool


Event: TypeAlias = (
    Hello | PortsAdded | Digit | PlayDone | Released | Silence | Pong | WorkerStats | Recorded | MessageDone
    | Unauthentic | KeyForOther | Heard | KeyHeld | KeyPassed
)  # fmt: skip
