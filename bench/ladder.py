"""A SIP ladder drawn line by line while the calls happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console
from rich.text import Text

from bench.transactions import Endpoint, Record
from bench.wire import angle_uri

_SPAN: Final = 34
"""Columns between two lifelines."""


def arrow(label: str, width: int, *, right: bool) -> str:
    """A labelled arrow of this width; a label too long for it is cut."""
    room = width - 5
    label = label if len(label) <= room else label[: room - 1] + "…"
    line = f"─ {label} ".ljust(width - 1, "─") if right else f" {label} ─".rjust(width - 1, "─")
    return line + "▶" if right else "◀" + line


def label_of(record: Record) -> str:
    """What an arrow says: method and user for a request, status for a response."""
    message = record.message
    if message is None:
        return f"{len(record.data)} octets that are no SIP"
    if not message.is_request:
        return f"{message.status} {message.reason} ({message.cseq[1]})"
    where = message.get("to") if message.method == "REGISTER" else message.uri
    user = angle_uri(where).removeprefix("sip:").split("@")[0]
    sdp = " +SDP" if message.body.startswith(b"v=0") else ""
    return f"{message.method} {user}{sdp}"


class Ladder:
    """Lifelines side by side: phones left and right, the switch between them."""

    def __init__(self, names: Sequence[str], console: Console) -> None:
        """Name the lifelines from left to right."""
        self.names = list(names)
        self.console = console
        self.started = time.monotonic()

    def head(self) -> None:
        """Print the lifelines' names."""
        line = ""
        for place, name in enumerate(self.names):
            middle = 9 + _SPAN * place
            line = line.ljust(min(middle - len(name) // 2, 10 + _SPAN * (len(self.names) - 1) - len(name))) + name
        self.console.print(Text(line, style="bold"), overflow="crop", no_wrap=True)

    def watch(self, endpoint: Endpoint, own: int, far: int) -> None:
        """Draw every datagram of this endpoint as an arrow between two lifelines."""
        endpoint.watchers.append(self._drawer(own, far))

    def _drawer(self, own: int, far: int) -> Callable[[Record], None]:
        def draw(record: Record) -> None:
            outward = record.direction == "out"
            line = self.line(record, min(own, far), right=outward == (own < far))
            self.console.print(Text(line, style=_style(record)), overflow="crop", no_wrap=True)

        return draw

    def line(self, record: Record, left: int, *, right: bool) -> str:
        """One arrow between the lifelines `left` and `left + 1`."""
        cells = [" " * (_SPAN - 1)] * (len(self.names) - 1)
        again = " (again)" if record.repeated else ""
        cells[left] = arrow(label_of(record) + again, _SPAN - 1, right=right)
        return f"{record.at - self.started:8.3f} │" + "│".join(cells) + "│"

    def note(self, text: str) -> None:
        """Print a line about what happens beside SIP."""
        at = time.monotonic() - self.started
        self.console.print(Text(f"{at:8.3f}   · {text}", style="yellow"), overflow="crop", no_wrap=True)


def _style(record: Record) -> str:
    """Colour by what a message means."""
    if record.message is None or record.repeated:
        return "dim"
    if record.message.is_request:
        return "cyan"
    return {1: "dim", 2: "green"}.get(record.message.status // 100, "red")
