"""What a peer's description says of its audio stream: read leniently, the usual one at once."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from media.formats import OURS, Codec, read_formats, read_ptime
from media.ice_dtls import PROTOCOLS, PeerTransport, read_transport
from media.sdes import RTP, SRTP, Crypto, Policy, allows, read_crypto
from media.sdp import Direction, Media, SdpError, Session, find_attribute, find_direction, parse_address, parse_sdp

_OCTET: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# What a gateway sends: one audio stream to a unicast address (not 0.0.0.0), its attributes in the m= section.
_match_usual: Final = re.compile(
    rb"v=0\r\n(?:o=[^\r\n]*\r\n)?(?:s=[^\r\n]*\r\n)?"
    rb"c=IN IP4 ((?:22[0-3]|2[01][0-9]|1[0-9]{2}|[1-9][0-9]?)(?:\." + _OCTET + rb"){3})\r\n"
    rb"(?:t=[^\r\n]*\r\n)?m=audio ([1-9][0-9]{0,3}|[1-5][0-9]{4}) RTP/AVP "
).match
_match_lines: Final = re.compile(rb"([0-9]{1,3}(?: [0-9]{1,3}){0,15})\r\n((?:a=[^\r\n]{0,64}\r\n){0,16})\Z").match
_LONGEST_LINES: Final = 1200
"""What `_match_lines` takes is shorter."""

_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound to

# RFC 3261 §20.43: warn-codes.
_BAD_PROTOCOL: Final = 302
_NO_MEDIA: Final = 304
NO_FORMAT: Final = 305


class Remote(Struct, frozen=True, array_like=True, gc=False):
    """What the peer's description says of its audio stream."""

    address: str
    port: int
    #: The codecs it lists, in its order.
    audio: tuple[Codec, ...]
    event_pt: int | None
    #: As seen by the peer; c=0.0.0.0 takes "send" from us (RFC 3264 §8.4).
    direction: Direction
    ptime: int
    #: The m-line that is used, and the media types of the others by their position.
    index: int
    other_media: tuple[tuple[int, str], ...]
    #: Where it wants RTCP, 0: one above the port (RFC 3605); whether it would have it on the port (RFC 5761).
    rtcp_port: int = 0
    rtcp_mux: bool = False
    #: Telephone-events of other clocks than 8 kHz: payload types by rate; comfort noise; the longest packet, 0: any.
    wide_events: tuple[tuple[int, int], ...] = ()
    noise_pt: int | None = None
    maxptime: int = 0
    #: Its transport, and those of its crypto lines that can be used; none where it is in clear.
    protocol: str = RTP
    crypto: tuple[Crypto, ...] = ()
    #: Of a browser: how it is to be reached; `address` and `port` say nothing then.
    web: PeerTransport | None = None

    def event_of(self, rate: int) -> int | None:
        """The payload type of telephone-events at this clock rate."""
        return self.event_pt if rate == 8000 else dict(self.wide_events).get(rate)

    @property
    def held(self) -> bool:
        """True when the peer does not want to receive from us (RFC 3264 §8.4)."""
        return self.direction == "sendonly" or self.direction == "inactive"


def read_remote(body: bytes, policy: Policy = "off") -> Remote:
    """Return what the best audio m-line says of those that `policy` takes: with a codec of ours, secured, the first.

    A description without one raises SdpError with status 488 and the warn-code that tells why.
    """
    usual = _match_usual(body) if policy != "required" else None
    if usual is not None and len(body) - usual.end() < _LONGEST_LINES:
        try:
            lines = _read_lines(body[usual.end() :])
        except _UnusualError:
            pass
        else:
            return _remote(usual[1].decode(), int(usual[2]), lines, lines.direction, 0, ())
    session = parse_sdp(body)
    refusal: SdpError | None = None
    usable: list[Remote] = []
    for index, media in enumerate(session.media):
        try:
            usable.append(_read_media(session, media, index, policy))
        except SdpError as error:
            if refusal is None or media.kind == "audio":
                refusal = error
    if usable:
        return max(usable, key=_worth)
    raise refusal or SdpError("no m= line", status=488, warning=_NO_MEDIA)


class _Lines(Struct, frozen=True):
    """What the formats and attributes of an audio section say; `wide` are events of other clocks than 8 kHz."""

    audio: tuple[Codec, ...]
    event_pt: int | None
    wide: tuple[tuple[int, int], ...]
    noise_pt: int | None
    direction: Direction
    ptime: int
    maxptime: int
    rtcp: tuple[int, bool]


class _UnusualError(Exception):
    """A description has no codec, or more than audio and short lines."""


# A gateway sends the same lines in all its calls. What raises is not kept: long lines may be keys.
@lru_cache(maxsize=256)
def _read_lines(text: bytes) -> _Lines:
    """Return what a usual description says of its audio from the formats on."""
    usual = _match_lines(text)
    if usual is None:
        raise _UnusualError
    attributes = [line[2:].rstrip() for line in usual[2].decode("utf-8", "surrogateescape").split("\r\n")]
    lines = _lines(usual[1].decode().split(" "), attributes, find_direction(attributes) or "sendrecv")
    if not lines.audio:
        raise _UnusualError
    return lines


def _lines(formats: list[str], attributes: list[str], direction: Direction) -> _Lines:
    ptime, maxptime = read_ptime(attributes), read_ptime(attributes, "maxptime", 0)
    audio, events, noise_pt = read_formats(formats, attributes)
    wide = tuple([(rate, number) for rate, number in events.items() if rate != 8000])
    return _Lines(audio, events.get(8000), wide, noise_pt, direction, ptime, maxptime, _read_rtcp(attributes))


def _remote(
    address: str,
    port: int,
    lines: _Lines,
    direction: Direction,
    index: int,
    others: tuple[tuple[int, str], ...],
    protocol: str = RTP,
    crypto: tuple[Crypto, ...] = (),
    web: PeerTransport | None = None,
) -> Remote:
    return Remote(
        address,
        port,
        lines.audio,
        lines.event_pt,
        direction,
        lines.ptime,
        index,
        others,
        *lines.rtcp,
        lines.wide,
        lines.noise_pt,
        lines.maxptime,
        protocol,
        crypto,
        web,
    )


def _read_media(session: Session, media: Media, index: int, policy: Policy) -> Remote:
    """Return what one m-line says, or raise SdpError when it is none we can use."""
    if media.kind != "audio":
        raise SdpError(f"no audio: {media.kind}", status=488, warning=_NO_MEDIA)
    if media.protocol in PROTOCOLS:
        return _read_web(session, media, index)
    if media.port == 0:
        raise SdpError("audio with port 0", status=488, warning=_NO_MEDIA, section="RFC 3264 §6")
    crypto = _read_security(media, policy)
    connection = session.connection_of(media)
    if connection is None:
        raise SdpError("no c= line for the audio", section="RFC 8866 §5.7")
    address = parse_address(connection)
    direction = session.direction(media)
    lines = _lines(media.formats, media.attributes, direction)
    if not lines.audio:
        raise SdpError("no codec", status=488, warning=NO_FORMAT)
    if address in _UNSPECIFIED:
        direction = "sendonly" if direction in ("sendrecv", "sendonly") else "inactive"
    others = tuple([(i, m.kind) for i, m in enumerate(session.media) if i != index])
    return _remote(address, media.port, lines, direction, index, others, media.protocol, crypto)


def _read_web(session: Session, media: Media, index: int) -> Remote:
    """Return what an m-line with ICE and DTLS-SRTP says; its address is a matter of ICE (RFC 8829)."""
    if media.port == 0 and media.attribute("bundle-only") is None:
        raise SdpError("audio with port 0", status=488, warning=_NO_MEDIA, section="RFC 8843 §6")
    web = read_transport(session, media)
    direction = session.direction(media)
    lines = _lines(media.formats, media.attributes, direction)
    if not lines.audio:
        raise SdpError("no codec", status=488, warning=NO_FORMAT)
    others = tuple([(i, m.kind) for i, m in enumerate(session.media) if i != index])
    return _remote("", media.port, lines, direction, index, others, media.protocol, (), web)


def _worth(remote: Remote) -> tuple[bool, bool]:
    return any(codec.name in OURS for codec in remote.audio), bool(remote.crypto)


def _read_security(media: Media, policy: Policy) -> tuple[Crypto, ...]:
    """Return the crypto lines that count by our policy, or raise SdpError where the transport does not fit it."""
    usable, refused = read_crypto(media.attributes) if policy != "off" else ((), ())
    if not allows(policy, media.protocol, usable):
        ours = {"off": RTP, "optional": f"{RTP} and {SRTP}", "required": SRTP}[policy]
        why = f"; {'; '.join(refused)}" if refused else ""
        raise SdpError(f"transport {media.protocol}, only {ours}{why}", status=488, warning=_BAD_PROTOCOL)
    return usable


def _read_rtcp(attributes: list[str]) -> tuple[int, bool]:
    """Return the port of a=rtcp, 0 where there is none, and whether there is a=rtcp-mux.

    An address there is not followed: reports go where the audio goes.
    """
    words = (find_attribute(attributes, "rtcp") or "").split()
    port = int(words[0]) if words and len(words[0]) < 6 and words[0].isdecimal() and words[0].isascii() else 0
    return port if port < 65536 else 0, find_attribute(attributes, "rtcp-mux") is not None
