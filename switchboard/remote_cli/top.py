"""`switchboard top`: the live board in the terminal."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live

from switchboard.client import Client, NotReachedError, UnavailableError
from switchboard.remote_cli.board import Board, draw
from switchboard.remote_cli.connection import WIDTH, ConfigOption, UrlOption, ask

AGENTS_READ: Final = 200
CALLS_READ: Final = 100
LEAST_SECONDS: Final = 0.2

HELP: Final = """Show groups with their queues and service level, agents by state, and calls; Ctrl-C ends it.

\b
Examples:
  switchboard top
  switchboard top --every 5
  switchboard top --once
"""


def top(
    once: Annotated[bool, typer.Option("--once", help="Print once and exit, for scripts.")] = False,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=LEAST_SECONDS, help="How often to refresh.")] = 1.0,
    url: UrlOption = None,
    config: ConfigOption = None,
) -> None:
    """Show the live board."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    if once:
        console.print(draw(ask(url, config, read), time.time()))
        return
    try:
        ask(url, config, lambda client: show(client, console, every))
    except KeyboardInterrupt:
        return


async def read(client: Client) -> Board:
    """All that is shown."""
    status, groups, agents, calls = await asyncio.gather(
        client.administration.status(),
        client.groups.all(),
        client.agents.list(limit=AGENTS_READ),
        client.calls.list(limit=CALLS_READ),
    )
    return Board(status, groups, agents.items, calls.items, agents.next is not None, calls.next is not None)


async def show(client: Client, console: Console, every: float) -> None:
    """The board until it is interrupted; while the switch does not answer the last one stays, and says so."""
    board = await read(client)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        notice = ""
        while True:
            live.update(draw(board, time.time(), console.height, notice), refresh=True)
            await asyncio.sleep(every)
            try:
                board, notice = await read(client), ""
            except (NotReachedError, UnavailableError) as error:
                notice = str(error)
