"""Addresses, what listens there, and the capture's filter."""

from __future__ import annotations

import argparse
import os
import socket
import struct
from pathlib import Path

import pytest

from bench.__main__ import main, parser
from bench.capture import Ports, port_program
from bench.errors import BenchError
from bench.load import Sinks
from bench.own import CONFIG, address_in
from bench.target import Target, bound, listens, parse_address, wait_until_answering


@pytest.mark.parametrize(("text", "expected"), [("h:5", ("h", 5)), ("1.2.3.4", ("1.2.3.4", 5060))])
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    """The port is 5060 unless given."""
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", ":5", "h:x"])
def test_what_is_no_address(text: str) -> None:
    """The error quotes what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match="is not HOST:PORT"):
        parse_address(text)


def test_a_bound_socket_is_seen() -> None:
    """A port is taken while its socket is open and free afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
        assert listens(address)
        assert not bound(Path("/proc/net/udp").read_text(), ("127.0.0.2", address[1]))
    assert not listens(address)
    assert listens(("192.0.2.1", 5060))


def test_a_socket_on_all_addresses_counts() -> None:
    """0.0.0.0 listens at every address."""
    table = "  sl  local_address rem\n  1: 00000000:13C4 00000000:0000 07\n"
    assert bound(table, ("127.0.0.1", 5060))
    assert not bound(table, ("127.0.0.1", 5061))


def test_nothing_to_measure_is_said() -> None:
    """A process that is not there and a port nobody listens at are clear errors."""
    with pytest.raises(BenchError, match="there is no process 4194305"):
        Target(("127.0.0.1", 9), (4194305,)).check()
    with pytest.raises(BenchError, match=r"nothing listens at 127\.0\.0\.1:9"):
        Target(("127.0.0.1", 9), (os.getpid(),)).check()


def test_nobody_answers_options() -> None:
    """Waiting for a server that is not there ends in time."""
    assert wait_until_answering(("127.0.0.1", 9), 0.05) is False


def run(program: list[tuple[int, int, int, int]], packet: bytes) -> int:
    """A classic BPF machine for the few instructions of `port_program`."""
    a = x = at = 0
    while True:
        code, true, false, k = program[at]
        at += 1
        if code == 0x30:
            a = packet[k]
        elif code == 0x28:
            a = struct.unpack_from("!H", packet, k)[0]
        elif code == 0x48:
            a = struct.unpack_from("!H", packet, x + k)[0]
        elif code == 0xB1:
            x = 4 * (packet[k] & 15)
        elif code == 0x06:
            return k
        else:
            met = {0x15: a == k, 0x45: bool(a & k), 0x35: a >= k, 0x25: a > k}[code]
            at += true if met else false


@pytest.mark.parametrize(
    ("protocol", "fragment", "source", "destination", "kept"),
    [
        (17, 0, 1, 5190, 400),
        (17, 0, 5190, 1, 400),
        (17, 0, 40000, 1, 48),
        (17, 0, 1, 49999, 48),
        (17, 0, 1, 50000, 0),
        (17, 0, 5189, 5191, 0),
        (17, 0x2000, 1, 5190, 400),
        (17, 1, 1, 5190, 0),
        (6, 0, 1, 5190, 0),
    ],
)
def test_the_filter_keeps_the_ports_asked_for(
    protocol: int, fragment: int, source: int, destination: int, kept: int
) -> None:
    """UDP from or to a range is cut to its length, later fragments and everything else are dropped."""
    header = struct.pack("!BBHHHBBH8x", 0x46, 0, 100, 0, fragment, 64, protocol, 0) + bytes(4)
    packet = header + struct.pack("!HHHH", source, destination, 8, 0)
    assert run(port_program([Ports(5190, 5190, 400), Ports(40000, 49999, 48)]), packet) == kept


def test_the_shipped_bench_configuration_says_where_it_listens() -> None:
    """`--self` finds the switch's address in config/bench.yaml."""
    assert address_in(CONFIG) == ("127.0.0.1", 5560)


def test_a_configuration_without_address_is_said(tmp_path: Path) -> None:
    """Missing files and missing keys are clear errors."""
    (tmp_path / "x.yaml").write_text("sip: {}\n")
    with pytest.raises(BenchError, match=r"no sip\.listen"):
        address_in(tmp_path / "x.yaml")
    with pytest.raises(BenchError, match="No such file"):
        address_in(tmp_path / "y.yaml")


def test_a_taken_media_port_is_said() -> None:
    """The load's own ports must be free, and all are given back."""
    with Sinks(32700, 3) as sinks, pytest.raises(BenchError, match="is taken"), Sinks(32700, 3):
        pass
    assert sinks.ports == [32704, 32705, 32708, 32709]
    with Sinks(32700, 3):
        pass


@pytest.mark.parametrize("command", ["signalling", "relay", "extension", "all"])
def test_a_target_must_be_named(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --target or --self the command line is refused and says why."""
    with pytest.raises(SystemExit):
        parser().parse_args([command])
    assert "--target" in capsys.readouterr().err


def test_measuring_nothing_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A target that is not there ends in one line and status 1."""
    assert main(["signalling", "--target", "127.0.0.1:9"]) == 1
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last == "error: nothing listens at 127.0.0.1:9; start the server first, or use --self"
