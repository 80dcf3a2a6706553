"""Readers of what secures and carries SIP and audio: STUN, keys, SRTP, ICE, coded audio; any octets."""

from __future__ import annotations

import contextlib
from functools import cache

import pylibsrtp

from media.codecs import CodecMissingError, Decoder, decoder
from media.formats import OURS
from media.ice_dtls import Candidate, Fingerprint, OwnTransport, read_candidate
from media.offer_answer import answer_direction, choose
from media.remote import read_remote
from media.rtp.coded_buffer import JUMP, MAX_DELAY, CodedBuffer
from media.sdes import OFFERED, SUITES, CryptoError, Keys, offer_crypto, parse_crypto, read_crypto, render_crypto
from media.sdp import SdpError, parse_sdp
from media.web_offer_answer import build_web_answer, build_web_offer
from media.worker.crypto_context import CryptoContext, Inbound
from switchboard.sip import stun
from tests.fuzz.pieces import Pieces, text_of

_KEY = bytes(range(30))


def binding(data: bytes) -> None:
    """A STUN request on the SIP port: an answer of STUN to the same transaction, or none."""
    for source in (("192.0.2.2", 5060), ("2001:db8::1", 1)):
        said = stun.answer(data, source)
        if said is not None:
            assert said[4:20] == data[4:20] or said[8:20] == data[8:20]
            assert len(said) == 20 + int.from_bytes(said[2:4], "big")
            assert len(said) <= 3 * len(data) + 64


def crypto(data: bytes) -> None:
    """Crypto lines: each is usable, with a key as long as its suite wants, or refused without its key being told."""
    text = text_of(data)
    with contextlib.suppress(CryptoError):
        read = parse_crypto(text)
        assert len(read.key) == SUITES[read.suite]
        assert parse_crypto(render_crypto(read)) == read
        assert repr(read.key) not in repr(read)
    usable, _ = read_crypto([f"crypto:{line}" for line in text.split("|||")])
    assert all(one.suite in OFFERED for one in usable)
    offer_crypto(bytes)
    read_candidate(text)


_OWN = OwnTransport(
    "abcd", "a" * 22, Fingerprint("sha-256", ":".join(["AB"] * 32)), (Candidate("1", 1, "192.0.2.1", 4000, "host"),)
)


def browser(data: bytes) -> None:
    """A description by any policy; one of a browser is answered, and offered anew, with as many sections."""
    for policy in ("off", "optional", "required"):
        try:
            remote = read_remote(data, policy)  # type: ignore[arg-type]
        except SdpError:
            continue
        codec = choose(remote, OURS)
        if remote.web is None or codec is None:
            continue
        direction, sections = answer_direction(remote.direction), len(parse_sdp(data).media)
        said = build_web_answer(
            data, _OWN, session_id=1, version=1, codec=codec, event_pt=None, direction=direction, setup="active"
        )
        assert len(parse_sdp(said).media) == sections
        assert read_remote(said).web is not None
        again = build_web_offer(_OWN, session_id=1, version=2, codecs=(codec,), event_pt=None, previous=data)
        assert len(parse_sdp(again).media) == sections


@cache
def _sender() -> pylibsrtp.Session:
    policy = pylibsrtp.Policy(key=_KEY, ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND)
    policy.allow_repeat_tx = True
    return pylibsrtp.Session(policy)


def srtp(data: bytes) -> None:
    """Packets of strangers, and of the peer with anything inside: refused, or as they were."""
    pieces = Pieces(data)
    inbound = Inbound("AES_CM_128_HMAC_SHA1_80", _KEY)
    context = CryptoContext(Keys("AES_CM_128_HMAC_SHA1_80", _KEY, _KEY))
    for _ in range(8):
        if not pieces.left:
            break
        choice, packet = pieces.number(), pieces.piece()[:1300]
        secured = packet
        if choice & 1:
            with contextlib.suppress(pylibsrtp.Error, TypeError, ValueError):
                secured = _sender().protect(packet)
        with contextlib.suppress(pylibsrtp.Error, TypeError):
            if choice & 2:
                inbound.unprotect_rtcp(secured)
            else:
                inbound.unprotect(secured)
        with contextlib.suppress(OSError):
            context.receive_report(packet)
        if len(packet) >= 12 and packet[0] == 0x80:
            with contextlib.suppress(OSError):
                context.protect(packet)


def _decoders() -> list[tuple[Decoder, int]]:
    found: list[tuple[Decoder, int]] = []
    for name, clock in (("G722", 8000), ("opus", 48000), ("PCMU", 8000)):
        with contextlib.suppress(CodecMissingError):
            found.append((decoder(name), clock))
    return found


def coded(data: bytes) -> None:
    """Packets of G.722, Opus and PCMU of any content and order: always 20 ms of samples or nothing."""
    for one, clock in _decoders():
        pieces, buffer = Pieces(data), CodedBuffer(one, clock, 8000)
        for _ in range(64):
            if not pieces.left:
                break
            choice = pieces.number()
            if choice & 1:
                frame = buffer.take()
                assert frame is None or len(frame) == 320
            elif choice & 2:
                buffer.skip(pieces.number(2))
            else:
                wide = choice & 4
                seq, ts = (pieces.number(2), pieces.number(4)) if wide else (pieces.number(), 160 * pieces.number())
                buffer.put(seq, ts, choice >> 7, pieces.take(pieces.number()))
            assert buffer.waiting <= JUMP + 3 * MAX_DELAY
        for _ in range(8):
            buffer.take()
