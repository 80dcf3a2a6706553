"""Reading and writing session descriptions."""

from __future__ import annotations

import time

import pytest

from media.sdp import (
    MAX_BYTES,
    MAX_FORMATS,
    MAX_LINES,
    MAX_MEDIA,
    Media,
    Origin,
    SdpError,
    Session,
    parse_address,
    parse_sdp,
)

FULL = (
    "v=0\r\n"
    "o=alice 2890844526 2890844527 IN IP4 198.51.100.1\r\n"
    "s=A seminar\r\n"
    "i=About it\r\n"
    "u=http://example.com/seminar\r\n"
    "e=a@example.com\r\n"
    "c=IN IP4 198.51.100.1\r\n"
    "b=AS:128\r\n"
    "t=2873397496 2873404696\r\n"
    "t=0 0\r\n"
    "z=0 0\r\n"
    "a=recvonly\r\n"
    "m=audio 49170 RTP/AVP 0 101\r\n"
    "i=the voice\r\n"
    "c=IN IP4 198.51.100.2\r\n"
    "b=TIAS:64000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\n"
    "a=x-unknown\r\n"
    "m=video 51372/2 RTP/AVP 99\r\n"
    "a=sendonly\r\n"
)


def sdp(*lines: str) -> bytes:
    """Return a description of these lines after a minimal head."""
    return "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", *lines, ""]).encode()


def test_every_part_of_a_full_description_is_read() -> None:
    """Session and media levels are told apart and nothing is lost."""
    session = parse_sdp(FULL.encode())
    assert session == Session(
        origin=Origin("alice", "2890844526", "2890844527", "IN", "IP4", "198.51.100.1"),
        name="A seminar",
        connection="IN IP4 198.51.100.1",
        times=["2873397496 2873404696", "0 0"],
        attributes=["recvonly"],
        lines=["i=About it", "u=http://example.com/seminar", "e=a@example.com", "b=AS:128", "z=0 0"],
        media=[
            Media(
                "audio",
                49170,
                "RTP/AVP",
                ["0", "101"],
                connection="IN IP4 198.51.100.2",
                attributes=["rtpmap:101 telephone-event/8000", "x-unknown"],
                lines=["i=the voice", "b=TIAS:64000"],
            ),
            Media("video", 51372, "RTP/AVP", ["99"], port_count=2, attributes=["sendonly"]),
        ],
    )


def test_a_description_is_written_as_it_was_read() -> None:
    """Unknown lines and attributes survive, in the order RFC 8866 demands."""
    assert parse_sdp(FULL.encode()).render() == FULL.encode()


def test_attributes_and_what_is_inherited_from_the_session() -> None:
    """Direction and address come from the section, else from the session."""
    session = parse_sdp(FULL.encode())
    audio, video = session.media
    assert (session.direction(audio), session.direction(video)) == ("recvonly", "sendonly")
    assert (audio.direction, video.direction) == (None, "sendonly")
    assert session.connection_of(audio) == "IN IP4 198.51.100.2"
    assert session.connection_of(video) == "IN IP4 198.51.100.1"
    assert audio.attribute("rtpmap") == "101 telephone-event/8000"
    assert audio.attribute("x-unknown") == ""
    assert audio.attribute("rtp") is None
    assert session.attribute("recvonly") == ""
    assert parse_sdp(sdp("m=audio 1 RTP/AVP 0")).direction(Media("audio", 1, "RTP/AVP", ["0"])) == "sendrecv"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(FULL.replace("\r\n", "\n"), id="LF line ends"),
        pytest.param(FULL + "\r\n\r\n", id="blank lines at the end"),
        pytest.param(FULL.removesuffix("\r\n"), id="no end of the last line"),
        pytest.param(FULL.replace("\r\n", " \r\n"), id="spaces at line ends"),
    ],
)
def test_layout_does_not_matter(text: str) -> None:
    """Line ends and white space that other stacks produce are taken."""
    assert parse_sdp(text.encode()) == parse_sdp(FULL.encode())


@pytest.mark.parametrize("missing", ["o=", "s=", "t=", "c="])
def test_a_missing_line_is_tolerated(missing: str) -> None:
    """Only v= is needed to know that this is a description."""
    lines = [line for line in FULL.split("\r\n") if not line.startswith(missing)]
    session = parse_sdp("\r\n".join(lines).encode())
    assert [media.kind for media in session.media] == ["audio", "video"]
    assert session.render().startswith(b"v=0\r\n")
    assert b"\r\ns=" in session.render()
    assert b"\r\nt=" in session.render()


def test_a_broken_origin_and_an_empty_name_are_tolerated() -> None:
    """We need neither, so neither ends a call."""
    session = parse_sdp(b"v=0\no=broken\ns= \nm=audio 9 RTP/AVP 0\n")
    assert session.origin is None
    assert session.name == "-"


def test_a_second_connection_or_origin_is_kept_but_does_not_count() -> None:
    """The first c= line of a level is the one that applies, as in the multi-address example of RFC 5118."""
    session = parse_sdp(
        sdp("o=- 2 2 IN IP4 192.0.2.9", "c=IN IP4 192.0.2.1", "c=IN IP6 ::1", "m=audio 9 RTP/AVP 0")
        + b"c=IN IP6 2001:db8::1\r\nc=IN IP4 192.0.2.2\r\n"
    )
    assert session.connection == "IN IP4 192.0.2.1"
    assert session.lines == ["o=- 2 2 IN IP4 192.0.2.9", "c=IN IP6 ::1"]
    assert session.media[0].connection == "IN IP6 2001:db8::1"
    assert session.media[0].lines == ["c=IN IP4 192.0.2.2"]


def test_octets_that_are_no_utf8_survive() -> None:
    """A name in another character set is passed through as it came."""
    body = b"v=0\r\ns=\xc4\xe3\xba\xc3\r\nt=0 0\r\na=x:\xff\r\n"
    assert parse_sdp(body).render() == body


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "does not begin with v=0"),
        (b"\x00\x01\x02", "does not begin with v=0"),
        (b"v=1\r\n", "does not begin with v=0"),
        (b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n", "does not begin with v=0"),
        (sdp("a"), "line without a type: 'a'"),
        (sdp("hello there"), "line without a type: 'hello there'"),
        (sdp("1=x"), "line without a type"),
        (sdp("\x1b[2J" + "x" * 100), "line without a type: '\\x1b[2J"),
        (sdp("m=audio"), "m= line with 1 fields, 4 needed"),
        (sdp("m=audio 9 RTP/AVP"), "m= line with 3 fields, 4 needed"),
        (sdp("m=audio x RTP/AVP 0"), "port 'x' is no number from 0 to 65535"),
        (sdp("m=audio -1 RTP/AVP 0"), "port '-1' is no number"),
        (sdp("m=audio +1 RTP/AVP 0"), "port '+1' is no number"),
        (sdp("m=audio 65536 RTP/AVP 0"), "port '65536' is no number from 0 to 65535"),
        (sdp("m=audio ٣ RTP/AVP 0"), "is no number from 0 to 65535"),
        (sdp(f"m=audio {'9' * 5000} RTP/AVP 0"), "is no number from 0 to 65535"),
        (sdp("m=audio 9/ RTP/AVP 0"), "port count '' is no number"),
        (sdp('m=au"dio 9 RTP/AVP 0'), "media type or protocol is no token"),
    ],
)
def test_what_cannot_be_read_is_refused_with_400(body: bytes, reason: str) -> None:
    """The reason names the fault, escaped and cut, and the status is that of a malformed body."""
    with pytest.raises(SdpError) as caught:
        parse_sdp(body)
    assert reason in caught.value.reason
    assert caught.value.status == 400
    assert len(caught.value.reason) < 200
    assert caught.value.reason.isprintable()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(sdp("a=" + "x" * (1 << 20)), f"bytes, limit {MAX_BYTES}", id="1 MiB"),
        pytest.param(b"v=0\n" + b"\n" * MAX_LINES, f"more than {MAX_LINES} lines", id="blank lines"),
        pytest.param(sdp(*["m=audio 9 RTP/AVP 0"] * 10_000), "limit", id="10,000 m-lines"),
        pytest.param(b"v=0\n" + b"m=\n" * 10_000, "more than 2000 lines", id="10,000 short m-lines"),
        pytest.param(sdp(*["m=audio 9 RTP/AVP 0"] * (MAX_MEDIA + 1)), f"more than {MAX_MEDIA} m= lines", id="m"),
        pytest.param(sdp("m=audio 9 RTP/AVP" + " 0" * (MAX_FORMATS + 1)), "formats in one m= line", id="formats"),
    ],
)
def test_a_description_beyond_the_limits_is_refused_at_once(body: bytes, reason: str) -> None:
    """The limits hold before any work that grows with the input, and 488 says what is wrong."""
    begin = time.process_time()
    with pytest.raises(SdpError) as caught:
        parse_sdp(body)
    assert time.process_time() - begin < 0.1
    assert reason in caught.value.reason
    assert caught.value.status == 488


def test_a_description_at_the_limits_is_read() -> None:
    """As many m-lines and formats as are allowed pass."""
    line = "m=audio 9 RTP/AVP" + " 0" * MAX_FORMATS
    assert len(parse_sdp(sdp(*[line] * MAX_MEDIA)).media) == MAX_MEDIA


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ("IN IP4 192.0.2.1", "192.0.2.1"),
        ("in ip4 192.0.2.1", "192.0.2.1"),
        ("IN IP4 0.0.0.0", "0.0.0.0"),
        ("IN IP4 223.255.255.255", "223.255.255.255"),
        ("IN IP6 2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("IN IP6 ::", "::"),
        ("IN IP6 ::ffff:192.0.2.1", "192.0.2.1"),
        ("IN IP4 2001:db8::1", "2001:db8::1"),
    ],
)
def test_addresses_are_read_in_canonical_form(connection: str, address: str) -> None:
    """The form is the one packets' sources are printed in; the address itself tells its family."""
    assert parse_address(connection) == address


@pytest.mark.parametrize(
    ("connection", "status"),
    [
        ("", 400),
        ("IN IP4", 400),
        ("ATM NSAP 47.0091", 400),
        ("IN IP4 192.0.2.1 192.0.2.2", 400),
        ("IN IP4 host.example.com", 488),
        ("IN IP4 192.0.2.256", 488),
        ("IN IP4 192.0.2", 488),
        ("IN IP4 010.0.0.1", 488),
        ("IN IP4 ١٩٢.0.2.1", 488),
        ("IN IP4 224.2.1.1", 488),
        ("IN IP4 224.2.1.1/127", 488),
        ("IN IP4 239.255.255.255", 488),
        ("IN IP4 255.255.255.255", 488),
        ("IN IP6 ::ffff:255.255.255.255", 488),
        ("IN IP6 ff02::1", 488),
        ("IN IP6 fe80::1%eth0", 488),
        ("IN IP6 2001:db8:::1", 488),
    ],
)
def test_what_is_no_unicast_address_is_refused(connection: str, status: int) -> None:
    """We never send to a group, a broadcast address or a name."""
    with pytest.raises(SdpError) as caught:
        parse_address(connection)
    assert caught.value.status == status
