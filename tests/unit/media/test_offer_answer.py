"""The offer/answer model: what a peer's description says, and what we write."""

from __future__ import annotations

import time

import pytest

from media.description import build_answer, build_offer
from media.formats import OURS, PCMA, PCMU, Codec
from media.offer_answer import (
    Agreement,
    agree_as_answerer,
    agree_as_offerer,
    answer_direction,
    choose,
    event_payload_type,
)
from media.remote import Remote, _read_lines, read_remote
from media.sdp import Direction, SdpError

G729 = Codec("G729", 18)
DIRECTIONS: tuple[Direction, ...] = ("sendrecv", "sendonly", "recvonly", "inactive")


def body(*lines: str, connection: str = "IN IP4 192.0.2.1") -> bytes:
    """Return a description of these lines after a head of the peer's."""
    head = ["v=0", "o=peer 77 88 IN IP4 192.0.2.200", "s=peers name", f"c={connection}", "t=0 0"]
    return "\r\n".join([*head, *lines, ""]).encode()


def remote(*lines: str, connection: str = "IN IP4 192.0.2.1") -> Remote:
    """Return what such a description says."""
    return read_remote(body(*lines, connection=connection))


def answer(offer: bytes, codec: Codec = PCMU, event_pt: int | None = None) -> bytes:
    """Return our answer to an offer."""
    return build_answer(
        offer,
        session_id=1,
        version=2,
        address="203.0.113.5",
        port=10000,
        codec=codec,
        event_pt=event_pt,
        direction=answer_direction(read_remote(offer).direction),
    )


def media_lines(description: bytes) -> list[str]:
    """Return the m= lines of a description."""
    return [line for line in description.decode().split("\r\n") if line.startswith("m=")]


def test_a_usual_offer_is_read() -> None:
    """All a softphone says of its audio is there, in its order."""
    assert remote(
        "m=audio 30000 RTP/AVP 8 0 18 101",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:18 G729/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:30",
        "a=sendrecv",
    ) == Remote(
        address="192.0.2.1",
        port=30000,
        audio=(PCMA, PCMU, G729),
        event_pt=101,
        direction="sendrecv",
        ptime=30,
        index=0,
        other_media=(),
    )


@pytest.mark.parametrize(
    ("formats", "maps", "audio", "event_pt"),
    [
        pytest.param("0 8", [], (PCMU, PCMA), None, id="static types need no rtpmap"),
        pytest.param("8 8 0 8", [], (PCMA, PCMU), None, id="repeated formats count once"),
        pytest.param("96", ["96 PCMA/8000"], (Codec("PCMA", 96),), None, id="dynamic number"),
        pytest.param("0", ["0 pcmu/8000/1"], (PCMU,), None, id="any case, one channel"),
        pytest.param("0", ["0  \tPCMU/8000 "], (PCMU,), None, id="white space"),
        pytest.param("0", ["0"], None, None, id="empty rtpmap"),
        pytest.param("0 8", ["0 G722/8000"], (Codec("G722", 0), PCMA), None, id="rtpmap beats the static name"),
        pytest.param("0", ["0 PCMU/8000", "0 G722/8000"], (PCMU,), None, id="first rtpmap counts"),
        pytest.param("8 96", ["96 PCMU/16000"], (PCMA, Codec("pcmu", 96, 16000)), None, id="another rate"),
        pytest.param("8 96", ["96 PCMU/8000/2"], (PCMA, Codec("pcmu", 96, 8000, 2)), None, id="two channels"),
        pytest.param("8 96", ["97 PCMU/8000"], (PCMA,), None, id="rtpmap of a number not listed"),
        pytest.param("8 08 +8 128", ["08 PCMU/8000", "+8 PCMU/8000", "128 PCMU/8000"], (PCMA,), None, id="odd"),
        pytest.param("8 ٨", ["٨ PCMU/8000"], (PCMA,), None, id="digits of another script"),
        pytest.param("0 97", ["97 telephone-event/8000"], (PCMU,), 97, id="events"),
        pytest.param("0 97", ["97 Telephone-Event/8000/1"], (PCMU,), 97, id="events, any case"),
        pytest.param("0 97", ["97 telephone-event/48000"], (PCMU,), None, id="events of another clock"),
        pytest.param(
            "0 100 101",
            ["100 telephone-event/16000", "101 telephone-event/8000"],
            (PCMU,),
            101,
            id="events of our clock are found behind others",
        ),
        pytest.param("0 96 97", ["96 telephone-event/8000", "97 telephone-event/8000"], (PCMU,), 96, id="first events"),
        pytest.param("0 300", ["300 telephone-event/8000"], (PCMU,), None, id="events without a number"),
    ],
)
def test_codecs_and_events(
    formats: str, maps: list[str], audio: tuple[Codec, ...] | None, event_pt: int | None
) -> None:
    """Formats are known by their rtpmap, the two static types without one (RFC 3551 §6)."""
    lines = [f"m=audio 9 RTP/AVP {formats}", *(f"a=rtpmap:{text}" for text in maps)]
    if audio is None:
        with pytest.raises(SdpError, match="no codec"):
            remote(*lines)
    else:
        assert (remote(*lines).audio, remote(*lines).event_pt) == (audio, event_pt)


@pytest.mark.parametrize(
    ("line", "ptime"),
    [("a=ptime:10", 10), ("a=ptime:200", 200), ("a=ptime: 40 ", 40)]
    + [(f"a=ptime{x}", 20) for x in ("", ":", ":0", ":201", ":-20", ":20.5", ":x", ":٢٠", ":" + "9" * 5000)],
)
def test_ptime_is_twenty_where_nothing_sensible_is_said(line: str, ptime: int) -> None:
    """A missing or absurd packet time is the default one (RFC 3551 §4.2)."""
    assert remote("m=audio 9 RTP/AVP 0", line).ptime == ptime


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_direction_is_taken_from_the_section_or_the_session(direction: Direction) -> None:
    """The section's own attribute beats the session's; sendrecv is the default."""
    assert remote("m=audio 9 RTP/AVP 0", f"a={direction}").direction == direction
    assert remote(f"a={direction}", "m=audio 9 RTP/AVP 0").direction == direction
    assert remote("a=inactive", "m=audio 9 RTP/AVP 0", f"a={direction}").direction == direction
    assert remote("m=audio 9 RTP/AVP 0").direction == "sendrecv"


@pytest.mark.parametrize(
    ("lines", "held"),
    [((), False), (("a=sendonly",), True), (("a=recvonly",), False), (("a=inactive",), True)],
)
def test_hold_is_seen_by_the_direction(lines: tuple[str, ...], held: bool) -> None:
    """A peer that does not want to receive has put us on hold (RFC 3264 §8.4)."""
    assert remote("m=audio 9 RTP/AVP 0", *lines).held is held


@pytest.mark.parametrize("connection", ["IN IP4 0.0.0.0", "IN IP6 ::"])
@pytest.mark.parametrize(
    ("said", "direction"),
    [
        ("sendrecv", "sendonly"),
        ("sendonly", "sendonly"),
        ("recvonly", "inactive"),
        ("inactive", "inactive"),
    ],
)
def test_the_null_address_is_a_hold(connection: str, said: str, direction: str) -> None:
    """c=0.0.0.0 forbids us to send, whatever the direction says (RFC 3264 §8.4)."""
    found = remote("m=audio 9 RTP/AVP 0", f"a={said}", connection=connection)
    assert (found.direction, found.held) == (direction, True)
    agreed = agree_as_answerer(found, PCMU, None, answer_direction(found.direction))
    assert agreed.send is False


def test_the_address_of_the_section_beats_that_of_the_session() -> None:
    """A hold may be written at one level and the address at the other."""
    assert remote("m=audio 9 RTP/AVP 0", "c=IN IP6 2001:DB8::2").address == "2001:db8::2"
    assert remote("m=audio 9 RTP/AVP 0", "c=IN IP4 0.0.0.0").held


def test_the_first_usable_audio_line_is_used() -> None:
    """Lines we cannot use are passed over and reported by place and kind."""
    found = remote(
        "m=video 4000 RTP/AVP 31",
        "m=audio 4002 RTP/SAVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4004 RTP/AVP 18",
        "m=audio 4006 RTP/AVP 8",
        "m=audio 4008 RTP/AVP 0",
    )
    assert (found.port, found.audio, found.index) == (4006, (PCMA,), 4)
    assert found.other_media == ((0, "video"), (1, "audio"), (2, "audio"), (3, "audio"), (5, "audio"))


@pytest.mark.parametrize(
    ("lines", "connection", "status", "warning", "reason"),
    [
        ([], "IN IP4 192.0.2.1", 488, 304, "no m= line"),
        (["m=video 9 RTP/AVP 31"], "IN IP4 192.0.2.1", 488, 304, "no audio: video"),
        (["m=audio 0 RTP/AVP 0"], "IN IP4 192.0.2.1", 488, 304, "audio with port 0"),
        (["m=audio 9 RTP/SAVP 0"], "IN IP4 192.0.2.1", 488, 302, "transport RTP/SAVP, only RTP/AVP"),
        (["m=audio 9 UDP/TLS/RTP/SAVPF 0"], "IN IP4 192.0.2.1", 488, 302, "audio without a=rtcp-mux"),
        (["m=audio 9 RTP/AVP 100 101"], "IN IP4 192.0.2.1", 488, 305, "no codec"),
        (
            ["m=audio 9 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"],
            "IN IP4 192.0.2.1",
            488,
            305,
            "no codec",
        ),
        (["m=audio 9 RTP/AVP 0"], "IN IP4 phone.example.com", 488, 301, "is no IP address"),
        (["m=audio 9 RTP/AVP 0"], "IN IP4 224.1.2.3", 488, 301, "is no unicast address"),
        (["m=audio 9 RTP/AVP 0"], "what", 400, 399, "c= line is not"),
        (["m=audio 9 RTP/SAVP 0", "m=video 9 RTP/AVP 31"], "IN IP4 192.0.2.1", 488, 302, "RTP/SAVP"),
        (["m=video 9 RTP/AVP 31", "m=audio 9 RTP/AVP 13"], "IN IP4 192.0.2.1", 488, 305, "no codec"),
    ],
)
def test_a_description_without_usable_audio_is_refused(
    lines: list[str], connection: str, status: int, warning: int, reason: str
) -> None:
    """The status and the warn-code (RFC 3261 §20.43) tell what we could not do with the audio."""
    with pytest.raises(SdpError, match=reason) as caught:
        remote(*lines, connection=connection)
    assert (caught.value.status, caught.value.warning) == (status, warning)


def test_audio_without_an_address_is_refused() -> None:
    """A c= line is needed at one of the two levels (RFC 8866 §5.7)."""
    with pytest.raises(SdpError, match="no c= line") as caught:
        read_remote(b"v=0\r\nm=audio 9 RTP/AVP 0\r\n")
    assert (caught.value.status, caught.value.section) == (400, "RFC 8866 §5.7")


def test_a_hostile_description_within_the_limits_costs_little() -> None:
    """The worst that fits costs milliseconds: no work grows with the square of the input."""
    section = "m=audio 9 RTP/AVP " + " ".join(str(number) for number in range(20, 120))
    attributes = [f"a=rtpmap:{number} X/1" for number in range(28)]
    hostile = body(*["a=x"] * 100, *[section, *attributes] * 64)
    assert len(hostile) < 65536
    begin = time.process_time()
    with pytest.raises(SdpError):
        read_remote(hostile)
    assert time.process_time() - begin < 0.2


@pytest.mark.parametrize(
    ("ours", "chosen"),
    [(("PCMU", "PCMA"), PCMA), (("PCMA",), PCMA), (("PCMU",), Codec("PCMU", 96)), (("opus",), None), ((), None)],
)
def test_the_offerers_order_decides_among_our_codecs(ours: tuple[str, ...], chosen: Codec | None) -> None:
    """The answerer should take the offerer's first choice that it has (RFC 3264 §6.1)."""
    assert choose(remote("m=audio 9 RTP/AVP 8 96", "a=rtpmap:96 PCMU/8000"), ours) == chosen


@pytest.mark.parametrize("other", ["PCMA/16000", "PCMA/8000/2", "G722/16000", "opus/16000/2"])
def test_a_codec_by_the_name_of_ours_at_another_clock_is_not_ours(other: str) -> None:
    """We would say it at half its speed, or mix its channels up; it may pass as it is, as any other."""
    found = remote("m=audio 9 RTP/AVP 96 8", f"a=rtpmap:96 {other}")
    assert choose(found, ("PCMA", "PCMU", "G722", "opus")) == PCMA
    passed = choose(found, ("PCMA", "any"))
    assert passed is not None
    assert passed.payload_type == 96
    assert passed.name not in OURS
    assert found == remote("m=audio 9 RTP/AVP 96 8", f"a=rtpmap:96 {passed.rtpmap}")


@pytest.mark.parametrize(
    ("offered", "willing", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendrecv", "recvonly", "recvonly"),
        ("sendrecv", "inactive", "inactive"),
        ("sendonly", "sendrecv", "recvonly"),
        ("sendonly", "sendonly", "inactive"),
        ("sendonly", "recvonly", "recvonly"),
        ("sendonly", "inactive", "inactive"),
        ("recvonly", "sendrecv", "sendonly"),
        ("recvonly", "sendonly", "sendonly"),
        ("recvonly", "recvonly", "inactive"),
        ("recvonly", "inactive", "inactive"),
        ("inactive", "sendrecv", "inactive"),
        ("inactive", "sendonly", "inactive"),
        ("inactive", "recvonly", "inactive"),
        ("inactive", "inactive", "inactive"),
    ],
)
def test_the_answered_direction(offered: Direction, willing: Direction, answered: Direction) -> None:
    """All 16 rows of RFC 3264 §6.1: the answer mirrors the offer as far as we are willing."""
    assert answer_direction(offered, willing) == answered


def test_payload_types_are_kept_per_direction() -> None:
    """We send under the peer's numbers and receive under ours (RFC 3264 §6.1)."""
    found = remote(
        "m=audio 4000 RTP/AVP 18 98 99", "a=rtpmap:98 PCMA/8000", "a=rtpmap:99 telephone-event/8000", "a=ptime:40"
    )
    assert agree_as_offerer(found, (PCMU, PCMA), 101) == Agreement(
        codec="PCMA",
        send_pt=98,
        receive_pt=8,
        send_event_pt=99,
        receive_event_pt=101,
        send=True,
        receive=True,
        address="192.0.2.1",
        port=4000,
        ptime=40,
    )
    answered = agree_as_answerer(found, Codec("PCMA", 98), 99, "sendrecv")
    assert (answered.send_pt, answered.receive_pt) == (98, 98)
    assert (answered.send_event_pt, answered.receive_event_pt) == (99, 99)


@pytest.mark.parametrize(("theirs", "ours"), [(None, 101), (101, None), (None, None)])
def test_events_need_both_sides(theirs: int | None, ours: int | None) -> None:
    """Telephone-events are off unless offer and answer both name them."""
    lines = ["m=audio 9 RTP/AVP 0"] if theirs is None else ["m=audio 9 RTP/AVP 0 101"]
    found = remote(*lines, "a=rtpmap:101 telephone-event/8000")
    agreed = agree_as_offerer(found, (PCMU,), ours)
    assert (agreed.send_event_pt, agreed.receive_event_pt) == (None, None)


@pytest.mark.parametrize("ours", DIRECTIONS)
@pytest.mark.parametrize("theirs", DIRECTIONS)
def test_who_sends_follows_from_both_directions(ours: Direction, theirs: Direction) -> None:
    """A side sends only where it said so and the other said that it receives."""
    agreed = agree_as_offerer(remote("m=audio 9 RTP/AVP 0", f"a={theirs}"), (PCMU,), None, ours)
    assert agreed.send is ("send" in ours and theirs in ("sendrecv", "recvonly"))
    assert agreed.receive is (ours in ("sendrecv", "recvonly") and "send" in theirs)


def test_an_answer_that_takes_none_of_our_codecs_is_refused() -> None:
    """An answer with a codec we did not offer concludes nothing."""
    with pytest.raises(SdpError, match="no codec of the offer") as caught:
        agree_as_offerer(remote("m=audio 9 RTP/AVP 0"), (PCMA,), None)
    assert (caught.value.status, caught.value.warning) == (488, 305)


def test_a_codec_offered_under_two_numbers_is_received_under_the_answered_one() -> None:
    """The answer's number tells which of them the peer took; another number tells nothing, so the first counts."""
    offered = (PCMU, Codec("PCMU", 97))
    line = "a=rtpmap:{0} PCMU/8000"
    for number, expected in ((0, 0), (97, 97), (98, 0)):
        found = remote(f"m=audio 9 RTP/AVP {number}", line.format(number))
        agreed = agree_as_offerer(found, offered, None)
        assert (agreed.send_pt, agreed.receive_pt) == (number, expected)


@pytest.mark.parametrize(
    ("codecs", "wanted", "number"),
    [((PCMU, PCMA), 101, 101), ((Codec("PCMU", 101),), 101, 127), ((Codec("PCMU", 96), Codec("PCMA", 127)), 96, 126)],
)
def test_events_take_a_number_no_codec_has(codecs: tuple[Codec, ...], wanted: int, number: int) -> None:
    """The wanted number is given unless a codec of the offer has it."""
    assert event_payload_type(codecs, wanted) == number


def test_an_offer_is_written_whole() -> None:
    """Byte for byte what goes out."""
    assert build_offer(
        session_id=17, version=3, address="203.0.113.5", port=10000, codecs=(PCMA, PCMU), event_pt=101
    ) == (
        b"v=0\r\no=- 17 3 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
        b"m=audio 10000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )


def test_an_ipv6_offer_without_events_on_hold() -> None:
    """The address tells the family; events and direction are as asked."""
    offer = build_offer(
        session_id=1,
        version=1,
        address="2001:db8::5",
        port=10002,
        codecs=(PCMU,),
        event_pt=None,
        direction="sendonly",
    )
    assert offer == (
        b"v=0\r\no=- 1 1 IN IP6 2001:db8::5\r\ns=-\r\nc=IN IP6 2001:db8::5\r\nt=0 0\r\n"
        b"m=audio 10002 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=sendonly\r\n"
    )
    assert read_remote(offer).held


def test_an_answer_is_written_whole() -> None:
    """One codec and the events of the offer, under the offer's numbers, mirrored."""
    offer = body(
        "m=audio 9 RTP/AVP 18 96 97",
        "a=rtpmap:96 PCMA/8000",
        "a=rtpmap:97 telephone-event/8000",
        "a=sendonly",
    )
    assert answer(offer, Codec("PCMA", 96), 97) == (
        b"v=0\r\no=- 1 2 IN IP4 203.0.113.5\r\ns=-\r\nc=IN IP4 203.0.113.5\r\nt=0 0\r\n"
        b"m=audio 10000 RTP/AVP 96 97\r\na=rtpmap:96 PCMA/8000\r\n"
        b"a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\na=ptime:20\r\na=recvonly\r\n"
    )


def test_other_m_lines_are_rejected_in_their_places() -> None:
    """As many m-lines as the offer has, in its order, the unused with port 0 (RFC 3264 §6)."""
    offer = body(
        "m=video 4000 RTP/AVPF 96",
        "m=image 4002 udptl t38",
        "m=audio 4004 RTP/AVP 0",
        "m=audio 4006 RTP/AVP 8",
        "m=application 4008 UDP/DTLS/SCTP webrtc-datachannel",
    )
    assert media_lines(answer(offer)) == [
        "m=video 0 RTP/AVPF 0",
        "m=image 0 udptl t38",
        "m=audio 10000 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
        "m=application 0 UDP/DTLS/SCTP *",
    ]


def test_a_new_offer_keeps_the_m_lines_of_the_dialog() -> None:
    """What was rejected before stays in place with port 0 (RFC 3264 §8)."""
    previous = body("m=video 4000 RTP/AVP 31", "m=audio 4002 RTP/AVP 0")
    offer = build_offer(
        session_id=1,
        version=2,
        address="203.0.113.5",
        port=10000,
        codecs=(PCMU,),
        event_pt=None,
        previous=previous,
    )
    assert media_lines(offer) == ["m=video 0 RTP/AVP 0", "m=audio 10000 RTP/AVP 0"]


def test_nothing_of_the_peers_text_is_repeated() -> None:
    """Names, addresses, ports, comments and attributes of the offer are not in the answer."""
    offer = (
        b"v=0\r\no=MARK1 999001 999002 IN IP4 198.51.100.7\r\ns=MARK2\r\ni=MARK3\r\nu=http://MARK4/\r\n"
        b"e=MARK5@example.com\r\np=13956781234\r\nc=IN IP4 198.51.100.8\r\nb=X-MARK6:1\r\nt=0 0\r\na=MARK7:1\r\n"
        b"a=tool:MARK8\r\nm=audio 49876 RTP/AVP 0 97\r\ni=MARK9\r\na=rtpmap:97 telephone-event/8000\r\n"
        b"a=fmtp:97 0-15,MARK10\r\na=label:MARK11\r\nm=video 49878 RTP/AVP 31 MARK12\r\na=MARK13\r\n"
    )
    written = answer(offer, PCMU, 97)
    assert b"MARK" not in written
    for secret in (b"13956781234", b"198.51", b"9990", b"4987"):
        assert secret not in written


# The examples of RFC 3264 §10, with addresses from RFC 5737 for the names, which we refuse (see below).
ALICE = "v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.10\r\ns=\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
BOB = "v=0\r\no=bob 2890844730 2890844730 IN IP4 192.0.2.20\r\ns=\r\nc=IN IP4 192.0.2.20\r\nt=0 0\r\n"


def test_rfc3264_10_1_first_offer_and_answer() -> None:
    """Audio is taken; both video lines are rejected, where Bob rejects one."""
    offer = (
        ALICE + "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 51372 RTP/AVP 31\r\n"
        "a=rtpmap:31 H261/90000\r\nm=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n"
    ).encode()
    found = read_remote(offer)
    assert (found.address, found.port, found.audio) == ("192.0.2.10", 49170, (PCMU,))
    assert found.other_media == ((1, "video"), (2, "video"))
    assert media_lines(answer(offer)) == [
        "m=audio 10000 RTP/AVP 0",
        "m=video 0 RTP/AVP 0",
        "m=video 0 RTP/AVP 0",
    ]


def test_rfc3264_10_1_bobs_answer_concludes_our_offer() -> None:
    """As Alice, we find our audio in Bob's answer among accepted and rejected video."""
    reply = (
        BOB + "m=audio 49920 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 31\r\n"
        "m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\n"
    ).encode()
    agreed = agree_as_offerer(read_remote(reply), (PCMU,), None)
    assert (agreed.codec, agreed.address, agreed.port, agreed.send, agreed.receive) == (
        "PCMU",
        "192.0.2.20",
        49920,
        True,
        True,
    )


def test_rfc3264_10_1_second_offer() -> None:
    """Bob moves his audio and adds a receive-only stream of events: four m-lines, four in the answer."""
    offer = (
        BOB + "m=audio 65422 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 31\r\n"
        "m=video 53000 RTP/AVP 32\r\na=rtpmap:32 MPV/90000\r\nm=audio 51434 RTP/AVP 110\r\n"
        "a=rtpmap:110 telephone-events/8000\r\na=recvonly\r\n"
    ).encode()
    found = read_remote(offer)
    assert (found.port, found.direction, found.event_pt) == (65422, "sendrecv", None)
    assert media_lines(answer(offer)) == [
        "m=audio 10000 RTP/AVP 0",
        "m=video 0 RTP/AVP 0",
        "m=video 0 RTP/AVP 0",
        "m=audio 0 RTP/AVP 0",
    ]


def test_rfc3264_10_2_one_of_several_codecs() -> None:
    """An inactive offer of three codecs is answered inactive with the one that is ours."""
    offer = (
        ALICE + "m=audio 62986 RTP/AVP 0 4 18\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:4 G723/8000\r\n"
        "a=rtpmap:18 G729/8000\r\na=inactive\r\n"
    ).encode()
    found = read_remote(offer)
    assert (found.audio, found.direction) == ((PCMU, Codec("G723", 4), G729), "inactive")
    assert b"m=audio 10000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=inactive\r\n" in answer(offer)


def test_rfc3264_10_2_the_final_offer_asks_for_a_codec_we_lack() -> None:
    """The re-offer with G.723 alone has nothing for us, but where it may pass through (RFC 3264 §8)."""
    offer = (ALICE + "m=audio 62986 RTP/AVP 4\r\na=rtpmap:4 G723/8000\r\na=sendrecv\r\n").encode()
    found = read_remote(offer)
    assert choose(found, ("PCMA", "PCMU", "G722", "opus")) is None
    assert choose(found, ("PCMA", "any")) == Codec("G723", 4)


def test_rfc3264_10_as_printed_names_hosts() -> None:
    """The printed examples have host names in c=, which we refuse: nothing here resolves names."""
    with pytest.raises(SdpError, match=r"'host.anywhere.com' is no IP address"):
        read_remote((ALICE.replace("192.0.2.10", "host.anywhere.com") + "m=audio 9 RTP/AVP 0\r\n").encode())


@pytest.mark.parametrize(
    ("lines", "port", "mux"),
    [
        ([], 0, False),
        (["a=rtcp:53020"], 53020, False),
        (["a=rtcp:53020 IN IP4 192.0.2.77"], 53020, False),
        (["a=rtcp:9", "a=rtcp-mux"], 9, True),
        (["a=rtcp-mux", "a=sendrecv"], 0, True),
        (["a=rtcp:"], 0, False),
        (["a=rtcp:65536"], 0, False),
        (["a=rtcp:-1"], 0, False),
        (["a=rtcp:\u0663"], 0, False),
        (["a=rtcp-fb:0 nack"], 0, False),
    ],
)
@pytest.mark.parametrize("other", [[], ["m=video 0 RTP/AVP 96"]], ids=["usual", "unusual"])
def test_where_reports_are_wanted(lines: list[str], port: int, mux: bool, other: list[str]) -> None:
    """a=rtcp (RFC 3605) and a=rtcp-mux (RFC 5761) of the audio, however the description is read."""
    found = remote("m=audio 9000 RTP/AVP 0", *lines, *other)
    assert (found.rtcp_port, found.rtcp_mux) == (port, mux)


def test_sharing_a_port_is_answered_where_it_was_offered() -> None:
    """Agreed by our answer alone: what we offer does not ask for it (RFC 5761 §5.1.1)."""
    found = remote("m=audio 9000 RTP/AVP 0", "a=rtcp-mux", "a=rtcp:9001")
    agreed = agree_as_answerer(found, PCMU, None, "sendrecv")
    assert (agreed.rtcp_port, agreed.rtcp_mux) == (9001, True)
    assert agree_as_offerer(found, (PCMU,), None).rtcp_mux is False
    offer = body("m=audio 9000 RTP/AVP 0", "a=rtcp-mux")
    shared = {"session_id": 1, "version": 2, "address": "203.0.113.5", "port": 10000, "codec": PCMU, "event_pt": None}
    reply = build_answer(offer, direction="sendrecv", rtcp_mux=True, **shared)  # type: ignore[arg-type]
    assert read_remote(reply).rtcp_mux
    assert not read_remote(answer(offer)).rtcp_mux


def test_what_is_remembered_of_descriptions_holds_no_keys() -> None:
    """Keys of SRTP stand beside plain audio where both may be had."""
    offer = ("m=audio 4000 RTP/AVP 8", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40)
    _read_lines.cache_clear()
    assert read_remote(body(*offer), "optional").port == 4000
    assert _read_lines.cache_info().currsize == 0
