"""A ladder as text: a lane for each address, the switch second, an arrow for each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from switchboard.api.types.trace import MessageStep, TraceView

LANE: Final = 30
_TIME: Final = 11


def ladder_lines(view: TraceView, *, sdp: bool = False) -> list[str]:
    """The lines of a ladder; retransmissions have arrows of dots."""
    lanes = _lanes(view)
    head = " " * _TIME + "".join(name.ljust(LANE) for name in lanes)
    lines = [f"{view.began:%Y-%m-%d %H:%M:%S.%f} UTC, milliseconds since then", head.rstrip()]
    for step in view.messages:
        lines.append(f"{step.ms:>9.1f}  {_arrow(step, lanes, view.switch)}".rstrip())
        if sdp:
            indent = " " * _TIME + "".join("|".ljust(LANE) for _ in lanes)
            lines += [f"{indent.rstrip()}    {line}" for line in step.sdp]
    return lines


def _lanes(view: TraceView) -> list[str]:
    """Addresses in the order of their appearance, the switch behind the first."""
    peers = list(dict.fromkeys(step.peer for step in view.messages))
    return [*peers[:1], view.switch, *peers[1:]]


def _arrow(step: MessageStep, lanes: Sequence[str], switch: str) -> str:
    line = list("".join("|".ljust(LANE) for _ in lanes).rstrip())
    ours, theirs = lanes.index(switch), lanes.index(step.peer) if step.peer != switch else 0
    left, right = sorted((ours * LANE, theirs * LANE))
    drawn = "." if step.again else "-"
    line[left + 1 : right] = drawn * (right - left - 1)
    to_right = (step.direction == "out") == (theirs > ours)
    if to_right:
        line[right - 1] = ">"
    else:
        line[left + 1] = "<"
    label = f" {step.text} "
    if step.status and step.method:
        label = f" {step.text} ({step.method}) "
    label = label if len(label) <= LANE - 5 else f"{label[: LANE - 7]}… "
    line[left + 3 : left + 3 + len(label)] = label
    return "".join(line)
