"""The board: what is shown of much, and at what width."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from switchboard.api.types import AgentView, Band, CallView, GroupView, Region, StatusView
from switchboard.remote_cli.board import Board, draw
from switchboard.remote_cli.words import ago, length, percent, place

NOW = 1_790_000_000.0


def at(seconds: float) -> datetime:
    """So long ago."""
    return datetime.fromtimestamp(NOW - seconds, UTC)


def board(
    groups: int = 1, agents: int = 1, calls: int = 1, *, more: bool = False, reasons: list[str] | None = None
) -> Board:
    """A board with so many rows."""
    status = StatusView(
        status="degraded" if reasons else "ok", reasons=reasons or [], uptime=3700.0, calls=calls, waiting=7,
        agents_signed_in=agents,
    )  # fmt: skip
    return Board(
        status,
        [
            GroupView(
                name=f"group {n}", strategy="longest_idle", waiting=n, longest_wait=65.0 + n, agents=9, signed_in=4,
                estimate=Band(at_least=30, at_most=3700), service_level=0.5,
            )
            for n in range(groups)
        ],
        [
            AgentView(id=f"a{n}", name=f"某客服 {n}", state="talking", since=at(n), groups={"sales": 1})
            for n in range(agents)
        ],
        [
            CallView(
                id=f"01997c3e-0000-7000-8000-{n:012d}", direction="in", phase="talking", seconds=5.0, started=at(n),
                caller="139****1234", region=Region(province="江苏", city="常州"), agents=[f"a{n}"],
            )
            for n in range(calls)
        ],
        more,
        more,
    )  # fmt: skip


def drawn(shown: Board, width: int = 80, height: int = 0, notice: str = "") -> list[str]:
    """Its lines."""
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(draw(shown, NOW, height, notice))
    return out.getvalue().splitlines()


def test_those_who_wait_most_stand_first() -> None:
    """Groups by how many wait."""
    lines = drawn(board(groups=3))
    assert [line.split()[1] for line in lines if line.startswith("group ")][1:] == ["2", "1", "0"]
    assert any("1:05" in line and "0:30-1:01:40" in line and "50 %" in line for line in lines)


@pytest.mark.parametrize("height", [24, 30, 50])
def test_it_fits_a_terminal(height: int) -> None:
    """However much there is, no line is too long and none too many; what is left out is counted."""
    lines = drawn(board(groups=40, agents=300, calls=200), height=height)
    assert len(lines) <= height
    assert any("more groups" in line for line in lines)
    assert any("more agents" in line for line in lines)
    assert any("more calls" in line for line in lines)


def test_what_was_not_read_is_told() -> None:
    """Beyond what was read nobody knows how many there are."""
    assert "and more agents" in "\n".join(drawn(board(more=True)))


def test_trouble_stands_in_the_first_line() -> None:
    """Reasons of the switch, and that it does not answer."""
    first = drawn(board(reasons=["disk: is full"]), width=160, notice="no switch answers there")[0]
    assert "degraded" in first
    assert "disk: is full" in first
    assert "no switch answers there" in first


def test_an_empty_switch_has_a_board() -> None:
    """Nobody and nothing."""
    lines = drawn(board(0, 0, 0))
    assert "no agents" in "\n".join(lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0, "0:00"), (59.9, "0:59"), (750, "12:30"), (11_100, "3:05:00"), (-3, "0:00")]
)
def test_lengths_are_short(seconds: float | None, text: str) -> None:
    """Minutes and seconds, hours where there are any."""
    assert length(seconds) == text


def test_words() -> None:
    """Shares, moments, regions."""
    assert (percent(None), percent(0.333)) == ("-", "33 %")
    assert (ago(None), ago(at(61), NOW)) == ("-", "1:01")
    assert place(Region(province="北京", city="北京", carrier="移动")) == "北京 移动"
    assert place(None) == ""
