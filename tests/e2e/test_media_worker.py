"""The media worker as a process of its own, talked to over its real sockets."""

from __future__ import annotations

import asyncio
import math
import os
import random
import signal
import socket
import struct
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from media.control import Attach, Bridge, Ping, Play, Release, SendDigits, Stats, Wish, encode_frame
from media.events import Digit, Event, Hello, KeyHeld, PlayDone, Pong, PortsAdded, Released, Silence, WorkerStats
from media.interface import Stream
from media.plane import MediaEvent, WorkerLost, WorkerPlane
from media.rtp.dtmf import DigitSender
from media.rtp.packet import Packet
from tests.support.media_worker import Control, Phone, WorkerProcess, bind_pairs, opened, worker
from tests.support.patience import PATIENCE
from tests.support.pcap import read_udp

CAPTURES = Path("/usr/share/sip-tester")
VOICE = bytes(range(160))
START = b"\x00\x0a\x00\xa0"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[WorkerProcess]:
    """A worker with eight ports."""
    with worker(tmp_path) as process:
        yield process


@pytest.fixture
def phones() -> Iterator[tuple[Phone, Phone]]:
    """Two phones."""
    pair = Phone(), Phone()
    yield pair
    for phone in pair:
        phone.close()


def talk(control: Control, process: WorkerProcess, phones: tuple[Phone, Phone], gen: int = 1) -> tuple[int, int]:
    """Bridges two phones on the first two ports and waits until both hear the other."""
    a, b = process.ports[:2]
    control.send(opened(a, gen, phones[0]), opened(b, gen + 1, phones[1]), Bridge(a, gen, b, gen + 1), Ping())
    control.expect(Pong)
    check_talk(a, b, phones)
    return a, b


def check_talk(a: int, b: int, phones: tuple[Phone, Phone]) -> None:
    """One packet each way."""
    phones[0].say(a, VOICE)
    assert phones[1].hear().payload == VOICE
    phones[1].say(b, VOICE)
    assert phones[0].hear().payload == VOICE


def ended(process: WorkerProcess) -> int:
    """The exit status, once there is one."""
    assert process.process is not None
    return process.process.wait(5.0)


def test_a_call_from_open_to_release(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """Greeting, relaying both ways, statistics at the end, the port free for another."""
    control = running.connect()
    assert control.hello.worker_id == 3
    assert control.hello.address == "127.0.0.1"
    assert control.hello.ports == running.ports
    assert control.hello.open == []
    a, b = talk(control, running, phones)
    control.send(Release(a, 1), Release(b, 2), Stats())
    for port in (a, b):
        released = control.expect(Released)
        assert released.port == port
        assert (released.stats.received, released.stats.sent, released.stats.lost) == (1, 1, 0)
    stats = control.expect(WorkerStats)
    assert (stats.open, stats.relayed, stats.ports) == (0, 2, 8)
    talk(control, running, phones, gen=3)
    assert "Traceback" not in running.log()


def test_prompts_come_from_its_directories(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """A wav file by its name, in whole frames, once, followed by a tone; a file that is none is complained of."""
    prompts = tmp_path / "prompts" / "zh"
    prompts.mkdir(parents=True)
    with wave.open(str(prompts / "hello.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        samples = (round(8000 * math.sin(n / 5)) for n in range(1000))
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    (prompts / "broken.wav").write_bytes(b"RIFF")
    with worker(tmp_path, prompts=[tmp_path / "prompts"]) as running:
        control = running.connect()
        port = running.ports[0]
        control.send(opened(port, 1, phones[0]), Play(port, 1, 9, ["zh/hello", "silence:0.04"]))
        packets = [phones[0].hear() for _ in range(9)]
        assert control.expect(PlayDone) == PlayDone(port, 1, 9, "done")
        assert phones[0].quiet()
        assert [packet.seq - packets[0].seq for packet in packets] == list(range(9))
        assert [packet.ts - packets[0].ts for packet in packets] == list(range(0, 9 * 160, 160))
        assert packets[0].payload != packets[7].payload == b"\xd5" * 160
        control.send(Play(port, 1, 10, ["zh/broken"]), Play(port, 1, 11, ["zh/none"], True))
        assert control.expect(PlayDone) == PlayDone(port, 1, 10, "missing:zh/broken")
        assert control.expect(PlayDone) == PlayDone(port, 1, 11, "missing:zh/none")
        assert "broken.wav" in running.log()


def test_keys_are_told_and_sent(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """What one worker port sends, another reads."""
    control = running.connect()
    a, b = running.ports[:2]
    there, back = Phone(), Phone()
    control.send(opened(a, 1, there), opened(b, 2, back, digits=True))
    control.send(SendDigits(a, 1, "4271#"))
    for _ in range(5 * 7):
        back.send(b, bytes(there.hear()))
    assert [control.expect(Digit).digit for _ in range(5)] == list("4271#")
    assert control.next(0.1) is None
    there.close()
    back.close()


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="SIPp's captures are not installed (Debian: sip-tester)")
@pytest.mark.parametrize("keys", ["4271", "112233"])
def test_sipp_captures_are_read_as_played(running: WorkerProcess, phones: tuple[Phone, Phone], keys: str) -> None:
    """In real time, between audio of another SSRC."""
    control = running.connect()
    port = running.ports[0]
    control.send(opened(port, 1, phones[0], digits=True))
    for key in keys:
        phones[0].say(port)
        begun = 0.0
        told: list[Event] = []
        for at, payload in read_udp(CAPTURES / f"dtmf_2833_{key}.pcap"):
            if begun and at > begun + 0.001 and (event := control.next(at - begun)) is not None:
                told.append(event)
            begun = at
            phones[0].send(port, payload)
            if at == 0.0:
                assert control.expect(Digit).digit == key
        while len(told) < 2:
            told.append(control.expect(KeyHeld))
        assert control.next(0.15) is None
        assert [(event.digit, event.over) for event in told if isinstance(event, KeyHeld)] == [
            (key, False),
            (key, True),
        ]


def test_garbage_at_the_ports_disturbs_nobody(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """Thousands of random and mutated datagrams at open and closed, RTP and RTCP ports while a call runs."""
    control = running.connect()
    a, b = talk(control, running, phones)
    noise = random.Random(4733)
    neighbour = Phone("127.0.0.2")
    whole = bytes(Packet(8, 1, 1, 1, VOICE))
    for n in range(3000):
        data = bytearray(whole) if n % 2 else bytearray(noise.randbytes(noise.randrange(0, 300)))
        for _ in range(noise.randrange(4) if data else 0):
            data[noise.randrange(len(data))] = noise.randrange(256)
        sender = (phones[0], neighbour)[n % 3 == 0]
        sender.send(noise.choice([a, a + 1, b, b + 1, running.ports[3], running.ports[3] + 1]), bytes(data))
        if n % 50 == 0:
            control.send(Ping())
            control.expect(Pong)
    while phones[1].receive(0.2) is not None:
        pass
    check_talk(a, b, phones)
    assert "Traceback" not in running.log()
    neighbour.close()


@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", encode_frame([Hello(1, "", [], [])]), b"GET / HTTP/1.1\r\n\r\n"],
)
def test_garbage_on_the_control_socket_costs_the_connection_only(
    running: WorkerProcess, phones: tuple[Phone, Phone], garbage: bytes
) -> None:
    """It is complained of; the call goes on, and signalling may connect again."""
    control = running.connect()
    a, b = talk(control, running, phones)
    control.send_raw(garbage)
    with pytest.raises(EOFError):
        control.next()
    check_talk(a, b, phones)
    assert sorted(running.connect().hello.open) == [(a, 1), (b, 2)]
    assert "signalling disconnected" in running.log()


def test_a_lost_signalling_process_costs_no_call(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """The next one hears which sessions there are, what happened meanwhile, and takes them over."""
    control = running.connect()
    a, b = talk(control, running, phones)
    control.send(opened(a, 1, phones[0], digits=True))
    control.send(Ping())
    control.expect(Pong)
    control.close()
    check_talk(a, b, phones)
    phones[0].say(a, START, 101, marker=True)
    check_talk(a, b, phones)
    successor = running.connect("another")
    assert sorted(successor.hello.open) == [(a, 1), (b, 2)]
    assert (successor.hello.client, successor.hello.last_gen) == ("test", 2)
    assert successor.expect(Digit).digit == "0"
    successor.send(Release(a, 1))
    assert successor.expect(Released).stats.received == 4


def test_commands_sent_again_are_carried_out_once(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """By their sequence numbers, which begin anew with another client."""
    port = running.ports[0]
    control = running.connect("one")
    play = Play(port, 1, 5, ["silence:0.02"], seq=2)
    control.send(opened(port, 1, phones[0], seq=1), play)
    assert control.expect(PlayDone).play_id == 5
    control.close()
    again = running.connect("one")
    assert (again.hello.client, again.hello.last_seq) == ("one", 2)
    again.send(play, Ping())
    assert again.next() == Pong(2)
    other = running.connect("two")
    other.send(play)
    assert other.expect(PlayDone).play_id == 5
    with pytest.raises(EOFError):
        again.expect(PlayDone)


def test_signals_do_not_end_it(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """A Ctrl-C reaches the whole process group; draining comes by command."""
    assert running.process is not None
    control = running.connect()
    for number in (signal.SIGINT, signal.SIGTERM):
        running.process.send_signal(number)
    talk(control, running, phones)
    assert running.process.poll() is None


def test_told_to_stop_it_stops_with_calls_open(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """At once, and takes its socket away."""
    talk(running.connect(), running, phones)
    running.tell({"stop": True})
    assert ended(running) == 0
    assert not Path(running.path).exists()


@pytest.mark.parametrize("how", ["drained", "orphaned"])
def test_it_ends_after_its_last_call(running: WorkerProcess, phones: tuple[Phone, Phone], how: str) -> None:
    """Draining, and when the supervisor is gone."""
    control = running.connect()
    a, b = talk(control, running, phones)
    if how == "drained":
        running.tell({"drain": True})
    else:
        running.supervisor.close()
    check_talk(a, b, phones)
    control.send(Release(a, 1), Release(b, 2))
    control.expect(Released)
    assert control.expect(Released).port == b
    assert ended(running) == 0


def test_forgotten_by_everybody_it_ends_with_its_calls(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """With neither supervisor nor signalling, a call lasts as long as somebody speaks."""
    with worker(tmp_path, silence=0.6) as running:
        control = running.connect()
        a, b = talk(control, running, phones)
        running.supervisor.close()
        control.close()
        for _ in range(15):
            check_talk(a, b, phones)
            assert phones[0].quiet(0.05)
        assert running.process is not None
        assert running.process.poll() is None
        assert ended(running) == 0


def test_a_codec_that_is_only_relayed_plays_nothing(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """And disturbs nobody else's call."""
    control = running.connect()
    port = running.ports[2]
    control.send(opened(port, 9, phones[0], codec="G729"), Play(port, 9, 1, ["tone:busy"], True))
    assert control.expect(PlayDone).reason == "done"
    talk(control, running, phones)


def test_without_calls_it_ends_at_once(running: WorkerProcess) -> None:
    """Nothing is to be waited for."""
    running.connect()
    running.supervisor.close()
    assert ended(running) == 0


def test_after_a_crash_the_same_sockets_serve_again(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """They arrive connected and with packets queued; the next worker knows nothing of either."""
    first = running.connect()
    talk(first, running, phones)
    running.kill()
    port = running.ports[0]
    assert running.sockets[0].getpeername() == phones[0].address
    phones[0].say(port, VOICE)
    running.start()
    second = running.connect()
    assert second.hello.boot != first.hello.boot
    moved = Phone(), phones[1]
    a, _ = talk(second, running, moved)
    second.send(Release(a, 1))
    assert second.expect(Released).stats.received == 1
    moved[0].close()


def test_it_asks_for_the_ports_that_signalling_wishes_for(running: WorkerProcess) -> None:
    """What is given is told, and that none are left."""
    control = running.connect()
    control.send(Wish(64))
    assert running.heard() == {"more": 64}
    more = bind_pairs(64)
    running.give(more)
    added = control.expect(PortsAdded)
    assert added.ports == [sock.getsockname()[1] for sock in more[::2]]
    running.tell({"exhausted": True})
    assert control.expect(PortsAdded).ports == []
    assert len(running.connect().hello.ports) == 72
    for sock in more:
        sock.close()


def test_a_message_it_does_not_understand_is_complained_of(running: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """Also descriptors that are no ports."""
    control = running.connect()
    listener = socket.socket()
    running.supervisor.send(b"\xc1")
    running.tell({"ports": [1], "unknown": 7}, [listener.fileno(), listener.fileno()])
    running.tell({"ports": [1]}, [listener.fileno()])
    talk(control, running, phones)
    log = running.log()
    assert "not understood" in log
    assert "not a bound datagram socket" in log
    assert "odd number" in log
    listener.close()


def test_a_silent_peer_is_told(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """After the time given on the command line."""
    with worker(tmp_path, silence=0.3) as running:
        control = running.connect()
        control.send(opened(running.ports[0], 1, phones[0]))
        assert control.expect(Silence) == Silence(running.ports[0], 1)


def test_many_ports_relay_at_once(tmp_path: Path) -> None:
    """Nothing is lost or mixed up between sixty calls that all talk at the same time."""
    with worker(tmp_path, pairs=120) as running:
        control = running.connect()
        phones = [Phone() for _ in range(120)]
        for n in range(0, 120, 2):
            a, b = running.ports[n : n + 2]
            control.send(opened(a, n + 1, phones[n]), opened(b, n + 2, phones[n + 1]))
            control.send(Bridge(a, n + 1, b, n + 2))
        control.send(Ping())
        control.expect(Pong)
        for turn in range(25):
            for n, phone in enumerate(phones):
                phone.say(running.ports[n], bytes([n, turn]) * 80)
            for n, phone in enumerate(phones):
                assert phone.hear().payload == bytes([n ^ 1, turn]) * 80
        control.send(Stats())
        stats = control.expect(WorkerStats)
        assert (stats.relayed, stats.open, stats.dropped, stats.strangers) == (3000, 120, 0, 0)
        for n, port in enumerate(running.ports):
            control.send(Release(port, n + 1))
            released = control.expect(Released)
            assert (released.stats.received, released.stats.lost, released.stats.sent) == (25, 0, 25)
        for phone in phones:
            phone.close()


async def test_the_plane_drives_it(tmp_path: Path, phones: tuple[Phone, Phone]) -> None:
    """Leases, a call, a digit, a crash, another call with the worker that was started in its place."""
    loop = asyncio.get_running_loop()
    with worker(tmp_path) as running:
        events: asyncio.Queue[MediaEvent] = asyncio.Queue()

        def take(told: Sequence[MediaEvent]) -> None:
            for event in told:
                events.put_nowait(event)

        plane = WorkerPlane([running.path], take)
        await plane.start()
        for attempt in ("first", "second"):
            a = plane.lease()
            b = plane.lease(a)
            assert a is not None
            assert b is not None
            for lease, phone in zip((a, b), phones, strict=True):
                host, port = phone.address
                plane.open(lease, Stream(host, port, host, 8, "PCMA", 101, digits=True))
            plane.bridge(a, b)
            plane.play(a, 1, ["silence:0.02"])
            done = await asyncio.wait_for(events.get(), 5.0 * PATIENCE)
            assert done == PlayDone(a.port, a.gen, 1, "done")
            phones[0].ssrc += 1
            for sent in keyed("7", phones[0]):
                phones[0].send(a.port, sent)
            digit = await asyncio.wait_for(events.get(), 5.0 * PATIENCE)
            assert isinstance(digit, Digit)
            assert (digit.port, digit.gen, digit.digit) == (a.port, a.gen, "7")
            assert 0.0 <= loop.time() - digit.at < 5.0
            if attempt == "first":
                running.kill()
                assert await asyncio.wait_for(events.get(), 5.0 * PATIENCE) == WorkerLost(0, (a, b))
                assert plane.lease() is None
                await loop.run_in_executor(None, running.start)
                async with asyncio.timeout(5.0 * PATIENCE):
                    while plane.counts()["free"] < len(running.ports):
                        await asyncio.sleep(0.01)
            else:
                plane.release(a)
                released = await asyncio.wait_for(events.get(), 5.0 * PATIENCE)
                assert isinstance(released, Released)
        await plane.close()


def keyed(key: str, phone: Phone) -> list[bytes]:
    """The packets of one key."""
    sender = DigitSender(key)
    packets = []
    while not sender.done:
        step = sender.step()
        if step is not None:
            packets.append(bytes(Packet(101, phone.seq, phone.ts, phone.ssrc, step[1], step[0] == 0)))
            phone.seq += 1
    return packets


def test_an_idle_worker_sleeps(running: WorkerProcess) -> None:
    """With no session nothing wakes it: no context switch in half a second."""
    assert running.process is not None
    control = running.connect()
    control.send(Attach("test"), Ping())
    control.expect(Pong)

    def switches() -> int:
        status = Path(f"/proc/{running.process.pid}/status").read_text()  # type: ignore[union-attr]
        return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary"))

    before = switches()
    assert control.next(0.5) is None
    assert switches() - before <= 1
    assert os.path.exists(running.path)
