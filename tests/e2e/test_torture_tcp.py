"""The torture messages whose framing matters, sent to a running switch over TCP (RFC 4475, RFC 3261 §18.3)."""

from __future__ import annotations

import csv
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.ports import free_port
from tests.support.switch import RunningSwitch, running_switch

CORPUS: Final = (
    Path(os.environ.get("SWITCH_CORPUS") or Path(__file__).parents[2].parent / "shared" / "data") / "torture"
)
PATIENCE: Final = 3.0
SILENCE: Final = 0.4
OPTIONS: Final = (
    b"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKlast\r\n"
    b"From: <sip:a@example.com>;tag=a\r\nTo: <sip:example.com>\r\nCall-ID: last\r\nCSeq: 1 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)
pytestmark = pytest.mark.skipif(
    not (CORPUS / "manifest.tsv").exists(), reason=f"torture corpus not found in {CORPUS}; set SWITCH_CORPUS"
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A switch that listens on TCP as well."""
    port = free_port()
    sip = {
        "listen": [
            {"host": "127.0.0.1", "port": free_port()},
            {"host": "127.0.0.1", "port": port, "transport": "tcp"},
        ],
        "domain": "example.com",
    }
    with running_switch(tmp_path_factory.mktemp("torture"), sip=sip) as running:
        yield _tcp(running, port)


def _tcp(running: RunningSwitch, port: int) -> tuple[str, int]:
    running.sip_port = running.config["sip"]["listen"][0]["port"]
    return "127.0.0.1", port


def message(name: str) -> bytes:
    """A message of the corpus."""
    with (CORPUS / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = {row["name"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    return (CORPUS / rows[name]["dir"] / f"{name}.dat").read_bytes()


def names() -> list[str]:
    """All messages of the corpus; none when it is absent."""
    if not (CORPUS / "manifest.tsv").exists():
        return []
    with (CORPUS / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        return [row["name"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def finals(data: bytes) -> list[tuple[int, str]]:
    """Final statuses and the methods they are for, in order."""
    found = re.findall(rb"^SIP/2\.0 ([2-6]\d\d).*?^CSeq: *\d+ (\S+)", data, re.MULTILINE | re.DOTALL)
    return [(int(status), method.decode()) for status, method in found]


def read(sock: socket.socket, seconds: float, until: int = 99) -> tuple[bytes, bool]:
    """What comes within so many seconds or up to so many final responses, and whether the switch has closed."""
    data = b""
    sock.settimeout(seconds)
    try:
        while len(finals(data)) < until:
            got = sock.recv(65535)
            if not got:
                return data, True
            data += got
    except TimeoutError:
        pass
    except ConnectionResetError:
        return data, True
    return data, False


@pytest.mark.parametrize("name", ["ncl", "mcl01"])
def test_a_length_that_cannot_be_read_ends_the_connection(target: tuple[str, int], name: str) -> None:
    """400 is sent, for that much is known; nothing behind it can be found any more (RFC 4475 §3.1.2.3, §3.3.9)."""
    with socket.create_connection(target, PATIENCE) as sock:
        sock.sendall(message(name))
        data, closed = read(sock, PATIENCE)
    assert [status for status, _ in finals(data)] == [400]
    assert closed


def test_a_body_shorter_than_announced_is_waited_for(target: tuple[str, int]) -> None:
    """And the rest may come; when the peer has no more, the connection is closed (RFC 4475 §3.1.2.2)."""
    data = message("clerr")
    length = int(re.search(rb"Content-Length: *(\d+)", data)[1])  # type: ignore[index]
    missing = length - len(data.partition(b"\r\n\r\n")[2])
    assert missing > 0
    with socket.create_connection(target, PATIENCE) as sock:
        sock.sendall(data)
        assert read(sock, SILENCE) == (b"", False)
        sock.sendall(b" " * missing)
        got, _ = read(sock, PATIENCE, 1)
        assert [method for _, method in finals(got)] == ["INVITE"]
    with socket.create_connection(target, PATIENCE) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert read(sock, PATIENCE)[1]


def test_octets_behind_a_message_are_the_next_one(target: tuple[str, int]) -> None:
    """On UDP they are dropped (RFC 4475 §3.1.1.8)."""
    with socket.create_connection(target, PATIENCE) as sock:
        sock.sendall(message("dblreq"))
        data, _ = read(sock, PATIENCE, 2)
    assert {method for _, method in finals(data)} == {"REGISTER", "INVITE"}


@pytest.mark.parametrize("name", names() or ["absent"])
def test_whatever_comes_others_are_served(target: tuple[str, int], name: str) -> None:
    """Every message of the corpus, over a connection of its own: afterwards the switch answers as before."""
    with socket.create_connection(target, PATIENCE) as sock:
        sock.sendall(message(name))
        read(sock, 0.05)
    with socket.create_connection(target, PATIENCE) as sock:
        sock.sendall(OPTIONS.replace(b"last", name.encode()))
        data, _ = read(sock, PATIENCE, 1)
    assert finals(data) == [(200, "OPTIONS")]
