"""Offers to browsers and answers to theirs (RFC 8829): one audio section with ICE and DTLS-SRTP in it."""

from __future__ import annotations

from typing import Final

from media.description import format_lines
from media.formats import Codec
from media.ice_dtls import PROTOCOL, OwnTransport, Setup, transport_lines
from media.remote import read_remote
from media.sdp import Direction, Media, parse_sdp

MID: Final = "0"
"""How we name the audio section of our own offers (RFC 5888)."""
STREAM: Final = "switchboard"
"""The name of our one stream (RFC 8830): pages find its track by it."""


def build_web_offer(
    own: OwnTransport,
    *,
    session_id: int,
    version: int,
    codecs: tuple[Codec, ...],
    event_pt: int | None,
    direction: Direction = "sendrecv",
    setup: Setup = "actpass",
    previous: bytes = b"",
    also: tuple[Codec, ...] = (),
    ptime: int = 20,
    maxptime: int = 0,
) -> bytes:
    """Return an offer of one audio stream; `previous` is the last body this same peer sent in the dialog.

    Sections of it that are not the audio stay where they are, with port 0 (RFC 3264 §8).
    """
    mid, sections = MID, None
    if previous:
        mid, sections = _places(previous)
    audio = _audio(own, setup, mid, format_lines(codecs, event_pt, direction, also, (ptime, maxptime)))
    return _describe(own, session_id, version, mid, _in_place(audio, sections))


def build_web_answer(
    offer: bytes,
    own: OwnTransport,
    *,
    session_id: int,
    version: int,
    codec: Codec,
    event_pt: int | None,
    direction: Direction,
    setup: Setup,
    also: tuple[Codec, ...] = (),
    ptime: int = 20,
    maxptime: int = 0,
) -> bytes:
    """Return an answer that takes the first usable audio section and rejects the others, video as well.

    The body must be one that read_remote took, with a transport of ICE and DTLS in it.
    """
    mid, sections = _places(offer)
    audio = _audio(own, setup, mid, format_lines((codec,), event_pt, direction, also, (ptime, maxptime)))
    return _describe(own, session_id, version, mid, _in_place(audio, sections))


Sections = tuple[int, list[Media]]


def _places(body: bytes) -> tuple[str, Sections]:
    """Return the identification of the audio section of a body, its place, and all sections."""
    remote = read_remote(body)
    mid = remote.web.mid if remote.web is not None else None
    return mid or "", (remote.index, parse_sdp(body).media)


def _in_place(audio: str, sections: Sections | None) -> str:
    if sections is None:
        return audio
    index, media = sections
    return "".join([audio if place == index else _rejected(each) for place, each in enumerate(media)])


def _describe(own: OwnTransport, session_id: int, version: int, mid: str, sections: str) -> bytes:
    address = own.default.address
    group = f"a=group:BUNDLE {mid}\r\na=msid-semantic: WMS {STREAM}\r\n" if mid else ""
    origin = f"o=- {session_id} {version} IN {_family(address)} {address}"
    return f"v=0\r\n{origin}\r\ns=-\r\nt=0 0\r\n{group}{sections}".encode("ascii")


def _audio(own: OwnTransport, setup: Setup, mid: str, described: tuple[str, str]) -> str:
    formats, lines = described
    place = own.default
    return (
        f"m=audio {place.port} {PROTOCOL}{formats}\r\n"
        f"c=IN {_family(place.address)} {place.address}\r\n"
        f"a=rtcp:{place.port} IN {_family(place.address)} {place.address}\r\n"
        + (f"a=mid:{mid}\r\n" if mid else "")
        + transport_lines(own, setup)
        + f"{lines}a=msid:{STREAM} audio\r\n"
    )


def _rejected(media: Media) -> str:
    """Return a section with port 0 (RFC 8829 §5.3.1); of its text only tokens are repeated."""
    mid = media.attribute("mid")
    known = f"a=mid:{mid}\r\n" if mid and mid.isascii() and mid.replace("-", "").replace("_", "").isalnum() else ""
    form = "0" if media.protocol.startswith("RTP/") or "/RTP/" in media.protocol else "*"
    if media.kind == "application" and "SCTP" in media.protocol:
        form = "webrtc-datachannel"
    elif media.formats and media.formats[0].isdecimal() and media.formats[0].isascii() and len(media.formats[0]) < 4:
        form = media.formats[0]
    return f"m={media.kind} 0 {media.protocol} {form}\r\nc=IN IP4 0.0.0.0\r\n{known}a=inactive\r\n"


def _family(address: str) -> str:
    return "IP6" if ":" in address else "IP4"
