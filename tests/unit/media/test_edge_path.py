"""Where browsers' datagrams come in: ports of a range, candidates that are told, what is passed on and what is not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from aioice.stun import Class, Message, Method

from media.edge.path import MAX_EARLY, MAX_LEARNT, Path
from media.edge.ports import PortRange
from media.ice_dtls import Candidate
from tests.support.ports import WEB_FIRST

HERE = "127.0.0.1"
STUN = bytes([0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42]) + bytes(12)


@pytest.fixture
async def path() -> AsyncIterator[Path]:
    """A path on one of ten ports."""
    made = Path(PortRange(WEB_FIRST, WEB_FIRST + 9))
    yield made
    await made.close()


async def until(check: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(5):
        while not check():
            await asyncio.sleep(0.005)


def send(path: Path, *datagrams: bytes) -> None:
    """As anybody may."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for data in datagrams:
            sock.sendto(data, (HERE, path.local_candidates[0].port))


def test_ports_are_taken_in_turn_and_given_back() -> None:
    """The longest unused first; those that others hold are passed over; when all are used up there is none."""
    ports = PortRange(WEB_FIRST, WEB_FIRST + 2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((HERE, WEB_FIRST + 1))
        first, second = ports.bind(HERE), ports.bind(HERE)
        assert first is not None
        assert second is not None
        assert (first.getsockname()[1], second.getsockname()[1]) == (WEB_FIRST, WEB_FIRST + 2)
        assert ports.bind(HERE) is None
        first.close()
        ports.give_back(WEB_FIRST)
        again = ports.bind(HERE)
        assert again is not None
        assert again.getsockname()[1] == WEB_FIRST
        again.close()
        second.close()
    assert ports.bind("192.0.2.1") is None


async def test_candidates_of_each_address_and_from_beyond_a_nat(path: Path) -> None:
    """A host candidate for each address that can be had; the external one has the port of the first."""
    told = path.gather((HERE, "192.0.2.1", "127.0.0.2"), "198.51.100.7")
    assert [(one.address, one.port, one.kind) for one in told] == [
        (HERE, WEB_FIRST, "host"),
        ("127.0.0.2", told[1].port, "host"),
        ("198.51.100.7", WEB_FIRST, "srflx"),
    ]
    assert (told[2].related_address, told[2].related_port) == (HERE, WEB_FIRST)
    assert told[0].priority > told[1].priority > told[2].priority
    assert len({one.foundation for one in told}) == 3


async def test_without_an_address_there_is_no_path(path: Path) -> None:
    """Nothing can be told then, not even from beyond a NAT."""
    assert path.gather(("192.0.2.1",), "198.51.100.7") == ()


async def test_datagrams_are_told_apart(path: Path) -> None:
    """RFC 7983: audio and handshakes go their ways, whatever else comes changes nothing and ends nothing."""
    path.gather((HERE,), "")
    audio: list[bytes] = []
    path.receive_srtp = audio.append
    handshake: list[bytes] = []
    packet, hello = bytes([0x80, 0, 0, 1]), bytes([22, 254, 253])
    send(path, hello, b"", b"\x04rubbish", b"\xff", STUN[:10], STUN[:3] + b"\x08" + STUN[4:], STUN, packet)
    await until(lambda: audio == [packet])
    path.deliver_dtls(handshake.append)
    assert handshake == [hello]
    send(path, hello + b"2", packet)
    await until(lambda: len(audio) == 2)
    assert handshake == [hello, hello + b"2"]
    assert not path.found
    path.send_now(packet)


async def test_handshakes_that_come_early_are_bounded(path: Path) -> None:
    """Nobody fills our memory before we have found them."""
    path.gather((HERE,), "")
    audio: list[bytes] = []
    path.receive_srtp = audio.append
    send(path, *[bytes([22, number]) for number in range(MAX_EARLY + 20)], b"\x80end")
    await until(lambda: bool(audio))
    kept: list[bytes] = []
    path.deliver_dtls(kept.append)
    assert len(kept) == MAX_EARLY


async def test_attributes_of_any_kind_end_nothing(path: Path) -> None:
    """Lengths that lie and addresses of unknown families are those of a stranger."""
    path.gather((HERE,), "")
    audio: list[bytes] = []
    path.receive_srtp = audio.append
    for kind in (0x0006, 0x0008, 0x0009, 0x0020, 0x0024, 0x8028, 0x802A):
        for size in (0, 1, 3, 4):
            body = kind.to_bytes(2, "big") + size.to_bytes(2, "big") + b"\xff" * 4
            send(path, STUN[:2] + len(body).to_bytes(2, "big") + STUN[4:] + body)
    send(path, b"\x80end")
    await until(lambda: bool(audio))
    assert path.malformed > 0


async def test_a_peer_is_not_followed_for_ever(path: Path) -> None:
    """Checks that are its own, from ever new addresses: each would be answered, kept and asked back."""
    path.gather((HERE,), "")
    path.remote_username, path.remote_password, path._early_checks_done = "peer", "secret" * 4, True
    check = Message(Method.BINDING, Class.REQUEST)
    check.attributes["USERNAME"] = f"{path.local_username}:peer"
    check.attributes["PRIORITY"] = 1
    check.attributes["ICE-CONTROLLING"] = 1
    check.add_message_integrity(path.local_password.encode())
    for number in range(MAX_LEARNT + 50):
        path.request_received(check, (f"127.0.9.{1 + number}", 9), path._protocols[0])
    assert (len(path._remote_candidates), path.malformed) == (MAX_LEARNT, 50)
    path.request_received(check, ("127.0.9.1", 9), path._protocols[0])
    assert path.malformed == 50


def test_a_candidate_is_written_as_it_is_read() -> None:
    """The related address only where there is one."""
    assert str(Candidate("f", 5, "192.0.2.1", 9, "host")) == "f 1 udp 5 192.0.2.1 9 typ host"
    outside = Candidate("f", 5, "198.51.100.1", 9, "srflx", "192.0.2.1", 9)
    assert str(outside).endswith("typ srflx raddr 192.0.2.1 rport 9")
