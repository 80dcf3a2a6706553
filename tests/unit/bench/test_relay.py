"""Packets found again behind the target, and what that says of it."""

from __future__ import annotations

import struct

import pytest

from bench.capture import Packet
from bench.cpu import CpuMeter
from bench.load import Calls, Result
from bench.relay import audio, evaluate, flows_of, match, measure_cpu, number_of

SWITCH = ("127.0.0.1", 10000)


def rtp(number: int) -> bytes:
    """The start of packet `number`: a header, and what `audio` puts behind it."""
    return bytes(12) + audio(number + 1)[-160:][:12]


PAYLOADS = [rtp(number) for number in range(60)]


def stream(source: int, to: int, at: float, numbers: list[int], delay: float = 0.0) -> list[Packet]:
    """One call's packets in one direction, 20 ms apart."""
    return [Packet(at + n * 0.02 + delay, ("127.0.0.1", source), ("127.0.0.1", to), PAYLOADS[n]) for n in numbers]


ALL = list(range(60))


def test_each_packet_knows_its_number() -> None:
    """The number can be read from the cut packet, and from nothing else."""
    packet = Packet(0, SWITCH, SWITCH, PAYLOADS[59])
    assert number_of(packet) == 59
    assert number_of(packet._replace(payload=bytes(24))) is None


def test_each_packet_is_20_ms_of_its_own_number() -> None:
    """SIPp sends 160 octets a packet: the number stands at the start of each, however many there are."""
    data = audio(51)
    assert len(data) == 51 * 160
    assert [struct.unpack_from("!I", data, 160 * n)[0] for n in range(51)] == list(range(51))


def test_calls_that_begin_at_once_are_told_apart_by_their_ssrc() -> None:
    """By their times alone the second, whose packets are a little later, would be taken for the first."""

    def named(packets: list[Packet], ssrc: bytes) -> list[Packet]:
        return [one._replace(payload=one.payload[:8] + ssrc + one.payload[12:]) for one in packets]

    ahead = named(stream(31000, 10000, 0.0, ALL), b"aaaa") + named(stream(31004, 10004, 0.001, ALL), b"bbbb")
    behind = named(stream(10002, 30000, 0.0, ALL, 0.002), b"aaaa")
    behind += named(stream(10006, 30004, 0.001, ALL, 0.002), b"bbbb")
    way = match(flows_of(ahead, lambda p: True), flows_of(behind, lambda p: True))
    assert (way.lost, way.flows) == (0, 2)
    assert {round(delay, 6) for delay in way.delays} == {0.002}


def test_two_calls_are_told_apart_and_losses_counted() -> None:
    """Calls 50 ms apart keep their packets; the two that did not come through are lost, one at the start."""
    ahead = stream(31000, 10000, 0.0, ALL) + stream(31004, 10004, 0.05, ALL)
    behind = stream(10002, 30000, 0.0, [n for n in ALL if n != 30], 0.001)
    behind += stream(10006, 30004, 0.05, [n for n in ALL if n != 2], 0.002)
    way = match(flows_of(ahead, lambda p: True), flows_of(behind, lambda p: True))
    assert (way.sent, way.received, way.lost, way.lost_at_start, way.flows) == (120, 118, 2, 1, 2)
    assert sorted({round(d, 6) for d in way.delays}) == [0.001, 0.002]
    assert max(way.jitter) == pytest.approx(0, abs=1e-6)


def test_jitter_is_what_a_packet_waits_beyond_the_least_of_its_call() -> None:
    """One packet 5 ms late has 5 ms of jitter, the others none."""
    ahead = stream(31000, 10000, 0.0, ALL)
    behind = stream(10002, 30000, 0.0, ALL[:10], 0.001) + stream(10002, 30000, 0.0, ALL[10:11], 0.006)
    way = match(flows_of(ahead, lambda p: True), flows_of(behind, lambda p: True))
    assert max(way.jitter) == pytest.approx(0.005)
    assert way.lost == 49


def test_audio_that_never_comes_out_is_lost() -> None:
    """A call without a flow behind the target has lost everything."""
    way = match(flows_of(stream(31000, 10000, 0.0, ALL), lambda p: True), {})
    assert (way.lost, way.lost_at_start, way.flows) == (60, 5, 0)


def test_cpu_is_counted_while_all_calls_talk() -> None:
    """From a second after the last call began to when the first falls silent; not at all in too short a run."""
    result, meter = Result("relay"), CpuMeter((1,), [(1000.0, 0.0), (1010.0, 1.0)])
    measure_cpu(result, meter, 1000.0, Calls(20, 20, 8.0))
    assert result.figures["steady_seconds"] == pytest.approx(6.0)
    assert result.figures["cpu_ms_per_call_second"] == pytest.approx(1000 * 0.6 / (20 * 6.0))
    measure_cpu(result, meter, 1000.0, Calls(20, 20, 2.5))
    assert result.figures["cpu_ms_per_call_second"] is None


def test_figures_of_a_measurement() -> None:
    """Losses of both ways are summed, silent calls are named."""
    packets = stream(31000, 10000, 1000.0, ALL) + stream(10002, 30000, 1000.0, ALL, 0.001)
    packets += stream(30000, 10002, 1000.0, ALL) + stream(10000, 31000, 1000.0, ALL[1:], 0.001)
    result = Result("relay")
    evaluate(result, packets, Calls(1, 20, 1.2))
    assert (result.figures["lost_to_agent"], result.figures["lost_to_caller"], result.figures["lost"]) == (0, 1, 1)
    assert result.figures["delay_p50_ms"] == pytest.approx(1.0, abs=1e-3)
    assert result.notes == ["1 of the lost packets were among the first 5 of their stream"]
    evaluate(result, packets, Calls(2, 20, 1.2))
    assert any("audio did not flow in all" in note for note in result.notes)
