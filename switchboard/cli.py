"""The command line: `switchboard run`, `switchboard check`, and the groups of commands."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Annotated, Final, Optional

import typer

ConfigOption = Annotated[
    Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option("--config", "-c", metavar="FILE", help="The configuration file; default: the built-in one."),
]

app = typer.Typer(
    name="switchboard",
    help="A telephony switch: 400 numbers, hidden extensions, IVR flows.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command(
    epilog="Example: switchboard run --config config/bench.yaml --pid-file var/switch.pid --cpus 0",
)
def run(
    config: ConfigOption = None,
    pid_file: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="FILE", help="Where to write the process id; removed at the end."),
    ] = None,
    cpus: Annotated[
        Optional[str],  # noqa: UP045 - typer reads the annotation at run time
        typer.Option(metavar="LIST", help="Pin all processes to these CPUs, such as 0 or 0,2."),
    ] = None,
) -> None:
    """Start the switch; Ctrl-C or SIGTERM drains calls and stops it."""
    from switchboard.supervisor.run import run as run_supervisor

    raise typer.Exit(run_supervisor(config, pid_file, cpus))


@app.command(epilog="Example: switchboard check --config my.yaml")
def check(config: ConfigOption = None) -> None:
    """Read the configuration and the flows it names, and say what is wrong with them."""
    from config.errors import ConfigError
    from config.loader import config_advice, load_config
    from ivr_flows.errors import FlowError
    from switchboard.flow_files import load_flows
    from switchboard.streams import check_certificates

    try:
        loaded = load_config(config)
        check_certificates(loaded, config)
        flows = load_flows(loaded, config)
        for advice in config_advice(loaded, config):
            typer.echo(f"warning: {advice}", err=True)
    except (ConfigError, FlowError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    numbers = ", ".join(entry.number for entry in loaded.numbers) or "none"
    typer.echo(f"ok: numbers {numbers}; flows {', '.join(sorted(flows))}")


# Each is read only when it is asked for; `run` starts quicker without them.
GROUPS: Final = {
    "agents": "switchboard.remote_cli.agents",
    "calls": "switchboard.calls_cli",
    "certificates": "switchboard.certificates_cli",
    "flows": "switchboard.flows_cli",
    "keys": "switchboard.keys_cli",
    "masks": "switchboard.masks_cli",
    "registrations": "switchboard.registrations_cli",
    "sources": "switchboard.sources_cli",
    "trunks": "switchboard.trunks_cli",
    "users": "switchboard.users_cli",
    "voicemail": "switchboard.voicemail_cli",
    "workers": "switchboard.workers_cli",
}

COMMANDS: Final = {
    "login": ("switchboard.remote_cli.login", "LOGIN_HELP"),
    "logout": ("switchboard.remote_cli.login", "LOGOUT_HELP"),
    "queues": ("switchboard.remote_cli.queues", "HELP"),
    "top": ("switchboard.remote_cli.top", "HELP"),
    "trace": ("switchboard.remote_cli.trace", "HELP"),
    "transfer": ("switchboard.remote_cli.commands", "TRANSFER_HELP"),
}
"""Single commands: the module that has the function of that name, and its help."""


ALL: Final = "--help"
"""Asks for every command."""


def application(asked: str) -> typer.Typer:
    """The command line with what was asked for."""
    for name, (place, text) in COMMANDS.items():
        if asked in (name, ALL):
            found = importlib.import_module(place)
            app.command(name=name, help=getattr(found, text))(getattr(found, name))
    for name, module in GROUPS.items():
        if asked in (name, ALL):
            app.add_typer(importlib.import_module(module).app, name=name)
    return app


def main() -> None:
    """Entry point of the `switchboard` command."""
    application(sys.argv[1] if len(sys.argv) > 1 else ALL)()
