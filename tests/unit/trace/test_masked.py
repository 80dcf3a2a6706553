"""What is masked in a message, and that nothing moves."""

from __future__ import annotations

import pytest

from switchboard.trace.masked import masked, without_keys

HEAD = b"INVITE sip:4008001234@192.0.2.1 SIP/2.0\r\nCall-ID: a\r\n"
SDP = b"Content-Type: application/sdp\r\n\r\nv=0\r\n"

CASES = (
    (HEAD, b"13912345678", b"From: <sip:13912345678@192.0.2.7>\r\n\r\n", b"139****5678"),
    (HEAD, b"139 1234 5678", b'From: "139 1234 5678" <sip:x@y>\r\n\r\n', b"139******5678"),
    (HEAD, b"+86-139-1234-5678", b"P-Asserted-Identity: <tel:+86-139-1234-5678>\r\n\r\n", b"+86-*********5678"),
    (HEAD, b"139-1234.5678", b"Diversion: <tel:+86.139-1234.5678;ext=1>;reason=unknown\r\n\r\n", b"+86.*********5678"),
    (HEAD, b"201.555", b"History-Info: <sip:+1.201.555.0123@y?Reason=SIP>;index=1\r\n\r\n", b"+1.2*******0123@y"),
    (HEAD, b"555)-", b"P-Asserted-Identity: <sip:(201)-(555)-0123@y>\r\n\r\n", b"(201********0123@y"),
    (HEAD, b"8888 66", b'From: "+86 (10) 8888 6666" <sip:x@y>\r\n\r\n', b"+86 **********6666"),
    (HEAD, b"8888 66", b"From: 010 8888 6666 <sip:x@y>\r\n\r\n", b"010******6666 <sip:x@y>"),
    (HEAD, b"5550123", b"Refer-To: <sip:x@y?P-Asserted-Identity=tel%3A%2B1-201.5550123>\r\n\r\n", b"%2B1-2******0123"),
    (HEAD, b"8888 66", b"Subject: of 010 8888 6666\r\n\r\n", b"of 010******6666"),
    (HEAD, b"8888.66", SDP + b"o=- 1 1 IN IP4 192.168.100.200\r\ns=010.8888.6666\r\n", b"IP4 192.168.100.200\r\ns=010"),
    (HEAD, b"s3cretkey", SDP + b"a=key-mgmt:mikey s3cretkey\r\n", b"a=key-mgmt:mikey ***"),
    (HEAD, b"%31%33%39%31%32%33%34%35%36%37%38", b"From: <sip:%31%33%39%31%32%33%34%35%36%37%38@y>\r\n\r\n", b"***"),
    (HEAD, b"s3cretproof", b'Authorization: Digest username="al", response="s3cretproof"\r\n\r\n', b'"al"'),
    (HEAD, b"s3cretproof", b'Proxy-Authorization: Digest nc=1,\r\n response="s3cretproof"\r\n\r\n', b"nc=1"),
    (HEAD, b"s3cretproof", b"Authorization: Basic s3cretproof\r\n\r\n", b"***"),
    (HEAD, b"s3cretproof", b"Authentication-Info: rspauth=s3cretproof\r\n\r\n", b"rspauth"),
    (HEAD, b"s3cretkey", SDP + b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:s3cretkey\r\n", b"AES_CM_128_HMAC_SHA1_80"),
    (HEAD, b"s3cretkey", SDP + b"a=crypto:1\tAES_CM_128_HMAC_SHA1_80\t inline:s3cretkey|2^20\r\n", b"_SHA1_80"),
    (HEAD, b"s3cretkey", SDP + b"a=crypto:s3cretkey\r\n", b"a=crypto:***"),
    (HEAD, b"s3cretkey", SDP + b"A=CRYPTO:1 inline:s3cretkey\r\n", b"A=CRYPTO:"),
    (HEAD, b"s3cretkey", SDP + b"a=ice-pwd:s3cretkey\r\n", b"a=ice-pwd:***"),
    (HEAD, b"Signal=5", b"Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n", b"***"),
    (HEAD, b"Signal=5", b"\r\nSignal=5", b"***"),
)  # fmt: skip


@pytest.mark.parametrize(("head", "secret", "rest", "left"), CASES)
def test_what_nobody_needs_to_see_becomes_asterisks(head: bytes, secret: bytes, rest: bytes, left: bytes) -> None:
    """The secret is gone, what tells its kind stays, and the message is as long as before, line for line."""
    assert secret in head + rest
    shown = masked(head + rest)
    assert secret not in shown
    assert left in shown
    assert [len(line) for line in shown.split(b"\r\n")] == [len(line) for line in (head + rest).split(b"\r\n")]


def test_addresses_ports_and_descriptions_stay() -> None:
    """What a ladder is read for."""
    message = (
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.168.100.200:5060;branch=z9hG4bKab12\r\nCSeq: 1 INVITE\r\n"
        + SDP
        + b"c=IN IP4 192.168.100.200\r\nm=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
    assert masked(message) == message
    notify = b"NOTIFY sip:x SIP/2.0\r\nContent-Type: message/sipfrag\r\n\r\nSIP/2.0 180 Ringing\r\n"
    assert masked(notify) == notify


def test_an_address_where_numbers_may_stand_stays() -> None:
    """Realms are quoted, and some phones have addresses for names."""
    message = b'SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="192.168.100.200", nonce="a"\r\n\r\n'
    assert masked(message) == message


def test_who_may_see_numbers_sees_no_keys() -> None:
    """Revealed messages still hold no key of media; all else is as it was."""
    line = b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:s3cretkey\r\n"
    message = HEAD + b"From: <sip:13912345678@192.0.2.7>\r\n" + SDP
    shown = without_keys(message + line)
    assert shown.startswith(message)
    assert b"s3cretkey" not in shown
    assert len(shown) == len(message + line)
