"""The recorder as a process of its own, fed by a real worker: what it writes, and what its death costs."""

from __future__ import annotations

import signal
import socket
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from media.control import Bridge, Conceal, Message, Ping, Play, Record, Release, StopRecord
from media.events import MessageDone, Pong, Recorded, Released
from media.g711 import decode
from tests.support.media_worker import Control, Phone, WorkerProcess, opened, worker
from tests.support.recorder import RecorderProcess, recorder

ALICE = b"\xa2" * 160
BOB = b"\xa9" * 160


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RecorderProcess]:
    """A recorder."""
    with recorder(tmp_path) as process:
        yield process


@pytest.fixture
def carrier(tmp_path: Path, running: RecorderProcess) -> Iterator[WorkerProcess]:
    """A worker beside it."""
    with worker(tmp_path, recorder=running.path) as process:
        yield process


@pytest.fixture
def phones() -> Iterator[tuple[Phone, Phone]]:
    """Two phones."""
    pair = Phone(), Phone()
    yield pair
    for phone in pair:
        phone.close()


def value(payload: bytes) -> int:
    """The sample that a payload of one code stands for."""
    return int.from_bytes(decode("PCMA", payload[:1]), "little", signed=True)


def samples(path: Path) -> NDArray[np.int16]:
    """What is in a file, one column a channel."""
    with wave.open(str(path), "rb") as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())


def until(condition: Callable[[], bool], what: str) -> None:
    """Waits for something that another process does."""
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def joined(control: Control, carrier: WorkerProcess, phones: tuple[Phone, Phone]) -> tuple[int, int]:
    """Two phones that hear each other on the first two ports."""
    a, b = carrier.ports[:2]
    control.send(opened(a, 1, phones[0]), opened(b, 2, phones[1]), Bridge(a, 1, b, 2), Ping())
    control.expect(Pong)
    talk(a, b, phones, 1)
    return a, b


def talk(a: int, b: int, phones: tuple[Phone, Phone], packets: int) -> None:
    """Both say something every 20 ms, or later, and hear the other."""
    for _ in range(packets):
        phones[0].say(a, ALICE)
        assert phones[1].hear().payload == ALICE
        phones[1].say(b, BOB)
        assert phones[0].hear().payload == BOB
        time.sleep(0.02)


def count(path: Path, side: int, payload: bytes) -> int:
    """How many packets of `payload` one channel holds; nothing else may be there but silence."""
    column = samples(path)[:, side]
    assert set(column.tolist()) <= {0, value(payload)}
    return int((column != 0).sum()) // 160


def test_a_call_is_recorded(tmp_path: Path, carrier: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """Both sides, told of before the leg's end, complete under its name."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    path = tmp_path / "2026" / "call.wav"
    control.send(Record(a, 1, "r1", str(path)), Ping())
    control.expect(Pong)
    talk(a, b, phones, 40)
    control.send(Release(a, 1))
    recorded = control.next()
    assert isinstance(recorded, Recorded)
    assert (recorded.recording_id, recorded.path, recorded.reason) == ("r1", str(path), "")
    assert isinstance(control.next(), Released)
    assert recorded.seconds >= 0.8
    assert count(path, 0, ALICE) in (39, 40)
    assert count(path, 1, BOB) in (39, 40)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["call.json", "call.wav"]


def test_secret_keys_are_silent(tmp_path: Path, carrier: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """Nothing that passes meanwhile is in any file that the recorder has made."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    path = tmp_path / "call.wav"
    control.send(Conceal(a, 1, True), Record(a, 1, "r1", str(path)), Ping())
    control.expect(Pong)
    talk(a, b, phones, 30)
    control.send(StopRecord(a, 1))
    assert control.expect(Recorded).seconds > 0.0
    assert not samples(path).any()


def test_a_message_is_taken(tmp_path: Path, carrier: WorkerProcess, phones: tuple[Phone, Phone]) -> None:
    """Mono, ended by a key; and one without a word, ended by silence."""
    control = carrier.connect()
    port = carrier.ports[0]
    path = tmp_path / "voicemail" / "m.wav"
    control.send(opened(port, 1, phones[0], digits=True), Message(port, 1, 1, str(path), 60.0, 30.0, "#"), Ping())
    control.expect(Pong)
    for _ in range(50):
        phones[0].say(port, ALICE)
        time.sleep(0.02)
    phones[0].say(port, bytes((11, 10, 0, 160)), 101, marker=True)
    done = control.expect(MessageDone)
    assert (done.message_id, done.reason) == (1, "digit")
    assert len(samples(path)) == round(done.seconds * 8000)
    assert 0.5 < done.seconds < 5.0
    control.send(Message(port, 1, 2, str(tmp_path / "empty.wav"), 60.0, 0.3, "#"))
    assert control.expect(MessageDone) == MessageDone(port, 1, 2, 0.0, "silence")
    assert not (tmp_path / "empty.wav").exists()


def test_a_killed_recorder_costs_no_call(
    tmp_path: Path, running: RecorderProcess, carrier: WorkerProcess, phones: tuple[Phone, Phone]
) -> None:
    """The file is playable at once; the next recorder goes on with it."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    path = tmp_path / "call.wav"
    part = tmp_path / "call.part.wav"
    control.send(Record(a, 1, "r1", str(path)), Play(b, 2, 5, ["tone:busy"], True), Ping())
    control.expect(Pong)

    def said() -> bool:
        phones[0].say(a, ALICE)
        time.sleep(0.02)
        return part.exists() and part.stat().st_size > 44 + 32000

    until(said, "the recorder writes nothing")
    running.kill()
    assert set(samples(part)[:, 0].tolist()) <= {0, value(ALICE)}
    before = part.stat().st_size
    for _ in range(25):
        phones[0].say(a, ALICE)
        time.sleep(0.02)
    running.start()
    assert path.exists() or part.exists()
    until(lambda: said() and part.stat().st_size > before + 32000, "the next recorder does not go on")
    control.send(StopRecord(a, 1))
    recorded = control.expect(Recorded)
    assert recorded.reason == ""
    assert recorded.gaps >= 1
    assert path.stat().st_size == 44 + recorded.octets
    assert sorted(entry.name for entry in tmp_path.glob("call*")) == ["call.json", "call.wav"]


def test_a_stopped_recorder_holds_up_nobody(
    tmp_path: Path, running: RecorderProcess, carrier: WorkerProcess, phones: tuple[Phone, Phone]
) -> None:
    """Audio and the end of the call are as ever; signalling hears that the recording is in doubt."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    control.send(Record(a, 1, "r1", str(tmp_path / "call.wav")), Ping())
    control.expect(Pong)
    running.process.send_signal(signal.SIGSTOP)
    try:
        talk(a, b, phones, 60)
        control.send(Release(a, 1))
        recorded = control.expect(Recorded)
        assert (recorded.seconds, recorded.reason) == (0.0, "the recorder does not answer")
        control.expect(Released)
    finally:
        running.process.send_signal(signal.SIGCONT)
    until((tmp_path / "call.wav").exists, "what was handed over is not written")


def test_a_killed_worker_leaves_a_complete_file(
    tmp_path: Path, carrier: WorkerProcess, phones: tuple[Phone, Phone]
) -> None:
    """With what it had handed over."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    path = tmp_path / "call.wav"
    control.send(Record(a, 1, "r1", str(path)))
    talk(a, b, phones, 80)
    carrier.kill()
    until(path.exists, "the file gets no name")
    assert count(path, 0, ALICE) > 0
    assert not list(tmp_path.glob("*.part.wav"))


def test_left_over_files_are_completed_at_the_start(tmp_path: Path) -> None:
    """Whatever was in the middle of being written."""
    with recorder(tmp_path) as first, worker(tmp_path, recorder=first.path) as carrier:
        phones = Phone(), Phone()
        control = carrier.connect()
        a, b = joined(control, carrier, phones)
        path = tmp_path / "deep" / "call.wav"
        control.send(Record(a, 1, "r1", str(path)))
        part = path.with_name("call.part.wav")

        def said() -> bool:
            talk(a, b, phones, 4)
            return part.exists() and part.stat().st_size > 44

        until(said, "the recorder writes nothing")
        carrier.kill()
        until(path.exists, "the file gets no name")
        path.rename(part)
        part.write_bytes(part.read_bytes()[:-1])
        first.kill()
        first.start()
        assert samples(path).any()
        assert not part.exists()
        for phone in phones:
            phone.close()


def test_what_cannot_be_written_is_told(
    tmp_path: Path, running: RecorderProcess, carrier: WorkerProcess, phones: tuple[Phone, Phone]
) -> None:
    """With its reason; the call goes on."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    (tmp_path / "file").write_bytes(b"")
    control.send(Record(a, 1, "r1", str(tmp_path / "file" / "deep" / "call.wav")))
    recorded = control.expect(Recorded)
    assert (recorded.seconds, recorded.octets, recorded.reason) == (0.0, 0, "not a directory")
    talk(a, b, phones, 5)
    assert "cannot be recorded" in running.log()


def test_garbage_costs_a_connection_only(
    tmp_path: Path, running: RecorderProcess, carrier: WorkerProcess, phones: tuple[Phone, Phone]
) -> None:
    """Others record on."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    path = tmp_path / "call.wav"
    control.send(Record(a, 1, "r1", str(path)), Ping())
    control.expect(Pong)
    for garbage in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.settimeout(5.0)
            stranger.connect(running.path)
            stranger.sendall(garbage)
            assert stranger.recv(100) == b""
    talk(a, b, phones, 20)
    control.send(StopRecord(a, 1))
    assert control.expect(Recorded).reason == ""
    assert count(path, 0, ALICE) > 0


def test_signals_do_not_end_it(running: RecorderProcess, carrier: WorkerProcess) -> None:
    """A Ctrl-C reaches the whole process group."""
    for number in (signal.SIGINT, signal.SIGTERM):
        running.process.send_signal(number)
    carrier.connect()
    assert running.process.poll() is None


def test_told_to_stop_it_completes_its_files(
    tmp_path: Path, running: RecorderProcess, carrier: WorkerProcess, phones: tuple[Phone, Phone]
) -> None:
    """And takes its socket away."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    control.send(Record(a, 1, "r1", str(tmp_path / "call.wav")))
    until(lambda: (tmp_path / "call.part.wav").exists(), "nothing is recorded")
    running.tell({"stop": True})
    assert running.ended() == 0
    assert (tmp_path / "call.wav").exists()
    assert not Path(running.path).exists()
    talk(a, b, phones, 5)


@pytest.mark.parametrize("how", ["drained", "orphaned"])
def test_it_ends_after_the_last_worker(
    tmp_path: Path, running: RecorderProcess, carrier: WorkerProcess, phones: tuple[Phone, Phone], how: str
) -> None:
    """Draining, and when the supervisor is gone: calls may still be recorded."""
    control = carrier.connect()
    a, b = joined(control, carrier, phones)
    control.send(Record(a, 1, "r1", str(tmp_path / "call.wav")))
    until(lambda: (tmp_path / "call.part.wav").exists(), "nothing is recorded")
    if how == "drained":
        running.tell({"drain": True})
    else:
        running.supervisor.close()
    talk(a, b, phones, 30)
    assert running.process.poll() is None
    control.send(Release(a, 1), Release(b, 2))
    assert control.expect(Recorded).reason == ""
    carrier.tell({"stop": True})
    assert running.ended() == 0
