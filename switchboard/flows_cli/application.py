"""What the commands under `switchboard flows` share: the application, places of files, and how faults are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, NoReturn

import typer

from config.errors import ConfigError
from config.loader import load_config
from config.schema import Config
from ivr_flows.errors import FlowError
from ivr_flows.loader import LIBRARY

app: Final = typer.Typer(
    name="flows",
    help="Flows: what callers hear and key in. Check, test, draw and try them before anybody calls.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
Paths = Annotated[list[Path], typer.Argument(metavar="PATH…", help="Flow files, or directories of them.")]
FlowFile = Annotated[Path, typer.Argument(metavar="FILE", help="A flow file.")]
ReportFormat = Literal["text", "json", "github"]
ReportOption = Annotated[
    ReportFormat, typer.Option("--format", help="For people, for programs, or as notes in a pull request.")
]
USAGE: Final = 2


def configured(config: Path | None) -> Config:
    """The configuration; ends the command when it is wrong."""
    try:
        return load_config(config)
    except ConfigError as error:
        misused(str(error))


def flow_places(config: Config) -> tuple[Path, ...]:
    """Where sub-flows are looked for besides the directories of the files themselves."""
    return (LIBRARY, *(path for path in map(Path, config.flows) if path.is_dir()))


def misused(line: str) -> NoReturn:
    """End the command with a line on stderr and the status of wrong use."""
    typer.echo(line, err=True)
    raise typer.Exit(USAGE)


def line_of(fault: FlowError) -> str:
    """A fault as people read it."""
    return f"{fault}  [{fault.code}]"


def annotation(file: str, line: int, column: int, title: str, message: str) -> str:
    """A note that GitHub shows at a line of a pull request.

    https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    place = f"file={_property(file)},line={max(line, 1)},col={max(column, 1)},title={_property(title)}"
    return f"::error {place}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def counted(number: int, word: str) -> str:
    """A number with its noun."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def fault_fields(faults: Sequence[FlowError]) -> list[dict[str, object]]:
    """Faults for programs."""
    return [
        {
            "file": fault.file,
            "line": fault.line,
            "column": fault.column,
            "code": fault.code,
            "message": fault.message,
            "suggestion": fault.suggestion,
        }
        for fault in faults
    ]
