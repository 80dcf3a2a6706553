"""All targets by name, each with inputs to begin with and pieces that hostile inputs are made of."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media import control
from media.events import Digit, Silence
from media.recorder import protocol
from media.rtp.packet import Packet
from media.rtp.rtcp import Block, Report, SenderInfo, build_description, build_goodbye, build_report
from tests.fuzz import media_targets, path_targets, sip_targets, web_targets
from tests.fuzz.pieces import packed

PROJECT: Final = Path(__file__).parents[2]
TORTURE: Final = Path(os.environ.get("SWITCH_CORPUS") or PROJECT.parent / "shared" / "data") / "torture"
FOUND: Final = Path(__file__).parent / "found"
"""Inputs that once broke something, a directory a target."""


@dataclass(frozen=True, slots=True)
class Target:
    """`run` takes any octets, and raises when something is wrong."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]
    repeated: tuple[tuple[bytes, bytes], ...] = ()
    """What large inputs are made of: a front, and a piece that follows it again and again."""


INVITE: Final = (
    b"INVITE sip:4001@192.0.2.1;x=1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1;rport\r\n"
    b'Max-Forwards: 70\r\nFrom: "A \\" B" <sip:a@192.0.2.2>;tag=1\r\nTo: <sip:4001@192.0.2.1>\r\nCall-ID: c1\r\n'
    b"CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.2:5060>\r\nSupported: timer, 100rel\r\n"
    b"Session-Expires: 1800;refresher=uac\r\n"
    b"Content-Type: application/sdp\r\nContent-Length: 0\r\n\r\n"
)
INSIDE: Final = INVITE.replace(b"To: <sip:4001@192.0.2.1>", b"To: <sip:4001@192.0.2.1>;tag=2")
OTHERS: Final = (
    *(INSIDE.replace(b"INVITE", method) for method in (b"ACK", b"BYE", b"REFER", b"PRACK")),
    *(INVITE.replace(b"INVITE", method) for method in (b"CANCEL", b"OPTIONS", b"REGISTER", b"SUBSCRIBE")),
)
RESPONSE: Final = INVITE.replace(b"INVITE sip:4001@192.0.2.1;x=1 SIP/2.0", b"SIP/2.0 486 Busy Here").replace(
    b"Supported", b'Reason: Q.850;cause=17;text="x"\r\nSupported'
)
OFFER: Final = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8 0 18 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    b"a=fmtp:101 0-15\r\na=ptime:20\r\na=rtcp:4001\r\na=rtcp-mux\r\na=sendonly\r\n"
)
MIXED: Final = (
    b"multipart/mixed;boundary=b1\n--b1\r\nContent-Type: application/sdp\r\n\r\n" + OFFER + b"\r\n--b1--\r\n",
    b'Multipart/Mixed; boundary="b 1"\nx\r\n--b 1 \r\nContent-Type: application/isup\r\n'
    b"Content-Disposition: signal;handling=optional\r\n\r\n\1\0\r\n--b 1\r\n"
    b"content-type: Application/SDP;x=y\r\nContent-Transfer-Encoding: binary\r\n\r\nv=0\r\n--b 1--",
    b"multipart/mixed;boundary=b\n--b\r\nContent-Disposition: x;handling=required\r\n\r\n--b\r\n\r\n--b--",
)
TWO: Final = OFFER + b"m=video 4002 RTP/SAVPF 96\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\nm=image 9 udptl t38\r\n"
DIGEST: Final = (
    b'Digest realm="x", nonce="NONCE", algorithm=SHA-256, qop="auth"',
    b'Digest username="u", realm="x", nonce="NONCE", uri="sip:x", response="00", algorithm=MD5, qop=auth, nc=00000001, '
    b'cnonce="c", opaque="\\"o"',
)
VALUES: Final = (
    b"1 2 INVITE", b"7", b"1800;refresher=uas", b"c@x;to-tag=1;from-tag=2;early-only",
    b"<sip:b@x;method=INVITE?Replaces=c%40x%3Bto-tag%3D1%3Bfrom-tag%3D2>", b"SIP/2.0 200 OK\r\n", b"Q.850;cause=17",
)  # fmt: skip


CRYPTO: Final = (
    b"1 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^20|1:4 WSH=64 -X",
    b"2 AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
    b"1 1 udp 2130706431 192.0.2.2 4000 typ host raddr 192.0.2.3 rport 9",
)
SECURED: Final = OFFER.replace(b"RTP/AVP", b"RTP/SAVP") + b"a=crypto:" + CRYPTO[0] + b"\r\n"
BROWSER: Final = (
    b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:abcd\r\n"
    b"a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaa\r\na=fingerprint:sha-256 " + b":".join([b"AB"] * 32) + b"\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 111 8 101\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=setup:actpass\r\na=rtcp-mux\r\n"
    b"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\n"
    b"a=candidate:1 1 udp 2130706431 192.0.2.2 4000 typ host\r\na=sendrecv\r\n"
    b"m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=bundle-only\r\n"
)
BINDING: Final = (
    struct.pack("!HHI12s", 1, 0, 0x2112A442, bytes(12)),
    struct.pack("!HHI12sHH4s", 1, 8, 0x2112A442, bytes(12), 0x8022, 4, b"sipp"),
    struct.pack("!HHI12sHH4s", 1, 8, 0x2112A442, bytes(12), 0x0024, 4, bytes(4)),
    struct.pack("!HHI12s", 1, 0, 1, bytes(12)),
)


def _coded() -> tuple[bytes, ...]:
    """Packets in order and out of it, of a few octets, with frames taken in between."""
    opus = bytes.fromhex("48") + bytes(range(20))
    return (
        b"".join(bytes((0, n, n, len(opus))) + opus + b"\1" for n in range(12)),
        b"".join(bytes((0, n ^ 1, n ^ 1, 160)) + bytes([n] * 160) + b"\1" for n in range(12)),
        b"".join(b"\2" + bytes((0, n)) + b"\1" for n in range(12)),
    )


def _torture() -> tuple[bytes, ...]:
    """The messages of RFC 4475 and RFC 5118, where they are."""
    return tuple(file.read_bytes() for file in sorted(TORTURE.rglob("*.dat")))


def _rtp() -> tuple[bytes, ...]:
    plain = bytes(Packet(8, 1, 160, 7, bytes(160)))
    return plain, b"\xb2" + plain[1:12] + bytes(8) + b"\xbe\xde\0\1" + bytes(40) + b"\4", b"\x80\xc8" + plain[2:]


def _rtcp() -> tuple[bytes, ...]:
    block = Block(1, 12, 3, 70_000, 9, 65536, 65536)
    report = build_report(Report(7, SenderInfo(1 << 40, 160, 50, 8000), (block,)))
    told = report + build_description(7, b"x") + build_goodbye(7)
    return told, packed(told) * 3, build_report(Report(7, None, ())), b"\0\1\0\0\0\1" + packed(told)


def _dtmf() -> tuple[bytes, ...]:
    def step(seq: int, flags: int, duration: int, marker: int) -> bytes:
        return struct.pack("!BHIBBB", 4, seq, 1000, 0, marker, 4) + struct.pack("!BBH", 5, flags, duration)

    key = b"".join(step(n, 0x80 if n > 4 else 10, 160 * min(n, 5), n == 1) for n in range(1, 8))
    return key, key + key.replace(struct.pack("!I", 1000), struct.pack("!I", 5000))


def _frames() -> tuple[bytes, ...]:
    told = control.encode_frame([control.Ping(), control.Play(1, 2, 3, ["zh/welcome"]), control.StopPlay(1, 2)])
    events = control.encode_frame([Digit(1, 2, "5", 0.0), Silence(1, 2)])
    return b"\x05" + told + events, told[4:], events[4:], b"\0" + protocol.encode([protocol.Mark(1, 0.0, "x")])


def _jitter() -> tuple[bytes, ...]:
    return (
        bytes(octet for n in range(40) for octet in (0, n, n, 1)),
        bytes(octet for n in range(60) for octet in (4, n ^ 1, n ^ 1, 1)),
        bytes(octet for n in range(40) for octet in (2, 255, 200 + n, 255, 255, 255, n, 1)),
    )


SIP: Final = (INVITE, *OTHERS, RESPONSE, *_torture())
_LINE: Final = b"INVITE sip:a@x SIP/2.0\r\n"

TARGETS: Final[dict[str, Target]] = {
    "message": Target(
        sip_targets.message,
        SIP,
        (
            (_LINE + b"X: ", b"y\r\n"),
            (_LINE + b"Via: ", b","),
            (_LINE + b'From: "', b'\\"'),
            (_LINE + b"To: <sip:a@x>", b";a"),
            (_LINE + b"A: b", b"\r\n c"),
            (_LINE + b"Contact: ", b"<"),
            (_LINE + b"Route: ", b"<sip:x>,"),
            (b"", b"\r\n"),
            (INVITE, b"\xff"),
            (_LINE, b"\r"),
            (_LINE, b"Via: SIP/2.0/UDP x\r\n"),
        ),
    ),
    "stream": Target(
        sip_targets.stream,
        tuple(b"\x07" + one for one in SIP),
        (
            (b"\xff", INVITE),
            (b"", b"\r\n"),
            (b"\0", b"a"),
            (b"\0" + _LINE + b"X: ", b"y\r\n"),
            (b"", b"\r\n\r\n\r"),
        ),
    ),
    "websocket": Target(
        web_targets.websocket,
        (
            *(b"\x01\x20" + web_targets.conversation(one) for one in SIP[:12]),
            b"\x01\x07" + web_targets.conversation(INVITE, b"\r\n\r\n", b"", b"{}"),
            b"\x00\x10" + web_targets.HANDSHAKE + web_targets.conversation(INVITE),
        ),
        (
            (b"\x01\xff\x01\x80\0\0\0\0", b"\0\x80\0\0\0\0"),
            (b"\x01\xff\x01\x80\0\0\0\0", b"\0\x81\0\0\0\0a"),
            (b"\x01\xff", b"\x89\x80\0\0\0\0"),
            (b"\x01\xff", b"\x81\x80\0\0\0\0"),
            (b"\x01\xff", b"\x81\x84\0\0\0\0\r\n\r\n"),
            (b"\x01\xff\x82\xff\0\0\0\0\0\1\0\0\0\0\0\0", b"a"),
            (b"\x00\xff", b"a"),
            (b"\x00\xffGET / HTTP/1.1\r\n", b"a: b\r\n"),
            (b"\x00\xffGET / HTTP/1.1\r\nSec-WebSocket-Protocol: ", b"a,"),
            (b"\x00\x07", b"\r\n"),
        ),
    ),
    "parts": Target(
        sip_targets.parts,
        MIXED,
        (
            (b"multipart/x;boundary=a\n", b"--a\r\n\r\n"),
            (b"multipart/x;boundary=a\n", b"--a"),
            (b"multipart/x;boundary=a\n--a\r\n", b"b: c\r\n"),
            (b"multipart/x;boundary=a\n--a\r\nb: c", b"\r\n d"),
            (b"multipart/x;boundary=a\n--a", b" "),
            (b"multipart/x;boundary=a\n", b"\r\n"),
            (b"multipart/x", b";a=b"),
            (b'multipart/x;boundary="', b'\\"'),
        ),
    ),
    "uris": Target(
        sip_targets.uris,
        (
            b"sip:a:b@x.example:5060;transport=tcp;lr?Subject=y&z=1 sip:%41@X",
            b"tel:+86-138(0)013;phone-context=+86",
            b"sips:[2001:db8::1]:5061",
            b"urn:service:sos",
        ),
        (
            (b"sip:", b"a"),
            (b"sip:", b"%41"),
            (b"sip:a@x", b";a"),
            (b"sip:x?", b"a=b&"),
            (b"tel:", b"-1"),
            (b"sip:", b":"),
            (b"sip:a@", b"a."),
            (b"sip:[", b":"),
            (b"sip:", b"@"),
            (b"sip:x;a=", b"%4"),
            (b"a", b"+"),
        ),
    ),
    "addresses": Target(
        sip_targets.addresses,
        (
            b'"A \\" B" <sip:a@x;lr>;tag=1;x="y z"',
            b"sip:a@x;tag=2",
            b"A B <sip:x>",
            b"<sip:a@x?b=c>;expires=60;q=0.5",
        ),
        (
            (b'"', b'\\"'),
            (b"", b"a "),
            (b"<", b"<"),
            (b"<sip:x>", b";a"),
            (b'<sip:x>;a="', b"\\a"),
            (b"", b'"'),
            (b"<sip:x>;", b" "),
            (b"", b"<>"),
            (b'"a"', b" "),
            (b"<sip:x>;tag=1;", b" ;"),
        ),
    ),
    "vias": Target(
        sip_targets.vias,
        (
            b"SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1;rport=5;received=[2001:db8::1]",
            b"SIP / 2.0 / TCP x ; ttl=5 , SIP/2.0/UDP y",
        ),
        (
            (b"SIP/2.0/UDP x", b";a"),
            (b"", b" "),
            (b"SIP/2.0/UDP ", b"a."),
            (b"", b","),
            (b"SIP", b" /"),
            (b"SIP/2.0/UDP x ", b" "),
            (b"SIP/2.0/UDP x;branch=", b"a"),
            (b"SIP/2.0/UDP x;branch=", b'"'),
            (b"SIP ", b" "),
        ),
    ),
    "headers": Target(
        sip_targets.headers,
        (
            *(one.replace(b"\r", b"") for one in SIP[:12]),
            b'a: "b\\", <c,d>, e;f="g;h"\n i',
        ),
        (
            (b"a: ", b","),
            (b"a: ", b'"'),
            (b"a: ", b"<"),
            (b'a: "', b"\\"),
            (b"a: ", b";a"),
            (b"a: b", b"\n c"),
            (b"", b"a:b\n"),
            (b"a: ", b'"",'),
            (b"a: ", b'",'),
            (b"a: ;", b" "),
            (b"a: ", b"<,"),
        ),
    ),
    "values": Target(
        sip_targets.values,
        VALUES,
        (
            (b"<sip:x?", b"Replaces=a&"),
            (b"<sip:x?Replaces=", b"%41"),
            (b"", b";to-tag=1"),
            (b"1;", b"a"),
            (b"SIP/2.0 200 ", b"a"),
            (b"", b"Q.850;cause="),
            (b"", b"1 "),
            (b"", b"1"),
            (b"a;to-tag=", b'"'),
            (b"Q.850", b" "),
            (b"Q.850", b";"),
        ),
    ),
    "digest": Target(
        sip_targets.digest,
        DIGEST,
        (
            (b"Digest ", b"a=b,"),
            (b'Digest a="', b'\\"'),
            (b"Digest", b" "),
            (b"Digest ", b"a"),
            (b'Digest realm="x",', b" ,"),
            (b'Digest qop="', b",a"),
            (b"Digest a=", b" "),
            (b"Digest ", b","),
        ),
    ),
    "core": Target(
        sip_targets.core,
        (
            b"".join(b"\x41" + packed(one) for one in (INVITE, OTHERS[0], OTHERS[1])),
            b"\x01" + packed(INVITE) + b"\x41" + packed(OTHERS[4]),
            *(b"\x81" + packed(one) + b"\xc7" + packed(one) for one in SIP[:40]),
        ),
    ),
    "sdp": Target(
        media_targets.sdp,
        (OFFER, TWO),
        (
            (OFFER, b"a=x\r\n"),
            (OFFER + b"m=audio 1 RTP/AVP", b" 8"),
            (OFFER, b"m=audio 1 RTP/AVP 0\r\n"),
            (b"v=0\r\no=", b"- "),
            (OFFER + b"a=", b"x"),
            (b"", b"\r\n"),
            (OFFER + b"c=IN IP4 ", b"1."),
            (OFFER + b"c=IN IP6 ", b"::"),
            (b"v=0\r\n", b"\r"),
        ),
    ),
    "offer": Target(
        media_targets.offer,
        (OFFER, TWO),
        (
            (OFFER, b"a=rtpmap:8 PCMA/8000\r\n"),
            (OFFER, b"m=audio 1 RTP/AVP 0\r\n"),
            (OFFER, b"a=rtpmap: \r\n"),
            (OFFER + b"a=ptime:", b"9"),
            (OFFER + b"a=rtpmap:", b" 9"),
            (OFFER + b"m=audio 1 RTP/AVP", b" 8"),
            (OFFER + b"a=rtcp:", b"1 "),
        ),
    ),
    "rtp": Target(media_targets.rtp, _rtp(), ((b"", b"\xff"), (b"\x80", b"\0"))),
    "rtcp": Target(media_targets.rtcp, _rtcp(), ((b"", b"\x80\xc9\0\1\0\0\0\7"), (b"", b"\x80\xcb\0\0"), (b"", b"\0"))),
    "dtmf": Target(media_targets.dtmf, _dtmf(), ((b"", b"\4\0\1\0\0\0\1\0\0\4\5\5\0\1"), (b"", b"\xff"))),
    "jitter": Target(media_targets.jitter, _jitter(), ((b"", b"\4\1\1"), (b"", b"\x1a\xff\xff\xff\xff\xff\xff"))),
    "frames": Target(
        media_targets.frames,
        _frames(),
        (
            (b"\0", b"\x91"),
            (b"", b"\0"),
            (b"\0\xdd", b"\xff"),
            (b"\0", b"\0\0\0\1\x90"),
            (b"\0", b"\xc1"),
            (b"\0", b"\x81"),
        ),
    ),
    "binding": Target(path_targets.binding, BINDING, ((BINDING[0], b"\x80\x22\0\4sipp"), (b"\0\1", b"\xff"))),
    "crypto": Target(
        path_targets.crypto,
        (*CRYPTO, CRYPTO[0] + b"|||" + CRYPTO[1]),
        (
            (b"1 AES_CM_128_HMAC_SHA1_80 inline:", b"A"),
            (b"1 ", b" "),
            (CRYPTO[0], b" WSH=64"),
            (b"", CRYPTO[0] + b"|||"),
            (b"1 x y", b" z"),
            (b"1 AES_CM_128_HMAC_SHA1_80 inline:AA", b"|1"),
            (b"1 1 udp 1 ", b"1."),
            (b"1", b"\t"),
        ),
    ),
    "browser": Target(
        path_targets.browser,
        (OFFER, SECURED, BROWSER, BROWSER.replace(b" 0 1", b" 1 0")),
        (
            (BROWSER, b"a=candidate:1 1 udp 1 192.0.2.2 4000 typ host\r\n"),
            (BROWSER, b"m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"),
            (SECURED, b"a=crypto:" + CRYPTO[0] + b"\r\n"),
            (BROWSER + b"a=fingerprint:sha-256 ", b"AB:"),
            (BROWSER, b"a=mid:0\r\n"),
            (b"v=0\r\na=group:BUNDLE", b" 0"),
            (BROWSER + b"a=fmtp:111 ", b"a=b;"),
        ),
    ),
    "srtp": Target(
        path_targets.srtp,
        (
            *(bytes((n,)) + packed(one[:400]) for n in range(4) for one in (*_rtp(), _rtcp()[0])),
            b"\1" + packed(_rtp()[0]) * 2,
        ),
        ((b"\0\4\0", b"\x80"), (b"", b"\1\0\x0c\x80" + bytes(11))),
    ),
    "coded": Target(
        path_targets.coded, _coded(), ((b"", b"\0\1\1\xff" + b"\x48" * 255), (b"", b"\1"), (b"", b"\2\0\1"))
    ),
}


def enlarged(front: bytes, piece: bytes, size: int) -> bytes:
    """A hostile input of a size."""
    return (front + piece * (size // len(piece) + 1))[:size]


def corpus(name: str) -> list[bytes]:
    """The seeds of a target and what was found by it once."""
    found = [file.read_bytes() for file in sorted((FOUND / name).glob("*"))] if (FOUND / name).is_dir() else []
    return [*TARGETS[name].seeds, *found]
