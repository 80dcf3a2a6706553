"""Descriptions of browsers: what theirs say, what ours say, judged by a foreign reader."""

from __future__ import annotations

import msgspec
import pytest
from aiortc.sdp import SessionDescription

from media.formats import PCMA, PCMU, Codec
from media.ice_dtls import (
    MAX_CANDIDATES,
    Candidate,
    Fingerprint,
    OwnTransport,
    PeerTransport,
    Role,
    Setup,
    read_candidate,
    role_of,
)
from media.remote import Remote, read_remote
from media.sdp import SdpError
from media.web_offer_answer import build_web_answer, build_web_offer

PRINT = ":".join(["AB"] * 32)
OTHER_PRINT = ":".join(["1C"] * 32)

CHROME = [
    "v=0",
    "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0 1",
    "a=extmap-allow-mixed",
    "a=msid-semantic: WMS stream",
    "m=audio 54321 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
    "c=IN IP4 203.0.113.9",
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=candidate:1853887674 1 udp 2122260223 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 54320 typ host generation 0",
    "a=candidate:842163049 1 udp 1677729535 203.0.113.9 54321 typ srflx raddr 0.0.0.0 rport 0 generation 0",
    "a=candidate:1853887674 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active generation 0",
    "a=ice-ufrag:EsAw",
    "a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y",
    "a=ice-options:trickle",
    f"a=fingerprint:sha-256 {PRINT}",
    "a=setup:actpass",
    "a=mid:0",
    "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=sendrecv",
    "a=msid:stream track",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "a=rtcp-fb:111 transport-cc",
    "a=fmtp:111 minptime=10;useinbandfec=1",
    "a=rtpmap:63 red/48000/2",
    "a=rtpmap:9 G722/8000",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:8 PCMA/8000",
    "a=rtpmap:13 CN/8000",
    "a=rtpmap:110 telephone-event/48000",
    "a=rtpmap:126 telephone-event/8000",
    "a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6",
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
    "c=IN IP4 0.0.0.0",
    "a=rtcp:9 IN IP4 0.0.0.0",
    "a=ice-ufrag:EsAw",
    "a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y",
    f"a=fingerprint:sha-256 {PRINT}",
    "a=setup:actpass",
    "a=mid:1",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
]
# As Firefox writes it: fingerprint and ICE options of the session, a data channel.
FIREFOX = [
    "v=0",
    "o=mozilla...THIS_IS_SDPARTA-99.0 4583914342 0 IN IP4 0.0.0.0",
    "s=-",
    "t=0 0",
    f"a=fingerprint:sha-256 {PRINT.lower()}",
    "a=group:BUNDLE audio-0 data",
    "a=ice-options:trickle",
    "m=audio 9 UDP/TLS/RTP/SAVPF 109 9 0 8 101",
    "c=IN IP4 0.0.0.0",
    "a=sendonly",
    "a=ice-pwd:e3baa26dd2fa5030d881d385f1e36cce",
    "a=ice-ufrag:58b99ead",
    "a=mid:audio-0",
    "a=rtcp-mux",
    "a=setup:actpass",
    "a=rtpmap:101 telephone-event/8000/1",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 0.0.0.0",
    "a=mid:data",
    "a=setup:actpass",
    "a=sctp-port:5000",
]
OWN = OwnTransport(
    "abcd",
    "0123456789abcdefABCDEF",
    Fingerprint("sha-256", OTHER_PRINT),
    (
        Candidate("h1", 2130706431, "192.0.2.1", 30000, "host"),
        Candidate("s1", 1694498815, "198.51.100.1", 30000, "srflx", "192.0.2.1", 30000),
    ),
)


def body(lines: list[str], **changes: str | None) -> bytes:
    """Return the lines as a description, those that begin with a=NAME changed, or left out for None."""
    out = []
    for line in lines:
        name = line.removeprefix("a=").partition(":")[0].replace("-", "_")
        if name in changes:
            if (text := changes[name]) is not None:
                out.append(text)
        else:
            out.append(line)
    return "\r\n".join([*out, ""]).encode()


def answered(offer: bytes, setup: Setup = "active", codec: Codec = PCMU) -> bytes:
    """Return our answer."""
    return build_web_answer(
        offer, OWN, session_id=1, version=2, codec=codec, event_pt=126, direction="sendrecv", setup=setup
    )


def test_an_offer_of_chrome_is_read() -> None:
    """Codecs, transport and candidates; names and TCP are passed over."""
    remote = read_remote(body(CHROME))
    assert [codec.name for codec in remote.audio] == ["opus", "G722", "PCMU", "PCMA"]
    assert (remote.event_pt, remote.direction, remote.index) == (126, "sendrecv", 0)
    assert remote.other_media == ((1, "video"),)
    web = remote.web
    assert web is not None
    assert (web.ufrag, web.password) == ("EsAw", "bP+XJMM09aR8AiX1jdukzR6Y")
    assert web.fingerprints == (Fingerprint("sha-256", PRINT),)
    assert (web.setup, web.mid, web.lite) == ("actpass", "0", False)
    assert web.candidates == (Candidate("842163049", 1677729535, "203.0.113.9", 54321, "srflx"),)


def test_an_offer_of_firefox_is_read() -> None:
    """What stands at the session counts for the section, and 0.0.0.0 says nothing of a hold."""
    remote = read_remote(body(FIREFOX))
    assert (remote.direction, remote.event_pt) == ("sendonly", 101)
    web = remote.web
    assert web is not None
    assert web.fingerprints == (Fingerprint("sha-256", PRINT),)
    assert (web.mid, web.candidates) == ("audio-0", ())


def test_a_bundled_section_has_the_transport_of_the_first() -> None:
    """RFC 8843 §7.3.3: audio that is bundle-only leaves its transport out."""
    lines = [
        *CHROME[:5],
        *CHROME[34:44],
        f"a=candidate:1 1 UDP 77 192.0.2.9 {5004} typ host",
        "m=audio 0 UDP/TLS/RTP/SAVPF 0",
        "c=IN IP4 0.0.0.0",
        "a=bundle-only",
        "a=mid:0",
    ]
    lines[4] = "a=group:BUNDLE 1 0"
    remote = read_remote("\r\n".join([*lines, ""]).encode())
    assert remote.index == 1
    assert remote.web is not None
    assert (remote.web.ufrag, remote.web.mid) == ("EsAw", "0")
    assert [candidate.port for candidate in remote.web.candidates] == [5004]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rtcp_mux": None}, "rtcp-mux"),
        ({"ice_ufrag": None}, "ice-ufrag"),
        ({"ice_ufrag": "a=ice-ufrag:abc"}, "ice-ufrag"),
        ({"ice_pwd": "a=ice-pwd:tooshort"}, "ice-pwd"),
        ({"ice_pwd": "a=ice-pwd:bP+XJMM09aR8AiX1jdukzR6Y "}, ""),
        ({"setup": "a=setup:holdconn"}, "setup"),
        ({"fingerprint": None}, "fingerprint"),
        ({"fingerprint": f"a=fingerprint:sha-1 {':'.join(['AB'] * 20)}"}, "fingerprint"),
        ({"fingerprint": f"a=fingerprint:sha-384 {PRINT}"}, "fingerprint"),
        ({"fingerprint": f"a=fingerprint:sha-256 {PRINT}:AB"}, "fingerprint"),
    ],
)
def test_a_transport_that_lacks_something_is_refused(changes: dict[str, str | None], reason: str) -> None:
    """488, and the text says what is missing."""
    offer = body(CHROME, **changes)
    if not reason:
        assert read_remote(offer).web is not None
        return
    with pytest.raises(SdpError, match=reason) as refusal:
        read_remote(offer)
    assert (refusal.value.status, refusal.value.warning) == (488, 302)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("1 1 udp 5 192.0.2.1 5000 typ host", True),
        ("1 1 UDP 5 2001:db8::1 5000 typ srflx raddr :: rport 9 generation 0", True),
        ("1 2 udp 5 192.0.2.1 5000 typ host", False),
        ("1 1 tcp 5 192.0.2.1 5000 typ host tcptype passive", False),
        ("1 1 udp 5 name.local 5000 typ host", False),
        ("1 1 udp 5 phone.example.com 5000 typ host", False),
        ("1 1 udp 5 224.0.0.1 5000 typ host", False),
        ("1 1 udp 5 255.255.255.255 5000 typ host", False),
        ("1 1 udp 5 0.0.0.0 5000 typ host", False),
        ("1 1 udp 5 fe80::1%eth0 5000 typ host", False),
        ("1 1 udp 5 192.0.2.1 0 typ host", False),
        ("1 1 udp 5 192.0.2.1 65536 typ host", False),
        ("1 1 udp 0 192.0.2.1 5000 typ host", False),
        ("1 1 udp 4294967296 192.0.2.1 5000 typ host", False),
        ("1 1 udp 5 192.0.2.1 5000 typ odd", False),
        ("1 1 udp 5 192.0.2.1 5000", False),
        ("", False),
    ],
)
def test_only_usable_candidates_are_taken(text: str, known: bool) -> None:
    """UDP to a unicast address, written as one."""
    assert (read_candidate(text) is not None) is known


def test_no_more_than_a_few_candidates_are_tried() -> None:
    """A peer cannot have us knock at a whole network."""
    many = [f"a=candidate:1 1 udp 5 192.0.2.{n} 5000 typ host" for n in range(1, 200)]
    remote = read_remote(body([*CHROME[:34], *many]))
    assert remote.web is not None
    assert len(remote.web.candidates) == MAX_CANDIDATES


@pytest.mark.parametrize("offer", [CHROME, FIREFOX])
def test_an_answer_is_what_a_foreign_reader_expects(offer: list[str]) -> None:
    """One audio section in its place and in the group, the rest refused with port 0."""
    said = SessionDescription.parse(answered(body(offer)).decode())
    audio, other = said.media
    assert [group.items for group in said.group] == [[audio.rtp.muxId]]
    assert (audio.kind, audio.port, audio.profile) == ("audio", 30000, "UDP/TLS/RTP/SAVPF")
    assert audio.rtcp_mux
    assert audio.direction == "sendrecv"
    assert (audio.ice.usernameFragment, audio.ice.password) == (OWN.ufrag, OWN.password)
    assert audio.ice_candidates_complete
    assert [(each.ip, each.port, each.type) for each in audio.ice_candidates] == [
        ("192.0.2.1", 30000, "host"),
        ("198.51.100.1", 30000, "srflx"),
    ]
    assert audio.ice_candidates[1].relatedAddress == "192.0.2.1"
    assert audio.dtls is not None
    assert audio.dtls.role == "client"
    assert [(each.algorithm, each.value) for each in audio.dtls.fingerprints] == [("sha-256", OTHER_PRINT)]
    assert [codec.name for codec in audio.rtp.codecs] == ["PCMU", "telephone-event"]
    assert other.port == 0


def test_our_offer_is_what_a_foreign_reader_expects() -> None:
    """All that WebRTC asks of an offer of audio."""
    made = build_web_offer(OWN, session_id=1, version=1, codecs=(PCMA, PCMU), event_pt=101)
    said = SessionDescription.parse(made.decode())
    (audio,) = said.media
    assert audio.rtp.muxId == "0"
    assert [group.items for group in said.group] == [["0"]]
    assert audio.host == "198.51.100.1"
    assert audio.dtls is not None
    assert audio.dtls.role == "auto"
    assert [codec.name for codec in audio.rtp.codecs] == ["PCMA", "PCMU", "telephone-event"]
    assert audio.msid == "switchboard audio"


def test_we_read_what_we_write() -> None:
    """Our offer, read as a peer's."""
    remote = read_remote(build_web_offer(OWN, session_id=1, version=1, codecs=(PCMA,), event_pt=101))
    assert remote.web is not None
    # The related address is of no use to a peer.
    assert remote.web.candidates == tuple(
        msgspec.structs.replace(one, related_address="", related_port=0) for one in OWN.candidates
    )
    assert (remote.web.ufrag, remote.web.setup) == (OWN.ufrag, "actpass")


def test_a_new_offer_keeps_sections_and_names() -> None:
    """RFC 3264 §8: what we rejected stays in its place, with its identification."""
    made = build_web_offer(
        OWN, session_id=1, version=3, codecs=(PCMU,), event_pt=None, direction="sendonly", previous=body(FIREFOX)
    )
    said = SessionDescription.parse(made.decode())
    assert [(each.kind, each.port) for each in said.media] == [("audio", 30000), ("application", 0)]
    assert said.media[0].rtp.muxId == "audio-0"
    assert b"a=mid:data\r\n" in made


def test_names_of_rejected_sections_are_repeated_only_where_they_are_names() -> None:
    """Nothing of a peer's text gets in by an identification."""
    lines = [*CHROME]
    lines[lines.index("a=mid:1")] = "a=mid:1 2;x"
    assert b"x" not in answered(body(lines)).partition(b"m=video")[2].replace(b"UDP/TLS", b"")


def test_an_answer_without_identification_has_no_group() -> None:
    """Who offers no group gets none."""
    lines = [line for line in CHROME if not line.startswith(("a=group", "a=mid"))]
    made = answered(body(lines))
    assert b"group" not in made
    assert b"a=mid" not in made


@pytest.mark.parametrize(
    ("setup", "offered", "role"),
    [
        ("actpass", True, "client"),
        ("passive", True, "client"),
        ("active", True, "server"),
        ("active", False, "server"),
        ("passive", False, "client"),
        ("actpass", False, "server"),
    ],
)
def test_roles_follow_from_setup(setup: Setup, offered: bool, role: Role) -> None:
    """RFC 5763 §5."""
    assert role_of(setup, offered=offered) == role


def test_new_credentials_are_a_restart() -> None:
    """RFC 8839 §4.4.1.1.1."""
    before = _web(read_remote(body(CHROME)))
    same = _web(read_remote(body(CHROME, candidate=None)))
    new = _web(read_remote(body(CHROME, ice_ufrag="a=ice-ufrag:other")))
    assert before.same_ice(same)
    assert not before.same_ice(new)


def _web(remote: Remote) -> PeerTransport:
    assert remote.web is not None
    return remote.web
