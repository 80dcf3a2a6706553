"""The ladder drawn while calls happen."""

from __future__ import annotations

from typing import Literal

import pytest
from rich.console import Console

from bench.ladder import Ladder, arrow, label_of
from bench.transactions import Record
from bench.wire import Message


def record(start: str, way: Literal["in", "out"] = "out", body: bytes = b"", *, repeated: bool = False) -> Record:
    """One datagram at second 1.5 of the clock."""
    message = Message(start, [("CSeq", "1 INVITE"), ("To", "<sip:alice@h>")], body)
    return Record(1.5, way, ("127.0.0.1", 1), b"xyz", message, repeated)


@pytest.mark.parametrize("label", ["", "100", "a label that is far too long for any arrow"])
@pytest.mark.parametrize("right", [True, False])
def test_an_arrow_is_as_wide_as_asked(label: str, right: bool) -> None:
    """Whatever the label, lifelines stay straight and the head is at its end."""
    line = arrow(label, 30, right=right)
    assert len(line) == 30
    assert line.endswith("▶") if right else line.startswith("◀")
    assert label[:20] in line


@pytest.mark.parametrize(
    ("start", "body", "label"),
    [
        ("INVITE sip:4001@h:5060 SIP/2.0", b"v=0\r\n", "INVITE 4001 +SDP"),
        ("REGISTER sip:h SIP/2.0", b"", "REGISTER alice"),
        ("SIP/2.0 486 Busy Here", b"", "486 Busy Here (INVITE)"),
    ],
)
def test_labels(start: str, body: bytes, label: str) -> None:
    """A request shows whom it is for and whether it has an SDP, a response what it answers."""
    assert label_of(record(start, body=body)) == label
    assert label_of(Record(0, "in", ("", 0), b"xyz", None, False)) == "3 octets that are no SIP"


def test_arrows_stand_between_the_right_lifelines() -> None:
    """The agent's incoming message is an arrow from the middle to the right, with the time before it."""
    ladder = Ladder(["a", "b", "c"], Console(quiet=True))
    ladder.started = 1.0
    line = ladder.line(record("INVITE sip:x@h SIP/2.0", "in", repeated=True), 1, right=True)
    time, left, right, rest = line.split("│")
    assert (float(time), left.strip(), rest) == (0.5, "", "")
    assert right.startswith("─ INVITE x (again) ─")
    assert right.endswith("▶")
