"""The bench phone's own reading and writing of SIP text."""

from __future__ import annotations

import hashlib

import pytest

from bench.wire import (
    Audio,
    Message,
    WireError,
    angle_uri,
    authorization,
    parse,
    read_sdp,
    reply,
    uri_address,
    write_sdp,
)

INVITE = (
    b"INVITE sip:4001@127.0.0.1:5060 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK1 ;rport\r\n"
    b"Max-Forwards: 70\r\n"
    b'f: "A;tag=no" <sip:a@127.0.0.1>;tag=one\r\n'
    b"t: <sip:4001@127.0.0.1>\r\n"
    b"i: abc\r\n"
    b"CSeq: 7\r\n  INVITE\r\n"
    b"m: <sip:a@127.0.0.1:5070>\r\n"
    b"Content-Length: 2\r\n\r\nhi"
)


def test_a_request_is_read_with_compact_and_folded_headers() -> None:
    """Compact names, folding and quoted decoys are understood."""
    message = parse(INVITE)
    assert (message.method, message.uri, message.call_id) == ("INVITE", "sip:4001@127.0.0.1:5060", "abc")
    assert (message.cseq, message.branch) == ((7, "INVITE"), "z9hG4bK1")
    assert (message.from_tag, message.to_tag, message.body) == ("one", "", b"hi")
    assert message.faults() == []


@pytest.mark.parametrize(
    "data", [b"hello", b"INVITE sip:a SIP/2.0\r\n", b"A B C\r\n\r\n", b"OK a SIP/2.0\r\nx\r\n\r\n"]
)
def test_what_is_no_sip_is_refused(data: bytes) -> None:
    """Bytes that cannot be framed raise `WireError`."""
    with pytest.raises(WireError):
        parse(data)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b"i: abc\r\n", b"", "no call-id"),
        (b"i: abc\r\n", b"i: abc\r\nCall-ID: d\r\n", "call-id more than once"),
        (b"Content-Length: 2", b"Content-Length: 3", "Content-Length 3 for 2 octets"),
        (b"7\r\n  INVITE", b"7 BYE", "CSeq names BYE in a INVITE"),
        (b"z9hG4bK1", b"1", "branch '1' lacks the magic cookie"),
        (b"Max-Forwards: 70\r\n", b"", "no max-forwards"),
        (b"m: <sip:a@127.0.0.1:5070>\r\n", b"", "no contact"),
        (b";tag=one", b"", "no tag in From"),
    ],
)
def test_a_fault_of_the_peer_is_named(old: bytes, new: bytes, fault: str) -> None:
    """Every fault the phone judges is found in a message that has it."""
    assert old in INVITE
    assert parse(INVITE.replace(old, new)).faults() == [fault]


def test_a_reply_copies_what_it_must_and_tags_to() -> None:
    """Via, From, To, Call-ID and CSeq come from the request, the tag is ours."""
    answer = parse(reply(parse(INVITE), 180, "Ringing", "mine").render())
    assert (answer.status, answer.reason, answer.to_tag, answer.cseq) == (
        180,
        "Ringing",
        "mine",
        (7, "INVITE"),
    )
    assert [name for name, _ in answer.headers] == ["v", "f", "t", "i", "CSeq", "Content-Length"]


def test_md5_without_qop() -> None:
    """The older sum MD5(HA1:nonce:HA2), with no nonce count, answers a challenge without qop."""
    secret, request = (hashlib.md5(text).hexdigest() for text in (b"u:r:p", b"REGISTER:sip:h"))
    expected = hashlib.md5(f"{secret}:n:{request}".encode()).hexdigest()
    value = authorization('Digest realm="r", nonce="n"', "REGISTER", "sip:h", "u", "p")
    assert f'response="{expected}"' in value
    assert "nc=" not in value


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_of_rfc_7616(algorithm: str, expected: str) -> None:
    """The two answers printed in RFC 7616 3.9.1 come out."""
    challenge = (
        'Digest realm="http-auth@example.org", qop="auth, auth-int", '
        f"algorithm={algorithm}, "
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    value = authorization(
        challenge,
        "GET",
        "/dir/index.html",
        "Mufasa",
        "Circle of Life",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert f'response="{expected}"' in value
    assert 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"' in value


def test_an_unknown_algorithm_is_refused() -> None:
    """A challenge the phone cannot answer is said, not guessed at."""
    with pytest.raises(WireError, match="SHA-512"):
        authorization('Digest realm="r", nonce="n", algorithm=SHA-512', "BYE", "sip:h", "u", "p")


def test_sdp_comes_back_as_written() -> None:
    """What `write_sdp` says, `read_sdp` understands."""
    audio = Audio("127.0.0.1", 4000, {"PCMA": 8, "telephone-event": 96}, "sendonly")
    assert read_sdp(write_sdp(audio, session=1, version=2)) == audio


def test_sdp_static_types_and_media_connection() -> None:
    """Static names without rtpmap, the stream's own address, video passed over."""
    body = b"v=0\r\nc=IN IP4 1.1.1.1\r\nm=video 1 RTP/AVP 96\r\nm=audio 2 RTP/AVP 0 8\r\nc=IN IP4 2.2.2.2\r\n"
    assert read_sdp(body) == Audio("2.2.2.2", 2, {"PCMU": 0, "PCMA": 8}, "sendrecv")


def test_sdp_without_audio_is_refused() -> None:
    """An SDP with video only raises `WireError`."""
    with pytest.raises(WireError):
        read_sdp(b"v=0\r\nc=IN IP4 1.1.1.1\r\nm=video 1 RTP/AVP 96\r\n")


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:a@1.2.3.4:99;lr", ("1.2.3.4", 99)),
        ("sip:1.2.3.4", ("1.2.3.4", 5060)),
        ("sip:a@example.com", ("d", 1)),
        ("sip:1.2.3.4@example.com", ("d", 1)),
    ],
)
def test_where_a_uri_leads(uri: str, expected: tuple[str, int]) -> None:
    """Numeric hosts are taken, names leave the default."""
    assert uri_address(uri, ("d", 1)) == expected


def test_uri_of_an_address() -> None:
    """Angle brackets and parameters around a URI go away."""
    assert angle_uri('"x" <sip:a@h;lr>;tag=1') == "sip:a@h;lr"
    assert angle_uri("sip:a@h;tag=1") == "sip:a@h"


def test_render_writes_the_length() -> None:
    """Content-Length is that of the body, whatever was there."""
    message = Message("BYE sip:a SIP/2.0", [("Content-Length", "99")], b"abc")
    assert message.render() == b"BYE sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc"
