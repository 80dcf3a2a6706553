"""OpenSSL's client and a softphone with certificates of their own (mutual TLS), and a STUN client at the SIP port."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from aioice.candidate import Candidate
from aioice.ice import Connection, StunProtocol, server_reflexive_candidate

from tests.support.certificates import Authority, Pair
from tests.support.patience import PATIENCE
from tests.support.pjsua import need_pjsua, softphone
from tests.support.ports import free_port
from tests.support.switch import RunningSwitch, running_switch

USER = "800001"


@dataclass(frozen=True, slots=True)
class Place:
    """A switch that wants certificates of one authority, and what has been signed."""

    switch: RunningSwitch
    port: int
    authority: Authority
    known: Pair
    unknown: Pair


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """It listens on UDP, and on TLS for those who have one of the right authority."""
    directory = tmp_path_factory.mktemp("place")
    authority, udp, tls = Authority(directory), free_port(), free_port()
    pair = authority.sign("switch")
    with running_switch(
        tmp_path_factory.mktemp("switch"),
        sip={
            "listen": [
                {"host": "127.0.0.1", "port": udp},
                {
                    "host": "127.0.0.1", "port": tls, "transport": "tls", "certificate": str(pair.certificate),
                    "key": str(pair.key), "client_ca": str(authority.file),
                },
            ]
        },
        accounts=[{"user": USER, "password": f"secret-{USER}"}],
        masks=[],
    ) as running:  # fmt: skip
        running.sip_port = udp
        yield Place(running, tls, authority, authority.sign("client"), Authority(directory, "other").sign("stranger"))


def asked_over_tls(place: Place, pair: Pair | None) -> str:
    """What OpenSSL's client says of the connection, and what it is answered to OPTIONS."""
    options = (
        f"OPTIONS sip:127.0.0.1:{place.port};transport=tls SIP/2.0\r\n"
        "Via: SIP/2.0/TLS client.invalid;branch=z9hG4bKopenssl\r\nMax-Forwards: 70\r\n"
        "From: <sip:client@client.invalid>;tag=1\r\nTo: <sip:127.0.0.1>\r\n"
        "Call-ID: openssl\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    own = ("-cert", str(pair.certificate), "-key", str(pair.key)) if pair is not None else ()
    with subprocess.Popen(
        [
            "timeout", f"{10 * PATIENCE}", "openssl", "s_client", "-connect", f"127.0.0.1:{place.port}",
            "-CAfile", str(place.authority.file), "-verify_return_error", "-quiet", "-no_ign_eof", *own,
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
    ) as client:  # fmt: skip
        assert client.stdin is not None
        assert client.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            client.stdin.write(options.encode())
            client.stdin.flush()
        said = b""
        while not said.endswith(b"\r\n\r\n") and (line := client.stdout.readline()):
            said += line
    return said.decode()


async def test_openssl_shows_its_certificate(place: Place) -> None:
    """With one of the right authority it is answered; without one, or with another's, it is told why not."""
    if shutil.which("openssl") is None:
        pytest.skip("OpenSSL's client is not installed: apt-get install openssl")
    assert "SIP/2.0 200 OK" in await asyncio.to_thread(asked_over_tls, place, place.known)
    for pair, alert in ((None, "certificate required"), (place.unknown, "unknown ca")):
        said = await asyncio.to_thread(asked_over_tls, place, pair)
        assert "CN = switch" in said
        assert "SIP/2.0" not in said
        assert f"alert {alert}" in said


async def test_a_softphone_shows_its_certificate(place: Place, tmp_path: Path) -> None:
    """It registers by mutual TLS."""
    need_pjsua()
    async with softphone(
        tmp_path, USER, f"secret-{USER}", ("127.0.0.1", place.port), by="tls", authority=place.authority.file,
        pair=place.known,
    ) as phone:  # fmt: skip
        assert phone.saw("registered")[-1]["status"] == 200


class Nobody:
    """The connection to which a STUN client of ICE belongs; it is told nothing."""

    def protocol_lost(self, protocol: StunProtocol) -> None:
        """The socket is closed."""


async def test_stun_at_the_sip_port(place: Place) -> None:
    """The client of aioice learns its address there, as a phone's keep-alive would (RFC 5626 §4.4.2)."""
    transport, client = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: StunProtocol(cast(Connection, Nobody())), local_addr=("127.0.0.1", 0)
    )
    own = transport.get_extra_info("sockname")
    client.local_candidate = Candidate("1", 1, "udp", 1, "127.0.0.9", 9, "host")
    found, _ = await server_reflexive_candidate(client, place.switch.target)
    assert (found.host, found.port) == own
    await client.close()
