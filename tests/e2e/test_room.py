"""Rooms of a real worker process, over real sockets and in real time."""

from __future__ import annotations

import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np

from media.control import Join, Leave, Mute, Ping, Play, Record, Stats, StopPlay, StopRecord
from media.events import PlayDone, Pong, Recorded, WorkerStats
from media.g711 import CodecName, encode
from media.rtp.packet import Packet, parse
from tests.support.media_worker import Control, Phone, WorkerProcess, opened, worker
from tests.support.recorder import recorder
from tests.support.tones import level_of, sine

TONES = {"caller": 313.0, "agent": 563.0, "boss": 857.0}
LEVEL = 3000.0
ROOM = 4001
PAYLOAD_TYPES = {"PCMA": 8, "PCMU": 0}


class Talker:
    """A phone that says its tone every `ptime` on a clock of its own, in a thread."""

    def __init__(self, name: str, port: int, gen: int, codec: CodecName = "PCMA", ptime: int = 20) -> None:
        self.name, self.port, self.gen, self.codec, self.ptime = name, port, gen, codec, ptime
        self.phone = Phone()
        self.phone.ssrc = gen
        self.packets: list[Packet] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._talk, daemon=True)

    def open(self) -> object:
        """The Open of its session."""
        return opened(self.port, self.gen, self.phone, audio_pt=PAYLOAD_TYPES[self.codec], codec=self.codec)

    def start(self) -> None:
        """Speaks from now on."""
        self._thread.start()

    def _talk(self) -> None:
        size = 8 * self.ptime
        said = sine(TONES[self.name], 2.0, self.codec, LEVEL)  # whole periods: it may go round
        at, ts, seq = 0, 7000, 100
        due = time.monotonic()
        while not self._ends.is_set():
            payload = (said + said)[at : at + size]
            at = (at + size) % len(said)
            self.phone.send(
                self.port, bytes(Packet(PAYLOAD_TYPES[self.codec], seq, ts, self.gen, payload, marker=seq == 100))
            )
            seq, ts = (seq + 1) & 0xFFFF, ts + size
            due += self.ptime / 1000
            while (left := due - time.monotonic()) > 0:
                data = self.phone.receive(left)
                packet = parse(data) if data is not None else None
                if packet is not None:
                    self.packets.append(packet)

    def hears(self, seconds: float = 0.4) -> set[str]:
        """Whose tones it hears from now on for a while."""
        begins = len(self.packets)
        deadline = time.monotonic() + 5.0
        while len(self.packets) < begins + seconds * 50 and time.monotonic() < deadline:
            time.sleep(0.01)
        codes = b"".join(packet.payload for packet in self.packets[begins:])
        return {name for name, tone in TONES.items() if level_of(tone, codes, self.codec) > LEVEL / 3}

    def close(self) -> None:
        """Falls silent."""
        self._ends.set()
        self._thread.join(5.0)
        self.phone.close()


@contextmanager
def conference(process: WorkerProcess, control: Control) -> Iterator[tuple[Talker, Talker, Talker]]:
    """Caller, agent and boss, open and speaking, each with a packet length of its own."""
    ports = process.ports
    talkers = (
        Talker("caller", ports[0], 1, "PCMA", 30),
        Talker("agent", ports[1], 2, "PCMU", 20),
        Talker("boss", ports[2], 3, "PCMA", 10),
    )
    control.send(*(talker.open() for talker in talkers), Ping())  # type: ignore[arg-type]
    control.expect(Pong)
    for talker in talkers:
        talker.start()
    try:
        yield talkers
    finally:
        for talker in talkers:
            talker.close()


def sides(path: Path) -> tuple[bytes, bytes]:
    """Both channels of a recording as A-law."""
    with wave.open(str(path), "rb") as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    left, right = (encode("PCMA", np.ascontiguousarray(both[:, side]).tobytes()) for side in (0, 1))
    return left, right


def settle() -> None:
    """Long enough for what has changed to be heard alone: the buffers are shorter."""
    time.sleep(0.25)


def test_three_parties_a_whisper_and_music(tmp_path: Path) -> None:
    """Each hears the other two, the agent alone the coach, nobody the muted; music replaces; all is recorded."""
    with recorder(tmp_path) as writer, worker(tmp_path, recorder=writer.path) as running:
        control = running.connect()
        with conference(running, control) as (caller, agent, boss):
            control.send(Join(caller.port, 1, ROOM), Join(agent.port, 2, ROOM), Join(boss.port, 3, ROOM))
            settle()
            assert caller.hears() == {"agent", "boss"}
            assert agent.hears() == {"caller", "boss"}
            assert boss.hears() == {"caller", "agent"}

            control.send(Join(boss.port, 3, ROOM, "coach", agent.port, 2))
            settle()
            assert caller.hears() == {"agent"}
            assert agent.hears() == {"caller", "boss"}
            assert boss.hears() == {"caller", "agent"}

            control.send(Join(boss.port, 3, ROOM, "listener"))
            settle()
            assert agent.hears() == {"caller"}
            assert boss.hears() == {"caller", "agent"}

            path = tmp_path / "agent.wav"
            control.send(Record(agent.port, 2, "r1", str(path)), Mute(caller.port, 1, True))
            settle()
            assert agent.hears() == set()
            assert boss.hears() == {"agent"}
            assert caller.hears() == {"agent"}
            control.send(Mute(caller.port, 1, False))

            control.send(Play(caller.port, 1, 9, ["tone:ringback"], True))
            settle()
            assert caller.hears() == set()
            assert agent.hears() == {"caller"}
            control.send(StopPlay(caller.port, 1))
            assert control.expect(PlayDone).reason == "stopped"
            settle()
            assert caller.hears() == {"agent"}

            assert len({packet.ssrc for packet in caller.packets}) == 1
            sequence = [packet.seq for packet in caller.packets]
            assert all((y - x) & 0xFFFF == 1 for x, y in pairwise(sequence))

            control.send(StopRecord(agent.port, 2))
            told = control.expect(Recorded)
            assert (told.gaps, told.reason) == (0, "")
            control.send(Leave(agent.port, 2), Stats())
            stats = control.expect(WorkerStats)
            assert stats.rooms == 1
            assert stats.mixed >= 3 * 50
            settle()
            assert caller.hears() == set()
    left, right = sides(path)
    assert level_of(TONES["agent"], left) > LEVEL / 2
    assert level_of(TONES["caller"], left) < 30
    assert level_of(TONES["caller"], right) > LEVEL / 3
    assert level_of(TONES["agent"], right) < 30
    assert "Traceback" not in running.log()
