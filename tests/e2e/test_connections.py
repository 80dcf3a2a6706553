"""Softphones and carriers over TCP and TLS: implementations of others on both sides of a real switch."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from switchboard.ops.control_client import ask
from tests.conformance.test_torture import BY_NAME
from tests.support.certificates import Authority, Pair
from tests.support.pjsua import TONE, Softphone, need_pjsua, softphone
from tests.support.ports import MEDIA_THIRDS, free_port
from tests.support.sipp import need_sipp, next_media_port
from tests.support.switch import RunningSwitch, running_switch

ANNA, BEN = "800001", "800002"
CALLS = 20


class Place:
    """A switch on all three transports, and what it needs for that."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.pair: Pair = self.authority.sign("switch")
        self.tcp, self.tls = free_port(), free_port()
        self.udp = free_port()
        self.mutual = free_port()
        self.agent = free_port()

    def settings(self) -> dict[str, object]:
        """Two accounts, a number for each, and one that leads to a carrier's TCP port."""
        listen = [
            {"host": "127.0.0.1", "port": self.udp},
            {"host": "127.0.0.1", "port": self.tcp, "transport": "tcp"},
            {
                "host": "127.0.0.1",
                "port": self.tls,
                "transport": "tls",
                "certificate": str(self.pair.certificate),
                "key": str(self.pair.key),
            },
        ]
        return {
            "sip": {"listen": listen},
            "media": {"ports": MEDIA_THIRDS[0]},
            "accounts": [{"user": user, "password": f"secret-{user}"} for user in (ANNA, BEN)],
            "masks": [],
            "numbers": [
                *({"number": f"70{user[3:]}", "target": f"aor:{user}"} for user in (ANNA, BEN)),
                {"number": "4001", "target": f"sip:agent@127.0.0.1:{self.agent};transport=tcp"},
            ],
            "limits": {"ring_timeout": "8s", "drain": "1s"},
        }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Ports and certificates."""
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def switch(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """The switch there."""
    with running_switch(tmp_path_factory.mktemp("switch"), **place.settings()) as running:
        yield running


class Wire:
    """What a phone's connection passes through, to be cut."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.taken = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection and make one to the switch."""
        self.taken += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers |= {writer, far_writer}
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(_pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def cut(self) -> None:
        """End both sides at once."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def finished(self) -> None:
        """Wait until nothing passes any more."""
        await asyncio.gather(*self._tasks)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(4096):
            sink.write(data)
        sink.close()


@contextlib.asynccontextmanager
async def wire(port: int) -> AsyncIterator[tuple[Wire, tuple[str, int]]]:
    """A wire to a port of the switch, and where it begins."""
    made = Wire(port)
    server = await asyncio.start_server(made.pass_on, "127.0.0.1", 0)
    yield made, server.sockets[0].getsockname()
    server.close()
    made.cut()
    await server.wait_closed()
    await made.finished()


async def talk(caller: Softphone, callee: Softphone, uri: str) -> None:
    """One rings the other, both hear each other, the one who called hangs up."""
    caller.tell(f"call {uri}")
    await callee.event("incoming")
    callee.tell("answer")
    await caller.event("confirmed")
    await callee.event("confirmed")
    for phone in (caller, callee):
        phone.tell("expect 25")
        await phone.event("received")
    caller.tell("hangup")
    for phone in (caller, callee):
        assert (await phone.event("ended"))["received"] >= 25


async def loses_its_connection(phone: Softphone, other: Softphone, line: Wire, uri: str) -> None:
    """In a call that outlasts it; the phone comes back by another, and hears there that the other has hung up."""
    other.tell(f"call {uri}")
    await phone.event("incoming")
    phone.tell("answer")
    for one in (phone, other):
        await one.event("confirmed")
    line.cut()
    assert (await phone.event("registered", within=20))["status"] == 200
    other.tell("hangup")
    for one in (phone, other):
        await one.event("ended", within=20)


@pytest.mark.parametrize("by", ["tcp", "tls"])
async def test_softphones(place: Place, switch: RunningSwitch, tmp_path: Path, by: str) -> None:
    """They register, call, are called; a connection that is lost takes its registration with it, until the next."""
    need_pjsua()
    port = place.tcp if by == "tcp" else place.tls
    authority = place.authority.file if by == "tls" else None
    async with (
        wire(port) as (line, there),
        softphone(tmp_path, ANNA, f"secret-{ANNA}", there, by=by, authority=authority) as anna,
        softphone(tmp_path, BEN, f"secret-{BEN}", ("127.0.0.1", place.udp), tone=TONE + 200) as ben,
    ):
        await talk(anna, ben, f"sip:70{BEN[3:]}@switchboard.local")
        await talk(ben, anna, f"sip:70{ANNA[3:]}@127.0.0.1:{place.udp}")
        line.cut()
        assert (await anna.event("registered", within=20))["status"] == 200
        assert line.taken >= 2, "by a new connection"
        await talk(ben, anna, f"sip:70{ANNA[3:]}@127.0.0.1:{place.udp}")
        await loses_its_connection(anna, ben, line, f"sip:70{ANNA[3:]}@127.0.0.1:{place.udp}")
        # The old connection's binding is gone: who calls rings one place, not a dead one before it.
        metrics = await asyncio.to_thread(switch.metrics)
        assert metrics["registrations"] == 2
        invites = re.findall(rf"^INVITE sip:{ANNA}@\S*", anna.traffic(), re.MULTILINE)
        assert len(invites) == 3
        assert all(f"transport={by}" in invite.lower() for invite in invites)
        assert f"SIP/2.0/{by.upper()} 127.0.0.1:{port}" in anna.traffic()
    await switch.nothing_left()
    await switch.eventually(lambda: switch.metrics()["sip_connections"] == 0)


async def test_carriers_over_tcp(place: Place, switch: RunningSwitch, tmp_path: Path) -> None:
    """SIPp on both sides: calls come over one connection or one a call, and go out over one that we open."""
    need_sipp()
    opened = (await asyncio.to_thread(switch.metrics)).get("sip_connections_opened_total", 0)
    async with answering(tmp_path, place.agent):
        for transport in ("t1", "tn"):
            await carry(tmp_path, place.tcp, transport)
    assert (await asyncio.to_thread(switch.metrics))["sip_connections_opened_total"] == opened + 1
    await switch.nothing_left()


async def carry(directory: Path, port: int, transport: str) -> None:
    """Calls by SIPp to 4001 over TCP, of which none fails; t1 is one connection, tn one a call."""
    calling = await asyncio.create_subprocess_exec(
        *("sipp", f"127.0.0.1:{port}", "-sn", "uac", "-s", "4001", "-t", transport, "-i", "127.0.0.1"),
        *("-p", str(free_port()), "-mp", str(next_media_port()), "-nostdin"),
        *("-d", "300", "-m", str(CALLS), "-r", "10", "-max_socket", "100"),
        *("-trace_err", "-error_file", f"{transport}.errors"),
        cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    errors = directory / f"{transport}.errors"
    status = await asyncio.wait_for(calling.wait(), 30)
    assert status == 0, errors.read_text()[-2000:] if errors.exists() else transport


@contextlib.asynccontextmanager
async def answering(directory: Path, port: int) -> AsyncIterator[None]:
    """SIPp answers over TCP."""
    agent = await asyncio.create_subprocess_exec(
        *("sipp", "-sn", "uas", "-t", "t1", "-i", "127.0.0.1", "-p", str(port)),
        *("-mp", str(next_media_port()), "-nostdin"),
        cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        agent.kill()
        await agent.wait()


async def test_a_carrier_over_mutual_tls(place: Place, tmp_path: Path) -> None:
    """One switch calls by another: the first verifies the second, which asks it for its certificate."""
    need_sipp()
    pair = place.authority.sign("near")
    near = Place(tmp_path)
    settings = near.settings()
    sip = settings["sip"]
    assert isinstance(sip, dict)
    sip["listen"][2] |= {"certificate": str(pair.certificate), "key": str(pair.key)}
    sip["connections"] = {"server_ca": str(place.authority.file)}
    settings["numbers"] = [{"number": "4001", "target": f"sip:4001@127.0.0.1:{place.mutual};transport=tls"}]
    settings["media"] = {"ports": MEDIA_THIRDS[1]}
    far = place.settings()
    sip = far["sip"]
    assert isinstance(sip, dict)
    udp, _, tls = sip["listen"]
    tls |= {"port": place.mutual, "client_ca": str(place.authority.file)}
    sip["listen"] = [
        udp | {"port": free_port()},
        {**udp, "port": free_port(), "transport": "tcp"},
        tls,
    ]
    far["media"] = {"ports": MEDIA_THIRDS[2]}
    (tmp_path / "near").mkdir()
    (tmp_path / "far").mkdir()
    with (
        running_switch(tmp_path / "near", **settings) as one,
        running_switch(tmp_path / "far", **far) as other,
    ):
        async with answering(tmp_path, place.agent):
            await carry(tmp_path, near.tcp, "t1")
        assert one.metrics()["sip_connections_opened_total"] == 1
        assert other.metrics()["sip_connections_opened_total"] == 1
        await one.nothing_left()
        await other.nothing_left()


async def test_certificates_are_renewed(place: Place, switch: RunningSwitch) -> None:
    """A command makes the switch show its new certificate; one that does not fit is refused."""

    async def shown() -> str:
        context = ssl.create_default_context(cafile=str(place.authority.file))
        reader, writer = await asyncio.open_connection("127.0.0.1", place.tls, ssl=context)
        names = dict(writer.get_extra_info("peercert")["subjectAltName"])
        writer.close()
        await writer.wait_closed()
        assert await reader.read() == b""
        return str(names["DNS"])

    control = switch.store / "control.sock"
    assert await shown() == "switch"
    other = place.authority.sign("other")
    place.pair.certificate.write_bytes(other.certificate.read_bytes())
    with pytest.raises(Exception, match="do not belong together; the old ones stay"):
        await asyncio.to_thread(ask, control, "reload-certificates")
    assert await shown() == "switch"
    place.pair.key.write_bytes(other.key.read_bytes())
    assert await asyncio.to_thread(ask, control, "reload-certificates") == {"reloaded": True}
    assert await shown() == "other"


async def exchange(port: int, data: bytes, *, ends: bool) -> str:
    """What the switch says to some octets until it closes, or for a while; a connection it keeps answers a ping."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    said = b""
    with contextlib.suppress(TimeoutError, ConnectionResetError):
        async with asyncio.timeout(5 if ends else 1):
            while more := await reader.read(4096):
                said += more
            assert ends, "it was closed"
    if ends:
        assert reader.at_eof() or reader.exception() is not None
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()
    return said.decode()


@pytest.mark.parametrize(
    ("name", "statuses", "ends"),
    [
        ("ncl", ["400", "INVITE"], True),
        ("mcl01", ["400", "OPTIONS"], True),
        ("clerr", [], False),
        ("dblreq", ["4", "REGISTER", "4", "INVITE"], True),
        ("wsinv", ["4", "INVITE"], False),
    ],
)
async def test_torture_by_tcp(
    place: Place, switch: RunningSwitch, name: str, statuses: list[str], *, ends: bool
) -> None:
    """The messages of RFC 4475 that concern framing: a wrong length ends the connection, after its 400.

    Both requests of dblreq are answered; octets that follow its second one begin no message.
    """
    row = BY_NAME.get(name)
    if row is None:
        pytest.skip("the torture messages are not here")
    said = await exchange(place.tcp, row.data, ends=ends)
    found = [
        word
        for status, method in re.findall(r"^SIP/2\.0 (\d+).*?^CSeq:\s*\d+\s+(\w+)", said, re.MULTILINE | re.DOTALL)
        for word in (status, method)
    ]
    assert all(one.startswith(other) for one, other in zip(found, statuses, strict=True)), said


async def test_streams_without_an_end(place: Place, switch: RunningSwitch) -> None:
    """A head that never ends is refused when it is too long; pings are answered, and nothing else."""
    said = await exchange(place.tcp, b"INVITE sip:a@b SIP/2.0\r\n" + b"X: y\r\n" * 50_000, ends=True)
    assert said == "" or said.startswith("SIP/2.0 513")
    assert await exchange(place.tcp, b"\r\n\r\n", ends=False) == "\r\n"
    assert await exchange(place.tcp, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", ends=True) == ""
