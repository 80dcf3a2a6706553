"""`switchboard workers`: the media workers of the running switch, more of them, and fewer."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
import typer

from switchboard.command_line import ConfigOption, FormatOption, asked, columns, show_json

app = typer.Typer(
    name="workers",
    help="Media workers of the running switch, the processes that carry audio.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_LIST_HELP: Final = """List the workers: legs they carry, free ports, CPU time, the latest that anything was sent.

\b
Examples:
  switchboard workers list
  switchboard workers list --format json
"""
_ADD_HELP: Final = """Start one more worker; it takes new calls as soon as it is up.

It lasts until the switch stops; for good put it into the configuration, under media: workers.

\b
Examples:
  switchboard workers add
"""
_DRAIN_HELP: Final = """Send no new calls to a worker; it ends when its last call is over.

\b
Examples:
  switchboard workers drain 1
"""


class Line(msgspec.Struct):
    """One worker."""

    worker: int
    state: str
    legs: int
    free: int
    cpu_seconds: float | None
    late_ms: float | None


@app.command(name="list", help=_LIST_HELP)
def list_workers(config: ConfigOption = None, form: FormatOption = "text") -> None:
    """List them."""
    lines = msgspec.convert(asked(config, "workers"), list[Line])
    if form == "json":
        show_json(lines)
        return
    heads = ("worker", "state", "legs", "free ports", "CPU", "late at most")
    rows = [
        (*map(str, (one.worker, one.state, one.legs, one.free)), _with(one.cpu_seconds, "s"), _with(one.late_ms, "ms"))
        for one in lines
    ]
    typer.echo("\n".join(columns([heads, *rows])))


@app.command(help=_ADD_HELP)
def add(config: ConfigOption = None) -> None:
    """Start one more."""
    asked(config, "add-worker")
    typer.echo("another worker is being started; `switchboard workers list` shows when it is up")


@app.command(help=_DRAIN_HELP)
def drain(
    worker: Annotated[int, typer.Argument(metavar="WORKER", help="Its number, as `workers list` shows it.")],
    config: ConfigOption = None,
) -> None:
    """Send it no new calls."""
    legs = asked(config, "drain-worker", worker=worker)
    typer.echo(f"worker {worker} takes no new calls" + (f"; it ends after its {legs} legs" if legs else " and ends"))


def _with(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{value:g} {unit}"
