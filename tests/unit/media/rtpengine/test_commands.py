"""What rtpengine is told of a party, and what is read from what it says."""

from __future__ import annotations

import pytest

from media.control import Wire
from media.events import StreamStats
from media.rtp.quality import score
from media.rtpengine.bencode import Value
from media.rtpengine.commands import Party, Place, answer, describe, offer, place_in, read_key, stream_stats

OPUS = Party("192.0.2.1", 4000, "opus", 111, 110, Wire(48000, "useinbandfec=1", 20, 40, 48000, 13), 4009, True)


def test_a_party_is_described_by_what_it_takes() -> None:
    """Its codec with clock and parameters, its keys, its comfort noise, where its reports go."""
    text = describe(OPUS)
    assert "m=audio 4000 RTP/AVP 111 110 13\r\n" in text
    for line in (
        "c=IN IP4 192.0.2.1", "a=rtpmap:111 opus/48000/2", "a=fmtp:111 useinbandfec=1",
        "a=rtpmap:110 telephone-event/48000", "a=maxptime:40", "a=rtcp-mux", "a=rtcp:4009",
    ):  # fmt: skip
        assert f"{line}\r\n" in text
    assert "telephone-event" not in describe(Party("192.0.2.1", 4000, event_pt=None))


def test_what_a_party_reports_is_not_passed_on() -> None:
    """Its CNAME may be the number that is hidden, so that rtpengine reports in its own name, but to a worker."""
    assert "generate-RTCP" in str(offer("c", "a", "b", OPUS, reports=True)["flags"])
    for told in (offer("c", "a", "b", OPUS), answer("c", "a", "b", OPUS)):
        assert "generate-RTCP" not in str(told["flags"])


def test_only_who_is_behind_a_nat_is_learned() -> None:
    """From others nothing is taken but what comes from where they said they are."""
    assert "asymmetric" in str(offer("c", "a", "b", Party("192.0.2.1", 4000))["flags"])
    assert "asymmetric" not in str(offer("c", "a", "b", Party("192.0.2.1", 4000, nat=True))["flags"])
    assert "inject-DTMF" in str(offer("c", "a", "b", Party("192.0.2.1", 4000), injects=True)["flags"])
    assert (offer("c", "a", "", OPUS)["rtcp-mux"], answer("c", "a", "b", OPUS)["to-tag"]) == (["accept"], "b")


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        (
            {"result": "ok", "sdp": "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 52300 RTP/AVP 8\r\n"},
            Place("192.0.2.9", 52300),
        ),
        ({"result": "ok", "sdp": "v=0\r\nm=audio 7 RTP/AVP 8\r\nc=IN IP4 192.0.2.9\r\n"}, Place("192.0.2.9", 7)),
        ({"result": "error", "error-reason": "Ran out of ports"}, None),
        ({"result": "ok", "sdp": "v=0\r\nc=IN IP4 192.0.2.9\r\nm=audio 0 RTP/AVP 8\r\n"}, None),
        ({"result": "ok", "sdp": "v=0\r\nc=IN IP4 name.example\r\nm=audio 7 RTP/AVP 8\r\n"}, None),
        ({"result": "ok", "sdp": 5}, None),
        ({"result": "ok"}, None),
        (None, None),
    ],
)
def test_a_port_is_read_from_an_answer(reply: dict[str, Value] | None, place: Place | None) -> None:
    """None where there is none."""
    assert place_in(reply) == place


def test_counters_are_those_of_both_parties() -> None:
    """What one said was sent to the other; answers of another shape say nothing."""

    def party(packets: int, reports: int) -> dict[str, Value]:
        streams: list[Value] = [
            {"flags": ["RTP", "filled"], "stats": {"packets": packets, "bytes": 172 * packets, "errors": 0}},
            {"flags": ["RTCP"], "stats": {"packets": reports, "bytes": 9, "errors": 0}},
        ]
        return {"medias": [{"streams": streams}]}

    reply: dict[str, Value] = {"tags": {"a": party(10, 2), "b": party(7, 1)}}
    assert stream_stats(reply, "a", "b", "PCMA") == StreamStats(
        received=10, received_octets=1720, sent=7, sent_octets=1204, rtcp=2, rtcp_sent=1
    )
    for odd in ({}, {"tags": 5}, {"tags": {"a": {"medias": []}}}, {"tags": {"a": {"medias": [{"streams": [5]}]}}}):
        assert stream_stats(odd, "a", "b", "PCMA") == StreamStats()


def test_what_a_party_has_reported_is_of_what_the_other_one_said() -> None:
    """Milliseconds, and the rating that the workers give; nothing where rtpengine keeps nothing of it."""

    def party(ssrc: int) -> dict[str, Value]:
        return {"medias": [{"streams": [{"flags": ["RTP"], "SSRC": ssrc, "stats": {"packets": 9}}]}]}

    mean: dict[str, Value] = {"MOS": 43, "round-trip time": 90000, "round-trip time leg": 40000, "jitter": 3}
    told: dict[str, Value] = {"cumulative loss": 7, "average MOS": {**mean, "packet loss": 2, "samples": 3}}
    reply: dict[str, Value] = {"tags": {"a": party(70), "b": party(80)}, "SSRC": {"70": {}, "80": told}}
    heard = stream_stats(reply, "a", "b", "PCMA")
    assert (heard.peer_lost, heard.peer_jitter_ms, heard.round_trip_ms) == (7, 3.0, 40.0)
    assert heard.mos_out == score("PCMA", 0.02, 40.0)
    assert stream_stats(reply, "a", "b", "opus").mos_out == score("opus", 0.02, 40.0)
    assert stream_stats(reply, "a", "b", "G722").mos_out is None
    unheard = stream_stats(reply, "b", "a", "PCMA")
    assert (unheard.peer_lost, unheard.peer_jitter_ms, unheard.round_trip_ms, unheard.mos_out) == (None,) * 4


@pytest.mark.parametrize(
    ("datagram", "key"),
    [
        (
            b'{"callid":"c","source_tag":"a","tags":["a","b"],"type":"DTMF","event":10,"duration":100}',
            ("c", "a", "*", 0.1),
        ),
        (b'{"callid":"c","source_tag":"a","type":"DTMF","event":1,"duration":"1"}', ("c", "a", "1", 0.0)),
        (b'{"callid":"c","source_tag":"a","type":"DTMF","event":1,"duration":-1}', ("c", "a", "1", 0.0)),
        (b'{"callid":"c","source_tag":"a","type":"DTMF","event":16}', None),
        (b'{"callid":"c","source_tag":"a","type":"DTMF"}', None),
        (b'{"callid":5,"source_tag":"a","type":"DTMF","event":1}', None),
        (b'{"type":"other"}', None),
        (b"[]", None),
        (b"\xff", None),
    ],
)
def test_a_key_is_read_from_the_log(datagram: bytes, key: tuple[str, str, str, float] | None) -> None:
    """And nothing else."""
    assert read_key(datagram) == key
