"""`switchboard queues`: the groups, who waits, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import typer

from switchboard.api.types import GroupView, Page, QueueEntryView
from switchboard.command_line import FormatOption, columns, show_json
from switchboard.remote_cli.connection import ConfigOption, UrlOption, ask
from switchboard.remote_cli.words import band, length, percent, place

HELP: Final = """List the groups with waiting callers and working agents; with GROUP, its queue in order of service.

\b
Examples:
  switchboard queues
  switchboard queues support
  switchboard queues support --format json
"""


def queues(
    group: Annotated[str, typer.Argument(metavar="[GROUP]", help="One group's queue.")] = "",
    url: UrlOption = None,
    config: ConfigOption = None,
    form: FormatOption = "text",
) -> None:
    """List the groups, or who waits in one."""
    if group:
        page: Page[QueueEntryView] = ask(url, config, lambda client: client.groups.queue(group, limit=200))
        lines, shown = entry_lines(page.items), page.items
        if page.next is not None:
            lines.append("and more")
        _print(form, lines, shown)
        return
    groups = ask(url, config, lambda client: client.groups.all())
    _print(form, group_lines(groups), groups)


def group_lines(groups: Sequence[GroupView]) -> list[str]:
    """Groups under each other."""
    if not groups:
        return ["no groups"]
    head = ("group", "waiting", "longest", "estimate", "callbacks", "idle", "signed in", "answered", "lost", "service")
    rows = [
        (
            one.name if one.open else f"{one.name} (closed)",
            str(one.waiting),
            length(one.longest_wait),
            band(one.estimate),
            str(one.callbacks),
            str(one.idle),
            f"{one.signed_in}/{one.agents}",
            str(one.answered),
            str(one.abandoned),
            percent(one.service_level),
        )
        for one in groups
    ]
    return columns([head, *rows])


def entry_lines(entries: Sequence[QueueEntryView]) -> list[str]:
    """Those who wait under each other."""
    if not entries:
        return ["nobody waits"]
    rows = [
        (
            str(one.position),
            one.id,
            one.kind,
            one.caller or "-",
            length(one.waited),
            band(one.estimate),
            f"{one.priority}" + (f", VIP {one.vip}" if one.vip else ""),
            ", ".join(one.offered_to) or "-",
            place(one.region),
        )
        for one in entries
    ]
    return columns([("", "id", "kind", "caller", "waited", "estimate", "priority", "rings", "region"), *rows])


def _print(form: str, lines: list[str], shown: object) -> None:
    if form == "json":
        show_json(shown)
        return
    for line in lines:
        typer.echo(line)
