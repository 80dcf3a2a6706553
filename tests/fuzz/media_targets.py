"""Readers of descriptions, of audio and of what processes tell each other: any octets, only declared errors."""

from __future__ import annotations

import contextlib

from media import control
from media.description import build_answer, build_offer
from media.edge_control import decode_edge_commands, decode_edge_events
from media.framing import MAX_FRAME, ControlError, FrameReader
from media.offer_answer import agree_as_answerer, agree_as_offerer, answer_direction, choose, event_payload_type
from media.recorder import protocol
from media.remote import read_remote
from media.rtp.dtmf import KEYS, DigitReceiver
from media.rtp.inband import ToneReader, read
from media.rtp.jitter import MAX_DELAY, MAX_PACKET, JitterBuffer
from media.rtp.outgoing import FRAME
from media.rtp.packet import is_rtcp, parse
from media.rtp.reports import Reports
from media.rtp.rtcp import build_report, parse_compound
from media.rtp.stats import Reception
from media.sdp import MAX_BYTES, SdpError, parse_sdp
from tests.fuzz.pieces import Pieces

OURS = ("PCMA", "PCMU")
_MOST = 64
_DECODERS = (
    control.decode_commands, control.decode_events, protocol.decode_for_recorder, protocol.decode_for_worker,
    decode_edge_commands, decode_edge_events,
)  # fmt: skip


def sdp(data: bytes) -> None:
    """A description: read, looked through, written, read again."""
    try:
        session = parse_sdp(data)
    except SdpError:
        return
    for one in session.media:
        session.direction(one)
        session.connection_of(one)
        one.attribute("rtpmap")
    written = session.render()
    if len(written) > MAX_BYTES:
        return  # line ends were a single octet
    again = parse_sdp(written)
    assert [one.kind for one in again.media] == [one.kind for one in session.media]


def offer(data: bytes) -> None:
    """An offer that is answered as far as it can be, and an answer to an offer of ours."""
    try:
        remote = read_remote(data)
    except SdpError:
        return
    codec = choose(remote, OURS)
    wanted = event_payload_type(remote.audio)
    assert 0 <= wanted <= 127
    with contextlib.suppress(SdpError):
        agree_as_offerer(remote, remote.audio, wanted)
    if codec is None:
        return
    direction = answer_direction(remote.direction)
    agreed = agree_as_answerer(remote, codec, remote.event_pt, direction)
    assert 0 <= agreed.port <= 65535
    said = build_answer(
        data, session_id=1, version=1, address="192.0.2.1", port=10_000, codec=codec, event_pt=remote.event_pt,
        direction=direction, rtcp_mux=remote.rtcp_mux,
    )  # fmt: skip
    answered = parse_sdp(said)
    assert len(answered.media) == len(parse_sdp(data).media)
    assert read_remote(said).port == 10_000
    again = build_offer(
        session_id=1, version=2, address="192.0.2.1", port=10_000, codecs=(codec,), event_pt=wanted, previous=data
    )
    assert len(parse_sdp(again).media) == len(answered.media)


def rtp(data: bytes) -> None:
    """One packet, and a stream that is counted."""
    is_rtcp(data)
    packet = parse(data)
    if packet is not None:
        assert parse(bytes(packet)) == packet
    pieces, came = Pieces(data), Reception()
    now = 0.0
    for _ in range(_MOST):
        if not pieces.left:
            break
        now += pieces.number() / 100
        seq, ts, ssrc = pieces.number(2), pieces.number(4), pieces.number()
        came.audio(seq, ts, ssrc, now)
        assert came.lost >= 0
        assert came.jitter >= 0
        came.stream()


def rtcp(data: bytes) -> None:
    """Reports about us and of others; what we say about them can be read."""
    compound = parse_compound(data)
    for report in compound.reports if compound else ():
        assert parse_compound(build_report(report)) is not None
    pieces, reports = Pieces(data), Reports(b"x")
    now, came = 0.0, Reception()
    for sent in range(_MOST):
        if not pieces.left:
            break
        now += 0.5
        came.audio(pieces.number(2), pieces.number(4), 7, now)
        reports.take(pieces.piece(), now, round(now * 2**32), 1, sent * 50, 7)
        assert reports.round_trip is None or 0 <= reports.round_trip <= 60
        assert reports.peer_loss is None or 0 <= reports.peer_loss <= 1
        assert parse_compound(reports.compose(now, round(now * 2**32), 1, sent, sent * 160, 0, came)) is not None


def dtmf(data: bytes) -> None:
    """Telephone events in any order; keys in the audio."""
    pieces, receiver, reader = Pieces(data), DigitReceiver(), ToneReader("PCMA")
    now = 0.0
    for _ in range(_MOST):
        if not pieces.left:
            break
        now += pieces.number() / 200
        seq, ts, ssrc, marker = pieces.number(2), pieces.number(4), pieces.number() & 1, bool(pieces.number() & 1)
        payload = pieces.take(pieces.number() & 7)
        key = receiver.feed(now, seq, ts, ssrc, marker, payload)
        assert key is None or key in KEYS
        if len(payload) >= 4 and payload[0] < len(KEYS):
            assert receiver.goes_on(now, seq, ts, ssrc, marker, payload), "the same packet again is no other key"
        reader.feed(seq, ts, ssrc, payload * 40)
    for _, key in read([reader]):
        assert key in KEYS


def jitter(data: bytes) -> None:
    """Packets of any number, time and length; what is taken is always 20 ms, what waits is bounded."""
    pieces, buffer = Pieces(data), JitterBuffer("PCMA")
    for _ in range(4 * _MOST):
        if not pieces.left:
            break
        choice = pieces.number()
        if choice & 1:
            frame = buffer.take()
            assert frame is None or len(frame) == FRAME
        else:
            # Near what came before, or anywhere.
            wide = choice & 2
            seq, ts = (pieces.number(2), pieces.number(4)) if wide else (pieces.number(), 160 * pieces.number())
            size = (160, 80, 240, 0, 1, 333, MAX_PACKET, MAX_PACKET + 1)[choice >> 2 & 7]
            buffer.put(seq, ts, choice >> 7, bytes([choice]) * size)
        assert buffer.waiting <= MAX_DELAY + MAX_PACKET
    for _ in range(12):
        buffer.take()


def frames(data: bytes) -> None:
    """What processes tell each other: cut anywhere it is the same, and decoded it is a message or refused."""
    pieces = Pieces(data)
    step = 1 + pieces.number()
    octets = pieces.rest()
    whole, cut = _bodies([octets]), _bodies([octets[at : at + step] for at in range(0, len(octets), step)])
    # What came with a length that cannot be is lost with it.
    assert cut == whole or not whole
    for body in [octets, *cut]:
        for decode in _DECODERS:
            with contextlib.suppress(ControlError):
                assert isinstance(decode(body), list)


def _bodies(chunks: list[bytes]) -> list[bytes]:
    reader, found = FrameReader(), []
    with contextlib.suppress(ControlError):
        for chunk in chunks:
            found += reader.feed(chunk)
    assert all(len(body) <= MAX_FRAME for body in found)
    return found
