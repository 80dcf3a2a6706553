"""Descriptions of ours: an offer or an answer of one audio stream, the other m-lines in their places (RFC 3264)."""

from __future__ import annotations

from functools import lru_cache

from media.formats import Codec
from media.remote import read_remote
from media.sdes import PLAIN, Policy, Profile
from media.sdp import DIRECTIONS, Direction, Media, parse_sdp


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
