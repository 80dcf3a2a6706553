"""The torture messages of RFC 4475 and RFC 5118, sent to a running switch, row by row.

Most of them carry a foreign Via without rport, so that RFC 3261 18.2.2 has the answer go to port 5060 of the address
they came from: each is sent from port 5060 of a loopback address of its own. That also keeps the repeated answers to
one message from being taken for the answer to the next.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.support.ports import free_port
from tests.support.switch import RunningSwitch, running_switch

CORPUS: Final = (
    Path(os.environ.get("SWITCH_CORPUS") or Path(__file__).parents[2].parent / "shared" / "data") / "torture"
)
SIP_PORT: Final = 5060
PATIENCE: Final = 2.0
T1: Final = 0.002
SILENCE: Final = 0.3
"""How long a message that is owed no answer is given for one; real answers come within milliseconds."""


class Row(NamedTuple):
    """One line of the manifest: a message and the answers it may get."""

    place: int
    name: str
    folder: str
    acceptable: tuple[str, ...]

    @property
    def data(self) -> bytes:
        """The message itself."""
        return (CORPUS / self.folder / f"{self.name}.dat").read_bytes()

    def takes(self, statuses: Sequence[int]) -> bool:
        """Whether these answers are acceptable: a status, none, any, or * for whatever there is."""
        final = next((str(status) for status in statuses if status >= 200), "none")
        return "*" in self.acceptable or final in self.acceptable or ("any" in self.acceptable and bool(statuses))


class Deviation(NamedTuple):
    """What we answer where the manifest demands something else, and why."""

    status: int | None
    why: str


# Kept empty: nothing that the manifest demands is refused. A row listed here must deviate just so.
DEVIATIONS: Final[dict[str, Deviation]] = {}

# Where the manifest leaves a choice, this is ours as a switch that forwards calls and knows its users.
CHOICES: Final[dict[str, int | None]] = {
    "intmeth": 501,
    "esc02": 501,
    "mismatch02": 501,
    "unkscm": 416,
    "novelsc": 416,
    "regaut01": 401,
    "sdp01": 406,
    "zeromf": 200,  # OPTIONS for the switch itself is not forwarded
    "bext01": 420,
    "invut": 415,
    "badvers": 505,
    "bigcode": None,
    "scalarlg": None,
    "bcast": None,
    "unreason": None,
    "noreason": None,
}


def manifest() -> list[Row]:
    """Read the manifest; empty when the corpus is absent."""
    path = CORPUS / "manifest.tsv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Row(place, row["name"], row["dir"], tuple(row["acceptable"].split(",")))
            for place, row in enumerate(rows, 1)
        ]


ROWS: Final = manifest()
BY_NAME: Final = {row.name: row for row in ROWS}
pytestmark = pytest.mark.skipif(not ROWS, reason=f"torture corpus not found in {CORPUS}; set SWITCH_CORPUS")


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSwitch]:
    """A switch that serves the domain of the messages.

    Its timers are short, for some messages share branch, sent-by and method with another: see `sent`.
    """
    port = free_port()
    sip = {
        "listen": [{"host": "127.0.0.1", "port": port}],
        "domain": "example.com",
        "timers": {"t1": T1, "t2": 8 * T1, "t4": 10 * T1, "d": 64 * T1},
    }
    with running_switch(tmp_path_factory.mktemp("torture"), sip=sip) as running:
        running.sip_port = port
        yield running


def exchange(target: tuple[str, int], data: bytes, place: int, silence: bool) -> list[bytes]:
    """Send one datagram from a loopback address of its own; the answers up to the first final one."""
    # Two runs of this test at a time must not take each other's addresses.
    host = f"127.{64 + os.getpid() // 250 % 128}.{os.getpid() % 250 + 1}.{place}"
    ports = {SIP_PORT, sent_by_port(data)}
    answers: list[bytes] = []
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in ports]
        for sock, port in zip(sockets, sorted(ports), strict=True):
            sock.bind((host, port))
        sockets[0].sendto(data, target)
        until = time.monotonic() + (SILENCE if silence else PATIENCE)
        while not answers or status_of(answers[-1]) < 200:
            ready, _, _ = select.select(sockets, [], [], max(0.0, until - time.monotonic()))
            if not ready:
                break
            answers.append(ready[0].recv(65535))
    return answers


def sent_by_port(data: bytes) -> int:
    """The port of the topmost Via, where answers are awaited (RFC 3261 18.2.2)."""
    found = re.search(rb"(?im)^(?:via|v)\s*:\s*SIP\s*/\s*2\.0\s*/\s*\w+\s+[^\s;,:\[\]]+:\s*(\d{2,5})", data)
    return int(found[1]) if found else SIP_PORT


def status_of(answer: bytes) -> int:
    """The status of a response; an element that is asked must not ask back."""
    assert answer.startswith(b"SIP/2.0 "), answer[:80]
    return int(answer[8:11])


MEMORY: Final = {"server_transactions", "accepted_invites", "merge_keys"}
_SEEN: Final[set[bytes]] = set()
"""Branches that the switch has been sent."""


def sent(switch: RunningSwitch, row: Row) -> list[bytes]:
    """The answers to a row.

    One with a branch of before would be taken for a message sent again (RFC 3261 17.2.3), so that the switch is first
    given the time to forget.
    """
    branch = b"".join(re.findall(rb"branch=([^;,\s]+)", row.data)[:1])
    if branch in _SEEN:
        until = time.monotonic() + PATIENCE * 10
        while switch.held().keys() & MEMORY:
            assert time.monotonic() < until, "transactions do not end"
            time.sleep(0.05)
    _SEEN.add(branch)
    return exchange(switch.target, row.data, row.place, bool({"none", "*"} & set(row.acceptable)))


def alive(switch: RunningSwitch, place: int) -> bool:
    """Whether the switch still answers OPTIONS."""
    asked = (
        f"OPTIONS sip:ping@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKcontrol{place}\r\n"
        f"From: <sip:probe@example.com>;tag=c\r\nTo: <sip:ping@example.com>\r\nCall-ID: control-{place}\r\n"
        "CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    return [status_of(answer) for answer in exchange(switch.target, asked.encode(), 100 + place, False)] == [200]


def chosen(rows: Sequence[Row]) -> list[object]:
    """One test parameter a row; one visible skip when there is no corpus."""
    return [pytest.param(row, id=row.name) for row in rows] or [
        pytest.param(Row(0, "absent", "", ()), id="corpus-absent")
    ]


@pytest.mark.parametrize("row", chosen([row for row in ROWS if row.name not in DEVIATIONS]))
def test_the_answer_is_acceptable(switch: RunningSwitch, row: Row) -> None:
    """The answer is one that the RFC allows, and the switch goes on."""
    statuses = [status_of(answer) for answer in sent(switch, row)]
    assert row.takes(statuses), f"{row.acceptable} expected, {statuses} received"
    if row.name in CHOICES:
        assert [status for status in statuses if status >= 200] == [s for s in [CHOICES[row.name]] if s]
    assert alive(switch, row.place)


def test_an_unsupported_extension_is_named(switch: RunningSwitch) -> None:
    """420 lists both option tags of bext01 in Unsupported (RFC 3261 20.40)."""
    (answer,) = [a for a in sent(switch, BY_NAME["bext01"]) if status_of(a) >= 200]
    (line,) = [line for line in answer.split(b"\r\n") if line.startswith(b"Unsupported:")]
    assert {tag.strip() for tag in line.partition(b":")[2].split(b",")} == {
        b"nothingSupportsThis",
        b"nothingSupportsThisEither",
    }


@pytest.mark.parametrize("name", [*DEVIATIONS, None])
def test_deviations_are_not_stale(switch: RunningSwitch, name: str | None) -> None:
    """A row listed as a deviation deviates, in the way it is listed; all listed rows exist."""
    assert set(DEVIATIONS) | set(CHOICES) <= set(BY_NAME)
    if name is None:
        return
    statuses = [status_of(answer) for answer in sent(switch, BY_NAME[name])]
    assert not BY_NAME[name].takes(statuses), f"{name} does not deviate any more"
    assert next((status for status in statuses if status >= 200), None) == DEVIATIONS[name].status


def test_the_corpus_is_complete() -> None:
    """All 61 rows are there, so that none is left out unseen."""
    assert len(ROWS) == len(BY_NAME) == 61


def test_nothing_is_left(switch: RunningSwitch) -> None:
    """No call came of it, and no answer was an error of the switch itself."""
    metrics = switch.metrics()
    assert metrics["calls"] == 0
    assert metrics["media_ports_leased"] == 0
    assert sum(value for name, value in metrics.items() if name.startswith("errors_total")) == 0
