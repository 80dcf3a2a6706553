"""`switchboard flows draw`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Optional

import typer

from ivr_flows.checks import check
from ivr_flows.drawing import mermaid, svg
from ivr_flows.errors import FlowError
from ivr_flows.loader import read_flow
from ivr_flows.picture import picture
from switchboard.command_line import ConfigOption, reason_of, refuse
from switchboard.flows_cli.application import FlowFile, app, configured, counted, line_of, misused
from switchboard.flows_cli.sounds import PromptFiles

_DRAW_HELP: Final = """Draw a flow: boxes for nodes, arrows for exits.

An .svg opens in any browser and needs nothing else; .mmd is Mermaid, which
GitHub and many wikis draw. Without -o, Mermaid is written to the terminal.
What prompts say is taken from the manifests of the prompt directories.

A flow with faults is drawn as far as its exits lead somewhere.

\b
Examples:
  switchboard flows draw hotline.yaml -o hotline.svg
  switchboard flows draw hotline.yaml -o hotline.mmd
  switchboard flows draw hotline.yaml | pbcopy
"""


@app.command(help=_DRAW_HELP)
def draw(
    file: FlowFile,
    output: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option("--output", "-o", metavar="FILE", help="What to write: FILE.svg or FILE.mmd."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Draw a flow."""
    if output is not None and output.suffix not in (".svg", ".mmd"):
        misused(f"-o {output}: the name must end in .svg or .mmd")
    loaded = configured(config)
    try:
        flow, source = read_flow(file, checked=False)
    except FlowError as error:
        refuse("\n".join(map(line_of, error.all)))
    if faults := check(flow, source):
        typer.echo(f"note: {counted(len(faults), 'fault')}; see: switchboard flows check {file}", err=True)
    sounds = PromptFiles([path for path in map(Path, loaded.media.prompts) if path.is_dir()])
    shown = picture(flow, sounds.text)
    if not shown.entries:
        refuse(f"{file}: neither the start nor on_hangup leads to a node, so there is nothing to draw")
    text = svg(shown) if output is not None and output.suffix == ".svg" else mermaid(shown)
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        refuse(f"{output}: cannot be written ({reason_of(error)})")
    typer.echo(f"{output}: {counted(len(shown.boxes), 'node')}, {counted(len(shown.ways), 'exit')}")
