"""`switchboard sources`: who is blocked, and who shall be, in the running switch."""

from __future__ import annotations

from typing import Annotated, Final, Optional

import msgspec
import typer

from config.values import Duration
from switchboard.command_line import ConfigOption, FormatOption, asked, columns, refuse, show_json

app = typer.Typer(
    name="sources",
    help="Addresses that the running switch ignores.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_LIST_HELP: Final = """List who is blocked: by the configuration, by an operator, or for a while because of scanning.

\b
Examples:
  switchboard sources list
  switchboard sources list --format json
"""

_BLOCK_HELP: Final = """Ignore an address or network until the switch is restarted.

For good put it into the configuration, under sources: block. Trunks and the addresses of registered phones cannot be
blocked.

\b
Examples:
  switchboard sources block 203.0.113.9
  switchboard sources block 203.0.113.0/24 --for 2h
"""

_UNBLOCK_HELP: Final = """Stop ignoring an address or network, whoever blocked it.

\b
Examples:
  switchboard sources unblock 203.0.113.9
"""

SourceArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="An address, or a network: 203.0.113.0/24.")]


class Line(msgspec.Struct):
    """One that is blocked; `seconds` is None for good."""

    source: str
    reason: str
    seconds: int | None


@app.command(name="list", help=_LIST_HELP)
def list_blocked(config: ConfigOption = None, form: FormatOption = "text") -> None:
    """List who is blocked."""
    lines = msgspec.convert(asked(config, "sources"), list[Line])
    if form == "json":
        show_json(lines)
        return
    rows = [(one.source, one.reason, "for good" if one.seconds is None else f"{one.seconds} s") for one in lines]
    typer.echo("\n".join(columns([("source", "reason", "still"), *rows])) if rows else "nobody is blocked")


@app.command(help=_BLOCK_HELP)
def block(
    source: SourceArgument,
    length: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--for", metavar="TIME", help="How long: 30s, 10m, 2h, 1d."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Ignore an address or network."""
    try:
        seconds = None if length is None else float(Duration.parse(length))
    except ValueError as error:
        refuse(f"--for: {error}")
    typer.echo(f"{asked(config, 'block-source', source=source, seconds=seconds)} is blocked")


@app.command(help=_UNBLOCK_HELP)
def unblock(source: SourceArgument, config: ConfigOption = None) -> None:
    """Let an address or network in again."""
    if not asked(config, "unblock-source", source=source):
        refuse(f"{source} was not blocked; see: switchboard sources list")
    typer.echo(f"{source} is let in")
