"""Telephone events: what a peer keys is read once each, what we send follows RFC 4733."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.rtp.dtmf import KEYS, DigitReceiver, DigitSender
from media.rtp.packet import parse
from tests.support.pcap import read_udp

CAPTURES = Path("/usr/share/sip-tester")
END = 0x80


class Sent(NamedTuple):
    """One event packet as it reaches the receiver."""

    at: float
    seq: int
    ts: int
    marker: bool
    payload: bytes
    ssrc: int = 7


def event(at_ms: float, seq: int, ts: int, key: str, duration: int, *, end: bool = False, marker: bool = False) -> Sent:
    """A packet written out."""
    flags = 10 | (END if end else 0)
    payload = bytes((KEYS.index(key), flags)) + duration.to_bytes(2, "big")
    return Sent(at_ms / 1000.0, seq & 0xFFFF, ts & 0xFFFFFFFF, marker, payload)


def read(packets: list[Sent]) -> str:
    """The keys read from packets in order of arrival."""
    receiver = DigitReceiver()
    digits = [receiver.feed(p.at, p.seq, p.ts, p.ssrc, p.marker, p.payload) for p in packets]
    return "".join(digit for digit in digits if digit is not None)


def render(keys: str, *, seq: int = 65500, ts: int = 0xFFFFF000, ssrc: int = 7) -> list[list[Sent]]:
    """Our own sender's packets, a list for each key; sequence and timestamp wrap on the way."""
    sender = DigitSender(keys)
    presses: list[list[Sent]] = [[] for _ in keys]
    step = 0
    start = ts
    while not sender.done:
        packet = sender.step()
        if packet is not None:
            distance, payload = packet
            if distance == 0:
                start = ts + 160 * step
            sent = Sent(step * 0.02, seq & 0xFFFF, start & 0xFFFFFFFF, distance == 0, payload, ssrc)
            presses[step // DigitSender.STEPS].append(sent)
            seq += 1
        step += 1
    return presses


class TestSender:
    """DigitSender."""

    def test_one_key_is_five_updates_and_two_more_ends_of_one_timestamp(self) -> None:
        """The marker is on the first packet only, the duration grows, the end comes three times."""
        (press,) = render("5", seq=10, ts=1000)
        assert [p.seq for p in press] == list(range(10, 17))
        assert {p.ts for p in press} == {1000}
        assert [p.marker for p in press] == [True] + [False] * 6
        durations = [int.from_bytes(p.payload[2:], "big") for p in press]
        assert durations == [160, 320, 480, 640, 800, 800, 800]
        assert [bool(p.payload[1] & END) for p in press] == [False] * 4 + [True] * 3
        assert {p.payload[0] for p in press} == {5}

    def test_keys_are_160_ms_apart(self) -> None:
        """Each key is held for 100 ms and followed by 60 ms of rest."""
        first, second = render("1*", ts=0)
        assert (first[0].ts, second[0].ts) == (0, 1280)
        assert second[0].at - first[0].at == pytest.approx(0.16)

    @pytest.mark.parametrize(("key", "code"), [*zip("0123456789*#ABCD", range(16), strict=True), ("d", 15)])
    def test_every_key_has_its_event(self, key: str, code: int) -> None:
        """RFC 4733 §3.2."""
        packet = DigitSender(key).step()
        assert packet is not None
        assert packet[1][0] == code

    @pytest.mark.parametrize("keys", ["x", "12 3", "1\n", "F"])
    def test_other_characters_are_refused(self, keys: str) -> None:
        """Nothing is sent of a string with anything but keys in it."""
        with pytest.raises(ValueError, match="other characters"):
            DigitSender(keys)

    def test_refused_keys_leave_the_queue_as_it_was(self) -> None:
        """Appending is all or nothing."""
        sender = DigitSender("1")
        with pytest.raises(ValueError, match="other characters"):
            sender.append("2x")
        sender.append("3")
        codes = []
        while not sender.done:
            packet = sender.step()
            if packet is not None and packet[0] == 0:
                codes.append(packet[1][0])
        assert codes == [1, 3]

    def test_no_keys_are_done_at_once(self) -> None:
        """An empty string needs no step."""
        assert DigitSender("").done


class TestReceiver:
    """DigitReceiver."""

    @pytest.mark.parametrize(
        ("packets", "told"),
        [
            pytest.param([event(0, 1, 0, "5", 160, marker=True)], [], id="just pressed"),
            pytest.param([event(20 * n, n, 0, "5", 160 * n, end=n == 10) for n in range(1, 11)], [], id="for 200 ms"),
            pytest.param(
                [event(20 * n, n, 0, "5", 160 * n, end=n > 30) for n in range(1, 34)],
                [(11, "5", False), (31, "5", True)],
                id="held, and let go, each told once",
            ),
            pytest.param(
                [event(20 * n, n, 0, "5", 160 * n) for n in range(1, 13)]
                + [event(900, 60, 7200, "5", 160, marker=True)]
                + [event(20 * n, 100 + n, 16000, "6", 160 * n, end=n == 12) for n in range(50, 63)],
                [(11, "5", False), (14, "6", False)],
                id="another key, the end of the one before was lost",
            ),
            pytest.param([event(500, 9, 0, "5", 4000, end=True)] * 3, [(1, "5", True)], id="only ends arrive"),
        ],
    )
    def test_a_key_that_is_held_is_told_of(self, packets: list[Sent], told: list[tuple[int, str, bool]]) -> None:
        """Beyond 200 ms, and its end: at which packet, which key, whether it is over."""
        receiver, found = DigitReceiver(), []
        assert receiver.held() is None
        for number, p in enumerate(packets, 1):
            receiver.feed(p.at, p.seq, p.ts, p.ssrc, p.marker, p.payload)
            if (held := receiver.held()) is not None:
                found.append((number, *held))
        assert found == told

    @pytest.mark.parametrize(
        ("packets", "keys"),
        [
            pytest.param([event(0, 1, 0, "9", 160, marker=True)], "9", id="told at the first packet"),
            pytest.param([event(0, 7, 0, "9", 800, end=True)] * 3, "9", id="only ends arrive"),
            pytest.param([event(20 * n, n, 0, "9", 160 * n) for n in range(2, 6)], "9", id="neither start nor end"),
            pytest.param(
                [
                    event(0, 1, 0, "9", 160, marker=True),
                    event(20, 2, 0, "9", 1600, end=True),
                    event(250, 3, 7040, "1", 400, marker=True),
                    event(300, 4, 7040, "1", 800),
                    event(450, 5, 7040, "1", 2000, end=True),
                    event(700, 6, 11200, "1", 400, marker=True),
                ],
                "911",
                id="the 911 of RFC 4733 5, equal keys apart by timestamp",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "4", 160, marker=True),
                    event(20, 2, 0, "4", 320),
                    event(170, 9, 1280, "4", 320),
                    event(190, 10, 1280, "4", 480),
                ],
                "44",
                id="ends of the first and start of the second lost",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "4", 160, marker=True),
                    event(80, 5, 0, "4", 800, end=True),
                    event(160, 8, 1280, "5", 160, marker=True),
                    event(165, 7, 0, "4", 800, end=True),
                    event(180, 9, 1280, "5", 320),
                ],
                "45",
                id="a late end is no press of its own",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "4", 160, marker=True),
                    event(80, 5, 0, "4", 800, end=True),
                    event(85, 4, 0, "4", 640),
                    event(90, 1, 0, "4", 160, marker=True),
                ],
                "4",
                id="updates after the end are late ones",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "4", 160, marker=True),
                    event(140, 8, 0, "4", 800, end=True),
                    event(300, 1, 0, "4", 160, marker=True),
                ],
                "44",
                id="a marker 160 ms after the end is a press at the same timestamp",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "4", 160, marker=True),
                    event(140, 8, 0, "4", 800, end=True),
                    event(300, 9, 0, "4", 320),
                ],
                "44",
                id="a smaller duration 160 ms after the end is a press",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "4", 160, marker=True),
                    event(140, 8, 0, "4", 800, end=True),
                    event(300, 9, 0, "4", 800, end=True),
                ],
                "4",
                id="a repeated end long after is none",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "4", 160, marker=True),
                    event(20, 2, 0, "4", 320),
                    event(600, 31, 0, "4", 4800),
                    event(620, 32, 0, "4", 4960, end=True),
                ],
                "4",
                id="half a second lost within one press",
            ),
            pytest.param(
                [
                    event(0, 1, 5000, "1", 160, marker=True),
                    event(20, 2, 5000, "1", 320, end=True),
                    event(300, 3, 200, "2", 160, marker=True),
                    event(600, 4, 5000, "1", 160, marker=True),
                ],
                "121",
                id="timestamps go back",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "7", 160, marker=True),
                    event(8190, 400, 0, "7", 0xFFFF),
                    event(8210, 401, 0xFFFF, "7", 160),
                    event(8230, 402, 0xFFFF, "7", 320, end=True),
                ],
                "7",
                id="segments of a long event are one press",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "7", 160, marker=True),
                    event(8170, 399, 0, "7", 0xFFFF - 160),
                    event(8230, 402, 0xFFFF, "7", 320),
                ],
                "7",
                id="the last packet of a segment and the first of the next lost",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "7", 160, marker=True),
                    event(20, 2, 160, "7", 320),
                    event(40, 3, 320, "7", 480),
                    event(45, 2, 160, "7", 320),
                    event(60, 4, 480, "7", 640, end=True),
                    event(61, 5, 640, "7", 640, end=True),
                ],
                "7",
                id="a sender that lets the timestamp run",
            ),
            pytest.param(
                [
                    event(0, 1, 0, "7", 160),
                    event(20, 2, 0, "7", 320, end=True),
                    event(100, 3, 900, "7", 160),
                ],
                "77",
                id="a sender that never sets the marker",
            ),
        ],
    )
    def test_reads(self, packets: list[Sent], keys: str) -> None:
        """Each case names what the network or the sender did."""
        assert read(packets) == keys

    def test_an_equal_press_of_another_source_is_a_press(self) -> None:
        """A changed SSRC is another sender."""
        first = event(0, 1, 0, "3", 160)
        assert read([first, first._replace(ssrc=8, at=0.02)]) == "33"

    @pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x0a\x00", b"\x10\x0a\x00\xa0", b"\xff\xff\xff\xff"])
    def test_what_is_no_key_is_ignored(self, payload: bytes) -> None:
        """Short payloads and other events (flash, tones) tell nothing and disturb nothing."""
        receiver = DigitReceiver()
        assert receiver.feed(0.0, 1, 0, 7, True, payload) is None
        assert receiver.feed(0.02, 2, 160, 7, True, b"\x05\x0a\x00\xa0") == "5"


def survivors(draw: st.DrawFn, press: list[Sent]) -> list[Sent]:
    """What the network leaves of one press: at least one packet, some twice, each up to 19 ms late."""
    kept = draw(st.sets(st.integers(0, len(press) - 1), min_size=1))
    arrived = []
    for index in sorted(kept):
        for _ in range(draw(st.integers(1, 2))):
            late = draw(st.floats(0.0, 0.019))
            arrived.append(press[index]._replace(at=press[index].at + late))
    return arrived


@st.composite
def over_a_bad_line(draw: st.DrawFn) -> tuple[str, list[Sent]]:
    """Keys and the packets that arrive of them, in order of arrival."""
    keys = draw(st.text(KEYS, min_size=1, max_size=8))
    presses = render(keys, seq=draw(st.integers(0, 65535)), ts=draw(st.integers(0, 2**32 - 1)))
    arrived = [sent for press in presses for sent in survivors(draw, press)]
    return keys, sorted(arrived, key=lambda sent: sent.at)


@st.composite
def replayed(draw: st.DrawFn) -> tuple[str, list[Sent]]:
    """Keys played from captures: each press of a key has the same sequence, timestamp and SSRC."""
    keys = draw(st.text("0123", min_size=1, max_size=6))
    captures = {key: render(key, seq=1000 + 50 * int(key), ts=9000 * int(key))[0] for key in "0123"}
    arrived = []
    start = 0.0
    for key in keys:
        late = [sent._replace(at=sent.at + start) for sent in captures[key]]
        # Only the mark tells the same packets from those that a line which stood still has kept.
        arrived += [late[0], *survivors(draw, late[1:])]
        start += draw(st.floats(0.30, 3.0))
    return keys, sorted(arrived, key=lambda sent: sent.at)


@given(over_a_bad_line())
def test_keys_survive_loss_duplication_and_reordering(case: tuple[str, list[Sent]]) -> None:
    """Whatever a line does short of losing a whole key, the same keys are read."""
    keys, packets = case
    assert read(packets) == keys


@given(replayed())
def test_replayed_captures_read_as_keyed(case: tuple[str, list[Sent]]) -> None:
    """Presses that look the same on the wire are told apart by time, with packets lost as well."""
    keys, packets = case
    assert read(packets) == keys


@st.composite
def stopped(draw: st.DrawFn) -> tuple[str, list[Sent]]:
    """Keys of which some packets are lost, on a line that carries nothing for a while and then all of it at once."""
    keys = draw(st.text(KEYS, min_size=1, max_size=8))
    sent = [each for press in render(keys, seq=65530, ts=2**32 - 4000) for each in lossy(draw, press)]
    stop = draw(st.floats(0.0, sent[-1].at))
    end = stop + draw(st.floats(0.0, 3.0))
    return keys, [each._replace(at=max(each.at, end)) if each.at >= stop else each for each in sent]


def lossy(draw: st.DrawFn, press: list[Sent]) -> list[Sent]:
    """What is left of one press: at least one packet."""
    return [press[index] for index in sorted(draw(st.sets(st.integers(0, len(press) - 1), min_size=1)))]


@given(stopped())
def test_a_line_that_stands_still_doubles_no_key(case: tuple[str, list[Sent]]) -> None:
    """However long it does, and in whatever part of a press."""
    keys, packets = case
    assert read(packets) == keys


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans(), st.binary(max_size=8))))
def test_anything_at_all_is_survived(packets: list[tuple[int, int, bool, bytes]]) -> None:
    """No payload raises, and no more keys are read than packets came."""
    receiver = DigitReceiver()
    read = [receiver.feed(n * 0.02, seq, ts, 1, marker, body) for n, (seq, ts, marker, body) in enumerate(packets)]
    assert all(key is None or key in KEYS for key in read)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="SIPp's captures are not installed (Debian: sip-tester)")
@pytest.mark.parametrize("keys", ["4271", "112233", "0123456789*#", "000000"])
@pytest.mark.parametrize("pause", [0.25, 1.0])
def test_sipp_captures_read_as_played(keys: str, pause: float) -> None:
    """SIPp's recordings, which share an SSRC and repeat timestamps and sequence numbers."""
    receiver = DigitReceiver()
    read = ""
    start = 0.0
    for key in keys:
        name = {"*": "star", "#": "pound"}.get(key, key)
        for at, payload in read_udp(CAPTURES / f"dtmf_2833_{name}.pcap"):
            packet = parse(payload)
            assert packet is not None
            read += receiver.feed(start + at, packet.seq, packet.ts, packet.ssrc, packet.marker, packet.payload) or ""
        start += pause
    assert read == keys
