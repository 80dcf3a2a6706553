"""What the commands that work on the store share: configuration, store, words, and the running switch."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, NoReturn, Optional

import msgspec
import typer
from rich.cells import cell_len
from sqlalchemy.exc import SQLAlchemyError

from config.errors import ConfigError
from config.loader import load_config
from config.schema import Config
from routing.masks.secret import Vault
from switchboard.ops.control_client import NotRunning, Refused, ask
from switchboard.store.database import Database, DatabaseError, fault_of
from switchboard.store.keys import KeyFileError, load_vault
from switchboard.store.store import CONTROL_NAME, DATABASE_NAME

CONTROL_SECONDS: Final = 30.0
NO_ANSWER: Final = "no proper answer"
MAX_ROWS: Final = 10_000

ConfigOption = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--config", "-c", metavar="FILE", help="The configuration file; default: the built-in one."),
]
Format = Literal["text", "json"]
FormatOption = Annotated[Format, typer.Option("--format", help="Output for people or for programs.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, max=MAX_ROWS, help="How many to show at most.")]

_AGO: Final = re.compile(r"([0-9]{1,6})([smhd])\Z")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Opened(NamedTuple):
    """A configuration and the store it names."""

    config: Config
    database: Database
    vault: Vault

    @property
    def directory(self) -> Path:
        """Where the store is."""
        return Path(self.config.store.directory)

    @property
    def recordings(self) -> Path:
        """Where audio is written."""
        return Path(self.config.recording.directory or self.directory / "recordings")


@contextlib.contextmanager
def opened(config: Path | None) -> Iterator[Opened]:
    """The store of a configuration; ends the command with one line when there is none, or it cannot be used."""
    loaded = load(config)
    directory = Path(loaded.store.directory)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(directory / DATABASE_NAME)
    except OSError as error:
        refuse(f"{directory}: cannot be used as store.directory ({reason_of(error)})")
    except DatabaseError as error:
        refuse(str(error))
    try:
        yield Opened(loaded, database, load_vault(directory, database))
    except KeyFileError as error:
        refuse(str(error))
    except SQLAlchemyError as error:
        refuse(fault_of(database.path, error))
    finally:
        database.close()


def load(config: Path | None) -> Config:
    """The configuration; ends the command with one line when it is wrong."""
    try:
        return load_config(config)
    except ConfigError as error:
        refuse(str(error))


def refuse(line: str) -> NoReturn:
    """End the command with a line on stderr and status 1."""
    typer.echo(line, err=True)
    raise typer.Exit(1)


def reason_of(error: OSError) -> str:
    """Why a file cannot be used, in words."""
    return (error.strerror or str(error)).lower()


def local_time(time_us: int) -> str:
    """UTC microseconds as people here read them."""
    return datetime.fromtimestamp(time_us / 1e6).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def moment_us(text: str | None, name: str) -> int | None:
    """UTC microseconds of `2026-12-31`, `2026-12-31 18:00[:30][+08:00]` (local time), or `30m`, `2h`, `7d` ago."""
    if text is None:
        return None
    ago = _AGO.match(text.strip())
    if ago is not None:
        return time.time_ns() // 1000 - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000
    try:
        return int(datetime.fromisoformat(text.strip()).astimezone().timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        refuse(f"{name}: write a date such as 2026-12-31 or '2026-12-31 18:00', or how long ago: 30m, 2h, 7d")


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Lines in which the cells stand under each other, wide characters counted as two."""
    if not rows:
        return []
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def show_json(value: object) -> None:
    """One JSON document, indented."""
    typer.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def asked(config: Path | None, command: str, **values: Any) -> object:
    """What the running switch of a configuration answers to a command; one that cannot be done ends the program."""
    store = Path(load(config).store.directory)
    try:
        return ask(store / CONTROL_NAME, command, **values)
    except NotRunning as problem:
        refuse(f"{problem}; is it running on this store? (switchboard run)")
    except Refused as problem:
        refuse(str(problem))


def told(directory: Path, command: str, **values: Any) -> str:
    """Tells the switch that runs on a store what has changed there; why it could not, "" also where none runs."""
    try:
        ask(directory / CONTROL_NAME, command, timeout=CONTROL_SECONDS, **values)
    except NotRunning:
        return ""
    except Refused as problem:
        return str(problem)
    except msgspec.MsgspecError:
        return NO_ANSWER
    return ""
