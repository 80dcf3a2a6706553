"""`switchboard flows check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from ivr_flows.checks.codes import MEANING
from ivr_flows.checks.files import Checked, check_files, flow_files
from ivr_flows.errors import FlowError
from switchboard.command_line import ConfigOption, show_json
from switchboard.flows_cli.application import (
    Paths,
    ReportOption,
    annotation,
    app,
    configured,
    counted,
    fault_fields,
    flow_places,
    line_of,
    misused,
)
from switchboard.flows_cli.sounds import PromptFiles

_CHECK_HELP: Final = """Check flows for errors before anybody calls.

Each fault has file, line, column, what to write instead, and a code that
stays the same. Found are exits that lead nowhere or are not wired, nodes
nobody reaches, ways without an end, circles without input, variables read
before they are set, secrets that would be spoken, logged or copied,
sub-flows that do not fit or lead back into themselves, prompts that are
missing or no audio, and whatever cannot be read at all.

Sub-flows are found in the same directories, in those of the configuration
and in the packaged library; prompts in --prompts, in the directories of the
configuration and in the packaged ones.

The status is 0 when all is well, 1 when there are faults, and 2 when the
command itself is wrong.

\b
Examples:
  switchboard flows check my_flows/
  switchboard flows check hotline.yaml survey.yaml --prompts recordings/
  switchboard flows check flows/ --config my.yaml --format github
  switchboard flows check flows/ --format json | jq '.faults[].code'
  switchboard flows check --codes
"""


@app.command(help=_CHECK_HELP)
def check(
    paths: Annotated[
        Optional[list[Path]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Argument(metavar="PATH…", help="Flow files, or directories of them."),
    ] = None,
    prompts: Annotated[
        Optional[list[Path]],  # noqa: UP045 - as above
        typer.Option("--prompts", metavar="DIR", help="Look for prompts here first; may be given several times."),
    ] = None,
    config: ConfigOption = None,
    form: ReportOption = "text",
    codes: Annotated[bool, typer.Option("--codes", help="List the kinds of errors and exit.")] = False,
) -> None:
    """Say what is wrong with flows."""
    if codes:
        width = max(map(len, MEANING))
        for code, meaning in sorted(MEANING.items()):
            typer.echo(f"{code:{width}}  {meaning}")
        return
    if not paths:
        misused("name the files or directories to check, such as: switchboard flows check my_flows/")
    checked = checked_files(paths, prompts or [], config)
    if form == "json":
        show_json({"files": [str(file) for file in checked.files], "faults": fault_fields(checked.faults)})
    else:
        for fault in checked.faults:
            advice = f"; {fault.suggestion}" if fault.suggestion else ""
            message = f"{fault.message}{advice}"
            note = annotation(fault.file, fault.line, fault.column, fault.code, message)
            typer.echo(note if form == "github" else line_of(fault))
        typer.echo(_summary(checked))
    raise typer.Exit(1 if checked.faults else 0)


def checked_files(paths: Paths, prompts: list[Path], config: Path | None) -> Checked:
    """Check what paths stand for; ends the command when they stand for nothing."""
    loaded = configured(config)
    for directory in prompts:
        if not directory.is_dir():
            misused(f"--prompts: {directory} is no directory")
    directories = [*prompts, *(path for path in map(Path, loaded.media.prompts) if path.is_dir())]
    try:
        files = flow_files(paths)
    except FlowError as error:
        misused(str(error))
    return check_files(files, PromptFiles(directories), flow_places(loaded))


def _summary(checked: Checked) -> str:
    files = counted(len(checked.files), "file")
    if not checked.faults:
        return f"ok: {files} checked; flows {', '.join(sorted(checked.flows))}"
    bad = len({fault.file for fault in checked.faults})
    return f"{counted(len(checked.faults), 'fault')} in {bad} of {files}"
