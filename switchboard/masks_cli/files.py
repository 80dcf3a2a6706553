"""`switchboard masks import` and `export`: many bindings in a file."""

from __future__ import annotations

import contextlib
import csv
import gc
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, NoReturn, Optional, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from routing.masks import VaultError
from routing.masks.policy import PLAIN, Policy
from routing.masks.secret import Sealed, Vault
from routing.numbers import canonical_number
from switchboard.command_line import ConfigOption, Opened, opened, reason_of, refuse
from switchboard.masks_cli.application import ByOption, ReasonOption, allotment, app, tell_switch, warn_of, who
from switchboard.store.mask_editor import ExistingBindingsError, Imported, MaskEditor, RowError
from switchboard.store.mask_fields import FIELDS
from switchboard.store.mask_file import BadRow, MaskFile, MaskFileError, decode, read_masks
from switchboard.store.mask_log import Change, note
from switchboard.store.mask_rows import MaskRow, Row, policy_of
from switchboard.store.masks import MaskFilter, MaskRepository
from switchboard.store.records import utc_us

SHOWN_ROWS: Final = 20

_IMPORT_HELP: Final = """Import bindings from a CSV file or JSON lines; if one row is wrong, none is imported.

What is already bound exactly so is left alone, so the same file may be imported again. The first line of a CSV
file names the columns: number,extension,target and, as wanted, trunk,shown,expires,label and the rules (limit, warn,
record, consent, direction, idle, city, store, …); for X numbers number,kind,a,b (axb), number,kind,a (ax, axn),
number,kind,a,group (axg). A target is a real number (stored encrypted), sip:user@host or aor:user. UTF-8 and GBK are
read.

\b
Example files:
  number,extension,target,trunk,shown,expires,label
  4008001234,100001,13900001234,carrier,01088880000,2027-12-31,Flat 3
  4008001234,100002,aor:alice,,,,

\b
  {"number": "01088880001", "kind": "axb", "a": "13900001111", "b": "13900002222", "limit": "10m", "warn": true}

\b
Examples:
  switchboard masks import agents.csv
  switchboard masks import pairs.jsonl --config my.yaml --replace
"""

_EXPORT_HELP: Final = """Write bindings as CSV; real numbers are masked unless they are asked for with a reason.

A file with real numbers can be imported again. That they were written, by whom and why, stands in the log of changes.

\b
Examples:
  switchboard masks export -o masks.csv
  switchboard masks export --number 4008001234
  switchboard masks export -o moving.csv --reveal --reason "move to another machine, ticket 4711"
"""


@app.command(name="import", help=_IMPORT_HELP)
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to import.")],
    config: ConfigOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace what is bound to something else.")] = False,
    by: ByOption = None,
) -> None:
    """Import bindings from a file."""
    with opened(config) as store:
        began = time.monotonic()
        try:
            text = decode(file.read_bytes())
        except OSError as error:
            refuse(f"{file}: cannot be read: {reason_of(error)}")
        except MaskFileError as error:
            refuse(f"{file}: {error}")
        with _uncollected():
            numbers, done = _import(text, store, file, replace=replace, by=who(by))
        taken = time.monotonic() - began
        changed = done.added + done.replaced
        if changed:
            words = f"{done.replaced} replaced, {done.unchanged} unchanged"
            typer.echo(f"{_counted(changed)} imported ({words}) in {taken:.1f} s")
        else:
            typer.echo(f"nothing to import: {_counted(done.unchanged)} there already ({taken:.1f} s)")
        warn_of(store, numbers)
        if store.config.store.fresh:
            typer.echo("note: this configuration has store.fresh, so the next start of the switch empties them again")
        if changed:
            typer.echo(tell_switch(store.directory, "reload-masks"))


def _counted(bindings: int) -> str:
    return f"{bindings} binding{'' if bindings == 1 else 's'}"


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Rows pile up and none is garbage, so looking for some would take a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _import(text: str, store: Opened, file: Path, *, replace: bool, by: str) -> tuple[set[str], Imported]:
    """The numbers of the bindings, and what became of them."""
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        reading = progress.add_task("reading", total=text.count("\n") or 1)
        try:
            found = read_masks(text, allotment(store).reader(), lambda line: progress.update(reading, completed=line))
        except MaskFileError as error:
            progress.stop()
            refuse(f"{file}: {error}")
        progress.update(reading, completed=text.count("\n") or 1)
        if found.bad:
            progress.stop()
            _refuse_rows(file, found.bad)
        storing = progress.add_task("storing", total=len(found.rows))
        try:
            done = MaskEditor(store.database, by).store(
                found.rows,
                action="import",
                replace=replace,
                progress=lambda rows: progress.update(storing, completed=rows),
            )
        except RowError as error:
            progress.stop()
            advice = "; --replace replaces them" if isinstance(error, ExistingBindingsError) else ""
            _refuse_rows(file, _lines(found, error), advice)
        progress.update(storing, completed=len(found.rows))
        return {row.number for row in found.rows}, done


def _lines(found: MaskFile, error: RowError) -> list[BadRow]:
    return sorted(BadRow(found.lines[key], reason) for key, reason in error.reasons.items())


def _refuse_rows(file: Path, bad: Sequence[BadRow], advice: str = "") -> NoReturn:
    for row in bad[:SHOWN_ROWS]:
        typer.echo(f"{file}:{row.line}: {row.reason}", err=True)
    if len(bad) > SHOWN_ROWS:
        typer.echo(f"… and {len(bad) - SHOWN_ROWS} more", err=True)
    refuse(f"nothing imported: {len(bad)} bad row{'s' if len(bad) != 1 else ''}{advice}")


@app.command(help=_EXPORT_HELP)
def export(
    config: ConfigOption = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--output", "-o", metavar="FILE", help="Where to write, for you alone; default: standard output."),
    ] = None,
    number: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NUMBER", help="Bindings on this number only."),
    ] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Write real numbers in clear; needs --reason.")] = False,
    reason: ReasonOption = "",
    by: ByOption = None,
) -> None:
    """Write bindings as CSV."""
    if reveal and not reason.strip():
        refuse("--reveal writes real numbers in clear: say why with --reason")
    with opened(config) as store:
        wanted = MaskFilter(number=None if number is None else canonical_number(number))
        if reveal:
            # Before the first number leaves: an export that breaks off has told some, too.
            detail = f"bindings of {wanted.number or 'all numbers'}, with real numbers"
            note(store.database, Change(utc_us(), who(by), "reveal", "", detail, reason.strip()))
        rows = MaskRepository(store.database).search(wanted, -1)
        try:
            if output is None:
                _write(sys.stdout, rows, store.vault, reveal=reveal)
            else:
                fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
                    os.fchmod(fd, 0o600)
                    _write(file, rows, store.vault, reveal=reveal)
        except OSError as error:
            refuse(f"{output}: cannot be written ({reason_of(error)})")
        except VaultError as error:
            refuse(f"the export stopped: {error}")
    if output is not None:
        typer.echo(f"{_counted(len(rows))} written to {output}")


def _write(file: TextIO, rows: Iterable[Row], vault: Vault, *, reveal: bool) -> None:
    writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(_fields(row, vault, reveal=reveal))


def _fields(row: Row, vault: Vault, *, reveal: bool) -> dict[str, str]:
    def clear(sealed: bytes | None) -> str:
        if sealed is None:
            return ""
        number = vault.open(Sealed(sealed))
        return number.reveal("an export that was given a reason") if reveal else str(number)

    policy = policy_of(row.policy)
    fields = {
        "number": row.number,
        "label": row.label,
        "expires": "" if row.expires_us is None else _moment(row.expires_us),
        "disabled": "yes" if row.disabled else "",
        "trunk": policy.trunk,
        **_policy_fields(policy),
    }
    if isinstance(row, MaskRow):
        target = {"sip": row.target, "aor": f"aor:{row.target}"}.get(row.kind) or clear(row.sealed)
        return fields | {"extension": row.extension, "target": target, "trunk": row.trunk, "shown": row.shown}
    other = "b" if row.kind == "axb" else "n"
    return fields | {
        "kind": row.kind,
        "id": row.id,
        "target": row.target,
        "group": row.group,
        "a": clear(row.a_sealed),
        other: clear(row.b_sealed),
    }


def _policy_fields(policy: Policy) -> dict[str, str]:
    fields = {
        "direction": policy.direction if policy.direction != PLAIN.direction else "",
        "idle": _seconds(policy.idle),
        "limit": _seconds(policy.limit),
        "shown_to_a": policy.shown_to_a,
        "shown_to_b": policy.shown_to_b,
        "city": policy.city,
        "store": policy.store,
    }
    fields |= {name: "yes" for name in ("warn", "record", "consent", "latest") if getattr(policy, name)}
    if policy.callback is not None:
        times = policy.callback.times
        fields["callback_window"] = _seconds(policy.callback.window)
        fields["callback_times"] = "" if times is None else str(times)
    return fields


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6).astimezone().isoformat(" ")
