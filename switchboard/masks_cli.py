"""`switchboard masks`: import bindings of masked numbers from a CSV file, and show one."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, NoReturn, Optional

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from config.errors import ConfigError
from config.loader import load_config
from config.schema import Config
from routing.masks.binding import Binding
from routing.masks.secret import Vault, VaultError, canonical_number, fold_digits
from routing.masks.table import MaskTable
from routing.masks.target import AorTarget, NumberTarget, SipTarget, Target
from switchboard.store.database import Database, DatabaseError
from switchboard.store.keys import KeyFileError, load_vault
from switchboard.store.mask_file import BadRow, MaskFile, MaskFileError, MaskReader, decode
from switchboard.store.masks import ExistingBindingsError, Imported, MaskRepository, bind_configured
from switchboard.store.records import utc_us
from switchboard.store.store import CONTROL_NAME, DATABASE_NAME

SHOWN_ROWS: Final = 20
CONTROL_SECONDS: Final = 30.0

app = typer.Typer(
    name="masks",
    help="Masked numbers: who stands behind a 400 number and an extension.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ConfigOption = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--config", "-c", metavar="FILE", help="Configuration; the built-in defaults without it."),
]

_IMPORT_HELP: Final = """Import bindings from a CSV file; all rows or, when one is wrong, none.

The first line names the columns number,extension,target and, as wanted, trunk,shown,expires,label.
A target is a real number (stored encrypted), sip:user@host or aor:user. UTF-8 and GBK are read.

\b
Example file:
  number,extension,target,trunk,shown,expires,label
  4008001234,100001,13900001234,carrier,01088880000,2027-12-31,Flat 3
  4008001234,100002,aor:alice,,,,

\b
Examples:
  switchboard masks import agents.csv
  switchboard masks import agents.csv --config my.yaml --replace
"""

_SHOW_HELP: Final = """Show what is bound to a number and extension; a real number is shown masked.

\b
Examples:
  switchboard masks show 4008001234 123456
  switchboard masks show 400-800-1234 123456 --config my.yaml
"""


@app.command(name="import", help=_IMPORT_HELP)
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="The file to import.")],
    config: ConfigOption = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace extensions that are bound already.")] = False,
) -> None:
    """Import bindings from a CSV file."""
    loaded = _load(config)
    began = time.monotonic()
    try:
        text = decode(file.read_bytes())
    except OSError as error:
        _refuse(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}")
    except MaskFileError as error:
        _refuse(f"{file}: {error}")
    database, vault = _open(loaded)
    # Rows pile up and none is garbage, so looking for some would take a quarter of the time.
    gc.disable()
    try:
        done = _import(text, loaded, database, vault, file, replace=replace)
    finally:
        gc.enable()
        database.close()
    taken = time.monotonic() - began
    typer.echo(f"{done.added + done.replaced} bindings imported ({done.replaced} replaced) in {taken:.1f} s")
    if loaded.store.fresh:
        typer.echo("note: this configuration has store.fresh, so the next start of the switch empties them again")
    reply = tell_switch(Path(loaded.store.directory) / CONTROL_NAME, "reload-masks")
    typer.echo(reply)


def _import(text: str, config: Config, database: Database, vault: Vault, file: Path, *, replace: bool) -> Imported:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        reading = progress.add_task("reading", total=text.count("\n") or 1)
        reader = MaskReader(
            vault,
            trunks=[trunk.name for trunk in config.trunks if trunk.to],
            accounts=[account.user for account in config.accounts],
            now_us=utc_us(),
        )
        try:
            found = reader.read(text, lambda line: progress.update(reading, completed=line))
        except MaskFileError as error:
            _refuse(f"{file}: {error}")
        progress.update(reading, completed=text.count("\n") or 1)
        if found.bad:
            progress.stop()
            _refuse_rows(file, found.bad)
        storing = progress.add_task("storing", total=len(found.rows))
        try:
            return MaskRepository(database).import_rows(
                found.rows,
                replace=replace,
                progress=lambda rows: progress.update(storing, completed=rows),
            )
        except ExistingBindingsError as error:
            progress.stop()
            _refuse_rows(file, _already_bound(found, error.keys), "; --replace replaces them")


def _already_bound(found: MaskFile, keys: Sequence[tuple[str, str]]) -> list[BadRow]:
    return [BadRow(found.lines[key], "this extension is bound already") for key in keys]


def _refuse_rows(file: Path, bad: Sequence[BadRow], advice: str = "") -> NoReturn:
    for row in bad[:SHOWN_ROWS]:
        typer.echo(f"{file}:{row.line}: {row.reason}", err=True)
    if len(bad) > SHOWN_ROWS:
        typer.echo(f"… and {len(bad) - SHOWN_ROWS} more", err=True)
    _refuse(f"nothing imported: {len(bad)} bad row{'s' if len(bad) != 1 else ''}{advice}")


@app.command(help=_SHOW_HELP)
def show(
    number: Annotated[str, typer.Argument(help="The public number.")],
    extension: Annotated[str, typer.Argument(help="The extension behind it.")],
    config: ConfigOption = None,
) -> None:
    """Show what is bound to a number and extension."""
    loaded = _load(config)
    number, extension = canonical_number(number), fold_digits(extension)
    database, vault = _open(loaded)
    try:
        binding = MaskRepository(database).get(number, extension)
        origin = "imported"
        if binding is None:
            binding, origin = _configured(loaded, vault, number, extension), "configuration"
        if binding is None:
            typer.echo(f"{number} extension {extension}: not bound")
            raise typer.Exit(1)
        for line in _describe(binding, vault, origin):
            typer.echo(line)
    except VaultError as error:
        _refuse(f"{number} extension {extension}: {error}")
    finally:
        database.close()


def _configured(config: Config, vault: Vault, number: str, extension: str) -> Binding | None:
    table = MaskTable()
    try:
        bind_configured(table, config.masks, vault)
    except ValueError as error:
        _refuse(f"masks in the configuration: {error}")
    target = table.bound(number, extension)
    return None if target is None else Binding(number=number, extension=extension, target=target)


def _describe(binding: Binding, vault: Vault, origin: str) -> list[str]:
    now = utc_us()
    state = "active"
    if binding.disabled:
        state = f"disabled since {_local(binding.updated_us)}"
    elif binding.expires_us is not None and binding.expires_us <= now:
        state = f"expired since {_local(binding.expires_us)}"
    lines = [
        f"{binding.number} extension {binding.extension}",
        f"  target   {_masked(binding.target, vault)}",
        f"  state    {state}",
    ]
    if origin == "imported":
        lines.append(f"  since    {_local(binding.created_us)}")
    if binding.updated_us > binding.created_us:
        lines.append(f"  changed  {_local(binding.updated_us)}")
    if binding.expires_us is not None:
        lines.append(f"  until    {_local(binding.expires_us)}")
    if binding.label:
        lines.append(f"  label    {binding.label}")
    lines.append(f"  origin   {origin}")
    return lines


def _masked(target: Target, vault: Vault) -> str:
    match target:
        case SipTarget(uri):
            return uri
        case AorTarget(aor):
            return f"softphone {aor}"
        case NumberTarget(secret, trunk, shown):
            return f"{vault.open(secret)} by trunk {trunk}, showing {shown or 'no number'}"


class _Reply(msgspec.Struct):
    ok: bool
    result: dict[str, object] = {}
    error: str = ""


def tell_switch(path: Path, command: str, seconds: float = CONTROL_SECONDS) -> str:
    """Send a command to the switch that runs on this store; what came of it, in words."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
            control.settimeout(seconds)
            control.connect(str(path))
            control.sendall(msgspec.json.encode({"command": command}) + b"\n")
            with control.makefile("rb") as replies:
                reply = msgspec.json.decode(replies.readline(65536), type=_Reply)
    except (FileNotFoundError, ConnectionRefusedError):
        return "no switch is running on this store; the next start reads them"
    except (OSError, msgspec.MsgspecError) as error:
        reason = str(error) if isinstance(error, OSError) else "no proper answer"
        return f"the running switch could not be told ({reason}); it reads them at its next start"
    if not reply.ok:
        return f"the running switch did not take them: {reply.error}"
    return f"the running switch uses them now ({reply.result.get('bindings', 'unknown')} bindings in all)"


def _load(config: Path | None) -> Config:
    try:
        return load_config(config)
    except ConfigError as error:
        _refuse(str(error))


def _open(config: Config) -> tuple[Database, Vault]:
    directory = Path(config.store.directory)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(directory / DATABASE_NAME)
        return database, load_vault(directory, database)
    except OSError as error:
        _refuse(f"{directory}: cannot be used as store.directory ({(error.strerror or str(error)).lower()})")
    except (DatabaseError, KeyFileError) as error:
        _refuse(str(error))


def _local(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / 1e6).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _refuse(line: str) -> NoReturn:
    typer.echo(line, err=True)
    raise typer.Exit(1)
