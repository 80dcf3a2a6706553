"""The live board: groups, agents by state, calls; drawn for a terminal of 80 columns or more. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from switchboard.api.types import AgentView, CallView, GroupView, StatusView
from switchboard.remote_cli.words import ago, band, length, percent, place

STATES: Final = ("talking", "held", "ringing", "wrap_up", "idle", "busy", "break", "meeting", "offline")
STYLES: Final = {
    "talking": "green",
    "held": "yellow",
    "ringing": "cyan",
    "wrap_up": "blue",
    "idle": "bold",
    "busy": "magenta",
    "break": "magenta",
    "meeting": "magenta",
    "offline": "dim",
}
LATE: Final = 0.8
"""A service level below this is shown in red."""
LEAST_ROWS: Final = 3
_HEADS: Final = 8
"""Lines that are no rows: title, three heads, blanks between."""


class Board(NamedTuple):
    """What is shown, as it was read together; `more_agents` and `more_calls` are those beyond what was read."""

    status: StatusView
    groups: Sequence[GroupView]
    agents: Sequence[AgentView]
    calls: Sequence[CallView]
    more_agents: bool = False
    more_calls: bool = False


def draw(board: Board, now: float, height: int = 0, notice: str = "") -> RenderableType:
    """The board; with a `height` in lines it is cut to fit. `now` is UTC seconds."""
    rows = _share(height, len(board.groups), len(board.agents), len(board.calls))
    parts: list[RenderableType] = [_title(board, notice), Text()]
    parts += [_groups(board.groups, rows[0]), Text()]
    parts += [_states(board.agents), _agents(board, now, rows[1]), Text(), _calls(board, now, rows[2])]
    return Group(*parts)


def _title(board: Board, notice: str) -> Text:
    status = board.status
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append("switchboard ", "bold")
    line.append(status.status, {"ok": "green", "draining": "yellow"}.get(status.status, "red bold"))
    line.append(f"   up {length(status.uptime)}   calls {status.calls}   waiting {status.waiting}   ")
    line.append(f"agents {status.agents_signed_in}")
    for reason in (notice, *status.reasons):
        if reason:
            line.append(f"   {reason}", "red")
    return line


def _groups(groups: Sequence[GroupView], rows: int) -> RenderableType:
    table = _table(
        ("group", 14), ("waiting", 7), ("longest", 8), ("estimate", 13), ("idle", 5), ("in", 7), ("service", 8)
    )
    ordered = sorted(groups, key=lambda one: (-one.waiting, -(one.longest_wait or 0.0), one.name))
    for one in ordered[:rows]:
        level = one.service_level
        table.add_row(
            Text(one.name if one.open else f"{one.name} (closed)", "" if one.open else "dim"),
            Text(str(one.waiting), "red bold" if one.waiting and not one.idle else ""),
            length(one.longest_wait),
            band(one.estimate),
            str(one.idle),
            f"{one.signed_in}/{one.agents}",
            Text(percent(level), "red" if level is not None and level < LATE else ""),
        )
    return _with_rest(table, len(ordered) - rows, "groups")


def _states(agents: Sequence[AgentView]) -> Text:
    counts = Counter(agent.state for agent in agents)
    line = Text(no_wrap=True, overflow="ellipsis")
    for state in STATES:
        if counts[state]:
            line.append(f"{state.replace('_', '-')} {counts[state]}  ", STYLES[state])
    return line if counts else Text("no agents", "dim")


def _agents(board: Board, now: float, rows: int) -> RenderableType:
    table = _table(("agent", 16), ("state", 9), ("for", 8), ("groups", 18), ("reason", 16))
    ordered = sorted(
        (agent for agent in board.agents if agent.state != "offline"),
        key=lambda agent: (STATES.index(agent.state), agent.since.timestamp() if agent.since else 0.0),
    )
    for agent in ordered[:rows]:
        table.add_row(
            agent.name,
            Text(agent.state.replace("_", "-"), STYLES[agent.state]),
            ago(agent.since, now),
            ", ".join(agent.groups),
            agent.reason,
        )
    return _with_rest(table, len(ordered) - rows, "agents", board.more_agents)


def _calls(board: Board, now: float, rows: int) -> RenderableType:
    table = _table(("call", 9), ("for", 8), ("phase", 10), ("caller", 12), ("region", 13), ("with", 18))
    ordered = sorted(board.calls, key=lambda call: call.started, reverse=True)
    for call in ordered[:rows]:
        table.add_row(
            f"…{call.id[-8:]}",
            ago(call.started, now),
            call.phase,
            call.caller or "-",
            place(call.region),
            ", ".join(call.agents) or call.group or call.flow,
        )
    return _with_rest(table, len(ordered) - rows, "calls", board.more_calls)


def _table(*columns: tuple[str, int]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", pad_edge=False)
    for name, width in columns:
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=len(name), max_width=width)
    return table


def _with_rest(table: Table, rest: int, what: str, more: bool = False) -> RenderableType:
    if rest <= 0 and not more:
        return table
    told = f"and {rest} more {what}" if rest > 0 and not more else f"and more {what}"
    return Group(table, Text(told, "dim"))


def _share(height: int, *wanted: int) -> list[int]:
    """How many rows each table gets of a height; all of them with 0."""
    if height <= 0:
        return list(wanted)
    left = max(height - _HEADS - len(wanted), LEAST_ROWS * len(wanted))
    shares = [min(LEAST_ROWS, one) for one in wanted]
    left -= sum(shares)
    for place_, one in enumerate(wanted):
        more = min(one - shares[place_], max(left, 0) if place_ == len(wanted) - 1 else max(left, 0) // 2)
        shares[place_] += more
        left -= more
    return shares
