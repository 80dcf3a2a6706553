"""The supervisor's parts: ports, channels, restarts, limits, claims and what is printed."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from config.loader import load_config
from config.values import PortRange
from switchboard.supervisor import limits, listeners
from switchboard.supervisor.banner import greeting, room, unusable
from switchboard.supervisor.channel import Channel, channel_pair
from switchboard.supervisor.child import RESTARTS, WINDOW, Child, ending
from switchboard.supervisor.claim import ClaimError, PidFile, StoreLock
from switchboard.supervisor.ports import PortPool

FIRST = 61900  # above the ephemeral ports of Linux


def close(pairs: list[tuple[int, socket.socket, socket.socket]]) -> list[int]:
    """Close pairs, return their ports."""
    for _, rtp, rtcp in pairs:
        rtp.close()
        rtcp.close()
    return [port for port, _, _ in pairs]


def test_pool_binds_even_and_odd_in_order() -> None:
    """Pairs come lowest first, RTP even and RTCP above it, until the range is used up."""
    pool = PortPool("127.0.0.1", PortRange(FIRST, FIRST + 7), 100)
    first, rest = pool.bind(1), pool.bind(100)
    names = [(p.rtp.getsockname()[1], p.rtcp.getsockname()[1], p.rtp.getblocking()) for p in first + rest]
    assert names == [(FIRST + 2 * n, FIRST + 2 * n + 1, False) for n in range(4)]
    assert pool.bind(1) == []
    assert pool.bound == 4
    close([*first, *rest])


@pytest.mark.parametrize("taken", [0, 1])
def test_pool_returns_to_ports_that_were_taken(taken: int) -> None:
    """A pair whose RTP or RTCP port is somebody else's is passed over, and taken once it is free."""
    pool = PortPool("127.0.0.1", PortRange(FIRST, FIRST + 5), 100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", FIRST + taken))
        pairs = pool.bind(10)
        assert [pair.port for pair in pairs] == [FIRST + 2, FIRST + 4]
        assert pool.bind(10) == []
    pairs += pool.bind(10)
    assert close(list(pairs)) == [FIRST + 2, FIRST + 4, FIRST]


def test_pool_respects_the_limit_on_open_files() -> None:
    """No more pairs than descriptors allow, and running out of them loses no port."""
    pool = PortPool("127.0.0.1", PortRange(FIRST, FIRST + 19), 3)
    assert len(close(list(pool.bind(10)))) == 3
    pool = PortPool("127.0.0.1", PortRange(FIRST, FIRST + 19), 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    try:
        assert pool.bind(10) == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert close(list(pool.bind(2))) == [FIRST, FIRST + 2]


def test_pool_serves_ipv6() -> None:
    """An IPv6 address has pairs of its own."""
    pool = PortPool("::1", PortRange(FIRST, FIRST + 1), 10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", FIRST))
        assert close(list(pool.bind(1))) == [FIRST]


def test_a_port_of_the_pool_is_on_one_family_only() -> None:
    """So that its number names it, whichever family it was asked for."""
    pool = PortPool("127.0.0.1", PortRange(FIRST, FIRST + 7), 10, "::1")
    pairs = [*pool.bind(1), *pool.bind(2, six=True), *pool.bind(10)]
    families = [pair.rtp.family for pair in pairs]
    four, six = socket.AF_INET, socket.AF_INET6
    assert families == [four, six, six, four]
    assert close(list(pairs)) == [FIRST, FIRST + 2, FIRST + 4, FIRST + 6]


@pytest.fixture
def pair() -> Iterator[tuple[Channel, socket.socket]]:
    """A channel and the child's end of it."""
    ours, theirs = channel_pair()
    theirs.settimeout(5)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_channel_carries_messages_and_descriptors(pair: tuple[Channel, socket.socket]) -> None:
    """A message arrives whole, with descriptors of the same open files."""
    ours, theirs = pair
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        ours.send({"listen": [["127.0.0.1", 1]]}, [sock.fileno()])
        payload, descriptors, _, _ = socket.recv_fds(theirs, 65536, 8)
        with socket.socket(fileno=descriptors[0]) as copy:
            assert copy.getsockname() == sock.getsockname()
    assert msgspec.msgpack.decode(payload) == {"listen": [["127.0.0.1", 1]]}
    theirs.send(msgspec.msgpack.encode({"ready": True}))
    assert ours.receive() == {"ready": True}
    assert ours.receive() == {}


def test_channel_waits_for_a_slow_child(pair: tuple[Channel, socket.socket]) -> None:
    """What does not fit the child's buffer is kept in order and sent when it reads."""
    ours, theirs = pair
    for number in range(2_000):
        ours.send({"number": number, "filling": "x" * 500})
    assert ours.waiting
    numbers: list[int] = []
    while len(numbers) < 2_000:
        numbers.append(msgspec.msgpack.decode(theirs.recv(65536))["number"])
        ours.flush()
    assert numbers == list(range(2_000))
    assert not ours.waiting


def test_channel_survives_nonsense_and_death(pair: tuple[Channel, socket.socket]) -> None:
    """An unreadable message is passed over; after the child's end nothing is kept for it."""
    ours, theirs = pair
    theirs.send(b"\xc1nonsense")
    theirs.send(msgspec.msgpack.encode([1, 2]))
    assert (ours.receive(), ours.receive()) == ({}, {})
    theirs.close()
    assert ours.receive() is None
    ours.send({"stop": True})
    assert not ours.waiting
    ours.close()
    ours.send({"stop": True})
    assert not ours.waiting


def test_restarts_slow_down_and_end() -> None:
    """Each death within a minute doubles the pause; the sixth one is too many; an hour later all is forgiven."""
    one = Child("worker", [])
    pauses = [one.pause_before_restart(float(second)) for second in range(RESTARTS + 2)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, None, None]
    assert one.pause_before_restart(3600.0) == 0.05


def test_rare_deaths_are_never_too_many() -> None:
    """A child that dies once in a while is restarted at once, forever."""
    one = Child("worker", [])
    assert {one.pause_before_restart(n * WINDOW) for n in range(100)} == {0.05}


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "with status 0"), (3, "with status 3"), (-9, "by SIGKILL"), (-11, "by SIGSEGV"), (-200, "by signal 200")],
)
def test_endings_in_words(status: int, words: str) -> None:
    """An exit status as a person reads it."""
    assert ending(status) == words


def test_a_child_that_cannot_be_executed_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """When exec fails both ends of its channel are closed."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="/nowhere/python"):
        Child("worker", ["x"]).start()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("cpus", ["", "x", "1-", "-1", "0,,1", "4000", "3-1"])
def test_pin_rejects_what_is_no_core(cpus: str) -> None:
    """Cores must be numbers of this machine; nothing changes otherwise."""
    before = os.sched_getaffinity(0)
    with pytest.raises(ValueError, match="--cpus"):
        limits.pin(cpus)
    assert os.sched_getaffinity(0) == before


def test_pin_takes_lists_and_ranges() -> None:
    """All cores written as a list or a range are all cores."""
    before = os.sched_getaffinity(0)
    try:
        limits.pin(", ".join(f"{core}-{core}" for core in before))
        assert os.sched_getaffinity(0) == before
    finally:
        os.sched_setaffinity(0, before)


def test_port_owner_is_found_in_proc() -> None:
    """Who holds a UDP port is named; nobody is named for a free one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        assert listeners.port_owner("127.0.0.1", port) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
        assert listeners.port_owner("127.0.0.2", port) is None
    assert listeners.port_owner("127.0.0.1", port) is None


def test_every_transport_is_listened_on(tmp_path: Path) -> None:
    """UDP and TCP on one port, TLS beside it; who holds a TCP port is named too."""
    file = tmp_path / "switch.yaml"
    text = (
        f"sip: {{listen: [{{host: 127.0.0.1, port: {FIRST}}}, {{host: 127.0.0.1, port: {FIRST}, transport: tcp}},"
        f" {{host: 127.0.0.1, port: {FIRST + 1}, transport: tls, certificate: a, key: b}}]}}"
    )
    file.write_text(text)
    config = load_config(file)
    bound = listeners.bind_listeners(config, file)
    try:
        kinds = [sock.type for _, sock in bound]
        assert kinds == [socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM]
        with socket.create_connection(("127.0.0.1", FIRST), 5):
            pass
        assert listeners.port_owner("127.0.0.1", FIRST + 1, "tcp") == listeners.port_owner("127.0.0.1", FIRST)
        with bound[0][1]:
            pass
        with pytest.raises(listeners.ListenError, match=rf"cannot listen on 127.0.0.1:{FIRST}/tcp: the port is in use"):
            listeners.bind_listeners(config, file)
    finally:
        for _, sock in bound:
            sock.close()


def test_owner_of_every_address_is_found() -> None:
    """A socket bound to 0.0.0.0 stands in the way of one address, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("0.0.0.0", 0))
        owner = listeners.port_owner("127.0.0.1", sock.getsockname()[1])
    assert owner is not None
    assert owner[0] == os.getpid()


def test_sip_sockets_have_large_buffers(tmp_path: Path) -> None:
    """The buffers are at least what the system allows a plain process, and the socket is shared with nobody."""
    file = tmp_path / "switch.yaml"
    file.write_text(f"sip: {{listen: [{{host: 127.0.0.1, port: {FIRST}}}]}}")
    ((listen, sock),) = listeners.bind_listeners(load_config(file), file)
    with sock:
        allowed = int(Path("/proc/sys/net/core/rmem_max").read_text())
        assert listen.port == FIRST
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= min(allowed, listeners.BUFFER)
        with pytest.raises(listeners.ListenError, match="the port is in use"):
            listeners.bind_listeners(load_config(file), file)


def test_store_is_locked_until_released(tmp_path: Path) -> None:
    """One lock at a time, in a directory made for its owner alone."""
    store = tmp_path / "var" / "bench"
    lock = StoreLock(store)
    assert store.stat().st_mode & 0o777 == 0o700
    with pytest.raises(ClaimError, match=f"in use by another switch \\(pid {os.getpid()}"):
        StoreLock(store)
    lock.release()
    StoreLock(store).release()


def test_pid_file_of_others_stays(tmp_path: Path) -> None:
    """Removing takes away what is ours only; an unreadable file is replaced."""
    path = tmp_path / "run" / "switch.pid"
    pid_file = PidFile(path)
    assert path.read_text() == f"{os.getpid()}\n"
    path.write_text("1\n")
    pid_file.remove()
    assert path.exists()
    with pytest.raises(ClaimError, match=r"belongs to pid 1 \("):
        PidFile(path)
    path.write_text("not a pid")
    PidFile(path).remove()
    assert list(path.parent.iterdir()) == []


def test_pid_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The reason of the system, in one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ClaimError, match=r"switch\.pid cannot be written: (not a directory|file exists)"):
        PidFile(tmp_path / "file" / "switch.pid")


def test_greeting_tells_a_newcomer_everything() -> None:
    """Addresses, the 400 number, three extensions, both accounts, and what to type next."""
    text = "\n".join(greeting(load_config(), 1.24))
    for words in (
        "ready (1.2 s)",
        "127.0.0.1:5060/udp",
        "http://127.0.0.1:8080/health",
        "4008001234",
        "800001  softphone alice",
        "800002  softphone bob",
        "800003  a mobile phone over demo-carrier, which shows 01088880000",
        "alice@switchboard.local  password alice-sample",
        "make call",
    ):
        assert words in text
    assert "13900001234" not in text


def test_greeting_of_a_real_switch_shows_no_accounts(tmp_path: Path) -> None:
    """Without demo: true only the addresses are printed."""
    file = tmp_path / "switch.yaml"
    file.write_text("accounts: [{user: carol, password: hers}]\nhttp: {enabled: false}\n")
    text = "\n".join(greeting(load_config(file), 1.0))
    assert "carol" not in text
    assert "http" not in text


def test_greeting_names_no_api_that_there_is_not() -> None:
    """Somebody else has the port: whoever asks there is not answered by this switch."""
    lines = list(greeting(load_config(), 1.0, web=False))
    assert not any("/docs" in line or "/health" in line for line in lines)
    assert any("127.0.0.1:8080 is not available" in line for line in lines)


def test_a_directory_that_takes_no_recordings_is_mentioned(tmp_path: Path) -> None:
    """It is made where it can be; where something else stands in its place, that is said in one line."""
    assert unusable(tmp_path / "store" / "recordings") is None
    assert (tmp_path / "store" / "recordings").is_dir()
    (tmp_path / "file").write_text("")
    assert str(unusable(tmp_path / "file" / "recordings")).startswith("note: nothing can be recorded in ")


def test_room_is_mentioned_when_open_files_are_few() -> None:
    """A note says how many calls fit; there is none when all ports do."""
    assert room(100, 100, 1000) is None
    note = room(10_000, 9_936, 20_000)
    assert note is not None
    assert "9936 of the 10000 pairs" in note
    assert "(4968 calls)" in note
