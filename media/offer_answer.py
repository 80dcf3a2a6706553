"""The offer/answer model of RFC 3264 for one audio stream with telephone-events and comfort noise, perhaps secured.

What the peer says is read by `remote`, what we say is written by `description`; here both become an agreement.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from msgspec import Struct

from media.formats import Codec, free_payload_type, is_wanted, same_codec
from media.remote import NO_FORMAT, Remote
from media.sdes import Keys
from media.sdp import Direction, SdpError

_REVERSED: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


class Agreement(Struct, frozen=True, array_like=True, gc=False):
    """One stream as both sides agreed on it, seen from us; payload types per direction (RFC 3264 §6.1)."""

    codec: str
    send_pt: int
    receive_pt: int
    send_event_pt: int | None
    receive_event_pt: int | None
    send: bool
    receive: bool
    address: str
    port: int
    ptime: int
    rtcp_port: int = 0
    rtcp_mux: bool = False
    #: Clock and channels of the codec, and the parameters the peer gave; the clock of the telephone-events.
    rate: int = 8000
    channels: int = 1
    fmtp: str = ""
    event_rate: int = 8000
    send_noise_pt: int | None = None
    receive_noise_pt: int | None = None
    #: The longest packet the peer takes, in milliseconds; 0: any.
    maxptime: int = 0
    #: The keys of SRTP; None in clear.
    secured: Keys | None = None

    @property
    def sends(self) -> Codec:
        """The codec as the peer numbers it."""
        return Codec(self.codec, self.send_pt, self.rate, self.channels, self.fmtp)


def choose(remote: Remote, ours: tuple[str, ...]) -> Codec | None:
    """Return the peer's most wanted codec that `ours` has room for, or None (RFC 3264 §6.1)."""
    for codec in remote.audio:
        if is_wanted(codec, ours):
            return codec
    return None


def choose_same(remote: Remote, codec: Codec) -> Codec | None:
    """Return the peer's own number for a codec, or None where it has not got it."""
    for found in remote.audio:
        if same_codec(found, codec):
            return found
    return None


def event_payload_type(codecs: tuple[Codec, ...], wanted: int = 101) -> int:
    """Return `wanted`, or the highest dynamic number that none of the codecs of an offer uses."""
    return free_payload_type({codec.payload_type for codec in codecs}, wanted)


def answer_direction(offered: Direction, willing: Direction = "sendrecv") -> Direction:
    """Return the direction to answer: what was offered, mirrored, as far as we will (RFC 3264 §6.1)."""
    mirrored = _REVERSED[offered]
    if mirrored == willing or willing == "sendrecv":
        return mirrored
    if mirrored == "sendrecv":
        return willing
    return "inactive"


def agree_as_answerer(
    remote: Remote, codec: Codec, event_pt: int | None, direction: Direction, noise_pt: int | None = None
) -> Agreement:
    """Return the stream after we answered the peer's offer with that codec, these formats and direction."""
    return _agree(remote, codec, codec.payload_type, event_pt, direction, noise_pt, remote.rtcp_mux)


def agree_as_offerer(
    remote: Remote,
    offered: tuple[Codec, ...],
    event_pt: int | None,
    direction: Direction = "sendrecv",
    also: tuple[Codec, ...] = (),
) -> Agreement:
    """Return the stream after the peer answered our offer; SdpError 488 when it took none of our codecs.

    `also` are the other formats of the offer: telephone-events of other clocks, comfort noise.
    """
    taken = _taken(remote.audio, offered)
    if taken is None:
        raise SdpError("answer takes no codec of the offer", status=488, warning=NO_FORMAT)
    codec, receive_pt = taken
    noise_pt = None
    for one in also:
        if one.name == "CN":
            noise_pt = one.payload_type
        elif one.rate == codec.rate and remote.event_of(codec.rate) is not None:
            event_pt = one.payload_type
    return _agree(remote, codec, receive_pt, event_pt, direction, noise_pt)


@lru_cache(maxsize=256)
def _taken(answered: tuple[Codec, ...], offered: tuple[Codec, ...]) -> tuple[Codec, int] | None:
    """Return the first codec of an answer that was offered, and the number that it was offered under."""
    for codec in answered:
        # Where a codec was offered under two numbers the peer sends under the one it repeats.
        for ours in sorted(offered, key=lambda ours: ours.payload_type != codec.payload_type):
            if same_codec(ours, codec):
                return codec, ours.payload_type
    return None


def event_format(remote: Remote, codec: Codec) -> tuple[int, int] | None:
    """Return number and clock of a codec's telephone-events: those of its clock, else of 8 kHz (RFC 4733 §2.5.1.1)."""
    number = None if codec.rate == 8000 else remote.event_of(codec.rate)
    if number is not None:
        return number, codec.rate
    return None if remote.event_pt is None else (remote.event_pt, 8000)


def _agree(
    remote: Remote,
    codec: Codec,
    receive_pt: int,
    event_pt: int | None,
    direction: Direction,
    noise_pt: int | None,
    rtcp_mux: bool = False,
) -> Agreement:
    """Put both descriptions together: we send as the peer numbered it, and receive as we did."""
    event = event_format(remote, codec) if event_pt is not None else None
    noise = remote.noise_pt is not None and noise_pt is not None
    return Agreement(
        codec.name,
        codec.payload_type,
        receive_pt,
        event[0] if event is not None else None,
        event_pt if event is not None else None,
        direction in ("sendrecv", "sendonly") and remote.direction in ("sendrecv", "recvonly"),
        direction in ("sendrecv", "recvonly") and remote.direction in ("sendrecv", "sendonly"),
        remote.address,
        remote.port,
        remote.ptime,
        remote.rtcp_port,
        rtcp_mux,
        codec.rate,
        codec.channels,
        codec.fmtp,
        event[1] if event is not None else 8000,
        remote.noise_pt if noise else None,
        noise_pt if noise else None,
        remote.maxptime,
    )
