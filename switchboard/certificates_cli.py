"""`switchboard certificates`: what the running switch shows to its peers over TLS."""

from __future__ import annotations

from typing import Final

import typer

from switchboard.command_line import ConfigOption, asked

app = typer.Typer(
    name="certificates",
    help="The TLS certificates of the running switch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def certificates() -> None:
    """The TLS certificates of the running switch."""


_RELOAD_HELP: Final = """Read the certificates and keys of sip.listen again.

Who connects from now on is shown the new ones; connections and calls go on. Files that do not fit change nothing.

\b
Examples:
  switchboard certificates reload
"""


@app.command(help=_RELOAD_HELP)
def reload(config: ConfigOption = None) -> None:
    """Have certificate and key read anew."""
    asked(config, "reload-certificates")
    typer.echo("new connections are shown the new certificate")
