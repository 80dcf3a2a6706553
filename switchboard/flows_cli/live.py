"""`switchboard flows list` and `reload`: the flows of the running switch."""

from __future__ import annotations

from typing import Final

import msgspec
import typer

from switchboard.command_line import ConfigOption, FormatOption, asked, columns, refuse, show_json
from switchboard.flows_cli.application import app

_LIST_HELP: Final = """List the flows of the running switch: each version that is live, and how many calls are in it.

A changed file goes live for new calls once it has passed the checks; calls that are in the flow keep the version they
began with, which is listed until they have ended.

\b
Examples:
  switchboard flows list
  switchboard flows list --config my.yaml --format json
"""

_RELOAD_HELP: Final = """Have the running switch read its flow files now, instead of when it notices a change.

Faulty files are refused, and the flows that are live stay live; the status is then 1.

\b
Examples:
  switchboard flows reload
"""


class Live(msgspec.Struct):
    """One version on the shelf."""

    flow: str
    version: str
    file: str
    newest: bool
    calls: int


class Shelf(msgspec.Struct):
    """What `flows` answers."""

    flows: list[Live]


class Reloaded(msgspec.Struct):
    """What `reload-flows` answers."""

    refused: list[str] = []
    added: list[str] = []
    changed: list[str] = []
    removed: list[str] = []


@app.command(name="list", help=_LIST_HELP)
def list_live(config: ConfigOption = None, form: FormatOption = "text") -> None:
    """List the flows of the running switch."""
    shelf = msgspec.convert(asked(config, "flows"), Shelf)
    if form == "json":
        show_json(shelf.flows)
        return
    rows = [("flow", "version", "calls", "", "file")]
    rows += [
        (one.flow, one.version, str(one.calls), "live" if one.newest else "until they end", one.file)
        for one in shelf.flows
    ]
    typer.echo("\n".join(columns(rows)))


@app.command(help=_RELOAD_HELP)
def reload(config: ConfigOption = None) -> None:
    """Have the flow files read now."""
    done = msgspec.convert(asked(config, "reload-flows"), Reloaded)
    if done.refused:
        refuse("\n".join((*done.refused, "nothing changed: the flows that were live stay live")))
    told = [f"{word}: {', '.join(names)}" for word, names in _changes(done) if names]
    typer.echo("; ".join(told) or "nothing has changed")


def _changes(done: Reloaded) -> tuple[tuple[str, list[str]], ...]:
    return ("added", done.added), ("changed", done.changed), ("removed", done.removed)
