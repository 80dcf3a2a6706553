"""The offer/answer model of RFC 3264 for one audio stream with telephone-events and comfort noise, perhaps secured."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from media.formats import OURS, Formats, free_payload_type, is_wanted, read_formats, read_ptime, same_codec
from media.formats import PCMA as PCMA
from media.formats import PCMU as PCMU
from media.formats import Codec as Codec
from media.ice_dtls import PROTOCOLS, PeerTransport, read_transport
from media.sdes import PLAIN, RTP, SRTP, Crypto, Keys, Policy, Profile, allows, read_crypto
from media.sdp import (
    DIRECTIONS,
    Direction,
    Media,
    SdpError,
    Session,
    find_attribute,
    find_direction,
    parse_address,
    parse_sdp,
)

_OCTET: Final = rb"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
# What a gateway sends: one audio stream to a unicast address (not 0.0.0.0), its attributes in the m= section.
_match_usual: Final = re.compile(
    rb"v=0\r\n(?:o=[^\r\n]*\r\n)?(?:s=[^\r\n]*\r\n)?"
    rb"c=IN IP4 ((?:22[0-3]|2[01][0-9]|1[0-9]{2}|[1-9][0-9]?)(?:\." + _OCTET + rb"){3})\r\n"
    rb"(?:t=[^\r\n]*\r\n)?m=audio ([1-9][0-9]{0,3}|[1-5][0-9]{4}) RTP/AVP ([0-9]{1,3}(?: [0-9]{1,3}){0,15})\r\n"
    rb"((?:a=[^\r\n]{0,64}\r\n){0,16})\Z"
).match

_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, never bound to

# RFC 3261 §20.43: warn-codes.
_BAD_PROTOCOL: Final = 302
_NO_MEDIA: Final = 304
_NO_FORMAT: Final = 305

_REVERSED: Final[dict[str, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


class Remote(Struct, frozen=True, gc=False):
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


class Agreement(Struct, frozen=True, gc=False):
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


def read_remote(body: bytes, policy: Policy = "off") -> Remote:
    """Return what the best audio m-line says of those that `policy` takes: with a codec of ours, secured, the first.

    A description without one raises SdpError with status 488 and the warn-code that tells why.
    """
    usual = _match_usual(body) if policy != "required" else None
    if usual is not None:
        lines = _read_lines(usual[3], usual[4])
        if lines.formats.audio:
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
    """What the attributes of an audio section say."""

    formats: Formats
    direction: Direction
    ptime: int
    maxptime: int
    rtcp: tuple[int, bool]


# A gateway sends the same lines in all its calls; their length is bounded by the pattern.
@lru_cache(maxsize=256)
def _read_lines(formats: bytes, lines: bytes) -> _Lines:
    """Return what a usual description says of its audio."""
    attributes = [line[2:].rstrip() for line in lines.decode("utf-8", "surrogateescape").split("\r\n")]
    return _lines(formats.decode().split(" "), attributes, find_direction(attributes) or "sendrecv")


def _lines(formats: list[str], attributes: list[str], direction: Direction) -> _Lines:
    ptime, maxptime = read_ptime(attributes), read_ptime(attributes, "maxptime", 0)
    return _Lines(read_formats(formats, attributes), direction, ptime, maxptime, _read_rtcp(attributes))


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
    audio, events, noise_pt = lines.formats
    wide = tuple([(rate, number) for rate, number in events.items() if rate != 8000]) if len(events) > 1 else ()
    if not wide and events and 8000 not in events:
        wide = tuple(events.items())
    return Remote(
        address,
        port,
        audio,
        events.get(8000),
        direction,
        lines.ptime,
        index,
        others,
        *lines.rtcp,
        wide,
        noise_pt,
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
    if not lines.formats.audio:
        raise SdpError("no codec", status=488, warning=_NO_FORMAT)
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
    if not lines.formats.audio:
        raise SdpError("no codec", status=488, warning=_NO_FORMAT)
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
    for codec in remote.audio:
        # Where a codec was offered under two numbers the peer sends under the one it repeats.
        for ours in sorted(offered, key=lambda ours: ours.payload_type != codec.payload_type):
            if same_codec(ours, codec):
                noise_pt = next((one.payload_type for one in also if one.name == "CN"), None)
                wide = [one.payload_type for one in also if one.name != "CN" and one.rate == codec.rate]
                event = wide[0] if wide and remote.event_of(codec.rate) is not None else event_pt
                return _agree(remote, codec, ours.payload_type, event, direction, noise_pt)
    raise SdpError("answer takes no codec of the offer", status=488, warning=_NO_FORMAT)


def event_format(remote: Remote, codec: Codec) -> Codec | None:
    """Return the telephone-events that go with a codec: those of its clock, else of 8 kHz (RFC 4733 §2.5.1.1)."""
    for rate in (codec.rate, 8000):
        number = remote.event_of(rate)
        if number is not None:
            return Codec("telephone-event", number, rate)
    return None


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
        event.payload_type if event is not None else None,
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
        event.rate if event is not None else 8000,
        remote.noise_pt if noise else None,
        noise_pt if noise else None,
        remote.maxptime,
    )


def build_offer(
    *,
    session_id: int,
    version: int,
    address: str,
    port: int,
    codecs: tuple[Codec, ...],
    event_pt: int | None,
    direction: Direction = "sendrecv",
    previous: bytes = b"",
    also: tuple[Codec, ...] = (),
    ptime: int = 20,
    maxptime: int = 0,
    profile: Profile = PLAIN,
) -> bytes:
    """Return an offer of one audio stream (RFC 3264 §5), in packets of `ptime` milliseconds, secured as `profile` says.

    `also` are formats beside the codecs and the telephone-events at 8 kHz. `previous` is the last body this same
    peer sent in the dialog: a new offer keeps the m-lines in their places, those we rejected with port 0 (RFC 3264 §8).
    """
    head = _head(session_id, version, address)
    audio = _audio(port, codecs, event_pt, direction, also, (ptime, maxptime), profile)
    return (head + _in_place(previous, audio, profile.policy)).encode("ascii")


def build_answer(
    remote_offer_body: bytes,
    *,
    session_id: int,
    version: int,
    address: str,
    port: int,
    codec: Codec,
    event_pt: int | None,
    direction: Direction,
    rtcp_mux: bool = False,
    also: tuple[Codec, ...] = (),
    ptime: int = 20,
    maxptime: int = 0,
    profile: Profile = PLAIN,
) -> bytes:
    """Return an answer that takes the first usable audio m-line and rejects the others (RFC 3264 §6).

    The body must be one that read_remote took. Its m-lines keep their order; of its text only media types and
    transport protocols are repeated. `rtcp_mux` only where it was offered (RFC 5761 §5.1.1).
    """
    head = _head(session_id, version, address)
    audio = _audio(port, (codec,), event_pt, direction, also, (ptime, maxptime), profile)
    audio += "a=rtcp-mux\r\n" if rtcp_mux else ""
    return (head + _in_place(remote_offer_body, audio, profile.policy)).encode("ascii")


def _in_place(body: bytes, audio: str, policy: Policy) -> str:
    """Return our audio section in the place of the m-line it belongs to, the others of the body rejected."""
    if body.count(b"\nm=") < 2:
        return audio
    index = read_remote(body, policy).index
    return "".join([audio if place == index else _rejected(media) for place, media in enumerate(parse_sdp(body).media)])


def _head(session_id: int, version: int, address: str) -> str:
    """Return the session level of a description of ours."""
    family = "IP6" if ":" in address else "IP4"
    return f"v=0\r\no=- {session_id} {version} IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"


def _audio(
    port: int,
    codecs: tuple[Codec, ...],
    event_pt: int | None,
    direction: Direction,
    also: tuple[Codec, ...],
    times: tuple[int, int],
    profile: Profile,
) -> str:
    """Return the audio section of a description of ours."""
    formats, lines = format_lines(codecs, event_pt, direction, also, times)
    return f"m=audio {port} {profile.protocol}{formats}\r\n{lines}{profile.lines if profile.crypto else ''}"


@lru_cache(maxsize=256)
def format_lines(
    codecs: tuple[Codec, ...],
    event_pt: int | None,
    direction: Direction,
    also: tuple[Codec, ...],
    times: tuple[int, int],
) -> tuple[str, str]:
    """Return the payload types of an m= line of ours, and the attributes below it."""
    events = () if event_pt is None else (Codec("telephone-event", event_pt),)
    listed = (*codecs, *events, *also)
    formats = "".join([f" {codec.payload_type}" for codec in listed])
    lines = ""
    for codec in listed:
        fmtp = "0-15" if codec.name == "telephone-event" else codec.fmtp
        lines += f"a=rtpmap:{codec.payload_type} {codec.rtpmap}\r\n"
        lines += f"a=fmtp:{codec.payload_type} {fmtp}\r\n" if fmtp else ""
    ptime, maxptime = times
    lines += f"a=ptime:{ptime}\r\n" + (f"a=maxptime:{maxptime}\r\n" if maxptime else "")
    return formats, f"{lines}a={DIRECTIONS[direction]}\r\n"


def _rejected(media: Media) -> str:
    """Return a section with port 0; its format is ignored but must be there (RFC 3264 §6)."""
    if media.protocol.startswith("RTP/"):
        return f"m={media.kind} 0 {media.protocol} 0\r\n"
    return f"m={media.kind} 0 {media.protocol} {'t38' if media.kind == 'image' else '*'}\r\n"
