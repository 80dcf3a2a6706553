"""What signalling and any media plane share: leases, events, the methods of a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from media.control import Role, Wire
from media.edge_control import Endpoint
from media.events import (
    Digit,
    Heard,
    KeyForOther,
    KeyHeld,
    KeyPassed,
    MessageDone,
    PlayDone,
    Recorded,
    Released,
    Silence,
    Unauthentic,
)
from media.ice_dtls import PeerTransport
from media.ice_dtls import Role as DtlsRole
from media.sdes import Keys


class Lease(msgspec.Struct, frozen=True, array_like=True):
    """A port for one leg; `gen` is never used twice in a plane, so (port, gen) names the leg's session."""

    worker: int
    port: int
    gen: int
    address: str


class Stream(msgspec.Struct, frozen=True, gc=False):
    """What signalling has agreed on for one leg's audio (RFC 3264), seen from us.

    It goes to `remote_ip` and `remote_port`; `latch_ip` is the only address whose packets may latch. `audio_pt` and
    `event_pt` are the payload types the peer wants; it sends those of `receive_pt` and `receive_event_pt` where these
    differ (RFC 3264 §6.1). With `digits` keys are told. RTCP goes to `rtcp_port`, 0: the one after `remote_port`; with
    `rtcp_mux` it shares the ports of the audio (RFC 5761). With `secured` all of it is SRTP and SRTCP. `wire` is None
    for a stream as G.711 usually is. Without `follows` audio goes to `remote_port` wherever it comes from.
    """

    remote_ip: str
    remote_port: int
    latch_ip: str
    audio_pt: int
    codec: str
    event_pt: int | None
    send: bool = True
    receive: bool = True
    digits: bool = False
    receive_pt: int | None = None
    receive_event_pt: int | None = None
    rtcp_port: int = 0
    rtcp_mux: bool = False
    secured: Keys | None = None
    wire: Wire | None = None
    follows: bool = True

    @property
    def comes_as(self) -> int:
        """The payload type of the audio the peer sends."""
        return self.audio_pt if self.receive_pt is None else self.receive_pt

    @property
    def events_come_as(self) -> int | None:
        """That of its telephone-events."""
        return self.event_pt if self.receive_event_pt is None else self.receive_event_pt


class WorkerLost(msgspec.Struct, frozen=True):
    """A worker died or hangs: these leases are void, no other event of them will come."""

    worker: int
    leases: tuple[Lease, ...]


MediaEvent: TypeAlias = (
    Digit
    | PlayDone
    | Released
    | Silence
    | WorkerLost
    | Recorded
    | MessageDone
    | Unauthentic
    | KeyForOther
    | Heard
    | KeyHeld
    | KeyPassed
)


class Edge(Protocol):
    """Where browsers' audio arrives; every method returns at once."""

    def lease(self, controlling: bool) -> Endpoint | None:
        """An endpoint to describe to a browser, in an offer if `controlling`; None when there is none."""

    def connect(self, endpoint: Endpoint, peer: PeerTransport, role: DtlsRole, worker: tuple[str, int]) -> None:
        """Begins to find the peer and relays to and from the worker's port; Connected or Failed follows."""

    def aim(self, endpoint: Endpoint, worker: tuple[str, int]) -> None:
        """The worker's port is another now."""

    def restart(self, endpoint: Endpoint, spare: Endpoint, peer: PeerTransport) -> None:
        """The session of `endpoint` goes over the path of `spare`, which is used up by that."""

    def release(self, endpoint: Endpoint) -> None:
        """Ends what the endpoint does."""

    def counts(self) -> dict[str, int]:
        """Endpoints `ready` and `taken`, whether the edge is connected."""


class MediaPlane(Protocol):
    """Where the audio of calls is carried; every method returns at once."""

    def lease(self, near: Lease | None = None, *, six: bool = False) -> Lease | None:
        """A free port, on the worker of `near` so that both can be bridged; None when there is none.

        `six`: for a peer on IPv6, where the plane is on both families.
        """

    def open(self, lease: Lease, stream: Stream) -> None:
        """Starts or updates the session of `lease`."""

    def bridge(self, a: Lease, b: Lease) -> None:
        """Relays both ways, out of the rooms they were in; both leases must be of one worker."""

    def unbridge(self, lease: Lease) -> None:
        """Ends relaying from and to `lease`."""

    def play(self, lease: Lease, play_id: int, prompts: Sequence[str], loop: bool = False) -> None:
        """Plays `prompts` to the peer in place of whatever plays; PlayDone with `play_id` follows."""

    def stop_play(self, lease: Lease) -> None:
        """Stops what plays."""

    def send_digits(self, lease: Lease, digits: str) -> None:
        """Sends telephone events to the peer."""

    def record(self, lease: Lease, recording_id: str, path: str, peer: Lease | None = None) -> None:
        """Records into the wav file `path`: left what comes from `lease`, right what it hears, relayed or played.

        `conceal` of `peer` silences this recording too. Recorded with `recording_id` follows its end; the end
        of the session ends it, and Recorded then comes before Released.
        """

    def stop_record(self, lease: Lease) -> None:
        """Ends the recording or message of `lease`; Recorded or MessageDone follows if there was one."""

    def pause_record(self, lease: Lease, paused: bool) -> None:
        """Records silence, or audio again; the time of the recording goes on."""

    def conceal(self, lease: Lease, on: bool) -> None:
        """While secret keys are pressed recordings hold silence, those begun meanwhile too.

        Until SECRET_REST has passed without a key nobody else hears `lease`, nor gets a key of it.
        """

    def key_taken(self, lease: Lease) -> None:
        """A key of `lease` came by signalling and was taken: its tone, if there is one, is for nobody else."""

    def message(
        self,
        lease: Lease,
        message_id: int,
        path: str,
        max_seconds: float,
        silence_seconds: float = 0.0,
        terminators: str = "",
    ) -> None:
        """Records what the caller says, in mono; MessageDone with `message_id` follows its end.

        It ends with a digit of `terminators` (told by MessageDone alone), after `silence_seconds` without
        a voice (0: never), after `max_seconds`, by `stop_record`, or before Released with reason "hangup".
        """

    def join(self, lease: Lease, room: int, role: Role = "party", coached: Lease | None = None) -> None:
        """Puts `lease` into a room, out of its bridge or other room; again: changes its role without a gap.

        A "party" hears all other parties and the coaches that coach it; a "listener" and a "coach" hear all
        parties; a coach is heard by `coached` alone. What plays to one in a room replaces its mix meanwhile.
        `room` is any number of the caller's own. Raises ValueError for a coach of nobody, where the room's
        leases are of another worker, and where MAX_IN_ROOM are in it.
        """

    def leave(self, lease: Lease) -> None:
        """Takes `lease` out of its room, as `bridge` and `release` do; it hears nobody then."""

    def mute(self, lease: Lease, on: bool) -> None:
        """What comes from `lease` is silence where it is relayed, mixed or recorded; keys are still told.

        It stays so through bridges and rooms until it is taken back.
        """

    def release(self, lease: Lease) -> None:
        """Ends the session; Released follows and the port may be leased again."""

    def counts(self) -> dict[str, int]:
        """Ports `free` and `leased`, `workers` connected."""
