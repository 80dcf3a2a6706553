"""`switchboard masks bind`, `unbind`, `disable` and `enable`: one binding at a time."""

from __future__ import annotations

from typing import Annotated, Final, Optional

import typer

from routing.masks.pool import ExhaustedError
from routing.masks.target import TargetError
from switchboard.command_line import ConfigOption, Opened, opened, refuse
from switchboard.masks_cli.application import (
    ByOption,
    ExtensionArgument,
    NameArgument,
    ReasonOption,
    allotment,
    app,
    binding_id,
    said,
    tell_of,
    warn_of,
    who,
)
from switchboard.store.mask_editor import MaskEditor, RowError
from switchboard.store.mask_rows import MaskRow

HIDDEN: Final = ("target", "a", "b", "n")
"""What may be somebody's number: written as - it is asked for, so that it stands in no history of commands."""

_BIND_HELP: Final = """Bind an extension of a main number, or an X number, to people.

Binding the same again changes nothing. A real number written as - is asked for. Without an EXTENSION, or with
--pool instead of a NUMBER, the next free one is taken; whoever has one already keeps it.

\b
Examples:
  switchboard masks bind 4008001234 100001 13900001234 --trunk carrier --shown 01088880000 --label "Flat 3"
  switchboard masks bind 4008001234 100002 aor:alice --expires 2027-12-31
  switchboard masks bind 4008001234 --target - --limit 10m --warn
  switchboard masks bind 01088880001 --kind axb --a 13900001111 --b 13900002222 --expires "2026-12-31 18:00"
  switchboard masks bind --pool rent --city Beijing --kind axb --a 13900001111 --b 13900002222 --idle 7d
  switchboard masks bind 01088880002 --kind axg --a 13900001111 --group support --callback-window 1d --callback-times 3
"""

_UNBIND_HELP: Final = """Remove a binding: a call that is up goes on, the next one fails.

An extension can answer with a notice that it was given back for some time; one that is given out by a pool does so
for the pool's cool-down unless told otherwise.

\b
Examples:
  switchboard masks unbind 4008001234 100001
  switchboard masks unbind 4008001234 100001 --quarantine 30d --reason "moved out"
  switchboard masks unbind axb-1f0c9d5e2a7b4433
"""

_DISABLE_HELP: Final = """Disable a binding for the time being; callers are told so.

\b
Examples:
  switchboard masks disable 4008001234 100001 --reason "complaint 17"
  switchboard masks disable axb-1f0c9d5e2a7b4433
"""

_ENABLE_HELP: Final = """Enable a disabled binding again.

\b
Examples:
  switchboard masks enable 4008001234 100001
  switchboard masks enable axb-1f0c9d5e2a7b4433
"""

Text = Optional[str]  # noqa: UP045 - typer reads the annotation at run time


@app.command(help=_BIND_HELP)
def bind(
    number: Annotated[Text, typer.Argument(metavar="[NUMBER]", help="The main number, or X.")] = None,
    extension: Annotated[Text, typer.Argument(metavar="[EXTENSION]", help="One to six digits.")] = None,
    to: Annotated[Text, typer.Argument(metavar="[TARGET]", help="Number, sip:user@host or aor:user.")] = None,
    config: ConfigOption = None,
    target: Annotated[str, typer.Option(help="TARGET where no extension is given; the owner of ax or axn.")] = "",
    kind: Annotated[str, typer.Option(help="extension, axb, axn, axg or ax.")] = "",
    a: Annotated[str, typer.Option("--a", help="The number of X's owner.")] = "",
    b: Annotated[str, typer.Option("--b", help="The number of the other side (axb).")] = "",
    n: Annotated[str, typer.Option("--n", help="Whom the owner reaches through X (axn).")] = "",
    group: Annotated[str, typer.Option(help="The group that answers (axg).")] = "",
    binding: Annotated[str, typer.Option("--id", help="A name for the binding of an X number.")] = "",
    trunk: Annotated[str, typer.Option(help="The trunk that reaches real numbers.")] = "",
    shown: Annotated[str, typer.Option(help="The number shown to the target of an extension.")] = "",
    shown_to_a: Annotated[str, typer.Option(help="The number A sees instead of X.")] = "",
    shown_to_b: Annotated[str, typer.Option(help="The number B sees instead of X.")] = "",
    expires: Annotated[str, typer.Option(metavar="TIME", help="2026-12-31 or '2026-12-31 18:00'.")] = "",
    idle: Annotated[str, typer.Option(metavar="LENGTH", help="Ends after this long without a call: 2h, 30d.")] = "",
    direction: Annotated[str, typer.Option(help="both, a_to_b or b_to_a.")] = "",
    limit: Annotated[str, typer.Option(metavar="LENGTH", help="The longest talk time: 90s, 10m.")] = "",
    warn: Annotated[bool, typer.Option("--warn", help="Announce the last minute.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Record the talk.")] = False,
    consent: Annotated[bool, typer.Option("--consent", help="Ask before recording.")] = False,
    callback_window: Annotated[str, typer.Option(metavar="LENGTH", help="How long A may call B back.")] = "",
    callback_times: Annotated[str, typer.Option(metavar="COUNT", help="How often within this window.")] = "",
    latest: Annotated[bool, typer.Option("--latest", help="A reaches whoever called last (axn).")] = False,
    label: Annotated[str, typer.Option(help="What it stands for, such as a listing.")] = "",
    city: Annotated[str, typer.Option(help="The city; with --pool, that of the number.")] = "",
    store_name: Annotated[str, typer.Option("--store", help="The store it belongs to.")] = "",
    pool: Annotated[str, typer.Option(metavar="NAME", help="Take X from this pool.")] = "",
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is bound to something else.")] = False,
    by: ByOption = None,
) -> None:
    """Bind an extension or an X number to people."""
    fields = {
        "number": number or "", "extension": extension or "", "target": to or target, "kind": kind, "a": a, "b": b,
        "n": n, "group": group, "id": binding, "trunk": trunk, "shown": shown, "shown_to_a": shown_to_a,
        "shown_to_b": shown_to_b, "expires": expires, "idle": idle, "direction": direction, "limit": limit,
        "warn": _yes(warn), "record": _yes(record), "consent": _yes(consent), "callback_window": callback_window,
        "callback_times": callback_times, "latest": _yes(latest), "label": label, "city": city, "store": store_name,
    }  # fmt: skip
    for name in HIDDEN:
        if fields[name] == "-":
            fields[name] = typer.prompt(name, hide_input=True)
    with opened(config) as store:
        try:
            row = allotment(store).complete(pool, fields).row(fields)
            done = MaskEditor(store.database, who(by)).store([row], replace=replace)
        except (ValueError, ExhaustedError) as error:
            refuse(str(error))
        except RowError as error:
            (reason,) = error.reasons.values()
            advice = "; --replace replaces it" if reason.startswith("is bound already") else ""
            refuse(f"{said(row.key)}: {reason}{advice}")
        if done.unchanged:
            typer.echo(f"{_told(row)}: is already bound so, nothing changed")
            return
        typer.echo(f"{_told(row)}: {'replaced' if done.replaced else 'bound'}")
        warn_of(store, [row.number])
        typer.echo(tell_of(store.directory, [row.key]))


@app.command(help=_UNBIND_HELP)
def unbind(
    name: NameArgument,
    extension: ExtensionArgument = None,
    config: ConfigOption = None,
    quarantine: Annotated[
        str, typer.Option(metavar="LENGTH", help="How long callers hear that it was given back; 0 for never.")
    ] = "",
    reason: ReasonOption = "",
    by: ByOption = None,
) -> None:
    """Remove a binding."""
    binding = binding_id(name, extension)
    with opened(config) as store:
        try:
            until_us = allotment(store).rest_until(binding, quarantine)
        except TargetError as error:
            refuse(str(error))
        if not MaskEditor(store.database, who(by)).unbind(binding, quarantine_until_us=until_us, reason=reason):
            refuse(f"{said(binding)}: not bound")
        typer.echo(f"{said(binding)}: unbound")
        typer.echo(tell_of(store.directory, [binding]))


@app.command(help=_DISABLE_HELP)
def disable(
    name: NameArgument,
    extension: ExtensionArgument = None,
    config: ConfigOption = None,
    reason: ReasonOption = "",
    by: ByOption = None,
) -> None:
    """Disable a binding for the time being."""
    with opened(config) as store:
        _switch(store, binding_id(name, extension), disabled=True, reason=reason, by=by)


@app.command(help=_ENABLE_HELP)
def enable(
    name: NameArgument,
    extension: ExtensionArgument = None,
    config: ConfigOption = None,
    reason: ReasonOption = "",
    by: ByOption = None,
) -> None:
    """Enable a disabled binding again."""
    with opened(config) as store:
        _switch(store, binding_id(name, extension), disabled=False, reason=reason, by=by)


def _switch(store: Opened, binding: str, *, disabled: bool, reason: str, by: str | None) -> None:
    state = "disabled" if disabled else "enabled"
    done = MaskEditor(store.database, who(by)).switch(binding, disabled=disabled, reason=reason)
    if done is None:
        refuse(f"{said(binding)}: not bound")
    if not done:
        typer.echo(f"{said(binding)}: is {state} already, nothing changed")
        return
    typer.echo(f"{said(binding)}: {state}")
    typer.echo(tell_of(store.directory, [binding]))


def _yes(given: bool) -> str:
    return "yes" if given else ""


def _told(row: object) -> str:
    key = getattr(row, "key", "")
    return said(key) if isinstance(row, MaskRow) else f"{getattr(row, 'number', '')} {said(key)}"
