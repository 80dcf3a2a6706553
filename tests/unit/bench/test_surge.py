"""A surge as it is planned, and what is made of what was seen of it."""

from __future__ import annotations

import socket
import sqlite3
import struct
import time
from pathlib import Path

import pytest

from bench.api import first_account
from bench.capture import Packet
from bench.errors import BenchError
from bench.listener import Audio, Heard, Listener
from bench.load import Load, Result
from bench.served import Served, Service, out_of_order, overtaken, read
from bench.sipp import Totals
from bench.surge import configuration
from bench.surge_figures import Look, Seen, Wire, audio, cost, faults, order, wire
from bench.surge_parties import Parties, Surge
from tests.unit.bench.test_ivr import invite

SMALL = Surge(callers=60, within=6.0, agents=5, listening=20, pressing=20, press_within=2.0, talk=(0.2, 0.4))


def numbers(file: Path, column: int = 0) -> list[int]:
    """A column of a CSV file for SIPp."""
    return [int(row.split(";")[column]) for row in file.read_text().splitlines()[1:]]


def test_everybody_has_a_number_of_their_own(load: Load) -> None:
    """A third of them press 1, after all have come and long enough before agents are free."""
    Parties(load, SMALL)
    waiting, pressing = numbers(load.directory / "callers.csv"), numbers(load.directory / "pressers.csv")
    assert (len(waiting), len(pressing), len({*waiting, *pressing})) == (40, 20, 60)
    came = [SMALL.within / 6 + n * (SMALL.within * 5 / 6) / 20 for n in range(20)]
    presses = [at + wait / 1000 for at, wait in zip(came, numbers(load.directory / "pressers.csv", 1), strict=True)]
    assert SMALL.within < min(presses)
    assert max(presses) < SMALL.opens


def test_agents_are_busy_until_all_have_come(load: Load) -> None:
    """The first call of each lasts until then, all others as long as a talk does."""
    Parties(load, SMALL)
    talks = [talk / 1000 for talk in numbers(load.directory / "talks.csv")]
    assert all(talk > SMALL.opens for talk in talks[:5])
    assert all(0.2 <= talk <= 0.4 for talk in talks[5:])
    assert len(talks) >= SMALL.callers


def test_the_switch_carries_those_who_listen_and_their_agents() -> None:
    """All other legs are on the plane that carries nothing; callers are called back by the trunk."""
    made = configuration(SMALL, 5560, 5580, "store")
    media = made["media"]
    assert isinstance(media, dict)
    assert (media["plane"], media["carried"]) == ("none", 25)
    assert made["outbound"] == {"trunk": "carrier", "shown": "01088880000"}


# --- records ---


def database(file: Path, *, attempts: int = 1) -> Path:
    """Two callers of 4003, of whom the first is called back after the second was served; a third gave up."""
    with sqlite3.connect(file) as connection:
        connection.executescript(
            """
            CREATE TABLE calls (id, direction, called, ended_us);
            CREATE TABLE segments (call_id, kind, started_us, agent);
            CREATE TABLE callback_requests (call_id, last_call_id, since_us, state);
            """
        )
        calls = [("a", "in", 10), ("b", "in", 10), ("c", "in", 10), ("back", "out", 10)]
        connection.executemany("INSERT INTO calls VALUES (?, ?, '4003', ?)", calls)
        rows = [("a", "queue", 1, ""), ("b", "queue", 2, ""), ("c", "queue", 3, "")]
        rows += [("b", "ring", 5 + n, "anna") for n in range(attempts)] + [("b", "talk", 7, "anna")]
        rows += [("back", "ring", 8, "ben"), ("back", "talk", 9, "ben")]
        connection.executemany("INSERT INTO segments VALUES (?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO callback_requests VALUES ('a', 'back', 1, 'done')")
    return file


def test_records_tell_who_was_served_when(tmp_path: Path) -> None:
    """One who is called back came when they first called; who talked to nobody is lost."""
    found = read(database(tmp_path / "a.db", attempts=2), "4003")
    assert found == Service([Served(2, 5, False), Served(1, 8, True)], lost=1, rung_again=1)
    assert overtaken(found.served) == [Served(1, 8, True)]


def test_other_numbers_do_not_count(tmp_path: Path) -> None:
    """Their callers are neither served nor lost."""
    assert read(database(tmp_path / "a.db"), "4001").lost == 0


def test_a_database_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The error names it."""
    with pytest.raises(BenchError, match=r"none\.db"):
        read(tmp_path / "none.db", "4003")


def test_order_is_judged_strictly() -> None:
    """Whoever is preceded by a later one was overtaken."""
    assert out_of_order([0, 1, 3, 2, 4, 3]) == 2
    result = Result("surge")
    order(result, Service([Served(2, 5, False), Served(1, 8, True)], lost=0, rung_again=0), 3)
    assert (result.figures["lost"], result.figures["overtaken"]) == (1, 1)
    assert result.notes == ["1 of 1 who were overtaken were to be called back; the longest of them waited 0.0 s"]


# --- what was seen ---


def bye(call_id: str, at: float) -> Packet:
    """An agent hangs up."""
    text = f"BYE sip:127.0.0.1:5560 SIP/2.0\r\nCall-ID: {call_id}\r\n"
    return Packet(at, ("127.0.0.1", 5190), ("127.0.0.1", 5560), text.encode())


def dialled(number: str, at: float) -> Packet:
    """Somebody is called back."""
    text = f"INVITE sip:{number}@127.0.0.1:5193 SIP/2.0\r\nCall-ID: {number}\r\n"
    return Packet(at, ("127.0.0.1", 5560), ("127.0.0.1", 5193), text.encode())


def test_an_agent_who_hangs_up_is_rung_for_the_next() -> None:
    """The calls that agents have at first do not count; those who are called back are told by their numbers."""
    seen = Wire([invite("x", 1.0), bye("x", 5.0), invite("y", 5.002), bye("x", 5.5), bye("y", 6.0)], 5190, 5193)
    result = Result("surge")
    wire(result, seen, [])
    assert result.figures["freed_p99_ms"] == pytest.approx(2, abs=0.01)
    seen.packets.extend([dialled("13800000002", 7), dialled("13800000001", 8), dialled("13800000002", 9)])
    wire(result, seen, ["13800000001", "13800000002", "13800000003"])
    assert (result.figures["called_back"], result.figures["called_back_overtaken"]) == (2, 1)


def test_all_parties_faults_are_added_up() -> None:
    """Calls that were not made count as well."""
    result = Result("surge")
    good, bad = Totals(3, 3, 0, 0, 0, 0, 0), Totals(2, 1, 1, 2, 1, 0, 0, {"FailedTimeout": 1})
    faults(result, [("callers-1", 3, good), ("agents-2", 4, bad)])
    assert (result.figures["failed"], result.figures["retransmissions"]) == (3, 3)
    assert "agents-2: 1 x FailedTimeout" in result.notes


def test_memory_is_that_of_those_who_wait() -> None:
    """What the process held before does not count; CPU is of all processes."""
    looks = [
        Look(0.0, 0, 200.0, {"a": 1.0, "b": 0.5}),
        Look(1.0, 95, 203.0, {"a": 2.0}),
        Look(2.0, 100, 202.0, {"a": 2.5, "b": 0.5}),
    ]
    result = Result("surge", {"callers": 100})
    cost(result, Seen(0.0, 1.0, looks))
    assert result.figures["memory_kb_per_waiting"] == pytest.approx(3000 / 95)
    assert result.figures["cpu_ms_per_caller"] == pytest.approx(15.0)
    assert (result.figures["waiting_max"], result.figures["memory_mb"]) == (100, 203.0)


def test_packets_are_counted_while_all_listen() -> None:
    """In the second half of the arrivals; a stream of a moment is nobody's who listens."""
    heard = Audio(
        [Heard(10000, 500, 0, 3, 100.0, 110.0), Heard(10002, 1, 0, 1, 100.0, 100.0), Heard(10004, 500, 2, 1, 100, 109)],
        dict.fromkeys(range(100, 110), 50) | {107: 70},
    )
    looks = [Look(100.0 + n, n, 1.0, {"media.worker": n * 0.1}) for n in range(11)]
    result = Result("surge")
    audio(result, heard, Seen(100.0, 10.0, looks))
    assert (result.figures["listeners"], result.figures["announced"], result.figures["rtp_lost"]) == (2, 1, 2)
    assert result.figures["rtp_per_second"] == pytest.approx(60.0)
    assert result.figures["rtp_per_core"] == pytest.approx(600.0)


def packet(seq: int, *, mark: bool = False) -> bytes:
    """A packet of audio."""
    return struct.pack("!BBHII", 0x80, 0x88 if mark else 0x08, seq, seq * 160, 7) + bytes(160)


def test_the_listener_tells_streams_apart() -> None:
    """By where they come from; packets that are missing between them are counted, as are talkspurts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one, other = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with one, other, Listener(port) as listener:
        for data in (packet(65534, mark=True), packet(65535), packet(2), packet(3, mark=True), b"short"):
            one.sendto(data, ("127.0.0.1", port))
        other.sendto(packet(9), ("127.0.0.1", port))
        ports = one.getsockname()[1], other.getsockname()[1]
    found = {heard.port: (heard.packets, heard.missing, heard.spurts) for heard in listener.audio.streams}
    assert found == {ports[0]: (4, 2, 2), ports[1]: (1, 0, 0)}
    assert sum(listener.audio.seconds.values()) == 5


def test_the_listener_says_that_its_port_is_taken() -> None:
    """Nothing is measured then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(BenchError, match="is taken"), Listener(taken.getsockname()[1]):
            pass


def test_the_first_account_is_read_from_what_the_switch_prints() -> None:
    """Name and one-time password; without them the API cannot be asked."""
    said = "switchboard is ready\n  account     admin  password abcd-efgh  shown this once\n"
    assert first_account(said) == ("admin", "abcd-efgh")
    with pytest.raises(BenchError, match="fresh"):
        first_account("switchboard is ready\n")


def test_a_look_is_in_the_second_half_of_the_arrivals() -> None:
    """Only then are all there who are to listen."""
    seen = Seen(time.time() - 8.0, 10.0)
    seen.look(5, 1.0, {})
    seen.looks.append(Look(seen.began + 2.0, 1, 1.0, {}))
    assert [look.waiting for look in seen.full] == [5]
